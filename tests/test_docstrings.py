"""Docstrings are text that the site of the documentation can be built from."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.test_layers import TREES

_LITERAL = re.compile(r"``.*?``|::\n(?:\n|[ \t]+\S.*\n?)*", re.DOTALL)
# Sphinx takes it for the name of a substitution, and `make docs` fails.
_BARS = re.compile(r"(?<![\w|])\|[^\s|][^|\n]*\|(?!\w)")


def docstrings(tree: ast.Module) -> Iterator[str]:
    """Yield the docstrings of a module."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree):
        if isinstance(node, kinds):
            yield ast.get_docstring(node) or ""


def bars(text: str) -> list[str]:
    """Return the numbers between bars that don't stand in code."""
    return _BARS.findall(_LITERAL.sub("", text))


@pytest.mark.parametrize("name", sorted(TREES))
def test_numbers_between_bars_are_code(name: str) -> None:
    assert not [found for text in docstrings(TREES[name]) for found in bars(text)]


def test_a_fault_is_found() -> None:
    assert bars("The value is 1, and |d| - 1/2 elsewhere.") == ["|d|"]
    assert bars("It is ``|d|``, see::\n\n    height |B| / N\n\nint | str or str | None") == []
