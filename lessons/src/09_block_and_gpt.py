# %% [markdown]
# # 09 · The block and the GPT
#
# You will put the pieces of lessons 03 to 08 together into a block, the blocks into a GPT, and send the gradient all the way
# back through it. At the end you watch it flow through the model that comes with tinygpt, layer by layer.
#
# 70 minutes, 40 of them for the exercises. You need: [06](06_norm_gelu_residual.ipynb) (LayerNorm, residual), [07](07_embeddings_and_position.ipynb)
# (embeddings), [08](08_attention.ipynb) (attention).

# %%
import inspect

import numpy as np
from style import draw_bars, draw_curves, draw_map, draw_stream, new_figure, picture, titles

import tinygpt
from tinygpt import check, check_gradients, ops, tales, transformer
from tinygpt.lesson_checks import c09
from tinygpt.params import param_shapes, views

np.set_printoptions(precision=3, suppress=True)
draw_map("block")

# %% [markdown]
# All boxes of the two left columns exist by now. What is left is *assembly*, and it is where most home-made GPTs go wrong: no
# formula is new, but a norm stands in the wrong place, a gradient is forgotten or overwritten, and the loss still falls.
#
# ## A GPT of one number, by hand
#
# Take away everything but the plan. One token, one channel. The **embedding** is one number `w`. A block has two **branches**, attention
# and MLP; each looks at the number on the stream and *adds* something to it (lesson 06). Here attention adds
# 0.5 times what it sees, the MLP 2 times. At the end the logit is the stream times *the same* `w`: the table of embeddings is used a second
# time, as the **output layer**, which makes the logits. A table that is used at both ends is **tied**. With `w = 2`:
#
# ```text
# forward                                 backward, from dlogit = 1
# x     = w           = 2                 dw  = 9 + 9       = 18  used twice, top and bottom: a sum
# u     = x + 0.5·x   = 2 + 1 = 3         dx  = du + 0.5·du = 6 + 3 = 9
# y     = u + 2·u     = 3 + 6 = 9         du  = dy + 2·dy   = 2 + 4 = 6
# logit = w · y       = 2 · 9 = 18        dy  = w · dlogit  = 2,   and to w goes  y · dlogit = 9
# ```
#
# Read the left column down, then the right column *up*. Each line backward reverses the line beside it.
#
# **Predict before you run.** `w` rises from 2 to 2.01. By how much does the logit rise: 0.09 or 0.18?

# %%
gpt = lambda w: w * (1 + 0.5) * (1 + 2) * w
print(f"{gpt(2.0):.0f}, and {gpt(2.01) - gpt(2.0):.4f} more")
draw_stream(
    [("attention: · 0.5", "1", "3"), ("MLP: · 2", "6", "4")],
    ["x = 2", "u = 3", "y = 9"],
    ["dx = 9", "du = 6", "dy = 2"],
    "Forward a branch adds to the stream (blue +), backward to the gradient (red +)",
    "a stream 2, 3, 9 to the right; the gradient 2, 6, 9 to the left; branches add 1, 6 and 4, 3",
)

# %% [markdown]
# 0.18, and a little for the square: 18 times 0.01. Whoever forgets one use of `w` gets half. Three rules that you know are all there is, and the picture
# shows them: backward goes in reverse order; where forward *adds* (blue +), backward *copies* the gradient into both ways; where forward *reads* a number twice, for
# the branch and for the way past it, backward *adds* (red +). Along the lower edge runs a way on which the gradient meets no branch at all.
#
# ## The block
#
# Now with all channels. `B` texts, `T` tokens, `C` channels; both branches keep the shape, so they can be added. Each one reads the stream through
# a LayerNorm of its own:
#
# ```text
# u = x + attention(ln1(x))          (B, T, C)         tokens look at each other
# y = u + mlp(ln2(u))                (B, T, C)         each token thinks by itself
#
# mlp(h) = gelu(h @ w_fc + b_fc) @ w_proj + b_proj     (B, T, C) → (B, T, 4C) → (B, T, C)
# ```
#
# **MLP** is the old name of two linear layers with a bend between them (multi-layer perceptron; the bend is GELU). `attention` is the whole layer of lesson 08: one
# linear layer makes queries, keys and values, the heads attend, a second one mixes their results. The second linear layer of
# each branch is called `proj`, projection: it brings the result back to the stream.
#
# The parameters stand in a tree, dicts in dicts: `p["attn"]["qkv"]["w"]` has shape `(C, 3C)`. Every linear layer and norm is a dict with `w` and `b`, so
# `**p["fc"]` hands over both by name. The two branches, from the ops that you wrote; each returns its result and a cache:


# %%
def attention(x, p, n_head):
    B, T, C = x.shape
    qkv, qkv_cache = ops.linear_forward(x, **p["qkv"])  # (B, T, 3C)
    thirds = np.split(qkv, 3, axis=-1)  # q, k, v: (B, T, C) each
    heads = [a.reshape(B, T, n_head, -1).transpose(0, 2, 1, 3) for a in thirds]  # (B, H, T, D)
    y, heads_cache = ops.causal_attention_forward(*heads)
    y, proj_cache = ops.linear_forward(y.transpose(0, 2, 1, 3).reshape(B, T, C), **p["proj"])
    return y, (qkv_cache, heads_cache, proj_cache, n_head)


def mlp(x, p):
    h, fc_cache = ops.linear_forward(x, **p["fc"])  # (B, T, 4C)
    h, gelu_cache = ops.gelu_forward(h)
    y, proj_cache = ops.linear_forward(h, **p["proj"])  # (B, T, C)
    return y, (fc_cache, gelu_cache, proj_cache)


# %% [markdown]
# ## What breaks: the norm on the stream
#
# The first Transformer (2017) put the norm *after* the sum: `x = ln(x + f(x))`, **post-norm**. Since GPT-2 it stands *inside* the branch, before
# it: `x + f(ln(x))`, **pre-norm**. Many drawings show the first,
# nearly all code of today has the second, and people mix them up.
#
# **Predict.** A branch whose `proj` is all zeros adds nothing. What does a pre-norm block of two such branches make of `x`? And a post-norm block?


# %%
def norm_after(x, p, n_head):
    x = ops.layernorm_forward(x + attention(x, p["attn"], n_head)[0], **p["ln1"])[0]
    return ops.layernorm_forward(x + mlp(x, p["mlp"])[0], **p["ln2"])[0]


check("09.block", norm_after)

# %% [markdown]
# Pre-norm gives back `x` as it is: nothing stands on the stream's own way. Post-norm rescales every row at every block, and backward every
# gradient goes through every norm. It can be trained, with care; without a slow start (warm-up, lesson 10) deep ones often diverge. And
# weights that were trained for one are worthless in the other, as you will see.
#
# In the message, `c09.example(5, 3, 1, 4)` is the expression that makes the parameters of the counterexample: a GPT with `V = 5`, 3 places,
# `L = 1` block and `C = 4`. You can use it in a cell of your own.
#
# ## Exercise 1: the block
#
# Write `block(x, p, n_head)`: `x` of shape `(B, T, C)`, `p` the parameters of one block with the keys `ln1`, `attn`, `ln2`, `mlp`, to `y (B, T, C)`. Use `attention`
# and `mlp` from above and `ops.layernorm_forward(x, **p["ln1"])[0]`. 5 minutes.


# %% tags=["exercise"]
def block(x, p, n_head):
    raise NotImplementedError  # your code


check("09.block", block)

