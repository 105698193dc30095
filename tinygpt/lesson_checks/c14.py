"""Lesson 14: `accept_or_resample` and `one_pass`."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygpt import sampling, speculative
from tinygpt.backend import Array
from tinygpt.lesson_checks.core import Candidate, Check, expect

PAIRS = [  # what the model says and what the draft says; the lesson's words after the smallest
    (np.array([0.75, 0.25]), np.array([0.25, 0.75])),
    (np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])),
    (np.array([0.5, 0.3, 0.2]), np.array([0.0, 0.0, 1.0])),  # a certain guess: prompt lookup
    (np.array([0.0, 1.0, 0.0]), np.array([0.2, 0.2, 0.6])),  # a certain model: temperature 0
    (np.array([0.4, 0.1, 0.2, 0.3]), np.array([0.1, 0.4, 0.3, 0.2])),
]
FIRST = np.array([0.5, 0.3, 0.2])  # a little model of texts: the first token, and what follows it
NEXT = np.array([[0.2, 0.5, 0.3], [0.6, 0.2, 0.2], [0.3, 0.3, 0.4]])
DRAFT_FIRST = np.array([0.2, 0.2, 0.6])
DRAFT_NEXT = np.array([[0.4, 0.4, 0.2], [0.3, 0.3, 0.4], [0.2, 0.6, 0.2]])


class Given:
    """A generator whose numbers are given: random() returns them one after the other."""

    def __init__(self, *numbers: float) -> None:
        self._numbers = iter(numbers)

    def random(self) -> float:
        return next(self._numbers)


def accept_or_resample(p: Array, q: Array, guess: int, u: float, v: float) -> tuple[int, bool]:
    """The library's function with the uniform numbers given: u to keep or refuse, v to draw."""
    rng: Any = Given(u, v)
    return speculative.accept_or_resample(p, q, guess, rng)


def one_pass(p: Array, q: Array, guesses: Sequence[int], u: Array, v: Array) -> list[int]:
    """The tokens of one pass.   p (n + 1, V), q (n, V), u (n,), v (n + 1,) -> 1 to n + 1 ids"""
    tokens: list[int] = []
    for i, guess in enumerate(guesses):
        token, kept = accept_or_resample(p[i], q[i], int(guess), float(u[i]), float(v[i]))
        tokens.append(token)
        if not kept:
            return tokens
    return [*tokens, sampling.draw(p[-1], float(v[-1]))]


def _checked(f: Candidate, got: Any, V: int) -> tuple[int, bool]:
    expect(isinstance(got, tuple) and len(got) == 2, "it should return two things, a token and "
           "whether the guess was kept: `return token, kept`", f, yours=got)  # fmt: skip
    token, kept = got
    whole = np.ndim(token) == 0 and float(token) == int(token) and 0 <= int(token) < V
    expect(whole, f"the token should be an id, a whole number from 0 to {V - 1}", f, yours=got)
    expect(kept in (True, False), "the second result should be True (the guess was kept) or "
           "False", f, yours=got)  # fmt: skip
    return int(token), bool(kept)


def accept_or_resample_is_right(f: Candidate) -> None:
    for p, q in PAIRS:
        for guess in np.flatnonzero(q).tolist():
            for u, v in ((0.001, 0.3), (0.5, 0.999), (0.999, 0.001)):
                _one_guess_is_right(f, p, q, guess, u, v)
    for p, q in PAIRS:
        for guess in np.flatnonzero(q).tolist():
            _kept_as_often_as_it_should(f, p, q, guess)
    for p, q in PAIRS:
        _tokens_follow_p(f, p, q)
    q = PAIRS[1][1]  # p is q but for rounding, and u the greatest number below 1
    _checked(f, f(q * (1 - 1e-12), q, 2, 1 - 2.0**-53, 0.5), len(q))


