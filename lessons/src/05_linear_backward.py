# %% [markdown]
# # 05 · The backward pass of a linear layer, and how to check a gradient
#
# You will derive the three gradients of `y = x @ w + b`, the layer that holds nearly all the numbers of a
# GPT, and build the judge that tells a right gradient from a wrong one without knowing the derivation.
#
# 60 minutes, 20 of them for the exercises. You need: [03](03_softmax_and_cross_entropy.ipynb) (loss, gradient, finite difference), the
# chain rule, and matrix products.

# %%
import inspect

import numpy as np
from style import draw_arrays, draw_curves, draw_map, new_figure, picture, titles

import tinygpt
from tinygpt import check, check_gradients
from tinygpt.lesson_checks.c05 import numeric_grad as answer
from tinygpt.ops import cross_entropy_backward, cross_entropy_forward, linear_forward
from tinygpt.ops import linear_backward as library_backward
from tinygpt.params import param_shapes

np.set_printoptions(precision=3, suppress=True)
draw_map("mlp", "logits")

# %% [markdown]
# A **linear layer** takes a vector `x` of `I` numbers and gives `O` numbers: each is a weighted sum of the
# `x`, plus a constant. The weights stand in a matrix `w (I, O)`, the constants in the **bias** `b (O,)`. The
# orange boxes are made of it, and so are the two ends of attention. Weights and biases are
# **parameters**: the numbers that training moves. How many of a GPT's parameters are in
# linear layers? Ask the model that comes with tinygpt:

# %%
model, _ = tinygpt.load_model()
sizes = {name: int(np.prod(spec.shape)) for name, spec in param_shapes(model.config).items()}
inside = sum(n for name, n in sizes.items() if name.startswith("h.") and ".ln" not in name)
total = sum(sizes.values())
print(f"{total:,} parameters; in the linear layers of the blocks {inside / total:.0%},")
print(
    f"in the table wte, which is also the linear layer that makes logits, {sizes['wte'] / total:.0%}"
)

# %% [markdown]
# ## Forward, by hand
#
# `N = 4` tokens, each with `I = 2` numbers; the layer makes `O = 3` of them. All three lengths differ, so that
# shapes can warn us.
#
# ```text
# y[n, j] = Σ_i x[n, i] · w[i, j]  +  b[j]                 (N, O) = (N, I) @ (I, O) + (O,)
#
# row 2:  x = [3, 1]
#         3·[1, 0, −1] + 1·[2, 1, 0] + [0, 1, 0] = [5, 2, −3]
# ```

# %%
x = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0], [1.0, 1.0]])  # (N, I)
w = np.array([[1.0, 0.0, -1.0], [2.0, 1.0, 0.0]])  # (I, O)
b = np.array([0.0, 1.0, 0.0])  # (O,)
y = x @ w + b  # (N, O)
read = np.array([[0, 0, 0], [-1, -1, -1], [-1, -1, -1], [-1, -1, -1]])
draw_arrays(
    [["x", x], "@", ["w", w], "+", ["b (3,), read as", np.tile(b, (4, 1)), read], "=", ["y", y]],
    "All rows of x share one w and one b",
    "x (4, 2) times w (2, 3) plus b, read once for each of the four rows, gives y (4, 3)",
)

# %% [markdown]
# ## What backward is given, and what it must give
#
# After this layer come others, and at the end stands the loss. The backward pass comes from there, and
# brings `dy`: how much the loss changes with each number of `y`. Its shape is that of `y`. Ours is to be:
#
# ```text
# dy = [[ 1, 0, 0],       the loss rises by 1 for each 1 that y[0, 0] rises,
#       [ 0, 1, 0],       and y[2, 2] counts twice;
#       [ 0, 0, 2],       a rise of y[3, 0] makes the loss smaller
#       [−1, 0, 1]]
# ```
#
# The layer must answer: how much does the loss change with each number of `w` (that is `dw (I, O)`), of `b`
# (`db (O,)`), and of `x` (`dx (N, I)`)? `dw` and `db` say how to move the parameters. `dx` is handed to the layer
# before, for which it is the `dy`.
#
# **Predict before you run.** Raise `w[0, 2]` by 1. Which numbers of `y` change, and by how much? And so the
# loss?

