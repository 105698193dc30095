"""Text: streamed = whole = batched, where it stops, what is shown and what is refused."""

import doctest
from itertools import pairwise

import numpy as np
import pytest
import strict_xp
from decoding_oracle import plain_loop, random_model
from hypothesis import example, given
from hypothesis import strategies as st

from tinygpt import generation
from tinygpt.config import ModelConfig, SamplingConfig
from tinygpt.decoding import draw_together
from tinygpt.errors import ConfigError, VocabularyError
from tinygpt.generation import (
    Generation,
    StopStrings,
    generate_batch,
    generate_text,
    pieces,
    stream_text,
)
from tinygpt.model import GPT
from tinygpt.tokenizers import ByteTokenizer, CharTokenizer

BYTES = ByteTokenizer()
LETTERS = CharTokenizer("\nabcdefgh")


def test_generation_says_the_same_on_the_double_of_cupy():
    host = random_model()
    device = GPT(host.config, strict_xp.asarray(host.flat), xp=strict_xp)
    settings = {"seed": 2, "max_new_tokens": 20, "repetition_penalty": 1.2}
    assert generate_text(device, LETTERS, "abc", **settings) == generate_text(
        host, LETTERS, "abc", **settings
    )


def test_streamed_whole_and_batched_text_are_the_same():
    model = random_model()
    settings = {"seed": 5, "max_new_tokens": 30, "temperature": 1.2}
    prompts = ["a", "bcdefgh" * 3, None]
    alone = [generate_text(model, LETTERS, p, **settings) for p in prompts]
    assert generate_batch(model, LETTERS, prompts, **settings) == alone
    assert ["".join(stream_text(model, LETTERS, p, **settings)) for p in prompts] == alone
    assert all(alone)


def test_the_texts_of_a_batch_are_those_alone_in_whatever_company():
    model = random_model()
    settings = {"max_new_tokens": 25, "temperature": 0.9, "stop": ("ba", "hf")}
    prompts = ["a", "bcdefgh" * 3, None, "dd"]
    samples = [
        Generation(model, LETTERS, p, SamplingConfig(**settings), seed=9, sample=i)
        for p in prompts
        for i in range(3)
    ]
    alone = ["".join(sample) for sample in samples]
    assert len({sample.finish_reason for sample in samples}) == 2
    assert len({len(sample.ids) for sample in samples}) > 4
    for size in (1, 2, 5, 32):
        assert alone == generate_batch(
            model, LETTERS, prompts, seed=9, num_samples=3, batch_size=size, **settings
        )


def test_a_sample_can_be_followed_while_its_batch_is_drawn():
    model = random_model()
    one, two = (
        Generation(model, LETTERS, "a", SamplingConfig(max_new_tokens=n), seed=1, sample=n)
        for n in (9, 4)
    )
    steps = draw_together(model, [one, two])
    followed = list(pieces(one, steps))
    assert (len(followed), "".join(followed)) == (9, one.text)
    assert two.finish_reason == "length"  # drawn meanwhile
    assert "".join(pieces(two, steps)) == two.text != ""


def test_a_callback_sees_every_token_and_may_end_the_text():
    model, seen = random_model(), []
    settings = {"seed": 3, "max_new_tokens": 20, "logprobs": 2}

    def follow(sample):
        seen.append((sample.ids[-1], sample.logprobs[-1].chosen, sample.text))
        if len(sample.ids) == 6:
            sample.finish("cancelled")

    text = generate_text(model, LETTERS, "abc", on_token=follow, **settings)
    assert text == generate_text(model, LETTERS, "abc", **settings)[:6] == seen[-1][2]
    assert len(seen) == 6
    assert LETTERS.decode([token for token, _, _ in seen]) == text
    assert all(log_prob < 0 for _, log_prob, _ in seen)


def test_a_callback_may_end_one_text_of_a_batch_and_the_others_go_on():
    model, settings = random_model(), {"seed": 3, "max_new_tokens": 20}

    def follow(sample):
        if sample.prompt == "b":
            sample.finish("cancelled")

    prompts = ["a", "b", "c"]
    whole = generate_batch(model, LETTERS, prompts, **settings)
    cut = generate_batch(model, LETTERS, prompts, on_token=follow, **settings)
    assert cut == [whole[0], whole[1][:1], whole[2]]


def test_what_was_held_back_is_said_when_a_text_is_cancelled():
    sampling = SamplingConfig(temperature=0, stop=("cx",), max_new_tokens=9)
    sample = Generation(says("abcd"), BYTES, "\n", sampling, seed=0)
    for _ in sample:
        if sample.text == "ab" and len(sample.ids) == 2:
            break
    sample.say(ord("c"))
    assert sample.text == "ab"
    sample.finish("cancelled")
    assert (sample.text, sample.finish_reason) == ("abc", "cancelled")
    sample.finish("length")
    assert (sample.text, sample.finish_reason) == ("abc", "cancelled")


