"""The strict double refuses what CuPy refuses, so that a test on it can fail."""

import numpy as np
import pytest
import strict_xp as xp

HOST = np.arange(6.0).reshape(2, 3)


@pytest.fixture
def a():
    return xp.asarray(HOST)


def test_results_equal_numpy_where_cupy_agrees(a):
    result = ((2.0 * a + 1) @ xp.ones((3, 1))).sum(axis=0)
    np.testing.assert_array_equal(result.get(), ((2 * HOST + 1) @ np.ones((3, 1))).sum(axis=0))


@pytest.mark.parametrize(
    "mix",
    [
        lambda a: np.asarray(a),
        lambda a: np.concatenate([a, a]),
        lambda a: np.exp(a),
        lambda a: a + HOST,
        lambda a: HOST + a,
        lambda a: HOST @ a.T,
        lambda a: a * np.float32(2),
        lambda a: xp.maximum(a, HOST),
        lambda a: xp.exp(HOST),
        lambda a: xp.matmul(a.T, a, out=np.empty((3, 3))),
        lambda a: xp.exp(a, out=np.empty_like(HOST)),
        lambda a: a.__setitem__(0, HOST[0]),
        lambda a: a[np.array([0, 1])],
        lambda a: xp.where(HOST > 1, a, a),
        lambda a: np.copyto(np.empty_like(HOST), a),
        lambda a: HOST.__iadd__(a),
        lambda a: np.add.at(np.zeros(3), [0], a[0]),
        lambda a: a.sum(initial=1.0),
        lambda a: a.max(where=a > 1),
        lambda a: xp.sum(a, where=a > 1),
        lambda a: xp.exp(a, where=a > 1),
        lambda a: xp.einsum("ij->i", a, out=xp.empty(2)),
    ],
)
def test_host_operands_and_foreign_keywords_raise_type_error(a, mix):
    with pytest.raises(TypeError):
        mix(a)


@pytest.mark.parametrize("name", ["vecdot", "errstate", "memmap", "random", "linalg_norm", "np"])
def test_names_that_cupy_lacks_are_missing(name):
    with pytest.raises(AttributeError):
        getattr(xp, name)


@pytest.mark.parametrize("name", ["ctypes", "setflags", "__array_interface__", "tofile"])
def test_attributes_that_cupy_arrays_lack_are_missing(a, name):
    with pytest.raises(AttributeError):
        getattr(a, name)


def test_a_reduction_stays_on_the_device_until_float_synchronises(a):
    before = xp.synchronisations
    total = a.sum()
    assert isinstance(total, xp.ndarray) and total.shape == ()
    assert xp.synchronisations == before
    assert float(total) == 15.0
    assert xp.synchronisations == before + 1


def test_the_device_has_memory_of_its_own():
    host = np.zeros(3)
    device = xp.asarray(host)
    host += 1
    assert float(device.sum()) == 0.0
    device.get()[:] = 5
    assert float(device.sum()) == 0.0


def test_in_place_work_and_views_reach_the_same_memory(a):
    row = a[0]
    row += 1
    xp.multiply(a, 2.0, out=a)
    xp.add.at(a, (xp.asarray([1, 1]),), xp.ones((2, 3)))
    expected = HOST.copy()
    expected[0] += 1
    expected *= 2
    expected[1] += 2
    np.testing.assert_array_equal(a.get(), expected)


def test_the_backend_finds_the_double_by_its_type(a):
    from tinygpt import backend

    assert backend.get_xp(a) is xp
    np.testing.assert_array_equal(backend.to_host(a), HOST)
    assert isinstance(backend.to_device(HOST, xp), xp.ndarray)
