"""Grade a class: every submission in a process of its own, several at a time.

Nothing that one submission does can stop the batch or change another's result: whatever goes wrong
becomes the reason on its own page.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, cast

from tinygpt.classroom import source
from tinygpt.classroom.manifest import Constants
from tinygpt.classroom.marking import Marker, Outcome
from tinygpt.classroom.similarity import flags
from tinygpt.classroom.submissions import Handed, read_submission


@dataclass
class Grade:
    """What one submission got, and why."""

    name: str
    outcomes: list[Outcome]
    problem: str = ""  # why nothing could be run
    notes: list[str] = field(default_factory=list)  # what a teacher may want to look at
    seconds: float = 0.0
    files: dict[str, bytes] = field(default_factory=dict)
    our_fault: bool = False  # the problem is the grader's, and the points mean nothing

    @property
    def points(self) -> float:
        """The sum over the checks that passed."""
        return sum(outcome.points for outcome in self.outcomes)

    def as_json(self) -> dict[str, Any]:
        """What `grades.json` holds of it: text that every file can hold."""
        told = {
            "name": self.name,
            "points": self.points,
            "problem": self.problem,
            "notes": self.notes,
            "checks": [
                {
                    "name": o.task.name,
                    "function": o.task.function,
                    "points": o.points,
                    "of": o.task.points,
                    "passed": o.passed,
                    "hidden": o.task.hidden,
                    "status": "passed" if o.passed else o.status,
                    "reason": o.reason,
                    "facts": list(o.facts),
                    "hint": "" if o.passed else o.task.hint,
                }
                for o in self.outcomes
            ],
        }
        return cast(dict[str, Any], printable(told))


def grade_all(
    marker: Marker,
    paths: Iterable[Path],
    *,
    jobs: int,
    names: Iterable[str] | None = None,
    seconds: float | None = None,
    on_done: Callable[[Grade], None] = lambda grade: None,
) -> list[Grade]:
    """The grades of all submissions, in the order of `paths`; `on_done` is told of each. Of a part
    of the class `names` are the names that these have in the whole."""
    paths = list(paths)
    names = names_of(paths) if names is None else names
    with ThreadPoolExecutor(jobs) as pool:
        futures = {
            pool.submit(grade_one, marker, path, name, seconds): i
            for i, (path, name) in enumerate(zip(paths, names, strict=True))
        }
        grades: dict[int, Grade] = {}
        try:
            for future in as_completed(futures):
                grades[futures[future]] = future.result()
                on_done(future.result())
        except BaseException:  # Ctrl-C: what has not begun does not begin
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    ordered = [grades[i] for i in range(len(paths))]
    _flag(marker, ordered)
    return ordered


def _flag(marker: Marker, grades: list[Grade]) -> None:
    """Note who wrote what the library has, or what others wrote."""
    first = marker.assignment.files[0]
    texts = {g.name: g.files[first].decode("utf-8", "replace") for g in grades if g.files}
    notes = flags(texts, source.solution_text(marker.assignment, marker.constants, stubs=True))
    for grade in grades:
        grade.notes += notes.get(grade.name, [])


def grade_one(marker: Marker, path: Path, name: str, seconds: float | None = None) -> Grade:
    """The grade of one submission. Whatever goes wrong is its `problem`."""
    began = monotonic()
    try:
        handed = read_submission(path, marker.assignment, marker.constants)
        handed.name = name
        grade = _run(marker, handed, seconds)
    except Exception as cause:  # a fault of ours must not stop the others
        problem = f"the grader failed on it ({type(cause).__name__}: {cause}); tell your teacher"
        grade = Grade(name, _nothing(marker, problem), problem, our_fault=True)
    grade.seconds = monotonic() - began
    return grade


def _run(marker: Marker, handed: Handed, seconds: float | None) -> Grade:
    if handed.problem:
        return Grade(handed.name, _nothing(marker, handed.problem), handed.problem, handed.notes)
    outcomes = marker.mark_files(handed.files, notebook=handed.notebook, seconds=seconds)
    problem = ""
    if outcomes and all(o.status == "unloadable" and not o.passed for o in outcomes):
        problem = f"the file cannot be run: {outcomes[0].reason}"
    return Grade(handed.name, outcomes, problem, handed.notes, files=handed.files)


def _nothing(marker: Marker, problem: str) -> list[Outcome]:
    return [Outcome(task, False, problem, status="unloadable") for task in marker.tasks]


def names_of(paths: list[Path]) -> list[str]:
    """A name for each, no two the same: the folder's or file's, with its ending where two would be
    the same, or one be like another's file."""
    stems = [path.name if path.is_dir() else path.stem for path in paths]
    files = {path.name for path in paths}
    names: list[str] = []
    for path, stem in zip(paths, stems, strict=True):
        alone = stems.count(stem) == 1 and (stem == path.name or stem not in files)
        plain = unique = str(printable(stem if alone else path.name))
        number = 2
        while unique in names:  # two names that differ in what cannot be printed
            unique, number = f"{plain} ({number})", number + 1
        names.append(unique)
    return names


def printable(value: Any) -> Any:
    """The same with a sign in place of what no file, page or terminal takes: half characters, which
    UTF-8 does not know, line ends and the terminal's commands.

    >>> printable({"ann\\x1b[2J": ["a\\ud800", 3]})
    {'ann�[2J': ['a�', 3]}
    """
    if isinstance(value, str):
        return "".join(c if c.isprintable() or c == "\xa0" else "\ufffd" for c in value)
    if isinstance(value, list):
        return [printable(part) for part in value]
    if isinstance(value, dict):
        return {printable(key): printable(part) for key, part in value.items()}
    return value


def class_of(marker: Marker, seed: int, grades: list[Grade]) -> dict[str, Any]:
    """What `grades.json` holds."""
    assignment = marker.assignment
    constants: Constants = marker.constants
    return {
        "assignment": assignment.name,
        "title": assignment.title,
        "seed": seed,
        "constants": constants,
        "points": assignment.points,
        "rubric": list(assignment.rubric),
        "students": [grade.as_json() for grade in grades],
    }
