# %% [markdown]
# # 04 · The first training loop
#
# You will write the loop that trains every network: forward, loss, gradient, step, again. First it
# fits a line to three points, then it teaches a table of numbers which character follows which.
#
# 30 minutes. You need: [03](03_softmax_and_cross_entropy.ipynb) (loss, `dlogits`), the pairs of
# lesson 02 (a token and the one that follows it), and the chain rule.

# %%
import inspect

import numpy as np
from style import draw_curves, draw_heatmap, draw_map, new_figure, picture, titles

from tinygpt import check, check_gradients, regression, tales
from tinygpt.lesson_checks.c04 import bigram_step as library_bigram_step
from tinygpt.lesson_checks.c04 import sgd_step as library_sgd_step
from tinygpt.ops import cross_entropy_backward, cross_entropy_forward

np.set_printoptions(precision=3, suppress=True)
draw_map("training loop")

# %% [markdown]
# ## A line through three points
#
# Three points are known, `x` and the `target` that belongs to it. We look for a line `y = w·x + b` that gives the
# targets. The two numbers `w` and `b` are its **parameters**: what training may move. They begin at 0.
#
# ```text
# x        0    1    2         N = 3 points
# target   1    3    5         (the line 2x + 1, which the loop does not know)
# y        0    0    0         y = w·x + b with w = b = 0
# y − t   −1   −3   −5         how far off; t is the target
# ```

# %%
x, target = np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0])  # (N,), (N,)
figure, axes = new_figure(7, 3.2)
axes.plot(x, target, "ko", markersize=7)
axes.vlines(x, 0, target, color="#8c8c8c", linestyle=":")
draw_curves(axes, x, {"y, at the start": np.zeros(3)})
axes.set_xticks([0, 1, 2])
titles(axes, "The dotted lengths are what is wrong", "x", "target (points) and y (line)")
picture(figure, "three points rising from 1 to 5, a flat line at 0, dotted sticks between them")

# %% [markdown]
# ## The loss and its gradient
#
# How wrong is a line, in one number? The **mean squared error**: square what is wrong, so that below and
# above count alike, and take the mean.
#
# ```text
# loss = 1/N · Σ_n (y[n] − t[n])²        (1 + 9 + 25) / 3 = 11.667
# ```
#
# The gradient says how the loss changes with each parameter. Line by line:
#
# ```text
# d loss / d y[n] = 1/N · 2 (y[n] − t[n])               derivative of a sum; power rule, chain rule
#
# dw = Σ_n  d loss / d y[n] · ∂y[n] / ∂w                chain rule: w acts through every y[n], and
#                                                       the ways add up
#    = 1/N · Σ_n 2 (y[n] − t[n]) · x[n]                 y[n] = w·x[n] + b, so ∂y[n] / ∂w = x[n]
#
# db = 1/N · Σ_n 2 (y[n] − t[n])                        ∂y[n] / ∂b = 1
# ```
#
# All of them are single numbers here; `y`, `t` and `x` have shape `(N,)`. By hand:
#
# ```text
# dw = 2/3 · (−1·0 − 3·1 − 5·2) = −26/3 = −8.667
# db = 2/3 · (−1 − 3 − 5)       = −6
# ```


# %%
def loss_and_gradients(w, b):
    wrong = w * x + b - target  # (N,)
    loss = (wrong**2).mean()
    dy = 2.0 * wrong / len(x)  # (N,)
    return loss, (dy * x).sum(), dy.sum()  # loss, dw, db


print(np.array(loss_and_gradients(0.0, 0.0)))

# %% [markdown]
# Both are negative: with a larger `w`, and with a larger `b`, the loss would be smaller. Is it right? The judge of lesson 03
# moves each parameter a little and looks at the loss:

# %%
w, b = np.array(0.0), np.array(0.0)
_, dw, db = loss_and_gradients(w, b)
f = lambda: loss_and_gradients(w, b)[0]
for report in check_gradients(f, {"w": w, "b": b}, {"w": dw, "b": db}):
    print(f"d{report.name}: {'right' if report.error < 1e-6 else 'wrong'}")

