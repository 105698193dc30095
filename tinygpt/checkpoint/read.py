"""Read a checkpoint: check the whole file, then take from it what is asked for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import h5py

from tinygpt.backend import Array
from tinygpt.checkpoint.arrays import map_params, read_arrays, read_int8, require_sha256
from tinygpt.checkpoint.format import FORMAT, VERSION, dataset_name, require_hdf5
from tinygpt.checkpoint.validate import (
    read_config,
    read_json,
    read_text,
    read_version,
    validate_texts,
    validate_tree,
)
from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError
from tinygpt.int8 import int8_paths
from tinygpt.params import param_shapes
from tinygpt.tokenizers import Tokenizer, load_tokenizer

SIGNATURE = b"\x89HDF\r\n\x1a\n"

# what h5py raises on damaged metadata, and Python on damaged text
DAMAGE = (
    OSError, KeyError, RuntimeError, ValueError, TypeError,
    AttributeError, IndexError, OverflowError, MemoryError,
)  # fmt: skip


@dataclass(frozen=True)
class Checkpoint:
    """What a file held. flat, m and v (n,) are host arrays; m and v are None unless asked for."""

    config: ModelConfig
    flat: Array
    tokenizer: Tokenizer
    state: dict[str, Any]
    m: Array | None
    v: Array | None
    path: Path


def load_checkpoint(
    path: str | os.PathLike[str],
    *,
    optimizer: bool = False,
    verify: bool = False,
    mapped: bool = False,
) -> Checkpoint:
    """Read a checkpoint; float16 and int8 weights come as float32, others as they are stored.

    `optimizer` reads AdamW's averages too; `verify` compares the SHA-256 of every array read (a
    flipped bit in a weight is silent otherwise). Nothing outside of the file is ever read.

    `mapped` takes weights that need no conversion from a map of the file, so that they are read
    when they are first used and shared with other processes; what is written to them stays in
    memory. The file may be replaced meanwhile (os.replace, mv), not overwritten (cp).

    Raises CheckpointError when the file is missing, foreign, newer, damaged or hostile; DataError
    when its tokenizer is GPT-2's and that vocabulary cannot be had.
    """
    path = Path(path)
    with _validated(path, optimizer=optimizer) as (file, root, outline):
        if optimizer and not outline.optimizer:
            raise CheckpointError(
                f"{path} holds no optimiser state, so training cannot go on from it; "
                "resume from a latest.h5, or load it without the optimiser"
            )
        config = outline.config
        flat = None if verify or not mapped else map_params(file, root, config)
        if flat is None:
            flat = read_arrays(root, "params", config, verify)
        m = read_arrays(root, "optimizer/m", config, verify) if optimizer else None
        v = read_arrays(root, "optimizer/v", config, verify) if optimizer else None
    return Checkpoint(config, flat, outline.tokenizer, outline.state, m, v, path)


@dataclass(frozen=True)
class Outline:
    """What a file says about its arrays: `dtype` is how the weights are stored."""

    config: ModelConfig
    tokenizer: Tokenizer
    state: dict[str, Any]
    dtype: str
    optimizer: bool
    path: Path


def read_outline(path: str | os.PathLike[str]) -> Outline:
    """Everything but the arrays.   Raises as load_checkpoint does."""
    with _validated(Path(path), optimizer=False) as (_, _, outline):
        return outline


def rounding_note(path: str | os.PathLike[str]) -> str | None:
    """One sentence if the weights in a file have lost digits that no other dtype brings back."""
    if read_outline(path).dtype != "int8":
        return None
    return f"note: the weights of {path} were rounded to int8 and stay so"


def load_int8_weights(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Outline]:
    """What an Int8GPT is made of, quantised now unless it lies so in the file, and the outline.

    Raises as load_checkpoint does, CheckpointError also when a weight is infinite or no number.
    """
    with _validated(Path(path), optimizer=False) as (_, root, outline):
        return read_int8(root, outline.config), outline


def verify_checkpoint(path: str | os.PathLike[str]) -> int:
    """Compare every array with its SHA-256, one at a time; return how many there are.

    The texts are compared whenever a file is opened. Raises as load_checkpoint does.
    """
    with _validated(Path(path), optimizer=True) as (_, root, outline):
        paths = list(param_shapes(outline.config))
        groups = {"params": paths}
        if outline.optimizer:
            groups |= {"optimizer/m": paths, "optimizer/v": paths}
        if outline.dtype == "int8":
            groups["scales"] = list(int8_paths(outline.config))
        names = [f"{group}/{dataset_name(p)}" for group, paths in groups.items() for p in paths]
        for name in names:
            require_sha256(root[name], root[name][()])
        return len(names)


@contextmanager
def _validated(path: Path, *, optimizer: bool) -> Iterator[tuple[IO[bytes], Any, Outline]]:
    """The open file, seen to be ours and whole; with `optimizer` its averages too, if any."""
    require_hdf5()
    with _open(path) as file, _refusing(path), h5py.File(file, "r") as root:
        _require_ours(root, path)
        size = os.fstat(file.fileno()).st_size
        validate_texts(root)
        config = read_config(root, size)
        trained = root.id.links.exists(b"optimizer")
        validate_tree(root, config, size, optimizer=optimizer and trained)
        dtype = root["params/wte"].dtype.name
        state = read_json(root, "state", allow_nan=True)
        yield file, root, Outline(config, _tokenizer(root, config), state, dtype, trained, path)


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    """The file, if it is an HDF5 file at all."""
    try:
        if not path.exists():
            raise CheckpointError(f"there is no checkpoint {path}; check the name, or train one")
        if not path.is_file():
            raise CheckpointError(f"{path} is not a file; name a checkpoint, which ends in .h5")
        file = open(path, "rb")  # noqa: SIM115 (closed below, after its own errors are told apart)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{path} cannot be opened ({reason}); check its rights") from error
    with file:
        head = file.read(len(SIGNATURE))
        if head != SIGNATURE:
            raise CheckpointError(
                f"{path} is not an HDF5 file{_guess(head)}; tinygpt reads the .h5 files that "
                "its own training writes"
            )
        file.seek(0)
        yield file


def _guess(head: bytes) -> str:
    if not head:
        return " but an empty one"
    if head.startswith((b"PK\x03\x04", b"\x80")):
        return (
            " but a pickle or a zip archive, as .pt and .npz are (never opened: they can run code)"
        )
    return ""


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn every way in which a bad file can fail into one CheckpointError."""
    try:
        yield
    except CheckpointError:
        raise
    except DAMAGE as error:  # ConfigError among them: it is a ValueError
        cause = str(error.args[0]) if error.args else type(error).__name__
        raise CheckpointError(
            f"{path} is damaged or was not written by tinygpt: {cause}; "
            "use an earlier checkpoint or a fresh copy"
        ) from error


def _require_ours(root: Any, path: Path) -> None:
    foreign = f"{path} is an HDF5 file of another program; name a checkpoint that tinygpt wrote"
    if not h5py.h5a.exists(root.id, b"format"):
        raise CheckpointError(foreign)
    try:
        name = read_text(root, "format", 64)
    except ValueError as error:
        raise CheckpointError(foreign) from error
    if name != FORMAT:
        raise CheckpointError(foreign)
    version = read_version(root)
    if version > VERSION:
        raise CheckpointError(
            f"{path} has format version {version} and this tinygpt reads up to {VERSION}; "
            "pip install --upgrade tinygpt"
        )


def _tokenizer(root: Any, config: ModelConfig) -> Tokenizer:
    values = read_json(root, "tokenizer")
    try:
        tokenizer = load_tokenizer(values)
    except CheckpointError as error:
        raise ValueError(str(error)) from error
    if tokenizer.vocab_size > config.vocab_size:
        raise ValueError(
            f"its tokenizer has {tokenizer.vocab_size} ids and its model {config.vocab_size}"
        )
    return tokenizer
