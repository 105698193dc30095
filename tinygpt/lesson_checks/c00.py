"""Lesson 00: `one_hot` and `causal_mask`."""

import numpy as np

from tinygpt.backend import Array
from tinygpt.lesson_checks.core import Candidate, Check, expect, expect_array, expect_close


def one_hot(ids: Array, V: int) -> Array:
    """1 at each row's id, 0 elsewhere.   ids (...) -> (..., V)"""
    result: Array = np.eye(V)[ids]
    return result


def causal_mask(T: int) -> Array:
    """1 where position i may look at position j, which is j <= i; else 0.   -> (T, T)"""
    return np.tril(np.ones((T, T)))


def one_hot_is_right(f: Candidate) -> None:
    """Any shape of ids gets a new last axis with one 1."""
    cases = [
        (np.array([1]), 2),
        (np.array([2, 0, 2]), 3),
        (np.array([0, 3, 1]), 5),
        (np.array([[0, 1], [2, 2], [1, 0]]), 4),
        (np.array(2), 3),
    ]
    for ids, V in cases:
        expect_array(f, f(ids, V), (*ids.shape, V))
    for ids, V in cases:
        y = f(ids, V)
        expect(y.dtype.kind == "f", f"the result is {y.dtype} and should be float", f, yours=y)
        sums = y.sum(axis=-1)
        expect(bool((sums == 1).all()), "a row does not sum to 1", f, yours=y, sums=sums)
        expect_close(f, y, one_hot(ids, V), "the 1 does not stand at the id")


def causal_mask_is_right(f: Candidate) -> None:
    """Row i has i + 1 ones, and they come first."""
    for T in (1, 2, 3, 5):
        expect_array(f, f(T), (T, T))
    for T in (1, 2, 3, 5):
        mask = f(T)
        kind = f"the result is {mask.dtype} and should be float"
        expect(mask.dtype.kind == "f", kind, f, yours=mask)
    for T in (2, 3, 5):
        mask = f(T)
        bits = bool(np.isin(mask, (0.0, 1.0)).all())
        expect(bits, "the mask has numbers other than 0 and 1", f, yours=mask)
        future = "a position looks at one after it: a row has a 1 to the right of the diagonal"
        expect(not np.triu(mask, k=1).any(), future, f, yours=mask, right=causal_mask(T))
    for T in (1, 2, 3, 5):
        mask = f(T)
        expect_close(
            f,
            mask @ np.ones(T),
            np.arange(1.0, T + 1),
            "row i should have i + 1 ones (mask @ ones = 1, 2, …, T): a position sees itself too",
            shown="mask @ ones",
        )
        expect_close(f, mask, causal_mask(T), "the ones stand in the wrong places")


CHECKS = [
    Check(
        name="00.one_hot",
        arguments=("ids", "V"),
        properties=one_hot_is_right,
        right="every id, in any shape of ids, becomes a row with its one 1 in the right place",
        library=one_hot,
        hints=(
            "Compare every id with every number of the vocabulary at once: which two shapes make "
            "broadcasting do that?",
            "ids with a new last axis, ids[..., None], has shape (..., 1); np.arange(V) has "
            "shape (V,). Together they broadcast to (..., V).",
            "ids[..., None] == np.arange(V) is True where the 1 belongs; .astype(float) makes it "
            "numbers.",
        ),
    ),
    Check(
        name="00.causal_mask",
        arguments=("T",),
        properties=causal_mask_is_right,
        right="position i sees itself and what is before it, never what is after it",
        library=causal_mask,
        hints=(
            "Entry [i, j] depends on nothing but i and j. Make an array of all i and one of all j.",
            "np.arange(T)[:, None] is a column (T, 1) of the i; np.arange(T)[None, :] is a row "
            "(1, T) of the j. Compare them.",
            "Position i may look at j when j <= i: (j <= i).astype(float), with j the row and i "
            "the column.",
        ),
    ),
]
