# %% [markdown]
# # 16 · Look inside, and an experiment of your own
#
# You will find the two heads that a trained GPT needs to know who is who, prove it by cutting them out, and then
# do an experiment whose result nobody has told you, honestly enough that others can believe it.
#
# 60 minutes, 20 of them for the exercises, and then an hour for your experiment. You need: [08](08_attention.ipynb) (heads),
# [09](09_block_and_gpt.ipynb) (the GPT) and [11](11_training_for_real.ipynb) (training).

# %%
import math
import re

import numpy as np
import style
from style import draw_bars, draw_curves, draw_heatmap, draw_map, new_figure, picture, titles

from tinygpt import GPT, ModelConfig, check, load_model, ops, optim
from tinygpt.lesson_checks import find_check
from tinygpt.params import decayed_count, views
from tinygpt.tales import grammar_of_tales
from tinygpt.threads import WorkerPool
from tinygpt.transformer import mlp_forward

draw_map("look inside")

# %% [markdown]
# ## Part one: who knows the name?
#
# In lesson 08 you saw a head that looks right behind the name when the name is to come again. That was one tale and
# one picture, and to *look* at something is not yet to *use* it. Three questions, each with its method:
#
# | question | method | what you write |
# |---|---|---|
# | *when* does the model know? | **logit lens**: ask every layer for its answer | |
# | *who* looks? | a score for every head, over many places | `head_score` |
# | *who is needed*? | **ablation**: cut a head out, measure what gets worse | `ablate_head` |
#
# You need many places where a name comes again. The grammar that writes the tales knows them: it notes for every
# piece of text which variable, the hero or the friend, stands there. `at` holds the positions `i` for which token
# `i + 1` begins a name that was there before.

# %%
model, tokenizer = load_model()


def tale_with_names(rng):
    tale, at, seen, letters = grammar_of_tales().write(rng), [], set(), 0
    ids = np.array([tokenizer.eot_id, *tokenizer.encode(tale.text)])  # (T,)
    ends = np.cumsum([len(tokenizer.decode([i])) for i in ids[1:]])
    for piece in tale.pieces:
        if piece.variable in ("hero", "friend") and piece.form == "name":
            if piece.variable in seen:
                at.append(int(np.searchsorted(ends, letters, side="right")))
            seen.add(piece.variable)
        letters += len(piece.text)
    return ids, np.array(at)


# %% [markdown]
# ## When does it know? The logit lens
#
# Every block only *adds* to `x` (lesson 09), so there is one stream from the embedding to the end:
#
# ```text
# x0 = embedding of token and position                            (T, C)
# x1 = x0 + what block 0 adds, … , x4 = x3 + what block 3 adds    (T, C) each; L = 4 blocks
# logits = LayerNorm(x4) @ wteᵀ                                   (T, C) @ (C, V) = (T, V)
# ```
#
# The last line was trained for `x4`, but its shape fits every `xl`. The **logit lens** pretends that the model ends
# after `l` blocks: `LayerNorm(xl) @ wteᵀ`. The forward pass is written out here once more, in your own hands, so that
# you can look at it and change it: `heads_of` gives what the heads of a block have found, side by side, and their weights.
#
# **Predict before you run.** The lens reads one place of a tale at which a name is due. At which layer does the right name come up: little by
# little, or at once? And what does a layer say that does not know it yet?


# %%
H, C = model.config.n_head, model.config.n_embd  # 7 heads of D = 32 channels: C = 224
D, softmax = C // H, lambda x: ops.softmax_forward(x)[0]
linear = lambda y, w, b: ops.linear_forward(y, w, b)[0]
norm = lambda x, p: ops.layernorm_forward(x, **p)[0]


def heads_of(x, p):
    """x (T, C) -> y (T, C), the heads' results side by side, and weights (H, T, T)"""
    T = len(x)
    qkv = linear(norm(x, p["ln1"]), **p["attn"]["qkv"])  # (T, 3C)
    q, k, v = qkv.reshape(T, 3, H, D).transpose(1, 2, 0, 3)  # (H, T, D) each
    mask = np.triu(np.full((T, T), -np.inf, x.dtype), k=1)
    weights = softmax(q @ k.swapaxes(1, 2) / np.float32(math.sqrt(D)) + mask)
    return (weights @ v).transpose(1, 0, 2).reshape(T, C), weights


