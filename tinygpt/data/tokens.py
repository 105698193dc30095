"""Token ids in memory and on disk.

A token file is a NumPy `.npy` file (`np.load` reads it) with one line of JSON after the array:
the tokenizer and where the text came from. One file, so that it is replaced as a whole.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygpt.data.files import written_whole
from tinygpt.errors import DataError
from tinygpt.tokenizers import Tokenizer

Ids = npt.NDArray[np.integer[Any]]

_CHUNK = 1 << 20  # characters encoded at once: a list takes 8 bytes per id, an array 2
_META_LIMIT = 1 << 25  # bytes of JSON; a vocabulary of all Unicode characters fits


def encode_corpus(texts: Iterable[str], tokenizer: Tokenizer) -> Ids:
    """All texts as one 1-D array, end-of-text after each where the tokenizer has one.

    uint16 where the vocabulary fits, else uint32. Raises VocabularyError as `encode` does.
    """
    dtype = np.uint16 if tokenizer.vocab_size <= 1 << 16 else np.uint32
    end = [] if tokenizer.eot_id is None else [tokenizer.eot_id]
    parts = [np.empty(0, dtype)]
    for text in texts:
        parts += [np.array(tokenizer.encode(piece), dtype) for piece in _pieces(text, tokenizer)]
        parts.append(np.array(end, dtype))
    return np.concatenate(parts)


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
            mapped = np.lib.format.open_memmap(self.path, mode="r")
            self.ids: Ids = np.asarray(mapped)  # still mapped, without memmap's slow indexing
            self.meta: dict[str, Any] = self._read_meta(mapped.offset + mapped.nbytes)
        except OSError as error:
            raise DataError(
                f"the token file {self.path} cannot be read ({error.strerror or error}); "
                "make it with python -m tinygpt.data"
            ) from error
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise self._foreign(str(error)) from error
        if mapped.ndim != 1 or mapped.dtype not in (np.uint16, np.uint32):
            raise self._foreign(f"it holds {mapped.dtype} of shape {mapped.shape}")

    def _read_meta(self, offset: int) -> dict[str, Any]:
        with open(self.path, "rb") as file:
            file.seek(offset)
            meta = json.loads(file.read(_META_LIMIT))
        if not isinstance(meta, dict):
            raise ValueError("what follows the ids is no JSON object")
        return meta

    def _foreign(self, why: str) -> DataError:
        return DataError(
            f"{self.path} is not a token file of tinygpt, or is damaged ({why}); "
            "make it again with python -m tinygpt.data"
        )
