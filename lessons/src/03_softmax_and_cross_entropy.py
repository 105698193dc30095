# %% [markdown]
# # 03 · Softmax and cross-entropy
#
# You will turn the numbers that a GPT puts out into probabilities, measure how wrong they are with
# one number, and derive the gradient of that number: the place where every backward pass begins.
#
# 35 minutes. You need: [00](00_arrays_and_shapes.ipynb) (shapes, broadcasting, one-hot) and the
# chain rule.

# %%
import inspect
import math

import numpy as np
from style import draw_bars, draw_curves, draw_map, new_figure, picture, titles

from tinygpt import check, check_gradients
from tinygpt.ops import cross_entropy_backward, cross_entropy_forward, softmax_forward

np.set_printoptions(precision=3, suppress=True)
draw_map("loss")

# %% [markdown]
# The orange boxes are this lesson: the last step forward, and so the first step backward.
#
# ## The question
#
# A GPT reads "the cat" and gives one number for every **token** (a piece of text; here a word) that
# could come next. The tokens that it knows are its **vocabulary**, `V` of them. Ours has `V = 3`:
#
# | id | token | the model's number |
# |---|---|---|
# | 0 | sat | 2 |
# | 1 | ran | 1 |
# | 2 | fell | 0 |
#
# These numbers are called **logits**: any real number is allowed, larger means more likely. You want
# **probabilities**: none below 0, sum 1. And when the text goes on with "sat", you want one number,
# the **loss**, that is small if "sat" had a high probability and large if not.
#
# ## By hand
#
# To make a number positive, take its exponential. To make the sum 1, divide by the sum.
#
# ```text
# logits x      2       1       0
# exp(x)        7.389   2.718   1        sum 11.107
# divided       0.665   0.245   0.090    sum 1
# ```
#
# This is **softmax**. In a formula, for one row `x` of shape `(V,)`:
#
# ```text
# p[j] = exp(x[j]) / (exp(x[0]) + exp(x[1]) + … + exp(x[V-1]))
# ```
#
# For many rows at once, `x` has shape `(..., V)`: any axes in front, the vocabulary last. Each row has its own sum, so the sum runs along the last axis, `axis=-1`, and
# `keepdims=True` keeps that axis with length 1, so that `(..., 1)` broadcasts against `(..., V)`.


# %%
def naive_softmax(x):
    e = np.exp(x)  # (..., V)
    return e / e.sum(axis=-1, keepdims=True)  # (..., V) / (..., 1)


rows = np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 0.0]])  # the second model knows nothing
print(naive_softmax(rows))

# %% [markdown]
# The first row is the one worked by hand.
#
# **Predict before you run.** Add 5 to all three logits: `[7, 6, 5]`. What happens to the
# probabilities?

# %%
print(naive_softmax(rows + 5.0))

# %% [markdown]
# Nothing. `exp(x + 5) = exp(5) · exp(x)`, the factor `exp(5)` stands above and below the fraction
# line, and cancels. Only differences of logits matter. In the picture, one logit moves and the
# others stay at 1 and 0.

# %%
moving = np.linspace(-4, 6, 101)
p = naive_softmax(np.stack([moving, np.ones(101), np.zeros(101)], axis=-1))  # (101, 3)
figure, axes = new_figure(8, 3.4)
draw_curves(axes, moving, {"sat": p[:, 0], "ran (logit 1)": p[:, 1], "fell (logit 0)": p[:, 2]})
titles(axes, "One logit rises and takes from the others", 'logit of "sat"', "probability")
picture(figure, "three curves; as the logit of sat rises, its probability goes from 0 to 1")

# %% [markdown]
# ## What breaks: the logit of 1000
#
# The mistake that almost everyone makes once is the code above. Early in training, or after a step
# that was too large, logits can be huge.
#
# **Predict.** What does `naive_softmax` give for the logits `[1000, 0]`? The answer on paper is
# `[1, 0]`.

# %%
with np.errstate(over="ignore", invalid="ignore"):  # no warnings on this page, please
    print(naive_softmax(np.array([[1000.0, 0.0]])))

# %% [markdown]
# A float64 ends near `exp(709)`, a float32 near `exp(88)`. Beyond that, `exp` gives infinity, and
# infinity divided by infinity is `nan`, "not a number". One `nan` in the loss becomes `nan` in every
# gradient, the next step writes `nan` into every parameter, and the training is lost: it prints
# `loss nan` for ever. This is how the check of this lesson sees it:

# %%
check("03.softmax", naive_softmax)

