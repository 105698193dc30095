"""Small models with weights of order one, and PyTorch's numbers for one of them.

Weights of size 0.02 hide wrong gradients behind residuals: a key's gradient that is off by 114 %
passed such a test in another project.
"""

import math
from functools import cache
from pathlib import Path

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.model import GPT
from tinygpt.params import Tree, named_views, parameter_count, views

GOLDEN = Path(__file__).parent / "golden"
SMALL = ModelConfig(vocab_size=11, block_size=8, n_layer=2, n_head=2, n_embd=8)


@cache
def golden(name: str) -> dict[str, np.ndarray]:
    """The arrays of tests/golden/NAME.npz."""
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def order_one(config: ModelConfig = SMALL, *, seed: int = 0, dtype=np.float64, xp=np) -> GPT:
    """A model with products that keep the scale, and biases and gains far from 0 and 1."""
    rng = np.random.default_rng(seed)
    flat = np.empty(parameter_count(config), dtype)
    for path, array in named_views(flat, config).items():
        spread = 1.3 / math.sqrt(config.n_embd) if array.ndim == 2 else 0.4
        centre = 1.0 if array.ndim == 1 and path.endswith(".w") else 0.0  # LayerNorm's gain
        array[...] = centre + spread * rng.standard_normal(array.shape)
    return GPT(config, xp.asarray(flat))


def batch(config: ModelConfig = SMALL, rows: int = 3, *, seed: int = 1):
    """Inputs and targets (rows, block_size); the inputs repeat a few ids."""
    rng = np.random.default_rng(seed)
    shape = (rows, config.block_size)
    return rng.integers(0, 5, shape) * 2, rng.integers(0, config.vocab_size, shape)


def gradient_tree(model: GPT) -> tuple[np.ndarray, Tree]:
    """A flat gradient full of junk that a correct backward overwrites, and its tree."""
    flat = model.xp.full_like(model.flat, 1e3)
    return flat, views(flat, model.config)


def as_tree_orientation(named: dict[str, np.ndarray], config: ModelConfig) -> dict[str, np.ndarray]:
    """Path -> array with every matrix as (I, O), from `named_views`' stored shapes."""
    from tinygpt.params import param_shapes

    specs = param_shapes(config)
    return {path: a.T if specs[path].layout == "oi" else a for path, a in named.items()}


def golden_config() -> ModelConfig:
    sizes = {k.removeprefix("config/"): int(v) for k, v in golden("gpt").items() if "config/" in k}
    return ModelConfig(**sizes)


def golden_model(dtype, xp=np) -> GPT:
    """The model whose numbers PyTorch computed."""
    config = golden_config()
    flat = np.empty(parameter_count(config), dtype)
    for path, array in as_tree_orientation(named_views(flat, config), config).items():
        array[...] = golden("gpt")[f"params/{path}"]
    return GPT(config, xp.asarray(flat))


def relative_error(a, b) -> float:
    """max|a - b| / max|b|."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape, (a.shape, b.shape)
    return float(np.abs(a - b).max() / np.abs(b).max())


def without_key_bias(path: str, array: np.ndarray) -> np.ndarray:
    """The bias of queries and values: the keys' has a gradient of zero, hence no relative error."""
    if not path.endswith("attn.qkv.b"):
        return array
    C = len(array) // 3
    return np.concatenate([array[:C], array[2 * C :]])


def golden_errors(dtype) -> dict[str, float]:
    """Relative error of logits, loss and every gradient against PyTorch's, tensor by tensor."""
    bits, model, expected = np.dtype(dtype).itemsize * 8, golden_model(dtype), golden("gpt")
    logits, _ = model.forward(expected["ids"])
    flat, g = gradient_tree(model)
    loss = model.loss_and_gradients(expected["ids"], expected["targets"], g)
    errors = {
        "logits": relative_error(logits, expected[f"logits{bits}"]),
        "loss": relative_error(loss, expected[f"loss{bits}"]),
    }
    named = as_tree_orientation(named_views(flat, model.config), model.config)
    for path, gradient in named.items():
        reference = expected[f"grads{bits}/{path}"]
        errors[path] = relative_error(
            without_key_bias(path, gradient), without_key_bias(path, reference)
        )
    return errors
