"""What turns a learner's function into a verdict: a sentence, the smallest counterexample and the
worst coordinate, never a traceback.

A lesson's file (c03.py for lesson 03) holds property functions. Each takes the function to test as
its argument, wrapped in a `Candidate`, and uses the `expect_…` tools below, in this order: shape,
dtype, what always holds, a reference value, finite differences in float64. It tries small inputs
first, so the first input that fails is the smallest counterexample.
"""

import inspect
import linecache
import math
import numbers
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygpt.backend import Array
from tinygpt.gradcheck import check_gradients

SHOWN = 24  # arrays of more numbers are shown by their shape alone


class Finding(Exception):
    """One thing that is wrong: a sentence without its full stop, and lines of facts below it."""

    def __init__(self, sentence: str, facts: dict[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.facts = {} if facts is None else facts


class Unwritten(Finding):
    """The stub still stands."""


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


class Candidate:
    """A learner's function under test, called with read-only copies of its arguments.

    An exception inside it, a result of None or a write into an argument becomes a Finding.
    """

    def __init__(self, fn: Callable[..., Any], arguments: tuple[str, ...]) -> None:
        self.fn = fn
        self.name = getattr(fn, "__name__", "your function").replace("<lambda>", "your function")
        self.arguments = arguments
        self.given: tuple[Any, ...] = ()

    def __call__(self, *given: Any) -> Any:
        self.given = given
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = self.fn(*map(_read_only, given))
        except NotImplementedError:
            raise Unwritten("put your code in place of the line with `raise`") from None
        except Exception as cause:
            raise Finding(self._sentence(cause), self.facts()) from None
        if result is None:
            raise Finding("it returns None; its last line has to be `return` and the result")
        return result

    def _sentence(self, cause: Exception) -> str:
        where = self.line_of(cause)
        if where is None and isinstance(cause, TypeError):
            return f"it cannot be called as {self.name}({', '.join(self.arguments)}): {cause}"
        if "read-only" in str(cause):
            return (
                f"{where} writes into {self._changed()}, which belongs to the caller; "
                "make a new array (`x = x - m`, not `x -= m`)"
            )
        return f"{where or self.name} raises {type(cause).__name__}: {str(cause).rstrip('.')}"

    def _changed(self) -> str:
        """Which argument the function writes into: it runs once more on copies to see."""
        copies = [a.copy() if isinstance(a, np.ndarray) else a for a in self.given]
        try:
            with np.errstate(all="ignore"):
                self.fn(*copies)
        except Exception:
            return "an argument"
        for name, before, after in zip(self.arguments, self.given, copies, strict=False):
            if isinstance(before, np.ndarray) and not np.array_equal(before, after):
                return f"its argument {name}"
        return "an argument"

    def line_of(self, cause: Exception) -> str | None:
        """The innermost line of the learner's own file or cell on the way to an exception."""
        code = getattr(self.fn, "__code__", None)
        found = None
        for frame, number in traceback.walk_tb(cause.__traceback__):
            if code is not None and frame.f_code.co_filename == code.co_filename:
                text = linecache.getline(code.co_filename, number).partition("  #")[0].strip()
                found = f"line {number}, `{text}`," if text else f"line {number}"
        return found

    def line_of_overflow(self) -> str:
        """Where the last call leaves the range of floating point: "; line 2, …, overflows"."""
        try:
            with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
                self.fn(*map(_read_only, self.given))
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


def _read_only(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    copy = value.copy()
    copy.flags.writeable = False
    return copy


def number(value: Any) -> str:
    """A number as a reader wants it: four significant digits at most.

    >>> number(0.66524), number(1000.0), number(3), number(float("nan"))
    ('0.6652', '1000', '3', 'nan')
    """
    return f"{float(value):.4g}"


def place(index: tuple[int, ...]) -> str:
    """Where in an array: `[0, 2]`."""
    return f"[{', '.join(map(str, index))}]"


def show(value: Any) -> str:
    """A small array with its numbers, a large one with its shape."""
    if isinstance(value, np.ndarray) and value.ndim:
        if value.size > SHOWN:
            return f"an array of shape {value.shape}"
        return np.array2string(
            value, precision=4, suppress_small=True, separator=", ", max_line_width=88, threshold=99
        )
    if isinstance(value, float | np.floating | np.ndarray):
        return number(value)
    text = repr(value)
    return text if len(text) <= 160 else text[:157] + "…"


def _details(facts: dict[str, Any]) -> Iterator[str]:
    """Facts under each other, the values aligned."""
    wide = max((len(key) for key in facts), default=0)
    for key, value in facts.items():
        first, *rest = (value if key == "worst" else show(value)).splitlines()
        yield f"{key:<{wide}} = {first}"
        yield from (" " * (wide + 3) + line for line in rest if line.strip())


def expect(holds: bool, sentence: str, f: Candidate, **facts: Any) -> None:
    """The general tool: unless it holds, say the sentence, with the last call's arguments."""
    if not holds:
        raise Finding(sentence, f.facts(**facts))


def expect_array(f: Candidate, got: Any, shape: tuple[int, ...], dtype: Any = None) -> None:
    """The result is an array, has this shape, and (when given) this dtype."""
    if not isinstance(got, np.ndarray):
        kind = type(got).__name__
        raise Finding(f"it returns a {kind} and should return an array of shape {shape}", f.facts())
    if got.shape != shape:
        raise Finding(
            f"the result has shape {got.shape} and should have {shape}", f.facts(yours=got)
        )
    if dtype is not None and got.dtype != np.dtype(dtype):
        raise Finding(
            f"the result is {got.dtype} and should be {np.dtype(dtype)}: dtype in, dtype out",
            f.facts(yours=got),
        )


def expect_number(f: Candidate, got: Any) -> None:
    """The result is one number: a Python float, a NumPy scalar, or an array without axes."""
    if isinstance(got, np.ndarray) and got.shape:
        raise Finding(
            f"it returns an array of shape {got.shape} and should return one number",
            f.facts(yours=got),
        )
    if not isinstance(got, numbers.Real | np.ndarray):
        raise Finding(f"it returns a {type(got).__name__} and should return one number", f.facts())


def expect_finite(f: Candidate, got: Any, right: Any) -> None:
    """No NaN and no infinity; the sentence names the line that made it."""
    array = np.asarray(got)
    if not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        at = f" at {place(index)}" if index else ""
        raise Finding(
            f"the result is {number(array[index])}{at}{f.line_of_overflow()}",
            f.facts(yours=got, right=right),
        )


def expect_close(
    f: Candidate,
    got: Any,
    right: Any,
    sentence: str,
    *,
    tolerance: float = 1e-9,
    shown: str = "yours",
) -> None:
    """Equal up to `tolerance` times the largest number of `right`; otherwise say the sentence.

    `shown` names `got` in the facts where it is not the result itself: "sums", say.
    """
    yours, wanted = np.asarray(got, np.float64), np.asarray(right, np.float64)
    if yours.shape != wanted.shape:
        sentence = f"the result has shape {yours.shape} and should have {wanted.shape}"
        raise Finding(sentence, f.facts(yours=got))
    gap = np.abs(yours - wanted)
    gap = np.where(np.isnan(gap), math.inf, gap)
    if gap.max(initial=0.0) <= tolerance * max(1e-3, float(np.abs(wanted).max(initial=0.0))):
        return
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(gap)), gap.shape))
    worst = f"{place(index)} is {number(yours[index])} and should be {number(wanted[index])}"
    facts = {shown: got, "right": right, **({"worst": worst} if index else {})}
    raise Finding(sentence, f.facts(**facts))


