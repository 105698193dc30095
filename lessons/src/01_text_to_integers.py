# %% [markdown]
# # 01 · Text to integers
#
# A GPT reads and writes whole numbers, not letters. You will build the machine that turns any text into
# numbers and back, and teach it from a text which pieces deserve a number of their own.
#
# 40 minutes. You need: [00](00_arrays_and_shapes.ipynb) (ids, the vocabulary) and Python's `bytes`,
# lists and dictionaries.

# %%
import inspect
from collections import Counter
from itertools import pairwise

import numpy as np
from style import draw_curves, draw_map, draw_tokens, new_figure, picture, titles

import tinygpt
from tinygpt import check, tales
from tinygpt.tokenizers import BPETokenizer, bpe_encode, train_bpe
from tinygpt.tokenizers.bpe import join_pairs
from tinygpt.tokenizers.bpe_train import split

draw_map("tokens")

# %% [markdown]
# The orange box is this lesson: the first step forward. It has no step backward: ids are counted, not
# computed with, so there is nothing to differentiate.
#
# ## The question
#
# A **tokenizer** cuts a text into **tokens** and gives each its **id**. Where should it cut? Here are
# three answers for one sentence (a blank is drawn as a dot). The third tokenizer belongs to the model
# that comes with tinygpt.

# %%
_, shipped = tinygpt.load_model()  # the model comes later; here only its tokenizer
sentence = "The old cat's hat is under a chair."
cut = lambda text: [shipped.decode([i]) for i in shipped.encode(text)]
draw_tokens(
    {"characters": list(sentence), "words": sentence.split(" "), "byte pairs": cut(sentence)},
    "Three ways to cut a sentence",
    "35 characters; 8 words; byte pairs: mostly whole words with the blank before them",
)

# %% [markdown]
# | cut into | ids (`V`) | what is wrong with it |
# |---|---|---|
# | characters | a hundred, or 150 thousand | many tokens; nothing for a character never seen |
# | words | millions | most are rare; nothing for a word never seen |
# | byte pairs | what you choose | you have to write it: this lesson |
#
# A word never seen has no id, as here "chair." with its full stop, if the training text had "chair" alone.
# With characters it is the same one level down, as you will see next; byte pairs leave nothing unknown.
#
# ## Characters
#
# Number the characters of the training text. Our training text, for the whole lesson, is:

# %%
text = "hat cat hat chat"
characters = sorted(set(text))
id_of = {character: id for id, character in enumerate(characters)}
print(id_of)
print([id_of[character] for character in text])

# %% [markdown]
# Sixteen characters, sixteen ids, and `V = 5`. To go back, take `characters[id]` for each id.
#
# **Predict before you run.** Now someone types "that bat". What happens?

# %%
try:
    print([id_of[character] for character in "that bat"])
except KeyError as error:
    print("KeyError:", error)

# %% [markdown]
# There is no id for "b". You could number all characters of Unicode, the standard list of the world's
# characters; but there are over 150 thousand, so the table of lesson 00, `V` rows of `C` numbers, would be
# huge, and most of its rows would never be learnt.
#
# ## Bytes
#
# A computer stores text as **bytes**, numbers from 0 to 255. The usual code is **UTF-8**: a letter of
# English takes one byte, other characters two, three or four. So 256 ids are enough for every text
# there is, in any language.
#
# **Predict.** How many bytes have `a`, `é`, `春` (spring) and `😀`?

# %%
for character in "aé春😀":
    print(character, list(character.encode("utf-8")))
print([bytes([i]).decode("utf-8", errors="replace") for i in "aé".encode()])

