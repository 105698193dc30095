"""The checks of the lessons: `check("03.softmax", softmax)` says whether your function is right.

One file a lesson: c03.py has the property functions of lesson 03 and its list CHECKS. pytest runs
them on the library, a lesson's `check` on the learner's cell, the grader on a submission.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

from tinygpt.errors import TinyGPTError
from tinygpt.lesson_checks.core import SECONDS, Candidate, Check, Finding, Verdict

__all__ = ["Candidate", "Check", "Finding", "Verdict", "all_checks", "check", "find_check", "hint"]

_given: dict[str, int] = {}  # how many hints were given in this session


def all_checks() -> Iterator[Check]:
    """Every check of every lesson, in order."""
    for info in pkgutil.iter_modules(__path__, "tinygpt.lesson_checks."):
        if info.name.rpartition(".")[2][1:].isdigit():
            yield from importlib.import_module(info.name).CHECKS


def find_check(name: str) -> Check:
    """The check with this name, as "03.softmax". Raises TinyGPTError and names what there is."""
    if not isinstance(name, str):
        raise TinyGPTError('the name comes first, in quotes: check("03.softmax", softmax)')
    known = {check.name: check for check in all_checks()}
    if name not in known:
        here = [other for other in known if other.startswith(name[:2])] or list(known)
        raise TinyGPTError(f"there is no check {name!r}; there are {', '.join(here)}")
    return known[name]


def check(name: str, fn: Callable[..., Any], *, seconds: float | None = SECONDS) -> None:
    """Print whether `fn` is right; if not: what is wrong, the smallest input that shows it, and
    the worst coordinate.

    A call of `fn` may take so many seconds: an endless loop is ended. A single call from it into
    C is not: you get the sentence, but restart the kernel to be rid of it. With `seconds=None`
    nothing is ended, and `breakpoint()` works inside `fn`.
    """
    print(find_check(name).examine(fn, seconds=seconds))  # noqa: T201


def hint(name: str) -> None:
    """Print the next of three hints, from vague to nearly there."""
    hints = find_check(name).hints
    n = min(_given.get(name, 0), len(hints) - 1)
    _given[name] = n + 1
    more = "" if n + 1 == len(hints) else f' (hint("{name}") again for the next)'
    print(f"Hint {n + 1} of {len(hints)}: {hints[n]}{more}")  # noqa: T201
