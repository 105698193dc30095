"""Reading text from files and folders, and writing files that are whole or not there."""

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO

from tinygpt.errors import DataError
from tinygpt.threads import written_beside

TEXT_SUFFIXES = {
    ".txt", ".text", ".md", ".markdown", ".rst", ".tex", ".org", ".srt", ".csv", ".tsv", ".html",
    ".htm", ".xml", ".json", ".jsonl", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".py", ".pyi",
    ".js", ".ts", ".css", ".c", ".h", ".cc", ".cpp", ".hpp", ".java", ".kt", ".rs", ".go", ".rb",
    ".php", ".pl", ".lua", ".r", ".jl", ".hs", ".ml", ".scala", ".swift", ".cs", ".sh", ".sql",
}  # fmt: skip


def decode_text(raw: bytes) -> str | None:
    """The text, or None where the bytes are not UTF-8 text.

    A byte-order mark at the start is dropped (it is no part of the text); line ends stay as they
    are. A NUL counts as binary: UTF-16 without its mark would otherwise pass for UTF-8.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def read_bytes(path: Path) -> bytes:
    """Raises DataError when the file cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); check that it is there and who may read it"
        ) from error


def read_text(path: Path) -> str:
    """Raises DataError when the file cannot be read, is not UTF-8, or is empty."""
    text = decode_text(read_bytes(path))
    if text is None:
        raise DataError(
            f"{path} is not text in UTF-8; save it as UTF-8, or give a file that is text"
        )
    if not text:
        raise DataError(f"{path} is empty; give a file that has text in it")
    return text


def files_below(folder: Path, suffixes: Collection[str], leave_out: Collection[str]) -> list[Path]:
    """All files of these suffixes, sorted by path, without hidden ones and folders left out."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".") and f not in leave_out]
        found += [
            Path(parent, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes
        ]
    return sorted(
        (path for path in found if path.is_file()), key=lambda path: path.relative_to(folder).parts
    )


def read_folder(
    folder: Path, suffixes: Collection[str] = TEXT_SUFFIXES, leave_out: Collection[str] = ()
) -> tuple[list[str], list[Path]]:
    """The texts below the folder in order, and the files skipped because they are not UTF-8.

    Empty files are left out. Raises DataError when no text is found.
    """
    texts, skipped = [], []
    for path in files_below(folder, suffixes, leave_out):
        text = decode_text(read_bytes(path))
        if text is None:
            skipped.append(path)
        elif text:
            texts.append(text)
    if not texts:
        raise DataError(
            f"the folder {folder} has no text files in UTF-8 (such as .txt, .md, .py); "
            "put some there, or name a file"
        )
    return texts, skipped


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that appears at `path` when the block ends well, and else leaves no trace.

    Missing folders are made. Raises DataError when it cannot be written.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; name the file to write in it")
    try:
        with written_beside(path) as file:
            yield file
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}); choose another place, or make room"
        ) from error
