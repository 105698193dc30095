# %% [markdown]
# # 12 · Sampling
#
# You will turn the logits of a GPT into the next token: bold or safe, without nonsense and without loops. You will write
# the draw, the filters and the penalties, and know the law of every setting that people turn.
#
# 55 minutes, 35 of them for the exercises. You need: [00](00_arrays_and_shapes.ipynb) (arrays) and [03](03_softmax_and_cross_entropy.ipynb) (logits, softmax).

# %%
import numpy as np
from style import BLUE, GREY, draw_bars, draw_curves, draw_map, new_figure, picture, titles

import tinygpt
from tinygpt import check, sampling
from tinygpt.config import SamplingConfig
from tinygpt.lesson_checks import find_check

np.set_printoptions(precision=3, suppress=True)
draw_map("sampling")

# %% [markdown]
# The orange box is where you are: the model has given logits, and one token has to be chosen.
#
# ## The question
#
# A language model gives one logit for every token that could come next: `z`, shape `(V,)`. Here `V = 8` tokens, with invented
# probabilities, so that you can check everything by hand (the [guide to generation](guide/generation.md) has the same):
#
# ```text
# id      0     1     2     3     4     5     6     7
#         cat   dog   fox   hen   owl   bee   elk   ant
# p       0.40  0.20  0.15  0.10  0.06  0.04  0.03  0.02         sum 1
# z       ln p + 6                        softmax gives p back (lesson 03: a shift changes nothing)
# ```
#
# Always taking the likeliest gives `cat` each time: safe, dull, and soon a loop. Drawing at random by `p` takes one of the
# last four, 0.15 together, at every seventh word, and one odd word can spoil a text. What lies between is today's subject. The steps, always in this order:
#
# ```text
# logits → repetition → presence and frequency penalty → temperature
#        → top-k → top-p → softmax → one draw
# ```

# %%
words = ["cat", "dog", "fox", "hen", "owl", "bee", "elk", "ant"]
p = np.array([0.40, 0.20, 0.15, 0.10, 0.06, 0.04, 0.03, 0.02])
z = np.log(p) + 6  # (V,)
print(sampling.softmax(z))
figure, axes = new_figure(8, 3)
draw_bars(axes, words, p)
titles(axes, "One of these comes next: which?", "", "probability")
picture(figure, "eight bars: cat 0.4, dog 0.2, fox 0.15, hen 0.1, owl, bee, elk, ant below")

# %% [markdown]
# ## The draw
#
# A computer gives a *uniform* number `u` in `[0, 1)`: any as likely as any other. Lay the probabilities side by side from 0 to 1; the
# token in whose share `u` falls is drawn. A share as long as `p` is hit with probability `p`. The right ends of the shares are the
# running sums:
#
# ```text
# cat [0, 0.40)   dog [0.40, 0.60)   fox [0.60, 0.75)   hen [0.75, 0.85)   owl [0.85, 0.91)   …
# ```
#
# A share holds its left end and not its right: that is `side="right"` below, the first end that is *above* `u`.
#
# **Predict before you run.** Which tokens do `u = 0.39`, `0.41` and `0.99` draw?

# %%
ends = np.cumsum(p)
print([words[np.searchsorted(ends, u, side="right")] for u in (0.39, 0.41, 0.99)])
rng = np.random.default_rng(0)
seen = np.bincount(np.searchsorted(ends, rng.random(1000), side="right"), minlength=8)
print("1000 draws:", seen, " expected:", (1000 * p).round().astype(int))
print("chi-square:", round(float(((seen - 1000 * p) ** 2 / (1000 * p)).sum()), 1))

# %% [markdown]
# cat, dog, ant. The last line measures whether 1000 draws fit: **χ²** (chi-square) adds, over the tokens, the squared distance of
# seen from expected, over the expected. If the draws follow `p`, it is about `V − 1 = 7`, and above 24.3 once in a thousand times. The check
# uses it, for a wrong law makes it hundreds.
#
# ## Temperature
#
# **Temperature** `T` divides the logits: `z / T`. What does that do to the probabilities? Take any two tokens, `i` and `j`:
#
# ```text
# p_T[i] / p_T[j] = exp(z[i]/T) / exp(z[j]/T)              definition of softmax; the sums cancel
#                 = exp((z[i] − z[j]) / T)                 exp(a)/exp(b) = exp(a − b)
#                 = exp(z[i] − z[j])^(1/T)                 exp(a·b) = exp(a)^b
#                 = (p[i] / p[j])^(1/T)                    the first two lines with T = 1
# ```
#
# If one token is `r` times as likely as another, it becomes `r^(1/T)` times as likely. `cat` is twice as likely as `dog`; at `T = 0.5`
# it is `2² = 4` times, at `T = 2` it is `√2 = 1.41` times. By hand, at `T = 0.5` all `p` are squared and made to sum to 1:
#
# ```text
# p²      0.16  0.04  0.0225  0.01  0.0036  0.0016  0.0009  0.0004         sum 0.239
# p_0.5   0.669 0.167 0.094   0.042 0.015   0.007   0.004   0.002
# ```
#
# **Predict.** What is left for `cat` and for `ant` as `T` goes to 0, and as it grows without end?

