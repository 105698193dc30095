"""Write a checkpoint so that a reader finds the old file or the new one, never half of one."""

import dataclasses
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import h5py
import numpy as np

from tinygpt.backend import Array
from tinygpt.checkpoint.format import (
    CONFIG_BYTES,
    FORMAT,
    INT8_VERSION,
    JSON_BYTES,
    dataset_name,
    require_hdf5,
    sha256,
    texts_sha256,
)
from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError, ConfigError, ShapeError
from tinygpt.int8 import Int8Matrix, int8_specs, quantised
from tinygpt.model import GPT
from tinygpt.params import named_views, param_shapes, parameter_count
from tinygpt.threads import written_beside
from tinygpt.tokenizers import Tokenizer


def save_checkpoint(
    path: str | os.PathLike[str],
    *,
    config: ModelConfig,
    flat: Array,
    tokenizer: Tokenizer,
    optimizer: tuple[Array, Array] | None = None,
    state: dict[str, Any],
    dtype: str | None = None,
) -> None:
    """Save a model at `path`, its folder made if need be; a file already there stays until the end.

    flat (n,), and m and v (n,) of `optimizer`, are host arrays of float32 or float64; `state` is
    what JSON can hold. `dtype` ("float16", "float32", "float64", "int8") stores the weights so,
    None as they are. The same arguments give the same bytes.
    Raises CheckpointError when the file cannot be written (the earlier one is then untouched) or
    float16 cannot hold a weight; ShapeError when an array does not fit `config`; ConfigError for
    int8 with an optimiser, or if int8 cannot hold a weight.
    """
    require_hdf5()
    path = Path(path)
    groups = {"params": flat}
    if optimizer is not None:
        groups |= {"optimizer/m": optimizer[0], "optimizer/v": optimizer[1]}
    for name, array in groups.items():
        _require_fit(name, array, config)
    stored = np.dtype(dtype or flat.dtype)
    if stored == np.float16:
        _require_float16_range(path, flat, config)
    if stored == np.int8:
        if optimizer is not None:
            raise ConfigError(
                "int8 weights cannot be trained on; save them without the optimiser, or as float32"
            )
        arrays = _int8_arrays(flat, config)
    else:
        arrays = [
            array
            for name, values in groups.items()
            for array in _float_arrays(
                name, values, config, stored if name == "params" else values.dtype
            )
        ]
    texts = {
        "config": json.dumps(dataclasses.asdict(config), allow_nan=False),
        "tokenizer": json.dumps(tokenizer.to_json(), allow_nan=False),
        "state": json.dumps(state),  # a loss may be NaN or infinite, and must not stop a save
    }
    for name, text in texts.items():
        limit = CONFIG_BYTES if name == "config" else JSON_BYTES
        if len(text) > limit:
            raise CheckpointError(
                f"{path}: the {name} takes {len(text):,} bytes as JSON and a checkpoint holds "
                f"{limit:,}; make it smaller"
            )
    with _replacing(path) as file, _new_hdf5(file) as root:
        root.attrs.create("format", np.bytes_(FORMAT))
        root.attrs.create("version", np.int64(INT8_VERSION if stored == np.int8 else 1))
        for name, text in texts.items():
            root.attrs.create(name, np.bytes_(text))
        root.attrs.create("sha256", np.bytes_(texts_sha256(texts.values())))
        _write_arrays(root, arrays)


def _require_fit(name: str, array: Array, config: ModelConfig) -> None:
    n = parameter_count(config)
    if array.shape != (n,) or array.dtype not in (np.float32, np.float64):
        raise ShapeError(
            f"{name} is {array.dtype} of shape {array.shape}; the configuration needs float32 or "
            f"float64 of shape ({n},)"
        )


def _require_float16_range(path: Path, flat: Array, config: ModelConfig) -> None:
    for name, array in named_views(flat, config).items():
        with np.errstate(over="ignore"):
            lost = np.isinf(array.astype(np.float16)) & np.isfinite(array)
        if lost.any():
            raise CheckpointError(
                f"{path}: {name} holds {array[lost][0]:g} and float16 ends at 65504; "
                "save the weights as float32"
            )


class _ToWrite(NamedTuple):
    """An array, where it goes, and how it is stored."""

    name: str
    array: Array
    layout: str
    dtype: Any  # little-endian


def _float_arrays(group: str, flat: Array, config: ModelConfig, dtype: Any) -> list[_ToWrite]:
    specs, little = param_shapes(config), np.dtype(dtype).newbyteorder("<")
    return [
        _ToWrite(f"{group}/{dataset_name(path)}", array, specs[path].layout, little)
        for path, array in named_views(flat, config).items()
    ]


def _int8_arrays(flat: Array, config: ModelConfig) -> list[_ToWrite]:
    """Numbers, then scales.   Raises ConfigError as quantise does."""
    weights, specs = quantised(GPT(config, flat)).weights, int8_specs(config)
    arrays, scales = [], []
    for path, spec in specs.items():
        w, name = weights[path], dataset_name(path)
        if isinstance(w, Int8Matrix):
            scales.append(_ToWrite(f"scales/{name}", w.scale, "io", np.dtype("<f4")))
        array, dtype = (w.q, "i1") if isinstance(w, Int8Matrix) else (w, "<f4")
        arrays.append(_ToWrite(f"params/{name}", array, spec.layout, np.dtype(dtype)))
    return arrays + scales


def _write_arrays(root: Any, arrays: list[_ToWrite]) -> None:
    """All arrays, one straight after the other, so that one map covers those of a group.

    HDF5 gives an array its place when it is first written. So the headers come first, and nothing
    else falls between the numbers.
    """
    datasets = []
    for name, array, layout, dtype in arrays:
        dataset = root.create_dataset(name, array.shape, dtype)
        dataset.attrs.create("layout", np.bytes_(layout))
        dataset.attrs.create("sha256", np.bytes_(sha256(array.astype(dtype, copy=False))))
        datasets.append(dataset)
    for dataset, (_, array, _, dtype) in zip(datasets, arrays, strict=True):
        dataset[...] = array.astype(dtype, copy=False)


def _new_hdf5(file: IO[bytes]) -> Any:
    """A new HDF5 file in an open Python file; given a path, HDF5 crashes when the disk is full.

    v108 lifts the 64 kB limit of attributes and puts a checksum on all metadata; aligned arrays
    can be memory-mapped as they are.
    """
    return h5py.File(
        file, "w", libver=("v108", "v108"), alignment_threshold=256, alignment_interval=64
    )


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """The file that becomes the checkpoint at `path` when the block ends well."""
    try:
        with written_beside(path) as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:  # HDF5 may only say what came of it
        kept = "the earlier file is untouched; " if path.is_file() else ""
        raise CheckpointError(
            f"{path} could not be saved ({getattr(error, 'strerror', None) or error}); {kept}"
            "make room or choose another place, and save again"
        ) from error
