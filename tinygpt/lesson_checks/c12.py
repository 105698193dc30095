"""Lesson 12: `sample`, `keep_top_k`, `keep_top_p` and `penalise`."""

from collections.abc import Sequence

import numpy as np

from tinygpt import sampling
from tinygpt.backend import Array
from tinygpt.config import SamplingConfig
from tinygpt.lesson_checks.core import (
    Candidate,
    Check,
    Finding,
    expect,
    expect_array,
    expect_close,
    expect_number,
)

PROBS = np.array([0.40, 0.20, 0.15, 0.10, 0.06, 0.04, 0.03, 0.02])  # the lesson's eight words
LESSON = np.log(PROBS) + 6.0
ROWS = [
    np.array([1.0, 2.0]),
    np.array([1.0, 3.0, 2.0]),
    np.array([1.0, 3.0, 1.0, 2.0]),
    np.array([-2.0, 0.5, 0.5, -1.0, 0.5]),
    LESSON,
    LESSON[::-1].copy(),
]


def sample(logits: Array, temperature: float, u: float) -> int:
    """The id in whose share of [0, 1) the uniform number u falls; temperature 0: the likeliest."""
    probs = sampling.next_probs(logits, SamplingConfig(temperature=temperature))
    return sampling.draw(probs, u)


def keep_top_k(logits: Array, k: int) -> Array:
    return sampling.keep_top_k(logits, k)


def keep_top_p(logits: Array, p: float) -> Array:
    return sampling.keep_top_p(logits, p)


def penalise(
    logits: Array,
    prompt: Sequence[int],
    output: Sequence[int],
    repetition: float,
    presence: float,
    frequency: float,
) -> Array:
    """The three penalties, in the field's order.   logits (V,) -> (V,)"""
    logits = sampling.apply_repetition_penalty(logits, [*prompt, *output], repetition)
    logits = sampling.apply_presence_penalty(logits, output, presence)
    return sampling.apply_frequency_penalty(logits, output, frequency)


def sample_is_right(f: Candidate) -> None:
    for x in ROWS:
        got = f(x, 1.0, 0.5)
        expect_number(f, got)
        whole = float(got) == int(got) and 0 <= int(got) < len(x)
        expect(whole, f"it should return an id, a whole number from 0 to {len(x) - 1}", f,
               yours=got)  # fmt: skip
    for x in ROWS:
        for u in (0.0, 0.7, 0.999):
            best = int(np.argmax(x))
            expect(int(f(x, 0.0, u)) == best, f"at temperature 0 the likeliest is taken, id {best} "
                   "(of equals the lower id), whatever u is", f, yours=f(x, 0.0, u))  # fmt: skip
    if int(f(ROWS[1], 1e-3, 0.999)) != 1:
        raise Finding("near temperature 0 all the probability should lie on the likeliest",
                      f.facts(yours=f(ROWS[1], 1e-3, 0.999), right=1))  # fmt: skip
    ruled_out = np.array([-np.inf, 0.0, 0.0, -np.inf])
    for u, right in ((0.0, 1), (0.5, 2), (1 - 2.0**-53, 2)):
        got = int(f(ruled_out, 1.0, u))
        expect(bool(np.isfinite(ruled_out[got])), "it draws a token that is ruled out (its "
               "probability is 0)", f, yours=got, right=right)  # fmt: skip
    for x in ROWS:
        for u in (0.01, 0.3, 0.5, 0.77, 0.97):  # none at the end of a share
            got, right = int(f(x, 1.0, u)), sample(x, 1.0, u)
            expect(got == right, "u does not fall into that token's share: the shares lie side by "
                   "side in the order of the ids, the first begins at 0", f, yours=got,
                   right=right)  # fmt: skip
    for temperature in (0.5, 2.0):
        _draws_follow(f, LESSON, temperature)


