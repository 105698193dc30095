"""Notebooks: one is made for the students who like them, and handed-in ones are read."""

import ast
import json
from typing import Any

from tinygpt.errors import AssignmentError

_TIMING = ("%%time", "%%timeit", "%%capture")


def to_notebook(module: str, handout: str, last: str) -> str:
    """A notebook: the handout, the module in cells of one function each, and a last cell."""
    lines = module.splitlines()
    cells = [_cell("markdown", handout, 0)]
    begin = 0
    for node in ast.parse(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
            _add(cells, lines[begin:first])
            begin = node.end_lineno or 0
            while begin < len(lines) and lines[begin].startswith(" "):  # a comment at its end
                begin += 1
            _add(cells, lines[first:begin])
    _add(cells, lines[begin:])
    _add(cells, last.splitlines())
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    book = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


def _add(cells: list[dict[str, Any]], lines: list[str]) -> None:
    text = "\n".join(lines).strip("\n")
    if text.strip():
        cells.append(_cell("code", text, len(cells)))


def _cell(kind: str, text: str, number: int) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": f"cell-{number:03}",
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}


def to_module(notebook: bytes) -> str:
    """The code cells of a notebook as one text, without its magics. Raises AssignmentError.

    >>> to_module(b'{"cells": [{"cell_type": "code", "source": ["%matplotlib\\\\n", "x = 1"]}]}')
    '# cell 1\\npass\\nx = 1\\n'
    """
    try:
        cells = json.loads(notebook)["cells"]
        codes = [c["source"] for c in cells if c["cell_type"] == "code"]
        texts = [code if isinstance(code, str) else "".join(code) for code in codes]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise AssignmentError("the notebook is damaged: save it again and hand it in") from None
    return "".join(f"# cell {i}\n{_plain(text)}\n" for i, text in enumerate(texts, 1))


def _plain(text: str) -> str:
    """A cell without `%magic` and `!command`; nothing of a cell in another language."""
    if text.lstrip().startswith("%%") and not text.lstrip().startswith(_TIMING):
        return ""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "\n".join(map(_plain_line, text.split("\n")))
    return text  # a line that begins with % is the rest of an expression


def _plain_line(line: str) -> str:
    start = line.lstrip()
    magic = start.startswith(("%", "!", "?")) or start.rstrip().endswith("?")
    return line[: len(line) - len(start)] + "pass" if magic else line
