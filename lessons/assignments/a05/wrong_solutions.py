"""Wrong solutions of assignment 05, as people write them. Each stands after the right solution and
takes the place of its function; the line above it names the checks that have to fail.
"""

import numpy as np
from solution import SCALE, linear, linear_backward, numeric_grad, worst_error

right_linear, right_backward, right_numeric = linear, linear_backward, numeric_grad


def rows(a):
    return a.reshape(-1, a.shape[-1])


# WRONG only_for_rows: linear: shapes, dtypes, and y is b where x is 0
def linear(x, w, b):
    return right_linear(rows(x), w, b)


# WRONG always_float64: linear: shapes, dtypes, and y is b where x is 0
def linear(x, w, b):
    return right_linear(x.astype(np.float64), w, b)


# WRONG without_the_scale: linear: the right numbers
def linear(x, w, b):
    y, cache = right_linear(x, w, b)
    return (y - b) / SCALE + b, cache


# WRONG the_scale_on_the_bias_too: linear: shapes, dtypes, and y is b where x is 0; linear: the right numbers
def linear(x, w, b):
    y, cache = right_linear(x, w, b)
    return y - b + SCALE * b, cache


# WRONG the_mean_of_the_bias: backward: it is the transpose of your own forward pass; backward: the right numbers, any axes in front
def linear_backward(dy, cache):
    dx, dw, db = right_backward(dy, cache)
    return dx, dw, db / len(rows(dy))


# WRONG the_scale_forgotten_in_dx: backward: it is the transpose of your own forward pass; backward: the right numbers, any axes in front
def linear_backward(dy, cache):
    dx, dw, db = right_backward(dy, cache)
    return dx / SCALE, dw, db


# WRONG the_other_layout: backward: it is the transpose of your own forward pass; backward: the right numbers, any axes in front
def linear_backward(dy, cache):
    dx, dw, db = right_backward(dy, cache)
    return dx, dw.T, db


# WRONG it_adds_into_the_cache: backward: float32 stays float32, and a second call says the same
kept = {}


def linear_backward(dy, cache):
    dx, dw, db = right_backward(dy, cache)
    kept[id(cache[1])] = dw = dw + kept.get(id(cache[1]), 0)
    return dx, dw, db


# WRONG filled_into_float64: backward: float32 stays float32, and a second call says the same
def linear_backward(dy, cache):
    dx, dw, db = right_backward(dy, cache)
    return dx, dw, np.zeros(db.shape) + db


# WRONG to_one_side: numeric gradient: both sides, one number at a time; numeric gradient: as exact as it can be
def numeric_grad(f, x):
    grad = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        d = np.zeros(x.shape)
        d[i] = 1e-6
        grad[i] = (f(x + d) - f(x)) / 1e-6
    return grad


# WRONG as_small_as_possible: numeric gradient: as exact as it can be
def numeric_grad(f, x):
    grad = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        d = np.zeros(x.shape)
        d[i] = 1e-10
        grad[i] = (f(x + d) - f(x - d)) / 2e-10
    return grad


# WRONG not_put_back: numeric gradient: both sides, one number at a time
def numeric_grad(f, x):
    grad, x = np.zeros(x.shape), x.copy()
    for i in np.ndindex(x.shape):
        x[i] += 1e-5
        above = f(x)
        x[i] -= 2e-5
        grad[i] = (above - f(x)) / 2e-5
    return grad


# WRONG half_a_step: numeric gradient: both sides, one number at a time; numeric gradient: as exact as it can be
def numeric_grad(f, x):
    return 2 * right_numeric(f, x)


# WRONG absolute: worst error: relative to the size of both
def worst_error(f, x, grad):
    errors = np.abs(right_numeric(f, x) - grad)
    place = np.unravel_index(np.argmax(errors), errors.shape)
    return float(errors[place]), tuple(int(i) for i in place)


# WRONG by_one_of_the_two: worst error: relative to the size of both
def worst_error(f, x, grad):
    numeric = right_numeric(f, x)
    errors = np.abs(numeric - grad) / (np.abs(numeric) + 1e-12)
    place = np.unravel_index(np.argmax(errors), errors.shape)
    return float(errors[place]), tuple(int(i) for i in place)


# WRONG a_flat_place: worst error: 0 for a right gradient, where for a wrong one
def worst_error(f, x, grad):
    errors = np.abs(right_numeric(f, x) - grad)
    return float(errors.max()), int(np.argmax(errors))


# WRONG with_its_sign: worst error: 0 for a right gradient, where for a wrong one
def worst_error(f, x, grad):
    errors = right_numeric(f, x) - grad
    place = np.unravel_index(np.argmax(errors), errors.shape)
    return float(errors[place]), tuple(int(i) for i in place)
