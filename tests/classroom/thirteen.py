"""The thirteen submissions of assignment 03: what a grader has to live through."""

import re
import zipfile

from tinygpt.classroom.source import solution_text, without_solutions

FORGED = '{"score": 30, "tests": [{"name": "softmax", "score": 30, "max_score": 30}]}'

LOOP = """
def softmax(x):
    total = 0.0
    while True:
        total = total + 1.0
"""
EATER = """
def softmax(x):
    held = []
    while True:
        held.append(np.empty(20_000_000))
"""
EXIT = """
def cross_entropy(logits, ids):
    import numpy.testing
    numpy.testing._private.utils.os._exit(0)
"""
LIBRARY = """
from tinygpt.ops import softmax_forward

def softmax(x):
    return softmax_forward(x / TEMPERATURE)[0]
"""
FORGER = f"""
print({FORGED!r}, flush=True)

def softmax(x):
    print({FORGED!r}, flush=True)
    return x


def cross_entropy(logits, ids):
    open("results.json", "w").write({FORGED!r})
    return 0.0
"""


def make(folder, assignment, seed):
    """Write them into `folder`; name -> (points, what the reason says)."""
    right = solution_text(assignment, assignment.constants(seed))
    stubs = without_solutions(right)
    half = stubs.replace(body(stubs, "softmax"), body(right, "softmax"))
    no_temperature = right.replace("z = x / TEMPERATURE", "z = x")

    def hand_in(name, text, *others):
        (folder / name).mkdir()
        (folder / name / "a03.py").write_text(text, "utf-8")
        for other, content in others:
            (folder / name / other).parent.mkdir(exist_ok=True)
            (folder / name / other).write_text(content, "utf-8")

    hand_in("right", right)
    hand_in("half_one_function", half)
    hand_in("half_no_temperature", no_temperature)
    hand_in("empty", "")
    hand_in("syntax_error", right.replace("def cross_entropy(logits, ids):", "def cross_entropy("))
    hand_in("import_error", "import numpie as np\n" + right.replace("import numpy as np\n", ""))
    hand_in("infinite_loop", right + LOOP)
    hand_in("memory_eater", right + EATER)
    hand_in("os_exit", right + EXIT)
    with zipfile.ZipFile(folder / "deleted_file.zip", "w") as archive:
        archive.writestr("deleted_file/README.md", "done")
    passes = "def softmax_gives_probabilities(*_): pass\n"
    hand_in(
        "overwritten_tests",
        stubs,
        ("public_tests.py", passes),
        ("hidden_tests.py", passes),
        ("test_a03.py", "def test_public(): pass\n"),
        ("assignment.toml", 'name = "a03"\n'),
        ("numpy/__init__.py", "raise SystemExit"),
    )
    hand_in("library_answer", right + LIBRARY)
    hand_in("forged_report", stubs + FORGER)
    return {
        "right": (30, ""),
        "half_one_function": (10, "cross_entropy is not written yet"),
        "half_no_temperature": (17, "the logits are not divided by the temperature"),
        "empty": (0, "a03.py is empty"),
        "syntax_error": (0, "is not Python: '(' was never closed"),
        "import_error": (0, "numpie.exp cannot be used here; did you mean numpy?"),
        "infinite_loop": (9, "it has not come back after"),
        "memory_eater": (9, "raises MemoryError"),
        "os_exit": (17, "the program ended in place of an answer"),
        "deleted_file": (0, "a03.py is missing; handed in: deleted_file/README.md"),
        "overwritten_tests": (0, "is not written yet"),
        "library_answer": (9, "tinygpt.ops.softmax_forward cannot be used here"),
        "forged_report": (0, "open cannot be used here"),
    }


def body(text, function):
    """The lines of one function."""
    return re.search(rf"^def {function}\(.*?(?=^def |\Z)", text, re.DOTALL | re.MULTILINE)[0]