# %%
dy = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])  # (N, O)
raised = w.copy()
raised[0, 2] += 1.0
change = (x @ raised + b) - y
print(change)
print("change of the loss:", (dy * change).sum())

# %% [markdown]
# Column 2 alone changes, and row `n` of it by `x[n, 0]`: `[1, 0, 3, 1]`. Each change counts `dy[n, 2]`, which is
# `[0, 0, 2, 1]`: `0·1 + 0·0 + 2·3 + 1·1 = 7`. You have computed one number of `dw`. The others go the same way.
#
# ## The derivation: dw
#
# The loss depends on `w[i, j]` through numbers of `y`, in every row. The **chain rule** for several
# ways: multiply the derivatives along each way, then *add* the ways.
#
# ```text
# dw[i, j] = Σ_n Σ_k  dy[n, k] · ∂y[n, k] / ∂w[i, j]       chain rule, one way for each y[n, k]
#
#   ∂y[n, k] / ∂w[i, j] = x[n, i]  if k = j, else 0        y[n, k] uses column k of w alone;
#                                                          derivative of a constant times w[i, j]
#
#          = Σ_n  dy[n, j] · x[n, i]                       only k = j is left of Σ_k
#          = Σ_n  xᵀ[i, n] · dy[n, j]                      transpose: xᵀ[i, n] = x[n, i]
#
# dw = xᵀ @ dy                                             definition of the matrix product
#                                                          (I, O) = (I, N) @ (N, O)
# ```
#
# `∂` is a derivative with everything else held still. By hand, column 2: `2·[3, 1] + 1·[1, 1] = [7, 3]`.

# %%
dw = x.T @ dy
marks = np.zeros((2, 3))
marks[0, 2] = 1
row, column = np.array([[1], [0]]), np.array([[0, 0, 1]])
draw_arrays(
    [["xᵀ", x.T, row], "@", ["dy", dy, column], "=", ["dw", dw, marks]],
    "dw = xᵀ @ dy: the sum runs over the rows, which shared w",
    "row 0 of x transposed times column 2 of dy is 7, the number at [0, 2] of dw",
)

# %% [markdown]
# ## The derivation: db and dx
#
# ```text
# db[j] = Σ_n Σ_k  dy[n, k] · ∂y[n, k] / ∂b[j]             chain rule
#         ∂y[n, k] / ∂b[j] = 1  if k = j, else 0           derivative of a sum
# db[j] = Σ_n  dy[n, j]                                    sum over the axis that was broadcast
#                                                          (O,) = (N, O) summed along axis 0
#
# dx[m, i] = Σ_n Σ_k  dy[n, k] · ∂y[n, k] / ∂x[m, i]       chain rule
#         ∂y[n, k] / ∂x[m, i] = w[i, k]  if n = m, else 0  row n of y uses row n of x alone
# dx[m, i] = Σ_k  dy[m, k] · w[i, k]                       only n = m is left of Σ_n
#          = Σ_k  dy[m, k] · wᵀ[k, i]                      transpose
# dx = dy @ wᵀ                                             (N, I) = (N, O) @ (O, I)
# ```
#
# `b` was read once for each row, so `db` adds what each row says: `[1 + 0 + 0 − 1, 1, 2 + 1] = [0, 1, 3]`. This
# is a rule to keep: *what is broadcast forward is summed backward*. And `dx`, row 2: `2 · [−1, 0] = [−2, 0]`, twice the
# last column of `w`.
#
# As naive code, from the three lines with `Σ`. Every product of the forward pass, `x[n, i] · w[i, j]`, gives two
# products backward: backward costs twice as much as forward.


