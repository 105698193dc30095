"""Looks for answers in whatever is given away: folders, notebooks, wheels, zip in zip."""

import ast
import io
import json
import zipfile

from tinygpt.classroom import source

LONG = 32  # letters: shorter lines (`return y`) stand in many programs
# Lines that the lessons and their checks, which are public, have as well
PUBLIC = {
    "grad[i] = (f(x + d) - f(x - d)) / 2e-5",
    'x = p["wte"][ids] + p["wpe"][: ids.shape[1]]',
    "result = np.full(len(logits), -np.inf)",
    "e = np.exp(x - x.max(axis=-1, keepdims=True))",
    "i = np.arange(float(np.prod(shape)))",
    "e = np.exp(s - s.max(axis=-1, keepdims=True))",
    "s = q @ k.swapaxes(-1, -2) / math.sqrt(D)",
    "for dtype in (np.float32, np.float64):",
    "many = rows > 1 and abs(loss - rows * right) < 1e-9 * rows",
    'expect(not many, "the loss is the sum over the rows and should be their mean", f,',
    "yours=loss, right=right)  # fmt: skip",
    'expect_close(f, loss, right, "large logits give a wrong loss")',
    "expect_array(f, f(logits.astype(dtype), ids), logits.shape, dtype)",
}


def secrets(assignment, constants):
    """Every line between the solution's markers; of every hidden test and of what it calls the
    name, the lines and the hint; of every wrong solution the lines; without what students are given
    in the public tests, the handout and the parts."""
    given = ["public_tests.py", "handout.md", *assignment.given]
    public = "\n".join((assignment.folder / name).read_text("utf-8") for name in given)
    lines = [*_solution_lines(assignment, constants)]
    lines += [
        *_test_lines(assignment, "hidden_tests.py"),
        *_test_lines(assignment, "wrong_solutions.py"),
    ]
    lines += [task.hint for task in assignment.tasks if task.hidden]
    return [line for line in dict.fromkeys(lines) if line not in public and line not in PUBLIC]


def _solution_lines(assignment, constants):
    inside = False
    for line in map(str.strip, source.solution_text(assignment, constants).splitlines()):
        if line in (source.BEGIN, source.END):
            inside = line == source.BEGIN
        elif inside and len(line) > LONG:
            yield line


def _test_lines(assignment, name):
    text = (assignment.folder / name).read_text("utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            if [argument.arg for argument in node.args.args][:1] == ["student"]:
                yield node.name
            lines = map(str.strip, text.splitlines()[node.lineno : node.end_lineno])
            yield from (line for line in lines if len(line) > LONG)


def texts(name, data):
    """Every text in a file: (where, text). What is packed is unpacked, what is escaped is read."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for inner in archive.namelist():
                yield from texts(f"{name}: {inner}", archive.read(inner))
    elif name.endswith(".ipynb"):
        cells = json.loads(data)["cells"]
        yield name, "\n".join(["".join(cell["source"]) + json.dumps(cell) for cell in cells])
    else:
        yield name, data.decode("utf-8", "replace")


def leaks(path, words):
    """What of `words` stands in a file, or in any file of a folder: [(where, word)]. Files of
    compiled Python are leaks themselves: they hold a program without its lines."""
    found = []
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if file.is_file():
            for where, text in texts(file.name, file.read_bytes()):
                found += [(where, word) for word in words if word in text]
                found += [(where, "compiled")] * where.endswith(".pyc")
    return found
