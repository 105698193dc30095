"""Made submissions for any assignment: right, half right, not begun."""

import re

from tinygpt.classroom import source

WARNS = "    np.mean([])  # a warning, which costs nothing\n"


def function(text, name):
    """The lines of one function of a module."""
    return re.search(rf"^def {name}\(.*?(?=^def |\Z)", text, re.DOTALL | re.MULTILINE)[0]


def made(assignment, seed):
    """Name -> the module that is handed in. The half right one warns wherever it is right."""
    constants = assignment.constants(seed)
    right = source.solution_text(assignment, constants)
    stubs = half = source.solution_text(assignment, constants, stubs=True)
    names = list(assignment.functions)
    for name in names[: (len(names) + 1) // 2]:
        head, docstring, *body = function(right, name).splitlines(keepends=True)
        half = half.replace(function(stubs, name), "".join([head, docstring, WARNS, *body]))
    return {"right": right, "half": half, "stubs": stubs}