# %%
def naive_backward(dy, x, w):
    (N, I), O = x.shape, w.shape[1]
    dx, dw, db = np.zeros((N, I)), np.zeros((I, O)), np.zeros(O)
    for n in range(N):
        for j in range(O):
            db[j] += dy[n, j]
            for i in range(I):  # forward: y[n, j] += x[n, i] * w[i, j]
                dw[i, j] += dy[n, j] * x[n, i]
                dx[n, i] += dy[n, j] * w[i, j]
    return dx, dw, db


# %%
products = dy @ w.T, x.T @ dy, dy.sum(axis=0)
for name, loops, product in zip(
    ("dx", "dw", "db"), naive_backward(dy, x, w), products, strict=True
):
    print(name, (loops + 0.0).tolist(), "the same" if np.array_equal(loops, product) else "not so")

# %% [markdown]
# **The shapes remember it for you.** `dw` is `(I, O)`; you hold `x (N, I)` and `dy (N, O)`. With three different
# lengths there is one product of the two that has this shape: `xᵀ @ dy`. The same for `dx`. When two
# lengths are equal, the shapes stay silent; that is the bug further down.
#
# ## Any axes in front
#
# In a GPT, `x` is `(B, T, I)`: `B` texts of `T` tokens. All `B·T` tokens share `w`, so they are rows: `N = B·T`.
#
# **Predict.** For `x` of shape `(2, 3, 4)`, what is the shape of `x.T`? What has to happen before `x.T @ dy`?

# %%
texts = np.arange(24.0).reshape(2, 3, 4)  # (B, T, I)
rows = texts.reshape(-1, texts.shape[-1])  # (B*T, I); -1: whatever is left
print(texts.T.shape, rows.shape, rows.T.shape)

# %% [markdown]
# `.T` turns *all* axes around. So make rows first, `reshape(-1, I)`, and give `dx` the shape of `x` at the end.
#
# ## The judge: numbers that know no derivation
#
# A derivation can be wrong, and so can its code. The slope of a function can also be *measured*: move the
# input by a small step `ε` and see how much the function rises. Take `f(x) = x³` at `x = 2`, where the slope is
# `3x² = 12`, and `ε = 0.1`:
#
# ```text
# to one side    (f(2.1) − f(2)) / 0.1   = (9.261 − 8) / 0.1       = 12.61     wrong by 0.61
# to both sides  (f(2.1) − f(1.9)) / 0.2 = (9.261 − 6.859) / 0.2   = 12.01     wrong by 0.01
# ```
#
# Why is the second so much better? The **Taylor series** writes the values near `x` with the derivatives at `x`:
#
# ```text
# f(x + ε) = f(x) + ε·f′ + ε²/2·f″ + ε³/6·f‴ + …
# f(x − ε) = f(x) − ε·f′ + ε²/2·f″ − ε³/6·f‴ + …
#
# one side:    (f(x + ε) − f(x)) / ε       = f′ + ε/2·f″ + …     error about ε
# both sides:  (f(x + ε) − f(x − ε)) / 2ε  = f′ + ε²/6·f‴ + …    error about ε²: f(x) and f″ cancel
# ```
#
# For `x³`, `f‴ = 6`: the error is `ε² = 0.01`, as above. To both sides it is called a **central** difference.
#
# **Predict.** So a smaller `ε` is better. Is it, down to 1e-13?


# %%
def slope(f, x, step):
    return (f(x + step) - f(x - step)) / (2 * step)


def cube(x):
    return x * x * x


for step in (1e-1, 1e-3, 1e-5, 1e-8, 1e-11, 1e-13):
    print(f"step {step:.0e}: {slope(cube, 2.0, step):.10f}")

