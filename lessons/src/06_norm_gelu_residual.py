# %% [markdown]
# # 06 · LayerNorm, GELU, residual, dropout
#
# You will write the parts that stand between the matrix products of a GPT, forward and backward, and
# see that without them the numbers of a deep network die out on the way, and the gradients with them.
#
# 65 minutes, 25 of them for the exercises. You need: [05](05_linear_backward.ipynb) (the linear layer, its backward pass, how to check a gradient).

# %%
import inspect

import numpy as np
from style import draw_arrays, draw_bars, draw_curves, draw_map, new_figure, picture, titles

import tinygpt
from tinygpt import check, check_gradients, ops

np.set_printoptions(precision=3, suppress=True)
draw_map("norm", "mlp", "final norm")

# %% [markdown]
# The orange boxes are this lesson: a LayerNorm stands before each part of a GPT, a GELU in the middle of one.
#
# ## The question
#
# A GPT is deep: layer upon layer, each a matrix product of what the layer before gave. What happens to
# the *size* of the numbers on this way? Take 16 layers with random weights, as at the start of training
# (`64` channels, and weights of size `1 / √64`, with which a product keeps the size of the numbers).
#
# - **plain**: each layer is `x → gelu(x @ w)`. GELU is a function that bends every number; you will write it below.
# - **deep**: the same weights, but each layer is `x → x + gelu(norm(x) @ w)`. It looks at `x` through a
#   LayerNorm, which you will write first, and *adds* what it finds to `x`. Every block of a GPT is built like this.
#
# Forward, `sizes` collects `x` after every layer. Then it sends a gradient `dx` of size 1 back from the top, and
# collects it at every layer. All names of `ops` are the library's functions.


# %%
def sizes(x, ws, deep):
    one, zero, xs, caches = np.ones(x.shape[-1]), np.zeros(x.shape[-1]), [], []
    for w in ws:  # forward
        h, c0 = ops.layernorm_forward(x, one, zero) if deep else (x, None)
        h, c1 = ops.linear_forward(h, w, zero)
        h, c2 = ops.gelu_forward(h)
        x = x + h if deep else h
        xs, caches = [*xs, x], [*caches, (c0, c1, c2)]
    dxs = [np.random.default_rng(1).standard_normal(x.shape)]
    for c0, c1, c2 in caches[:0:-1]:  # backward, down to layer 1's output
        d = ops.linear_backward(ops.gelu_backward(dxs[0], c2), c1)[0]
        d = dxs[0] + ops.layernorm_backward(d, c0)[0] if deep else d
        dxs = [d, *dxs]
    return xs, dxs


# %%
rng = np.random.default_rng(0)
x, ws = rng.standard_normal((256, 64)), rng.standard_normal((16, 64, 64)) / 8  # 8 is √64
plain, deep = sizes(x, ws, False), sizes(x, ws, True)
names = ["plain: x dies out", "plain: dx dies out", "deep: x keeps its size", "deep: so does dx"]
figure, axes = new_figure(9.5, 5.4, rows=2, columns=2)
for panel, name, arrays in zip(axes, names, (*plain, *deep), strict=True):
    for layer, look, dash in ((1, "#0072b2", "-"), (8, "#d55e00", "--"), (16, "#1a1a1a", ":")):
        share, edges = np.histogram(np.log10(np.abs(arrays[layer - 1])), 60, (-7, 2))
        panel.stairs(share / x.size, edges, color=look, ls=dash, lw=2, label=f"layer {layer}")
    panel.legend(fontsize=10, loc="upper left", frameon=False)
    panel.margins(y=0.35)
    titles(panel, name, "size of a number, as a power of ten", "share of numbers")
picture(
    figure, "histograms of sizes at layers 1, 8 and 16: plain ones move far left, deep ones stay"
)

