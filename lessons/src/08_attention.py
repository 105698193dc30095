# %% [markdown]
# # 08 · Causal self-attention
#
# You will build the one part of a GPT in which a word can look at other words, derive its way back,
# and then watch the model that comes with tinygpt find a name that it read 90 tokens earlier.
#
# 65 minutes, 25 of them for the exercises. You need: [03](03_softmax_and_cross_entropy.ipynb) (softmax), 05 (linear
# layers and their gradients), 06 (LayerNorm), 07 (embeddings).

# %%
import inspect
import math

import numpy as np
from style import draw_arrays, draw_curves, draw_heatmap, draw_map, new_figure, picture, titles

import tinygpt
from tinygpt import check, check_gradients, ops
from tinygpt.ops import causal_attention_backward, causal_attention_forward, softmax_forward

np.set_printoptions(precision=3, suppress=True)
draw_map("attention")

# %% [markdown]
# ## The question
#
# A letter comes to Ben's tower, "but it was not for Ben. *To Ivy the robin*, it said". Ben sets out, and
# at last "there, behind the haystack, sat", 90 tokens after the name. Which word comes next? To know it, the position of
# "sat" has to find the position of "Ivy". Nothing that you have built so far can: embedding, LayerNorm,
# linear layer and GELU treat each position by itself.
#
# **Attention** moves numbers between positions. Each position has three vectors, which a linear layer makes:
#
# | name | letter | says | shape of all of them |
# |---|---|---|---|
# | **query** | `q` | what I look for | `(T, D)` |
# | **key** | `k` | what can be found at me | `(T, D)` |
# | **value** | `v` | what I hand over if you look at me | `(T, D)` |
#
# `T` is the number of positions, `D` the length of these vectors. A query and a key that point the same
# way have a large product: that position is looked at much. A position's result is a **weighted mean** of
# the values at and before it. *Self*-attention: queries, keys and values are all made from the same
# text. *Causal*: nobody looks at what comes later.
#
# ## By hand
#
# "the cat sat", `T = 3`, `D = 4`. The channels mean: article, noun, verb, other. "cat" looks for an article,
# "sat" for a noun most of all and for an article a little, and "the" would like to see a noun.

# %%
words = ["the", "cat", "sat"]
q = np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [1, 2, 0, 0]])
k = np.array([[2.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0]])
v = np.array([[1.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 3, 1]])
draw_arrays(
    [["q (T, D)", q], "@", ["kᵀ (D, T)", k.T], "=", ["q kᵀ (T, T)", q @ k.T, np.triu(-np.ones((3, 3)), 1)]],
    "Every query times every key: who wants to look at whom",
    "q, three rows, times k transposed gives a table of three by three; row sat is 2, 4, 0",
)  # fmt: skip

# %% [markdown]
# Row `i`, column `j` of the table says how much position `i` wants to look at position `j`. What is dotted
# lies in the future: "the" wants "cat" (2), but may not have it. For "sat":
#
# ```text
# q·k            2        4        0      [1,2,0,0]·[2,0,0,0] = 2,  ·[0,2,0,0] = 4,  ·[0,0,1,0] = 0
# divided by √D  1        2        0      √4 = 2; why, you will see below
# softmax        0.245    0.665    0.090  lesson 03
# result         0.245·[1,0,0,0] + 0.665·[0,2,0,0] + 0.090·[0,0,3,1] = [0.245, 1.330, 0.270, 0.090]
# ```
#
# The numbers before the softmax are called **scores**, those after it **weights**: none below 0, sum 1.
# "cat" has the scores `[1, 0]`, the weights `[0.731, 0.269]` and the result `[0.731, 0.538, 0, 0]`. In code,
# one position after the other; `[: i + 1]` takes what is at or before position `i`:


# %%
def attention_by_position(q, k, v):
    T, D = q.shape
    y, weights = np.zeros((T, D)), np.zeros((T, T))
    for i in range(T):
        scores = k[: i + 1] @ q[i] / math.sqrt(D)  # (i + 1, D) @ (D,) = (i + 1,)
        p = softmax_forward(scores)[0]  # (i + 1,), sum 1
        y[i] = p @ v[: i + 1]  # (i + 1,) @ (i + 1, D) = (D,)
        weights[i, : i + 1] = p
    return y, weights


y, weights = attention_by_position(q, k, v)
print(y)

# %%
figure, axes = new_figure(6.5, 3)
draw_heatmap(axes, weights, words, words)
titles(axes, '"sat" looks mostly at "cat"', "position looked at, j", "position that looks, i")
picture(figure, "a lower triangle of weights; row sat is 0.24, 0.67, 0.09; rows sum to 1")

# %% [markdown]
# **Predict before you run.** Position 0 sees only itself. You multiply its query by −1000: what is its
# result? And what happens to all results if you add the same vector, say `[7, 7, 7, 7]`, to *every* key?

# %%
print(attention_by_position(q * np.array([[-1000.0], [1], [1]]), k, v)[0][0])
print(np.allclose(attention_by_position(q, k + 7.0, v)[0], y))

# %% [markdown]
# The softmax of one number is 1, whatever the number: position 0 always gets its own value. And a vector
# `a` added to every key adds the same number `q·a` to the whole row of scores: softmax does not notice a
# shift (lesson 03). Keep this in mind, it will find a bug.
#
# ## The formula
#
# All positions at once, as matrix products. A position must not see the future, so the **causal mask**
# `M` is added to the scores: 0 where `j <= i`, −∞ where `j > i`. Since `exp(−∞) = 0`, the future gets weight 0.
#
# ```text
# S = q kᵀ / √D          (T, D) @ (D, T) = (T, T)     scores
# P = softmax(S + M)     (T, T)                       weights, each row by itself
# y = P v                (T, T) @ (T, D) = (T, D)     result
# ```
#
# ## Why divide by √D?
#
# Let the numbers in `q` and `k` be random, independent, with mean 0 and variance 1 (LayerNorm sees to
# about that). One product `q[d] · k[d]` then has mean 0 and variance 1·1 = 1. The sum of `D` of them has
# variance `D` (variances of independent numbers add), so its usual size is `√D`: the longer the vectors, the
# larger the scores. Divided by `√D`, they are of size 1 for every `D`.
#
# **Predict.** 20 random keys with `D = 256`, one random query. How large is the largest of the 20
# weights, without and with the division?

# %%
rng = np.random.default_rng(3)
s = rng.standard_normal((20, 256)) @ rng.standard_normal(256)  # (20,), of size √256 = 16
figure, axes = new_figure(9, 3, columns=2)
for a, scores, title in zip(
    axes, (s, s / 16), ("Undivided: one winner takes all", "Divided by √D: a choice"), strict=True
):
    p = np.sort(softmax_forward(scores)[0])[::-1]
    a.bar(range(1, 21), p, color="#0072b2")
    a.set_ylim(0, 1.05)
    a.set_xticks([1, 5, 10, 15, 20])
    titles(a, title, "keys, by weight", "weight")
picture(figure, "left one bar near 1 and nothing else; right 20 bars that fall slowly")

# %% [markdown]
# Without the division the softmax is all but sure before anything is learned. That is bad for learning:
# you will see below that the gradient of a score has the factor `p`, and that with a single weight of 1
# it vanishes.
#
# ## What breaks: the mask after the softmax
#
# This is a bug that people really make: take the softmax of all scores, then set the weights of the future
# to 0.
#
# **Predict.** The future has weight 0 in it. Can a change in the future still change the result?


# %%
def masked_too_late(q, k, v):
    s = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    p = softmax_forward(s)[0]
    return p * np.tril(np.ones(s.shape[-2:], q.dtype)) @ v  # tril: lower triangle


check("08.attention", masked_too_late)

