"""Thirteen submissions, most of them hostile: the right points, a reason, nobody else's harm."""

import csv
import json

import pytest
import thirteen

from tinygpt.classroom.__main__ import main
from tinygpt.classroom.grading import grade_all
from tinygpt.classroom.kernel import holds
from tinygpt.classroom.manifest import find_assignment
from tinygpt.classroom.marking import Marker
from tinygpt.classroom.submissions import find_submissions

SEED = 7


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The folder of reports, and what is expected of each student."""
    folder = tmp_path_factory.mktemp("class")
    submissions = folder / "submissions"
    submissions.mkdir()
    expected = thirteen.make(submissions, find_assignment("a03"), SEED)
    grade(folder)
    return folder, expected


def grade(folder, *flags):
    arguments = ["a03", str(folder / "submissions"), "--out", str(folder / "report")]
    flags = ["--seed", str(SEED), "--timeout", "2", "--jobs", "2", *flags]
    assert main(["grade", *arguments, *flags]) == 0


def students(folder):
    told = json.loads((folder / "report" / "grades.json").read_text("utf-8"))
    return {student["name"]: student for student in told["students"]}


def test_each_gets_the_right_points_and_a_reason(graded):
    folder, expected = graded
    seen = students(folder)
    assert {n: s["points"] for n, s in seen.items()} == {n: p for n, (p, _) in expected.items()}
    for name, (_, says) in expected.items():
        reasons = [seen[name]["problem"], *(check["reason"] for check in seen[name]["checks"])]
        assert any(says in reason for reason in reasons), (name, reasons)
        assert not any("Traceback" in reason or "\n" in reason for reason in reasons)


def test_a_page_a_row_and_a_result_for_gradescope_are_written_for_each(graded):
    folder, expected = graded
    report = folder / "report"
    rows = list(csv.DictReader((report / "grades.csv").read_text("utf-8").splitlines()))
    assert {row["student"]: float(row["points"]) for row in rows} == {
        name: points for name, (points, _) in expected.items()
    }
    for name, (points, _) in expected.items():
        page = (report / "students" / f"{name}.html").read_text("utf-8")
        assert f"{points} of 30 points" in page and "<script" not in page
        results = json.loads((report / "gradescope" / f"{name}.json").read_text("utf-8"))
        assert results["score"] == points == sum(test["score"] for test in results["tests"])
        assert sum(test["max_score"] for test in results["tests"]) == 30
    index = (report / "index.html").read_text("utf-8")
    assert all(f"students/{name}.html" in index for name in expected)


def test_a_system_whose_kernel_does_not_help_is_told(graded, monkeypatch, capsys):
    folder, _ = graded
    grade(folder, "--only", "empty")
    assert "note:" not in capsys.readouterr().err or not holds()
    monkeypatch.setattr("tinygpt.classroom.kernel.holds", lambda: False)
    grade(folder, "--only", "empty")
    assert capsys.readouterr().err.startswith("note: this system does not hold")


@pytest.mark.slow
def test_neither_order_nor_company_changes_a_grade(graded):
    """Five at a time, one after the other from the last to the first, and some alone."""
    folder, expected = graded
    assignment = find_assignment("a03")
    marker = Marker(assignment, assignment.constants(SEED), hidden=True)
    paths = find_submissions(folder / "submissions")

    def grades(paths, jobs):
        told = {}
        for grade in grade_all(marker, paths, jobs=jobs, seconds=2.0):
            checks = grade.as_json()["checks"]
            for check in checks:  # where a loop was when its time ended is chance
                check["reason"] = check["reason"].partition("; now it is in")[0]
            told[grade.name] = (grade.points, grade.problem, checks)
        return told

    parallel = grades(paths, 5)
    assert {n: p for n, (p, _, _) in parallel.items()} == {n: p for n, (p, _) in expected.items()}
    assert grades(paths[::-1], 1) == parallel
    for path in paths:
        if path.name in ("right", "half_no_temperature", "library_answer", "forged_report"):
            assert grades([path], 1) == {path.name: parallel[path.name]}


def test_one_student_is_graded_again_and_the_others_stay(graded):
    folder, _ = graded
    before = students(folder)
    (folder / "submissions" / "empty" / "a03.py").write_text(
        (folder / "submissions" / "right" / "a03.py").read_text("utf-8"), "utf-8"
    )
    try:
        grade(folder, "--only", "empty")
        after = students(folder)
        assert after["empty"]["points"] == 30
        assert {**after, "empty": before["empty"]} == before and list(after) == list(before)
    finally:
        (folder / "submissions" / "empty" / "a03.py").write_text("", "utf-8")
        grade(folder, "--only", "empty")
