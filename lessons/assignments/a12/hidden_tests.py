"""What only the grader runs in assignment 12: the right numbers come from the solution."""

import numpy as np

from tinygpt.lesson_checks.c12 import sample_is_right
from tinygpt.lesson_checks.core import expect, expect_array, expect_close

# No share is a threshold times another, and no sum of shares is one: rounding decides nothing.
ROWS = [
    np.array([1.0, 2.0]),
    np.array([3.0, -1.0, 2.0]),
    np.array([1.0, 3.0, 1.0, 2.0]),
    np.array([-2.0, 0.5, 0.5, -1.0, 0.5]),
    np.log(np.array([0.41, 0.20, 0.14, 0.10, 0.06, 0.04, 0.03, 0.02])) + 6.0,
    np.log(np.array([0.21, 0.20, 0.15, 0.14, 0.12, 0.08, 0.06, 0.04]))[::-1].copy(),
]
SAID = [([], [1]), ([0], []), ([], [0, 0]), ([0, 1], [1]), ([1, 1], [0, 0, 1])]


def penalties_have_the_right_numbers(student, variant, solution):
    f = student.penalise
    for x in ROWS:
        for prompt, output in SAID:
            got, right = f(x, prompt, output), solution.penalise(x, prompt, output)
            expect_array(f, got, x.shape)
            only = [i for i in prompt if i not in output]
            once = solution.penalise(x, prompt, [])[only]
            if variant["counted"] == "output":
                expect(bool(np.allclose(got[only], once)), "presence and frequency count the "
                       "output alone, not the prompt", f, yours=got, right=right)  # fmt: skip
            expect_close(f, got, right, "repetition comes first, by sign and once a token; then "
                         "presence once, then frequency for each time")  # fmt: skip


def the_right_tokens_stay(student, variant, solution):
    f, threshold = student.keep_likely, variant["threshold"]
    for row in ROWS:
        for x in (row, row * 2.0, row / 3.0, row / 10.0):
            got, right = f(x), solution.keep_likely(x)
            expect_array(f, got, x.shape)
            kept = [int(i) for i in np.flatnonzero(np.isfinite(got))]
            wanted = [int(i) for i in np.flatnonzero(np.isfinite(right))]
            p = np.exp(x - x.max()) / np.exp(x - x.max()).sum()
            if variant["filter"] == "top_p":
                rule = f"the least set of likeliest tokens that reaches {threshold:g}"
            else:
                rule = f"tokens of at least {threshold:g} times the largest probability"
            expect(kept == wanted, f"it keeps the ids {kept} and should keep {wanted}: {rule}", f,
                   probs=p)  # fmt: skip


def each_token_has_its_share(student, variant, solution):
    """The lesson's own check, with 3000 draws; then rows and temperatures beyond it."""
    f = student.sample
    sample_is_right(f)
    for x in ROWS:
        for temperature in (0.5, 1.5):
            for u in (0.0, 0.33, 0.66, 1 - 2.0**-53):
                got, right = f(x, temperature, u), solution.sample(x, temperature, u)
                says = (
                    f"there is no id {int(got)}: u is a hair below 1, and rounding has left the "
                    "sum of all shares below it"
                )
                expect(0 <= int(got) < len(x), says, f, right=right)
                expect(int(got) == right, "u does not lie in that token's share", f, yours=got,
                       right=right)  # fmt: skip


def generate_writes_the_right_ids(student, variant, solution):
    f = student.generate
    table = np.cos(np.arange(49.0).reshape(7, 7) * 1.7) * 3.0

    def next_logits(ids):
        return table[int(ids[-1])] + 0.1 * len(ids)

    for prompt, draws, temperature in (
        ([0], 6, 0.0), ([3], 8, 1.0), ([2, 5], 12, 2.0), ([6, 6, 1], 12, 0.7)
    ):  # fmt: skip
        us = [float(u) for u in np.random.default_rng(draws).random(draws).round(3)]
        got = f(next_logits, prompt, us, temperature)
        right = solution.generate(next_logits, prompt, us, temperature)
        expect(isinstance(got, list), f"it gives a {type(got).__name__} and should give a list", f)
        expect([int(i) for i in got] == right, "the ids are not those of this class's penalties, "
               "filter and draw, in this order", f, yours=got, right=right)  # fmt: skip
