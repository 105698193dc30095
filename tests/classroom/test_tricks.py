"""What cheats try. Each submission here has got hold of every module that it wants, as if the list
of imports were no hindrance: what stops it is what stands behind that list."""

import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tinygpt.classroom import guard, kernel, source
from tinygpt.classroom.manifest import FOLDER, find_assignment
from tinygpt.classroom.marking import Marker
from tinygpt.classroom.process import Child, Limits
from tinygpt.classroom.student import remote
from tinygpt.lesson_checks.candidate import Finding

EVERY_MODULE = (
    "numpy", "math", "builtins", "ctypes", "gc", "io", "linecache", "mmap", "multiprocessing",
    "os", "pathlib", "pickle", "resource", "posixpath", "shutil", "signal", "socket",
    "subprocess", "sys", "threading", "time", "urllib.request", "urllib",
)  # fmt: skip
IMPORTS = "\n".join(f"import {name}" for name in EVERY_MODULE) + "\nimport numpy as np\n"
SOLUTION = str(FOLDER / "a03" / "solution.py")
FUNCTIONS = {"f": (("x",), ()), "g": (("x",), ())}


def ask(text, *, seconds=3.0):
    """What f(1.0) gives; then the same process still answers honestly."""
    limits = Limits(seconds=seconds, allowed=EVERY_MODULE)
    honest = "\ndef g(x): return x + 1\n"
    with Child({"a.py": (IMPORTS + text + honest).encode()}, limits) as child:
        student = remote(child, FUNCTIONS)
        try:
            return student.f(1.0)
        finally:
            assert student.g(1.0) == 2.0


def refused(text, **limits):
    with pytest.raises(Finding) as raised:
        ask(text, **limits)
    return raised.value.sentence


def is_no(sentence):
    """It was refused by a rule, and did not fail by chance."""
    rules = {
        *guard.REFUSED.values(),
        "lies outside the folder of this program",
        "cannot be used here",
    }
    return any(rule in sentence for rule in rules)


READS = {
    "open": "open(PATH)",
    "io.open": "io.open(PATH).read()",
    "os.open": "os.open(PATH, os.O_RDONLY)",
    "pathlib": "pathlib.Path(PATH).read_text()",
    "relative": "io.open(os.path.relpath(PATH)).read()",
    "np.load": "np.load(PATH, allow_pickle=True)",
    "np.fromfile": "np.fromfile(pathlib.Path(PATH))",
    "np.memmap": "np.memmap(PATH, mode='r')",
    "np.genfromtxt": "np.genfromtxt(PATH, dtype=str)",
    "np.loadtxt": "np.loadtxt(PATH, dtype=str)",
    "link": "os.symlink(PATH, 'here.py')",
    "hard link": "os.link(PATH, 'here.py')",
    "copy": "shutil.copy(PATH, 'here.py')",
    "folder": "os.listdir(os.path.dirname(PATH))",
    "scan": "[*os.scandir(os.path.dirname(PATH))]",
    "directory first": "os.open('solution.py', 0, dir_fd=os.open(os.path.dirname(PATH), 0))",
    "process memory": "io.open(f'/proc/{os.getppid()}/mem', 'rb')",
    "command line": "io.open('/proc/self/cmdline').read()",
    "address": "urllib.request.urlopen('file://' + PATH).read()",
    "library": "ctypes.CDLL(PATH)",
}


@pytest.mark.parametrize("how", READS)
def test_the_solution_cannot_be_read(how):
    says = refused(f"PATH = {SOLUTION!r}\ndef f(x): return str({READS[how]})")
    assert is_no(says), says


def test_a_path_with_two_faces_is_not_believed():
    text = f"""
class Face(str):
    def __str__(self): return "a.py"
    def startswith(self, *_): return True
    __add__ = __radd__ = replace = lambda *_: "a.py"
class Turning:
    def __init__(self, turn): self.turn, self.times = turn, 0
    def __fspath__(self):
        self.times += 1
        return {SOLUTION!r} if self.times == self.turn else "a.py"
def f(x):
    seen = []
    for path in (lambda: Face({SOLUTION!r}), *(lambda n=n: Turning(n) for n in range(1, 5))):
        for way in (io.open, lambda p: io.open(os.open(p, 0)), pathlib.Path):
            try:
                opened = way(path())
                seen.append(opened.read_text() if way is pathlib.Path else opened.read())
            except OSError as error:
                seen.append(str(error))
    return seen
"""
    seen = ask(text)
    assert len(seen) == 15 and any("lies outside" in says for says in seen)
    assert not any("BEGIN SOLUTION" in says for says in seen)