# %%
def block(x, p, project=linear):
    x = x + project(heads_of(x, p)[0], **p["attn"]["proj"])
    return x + mlp_forward(norm(x, p["ln2"]), p["mlp"])[0]  # lesson 09


def lens(x):
    return norm(x, model.params["lnf"]) @ model.params["wte"].T  # (T, V)


def streams_of(ids):
    streams = [model.params["wte"][ids] + model.params["wpe"][: len(ids)]]  # x0
    for p in model.params["h"]:
        streams.append(block(streams[-1], p))
    return streams  # x0 … x4


# %%
rng = np.random.default_rng(16)
tales = [tale_with_names(rng) for _ in range(8)]
every = [(ids, at, streams_of(ids)) for ids, at in tales]  # for each: (T,), (n,), five of (T, C)
ids, at, streams = every[0]
same = np.allclose(lens(streams[4]), model.forward(ids[None])[0][0], atol=1e-3)
print(f"names again in eight tales: {sum(len(at) for _, at in tales)}; as the model: {same}")
print("the text so far: …", tokenizer.decode(ids[at[-1] - 50 : at[-1] + 1].tolist()))
for l, x in enumerate(streams):
    p = softmax(lens(x[at[-1]]))
    best = p.argsort()[::-1][:3]
    print(f"x{l}:", ", ".join(f"{tokenizer.decode([i])!r} {p[i]:.2f}" for i in best))


# %%
def losses(x, ids):
    """The loss of every token but the first, from the stream x.   (T - 1,)"""
    p = softmax(lens(x[:-1]).astype(np.float64))
    return -np.log(p[np.arange(len(ids) - 1), ids[1:]])


def at_names_and_elsewhere(rows):
    """Mean over the names that come again, and over all other tokens; a row is one tale's."""
    here = [np.isin(np.arange(len(row)), at) for row, (_, at) in zip(rows, tales, strict=True)]
    rows, here = np.concatenate(rows), np.concatenate(here)
    return rows[here].mean(), rows[~here].mean()


by_layer = [at_names_and_elsewhere([losses(s[l], ids) for ids, _, s in every]) for l in range(5)]
by_layer = np.array(by_layer)  # (L + 1, 2)

# %%
print("names that come again:", by_layer[1:, 0].round(1), " all else:", by_layer[1:, 1].round(1))
figure, axes = new_figure(8.5, 3.4)
draw_curves(axes, [1, 2, 3, 4], {"names again": by_layer[1:, 0], "all else": by_layer[1:, 1]})
axes.axhline(math.log(52), color=style.GREY, linewidth=1)
axes.text(4, 4.05, "ln 52: one of 52 names, but which?", fontsize=11, ha="right")
axes.set_xticks([1, 2, 3, 4], ["x1", "x2", "x3", "x4"])
titles(axes, "The last block finds the name, all at once", "what the lens reads", "loss in nats")
picture(figure, "names: near ln 52 = 3.95 up to x3, 0 at x4; all else falls slowly")

# %% [markdown]
# The tokens at large become better known layer by layer. The names do not: `x3` pays about `ln 52` for them (the tales have 26 heroes and
# 26 friends), as if to say "a name comes, and I have no idea whose". Then one block pays the whole debt. (`x0`, left out of the picture,
# answers with the token itself: it has nothing else to say.) So the head that you seek is in block 3. Which of its seven?
#
# ## Who looks? A score for every head
#
# From position `i`, the answer is token `i + 1`. Count a head's weight on where the same token stood before; and, since lesson 08 saw
# a head look *behind* the name, also one place further. By hand, with `i = 4`:
#
# ```text
# j        0     1     2     3     4     5
# token    Ivy   the   fox   ran   ,     Ivy       the answer is token 5, Ivy: it stood at j = 0
# weight   0.1   0.6   0.1   0.1   0.1   0         row i = 4 of p, sum 1
#
# shift 0: where ids[j] = ids[i+1]:       j = 0,     score 0.1        looks at the mention
# shift 1: where ids[j − 1] = ids[i+1]:   j = 1,     score 0.6        looks right behind it
# ```
#
# With several mentions the weights add up; over many positions, the mean is taken:
#
# ```text
# score[h] = mean over i in `at` of  Σ_j p[h, i, j] · [ids[j − shift] = ids[i + 1]]
# (H,)                                   p (H, T, T)
# ```
#
# [·] is 1 where it holds, else 0; for `j < shift` there is no token `j − shift`, and nothing is counted.
#
# ## Exercise 1: head_score
#
# Write `head_score(p, ids, at, shift)`: weights `(H, T, T)`, ids `(T,)`, positions `at (n,)`, and `shift`, 0 or more, to scores `(H,)`. 10 minutes.


