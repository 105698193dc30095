# %% [markdown]
# # 02 · Batches
#
# You will turn one long row of ids into what a GPT learns from: small windows, each with the right answer
# at every position. A mistake here fails silently, so you will also see two that people make.
#
# 20 minutes. You need: [01](01_text_to_integers.ipynb) (ids of a text) and from
# [00](00_arrays_and_shapes.ipynb) broadcasting and the causal mask.

# %%
import inspect

import numpy as np
from style import draw_arrays, draw_bars, draw_map, draw_tokens, new_figure, picture, titles

from tinygpt import check, tales
from tinygpt.data import Batches, split_validation

np.set_printoptions(precision=3, suppress=True)
draw_map("batches")

# %% [markdown]
# The orange box is this lesson: ids go in, and `x` and `y` come out. Nothing is computed with the ids,
# only picked, so there is no step backward.
#
# ## The question
#
# A GPT learns from one exercise, given millions of times: *here is the beginning of a text; which id comes
# next?* The text itself has the answer. Ours has nine words, and for today each word is a token:

# %%
sentence = "the old cat sat under a chair and slept"
words = np.array(sentence.split(" "))
names = np.sort(words)  # id 0 is the first in the alphabet
ids = np.array([names.tolist().index(word) for word in words])  # (N,)
print(len(ids), ids)
draw_tokens(
    {f"{words[t]} is next": list(words[:t]) for t in range(1, 5)},
    "Four ids and the one after them hold four exercises",
    "the: old is next; the old: cat is next; the old cat: sat; the old cat sat: under",
)

# %% [markdown]
# The text has `N = 9` ids. A model reads `T` of them at once, here `T = 4`: a **window**. In the window "the
# old cat sat" stand four exercises, for the causal mask of lesson 00 lets position `t` see the positions 0
# to `t` and nothing after. So each window is two arrays: `x`, what is read, and `y`, the **targets**: at each position
# the id that comes next.
#
# ```text
# position        0      1      2      3
# x             the    old    cat    sat        7  4  2  5
# y             old    cat    sat    under      4  2  5  8
# ```
#
# `y` is `x`, one id later. The last target, "under", is not in `x`: it has to be read from the text, so a
# window needs `T + 1` ids.


# %%
def window(ids, start, T):
    return ids[start : start + T], ids[start + 1 : start + T + 1]


x, y = window(ids, 0, 4)
print(x, y)

# %% [markdown]
# **Predict before you run.** From how many places can a window of `T = 4` begin in `N = 9` ids? Which is
# the last? What does `window(ids, 5, 4)` give, one place further?

# %%
print("start 4:", *window(ids, 4, 4))
print("start 5:", *window(ids, 5, 4))

# %% [markdown]
# From start 4 the last target is the last id of the text. From start 5 there are four ids to read and three
# targets: the fourth would be the one after the end. The starts are 0 to 4, five of them:
#
# ```text
# start + T <= N − 1       the last target stands at place start + T, and N − 1 is the last place
# start     <= N − T − 1   T taken from both sides
# so there are N − T starts: 0, 1, …, N − T − 1
# ```

# %%
starts = np.arange(5)[:, None]  # (5, 1)
place = np.arange(9)  # (9,)
read = (starts <= place) & (place < starts + 4)  # (5, 9): one row for each start
marks = np.where(read, 1, np.where(place == starts + 4, 0, -1))
draw_arrays(
    [["one row for each start", np.tile(words, (5, 1)), marks]],
    "A window of T = 4 slides over 9 words: 5 starts",
    "five rows; orange: the window x; blue: the last target, one place after it; white: not used",
    form="{}",
)

# %% [markdown]
# Orange is `x`, blue the last target. Two neighbouring windows are nearly the same, so a model that got them one after
# the other would learn little from the second. So the windows of a **batch** begin at *random* places:
# `B` windows, the rows of `x` and `y`, both `(B, T)`.
#
# ## The formula
#
# ```text
# start[b]  drawn from 0, …, N − T − 1, all equally likely     (B,)
# x[b, t] = ids[start[b] + t]                                  (B, T)
# y[b, t] = ids[start[b] + t + 1]                              (B, T)
# ```
#
# No loop is needed. With the starts as a column, `start[b] + t` is a table of all pairs (lesson 00, rule 2 of
# broadcasting), and `ids[table]` takes an id for each entry:

# %%
starts = np.array([[0], [3]])  # (B, 1)
steps = np.arange(4)  # (T,)
at = starts + steps  # (B, T)
print("x =", ids[at].tolist())
print("y =", ids[at + 1].tolist())
arrays = ["starts", starts], "+", ["steps", steps], "=", ["at", at], "→", ["ids[at]", ids[at]]
draw_arrays(
    arrays,
    "A column of starts against a row of steps gives the places",
    "starts 0 and 3 plus 0 to 3 are the places 0 1 2 3 and 3 4 5 6",
)

# %% [markdown]
# The first row is the window worked by hand.
#
# ## Random, and the same again
#
# Random starts come from a **generator**: `rng = np.random.default_rng(seed)`. Its numbers look random, but
# the **seed** decides all of them. `rng.integers(0, n, size=…)` draws from 0 to `n − 1`; `n` is left out.
#
# **Predict.** Which of these three lines are equal?

# %%
one, two = np.random.default_rng(7), np.random.default_rng(7)
print(one.integers(0, 5, size=6))
print(two.integers(0, 5, size=6))
print(one.integers(0, 5, size=6))

