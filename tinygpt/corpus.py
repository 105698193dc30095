"""The text of a training run: what is learnt, what is held out, and how well it can be known."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tinygpt import tales
from tinygpt.backend import Array
from tinygpt.config import TrainConfig
from tinygpt.data.batches import Batches, split_texts, split_validation
from tinygpt.data.documents import document_starts, whole_documents
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
        """What is measured one by one: the held-out documents, or all held-out text as one."""
        return pieces(self.val, self.tokenizer, self.by_documents)

    def batches(self, config: TrainConfig) -> Batches:
        """The windows that each step of this run learns from."""
        starts = None
        if self.by_documents:
            eot_id = _end_of_text(self.tokenizer)
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
    by_documents = config.windows == "documents"
    if not held_out and (name == "bpe" or by_documents):
        parts = source.texts
        if by_documents:
            parts = [document for text in parts for document in split_documents(text) if document]
        texts, rest = split_texts(parts, whole=by_documents)  # before there are ids to split
        tokenizer = tokenizer or make_tokenizer(name, "".join(texts), config.vocab_size)
        train, val = encode_corpus(texts, tokenizer), encode_corpus(rest, tokenizer)
        halved = len(texts) + len(rest) > len(parts)
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
    if by_documents:  # an end-of-text before the first document too, as before every other
        eot = np.array([_end_of_text(tokenizer)], train.dtype)
        train, val = np.concatenate([eot, train]), np.concatenate([eot, val])
    _require_enough("training", train, config.block_size + 1, config)
    _require_enough("held-out", val, 2, config)
    digest = hashlib.sha256(train.tobytes())
    digest.update(val.tobytes())
    least = floor(pieces(val, tokenizer, True), tokenizer) if by_documents else None
    return Text(tokenizer, train, val, source.name, digest.hexdigest(), by_documents, least)


def pieces(ids: Ids, tokenizer: Tokenizer, by_documents: bool) -> list[Ids]:
    """What a model reads one by one: the documents, each after an end-of-text, or all ids at once.

    Raises ConfigError for documents with a tokenizer that has no end-of-text.
    """
    if not by_documents:
        return [ids]
    eot_id = _end_of_text(tokenizer)
    if len(ids) and ids[0] != eot_id:
        ids = np.concatenate([np.array([eot_id], ids.dtype), ids])
    return whole_documents(ids, eot_id)


def floor(stories: Sequence[Ids], tokenizer: Tokenizer) -> float | None:
    """The loss of a perfect model on these stories, in nats per token; None unless all are tales.

    A story begins with an end-of-text, which is not predicted, and ends with one, which is:
    -(sum of the tales' log-probabilities) / (number of ids after the first of each).
    """
    total = 0.0
    for ids in stories:
        log_prob = tales.log_prob(tokenizer.decode(ids[1:].tolist()).removesuffix("\n"))
        if log_prob is None:
            return None
        total -= log_prob
    return total / sum(len(ids) - 1 for ids in stories) if stories else None


def _end_of_text(tokenizer: Tokenizer) -> int:
    if tokenizer.eot_id is None:
        raise ConfigError(
            f"the {tokenizer.name} tokenizer has no end-of-text to tell documents by; leave "
            "--windows out, or choose --tokenizer bpe"
        )
    return tokenizer.eot_id


def _require_enough(part: str, ids: Array, least: int, config: TrainConfig) -> None:
    if len(ids) < least:
        raise DataError(
            f"the {part} text of {config.data!r} has {len(ids)} tokens and at least {least} are "
            f"needed with block_size {config.block_size}; give a longer text or a smaller "
            "--block-size"
        )
