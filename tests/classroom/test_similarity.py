"""Copies are flagged, word for word, and honest work is not."""

from tinygpt.classroom import source
from tinygpt.classroom.manifest import find_assignment
from tinygpt.classroom.similarity import flags, library_runs
from tinygpt.lesson_checks import c05

A05 = find_assignment("a05")
CONSTANTS = A05.constants(0)
RIGHT = source.solution_text(A05, CONSTANTS)
STUBS = source.solution_text(A05, CONSTANTS, stubs=True)


def test_two_who_handed_in_the_same_are_flagged_and_a_third_is_not():
    other = (
        STUBS + "\ndef mine(a, b):\n" + "".join(f"    a = b[{i}] + a * {i}\n" for i in range(40))
    )
    notes = flags({"ann": RIGHT, "ben": RIGHT + "\n# mine\n", "cem": other}, STUBS)
    assert notes == {
        "ann": ["100% the same as ben"], "ben": ["100% the same as ann"], "cem": []
    }  # fmt: skip


def test_of_a_whole_class_that_is_the_same_three_are_named():
    notes = flags(dict.fromkeys(["ann", "ben", "cem", "dan", "eve", "fay"], RIGHT), STUBS)
    same = "100% the same as {}, 100% the same as {}, 100% the same as {}, and as 2 others"
    assert notes["ann"] == [same.format("ben", "cem", "dan")]
    assert notes["fay"] == [same.format("ann", "ben", "cem")]


def test_what_stands_in_the_library_is_flagged_with_its_file():
    with open(c05.__file__, encoding="utf-8") as file:
        copied = file.read()
    (note,) = flags({"ann": STUBS + copied[3000:6000]}, STUBS)["ann"]
    assert note.endswith("of the code stands in tinygpt/lesson_checks/c05.py, word for word")


def test_the_stubs_alone_and_what_is_no_python_are_no_copies():
    assert flags({"ann": STUBS, "ben": STUBS, "cem": "def (((\n'''"}, STUBS) == {
        "ann": [], "ben": [], "cem": []
    }  # fmt: skip
    assert len(library_runs()) > 20


def test_no_text_stops_the_comparison():
    """The first is what the tokenizer of Python 3.12 and 3.13 fails on, with a SystemError."""
    first = ' =;\n("1r}\0=\x0c,=1\t\r[\\{f#\r\'\t\x0c\n#)\')\t,,"\t;\0,\0\0"\\ \0}\n( .1),r{ (=r)'
    for text in (first, "\0", "(" * 100_000, "f'{" * 1000, "\t x\n  y\n \tz", "\\"):
        assert flags({"ann": text}, STUBS) == {"ann": []}
