"""The gradient check applied to every operation and to a whole model: what `prove` prints."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygpt import ops
from tinygpt.backend import Array
from tinygpt.config import ModelConfig
from tinygpt.gradcheck import GradientReport, check_gradients
from tinygpt.model import GPT, dropout_masks
from tinygpt.params import named_views, views

Forward = Callable[..., tuple[Any, tuple[Any, ...]]]


def prove_op(
    name: str,
    forward: Forward,
    backward: Callable[..., Any],
    arrays: dict[str, Array],
    rng: np.random.Generator,
    **fixed: Any,
) -> list[GradientReport]:
    """Check backward's gradients of all `arrays`, forward's differentiable arguments in order.

    `fixed` are forward's other arguments, by name. An array result y becomes the scalar y · r for
    a random r, whose gradient with respect to y is r.
    """
    result, cache = forward(**arrays, **fixed)
    r = 1.0 if isinstance(result, float) else rng.standard_normal(result.shape)
    grads = backward(r, cache)
    grads = grads if isinstance(grads, tuple) else (grads,)
    reports = check_gradients(
        lambda: float(np.vdot(forward(**arrays, **fixed)[0], r)),
        arrays,
        dict(zip(arrays, grads, strict=True)),
        rng=rng,
    )
    return [report._replace(name=f"{name} {report.name}") for report in reports]


def prove_ops(rng: np.random.Generator) -> list[GradientReport]:
    """Check all nine operations on inputs of order one."""

    def normal(*shape: int) -> Array:
        return rng.standard_normal(shape)

    ids = rng.integers(0, 5, (3, 4))  # 12 ids of 5 kinds: some are bound to repeat
    mask = (rng.random((3, 4)) < 0.8) / 0.8
    return [
        report
        for name, arrays, fixed in (
            ("linear", {"x": normal(2, 3, 4), "w": normal(4, 5), "b": normal(5)}, {}),
            ("layernorm", {"x": normal(2, 3, 6), "w": normal(6), "b": normal(6)}, {}),
            ("gelu", {"x": normal(3, 4)}, {}),
            ("softmax", {"x": normal(3, 5)}, {}),
            ("causal_attention", {n: normal(2, 2, 5, 3) for n in "qkv"}, {}),
            ("embedding", {"w": normal(5, 3)}, {"ids": ids}),
            ("dropout", {"x": normal(3, 4)}, {"mask": mask}),
            ("cross_entropy", {"logits": normal(3, 4, 5)}, {"ids": ids}),
            ("mean_squared_error", {"y": normal(3, 4)}, {"target": normal(3, 4)}),
        )
        for report in prove_op(
            name,
            getattr(ops, f"{name}_forward"),
            getattr(ops, f"{name}_backward"),
            arrays,
            rng,
            **fixed,
        )
    ]


def prove_model(
    config: ModelConfig, batch_size: int, rng: np.random.Generator
) -> list[GradientReport]:
    """Check every parameter of a whole model, with weights of order one, on random ids
    (batch_size, block_size).

    The bias of the keys has a gradient of zero (softmax ignores a shift common to all keys), so
    the bias of qkv is reported as three tensors.
    """
    model = GPT(config, dtype=np.float64)
    model.flat[...] += 0.3 * rng.standard_normal(model.flat.shape)
    shape = (batch_size, config.block_size)
    ids, targets = (rng.integers(0, config.vocab_size, shape) for _ in range(2))
    masks = dropout_masks(
        config, range(batch_size), config.block_size, seed=0, step=0, like=model.flat
    )
    grad, scratch = np.zeros_like(model.flat), np.zeros_like(model.flat)
    model.loss_and_gradients(ids, targets, views(grad, config), masks=masks)
    scratch_tree = views(scratch, config)
    return check_gradients(
        lambda: model.loss_and_gradients(ids, targets, scratch_tree, masks=masks),
        _split_biases(named_views(model.flat, config)),
        _split_biases(named_views(grad, config)),
        rng=rng,
    )


def _split_biases(named: dict[str, Array]) -> dict[str, Array]:
    """`qkv.b` as its thirds `qkv.b[q]`, `qkv.b[k]`, `qkv.b[v]`; all else as it is."""
    result: dict[str, Array] = {}
    for path, array in named.items():
        if path.endswith("qkv.b"):
            thirds = np.split(array, 3)
            result |= {f"{path}[{n}]": a for n, a in zip("qkv", thirds, strict=True)}
        else:
            result[path] = array
    return result
