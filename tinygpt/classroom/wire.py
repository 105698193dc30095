"""What goes over the pipe between the grader and a submission: JSON, and arrays as .npy.

A message is a dict. On the pipe it is its length (8 bytes), the length of its JSON (4 bytes), the
JSON, and then the arrays' bytes. Nothing is ever unpickled, and a length is looked at before
anything is read or allocated. What is neither a number, a text, an array, nor a list, tuple or dict
of such stays where it is; a `Handle` goes in its place.
"""

import io
import json
import math
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import IO, Any

import numpy as np

LARGEST = 64 * 2**20  # bytes in a message
LARGEST_TEXT = 4 * 2**20  # bytes of its JSON: as Python objects it takes many times as much
DEEPEST = 20  # lists in lists


class Handle:
    """Stands for an object that stayed in the other process; its class is named like that one's.

    `source` is the function whose result it was part of, `inputs` what that was called with."""

    number: int
    source: str = ""
    inputs: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        if self.source:
            return f"that of {self.source}({', '.join(self.inputs)})"
        kind = type(self).__name__
        return "None" if kind == "NoneType" else f"a {kind}"


def handle(number: int, kind: str) -> Handle:
    """A Handle whose type has the name `kind`, so that a sentence can say what came.

    >>> type(handle(3, "generator")).__name__
    'generator'
    """
    made: Handle = type(kind if kind.isidentifier() else "object", (Handle,), {})()
    made.number = number
    return made


def pack(value: Any, keep: Callable[[Any], list[Any]], blobs: list[bytes], depth: int = 0) -> Any:
    """JSON for a value, its arrays appended to `blobs`; `keep(other)` is JSON for what stays."""
    kind = type(value)
    if value is None or kind in (bool, float, str):
        return ["value", value]
    if kind is int:
        return ["value", value] if value.bit_length() < 4096 else keep(value)
    if kind is np.ndarray or isinstance(value, np.generic):
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            return keep(value)
        array = np.asarray(value)
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        blobs.append(npy_header(array.shape, fortran, array.dtype) + array.tobytes("A"))
        return ["array" if kind is np.ndarray else "scalar", len(blobs) - 1]
    if depth < DEEPEST and isinstance(value, list | tuple):
        name = "list" if isinstance(value, list) else "tuple"
        return [name, [pack(part, keep, blobs, depth + 1) for part in value]]
    if depth < DEEPEST and isinstance(value, dict) and all(type(k) in (int, str) for k in value):
        return ["dict", [[k, pack(part, keep, blobs, depth + 1)] for k, part in value.items()]]
    return keep(value)


def unpack(packed: Any, find: Callable[[str, list[Any]], Any], blobs: list[bytes]) -> Any:
    """The value again; `find(kind, rest)` gives what a handle of the other side stands for.

    Raises ValueError, TypeError, KeyError or IndexError if the message is not well formed.
    """
    kind, *rest = packed
    if kind == "value":
        return rest[0]
    if kind in ("array", "scalar"):
        array = read_array(blobs[rest[0]])
        return array if kind == "array" else array[()]
    if kind == "list":
        return [unpack(part, find, blobs) for part in rest[0]]
    if kind == "tuple":
        return tuple(unpack(part, find, blobs) for part in rest[0])
    if kind == "dict":
        return {key: unpack(part, find, blobs) for key, part in rest[0]}
    return find(kind, rest)


Layout = tuple[tuple[int, ...], bool, np.dtype[Any]]  # shape, Fortran order, dtype


@lru_cache(1000)  # NumPy takes longer for a header than for the numbers of a small array
def npy_header(shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any]) -> bytes:
    """What stands before the numbers in an .npy file."""
    file = io.BytesIO()
    told = {"shape": shape, "fortran_order": fortran, "descr": np.lib.format.dtype_to_descr(dtype)}
    np.lib.format.write_array_header_1_0(file, told)
    return file.getvalue()


@lru_cache(1000)
def npy_layout(header: bytes) -> Layout:
    """What such a header says. Raises ValueError if it is none of ours."""
    file = io.BytesIO(header)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("an array in a format that we do not write")
    return np.lib.format.read_array_header_1_0(file)


def read_array(blob: bytes) -> np.ndarray[Any, Any]:
    """The array of numbers in the bytes of an .npy file, if its header tells the truth.

    Raises ValueError otherwise: before any memory is asked for.
    """
    end = 10 + int.from_bytes(blob[8:10], "little")  # the header's length stands at byte 8
    shape, fortran, dtype = npy_layout(blob[:end])
    data = blob[end:]
    if dtype.kind not in "biuf" or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError("an array whose header does not fit its data")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C").copy()


def send(stream: IO[bytes], message: dict[str, Any], blobs: list[bytes]) -> None:
    """Write one message. Raises OSError when nobody reads, ValueError when it is too large."""
    text = json.dumps({**message, "sizes": [len(blob) for blob in blobs]}).encode()
    body = b"".join([struct.pack(">I", len(text)), text, *blobs])
    _expect_size(len(body), LARGEST)
    _expect_size(len(text), LARGEST_TEXT)
    stream.write(struct.pack(">Q", len(body)) + body)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[bytes]]:
    """Read one message. Raises EOFError at the end, ValueError if it is no message of ours."""
    (length,) = struct.unpack(">Q", _exactly(stream, 8))
    _expect_size(length, LARGEST)
    body = _exactly(stream, length)
    end = int.from_bytes(body[:4], "big")
    _expect_size(end, LARGEST_TEXT)
    try:
        message = json.loads(body[4 : 4 + end])
        sizes, start, blobs = message.pop("sizes"), 4 + end, []
        for size in sizes:
            blobs.append(body[start : start + size])
            start += size
    except (AttributeError, KeyError, TypeError, RecursionError) as cause:
        raise ValueError(f"no message of ours ({cause})") from None
    return message, blobs


def _expect_size(size: int, most: int) -> None:
    if size > most:
        raise ValueError(f"a message of {size:,} bytes; {most:,} at most")


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data
