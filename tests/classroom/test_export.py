"""What other platforms take: run as Gradescope runs it, the zip gives the same points."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import tinygpt
from tinygpt.classroom import source
from tinygpt.classroom.__main__ import main
from tinygpt.classroom.manifest import all_assignments, find_assignment
from tinygpt.errors import AssignmentError

WITH_CHECKS = [a for a in all_assignments() if a.tasks]


@pytest.mark.skipif(sys.platform == "win32", reason="Gradescope's machines run Linux")
def test_the_gradescope_zip_gives_the_points_of_grade(tmp_path):
    assignment = find_assignment("a03")
    out = tmp_path / "a03.zip"
    flags = ["--to", "gradescope", "--out", str(out), "--seed", "4", "--install", "tinygpt"]
    assert main(["export", "a03", *flags]) == 0
    with zipfile.ZipFile(out) as archive:
        assert {"setup.sh", "run_autograder"} <= set(archive.namelist())
        archive.extractall(tmp_path / "source")
        assert archive.getinfo("run_autograder").external_attr >> 16 & 0o111
    text = source.solution_text(assignment, assignment.constants(4))
    half = text.replace("z = x / TEMPERATURE", "z = x")
    for handed_in, points in ((text, 30), (half, 17), ("", 0)):
        (tmp_path / "submission").mkdir(exist_ok=True)
        (tmp_path / "submission" / "a03.py").write_text(handed_in, "utf-8")
        root = str(Path(tinygpt.__file__).parents[1])
        env = {"AUTOGRADER": str(tmp_path), "PYTHON": sys.executable, "PYTHONPATH": root}
        command = ["bash", str(tmp_path / "source" / "run_autograder")]
        subprocess.run(command, env={**os.environ, **env}, check=True, capture_output=True)
        results = json.loads((tmp_path / "results" / "results.json").read_text("utf-8"))
        assert results["score"] == points
        assert len(results["tests"]) == len(assignment.tasks)


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


def test_the_project_has_nothing_for_nbgrader(tmp_path):
    with pytest.raises(AssignmentError, match="a person marks it"):
        main(["export", "a16", "--to", "nbgrader", "--out", str(tmp_path / "course")])
