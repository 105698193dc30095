# %% [markdown]
# # 14 · Speculative decoding
#
# You will make a model say several tokens in one pass: something cheap guesses what comes next, the model looks at all guesses at once,
# and a rule of three lines decides which to keep, so that the text has exactly the probabilities that it had before.
#
# 50 minutes, 20 of them for the exercises. You need: [12](12_sampling.ipynb) (drawing a token) and [13](13_speed.ipynb) (the KV cache, what a pass costs).

# %%
import numpy as np
from style import BLUE, GREY, ORANGE, draw_curves, draw_map, draw_runs, new_figure, picture, titles

import tinygpt
from tinygpt import check, sampling, tales
from tinygpt.config import SamplingConfig
from tinygpt.decoding import Sample, draw_together
from tinygpt.kv_cache import KVCache
from tinygpt.lesson_checks import find_check
from tinygpt.speculative import Guess, PromptLookup, Speculation

np.set_printoptions(precision=3, suppress=True)
draw_map("speculative")

# %% [markdown]
# ## The question
#
# A pass of the model with a KV cache (lesson 13) reads one token and gives the probabilities of the next. For that one token it fetches
# every weight from memory, and uses each once: the processor waits for memory most of the time. Five tokens in one pass use each weight five
# times, once it is there. So five in one pass cost far less than five passes. But which five? The second is not known until the first is drawn.
#
# *Guess* them. A **draft** is anything cheap that says how a text may go on, with probabilities `q`: a smaller model, or a table. It guesses `γ`
# tokens (gamma, say 4). The model, whose probabilities are called `p`, reads the guesses in one pass and keeps some from the left.
#
# Our draft is a table of counts, an **n-gram** model: lesson 04's bigrams with a longer memory. It has read 200 tales, and says what followed the last three
# tokens there; if these three never stood there, the last two; else the last one; else any token.

# %%
model, tokenizer = tinygpt.load_model(dtype="float64")  # rounding shall decide no draw on this page
V, eot, rng = model.config.vocab_size, tokenizer.eot_id, np.random.default_rng(14)
read = [i for _ in range(200) for i in [eot, *tokenizer.encode(tales.generate(rng))]]
after = {}  # the last n tokens -> all tokens that followed them
for n in range(4):
    for end in range(n, len(read)):
        after.setdefault(tuple(read[end - n : end]), []).append(read[end])


def draft_probs(text):
    """q (V,): what follows the text, by counting."""
    for n in (3, 2, 1, 0):
        if followed := after.get(tuple(text[len(text) - n :])):
            return np.bincount(followed, minlength=V) / len(followed)


# %%
class Counts:
    """The draft in the form that the library asks for: guess(sample, most)."""

    def guess(self, sample, most):
        text, guesses = [*sample.known], []
        for _ in range(most):
            q = draft_probs(text)
            guesses.append(Guess(sampling.draw(q, sample.rng.random()), q))
            text.append(guesses[-1].token)
        return guesses


beginning = [eot, *tokenizer.encode("In my grandmother's day, Ivy the nosy pig lived")]
settings = SamplingConfig(temperature=1.0, max_new_tokens=110)

# %% [markdown]
# And this is what you will have at the end of the lesson, here by the library. **Predict** which words the table guesses right: names? the
# words between them?

# %%
ahead = Speculation(model, Counts, draft_tokens=4)
sample = Sample(model.config, beginning, settings, np.random.default_rng(3), stop_ids=[eot])
runs, kept = {}, 0
for _ in ahead.draw([sample]):
    kind = "a guess, kept" if ahead.accepted > kept else "the model's own, one a pass"
    kept = ahead.accepted
    runs.setdefault(ahead.passes, []).append((tokenizer.decode([sample.ids[-1]]), kind))
print(ahead.tokens, "tokens,", ahead.passes, "passes")
kinds = {"a guess, kept": BLUE, "the model's own, one a pass": ORANGE}
draw_runs(
    list(runs.values()), kinds, "Each run came from one pass of the model",
    "a tale in runs of one to five tokens: kept guesses, then one token of the model's own",
)  # fmt: skip

