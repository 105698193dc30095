"""The grader's end of the pipe: start a submission's process, ask it, and outlive it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO, Any, cast

import numpy as np

import tinygpt
from tinygpt.classroom import wire
from tinygpt.errors import AssignmentError
from tinygpt.lesson_checks.candidate import Finding, Unwritten

START = (
    "import json, sys; sys.path[:0] = json.loads(sys.argv[1])['found']; "
    "from tinygpt.classroom.child import main; main()"
)
GRACE = 2.0  # seconds beyond a call's limit for the child to say by itself that it is late


class Unloadable(Finding):
    """The file itself cannot be run, whatever function is asked for."""


@dataclass(frozen=True)
class Limits:
    """What a submission may use."""

    seconds: float = 5.0  # for one call
    total_seconds: float = 60.0  # for all of them
    memory_mb: int = 1024
    allowed: tuple[str, ...] = ("numpy", "math")  # imports


class Child:
    """A submission's process: started at the first question, and anew after it has died.

    Use it as a context manager. `files` are the names and contents of what was handed in.
    """

    def __init__(
        self, files: Mapping[str, bytes], limits: Limits, *, notebook: bool = False
    ) -> None:
        self._files, self.limits, self._notebook = files, limits, notebook
        self._folder = tempfile.TemporaryDirectory(prefix="submission-", ignore_cleanup_errors=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._late = False
        self._unloadable: Unloadable | None = None
        self._ends = monotonic() + limits.total_seconds
        self._callbacks: list[Callable[..., Any]] = []

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._folder.cleanup()

    def ask(self, message: dict[str, Any], arguments: tuple[Any, ...] = ()) -> Any:
        """The answer to a question. Raises Finding with the sentence that says what is wrong."""
        if self._process is None:
            try:
                self._start()
            except OSError as error:  # no room, no more processes: not the submission's fault
                raise AssignmentError(f"its process cannot be started: {error}") from None
        return self._answer(message, arguments)

    # ---- the process

    def _start(self) -> None:
        if self._unloadable is not None:
            raise self._unloadable
        folder = Path(tempfile.mkdtemp(dir=self._folder.name)).resolve()
        for name, data in self._files.items():
            (folder / name).write_bytes(data)
        settings = {
            "folder": str(folder),
            "files": list(self._files),
            "notebook": self._notebook,
            "found": [str(Path(module.__file__ or "").parents[1]) for module in (tinygpt, np)],
            "allowed": self.limits.allowed,
            "seconds": self.limits.seconds,
            "total_seconds": int(self.limits.total_seconds),
            "memory_mb": self.limits.memory_mb,
        }
        threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        system = {k: v for k, v in os.environ.items() if k in ("SYSTEMROOT", "LD_LIBRARY_PATH")}
        self._late = False
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-X", "utf8", "-c", START, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={"HOME": str(folder), "TMPDIR": str(folder), **threads, **system},
            start_new_session=True,
        )
        try:
            self._answer({"do": "load"}, (), seconds=30.0)
        except Finding as finding:
            self._end()
            self._unloadable = Unloadable(finding.sentence)
            raise self._unloadable from None

    def _end(self) -> None:
        if self._process is None:
            return
        self._kill()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what was to be written has nobody to read it
                cast(IO[bytes], stream).close()
        self._process.wait()
        self._process = None

    def _kill(self) -> None:
        """End it, and what it has started: a child of its own may hold the pipe open."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()

    def _too_late(self) -> None:
        self._late = True
        self._kill()

    # ---- question and answer

    def _answer(
        self, message: dict[str, Any], arguments: tuple[Any, ...], seconds: float = 0.0
    ) -> Any:
        """One question: within its time, or a Finding, and then the process is gone."""
        left = self._ends - monotonic()
        limits = self.limits
        if left <= 0:
            raise Finding(f"not run: all calls together took over {limits.total_seconds:g} seconds")
        timer = threading.Timer(min(limits.seconds + seconds + GRACE, left + GRACE), self._too_late)
        timer.start()
        try:
            return self._exchange(message, arguments)
        except (EOFError, OSError, ValueError, TypeError, LookupError, RecursionError) as cause:
            raise Finding(self._last_words(cause)) from None
        finally:
            timer.cancel()

    def _exchange(self, message: dict[str, Any], arguments: tuple[Any, ...]) -> Any:
        process = cast("subprocess.Popen[bytes]", self._process)
        stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        blobs: list[bytes] = []
        packed = wire.pack(arguments, self._keep, blobs)
        wire.send(stdin, {**message, "arguments": packed}, blobs)
        while True:
            answer, blobs = wire.receive(stdout)
            if "callback" not in answer:
                break
            self._call_back(stdin, answer, blobs)
        if "finding" in answer:
            if answer.get("late"):
                self._end()
            kind = Unwritten if answer.get("unwritten") else Finding
            raise kind(" ".join(str(answer["finding"])[:1000].split()))
        return wire.unpack(answer["result"], self._find, blobs)

    def _call_back(self, stdin: IO[bytes], answer: dict[str, Any], blobs: list[bytes]) -> None:
        """Call a function that we gave as an argument, with the submission's arguments."""
        made: list[bytes] = []
        try:
            given = wire.unpack(answer["arguments"], self._find, blobs)
            result = self._callbacks[answer["callback"]](*given)
            message = {"result": wire.pack(result, self._keep, made)}
        except Exception as cause:  # the fault of its arguments: it is told so
            message, made = {"error": f"{type(cause).__name__}: {cause}"}, []
        wire.send(stdin, message, made)

    def _keep(self, value: Any) -> list[Any]:
        if isinstance(value, wire.Handle):
            return ["handle", value.number]
        if callable(value):
            self._callbacks.append(value)
            return ["callback", len(self._callbacks) - 1]
        raise TypeError(f"a {type(value).__name__} cannot be sent")

    def _find(self, kind: str, rest: list[Any]) -> Any:
        if kind != "handle":
            raise ValueError("no message of ours")
        return wire.handle(int(rest[0]), str(rest[1])[:40])

    def _last_words(self, cause: Exception) -> str:
        """What is said of a process that is no more, or that says what makes no sense."""
        late = self._late
        process = cast("subprocess.Popen[bytes]", self._process)
        try:
            code = process.wait(1.0) if isinstance(cause, EOFError | OSError) else None
        except subprocess.TimeoutExpired:
            code = None
        self._end()
        if late:
            return f"it has not come back in time ({self.limits.seconds:g} s)"
        if code is None:
            return f"its answer cannot be read ({cause})"
        if code == -getattr(signal, "SIGXCPU", 0):
            return f"all calls together took over {self.limits.total_seconds:g} seconds"
        if code < 0:
            name = signal.Signals(-code).name
            return f"the program crashed ({name}): too much memory, or recursion without end"
        return (
            "the program ended in place of an answer (exit, os._exit or the like); end a function "
            "with `return`"
        )
