"""Embedding: look up a row of a table for each token id."""

from typing import Any

from tinygpt.backend import Array, get_xp, scatter_add


def embedding_forward(w: Array, ids: Array) -> tuple[Array, tuple[Any, ...]]:
    """y = w[ids].   w (V, C), ids (...) -> y (..., C)"""
    return w[ids], (ids, w.shape)


def embedding_backward(
    dy: Array, cache: tuple[Any, ...], *, out: Array | None = None, accumulate: bool = False
) -> Array:
    """Return dw (V, C): row v is the sum of dy wherever ids == v."""
    ids, shape = cache
    dw: Array = get_xp(dy).zeros(shape, dy.dtype) if out is None else out
    if out is not None and not accumulate:
        dw[...] = 0.0
    scatter_add(dw, ids.reshape(-1), dy.reshape(-1, shape[1]))
    return dw