# %% tags=["exercise"]
def head_score(p, ids, at, shift):
    raise NotImplementedError  # your code


check("16.head_score", head_score)

# %% [markdown]
# HINTS 16.head_score
#
# **Predict.** Of 28 heads, how many have a high score, and for which shift? (The check's own `head_score` is used from here on.)

# %%
check("16.head_score", head_score := find_check("16.head_score").library)
scores = np.zeros((3, 4, H))  # shift, block, head
for shift, l in np.ndindex(3, 4):
    each = [head_score(heads_of(s[l], model.params["h"][l])[1], *tale, shift) for *tale, s in every]
    scores[shift, l] = np.mean(each, axis=0)
figure, axes = new_figure(9.5, 2.7)
draw_heatmap(axes, np.hstack(scores), [f"block {l}" for l in range(4)], [*range(H)] * 3)
for x in (6.5, 13.5):
    axes.axvline(x, color=style.INK)
what = "head:    on the name    |    one place behind it    |    two places behind it"
titles(axes, "One head looks right behind the name that comes next", what)
picture(figure, "all heads near 0 but block 3, head 5: 0.46 one place behind, 0.46 two")

# %% [markdown]
# One: from a place where a name is due, block 3, head 5 has nine tenths of its weight one or two places behind the right name, and none on it. But a picture of weights is no proof: a head may look and hand over nothing of use, and a
# head that never looks at a name may still be needed. So:
#
# ## Who is needed? Cut it out
#
# To cut a head out you have to know what it *adds*. The layer's last step is one product, `out = y @ w + b`, with the results of the heads side
# by side in `y`. A product of matrices is a sum over the inner axis, and a sum can be split:
#
# ```text
# out[c] = Σ_k y[k] · w[k,c] + b[c]                  definition of the product; k = 0 … C−1
#        = Σ_h Σ_{k in head h} y[k] · w[k,c] + b[c]  the channels k, sorted by head
# out    = y_0 @ w_0 + y_1 @ w_1 + … + b             of head h: y_h (T, D), its channels
#                                                               w_h (D, C), its rows of w
# ```
#
# So **each head adds its own vector to the stream**, and head `h` adds nothing if its `D` channels of `y` are 0. By hand, `C = 4`, `H = 2`, `D = 2`:
#
# ```text
# y = [1 2 | 3 4]     w = [[1 0 0 0], [0 1 0 0] | [1 1 0 0], [0 0 1 0]]     b = [0 0 0 10]
# head 0 adds  1·[1 0 0 0] + 2·[0 1 0 0] = [1 2 0 0]
# head 1 adds  3·[1 1 0 0] + 4·[0 0 1 0] = [3 3 4 0]
# out                 = [1 2 0 0] + [3 3 4 0] + [0 0 0 10] = [4 5 4 10]
# out without head 1  = [1 2 0 10]
# ```
#
# **What breaks: cutting behind the mixing.** A mistake that people really make: hook the layer's *output* and set the channels of the head to 0
# there. **Predict** what is left of `[4 5 4 10]` without "head 1", and whose work is then lost.


# %%
def cut_behind_the_mixing(y, w, b, n_head, h):
    D = y.shape[-1] // n_head
    out = linear(y, w, b)
    out[..., h * D : (h + 1) * D] = 0
    return out


check("16.ablate_head", cut_behind_the_mixing)

# %% [markdown]
# `[4 5 0 0]`: of head 1 the 4 is gone, its 3 and 3 are still there, and the bias, which is nobody's, is lost with it. (The check begins with head 0, and there it
# is head 1 that pays: its 3 and 3 are gone.) In a real layer every head writes into every channel, so a piece of each is lost, and most of the one that was meant stays. The shape is right, the loss rises, a table of rises
# comes out, and all of it means nothing: no head was ever cut. The check knows the right sum, and tells where the cut went.
#
# ## Exercise 2: ablate_head
#
# Write `ablate_head(y, w, b, n_head, h)`: `y (..., C)`, `w (C, C)`, `b (C,)` to the output `(..., C)` without what head `h` adds. 5 minutes.


