"""A submission's process answers calls; whatever it does, the answer is a sentence."""

import math
import struct
import subprocess
import sys

import numpy as np
import pytest

from tinygpt.classroom import source, wire
from tinygpt.classroom.manifest import all_assignments
from tinygpt.classroom.marking import Marker
from tinygpt.classroom.process import Child, Limits
from tinygpt.classroom.student import remote
from tinygpt.lesson_checks.candidate import Finding, Unwritten
from tinygpt.lesson_checks.expect import details

FUNCTIONS = {"f": (("x",), ()), "g": (("cache",), ()), "h": (("function", "x"), ())}


def student(child, keep=()):
    return remote(child, {**FUNCTIONS, "f": (("x",), keep)})


def call(text, x=1.0, **limits):
    with Child({"a.py": text.encode()}, Limits(seconds=2.0, **limits)) as child:
        return student(child).f(x)


def finding(text, x=1.0, **limits):
    with pytest.raises(Finding) as raised:
        call(text, x, **limits)
    assert "\n" not in raised.value.sentence
    return raised.value.sentence


@pytest.mark.parametrize(
    "assignment", [a for a in all_assignments() if a.tasks], ids=lambda a: a.name
)
def test_the_solution_gets_all_points_in_a_process_of_its_own(assignment):
    constants = assignment.constants(5)
    marker = Marker(assignment, constants, hidden=True)
    text = source.solution_text(assignment, constants)
    outcomes = marker.mark_files({assignment.files[0]: text.encode()})
    assert [(o.task.name, o.reason) for o in outcomes if not o.passed] == []


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -2.5, math.inf, "π", 2**70, [1, [2.0]], (1, "a"), {"w": [1.0], 3: None},
        np.arange(6.0).reshape(2, 3), np.arange(6).reshape(2, 3).T, np.float32(1.5),
        np.array(2), np.zeros((0, 3)), np.array([True]), {"p": (np.ones(2, np.float32),)},
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_sent_comes_back_the_same(value):
    back = call("def f(x): return [x]", value)[0]
    flat = [np.asarray(v) for v in (back, value)] if isinstance(value, np.ndarray) else None
    assert type(back) is type(value)
    if flat is not None:
        assert flat[0].dtype == flat[1].dtype and np.array_equal(*flat)
    elif not isinstance(value, dict):
        assert back == value


def test_a_cache_stays_in_the_child_behind_a_handle():
    text = "class C:\n    n = 5\ndef f(x): return x, C()\ndef g(cache): return cache.n"
    with Child({"a.py": text.encode()}, Limits()) as child:
        _, cache = student(child).f(1.0)
        assert type(cache).__name__ == "C" and student(child).g(cache) == 5
    text = "def f(x): return x, [x, x]\ndef g(cache): return len(cache)"
    with Child({"a.py": text.encode()}, Limits()) as child:
        _, cache = student(child, keep=(1,)).f(1.0)
        assert isinstance(cache, wire.Handle)
        assert student(child).g(cache) == 2


def test_where_a_cache_is_no_help_its_inputs_are_shown():
    text = "def f(x): return 1.0, (x, x)\ndef g(cache): return 1 / 0"
    with Child({"a.py": text.encode()}, Limits()) as child:
        _, cache = student(child, keep=(1,)).f(3.0)
        with pytest.raises(Finding) as raised:
            student(child).g(cache)
    assert list(details(raised.value.facts)) == ["cache = that of f(x)", "x     = 3"]


def test_a_function_that_is_an_argument_is_called_here():
    asked = []

    def function(x):
        asked.append(x)
        return float(x.sum())

    with Child(
        {"a.py": b"def h(function, x): return function(x) + function(2 * x)"}, Limits()
    ) as c:
        assert student(c).h(function, np.ones(3)) == 9.0
    assert [float(x[0]) for x in asked] == [1.0, 2.0]