# %% [markdown]
# Read it from the top: what is wrong and in which line; then the smallest input that shows it (`x`),
# what came (`yours`) and what should come (`right`).
#
# The remedy follows from the prediction above: a shift of the whole row changes nothing. So there is
# a shift that leaves the result as it is and lets `exp` never see a positive number.
#
# ## Exercise 1: a softmax that nothing breaks
#
# Write `softmax(x)`: `x` of shape `(..., V)`, any finite numbers, to probabilities of the same shape
# and dtype, without writing into `x`. About 5 minutes. Put your code in place of the line with
# `raise`, and run the cell until it says *is right*.


# %% tags=["exercise"]
def softmax(x):
    raise NotImplementedError  # your code


check("03.softmax", softmax)

# %% [markdown]
# HINTS 03.softmax
#
# ## The loss
#
# The text went on with id `r`, the right token. The model gave it the probability `p[r]`. The loss of
# this row is
#
# ```text
# loss = −ln p[r]
# ```
#
# where `ln` is the natural logarithm. It is 0 for `p[r] = 1` and grows without end as `p[r]` goes to 0.
# Why the logarithm? The probability of a whole text is the *product* of the probabilities of its
# tokens; the logarithm makes a *sum* of it, and a sum is easy to average and to differentiate. This
# loss is called **cross-entropy**, its unit is the **nat**.

# %%
p = np.linspace(0.01, 1, 100)
figure, axes = new_figure(8, 3.2)
draw_curves(axes, p, {"−ln p": -np.log(p)})
for q, word in ((0.665, "sat"), (0.245, "ran"), (0.09, "fell")):
    axes.plot([q], [-math.log(q)], "ko")
    axes.annotate(f"  {word}: {-math.log(q):.2f}", (q, -math.log(q)), fontsize=11, va="bottom")
titles(axes, "A sure mistake is expensive", "probability of the right token", "loss in nats")
picture(figure, "the curve of minus log p falls from 4.6 at 0.01 to 0 at 1; three words on it")

# %% [markdown]
# By hand, with the two rows from above and the right ids `[0, 2]` ("sat", then "fell"):
#
# ```text
# row 0:  −ln 0.665 = 0.408
# row 1:  −ln 0.333 = 1.099 = ln 3      equal logits: the model knows nothing, and pays ln V
# mean              = 0.753
# ```
#
# The loss of a batch is the *mean* over its rows, so that it does not depend on how many there are.
# `p[np.arange(N), ids]` picks from row 0 the entry `ids[0]`, from row 1 the entry `ids[1]`, and so
# on: shape `(N,)`, where `N` is the number of rows. In a GPT the logits are `(B, T, V)`, `B` texts side
# by side and `T` tokens each; `reshape` makes `N = B·T` rows of any such shape.


# %%
def naive_cross_entropy(logits, ids):
    p = softmax_forward(logits)[0]  # the library's softmax, which is stable
    p, ids = p.reshape(-1, p.shape[-1]), ids.reshape(-1)  # (N, V), (N,)
    return -np.log(p[np.arange(len(ids)), ids]).mean()  # one number


ids = np.array([0, 2])
print(round(naive_cross_entropy(rows, ids), 3))

# %% [markdown]
# **Predict.** The softmax in it is stable. Is this loss? Take the logits `[1000, 0]` with 1 as the
# right id. (On paper: `p[1] = exp(−1000)`, so the loss is 1000.)

# %%
check("03.cross_entropy", naive_cross_entropy)

# %% [markdown]
# It is not: `exp(−1000)` is 0 in any float, `ln 0` is minus infinity, and the loss is infinite. Take the
# logarithm on paper first. Let `m` be the largest logit of the row:
#
# ```text
# −ln p[r] = −ln( exp(x[r] − m) / Σ_j exp(x[j] − m) )      definition, shifted by m
#          = −ln exp(x[r] − m) + ln Σ_j exp(x[j] − m)      ln(a / b) = ln a − ln b
#          = ln Σ_j exp(x[j] − m) − (x[r] − m)             ln exp(a) = a
# ```
#
# `Σ_j` means the sum over all `j` from 0 to `V − 1`. One term of it is `exp(0) = 1`, so the logarithm
# is of a number between 1 and `V`, and nothing can break.
#
# ## Exercise 2: the loss
#
# Write `cross_entropy(logits, ids)`: logits `(..., V)`, ids `(...)`, to the mean of `−ln p[r]` over
# all rows. 10 minutes.


# %% tags=["exercise"]
def cross_entropy(logits, ids):
    raise NotImplementedError  # your code