# %% tags=["exercise"]
def ablate_head(y, w, b, n_head, h):
    raise NotImplementedError  # your code


check("16.ablate_head", ablate_head)

# %% [markdown]
# HINTS 16.ablate_head
#
# Now every one of the 28 heads is cut out, one at a time, and the loss measured on the same eight tales: on names that come again, and on all else.
#
# **Predict.** Block 3, head 5 looks behind the name. How many heads are needed for names? And what, *behind* a name, is there to be found?

# %%
ablate_head = find_check("16.ablate_head").library


def rise(l, h):
    """How much the loss rises, at names and elsewhere, when head h of block l adds nothing."""
    rows = []
    for ids, _, s in every:
        x = block(s[l], model.params["h"][l], lambda y, w, b: ablate_head(y, w, b, H, h))
        for p in model.params["h"][l + 1 :]:
            x = block(x, p)
        rows.append(losses(x, ids) - losses(s[-1], ids))
    return at_names_and_elsewhere(rows)


rises = np.array([[rise(l, h) for h in range(H)] for l in range(4)])  # (L, H, 2)

# %%
check("16.ablate_head", ablate_head)
for l, h in np.argwhere(rises[:, :, 0] > 1):
    print(f"block {l}, head {h}: names +{rises[l, h, 0]:.1f} nats, all else +{rises[l, h, 1]:.1f}")
found = []
for ids, at, s in every:
    p0, p3 = (heads_of(s[l], model.params["h"][l])[1] for l in (0, 3))
    for i in at:
        row = p0[:, p3[5, i].argmax()]  # (H, T), from where block 3, head 5 looks most
        found.append(row[:, ids == ids[i + 1]].sum(axis=-1))  # (H,)
print("block 0, from there on the name:", np.mean(found, 0).round(1))
figure, axes = new_figure(9.5, 2.7)
draw_heatmap(axes, np.hstack(rises.round(2).transpose(2, 0, 1) + 0.0), range(4), [*range(H)] * 2)
axes.axvline(6.5, color=style.INK)
titles(axes, "Two heads carry the names", "head cut out:    names   |   all else", "block")
picture(figure, "rise of the loss at names: 4.6 for block 0 head 6, 4.8 for block 3 head 5, else 0")

# %% [markdown]
# (The table: rise of the loss in nats; left the names, right all else.) Two heads of 28. Block 3, head 5 you knew. **Block 0, head 6 had no score at all**: it does not look at a name from where
# a name is due. A guess: it works earlier in the text. At the tokens right behind a name it fetches the name and writes it into the stream there, and *that* is what block 3, head 5 finds. A guess can be
# tested: go to the places at which head 5 looks, and see on what the heads of block 0 have *their* weight there. That is the last line: head 6 has 0.7 of it on the name, the others 0.1 or so. Two heads, one **circuit**; the score saw half of it, the cut saw both.
#
# (A rise above `ln 52 = 3.95`, the price of an even guess: without its heads the model is not unsure, it is sure of a wrong name.)
#
# What may you say now? That *this* model, on *these* tales, needs these two heads for names. Be careful with the rest. A head whose cut costs nothing may be
# one of two that do the same. And 0 is a value that the blocks above have never met: part of a rise may be surprise, not loss of
# knowledge. Where that matters, one puts the head's *mean* result in its place.
#
# ## Part two: an experiment of your own
#
# A cut asks what a *trained* model uses. What does a model *need*? For that you change one thing, train anew, and compare: that too is called an
# **ablation**, and it is how most claims about GPTs are made. Most mistakes in them are these six:
#
# | rule | because |
# |---|---|
# | **one change** | with two, you do not know which it was |
# | **write the prediction first** | afterwards everything was clear all along |
# | **same seeds, same budget** | the same weights and batches at the start; as many steps for both |
# | **several seeds, all shown** | two seeds of the *same* model differ, too: a difference has to be larger than that |
# | **a control that must show** | if your measure cannot see a change that surely hurts, it cannot see yours |
# | **report what did not work** | ten trials of which one is told are one lucky draw |
#
# To afford many runs you take a small world: one plot of the grammar, with eight words of each kind (four days), cut into whole words and signs. Each story has 40 tokens, and what a
# perfect model loses, **the floor** (lesson 11), is known exactly. By hand: six words, each one of 8, a day, one of 4, and one of two orders, all equally likely:
#
# ```text
# (6 · ln 8 + ln 4 + ln 2) / 40 = (12.477 + 1.386 + 0.693) / 40 = 0.3639 nats per token
# ```

