import numpy as np
from wrong_answers import wrong

from tinygpt import ops
from tinygpt.lesson_checks import c09


def norm(x, p):
    return ops.layernorm_forward(x, **p)[0]


def attention(x, p, n_head, look=ops.causal_attention_forward):
    B, T, C = x.shape
    qkv, qkv_cache = ops.linear_forward(x, **p["qkv"])
    thirds = np.split(qkv, 3, axis=-1)
    heads = [a.reshape(B, T, n_head, -1).transpose(0, 2, 1, 3) for a in thirds]
    y, heads_cache = look(*heads)
    y, proj_cache = ops.linear_forward(y.transpose(0, 2, 1, 3).reshape(B, T, C), **p["proj"])
    return y, (qkv_cache, heads_cache, proj_cache)


def mlp(x, p):
    h, fc_cache = ops.linear_forward(x, **p["fc"])
    h, gelu_cache = ops.gelu_forward(h)
    y, proj_cache = ops.linear_forward(h, **p["proj"])
    return y, (fc_cache, gelu_cache, proj_cache)


def wb_backward(op, dy, cache):
    dx, dw, db = op(dy, cache)
    return dx, {"w": dw, "b": db}


def norm_backward(dy, cache):
    return wb_backward(ops.layernorm_backward, dy, cache)


def linear_backward(dy, cache):
    return wb_backward(ops.linear_backward, dy, cache)


def mlp_backward(dy, cache):
    fc, gelu, proj = cache
    dh, g_proj = linear_backward(dy, proj)
    dx, g_fc = linear_backward(ops.gelu_backward(dh, gelu), fc)
    return dx, {"fc": g_fc, "proj": g_proj}


def attention_backward(dy, cache, n_head):
    qkv_cache, heads_cache, proj_cache = cache
    dy, g_proj = linear_backward(dy, proj_cache)
    B, T, C = dy.shape
    dy = dy.reshape(B, T, n_head, -1).transpose(0, 2, 1, 3)
    dheads = ops.causal_attention_backward(dy, heads_cache)
    thirds = [d.transpose(0, 2, 1, 3).reshape(B, T, C) for d in dheads]
    dx, g_qkv = linear_backward(np.concatenate(thirds, axis=-1), qkv_cache)
    return dx, {"qkv": g_qkv, "proj": g_proj}


# ---- the block


@wrong("09.block", says="never on x's own way")
def norm_after(x, p, n_head):
    x = norm(x + attention(x, p["attn"], n_head)[0], p["ln1"])
    return norm(x + mlp(x, p["mlp"])[0], p["ln2"])


@wrong("09.block", says="x itself is not added")
def without_residuals(x, p, n_head):
    h = attention(norm(x, p["ln1"]), p["attn"], n_head)[0]
    return mlp(norm(h, p["ln2"]), p["mlp"])[0]


@wrong("09.block", says="never on x's own way")
def the_normed_x_is_the_stream(x, p, n_head):
    x = norm(x, p["ln1"])
    x = x + attention(x, p["attn"], n_head)[0]
    x = norm(x, p["ln2"])
    return x + mlp(x, p["mlp"])[0]


@wrong("09.block", says="should be x + mlp(ln2(x)); yours takes the parameters of ln1")
def one_norm_for_both(x, p, n_head):
    x = x + attention(norm(x, p["ln1"]), p["attn"], n_head)[0]
    return x + mlp(norm(x, p["ln1"]), p["mlp"])[0]


@wrong("09.block", says="the MLP reads x from before attention was added")
def both_read_the_same_x(x, p, n_head):
    a = attention(norm(x, p["ln1"]), p["attn"], n_head)[0]
    return x + a + mlp(norm(x, p["ln2"]), p["mlp"])[0]


@wrong("09.block", says="with attn giving 0, the block should be x + mlp(ln2(x)); yours reads x")
def without_the_second_norm(x, p, n_head):
    x = x + attention(norm(x, p["ln1"]), p["attn"], n_head)[0]
    return x + mlp(x, p["mlp"])[0]


@wrong("09.block", says="it is not x = x + attention(ln1(x))")
def the_mlp_first(x, p, n_head):
    x = x + mlp(norm(x, p["ln2"]), p["mlp"])[0]
    return x + attention(norm(x, p["ln1"]), p["attn"], n_head)[0]