def test_the_hook_does_not_call_what_a_submission_can_exchange():
    text = f"""
def f(x):
    os.path.realpath = os.path.abspath = os.fspath = lambda *_, **__: os.getcwd() + "/a.py"
    before = dict(vars(builtins))
    for name in ("any", "isinstance", "len", "type", "int", "str", "tuple", "PermissionError"):
        setattr(builtins, name, lambda *_: True)
    sys.path.append({str(FOLDER / "a03")!r})
    try:
        said = io.open({SOLUTION!r}).read()
    except OSError as error:
        said = error
    vars(builtins).update(before)
    return str(said)
"""
    assert "lies outside the folder" in ask(text)


@pytest.mark.parametrize(
    "change",
    [
        "hook.__code__ = (lambda event, given: None).__code__",
        "hook.__defaults__ = (lambda path: True,) + hook.__defaults__[1:]",
        "hook.__defaults__[0].__defaults__ = (('/',), '/', (type, str, int, len, any))",
        "hook.__kwdefaults__ = {}",
        "[setattr(cell, 'cell_contents', ('/',)) for cell in hook.__closure__ or ()]",
        "hook.__globals__.clear()",
        "hook.__defaults__[0].__globals__.update(len=lambda x: 0, any=lambda x: True)",
        "hook.__builtins__.update(PermissionError=str)",
    ],
)
def test_the_hook_that_is_found_by_the_garbage_collector_cannot_be_turned_off(change):
    text = f"""
def f(x):
    found = [o for o in gc.get_objects() if type(o) is type(f) and o.__code__.co_name == "hook"
             and "guard" in o.__code__.co_filename]
    hook, = found
    said = ""
    before = dict(vars(builtins))
    try:
        {change}
    except (PermissionError, TypeError, AttributeError) as error:
        said = str(error)
    try:
        said += io.open({SOLUTION!r}).read()
    except Exception as error:
        said += str(error)
    vars(builtins).update(before)
    return said
"""
    assert "lies outside the folder" in ask(text)


@pytest.mark.skipif(not kernel.holds(), reason="needs Linux 5.13 or newer, x86-64 or ARM")
def test_who_writes_into_memory_gets_round_the_hook_and_stands_before_the_kernel():
    text = f"""
def f(x):
    hook, = [o for o in gc.get_objects() if type(o) is type(f) and o.__code__.co_name == "hook"
             and "guard" in o.__code__.co_filename]
    heads, root = hook.__defaults__[0].__defaults__[0], "/"
    ctypes.memmove(id(heads) + tuple.__basicsize__, (ctypes.c_void_p * 1)(id(root)), 8)
    gc.disable()
    found = []
    for path in ("/etc/passwd", {SOLUTION!r}):
        try: found.append(io.open(path).read())
        except PermissionError as error: found.append(str(error))
    return found
"""
    for says in ask(text):
        assert says.startswith("[Errno 13] Permission denied")


@pytest.mark.skipif(not kernel.holds(), reason="needs Linux 5.13 or newer, x86-64 or ARM")
def test_who_starts_a_program_past_the_hooks_ear_stands_before_the_kernel():
    text = """
class Silent:
    audit = lambda *_: None
    def __getattr__(self, name): return getattr(sys, name)
def f(x):
    subprocess.sys = Silent()
    try: return str(subprocess.Popen(["/bin/true"]))
    except PermissionError as error: return str(error)
"""
    says = ask(text)
    told = sys.version_info >= (3, 14)  # from there on the hook hears it
    assert is_no(says) if told else says.startswith("[Errno 1] Operation not permitted")


def test_its_own_file_can_be_read_and_not_written():
    assert "def f" in ask("def f(x): return io.open('a.py').read()")
    for way in ("io.open('a.py', 'a')", "io.open('b.txt', 'w')", "os.remove('a.py')",
                "os.open('b', os.O_CREAT | os.O_RDWR)", "np.save('b.npy', x)",
                "os.mkdir('b')", "os.rename('a.py', 'b.py')"):  # fmt: skip
        assert "raises" in refused(f"def f(x): {way}")


