"""Log-probabilities on paper: which tokens are told, by which names, and from where in the text."""

import json
import math

import pytest
from server_process import BYTES, CONTEXT, small_model

from tinygpt.config import SamplingConfig
from tinygpt.decoding import LogProb
from tinygpt.generation import Generation
from tinygpt.serve.logprobs import (
    chat_logprobs,
    completion_logprobs,
    prompt_offsets,
    shown_tokens,
    token_text,
)

MODEL = small_model()


def saying(text, *, stop=()):
    """A sample that has said these bytes and runs still."""
    settings = SamplingConfig(stop=stop, max_new_tokens=CONTEXT)
    sample = Generation(MODEL, BYTES, "a", settings, seed=0)
    for byte in text:
        sample.say(byte)
    return sample


def test_a_token_that_may_begin_a_stop_text_is_held_back():
    sample = saying(b"abEN", stop=("END",))
    assert (sample.text, len(sample.ids)) == ("ab", 4)
    assert shown_tokens(sample, 4, 2) == 2
    sample.finish("length")
    assert (sample.text, shown_tokens(sample, 4, 4)) == ("abEN", 4)


def test_the_tokens_of_a_stop_text_are_not_told():
    sample = saying(b"abEND", stop=("END",))
    assert sample.finish_reason == "stop"
    assert shown_tokens(sample, 5, len(sample.text)) == 2


def test_a_token_that_is_partly_text_and_partly_stop_is_told():
    sample = saying(b"ab", stop=("b",))
    sample.ends[:] = [2]  # as if one token had said both letters
    assert shown_tokens(sample, 1, 1) == 1


def test_the_first_byte_of_a_character_is_a_token_without_text():
    sample = saying("né".encode())
    assert shown_tokens(sample, 2, 1) == 2 and shown_tokens(sample, 3, 2) == 3


def test_of_a_text_that_ends_at_once_nothing_is_told():
    sample = saying(b"")
    sample.finish("stop")
    assert shown_tokens(sample, 0, 0) == 0


def test_an_end_of_text_that_ends_nothing_is_told():
    sample = saying([97, 256])
    sample.finish("length")
    assert shown_tokens(sample, 2, len(sample.text)) == 2


def test_names_of_tokens():
    assert [token_text(BYTES, i) for i in (97, 10, 256, 0xC3)] == [
        "a", "\n", "<|endoftext|>", "bytes:\\xc3"
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["né!", "a", "😀😀"])
def test_where_tokens_begin(text):
    ids = BYTES.encode(text)
    whole, offsets = prompt_offsets(BYTES, ids)
    assert whole == text
    begins = [len(ids[:i]) and len(bytes(ids[:i]).decode(errors="ignore")) for i in range(len(ids))]
    assert offsets == begins


def test_half_a_character_at_the_end_is_text_too():
    assert prompt_offsets(BYTES, [97, 0xC3]) == ("a\ufffd", [0, 1])


def test_the_drawn_token_stands_among_the_likeliest_and_infinity_is_a_number():
    told = completion_logprobs(BYTES, [97, 98], [None, LogProb(-math.inf, [(99, -0.5)])], [0, 1])
    assert told == {
        "tokens": ["a", "b"],
        "token_logprobs": [None, -9999.0],
        "top_logprobs": [None, {"c": -0.5, "b": -9999.0}],
        "text_offset": [0, 1],
    }
    chat = chat_logprobs(BYTES, [0xC3], [LogProb(-math.inf, [(256, -math.inf)])])
    json.dumps([told, chat], allow_nan=False)
    (entry,) = chat["content"]
    assert (entry["token"], entry["bytes"]) == ("\ufffd", [0xC3])
    assert entry["top_logprobs"][0]["token"] == "<|endoftext|>"
