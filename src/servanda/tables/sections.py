"""Where does a lens stand in a scenario file?

A scenario may hold a section for each lens: `points`, `graph`, `spatial`. Such a section is what
the lens's own file would be, one step in. In comes a file or a folder; out goes the path of the
section in it, or every mistake that the lenses find in their sections.
"""

from __future__ import annotations

import os
from pathlib import Path as FilePath
from typing import Any, Final

from servanda.errors import Finding, ScenarioError, ServandaError
from servanda.scenario.document import MAX_BYTES, Document, Path, read_document
from servanda.scenario.load import FILE_NAME

# What each lens cannot do without in a file of its own.
LENSES: Final = {"points": "issues", "graph": "decision_makers", "spatial": "actors"}
# What only a scenario has at its top.
_OF_SCENARIOS: Final = ("horizon", "stocks", "interests", "proposals", "terms", "obligations")


def section(document: Document, lens: str) -> Path | None:
    """The path of what a lens reads: `(lens,)` in a scenario, `()` in a file of its own.

    None if it is a scenario without the section, or with one that holds nothing; this is reported.
    """
    data: Any = document.data or {}
    if lens in data:
        if isinstance(data[lens], dict):
            return (lens,)
        what = "is empty" if data[lens] is None else "is no mapping"
        document.report((lens,), f"the section `{lens}` {what}; it needs `{LENSES[lens]}`")
        return None
    if LENSES[lens] not in data and any(key in data for key in _OF_SCENARIOS):
        document.report((), f"this scenario has no `{lens}` section")
        return None
    return ()


def title_of(document: Document) -> str:
    """The title of the scenario around a section; empty if there is none."""
    title = document.data.get("title") if document.data else None
    return title.strip()[:200] if isinstance(title, str) and title.isprintable() else ""


def mistakes(case: str | os.PathLike[str]) -> tuple[Finding, ...]:
    """What the lenses find wrong with their sections of a scenario: a file, or its folder."""
    path = FilePath(case)
    path = path / FILE_NAME if path.is_dir() else path
    if not path.is_file():
        return ()
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    data = read_document(content.decode("utf-8-sig", "replace"), str(path)).data or {}
    found: list[Finding] = []
    for lens in LENSES:
        if data.get(lens) is None:  # a section that is only begun is an empty one
            continue
        try:
            _read(lens, path)
        except ScenarioError as error:
            found.extend(error.findings)
        except ServandaError as error:
            found.append(Finding(str(path), 0, 0, str(error)))
    return tuple(found)


def _read(lens: str, path: FilePath) -> None:
    if lens == "points":
        from servanda.tables.points.load import load as load_points

        load_points(path)
    elif lens == "graph":
        from servanda.tables.graph.load import load as load_graph

        load_graph(path)
    else:
        from servanda.tables.spatial.load import load as load_spatial

        load_spatial(path)
