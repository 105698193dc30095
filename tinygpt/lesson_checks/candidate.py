"""A learner's function under test: what it is called with, and what is said when a call goes wrong.

An exception, a result of None, a write into an argument or a call that does not come back becomes
a Finding: a sentence without its full stop, and lines of facts below it.
"""

import functools
import inspect
import linecache
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any, TypeVar

import numpy as np

from tinygpt.lesson_checks.limit import Stopped, frames_below

QUIET = {"all": "ignore"}
LOUD = {"divide": "raise", "over": "raise", "invalid": "raise", "under": "ignore"}
T = TypeVar("T")
LONGEST = 300  # letters of somebody else's message that are shown


class Finding(Exception):
    """One thing that is wrong: a sentence without its full stop, and lines of facts below it."""

    def __init__(self, sentence: str, facts: dict[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.facts = {} if facts is None else facts


class Unwritten(Finding):
    """The stub still stands."""


class Candidate:
    """A learner's function under test, called with copies of its arguments that refuse writes.

    Arrays are read-only, also in lists, tuples and dicts; a list that changes is seen afterwards.
    """

    def __init__(self, fn: Callable[..., Any], arguments: tuple[str, ...]) -> None:
        self.fn = fn
        self.name = _name(fn)
        self.arguments = arguments
        self.given: tuple[Any, ...] = ()
        self._signature = _signature(fn)
        self._files = {code.co_filename for code in _codes(fn)}
        self._began: float | None = None  # when the call that has not come back began
        self._thread: int | None = None  # and where

    def __call__(self, *given: Any) -> Any:
        self.given = given
        copies = tuple(map(protected, given))
        self._expect_signature(given)
        result = self.go_on(functools.partial(self.fn, *copies))
        for name, before, after in zip(self._names(), given, copies, strict=True):
            if not same(before, after):
                kind = type(before).__name__
                kind = f"the {kind} {name}" if isinstance(before, list | dict) else name
                says = f"it changes {kind}, which belongs to the caller; make a new one"
                raise Finding(says, self.facts())
        if result is None:
            raise Finding("it returns None; its last line has to be `return` and the result")
        return result

    def go_on(self, work: Callable[[], T]) -> T:
        """Run what belongs to the last call, as reading the generator that it returned: an
        exception becomes a Finding, and it may not take for ever."""
        try:
            return self._run(work)
        except NotImplementedError:
            raise Unwritten("put your code in place of the line with `raise`") from None
        except (Stopped, Finding):
            raise
        except KeyboardInterrupt as cause:
            if threading.current_thread() is threading.main_thread():
                raise  # the learner's own Ctrl-C, not their function's
            raise Finding(self._sentence(cause), self.facts()) from None
        except BaseException as cause:
            raise Finding(self._sentence(cause), self.facts()) from None

    def _run(self, work: Callable[[], T], floats: Mapping[str, Any] = QUIET) -> T:
        self._began, self._thread = time.monotonic(), threading.get_ident()
        try:
            with np.errstate(**floats):
                return work()
        finally:
            self._began = None

    def _names(self) -> list[str]:
        """A name for each argument of the last call."""
        return [*self.arguments, *["an argument"] * len(self.given)][: len(self.given)]

    def _expect_signature(self, given: tuple[Any, ...]) -> None:
        """The function takes so many arguments; builtins that do not say are called and seen."""
        if self._signature is None:
            return
        try:
            self._signature.bind(*given)
        except TypeError:
            ours = f"{self.name}({', '.join(self.arguments)})"
            count = f"{len(given)} argument{'s' * (len(given) != 1)}"
            theirs = f"{self.name}{self._signature}"
            raise Finding(
                f"it cannot be called as {ours}: it is written as {theirs} and is given {count}"
            ) from None

    # ---- what is said

    def _sentence(self, cause: BaseException) -> str:
        where = self.line_of(cause)
        if "read-only" in str(cause):
            return (
                f"{where or 'it'} writes into {self._changed()}, which belongs to the caller; "
                "make a new array (`x = x - m`, not `x -= m`)"
            )
        if isinstance(cause, SystemExit):
            return f"{where or self.name} ends the program; end a function with `return`"
        says = " ".join(str(cause).split()).rstrip(".")[:LONGEST]
        kind = type(cause).__name__
        return f"{where or self.name} raises {kind}{': ' if says else ''}{says}"

    def _changed(self) -> str:
        """Which argument the function writes into: it runs again with one protected at a time."""
        for i, name in enumerate(self._names()):
            copies = [protected(value, writeable=j != i) for j, value in enumerate(self.given)]
            try:
                self._run(functools.partial(self.fn, *copies))
            except Exception as cause:
                if "read-only" in str(cause):
                    return f"its argument {name}"
        return "an argument"

    def line_of(self, cause: BaseException) -> str | None:
        """The innermost line of the learner's own file or cell on the way to an exception."""
        found = None
        for frame, number in traceback.walk_tb(cause.__traceback__):
            found = self._line(frame, number) or found
        return found

    def _line(self, frame: FrameType, number: int) -> str | None:
        name = frame.f_code.co_filename
        if name not in self._files:
            return None
        text = linecache.getline(name, number).partition("  #")[0].strip()
        return f"line {number}, `{text}`," if text else f"line {number}"

    def line_of_overflow(self) -> str:
        """Where the last call leaves the range of floating point: "; line 2, …, overflows"."""
        try:
            self._run(functools.partial(self.fn, *map(protected, self.given)), LOUD)
        except FloatingPointError as cause:
            kind = "overflows" if "overflow" in str(cause) else f"meets a {str(cause).split()[0]}"
            kind = {"meets a divide": "divides by zero or takes the log of zero"}.get(
                kind, kind if kind == "overflows" else "computes something undefined"
            )
            where = self.line_of(cause)
            return f"; {where} {kind}" if where else ""
        except Exception:
            return ""
        return ""

    def facts(self, **more: Any) -> dict[str, Any]:
        """The counterexample: the arguments of the last call, and what else is to be shown."""
        return {**dict(zip(self.arguments, self.given, strict=False)), **more}

    # ---- a call that does not come back

    def is_late(self, seconds: float) -> bool:
        """Has a call been running for longer than that?"""
        began = self._began
        return began is not None and time.monotonic() - began > seconds

    def late(self, seconds: float) -> Finding:
        """What is said of a call that has not come back: it names the line where it is now."""
        where = ""
        for frame in frames_below(sys._current_frames().get(self._thread or 0)):
            if line := self._line(frame, frame.f_lineno):
                where = f"; now it is in {line.rstrip(',')}"
                break
        after = f"{seconds:g} second{'s' * (seconds != 1)}"
        return Finding(f"it has not come back after {after}{where}", self.facts())


def _name(fn: Any) -> str:
    """What to call a function: its name, that of what a partial calls, that of a class."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    name = getattr(fn, "__name__", None)
    return name if isinstance(name, str) and name != "<lambda>" else "your function"


def _signature(fn: Any) -> inspect.Signature | None:
    """The function's parameters without their types; None where it does not say."""
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        return None
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return inspect.Signature(plain)


def _codes(fn: Any) -> Iterable[Any]:
    """The code of a function, also behind a partial, a decorator, a class or an object."""
    for _ in range(20):  # a wrapper around a wrapper; never around for ever
        if isinstance(fn, functools.partial):
            fn = fn.func
            continue
        if isinstance(fn, type):
            yield from (m.__code__ for m in vars(fn).values() if hasattr(m, "__code__"))
            return
        if hasattr(fn, "__code__"):
            yield fn.__code__
        elif callable(fn):
            method: Any = type(fn).__call__
            yield from [method.__code__] if hasattr(method, "__code__") else []
        if not hasattr(fn, "__wrapped__"):
            return
        fn = fn.__wrapped__


def protected(value: Any, *, writeable: bool = False) -> Any:
    """A copy whose arrays are read-only, also those in lists, tuples and dicts."""
    if isinstance(value, np.ndarray):
        copy = value.copy()
        copy.flags.writeable = writeable
        return copy
    if type(value) in (list, tuple):
        return type(value)(protected(part, writeable=writeable) for part in value)
    if type(value) is dict:
        return {key: protected(part, writeable=writeable) for key, part in value.items()}
    return value


def same(before: Any, after: Any) -> bool:
    """Is the copy still what it was copied from?"""
    if isinstance(before, np.ndarray):
        alike = isinstance(after, np.ndarray) and after.shape == before.shape
        return alike and after.dtype == before.dtype and after.tobytes() == before.tobytes()
    if type(before) is not type(after):
        return False
    if type(before) in (list, tuple):
        return len(before) == len(after) and all(map(same, before, after))
    if type(before) is dict:
        return list(before) == list(after) and all(map(same, before.values(), after.values()))
    return before is after or not isinstance(before, int | float | str) or before == after
