"""The trainer learns what counting everything anew learns, and what Hugging Face's learns."""

import json
import os
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygpt.tokenizers import BPETokenizer, train_bpe
from tinygpt.tokenizers.bpe_train import LONGEST_TOKEN, split

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "bpe.json").read_text("utf-8"))
# GPT-2's stand-ins for the bytes, in the order of their code points: visible Latin-1, then the rest
_VISIBLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
HUGGING_FACE_ORDER = _VISIBLE + [byte for byte in range(256) if byte not in _VISIBLE]


def our_tie(pair, order):
    """Of equal counts: the smallest (left bytes, right bytes)."""
    return pair


def hugging_face_tie(pair, order):
    """Of equal counts: the smallest pair of ids, which are given in the order of learning."""
    return order.index(pair[0]), order.index(pair[1])


def naive_bpe(texts, n_merges, tie=our_tie):
    """Pairs of tokens, every pair counted anew for every merge."""
    words = [[bytes([b]) for b in piece.encode()] for text in texts for piece in split(text)]
    order = [bytes([byte]) for byte in HUGGING_FACE_ORDER]
    merges = []
    while len(merges) < n_merges:
        counts = Counter(pair for word in words for pair in pairwise(word))
        most = max(counts.values(), default=0)
        if most < 2:
            break
        best = [pair for pair, count in counts.items() if count == most]
        pair = min(best, key=lambda pair: tie(pair, order))
        merges.append(pair)
        order.append(pair[0] + pair[1])
        for word in words:
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == pair:
                    word[i : i + 2] = [pair[0] + pair[1]]
                i += 1
    return merges


def learnt(texts, n_merges):
    tokenizer = BPETokenizer(train_bpe(texts, 257 + n_merges))
    return [(tokenizer.token_bytes(a), tokenizer.token_bytes(b)) for a, b in tokenizer.merges]


def golden(name):
    """The texts, and Hugging Face's merges as bytes."""
    stored = GOLDEN[name]
    texts = [text for text, count in stored["texts"].items() for _ in range(count)]
    return texts, [(bytes.fromhex(a), bytes.fromhex(b)) for a, b in stored["merges"]]


@given(
    texts=st.lists(st.text("ab ") | st.text("aé'st \n😀1") | st.text(max_size=30), max_size=4),
    n_merges=st.integers(0, 30),
)
@settings(max_examples=200)
def test_counting_incrementally_learns_what_counting_anew_learns(texts, n_merges):
    assert learnt(texts, n_merges) == naive_bpe(texts, n_merges)


def test_the_merges_are_hugging_faces_where_no_two_pairs_tie():
    texts, theirs = golden("clear")
    assert len(theirs) >= 60
    assert learnt(texts, len(theirs)) == theirs


def test_the_merges_are_hugging_faces_but_for_the_rule_for_ties():
    texts, theirs = golden("tied")
    assert learnt(texts, 200) == naive_bpe(texts, 200)
    assert naive_bpe(texts, 200, hugging_face_tie) == theirs
    assert learnt(texts, 200) != theirs


def test_of_equal_counts_the_smallest_bytes_win():
    assert learnt("ca ca ba ba ab ab", 1) == [(b" ", b"a")]
    assert learnt("zb,zb.za,za.az,az", 9) == [(b"a", b"z"), (b"z", b"a"), (b"z", b"b")]
    # bytes, not ids: ab (id 256) comes before b (id 98)
    assert learnt("ab\nab\nab\nabc\nabc\nbc\nbc", 2) == [(b"a", b"b"), (b"ab", b"c")]


def test_a_pair_that_occurs_once_is_not_learnt():
    assert train_bpe("abc", 1000) == []
    assert train_bpe("", 1000) == []
    assert len(train_bpe("ab ab", 1000)) == 1


def test_the_vocabulary_counts_the_bytes_and_the_end_of_text():
    assert train_bpe("abc abc", 257) == []
    assert len(train_bpe("abc abc", 258)) == 1


def test_no_token_reaches_from_one_text_into_the_next():
    assert learnt(["xa", "bx"] * 5, 10) == [(b"b", b"x"), (b"x", b"a")]


@given(text=st.text() | st.text("a1 \t\n'st.é😀") | st.text("a \n", min_size=60))
@settings(max_examples=200)
def test_the_pieces_are_the_text_and_short(text):
    pieces = split(text)
    assert "".join(pieces) == text
    assert max((len(piece.encode()) for piece in pieces), default=0) <= LONGEST_TOKEN


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("we'll, 'tis\n", ["we", "'ll", ",", " '", "tis", "\n"]),
        ("'the 12345", ["'", "the", " 123", "45"]),
        ("a\n\n  b", ["a", "\n\n ", " b"]),
        ("x" * 70, ["x" * 32, "x" * 32, "x" * 6]),
        ("e\u0301te", ["e\u0301te"]),
    ],
)
def test_text_is_split_at_blanks_signs_and_digits(text, pieces):
    assert split(text) == pieces


@pytest.mark.slow
def test_512_merges_of_a_megabyte_take_two_seconds():
    files = sorted(Path(os.__file__).parent.glob("*.py"))
    text = "".join(path.read_text("utf-8") for path in files)[:1_115_394]  # Tiny Shakespeare's size
    assert len(text) == 1_115_394
    began = time.process_time()
    assert len(train_bpe(text, 257 + 512)) == 512
    assert time.process_time() - began < 2
