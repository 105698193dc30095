# %% [markdown]
# # 10 · AdamW, clipping, schedule
#
# You will write the step that turns gradients into better parameters: AdamW, which trains nearly every
# GPT, with its two guards: clipping against a bad batch, and a schedule for the learning rate.
#
# 50 minutes, 25 of them for the exercises. You need: [03](03_softmax_and_cross_entropy.ipynb) (what a gradient is), [04](04_first_training_loop.ipynb) (plain
# gradient descent) and the chain rule. The last picture trains the GPT of [09](09_block_and_gpt.ipynb).

# %%
import inspect
import math

import numpy as np
from style import BLUE, RED, draw_bars, draw_curves, draw_map, new_figure, picture, titles

from tinygpt import check, check_gradients, load_model, optim, tales
from tinygpt.config import ModelConfig
from tinygpt.lesson_checks import find_check
from tinygpt.model import GPT
from tinygpt.optim import AdamW, clip_factor
from tinygpt.params import views

np.set_printoptions(precision=3, suppress=True)
draw_map("optimizer")

# %% [markdown]
# The orange box is where you are: backward has given a gradient for every parameter; now they move.
#
# ## The question
#
# Lesson 04 moved each parameter against its gradient: `p ← p − lr · g`. Here `p` holds the parameters, `g` of
# the same shape their gradients, and `lr` is the **learning rate**, one number, the length of the stride. This
# is **gradient descent**; with the gradient of a random batch it is called SGD, *stochastic* gradient descent.
#
# One `lr` for all parameters is the trouble. Take two parameters, `p = [x, y]`, and a valley that is a
# hundred times as steep across as along:
#
# ```text
# loss(p) = (1·x² + 100·y²) / 2                 k = [1, 100], the steepness, (2,)
# g       = [1·x, 100·y] = k · p                derivative of k·x²/2 is k·x;  (2,) = (2,) · (2,)
# ```
#
# You start at `p = [4, 1]`; the lowest point is `[0, 0]`. By hand: `loss = (16 + 100)/2 = 58`, `g = [4, 100]`.
#
# **Predict before you run.** With `lr = 0.021`, what becomes of `y` after 20 steps? And with `0.019`?

# %%
k, p = np.array([1.0, 100.0]), np.array([4.0, 1.0])
loss, g = lambda: float((k * p * p).sum() / 2), k * p
(report,) = check_gradients(loss, {"p": p}, {"p": g})
print("loss", loss(), " g", g, "is right" if report.error < 1e-6 else "is wrong")
for lr in (0.021, 0.019, 0.002):
    p = np.array([4.0, 1.0])
    for _ in range(20):
        p = p - lr * k * p
    print(f"lr {lr:<6} x {p[0]:6.2f}   y {p[1]:6.2f}")

# %% [markdown]
# With 0.021 `y` grows without end; with 0.019 it shrinks; with 0.002 it shrinks faster still, and `x` has hardly
# moved. Why, line by line, for one coordinate `q` of steepness `k`:
#
# ```text
# q ← q − lr · k · q = (1 − lr·k) · q            put g = k·q into the step
# after n steps:  q · (1 − lr·k)ⁿ                the same factor each time
# it shrinks if and only if  |1 − lr·k| < 1,  that is  0 < lr < 2/k
# ```
#
# For `y`, `k = 100`: `lr` must stay below `2/100 = 0.02`. For `x`, `k = 1`: with `lr = 0.019` each step keeps
# `1 − 0.019 = 98 %` of `x`. **The steepest direction sets the learning rate, and the flat ones pay for it.**
# Below is what you see from above, and the way of the method that you will write.


# %%
def walk(move):
    """The 41 places that `move(p, g)` leads to, from [4, 1]: (41, 2)."""
    path = [np.array([4.0, 1.0])]
    for _ in range(40):
        path.append(move(path[-1].copy(), k * path[-1]))
    return np.array(path)


optimizer = AdamW(2, 0, dtype=np.float64)


