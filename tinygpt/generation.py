"""The loop that speaks: one token after another, from a KV cache, past the context window too.

`stream_ids` is the loop. `Generation` turns its ids into text as it comes; the functions below it
are the faces of the two: `stream_text`, `generate_text`, `generate_batch`.
"""

import secrets
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from tinygpt.backend import to_host
from tinygpt.config import SamplingConfig
from tinygpt.errors import ConfigError, VocabularyError
from tinygpt.kv_cache import KVCache
from tinygpt.model import GPT
from tinygpt.sampling import sample_next
from tinygpt.tokenizers import TextStream, Tokenizer


def window_start(n: int, block_size: int, hop: int) -> int:
    """Where the window on n known tokens begins: 0 while they fit, then on by whole hops, so
    that the cache is refilled once in `hop` tokens and not at each.

    >>> [window_start(n, 8, 2) for n in (7, 8, 9, 10, 11)]
    [0, 0, 2, 2, 4]
    """
    beyond = max(0, n - block_size)
    return -(-beyond // hop) * hop  # rounded up


def stream_ids(
    model: GPT,
    ids: Sequence[int],
    sampling: SamplingConfig,
    rng: np.random.Generator,
    *,
    eos_id: int | None = None,
    stop_ids: Collection[int] = (),
) -> Iterator[int]:
    """Yield up to max_new_tokens ids that continue `ids`, ending before eos_id or a stop id.

    Stop strings are not looked at here. Raises ConfigError when `ids` is empty and
    VocabularyError when the model does not know one of them.
    """
    known = _checked(ids, model.config.vocab_size)
    block_size = model.config.block_size
    hop = max(1, block_size // 4)
    kv = KVCache(model.config, xp=model.xp, dtype=model.dtype)
    start = 0
    for _ in range(sampling.max_new_tokens):
        if (moved := window_start(len(known), block_size, hop)) != start:
            start = moved
            kv.reset()  # positions count from the window's start, so every key changes
        unread = known[start + kv.length :]  # the whole window at first, then the last token
        logits, _ = model.forward(np.array([unread]), kv=kv, last=1)  # (1, 1, V)
        chosen = sample_next(to_host(logits)[0, -1], known, sampling, rng)
        if chosen == eos_id or chosen in stop_ids:
            return
        known.append(chosen)
        yield chosen


def _checked(ids: Sequence[int], vocab_size: int) -> list[int]:
    known = [int(i) for i in ids]
    if not known:
        raise ConfigError("the prompt is empty; give at least one token")
    for i in (min(known), max(known)):
        if not 0 <= i < vocab_size:
            raise VocabularyError(
                f"the prompt has token id {i} and the model knows 0 to {vocab_size - 1}; "
                "use the tokenizer that the model was trained with"
            )
    return known


class StopStrings:
    """Passes text on until a stop string is complete, holding back whatever may begin one.

    The stop string that is complete first ends the text (of several, the longest), however the
    text was cut into pieces.

    >>> stop = StopStrings(["END"])
    >>> stop.push("a E"), stop.push("N"), stop.push("Dx"), stop.found
    ('a ', '', '', True)
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self.found = False
        self._strings = strings
        self._held = ""

    def push(self, piece: str) -> str:
        """Return the text that is now certain to be shown."""
        text = self._held + piece
        places = [(text.find(s) + len(s), text.find(s)) for s in self._strings if s in text]
        self.found = bool(places)
        shown = min(places)[1] if places else len(text) - self._maybe(text)
        self._held = "" if self.found else text[shown:]
        return text[:shown]

    def finish(self) -> str:
        """Return what was still held back: no stop string came of it."""
        held, self._held = self._held, ""
        return held

    def _maybe(self, text: str) -> int:
        """Length of the longest end of `text` that begins a stop string."""
        return max(
            (n for s in self._strings for n in range(len(s)) if text.endswith(s[:n])), default=0
        )


class Generation:
    """One sample in the making: iterate, once, for the pieces of its text as they come.

    prompt         the text that it continues, or None
    prompt_ids     its ids (without a prompt: the token that generation begins from)
    ids            generated so far, without end-of-text, with those of a stop string
    text           shown so far
    finish_reason  None while it runs, then "stop" (end-of-text or a stop string) or "length"
    seed           sample i of every prompt draws from default_rng([seed, i])
    """

    def __init__(
        self,
        model: GPT,
        tokenizer: Tokenizer,
        prompt: str | None,
        sampling: SamplingConfig,
        *,
        seed: int,
        sample: int = 0,
    ) -> None:
        vocab_size = model.config.vocab_size
        self.prompt = prompt
        self.prompt_ids = _checked(encode_prompt(tokenizer, prompt), vocab_size)
        self.ids: list[int] = []
        self.text = ""
        self.finish_reason: Literal["stop", "length"] | None = None
        self.seed = _checked_seed(seed)
        self._sampling = sampling
        self._text_stream = TextStream(tokenizer)
        self._id_stream = stream_ids(
            model,
            self.prompt_ids,
            sampling,
            np.random.default_rng([seed, sample]),
            stop_ids=_ending_ids(tokenizer, sampling, vocab_size),
        )

    def __iter__(self) -> Iterator[str]:
        stop = StopStrings(self._sampling.stop)
        for i in self._id_stream:
            self.ids.append(i)
            yield from self._show(stop.push(self._text_stream.push(i)))
            if stop.found:
                break
        else:
            yield from self._show(stop.push(self._text_stream.finish()))
            yield from self._show(stop.finish())
        ended = stop.found or len(self.ids) < self._sampling.max_new_tokens
        self.finish_reason = "stop" if ended else "length"

    def _show(self, piece: str) -> Iterator[str]:
        if piece:
            self.text += piece
            yield piece


def encode_prompt(tokenizer: Tokenizer, prompt: str | None) -> list[int]:
    """The ids that generation begins with. Without a prompt: end-of-text, or with a tokenizer
    that has none a newline, else id 0. Raises ConfigError when the prompt is empty."""
    if prompt is not None:
        if not prompt:
            raise ConfigError(
                "the prompt is empty; give at least one character, or no prompt at all to let "
                "the model begin by itself"
            )
        return tokenizer.encode(prompt)
    if tokenizer.eot_id is not None:
        return [tokenizer.eot_id]
    try:
        return tokenizer.encode("\n")
    except VocabularyError:
        return [0]


def _ending_ids(tokenizer: Tokenizer, sampling: SamplingConfig, vocab_size: int) -> set[int]:
    """End-of-text, and eos_id where one is named; none at all for -1."""
    if sampling.eos_id == -1:
        return set()
    if sampling.eos_id is not None and not 0 <= sampling.eos_id < vocab_size:
        raise VocabularyError(
            f"eos_id is {sampling.eos_id} and the model knows the token ids 0 to "
            f"{vocab_size - 1}; choose one of those, or -1 to never stop"
        )
    return {i for i in (tokenizer.eot_id, sampling.eos_id) if i is not None}


def fresh_seed() -> int:
    """A seed that nobody chose, short enough to type again."""
    return secrets.randbelow(2**31)


def _checked_seed(seed: int) -> int:
    if seed < 0:
        raise ConfigError(f"seed is {seed}; it must be a whole number of at least 0")
    return seed


def _sampling(settings: dict[str, Any]) -> SamplingConfig:
    stop = settings.get("stop", ())
    return SamplingConfig(**{**settings, "stop": (stop,) if isinstance(stop, str) else tuple(stop)})


def stream_text(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | None = None,
    *,
    seed: int | None = None,
    **settings: Any,
) -> Iterator[str]:
    """The continuation of `prompt`, piece by piece; only whole characters are shown.

    `settings` are the fields of SamplingConfig; without a seed a fresh one is drawn. Raises
    ConfigError for settings that cannot be and VocabularyError for a prompt or an eos_id that
    the model does not know, both before the first piece.
    """
    seed = fresh_seed() if seed is None else seed
    return iter(Generation(model, tokenizer, prompt, _sampling(settings), seed=seed))


def generate_text(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | None = None,
    *,
    seed: int | None = None,
    **settings: Any,
) -> str:
    """The continuation of `prompt` in one piece: exactly what `stream_text` yields, joined."""
    return "".join(stream_text(model, tokenizer, prompt, seed=seed, **settings))


def generate_batch(
    model: GPT,
    tokenizer: Tokenizer,
    prompts: Sequence[str | None],
    *,
    seed: int | None = None,
    **settings: Any,
) -> list[str]:
    """The continuation of each prompt, each as `generate_text` alone gives it with this seed."""
    if isinstance(prompts, str):  # it would pass for a list of one-letter prompts
        raise ConfigError("prompts is one text; give a list of texts, or call generate_text")
    seed = fresh_seed() if seed is None else seed
    samples = [Generation(model, tokenizer, p, _sampling(settings), seed=seed) for p in prompts]
    return ["".join(sample) for sample in samples]
