"""The answer to "which deals are there, and which would be struck?", with everything behind it.

What comes out of `points`. Utilities are in each party's own units; points are rows of the
frontier, the first party's utility falling. Figures that compare units across parties say so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from servanda import __version__
from servanda.errors import QuestionError, unknown
from servanda.tables.points.acceptance import Acceptance
from servanda.tables.points.coalitions import Coalitions
from servanda.tables.points.concessions import Path, smallest_concession
from servanda.tables.points.frontier import Front
from servanda.tables.points.logrolling import Trade, logrolls
from servanda.tables.points.model import Table
from servanda.tables.points.opposition import Opposition
from servanda.tables.points.reservations import ReservationCost

SOLUTIONS = ("nash", "kalai-smorodinsky", "egalitarian", "utilitarian")
SHOWN = 1_000  # points and deals in JSON and frames, unless asked for more
Chosen = str | Mapping[str, Any] | Sequence[Any]


@dataclass(frozen=True, eq=False)
class Solution:
    """What a bargaining solution chooses: the rows of the frontier that tie, and their deals.

    `deals` holds some of the deals [deal, issue]; `count` says how many there are.
    """

    name: str
    convention: str
    value: float
    points: tuple[int, ...]
    utilities: xr.DataArray  # [tie, party]
    deals: np.ndarray
    count: int
    note: str = ""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A lottery: deals with probabilities, and what each party can expect of it."""

    name: str
    value: float
    probability: np.ndarray
    deals: np.ndarray  # [drawn, issue]
    utilities: np.ndarray  # Float[party]


@dataclass(frozen=True, eq=False)
class PointsAnswer:
    """Everything `points` found about a table."""

    table: Table
    front: Front
    frontier: xr.DataArray  # [point, party]
    acceptable: np.ndarray  # Bool[point], to all parties
    disagreement: xr.DataArray  # [party]
    worst: xr.DataArray  # [party], the least any deal is worth to it
    solutions: dict[str, Solution]
    lotteries: dict[str, Drawn]
    acceptance: Acceptance | None
    but: int
    vetoes: tuple[str, ...]
    opposition: Opposition
    start: np.ndarray  # [issue], the deal that splits every issue
    trades: tuple[Trade, ...]  # at that deal
    reservation_costs: tuple[ReservationCost, ...]
    coalitions: Coalitions | None
    tolerance: np.ndarray  # Float[party], differences of utility that count as none
    grid_error: np.ndarray  # Float[party]
    notes: tuple[str, ...]
    time: float = 0.0
    seed: int = 0
    version: str = field(default=__version__)

    @property
    def hash(self) -> str:
        """Twelve digits that change when anything in the table does."""
        return self.table.hash

    @property
    def deals(self) -> int:
        """How many combinations of options there are."""
        return self.table.deals

    def solution(self, name: str) -> Solution:
        """A solution by name."""
        if not self.solutions and name in SOLUTIONS:
            raise QuestionError(f"no deal is acceptable to all: there is no solution '{name}'")
        if name not in self.solutions:
            raise unknown("solution", name, self.solutions)
        return self.solutions[name]

    def deal(self, chosen: Chosen) -> np.ndarray:
        """A deal by a solution's name, "split", options by issue, or options in order."""
        if isinstance(chosen, str):
            if chosen == "split":
                return self.start
            return np.asarray(self.solution(chosen).deals[0])
        return self.table.deal(chosen)

    def path(self, start: Chosen, end: Chosen, *, gradual: bool = False) -> Path:
        """The path between two deals on which nobody has to give way further than need be."""
        return smallest_concession(self.table, self.deal(start), self.deal(end), gradual=gradual)

    def trades_at(self, chosen: Chosen, most: int = 10) -> tuple[Trade, ...]:
        """The logrolling trades at a deal."""
        return logrolls(self.table, self.deal(chosen), most)

    def to_dataframe(self, most: int | None = SHOWN) -> Any:
        """One row per point of the frontier: one of its deals, how many there are, utilities."""
        import pandas as pd

        rows = slice(None) if most is None else slice(most)
        deals = self.front.representatives()[rows]
        columns: dict[str, Any] = {
            issue.name: [issue.options[o] for o in deals[:, k]]
            for k, issue in enumerate(self.table.issues)
        }
        for i, name in enumerate(self.table.names):
            columns[f"u.{name}"] = self.frontier.values[rows, i]
        columns["deals"] = self.front.count[rows]
        columns["acceptable"] = self.acceptable[rows]
        for name, solution in self.solutions.items():
            mark = np.zeros(len(self.frontier), bool)
            mark[list(solution.points)] = True
            columns[name] = mark[rows]
        return pd.DataFrame(columns).rename_axis("point")

    def to_json(self, most: int = SHOWN) -> str:
        """The whole answer as JSON; of the frontier the first `most` points."""
        return json.dumps(_content(self, most), indent=2, ensure_ascii=False)

    def plot(self, what: str = "frontier", path: Any = None, **options: Any) -> Any:
        """A chart as a Vega-Lite specification, or saved to `path` (.svg, .png or .json).

        `what` is frontier, solutions, issues or path; see `pictures`.
        """
        from servanda.tables.points.pictures import picture

        return picture(self, what, path, **options)

    def _repr_html_(self) -> str:
        from servanda.show.render import to_svg
        from servanda.tables.points.pictures import picture

        return to_svg(picture(self, "frontier" if len(self.table.parties) > 1 else "issues"))

    def __str__(self) -> str:
        from servanda.show.page import as_text
        from servanda.tables.points.page import blocks

        return as_text(blocks(self), 88).strip("\n")