def adamw_move(p, g):  # the library's AdamW, without decay
    optimizer.begin_step()
    optimizer.update(p, g, lr=0.2, part=slice(None))  # p changes in place
    return p


# %%
figure, axes = new_figure(9.5, 4.4)
x, y = np.meshgrid(np.linspace(-1.2, 4.4, 120), np.linspace(-1.2, 1.2, 120))
axes.contour(x, y, (x**2 + 100 * y**2) / 2, [1, 4, 10, 20, 40, 70], colors="#b0b0b0", linewidths=1)
x, y = walk(lambda p, g: p - 0.019 * g).T
axes.plot(x, y, "o-", color=RED, markersize=4, label="gradient descent, lr 0.019")
x, y = walk(adamw_move).T
axes.plot(x, y, "s--", color=BLUE, markersize=4, label="AdamW, lr 0.2")
axes.plot([0], [0], "k*", markersize=14, label="lowest point")
axes.legend(fontsize=11, loc="lower left")
titles(axes, "One zigzags down the valley, the other goes along it", "x, flat", "y, steep")
picture(figure, "contours of a valley; descent zigzags across, AdamW comes to the middle")

# %% [markdown]
# A GPT has this trouble in thousands of directions at once. Here are the gradients of a small one at the
# first step: how many of its parameters have a gradient of which size. (`loss_and_gradients` is forward and
# backward of lesson 09, on tales of tinygpt's own grammar, in the 2048 tokens of its model.)

# %%
config = ModelConfig(vocab_size=2048, block_size=32, n_layer=2, n_head=2, n_embd=32)
rng = np.random.default_rng(0)
tokenizer = load_model()[1]
ids = np.array(tokenizer.encode(" ".join(tales.generate(rng) for _ in range(300))))
starts = rng.integers(0, len(ids) - 33, (150, 8, 1))  # 150 batches of 8 windows
batches = ids[starts + np.arange(33)]  # (150, 8, 33)
model = GPT(config, seed=0)
grads = np.zeros_like(model.flat)  # one flat array for all parameters
model.loss_and_gradients(batches[0, :, :-1], batches[0, :, 1:], views(grads, config))
figure, axes = new_figure(8.5, 3.2)
axes.hist(np.log10(np.abs(grads[grads != 0])), bins=np.arange(-9, 0, 0.25), color=BLUE)
titles(axes, "One GPT's gradients: many powers of ten", "log10 of one gradient", "parameters")
picture(
    figure, "a histogram on a log scale: the sizes of all gradients spread over many powers of ten"
)

# %% [markdown]
# ## First idea: remember the direction
#
# Across the valley the gradient changes its sign at each step; along it, it always says the same. A *mean* over the
# last gradients cancels the first and keeps the second. A mean that needs no list of the past is the **running mean**
# `m`: at each step keep a share `β₁` of it, and take in a share `1 − β₁` of the new gradient. It begins at 0, and `t`
# counts the steps from 1. (This memory of the direction is also called *momentum*.)
#
# ```text
# m₀ = 0,     m_t = β₁ · m_{t−1} + (1 − β₁) · g_t          shapes: m like g, like p;  β₁ = 0.9
# ```
#
# **Predict.** The gradient is 4 at every step. What is `m` after the first step, and after the second?

# %%
BETA1, BETA2, EPS = 0.9, 0.99, 1e-8
m = 0.0
for t in range(1, 6):
    m = BETA1 * m + (1 - BETA1) * 4.0
    print(f"step {t}: m {m:.3f}   m / (1 - 0.9^t) {m / (1 - BETA1**t):.3f}")