check("03.cross_entropy", cross_entropy)

# %% [markdown]
# HINTS 03.cross_entropy
#
# ## The gradient
#
# How does the loss change when you move one logit a little? That number, for every logit, is the
# **gradient** `dlogits`, of the same shape as the logits. (In this course `dx` is always the gradient
# of the loss with respect to `x`.) For one row, with `S = Σ_j exp(x[j])`, the loss is
# `ln S − x[r]`; the shift `m` is left out, because it changes nothing.
#
# ```text
# d loss / d x[k] = d(ln S) / d x[k] − d x[r] / d x[k]       derivative of a sum
#
#   d(ln S) / d x[k] = (1 / S) · dS / d x[k]                 chain rule; (ln S)' = 1 / S
#                    = (1 / S) · exp(x[k])                   only the term j = k depends on x[k]
#                    = p[k]                                  definition of softmax
#
#   d x[r] / d x[k]  = 1 if k = r, else 0                    this is onehot(r)[k], lesson 00
#
# d loss / d x[k] = p[k] − onehot(r)[k]                      shape (V,), one row
# ```
#
# The whole gradient of a softmax and a logarithm is a subtraction. For `N` rows, the loss is the
# mean, each row's loss has the factor `1 / N`, and so has its gradient (derivative of a constant times
# a function):
#
# ```text
# dlogits = (p − onehot(ids)) / N            (N, V) = ((N, V) − (N, V)) / number
# ```
#
# By hand:
#
# ```text
# row 0: ([0.665, 0.245, 0.090] − [1, 0, 0]) / 2 = [−0.167,  0.122,  0.045]
# row 1: ([0.333, 0.333, 0.333] − [0, 0, 1]) / 2 = [ 0.167,  0.167, −0.333]
# ```

# %%
p = softmax_forward(rows)[0]
dlogits = (p - np.eye(3)[ids]) / len(ids)
print(dlogits)
figure, axes = new_figure(9, 3, columns=2)
names = ["sat", "ran", "fell"]
draw_bars(axes[0], names, p[0])
titles(axes[0], "What the model says", "", "probability")
draw_bars(axes[1], names, dlogits[0] * 2, "#d55e00")  # times N: not yet the mean
titles(axes[1], "Negative for the right token alone", "", "p − onehot")
picture(figure, "probabilities 0.665, 0.245, 0.09; gradient -0.335, 0.245, 0.09")

# %% [markdown]
# Training moves *against* the gradient: the right token's logit goes up by as much as it fell short
# of probability 1, every other one goes down by the probability it wrongly has. What one gains, the
# others lose.
#
# **Predict.** What is the sum of each row of `dlogits`? Derive it from `p − onehot` before you run.

# %%
print(dlogits.sum(axis=-1).round(12) + 0.0)

# %% [markdown]
# Zero: the `p` of a row sum to 1, and so does the one-hot row. (It has to be: the same shift on all
# logits does not change the loss, so the slope in that direction is 0.)
#
# ## Is it right? Ask the loss itself
#
# A derivation can be wrong, and so can its code. There is a judge that knows neither: move the input
# by a small step `ε` to both sides and look at the loss, `(loss(x + ε) − loss(x − ε)) / 2ε`. This is a
# **finite difference**. Lesson 05 explains it fully.

# %%
step = 1e-5
for k in range(3):
    d = np.zeros((2, 3))
    d[0, k] = step  # move one logit of row 0
    above, _ = cross_entropy_forward(rows + d, ids)
    below, _ = cross_entropy_forward(rows - d, ids)
    print(
        f"logit {k}: difference {(above - below) / (2 * step):+.6f}, formula {dlogits[0, k]:+.6f}"
    )

# %% [markdown]
# `check_gradients` of the library does it for whole arrays, in random directions, and gives the
# relative error. Below 1e-6 is right; a wrong formula mostly gives 1e-2 or more.

# %%
x = rows.copy()
loss = lambda: cross_entropy_forward(x, ids)[0]
for name, g in (("p - onehot, / N", dlogits), ("forgotten / N", 2 * dlogits)):
    (report,) = check_gradients(loss, {"logits": x}, {"logits": g})
    print(f"{name:16} {'right' if report.error < 1e-6 else 'wrong'}")

# %% [markdown]
# The second line is a bug that people really make. What does it do to training? With plain gradient
# descent (lesson 04) each step is `N` times as long: at 32 rows the loss jumps up and down or ends in
# `nan`, and a learning rate found for one batch size is wrong for the next. The shape is right and the
# rows sum to 0, so only numbers can tell. The check sees it at the first input with more than one row:


# %%
def gradient_of_the_sum(logits, ids):
    onehot = np.eye(logits.shape[-1], dtype=logits.dtype)[ids]
    return softmax_forward(logits)[0] - onehot  # and no / N


check("03.cross_entropy_gradient", gradient_of_the_sum)

# %% [markdown]
# ## Exercise 3: the gradient
#
# Write `cross_entropy_gradient(logits, ids)`: logits `(..., V)`, ids `(...)`, to `dlogits (..., V)`, in
# the dtype of the logits. You may call your `softmax`. 10 minutes.


# %% tags=["exercise"]
def cross_entropy_gradient(logits, ids):
    raise NotImplementedError  # your code


check("03.cross_entropy_gradient", cross_entropy_gradient)

# %% [markdown]
# HINTS 03.cross_entropy_gradient
#
# ## The library's version beside yours

# | in the library | why | what it gains |
# |---|---|---|
# | `xp = get_xp(x)` | `xp` is NumPy or, for an array on a GPU, CuPy | one code for both |
# | `out=p`, `p /=` | works in the array that it made itself | one array of memory in place of three |
# | returns `p, (p,)` | the **cache**: what its backward pass needs | nothing is computed twice |
#
# Cross-entropy goes over the rows in blocks (`row_blocks`) that fit into the processor's own fast memory;
# `row_sum` adds up each row. It makes the gradient on the way forward, since `p` is there anyway: the
# backward pass only multiplies. With `out=logits` the gradient takes the place of the logits, so a second
# array of `(B, T, V)` numbers, the largest of the whole model, never exists. `count` divides by the rows of
# the whole batch when several workers share it. Both, and the same three checks on them:

# %%
print(inspect.getsource(softmax_forward))
print(inspect.getsource(cross_entropy_forward))
check("03.softmax", lambda x: softmax_forward(x)[0])
check("03.cross_entropy", lambda logits, ids: cross_entropy_forward(logits, ids)[0])
check(
    "03.cross_entropy_gradient",
    lambda logits, ids: cross_entropy_backward(1.0, cross_entropy_forward(logits, ids)[1]),
)

# %% [markdown]
# ## A real model
#
# The model that comes with tinygpt has read small tales and has `V = 2048` tokens. In its texts a special
# token, *end of text*, stands between two tales. Here is the beginning of one.
#
# **Predict.** Which tokens cost most: those where the tale is free to choose, or those where the words
# before leave no choice?

# %%
import tinygpt

model, tokenizer = tinygpt.load_model()
text = "In my grandmother's day, Ida the plump hare lived"
tokens = np.array([tokenizer.eot_id, *tokenizer.encode(text)])
logits, _ = model.forward(tokens[None, :-1])  # (1, T, V): each position predicts the next
losses = [cross_entropy_forward(row[None], tokens[t + 1 : t + 2])[0]
          for t, row in enumerate(logits[0])]  # fmt: skip
figure, axes = new_figure(9.5, 3.2)
draw_bars(axes, [tokenizer.decode([i]).strip() for i in tokens[1:]], np.round(losses, 1))
titles(axes, "A free choice costs, the rest is nearly free", "the token to predict", "loss in nats")
picture(figure, "bars: the loss of every token of the beginning of a tale")

# %% [markdown]
# A model that knows nothing pays `ln 2048 = 7.6` nats for every token. This one pays almost nothing where
# the words before leave no choice (`'s`, `the`), and about 3 nats for the name, what she is like and the
# animal: `exp(−3)` is 0.05, as if it had to choose among twenty.
#
# ## Three lines to remember
#
# - Softmax: subtract the row's maximum, `exp`, divide by the sum. Only differences of logits matter.
# - Cross-entropy is the mean of `−ln p[right]`; knowing nothing costs `ln V`.
# - Its gradient is `(p − onehot) / N`: every backward pass of a GPT begins with this subtraction.
#
# **You can now** turn any logits into probabilities without `nan`, say what a loss of 2.3 means
# (`exp(−2.3)`: the right token had about one chance in ten), and derive and test a gradient.
#
# **To read.** Goodfellow, Bengio and Courville, *Deep Learning* (2016): section 3.13 on cross-entropy,
# 4.1 on overflow, 6.2.2.3 on softmax units. In the library: `tinygpt/ops/softmax.py`, then
# `tinygpt/ops/cross_entropy.py`. Next: lesson 04, the first training loop.
