# %% [markdown]
# # 11 · Training for real: overfit a batch, evaluate, save, resume
#
# You will write the loop that trains a GPT, and the two functions that let it stop today and go on tomorrow as if it had
# never stopped. In between you learn to read a loss: what is good, what is noise, what is too good to be true.
#
# 60 minutes, 30 of them for the exercises. You need: [09](09_block_and_gpt.ipynb) (the GPT, forward and backward) and [10](10_adamw_clipping_schedule.ipynb) (AdamW, clipping,
# schedule). This notebook trains several models, so it takes about half a minute to run.

# %%
import tempfile
from collections import Counter

import numpy as np
from style import BLUE, GREEN, GREY, INK, RED, draw_curves, draw_map, new_figure, picture, titles

from tinygpt import GPT, ModelConfig, check, data, generate_batch, optim, parallel, params
from tinygpt.evaluation import evaluate_loss
from tinygpt.lesson_checks import c11
from tinygpt.tales import grammar, rules, words
from tinygpt.tokenizers.bpe import BPETokenizer

draw_map("training loop")

# %% [markdown]
# The orange box is where you are: all other boxes are ready, and now they run, again and again.
#
# ## A text whose best loss is known
#
# On most texts nobody knows how low the loss can go. Is 1.5 good? To learn to read a loss we take a text written by a **grammar**: rules
# with free choices. Then the probability of every text is known. A tiny grammar, by hand: an animal, one of four, and a verb, one of
# two, then the text ends. All choices are equally likely:
#
# ```text
# "fox ran"     p = 1/4 · 1/2 = 1/8             −ln p = ln 4 + ln 2 = 1.386 + 0.693 = 2.079 nats
# a perfect model pays   fox: ln 4 = 1.386      ran: ln 2 = 0.693      end of text: ln 1 = 0
# per token              2.079 / 3 = 0.693      three tokens, the end of text is one
# ```
#
# The mean of `−ln p` over all texts of the grammar is its **entropy**; per token it is **the floor**. Here every text costs 2.079. No
# model, with whatever probabilities `q`, pays less than the true `p` on average. Line by line, sums over all texts:
#
# ```text
# Σ p·(−ln q) − Σ p·(−ln p) = −Σ p·ln(q/p)              ln a − ln b = ln(a/b)
#                           ≥ −Σ p·(q/p − 1)            ln z ≤ z − 1: tangent at 1 lies above ln
#                           = 1 − Σ q                   p·(q/p) = q, and the p sum to 1
#                           ≥ 0                         the q sum to 1 at most
# ```
#
# The tales of tinygpt come from such a grammar. Ours here are short ones, of three sentences. In a rule `[a|b]` is a choice, `<open>` another rule
# (of the large grammar: how a tale begins), `{friend=friend}` draws a word of the kind *friend* and remembers it, `{friend}` says it again, and
# `{hero.His}` is *His* or *Her*, as the hero's name asks for. `Grammar` takes the tale, the rules and the words; what it writes knows its `text` and its
# `log_prob`, `ln p`.

# %%
tiny = grammar.Grammar({"": "[cat|dog|fox|hen] [sat|ran]"}, {}, {})
print(f"by hand 2.079, computed {tiny.entropy():.3f}")
TALE = """<open>
{hero.His} <pal> was {friend=friend} the {kin=beast}.
[In {home.the}, {hero} and {friend} <did>.|That night {friend} <did> with {hero} in {home.the}.]"""
did = {"did": "[sang|danced|cooked|told jokes]"}
tales = grammar.Grammar({"": TALE}, rules.RULES | did, words.CATEGORIES)
rng = np.random.default_rng(0)
val_tales = [tales.write(rng) for _ in range(200)]  # validation: never trained on
train_tales = [tales.write(rng) for _ in range(4000)]
for tale in val_tales[:3]:
    print(tale.text)

# %% [markdown]
# The second sentence begins with *His* or *Her*; the third takes up both names and the home. A model that has not learned to look back
# (lesson 08) cannot know them.
#
# Now tokens and windows (lessons 01, 02). Every tale ends with the end-of-text token. A training window begins where a tale begins and is `T = 48`
# tokens long, so the model sees each tale from its start. `batch(step)` draws its windows with a generator made of the seed and
# the step, and of nothing else; you will see why. `new_run` makes a model and its optimizer, in float64 for the small runs, whose printed
# numbers are then the same on every machine. The floor is what the 200 validation tales cost a model that knows the grammar.

