"""What an assignment is: its folder, its manifest, and the constants of a class.

    lessons/assignments/a03/
        manifest.toml       points, files, limits, imports, and what a class's seed chooses from
        handout.md          what the students read
        solution.py         between `# BEGIN SOLUTION` and `# END SOLUTION` stands what they write
        public_tests.py     what they can run themselves
        hidden_tests.py     what only the grader runs
        wrong_solutions.py  what has to fail, and at which check

A released tree has a manifest of the same form, without the tests that are hidden.
"""

import math
import random
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinygpt.errors import AssignmentError

Constants = dict[str, Any]  # a class's own: temperature = 0.5
FOLDER = Path(__file__).parents[2] / "lessons" / "assignments"  # in a checkout
RELEASED = "assignment.toml"  # the manifest of a released tree


@dataclass(frozen=True)
class Task:
    """One check: a test of one function, what it gives, what helps when it fails, and what a
    pass leaves open."""

    name: str
    function: str
    test: str
    points: float
    hidden: bool = False
    hint: str = ""
    note: str = ""


@dataclass(frozen=True)
class Assignment:
    """A manifest that was read, and the folder that it stands in."""

    folder: Path
    name: str
    title: str
    files: tuple[str, ...]  # to be handed in; the first has the functions
    given: tuple[str, ...]  # what students get beside them and may import
    functions: dict[str, tuple[str, ...]]  # the arguments of each
    keep: dict[str, tuple[int, ...]]  # parts of a result that stay in the submission's process
    tasks: tuple[Task, ...]
    variant: dict[str, list[Any]]  # what a seed chooses from
    allowed: tuple[str, ...]
    seconds: float = 5.0
    total_seconds: float = 60.0
    memory_mb: int = 1024
    rubric: tuple[dict[str, Any], ...] = field(default=())  # what a person marks

    @property
    def points(self) -> float:
        """What a perfect submission gets from the checks."""
        return sum(task.points for task in self.tasks)

    def constants(self, seed: int) -> Constants:
        """What this seed chooses: the same on every machine.

        Of 0, 1, 2 each chooses something else, and so do 3, 4, 5, and so on: of two choices both
        are taken, of more three.
        """
        rng = random.Random(f"{self.name} {seed // 3}")
        orders = {
            name: sorted(choices, key=lambda _: rng.random())
            for name, choices in self.variant.items()
        }
        return {name: order[seed % 3 % len(order)] for name, order in orders.items()}


def find_assignment(name: str, folder: Path | None = None) -> Assignment:
    """The assignment of this name. Raises AssignmentError and names those that there are."""
    folder = folder or FOLDER
    known = [a.name for a in all_assignments(folder)]
    if name not in known:
        raise AssignmentError(
            f"there is no assignment {name!r} in {folder}; there are {', '.join(known)}"
        )
    return read_manifest(folder / name / "manifest.toml")


def all_assignments(folder: Path | None = None) -> list[Assignment]:
    """Every assignment in a folder, by name. Raises AssignmentError if there is none."""
    folder = folder or FOLDER
    found = [read_manifest(path) for path in sorted(folder.glob("*/manifest.toml"))]
    for a in found:
        if a.name != a.folder.name:
            raise AssignmentError(
                f"{a.folder / 'manifest.toml'} has the name {a.name!r}; give it that of its folder"
            )
    if not found:
        raise AssignmentError(
            f"there are no assignments in {folder}; give the folder lessons/assignments of a "
            "checkout with --assignments"
        )
    return found


def read_manifest(path: Path) -> Assignment:
    """The assignment that a manifest describes. Raises AssignmentError if it does not."""
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        is_file = path.parent.is_file()
        says = "is a file" if is_file else f"has no {path.name}"
        raise AssignmentError(f"{path.parent} {says}; give the folder that was released") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AssignmentError(f"{path} is not TOML: {error}") from None
    try:
        return _assignment(path.parent, told)
    except KeyError as error:
        raise AssignmentError(f"{path} lacks {error.args[0]}; TEACHING.md has the form") from None
    except (TypeError, ValueError, AttributeError) as error:
        says = re.sub(r"^\w+\.__init__\(\) (got|missing)", r"it \1", str(error))
        raise AssignmentError(f"{path} is no manifest: {says}; compare it with a03's") from None


def _assignment(folder: Path, told: dict[str, Any]) -> Assignment:
    functions = told.pop("functions", {})
    tasks = tuple(Task(**task) for task in told.pop("checks", []))
    for task in tasks:
        if task.function not in functions:
            raise ValueError(f"{task.name!r} is about {task.function!r}, which is not listed")
        if (
            isinstance(task.points, bool)
            or not isinstance(task.points, int | float)
            or (not 0 < task.points < math.inf)
        ):
            raise ValueError(f"{task.name!r} gives {task.points!r} points, and needs more than 0")
        if not all(isinstance(text, str) for text in (task.name, task.test, task.hint, task.note)):
            raise ValueError(f"{task.name!r} has a name, test, hint or note that is no text")
    for key in ("files", "given", "allowed"):
        listed = told.get(key, []) if key == "given" else told[key]
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise ValueError(f"{key} is {listed!r} and should be a list of names")
        if key != "allowed" and any(Path(item).name != item for item in listed):
            raise ValueError(f"{key} is {listed!r} and should name files, without a folder")
    for key in ("name", "title"):
        if not isinstance(told[key], str):
            raise ValueError(f"{key} is {told[key]!r} and should be a text")
    if not told["files"]:
        raise ValueError("files is empty and should name what is handed in")
    for key in ("seconds", "total_seconds", "memory_mb"):
        most = told.get(key, 1)
        if not isinstance(most, int | float) or not 0 < most < math.inf:
            raise ValueError(f"{key} is {most!r} and should be a number above 0")
    for key, choices in told.get("variant", {}).items():
        if not isinstance(choices, list) or not choices:
            raise ValueError(f"the variant's {key} is {choices!r} and should be a list of choices")
    if len({task.name for task in tasks}) < len(tasks):
        raise ValueError("two checks have the same name")
    return Assignment(
        folder=folder,
        functions={name: tuple(how["arguments"]) for name, how in functions.items()},
        keep={name: tuple(how.get("keep", ())) for name, how in functions.items()},
        tasks=tasks,
        files=tuple(told.pop("files")),
        given=tuple(told.pop("given", ())),
        allowed=tuple(told.pop("allowed")),
        variant=told.pop("variant", {}),
        rubric=tuple(told.pop("rubric", ())),
        **told,
    )