# %% [markdown]
# 0.4, then `0.9·0.4 + 0.1·4 = 0.76`: far below 4, because the mean began at 0 and still remembers it. By how much,
# exactly? Put each line into the next:
#
# ```text
# m_t = (1−β₁) g_t + β₁ m_{t−1}                                                definition
#     = (1−β₁) g_t + β₁ (1−β₁) g_{t−1} + β₁² m_{t−2}                           the same for m_{t−1}
#     = (1−β₁) (g_t + β₁ g_{t−1} + β₁² g_{t−2} + … + β₁^{t−1} g_1)             down to m₀ = 0
# sum of the shares = (1−β₁) (1 + β₁ + … + β₁^{t−1}) = 1 − β₁ᵗ                 geometric sum
# ```
#
# The shares of a mean should sum to 1; these sum to `1 − β₁ᵗ`. So divide by it: `m̂ = m / (1 − β₁ᵗ)` (say "m hat"). This
# is **bias correction**: it makes the second column above 4.000 from the first step on, and fades away as `β₁ᵗ` goes
# to 0. A gradient's share falls to a third in about `1/(1−β₁) = 10` steps: that is how long `m` remembers.
#
# ## Second idea: a stride for each parameter
#
# Keep another running mean, of the *square* of each gradient; its root says how large this parameter's gradients
# usually are. Divide by it, and steep and flat directions take strides of the same length:
#
# ```text
# m = β₁ m + (1−β₁) g             running mean of g              (…), as p
# v = β₂ v + (1−β₂) g·g           running mean of g², β₂ = 0.99  (…), as p;  g·g number by number
# m̂ = m / (1−β₁ᵗ),  v̂ = v / (1−β₂ᵗ)                              bias correction of both
# p ← p − lr · m̂ / (√v̂ + ε)                                      ε = 1e-8: no division by 0
# ```
#
# This is **Adam**. By hand, from `p = [4, 1]`, `g = [4, 100]`, with `lr = 0.5`:
#
# ```text
# t = 1   m = 0.1·[4, 100]                  = [0.4, 10]         m̂ = m / 0.1    = [4, 100]
#         v = 0.01·[16, 10000]              = [0.16, 100]       v̂ = v / 0.01   = [16, 10000]
#         step = 0.5 · [4/4, 100/100]       = [0.5, 0.5]        p = [3.5, 0.5]
# t = 2   g = [3.5, 50]
#         m = 0.9·[0.4, 10] + 0.1·[3.5, 50] = [0.71, 14]        m̂ = m / 0.19   = [3.737, 73.68]
#         v = [0.1584, 99] + [0.1225, 25]   = [0.2809, 124]     v̂ = v / 0.0199 = [14.12, 6231]
#         step = 0.5 · [3.737/3.757, 73.68/78.94] = [0.497, 0.467]     p = [3.003, 0.033]
# ```


# %%
def naive_adam_step(p, g, m, v, t, lr):
    m = BETA1 * m + (1 - BETA1) * g  # all arrays have the shape of p
    v = BETA2 * v + (1 - BETA2) * g * g
    mhat, vhat = m / (1 - BETA1**t), v / (1 - BETA2**t)
    return p - lr * mhat / (np.sqrt(vhat) + EPS), m, v


p, m, v = np.array([4.0, 1.0]), np.zeros(2), np.zeros(2)
for t in (1, 2):
    p, m, v = naive_adam_step(p, k * p, m, v, t, lr=0.5)
    print(f"t {t}  m {m}  v {v}  p {p}")

# %% [markdown]
# **Predict.** Make every gradient 1000 times as large. How much longer is the path after two steps?

# %%
for scale in (1.0, 1000.0):
    p, m, v = np.array([4.0, 1.0]), np.zeros(2), np.zeros(2)
    for t in (1, 2):
        p, m, v = naive_adam_step(p, scale * k * p, m, v, t, lr=0.5)
    print(f"gradients times {scale:6.0f}: p {p}")

# %% [markdown]
# Not at all: `m` grows 1000 times, `v` 1000² times, its root 1000 times, and the factor cancels (but for ε). So three
# laws, which the check will ask for:
#
# - **The first step is `lr · sign(g)`:** `m̂ = g` and `v̂ = g²`, so `m̂/√v̂ = g/|g|`. Big gradient or small, each parameter
#   moves by `lr`, up or down. That is why a learning rate for Adam has a meaning: *how far may one number move in a step?*
# - **The same gradient each time gives the same step each time:** `m̂ = g`, `v̂ = g²` for every `t`.
# - **Where gradients disagree, steps are short:** if half of them are +1 and half −1, `m̂` is near 0 and `v̂` is 1.
#
# Adam measures each coordinate by itself. A valley that lies *across* the axes stays a valley for it.
#
# **Predict.** Someone forgets the bias correction. The gradient is 4 at each step. Does the *first* step show it?