# %%
tokenizer = BPETokenizer.from_text([tale.text for tale in train_tales], vocab_size=1024)
eot, T = tokenizer.eot_id, 48


def encode(written):  # each with end-of-text at both ends: one to begin from, one to predict
    return [np.array([eot, *tokenizer.encode(tale.text), eot]) for tale in written]


train_ids, val_ids = encode(train_tales), encode(val_tales)
floor = -sum(tale.log_prob for tale in val_tales) / sum(len(ids) - 1 for ids in val_ids)
longest = max(map(len, train_ids + val_ids))
print(f"{tokenizer.vocab_size} tokens known, longest tale {longest} tokens")
print(f"knowing nothing {np.log(tokenizer.vocab_size):.2f}, floor {floor:.3f} nats per token")


# %%
def batches_of(tales_ids, rows, seed):
    row = np.concatenate([tales_ids[0][:1], *(ids[1:] for ids in tales_ids)])  # one long text
    starts = np.flatnonzero(row[: -T - 1] == eot)  # where a tale begins, and a window fits
    return data.Batches(row, T, rows, seed, starts=starts).batch


def new_run(seed, layers=1, width=32, dtype=np.float64):
    config = ModelConfig(tokenizer.vocab_size, T, layers, n_head=4, n_embd=width)
    model = GPT(config, seed=seed, dtype=dtype)
    return model, optim.AdamW(len(model.flat), params.decayed_count(config), dtype=dtype)


batch = batches_of(train_ids, rows=4, seed=7)
x, y = batch(0)
print(x.shape, tokenizer.decode(x[0, 1:9]), "→", tokenizer.decode(y[0, 8:9]))

# %% [markdown]
# ## First test of every training: overfit one batch
#
# Before you train for hours, train on *one batch*, the same at every step. A model with thousands of parameters can learn four rows by
# heart, so the loss has to go down to nearly nothing. If it does not, something is broken: the gradient, the step, the targets. This
# is **overfitting**, done on purpose. A first loop, with the pieces of lessons 09 and 10:


# %%
def naive_train(model, optimizer, batch, rate, begin, end):
    grads = np.zeros_like(model.flat)  # (n,): one number for each of n parameters, in one array
    g = params.views(grads, model.config)  # the same memory, cut into dw, db, … of each layer
    losses = []
    for step in range(begin, end):
        x, y = batch(step)  # (B, T) each
        losses.append(model.loss_and_gradients(x, y, g))  # forward, backward; writes into g
        optimizer.begin_step()  # t = t + 1, for the bias correction
        optimizer.update(model.flat, grads, rate(step), part=slice(None))  # of all parameters
    return losses


model, optimizer = new_run(seed=1)
losses = naive_train(model, optimizer, lambda step: (x, y), lambda step: 0.01, 0, 200)
print("loss at steps 0, 50, 100:", *(f"{losses[step]:.3f}" for step in (0, 50, 100)))

# %% [markdown]
# It starts near `ln 840 = 6.733` (knowing nothing) and falls. **Predict.** Can it fall to 0? Take two rows of a tiny batch, `a b c` and
# `a c b`: `x = [[a, b], [a, c]]`, `y = [[b, c], [c, b]]`. What is the lowest loss?
#
# ```text
# after a:          once b, once c     no probability is better than 1/2 each:   ln 2, twice
# after a b: c      after a c: b       one answer each, can be known:            0,    twice
# lowest loss       (2 · ln 2 + 0) / 4 = 0.347
# ```
#
# Not to 0: rows that are the same so far cannot be told apart. The same count for our batch, whose four rows all begin with
# end-of-text (`Counter` counts what is equal):


# %%
def lowest_loss(x, y):
    places = [(b, t) for b in range(x.shape[0]) for t in range(x.shape[1])]
    read = Counter(tuple(x[b, : t + 1]) for b, t in places)  # what was read so far
    went_on = Counter((*x[b, : t + 1], y[b, t]) for b, t in places)  # and what came then
    return float(np.mean([np.log(read[text[:-1]] / n) for text, n in went_on.items()
                          for _ in range(n)]))  # fmt: skip


tiny_x, tiny_y = np.array([[0, 1], [0, 2]]), np.array([[1, 2], [2, 1]])  # a, b, c = 0, 1, 2
print(f"by hand 0.347, computed {lowest_loss(tiny_x, tiny_y):.3f}")
print(f"our batch {lowest_loss(x, y):.3f}; the loss is now below 0.05: {losses[-1] < 0.05}")

