"""Assignment 12: penalties, a filter, a draw, and the loop."""

import numpy as np

REPETITION = 1.5  # of your class; leave it as it is
PRESENCE = 0.5  # of your class; leave it as it is
FREQUENCY = 0.25  # of your class; leave it as it is
COUNTED = "output"  # of your class: "output", or "all" for prompt and output
FILTER = "top_p"  # of your class: "top_p" or "min_p"
THRESHOLD = 0.25  # of your class; leave it as it is


def penalise(logits, prompt, output):
    """Logits after the three penalties.   logits (V,), lists of ids -> (V,)"""
    # BEGIN SOLUTION
    x = logits.copy()
    said = np.unique(np.array([*prompt, *output], dtype=int))
    x[said] = np.where(x[said] > 0, x[said] / REPETITION, x[said] * REPETITION)
    counted = [*prompt, *output] if COUNTED == "all" else [*output]
    times = np.bincount(np.array(counted, dtype=int), minlength=len(x))
    return x - PRESENCE * (times > 0) - FREQUENCY * times
    # END SOLUTION


def keep_likely(logits):
    """The logits of the tokens that FILTER lets stay, -inf for the rest.   (V,) -> (V,)"""
    # BEGIN SOLUTION
    e = np.exp(logits - logits.max())
    p = e / e.sum()
    if FILTER == "top_p":
        order = np.argsort(-p, kind="stable")
        kept = order[: np.searchsorted(np.cumsum(p[order]), THRESHOLD) + 1]
    else:
        kept = np.flatnonzero(p >= THRESHOLD * p.max())
    result = np.full(len(logits), -np.inf)
    result[kept] = logits[kept]
    return result
    # END SOLUTION


def sample(logits, temperature, u):
    """The id in whose share of [0, 1) the number u lies.   logits (V,) -> int"""
    # BEGIN SOLUTION
    if temperature == 0:
        return int(np.argmax(logits))
    e = np.exp((logits - logits.max()) / temperature)
    ends = np.cumsum(e)
    return int(np.searchsorted(ends, u * ends[-1], side="right"))
    # END SOLUTION


def generate(next_logits, prompt, us, temperature):
    """One id for each u: ask the model, penalise, filter, draw.   -> list of ids"""
    # BEGIN SOLUTION
    output = []
    for u in us:
        logits = penalise(next_logits([*prompt, *output]), prompt, output)
        output.append(sample(keep_likely(logits), temperature, u))
    return output
    # END SOLUTION
