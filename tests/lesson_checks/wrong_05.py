import numpy as np
from wrong_answers import wrong


@wrong("05.numeric_grad", says="the slope is 0")
def one_sided(f, x):
    grad = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        d = np.zeros(x.shape)
        d[i] = 1e-6
        grad[i] = (f(x + d) - f(x)) / 1e-6
    return grad


@wrong("05.numeric_grad", says="it moves [0] and [1] at the same time")
def not_put_back(f, x):
    grad, x = np.zeros(x.shape), x.copy()
    for i in np.ndindex(x.shape):
        x[i] += 1e-5
        above = f(x)
        x[i] -= 2e-5
        grad[i] = (above - f(x)) / 2e-5
    return grad


@wrong("05.numeric_grad", says="it moves [0, 0] and [0, 1] at the same time")
def whole_rows(f, x):
    grad = np.zeros(x.shape)
    for i in range(len(x)):
        d = np.zeros(x.shape)
        d[i] = 1e-5
        grad[i] = (f(x + d) - f(x - d)) / 2e-5
    return grad


@wrong("05.numeric_grad", says="writes into its argument x")
def in_place(f, x):
    grad = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        x[i] += 1e-5
        above = f(x)
        x[i] -= 2e-5
        below = f(x)
        x[i] += 1e-5
        grad[i] = (above - below) / 2e-5
    return grad


def slopes(f, x, step, apart):
    grad = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        d = np.zeros(x.shape)
        d[i] = step
        grad[i] = (f(x + d) - f(x - d)) / apart
    return grad


@wrong("05.numeric_grad", says="twice too large")
def one_step_below_the_line(f, x):
    return slopes(f, x, 1e-5, 1e-5)


@wrong("05.numeric_grad", says="the step is too small")
def as_small_as_possible(f, x):
    return slopes(f, x, 1e-9, 2e-9)


@wrong("05.numeric_grad", says="it is not the slope of f")
def a_step_one_can_see(f, x):
    return slopes(f, x, 0.1, 0.2)


def rows(a):
    return a.reshape(-1, a.shape[-1])


@wrong("05.linear_backward", says="raises ValueError")
def forgotten_transpose(dy, x, w):
    dx = dy @ w
    return dx, rows(x).T @ rows(dy), rows(dy).sum(axis=0)


@wrong("05.linear_backward", says="dx fails the test of the transpose")
def reshaped_in_place_of_transposed(dy, x, w):
    dx = rows(dy) @ w.reshape(w.shape[::-1])
    return dx.reshape(x.shape), rows(x).T @ rows(dy), rows(dy).sum(axis=0)


@wrong("05.linear_backward", says="dw fails the test of the transpose")
def rows_mixed_up(dy, x, w):
    dw = rows(x)[::-1].T @ rows(dy)
    return dy @ w.T, dw, rows(dy).sum(axis=0)


@wrong("05.linear_backward", says="raises ValueError")
def only_for_rows(dy, x, w):
    return dy @ w.T, x.T @ dy, dy.sum(axis=0)


@wrong("05.linear_backward", says="db has shape (3, 5) and should have (5,)")
def bias_over_the_first_axis(dy, x, w):
    return dy @ w.T, rows(x).T @ rows(dy), dy.sum(axis=0) if dy.ndim > 1 else dy


@wrong("05.linear_backward", says="db is a mean over the rows")
def mean_of_the_bias(dy, x, w):
    return dy @ w.T, rows(x).T @ rows(dy), rows(dy).mean(axis=0)


@wrong("05.linear_backward", says="dw is a mean over the rows")
def mean_of_the_weights(dy, x, w):
    return dy @ w.T, rows(x).T @ rows(dy) / len(rows(x)), rows(dy).sum(axis=0)


@wrong("05.linear_backward", says="dw has shape (2, 1) and should have (1, 2)")
def weights_the_other_way_round(dy, x, w):
    return dy @ w.T, rows(dy).T @ rows(x), rows(dy).sum(axis=0)


@wrong("05.linear_backward", says="three parts: dx, dw, db, in this order")
def without_the_bias(dy, x, w):
    return dy @ w.T, rows(x).T @ rows(dy)


@wrong("05.linear_backward", says="dtype in, dtype out")
def filled_into_float64(dy, x, w):
    db = np.zeros(w.shape[1])
    for row in rows(dy):
        db = db + row
    return dy @ w.T, rows(x).T @ rows(dy), db