# %%
t = np.arange(1, 121)
forgotten = (1 - BETA1**t) / np.sqrt(1 - BETA2**t)  # step / lr, when g is the same at every step
figure, axes = new_figure(8.5, 3.2)
axes.set_ylim(0, 2.3)
draw_curves(axes, t, {"forgotten": forgotten, "corrected": np.ones(120)})
titles(axes, "Without the correction, early steps are twice too long", "step t", "length / lr")
picture(figure, "a curve that begins at 1, rises to 2.1 near step 12, and falls back towards 1")

# %% [markdown]
# It does not: `0.1 / √0.01 = 1`, right by luck. The second step is `0.19 / √0.0199 = 1.35` times as long as it should
# be, the twelfth 2.1 times, while the model is still raw. (With β₂ = 0.999, the default of many libraries, the first step is
# 3.2 times too long.) A check that looks at the first step alone would pass it.
#
# ## Decay, beside the gradient and not inside
#
# **Weight decay** draws each weight a little towards 0 at every step, so that none grows large without need. In
# gradient descent there are two ways to write it, and they are the same:
#
# ```text
# inside:   g ← g + λ p,  then  p ← p − lr · g            the gradient of loss + λ p²/2 ("L2")
# beside:   p ← p − lr · λ · p − lr · g                   multiply out: the same
# ```
#
# With Adam they are not. Inside, `λ p` goes through `m` and `v` and is divided by `√v̂`. In the first step, with zero
# memory, `m̂/√v̂ = sign(g + λp)`: *how large* λ is no longer matters. Later, weights with large gradients hardly
# decay, because λp is divided by a large `√v̂`. Beside is **decoupled**, and is the W in AdamW:
#
# ```text
# p ← p − lr · λ · p − lr · m̂ / (√v̂ + ε)                 m and v have never heard of λ
# ```
#
# By hand, `λ = 0.1`, `lr = 0.5`, first step: `[4, 1] − 0.05·[4, 1] − [0.5, 0.5] = [3.3, 0.45]`.
#
# **Predict.** Three weights begin at 1. Their gradients are noise around 0, of size 0.01, 1 and 100, so that nothing but
# the decay should move them. After 500 steps, which of them has decayed, inside and beside?

# %%
noise = np.random.default_rng(0).standard_normal((500, 300, 1)) * np.array([0.01, 1.0, 100.0])
left = {}
for name, inside, beside in (("inside", 1.0, 0.0), ("beside", 0.0, 1.0)):
    p = np.ones((300, 3))  # 300 of each size, for a steady mean
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(noise, 1):
        decayed = p * (1 - beside * 0.01 * 0.1)  # lr 0.01, decay 0.1
        moved, m, v = naive_adam_step(p, g + inside * 0.1 * p, m, v, t, lr=0.01)
        p = decayed + (moved - p)
    left[name] = p.mean(axis=0)
print({name: (mean.round(1) + 0.0).tolist() for name, mean in left.items()})

# %%
figure, axes = new_figure(9.5, 3.2, columns=2)
names = ["0.01", "1", "100"]
draw_bars(axes[0], names, left["inside"].round(2) + 0.0, RED)
titles(
    axes[0], "Inside: as the gradient's size wills", "size of the gradients", "what is left of 1"
)
draw_bars(axes[1], names, left["beside"].round(2))
titles(axes[1], "Beside: the same for all", "size of the gradients", "what is left of 1")
picture(figure, "left: nothing, half, all is left; right: 0.6 of each is left")

# %% [markdown]
# Beside, all keep `(1 − 0.01·0.1)⁵⁰⁰ = 0.61` of themselves. Inside, the first is gone, the last has hardly heard of the
# decay. This was the standard for years, under the name "Adam with L2"; nothing crashes, the model is a little worse, and a
# decay tuned for one layer is wrong for the next. The check sees it where there is no gradient at all:


