"""What only the grader runs in assignment 08: the right numbers come from the solution."""

import math

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

NAMES = ("dq", "dk", "dv")


def inputs(variant):
    """q, k, v: the smallest first; scores on both sides of the cap."""
    shapes = [(1, 2), (2, 1), (3, 4), (variant["window"] + 2, 3), (2, variant["heads"], 5, 3)]
    return [(3 * numbers(s, 5), 2 * numbers(s, 7), numbers(s, 3)) for s in shapes]


def heads_have_their_own_channels(student, variant, solution):
    split, merge = student.split_heads, student.merge_heads
    H, D = variant["heads"], variant["width"]
    for B, T in ((1, 2), (2, 3)):
        x = np.arange(float(B * T * H * D)).reshape(B, T, H * D)
        parts, right = split(x, H), solution.split_heads(x, H)
        expect_array(split, parts, right.shape)
        expect_close(split, parts, right, "the heads do not have the channels that they should")
        expect_array(merge, merge(right), x.shape)
        expect_close(merge, merge(right), x, "the heads do not lie side by side")


def attention_has_the_right_numbers(student, variant, solution):
    f = student.attention
    for q, k, v in inputs(variant):
        y, _ = expect_parts(f, f(q, k, v), "y", "cache")
        right, D = solution.attention(q, k, v)[0], q.shape[-1]
        expect_array(f, y, right.shape, part="y")
        expect_finite(f, y, right)
        wrong = {
            "the scores are not divided by sqrt(D)": solution.attention(q * math.sqrt(D), k, v)[0],
            "the scores are divided by D and should be by sqrt(D)": solution.attention(
                q / math.sqrt(D), k, v
            )[0],
            "the scores are not capped": uncapped(q, k, v, variant["window"]),
        }
        for says, other in wrong.items():
            differs = not np.allclose(other, right)
            expect(not (differs and np.allclose(y, other)), says, f, yours=y, right=right)
        expect_close(f, y, right, "it is not what the handout's five lines give")


def uncapped(q, k, v, window):
    """The same attention without the cap."""
    T, D = q.shape[-2:]
    i, j = np.arange(T)[:, None], np.arange(T)[None, :]
    s = np.where((j <= i) & (j > i - window), q @ k.swapaxes(-1, -2) / math.sqrt(D), -np.inf)
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True) @ v


def attention_survives_huge_scores(student, variant, solution):
    f = student.attention
    for dtype in (np.float32, np.float64):
        q, k, v = (x.astype(dtype) for x in inputs(variant)[2])
        y, _ = expect_parts(f, f(q, k, v), "y", "cache")
        expect_array(f, y, q.shape, dtype, part="y")
    for size in (1e3, 1e6):
        q, k, v = inputs(variant)[3]
        y, _ = expect_parts(f, f(q * size, k, v), "y", "cache")
        right, _ = solution.attention(q * size, k, v)
        expect_finite(f, y, right)
        expect_close(f, y, right, "huge scores give a wrong result")


def three(student, dy, q, k, v):
    """dq, dk, dv of the student's own forward and backward."""
    f, g = student.attention, student.attention_backward
    _, cache = expect_parts(f, f(q, k, v), "y", "cache")
    return expect_parts(g, g(dy, cache), *NAMES)


def backward_has_the_right_numbers(student, variant, solution):
    g = student.attention_backward
    for q, k, v in inputs(variant):
        dy = numbers(q.shape, 8)
        got = three(student, dy, q, k, v)
        _, cache = solution.attention(q, k, v)
        right = solution.attention_backward(dy, cache)
        for name, d, wanted in zip(NAMES, got, right, strict=True):
            expect_array(g, d, q.shape, part=name)
            expect_finite(g, d, wanted)
            large = name != "dv" and q.shape[-1] > 1 and np.abs(wanted).max() > 1e-6
            as_if = large and np.allclose(d, math.sqrt(q.shape[-1]) * wanted)
            expect(not as_if, f"{name} is sqrt(D) times too large: the scores were divided by it, "
                   "and so is their gradient", g, yours=d, right=wanted)  # fmt: skip
            expect_close(g, d, wanted, f"{name} is not the gradient", shown=f"your {name}")
    for qkv in inputs(variant)[:4]:
        q, k, v = (x.copy() for x in qkv)
        dy = numbers(q.shape, 8)

        def loss(q=q, k=k, v=v, dy=dy):
            return float((solution.attention(q, k, v)[0] * dy).sum())

        grads = dict(zip("qkv", three(student, dy, q, k, v), strict=True))
        expect_gradient(g, loss, {"q": q, "k": k, "v": v}, grads)


def backward_is_linear_in_dy(student, variant, solution):
    f, g = student.attention, student.attention_backward
    for dtype in (np.float32, np.float64):
        q, k, v = (x.astype(dtype) for x in inputs(variant)[2])
        for name, d in zip(NAMES, three(student, numbers(q.shape, 8).astype(dtype), q, k, v),
                           strict=True):  # fmt: skip
            expect_array(g, d, q.shape, dtype, part=name)
    for q, k, v in inputs(variant)[2:]:
        _, cache = expect_parts(f, f(q, k, v), "y", "cache")
        dy = numbers(q.shape, 8)
        once, again = (expect_parts(g, g(dy, cache), *NAMES) for _ in range(2))
        twice = expect_parts(g, g(2.0 * dy, cache), *NAMES)
        for name, a, b, c in zip(NAMES, once, again, twice, strict=True):
            expect(bool(np.any(a)), f"{name} is 0 everywhere", g)
            expect_close(g, b, a, f"called again with the same cache, {name} is another one")
            expect_close(g, c, 2.0 * a, f"for a dy twice as large, {name} should be twice as large")