# %% [markdown]
# The plain stack is lost at both ends: the top sees hardly anything of the text, and the lowest layers get
# gradients more than ten thousand times smaller than the top. That is called a **vanishing gradient**. (With weights twice as
# large the numbers would explode instead.) The deep stack keeps both. This lesson is about why.
#
# ## LayerNorm by hand
#
# One token is described by `C` numbers, its *channels*. Take `C = 4`, the row `x = [8, 2, 2, 0]`:
#
# ```text
# mean       (8 + 2 + 2 + 0) / 4           = 3
# distance   x − 3                         = [5, −1, −1, −3]
# variance   (25 + 1 + 1 + 9) / 4          = 9                 the mean of the squared distances
# xhat       distance / √9                 = [1.667, −0.333, −0.333, −1]
# ```
#
# `xhat` has mean 0 and variance 1. So that the layer can still choose any size and any middle for
# each channel, it then scales and shifts with two learned rows, `w` and `b`, both of shape `(C,)`:
#
# ```text
# y = xhat · w + b      w = [2, 1, 1, 1], b = [0, 0, 0, 1]:   y = [3.333, −0.333, −0.333, 0]
# ```
#
# This is **LayerNorm**. For every row by itself, with `Σ_i` the sum over its `C` channels:
#
# ```text
# m = Σ_i x[i] / C                 v = Σ_i (x[i] − m)² / C              one number each, per row
# xhat[i] = (x[i] − m) / √(v + ε)                                      (C,)
# y[i]    = xhat[i] · w[i] + b[i]                                      (C,)
# ```
#
# `ε = 0.00001`, called `eps` in code, keeps the division possible when all numbers of a row are equal and `v = 0`. Each row of a
# `(B, T, C)` array has its own `m` and `v`: no token looks at another one.


# %%
def naive_layernorm(x, w, b):
    d = x - x.mean(axis=-1, keepdims=True)  # (..., C) - (..., 1)
    return d / np.sqrt((d * d).mean(axis=-1, keepdims=True)) * w + b  # no eps yet


rows = np.array([[8.0, 2.0, 2.0, 0.0], [1.0, 1.0, 5.0, 5.0]])  # (2, C)
w, b = np.array([2.0, 1.0, 1.0, 1.0]), np.array([0.0, 0.0, 0.0, 1.0])
print(naive_layernorm(rows, w, b))

# %% [markdown]
# The first row is the one worked by hand; the second has mean 3, variance 4, `xhat = [−1, −1, 1, 1]`.
#
# **Predict before you run.** What does LayerNorm make of `10 · x + 100`?

# %%
moved = 10 * rows + 100
y_moved = naive_layernorm(moved, w, b)
draw_arrays(
    [["10 · x + 100", moved], "→", ["y", y_moved]],
    "A row that is stretched and shifted gives the same y",
    "two rows of large numbers and the same y as before",
    form="{:.3g}",
)

# %% [markdown]
# The same `y`: the mean takes the 100 away, the division the 10. This is why the next layer always sees numbers of
# the same size, whatever happened below. Remember this; the gradient will have to know it too.
#
# Is the naive version right? Ask the check.

# %%
check("06.layernorm", naive_layernorm)

# %% [markdown]
# Four equal numbers: 0 divided by 0. It happens, for instance with a table that starts at zero. Add `ε`.
#
# ## Exercise 1: LayerNorm
#
# Write `layernorm(x, w, b)`: `x` of shape `(..., C)`, `w` and `b` of shape `(C,)`, to `y` of the shape and dtype of `x`;
# `eps` is `1e-5`. About 5 minutes.


# %% tags=["exercise"]
def layernorm(x, w, b):
    raise NotImplementedError  # your code


check("06.layernorm", layernorm)

