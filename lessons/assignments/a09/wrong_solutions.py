"""Wrong solutions of assignment 09, as people write them. Each stands after the right solution and
takes the place of its function; the line above it names the checks that have to fail.
"""

import numpy as np
from parts import layernorm
from solution import (
    FACTOR,
    block,
    block_backward,
    gelu,
    gelu_backward,
    gpt,
    gpt_backward,
    parameter_count,
)

right_gelu, right_gelu_backward, right_count = gelu, gelu_backward, parameter_count
right_block, right_block_backward, right_gpt, right_gpt_backward = (
    block, block_backward, gpt, gpt_backward
)  # fmt: skip


# WRONG a_relu: gelu: 0 stays 0, large numbers pass, very negative ones do not; gelu: the form of this class
def gelu(x):
    return np.maximum(x, 0), right_gelu(x)[1]


# WRONG the_step_alone: gelu: 0 stays 0, large numbers pass, very negative ones do not
def gelu(x):
    y, cache = right_gelu(x)
    return 0.5 * (1 + cache[1]), cache


# WRONG with_a_logistic: gelu: the form of this class
def gelu(x):
    return x / (1 + np.exp(-1.702 * x)), right_gelu(x)[1]


# WRONG without_the_product_rule: gelu backward: the slope of your own gelu; gelu backward: the right numbers
def gelu_backward(dy, cache):
    x, step = cache
    return dy * 0.5 * (1 + step)


# WRONG without_dy: gelu backward: the slope of your own gelu; gelu backward: the right numbers
def gelu_backward(dy, cache):
    return right_gelu_backward(np.ones_like(dy), cache)


# WRONG always_float64: gelu: 0 stays 0, large numbers pass, very negative ones do not; gelu backward: the right numbers
def gelu(x):
    return right_gelu(x.astype(np.float64))


# WRONG without_the_residual: block: a residual that does nothing gives back x; block: the right numbers
def block(x, p, n_head):
    y, cache = right_block(x, p, n_head)
    return y - x, cache


# WRONG a_norm_on_the_way: block: a residual that does nothing gives back x
def block(x, p, n_head):
    y, cache = right_block(x, p, n_head)
    return layernorm(y, p["ln2"]["w"], p["ln2"]["b"])[0], cache


# WRONG the_norms_exchanged: block: the right numbers
def block(x, p, n_head):
    return right_block(x, {**p, "ln1": p["ln2"], "ln2": p["ln1"]}, n_head)


# WRONG past_the_branches_nothing_flows: block backward: the slopes of your own block; block backward: the right numbers
def block_backward(dy, cache):
    dx, g = right_block_backward(dy, cache)
    return dx - dy, g


# WRONG a_gradient_halved: block backward: the slopes of your own block; block backward: the right numbers
def block_backward(dy, cache):
    dx, g = right_block_backward(dy, cache)
    return dx, {**g, "ln1": {"w": g["ln1"]["w"] / 2, "b": g["ln1"]["b"]}}


# WRONG a_mean_over_the_rows: block backward: the right numbers
def block_backward(dy, cache):
    dx, g = right_block_backward(dy, cache)
    fc = {"w": g["mlp"]["fc"]["w"], "b": g["mlp"]["fc"]["b"] / dy.shape[1]}
    return dx, {**g, "mlp": {**g["mlp"], "fc": fc}}


# WRONG counted_twice: parameters: counted
def parameter_count(vocab_size, block_size, n_layer, n_embd):
    return right_count(vocab_size, block_size, n_layer, n_embd) + vocab_size * n_embd


# WRONG without_the_biases: parameters: counted
def parameter_count(vocab_size, block_size, n_layer, n_embd):
    C = n_embd
    return (vocab_size + block_size) * C + n_layer * (4 + 2 * FACTOR) * C * C


# WRONG without_positions: gpt: the right numbers
def gpt(ids, p, n_head):
    return right_gpt(ids, {**p, "wpe": 0 * p["wpe"]}, n_head)


# WRONG the_blocks_turned: gpt: the right numbers; gpt backward: the right numbers
def gpt(ids, p, n_head):
    return right_gpt(ids, {**p, "h": p["h"][::-1]}, n_head)


# WRONG the_mean_of_all: gpt: shapes, and no position sees the future
def gpt(ids, p, n_head):
    logits, cache = right_gpt(ids, p, n_head)
    return logits + 0 * logits + logits.mean(axis=1, keepdims=True), cache


# WRONG one_row_of_logits: gpt: shapes, and no position sees the future
def gpt(ids, p, n_head):
    logits, cache = right_gpt(ids, p, n_head)
    return logits[:, -1], cache


# WRONG repeated_ids_dropped: gpt backward: the slopes of your own gpt; gpt backward: the right numbers
def gpt_backward(dlogits, cache):
    ids, wte, wpe, caches, h, lnf = cache
    seen = np.unique(ids)
    g = right_gpt_backward(dlogits, cache)
    top = dlogits.reshape(-1, len(wte)).T @ h.reshape(-1, wte.shape[1])
    g["wte"] = top.copy()
    g["wte"][seen] += 0.5 * (right_gpt_backward(dlogits, cache)["wte"] - top)[seen]
    return g


# WRONG the_use_at_the_top_alone: gpt backward: the slopes of your own gpt; gpt backward: the right numbers
def gpt_backward(dlogits, cache):
    ids, wte, wpe, caches, h, lnf = cache
    g = right_gpt_backward(dlogits, cache)
    return {**g, "wte": dlogits.reshape(-1, len(wte)).T @ h.reshape(-1, wte.shape[1])}


# WRONG positions_as_long_as_the_text: gpt backward: the slopes of your own gpt
def gpt_backward(dlogits, cache):
    g = right_gpt_backward(dlogits, cache)
    return {**g, "wpe": g["wpe"][: dlogits.shape[1]]}