def test_a_wrong_argument_of_that_function_is_the_submissions_fault():
    text = "def h(function, x): return function('a')"
    says = "raises TypeError: AttributeError: 'str' object"
    with Child({"a.py": text.encode()}, Limits()) as child, pytest.raises(Finding, match=says):
        student(child).h(lambda x: x.sum(), 1.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "import maths\ndef f(x): return maths.exp(x)",
            "maths.exp cannot be used here; did you mean",
        ),
        (
            "import scipy\ndef f(x): return scipy.f(x)",
            "here; you may import numpy, math; write the",
        ),
        ("def f(x): return open('a')", "open cannot be used here; a function gets all that it"),
        ("def f(x): raise ValueError('no')", "line 1, `def f(x): raise ValueError('no')`, raises"),
        ("def g(x): pass", "there is no function f in a.py: has it another name?"),
        ("f = 3", "f is a int and should be a function"),
        ("def f(x): return None", "it returns None"),
        ("def f(a, b): return 1", "cannot be called as f(x): it is written as f(a, b)"),
        ("def f(x): return f(x)", "raises RecursionError"),
        ("raise ValueError('early')", "line 1, `raise ValueError('early')`, raises ValueError"),
        (
            "def f(x):\n  return (",
            "line 2 of a.py, `return (`, is not Python: '(' was never closed",
        ),
        ("exit()", "ends the program; end a function with `return`"),
        ("import torch\ndef f(x): return torch.ones(3)", "torch.ones cannot be used here"),
        ("from tinygpt import ops\ndef f(x): return ops.a.b(x)", "tinygpt.ops.a.b cannot be used"),
        ("import torch\nclass N(torch.nn.Module): pass", "torch.nn.Module cannot be used here"),
        ("def f(x):\n  while True: pass", "has not come back after 2 seconds; now it is in line 2"),
        ("while True: pass", "has not come back after 2 seconds; now it is in line 1"),
        (
            "import numpy as np\ndef f(x): return len(np.empty(3 * 10**8))",
            "data type float64; it may use 1,024 MB",
        ),
        ("import numpy as np\ndef f(x): return np.ones(10**7)", "a message of 80,"),
    ],
)
def test_what_goes_wrong_is_a_sentence(text, says):
    assert says in finding(text)


def test_a_trial_call_below_a_function_is_named_with_the_line_inside():
    says = finding("def f(x):\n    return 1 / x\n\nprint(f(0))\n")
    assert says == (
        "line 4, `print(f(0))`, leads to line 2, `return 1 / x`, which raises ZeroDivisionError: "
        "division by zero"
    )
    assert finding("1 / 0").startswith("line 1, `1 / 0`, raises ZeroDivisionError")


def test_honest_work_meets_no_refusal():
    """What NumPy and Python look up late: random numbers, solvers, submodules, tuples' defaults."""
    text = """
import collections, functools, itertools, math, typing
import numpy as np
import numpy.testing
from numpy.lib.stride_tricks import sliding_window_view
from numpy.polynomial import Polynomial

Cache = collections.namedtuple("Cache", "x y", defaults=(2,))

class Layer(typing.NamedTuple):
    w: np.ndarray
    scale: float = 1.0

@functools.lru_cache
def table(n):
    return np.linalg.inv(np.eye(n) * 2)

def f(x):
    np.random.default_rng().random(3), np.random.randn(2)
    np.testing.assert_allclose(table(3).trace(), 1.5)
    np.linalg.svd(np.ones((3, 3))), np.fft.rfft(np.ones(8)), Polynomial([1, 2])(3)
    np.einsum("ij,jk->ik", np.ones((2, 2)), np.ones((2, 2)), optimize=True)
    sliding_window_view(np.arange(4), 2), np.vectorize(math.erf)(np.ones(2))
    print(np.array_repr(np.ones((2, 2))), f"{math.pi:.2f}", Cache(1), Layer(np.ones(1)))
    np.set_printoptions(precision=3)
    try: np.ones(2) @ np.ones(3)
    except ValueError as error: str(error)
    return list(itertools.accumulate([x, x]))
"""
    allowed = ("numpy", "math", "typing", "functools", "itertools", "collections")
    assert call(text, allowed=allowed) == [1.0, 2.0]


