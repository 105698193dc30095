"""Weights laid out for passes over a few tokens: guesses to be checked, texts side by side.

One row times a matrix takes as long as reading the matrix from memory. For more rows BLAS first
copies the matrix into an order of its own, and that takes longer than the product. OpenBLAS's
kernels for AVX-512 spare themselves the copy where a product is small, so the matrix is cut into
panels of up to 64 columns, each contiguous, so that a few rows times a panel is small.
"""

import contextlib
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from tinygpt.backend import Array
from tinygpt.model import GPT
from tinygpt.threads import (
    WorkerPool,
    blas_spares_small_products,
    blas_threads,
    default_workers,
)

MOST_ROWS = 16  # for more, BLAS's copy is worth its time
SMALL = 100**3  # rows * columns * depth of a product that OpenBLAS does not copy for
ROWS = 10  # for so many, products with a panel are small
LARGE = 1 << 19  # weights: to multiply by fewer takes no longer than to wake a thread


class Panels:
    """A matrix w (I, O) as panels (n, I, width) of its columns, and the columns left over.

    `x @ panels` is x @ w for x (N, I), shared among the pool's workers. The numbers take the
    place of w's own in memory.
    """

    __array_ufunc__ = None  # so that NumPy leaves x @ panels to __rmatmul__

    def __init__(self, w: Array, pool: WorkerPool) -> None:
        I, O = self.shape = w.shape
        width = next(c for c in (64, 32, 16, 8) if ROWS * c * I <= SMALL or c == 8)
        n = O // width
        whole, rest = np.split(w.copy(), [n * width], axis=1)
        home = w.ravel("K")  # a view
        self._panels = home[: whole.size].reshape(n, I, width)
        self._panels[...] = whole.reshape(I, n, width).transpose(1, 0, 2)
        self._rest = home[whole.size :].reshape(rest.shape)
        self._rest[...] = rest
        self._pool = pool

    def __rmatmul__(self, x: Array) -> Array:
        rows = np.concatenate([x, x]) if len(x) == 1 else x  # BLAS has another way for one row
        n, _, width = self._panels.shape
        N, O = len(rows), self.shape[1]
        y = np.empty((N, O), x.dtype)
        in_panels = y[:, : n * width].reshape(N, n, width)

        def share(worker: int) -> None:
            mine = slice(n * worker // self._pool.n, n * (worker + 1) // self._pool.n)
            in_panels[:, mine] = (rows @ self._panels[mine]).transpose(1, 0, 2)

        self._pool.map(share, range(self._pool.n))
        np.matmul(rows, self._rest, out=y[:, n * width :])
        return y[: len(x)]

    def column(self, i: Array) -> Array:
        """w[:, i] for each number in i (...), as rows (..., I)."""
        n, I, width = self._panels.shape
        i = np.asarray(i)
        columns = np.empty((*i.shape, I), self._panels.dtype)
        whole = i < n * width
        columns[whole] = self._panels[i[whole] // width, :, i[whole] % width]
        columns[~whole] = self._rest[:, i[~whole] - n * width].T
        return columns


class Packed(Protocol):
    """A matrix (I, O) that is no array: `x @ packed`, and its columns."""

    shape: tuple[int, ...]

    def column(self, i: Array, /) -> Array: ...


class Rows:
    """The transpose of a packed matrix, which embedding reads by rows: `rows[ids]`, `rows.T`."""

    def __init__(self, packed: Packed) -> None:
        self.T = packed
        self.shape = packed.shape[::-1]

    def __getitem__(self, ids: Array) -> Array:
        return self.T.column(ids)


@contextlib.contextmanager
def in_panels(model: GPT, *, workers: int = 0) -> Iterator[GPT]:
    """The model with its large matrices in panels; as it is where they would not pay: on a GPU,
    with another BLAS, or if not even the embedding is large.

    The panels take the matrices' place in memory, for good: the model can still go forward, after
    the block with one worker, but its flat array is of no use any more. `workers` 0 means one per
    core.
    """
    wte = model.params["wte"]
    unfit = model.xp is not np or isinstance(wte, Rows) or wte.size < LARGE
    if unfit or not blas_spares_small_products():
        yield model
        return
    # one thread for all products, or those between the panels would wake the threads of BLAS
    with WorkerPool(workers or default_workers()) as pool, blas_threads(1):
        model.params["wte"] = Rows(Panels(wte.T, pool))
        for block in model.params["h"]:
            for linear in (*block["attn"].values(), *block["mlp"].values()):
                if linear["w"].size >= LARGE:
                    linear["w"] = Panels(linear["w"], pool)
        yield model