# %% [markdown]
# HINTS 09.block
#
# ## The GPT
#
# `L` blocks, one after the other, each with its own parameters `p["h"][i]` (`h` for hidden, GPT-2's name). Below them the embeddings of lesson 07, above
# them one more LayerNorm, `lnf` (f for final), and the output layer:
#
# ```text
# x      = wte[ids] + wpe[:T]            (B, T, C)      token and position
# x      = block_i(x)   for i = 0 … L−1  (B, T, C)      attention and MLP, L times
# h      = lnf(x)                        (B, T, C)      the stream has grown: back to size 1
# logits = h @ wteᵀ                      (B, T, C) @ (C, V) = (B, T, V)
# ```
#
# The output layer needs no array of its own: the logit of token `v` is `h · wte[v]`, how much the result looks like that token's embedding.
#
# ## Exercise 2: the whole way forward
#
# Write `gpt_forward(ids, p, n_head)`: ids `(B, T)`, `T` at most the length of `wpe`, and the whole tree `p` with the keys `wte`, `wpe`, `h` (a list), `lnf`, to
# the logits `(B, T, V)`. Use your `block`, or `c09.block`, if you come back to exercise 1 later. 5 minutes.


# %% tags=["exercise"]
def gpt_forward(ids, p, n_head):
    raise NotImplementedError  # your code


check("09.gpt_forward", gpt_forward)

# %% [markdown]
# HINTS 09.gpt_forward
#
# ## What breaks: the forgotten last norm
#
# Because each block begins with a norm, the last one is easily forgotten. Let us see what that does, and what a post-norm block does to weights that
# were trained for pre-norm. First a model of the same shape as the tales model, but with fresh random weights; then the trained one. The texts are
# eight new tales.
#
# **Predict.** Which of the six losses will be near `ln 2048 = 7.62`? Which mistake can be seen in the loss at the start?


# %%
def loss_with(p, block, last_norm):
    x = p["wte"][ids] + p["wpe"][: ids.shape[1]]
    for part in p["h"]:
        x = block(x, part, model.config.n_head)
    h = ops.layernorm_forward(x, **p["lnf"])[0] if last_norm else x
    return ops.cross_entropy_forward(h @ p["wte"].T, targets)[0]


model, tokenizer = tinygpt.load_model()
rng, fresh = np.random.default_rng(0), tinygpt.GPT(model.config)
texts = [[tokenizer.eot_id, *tokenizer.encode(tales.generate(rng))][:97] for _ in range(8)]
ids, targets = np.array(texts)[:, :-1], np.array(texts)[:, 1:]  # (B, T) = (8, 96)
for name, f, norm in (("right", c09.block, 1), ("no lnf", c09.block, 0), ("post", norm_after, 1)):
    at_start, trained = loss_with(fresh.params, f, norm), loss_with(model.params, f, norm)
    print(f"{name:7} fresh {at_start:.2f}   trained {trained:.2f}")

# %% [markdown]
# All three fresh ones, and the trained weights in post-norm blocks: they know nothing, and pay `ln V`. (Fresh weights are small, so the logits are
# near 0 with or without the last norm, and softmax makes them nearly equal.) So the loss at the start finds logits of the wrong size, but
# neither of these two mistakes. (Measure it anyway: a first loss far from `ln V` means that something is broken.) Without the last norm the trained model gives logits nine
# times too large. It puts the right token first as often as before, four times in five, but is far too sure of it. You meet both mistakes when you load weights that
# someone else trained.
#
# ## How many parameters?
#
# | part | arrays | numbers |
# |---|---|---|
# | `wte` | `(V, C)`; the output layer is the same array | `V·C` |
# | `wpe` | `(block_size, C)`; block_size is the longest text | `block_size·C` |
# | in each block: `ln1`, `ln2` | `w (C,)` and `b (C,)` each | `2C` each |
# | `attn.qkv` | `w (C, 3C)`, `b (3C,)` | `3C² + 3C` |
# | `attn.proj` | `w (C, C)`, `b (C,)` | `C² + C` |
# | `mlp.fc` | `w (C, 4C)`, `b (4C,)` | `4C² + 4C` |
# | `mlp.proj` | `w (4C, C)`, `b (C,)` | `4C² + C` |
# | `lnf` | `w (C,)` and `b (C,)` | `2C` |
#
# By hand, `V = 5`, 3 places, one block, `C = 2`: `10 + 6 + (4 + 4 + 18 + 6 + 24 + 18) + 4 = 94`.
#
# **Predict.** You double the number of heads. How many parameters are added?
#
# ## Exercise 3: count them
#
# Write `parameter_count(vocab_size, block_size, n_layer, n_embd)`; `n_embd` is `C`, `n_layer` is `L`. The check knows the sizes of GPT-2; the small one has
# 124,439,808 parameters. 5 minutes.


