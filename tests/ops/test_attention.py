"""Causal attention beyond the contract: the mask, the past, views as homes."""

import numpy as np
import oracles
import pytest

from tinygpt.gradcheck import check_gradients
from tinygpt.ops import attention, causal_attention_backward, causal_attention_forward


def heads(seed, time, B=2, H=3, D=4):
    return np.random.default_rng(seed).standard_normal((B, H, time, D))


def test_attention_ignores_the_future():
    q, k, v = heads(0, 6), heads(1, 6), heads(2, 6)
    y, _ = causal_attention_forward(q, k, v)
    for t in range(5):
        k2, v2 = k.copy(), v.copy()
        k2[:, :, t + 1 :] += 3.0
        v2[:, :, t + 1 :] -= 5.0
        y2, _ = causal_attention_forward(q, k2, v2)
        np.testing.assert_array_equal(y2[:, :, : t + 1], y[:, :, : t + 1])
        assert np.abs(y2[:, :, t + 1] - y[:, :, t + 1]).min() > 0


def test_no_gradient_flows_from_the_past_to_the_future():
    y, cache = causal_attention_forward(heads(0, 6), heads(1, 6), heads(2, 6))
    dy = np.zeros_like(y)
    dy[:, :, 2] = 1.0
    dq, dk, dv = causal_attention_backward(dy, cache)
    assert not dk[:, :, 3:].any() and not dv[:, :, 3:].any()
    assert not dq[:, :, :2].any() and not dq[:, :, 3:].any()
    assert dk[:, :, :3].all() and dv[:, :, :3].all()


@pytest.mark.parametrize("Tq", range(1, 8))
def test_the_last_queries_alone_give_the_last_rows_of_the_whole(Tq):
    q, k, v = heads(0, 7), heads(1, 7), heads(2, 7)
    whole, _ = causal_attention_forward(q, k, v)
    part, _ = causal_attention_forward(q[:, :, -Tq:], k, v)
    np.testing.assert_allclose(part, whole[:, :, -Tq:], rtol=1e-13)


@pytest.mark.parametrize(("Tq", "Tk"), [(1, 1), (63, 64), (64, 64), (65, 65), (130, 200)])
def test_long_texts_equal_the_loops_too(Tq, Tk):
    """Lengths around the sizes that a tiled version would cut at."""
    q, k, v = heads(0, Tq, 1, 1, 2), heads(1, Tk, 1, 1, 2), heads(2, Tk, 1, 1, 2)
    y, _ = causal_attention_forward(q, k, v)
    np.testing.assert_allclose(y, oracles.causal_attention(q, k, v), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("tile", [1, 2, 3])
@pytest.mark.parametrize("past", [0, 2])
def test_gradients_are_right_for_tiles_of_any_size(tile, past, monkeypatch):
    """Seven queries: the last tile of two and of three is a part of one."""
    monkeypatch.setattr(attention, "TILE", tile)
    q, k, v, dy = heads(0, 7), heads(1, 7 + past), heads(2, 7 + past), heads(3, 7)
    y, cache = causal_attention_forward(q, k, v)
    np.testing.assert_allclose(y, oracles.causal_attention(q, k, v), rtol=1e-11, atol=1e-13)
    reports = check_gradients(
        lambda: float((causal_attention_forward(q, k, v)[0] * dy).sum()),
        {"q": q, "k": k, "v": v},
        dict(zip("qkv", causal_attention_backward(dy, cache), strict=True)),
    )
    assert all(report.error < 1e-8 for report in reports), reports


def test_results_can_be_written_into_strided_views():
    q, k, v = heads(0, 5), heads(1, 5), heads(2, 5)
    home = np.empty((2, 5, 3, 4)).transpose(0, 2, 1, 3)
    plain, cache = causal_attention_forward(q, k, v)
    y, _ = causal_attention_forward(q, k, v, out=home)
    assert y is home
    np.testing.assert_array_equal(y, plain)
    thirds = tuple(np.empty((2, 5, 9, 4)).transpose(0, 2, 1, 3)[:, i : i + 3] for i in (0, 3, 6))
    expected = causal_attention_backward(plain, cache)
    got = causal_attention_backward(plain, cache, out=thirds)
    for ours, third, reference in zip(got, thirds, expected, strict=True):
        assert ours is third
        np.testing.assert_allclose(ours, reference, rtol=1e-13, atol=1e-15)


def test_a_mask_hides_more_and_never_less():
    q, k, v = heads(0, 6), heads(1, 6), heads(2, 6)
    plain, _ = causal_attention_forward(q, k, v)
    y, _ = causal_attention_forward(q, k, v, mask=np.zeros((2, 1, 6, 6)))
    np.testing.assert_array_equal(y, plain)


def test_a_mask_lets_rows_of_different_lengths_attend_side_by_side():
    """Row b's two queries are positions ends[b] - 2 and ends[b] - 1 of its own text."""
    q, k, v = heads(0, 2), heads(1, 6), heads(2, 6)
    ends = np.array([3, 6])
    positions = ends[:, None] - 2 + np.arange(2)
    mask = np.where(np.arange(6) > positions[:, None, :, None], -np.inf, 0.0)
    y, _ = causal_attention_forward(q, k, v, mask=mask)
    for b, end in enumerate(ends):
        row = slice(b, b + 1)
        alone, _ = causal_attention_forward(q[row], k[row, :, :end], v[row, :, :end])
        np.testing.assert_allclose(y[row], alone, rtol=1e-13)
