"""Softmax beyond the contract: any finite input, and in place."""

import numpy as np
import pytest

from tinygpt.ops import softmax_forward


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_inputs_neither_overflow_nor_lose_the_sum(dtype):
    p, _ = softmax_forward(np.array([[1e30, 1e30, -1e30], [-1e4, 0.0, 1e4]], dtype))
    np.testing.assert_array_equal(p, np.array([[0.5, 0.5, 0], [0, 0, 1]], dtype))


def test_a_shift_of_all_inputs_changes_nothing():
    x = np.random.default_rng(0).standard_normal((4, 5))
    np.testing.assert_allclose(softmax_forward(x + 7.0)[0], softmax_forward(x)[0], rtol=1e-13)


def test_the_result_can_take_the_place_of_the_input():
    x = np.random.default_rng(0).standard_normal((4, 5))
    plain, _ = softmax_forward(x.copy())
    p, _ = softmax_forward(x, out=x)
    assert p is x
    np.testing.assert_array_equal(x, plain)
