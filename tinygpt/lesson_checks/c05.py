"""Lesson 05: `numeric_grad` and `linear_backward`."""

from collections.abc import Callable
from typing import Any, cast

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
    place,
)

Value = Callable[[Array], Any]


class Function:
    """A function of an array, shown as its formula, that remembers where it was asked."""

    def __init__(self, formula: str, value: Value) -> None:
        self.formula, self.value = formula, value
        self.asked: list[Array] = []

    def __call__(self, x: Array) -> float:
        self.asked.append(np.array(x, np.float64))
        return float(self.value(x))

    def __repr__(self) -> str:
        return self.formula


FUNCTIONS: list[tuple[str, Value, Value, Array]] = [  # formula, function, gradient, where
    ("3 * x[0]", lambda x: 3.0 * x[0], lambda x: np.array([3.0]), np.array([2.0])),
    ("x[0] * x[1]", lambda x: x[0] * x[1], lambda x: x[::-1].copy(), np.array([2.0, 5.0])),
    ("(x ** 2).sum()", lambda x: (x**2).sum(), lambda x: 2.0 * x, np.array([0.0, 1.0])),
    (
        "(x ** 3).sum()",
        lambda x: (x**3).sum(),
        lambda x: 3.0 * x**2,
        np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 1.5]]),
    ),
    (
        "x.sum() ** 2",
        lambda x: x.sum() ** 2,
        lambda x: np.full(x.shape, 2.0 * x.sum()),
        np.arange(24.0).reshape(2, 3, 4) / 10.0,
    ),
]
FAR: tuple[
    str, Value, Value, Array
] = (  # the value is large beside its changes: what rounds away if the step is too small
    "1000 + np.sin(x).sum()",
    lambda x: 1000.0 + np.sin(x).sum(),
    np.cos,
    np.array([0.0, 1.0, 2.0]),
)


def numeric_grad(f: Callable[[Array], float], x: Array, step: float = 1e-5) -> Array:
    """The slope of f in every coordinate of x, by central differences.   x (...) -> (...)"""
    grad = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        d = np.zeros(x.shape)
        d[i] = step
        grad[i] = (f(x + d) - f(x - d)) / (2.0 * step)
    return grad


def numeric_grad_is_right(f: Candidate) -> None:
    for formula, value, _, x in FUNCTIONS:
        expect_array(f, f(Function(formula, value), x), x.shape, np.float64)
    for formula, value, _, x in FUNCTIONS:
        function = Function(formula, value)
        f(function, x)
        for asked in function.asked:
            moved = [tuple(map(int, i)) for i in np.argwhere(np.abs(asked - x) > 1e-12)]
            expect(
                len(moved) < 2,
                f"it moves {' and '.join(map(place, moved[:2]))} at the same time; move one "
                "number, ask f on both sides, put the number back, then take the next",
                f,
            )
    for formula, value, right, x in FUNCTIONS:
        got = f(Function(formula, value), x)
        expect_finite(f, got, right(x))
        twice = bool(np.allclose(got, 2.0 * right(x))) and bool(right(x).any())
        expect(not twice, "every slope is twice too large: from x - step to x + step it is two "
               "steps", f, yours=got, right=right(x))  # fmt: skip
        if formula == "(x ** 2).sum()":
            expect(
                abs(got[0]) < 1e-12,
                "at the bottom of a valley the slope is 0; going to one side only it seems to "
                "rise: take f(x + step) - f(x - step), the same way to both sides",
                f,
                yours=got,
                right=right(x),
                worst=f"[0] is {got[0]:.1e} and should be 0",
            )
        expect_close(f, got, right(x), "it is not the slope of f", tolerance=1e-6)
    formula, value, right, x = FAR
    got = f(Function(formula, value), x)
    off = np.abs(got - right(x))
    i = int(np.argmax(off))
    expect(
        off[i] <= 1e-6,
        "the step is too small or too large: f is about 1000, so the difference of two values "
        "keeps few digits if they are nearly equal; 1e-5 is a good step",
        f,
        yours=got,
        right=right(x),
        worst=f"[{i}] is off by {off[i]:.0e}; 1e-8 can be had",
    )


# dy, x, w. The smallest first; the lesson's own numbers are the third.
CASES = [
    (np.array([[1.0, 2.0]]), np.array([[3.0]]), np.array([[5.0, 7.0]])),
    (
        np.array([[1.0], [3.0]]),
        np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]]),
        np.array([[2.0], [0.0], [1.0]]),
    ),
    (
        np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]),
        np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0], [1.0, 1.0]]),
        np.array([[1.0, 0.0, -1.0], [2.0, 1.0, 0.0]]),
    ),
    (
        np.arange(30.0).reshape(2, 3, 5) % 7 - 2.0,
        np.arange(24.0).reshape(2, 3, 4) % 5 - 1.0,
        np.arange(20.0).reshape(4, 5) % 3 - 0.5,
    ),
    (np.arange(5.0) - 1.0, np.array([2.0, 1.0, -1.0]), np.arange(15.0).reshape(3, 5) % 4 - 1.0),
    (np.array([[1.0, 2.0]]), np.array([[3.0, 1.0]]), np.array([[1.0, 4.0], [0.0, 2.0]])),
]  # fmt: skip
NAMES = ("dx", "dw", "db")


