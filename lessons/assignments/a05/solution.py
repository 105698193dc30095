"""Assignment 05: a linear layer with a scale, backward, and a gradient check of your own."""

import numpy as np

LAYOUT = "io"  # of your class: "io" is w (I, O), "oi" is w (O, I)
SCALE = 0.5  # of your class; leave it as it is
TOLERANCE = 1e-6  # of your class; leave it as it is


def linear(x, w, b):
    """SCALE times the product of x and w, plus b; and what backward needs.   -> y, cache"""
    # BEGIN SOLUTION
    matrix = w if LAYOUT == "io" else w.T  # (I, O)
    return SCALE * (x @ matrix) + b, (x, w)
    # END SOLUTION


def linear_backward(dy, cache):
    """The gradients of x, w and b.   dy (..., O) -> dx, dw, db"""
    # BEGIN SOLUTION
    x, w = cache
    rows, drows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])  # (N, I), (N, O)
    dmatrix = SCALE * (rows.T @ drows)  # (I, O)
    matrix = w if LAYOUT == "io" else w.T
    dx = (SCALE * (drows @ matrix.T)).reshape(x.shape)
    return dx, dmatrix if LAYOUT == "io" else dmatrix.T, drows.sum(axis=0)
    # END SOLUTION


def numeric_grad(f, x):
    """The slope of f in every number of x, by central differences.   x (...) -> (...)"""
    # BEGIN SOLUTION
    grad = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        d = np.zeros(x.shape)
        d[i] = 1e-5
        grad[i] = (f(x + d) - f(x - d)) / 2e-5
    return grad
    # END SOLUTION


def worst_error(f, x, grad):
    """The largest relative error of grad against numeric_grad, and where.   -> number, place"""
    # BEGIN SOLUTION
    numeric = numeric_grad(f, x)
    errors = np.abs(numeric - grad) / (np.abs(numeric) + np.abs(grad) + TOLERANCE)
    place = np.unravel_index(np.argmax(errors), errors.shape)
    return float(errors[place]), tuple(int(i) for i in place)
    # END SOLUTION