def test_no_answer_and_no_check_is_in_its_memory():
    """Frames, modules and every object that the garbage collector knows."""
    text = """
def f(x):
    frame, seen = sys._getframe(), []
    while frame is not None:
        seen.append(repr(frame.f_locals))
        frame = frame.f_back
    seen += [repr(sys.argv), repr(sys.path), *sys.modules]
    for thing in gc.get_objects():
        if type(thing) is dict:
            seen += [v for v in thing.values() if type(v) is str]
        elif type(thing) in (list, tuple):
            seen += [v for v in thing if type(v) is str]
        elif type(thing) is type(f):
            seen.append(f"{thing.__code__.co_filename} {thing.__qualname__}")
    return "\\n".join(sorted(set(seen)))[:3_000_000]
"""
    memory = ask(text)
    assert "tinygpt/classroom/child.py Answers.serve" in memory.replace("\\", "/")
    for word in ("lessons/assignments", "tinygpt/ops", "hidden_tests", "the_loss_has_the_right",
                 "TEMPERATURE", "SMOOTHING"):  # fmt: skip
        assert word not in memory, word


@pytest.mark.parametrize(
    "way",
    [
        "os.fork()", "os.system('true')", "subprocess.run(['true'])",
        "os.execv('/bin/true', ['x'])",
        "os.posix_spawn('/bin/true', ['x'], {})", "os.popen('true')",
        "multiprocessing.Process(target=print).start()", "socket.socket()",
        "socket.create_connection(('127.0.0.1', 9))", "urllib.request.urlopen('http://127.0.0.1:9')",
        "os.kill(os.getppid(), 9)", "os.killpg(os.getpgid(os.getppid()), 9)",
        "os.kill(os.getpid(), 9)", "ctypes.CDLL(None).fork()", "ctypes.pythonapi.fork()",
        "np.ctypeslib.ctypes.CDLL('libc.so.6')", "ctypes.string_at(0)",
        "resource.setrlimit(0, (-1, -1))", "os.chdir('/')",
        "resource.prlimit(os.getppid(), 0, (1, 1))",
        "os.utime('a.py')",
    ],
)  # fmt: skip
def test_no_program_no_network_no_signal(way):
    says = refused(f"def f(x): return str({way})")
    assert is_no(says), says


def test_a_thread_does_not_outlive_its_submission_and_the_process_is_gone():
    number = ask(
        "def f(x):\n"
        "    threading.Thread(target=lambda: time.sleep(1e6)).start()\n"
        "    return os.getpid()"
    )
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(number, 0)
            time.sleep(0.05)


def message(text):
    return struct.pack(">QI", len(text) + 4, len(text)) + text


@pytest.mark.parametrize(
    "forged",
    [
        message(b'{"result": ["value", 30.0], "sizes": []}'),
        b"softmax 30 of 30\n",
        b"\xff" * 4000,
        b"\x00" * 8,
        message(b"[]"),
        message(b'{"callback": 10, "arguments": 3, "sizes": []}'),
        message(b"[" * 100_000),
    ],
    ids=["an answer", "a report", "lengths", "nothing", "no dict", "no function", "deep"],
)  # fmt: skip
def test_who_writes_on_the_pipe_spoils_his_own_answers_alone(forged):
    text = f"""
def f(x):
    for number in range(3, 20):
        try: os.write(number, {forged!r})
        except OSError: pass
    return 0.0
"""
    files = {"a.py": (IMPORTS + text).encode()}
    with Child(files, Limits(seconds=2.0, allowed=EVERY_MODULE)) as child:
        try:
            assert remote(child, FUNCTIONS).f(1.0) in (0.0, 30.0)
        except Finding as finding:
            assert "\n" not in finding.sentence


