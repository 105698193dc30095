# %% [markdown]
# # 13 · Speed
#
# You will make a GPT write a token in nearly the same time however long the text is, with a cache of keys and values, and prove that not one token
# changes. Then you will learn what a machine's time goes into, and so which changes pay.
#
# 45 minutes, 20 of them for the exercises. You need: [08](08_attention.ipynb) (attention), [09](09_block_and_gpt.ipynb) (the block and the GPT), [12](12_sampling.ipynb) (choosing the next token).

# %%
import json
import math
from pathlib import Path

import numpy as np
from style import BLUE, GREY, RED, draw_curves, draw_heatmap, draw_map, new_figure, picture, titles

from tinygpt import GPT, check, int8, load_model, ops
from tinygpt.kv_cache import KVCache
from tinygpt.lesson_checks import c13, find_check
from tinygpt.threads import WorkerPool
from tinygpt.transformer import heads, mlp_forward

np.set_printoptions(precision=3, suppress=True)
draw_map("speed")

# %% [markdown]
# The orange box is this lesson. Its pictures of times were drawn from a measurement on one machine, which the next cell names; the file is
# `guide/speed.json`, the program `guide/measure_speed.py`. Yours will have other figures and, most likely, the same shapes of curves.

# %%
speed = json.loads(Path("guide/speed.json").read_text(encoding="utf-8"))
where, curve = speed["machine"], speed["ms a token"]
print(f"{where['name']}, {where['cores']} cores, NumPy {where['NumPy']}, {where['date']}")
print(f"{speed['model']}")
figure, axes = new_figure(8.5, 3.6)
draw_curves(
    axes, curve["length"], {"without a cache": curve["plain"], "with a cache": curve["cached"]}
)
axes.set_ylim(0)
titles(axes, "With a cache, length hardly matters", "length of the text in tokens",
       "ms for the next token")  # fmt: skip
picture(figure, "without a cache the time grows with the length; with one it stays near the floor")

# %% [markdown]
# ## The question
#
# A GPT reads a text and gives logits for what comes next. To write, you append the likeliest id (lesson 12: greedy) and ask again:


# %%
def generate_plain(model, ids, n):
    known = list(ids)
    for _ in range(n):
        logits, _ = model.forward(np.array([known]))  # (1, T, V)
        known.append(int(logits[0, -1].argmax()))  # only the last row is used
    return known[len(ids) :]


model, tokenizer = load_model()
prompt = [tokenizer.eot_id, *tokenizer.encode("In my grandmother's day, Ivy the nosy pig lived")]
counting = c13.CountingGPT(model.config, model.flat)  # the same model; it counts
print(tokenizer.decode(generate_plain(counting, prompt, 30)))
print("prompt:", len(prompt), "ids; positions that the model computed:", counting.positions)

# %% [markdown]
# Each call computes *every* position of the text, from the embedding to the last block, and all of it but the last position was computed in the
# call before. With a prompt of `P` ids and `n` new ones:
#
# ```text
# plain    P + (P + 1) + … + (P + n − 1) = n·P + n(n − 1)/2    sum of an arithmetic series
# wanted   P + 1 + 1 + … + 1             = P + n − 1           the prompt once, then one for an id
# ```
#
# By hand, `P = 3` and `n = 5`: `3 + 4 + 5 + 6 + 7 = 25`, which is `5·3 + 5·4/2`; and `3 + 1 + 1 + 1 + 1 = 7`.

# %%
computed = np.tril(np.ones((5, 7)), k=2)  # call i computes positions 0 to 2 + i
new = computed - np.vstack([np.zeros(7), computed[:-1]])  # what the call before did not compute
pale = new + 0.3 * (computed - new)
figure, two = new_figure(9.5, 2.7, columns=2)
for axes, table, title in (
    (two[0], computed, "Without a cache: 25 positions"),
    (two[1], pale, "With a cache: 7; the pale ones are kept"),
):
    draw_heatmap(axes, table, [f"new id {i}" for i in range(5)], list("0123456"), form="")
    for i in range(7):
        axes.axvline(i - 0.5, color="white", linewidth=2)
        axes.axhline(min(i, 4) - 0.5, color="white", linewidth=2)
    titles(axes, title, "position")
