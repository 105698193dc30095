"""Lesson 01: `bpe_train`, `encode` and `decode`."""

import numbers
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tinygpt.lesson_checks.core import Candidate, Check, expect
from tinygpt.tokenizers import BPETokenizer, train_bpe
from tinygpt.tokenizers.bpe_train import N_FIXED, Pair, merge_pair, split

HATS = "hat cat hat chat"  # the lesson's own text, and what it teaches
HATS_MERGES = [(97, 116), (104, 256), (32, 99)]
PAGE = (
    "The lighthouse keeper's daughter couldn't sleep; she'd counted 1024 waves before midnight.\n"
    "  'Who's there?' asked the keeper. It's only the wind, said the waves, and counted her.\n"
    "Été, été: l'été du café. Всё хорошо, что хорошо кончается. 春の海 春の海 😀😃 😀😃\n"
)
TRAIN = [  # text, merges asked for; the smallest first
    ("abab", 1),
    ("abab", 9),
    ("aaaa", 2),
    ("abc abc", 1),
    ("a ab ac xy xy xy", 2),
    ("a b a b a b", 9),
    ("été été", 2),
    (HATS, 2),
    (HATS, 9),
    (PAGE, 60),
]
PAGE_MERGES = train_bpe(PAGE, N_FIXED + 60)
ENCODE: list[tuple[str, list[Pair]]] = [
    ("hat", []),
    ("", HATS_MERGES),
    ("é", []),
    ("hat", HATS_MERGES),
    ("aaa", [(97, 97)]),
    ("abc", [(98, 99), (97, 98)]),  # the longest token first would be ab, c
    ("a  b", [(32, 32)]),  # the pieces are "a", " ", " b"
    ("that chat", HATS_MERGES),
    ("the weather keeps the daughter there", PAGE_MERGES),
    (PAGE, PAGE_MERGES),
]
DECODE: list[tuple[list[int], list[Pair]]] = [
    ([104, 97, 116], []),
    ([], HATS_MERGES),
    ([256], HATS_MERGES),
    ([257], HATS_MERGES),
    ([258, 257], HATS_MERGES),
    ([195, 169], []),  # é, one byte a token
    ([240, 159, 152, 128, 33], []),
]
BROKEN = [[195], [97, 159, 98], [240, 159, 152]]  # no UTF-8: a model may write such


def bpe_train(text: str, n_merges: int) -> list[Pair]:
    return train_bpe(text, N_FIXED + n_merges)


def encode(text: str, merges: Sequence[Pair]) -> list[int]:
    return BPETokenizer(merges).encode(text)


def decode(ids: Sequence[int], merges: Sequence[Pair]) -> str:
    return BPETokenizer(merges).decode(ids)


def any_unicode(count: int = 20) -> list[str]:
    """Strings of characters drawn from all of Unicode but the surrogates, which have no UTF-8."""
    rng = np.random.default_rng(0)
    codes = [*range(0xD800), *range(0xE000, 0x110000)]
    return [
        "".join(chr(codes[i]) for i in rng.integers(0, len(codes), 1 + n)) for n in range(count)
    ]


