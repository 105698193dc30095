"""GELU beyond the contract: its two ends, in both precisions."""

import numpy as np
import pytest

from tinygpt import backend
from tinygpt.ops import gelu_backward, gelu_forward


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_zero_far_left_and_the_identity_far_right(dtype):
    x = np.array([-1e3, -20.0, 0.0, 20.0, 1e3], dtype)
    y, cache = gelu_forward(x)
    np.testing.assert_array_equal(y, [0, 0, 0, 20, 1e3])
    np.testing.assert_array_equal(gelu_backward(np.ones_like(x), cache), [0, 0, 0.5, 1, 1])


@pytest.mark.parametrize("block", [1, 5, 10**6])
def test_the_size_of_the_blocks_changes_no_bit(block, monkeypatch):
    x = np.random.default_rng(0).standard_normal((3, 4)).T  # not contiguous either
    y, (d,) = gelu_forward(np.ascontiguousarray(x))
    monkeypatch.setattr(backend, "CACHED", block)
    ours, (derivative,) = gelu_forward(x)
    np.testing.assert_array_equal(ours, y)
    np.testing.assert_array_equal(derivative, d)