# %% tags=["exercise"]
def parameter_count(vocab_size, block_size, n_layer, n_embd):
    raise NotImplementedError  # your code


check("09.parameter_count", parameter_count)

# %% [markdown]
# HINTS 09.parameter_count
#
# No parameter is added: heads are cut out of the `C` channels. Where do a model's parameters stand? Of those in the blocks, about two thirds are in the
# MLPs (`8C²` of `12C²`), whatever the size. How much the tables weigh depends on it:

# %%
kinds = ("wte", "wpe", "attn", "mlp", "ln")
small = tinygpt.ModelConfig(vocab_size=50257, block_size=1024, n_layer=12, n_head=12, n_embd=768)
figure, axes = new_figure(9.5, 3.1, columns=2)
for panel, config, name in (
    (axes[0], model.config, "Tales, over half in MLPs"),
    (axes[1], small, "GPT-2, a third in wte"),
):
    total, parts = tinygpt.params.parameter_count(config), dict.fromkeys(kinds, 0.0)
    for path, spec in param_shapes(config).items():
        (kind,) = (kind for kind in kinds if kind in path)
        parts[kind] += 100 * np.prod(spec.shape) / total
    draw_bars(panel, list(parts), np.round(list(parts.values())))
    panel.set_ylim(0, 64)
    titles(panel, f"{name}: {total:,}", "part", "share of parameters in %")
picture(figure, "tales: wte 16 %, attn 27 %, mlp 55 %; GPT-2: wte 31 %, attn 23 %, mlp 46 %")

# %% [markdown]
# ## The way back through a block
#
# Given `dy (B, T, C)`; wanted `dx (B, T, C)` and the gradient of every array in `p`. Cut the forward pass into lines that use one rule each, and reverse
# them from the last to the first. All shapes are `(B, T, C)`.
#
# ```text
# forward                   backward
# 1  h1 = ln1(x)            6  dm  = dy                        derivative of a sum: y = u + m
# 2  a  = attention(h1)        du  = dy                        the same; the way past the MLP
# 3  u  = x + a             5  dh2 = mlp_backward(dm)          chain rule
# 4  h2 = ln2(u)            4  du += ln2_backward(dh2)         u is used twice, in 4 and 6: a sum
# 5  m  = mlp(h2)           3  da  = du                        derivative of a sum: u = x + a
# 6  y  = u + m                dx  = du                        the same; the way past attention
#                           2  dh1 = attention_backward(da)    chain rule
#                           1  dx += ln1_backward(dh1)         x is used twice, in 1 and 3: a sum
# ```
#
# Compare with the one number: `du = dy + 2·dy` are the lines 6 to 4, `dx = du + 0.5·du` the lines 3 to 1. The branches go the same way, inside themselves. Look
# at the order of the caches: what was made last is used first. Each function returns `dx` and a dict of gradients in the shape of its `p`:


# %%
def norm_backward(dy, cache):
    dx, dw, db = ops.layernorm_backward(dy, cache)
    return dx, {"w": dw, "b": db}


def linear_backward(dy, cache):
    dx, dw, db = ops.linear_backward(dy, cache)
    return dx, {"w": dw, "b": db}


def mlp_backward(dy, cache):
    fc_cache, gelu_cache, proj_cache = cache
    dh, g_proj = linear_backward(dy, proj_cache)  # (B, T, 4C)
    dx, g_fc = linear_backward(ops.gelu_backward(dh, gelu_cache), fc_cache)  # (B, T, C)
    return dx, {"fc": g_fc, "proj": g_proj}


