"""python -m tinygpt.classroom: assignments, from the release to the grades."""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinygpt.commands import Parser, has_colours, run

if TYPE_CHECKING:
    from tinygpt.classroom.grading import Grade
    from tinygpt.classroom.manifest import Assignment

EXAMPLES = """\
  python -m tinygpt.classroom list
  python -m tinygpt.classroom release a03 --out a03 --seed 7     what students get
  python -m tinygpt.classroom check a03 a03                      what a student runs
  python -m tinygpt.classroom grade a03 handed_in --out grades --seed 7
  python -m tinygpt.classroom grade a03 handed_in --out grades --seed 7 --only ann
  python -m tinygpt.classroom export a03 --to gradescope --out a03.zip --seed 7"""

NO_KERNEL = (
    "this system's kernel does not hold submissions, as Linux does from 5.13 on; "
    "lessons/TEACHING.md says what is withstood without it"
)


def build_parser() -> Parser:
    """The command line."""
    parser = Parser(
        "classroom",
        "Release assignments, check them as a student, grade a class offline.",
        EXAMPLES,
    )
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=argparse.ArgumentParser
    )

    def command(name: str, what: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=what, description=what, allow_abbrev=False)
        return made

    def of_teachers(made: argparse.ArgumentParser) -> None:
        made.add_argument(
            "--assignments", type=Path, metavar="DIR", help="default: lessons/assignments"
        )
        made.add_argument("--seed", type=int, default=0, help="the class's own variant (default 0)")

    made = command("list", "The assignments, their functions and points.")
    made.add_argument("--assignments", type=Path, metavar="DIR")
    made = command("release", "Write what students get: stubs, handout, public checks.")
    made.add_argument("assignment")
    made.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    made.add_argument(
        "--install",
        metavar="SPEC",
        help="what stands after `pip install` (default: a wheel beside the handout)",
    )
    made.add_argument("--notebook", action="store_true", help="a notebook in place of a module")
    of_teachers(made)
    made = command("check", "Points, reasons and hints for a student, from the public checks.")
    made.add_argument("assignment")
    made.add_argument("folder", type=Path, nargs="?", default=Path())
    made = command("grade", "Grade a folder of submissions: folders, zip files, .py, .ipynb.")
    made.add_argument("assignment")
    made.add_argument("submissions", type=Path)
    made.add_argument("--out", type=Path, required=True, metavar="REPORT")
    made.add_argument("--only", metavar="STUDENT", help="grade this one again; the others stay")
    made.add_argument("--jobs", type=int, help="processes at a time (default: one a core)")
    made.add_argument("--timeout", type=float, metavar="S", help="seconds a call may take")
    of_teachers(made)
    made = command("export", "The assignment in the format of another platform.")
    made.add_argument("assignment")
    made.add_argument("--to", choices=("nbgrader", "gradescope"), required=True)
    made.add_argument(
        "--out", type=Path, required=True, help="nbgrader: a new course folder; gradescope: a .zip"
    )
    made.add_argument("--install", metavar="SPEC", help="as for release (gradescope)")
    of_teachers(made)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, then do it."""
    args = build_parser().parse_args(argv)
    do = {"list": _list, "release": _release, "check": _check, "grade": _grade, "export": _export}
    return do[args.command](args)


def _list(args: argparse.Namespace) -> int:
    from tinygpt.classroom.manifest import all_assignments

    for a in all_assignments(args.assignments):
        functions = ", ".join(a.functions) or "words, marked by a rubric"
        points = a.points + sum(row["points"] for row in a.rubric)
        sys.stdout.write(f"{a.name}  {points:3g} points  {a.title}\n     {functions}\n")
    return 0


def _find(args: argparse.Namespace) -> "Assignment":
    from tinygpt.classroom.manifest import find_assignment

    return find_assignment(args.assignment, args.assignments)


def _release(args: argparse.Namespace) -> int:
    import tempfile

    from tinygpt.classroom.release import release
    from tinygpt.classroom.wheel import make_wheel

    assignment = _find(args)
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
    sys.stdout.write(f"this class: --seed {args.seed} ({told}); give the same seed to grade\n")
    return 0


def _check(args: argparse.Namespace) -> int:
    from tinygpt.classroom.released import check_folder, report

    assignment, outcomes, notes = check_folder(args.folder, args.assignment)
    for note in notes:
        sys.stderr.write(f"note: {note}\n")
    sys.stdout.write(report(assignment, outcomes) + "\n")
    return int(not all(outcome.passed for outcome in outcomes))


def _export(args: argparse.Namespace) -> int:
    import tempfile

    from tinygpt.classroom.export import export_gradescope, export_nbgrader
    from tinygpt.classroom.wheel import make_wheel

    assignment = _find(args)
    if args.to == "nbgrader":
        for path in export_nbgrader(assignment, args.out, seed=args.seed):
            sys.stdout.write(f"{path}\n")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        name = make_wheel(Path(folder)) if args.install is None else None
        wheel = None if name is None else Path(folder) / name
        install = args.install or f"./{name}"
        export_gradescope(assignment, args.out, seed=args.seed, install=install, wheel=wheel)
    sys.stdout.write(f"{args.out}: upload it as the autograder; it holds the solution\n")
    return 0


def _grade(args: argparse.Namespace) -> int:
    from tinygpt.classroom.grading import class_of, grade_all
    from tinygpt.classroom.kernel import landlock_version
    from tinygpt.classroom.marking import Marker
    from tinygpt.classroom.reports import read_reports, replaced, write_reports
    from tinygpt.classroom.submissions import find_submissions
    from tinygpt.errors import AssignmentError

    assignment = _find(args)
    if not assignment.tasks:
        raise AssignmentError(f"{assignment.name} has nothing to run: a person marks it, by rubric")
    marker = Marker(assignment, assignment.constants(args.seed), hidden=True)
    paths = find_submissions(args.submissions)
    if args.only is not None:
        paths = [path for path in paths if args.only in (path.name, path.stem)]
        if not paths:
            raise AssignmentError(f"{args.submissions} has no submission {args.only!r}")
    again = args.only is not None and (args.out / "grades.json").exists()
    earlier = read_reports(args.out) if again else None
    jobs = args.jobs if args.jobs is not None else min(len(paths), os.cpu_count() or 1)
    if jobs < 1 or (args.timeout is not None and not args.timeout > 0):
        raise AssignmentError("--jobs must be at least 1, and --timeout more than 0 seconds")
    if not landlock_version():
        sys.stderr.write(f"note: {NO_KERNEL}\n")
    line = ProgressLine(len(paths), assignment.points)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        grades = grade_all(marker, paths, jobs=jobs, seconds=args.timeout, on_done=line.on_done)
    line.close()
    graded = class_of(marker, args.seed, grades)
    write_reports(graded if earlier is None else replaced(earlier, graded), args.out)
    for grade in grades:
        sys.stdout.write(f"{grade.points:5g} of {assignment.points:g}  {grade.name}\n")
    sys.stdout.write(f"{args.out / 'index.html'}\n")
    return 0


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
