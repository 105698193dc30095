"""Linear beyond the contract: no bias, other memory layouts."""

import numpy as np
import oracles

from tinygpt.ops import linear_backward, linear_forward


def test_the_bias_can_be_left_out():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 4)), rng.standard_normal((4, 5))
    y, cache = linear_forward(x, w)
    np.testing.assert_allclose(y, oracles.linear(x, w), rtol=1e-13)
    with_zero = linear_backward(y, linear_forward(x, w, np.zeros(5))[1])
    dx, dw, db = linear_backward(y, cache)
    np.testing.assert_array_equal(dx, with_zero[0])
    np.testing.assert_array_equal(dw, with_zero[1])
    assert db is None


def test_a_matrix_stored_the_other_way_round_gives_the_same_numbers():
    rng = np.random.default_rng(0)
    x, stored, b = rng.standard_normal((6, 4)), rng.standard_normal((5, 4)), np.ones(5)
    y, cache = linear_forward(x, stored.T, b)
    plain, plain_cache = linear_forward(x, stored.T.copy(), b)
    np.testing.assert_allclose(y, plain, rtol=1e-13)
    home = np.full((5, 4), np.nan)
    linear_backward(y, cache, out=(None, home.T, np.empty(5)))
    np.testing.assert_allclose(home.T, linear_backward(y, plain_cache)[1], rtol=1e-12)
