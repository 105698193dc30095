"""What a class gets back: CSV, JSON, a page for each student, and Gradescope's results.

All of it is written from the one dict that `grades.json` holds, so that a student who is graded
again takes his old place in it.
"""

import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any

from tinygpt.classroom.page import class_page, student_page
from tinygpt.errors import AssignmentError

Class = dict[str, Any]


def write_reports(graded: Class, out: Path) -> None:
    """grades.csv, grades.json, index.html, students/NAME.html, gradescope/NAME.json."""
    for folder in ("students", "gradescope"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    _write(out / "grades.json", json.dumps(graded, indent=1, ensure_ascii=False))
    _write(out / "grades.csv", table(graded))
    names = file_names([student["name"] for student in graded["students"]])
    _write(out / "index.html", class_page(graded, names))
    for student in graded["students"]:
        name = names[student["name"]]
        _write(out / "students" / f"{name}.html", student_page(graded, student))
        results = json.dumps(gradescope(student), indent=1, ensure_ascii=False)
        _write(out / "gradescope" / f"{name}.json", results)


def _write(path: Path, text: str) -> None:
    """All of the file, or the earlier one stays: on a full disk, and when we are killed."""
    part = path.with_name(f"{os.getpid()}.part")
    try:
        part.write_text(text, "utf-8", newline="" if path.suffix == ".csv" else None)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def report_folder(out: Path, submissions: Path) -> None:
    """Make the folder of the report. Raises AssignmentError where a report cannot be."""
    if out.exists() and not out.is_dir():
        raise AssignmentError(f"{out} is a file; give a folder for the report with --out")
    if submissions.resolve() in (out.resolve(), *out.resolve().parents):
        raise AssignmentError(
            f"{out} lies in {submissions}, and would be taken for a student's next time; choose a "
            "folder beside it with --out"
        )
    out.mkdir(parents=True, exist_ok=True)
    if not os.access(out, os.W_OK):
        raise AssignmentError(f"{out} cannot be written to; choose another folder with --out")


def earlier_report(out: Path, name: str, seed: int, *, again: bool) -> Class | None:
    """What stands in `out`, for one student `again` to be put into it; None where it is new or the
    whole class is graded again. Raises AssignmentError if it is another assignment's report."""
    if not (out / "grades.json").exists():
        return None
    earlier = read_reports(out)
    _expect_same(earlier, {"assignment": name, "seed": seed} if again else {"assignment": name})
    return earlier if again else None


def read_reports(out: Path) -> Class:
    """What an earlier run wrote. Raises AssignmentError if it cannot be read."""
    try:
        graded: Class = json.loads((out / "grades.json").read_text("utf-8"))
        for student in graded["students"]:
            _ = student["name"], student["points"], [check["name"] for check in student["checks"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise AssignmentError(
            f"{out / 'grades.json'} cannot be read ({error}); choose another folder with --out"
        ) from None
    return graded


def replaced(graded: Class, fresh: Class) -> Class:
    """The class with the students of `fresh` in their old places. Raises AssignmentError when
    the two are not the same assignment of the same class."""
    _expect_same(graded, {key: fresh[key] for key in ("assignment", "seed")})
    if any(_checks(student) != _checks(fresh["students"][0]) for student in graded["students"]):
        raise AssignmentError(
            "the assignment has other checks now than in the report there; grade the whole class "
            "again, without --only"
        )
    new = {student["name"]: student for student in fresh["students"]}
    kept = [new.pop(student["name"], student) for student in graded["students"]]
    students = sorted([*kept, *new.values()], key=lambda student: str(student["name"]))
    return {**fresh, "students": students}


def _checks(student: dict[str, Any]) -> list[tuple[str, float]]:
    return [(check["name"], check["of"]) for check in student["checks"]]


def _expect_same(graded: Class, wanted: Class) -> None:
    for key, value in wanted.items():
        if graded.get(key) != value:
            raise AssignmentError(
                f"the report there has the {key} {graded.get(key)!r} and this is {value!r}; choose "
                "another folder with --out"
            )


def table(graded: Class) -> str:
    """A row a student, a column a check."""
    text = io.StringIO()
    writer = csv.writer(text)
    checks = [check["name"] for check in graded["students"][0]["checks"]]
    writer.writerow(["student", "points", "of", *checks, "problem", "notes"])
    for student in graded["students"]:
        points = [f"{check['points']:g}" for check in student["checks"]]
        row = [student["name"], f"{student['points']:g}", f"{graded['points']:g}", *points]
        writer.writerow(map(_harmless, [*row, student["problem"], "; ".join(student["notes"])]))
    return text.getvalue()


def _harmless(cell: str) -> str:
    """A cell that a spreadsheet does not take for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else cell


def gradescope(student: dict[str, Any]) -> dict[str, Any]:
    """What Gradescope reads as results.json."""
    tests = []
    for check in student["checks"]:
        lines = [check["reason"], *([] if check["hidden"] else check["facts"])]
        lines += [f"hint: {check['hint']}"] * bool(check["hint"] and check["status"] == "wrong")
        tests.append(
            {
                "name": check["name"],
                "score": check["points"],
                "max_score": check["of"],
                "status": "passed" if check["passed"] else "failed",
                "output": "\n".join(line for line in lines if line) or "right",
                "visibility": "visible",
            }
        )
    return {"score": student["points"], "output": student["problem"], "tests": tests}


def file_names(names: list[str]) -> dict[str, str]:
    """A file name for each student, no two the same, whatever the names are."""
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^\w.-]+", "_", name).strip(".")[:50] or "student"  # 255 bytes at most
        taken = {other.lower() for other in found.values()}
        number = 2
        unique = plain
        while unique.lower() in taken:
            unique, number = f"{plain}_{number}", number + 1
        found[name] = unique
    return found
