import math

import numpy as np
from wrong_answers import wrong


def stable(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def one_hot(ids, V):
    return np.eye(V)[ids]


@wrong("03.softmax", says="`e = np.exp(x)`, overflows")
def without_the_maximum(x):
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


@wrong("03.softmax", says="do not sum to 1")
def over_the_first_axis(x):
    e = np.exp(x - x.max(axis=0, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)


@wrong("03.softmax", says="do not sum to 1")
def over_everything(x):
    e = np.exp(x - x.max())
    return e / e.sum()


@wrong("03.softmax", says="writes into its argument x")
def in_place(x):
    x -= x.max(axis=-1, keepdims=True)
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


@wrong("03.softmax", says="raises ValueError")
def forgotten_keepdims(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1)


@wrong("03.softmax", says="float64 and should be float32")
def always_float64(x):
    return stable(x.astype(np.float64))


@wrong("03.softmax", says="sum to 1")
def not_normalised(x):
    return np.exp(x - x.max(axis=-1, keepdims=True))


@wrong("03.cross_entropy", says="log of zero")
def log_of_softmax(logits, ids):
    p = stable(logits).reshape(-1, logits.shape[-1])
    return -np.log(p[np.arange(ids.size), ids.reshape(-1)]).mean()


@wrong("03.cross_entropy", says="sum over the rows")
def summed(logits, ids):
    p = stable(logits).reshape(-1, logits.shape[-1])
    return -np.log(p[np.arange(ids.size), ids.reshape(-1)]).sum()


@wrong("03.cross_entropy", says="should be ln 2")
def in_bits(logits, ids):
    p = stable(logits).reshape(-1, logits.shape[-1])
    return -np.log2(p[np.arange(ids.size), ids.reshape(-1)]).mean()


@wrong("03.cross_entropy", says="should return one number")
def one_number_per_row(logits, ids):
    p = stable(logits).reshape(-1, logits.shape[-1])
    return -np.log(p[np.arange(ids.size), ids.reshape(-1)])


@wrong("03.cross_entropy", says="should be ln")
def mean_over_all_entries(logits, ids):
    return -(one_hot(ids, logits.shape[-1]) * np.log(stable(logits) + 1e-12)).mean()


@wrong("03.cross_entropy_gradient", says="divide by the number of rows")
def without_the_mean(logits, ids):
    return stable(logits) - one_hot(ids, logits.shape[-1]).astype(logits.dtype)


@wrong("03.cross_entropy_gradient", says="wrong sign")
def upside_down(logits, ids):
    return ((one_hot(ids, logits.shape[-1]) - stable(logits)) / ids.size).astype(logits.dtype)


@wrong("03.cross_entropy_gradient", says="do not sum to 0")
def without_the_one_hot(logits, ids):
    return stable(logits) / ids.size


@wrong("03.cross_entropy_gradient", says="changes the loss")
def divided_by_all_but_the_last_of_the_shape(logits, ids):
    return (stable(logits) - one_hot(ids, logits.shape[-1]).astype(logits.dtype)) / math.sqrt(
        ids.size
    )
