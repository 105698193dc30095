"""What Python itself refuses to a submission: an audit hook, which cannot be removed.

Python tells such a hook of every file that is opened, by `open` or inside NumPy, of every program,
connection, foreign function and signal (PEP 578). It is no sandbox: whoever writes into memory goes
round it, and before Python 3.14 it is not told of the private function with which `subprocess`
starts programs (GH-115322). On Linux the kernel stands behind it (`kernel.py`).
"""

import os
import sys
from collections.abc import Callable, Iterable
from types import FunctionType, ModuleType
from typing import Any

REFUSED = {  # the beginning of an event's name, and what is said
    "os.": "files, folders and other processes cannot be touched here",
    "shutil.": "files and folders cannot be touched here",
    "subprocess.": "no other program can be started here",
    "_posixsubprocess.": "no other program can be started here",
    "pty.": "no other program can be started here",
    "socket.": "there is no network here",
    "ctypes.": "foreign functions cannot be called here",
    "signal.": "other processes cannot be touched here",
    "fcntl.": "files cannot be touched here",
    "resource.": "the limits cannot be changed here",
    "sqlite3.": "files cannot be touched here",
    "_winapi.": "no other program can be started here",
}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def readable(folder: str, modules: Iterable[ModuleType]) -> list[str]:
    """The folders that may be read: the submission's own, Python's library, these packages."""
    found = [folder, *sys.path]
    for module in modules:
        for path in getattr(module, "__path__", ()):
            found += [path, f"{path}.libs"]  # the libraries that NumPy's wheel brings along
    return [path for path in dict.fromkeys([*found, *map(os.path.realpath, found)]) if path]


def refuse_the_rest(folder: str, roots: list[str]) -> None:
    """From here on this process reads files in `roots` and does nothing else beyond itself."""
    heads = tuple(root.replace("\\", "/").rstrip("/") + "/" for root in roots)
    own = folder.replace("\\", "/") + "/"
    sys.addaudithook(_hook(heads, own))


def _hook(heads: tuple[str, ...], own: str) -> Callable[[str, tuple[Any, ...]], None]:
    """What it needs is bound as defaults, which are immutable: it calls nothing that a submission
    could exchange, and refuses that its own code and defaults are exchanged."""

    def may_be_read(
        path: Any,
        heads: tuple[str, ...] = heads,
        own: str = own,
        builtin: tuple[Any, ...] = (type, str, int, len, any),
    ) -> Any:
        kind_of, text, number, length, some = builtin
        if kind_of(path) is not text:  # a number: it was opened before; else a trick
            return path is None or kind_of(path) is number
        path = path.replace("\\", "/")
        if not path.startswith("/") and path[1:3] != ":/":
            path = own + path
        path += "/"
        if "/../" in path:
            return False
        # below Python's library may lie what others have installed
        return some(path.startswith(head) and "-packages/" not in path[length(head) :]
                    for head in heads)  # fmt: skip

    def hook(
        event: str,
        given: tuple[Any, ...],
        may_be_read: Callable[[Any], Any] = may_be_read,
        refused: tuple[tuple[str, str], ...] = tuple(REFUSED.items()),
        looks: tuple[str, ...] = ("open", "os.listdir", "os.scandir"),  # may go on, in places
        writes: int = WRITES,
        builtin: tuple[Any, ...] = (type, int, PermissionError),
        this: tuple[Any, ...] = (FunctionType, refuse_the_rest.__code__.co_filename),
    ) -> None:
        kind_of, number, error = builtin
        if event in looks:
            if not may_be_read(given[0]):
                raise error(f"{given[0]!r} lies outside the folder of this program")
            if event == "open" and kind_of(given[2]) is number and given[2] & writes:
                raise error("files cannot be written here")
            return
        if event == "object.__setattr__":
            function, file = this
            if kind_of(given[0]) is function and given[0].__code__.co_filename == file:
                raise error("this function cannot be changed")
        for begin, says in refused:
            if event.startswith(begin):
                raise error(says)

    return hook