# %% [markdown]
# The table knows how phrases go on, and nothing of who is in the tale: most names and things come from the model. Each pass ends with one token of the model's own,
# so even a pass whose guesses are all wrong says as much as plain decoding. Nobody could tell this text from one drawn token by token. Why, you
# will now prove.
#
# ## One pass judges all guesses
#
# In a GPT position `i` sees itself and what came before (the causal mask), and says what comes after it. Feed the text and `γ` guesses: the last `γ + 1` rows of
# the logits say what follows the text, what follows the text and guess 1, and so on.
#
# ```text
# fed            … lived │  in      a      tree   house          γ = 4 guesses
# row              p[0]     p[1]   p[2]   p[3]   p[4]            (γ + 1, V)
# judges           in       a      tree   house  –               p[4] is for one token more
# ```
#
# **Predict.** Are these rows the same numbers as in five passes, each with one token more?

# %%
guesses = tokenizer.encode(" in a tree house")
rows = model.forward(np.array([beginning + guesses]), last=5)[0][0]  # (5, V): one pass
apart = [model.forward(np.array([beginning + guesses[:n]]), last=1)[0][0, 0] for n in range(5)]
print(len(guesses), "guesses; the same rows:", np.allclose(rows, apart, atol=1e-9))

# %% [markdown]
# The same: a guess cannot change what stands before it. So the guesses are judged as in plain decoding, and one question is left: the rule.
#
# ## Tiny numbers
#
# One guess, three words. After "the cat", the model and the draft say:
#
# ```text
#                sat    ran    fell
# model  p       0.5    0.3    0.2
# draft  q       0.2    0.2    0.6            the draft likes "fell" too much
# ```
#
# The *token that comes out* must be `sat` in 0.5 of all cases, `ran` in 0.3, `fell` in 0.2, although the guesses come as 0.2, 0.2, 0.6.
#
# A naive rule that is right: draw from `p` as ever, and look whether the draw is what was guessed. If it is, the guess is kept and the
# next row counts too. What comes out is the draw from `p`, so it follows `p`. How often is a guess kept? Two independent draws are both `sat` with probability `0.5 · 0.2`:
#
# ```text
# Σ p·q = 0.5·0.2 + 0.3·0.2 + 0.2·0.6 = 0.10 + 0.06 + 0.12 = 0.28
# ```

# %%
p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])


def naive(p, q, guess, u, v):
    token = sampling.draw(p, u)  # lesson 12: the token in whose share u falls
    return token, token == guess


def trial(rule, n=5000):  # the shares of what comes out, and the share of guesses kept
    rng = np.random.default_rng(0)
    out = [rule(p, q, sampling.draw(q, rng.random()), *rng.random(2)) for _ in range(n)]
    return np.bincount([t for t, _ in out], minlength=3) / n, np.mean([k for _, k in out]).round(2)


print("comes out {}, kept {}".format(*trial(naive)))

# %% [markdown]
# Right, but for the chance in 5000 trials, and wasteful: even a perfect draft, `q = p`, would see only `0.25 + 0.09 + 0.04 = 0.38` of its guesses kept, for two dice seldom agree. The guess itself should *be* the draw, whenever
# that does no harm.
#
# ## The rule
#
# Where the model gives a word more than the draft (`p ≥ q`), guesses of it come too rarely: keep all. Where the draft gives it more, guesses come too often: keep the share
# `p/q`, so that `q · p/q = p` of them stay. For one rule: keep with probability `min(1, p/q)`.
#
# ```text
#                             sat       ran       fell
# p/q                         2.5       1.5       1/3
# kept: q · min(1, p/q)       0.2       0.2       0.2       = min(p, q), sum 0.6
# still missing: p − kept     0.3       0.1       0         = max(p − q, 0), sum 0.4
# ```
#
# In 0.4 of all cases the guess was refused and a new word is needed. Draw it in proportion to what is missing, `0.3 : 0.1 : 0`, so with 0.75, 0.25, 0:
#
# ```text
# sat   0.2 + 0.4 · 0.75 = 0.5        ran   0.2 + 0.4 · 0.25 = 0.3        fell  0.2 + 0.4 · 0 = 0.2
# ```
#
# That is `p`. And 0.6 of the guesses are kept, in place of 0.28.

