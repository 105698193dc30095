"""Grade a class: every submission in a process of its own, several at a time.

Nothing that one submission does can stop the batch or change another's result: whatever goes wrong
becomes the reason on its own page.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

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

    @property
    def points(self) -> float:
        """The sum over the checks that passed."""
        return sum(outcome.points for outcome in self.outcomes)

    def as_json(self) -> dict[str, Any]:
        """What `grades.json` holds of it."""
        return {
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


def grade_all(
    marker: Marker,
    paths: Iterable[Path],
    *,
    jobs: int,
    seconds: float | None = None,
    on_done: Callable[[Grade], None] = lambda grade: None,
) -> list[Grade]:
    """The grades of all submissions, in the order of `paths`; `on_done` is told of each."""
    paths = list(paths)
    with ThreadPoolExecutor(jobs) as pool:
        futures = {
            pool.submit(grade_one, marker, path, name, seconds): i
            for i, (path, name) in enumerate(zip(paths, _names(paths), strict=True))
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
        grade = Grade(name, _nothing(marker, problem), problem)
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


def _names(paths: list[Path]) -> Iterator[str]:
    """A name for each: the folder's or file's, with its ending where two would be the same."""
    stems = [path.name if path.is_dir() else path.stem for path in paths]
    for path, stem in zip(paths, stems, strict=True):
        yield stem if stems.count(stem) == 1 else path.name


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