# %% [markdown]
# HINTS 06.layernorm
#
# ## The way back through LayerNorm
#
# What comes in from above is `dy`, of the shape of `y`. Cut the forward pass into steps so small that each has one
# rule, and go through them from the last to the first. All lines are for one row; `s` is short for `1 / √(v + ε)`.
#
# ```text
# forward                                shape
# 1   m = Σ_i x[i] / C                   one number
# 2   d[i] = x[i] − m                    (C,)
# 3   v = Σ_i d[i]² / C                  one number
# 4   s = (v + ε)^(−1/2)                 one number
# 5   xhat[i] = d[i] · s                 (C,)
# 6   y[i] = xhat[i] · w[i] + b[i]       (C,)
#
# backward
# 6   db[i]    = dy[i]                   derivative of a sum
#     dw[i]    = dy[i] · xhat[i]         derivative of a product
#     dxhat[i] = dy[i] · w[i]            derivative of a product
#
# 5   ds    = Σ_i dxhat[i] · d[i]        product; s is used by all i (broadcast), so the sum over i
#     dd[i] = dxhat[i] · s               product; the direct way to d
#
# 4   dv = ds · (−1/2) (v + ε)^(−3/2)    chain rule, power rule
#        = −ds · s³ / 2                  s³ = (v + ε)^(−3/2)
#
# 3   dd[i] += dv · 2 d[i] / C           chain rule; += because d is used twice, in 3 and in 5
# ```
#
# Put the two parts of `dd` together, with `ds` and `dv` written out, and use `d · s = xhat` twice:
#
# ```text
# dd[i] = dxhat[i] · s − (Σ_j dxhat[j] · d[j]) · s³ · d[i] / C
#       = s · ( dxhat[i] − xhat[i] · Σ_j dxhat[j] · xhat[j] / C )
#       = s · ( dxhat[i] − xhat[i] · mean(dxhat · xhat) )
#
# 2   dm = −Σ_i dd[i]                      m is used by all i (broadcast): the sum over i
#     dx[i] = dd[i]                        the direct way to x
# 1   dx[i] += dm / C                      += because x is used twice, in 1 and in 2
#            so dx[i] = dd[i] − mean(dd)
# ```
#
# The mean of `xhat` is 0, so of `mean(dd)` only `s · mean(dxhat)` is left:
#
# ```text
# dx = s · ( dxhat − mean(dxhat) − xhat · mean(dxhat · xhat) )          (C,), each row by itself
# ```
#
# Only `w` and `b` are shared by all `N` rows, so `dw` and `db` are summed over the rows (sum over a
# broadcast axis): `(N, C)` becomes `(C,)`.
#
# By hand, with `dy = [1.5, 0, 0, 0]` for the first row, where `s = 1/3`:
#
# ```text
# dxhat = dy · w            = [3, 0, 0, 0]             mean(dxhat)        = 0.75
# dxhat · xhat              = [5, 0, 0, 0]             mean(dxhat · xhat) = 1.25
# xhat · 1.25               = [2.083, −0.417, −0.417, −1.25]
# dx = (dxhat − 0.75 − xhat · 1.25) / 3
#    = [0.167, −0.333, −0.333, 0.5] / 3 = [0.056, −0.111, −0.111, 0.167]
# ```


# %%
def backward_by_hand(dy, x, w):
    d = x - x.mean(axis=-1, keepdims=True)  # (N, C)
    s = 1 / np.sqrt((d * d).mean(axis=-1, keepdims=True) + 1e-5)  # (N, 1)
    xhat, dxhat = d * s, dy * w
    along = (dxhat * xhat).mean(axis=-1, keepdims=True)  # (N, 1)
    dx = s * (dxhat - dxhat.mean(axis=-1, keepdims=True) - xhat * along)
    return dx, (dy * xhat).sum(axis=0), dy.sum(axis=0)


dy = np.array([[1.5, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0]])
for name, g in zip(("dx", "dw", "db"), backward_by_hand(dy, rows, w), strict=True):
    print(name, g.round(3) + 0.0)

# %% [markdown]
# **Predict.** The second row has `xhat = [−1, −1, 1, 1]`. Let the loss want its last two channels up, both by the
# same amount: `dy = [0, 0, 1, 1]`. What is `dx`?

# %%
dx, _, _ = backward_by_hand(np.array([[0.0, 0, 0, 0], [0, 0, 1, 1]]), rows, w)
print(dx[1].round(3) + 0.0)

