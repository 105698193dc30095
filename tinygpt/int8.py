"""int8 weights for generation: a quarter of the memory, and a quarter to read for each token.

Each output of a large matrix has its weights as whole numbers from -127 to 127 and one scale
(symmetric absmax quantisation, Dettmers et al. 2022, section 2.1; a scale for each output, 3.1).
NumPy multiplies int8 slowly, so a block of weights is expanded to floats in the cache, multiplied
there and forgotten: memory moves one byte per weight.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from tinygpt.backend import FEW_ROWS, Array
from tinygpt.config import ModelConfig
from tinygpt.errors import ConfigError
from tinygpt.model import GPT
from tinygpt.panels import LARGE, Rows
from tinygpt.params import ParamSpec, Tree, named_views, nested, param_shapes
from tinygpt.threads import WorkerPool, blas_threads, default_workers
from tinygpt.transformer import Cache

EXPANDED = 1 << 20  # weights at a time: fewer, and calls cost more than the arithmetic
LEVELS = 127  # and as many below zero: -128 stays unused


def int8_specs(config: ModelConfig) -> dict[str, ParamSpec]:
    """Path -> how each parameter lies in an int8 model: large matrices with their outputs first.

    The position embedding is looked up and never multiplied, and stays as it is.

    >>> config = ModelConfig(vocab_size=65, block_size=8, n_layer=1, n_head=2, n_embd=4)
    >>> int8_specs(config)["wte"], int8_specs(config)["h.0.mlp.fc.w"].shape
    (ParamSpec(shape=(65, 4), layout='oi'), (16, 4))
    """
    specs = param_shapes(config)
    for path in int8_paths(config):
        shape = specs[path].shape
        specs[path] = ParamSpec(shape[::-1] if _turned(path) else shape, "oi")
    return specs


def int8_paths(config: ModelConfig) -> dict[str, None]:
    """The paths of the matrices that are quantised, in order."""
    specs = param_shapes(config)
    return {path: None for path, spec in specs.items() if len(spec.shape) == 2 and path != "wpe"}


def outputs_first(path: str, array: Array) -> Array:
    """A view of a matrix in its stored shape (param_shapes) as (O, I) (int8_specs), and back."""
    return array.T if _turned(path) else array


def _turned(path: str) -> bool:
    """mlp.proj is stored so already, and the last layer is wte's transpose."""
    return not path.endswith("mlp.proj.w") and path != "wte"


