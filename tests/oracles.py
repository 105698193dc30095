"""The mathematics of tinygpt.ops, one number at a time in float64: slow, and hard to get wrong.

Each oracle returns the forward result alone; gradients are checked by differences.
"""

import math
from itertools import product

import numpy as np


def linear(x, w, b=None):
    y = np.zeros((*x.shape[:-1], w.shape[1]))
    for *row, o in product(*map(range, y.shape)):
        total = 0.0 if b is None else float(b[o])
        for i in range(w.shape[0]):
            total += float(x[(*row, i)]) * float(w[i, o])
        y[(*row, o)] = total
    return y


def layernorm(x, w, b, eps=1e-5):
    y = np.zeros(x.shape)
    C = x.shape[-1]
    for row in np.ndindex(x.shape[:-1]):
        mean = math.fsum(float(value) for value in x[row]) / C
        var = math.fsum((float(value) - mean) ** 2 for value in x[row]) / C
        for c in range(C):
            xhat = (float(x[row][c]) - mean) / math.sqrt(var + eps)
            y[(*row, c)] = float(w[c]) * xhat + float(b[c])
    return y


def gelu(x):
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        z = float(x[place])
        u = math.sqrt(2.0 / math.pi) * (z + 0.044715 * z**3)
        y[place] = 0.5 * z * (1.0 + math.tanh(u))
    return y


def softmax(x):
    p = np.zeros(x.shape)
    for row in np.ndindex(x.shape[:-1]):
        p[row] = _softmax_row([float(value) for value in x[row]])
    return p


def _softmax_row(row):
    top = max(row)
    powers = [math.exp(value - top) for value in row]
    return [power / math.fsum(powers) for power in powers]


def causal_attention(q, k, v):
    """Query i of the last Tq positions sees the keys up to position i + Tk - Tq, and no other."""
    B, H, Tq, D = q.shape
    past = k.shape[2] - Tq
    y = np.zeros(q.shape)
    for n, h, i in product(range(B), range(H), range(Tq)):
        seen = range(i + past + 1)
        scores = [
            math.fsum(float(q[n, h, i, d]) * float(k[n, h, j, d]) for d in range(D)) / math.sqrt(D)
            for j in seen
        ]
        for j, share in zip(seen, _softmax_row(scores), strict=True):
            for d in range(D):
                y[n, h, i, d] += share * float(v[n, h, j, d])
    return y


def embedding(w, ids):
    y = np.zeros((*ids.shape, w.shape[1]))
    for place in np.ndindex(ids.shape):
        for c in range(w.shape[1]):
            y[(*place, c)] = w[int(ids[place]), c]
    return y


def dropout(x, mask):
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        y[place] = float(x[place]) * float(mask[place])
    return y


def mean_squared_error(y, target):
    squares = [(float(y[i]) - float(target[i])) ** 2 for i in np.ndindex(y.shape)]
    return math.fsum(squares) / len(squares)


def cross_entropy(logits, ids, count=None):
    rows = list(np.ndindex(ids.shape))
    losses = [
        -math.log(_softmax_row([float(value) for value in logits[row]])[int(ids[row])])
        for row in rows
    ]
    return math.fsum(losses) / (len(rows) if count is None else count)
