"""GELU, the tanh form that GPT-2 uses (Hendrycks & Gimpel 2016, section 2)."""

import math
from typing import Any

from tinygpt.backend import Array, get_xp

K = math.sqrt(2.0 / math.pi)
A = 0.044715


def gelu_forward(x: Array) -> tuple[Array, tuple[Any, ...]]:
    """y = x/2 * (1 + tanh(u)), u = K * (x + A x^3).   x (...) -> y (...)

    The derivative is computed here, while tanh is in the processor's cache, and kept instead of
    x:   dy/dx = (1 + tanh(u) + (1 - tanh(u)^2) * x u') / 2,   x u' = K * (x + 3 A x^3).
    """
    xp = get_xp(x)
    square = x * x  # x*x, never x**2 or x**3: a power is 20 times as slow
    t = square * (K * A)
    t += K
    t *= x  # u
    xp.tanh(t, out=t)
    y = t + 1.0
    y *= x
    y *= 0.5
    square *= 3.0 * A * K
    square += K
    square *= x  # x u'
    d = t * t
    xp.subtract(1.0, d, out=d)
    d *= square
    d += t
    d += 1.0
    d *= 0.5
    return y, (d,)


def gelu_backward(dy: Array, cache: tuple[Any, ...]) -> Array:
    """Return dx."""
    (d,) = cache
    dx: Array = dy * d
    return dx
