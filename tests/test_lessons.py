"""Every lesson has its parts, and its committed notebook is what its source gives."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tinygpt.lesson_checks import all_checks

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ROOT / "lessons"
SOURCES = sorted((LESSONS / "src").glob("*.py"))
CHECKS = [check.name for check in all_checks()]
every_lesson = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
needs_jupyter = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("jupytext", "nbclient", "ipykernel"))),
    reason="needs pip install '.[lessons]'",
)


@every_lesson
def test_a_lesson_has_its_map_its_exercises_and_its_hints(source):
    text = source.read_text(encoding="utf-8")
    number = source.name[:2]
    assert re.match(rf"# %% \[markdown\]\n# # {number} · ", text)
    assert re.search(r"^draw_map\(", text, re.M)
    assert "plt" not in text and "pyplot" not in text
    for name in (name for name in CHECKS if name.startswith(number)):
        assert text.count(f"# HINTS {name}\n") == 1
        function = name.partition(".")[2]
        stub = rf'tags=\["exercise"\]\ndef {function}\(.*\):\n    raise NotImplementedError'
        assert re.search(stub, text), name
        assert f'check("{name}", {function})' in text
    for word in ("Three lines to remember", "You can now", "To read", "**Predict"):
        assert word in text, word
    assert not re.search(r"\b(simply|just|obviously)\b", text, re.I)


@every_lesson
def test_a_lesson_is_in_the_table_and_its_notebook_is_there(source):
    notebook = f"{source.stem}.ipynb"
    assert f"[{source.name[:2]}]({notebook})" in (LESSONS / "README.md").read_text(encoding="utf-8")
    text = (LESSONS / notebook).read_text(encoding="utf-8")
    assert len(text) < 700_000
    assert str(Path.home()) + "/" not in text and "stderr" not in text


@every_lesson
def test_a_lesson_needs_only_earlier_ones(source):
    """Its row, its checks, and what these are made of."""
    number = source.name[:2]
    table = (LESSONS / "README.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| \[{number}\].*$", table, re.M)[0]
    needed = re.findall(r"\d\d", row.split("|")[5])
    made_of = ROOT / f"tinygpt/lesson_checks/c{number}.py"
    used = re.findall(r"lesson_checks\.c(\d\d)", made_of.read_text(encoding="utf-8"))
    assert all(other < number for other in [*needed, *used])
    asked = re.findall(r'\b(?:check|hint)\("(\d\d)\.', source.read_text(encoding="utf-8"))
    assert asked and set(asked) == {number}
    names = {name for name in CHECKS if name.startswith(number)}
    written = {f"{number}.{function}" for function in re.findall(r"`(\w+)`", row.split("|")[3])}
    assert written == names, "the column 'you write' names the exercises"


def test_the_pages_lead_somewhere():
    for page in ("README.md", "WRITING.md", "glossary.md"):
        for link in re.findall(r"\]\((\S+?)\)", (LESSONS / page).read_text(encoding="utf-8")):
            assert (LESSONS / link).is_file(), link


def test_a_word_stands_once_in_the_glossary():
    text = (LESSONS / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| ([^|]+?) \|", text, re.M)
    assert len(words) > 50 and len(words) == len(set(words))


@pytest.mark.slow
@needs_jupyter
@every_lesson
def test_the_notebook_is_what_its_source_gives(source):
    command = [sys.executable, LESSONS / "render.py", "--check", source.name[:2]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
