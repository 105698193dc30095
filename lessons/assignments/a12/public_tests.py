"""What you can check yourself in assignment 12. Each function is one check; read them.

`student.penalise` is your function: it gets read-only copies, so that writing into an argument is
seen. `variant` has the constants of your class.
"""

import numpy as np

from tinygpt.lesson_checks.core import expect, expect_array, expect_close, expect_number

ROWS = [
    np.array([1.0, 2.0]),
    np.array([3.0, -1.0, 2.0]),
    np.array([-2.0, 0.5, 0.5, -1.0, 0.5]),
    np.array([0.2, 1.7, -0.3, 1.1, 2.4, -1.9, 0.8]),
]


def what_was_never_said_keeps_its_logit(student, variant):
    """The shape of the logits; tokens that stand nowhere stay as they are."""
    f = student.penalise
    for x in ROWS:
        for prompt, output in (([], []), ([0], []), ([], [1]), ([0, 0], [1, 1])):
            got = f(x, prompt, output)
            expect_array(f, got, x.shape)
            silent = [i for i in range(len(x)) if i not in (*prompt, *output)]
            expect_close(f, got[silent], x[silent], f"of the tokens {silent}, which were never "
                         "said, a logit has changed", shown="yours, of these")  # fmt: skip
            said = [i for i in range(len(x)) if i not in silent]
            changed = bool((got[said] != x[said]).all())
            expect(changed, f"one of the tokens {said}, which were said, has its old logit", f,
                   yours=got)  # fmt: skip


def no_token_becomes_likelier(student, variant):
    """Every penalty makes a logit smaller, be it positive or negative."""
    f = student.penalise
    for x in ROWS:
        for prompt, output in (([0], []), ([], [1]), ([1, 0], [0, 1, 1])):
            got = f(x, prompt, output)
            expect_array(f, got, x.shape)
            expect(bool((got <= x).all()), "a token became likelier by being said", f, yours=got)
            said = sorted({*prompt, *output})
            expect(bool((got[said] < x[said]).all()), f"of the tokens {said}, which were said, one "
                   "is as likely as before", f, yours=got)  # fmt: skip


def the_filter_keeps_logits_as_they_are(student, variant):
    """What stays has its logit, the rest is -inf; the likeliest stays, what is -inf does not."""
    f = student.keep_likely
    for x in (*ROWS, np.array([-np.inf, 1.0, -np.inf, 0.9])):
        got = f(x)
        expect_array(f, got, x.shape)
        expect(not np.isnan(got).any(), "the result has nan", f, yours=got)
        kept = np.isfinite(got)
        expect(bool(kept[int(np.argmax(x))]), "the likeliest token is ruled out", f, yours=got)
        expect(bool((got[~kept] < 0).all()), "what is ruled out gets −inf", f, yours=got)
        expect_close(f, got[kept], x[kept], "a logit that stays has changed", shown="yours, kept")
    far = np.array([9.0, -9.0, -9.0])
    got = f(far)
    expect_array(f, got, far.shape)
    expect(bool((got[1:] == -np.inf).all()), "tokens with a probability of 0.00000002 stay", f,
           yours=got)  # fmt: skip


def temperature_zero_takes_the_likeliest(student, variant):
    """An id; at temperature 0 the argmax, and just above 0 as well."""
    f = student.sample
    for x in ROWS:
        for temperature, u in ((0.0, 0.0), (0.0, 0.99), (1.0, 0.5)):
            got = f(x, temperature, u)
            expect_number(f, got)
            whole = float(got) == int(got) and 0 <= int(got) < len(x)
            expect(whole, f"it should give an id, a whole number from 0 to {len(x) - 1}", f)
            best = int(np.argmax(x))
            expect(temperature > 0 or int(got) == best, f"at temperature 0 the likeliest is taken, "
                   f"id {best} (of equals the lower id)", f, yours=got)  # fmt: skip
    for u in (0.0, 0.5, 0.999):
        got = int(f(ROWS[1], 0.01, u))
        expect(got == 0, "near temperature 0 all the probability lies on the likeliest", f,
               yours=got, right=0)  # fmt: skip


def generate_asks_with_everything_said_so_far(student, variant):
    """As many ids as draws; each step asks with the prompt and the output so far."""
    f = student.generate
    for prompt, us in (([1], [0.5]), ([0, 3], [0.1, 0.9, 0.5, 0.3])):
        asked = []

        def next_logits(ids, asked=asked):
            asked.append([int(i) for i in ids])
            return np.array([0.0, 1.0, 0.5, 0.2]) + 0.1 * len(ids)

        got = f(next_logits, prompt, us, 1.0)
        expect(isinstance(got, list), f"it gives a {type(got).__name__} and should give a list", f)
        expect(
            len(got) == len(us),
            f"draws: {len(us)}, ids: {len(got)}; it gives one id for each draw",
            f,
            yours=got,
        )
        ids = [int(i) for i in got]
        wanted = [[*prompt, *ids[:t]] for t in range(len(us))]
        expect(asked == wanted, "the model is asked once for each draw, with the prompt and all of "
               "the output so far", f, asked=asked, right=wanted)  # fmt: skip
