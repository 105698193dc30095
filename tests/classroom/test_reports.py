"""What a class gets back is safe to open, whatever stood in a submission or in a name."""

import csv
import io
from pathlib import Path

import pytest

from tinygpt.classroom.grading import names_of
from tinygpt.classroom.manifest import find_assignment
from tinygpt.classroom.page import class_page, student_page
from tinygpt.classroom.reports import (
    file_names,
    gradescope,
    read_reports,
    replaced,
    table,
    write_reports,
)
from tinygpt.errors import AssignmentError

EVIL = "<script>alert(1)</script>"


def checked(passed, *, hidden=False, status="wrong"):
    return {
        "name": "softmax: rows",
        "function": "softmax",
        "points": 3 if passed else 0,
        "of": 3,
        "passed": passed,
        "hidden": hidden,
        "status": "passed" if passed else status,
        "reason": "" if passed else f"line 3, `return {EVIL}`, raises",
        "facts": [] if passed else [f"x = {EVIL}"],
        "hint": "" if passed else "look at `x`",
    }


def student(name, *checks, notes=()):
    points = sum(check["points"] for check in checks)
    return {
        "name": name, "points": points, "problem": "", "notes": list(notes), "checks": list(checks)
    }  # fmt: skip


def graded(*students, seed=1):
    return {
        "assignment": "a03", "title": "Softmax", "seed": seed, "constants": {"t": 1}, "points": 3,
        "rubric": [], "students": list(students),
    }  # fmt: skip


def test_what_a_submission_says_is_text_on_the_page():
    it = graded(student(EVIL, checked(False), notes=[EVIL]))
    for page in (student_page(it, it["students"][0]), class_page(it, {EVIL: "x"})):
        assert "<script" not in page and "&lt;script&gt;" in page
    assert "<code>return &lt;script&gt;" in student_page(it, it["students"][0])


def test_a_hint_stands_where_something_is_wrong_and_not_where_nothing_was_run():
    for status, hinted in (("wrong", True), ("unwritten", False), ("stopped", False)):
        it = graded(student("ann", checked(False, status=status)))
        assert ("Hint" in student_page(it, it["students"][0])) == hinted
        assert ("hint" in gradescope(it["students"][0])["tests"][0]["output"]) == hinted


def test_a_function_keeps_its_name_and_a_sentence_begins_with_a_capital():
    check = {**checked(False), "reason": "softmax is not run again"}
    page = student_page(graded(), student("ann", check))
    assert "<p>softmax is not run again.</p>" in page
    page = student_page(graded(), student("ann", {**check, "reason": "it is None"}))
    assert "<p>It is None.</p>" in page
    broken = {**student("ann", check), "problem": "the file cannot be run: line 3 is not Python"}
    page = student_page(graded(), broken)
    assert "<b>Nothing could be run.</b> Line 3 is not Python.</p>" in page
    assert "not run again" not in page


@pytest.mark.parametrize("part", ["y", "db", "dk"])
def test_a_part_of_a_result_keeps_its_name(part):
    check = {**checked(False), "reason": f"{part} has shape (7, 5) and should have (5,)"}
    it = graded(student("ann", check))
    assert f"<p>{part} has shape (7, 5) and should have (5,).</p>" in student_page(
        it, it["students"][0]
    )


def test_the_class_page_counts_who_has_all_points_and_who_has_none():
    it = graded(*(student(name, checked(name == "ann")) for name in ("ann", "ben", "cem")))
    page = class_page(it, {"ann": "ann", "ben": "ben", "cem": "cem"})
    assert "<p>3 submissions, 1.0 of 3 points on average. All points: 1; none: 2.</p>" in page


def test_gradescope_shows_no_numbers_of_a_hidden_check():
    (shown,) = gradescope(student("ann", checked(False)))["tests"]
    (hidden,) = gradescope(student("ann", checked(False, hidden=True)))["tests"]
    assert "x = " in shown["output"] and "x = " not in hidden["output"]


def test_a_spreadsheet_takes_no_name_for_a_formula():
    rows = list(csv.reader(io.StringIO(table(graded(student("=1+1", checked(True)))))))
    assert rows[0][:4] == ["student", "points", "of", "softmax: rows"]
    assert rows[1][:4] == ["'=1+1", "3", "3", "3"]


def test_every_student_has_a_file_of_his_own():
    names = ["ann", "Ann", "a/n", "a n", "..", "é", "𝒜" * 63, "字" * 80]
    found = file_names(names)
    assert len({name.lower() for name in found.values()}) == len(names)
    assert not any("/" in name or name.startswith(".") for name in found.values())
    assert all(len(f"{name}.html".encode()) <= 255 for name in found.values())


