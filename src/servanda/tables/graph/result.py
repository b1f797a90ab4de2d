"""What an analysis of stability found, and how to show it: tables, pictures, JSON, reports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import xarray as xr

from servanda import __version__
from servanda.errors import QuestionError, unknown
from servanda.tables.graph.model import Conflict
from servanda.tables.graph.relations import Mover

if TYPE_CHECKING:
    from servanda.tables.graph.report import StateReport

PICTURES: Final = ("equilibria", "graph")
SHOWN: Final = 40  # states listed in a text; the rest is counted


@dataclass(frozen=True)
class Stability:
    """Stable states by concept and decision maker (or coalition); states are numbered from 1."""

    conflict: Conflict
    stable: xr.DataArray  # bool [concept, decision_maker, state]
    movers: tuple[Mover, ...]
    sanctions: str
    unknown_as: str
    response: str
    notes: tuple[str, ...] = ()
    version: str = field(default=__version__)

    @property
    def concepts(self) -> tuple[str, ...]:
        """The concepts that were asked for."""
        return tuple(map(str, self.stable.concept.values))

    def equilibria(self, concept: str) -> list[int]:
        """The numbers of the states that are stable for everybody by a concept.

        Raises:
            QuestionError: the concept was not asked for.
        """
        if concept not in self.concepts:
            raise unknown("concept of this analysis", concept, self.concepts)
        rows = self.stable.sel(concept=concept)
        found: list[int] = self.stable.state.values[rows.values.all(axis=0)].tolist()
        return found

    def stable_for(self, concept: str, name: str) -> list[int]:
        """The numbers of the states that are stable for one decision maker or coalition.

        Raises:
            QuestionError: the concept or the name is not there.
        """
        if concept not in self.concepts:
            raise unknown("concept of this analysis", concept, self.concepts)
        names = list(map(str, self.stable.decision_maker.values))
        if name not in names:
            raise unknown("decision maker", name, names)
        rows = self.stable.sel(concept=concept, decision_maker=name)
        found: list[int] = self.stable.state.values[rows.values].tolist()
        return found

    def explain(self, state: Any) -> StateReport:
        """Why a state is unstable, by whom, and through which sanction it is stable.

        Raises:
            QuestionError: there is no such state, or too much can be reached from it to search.
        """
        from servanda.tables.graph.report import report

        return report(self, self.conflict.state(state))

    def to_dataframe(self) -> Any:
        """One row per state: its pattern, stable for whom by what, and equilibria by concept."""
        import pandas as pd

        columns: dict[str, Any] = {
            "pattern": [self.conflict.pattern(s) for s in range(self.conflict.size)]
        }
        for concept in self.concepts:
            rows = self.stable.sel(concept=concept)
            for name in map(str, rows.decision_maker.values):
                columns[f"{concept}.{name}"] = rows.sel(decision_maker=name).values
            columns[concept] = rows.values.all(axis=0)
        return pd.DataFrame(columns, index=pd.Index(self.stable.state.values, name="state"))

    def to_json(self) -> str:
        """Equilibria and stable states by number, with what they rest on."""
        names = list(map(str, self.stable.decision_maker.values))
        many = self.conflict.size > 4096
        answer: dict[str, Any] = {
            "title": self.conflict.title,
            "hash": self.conflict.hash,
            "version": self.version,
            "sanctions": self.sanctions,
            "decision_makers": names,
            "states": self.conflict.size
            if many
            else {str(s + 1): self.conflict.pattern(s) for s in range(self.conflict.size)},
            "equilibria": {c: self.equilibria(c) for c in self.concepts},
            "notes": list(self.notes),
        }
        if not many:
            answer["stable"] = {
                c: {name: self.stable_for(c, name) for name in names} for c in self.concepts
            }
        return json.dumps(answer, indent=2, ensure_ascii=False)

    def plot(self, what: str = "equilibria", path: Any = None) -> Any:
        """A picture as a Vega-Lite specification, or saved to `path` (.svg, .png or .json).

        `what` is "equilibria" (the table) or "graph" (the integrated graph).

        Raises:
            QuestionError: another picture, or more states than one can show.
        """
        from servanda.show.render import save
        from servanda.tables.graph import pictures

        if what not in PICTURES:
            raise unknown("picture", what, PICTURES)
        spec = pictures.equilibria(self) if what == "equilibria" else pictures.graph(self)
        if path is not None:
            save(spec, path)
        return spec

    def _repr_html_(self) -> str:
        from servanda.show.render import to_svg
        from servanda.tables.graph import pictures

        if self.conflict.size > pictures.MOST_ROWS:
            from html import escape

            return f"<pre>{escape(str(self))}</pre>"
        return to_svg(pictures.equilibria(self))

    def __str__(self) -> str:
        from servanda.show.page import as_text
        from servanda.tables.graph.text import stability_page

        return as_text(stability_page(self))


def listed(conflict: Conflict, numbers: Sequence[int], shown: int = SHOWN) -> str:
    """State numbers in words, the rest counted where there are many."""
    if not numbers:
        return "none"
    words = ", ".join(map(str, numbers[:shown]))
    more = len(numbers) - shown
    return words + (f" and {more:,} more" if more > 0 else "")


def only(rows: Sequence[Any], what: str) -> Any:
    """The only entry, or a question that names a choice."""
    if len(rows) != 1:
        raise QuestionError(f"name one {what}")
    return rows[0]
