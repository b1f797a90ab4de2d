"""Negotiation over a table of points: issues, options, and what each is worth to whom.

`points` asks everything at once. Its parts stand alone: `load` a table (or build a `Table`),
`frontier` of it, `chosen_by_branching` where the frontier is too large, and the modules on
bargaining solutions, lotteries, acceptance, opposition, logrolling, concessions, reservation values
and coalitions.
"""

from servanda.tables.points.analysis import frontier, points
from servanda.tables.points.answer import PointsAnswer
from servanda.tables.points.branching import Branched, chosen_by_branching
from servanda.tables.points.load import load
from servanda.tables.points.model import Box, Budget, Issue, Pair, Party, Table

__all__ = [
    "Box",
    "Branched",
    "Budget",
    "Issue",
    "Pair",
    "Party",
    "PointsAnswer",
    "Table",
    "chosen_by_branching",
    "frontier",
    "load",
    "points",
]
