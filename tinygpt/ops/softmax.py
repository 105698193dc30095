"""Softmax over the last axis, stable however large the inputs."""

from typing import Any

from tinygpt.backend import Array, get_xp, row_dot


def softmax_forward(x: Array, *, out: Array | None = None) -> tuple[Array, tuple[Any, ...]]:
    """p = exp(x) / sum(exp(x)).   x (..., V) -> p (..., V)   (`out` may be x itself)

    Subtracting the row's maximum changes nothing and keeps exp from overflowing.
    """
    xp = get_xp(x)
    p = xp.subtract(x, x.max(axis=-1, keepdims=True), out=out)
    xp.exp(p, out=p)
    p /= p.sum(axis=-1, keepdims=True)
    return p, (p,)


def softmax_backward(dp: Array, cache: tuple[Any, ...]) -> Array:
    """Return dx = p * (dp - sum(dp * p))."""
    (p,) = cache
    dx = dp - row_dot(dp, p)[..., None]
    dx *= p
    return dx