# %%
from tinygpt.tales.grammar import Grammar
from tinygpt.tales.words import CATEGORIES

PLOT = """
{hero=hero} the {kind=animal} had a {look=look} {thing=thing}.
[Last {day=day} {hero.he} lost it|{hero.He} lost it last {day=day}].
{friend=friend} the {kin=beast} found it.
"Is this the {look} {thing}?" asked {friend}.
"Yes," said {hero} the {kind}.
"""
names = ("hero", "friend", "animal", "beast", "look", "thing", "day")
words = {n: [w for w in CATEGORIES[n] if " " not in w.forms["name"]][-17:-9] for n in names}
words["day"] = CATEGORIES["day"][:4]
small = Grammar({"lost": PLOT}, {}, words)

# %%
rng = np.random.default_rng(0)
stories = [small.write(rng).text for _ in range(4224)]
cut_up = [re.findall(r"\w+|[^\w\s]", story) for story in stories]  # words and signs
vocabulary = [".", *sorted({word for story in cut_up for word in story} - {"."})]
number = {word: i for i, word in enumerate(vocabulary)}
rows = np.array([[0, *(number[word] for word in story)] for story in cut_up])  # (4224, 41)
learnt, held_out = rows[:4096], rows[4096:]
floor = small.entropy() / 40
print(stories[0])
print(f"{len(vocabulary)} words; floor {floor:.4f} nats per token")

# %% [markdown]
# The stories choose seven words (`hero`, `kind`, …) and then have to keep to them: six words, from "he" to the last "fox", are known only to those who look back. A tiny GPT: two blocks, four heads, 32 channels. *A part whose numbers are 0 and stay 0 is cut out of the training*: position
# embeddings, or what a layer adds. So one function serves for many changes. It counts in float64, in which
# all machines agree to many digits.


# %%
def keep_at_0(tree, cut):
    """Set to 0 what a change cuts out of a tree: of parameters, or of gradients."""
    layer = {"attention": "attn", "MLP": "mlp"}.get(cut)
    arrays = [a for b in tree["h"] for a in b[layer]["proj"].values()] if layer else []
    for array in [tree["wpe"]] if cut == "positions" else arrays:
        array[...] = 0


def begin(seed, n_layer, n_head, n_embd, cut, decay):
    config = ModelConfig(len(vocabulary), 40, n_layer, n_head, n_embd)
    model, n = GPT(config, seed=seed, dtype=np.float64), decayed_count(config)
    model.flat[:n] *= 8  # GPT-2's 0.02 is for wide models; 0.16 ≈ 1/√32
    keep_at_0(model.params, cut)
    return model, optim.AdamW(model.flat.size, n, dtype=np.float64, weight_decay=decay)


# %%
def train(seed, n_layer=2, n_head=4, n_embd=32, cut=None, decay=0.1, steps=400, lr=0.004):
    model, memory = begin(seed, n_layer, n_head, n_embd, cut, decay)
    grads, rng, curve = np.zeros_like(model.flat), np.random.default_rng(seed), []
    tree = views(grads, model.config)
    for step in range(steps):
        if step % 20 == 0 or step == steps - 1:
            curve.append(model.loss(held_out[:, :-1], held_out[:, 1:]) - floor)
        ids = learnt[rng.integers(0, len(learnt), 16)]
        model.loss_and_gradients(ids[:, :-1], ids[:, 1:], tree)
        keep_at_0(tree, cut)
        rate = optim.lr_at(step, lr=lr, min_lr=lr / 10, warmup=20, steps=steps)
        scale = optim.clip_factor(math.sqrt(grads @ grads), 1.0)
        memory.begin_step()
        memory.update(model.flat, grads, rate, scale=scale, part=slice(None))
    return curve, model


# %% [markdown]
# Five changes against one baseline, three seeds each, 18 runs. Now the predictions. **Predict**, and write it down with a number: how far above the floor does each
# end, if the baseline ends at 0.04?
#
# | change | above the baseline, a prediction that sounds good | its reason |
# |---|---|---|
# | no attention (the control) | +0.3 or more | nobody can look back: every repeated word is a guess |
# | no positions | +0.1 or more | "the" comes four times: which of them is this? |
# | one head in place of four | +0.05 | several questions at once |
# | no MLP | +0.1 | two thirds of the blocks' parameters |
# | no weight decay | 0 | 400 steps are too few to overfit |

