# %% [markdown]
# # 07 · Embeddings and position
#
# You will turn token ids into rows of numbers that can be learned, tell the model where each token stands, and
# write the backward pass of both: the place where a bug that raises no error makes a model learn its most
# frequent words worst.
#
# 35 minutes, 10 of them for the exercise. You need: [05](05_linear_backward.ipynb) (the linear layer and its backward pass).

# %%
import inspect

import numpy as np
from style import draw_arrays, draw_curves, draw_heatmap, draw_map, new_figure, picture, titles

import tinygpt
from tinygpt import check, check_gradients, ops

np.set_printoptions(precision=3, suppress=True)
draw_map("embedding")

# %% [markdown]
# ## The question
#
# An id is a name, not an amount: that `ran` is 3 and `cat` is 1 does not make `ran` three times a cat. So
# ids cannot be multiplied by weights. A GPT keeps a table `w` with one row of `C` numbers per token, and
# looks the row up. The row is the token's **embedding**. At first its numbers are random; training moves them
# like any other parameter.
#
# Today's vocabulary is that of lesson 00 and one word more: `the` 0, `cat` 1, `sat` 2, `ran` 3, `fell` 4. So `V = 5`, and
# `C = 2`. The batch holds `B = 2` texts of `T = 3` tokens: "the cat sat" and "the cat ran".

# %%
ids = np.array([[0, 1, 2], [0, 1, 3]])  # (B, T)
w = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0], [5.0, 4.0], [2.0, 2.0]])  # (V, C)
y = w[ids]
print(y.shape)
marks = np.array([[1], [1], [0], [1], [0]])  # the rows that the second text takes
draw_arrays(
    [["ids of text 1", ids[1]], "→", ["w (V, C)", w, np.tile(marks, (1, 2))], "→", ["y", y[1]]],
    'Each id takes its row of the table: "the cat ran"',
    "ids 0, 1, 3 take rows 0, 1 and 3 of a table with five rows",
)

# %% [markdown]
# The whole forward pass is `y = w[ids]`: ids of shape `(B, T)`, table `(V, C)`, result `(B, T, C)`. For each place `n`, counted
# through all `N = B·T` places, and each channel `c`:
#
# ```text
# y[n, c] = w[ids[n], c]
# ```
#
# **Predict before you run.** Someone numbers the vocabulary the other way round, `fell` 0 to `the` 4, and turns the
# rows of the table round as well. What changes in `y`?

# %%
print(np.array_equal(w[::-1][4 - ids], y))

# %% [markdown]
# Nothing. Which number a token has means nothing, as long as everyone uses the same one. The
# check will hold your backward pass to that.
#
# ## The way back
#
# From above comes `dy (B, T, C)`: how the loss changes with each number that was looked up. You want `dw (V, C)`. (There is no
# `dids`: an id cannot be moved a little.) In lesson 00 you saw that a lookup is a product with one-hot
# rows, `O` of shape `(N, V)`, with `O[n, v] = 1` where `ids[n] = v`, else 0. And the backward pass of a product you know.
#
# ```text
# y        = O @ w                            (N, C) = (N, V) @ (V, C)
# dw       = Oᵀ @ dy                          (V, C) = (V, N) @ (N, C)     linear layer, lesson 05
# dw[v, c] = Σ_n O[n, v] · dy[n, c]           definition of the matrix product
#          = sum of dy[n, c] over all places n with ids[n] = v             O is 1 there, else 0
# ```
#
# In words: **every place where a token stands sends its row of `dy` to the token's row of `dw`, and
# there they are added.** It is the rule for everything that is used more than once: the gradients add up. A token that does
# not occur gets 0.
#
# By hand, with a `dy` of easy numbers:
#
# ```text
# place      id          dy
# text 0     0 the     [1, 0]          dw[0] = [1, 0] + [3, 0] = [4, 0]     the, twice
#            1 cat     [0, 1]          dw[1] = [0, 1] + [0, 4] = [0, 5]     cat, twice
#            2 sat     [2, 2]          dw[2] = [2, 2]                       sat
# text 1     0 the     [3, 0]          dw[3] = [1, 1]                       ran
#            1 cat     [0, 4]          dw[4] = [0, 0]                       fell: not in the batch
#            3 ran     [1, 1]
# ```

