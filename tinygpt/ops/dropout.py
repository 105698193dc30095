"""Dropout: switch channels off at random while training (Srivastava et al. 2014)."""

from typing import Any

from tinygpt.backend import Array


def dropout_forward(x: Array, mask: Array) -> tuple[Array, tuple[Any, ...]]:
    """y = x * mask.   x, mask (...) -> y (...)

    The mask holds 0 or 1 / (1 - p), so that y is x in the mean over masks, and at test time
    dropout is simply left out.
    """
    return x * mask, (mask,)


def dropout_backward(dy: Array, cache: tuple[Any, ...]) -> Array:
    """Return dx."""
    (mask,) = cache
    dx: Array = dy * mask
    return dx
