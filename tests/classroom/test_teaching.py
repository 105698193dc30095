"""The guide for teachers says what is there, its commands work one after the other, and the command
line says no in one sentence."""

import argparse
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import classes
import pytest

import tinygpt
from tinygpt.classroom.__main__ import main
from tinygpt.classroom.manifest import FOLDER, all_assignments, find_assignment
from tinygpt.classroom.parser import build_parser
from tinygpt.errors import TinyGPTError

GUIDE = (FOLDER.parent / "TEACHING.md").read_text("utf-8")
COMMANDS = re.findall(r"^    (.*)$", GUIDE, re.MULTILINE)
ROOT = str(Path(tinygpt.__file__).parents[1])
SEED = 2026


def test_the_guide_has_every_assignment_with_its_points():
    told = dict(re.findall(r"\*\*(a\d\d)\*\*, (\d+) points", GUIDE))
    points = {a.name: a.points for a in all_assignments() if a.tasks}
    assert {name: float(p) for name, p in told.items()} == points
    assert "**a16**, the project" in GUIDE


def test_every_command_of_the_guide_is_one():
    begin = "python -m tinygpt.classroom "
    lines = [line.removeprefix(begin) for line in COMMANDS if line.startswith(begin)]
    assert len(lines) >= 7
    for line in lines:
        build_parser().parse_args(shlex.split(line))


def students_write(folder):
    """Between two commands: somebody solves a03, and the class hands in."""
    modules = classes.made(find_assignment("a03"), SEED)
    (folder / "a03" / "a03.py").write_text(modules["right"], "utf-8")
    (folder / "handed_in").mkdir()
    with zipfile.ZipFile(folder / "handed_in" / "jane.zip", "w") as archive:
        archive.writestr("homework/a03.py", modules["right"])
    (folder / "handed_in" / "doe_john_42_a03.py").write_text(modules["half"], "utf-8")


def students_fill_in(folder):
    """Jane hands in the notebook that nbgrader released, as it is."""
    (folder / "submitted" / "jane").mkdir(parents=True)
    shutil.copytree(folder / "release" / "a03", folder / "submitted" / "jane" / "a03")


BEFORE = {"cd a03": students_write, "nbgrader autograde a03": students_fill_in}
MADE = {
    "classroom release": ["a03/README.md", "a03/a03.py", "a03/test_a03.py"],
    "classroom grade": ["grades/index.html", "grades/students/jane.html", "grades/grades.csv"],
    "--to gradescope": ["a03.zip"],
    "nbgrader export": ["grades.csv", "release/a03/a03.ipynb"],
}


@pytest.mark.slow
def test_the_commands_of_the_guide_work_one_after_the_other(tmp_path):
    if importlib.util.find_spec("nbgrader") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs nbgrader: .[dev]")
    folder = tmp_path
    start = {"python": [], "nbgrader": ["-m", "nbgrader"], "pytest": ["-m", "pytest"]}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PYTHONPATH": ROOT, "PATH": path}
    for line in COMMANDS:
        BEFORE.get(line, lambda folder: None)(folder)
        word, *words = shlex.split(line)
        if word == "cd":
            folder = (folder / words[0]).resolve()
            continue
        command = [sys.executable, *start[word], *words]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        for part, files in MADE.items():
            assert part not in line or all((folder / name).exists() for name in files), line
    assert folder == tmp_path
    rows = (tmp_path / "grades" / "grades.csv").read_text("utf-8").splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [["doe_john_42_a03", "19"], ["jane", "30"]]


# ---- the command line


def test_list_names_functions_and_points(capsys):
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "a03   30 points  Softmax" in said and "softmax, cross_entropy" in said


def test_the_help_of_every_command_has_examples_that_are_commands():
    parser = build_parser()
    (commands,) = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    assert set(commands.choices) == {"list", "release", "check", "grade", "export"}
    for name, command in commands.choices.items():
        says = command.format_help()
        examples = re.findall(rf"^  python -m tinygpt\.classroom ({name}.*)$", says, re.MULTILINE)
        assert len(examples) == 2, name
        for example in examples:
            parser.parse_args(shlex.split(example))
        assert max(map(len, says.splitlines())) <= 100
        for action in command._actions:
            assert action.help, f"{name} does not explain {action.dest}"


