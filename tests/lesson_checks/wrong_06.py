import math

import numpy as np
from wrong_answers import wrong

K, A = math.sqrt(2 / math.pi), 0.044715


def normalised(x):
    s = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return (x - x.mean(axis=-1, keepdims=True)) * s, s


def summed_over_rows(a):
    return a.reshape(-1, a.shape[-1]).sum(axis=0)


def slope(x):
    t = np.tanh(K * (x + A * x * x * x))
    return 0.5 * ((1 + t) + x * (1 - t * t) * K * (1 + 3 * A * x * x))


def through_both(d, xhat):
    """The way back through mean and variance, but for the factor s."""
    return d - d.mean(axis=-1, keepdims=True) - xhat * (d * xhat).mean(axis=-1, keepdims=True)


@wrong("06.layernorm", says="divide the sum of squares by C, not by C - 1")
def unbiased_variance(x, w, b):
    v = x.var(axis=-1, keepdims=True, ddof=1)
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(v + 1e-5) * w + b


@wrong("06.layernorm", says="the variance of each row, along the last axis, should be 1")
def over_the_rows_as_batchnorm_does(x, w, b):
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5) * w + b


@wrong("06.layernorm", says="the variance of each row, along the last axis, should be 1")
def forgotten_root(x, w, b):
    v = x.var(axis=-1, keepdims=True)
    return (x - x.mean(axis=-1, keepdims=True)) / (v + 1e-5) * w + b


@wrong("06.layernorm", says="the mean of each row")
def the_mean_stays_as_in_rmsnorm(x, w, b):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-5) * w + b


@wrong("06.layernorm", says="divides by zero")
def without_eps(x, w, b):
    d = x - x.mean(axis=-1, keepdims=True)
    return 1 / np.sqrt((d * d).mean(axis=-1, keepdims=True)) * d * w + b


@wrong("06.layernorm", says="before the root")
def eps_outside_the_root(x, w, b):
    d = x - x.mean(axis=-1, keepdims=True)
    return d / (x.std(axis=-1, keepdims=True) + 1e-5) * w + b


@wrong("06.layernorm", says="scaled by w and then shifted by b")
def shifted_before_it_is_scaled(x, w, b):
    return (normalised(x)[0] + b) * w


@wrong("06.layernorm", says="raises ValueError")
def forgotten_keepdims(x, w, b):
    return (x - x.mean(axis=-1)) / np.sqrt(x.var(axis=-1) + 1e-5) * w + b


@wrong("06.layernorm_backward", says="the way through the mean is missing")
def mean_and_variance_as_constants(dy, x, w):
    xhat, s = normalised(x)
    return dy * w * s, summed_over_rows(dy * xhat), summed_over_rows(dy)


@wrong("06.layernorm_backward", says="the way through the variance is missing")
def variance_as_a_constant(dy, x, w):
    xhat, s = normalised(x)
    d = dy * w
    dx = s * (d - d.mean(axis=-1, keepdims=True))
    return dx, summed_over_rows(dy * xhat), summed_over_rows(dy)


@wrong("06.layernorm_backward", says="dw has shape (2, 4) and should have (4,)")
def not_summed(dy, x, w):
    xhat, s = normalised(x)
    d = dy * w
    return s * through_both(d, xhat), dy * xhat, dy


@wrong("06.layernorm_backward", says="dw is not the sum of dy * xhat")
def dw_from_x(dy, x, w):
    xhat, s = normalised(x)
    d = dy * w
    return s * through_both(d, xhat), summed_over_rows(dy * x), summed_over_rows(dy)


@wrong("06.layernorm_backward", says="changes the loss")
def forgotten_w(dy, x, w):
    xhat, s = normalised(x)
    return s * through_both(dy, xhat), summed_over_rows(dy * xhat), summed_over_rows(dy)


@wrong("06.layernorm_backward", says="changes the loss")
def forgotten_rstd(dy, x, w):
    xhat, _ = normalised(x)
    d = dy * w
    return through_both(d, xhat), summed_over_rows(dy * xhat), summed_over_rows(dy)


@wrong("06.layernorm_backward", says="should return three parts: dx, dw, db")
def dx_alone(dy, x, w):
    return dy * w


@wrong("06.gelu", says="differs in the fourth digit")
def with_erf(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))).astype(x.dtype)


@wrong("06.gelu", says="tanh(u)")
def relu(x):
    return np.maximum(x, 0)


@wrong("06.gelu", says="a constant is rounded")
def rounded(x):
    return x / 2 * (1 + np.tanh(0.79788 * (x + A * x**3)))


@wrong("06.gelu", says="gelu(x) - gelu(-x) should be x")
def forgotten_half(x):
    return x * (1 + np.tanh(K * (x + A * x * x * x)))


@wrong("06.gelu", says="tanh(u)")
def square_for_cube(x):
    return 0.5 * x * (1 + np.tanh(K * (x + A * x * np.abs(x))))


@wrong("06.gelu_backward", says="twice the dy should give twice the dx")
def the_slope_alone(dy, x):
    return slope(x)


@wrong("06.gelu_backward", says="changes the loss")
def one_term_of_the_product_rule(dy, x):
    return dy * 0.5 * (1 + np.tanh(K * (x + A * x * x * x)))


@wrong("06.gelu_backward", says="changes the loss")
def without_the_inner_derivative(dy, x):
    t = np.tanh(K * (x + A * x * x * x))
    return dy * 0.5 * ((1 + t) + x * (1 - t * t))


@wrong("06.gelu_backward", says="changes the loss")
def forgotten_three(dy, x):
    t = np.tanh(K * (x + A * x * x * x))
    return dy * 0.5 * ((1 + t) + x * (1 - t * t) * K * (1 + A * x * x))


@wrong("06.gelu_backward", says="at 0 the slope of GELU is one half")
def of_relu(dy, x):
    return dy * (x > 0)