def _draws_follow(f: Candidate, x: Array, temperature: float) -> None:
    """Chi-square of 1500 draws; seven degrees of freedom: one in a thousand is above 24.3."""
    n, rng = 1500, np.random.default_rng(12)
    seen = np.bincount([int(f(x, temperature, u)) for u in rng.random(n)], minlength=len(x))
    right = sampling.next_probs(x, SamplingConfig(temperature=temperature))
    chi2 = float(((seen - n * right) ** 2 / (n * right)).sum())
    expect(chi2 < 30, f"1500 draws do not follow exp(logits / {temperature:g}) / sum (χ² is "
           f"{chi2:.0f}, chance gives 7 or so)", f, yours=seen / n, right=right)  # fmt: skip


def _kept(x: Array) -> list[int]:
    return [int(i) for i in np.flatnonzero(np.isfinite(x))]


def _is_a_filter(f: Candidate, x: Array, got: Array) -> None:
    """What stays has its logit, the rest is -inf, and something stays."""
    kept = _kept(got)
    expect(not np.isnan(got).any(), "the result has nan", f, yours=got)
    expect(len(kept) > 0, "nothing is left: softmax of nothing but −inf is nan", f, yours=got)
    expect(bool((got[~np.isfinite(got)] < 0).all()), "what is ruled out gets −inf", f, yours=got)
    expect_close(f, got[kept], x[kept], "a logit that stays has changed (rule out the others "
                 "with −inf and leave these as they are)", shown="yours, kept")  # fmt: skip


def keep_top_k_is_right(f: Candidate) -> None:
    for x in ROWS:
        for k in (1, 2, 3, 100):
            expect_array(f, f(x, k), x.shape)
    for x in ROWS:
        for k in (1, 2, 3, len(x), 100):
            got = f(x, k)
            _is_a_filter(f, x, got)
            kept, right = _kept(got), _kept(keep_top_k(x, k))
            expect(len(kept) == len(right), f"it keeps {len(kept)} and should keep {len(right)} "
                   "(of equals the lower ids)", f, yours=got, right=keep_top_k(x, k))  # fmt: skip
            expect(kept == right, f"it keeps the ids {kept}; the {len(right)} likeliest are "
                   f"{right} (of equals the lower ids)", f, yours=got)  # fmt: skip


def keep_top_p_is_right(f: Candidate) -> None:
    for x in ROWS:
        expect_array(f, f(x, 0.6), x.shape)
    for x in ROWS:
        for p in (0.05, 0.3, 0.7, 0.8, 0.97, 1.0):
            got = f(x, p)
            _is_a_filter(f, x, got)
            probs, kept, right = sampling.softmax(x), _kept(got), _kept(keep_top_p(x, p))
            mass = float(probs[kept].sum())
            expect(mass >= p - 1e-12, f"what it keeps has the probability {mass:.4g}, which does "
                   f"not reach {p:g}: the token that crosses the line stays too", f, yours=got,
                   probs=probs, right=right)  # fmt: skip
            expect(len(kept) <= len(right), f"{len(right)} tokens reach {p:g}, and it keeps "
                   f"{len(kept)}: the least set, no more", f, yours=got, probs=probs,
                   right=right)  # fmt: skip
            expect(kept == right, f"it keeps the ids {kept}; the least set is {right} (of equals "
                   "the lower ids)", f, yours=got, probs=probs)  # fmt: skip


PENALTIES = [  # logits, prompt, output, repetition, presence, frequency; the smallest first
    (np.array([3.0, -1.0, 2.0]), [], [1, 0, 0], 1.0, 0.0, 0.0),
    (np.array([3.0, -1.0, 2.0]), [], [0, 0], 1.0, 0.5, 0.0),
    (np.array([3.0, -1.0, 2.0]), [], [1, 0, 0], 1.0, 0.0, 0.5),
    (np.array([3.0, -1.0, 2.0]), [0], [1, 1], 2.0, 0.0, 0.0),
    (np.array([3.0, -1.0, 2.0]), [2, 2], [0, 0, 1], 1.0, 0.5, 0.25),
    (np.array([3.0, -1.0, 2.0, 0.0]), [2], [0, 0], 2.0, 1.0, 0.5),
]


