"""Token ids in memory and on disk.

A token file is a NumPy `.npy` file (`np.load` reads it) with one line of JSON after the array:
the tokenizer and where the text came from. One file, so that it is replaced as a whole.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygpt.data.files import written_whole
from tinygpt.errors import DataError
from tinygpt.tokenizers import Tokenizer, split_documents

Ids = npt.NDArray[np.integer[Any]]

_CHUNK = 1 << 20  # characters encoded at once: a list takes 8 bytes per id, an array 2
_HEADER_LIMIT = 128  # bytes; format 1.0 pads so short a header to two times 64
_HEADER = re.compile(
    rb"\x93NUMPY\x01\0(..)\{'descr': '(<u[24])', 'fortran_order': False, "
    rb"'shape': \(([1-9]\d{0,14}),\), \} *\n\Z",
    re.DOTALL,
)
_META_LIMIT = 1 << 25  # bytes of JSON; a vocabulary of all Unicode characters fits


def encode_corpus(texts: Iterable[str], tokenizer: Tokenizer) -> Ids:
    """All texts as one 1-D array, end-of-text after each where the tokenizer has one.

    With such a tokenizer a line `<|endoftext|>` alone is that token too (and not doubled where it
    ends a text). uint16 where the vocabulary fits, else uint32. Raises VocabularyError as `encode`
    does.
    """
    dtype = np.uint16 if tokenizer.vocab_size <= 1 << 16 else np.uint32
    end = [] if tokenizer.eot_id is None else [tokenizer.eot_id]
    parts = [np.empty(0, dtype)]
    for document in _documents(texts, tokenizer):
        parts += [
            np.array(tokenizer.encode(piece), dtype) for piece in _pieces(document, tokenizer)
        ]
        parts.append(np.array(end, dtype))
    return np.concatenate(parts)


def _documents(texts: Iterable[str], tokenizer: Tokenizer) -> Iterator[str]:
    """What an end-of-text follows: the texts, cut at their lines `<|endoftext|>`."""
    for text in texts:
        documents = [text] if tokenizer.eot_id is None else split_documents(text)
        yield from documents[:-1] if len(documents) > 1 and not documents[-1] else documents


def _pieces(text: str, tokenizer: Tokenizer) -> Iterator[str]:
    """Chunks of the text where that changes no id: each character is encoded for itself."""
    step = _CHUNK if tokenizer.name in ("bytes", "char") else max(len(text), 1)
    return (text[i : i + step] for i in range(0, len(text), step))


def write_tokens(path: str | Path, ids: Ids, meta: Mapping[str, Any]) -> None:
    """Write a token file, whole or not at all. `meta` is any JSON object. Raises DataError."""
    if ids.ndim != 1 or ids.dtype not in (np.uint16, np.uint32) or not ids.size:
        raise DataError(
            f"token ids of shape {ids.shape} and type {ids.dtype} cannot be written; "
            "give at least one id, in one dimension, as uint16 or uint32"
        )
    with written_whole(Path(path)) as file:
        np.lib.format.write_array(file, np.ascontiguousarray(ids), allow_pickle=False)
        file.write(json.dumps(dict(meta)).encode("ascii") + b"\n")


class TokenFile:
    """A token file, its ids mapped from disk (1-D, read-only). Raises DataError for any other file.

    `ids` take memory only where they are read; `meta` is what `write_tokens` was given.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.ids, self.meta = self._read()
        except OSError as error:
            raise DataError(
                f"the token file {self.path} cannot be read ({error.strerror}); "
                "make it with python -m tinygpt.data"
            ) from error
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{self.path} is not a token file of tinygpt, or is damaged ({error}); "
                "make it again with python -m tinygpt.data"
            ) from error

    def _read(self) -> tuple[Ids, dict[str, Any]]:
        with open(self.path, "rb") as file:
            dtype, count, offset = _parse_header(file.read(_HEADER_LIMIT))
            end = offset + count * dtype.itemsize
            if end > os.fstat(file.fileno()).st_size:
                raise ValueError(f"it ends before its {count} ids do")
            file.seek(end)
            meta = json.loads(file.read(_META_LIMIT))
        if not isinstance(meta, dict):
            raise ValueError("what follows the ids is no JSON object")
        mapped = np.memmap(self.path, dtype, mode="r", offset=offset, shape=(count,))
        return np.asarray(mapped), meta  # still mapped, without memmap's slow indexing


def _parse_header(start: bytes) -> tuple[np.dtype[Any], int, int]:
    """(type, number of ids, offset of the first) from the start of a file. Raises ValueError.

    Ours is one of the few headers of the format: NumPy's general parser evaluates what it finds as
    Python, warns, and raises errors of six kinds on a damaged file.
    """
    found = _HEADER.match(start)
    if found is None:
        raise ValueError("it does not begin as a .npy file with one row of uint16 or uint32")
    offset = 10 + int.from_bytes(found[1], "little")
    return np.dtype(found[2].decode("ascii")), int(found[3]), offset
