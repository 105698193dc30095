"""Dropout beyond the contract: what a mask does to both directions."""

import numpy as np

from tinygpt.ops import dropout_backward, dropout_forward


def test_dropped_channels_give_nothing_and_get_nothing_back():
    mask = np.array([0.0, 2.0, 0.0, 2.0])
    y, cache = dropout_forward(np.array([1.0, 2.0, 3.0, 4.0]), mask)
    np.testing.assert_array_equal(y, [0, 4, 0, 8])
    np.testing.assert_array_equal(dropout_backward(np.ones(4), cache), mask)
