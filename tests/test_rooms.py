"""The rooms of the house stand in one order: none imports a later one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import servanda

HOUSE = Path(servanda.__file__).parent
ORDER = ("scenario", "game", "runs", "show", "tables", "questions", "cli")


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules that are read in when it runs, at once or later."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        yield from imported(node)


@pytest.mark.parametrize("room", ORDER)
def test_no_room_imports_a_later_one(room: str) -> None:
    later = {f"servanda.{name}" for name in ORDER[ORDER.index(room) + 1 :]}
    files = sorted((HOUSE / room).rglob("*.py"))
    assert files
    for file in files:
        found = {".".join(name.split(".")[:2]) for name in imported(ast.parse(file.read_text()))}
        assert not found & later, file


def test_every_room_has_its_place() -> None:
    assert {p.parent.name for p in HOUSE.glob("*/__init__.py")} == set(ORDER)