def make(folder):
    """What a teacher may have lying about."""
    (folder / "class" / "ann").mkdir(parents=True)
    (folder / "class" / "ann" / "a03.py").write_text("")
    (folder / "class" / "Doe_Jane_a03.py").write_text("")
    (folder / "nothing").mkdir()
    (folder / "file.zip").write_text("")
    (folder / "old").mkdir()
    (folder / "old" / "grades.json").write_text('{"assignment": "a05", "seed": 3, "students": []}')
    (folder / "damaged").mkdir()
    (folder / "damaged" / "grades.json").write_text("{")
    main(["release", "a03", "--out", str(folder / "a03"), "--install", "tinygpt"])
    for name in ("no_handout", "no_solution", "no_test", "no_python"):
        shutil.copytree(FOLDER / "a03", folder / name / "a03", copy_function=shutil.copyfile)
    (folder / "no_handout" / "a03" / "handout.md").unlink()
    (folder / "no_solution" / "a03" / "solution.py").unlink()
    (folder / "no_test" / "a03" / "hidden_tests.py").write_text("")
    (folder / "no_python" / "a03" / "public_tests.py").write_text("def (")


RELEASE = ["release", "a03", "--install", "t", "--out"]
MISTAKES = [
    (["release", "a3", "--out", "x", "--install", "t"], "there is no assignment 'a3' in"),
    ([*RELEASE, "a03"], "a03 exists and is not empty; choose a new folder with --out"),
    ([*RELEASE, "file.zip"], "file.zip is a file; choose a new folder with --out"),
    ([*RELEASE, "x", "--assignments", "nowhere"], "there are no assignments in nowhere"),
    ([*RELEASE, "x", "--assignments", "no_handout"], "no_handout/a03 has no handout.md, which"),
    (["list", "--assignments", "nowhere"], "there are no assignments in nowhere"),
    (["check", "a03", "nowhere"], "nowhere has no assignment.toml; give the folder that was"),
    (["check", "a03", "file.zip"], "file.zip is a file; give the folder that was released"),
    (["check", "a05", "a03"], "a03 holds assignment a03, not a05: say `check a03`"),
    (["grade", "a03", "nowhere", "--out", "x"], "nowhere is no folder; give the folder with the"),
    (["grade", "a03", "nothing", "--out", "x"], "nothing has no submissions: folders, .zip, .py"),
    (["grade", "a03", "file.zip", "--out", "x"], "file.zip is a file; unpack it, and give the"),
    (["grade", "a03", "class", "--out", "file.zip"], "file.zip is a file; give a folder for the"),
    (["grade", "a03", "class", "--out", "class"], "class lies in class, and would be taken for a"),
    (["grade", "a03", "class", "--out", "class/x"], "class/x lies in class, and would be taken"),
    (["grade", "a03", "class", "--out", "old"], "the assignment 'a05' and this is 'a03'; choose"),
    (["grade", "a03", "class", "--out", "damaged"], "grades.json cannot be read"),
    (["grade", "a03", "class", "--out", "x", "--jobs", "0"], "--jobs must be at least 1"),
    (["grade", "a03", "class", "--out", "x", "--timeout", "0"], "--timeout more than 0 seconds"),
    (
        ["grade", "a03", "class", "--out", "x", "--only", "eve"],
        "class has no submission 'eve'; the",
    ),
    (["grade", "a03", "class", "--out", "x", "--only", "jane"], "is it Doe_Jane_a03.py?"),
    (["grade", "a03", "class", "--out", "x", "--timeout", "nan"], "more than 0 seconds"),
    (["grade", "a16", "class", "--out", "x"], "a16 has nothing to run: a person marks it"),
    (
        ["grade", "a03", "class", "--out", "x", "--assignments", "no_solution"],
        "no_solution/a03 has no solution.py, which assignment a03 needs",
    ),
    (
        ["grade", "a03", "class", "--out", "x", "--assignments", "no_test"],
        "hidden_tests.py has no test 'softmax_has_the_right_numbers', which the manifest names",
    ),
    (
        ["grade", "a03", "class", "--out", "x", "--assignments", "no_python"],
        "public_tests.py cannot be run: SyntaxError: invalid syntax",
    ),
    (
        ["export", "a03", "--to", "gradescope", "--out", "file.zip"],
        "file.zip exists; choose another",
    ),
    (["export", "a03", "--to", "nbgrader", "--out", "file.zip"], "file.zip exists; choose another"),
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("desk")
    make(folder)
    return folder


@pytest.mark.parametrize(("words", "says"), MISTAKES, ids=lambda value: str(value)[:50])
def test_a_mistake_is_one_sentence(words, says, desk, monkeypatch):
    monkeypatch.chdir(desk)
    before = sorted(desk.rglob("*"))
    with pytest.raises(TinyGPTError, match=re.escape(says)) as raised:
        main(words)
    assert "\n" not in str(raised.value)
    assert sorted(desk.rglob("*")) == before


def test_what_is_no_submission_is_named_and_not_left_out_in_silence(tmp_path, capsys):
    handed_in = tmp_path / "class"
    make(tmp_path)
    for name in ("eve.rar", "list.xlsx", ".DS_Store"):
        (handed_in / name).write_text("")
    words = ["grade", "a03", str(handed_in), "--out", str(tmp_path / "grades")]
    assert main(words) == 0
    note = "note: not graded, because a submission is a folder, a .zip, a .py or an .ipynb: "
    assert f"{note}eve.rar, list.xlsx\n" in capsys.readouterr().err
    assert main([*words, "--only", "ann"]) == 0
    assert "note: not graded" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["release", "a03", "--out", "a03"], ["export", "a03", "--to", "gradescope", "--out", "a03"]],
)
def test_a_mistake_is_told_before_a_wheel_is_made(words, desk, monkeypatch):
    monkeypatch.chdir(desk)
    monkeypatch.setattr("tinygpt.classroom.wheel.make_wheel", None)
    with pytest.raises(TinyGPTError, match="a03 exists"):
        main(words)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["grade", "a03", "class", "--out", "/proc/grades"], 1, "error: '/proc/grades': No such"),
        (["release", "a03", "--out", "/proc/x", "--install", "t"], 1, "error: '/proc/x': No such"),
        (["grade", "a03", "class"], 2, "the following arguments are required: --out"),
        (["grade", "a03", "class", "--out", "x", "--seed", "one"], 2, "invalid int value: 'one'"),
        (["mark"], 2, "invalid choice: 'mark'"),
        ([], 2, "the following arguments are required: COMMAND"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_mistake_ends_the_command_with_its_code_and_no_traceback(words, code, says, desk):
    command = [sys.executable, "-m", "tinygpt.classroom", *words]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    done = subprocess.run(command, cwd=desk, env=environment, capture_output=True, text=True)
    assert done.returncode == code
    assert says in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_wheel_is_made_without_a_network_or_the_way_is_told(tmp_path, monkeypatch):
    if int(importlib.metadata.version("setuptools").partition(".")[0]) < 77:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs setuptools>=77: .[dev]")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    assert main(["release", "a03", "--out", str(tmp_path / "a03")]) == 0
    assert len(list((tmp_path / "a03").glob("tinygpt-*.whl"))) == 1
    monkeypatch.setattr("tinygpt.classroom.wheel._setuptools", lambda: 65)
    says = (
        r"\(Could not find a version that satisfies .*setuptools>=77.*pip install 'setuptools>=77'"
    )
    with pytest.raises(TinyGPTError, match=says):
        main(["release", "a03", "--out", str(tmp_path / "again")])
