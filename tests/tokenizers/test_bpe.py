"""The byte-pair tokenizer: what is read here and what tiktoken runs give the same ids."""

import contextlib
import functools
import json
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygpt.errors import CheckpointError, VocabularyError
from tinygpt.tokenizers import BPETokenizer, bpe_encode, load_tokenizer, make_tokenizer
from tinygpt.tokenizers.bpe_train import LONGEST_TOKEN, SPLIT_PATTERN
from tinygpt.tokenizers.protocol import END_OF_TEXT, split_documents

TEXT = (
    "The cat sat on the mat, and the other cat didn't. 'Tis the cat's mat, aaaa aaaaaa bananas!\n"
    "Été, été: l'été du café;  1234 12345  --- ...   ... 😀😃 😀😃 春の海 春の海\r\n\t\tthe end\n\n"
) * 3
TOKENIZER = BPETokenizer.from_text(TEXT, 400)
# The Unicode versions of Python, regex and tiktoken differ in what is not assigned yet: a code
# point assigned in the oldest of them is the same letter, sign or blank in all.
assigned = st.text(st.characters(exclude_categories=["Cn", "Cs"]))
texts = assigned | st.text("abnst 'é1.\n\r\t\u00a0\u2028\x1c\u0301😀<|>") | st.sampled_from([TEXT])


@given(text=texts)
@settings(max_examples=300)
def test_the_readable_encode_gives_tiktokens_ids(text):
    assert bpe_encode(text, TOKENIZER.ranks) == TOKENIZER.encode(text)


@given(learnt=st.text("abc é", min_size=10, max_size=80), text=st.text("abc é", max_size=40))
@settings(max_examples=25)
def test_the_readable_encode_gives_tiktokens_ids_whatever_was_learnt(learnt, text):
    tokenizer = BPETokenizer.from_text(learnt, 300)
    assert bpe_encode(text, tokenizer.ranks) == tokenizer.encode(text)


@given(text=st.text())
@settings(max_examples=200)
def test_any_unicode_comes_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@pytest.mark.slow
def test_every_code_point_comes_back():
    text = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@pytest.mark.slow
def test_every_assigned_code_point_is_split_as_tiktoken_splits_it():
    """Between two letters, where it matters whether a character is a letter, a sign or a blank."""
    codes = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) not in ("Cn", "Cs")]
    learnt = BPETokenizer([(116, 104), (256, 101)])  # th, the
    for i in range(0, len(codes), 5000):
        text = "".join(f"t{c}he the{c}" for c in codes[i : i + 5000])
        assert bpe_encode(text, learnt.ranks) == learnt.encode(text)


def test_frequent_words_become_one_token():
    assert [TOKENIZER.token_bytes(id) for id in TOKENIZER.encode("the cat")] == [b"the", b" cat"]
    assert len(TOKENIZER.encode(TEXT)) < len(TEXT) / 2


def test_a_long_run_of_one_character_is_no_trouble():
    for character in " a":
        text = character * 1_200_000 + "x"  # GPT-2's pattern: tiktoken panics at a million blanks
        assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_the_vocabulary_is_bytes_merges_and_the_end_of_text():
    assert (TOKENIZER.vocab_size, TOKENIZER.eot_id) == (335, 334)
    assert len(TOKENIZER.merges) == 335 - 257
    assert [TOKENIZER.token_bytes(id) for id in range(256)] == [bytes([b]) for b in range(256)]
    assert sorted(TOKENIZER.ranks.values()) == list(range(334))


def test_a_short_text_makes_a_small_vocabulary():
    assert make_tokenizer("bpe", "ab ab", 1024).vocab_size == 258
    assert make_tokenizer("bpe", "", 257).vocab_size == 257


def test_too_small_a_vocabulary_is_refused():
    with pytest.raises(VocabularyError, match=r"256 ids; it needs at least 257"):
        make_tokenizer("bpe", "abc", 256)


def test_a_text_with_half_a_character_is_not_learnt_from():
    with pytest.raises(VocabularyError, match="half a UTF-16"):
        make_tokenizer("bpe", "ab\ud800")


