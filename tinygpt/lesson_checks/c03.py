"""Lesson 03: `softmax`, `cross_entropy` and its gradient."""

import math

import numpy as np

from tinygpt import ops
from tinygpt.backend import Array
from tinygpt.lesson_checks.core import (
    Candidate,
    Check,
    expect,
    expect_array,
    expect_close,
    expect_finite,
    expect_gradient,
    expect_number,
)

# The smallest first; the lesson's own numbers are the third and the last.
LOGITS = [
    np.array([[0.0, 1.0]]),
    np.array([0.0, 1.0, 3.0]),
    np.array([[2.0, 1.0, 0.0]]),
    np.array([[2.0, 1.0], [0.0, 3.0], [0.5, 0.5]]),
    np.arange(12.0).reshape(2, 2, 3) % 5 - 1.0,
]
HUGE = [np.array([[1000.0, 0.0]]), np.array([[-1000.0, -1001.0]]), np.array([[1e3, 0.0, -1e3]])]
PAIRS = [  # logits and the right ids
    (np.array([[0.0, 1.0]]), np.array([0])),
    (np.array([[2.0, 1.0, 0.0]]), np.array([1])),
    (np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 0.0]]), np.array([0, 2])),
    (np.array([[0.5, -1.0, 2.0], [1.0, 1.0, 0.0], [0.0, 3.0, -2.0]]), np.array([2, 2, 0])),
    (np.arange(12.0).reshape(2, 2, 3) % 5 - 1.0, np.array([[0, 2], [1, 1]])),
]


def softmax(x: Array) -> Array:
    return ops.softmax_forward(x)[0]


def cross_entropy(logits: Array, ids: Array) -> float:
    return ops.cross_entropy_forward(logits, ids)[0]


def cross_entropy_gradient(logits: Array, ids: Array) -> Array:
    return ops.cross_entropy_backward(1.0, ops.cross_entropy_forward(logits, ids)[1])


def softmax_is_right(f: Candidate) -> None:
    for x in LOGITS:
        expect_array(f, f(x), x.shape)
    for dtype in (np.float32, np.float64):
        expect_array(f, f(LOGITS[0].astype(dtype)), LOGITS[0].shape, dtype)
    for x in LOGITS:
        p = f(x)
        expect_finite(f, p, softmax(x))
        expect(bool((p >= 0).all()), "a probability is negative", f, yours=p)
        sums = p.sum(axis=-1)
        expect_close(
            f,
            sums,
            np.ones(sums.shape),
            "the rows, along the last axis, do not sum to 1",
            shown="sums",
        )
        shifted = f(x + 2.0)
        expect_close(f, shifted, p, "adding 2 to every logit changes the result", tolerance=1e-9)
    for x in LOGITS:
        expect_close(f, f(x), softmax(x), "the probabilities are not exp(x) / sum(exp(x))")
    for x in HUGE:
        p = f(x)
        expect_finite(f, p, softmax(x))
        expect_close(f, p, softmax(x), "large logits give wrong probabilities")


def cross_entropy_is_right(f: Candidate) -> None:
    for logits, ids in PAIRS:
        expect_number(f, f(logits, ids))
    for V in (2, 3, 50):
        logits, ids = np.zeros((1, V)), np.array([1])
        loss = f(logits, ids)
        expect_finite(f, loss, math.log(V))
        expect_close(f, loss, math.log(V), f"with equal logits the loss should be ln {V}")
    for logits, ids in PAIRS:
        loss = f(logits, ids)
        right = cross_entropy(logits, ids)
        expect_finite(f, loss, right)
        rows = ids.size
        many = rows > 1 and abs(loss - rows * right) < 1e-9 * rows
        expect(not many, "the loss is the sum over the rows and should be their mean", f,
               yours=loss, right=right)  # fmt: skip
        expect(loss >= 0, "the loss is negative: -log p is never below 0", f, yours=loss)
        expect_close(f, loss, right, "the loss is not the mean of -log p[id]")
    for x, id in ((HUGE[0], 0), (HUGE[0], 1), (HUGE[2], 2)):
        loss, right = f(x, np.array([id])), cross_entropy(x, np.array([id]))
        expect_finite(f, loss, right)
        expect_close(f, loss, right, "large logits give a wrong loss")


