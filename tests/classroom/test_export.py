"""What other platforms take. That they give the points of `grade` is in test_platforms.py."""

import json
import zipfile
from pathlib import Path

import classes
import pytest

from tinygpt.classroom import source
from tinygpt.classroom.__main__ import main
from tinygpt.classroom.manifest import all_assignments, find_assignment
from tinygpt.classroom.released import expect_check, expect_hidden_check
from tinygpt.errors import AssignmentError

WITH_CHECKS = [a for a in all_assignments() if a.tasks]
SCRIPTS = ("setup.sh", "run_autograder")


def test_the_gradescope_zip_has_two_scripts_to_run_and_the_assignment(tmp_path):
    out = tmp_path / "new" / "a03.zip"
    flags = ["--to", "gradescope", "--out", str(out), "--seed", "4", "--install", "tinygpt"]
    assert main(["export", "a03", *flags]) == 0
    with zipfile.ZipFile(out) as archive:
        assert {"setup.sh", "run_autograder"} <= set(archive.namelist())
        assert all(archive.getinfo(n).external_attr >> 16 & 0o111 for n in SCRIPTS)
        texts = [archive.read(name).decode() for name in SCRIPTS]
        archive.extractall(tmp_path / "source")
    assert 'pip" install -q tinygpt\n' in texts[0] and "--seed 4 " in texts[1]
    assert find_assignment("a03", tmp_path / "source" / "assignments").points == 30
    with pytest.raises(AssignmentError, match=r"a03\.zip exists; choose another place"):
        main(["export", "a03", *flags])


def test_a_course_of_nbgrader_takes_one_assignment_after_the_other(tmp_path):
    flags = ["--to", "nbgrader", "--out", str(tmp_path), "--seed", "4"]
    assert main(["export", "a03", *flags]) == 0
    (tmp_path / "nbgrader_config.py").write_text("# mine now")
    assert main(["export", "a05", *flags]) == 0
    assert {path.name for path in (tmp_path / "source").iterdir()} == {"a03", "a05"}
    assert (tmp_path / "nbgrader_config.py").read_text() == "# mine now"
    with pytest.raises(AssignmentError, match="a03 exists; choose another place"):
        main(["export", "a03", *flags])


@pytest.mark.parametrize("assignment", WITH_CHECKS, ids=lambda a: a.name)
def test_the_nbgrader_notebook_has_a_cell_for_each_function_and_each_check(assignment, tmp_path):
    out = tmp_path / "course"
    assert main(["export", assignment.name, "--to", "nbgrader", "--out", str(out)]) == 0
    folder = out / "source" / assignment.name
    assert not {"solution.py", "hidden_tests.py"} & {path.name for path in folder.iterdir()}
    cells = json.loads((folder / f"{assignment.name}.ipynb").read_text("utf-8"))["cells"]
    marks = [cell["metadata"]["nbgrader"] for cell in cells]
    texts = ["".join(cell["source"]) for cell in cells]
    assert len({mark["grade_id"] for mark in marks}) == len(cells)
    solved = [text for mark, text in zip(marks, texts, strict=True) if mark["solution"]]
    assert len(solved) == len(assignment.functions)
    for text in solved:  # nbgrader wants both markers in one cell
        assert text.count(source.BEGIN) == text.count(source.END) == 1
    graded = [(m["points"], t) for m, t in zip(marks, texts, strict=True) if m["grade"]]
    assert [points for points, _ in graded] == [task.points for task in assignment.tasks]
    for task, (_, text) in zip(assignment.tasks, graded, strict=True):
        assert task.hidden == ("### BEGIN HIDDEN TESTS" in text) == ("expect_hidden" in text)
    assert all(
        cell["cell_type"] == "code" or mark["locked"]
        for cell, mark in zip(cells, marks, strict=True)
    )


def test_the_cells_of_nbgrader_fail_with_the_reason(tmp_path, monkeypatch):
    assignment = find_assignment("a03")
    main(["export", "a03", "--to", "nbgrader", "--out", str(tmp_path / "course"), "--seed", "4"])
    monkeypatch.chdir(tmp_path / "course" / "source" / "a03")
    cells = json.loads(Path("a03.ipynb").read_text("utf-8"))["cells"]
    scope, passed = {}, 0.0
    for cell in cells:
        code = "".join(cell["source"]).replace("z = x / TEMPERATURE", "z = x")
        marks = cell["metadata"]["nbgrader"]
        if cell["cell_type"] == "code" and not marks["grade"]:
            exec(code, scope)
        elif marks["grade"]:
            try:
                exec(code, scope)
                passed += marks["points"]
            except AssertionError as error:
                assert len(str(error).splitlines()) > 1
    assert passed == 17 < assignment.points


def test_a_warning_costs_nothing_in_nbgrader(tmp_path, monkeypatch, capfd):
    """nbgrader takes a word on stderr for a check that has failed."""
    main(["export", "a03", "--to", "nbgrader", "--out", str(tmp_path)])
    monkeypatch.chdir(tmp_path / "source" / "a03")
    right = classes.made(find_assignment("a03"), 0)["right"]
    warns = (
        "import sys, warnings\ndef softmax(x):\n    warnings.warn('old'); print(1, file=sys.stderr)"
    )
    scope = {}
    exec(right.replace("def softmax(x):", warns), scope)
    expect_check("softmax: rows are probabilities", scope)
    folder = str(find_assignment("a03").folder)
    expect_hidden_check(folder, 0, "softmax: the temperature of this class", scope)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("platform", ["nbgrader", "gradescope"])
def test_the_project_has_nothing_to_run(platform, tmp_path):
    with pytest.raises(AssignmentError, match="a person marks it"):
        main(["export", "a16", "--to", platform, "--out", str(tmp_path / "a16")])
    assert not (tmp_path / "a16").exists()
