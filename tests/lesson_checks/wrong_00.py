import numpy as np
from wrong_answers import wrong


@wrong("00.one_hot", says="shape (3, 1) and should have (1, 2)")
def ids_in_the_columns(ids, V):
    return (np.arange(3)[:, None] == ids).astype(float)


@wrong("00.one_hot", says="should have (3, 2, 4)")
def only_for_one_axis(ids, V):
    y = np.zeros((len(ids), V))
    y[np.arange(len(ids)), ids.reshape(-1)[: len(ids)]] = 1.0
    return y


@wrong("00.one_hot", says="should be float")
def true_and_false(ids, V):
    return ids[..., None] == np.arange(V)


@wrong("00.one_hot", says="the 1 does not stand at the id")
def counted_from_one(ids, V):
    return np.eye(V)[ids - 1]


@wrong("00.causal_mask", says="should have i + 1 ones")
def blind_to_itself(T):
    return np.tril(np.ones((T, T)), k=-1)


@wrong("00.causal_mask", says="looks at one after it")
def one_too_far(T):
    return np.tril(np.ones((T, T)), k=1)


@wrong("00.causal_mask", says="looks at one after it")
def transposed(T):
    return np.triu(np.ones((T, T)))


@wrong("00.causal_mask", says="other than 0 and 1")
def minus_infinity_already(T):
    return np.triu(np.full((T, T), -np.inf), k=1)