# %%
figure, axes = new_figure(8, 3.4)
words, low = ["sat", "ran", "fell"], np.minimum(p, q)
axes.bar(words, low, color=BLUE, width=0.6, label="min(p, q): guesses that are kept")
axes.bar(words, p - low, bottom=low, color=ORANGE, width=0.6, hatch="//", label="p − q: drawn anew")
axes.bar(words, q - low, bottom=low, fill=False, edgecolor=GREY, linestyle="--", width=0.6,
         label="q − p: guesses that are refused")  # fmt: skip
axes.legend(fontsize=11, frameon=False, loc="upper center")
axes.set_ylim(0, 0.8)
titles(axes, "What is refused pays for what is missing", "", "probability")
picture(figure, "sat: 0.2 kept, 0.3 drawn anew; ran: 0.2 and 0.1; fell: 0.2 kept and 0.4 refused")

# %% [markdown]
# The dashed part (refused, 0.4) is as large as both hatched parts together (0.3 and 0.1): `p` and `q` both sum to 1.
#
# ## Why the rule leaves p untouched
#
# For any `p` and `q`, both of shape `(V,)` and with sum 1. Call `α` (alpha) the probability that a guess is kept, and `x` any token. (Where `q[x] = 0`, `x` is never guessed: the first probability is 0, as `min(q[x], p[x])` is.)
#
# ```text
# P(x guessed and kept)
#     = q[x] · min(1, p[x]/q[x])                       P(A and B) = P(A) · P(B given A)
#     = min(q[x], p[x])                                q ≥ 0 goes into the min
#
# α   = Σ_x min(p[x], q[x])                            sum over cases that exclude each other
#
# max(p[x] − q[x], 0)
#     = p[x] − min(p[x], q[x])                         look at p ≥ q, then at p < q
# Σ_x max(p[x] − q[x], 0)
#     = 1 − α                                          sum over x; p sums to 1
#
# P(x drawn anew, given a refusal)
#     = max(p[x] − q[x], 0) / (1 − α)                  the rule: in proportion, made to sum to 1
#
# P(x comes out)
#     = P(x guessed and kept)
#       + P(refused) · P(x drawn anew, given a refusal)            two ways that exclude each other
#     = min(p[x], q[x])
#       + (1 − α) · (p[x] − min(p[x], q[x])) / (1 − α)             the lines above
#     = p[x]                                                       1 − α cancels, then the min
# ```
#
# (If `α = 1` nothing is ever refused.) The draft does not appear in the result: a bad one costs time, never quality. And no rule can keep more: `x` comes out as a kept guess
# at most as often as it is guessed (`q[x]`) and as it may come out (`p[x]`), so at most `min(p[x], q[x])`.
#
# **Predict** `α` and the law of the new token for a *certain* guess, `q = [0, 0, 1]`; then what the rule does at temperature 0, where `p` is 1 for the likeliest token and 0 elsewhere.
#
# Certain guess: `α = min(0.2, 1) = 0.2 = p[fell]`; new tokens as `0.5 : 0.3 : 0`, so `p` without the guess. At temperature 0 the guess is kept if it is the likeliest (`p/q ≥ 1`),
# refused if not (`p/q = 0`), and then the likeliest is all that is missing: the text is the plain one, token for token.
#
# ## What breaks: drawn anew from p
#
# The mistake that people really make: keep with `min(1, p/q)`, and after a refusal draw from the model, from `p`. It sounds fair: who if not the model should decide?
#
# **Predict.** With the numbers above, what comes out for `sat` and `fell`?


