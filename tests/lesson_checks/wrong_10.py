import math

import numpy as np
from wrong_answers import wrong

B1, B2, EPS = 0.9, 0.99, 1e-8


def moments(g, m, v):
    return B1 * m + (1 - B1) * g, B2 * v + (1 - B2) * g * g


def direction(m, v, t):
    return (m / (1 - B1**t)) / (np.sqrt(v / (1 - B2**t)) + EPS)


@wrong("10.adamw_step", says="step 2 is not lr long")
def without_the_correction(p, g, m, v, t, lr, decay):
    m, v = moments(g, m, v)
    return p - lr * decay * p - lr * m / (np.sqrt(v) + EPS), m, v


@wrong("10.adamw_step", says="the decay has entered m and v")
def decay_in_the_gradient(p, g, m, v, t, lr, decay):
    m, v = moments(g + decay * p, m, v)
    return p - lr * direction(m, v, t), m, v


@wrong("10.adamw_step", says="forgets lr")
def decay_without_lr(p, g, m, v, t, lr, decay):
    m, v = moments(g, m, v)
    return p - decay * p - lr * direction(m, v, t), m, v


@wrong("10.adamw_step", says="both are taken from the old p")
def decay_after_the_step(p, g, m, v, t, lr, decay):
    m, v = moments(g, m, v)
    p = p - lr * direction(m, v, t)
    return p - lr * decay * p, m, v


@wrong("10.adamw_step", says="whatever the size of g")
def without_the_root(p, g, m, v, t, lr, decay):
    m, v = moments(g, m, v)
    step = (m / (1 - B1**t)) / (v / (1 - B2**t) + EPS)
    return p - lr * decay * p - lr * step, m, v


@wrong("10.adamw_step", says="eps is not in its place")
def eps_under_the_root(p, g, m, v, t, lr, decay):
    m, v = moments(g, m, v)
    step = (m / (1 - B1**t)) / np.sqrt(v / (1 - B2**t) + EPS**1.5)
    return p - lr * decay * p - lr * step, m, v


@wrong("10.adamw_step", says="the m to be returned is the running mean itself")
def corrected_means_are_kept(p, g, m, v, t, lr, decay):
    m, v = moments(g, m, v)
    new = p - lr * decay * p - lr * direction(m, v, t)
    return new, m / (1 - B1**t) if t > 1 else m, v


@wrong("10.adamw_step", says="uphill")
def uphill(p, g, m, v, t, lr, decay):
    m, v = moments(g, m, v)
    return p - lr * decay * p + lr * direction(m, v, t), m, v


@wrong("10.adamw_step", says="the new v is not")
def square_of_the_mean(p, g, m, v, t, lr, decay):
    m = B1 * m + (1 - B1) * g
    v = B2 * v + (1 - B2) * m * m
    return p - lr * decay * p - lr * direction(m, v, t), m, v


@wrong("10.adamw_step", says="writes into its argument m")
def in_place(p, g, m, v, t, lr, decay):
    m *= B1
    m += (1 - B1) * g
    return p, m, v


@wrong("10.adamw_step", says="three parts: p, m, v")
def p_alone(p, g, m, v, t, lr, decay):
    m, v = moments(g, m, v)
    return p - lr * decay * p - lr * direction(m, v, t)


@wrong("10.clip", says="above the limit")
def each_array_by_its_own_norm(grads, limit):
    return [g * min(1.0, limit / max(np.linalg.norm(g), 1e-30)) for g in grads]


@wrong("10.clip", says="the direction has changed")
def each_number_by_itself(grads, limit):
    most = limit / math.sqrt(sum(g.size for g in grads))
    if math.sqrt(sum((g * g).sum() for g in grads)) <= limit:
        return [g * 1.0 for g in grads]
    return [np.clip(g, -most, most) for g in grads]


@wrong("10.clip", says="nothing should change")
def always_to_the_limit(grads, limit):
    norm = math.sqrt(sum((g * g).sum() for g in grads))
    return [g * (limit / max(norm, 1e-30)) for g in grads]


@wrong("10.clip", says="after clipping")
def forgotten_root(grads, limit):
    norm = sum((g * g).sum() for g in grads)
    return [g * float(min(1.0, limit / max(norm, 1e-30))) for g in grads]


@wrong("10.clip", says="writes into its argument grads")
def clips_in_place(grads, limit):
    for g in grads:
        g *= limit
    return grads


@wrong("10.lr_at", says="teaches nothing")
def begins_at_zero(step, lr, min_lr, warmup, steps):
    if step < warmup:
        return lr * step / warmup
    progress = (step - warmup) / max(1, steps - 1 - warmup)
    return min_lr + (lr - min_lr) * (1 + math.cos(math.pi * min(1.0, progress))) / 2


@wrong("10.lr_at", says="the last step is")
def one_step_short(step, lr, min_lr, warmup, steps):
    if step < warmup:
        return lr * (step + 1) / warmup
    progress = (step - warmup) / (steps - warmup)
    return min_lr + (lr - min_lr) * (1 + math.cos(math.pi * min(1.0, progress))) / 2


@wrong("10.lr_at", says="a cosine rises again")
def rises_again(step, lr, min_lr, warmup, steps):
    if step < warmup:
        return lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - 1 - warmup)
    return min_lr + (lr - min_lr) * (1 + math.cos(math.pi * progress)) / 2


@wrong("10.lr_at", says="half a cosine")
def a_line_down(step, lr, min_lr, warmup, steps):
    if step < warmup:
        return lr * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    return lr + (min_lr - lr) * progress


@wrong("10.lr_at", says="the rate is min_lr")
def a_cosine_down_to_zero(step, lr, min_lr, warmup, steps):
    if step < warmup:
        return lr * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    return lr * (1 + math.cos(math.pi * progress)) / 2
