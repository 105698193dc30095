"""Every check: the library passes, the stub and the listed wrong answers fail, and are helped."""

import functools
import math
import os
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from wrong_answers import all_wrong_answers

import tinygpt
from tinygpt.errors import TinyGPTError
from tinygpt.lesson_checks import Candidate, Finding, all_checks, find_check
from tinygpt.lesson_checks.core import expect_close, number, show

CHECKS = list(all_checks())
WRONG = all_wrong_answers()
every_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)


@every_check
def test_the_library_passes(check):
    assert str(check.examine(check.library)) == f"{check.name} is right: {check.right}."


@every_check
def test_the_stub_is_told_that_it_is_not_written_yet(check):
    for stub, says in ((check.stub(), "not written yet"), (lambda *_: None, "returns None")):
        verdict = check.examine(stub)
        assert not verdict.passed
        assert says in str(verdict)


@every_check
def test_it_has_three_hints_and_two_listed_wrong_answers(check):
    assert len(set(check.hints)) == 3 and all(hint.endswith((".", "?")) for hint in check.hints)
    assert not check.right.endswith(".")
    assert sum(answer.check == check.name for answer in WRONG) >= 2


@pytest.mark.parametrize("answer", WRONG, ids=str)
def test_a_wrong_answer_fails_with_a_sentence_that_helps(answer):
    verdict = find_check(answer.check).examine(answer.function)
    message = str(verdict)
    assert not verdict.passed
    assert answer.says in message, message
    assert "\n" not in verdict.sentence and "Traceback" not in message and ".." not in message
    assert len(message.splitlines()) <= 24, message


@every_check
def test_a_crash_names_the_line(check):
    def broken(*arguments):
        return arguments[99]

    verdict = check.examine(broken)
    assert "`return arguments[99]`, raises IndexError" in verdict.sentence


@every_check
def test_a_wrong_signature_is_told_and_so_is_a_result_in_place_of_the_function(check):
    assert "cannot be called as" in check.examine(lambda: 1).sentence
    assert "give the function itself" in check.examine(3.0).sentence


def test_a_write_into_an_argument_is_a_finding_that_names_it():
    def in_place(x):
        np.exp(x, out=x)
        return x / x.sum(axis=-1, keepdims=True)

    sentence = find_check("03.softmax").examine(in_place).sentence
    assert "`np.exp(x, out=x)`, writes into its argument x" in sentence


def test_check_and_hint_print(capsys):
    tinygpt.check("03.softmax", find_check("03.softmax").library)
    assert capsys.readouterr().out.startswith("03.softmax is right: ")
    for n in (1, 2, 3, 3):
        tinygpt.hint("03.softmax")
        assert capsys.readouterr().out.startswith(f"Hint {n} of 3: ")


def test_an_unknown_check_names_those_of_the_lesson():
    with pytest.raises(TinyGPTError, match=r"there are 03\.softmax, 03\.cross_entropy"):
        tinygpt.check("03.sotfmax", len)


def test_the_worst_coordinate_and_the_counterexample_are_shown():
    verdict = find_check("03.softmax").examine(lambda x: np.full_like(x, 1 / x.shape[-1]))
    assert verdict.details[0] == "x     = [[0., 1.]]"
    assert verdict.details[-2] == "worst = [0, 0] is 0.5 and should be 0.2689"


def test_nan_is_never_close():
    class F:
        def facts(self, **more):
            return more

    with pytest.raises(Exception, match="no"):
        expect_close(F(), np.array([np.nan]), np.array([1.0]), "no")


def test_numbers_are_shown_short_and_large_arrays_by_shape():
    assert show(np.zeros((5, 5))) == "an array of shape (5, 5)"
    assert number(1 / 3) == "0.3333"


# ---- whatever a learner hands over, the answer is a sentence

SOFTMAX = find_check("03.softmax")
softmax = SOFTMAX.library


def says_of(function, check=SOFTMAX, **options):
    verdict = check.examine(function, **options)
    assert not verdict.passed
    assert "\n" not in verdict.sentence and ".." not in str(verdict), verdict
    return verdict.sentence


