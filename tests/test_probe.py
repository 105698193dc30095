"""The machine's speed: operations of a matrix product by the best of several times."""

import numpy as np
import pytest

from tinygpt import probe


def test_the_speed_is_the_products_operations_by_the_shortest_time(monkeypatch):
    clock = iter([0.0, 2.0, 5.0, 5.5, 7.0, 8.0])  # rounds of 2, 0.5 and 1 seconds
    monkeypatch.setattr(probe.time, "perf_counter", lambda: next(clock))
    assert probe.gflops(10, rounds=3) == pytest.approx(2 * 10**3 / 0.5 / 1e9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_product_is_of_the_dtype_asked_for(dtype, monkeypatch):
    seen = []
    monkeypatch.setattr(probe.np, "matmul", lambda a, b, out: seen.append((a.dtype, out.dtype)))
    probe.gflops(4, rounds=1, dtype=dtype)
    assert seen == [(np.dtype(dtype), np.dtype(dtype))]
