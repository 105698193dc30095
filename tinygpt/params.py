"""The table of contents of a GPT: the shape of every parameter, and one flat array for them all.

Matrices come first in the flat array, so weight decay is a slice, the gradient's norm one dot
product, and AdamW a few passes over cache-sized pieces.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from tinygpt.backend import Array
from tinygpt.config import ModelConfig

Tree = dict[str, Any]


class ParamSpec(NamedTuple):
    """`shape` as stored. `layout` "oi": a matrix stored (O, I) and seen by the model as (I, O)."""

    shape: tuple[int, ...]
    layout: str = "io"


def param_shapes(config: ModelConfig) -> dict[str, ParamSpec]:
    """Path of every parameter -> how it is stored, in the order of the flat array.

    The long side of each matrix is contiguous, which a matrix-vector product (one token decoded)
    reads faster: mlp.proj (4C, C) therefore lies as (C, 4C).

    >>> config = ModelConfig(vocab_size=65, block_size=8, n_layer=1, n_head=2, n_embd=4)
    >>> shapes = param_shapes(config)
    >>> shapes["wte"].shape, shapes["h.0.mlp.proj.w"]
    ((65, 4), ParamSpec(shape=(4, 16), layout='oi'))
    """
    C = config.n_embd
    matrices = {
        "wte": ParamSpec((config.vocab_size, C)),
        "wpe": ParamSpec((config.block_size, C)),
    }
    vectors: dict[str, ParamSpec] = {}
    for i in range(config.n_layer):
        block = f"h.{i}"
        matrices |= {
            f"{block}.attn.qkv.w": ParamSpec((C, 3 * C)),
            f"{block}.attn.proj.w": ParamSpec((C, C)),
            f"{block}.mlp.fc.w": ParamSpec((C, 4 * C)),
            f"{block}.mlp.proj.w": ParamSpec((C, 4 * C), "oi"),
        }
        vectors |= {
            f"{block}.ln1.w": ParamSpec((C,)),
            f"{block}.ln1.b": ParamSpec((C,)),
            f"{block}.attn.qkv.b": ParamSpec((3 * C,)),
            f"{block}.attn.proj.b": ParamSpec((C,)),
            f"{block}.ln2.w": ParamSpec((C,)),
            f"{block}.ln2.b": ParamSpec((C,)),
            f"{block}.mlp.fc.b": ParamSpec((4 * C,)),
            f"{block}.mlp.proj.b": ParamSpec((C,)),
        }
    vectors |= {"lnf.w": ParamSpec((C,)), "lnf.b": ParamSpec((C,))}
    return matrices | vectors


def parameter_count(config: ModelConfig) -> int:
    """How many numbers the model learns; the tied embedding counts once."""
    return sum(math.prod(spec.shape) for spec in param_shapes(config).values())


def decayed_count(config: ModelConfig) -> int:
    """How many numbers, at the start of the flat array, are in matrices and so decay."""
    return sum(math.prod(s.shape) for s in param_shapes(config).values() if len(s.shape) == 2)


def named_views(flat: Array, config: ModelConfig) -> dict[str, Array]:
    """Path -> view into the flat array, contiguous, in its stored shape."""
    named, start = {}, 0
    for path, spec in param_shapes(config).items():
        size = math.prod(spec.shape)
        named[path] = flat[start : start + size].reshape(spec.shape)
        start += size
    return named


def views(flat: Array, config: ModelConfig) -> Tree:
    """The same views as a nested tree, every matrix seen as (I, O)."""
    specs, named = param_shapes(config), named_views(flat, config)
    return nested({path: a.T if specs[path].layout == "oi" else a for path, a in named.items()})


def nested(named: dict[str, Any]) -> Tree:
    """What has paths, in the order of param_shapes, as a nested tree.

    tree["h"][0]["attn"]["qkv"]["w"] is `h.0.attn.qkv.w`; tree["h"] is a list.
    """
    tree: Tree = {"h": []}
    for path, value in named.items():
        *parents, leaf = path.split(".")
        node: Any = tree
        for name in parents:
            if isinstance(node, list) and int(name) == len(node):
                node.append({})
            node = node[int(name)] if isinstance(node, list) else node.setdefault(name, {})
        node[leaf] = value
    return tree


def init_params(config: ModelConfig, rng: np.random.Generator, dtype: Any = np.float32) -> Array:
    """GPT-2's initialisation, as one flat host array.

    Weights are normal with deviation 0.02; those that end a residual branch (the two proj) are
    divided by sqrt(2 L), so that the sum of 2L branches keeps its size; LayerNorm begins at scale
    1; biases at 0 (Radford et al. 2019, section 2.3).
    """
    flat = np.zeros(parameter_count(config), dtype)
    for path, array in named_views(flat, config).items():
        if array.ndim == 2:
            deviation = 0.02
            if path.endswith("proj.w"):
                deviation /= math.sqrt(2 * config.n_layer)
            array[...] = rng.standard_normal(array.shape)
            array *= deviation
        elif path.endswith(".w"):  # the only vectors called w are LayerNorm's
            array[...] = 1.0
    return flat
