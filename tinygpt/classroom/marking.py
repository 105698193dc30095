"""Points and reasons: what every check of an assignment says of one submission."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from tinygpt.classroom import source
from tinygpt.classroom.manifest import Assignment, Constants, Task
from tinygpt.classroom.process import Child, Limits, Unloadable
from tinygpt.classroom.student import Costly, Functions, Student, remote
from tinygpt.errors import AssignmentError
from tinygpt.lesson_checks.candidate import Finding, Unwritten
from tinygpt.lesson_checks.expect import details

WIDEST = 400  # letters of a line that is shown


@dataclass(frozen=True)
class Outcome:
    """What one check says: all of its points, or none and the reason."""

    task: Task
    passed: bool
    reason: str = ""
    facts: tuple[str, ...] = ()
    status: str = "wrong"  # of what did not pass; or "unwritten", "unloadable", "stopped"

    @property
    def points(self) -> float:
        """What it gives."""
        return self.task.points if self.passed else 0.0


def functions_of(assignment: Assignment) -> Functions:
    """The functions to be written: arguments, and the parts of a result that stay."""
    return {
        name: (arguments, assignment.keep[name]) for name, arguments in assignment.functions.items()
    }


def limits_of(assignment: Assignment, seconds: float | None = None) -> Limits:
    """What a submission may use; `seconds` for a call in place of the manifest's."""
    return Limits(
        assignment.seconds if seconds is None else seconds,
        assignment.total_seconds,
        assignment.memory_mb,
        assignment.allowed,
    )


class Marker:
    """An assignment with a class's constants, ready to mark any number of submissions.

    With `hidden=False` it needs only what was released: no solution is looked for.
    """

    def __init__(self, assignment: Assignment, constants: Constants, *, hidden: bool) -> None:
        self.assignment, self.constants = assignment, constants
        self.tasks = [task for task in assignment.tasks if hidden or not task.hidden]
        for name in assignment.given:
            source.read(assignment, name)  # it is there: now, and not at each submission
        self._public = source.tests(assignment, "public_tests")
        self._hidden: ModuleType | None = None
        self._solution: ModuleType | None = None
        if any(task.hidden for task in self.tasks):
            self._hidden = source.tests(assignment, "hidden_tests")
            self._solution = source.solution(assignment, constants)

    def mark_files(
        self, files: Mapping[str, bytes], *, notebook: bool = False, seconds: float | None = None
    ) -> list[Outcome]:
        """What was handed in, in a process of its own; of a notebook no statement but
        definitions has to work."""
        given = {n: (self.assignment.folder / n).read_bytes() for n in self.assignment.given}
        limits = limits_of(self.assignment, seconds)
        with Child({**files, **given}, limits, notebook=notebook) as child:
            return self.mark(remote(child, functions_of(self.assignment)))

    def mark(self, student: Student) -> list[Outcome]:
        """Every check on a student's functions, wherever they run."""
        return [self.run(task, student) for task in self.tasks]

    def run(self, task: Task, student: Student) -> Outcome:
        """One check."""
        try:
            with np.errstate(all="ignore"):  # a wrong result may be nan, and is told so
                self._test(task)(student)
        except Unwritten as finding:
            return Outcome(task, False, finding.sentence, status="unwritten")
        except Unloadable as finding:
            return Outcome(task, False, finding.sentence, status="unloadable")
        except Finding as finding:
            status = "stopped" if isinstance(finding, Costly) else "wrong"
            return Outcome(task, False, finding.sentence, _short(finding.facts), status)
        except AssignmentError:
            raise
        except Exception as cause:  # the result is of a kind that no test expected
            says = " ".join(str(cause).split()).rstrip(".")
            sentence = f"the check cannot use the result ({type(cause).__name__}: {says})"
            return Outcome(task, False, sentence[:WIDEST])
        return Outcome(task, True)

    def _test(self, task: Task) -> Callable[[Student], None]:
        if not task.hidden:
            public: Callable[[Student, Constants], None] = getattr(self._public, task.test)
            return lambda student: public(student, self.constants)
        hidden: Callable[[Student, Constants, Any], None] = getattr(self._hidden, task.test)
        return lambda student: hidden(student, self.constants, self._solution)


def _short(facts: dict[str, Any]) -> tuple[str, ...]:
    lines = list(details(facts))[:24]
    return tuple(line if len(line) <= WIDEST else line[:WIDEST] + "…" for line in lines)