# %%
def adam_with_l2(p, g, m, v, t, lr, decay):
    return naive_adam_step(p, g + decay * p, m, v, t, lr)


check("10.adamw_step", adam_with_l2)

# %% [markdown]
# ## Exercise 1: the step
#
# Write `adamw_step(p, g, m, v, t, lr, decay)`: arrays of one shape `(...)`; `m` and `v` are from the step before, `t` counts
# from 1, `decay` is λ. Return the new `p, m, v` (`m` and `v` uncorrected), and write into none of the arguments. Use `BETA1`, `BETA2`
# and `EPS` from above. The check runs ten steps on the valley against PyTorch's numbers. 10 minutes.


# %% tags=["exercise"]
def adamw_step(p, g, m, v, t, lr, decay):
    raise NotImplementedError  # your code


check("10.adamw_step", adamw_step)

# %% [markdown]
# HINTS 10.adamw_step
#
# ## Clipping: one bad batch
#
# Now and then a batch gives a gradient a hundred times as large as usual. Adam's step is not a hundred times as long; the damage is
# another. **Predict.** The gradient is 1 at every step, so each step is `lr`, but 100 at step 50. How long is a step, 30 steps later?

# %%
stream, curves = np.ones(200), {}
stream[49] = 100.0
for name, limit in (("no clipping", 0.0), ("clipped to 1", 1.0)):  # 0: no limit
    m, v, curves[name] = 0.0, 0.0, []
    for t, g in enumerate(stream, 1):
        moved, m, v = naive_adam_step(0.0, g * clip_factor(g, limit), m, v, t, lr=1.0)
        curves[name].append(-moved)
figure, axes = new_figure(8.5, 3.2)
axes.set_ylim(0, 1.1)
draw_curves(axes, np.arange(1, 201), curves)
titles(axes, "One bad batch makes Adam deaf for a long while", "step", "length of the step / lr")
picture(
    figure, "clipped, the steps stay 1; else they fall near 0.1 after step 50 and recover slowly"
)

# %% [markdown]
# About an eighth of `lr`. After a few steps `m` has forgotten the bad gradient (memory of 10 steps), but `v` has not (100 steps, and it holds the *square*): it
# divides by a number that is far too large, and for a long while the model learns a fraction of what it could.
#
# The remedy is to limit the gradient before Adam sees it. As one long arrow through all parameters, the gradient has a length, the
# **global norm**: the root of the sum of all squares. If it is above the limit, shrink *the whole arrow* to the limit. By hand, two arrays
# and the limit 1.3:
#
# ```text
# grads  = [3, 4], [12]             norm = √(9 + 16 + 144) = √169 = 13
# factor = 1.3 / 13 = 0.1           grads · 0.1 = [0.3, 0.4], [1.2]
# ```
#
# Its norm is now the limit: `‖c·g‖ = c·‖g‖` for a factor `c > 0`, so `(limit/‖g‖) · ‖g‖ = limit`. And the direction is as it was, because
# all numbers have one factor. If the norm is below the limit, nothing changes. A tempting mistake is to clip each array by *its own* norm:
# `[3, 4]` to `[0.78, 1.04]` and `[12]` to `[1.3]`. The arrow turns, away from the arrays with large gradients:


# %%
def each_array_by_itself(grads, limit):
    return [g * clip_factor(math.sqrt((g * g).sum()), limit) for g in grads]


check("10.clip", each_array_by_itself)

# %% [markdown]
# ## Exercise 2: clip
#
# Write `clip(grads, limit)`: a list of arrays of any shapes, to a new list of arrays of the same shapes and dtypes, whose norm
# *together* is at most `limit` (above 0). 5 minutes.


# %% tags=["exercise"]
def clip(grads, limit):
    raise NotImplementedError  # your code


check("10.clip", clip)

