"""Cached = streamed = beside others = the plain loop, token for token, past the window too."""

from dataclasses import replace

import numpy as np
import pytest
import strict_xp
from decoding_oracle import plain_loop, random_model
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import SMALL, order_one, relative_error

from tinygpt.config import SamplingConfig
from tinygpt.decoding import Sample, draw_together, stream_ids
from tinygpt.errors import ConfigError, TinyGPTError, VocabularyError
from tinygpt.kv_cache import KVCache
from tinygpt.model import GPT


@st.composite
def cases(draw):
    """A model, one to five prompts up to thrice the window, and how to go on from them."""
    block_size = draw(st.integers(1, 7))
    model = random_model(
        vocab_size=draw(st.integers(1, 9)),
        block_size=block_size,
        n_layer=draw(st.integers(1, 2)),
        n_head=draw(st.sampled_from([1, 2])),
        n_embd=4,
        seed=draw(st.integers(0, 99)),
    )
    token = st.integers(0, model.config.vocab_size - 1)
    prompt = st.lists(token, min_size=1, max_size=2 * block_size + 2)
    sampling = SamplingConfig(
        max_new_tokens=draw(st.integers(1, 2 * block_size + 2)),
        temperature=draw(st.sampled_from([0.0, 0.7, 1.5])),
        top_k=draw(st.sampled_from([None, 1, 4, 50])),
        top_p=draw(st.sampled_from([None, 0.6])),
        min_p=draw(st.sampled_from([None, 0.1])),
        repetition_penalty=draw(st.sampled_from([1.0, 1.4])),
        presence_penalty=draw(st.sampled_from([0.0, 0.5])),
        frequency_penalty=draw(st.sampled_from([0.0, -0.3])),
        window_hop=draw(st.none() | st.integers(1, block_size)),
    )
    prompts = draw(st.lists(prompt, min_size=1, max_size=5))
    return model, prompts, sampling, draw(st.sampled_from([(), (0,), (0, 3)]))


@settings(max_examples=200)
@given(cases(), st.integers(0, 2**40), st.integers(1, 4))
def test_alone_streamed_and_beside_others_are_the_plain_loop_token_for_token(
    case, seed, batch_size
):
    model, prompts, sampling, stop_ids = case
    # rows end at different times, by length too
    each = [
        replace(sampling, max_new_tokens=1 + (sampling.max_new_tokens + 5 * i) % 17)
        for i in range(len(prompts))
    ]
    samples = [
        Sample(model.config, ids, one, np.random.default_rng([seed, i]), stop_ids=stop_ids)
        for i, (ids, one) in enumerate(zip(prompts, each, strict=True))
    ]
    for _ in draw_together(model, samples, batch_size=batch_size):
        pass
    for i, (ids, one, sample) in enumerate(zip(prompts, each, samples, strict=True)):
        plain = plain_loop(model, ids, one, np.random.default_rng([seed, i]), stop_ids)
        assert sample.ids == plain
        ended = "length" if len(plain) == one.max_new_tokens else "stop"
        assert sample.finish_reason == ended
    rng = np.random.default_rng([seed, 0])
    assert list(stream_ids(model, prompts[0], each[0], rng, stop_ids=stop_ids)) == samples[0].ids


def test_in_float32_log_probabilities_beside_others_are_those_alone_to_1e_4():
    model = random_model(block_size=16, n_layer=2, seed=4, dtype=np.float32)
    sampling = SamplingConfig(max_new_tokens=40, temperature=0, logprobs=9)
    prompts = [[1], [2, 3, 4], [5] * 20, [6, 7] * 7]

    def said(together):
        samples = [Sample(model.config, p, sampling, np.random.default_rng(0)) for p in prompts]
        for _ in draw_together(model, samples, batch_size=4 if together else 1):
            pass
        return samples

    for alone, beside in zip(said(False), said(True), strict=True):
        assert alone.ids == beside.ids
        for one, other in zip(alone.logprobs, beside.logprobs, strict=True):
            assert one.chosen == pytest.approx(other.chosen, abs=1e-4)
            assert dict(one.best) == pytest.approx(dict(other.best), abs=1e-4)