# %%
def attention_backward(dy, cache):
    qkv_cache, heads_cache, proj_cache, n_head = cache
    dy, g_proj = linear_backward(dy, proj_cache)  # (B, T, C)
    B, T, C = dy.shape
    dy = dy.reshape(B, T, n_head, -1).transpose(0, 2, 1, 3)  # (B, H, T, D)
    dheads = ops.causal_attention_backward(dy, heads_cache)  # dq, dk, dv: (B, H, T, D) each
    thirds = [d.transpose(0, 2, 1, 3).reshape(B, T, C) for d in dheads]
    dx, g_qkv = linear_backward(np.concatenate(thirds, axis=-1), qkv_cache)
    return dx, {"qkv": g_qkv, "proj": g_proj}


# %% [markdown]
# ## What breaks: the gradient that flows past
#
# Here is a block's backward pass as many write it first: every piece is reversed, in the right order, each with its own cache. Nothing is missing in the list.
#
# **Predict.** What does it get wrong? For the one number of the beginning, what would `dx` be in place of 9?


# %%
def a_chain(dy, x, p, n_head):
    h, c1 = ops.layernorm_forward(x, **p["ln1"])  # forward, for the caches
    h, c2 = attention(h, p["attn"], n_head)
    h, c3 = ops.layernorm_forward(x + h, **p["ln2"])
    h, c4 = mlp(h, p["mlp"])
    g = {}
    dh, g["mlp"] = mlp_backward(dy, c4)  # backward, from the last to the first
    dh, g["ln2"] = norm_backward(dh, c3)
    dh, g["attn"] = attention_backward(dh, c2)
    dx, g["ln1"] = norm_backward(dh, c1)
    return dx, g


check("09.block_backward", a_chain)

# %% [markdown]
# It goes *through* both branches and never *past* them: `2 · 2 = 4`, then `0.5 · 4 = 2` in place of 9. The gradients of the MLP and of `ln2` are right, because
# `dy` arrives there; everything before it gets too little. Shapes are right, nothing crashes, and the training goes, as you will see, downhill: a bit.
#
# ## Exercise 4: the way back through a block
#
# Write `block_backward(dy, x, p, n_head)`: to `dx (B, T, C)`, and `g`, a dict of the structure of `p`. Do the forward pass again for the caches, as in the chain
# above, which you may copy; it lacks two sums. (`du = dy + …` makes a new array. `du = dy` and then `du += …` writes into `dy`, which belongs to the caller.) 10 minutes.


# %% tags=["exercise"]
def block_backward(dy, x, p, n_head):
    raise NotImplementedError  # your code


check("09.block_backward", block_backward)

# %% [markdown]
# HINTS 09.block_backward
#
# ## The way back through the GPT
#
# The lines of the forward pass again, from the last to the first. For the matrix products, `(B, T)` is seen as `N = B·T` rows, as in lesson 05.
#
# ```text
# forward                      backward                         shape and rule
# 4  logits = h @ wteᵀ         dh      = dlogits @ wte          (N, V) @ (V, C) = (N, C), linear layer
#                              d(wteᵀ) = hᵀ @ dlogits           (C, N) @ (N, V) = (C, V), the same
#                              dwte    = d(wteᵀ)ᵀ               (V, C)  gradient of a transpose
# 3  h = lnf(x)                dx      = lnf_backward(dh)       (B, T, C)  chain rule
# 2  x = block_i(x)            dx      = block_backward_i(dx)   (B, T, C)  for i = L−1, …, 0
# 1  x = wte[ids] + wpe[:T]    dwte   += embedding_backward(dx) (V, C)  lesson 07; a sum: +=
#                              dwpe[t] = Σ_b dx[b, t]           (T, C)  sum over the broadcast axis
# ```
#
# Why `+=`? Think of two tables, `bottom` and `top`, and a loss `F(bottom, top)`. Both happen to be `wte`. The chain rule for several ways:
#
# ```text
# d loss / d wte = ∂F/∂bottom · 1 + ∂F/∂top · 1     a change of wte changes both, each with slope 1
# ```
#
# **Predict.** A token stands nowhere in the ids. From which of the two uses does its row of `dwte` come? Below, a small model with seven tokens, two of
# which (2 and 5) do not occur; and the three candidates for the gradient against finite differences.

