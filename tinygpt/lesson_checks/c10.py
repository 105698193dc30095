"""Lesson 10: `adamw_step`, `clip` and `lr_at`."""

import math
from typing import Any

import numpy as np

from tinygpt import optim
from tinygpt.backend import Array
from tinygpt.lesson_checks.core import (
    Candidate,
    Check,
    Finding,
    expect,
    expect_array,
    expect_close,
    expect_finite,
    expect_number,
    expect_parts,
)

BETA1, BETA2, EPS = 0.9, 0.99, 1e-8  # the lesson's; lr and decay are arguments
GOLDEN = [  # x and y after each step of PyTorch's AdamW: tests/golden/make_adamw_golden.py
    (3.300000001250, 0.450000000050),
    (2.639558307367, -0.031431128501),
    (2.020904467777, -0.376078938913),
    (1.447225235138, -0.530966828245),
    (0.922677170329, -0.523611446224),
    (0.452209695469, -0.413034600846),
    (0.041100347302, -0.248617859053),
    (-0.305829130934, -0.068551522848),
    (-0.585194062926, 0.095447031226),
    (-0.795935207849, 0.217986418222),
]
VALLEY = np.array([1.0, 100.0])  # how steep the lesson's valley is along x and y
START, GOLDEN_LR, GOLDEN_DECAY = np.array([4.0, 1.0]), 0.5, 0.1
GRADIENTS = [
    np.array([1.0]),
    np.array([4.0, 100.0]),
    np.array([-0.001, 2.0, -3000.0]),
    np.array([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]]),
]


def adamw_step(
    p: Array, g: Array, m: Array, v: Array, t: int, lr: float, decay: float
) -> tuple[Array, Array, Array]:
    """One step of AdamW, on arrays of any shape.   p, g, m, v (...) -> p, m, v (...)"""
    flat, grads = p.ravel().copy(), g.ravel().copy()
    optimizer = optim.AdamW(
        p.size, p.size, dtype=p.dtype, beta1=BETA1, beta2=BETA2, eps=EPS, weight_decay=decay
    )
    optimizer.m[:], optimizer.v[:], optimizer.t = m.ravel(), v.ravel(), t - 1
    optimizer.begin_step()
    optimizer.update(flat, grads, lr, part=slice(None))
    return flat.reshape(p.shape), optimizer.m.reshape(p.shape), optimizer.v.reshape(p.shape)


def clip(grads: list[Array], limit: float) -> list[Array]:
    """The gradients, made smaller together where their global norm is above the limit."""
    norm = math.sqrt(sum(optim.squared_norm(g.ravel()) for g in grads))
    return [g * g.dtype.type(optim.clip_factor(norm, limit)) for g in grads]


def lr_at(step: int, lr: float, min_lr: float, warmup: int, steps: int) -> float:
    return optim.lr_at(step, lr=lr, min_lr=min_lr, warmup=warmup, steps=steps)


def _step(f: Candidate, *given: Any) -> tuple[Array, Array, Array]:
    """One call, with three arrays of the shape and dtype of p as its result."""
    p, m, v = expect_parts(f, f(*given), *"pmv")
    for name, array in (("p", p), ("m", m), ("v", v)):
        expect_array(f, array, given[0].shape, given[0].dtype, part=name)
    return p, m, v


def adamw_step_is_right(f: Candidate) -> None:
    for dtype in (np.float64, np.float32):
        for g in GRADIENTS:
            zero = np.zeros(g.shape, dtype)
            _step(f, np.ones(g.shape, dtype), g.astype(dtype), zero, zero, 1, 0.5, 0.0)
    for g in GRADIENTS:
        zero, p = np.zeros(g.shape), np.ones(g.shape)
        new, m, v = _step(f, p, g, zero, zero, 1, 0.5, 0.0)
        expect_finite(f, new, p - 0.5 * np.sign(g))
        expect_close(f, m, (1 - BETA1) * g, "the new m is not 0.9 m + 0.1 g", shown="your m")
        expect_close(f, v, (1 - BETA2) * g * g, "the new v is not 0.99 v + 0.01 g²",
                     shown="your v")  # fmt: skip
        uphill = np.allclose(new, p + 0.5 * np.sign(g))
        expect(not uphill, "it goes uphill: the step is subtracted from p", f, yours=new)
        expect_close(f, p - new, 0.5 * np.sign(g), "the first step should be lr in every "
                     "coordinate, whatever the size of g: lr · sign(g)", tolerance=1e-4,
                     shown="your step")  # fmt: skip
    _same_gradient_same_step(f)
    _decay_is_beside_the_moments(f)
    one, small = np.zeros(1), np.array([1e-8])
    new, _, _ = _step(f, one, small, one, one, 1, 0.5, 0.0)
    expect_close(f, -new, np.array([0.25]), "eps is not in its place: with a first gradient as "
                 "large as eps the step should be half of lr; eps is added to the root of v̂",
                 tolerance=1e-4, shown="your step")  # fmt: skip
    p, m, v = START, np.zeros(2), np.zeros(2)
    for t, right in enumerate(GOLDEN, 1):
        p, m, v = _step(f, p, VALLEY * p, m, v, t, GOLDEN_LR, GOLDEN_DECAY)
        expect_close(f, p, np.array(right), f"step {t} of ten on the valley is not PyTorch's")