def linear_backward(dy: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """The gradients of y = x @ w + b.   dy (..., O), x (..., I), w (I, O) -> dx, dw, db"""
    _, cache = ops.linear_forward(x, w, np.zeros(w.shape[1], w.dtype))
    dx, dw, db = ops.linear_backward(dy, cache)
    return dx, dw, cast(Array, db)  # there is a bias


def _three(f: Candidate, dy: Array, x: Array, w: Array, dtype: Any = None) -> None:
    parts = expect_parts(f, f(dy, x, w), *NAMES)
    for name, part, shape in zip(NAMES, parts, (x.shape, w.shape, w.shape[1:]), strict=True):
        because = f", the shape of {name[1:]}"
        expect_array(f, part, shape, dtype, part=name, because=because)


def linear_backward_is_right(f: Candidate) -> None:
    for dy, x, w in CASES:
        _three(f, dy, x, w)
    for dtype in (np.float32, np.float64):
        dy, x, w = (a.astype(dtype) for a in CASES[0])
        _three(f, dy, x, w, dtype)
    for dy, x, w in CASES:
        dx, dw, db = f(dy, x, w)
        _, right_dw, right_db = linear_backward(dy, x, w)
        for part in (dx, dw, db):
            expect_finite(f, part, linear_backward(dy, x, w))
        rows = dy.size // dy.shape[-1]
        for name, part, right in (("dw", dw, right_dw), ("db", db, right_db)):
            mean = rows > 1 and bool(np.allclose(part * rows, right))
            expect(
                not mean,
                f"{name} is a mean over the rows and should be their sum: if the loss is a mean, "
                "its 1 / N is already in dy",
                f,
                **{name: part, "right": right},
            )
        expect_close(f, db, right_db, "db is not the sum of dy over all rows: every row used the "
                     "same b", shown="db")  # fmt: skip
        # <dy, J v> = <J' dy, v>: J is v -> v @ w for dx, and v -> x @ v for dw
        for name, part, given, forward in (("dx", dx, x, "v @ w"), ("dw", dw, w, "x @ v")):
            for i in np.ndindex(given.shape):
                v = np.zeros(given.shape)
                v[i] = 1.0
                wanted = float((dy * (v @ w if name == "dx" else x @ v)).sum())
                expect(
                    abs(wanted - part[i]) <= 1e-9 * max(1.0, abs(wanted)),
                    f"{name} fails the test of the transpose: for every v, the sum of {name} * v "
                    f"should be the sum of dy * ({forward})",
                    f,
                    **{name: part},
                    v=v,
                    worst=f"{name}{place(i)} is {number(part[i])} and should be {number(wanted)}",
                )
    for dy, x, w in CASES:
        x, w, b = x.copy(), w.copy(), np.zeros(w.shape[1])
        dx, dw, db = f(dy, x, w)

        def loss(dy: Array = dy, x: Array = x, w: Array = w, b: Array = b) -> float:
            return float((dy * (x @ w + b)).sum())

        expect_gradient(f, loss, {"x": x, "w": w, "b": b}, {"x": dx, "w": dw, "b": db})


CHECKS = [
    Check(
        name="05.numeric_grad",
        arguments=("f", "x"),
        properties=numeric_grad_is_right,
        right="each number is moved alone, to both sides, by a step that is neither too large nor "
        "too small, for any shape of x",
        library=numeric_grad,
        hints=(
            "The gradient has as many numbers as x. Fill an array of zeros of that shape, one "
            "place after the other; each needs two values of f.",
            "np.ndindex(x.shape) gives every place of an array of any shape. For each, make a "
            "moved copy: d = np.zeros(x.shape); d[i] = 1e-5; then x + d and x - d.",
            "grad = np.zeros(x.shape); for i in np.ndindex(x.shape): make d; "
            "grad[i] = (f(x + d) - f(x - d)) / 2e-5; after the loop return grad.",
        ),
    ),
    Check(
        name="05.linear_backward",
        arguments=("dy", "x", "w"),
        properties=linear_backward_is_right,
        right="dx, dw and db equal finite differences for any axes in front, and the sum of "
        "dy * (v @ w) is the sum of dx * v",
        library=linear_backward,
        hints=(
            "You have derived three lines, one for each of dx, dw and db. They are about rows; "
            "which shape makes rows of any axes in front?",
            "x2 = x.reshape(-1, x.shape[-1]) is (N, I); dy2 is (N, O) in the same way. dw is "
            "(I, O): which product of the two has this shape? dx has to go back to x.shape.",
            "dx = (dy2 @ w.T).reshape(x.shape); dw = x2.T @ dy2; db = dy2.sum(axis=0); "
            "return dx, dw, db.",
        ),
    ),
]