# %% [markdown]
# Nothing! Move the last two channels up by any amount: the mean takes half of it away, the division the rest, and `xhat` is again
# `[−1, −1, 1, 1]`. There is no way to do what the loss wants, and the gradient says so. In general:
#
# - A shift of the whole row changes nothing, so **each row of `dx` sums to 0**: it is *orthogonal* (at a
#   right angle: the products add up to 0) to the row of ones.
# - Stretching the row changes nothing, so **`dx · xhat` sums to 0** as well: orthogonal to `xhat`.
#
# The two subtracted terms do this: they take out of `dxhat` what only moves the mean or the scale. (Because of `ε`, the
# second holds up to a share of `ε / v`.)
#
# ## What breaks: mean and variance taken for constants
#
# Here is a bug that people really make: "`xhat` is `x` minus a number, times `s`, so `dx = dxhat · s`". The shape is right, and the
# numbers look reasonable. **Predict:** will the gradient check see it? And will training?


# %%
def constants(dy, x, w):  # the bug: m and s do depend on x
    d = x - x.mean(axis=-1, keepdims=True)
    s = 1 / np.sqrt((d * d).mean(axis=-1, keepdims=True) + 1e-5)
    product = dy * d * s
    return dy * w * s, product.reshape(-1, len(w)).sum(axis=0), dy.reshape(-1, len(w)).sum(axis=0)


x = rows.copy()
loss = lambda: float((dy * ops.layernorm_forward(x, w, b)[0]).sum())
for f in (backward_by_hand, constants):
    (report,) = check_gradients(loss, {"x": x}, {"x": f(dy, x, w)[0]})
    print(f"{f.__name__:17} {'right' if report.error < 1e-6 else f'error {report.error:.2f}'}")
check("06.layernorm_backward", constants)


# %%
def train(backward, rng, steps=200):
    x, one = rng.standard_normal((128, 32)), np.ones(32)
    w, v, goal = rng.standard_normal((3, 32, 32)) / np.sqrt(32)
    y = lambda w: ops.layernorm_forward(x @ w, one, 0 * one)[0] @ v[:, :1]
    target, losses = y(goal), []
    for _ in range(steps):
        error = y(w) - target  # (128, 1)
        losses.append((error**2).mean())
        dn = 2 / 128 * error @ v[:, :1].T  # from the mean square back to LayerNorm's output
        w = w - 0.3 * x.T @ backward(dn, x @ w, one)[0]  # linear backward, then one step
    return losses


# %%
runs = {f: train(f, np.random.default_rng(0)) for f in (backward_by_hand, constants)}
figure, axes = new_figure(8, 3.4)
powers = {name: np.log10(runs[f]) for name, f in (("right", backward_by_hand), ("bug", constants))}
draw_curves(axes, range(200), powers)
titles(axes, "With the bug, the loss falls, and then no more", "step", "loss, as a power of ten")
picture(
    figure,
    "both fall to 0.016 in ten steps; with the bug it stays there, else it falls on to 0.003",
)

# %% [markdown]
# The task is a linear layer under a LayerNorm that has to imitate another one. With the bug the loss falls for ten steps as it
# should, and then stays where it is: one might look for a better learning rate for a week. The gradient check knows in
# a second.
#
# ## Exercise 2: LayerNorm's backward pass
#
# Write `layernorm_backward(dy, x, w)`: `dy` and `x` of shape `(..., C)`, `w (C,)`, to `dx (..., C)`, `dw (C,)` and `db (C,)`. The rows may
# have any axes in front, which `backward_by_hand` could not do. Try it from the derivation, without looking up. 10 minutes.


# %% tags=["exercise"]
def layernorm_backward(dy, x, w):
    raise NotImplementedError  # your code


check("06.layernorm_backward", layernorm_backward)