def _same_gradient_same_step(f: Candidate) -> None:
    g, p, m, v = np.array([2.0]), np.zeros(1), np.zeros(1), np.zeros(1)
    for t in (1, 2, 3):
        new, m, v = _step(f, p, g, m, v, t, 0.5, 0.0)
        expect_close(f, p - new, np.array([0.5]), f"the gradient was the same at every step, and "
                     f"step {t} is not lr long: m and v begin at 0, so divide them by "
                     "1 − beta1^t and 1 − beta2^t", tolerance=1e-6,
                     shown="your step")  # fmt: skip
        expect_close(f, m, (1 - BETA1**t) * g, "the m to be returned is the running mean itself, "
                     "before the correction", shown="your m")  # fmt: skip
        expect_close(f, v, (1 - BETA2**t) * g * g, "the v to be returned is the running mean "
                     "itself, before the correction", shown="your v")  # fmt: skip
        p = new


def _decay_is_beside_the_moments(f: Candidate) -> None:
    p, zero = np.array([4.0, -1.0]), np.zeros(2)
    new, m, v = _step(f, p, zero, zero, zero, 1, 0.5, 0.1)
    expect(not m.any() and not v.any(), "the decay has entered m and v; it belongs beside them: "
           "p − lr · decay · p − …", f, yours=(new, m, v))  # fmt: skip
    expect(not np.allclose(new, p * 0.9), "the decay is a share of p that forgets lr: "
           "it should be lr · decay · p", f, yours=new, right=p * 0.95)  # fmt: skip
    expect_close(f, new, p * 0.95, "without a gradient, p should shrink by lr · decay of itself")
    new, _, _ = _step(f, p, np.array([1.0, 1.0]), zero, zero, 1, 0.5, 0.1)
    right = p * 0.95 - 0.5
    expect_close(f, new, right, "decay and step together: both are taken from the old p",
                 tolerance=1e-6)  # fmt: skip


CLIPS: list[tuple[list[list[float]], float]] = [
    ([[3.0, 4.0]], 1.0),
    ([[3.0, 4.0], [12.0]], 1.3),
    ([[-3.0, 4.0], [12.0]], 1.3),
    ([[0.3, 0.4], [1.2]], 13.0),
    ([[0.3, 0.4], [1.2]], 1.3 + 1e-9),
    ([[0.0, 0.0], [0.0]], 1.0),
]


def clip_is_right(f: Candidate) -> None:
    for dtype in (np.float64, np.float32):
        for lists, limit in CLIPS:
            grads = [np.array(numbers, dtype) for numbers in lists]
            result = f(grads, limit)
            if not isinstance(result, list | tuple) or len(result) != len(grads):
                raise Finding(f"it should return a list of {len(grads)} arrays",
                              f.facts(yours=result))  # fmt: skip
            for got, g in zip(result, grads, strict=True):
                expect_array(f, got, g.shape, dtype)
    for lists, limit in CLIPS:
        grads = [np.array(numbers) for numbers in lists]
        result = f(grads, limit)
        got, old = np.concatenate(result), np.concatenate(grads)
        expect_finite(f, got, old)
        before, after = float(np.linalg.norm(old)), float(np.linalg.norm(got))
        right = clip(grads, limit)
        if before <= limit:
            expect_close(f, got, old, f"the norm is {before:.3g}, not above the limit: nothing "
                         "should change", shown="yours, one after the other")  # fmt: skip
            continue
        expect(after <= limit * (1 + 1e-9), f"the norm of all arrays together is {after:.4g} "
               f"after clipping, above the limit {limit:g}", f, yours=result,
               right=right)  # fmt: skip
        turned = float(got @ old) < after * before * (1 - 1e-9)
        expect(not turned, "the direction has changed: all arrays are to be multiplied by one "
               "and the same factor", f, yours=result, right=right)  # fmt: skip
        expect_close(f, got, np.concatenate(right), f"the norm is {after:.4g} after clipping and "
                     "should be the limit", shown="yours, one after the other")  # fmt: skip