picture(figure, "left: every call computes its whole row; right: the prompt, then the diagonal")

# %% [markdown]
# ## By hand: what has to be kept
#
# Only attention looks at other positions, so ask it what it needs. The three words of lesson 08, `T = 3`, `D = 4`; "the cat" is read, and "sat" is
# new:
#
# ```text
# kept     keys of "the", "cat"   [2,0,0,0] [0,2,0,0]       values  [1,0,0,0] [0,2,0,0]
# new      query of "sat"         [1,2,0,0]                 its key [0,0,1,0], its value [0,0,3,1]
# scores   query · every key / √4 = [2, 4, 0] / 2 = [1, 2, 0]         weights [0.245, 0.665, 0.090]
# result   0.245·[1,0,0,0] + 0.665·[0,2,0,0] + 0.090·[0,0,3,1] = [0.245, 1.330, 0.270, 0.090]
# ```
#
# That is the row "sat" of lesson 08. Needed from the past: its *keys and values*. Not needed: its queries; they asked for their own positions. So
# keys and values are kept, in a **KV cache** (K for key, V for value), and each new word appends its own. (The cache of lesson 03 is another thing:
# it is kept for the way back, and here nobody goes back.)

# %%
q = np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [1, 2, 0, 0]])
k = np.array([[2.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0]])
v = np.array([[1.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 3, 1]])
keys, values = np.empty((0, 4)), np.empty((0, 4))  # the cache, empty
for t, word in enumerate(["the", "cat", "sat"]):
    keys = np.concatenate([keys, k[t : t + 1]])  # (t + 1, D)
    values = np.concatenate([values, v[t : t + 1]])
    weights = ops.softmax_forward(keys @ q[t] / math.sqrt(4))[0]  # (t + 1,)
    print(word, weights @ values)  # (D,)

# %% [markdown]
# ## Why the old keys stay right
#
# A cache may keep only what later ids cannot change. Let `x_l[t]`, shape `(C,)`, be the residual stream at position `t` after `l` blocks.
# **Claim:** it depends on `ids[0]` to `ids[t]` alone. By induction over the blocks:
#
# ```text
# l = 0       x_0[t] = wte[ids[t]] + wpe[t]                      one id and its place (lesson 07)
# l to l + 1  LayerNorm, linear layers, GELU, residual           each position by itself (05, 06)
#             attention at t sees k_l[j], v_l[j] for j <= t      causal (08)
#             they are made from x_l[j]                          depends on ids[0] … ids[j]: the claim for l
# so          x_{l+1}[t] depends on ids[0] … ids[t]              the claim for l + 1
# ```
#
# So `k_l[j]` and `v_l[j]` depend on nothing after `j`: computed once, they stay right for as long as the text grows *at its end*, and as long as
# *places do not change*. Keep the second condition in mind.
#
# The price is memory: 2 vectors (key, value) of `C` numbers, in each of `L` blocks, for each position. GPT-2 (`L = 12`, `C = 768`, 1024 positions)
# in float32: `2 · 12 · 768 · 1024 · 4` bytes = 75.5 MB. And work per token is not *quite* constant: the new query meets `t` keys in each block,
# `4·L·C·t` operations, beside the two for every weight. At position 1000 of GPT-2 that is 37 million beside 247 million.
#
# ## Several new positions: where is the triangle?
#
# A prompt brings `S` new positions at once, and there may be a past already: queries `(S, D)` meet keys `(T, D)`, `S <= T`. One query (`S = 1`)
# needs no mask: all keys lie at or before it. For `S = 2`, `T = 5`, the queries are positions 3 and 4:
#
# ```text
#                key 0   1   2   3   4                              key 0   1   2   3   4
# query 0 = pos. 3   0   0   0   0  −∞           not this: query 0      0  −∞  −∞  −∞  −∞
# query 1 = pos. 4   0   0   0   0   0                     query 1      0   0  −∞  −∞  −∞
# ```
#
# **Predict.** Someone keeps `np.triu(…, k=1)` from lesson 08 and only makes it `(S, T)`, the right table. For which `S` does it work? And what does
# the new word see with `S = 1`?


