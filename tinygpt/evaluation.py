"""How well a model predicts text that it has not learnt from: loss, perplexity, bits per byte."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tinygpt.backend import Array
from tinygpt.data.batches import windows
from tinygpt.errors import DataError
from tinygpt.threads import WorkerPool

TOKENS_PER_BATCH = 2048  # a batch whose arrays stay in cache; the loss does not depend on it


class LossModel(Protocol):
    """What is needed of a model: the mean loss of ids (B, T) against targets (B, T)."""

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


def evaluate_loss(
    model: LossModel,
    ids: Array,
    *,
    block_size: int,
    batch: int | None = None,
    pool: WorkerPool | None = None,
) -> Evaluation:
    """The mean loss over all of ids, cut into consecutive windows that do not overlap; no dropout.

    Every token but the first is predicted once, from those before it in its window.
    Raises DataError when there is nothing to predict.
    """
    if len(ids) < 2:
        raise DataError(
            f"the text to evaluate has {len(ids)} tokens; at least 2 are needed, "
            "one to read and one to predict"
        )
    batch = batch or max(1, TOKENS_PER_BATCH // block_size)

    def total(pair: tuple[Array, Array]) -> tuple[float, int]:
        x, y = pair
        return model.loss(x, y) * y.size, y.size

    pairs = windows(ids, block_size, batch)
    parts = pool.map(total, list(pairs)) if pool else [total(pair) for pair in pairs]
    tokens = sum(n for _, n in parts)
    return Evaluation(loss=math.fsum(loss for loss, _ in parts) / tokens, tokens=tokens)


def text_bytes(ids: Array, tokenizer: ByteVocabulary) -> int:
    """How many bytes of text these ids stand for (end-of-text stands for none)."""
    values, counts = np.unique(np.asarray(ids), return_counts=True)
    return sum(
        len(tokenizer.token_bytes(int(id))) * int(count)
        for id, count in zip(values, counts, strict=True)
    )
