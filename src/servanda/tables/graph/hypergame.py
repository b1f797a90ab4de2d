"""Misperception: a first-level hypergame, in which each decision maker sees its own conflict.

i's view has everybody's preferences as i takes them to be, and leaves out options that i cannot
see: in i's view they are not taken. A state is stable for i if, as i sees it, it is stable in i's
view; it is an equilibrium of the hypergame if it is stable for everybody, each in its own view.

Sources: Wang, Hipel and Fraser, Behavioral Science 33 (1988); Aljefri, Bashar, Hipel and Fang, IEEE
Trans. SMC: Systems 48 (2018).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr

from servanda import __version__
from servanda.errors import QuestionError, unknown
from servanda.tables.graph.model import Conflict, Preference, ranks
from servanda.tables.graph.result import Stability
from servanda.tables.graph.stability import stability

Array = np.ndarray


@dataclass(frozen=True)
class Hypergame:
    """What is stable when each sees its own conflict; state numbers are those of the real one."""

    conflict: Conflict
    stable: xr.DataArray  # bool [concept, decision_maker, state], each in its own view
    believed: xr.DataArray  # bool [concept, decision_maker, state]: an equilibrium as it sees it
    views: dict[str, Stability]
    version: str = field(default=__version__)

    def equilibria(self, concept: str) -> list[int]:
        """States that are stable for everybody, each in its own view."""
        rows = self._rows(self.stable, concept)
        found: list[int] = self.stable.state.values[rows.all(axis=0)].tolist()
        return found

    def believes(self, concept: str, name: str) -> list[int]:
        """States that one decision maker takes for equilibria."""
        names = list(map(str, self.believed.decision_maker.values))
        if name not in names:
            raise unknown("decision maker", name, names)
        rows = self._rows(self.believed, concept)[names.index(name)]
        found: list[int] = self.believed.state.values[rows].tolist()
        return found

    def surprises(self, concept: str, name: str) -> list[int]:
        """States that one takes for equilibria although somebody will leave them."""
        real = set(self.equilibria(concept))
        return [s for s in self.believes(concept, name) if s not in real]

    def _rows(self, table: xr.DataArray, concept: str) -> Array:
        known = list(map(str, table.concept.values))
        if concept not in known:
            raise unknown("concept of this analysis", concept, known)
        return np.asarray(table.sel(concept=concept).values)

    def to_dataframe(self) -> Any:
        """One row per state: stable for whom in its own view, believed by whom, equilibria."""
        import pandas as pd

        columns: dict[str, Any] = {
            "pattern": [self.conflict.pattern(s) for s in range(self.conflict.size)]
        }
        for concept in map(str, self.stable.concept.values):
            for i, name in enumerate(self.conflict.decision_makers):
                columns[f"{concept}.{name}"] = self._rows(self.stable, concept)[i]
                columns[f"{concept}.{name}.believes"] = self._rows(self.believed, concept)[i]
            columns[concept] = self._rows(self.stable, concept).all(axis=0)
        return pd.DataFrame(columns, index=pd.Index(self.stable.state.values, name="state"))

    def to_json(self) -> str:
        """Equilibria, beliefs and surprises by number."""
        concepts = list(map(str, self.stable.concept.values))
        names = self.conflict.decision_makers
        answer = {
            "title": self.conflict.title,
            "hash": self.conflict.hash,
            "version": self.version,
            "equilibria": {c: self.equilibria(c) for c in concepts},
            "believes": {c: {n: self.believes(c, n) for n in names} for c in concepts},
            "surprises": {c: {n: self.surprises(c, n) for n in names} for c in concepts},
        }
        return json.dumps(answer, indent=2, ensure_ascii=False)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"

    def __str__(self) -> str:
        from servanda.show.page import as_text
        from servanda.tables.graph.text import hypergame_page

        return as_text(hypergame_page(self))


def seen_by(conflict: Conflict, i: int) -> tuple[Conflict, Array]:
    """i's view, and for each real state the position of what i sees in its place; [state].

    Raises:
        QuestionError: without an option that i cannot see, a state would not be feasible.
    """
    view = conflict.views.get(i)
    preferences = list(conflict.preferences)
    if view is None:
        return replace(conflict, views={}), np.arange(conflict.size)
    for j, preference in view.preferences.items():
        preferences[j] = preference
    if not view.unseen:
        whole = replace(conflict, preferences=tuple(preferences), views={})
        return whole, np.arange(conflict.size)
    assert conflict.codes is not None
    hidden = sum(1 << k for k in view.unseen)
    kept = np.flatnonzero((conflict.codes & hidden) == 0)
    seen = conflict.codes & ~np.int32(hidden)
    at = np.minimum(np.searchsorted(conflict.codes[kept], seen), max(kept.size - 1, 0))
    if not kept.size or (conflict.codes[kept][at] != seen).any():
        bad = 0 if not kept.size else int(np.flatnonzero(conflict.codes[kept][at] != seen)[0])
        raise QuestionError(
            f"{conflict.decision_makers[i]} cannot see all options of state "
            f"{conflict.label(bad)}, and without them that state is not feasible: say what it "
            "sees by making the state it would see feasible"
        )
    arcs = None
    if conflict.arcs is not None:
        index = np.full(conflict.size, -1, np.int64)
        index[kept] = np.arange(kept.size)
        arcs = tuple(
            (index[a][ok], index[b][ok])
            for a, b in conflict.arcs
            for ok in [(index[a] >= 0) & (index[b] >= 0)]
        )
    smaller = replace(
        conflict,
        preferences=tuple(_kept(p, kept) for p in preferences),
        codes=conflict.codes[kept],
        arcs=arcs,
        views={},
        status_quo=None,
    )
    return smaller, at


def _kept(preference: Preference, kept: Array) -> Preference:
    index = np.full(preference.rank.size, -1, np.int64)
    index[kept] = np.arange(kept.size)

    def pairs(given: Array) -> tuple[Array, Array]:
        ok = (index[given] >= 0).all(axis=1) if given.size else np.zeros(len(given), bool)
        return index[given[ok]], ok

    unknown_ = None if preference.unknown is None else pairs(preference.unknown)[0]
    degree = None
    if preference.degree is not None:
        found, ok = pairs(preference.degree[0])
        degree = (found, preference.degree[1][ok])
    return Preference(
        ranks(preference.rank[kept]),
        None if preference.strength is None else ranks(preference.strength[kept]),
        unknown_,
        degree,
        preference.threshold,
    )


def hypergame(
    conflict: Conflict,
    concepts: Sequence[str] = ("Nash", "GMR", "SMR", "SEQ"),
    *,
    sanctions: str = "legal-sequences",
    unknown_as: str = "a",
) -> Hypergame:
    """Stability of every state when each decision maker sees its own conflict (its `views`).

    Raises:
        QuestionError: as `stability`, or a view that does not cover the states.
    """
    if not conflict.views:
        raise QuestionError("nobody sees a conflict of its own: the file has no `perceptions`")
    own, believed, views = [], [], {}
    for i, name in enumerate(conflict.decision_makers):
        view, at = seen_by(conflict, i)
        answer = stability(view, concepts, sanctions=sanctions, unknown_as=unknown_as)
        table = answer.stable.values
        own.append(table[:, i][:, at])
        # an equilibrium as it sees it: of states that look alike, the one it sees
        same = view.size == conflict.size or conflict.codes is None
        itself: Array = np.ones(conflict.size, bool)
        if not same:
            assert conflict.codes is not None
            assert view.codes is not None
            itself = np.asarray(view.codes[at] == conflict.codes)
        believed.append(np.asarray(table.all(axis=1))[:, at] & itself)
        views[name] = answer
    coords = {
        "concept": list(concepts),
        "decision_maker": list(conflict.decision_makers),
        "state": np.arange(1, conflict.size + 1),
    }
    dims = ("concept", "decision_maker", "state")
    return Hypergame(
        conflict,
        xr.DataArray(np.stack(own, axis=1), dims=dims, coords=coords),
        xr.DataArray(np.stack(believed, axis=1), dims=dims, coords=coords),
        views,
    )