# %%
def mask_from_the_upper_left(q, k, v):
    S, T = q.shape[-2], k.shape[-2]
    mask = np.triu(np.full((S, T), -np.inf, q.dtype), k=1)
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]) + mask  # (..., S, T)
    return ops.softmax_forward(scores)[0] @ v


check("13.attention_with_past", mask_from_the_upper_left)

# %% [markdown]
# It works for `S = T`: in training, and while the prompt is read. Then every new word sees key 0 and nothing else: a model whose loss is perfect
# writes nonsense from the second word on. No error, no wrong shape. (PyTorch's `is_causal=True` means the upper left triangle, FlashAttention since
# 2.1 the lower right one: people move code from one to the other and meet exactly this.)
#
# ## Exercise 1: attention with a past
#
# Write `attention_with_past(q, k, v)`: `q` of shape `(..., S, D)`, `k` and `v` `(..., T, D)`, `S <= T`, the queries being the last `S` of `T`
# positions; the result is `(..., S, D)`, in their dtype. You may call `ops.softmax_forward(s)[0]`. 5 minutes.


# %% tags=["exercise"]
def attention_with_past(q, k, v):
    raise NotImplementedError  # your code


check("13.attention_with_past", attention_with_past)

# %% [markdown]
# HINTS 13.attention_with_past
#
# ## The whole model with a cache
#
# The forward pass of lesson 09, with two changes. It gets only the new ids, so somebody has to say at which `places` they stand; and each block
# appends its new keys and values to what `past` has for it. `ops.causal_attention_forward` puts the triangle where it belongs.


# %%
def forward_new(p, H, ids, places, past):
    x = (p["wte"][ids] + p["wpe"][places])[None]  # (1, S, C)
    for i, block in enumerate(p["h"]):
        h = ops.layernorm_forward(x, **block["ln1"])[0]
        qkv = ops.linear_forward(h, **block["attn"]["qkv"])[0]  # (1, S, 3C)
        q, k, v = (heads(part, H) for part in np.split(qkv, 3, axis=-1))  # (1, H, S, D)
        if i < len(past):
            k, v = (np.concatenate(pair, axis=2) for pair in zip(past[i], (k, v), strict=True))
        past[i : i + 1] = [(k, v)]  # (1, H, T, D), for the next call
        y = ops.causal_attention_forward(q, k, v)[0].transpose(0, 2, 1, 3).reshape(x.shape)
        x = x + ops.linear_forward(y, **block["attn"]["proj"])[0]
        x = x + mlp_forward(ops.layernorm_forward(x, **block["ln2"])[0], block["mlp"])[0]
    x = ops.layernorm_forward(x, **p["lnf"])[0]
    return ops.linear_forward(x, p["wte"].T)[0][0]  # (S, V)


# %% [markdown]
# The right judge is the plain forward pass: a text cut into parts, read with the cache, has to give the logits that it gives in one piece.

# %%
text = np.array([*prompt, *c13.generate_cached(model, prompt, 60)])
whole = model.forward(text[None])[0][0]  # (T, V)
past, parts, at = [], [], 0
for S in (5, 1, 1, 4, len(text) - 11):  # any cut will do
    places = np.arange(at, at + S)
    parts.append(forward_new(model.params, model.config.n_head, text[places], places, past))
    at += S
gap = np.abs(np.concatenate(parts) - whole).max()
print("cached equals plain:", gap < 1e-4, "   keys of block 0:", past[0][0].shape)

# %% [markdown]
# (Not bit for bit: **BLAS**, the library that multiplies matrices for NumPy, adds up the products of one row and of many in another order.)
#
# ## What breaks: positions that restart at 0
#
# The most frequent mistake with caches. The model gets one new id, so `len(ids)` is 1, and the line `wpe[: len(ids)]`, which was right in lesson
# 09, gives it place 0.
#
# **Predict.** The keys and values of the past are all there. How bad can one wrong place be?


# %%
def write(n, restart):
    known, past, new = list(prompt), [], prompt
    for _ in range(n):
        first = 0 if restart else len(known) - len(new)
        places = np.arange(first, first + len(new))
        logits = forward_new(model.params, model.config.n_head, new, places, past)  # (S, V)
        new = [int(logits[-1].argmax())]
        known += new
    return tokenizer.decode(known[len(prompt) :])


