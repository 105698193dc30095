"""How fast the machine is at this moment, to stand beside every absolute time."""

import time
from typing import Any

import numpy as np


def gflops(n: int = 1536, rounds: int = 5, dtype: Any = np.float32) -> float:
    """Billions of operations a second of NumPy's product of two matrices (n, n), the best of the
    rounds, with as many threads as BLAS has now."""
    a = np.random.default_rng(0).standard_normal((n, n), np.float32).astype(dtype)
    out = np.empty_like(a)
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        np.matmul(a, a, out=out)
        best = min(best, time.perf_counter() - began)
    return 2 * n**3 / best / 1e9
