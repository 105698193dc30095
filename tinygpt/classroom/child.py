"""The process that a submission runs in. It answers calls, and knows no test and no right answer.

`process.Child` starts it in a fresh folder that holds copies of the files that were handed in. It
limits its memory and its time, then reads messages until its input ends:

    load                       run the file, once
    call  function, arguments  a result, or the sentence that says what is wrong
    overflow                   where the last call of a function leaves the range of floats

The sentences are those of the lessons' `Candidate`, which runs here, beside the code that it looks
at. A cheat who rewrites it can spoil his own sentences, and can win nothing: whether a result is
right is decided in the other process.
"""

import ast
import builtins
import contextlib
import difflib
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from functools import partial
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from tinygpt.classroom import guard, kernel, wire
from tinygpt.lesson_checks.candidate import Candidate, Finding, Unwritten
from tinygpt.lesson_checks.limit import run_watched


def limit(settings: dict[str, Any]) -> None:
    """Memory, processor time, size of files: on Windows there is no such thing."""
    with contextlib.suppress(ImportError):
        import resource

        for what, most in (
            (resource.RLIMIT_AS, settings["memory_mb"] * 2**20),
            (resource.RLIMIT_CPU, settings["total_seconds"] + 5),
            (resource.RLIMIT_FSIZE, 2**20),
            (resource.RLIMIT_CORE, 0),
        ):
            with contextlib.suppress(ValueError, OSError):  # macOS refuses some
                resource.setrlimit(what, (most, most))


NO_FILES = "a function gets all that it needs as its arguments"


class Forbidden(ModuleType):
    """What an import gives that is not allowed: it does no harm until it is used."""

    def __init__(self, name: str, instead: str) -> None:
        super().__init__(name)
        self.__dict__["_instead"] = instead

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Forbidden(f"{self.__name__}.{name}", self.__dict__["_instead"])

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise ImportError(f"{self.__name__} cannot be used here; {self.__dict__['_instead']}")

    def __mro_entries__(self, _: Any) -> Any:
        return self()


class Importer:
    """The `import` that a submission sees: the manifest's list, and the files handed in."""

    def __init__(
        self, folder: Path, files: list[str], allowed: list[str], *, notebook: bool
    ) -> None:
        self.notebook, self.first = notebook, Path(files[0]).stem
        self.own = {Path(file).stem: folder / file for file in files}
        self.allowed = {*allowed, "__future__"}
        self.says = f"you may import {', '.join(allowed)}; write the rest yourself"
        self.loaded: dict[str, ModuleType] = {}

    def __call__(
        self, name: str, scope: Any = None, local: Any = None, parts: Any = (), level: int = 0
    ) -> Any:
        first = name.partition(".")[0]
        if level == 0 and first in self.own:
            return self.module(first)
        if level == 0 and first in self.allowed:
            return __import__(name, scope, local, parts, level)
        meant = difflib.get_close_matches(first, self.allowed, 1, 0.7)
        return Forbidden(
            name if parts else first, f"did you mean {meant[0]}?" if meant else self.says
        )

    def module(self, name: str) -> ModuleType:
        """The submission's file of this name, run once with this `import`."""
        if name not in self.loaded:
            module = ModuleType(name)
            module.__file__ = str(self.own[name])
            closed = {"__import__": self, "open": Forbidden("open", NO_FILES)}
            vars(module)["__builtins__"] = {**vars(builtins), **closed}
            self.loaded[name] = module
            text, path = self.own[name].read_text("utf-8-sig"), str(self.own[name])
            if self.notebook and name == self.first:
                run_notebook(text, path, vars(module))
            else:
                exec(compile(text, path, "exec", dont_inherit=True), vars(module))
        return self.loaded[name]


def run_notebook(text: str, path: str, scope: dict[str, Any]) -> None:
    """Run what a notebook defines. Expressions are left out (checks, plots, timings), and another
    statement may fail: it may need what was left out."""
    defines = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    for node in ast.parse(text, path).body:
        if isinstance(node, ast.Expr):
            continue
        code = compile(ast.Module([node], []), path, "exec", dont_inherit=True)
        with contextlib.suppress(*([] if isinstance(node, defines) else [Exception])):
            exec(code, scope)


class Late(Finding):
    """A call that has not come back."""


class File(Candidate):
    """A whole file under test: its lines are those that a sentence names."""

    def __init__(self, path: Path, load: Callable[[], Any]) -> None:
        super().__init__(load, ())
        self.name = path.name
        self._files = {str(path)}

    def line_of(self, cause: BaseException) -> str | None:
        """The innermost line, and the one outside of all functions that leads to it."""
        inner = super().line_of(cause)
        for frame, number in traceback.walk_tb(cause.__traceback__):
            if frame.f_code.co_name == "<module>" and (outer := self._line(frame, number)):
                return inner if outer == inner else f"{outer} leads to {inner} which"
        return inner

    def _sentence(self, cause: BaseException) -> str:
        if isinstance(cause, UnicodeDecodeError):
            where = f"byte {cause.start:,} is no letter in it"
            return f"{self.name} is not UTF-8 text ({where}): save it with the encoding UTF-8"
        if not isinstance(cause, SyntaxError) or cause.lineno is None:
            return super()._sentence(cause)
        text = (cause.text or "").strip()
        return f"line {cause.lineno} of {self.name}, `{text}`, is not Python: {cause.msg}"


