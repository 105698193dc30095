"""The text of an assignment: a class's constants put in, solutions taken out, tests loaded."""

import builtins
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from tinygpt.classroom.manifest import Assignment, Constants
from tinygpt.errors import AssignmentError

BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"
UNWRITTEN = "raise NotImplementedError  # your code"

_CONSTANT = re.compile(r"^([A-Z][A-Z_]*) = .*?(  # .*)$", re.MULTILINE)
_ONLY_IF = re.compile(r"<!-- if (\w+) = (.+?) -->\n(.*?)<!-- end -->\n", re.DOTALL)


def with_constants(text: str, constants: Constants) -> str:
    """The module with its class's constants: lines of the form `NAME = value  # what it is`.

    >>> with_constants("TEMPERATURE = 1.0  # of the softmax", {"temperature": 0.5})
    'TEMPERATURE = 0.5  # of the softmax'
    """

    def line(found: re.Match[str]) -> str:
        name = found[1].lower()
        return f"{found[1]} = {constants[name]!r}{found[2]}" if name in constants else found[0]

    return _CONSTANT.sub(line, text)


def without_solutions(text: str) -> str:
    """The module as students get it: one `raise` in place of each solution.

    Raises AssignmentError if a marker has no partner.

    >>> solved = ["def f():", "    # BEGIN SOLUTION", "    return 1", "    # END SOLUTION"]
    >>> print(without_solutions("\\n".join(solved)))
    def f():
        raise NotImplementedError  # your code
    """
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if line.strip() == (END if inside else BEGIN):
            if not inside:
                lines.append(line[: len(line) - len(line.lstrip())] + UNWRITTEN)
            inside = not inside
        elif line.strip() in (BEGIN, END):
            raise AssignmentError(f"{line.strip()!r} has no partner")
        elif not inside:
            lines.append(line)
    if inside:
        raise AssignmentError(f"{BEGIN!r} has no partner")
    return "\n".join(lines) + "\n" * text.endswith("\n")


def handout(assignment: Assignment, constants: Constants) -> str:
    """What the students read: `{{name}}` becomes a constant, and of paragraphs between
    `<!-- if name = value -->` and `<!-- end -->` only those stay that are true."""

    def paragraph(found: re.Match[str]) -> str:
        return found[3] if str(constants.get(found[1])) == found[2] else ""

    text = read(assignment, "handout.md")
    text = _ONLY_IF.sub(paragraph, text)
    for name, value in constants.items():
        text = text.replace("{{" + name + "}}", str(value))
    if "{{" in text:
        raise AssignmentError(f"the handout of {assignment.name} names an unknown constant")
    return text


def solution_text(assignment: Assignment, constants: Constants, *, stubs: bool = False) -> str:
    """The solution of this class, or its stubs."""
    text = with_constants(read(assignment, "solution.py"), constants)
    return without_solutions(text) if stubs else text


def solution(assignment: Assignment, constants: Constants) -> ModuleType:
    """The solution of this class, run: where expected values come from."""
    text = solution_text(assignment, constants)
    return module(text, assignment.folder / "solution.py", given=assignment.given)


def tests(assignment: Assignment, name: str) -> ModuleType:
    """`public_tests` or `hidden_tests` of an assignment, with every test that the manifest names.

    Raises AssignmentError.
    """
    path = assignment.folder / f"{name}.py"
    made = module(read(assignment, path.name), path)
    for task in assignment.tasks:
        if task.hidden == (name == "hidden_tests") and not callable(getattr(made, task.test, None)):
            raise AssignmentError(f"{path} has no test {task.test!r}, which the manifest names")
    return made


def read(assignment: Assignment, name: str) -> str:
    """The text of a file of an assignment. Raises AssignmentError if it is not there."""
    try:
        return (assignment.folder / name).read_text("utf-8")
    except FileNotFoundError:
        raise AssignmentError(
            f"{assignment.folder} has no {name}, which assignment {assignment.name} needs"
        ) from None


def module(text: str, path: Path, given: tuple[str, ...] = ()) -> ModuleType:
    """A module from its text, which is ours; files of its folder that it may import.

    Raises AssignmentError if it cannot be run.
    """
    made = ModuleType(path.stem)
    made.__file__ = str(path)
    parts = {Path(name).stem: path.with_name(name) for name in given}

    def find(name: str, *rest: Any) -> Any:
        if name in parts:
            return module(parts[name].read_text("utf-8"), parts[name])
        return __import__(name, *rest)

    vars(made)["__builtins__"] = {**vars(builtins), "__import__": find}
    try:
        exec(compile(text, str(path), "exec", dont_inherit=True), vars(made))
    except Exception as error:
        raise AssignmentError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    return made