# %%
powers = np.arange(-14, -0.9, 0.25)
steps = 10.0**powers
one = np.abs((cube(2.0 + steps) - 8.0) / steps - 12.0)
both = np.abs(slope(cube, 2.0, steps) - 12.0)
figure, axes = new_figure(8, 3.8)
digits = lambda error: np.log10(np.maximum(error, 1e-13))
draw_curves(axes, powers, {"one side": digits(one), "both sides": digits(both)})
axes.set_xticks(range(-14, 0, 2), [f"1e{p}" for p in range(-14, 0, 2)])
axes.set_yticks(range(-12, 1, 3), [f"1e{p}" if p else "1" for p in range(-12, 1, 3)])
titles(axes, "Too large is wrong, and so is too small", "step ε", "error of the slope (right: 12)")
picture(figure, "two curves shaped like a V; to both sides the error is least near 1e-5")

# %% [markdown]
# No. A float64 has about 16 digits, so `f` is off by about `1e-16 · |f|`. The two values are nearly equal,
# the difference keeps this error, and dividing by `2ε` makes it large: about `1e-16 / ε`. The sum of both errors, `ε² +
# 1e-16 / ε`, is least where its derivative `2ε − 1e-16 / ε²` is 0: near `ε = 4e-6`. That is the corner of the V, and
# why `1e-5` is a good step. There the output is off by 2e-10: ten digits are right.
#
# **Predict.** A float32 has 7 digits. What does the same code give for `ε = 1e-5`, and for `1e-8`?

# %%
for step in (1e-5, 1e-8):
    print(f"float32, step {step:.0e}: {slope(cube, np.float32(2), np.float32(step)):.4f}")

# %% [markdown]
# At `1e-5` the fourth digit is wrong already; at `1e-8`, `2 + ε` *is* 2 in float32, and the slope is 0. Check gradients in
# float64, always, even if you train in float32.
#
# ## Exercise 1: the numeric gradient
#
# Write `numeric_grad(f, x)`: `f` is a function from an array to one number, `x` a float64 array of any shape. Give
# the array of all slopes, of the shape of `x`: one number of `x` moved at a time, to both sides. Leave `x` as it
# is. 10 minutes.


# %% tags=["exercise"]
def numeric_grad(f, x):
    raise NotImplementedError  # your code


check("05.numeric_grad", numeric_grad)

# %% [markdown]
# HINTS 05.numeric_grad
#
# A mistake of many: the number that was moved is not put back. Each slope is then taken at a slightly other
# place; the error is as small as the step, and nobody sees it until a hard case. The check looks over the
# function's shoulder, at every array that it gives to `f`:


# %%
def never_put_back(f, x):
    grad, x = np.zeros(x.shape), x.copy()
    for i in np.ndindex(x.shape):  # every place: (0, 0), (0, 1), …
        x[i] += 1e-5
        above = f(x)
        x[i] -= 2e-5
        grad[i] = (above - f(x)) / 2e-5
    return grad


check("05.numeric_grad", never_put_back)

# %% [markdown]
# ## Exercise 2: the backward pass
#
# Write `linear_backward(dy, x, w)`: `dy (..., O)`, `x (..., I)`, `w (I, O)`, with the same axes in front, to the three
# arrays `dx, dw, db`, in the dtype that came in. 10 minutes.
#
# How can one measure it, when there is no loss here? Make one: `f = Σ dy · y`, with `dy` held still. Its slope in
# `y[n, j]` is `dy[n, j]`: so `f` is a loss whose gradient is the `dy` that you like. Try it with your `numeric_grad`, as
# the check does.


# %% tags=["exercise"]
def linear_backward(dy, x, w):
    raise NotImplementedError  # your code


check("05.linear_backward", linear_backward)

# %% [markdown]
# HINTS 05.linear_backward
#
# ## A second judge, without any ε
#
# `v → v @ w` is a **linear map**: it takes any `v` of the shape of `x` to the change of `y`. Backward took `dy` through `wᵀ`. The
# two belong together: for *every* `v` and `dy`,
#
# ```text
# Σ dy · (v @ w) = Σ_n Σ_k  dy[n, k] · Σ_i v[n, i] · w[i, k]      definition of @
#                = Σ_n Σ_i  ( Σ_k dy[n, k] · w[i, k] ) · v[n, i]  order of the sums changed
#                = Σ (dy @ wᵀ) · v                                definition of @
# ```
#
# In words: backward is the **transpose** of forward. Books write `⟨dy, Jv⟩ = ⟨Jᵀdy, v⟩`, where `⟨a, b⟩` is the sum of the
# products of all numbers, and `J` the map. No step, no rounding worth a word: both sides agree to 15 digits.
#
# **Predict.** With `v = [[1, 0], [1, 0], [1, 0], [1, 0]]`, what is the left side? (Each row of `v @ w` is the first row of `w`.)

