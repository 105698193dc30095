"""What a checkpoint file must be before one of its arrays is read.

HDF5 can point anywhere: external storage once returned the bytes of a system file as weights,
links and virtual datasets read other files, and 199 kB declared 40 TB. So nothing is followed and
nothing is allocated until the whole tree is what the configuration implies: hard links only, plain
contiguous little-endian numbers, exact names and shapes, all of it inside the file. Each refusal is
a ValueError whose text says what is wrong; the reader adds the path and what to do.
"""

import json
import math
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any

import h5py
import numpy as np

from tinygpt.checkpoint.format import (
    CONFIG_BYTES,
    FLOAT32,
    FLOATS,
    INT8,
    INT8_VERSION,
    JSON_BYTES,
    TEXTS,
    VERSION,
    dataset_name,
    texts_sha256,
)
from tinygpt.config import ModelConfig
from tinygpt.int8 import int8_paths, int8_specs
from tinygpt.params import ParamSpec, param_shapes, parameter_count

Names = dict[str, Any]  # name -> Names of a group, or None for a dataset


def _require(ok: bool, message: str) -> None:
    if not ok:
        raise ValueError(message)


def read_text(obj: Any, name: str, limit: int) -> str:
    """A fixed-length ASCII attribute of at most `limit` bytes."""
    _require(h5py.h5a.exists(obj.id, name.encode()), f"the attribute {name} is missing")
    attribute = h5py.h5a.open(obj.id, name.encode())
    kind = attribute.get_type()
    _require(
        isinstance(kind, h5py.h5t.TypeStringID)
        and not kind.is_variable_str()
        and attribute.get_space().get_simple_extent_type() == h5py.h5s.SCALAR,
        f"the attribute {name} is not one fixed-length text",
    )
    size = kind.get_size()
    _require(size <= limit, f"the attribute {name} has {size:,} bytes, more than {limit:,}")
    value = np.empty((), f"S{size}")
    attribute.read(value)
    return bytes(value[()]).decode("ascii")


def read_version(root: Any) -> int:
    """The file's format version."""
    _require(h5py.h5a.exists(root.id, b"version"), "the attribute version is missing")
    attribute = h5py.h5a.open(root.id, b"version")
    kind = attribute.get_type()
    _require(
        isinstance(kind, h5py.h5t.TypeIntegerID)
        and kind.get_size() <= 8
        and attribute.get_space().get_simple_extent_type() == h5py.h5s.SCALAR,
        "the attribute version is not a whole number",
    )
    value = np.empty((), np.int64)
    attribute.read(value)
    _require(int(value) >= 1, f"its version is {int(value)}; versions run from 1 to {VERSION}")
    return int(value)


def validate_texts(root: Any) -> None:
    """Check the root's JSON texts against the hash that was stored with them."""
    texts = [read_text(root, name, JSON_BYTES) for name in TEXTS]
    same = texts_sha256(texts) == read_text(root, "sha256", 64)
    _require(same, f"{', '.join(TEXTS)} do not have the SHA-256 that was stored with them")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"JSON holds {name}, which is no number")


def read_json(root: Any, name: str, *, allow_nan: bool = False) -> dict[str, Any]:
    """One of the root's JSON texts, as a dict."""
    text = read_text(root, name, CONFIG_BYTES if name == "config" else JSON_BYTES)
    constant: Callable[[str], float] = float if allow_nan else _refuse_constant
    value = json.loads(text, parse_constant=constant)
    _require(isinstance(value, dict), f"the JSON of {name} is not an object")
    return typing.cast(dict[str, Any], value)


def read_config(root: Any, file_size: int) -> ModelConfig:
    """The model's configuration, no larger than a file of `file_size` bytes can hold."""
    values = read_json(root, "config")
    kinds = typing.get_type_hints(ModelConfig)
    for name, value in values.items():
        _require(name in kinds, f"its configuration has an unknown setting, {name!r:.80}")
        kind = kinds[name]
        # type, not isinstance: True is an int to Python
        fits = type(value) is kind or (kind is float and type(value) is int)
        _require(fits, f"{name} is {value!r:.80} and must be {kind.__name__}")
    for field in fields(ModelConfig):
        known = field.name in values or field.default is not MISSING
        _require(known, f"its configuration lacks {field.name}")
    config = ModelConfig(**values)
    count = parameter_count(config)
    _require(
        count <= file_size,  # int8; how many bytes each takes, validate_tree will know
        f"its configuration implies {count:.3g} parameters and the file has {file_size:,} bytes",
    )
    return config


