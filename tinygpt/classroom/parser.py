"""The command line of python -m tinygpt.classroom: what it takes, and what --help says."""

import argparse
from pathlib import Path

from tinygpt.commands import Parser

PROGRAM = "python -m tinygpt.classroom"
EXAMPLES = f"""\
  {PROGRAM} list
  {PROGRAM} release a03 --out a03 --seed 7     what students get
  {PROGRAM} check a03 a03                      what a student runs
  {PROGRAM} grade a03 handed_in --out grades --seed 7
  {PROGRAM} grade a03 handed_in --out grades --seed 7 --only ann
  {PROGRAM} export a03 --to gradescope --out a03.zip --seed 7

`{PROGRAM} COMMAND --help` says more; lessons/TEACHING.md leads through a term."""


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

    def command(name: str, what: str, says: str, *examples: str) -> argparse.ArgumentParser:
        lines = "\n".join(f"  {PROGRAM} {name} {example}".rstrip() for example in examples)
        return commands.add_parser(
            name,
            help=what,
            description=f"{what}\n\n{says}",
            epilog=f"examples:\n{lines}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    _list(
        command(
            "list",
            "The assignments, their points and functions.",
            "For each: its name, which the other commands take, its points and its title.",
            "",
            "--assignments my_assignments",
        )
    )
    _release(
        command(
            "release",
            "Write what students get into a new folder.",
            "The folder gets stubs, a handout, the public checks and a wheel of this tinygpt, no\n"
            "solution and no hidden check. Keep the seed: `grade` needs it.",
            "a03 --out a03 --seed 7",
            "a03 --out a03 --seed 7 --notebook --install tinygpt",
        )
    )
    _check(
        command(
            "check",
            "A student's points, reasons and hints.",
            "It runs the public checks of a folder that was released, as often as you like.\n"
            "Exit code 0: all of them pass; 1: not all do.",
            "a03 .",
            "a03 homework/a03",
        )
    )
    _grade(
        command(
            "grade",
            "Grade a folder of submissions.",
            "Each runs in a process of its own, with limits. The report has index.html for you, a\n"
            "page for each student, grades.csv, grades.json, and results for Gradescope.",
            "a03 handed_in --out grades --seed 7",
            "a03 handed_in --out grades --seed 7 --only ann",
        )
    )
    _export(
        command(
            "export",
            "Write an assignment in the format of another platform.",
            "gradescope: the zip to upload as the autograder. nbgrader: source/a03 of a course\n"
            "folder, for `nbgrader generate_assignment a03`.",
            "a03 --to gradescope --out a03.zip --seed 7",
            "a03 --to nbgrader --out course --seed 7",
        )
    )
    return parser


def _list(made: argparse.ArgumentParser) -> None:
    _assignments(made)


def _release(made: argparse.ArgumentParser) -> None:
    _name(made)
    made.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    _seed(made)
    made.add_argument("--notebook", action="store_true", help="a notebook in place of a module")
    made.add_argument(
        "--install",
        metavar="SPEC",
        help="what stands after `pip install` in the handout (default: a wheel beside it)",
    )
    _assignments(made)


def _check(made: argparse.ArgumentParser) -> None:
    _name(made)
    made.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path(),
        help="the folder that the teacher gave you, with your code in it (default: this one)",
    )


def _grade(made: argparse.ArgumentParser) -> None:
    _name(made)
    made.add_argument(
        "submissions",
        type=Path,
        help="a folder with a folder, a .zip, a .py or an .ipynb for each student",
    )
    made.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where the report goes"
    )
    _seed(made)
    made.add_argument(
        "--only", metavar="STUDENT", help="grade this one again; the others stay as they are"
    )
    made.add_argument(
        "--jobs", type=int, metavar="N", help="submissions at a time (default: one a core)"
    )
    made.add_argument(
        "--timeout",
        type=float,
        metavar="S",
        help="seconds that one call of a function may take (default: the manifest's)",
    )
    _assignments(made)


def _export(made: argparse.ArgumentParser) -> None:
    _name(made)
    made.add_argument(
        "--to", choices=("nbgrader", "gradescope"), required=True, help="the platform"
    )
    made.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="PATH",
        help="nbgrader: a course folder, new or your course's; gradescope: a new .zip",
    )
    _seed(made)
    made.add_argument(
        "--install",
        metavar="SPEC",
        help="what Gradescope's machine gives to `pip install` (default: a wheel in the zip)",
    )
    _assignments(made)


def _name(made: argparse.ArgumentParser) -> None:
    made.add_argument("assignment", help="its name, as `list` shows it: a03")


def _seed(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="your class's variant, the same for release, grade and export (default 0)",
    )


def _assignments(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--assignments",
        type=Path,
        metavar="DIR",
        help="a folder with your own assignments (default: lessons/assignments)",
    )