def test_an_endless_loop_ends_and_names_its_line():
    left = []

    def endless(x):
        try:
            while True:
                x = x + 1
        finally:
            left.append(True)

    says = says_of(endless, seconds=0.3)
    assert says.startswith("it has not come back after 0.3 seconds; now it is in line ")
    assert "`x = x + 1`" in says or "`while True:`" in says
    assert left, "the loop goes on behind the learner's back"


def test_a_loop_that_swallows_every_error_ends_too():
    swallowed = []

    def stubborn(x):
        while len(swallowed) < 2:
            try:
                while True:
                    pass
            except:  # noqa: E722
                swallowed.append(True)

    assert "it has not come back" in says_of(stubborn, seconds=0.2)
    assert len(swallowed) == 2


def test_a_call_into_c_that_does_not_come_back_is_told_but_not_ended():
    ends = threading.Event()
    assert "`ends.wait(10)`" in says_of(lambda x: ends.wait(10), seconds=0.2)
    ends.set()


def test_a_generator_that_is_read_after_its_call_is_watched_as_the_call_is():
    def endless(ids, tokenizer):
        for _ in ids:
            while True:
                pass
        yield ""

    def broken(ids, tokenizer):
        yield ids[99]

    def unwritten(ids, tokenizer):
        raise NotImplementedError
        yield ""

    stream = find_check("15.stream")
    says = says_of(endless, stream, seconds=0.3)
    assert says.startswith("it has not come back after 0.3 seconds; now it is in line ")
    assert "`yield ids[99]`, raises TypeError" in says_of(broken, stream)
    assert "is not written yet" in str(stream.examine(unwritten))


def test_a_slow_answer_is_right_when_every_call_comes_back():
    calls = []

    def slow(x):
        calls.append(1)
        time.sleep(0.5 if len(calls) < 4 else 0)
        return softmax(x)

    assert SOFTMAX.examine(slow, seconds=1.2).passed


def test_without_a_limit_the_function_runs_in_the_callers_thread():
    threads = set()

    def seen(x):
        threads.add(threading.current_thread())
        return softmax(x)

    assert SOFTMAX.examine(seen, seconds=None).passed
    assert threads == {threading.current_thread()}
    assert SOFTMAX.examine(seen).passed
    assert len(threads) > 1


def test_the_checks_thread_leaves_warnings_and_float_errors_as_they_were():
    before, floats = list(warnings.filters), np.geterr()
    says_of(lambda x: time.sleep(0.5), seconds=0.1)
    time.sleep(0.5)
    assert warnings.filters == before and np.geterr() == floats


def test_what_ends_a_program_does_not_end_the_check():
    def leaves(x):
        sys.exit()

    def interrupts(x):
        raise KeyboardInterrupt

    assert "`sys.exit()`, ends the program; end a function with `return`" in says_of(leaves)
    assert "`raise KeyboardInterrupt`, raises KeyboardInterrupt" in says_of(interrupts)


@pytest.mark.skipif(sys.platform == "win32", reason="sends itself a signal")
def test_ctrl_c_ends_the_check_and_the_function():
    ended = threading.Event()

    def endless(x):
        try:
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                pass
        finally:
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        SOFTMAX.examine(endless)
    assert ended.wait(5)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (3.0, "without (…): this is a float"),
        (np.ones(2), "without (…): this is a ndarray"),
        ("softmax", "without quotes: this is a str"),
        (None, "this is None, perhaps the result of a function"),
    ],
)
def test_what_is_no_function_is_told_so(given, says):
    assert says in says_of(given)


class Softmax:
    def __init__(self, x):
        self.x = x


class SoftmaxWithBug:
    def __call__(self, x):
        return x.nothing


def failing(x, power):
    return x.missing**power


