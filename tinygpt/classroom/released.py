"""What runs in a student's tree: pytest, a notebook's last cell, and the command `check`.

It reads what was released, and looks for no solution.
"""

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinygpt.classroom.manifest import RELEASED, Assignment, read_manifest
from tinygpt.classroom.marking import Marker, Outcome, functions_of
from tinygpt.classroom.student import local
from tinygpt.classroom.submissions import read_submission
from tinygpt.errors import AssignmentError


class PublicCheck:
    """One public check as a test: called, it raises AssertionError with the reason."""

    def __init__(self, marker: Marker, number: int, path: Path) -> None:
        self._marker, self._number, self._path = marker, number, path

    def __str__(self) -> str:
        return self._marker.tasks[self._number].name

    def __call__(self) -> None:
        __tracebackhide__ = True
        spec = importlib.util.spec_from_file_location(self._path.stem, self._path)
        if spec is None or spec.loader is None or not self._path.exists():
            raise AssignmentError(f"{self._path.name} is missing")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        student = local(module, functions_of(self._marker.assignment))
        _raise(self._marker.run(self._marker.tasks[self._number], student))


def public_checks(file: str) -> list[PublicCheck]:
    """The public checks of the tree that `file` lies in, for pytest. Raises AssignmentError."""
    marker = _marker(Path(file).parent)
    path = Path(file).parent / marker.assignment.files[0]
    return [PublicCheck(marker, i, path) for i in range(len(marker.tasks))]


def check(functions: Mapping[str, Any], folder: str | Path = ".") -> None:
    """Print points, reasons and hints for a notebook's functions: `check(globals())`."""
    marker = _marker(Path(folder))
    outcomes = marker.mark(local(dict(functions), functions_of(marker.assignment)))
    print(report(marker.assignment, outcomes))  # noqa: T201


def expect_check(name: str, functions: Mapping[str, Any], folder: str | Path = ".") -> None:
    """One public check as a cell that fails: raises AssertionError with the reason."""
    _expect(_marker(Path(folder)), name, functions)


def expect_hidden_check(folder: str, seed: int, name: str, functions: Mapping[str, Any]) -> None:
    """One hidden check, on the teacher's machine: raises AssertionError with the reason."""
    assignment = read_manifest(Path(folder) / "manifest.toml")
    _expect(Marker(assignment, assignment.constants(seed), hidden=True), name, functions)


def _expect(marker: Marker, name: str, functions: Mapping[str, Any]) -> None:
    (task,) = [task for task in marker.tasks if task.name == name]
    student = local(dict(functions), functions_of(marker.assignment))
    # nbgrader takes a word on stderr, a warning as well, for a check that has failed
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        outcome = marker.run(task, student)
    _raise(outcome)


def _raise(outcome: Outcome) -> None:
    """AssertionError with the reason, unless it passed."""
    __tracebackhide__ = True  # pytest shows the reason and no line of ours
    if not outcome.passed:
        raise AssertionError("\n".join([outcome.reason, *outcome.facts, *_hint(outcome)]))


def _hint(outcome: Outcome) -> list[str]:
    """The hint, where something is written and wrong."""
    wrong = outcome.status == "wrong" and outcome.task.hint != ""
    return [f"hint: {outcome.task.hint}"] * wrong


def check_folder(folder: Path, name: str) -> tuple[Assignment, list[Outcome], list[str]]:
    """Run the public checks on a student's tree, each call in a process of its own.

    Gives the assignment, what the checks say, and notes. Raises AssignmentError.
    """
    marker = _marker(folder)
    held = marker.assignment.name
    if held != name:
        raise AssignmentError(f"{folder} holds assignment {held}, not {name}: say `check {held}`")
    handed = read_submission(folder, marker.assignment, marker.constants)
    if handed.problem:
        raise AssignmentError(handed.problem)
    return (
        marker.assignment,
        marker.mark_files(handed.files, notebook=handed.notebook),
        handed.notes,
    )


def _marker(folder: Path) -> Marker:
    assignment = read_manifest(folder / RELEASED)
    return Marker(assignment, assignment.constants(0), hidden=False)


def report(assignment: Assignment, outcomes: list[Outcome]) -> str:
    """Points, reasons and hints as a student reads them in a terminal."""
    lines = []
    wide = max(len(outcome.task.name) for outcome in outcomes)
    for o in outcomes:
        lines.append(f"{o.task.name:{wide}}  {o.points:g} of {o.task.points:g}")
        lines += [f"    note: {o.task.note}"] * (o.passed and o.task.note != "")
        if not o.passed and o.status != "unloadable":
            lines += [f"    {o.reason}", *(f"        {fact}" for fact in o.facts)]
            lines += [f"    {line}" for line in _hint(o)]
    unloadable = [o.reason for o in outcomes if o.status == "unloadable" and not o.passed]
    if unloadable:
        lines += ["", f"the file cannot be run: {unloadable[0]}"]
    got, most = sum(o.points for o in outcomes), sum(o.task.points for o in outcomes)
    rest = assignment.points - most
    hidden = f"; {rest:g} more are in checks that only the grader runs" if rest else ""
    return "\n".join([*lines, "", f"{got:g} of {most:g} points{hidden}"])