def test_a_stream_that_is_closed_draws_no_more():
    drawn = []
    stream = stream_text(random_model(), LETTERS, "a", max_new_tokens=50, on_token=drawn.append)
    for _ in range(3):
        next(stream)
    stream.close()
    assert len(drawn) == 3
    assert list(stream) == []


def test_stop_ids_end_the_text_beside_end_of_text():
    settings = {"temperature": 0, "max_new_tokens": 9}
    assert generate_text(says("abcd"), BYTES, "\n", stop_ids=[ord("c"), 7], **settings) == "ab"
    assert generate_text(says("abcd"), BYTES, "\n", stop_ids=[7], **settings) == "abcd"
    never = {"stop_ids": [ord("d")], "eos_id": -1}
    assert generate_text(says("abcd"), BYTES, "\n", **never, **settings) == "abc"


def test_sample_i_draws_from_the_generator_of_seed_and_i():
    model = random_model()
    sampling = SamplingConfig(max_new_tokens=20, temperature=1.0)
    for i in (0, 3):
        sample = Generation(model, LETTERS, "abc", sampling, seed=11, sample=i)
        "".join(sample)
        rng = np.random.default_rng([11, i])
        assert sample.ids == plain_loop(model, LETTERS.encode("abc"), sampling, rng)


def test_without_a_seed_two_texts_differ():
    model = random_model()
    settings = {"max_new_tokens": 60, "temperature": 3.0}
    assert generate_text(model, LETTERS, "a", **settings) != generate_text(
        model, LETTERS, "a", **settings
    )


@given(st.integers(0, 10**6))
def test_streamed_text_equals_decode_of_all_ids(seed):
    model = random_model(vocab_size=257, seed=3)
    sampling = SamplingConfig(max_new_tokens=40, temperature=2.0)  # mostly broken UTF-8
    sample = Generation(model, BYTES, "é", sampling, seed=seed)
    pieces = list(sample)
    assert "".join(pieces) == sample.text == BYTES.decode(sample.ids)
    assert "" not in pieces


def says(text, vocab_size=257, after="\n"):
    """A model that continues `after` with exactly this text of distinct bytes, then end-of-text."""
    config = ModelConfig(vocab_size, 64, 1, 1, vocab_size)
    model = GPT(config, np.zeros_like(GPT(config, dtype=np.float64).flat))
    chain = [*BYTES.encode(after + text), 256]
    # wte one-hot and tied: what a position holds is what it predicts; wpe names the next token
    model.params["wte"][...] = np.eye(vocab_size)
    model.params["lnf"]["w"][...] = 50.0
    for position, token in enumerate(chain[1:]):
        model.params["wpe"][position, token] = 9.0
    return model


def test_a_character_is_shown_only_when_it_is_whole():
    pieces = list(stream_text(says("aé€z"), BYTES, "\n", temperature=0, max_new_tokens=7))
    assert pieces == ["a", "é", "€", "z"]


def test_end_of_text_stops_and_is_never_shown():
    model = says("abc")
    sample = Generation(model, BYTES, "\n", SamplingConfig(temperature=0), seed=0)
    assert ("".join(sample), sample.finish_reason) == ("abc", "stop")
    assert sample.ids == BYTES.encode("abc")
    forever = SamplingConfig(temperature=0, eos_id=-1, max_new_tokens=10)
    sample = Generation(model, BYTES, "\n", forever, seed=0)
    assert "".join(sample).startswith("abc")
    assert (sample.finish_reason, len(sample.ids), sample.ids[3]) == ("length", 10, 256)


def test_an_eos_id_ends_the_text_too():
    settings = {"temperature": 0, "eos_id": ord("c")}
    assert generate_text(says("abcd"), BYTES, "\n", **settings) == "ab"


def test_a_text_of_exactly_the_most_tokens_ends_by_length():
    sample = Generation(
        says("abc"), BYTES, "\n", SamplingConfig(temperature=0, max_new_tokens=3), seed=0
    )
    assert ("".join(sample), sample.finish_reason) == ("abc", "length")


@pytest.mark.parametrize(
    ("stop", "text", "reason"),
    [
        ("cd", "ab", "stop"),  # across tokens
        (["zz", "e"], "abcd", "stop"),
        ("€f", "abcde", "stop"),  # begins inside held-back bytes
        ("fx", "abcde€f", "length"),  # held back in vain, and said at the end
    ],
)
def test_stop_strings_end_the_text_and_are_not_shown(stop, text, reason):
    settings = {"temperature": 0, "max_new_tokens": 9}
    assert generate_text(says("abcde€f"), BYTES, "\n", stop=stop, **settings) == text
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    sampling = SamplingConfig(stop=stops, **settings)
    sample = Generation(says("abcde€f"), BYTES, "\n", sampling, seed=0)
    assert "".join(sample) == sample.text == text
    assert sample.finish_reason == reason


