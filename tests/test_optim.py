"""AdamW against a loop over single numbers; clipping and schedule against their definitions."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygpt import optim
from tinygpt.optim import AdamW, clip_factor, lr_at, squared_norm

SETTINGS = {"beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1}


def adamw_oracle(p, gradients, lrs, n_decayed, *, beta1, beta2, eps, weight_decay):
    """Loshchilov & Hutter's algorithm 2, one number at a time."""
    result = []
    for i, value in enumerate(map(float, p)):
        m = v = 0.0
        for t, (gradient, lr) in enumerate(zip(gradients, lrs, strict=True), start=1):
            grad = float(gradient[i])
            m = beta1 * m + (1 - beta1) * grad
            v = beta2 * v + (1 - beta2) * grad**2
            if i < n_decayed:
                value -= lr * weight_decay * value
            value -= lr * (m / (1 - beta1**t)) / (math.sqrt(v / (1 - beta2**t)) + eps)
        result.append(value)
    return np.array(result)


def run(p, gradients, lrs, n_decayed, *, parts=(slice(None),), scale=1.0):
    params, optimizer = p.copy(), AdamW(len(p), n_decayed, dtype=p.dtype, **SETTINGS)
    for gradient, lr in zip(gradients, lrs, strict=True):
        optimizer.begin_step()
        grads = gradient.copy()
        for part in parts:
            optimizer.update(params, grads, lr, scale=scale, part=part)
    return params, optimizer


def problem(n=23, steps=5, dtype=np.float64):
    rng = np.random.default_rng(3)
    return (
        rng.standard_normal(n).astype(dtype),
        rng.standard_normal((steps, n)).astype(dtype),
        [0.1 / (1 + t) for t in range(steps)],
    )


def test_the_norm_of_many_float32_is_that_of_float64():
    """One product over all of them adds up in float32, and is 1e-4 off and more."""
    grads = np.random.default_rng(0).standard_normal(12_000_000, np.float32)
    exact = sum(float((part.astype(np.float64) ** 2).sum()) for part in np.array_split(grads, 50))
    assert squared_norm(grads) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("n_decayed", [0, 9, 23])
@pytest.mark.parametrize("piece", [1, 4, 1 << 16])
def test_adamw_equals_its_definition_for_every_split_into_pieces(n_decayed, piece, monkeypatch):
    monkeypatch.setattr(optim, "PIECE", piece)
    p, gradients, lrs = problem()
    ours, _ = run(p, gradients, lrs, n_decayed)
    np.testing.assert_allclose(
        ours, adamw_oracle(p, gradients, lrs, n_decayed, **SETTINGS), rtol=1e-12
    )


@given(borders=st.lists(st.integers(0, 23), max_size=4), n_decayed=st.integers(0, 23))
def test_updating_in_parts_equals_updating_at_once(borders, n_decayed):
    p, gradients, lrs = problem()
    edges = [0, *sorted(borders), 23]
    parts = [slice(a, b) for a, b in pairwise(edges)]
    whole, _ = run(p, gradients, lrs, n_decayed)
    np.testing.assert_array_equal(run(p, gradients, lrs, n_decayed, parts=parts)[0], whole)


def test_scale_multiplies_the_gradient():
    p, gradients, lrs = problem()
    np.testing.assert_array_equal(
        run(p, gradients, lrs, 9, scale=0.25)[0], run(p, gradients * 0.25, lrs, 9)[0]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_state_keeps_the_dtype_and_counts_steps(dtype):
    params, optimizer = run(*problem(dtype=dtype), 9)
    assert params.dtype == optimizer.m.dtype == optimizer.v.dtype == dtype
    assert optimizer.t == 5


def test_decay_reaches_matrices_alone_and_never_the_moments():
    params, optimizer = run(np.ones(6), np.zeros((1, 6)), [0.5], 4)
    np.testing.assert_allclose(params, [1 - 0.5 * 0.1] * 4 + [1.0] * 2, rtol=1e-15)
    assert not optimizer.m.any() and not optimizer.v.any()


@given(
    warmup=st.integers(0, 20),
    steps=st.integers(1, 60),
    share=st.floats(0, 1),
)
def test_the_learning_rate_rises_to_its_peak_then_falls_to_its_floor(warmup, steps, share):
    schedule = {"lr": 2e-3, "min_lr": share * 2e-3, "warmup": warmup, "steps": steps}
    lrs = [lr_at(step, **schedule) for step in range(warmup + steps)]
    rising, falling = lrs[:warmup], lrs[warmup:]
    assert all(0 < lr <= 2e-3 * (1 + 1e-12) for lr in rising) and rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert falling[0] == pytest.approx(2e-3)
    assert all(lr >= schedule["min_lr"] * (1 - 1e-12) for lr in falling)
    if steps > warmup + 1:
        assert lrs[steps - 1] == pytest.approx(schedule["min_lr"], abs=1e-15)


@given(norm=st.floats(0, 1e6), clip=st.just(0.0) | st.floats(1e-3, 10))
def test_clipping_limits_the_norm_and_never_raises_it(norm, clip):
    factor = clip_factor(norm, clip)
    assert 0 < factor <= 1
    if clip > 0:
        assert norm * factor <= clip * (1 + 1e-12)
    if clip == 0 or norm <= clip:
        assert factor == 1


def test_squared_norm_is_the_sum_of_squares():
    assert squared_norm(np.array([3.0, -4.0])) == 25.0