print("right:  ", write(44, restart=False))
print("restart:", write(44, restart=True))

# %% [markdown]
# Worse with every word. The first new id is right (the prompt's places were), the next words still lean on the prompt, but every new key says "I
# stand at the very beginning", so heads that look at the word before find nothing there, and the text ends in a stutter. Training never shows it,
# for training has no cache; a test that compares *cached with plain* does, at the second token.
#
# ## Past the window
#
# The model has `block_size` places, and the text grows on: it has to read a **window**, the end of the text. Then the second condition breaks: if
# the window moves on by one id, *every* id in it gets another place, hence another `x_0`, hence other keys. All that the cache holds is wrong. To
# fill it anew at every id would cost `W = block_size` positions for each: the cache would be of no use. So let the window move in **hops** of `h`
# ids, and fill the cache once in `h` ids. By hand, `W = 8`, `h = 2`:
#
# ```text
# ids known            7     8     9     10    11    12    13
# window begins at     0     0     2     2     4     4     6    multiple of h that leaves at most W
# ids in the window    7     8     7     8     7     8     7
# computed             1     1     7     1     7     1     7    the whole window if it has moved
# ```
#
# In every `h` ids it is `W − h + 1` once and `h − 1` times 1: together `W`, so `W / h` positions for an id, whatever the length. tinygpt takes `h =
# W / 4`: 4 positions an id, and the model always sees at least three quarters of its window (to be exact, `W − h + 1` ids).
#
# **Predict** the numbers that the next cell prints for `cached`: a prompt of 3 ids, `W = 8`, `h = 2`, 13 new ids.