def test_rows_of_different_lengths_on_the_double_of_cupy_equal_numpys():
    def said(xp):
        samples = [
            Sample(SMALL, [1] * n, SamplingConfig(max_new_tokens=12), np.random.default_rng(n))
            for n in (1, 5, 9)
        ]
        for _ in draw_together(order_one(xp=xp), samples, batch_size=2):
            pass
        return [sample.ids for sample in samples]

    assert said(strict_xp) == said(np)


def test_several_tokens_at_once_may_follow_texts_of_different_lengths():
    model = order_one()
    ids = np.random.default_rng(0).integers(0, SMALL.vocab_size, (2, 7))
    kv = KVCache(SMALL, 2, dtype=np.float64)
    model.forward(ids[:1, :4], kv=kv.rows(0, 1))
    model.forward(ids[1:, :1], kv=kv.rows(1, 2))
    assert kv.lengths.tolist() == [4, 1]
    logits, _ = model.forward(np.stack([ids[0, 4:7], ids[1, 1:4]]), kv=kv, last=2)
    for b, n in enumerate([7, 4]):
        alone, _ = model.forward(ids[b : b + 1, :n])
        assert relative_error(logits[b], alone[0, -2:]) < 1e-13


def read_lengths(model, monkeypatch, prompts, sampling, batch_size=32):
    """The shape of the ids of each forward pass."""
    shapes, forward = [], model.forward
    monkeypatch.setattr(
        model, "forward", lambda ids, **kw: shapes.append(ids.shape) or forward(ids, **kw)
    )
    samples = [Sample(model.config, p, sampling, np.random.default_rng(0)) for p in prompts]
    for _ in draw_together(model, samples, batch_size=batch_size):
        pass
    return shapes


@pytest.mark.parametrize("n", [2, 5, 8])
def test_a_prompt_is_read_in_one_pass_that_gives_its_next_token_too(monkeypatch, n):
    one = SamplingConfig(max_new_tokens=1)
    assert read_lengths(random_model(), monkeypatch, [[1] * n], one) == [(1, n)]


