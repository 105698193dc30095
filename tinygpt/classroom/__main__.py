"""python -m tinygpt.classroom: assignments, from the release to the grades."""

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinygpt.classroom.parser import build_parser
from tinygpt.commands import has_colours, run

if TYPE_CHECKING:
    from argparse import Namespace

    from tinygpt.classroom.grading import Grade
    from tinygpt.classroom.manifest import Assignment

NO_KERNEL = (
    "this system's kernel does not hold submissions, as Linux does from 5.13 on; "
    "lessons/TEACHING.md says what is withstood without it"
)
SUBMISSION = "a submission is a folder, a .zip, a .py or an .ipynb"


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, then do it."""
    args = build_parser().parse_args(argv)
    do = {"list": _list, "release": _release, "check": _check, "grade": _grade, "export": _export}
    return do[args.command](args)


def _list(args: "Namespace") -> int:
    from tinygpt.classroom.manifest import all_assignments

    for a in all_assignments(args.assignments):
        functions = ", ".join(a.functions) or "words, marked by a rubric"
        points = a.points + sum(row["points"] for row in a.rubric)
        sys.stdout.write(f"{a.name}  {points:3g} points  {a.title}\n     {functions}\n")
    return 0


def _find(args: "Namespace") -> "Assignment":
    from tinygpt.classroom.manifest import find_assignment

    return find_assignment(args.assignment, args.assignments)


def _release(args: "Namespace") -> int:
    import tempfile

    from tinygpt.classroom.release import expect_new_folder, release
    from tinygpt.classroom.wheel import make_wheel

    assignment = _find(args)
    expect_new_folder(args.out)  # before the wheel, which takes its time
    with tempfile.TemporaryDirectory() as folder:
        wheel = None if args.install else Path(folder) / make_wheel(Path(folder))
        data = b"" if wheel is None else wheel.read_bytes()
    install = args.install if wheel is None else f"./{wheel.name}"
    files = release(assignment, args.out, seed=args.seed, install=install, notebook=args.notebook)
    names = [path.name for path in files]
    if wheel is not None:
        (args.out / wheel.name).write_bytes(data)
        names.append(wheel.name)
    sys.stdout.write(f"{args.out}: {', '.join(names)}\n")
    constants = assignment.constants(args.seed)
    told = ", ".join(f"{name} = {value}" for name, value in constants.items())
    sys.stdout.write(f"this class: --seed {args.seed} ({told})\n")
    if assignment.functions:
        sys.stdout.write(f"to grade:   --seed {args.seed}, the same\n")
    return 0


def _check(args: "Namespace") -> int:
    from tinygpt.classroom.released import check_folder, report

    assignment, outcomes, notes = check_folder(args.folder, args.assignment)
    for note in notes:
        sys.stderr.write(f"note: {note}\n")
    sys.stdout.write(report(assignment, outcomes) + "\n")
    return int(not all(outcome.passed for outcome in outcomes))


def _export(args: "Namespace") -> int:
    import tempfile

    from tinygpt.classroom.export import expect_new, export_gradescope, export_nbgrader
    from tinygpt.classroom.wheel import make_wheel

    assignment = _find(args)
    if args.to == "nbgrader":
        for path in export_nbgrader(assignment, args.out, seed=args.seed):
            sys.stdout.write(f"{path}\n")
        return 0
    expect_new(assignment, args.out)  # before the wheel, which takes its time
    with tempfile.TemporaryDirectory() as folder:
        name = make_wheel(Path(folder)) if args.install is None else None
        wheel = None if name is None else Path(folder) / name
        install = args.install or f"./{name}"
        export_gradescope(assignment, args.out, seed=args.seed, install=install, wheel=wheel)
    sys.stdout.write(f"{args.out}: upload it as the autograder; it holds the solution\n")
    return 0


def _grade(args: "Namespace") -> int:
    from tinygpt.classroom.grading import class_of, grade_all, names_of
    from tinygpt.classroom.kernel import landlock_version
    from tinygpt.classroom.marking import Marker
    from tinygpt.classroom.reports import earlier_report, replaced, report_folder, write_reports
    from tinygpt.classroom.submissions import find_submissions, passed_over
    from tinygpt.errors import AssignmentError

    assignment = _find(args)
    if not assignment.tasks:
        raise AssignmentError(f"{assignment.name} has nothing to run: a person marks it, by rubric")
    if (args.jobs is not None and args.jobs < 1) or (
        args.timeout is not None and not args.timeout > 0  # nan is not, either
    ):
        raise AssignmentError("--jobs must be at least 1, and --timeout more than 0 seconds")
    paths = find_submissions(args.submissions)
    named = dict(zip(paths, names_of(paths), strict=True))
    if args.only is None and (rest := passed_over(args.submissions)):
        names = ", ".join([*rest[:5], *[f"{len(rest) - 5} more"] * (len(rest) > 5)])
        sys.stderr.write(f"note: not graded, because {SUBMISSION}: {names}\n")
    if args.only is not None:
        paths = _only(args.only, named, args.submissions)
    earlier_report(args.out, assignment.name, args.seed, again=args.only is not None)
    marker = Marker(assignment, assignment.constants(args.seed), hidden=True)
    report_folder(args.out, args.submissions)  # now, and not after an hour of grading
    jobs = args.jobs if args.jobs is not None else min(len(paths), os.cpu_count() or 1)
    if not landlock_version():
        sys.stderr.write(f"note: {NO_KERNEL}\n")
    line = ProgressLine(len(paths), assignment.points)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        grades = grade_all(
            marker,
            paths,
            names=[named[path] for path in paths],
            jobs=jobs,
            seconds=args.timeout,
            on_done=line.on_done,
        )
    line.close()
    for grade in grades:  # before the report, which a full disk may refuse
        sys.stdout.write(f"{grade.points:5g} of {assignment.points:g}  {grade.name}\n")
    graded = class_of(marker, args.seed, grades)
    # read only now: another student may have been graded again in the meantime
    earlier = earlier_report(args.out, assignment.name, args.seed, again=args.only is not None)
    write_reports(graded if earlier is None else replaced(earlier, graded), args.out)
    sys.stdout.write(f"{args.out / 'index.html'}\n")
    failed = [grade for grade in grades if grade.our_fault]
    if failed:
        says = ", ".join(grade.name for grade in failed[:5]) + " …" * (len(failed) > 5)
        raise AssignmentError(
            f"{len(failed)} could not be graded, and not by their fault: {says}; "
            f"{failed[0].problem}; grade them again"
        )
    return 0


def _only(name: str, named: dict[Path, str], folder: Path) -> list[Path]:
    """The one submission that is asked for. Raises AssignmentError and names what is like it."""
    from tinygpt.errors import AssignmentError

    found = [path for path in named if name in (path.name, named[path])]
    found = found or [path for path in named if name == path.stem]
    if not found:
        like = [path.name for path in named if name.lower() in path.name.lower()]
        first = next(iter(named)).name
        says = f"is it {' or '.join(like[:5])}?" if like else f"the first is {first!r}"
        raise AssignmentError(f"{folder} has no submission {name!r}; {says}")
    return found


class ProgressLine:
    """How far the batch is, on stderr: one line in place on a terminal, one a student in a pipe."""

    def __init__(self, total: int, most: float) -> None:
        self._done, self._total, self._most = 0, total, most
        self._in_place = has_colours(sys.stderr)

    def on_done(self, grade: "Grade") -> None:
        """One more is graded."""
        self._done += 1
        line = f"{self._done}/{self._total}  {grade.name}: {grade.points:g} of {self._most:g}"
        sys.stderr.write(f"\r\x1b[K{line}" if self._in_place else f"{line}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Leave the last line standing."""
        if self._in_place:
            sys.stderr.write("\n")


if __name__ == "__main__":
    run(main)
