"""The cache of a batch: rows of their own lengths, one row alone, rows that leave."""

import numpy as np
from small_models import SMALL

from tinygpt.kv_cache import KVCache


def filled(lengths):
    """A cache whose every number is that of its row."""
    kv = KVCache(SMALL, len(lengths), dtype=np.float64)
    kv.lengths[:] = lengths
    for arrays in (kv.keys, kv.values):
        arrays += np.arange(len(lengths))[:, None, None, None]
    return kv


def test_the_mask_shows_each_query_its_own_text_up_to_itself():
    layer = filled([0, 3]).layers(2)[0]
    assert layer.positions.tolist() == [[0, 1], [3, 4]]
    assert layer.end == 5
    seen = (layer.mask == 0).astype(int)[:, 0]
    assert seen.tolist() == [
        [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0]],
        [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]],
    ]
    assert np.isneginf(layer.mask[layer.mask != 0]).all()


def test_texts_of_one_length_need_no_mask():
    assert filled([3, 3]).layers(2)[0].mask is None


def test_new_keys_and_values_go_where_each_text_ends():
    kv = filled([0, 3])
    D = SMALL.n_embd // SMALL.n_head
    k = np.arange(2.0 * SMALL.n_head * 2 * D).reshape(2, SMALL.n_head, 2, D) + 100
    keys, values = kv.layers(2)[1].append(k, -k)
    for b, place in enumerate([slice(0, 2), slice(3, 5)]):
        np.testing.assert_array_equal(keys[b, :, place], k[b])
        np.testing.assert_array_equal(kv.values[1, b, :, place], -k[b])
    assert keys.shape == values.shape == (2, SMALL.n_head, 5, D)
    assert np.count_nonzero(kv.keys >= 100) == k.size
    assert (kv.keys[0] < 100).all()


def test_a_row_alone_is_the_same_memory():
    kv = filled([1, 2, 3])
    row = kv.rows(1, 2)
    row.lengths += 4
    row.keys[...] = 9
    assert kv.lengths.tolist() == [1, 6, 3]
    assert (kv.keys[:, 1] == 9).all()
    assert (kv.keys[:, [0, 2]] == np.array([0, 2])[:, None, None, None]).all()


def test_a_row_takes_over_the_text_of_another():
    kv = filled([1, 2, 3])
    kv.copy_row(2, 0)
    assert kv.lengths.tolist() == [3, 2, 3]
    for arrays in (kv.keys, kv.values):
        assert (arrays[:, 0, :, :3] == 2).all()
        assert (arrays[:, 1] == 1).all()
