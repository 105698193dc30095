# %% [markdown]
# # 00 · Arrays and shapes
#
# You will see the whole of a GPT on one page, and learn the one language that all of it is written
# in: arrays, their shapes, and broadcasting. You will write two small pieces that every GPT needs.
#
# 25 minutes. You need: Python, and that a matrix times a vector means something to you.

# %%
import numpy as np
from style import draw_arrays, draw_heatmap, draw_map, new_figure, picture, titles

from tinygpt import check
from tinygpt.ops import embedding_forward

np.set_printoptions(precision=3, suppress=True)
draw_map("map")

# %% [markdown]
# **How to read the map.** A GPT takes a text and says how likely each possible next piece of text is.
# The left column is the way *forward*: text becomes whole numbers, these become arrays, the arrays go
# through some layers, and at the bottom stands one number, the *loss*: how wrong the model was. The
# middle column is the way *backward*: from the loss up, each box says how its own inputs should change
# to make the loss smaller. The right column is what one does with the machine. The number in a box is
# the lesson that builds it (a box of the middle column comes with its neighbour on the left); the
# orange box is where you are. Every lesson opens with this page. Most words on it are new to you, and
# need not mean anything yet: each is explained in its lesson.
#
# The letters in brackets are **shapes**. They mean the same everywhere in this course:
#
# | letter | meaning | today |
# |---|---|---|
# | `B` | batch: how many texts side by side | 2 |
# | `T` | time: how many tokens in each (a *token* is a piece of text, here a word) | 3 |
# | `C` | channels: how many numbers describe one token | 2 |
# | `V` | vocabulary: how many different tokens there are | 4 |
#
# ## An array and its shape
#
# Our vocabulary has four words, and each has a number, its **id**: `the` 0, `cat` 1, `sat` 2, `ran` 3. A
# text is then an array of ids. An **array** is a block of numbers of one type (its `dtype`), arranged
# along **axes**; its **shape** says how long each axis is.

# %%
words = ["the", "cat", "sat", "ran"]
ids = np.array([[0, 1, 2], [0, 1, 3]])  # "the cat sat", "the cat ran"
print(ids.shape, ids.dtype)
print([[words[i] for i in row] for row in ids])

# %% [markdown]
# Shape `(2, 3)` is `(B, T)`: axis 0 counts the texts, axis 1 the tokens in each. Axes are also counted
# from the end: `axis=-1` is the last one. Code that says `-1` works for any number of axes in front.
#
# Now give every token `C = 2` numbers of its own. They stand in a table `w` of shape `(V, C)`, one row for
# each word. `w[ids]` takes for every id its row.

# %%
w = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0], [5.0, 4.0]])  # (V, C)
x = w[ids]
print(x.shape)
print(x[0])  # "the cat sat": rows 0, 1 and 2 of w

# %% [markdown]
# The shape of `ids` is `(2, 3)`, and each id became a row of 2 numbers, so `x` has shape `(2, 3, 2)`, which
# is `(B, T, C)`: the shape that you see on most arrows of the map.
#
# ## Sums along an axis
#
# **Predict before you run.** `x.sum(axis=1)` adds along axis 1, the tokens. Which shape does it have?
# And with `keepdims=True`?

# %%
print(x.sum(axis=1).shape, x.sum(axis=1, keepdims=True).shape)
print(x.sum(axis=1))

# %% [markdown]
# The axis that is summed along goes away: `(2, 3, 2)` becomes `(2, 2)`. With `keepdims=True` it stays with
# length 1: `(2, 1, 2)`. By hand, for the first text: `[1, 0] + [0, 2] + [3, 1] = [4, 3]`, the first row.
#
# ## Broadcasting: arrays of different shapes
#
# `x + b` adds number by number, so the shapes have to be equal. If they are not, NumPy **broadcasts**:
#
# 1. Write the shapes under each other, *aligned at the right*.
# 2. Where one is missing an axis, or has length 1, it is repeated to the length of the other.
# 3. Where two lengths differ and neither is 1, it is an error.
#
# ```text
# row      (3, 2)        column   (3, 2)        error    (3, 2)
#             (2,)                (3, 1)                    (3,)
#          ------                 ------                 ------
#          (3, 2)                 (3, 2)                 2 against 3
# ```
#
# Nothing is copied in memory; the same numbers are read again. In the pictures, what is read again is
# dotted.