def _one_guess_is_right(f: Candidate, p: Array, q: Array, guess: int, u: float, v: float) -> None:
    """What holds for every u and v."""
    got = f(p, q, guess, u, v)
    token, kept = _checked(f, got, len(p))
    more = p[guess] >= q[guess]
    expect(kept or not more, f"the model gives this guess {p[guess]:g}, the draft {q[guess]:g}: "
           "it cannot come too often, so it is kept whatever u is", f, yours=got)  # fmt: skip
    expect(p[guess] > 0 or not kept, "a guess that the model never says was kept", f, yours=got)
    if kept:
        expect(token == guess, "the guess was kept, so the token is the guess", f, yours=got)
    else:
        expect(bool(p[token] > q[token]), f"the guess was refused, and the new token is {token}, "
               "to which the draft gives as much as the model or more: guesses alone bring it "
               "often enough. Draw from what is left, max(p - q, 0)", f, yours=got,
               left=np.maximum(p - q, 0))  # fmt: skip


def _kept_as_often_as_it_should(f: Candidate, p: Array, q: Array, guess: int) -> None:
    """For u spread evenly over [0, 1), the share kept is min(1, p/q)."""
    n = 200
    kept = [_checked(f, f(p, q, guess, (i + 0.5) / n, 0.6180339887 * i % 1), len(p))[1]
            for i in range(n)]  # fmt: skip
    right = min(1.0, float(p[guess] / q[guess]))
    expect(bool(abs(np.mean(kept) - right) < 1.5 / n), f"of {n} guesses of id {guess} it keeps "
           f"{sum(kept)} and should keep {right * n:.0f}: a share of min(1, p/q) = {right:.4g}",
           f)  # fmt: skip


def _tokens_follow_p(f: Candidate, p: Array, q: Array) -> None:
    """Chi-square of 3000 tokens: three degrees of freedom at most, one in 10⁵ is above 26."""
    n, rng = 3000, np.random.default_rng(14)
    seen = np.zeros(len(p))
    for guess in rng.choice(len(q), size=n, p=q).tolist():
        u, v = rng.random(2).tolist()
        seen[_checked(f, f(p, q, guess, u, v), len(p))[0]] += 1
    chi2 = _chi_square(seen, n * p)
    expect(chi2 < 30, f"{n} tokens of guesses drawn from q do not follow p (χ² is {chi2:.0f}, "
           f"chance gives {max(1, np.count_nonzero(p) - 1)} or so)", f, shares=seen / n,
           right=p)  # fmt: skip


def _chi_square(seen: Array, expected: Array) -> float:
    if seen[expected == 0].any():
        return math.inf
    there = expected > 0
    return float(((seen - expected)[there] ** 2 / expected[there]).sum())


def _passes() -> Iterator[tuple[str, int, tuple[Any, ...]]]:
    """What it shows, how many tokens should come, and the arguments; the smallest first."""
    low, high = np.array([0.5, 0.5]), np.array([0.0, 1.0])
    u, v = np.array([0.5, 0.5]), np.array([0.3, 0.7, 0.2])
    yield "none", 1, (low[None], np.zeros((0, 2)), [], u[:0], v[:1])
    yield "kept", 2, (np.array([low, high]), low[None], [1], u[:1], v[:2])
    yield "refused", 1, (np.array([high, low]), low[None], [0], u[:1], v[:2])
    yield "kept", 3, (np.array([low, high, low]), np.array([low, low]), [0, 1], u, v)
    yield "refused", 1, (np.array([high, low, high]), np.array([low, low]), [0, 1], u, v)
    yield "refused", 2, (np.array([low, high, low]), np.array([low, low]), [0, 0], u, v)
    some, most = np.array([0.25, 0.75]), np.array([0.75, 0.25])
    yield (
        "refused",
        1,
        (np.array([some, low]), most[None], [0], np.array([0.9]), np.array([0.1] * 2)),
    )


def _ids(f: Candidate, got: Any, V: int) -> list[int]:
    listed = isinstance(got, list | tuple | np.ndarray) and np.ndim(got) == 1
    expect(listed, "it should return a list of ids", f, yours=got)
    whole = all(float(t) == int(t) and 0 <= int(t) < V for t in got)
    expect(whole, f"it should return ids, whole numbers from 0 to {V - 1}", f, yours=got)
    return [int(t) for t in got]


