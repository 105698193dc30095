"""Lesson 07: `embedding_backward`."""

import numpy as np

from tinygpt import ops
from tinygpt.backend import Array
from tinygpt.lesson_checks.core import (
    Candidate,
    Check,
    expect,
    expect_array,
    expect_close,
    expect_gradient,
)

# ids and V, the smallest first; then repeated ids, then the lesson's own. C is 2, then 3.
CASES = [
    (np.array([1]), 2),
    (np.array([0, 2]), 4),
    (np.array([1, 1]), 3),
    (np.array([[0, 1, 0]]), 4),
    (np.array([[2, 0, 2, 2], [4, 2, 0, 1]]), 5),
]


def gradient_of(ids: Array, C: int) -> Array:
    """A dy (..., C) for these ids, whose numbers all differ."""
    return np.arange(1.0, ids.size * C + 1.0).reshape(*ids.shape, C)


def embedding_backward(dy: Array, ids: Array, V: int) -> Array:
    return ops.embedding_backward(dy, (ids, (V, dy.shape[-1])))


def embedding_backward_is_right(f: Candidate) -> None:
    for ids, V in CASES:
        dy = gradient_of(ids, 2)
        expect_array(f, f(dy, ids, V), (V, 2))
    for dtype in (np.float32, np.float64):
        ids, V = CASES[0]
        expect_array(f, f(gradient_of(ids, 3).astype(dtype), ids, V), (V, 3), dtype)
    for ids, V in CASES:
        dy = gradient_of(ids, 2)
        dw = f(dy, ids, V)
        absent = np.setdiff1d(np.arange(V), ids)
        expect(not dw[absent].any(), "a token that does not occur in ids gets a gradient; its row "
               "of dw should be 0", f, yours=dw)  # fmt: skip
        right = embedding_backward(dy, ids, V)
        rows, last = dy.reshape(-1, 2), np.zeros((V, 2))
        for i, row in zip(ids.reshape(-1), rows, strict=True):
            last[i] = row
        repeated = ids.size > np.unique(ids).size
        expect(not (repeated and np.allclose(dw, last)), "an id that occurs more than once keeps "
               "one of its rows of dy and drops the others; they should be added", f,
               yours=dw, right=right)  # fmt: skip
        counts = np.maximum(np.bincount(ids.reshape(-1), minlength=V), 1)[:, None]
        expect(not (repeated and np.allclose(dw * counts, right)), "an id that occurs more than "
               "once gets the mean of its rows of dy; the gradient is their sum", f,
               yours=dw, right=right)  # fmt: skip
        expect_close(f, dw.sum(axis=0), rows.sum(axis=0), "dw and dy should have the same total in "
                     "each channel: nothing is lost, nothing is counted twice",
                     shown="totals")  # fmt: skip
        expect_close(f, dw, right, "row v of dw is not the sum of dy where ids == v")
        renamed = V - 1 - ids
        expect_close(f, f(dy, renamed, V), dw[::-1], "other ids for the same tokens should give "
                     "the same rows in another order")  # fmt: skip
    for ids, V in CASES:
        w = np.random.default_rng(0).standard_normal((V, 3))
        dy = gradient_of(ids, 3)

        def loss(w: Array = w, ids: Array = ids, dy: Array = dy) -> float:
            return float((dy * w[ids]).sum())

        expect_gradient(
            f, loss, {"w": w}, {"w": f(dy, ids, V)}, "it is not the gradient of sum(dy * w[ids])"
        )


CHECKS = [
    Check(
        name="07.embedding_backward",
        arguments=("dy", "ids", "V"),
        properties=embedding_backward_is_right,
        right="repeated ids accumulate, absent tokens get 0, and it equals finite differences",
        library=embedding_backward,
        hints=(
            "Begin with a table of zeros of shape (V, C). Every place in the text adds its row of "
            "dy to one row of that table. Which one?",
            "Make rows first: ids.reshape(-1) is (N,), dy.reshape(-1, C) is (N, C). Then either a "
            "loop over N places, or np.add.at, or one_hot(ids, V) transposed, times the rows.",
            "dw = np.zeros((V, C), dy.dtype); np.add.at(dw, ids.reshape(-1), dy.reshape(-1, C)); "
            "return dw. Not dw[ids] += dy, which drops repeated ids.",
        ),
    ),
]
