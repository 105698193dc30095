"""The loop that draws: texts side by side, one token each per forward pass, from one KV cache.

`Sample` is one text in the making, as ids; `Batch` draws a token for each of several, and
`draw_together` is the loop. The texts need not be equally long, begin together or end together,
and each comes out as it would alone; the context window may be outgrown.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, Literal, NamedTuple, TypeVar

import numpy as np

from tinygpt.backend import Array, to_host
from tinygpt.config import ModelConfig, SamplingConfig
from tinygpt.errors import ConfigError, VocabularyError
from tinygpt.kv_cache import KVCache
from tinygpt.model import GPT
from tinygpt.sampling import draw, draw_rows, keep_top_k, log_probs, next_probs

FinishReason = Literal["stop", "length", "cancelled"]


def window_start(n: int, block_size: int, hop: int) -> int:
    """Where the window on n known tokens begins: 0 while they fit, then on by whole hops, so
    that the cache is refilled once in `hop` tokens and not at each.

    >>> [window_start(n, 8, 2) for n in (7, 8, 9, 10, 11)]
    [0, 0, 2, 2, 4]
    """
    beyond = max(0, n - block_size)
    return -(-beyond // hop) * hop  # rounded up


def default_hop(block_size: int) -> int:
    """A quarter of the window.

    >>> default_hop(1024), default_hop(2)
    (256, 1)
    """
    return max(1, block_size // 4)


class LogProb(NamedTuple):
    """What the model itself thought of a token: log-probabilities in nats, before penalties,
    temperature and filters; `best` are the likeliest tokens, (id, log-probability) each."""

    chosen: float
    best: list[tuple[int, float]]


class Sample:
    """One text in the making, as ids.

    prompt_ids     what it continues
    ids            generated so far, without the token that ended it
    known          prompt_ids and ids, one list
    logprobs       one for each of ids, where `SamplingConfig.logprobs` asks for them
    finish_reason  None while it runs, then "stop" (a stop token), "length" or "cancelled"

    Raises ConfigError when the prompt is empty or window_hop above block_size, and
    VocabularyError when the model does not know an id of the prompt.
    """

    def __init__(
        self,
        config: ModelConfig,
        prompt_ids: Sequence[int],
        sampling: SamplingConfig,
        rng: np.random.Generator,
        *,
        stop_ids: Collection[int] = (),
    ) -> None:
        self.prompt_ids = _checked_ids(prompt_ids, config.vocab_size)
        self.ids: list[int] = []
        self.known = [*self.prompt_ids]
        self.logprobs: list[LogProb] = []
        self.finish_reason: FinishReason | None = None
        self.sampling = sampling
        self.rng = rng
        self._block_size, self._hop = config.block_size, _checked_hop(sampling, config.block_size)
        self._stop_ids = frozenset(stop_ids)

    @property
    def window_length(self) -> int:
        """How many of the known ids the next token is computed from: the last ones."""
        n = len(self.known)
        return n - window_start(n, self._block_size, self._hop)

    def window(self) -> list[int]:
        """The known ids that the next token is computed from."""
        return self.known[-self.window_length :]

    def probs(self, logits: Array, ahead: Sequence[int] = ()) -> Array:
        """The distribution (V,) that the next token is drawn from, or were `ahead` said first."""
        output = [*self.ids, *ahead]
        return next_probs(logits, self.sampling, prompt=self.prompt_ids, output=output)

    def take(self, logits: Array) -> bool:
        """Draw the next token from its logits (V,); False when it ends the text."""
        return self.add(draw(self.probs(logits), self.rng.random()), logits)

    def add(self, token: int, logits: Array) -> bool:
        """Add a token that was drawn given these logits (V,); False when it ends the text."""
        if token in self._stop_ids:
            self.finish("stop")
            return False
        if self.sampling.logprobs is not None:
            self.logprobs.append(_log_prob(logits, token, self.sampling.logprobs))
        self.say(token)
        if len(self.ids) >= self.sampling.max_new_tokens:
            self.finish("length")
        return True

    def say(self, token: int) -> None:
        """Add a token to the text."""
        self.ids.append(token)
        self.known.append(token)

    def finish(self, reason: FinishReason) -> None:
        """End the text, once: from a loop over tokens, or from a callback, as "cancelled"."""
        self.finish_reason = self.finish_reason or reason


def _checked_ids(ids: Sequence[int], vocab_size: int) -> list[int]:
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


def _checked_hop(sampling: SamplingConfig, block_size: int) -> int:
    if sampling.window_hop is None:
        return default_hop(block_size)
    if sampling.window_hop > block_size:
        raise ConfigError(
            f"window_hop is {sampling.window_hop} and the model's block_size is {block_size}; "
            f"choose from 1 to {block_size}"
        )
    return sampling.window_hop


def _log_prob(logits: Array, token: int, n: int) -> LogProb:
    known = log_probs(logits)
    best: list[int] = np.flatnonzero(np.isfinite(keep_top_k(known, n))).tolist() if n else []
    best.sort(key=lambda i: -known[i])  # among equals the lower id stays first
    return LogProb(float(known[token]), [(i, float(known[i])) for i in best])


AnySample = TypeVar("AnySample", bound=Sample)


class Batch(Generic[AnySample]):
    """Texts that are continued side by side from one KV cache, a token each per pass.

    A text may join between any two passes, where there is room, and leaves when it has ended;
    each comes out as it would alone. `samples` are those that run, row by row of the cache.
    """

    def __init__(self, model: GPT, size: int) -> None:
        self.samples: list[AnySample] = []
        self._model = model
        self._size = size
        self._kv = KVCache(model.config, size, xp=model.xp, dtype=model.dtype)

    @property
    def room(self) -> int:
        """How many more texts may join."""
        return self._size - len(self.samples)

    def join(self, sample: AnySample) -> None:
        """Take in a text that has not ended; there must be room."""
        self._kv.lengths[len(self.samples)] = 0
        self.samples.append(sample)

    def step(self) -> Iterator[AnySample]:
        """Draw the next token of every text; yield each text that has got one.

        A new text of several tokens, and one whose window has moved on, is read in a pass of its
        own. One pass then gives the next token of every text; where all have just been read, the
        reading gave it already.
        """
        self.leave()
        if not self.samples:
            return
        kv = self._kv.rows(0, len(self.samples))
        # a row that lacks more than the last id has a new text, or its window has moved on
        lacking = [sample.window_length for sample in self.samples] - kv.lengths
        unread = np.flatnonzero(lacking != 1).tolist()
        just_read = [
            _read(self._model, self.samples[i].window(), kv.rows(i, i + 1)) for i in unread
        ]
        if len(unread) == len(self.samples):
            rows = np.stack(just_read)  # (B, V)
        else:
            kv.lengths[unread] -= 1  # to keep step with the others, their last ids are read again
            last_ids = np.array([[sample.known[-1]] for sample in self.samples])  # (B, 1)
            rows = next_logits(self._model, last_ids, kv)[:, 0]
        for sample, row, token in zip(self.samples, rows, _draw(self.samples, rows), strict=True):
            if sample.finish_reason is None and sample.add(token, row):
                yield sample
        self.leave()

    def leave(self) -> None:
        """Forget the texts that have ended; the last row moves into a free one."""
        for i in reversed(range(len(self.samples))):
            if self.samples[i].finish_reason is not None:
                last = self.samples.pop()
                if i < len(self.samples):
                    self.samples[i] = last
                    self._kv.copy_row(len(self.samples), i)


def _draw(samples: Sequence[Sample], rows: Array) -> list[int]:
    """The next token of every sample, given its row of logits (B, V)."""
    if len(samples) > 1 and all(sample.sampling.is_plain for sample in samples):
        temperatures = [sample.sampling.temperature for sample in samples]
        return draw_rows(rows, temperatures, [sample.rng.random() for sample in samples])
    return [
        draw(sample.probs(row), sample.rng.random())
        for sample, row in zip(samples, rows, strict=True)
    ]


def draw_together(
    model: GPT, samples: Iterable[AnySample], *, batch_size: int = 32
) -> Iterator[AnySample]:
    """Continue all samples, `batch_size` at a time; yield a sample each time it has a new token.
    When a text ends, the next that waits takes its place."""
    waiting = (sample for sample in samples if sample.finish_reason is None)
    first = list(islice(waiting, batch_size))
    batch = Batch[AnySample](model, len(first))
    joining: Iterable[AnySample] = first
    while joining or batch.samples:
        for sample in joining:
            batch.join(sample)
        yield from batch.step()
        joining = list(islice(waiting, batch.room))


def _read(model: GPT, window: list[int], kv: KVCache) -> Array:
    """Fill a row of the cache with a whole window; return the logits (V,) of what follows it."""
    kv.lengths[:] = 0  # positions count from the window's start: when that moves, every key changes
    row: Array = next_logits(model, np.array([window]), kv)[0, 0]
    return row


def next_logits(model: GPT, ids: Array, kv: KVCache, last: int = 1) -> Array:
    """The host logits (B, last, V) of the last tokens of ids (B, T), which continue those in kv."""
    # damaged weights are noticed when a token is drawn; NumPy's warnings would only repeat it
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        logits, _ = model.forward(ids, kv=kv, last=last)
    host: Array = to_host(logits)
    return host


def stream_ids(
    model: GPT,
    ids: Sequence[int],
    sampling: SamplingConfig,
    rng: np.random.Generator,
    *,
    stop_ids: Collection[int] = (),
) -> Iterator[int]:
    """Yield up to max_new_tokens ids that continue `ids`, ending before a stop id.

    Stop strings, and the ids that `sampling` stops at, are for those who know the tokenizer.
    """
    sample = Sample(model.config, ids, sampling, rng, stop_ids=stop_ids)
    for _ in draw_together(model, [sample]):
        yield sample.ids[-1]