# %% [markdown]
# HINTS 06.layernorm_backward
#
# ## GELU: the bend
#
# Two linear layers in a row are one: `(x @ w1) @ w2 = x @ (w1 @ w2)`. A network of a hundred linear layers can do no more than
# one. So between two of them stands a function that bends each number by itself. The oldest is **ReLU**: negative numbers
# become 0, the others stay. A GPT uses **GELU**, which does the same without a corner: `x` times a share between 0 and 1,
# small for negative `x`, near 1 for large `x`.
#
# ```text
# u    = K · (x + A · x³)            K = √(2/π) = 0.79788,  A = 0.044715
# gelu = x / 2 · (1 + tanh(u))       any shape, number by number
# ```
#
# `tanh` runs from −1 to 1, so `(1 + tanh(u)) / 2` is the share. (The exact GELU takes as share the probability that a standard
# normal number is below `x`; this is a formula close to it, faster when GPT-2 was made, and kept since. `A` was fitted.) By hand at `x = 1`:
#
# ```text
# u = 0.79788 · 1.044715 = 0.83356     tanh(u) = 0.68238     gelu(1) = 0.5 · 1.68238 = 0.84119
# ```
#
# **Predict.** Both ends are clear: 0 far left, `x` far right. Does GELU rise everywhere in between?

# %%
line = np.linspace(-4, 4, 161)
y, cache = ops.gelu_forward(line)
figure, axes = new_figure(9.5, 3.4, columns=2)
axes[0].margins(y=0.2)
draw_curves(axes[0], line, {"GELU": y, "ReLU": np.maximum(line, 0)})
titles(axes[0], "GELU dips below 0 before it rises", "x", "y")
draw_curves(axes[1], line, {"GELU": ops.gelu_backward(np.ones(161), cache), "ReLU": line > 0})
titles(axes[1], "Its slope has no jump", "x", "slope dy/dx")
picture(
    figure, "left: GELU and ReLU; right: their slopes; GELU's goes from 0 through -0.13 to 1.13"
)

# %% [markdown]
# No: from `x = 0` to the left it falls until about −0.75 and comes back to 0 from below. And to the right its slope is a
# little *above* 1. Keep both in mind as a test for your formula.
#
# ## Exercise 3: GELU
#
# Write `gelu(x)` for `x` of any shape. 3 minutes.


# %% tags=["exercise"]
def gelu(x):
    raise NotImplementedError  # your code


check("06.gelu", gelu)

# %% [markdown]
# HINTS 06.gelu
#
# ## The way back through GELU
#
# Write `t = tanh(u)`. All is number by number, so every line has the shape of `x`.
#
# ```text
# y = x/2 · (1 + t)
# dy/dx = 1/2 · (1 + t) + x/2 · dt/dx               product rule
# dt/dx = (1 − t²) · du/dx                          chain rule; tanh' = 1 − tanh²
# du/dx = K · (1 + 3 A x²)                          derivative of a sum, power rule
#
# dx = dy · [ (1 + t)/2 + x/2 · (1 − t²) · K · (1 + 3 A x²) ]
# ```
#
# By hand at `x = 1`, with `t = 0.68238`:
#
# ```text
# (1 + t)/2 = 0.84119     1 − t² = 0.53436     K · (1 + 3A) = 0.90491
# slope = 0.84119 + 0.5 · 0.53436 · 0.90491 = 1.08296
# ```

# %%
step = 1e-5
for x in (1.0, -0.75, 0.0):
    y, cache = ops.gelu_forward(np.array([x, x + step, x - step]))
    difference = (y[1] - y[2]) / (2 * step)
    slope = ops.gelu_backward(np.ones(3), cache)[0]
    print(f"x = {x:5.2f}: gelu {y[0]:.5f}, difference {difference:.5f}, slope {slope:.5f}")

# %% [markdown]
# ## Exercise 4: GELU's backward pass
#
# Write `gelu_backward(dy, x)`, both of any one shape. 5 minutes.


# %% tags=["exercise"]
def gelu_backward(dy, x):
    raise NotImplementedError  # your code


check("06.gelu_backward", gelu_backward)

