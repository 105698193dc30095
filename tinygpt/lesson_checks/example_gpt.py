"""What the checks of lesson 09 are made of: small GPTs as trees of parameters, and the library
behind the lesson's signatures."""

from typing import Any

import numpy as np

from tinygpt import transformer
from tinygpt.backend import Array
from tinygpt.config import ModelConfig
from tinygpt.model import GPT
from tinygpt.params import Tree, named_views, views
from tinygpt.params import parameter_count as library_count


class Params(dict[str, Any]):
    """A tree of parameters, shown as the expression that makes it."""

    def __init__(self, tree: Tree, says: str) -> None:
        super().__init__(tree)
        self.says = says

    def __repr__(self) -> str:
        return self.says


def example_flat(config: ModelConfig) -> Array:
    """Parameters of order one for this configuration, float64, the same at every call."""
    flat, rng = GPT(config, dtype=np.float64).flat, np.random.default_rng(0)
    for path, a in named_views(flat, config).items():
        spread = 1.0 if path == "wte" else 0.5 if a.ndim == 2 else 0.3
        a[...] = spread * rng.standard_normal(a.shape) + (a.ndim == 1 and path.endswith(".w"))
    return flat


def as_tree(flat: Array, config: ModelConfig, says: str) -> Params:
    """The parameters as a tree that nobody can write to."""
    flat = flat.copy()
    flat.flags.writeable = False
    tree = views(flat, config)
    tree["h"] = [Params(block, f"{says}['h'][{i}]") for i, block in enumerate(tree["h"])]
    return Params(tree, says)


def configuration(V: int, T: int, L: int, C: int) -> ModelConfig:
    return ModelConfig(vocab_size=V, block_size=T, n_layer=L, n_head=1, n_embd=C)


def example(V: int, T: int, L: int, C: int) -> Params:
    """The parameters of a small GPT, all of order one, for exercises and checks.

    >>> p = example(5, 3, 1, 4)
    >>> p["wte"].shape, p["h"][0]["attn"]["qkv"]["w"].shape
    ((5, 4), (4, 12))
    """
    config = configuration(V, T, L, C)
    return as_tree(example_flat(config), config, f"c09.example({V}, {T}, {L}, {C})")


def silent(p: Params, *branches: str) -> Params:
    """A copy of a block in which these branches (attn, mlp) give 0: their proj is 0."""
    copy = Params(p, f"{p.says}, with {' and '.join(branches)}.proj (w and b) at 0")
    for name in branches:
        proj = {key: np.zeros_like(a) for key, a in p[name]["proj"].items()}
        copy[name] = {**p[name], "proj": proj}
    return copy


def silent_gpt(p: Params) -> Params:
    """A copy of a GPT in which no block does anything."""
    copy = Params(p, f"{p.says}, with every attn.proj and mlp.proj (w and b) at 0")
    copy["h"] = [silent(block, "attn", "mlp") for block in p["h"]]
    return copy


def cast(tree: Any, dtype: Any) -> Any:
    """The same tree with arrays of this dtype."""
    if isinstance(tree, np.ndarray):
        return tree.astype(dtype)
    if isinstance(tree, list):
        return [cast(part, dtype) for part in tree]
    parts = {key: cast(part, dtype) for key, part in tree.items()}
    return Params(parts, f"{tree.says}, in {dtype.__name__}") if hasattr(tree, "says") else parts


def flatten(tree: Any, path: str = "") -> dict[str, Any]:
    """Path -> array, the path as it is written in code: ['h'][0]['ln1']['w']."""
    if isinstance(tree, dict | list):
        parts = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return {k: a for key, part in parts for k, a in flatten(part, f"{path}[{key!r}]").items()}
    return {path: tree}


def unlike(tree: Any) -> Any:
    """A tree of the same shapes, its numbers to be written."""
    if isinstance(tree, dict):
        return {key: unlike(part) for key, part in tree.items()}
    return [unlike(part) for part in tree] if isinstance(tree, list) else np.empty_like(tree)


def numbers_like(shape: tuple[int, ...]) -> Array:
    """Numbers between -2 and 2 in no order, the same everywhere."""
    i = np.arange(float(np.prod(shape)))
    return (2.0 * np.cos(i * i + 2.0 * i)).reshape(shape).round(1) + 0.0


def close(a: Array, b: Array) -> bool:
    return bool(np.allclose(a, b, atol=1e-9))


# ---- the library behind the lesson's signatures


def block(x: Array, p: Tree, n_head: int) -> Array:
    return transformer.block_forward(x, p, n_head)[0]


def block_backward(dy: Array, x: Array, p: Tree, n_head: int) -> tuple[Array, Tree]:
    _, cache = transformer.block_forward(x, p, n_head)
    g: Tree = unlike(p)
    return transformer.block_backward(dy, cache, g, accumulate=False), g


def model_of(p: Tree, n_head: int) -> GPT:
    """The library's model around these parameters."""
    (V, C), T = p["wte"].shape, len(p["wpe"])
    config = ModelConfig(vocab_size=V, block_size=T, n_layer=len(p["h"]), n_head=n_head, n_embd=C)
    model = GPT(config, dtype=p["wte"].dtype)
    model.params = p
    return model


def gpt_forward(ids: Array, p: Tree, n_head: int) -> Array:
    return model_of(p, n_head).forward(ids)[0]


def gpt_backward(dlogits: Array, ids: Array, p: Tree, n_head: int) -> Tree:
    model = model_of(p, n_head)
    g: Tree = unlike(p)
    model.backward(dlogits, model.forward(ids)[1], g)
    return g


def parameter_count(vocab_size: int, block_size: int, n_layer: int, n_embd: int) -> int:
    return library_count(configuration(vocab_size, block_size, n_layer, n_embd))
