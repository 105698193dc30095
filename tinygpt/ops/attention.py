"""Causal attention: each position takes a weighted mean of the values at or before it
(Vaswani et al. 2017, section 3.2).

A tile of queries at a time, against the keys that it may see: what lies to the right of the
diagonal is masked anyway, so most of it is never computed.
"""

import math
from collections.abc import Iterator
from typing import Any

from tinygpt.backend import Array, get_xp, matmul_into, row_dot

TILE = 64  # queries


def tiles(Tq: int, Tk: int) -> Iterator[tuple[slice, slice]]:
    """The queries of each tile, and the keys that its last query sees.

    >>> list(tiles(100, 120))
    [(slice(0, 64, None), slice(0, 84, None)), (slice(64, 100, None), slice(0, 120, None))]
    """
    for start in range(0, Tq, TILE):
        stop = min(start + TILE, Tq)
        yield slice(start, stop), slice(0, stop + Tk - Tq)


def causal_attention_forward(
    q: Array, k: Array, v: Array, *, mask: Array | None = None, out: Array | None = None
) -> tuple[Array, tuple[Any, ...]]:
    """y = softmax(q kᵀ / sqrt(D) + mask) v.   q (B, H, Tq, D), k, v (B, H, Tk, D) -> y as q

    Tq <= Tk: the queries are the last Tq positions, so that training, prefill and decoding one
    token are this one function. Any strides will do: matmul takes views of heads as they are.
    `mask` (B, 1, Tq, Tk) hides more, for texts of different lengths side by side: 0 where a
    query sees a key, -inf where it does not.

    Softmax divides exp(scores) by the sum of a row; here the row of y is divided, which is D wide
    and not Tk (Dao 2023, section 3.1.1).
    """
    xp = get_xp(q)
    Tq, Tk = q.shape[2], k.shape[2]
    q = q * (1.0 / math.sqrt(q.shape[3]))
    y: Array = xp.empty_like(q) if out is None else out
    sums: Array = xp.empty((*q.shape[:3], 1), q.dtype)
    exps = []
    for rows, seen in tiles(Tq, Tk):
        e = q[:, :, rows] @ k[:, :, seen].swapaxes(-1, -2)  # scores (B, H, tile, seen)
        if mask is not None:
            e += mask[:, :, rows, seen]
        if (n := rows.stop - rows.start) > 1:  # the last n keys: query i sees the first i + 1
            e[..., -n:] += xp.triu(xp.full((n, n), -math.inf, q.dtype), k=1)
        e -= e.max(axis=-1, keepdims=True)
        xp.exp(e, out=e)
        e.sum(axis=-1, keepdims=True, out=sums[:, :, rows])
        xp.matmul(e, v[:, :, seen], out=y[:, :, rows])
        exps.append(e)  # kept: recomputing it would cost a product and an exp
    y /= sums
    return y, (q, k, v, y, exps, sums)


def causal_attention_backward(
    dy: Array,
    cache: tuple[Any, ...],
    *,
    out: tuple[Array | None, ...] = (None, None, None),
) -> tuple[Array, Array, Array]:
    """Return dq, dk, dv.   `out` = (dq, dk, dv), views welcome.

    Softmax's backward is dscores = p (dp - sum(dp p)), where p = e / sums. Since dp = dy vᵀ and
    y = p v, that sum is dy · y: D numbers to add up, not Tk (Dao et al. 2022, appendix B.2).
    """
    q, k, v, y, exps, sums = cache
    xp = get_xp(dy)
    dq, dk, dv = (
        xp.empty_like(a) if home is None else home for a, home in zip((q, k, v), out, strict=True)
    )
    dy = dy / sums
    along_p = row_dot(dy, y)[..., None]  # sum(dp p) / sums   (B, H, Tq, 1)
    Tq, Tk = q.shape[2], k.shape[2]
    for (rows, seen), e in zip(reversed([*tiles(Tq, Tk)]), reversed(exps), strict=True):
        # the last tile's queries see every key: it writes dk and dv, the earlier ones add
        add = seen.stop < Tk
        # y = e @ v / sums
        matmul_into(e.swapaxes(-1, -2), dy[:, :, rows], dv[:, :, seen], add)
        dscores = dy[:, :, rows] @ v[:, :, seen].swapaxes(-1, -2)
        dscores -= along_p[:, :, rows]
        dscores *= e  # where the mask is -inf, e and so dscores are 0
        # scores = q kᵀ, where q is already divided by sqrt(D)
        xp.matmul(dscores, k[:, :, seen], out=dq[:, :, rows])
        matmul_into(dscores.swapaxes(-1, -2), q[:, :, rows], dk[:, :, seen], add)
    dq *= 1.0 / math.sqrt(q.shape[3])
    return dq, dk, dv
