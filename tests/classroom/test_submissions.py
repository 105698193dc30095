"""What is handed in is read with care: folders, zip files, notebooks, whatever a platform adds."""

import json
import os
import stat
import sys
import zipfile

import pytest

from tinygpt.classroom import source
from tinygpt.classroom.manifest import find_assignment
from tinygpt.classroom.marking import Marker
from tinygpt.classroom.notebook import to_module
from tinygpt.classroom.release import release
from tinygpt.classroom.submissions import find_submissions, passed_over, read_submission
from tinygpt.errors import AssignmentError

A03 = find_assignment("a03")
CONSTANTS = A03.constants(0)
RIGHT = source.solution_text(A03, CONSTANTS)


def read(path):
    return read_submission(path, A03, CONSTANTS)


def zipped(path, *files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name",
    ["a03.py", "a03/a03.py", "deep/er/a03.py", "Doe_Jane_42_a03.py", "homework.py", "./a03.py"],
)
def test_a_module_is_found_wherever_it_lies(name, tmp_path):
    path = zipped(tmp_path / "ann.zip", (name, RIGHT), ("__MACOSX/a03.py", "junk"), ("x.txt", ""))
    handed = read(path)
    assert handed.problem == "" and handed.files == {"a03.py": RIGHT.encode()}
    assert handed.name == "ann" and bool(handed.notes) == (name == "homework.py")


def test_a_zip_file_in_a_folder_is_read_too(tmp_path):
    (tmp_path / "ann").mkdir()
    zipped(tmp_path / "ann" / "work.zip", ("a03.py", RIGHT))
    assert read(tmp_path / "ann").files == {"a03.py": RIGHT.encode()}


def test_what_git_and_a_virtual_environment_put_there_is_not_looked_into(tmp_path):
    (tmp_path / "a03.py").write_text(RIGHT, "utf-8")
    for name in (".git", "env"):
        (tmp_path / name / "inside").mkdir(parents=True)
        for i in range(2001):
            (tmp_path / name / "inside" / f"{i}.py").touch()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    assert read(tmp_path).files == {"a03.py": RIGHT.encode()}


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([("../a03.py", RIGHT)], "the name '../a03.py', which leaves its folder"),
        ([("/etc/a03.py", RIGHT)], "which leaves its folder"),
        ([("a\\..\\a03.py", RIGHT)], "which leaves its folder"),
        ([("C:/a03.py", RIGHT)], "which leaves its folder"),
        ([(link("a03.py"), "/etc/passwd")], "a03.py in the zip file is a link"),
        ([("a03.py", "#" * (3 * 2**20))], "a03.py is larger than 2 MB"),
        ([("big", bytes(101 * 2**20)), ("a03.py", RIGHT)], "holds over 2,000 files or 100 MB"),
        ([("README.md", "")], "a03.py is missing; handed in: README.md"),
        ([("one.py", ""), ("two.py", "")], "a03.py is missing; handed in: one.py, two.py"),
        ([], "a03.py is missing; handed in: nothing"),
        ([("a03.py", " \n")], "a03.py is empty"),
        ([("a03.ipynb", "{")], "the notebook is damaged"),
        ([("a03.ipynb", "[" * 100_000)], "the notebook is damaged"),
    ],
)
def test_what_cannot_be_used_has_a_reason(files, says, tmp_path):
    handed = read(zipped(tmp_path / "ann.zip", *files))
    assert says in handed.problem and handed.files == {}


def test_what_is_no_zip_file_has_a_reason(tmp_path):
    (tmp_path / "ann.zip").write_bytes(b"PK no")
    assert "ann.zip cannot be read" in read(tmp_path / "ann.zip").problem


@pytest.mark.parametrize("name", ["testino_maria.py", "Latest.py", "ann_test.py"])
def test_a_student_may_have_test_in_the_name(name, tmp_path):
    (tmp_path / name).write_text(RIGHT, "utf-8")
    assert read(tmp_path / name).files == {"a03.py": RIGHT.encode()}


def test_of_two_files_with_the_name_the_teacher_hears(tmp_path):
    path = zipped(tmp_path / "ann.zip", ("old/a03.py", RIGHT), ("new/a03.py", "x = 1"))
    assert read(path).notes == ["new/a03.py was taken; there is old/a03.py, too"]


def test_a_zip_file_in_a_zip_file_is_named(tmp_path):
    path = zipped(tmp_path / "ann.zip", ("a03.zip", b"PK"))
    assert read(path).problem == "a03.py is missing; handed in: a03.zip"


def test_many_wrong_constants_make_few_notes(tmp_path):
    text = RIGHT + "".join(f"TEMPERATURE = {i}\n" for i in range(9)) + "SMOOTHING = " + "1" * 999
    (tmp_path / "ann.py").write_text(text, "utf-8")
    notes = read(tmp_path / "ann.py").notes
    assert len(notes) < 8 and max(map(len, notes)) < 100


def test_what_is_nobodys_submission_is_named(tmp_path):
    for name in ("ann.py", "ben.rar", ".hidden"):
        (tmp_path / name).touch()
    assert passed_over(tmp_path) == ["ben.rar"]


