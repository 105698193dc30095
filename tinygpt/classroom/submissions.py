"""What was handed in: folders, zip files, modules or notebooks, read with care.

Nothing is unpacked: of a zip file, only the files that the manifest names are read, into memory.
"""

import ast
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from tinygpt.classroom.manifest import Assignment, Constants
from tinygpt.classroom.notebook import to_module
from tinygpt.classroom.source import UNWRITTEN
from tinygpt.errors import AssignmentError

LARGEST_FILE = 2 * 2**20  # bytes of one file that is handed in
LARGEST_ZIP = 100 * 2**20  # bytes of a zip file's contents
MOST_FILES = 2000

Members = dict[str, Callable[[], bytes]]  # path with /, and how to read it


@dataclass
class Handed:
    """One submission: the files to run, or the reason why there is nothing to run."""

    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    problem: str = ""
    notes: list[str] = field(default_factory=list)
    notebook: bool = False  # the first file was a notebook


def find_submissions(folder: Path) -> list[Path]:
    """One path for each student, by name. Raises AssignmentError if there are none."""
    if folder.is_file():
        raise AssignmentError(f"{folder} is a file; unpack it, and give the folder of submissions")
    if not folder.is_dir():
        raise AssignmentError(f"{folder} is no folder; give the folder with the submissions")
    found = [path for path in sorted(folder.iterdir()) if _is_submission(path)]
    if not found:
        raise AssignmentError(f"{folder} has no submissions: folders, .zip, .py or .ipynb files")
    return found


def passed_over(folder: Path) -> list[str]:
    """Names in the folder that are no submission and may have been meant as one: jane.rar."""
    names = [path.name for path in sorted(folder.iterdir()) if not _is_submission(path)]
    return [name for name in names if not name.startswith((".", "__"))]


def _is_submission(path: Path) -> bool:
    if path.name.startswith((".", "__")):
        return False
    return path.is_dir() or path.suffix.lower() in (".zip", ".py", ".ipynb")


def read_submission(path: Path, assignment: Assignment, constants: Constants) -> Handed:
    """What a student handed in; whatever is wrong with it stands in `problem`."""
    handed = Handed(path.name if path.is_dir() else path.stem)
    try:
        members = _members(path)
        inner = [name for name in members if name.lower().endswith(".zip")]
        if (
            path.is_dir()
            and len(inner) == 1
            and not any(name.endswith((".py", ".ipynb")) for name in members)
        ):
            members = _members(path / inner[0])
        for file in assignment.files:
            _take(handed, members, file, assignment, alone=list(members) == [path.name])
        _compare_constants(handed, assignment, constants)
    except AssignmentError as error:
        handed.problem = str(error)
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        handed.problem = f"{path.name} cannot be read ({error}): hand it in again"
    return handed


def _members(path: Path) -> Members:
    """The files of a folder, of a zip file, or the file itself."""
    if path.is_symlink():
        raise AssignmentError(f"{path.name} is a link: hand in the file itself")
    if path.suffix.lower() == ".zip" and path.is_file():
        return _zipped(path)
    if path.is_file():
        return {path.name: lambda: _read(path)}
    members: Members = {}
    for file in sorted(_files(path)):
        members[file.relative_to(path).as_posix()] = lambda file=file: _read(file)  # type: ignore[misc]
        if len(members) > MOST_FILES:
            raise AssignmentError(f"over {MOST_FILES:,} files: hand in the assignment's alone")
    return members


