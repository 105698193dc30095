"""From a checkpoint to a model that can speak."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from tinygpt.backend import select, to_device
from tinygpt.checkpoint.find import find_checkpoint
from tinygpt.checkpoint.read import Outline, load_checkpoint, load_int8_weights
from tinygpt.errors import ConfigError
from tinygpt.int8 import Int8GPT
from tinygpt.model import GPT
from tinygpt.tokenizers import Tokenizer


def load_model(
    path: str | os.PathLike[str] | None = None, *, device: str = "auto", dtype: Any = None
) -> tuple[GPT, Tokenizer]:
    """The model and the tokenizer of a checkpoint (None: of the shipped one).

    `path` may be anything that find_checkpoint understands; `device` is auto, cpu or gpu; `dtype`
    is "float32" (also when None), "float64" or "int8" (see load_int8).
    Raises CheckpointError, BackendError, or ConfigError on another dtype.
    """
    try:
        wanted = np.dtype(np.float32 if dtype is None else dtype)
    except TypeError as error:
        raise ConfigError(f"dtype is {dtype!r}; choose float32, float64 or int8") from error
    if wanted not in (np.float32, np.float64, np.int8):
        raise ConfigError(f"dtype is {wanted}; choose float32, float64 or int8")
    found = find_checkpoint(None if path is None else os.fspath(path))
    if wanted == np.int8:
        small, outline = load_int8(found, device=device)
        return small, outline.tokenizer
    xp = select(device)
    checkpoint = load_checkpoint(found, mapped=True)
    with np.errstate(over="ignore"):  # float64 beyond float32: noticed when the model is used
        flat = to_device(checkpoint.flat.astype(wanted, copy=False), xp)
    return GPT(checkpoint.config, flat, dtype=wanted, xp=xp), checkpoint.tokenizer


def load_int8(path: Path, *, device: str = "auto") -> tuple[Int8GPT, Outline]:
    """A checkpoint's model with int8 weights, on the CPU, and what else the file holds.

    It can speak and be evaluated in a quarter of the memory; it cannot be trained or saved.
    Raises CheckpointError, BackendError, or ConfigError when a GPU is asked for.
    """
    if device != "auto" and select(device) is not np:
        raise ConfigError("int8 weights are for the CPU; choose the device cpu, or another dtype")
    weights, outline = load_int8_weights(path)
    return Int8GPT(outline.config, weights), outline
