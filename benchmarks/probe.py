"""How fast the machine is at this moment, to stand beside every absolute time.

python benchmarks/probe.py
"""

import sys
import time

import numpy as np


def gflops(n: int = 1536, rounds: int = 5) -> float:
    """Billions of operations a second of NumPy's float32 matrix product, best of the rounds."""
    a = np.random.default_rng(0).standard_normal((n, n), np.float32)
    out = np.empty_like(a)
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        np.matmul(a, a, out=out)
        best = min(best, time.perf_counter() - began)
    return 2 * n**3 / best / 1e9


if __name__ == "__main__":
    sys.stdout.write(f"{gflops():.0f} GFLOP/s in float32 matrix products\n")