@wrong("09.block", says="with attn giving 0, the block should be x + mlp")
def without_the_bend(x, p, n_head):
    x = x + attention(norm(x, p["ln1"]), p["attn"], n_head)[0]
    h = ops.linear_forward(norm(x, p["ln2"]), **p["mlp"]["fc"])[0]
    return x + ops.linear_forward(h, **p["mlp"]["proj"])[0]


@wrong("09.block", says="should be x + attention(ln1(x))")
def always_one_head(x, p, n_head):
    x = x + attention(norm(x, p["ln1"]), p["attn"], 1)[0]
    return x + mlp(norm(x, p["ln2"]), p["mlp"])[0]


@wrong("09.block", says="writes into its argument x")
def in_place(x, p, n_head):
    x += attention(norm(x, p["ln1"]), p["attn"], n_head)[0]
    x += mlp(norm(x, p["ln2"]), p["mlp"])[0]
    return x


@wrong("09.block", says="it returns a tuple and should return an array")
def with_its_cache(x, p, n_head):
    return c09.block(x, p, n_head), ()


# ---- the GPT


def forward(ids, p, n_head, x=None, norm_at_the_end=True, blocks=None):
    x = p["wte"][ids] + p["wpe"][: ids.shape[1]] if x is None else x
    for b in p["h"] if blocks is None else blocks:
        x = c09.block(x, b, n_head)
    return (norm(x, p["lnf"]) if norm_at_the_end else x) @ p["wte"].T


@wrong("09.gpt_forward", says="the last norm, lnf, is missing")
def without_the_last_norm(ids, p, n_head):
    return forward(ids, p, n_head, norm_at_the_end=False)


@wrong("09.gpt_forward", says="the position, wpe, is missing")
def without_positions(ids, p, n_head):
    return forward(ids, p, n_head, x=p["wte"][ids])


@wrong("09.gpt_forward", says="lnf(wte[ids] + wpe[:T])")
def positions_from_the_end(ids, p, n_head):
    return forward(ids, p, n_head, x=p["wte"][ids] + p["wpe"][-ids.shape[1] :])


@wrong("09.gpt_forward", says="the result has shape")
def all_positions(ids, p, n_head):
    return forward(ids, p, n_head, x=p["wte"][ids] + p["wpe"])


@wrong("09.gpt_forward", says="block 1 of 2 changes nothing")
def one_block_for_all(ids, p, n_head):
    return forward(ids, p, n_head, blocks=p["h"][:1] * len(p["h"]))


@wrong("09.gpt_forward", says="block 0 of 2 changes nothing")
def x_of_the_loop_forgotten(ids, p, n_head):
    return forward(ids, p, n_head, blocks=p["h"][-1:])


@wrong("09.gpt_forward", says="the blocks come in the wrong order")
def from_the_last_block(ids, p, n_head):
    return forward(ids, p, n_head, blocks=p["h"][::-1])


@wrong("09.gpt_forward", says="these are probabilities")
def with_a_softmax(ids, p, n_head):
    return ops.softmax_forward(forward(ids, p, n_head))[0]


@wrong("09.gpt_forward", says="raises ValueError")
def head_not_turned(ids, p, n_head):
    x = p["wte"][ids] + p["wpe"][: ids.shape[1]]
    return norm(x, p["lnf"]) @ p["wte"]


@wrong("09.gpt_forward", says="another id at position 1 changes logits before it")
def without_a_mask(ids, p, n_head):
    def see_all(q, k, v):
        weights = ops.softmax_forward(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]))[0]
        return weights.astype(q.dtype) @ v, ()

    x = p["wte"][ids] + p["wpe"][: ids.shape[1]]
    for b in p["h"]:
        x = x + attention(norm(x, b["ln1"]), b["attn"], n_head, see_all)[0]
        x = x + mlp(norm(x, b["ln2"]), b["mlp"])[0]
    return norm(x, p["lnf"]) @ p["wte"].T


# ---- counting


@wrong("09.parameter_count", says="counts once")
def with_a_head_of_its_own(vocab_size, block_size, n_layer, n_embd):
    right = c09.parameter_count(vocab_size, block_size, n_layer, n_embd)
    return right + vocab_size * n_embd