def test_a_file_in_another_encoding_is_told_so():
    with Child({"a.py": "def f(x): return 'ä'".encode("latin-1")}, Limits()) as child:
        says = r"a\.py is not UTF-8 text \(byte 18 is no letter in it\): save it with"
        with pytest.raises(Finding, match=says):
            student(child).f(1.0)


def test_a_module_that_is_not_allowed_does_no_harm_until_it_is_used():
    assert call("import torch\nfrom tinygpt import ops\ndef f(x): return x") == 1.0


@pytest.mark.parametrize(
    "trick", ["importlib.import_module('tinygpt.ops')", "__import__('tinygpt')"]
)
def test_the_library_cannot_be_found_by_a_trick_either(trick):
    says = finding(f"import importlib\ndef f(x): return {trick}.forward(x)", allowed=("importlib",))
    assert "No module named 'tinygpt'" in says or "cannot be used here" in says


def test_a_process_that_ends_or_crashes_is_told_and_the_next_call_has_a_new_one():
    text = "import os\ndef f(x): os._exit(0)\ndef g(cache): return 7"
    with Child({"a.py": text.encode()}, Limits(allowed=("os",))) as child:
        with pytest.raises(Finding, match="the program ended in place of an answer"):
            student(child).f(1.0)
        assert student(child).g(1.0) == 7
    crash = (
        "import numpy as np\n"
        "def f(x): return np.lib.stride_tricks.as_strided(np.ones(1), (10**12,), (8,)).sum()"
    )
    assert "the program crashed (SIGSEGV)" in finding(crash)


def test_a_call_into_c_that_does_not_come_back_is_killed():
    says = finding("def f(x): return len(str(10 ** 10 ** 10))")
    assert "it has not come back" in says


def test_prints_and_forged_answers_go_nowhere():
    text = (
        "import sys, os\n"
        "print('forged', flush=True)\n"
        "def f(x):\n"
        "    os.write(1, b'forged'); sys.stderr.write('forged'); print(sys.stdin.read())\n"
        "    return x"
    )
    assert call(text, allowed=("sys", "os")) == 1.0


def test_a_stub_is_unwritten_and_every_function_says_its_own_name():
    with pytest.raises(Unwritten, match="f is not written yet"):
        call("def f(x): raise NotImplementedError")


@pytest.mark.parametrize(
    "blob",
    [
        b"", b"\x93NUMPY\x01\x00\x00\x00", b"pickle", b"\x93NUMPY\x02\x00" + bytes(20),
        b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999,)}"
        + b" " * 6 + b"\n" + bytes(8),
        b"\x93NUMPY\x01\x00\x36\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n"
        + bytes(8),
    ],
)  # fmt: skip
def test_an_array_whose_header_lies_is_refused_before_memory_is_asked_for(blob):
    with pytest.raises(ValueError):
        wire.read_array(blob)


def test_a_message_that_claims_to_be_huge_is_refused_before_it_is_read():
    import io

    with pytest.raises(ValueError, match="at most"):
        wire.receive(io.BytesIO(struct.pack(">Q", 2**40)))
    with pytest.raises(EOFError):
        wire.receive(io.BytesIO(b"abc"))
    with pytest.raises(ValueError):
        wire.receive(io.BytesIO(struct.pack(">QI", 6, 2) + b"[]"))


def test_what_an_editable_install_leaves_finds_no_module_either():
    """Such a finder is a class on sys.meta_path; CI installs tinygpt so, a wheel does not."""
    code = """
import sys
from tinygpt.classroom.child import close_the_library
class Editable:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        print("looked for", name)
sys.meta_path.append(Editable)
close_the_library([])
try:
    import tinygpt_elsewhere
except ModuleNotFoundError:
    print("not found")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "not found\n"
