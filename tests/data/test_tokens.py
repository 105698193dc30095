"""Corpora as ids, and the files that hold them."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygpt.data import TokenFile, encode_corpus, tokens, write_tokens
from tinygpt.errors import DataError, VocabularyError
from tinygpt.tokenizers import BPETokenizer, ByteTokenizer, CharTokenizer

META = {"tokenizer": {"name": "bytes"}, "source": "é"}


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "tokens.npy"
    write_tokens(path, np.arange(1000, dtype=np.uint16), META)
    return path


def test_end_of_text_follows_every_text():
    ids = encode_corpus(["ab", "c"], ByteTokenizer())
    assert ids.tolist() == [97, 98, 256, 99, 256]
    assert ids.dtype == np.uint16


@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), BPETokenizer([(97, 98)])])
def test_a_line_that_says_end_of_text_alone_is_the_token(tokenizer):
    eot = tokenizer.eot_id
    ids = encode_corpus(["c\n<|endoftext|>\nd\n<|endoftext|>\n", "e<|endoftext|>"], tokenizer)
    assert ids[:6].tolist() == [99, 10, eot, 100, 10, eot]  # and not doubled where a text ends
    assert ids[6:].tolist() == [*tokenizer.encode("e<|endoftext|>"), eot]
    assert tokenizer.decode(ids) == "c\nd\ne<|endoftext|>"
    assert encode_corpus(["<|endoftext|>\na", ""], tokenizer).tolist() == [eot, 97, eot, eot]


def test_without_an_end_of_text_that_line_is_characters():
    line = "<|endoftext|>\n"
    tokenizer = CharTokenizer.from_text(line)
    assert encode_corpus([line], tokenizer).tolist() == tokenizer.encode(line)


def test_characters_have_nothing_between_texts():
    assert encode_corpus(["ab", "ba"], CharTokenizer("ab")).tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(("size", "dtype"), [(65536, np.uint16), (65537, np.uint32)])
def test_ids_take_two_bytes_where_the_vocabulary_fits(size, dtype):
    characters = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x12000)]))[:size]
    ids = encode_corpus([characters[-1]], CharTokenizer(characters))
    assert ids.dtype == dtype
    assert ids.tolist() == [size - 1]


@given(text=st.text(max_size=20), chunk=st.integers(1, 5))
@settings(max_examples=50)
def test_a_long_text_encoded_in_chunks_has_the_same_ids(text, chunk):
    whole = tokens._CHUNK
    tokens._CHUNK = chunk
    try:
        ids = encode_corpus([text], ByteTokenizer())
    finally:
        tokens._CHUNK = whole
    assert ids.tolist() == [*text.encode(), 256]


def test_an_unseen_character_is_a_vocabulary_error():
    with pytest.raises(VocabularyError, match="'z'"):
        encode_corpus(["ab", "z"], CharTokenizer("ab"))


def test_a_token_file_gives_back_ids_and_meta(written):
    file = TokenFile(written)
    assert file.ids.tolist() == list(range(1000))
    assert file.ids.dtype == np.uint16
    assert file.meta == META


def test_a_token_file_is_mapped_and_read_only(written):
    ids = TokenFile(written).ids
    assert isinstance(ids.base, np.memmap)
    assert not ids.flags.writeable


def test_numpy_reads_a_token_file(written):
    assert np.load(written).tolist() == list(range(1000))


def test_writing_replaces_the_old_file_and_leaves_nothing_else(written):
    write_tokens(written, np.array([7], np.uint32), {})
    assert TokenFile(written).ids.tolist() == [7]
    assert list(written.parent.iterdir()) == [written]


@pytest.mark.parametrize(
    "ids", [np.zeros((2, 2), np.uint16), np.zeros(3, np.int64), np.zeros(0, np.uint16)]
)
def test_ids_that_are_no_tokens_are_not_written(tmp_path, ids):
    with pytest.raises(DataError, match="cannot be written"):
        write_tokens(tmp_path / "x.npy", ids, {})
    assert not list(tmp_path.iterdir())


def test_a_missing_token_file_says_how_to_make_one(tmp_path):
    with pytest.raises(DataError, match=r"cannot be read .*python -m tinygpt\.data"):
        TokenFile(tmp_path / "gone.npy")


@pytest.mark.parametrize("keep", [0, 5, 60, 128, 500, 2127, 2128, 2140])
def test_a_truncated_token_file_is_refused(written, keep):
    raw = written.read_bytes()
    assert keep < len(raw)
    written.write_bytes(raw[:keep])
    with pytest.raises(DataError, match="not a token file of tinygpt, or is damaged"):
        TokenFile(written)


def test_a_token_file_that_lost_its_end_says_so(written):
    written.write_bytes(written.read_bytes()[:500])
    with pytest.raises(DataError, match="it ends before its 1000 ids do"):
        TokenFile(written)


@pytest.mark.parametrize(
    "array", [np.zeros(5), np.zeros((2, 2), np.uint16), np.array(3, np.uint16)], ids=str
)
def test_an_array_of_another_kind_is_refused(tmp_path, array):
    path = tmp_path / "x.npy"
    with open(path, "wb") as file:
        np.save(file, array)
        file.write(json.dumps(META).encode())
    with pytest.raises(DataError, match="does not begin as"):
        TokenFile(path)


def test_pickled_objects_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="not a token file"):
        TokenFile(tmp_path / "x.npy")


@given(place=st.integers(0, 127), byte=st.integers(0, 255))
@settings(max_examples=150)
def test_a_damaged_header_is_refused_or_harmless(tmp_path_factory, place, byte):
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    write_tokens(path, np.arange(10, dtype=np.uint16), META)
    raw = bytearray(path.read_bytes())
    raw[place] = byte
    path.write_bytes(raw)
    with contextlib.suppress(DataError):
        file = TokenFile(path)
        assert file.ids.tobytes() == np.arange(10, dtype=np.uint16).tobytes()
