"""What every tokenizer promises, on text and ids that hypothesis makes up."""

import contextlib
import json
import subprocess
import sys

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygpt.errors import CheckpointError, ConfigError, VocabularyError
from tinygpt.tokenizers import (
    NAMES,
    BPETokenizer,
    ByteTokenizer,
    CharTokenizer,
    GPT2LikeTokenizer,
    GPT2Tokenizer,
    TextStream,
    load_tokenizer,
    make_tokenizer,
)
from tinygpt.tokenizers.gpt2_like import BYTE_OF

# The 256 bytes, a few merges (two of them inside and across characters), and an end-of-text.
_MERGES = [b"th", b"the", b" t", b"\xc3\xa9", b"\x9f\x98", b"\xf0\x9f\x98"]
TINY_ENCODING = tiktoken.Encoding(
    "tiny",
    pat_str=r"\s?\w+|\s+|[^\s\w]+",
    mergeable_ranks={
        token: rank for rank, token in enumerate([*(bytes([i]) for i in range(256)), *_MERGES])
    },
    special_tokens={"<|endoftext|>": 256 + len(_MERGES)},
)
TOKENIZERS = {
    "bytes": ByteTokenizer(),
    "char": CharTokenizer("\n abcé€😀\ufffd"),
    "bpe": BPETokenizer.from_text("the thé 😀 😀 thé the\r\n\r\n", 270),
    "gpt2": GPT2Tokenizer(TINY_ENCODING),
    "gpt2-like": GPT2LikeTokenizer(
        ["<|pad|>", *BYTE_OF, "th", "the", "Ġt", "Ã©", "<|endoftext|>"], special=[0, 261]
    ),
}
every_tokenizer = pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)
texts = {
    "char": st.text(TOKENIZERS["char"].characters),
    "other": st.text() | st.text("th é😀\r\n"),
}


@every_tokenizer
@given(data=st.data())
@settings(max_examples=100)
def test_decode_reverses_encode(tokenizer, data):
    text = data.draw(texts.get(tokenizer.name, texts["other"]))
    ids = tokenizer.encode(text)
    assert all(type(id) is int and 0 <= id < tokenizer.vocab_size for id in ids)
    assert tokenizer.decode(ids) == text


@every_tokenizer
@given(data=st.data())
@settings(max_examples=200)
def test_streamed_text_equals_decode_of_all_ids(tokenizer, data):
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size - 1), max_size=20))
    stream = TextStream(tokenizer)
    pieces = [stream.push(id) for id in ids] + [stream.finish()]
    assert "".join(pieces) == tokenizer.decode(ids)


@given(
    raw=st.lists(st.sampled_from([0xF0, 0x9F, 0x98, 0x80, 0xC0, 0xE2, 0xED, 0xA0, 0x41])).map(bytes)
)
@settings(max_examples=300)
def test_streamed_malformed_utf8_equals_decode(raw):
    stream = TextStream(ByteTokenizer())
    streamed = "".join(stream.push(id) for id in raw) + stream.finish()
    assert streamed == raw.decode("utf-8", errors="replace") == ByteTokenizer().decode(raw)


def test_the_stream_holds_half_a_character_back_and_shows_the_rest_at_once():
    stream = TextStream(ByteTokenizer())
    assert [stream.push(id) for id in "a😀".encode()] == ["a", "", "", "", "😀"]
    assert stream.push(0xE2) == ""
    assert stream.finish() == "\ufffd"
    assert stream.finish() == ""
    assert stream.push(0x62) == "b"


@every_tokenizer
@given(data=st.data())
def test_the_bytes_of_the_tokens_are_those_of_the_text(tokenizer, data):
    text = data.draw(texts.get(tokenizer.name, texts["other"]))
    assert b"".join(map(tokenizer.token_bytes, tokenizer.encode(text))) == text.encode()


@every_tokenizer
@pytest.mark.parametrize("beyond", [-1, 0, 1 << 40])
def test_an_id_out_of_range_is_a_vocabulary_error(tokenizer, beyond):
    id = tokenizer.vocab_size if beyond == 0 else beyond
    for use in (lambda: tokenizer.decode([0, id]), lambda: tokenizer.token_bytes(id)):
        with pytest.raises(
            VocabularyError, match=f"no token id {id}: .*{tokenizer.vocab_size} ids"
        ):
            use()


@every_tokenizer
@pytest.mark.parametrize("text", ["a\ud800b", "\udcff"])
def test_a_lone_surrogate_is_a_vocabulary_error(tokenizer, text):
    with pytest.raises(VocabularyError):
        tokenizer.encode(text)


@pytest.mark.parametrize("name", ["bytes", "bpe", "gpt2", "gpt2-like"])
def test_end_of_text_is_never_shown_and_never_encoded_from_its_name(name):
    tokenizer = TOKENIZERS[name]
    assert tokenizer.eot_id == tokenizer.vocab_size - 1
    assert tokenizer.token_bytes(tokenizer.eot_id) == b""
    hi = tokenizer.encode("hi")
    assert tokenizer.decode([tokenizer.eot_id, *hi, tokenizer.eot_id]) == "hi"
    written_out = tokenizer.encode("<|endoftext|>")
    assert tokenizer.eot_id not in written_out
    assert tokenizer.decode(written_out) == "<|endoftext|>"