# %%
print("T = 0.5", sampling.softmax(z / 0.5))
T = np.linspace(0.05, 5, 100)
shares = np.array([sampling.softmax(z / t) for t in T])  # (100, V)
figure, axes = new_figure(8, 3.4)
axes.set_ylim(0, 1.02)
draw_curves(axes, T, {words[i]: shares[:, i] for i in (0, 1, 2, 7)})
titles(axes, "Cold: the likeliest alone. Hot: all alike", "temperature T", "probability")
picture(figure, "cat falls from 1 towards 1/8, ant rises from 0 towards 1/8 as T grows")

# %% [markdown]
# As `T` goes to 0, `r^(1/T)` grows without end for every `r > 1`: all goes to the likeliest. As `T` grows, `1/T` goes to 0 and
# `r⁰ = 1`: all are alike, `1/8` each. `T = 0` itself would divide by 0; it is *defined* as the likeliest token, called **greedy** (of
# equals the lower id).
#
# ## What breaks: temperature in the wrong place
#
# A mistake that people really make divides the *probabilities* by `T`, and makes them sum to 1 again.
#
# **Predict.** What does a temperature of 0.5 do then?


# %%
def sample_with_probabilities_divided(logits, temperature, u):
    if temperature == 0:
        return int(np.argmax(logits))
    p = sampling.softmax(logits) / max(temperature, 1e-3)
    if temperature < 0.01:
        return int(np.argmax(p))
    return sampling.draw(p / p.sum(), u)


check("12.sample", sample_with_probabilities_divided)

# %% [markdown]
# Nothing: `(p/T) / Σ(p/T) = p / Σp`, the factor cancels. No error, no warning; the texts are as wild at 0.5 as at 1. Only counting sees it,
# and χ² counts.
#
# ## Exercise 1: sample
#
# Write `sample(logits, temperature, u)`: logits `(V,)`, some may be `−inf` (ruled out); `u` is given, so that the same `u` gives the same
# token. Return an id. You may call `sampling.softmax`. 10 minutes.


# %% tags=["exercise"]
def sample(logits, temperature, u):
    raise NotImplementedError  # your code


check("12.sample", sample)

# %% [markdown]
# HINTS 12.sample
#
# ## Filters: cutting off the tail
#
# Each unlikely token is unlikely, but there are many: with `V = 2048`, two thousand tokens of 0.0001 are drawn at every fifth word. A **filter**
# rules tokens out by giving them the logit `−inf`. What happens to the others? Let `K` be the set of those that stay:
#
# ```text
# p'[i] = exp(z[i]) / (Σ_{j in K} exp(z[j]) + Σ_{others} exp(−inf))    definition of softmax
#       = exp(z[i]) / Σ_{j in K} exp(z[j])                             exp(−inf) = 0
#       = p[i] / Σ_{j in K} p[j]                                       both divided by the full sum
# ```
#
# The shares of those that stay grow by one common factor: among themselves nothing changes.
#
# **Top-k** keeps the `k` likeliest. With `k = 3`, by hand: `0.40 + 0.20 + 0.15 = 0.75`, so `cat` has `0.40/0.75 = 0.533`.
#
# **Predict.** The code below is in many repositories. How many tokens does it keep for `k = 2` and the logits `[1, 3, 1, 2, 2]`?


# %%
def naive_top_k(logits, k):
    threshold = np.sort(logits)[-min(k, len(logits))]  # the k-th greatest
    return np.where(logits < threshold, -np.inf, logits)


print(sampling.softmax(naive_top_k(z, 3)))
print(naive_top_k(np.array([1.0, 3.0, 1.0, 2.0, 2.0]), 2))

# %% [markdown]
# Three: both 2s are equal to the threshold. With trained models equal logits are rare; with a fresh or a rounded one (`float16`) they are not, and
# then `k` is not `k`. It is a choice to be made, and ours is: of equals the lower ids stay.
#
# ## Exercise 2: top-k
#
# Write `keep_top_k(logits, k)`: logits `(V,)` to `(V,)`; the `k` likeliest keep their logit, all others get `−inf`. `k` may be larger than `V`.
# 5 minutes.


# %% tags=["exercise"]
def keep_top_k(logits, k):
    raise NotImplementedError  # your code


