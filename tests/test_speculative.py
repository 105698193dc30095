"""Guessing ahead changes nothing but the speed: greedy texts are the same, drawn ones as likely."""

import math
from itertools import product

import numpy as np
import pytest
import strict_xp
from decoding_oracle import plain_loop, random_model
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import SMALL, order_one

from tinygpt import model as model_module
from tinygpt import speculative
from tinygpt.config import ModelConfig, SamplingConfig
from tinygpt.decoding import Sample, draw_together
from tinygpt.errors import ConfigError, VocabularyError
from tinygpt.generation import generate_batch, generate_text, stream_text
from tinygpt.model import GPT
from tinygpt.sampling import next_probs
from tinygpt.speculative import (
    CachedReader,
    DraftModel,
    Guess,
    PromptLookup,
    Speculation,
    accept_or_resample,
    make_speculation,
)
from tinygpt.tokenizers import CharTokenizer

LETTERS = CharTokenizer("\nabcdefgh")


class Wild:
    """Guesses anything, from a distribution with gaps that has nothing to do with the model."""

    def __init__(self, vocab_size):
        self.rng, self.vocab_size = np.random.default_rng(0), vocab_size

    def guess(self, sample, most):
        guesses = []
        for _ in range(self.rng.integers(0, most + 1)):
            probs = self.rng.dirichlet(np.full(self.vocab_size, 0.3))
            guesses.append(Guess(int(self.rng.choice(self.vocab_size, p=probs)), probs))
        return guesses


def guessers(model, draft):
    """One of each kind, and the model as its own draft, which guesses best."""
    V = model.config.vocab_size
    wild = Wild(V)
    return {
        "draft": lambda: DraftModel(draft),
        "self": lambda: DraftModel(model),
        "lookup": lambda: PromptLookup(1, V),
        "lookup 2": lambda: PromptLookup(2, V),
        "wild": lambda: wild,
    }


def finished(model, new_guesser, prompt, sampling, *, seed=0, stop_ids=(), draft_tokens=4):
    sample = Sample(model.config, prompt, sampling, np.random.default_rng(seed), stop_ids=stop_ids)
    guessing = Speculation(model, new_guesser, draft_tokens=draft_tokens)
    seen = [sample.ids[-1] for _ in guessing.draw([sample])]
    assert seen == sample.ids
    return sample, guessing


@st.composite
def greedy_cases(draw):
    """A model and a draft of other sizes, a prompt up to thrice the window, and how to go on."""
    block_size = draw(st.integers(1, 9))
    vocab_size = draw(st.integers(1, 9))
    model = random_model(
        vocab_size,
        block_size,
        n_layer=draw(st.integers(1, 2)),
        n_embd=4,
        seed=draw(st.integers(0, 99)),
    )
    draft = random_model(
        vocab_size, draw(st.integers(1, 9)), n_embd=4, seed=draw(st.integers(0, 9))
    )
    prompt = st.lists(st.integers(0, vocab_size - 1), min_size=1, max_size=2 * block_size + 2)
    sampling = SamplingConfig(
        max_new_tokens=draw(st.integers(1, 2 * block_size + 9)),
        temperature=0.0,
        repetition_penalty=draw(st.sampled_from([1.0, 1.4])),
        presence_penalty=draw(st.sampled_from([0.0, 0.5])),
        frequency_penalty=draw(st.sampled_from([0.0, -0.3])),
        window_hop=draw(st.none() | st.integers(1, block_size)),
        logprobs=2,
    )
    return model, draft, draw(prompt), sampling, draw(st.sampled_from([(), (0,), (0, 3)]))