# %% [markdown]
# The loop passes. Now a bug that people really make: they cut `y` out of the text without moving it by one, so `y` is `x`.
# **Predict.** Does overfitting one batch notice?

# %%
model, optimizer = new_run(seed=1)
copied = naive_train(model, optimizer, lambda step: (x, x), lambda step: 0.01, 0, 200)
figure, axes = new_figure(8.5, 3.3)
axes.set_yscale("log")
axes.axhline(lowest_loss(x, y), color=INK, linestyle=":")
axes.text(90, 0.026, "the lowest that can be reached", fontsize=11, va="top", color=INK)
for losses_of, colour, dash, name, at in ((losses, BLUE, "-", "y is x one later", 0.1),
                                          (copied, RED, "--", "y is x", 0.0045)):  # fmt: skip
    axes.plot(losses_of, color=colour, linestyle=dash, linewidth=2)
    axes.text(150, at, name, color=colour, fontsize=11)
titles(axes, "Below the lowest possible loss is a bug, not a triumph", "step", "loss in nats")
picture(figure, "two curves; y one later comes down to a dotted line, y equal to x falls far below")

# %% [markdown]
# It does not: the model learns to *copy* the token that it has before it, and looks splendid. Only a known lowest loss gives it away (or
# reading what it writes: one token for ever). That is what the floor is for.
# (The check of the exercise below compares the first loss with that of copying, and says so.)
#
# ## Batches in parts
#
# A larger batch has a less noisy gradient, but its arrays, `(B, T, V)` above all, may not fit into memory. Work it through in parts, add up the
# gradients, and step once: **gradient accumulation**. `N = B·T` tokens, `l[n]` the loss of token `n`:
#
# ```text
# loss  = 1/N · Σ_n l[n]                                        definition (lesson 03)
#       = Σ_part1 l[n]/N + Σ_part2 l[n]/N + …                   a sum may be taken in parts
# dp    = Σ_part1 (dl[n]/dp)/N + Σ_part2 (dl[n]/dp)/N + …       derivative of a sum; shape of p
# ```
#
# Every part divides by the `N` of the *whole* batch, not by its own. By hand, four tokens with losses 1, 2, 3, 6 in parts of three and one:
#
# ```text
# right    (1 + 2 + 3)/4 + 6/4  = 1.5 + 1.5 = 3
# wrong    (1 + 2 + 3)/3 + 6/1  = 2 + 6     = 8   the sum of two means; half of it, 4, is wrong too
# ```
#
# In the library, `loss_and_gradients(…, count=N, accumulate=True)` divides by `count`, and *adds* to `g` in place of overwriting it.

# %%
model, _ = new_run(seed=1)
whole, added = np.zeros_like(model.flat), np.zeros_like(model.flat)
loss = model.loss_and_gradients(x, y, params.views(whole, model.config))
parts = [
    model.loss_and_gradients(x[rows], y[rows], params.views(added, model.config), count=y.size,
                             accumulate=i > 0)
    for i, rows in enumerate(([0, 1, 2], [3]))
]  # fmt: skip
print(f"loss {loss:.3f}; in parts {parts[0]:.3f} + {parts[1]:.3f} = {sum(parts):.3f}")
print("largest difference of a gradient is below 1e-12:", np.abs(whole - added).max() < 1e-12)

# %% [markdown]
# `accumulate=i > 0`: the first part overwrites what the step before left, the others add. Who forgets to begin from zero (in PyTorch:
# who forgets `zero_grad()`) moves along the sum of all gradients since the start, in directions that were right long ago. In 100 steps over
# `batch`, with a learning rate of 0.01, `naive_train` comes from 6.7 to 1.5; the loop below falls to 4.8 and then climbs back to 7. The check
# sees it at the second step:


# %%
def never_zeroed(model, optimizer, batch, rate, begin, end, parts):
    grads = np.zeros_like(model.flat)
    g, losses = params.views(grads, model.config), []
    for step in range(begin, end):
        x, y = batch(step)
        losses.append(model.loss_and_gradients(x, y, g, accumulate=True))  # the bug
        optimizer.begin_step()
        optimizer.update(model.flat, grads, rate(step), part=slice(None))
    return losses


check("11.train", never_zeroed)

