"""How can the parties get from one deal to another, with nobody having to give way far?

A path settles the issues on which two deals differ one after another (an issue with numbers can go
level by level). The *exposure* of a party at a moment is what it has given up since the start. The
smallest-concession path makes the largest exposure of any party at any moment as small as it can
be; among these it takes the one with the smallest sum of the largest exposures over the moments.
Exact: dynamic programming over the lattice of what has been settled so far.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from servanda.errors import QuestionError
from servanda.tables.points.logrolling import ranges
from servanda.tables.points.model import Table

MOST_STATES = 1 << 20


@dataclass(frozen=True, eq=False)
class Path:
    """The deals along the way, [moment, issue], with utilities [moment, party].

    `exposure` is the largest share of its range that any party has given up since the start, at
    any moment before the last; `least` is that of the last moment, which no path avoids.
    """

    deals: np.ndarray
    utilities: xr.DataArray
    steps: tuple[str, ...]
    exposure: float
    least: float
    exposed: str  # who is


def smallest_concession(
    table: Table,
    start: Int[np.ndarray, "issue"],
    end: Int[np.ndarray, "issue"],
    *,
    gradual: bool = False,
) -> Path:
    """The path between two deals on which nobody has to give way further than need be.

    With `gradual`, issues with numbers go through the options between. Deals that cannot be made
    are not passed through.

    Raises:
        QuestionError: too many moments to look at, an end that cannot be made, or no path.
    """
    start, end = np.asarray(start), np.asarray(end)
    if not table.feasible(np.stack([start, end])).all():
        raise QuestionError("a path needs two deals that can be made")
    ways = [_way(table, k, int(start[k]), int(end[k]), gradual) for k in range(len(start))]
    moving = [k for k, way in enumerate(ways) if len(way) > 1]
    shape = tuple(len(ways[k]) for k in moving)
    states = math.prod(shape)
    if states > MOST_STATES:
        raise QuestionError(
            f"the two deals differ on {len(moving)} issues: {states:,} moments to look at, at most "
            f"{MOST_STATES:,} are; choose deals that are closer"
            + (", or leave out gradual steps" if gradual else "")
        )
    deals = np.repeat(start[None, :], states, axis=0)
    for k, option in zip(moving, np.indices(shape).reshape(len(moving), states), strict=True):
        deals[:, k] = np.array(ways[k])[option]
    worth = table.utilities(deals)
    scale = np.where(ranges(table) > 0, ranges(table), 1.0)
    exposed = np.maximum((worth[0] - worth) / scale, 0.0)
    height = exposed.max(axis=1)
    height[~table.feasible(deals)] = math.inf
    rows = _descend(height, shape)
    if rows is None:
        raise QuestionError("no path: every order of settling passes through an impossible deal")
    visited = rows[:-1] if len(rows) > 1 else rows
    worst = visited[int(np.argmax(height[visited]))]
    steps = []
    for a, b in pairwise(rows):
        k = int(np.flatnonzero(deals[a] != deals[b])[0])
        issue = table.issues[k]
        steps.append(f"{issue.name}: {issue.options[deals[a, k]]} to {issue.options[deals[b, k]]}")
    return Path(
        deals[rows],
        xr.DataArray(
            worth[rows],
            dims=("moment", "party"),
            coords={"moment": range(len(rows)), "party": list(table.names)},
        ),
        tuple(steps),
        float(height[visited].max()),
        float(height[-1]),
        table.names[int(np.argmax(exposed[worst]))] if height[worst] > 0 else "",
    )


def _way(table: Table, k: int, start: int, end: int, gradual: bool) -> list[int]:
    if start == end:
        return [start]
    if gradual and table.issues[k].levels is not None:
        return list(range(start, end + (1 if end > start else -1), 1 if end > start else -1))
    return [start, end]


def _descend(height: Float[np.ndarray, "state"], shape: tuple[int, ...]) -> np.ndarray | None:
    """The states of the best monotone path through a lattice: the lowest top, then lowest sum."""
    if not shape:
        return np.array([0])
    height = height.copy()
    height[0] = height[-1] = 0.0  # the ends are no choice
    steps = np.indices(shape).reshape(len(shape), -1)
    layer = steps.sum(axis=0)
    order = np.argsort(layer, kind="stable")
    bounds = np.searchsorted(layer[order], np.arange(int(layer[-1]) + 2))
    strides = [math.prod(shape[j + 1 :]) for j in range(len(shape))]

    def sweep(height: np.ndarray, join: np.ufunc) -> tuple[np.ndarray, np.ndarray]:
        value = np.full(len(height), math.inf)
        came = np.full(len(height), -1)
        value[0] = 0.0
        for depth in range(1, int(layer[-1]) + 1):
            here = order[bounds[depth] : bounds[depth + 1]]
            for j, stride in enumerate(strides):
                at = here[steps[j, here] > 0]
                new = join(value[at - stride], height[at])
                better = new < value[at]
                value[at[better]] = new[better]
                came[at[better]] = at[better] - stride
        return value, came

    lowest = sweep(height, np.maximum)[0][-1]
    if not math.isfinite(lowest):
        return None
    came = sweep(np.where(height <= lowest, height, math.inf), np.add)[1]
    path = [len(height) - 1]
    while path[-1] != 0:
        path.append(int(came[path[-1]]))
    return np.array(path[::-1])
