"""What a model is fed: every token, shifted by one, in an order that the step alone decides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygpt.data import Batches, split_texts, split_validation
from tinygpt.errors import ConfigError, DataError


def read_only(n, dtype=np.uint16):
    ids = np.arange(n, dtype=dtype)
    ids.flags.writeable = False
    return ids


def test_y_is_x_one_token_later():
    x, y = Batches(read_only(100), block_size=8, batch_size=5, seed=1).batch(0)
    assert x.shape == y.shape == (5, 8)
    assert x.dtype == y.dtype == np.int64
    assert x.flags.c_contiguous and y.flags.c_contiguous
    np.testing.assert_array_equal(y, x + 1)
    np.testing.assert_array_equal(x, x[:, :1] + np.arange(8))


def test_every_start_is_reached_and_no_other():
    batches = Batches(read_only(12), block_size=4, batch_size=50, seed=1)
    starts = {int(start) for step in range(10) for start in batches.batch(step)[0][:, 0]}
    assert starts == set(range(8))  # 0 .. len - block_size - 1


def test_ids_that_fit_one_window_give_that_window():
    x, y = Batches(read_only(5), block_size=4, batch_size=2, seed=1).batch(3)
    assert x.tolist() == [[0, 1, 2, 3]] * 2
    assert y.tolist() == [[1, 2, 3, 4]] * 2


def test_a_batch_depends_on_seed_and_step_alone():
    one, two = (Batches(read_only(1000), 8, 4, seed=5) for _ in range(2))
    forward = [one.batch(step)[0] for step in range(4)]
    backward = [two.batch(step)[0] for step in reversed(range(4))][::-1]
    np.testing.assert_array_equal(forward, backward)
    assert len({x.tobytes() for x in forward}) == 4
    assert (Batches(read_only(1000), 8, 4, seed=6).batch(0)[0] != forward[0]).any()


def test_the_first_batch_is_the_same_on_every_machine():
    x, _ = Batches(read_only(1000), block_size=2, batch_size=4, seed=1337).batch(2)
    expected = np.random.default_rng([1337, 2]).integers(0, 998, size=4)
    assert x[:, 0].tolist() == expected.tolist()


@pytest.mark.parametrize("n", [0, 1, 8])
def test_too_few_ids_for_a_window_are_refused_with_both_lengths(n):
    with pytest.raises(DataError, match=rf"has {n} tokens .* block_size \+ 1 = 9;"):
        Batches(read_only(n), block_size=8, batch_size=1, seed=1)


@pytest.mark.parametrize(("block_size", "batch_size"), [(0, 1), (1, 0), (-3, 1)])
def test_sizes_below_one_are_refused(block_size, batch_size):
    with pytest.raises(ConfigError, match="must be at least 1"):
        Batches(read_only(10), block_size, batch_size, seed=1)


def test_validation_is_the_last_tenth():
    train, val = split_validation(read_only(1003))
    assert (len(train), len(val)) == (902, 101)
    assert (train[0], train[-1], val[0], val[-1]) == (0, 901, 902, 1002)


def test_tiny_shakespeare_splits_as_in_nanogpt():
    train, val = split_validation(np.zeros(1_115_394, np.uint8))
    assert (len(train), len(val)) == (1_003_854, 111_540)


@pytest.mark.parametrize("n", [0, 1, 3, 10])
def test_a_text_too_short_to_split_is_refused(n):
    with pytest.raises(DataError, match=f"has {n} tokens, too few to hold out 10%"):
        split_validation(read_only(n))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, float("nan")])
def test_a_fraction_outside_zero_to_one_is_refused(fraction):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        split_validation(read_only(100), fraction)


lines = st.text("ab\n", max_size=8)


@given(texts=st.lists(lines.filter(bool), min_size=1, max_size=5))
def test_texts_are_split_without_losing_a_character(texts):
    train, val = split_texts(texts, fraction=0.4)
    length = len("".join(texts))
    assert "".join(train + val) == "".join(texts)
    assert "" not in train + val
    assert len("".join(val)) >= 1
    assert len("".join(train)) >= int(length * 0.6)
    assert len(train) + len(val) - len(texts) in (0, 1)


def test_texts_are_split_after_a_line_end():
    assert split_texts(["abc\ndef\nghi\n"], 0.5) == (["abc\ndef\n"], ["ghi\n"])
    assert split_texts(["ab", "cd"], 0.5) == (["ab"], ["cd"])
    assert split_texts(["abcdefgh\n"], 0.5) == (["abcd"], ["efgh\n"])
