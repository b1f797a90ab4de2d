"""Grids of stock levels.

In: a scenario and the number of levels of every stock. Out: the grid's points, and the map from
stocks to grid coordinates in which neighbouring levels are 1 apart.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.scenario.model import Scenario


@dataclass(frozen=True)
class Grid:
    """Equally spaced levels between two bounds; one level means the stock is held in the middle.

    The bounds are the stocks' ranges, or inside them (`within`) the part that can be reached.
    """

    levels: tuple[int, ...]
    low: Any  # [stock], traced where the grid follows the reachable set
    high: Any

    @property
    def size(self) -> int:
        """The number of grid points."""
        return math.prod(self.levels)

    def within(self, box: Float[Array, "bound stock"]) -> Grid:
        """The same levels between other bounds."""
        return replace(self, low=box[0], high=box[1])

    def points(self) -> Float[Array, "stock g"]:
        """Stocks at every grid point, the last stock moving fastest."""
        axes = [np.linspace(0.0, 1.0, n) if n > 1 else np.array([0.5]) for n in self.levels]
        if not axes:
            return jnp.zeros((0, 1))
        share = np.array(list(itertools.product(*axes))).T
        low, high = jnp.asarray(self.low)[:, None], jnp.asarray(self.high)[:, None]
        return low * (1.0 - share) + high * share

    def coordinates(self, x: Float[Array, "... stock"]) -> Float[Array, "... stock"]:
        """Grid coordinates, 0 to levels - 1 a stock; what is outside comes to the edge."""
        low, high = jnp.asarray(self.low), jnp.asarray(self.high)
        share = jnp.clip((x - low) / (high - low), 0.0, 1.0)
        return share * (jnp.array(self.levels) - 1.0)


def make_grid(scenario: Scenario, levels: tuple[int, ...]) -> Grid:
    """The grid with the given number of levels per stock, on the stocks' ranges."""
    stocks = scenario.stocks.values()
    return Grid(tuple(levels), tuple(s.low for s in stocks), tuple(s.high for s in stocks))


NODES, FEWER_NODES, FINE_NODES = 400, 150, 6000
"""About how many grid points a solution uses: with three stocks or fewer, with more, and with a
fine grid. With more stocks errors fall from some thousands of points on: up to there four times as
many are as often worse as better (docs/convergence.md)."""

LEAST_LEVELS, MOST_LEVELS = 3, 2000
"""Per stock, where a scenario does not say."""


FEW_STOCKS = 3
"""Up to here grids can be made finer until they are fine enough."""


def usual_nodes(scenario: Scenario) -> int:
    """About how many grid points a solution uses if nobody says otherwise."""
    return NODES if len(scenario.stocks) <= FEW_STOCKS else FEWER_NODES


def even_levels(scenario: Scenario, nodes: int) -> tuple[int, ...]:
    """About `nodes` grid points shared evenly; a scenario's own `levels:` are kept."""
    given = [s.levels for s in scenario.stocks.values()]
    free = sum(n is None for n in given)
    left = nodes / math.prod(n for n in given if n is not None)
    each = round(max(left, 1.0) ** (1 / free)) if free else 0
    each = min(max(each, LEAST_LEVELS), MOST_LEVELS)
    return tuple(each if n is None else n for n in given)


def coarser(levels: tuple[int, ...]) -> tuple[int, ...] | None:
    """The next coarser grid, for an estimate of the grid error; None if there is none."""
    fewer = tuple(min(n, max(2, n - 1 if n < 12 else (2 * n) // 3)) for n in levels)
    return None if fewer == levels else fewer
