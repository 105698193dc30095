"""The package is read from top to bottom: a file imports only what the reader has already seen."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import tinygpt

PACKAGE = Path(tinygpt.__file__).parent

# The table of the design, in reading order: a file imports from rows above its own and from its
# left in its own row. A sub-package is one place; its __main__.py is a command, in the last row.
ROWS = [
    "errors",
    "threads",
    "backend",
    "probe",
    "config",
    "ops",
    "gradcheck",
    "tokenizers",
    "tales",
    "params flops",
    "kv_cache data corpus",
    "transformer optim",
    "model",
    "panels int8",
    "parallel",
    "checkpoint convert",
    "sampling decoding speculative generation",
    "evaluation choices speed inspection",
    "lesson_checks",
    "commands",
    "classroom",
    "serve",
    "progress plot presets run_settings run_state fine_tuning training run_start explain "
    "proofs display interactive regression train generate_flags generate evaluate tokenize prove "
    "bench_report bench data.__main__ checkpoint.__main__ convert.__main__ "
    "classroom.__main__ serve.__main__",
]
PLACE = {name: (r, c) for r, row in enumerate(ROWS) for c, name in enumerate(row.split())}
FILES = sorted(
    path.relative_to(PACKAGE)
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).as_posix() not in ("__init__.py", "__main__.py")
)
HOME = vars(tinygpt)["_HOME"]


def unit(parts):
    """The name in the table: a file, or the sub-package that it lies in."""
    return ".".join(parts) if parts[-1] == "__main__" else parts[0]


def tree_of(file):
    return ast.parse((PACKAGE / file).read_text("utf-8"))


def imports_of(file):
    """Full dotted names that the file imports, wherever in it."""
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are written in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_units(file):
    """Names in the table that the file imports, also those it reaches through the lazy names."""
    for name in imports_of(file):
        first, *rest = name.split(".")
        if first == "tinygpt" and rest and rest[0] != "__version__":
            yield HOME.get(rest[0], rest[0])


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_file_imports_only_from_above_and_from_its_left(file):
    importer = unit(file.with_suffix("").parts)
    assert importer in PLACE, f"{importer} has no place in the table of layers"
    for imported in imported_units(file):
        same_folder = imported == file.parts[0] and len(file.parts) > 1
        assert same_folder or PLACE[imported] < PLACE[importer], f"{file} imports {imported}"


def test_no_op_builds_on_another():
    within = {
        (file.stem, name.split(".")[2])
        for file in FILES
        if file.parts[0] == "ops" and file.stem != "__init__"
        for name in imports_of(file)
        if name.startswith("tinygpt.ops.")
    }
    assert within == set()


# the design says generation: the loop is decoding.py, and generation.py turns its ids into text
HOT = ("transformer", "model", "params", "optim", "parallel", "kv_cache", "decoding")


def test_the_hot_path_stays_short():
    """Lines of code and comments, without blank lines and docstrings: the design's bar is 1,100."""
    lines = 0
    for file in FILES:
        if file.parts[0] == "ops" or file.as_posix().removesuffix(".py") in HOT:
            said = {
                n
                for node in ast.walk(tree_of(file))
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                for n in range(node.lineno, (node.end_lineno or 0) + 1)
            }
            text = (PACKAGE / file).read_text("utf-8").splitlines()
            lines += sum(bool(line.strip()) and n not in said for n, line in enumerate(text, 1))
    assert 0 < lines <= 1100


def test_cupy_is_imported_in_one_file_alone():
    importers = [
        file.as_posix()
        for file in FILES
        if any(name.split(".")[0] in ("cupy", "cupyx") for name in imports_of(file))
    ]
    assert importers == ["backend.py"]


def test_library_modules_never_print():
    def prints(file):
        return any(
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
            for node in ast.walk(tree_of(file))
        )

    first = PLACE["lesson_checks"]  # which speak to the learner, as commands speak to a user
    assert [f for f in FILES if PLACE[unit(f.with_suffix("").parts)] < first and prints(f)] == []


def test_nothing_is_pickled_and_no_input_meets_an_assert():
    for file in FILES:
        assert not {"pickle", "shelve", "marshal"} & {n.split(".")[0] for n in imports_of(file)}
        assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree_of(file))), file


MODULES = ["tinygpt", *(info.name for info in pkgutil.walk_packages(tinygpt.__path__, "tinygpt."))]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_every_name_in_all_exists(name):
    module = importlib.import_module(name)
    public = getattr(module, "__all__", [])
    assert len(set(public)) == len(public)
    assert [n for n in public if not hasattr(module, n)] == []


def test_no_public_name_is_also_a_modules():
    modules = {name.split(".")[1] for name in MODULES if "." in name}
    assert not modules & set(tinygpt.__all__)
