"""Who wrote what others wrote, word for word: a flag for the teacher to look at, and no verdict.

A text becomes the set of its runs of twelve words (names, numbers, signs; no comments, no layout).
What the released stubs have is taken away first. Renaming a variable is enough to go unseen.
"""

import io
import tokenize
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

RUN = 12  # words
LEAST = 20  # runs: shorter code is alike by itself
SHOWN = 3  # who is most like somebody
LIBRARY = ("ops/*.py", "sampling.py", "transformer.py", "model.py", "gradcheck.py",
           "lesson_checks/c??.py")  # fmt: skip

Runs = frozenset[tuple[str, ...]]


def runs(text: str) -> Runs:
    """Every run of twelve words of a program; what cannot be read further is left out.

    >>> len(runs("a = b + c * (d - e) / f")), len(runs("a = b"))
    (2, 0)
    """
    words: list[str] = []
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type not in skipped and token.string and not token.string.startswith('"""'):
                words.append(token.string)
    except Exception:  # also SystemError: Python 3.12's tokenizer stumbles over some bytes
        pass
    return frozenset(tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1))


def library_runs() -> dict[str, Runs]:
    """The runs of the library's files that hold answers."""
    package = Path(__file__).parents[1]
    paths = [path for pattern in LIBRARY for path in sorted(package.glob(pattern))]
    return {str(p.relative_to(package.parent)): runs(p.read_text("utf-8")) for p in paths}


def flags(
    texts: dict[str, str], stubs: str, *, least: float = 0.5, same: float = 0.8
) -> dict[str, list[str]]:
    """Notes on each student: how much is the library's (from `least` on), and whose code is the
    same (from `same` on)."""
    given = runs(stubs)
    own = {name: runs(text) - given for name, text in texts.items()}
    notes: dict[str, list[str]] = {name: [] for name in texts}
    library = library_runs()
    for name, mine in own.items():
        if len(mine) >= LEAST:
            shares = [(len(mine & theirs) / len(mine), file) for file, theirs in library.items()]
            share, file = max(shares)
            if share >= least:
                notes[name].append(f"{share:.0%} of the code stands in {file}, word for word")
    alike: dict[str, list[tuple[float, str]]] = {name: [] for name in texts}
    for one, other in _pairs(own):
        share = len(own[one] & own[other]) / len(own[one] | own[other])
        if share >= same:
            alike[one].append((share, other))
            alike[other].append((share, one))
    for name, found in alike.items():
        found.sort(key=lambda pair: -pair[0])
        said = [f"{share:.0%} the same as {other}" for share, other in found[:SHOWN]]
        rest = [f"and as {len(found) - SHOWN} others"] * (len(found) > SHOWN)
        notes[name] += [", ".join([*said, *rest])] * bool(said)
    return notes


def _pairs(own: dict[str, Runs]) -> Iterable[tuple[str, str]]:
    return combinations([name for name, mine in own.items() if len(mine) >= LEAST], 2)
