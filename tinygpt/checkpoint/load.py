"""From a checkpoint to a model that can speak."""

import os
from typing import Any

import numpy as np

from tinygpt.backend import select, to_device
from tinygpt.checkpoint.find import find_checkpoint
from tinygpt.checkpoint.read import load_checkpoint
from tinygpt.errors import ConfigError
from tinygpt.model import GPT
from tinygpt.tokenizers import Tokenizer


def load_model(
    path: str | os.PathLike[str] | None = None, *, device: str = "auto", dtype: Any = None
) -> tuple[GPT, Tokenizer]:
    """The model and the tokenizer of a checkpoint (None: of the shipped one).

    `path` may be anything that find_checkpoint understands; `device` is auto, cpu or gpu; `dtype`
    is "float32" (also when None) or "float64".
    Raises CheckpointError, BackendError, or ConfigError on another dtype.
    """
    try:
        wanted = np.dtype(np.float32 if dtype is None else dtype)
    except TypeError as error:
        raise ConfigError(f"dtype is {dtype!r}; choose float32 or float64") from error
    if wanted not in (np.float32, np.float64):
        raise ConfigError(f"dtype is {wanted}; choose float32 or float64")
    xp = select(device)
    found = find_checkpoint(None if path is None else os.fspath(path))
    checkpoint = load_checkpoint(found, mapped=True)
    flat = to_device(checkpoint.flat.astype(wanted, copy=False), xp)
    return GPT(checkpoint.config, flat, dtype=wanted, xp=xp), checkpoint.tokenizer
