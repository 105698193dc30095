"""LayerNorm: normalise each position's channels, then scale and shift (Ba et al. 2016)."""

from typing import Any

from tinygpt.backend import Array, column_sum, deliver, get_xp, row_dot


def layernorm_forward(
    x: Array, w: Array, b: Array, *, eps: float = 1e-5
) -> tuple[Array, tuple[Any, ...]]:
    """y = w * (x - mean) / sqrt(var + eps) + b.   x (..., C), w (C,), b (C,) -> y (..., C)"""
    xp = get_xp(x)
    C = x.shape[-1]
    rows = x.reshape(-1, C)
    mean = rows @ xp.full(C, 1.0 / C, x.dtype)  # a product is faster than mean()
    xhat = rows - mean[:, None]
    rstd = row_dot(xhat, xhat)  # (N,)
    rstd *= 1.0 / C  # the variance, no Bessel correction
    rstd += eps
    xp.sqrt(rstd, out=rstd)
    xp.divide(1.0, rstd, out=rstd)
    xhat *= rstd[:, None]
    y = xhat * w
    y += b
    return y.reshape(x.shape), (xhat, rstd, w)  # xhat, not x: one array instead of x and mean


def layernorm_backward(
    dy: Array,
    cache: tuple[Any, ...],
    *,
    out: tuple[Array | None, ...] = (None, None, None),
    accumulate: bool = False,
) -> tuple[Array, Array, Array]:
    """Return dx, dw, db.   `out` = (None, dw, db): dx is always new."""
    xhat, rstd, w = cache
    xp = get_xp(dy)
    _, dw_home, db_home = out
    shape, C = dy.shape, w.shape[0]
    dy = dy.reshape(-1, C)
    # y = xhat * w + b, and w, b are shared by all rows
    product = dy * xhat  # (N, C)
    dw = deliver(column_sum(product), dw_home, accumulate)
    db = deliver(column_sum(dy), db_home, accumulate)
    # xhat = (x - mean) * rstd: take out of dxhat = dy * w what only moves the mean or the scale
    w_mean = w * (1.0 / C)
    along_xhat = product @ w_mean  # mean(dxhat * xhat)   (N,)
    along_ones = dy @ w_mean  # mean(dxhat)   (N,)
    dx = dy * w
    dx -= xp.multiply(xhat, along_xhat[:, None], out=product)
    dx -= along_ones[:, None]
    dx *= rstd[:, None]
    return dx.reshape(shape), dw, db
