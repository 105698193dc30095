import numpy as np
from wrong_answers import wrong


@wrong("04.sgd_step", says="it goes uphill")
def uphill(params, grads, lr):
    return [p + lr * dp for p, dp in zip(params, grads, strict=True)]


@wrong("04.sgd_step", says="lr is not used")
def without_the_rate(params, grads, lr):
    return [p - dp for p, dp in zip(params, grads, strict=True)]


@wrong("04.sgd_step", says="writes into its argument params")
def in_place(params, grads, lr):
    for p, dp in zip(params, grads, strict=True):
        p -= lr * dp
    return params


@wrong("04.sgd_step", says="returns None")
def nothing_comes_back(params, grads, lr):
    for p, dp in zip(params, grads, strict=True):
        p = p - lr * dp


@wrong("04.sgd_step", says="with its own gradient")
def only_the_sign(params, grads, lr):
    return [p - lr * np.sign(dp) for p, dp in zip(params, grads, strict=True)]


@wrong("04.sgd_step", says="it returns a list of 1 for 2 parameters")
def returns_in_the_loop(params, grads, lr):
    for p, dp in zip(params, grads, strict=True):
        return [p - lr * dp]


def probs(w, ids):
    e = np.exp(w[ids] - w[ids].max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def loss_and_dlogits(w, ids, targets):
    p, n = probs(w, ids), np.arange(len(ids))
    loss = -np.log(p[n, targets]).mean()
    p[n, targets] -= 1.0
    return loss, p / len(ids)


def added_up(w, ids, rows):
    dw = np.zeros_like(w)
    np.add.at(dw, ids, rows)
    return dw


@wrong("04.bigram_step", says="only its last pair counts")
def repeated_ids_dropped(w, ids, targets, lr):
    loss, dlogits = loss_and_dlogits(w, ids, targets)
    dw = np.zeros_like(w)
    dw[ids] += dlogits
    return w - lr * dw, loss


@wrong("04.bigram_step", says="divide by it")
def without_the_mean(w, ids, targets, lr):
    loss, dlogits = loss_and_dlogits(w, ids, targets)
    dw = added_up(w, ids, dlogits * len(ids))
    return w - lr * dw, loss


@wrong("04.bigram_step", says="the row of a token that is not among the ids")
def rows_of_the_targets(w, ids, targets, lr):
    loss, dlogits = loss_and_dlogits(w, ids, targets)
    dw = added_up(w, targets, dlogits)
    return w - lr * dw, loss


@wrong("04.bigram_step", says="it goes uphill")
def added(w, ids, targets, lr):
    loss, dlogits = loss_and_dlogits(w, ids, targets)
    dw = added_up(w, ids, dlogits)
    return w + lr * dw, loss


@wrong("04.bigram_step", says="the loss before the step is ln 2")
def loss_after_the_step(w, ids, targets, lr):
    _, dlogits = loss_and_dlogits(w, ids, targets)
    dw = added_up(w, ids, dlogits)
    return w - lr * dw, loss_and_dlogits(w - lr * dw, ids, targets)[0]


@wrong("04.bigram_step", says="the gradient of the loss")
def all_logits_down_but_the_right_one(w, ids, targets, lr):
    loss, _ = loss_and_dlogits(w, ids, targets)
    dw = np.zeros_like(w)
    np.add.at(dw, (ids, targets), -1.0 / len(ids))
    return w - lr * dw, loss


@wrong("04.bigram_step", says="two parts: the new w, the loss")
def without_the_loss(w, ids, targets, lr):
    _, dlogits = loss_and_dlogits(w, ids, targets)
    dw = added_up(w, ids, dlogits)
    return w - lr * dw
