"""Checkpoints: one HDF5 file holds weights, optimiser, tokenizer, configuration and state.

    format.py     the file's table of contents: names, versions, limits
    write.py      save_checkpoint: whole or not at all, never in place
    validate.py   what a file must be before one of its arrays is read
    arrays.py     a file's arrays: read, mapped, or as int8 weights
    read.py       load_checkpoint, read_outline, verify_checkpoint
    find.py       find_checkpoint: from what the user typed to a path
    describe.py   what a file holds, in words
    load.py       load_model: a GPT and its tokenizer, ready to speak; load_int8

Names resolve when they are first used, so that a command's `--help` loads neither NumPy nor h5py.
"""

import importlib
from typing import Any

_HOME = {
    "Checkpoint": "read",
    "find_checkpoint": "find",
    "load_checkpoint": "read",
    "load_int8": "load",
    "load_model": "load",
    "read_outline": "read",
    "save_checkpoint": "write",
    "verify_checkpoint": "read",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tinygpt.checkpoint' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tinygpt.checkpoint.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