@settings(max_examples=200)
@given(greedy_cases(), st.integers(1, 7))
def test_greedy_texts_are_those_of_the_plain_loop_token_for_token(case, draft_tokens):
    model, draft, prompt, sampling, stop_ids = case
    expected = plain_loop(model, prompt, sampling, np.random.default_rng(0), stop_ids)
    plain = Sample(model.config, prompt, sampling, np.random.default_rng(0), stop_ids=stop_ids)
    list(draw_together(model, [plain]))
    for name, new_guesser in guessers(model, draft).items():
        sample, guessing = finished(
            model, new_guesser, prompt, sampling, stop_ids=stop_ids, draft_tokens=draft_tokens
        )
        assert sample.ids == expected, name
        assert sample.finish_reason == plain.finish_reason
        assert len(sample.logprobs) == len(expected) == guessing.tokens
        for one, other in zip(sample.logprobs, plain.logprobs, strict=True):
            assert one.chosen == pytest.approx(other.chosen, abs=1e-9)
            assert [i for i, _ in one.best] == [i for i, _ in other.best]
        assert guessing.accepted <= guessing.guessed <= draft_tokens * guessing.passes


def test_in_float32_log_probabilities_are_those_of_plain_decoding_to_1e_4():
    model = random_model(block_size=16, n_layer=2, seed=4, dtype=np.float32)
    sampling = SamplingConfig(max_new_tokens=40, temperature=0, logprobs=9)
    plain = Sample(model.config, [1, 2], sampling, np.random.default_rng(0))
    list(draw_together(model, [plain]))
    for new_guesser in guessers(model, random_model(seed=1, dtype=np.float32)).values():
        sample, _ = finished(model, new_guesser, [1, 2], sampling)
        assert sample.ids == plain.ids
        for one, other in zip(sample.logprobs, plain.logprobs, strict=True):
            assert dict(one.best) == pytest.approx(dict(other.best), abs=1e-4)


# ---- the distribution -------------------------------------------------------------------------

V, LENGTH, PROMPT = 3, 3, [0, 1, 2, 0]


def exact_probabilities(model, sampling):
    """Of every continuation of PROMPT by LENGTH tokens, without cache or guesses."""
    result = {}
    for ids in product(range(V), repeat=LENGTH):
        result[ids] = 1.0
        for n in range(LENGTH):
            logits, _ = model.forward(np.array([[*PROMPT, *ids[:n]]]))
            output = list(ids[:n])
            probs = next_probs(logits[0, -1], sampling, prompt=PROMPT, output=output)
            result[ids] *= probs[ids[n]]
    return result