# %%
CHANGES = {"baseline": {}, "no attention": {"cut": "attention"}, "no positions": {"cut": "positions"},
           "one head": {"n_head": 1}, "no MLP": {"cut": "MLP"}, "no decay": {"decay": 0.0}}  # fmt: skip
todo = [(name, seed) for name in CHANGES for seed in (0, 1, 2)]
with WorkerPool(2) as pool:  # two runs side by side
    done = pool.map(lambda job: train(job[1], **CHANGES[job[0]]), todo)
x = [*range(0, 400, 20), 399]
runs = {job: curve for job, (curve, _) in zip(todo, done, strict=True)}
trained = {job: model for job, (_, model) in zip(todo, done, strict=True)}

# %%
figure, axes = new_figure(9.5, 5.6, rows=2, columns=3)
for a, name in zip(axes, list(CHANGES)[1:], strict=False):
    for seed in (0, 1, 2):
        a.plot(x, runs["baseline", seed], color=style.GREY, linewidth=1.5)
        a.plot(x, runs[name, seed], color=style.RED, linewidth=1.5, linestyle="--")
    a.axhline(0, color=style.INK, linewidth=1)
    a.set_ylim(-0.02, 0.5)
    titles(a, name, "step", "nats above the floor")
legend = "grey: the baseline\nred, dashed: the change\nthree seeds each\nblack: the floor"
axes[5].text(0, 0.4, legend, fontsize=11)
axes[5].axis("off")
figure.suptitle("Only without attention is there a gap that no seed closes", fontsize=13, x=0.31)
picture(
    figure, "five panels, three grey and three red curves each: only no attention stays at 0.29"
)

# %% [markdown]
# Look at the *grey* curves first: the same model, three times, and at step 200 they lie far apart, one at 0.04 and two near 0.18. Looking back is learned suddenly, and the seed decides when. Whoever
# compares one run with one run compares two lucky numbers.
#
# ## How large is larger than the seeds?
#
# Two runs with the same seed share their first weights (where the shapes are the same) and their batches. What those do to both cancels in the *difference*, so subtract seed by seed, first. By hand,
# three seeds:
#
# ```text
# changed      0.50   0.90   0.75        spread of these alone: 0.20
# baseline     0.40   0.70   0.60        and of these:          0.15    they overlap
# difference   0.10   0.20   0.15        mean 0.15
# minus mean  −0.05   0.05   0.00        squares 0.0025 + 0.0025 + 0 = 0.005
# spread       √(0.005 / (3 − 1)) = 0.05
# ```
#
# The **spread** is the standard deviation with `n − 1` below, since the mean was made of the same numbers. Is 0.15 more than chance? Student's t, from any book of statistics,
# says for three seeds: if the change did nothing (and differences are bell-shaped), the mean is more than **2.5 spreads** away from 0 once in twenty times. `0.15 > 2.5 · 0.05 = 0.125`: *shown*. Said otherwise: the true difference lies in the **range** `0.15 ± 0.125`, from 0.025 to 0.275, a statement that is right nineteen times in twenty; 0 is not in it. And if all three differences have the same sign? That comes by chance in 2 of 8 cases: it shows nothing.
#
# ## Exercise 3: paired
#
# Write `paired(changed, baseline)`: two lists of `n` losses, the same seeds in the same order, to two numbers: mean and spread of changed minus baseline. 5 minutes.


# %% tags=["exercise"]
def paired(changed, baseline):
    raise NotImplementedError  # your code


check("16.paired", paired)

# %% [markdown]
# HINTS 16.paired
#
# **Predict.** Which of the five changes is shown?

# %%
paired = find_check("16.paired").library
check("16.paired", paired)
end = {name: [runs[name, seed][-1] for seed in (0, 1, 2)] for name in CHANGES}
print("baseline, nats above the floor:", np.round(end["baseline"], 3))
print("change - baseline, seed by seed        mean    range")
for name in list(CHANGES)[1:]:
    mean, spread = paired(end[name], end["baseline"])
    low, high = mean - 2.5 * spread, mean + 2.5 * spread
    seeds = " ".join(f"{a - b:+.3f}" for a, b in zip(end[name], end["baseline"], strict=True))
    shown = "not shown" if low < 0 < high else "shown"
    print(f"{name:13} {seeds}    {mean:+.3f}  {low:+.2f} to {high:+.2f}  {shown}")

