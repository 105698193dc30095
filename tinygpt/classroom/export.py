"""The formats that teachers' platforms take: nbgrader's source tree, Gradescope's autograder zip.

In nbgrader a student's cells run in the kernel of the tests, as nbgrader does it: a cheat can reach
them. In Gradescope the grader is our own, with its processes and limits.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

from tinygpt.classroom import source
from tinygpt.classroom.manifest import RELEASED, Assignment, Task
from tinygpt.classroom.notebook import to_notebook
from tinygpt.classroom.release import manifest_of
from tinygpt.errors import AssignmentError

_CONFIG = """\
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "tinygpt"
c.ClearSolutions.code_stub = {{"python": "{stub}"}}
c.ExecutePreprocessor.timeout = 240  # seconds a cell may take
"""

_SETUP = """\
#!/usr/bin/env bash
# Gradescope runs this once, when the image is made.
set -euo pipefail
ROOT="${{AUTOGRADER:-/autograder}}"
PYTHON=python3
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || PYTHON=python3.11
if ! "$PYTHON" -c 'import ensurepip'; then
    apt-get -q update && apt-get -q install -y "$PYTHON" "$PYTHON-venv"
fi
"$PYTHON" -m venv "$ROOT/venv"
cd "$ROOT/source" && "$ROOT/venv/bin/pip" install -q {install}
"""

_RUN = """\
#!/usr/bin/env bash
# Gradescope runs this for each submission, and reads results/results.json.
set -euo pipefail
ROOT="${{AUTOGRADER:-/autograder}}"
REPORT="$(mktemp -d)"
mkdir -p "$ROOT/results"
"$ROOT/venv/bin/python" -m tinygpt.classroom grade {name} "$ROOT" --only submission \\
    --seed {seed} --assignments "$ROOT/source/assignments" --out "$REPORT" --jobs 1
cp "$REPORT/gradescope/submission.json" "$ROOT/results/results.json"
"""


def export_gradescope(
    assignment: Assignment, out: Path, *, seed: int, install: str, wheel: Path | None
) -> None:
    """Write the zip that is uploaded as the autograder: never give it to students.

    Raises AssignmentError if there is nothing to run, or something stands in its place.
    """
    expect_new(assignment, out)
    name = assignment.name
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for script, text in (
            ("setup.sh", _SETUP.format(install=install)),
            ("run_autograder", _RUN.format(name=name, seed=seed)),
        ):
            info = zipfile.ZipInfo(script, (2020, 1, 1, 0, 0, 0))
            info.external_attr = 0o100755 << 16  # to be run
            archive.writestr(info, text)
        for path in sorted(assignment.folder.iterdir()):
            if path.is_file():
                archive.write(path, f"assignments/{name}/{path.name}")
        if wheel is not None:
            archive.write(wheel, wheel.name)


def export_nbgrader(assignment: Assignment, out: Path, *, seed: int) -> list[Path]:
    """Write source/NAME of a course folder, for `nbgrader generate_assignment`; the files written.

    The folder may hold other assignments of the course already; its nbgrader_config.py stays.
    Raises AssignmentError if there is nothing to run, or this assignment is there.
    """
    folder = out / "source" / assignment.name
    expect_new(assignment, out if out.is_file() else folder)
    folder.mkdir(parents=True)
    constants = assignment.constants(seed)
    texts = {
        folder / f"{assignment.name}.ipynb": _notebook(assignment, seed),
        folder / "public_tests.py": source.read(assignment, "public_tests.py"),
        folder / RELEASED: manifest_of(assignment, constants),
    }
    config = out / "nbgrader_config.py"
    if not config.exists():
        texts[config] = _CONFIG.format(stub=source.UNWRITTEN.replace('"', '\\"'))
    for name in assignment.given:
        texts[folder / name] = source.read(assignment, name)
    for path, text in texts.items():
        path.write_text(text, "utf-8")
    return list(texts)


def expect_new(assignment: Assignment, path: Path) -> None:
    """There is something to run, and nothing at `path` yet. Raises AssignmentError."""
    if not assignment.functions:
        raise AssignmentError(f"{assignment.name} has nothing to run: a person marks it, by rubric")
    if path.exists():
        raise AssignmentError(f"{path} exists; choose another place with --out, or remove it first")


def _notebook(assignment: Assignment, seed: int) -> str:
    """Handout, constants, a solution cell for each function, a graded cell for each check."""
    constants = assignment.constants(seed)
    text = source.solution_text(assignment, constants)
    last = "from tinygpt.classroom.released import expect_check, expect_hidden_check"
    book = json.loads(to_notebook(text, source.handout(assignment, constants), last))
    for number, cell in enumerate(book["cells"]):
        code = "".join(cell["source"])
        name = code.removeprefix("def ").partition("(")[0]
        if source.BEGIN in code:
            cell["metadata"]["nbgrader"] = _marks(f"{name}-{number}", solution=True)
        else:
            cell["metadata"]["nbgrader"] = _marks(f"given-{number}", locked=True)
    for number, task in enumerate(assignment.tasks):
        book["cells"].append(_graded(assignment, task, number, seed))
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


def _graded(assignment: Assignment, task: Task, number: int, seed: int) -> dict[str, Any]:
    """A cell that fails with the reason; nbgrader takes what is hidden out of the release."""
    title = f"# {task.name} ({task.points:g} points)\n"
    if task.hidden:
        folder = assignment.folder.resolve().as_posix()
        call = f"expect_hidden_check({folder!r}, {seed}, {task.name!r}, globals())"
        code = f"{title}### BEGIN HIDDEN TESTS\n{call}\n### END HIDDEN TESTS"
    else:
        code = f"{title}expect_check({task.name!r}, globals())"
    marks = _marks(f"check-{number}", locked=True, points=task.points)
    return {
        "cell_type": "code",
        "id": f"check-{number:03}",
        "metadata": {"nbgrader": marks},
        "source": code.splitlines(keepends=True),
        "execution_count": None,
        "outputs": [],
    }


def _marks(
    name: str, *, solution: bool = False, locked: bool = False, points: float | None = None
) -> dict[str, Any]:
    marks = {"grade_id": name, "schema_version": 3, "task": False, "solution": solution}
    graded = {"grade": False} if points is None else {"grade": True, "points": points}
    return {**marks, **graded, "locked": locked}