# %% [markdown]
# ## One step downhill
#
# The gradient points to where the loss *rises*. So go the other way, a little: each parameter loses a small multiple
# of its own gradient. The multiple is the **learning rate** `lr`. This is **gradient descent**:
#
# ```text
# p ← p − lr · dp                        for each parameter p, of any shape
#
# w = 0 − 0.1 · (−8.667) = 0.867         lr = 0.1
# b = 0 − 0.1 · (−6)     = 0.6
# ```
#
# When the gradient is that of a small random part of the data, it is called **stochastic** gradient descent, **SGD**.
#
# **Predict before you run.** The loss was 11.667. With `y = 0.867·x + 0.6`: larger, a little smaller, or
# less than half?

# %%
print(np.array(loss_and_gradients(0.8667, 0.6)))

# %% [markdown]
# Less than a third: `y = [0.6, 1.467, 2.333]` is off by `[−0.4, −1.533, −2.667]`, and squared, the mean is 3.207. The gradient
# is smaller as well, and so will the next step be.
#
# ## Exercise 1: the step
#
# Write `sgd_step(params, grads, lr)`: a list of parameters (arrays), the list of their gradients, and a number, to the list
# of new parameters. Make new arrays. 5 minutes.


# %% tags=["exercise"]
def sgd_step(params, grads, lr):
    raise NotImplementedError  # your code


check("04.sgd_step", sgd_step)

# %% [markdown]
# HINTS 04.sgd_step
#
# ## The loop
#
# Forward, loss, gradient, step; again and again. A GPT is trained by these lines too:


# %%
def fit(lr, steps, step=library_sgd_step):
    params, lines, losses = [np.array(0.0), np.array(0.0)], [], []
    for _ in range(steps):
        loss, *grads = loss_and_gradients(*params)
        lines.append(params[0] * x + params[1])
        losses.append(loss)
        params = step(params, grads, lr)
    return np.array(params), lines, losses


# %%
params, lines, losses = fit(0.1, 100)
print("w, b after 100 steps:", params)
figure, axes = new_figure(7, 3.4)
draw_curves(axes, x, {f"step {n}": lines[n] for n in (0, 1, 2, 99)})
axes.plot(x, target, "ko", markersize=7)
axes.set_xticks([0, 1, 2])
titles(axes, "The first steps do most of the work", "x", "y")
picture(figure, "lines after 0, 1, 2 and 99 steps; the last goes through the three points")

# %% [markdown]
# ## How long a step?
#
# **Predict.** If 0.1 is good, is 0.4 four times as fast? And 0.45?

# %%
figure, panels = new_figure(9.5, 3.4, columns=2)
rates = {f"lr {lr}": fit(lr, 30)[2] for lr in (0.01, 0.1, 0.4)}
draw_curves(panels[0], range(30), rates)
titles(panels[0], "Too short is slow, and so is 0.4", "step", "loss")
draw_curves(panels[1], range(30), {"lr 0.45": fit(0.45, 30)[2]})
titles(panels[1], "Too long: every step is worse", "step", "loss")
print("lr 0.45, losses:", np.array(fit(0.45, 4)[2]))
picture(figure, "left: three falling curves, the middle rate is best; right: a curve that explodes")

# %% [markdown]
# No, and no. The gradient is right *at* the point where you stand, and less so farther away. A step that is too long lands on
# the other side of the valley. With 0.4 the loop jumps from side to side, each time a little lower, and is slower than with 0.1;
# from `lr ≈ 0.42` on (for these points) it lands higher up than before: each step is then longer than the last, until the
# numbers overflow. A loss that grows from step to step means: divide the learning rate by 3 or 10.
#
# The other way to see a loss grow is a wrong sign. Everyone writes it once:


# %%
def plus_for_minus(params, grads, lr):
    return [p + lr * dp for p, dp in zip(params, grads, strict=True)]


print("losses:", np.array(fit(0.1, 4, plus_for_minus)[2]).round(1))
check("04.sgd_step", plus_for_minus)

# %% [markdown]
# With a smaller learning rate it would still grow, only more slowly: so one can tell the two apart.
#
# ## Bigrams: the smallest language model
#
# Now text. The model predicts the next token from the present one alone; two tokens in a row are a
# **bigram**. Its parameters are a table `w (V, V)`: row `i` holds the logits of what may follow token `i`.
#
# ```text
# logits[n] = w[ids[n]]        (N, V): row ids[n] of w          loss: cross-entropy, lesson 03
# ```
#
# Tiny: the text `a b a c a` with `V = 3` gives four pairs (lesson 02), `a→b, b→a, a→c, c→a`:
#
# ```text
# ids     = [0, 1, 0, 2]
# targets = [1, 0, 2, 0]       w = zeros: every p is 1/3, the loss is ln 3 = 1.099
# ```
#
# **Predict.** `dlogits = (p − onehot) / N`, with `N = 4`. Row 0 of `w` (token `a`) was used twice, once for `b` and once for `c`. What
# is row 0 of `dw`?

# %%
ids, targets = np.array([0, 1, 0, 2]), np.array([1, 0, 2, 0])
table = np.zeros((3, 3))
loss, cache = cross_entropy_forward(table[ids], targets)
dlogits = cross_entropy_backward(1.0, cache)  # (N, V) = (4, 3)
print(dlogits)
dw = np.zeros((3, 3))
for n in range(4):
    dw[ids[n]] += dlogits[n]  # forward: logits[n] = table[ids[n]]
print(dw)

# %% [markdown]
# By hand: rows 0 and 2 of `dlogits` belong to token `a`:
#
# ```text
# a→b    ([1/3, 1/3, 1/3] − [0, 1, 0]) / 4 = [0.083, −0.167,  0.083]
# a→c    ([1/3, 1/3, 1/3] − [0, 0, 1]) / 4 = [0.083,  0.083, −0.167]
# dw[0]                                    = [0.167, −0.083, −0.083]     their sum
# ```
#
# Against it, `b` and `c` go up in row `a`, and `a` goes down: after `a` there was never an `a`. The derivation:
#
# ```text
# dw[i, j] = Σ_n Σ_k  dlogits[n, k] · ∂logits[n, k] / ∂w[i, j]       chain rule, all ways added
#
#   ∂logits[n, k] / ∂w[i, j] = 1  if ids[n] = i and k = j, else 0    logits[n, k] is w[ids[n], k]
#
#          = Σ_{n: ids[n] = i}  dlogits[n, j]                        what is left of both sums
# ```
#
# `Σ_{n: ids[n] = i}` is the sum over those `n` whose id is `i`. So: row `n` of `dlogits (N, V)` is *added* to row `ids[n]` of
# `dw (V, V)`.
#
# ## What breaks: repeated ids
#
# The loop over `n` is slow in Python. NumPy can add at many rows at once: `dw[ids] += dlogits`.
#
# **Predict.** Does that give the same as the loop?

# %%
fast = np.zeros((3, 3))
fast[ids] += dlogits
print("dw[ids] += dlogits   row 0:", fast[0])
added = np.zeros((3, 3))
np.add.at(added, ids, dlogits)
print("np.add.at            row 0:", added[0])

# %% [markdown]
# No! `dw[ids] += d` first reads `dw[ids]`, adds, and writes back: row 0 is written twice, and the second write wins. The pair
# `a→b` is lost, without an error. `np.add.at(dw, ids, dlogits)` adds one after the other. In training, frequent tokens lose
# nearly all of their gradient, and the loss still falls: in the run at the end of this lesson to 2.85 in place of 2.32, hardly
# better than a model that only knows how frequent each character is. The check has an id that is repeated:


# %%
def dropped(w, ids, targets, lr):
    loss, cache = cross_entropy_forward(w[ids], targets)
    dw = np.zeros_like(w)
    dw[ids] += cross_entropy_backward(1.0, cache)
    return w - lr * dw, loss


check("04.bigram_step", dropped)

# %% [markdown]
# ## Exercise 2: a step of the bigram model
#
# Write `bigram_step(w, ids, targets, lr)`: `w (V, V)`, `ids (N,)`, `targets (N,)`, to two things: the new `w`, and the loss *before* the
# step. You may use what you wrote in lesson 03, or `cross_entropy_forward` and `cross_entropy_backward` as above. 10 minutes.


# %% tags=["exercise"]
def bigram_step(w, ids, targets, lr):
    raise NotImplementedError  # your code


check("04.bigram_step", bigram_step)

# %% [markdown]
# HINTS 04.bigram_step
#
# ## A real text, and what can be known about it
#
# 120 small tales, written by a grammar that comes with tinygpt; in small letters, one token for each character.

# %%
rng = np.random.default_rng(0)
text = "\n".join(tales.generate(rng) for _ in range(120)).lower()
letters = sorted(set(text))
V = len(letters)
tokens = np.array([letters.index(c) for c in text])
ids, targets = tokens[:-1], tokens[1:]  # every pair of the text
print(len(ids), "pairs,", V, "characters;", text[:60])

# %% [markdown]
# For a bigram one can know the best answer without training: *count*. `counts[i, j]` is how often `j` followed `i`. Where is the
# loss least? Where its gradient is 0. For row `i`, with `p[i]` the softmax of `w[i]` and `counts[i]` its row of counts:
#
# ```text
# dw[i] = Σ_{n: ids[n] = i} (p[i] − onehot(targets[n])) / N        all these n have the same p
#       = ( sum(counts[i]) · p[i]  −  counts[i] ) / N              the one-hot rows add up to counts
#
# dw[i] = 0   where   p[i] = counts[i] / sum(counts[i])           (V,)
# ```
#
# So the loop has to find, step by step, what counting gives at once. Two losses to compare with: the **unigram entropy** is the
# loss of a model that knows how frequent each character is and nothing else; the loss of counting pairs
# is the floor, on this text, of every model that looks at one character.

# %%
counts = np.zeros((V, V))
np.add.at(counts, (ids, targets), 1.0)
p = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)  # (V, V) / (V, 1)
frequency = np.bincount(targets, minlength=V) / len(targets)  # (V,)
floors = {
    "knows nothing: ln V": np.log(V),
    "frequencies": -np.log(frequency[targets]).mean(),
    "counted pairs": -np.log(p[ids, targets]).mean(),
}
for name, value in floors.items():
    print(f"{name:20} {value:.3f} nats")

# %%
often = np.argsort(-frequency)[:12]
names = [letters[i].replace(" ", "␣") for i in often]
figure, axes = new_figure(8, 4.2)
draw_heatmap(axes, p[np.ix_(often, often)], names, names)
titles(axes, "What follows what: a row is one character", "next character", "this character")
picture(figure, "the table of pairs of the 12 most frequent characters; after h mostly e")

# %% [markdown]
# (`␣` is the space. `np.ix_` picks these rows and these columns.)
#
# **Predict.** The loop starts with zeros. Which loss does it print first, and how low does it go after 600 steps?
#
# Each step takes a **batch** of 1024 pairs drawn at random: the mean over a batch is close to the mean over the text, and costs
# a hundredth. The learning rate is large, because each pair moves one row out of 36; for the second half it is smaller, so that
# the chance in the batches moves the table less.

# %%
w, losses = np.zeros((V, V)), []
rng = np.random.default_rng(1)
for step in range(600):
    n = rng.integers(0, len(ids), 1024)  # which pairs
    w, loss = library_bigram_step(w, ids[n], targets[n], 20.0 if step < 300 else 5.0)
    losses.append(loss)
