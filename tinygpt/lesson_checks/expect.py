"""The tools of a property function: each says a sentence, and facts, if something does not hold.

In this order: shape, dtype, what always holds, a reference value, finite differences in float64.
"""

import math
import numbers
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import numpy as np

from tinygpt.backend import Array
from tinygpt.gradcheck import gradient_reports
from tinygpt.lesson_checks.candidate import Candidate, Finding

SHOWN = 24  # arrays of more numbers are shown by their shape alone


def number(value: Any) -> str:
    """A number as a reader wants it: four significant digits at most.

    >>> number(0.66524), number(1000.0), number(3), number(float("nan"))
    ('0.6652', '1000', '3', 'nan')
    """
    return f"{float(value):.4g}"


def apart(a: Any, b: Any) -> tuple[str, str]:
    """Two numbers that differ, with as many digits as it takes to see it.

    >>> apart(0.25, 1 / 3), apart(2.0, 2.000003)
    (('0.25', '0.3333'), ('2', '2.000003'))
    """
    pairs = ((f"{float(a):.{digits}g}", f"{float(b):.{digits}g}") for digits in range(4, 18))
    return next((pair for pair in pairs if pair[0] != pair[1]), (number(a), number(b)))


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
    try:
        if isinstance(value, float | np.floating | np.ndarray):
            return number(value)
        text = "a function" if isinstance(value, FunctionType) else repr(value)
    except Exception:  # an array of objects, or a repr that fails
        text = f"a {type(value).__name__}"
    return text if len(text) <= 160 else text[:157] + "…"


def details(facts: dict[str, Any]) -> Iterator[str]:
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


def expect_array(
    f: Candidate,
    got: Any,
    shape: tuple[int, ...],
    dtype: Any = None,
    *,
    part: str = "",
    because: str = "",
) -> None:
    """The result is a plain array of numbers, has this shape, and (when given) this dtype.

    For one part of the result, `part` is its name: "dw". `because` ends the sentence on its shape.
    """
    what = part or "the result"
    facts = f.facts(**{f"your {part}" if part else "yours": got})
    if type(got) is not np.ndarray:
        raise Finding(_no_array(f, got, shape, part), f.facts())
    if got.shape != shape:
        says = f"{what} has shape {got.shape} and should have {shape}{because}"
        raise Finding(says, facts)
    if got.dtype.kind not in "biuf":
        says = f"{what} is an array of dtype {got.dtype} and should be one of real numbers"
        raise Finding(says, f.facts())
    if dtype is not None and got.dtype != np.dtype(dtype):
        wanted = f"{np.dtype(dtype)}: dtype in, dtype out"
        raise Finding(f"{what} is {got.dtype} and should be {wanted}", facts)


def _no_array(f: Candidate, got: Any, shape: tuple[int, ...], part: str) -> str:
    """What is said of a result, or of a part of it, that is no plain array."""
    kind = type(got).__name__
    wanted = f"an array of shape {shape}"
    begin, then = (f"{part} is", "be") if part else ("it returns", "return")
    if isinstance(f.fn, type) and isinstance(got, f.fn):
        return f"this is the class {kind}, and calling it makes a {kind}; give a function"
    if isinstance(got, np.ndarray):
        return f"{begin} a {kind} and should {then} a plain array: np.asarray makes one of it"
    return f"{begin} {'None' if got is None else f'a {kind}'} and should {then} {wanted}"


def expect_parts(f: Candidate, got: Any, *names: str) -> tuple[Any, ...]:
    """The result is a tuple (or list) of so many parts, in this order; these parts."""
    if isinstance(got, tuple | list) and len(got) == len(names):
        return tuple(got)
    several = isinstance(got, tuple | list)
    kind = f"{_count(len(got), 'part')}" if several else f"one {type(got).__name__}"
    wanted = f"{_count(len(names), 'part')}: {', '.join(names)}"
    raise Finding(f"it returns {kind} and should return {wanted}, in this order", f.facts())


def _count(n: int, thing: str) -> str:
    words = ("no", "one", "two", "three", "four", "five")
    return f"{words[n] if n < len(words) else n} {thing}{'s' * (n != 1)}"


def expect_number(f: Candidate, got: Any, *, part: str = "") -> None:
    """The result (or `part` of it) is one number: a Python float, a NumPy scalar, or an array
    without axes."""
    begin, end = (f"{part} is", "be one number") if part else ("it returns", "return one number")
    if isinstance(got, np.ndarray) and got.shape:
        says = f"{begin} an array of shape {got.shape} and should {end}"
        raise Finding(says, f.facts(**{f"your {part}" if part else "yours": got}))
    plain = type(got) is np.ndarray and got.dtype.kind in "biuf"
    if not plain and not isinstance(got, numbers.Real):
        kind = "None" if got is None else f"a {type(got).__name__}"
        raise Finding(f"{begin} {kind} and should {end}", f.facts())


def expect_finite(f: Candidate, got: Any, right: Any = None) -> None:
    """No NaN and no infinity; the sentence names the line that made it. `right` is shown, if it is
    known."""
    array = np.asarray(got)
    if not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        at = f" at {place(index)}" if index else ""
        raise Finding(
            f"the result is {number(array[index])}{at}{f.line_of_overflow()}",
            f.facts(yours=got, **({} if right is None else {"right": right})),
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
    is_, should = apart(yours[index], wanted[index])
    worst = f"{place(index)} is {is_} and should be {should}"
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
    for report in gradient_reports(loss, arrays, grads, np.random.default_rng(0)):
        if report.error <= tolerance:
            continue
        x, g, at = arrays[report.name], grads[report.name], report.worst
        is_, slope = apart(g[at], _slope(loss, x, at))
        in_tree = report.name.startswith("[")  # ['wte'] is g['wte'], and p['wte']
        dx, x_ = (
            (f"g{report.name}", f"p{report.name}") if in_tree else (f"d{report.name}", report.name)
        )
        raise Finding(
            sentence,
            f.facts(
                yours=g,
                worst=f"{dx}{place(at)} is {is_}; moving {x_}{place(at)} a little changes the loss "
                f"{slope} times as much",
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
