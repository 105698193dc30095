"""Lesson 04: `sgd_step` and `bigram_step`."""

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
    expect_parts,
    number,
)

# params, grads, lr. The smallest first; the second is the lesson's own.
STEPS = [
    ([np.array([1.0])], [np.array([2.0])], 0.5),
    ([np.array([0.0]), np.array([0.0])], [np.array([-26.0 / 3.0]), np.array([-6.0])], 0.1),
    (
        [np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([1.0, 0.0, -1.0])],
        [np.array([[0.5, 0.0, -1.0], [2.0, 1.0, 0.0]]), np.array([-3.0, 1.0, 2.0])],
        0.25,
    ),
]


def sgd_step(params: list[Array], grads: list[Array], lr: float) -> list[Array]:
    """Every parameter a little downhill: p - lr * dp, as new arrays."""
    return [p - lr * dp for p, dp in zip(params, grads, strict=True)]


def bigram_step(w: Array, ids: Array, targets: Array, lr: float) -> tuple[Array, float]:
    """One step of the model logits = w[ids].   w (V, V), ids, targets (N,) -> new w, loss before"""
    logits, rows = ops.embedding_forward(w, ids)
    loss, cache = ops.cross_entropy_forward(logits, targets)
    dw = ops.embedding_backward(ops.cross_entropy_backward(1.0, cache), rows)
    return w - lr * dw, loss


def sgd_step_is_right(f: Candidate) -> None:
    for params, grads, lr in STEPS:
        new = f(params, grads, lr)
        kind = f"it returns a {type(new).__name__} and should return a list of new parameters"
        expect(isinstance(new, list | tuple), kind, f)
        count = f"it returns a list of {len(new)} for {len(params)} parameters"
        expect(len(new) == len(params), count, f, yours=new)
        for p, got in zip(params, new, strict=True):
            expect_array(f, got, p.shape, p.dtype)
    single = [np.array([1.0], np.float32)]
    expect_array(f, f(single, single, 0.5)[0], (1,), np.float32)
    for params, grads, lr in STEPS:
        new = f(params, grads, lr)
        right = sgd_step(params, grads, lr)
        moved = [got - p for got, p in zip(new, params, strict=True)]
        uphill = all(np.allclose(m, lr * g) for m, g in zip(moved, grads, strict=True))
        expect(
            not uphill,
            "it goes uphill: the gradient points to where the loss rises, so subtract",
            f,
            yours=new,
            right=right,
        )
        whole = all(np.allclose(m, -g) for m, g in zip(moved, grads, strict=True))
        expect(not whole, "the learning rate lr is not used", f, yours=new, right=right)
        for got, wanted in zip(new, right, strict=True):
            expect_close(f, got, wanted, "a parameter is not p - lr * dp, with its own gradient dp")


# ids, targets, V. The smallest first; the second is the lesson's own: a b a c a.
PAIRS = [
    (np.array([0]), np.array([1]), 2),
    (np.array([0, 1, 0, 2]), np.array([1, 0, 2, 0]), 3),
    (np.array([3, 3, 1, 3, 0]), np.array([1, 0, 4, 1, 3]), 5),
]