# %%
def drawn_anew_from_p(p, q, guess, u, v):
    if u < p[guess] / q[guess]:
        return guess, True
    return sampling.draw(p, v), False


print(trial(drawn_anew_from_p)[0], " by hand:", np.minimum(p, q) + 0.4 * p)
check("14.accept_or_resample", drawn_anew_from_p)

# %% [markdown]
# `sat 0.2 + 0.4 · 0.5 = 0.40`, `fell 0.2 + 0.4 · 0.2 = 0.28`: the text leans towards the draft. Nothing crashes, every text reads well, and the model is quietly worse than the one you trained.
# The check sees it in two ways: a refused guess must never become a token that guesses bring often enough; and counts of many tokens are held
# against `p` by χ² (lesson 12).
#
# ## Exercise 1: the rule
#
# Write `accept_or_resample(p, q, guess, u, v)`: `p` and `q` of shape `(V,)`, the guessed id, two uniform numbers from `[0, 1)`: `u` decides whether the guess is kept, `v` draws the new
# token. Return the token and whether the guess was kept. You may call `sampling.draw(weights, v)`; the weights need not sum to 1. (If `p` and `q` are equal but for rounding, a guess may be refused and nothing be
# missing: then draw from `p`.) 10 minutes.


# %% tags=["exercise"]
def accept_or_resample(p, q, guess, u, v):
    raise NotImplementedError  # your code


check("14.accept_or_resample", accept_or_resample)

# %% [markdown]
# HINTS 14.accept_or_resample
#
# ## A pass with several guesses
#
# Now `γ` guesses, `γ` rows of `q`, and `γ + 1` rows of `p`. Go from left to right:
#
# 1. Guess 1 against `p[0]` and `q[0]`. Kept: go on. Refused: its replacement comes out, **and the pass ends**: rows `p[1], p[2], …` are about a text in which the refused guess stands.
# 2. Guess 2 against `p[1]` and `q[1]`. And so on.
# 3. All kept: `p[γ]` says what follows the last guess, it is there already and correct: draw **one token more** from it, the *bonus token*.
#
# So a pass says at least 1 token and at most `γ + 1`. Each token follows the model given all before it, by the proof above, so the whole text does (the chain rule of probabilities: a text's
# probability is the product over its tokens).
#
# **Predict.** Someone forgets step 3. Is the text's distribution wrong then?


# %%
def without_the_bonus_token(p, q, guesses, u, v):
    rule, tokens = find_check("14.accept_or_resample").library, []
    for i, guess in enumerate(guesses):
        token, kept = rule(p[i], q[i], guess, u[i], v[i])
        tokens.append(token)
        if not kept:
            break
    return tokens


check("14.one_pass", without_the_bonus_token)

# %% [markdown]
# No: it is the next pass that draws this token, by the same law. But with `γ = 1` no pass then says more than one token, nothing at all is gained; and with no guess at all (`γ = 0`, a draft that has
# none to offer) the loop says nothing, and never ends.
#
# ## Exercise 2: one pass
#
# Write `one_pass(p, q, guesses, u, v)`: `p (γ + 1, V)`, `q (γ, V)`, a list of `γ` ids (perhaps none), uniform numbers `u (γ,)` and `v (γ + 1,)`, where `u[i], v[i]` are for guess `i` and `v[γ]` for the
# bonus token. Return the list of tokens that come out. You may call your `accept_or_resample`. 10 minutes.


# %% tags=["exercise"]
def one_pass(p, q, guesses, u, v):
    raise NotImplementedError  # your code


check("14.one_pass", one_pass)

