"""What is shown of a sample: its text, coloured or listed token by token, and how fast it came."""

import io
import re

import numpy as np
import pytest
from decoding_oracle import random_model
from hypothesis import given
from hypothesis import strategies as st

from tinygpt.config import SamplingConfig
from tinygpt.display import Stats, coloured, legend, painted, show
from tinygpt.generation import Generation
from tinygpt.tokenizers import ByteTokenizer

BYTES = ByteTokenizer()


def sample_of(seed, **settings):
    """Bytes of a small model, mostly broken UTF-8, with log-probabilities."""
    settings = {"max_new_tokens": 30, "temperature": 2.0, "logprobs": 0, **settings}
    model = random_model(vocab_size=257, seed=3)
    return Generation(model, BYTES, "é", SamplingConfig(**settings), seed=seed)


@given(st.integers(0, 10**6), st.sampled_from([(), ("\ufffd\ufffd",), ("a", "\x7f")]))
def test_painted_pieces_are_the_text_and_each_token_wears_its_own_probability(seed, stop):
    sample, seen = sample_of(seed, stop=stop), []
    out = io.StringIO()
    show(sample, sample, out, paint=lambda text, prob: seen.append((text, prob)) or text)
    assert out.getvalue() == sample.text + "\n"
    expected, begin = [], 0
    for i, end in enumerate(sample.ends):
        if text := sample.text[begin:end]:
            expected.append((text, np.exp(sample.logprobs[i].chosen)))
        begin = max(begin, end)
    assert "".join(text for text, _ in seen) == sample.text
    assert [text for text, _ in seen] == [text for text, _ in expected]
    assert [prob for _, prob in seen] == pytest.approx([prob for _, prob in expected])


def test_bytes_that_never_make_a_character_wear_the_last_tokens_probability():
    sample = sample_of(0)
    for byte in (65, 0xC3):
        sample.say(byte)
        sample.logprobs.append((float(-byte), []))
    sample.finish("cancelled")
    assert sample.text == "A\ufffd"
    assert sample.ends == [1, 2]


def test_shown_at_once_or_as_it_comes_the_painted_text_is_the_same():
    shown = []
    for stream in (True, False):
        out, sample = io.StringIO(), sample_of(5)
        show(sample, sample, out, stream=stream, paint=coloured)
        shown.append(out.getvalue())
    assert shown[0] == shown[1]
    assert painted(sample, 0, coloured) + "\n" == shown[0]


def test_a_likelier_token_has_another_ground_and_the_legend_shows_them_all():
    grounds = [re.findall(r"5;(\d+)m", coloured("x", p))[0] for p in (0.01, 0.1, 0.3, 0.6, 0.9)]
    assert len(set(grounds)) == 5
    assert re.findall(r"5;(\d+)m", legend()) == grounds


def test_stats_count_every_token_and_change_nothing():
    stats = Stats(prompt_tokens=7)
    samples = [sample_of(seed, max_new_tokens=3, eos_id=-1) for seed in (0, 1)]
    steps = [samples[0], samples[1]] * 3
    assert list(stats.timed(iter(steps))) == steps
    line = stats.line()
    assert line.startswith("prompt: 7 tokens in ")
    assert "; generation: 5 tokens in " in line
    assert re.search(r"; peak memory [\d,]+ MB\n$", line)


def test_stats_of_nothing_are_no_error():
    assert "generation: 0 tokens in 0.00 s;" in Stats(1).line()