# %% [markdown]
# HINTS 10.clip
#
# ## A schedule: small, large, small
#
# Adam's stride is about `lr`, however near the goal is. So the same `lr` is wrong twice:
#
# - **at the beginning** `v̂` is the mean of very few squares, and the first step is `lr · sign(g)`: every parameter moves by a full
#   `lr`, also those whose gradient is noise. Remedy: **warm-up**, a line from nearly 0 to `lr`;
# - **at the end** the parameters jitter around the best place, `lr` to and fro. Remedy: let `lr` fall, along half a **cosine**, which
#   is gentle at both ends.
#
# ```text
# step < warmup:   lr · (step + 1) / warmup                                      steps count from 0
# else:            progress = (step − warmup) / (steps − 1 − warmup)    0 at the peak, 1 at the end
#                  min_lr + (lr − min_lr) · (1 + cos(π · progress)) / 2
# ```
#
# `cos` goes from 1 (at 0) to −1 (at π), so `(1 + cos)/2` goes from 1 to 0. By hand, `lr = 1`, `min_lr = 0.1`, `warmup = 4`, `steps = 13`:
#
# ```text
# step   0     1     2     3     4      8                             12
#        0.25  0.5   0.75  1     1      0.1 + 0.9·(1 + 0)/2 = 0.55    0.1 + 0.9·(1 − 1)/2 = 0.1
# ```
#
# **Predict.** A parameter, 1 away from the best place, has a gradient with noise as large as itself. Who ends nearer: AdamW with the `lr`
# of 0.1 all the way, or with the schedule?

# %%
peak = {"lr": 0.1, "min_lr": 0.001, "warmup": 10, "steps": 200}
rates = {"constant": [0.1] * 200, "schedule": [optim.lr_at(step, **peak) for step in range(200)]}
noise, curves = np.random.default_rng(0).standard_normal((200, 400)), {}
for name, rate in rates.items():
    p, m, v, curves[name] = np.ones(400), 0.0, 0.0, []  # 400 tries, for a mean
    for t, lr in enumerate(rate, 1):
        p, m, v = naive_adam_step(p, p + noise[t - 1], m, v, t, lr)
        curves[name].append(np.abs(p).mean())
figure, axes = new_figure(9.5, 3.4, columns=2)
draw_curves(axes[0], range(200), rates)
titles(axes[0], "Up a line, down a cosine", "step", "learning rate")
draw_curves(axes[1], range(200), curves)
titles(axes[1], "The jitter goes with lr", "step", "mean distance from the best")
picture(figure, "the constant rate ends at its jitter, the schedule's distance is half of it")

# %% [markdown]
# The schedule, by half: at the end its strides are short, and the noise averages out. A slightly slower start is its price.
#
# ## Exercise 3: the schedule
#
# Write `lr_at(step, lr, min_lr, warmup, steps)`: one number. Think of three corners: `warmup = 0`; `steps = warmup + 1` (no division
# by 0, please); a step after the last (stay at `min_lr`). 10 minutes.


# %% tags=["exercise"]
def lr_at(step, lr, min_lr, warmup, steps):
    raise NotImplementedError  # your code


check("10.lr_at", lr_at)

# %% [markdown]
# HINTS 10.lr_at
#
# (A warm-up of `lr · step / warmup` is a mistake that many repositories have: its first step has the rate 0, and the first batch is read
# for nothing. The check names it.)
#
# ## The library's version beside yours
#
# | in `tinygpt/optim.py` | why | what it gains |
# |---|---|---|
# | all parameters in *one* flat array, matrices first | the global norm is one product `g @ g`, decay is a slice | no list to go through |
# | biases and LayerNorm do not decay | their natural place is not 0; they are few and do not overfit | `n_decayed` numbers decay, the rest not |
# | pieces of 65536 numbers, in place | p, g, m, v of a piece stay in the processor's cache | memory is read once, not once for every line |
# | m̂ and v̂ are never made | their divisors are two numbers, which fit into factors that are there anyway (below) | two arrays less |
# | clipping is a `scale` | m takes in `scale · (1−β₁)` times `g`, v `scale² · (1−β₂)` times `g²` | no pass of its own over `g` |
#
# How the corrections vanish: let `c = √(1−β₂ᵗ)`, so that `v̂ = v / c²`. Line by line:
#
# ```text
# lr · m̂ / (√v̂ + ε) = lr · m̂ / (√v / c + ε)               √(v / c²) = √v / c, for c > 0
#                   = lr · c · m̂ / (√v + ε·c)             above and below times c
#                   = lr · c / (1−β₁ᵗ) · m / (√v + ε·c)   m̂ = m / (1−β₁ᵗ)
# ```
#
# In the code the last line is `work`: the root, `+ ε·c`, the division, one factor. For the rest the lines are yours. The same three checks, on the library:

# %%
print(inspect.getsource(AdamW._update_piece))
print(inspect.getsource(clip_factor))
for name in ("10.adamw_step", "10.clip", "10.lr_at"):
    check(name, find_check(name).library)

# %% [markdown]
# ## A real model
#
# The small GPT from above, 150 batches, the same for all. Gradient descent may choose the best of three learning rates (with each of them
# warm-up, cosine and clipping too); AdamW has to do with one. **Predict** who is ahead after 150 steps, and by how much.


# %%
def train(lr, adamw):
    model, losses = GPT(config, seed=0), []
    grads, memory = np.zeros_like(model.flat), AdamW(model.flat.size, 0)
    for step, ids in enumerate(batches):
        g = views(grads, config)
        losses.append(model.loss_and_gradients(ids[:, :-1], ids[:, 1:], g))
        rate = optim.lr_at(step, lr=lr, min_lr=0.1 * lr, warmup=15, steps=150)
        scale = clip_factor(math.sqrt(grads @ grads), 1.0)
        if adamw:
            memory.begin_step()
            memory.update(model.flat, grads, rate, scale=scale, part=slice(None))
        else:
            model.flat -= rate * scale * grads
    return losses


# %%
descents = [train(lr, adamw=False) for lr in (0.3, 1.0, 3.0)]
curves = {"descent": min(descents, key=lambda losses: np.mean(losses[-15:])),
          "AdamW": train(0.01, adamw=True)}  # fmt: skip
figure, axes = new_figure(8.5, 3.6)
axes.set_ylim(4.5, 8)
draw_curves(axes, np.arange(150), curves)
titles(axes, "The same batches teach more with AdamW", "step", "loss in nats per token")
picture(figure, "two falling curves: AdamW's loss is below that of gradient descent")

# %% [markdown]
# Both start near `ln 2048 = 7.62` (lesson 03: knowing nothing). While the rates warm up descent is ahead; from about step 15 on AdamW is, and in the end by 0.3 nats or more. Its learning rate was not searched for: 0.001 to 0.01 is right
# for most small models, because it counts in parameters and not in gradients. One reason is rare tokens: one that comes once in a thousand has a small mean gradient, and
# gradient descent learns it slowly; AdamW gives it strides like all others.
#
# ## Three lines to remember
#
# - Adam's step is the mean gradient over its usual size, `m̂/(√v̂ + ε)`: the first is `lr · sign(g)`, and no scale of `g` matters.
# - Decay stands beside the step, never inside the gradient; both running means begin at 0 and are divided by `1 − βᵗ`.
# - Clip all arrays with one factor; warm `lr` up, then let it fall.
#
# **You can now** say what each of the eight numbers does (`lr`, `min_lr`, `warmup`, `steps`, `beta1`, `beta2`, `weight_decay`, `clip`) that `python -m
# tinygpt.train --help` lists, and tell a bad learning rate from a bad gradient.
#
# **To read.** Kingma and Ba, *Adam* (2015): section 2, algorithm 1; section 3 on the bias correction. Loshchilov and Hutter, *Decoupled
# weight decay regularization* (2019): section 2, algorithm 2. Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural
# networks* (2013): section 3.2 on clipping. Loshchilov and Hutter, *SGDR* (2017): section 3 on the cosine. In the library:
# `tinygpt/optim.py`. Next: lesson 11, training for real.