# %% [markdown]
# HINTS 14.one_pass
#
# ## How many tokens does a pass say?
#
# Suppose that each guess is kept with the same probability `α`, whatever became of those before. `N` is the number of tokens of a pass. More than `k` tokens come out
# if the first `k` guesses are kept, for `k = 0, …, γ`:
#
# ```text
# P(N > k) = α^k                                         k independent events; 1 for k = 0
# E[N]     = Σ_{k≥0} P(N > k)                            N is a sum of 1s, one for each k < N
#          = 1 + α + α² + … + α^γ                        N > γ + 1 never happens
#
# E[N] · (1 − α) = 1 − α^(γ+1)                           all but the first and the last term cancel
# E[N]           = (1 − α^(γ+1)) / (1 − α)               divide; α < 1
# ```
#
# By hand, with `α = 0.6`, as for the three words: `γ = 1`: 1.6. `γ = 2`: `1 + 0.6 + 0.36 = 1.96`. `γ = 4`: `(1 − 0.0778)/0.4 = 2.31`. And without end: `1/0.4 = 2.5`.
#
# **Predict.** Does it pay to guess 8 in place of 4 tokens, at `α = 0.6`? At 0.9?


# %%
def tokens_per_pass(alpha, guesses):
    return (1 - alpha ** (guesses + 1)) / (1 - alpha)


gamma = np.arange(11)
measured = {}
for n in (1, 2, 4, 8):
    ahead = Speculation(model, Counts, draft_tokens=n)
    texts = [Sample(model.config, beginning, settings, np.random.default_rng(i), stop_ids=[eot])
             for i in range(2)]  # fmt: skip
    list(ahead.draw(texts))
    measured[n] = ahead.tokens / ahead.passes
print({n: round(tokens, 1) for n, tokens in measured.items()})

# %%
figure, axes = new_figure(8, 3.8)
draw_curves(axes, gamma, {f"α = {a}": tokens_per_pass(a, gamma) for a in (0.9, 0.8, 0.6, 0.3)})
axes.plot(list(measured), list(measured.values()), "ko", markersize=8)
axes.annotate("our table", (8, measured[8]), xytext=(8.2, measured[8] + 0.5), fontsize=11)
titles(axes, "More guesses: less and less for each", "guesses a pass, γ", "tokens a pass, mean")
picture(
    figure,
    "rising curves that flatten; the table of counts begins on the curve for 0.6 and ends above it",
)

# %% [markdown]
# At 0.6 hardly: 2.31 becomes 2.47. At 0.9 well: 4.10 becomes 6.13. The dots are our table with the trained model: with one guess a pass says 1 + α tokens, so you read its `α` from the first dot: 0.6. The other dots need not lie on one curve: real
# guesses come right in streaks, within a phrase, and wrong in streaks, where the tale is free.
#
# ## When does it pay?
#
# A pass over `n` tokens reads each weight once (4 bytes) and multiplies and adds with it `n` times (`2n` operations). Let the machine read `w` bytes and do `f` operations a second. While one number is
# computed with, the next is fetched, so the slower of the two decides:
#
# ```text
# seconds a weight = max(4 / w, 2n / f)           equal at n = 2f / w
# ```
#
# Invented numbers: `w` = 20 billion, `f` = 100 billion: up to `n = 10` tokens cost what one costs, all **memory-bound**. A real machine is in between. Measured at the size of GPT-2 124M, after 128 tokens
# (`benchmarks/speculate.py`; two cores of a shared AMD EPYC machine; the [guide](guide/generation.md#speculative-decoding) has the table): 14.9 ms over one token, 22.5 ms over five (with the weights laid out for it, `tinygpt/panels.py`; 31.9 ms without). Call `c = 22.5/14.9 = 1.51` the cost of a pass over five in passes over one, and `d` the cost of one guess in the same unit. In the
# time of a plain token:
#
# ```text
# speed-up = E[N] / (c + γ·d)                tokens, over what they cost
# α = 0.6, γ = 4, d = 0:      2.31 / 1.51          = 1.53    a table costs almost nothing
# α = 0.6, γ = 4, d = 0.1:    2.31 / (1.51 + 0.4)  = 1.21    a draft model with a tenth of the cost
# α = 0.3, γ = 4, d = 0:      1.425 / 1.51         = 0.94    slower than without
# ```
#
# **Predict.** Between one and five tokens take a straight line, and go on along it. Is there a best `γ`, and does it grow with `α`?