SCHEDULES = [(1.0, 0.1, 4, 13), (2e-3, 0.0, 10, 60), (1.0, 0.5, 0, 3), (1.0, 0.1, 4, 5)]


def lr_at_is_right(f: Candidate) -> None:
    for lr, least, warmup, steps in SCHEDULES:
        expect_number(f, f(0, lr, least, warmup, steps))
        expect_number(f, f(steps - 1, lr, least, warmup, steps))
    for lr, least, warmup, steps in SCHEDULES:
        for step in range(warmup):
            got, right = f(step, lr, least, warmup, steps), lr * (step + 1) / warmup
            expect(got > 0, "a step with learning rate 0 teaches nothing: step 0 already has "
                   "lr / warmup", f, yours=got, right=right)  # fmt: skip
            expect_close(f, got, right, "the warm-up should rise by lr / warmup at each step")
        got = f(warmup, lr, least, warmup, steps)
        expect_close(f, got, lr, f"the cosine begins at step {warmup}, where its progress is 0: "
                     "there the rate is lr")  # fmt: skip
        got = f(steps - 1, lr, least, warmup, steps)
        if steps - 1 > warmup:
            expect_close(f, got, least, f"the last step is {steps - 1}, because the first is 0: "
                         "there the rate is min_lr")  # fmt: skip
            got = f(2 * steps, lr, least, warmup, steps)
            expect_close(f, got, least, "after the last step the rate should stay at min_lr (a "
                         "cosine rises again)")  # fmt: skip
        for step in range(steps):
            right = lr_at(step, lr, least, warmup, steps)
            got = f(step, lr, least, warmup, steps)
            expect_close(f, got, right, "between lr and min_lr it should be half a cosine")


CHECKS = [
    Check(
        name="10.adamw_step",
        arguments=("p", "g", "m", "v", "t", "lr", "decay"),
        properties=adamw_step_is_right,
        right="the first step is lr · sign(g), the decay is decoupled, ten steps are PyTorch's",
        library=adamw_step,
        hints=(
            "Four lines, in this order: the new m, the new v, their corrected copies, the new p. "
            "Which of them does the decay belong to?",
            "m = BETA1 * m + (1 - BETA1) * g, and v likewise with BETA2 and g * g. The corrected "
            "ones are m / (1 - BETA1**t) and v / (1 - BETA2**t); return the uncorrected.",
            "p = p - lr * decay * p - lr * mhat / (np.sqrt(vhat) + EPS), with the old p in both "
            "places; return p, m, v.",
        ),
    ),
    Check(
        name="10.clip",
        arguments=("grads", "limit"),
        properties=clip_is_right,
        right="the global norm is at most the limit, the direction stays, small ones are untouched",
        library=clip,
        hints=(
            "There is one norm for all arrays together, and so one factor for all of them.",
            "The square of the norm is a sum of sums: sum((g * g).sum() for g in grads). The "
            "factor is limit / norm, but only where norm is above limit.",
            "norm = math.sqrt(that sum); factor = limit / norm if norm > limit else 1.0; return "
            "[g * factor for g in grads].",
        ),
    ),
    Check(
        name="10.lr_at",
        arguments=("step", "lr", "min_lr", "warmup", "steps"),
        properties=lr_at_is_right,
        right="a line up to lr, half a cosine down to min_lr, and there it stays",
        library=lr_at,
        hints=(
            "Two cases: step < warmup, and the rest. Which step is the first of the rest, and "
            "which the last of all?",
            "In the warm-up, lr * (step + 1) / warmup. After it, progress = (step - warmup) / "
            "(steps - 1 - warmup) goes from 0 to 1; what if that divides by 0, and after 1?",
            "progress = min(1.0, (step - warmup) / max(1, steps - 1 - warmup)); return min_lr + "
            "(lr - min_lr) * (1 + math.cos(math.pi * progress)) / 2.",
        ),
    ),
]