# %%
p, words = c09.example(7, 5, 3, 6), np.array([[0, 3, 0, 4], [1, 1, 6, 0]])
after = (2 * words + 1) % 7  # some targets
loss_of = lambda wte: ops.cross_entropy_forward(c09.gpt_forward(words, {**p, "wte": wte}, 2), after)
wte = p["wte"].copy()
dlogits = ops.cross_entropy_backward(1.0, loss_of(wte)[1])
tied = c09.gpt_backward(dlogits, words, p, 2)["wte"]  # (V, C)
_, (*_, head_cache) = c09.model_of(p, 2).forward(words)
top = ops.linear_backward(dlogits, head_cache)[1].T  # (V, C)
for name, d in (("top alone", top), ("bottom alone", tied - top), ("the sum", tied)):
    (report,) = check_gradients(lambda: loss_of(wte)[0], {"wte": wte}, {"wte": d})
    verdict = "right" if report.error < 1e-6 else "wrong"
    print(f"{name:12} {verdict}; size of each row:", np.abs(d).sum(axis=1).round(2) + 0.0)

# %% [markdown]
# At the bottom, only tokens that were read get a gradient; rows 2 and 5 are 0. At the top *every* token has a logit, and so every row gets something. In code the
# bug is one character: `g["wte"] = …` at the top, and `g["wte"] = …` again at the bottom, which overwrites. (The other way round, code that fills a dict from two
# places and lets the first win, loses the bottom.)
#
# ## Exercise 5: the whole way back
#
# Write `gpt_backward(dlogits, ids, p, n_head)`: `dlogits (B, T, V)` to `g`, a dict of the structure of `p`: `wte`, `wpe` (all its rows!), `h` (a list), `lnf`. Go forward
# first, and keep the `x` that goes into each block; then back. Use `block` and `block_backward`, yours or those of `c09`, `norm_backward` from above and
# `ops.embedding_backward(dx, (ids, wte.shape))`. 15 minutes.


# %% tags=["exercise"]
def gpt_backward(dlogits, ids, p, n_head):
    raise NotImplementedError  # your code


check("09.gpt_backward", gpt_backward)

# %% [markdown]
# HINTS 09.gpt_backward
#
# If it says *is right*, you have differentiated a GPT by hand: about a dozen rules, all of them checked against the loss itself.
#
# ## What the bugs do to training
#
# Here is the whole way back once more, with the library's functions, which write their gradients into `g`. It keeps the gradient of the stream at every
# place, and what each branch added to it. With `past=0` it is the chain; `uses` says which uses of `wte` count. (The cache of a library's block holds those of `ln1`,
# attention, `ln2` and MLP, in this order.)
#
# With it a small GPT learns the letters of a hundred tales, one step against the gradient at a time (lesson 04): once right, once with the chain, once with the
# bottom's gradient written over the top's. **Predict.** Will the two broken ones learn anything?


# %%
def way_back(dlogits, cache, g, past=1, uses=(1, 1)):
    ids_cache, _, block_caches, lnf_cache, head_cache = cache
    dx, top, _ = ops.linear_backward(dlogits, head_cache)
    stream, added = [transformer.layernorm_grads(dx, lnf_cache, g["lnf"], False)], []
    for caches, gi in zip(reversed(block_caches), reversed(g["h"]), strict=True):
        branches = ((transformer.mlp_backward, 3, "mlp", "ln2"),
                    (transformer.attention_backward, 1, "attn", "ln1"))  # fmt: skip
        for backward, at, part, ln in branches:
            d = backward(stream[-1], caches[at], gi[part], accumulate=False)
            added.append(transformer.layernorm_grads(d, caches[at - 1], gi[ln], False))
            stream.append(past * stream[-1] + added[-1])
    g["wte"][...] = uses[0] * ops.embedding_backward(stream[-1], ids_cache) + uses[1] * top.T
    g["wpe"][...] = 0.0
    g["wpe"][: dlogits.shape[1]] = stream[-1].sum(axis=0)
    return stream, added


