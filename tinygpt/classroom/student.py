"""What a test is handed: a student's functions by their names, wherever they run.

    def rows_sum_to_one(student, variant):
        f = student.softmax
        expect_close(f, f(x).sum(axis=-1), …)

In the grader they run in a process of their own (`remote`); in pytest, in a notebook or in
nbgrader in the same one (`local`), where `breakpoint()` works.
"""

from collections.abc import Mapping
from typing import Any

from tinygpt.classroom import wire
from tinygpt.classroom.process import Child, Unloadable
from tinygpt.lesson_checks.candidate import Candidate, Finding, Unwritten

# What is not tried again, so that one submission cannot hold up the others.
COSTLY = {"it has not come back": "it did not come back", "raises MemoryError": "memory ran out"}


class Costly(Finding):
    """A function that ran out of time or memory, and is not run again."""


class Student:
    """A student's functions: `student.softmax` is a Candidate."""

    def __init__(self, functions: Mapping[str, Candidate]) -> None:
        self._functions = functions

    def __getattr__(self, name: str) -> Candidate:
        if name.startswith("_") or name not in self._functions:
            raise AttributeError(name)
        return self._functions[name]


class Remote(Candidate):
    """A function that runs in a submission's process."""

    def __init__(
        self, child: Child, name: str, arguments: tuple[str, ...], keep: tuple[int, ...]
    ) -> None:
        super().__init__(len, arguments)  # nothing of this process stands for it
        self.name = name
        self._child, self._keeps = child, keep
        self._gave_up = ""

    def __call__(self, *given: Any) -> Any:
        self.given = given
        if self._gave_up:
            raise Costly(f"{self.name} is not run again: {self._gave_up} in an earlier check")
        question = {"do": "call", "function": self.name, "names": self.arguments}
        try:
            result = self._child.ask({**question, "keep": self._keeps}, given)
        except Unloadable:
            raise
        except Unwritten:
            raise Unwritten(f"{self.name} is not written yet") from None
        except Finding as finding:
            for sign, what in COSTLY.items():
                if sign in finding.sentence:
                    self._gave_up = what
                    most = f"; it may use {self._child.limits.memory_mb:,} MB" * ("memory" in what)
                    raise Costly(finding.sentence + most, self.facts()) from None
            raise type(finding)(finding.sentence, self.facts()) from None
        for part in result if isinstance(result, tuple | list) else ():
            if isinstance(part, wire.Handle):
                part.source, part.inputs = self.name, super().facts()
        return result

    def facts(self, **more: Any) -> dict[str, Any]:
        """The last call's arguments, what else is to be shown, and what a cache was made from."""
        told = super().facts(**more)
        for value in self.given:
            if isinstance(value, wire.Handle):
                told = {**told, **{k: v for k, v in value.inputs.items() if k not in told}}
        return told

    def line_of_overflow(self) -> str:
        """Where the last call leaves the range of floating point."""
        try:
            return str(self._child.ask({"do": "overflow", "function": self.name}))[:300]
        except Finding:
            return ""


class Local(Candidate):
    """A function of this process; one that is not there says so."""

    def __init__(self, module: Any, name: str, arguments: tuple[str, ...]) -> None:
        fn = module.get(name) if isinstance(module, dict) else getattr(module, name, None)
        self._missing = not callable(fn)
        super().__init__(fn if callable(fn) else len, arguments)
        self.name = name

    def __call__(self, *given: Any) -> Any:
        if self._missing:
            raise Finding(f"there is no function {self.name}: has it another name?")
        try:
            return super().__call__(*given)
        except Unwritten:
            raise Unwritten(f"{self.name} is not written yet") from None


Functions = Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]]  # arguments, parts that stay


def remote(child: Child, functions: Functions) -> Student:
    """The functions of a submission that runs in a process of its own."""
    return Student({name: Remote(child, name, *how) for name, how in functions.items()})


def local(module: Any, functions: Functions) -> Student:
    """The functions of a module, or of a notebook's `globals()`."""
    return Student({name: Local(module, name, how[0]) for name, how in functions.items()})
