"""What NumPy and CuPy differ in, and the row products."""

import subprocess
import sys

import numpy as np
import pytest
import strict_xp
from hypothesis import given
from hypothesis import strategies as st

from tinygpt import backend
from tinygpt.errors import BackendError


@given(seed=st.integers(0, 999), N=st.integers(1, 9), C=st.integers(1, 4), V=st.integers(1, 5))
def test_scatter_add_adds_every_row_of_a_repeated_id(seed, N, C, V):
    rng = np.random.default_rng(seed)
    ids, rows, target = rng.integers(0, V, N), rng.standard_normal((N, C)), np.ones((V, C))
    expected = np.ones((V, C))
    for i, row in zip(ids, rows, strict=True):
        expected[i] += row
    backend.scatter_add(target, ids, rows)
    np.testing.assert_allclose(target, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("xp", [np, strict_xp], ids=["numpy", "strict"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_row_products_equal_the_reductions_they_replace(xp, dtype):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 4, 5)).astype(dtype)
    on_a, on_b = backend.to_device(a, xp), backend.to_device(b, xp)
    for ours, plain in (
        (backend.row_sum(on_a), a.sum(-1)),
        (backend.column_sum(on_a), a.sum(0)),
        (backend.row_dot(on_a, on_b), (a * b).sum(-1)),
    ):
        host = backend.to_host(ours)
        assert host.dtype == dtype
        np.testing.assert_allclose(host, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("xp", [np, strict_xp], ids=["numpy", "strict"])
def test_a_product_goes_into_its_home_or_is_added_there(xp):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 4)), rng.standard_normal((4, 5))
    on_a, on_b = backend.to_device(a, xp), backend.to_device(b, xp)
    home = backend.to_device(np.full((5, 3), 9.0), xp)
    assert backend.to_host(backend.matmul_into(on_a, on_b, None, False)) == pytest.approx(a @ b)
    backend.matmul_into(on_a, on_b, home.T, False)
    assert backend.to_host(home) == pytest.approx((a @ b).T)
    backend.matmul_into(on_a, on_b, home.T, True)
    assert backend.to_host(home) == pytest.approx(2 * (a @ b).T)


def test_the_data_decides_the_module():
    assert backend.get_xp(np.ones(2)) is np
    assert backend.get_xp(np.float32(1)) is np
    assert backend.get_xp(strict_xp.ones(2)) is strict_xp


def test_a_round_trip_to_the_device_changes_nothing():
    a = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    assert backend.to_device(a, np) is a and backend.to_host(a) is a
    back = backend.to_host(backend.to_device(a, strict_xp))
    assert back.dtype == a.dtype
    np.testing.assert_array_equal(back, a)


def test_synchronize_waits_for_a_device_and_only_for_one():
    before = strict_xp.synchronisations
    backend.synchronize(np)
    assert strict_xp.synchronisations == before
    backend.synchronize(strict_xp)
    assert strict_xp.synchronisations == before + 1


def test_an_unknown_device_is_refused_with_the_choices():
    with pytest.raises(BackendError, match="choose auto, cpu or gpu"):
        backend.select("tpu")


def test_without_cupy_auto_is_the_cpu_and_gpu_names_the_pip_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert backend.select("auto") is np and backend.select("cpu") is np
    with pytest.raises(BackendError, match="pip install"):
        backend.select("gpu")


class CuPyWithoutDevice:
    """CuPy's import succeeds on a machine without a GPU; its first allocation does not."""

    float32 = np.float32

    def ones(self, *_, **__):
        raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")


def test_cupy_without_a_working_gpu_falls_back_or_says_what_failed(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", CuPyWithoutDevice())
    assert backend.select("auto") is np
    with pytest.raises(BackendError, match="cudaErrorNoDevice"):
        backend.select("cuda")


@pytest.mark.parametrize("name", ["auto", "gpu", "cuda"])
def test_a_working_gpu_is_chosen(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "cupy", strict_xp)
    assert backend.select(name) is strict_xp


def test_importing_the_package_loads_no_cupy():
    code = "import sys, tinygpt.model; sys.exit('cupy' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code]).returncode == 0
