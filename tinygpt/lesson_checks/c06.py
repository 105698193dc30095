"""Lesson 06: LayerNorm and GELU, forward and backward."""

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
    expect_parts,
    number,
)

NAMES = ("dx", "dw", "db")

# The smallest first; the lesson's own rows are the third. The variances are 1 or more.
ROWS = [
    np.array([[0.0, 2.0]]),
    np.array([0.0, 1.0, 5.0]),
    np.array([[8.0, 2.0, 2.0, 0.0], [1.0, 1.0, 5.0, 5.0]]),
    np.array([[[0.0, 3.0, -3.0]], [[7.0, 1.0, 1.0]]]),
]
POINTS = [
    np.array([1.0, -1.0]),
    np.array([[0.0, 0.5, -2.0], [3.0, -0.75, 2.0]]),
    np.array([[[1.5], [-1.5]]]),
]


def scale_and_shift(C: int) -> tuple[Array, Array]:
    """A w and a b (C,) whose numbers all differ."""
    return 1.0 + 0.5 * np.arange(C), np.arange(C) - 1.0


def gradient_like(x: Array) -> Array:
    """A dy of x's shape, the numbers of a loss sum(dy * y)."""
    dy: Array = np.cos(2.0 * np.arange(x.size)).reshape(x.shape).round(1).astype(x.dtype)
    return dy


def layernorm(x: Array, w: Array, b: Array) -> Array:
    return ops.layernorm_forward(x, w, b)[0]


