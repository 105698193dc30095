"""Fine-tuning: a run that begins from a checkpoint's weights, with its tokenizer and its shape."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tinygpt.backend import Array
from tinygpt.checkpoint import Checkpoint, find_checkpoint, load_checkpoint, read_outline
from tinygpt.checkpoint.read import rounding_note
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.corpus import Text, prepare_text
from tinygpt.errors import ConfigError, VocabularyError
from tinygpt.evaluation import text_bytes
from tinygpt.params import named_views, parameter_count
from tinygpt.tokenizers import Tokenizer

FEW_BYTES = 1.5  # per token, at which a vocabulary of byte pairs has met no such text


def inherit(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, with what --init-from decides and nobody said filled in.

    Raises CheckpointError as read_outline does.
    """
    if settings.get("init_from") is None:
        return dict(settings)
    outline = read_outline(find_checkpoint(settings["init_from"]))
    block_size = outline.config.block_size
    return _kept(outline.config, outline.tokenizer) | {"block_size": block_size} | dict(settings)


def load_beginning(config: TrainConfig) -> Checkpoint | None:
    """The checkpoint of --init-from, its context cut to the run's; None without --init-from.

    Raises ConfigError when the run is to have another shape or tokenizer, CheckpointError as
    load_checkpoint does.
    """
    if config.init_from is None:
        return None
    loaded = load_checkpoint(find_checkpoint(config.init_from), verify=True)
    for name, value in _kept(loaded.config, loaded.tokenizer).items():
        said = getattr(config, name)
        if said != value:
            raise ConfigError(
                f"{name} is {said!r} and {config.init_from} has {value!r}, which fine-tuning "
                f"keeps; leave {name} out of flags, --config and --preset"
            )
    most = loaded.config.block_size
    if config.block_size > most:
        raise ConfigError(
            f"block_size is {config.block_size} and {config.init_from} has learnt {most} "
            f"positions; choose a --block-size of at most {most}"
        )
    shorter = replace(loaded.config, block_size=config.block_size)
    return replace(loaded, config=shorter, flat=_cut(loaded.flat, loaded.config, shorter))


def _kept(model: ModelConfig, tokenizer: Tokenizer) -> dict[str, Any]:
    """What a fine-tuned model has of the one that it begins from."""
    shape = {name: getattr(model, name) for name in ("n_layer", "n_head", "n_embd")}
    vocab_size = {"vocab_size": tokenizer.vocab_size} if tokenizer.name == "bpe" else {}
    return shape | {"tokenizer": tokenizer.name} | vocab_size


def _cut(flat: Array, model: ModelConfig, shorter: ModelConfig) -> Array:
    """The same weights without the last rows of wpe, the positions that no window reaches."""
    kept = np.empty(parameter_count(shorter), flat.dtype)
    whole = named_views(flat, model)
    for path, array in named_views(kept, shorter).items():
        array[...] = whole[path][: len(array)]
    return kept


def text_of(config: TrainConfig, beginning: Checkpoint | None) -> Text:
    """The run's text, encoded with the tokenizer that it begins with.

    Raises what prepare_text raises; VocabularyError when the tokenizer lacks a character.
    """
    if beginning is None:
        return prepare_text(config)
    try:
        return prepare_text(config, beginning.tokenizer)
    except VocabularyError as error:
        raise VocabularyError(
            f"{config.init_from} cannot learn {config.data!r}: {error}, without --init-from"
        ) from error


def precision(config: TrainConfig) -> str | None:
    """One sentence if the weights that the run begins with were rounded."""
    if config.init_from is None:
        return None
    return rounding_note(find_checkpoint(config.init_from))


def doubt(config: TrainConfig, text: Text) -> str | None:
    """One sentence if the vocabulary that the run begins with hardly knows the text."""
    if config.init_from is None or text.tokenizer.name in ("bytes", "char"):
        return None
    each = text_bytes(text.train, text.tokenizer) / len(text.train)
    if each >= FEW_BYTES:
        return None
    return (
        f"the vocabulary of {config.init_from} hardly knows this text ({each:.1f} bytes a token), "
        "so a window holds little of it; a model of its own, without --init-from, may serve better"
    )
