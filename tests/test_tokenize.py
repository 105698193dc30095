"""`python -m tinygpt.tokenize` as people run it."""

import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tinygpt import tokenize
from tinygpt.checkpoint import save_checkpoint
from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError, DataError, VocabularyError
from tinygpt.params import parameter_count
from tinygpt.tokenizers import BPETokenizer, ByteTokenizer, load_tokenizer

ROOT = Path(__file__).parent.parent
BOOK = "the cat sat on the mat, the dog sat on the cat\n" * 20


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "book.txt").write_text(BOOK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def said(home, capsys):
    """Run the command in a folder with a book; what it prints."""

    def run(*words):
        tokenize.main(words)
        return capsys.readouterr().out

    return run


def test_a_vocabulary_is_learnt_written_and_used(said, home):
    said("--data", "book.txt", "--vocab-size", "270", "--out", "book.json")
    stored = json.loads((home / "book.json").read_text())
    assert stored == BPETokenizer.from_text(BOOK, 270).to_json()
    assert load_tokenizer(stored).vocab_size == 270
    shown = said("the cat", "--tokenizer", "book.json")
    assert shown.splitlines() == [
        "the| cat",
        "",
        "7 characters, 2 tokens of 270 (bpe): 3.50 characters per token",
    ]


def test_the_table_says_what_the_merges_bought(said, home):
    words = [f"{a}{b}{c}" for a in "bcdfghjkl" for b in "aeiou" for c in "mnprst"]
    (home / "words.txt").write_text(" ".join(words * 3))
    header, *rows = said("--data", "words.txt", "--vocab-size", "550").split("\n\n")[0].splitlines()
    assert header.split()[0] == "ids"
    table = [row.split()[:3] for row in rows]
    length = len(" ".join(words * 3))
    assert [row[0] for row in table] == ["257", "512", "550"]
    assert table[0][1:] == [f"{length + 1:,}", "1.00"]  # and an end-of-text
    counts = [int(row[1].replace(",", "")) for row in table]
    assert counts == sorted(counts, reverse=True) and counts[0] > 1.5 * counts[2]
    assert [float(row[2]) for row in table] == [round(length / count, 2) for count in counts]


def test_without_a_terminal_bars_stand_between_tokens(said):
    assert said("né\n", "--tokenizer", "bytes").startswith("n|<c3>|<a9>|⏎\n\n")


def test_the_beginning_of_the_data_is_shown_when_no_text_is_given(said):
    shown = said("--data", "book.txt", "--tokenizer", "bytes")
    assert "\n\nt|h|e| |c|a|t" in shown
    assert shown.endswith("600 characters, 600 tokens of 257 (bytes): 1.00 characters per token\n")


def test_colours_change_from_token_to_token_and_end_before_the_line():
    coloured = tokenize.cut("a b\nc", ByteTokenizer(), colour=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == "a b⏎\nc"
    grounds = re.findall(r"48;5;(\d+)m", coloured)
    assert len(grounds) == 5
    assert all(one != two for one, two in pairwise(grounds))
    assert "⏎\x1b[0m\n" in coloured


def test_a_text_cannot_command_the_terminal():
    assert "\x1b" not in tokenize.cut("a\x1b[2J\r\x07", ByteTokenizer(), colour=False)


def test_a_checkpoints_tokenizer_is_used(said, home):
    tokenizer = BPETokenizer.from_text(BOOK, 270)
    config = ModelConfig(vocab_size=270, block_size=4, n_layer=1, n_head=1, n_embd=4)
    flat = np.zeros(parameter_count(config), np.float32)
    save_checkpoint(home / "m.h5", config=config, flat=flat, tokenizer=tokenizer, state={})
    shown = said("the", "--checkpoint", "m.h5")
    assert shown.startswith("the\n") and "of 270 (bpe)" in shown


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ((), DataError, "no text to cut"),
        (("hello",), DataError, "no text to learn a vocabulary from"),
        (("hello", "--data", "gone.txt"), DataError, "neither a file"),
        (("hello", "--tokenizer", "gone.json"), DataError, "cannot be read"),
        (("hello", "--tokenizer", "book.txt"), CheckpointError, "is not JSON"),
        (("hello", "--tokenizer", "odd.json"), CheckpointError, "cannot be used"),
        (("hello", "--tokenizer", "bytes", "--out", "x.json"), DataError, "--out writes"),
        (("--data", "book.txt", "--vocab-size", "9"), VocabularyError, "at least 257"),
    ],
)
def test_what_cannot_be_is_one_sentence(said, home, words, error, message):
    (home / "odd.json").write_text('{"name": "bpe", "pattern": "a", "merges": []}')
    with pytest.raises(error, match=message):
        said(*words)
    assert not (home / "x.json").exists()


def test_the_command_runs_and_its_help_loads_no_numpy(home):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tinygpt.tokenize", "hi", "--tokenizer", "bytes"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("h|i\n")
    code = (
        "import sys; from tinygpt.tokenize import build_parser; build_parser().format_help();"
        "sys.exit(bool({'numpy', 'tiktoken', 'regex'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == 0