def _files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, without links and without what Python, git and editors put there:
    `.venv` alone has thousands."""
    for inside, folders, names in os.walk(folder, onerror=_fail):  # it follows no link
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        if "pyvenv.cfg" in names:
            folders[:] = []
        files = [Path(inside, name) for name in names]
        yield from (file for file in files if file.is_file() and not file.is_symlink())


def _fail(error: OSError) -> None:
    raise error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return _capped(path.name, file.read(LARGEST_FILE + 1))


def _capped(name: str, data: bytes) -> bytes:
    if len(data) > LARGEST_FILE:
        raise AssignmentError(
            f"{name} is larger than {LARGEST_FILE // 2**20} MB: clear its outputs"
        )
    return data


def _zipped(path: Path) -> Members:
    """The files of a zip file that stays within itself and is not too large."""
    too_large = AssignmentError(
        f"the zip file holds over {MOST_FILES:,} files or {LARGEST_ZIP // 2**20} MB: zip the "
        "assignment's files alone"
    )
    if path.stat().st_size > LARGEST_ZIP:
        raise too_large
    with zipfile.ZipFile(path) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MOST_FILES or sum(info.file_size for info in infos) > LARGEST_ZIP:
        raise too_large
    for info in infos:
        name = info.filename
        if ".." in PurePosixPath(name).parts or name.startswith("/") or "\\" in name or ":" in name:
            raise AssignmentError(f"the zip file has the name {name!r}, which leaves its folder")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise AssignmentError(f"{name} in the zip file is a link: zip the file itself")

    def read(info: zipfile.ZipInfo) -> bytes:
        with zipfile.ZipFile(path) as archive, archive.open(info) as file:
            return _capped(info.filename, file.read(LARGEST_FILE + 1))

    return {info.filename: lambda info=info: read(info) for info in infos}  # type: ignore[misc]


def _take(
    handed: Handed, members: Members, file: str, assignment: Assignment, *, alone: bool
) -> None:
    """Put the file that the manifest names into `handed`, be it a module or a notebook. One that
    was handed in `alone` may have the student's name."""
    seen = [name for name in members if not re.search(r"(^|/)(\.[^/]|__)", name)]
    seen.sort(key=lambda name: (name.count("/"), name))
    stem = PurePosixPath(file).stem
    module = _named(seen, file)
    notebook = _named(seen, f"{stem}.ipynb")
    if module is None and notebook is None and file == assignment.files[0]:
        rest = [name for name in seen if name.endswith((".py", ".ipynb"))]
        if len(rest) > 1:
            rest = [name for name in rest if not re.search(r"(^|/)test_[^/]*$|_test\.py$", name)]
        if len(rest) == 1:
            module, notebook = (rest[0], None) if rest[0].endswith(".py") else (None, rest[0])
            if not alone:
                handed.notes.append(f"{file} is missing; {rest[0]} was taken in its place")
    data = members[module]() if module is not None else b""
    stubs = data.count(UNWRITTEN.encode())
    if notebook is not None and (module is None or stubs >= len(assignment.functions)):
        handed.files[file] = to_module(members[notebook]()).encode("utf-8", "replace")
        handed.notebook = handed.notebook or file == assignment.files[0]
    elif module is None:
        there = ", ".join(seen[:6]) or "nothing"
        raise AssignmentError(f"{file} is missing; handed in: {there}")
    elif not data.strip():
        raise AssignmentError(f"{file} is empty")
    else:
        handed.files[file] = data
        if notebook is not None:
            handed.notes.append(f"{module} was taken, and {notebook} beside it was not")
    taken = notebook if handed.files.get(file) is not data else module
    beside = [n for n in seen if taken and n != taken and _base(n) == _base(taken)]
    if beside:
        handed.notes.append(f"{taken} was taken; there is {', '.join(beside[:3])}, too")


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _named(names: list[str], file: str) -> str | None:
    """The name that is this file's; else one that a platform has put something before."""
    for name in names:
        if _base(name) == file:
            return name
    ending = [name for name in names if re.search(rf"[_\- ]{re.escape(file)}$", name)]
    return ending[0] if len(ending) == 1 else None


def _compare_constants(handed: Handed, assignment: Assignment, constants: Constants) -> None:
    """A note for each constant of the class that has another value in the file."""
    text = handed.files[assignment.files[0]].decode("utf-8", "replace")
    for name, value in constants.items():
        found = re.findall(rf"^{name.upper()} = ([^#\n]*)", text, re.MULTILINE)
        for said in list(dict.fromkeys(word.strip()[:40] for word in found))[:3]:
            if _value(said) != value:
                handed.notes.append(
                    f"{name.upper()} is {said} in the file and {value!r} in this class"
                )


def _value(text: str) -> Any:
    """What a constant is, however it is written: 1e-6 and 0.000001 are the same."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
