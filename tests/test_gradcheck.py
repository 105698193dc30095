"""The gradient check finds wrong gradients, names where, and leaves the arrays as they were."""

import numpy as np
import pytest

from tinygpt.errors import ShapeError
from tinygpt.gradcheck import check_gradients, gradient_reports, relative_error


@pytest.fixture
def problem():
    """f = sum(w * sin x), its arrays and its gradients."""
    rng = np.random.default_rng(0)
    arrays = {"x": rng.standard_normal((4, 5)), "w": rng.standard_normal((4, 5))}
    grads = {"x": arrays["w"] * np.cos(arrays["x"]), "w": np.sin(arrays["x"])}
    return lambda: float((arrays["w"] * np.sin(arrays["x"])).sum()), arrays, grads


def test_right_gradients_pass(problem):
    for report in check_gradients(*problem):
        assert report.error < 1e-8 and not report.zero


@pytest.mark.parametrize("place", [(0, 0), (2, 3), (3, 4)])
def test_one_wrong_coordinate_is_found_and_named(problem, place):
    f, arrays, grads = problem
    grads["x"][place] += 0.01
    x, w = check_gradients(f, arrays, grads)
    assert x.name == "x" and x.error > 1e-4 and x.worst == place
    assert "x (4, 5)" in str(x) and str(place) in str(x)
    assert w.error < 1e-8


def test_one_tensor_at_a_time_takes_four_evaluations_and_no_more_than_are_asked_for(problem):
    f, arrays, grads = problem
    asked = []

    def counted():
        asked.append(1)
        return f()

    reports = gradient_reports(counted, arrays, grads, np.random.default_rng(0))
    x = next(reports)
    assert len(asked) == 4 and x.error < 1e-8
    assert np.abs(grads["x"])[x.worst] == np.abs(grads["x"]).max()
    grads["w"][2, 3] += 0.01
    w = next(reports)
    assert len(asked) == 8 + 2 * grads["w"].size and w.error > 1e-4 and w.worst == (2, 3)


@pytest.mark.parametrize("wrong", [0.0, -1.0, 2.0, 1.001])
def test_a_gradient_of_the_wrong_size_is_found(problem, wrong):
    f, arrays, grads = problem
    grads["w"] *= wrong
    assert check_gradients(f, arrays, grads)[1].error > 1e-4


def test_a_missing_gradient_is_not_taken_for_symmetry(problem):
    f, arrays, grads = problem
    grads["x"][...] = 0.0
    report = check_gradients(f, arrays, grads)[0]
    assert not report.zero and report.error > 1e-4


def test_a_gradient_that_is_zero_by_symmetry_is_reported_as_such():
    arrays = {"x": np.arange(3.0), "shift": np.array([0.3])}
    grads = {"x": 2 * (np.arange(3.0) - 1.0) / 3, "shift": np.array([1e-18])}
    x, shift = check_gradients(lambda: float((arrays["x"] + arrays["shift"]).var()), arrays, grads)
    assert shift.zero and "zero by symmetry" in str(shift)
    assert not x.zero and x.error < 1e-7


def test_arrays_are_put_back_bit_for_bit_even_when_f_raises(problem):
    f, arrays, grads = problem
    before = {name: a.copy() for name, a in arrays.items()}
    check_gradients(f, arrays, grads)
    with pytest.raises(ZeroDivisionError):
        check_gradients(lambda: 1 / 0, arrays, grads)
    for name, a in arrays.items():
        np.testing.assert_array_equal(a, before[name])


def test_the_same_rng_gives_the_same_report(problem):
    one, two = (check_gradients(*problem, rng=np.random.default_rng(7)) for _ in range(2))
    assert one == two


def test_a_direction_across_the_gradient_does_not_inflate_the_error():
    g, d = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert relative_error(1e-9, g, d) < 1e-8


def test_a_gradient_that_is_not_a_number_is_infinitely_wrong(problem):
    f, arrays, grads = problem
    grads["x"][1, 1] = np.nan
    x, w = check_gradients(f, arrays, grads)
    assert x.error == np.inf and x.worst == (1, 1) and w.error < 1e-8


def test_one_coordinate_is_enough_to_name_the_worst(problem):
    f, arrays, grads = problem
    grads["x"][2, 3] += 50.0
    assert check_gradients(f, arrays, grads, coordinates=1)[0].worst == (2, 3)


@pytest.mark.parametrize(
    ("x", "g"), [(np.ones(3, np.float32), np.ones(3)), (np.ones(3), np.ones(2))]
)
def test_float32_or_another_shape_is_refused(x, g):
    with pytest.raises(ShapeError, match="float64"):
        check_gradients(lambda: 0.0, {"x": x}, {"x": g})
