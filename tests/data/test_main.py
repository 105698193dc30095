"""`python -m tinygpt.data` as people run it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tinygpt.data
from tinygpt import tales
from tinygpt.data import RECIPES, TokenFile
from tinygpt.tokenizers import NAMES

REPOSITORY = str(Path(__file__).parents[2])


@pytest.fixture
def data(tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "tinygpt.data", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": REPOSITORY},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    (tmp_path / "book.txt").write_bytes("né\r\n".encode())
    return run


def test_help_names_every_recipe_and_tokenizer(data):
    done = data("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(
        f"{name}  " in done.stdout and what[:20] in done.stdout for name, what in RECIPES.items()
    )
    assert "{" + ",".join(NAMES) + "}" in done.stdout


def test_parsing_loads_no_numpy():
    code = (
        "import sys; from tinygpt.data.__main__ import build_parser; build_parser().format_help();"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_file_becomes_a_token_file(data, tmp_path):
    done = data("book.txt", "--tokenizer", "bytes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "book: 1 text, 4 characters\nwrote data/book.npy: 6 ids of 257\n"
    file = TokenFile(tmp_path / "data/book.npy")
    assert bytes(file.ids[:-1].tolist()).decode() == "né\r\n"
    assert file.meta["tokenizer"] == {"name": "bytes"}


def test_a_folder_becomes_one_text_and_says_what_it_skipped(data, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.txt").write_text("a")
    (tmp_path / "docs/b.txt").write_text("b")
    (tmp_path / "docs/c.txt").write_bytes(b"\xff")
    done = data("docs", "--out", "all/text.txt")
    assert done.returncode == 0
    assert done.stderr == f"skipped {Path('docs/c.txt')}: not text in UTF-8\n"
    assert (tmp_path / "all/text.txt").read_text() == "a\nb"


def test_a_file_alone_is_looked_at_and_nothing_is_written(data, tmp_path):
    done = data("book.txt")
    assert done.stdout.splitlines()[1] == "book.txt is ready to train on"
    assert [path.name for path in tmp_path.iterdir()] == ["book.txt"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("nope",),
        ("book.txt", "--out", "book.txt"),
        ("book.txt", "--tokenizer", "char", "--out", "./book.txt"),
        ("book.txt", "--from", "book.txt"),
        ("shakespeare", "--from", "book.txt"),
        ("book.txt", "--out", "book.txt/x"),
        ("book.txt", "--out", "."),
        (b"caf\xe9",),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence_and_changes_nothing(data, tmp_path, arguments):
    done = data(*arguments)
    assert done.returncode == 1
    assert done.stdout.count("\n") <= 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert (tmp_path / "book.txt").read_bytes() == "né\r\n".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["book.txt"]


@pytest.mark.parametrize(
    "arguments", [(), ("book.txt", "--tokenizer", "word"), ("a", "b")], ids=str
)
def test_wrong_usage_exits_2(data, arguments):
    assert data(*arguments).returncode == 2


def test_the_public_names_all_resolve():
    assert all(getattr(tinygpt.data, name) for name in tinygpt.data.__all__)
    with pytest.raises(AttributeError):
        tinygpt.data.nothing  # noqa: B018


def test_tales_are_lines_each_ended_by_a_line_of_its_own(data, tmp_path):
    done = data("tales", "--stories", "3", "--seed", "5")
    assert (done.returncode, done.stderr) == (0, "")
    lines = (tmp_path / "data" / "tales.txt").read_text("utf-8").splitlines()
    assert lines[1::2] == ["<|endoftext|>"] * 3
    assert all(tales.log_prob(story) is not None for story in lines[::2])


def test_flags_of_the_tales_go_with_no_other_data(data):
    done = data("book.txt", "--seed", "5")
    assert done.returncode == 1
    assert "--seed goes with the recipe tales" in done.stderr


def test_no_stories_are_refused_in_one_sentence(data):
    done = data("tales", "--stories", "0")
    assert done.returncode == 1
    assert "0 stories from seed 0 cannot be written" in done.stderr