# %% [markdown]
# The control is shown: the measure can see. (It costs 0.25; even there the prediction, 0.3 or more, was too high, though the range reaches it.) Of the other four, none is. All three seeds are better without decay, and yet: same signs come by chance in 2 of 8 cases, the differences are
# small, and four changes were tried. A *negative result* is not nothing, it is a range. "No MLP" may be anything from −0.08 to +0.07, so the prediction "+0.1 or more" is refuted. For "no positions" the range
# goes a little beyond 0.1: three seeds cannot even say that, though they exclude 0.2. What would? The range shrinks like 1/√n with more seeds, and faster at first.
#
# What went wrong with the prediction "nobody can tell one *the* from another"? It is a good reason, and reasons are cheap: that is why one runs the experiment.
#
# ## What a model uses is not what it needs
#
# Trained without positions, the model ends within the noise of the baseline. Does the baseline, then, make no use of its own? **Predict**: take the three *trained* baselines, set
# their position embeddings to 0, and measure.

# %%
after = []
for seed in (0, 1, 2):
    trained["baseline", seed].params["wpe"][...] = 0
    loss = trained["baseline", seed].loss(held_out[:, :-1], held_out[:, 1:])
    after.append(loss - floor)
print("positions taken from a trained model:", np.round(after, 1))
figure, axes = new_figure(8, 3)
draw_bars(axes, ["trained with", "trained without", "with, then taken away"],
          np.round([np.mean(end["baseline"]), np.mean(end["no positions"]), np.mean(after)], 2))  # fmt: skip
titles(
    axes, "It can do without positions, unless it has learned with them", "", "nats above the floor"
)
picture(figure, "three bars: 0.04, 0.04 and 2.3 nats above the floor")

# %% [markdown]
# Taken away, positions cost more than two nats; never given, less than three seeds can see. A trained model leans on what it has; a model in training finds another way: a
# causal mask alone already tells positions apart, for the first sees one token and the tenth sees ten. So never read a cut as "a model needs this",
# nor a training as "the model does not use this": the two halves of this lesson answer different questions.
#
# ## Half a page: how to write it up
#
# An example: the results are those above, the prediction is that of the table.
#
# > **Question.** Does a GPT of two blocks need position embeddings, on the small stories?
# >
# > **Prediction** (written before the runs). Yes: 0.1 nats or more above the baseline, since it cannot tell one "the" from another.
# >
# > **Method.** One change: the position embeddings are 0 and stay 0. All else the same: 2 blocks, 4 heads, 32 channels, 400 steps of 16 stories, AdamW at 0.004, seeds 0, 1, 2. Measure, chosen before: loss on 128 stories never trained on, above the
# > exact floor of 0.3639 nats, at the last step. Control: no attention.
# >
# > **Result.** Not shown. Change minus baseline, seed by seed: +0.023, +0.033, −0.050; mean +0.002, spread 0.045, range −0.11 to +0.12; the baseline itself ends between 0.013 and 0.070. The control is shown: +0.249, spread 0.027. My prediction of 0.1 was wrong for each of the
# > seeds, though the range does not quite exclude it. I tried four changes besides the control, and none was shown. Seen on the way, not predicted: taken from *trained* models, positions cost 2.1 to 2.4 nats.
# >
# > **What would change my mind.** Ten seeds whose range lies wholly above 0; or stories longer than 40 tokens, or with less fixed an order, where counting what came before does not help.
#
# ## The rubric
#
# Your turn: a question of your own, one page at most, half a page is better. A reader gives points; ask a friend, or come back after a week and be that reader.
#
# | part | points | full marks if |
# |---|---|---|
# | Question | 3 | one change, and a measure that can answer it; one sentence |
# | Prediction | 3 | a number or a sign, with a reason, written before the runs and not changed after |
# | Method | 5 | another could repeat it from your words: one change, the same seeds and budget, three seeds or more, a control, the measure chosen before |
# | Result | 5 | all seeds shown, mean and spread, the curves against the floor, a picture whose title is its message; what did not work is told |
# | What would change my mind | 2 | an observation that you could make, and that would turn your conclusion |
# | Words | 2 | half a page, plain; nothing claimed beyond the model, the data and the steps that you ran |
#
# 20 points. A prediction that turned out wrong loses none: it is the most valuable line of the page. Nor is it dishonest to look around first; but then say so, and run the experiment on *fresh* seeds. (So let it be said: the learning rate and the factor 8 of this lesson were found by trying, on nearly the same stories and with these seeds. Seeds 3 to 9 are fresh: a good first experiment.)
#
# Questions to begin with: one block in place of two (`{"n_layer": 1}`)? Half the channels, or a learning rate twice as high, and is the comparison then fair? No MLP *and* no positions,
# against each alone? Which seeds learn late, and what do their first curves have in common? Or, with more work: no LayerNorm, no residual (copy `block_forward` and `block_backward` of `tinygpt/transformer.py`, and
# check your gradients first).

