"""Every check: the library passes, the stub and the listed wrong answers fail, and are helped."""

import numpy as np
import pytest
from wrong_answers import all_wrong_answers

import tinygpt
from tinygpt.errors import TinyGPTError
from tinygpt.lesson_checks import all_checks, find_check
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