# %%
first = x[0]  # (T, C) = (3, 2)
b = np.array([10.0, 20.0])  # (C,)
again = np.array([[0], [-1], [-1]])
draw_arrays(
    [["x", first], "+", ["b (2,), read as", np.tile(b, (3, 1)), again], "=", ["x + b", first + b]],
    "A vector (C,) is added to every row",
    "an array (3, 2) plus a row of two numbers, read three times",
)

# %%
c = np.array([[100.0], [200.0], [300.0]])  # (T, 1): a column
draw_arrays(
    [["x", first], "+", ["c (3, 1), read as", np.tile(c, (1, 2)), np.array([[0, -1]])],
     "=", ["x + c", first + c]],
    "A column (T, 1) is added to every column",
    "an array (3, 2) plus a column of three numbers, read twice",
)  # fmt: skip

# %% [markdown]
# **Predict.** A column of shape `(3, 1)` and a row of shape `(1, 4)`: no axis has the same length. What is
# the shape of `column * 10 + row`, with `column` = 0, 1, 2 and `row` = 0, 1, 2, 3? Which number stands at
# `[2, 1]`?

# %%
column = np.arange(3)[:, None]  # [:, None] makes a new last axis of length 1
row = np.arange(4)[None, :]
print((column * 10 + row).shape)
print(column * 10 + row)

# %% [markdown]
# Both are repeated: `(3, 1)` and `(1, 4)` give `(3, 4)`, and `[i, j]` holds something made of `i` and `j`. At
# `[2, 1]` stands `2 · 10 + 1 = 21`. A column against a row makes a *table of all pairs*. You will use
# this twice in a moment.
#
# ## What breaks: a column lost on the way
#
# This is a bug that people really make. Each row of an array is to be divided by its own sum, so that it
# then sums to 1; `keepdims` is forgotten. No error comes.
#
# **Predict.** Take the rows `[1, 3]` and `[3, 1]`, whose sums are equal, and then `[1, 3]` and `[6, 2]`, whose
# sums are not. Do the rows of each result sum to 1?

# %%
equal = np.array([[1.0, 3.0], [3.0, 1.0]])
unequal = np.array([[1.0, 3.0], [6.0, 2.0]])
print("equal sums   ", (equal / equal.sum(axis=-1)).sum(axis=-1))
print("unequal sums ", (unequal / unequal.sum(axis=-1)).sum(axis=-1))
print("with keepdims", (unequal / unequal.sum(axis=-1, keepdims=True)).sum(axis=-1))

# %% [markdown]
# The sums have shape `(2,)`. Aligned at the right, they are read as a *row*: column 0 is divided by the
# sum of row 0. With equal sums the answer is right by luck; with unequal ones it is wrong, without a
# word: `1/4 + 3/8 = 0.625` and `6/4 + 2/8 = 1.75`. In training this would be a model that learns badly and
# never says why. Two habits prevent it: write the shape beside each line, and test with shapes whose
# lengths all differ (`(2, 3)`, never `(2, 2)`), so that a wrong alignment is an error. The checks of
# this course look at the shape first.
#
# ## One-hot: an id as a row
#
# An id can be written as a row of `V` numbers that has a 1 at the id and 0 elsewhere: **one-hot**. `sat`,
# id 2 of 4, is `[0, 0, 1, 0]`. Why would one want that? Because then looking up a row *is* a matrix
# product, and of a matrix product the way backward is known. By hand:
#
# ```text
# [0, 0, 1, 0] @ w = 0·[1, 0] + 0·[0, 2] + 1·[3, 1] + 0·[5, 4] = [3, 1]      (V,) @ (V, C) = (C,)
# ```
#
# `@` is the matrix product: each number of the left row times its row of the right matrix, added.

# %%
rows = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])  # "the cat sat", by hand
draw_arrays(
    [["one-hot (T, V)", rows, rows], "@", ["w (V, C)", w], "=", ["x (T, C)", rows @ w]],
    "A one-hot row picks a row of the table",
    "a matrix of three one-hot rows times the table w gives rows 0, 1 and 2 of w",
)

# %% [markdown]
# ## Exercise 1: one-hot
#
# Write `one_hot(ids, V)`: ids of *any* shape `(...)` to floats of shape `(..., V)`. For `ids` of shape
# `(B, T)` that is `(B, T, V)`. About 5 minutes. Put your code in place of the line with `raise`, and run the
# cell until it says *is right*.


# %% tags=["exercise"]
def one_hot(ids, V):
    raise NotImplementedError  # your code


check("00.one_hot", one_hot)

# %% [markdown]
# HINTS 00.one_hot
#
# This is what the check says to someone who put the vocabulary on the first axis, not on the last:


# %%
def one_hot_the_wrong_way_round(ids, V):
    return (np.arange(V)[:, None] == ids).astype(float)


check("00.one_hot", one_hot_the_wrong_way_round)

# %% [markdown]
# ## The causal mask: who may look at whom
#
# A GPT predicts at every position the token that comes *next*. If position 1 could look at position 2,
# it would read the answer instead of learning it. So position `i` may look at position `j` only if
# `j <= i`: itself and what came before. Written as a table of 1 (may look) and 0 (may not), this is the
# **causal mask**, of shape `(T, T)`:
#
# ```text
#              the  cat  sat  ← looked at (j)
#         the   1    0    0
#         cat   1    1    0
#         sat   1    1    1
#          ↑ looks (i)
# ```
#
# **Predict.** `mask @ np.ones(T)` adds each row. What comes out for `T = 3`, and what for any `T`?

# %%
mask = np.array([[1.0, 0, 0], [1, 1, 0], [1, 1, 1]])
print(mask @ np.ones(3))

# %% [markdown]
# Position `i` sees `i + 1` positions: 1, 2, …, T. A test that is one line long and finds most
# mistakes. With the mask, "the mean of what came so far" is one matrix product, and so the whole of
# attention (lesson 08) will be: shares of the past, in a triangle.

# %%
shares = mask / mask.sum(axis=-1, keepdims=True)  # (T, T) / (T, 1): rows sum to 1
figure, axes = new_figure(6.5, 3)
draw_heatmap(axes, shares, ["the", "cat", "sat"], ["the", "cat", "sat"])
titles(axes, "Nobody looks to the right", "position looked at, j", "position that looks, i")
picture(figure, "a lower triangle: row 0 is 1, row 1 twice 0.5, row 2 three times 0.33")

# %%
draw_arrays(
    [["shares (T, T)", shares], "@", ["x (T, C)", first], "=", ["means (T, C)", shares @ first]],
    "Row i is the mean of the rows 0 to i of x",
    "the triangle of shares times x gives the running means of its rows",
    form="{:.3g}",
)

# %% [markdown]
# ## Exercise 2: the causal mask
#
# Write `causal_mask(T)`: floats, 1 where `j <= i`, else 0, of shape `(T, T)`, for any `T`. 5 minutes.


# %% tags=["exercise"]
def causal_mask(T):
    raise NotImplementedError  # your code


check("00.causal_mask", causal_mask)

# %% [markdown]
# HINTS 00.causal_mask
#
# And this is what the check says to someone whose mask is one off, a mistake that makes a model look
# wonderful in training (it copies the answer) and useless afterwards:


# %%
def one_too_far(T):
    return np.tril(np.ones((T, T)), k=1)  # tril keeps the lower triangle, here one diagonal more


check("00.causal_mask", one_too_far)

# %% [markdown]
# ## The library's version beside yours
#
# | yours | in the library | why | what it gains |
# |---|---|---|---|
# | `one_hot(ids, V) @ w` | `w[ids]`, in `tinygpt/ops/embedding.py` | most of the products are with 0 | for T ids: copies T rows in place of T·V·C products |
# | mask of 1 and 0 | 0 and −∞, added to the scores that softmax (lesson 03) turns into shares, in `tinygpt/ops/attention.py` | `exp(−∞) = 0` there: no share | one addition, and rows that sum to 1 by themselves |
#
# `one_hot(ids, V) @ w` and `w[ids]` are the same function; one-hot is how to think about it, `w[ids]` is how to compute it:

# %%
y, _ = embedding_forward(w, ids)  # (B, T, C)
print(np.array_equal(y, np.eye(4)[ids] @ w))
check("00.one_hot", lambda ids, V: np.eye(V)[ids])
check("00.causal_mask", lambda T: np.tril(np.ones((T, T))))

# %% [markdown]
# (`np.eye(V)` is the identity matrix: its row `i` is the one-hot row of `i`. `np.tril` keeps the lower
# triangle. Two of many right answers.)
#
# ## Three lines to remember
#
# - A shape is read from the right; lengths match, or one of them is 1 or missing.
# - A column against a row makes a table of all pairs.
# - A one-hot row times a table picks a row; a triangle of ones lets nobody look ahead.
#
# **You can now** say the shape of every arrow on the map, and tell when broadcasting helps you and when
# it hides a bug.
#
# **To read.** Harris et al., *Array programming with NumPy* (Nature 585, 2020), what it says of
# indexing and of broadcasting; in NumPy's manual the page "Broadcasting". In the library:
# `tinygpt/ops/embedding.py`. Next: lesson 01, text to integers.
