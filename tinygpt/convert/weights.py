"""Tensors in safetensors files <-> the flat array of parameters.

GPT-2's files keep every matrix as (I, O), which is how our tree sees it, however it is stored.
"""

import json
import math
import re
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygpt.backend import Array
from tinygpt.config import ModelConfig
from tinygpt.convert.architecture import tensor_names
from tinygpt.convert.folder import read_json, require
from tinygpt.errors import BackendError, CheckpointError
from tinygpt.params import named_views, param_shapes, parameter_count

ONE_FILE, INDEX = "model.safetensors", "model.safetensors.index.json"
PREFIX, HEAD = "transformer.", "lm_head.weight"
_DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}  # NumPy has no bfloat16: its bits
_MASKS = re.compile(r"h\.\d+\.attn\.(masked_)?bias")  # causal masks, which old files carry along


class Tensor(NamedTuple):
    """Where an array lies, before it is read."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int


def read_weights(folder: Path, config: ModelConfig) -> Array:
    """All weights as one flat float32 array (n,).

    Raises CheckpointError when a tensor is missing, unknown, of another shape or type, not a
    number, or an output layer that is not tied; BackendError without safetensors.
    """
    stored = _find_tensors(folder)
    names = tensor_names(config)
    _require_all(folder, stored, {names[path]: shape for path, shape in _shapes(config).items()})
    flat = np.empty(parameter_count(config), np.float32)
    for path, view in _views(flat, config).items():
        view[...] = _read(stored[names[path]])
        require(
            bool(np.isfinite(view).all()),
            f"{folder} has values in {names[path]} that are no numbers; fetch it again",
        )
    if HEAD in stored:
        require(
            np.array_equal(_read(stored[HEAD]), named_views(flat, config)["wte"]),
            f"{folder} has an output layer of its own ({HEAD} is not wte.weight) and tinygpt's "
            "is tied to the embedding; convert a model whose two are one",
        )
    return flat


def write_weights(folder: Path, flat: Array, config: ModelConfig) -> None:
    """model.safetensors: float32, under the names that GPT2LMHeadModel has."""
    import_safetensors()
    from safetensors.numpy import save_file

    names = tensor_names(config)
    tensors = {
        PREFIX + names[path]: np.ascontiguousarray(view, np.float32)
        for path, view in _views(flat, config).items()
    }
    save_file(tensors, folder / ONE_FILE, metadata={"format": "pt"})


def import_safetensors() -> Any:
    """The module, or BackendError with what to install."""
    try:
        import safetensors
    except ImportError as error:
        raise BackendError(
            "GPT-2's weights are kept in safetensors files and that library is not installed; "
            "pip install 'tinygpt[convert]'"
        ) from error
    return safetensors


def _views(flat: Array, config: ModelConfig) -> dict[str, Array]:
    """Path -> view, every matrix as (I, O)."""
    specs = param_shapes(config)
    return {
        path: view.T if specs[path].layout == "oi" else view
        for path, view in named_views(flat, config).items()
    }


def _shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Path -> shape, every matrix as (I, O)."""
    return {
        path: spec.shape[::-1] if spec.layout == "oi" else spec.shape
        for path, spec in param_shapes(config).items()
    }


def _require_all(
    folder: Path, stored: dict[str, Tensor], shapes: dict[str, tuple[int, ...]]
) -> None:
    """These tensors, of these shapes and a float type that we read; a head and masks may be too."""
    if HEAD in stored:
        shapes = shapes | {HEAD: shapes["wte.weight"]}
    for name, shape in shapes.items():
        require(name in stored, f"{folder} lacks the tensor {name}; fetch the whole model")
        found = stored[name]
        require(
            found.shape == shape,
            f"{folder} has {name} with shape {found.shape} and its config.json implies {shape}; "
            "fetch both files of one model",
        )
        require(
            found.dtype in _DTYPES,
            f"{folder} has {name} as {found.dtype} and tinygpt reads {', '.join(_DTYPES)}; "
            "save the model in one of these types",
        )
    for name in stored:
        require(
            name in shapes or _MASKS.fullmatch(name) is not None,
            f"{folder} has the tensor {name!r:.80}, which a GPT-2 has not; convert a plain GPT-2",
        )


def _find_tensors(folder: Path) -> dict[str, Tensor]:
    """Name, without the prefix -> tensor, of model.safetensors or of all its shards."""
    stored: dict[str, Tensor] = {}
    for path in _files(folder):
        for name, tensor in _read_header(path).items():
            name = name.removeprefix(PREFIX)
            require(
                name not in stored, f"{folder} has the tensor {name!r:.80} twice; fetch it again"
            )
            stored[name] = tensor
    return stored


def _files(folder: Path) -> list[Path]:
    if (folder / ONE_FILE).exists():
        return [folder / ONE_FILE]
    if (folder / INDEX).exists():
        shards = read_json(folder / INDEX).get("weight_map")
        names = list(shards.values()) if isinstance(shards, dict) else []
        require(bool(names), f"{folder / INDEX} names no files; fetch it again")
        for name in names:
            plain = isinstance(name, str) and name == Path(name).name
            require(plain, f"{folder / INDEX} names the file {name!r:.80}, not one of its folder")
        return [folder / name for name in sorted(set(names))]
    pickled = (folder / "pytorch_model.bin").exists()
    other = ", but a pickle (never opened: it can run code)" if pickled else ""
    raise CheckpointError(
        f"{folder} has no {ONE_FILE}{other}; fetch that file, or save the model with transformers' "
        "save_pretrained"
    )


def _read_header(path: Path) -> dict[str, Tensor]:
    """What a file holds: eight bytes of length, then JSON, then the arrays one after another."""
    safetensors = import_safetensors()
    try:
        with safetensors.safe_open(path, framework="np"):
            pass  # its checks are what we want: sizes and offsets fit, nothing overlaps
    except (OSError, ValueError, safetensors.SafetensorError) as error:  # a name may be no name
        raise CheckpointError(
            f"{path} is missing, damaged or no safetensors file ({error}); fetch it again"
        ) from error
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {
        name: Tensor(
            path, entry["dtype"], tuple(entry["shape"]), 8 + length + entry["data_offsets"][0]
        )
        for name, entry in header.items()
    }


def _read(tensor: Tensor) -> Array:
    """The tensor, as float32 unless float16 can hold all of it."""
    raw = np.fromfile(
        tensor.path, _DTYPES[tensor.dtype], math.prod(tensor.shape), offset=tensor.offset
    )
    if tensor.dtype == "BF16":  # the upper half of a float32
        raw = (raw.astype("<u4") << 16).view("<f4")
    return raw.reshape(tensor.shape)