def _is_id(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _expect_merges(f: Candidate, got: Any, n_merges: int) -> None:
    kind = f"it returns a {type(got).__name__} and should return a list of pairs of ids"
    expect(isinstance(got, list | tuple), kind, f)
    for i, pair in enumerate(got):
        good = isinstance(pair, tuple | list) and len(pair) == 2 and all(map(_is_id, pair))
        expect(good, f"merge {i} is {pair!r:.40} and should be a pair of two ids", f, yours=got)
        expect(
            all(0 <= id < 256 + i for id in pair),
            f"merge {i} is {tuple(pair)}, and before it there are only the ids 0 to {255 + i}: "
            "a text begins as its bytes, and merge i makes the id 256 + i",
            f,
            yours=got,
        )
    more = f"there are {len(got)} merges and n_merges is {n_merges}"
    expect(len(got) <= n_merges, more, f, yours=got)


def bpe_train_is_right(f: Candidate) -> None:
    """Each merge joins a most frequent pair of its time; which one of equals is left open."""
    for text, n_merges in TRAIN:
        _expect_merges(f, f(text, n_merges), n_merges)
    for text, n_merges in TRAIN:
        got = [(int(a), int(b)) for a, b in f(text, n_merges)]
        words = [list(piece.encode()) for piece in split(text)]
        for i, pair in enumerate(got):
            counts = Counter(p for word in words for p in pairwise(word))
            across = Counter(pairwise([id for word in words for id in word]))
            expect(
                counts[pair] > 0 or across[pair] == 0,
                f"merge {i} is {pair}, which stands only where two pieces meet: count inside "
                "each piece of split(text), never across",
                f,
                yours=got,
            )
            expect(counts[pair] > 0, f"merge {i} is {pair}, and the text, after the merges before "
                   "it, has no such pair", f, yours=got)  # fmt: skip
            best, most = max(counts.items(), key=lambda item: item[1])
            expect(
                counts[pair] == most,
                f"merge {i} is {pair}, which occurs {_times(counts[pair])} then; {best} occurs "
                f"{_times(most)}",
                f,
                yours=got,
            )
            expect(most > 1, f"merge {i} joins a pair that occurs once; stop when no pair occurs "
                   "twice", f, yours=got)  # fmt: skip
            words = [merge_pair(word, pair, 256 + i) for word in words]
        counts = Counter(p for word in words for p in pairwise(word))
        best, most = max(counts.items(), key=lambda item: item[1], default=((0, 0), 0))
        expect(
            len(got) == n_merges or most < 2,
            f"it stops after {len(got)} merges, though {best} still occurs {_times(most)}",
            f,
            yours=got,
        )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _expect_ids(f: Candidate, got: Any, n_merges: int) -> None:
    kind = f"it returns a {type(got).__name__} and should return a list of ids"
    expect(isinstance(got, list | tuple), kind, f)
    for id in got:
        expect(_is_id(id), f"the result has {id!r:.40} in it and should have ids alone", f,
               yours=got)  # fmt: skip
        expect(0 <= id < 256 + n_merges, f"the result has the id {id}; with {n_merges} merges the "
               f"ids are 0 to {255 + n_merges}", f, yours=got)  # fmt: skip


def encode_is_right(f: Candidate) -> None:
    """The ids spell the text, whatever it is, and are tiktoken's."""
    for text, merges in ENCODE:
        _expect_ids(f, f(text, merges), len(merges))
    strange = [(text, merges) for text in any_unicode() for merges in ([], PAGE_MERGES)]
    for text, merges in ENCODE + strange:
        got = f(text, merges)
        tokenizer = BPETokenizer(merges)
        spelt = b"".join(tokenizer.token_bytes(id) for id in got)
        same = spelt == text.encode()
        expect(same, "the bytes of the ids, joined, are not the bytes of the text", f, yours=got,
               spelt=spelt, right=text.encode())  # fmt: skip
    for text, merges in ENCODE:
        got, right = f(text, merges), encode(text, merges)
        sentence = (
            "the ids spell the text, but tiktoken, with the same merges, gives others: in each "
            "piece of split(text), what was learnt first is joined first"
        )
        expect(list(got) == right, sentence, f, yours=got, right=right)


def decode_is_right(f: Candidate) -> None:
    """The bytes of all ids are joined before they are read as UTF-8."""
    cases = [
        *DECODE,
        *((encode(text, PAGE_MERGES), PAGE_MERGES) for text in (PAGE, *any_unicode())),
    ]
    for ids, merges in cases:
        got = f(ids, merges)
        kind = f"it returns a {type(got).__name__} and should return a str"
        expect(isinstance(got, str), kind, f, yours=got)
    for ids, merges in cases:
        got, right = f(ids, merges), decode(ids, merges)
        hurt = got != right and "\ufffd" in got
        expect(not hurt, "a character of several bytes is broken: join the bytes of all ids "
               "first, then read them as UTF-8, once", f, yours=got, right=right)  # fmt: skip
        expect(got == right, "the text is not what the ids spell", f, yours=got, right=right)
    for ids in BROKEN:
        got, right = f(ids, []), decode(ids, [])
        expect(got == right, "bytes that are no UTF-8 should become U+FFFD: .decode('utf-8', "
               "errors='replace')", f, yours=got, right=right)  # fmt: skip


CHECKS = [
    Check(
        name="01.bpe_train",
        arguments=("text", "n_merges"),
        properties=bpe_train_is_right,
        right="every merge joins a most frequent pair inside the pieces, and it stops in time",
        library=bpe_train,
        hints=(
            "Keep two things: the pieces as lists of ids (at first their bytes), and the list of "
            "merges. One round counts, chooses, replaces, appends.",
            "words = [list(piece.encode()) for piece in split(text)]; in each round "
            "counts = count_pairs(words), pair = max(counts, key=counts.get), and the new id is "
            "256 + len(merges).",
            "Leave the loop when there are n_merges, or not counts (no pair is left), or "
            "counts[pair] < 2. Else words = [merge(word, pair, 256 + len(merges)) for word in "
            "words], and then merges.append(pair).",
        ),
    ),
    Check(
        name="01.encode",
        arguments=("text", "merges"),
        properties=encode_is_right,
        right="any Unicode comes back, and the ids are those of tiktoken with the same merges",
        library=encode,
        hints=(
            "Training has done it once already: what happened to the training text, in which "
            "order?",
            "For each piece of split(text), begin with its bytes as a list, then apply merge 0 "
            "everywhere in it, then merge 1, and so on.",
            "ids = []; for piece in split(text): word = list(piece.encode()); for i, pair in "
            "enumerate(merges): word = merge(word, pair, 256 + i); then ids += word.",
        ),
    ),
    Check(
        name="01.decode",
        arguments=("ids", "merges"),
        properties=decode_is_right,
        right="every character is whole again, and broken bytes become U+FFFD",
        library=decode,
        hints=(
            "First make a table: for each id, the bytes it stands for. How long is it before the "
            "first merge?",
            "tokens = [bytes([i]) for i in range(256)]; then each merge (left, right) appends "
            "tokens[left] + tokens[right].",
            "return b''.join(tokens[i] for i in ids).decode('utf-8', errors='replace').",
        ),
    ),
]