# %% [markdown]
# ## Exercise 1: the loop
#
# Write `train(model, optimizer, batch, rate, begin, end, parts)`: the steps `begin` to `end − 1`, as `naive_train` does them, and
#
# - each batch in `parts` parts (`np.array_split(np.arange(B), parts)` gives the rows of each);
# - the gradient clipped to a global norm of 1 (lesson 10): with `norm` the length of `grads`, `optim.clip_factor(norm, 1.0)` is what `update` takes as `scale=`.
#
# Return the list of losses, one a step. `batch(step)` gives `x, y`, `rate(step)` the learning rate. 15 minutes.


# %% tags=["exercise"]
def train(model, optimizer, batch, rate, begin, end, parts):
    raise NotImplementedError  # your code


check("11.train", train)

# %% [markdown]
# HINTS 11.train
#
# ## Evaluate: all of the held-out text, each token once
#
# The loss of a batch is a noisy number: other windows, another loss. And it is measured on text that the model learns from. So, every now and
# then, measure on the **validation** text: all of it, in **consecutive windows** of `T` tokens, each token predicted once, no dropout, no
# step. By hand, 10 ids and `T = 4`; there are 9 tokens to predict:
#
# ```text
# ids        0 1 2 3 4 5 6 7 8 9
# window 1   reads 0 1 2 3     predicts 1 2 3 4     mean 1.0
# window 2   reads 4 5 6 7     predicts 5 6 7 8     mean 2.0
# window 3   reads 8           predicts 9           mean 6.0
#
# right      (4·1.0 + 4·2.0 + 1·6.0) / 9 = 2.0      wrong: the mean of means, (1 + 2 + 6)/3 = 3.0
# ```


# %%
def naive_evaluate(model, ids, T):
    total = 0.0
    for begin in range(0, len(ids) - 1, T):
        y = ids[begin + 1 : begin + T + 1]  # the last window may be shorter
        x = ids[begin : begin + len(y)]
        total += model.loss(x[None], y[None]) * len(y)  # mean times how many
    return total / (len(ids) - 1)


mine = naive_evaluate(model, val_ids[0], 16)
library = evaluate_loss(model, val_ids[:1], context=16)
print(f"{library.tokens} tokens; the same:", abs(mine - library.loss) < 1e-12)

# %% [markdown]
# Our tales fit into one window each, so tale by tale, `context=T`, every token is predicted with all of its tale before it: this is the loss
# to hold against the floor. (The README measures what short windows do: with 32 tokens of context the shipped model pays more than four times as much, because it
# does not see whose tale it is.) The same measurement on tales of the training part gives the **training loss**; validation loss minus training loss is **the gap**.
#
# **Predict.** A model sees only *40* tales, again and again, for 200 steps. The floor is 0.73. Where does its training loss end, and where its
# validation loss?

# %%
few, marks, seen, unseen = train_ids[:40], range(0, 201, 10), [], []
model, optimizer = new_run(seed=1, layers=2, width=48, dtype=np.float32)
batch, rate = batches_of(few, rows=16, seed=7), lambda step: 0.01
for step in marks:
    seen.append(evaluate_loss(model, few, context=T).loss)
    unseen.append(evaluate_loss(model, val_ids[:50], context=T).loss)
    c11.train(model, optimizer, batch, rate, step, step + 10)
figure, axes = new_figure(8.5, 3.4)
axes.axhline(floor, color=INK, linestyle=":")
draw_curves(axes, marks, {"training": seen, "validation": unseen})
axes.text(2, floor, "the floor", fontsize=11, va="bottom", color=INK)
titles(axes, "40 tales: the model learns them by heart", "step", "loss in nats per token")
picture(
    figure, "training loss falls below the floor to nearly 0, validation loss falls, then rises"
)

# %% [markdown]
# The training loss falls far *below* the floor: on tales that it knows by heart, a model can do better than any model can on new ones. And the
# validation loss, after a good beginning, rises: what it learns now is true of these 40 tales alone. So:
#
# - **Who evaluates on the training part by mistake sees only the lower curve**, and is delighted. Both curves or none.
# - Keep the parameters of the lowest validation loss, not the last (`best.h5` in a tinygpt run; also called *early stopping*).
# - The remedies are more text, a smaller model, dropout (lesson 06), weight decay (lesson 10). Here: all 4000 tales.
#
# ## The real run
#
# Two layers, 48 channels, 1000 steps of 16 windows; the learning rate follows lesson 10's schedule. `TrainingStep` is the library's step: the rows
# are shared by two threads. Every 50 steps we measure the loss, and six times the model writes 20 tales, always with the same seed.
#
# **Predict.** In which order will it learn: the words, the grammar of a sentence, the home, the names that come back?

