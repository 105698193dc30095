"""The tree that students get: stubs, a handout with points, public tests, the install line."""

import json
from pathlib import Path
from typing import Any

from tinygpt.classroom import source
from tinygpt.classroom.manifest import RELEASED, Assignment, Constants
from tinygpt.classroom.notebook import to_notebook
from tinygpt.errors import AssignmentError

_LAST_CELL = """\
from tinygpt.classroom.released import check

check(globals())  # run it as often as you like"""

_BEGIN = """\
## How to begin

You need Python 3.11 or newer. In this folder, in a terminal:

```sh
python3 -m venv .venv
source .venv/bin/activate
pip install {install}
```

The first and the third line are needed once, the second in each new terminal. On Windows the first
two are `py -m venv .venv` and `.venv\\Scripts\\activate`."""

_IN_THE_FILE = f"""
The fourth gives points, reasons and hints, as often as you like; the last runs the same checks as
tests, and shows what your functions print where one fails.

Write your code in `{{file}}`, in place of each line `{source.UNWRITTEN}`. If you like notebooks
better, `pip install notebook`, copy its text into the cells of `{{book}}` beside it, and end with
the cell `from tinygpt.classroom.released import check; check(globals())`. Leave `{{file}}` as it
came then: once something is written in it, it is what counts."""

_IN_THE_NOTEBOOK = f"""
The last gives points, reasons and hints, and so does the last cell of the notebook.

Write your code in `{{book}}`, in place of each line `{source.UNWRITTEN}`."""

_RULES = """

You may import {allowed} and nothing else: no torch, no automatic derivatives, and not the answers
of tinygpt itself. Do not rename the file or its functions. One call of a function may take
{a.seconds:g} seconds, and your program {a.memory_mb:,} MB of memory.

**Hand in** {files}. Nothing else is looked at."""

_GLUE = '''\
"""The public checks as tests: run `pytest` in this folder."""

import pytest

from tinygpt.classroom.released import public_checks


@pytest.mark.parametrize("check", public_checks(__file__), ids=str)
def test_public(check):
    check()
'''


def release(
    assignment: Assignment, out: Path, *, seed: int, install: str, notebook: bool = False
) -> list[Path]:
    """Write the students' tree into `out`, which must be new or empty; the files written.

    `install` is what stands after `pip install` in the handout. Raises AssignmentError.
    """
    expect_new_folder(out)
    constants = assignment.constants(seed)
    first = assignment.files[0]
    texts: dict[str, str] = {"README.md": readme(assignment, constants, install, notebook=notebook)}
    if assignment.functions:
        stubs = source.solution_text(assignment, constants, stubs=True)
        if notebook:
            book = to_notebook(stubs, source.handout(assignment, constants), _LAST_CELL)
            texts[f"{Path(first).stem}.ipynb"] = book
        else:
            texts[first] = stubs
            texts[f"test_{assignment.name}.py"] = _GLUE
        texts["public_tests.py"] = source.read(assignment, "public_tests.py")
        texts[RELEASED] = manifest_of(assignment, constants)
    for name in assignment.given:
        texts[name] = source.read(assignment, name)
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (out / name).write_text(text, "utf-8")
    return [out / name for name in texts]


def expect_new_folder(out: Path) -> None:
    """Raises AssignmentError if `out` is a file, or a folder with something in it."""
    if out.exists() and not out.is_dir():
        raise AssignmentError(f"{out} is a file; choose a new folder with --out")
    if out.exists() and any(out.iterdir()):
        raise AssignmentError(f"{out} exists and is not empty; choose a new folder with --out")


def readme(assignment: Assignment, constants: Constants, install: str, *, notebook: bool) -> str:
    """The handout, then how to begin, how to check, and what gives how many points."""
    parts = [source.handout(assignment, constants).rstrip(), _begin(assignment, install, notebook)]
    if assignment.tasks:
        parts.append(_points(assignment))
    if assignment.rubric:
        parts.append(_rubric(assignment))
    return "\n\n".join(parts) + "\n"


def _begin(assignment: Assignment, install: str, notebook: bool) -> str:
    """Commands that can be copied, and what they are for; then the rules."""
    check = f"\npython -m tinygpt.classroom check {assignment.name} ."
    if not assignment.functions:
        return _BEGIN.format(install=install)
    file = assignment.files[0]
    book = f"{Path(file).stem}.ipynb"
    own = [Path(name).stem for name in assignment.given]
    allowed = ", ".join(f"`{name}`" for name in (*own, *assignment.allowed))
    if notebook:
        files, write = f"`{book}`", _IN_THE_NOTEBOOK.format(book=book)
        install += f" notebook\njupyter notebook {book}{check}"
    else:
        files, write = f"`{file}`, or `{book}`", _IN_THE_FILE.format(file=file, book=book)
        install += f" pytest{check}\npytest"
    rules = _RULES.format(allowed=allowed, files=files, a=assignment)
    return _BEGIN.format(install=install) + write + rules


def _points(assignment: Assignment) -> str:
    lines = [
        f"## Points: {assignment.points:g}",
        "",
        "| check | points | you can run it |",
        "|---|---|---|",
    ]
    for task in assignment.tasks:
        lines.append(f"| {task.name} | {task.points:g} | {'' if task.hidden else 'yes'} |")
    lines += [
        "",
        "A check gives all of its points or none. Those that you cannot run yourself are run on "
        "what you hand in.",
    ]
    return "\n".join(lines)


def _rubric(assignment: Assignment) -> str:
    lines = [f"## What is marked: {sum(r['points'] for r in assignment.rubric):g} points"]
    for row in assignment.rubric:
        lines += ["", f"**{row['name']}**, {row['points']:g} points. {row['full']}"]
        lines.append(f"*Half of the points:* {row['half']}")
    return "\n".join(lines)


def manifest_of(assignment: Assignment, constants: Constants) -> str:
    """The manifest of a released tree: this class's constants, and no test that is hidden."""
    lines = [f"# What `check` reads. Assignment {assignment.name}; nothing here is to be edited."]
    for name in (
        "name",
        "title",
        "files",
        "given",
        "allowed",
        "seconds",
        "total_seconds",
        "memory_mb",
    ):
        lines.append(f"{name} = {_toml(getattr(assignment, name))}")
    lines += ["", "[variant]", *(f"{k} = {_toml([v])}" for k, v in constants.items())]
    lines += ["", "[functions]"]
    for name, arguments in assignment.functions.items():
        keep = assignment.keep[name]
        lines.append(f"{name} = {{ arguments = {_toml(arguments)}, keep = {_toml(keep)} }}")
    for task in assignment.tasks:
        lines += ["", "[[checks]]"]
        kept_back = {"test": "", "hint": "", "note": ""} if task.hidden else {}
        shown = {**vars(task), **kept_back}
        lines += [f"{key} = {_toml(value)}" for key, value in shown.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """A text, number, truth or list as TOML, which JSON is for these."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
