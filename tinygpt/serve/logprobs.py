"""Log-probabilities as OpenAI's two protocols write them down.

They are the model's own, before penalties, temperature and filters. JSON has no -infinity: what
is less likely than e^-9999 is given as -9999, as OpenAI does.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tinygpt.decoding import LogProb
from tinygpt.generation import Generation
from tinygpt.tokenizers import TextStream, Tokenizer
from tinygpt.tokenizers.protocol import END_OF_TEXT

LEAST = -9999.0


def shown_tokens(sample: Generation, tokens: int, chars: int) -> int:
    """How many of its first `tokens` ids belong to the first `chars` characters of its text. Once
    it has ended that is all ids but those of a stop string alone; before, none that is held back.
    """
    ends = sample.ends[:tokens]
    if sample.finish_reason is None:
        return sum(end <= chars for end in ends)
    return sum(start < chars or end <= chars for start, end in pairwise([0, *ends]))


def token_text(tokenizer: Tokenizer, id: int) -> str:
    """A token in words: its text, END_OF_TEXT, or "bytes:\\xe2\\x80" for a part of a character."""
    if id == tokenizer.eot_id:
        return END_OF_TEXT
    raw = tokenizer.token_bytes(id)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)


def prompt_offsets(tokenizer: Tokenizer, ids: Sequence[int]) -> tuple[str, list[int]]:
    """The text of ids, and where in it each of them begins."""
    stream, text, offsets = TextStream(tokenizer), "", []
    for id in ids:
        offsets.append(len(text))
        text += stream.push(id)
    return text + stream.finish(), offsets


def completion_logprobs(
    tokenizer: Tokenizer,
    ids: Sequence[int],
    logprobs: Sequence[LogProb | None],
    offsets: Sequence[int],
) -> dict[str, Any]:
    """The "logprobs" of a choice of /v1/completions. As there, the token that was drawn stands
    among the likeliest even when it is not one of them."""
    return {
        "tokens": [token_text(tokenizer, id) for id in ids],
        "token_logprobs": [None if p is None else max(p.chosen, LEAST) for p in logprobs],
        "top_logprobs": [
            None
            if p is None
            else {
                token_text(tokenizer, i): max(value, LEAST)
                for i, value in [*p.best, (id, p.chosen)]
            }
            for id, p in zip(ids, logprobs, strict=True)
        ],
        "text_offset": list(offsets),
    }


def chat_logprobs(
    tokenizer: Tokenizer, ids: Sequence[int], logprobs: Sequence[LogProb]
) -> dict[str, Any]:
    """The "logprobs" of a choice of /v1/chat/completions."""

    def entry(id: int, logprob: float) -> dict[str, Any]:
        raw = tokenizer.token_bytes(id) or token_text(tokenizer, id).encode()
        return {
            "token": raw.decode(errors="replace"),
            "logprob": max(logprob, LEAST),
            "bytes": [*raw],
        }

    return {
        "content": [
            {**entry(id, p.chosen), "top_logprobs": [entry(i, value) for i, value in p.best]}
            for id, p in zip(ids, logprobs, strict=True)
        ],
        "refusal": None,
    }