# %%
model, optimizer = new_run(seed=1, layers=2, width=48, dtype=np.float32)
batch, steps = batches_of(train_ids, rows=16, seed=7), 1000
stepper, log, told = parallel.TrainingStep(model, optimizer, rows=16, workers=2), [], {}
losses = []
for step in range(steps + 1):
    if step % 50 == 0:
        log.append([evaluate_loss(model, ids, context=T, pool=stepper.pool).loss
                    for ids in (train_ids[:200], val_ids)])  # fmt: skip
    if step in (0, 50, 100, 200, 400, 1000):
        told[step] = generate_batch(model, tokenizer, [None] * 20, seed=1, max_new_tokens=T - 1)
    rate = optim.lr_at(step, lr=0.01, min_lr=0.0005, warmup=50, steps=steps)
    losses.append(stepper(*batch(step), lr=rate, step=step)[0])
stepper.close()

# %%
figure, axes = new_figure(9.5, 4.2)
axes.set_ylim(0.6, 2)
axes.plot(losses, ".", color=GREY, markersize=2)
axes.axhline(floor, color=INK, linestyle=":")
curves = dict(zip(("training", "validation"), np.transpose(log), strict=True))
draw_curves(axes, np.arange(0, steps + 1, 50), curves)
axes.text(600, 1.05, "each batch", fontsize=11, color="#5c5c5c")
axes.text(20, floor - 0.02, "the floor", fontsize=11, va="top", color=INK)
titles(axes, "Down to the floor, and not below", "step", "loss in nats per token")
picture(
    figure, "training and validation loss fall together, to the floor; the batches lie above it"
)

# %%
import textwrap

figure, axes = new_figure(9.5, 4.7)
axes.axis("off")
for row, (step, texts) in enumerate(told.items()):
    whole = sum(tales.log_prob(text) is not None for text in texts)
    axes.text(0, -row, f"step {step}", fontsize=11, weight="bold", color=INK, va="top")
    axes.text(0, -row - 0.3, f"{whole} of 20 whole", fontsize=11, color=GREEN, va="top")
    shown = "".join(c if c.isprintable() and ord(c) < 128 else "·" for c in texts[0])
    axes.text(0.19, -row, textwrap.fill(shown[:230], 100), fontsize=10, va="top", color=INK)
axes.set_ylim(-len(told) + 0.1, 0.1)
axes.set_title("The same seed, six times: words, sentences, homes, names", fontsize=13, loc="left")
picture(figure, "samples at six steps: from tokens at random to whole tales with the right names")

# %% [markdown]
# The upper picture (its first loss, 6.7, is above the page): training and validation lie on each other, so hardly anything is learnt by heart, and
# validation comes to rest about one and a half percent above the floor. A single batch costs more: its windows end with the beginning of the next tale, which is
# the expensive part, full of choices. So compare a training loss with a validation loss only if both were measured in the same way.
#
# The lower picture: at first tokens at random, then words and sentences; at step 200 the home of the first sentence comes back in the third, at 400 the
# friend, and last the hero. Attention has learnt to look them up, one after the other: the stairs of the upper picture. (*Whole* is a tale that the
# grammar could have written, to the last letter. On your machine the tales may differ: it rounds otherwise, and training makes small
# differences large.)
#
# ## What a spike looks like
#
# Sooner or later a loss curve jumps. Three runs of a small model. In two of them batch 60 is noise (say, a broken file): one clips its gradients, the
# other, `naive_train`, does not. In the third the learning rate is 20 times too high. **Predict** how each goes on.

# %%
good, rng = batches_of(train_ids, rows=8, seed=7), np.random.default_rng(0)
noise = rng.integers(0, tokenizer.vocab_size, (2, 8, T))
with_noise = lambda step: noise if step == 60 else good(step)
warm = lambda step: 0.01 * min(1, (step + 1) / 20)
curves = {
    "clipped": c11.train(*new_run(seed=1), with_noise, warm, 0, 120),
    "not clipped": naive_train(*new_run(seed=1), with_noise, warm, 0, 120),
    "rate 0.2": c11.train(*new_run(seed=1), good, lambda step: 20 * warm(step), 0, 120),
}
figure, axes = new_figure(8.5, 3.6)
axes.set_ylim(1, 7)
draw_curves(axes, range(120), curves)
titles(axes, "Bad batch: a needle; unclipped, a dent. Bad rate: stays up", "step", "loss in nats")
picture(figure, "clipped, one spike; not clipped, higher after it; rate 0.2 stays high")

