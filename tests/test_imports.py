"""Imports stand at the top of a file; one in a function has its reason beside it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import connmon_agent

PACKAGE = Path(connmon_agent.__file__).parent
FILES = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")]


def test_every_import_in_a_function_has_its_reason_beside_it() -> None:
    """A comment on one line of a block of imports, or above it."""
    found = {
        name: lines for name in FILES if (lines := find_bare_imports((PACKAGE / name).read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("source", "bare"),
    [
        ("def f():\n    import a\n", [2]),
        ("def f():\n    import a  # Windows alone has it\n    import b\n", []),
        ("def f():\n    # costs memory\n    import a\n    import b\n", []),
        ("def f():\n    import a  # why\n    a.b()\n    import c\n", [4]),
        ("class A:\n    def f(self):\n        if x:\n            from a import b\n", [4]),
        ("import a\nif x:\n    import b\n", []),
    ],
)
def test_which_imports_are_bare(source: str, bare: list[int]) -> None:
    assert find_bare_imports(source) == bare


def find_bare_imports(source: str) -> list[int]:
    """The first line of each block of imports in a function that says nothing of why."""
    lines = source.splitlines()
    bare, end, told = [], 0, False
    for node in _list_inner_imports(ast.parse(source)):
        if node.lineno != end + 1:  # a block begins
            told = _is_told(lines, node.lineno)
            if not told:
                bare.append(node.lineno)
        end = node.end_lineno or node.lineno
        if not told and any("  #" in line for line in lines[node.lineno - 1 : end]):
            told = True
            bare.pop()
    return bare


def _is_told(lines: list[str], first: int) -> bool:
    return lines[first - 2].lstrip().startswith("#")


def _list_inner_imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    found = {node for function in functions for node in ast.walk(function) if _is_import(node)}
    yield from sorted(found, key=lambda node: node.lineno)


def _is_import(node: ast.AST) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)