@example("abab", ["abab", "ba"], [])
@example("abb", ["b", "ab"], [1])
@given(
    st.text("ab", max_size=12),
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=3),
    st.lists(st.integers(0, 12)),
)
def test_stop_strings_do_not_depend_on_how_the_text_is_cut(text, strings, cuts):
    ends = {(e, s) for s in strings for e in range(len(text) + 1) if text[:e].endswith(s)}
    first = min(e for e, _ in ends) if ends else None
    longest = max(len(s) for e, s in ends if e == first) if ends else 0
    expected = text if first is None else text[: first - longest]
    places = sorted({0, *(c for c in cuts if c < len(text)), len(text)})
    stop, shown = StopStrings(strings), ""
    for begin, end in pairwise(places):
        shown += stop.push(text[begin:end])
        assert expected.startswith(shown)  # nothing is ever said too early
        if stop.found:
            break
    assert shown + ("" if stop.found else stop.finish()) == expected
    assert stop.found == (first is not None)


def test_without_a_prompt_it_begins_from_end_of_text_or_a_newline_or_id_zero():
    letters = random_model()
    sampling = SamplingConfig(max_new_tokens=1)
    begins = [
        Generation(random_model(vocab_size=257), BYTES, None, sampling, seed=0).prompt_ids,
        Generation(letters, CharTokenizer("ab\ncdefgh"), None, sampling, seed=0).prompt_ids,
        Generation(letters, CharTokenizer("abcdefghi"), None, sampling, seed=0).prompt_ids,
    ]
    assert begins == [[256], [2], [0]]


@pytest.mark.parametrize(
    ("prompt", "settings", "error", "words"),
    [
        ("", {}, ConfigError, "prompt is empty"),
        ("xyz", {}, VocabularyError, "x"),
        ("a", {"eos_id": 9}, VocabularyError, "eos_id is 9"),
        ("a", {"eos_id": -2}, VocabularyError, "eos_id is -2"),
        ("a", {"stop_ids": [3, 9]}, VocabularyError, "a stop id is 9"),
        ("a", {"stop_ids": [-1]}, VocabularyError, "a stop id is -1"),
        ("a", {"seed": -1}, ConfigError, "seed is -1"),
        ("a", {"min_p": 1.5}, ConfigError, "min_p is 1.5"),
        ("a", {"presence_penalty": 1e300}, ConfigError, "presence_penalty is 1e"),
        ("a", {"frequency_penalty": float("nan")}, ConfigError, "frequency_penalty is nan"),
        ("a", {"window_hop": 0}, ConfigError, "window_hop is 0"),
        ("a", {"window_hop": 9}, ConfigError, "window_hop is 9 and the model's block_size is 8"),
        ("a", {"logprobs": -1}, ConfigError, "logprobs is -1"),
        ("a", {"top_p": 0}, ConfigError, "top_p is 0"),
        ("a", {"stop": ""}, ConfigError, "stop string is empty"),
        ("a", {"stop": 5}, ConfigError, "^stop is 5; it must be a tuple of texts$"),
        ("a", {"stop": ["b", 5]}, ConfigError, "^stop is .'b', 5.; it must be a tuple of texts$"),
        ("a", {"stop": None}, ConfigError, "^stop is None; it must be a tuple of texts$"),
        (5, {}, ConfigError, "^the prompt is 5; give a text, or None"),
        (b"a", {}, ConfigError, "^the prompt is b'a'; give a text, or None"),
        (["a"], {}, ConfigError, r"^the prompt is \['a'\]; give a text, or None"),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_piece(prompt, settings, error, words):
    with pytest.raises(error, match=words):
        stream_text(random_model(), LETTERS, prompt, **settings)


@pytest.mark.parametrize("name", ["num_samples", "batch_size"])
@pytest.mark.parametrize("value", [0, "3", 1.5, None])
def test_a_batch_of_nothing_or_of_no_whole_number_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"^{name} is {value!r}; it must be a whole number"):
        generate_batch(random_model(), LETTERS, ["a"], **{name: value})


def test_no_prompts_are_no_texts():
    assert generate_batch(random_model(), LETTERS, []) == []


def test_one_text_is_no_batch():
    with pytest.raises(ConfigError, match="one text"):
        generate_batch(random_model(), LETTERS, "abc")


@pytest.mark.parametrize(
    ("prompts", "words"),
    [
        (None, "^prompts is None; give a list of texts$"),
        (5, "^prompts is 5; give a list of texts$"),
        ({"a": 1}, "^prompts is {'a': 1}; give a list of texts$"),
        ([1, 2], "^the prompt is 1; give a text, or None"),
        (["a", ["b"]], r"^the prompt is \['b'\]; give a text, or None"),
    ],
)
def test_prompts_that_are_no_list_of_texts_are_refused(prompts, words):
    with pytest.raises(ConfigError, match=words):
        generate_batch(random_model(), LETTERS, prompts)


def test_a_prompt_that_the_model_does_not_know_is_refused():
    with pytest.raises(VocabularyError, match="token id 97 and the model knows 0 to 8"):
        stream_text(random_model(), BYTES, "a")


def test_the_worked_numbers_in_the_docstrings_hold():
    assert doctest.testmod(generation).failed == 0