# %% [markdown]
# One, two, three, four. Nothing is unknown any more. Two things are worse. Texts become long: a GPT
# writes *one* token at a time, and its `T` tokens (lesson 00) hold less text. And one token may be a
# *part* of a character. The last line turned each byte of `aé` into text by itself: 195 and 169 are `é`
# together, and neither alone is valid UTF-8. `errors="replace"` shows such bytes as `�` (its name is
# U+FFFD); without it, `decode` raises an error. Keep this in mind for exercise 3.
#
# ## Byte pairs
#
# Begin with bytes, so that nothing is unknown. Then give ids of their own to what is frequent: find the
# **pair** of neighbours that occurs most often, and make it one new token. Again, until you have as many
# tokens as you want. Each of these joins is a **merge**. This is *byte-pair encoding*, **BPE**; nearly all
# language models use it.
#
# One thing first. Without a limit, "hat." and "hat," and "hat!" would each become a token. So the text
# is cut beforehand into **pieces**, and no merge crosses from one piece into the next. A piece is a word with the
# blank before it, a few digits, or signs; the library's `split` cuts them.
#
# By hand, for our text. The bytes are 32 (the blank), 97 (`a`), 99 (`c`), 104 (`h`), 116 (`t`). Four
# pieces; count each pair of neighbours inside them:
#
# ```text
# h a t  |  · c a t  |  · h a t  |  · c h a t
#
# a t: 4      h a: 3      · c: 2      c a: 1      · h: 1      c h: 1
# ```
#
# `a t` wins: merge 0 is the pair of ids `(97, 116)`, and the new token `at` gets the first free id, 256.


# %%
def count_pairs(words):
    """How often each pair of neighbours occurs; words is a list of lists of ids."""
    return Counter(pair for word in words for pair in pairwise(word))


print(split("It's 2026, isn't it?"))
print(split(text))
words = [list(piece.encode()) for piece in split(text)]
print(words)
print(count_pairs(words))

# %% [markdown]
# (`pairwise([1, 2, 3])` gives `(1, 2)` and `(2, 3)`.) The counts are those found by hand. Now replace the
# pair wherever it stands. Read from the left; where the pair begins, write the new id and go on after
# both; everything else is copied.


# %%
def merge(word, pair, new):
    """The word with every occurrence of the pair, from the left, replaced by the id new."""
    result, i = [], 0
    while i < len(word):
        if tuple(word[i : i + 2]) == pair:
            result.append(new)
            i += 2
        else:
            result.append(word[i])
            i += 1
    return result


print([merge(word, (97, 116), 256) for word in words])
print(merge([97, 97, 97], (97, 97), 256))  # a pair that overlaps itself

# %% [markdown]
# Count again, in the text as it is *now*. Round by round:
#
# ```text
# merge   pair           count   new token        the text after it                    tokens
#                                                 h a t | · c a t | · h a t | · c h a t    16
#   0     (97, 116)        4     256 = "at"       h at  | · c at  | · h at  | · c h at     12
#   1     (104, 256)       3     257 = "hat"      hat   | · c at  | · hat   | · c hat       9
#   2     (32, 99)         2     258 = "·c"       hat   | ·c at   | · hat   | ·c hat        7
# ```
#
# Merge 1 uses the token that merge 0 has made: in this way tokens grow. In colours:

# %%
merges = train_bpe(text, 257 + 3)  # the library's; you write yours in a moment
stages = {}
for n, name in enumerate(("bytes", "and at", "and hat", "and ·c")):
    ranks = BPETokenizer(merges[:n]).ranks  # token: id
    tokens = [join_pairs(piece.encode(), ranks) for piece in split(text)]
    stages[name] = [token.decode() for piece in tokens for token in piece]
print(merges)
draw_tokens(stages, "Each merge makes the text shorter", "16 tokens, then 12, 9 and 7")

# %% [markdown]
# **Predict.** Ask for a fourth merge. Which pair will it be? Count in the last row before you run.

# %%
words = [[257], [258, 256], [32, 257], [258, 257]]
print(count_pairs(words))
print(len(train_bpe(text, 257 + 4)))

# %% [markdown]
# None: every pair occurs once. A merge of such a pair would save one token in one place; training stops. In a
# formula, with `count(p)` the number of places where pair `p` stands inside a piece, at that time:
#
# ```text
# merge i = the p with the largest count(p), if that is 2 or more          new id = 256 + i
# ```
#
# ## Exercise 1: learn the merges
#
# Write `bpe_train(text, n_merges)`: the list of merges, pairs of ids, in the order in which they are
# learnt; `n_merges` of them, or fewer if no pair occurs twice any more. Of equal counts take whichever
# you like. Use `split`, `count_pairs` and `merge`. 10 minutes.


# %% tags=["exercise"]
def bpe_train(text, n_merges):
    raise NotImplementedError  # your code


check("01.bpe_train", bpe_train)