@wrong("09.parameter_count", says="the biases (9 C) and the two norms (4 C)")
def matrices_alone(vocab_size, block_size, n_layer, n_embd):
    return (vocab_size + block_size + 12 * n_layer * n_embd) * n_embd


@wrong("09.parameter_count", says="its two norms")
def blocks_without_norms(vocab_size, block_size, n_layer, n_embd):
    right = c09.parameter_count(vocab_size, block_size, n_layer, n_embd)
    return right - n_layer * 4 * n_embd


@wrong("09.parameter_count", says="the biases of its four linear layers")
def without_biases(vocab_size, block_size, n_layer, n_embd):
    right = c09.parameter_count(vocab_size, block_size, n_layer, n_embd)
    return right - n_layer * 9 * n_embd


@wrong("09.parameter_count", says="the last norm, lnf, is missing")
def without_lnf(vocab_size, block_size, n_layer, n_embd):
    return c09.parameter_count(vocab_size, block_size, n_layer, n_embd) - 2 * n_embd


@wrong("09.parameter_count", says="one more position adds 0")
def without_wpe(vocab_size, block_size, n_layer, n_embd):
    right = c09.parameter_count(vocab_size, block_size, n_layer, n_embd)
    return right - block_size * n_embd


# ---- the way back through a block


def back(dy, x, p, n_head, past_mlp=True, past_attention=True, own_dy=True):
    h, c1 = ops.layernorm_forward(x, **p["ln1"])
    a, c2 = attention(h, p["attn"], n_head)
    h, c3 = ops.layernorm_forward(x + a, **p["ln2"])
    _, c4 = mlp(h, p["mlp"])
    g = {}
    dh, g["mlp"] = mlp_backward(dy, c4)
    du, g["ln2"] = norm_backward(dh, c3)
    du = du + dy if past_mlp else du
    dh, g["attn"] = attention_backward(du, c2, n_head)
    dx, g["ln1"] = norm_backward(dh, c1)
    if past_attention:
        dx = dx + (du if own_dy else dy)
    return dx, g


@wrong("09.block_backward", says="dy arrives at attention too, past the MLP")
def a_chain(dy, x, p, n_head):
    return back(dy, x, p, n_head, past_mlp=False, past_attention=False)


@wrong("09.block_backward", says="dy arrives at attention too, past the MLP")
def not_past_the_mlp(dy, x, p, n_head):
    return back(dy, x, p, n_head, past_mlp=False)


@wrong("09.block_backward", says="so dx should be dy: x + attention(ln1(x)) gives x two gradients")
def not_past_attention(dy, x, p, n_head):
    return back(dy, x, p, n_head, past_attention=False)


@wrong("09.block_backward", says="past attention flows what arrived at the x in the middle, not dy")
def dy_past_both(dy, x, p, n_head):
    return back(dy, x, p, n_head, own_dy=False)


@wrong("09.block_backward", says="writes into its argument dy")
def added_in_place(dy, x, p, n_head):
    dx, g = back(dy, x, p, n_head)
    dy += dx
    return dy, g


@wrong("09.block_backward", says="is not its gradient")
def mlp_cache_of_the_old_x(dy, x, p, n_head):
    """The forward pass inside reads x, not x + attention, for ln2."""
    _, c3 = ops.layernorm_forward(x, **p["ln2"])
    dx, g = back(dy, x, p, n_head)
    g["ln2"] = norm_backward(dy, c3)[1]
    return dx, g


@wrong("09.block_backward", says="return two things")
def dx_alone(dy, x, p, n_head):
    return back(dy, x, p, n_head)[0]


@wrong("09.block_backward", says="is missing")
def the_norms_forgotten(dy, x, p, n_head):
    dx, g = back(dy, x, p, n_head)
    return dx, {"attn": g["attn"], "mlp": g["mlp"]}


@wrong("09.block_backward", says="should have")
def a_matrix_turned(dy, x, p, n_head):
    dx, g = back(dy, x, p, n_head)
    g["mlp"]["fc"]["w"] = g["mlp"]["fc"]["w"].T
    return dx, g


# ---- the way back through the GPT


