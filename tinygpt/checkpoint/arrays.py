"""The arrays of a file that has been seen to be sound: read, mapped, or as int8 weights."""

from typing import IO, Any

import numpy as np

from tinygpt.backend import Array
from tinygpt.checkpoint.format import dataset_name, sha256
from tinygpt.checkpoint.validate import read_text
from tinygpt.config import ModelConfig
from tinygpt.int8 import Int8Matrix, int8_paths, outputs_first, quantise
from tinygpt.params import named_views, param_shapes, parameter_count
from tinygpt.threads import fetch_pages, mapped_files_can_be_replaced


def map_params(file: IO[bytes], root: Any, config: ModelConfig) -> Array | None:
    """The weights (n,) as a map of the open file that copies the pages written to.

    None where the weights need a conversion, do not lie one after the other in the order of the
    flat array, or cannot be mapped on this platform.
    """
    datasets = [root[f"params/{dataset_name(path)}"] for path in param_shapes(config)]
    dtype, start = datasets[0].dtype, datasets[0].id.get_offset()
    end = start
    for dataset in datasets:
        if dataset.id.get_offset() != end:
            return None
        end += dataset.nbytes
    usable = dtype.itemsize >= 4 and dtype.isnative and start % dtype.itemsize == 0
    if not usable or not mapped_files_can_be_replaced():
        return None
    n = parameter_count(config)
    flat: Array = np.asarray(np.memmap(file, dtype, mode="c", offset=start, shape=(n,)))
    fetch_pages(flat)
    return flat


def read_arrays(root: Any, group: str, config: ModelConfig, verify: bool) -> Array:
    """All arrays of a group as one flat array (n,), without a second copy of them in memory.

    float16 and int8 come as float32.
    """
    stored = root[f"{group}/wte"].dtype
    flat = np.empty(parameter_count(config), np.promote_types(stored, np.float32).newbyteorder("="))
    for path, view in named_views(flat, config).items():
        dataset = root[f"{group}/{dataset_name(path)}"]
        if dataset.dtype == view.dtype:
            dataset.read_direct(view)
            raw = view
        else:
            raw = dataset[()]
            if raw.dtype == np.int8:
                scale = _scale(root, path)
                with np.errstate(over="ignore"):  # infinity is noticed when the model is used
                    np.multiply(raw, scale[:, None], out=outputs_first(path, view))
            else:
                view[...] = raw
        if verify:
            require_sha256(dataset, raw)
    return flat


def read_int8(root: Any, config: ModelConfig) -> dict[str, Any]:
    """The weights of an Int8GPT, quantised now unless they lie so in the file.

    Never are all weights in memory as floats.
    """
    weights: dict[str, Any] = {}
    paths = int8_paths(config)
    for path in param_shapes(config):
        dataset = root[f"params/{dataset_name(path)}"]
        if path not in paths:
            with np.errstate(over="ignore"):  # likewise
                weights[path] = dataset[()].astype(np.float32)
        elif dataset.dtype == np.int8:
            weights[path] = Int8Matrix(dataset[()], _scale(root, path))
        elif path == "wte":  # by far the largest: read a few rows at a time
            weights[path] = quantise(dataset)
        else:
            weights[path] = quantise(outputs_first(path, dataset[()]))
    return weights


def _scale(root: Any, path: str) -> Array:
    """The scales (O,) of an int8 matrix: few, so their hash is always compared."""
    dataset = root[f"scales/{dataset_name(path)}"]
    scale: Array = dataset[()]
    if not (np.isfinite(scale) & (scale >= 0.0)).all():
        raise ValueError(f"{dataset.name} holds a scale that is negative or no number")
    require_sha256(dataset, scale)
    return scale.astype(np.float32)


def require_sha256(dataset: Any, array: Array) -> None:
    """Raises ValueError unless the array has the hash that was stored with the dataset."""
    if sha256(array) != read_text(dataset, "sha256", 64):
        raise ValueError(f"{dataset.name} does not have the SHA-256 that was stored with it")
