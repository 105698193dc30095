"""What students get has stubs, a handout and public checks, and no trace of an answer."""

import json
import py_compile
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from leaks import leaks, secrets
from thirteen import body

import tinygpt
from tinygpt.classroom import source
from tinygpt.classroom.__main__ import main
from tinygpt.classroom.manifest import all_assignments, find_assignment
from tinygpt.classroom.notebook import to_module
from tinygpt.classroom.release import release
from tinygpt.classroom.wheel import make_wheel
from tinygpt.errors import AssignmentError

ASSIGNMENTS = all_assignments()
WITH_CHECKS = [a for a in ASSIGNMENTS if a.tasks]
every_class = pytest.mark.parametrize("seed", [0, 1, 2])
every_form = pytest.mark.parametrize("notebook", [False, True], ids=["module", "notebook"])


def of(assignments):
    return pytest.mark.parametrize("assignment", assignments, ids=lambda a: a.name)


def kept_back(assignment, seed):
    """What must not be given away."""
    words = secrets(assignment, assignment.constants(seed))
    hidden = [task.test for task in assignment.tasks if task.hidden]
    assert set(hidden) <= set(words) and len(words) > 5 * len(hidden) > 0
    text = source.solution_text(assignment, assignment.constants(seed))
    for name in {*assignment.functions} - {"numeric_grad"}:  # which lesson 05 writes out
        assert any(word in body(text, name) for word in words), name
    return words


