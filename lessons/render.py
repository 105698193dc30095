"""Render the lessons: lessons/src/NN_name.py, run, becomes lessons/NN_name.ipynb.

    python lessons/render.py 03              write the notebook of lesson 03
    python lessons/render.py                 all of them
    python lessons/render.py --check         write nothing: cells equal the source, texts the same

The source is jupytext's py:percent and the only file that anyone edits. A line `HINTS 03.softmax`
in a markdown cell becomes the three hints of that check, unfolding. The same source gives the same
bytes: fixed cell ids, no times, no machine's paths; a cell that warns or fails is an error.
"""

import argparse
import difflib
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from tinygpt.errors import TinyGPTError
from tinygpt.lesson_checks import find_check

HERE = Path(__file__).resolve().parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELLS, LINES, BYTES = 40, 15, 700_000  # the most of a lesson, of a code cell, of a notebook
MACHINE = re.compile(  # what would differ on another machine
    rf"{re.escape(str(HERE.parent))}|{re.escape(str(Path.home()))}/|ipykernel_\d|\bat 0x[0-9a-f]+"
)


class LessonError(TinyGPTError):
    """A lesson that cannot be rendered, or whose notebook is not what its source gives."""


def sources(numbers: list[str]) -> list[Path]:
    """The source files of these lessons, or of all."""
    every = sorted((HERE / "src").glob("[0-9][0-9]_*.py"))
    known = {path.name[:2] for path in every}
    if set(numbers) - known:
        raise LessonError(f"there is no lesson {', '.join(sorted(set(numbers) - known))}")
    return [path for path in every if not numbers or path.name[:2] in numbers]


def unfold_hints(text: str) -> str:
    """Each line `HINTS NN.name` as three hints that unfold."""

    def hints(found: re.Match[str]) -> str:
        return "\n\n".join(
            f"<details><summary>Hint {n} for <code>{found[1].split('.')[1]}</code></summary>"
            f"\n\n{hint}\n\n</details>"
            for n, hint in enumerate(find_check(found[1]).hints, 1)
        )

    return re.sub(r"^HINTS (\S+)$", hints, text, flags=re.M)


def read_source(path: Path) -> NotebookNode:
    """The notebook without outputs that a source describes."""
    parsed = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    notebook = nbformat.v4.new_notebook(metadata=METADATA, nbformat_minor=5)
    for i, cell in enumerate(parsed.cells):
        make = nbformat.v4.new_code_cell
        if cell.cell_type == "markdown":
            make = nbformat.v4.new_markdown_cell
            cell.source = unfold_hints(cell.source)
        elif len(cell.source.splitlines()) > LINES:
            raise LessonError(f"{path.name}, cell {i}: more than {LINES} lines of code")
        tags = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        notebook.cells.append(make(cell.source, id=f"{path.name[:2]}-{i:03d}", metadata=tags))
    if len(notebook.cells) > CELLS:
        raise LessonError(f"{path.name} has {len(notebook.cells)} cells; {CELLS} are the most")
    return notebook


def execute(notebook: NotebookNode, name: str) -> None:
    """Run every cell from the lessons' folder, and leave nothing in it that another run changes."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "IPYTHONDIR": home, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        client = NotebookClient(
            notebook, timeout=300, kernel_name="python3", coalesce_streams=True,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": str(HERE)}},
        )  # fmt: skip
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            raise LessonError(f"{name}: {error}") from None
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if "no-output" in cell.metadata.get("tags", []):  # it shows times: the learner runs it
            cell.outputs = []
        for output in cell.get("outputs", []):
            output.get("metadata", {}).clear()
            for text in texts(output):
                if output.get("name") == "stderr":
                    raise LessonError(f"{name}, cell {cell.id} writes to stderr: {text}")
                if MACHINE.search(text):
                    raise LessonError(f"{name}, cell {cell.id} shows this machine: {text}")


def texts(output: NotebookNode) -> list[str]:
    """The texts of an output; a picture is its description."""
    return [output.text] if "text" in output else [output.get("data", {}).get("text/plain", "")]


def what_a_reader_sees(notebook: NotebookNode) -> list[tuple[str, str, str, list[object]]]:
    """Each cell's id, source and texts, and which outputs are pictures (not their bytes, which
    another version of a font may change)."""
    return [
        (cell.id, cell.cell_type, cell.source, [
            (texts(output), "image/png" in output.get("data", {}))
            for output in cell.get("outputs", [])
        ])
        for cell in notebook.cells
    ]  # fmt: skip


def render(path: Path, *, check: bool) -> str:
    """Write (or with `check` compare) the notebook of one source; what is to be said about it."""
    started = time.monotonic()
    target = HERE / f"{path.stem}.ipynb"
    notebook = read_source(path)
    execute(notebook, path.name)
    rendered = nbformat.writes(notebook, version=4) + "\n"
    if len(rendered) > BYTES:
        raise LessonError(f"{target.name} would have {len(rendered)} bytes; {BYTES} are the most")
    if not check:
        target.write_text(rendered, encoding="utf-8", newline="\n")
    elif not target.exists():
        raise LessonError(f"{target.name} is missing; python lessons/render.py {path.name[:2]}")
    else:
        compare(nbformat.read(target, as_version=4), notebook, target.name)
    did = "is as its source says" if check else f"written, {len(rendered) // 1000} kB"
    return f"{target.name}: {did} ({time.monotonic() - started:.0f} s)"


def compare(old: NotebookNode, new: NotebookNode, name: str) -> None:
    """Raise LessonError for the first cell in which the committed notebook differs."""
    remedy = f"run python lessons/render.py {name[:2]}"
    if len(old.cells) != len(new.cells):
        raise LessonError(
            f"{name} has {len(old.cells)} cells, its source {len(new.cells)}; {remedy}"
        )
    if old.metadata != new.metadata:
        raise LessonError(f"{name} has other metadata than rendering gives; {remedy}")
    for was, now in zip(what_a_reader_sees(old), what_a_reader_sees(new), strict=True):
        for what, a, b in zip(("id", "kind", "source", "output"), was, now, strict=True):
            if a != b:
                lines = [str(side).replace("\\n", "\n").splitlines() for side in (a, b)]
                shown = "\n".join(
                    difflib.unified_diff(*lines, "committed", "now", n=0, lineterm="")
                )
                raise LessonError(f"{name}, cell {was[0]}: the {what} differs; {remedy}\n{shown}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Render the lessons, or check that they are.")
    parser.add_argument("numbers", nargs="*", metavar="NN", help="which lessons (default: all)")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    args = parser.parse_args()
    try:
        for path in sources(args.numbers):
            print(render(path, check=args.check), file=sys.stderr)  # noqa: T201
    except TinyGPTError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