def chi_square_excess(seen, expected):
    """The statistic over what it exceeds once in a thousand; cells below 5 are put together."""
    if seen[expected == 0].any():
        return math.inf
    rare = expected < 5
    seen = np.append(seen[~rare], seen[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    seen, expected = seen[expected > 0], expected[expected > 0]
    freedom = len(seen) - 1
    spread = 2 / (9 * freedom)  # Wilson and Hilferty 1931
    critical = freedom * (1 - spread + 3.09 * math.sqrt(spread)) ** 3
    return float(((seen - expected) ** 2 / expected).sum()) / critical


def excess_of_many(source, filters, n=1500):
    """For n texts drawn by guessing ahead, with one generator; and the share of guesses kept."""
    model = random_model(V, block_size=7, n_embd=4, seed=3)
    draft = random_model(V, block_size=5, n_embd=4, seed=8)
    sampling = SamplingConfig(max_new_tokens=LENGTH, **{"temperature": 1.0, **filters})
    exact = exact_probabilities(model, sampling)
    rng = np.random.default_rng(1)
    samples = [Sample(model.config, PROMPT, sampling, rng) for _ in range(n)]
    guessing = Speculation(model, guessers(model, draft)[source], draft_tokens=2)
    list(guessing.draw(samples))
    cells = {ids: i for i, ids in enumerate(exact)}
    seen = np.bincount([cells[tuple(s.ids)] for s in samples], minlength=len(cells))
    excess = chi_square_excess(seen, n * np.array(list(exact.values())))
    return excess, guessing.accepted / guessing.guessed


FILTERS = [{}, {"temperature": 1.3, "frequency_penalty": 1.5, "top_p": 0.8}]


@pytest.mark.parametrize("filters", FILTERS, ids=["as it is", "penalties and filters"])
@pytest.mark.parametrize("source", ["draft", "lookup", "wild"])
def test_texts_drawn_with_guesses_are_distributed_as_the_models_own(source, filters):
    excess, kept = excess_of_many(source, filters)
    assert excess < 1
    assert 0.1 < kept < 0.9  # so the rule was put to the test


def kept_always(p, q, guess, rng):
    return guess, True


def drawn_anew_from_p(p, q, guess, rng):
    kept = rng.random() * q[guess] < p[guess]
    return (guess if kept else int(rng.choice(V, p=p))), kept


def kept_as_q_to_p(p, q, guess, rng):
    if rng.random() * p[guess] < q[guess]:
        return guess, True
    return accept_or_resample(p, q, guess, rng)


@pytest.mark.parametrize("broken", [kept_always, drawn_anew_from_p, kept_as_q_to_p])
@pytest.mark.parametrize("source", ["draft", "lookup"])
def test_the_chi_square_notices_a_broken_rule(monkeypatch, source, broken):
    monkeypatch.setattr(speculative, "accept_or_resample", broken)
    assert excess_of_many(source, {})[0] > 1.5


def test_the_chi_square_notices_penalties_that_do_not_see_the_accepted_guesses(monkeypatch):
    probs, ids = Sample.probs, []

    def blind(self, logits, ahead=()):
        late, self.ids = self.ids, ids
        result = probs(self, logits, ahead)
        self.ids = late
        return result

    monkeypatch.setattr(Sample, "probs", blind)
    assert excess_of_many("draft", FILTERS[1])[0] > 1.5


@pytest.mark.parametrize(
    ("p", "q"),
    [
        ([0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]),
        ([0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 1.0, 0.0]),
        ([0.5, 0.0, 0.5, 0.0], [0.1, 0.6, 0.1, 0.2]),
        ([0.0, 0.0, 1.0, 0.0], [0.25, 0.25, 0.25, 0.25]),
    ],
)
def test_a_guess_from_q_becomes_a_token_from_p(p, q):
    p, q, rng, n = np.array(p), np.array(q), np.random.default_rng(0), 4000
    guesses = rng.choice(4, size=n, p=q)
    results = [accept_or_resample(p, q, guess, rng) for guess in guesses]
    seen = np.bincount([token for token, _ in results], minlength=4)
    if (p > 0).sum() > 1:
        assert chi_square_excess(seen, n * p) < 1
    assert seen[p == 0].sum() == 0
    kept = np.mean([kept for _, kept in results])
    assert kept == pytest.approx(np.minimum(p, q).sum(), abs=0.03)
    assert all(
        token == guess for guess, (token, kept) in zip(guesses, results, strict=True) if kept
    )


class Highest:
    """The greatest number that a generator can draw."""

    def random(self):
        return 1 - 2.0**-53


def test_where_only_rounding_refuses_a_guess_the_token_is_drawn_from_p():
    q = np.array([0.7, 0.3])
    p = np.array([np.nextafter(np.nextafter(0.7, 0), 0), 0.3])
    assert accept_or_resample(p, q, 0, Highest()) == (1, False)


def test_a_token_that_is_ruled_out_is_never_kept():
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.5, 1e-17])
    rng = np.random.default_rng(0)
    tokens = {accept_or_resample(p, q, 2, rng) for _ in range(50)}
    assert tokens == {(0, False), (1, False)}


# ---- passes -----------------------------------------------------------------------------------


def test_a_model_that_guesses_for_itself_says_every_guess_and_one_token_more_a_pass():
    model = random_model(block_size=8)
    for filters in ({"temperature": 0}, *FILTERS):
        sampling = SamplingConfig(max_new_tokens=7, **filters)
        _, guessing = finished(model, lambda: DraftModel(model), [1], sampling)
        assert (guessing.passes, guessing.tokens) == (2, 7)
        assert (guessing.guessed, guessing.accepted) == (5, 5)  # 4, then 1: no more is asked for
        assert guessing.summary() == "3.5 tokens per pass, 100% of guesses accepted"