@of(WITH_CHECKS)
@every_class
@every_form
def test_a_release_has_no_line_of_a_solution_or_of_a_hidden_test(
    assignment, seed, notebook, tmp_path
):
    files = release(assignment, tmp_path / "out", seed=seed, install="tinygpt", notebook=notebook)
    assert leaks(tmp_path / "out", kept_back(assignment, seed)) == []
    for path in files:
        text = path.read_text("utf-8")
        assert "SOLUTION" not in text and "{{" not in text and "<!--" not in text
    names = {path.name for path in files}
    assert not names & {"solution.py", "hidden_tests.py", "wrong_solutions.py", "manifest.toml"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A real wheel of this tinygpt, as `release` makes one."""
    folder = tmp_path_factory.mktemp("wheel")
    return folder / make_wheel(folder)


@pytest.mark.slow
def test_the_wheel_has_the_grader_and_no_assignment(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "tinygpt/classroom/child.py" in names and "tinygpt/shipped/tales.h5" in names
    for word in ("assignments", "lessons/", "tests/", "hidden_tests", "solution", ".pyc"):
        assert [name for name in names if word in name] == []
    words = [w for a in WITH_CHECKS for seed in range(3) for w in kept_back(a, seed)]
    assert leaks(wheel, {*words}) == []


@pytest.mark.slow
@of(ASSIGNMENTS)
@every_class
def test_a_release_with_its_wheel_has_no_answer(assignment, seed, wheel, tmp_path, monkeypatch):
    """The command itself; the wheel is not built again each time."""

    def copy(folder):
        return Path(shutil.copy(wheel, folder)).name

    monkeypatch.setattr("tinygpt.classroom.wheel.make_wheel", copy)
    words = {word for other in WITH_CHECKS for word in kept_back(other, seed)}
    for form in [[], ["--notebook"]][: 2 if assignment.tasks else 1]:
        out = tmp_path / f"out{len(form)}"
        main(["release", assignment.name, "--out", str(out), "--seed", str(seed), *form])
        assert f"pip install ./{wheel.name} pytest" in (out / "README.md").read_text("utf-8")
        assert (out / wheel.name).read_bytes() == wheel.read_bytes()
        assert leaks(out, words) == []


def plant_in_a_module(folder, line):
    (folder / "a03.py").write_text(f"def f():\n    {line}\n", "utf-8")


def plant_in_a_notebook(folder, line):
    cell = {"cell_type": "code", "source": ["x = 1\n", line], "outputs": []}
    (folder / "a03.ipynb").write_text(json.dumps({"cells": [cell]}), "utf-8")


def plant_in_an_output(folder, line):
    cell = {"cell_type": "code", "source": [], "outputs": [{"text": [line]}]}
    (folder / "a03.ipynb").write_text(json.dumps({"cells": [cell]}), "utf-8")


def plant_in_a_wheel(folder, line):
    with zipfile.ZipFile(folder / "tinygpt.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tinygpt/a.py", f"    {line}")


def plant_in_a_zip_in_a_zip(folder, line):
    plant_in_a_wheel(folder, line)
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.write(folder / "tinygpt.whl")
    (folder / "tinygpt.whl").unlink()


def plant_as_compiled(folder, line):
    (folder / "a.py").write_text("x = 1", "utf-8")
    py_compile.compile(str(folder / "a.py"), cfile=str(folder / "a.pyc"))


@pytest.mark.parametrize(
    "plant",
    [
        plant_in_a_module, plant_in_a_notebook, plant_in_an_output, plant_in_a_wheel,
        plant_in_a_zip_in_a_zip, plant_as_compiled,
    ],
)  # fmt: skip
def test_a_line_that_leaks_is_found_wherever_it_lies(plant, tmp_path):
    words = kept_back(find_assignment("a12"), 0)
    for word in ("output.append(sample(keep_likely(logits), temperature, u))",
                 "each_token_has_its_share"):  # fmt: skip
        assert word in words
        plant(tmp_path, word)
        assert leaks(tmp_path, words) != []


def test_a_students_check_reads_only_the_released_tree(tmp_path, monkeypatch, capsys):
    main(["release", "a03", "--out", str(tmp_path / "out"), "--install", "tinygpt"])
    monkeypatch.setattr("tinygpt.classroom.manifest.FOLDER", tmp_path / "nowhere")
    monkeypatch.setattr("tinygpt.classroom.source.solution_text", None)
    assert main(["check", "a03", str(tmp_path / "out")]) == 1
    assert "0 of 12 points; 18 more" in capsys.readouterr().out


@of(WITH_CHECKS)
def test_a_student_checks_the_stubs_and_then_the_solution(assignment, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["release", assignment.name, "--out", str(out), "--install", "tinygpt"]) == 0
    capsys.readouterr()
    assert main(["check", assignment.name, str(out)]) == 1
    said = capsys.readouterr().out
    assert "\n0 of " in said and "is not written yet" in said
    assert "are in checks that only the grader runs" in said
    text = source.solution_text(assignment, assignment.constants(0))
    (out / assignment.files[0]).write_text(text, "utf-8")
    assert main(["check", assignment.name, str(out)]) == 0
    public = sum(task.points for task in assignment.tasks if not task.hidden)
    assert f"\n{public:g} of {public:g} points; " in capsys.readouterr().out


def test_a_students_tree_runs_with_pytest(tmp_path):
    assignment = find_assignment("a03")
    release(assignment, tmp_path / "out", seed=1, install="tinygpt")
    root = Path(tinygpt.__file__).parents[1]

    def pytest_says():
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        env = {"PYTHONPATH": str(root), "PATH": ""}
        done = subprocess.run(
            command, cwd=tmp_path / "out", env=env, capture_output=True, text=True, timeout=120
        )
        return done.stdout

    said = pytest_says()
    assert "4 failed" in said
    assert "AssertionError: softmax is not written yet" in said
    assert "def _raise" not in said and "Which number can you take away" not in said
    wrong = source.solution_text(assignment, assignment.constants(1)) + "\nsoftmax = abs\n"
    (tmp_path / "out" / "a03.py").write_text(wrong, "utf-8")
    assert "hint: Which number can you take away" in pytest_says()
    text = source.solution_text(assignment, assignment.constants(1))
    (tmp_path / "out" / "a03.py").write_text(text, "utf-8")
    assert "4 passed" in pytest_says()


def test_a_file_that_cannot_be_run_is_told_apart_from_the_checks(tmp_path, capsys):
    main(["release", "a03", "--out", str(tmp_path / "out"), "--install", "tinygpt"])
    (tmp_path / "out" / "a03.py").write_text("def softmax(x)\n", "utf-8")
    capsys.readouterr()
    assert main(["check", "a03", str(tmp_path / "out")]) == 1
    says = "the file cannot be run: line 1 of a03.py, `def softmax(x)`, is not Python: expected ':'"
    assert f"0 of 4\n\n{says}\n\n0 of 12 points" in capsys.readouterr().out


def test_the_notebook_runs_cell_by_cell_and_its_last_cell_tells_points(
    tmp_path, capsys, monkeypatch
):
    assignment = find_assignment("a03")
    release(assignment, tmp_path / "out", seed=1, install="tinygpt", notebook=True)
    monkeypatch.chdir(tmp_path / "out")
    module = to_module(Path("a03.ipynb").read_bytes())
    assert module.count(source.UNWRITTEN) == 3
    scope = {}
    exec(compile(module, "a03", "exec"), scope)
    assert "softmax is not written yet" in capsys.readouterr().out


def test_the_project_is_released_with_its_rubric_and_cannot_be_graded_by_a_machine(tmp_path):
    project = find_assignment("a16")
    for seed in range(4):
        release(project, tmp_path / str(seed), seed=seed, install="tinygpt")
        text = (tmp_path / str(seed) / "README.md").read_text("utf-8")
        assert "## What is marked: 30 points" in text and "**The experiment**, 8 points." in text
        assert "{{" not in text and "<!--" not in text and "The class's question" in text
    (tmp_path / "handed_in").mkdir()
    (tmp_path / "handed_in" / "ann.zip").write_bytes(b"")
    with pytest.raises(AssignmentError, match="a person marks it"):
        main(["grade", "a16", str(tmp_path / "handed_in"), "--out", str(tmp_path / "out")])


def test_a_release_does_not_overwrite(tmp_path):
    (tmp_path / "mine.txt").write_text("here")
    with pytest.raises(AssignmentError, match="not empty; choose a new folder"):
        release(ASSIGNMENTS[0], tmp_path, seed=0, install="tinygpt")


def test_an_unknown_assignment_names_those_there_are():
    with pytest.raises(AssignmentError, match="there are a03, a05"):
        find_assignment("a99")


@pytest.mark.parametrize(
    "text", ["# END SOLUTION", "# BEGIN SOLUTION\n# BEGIN SOLUTION", "# BEGIN SOLUTION\nx = 1"]
)
def test_a_marker_without_a_partner_is_refused(text):
    with pytest.raises(AssignmentError, match="has no partner"):
        source.without_solutions(text)


@of(ASSIGNMENTS)
def test_the_handout_names_every_function_and_stays_readable(assignment):
    text = source.handout(assignment, assignment.constants(0))
    assert all(f"`{name}(" in text for name in assignment.functions)
    assert text.startswith(f"# Assignment {assignment.name[1:]} · {assignment.title}\n")
    for word in ("simply", "just ", "obviously"):
        assert word not in text


@of(WITH_CHECKS)
@every_form
def test_the_handout_says_what_may_be_imported_and_its_commands_can_be_copied(
    assignment, notebook, tmp_path
):
    release(assignment, tmp_path / "out", seed=0, install="tinygpt", notebook=notebook)
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    lines = text.partition("```sh\n")[2].partition("```")[0].splitlines()
    wanted = "pip install tinygpt notebook" if notebook else "pip install tinygpt pytest"
    assert lines[:3] == ["python3 -m venv .venv", "source .venv/bin/activate", wanted]
    assert f"python -m tinygpt.classroom check {assignment.name} ." in lines
    assert not any("  " in line for line in lines), "a remark behind a command is copied with it"
    own = [name.removesuffix(".py") for name in assignment.given]
    allowed = ", ".join(f"`{name}`" for name in (*own, *assignment.allowed))
    assert f"You may import {allowed} and nothing else" in text.replace("\n", " ")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert ("pytest" in lines) == (f"test_{assignment.name}.py" in names) == (not notebook)
