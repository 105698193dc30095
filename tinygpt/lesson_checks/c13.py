"""Lesson 13: `attention_with_past` and `generate_cached`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygpt.backend import Array
from tinygpt.config import ModelConfig, SamplingConfig
from tinygpt.decoding import default_hop, stream_ids, window_start
from tinygpt.kv_cache import KVCache
from tinygpt.lesson_checks.core import (
    Candidate,
    Check,
    expect,
    expect_array,
    expect_close,
    expect_finite,
)
from tinygpt.model import GPT
from tinygpt.ops import causal_attention_forward
from tinygpt.params import named_views, parameter_count
from tinygpt.transformer import Cache

SMALL = ModelConfig(vocab_size=23, block_size=8, n_layer=2, n_head=2, n_embd=8)


class CountingGPT(GPT):
    """A GPT that counts.

    positions  how many positions forward was asked to compute, in all
    texts      for each call the text that it went through: what the cache held, then what came
    """

    def __init__(self, config: ModelConfig, flat: Array) -> None:
        super().__init__(config, flat)
        self.positions = 0
        self.texts: list[list[int]] = []
        # by where the keys lie in memory; the cache is held, so that no other gets its place
        self._read: dict[int, tuple[KVCache, list[int]]] = {}

    def __repr__(self) -> str:
        c = self.config
        return f"a GPT with a vocabulary of {c.vocab_size} and block_size {c.block_size}"

    def forward(self, ids: Array, *, kv: KVCache | None = None, **more: Any) -> tuple[Array, Cache]:
        """As GPT.forward, for one text."""
        text = new = [int(i) for i in np.asarray(ids)[0]]
        if kv is not None:
            home, past = kv.keys.__array_interface__["data"][0], int(kv.lengths[0])
            text = [*self._read.get(home, (kv, []))[1][:past], *new]
            self._read[home] = kv, text
        result = super().forward(ids, kv=kv, **more)
        self.texts.append(text)
        self.positions += len(new)
        return result


def small_model() -> CountingGPT:
    """Large weights, so that every key matters, in float64, so that rounding decides nothing."""
    rng = np.random.default_rng(2)
    flat = np.empty(parameter_count(SMALL))
    for path, array in named_views(flat, SMALL).items():
        size = 1.0 if path in ("wte", "wpe") else 1.5 if array.ndim == 2 else 0.4
        gain = 1.0 if array.ndim == 1 and path.endswith(".w") else 0.0  # LayerNorm's
        array[...] = gain + size * rng.standard_normal(array.shape)
    return CountingGPT(SMALL, flat)


def attention_with_past(q: Array, k: Array, v: Array) -> Array:
    """Attention of the last S positions.   q (..., S, D), k, v (..., T, D) -> (..., S, D)"""
    four = [a.reshape(1, -1, *a.shape[-2:]) for a in (q, k, v)]
    return causal_attention_forward(*four)[0].reshape(q.shape)


def generate_cached(model: GPT, ids: Sequence[int], n: int) -> list[int]:
    """The n likeliest next ids, one after the other."""
    sampling = SamplingConfig(temperature=0.0, max_new_tokens=n)
    return list(stream_ids(model, ids, sampling, np.random.default_rng(0)))


def window(ids: Sequence[int], block_size: int) -> list[int]:
    """What the model reads to predict the id after these."""
    return [*ids[window_start(len(ids), block_size, default_hop(block_size)) :]]


def generate_plain(model: GPT, ids: Sequence[int], n: int) -> list[int]:
    """The same without a cache: the whole window for every id."""
    known = [*ids]
    for _ in range(n):
        logits, _ = model.forward(np.array([window(known, model.config.block_size)]), last=1)
        known.append(int(logits[0, -1].argmax()))
    return known[len(ids) :]


def positions_needed(start: int, n: int, block_size: int) -> int:
    """How many positions n new ids take with a cache: the window whenever it begins elsewhere,
    and one position for every other id.

    >>> [positions_needed(3, n, 8) for n in (1, 2, 5, 6, 7, 8)]
    [3, 4, 7, 8, 15, 16]
    """
    hop, total, before = default_hop(block_size), 0, -1
    for length in range(start, start + n):
        begin = window_start(length, block_size, hop)
        total += 1 if begin == before else length - begin
        before = begin
    return total


SHAPES = [  # leading axes, S, T, D; the smallest first
    ((), 1, 1, 2), ((), 1, 2, 2), ((), 1, 3, 2), ((), 2, 3, 2), ((), 3, 3, 2), ((), 2, 5, 3),
    ((2,), 3, 5, 4), ((2, 3), 1, 6, 5), ((2, 3), 4, 6, 5),
]  # fmt: skip


def attention_with_past_is_right(f: Candidate) -> None:
    rng = np.random.default_rng(13)
    cases = [
        tuple(rng.standard_normal((*lead, n, D)) for n in (S, T, T)) for lead, S, T, D in SHAPES
    ]
    for q, k, v in cases:
        expect_array(f, f(q, k, v), q.shape, np.float64)
        single = [a.astype(np.float32) for a in (q, k, v)]
        expect_array(f, f(*single), q.shape, np.float32)
    for q, k, v in cases:
        right = attention_with_past(q, k, v)
        expect_finite(f, f(q, k, v), right)
        ones = f(q, k, np.ones_like(v))
        expect_close(f, ones, np.ones_like(q), "the weights of a query do not sum to 1 (with v all "
                     "1 the result should be all 1)", shown="result")  # fmt: skip
    for q, k, v in cases:
        S, T = q.shape[-2], k.shape[-2]
        before = f(q, k, v)
        for j in range(T - S + 1, T):  # not seen by the first j - (T - S) queries
            k2, v2, first = k.copy(), v.copy(), j - (T - S)
            k2[..., j, :] += 1.0
            v2[..., j, :] -= 1.0
            after = f(q, k2, v2)
            expect_close(f, after[..., :first, :], before[..., :first, :], f"query 0 is position "
                         f"{T - S} and sees key {j}, which is position {j}: the future",
                         shown="after")  # fmt: skip
    for q, k, v in cases:
        S, T = q.shape[-2], k.shape[-2]
        blind = " (query i is position i + T − S: of the past it sees every key)"
        expect_close(f, f(q, k, v), attention_with_past(q, k, v), f"the result is not that of the "
                     f"last {S} of {T} positions{blind}")  # fmt: skip


CASES = [  # length of the prompt, new ids: inside the window of 8, up to it, past it, far past it
    (1, 1), (3, 1), (3, 2), (2, 4), (1, 7), (5, 3), (8, 1), (3, 8), (8, 2), (9, 1), (1, 20),
    (12, 5), (20, 9), (4, 40),
]  # fmt: skip


MOVED = ": when the window moves on, every position changes, so the cache has to be filled anew"


def generate_cached_is_right(f: Candidate) -> None:
    rng = np.random.default_rng(3)
    prompts = [[int(i) for i in rng.integers(0, SMALL.vocab_size, start)] for start, _ in CASES]
    for prompt, (_, n) in zip(prompts, CASES, strict=True):
        model, given = small_model(), [*prompt]
        got = f(model, given, n)
        expect(given == prompt, "it changes the caller's list; begin with ids = list(ids)", f)
        whole = isinstance(got, list) and all(isinstance(i, int | np.integer) for i in got)
        expect(whole, "it should return a list of ids", f, yours=got)
        if len(got) == n + len(prompt) and got[: len(prompt)] == prompt and len(got) > n:
            expect(False, "it returns the prompt too; return only the new ids", f, yours=got)
        expect(len(got) == n, f"it returns {len(got)} ids and should return {n}", f, yours=got)
        expect(bool(model.texts), "it never calls model.forward", f, yours=got)
        _the_model_read_the_text(f, model, [*prompt, *map(int, got)], len(prompt))
        right = generate_plain(small_model(), prompt, n)
        first = next((i for i in range(n) if got[i] != right[i]), n)
        sentence = (
            f"id {first} is wrong{MOVED}"
            if len(prompt) + first > SMALL.block_size
            else "the model read the right text, and another id was taken: it is the argmax of the "
            "logits of the last position"
        )
        expect(first == n, sentence, f, yours=got, right=right)
    for prompt, (start, n) in zip(prompts, CASES, strict=True):
        model = small_model()
        f(model, [*prompt], n)
        enough = positions_needed(start, n, SMALL.block_size)
        forgiven = positions_needed(start, n + 1, SMALL.block_size)  # the last id, read for nobody
        expect(model.positions <= forgiven, f"for {n} new ids after {start} the model was asked "
               f"for {model.positions} positions, and {enough} are enough: what is in the cache is "
               "not computed again", f)  # fmt: skip


def _the_model_read_the_text(
    f: Candidate, model: CountingGPT, known: list[int], start: int
) -> None:
    """Every call went through a window of the text, or through the beginning of one."""
    size = model.config.block_size
    windows = [window(known[:length], size) for length in range(start, len(known) + 1)]
    for call, text in enumerate(model.texts):
        if any(text == whole[: len(text)] for whole in windows):
            continue
        length = min(start + call, len(known))
        facts = {"text": known[:length], "read": text, "right": windows[length - start]}
        sentence = "the text once, from its beginning to its end"
        if length > size:
            del facts["read"]  # keys may have been moved by hand
            sentence = f"what it should{MOVED}"
        expect(False, f"before id {call} the model has not read {sentence}", f, **facts)


CHECKS = [
    Check(
        name="13.attention_with_past",
        arguments=("q", "k", "v"),
        properties=attention_with_past_is_right,
        right="one query sees all keys, S queries are the last S of T positions, none sees the "
        "future",
        library=attention_with_past,
        hints=(
            "With one query nothing is hidden. With S queries, which position is query 0? Which "
            "keys lie after it?",
            "Query i is position i + T − S. So the mask has the shape (S, T), and −inf where "
            "j > i + T − S; np.triu(…, k=…) says where the triangle begins.",
            "mask = np.triu(np.full((S, T), -np.inf, q.dtype), k=T - S + 1); scores = q @ "
            "k.swapaxes(-1, -2) / math.sqrt(D) + mask; return softmax_forward(scores)[0] @ v.",
        ),
    ),
    Check(
        name="13.generate_cached",
        arguments=("model", "ids", "n"),
        properties=generate_cached_is_right,
        right="the same ids as without a cache at every length and past the window, one position "
        "for an id",
        library=generate_cached,
        hints=(
            "Begin with generate_plain. Two things change: a cache that lives as long as the loop, "
            "and what is given to the model: only what the cache does not hold.",
            "kv.lengths[0] is how many ids the cache holds. Inside the window, they are the first "
            "ones of it, and text[kv.lengths[0]:] is new. If the window has moved on, nothing in "
            "the cache is of use: set kv.lengths[:] = 0.",
            "text = window(known, size). if kv.lengths[0] != len(text) - 1: kv.lengths[:] = 0. "
            "logits, _ = model.forward(np.array([text[kv.lengths[0]:]]), kv=kv, last=1). The rest "
            "is generate_plain's.",
        ),
    ),
]