def penalise_is_right(f: Candidate) -> None:
    for case in PENALTIES:
        expect_array(f, f(*case), case[0].shape)
    for case in PENALTIES:
        x, prompt, output, repetition, presence, frequency = case
        got, right = f(*case), penalise(*case)
        if repetition == 1 and presence == 0 and frequency == 0:
            expect_close(f, got, x, "with repetition 1 and the others 0 nothing should change")
        elif repetition == 1:
            alone = [i for i in prompt if i not in output]
            expect(bool((got[alone] == x[alone]).all()), "presence and frequency count what was "
                   "written (output), not the prompt", f, yours=got, right=right)  # fmt: skip
            kind = "presence" if frequency == 0 else "frequency" if presence == 0 else "both"
            says = {
                "presence": "presence takes its amount once, however often the token stands there",
                "frequency": "frequency takes its amount for each time the token stands there",
                "both": "presence and frequency together are not right",
            }
            expect_close(f, got, right, says[kind])
        else:
            up = (got > x + 1e-12).any()
            expect(not up, "a token became likelier by being repeated: a negative logit is "
                   "multiplied, not divided", f, yours=got, right=right)  # fmt: skip
            expect_close(f, got, right, "the repetition penalty comes first, acts once on every "
                         "distinct token of prompt and output, and then the others "
                         "follow")  # fmt: skip


CHECKS = [
    Check(
        name="12.sample",
        arguments=("logits", "temperature", "u"),
        properties=sample_is_right,
        right="temperature 0 is the argmax, what is ruled out never comes, 1500 draws pass χ²",
        library=sample,
        hints=(
            "Three steps: temperature 0 by itself, then logits to probabilities, then the first "
            "token whose running sum passes u.",
            "z = (logits - logits.max()) / temperature, then softmax of z. np.cumsum(p) gives the "
            "right end of each token's share.",
            "np.searchsorted(ends, u * ends[-1], side='right') is the first end above u; make an "
            "int of it. For temperature 0: int(np.argmax(logits)).",
        ),
    ),
    Check(
        name="12.keep_top_k",
        arguments=("logits", "k"),
        properties=keep_top_k_is_right,
        right="the k likeliest stay as they are, of equals the lower ids, the rest is −inf",
        library=keep_top_k,
        hints=(
            "Sort the ids, not the logits: which ids come first when the largest logit comes "
            "first?",
            "np.argsort(-logits, kind='stable') lists the ids, likeliest first, and of equals the "
            "lower id first. The first k of that list stay.",
            "result = np.full(len(logits), -np.inf); kept = that list[:k]; result[kept] = "
            "logits[kept]; return result.",
        ),
    ),
    Check(
        name="12.keep_top_p",
        arguments=("logits", "p"),
        properties=keep_top_p_is_right,
        right="the least set of likeliest tokens that reaches p stays, and never none",
        library=keep_top_p,
        hints=(
            "Go through the tokens from the likeliest on and add up their probabilities. At which "
            "one do you stop, and does that one stay?",
            "order = np.argsort(-logits, kind='stable'); mass = np.cumsum(softmax(logits)[order]). "
            "All up to and with the first mass >= p stay.",
            "n = np.searchsorted(mass, p) + 1 tokens stay: order[:n]. As in keep_top_k, copy their "
            "logits into an array of -np.inf.",
        ),
    ),
    Check(
        name="12.penalise",
        arguments=("logits", "prompt", "output", "repetition", "presence", "frequency"),
        properties=penalise_is_right,
        right="repetition by sign and once, presence once, frequency each time, in this order",
        library=penalise,
        hints=(
            "Make a copy, then three changes one after the other. Which of the three look at the "
            "prompt?",
            "seen = np.unique([*prompt, *output]), as integers: there z becomes z / repetition if "
            "z > 0, else z * repetition. np.bincount(output, minlength=V) counts the rest.",
            "x[seen] = np.where(x[seen] > 0, x[seen] / repetition, x[seen] * repetition); count = "
            "np.bincount(output, minlength=len(x)); return x - presence * (count > 0) - frequency "
            "* count.",
        ),
    ),
]
