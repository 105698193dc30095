"""A learner's endless loop ends in a sentence: the work runs in a thread and is watched."""

import contextlib
import contextvars
import ctypes
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

POLL = 0.1  # seconds between two looks at the thread; Windows takes Ctrl-C no sooner than that
GRACE = 1.0  # seconds for a stopped thread to end


class Stopped(BaseException):
    """Raised inside the work's thread to end it. No Exception: `except Exception` lets it pass."""


def run_watched(work: Callable[[], T], is_late: Callable[[], bool], on_late: Callable[[], T]) -> T:
    """work() in a thread of its own; once is_late() says so, on_late() and an end to the thread.

    This works in a notebook's main thread and in any other, on Linux, macOS and Windows. The work
    sees the caller's context variables; its exceptions are raised here. Ctrl-C here ends it too.

    What Python code does is stopped between two of its steps. One long call into C (a sleep, a
    huge product of matrices) cannot be: `on_late` is returned all the same, while the thread goes
    on until that call comes back. Nothing helps against a call that never lets go of the
    interpreter (`10 ** 10 ** 10`), and nothing against `os._exit`.
    """
    result: list[T] = []
    errors: list[BaseException] = []
    context = contextvars.copy_context()
    ended = threading.Event()  # Thread.join, interrupted by Ctrl-C, takes the thread for ended

    def target() -> None:
        with contextlib.suppress(Stopped):  # it may come at any step, also at the next two
            try:
                result.append(context.run(work))
            except BaseException as error:
                errors.append(error)
        ended.set()

    thread = threading.Thread(target=target, daemon=True)
    try:
        thread.start()
        while not ended.wait(POLL) and not is_late():
            pass
        if not ended.is_set():
            return on_late()
    finally:
        _stop(thread, ended)
    if errors:
        raise errors[0]
    return result[0]


def _stop(thread: threading.Thread, ended: threading.Event) -> None:
    """Raise Stopped in a thread that has not ended, where the interpreter can (CPython)."""
    raise_in = getattr(getattr(ctypes, "pythonapi", None), "PyThreadState_SetAsyncExc", None)
    until = time.monotonic() + GRACE
    while raise_in is not None and not ended.is_set() and time.monotonic() < until:
        raise_in(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Stopped))
        ended.wait(POLL)  # again: a bare `except:` may have swallowed it


def frames_below(frame: FrameType | None) -> list[FrameType]:
    """The frames of a stack, the innermost first."""
    found = []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found
