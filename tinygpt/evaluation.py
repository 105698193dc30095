"""How well a model predicts text that it has not learnt from: loss, perplexity, bits per byte."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from tinygpt import tales
from tinygpt.backend import Array
from tinygpt.config import SamplingConfig
from tinygpt.data.tokens import Ids
from tinygpt.decoding import draw_together
from tinygpt.errors import ConfigError, DataError, TinyGPTError
from tinygpt.generation import Generation
from tinygpt.model import GPT
from tinygpt.threads import WorkerPool
from tinygpt.tokenizers import Tokenizer

TOKENS_PER_BATCH = 2048  # a batch whose arrays stay in cache; the loss does not depend on it


class LossModel(Protocol):
    """What is needed of a model: the mean loss of ids (B, T) against targets (B, S), which are
    those of the last S positions."""

    def loss(self, ids: Array, targets: Array) -> float: ...


class ByteVocabulary(Protocol):
    """What is needed of a tokenizer: the bytes that an id stands for."""

    def token_bytes(self, id: int) -> bytes: ...


@dataclass(frozen=True)
class Evaluation:
    """The mean loss in nats per token, over this many predicted tokens."""

    loss: float
    tokens: int

    @property
    def perplexity(self) -> float:
        """exp(loss): the number of equally likely tokens that would be as hard to guess."""
        return math.exp(min(self.loss, 700.0))  # e^710 is beyond float64

    def bits_per_byte(self, n_bytes: int) -> float:
        """The loss per byte of text, in bits, so that tokenizers can be compared.

        >>> Evaluation(loss=math.log(2), tokens=8).bits_per_byte(4)
        2.0
        """
        return self.loss * self.tokens / math.log(2) / n_bytes


def finite_loss(model: LossModel, ids: Array, targets: Array) -> float:
    """The model's loss.   Raises TinyGPTError when it is no number."""
    loss = model.loss(ids, targets)
    if not math.isfinite(loss):
        raise TinyGPTError(
            f"the model's loss is {loss}: its training diverged or the weights are damaged; use an "
            "earlier checkpoint"
        )
    return loss


class Window(NamedTuple):
    """ids[begin:end] of a text are read; the last `scored` of the tokens after them count."""

    text: int
    begin: int
    end: int
    scored: int


def evaluate_loss(
    model: LossModel,
    texts: Sequence[Ids],
    *,
    context: int,
    stride: int | None = None,
    batch: int | None = None,
    pool: WorkerPool | None = None,
    done: Callable[[int], object] | None = None,
) -> Evaluation:
    """The mean loss over all tokens of these texts but the first of each; no dropout.

    A text is read in windows of `context` tokens, each `stride` after the one before, and a token
    is predicted once, in the first window that has it: after the first window with at least
    context - stride + 1 tokens before it. By default windows do not overlap (stride = context);
    with stride 1 every token has the `context` before it. `batch` is how many windows go through
    the model at once; `done` is told the number of tokens that each such batch has scored.

    Raises DataError when there is nothing to predict, ConfigError for a context or stride that
    cannot be.
    """
    stride = context if stride is None else stride
    if not 1 <= stride <= context:
        raise ConfigError(
            f"the context is {context} tokens and the stride {stride}; choose a context of at "
            "least 1 and a stride from 1 to the context"
        )
    batch = batch or max(1, TOKENS_PER_BATCH // context)
    alike: dict[tuple[int, int], list[Window]] = {}  # by shape, to be stacked
    for i, ids in enumerate(texts):
        for window in _windows(i, len(ids), context, stride):
            alike.setdefault((window.end - window.begin, window.scored), []).append(window)
    batches = [w[i : i + batch] for w in alike.values() for i in range(0, len(w), batch)]
    tokens = sum(len(windows) * windows[0].scored for windows in batches)
    if not tokens:
        raise DataError(
            f"the text to evaluate has {sum(map(len, texts))} tokens; at least 2 are needed, "
            "one to read and one to predict"
        )

    def total(windows: Sequence[Window]) -> float:
        rows = np.stack([texts[w.text][w.begin : w.end + 1] for w in windows]).astype(np.int64)
        targets = rows[:, -windows[0].scored :]
        loss = finite_loss(model, rows[:, :-1], targets) * targets.size
        if done:
            done(targets.size)
        return loss

    losses = pool.map(total, batches) if pool else map(total, batches)
    return Evaluation(loss=math.fsum(losses) / tokens, tokens=tokens)


def _windows(text: int, n: int, context: int, stride: int) -> Iterator[Window]:
    """The windows of a text of n ids: each of the ids 1 to n - 1 is scored once.

    >>> [tuple(w) for w in _windows(0, 8, context=4, stride=2)]
    [(0, 0, 4, 4), (0, 2, 6, 2), (0, 4, 7, 1)]
    """
    end = 0
    for begin in range(0, n, stride):
        if end >= n - 1:
            return
        previous, end = end, min(begin + context, n - 1)
        yield Window(text, begin, end, end - previous)


def count_tales(
    model: GPT,
    tokenizer: Tokenizer,
    samples: int,
    *,
    seed: int,
    batch_size: int = 32,
    done: Callable[[], object] | None = None,
) -> int:
    """How many of so many samples are tales: at temperature 1, from end-of-text to end-of-text,
    with or without the line end that a corpus file gives them.

    Sample i draws from default_rng([seed, i]); up to `batch_size` are drawn side by side. `done`
    is called as each begins.
    """
    settings = SamplingConfig(temperature=1.0, max_new_tokens=model.config.block_size)
    told = [
        Generation(model, tokenizer, None, settings, seed=seed, sample=i) for i in range(samples)
    ]

    def begun() -> Iterator[Generation]:
        for sample in told:
            if done:
                done()
            yield sample

    for _ in draw_together(model, begun(), batch_size=batch_size):
        pass
    return sum(
        sample.finish_reason == "stop"
        and tales.log_prob(sample.text.removesuffix("\n")) is not None
        for sample in told
    )


def text_bytes(ids: Array, tokenizer: ByteVocabulary) -> int:
    """How many bytes of text these ids stand for (end-of-text stands for none)."""
    counts = np.bincount(np.asarray(ids))
    return sum(
        len(tokenizer.token_bytes(int(id))) * int(counts[id]) for id in np.flatnonzero(counts)
    )
