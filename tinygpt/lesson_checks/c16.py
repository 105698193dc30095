"""Lesson 16: `head_score`, `ablate_head` and `paired`."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygpt.backend import Array
from tinygpt.lesson_checks.core import (
    Candidate,
    Check,
    expect,
    expect_array,
    expect_close,
    expect_finite,
    expect_number,
)
from tinygpt.ops import linear_forward


def head_score(p: Array, ids: Array, at: Array, shift: int) -> Array:
    """Each head's mean weight, from the positions `at`, on where the next token stood before, or
    `shift` places behind.   p (H, T, T), ids (T,), at (n,) -> (H,)"""
    T = len(ids)
    hit = np.zeros((len(at), T), bool)
    hit[:, shift:] = ids[: T - shift] == ids[at + 1][:, None]
    return np.asarray((p[:, at] * hit).sum(axis=-1).mean(axis=-1))  # rows of p end at i


def ablate_head(y: Array, w: Array, b: Array, n_head: int, h: int) -> Array:
    """The attention layer's output without what head h adds.   y (..., C), w (C, C), b (C,)"""
    D = y.shape[-1] // n_head
    y = y.copy()
    y[..., h * D : (h + 1) * D] = 0
    return linear_forward(y, w, b)[0]


def paired(changed: Sequence[float], baseline: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (n - 1) of changed - baseline, seed by seed."""
    d = [a - b for a, b in zip(changed, baseline, strict=True)]
    return statistics.fmean(d), statistics.stdev(d)


def weights(H: int, T: int, k: int) -> Array:
    """Weights (H, T, T) as a causal softmax makes them, of numbers in no order."""
    i = np.arange(H * T * T, dtype=np.float64)
    p = (1.0 + (i * i * k + i) % 7).reshape(H, T, T) * np.tril(np.ones((T, T)))
    return np.asarray(p / p.sum(axis=-1, keepdims=True))


HAND = np.array([0.1, 0.6, 0.1, 0.1, 0.1, 0.0])  # the lesson's own row
LESSON = np.stack([np.eye(6)[0]] * 4 + [HAND, np.eye(6)[0]])[None]
SCORED: list[tuple[Array, Array, Array, int]] = [
    (weights(1, 3, 2), np.array([5, 7, 5]), np.array([1]), 0),
    (weights(1, 3, 2), np.array([5, 7, 5]), np.array([1]), 1),
    (LESSON, np.array([0, 1, 2, 3, 4, 0]), np.array([4]), 1),
    (weights(2, 6, 3), np.array([4, 1, 4, 2, 2, 4]), np.array([4]), 0),
    (weights(2, 6, 3), np.array([4, 1, 4, 2, 2, 4]), np.array([1, 4]), 1),
    (weights(3, 7, 5), np.array([2, 0, 1, 2, 3, 1, 2]), np.array([2, 4, 5]), 1),
]


def head_score_is_right(f: Candidate) -> None:
    for case in SCORED:
        expect_array(f, f(*case), (len(case[0]),))
    for case in SCORED:
        expect_finite(f, f(*case), head_score(*case))
    for case in SCORED:
        p, ids, at, shift = case
        got, right = f(*case), head_score(*case)
        every = len(at) * right
        expect(not (len(at) > 1 and np.allclose(got, every)), "the sum over the positions in `at` "
               "is returned and should be their mean", f, yours=got, right=right)  # fmt: skip
        around = np.roll(ids, shift) == ids[at + 1][:, None]
        wrapped = (p[:, at] * around).sum(axis=-1).mean(axis=-1)
        expect(
            not (np.allclose(got, wrapped) and not np.allclose(right, wrapped)),
            "position 0 is counted as if it stood behind the last token: np.roll goes round",
            f, yours=got, right=right,
        )  # fmt: skip
        expect_close(
            f, got, right,
            "it is not the mean, over the positions i in `at`, of the weight p[h, i, j] added "
            "over all j with ids[j - shift] == ids[i + 1]",
        )  # fmt: skip


def layer(H: int, D: int, shape: tuple[int, ...]) -> tuple[Array, Array, Array]:
    C = H * D
    i = np.arange(math.prod(shape) * C, dtype=np.float64)
    j = np.arange(C * C, dtype=np.float64)
    y = ((i * i * 7 + 3 * i) % 13 - 6).reshape(*shape, C) / 4
    w = ((j * j * 5 + j) % 11 - 5).reshape(C, C) / 4
    return y, w, 1.0 + np.arange(C, dtype=np.float64)


HAND_W = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]])
LAYERS: list[tuple[tuple[Array, Array, Array], int]] = [
    ((np.array([[1.0, 2, 3, 4]]), HAND_W, np.array([0.0, 0, 0, 10])), 2),  # the lesson's own
    (layer(2, 3, (2,)), 2),
    (layer(3, 2, (2, 4)), 3),
]


def ablate_head_is_right(f: Candidate) -> None:
    for arrays, H in LAYERS:
        for h in range(H):
            expect_array(f, f(*arrays, H, h), arrays[0].shape)
    for dtype in (np.float32, np.float64):
        y, w, b = (a.astype(dtype) for a in LAYERS[1][0])
        expect_array(f, f(y, w, b, 2, 1), y.shape, dtype)
    for (y, w, b), H in LAYERS:
        full = linear_forward(y, w, b)[0]
        for h in range(H):
            got, right = f(y, w, b, H, h), ablate_head(y, w, b, H, h)
            expect_finite(f, got, right)
            D = w.shape[0] // H
            cut = full.copy()
            cut[..., h * D : (h + 1) * D] = 0
            no_bias = cut.copy()
            no_bias[..., h * D : (h + 1) * D] = b[h * D : (h + 1) * D]
            for wrong in (cut, no_bias):
                expect(not np.allclose(got, wrong), "channels of the output are set to 0, but "
                       "there the heads are mixed: cut before the product with w", f,
                       yours=got, right=right)  # fmt: skip
            expect(not np.allclose(got, right - b), "the bias b is gone: it belongs to the layer, "
                   "not to a head", f, yours=got, right=right)  # fmt: skip
            only = full - right + b
            expect(not np.allclose(got, only), "head h alone is left, and it should be cut", f,
                   yours=got, right=right)  # fmt: skip
            expect_close(f, got, right, "it is not the sum, over the heads but h, of y's D "
                         "channels of a head times w's D rows of that head, plus b")  # fmt: skip


PAIRS: list[tuple[list[float], list[float]]] = [
    ([0.5, 0.9, 0.75], [0.4, 0.7, 0.6]),  # the lesson's own
    ([1.0, 3.0], [0.0, 1.0]),
    ([2.0, 1.0, 4.0, 3.0], [4.0, 1.0, 2.0, 8.0]),
]


def paired_is_right(f: Candidate) -> None:
    for changed, baseline in PAIRS:
        got: Any = f(changed, baseline)
        two = isinstance(got, tuple | list | np.ndarray) and np.shape(got)[:1] == (2,)
        expect(two, "return two numbers: the mean difference and its spread", f)
        for value in got:
            expect_number(f, value)
    for changed, baseline in PAIRS:
        mean, spread = f(changed, baseline)
        right, s = paired(changed, baseline)
        facts = {"yours": (float(mean), float(spread)), "right": (right, s)}
        turned = np.isclose(mean, -right) and right != 0
        expect(not turned, "the sign is turned: take changed minus baseline, so that above 0 "
               "means a higher loss with the change", f, **facts)  # fmt: skip
        expect(bool(np.isclose(mean, right)), "the first number is not the mean difference", f,
               **facts)  # fmt: skip
        n = len(changed)
        expect(not np.isclose(spread, s * math.sqrt((n - 1) / n)), "the spread is divided by n "
               "and should be by n - 1: the mean was made of the same numbers", f,
               **facts)  # fmt: skip
        expect(not np.isclose(spread, s / math.sqrt(n)), "this is the spread of the mean "
               "(divided by sqrt(n)); return that of the differences", f, **facts)  # fmt: skip
        expect(
            bool(np.isclose(spread, s)),
            "the second number is not the spread of the differences: subtract seed by seed first, "
            "then take the standard deviation",
            f, **facts,
        )  # fmt: skip


CHECKS = [
    Check(
        name="16.head_score",
        arguments=("p", "ids", "at", "shift"),
        properties=head_score_is_right,
        right="on the mention and behind it, with several mentions, heads and positions",
        library=head_score,
        hints=(
            "At one position i the answer is ids[i + 1]. Which j hold a token equal to it, and "
            "where does `shift` move them?",
            "Make a table hit (n, T) of True and False, one row for each position in `at`: "
            "hit[:, shift:] = ids[: T - shift] == ids[at + 1][:, None]. What is left is False.",
            "p[:, at] has shape (H, n, T): its rows at the positions. (p[:, at] * hit) added "
            "along the last axis, then the mean over the positions, gives (H,).",
        ),
    ),
    Check(
        name="16.ablate_head",
        arguments=("y", "w", "b", "n_head", "h"),
        properties=ablate_head_is_right,
        right="the heads but h and the bias stay as they were, for any axes in front",
        library=ablate_head,
        hints=(
            "In which of the three arrays y, w and y @ w do the channels still belong to one head?",
            "Head h owns the D = C // n_head channels from h * D to (h + 1) * D of y. Work on "
            "y.copy(), for y belongs to the caller.",
            "y = y.copy(); y[..., h * D : (h + 1) * D] = 0; return y @ w + b.",
        ),
    ),
    Check(
        name="16.paired",
        arguments=("changed", "baseline"),
        properties=paired_is_right,
        right="seed by seed, mean and spread, with n - 1",
        library=paired,
        hints=(
            "What do two runs with the same seed have in common, and how do you get rid of it?",
            "Subtract first: d = changed - baseline, one number a seed. Then mean and standard "
            "deviation of d. np.std divides by n unless told otherwise.",
            "d = np.array(changed) - np.array(baseline); return d.mean(), d.std(ddof=1).",
        ),
    ),
]
