"""Wrong solutions of assignment 03, as people write them. Each stands after the right solution and
takes the place of its function; the line above it names the checks that have to fail.
"""

import numpy as np
from solution import SMOOTHING, TEMPERATURE, cross_entropy_gradient, softmax

right_softmax, right_gradient = softmax, cross_entropy_gradient


def onehot(ids, V):
    return np.eye(V)[ids]


def log_softmax(logits):
    z = logits / TEMPERATURE
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


# WRONG without_the_maximum: softmax: logits of 10,000 are no trouble
def softmax(x):
    e = np.exp(x / TEMPERATURE)
    return e / e.sum(axis=-1, keepdims=True)


# WRONG one_maximum_for_all: softmax: logits of 10,000 are no trouble
def softmax(x):
    e = np.exp((x - x.max()) / TEMPERATURE)
    return e / e.sum(axis=-1, keepdims=True)


# WRONG over_the_first_axis: softmax: rows are probabilities; softmax: the temperature of this class
def softmax(x):
    e = np.exp((x - x.max(axis=0)) / TEMPERATURE)
    return e / e.sum(axis=0)


# WRONG all_the_same: softmax: rows are probabilities; softmax: logits of 10,000 are no trouble
def softmax(x):
    return np.full_like(x, 1 / x.shape[-1])


# WRONG of_the_lesson: softmax: the temperature of this class
def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# WRONG multiplied_by_the_temperature: softmax: the temperature of this class
def softmax(x):
    return right_softmax(x * TEMPERATURE**2)


# WRONG in_bits: loss: who knows nothing pays ln V; loss: the right numbers
def cross_entropy(logits, ids):
    target = (1 - SMOOTHING) * onehot(ids, logits.shape[-1]) + SMOOTHING / logits.shape[-1]
    return -(target * log_softmax(logits)).sum(axis=-1).mean() / np.log(2)


# WRONG a_sum_over_the_rows: loss: who knows nothing pays ln V; loss: the right numbers
def cross_entropy(logits, ids):
    target = (1 - SMOOTHING) * onehot(ids, logits.shape[-1]) + SMOOTHING / logits.shape[-1]
    return -(target * log_softmax(logits)).sum()


# WRONG not_smoothed: loss: the right numbers; gradient: it is the slope of your own loss
def cross_entropy(logits, ids):
    return -(onehot(ids, logits.shape[-1]) * log_softmax(logits)).sum(axis=-1).mean()


# WRONG shared_among_the_others: loss: the right numbers
def cross_entropy(logits, ids):
    V = logits.shape[-1]
    right = onehot(ids, V)
    target = (1 - SMOOTHING) * right + SMOOTHING / (V - 1) * (1 - right)
    return -(target * log_softmax(logits)).sum(axis=-1).mean()


# WRONG the_log_of_a_probability: loss: logits of 10,000 are no trouble
def cross_entropy(logits, ids):
    target = (1 - SMOOTHING) * onehot(ids, logits.shape[-1]) + SMOOTHING / logits.shape[-1]
    return -(target * np.log(right_softmax(logits))).sum(axis=-1).mean()


# WRONG a_little_added_to_the_log: loss: logits of 10,000 are no trouble
def cross_entropy(logits, ids):
    target = (1 - SMOOTHING) * onehot(ids, logits.shape[-1]) + SMOOTHING / logits.shape[-1]
    return -(target * np.log(right_softmax(logits) + 1e-12)).sum(axis=-1).mean()


# WRONG without_the_temperature: gradient: it is the slope of your own loss; gradient: the right numbers
def cross_entropy_gradient(logits, ids):
    return right_gradient(logits, ids) * TEMPERATURE


# WRONG without_the_mean: gradient: it is the slope of your own loss; gradient: the right numbers
def cross_entropy_gradient(logits, ids):
    return right_gradient(logits, ids) * ids.size


# WRONG upside_down: gradient: it is the slope of your own loss; gradient: the right numbers
def cross_entropy_gradient(logits, ids):
    return -right_gradient(logits, ids)


# WRONG always_float64: gradient: large logits, and float32 stays float32
def cross_entropy_gradient(logits, ids):
    return right_gradient(logits.astype(np.float64), ids)


# WRONG nan_at_10000: gradient: large logits, and float32 stays float32
def cross_entropy_gradient(logits, ids):
    V, e = logits.shape[-1], np.exp(logits / TEMPERATURE)
    target = ((1 - SMOOTHING) * onehot(ids, V) + SMOOTHING / V).astype(logits.dtype)
    return (e / e.sum(axis=-1, keepdims=True) - target) / (TEMPERATURE * ids.size)
