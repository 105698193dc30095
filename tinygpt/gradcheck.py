"""Gradients against finite differences: the check that tests, lessons and the grader share.

A directional derivative compares the whole gradient in two evaluations, and loses no accuracy to
the size of the tensor: (f(x + e d) - f(x - e d)) / 2e against g · d, for a random direction d.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from tinygpt.backend import Array
from tinygpt.errors import ShapeError

STEP = 1e-5  # balances the truncation error, e^2, against rounding, 1e-16 / e
ROUNDING = 1e-9  # share of the largest gradient below which one is zero but for rounding


class GradientReport(NamedTuple):
    """One tensor's result. `error` is relative; `worst` the coordinate that is most wrong."""

    name: str
    shape: tuple[int, ...]
    error: float
    worst: tuple[int, ...]
    zero: bool

    def __str__(self) -> str:
        if self.zero:
            return f"{self.name} {self.shape}: zero by symmetry"
        return f"{self.name} {self.shape}: error {self.error:.1e}, worst at {self.worst}"


def relative_error(numeric: float, g: Array, d: Array) -> float:
    """|numeric - g·d| / (|g·d| + ‖g‖‖d‖/√n).

    g·d can be near zero by chance; the second term is its usual size. Infinite when either is not
    a number: NaN would compare as neither right nor wrong.
    """
    dot = float(np.vdot(g, d))
    usual = float(np.linalg.norm(g) * np.linalg.norm(d)) / math.sqrt(g.size)
    error = abs(numeric - dot) / (abs(dot) + usual + sys.float_info.min)
    return error if math.isfinite(error) else math.inf


def check_gradients(
    f: Callable[[], float],
    arrays: Mapping[str, Array],
    grads: Mapping[str, Array],
    *,
    rng: np.random.Generator | None = None,
    directions: int = 2,
    coordinates: int = 8,
    step: float = STEP,
) -> list[GradientReport]:
    """Compare `grads` with finite differences of f, tensor by tensor.

    f() is a scalar that depends on `arrays`, float64 and read afresh at every call: they are
    moved and put back exactly. The worst of a few random directions is the error; the worst
    coordinate is the most wrong of `coordinates` tried (those with the largest gradients, then
    random ones; all of them when the error is above 1e-6 and the tensor has at most 4,096).

    Raises ShapeError when an array is not float64 or its gradient has another shape.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    return [*gradient_reports(f, arrays, grads, rng, directions, coordinates, step)]


def gradient_reports(
    f: Callable[[], float],
    arrays: Mapping[str, Array],
    grads: Mapping[str, Array],
    rng: np.random.Generator,
    directions: int = 2,
    coordinates: int = 0,
    step: float = STEP,
) -> Iterator[GradientReport]:
    """`check_gradients`, one tensor at a time: who has seen enough stops the work.

    Without `coordinates` a right tensor takes four evaluations of f; its `worst` is the place of
    its largest gradient.
    """
    largest = max((float(np.abs(grads[n]).max(initial=0.0)) for n in arrays), default=0.0)
    for name, x in arrays.items():
        g = grads[name]
        if x.dtype != np.float64 or g.shape != x.shape:
            raise ShapeError(
                f"{name} is {x.dtype} {x.shape} and its gradient {g.dtype} {g.shape}; "
                "gradient checks need float64 and equal shapes"
            )
        numeric = [(d := rng.standard_normal(x.shape), _along(f, x, d, step))
                   for _ in range(directions)]  # fmt: skip
        floor = ROUNDING * largest * math.sqrt(x.size)
        zero = bool(
            np.abs(g).max() <= ROUNDING * largest
            and all(abs(slope) <= floor for _, slope in numeric)
        )
        error = 0.0 if zero else max(relative_error(slope, g, d) for d, slope in numeric)
        worst = _worst_coordinate(f, x, g, rng, coordinates, step, every=error > 1e-6)
        yield GradientReport(name, x.shape, error, worst, zero)


def _along(f: Callable[[], float], x: Array, d: Array, step: float) -> float:
    """The derivative of f along d at x, by central differences; x is put back exactly."""
    start = x.copy()
    try:
        x[...] = start + step * d
        above = f()
        x[...] = start - step * d
        below = f()
    finally:
        x[...] = start
    return (above - below) / (2.0 * step)


def _worst_coordinate(
    f: Callable[[], float],
    x: Array,
    g: Array,
    rng: np.random.Generator,
    coordinates: int,
    step: float,
    every: bool,
) -> tuple[int, ...]:
    """The coordinate whose gradient is furthest from its finite difference."""
    if every and x.size <= 4096:
        tried = np.arange(x.size)
    else:
        large = np.argsort(np.abs(g), axis=None)[::-1][: max(1, -(-coordinates // 2))]
        tried = np.concatenate([large, rng.integers(0, x.size, coordinates // 2)])
    gaps = []
    for i in tried if len(tried) > 1 else ():
        d = np.zeros(x.shape)
        d.flat[i] = 1.0
        gaps.append(abs(_along(f, x, d, step) - float(g.flat[i])))
    worst = tried[int(np.argmax(gaps)) if gaps else 0]
    return tuple(int(k) for k in np.unravel_index(worst, x.shape))
