"""From logits to the next token: small pure functions on one row of host logits (V,).

They are applied in the order that the field uses: repetition, presence and frequency penalty,
temperature, top-k, top-p, min-p, then one draw. A token that has been ruled out has the logit
-inf. All of it is float64: rounding in float32 would decide draws.
"""

import math
from collections.abc import Sequence

import numpy as np

from tinygpt.backend import Array
from tinygpt.config import SamplingConfig
from tinygpt.errors import TinyGPTError
from tinygpt.ops import softmax_forward

_GREATEST = float(np.finfo(np.float64).max)


def apply_repetition_penalty(logits: Array, ids: Sequence[int], penalty: float) -> Array:
    """Make every distinct token of `ids` less likely (for a penalty above 1), once: divide positive
    logits, multiply negative ones; 0 stays, as in CTRL (Keskar et al. 2019, section 4.1).

    >>> apply_repetition_penalty(np.array([3.0, -1.0, 2.0]), [1, 0, 0], 2.0).tolist()
    [1.5, -2.0, 2.0]
    """
    result = np.array(logits, dtype=np.float64)
    seen = np.unique(np.asarray(ids, dtype=np.int64))
    values = result[seen]
    with np.errstate(over="ignore"):
        changed = np.where(values > 0, values / penalty, values * penalty)
    result[seen] = np.clip(changed, -_GREATEST, _GREATEST)  # an absurd penalty, not infinity
    return result


def apply_presence_penalty(logits: Array, ids: Sequence[int], penalty: float) -> Array:
    """Take `penalty` from the logit of every distinct token of `ids`, once.

    >>> apply_presence_penalty(np.array([3.0, -1.0, 2.0]), [1, 0, 0], 0.5).tolist()
    [2.5, -1.5, 2.0]
    """
    return np.asarray(logits, np.float64) - penalty * (_counts(ids, len(logits)) > 0)


def apply_frequency_penalty(logits: Array, ids: Sequence[int], penalty: float) -> Array:
    """Take `penalty` from a token's logit for each time it stands in `ids`.

    >>> apply_frequency_penalty(np.array([3.0, -1.0, 2.0]), [1, 0, 0], 0.5).tolist()
    [2.0, -1.5, 2.0]
    """
    return np.asarray(logits, np.float64) - penalty * _counts(ids, len(logits))


def _counts(ids: Sequence[int], vocab_size: int) -> Array:
    """How often each token stands in `ids`, (V,)."""
    return np.bincount(np.asarray(ids, np.int64), minlength=vocab_size)


def apply_temperature(logits: Array, temperature: float | Array) -> Array:
    """(logits - max) / temperature. The shift changes no probability and keeps every positive
    temperature, however small, from overflowing. For rows (B, V) too, with temperatures (B, 1).

    >>> apply_temperature(np.array([2.0, 1.0, 0.0]), 0.5).tolist()
    [0.0, -2.0, -4.0]
    """
    result = np.array(logits, dtype=np.float64)
    with np.errstate(over="ignore"):  # -inf where the temperature is too small, which is right
        result -= result.max(axis=-1, keepdims=True)
        result /= temperature
    return result


def keep_top_k(logits: Array, k: int) -> Array:
    """Rule out all but the k greatest logits; among equals the lower id stays. k may exceed V.

    >>> keep_top_k(np.array([1.0, 3.0, 1.0, 2.0]), 3).tolist()
    [1.0, 3.0, -inf, 2.0]
    """
    result = np.array(logits, dtype=np.float64)
    if k >= result.size:
        return result
    threshold = np.partition(result, result.size - k)[result.size - k]  # the k-th greatest
    ties = np.flatnonzero(result == threshold)
    room = k - np.count_nonzero(result > threshold)
    result[result < threshold] = -np.inf
    result[ties[room:]] = -np.inf
    return result


def keep_top_p(logits: Array, p: float) -> Array:
    """Keep the least set of likeliest tokens whose probability reaches p, never none; among
    equals the lower id comes first (nucleus sampling, Holtzman et al. 2020).

    >>> keep_top_p(np.log([0.125, 0.5, 0.25, 0.125]), 0.7).round(3).tolist()
    [-inf, -0.693, -1.386, -inf]
    """
    result = np.array(logits, dtype=np.float64)
    if p >= 1:
        return result
    probs = softmax(result)
    # tokens of at most (1 - p) / V each weigh at most 1 - p together: those kept are among the
    # others, and sorting these alone is quick
    likely = np.flatnonzero(probs * probs.size > 1 - p)
    order = likely[np.argsort(-result[likely], kind="stable")]
    kept = order[: np.searchsorted(np.cumsum(probs[order]), p) + 1]  # to the first mass >= p
    nucleus = np.full_like(result, -np.inf)
    nucleus[kept] = result[kept]
    return nucleus