def test_statistics_count_refused_guesses_and_nothing_is_no_error():
    model, sampling = random_model(block_size=99), SamplingConfig(max_new_tokens=20, temperature=0)
    _, guessing = finished(model, lambda: Wild(9), [1], sampling)
    assert guessing.tokens == 20 == guessing.passes + guessing.accepted
    assert guessing.accepted < guessing.guessed
    assert Speculation(model, lambda: Wild(9)).summary() == (
        "0.0 tokens per pass, 0% of guesses accepted"
    )


def read_shapes(model, monkeypatch):
    shapes, forward = [], model.forward
    monkeypatch.setattr(
        model, "forward", lambda ids, **kw: shapes.append(ids.shape) or forward(ids, **kw)
    )
    return shapes


def test_only_new_tokens_are_read_until_the_window_moves_and_no_guess_crosses_its_end(monkeypatch):
    sampling = SamplingConfig(max_new_tokens=9, temperature=0, frequency_penalty=0.5)
    model = random_model(block_size=8, seed=3)
    shapes = read_shapes(model, monkeypatch)
    draft = GPT(model.config, model.flat)
    finished(model, lambda: DraftModel(draft), [1, 2, 3], sampling, draft_tokens=3)
    # 3 known and 3 guesses give 4; the last known and 1 guess fill the window and give 2; it
    # moves on by 2: 7 of 9 known and 1 guess; again, and no guess where one token is left to say
    assert shapes == [(1, 6), (1, 2), (1, 8), (1, 7)]


def test_a_window_that_moves_at_every_token_has_no_room_for_guesses():
    model, sampling = random_model(block_size=6), SamplingConfig(max_new_tokens=9, window_hop=1)
    _, guessing = finished(model, lambda: DraftModel(model), [1] * 6, sampling)
    assert (guessing.passes, guessing.guessed) == (9, 0)


def test_a_prompt_that_comes_again_is_not_read_again(monkeypatch):
    model, sampling = random_model(block_size=16), SamplingConfig(max_new_tokens=1)
    shapes = read_shapes(model, monkeypatch)
    samples = [Sample(model.config, [1] * 9, sampling, np.random.default_rng(i)) for i in (0, 1)]
    list(Speculation(model, lambda: PromptLookup(1, 9)).draw(samples))
    assert shapes == [(1, 9), (1, 1)]


def test_a_reader_says_what_reading_anew_would():
    model, rng = order_one(), np.random.default_rng(0)
    reader, ids = CachedReader(model), [1]
    for _ in range(40):
        kept = int(rng.integers(0, len(ids) + 1))
        new = rng.integers(0, 3, rng.integers(1, 8)).tolist()
        ids = [*ids[:kept], *new][: SMALL.block_size]
        last = int(rng.integers(1, len(ids) + 1))
        logits, _ = model.forward(np.array([ids]))
        assert reader.logits(ids, last) == pytest.approx(logits[0, -last:], rel=1e-10)