def layernorm_backward(dy: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    _, cache = ops.layernorm_forward(x, w, np.zeros_like(w))
    return ops.layernorm_backward(dy, cache)


def gelu(x: Array) -> Array:
    return ops.gelu_forward(x)[0]


def gelu_backward(dy: Array, x: Array) -> Array:
    return ops.gelu_backward(dy, ops.gelu_forward(x)[1])


def layernorm_is_right(f: Candidate) -> None:
    for x in ROWS:
        w, b = np.ones(x.shape[-1]), np.zeros(x.shape[-1])
        expect_array(f, f(x, w, b), x.shape)
    for dtype in (np.float32, np.float64):
        w, b = np.ones(2, dtype), np.zeros(2, dtype)
        expect_array(f, f(ROWS[0].astype(dtype), w, b), (1, 2), dtype)
    for x in ROWS:
        C = x.shape[-1]
        w, b = np.ones(C), np.zeros(C)
        y = f(x, w, b)
        expect_finite(f, y, layernorm(x, w, b))
        mean, var = y.mean(axis=-1), y.var(axis=-1)
        expect_close(f, mean, np.zeros(mean.shape), "with w = 1 and b = 0, the mean of each row, "
                     "along the last axis, should be 0", shown="means")  # fmt: skip
        biased = np.allclose(var, (C - 1) / C, atol=1e-4)
        expect(not biased, f"the variance of each row is {C - 1} / {C} and should be 1: divide the "
               "sum of squares by C, not by C - 1", f, yours=y)  # fmt: skip
        expect_close(f, var, np.ones(var.shape), "with w = 1 and b = 0, the variance of each "
                     "row, along the last axis, should be 1", tolerance=1e-4,
                     shown="variances")  # fmt: skip
    for x in ROWS:
        w, b = scale_and_shift(x.shape[-1])
        y = f(x, w, b)
        expect_close(f, y, layernorm(x, w, b), "the normalised row is not scaled by w and then "
                     "shifted by b", tolerance=1e-4)  # fmt: skip
        moved = f(10.0 * x + 100.0, w, b)
        expect_close(f, moved, y, "10 * x + 100 should give the same result as x", tolerance=1e-4)
    for x in (np.full(3, 7.0), np.array([0.0, 0.001, 0.005])):
        w, b = np.ones(3), np.zeros(3)
        y, right = f(x, w, b), layernorm(x, w, b)
        expect_finite(f, y, right)
        expect_close(f, y, right, "a row with a small variance comes out wrong: eps = 1e-5 is "
                     "added to the variance, before the root", tolerance=1e-7)  # fmt: skip


def layernorm_backward_is_right(f: Candidate) -> None:
    rows = ROWS[1:]  # with two channels, the result never depends on x
    for x in rows:
        w, _ = scale_and_shift(x.shape[-1])
        dx, dw, db = expect_parts(f, f(gradient_like(x), x, w), *NAMES)
        expect_array(f, dx, x.shape, part="dx")
        for name, d in (("dw", dw), ("db", db)):
            because = f", as {name[1:]} has: it is shared by all rows, so sum over the rows"
            expect_array(f, d, w.shape, part=name, because=because)
    for dtype in (np.float32, np.float64):
        x, w = rows[0].astype(dtype), np.ones(3, dtype)
        for name, d in zip(NAMES, f(gradient_like(x), x, w), strict=True):
            expect_array(f, d, (3,), dtype, part=name)
    for x in rows:
        w, _ = scale_and_shift(x.shape[-1])
        dy = gradient_like(x)
        dx, dw, db = f(dy, x, w)
        right = layernorm_backward(dy, x, w)
        expect_finite(f, dx, right[0])
        expect_close(f, db, right[2], "db is not the sum of dy over the rows", shown="db")
        expect_close(f, dw, right[1], "dw is not the sum of dy * xhat over the rows", shown="dw",
                     tolerance=1e-5)  # fmt: skip
        sums = dx.sum(axis=-1)
        expect_close(f, sums, np.zeros(sums.shape), "the rows of dx do not sum to 0: moving all "
                     "channels by the same amount changes nothing, so the way through the mean is "
                     "missing or wrong", tolerance=1e-5, shown="sums")  # fmt: skip
        xhat = layernorm(x, np.ones_like(w), np.zeros_like(w))
        along = (dx * xhat).sum(axis=-1)
        expect_close(f, along, np.zeros(along.shape), "each row of dx, times xhat, does not sum to "
                     "0: stretching a row changes nothing, so the way through the variance is "
                     "missing or wrong", tolerance=0.3, shown="sums")  # fmt: skip
    for row in rows:
        x, (w, b) = row.copy(), scale_and_shift(row.shape[-1])
        dy = gradient_like(x)
        dx, dw, db = f(dy, x, w)

        def loss(x: Array = x, w: Array = w, b: Array = b, dy: Array = dy) -> float:
            return float((dy * layernorm(x, w, b)).sum())

        arrays, grads = {"x": x, "w": w, "b": b}, {"x": dx, "w": dw, "b": db}
        expect_gradient(f, loss, arrays, grads, "it is not the gradient of sum(dy * y)")


def gelu_is_right(f: Candidate) -> None:
    for x in POINTS:
        expect_array(f, f(x), x.shape)
    for dtype in (np.float32, np.float64):
        expect_array(f, f(POINTS[0].astype(dtype)), (2,), dtype)
    for x in POINTS:
        y = f(x)
        expect_finite(f, y, gelu(x))
        expect_close(f, y - f(-x), x, "gelu(x) - gelu(-x) should be x", shown="differences")
        with_erf = 0.5 * x * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))
        expect(not np.allclose(y, with_erf, atol=1e-9) or not x.any(), "this is the form with erf; "
               "GPT-2 and this library use the one with tanh, which differs in the fourth digit",
               f, yours=y, right=gelu(x))  # fmt: skip
        off = float(np.abs(y - gelu(x)).max())
        rounded = np.allclose(y, gelu(x), rtol=0, atol=5e-5) and off > 1e-9
        expect(not rounded, "it is right to four digits and then off: a constant is rounded; K is "
               "math.sqrt(2 / math.pi), not 0.79788", f, yours=y, right=gelu(x),
               worst=f"the largest error is {number(off)}")  # fmt: skip
        expect_close(f, y, gelu(x), "it is not x / 2 * (1 + tanh(u)) with u = K * (x + A * x³)")
    for x in (np.array([-20.0, 20.0]), np.array([-1000.0, 1000.0])):
        y = f(x)
        expect_finite(f, y, gelu(x))
        expect_close(f, y, gelu(x), "far left it should be 0, far right x itself")


