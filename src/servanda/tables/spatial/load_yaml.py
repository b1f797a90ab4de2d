"""A table from YAML: actors by name, perhaps as the `spatial` section of a scenario.

spatial:
  scale: [0, 100]
  dimensions: [tax, aid]
  actors:
    Alice: {capability: 118, position: [53, 40], salience: [0.3, 0.2]}
  accommodation: {Alice: {Alice: 0.87}}   # optional: how far ideals follow positions
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from servanda.errors import Finding, QuestionError, ScenarioError
from servanda.scenario.document import Document, Path, read_document
from servanda.tables.sections import section, title_of
from servanda.tables.spatial.table import LARGEST, MAX_ACTORS, MAX_DIMENSIONS, Table

_KEYS: Final = ("title", "unit", "source", "scale", "dimensions", "actors", "accommodation")
_ACTOR_KEYS: Final = ("capability", "position", "salience", "why", "source")


def loads_yaml(text: str, name: str, *, scale: Any = None) -> Table:
    """Read a table from YAML text. Raises ScenarioError with every mistake of the file."""
    document = read_document(text, name)
    if document.data is None:
        findings = [
            Finding(f.file, f.line, f.column, "the file is not a mapping; it needs `actors`")
            if "a scenario is a mapping" in f.message
            else f
            for f in document.findings
        ]
        raise ScenarioError(findings)
    at = section(document, "spatial")
    table = None
    if at is not None and not document.findings:
        table = _read(document, document.data["spatial"] if at else document.data, at, scale)
    if document.findings or table is None:
        raise ScenarioError(sorted(document.findings, key=lambda f: (f.line, f.column)))
    return table


def _read(document: Document, data: Any, at: Path, scale: Any) -> Table | None:
    if not isinstance(data, dict):
        document.report(at, "is not a mapping; it needs `actors`")
        return None
    for key in data:
        if key not in _KEYS:
            document.report(
                (*at, key), f"unknown key '{key}'", text=str(key), known=_KEYS, on_key=True
            )
    actors = data.get("actors")
    if not isinstance(actors, dict) or len(actors) < 2:
        document.report((*at, "actors"), "`actors` is a mapping of at least two names")
        return None
    if len(actors) > MAX_ACTORS:
        document.report(
            (*at, "actors"), f"{len(actors):,} actors; a table has at most {MAX_ACTORS}"
        )
        return None
    names = data.get("dimensions")
    if names is not None and not (
        isinstance(names, list)
        and 1 <= len(names) <= MAX_DIMENSIONS
        and all(isinstance(n, str) for n in names)
        and len(set(names)) == len(names)
    ):
        document.report((*at, "dimensions"), "`dimensions` is a list of different names")
        return None
    many = len(names) if names else 0
    position: list[list[float]] = []
    salience: list[list[float]] = []
    capability: list[float] = []
    for actor, entry in actors.items():
        here = (*at, "actors", actor)
        if not isinstance(entry, dict):
            document.report(here, f"'{actor}' needs capability, position and salience")
            continue
        for key in entry:
            if key not in _ACTOR_KEYS:
                document.report(
                    (*here, key),
                    f"unknown key '{key}'",
                    text=str(key),
                    known=_ACTOR_KEYS,
                    on_key=True,
                )
        missing = [key for key in _ACTOR_KEYS[:3] if key not in entry]
        if missing:
            if set(entry) <= set(_ACTOR_KEYS):  # else the misspelt key was reported
                document.report(here, f"'{actor}' has no {' and no '.join(missing)}")
            continue
        c: Any = entry["capability"]
        if not _is_number(c):
            document.report((*here, "capability"), f"the capability of '{actor}' is not a number")
            c = math.nan
        elif c <= 0:
            document.report(
                (*here, "capability"),
                f"the capability of '{actor}' is {c:g}; it must be above 0, or leave the actor out",
            )
        capability.append(c)
        for key, found in (("position", position), ("salience", salience)):
            value = entry[key]
            row: list[Any] = value if isinstance(value, list) else [value]
            many = many or len(row)
            if not all(_is_number(v) for v in row) or len(row) != many:
                words = "a number" if many == 1 else f"{many} numbers, one a dimension"
                document.report((*here, key), f"the {key} of '{actor}' is not {words}")
                row = [math.nan] * many
            found.append(row)
    follow = _accommodation(
        document, data.get("accommodation"), (*at, "accommodation"), list(actors)
    )
    if document.findings:
        return None
    s: np.ndarray = np.array(salience, dtype=float)
    notes: tuple[str, ...] = ()
    if (s > 1).any():
        s, notes = s / 100, ("Salience was read as per cent.",)
    said_of = {k: str(data[k]) for k in ("title", "unit", "source") if isinstance(data.get(k), str)}
    if at:
        said_of.setdefault("title", title_of(document))
    if scale is None:
        scale = data.get("scale")
    try:
        return Table.of(
            [str(a) for a in actors],
            position,
            s,
            capability,
            dimensions=names or (),
            scale=scale,
            accommodation=follow,
            notes=notes,
            **said_of,
        )
    except (QuestionError, TypeError, ValueError) as error:
        said = str(error) if isinstance(error, QuestionError) else "`scale` is [low, high]"
        document.report((*at, "scale") if "scale" in said else (*at, "actors"), said)
        return None


def _accommodation(document: Document, data: Any, at: Path, actors: list[str]) -> np.ndarray | None:
    if data is None:
        return None
    follow = np.eye(len(actors))
    if not isinstance(data, dict):
        document.report(at, "`accommodation` says for actors how far their ideals follow positions")
        return None
    for actor, entry in data.items():
        if actor not in actors:
            document.report((*at, actor), f"unknown actor '{actor}'", text=str(actor), known=actors,
                            on_key=True)  # fmt: skip
            continue
        i = actors.index(actor)
        follow[i] = 0.0
        for other, share in entry.items() if isinstance(entry, dict) else ():
            if other not in actors:
                document.report((*at, actor, other), f"unknown actor '{other}'", text=str(other),
                                known=actors, on_key=True)  # fmt: skip
            elif not _is_number(share) or not 0 <= share <= 1:
                document.report((*at, actor, other), "a share is a number from 0 to 1")
            else:
                follow[i, actors.index(other)] = share
        if not isinstance(entry, dict):
            document.report((*at, actor), f"the accommodation of '{actor}' is a mapping of actors")
        elif follow[i].sum() > 1 + 1e-9:
            document.report((*at, actor), f"the accommodation of '{actor}' adds up to more than 1")
    return follow


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and abs(value) <= LARGEST
    )
