"""GELU, the tanh form that GPT-2 uses (Hendrycks & Gimpel 2016, section 2)."""

import math
from typing import Any

from tinygpt.backend import Array, get_xp, row_blocks

K = math.sqrt(2.0 / math.pi)
A = 0.044715


def gelu_forward(x: Array) -> tuple[Array, tuple[Any, ...]]:
    """y = x s,   s = (1 + tanh(u)) / 2,   u = K (x + A x^3).   x (...) -> y (...)

    s is the logistic function of 2u, so ds/du = 2 s (1 - s). The derivative is computed here,
    while s is in the processor's cache, and kept instead of x:
    dy/dx = s + x ds/dx = s + s (1 - s) 2 x u',   x u' = K (x + 3 A x^3).
    """
    xp = get_xp(x)
    y, d = xp.empty(x.shape, x.dtype), xp.empty(x.shape, x.dtype)
    flat_x, flat_y, flat_d = x.reshape(-1), y.reshape(-1), d.reshape(-1)
    for block in row_blocks(flat_x):
        part = flat_x[block]
        square = part * part  # not part**3: a power calls a function for each number
        s = square * (K * A)
        s += K
        s *= part  # u
        xp.tanh(s, out=s)
        s += 1.0
        s *= 0.5
        xp.multiply(part, s, out=flat_y[block])
        square *= 6.0 * A * K
        square += 2.0 * K
        square *= part  # 2 x u'
        square *= s
        derivative = xp.subtract(1.0, s, out=flat_d[block])
        derivative *= square
        derivative += s
    return y, (d,)


def gelu_backward(dy: Array, cache: tuple[Any, ...]) -> Array:
    """Return dx."""
    (d,) = cache
    dx: Array = dy * d
    return dx
