"""Mean squared error: the loss of a regression."""

from typing import Any

from tinygpt.backend import Array


def mean_squared_error_forward(y: Array, target: Array) -> tuple[float, tuple[Any, ...]]:
    """loss = mean((y - target)^2).   y, target (...) -> float"""
    difference = y - target
    return float((difference * difference).sum()) / difference.size, (difference,)


def mean_squared_error_backward(dout: float, cache: tuple[Any, ...]) -> Array:
    """Return dy = dout * 2 (y - target) / size."""
    (difference,) = cache
    dy: Array = difference * (2.0 * dout / difference.size)
    return dy
