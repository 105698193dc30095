"""A run's text, document by document, and the loss that no model can go below."""

import math

import numpy as np
import pytest

from tinygpt import tales
from tinygpt.config import TrainConfig
from tinygpt.corpus import documents_of, floor, prepare_text
from tinygpt.data.recipes import tales_corpus
from tinygpt.errors import ConfigError, DataError
from tinygpt.tokenizers import make_tokenizer

BYTES = make_tokenizer("bytes", "")


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "tales.txt"
    path.write_text(tales_corpus(30, seed=5), encoding="utf-8")
    return path


def config(path, **settings):
    return TrainConfig(**{"data": str(path), "windows": "documents", "vocab_size": 300} | settings)


@pytest.mark.parametrize("tokenizer", ["bpe", "bytes"])
def test_no_story_is_cut_between_training_and_validation(corpus, tokenizer):
    text = prepare_text(config(corpus, tokenizer=tokenizer))
    told = [
        text.tokenizer.decode(ids[1:].tolist()).removesuffix("\n")
        for ids in [*documents_of(text.train, text.tokenizer), *text.held_out()]
    ]
    stories = corpus.read_text().split("\n<|endoftext|>\n")[:-1]
    assert told == stories
    held_out = sum(map(len, told[-len(text.held_out()) :]))
    assert 0.1 <= held_out / sum(map(len, told)) < 0.2


def test_windows_begin_at_stories(corpus):
    settings = config(corpus, block_size=1000, batch_size=20)  # longer than any of them
    text = prepare_text(settings)
    assert (text.batches(settings).batch(0)[0][:, 0] == text.tokenizer.eot_id).all()
    anywhere = prepare_text(config(corpus, windows="anywhere"))
    x, _ = anywhere.batches(config(corpus, block_size=1000, batch_size=20)).batch(0)
    assert not (x[:, 0] == anywhere.tokenizer.eot_id).all()


def test_the_floor_is_the_stories_surprise_per_token(corpus):
    text = prepare_text(config(corpus, tokenizer="bytes", val_file=str(corpus)))
    stories = corpus.read_text().split("\n<|endoftext|>\n")[:-1]
    surprise = -math.fsum(tales.log_prob(story) for story in stories)
    tokens = sum(len(story.encode()) + 2 for story in stories)  # a line end and an end-of-text
    assert text.floor == pytest.approx(surprise / tokens, rel=1e-12)


def test_there_is_no_floor_where_one_document_is_no_tale(corpus):
    whole = corpus.read_text()
    corpus.write_text(whole + "Once upon a time.\n<|endoftext|>\n", encoding="utf-8")
    assert prepare_text(config(corpus, val_file=str(corpus))).floor is None
    assert floor([], BYTES) is None


def test_a_run_of_windows_anywhere_has_one_held_out_text_and_no_floor(corpus):
    text = prepare_text(config(corpus, windows="anywhere"))
    assert text.floor is None
    assert [len(ids) for ids in text.held_out()] == [len(text.val)]


def test_line_ends_of_windows_and_empty_documents_do_not_hide_the_floor(corpus):
    plain = prepare_text(config(corpus, val_file=str(corpus), tokenizer="bytes"))
    other = corpus.with_name("windows.txt")
    text = corpus.read_text().replace("<|endoftext|>\n", "<|endoftext|>\n<|endoftext|>\n")
    other.write_bytes(text.replace("\n", "\r\n").encode())
    found = prepare_text(config(corpus, val_file=str(other), tokenizer="bytes"))
    assert len(found.held_out()) == 30
    tokens = sum(len(ids) - 1 for ids in plain.held_out())
    assert found.floor == pytest.approx(plain.floor * tokens / (tokens + 30))  # 30 times \r


def test_one_document_alone_cannot_be_held_out_from_itself(corpus):
    corpus.write_text("a word and another\n" * 50)
    with pytest.raises(DataError, match="no whole document to train on"):
        prepare_text(config(corpus))


def test_a_tokenizer_without_end_of_text_cannot_tell_documents(corpus):
    with pytest.raises(ConfigError, match="char tokenizer has no end-of-text"):
        prepare_text(config(corpus, tokenizer="char"))
    with pytest.raises(ConfigError, match="no end-of-text"):
        documents_of(np.array([1, 2]), make_tokenizer("char", "ab"))
