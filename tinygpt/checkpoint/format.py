"""The table of contents of a checkpoint file, shared by its writer and its reader.

    /                       attributes format, version, JSON config, tokenizer, state; their sha256
    /params/wte             every parameter in its stored shape: little-endian floats, contiguous,
    /params/h/0/attn/qkv/w  with attributes layout ("io" or "oi") and sha256 (hex, of its bytes)
    /optimizer/m/…, v/…     AdamW's two averages, likewise; absent in a file meant only to speak
    /scales/wte             only in an int8 file (version 2): float32 (O,), the scale of each output
    /scales/h/0/attn/qkv/w  of a matrix that lies in /params as int8 (O, I), layout "oi"

In an int8 file w[i, o] is q[o, i] * scale[o], wte's outputs are its rows, all that is no large
matrix (int8.int8_paths) is float32, and there is no optimiser.

The arrays of a group lie in the file one straight after the other, in the order of the flat array,
so that float32 weights can be mapped into memory as they are. A file where they do not (C is no
multiple of 16) is as good, and is read.

Texts are fixed-length ASCII strings, so that a reader knows their size before it reads them.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import h5py
import numpy as np

from tinygpt.backend import Array
from tinygpt.errors import BackendError

FORMAT = "tinygpt"
VERSION = 2  # the newest that is read; what is written has the oldest that can hold it
INT8_VERSION = 2  # the first with int8 weights

TEXTS = ("config", "tokenizer", "state")
JSON_BYTES = 64 << 20  # a vocabulary of 256,000 tokens takes about 10 MB
CONFIG_BYTES = 1 << 16

FLOAT32 = {"<f4": h5py.h5t.IEEE_F32LE}
FLOATS = {"<f2": h5py.h5t.IEEE_F16LE, "<f8": h5py.h5t.IEEE_F64LE} | FLOAT32
INT8 = {"|i1": h5py.h5t.STD_I8LE}


def dataset_name(path: str) -> str:
    """Where a parameter lies inside its group.

    >>> dataset_name("h.0.attn.qkv.w")
    'h/0/attn/qkv/w'
    """
    return path.replace(".", "/")


def sha256(array: Array) -> str:
    """Hex SHA-256 of the array's bytes: little-endian, rows first."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return hashlib.sha256(little.reshape(-1).view(np.uint8).data).hexdigest()


def texts_sha256(texts: Iterable[str]) -> str:
    """Hex SHA-256 of the root's JSON texts: HDF5 has no checksum for those over 64 kB."""
    return hashlib.sha256("\n".join(texts).encode("ascii")).hexdigest()


def require_hdf5() -> None:
    """BackendError unless h5py stands on HDF5 2: older ones crash on damaged files."""
    version: tuple[Any, ...] = h5py.version.hdf5_version_tuple
    if version < (2, 0, 0):
        raise BackendError(
            f"h5py {h5py.version.version} brings HDF5 {h5py.version.hdf5_version} and checkpoints "
            'need HDF5 2.0 or newer; pip install --upgrade "h5py>=3.16"'
        )