# %%
v = np.array([[1.0, 0.0]] * 4)
print((dy * (v @ w)).sum(), ((dy @ w.T) * v).sum())

# %% [markdown]
# `dy` times `[1, 0, −1]` in each row: `1 + 0 − 2 + (−1 − 1) = −3`, and it is also the sum of column 0 of `dx`.
#
# ## One question for a whole matrix
#
# `numeric_grad` asks the loss twice for each number. The first linear layer of the model's first block, `224 × 672`, would
# take 301,056 forward passes. But move *all* numbers at once, along a random direction `d`: by the chain rule the
# slope along `d` is `Σ dw · d`. Two questions, and one wrong number in `dw` shows. This is
# `check_gradients`; its error is *relative*: the difference divided by the size of the gradient, so that small
# gradients are judged as strictly as large ones. Below 1e-6 is right.

# %%
attention = model.params["h"][0]["attn"]["qkv"]
real_w, real_b = (attention[name].astype(np.float64) for name in ("w", "b"))
rng = np.random.default_rng(0)
real_x, real_dy = rng.standard_normal((2, 5, 224)), rng.standard_normal((2, 5, 672))
arrays = {"x": real_x, "w": real_w, "b": real_b}
f = lambda: float((real_dy * linear_forward(**arrays)[0]).sum())
dx, dw, db = library_backward(real_dy, linear_forward(**arrays)[1])
grads = {"x": dx, "w": dw, "b": db}
for report in check_gradients(f, arrays, grads):
    print(f"d{report.name} {report.shape}: {'right' if report.error < 1e-6 else 'wrong'}")

# %% [markdown]
# ## What breaks: the forgotten transpose
#
# Someone writes `dx = dy @ w`. If `I` and `O` differ, NumPy stops it. But layers with `I = O` are common (the last matrix of
# attention is `224 × 224`), and then no error comes. Three such layers, one after the other, learn to
# sort 64 points into 8 kinds; every matrix moves a little against its gradient, as in lesson 04.
#
# **Predict.** With the wrong `dx`, does the loss fall?


# %%
def train(backward_of, steps=300, C=8):
    rng = np.random.default_rng(2)
    x, secret = rng.standard_normal((64, C)), rng.standard_normal((C, C))
    ids = (x @ secret).argmax(axis=-1)
    ws, losses = [rng.standard_normal((C, C)) / C**0.5 for _ in range(3)], []
    for _ in range(steps):
        h = [x, x @ ws[0], x @ ws[0] @ ws[1]]  # what goes into each layer
        loss, cache = cross_entropy_forward(h[2] @ ws[2], ids)
        losses.append(loss)
        dy = cross_entropy_backward(1.0, cache)
        for k in (2, 1, 0):
            dy, dw = backward_of(dy, h[k], ws[k])
            ws[k] = ws[k] - 0.1 * dw
    return losses


# %%
transposed = lambda dy, x, w: (dy @ w.T, x.T @ dy)
forgotten = lambda dy, x, w: (dy @ w, x.T @ dy)
right, wrong = train(transposed), train(forgotten)
figure, axes = new_figure(8, 3.4)
draw_curves(axes, range(300), {"dy @ w.T": right, "dy @ w": wrong})
titles(axes, "The loss falls with the wrong gradient too", "step", "loss in nats")
print(f"after 300 steps: right {right[-1]:.2f}, wrong {wrong[-1]:.2f}")
picture(figure, "two falling curves; the wrong one is higher all the way")