def test_gpt2_merges_bytes_into_tokens():
    assert [
        TINY_ENCODING.decode_single_token_bytes(id) for id in TOKENIZERS["gpt2"].encode("the")
    ] == [b"the"]


def test_the_byte_tokenizer_has_257_ids():
    tokenizer = make_tokenizer("bytes", "")
    assert (tokenizer.vocab_size, tokenizer.eot_id) == (257, 256)
    assert tokenizer.encode("é") == [0xC3, 0xA9]


def test_the_character_tokenizer_sorts_the_characters_of_the_text():
    tokenizer = make_tokenizer("char", "hello, world\n")
    assert tokenizer.characters == "\n ,dehlorw"
    assert tokenizer.eot_id is None


def test_unseen_characters_are_named_with_their_counts():
    with pytest.raises(
        VocabularyError, match=r"has not: 'z' \(2 times\), '\\n' \(1 times\);.*bytes"
    ):
        CharTokenizer("abc").encode("az\nzc")


def test_at_most_ten_unseen_characters_are_named():
    with pytest.raises(VocabularyError) as caught:
        CharTokenizer("a").encode("0123456789xyz")
    assert str(caught.value).count(" times)") == 10
    assert "and 3 others" in str(caught.value)


@pytest.mark.parametrize("characters", ["", "aba", "a\ud800"])
def test_characters_that_cannot_be_a_vocabulary_are_refused(characters):
    with pytest.raises(VocabularyError):
        CharTokenizer(characters)


def test_a_text_without_characters_makes_no_character_tokenizer():
    with pytest.raises(VocabularyError, match="no characters"):
        make_tokenizer("char", "")


def test_an_unknown_tokenizer_is_a_configuration_error():
    with pytest.raises(ConfigError, match=r"'word'.*bytes, char, bpe, gpt2"):
        make_tokenizer("word", "text")


@pytest.mark.parametrize("name", ["bytes", "char", "bpe"])
def test_a_tokenizer_survives_json(name):
    tokenizer = TOKENIZERS[name]
    again = load_tokenizer(json.loads(json.dumps(tokenizer.to_json())))
    assert again.name == name
    assert again.encode("abc é€😀"[:7]) == tokenizer.encode("abc é€😀"[:7])
    assert again.to_json() == tokenizer.to_json()


@pytest.mark.parametrize(
    "stored",
    [
        None,
        [],
        "bytes",
        {},
        {"name": 1},
        {"name": ["bytes"]},
        {"name": "word"},
        {"name": "x" * 10_000_000},
        {"name": "bytes", "characters": "abc"},
        {"name": "char"},
        {"name": "char", "characters": ["a", "b"]},
        {"name": "char", "characters": None},
        {"name": "gpt2-like", "tokens": [*BYTE_OF], "special": None},
        {"name": "gpt2-like", "tokens": "abc", "special": []},
        {"name": "gpt2-like", "tokens": [*BYTE_OF, 7], "special": []},
        {"name": "gpt2-like", "tokens": [*BYTE_OF, "x y"], "special": []},
        {"name": "gpt2-like", "tokens": [*BYTE_OF, "a"], "special": []},
        {"name": "gpt2-like", "tokens": [*BYTE_OF, "a"], "special": [256]},
        {"name": "gpt2-like", "tokens": [*BYTE_OF, ""], "special": [256]},
        {"name": "gpt2-like", "tokens": [*BYTE_OF, "\ud800"], "special": [256]},
        {"name": "gpt2-like", "tokens": [*BYTE_OF], "special": [256]},
        {"name": "gpt2-like", "tokens": [*BYTE_OF], "special": [-1]},
        {"name": "gpt2-like", "tokens": [*BYTE_OF][1:], "special": []},
        {"name": "char", "characters": ""},
        {"name": "char", "characters": "aa"},
        {"name": "char", "characters": "ab" * 1_000_000},
        {"name": "char", "characters": "\udc80"},
        {"name": "char", "characters": "ab", "more": {}},
    ],
    ids=lambda stored: repr(stored)[:40],
)
def test_a_hostile_stored_tokenizer_is_a_checkpoint_error(stored):
    with pytest.raises(CheckpointError, match="stored tokenizer cannot be used") as caught:
        load_tokenizer(stored)
    assert len(str(caught.value)) < 400


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
)


@given(
    stored=json_values
    | st.fixed_dictionaries({"name": st.sampled_from(NAMES[:2]), "characters": json_values})
)
@settings(max_examples=100)
def test_any_json_loads_or_is_a_checkpoint_error(stored):
    with contextlib.suppress(CheckpointError):
        assert load_tokenizer(stored).to_json() == stored


def test_importing_the_package_loads_neither_numpy_nor_tiktoken():
    code = (
        "import sys, tinygpt.tokenizers as t; t.make_tokenizer('char', 'ab').encode('a');"
        "sys.exit(bool({'numpy', 'tiktoken', 'requests'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0


def test_a_text_that_makes_tiktoken_panic_is_one_sentence():
    class PanicException(BaseException):
        pass

    class Panics:  # what the real one does on 1.5 million blanks, in gigabytes of stack
        n_vocab, special_tokens_set = 3, frozenset()

        def encode_ordinary(self, text):
            raise PanicException("StackOverflow")

    with pytest.raises(VocabularyError, match="blanks"):
        GPT2Tokenizer(Panics()).encode("  ")