# %% [markdown]
# HINTS 06.gelu_backward
#
# ## Residual: add, do not replace
#
# A plain layer *replaces*: `y = f(x)`. A **residual** layer *adds*: `y = x + f(x)`. Backward, `x` is used
# twice, so two gradients are added:
#
# ```text
# y = x + f(x)
# dx = dy + (what f's backward pass makes of dy)        derivative of a sum; shapes all (..., C)
# ```
#
# The first term is `dy` itself, untouched: however deep the stack, the gradient of the loss arrives at the bottom.
#
# **Predict.** Let `f(x) = 0.1 · x`, one number, in 16 layers. The slope of `f` is 0.1. What is left of `dy = 1` after 16
# plain layers, and after 16 residual ones?

# %%
print(f"plain {0.1**16:.1e}, residual {(1 + 0.1) ** 16:.2f}")

# %% [markdown]
# `0.1^16` against `1.1^16`. A bug to know: leaving out "`dy +`" in the backward pass of a residual turns the second number
# into the first. But why not only residuals? With a slope of 0.5 they would give `1.5^16 = 657`: sums grow. LayerNorm before each `f`
# sees to it that `f` adds a piece of about the same size each time, so the sum grows slowly. Each is needed because of the other.
#
# ## Dropout: forget a little, on purpose
#
# A model that learns its few texts by heart is helped by **dropout**: while training, each number is set to 0
# with probability `p`, so that no channel can rely on another one. The others are divided by `1 − p`:
# then the *mean* over many masks is `x` itself, and nothing has to change when the model is used.
#
# ```text
# y = x · mask         mask = 0 with probability p, else 1 / (1 − p)
# dx = dy · mask       derivative of a product; the SAME mask: what gave nothing gets nothing back
# ```
#
# **Predict.** With `p = 0.25`, what are the two numbers in a mask, and what is the mean of `x · mask` over 10,000 masks?

# %%
rng, p, x = np.random.default_rng(0), 0.25, rows[0]
masks = (rng.random((10_000, 4)) >= p) / (1 - p)
y, cache = ops.dropout_forward(x, masks)
print("one mask      ", masks[0])
print("mean of y     ", y.mean(axis=0).round(1), "  x", x)
print("forgotten /   ", (x * (masks > 0)).mean(axis=0).round(1))
print("dx for dy = 1 ", ops.dropout_backward(np.ones((10_000, 4)), cache)[0])

# %% [markdown]
# The mask holds 0 and `1 / 0.75 = 1.333`. A number survives with probability 0.75, so its mean is `0.75 · 1.333 · x = x`; 8.1 in
# place of 8 is the luck of 10,000 draws. The third line is the bug that people make: without the division, the numbers are a quarter smaller in training than in use, and
# every layer above meets sizes that it has never seen. (The tales model that comes with tinygpt has `p = 0`: no dropout.)
#
# ## A real model
#
# Now the trained model that comes with tinygpt: 4 *blocks* (lesson 09), each with two residual additions. Where does the size of
# `x` go in it? **Predict**: does it grow or shrink from block to block, and what does each block see after its LayerNorm?

# %%
from tinygpt.transformer import block_forward

model, tokenizer = tinygpt.load_model()
ids = np.array([tokenizer.eot_id, *tokenizer.encode("In my grandmother's day, Ivy the nosy")])
x = (model.params["wte"][ids] + model.params["wpe"][: len(ids)])[None]  # (1, T, C)
one, before, after = np.ones(x.shape[-1], x.dtype), [], []
for p in [*model.params["h"], None]:
    before.append(x.std())
    after.append(ops.layernorm_forward(x, one, 0 * one)[0].std())
    x = block_forward(x, p, model.config.n_head)[0] if p else x
figure, axes = new_figure(9, 3.2, columns=2)
for panel, sizes_of, name in ((axes[0], before, "x grows"), (axes[1], after, "xhat has size 1")):
    draw_bars(panel, ["block 0", "1", "2", "3", "final norm"], np.round(sizes_of, 2))
    titles(panel, name, "on the way into", "standard deviation")
picture(figure, "x grows from 0.1 to more than 10; after LayerNorm it is 1 everywhere")

