"""Linear: every position's vector times one matrix, plus a bias."""

from typing import Any

from tinygpt.backend import Array, column_sum, deliver, matmul_into, thin_product


def linear_forward(x: Array, w: Array, b: Array | None = None) -> tuple[Array, tuple[Any, ...]]:
    """y = x @ w + b.   x (..., I), w (I, O), b (O,) -> y (..., O)"""
    y = thin_product(x.reshape(-1, x.shape[-1]), w)  # one large product, not one per sequence
    if b is not None:
        y += b
    return y.reshape(*x.shape[:-1], -1), (x, w, b is not None)


def linear_backward(
    dy: Array,
    cache: tuple[Any, ...],
    *,
    out: tuple[Array | None, ...] = (None, None, None),
    accumulate: bool = False,
) -> tuple[Array, Array, Array | None]:
    """Return dx, dw, db (None without a bias).   `out` = (None, dw, db): dx is always new."""
    x, w, has_bias = cache
    _, dw_home, db_home = out
    rows = x.reshape(-1, x.shape[-1])  # (N, I)
    dy = dy.reshape(-1, dy.shape[-1])  # (N, O)
    # y = x @ w + b, and w, b are shared by all N rows, so their gradients sum over rows
    dx = dy @ w.T
    dw = matmul_into(rows.T, dy, dw_home, accumulate)
    db = deliver(column_sum(dy), db_home, accumulate) if has_bias else None
    return dx.reshape(x.shape), dw, db