# %%
cost = 1 + (22.5 / 14.9 - 1) / 4 * gamma  # of a pass over gamma + 1 tokens, in passes over one
gains = {f"α = {a}": tokens_per_pass(a, gamma) / cost for a in (0.9, 0.8, 0.6, 0.3)}
for name, gain in gains.items():
    print(f"{name}: best γ {np.argmax(gain)}, {max(gain):.2f} times as fast")
figure, axes = new_figure(8, 3.6)
draw_curves(axes, gamma, gains)
axes.axhline(1, color=GREY, linewidth=1)
titles(axes, "There is a best number of guesses", "guesses a pass, γ", "times as fast as plain")
picture(
    figure,
    "the curve for 0.9 rises to 3; for 0.6 it peaks at 3 guesses; for 0.3 it falls below 1",
)

# %% [markdown]
# There is: each guess costs the same and brings `α^γ`, less than the one before. And it grows with `α`: the better the draft, the later a guess is no longer worth its price. (Printed: the best `γ`, and the speed-up there.) So a poor draft should guess few tokens. And where many texts share a pass (a batch, lesson 13), a weight is used often
# anyway, the pass is not memory-bound, and guesses must be paid in full.
#
# ## Where guesses come from
#
# - **A draft model**: a smaller model with the same tokenizer; its `q` has gone through the same temperature and filters. Our table of counts is a tiny one.
# - **Prompt lookup**: if the last `n` tokens stood in the text before, guess what followed them there. No second model, and each guess is certain: `q` is 1 for it.
#   It shines where a text repeats itself: code that is edited, an answer that quotes the question.
#
# **Predict.** What does lookup with `n = 2` guess after `1 2 3 4 1 2`? And which of the two guesses better in our tales?

# %%
print(PromptLookup(2, vocab_size=10).tokens([1, 2, 3, 4, 1, 2], most=3))
sources = {"counts": Counts, "lookup": lambda: PromptLookup(2, V)}
for name, source in sources.items():
    ahead = Speculation(model, source, draft_tokens=4)
    text = Sample(model.config, beginning, settings, np.random.default_rng(3), stop_ids=[eot])
    list(ahead.draw([text]))
    print(f"{name}: {ahead.summary()}")

# %% [markdown]
# `3 4 1`: what followed `1 2` the last time. A tale seldom repeats its own words, so lookup gains almost nothing here; the table has seen 200 others. ("Accepted" counts all guesses, also those that were never judged, behind a
# refused one: it is below `α`.)
#
# ## Greedy: the same text
#
# **Predict.** At temperature 0, is the text of plain decoding and of the table's guesses the same, token for token? And how many passes does each take?

# %%
greedy = SamplingConfig(temperature=0, max_new_tokens=80)
plain, guessed = (
    Sample(model.config, beginning, greedy, np.random.default_rng(0), stop_ids=[eot])
    for _ in range(2)
)
list(draw_together(model, [plain]))
ahead = Speculation(model, Counts, draft_tokens=4)
list(ahead.draw([guessed]))
print("the same:", guessed.ids == plain.ids, " passes:", len(plain.ids), "and", ahead.passes)

# %% [markdown]
# The same, as you derived from `p/q`. (In float32, rounding may let a pass over five tokens and one over one disagree on a tie.) At other temperatures a seed gives *another* text than
# plain decoding does, as likely as that one: more random numbers are drawn.
#
# ## Rolling back the KV cache
#
# The pass that judged the guesses left the keys and values of *all* of them in the cache, also of those refused. Say the text has 6 tokens, four were guessed, two kept, and the third replaced by `r`:
#
# ```text
# column        0 … 5        6    7    8    9
# in the cache  the text     g1   g2   g3   g4     length 10
# true          the text     g1   g2               length 8; r is not read yet, it goes to column 8
# ```
#
# Nothing has to be erased: the cache's *length* says where the text ends, and what is to the right of it is not looked at and is written over. **Rolling back** is one assignment.
#
# **Predict.** What happens if it is forgotten: an error, or something else?