# %%
def train(steps=280, T=32, **bug):
    config = tinygpt.ModelConfig(vocab_size=V, block_size=T, n_layer=2, n_head=4, n_embd=32)
    gpt, rng, losses = tinygpt.GPT(config), np.random.default_rng(1), []
    flat = np.empty_like(gpt.flat)  # all gradients; g is a tree of views: windows into flat
    g = views(flat, config)
    for _ in range(steps):
        at = rng.integers(0, len(letters) - T, (8, 1)) + np.arange(T)  # (B, T)
        logits, cache = gpt.forward(letters[at])
        loss, loss_cache = ops.cross_entropy_forward(logits, letters[at + 1])
        way_back(ops.cross_entropy_backward(1.0, loss_cache), cache, g, **bug)
        gpt.flat -= 1.0 * flat
        losses.append(loss)
    return np.reshape(losses, (-1, 20)).mean(axis=1)  # the mean of every 20 steps


# %%
text = "\n".join(tales.generate(rng) for _ in range(100))
names, letters, counts = np.unique(list(text), return_inverse=True, return_counts=True)
V, q = len(names), counts / counts.sum()
runs = {"right": train(), "chain": train(past=0), "overwritten": train(uses=(1, 0))}
figure, axes = new_figure(8.5, 3.4)
draw_curves(axes, np.arange(10, 280, 20), runs)
axes.axhline(-(q * np.log(q)).sum(), color="#8c8c8c", linewidth=1)
axes.annotate("knows the letter counts", (0, -(q * np.log(q)).sum()), (0, -27), fontsize=11,
              textcoords="offset points")  # fmt: skip
titles(axes, "With the bugs the loss falls too, and stops at letter counts", "step", "loss in nats")
picture(figure, "right falls from 3.8 to 2.5; both bugs end at 3.1, what letter counts give")

# %% [markdown]
# They learn how frequent each letter is (the grey line: the **unigram entropy** of lesson 04), and nearly no more. That is why these bugs live long: the loss falls, as one
# hopes; with the chain as fast as in the right run at first, by a fifth of what it was. And the deeper the model, the worse for the chain, as the
# last picture will show.
#
# ## The gradient on its way back through a real model
#
# Now the trained model and the eight tales. The width of each red arrow is the size of the gradient there (the root of the sum of its squares, times
# 1000), and the numbers at the branches are the size of what each one adds.
#
# **Predict.** The model has 8 branches. Where will the gradient be largest?

# %%
flows = {}
for name, gpt, past in (("trained", model, 1), ("fresh", fresh, 1), ("chain", model, 0)):
    logits, cache = gpt.forward(ids)
    dlogits = ops.cross_entropy_backward(1.0, ops.cross_entropy_forward(logits, targets)[1])
    arrays = way_back(dlogits, cache, views(np.empty_like(gpt.flat), gpt.config), past)
    flows[name] = [np.array([1000 * np.linalg.norm(d) for d in part[::-1]]) for part in arrays]
down, added = flows["trained"]
names = [f"{part} {i}" for i in range(4) for part in ("attn", "mlp")]
branches = [(name, "", f"{d:.1f}") for name, d in zip(names, added, strict=True)]
draw_stream(
    branches, [""] * 9, [f"{d:.1f}" for d in down],
    "The gradient keeps its size down to block 0, and grows there",
    "arrows to the left: 1.2 at the top, 1.0 in all blocks, 6.3 and 9.2 below block 0",
    widths=1.2 * down,
)  # fmt: skip