# %%
dy = np.array([[[1.0, 0], [0, 1], [2, 2]], [[3, 0], [0, 4], [1, 1]]])  # (B, T, C)
onehot = np.eye(5)[ids.reshape(-1)]  # (N, V)
dw = onehot.T @ dy.reshape(-1, 2)  # (V, N) @ (N, C)
draw_arrays(
    [["one-hot, turned (V, N)", onehot.T, onehot.T], "@", ["dy (N, C)", dy.reshape(-1, 2)],
     "=", ["dw (V, C)", dw]],
    "Two places of one token are added in its row",
    "the transposed one-hot matrix times dy; its first row has two ones, so two rows are added",
)  # fmt: skip

# %% [markdown]
# Is it right? Ask the loss `Σ dy · w[ids]`, whose gradient with respect to `y` is `dy`:

# %%
loss = lambda: float((dy * w[ids]).sum())
(report,) = check_gradients(loss, {"w": w}, {"w": dw})
print("right" if report.error < 1e-6 else "wrong")

# %% [markdown]
# ## What breaks: `dw[ids] += dy`
#
# The one-hot matrix is large and nearly all zeros. A shorter way seems to be plain: start with zeros, and add each row of
# `dy` where it belongs, `dw[ids] += dy`. It is a bug that people really make, and no error comes.
#
# **Predict.** What will stand in the rows of `the` and `cat`? (They should be `[4, 0]` and `[0, 5]`.)


# %%
def with_an_index(dy, ids, V):
    dw = np.zeros((V, dy.shape[-1]), dy.dtype)
    dw[ids] += dy
    return dw


print(with_an_index(dy, ids, 5))

# %% [markdown]
# `[3, 0]` and `[0, 4]`: only the last place counts. NumPy reads `dw[ids]` (all zeros) into a new array, adds
# `dy`, and writes the rows back one after the other; a second row for the same id overwrites the first. Tokens that occur once are
# right, so a test in which no id repeats sees nothing. The check has one that does:

# %%
check("07.embedding_backward", with_an_index)

# %% [markdown]
# What does it do to training? Real texts repeat: in a batch of a few hundred tokens, "the" stands dozens of times, and
# all its rows but one are dropped. Let us see it with the smallest model there is: a table with one row for each
# letter (space and full stop count as letters), whose row *is* the logits of the next letter (the bigram model of lesson 04).

# %%
text = "the cat sat on the mat. the rat ran at the cat. the cat ate the rat. " * 8
letters = sorted(set(text))
stream = np.array([letters.index(c) for c in text])
now, after, V = stream[:-1], stream[1:], len(letters)


def train(backward, steps=60):
    table, losses = np.zeros((V, V)), []
    for _ in range(steps):
        loss, cache = ops.cross_entropy_forward(table[now], after)
        losses.append(loss)
        table = table - 5.0 * backward(ops.cross_entropy_backward(1.0, cache), now, V)
    return losses


# %%
right = lambda dy, ids, V: ops.embedding_backward(dy, (ids, (V, V)))
print(f"{len(now)} places, {V} letters: {len(now) - V} rows of dy are dropped in each step")
curves = {"added": train(right), "dw[ids] += dy": train(with_an_index)}
figure, axes = new_figure(8, 3.2)
draw_curves(axes, range(60), curves)
titles(axes, "With the bug it hardly learns, and no error says why", "step", "loss in nats")
picture(figure, "added: the loss falls from 2.5 to 0.8; with the bug only to 2.2")

# %% [markdown]
# In each step 12 rows of `dy` arrive, one for each letter, however long the text is; the other 539 are lost. The step
# points only roughly the right way, and is far too short. A larger learning rate seems to help, so the bug stays.
#
# ## Exercise: the backward pass of an embedding
#
# Write `embedding_backward(dy, ids, V)`: `dy` of shape `(..., C)`, `ids` of shape `(...)`, to `dw` of shape `(V, C)`, in the dtype
# of `dy`. Any way that adds is welcome: a loop, a one-hot product, or `np.add.at(a, i, rows)`, which adds each row by itself. About 10 minutes.