# %%
def window(ids, size):
    hop = max(1, size // 4)
    beyond = max(0, len(ids) - size)
    return list(ids[-(-beyond // hop) * hop :])  # rounded up to a multiple of hop


small = c13.small_model()  # block_size 8: random weights, for checks
for name, write_ids in (("plain", c13.generate_plain), ("cached", c13.generate_cached)):
    total = []
    for n in range(13):
        counting = c13.CountingGPT(small.config, small.flat)
        write_ids(counting, [1, 2, 3], n + 1)
        total.append(counting.positions)
    print(f"{name:7} positions for each id:", np.diff(total, prepend=0))

# %% [markdown]
# Both read the same windows, so both write the same text. (The first call reads the prompt, 3 ids; then one id a call, until 8 are known; the ninth
# id moves the window.)
#
# ## What breaks: a cache that rolls
#
# "When the cache is full, I throw out the oldest key, move the others down, and put the new one at the end." It costs one position an id, and
# sounds right.
#
# **Predict.** Which place do the ids after the window get? And what do the keys that stay still say about theirs?


# %%
def cache_that_rolls(model, ids, n):
    known, new = list(ids), window(ids, model.config.block_size)
    kv = KVCache(model.config, dtype=model.dtype)
    for _ in range(n):
        if kv.lengths[0] == model.config.block_size:  # full: the oldest goes
            for part in (kv.keys, kv.values):  # (L, B, H, W, D)
                part[:, :, :, :-1] = part[:, :, :, 1:]
            kv.lengths -= 1
        logits, _ = model.forward(np.array([new]), kv=kv, last=1)
        new = [int(logits[0, -1].argmax())]
        known += new
    return known[len(ids) :]


check("13.generate_cached", cache_that_rolls)

# %% [markdown]
# Every new id gets the last place, `W − 1`, and so did the one before it: soon all the cache claims to stand at `W − 1`. (Each old key also
# remembers ids that have left the window: it was made when they were in sight.) Nothing fails, no shape is wrong, and before the window is full
# everything is right: a short test passes. The check goes past the window. With *relative* positions, which are put into the scores and not into `x_0`, a rolling cache can be
# made to work: see Xiao et al. below.
#
# ## Exercise 2: generate with a cache
#
# Write `generate_cached(model, ids, n)`: the `n` likeliest next ids after the list `ids`, as a list of `n` numbers; the same ids as with
# `model.forward` on `window(known, size)` each time, `size = model.config.block_size`. What the cache holds is not computed again. You have:
#
# | | |
# |---|---|
# | `kv = KVCache(model.config, dtype=model.dtype)` | an empty cache for one text |
# | `kv.lengths[0]` | how many positions it holds; the next id gets that place |
# | `kv.lengths[:] = 0` | forget them all |
# | `model.forward(ids, kv=kv, last=1)` | reads `ids (1, S)` after what the cache holds, appends them to it, gives the last position's logits `(1, 1, V)` |
#
# Beware of the four mistakes that the check knows best: places that restart, a cache that rolls, the whole text given *beside* the cache, and a
# cache that is made anew for every id. 15 minutes.


# %% tags=["exercise"]
def generate_cached(model, ids, n):
    raise NotImplementedError  # your code


check("13.generate_cached", generate_cached)

# %% [markdown]
# HINTS 13.generate_cached
#
# ## Why does one token take so long? The roofline
#
# A machine has two speeds: operations a second (**peak**) and bytes a second from memory (**bandwidth**). Suppose 200 GFLOP/s (200·10⁹
# floating-point operations a second) and 40 GB/s. A matrix `w` of 768 × 3072 weights has 2.36 million of them, 9.4 MB in float32. Multiply it by
# `N` rows, two operations (times, plus) a weight and row:
#
# ```text
# N rows                     1          8          10         512
# operations, 2·N·2.36 M     4.7 M      37.7 M     47.2 M     2416 M
# at 200 GFLOP/s             0.024 ms   0.189 ms   0.236 ms   12.08 ms
# reading 9.4 MB at 40 GB/s  0.236 ms   0.236 ms   0.236 ms   0.236 ms
# time: the larger           0.236 ms   0.236 ms   0.236 ms   12.08 ms
# ```
#
# The two go on side by side, so the slower one decides. **One row is bound by memory**: the arithmetic waits nine tenths of the time. **Eight rows
# cost what one costs.** In general:
#
# ```text
# time >= max(operations / peak, bytes / bandwidth)
# operations / time <= min(peak, (operations / bytes) · bandwidth)  divide operations by both sides
# operations / bytes = 2·N·weights / (4·weights) = N / 2            float32: 4 bytes a weight
# ```
#
# Over the operations per byte this is a line that rises and then a flat one: a roof. The edge lies where both are equal, `N / 2 = peak /
# bandwidth`: here at 5, `N = 10`. Training and reading a prompt (**prefill**) have hundreds of rows, one for each token; writing one token
# (**decoding**) has one.
#
# **Predict** before you look: training, reading a prompt, writing one token, writing eight texts side by side. Which of them can come near the flat
# roof, and which cannot, however fast the arithmetic?

# %%
peak, band = speed["roof"]["GFLOP/s"], speed["roof"]["GB/s"]
figure, axes = new_figure(9.5, 4.4)
axes.loglog([0.4, peak / band, 400], [0.4 * band, peak, peak], color=GREY, linewidth=3)
axes.loglog(np.array(speed["products"]["rows"]) / 2, speed["products"]["GFLOP/s"], "o:", color=BLUE)
upper = dict(sorted((w["tokens"], w["GFLOP/s"]) for w in speed["works"].values()))
for name, work in speed["works"].items():
    x, y, ms = work["tokens"] / 2, work["GFLOP/s"], work["ms"]
    axes.loglog(x, y, "D", color=RED, markersize=9)
    axes.annotate(f"  {name}", (x, y), fontsize=11, va=("top", "bottom")[y == upper[2 * x]])
    share = y / min(peak, x * band)
    print(f"{name:20} {ms:7.1f} ms a pass, {y / peak:4.0%} of the peak, {share:4.0%} of the roof")
axes.xaxis.set_major_formatter("{x:g}")
title = f"Under a roof of {peak:.0f} GFLOP/s and {band:.0f} GB/s: one token cannot leave its slope"
titles(axes, title, "operations per byte of weights: half the tokens of a pass", "GFLOP/s")
picture(figure, "grey roof; blue dots: one product of N rows; diamonds: the works of a GPT")

# %% [markdown]
# Grey: the roof, the best that the measurement saw of both speeds (in products of two large matrices, and of a matrix and a vector:
# `tinygpt/probe.py`). Blue dots: a product of `N` rows and a matrix that does not fit into the processor's own small, fast memory (its *cache*, the
# third thing of that name). Diamonds: whole passes of a GPT. int8 (below) stands where float32 would: it reads one byte where float32 reads four,
# so its own roof is higher.
#
# Training and prefill have hundreds of rows: they stand right of the edge, under the flat roof, and what keeps them below it is all that is not a
# product. One token stands at half an operation a byte. The slope is all it can reach there, a few per cent of the peak; it stays below the slope
# for what Python and some hundred small operations cost, and for reading that other programs do at the same time.
#
# **Batching.** Eight texts that are written side by side are eight rows: the second to the eighth cost little, as long as the weights are most of
# what is read. The KV caches are not shared. Eight texts of 1024 tokens in GPT-2 read `8 · 75.5 = 604` MB of keys and values beside 498 MB of
# weights: no longer free.
#
# "Eight texts, plain" lie far below the slope: further than "panels". For more than one row OpenBLAS (NumPy's usual BLAS) first copies the matrix into an order of its
# own, and that takes longer than the product; tinygpt lays the weights out once as **panels**, strips of 64 columns, with which a few rows make a
# product that is small enough to need no copy (`tinygpt/panels.py`).
#
# ## Fewer bytes: int8
#
# If reading is what takes time, read less. **int8** keeps a weight as a whole number from −127 to 127, one byte, and one scale for each row of
# weights (those of one output): `scale = max|row| / 127`, `q = round(row / scale)`, and back `row ≈ q · scale`. By hand, with the row `[0.5, −1.27,
# 0.024]`:
#
# ```text
# scale = 1.27 / 127 = 0.01      q = round([50, −127, 2.4]) = [50, −127, 2]
# back:  0.01 · [50, −127, 2] = [0.5, −1.27, 0.02]
# ```
#
# No weight moves by more than half a scale. **Predict:** the model that comes with tinygpt has weights of 11.7 MB. How many in int8, and how far do
# its probabilities of the next token move?

# %%
row = int8.quantise(np.array([[0.5, -1.27, 0.024]], np.float32))
print("q", row.q, " scale", row.scale, " back", row.expanded())
light = int8.quantised(model)
sizes = [w.q.nbytes + w.scale.nbytes if isinstance(w, int8.Int8Matrix) else w.nbytes
         for w in light.weights.values()]  # fmt: skip
print(f"float32 {model.flat.nbytes / 1e6:.1f} MB, int8 {sum(sizes) / 1e6:.1f} MB")
p32, p8 = (ops.softmax_forward(m.forward(text[None])[0][0])[0] for m in (model, light))  # (T, V)
print(f"largest change of a probability: {np.abs(p32 - p8).max():.3f}")
for t in np.flatnonzero(p32.argmax(-1) != p8.argmax(-1)):
    a, b = p32[t].argsort()[-2:]  # in float32 the two likeliest
    print(
        f"near a tie: {tokenizer.decode([a])} {p32[t, a]:.3f}, {tokenizer.decode([b])} {p32[t, b]:.3f}"
    )

# %% [markdown]
# A little more than a quarter: biases, LayerNorm and positions stay float32. No probability moves by more than half a hundredth. The lines "near a
# tie" are the positions at which the likeliest token has become another: there the tale is free, two tokens are equally likely to the second digit,
# and a coin might as well choose.
#
# NumPy has no fast product of int8, so `tinygpt/int8.py` expands a million weights at a time into float32, in the processor's cache, multiplies and forgets
# them: memory moves a quarter of the bytes. Is that faster? Compare the two diamonds of one token; it depends on the machine. Expanding costs
# arithmetic: suppose that NumPy expands 10 billion weights a second on one core. Reading float32, 4 bytes each, a core gets `30 / 4 = 7.5` billion
# weights a second where memory gives it 30 GB/s, and `10 / 4 = 2.5` billion where it gives 10. With the quarter still to be read and the product to be
# computed, int8 gains no time on the first machine, and much on the second. A quarter of the memory it gains on both.
#
# ## Less Python, fewer arrays, no float64 by accident
#
# Three habits decide how fast NumPy code is.
#
# 1. **Vectorise**: one call on the whole array in place of a loop. A call costs about a microsecond before the first number is touched.
# 2. **Few temporaries**: `0.5 * x * (1 + np.tanh(0.798 * (x + 0.045 * x * x * x)))` makes up to nine arrays, each written to memory and read again.
# `y *= x` works in place. And `x**3` calls a general power for every number: write `x * x * x`.
# 3. **No float64 by accident**: one float64 in a formula makes everything after it float64, twice the bytes, half the speed.
#
# **Predict** which of these five results are float32. `x` is.

# %%
x = np.ones(3, np.float32)
print("x * math.sqrt(2)    ", (x * math.sqrt(2)).dtype)
print("x * np.sqrt(2)      ", (x * np.sqrt(2)).dtype)
print("x + np.arange(3)    ", (x + np.arange(3)).dtype)
print("x + np.full(3, -1.0)", (x + np.full(3, -1.0)).dtype)
print("x.mean() * x        ", (x.mean() * x).dtype)
for name, times in speed["ms of an operation"].items():
    print(f"\n{name}, ms on one thread")
    for way, ms in times.items():
        print(f"{ms:8.2f}  {way}")

# %% [markdown]
# A Python number takes the array's type. `np.sqrt(2)` is a float64 of NumPy, `np.arange` has int64 (float32 and int64 make float64), `np.full` and
# `np.zeros` make float64 unless told otherwise: that is how the mask of attention turns a whole model into float64. The times: the same result in
# several ways, a softmax of 3072 rows of 64 numbers and a GELU of 768 rows of 512.
#
# ## Two threads, outside the maths
#
# A **thread** is a line of work that runs beside others in one program. Of Python code only one thread runs at a time (a lock sees to that), but
# NumPy lets go of the lock inside its loops and products, so there threads really run side by side. BLAS has threads of its own, but they only help
# inside products. By hand: of a training step let products take 0.7, all else (GELU, LayerNorm, softmax, AdamW) 0.3:
#
# ```text
# BLAS with two threads          0.7 / 2 + 0.3     = 0.65      1.54 times as fast
# the batch cut into two halves  0.7 / 2 + 0.3 / 2 = 0.50      2 times as fast
# ```
#
# (**Amdahl's law**: what is not split keeps its time.) So `tinygpt/parallel.py` can give each thread half of the rows, with a BLAS of one thread, for
# the whole of forward and backward, and adds up the gradients. That is right because the loss is a mean over rows: its gradient is the sum of the
# rows' gradients, each divided by the count of the *whole* batch. **Predict:** what goes wrong if each half divides by its own count?

# %%
ids = np.stack([text[:40], text[8:48]])  # (2, 40): a batch of two rows
both, *halves = (GPT(model.config, np.zeros_like(model.flat)) for _ in range(3))
model.loss_and_gradients(ids[:, :-1], ids[:, 1:], both.params)


def half(i):  # in a thread: row i, into gradients of its own
    x, y = ids[i : i + 1, :-1], ids[i : i + 1, 1:]
    return model.loss_and_gradients(x, y, halves[i].params, count=ids[:, 1:].size)


with WorkerPool(2) as pool:
    pool.map(half, [0, 1])
print("sum equals whole:", np.allclose(halves[0].flat + halves[1].flat, both.flat, atol=1e-5))
for name, ms in speed["ms of a training step"].items():
    print(f"{ms:6.1f} ms  {name}")

# %% [markdown]
# With its own count, each half's gradient would be twice too long, and so would their sum: the mistake of lesson 03. For *one* token there is no
# batch to cut, all the work is reading matrices, and there BLAS's own threads are better.
#
# And the split has a price: each thread needs a gradient as large as the model, and they must be added. So tinygpt splits by rows only where the batch
# *outweighs* the model: where it keeps more numbers for the way back (about 16 for each channel of each token in each block) than the model has
# parameters. Otherwise one worker computes, and BLAS splits its products. The three times above are those of the small model with 12 rows, where
# the batch is by far the heavier. How near they come to the factor 2 depends on the machine: two threads share one memory, and a core that has other
# things to do helps nobody.
#
# ## The same code on a GPU
#
# CuPy is NumPy for NVIDIA GPUs, with the same names. The data decides, so no line is written twice:
#
# ```python
# def softmax(x):
#     xp = get_xp(x)                                       # numpy, or cupy for an array on the GPU
#     e = xp.exp(x - x.max(axis=-1, keepdims=True))
#     return e / e.sum(axis=-1, keepdims=True)
# ```
#
# `tinygpt.load_model(device="gpu")` puts the weights there, and training and writing run on, unchanged. Its roof is some hundred times higher and
# has the same shape, so one token is bound by memory there too (or by the time that Python needs to start so many small operations). Three traps: a
# Python number from the GPU (`float(loss)`, `int(ids[0])`) waits for it to finish; random numbers are drawn on the host, so that results do not
# depend on the device; a mask is made with `xp`, not with `np`. Everything in which the two differ is in `tinygpt/backend.py`; the tests run the
# same code on a strict double of CuPy, so they need no GPU.
#
# ## Your machine
#
# **Predict**, then run: how many times as fast is the cache at 200 tokens with the small model? (This cell is saved without its output: it shows
# times.)

# %% tags=["no-output"]
import time

long = np.resize(text, (1, 200))
kv = KVCache(model.config, dtype=model.dtype)
best = {"plain": math.inf, "cached": math.inf}
for _ in range(20):
    kv.lengths[:] = 199  # as if 199 ids had been read
    for name, ids, past in (("plain", long, None), ("cached", long[:, -1:], kv)):
        began = time.perf_counter()
        model.forward(ids, kv=past, last=1)
        best[name] = min(best[name], 1000 * (time.perf_counter() - began))
print({name: f"{ms:.2f} ms" for name, ms in best.items()})

# %% [markdown]
# It reads 200 positions or one, and yet it is not 200 times as fast: many rows use the arithmetic well, one row waits for memory, and Python needs
# its few microseconds for each of some hundred calls, however little they do.
#
# ## The library's version beside yours
#
# | in the library | why | what it gains |
# |---|---|---|
# | `KVCache` allocates all `block_size` places at the start | `np.concatenate` copies the whole past for each id | an id writes its own key, nothing else moves |
# | `append` gives views `[:, :, :end]` | attention reads the past where it lies | no copy on the way out |
# | rows of a batch have their own `lengths`, and a mask where they differ | texts side by side need not be equally long | many texts for nearly one text's time |
# | `last=1` | only the last position's logits are wanted | the output layer, `V·C` weights, for one row, not for all of a prompt |
# | nothing is kept for backward | nobody goes back through a text that is written | memory of one block, not of `L` |
# | the window hops by `block_size // 4` (`--window-hop`) | a cache filled once in so many ids | 4 positions an id in place of `W` |
#
# The same two checks, on the library:

# %%
for name in ("13.attention_with_past", "13.generate_cached"):
    check(name, find_check(name).library)

# %% [markdown]
# ## Three lines to remember
#
# - Causality makes keys and values of the past final: keep them, and an id costs one position. Places must not change: when the window moves, fill
# the cache anew.
# - Time is the larger of operations / peak and bytes / bandwidth. One token waits for memory; eight beside each other cost little more; int8 reads
# a quarter.
# - Fast NumPy: whole arrays, few temporaries, `x*x*x`, float32 to the end, and threads around the maths.
#
# **You can now** write a cache and prove it right by *cached equals plain*, say of any piece of work which of the two speeds bounds it, and guess
# what a change will gain before you make it.
#
# **To read.** Shazeer, *Fast transformer decoding* (2019): section 2.4 counts the bytes of decoding. Williams, Waterman and Patterson, *Roofline*
# (2009). Pope et al., *Efficiently scaling transformer inference* (2022): section 2 on memory and compute. Dettmers et al., *LLM.int8()*
# (2022): section 2.1. Xiao et al., *Efficient streaming language models with attention sinks* (2023): section 3.2, a rolling cache. In the library:
# `tinygpt/kv_cache.py`, `decoding.py`, `parallel.py`, `panels.py`, `int8.py`. Next: lesson 14, several tokens for the price of one.
