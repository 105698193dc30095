"""Causal attention: each position takes a weighted mean of the values at or before it
(Vaswani et al. 2017, section 3.2)."""

import math
from typing import Any

from tinygpt.backend import Array, get_xp
from tinygpt.ops.softmax import softmax_backward, softmax_forward


def causal_attention_forward(
    q: Array, k: Array, v: Array, *, mask: Array | None = None, out: Array | None = None
) -> tuple[Array, tuple[Any, ...]]:
    """y = softmax(q kᵀ / sqrt(D) + mask) v.   q (B, H, Tq, D), k, v (B, H, Tk, D) -> y as q

    Tq <= Tk: the queries are the last Tq positions, so that training, prefill and decoding one
    token are this one function. Any strides will do: matmul takes views of heads as they are.
    `mask` (B, 1, Tq, Tk) says it otherwise, for texts of different lengths side by side: 0 where
    a query sees a key, -inf where it does not.
    """
    xp = get_xp(q)
    Tq, Tk = q.shape[2], k.shape[2]
    scores = (q * (1.0 / math.sqrt(q.shape[3]))) @ k.swapaxes(-1, -2)  # (B, H, Tq, Tk)
    if mask is None and Tq > 1:
        # query i is position i + Tk - Tq: it sees keys up to that position
        mask = xp.triu(xp.full((Tq, Tk), -math.inf, q.dtype), k=Tk - Tq + 1)
    if mask is not None:
        scores += mask
    p, _ = softmax_forward(scores, out=scores)
    y = xp.matmul(p, v, out=out)
    return y, (q, k, v, p)  # p: recomputing it would cost a product and an exp


def causal_attention_backward(
    dy: Array,
    cache: tuple[Any, ...],
    *,
    out: tuple[Array | None, ...] = (None, None, None),
) -> tuple[Array, Array, Array]:
    """Return dq, dk, dv.   `out` = (dq, dk, dv), views welcome."""
    q, k, v, p = cache
    xp = get_xp(dy)
    dq_home, dk_home, dv_home = out
    # y = p @ v
    dv = xp.matmul(p.swapaxes(-1, -2), dy, out=dv_home)
    dp = dy @ v.swapaxes(-1, -2)
    # p = softmax(scores): where the mask is -inf, p and so dscores are 0
    dscores = softmax_backward(dp, (p,))
    # scores = q kᵀ / sqrt(D)
    dscores *= 1.0 / math.sqrt(q.shape[3])
    dq = xp.matmul(dscores, k, out=dq_home)
    dk = xp.matmul(dscores.swapaxes(-1, -2), q, out=dk_home)
    return dq, dk, dv
