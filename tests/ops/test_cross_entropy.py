"""Cross-entropy beyond the contract: blocks, parts of a batch, in place, large logits."""

import math

import numpy as np
import oracles
import pytest

from tinygpt import backend
from tinygpt.errors import ShapeError
from tinygpt.ops import cross_entropy_backward, cross_entropy_forward


def problem(rows=11, V=7, dtype=np.float64):
    rng = np.random.default_rng(0)
    return 2 * rng.standard_normal((rows, V)).astype(dtype), rng.integers(0, V, rows)


@pytest.mark.parametrize("block", [1, 7, 20, 10**6])
def test_the_size_of_the_blocks_changes_nothing(block, monkeypatch):
    logits, ids = problem()
    expected = oracles.cross_entropy(logits, ids)
    whole = cross_entropy_backward(1.0, cross_entropy_forward(logits, ids)[1])
    monkeypatch.setattr(backend, "CACHED", block)
    loss, cache = cross_entropy_forward(logits, ids)
    assert loss == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(cross_entropy_backward(1.0, cache), whole, rtol=1e-13)


def test_parts_of_a_batch_add_up_to_the_whole():
    logits, ids = problem()
    loss, cache = cross_entropy_forward(logits, ids)
    parts = [cross_entropy_forward(logits[a:b], ids[a:b], count=11) for a, b in ((0, 4), (4, 11))]
    assert sum(part[0] for part in parts) == pytest.approx(loss, rel=1e-14)
    stacked = np.concatenate([cross_entropy_backward(1.0, part[1]) for part in parts])
    np.testing.assert_allclose(stacked, cross_entropy_backward(1.0, cache), rtol=1e-14)


def test_the_gradient_can_take_the_place_of_the_logits():
    logits, ids = problem()
    loss, cache = cross_entropy_forward(logits, ids)
    home = logits.copy()
    in_place, cache_in_place = cross_entropy_forward(home, ids, out=home)
    assert in_place == loss
    assert cross_entropy_backward(1.0, cache_in_place) is home
    np.testing.assert_array_equal(home, cross_entropy_backward(1.0, cache))


def test_every_row_of_the_gradient_sums_to_zero():
    logits, ids = problem()
    gradient = cross_entropy_backward(1.0, cross_entropy_forward(logits, ids)[1])
    np.testing.assert_allclose(gradient.sum(-1), 0.0, atol=1e-16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_logits_neither_overflow_nor_lose_the_loss(dtype):
    logits = np.array([[1e4, 0.0, -1e4], [1e4, 0.0, -1e4]], dtype)
    loss, _ = cross_entropy_forward(logits, np.array([0, 2]))
    assert loss == pytest.approx(1e4)


def test_equal_logits_cost_ln_v():
    loss, _ = cross_entropy_forward(np.zeros((3, 50)), np.array([0, 7, 49]))
    assert loss == pytest.approx(math.log(50), rel=1e-14)


def test_the_loss_is_a_python_float():
    assert type(cross_entropy_forward(*problem(dtype=np.float32))[0]) is float


def test_another_number_of_ids_than_rows_is_refused():
    with pytest.raises(ShapeError, match="one id per row"):
        cross_entropy_forward(np.zeros((2, 3, 5)), np.zeros((3, 2), int))


def test_a_home_with_gaps_is_refused():
    with pytest.raises(ShapeError, match="contiguous"):
        cross_entropy_forward(np.zeros((2, 3)), np.zeros(2, int), out=np.zeros((2, 6))[:, ::2])
