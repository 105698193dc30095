"""What goes wrong while a class is graded touches one student, and blames nobody for another."""

import json
import sys
import zipfile

import pytest

from tinygpt.classroom import source
from tinygpt.classroom.__main__ import main
from tinygpt.classroom.grading import class_of, grade_all
from tinygpt.classroom.manifest import find_assignment
from tinygpt.classroom.marking import Marker
from tinygpt.classroom.reports import write_reports
from tinygpt.errors import AssignmentError

A03 = find_assignment("a03")
RIGHT = source.solution_text(A03, A03.constants(0))


def points(out):
    return {
        s["name"]: s["points"] for s in json.loads((out / "grades.json").read_text())["students"]
    }


def test_one_of_two_students_with_a_name_is_graded_again(tmp_path, capsys):
    handed_in, out = tmp_path / "in", tmp_path / "out"
    (handed_in / "ann").mkdir(parents=True)
    (handed_in / "ann" / "a03.py").write_text(RIGHT, "utf-8")
    with zipfile.ZipFile(handed_in / "ann.zip", "w") as archive:
        archive.writestr("a03.py", "")
    (handed_in / "ben.rar").touch()
    command = ["grade", "a03", str(handed_in), "--out", str(out)]
    assert main(command) == 0
    assert "not graded: ben.rar" in capsys.readouterr().err
    before = points(out)
    assert before == {"ann": 30, "ann.zip": 0}
    assert main([*command, "--only", "ann.zip"]) == 0
    assert points(out) == before
    (handed_in / "ann" / "a03.py").write_text("", "utf-8")
    assert main([*command, "--only", "ann"]) == 0
    assert points(out) == {"ann": 0, "ann.zip": 0}


def test_who_was_graded_meanwhile_is_kept(tmp_path, monkeypatch):
    """Two `grade --only` at once: the second ends while the first still computes."""
    for name in ("ann", "ben"):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "a03.py").touch()
    out = tmp_path / "out"
    command = ["grade", "a03", str(tmp_path / "in"), "--out", str(out)]
    main(command)

    def meanwhile(*given, **how):
        report = json.loads((out / "grades.json").read_text())
        report["students"][1]["points"] = 7
        (out / "grades.json").write_text(json.dumps(report))
        return grade_all(*given, **how)

    monkeypatch.setattr("tinygpt.classroom.grading.grade_all", meanwhile)
    main([*command, "--only", "ann"])
    assert points(out) == {"ann": 0, "ben": 7}


def test_a_fault_of_ours_is_told_to_the_teacher(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tinygpt.classroom.process.subprocess.Popen", full)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ann.py").write_text(RIGHT, "utf-8")
    says = r"1 could not be graded, and not by their fault: ann; .*No space left.*grade them again"
    with pytest.raises(AssignmentError, match=says):
        main(["grade", "a03", str(tmp_path / "in"), "--out", str(tmp_path / "out")])


@pytest.mark.skipif(sys.platform != "linux", reason="a file name of any bytes is Linux's")
def test_half_a_character_in_a_message_does_not_stop_the_report(tmp_path):
    text = r"def softmax(x): raise ValueError('\ud800 \x1b[2J')"
    (tmp_path / "ann\udce9.py").write_text(text)
    marker = Marker(A03, A03.constants(0), hidden=False)
    graded = class_of(marker, 0, grade_all(marker, [tmp_path / "ann\udce9.py"], jobs=1))
    write_reports(graded, tmp_path / "out")
    assert "raises ValueError: \ufffd \ufffd[2J" in graded["students"][0]["checks"][0]["reason"]
    assert (tmp_path / "out" / "students").is_dir()


def test_an_error_that_refuses_to_be_told_is_told_all_the_same():
    trick = "class W(Exception):\n  def __str__(self): raise W()\ndef softmax(x): raise W()"
    marker = Marker(A03, A03.constants(0), hidden=False)
    assert marker.mark_files({"a03.py": trick.encode()})[0].reason.endswith("the result (W)")