def bigram_step_is_right(f: Candidate) -> None:
    for ids, targets, V in PAIRS:
        w, loss = expect_parts(f, f(np.zeros((V, V)), ids, targets, 1.0), "the new w", "the loss")
        expect_array(f, w, (V, V), part="the new w")
        expect_number(f, loss, part="the loss")
    for ids, targets, V in PAIRS:
        loss = f(np.zeros((V, V)), ids, targets, 1.0)[1]
        expect_finite(f, loss, np.log(V))
        expect_close(
            f,
            loss,
            np.log(V),
            f"with zeros in w every token is as likely: the loss before the step is ln {V}",
        )
    for ids, targets, V in PAIRS:
        w, lr = (np.arange(V * V) % 4 - 1.0).reshape(V, V), 0.5
        new, loss = f(w, ids, targets, lr)
        right, right_loss = bigram_step(w, ids, targets, lr)
        expect_finite(f, new, right)
        expect_close(f, loss, right_loss, "the loss is not the cross-entropy of w[ids]")
        unseen = np.setdiff1d(np.arange(V), ids)
        expect(
            bool((new[unseen] == w[unseen]).all()),
            "it moves the row of a token that is not among the ids: only rows w[ids] were used",
            f,
            yours=new,
        )
        uphill = bool(np.allclose(new - w, w - right))
        expect(not uphill, "it goes uphill: subtract lr times the gradient", f, yours=new)
        rows, counts = np.unique(ids, return_counts=True)
        for row in rows[counts > 1]:
            last = targets[ids == row][-1]
            e = np.exp(w[row] - w[row].max())
            d = (e / e.sum() - np.eye(V)[last]) / len(ids)
            dropped = bool(np.allclose(new[row], w[row] - lr * d))
            expect(
                not dropped,
                f"id {row} stands in the batch {counts[rows == row][0]} times, and only its last "
                "pair counts: `dw[ids] += …` keeps one of several; use np.add.at(dw, ids, …)",
                f,
                yours=new,
                right=right,
            )
        times = (new - w)[ids[0]] / (right - w)[ids[0]]
        expect(
            len(ids) == 1 or not np.allclose(times, len(ids)),
            "the step is too long by the number of pairs: the loss is their mean, divide by it",
            f,
            yours=new,
            right=right,
        )
        moved, x = (w - new) / lr, w.copy()

        def mean_loss(x: Array = x, ids: Array = ids, targets: Array = targets) -> float:
            return bigram_step(x, ids, targets, 0.0)[1]

        says = "w does not move by lr times the gradient of the loss (yours: the move / -lr)"
        expect_gradient(f, mean_loss, {"w": x}, {"w": moved}, says)
    _learns_to_count(f)


def _learns_to_count(f: Candidate) -> None:
    """200 steps on a text: below the unigram entropy, and within 2 % of counting."""
    text = np.array([0, 1, 0, 2, 0, 1, 1, 0, 3, 2, 0, 1, 0, 3, 2, 2, 0, 1, 0, 2, 3, 0, 1, 0])
    ids, targets, V = text[:-1], text[1:], 4
    w, loss = np.zeros((V, V)), np.inf
    for _ in range(200):
        w, loss = f(w, ids, targets, 5.0)
    f.given = ()
    counts = np.zeros((V, V))
    np.add.at(counts, (ids, targets), 1.0)
    p = counts / counts.sum(axis=1, keepdims=True)
    seen = counts > 0
    counting = -float((counts[seen] * np.log(p[seen])).sum()) / len(ids)
    q = counts.sum(axis=0) / len(ids)
    unigram = -float((q * np.log(q)).sum())
    facts = {"yours": number(loss), "counting": number(counting), "unigram": number(unigram)}
    expect(loss < unigram, "after 200 steps it predicts no better than frequencies do", f, **facts)
    expect(
        loss < 1.02 * counting, "after 200 steps it is 2 % above what counting gives", f, **facts
    )


CHECKS = [
    Check(
        name="04.sgd_step",
        arguments=("params", "grads", "lr"),
        properties=sgd_step_is_right,
        right="every parameter moves against its own gradient, lr times as far, and the arrays "
        "that were given stay as they are",
        library=sgd_step,
        hints=(
            "The two lists go side by side: the first gradient belongs to the first parameter.",
            "The gradient says where the loss rises. The new parameter is the old one minus lr "
            "times its gradient; `p - lr * dp` makes a new array, `p -= lr * dp` does not.",
            "return [p - lr * dp for p, dp in zip(params, grads)].",
        ),
    ),
    Check(
        name="04.bigram_step",
        arguments=("w", "ids", "targets", "lr"),
        properties=bigram_step_is_right,
        right="the gradient equals finite differences, repeated ids add up, and after 200 steps "
        "on a small text the loss is within 2 % of counting",
        library=bigram_step,
        hints=(
            "Four lines: look up the logits, compute the loss, compute dw, move w. Lesson 03 has "
            "the loss and dlogits.",
            "logits = w[ids] is (N, V); dlogits = (softmax(logits) - one-hot of the targets) / N. "
            "Row n of dlogits belongs to row ids[n] of dw: add it there, also if another did.",
            "`dw[ids] += dlogits` would drop repeated ids. So: dw = np.zeros_like(w); "
            "np.add.at(dw, ids, dlogits); return w - lr * dw, loss.",
        ),
    ),
]