# %% [markdown]
# The first two: same seed, same numbers. The third goes on where the first ended. If your function draws
# from the `rng` it is given and from nothing else, then a run can be repeated exactly, and that is how one
# finds bugs in it.
#
# ## What breaks: the target that came round
#
# Make `x`, and get `y` from it by moving every row one to the left. `np.roll` does that, and no error comes.
#
# **Predict.** One column of `y` is wrong. Which, and what stands there?


# %%
def batch_with_roll(ids, T, B, rng):
    x = ids[rng.integers(0, len(ids) - T, size=(B, 1)) + np.arange(T)]
    return x, np.roll(x, -1, axis=1)


x, y = batch_with_roll(ids, 4, 2, np.random.default_rng(2))
print(names[x])
print(names[y])

# %% [markdown]
# The last: `np.roll` puts the *first* id of the row at its end. One target in `T` is wrong. The model is taught that a
# text jumps back to where its window began; the loss falls, but never as low as it could, and the texts have
# jumps in them that nobody can explain. The check compares the last target with the text:

# %%
check("02.get_batch", batch_with_roll)

# %% [markdown]
# The other famous mistake is `y = x`. Then the answer to each question is the last id that was read: the model learns to
# copy, its loss goes to 0 in a moment, and it writes "the the the the". A training that goes much too well has a
# bug like this one. How often does a copy give the right answer in a real text? Here are thirty of the tales that tinygpt
# makes, each byte an id.

# %%
rng = np.random.default_rng(0)
corpus = "\n".join(tales.generate(rng) for _ in range(30)).encode()
long = np.frombuffer(corpus, np.uint8)  # (N,), one id a byte
print(len(long), "ids;", f"the next is the same as this one: {(long[1:] == long[:-1]).mean():.1%}")

# %% [markdown]
# ## Exercise: the batch
#
# Write `get_batch(ids, T, B, rng)`: ids of shape `(N,)`, `N > T`, to `x, y`, both of shape `(B, T)`. Each row has
# its own start, drawn from `rng`; every start from 0 to `N − T − 1` can come. 10 minutes.


# %% tags=["exercise"]
def get_batch(ids, T, B, rng):
    raise NotImplementedError  # your code


check("02.get_batch", get_batch)

# %% [markdown]
# HINTS 02.get_batch
#
# ## How often is each id read?
#
# **Predict.** Take each of the five windows of our text once. How often is the first id in an `x`, how often
# the fifth, how often the last?

# %%
figure, axes = new_figure(9, 3)
draw_bars(axes, words.tolist(), read.sum(axis=0))
titles(axes, "The middle is read T times, the ends less", "", "windows that read it")
picture(figure, "bars 1, 2, 3, 4, 4, 3, 2, 1, 0: the last word is a target and is never read")

# %% [markdown]
# The columns of orange boxes, counted. The last id is never read, only a target: nothing follows it. With a million ids and
# windows of 256 the ends do not matter.
#
# ## Text that the model must not see
#
# To know whether a model has learnt the language or has learnt its text by heart, keep some text back: the
# **validation** text, here the last tenth. Cut the *text* first, then draw windows from each part.
#
# **Predict.** Someone makes all windows first, and then keeps a random tenth of the *windows* back. Of
# the ids in those, what part is also read in training?

# %%
train, held_out = split_validation(long)
print("text cut first:", len(train), "ids to train on,", len(held_out), "kept back")
T = 64
starts = np.random.default_rng(0).permutation(len(long) - T)  # all starts, in random order
kept, rest = np.split(starts, [len(starts) // 10])
seen = np.zeros(len(long), bool)
seen[rest[:, None] + np.arange(T)] = True  # True where a window of the training reads
print(f"windows cut: {seen[kept[:, None] + np.arange(T)].mean():.1%} of what was kept back is read")

# %% [markdown]
# All of it: each id is in up to `T` windows, and nine in ten of those are trained on. The model would be
# tested on what it knows by heart.
#
# ## The library's version beside yours
#
# | yours | in the library | why | what it gains |
# |---|---|---|---|
# | `rng` from outside | a generator from `[seed, step]`, made anew at each step | step 1000 needs no step 999 | a run stopped and resumed is the same run |
# | `ids[at]` and `ids[at + 1]` | one table of `T + 1` places, cut twice | the two differ in one column | ids are looked up once |
# | the dtype of `ids` | `int64`, contiguous | the file has 2 bytes an id; indexing wants 8 | small files that need not fit into memory |
# | any start | `starts`: if given, only those | windows that begin where a tale begins | the model always sees whole beginnings |
#
# In the code, `block_size` is `T` and `batch_size` is `B`. `_shifted` cuts the table `(B, T + 1)` twice: all
# columns but the last are `x`, all but the first are `y`. `N` too small for a window, or a `B` of 0, is an error there
# that says what to do.

# %%
print(inspect.getsource(Batches.batch))
check(
    "02.get_batch",
    lambda ids, T, B, rng: Batches(ids, T, B, seed=int(rng.integers(1 << 31))).batch(0),
)

# %% [markdown]
# ## Three lines to remember
#
# - `y` is `x` one id later, read from the text: a window takes `T + 1` ids and holds `T` exercises.
# - There are `N − T` starts; draw them from the `rng` you are given.
# - Cut off the validation text before you make windows.
#
# **You can now** make from any text the batches `(B, T)` that a GPT is trained on, and explain a loss that is too good
# to be true.
#
# **To read.** Bengio et al., *A Neural Probabilistic Language Model* (JMLR 3, 2003), section 2, on predicting the next
# word from those before it; Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 5.3 on
# validation sets and 8.1.3 on batches. In the library: `tinygpt/data/batches.py`. Next: lesson 03, softmax
# and cross-entropy.
