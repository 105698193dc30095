"""What only the grader runs in assignment 03: the right numbers come from the solution."""

import numpy as np

from tinygpt.lesson_checks.core import (
    expect,
    expect_array,
    expect_close,
    expect_finite,
    expect_gradient,
    expect_number,
)

HUGE = [
    (np.array([[1e4, 0.0]]), np.array([1])),
    (np.array([[1e4, 0.0]]), np.array([0])),
    (np.array([[1e4, 0.0, -1e4], [-1e4, -10001.0, 0.0]]), np.array([2, 0])),
]


def cases(variant):
    """Logits and ids, the smallest first; the last have this class's shape."""
    V, rows = variant["vocabulary"], variant["rows"]
    shape = (rows, 2, V)
    i = np.arange(float(np.prod(shape)))
    logits = (2.0 * np.cos(i * i + 2.0 * i)).reshape(shape).round(2)
    ids = (np.arange(rows * 2) * 3 % V).reshape(rows, 2)
    return [
        (np.array([[0.0, 1.0]]), np.array([0])),
        (np.array([[2.0, 1.0, 0.0]]), np.array([0])),
        (np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), np.array([0, 1])),
        (logits, ids),
    ]


def softmax_has_the_right_numbers(student, variant, solution):
    f, temperature = student.softmax, variant["temperature"]
    for x, _ in cases(variant):
        p, right = f(x), solution.softmax(x)
        expect_array(f, p, x.shape)
        for seen, says in (
            (x * temperature, "the logits are not divided by the temperature"),
            (x * temperature**2, "the logits are multiplied by the temperature: divide"),
        ):
            expect(not np.allclose(p, solution.softmax(seen), atol=1e-12), says, f, yours=p,
                   right=right)  # fmt: skip
        expect_close(f, p, right, "the probabilities are not exp(x / τ) / sum(exp(x / τ))")


def the_loss_has_the_right_numbers(student, variant, solution):
    f, smoothing = student.cross_entropy, variant["smoothing"]
    for logits, ids in cases(variant):
        loss, right = f(logits, ids), solution.cross_entropy(logits, ids)
        expect_number(f, loss)
        expect_finite(f, loss, right)
        rows, V = ids.size, logits.shape[-1]
        many = rows > 1 and abs(loss - rows * right) < 1e-9 * rows
        expect(not many, "the loss is the sum over the rows and should be their mean", f,
               yours=loss, right=right)  # fmt: skip
        log_p = np.log(solution.softmax(logits)).reshape(-1, V)
        picked = log_p[np.arange(rows), ids.reshape(-1)]
        bare = -picked.mean()
        expect(abs(loss - bare) > 1e-9, "the target is not smoothed", f, yours=loss, right=right)
        others = (log_p.sum(axis=-1) - picked) / (V - 1)
        besides = -((1 - smoothing) * picked + smoothing * others).mean()
        expect(abs(loss - besides) > 1e-9, "the smoothing is shared out among the other V − 1 "
               "tokens; the handout gives every one of the V its share, the right one too", f,
               yours=loss, right=right)  # fmt: skip
        expect_close(f, loss, right, "the loss is not the mean of −Σ t ln p")


def the_loss_survives_large_logits(student, variant, solution):
    f = student.cross_entropy
    for logits, ids in HUGE:
        loss, right = f(logits, ids), solution.cross_entropy(logits, ids)
        expect_number(f, loss)
        expect_finite(f, loss, right)
        expect_close(f, loss, right, "large logits give a wrong loss")


def the_gradient_has_the_right_numbers(student, variant, solution):
    f, temperature = student.cross_entropy_gradient, variant["temperature"]
    for logits, ids in cases(variant):
        d, right = f(logits, ids), solution.cross_entropy_gradient(logits, ids)
        expect_array(f, d, logits.shape)
        expect_finite(f, d, right)
        sums = d.sum(axis=-1)
        expect_close(f, sums, np.zeros(sums.shape), "the rows of dlogits do not sum to 0 (what one "
                     "logit gains, the others lose)", shown="sums")  # fmt: skip
        rows = ids.size
        for factor, says in (
            (rows if rows > 1 else None, "the gradient is that of the sum over rows; the loss is "
             "their mean, so divide by the number of rows"),
            (-1.0, "the gradient has the wrong sign"),
            (temperature, "the factor 1 / temperature is missing: x / τ changes 1 / τ times as "
             "much as x"),
            (temperature**2, "the gradient is multiplied by the temperature: divide"),
        ):  # fmt: skip
            expect(factor is None or not np.allclose(d, factor * right), says, f, yours=d,
                   right=right)  # fmt: skip
        expect_close(f, d, right, "it is not the gradient of the loss")
    for logits, ids in cases(variant):
        x = logits.copy()
        d = f(x, ids)

        def loss(x=x, ids=ids):
            return float(solution.cross_entropy(x, ids))

        expect_gradient(f, loss, {"logits": x}, {"logits": d})


def the_gradient_survives_large_logits(student, variant, solution):
    f = student.cross_entropy_gradient
    for dtype in (np.float32, np.float64):
        for logits, ids in cases(variant)[:2]:
            expect_array(f, f(logits.astype(dtype), ids), logits.shape, dtype)
    for logits, ids in HUGE:
        d, right = f(logits, ids), solution.cross_entropy_gradient(logits, ids)
        expect_finite(f, d, right)
        expect_close(f, d, right, "large logits give a wrong gradient")