# %% [markdown]
# The needle (it ends near 15, above the page) is the loss of the bad batch itself, and says nothing about the model. Clipped, the run goes on as
# before; not clipped, AdamW's two means have taken in a gradient that is far too large (lesson 10), and the loss is higher for tens of steps. With a rate far too high
# it comes down to 4.4 and stays there. So, at a spike:
#
# - look at the next losses. Back at once: one odd batch, go on. Still high after a hundred steps: go back to a checkpoint, with a lower rate;
# - look at the batch. `batch(60)` gives it again, today and next year, because it depends on seed and step alone;
# - a loss of `nan` never recovers (lesson 03). tinygpt stops there, before it overwrites what was saved.
#
# ## Save, and go on as if nothing had happened
#
# A computer is switched off, a job has a time limit. What has to be in a file, a **checkpoint**, so that the run of tomorrow is the run
# that never stopped, *bit for bit*? Everything that the next step reads and that a new process would not have:
#
# | what | where | without it |
# |---|---|---|
# | parameters | `model.flat`, `(n,)` | all is lost |
# | mean gradient, mean square | `optimizer.m`, `optimizer.v`, `(n,)` each | AdamW begins its memory anew |
# | its count of steps | `optimizer.t` | the bias correction is that of another step |
# | the step | `step` | the schedule warms up again; the data is read from the start again |
# | the generator's seed | `seed` | other batches |
#
# Where is the position in the data? `batch(step)` makes a new generator from `[seed, step]` each time, so the step *is* the position. Had we drawn from
# one generator that goes on and on, its inner state would have to be saved too (`rng.bit_generator.state`), and whoever forgets it sees
# the first batches again. The gradients are not in the table: the next step overwrites them.
#
# The file is three times as large as the model: three arrays of `n` numbers.
#
# ## Exercise 2: save
#
# Write `save(path, model, optimizer, step, seed)`: a file at `path` (it ends in `.npz`) that `np.load` reads, with the names `flat`, `m`, `v`, `t`, `step`, `seed`. Return
# `path`. `np.savez(path, name=value, …)` writes arrays and numbers under their names. 5 minutes.


# %% tags=["exercise"]
def save(path, model, optimizer, step, seed):
    raise NotImplementedError  # your code


check("11.save", save)

# %% [markdown]
# HINTS 11.save
#
# ## Exercise 3: load
#
# Write `load(path, model, optimizer)`: put what is in the file into a model and an optimizer of the same shape, made anew by another process, and return `step,
# seed`. One trap: `model.params`, with which the model computes, are *views* into the array `model.flat`: windows into the same memory, as the gradients' were in lesson 09.
# 10 minutes.


# %% tags=["exercise"]
def load(path, model, optimizer):
    raise NotImplementedError  # your code


check("11.load", load)

# %% [markdown]
# HINTS 11.load
#
# ## What breaks: half a checkpoint
#
# The bug that people really make is to keep the parameters and forget the rest. Two of its kinds, and what the check says, which compares what
# is loaded with what was saved. Below them, a run of 84 steps is stopped after 60 and resumed in three ways.
#
# **Predict.** Which curves leave that of the straight run, and in which direction?


# %%
def without_the_moments(path, model, optimizer):
    step, seed = c11.load(path, model, optimizer)
    optimizer.m[:] = optimizer.v[:] = 0.0
    return step, seed


def from_step_0(path, model, optimizer):
    seed = c11.load(path, model, optimizer)[1]
    optimizer.t = 0
    return 0, seed


check("11.load", without_the_moments)
check("11.load", from_step_0)

# %%
batch = batches_of(train_ids, rows=8, seed=7)
rate = lambda step: 0.01 * min(1, (step + 1) / 20)  # warm-up, then constant


def resumed(load):
    model, optimizer = new_run(seed=1)
    c11.train(model, optimizer, batch, rate, 0, 60)
    with tempfile.TemporaryDirectory() as folder:
        path = c11.save(f"{folder}/run.npz", model, optimizer, 60, 7)
        model, optimizer = new_run(seed=2)  # another process: other parameters, empty moments
        begin, losses = load(path, model, optimizer)[0], []
    for step in range(begin, begin + 24, 2):
        losses.append(evaluate_loss(model, val_ids[:40], context=T).loss)
        c11.train(model, optimizer, batch, rate, step, step + 2)
    return losses, model.flat