def test_a_text_that_joins_others_is_read_and_goes_on_with_them(monkeypatch):
    sampling = SamplingConfig(max_new_tokens=3)
    prompts = [[1], [2] * 4, [3] * 5]
    shapes = read_lengths(random_model(), monkeypatch, prompts, sampling, batch_size=2)
    assert shapes == [(1, 4), (2, 1), (2, 1), (2, 1), (1, 5), (1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("hop", "passes"),
    [(None, [7, 1, 7, 1, 7, 1, 7]), (1, [7, 1, 8, 8, 8, 8, 8]), (8, [7, 1, 1, 1, 1, 1, 1])],
)
def test_the_window_moves_by_hops_and_the_cache_is_refilled_only_then(monkeypatch, hop, passes):
    sampling = SamplingConfig(max_new_tokens=7, window_hop=hop)
    shapes = read_lengths(random_model(block_size=8), monkeypatch, [[1] * 7], sampling)
    assert shapes == [(1, T) for T in passes]


@pytest.mark.parametrize("n_other", [9, 1])  # its window moves too, or never
def test_a_text_whose_window_moves_at_every_token_keeps_no_other_waiting(n_other):
    model, said = random_model(), []
    sampling = SamplingConfig(max_new_tokens=4, window_hop=1)
    samples = [
        Sample(model.config, [1] * n, sampling, np.random.default_rng(0)) for n in (9, n_other)
    ]
    for sample in draw_together(model, samples):
        said.append(samples.index(sample))
    assert said == [0, 1] * 4


def test_one_pass_a_step_serves_all_rows_and_those_that_wait_take_freed_rows(monkeypatch):
    sampling = SamplingConfig(max_new_tokens=3)
    shapes = read_lengths(random_model(), monkeypatch, [[1]] * 5, sampling, batch_size=2)
    assert shapes == [(2, 1)] * 6 + [(1, 1)] * 3


def test_a_text_in_a_freed_row_knows_nothing_of_the_one_before():
    """The second prompt is as long as what its row of the cache already holds, and one more."""
    model, sampling = random_model(), SamplingConfig(max_new_tokens=1, temperature=0)
    for seed in range(9):
        ids = np.random.default_rng(seed).integers(0, 9, 7).tolist()
        samples = [
            Sample(model.config, p, sampling, np.random.default_rng(0)) for p in (ids[:3], ids[3:])
        ]
        list(draw_together(model, samples, batch_size=1))
        assert samples[1].ids == plain_loop(model, ids[3:], sampling, np.random.default_rng(0))


def test_a_text_can_be_ended_from_outside_and_the_others_go_on():
    model, sampling = random_model(), SamplingConfig(max_new_tokens=6)
    one, two = (Sample(model.config, [i], sampling, np.random.default_rng(i)) for i in (1, 2))
    for sample in draw_together(model, [one, two]):
        if sample is one and len(one.ids) == 2:
            two.finish("cancelled")  # before its second token
    assert (one.finish_reason, len(one.ids)) == ("length", 6)
    assert (two.finish_reason, len(two.ids)) == ("cancelled", 1)
    assert list(draw_together(model, [one, two])) == []


def test_a_text_left_in_the_middle_can_be_taken_up_again():
    model, sampling = random_model(), SamplingConfig(max_new_tokens=12)
    sample = Sample(model.config, [1], sampling, np.random.default_rng(5))
    next(draw_together(model, [sample]))
    list(draw_together(model, [sample]))
    assert sample.ids == plain_loop(model, [1], sampling, np.random.default_rng(5))


def test_log_probabilities_are_the_models_own_whatever_the_settings():
    model = random_model()
    sampling = SamplingConfig(max_new_tokens=5, temperature=0.3, top_k=2, logprobs=3)
    sample = Sample(model.config, [1, 2], sampling, np.random.default_rng(0))
    list(draw_together(model, [sample]))
    for i, (chosen, best) in enumerate(sample.logprobs):
        logits, _ = model.forward(np.array([[1, 2, *sample.ids[:i]]]))
        expected = logits[0, -1] - np.log(np.exp(logits[0, -1]).sum())
        assert chosen == pytest.approx(expected[sample.ids[i]])
        order = np.argsort(-expected)[:3]
        assert [token for token, _ in best] == order.tolist()
        assert [value for _, value in best] == pytest.approx(expected[order])
    assert len(sample.logprobs) == len(sample.ids) == 5


def test_a_hop_beyond_the_window_is_refused():
    with pytest.raises(ConfigError, match="window_hop is 9 and the model's block_size is 8"):
        next(stream_ids(random_model(), [1], SamplingConfig(window_hop=9), np.random.default_rng()))


def test_prompts_that_cannot_be_are_refused():
    config, rng = random_model().config, np.random.default_rng(0)
    with pytest.raises(ConfigError, match="empty"):
        Sample(config, [], SamplingConfig(), rng)
    with pytest.raises(VocabularyError, match="token id 9 and the model knows 0 to 8"):
        Sample(config, [1, 9], SamplingConfig(), rng)


def test_a_damaged_model_is_refused_beside_others_too():
    model = random_model()
    damaged = GPT(model.config, np.full_like(model.flat, np.nan))
    samples = [
        Sample(model.config, [i], SamplingConfig(), np.random.default_rng(0)) for i in (1, 2)
    ]
    with np.errstate(invalid="ignore"), pytest.raises(TinyGPTError, match="not numbers"):
        list(draw_together(damaged, samples))