def expect_gradient(
    f: Candidate,
    loss: Callable[[], float],
    arrays: dict[str, Array],
    grads: dict[str, Array],
    sentence: str = "it is not the gradient of the loss",
    *,
    tolerance: float = 1e-6,
) -> None:
    """`grads` are the derivatives of loss() with respect to `arrays` (float64, read at each call).

    The finding shows the worst coordinate, and what finite differences say there.
    """
    for report in check_gradients(loss, arrays, grads, rng=np.random.default_rng(0)):
        if report.error <= tolerance:
            continue
        x, g, at = arrays[report.name], grads[report.name], report.worst
        slope = _slope(loss, x, at)
        raise Finding(
            sentence,
            f.facts(
                yours=g,
                worst=f"d{report.name}{place(at)} is {number(g[at])}; moving {report.name}"
                f"{place(at)} a little changes the loss {number(slope)} times as much",
            ),
        )


def _slope(loss: Callable[[], float], x: Array, at: tuple[int, ...], step: float = 1e-5) -> float:
    """(loss(x + step) - loss(x - step)) / 2 step at one coordinate; x is put back."""
    start = x[at].copy()
    try:
        x[at] = start + step
        above = loss()
        x[at] = start - step
        below = loss()
    finally:
        x[at] = start
    return (above - below) / (2.0 * step)


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

    def examine(self, fn: Any) -> Verdict:
        """The verdict on a function. Arrays that the caller holds are never written to."""
        try:
            if not callable(fn):
                kind = type(fn).__name__
                raise Finding(f"give the function itself, without (…): this is a {kind}")
            self.properties(Candidate(fn, self.arguments))
        except Finding as finding:
            help_line = f'hint("{self.name}") gives a hint.'
            details = (*_details(finding.facts), help_line)
            begin = "is not written yet" if isinstance(finding, Unwritten) else "is not right yet"
            return Verdict(self.name, False, finding.sentence, details, begin)
        except Exception as cause:  # the result is of a kind that no property expected
            sentence = f"the check cannot use the result ({type(cause).__name__}: {cause})"
            return Verdict(self.name, False, sentence)
        return Verdict(self.name, True, self.right)

    def stub(self) -> Callable[..., Any]:
        """A function of the right signature that is not written yet."""

        def unwritten(*_: Any) -> Any:
            raise NotImplementedError

        parameters = [
            inspect.Parameter(a, inspect.Parameter.POSITIONAL_OR_KEYWORD) for a in self.arguments
        ]
        vars(unwritten)["__signature__"] = inspect.Signature(parameters)
        return unwritten