# %% tags=["exercise"]
def embedding_backward(dy, ids, V):
    raise NotImplementedError  # your code


check("07.embedding_backward", embedding_backward)

# %% [markdown]
# HINTS 07.embedding_backward
#
# ## Position: where a token stands
#
# `y = w[ids]` gives a token the same row wherever it stands. Many ways to combine rows do not care about order: a sum, a mean, and
# (lesson 08) the weighted means of attention. **Predict**: do the sums of the rows differ for "cat sat the" and "the
# sat cat"? And if each place adds a row of its own to the token's row, which row is then equal in both texts?

# %%
wpe = np.array([[0.1, 0.0], [0.0, 0.1], [0.2, 0.3], [0.4, 0.0]])  # (block_size, C): one row a place
for words, order in (("cat sat the", [1, 2, 0]), ("the sat cat", [0, 2, 1])):
    x = w[order] + wpe[:3]  # (T, C) + (T, C)
    print(f"{words}: sum {w[order].sum(axis=0)}, rows with position:")
    print(x)

# %% [markdown]
# The sums are equal, as they must be: the same rows in another order. With position only the row of "sat" is equal, which stands
# in the middle of both. So a GPT has a second table, `wpe`, with
# one row for each *position*, and adds it. (`wte` and `wpe` are the usual names: weights of the token
# embedding, of the position embedding.) `wpe` has `block_size` rows, the longest text that the model can read.
#
# ```text
# x[b, t] = wte[ids[b, t]] + wpe[t]           (B, T, C) = (B, T, C) + (T, C): broadcast over B
# ```
#
# Now "cat" in place 0 and "cat" in place 2 are different rows. (The sum over *all* rows would still be equal, since
# addition does not care. But the rows differ, so a layer that looks at each of them can tell.)
#
# The way back of a sum goes to both. `dx` goes to `wte` as above. `wpe[t]` is used by all `B` texts:
#
# ```text
# dwpe[t] = Σ_b dx[b, t]                      (T, C): sum over the broadcast axis
# dwpe[t] = 0 for t ≥ T                       places that no text of the batch reached
# ```
#
# By hand, with the `dy` from above as `dx`: `dwpe[2] = [2, 2] + [1, 1] = [3, 3]`.

# %%
dwpe = np.zeros((4, 2))
dwpe[:3] = dy.sum(axis=0)  # (B, T, C) summed over B
print(dwpe)

# %% [markdown]
# **Predict.** A position is an id too: 0, 1, 2 in each text. So could `embedding_backward` have made `dwpe`?

# %%
places = np.tile(np.arange(3), (2, 1))  # (B, T): [[0, 1, 2], [0, 1, 2]]
print(np.array_equal(ops.embedding_backward(dy, (places, (4, 2))), dwpe))

# %% [markdown]
# Yes: two lookups, one rule. Where it is known that every text has the places 0, 1, 2, …, the sum over `B` is the faster way.
#
# ## What the tables of a real model have learned
#
# The rows of a trained table can be compared. **Cosine similarity**: the product of two rows, number by number, added up, and divided by both lengths.
# It is 1 for the same direction, 0 for orthogonal rows (at a right angle, lesson 06), −1 for opposite ones. The tales
# model has `wte (2048, 224)` and `wpe (240, 224)`.
#
# **Predict.** It was told nothing of meanings, and began with random rows. Take pig, dog, fox, vole, nosy, proud, Ivy, Amy,
# red, purple, said and cried: which of them will have similar rows?


# %%
def cosines(rows):
    unit = rows / np.sqrt((rows * rows).sum(axis=-1, keepdims=True))  # length 1
    return unit @ unit.T  # (n, C) @ (C, n): all pairs


