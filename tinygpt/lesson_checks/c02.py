"""Lesson 02: `get_batch`."""

import numpy as np

from tinygpt.backend import Array
from tinygpt.data import Batches
from tinygpt.lesson_checks.core import (
    Candidate,
    Check,
    expect,
    expect_array,
    expect_close,
    expect_parts,
)

CASES = [(4, 3, 1), (7, 3, 2), (3, 1, 2), (12, 4, 5)]  # ids, T, B; the smallest first
MANY = 400  # windows drawn to see which starts there are


class Rng(np.random.Generator):
    """`np.random.default_rng(seed)`, which shows its seed."""

    def __init__(self, seed: int) -> None:
        super().__init__(np.random.PCG64(seed))
        self.seed = seed

    def __repr__(self) -> str:
        return f"np.random.default_rng({self.seed})"


def get_batch(ids: Array, T: int, B: int, rng: np.random.Generator) -> tuple[Array, Array]:
    xy: tuple[Array, Array] = Batches(ids, T, B, seed=int(rng.integers(1 << 31))).batch(0)
    return xy


def _text(N: int) -> Array:
    """N ids, all different, that are not their own positions."""
    return 10 + np.arange(N) * 7 % 97


def _draw(f: Candidate, ids: Array, T: int, B: int, rng: Rng) -> tuple[Array, Array]:
    """The batch, once it is two whole-numbered arrays of shape (B, T)."""
    x, y = expect_parts(f, f(ids, T, B, rng), "x", "y")
    for name, part in (("x", x), ("y", y)):
        expect_array(f, part, (B, T), part=name, because=" = (B, T)")
        whole = f"{name} is {part.dtype}; ids are whole numbers"
        expect(part.dtype.kind in "iu", whole, f, **{f"your {name}": part})
    return x, y


def get_batch_is_right(f: Candidate) -> None:
    """x is windows, y the same one token later, from every place where one fits, by rng alone."""
    for N, T, B in CASES:
        _draw(f, _text(N), T, B, Rng(0))
    for N, T, B in CASES:
        ids = _text(N)
        x, y = _draw(f, ids, T, B, Rng(0))
        for b in range(B):
            here = np.flatnonzero(ids == x[b, 0])
            start = int(here[0]) if here.size else N
            window = np.array_equal(x[b], ids[start : start + T])
            expect(window, f"row {b} of x is no window: {T} ids that follow each other in the text",
                   f, x=x)  # fmt: skip
            right = ids[start + 1 : start + T + 1]
            same = np.array_equal(y[b], x[b])
            expect(not same, f"row {b} of y is the same as in x: the model would learn to copy; y "
                   "is the ids one later", f, x=x, y=y)  # fmt: skip
            before = start > 0 and np.array_equal(y[b], ids[start - 1 : start + T - 1])
            expect(not before, f"row {b} of y is x one id earlier; y is what comes next", f, x=x,
                   y=y)  # fmt: skip
            expect(len(right) == T, f"row {b} begins at place {start}, where {T} ids and the one "
                   f"after them do not fit into {N}", f, x=x, y=y)  # fmt: skip
            last = T > 1 and np.array_equal(y[b, :-1], right[:-1]) and y[b, -1] != right[-1]
            expect(not last, f"the last target of row {b} is {y[b, -1]} and should be {right[-1]}, "
                   "the id that follows the window in the text", f, x=x, y=y)  # fmt: skip
            expect_close(f, y[b], right, f"row {b} of y is not row {b} of x one id later",
                         shown=f"y[{b}]")  # fmt: skip
    for N, T, B in ((7, 3, MANY), (12, 4, MANY)):
        ids = _text(N)
        x, _ = _draw(f, ids, T, B, Rng(0))
        starts = {int(np.flatnonzero(ids == first)[0]) for first in x[:, 0]}
        missing = sorted(set(range(N - T)) - starts)
        expect(len(starts) > 1, "all rows begin at the same place: draw one start for each row", f)
        some = missing[0] if missing else 0
        expect(not missing, f"of {B} windows none begins at place {some}; a window may begin at 0 "
               f"to {N - T - 1}", f)  # fmt: skip
    ids = _text(90)
    once, again = (_draw(f, ids, 5, 4, Rng(1))[0] for _ in range(2))
    expect(np.array_equal(once, again), "the same seed gives two different batches: draw from rng "
           "and from nothing else", f)  # fmt: skip
    rng = Rng(1)
    first, second = (_draw(f, ids, 5, 4, rng)[0] for _ in range(2))
    expect(not np.array_equal(first, second), "two calls with one rng give the same batch: draw "
           "from rng, and do not make or seed another", f)  # fmt: skip
    expect(not np.array_equal(first, _draw(f, ids, 5, 4, Rng(2))[0]), "another seed gives the same "
           "batch: draw from rng", f)  # fmt: skip


CHECKS = [
    Check(
        name="02.get_batch",
        arguments=("ids", "T", "B", "rng"),
        properties=get_batch_is_right,
        right="y is x one token later, every window can be drawn, and the seed decides alone",
        library=get_batch,
        hints=(
            "Draw B starts, then think of the table of all pairs of lesson 00: a column of starts "
            "against a row of steps.",
            "starts = rng.integers(0, len(ids) - T, size=(B, 1)), the upper end is left out; "
            "np.arange(T) has shape (T,), and starts + np.arange(T) has shape (B, T).",
            "at = starts + np.arange(T); x is ids[at], and y is ids[at + 1]. Return both.",
        ),
    ),
]