# %% [markdown]
# HINTS 01.bpe_train
#
# ## From text to ids
#
# The merges are learnt once; now any text is cut with them. Do to it what was done to the training text: in each
# piece begin with the bytes, apply merge 0 everywhere, then merge 1, and so on. "that chat", by hand:
#
# ```text
#                 t h a t    | · c h a t
# merge 0  "at"   t h at     | · c h at
# merge 1  "hat"  t hat      | · c hat
# merge 2  "·c"   t hat      | ·c hat           ids 116, 257, 258, 257
# ```
#
# ## What breaks: the longest token first
#
# It is tempting to forget the order of the merges and to take, from the left, the longest token that
# fits. People really write this; dictionaries work so.


# %%
def longest_first(text, merges):
    tokens = [bytes([i]) for i in range(256)]
    for left, right in merges:
        tokens.append(tokens[left] + tokens[right])
    ids, rest = [], text.encode()
    while rest:
        fits = [token for token in tokens if rest.startswith(token)]
        ids.append(tokens.index(max(fits, key=len)))
        rest = rest[len(tokens[ids[-1]]) :]
    return ids


print("in order     ", BPETokenizer(merges).encode("that chat"))
print("longest first", longest_first("that chat", merges))

# %% [markdown]
# The same ids, those found by hand. **Predict.** Is it right then? Here it cuts a word with
# the merges of the shipped tokenizer, beside what training did:

# %%
word = " chatter"
draw_tokens(
    {
        "in the order of the merges": cut(word),
        "longest first": [shipped.decode([i]) for i in longest_first(word, shipped.merges)],
    },
    "One word, the same tokens to choose from, two ways to cut it",
    "in order: c, hat, ter; longest first: cha, t, ter",
)

# %% [markdown]
# Both spell the word, so a test that goes there and back passes both. But the model was trained on texts
# cut in the first way. It would meet ` cha` + `t`, which it never saw in its training: nothing fails,
# its texts get worse, and nobody knows why. The check compares with tiktoken, the tokenizer of OpenAI's models,
# given the same merges:

# %%
check("01.encode", longest_first)

# %% [markdown]
# Merge 0, `(98, 99)`, is `bc`; merge 1, `(97, 98)`, is `ab`. In "abc", `bc` was learnt first, so it is
# joined first, and then there is no `a b` any more.
#
# ## Exercise 2: encode
#
# Write `encode(text, merges)`: the list of ids of any text. 5 minutes.


# %% tags=["exercise"]
def encode(text, merges):
    raise NotImplementedError  # your code


check("01.encode", encode)

# %% [markdown]
# HINTS 01.encode
#
# ## And back
#
# Each id stands for some bytes: the ids 0 to 255 for one, and id `256 + i` for the bytes of the left part of
# merge `i`, then those of its right part. By hand: 256 is `a` + `t`; 257 is `h` + `at`; 258 is `·` + `c`.
#
# ## Exercise 3: decode
#
# Write `decode(ids, merges)`: the text. Think of `é` above: when may you turn bytes into characters? A
# model may also write bytes that are no text at all; show `�` for those. 5 minutes.


# %% tags=["exercise"]
def decode(ids, merges):
    raise NotImplementedError  # your code


check("01.decode", decode)

# %% [markdown]
# HINTS 01.decode
#
# And this is what the check says to someone who turns each token into characters by itself:


# %%
def one_by_one(ids, merges):
    tokens = BPETokenizer(merges)
    return "".join(tokens.decode([i]) for i in ids)


check("01.decode", one_by_one)

# %% [markdown]
# ## How many merges?
#
# Each merge is one more id, and so one more row of `C` numbers in the model's table. What does it buy?
# The **compression**: bytes of text per token. We learn merges from 300 tales (the small stories that
# tinygpt makes) and measure on texts that were not among them.
#
# **Predict.** Does the thousandth merge gain as much as the tenth? And do merges learnt from English tales help
# with a German sentence?

# %%
rng = np.random.default_rng(1)
learnt_from = "\n".join(tales.generate(rng) for _ in range(300))
many = train_bpe(learnt_from, 257 + 2000)
texts = {
    "new tales": "\n".join(tales.generate(rng) for _ in range(20)),
    "Shakespeare": "Now is the winter of our discontent made glorious summer by this sun of York.",
    "German": "Der Kater auf dem warmen Dach träumt von einem großen, silbernen Fisch.",
}
sizes = [0, 5, 10, 20, 50, 100, 200, 400, 700, 1000, 1500, 2000]
curves = {name: [] for name in texts}
for n in sizes:
    tokenizer = BPETokenizer(many[:n])
    for name, sample in texts.items():
        curves[name].append(len(sample.encode()) / len(tokenizer.encode(sample)))