final, _ = cross_entropy_forward(w[ids], targets)
print(f"first {losses[0]:.3f}, on the whole text after 600 steps {final:.2f}")
print(f"above counting: {final / floors['counted pairs'] - 1:.1%}")

# %%
figure, axes = new_figure(8.5, 3.8)
flat = {name: np.full(600, value) for name, value in floors.items()}
draw_curves(axes, range(600), {"the loop": losses, **flat})
titles(axes, "The loop finds what counting knows", "step", "loss in nats per character")
picture(figure, "the loss falls from ln V below the frequencies and comes to rest on counted pairs")

# %% [markdown]
# It starts at `ln 36 = 3.584`, as a table of zeros must, passes the frequencies, and comes to rest a little above the floor. The
# line trembles because each batch is another sample of the text. And does the model write? Draw each character with
# the probabilities of the one before it:

# %%
rng = np.random.default_rng(3)
e = np.exp(w - w.max(axis=-1, keepdims=True))
probs = e / e.sum(axis=-1, keepdims=True)  # softmax, lesson 03
wrote = [letters.index(" ")]
for _ in range(150):
    wrote.append(int(rng.choice(V, p=probs[wrote[-1]])))
print("".join(letters[i] for i in wrote).replace("\n", " "))

# %% [markdown]
# Not words, but their taste: vowels between consonants, a space after a full stop. It cannot do better: it forgets all but one
# character. Then count longer pasts? A table for 2 characters has `36³` numbers, for 10 characters `36¹¹`, and nearly all of them
# were never seen. Counting ends here. The *loop* does not: give it a model whose logits
# depend on the whole past through layers, and a gradient. The lessons 05 to 09 build that model. The loop stays.
#
# ## The library's version beside yours
#
# The library's own first run, `python -m tinygpt.regression`, is your loop with a small network for the line: two linear layers
# (lesson 05) with a GELU between them (lesson 06) learn a wave. What stands under `# update` is your
# `sgd_step` (`: Any` is a note for the type checker):

# %%
source = inspect.getsource(regression.train)
print(source[source.index("    for _ in range(steps)") :])
curve = regression.train(1000, 0.05, 0)
print(f"loss before the first step {curve[0]:.2f}, before the last {curve[-1]:.2f}")
check("04.sgd_step", library_sgd_step)
check("04.bigram_step", library_bigram_step)

# %% [markdown]
# | in the library | why | what it gains |
# |---|---|---|
# | `p -= lr * dp`, in place | the parameters of a GPT are parts of one long array | no second copy of the model |
# | `if not np.isfinite(loss)` | a learning rate that is too large ends in `nan` | a sentence in place of a useless model |
# | `scatter_add`, in `tinygpt/backend.py` | is `np.add.at`, and its twin on a GPU | repeated ids add up |
# | AdamW in place of SGD (lesson 10) | each parameter gets a step length of its own | far fewer steps for a GPT |
#
# The noise in the wave's data has a mean square of 0.01, so no model gets below about that: a floor again.
#
# ## Three lines to remember
#
# - The loop: forward, loss, gradient, `p − lr · dp`; again.
# - A growing loss: the learning rate is too large, or a sign is wrong. Start at `ln V`, or something is broken.
# - A row that is used twice has the sum of two gradients: `np.add.at`, never `dw[ids] +=`.
#
# **You can now** train any model whose gradient you have, tell from the first losses whether it is sound, and say
# how low a bigram can go.
#
# **To read.** Goodfellow, Bengio and Courville, *Deep Learning* (2016): section 4.3 on gradient descent, 5.9 on its stochastic
# form, 8.3.1 on SGD. Jurafsky and Martin, *Speech and Language Processing* (third edition, draft): the chapter on n-gram
# language models. In the library: `tinygpt/regression.py`, on one screen. Next: lesson 05, the backward pass of a linear layer.
