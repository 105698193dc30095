"""What you can check yourself in assignment 03. Each function is one check; read them.

`student.softmax` is your function: it gets read-only copies, so that writing into an argument is
seen. `variant` has the constants of your class.
"""

import math

import numpy as np

from tinygpt.lesson_checks.core import (
    expect,
    expect_array,
    expect_close,
    expect_finite,
    expect_gradient,
    expect_number,
)

# The smallest first; lengths that all differ.
LOGITS = [
    np.array([[0.0, 1.0]]),
    np.array([0.0, 1.0, 3.0]),
    np.array([[2.0, 1.0, 0.0], [0.5, -1.0, 2.0]]),
    np.arange(24.0).reshape(2, 3, 4) % 5 - 1.0,
]
PAIRS = [  # logits and the right ids
    (np.array([[0.0, 1.0]]), np.array([0])),
    (np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 0.5]]), np.array([1, 2])),
    (np.arange(24.0).reshape(2, 3, 4) % 5 - 1.0, np.array([[0, 2, 3], [1, 1, 0]])),
]


def softmax_gives_probabilities(student, variant):
    """The shape and dtype of x; none below 0; every row sums to 1; only differences matter."""
    f = student.softmax
    for x in LOGITS:
        expect_array(f, f(x), x.shape)
    for dtype in (np.float32, np.float64):
        x = LOGITS[0].astype(dtype)
        expect_array(f, f(x), x.shape, dtype)
    for x in LOGITS:
        p = f(x)
        expect_finite(f, p)
        expect(bool((p >= 0).all()), "a probability is negative", f, yours=p)
        sums = p.sum(axis=-1)
        expect_close(f, sums, np.ones(sums.shape), "the rows, along the last axis, do not sum to 1",
                     shown="sums")  # fmt: skip
        order = np.argsort(x, axis=-1, kind="stable")
        sorted_p = np.take_along_axis(p, order, axis=-1)
        expect(bool((np.diff(sorted_p, axis=-1) >= -1e-12).all()), "a larger logit has a smaller "
               "probability", f, yours=p)  # fmt: skip
        expect(bool(p.std() > 0), "all probabilities are equal, and the logits are not", f, yours=p)
        expect_close(f, f(x + 2.0), p, "adding 2 to every logit changes the result")


def softmax_survives_large_logits(student, variant):
    """At ±10,000 the rest of a row has no share left, and nothing is nan."""
    f = student.softmax
    for x, right in (
        (np.array([[1e4, 0.0]]), np.array([[1.0, 0.0]])),
        (np.array([[-2e4, -1e4]]), np.array([[0.0, 1.0]])),
        (np.array([[1e4, 0.0, -1e4], [0.0, 5e4, 0.0]]), np.array([[1.0, 0, 0], [0, 1.0, 0]])),
    ):
        p = f(x)
        expect_array(f, p, x.shape)
        expect_finite(f, p, right)
        expect_close(f, p, right, "large logits give wrong probabilities")


def equal_logits_cost_ln_V(student, variant):
    """A model that knows nothing pays ln V, at any temperature and smoothing."""
    f = student.cross_entropy
    for logits, ids in PAIRS:
        expect_number(f, f(logits, ids))
    for V in (2, 3, variant["vocabulary"], 50):
        for rows in (1, variant["rows"]):
            loss = f(np.zeros((rows, V)), np.arange(rows) % V)
            expect_finite(f, loss, math.log(V))
            expect_close(f, loss, math.log(V), f"with equal logits the loss should be ln {V}")


def the_gradient_is_the_slope_of_the_loss(student, variant):
    """Finite differences of your own cross_entropy, in float64."""
    f, loss_of = student.cross_entropy_gradient, student.cross_entropy
    for logits, ids in PAIRS:
        x = logits.copy()
        dlogits = f(x, ids)
        expect_array(f, dlogits, x.shape)
        expect_finite(f, dlogits)
        expect(bool(dlogits.any()), "the gradient is 0 everywhere", f, yours=dlogits)

        def loss(x=x, ids=ids):
            value = loss_of(x, ids)
            expect_number(loss_of, value)
            return float(value)

        expect_gradient(f, loss, {"logits": x}, {"logits": dlogits},
                        "it is not the gradient of your own cross_entropy: one of the two is "
                        "wrong")  # fmt: skip
