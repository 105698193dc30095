"""Worked numbers and laws of the functions between logits and the next token."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_models import golden

from tinygpt import sampling
from tinygpt.config import SamplingConfig
from tinygpt.errors import TinyGPTError
from tinygpt.sampling import (
    apply_frequency_penalty,
    apply_presence_penalty,
    apply_repetition_penalty,
    apply_temperature,
    draw,
    draw_rows,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    log_probs,
    next_probs,
    softmax,
)

# few distinct values, so that ties are common
logits = arrays(np.float64, st.integers(1, 12), elements=st.integers(-6, 6).map(float))
counts = st.integers(1, 20)
shares = st.floats(0.01, 1.0)


def plain_top_p(x, p):
    """The least set by adding probabilities one by one, likeliest and lowest id first."""
    probs = softmax(x)
    kept, mass = set(), 0.0
    for i in sorted(range(len(x)), key=lambda i: (-probs[i], i)):
        kept.add(i)
        mass += probs[i]
        if mass >= p:
            break
    return kept


def test_the_worked_numbers_in_the_docstrings_hold():
    assert doctest.testmod(sampling).failed == 0


@given(logits)
def test_probabilities_sum_to_one_and_keep_the_order_of_the_logits(x):
    probs = softmax(x)
    assert probs.sum() == pytest.approx(1, abs=1e-12)
    assert (np.argsort(probs, kind="stable") == np.argsort(x, kind="stable")).all()


@given(logits, counts)
def test_top_k_keeps_k_and_among_equals_the_lower_id(x, k):
    kept = np.flatnonzero(np.isfinite(keep_top_k(x, k)))
    best = sorted(range(len(x)), key=lambda i: (-x[i], i))[:k]
    assert kept.tolist() == sorted(best)


@given(logits, shares)
def test_top_p_keeps_the_least_set_that_reaches_p_and_never_none(x, p):
    kept = set(np.flatnonzero(np.isfinite(keep_top_p(x, p))).tolist())
    assert kept == (plain_top_p(x, p) if p < 1 else set(range(len(x))))
    assert kept


def test_top_p_sees_only_what_top_k_left():
    x = np.log([0.4, 0.3, 0.2, 0.1])
    probs = next_probs(x, SamplingConfig(temperature=1, top_k=2, top_p=0.5))
    assert probs.tolist() == [1, 0, 0, 0]  # 0.4 / 0.7 > 0.5; without top-k two would stay
    assert np.count_nonzero(next_probs(x, SamplingConfig(temperature=1, top_p=0.5))) == 2


@given(logits, st.lists(st.integers(0, 11), max_size=30), st.floats(0.5, 3.0))
def test_the_penalty_acts_once_per_distinct_token_and_by_its_sign(x, ids, penalty):
    ids = [i for i in ids if i < len(x)]
    changed = apply_repetition_penalty(x, ids, penalty)
    for i, (old, new) in enumerate(zip(x, changed, strict=True)):
        expected = old / penalty if old > 0 else old * penalty
        assert new == (expected if i in ids else old)


ids_of_twelve = st.lists(st.integers(0, 11), max_size=30)
penalties = st.floats(-2, 2)


@given(logits, ids_of_twelve, penalties)
def test_presence_counts_a_token_once_and_frequency_each_time(x, ids, penalty):
    ids = [i for i in ids if i < len(x)]
    presence = apply_presence_penalty(x, ids, penalty)
    frequency = apply_frequency_penalty(x, ids, penalty)
    for i, old in enumerate(x):
        assert presence[i] == (old - penalty if i in ids else old)
        assert frequency[i] == pytest.approx(old - penalty * ids.count(i), abs=1e-12)


@given(logits, ids_of_twelve, st.floats(1.01, 3))
def test_a_penalty_never_makes_its_token_likelier_nor_another_less_likely(x, ids, penalty):
    ids = [i for i in ids if i < len(x)]
    before = softmax(x)
    for name in ("repetition_penalty", "presence_penalty", "frequency_penalty"):
        config = SamplingConfig(temperature=1, **{name: penalty})
        after = next_probs(x, config, output=ids)
        said = np.isin(np.arange(len(x)), ids)
        assert (after[~said] >= before[~said] * (1 - 1e-12)).all()
        assert after[said].sum() <= before[said].sum() * (1 + 1e-12)


def test_repetition_counts_the_prompt_too_and_the_others_the_output_alone():
    x = np.array([1.0, 1.0, 1.0])
    for name, seen in (("repetition", [0, 1]), ("presence", [1]), ("frequency", [1])):
        config = SamplingConfig(temperature=1, **{f"{name}_penalty": 1.5})
        probs = next_probs(x, config, prompt=[0], output=[1])
        assert np.flatnonzero(probs < probs[2]).tolist() == seen, name


@given(logits, shares)
def test_min_p_keeps_what_is_likely_beside_the_likeliest(x, min_p):
    probs = softmax(x)
    kept = np.flatnonzero(np.isfinite(keep_min_p(x, min_p)))
    clear = np.abs(probs / probs.max() - min_p) > 1e-12  # where rounding does not decide
    assert set(kept[clear[kept]]) == set(np.flatnonzero(clear & (probs / probs.max() > min_p)))
    assert np.argmax(x) in kept
    np.testing.assert_array_equal(keep_min_p(x, 0), x)


def test_penalties_come_before_the_temperature_and_min_p_sees_what_top_p_left():
    x = np.array([4.0, 2.0])
    config = SamplingConfig(temperature=2, repetition_penalty=2, presence_penalty=1)
    # (4 / 2 - 1) / 2 against 2 / 2
    assert next_probs(x, config, output=[0]) == pytest.approx(softmax(np.array([0.5, 1.0])))
    config = SamplingConfig(temperature=1, repetition_penalty=2, frequency_penalty=1)
    # 4 / 2 - 1 - 1, and not (4 - 2) / 2
    assert next_probs(x, config, output=[0, 0]) == pytest.approx(softmax(np.array([0.0, 2.0])))
    y = np.log([0.4, 0.3, 0.2, 0.1])
    config = SamplingConfig(temperature=1, top_p=0.65, min_p=0.4)
    assert np.count_nonzero(next_probs(y, config)) == 2
    config = SamplingConfig(temperature=1, top_k=3, min_p=0.6)
    assert np.count_nonzero(next_probs(y, config)) == 2


@given(logits)
def test_temperature_one_changes_nothing_and_towards_zero_it_is_the_argmax(x):
    config = SamplingConfig(temperature=1)
    np.testing.assert_allclose(next_probs(x, config), softmax(x), rtol=1e-12)
    cold = next_probs(x, SamplingConfig(temperature=1e-3))
    best = x == x.max()
    assert cold[best] == pytest.approx(1 / np.count_nonzero(best))
    assert (cold[~best] < 1e-100).all()


@given(logits)
def test_log_probabilities_are_the_logarithms_of_softmax(x):
    np.testing.assert_allclose(log_probs(x), np.log(softmax(x)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", range(len(golden("sampling")["settings"])))
def test_probabilities_equal_those_of_hugging_faces_processors(case):
    made = golden("sampling")
    penalty, temperature, top_k, top_p, min_p = made["settings"][case].tolist()
    config = SamplingConfig(
        repetition_penalty=penalty,
        temperature=temperature,
        top_k=int(top_k) or None,
        top_p=top_p or None,
        min_p=min_p or None,
    )
    ids = made["ids"].tolist()
    probs = next_probs(made["logits"], config, prompt=ids[:4], output=ids[4:])
    np.testing.assert_allclose(probs, made["probs"][case], rtol=1e-12, atol=1e-15)


@given(logits, shares, counts)
def test_k_one_and_small_p_and_temperature_zero_agree(x, p, k):
    greedy = next_probs(x, SamplingConfig(temperature=0, top_k=k, top_p=p))
    assert np.argmax(greedy) == np.argmax(x)
    for setting in ({"top_k": 1}, {"top_p": 1e-9}):
        assert next_probs(x, SamplingConfig(temperature=1, **setting)).tolist() == (greedy.tolist())


@given(logits, st.integers(-50, 50))
def test_a_shift_of_all_logits_changes_nothing(x, shift):
    config = SamplingConfig(temperature=0.5, top_k=5, top_p=0.7, min_p=0.01)
    np.testing.assert_array_equal(next_probs(x + shift, config), next_probs(x, config))


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-10, 1e300])
def test_no_temperature_overflows(temperature):
    probs = next_probs(np.array([1.0, 800.0, -900.0]), SamplingConfig(temperature=temperature))
    assert probs.sum() == pytest.approx(1)
    assert probs[1] == probs.max()


@pytest.mark.parametrize("penalty", [1e-308, 1e308])
def test_no_penalty_overflows(penalty):
    config = SamplingConfig(temperature=1, repetition_penalty=penalty)
    assert next_probs(np.array([9.0, -9.0, 1.0]), config, prompt=[0, 1]).sum() == pytest.approx(1)


def test_temperature_divides_the_differences():
    x = np.array([1.0, 3.0, 2.0])
    assert np.diff(apply_temperature(x, 2.0)).tolist() == [1.0, -0.5]


@given(logits, st.floats(0, 1, exclude_max=True))
def test_a_draw_is_a_possible_token(x, u):
    probs = softmax(keep_top_k(x, 3))
    assert probs[draw(probs, u)] > 0


@given(arrays(np.float64, st.integers(1, 40), elements=st.floats(0.01, 1)))
def test_rounding_never_draws_past_the_vocabulary(weights):
    probs = softmax(np.log(weights))  # their sum is 1 but for the last bits
    assert draw(np.append(probs, 0.0), 1 - 2.0**-53) == len(probs) - 1
    assert draw(probs * (1 - 1e-9), 1 - 2.0**-53) == len(probs) - 1


def test_draws_follow_the_distribution():
    x = np.log([0.5, 0.25, 0.125, 0.125])
    rng = np.random.default_rng(7)
    config = SamplingConfig(temperature=1)
    n = 4000
    seen = np.bincount([draw(next_probs(x, config), rng.random()) for _ in range(n)], minlength=4)
    expected = n * np.exp(x)
    chi2 = float(((seen - expected) ** 2 / expected).sum())
    assert chi2 < 16.27  # three degrees of freedom, one in a thousand


def test_inputs_are_not_written_and_float32_is_sampled_in_float64():
    x = np.array([0.1, 0.7, 0.2], np.float32)
    x.flags.writeable = False
    config = SamplingConfig(temperature=0.9, top_k=2, top_p=0.9, repetition_penalty=1.3)
    assert next_probs(x, config, prompt=[1], output=[1]).dtype == np.float64


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_logits_that_are_not_numbers_are_refused_in_a_sentence(broken):
    with pytest.raises(TinyGPTError, match="not numbers"):
        next_probs(np.array([0.0, broken]), SamplingConfig())


@given(
    arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 300)),
           elements=st.floats(-60, 60, width=32)),
    st.data(),
)  # fmt: skip
def test_rows_drawn_at_once_are_those_drawn_one_by_one(rows, data):
    each = len(rows)
    temperatures = data.draw(st.lists(st.floats(1e-3, 9), min_size=each, max_size=each))
    u = data.draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=each, max_size=each))
    one_by_one = [
        draw(next_probs(row, SamplingConfig(temperature=temperature)), number)
        for row, temperature, number in zip(rows, temperatures, u, strict=True)
    ]
    assert draw_rows(rows, temperatures, u) == one_by_one


def test_one_row_that_is_no_number_is_refused_among_others():
    rows = np.zeros((2, 3), np.float32)
    rows[1, 2] = np.nan
    with pytest.raises(TinyGPTError, match="not numbers"):
        draw_rows(rows, [1.0, 1.0], [0.5, 0.5])


def test_only_a_temperature_is_plain():
    assert SamplingConfig(max_new_tokens=3, stop=("a",), logprobs=2).is_plain
    for shaped in ({"temperature": 0}, {"top_k": 3}, {"top_p": 0.9}, {"min_p": 0.1},
                   {"repetition_penalty": 1.1}, {"presence_penalty": 0.1},
                   {"frequency_penalty": -0.1}):  # fmt: skip
        assert not SamplingConfig(**shaped).is_plain
