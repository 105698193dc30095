"""The exported packages, run for real: nbgrader and a machine like Gradescope's give the points of
`grade`."""

import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import classes
import pytest

import tinygpt
from tinygpt.classroom.__main__ import main
from tinygpt.classroom.manifest import find_assignment

pytestmark = pytest.mark.slow
SEED = "4"
NAMES = ["a03", "a09", "a12"]  # a09 hands a file out beside its own; a12 is given functions
REMEDY = "needs nbgrader: pip install '.[dev]'"
ROOT = str(Path(tinygpt.__file__).parents[1])


def grade(name, submissions, out):
    """What `grade` gives: a student's name -> the report."""
    assert main(["grade", name, str(submissions), "--out", str(out), "--seed", SEED]) == 0
    told = json.loads((out / "grades.json").read_text("utf-8"))
    return {student["name"]: student for student in told["students"]}


def run(command, folder, **environment):
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


# ---- nbgrader


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course that nbgrader has released, been handed in and graded, by its own commands."""
    if importlib.util.find_spec("nbgrader") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(REMEDY)
    course = tmp_path_factory.mktemp("nbgrader") / "course"
    for name in NAMES:
        flags = ["--to", "nbgrader", "--out", str(course), "--seed", SEED]
        assert main(["export", name, *flags]) == 0
        nbgrader(course, "generate_assignment", name)
        for student, module in classes.made(find_assignment(name), int(SEED)).items():
            hand_in(course, name, student, module)
        nbgrader(course, "autograde", name)
    nbgrader(course, "export", "--to", "grades.csv")
    return course


def nbgrader(course, *words):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # its alembic
    run([sys.executable, "-m", "nbgrader", *words], course, PYTHONPATH=ROOT, PATH=path)


def hand_in(course, name, student, module):
    """The notebook that nbgrader released, its functions filled in."""
    released = course / "release" / name / f"{name}.ipynb"
    book = json.loads(released.read_text("utf-8"))
    for cell in book["cells"]:
        if cell["metadata"]["nbgrader"]["solution"]:
            function = "".join(cell["source"]).removeprefix("def ").partition("(")[0]
            cell["source"] = classes.function(module, function)
    folder = course / "submitted" / student / name
    folder.mkdir(parents=True)
    (folder / released.name).write_text(json.dumps(book), "utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_nbgrader_gives_the_points_of_grade(name, course, tmp_path):
    with (course / "grades.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["assignment"] == name]
    theirs = {row["student_id"]: float(row["score"]) for row in rows}
    assert {float(row["max_score"]) for row in rows} == {find_assignment(name).points}
    for student in theirs:
        shutil.copytree(course / "submitted" / student / name, tmp_path / "handed_in" / student)
    ours = grade(name, tmp_path / "handed_in", tmp_path / "grades")
    assert theirs == {student: report["points"] for student, report in ours.items()}
    assert theirs["stubs"] == 0 < theirs["half"] < theirs["right"] == find_assignment(name).points


def test_what_nbgrader_gives_to_students_has_no_answer(course):
    for name in NAMES:
        released = {path.name for path in (course / "release" / name).iterdir()}
        assert released == {
            f"{name}.ipynb", "public_tests.py", "assignment.toml", *find_assignment(name).given
        }  # fmt: skip
        text = (course / "release" / name / f"{name}.ipynb").read_text("utf-8")
        assert "SOLUTION" not in text and "HIDDEN" not in text
        assert "expect_hidden_check(" not in text and "expect_check(" in text
        assert text.count("raise NotImplementedError") == len(find_assignment(name).functions)


# ---- Gradescope


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A folder like Gradescope's /autograder after setup.sh, by the zip of a03 with its wheel."""
    root = tmp_path_factory.mktemp("gradescope") / "autograder"
    unpack("a03", root, [])
    path = os.pathsep.join([f"{sys.base_prefix}/bin", os.environ["PATH"]])
    as_there = {"AUTOGRADER": str(root), "PATH": path, "PYTHONPATH": ""}
    run(["bash", root / "source" / "setup.sh"], root, **as_there)
    return root


def unpack(name, root, flags):
    root.mkdir(exist_ok=True)
    out = root.parent / f"{name}.zip"
    assert (
        main(["export", name, "--to", "gradescope", "--out", str(out), "--seed", SEED, *flags]) == 0
    )
    with zipfile.ZipFile(out) as archive:
        archive.extractall(root / "source")


@pytest.mark.skipif(sys.platform == "win32", reason="Gradescope's machines run Linux")
@pytest.mark.parametrize("name", NAMES)
def test_gradescope_gives_the_points_of_grade(name, machine, tmp_path):
    assignment = find_assignment(name)
    root = machine if name == "a03" else tmp_path / "autograder"
    if root != machine:  # the same image: what setup.sh installs is not another one's
        unpack(name, root, ["--install", "tinygpt"])
        (root / "venv").symlink_to(machine / "venv")
    modules = classes.made(assignment, int(SEED))
    results = {s: run_autograder(root, name, module) for s, module in modules.items()}
    for student, module in modules.items():
        (tmp_path / "handed_in" / student).mkdir(parents=True)
        (tmp_path / "handed_in" / student / f"{name}.py").write_text(module, "utf-8")
    ours = grade(name, tmp_path / "handed_in", tmp_path / "grades")
    for student, theirs in results.items():
        expect_schema(theirs)
        assert theirs["score"] == ours[student]["points"]
        assert [(test["name"], test["score"], test["max_score"]) for test in theirs["tests"]] == [
            (check["name"], check["points"], check["of"]) for check in ours[student]["checks"]
        ]
    assert results["stubs"]["score"] == 0 < results["half"]["score"] < assignment.points
    assert results["right"]["score"] == assignment.points


def run_autograder(root, name, module):
    """A submission, as Gradescope puts it there and runs it; what it reads afterwards."""
    shutil.rmtree(root / "submission", ignore_errors=True)
    (root / "submission").mkdir()
    (root / "submission" / f"{name}.py").write_text(module, "utf-8")
    (root / "results" / "results.json").unlink(missing_ok=True)
    run(["bash", root / "source" / "run_autograder"], root, AUTOGRADER=str(root), PYTHONPATH="")
    return json.loads((root / "results" / "results.json").read_text("utf-8"))


def expect_schema(results):
    """The parts of results.json that Gradescope's documentation names, in its types."""
    assert set(results) <= {"score", "output", "visibility", "stdout_visibility", "tests"}
    assert type(results["score"]) in (int, float) and type(results["output"]) is str
    for test in results["tests"]:
        assert set(test) <= {"name", "score", "max_score", "status", "output", "visibility"}
        assert type(test["score"]) in (int, float) and 0 <= test["score"] <= test["max_score"]
        assert test["status"] == ("passed" if test["score"] else "failed")
        assert test["name"] and type(test["output"]) is str and test["output"]
        assert test["visibility"] in ("hidden", "after_due_date", "after_published", "visible")