# %% [markdown]
# It falls, more slowly, and stays several times as high. The last layer's own `dw` is right, and the others move in directions
# that are not wholly wrong. So *a falling loss proves nothing*: such a bug can stay for months. Measured slopes
# see it at once. Here are the 64 numbers of `dw` of the first of three such layers, measured and computed:

# %%
ws = [np.random.default_rng(k).standard_normal((8, 8)) / 8**0.5 for k in range(3)]
points, kinds = np.random.default_rng(9).standard_normal((64, 8)), np.arange(64) % 8
start = cross_entropy_backward(1.0, cross_entropy_forward(points @ ws[0] @ ws[1] @ ws[2], kinds)[1])
numeric = answer(lambda w: cross_entropy_forward(points @ w @ ws[1] @ ws[2], kinds)[0], ws[0])
figure, panels = new_figure(8, 3.8, columns=2)
for axes, title, back in ((panels[0], "dy @ w.T: on the line", lambda d, w: d @ w.T),
                          (panels[1], "dy @ w: a cloud", lambda d, w: d @ w)):  # fmt: skip
    formula = points.T @ back(back(start, ws[2]), ws[1])
    axes.axline((0, 0), slope=1, color="#8c8c8c", linewidth=1)
    axes.plot(numeric.ravel(), formula.ravel(), "o", color="#0072b2", markersize=4)
    titles(axes, title, "dw, measured", "dw, by the formula")
picture(figure, "left all points lie on the diagonal, right they are scattered around it")

# %% [markdown]
# And so does the check see it; its shapes all differ, so the bug is loud:


# %%
def forgotten_transpose(dy, x, w):
    x2, dy2 = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    return dy @ w, x2.T @ dy2, dy2.sum(axis=0)


check("05.linear_backward", forgotten_transpose)

# %% [markdown]
# ## The library's version beside yours
#
# | in the library | why | what it gains |
# |---|---|---|
# | `x.reshape(-1, I)` before `@` | one large product in place of one for each text | the processor is busy all the time |
# | `column_sum(dy)`: a row of ones `@ dy` | a matrix product is the fastest code that NumPy calls; a sum over the rows is not | the sum of `db` for nearly nothing |
# | `out=`: `dw` and `db` have a home, into which `matmul_into` and `deliver` write | all gradients lie in one array, made once | no new memory in any step, nothing copied |
# | `accumulate=True` adds to what is there | a matrix that is used twice has the sum of both gradients: chain rule, two ways | no second array; and a large batch can be computed in parts |
# | returns `None` for `db` | a layer without a bias | no sum that nobody reads |

# %%
print(inspect.getsource(library_backward))
check(
    "05.linear_backward",
    lambda dy, x, w: library_backward(dy, linear_forward(x, w, np.zeros_like(w[0]))[1]),
)

# %% [markdown]
# ## Three lines to remember
#
# - `dx = dy @ wᵀ`, `dw = xᵀ @ dy`, `db` = the sum of `dy` over the rows: the shapes remember it.
# - What is broadcast forward is summed backward; backward is the transpose of forward.
# - A falling loss proves nothing: move to both sides by 1e-5, in float64, and look at the relative error.
#
# **You can now** derive the gradient of anything made of sums and products, and you have a judge for every
# backward pass of this course, and of your own.
#
# **To read.** Baydin, Pearlmutter, Radul and Siskind, *Automatic Differentiation in Machine Learning: a Survey* (2018):
# section 2.1 on numeric differences and their two errors, 3.2 on the reverse mode. Goodfellow, Bengio and
# Courville, *Deep Learning* (2016): section 6.5 on back-propagation. Lillicrap et al., *Random synaptic feedback weights support error
# backpropagation for deep learning* (2016): why the wrong gradient above still learns. In the library:
# `tinygpt/ops/linear.py`, `tinygpt/gradcheck.py`. Next: lesson 06, LayerNorm and GELU.
