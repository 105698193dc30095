"""The operation contract (tinygpt/ops/__init__.py), for every op pair alike."""

import numpy as np
import pytest
import strict_xp
from hypothesis import given
from op_table import OPS, SIZES, Sizes, relative_error, weighted

from tinygpt import ops
from tinygpt.backend import to_device, to_host
from tinygpt.gradcheck import check_gradients

SOME = Sizes(seed=5, B=3, T=5, C=6, V=7, H=2, D=3, P=2)
every_op = pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)


def read_only(arrays):
    for array in arrays:
        if isinstance(array, np.ndarray):
            array.flags.writeable = False


def test_every_forward_has_a_backward_and_a_row_in_the_table():
    public = {name for name in vars(ops) if name.endswith(("_forward", "_backward"))}
    rows = {f"{op.name}_{way}" for op in OPS for way in ("forward", "backward")}
    assert public == rows == set(ops.__all__)


@every_op
@given(sizes=SIZES)
def test_backward_is_the_derivative_of_forward(op, sizes):
    arrays = op.arguments(sizes)
    y, cache = op.forward(*arrays)
    dout = op.dout(y, sizes.seed)
    checked = {str(i): array for i, array in enumerate(arrays[: op.n_gradients])}
    gradients = op.gradients(dout, cache)
    reports = check_gradients(
        lambda: weighted(op.forward(*arrays)[0], dout),
        checked,
        dict(zip(checked, gradients, strict=True)),
        rng=np.random.default_rng(sizes.seed),
        coordinates=2,
    )
    assert len(reports) == len(checked)
    for report in reports:
        assert report.error < 1e-7, report


@every_op
@given(sizes=SIZES)
def test_forward_equals_plain_loops_in_float64(op, sizes):
    arrays = op.arguments(sizes)
    y, _ = op.forward(*arrays)
    assert relative_error(y, op.oracle(*arrays)) < 1e-12


@every_op
def test_no_argument_is_written_to(op):
    arrays = op.arguments(SOME)
    read_only(arrays)
    y, cache = op.forward(*arrays)
    dout = op.dout(y, SOME.seed)
    read_only([dout, *cache])
    op.gradients(dout, cache)


@every_op
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_in_is_dtype_out(op, dtype):
    arrays = op.arguments(SOME, dtype)
    y, cache = op.forward(*arrays)
    gradients = op.gradients(op.dout(y, SOME.seed), cache)
    arrays_out = [*gradients, *([] if isinstance(y, float) else [y])]
    assert [array.dtype for array in arrays_out] == [np.dtype(dtype)] * len(arrays_out)
    assert all(c.dtype == dtype for c in cache if getattr(c, "dtype", np.dtype("i8")).kind == "f")
    shapes = [array.shape for array in arrays[: op.n_gradients]]
    assert [gradient.shape for gradient in gradients] == shapes


@every_op
def test_float32_agrees_with_float64(op):
    def run(dtype):
        y, cache = op.forward(*op.arguments(SOME, dtype))
        dout = 1.5 if isinstance(y, float) else np.cos(np.arange(y.size)).reshape(y.shape)
        dout = dout if isinstance(y, float) else dout.astype(dtype)
        return [y, *op.gradients(dout, cache)]

    for single, double in zip(run(np.float32), run(np.float64), strict=True):
        assert relative_error(single, double) < 1e-5


@every_op
def test_the_order_of_arguments_in_memory_changes_nothing(op):
    """Transposed arrays, and a transposed gradient: ops may copy them, and must not lose them."""
    arrays = op.arguments(SOME)
    turned = [np.asfortranarray(array) for array in arrays]
    y, cache = op.forward(*arrays)
    y_turned, cache_turned = op.forward(*turned)
    dout = op.dout(y, 1)
    dout_turned = dout if isinstance(dout, float) else np.asfortranarray(dout)
    assert relative_error(y_turned, y) < 1e-12
    pairs = zip(op.gradients(dout_turned, cache_turned), op.gradients(dout, cache), strict=True)
    for ours, plain in pairs:
        assert relative_error(ours, plain) < 1e-12


@every_op
def test_backward_is_linear_in_dout_and_repeats_itself(op):
    y, cache = op.forward(*op.arguments(SOME))
    one, two = op.dout(y, 1), op.dout(y, 2)
    first, second = op.gradients(one, cache), op.gradients(two, cache)
    first = [g.copy() for g in first]
    mixed = op.gradients(3.0 * one - 0.5 * two, cache)
    again = op.gradients(one, cache)
    for a, b, sum_, repeat in zip(first, second, mixed, again, strict=True):
        assert relative_error(sum_, 3.0 * a - 0.5 * b) < 1e-12
        np.testing.assert_array_equal(a, repeat)


@every_op
def test_gradients_go_to_the_homes_they_are_given(op):
    y, cache = op.forward(*op.arguments(SOME))
    dout = op.dout(y, SOME.seed)
    plain = op.gradients(dout, cache)
    if not any(op.homes):
        assert not op.accumulates
        return
    homes = tuple(
        np.full_like(g, 7.0) if home else None for g, home in zip(plain, op.homes, strict=True)
    )
    out = homes if len(homes) > 1 else homes[0]
    written = op.gradients(dout, cache, out=out)
    for gradient, home, expected in zip(written, homes, plain, strict=True):
        assert home is None or gradient is home
        assert relative_error(gradient, expected) < 1e-14
    if op.accumulates:
        op.gradients(dout, cache, out=out, accumulate=True)
        for home, expected in zip(homes, plain, strict=True):
            assert home is None or relative_error(home, 2 * expected) < 1e-14


def run_on(xp, op, dtype=np.float64):
    """Forward and backward with every array on module xp; results on the host."""
    arrays = op.arguments(SOME, dtype)
    y, cache = op.forward(*(to_device(array, xp) for array in arrays))
    host = y if isinstance(y, float) else to_host(y)
    dout = op.dout(host, SOME.seed)
    gradients = op.gradients(dout if isinstance(y, float) else to_device(dout, xp), cache)
    return [host, *(to_host(g) for g in gradients)]


@every_op
def test_the_strict_double_of_cupy_equals_numpy(op):
    for double, plain in zip(run_on(strict_xp, op), run_on(np, op), strict=True):
        assert relative_error(double, plain) < 1e-13


@every_op
def test_only_a_loss_synchronises(op):
    arrays = [to_device(array, strict_xp) for array in op.arguments(SOME)]
    before = strict_xp.synchronisations
    y, _ = op.forward(*arrays)
    assert (strict_xp.synchronisations > before) == isinstance(y, float)


@pytest.mark.gpu
@every_op
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cupy_equals_numpy(op, dtype):
    import cupy

    bound = 1e-4 if dtype is np.float32 else 1e-12
    for device, plain in zip(run_on(cupy, op, dtype), run_on(np, op, dtype), strict=True):
        assert relative_error(device, plain) < bound