def one_pass_is_right(f: Candidate) -> None:
    for what, n, case in _passes():
        got, right = f(*case), one_pass(*case)
        tokens = _ids(f, got, case[0].shape[1])
        fewer = {
            "none": "without a guess the model still says what comes next: one token from p[0]",
            "kept": "every guess is kept, and the model has said already what follows the last of "
            "them: draw one more token, from the last row of p",
            "refused": "a refused guess is replaced: the new token comes out too",
        }[what]
        expect(len(tokens) >= n, fewer, f, yours=got, right=right)
        more = "a pass says no more than the guesses and one" if what != "refused" else (
            "after a refused guess comes its replacement and no more: what follows was guessed "
            "for another text"
        )  # fmt: skip
        expect(len(tokens) <= n, more, f, yours=got, right=right)
        other = what == "refused" and tokens[:-1] == right[:-1] and tokens[-1] != right[-1]
        expect(not other, "a refused guess is replaced by what accept_or_resample gives for it: "
               "drawn from max(p[i] - q[i], 0), with v[i]", f, yours=got, right=right)  # fmt: skip
        expect(tokens == right, "the right number of tokens, and not the right ones: token i is "
               "judged by p[i] and q[i], with u[i] and v[i], the one more is drawn from p[-1] with "
               "v[-1]", f, yours=got, right=right)  # fmt: skip
    _texts_follow_the_model(f)


def _texts_follow_the_model(f: Candidate) -> None:
    """Chi-square of 1500 texts of three tokens, 27 kinds: one in 10⁵ is above 68."""
    n, rng, seen = 1500, np.random.default_rng(14), np.zeros((3, 3, 3))
    for _ in range(n):
        first = sampling.draw(DRAFT_FIRST, rng.random())
        guesses = [first, sampling.draw(DRAFT_NEXT[first], rng.random())]
        p = np.array([FIRST, NEXT[guesses[0]], NEXT[guesses[1]]])
        q = np.array([DRAFT_FIRST, DRAFT_NEXT[first]])
        text = _ids(f, f(p, q, guesses, rng.random(2), rng.random(3)), 3)
        while len(text) < 3:  # later passes, without guesses
            text.append(sampling.draw(NEXT[text[-1]], rng.random()))
        seen[tuple(text[:3])] += 1
    expected = n * FIRST[:, None, None] * NEXT[:, :, None] * NEXT[None, :, :]
    chi2 = _chi_square(seen, expected)
    expect(chi2 < 75, f"{n} texts of three tokens are not distributed as the model's own (χ² is "
           f"{chi2:.0f}, chance gives 26 or so)", f)  # fmt: skip


CHECKS = [
    Check(
        name="14.accept_or_resample",
        arguments=("p", "q", "guess", "u", "v"),
        properties=accept_or_resample_is_right,
        right="kept with min(1, p/q), else drawn where p > q; 3000 tokens follow p",
        library=accept_or_resample,
        hints=(
            "Two questions, each with a random number of its own: is the guess kept (u)? If not, "
            "which token comes in its place (v)?",
            "Kept if u < p[guess] / q[guess]. Else the weights of the new token are "
            "np.maximum(p - q, 0): where p is below q, guesses alone bring enough.",
            "if u * q[guess] < p[guess]: return guess, True. Then rest = np.maximum(p - q, 0); "
            "return sampling.draw(rest if rest.any() else p, v), False. No need to divide rest by "
            "its sum: draw does.",
        ),
    ),
    Check(
        name="14.one_pass",
        arguments=("p", "q", "guesses", "u", "v"),
        properties=one_pass_is_right,
        right="stops at a refused guess, else adds one token; 1500 texts follow the model",
        library=one_pass,
        hints=(
            "Go through the guesses in order. What ends the loop early, and what is still to be "
            "done when nothing did?",
            "In the loop: token, kept = accept_or_resample(p[i], q[i], guesses[i], u[i], v[i]); "
            "the token comes out in either case; when it was not kept, return at once.",
            "tokens = []; the loop appends and returns tokens if not kept; after the loop: "
            "tokens.append(sampling.draw(p[-1], v[-1])); return tokens.",
        ),
    ),
]