def cross_entropy_gradient_is_right(f: Candidate) -> None:
    for logits, ids in PAIRS:
        expect_array(f, f(logits, ids), logits.shape)
    for dtype in (np.float32, np.float64):
        logits, ids = PAIRS[0]
        expect_array(f, f(logits.astype(dtype), ids), logits.shape, dtype)
    for logits, ids in PAIRS:
        dlogits = f(logits, ids)
        right = cross_entropy_gradient(logits, ids)
        expect_finite(f, dlogits, right)
        sums = dlogits.sum(axis=-1)
        expect_close(f, sums, np.zeros(sums.shape), "the rows of dlogits do not sum to 0 "
                     "(what one logit gains, the others lose)", shown="sums")  # fmt: skip
        rows = ids.size
        many = rows > 1 and np.allclose(dlogits, rows * right)
        expect(not many, "the gradient is that of the sum over rows; the loss is their mean, so "
               "divide by the number of rows", f, yours=dlogits, right=right)  # fmt: skip
        expect(
            not np.allclose(dlogits, -right), "the gradient has the wrong sign", f, yours=dlogits
        )
    for logits, ids in PAIRS:
        x = logits.copy()
        dlogits = f(x, ids)

        def loss(x: Array = x, ids: Array = ids) -> float:
            return cross_entropy(x, ids)

        expect_gradient(f, loss, {"logits": x}, {"logits": dlogits})
    for x, id in ((HUGE[0], 1), (HUGE[2], 0)):
        dlogits = f(x, np.array([id]))
        right = cross_entropy_gradient(x, np.array([id]))
        expect_finite(f, dlogits, right)
        expect_close(f, dlogits, right, "large logits give a wrong gradient")


CHECKS = [
    Check(
        name="03.softmax",
        arguments=("x",),
        properties=softmax_is_right,
        right="rows sum to 1, a shift changes nothing, logits of 1000 are no trouble",
        library=softmax,
        hints=(
            "Which number can you take away from every logit of a row without changing the "
            "result, so that exp never sees a large one?",
            "Take the row's own maximum: x.max(axis=-1, keepdims=True) has shape (..., 1) and "
            "broadcasts against x. The axis is always the last.",
            "Three lines: e = np.exp(x - x.max(axis=-1, keepdims=True)), then the sum of e along "
            "the last axis with keepdims=True, then return the quotient.",
        ),
    ),
    Check(
        name="03.cross_entropy",
        arguments=("logits", "ids"),
        properties=cross_entropy_is_right,
        right="equal logits cost ln V, the mean over rows is right, logits of 1000 are no trouble",
        library=cross_entropy,
        hints=(
            "Do not take the log of a probability that may have become 0: take the log of the "
            "formula on paper first.",
            "With z = logits - maximum of the row: -log p[id] = log(sum(exp(z))) - z[id]. Make "
            "rows of it first: logits.reshape(-1, V), ids.reshape(-1).",
            "z[np.arange(len(ids)), ids] picks each row's right logit, shape (N,). Return "
            "(np.log(np.exp(z).sum(axis=-1)) - that).mean().",
        ),
    ),
    Check(
        name="03.cross_entropy_gradient",
        arguments=("logits", "ids"),
        properties=cross_entropy_gradient_is_right,
        right="it equals finite differences, its rows sum to 0, logits of 1000 are no trouble",
        library=cross_entropy_gradient,
        hints=(
            "The derivation ended with p, a one-hot row and a number of rows. You have code for "
            "each of the three.",
            "dlogits = (softmax(logits) - one_hot(ids, V)) / N, where N is the number of ids, "
            "ids.size, whatever the shape of ids is.",
            "d = softmax(logits); subtract 1 at the right ids: rows = d.reshape(-1, V); "
            "rows[np.arange(ids.size), ids.reshape(-1)] -= 1; return d / ids.size.",
        ),
    ),
]