def validate_tree(root: Any, config: ModelConfig, file_size: int, *, optimizer: bool) -> None:
    """Check every object that will be read: weights, and AdamW's averages if `optimizer`.

    Without it /optimizer is not opened at all.
    """
    specs = param_shapes(config)
    tree = _tree(specs)
    others = [name for name in ("scales", "optimizer") if root.id.links.exists(name.encode())]
    _require_names(root, "/", {"params", *others[:1]})  # scales or optimiser, not both
    _validate_group(root, "/params", tree)
    if "scales" in others:
        version = read_version(root)
        _require(version >= INT8_VERSION, f"it has int8 weights and says version {version}")
        total = _validate_int8(root, config, file_size)
        _require_inside(total, file_size)
        return
    groups = ["/params"]
    if optimizer:
        _validate_group(root, "/optimizer", {"m": tree, "v": tree})
        groups += ["/optimizer/m", "/optimizer/v"]
    total = 0
    for group in groups:
        kinds = {
            _validate_array(root, group, path, spec, FLOATS, file_size)
            for path, spec in specs.items()
        }
        _require(len(kinds) == 1, f"{group} mixes {' and '.join(sorted(kinds))}")
        size = np.dtype(kinds.pop()).itemsize
        _require(size > 2 or group == "/params", f"{group} is float16 and must be float32 or 64")
        total += size * parameter_count(config)
    _require_inside(total, file_size)


def _require_inside(total: int, file_size: int) -> None:
    """Many names for one array would make a small file fill a large memory."""
    _require(total <= file_size, f"its arrays take {total:,} bytes and the file has {file_size:,}")


def _validate_int8(root: Any, config: ModelConfig, file_size: int) -> int:
    """Check the arrays of an int8 file; return how many bytes they take."""
    paths = int8_paths(config)
    _validate_group(root, "/scales", _tree(paths))
    total = 0
    for path, spec in int8_specs(config).items():
        kinds = INT8 if path in paths else FLOAT32
        _validate_array(root, "/params", path, spec, kinds, file_size)
        total += math.prod(spec.shape) * (1 if path in paths else 4)
        if path in paths:
            outputs = spec.shape[:1]
            _validate_array(root, "/scales", path, ParamSpec(outputs), FLOAT32, file_size)
            total += 4 * outputs[0]
    return total


def _tree(paths: Iterable[str]) -> Names:
    tree: Names = {}
    for path in paths:
        *parents, leaf = path.split(".")
        node = tree
        for name in parents:
            node = node.setdefault(name, {})
        node[leaf] = None
    return tree


def _require_names(group: Any, path: str, names: set[str]) -> None:
    """Exactly these names, each a hard link: no soft, external or user-defined one."""
    links = group.id.links
    for name in sorted(names):
        _require(links.exists(name.encode()), f"{path} lacks {name}")
        hard = links.get_info(name.encode()).type == h5py.h5l.TYPE_HARD
        _require(hard, f"{path} has {name} as a link to elsewhere")
    # counted, never listed: there may be millions
    count = group.id.get_num_objs()
    _require(count == len(names), f"{path} holds {count} objects and should hold {len(names)}")


def _validate_group(root: Any, path: str, tree: Names) -> None:
    opened = h5py.h5o.open(root.id, path.encode())
    _require(isinstance(opened, h5py.h5g.GroupID), f"{path} is not a group")
    _require_names(h5py.Group(opened), path, set(tree))
    for name, below in tree.items():
        if below is not None:
            _validate_group(root, f"{path}/{name}", below)


def _validate_array(
    root: Any, group: str, path: str, spec: ParamSpec, allowed: Mapping[str, Any], file_size: int
) -> str:
    """Check one dataset without reading it; return its type as NumPy writes it ("<f4").

    `allowed` has the types that it may have, by NumPy's names, as HDF5's.
    """
    name = f"{group}/{dataset_name(path)}"
    opened = h5py.h5o.open(root.id, name.encode())
    _require(isinstance(opened, h5py.h5d.DatasetID), f"{name} is not a dataset")
    plan = opened.get_create_plist()
    plain = plan.get_layout() == h5py.h5d.CONTIGUOUS and plan.get_nfilters() == 0
    _require(plain, f"{name} is virtual, chunked or compressed, and must be contiguous")
    _require(plan.get_external_count() == 0, f"{name} takes its bytes from another file")
    kind = opened.get_type()
    kinds = [numpy_kind for numpy_kind, hdf5_kind in allowed.items() if kind.equal(hdf5_kind)]
    needed = np.dtype(next(iter(allowed))).name
    if allowed is FLOATS:
        needed = "a little-endian float of 16, 32 or 64 bits"
    _require(bool(kinds), f"{name} is not {needed}")
    space = opened.get_space()
    simple = space.get_simple_extent_type() == h5py.h5s.SIMPLE
    shape = space.get_simple_extent_dims() if simple else ()
    _require(shape == spec.shape, f"{name} has shape {shape} and the configuration {spec.shape}")
    size = math.prod(spec.shape) * np.dtype(kinds[0]).itemsize
    _require(opened.get_storage_size() == size, f"{name} has less storage than its shape needs")
    offset = opened.get_offset()
    inside = offset is not None and offset + size <= file_size
    _require(inside, f"{name} lies outside of the file")
    layout = read_text(h5py.Dataset(opened), "layout", 16)
    _require(layout == spec.layout, f"{name} has layout {layout!r} and needs {spec.layout!r}")
    return kinds[0]