class Answers:
    """Reads messages and answers them, one after the other."""

    def __init__(self, settings: dict[str, Any], stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.settings, self.stdin, self.stdout = settings, stdin, stdout
        self.folder = Path(settings["folder"])
        self.importer = Importer(
            self.folder, settings["files"], settings["allowed"], notebook=settings["notebook"]
        )
        self.kept: list[Any] = []  # what a Handle of ours stands for
        self.module: ModuleType | None = None
        self.candidates: dict[str, Candidate] = {}

    def serve(self) -> None:
        """Until the input ends."""
        answers = {"load": self.load, "call": self.call, "overflow": self.overflow}
        while True:
            try:
                message, blobs = wire.receive(self.stdin)
            except EOFError:
                return
            self.reply(answers[message["do"]], message, blobs)

    def reply(
        self,
        answer: Callable[[dict[str, Any], list[bytes]], Any],
        message: dict[str, Any],
        blobs: list[bytes],
    ) -> None:
        """Send what the answer is, or what is wrong with it."""
        try:
            result, made = answer(message, blobs), list[bytes]()
            packed = wire.pack(result, self.keep, made)
            for part in message.get("keep", []):
                if packed[0] in ("tuple", "list") and part < len(packed[1]):
                    packed[1][part] = self.keep(result[part])
            wire.send(self.stdout, {"result": packed}, made)
        except Finding as finding:
            unwritten = isinstance(finding, Unwritten)
            late = isinstance(finding, Late)
            says = {"finding": finding.sentence, "unwritten": unwritten, "late": late}
            wire.send(self.stdout, says, [])
        except Exception as cause:  # too large, or an object with tricks of its own
            told = type(cause).__name__
            with contextlib.suppress(Exception):  # its text may be a trick, too
                told = f"{told}: {cause}"
            sentence = f"the check cannot use the result ({told})"
            wire.send(self.stdout, {"finding": sentence[:300]}, [])

    # ---- what there is to answer

    def load(self, message: dict[str, Any], blobs: list[bytes]) -> None:
        """Run the file that was handed in."""
        path = self.folder / self.settings["files"][0]

        def load() -> bool:
            self.module = self.importer.module(path.stem)
            return True

        self.watched(File(path, load), ())

    def call(self, message: dict[str, Any], blobs: list[bytes]) -> Any:
        """Call one of its functions."""
        name = message["function"]
        arguments = wire.unpack(message["arguments"], self.find, blobs)
        if name not in self.candidates:
            fn = getattr(self.module, name, None)
            if fn is None:
                file = self.settings["files"][0]
                raise Finding(f"there is no function {name} in {file}: has it another name?")
            if not callable(fn) or isinstance(fn, Forbidden):
                raise Finding(f"{name} is a {type(fn).__name__} and should be a function")
            self.candidates[name] = Candidate(fn, tuple(message["names"]))
        return self.watched(self.candidates[name], arguments)

    def overflow(self, message: dict[str, Any], blobs: list[bytes]) -> str:
        """Call it again, to see where it leaves the range of floats."""
        return self.candidates[message["function"]].line_of_overflow()

    def watched(self, candidate: Candidate, arguments: tuple[Any, ...]) -> Any:
        """The result of a call, or Late when it takes too long."""
        seconds = float(self.settings["seconds"])

        def late() -> Any:
            raise Late(candidate.late(seconds).sentence)

        return run_watched(
            partial(candidate, *arguments), partial(candidate.is_late, seconds), late
        )

    # ---- what stays here, and what stays there

    def keep(self, value: Any) -> list[Any]:
        """JSON for an object that stays here."""
        self.kept.append(value)
        return ["handle", len(self.kept) - 1, type(value).__name__]

    def find(self, kind: str, rest: list[Any]) -> Any:
        """An object that stayed here, or a function that calls one that stayed there."""
        return self.kept[rest[0]] if kind == "handle" else partial(self.ask, rest[0])

    def ask(self, number: int, *arguments: Any) -> Any:
        """Call a function that stayed in the grader: the f of numeric_grad(f, x)."""
        blobs: list[bytes] = []
        packed = wire.pack(list(arguments), self.keep, blobs)
        wire.send(self.stdout, {"callback": number, "arguments": packed}, blobs)
        message, blobs = wire.receive(self.stdin)
        if "error" in message:
            raise TypeError(message["error"])
        return wire.unpack(message["result"], self.find, blobs)


def main() -> None:
    """Get ready, close the doors, and answer."""
    settings = json.loads(sys.argv.pop())
    stdin = os.fdopen(os.dup(0), "rb")
    stdout = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)  # what a submission prints is lost, a forged report too
    modules = []
    for name in settings["allowed"]:
        with contextlib.suppress(ImportError):
            modules.append(importlib.import_module(name))
    run_watched(int, bool, int)  # it looks up what stops a thread, while it may
    close_the_library(settings.pop("found"))
    limit(settings)
    roots = guard.readable(settings["folder"], modules)
    kernel.refuse_the_rest(roots)
    guard.refuse_the_rest(settings["folder"], roots)
    Answers(settings, stdin, stdout).serve()
    os._exit(0)  # a thread that hangs does not hold us


def close_the_library(found: list[str]) -> None:
    """From here on only Python's own library can be imported anew, not even by a trick.

    `found` is where tinygpt and NumPy lie."""
    sys.path[:] = [path for path in sys.path if "-packages" not in path and path not in found]
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, PathFinder]  # no editable install's
    sys.path_importer_cache.clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "tinygpt"]:
        del sys.modules[name]