check("12.keep_top_k", keep_top_k)

# %% [markdown]
# HINTS 12.keep_top_k
#
# ## Top-p: as many as are needed
#
# Top-k is blind: where one token makes sense it keeps `k`, where a hundred do, it keeps `k` too. **Top-p**, or *nucleus sampling*, keeps the
# least set of likeliest tokens whose probabilities add up to `P` or more. With `P = 0.8`, by hand:
#
# ```text
# running sum     cat 0.40   dog 0.60   fox 0.75   hen 0.85
#                                       too little reaches 0.8: stop; four stay
# ```
#
# Why is going down from the likeliest the *least* set? Of all sets of `n` tokens, the `n` likeliest have the greatest sum: exchange any other
# for one of them and the sum does not grow. So if the first three do not reach 0.8, no three do.
#
# **Predict.** The code below keeps every token whose running sum is at most `P`. What is left at `P = 0.3`?


# %%
def top_p_that_stops_too_early(logits, p):
    order = np.argsort(-logits, kind="stable")  # ids, likeliest first
    mass = np.cumsum(sampling.softmax(logits)[order])
    result = np.full(len(logits), -np.inf)
    kept = order[mass <= p]
    result[kept] = logits[kept]
    return result


check("12.keep_top_p", top_p_that_stops_too_early)

# %% [markdown]
# Nothing is left: `cat` alone has 0.40, which is above 0.3. Softmax of nothing but `−inf` is `nan`, and the program ends in the middle of a text,
# at the one place where the model was *sure*. The token that crosses the line has to stay.
#
# ## Exercise 3: top-p
#
# Write `keep_top_p(logits, p)`: logits `(V,)` to `(V,)`, as `keep_top_k`, of equals the lower id first. 10 minutes.


# %% tags=["exercise"]
def keep_top_p(logits, p):
    raise NotImplementedError  # your code


check("12.keep_top_p", keep_top_p)

# %% [markdown]
# HINTS 12.keep_top_p
#
# (The library has one filter more, **min-p**: tokens at least `P` times as likely as the likeliest stay. With 0.12 the bar is `0.12 · 0.40 = 0.048`: `owl`
# stays, `bee` goes. In logits, `z[i] ≥ max z + ln P`: one line.)
#
# ## Penalties: not that again
#
# Penalties look back at the text. It has a *prompt*, given by you, and an *output*, written by the model. Let the prompt say "fox, dog" and the output "dog,
# cat, cat, hen". Three laws, each on one logit `z`:
#
# | penalty | counts | law | neutral |
# |---|---|---|---|
# | repetition `R` | prompt and output, once | `z / R` if `z > 0`, else `z · R` | 1 |
# | presence `X` | output, once | `z − X` | 0 |
# | frequency `X` | output, `n` times | `z − X · n` | 0 |
#
# Against a token that was not written, `z − X` makes a token `exp(X)` times less likely at temperature 1: `exp(z − X) = exp(z) / exp(X)`. With `X = 1`, 2.7 times;
# `cat`, written twice, under a frequency penalty of 1: `exp(2) = 7.4` times.
#
# **Predict.** Why does the repetition penalty ask for the sign? Divide −1 by 2 and say what became of the token.

# %%
before = sampling.softmax(np.array([3.0, -1.0, 2.0]))
divided = sampling.softmax(np.array([3.0, -1.0 / 2, 2.0]))
multiplied = sampling.softmax(np.array([3.0, -1.0 * 2, 2.0]))
print(
    "before",
    before[1].round(3),
    " divided",
    divided[1].round(3),
    " multiplied",
    multiplied[1].round(3),
)

# %% [markdown]
# −0.5 is *more* than −1: divided, the token becomes likelier, and the model repeats itself all the more. So negative logits are multiplied. This is the only
# setting that depends on the logits themselves and not on their differences: add 6 to all of them and it acts otherwise. Start low.
#
# ## Exercise 4: the penalties
#
# Write `penalise(logits, prompt, output, repetition, presence, frequency)`: logits `(V,)`, two lists of ids, three numbers; first repetition, then presence and
# frequency. Beware: `x[ids] -= 1` takes 1 *once*, however often an id stands in `ids`; `np.bincount(ids, minlength=V)` counts. 10 minutes.


# %% tags=["exercise"]
def penalise(logits, prompt, output, repetition, presence, frequency):
    raise NotImplementedError  # your code


check("12.penalise", penalise)

# %% [markdown]
# HINTS 12.penalise
#
# ## All of it in one picture
#
# **Predict** before you look: which panels have bars of length 0, and in which does `cat` lose its first place?

