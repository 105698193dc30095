"""Everything in which NumPy and CuPy differ, and the row products that make reductions fast.

The data decides: `get_xp(array)` is the module that the array came from, so there is no global
switch and both backends can meet in one test. This is the only file that imports CuPy.
"""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygpt.errors import BackendError
from tinygpt.threads import blas_spares_small_products

Array = npt.NDArray[Any]


def get_xp(array: Array) -> Any:
    """The array module of `array`: numpy, or cupy for an array on the GPU."""
    if isinstance(array, np.ndarray | np.generic):
        return np
    return sys.modules[type(array).__module__.partition(".")[0]]


def select(name: str) -> Any:
    """The array module for `"cpu"`, `"gpu"` (also `"cuda"`) or `"auto"` (the GPU if one works).

    Raises BackendError when a GPU is asked for and CuPy or the GPU is missing.
    """
    if name not in ("auto", "cpu", "gpu", "cuda"):
        raise BackendError(f"the device is {name!r}; choose auto, cpu or gpu")
    if name == "cpu":
        return np
    try:
        return _working_cupy()
    except BackendError:
        if name == "auto":
            return np
        raise


def _working_cupy() -> Any:
    """CuPy, after one real product and one compiled kernel: its import succeeds without a GPU."""
    try:
        import cupy
    except ImportError:
        raise BackendError(
            "the GPU needs CuPy, which is not installed; pip install 'tinygpt[gpu]'"
        ) from None
    try:
        x = cupy.ones((2, 2), dtype=cupy.float32)
        float(cupy.exp(x @ x).sum())
    except Exception as cause:  # CuPy raises a different class for each missing piece
        raise BackendError(
            f"CuPy is installed but the GPU does not work ({type(cause).__name__}: {cause}); "
            "check nvidia-smi, or pip install 'cupy-cuda12x[ctk]' for the CUDA libraries"
        ) from None
    return cupy


def to_device(array: Array, xp: Any) -> Array:
    """A host array as an array of module `xp` (itself when that is NumPy)."""
    result: Array = xp.asarray(array)
    return result


def to_host(array: Array) -> Array:
    """Any array as a NumPy array (itself when it is one)."""
    if isinstance(array, np.ndarray):
        return array
    host: Array = array.get()
    return host


def synchronize(xp: Any) -> None:
    """Wait until the device has finished; NumPy always has."""
    if xp is not np:
        xp.cuda.get_current_stream().synchronize()


FEW_ROWS = 5  # up to so many rows, taking turns is faster than BLAS
BLOCK = 9 << 16  # weights, in float32 2.25 MB: a block stays in the cache
SOME_ROWS = 32  # up to so many, products with a panel of w's columns are small
WIDTHS = (128, 64, 32)  # of a panel


def thin_product(x: Array, w: Array) -> Array:
    """x @ w, not much slower for a few rows than for one.   x (N, I), w (I, O) -> (N, O)

    BLAS multiplies one row as fast as w comes from memory, but for two and more it first copies
    w into an order of its own. So a few rows take turns as vectors with one block of w's columns
    after the other: it comes from memory for the first row and from the cache for those after it.
    For some more rows the blocks are panels, so narrow that OpenBLAS takes the product for a small
    one, which its kernels for AVX-512 do without the copy.
    """
    (N, I), O = x.shape, w.shape[1]
    columns = _columns(N, w)
    if columns == O:
        product: Array = x @ w
        return product
    n = O // columns
    cut = n * columns  # the columns after it are no whole block
    blocks = w[:, :cut].reshape(I, n, columns).transpose(1, 0, 2)  # a view (n, I, columns)
    # (N, 1, I) @ (n, 1, I, columns) row by row, or (N, I) @ (n, I, columns) -> (n, N, columns)
    in_blocks = (x[:, None] @ blocks[:, None])[:, :, 0] if N <= FEW_ROWS else x @ blocks
    y = np.empty((N, O), x.dtype)
    y[:, :cut].reshape(N, n, columns)[...] = in_blocks.transpose(1, 0, 2)
    y[:, cut:] = x @ w[:, cut:]
    return y


def _columns(N: int, w: Array) -> int:
    """How many columns of w (I, O) N rows are multiplied by at a time: all where that is best."""
    I, O = map(int, w.shape)
    if not isinstance(w, np.ndarray) or not 2 <= N <= SOME_ROWS:
        return O
    if N <= FEW_ROWS:
        return max(1, BLOCK // I) if w.size >= BLOCK else O
    if not blas_spares_small_products():
        return O
    # sgemm_small_kernel_permit of OpenBLAS, for the kernels that it names SkylakeX
    most = min(100**3 // (N * I), O if w.flags.c_contiguous else 1200 // N)
    return next((c for c in WIDTHS if c <= most and c < O), O)


CACHED = 1 << 19  # numbers, in float32 2 MB: with a few temporaries they stay in the cache


def row_blocks(x: Array) -> Iterator[slice]:
    """The rows of x (N, C), or the numbers of x (N,), in blocks, so that pass after pass over one
    meets the cache. On a GPU one block, which is fastest there.

    >>> list(row_blocks(np.empty((20, 100_000))))[:2]
    [slice(0, 5, None), slice(5, 10, None)]
    """
    N = len(x)
    block = max(1, CACHED * N // max(1, x.size)) if isinstance(x, np.ndarray) else max(1, N)
    for start in range(0, N, block):
        yield slice(start, min(start + block, N))


def scatter_add(target: Array, ids: Array, rows: Array) -> None:
    """target[ids[i]] += rows[i] for every i.   target (V, C), ids (N,), rows (N, C)

    `target[ids] += rows` would keep one of several rows with the same id and drop the others.
    """
    get_xp(target).add.at(target, ids, rows)


def row_sum(x: Array) -> Array:
    """Sum over the last axis as a product.   x (..., C) -> (...)"""
    result: Array = x @ get_xp(x).ones(x.shape[-1], x.dtype)
    return result


def column_sum(x: Array) -> Array:
    """Sum over all rows as a product.   x (N, C) -> (C,)"""
    result: Array = get_xp(x).ones(x.shape[0], x.dtype) @ x
    return result


def row_dot(a: Array, b: Array) -> Array:
    """Dot product of each pair of rows.   a, b (..., C) -> (...)"""
    xp = get_xp(a)
    result: Array = xp.vecdot(a, b) if xp is np else (a * b).sum(axis=-1)
    return result


def deliver(value: Array, home: Array | None, accumulate: bool) -> Array:
    """Put a gradient where it belongs: itself without a home, else written or added there."""
    if home is None:
        return value
    if accumulate:
        home += value
    else:
        home[...] = value
    return home


def matmul_into(a: Array, b: Array, home: Array | None, accumulate: bool) -> Array:
    """a @ b, written straight into its home, or added to it in the home's own memory order."""
    xp = get_xp(a)
    if home is None:
        product: Array = a @ b
        return product
    if accumulate:
        home += xp.matmul(a, b, out=xp.empty_like(home))
    else:
        xp.matmul(a, b, out=home)
    return home