# %%
MINE = None  # your change, for example {"n_layer": 1}; first write down what you expect!
if MINE is not None:
    mine = [train(seed, **MINE)[0] for seed in (0, 1, 2)]
    print("mean and spread:", paired([curve[-1] for curve in mine], end["baseline"]))
    figure, axes = new_figure(8, 3.4)
    for seed, curve in enumerate(mine):
        axes.plot(x, runs["baseline", seed], color=style.GREY)
        axes.plot(x, curve, color=style.RED, linestyle="--")
    titles(axes, "Your message here", "step", "nats above the floor")
    display(picture(figure, "your curves"))  # noqa: F821

# %% [markdown]
# ## The library's version beside yours
#
# | yours | in the library | why, and what it gains |
# |---|---|---|
# | `heads_of`, with all weights kept | `attention_forward` in `tinygpt/transformer.py` | it need not show the weights, and is free to keep less |
# | the weights of a block's heads, for one text | `attention_maps` in `tinygpt/inspection.py` | it takes them out of what forward keeps for backward: no second forward pass that could differ; the playground draws them |
# | loss with a head cut, 28 times | `tinygpt.evaluate` | the same loss over whole files, with windows, threads and the floor |
# | `train`, in one function | `tinygpt/training.py`, `tinygpt/parallel.py` | saves, resumes, shares the batch among threads, draws the curve against the floor |
# | a change by a 0 that stays | settings: `--n-head 1`, `--weight-decay 0`, `--seed 1` | `python -m tinygpt.train --help` lists all that you may change without code |
# | `head_score`, `ablate_head`, `paired` | `tinygpt/lesson_checks/c16.py` | the library shows where a model looks (`attention_maps`) and which tokens a loss pulls on (`loss_pulls`); scores and cuts are for experiments, and stand with their checks, for any axes in front |
#
# ## Three lines to remember
#
# - Each head adds its own vector to one stream: read the stream at any layer, cut any head, and measure what gets worse.
# - To look is not to use, and to use is not to need: weights, cuts and trainings answer three different questions.
# - One change, prediction first, same seeds and budget, all seeds shown; a difference counts if it is larger than what seeds do by themselves.
#
# ## The end of the course
#
# **You can now** build a GPT from arrays, derive every gradient in it and check it, train it, resume it, sample from it, make it fast, serve it, look inside it, and say
# what you found so that others can believe you. No box on the map is closed to you any more.
#
# **To read, to go on.** *Looking inside*: Elhage et al., *A Mathematical Framework for Transformer Circuits* (2021), "Virtual weights and the residual stream" and "Two-layer attention-only transformers"; Olsson et al.,
# *In-context Learning and Induction Heads* (2022), the argument on ablations; nostalgebraist, *interpreting GPT: the logit lens* (2020); Michel, Levy and Neubig, *Are Sixteen Heads Really Better than One?* (2019), section 3:
# most heads can be cut. *Positions*: Haviv et al., *Transformer Language Models without Positional Encodings Still Learn Positional Information* (2022), sections 4 and 5. *Experiments*: Dodge et al.,
# *Show Your Work* (2019), section 3; Bouthillier et al., *Accounting for Variance in Machine Learning Benchmarks* (2021), section 2. *Larger*: Kaplan et al., *Scaling Laws for Neural Language Models* (2020), section 3; Hoffmann et
# al., *Training Compute-Optimal Large Language Models* (2022), section 3. Then read `tinygpt/` itself, from `model.py` down: what it stands on, you have built.
