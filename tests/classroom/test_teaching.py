"""The guide for teachers says what is there, and the command line says no in one sentence."""

import re
from pathlib import Path

import pytest

from tinygpt.classroom.__main__ import build_parser, main
from tinygpt.classroom.manifest import FOLDER, all_assignments
from tinygpt.errors import TinyGPTError

GUIDE = (FOLDER.parent / "TEACHING.md").read_text("utf-8")


def test_the_guide_has_every_assignment_with_its_points():
    told = dict(re.findall(r"\*\*(a\d\d)\*\*, (\d+) points", GUIDE))
    points = {a.name: a.points for a in all_assignments() if a.tasks}
    assert {name: float(p) for name, p in told.items()} == points
    assert "**a16**, the project" in GUIDE


def test_every_command_of_the_guide_is_one():
    lines = re.findall(r"^    python -m tinygpt\.classroom (.*?)(?:   .*)?$", GUIDE, re.MULTILINE)
    assert len(lines) >= 7
    for line in lines:
        build_parser().parse_args(line.split())


def test_list_names_functions_and_points(capsys):
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "a03   30 points  Softmax" in said and "softmax, cross_entropy" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["grade", "a03", "nowhere", "--out", "x"], "nowhere is no folder"),
        (["check", "a03", "nowhere"], "nowhere has no assignment.toml; give the folder that was"),
        (["release", "a3", "--out", "x", "--install", "t"], "there is no assignment 'a3' in"),
        (["list", "--assignments", "nowhere"], "there are no assignments in nowhere"),
        (["grade", "a03", ".", "--out", "x", "--jobs", "0"], "--jobs must be at least 1"),
        (["grade", "a03", ".", "--out", "x", "--only", "eve"], "has no submission 'eve'"),
    ],
)
def test_a_mistake_is_one_sentence(words, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ann").mkdir()
    with pytest.raises(TinyGPTError, match=re.escape(says)) as raised:
        main(words)
    assert "\n" not in str(raised.value)
    assert not Path("x").exists()