def test_who_is_graded_again_takes_his_old_place():
    before = graded(student("ann", checked(False)), student("ben", checked(False)))
    after = replaced(before, graded(student("ben", checked(True)), student("cem", checked(True))))
    assert [(s["name"], s["points"]) for s in after["students"]] == [
        ("ann", 0), ("ben", 3), ("cem", 3)
    ]  # fmt: skip
    with pytest.raises(AssignmentError, match="has the seed 1 and this is 2; choose another"):
        replaced(before, graded(student("ben", checked(True)), seed=2))


def test_checks_that_have_changed_need_the_whole_class():
    before = graded(student("ann", checked(False)), student("ben", checked(False)))
    again = student("ben", {**checked(True), "of": 4})
    with pytest.raises(AssignmentError, match=r"other checks now .* without --only"):
        replaced(before, graded(again))


def test_a_report_that_cannot_be_written_leaves_the_earlier_one(tmp_path, monkeypatch):
    write_reports(graded(student("ann", checked(True))), tmp_path)
    before = (tmp_path / "grades.json").read_bytes()

    def full(path, text, *_, **__):
        path.write_bytes(text.encode()[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write_reports(graded(student("ann", checked(False))), tmp_path)
    assert (tmp_path / "grades.json").read_bytes() == before
    assert not list(tmp_path.rglob("*.part"))


def test_no_two_submissions_have_the_same_name(tmp_path):
    (tmp_path / "ann").mkdir()
    for name in ("ann.zip", "ann.zip.py", "ben\n.py", "ben\t.py", "ben.py"):
        (tmp_path / name).touch()
    names = names_of(sorted(tmp_path.iterdir()))
    assert names == ["ann", "ann.zip", "ann.zip.py", "ben�", "ben� (2)", "ben"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"students": [{"name": "ann"}]}', "[" * 10**5])
def test_a_report_that_is_damaged_is_told(text, tmp_path):
    (tmp_path / "grades.json").write_text(text)
    with pytest.raises(AssignmentError, match=r"grades\.json cannot be read .* choose another"):
        read_reports(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = 3 = 4", "is not TOML"),
        ("name = 'a'", "manifest.toml lacks files;"),
        (
            "files = ['a.py']\nallowed = []\nname = 'a'\ntitle = ''\nodd = 1",
            "it got an unexpected keyword",
        ),
        (
            "files = ['a.py']\nallowed = []\nname = 'a'\ntitle = ''\n[functions]\n"
            "f = { arguments = ['x'] }\n[[checks]]\nname = 'x'\nfunction = 'f'\ntest = 't'\n"
            "points = '3'",
            "'x' gives '3' points, and needs more than 0",
        ),
        (
            "files = ['a.py']\nallowed = []\nname = 'a'\ntitle = ''\n[[checks]]\nname = 'x'\n"
            "function = 'f'\ntest = 't'\npoints = 1",
            "'x' is about 'f', which is not listed",
        ),
        (
            "files = 'a.py'\nallowed = []\nname = 'a'\ntitle = ''",
            "files is 'a.py' and should be a list",
        ),
        ("files = []\nallowed = []\nname = 'a'\ntitle = ''", "files is empty"),
        ("files = ['../a.py']\nallowed = []\nname = 'a'\ntitle = ''", "without a folder"),
        (
            "files = ['a.py']\nallowed = 'numpy'\nname = 'a'\ntitle = ''",
            "allowed is 'numpy' and should be",
        ),
        (
            "files = ['a.py']\nallowed = []\nname = 'a'\ntitle = 3",
            "title is 3 and should be a text",
        ),
        (
            "files = ['a.py']\nallowed = []\nname = 'a'\ntitle = ''\nseconds = '5'",
            "seconds is '5' and",
        ),
        (
            "files = ['a.py']\nallowed = []\nname = 'a'\ntitle = ''\nvariant.x = []",
            "variant's x is",
        ),
        (
            "files = ['a.py']\nallowed = []\nname = 'a'\ntitle = ''\n[functions]"
            "\nf = { arguments = ['x'] }\n[[checks]]\nname = 'x'\nfunction = 'f'\n"
            "test = 't'\npoints = nan",
            "'x' gives nan points",
        ),
        (
            "files = ['a.py']\nallowed = []\nname = 'b'\ntitle = ''",
            "has the name 'b'; give it that of",
        ),
    ],
)
def test_a_manifest_that_is_wrong_is_told_why(text, says, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "manifest.toml").write_text(text)
    with pytest.raises(AssignmentError, match=says):
        find_assignment("a", tmp_path)