# %% [markdown]
# It can: the future stands in the sum that the softmax divided by. The check changed `q`, `k` and `v` from
# position 1 on (`before` and `after` are the results), and position 0 changed with them. Besides, the
# weights no longer sum to 1: in training, position 0 gives most of its weight away to words that it may not
# see, and keeps a small rest. When the same model writes a text, there is no future yet, nothing is given
# away, and every layer above gets numbers of a size that it has never met. No error is raised.
#
# `swapaxes(-1, -2)` exchanges the last two axes: the transpose of every matrix in an array with axes in
# front. (`.T` would turn *all* axes round.) `@` multiplies the last two axes and broadcasts those in front.
#
# ## Exercise 1: attention
#
# Write `attention(q, k, v)`: three arrays of shape `(..., T, D)` to the result, of the same shape and dtype.
# The axes in front may be none, or `(B, H)`: `B` texts with `H` heads each, about which you read next.
# You may call `softmax_forward(s)[0]`, or the softmax that you wrote in lesson 03. 10 minutes.


# %% tags=["exercise"]
def attention(q, k, v):
    raise NotImplementedError  # your code


check("08.attention", attention)

# %% [markdown]
# HINTS 08.attention
#
# ## Many heads
#
# One set of weights is one question: "which noun?" A position has several questions at once: whose story is
# this, what did he carry, where is the tower? So the `C` channels are cut into `H` **heads** of `D = C / H`
# channels, and each head attends by itself, with its own weights. The products cost no more: `H` of them with
# `D` channels each are `C` channels.
#
# ```text
# x (B, T, C)  →  reshape (B, T, H, D)  →  transpose (B, H, T, D)       cut: heads to the front
# y (B, H, T, D)  →  transpose (B, T, H, D)  →  reshape (B, T, C)       back: heads side by side
# ```
#
# By hand, `T = 2`, `C = 4`, `H = 2`: the rows `[0 1 2 3]` and `[4 5 6 7]`. Head 0 gets the first two channels
# of every position, `[0 1]` and `[4 5]`; head 1 gets `[2 3]` and `[6 7]`.


