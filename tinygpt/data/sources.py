"""From what the user wrote after `--data` to texts."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from tinygpt.data.files import read_folder, read_text
from tinygpt.data.recipes import SEED, SHAKESPEARE, STORIES, python_library, tales_corpus
from tinygpt.errors import DataError

RECIPES = {
    "python": "the source of this Python's standard library: on every machine, no network",
    "shakespeare": "Tiny Shakespeare, 1.1 MB, downloaded once (or --from FILE)",
    "tales": "small stories whose probability is known, written by a grammar (--stories, --seed)",
}


@dataclass(frozen=True)
class Source:
    """Texts in a fixed order. `path` is the file they are, if one; `skipped` were not UTF-8."""

    name: str
    texts: list[str]
    path: Path | None = None
    skipped: list[Path] = field(default_factory=list)

    def sha256(self) -> str:
        """Of the texts' UTF-8 with a NUL between two: for one file that of the file itself."""
        digest = hashlib.sha256()
        for i, text in enumerate(self.texts):
            digest.update(b"\0" * (i > 0) + text.encode("utf-8"))
        return digest.hexdigest()


def find_source(
    data: str, *, from_file: str | None = None, stories: int = STORIES, seed: int = SEED
) -> Source:
    """A file, a folder or a recipe: a path that exists wins over a recipe of the same name.

    `from_file` stands in for a recipe's download; `stories` and `seed` are those of tales.
    Raises DataError when `data` is none of them or has no text.
    """
    if from_file is not None:
        return _from_file(data, Path(from_file))
    if os.path.exists(data):  # not Path.exists: it raises for a NUL or too long a name
        return _from_path(Path(data))
    if data == "python":
        texts, skipped = python_library()
        return Source(data, texts, skipped=skipped)
    if data == "shakespeare":
        return Source(data, [SHAKESPEARE.read()], SHAKESPEARE.path())
    if data == "tales":
        return Source(data, [tales_corpus(stories, seed)])
    raise DataError(
        f"{data!r} is neither a file or folder that exists nor a recipe; check the path, "
        f"or choose one of the recipes {', '.join(RECIPES)}"
    )


def _from_file(data: str, path: Path) -> Source:
    if data != "shakespeare":
        raise DataError(
            f"--from goes with the recipe shakespeare, and the data is {data!r}; "
            "name a file of your own without --from"
        )
    return Source(data, [SHAKESPEARE.read(path)], SHAKESPEARE.path())


def _from_path(path: Path) -> Source:
    name = path.resolve().stem or "text"
    if path.is_dir():
        texts, skipped = read_folder(path)
        return Source(name, texts, skipped=skipped)
    if not path.is_file():
        raise DataError(f"{path} is neither a file nor a folder; save its text to a file first")
    return Source(name, [read_text(path)], path)