def keep_min_p(logits: Array, min_p: float) -> Array:
    """Rule out tokens less likely than min_p times the likeliest, which stays (Nguyen et al. 2024).

    >>> keep_min_p(np.log([0.125, 0.5, 0.25, 0.125]), 0.4).round(3).tolist()
    [-inf, -0.693, -1.386, -inf]
    """
    result = np.array(logits, dtype=np.float64)
    if min_p > 0:  # probabilities compare as logits do: p / q = exp(logit p - logit q)
        result[result < result.max() + math.log(min_p)] = -np.inf
    return result


def softmax(logits: Array) -> Array:
    """Probabilities exp(logits) / sum, in float64; at least one logit is finite.

    >>> softmax(np.array([0.0, 0.0, -np.inf])).tolist()
    [0.5, 0.5, 0.0]
    """
    return softmax_forward(np.asarray(logits, dtype=np.float64))[0]


def draw(probs: Array, u: float) -> int:
    """The token in whose share of [0, 1) the uniform number u falls.

    >>> [draw(np.array([0.25, 0.0, 0.75]), u) for u in (0.0, 0.2, 0.25, 0.999)]
    [0, 0, 2, 2]
    """
    return _find(np.cumsum(probs, dtype=np.float64), u)


def _find(mass: Array, u: float) -> int:
    """Where the cumulated probabilities `mass` first exceed u."""
    # subtle: mass[-1] is 1 but for rounding, so u is scaled by it; then u * mass[-1] < mass[-1]
    # for every float64 u below 1, and the search ends at a token whose probability is not 0
    return int(np.searchsorted(mass, u * mass[-1], side="right"))


def log_probs(logits: Array) -> Array:
    """The model's own log-probabilities (V,) in nats, before penalties, temperature and filters.

    >>> log_probs(np.array([0.0, 0.0, math.log(2)])).round(3).tolist()
    [-1.386, -1.386, -0.693]
    """
    result = np.array(logits, dtype=np.float64)
    result -= result.max()
    result -= math.log(np.exp(result).sum())
    return result


def next_probs(
    logits: Array,
    sampling: SamplingConfig,
    *,
    prompt: Sequence[int] = (),
    output: Sequence[int] = (),
) -> Array:
    """The distribution (V,) from which the next token is drawn. Temperature 0 puts all on the
    greatest logit (the lowest id among equals).

    The repetition penalty counts the ids of prompt and output, the other two the output alone.
    Raises TinyGPTError for NaN, +infinity, or nothing but -infinity.

    >>> next_probs(np.array([0.0, 1.0, 1.0]), SamplingConfig(temperature=0)).tolist()
    [0.0, 1.0, 0.0]
    """
    check_logits(logits)
    if sampling.repetition_penalty != 1:
        logits = apply_repetition_penalty(logits, [*prompt, *output], sampling.repetition_penalty)
    if sampling.presence_penalty != 0:
        logits = apply_presence_penalty(logits, output, sampling.presence_penalty)
    if sampling.frequency_penalty != 0:
        logits = apply_frequency_penalty(logits, output, sampling.frequency_penalty)
    if sampling.temperature == 0:
        probs = np.zeros(len(logits))
        probs[np.argmax(logits)] = 1.0
        return probs
    logits = apply_temperature(logits, sampling.temperature)
    if sampling.top_k is not None:
        logits = keep_top_k(logits, sampling.top_k)
    if sampling.top_p is not None:
        logits = keep_top_p(logits, sampling.top_p)
    if sampling.min_p is not None:
        logits = keep_min_p(logits, sampling.min_p)
    return softmax(logits)


def draw_rows(logits: Array, temperatures: Sequence[float], u: Sequence[float]) -> list[int]:
    """What `draw(next_probs(row, …), u)` gives for each row of logits (B, V), whose settings are a
    temperature above 0 and nothing else: all rows at once, with a few calls of NumPy for all."""
    check_logits(logits)
    probs = softmax(apply_temperature(logits, np.array(temperatures)[:, None]))
    mass = np.cumsum(probs, axis=-1)
    return [_find(row, one) for row, one in zip(mass, u, strict=True)]


def check_logits(logits: Array) -> None:
    """Raise TinyGPTError unless the greatest of each row is a number."""
    if not np.isfinite(np.max(logits, axis=-1)).all():  # NaN if any is NaN
        raise TinyGPTError(
            "the model's logits are not numbers (NaN or infinity): its training diverged or the "
            "weights are damaged; use an earlier checkpoint"
        )