def test_a_pass_that_was_interrupted_leaves_no_trace(monkeypatch):
    model, whole = order_one(), model_module.block_forward
    reader = CachedReader(model)
    expected = reader.logits([1, 2, 3, 4])

    def interrupted(x, p, *rest):
        if p is model.params["h"][1]:
            raise KeyboardInterrupt
        return whole(x, p, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(model_module, "block_forward", interrupted)
        with pytest.raises(KeyboardInterrupt):
            reader.logits([1, 5, 6, 7])
    assert reader.logits([1, 2, 3, 4]) == pytest.approx(expected, rel=1e-10)


def test_lookup_finds_the_last_occurrence_as_the_text_grows():
    rng, lookup = np.random.default_rng(2), PromptLookup(2, 3)
    known = rng.integers(0, 3, 3).tolist()
    for _ in range(60):
        places = [i for i in range(2, len(known)) if known[i - 2 : i] == known[-2:]]
        endless = known[places[-1] :] * 5 if places else []
        assert lookup.tokens(known, 5) == endless[:5]
        known += rng.integers(0, 3, rng.integers(1, 4)).tolist()
    assert PromptLookup(3, 9).tokens([1, 2], 4) == []


# ---- the faces --------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [(), ("aec", "cg"), ("a",)])
def test_text_ends_where_plain_decoding_ends_it(stop):
    model, ends = random_model(seed=3), set()
    for prompt in ("a", "bcdefgh" * 3, None, "hdhdhd"):
        same = {"max_new_tokens": 30, "temperature": 0, "stop": stop, "frequency_penalty": 0.5}
        plain = generate_text(model, LETTERS, prompt, **same)
        ends.add(len(plain))
        for how in ({"draft": model}, {"draft": random_model(seed=7)}, {"lookup": 1}):
            assert generate_text(model, LETTERS, prompt, **same, **how) == plain
            assert "".join(stream_text(model, LETTERS, prompt, **same, **how)) == plain
    assert bool(stop) == (min(ends) < 30)


@pytest.mark.parametrize("how", [{"draft": random_model(seed=7)}, {"lookup": 1}])
def test_samples_are_drawn_one_after_another_each_from_its_own_seed(how):
    model = random_model()
    same = {"seed": 4, "max_new_tokens": 12, **how}
    texts = generate_batch(model, LETTERS, ["ab", "ccc"], num_samples=2, **same)
    assert texts[0] == generate_text(model, LETTERS, "ab", **same)
    assert texts[2] == generate_text(model, LETTERS, "ccc", **same)
    assert len(set(texts)) == 4
    seen = []
    generate_batch(model, LETTERS, ["ab", "ccc"], on_token=lambda s: seen.append(s.prompt), **same)
    assert seen == ["ab"] * 12 + ["ccc"] * 12


def test_a_callback_sees_every_token_and_may_end_the_text_amid_accepted_guesses():
    model, seen = random_model(block_size=32), []
    settings = {"seed": 3, "max_new_tokens": 20, "draft": model, "logprobs": 0}

    def follow(sample):
        seen.append((sample.text, len(sample.ids), len(sample.logprobs)))
        if len(sample.ids) == 7:  # of 5 and 5 that two passes say
            sample.finish("cancelled")

    whole = generate_text(model, LETTERS, "abc", **settings)
    text = generate_text(model, LETTERS, "abc", on_token=follow, **settings)
    assert text == whole[:7]
    assert seen == [(whole[:n], n, n) for n in range(1, 8)]


def test_a_text_left_in_the_middle_can_be_taken_up_again():
    model, sampling = random_model(block_size=32), SamplingConfig(max_new_tokens=12, temperature=0)
    sample = Sample(model.config, [1], sampling, np.random.default_rng(5))
    guessing = Speculation(model, lambda: DraftModel(model))
    steps = guessing.draw([sample])
    next(steps), next(steps)
    list(guessing.draw([sample]))
    assert sample.ids == plain_loop(model, [1], sampling, np.random.default_rng(5))


def test_on_the_double_of_cupy_guesses_are_numpys():
    def said(xp):
        model = order_one(xp=xp)
        draft = order_one(ModelConfig(SMALL.vocab_size, 6, 1, 1, 4), seed=1, xp=xp)
        sampling = SamplingConfig(max_new_tokens=12)
        return finished(model, lambda: DraftModel(draft), [1, 2], sampling)[0].ids

    assert said(strict_xp) == said(np)


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        (
            {"draft": random_model(vocab_size=8)},
            VocabularyError,
            "knows 8 token ids and the model 9",
        ),
        ({"draft": random_model(), "lookup": 2}, ConfigError, "both"),
        ({"lookup": 0}, ConfigError, "lookup is 0"),
        ({"lookup": "3"}, ConfigError, "lookup is '3'"),
        ({"lookup": 2, "draft_tokens": 2.5}, ConfigError, "draft_tokens is 2.5"),
        ({"draft": "tales.h5"}, ConfigError, "draft is 'tales.h5'; give a model"),
        ({"lookup": 2, "draft_tokens": 0}, ConfigError, "draft_tokens is 0"),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_piece(how, error, words):
    with pytest.raises(error, match=words):
        stream_text(random_model(), LETTERS, "a", **how)
    with pytest.raises(error, match=words):
        generate_batch(random_model(), LETTERS, ["a"], **how)


def test_without_a_source_of_guesses_there_is_no_speculation():
    assert make_speculation(random_model()) is None