class Int8Matrix:
    """A matrix w (I, O) as q (O, I) int8 and scale (O,) float32: w[i, o] is q[o, i] * scale[o].

    `x @ matrix` is x @ w for x (N, I), its outputs shared among the pool's workers if there is one.
    """

    __array_ufunc__ = None  # so that NumPy leaves x @ matrix to __rmatmul__

    def __init__(self, q: Array, scale: Array, pool: WorkerPool | None = None) -> None:
        self.q, self.scale = q, scale
        self.shape = q.shape[::-1]
        self._pool = pool if q.size >= LARGE else None

    def among(self, pool: WorkerPool) -> "Int8Matrix":
        """The same numbers, multiplied by the pool's workers."""
        return Int8Matrix(self.q, self.scale, pool)

    def __rmatmul__(self, x: Array) -> Array:
        y = np.empty((len(x), self.shape[1]), x.dtype)
        n = 1 if self._pool is None else self._pool.n

        def share(worker: int) -> None:
            O = len(self.q)
            self._multiply(x, y, O * worker // n, O * (worker + 1) // n)

        if self._pool is None:
            share(0)
        else:
            self._pool.map(share, range(n))
        return y

    def _multiply(self, x: Array, y: Array, start: int, stop: int) -> None:
        """y[:, start:stop] = (x @ w)[:, start:stop], block by block."""
        outputs = max(1, EXPANDED // self.shape[0])
        home = np.empty((outputs, self.shape[0]), x.dtype)
        for at in range(start, stop, outputs):
            part = slice(at, min(at + outputs, stop))
            block = home[: part.stop - part.start]
            np.copyto(block, self.q[part])
            if len(x) <= FEW_ROWS:  # as vectors, see thin_product
                for row, out in zip(x, y, strict=True):
                    np.dot(block, row, out=out[part])
            else:
                np.matmul(x, block.T, out=y[:, part])
            y[:, part] *= self.scale[part]

    def column(self, i: Array) -> Array:
        """w[:, i] for each number in i (...), as rows (..., I)."""
        rows: Array = self.q[i].astype(self.scale.dtype)
        rows *= self.scale[i][..., None]
        return rows

    def expanded(self) -> Array:
        """w's transpose (O, I) in float32."""
        return self.column(np.arange(len(self.q)))


def quantise(w: Any) -> Int8Matrix:
    """w (O, I), read a few rows at a time, as int8: scale = max|row| / 127.

    `w` may be what only gives rows when it is sliced, a dataset in a file. No weight moves by more
    than half its row's scale, but in rows of subnormal numbers. Raises ConfigError for a weight
    that is infinite or no number.

    >>> quantise(np.array([[0.5, -1.27], [0.0, 0.0]])).q
    array([[  50, -127],
           [   0,    0]], dtype=int8)
    """
    O, I = w.shape
    q, scale = np.empty((O, I), np.int8), np.empty(O, np.float32)
    rows = max(1, EXPANDED // I)
    for at in range(0, O, rows):
        with np.errstate(over="ignore"):  # float64 beyond float32: infinite, and refused below
            block = w[at : at + rows].astype(np.float32)
        largest = np.abs(block).max(axis=1)
        if not np.isfinite(largest).all():
            raise ConfigError(
                "a weight is infinite or no number, which int8 cannot hold: the model is damaged, "
                "or its training diverged; take an earlier checkpoint"
            )
        scale[at : at + rows] = step = largest / LEVELS
        block /= np.where(step == 0.0, 1.0, step)[:, None]
        np.rint(block, out=block)
        # subtle: a step so small that it has lost digits may put a weight past 127
        q[at : at + rows] = np.clip(block, -LEVELS, LEVELS, out=block)
    return Int8Matrix(q, scale)


class Int8GPT(GPT):
    """A GPT whose large matrices are int8, for forward alone.

    `weights` has an Int8Matrix for each of int8_paths, a float32 array for each other path. There
    is no flat array: reading `flat`, which training and saving do, raises ConfigError.
    """

    def __init__(self, config: ModelConfig, weights: dict[str, Any]) -> None:
        self.config = config
        self.weights = weights
        wte = {"wte": Rows(weights["wte"])}
        self.params: Tree = nested(weights | wte)

    @property
    def dtype(self) -> Any:
        """The dtype of all arithmetic."""
        return np.dtype(np.float32)

    @property
    def xp(self) -> Any:
        """NumPy: int8 weights are for the CPU."""
        return np

    def __getattr__(self, name: str) -> NoReturn:
        if name == "flat":
            _refuse()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def backward(self, dlogits: Array, cache: Cache, g: Tree, *, accumulate: bool = False) -> None:
        """Refuse."""
        _refuse()


def _refuse() -> NoReturn:
    raise ConfigError(
        "a model with int8 weights can speak and be evaluated, not trained or saved; "
        "load the checkpoint with dtype float32"
    )


def quantised(model: GPT) -> Int8GPT:
    """A model in memory with int8 weights.   Raises ConfigError as quantise does."""
    config = model.config
    named, paths = named_views(model.flat, config), int8_paths(config)
    weights = {
        path: quantise(outputs_first(path, w)) if path in paths else w.astype(np.float32)
        for path, w in named.items()
    }
    return Int8GPT(config, weights)


@contextlib.contextmanager
def with_workers(model: Int8GPT, *, workers: int = 0) -> Iterator[Int8GPT]:
    """The model with its large products shared among threads; `workers` 0 means one per core."""
    with WorkerPool(workers or default_workers()) as pool, blas_threads(1):
        weights = {
            path: array.among(pool) if isinstance(array, Int8Matrix) else array
            for path, array in model.weights.items()
        }
        yield Int8GPT(model.config, weights)