# %%
def split_heads(x, H):
    B, T, C = x.shape
    return x.reshape(B, T, H, C // H).transpose(0, 2, 1, 3)  # (B, H, T, D)


def merge_heads(y):
    B, H, T, D = y.shape
    return y.transpose(0, 2, 1, 3).reshape(B, T, H * D)  # (B, T, C)


x = np.arange(8.0).reshape(1, 2, 4)
print(split_heads(x, 2)[0])
print(np.array_equal(merge_heads(split_heads(x, 2)), x))

# %% [markdown]
# **Predict.** Someone forgets the transpose and writes `x.reshape(B, H, T, D)`. The shape is right, and so is
# the way back, `y.reshape(B, T, C)`. With `T = 4` and `H = 2`: position 0 of the text is changed. Which of the
# four results change?

# %%
texts = np.random.default_rng(0).standard_normal((1, 4, 6))
changed = texts.copy()
changed[0, 0] += 1.0  # position 0
for name, split, merge in (
    ("with transpose", lambda x: split_heads(x, 2), merge_heads),
    ("without", lambda x: x.reshape(1, 2, 4, 3), lambda y: y.reshape(1, 4, 6)),
):
    before, after = (merge(causal_attention_forward(*[split(x)] * 3)[0]) for x in (texts, changed))
    print(f"{name:15}", np.abs(after - before).max(axis=-1)[0] > 0)

# %% [markdown]
# Without the transpose, head 0 is the first half of the *text*, head 1 the second half: "heads" that never see
# each other. No error, no leak, a loss that falls; but the model has no memory beyond `T / H` positions, however many layers it has, and
# nobody is told. A test that asks *who can see whom* finds it, a test of shapes does not.
#
# ## The whole layer
#
# Around the attention stand two linear layers (lesson 05). One makes `q`, `k` and `v` from `x` in one product,
# the other mixes the heads' results:
#
# ```text
# qkv = x @ w_qkv + b_qkv           (B, T, C) @ (C, 3C) = (B, T, 3C); its thirds are q, k, v
# y   = attention(heads of q, of k, of v)                 (B, H, T, D), then merged to (B, T, C)
# out = y @ w_proj + b_proj         (B, T, C) @ (C, C)  = (B, T, C)
# ```
#
# What is learned are these two matrices and their biases: *what to look for, what to be found by, what to hand
# over*. Attention itself has no parameters.
#
# ## The way back
#
# Given `dy (T, D)`, the gradient of the loss with respect to the result; wanted `dq`, `dk`, `dv (T, D)`. One head of
# one text; more of them do not touch each other. The three lines of the formula, from the last to the first.
#
# **1. y = P v.** Written with indices, `y[i,c] = Σ_j P[i,j] v[j,c]`: a product of two matrices, as in lesson 05.
#
# ```text
# dP[i,j] = Σ_c dy[i,c] · v[j,c]       chain rule; P[i,j] is in y[i,c] with factor v[j,c]
# dP = dy vᵀ                           (T, D) @ (D, T) = (T, T)
# dv[j,c] = Σ_i dy[i,c] · P[i,j]       chain rule; v[j,c] is in every y[i,c] with factor P[i,j]
# dv = Pᵀ dy                           (T, T) @ (T, D) = (T, D)
# ```
#
# **2. P = softmax(S + M).** Each row by itself. For one row, `p[j] = e[j] / Σ_m e[m]` with `e[j] = exp(s[j])`. How does
# `p[j]` change with `s[k]`? With `Z = Σ_m e[m]`:
#
# ```text
# ∂p[j]/∂s[k] = (∂e[j]/∂s[k]) / Z − e[j] · (∂Z/∂s[k]) / Z²     quotient rule
#             = [j = k] e[k] / Z − e[j] e[k] / Z²              exp' = exp; Z has one term with s[k]
#             = [j = k] p[k] − p[j] p[k]                       definition of p;  [j = k] is 1 or 0
#
# ds[k] = Σ_j dp[j] · ∂p[j]/∂s[k]                              chain rule: s[k] is in every p[j]
#       = Σ_j dp[j] [j = k] p[k] − Σ_j dp[j] p[j] p[k]         the line above, multiplied out
#       = p[k] · (dp[k] − Σ_j dp[j] p[j])                      one j is left in the first sum
# ```
#
# In words: a score should rise if its position's `dp` lies above the *weighted mean* of them all. The mask is a
# constant, which a derivative does not see; where it is −∞, `p` is 0, and so is `ds`.
#
# **3. S = q kᵀ / √D.** With indices, `S[i,j] = Σ_c q[i,c] k[j,c] / √D`.
#
# ```text
# dq[i,c] = Σ_j dS[i,j] · k[j,c] / √D      chain rule; q[i,c] is in every S[i,j] with factor k[j,c] / √D
# dq = dS k / √D                           (T, T) @ (T, D) = (T, D)
# dk[j,c] = Σ_i dS[i,j] · q[i,c] / √D      the same with i and j exchanged: a transpose
# dk = dSᵀ q / √D                          (T, T) @ (T, D) = (T, D)
# ```
#
# **By hand.** Let the loss be the number at "sat", channel noun: `dy = [0, 1, 0, 0]` there, 0 elsewhere.
#
# ```text
# dp = v · dy         0         2         0        [1,0,0,0]·[0,1,0,0] = 0,  [0,2,0,0]·… = 2,  0
# weighted mean       0.245·0 + 0.665·2 + 0.090·0 = 1.330
# dp − mean       −1.330     0.670    −1.330
# ds = p · that   −0.326     0.445    −0.120    sum 0
# divided by √D   −0.163     0.223    −0.060
# dq of "sat"     −0.163·[2,0,0,0] + 0.223·[0,2,0,0] − 0.060·[0,0,1,0] = [−0.326, 0.445, −0.060, 0]
# dk of "cat"         0.223·[1,2,0,0] = [0.223, 0.445, 0, 0]
# dv of "cat"         0.665·[0,1,0,0] = [0, 0.665, 0, 0]
# ```
#
# In code, again one position after the other. A key is looked at by many positions, so its gradient is a
# *sum* over them (`+=`):


# %%
def backward_by_position(dy, q, k, v, mean=1):
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for i in range(len(q)):
        past, c = slice(i + 1), 1 / math.sqrt(q.shape[1])
        p = softmax_forward(k[past] @ q[i] * c)[0]  # (i + 1,), as on the way forward
        dp = v[past] @ dy[i]  # (i + 1,)
        ds = p * (dp - mean * (dp @ p)) * c  # (i + 1,)
        dq[i] = ds @ k[past]  # (D,)
        dk[past] += np.outer(ds, q[i])  # (i + 1, D)
        dv[past] += np.outer(p, dy[i])  # (i + 1, D)
    return dq, dk, dv


dy = np.array([[0.0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]])
print(*backward_by_position(dy, q, k, v), sep="\n\n")

# %% [markdown]
# The last row of `dq` and the middle rows of `dk` and `dv` are those worked by hand. Now a `dy` at all positions,
# all three gradients of them, against finite differences; and beside them the
# mistake that is made most often: the weighted mean is forgotten, `ds = p * dp` (`mean=0`).
#
# **Predict.** You know that one vector added to every key changes nothing. What, then, is the sum of all rows
# of `dk`? And with the mistake?


# %%
dy = np.random.default_rng(0).standard_normal((3, 4))
loss = lambda: float((attention_by_position(q, k, v)[0] * dy).sum())
for name, mean in (("with the mean", 1), ("forgotten", 0)):
    grads = dict(zip("qkv", backward_by_position(dy, q, k, v, mean), strict=True))
    reports = check_gradients(loss, {"q": q, "k": k, "v": v}, grads)
    print(f"{name:14} sum of dk:", grads["k"].sum(axis=0).round(3) + 0.0)
    print(" " * 14, {"d" + r.name: "right" if r.error < 1e-6 else "wrong" for r in reports})

# %% [markdown]
# The slope along "all keys together" is 0, so the rows of `dk` add up to 0. With the mistake they do not, though
# every shape is right and even `dv` is. What does it do to training? At first nothing that you would notice: the
# small model of the next section learns with it as fast as without. But nothing holds the scores together; they
# drift, and after about a hundred steps its loss climbs again, from 0.4 to above 1. (With a quarter of the step
# length it does not climb in 600 steps: a bug that one can live with for long.) The check sees it at its
# first and smallest input, where there is one position and nothing to choose:


# %%
def without_the_mean(dy, q, k, v):
    heads = [a.reshape(-1, *a.shape[-2:]) for a in (dy, q, k, v)]  # (all in front, T, D)
    grads = [backward_by_position(*head, mean=0) for head in zip(*heads, strict=True)]
    return [np.stack(d).reshape(q.shape) for d in zip(*grads, strict=True)]


check("08.attention_backward", without_the_mean)

# %% [markdown]
# ## Exercise 2: the way back
#
# Write `attention_backward(dy, q, k, v)`: four arrays of shape `(..., T, D)` to `dq, dk, dv`, in their dtype. No loop over
# positions. Compute the weights again, as in your `attention`. 15 minutes.


# %% tags=["exercise"]
def attention_backward(dy, q, k, v):
    raise NotImplementedError  # your code


check("08.attention_backward", attention_backward)

# %% [markdown]
# HINTS 08.attention_backward
#
# ## What a mask that is one off does to training
#
# `np.triu(…, k=1)` is −∞ above the diagonal. With `k=2`, each position sees one token of the future: the very token
# that it has to predict. A test of shapes does not see it, and the loss looks wonderful. To see how wonderful,
# train on *random digits*, where nobody can know what comes next: the loss of an honest model cannot stay
# below `ln 10 = 2.303`.
#
# One head, between two matrices `w (18, 3·18)` and `u (18, 10)`; its input is the digit and its place, both
# one-hot (lesson 00), 10 + 8 = 18 numbers. The library's `mask=` takes the place of its own mask.
#
# **Predict.** A text has 8 digits to predict. With the mask one off, 7 of 8 positions can read their
# answer; the last has none to read. Where does the loss end?


# %%
def loss_and_gradients(w, u, x, targets, mask):
    qkv, qkv_cache = ops.linear_forward(x, w)  # (B, T, 3D)
    y, cache = causal_attention_forward(*np.split(qkv[:, None], 3, axis=-1), mask=mask)
    logits, u_cache = ops.linear_forward(y[:, 0], u)  # (B, T, 10)
    loss, loss_cache = ops.cross_entropy_forward(logits, targets)
    dy, du, _ = ops.linear_backward(ops.cross_entropy_backward(1.0, loss_cache), u_cache)
    dqkv = np.concatenate(causal_attention_backward(dy[:, None], cache), axis=-1)
    return loss, ops.linear_backward(dqkv[:, 0], qkv_cache)[1], du


# %%
curves = {}
for name, diagonal in (("mask right", 1), ("one off", 2)):
    mask = np.triu(np.full((1, 1, 8, 8), -np.inf), k=diagonal)
    rng, curves[name] = np.random.default_rng(0), []
    w, u = rng.normal(0, 0.3, (18, 3 * 18)), rng.normal(0, 0.3, (18, 10))
    for _ in range(150):
        digits = rng.integers(0, 10, (16, 9))
        place = np.broadcast_to(np.eye(8), (16, 8, 8))
        x = np.concatenate([np.eye(10)[digits[:, :-1]], place], axis=-1)  # (16, 8, 18)
        loss, dw, du = loss_and_gradients(w, u, x, digits[:, 1:], mask)
        w, u = w - 2.0 * dw, u - 2.0 * du  # lesson 04: a step against the gradient
        curves[name].append(loss)

# %%
figure, axes = new_figure(9, 3.2)
draw_curves(axes, range(1, 151), curves)
axes.axhline(math.log(10), color="#8c8c8c", linewidth=1)
axes.annotate("ln 10: nobody can know more", (150, math.log(10)), (0, -16), fontsize=11, ha="right",
              textcoords="offset points")  # fmt: skip
titles(axes, "A loss too good to be true reads the answer", "step", "loss in nats")
picture(
    figure, "with the right mask the loss stays at ln 10, with the mask one off it falls to 0.4"
)

# %% [markdown]
# One position in eight pays `ln 10`, the others nearly nothing: about `2.303 / 8 = 0.29`, and the curve ends a little
# above that. When this model writes, the token that it learned to copy does not exist yet, and it writes noise. If
# a loss falls far faster than you expected, change the future and see whether the past changes: that is the
# first thing the check of exercise 1 does.
#
# ## The library's version beside yours
#
# | in the library | why | what it gains |
# |---|---|---|
# | `q` divided by √D, not the scores | `(T, D)` numbers in place of `(T, T)` | `D / T` of the work |
# | **tiles**: 64 queries at a time, against the keys up to the last of them (`seen`) | what lies right of a tile is masked | 37 % of the `(T, T)` table is never computed at `T = 240`, nearly half in long texts |
# | **unnormalised softmax**: `e @ v` first, `y /= sums` at the end | `Z` is the same for all keys of a query, see below | `T · D` divisions in place of `T · T`, and no table of weights |
# | `along_p`: `dy · y` in place of `Σ_j dp[j] p[j]` | they are equal, see below | `D` products for each query in place of `T` |
# | `e` and `sums` in the cache | the way back needs them | no product and no `exp` a second time |
# | the last tile first on the way back | it sees every key and writes all of `dk` and `dv`; the others add (`add`) | no zeros to begin with |
# | `Tq <= Tk`: fewer queries than keys | one new token looks at all old ones (lesson 13) | one function for training and writing |
# | no mask for a single query | it sees everything that there is | nothing to add |
# | `out=` may be a view of a larger array | `dq`, `dk`, `dv` are the thirds of one `dqkv`, heads are views | no copy to cut or to merge |
#
# A tile in numbers, `T = 240`: the tiles end at 64, 128, 192, 240, so `64·64 + 64·128 + 64·192 + 48·240 = 36,096` scores of 57,600.
# Within a tile only the last `n` keys, as many as it has queries, need the triangle of −∞. The two lines with "see below", for one query
# with `p[j] = e[j] / Z`:
#
# ```text
# y[c] = Σ_j (e[j] / Z) · v[j,c] = ( Σ_j e[j] · v[j,c] ) / Z      Z does not depend on j
#
# Σ_j dp[j] p[j] = Σ_j ( Σ_c dy[c] · v[j,c] ) · p[j]              dp = dy vᵀ
#                = Σ_c dy[c] · ( Σ_j p[j] · v[j,c] )              order of the sums changed
#                = Σ_c dy[c] · y[c]                               y = P v
# ```
#
# For "sat" above `dy · y` is `1 · 1.330`, the weighted mean that you worked by hand. And since the cache holds `e`, not `p = e / Z`, the
# way back divides `dy` by `Z` once, at its start: then `dv = eᵀ (dy / Z)`, and `ds = e · ((dy / Z) vᵀ − (dy / Z) · y)`. `row_dot(a, b)`
# adds up `a · b` along the last axis; `matmul_into(a, b, home, add)` writes `a @ b` to its home, or adds it there.
#
# `tinygpt/transformer.py` has the whole layer, with the two linear layers around it.


# %%
def in_four_axes(*arrays):
    return [a.reshape(1, -1, *a.shape[-2:]) for a in arrays]  # (1, all in front, T, D)


def library_backward(dy, q, k, v):
    cache = causal_attention_forward(*in_four_axes(q, k, v))[1]
    grads = causal_attention_backward(in_four_axes(dy)[0], cache)
    return [d.reshape(q.shape) for d in grads]


print(inspect.getsource(causal_attention_forward))
print(inspect.getsource(causal_attention_backward))
check("08.attention", lambda *a: causal_attention_forward(*in_four_axes(*a))[0].reshape(a[0].shape))
check("08.attention_backward", library_backward)

# %% [markdown]
# ## A real model
#
# The tale of Ben and Ivy again, up to the word whose question opened this page. The model has 4 such layers of
# 7 heads (lesson 09 puts the layers together). What its forward pass keeps for the way back includes every head's
# `q / √D` and `k`, deep inside `cache[2]`, which has one entry for each layer; the formula makes weights of them.
#
# **Predict.** You are the position of "sat". Which earlier words would you look at, to know the next?

# %%
TALE = """Ben the clever vole lived in a tall tower not far from the market. One foggy afternoon, \
a letter came through the window of the tall tower, but it was not for Ben. "To Ivy the robin," it \
said, "behind the haystack." "Bless me!" said Ben. "That is three miles from here." So he packed a \
plate of pancakes and a spotted pillow and went off. A wolf barred the way, but bowed low at the \
sight of the pillow. Then came a river without a bridge. He crossed it on a very patient cow. And \
there, behind the haystack, sat"""
model, tokenizer = tinygpt.load_model()
ids = np.array([tokenizer.eot_id, *tokenizer.encode(TALE)])
tokens = [tokenizer.decode([i]) for i in ids]
logits, cache = model.forward(ids[None])
print("after the last word comes", repr(tokenizer.decode([int(logits[0, -1].argmax())])))
print(len(ids) - 1 - ids.tolist().index(tokenizer.encode(" Ivy")[0]), "tokens after the first Ivy")
future = np.triu(np.full((len(ids), len(ids)), -np.inf), k=1)
scores = [q[0] @ k[0].swapaxes(-1, -2) for _, (_, (q, k, *_), *_), *_ in cache[2]]
maps = softmax_forward(np.stack(scores) + future)[0]  # (L, H, T, T)


# %%
def best_head(word, at):
    """From position `at`, the weights of the head that looks most at this word or the one after."""
    past = maps[:, :, at, : at + 1]  # (L, H, at + 1)
    hit = ids[: at + 1] == tokenizer.encode(word)[0]
    share = past[..., hit | np.roll(hit, 1)].sum(axis=-1)
    return past[np.unravel_index(share.argmax(), share.shape)]


def draw_text(axes, weights):
    x, y = 0, 0
    for token, weight in zip(tokens[1 : len(weights)], weights[1:], strict=True):
        x, y = (-1, y - 1) if x > 100 and token[0] == " " else (x, y)
        shade = {"facecolor": "#e69f00", "alpha": float(weight), "linewidth": 0, "pad": 1.5}
        x += len(token)  # a token brings its own space, at its left
        axes.text(x, y, token.strip(), family="monospace", fontsize=10, bbox=shade, ha="right")


# %%
figure, axes = new_figure(9.5, 3.8, rows=2)
pillow = np.flatnonzero(ids == tokenizer.encode(" pillow")[0])[1] - 1  # before its second mention
for a, word, at in ((axes[0], " Ivy", len(ids) - 1), (axes[1], " pillow", pillow)):
    weights = best_head(word, at)
    k = weights.argmax()
    print(f"{word}: the head looks most at the last of", tokens[k - 1 : k + 1])
    draw_text(a, weights)
    a.set_xlim(0, 112)
    a.set_ylim(-5.5, 0.9)
    a.axis("off")
titles(axes[0], 'From "sat", a head looks right behind the name on the letter')
titles(axes[1], 'From "sight of the", a head looks at the thing that he carries')
picture(figure, "the tale twice, shaded by weight: above the word after Ivy is dark, below pillow")

# %% [markdown]
# A model that was told nothing but "predict the next token" has learned to look up who the letter is for. Two
# names are in the tale, Ben and Ivy; the head takes the right one. It looks not at the name but at the word after
# it: that tells it something only if a head of an earlier layer has written there which word came before. And these are all heads on the first
# 40 tokens. A line near the diagonal: a head that looks at what came right before. A vertical line: a token that
# many later ones look at.

# %%
figure, axes = new_figure(9.5, 5.8, rows=len(maps), columns=maps.shape[1])
for i, a in enumerate(axes):
    draw_heatmap(a, maps.reshape(-1, *maps.shape[2:])[i, :40, :40] ** 0.5, [], [])
    if i % maps.shape[1] == 0:
        a.set_ylabel(f"layer {i // maps.shape[1]}", fontsize=10)
figure.suptitle("Every head asks another question; none looks to the right", fontsize=13, x=0.3)
figure.supxlabel("position looked at, 0 to 39; one head a column", fontsize=11)
figure.supylabel("position that looks, 0 to 39", fontsize=11)
picture(figure, "a grid of lower triangles, one for each head, with different patterns")

# %% [markdown]
# (The shade is the square root of the weight, so that small weights are seen.)
#
# ## Three lines to remember
#
# - `softmax(q kᵀ / √D + mask) v`: each position takes a weighted mean of the values at or before it.
# - The mask is added *before* the softmax; heads are cut with a reshape *and* a transpose.
# - Back: `dv = Pᵀ dy`, `dS = P · (dP − row's mean weighted by P)`, `dq = dS k / √D`, `dk = dSᵀ q / √D`.
#
# **You can now** write attention with any number of heads, derive and test its way back, say who can see whom,
# and read an attention map.
#
# **To read.** Dao et al., *FlashAttention* (2022): tiles, the late division and `dy · y`. Vaswani et al., *Attention is all you need* (2017): section 3.2.1 (scaled dot products, and a
# footnote on `√D`) and 3.2.2 (many heads). Elhage et al., *A Mathematical Framework for Transformer
# Circuits* (2021), "Induction heads": heads that look up what came before. In the library:
# `tinygpt/ops/attention.py`, then `attention_forward` in `tinygpt/transformer.py`. Next: lesson 09, the
# block and the GPT.