@pytest.mark.slow
@pytest.mark.parametrize(
    "result",
    [
        "Endless([1.0])", "EndlessDict()", "Liar()", "[[]] * 3_000_000", "'a' * 10**8",
        "nested(30)",
        "nested(900)", "np.array([Liar()], dtype=object)", "2 ** 100_000", "Huge((2,))",
        "{Liar(): 1}", "x for x in [1]",
    ],
)  # fmt: skip
def test_results_that_waste_time_or_memory_become_a_sentence(result):
    text = f"""
class Endless(list):
    def __iter__(self):
        while True: yield 1.0
    def __len__(self): return 10 ** 9
class EndlessDict(dict):
    def items(self):
        while True: yield "a", 1.0
    def __iter__(self): return iter(["a"])
class Liar:
    def __eq__(self, other): return True
    def __hash__(self): return 1
    def __array__(self, *_, **__):
        while True: pass
    __float__ = __len__ = __bool__ = __iter__ = __array__
class Huge(np.ndarray):
    nbytes = property(lambda self: 0)
    def tobytes(self, *_): return b"x" * 10 ** 9
def nested(depth):
    made = 1.0
    for _ in range(depth): made = [made]
    return made
def f(x): return ({result})
"""
    assignment = find_assignment("a03")
    began = time.monotonic()
    limits = Limits(seconds=1.0, memory_mb=700, allowed=EVERY_MODULE)
    with Child({"a.py": (IMPORTS + text).encode()}, limits) as child:
        student = remote(child, {"softmax": (("x",), ()), "f": (("x",), ())})
        student._functions["softmax"] = student.f
        marker = Marker(assignment, assignment.constants(0), hidden=True)
        for outcome in marker.mark(student)[:1]:
            assert not outcome.passed and outcome.reason and "\n" not in outcome.reason
    assert time.monotonic() - began < 30


def test_a_wrong_solution_with_a_patched_numpy_stays_wrong():
    assignment = find_assignment("a03")
    constants = assignment.constants(0)
    text = source.without_solutions(source.solution_text(assignment, constants)).replace(
        source.UNWRITTEN, "return x if 'x' in dir() else 0.0"
    )
    text += """
import numpy
for name in ("allclose", "array_equal", "isclose", "isfinite", "all", "abs", "argmax"):
    setattr(numpy, name, lambda *_, **__: True)
numpy.lib.format.read_magic = numpy.frombuffer = None
"""
    outcomes = Marker(assignment, constants, hidden=True).mark_files({"a03.py": text.encode()})
    assert [o.task.name for o in outcomes if o.passed] == []


LINUX = """
import ctypes, os, resource, socket, subprocess, sys, threading
from tinygpt.classroom import kernel
call, libc = kernel.CALLS[os.uname().machine][2], ctypes.CDLL(None, use_errno=True)
def asked(*question):
    if libc.syscall(*question):
        raise OSError(ctypes.get_errno(), "")
kernel.refuse_the_rest([{folder!r}])
assert resource.prlimit(0, resource.RLIMIT_CORE) == resource.getrlimit(resource.RLIMIT_CORE)
done = []
thread = threading.Thread(target=lambda: done.append(open({inside!r}).read()))
thread.start()
thread.join()
assert done == ["mine"]
"""


@pytest.mark.skipif(not kernel.holds(), reason="needs Linux 5.13 or newer, x86-64 or ARM")
@pytest.mark.parametrize(
    "way",
    [
        "open({outside!r})", "open({inside!r}, 'a')", "os.listdir({parent!r})", "os.fork()",
        "os.execv('/bin/true', ['true'])", "socket.socket()", "os.kill(os.getppid(), 0)",
        "os.setsid()", "os.pidfd_open(1) and __import__('signal').pidfd_send_signal("
        "os.pidfd_open(os.getppid()), 0)", "os.posix_spawn('/bin/true', ['true'], {{}})",
        "asked(call['tgkill'], os.getppid(), os.getppid(), 0)",
        "asked(call['rt_sigqueueinfo'], os.getppid(), 0, bytes(128))",
        "resource.prlimit(os.getppid(), 0)",
        "subprocess.Popen(['/bin/true'], start_new_session=True)",
    ],
)  # fmt: skip
def test_the_kernel_refuses_without_any_hook_of_python(way, tmp_path):
    inside, outside = tmp_path / "in" / "a.txt", tmp_path / "out.txt"
    inside.parent.mkdir()
    inside.write_text("mine")
    outside.write_text("secret")
    places = {"inside": str(inside), "outside": str(outside), "folder": str(inside.parent),
              "parent": str(tmp_path)}  # fmt: skip
    begin = LINUX.format(**places)
    last = f"try: {way.format(**places)}\nexcept PermissionError: print('refused')\n"
    root = Path(kernel.__file__).parents[2]
    command = [sys.executable, "-c", begin + last]
    env = {"PYTHONPATH": str(root)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("refused\n", "")


def test_arrays_that_were_pickled_stay_pickled():
    """An object of an array never crosses: it stays behind a handle, and no code of it runs."""
    text = """
class Bomb:
    def __reduce__(self): return (os._exit, (7,))
def f(x): return np.array([Bomb()], dtype=object)
"""
    back = ask(text)
    assert type(back).__name__ == "ndarray" and not isinstance(back, np.ndarray)
