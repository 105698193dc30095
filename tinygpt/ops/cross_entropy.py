"""Cross-entropy: minus the log-probability of the right token, from logits."""

from typing import Any

from tinygpt.backend import Array, get_xp, row_blocks, row_sum
from tinygpt.errors import ShapeError


def cross_entropy_forward(
    logits: Array, ids: Array, *, count: int | None = None, out: Array | None = None
) -> tuple[float, tuple[Any, ...]]:
    """loss = -sum(log softmax(logits)[ids]) / count.   logits (..., V), ids (...) -> float

    `count` is the number of rows of the global batch (default: the rows given), so the losses of
    workers add up. The gradient (softmax - onehot) / count is made on the way, in `out`, which may
    be the logits themselves: then a second array of their size never exists.

    Raises ShapeError when there is not one id per row of logits, or `out` is not contiguous.
    """
    xp = get_xp(logits)
    if ids.shape != logits.shape[:-1]:
        raise ShapeError(
            f"the ids have shape {ids.shape} and the logits {logits.shape}; give one id per row"
        )
    if out is not None and not out.flags.c_contiguous:
        raise ShapeError("out is not contiguous, so its rows cannot be written in place; copy it")
    V = logits.shape[-1]
    dlogits: Array = xp.empty(logits.shape, logits.dtype) if out is None else out
    z, dz, ids = logits.reshape(-1, V), dlogits.reshape(-1, V), ids.reshape(-1)
    scale = 1.0 / (len(z) if count is None else count)
    loss = 0.0
    for block in row_blocks(z):
        p, right = dz[block], ids[block]
        row = xp.arange(len(right))
        xp.subtract(z[block], z[block].max(axis=1, keepdims=True), out=p)
        loss -= float(p[row, right].sum())
        xp.exp(p, out=p)
        total = row_sum(p)
        loss += float(xp.log(total).sum())  # -log p = log(sum exp z) - z_right
        p *= (scale / total)[:, None]
        p[row, right] -= scale
    return loss * scale, (dlogits,)


def cross_entropy_backward(dout: float, cache: tuple[Any, ...]) -> Array:
    """Return dlogits = dout * (softmax - onehot) / count   (..., V).

    For dout = 1 this is forward's own array, not a copy: read it, do not write to it.
    """
    (dlogits,) = cache
    result: Array = dlogits if dout == 1.0 else dlogits * dout
    return result
