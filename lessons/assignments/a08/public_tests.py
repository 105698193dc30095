"""What you can check yourself in assignment 08. Each function is one check; read them.

`student.attention` is your function: it gets read-only copies, so that writing into an argument is
seen. `variant` has the constants of your class.
"""

import numpy as np

from tinygpt.lesson_checks.c08 import numbers
from tinygpt.lesson_checks.core import (
    expect,
    expect_array,
    expect_close,
    expect_finite,
    expect_gradient,
    expect_parts,
)


def inputs(variant):
    """q, k, v: the smallest first; the last are longer than the window."""
    shapes = [(1, 2), (2, 1), (3, 4), (variant["window"] + 3, 3), (2, variant["heads"], 6, 3)]
    return [(numbers(s, 7), numbers(s, 3), numbers(s, 5)) for s in shapes]


def heads_are_split_and_merged(student, variant):
    """(B, T, C) to (B, H, T, D) and back, without a loss."""
    split, merge = student.split_heads, student.merge_heads
    H, D = variant["heads"], variant["width"]
    for B, T in ((1, 1), (1, 3), (2, 3)):
        x = numbers((B, T, H * D), 7)
        parts = split(x, H)
        expect_array(split, parts, (B, H, T, D))
        back = merge(parts)
        expect_array(merge, back, x.shape)
        expect_close(merge, back, x, "split and merged again, x is not what it was")
        for t in range(T):
            together = np.sort(parts[:, :, t].reshape(B, -1), axis=-1)
            expect_close(split, together, np.sort(x[:, t], axis=-1), f"the heads at position {t} "
                         "hold numbers of another position", shown="numbers")  # fmt: skip


def forward(student, q, k, v):
    """y of the student's attention, its shape looked at."""
    f = student.attention
    y, _ = expect_parts(f, f(q, k, v), "y", "cache")
    expect_array(f, y, q.shape, part="y")
    expect_finite(f, y)
    return y


def the_future_cannot_change_the_past(student, variant):
    """A change at position t changes nothing before t, and something at t."""
    f = student.attention
    for q, k, v in inputs(variant):
        before = forward(student, q, k, v)
        for t in range(q.shape[-2]):
            changed = [x.copy() for x in (q, k, v)]
            for x, step in zip(changed, (1.0, 2.0, -4.0), strict=True):
                x[..., t:, :] += step
            moved = np.abs(forward(student, *changed) - before).max(axis=-1) > 1e-9
            expect(not moved[..., :t].any(), f"a change of q, k and v from position {t} on changes "
                   "the result before it: it looks into the future", f)  # fmt: skip
            expect(bool(moved[..., t].all()), f"a change of q, k and v at position {t} does not "
                   "change the result there: a position sees itself, too", f)  # fmt: skip


def the_window_ends_where_it_should(student, variant):
    """Ones for values give ones; position j is seen from j to j + WINDOW - 1, and no longer."""
    f, window = student.attention, variant["window"]
    for q, k, v in inputs(variant):
        ones = forward(student, q, k, np.ones(v.shape))
        expect_close(f, ones, np.ones(v.shape), "with ones for values the result is not 1: the "
                     "weights of a row do not sum to 1")  # fmt: skip
        before, T = forward(student, q, k, v), q.shape[-2]
        for j in range(T):
            changed = v.copy()
            changed[..., j, :] += 1.0
            moved = np.abs(forward(student, q, k, changed) - before).max(axis=-1) > 1e-9
            for i in range(j, T):
                if i < j + window:
                    says = f"position {i} should see position {j}, with a window of {window}"
                    expect(bool(moved[..., i].all()), says, f)
                else:
                    says = f"position {i} sees position {j}, beyond its window of {window}"
                    expect(not moved[..., i].any(), says, f)


def backward_is_the_slope_of_forward(student, variant):
    """Finite differences of the sum of dy * y, with y from your own attention."""
    f, g = student.attention, student.attention_backward
    for qkv in inputs(variant)[:4]:
        q, k, v = (x.copy() for x in qkv)
        _, cache = expect_parts(f, f(q, k, v), "y", "cache")
        dy = numbers(q.shape, 8)
        parts = expect_parts(g, g(dy, cache), "dq", "dk", "dv")
        for name, part in zip(("dq", "dk", "dv"), parts, strict=True):
            expect_array(g, part, q.shape, part=name)
            expect_finite(g, part)
        expect(bool(np.any(parts[2])), "dv is 0 everywhere", g)

        def loss(q=q, k=k, v=v, dy=dy):
            return float((forward(student, q, k, v) * dy).sum())

        grads = dict(zip("qkv", parts, strict=True))
        expect_gradient(g, loss, {"q": q, "k": k, "v": v}, grads,
                        "it is not the gradient of your own attention: one of the two is "
                        "wrong")  # fmt: skip