# %% [markdown]
# It grows, a hundred times from bottom to top: each block adds to it, and nothing on this way divides. And every block sees size 1, since
# LayerNorm divides what the block reads. The `x` that is only ever added to is called
# the **residual stream**: each block reads it through a LayerNorm and adds what it found.
#
# ## The library's version beside yours
#
# | in the library | why | what it gains |
# |---|---|---|
# | the cache is `xhat`, `rstd` (our `s`) and `w` | the backward pass needs no `x`; yours computes `xhat` again | one array kept in place of two, nothing computed twice |
# | `rows @ full(C, 1/C)` for a mean, `column_sum` for a sum | matrix products are the fastest code that NumPy calls | faster than `mean` and `sum` |
# | `dx -= …`, `xp.multiply(…, out=product)` | work in arrays that the function made itself | no new array for each line |
# | GELU keeps its slope `d`, not `x` | `tanh` is the dear part; the slope is made while it is at hand | backward is one product, no second `tanh` |
# | GELU is `x · s`, with the share `s = (1 + tanh(u)) / 2` | the slope needs `s` alone: see below | neither `t` nor `1 − t²` is ever made |
# | GELU goes over blocks of the array (`row_blocks`) | its fifteen passes would read a large array fifteen times from memory | a block stays in the processor's cache from the first pass to the last |
# | `part * part`, never `x**2` or `x**3` | NumPy's power is a general function, about 20 times as slow | most of GELU's time |
#
# The slope, with `t = 2 s − 1` put into your formula:
#
# ```text
# (1 + t)/2 = s                                          definition of s
# 1 − t²    = (1 − t)·(1 + t) = (2 − 2s)·2s = 4 s (1 − s)
# slope     = s + x/2 · 4 s (1 − s) · u'                 u' is du/dx = K · (1 + 3 A x²)
#           = s + s (1 − s) · 2 x u'                     2 x u' = x · (2 K + 6 A K x²)
# ```
#
# At `x = 1`: `s = 0.84119`, and `0.84119 + 0.84119 · 0.15881 · 2 · 0.90491 = 1.08296`, as above. In the code `square`, which begins as
# `x²`, becomes `2 x u'`, then is multiplied by `s`; `derivative` begins as `1 − s`.

# %%
print(inspect.getsource(ops.layernorm_backward).partition("cache\n")[2])
print(inspect.getsource(ops.gelu_forward).partition('"""\n')[2])
zero = np.zeros_like
check("06.layernorm", lambda x, w, b: ops.layernorm_forward(x, w, b)[0])
check("06.layernorm_backward",
      lambda dy, x, w: ops.layernorm_backward(dy, ops.layernorm_forward(x, w, zero(w))[1]))  # fmt: skip
check("06.gelu", lambda x: ops.gelu_forward(x)[0])
check("06.gelu_backward", lambda dy, x: ops.gelu_backward(dy, ops.gelu_forward(x)[1]))

# %% [markdown]
# ## Three lines to remember
#
# - LayerNorm gives each row mean 0 and variance 1; its `dx` is orthogonal to the ones and to `xhat`.
# - What is used twice gets the sum of two gradients: `x` in the mean and the variance, and `x` in `x + f(x)`.
# - Add, do not replace, and look through a norm: so numbers and gradients keep their size in any depth.
#
# **You can now** derive a backward pass through a mean and a variance, test it with two right angles before any finite difference,
# and say what each small part of a GPT's block is for.
#
# **To read.** Ba, Kiros and Hinton, *Layer Normalization* (2016), sections 3 and 5.1; Hendrycks and Gimpel, *Gaussian
# Error Linear Units* (2016), section 2; He et al., *Identity Mappings in Deep Residual Networks* (2016), section 2; Srivastava
# et al., *Dropout* (2014), sections 1 and 4; Xiong et al., *On Layer Normalization in the Transformer Architecture*
# (2020), section 3, on where the norm should stand. In the library: `tinygpt/ops/layernorm.py`, `tinygpt/ops/gelu.py`. Next:
# lesson 07, embeddings and position.
