"""Wrong solutions of assignment 08, as people write them. Each stands after the right solution and
takes the place of its function; the line above it names the checks that have to fail.
"""

import math

import numpy as np
from solution import CAP, WINDOW, attention, attention_backward, merge_heads, split_heads

right_attention, right_backward, right_split = attention, attention_backward, split_heads


def weigh(q, k, v, seen, *, divide=math.sqrt, cap=CAP):
    """Attention with another mask, divisor or cap; its cache serves the right backward."""
    T, D = q.shape[-2:]
    i, j = np.arange(T)[:, None], np.arange(T)[None, :]
    bent = np.tanh(q @ k.swapaxes(-1, -2) / (divide(D) * cap))
    e = np.exp(cap * bent) * seen(i, j)
    p = e / e.sum(axis=-1, keepdims=True)
    return p @ v, (q, k, v, bent, p)


def window(i, j):
    return (j <= i) & (j > i - WINDOW)


# WRONG reshaped_alone: heads: split, and merged again; heads: each head has its own channels
def split_heads(x, n_head):
    B, T, C = x.shape
    return x.reshape(B, n_head, T, C // n_head)


# WRONG every_other_channel: heads: each head has its own channels
def split_heads(x, n_head):
    B, T, C = x.shape
    return x.reshape(B, T, C // n_head, n_head).transpose(0, 3, 1, 2)


# WRONG merged_without_the_swap: heads: split, and merged again; heads: each head has its own channels
def merge_heads(x):
    B, H, T, D = x.shape
    return x.reshape(B, T, H * D)


# WRONG without_a_mask: attention: nobody sees the future; attention: the right numbers
def attention(q, k, v):
    return weigh(q, k, v, lambda i, j: (j == j) & (i == i))


# WRONG not_itself: attention: nobody sees the future; attention: the window, and weights that sum to 1
def attention(q, k, v):
    return weigh(q, k, v, lambda i, j: ((j < i) | (i == 0) & (j == 0)) & (j > i - WINDOW - 1))


# WRONG a_window_too_long: attention: the window, and weights that sum to 1; attention: the right numbers
def attention(q, k, v):
    return weigh(q, k, v, lambda i, j: (j <= i) & (j >= i - WINDOW))


# WRONG of_the_lesson: attention: the window, and weights that sum to 1
def attention(q, k, v):
    return weigh(q, k, v, lambda i, j: j <= i)


# WRONG masked_after_the_softmax: attention: the window, and weights that sum to 1
def attention(q, k, v):
    _, cache = weigh(q, k, v, lambda i, j: (j == j) & (i == i))
    T = q.shape[-2]
    p = cache[-1] * window(np.arange(T)[:, None], np.arange(T)[None, :])
    return p @ v, (*cache[:-1], p)


# WRONG not_divided: attention: the right numbers
def attention(q, k, v):
    return weigh(q, k, v, window, divide=lambda D: 1.0)


# WRONG not_capped: attention: the right numbers; attention: huge scores, and float32 stays float32
def attention(q, k, v):
    T, D = q.shape[-2:]
    s = q @ k.swapaxes(-1, -2) / math.sqrt(D)
    e = np.exp(s) * window(np.arange(T)[:, None], np.arange(T)[None, :])
    p = e / e.sum(axis=-1, keepdims=True)
    return p @ v, (q, k, v, np.zeros(s.shape), p)


# WRONG a_float64_mask: attention: huge scores, and float32 stays float32; backward: linear in dy, float32 stays float32
def attention(q, k, v):
    y, cache = right_attention(*(x.astype(np.float64) for x in (q, k, v)))
    return y, cache


# WRONG without_the_cap: backward: the slopes of your own forward pass; backward: the right numbers
def attention_backward(dy, cache):
    q, k, v, bent, p = cache
    return right_backward(dy, (q, k, v, np.zeros(bent.shape), p))


# WRONG without_the_root: backward: the slopes of your own forward pass; backward: the right numbers
def attention_backward(dy, cache):
    dq, dk, dv = right_backward(dy, cache)
    root = math.sqrt(dy.shape[-1])
    return dq * root, dk * root, dv


# WRONG q_and_k_exchanged: backward: the slopes of your own forward pass; backward: the right numbers
def attention_backward(dy, cache):
    dq, dk, dv = right_backward(dy, cache)
    return dk, dq, dv


# WRONG the_softmax_as_if_each_alone: backward: the slopes of your own forward pass
def attention_backward(dy, cache):
    q, k, v, bent, p = cache
    ds = p * (1 - p) * (dy @ v.swapaxes(-1, -2)) * (1 - bent * bent) / math.sqrt(q.shape[-1])
    return ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ dy


# WRONG another_answer_the_second_time: backward: linear in dy, float32 stays float32
asked = []


def attention_backward(dy, cache):
    asked.append(1)
    dq, dk, dv = right_backward(dy, cache)
    return dq, dk, dv * len(asked)