@functools.wraps(failing)
def wrapped(x):
    return failing(x, 2)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (functools.partial(failing, power=2), "`return x.missing**power`, raises AttributeError"),
        (SoftmaxWithBug(), "`return x.nothing`, raises AttributeError"),
        (wrapped, "cannot be called as failing(x): it is written as failing(x, power)"),
        (Softmax, "this is the class Softmax, and calling it makes a Softmax; give a function"),
        (np.exp, "the rows, along the last axis, do not sum to 1"),
        (np.add, "cannot be called as add(x)"),
        (len, "it returns a int and should return an array of shape (1, 2)"),
        (math.exp, "exp raises TypeError: only "),
        (lambda: 1, "it is written as your function() and is given 1 argument"),
        (lambda x, axis: 1, "it is written as your function(x, axis) and is given 1 argument"),
        (lambda *, x: 1, "it is written as your function(*, x) and is given 1 argument"),
        (lambda x: list(softmax(x)), "it returns a list and should return an array"),
        (lambda x: (yield x), "it returns a generator and should return an array"),
        (lambda x: np.asmatrix(softmax(x)), "it returns a matrix and should return a plain array"),
        (lambda x: np.ma.array(softmax(x)), "it returns a MaskedArray and should return a plain"),
        (lambda x: softmax(x).astype(object), "an array of dtype object and should be one of real"),
        (lambda x: softmax(x).astype(str), "and should be one of real numbers"),
        (lambda x: softmax(x) + 0j, "an array of dtype complex128 and should be one of real"),
    ],
)
def test_a_strange_function_or_result_gets_a_true_sentence(function, says):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # np.matrix
        assert says in says_of(function)


@pytest.mark.parametrize("result", [None, "1", [1.0], 1j, np.array("1"), np.array(1, object), {}])
def test_what_is_no_number_is_told_so(result):
    says = says_of(lambda logits, ids: result, find_check("03.cross_entropy"))
    assert "it returns " in says and ("None" in says or "should return one number" in says)


def test_a_part_that_is_missing_or_no_array_is_named():
    backward = find_check("05.linear_backward")

    def of(*parts):
        return says_of(lambda dy, x, w: parts if len(parts) != 1 else parts[0], backward)

    right = backward.library(np.array([[1.0, 2.0]]), np.array([[3.0]]), np.array([[5.0, 7.0]]))
    assert of(right[0]) == (
        "it returns one ndarray and should return three parts: dx, dw, db, in this order"
    )
    assert "it returns two parts and" in of(*right[:2])
    assert of(right[0], None, right[2]) == "dw is None and should be an array of shape (1, 2)"
    assert "dw is a list and should be" in of(right[0], [1.0], right[2])


def test_arrays_in_lists_tuples_and_dicts_refuse_writes_and_the_callers_stay():
    arrays = [np.ones(2)], (np.ones(2),), {"deep": [np.ones(2)]}
    f = Candidate(lambda a, b, c: [c["deep"][0], a[0], b[0]], ("a", "b", "c"))
    for copy in f(*arrays):
        with pytest.raises(ValueError, match="read-only"):
            copy[0] = 2.0

    def writes(a, b, c):
        c["deep"][0] += 1
        return a

    with pytest.raises(Finding, match=r"`c\[\"deep\"\]\[0\] \+= 1`, writes into its argument c"):
        Candidate(writes, ("a", "b", "c"))(*arrays)


def test_a_list_that_is_changed_and_a_flag_that_is_turned_are_seen():
    given = [np.ones(2), np.ones(2)]
    with pytest.raises(Finding, match="it changes the list params, which belongs to the caller"):
        Candidate(lambda params: params.pop(), ("params",))(given)

    def turns(x):
        x.flags.writeable = True
        x += 1
        return x

    with pytest.raises(Finding, match="it changes x, which belongs to the caller"):
        Candidate(turns, ("x",))(np.ones(2))
    assert len(given) == 2


def test_a_message_of_several_lines_becomes_one_sentence():
    def raises(x):
        raise ValueError("one\n  two.")

    assert says_of(raises).endswith("raises ValueError: one two")


def test_a_repr_that_fails_does_not_stop_the_message():
    class Silent:
        def __repr__(self):
            raise RuntimeError

    assert show(Silent()) == "a Silent"
