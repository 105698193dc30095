import math

import numpy as np
from wrong_answers import wrong


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def scores(q, k):
    return q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])


def mask(q, diagonal=1):
    T = q.shape[-2]
    return np.triu(np.full((T, T), -np.inf, q.dtype), k=diagonal)


def weights(q, k):
    return softmax(scores(q, k) + mask(q))


@wrong("08.attention", says="which looks into the future")
def without_a_mask(q, k, v):
    return softmax(scores(q, k)) @ v


@wrong("08.attention", says="which looks into the future")
def one_too_far(q, k, v):
    return softmax(scores(q, k) + mask(q, 2)) @ v


@wrong("08.attention", says="which looks into the future")
def mask_after_the_softmax(q, k, v):
    p = softmax(scores(q, k))
    return (p * np.tril(np.ones(p.shape[-2:], p.dtype))) @ v


@wrong("08.attention", says="which looks into the future")
def the_other_triangle(q, k, v):
    return softmax(scores(q, k) + mask(q).T) @ v


@wrong("08.attention", says="do not sum to 1")
def softmax_over_the_queries(q, k, v):
    s = np.where(np.isinf(mask(q)), -1e9, scores(q, k))
    p = softmax(s, axis=-2)
    return (p * np.tril(np.ones(p.shape[-2:], p.dtype))).astype(q.dtype) @ v


@wrong("08.attention", says="nan")
def zero_times_infinity(q, k, v):
    seen = np.tril(np.ones((q.shape[-2],) * 2, q.dtype))
    return softmax(scores(q, k) + (1 - seen) * -np.inf) @ v


@wrong("08.attention", says="nan")
def blind_to_itself(q, k, v):
    return softmax(scores(q, k) + mask(q, 0)) @ v


@wrong("08.attention", says="are not divided by sqrt(D)")
def unscaled(q, k, v):
    return softmax(q @ k.swapaxes(-1, -2) + mask(q)) @ v


@wrong("08.attention", says="divided by D and should be")
def scaled_by_d(q, k, v):
    return softmax(q @ k.swapaxes(-1, -2) / q.shape[-1] + mask(q)) @ v


@wrong("08.attention", says="raises ValueError")
def transposed_through_all_axes(q, k, v):
    s = q @ k.T / math.sqrt(q.shape[-1])
    return softmax(s + mask(q)) @ v


@wrong("08.attention", says="float64 and should be float32")
def a_mask_of_float64(q, k, v):
    T = q.shape[-2]
    return softmax(scores(q, k) + np.triu(np.full((T, T), -np.inf), k=1)) @ v


@wrong("08.attention", says="large scores")
def a_mask_that_is_too_small(q, k, v):
    return softmax(np.where(np.isinf(mask(q)), q.dtype.type(-100), scores(q, k))) @ v


@wrong("08.attention", says="is nan")
def renormalised(q, k, v):
    p = softmax(scores(q, k))
    p = p * np.tril(np.ones(p.shape[-2:], p.dtype))
    return p / p.sum(axis=-1, keepdims=True) @ v


@wrong("08.attention", says="overflows")
def without_the_maximum(q, k, v):
    e = np.exp(scores(q, k) + mask(q))
    return e / e.sum(axis=-1, keepdims=True) @ v


@wrong("08.attention", says="writes into its argument q")
def in_place(q, k, v):
    q /= math.sqrt(q.shape[-1])
    return softmax(q @ k.swapaxes(-1, -2) + mask(q)) @ v


def backward(dy, q, k, v, ds_of):
    p = weights(q, k)
    dp = dy @ v.swapaxes(-1, -2)
    ds = ds_of(p, dp) / math.sqrt(q.shape[-1])
    return ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ dy


def right_ds(p, dp):
    return p * (dp - (p * dp).sum(axis=-1, keepdims=True))


@wrong("08.attention_backward", says="dk is not 0")
def without_the_sum(dy, q, k, v):
    return backward(dy, q, k, v, lambda p, dp: p * dp)


@wrong("08.attention_backward", says="dk is not 0")
def the_softmax_forgotten(dy, q, k, v):
    return backward(dy, q, k, v, lambda p, dp: dp)


@wrong("08.attention_backward", says="dk is not 0")
def the_sum_over_the_wrong_axis(dy, q, k, v):
    return backward(dy, q, k, v, lambda p, dp: p * (dp - (p * dp).sum(axis=-2, keepdims=True)))


@wrong("08.attention_backward", says="dk is not 0")
def as_if_each_weight_stood_alone(dy, q, k, v):
    return backward(dy, q, k, v, lambda p, dp: dp * p * (1 - p))


@wrong("08.attention_backward", says="dq is sqrt(D) times too large")
def without_the_scale(dy, q, k, v):
    p = weights(q, k)
    ds = right_ds(p, dy @ v.swapaxes(-1, -2))
    return ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ dy


@wrong("08.attention_backward", says="dk is not 0")
def dk_without_the_transpose(dy, q, k, v):
    p = weights(q, k)
    ds = right_ds(p, dy @ v.swapaxes(-1, -2)) / math.sqrt(q.shape[-1])
    return ds @ k, ds @ q, p.swapaxes(-1, -2) @ dy


@wrong("08.attention_backward", says="dv is not dy")
def dv_without_the_transpose(dy, q, k, v):
    dq, dk, _ = backward(dy, q, k, v, right_ds)
    return dq, dk, weights(q, k) @ dy


@wrong("08.attention_backward", says="dk is not 0")
def two_names_exchanged(dy, q, k, v):
    dq, dk, dv = backward(dy, q, k, v, right_ds)
    return dk, dq, dv


@wrong("08.attention_backward", says="is not 0 after it")
def the_mask_forgotten(dy, q, k, v):
    p = softmax(scores(q, k))
    ds = right_ds(p, dy @ v.swapaxes(-1, -2)) / math.sqrt(q.shape[-1])
    return ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ dy


@wrong("08.attention_backward", says="dq is not the gradient")
def the_wrong_sign(dy, q, k, v):
    dq, dk, dv = backward(dy, q, k, v, right_ds)
    return -dq, -dk, dv


@wrong("08.attention_backward", says="three parts: dq, dk, dv")
def dq_alone(dy, q, k, v):
    return backward(dy, q, k, v, right_ds)[0]