def test_a_folder_that_cannot_be_read_is_told_so(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refused)
    assert "Permission denied" in read(tmp_path).problem


@pytest.mark.parametrize(
    ("cell", "module"),
    [
        ("x = (7\n% 4)", "x = (7\n% 4)"),
        ("x = 1\nx?", "x = 1\npass"),
        ('s = """\n!\u2028"""\n', 's = """\n!\u2028"""\n'),
        ("%time\ns = '\u2028'", "pass\ns = '\u2028'"),
    ],
)
def test_only_what_is_no_python_is_taken_for_magic(cell, module):
    book = {"cells": [{"cell_type": "code", "source": cell}]}
    assert to_module(json.dumps(book).encode()) == f"# cell 1\n{module}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_links_in_a_folder_lead_nowhere(tmp_path):
    (tmp_path / "secret.py").write_text(RIGHT)
    (tmp_path / "ann").mkdir()
    os.symlink(tmp_path / "secret.py", tmp_path / "ann" / "a03.py")
    assert "a03.py is missing; handed in: nothing" in read(tmp_path / "ann").problem


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_the_teachers_own_folder_may_be_a_link(tmp_path):
    (tmp_path / "disk" / "ann").mkdir(parents=True)
    (tmp_path / "disk" / "ann" / "a03.py").write_text(RIGHT)
    os.symlink(tmp_path / "disk", tmp_path / "handed_in")
    (path,) = find_submissions(tmp_path / "handed_in")
    assert read(path).files == {"a03.py": RIGHT.encode()}


def test_a_zip_file_that_is_large_itself_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr("tinygpt.classroom.submissions.LARGEST_ZIP", 100)
    path = zipped(tmp_path / "ann.zip", *((f"{i}.py", "") for i in range(50)))
    assert "zip the assignment's files alone" in read(path).problem


def notebook(*codes):
    cells = [{"cell_type": "code", "source": code.splitlines(keepends=True)} for code in codes]
    return json.dumps({"cells": cells})


def test_a_notebook_with_plots_checks_and_magics_gets_the_points_of_its_functions(tmp_path):
    book = notebook(
        "%matplotlib inline\nimport matplotlib.pyplot as plt\n!pip install x",
        RIGHT,
        "%%bash\nrm -rf nothing (",
        "from tinygpt.classroom.released import check\ncheck(globals())",
        "figure = plt.figure()\nfigure.show()\nloss = undefined + 1",
    )
    (tmp_path / "a03.ipynb").write_text(book)
    handed = read(tmp_path / "a03.ipynb")
    outcomes = Marker(A03, CONSTANTS, hidden=True).mark_files(handed.files, notebook=True)
    assert [o.reason for o in outcomes if not o.passed] == [] and handed.notebook


def test_the_notebook_counts_where_the_module_beside_it_was_left_as_it_came(tmp_path):
    release(A03, tmp_path / "ann", seed=0, install="tinygpt")
    (tmp_path / "ann" / "a03.ipynb").write_text(notebook(RIGHT))
    assert read(tmp_path / "ann").notebook
    assert read(tmp_path / "ann").notes == []
    begun = (tmp_path / "ann" / "a03.py").read_text("utf-8").replace(source.UNWRITTEN, "return", 1)
    (tmp_path / "ann" / "a03.py").write_text(begun, "utf-8")
    assert not read(tmp_path / "ann").notebook
    assert read(tmp_path / "ann").notes == ["a03.py was taken, and a03.ipynb beside it was not"]


@pytest.mark.parametrize("name", ["ann.py", "ann.ipynb"])
def test_a_file_handed_in_alone_may_have_the_students_name(name, tmp_path):
    (tmp_path / name).write_text(RIGHT if name.endswith(".py") else notebook(RIGHT), "utf-8")
    handed = read(tmp_path / name)
    assert (handed.problem, handed.notes) == ("", []) and RIGHT in handed.files["a03.py"].decode()


@pytest.mark.parametrize("written", ["{}", "{}0", "{:e}", "1 * {}"])
def test_a_constant_is_compared_by_its_value(written, tmp_path):
    line = f"TEMPERATURE = {written.format(CONSTANTS['temperature'])}  #"
    (tmp_path / "a03.py").write_text(
        RIGHT.replace(f"TEMPERATURE = {CONSTANTS['temperature']}  #", line), "utf-8"
    )
    assert line in (tmp_path / "a03.py").read_text("utf-8")
    assert bool(read(tmp_path / "a03.py").notes) == ("*" in written)


def test_another_classs_constants_are_noted(tmp_path):
    other = source.solution_text(A03, {**CONSTANTS, "temperature": 123.0})
    (tmp_path / "a03.py").write_text(other)
    (note,) = read(tmp_path / "a03.py").notes
    assert note == f"TEMPERATURE is 123.0 in the file and {CONSTANTS['temperature']} in this class"


def test_a_folder_without_submissions_is_refused(tmp_path):
    (tmp_path / ".hidden").mkdir()
    with pytest.raises(AssignmentError, match="has no submissions"):
        find_submissions(tmp_path)
    with pytest.raises(AssignmentError, match="is no folder"):
        find_submissions(tmp_path / "nowhere")
