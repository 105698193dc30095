"""What you can check yourself in assignment 05. Each function is one check; read them.

`student.linear` is your function: it gets read-only copies, so that writing into an argument is
seen. `variant` has the constants of your class.
"""

import numpy as np

from tinygpt.lesson_checks.c05 import Function
from tinygpt.lesson_checks.core import (
    expect,
    expect_array,
    expect_close,
    expect_finite,
    expect_number,
    expect_parts,
)


def numbers(shape, k):
    """Quarters between -1.5 and 1.5 in no order, the same everywhere."""
    i = np.arange(float(np.prod(shape)))
    return ((i * i * k + 3 * i) % 13 - 6).reshape(shape) / 4


def stored(w, variant):
    """A matrix (I, O) in the layout of the class."""
    return w if variant["layout"] == "io" else w.T.copy()


def layers(variant):
    """x, w, b: the smallest first, and lengths that all differ."""
    I, O = variant["inputs"], variant["outputs"]
    sizes = [((1,), 1, 2), ((2,), 2, 1), ((), I, O), ((2, 7), I, O)]
    return [
        (numbers((*front, i), 7), stored(numbers((i, o), 3), variant), numbers((o,), 5))
        for front, i, o in sizes
    ]


def linear_has_the_right_shape(student, variant):
    """y (..., O) for any axes in front, in the dtype of x."""
    f = student.linear
    for x, w, b in layers(variant):
        y, _ = expect_parts(f, f(x, w, b), "y", "cache")
        expect_array(f, y, (*x.shape[:-1], len(b)), part="y")
        expect_finite(f, y)
        at_zero, _ = f(np.zeros(x.shape), w, b)
        expect_close(f, at_zero, np.broadcast_to(b, y.shape), "where x is 0, y should be b")
    for dtype in (np.float32, np.float64):
        x, w, b = (a.astype(dtype) for a in layers(variant)[1])
        y, _ = f(x, w, b)
        expect_array(f, y, (*x.shape[:-1], len(b)), dtype, part="y")


def backward_is_the_transpose_of_forward(student, variant):
    """For every v: the sum of dx * v is the sum of dy * (what v changes in your own y)."""
    forward, f = student.linear, student.linear_backward
    for x, w, b in layers(variant):
        y, cache = expect_parts(forward, forward(x, w, b), "y", "cache")
        dy = numbers(np.shape(y), 8)
        parts = expect_parts(f, f(dy, cache), "dx", "dw", "db")
        for name, part, given in zip(("dx", "dw", "db"), parts, (x, w, b), strict=True):
            because = f", the shape of {name[1:]}"
            expect_array(f, part, given.shape, part=name, because=because)
        for name, part, at in zip(("dx", "dw", "db"), parts, range(3), strict=True):
            shown = f"your {name}"
            wanted = np.zeros(part.shape)
            for i in np.ndindex(part.shape):
                moved = [a.copy() for a in (x, w, b)]
                moved[at][i] += 1.0
                wanted[i] = float((dy * (forward(*moved)[0] - y)).sum())  # y is linear in each
            says = (
                f"{name} is not what a 1 in {name[1:]} adds to your own y, times dy, summed: your "
                "forward pass or your backward pass is wrong"
            )
            expect_close(f, part, wanted, says, shown=shown)


def numeric_grad_moves_one_number_to_both_sides(student, variant):
    """The shape of x; one number moved at a time; slopes of simple functions."""
    f = student.numeric_grad
    for formula, value, slope, x in (
        ("3 * x[0]", lambda x: 3.0 * x[0], lambda x: np.array([3.0]), np.array([2.0])),
        ("x[0] * x[1]", lambda x: x[0] * x[1], lambda x: x[::-1].copy(), np.array([2.0, 5.0])),
        ("(x ** 2).sum()", lambda x: (x**2).sum(), lambda x: 2 * x, numbers((2, 3), 7)),
    ):
        function = Function(formula, value)
        got = f(function, x)
        expect_array(f, got, x.shape, np.float64)
        for asked in function.asked:
            expect(int((np.abs(asked - x) > 1e-12).sum()) < 2, "it moves several numbers at the "
                   "same time; move one, ask f on both sides, then take the next", f)  # fmt: skip
        expect_finite(f, got, slope(x))
        expect_close(f, got, slope(x), "it is not the slope of f", tolerance=1e-4)
        moves = [np.zeros(x.shape), *(asked - x for asked in function.asked)]
        both = (np.max(moves, axis=0) > 0) & (np.min(moves, axis=0) < 0)
        expect(
            both.all(), "it asks f on one side of x alone; move each number up, and then down", f
        )


def worst_error_finds_the_place(student, variant):
    """Nearly 0 for the right gradient; for a wrong one, the place that is wrong."""
    f, x = student.worst_error, numbers((2, 3), 7) + 2.0
    function = Function("(x ** 2).sum()", lambda x: (x**2).sum())
    error, place = expect_parts(f, f(function, x, 2 * x), "error", "place")
    expect_number(f, error, part="error")
    expect(0 <= error < 1e-5, f"the gradient is right and the error is {error:.2g}: "
           "it should be below 1e-5", f)  # fmt: skip
    for wrong in ((0, 0), (1, 2), (0, 1)):
        grad = 2 * x
        grad[wrong] += 1.0
        error, place = f(function, x, grad)
        same = isinstance(place, tuple | list) and [*place] == [*wrong]
        expect(same, f"the gradient is wrong at {wrong} and the place is {place!r}: give a tuple "
               "of whole numbers, one for each axis", f)  # fmt: skip
        expect(error > 0.01, f"the gradient is wrong at {wrong} and the error is {error:.2g}", f)
