"""The text of a training run: what is learnt, what is held out, and how well it can be known."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tinygpt import tales
from tinygpt.backend import Array
from tinygpt.config import TrainConfig
from tinygpt.data.batches import Batches, split_texts, split_validation
from tinygpt.data.documents import document_starts, documents
from tinygpt.data.sources import find_source
from tinygpt.data.tokens import Ids, encode_corpus
from tinygpt.errors import ConfigError, DataError
from tinygpt.tokenizers import Tokenizer, make_tokenizer, split_documents


class Text(NamedTuple):
    """Ids to train on, ids held out, and where they came from.

    With `by_documents` both begin with an end-of-text. `floor` is the least loss, in nats per
    token, that any model can have on the held-out documents: known if all of them are tales.
    """

    tokenizer: Tokenizer
    train: Ids
    val: Ids
    name: str
    sha256: str
    by_documents: bool = False
    floor: float | None = None

    def held_out(self) -> list[Ids]:
        """What is measured piece by piece: the documents, or all held-out text as one."""
        eot_id = self.tokenizer.eot_id
        return (
            documents(self.val, eot_id) if self.by_documents and eot_id is not None else [self.val]
        )

    def batches(self, config: TrainConfig) -> Batches:
        """The windows that each step of this run learns from."""
        eot_id, starts = self.tokenizer.eot_id, None
        if self.by_documents and eot_id is not None:
            starts = document_starts(self.train, eot_id, config.block_size)
        rows = config.batch_size * config.accumulate
        return Batches(self.train, config.block_size, rows, config.seed, starts=starts)


def prepare_text(config: TrainConfig, tokenizer: Tokenizer | None = None) -> Text:
    """Read and encode the run's text, with this tokenizer or one made for the text.

    `char` must know the held-out characters too; `bpe` learns its merges from the training text
    alone. Raises DataError when there is none or too little of it, ConfigError when windows shall
    begin at documents and the tokenizer has no end-of-text.
    """
    source = find_source(config.data)
    held_out = find_source(config.val_file).texts if config.val_file else []
    name = config.tokenizer if tokenizer is None else tokenizer.name
    if name == "bpe" and not held_out:
        texts, rest = split_texts(source.texts)  # before there are ids to split
        tokenizer = tokenizer or make_tokenizer(name, "".join(texts), config.vocab_size)
        train, val = encode_corpus(texts, tokenizer), encode_corpus(rest, tokenizer)
        halved = len(texts) + len(rest) > len(source.texts)
        if halved and split_documents(texts[-1])[-1]:
            train = train[:-1]  # no end-of-text there: the last text goes on in the held-out part
    else:
        learnt = source.texts if name == "bpe" else [*source.texts, *held_out]
        tokenizer = tokenizer or make_tokenizer(name, "".join(learnt), config.vocab_size)
        train = encode_corpus(source.texts, tokenizer)
        if held_out:
            val = encode_corpus(held_out, tokenizer)
        else:
            train, val = split_validation(train)
    by_documents = config.windows == "documents"
    if by_documents:
        train, val = (_after_end_of_text(ids, tokenizer) for ids in (train, val))
    _require_enough("training", train, config.block_size + 1, config)
    _require_enough("held-out", val, 2, config)
    digest = hashlib.sha256(train.tobytes())
    digest.update(val.tobytes())
    text = Text(tokenizer, train, val, source.name, digest.hexdigest(), by_documents)
    return text._replace(floor=floor(text.held_out(), tokenizer)) if by_documents else text


def floor(held_out: Sequence[Ids], tokenizer: Tokenizer) -> float | None:
    """The loss of a perfect model on these documents, in nats per token; None unless all are tales.

    A document begins with an end-of-text, which is not predicted, and ends with one, which is:
    -(sum of the tales' log-probabilities) / (number of ids after the first of each).
    """
    total = 0.0
    for ids in held_out:
        log_prob = tales.log_prob(tokenizer.decode(ids[1:].tolist()).removesuffix("\n"))
        if log_prob is None:
            return None
        total -= log_prob
    return total / sum(len(ids) - 1 for ids in held_out) if held_out else None


def _after_end_of_text(ids: Ids, tokenizer: Tokenizer) -> Ids:
    """The ids with an end-of-text before the first document too, as before every other."""
    if tokenizer.eot_id is None:
        raise ConfigError(
            f"the {tokenizer.name} tokenizer has no end-of-text to tell documents by; leave "
            "--windows out, or choose --tokenizer bpe"
        )
    return np.concatenate([np.array([tokenizer.eot_id], ids.dtype), ids])


def _require_enough(part: str, ids: Array, least: int, config: TrainConfig) -> None:
    if len(ids) < least:
        raise DataError(
            f"the {part} text of {config.data!r} has {len(ids)} tokens and at least {least} are "
            f"needed with block_size {config.block_size}; give a longer text or a smaller "
            "--block-size"
        )
