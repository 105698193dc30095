"""What turns a learner's function into a verdict: a sentence, the smallest counterexample and the
worst coordinate, never a traceback.

A lesson's file (c03.py for lesson 03) holds property functions. Each takes the function to test as
its argument, wrapped in a `Candidate`, and uses the `expect_…` tools below, in this order: shape,
dtype, what always holds, a reference value, finite differences in float64. It tries small inputs
first, so the first input that fails is the smallest counterexample.

This file is all that a lesson's file imports; candidate.py calls the learner's function, expect.py
has the tools, limit.py ends a call that does not come back.
"""

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tinygpt.lesson_checks.candidate import Candidate, Finding, Unwritten
from tinygpt.lesson_checks.expect import (
    SHOWN,
    details,
    expect,
    expect_array,
    expect_close,
    expect_finite,
    expect_gradient,
    expect_number,
    expect_parts,
    number,
    place,
    show,
)
from tinygpt.lesson_checks.limit import run_watched

__all__ = [
    "SECONDS", "SHOWN", "Candidate", "Check", "Finding", "Unwritten", "Verdict", "expect",
    "expect_array", "expect_close", "expect_finite", "expect_gradient", "expect_number",
    "expect_parts", "number", "place", "show",
]  # fmt: skip

SECONDS = 20.0  # that one call of a learner's function may take; the library's take milliseconds


@dataclass(frozen=True)
class Verdict:
    """What is said about a function. `str` of it is the message that a learner reads."""

    name: str
    passed: bool
    sentence: str
    details: tuple[str, ...] = ()
    begin: str = "is not right yet"

    def __str__(self) -> str:
        begin = "is right" if self.passed else self.begin
        lines = [f"{self.name} {begin}: {self.sentence}.", *(f"    {d}" for d in self.details)]
        return "\n".join(lines)


def _no_function(value: Any) -> str:
    """What is said when something else is given in place of the function."""
    if value is None:
        return "give the function itself: this is None, perhaps the result of a function"
    if isinstance(value, str):
        return "give the function itself, without quotes: this is a str"
    return f"give the function itself, without (…): this is a {type(value).__name__}"


@dataclass(frozen=True)
class Check:
    """One thing that a learner writes, and everything that is known about it.

    `properties(f)` raises Finding; `right` is what a pass has proven, the end of the sentence
    "03.softmax is right: …"; `library` is an answer; three hints lead from vague to nearly there.
    """

    name: str
    arguments: tuple[str, ...]
    properties: Callable[[Candidate], None]
    right: str
    library: Callable[..., Any]
    hints: tuple[str, str, str]

    def examine(self, fn: Any, *, seconds: float | None = SECONDS) -> Verdict:
        """The verdict on a function. Arrays that the caller holds are never written to.

        A call that has not come back after `seconds` is given up: `limit.run_watched` says what
        that can end and what not. With None the call may take for ever, in the caller's thread.
        """
        if not callable(fn):
            return self._failed(Finding(_no_function(fn)))
        f = Candidate(fn, self.arguments)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if seconds is None:
                return self._verdict(f)
            return run_watched(
                partial(self._verdict, f),
                partial(f.is_late, seconds),
                lambda: self._failed(f.late(seconds)),
            )

    def _verdict(self, f: Candidate) -> Verdict:
        try:
            self.properties(f)
        except Finding as finding:
            return self._failed(finding)
        except Exception as cause:  # the result is of a kind that no property expected
            says = " ".join(str(cause).split()).rstrip(".")
            sentence = f"the check cannot use the result ({type(cause).__name__}: {says})"
            return self._failed(Finding(sentence, f.facts()))
        return Verdict(self.name, True, self.right)

    def _failed(self, finding: Finding) -> Verdict:
        lines = (*details(finding.facts), f'hint("{self.name}") gives a hint.')
        begin = "is not written yet" if isinstance(finding, Unwritten) else "is not right yet"
        return Verdict(self.name, False, finding.sentence, lines, begin)

    def stub(self) -> Callable[..., Any]:
        """A function of the right signature that is not written yet."""

        def unwritten(*_: Any) -> Any:
            raise NotImplementedError

        parameters = [
            inspect.Parameter(a, inspect.Parameter.POSITIONAL_OR_KEYWORD) for a in self.arguments
        ]
        vars(unwritten)["__signature__"] = inspect.Signature(parameters)
        return unwritten
