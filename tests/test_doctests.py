"""Every worked example in a docstring is true."""

import doctest
import importlib
import pkgutil

import pytest

import tinygpt

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(tinygpt.__path__, "tinygpt.")
    if not info.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_small_discrete_behaviours_have_a_worked_example():
    for name in ("optim", "params", "sampling", "speculative"):
        module = importlib.import_module(f"tinygpt.{name}")
        assert doctest.testmod(module).attempted > 0, name
