"""How fast the machine is at this moment, to stand beside every absolute time."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np


def gflops(n: int = 1536, rounds: int = 5, dtype: Any = np.float32) -> float:
    """Billions of operations a second of NumPy's product of two matrices (n, n), the best of the
    rounds, with as many threads as BLAS has now."""
    a = np.random.default_rng(0).standard_normal((n, n), np.float32).astype(dtype)
    out = np.empty_like(a)
    return 2 * n**3 / _best(lambda: np.matmul(a, a, out=out), rounds) / 1e9


def bandwidth(megabytes: int = 256, rounds: int = 5) -> float:
    """GB a second at which NumPy's product of a matrix and a vector reads the matrix, the best of
    the rounds."""
    w = np.ones((megabytes << 8, 1024), np.float32)
    x, out = np.ones(1024, np.float32), np.empty(len(w), np.float32)
    return w.nbytes / _best(lambda: np.matmul(w, x, out=out), rounds) / 1e9


def _best(work: Callable[[], object], rounds: int) -> float:
    """Seconds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best