def gelu_backward_is_right(f: Candidate) -> None:
    for x in POINTS:
        expect_array(f, f(gradient_like(x), x), x.shape)
    for dtype in (np.float32, np.float64):
        x = POINTS[0].astype(dtype)
        expect_array(f, f(np.ones(2, dtype), x), (2,), dtype)
    zero = np.zeros(1)
    expect_close(f, f(np.ones(1), zero), [0.5], "at 0 the slope of GELU is one half")
    for x in POINTS:
        dy = gradient_like(x)
        dx = f(dy, x)
        expect_finite(f, dx, gelu_backward(dy, x))
        expect_close(f, f(2.0 * dy, x), 2.0 * dx, "twice the dy should give twice the dx: the "
                     "chain rule multiplies the slope by dy")  # fmt: skip
        one = np.ones(x.shape)
        both = f(one, x) + f(one, -x)
        expect_close(f, both, one, "the slopes at x and at -x should add to 1", shown="sums")
    for point in POINTS:
        x = point.copy()
        dy = gradient_like(x)

        def loss(x: Array = x, dy: Array = dy) -> float:
            return float((dy * gelu(x)).sum())

        expect_gradient(f, loss, {"x": x}, {"x": f(dy, x)}, "it is not the gradient of sum(dy * y)")


CHECKS = [
    Check(
        name="06.layernorm",
        arguments=("x", "w", "b"),
        properties=layernorm_is_right,
        right="each row gets mean 0 and variance 1, then w and b; equal numbers are no trouble",
        library=layernorm,
        hints=(
            "Follow the four lines worked by hand. Each row has its own mean and its own "
            "variance: which axis, and which option keeps it so that it broadcasts?",
            "mean and var are taken along axis=-1 with keepdims=True, shape (..., 1). np.var "
            "divides by C, which is what you want. Add 1e-5 before the root.",
            "Three lines: m = x.mean(axis=-1, keepdims=True); v = x.var(axis=-1, keepdims=True); "
            "return (x - m) / np.sqrt(v + 1e-5) * w + b.",
        ),
    ),
    Check(
        name="06.layernorm_backward",
        arguments=("dy", "x", "w"),
        properties=layernorm_backward_is_right,
        right="rows of dx are orthogonal to 1 and to xhat, and dx, dw, db equal finite differences",
        library=layernorm_backward,
        hints=(
            "Compute xhat and s = 1 / sqrt(var + eps) again, as in the forward pass. Then the "
            "derivation has one line for each of db, dw, dxhat and dx.",
            "dw and db sum over every axis but the last: make rows of (N, C) with "
            "reshape(-1, C) and sum along axis 0. The two means in dx run along the last axis, "
            "with keepdims=True.",
            "dxhat = dy * w; dx = s * (dxhat - mean(dxhat) - xhat * mean(dxhat * xhat)); "
            "dw = (dy * xhat).reshape(-1, C).sum(axis=0); db = dy.reshape(-1, C).sum(axis=0); "
            "return dx, dw, db.",
        ),
    ),
    Check(
        name="06.gelu",
        arguments=("x",),
        properties=gelu_is_right,
        right="it is 0 far left, x far right, and bends between as GPT-2's does",
        library=gelu,
        hints=(
            "It is the formula, number by number: NumPy's functions work on arrays of any shape.",
            "First u = K * (x + A * x³), with K = math.sqrt(2 / math.pi), then tanh of u.",
            "u = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x); "
            "return 0.5 * x * (1 + np.tanh(u)).",
        ),
    ),
    Check(
        name="06.gelu_backward",
        arguments=("dy", "x"),
        properties=gelu_backward_is_right,
        right="its slope is one half at 0, it is linear in dy, and it equals finite differences",
        library=gelu_backward,
        hints=(
            "GELU is a product of x / 2 and of something in which x stands too: the product rule "
            "gives two terms. And a backward pass multiplies by what comes in.",
            "The slope is (1 + t) / 2 + x / 2 * (1 - t²) * du/dx, where t = tanh(u) and "
            "du/dx = K * (1 + 3 * A * x²). Then dx = dy * slope.",
            "t = np.tanh(K * (x + A * x * x * x)); du = K * (1 + 3 * A * x * x); "
            "return dy * 0.5 * ((1 + t) + x * (1 - t * t) * du).",
        ),
    ),
]