# %%
panels = [{}, {"temperature": 0.5}, {"temperature": 2.0}, {"top_k": 3}, {"top_p": 0.8},
          {"min_p": 0.12}, {"repetition_penalty": 1.3}, {"presence_penalty": 1.0},
          {"frequency_penalty": 1.0}]  # fmt: skip
figure, grid = new_figure(9.5, 8.4, rows=3, columns=3)
for axes, settings in zip(grid, panels, strict=True):
    config = SamplingConfig(**{"temperature": 1.0, **settings})
    after = sampling.next_probs(z, config, prompt=[2, 1], output=[1, 0, 0, 3])
    axes.barh(words[::-1], after[::-1], color=BLUE, height=0.7)
    axes.barh(words[::-1], p[::-1], fill=False, edgecolor=GREY, height=0.7)
    axes.set_xlim(0, 0.72)
    title = " ".join(f"{key} {value}" for key, value in settings.items()) or "the model's own"
    titles(axes, title.replace("_", " "), "probability")
picture(figure, "nine bar charts: each setting against the model's own probabilities, outlined")

# %% [markdown]
# Bars: under the setting; outlines: the model's own. Only the three filters make zeros; temperature and penalties never rule out. Under the penalties the written words
# fall and the others rise, since the sum stays 1. With presence 1 `cat` falls a little behind `fox`, which stood in the prompt alone; with frequency 1, written
# twice, far behind.
#
# Turn them yourself, over what a real model gives: open [sampling.html](sampling.html) in a browser (it needs no network).
#
# ## A real model
#
# The model that comes with tinygpt goes through the beginning of a tale. At every place you ask: how many tokens does top-p 0.9 keep?
#
# **Predict.** Where does it keep one, and where many? (Top-k would keep the same number everywhere.)

# %%
model, tokenizer = tinygpt.load_model()
ids = [tokenizer.eot_id, *tokenizer.encode("In my grandmother's day, Ivy the nosy pig lived")]
logits, _ = model.forward(np.array([ids[:-1]]))  # (1, T, V)
kept = [int(np.isfinite(sampling.keep_top_p(row, 0.9)).sum()) for row in logits[0]]
figure, axes = new_figure(9.5, 3.2)
draw_bars(axes, [tokenizer.decode([i]).strip() for i in ids[1:]], kept)
titles(
    axes,
    "Few where the tale is sure, many where it is free",
    "the next token",
    "tokens kept by top-p 0.9",
)
picture(figure, "bars: how many tokens top-p keeps before each token of the beginning of a tale")

# %% [markdown]
# One, wherever grammar or a set phrase leaves no choice: after "In my" comes "grandmother's day," and after the name "the". Many, where anything may
# come: 24 names, 29 qualities, 17 animals. A top-k of 10 would cut most of the names, and let nine wrong tokens in after "grandmother".
#
# ## The library's version beside yours
#
# | in `tinygpt/sampling.py` | why | what it gains |
# |---|---|---|
# | all in float64 | in float32 rounding would decide draws | the same text on more machines |
# | `apply_temperature` takes the maximum away first | `z / 1e-300` would overflow | every positive temperature works |
# | `keep_top_k` uses `np.partition`, not a sort | the k-th greatest is all that is needed | V steps in place of V log V |
# | `keep_top_p` sorts only tokens above `(1 − P)/V` | all below weigh less than `1 − P` together: they cannot be needed | a few to sort, not 50,000 |
# | `draw` scales `u` by the last running sum | rounding makes that sum 0.9999…, and a `u` above it would fall off the end | always a token, never one ruled out |
# | `u` of sample `i` from `default_rng([seed, i])` | one number per token, nothing else draws | a text does not depend on its neighbours |
#
# `next_probs` puts all steps in their order. The same four checks, on the library:

# %%
for name in ("12.sample", "12.keep_top_k", "12.keep_top_p", "12.penalise"):
    check(name, find_check(name).library)

# %% [markdown]
# ## Three lines to remember
#
# - Temperature: ratios become `r^(1/T)`; it works on logits, and on probabilities a division does nothing.
# - A filter writes `−inf`; the others' shares grow by one factor. Top-k keeps a number, top-p a probability, and never none.
# - Penalties look back: presence once, frequency each time, repetition by sign and also on the prompt.
#
# **You can now** read the [guide to generation](guide/generation.md) as its author, and say for any text that goes wrong which setting to turn.
#
# **To read.** Holtzman et al., *The curious case of neural text degeneration* (2020): section 3.1 on nucleus sampling, section 4 on why likeliest is not best. Fan,
# Lewis and Dauphin, *Hierarchical neural story generation* (2018): section 5 for top-k. Keskar et al., *CTRL* (2019): section 4.1, repetition. In the library:
# `tinygpt/sampling.py`. Next: lesson 13, speed.