def parts(dlogits, ids, p, n_head, last_norm=True):
    """The gradients of everything, wte in two: at the bottom, at the top; and dx."""
    x, xs = p["wte"][ids] + p["wpe"][: ids.shape[1]], []
    for b in p["h"]:
        xs.append(x)
        x = c09.block(x, b, n_head)
    h, lnf_cache = ops.layernorm_forward(x, **p["lnf"])
    dh, dw, _ = ops.linear_backward(dlogits, (h, p["wte"].T, False))
    dx, g_lnf = norm_backward(dh, lnf_cache)
    g = {"lnf": g_lnf, "h": [None] * len(xs), "wpe": np.zeros_like(p["wpe"])}
    dx = dx if last_norm else dh
    for i in reversed(range(len(xs))):
        dx, g["h"][i] = c09.block_backward(dx, xs[i], p["h"][i], n_head)
    g["wpe"][: ids.shape[1]] = dx.sum(axis=0)
    return g, ops.embedding_backward(dx, (ids, p["wte"].shape)), dw.T, dx


@wrong("09.gpt_backward", says="what came from the output layer is overwritten")
def overwritten(dlogits, ids, p, n_head):
    g, bottom, _, _ = parts(dlogits, ids, p, n_head)
    return {**g, "wte": bottom}


@wrong("09.gpt_backward", says="what comes to the embedding is lost")
def the_head_alone(dlogits, ids, p, n_head):
    g, _, top, _ = parts(dlogits, ids, p, n_head)
    return {**g, "wte": top}


@wrong("09.gpt_backward", says="repeated ids accumulate")
def the_mean_of_both(dlogits, ids, p, n_head):
    g, bottom, top, _ = parts(dlogits, ids, p, n_head)
    seen = np.isin(np.arange(len(top)), ids)[:, None]
    return {**g, "wte": np.where(seen, (bottom + top) / 2, top)}


@wrong("09.gpt_backward", says="repeated ids accumulate")
def added_with_an_index(dlogits, ids, p, n_head):
    g, _, top, dx = parts(dlogits, ids, p, n_head)
    wte = top.copy()
    wte[ids] += dx
    return {**g, "wte": wte}


@wrong("09.gpt_backward", says="uses wte transposed")
def not_turned_back(dlogits, ids, p, n_head):
    g, _, top, _ = parts(dlogits, ids, p, n_head)
    return {**g, "wte": top.T}


@wrong("09.gpt_backward", says="wrong order")
def blocks_as_they_came(dlogits, ids, p, n_head):
    g, bottom, top, _ = parts(dlogits, ids, p, n_head)
    return {**g, "wte": bottom + top, "h": g["h"][::-1]}


@wrong("09.gpt_backward", says="g['wpe'] has shape")
def as_many_positions_as_tokens(dlogits, ids, p, n_head):
    g, bottom, top, dx = parts(dlogits, ids, p, n_head)
    return {**g, "wte": bottom + top, "wpe": dx.sum(axis=0)}


@wrong("09.gpt_backward", says="g['wpe'] is not its gradient")
def the_mean_over_the_batch(dlogits, ids, p, n_head):
    g, bottom, top, dx = parts(dlogits, ids, p, n_head)
    g["wpe"][: ids.shape[1]] = dx.mean(axis=0)
    return {**g, "wte": bottom + top}


@wrong("09.gpt_backward", says="is not 0 at places that no text reaches")
def at_every_place(dlogits, ids, p, n_head):
    g, bottom, top, dx = parts(dlogits, ids, p, n_head)
    return {**g, "wte": bottom + top, "wpe": g["wpe"] + dx.sum(axis=(0, 1)) + 1}


@wrong("09.gpt_backward", says="g['wte']")
def past_the_last_norm(dlogits, ids, p, n_head):
    g, bottom, top, _ = parts(dlogits, ids, p, n_head, last_norm=False)
    return {**g, "wte": bottom + top}


@wrong("09.gpt_backward", says="['lnf']['w'] is missing")
def lnf_forgotten(dlogits, ids, p, n_head):
    g, bottom, top, _ = parts(dlogits, ids, p, n_head)
    return {"wte": bottom + top, "wpe": g["wpe"], "h": g["h"]}