def test_end_of_text_lines_are_not_learnt_from():
    stories = f"abc abc\n{END_OF_TEXT}\n" * 20
    tokenizer = make_tokenizer("bpe", stories)
    assert tokenizer.merges == make_tokenizer("bpe", "abc abc\n" * 20).merges
    assert b"<|" not in tokenizer.ranks
    assert b" <|" in make_tokenizer("bpe", f"say {END_OF_TEXT}\n" * 20).ranks  # not alone


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("", [""]),
        ("a", ["a"]),
        (f"a\n{END_OF_TEXT}\nb\n", ["a\n", "b\n"]),
        (f"a\r\n{END_OF_TEXT}\r\nb", ["a\r\n", "b"]),
        (f"a\n{END_OF_TEXT}", ["a\n", ""]),
        (f"{END_OF_TEXT}\n{END_OF_TEXT}\n", ["", "", ""]),
        (f"a{END_OF_TEXT}\n {END_OF_TEXT}\n{END_OF_TEXT} \n", None),
        (END_OF_TEXT * 2, None),
    ],
)
def test_only_a_line_of_its_own_ends_a_text(text, documents):
    assert split_documents(text) == (documents or [text])


def test_the_stored_form_has_the_pattern_and_the_merges_and_is_small():
    stored = BPETokenizer([(97, 110), (98, 256)]).to_json()
    assert stored == {"name": "bpe", "pattern": SPLIT_PATTERN, "merges": [[97, 110], [98, 256]]}
    assert len(json.dumps(TOKENIZER.to_json())) < 300 + 12 * len(TOKENIZER.merges)


DOUBLINGS = [[97, 97], *([256 + i, 256 + i] for i in range(7))]  # 2 ** 8 bytes


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"pattern": "(a+)+$"}, "split pattern"),
        ({"pattern": "("}, "split pattern"),
        ({"pattern": None}, "split pattern"),
        ({"merges": None}, "list of pairs"),
        ({"merges": {"0": [1, 2]}}, "list of pairs"),
        ({"merges": [[1]]}, "list of pairs"),
        ({"merges": [[1, 2, 3]]}, "list of pairs"),
        ({"merges": ["ab"]}, "list of pairs"),
        ({"merges": [[1, 2.0]]}, "list of pairs"),
        ({"merges": [[True, 2]]}, "list of pairs"),
        ({"merges": [[-1, 2]]}, "only 0 to 255"),
        ({"merges": [[1, 256]]}, "only 0 to 255"),
        ({"merges": [[10**4000, 1]]}, "only 0 to 255"),
        ({"merges": [[1, 2], [1, 2]]}, "a token already"),
        ({"merges": [[97, 98], [98, 99], [256, 99], [97, 257]]}, "a token already"),
        ({"merges": DOUBLINGS}, "at most 129"),
        ({"more": 1}, "no others"),
        ({"name": "gpt2"}, "no others"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_hostile_stored_vocabulary_is_a_checkpoint_error(change, why):
    stored = TOKENIZER.to_json() | change
    with pytest.raises(CheckpointError, match=f"stored tokenizer cannot be used: .*{why}") as found:
        load_tokenizer(stored)
    assert len(str(found.value)) < 400


def test_a_vocabulary_without_a_key_is_a_checkpoint_error():
    for key in ("pattern", "merges"):
        stored = TOKENIZER.to_json()
        del stored[key]
        with pytest.raises(CheckpointError, match="merges, name, pattern"):
            load_tokenizer(stored)


@given(merges=st.lists(st.lists(st.integers(-1, 262), min_size=2, max_size=2), max_size=6))
@settings(max_examples=40)
def test_any_merges_load_and_encode_or_are_a_checkpoint_error(merges):
    with contextlib.suppress(CheckpointError):
        stored = {"name": "bpe", "pattern": SPLIT_PATTERN, "merges": merges}
        tokenizer = load_tokenizer(stored)
        assert tokenizer.to_json() == stored
        assert tokenizer.decode(tokenizer.encode("abc")) == "abc"


def test_the_longest_piece_can_be_one_token():
    merge = functools.partial(BPETokenizer.from_text, vocab_size=400)
    tokenizer = merge(f" {'😀' * 32}" * 9)
    assert max(map(len, tokenizer.ranks)) == 129 <= LONGEST_TOKEN


def test_decoding_loads_neither_tiktoken_nor_regex():
    code = (
        "import sys; from tinygpt.tokenizers import BPETokenizer;"
        "assert BPETokenizer([(97, 98)]).decode([256, 99]) == 'abc';"
        "sys.exit(bool({'numpy', 'tiktoken', 'regex'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0
