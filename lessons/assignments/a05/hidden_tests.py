"""What only the grader runs in assignment 05: the right numbers come from the solution."""

import numpy as np

from tinygpt.lesson_checks.c05 import Function, numeric_grad_is_right
from tinygpt.lesson_checks.core import (
    expect,
    expect_array,
    expect_close,
    expect_finite,
    expect_gradient,
    expect_number,
    expect_parts,
)

NAMES = ("dx", "dw", "db")


def numbers(shape, k):
    """Quarters between -1.5 and 1.5 in no order, the same everywhere."""
    i = np.arange(float(np.prod(shape)))
    return ((i * i * k + 3 * i) % 13 - 6).reshape(shape) / 4


def layers(variant, *, square=True):
    """x, w, b: the smallest first; then a square one, where shapes stay silent."""
    I, O = variant["inputs"], variant["outputs"]
    io = variant["layout"] == "io"
    sizes = [((1,), 1, 2), ((2,), 2, 1), *([((4,), 3, 3)] * square), ((), I, O), ((2, 7), I, O)]
    return [
        (numbers((*front, i), 5), numbers((i, o) if io else (o, i), 3), numbers((o,), 7))
        for front, i, o in sizes
    ]


def linear_has_the_right_numbers(student, variant, solution):
    f, scale = student.linear, variant["scale"]
    for x, w, b in layers(variant):
        y, _ = expect_parts(f, f(x, w, b), "y", "cache")
        right, _ = solution.linear(x, w, b)
        expect_array(f, y, right.shape, part="y")
        expect_finite(f, y, right)
        product = (right - b) / scale
        for other, says in (
            (product + b, "the scale is missing"),
            (scale * (product + b), "the scale multiplies b too; it should multiply the product of "
             "x and w alone"),
        ):  # fmt: skip
            expect(np.allclose(right, other) or not np.allclose(y, other), says, f, yours=y,
                   right=right)  # fmt: skip
        expect_close(f, y, right, "it is not the scale times the product of x and w, plus b")


def three(student, dy, layer):
    """dx, dw, db of the student's own forward and backward."""
    forward, f = student.linear, student.linear_backward
    _, cache = expect_parts(forward, forward(*layer), "y", "cache")
    return expect_parts(f, f(dy, cache), *NAMES)


def backward_has_the_right_numbers(student, variant, solution):
    f, scale = student.linear_backward, variant["scale"]
    for layer in layers(variant):
        y, cache = solution.linear(*layer)
        dy = numbers(y.shape, 8)
        got, right = three(student, dy, layer), solution.linear_backward(dy, cache)
        rows = dy.size // dy.shape[-1]
        for name, part, wanted, given in zip(NAMES, got, right, layer, strict=True):
            expect_array(f, part, given.shape, part=name, because=f", the shape of {name[1:]}")
            expect_finite(f, part, wanted)
            for factor, says in (
                (rows, f"{name} is a mean over the rows and should be their sum"),
                (scale, f"{name} lacks the scale" if name != "db" else ""),
                (1 / scale, f"{name} has the scale once too often"),
            ):
                as_if = wanted.any() and factor != 1 and np.allclose(part * factor, wanted)
                expect(not (says and as_if), says, f, **{f"your {name}": part, "right": wanted})
            expect_close(f, part, wanted, f"{name} is not the gradient", shown=f"your {name}")
    for x, w, b in layers(variant):
        x, w, b = x.copy(), w.copy(), b.copy()
        dy = numbers(solution.linear(x, w, b)[0].shape, 8)

        def loss(x=x, w=w, b=b, dy=dy):
            return float((dy * solution.linear(x, w, b)[0]).sum())

        grads = dict(zip("xwb", three(student, dy, (x, w, b)), strict=True))
        expect_gradient(f, loss, {"x": x, "w": w, "b": b}, grads)


def backward_keeps_the_dtype_and_the_cache(student, variant, solution):
    forward, f = student.linear, student.linear_backward
    for dtype in (np.float32, np.float64):
        layer = [a.astype(dtype) for a in layers(variant)[-1]]
        dy = numbers(solution.linear(*layer)[0].shape, 8).astype(dtype)
        for name, part, given in zip(NAMES, three(student, dy, layer), layer, strict=True):
            expect_array(f, part, given.shape, dtype, part=name)
    for layer in layers(variant):
        y, cache = expect_parts(forward, forward(*layer), "y", "cache")
        dy = numbers(np.shape(y), 8)
        once = expect_parts(f, f(dy, cache), *NAMES)
        again = expect_parts(f, f(dy, cache), *NAMES)
        twice = expect_parts(f, f(2.0 * dy, cache), *NAMES)
        for name, a, b, c in zip(NAMES, once, again, twice, strict=True):
            expect_close(f, b, a, f"called again with the same cache, {name} is another one")
            expect_close(f, c, 2.0 * a, f"for a dy twice as large, {name} should be twice as large")


def numeric_grad_is_exact(student, variant, solution):
    """The lesson's own check: both sides, one number at a time, a step of the right size."""
    numeric_grad_is_right(student.numeric_grad)


def worst_error_is_relative(student, variant, solution):
    f = student.worst_error
    x = np.array([[0.0, 1.0, -2.0], [0.5, 3.0, 0.001]])
    function = Function("(x ** 2).sum()", lambda x: (x**2).sum())
    for factor in (1.0, -1.0, 2.0, 0.0, 1.01):
        for where in np.ndindex(x.shape):
            grad = 2 * x
            grad[where] = factor * grad[where] + (factor - 1.0) * 1e-4
            got, _ = expect_parts(f, f(function, x, grad), "error", "place")
            right, _ = solution.worst_error(function, x, grad)
            expect_number(f, got, part="error")
            expect_finite(f, got, right)
            expect(abs(got - right) <= 1e-4 + 0.01 * right, "the error is not |n − g| / (|n| + |g| "
                   "+ t)", f, yours=got, right=right)  # fmt: skip
