"""Text that everyone can have: `python` and `tales` need no network, `shakespeare` one download."""

import hashlib
import http.client
import sysconfig
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tinygpt.data.files import read_bytes, read_folder, read_text, written_whole
from tinygpt.errors import DataError
from tinygpt.tokenizers.protocol import END_OF_TEXT

_SECONDS = 30.0  # a silent server holds us so long at most
_NOT_LIBRARY = ("site-packages", "dist-packages", "test", "tests", "idle_test", "idlelib",
                "lib2to3", "__pycache__")  # fmt: skip

STORIES, SEED = 20_000, 0  # of the recipe tales


def tales_corpus(stories: int = STORIES, seed: int = SEED) -> str:
    """So many tales, each on a line and followed by the line `<|endoftext|>`. Raises DataError."""
    import numpy as np

    from tinygpt import tales

    if stories < 1 or seed < 0:
        raise DataError(
            f"{stories} stories from seed {seed} cannot be written; ask for at least one story, "
            "and give a seed of 0 or more"
        )
    rng = np.random.default_rng(seed)
    return "".join(f"{tales.generate(rng)}\n{END_OF_TEXT}\n" for _ in range(stories))


def python_library() -> tuple[list[str], list[Path]]:
    """The running interpreter's standard library, file by file in the order of their paths.

    Tests, idlelib, lib2to3 and installed packages are left out. Returns the texts and the files
    that were skipped because they are not UTF-8. Raises DataError where Python came without its
    source.
    """
    return read_folder(Path(sysconfig.get_path("stdlib")), {".py"}, _NOT_LIBRARY)


@dataclass(frozen=True)
class Download:
    """One text file on the web, known by the SHA-256 of its bytes; `size` in bytes."""

    name: str
    url: str
    size: int
    sha256: str

    def path(self) -> Path:
        return Path("data", f"{self.name}.txt")

    def read(self, from_file: Path | None = None) -> str:
        """The text, from `data/` under the current folder, else from_file or the web (kept there).

        Raises DataError when there is no network, or when a file is not the one that is meant.
        """
        path = self.path()
        if from_file is not None:
            self._keep(read_bytes(from_file), str(from_file))
        elif not path.exists():
            self._keep(self._fetch(), self.url)
        elif not self._is_meant(read_bytes(path)):
            raise DataError(
                f"{path} is not the text called {self.name}; move it away to have that one "
                "downloaded, or name the file itself to use it as it is"
            )
        return read_text(path)

    def _is_meant(self, raw: bytes) -> bool:
        return hashlib.sha256(raw).hexdigest() == self.sha256

    def _keep(self, raw: bytes, where: str) -> None:
        if not self._is_meant(raw):
            raise DataError(
                f"{where} is not the text called {self.name} ({len(raw):,} bytes and another "
                f"SHA-256 than its {self.size:,}); fetch it again, or name the file itself to use "
                "it as it is"
            )
        with written_whole(self.path()) as file:
            file.write(raw)

    def _fetch(self) -> bytes:
        try:
            with urllib.request.urlopen(self.url, timeout=_SECONDS) as reply:
                raw: bytes = reply.read(self.size + 1)  # one too many shows that it is another file
                return raw
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise DataError(
                f"{self.url} could not be downloaded ({reason}); try again with a network, or "
                f"fetch the file elsewhere and run "
                f"`python -m tinygpt.data {self.name} --from FILE` once"
            ) from error


SHAKESPEARE = Download(
    name="shakespeare",
    url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    size=1_115_394,
    sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)
