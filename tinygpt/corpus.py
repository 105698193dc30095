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

    With `by_documents` both begin with an end-of-text. `floor` is the loss, in nats per token, of
    the grammar of tales itself on the held-out documents, if all of them are tales: over fresh
    stories no model has less on average (Gibbs' inequality).
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
        return documents_of(self.val, self.tokenizer) if self.by_documents else [self.val]

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
    by_documents = config.windows == "documents"
    name = config.tokenizer if tokenizer is None else tokenizer.name
    if by_documents and name == "char":
        raise _no_end_of_text(name)
    source = find_source(config.data)
    if config.val_file:
        held_out = find_source(config.val_file).texts
        learnt = source.texts if name == "bpe" else [*source.texts, *held_out]
        tokenizer = tokenizer or make_tokenizer(name, learnt, config.vocab_size)
        train, val = (encode_corpus(texts, tokenizer) for texts in (source.texts, held_out))
    elif name == "bpe" or by_documents:
        tokenizer, train, val = _split_first(source.texts, config, tokenizer)
    else:
        tokenizer = tokenizer or make_tokenizer(name, source.texts, config.vocab_size)
        train, val = split_validation(encode_corpus(source.texts, tokenizer))
    if by_documents:  # an end-of-text before the first document too, as before every other
        eot = np.array([_end_of_text(tokenizer)], train.dtype)
        train, val = np.concatenate([eot, train]), np.concatenate([eot, val])
    _require_enough("training", train, config.block_size + 1, config)
    _require_enough("held-out", val, 2, config)
    digest = hashlib.sha256(train.tobytes())
    digest.update(val.tobytes())
    known = floor(documents_of(val, tokenizer), tokenizer) if by_documents else None
    return Text(tokenizer, train, val, source.name, digest.hexdigest(), by_documents, known)


def _split_first(
    texts: list[str], config: TrainConfig, tokenizer: Tokenizer | None
) -> tuple[Tokenizer, Ids, Ids]:
    """(tokenizer, train, val): cut as text, so that nothing is learnt from the held-out part and
    no document is halved where windows begin at documents."""
    whole = config.windows == "documents"
    if whole:
        texts = [document for text in texts for document in split_documents(text) if document]
    first, rest = split_texts(texts, whole=whole)
    if not first:
        raise DataError(
            f"{config.data!r} has no whole document to train on beside the last 10 % that is held "
            "out; end its documents with lines <|endoftext|>, or give --val-file"
        )
    tokenizer = tokenizer or make_tokenizer(config.tokenizer, first, config.vocab_size)
    train, val = encode_corpus(first, tokenizer), encode_corpus(rest, tokenizer)
    halved = len(first) + len(rest) > len(texts)
    if halved and split_documents(first[-1])[-1]:
        # subtle: encode_corpus ends every text, but this one goes on in the held-out part
        train = train[:-1]
    return tokenizer, train, val


def documents_of(ids: Ids, tokenizer: Tokenizer) -> list[Ids]:
    """The documents, each from the end-of-text before it (put there for the first) to its own.

    Raises ConfigError with a tokenizer that has no end-of-text.
    """
    eot_id = _end_of_text(tokenizer)
    if len(ids) and ids[0] != eot_id:
        ids = np.concatenate([np.array([eot_id], ids.dtype), ids])
    return whole_documents(ids, eot_id)


def floor(stories: Sequence[Ids], tokenizer: Tokenizer) -> float | None:
    """The loss of a perfect model on these stories, in nats per token; None unless all are tales.

    A story begins with an end-of-text, which is not predicted, and ends with one, which is; a line
    end before that is part of the corpus file, not of the tale:
    -(sum of the tales' log-probabilities) / (number of ids after the first of each).
    """
    total = 0.0
    for ids in stories:
        log_prob = tales.log_prob(tokenizer.decode(ids[1:].tolist()).rstrip("\r\n"))
        if log_prob is None:
            return None
        total -= log_prob
    return total / sum(len(ids) - 1 for ids in stories) if stories else None


def _end_of_text(tokenizer: Tokenizer) -> int:
    if tokenizer.eot_id is None:
        raise _no_end_of_text(tokenizer.name)
    return tokenizer.eot_id


def _no_end_of_text(name: str) -> ConfigError:
    return ConfigError(
        f"the {name} tokenizer has no end-of-text to tell documents by; take one that has, such as "
        "bpe, or read the text as one"
    )


def _require_enough(part: str, ids: Array, least: int, config: TrainConfig) -> None:
    if len(ids) < least:
        raise DataError(
            f"the {part} text of {config.data!r} has {len(ids)} tokens and at least {least} are "
            f"needed with block_size {config.block_size}; give a longer text or a smaller "
            "--block-size"
        )