# %%
figure, axes = new_figure(8.5, 3.6)
draw_curves(axes, sizes, curves)
titles(
    axes,
    "The first merges help any text, the later ones their own kind",
    "merges",
    "bytes per token",
)
picture(
    figure, "bytes per token against merges: tales from 1 to 4, Shakespeare to 2.6, German to 1.9"
)

# %% [markdown]
# The first hundred merges take whatever is frequent in any English (` t`, `he`, ` the`); the last ones
# make rare words of the tales, like ` parasol`. A sentence of another kind is still *possible*, with
# more tokens: nothing is unknown. This is why a model trained mostly on English costs more per word in
# other languages.
#
# ## What a model sees
#
# **Predict.** The shipped tokenizer has `V = 2048`. Do "cat", " cat" and "Cat" have an id in common? And
# how does it cut a number?

# %%
print({one: shipped.encode(one) for one in ("cat", " cat", "Cat")})
draw_tokens(
    {repr(one): cut(one) for one in ("cat", " cat", "Cat", "the cat sat", "Catalogue 1984")},
    '"cat", " cat" and "Cat" are three different things',
    "cat is c, at; blank cat is one token; Cat is C, at; a number is cut digit by digit",
)

# %% [markdown]
# ` cat` is one token, 1527, for in the tales a blank stands before almost every "cat". The other two are
# made of parts, and share with each other the id 287, `at`, and with ` cat` nothing: to the model they are
# strangers until training teaches it otherwise. The tales have no numbers, so digits stand alone. A
# model cannot see the letters inside a token either, which is one reason why GPTs are bad at counting letters.
# And remember it when you type a prompt that ends in a blank: the next token would have brought its own.
#
# ## The library's version beside yours
#
# | yours | in the library | why | what it gains |
# |---|---|---|---|
# | every piece, as often as it occurs | every *different* piece once, with its count | most words repeat | see the numbers below |
# | counts everything in each round | mends the counts of the pieces that had the pair | the others have not changed | a merge costs what it touches |
# | `max` over all pairs | a heap: a list that keeps its largest entry in front | only few counts change | no search through all pairs |
# | any of equal counts | the smallest by its bytes | the order of the texts must not matter | the same vocabulary everywhere |
# | every merge, on every piece | the pair of lowest id among those there are | a piece has few pairs, a vocabulary many | a few looks in place of 2000 |
#
# The last row is `bpe_encode`, below; `BPETokenizer.encode` lets tiktoken do the same in Rust. Both take
# `ranks`: for each token its id, which is also its turn. The library has one id more, the last: the *end of text*,
# which stands between two texts. That is why `train_bpe` is asked for `257 + n` ids.

# %%
print(len(split(learnt_from)), "pieces,", len(set(split(learnt_from))), "different ones")
print(inspect.getsource(join_pairs))
check("01.bpe_train", lambda text, n_merges: train_bpe(text, 257 + n_merges))
check("01.encode", lambda text, merges: bpe_encode(text, BPETokenizer(merges).ranks))
check("01.decode", lambda ids, merges: BPETokenizer(merges).decode(ids))

# %% [markdown]
# ## Three lines to remember
#
# - Begin with bytes, and nothing is unknown; merge frequent pairs, and texts get short.
# - What was learnt first is joined first. Spelling the text back is not enough to be right.
# - Join the bytes of all tokens, then read them as UTF-8: a token may be a part of a character.
#
# **You can now** turn any text into ids and back, make a vocabulary of the size that you want, and say why
# "cat" and " cat" are strangers to a GPT.
#
# **To read.** Sennrich, Haddow and Birch, *Neural Machine Translation of Rare Words with Subword Units*
# (2016), section 3.2 and algorithm 1; Radford et al., *Language Models are Unsupervised Multitask Learners*
# (2019), section 2.2, which put it on bytes. In the library: `tinygpt/tokenizers/bpe_train.py`, then
# `tinygpt/tokenizers/bpe.py`. Next: lesson 02, batches.
