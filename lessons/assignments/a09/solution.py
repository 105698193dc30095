"""Assignment 09: the block and the GPT, forward and backward."""

import math

import numpy as np
from parts import (
    attention,
    attention_backward,
    layernorm,
    layernorm_backward,
    linear,
    linear_backward,
)

GELU = "tanh"  # of your class: "tanh" or "erf"
BLOCK = "serial"  # of your class: "serial" or "parallel"
FACTOR = 4  # of your class; leave it as it is


def gelu(x):
    """A soft step: y is x where x is large, and 0 where it is very negative.   -> y, cache"""
    # BEGIN SOLUTION
    if GELU == "erf":
        step = np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2)).astype(x.dtype)
    else:
        step = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))
    return 0.5 * x * (1 + step), (x, step)
    # END SOLUTION


def gelu_backward(dy, cache):
    """The gradient of x.   dy, of the shape of x -> dx"""
    # BEGIN SOLUTION
    x, step = cache
    if GELU == "erf":
        slope = math.sqrt(2 / math.pi) * np.exp(-0.5 * x * x)
    else:
        slope = (1 - step * step) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
    return dy * 0.5 * (1 + step + x * slope)
    # END SOLUTION


def block(x, p, n_head):
    """One block of your class.   x (B, T, C) -> y (B, T, C), cache"""
    # BEGIN SOLUTION
    h, ln1 = layernorm(x, p["ln1"]["w"], p["ln1"]["b"])
    a, att = attention(h, p["attn"], n_head)
    u = x + a
    h, ln2 = layernorm(u if BLOCK == "serial" else x, p["ln2"]["w"], p["ln2"]["b"])
    h, fc = linear(h, p["mlp"]["fc"]["w"], p["mlp"]["fc"]["b"])
    h, act = gelu(h)
    m, proj = linear(h, p["mlp"]["proj"]["w"], p["mlp"]["proj"]["b"])
    return u + m, (ln1, att, ln2, fc, act, proj)
    # END SOLUTION


def block_backward(dy, cache):
    """The gradients of x and of p.   dy (B, T, C) -> dx (B, T, C), g like p"""
    # BEGIN SOLUTION
    ln1, att, ln2, fc, act, proj = cache
    dh, proj_w, proj_b = linear_backward(dy, proj)
    dh, fc_w, fc_b = linear_backward(gelu_backward(dh, act), fc)
    dbranch, ln2_w, ln2_b = layernorm_backward(dh, ln2)
    du = dy + dbranch if BLOCK == "serial" else dy  # what arrives where attention was added
    dh, attn = attention_backward(du, att)
    dh, ln1_w, ln1_b = layernorm_backward(dh, ln1)
    dx = du + dh if BLOCK == "serial" else dy + dbranch + dh
    return dx, {
        "ln1": {"w": ln1_w, "b": ln1_b},
        "attn": attn,
        "ln2": {"w": ln2_w, "b": ln2_b},
        "mlp": {"fc": {"w": fc_w, "b": fc_b}, "proj": {"w": proj_w, "b": proj_b}},
    }
    # END SOLUTION


def parameter_count(vocab_size, block_size, n_layer, n_embd):
    """How many numbers the parameters of a GPT of your class are.   -> int"""
    # BEGIN SOLUTION
    C, F = n_embd, FACTOR * n_embd
    attn = C * 3 * C + 3 * C + C * C + C
    mlp = C * F + F + F * C + C
    return (vocab_size + block_size) * C + n_layer * (attn + mlp + 4 * C) + 2 * C
    # END SOLUTION


def gpt(ids, p, n_head):
    """The whole model.   ids (B, T) -> logits (B, T, V), cache"""
    # BEGIN SOLUTION
    x = p["wte"][ids] + p["wpe"][: ids.shape[1]]
    caches = []
    for part in p["h"]:
        x, cache = block(x, part, n_head)
        caches.append(cache)
    h, lnf = layernorm(x, p["lnf"]["w"], p["lnf"]["b"])
    return h @ p["wte"].T, (ids, p["wte"], p["wpe"], caches, h, lnf)
    # END SOLUTION


def gpt_backward(dlogits, cache):
    """The gradients of all parameters.   dlogits (B, T, V) -> g like p"""
    # BEGIN SOLUTION
    ids, wte, wpe, caches, h, lnf = cache
    drows = dlogits.reshape(-1, dlogits.shape[-1])
    dwte = drows.T @ h.reshape(len(drows), -1)  # its use at the top
    dx, lnf_w, lnf_b = layernorm_backward(dlogits @ wte, lnf)
    blocks = []
    for cache in reversed(caches):
        dx, g = block_backward(dx, cache)
        blocks.append(g)
    np.add.at(dwte, ids, dx)  # and at the bottom
    dwpe = np.zeros_like(wpe)
    dwpe[: ids.shape[1]] = dx.sum(axis=0)
    return {"wte": dwte, "wpe": dwpe, "h": blocks[::-1], "lnf": {"w": lnf_w, "b": lnf_b}}
    # END SOLUTION