model, tokenizer = tinygpt.load_model()
names = ["pig", "dog", "fox", "vole", "nosy", "proud"]
names += ["Ivy", "Amy", "red", "purple", "said", "cried"]
rows = model.params["wte"][[tokenizer.encode(" " + name)[0] for name in names]]
figure, axes = new_figure(9, 4.6)
draw_heatmap(axes, cosines(rows), names, names)
titles(axes, "Words that stand in the same places get similar rows", "token", "token")
picture(figure, "a heatmap with pairs: pig, dog; fox, vole; nosy, proud; Ivy, Amy; red, purple")

# %% [markdown]
# Animals with animals, characters with characters, names with names. Why? Tokens that stand in the same places,
# between the same words, get nearly the same `dy` again and again, and so nearly the same row. That is also why pig and fox are apart,
# although both are animals: in these tales the heroes are foxes and voles, their friends pigs and dogs. What the rows show is use, not meaning.
#
# **Predict.** And the rows of two *positions*: which ones will be similar?

# %%
similar = cosines(model.params["wpe"])  # (240, 240)
figure, axes = new_figure(9.5, 4.2, columns=2)
marked = [str(t) if t % 40 == 0 else "" for t in range(240)]
draw_heatmap(axes[0], similar, marked, marked)
titles(axes[0], "Neighbours are similar", "position", "position")
apart = range(1, 121)
draw_curves(axes[1], apart, {"": [np.diagonal(similar, k).mean() for k in apart]})
axes[1].axhline(0, color="#8c8c8c", linewidth=1)
titles(axes[1], "Near places are alike, others not", "distance in tokens", "mean cosine similarity")
picture(figure, "blue along the diagonal; mean similarity falls from 0.7 at distance 1 to 0 at 25")

# %% [markdown]
# Nobody told the model that position 7 is beside position 8: its table began with random rows. Training made neighbours alike,
# probably because what comes next depends on how far the tale has come, and hardly on the exact place.
#
# Other ways to say where a token stands: fixed waves of many lengths in place of a learned table (the first
# Transformer), or turning the vectors inside attention by an angle that grows with the place (rotary embeddings, RoPE). They
# are defined for every place, also beyond `block_size`, where a learned table ends.
#
# ## The library's version beside yours
#
# | in the library | why | what it gains |
# |---|---|---|
# | `scatter_add`, which is `np.add.at` (CuPy has its own) | adds each row by itself, so repeated ids count | no `(N, V)` one-hot: 16 texts of 240 tokens and `V = 2048` would be 7.9 million numbers, nearly all 0 |
# | the cache is `ids` and the shape of `w` | backward needs no number of the table | nothing large is kept |
# | `out=`, `accumulate=True` | adds into a gradient that exists | the table is used twice in a GPT, here and for the logits (lesson 09): the second gradient is added in place |

# %%
print(inspect.getsource(ops.embedding_forward))
print(inspect.getsource(ops.embedding_backward))
print(inspect.getsource(tinygpt.backend.scatter_add))
check("07.embedding_backward",
      lambda dy, ids, V: ops.embedding_backward(dy, (ids, (V, dy.shape[-1]))))  # fmt: skip

# %% [markdown]
# ## Three lines to remember
#
# - An embedding is a lookup, `w[ids]`; to think about it, see a one-hot row times a table.
# - Backward, each place adds its row of `dy` to its token's row of `dw`. Added, never overwritten.
# - Position is a second lookup, added to the first; its gradient is summed over the texts.
#
# **You can now** write the first box of a GPT, forward and backward, explain why `dw[ids] += dy` is wrong and which test finds it, and
# read from a trained table what the model has found alike.
#
# **To read.** Bengio et al., *A Neural Probabilistic Language Model* (2003), section 2, the first learned word table; Vaswani et
# al., *Attention Is All You Need* (2017), sections 3.4 and 3.5; Su et al., *RoFormer* (2021), section 3.2; in NumPy's
# manual the page of `ufunc.at`. In the library: `tinygpt/ops/embedding.py`, and `forward` and `backward` in
# `tinygpt/model.py`. Next: lesson 08, attention.
