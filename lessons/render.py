"""Render the lessons: lessons/src/NN_name.py, run, becomes lessons/NN_name.ipynb.

    python lessons/render.py 03              write the notebook of lesson 03
    python lessons/render.py                 all of them
    python lessons/render.py --check         write nothing: cells equal the source, texts the same
    python lessons/render.py --twice         the same, and a second run gives the same bytes
    python lessons/render.py --html FOLDER   the committed notebooks as web pages; nothing is run

The source is jupytext's py:percent and the only file that anyone edits. A line `HINTS 03.softmax`
in a markdown cell becomes the three hints of that check, unfolding. The same source gives the same
bytes: fixed cell ids, no times, no machine's paths; a cell that warns or fails is an error.
"""

import argparse
import asyncio
import difflib
import os
import re
import sys
import tempfile
import time
from pathlib import Path

try:
    import ipykernel  # noqa: F401 (what runs the cells, in a process of its own)
    import jupytext
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from nbformat import NotebookNode

    from tinygpt.errors import TinyGPTError
    from tinygpt.lesson_checks import find_check
    from tinygpt.threads import written_beside
except ImportError as error:
    print(f"error: {error}; rendering needs pip install '.[lessons]'", file=sys.stderr)  # noqa: T201
    sys.exit(2)

HERE = Path(__file__).resolve().parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELLS, LINES, BYTES = 40, 15, 700_000  # the most of a lesson, of a code cell, of a notebook
TIMEOUT = 300  # seconds that one cell may take
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
    try:
        parsed = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    except UnicodeDecodeError as error:
        raise LessonError(f"{path.name} is not UTF-8: {error}") from None
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
        begun = ["none"]
        client = NotebookClient(
            notebook, timeout=TIMEOUT, kernel_name="python3", coalesce_streams=True,
            extra_arguments=["--log-level=CRITICAL"],
            resources={"metadata": {"path": str(HERE)}},
            on_cell_start=lambda cell, cell_index: begun.append(cell.id),
        )  # fmt: skip
        client.log.disabled = True  # what it would log, the sentences say
        try:
            run(client, environment)
        except CellExecutionError as error:
            raise LessonError(f"{name}, cell {begun[-1]}: {error}") from None
        except CellTimeoutError:
            raise LessonError(f"{name}, cell {begun[-1]} takes over {TIMEOUT} seconds") from None
        except (DeadKernelError, RuntimeError) as error:
            says = (
                f"{name}, cell {begun[-1]}: the kernel died ({error}): a crash, or no memory left"
            )
            raise LessonError(says) from None
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


def run(client: NotebookClient, environment: dict[str, str]) -> None:
    """Run all cells. Ctrl-C ends the kernel and is raised; nbclient would call it a dead kernel."""

    def refuse(*_: object) -> None:
        raise NotImplementedError  # as on Windows; then nbclient leaves signals alone

    loop = asyncio.SelectorEventLoop()
    loop.add_signal_handler = refuse  # type: ignore[method-assign]
    task = loop.create_task(client.async_execute(env=environment))
    try:
        loop.run_until_complete(task)
    except KeyboardInterrupt:
        task.cancel()
        raise
    finally:
        while left := asyncio.all_tasks(loop):  # the interrupted one ends the kernel; its watchman
            for other in left - {task}:
                other.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()


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


def run_source(path: Path) -> tuple[NotebookNode, bytes]:
    """The notebook of one source with its outputs, and the bytes of its file."""
    notebook = read_source(path)
    execute(notebook, path.name)
    rendered = (nbformat.writes(notebook, version=4) + "\n").encode()
    if len(rendered) > BYTES:
        says = f"{path.stem}.ipynb would have {len(rendered)} bytes; {BYTES} are the most"
        raise LessonError(says)
    return notebook, rendered


def render(path: Path, *, check: bool = False, twice: bool = False) -> str:
    """Write the notebook of one source, or with `check` or `twice` compare; what is to be said."""
    started = time.monotonic()
    target = HERE / f"{path.stem}.ipynb"
    notebook, rendered = run_source(path)
    did = f"written, {len(rendered) // 1000} kB"
    if check or twice:
        compare(read_committed(target), notebook, target.name)
        did = "is as its source says"
    else:
        with written_beside(target) as file:
            file.write(rendered)
    if twice:
        again, bytes_again = run_source(path)
        if bytes_again != rendered:
            raise LessonError(
                f"{target.name}: a second run gives other bytes, {apart(notebook, again)}"
            )
        did += ", and a second run gives the same bytes"
    return f"{target.name}: {did} ({time.monotonic() - started:.0f} s)"


def apart(one: NotebookNode, other: NotebookNode) -> str:
    """The first cell in which two notebooks differ."""
    pairs = zip(one.cells, other.cells, strict=False)
    return next((f"first in cell {a.id}" for a, b in pairs if a != b), "though no cell differs")


def read_committed(path: Path) -> NotebookNode:
    """The notebook in its folder. Raises LessonError where there is none, or none that is whole."""
    remedy = f"run python lessons/render.py {path.name[:2]}"
    if not path.exists():
        raise LessonError(f"{path.name} is missing; {remedy}")
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # what it raises depends on what is damaged
        says = str(error).partition("\n")[0].rstrip(".:")[:200]
        raise LessonError(f"{path.name} is damaged ({says}); {remedy}") from None
    return notebook


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
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare, and write nothing")
    mode.add_argument("--twice", action="store_true", help="--check, and two runs give equal bytes")
    mode.add_argument("--html", type=Path, metavar="FOLDER", help="write them all as web pages")
    args = parser.parse_args()
    if args.html and args.numbers:
        parser.error("--html writes all pages, whose links lead to each other: leave out NN")
    try:
        if args.html:
            say(f"open {write_html(args.html)}")
            return 0
        for path in sources(args.numbers):
            say(render(path, check=args.check, twice=args.twice))
    except (TinyGPTError, OSError) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("stopped; every notebook is whole, the one at hand as it was")
        return 130
    return 0


def write_html(folder: Path) -> Path:
    """Write every page into the folder; the one to begin with."""
    try:
        from web_pages import write_pages
    except ImportError as error:
        raise LessonError(f"{error}; web pages need pip install '.[lessons]'") from None
    for path in HERE.glob("*.ipynb"):
        read_committed(path)
    pages = write_pages(folder)
    return next(page for page in pages if page.name == "index.html")


def say(what: str) -> None:
    print(what, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