# %%
straight, optimizer = new_run(seed=1)
c11.train(straight, optimizer, batch, rate, 0, 84)
curves = {}
loads = {"all": c11.load, "no moments": without_the_moments, "step 0": from_step_0}
for name, load_of in loads.items():
    curves[name], flat = resumed(load_of)
    print(f"{name:10} the same bits as the straight run: {np.array_equal(flat, straight.flat)}")
figure, axes = new_figure(8.5, 3.4)
draw_curves(axes, range(60, 84, 2), curves)
titles(axes, "A run without its moments stumbles", "steps done", "validation loss in nats")
picture(
    figure, "resumed with all, the loss falls on; without moments it jumps; from step 0 it lags"
)

# %% [markdown]
# With everything, not one bit of 41,184 parameters differs. Without moments every parameter moves by about a full `lr` at the first step (lesson 10), also those whose
# gradient is noise: the loss jumps up, and many steps later it is still behind. With step 0 the run warms up a second time, on batches that
# it has read before. Both recover more or less: that is why such a bug lives for years, and why you compare bits.
#
# ## The library's version beside yours
#
# | in the library | why | what it gains |
# |---|---|---|
# | `TrainingStep` shares rows among threads, each with gradients of its own, then adds | a computer has several cores | they all work; the same bits for the same number of threads |
# | … only where a batch keeps more numbers than the model has; else BLAS splits the products | under a large model the gradients of each thread would be the largest arrays of all | less memory, and no second array to add up |
# | nothing is updated where loss or norm is not finite | one `nan` would destroy everything | the last checkpoint stays good |
# | a checkpoint is written beside the old one, then renamed | the power may fail while it is written | there is always a whole file |
# | SHA-256 of every array, of the text, and the settings (a fingerprint: one bit changes, and it is another) | a file may be damaged, or belong to another text | an error in place of a strange loss |
# | tokenizer and configuration are in the file | without them the ids mean nothing | one file is enough to speak |
#
# Here are one step of its run, and a thread's share of it: your inner loop. `cut(n, parts)` gives ranges of rows, `share` is the number of the thread's part,
# `_trees[share]` are the views of its own gradients; the dropout masks (lesson 06) are drawn from seed, step and row, so a row gets the same ones in any thread. Below, the checks on what stood in for yours on this page: `c11.train` is
# `TrainingStep` in a loop; `c11.save` and `c11.load` are the six names in a `.npz` (the library writes HDF5, another format for named arrays, with the same six in it).

# %%
import inspect

from tinygpt.training import Run

print(inspect.getsource(Run._advance))
print(inspect.getsource(parallel.TrainingStep._gradients))
check("11.train", c11.train)
check("11.save", c11.save)
check("11.load", c11.load)

# %% [markdown]
# On the command line, the same with a text of yours; Ctrl-C saves, and `--resume` goes on:
#
# ```text
# python -m tinygpt.train --data book.txt --run-name book
# python -m tinygpt.train --run-name book --resume
# ```
#
# ## Three lines to remember
#
# - Overfit one batch first. A loss below the lowest possible is a bug; a training loss below the floor is text learnt by heart.
# - Measure on all of the held-out text, each token once, training and validation in the same way; the gap is what was learnt by heart.
# - A checkpoint holds parameters, both moments, both counts of steps and the seed; a resumed run equals a straight one bit for bit, or something is missing.
#
# **You can now** train a GPT on your own text, say from its curves whether it learns, copies or memorises, and stop and go on at will.
#
# **To read.** Karpathy, *A recipe for training neural networks* (2019): sections 2 ("end-to-end skeleton") and 3 ("overfit"). Goodfellow, Bengio and Courville, *Deep
# Learning* (2016): sections 5.2 on overfitting, 7.8 on early stopping, 11.4 and 11.5 on choosing settings and debugging. Cover and Thomas, *Elements of information
# theory* (2006): section 2.6 on why nothing beats the true p. In the library: `tinygpt/training.py`, `tinygpt/parallel.py`, `tinygpt/checkpoint/write.py`. Next:
# [lesson 12](12_sampling.ipynb), sampling.
