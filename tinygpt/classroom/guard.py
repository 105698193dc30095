"""What Python itself refuses to a submission: an audit hook, which nothing can take away again.

Python tells such a hook of every file that is opened, by `open` or inside NumPy, of every program,
connection, foreign function and signal (PEP 578). It is no sandbox: whoever writes into memory goes
round it. On Linux the kernel stands behind it (`kernel.py`).
"""

import os
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

REFUSED = {  # the beginning of an event's name, and what is said
    "os.": "files, folders and other processes cannot be touched here",
    "shutil.": "files and folders cannot be touched here",
    "subprocess.": "no other program can be started here",
    "pty.": "no other program can be started here",
    "socket.": "there is no network here",
    "ctypes.": "foreign functions cannot be called here",
    "signal.": "other processes cannot be touched here",
    "fcntl.": "files cannot be touched here",
    "resource.": "the limits cannot be changed here",
    "sqlite3.": "files cannot be touched here",
    "_winapi.": "no other program can be started here",
}
LOOKS = ("open", "os.listdir", "os.scandir")  # may go on, in some folders
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def readable(folder: str, modules: Iterable[ModuleType]) -> list[str]:
    """The folders that may be read: the submission's own, Python's library, these packages."""
    found = [folder, *sys.path]
    for module in modules:
        for path in getattr(module, "__path__", ()):
            found += [path, f"{path}.libs"]  # the libraries that NumPy's wheel brings along
    return [path for path in dict.fromkeys([*found, *map(os.path.realpath, found)]) if path]


def refuse_the_rest(folder: str, roots: list[str]) -> None:
    """From here on this process reads files in `roots` and does nothing else beyond itself.

    What the hook needs is bound here: it calls no function that a submission could exchange.
    """
    heads = tuple(root.replace("\\", "/").rstrip("/") + "/" for root in roots)
    refused, looks, writes = tuple(REFUSED.items()), LOOKS, WRITES
    own = folder.replace("\\", "/") + "/"
    kind_of, len_of, some, text, whole, error = type, len, any, str, int, PermissionError

    def may_be_read(path: Any) -> bool:
        if kind_of(path) is not text:  # a number: it was opened before; else a trick
            return path is None or kind_of(path) is whole
        path = path.replace("\\", "/")
        if not path.startswith("/") and path[1:3] != ":/":
            path = own + path
        path += "/"
        if "/../" in path:
            return False
        # below Python's library may lie what others have installed
        return some(path.startswith(head) and "-packages/" not in path[len_of(head) :]
                    for head in heads)  # fmt: skip

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event in looks:
            if not may_be_read(given[0]):
                raise error(f"{given[0]!r} lies outside the folder of this program")
            if event == "open" and kind_of(given[2]) is whole and given[2] & writes:
                raise error("files cannot be written here")
            return
        for begin, says in refused:
            if event.startswith(begin):
                raise error(says)

    sys.addaudithook(hook)
