import numpy as np
from wrong_answers import wrong


@wrong("07.embedding_backward", says="keeps one of its rows of dy and drops the others")
def added_with_an_index(dy, ids, V):
    dw = np.zeros((V, dy.shape[-1]), dy.dtype)
    dw[ids] += dy
    return dw


@wrong("07.embedding_backward", says="keeps one of its rows of dy and drops the others")
def written_and_not_added(dy, ids, V):
    dw = np.zeros((V, dy.shape[-1]), dy.dtype)
    for i, row in zip(ids.reshape(-1), dy.reshape(-1, dy.shape[-1]), strict=True):
        dw[i] = row
    return dw


@wrong("07.embedding_backward", says="gets the mean of its rows of dy")
def the_mean_of_the_places(dy, ids, V):
    dw = np.zeros((V, dy.shape[-1]), dy.dtype)
    np.add.at(dw, ids, dy)
    return dw / np.maximum(np.bincount(ids.reshape(-1), minlength=V), 1)[:, None].astype(dy.dtype)


@wrong("07.embedding_backward", says="should have (2, 2)")
def as_many_rows_as_tokens_occur(dy, ids, V):
    dw = np.zeros((ids.size, dy.shape[-1]), dy.dtype)
    np.add.at(dw, np.unique(ids, return_inverse=True)[1], dy)
    return dw


@wrong("07.embedding_backward", says="should have (2, 2)")
def the_gradient_of_the_lookup(dy, ids, V):
    return dy[ids % len(dy)]


@wrong("07.embedding_backward", says="raises ValueError")
def for_one_axis_of_ids_alone(dy, ids, V):
    return np.eye(V, dtype=dy.dtype)[ids].T @ dy


@wrong("07.embedding_backward", says="should be float32")
def always_float64(dy, ids, V):
    dw = np.zeros((V, dy.shape[-1]))
    np.add.at(dw, ids, dy)
    return dw


@wrong("07.embedding_backward", says="does not occur in ids")
def counted_from_one(dy, ids, V):
    dw = np.zeros((V, dy.shape[-1]), dy.dtype)
    np.add.at(dw, ids - 1, dy)
    return dw