# %%
def guess_ahead(rolls_back):  # greedy, in full: guess, one pass, compare, roll back
    kv, text = KVCache(model.config, dtype=model.dtype), [*beginning]
    model.forward(np.array([text[:-1]]), kv=kv, last=1)
    while len(text) < len(beginning) + 40:
        known = len(text)
        for _ in range(4):
            text.append(int(np.argmax(draft_probs(text))))
        logits, _ = model.forward(np.array([text[known - 1 :]]), kv=kv, last=5)  # (1, 5, V)
        best = logits[0].argmax(axis=-1).tolist()
        kept = sum(np.cumprod(np.array(text[known:]) == best[:4]).tolist())
        text[known + kept :] = [best[kept]]
        if rolls_back:
            kv.lengths[:] -= 4 - kept
    return text[len(beginning) :]


# %%
for rolls_back in (True, False):
    text = guess_ahead(rolls_back)
    same = sum(np.cumprod(np.equal(text[:40], plain.ids[:40])).tolist())
    print("rolled back:" if rolls_back else "forgotten:", same, "of 40 tokens as in plain decoding")
    print(tokenizer.decode(text[:40]), end="\n\n")

# %% [markdown]
# (`np.cumprod` multiplies from the left, so its sum counts the 1s before the first 0: guesses kept until one differs.) No error comes. The model reads the refused words as if they
# stood in the text: after "One Sunday" it sees guesses that were thrown away, and the sentence breaks off. A test that holds cached decoding against plain decoding (lesson 13) after *refused* guesses finds it
# at once; one where all guesses are right never does.
#
# ## The library's version beside yours
#
# | in `tinygpt/speculative.py` | why | what it gains |
# |---|---|---|
# | `accept_or_resample(p, q, guess, rng)` draws `u` and `v` itself | `v` is needed only after a refusal | no number wasted |
# | `u * q[guess] < p[guess]`, no division | the same for `q > 0` | nothing to divide by |
# | `rest if rest.any() else p` | `p` and `q` equal but for rounding leave nothing | no `0/0` |
# | `CachedReader` compares the ids with those it read | rolls back by what *is* common, whatever the reason: refusal, moved window | one place for all cases |
# | penalties see the guesses kept so far (`sample.probs`) | `p[i]` is the law after guess `i` was said | exact with every setting of lesson 12 |
# | a guess never goes past the window or `max_new_tokens` | there it would be judged in another window than drawn in | exact at the window's edge |
#
# The same two checks, on the library:

# %%
for name in ("14.accept_or_resample", "14.one_pass"):
    check(name, find_check(name).library)

# %% [markdown]
# ## Three lines to remember
#
# - Keep a guess with `min(1, p/q)`; else draw from `max(p − q, 0)`: what comes out follows `p`, whatever the draft.
# - A pass says `(1 − α^(γ+1)) / (1 − α)` tokens: kept guesses, and always one of the model's own.
# - It pays while a pass over several tokens costs less than they are worth: memory-bound, good guesses, few at a time. Roll the cache back.
#
# **You can now** say for a draft and a machine whether guessing ahead pays, and how many tokens to guess, and prove that nobody can tell the text from plain decoding.
# Try `python -m tinygpt.generate --prompt "In my grandmother's day, Ivy the nosy pig lived" --temperature 0 --lookup 2 --stats`.
#
# **To read.** Leviathan, Kalman and Matias, *Fast inference from transformers via speculative decoding* (2023): section 2.3 and algorithm 1 for the rule, 3.1 to 3.3 for tokens and time, appendix A.1 for the proof. Chen et al.,
# *Accelerating large language model decoding with speculative sampling* (2023): algorithm 2, found at the same time. Saxena, *Prompt lookup decoding* (2023, on GitHub): its README. In the library: `tinygpt/speculative.py`, `benchmarks/speculate.py`. Next: lesson 15, serving.