# %% [markdown]
# The stream carries the gradient down through three blocks nearly unchanged; each branch adds a little. That is what the residual is for, and here you see it in a
# model that works. At the bottom the gradient grows. The reason is LayerNorm: forward, it divides by the size of the stream, so backward it divides the branch's
# gradient by it. On the way into block 0 the stream has the size 0.1 (standard deviation, lesson 06), on the way into the others 1.2 to 2.5: ten times as much and more.
#
# The same for a fresh model, and for the trained one with the chain. The scale is in powers of ten. **Predict.** Whose gradient is larger, the fresh model's with its loss
# of 7.7 or the trained one's with 0.5?

# %%
figure, axes = new_figure(9, 3.3)
passed = np.arange(9) / 2  # two branches a block
curves = {name: np.log10(sizes[::-1] / 1000) for name, (sizes, _) in flows.items()}
draw_curves(axes, passed, curves)
titles(axes, "With the chain, less and less arrives below", "blocks passed on the way back",
       "size, power of ten")  # fmt: skip
picture(figure, "fresh and trained keep their size or grow; the chain falls 500-fold in 3 blocks")

# %% [markdown]
# The fresh one's, a hundred times. Not because it is more wrong: above the last norm both gradients measure 0.011. But its stream is a hundred times smaller, 0.08 against 9,
# and the norm divides by it. (So a gradient's size alone says little. AdamW, in lesson 10, divides it away.) The chain loses a factor of seven to nine in each of the upper
# three blocks; in the 12 of GPT-2, at that rate, next to nothing would arrive at the bottom. (In block 0 even the chain
# grows, for the reason above.)
#
# ## The library's version beside yours
#
# | in the library | why | what it gains |
# |---|---|---|
# | `h += x` in the forward pass | the branch made `h` and needs it no more | no new array `(B, T, C)` for each sum |
# | gradients go into `g`, views of one flat array | each has its place from the start | norm and step (lesson 10) are a few passes over one array |
# | `out=(None, g["wte"].T, None)`, then `accumulate=True` | the output layer writes into the turned table, the embedding adds to it | the tied sum without a second table |
# | `accumulate=True` | several small batches add up to a large one | less memory |
# | `recompute` | keeps the `x` before each block and goes forward again, as you did in exercise 5 | much less memory for about a third more work (backward is about twice a forward pass) |
# | `masks`, `kv`, `last` | dropout; writing token by token, lesson 13 | one function for training and writing |
#
# And `python -m tinygpt.prove` compares every array of a model of any shape with finite differences, one line each.

# %%
print(inspect.getsource(transformer.block_backward))
print(inspect.getsource(tinygpt.GPT.backward).partition("cache\n")[2])
check("09.block", lambda x, p, n_head: transformer.block_forward(x, p, n_head)[0])
check("09.gpt_forward", c09.gpt_forward)  # tinygpt.GPT, with the signature of the exercise
check("09.parameter_count", c09.parameter_count)
check("09.block_backward", c09.block_backward)
check("09.gpt_backward", c09.gpt_backward)

# %% [markdown]
# ## Three lines to remember
#
# - A block adds twice to its stream, `x + attention(ln1(x))`, then `u + mlp(ln2(u))`; one more norm before the output layer.
# - Back: reverse order, and a sum wherever something was used twice: at each residual, and in the tied `wte`.
# - A loss that falls proves nothing. Finite differences on the whole model do.
#
# **You can now** write a GPT, count its parameters, differentiate it by hand, and look at the gradient in every part of a trained one.
#
# **To read.** Radford et al., *Language Models are Unsupervised Multitask Learners* (GPT-2, 2019), section 2.3; Vaswani et al., *Attention Is All You Need*
# (2017), sections 3.1 and 3.3, with post-norm; Xiong et al., *On Layer Normalization in the Transformer Architecture* (2020), section 3; Press and
# Wolf, *Using the Output Embedding to Improve Language Models* (2017), sections 1 and 3, on tying. In the library: `tinygpt/transformer.py`, then `tinygpt/model.py` and
# `tinygpt/params.py`. Next: lesson 10, the optimiser.