def _content(a: PointsAnswer, most: int) -> dict[str, Any]:
    t = a.table

    def by_party(values: Any) -> dict[str, Any]:
        return dict(zip(t.names, map(_number, np.asarray(values)), strict=True))

    def said(deals: np.ndarray) -> list[dict[str, str]]:
        return [t.say(deal) for deal in deals]

    accepted = a.acceptance
    representatives = a.front.representatives()[:most]
    return {
        "title": t.title,
        "version": a.version,
        "hash": a.hash,
        "time": a.time,
        "parties": list(t.names),
        "issues": {issue.name: len(issue.options) for issue in t.issues},
        "combinations": t.deals,
        "tolerance": by_party(a.tolerance),
        "grid_error": by_party(a.grid_error),
        "reservation": by_party(t.reservation),
        "disagreement": by_party(a.disagreement.values),
        "worst": by_party(a.worst.values),
        "notes": list(a.notes),
        "frontier": {
            "method": a.front.method,
            "points": len(a.frontier),
            "deals": int(sum(a.front.count.tolist())),
            "shown": [
                {
                    "deal": deal,
                    "deals": int(count),
                    "utilities": by_party(row),
                    "acceptable": bool(able),
                }
                for deal, count, row, able in zip(
                    said(representatives),
                    a.front.count,
                    a.frontier.values,
                    a.acceptable,
                    strict=False,
                )
            ],
        },
        "zone": None
        if accepted is None
        else {
            "method": accepted.method,
            "exact": accepted.exact,
            "deals": _number(accepted.deals),
            "acceptable_to_all": _number(accepted.zone()),
            "all_but": a.but,
            "vetoes": list(a.vetoes),
            "signable": _number(accepted.zone(a.but, a.vetoes)),
            "accepted_by": {name: _number(accepted.accepted_by(name)) for name in t.names},
        },
        "solutions": {
            name: {
                "convention": s.convention,
                "value": _number(s.value),
                "utilities": [by_party(row) for row in s.utilities.values[:most]],
                "count": s.count,
                "deals": said(s.deals),
                "note": s.note,
            }
            for name, s in a.solutions.items()
        },
        "lotteries": {
            name: {
                "value": _number(x.value),
                "utilities": by_party(x.utilities),
                "draws": [
                    {"probability": _number(p), "deal": t.say(deal)}
                    for p, deal in zip(x.probability, x.deals, strict=True)
                ],
            }
            for name, x in a.lotteries.items()
        },
        "opposition": {
            "distance": _number(a.opposition.distance),
            "correlation": None
            if a.opposition.correlation is None
            else [by_party(row) for row in a.opposition.correlation.values],
            "issues": {
                issue.name: {
                    "kind": a.opposition.kind[issue.name],
                    "share": by_party(a.opposition.share.values[k]),
                }
                for k, issue in enumerate(t.issues)
            },
        },
        "split": t.say(a.start),
        "trades": [
            {
                "giver": x.giver,
                "receiver": x.receiver,
                "give": {"issue": x.give, "from": x.give_from, "to": x.give_to},
                "take": {"issue": x.take, "from": x.take_from, "to": x.take_to},
                "gain": by_party(x.gain),
            }
            for x in a.trades
        ],
        "reservation_costs": [
            {
                "party": c.party,
                "reservation": _number(c.reservation),
                "blocked": None if c.blocked is None else _number(c.blocked),
                "slack": None if c.slack is None else _number(c.slack),
                "effect": None if c.effect is None else by_party(c.effect),
            }
            for c in a.reservation_costs
        ],
        "coalitions": _coalitions(a),
    }


def _coalitions(a: PointsAnswer) -> dict[str, Any] | None:
    c = a.coalitions
    if c is None:
        return None
    names = a.table.names

    def members(m: int) -> str:
        return " + ".join(name for i, name in enumerate(names) if m >> i & 1)

    return {
        "worth": {members(m): _number(c.worth[m]) for m in range(1, len(c.worth))},
        "shapley": dict(zip(names, map(_number, c.shapley), strict=True)),
        "core_empty": c.core_empty,
        "least_core": dict(zip(names, map(_number, c.least_core), strict=True)),
        "complaint": _number(c.complaint),
        "shapley_in_core": c.shapley_in_core,
        "power": dict(zip(names, map(_number, c.power), strict=True)),
        "stable_points": None if c.stable is None else len(c.stable),
    }


def _number(x: Any) -> Any:
    """A number as JSON holds it, to twelve digits; infinities as words."""
    if isinstance(x, (int, np.integer)) and not isinstance(x, bool):
        return int(x)
    value = float(x)
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return None if math.isnan(value) else float(f"{value:.12g}")
