"""Every op pair of tinygpt.ops, and how to call it: the table that the contract tests run over."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import oracles
from hypothesis import strategies as st

from tinygpt import ops


@dataclass(frozen=True)
class Op:
    """`make(rng, sizes)` gives forward's arguments; the first `n_gradients` get a gradient.

    `homes` says which gradients backward can be given a home for.
    """

    name: str
    make: Callable[..., tuple[np.ndarray, ...]]
    n_gradients: int = 1
    homes: tuple[bool, ...] = (False,)

    @property
    def forward(self) -> Callable[..., Any]:
        return getattr(ops, f"{self.name}_forward")

    @property
    def backward(self) -> Callable[..., Any]:
        return getattr(ops, f"{self.name}_backward")

    @property
    def oracle(self) -> Callable[..., Any]:
        return getattr(oracles, self.name)

    @property
    def accumulates(self) -> bool:
        return "accumulate" in inspect.signature(self.backward).parameters

    def arguments(self, sizes: "Sizes", dtype: Any = np.float64) -> tuple[np.ndarray, ...]:
        """Inputs of order one; whole numbers stay whole numbers."""
        made = self.make(np.random.default_rng(sizes.seed), sizes)
        return tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in made)

    def dout(self, y: Any, seed: int) -> Any:
        """A random incoming gradient: an array like y, or a Python float for a loss."""
        rng = np.random.default_rng([seed, 1])
        if isinstance(y, float):
            return float(rng.uniform(0.5, 2.0))
        return rng.standard_normal(y.shape).astype(y.dtype)

    def gradients(self, dout: Any, cache: Any, **keywords: Any) -> list[Any]:
        result = self.backward(dout, cache, **keywords)
        return list(result) if isinstance(result, tuple) else [result]


@dataclass(frozen=True)
class Sizes:
    """The house's shape letters; P keys of the past in attention."""

    seed: int
    B: int
    T: int
    C: int
    V: int
    H: int
    D: int
    P: int


SIZES = st.builds(
    Sizes,
    seed=st.integers(0, 2**32 - 1),
    B=st.integers(1, 3),
    T=st.integers(1, 5),
    C=st.integers(3, 7),
    V=st.integers(2, 7),
    H=st.integers(1, 3),
    D=st.integers(1, 4),
    P=st.integers(0, 3),
)


def heads(rng: np.random.Generator, s: Sizes, time: int) -> np.ndarray:
    """(B, H, time, D) as the model passes it: a strided view into (B, time, H, D)."""
    return rng.standard_normal((s.B, time, s.H, s.D)).swapaxes(1, 2)


def spread_out(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Rows whose numbers differ: where they are equal, LayerNorm bends too fast for differences."""
    rows = np.broadcast_to(np.linspace(-2.0, 2.0, shape[-1]), shape)
    return rng.permuted(rows, axis=-1) + 0.3 * rng.standard_normal(shape)


OPS = [
    Op(
        "linear",
        lambda rng, s: (
            rng.standard_normal((s.B, s.T, s.C)),
            rng.standard_normal((s.C, s.V)),
            rng.standard_normal(s.V),
        ),
        3,
        (False, True, True),
    ),
    Op(
        "layernorm",
        lambda rng, s: (
            spread_out(rng, (s.B, s.T, s.C)),
            1 + 0.5 * rng.standard_normal(s.C),
            rng.standard_normal(s.C),
        ),
        3,
        (False, True, True),
    ),
    Op("gelu", lambda rng, s: (2 * rng.standard_normal((s.B, s.T, s.C)),)),
    Op("softmax", lambda rng, s: (2 * rng.standard_normal((s.B, s.T, s.V)),)),
    Op(
        "causal_attention",
        lambda rng, s: (heads(rng, s, s.T), heads(rng, s, s.T + s.P), heads(rng, s, s.T + s.P)),
        3,
        (True, True, True),
    ),
    Op(
        "embedding",
        lambda rng, s: (rng.standard_normal((s.V, s.C)), rng.integers(0, s.V, (s.B, s.T))),
        homes=(True,),
    ),
    Op(
        "dropout",
        lambda rng, s: (
            rng.standard_normal((s.B, s.T, s.C)),
            (rng.random((s.B, s.T, s.C)) < 0.7) / 0.7,
        ),
    ),
    Op(
        "mean_squared_error",
        lambda rng, s: (rng.standard_normal((s.B, s.C)), rng.standard_normal((s.B, s.C))),
    ),
    Op(
        "cross_entropy",
        lambda rng, s: (
            2 * rng.standard_normal((s.B, s.T, s.V)),
            rng.integers(0, s.V, (s.B, s.T)),
        ),
    ),
]


def weighted(y: Any, dout: Any) -> float:
    """The scalar whose gradient backward returns."""
    return float((y * dout).sum()) if isinstance(y, np.ndarray) else float(y * dout)


def relative_error(a: Any, b: Any) -> float:
    """max|a - b| / max|b|, in float64."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape
    difference = float(np.abs(a - b).max())
    return difference / max(float(np.abs(b).max()), 1e-30) if difference else 0.0
