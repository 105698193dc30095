"""LayerNorm beyond the contract: what it normalises to, and what leaves it unchanged."""

import numpy as np

from tinygpt.ops import layernorm_backward, layernorm_forward


def test_every_position_has_mean_zero_and_variance_one():
    x = 5 + 3 * np.random.default_rng(0).standard_normal((4, 64))
    y, _ = layernorm_forward(x, np.ones(64), np.zeros(64), eps=0.0)
    np.testing.assert_allclose(y.mean(-1), 0.0, atol=1e-14)
    np.testing.assert_allclose(y.var(-1), 1.0, rtol=1e-12)


def test_its_gradient_is_orthogonal_to_shifts_and_to_scalings():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((4, 16)), rng.standard_normal(16)
    y, cache = layernorm_forward(x, w, np.zeros(16), eps=0.0)
    dx, _, _ = layernorm_backward(rng.standard_normal(y.shape), cache)
    np.testing.assert_allclose(dx.sum(-1), 0.0, atol=1e-13)
    np.testing.assert_allclose((dx * x).sum(-1), 0.0, atol=1e-13)


def test_a_constant_position_is_finite():
    y, cache = layernorm_forward(np.full((2, 8), 3.0, np.float32), np.ones(8, np.float32),
                                 np.zeros(8, np.float32))  # fmt: skip
    np.testing.assert_array_equal(y, 0.0)
    assert np.isfinite(layernorm_backward(np.ones_like(y), cache)[0]).all()


def test_a_large_mean_does_not_cost_the_variance_its_digits():
    x = np.random.default_rng(0).standard_normal((3, 32))
    w, b = np.ones(32), np.zeros(32)
    near, _ = layernorm_forward(x, w, b)
    far, _ = layernorm_forward(x + 1e6, w, b)
    np.testing.assert_allclose(far, near, atol=1e-8)
