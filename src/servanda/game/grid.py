"""Grids of stock levels.

In: a scenario and the number of levels of every stock. Out: the grid's points, and the map from
stocks to grid coordinates in which neighbouring levels are 1 apart.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.scenario.model import Scenario


@dataclass(frozen=True)
class Grid:
    """Equally spaced levels on every stock's range; one level means the stock is held constant."""

    levels: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def size(self) -> int:
        """The number of grid points."""
        return math.prod(self.levels)

    def points(self) -> Float[np.ndarray, "stock g"]:
        """Stocks at every grid point, the last stock moving fastest."""
        axes = [
            np.linspace(a, b, n) if n > 1 else np.array([(a + b) / 2])
            for n, a, b in zip(self.levels, self.low, self.high, strict=True)
        ]
        if not axes:
            return np.zeros((0, 1))
        return np.array(list(itertools.product(*axes))).T

    def coordinates(self, x: Float[Array, "... stock"]) -> Float[Array, "... stock"]:
        """Grid coordinates, 0 to levels - 1 along each stock, of stocks inside the range."""
        low, high = jnp.array(self.low), jnp.array(self.high)
        return (x - low) / (high - low) * (jnp.array(self.levels) - 1.0)


def make_grid(scenario: Scenario, levels: tuple[int, ...]) -> Grid:
    """The grid with the given number of levels per stock, on the stocks' ranges."""
    stocks = scenario.stocks.values()
    return Grid(tuple(levels), tuple(s.low for s in stocks), tuple(s.high for s in stocks))


DEFAULT_LEVELS = {0: 1, 1: 41, 2: 15, 3: 8, 4: 5}
"""Levels per stock by the number of stocks; more stocks get 4 each."""


def default_levels(scenario: Scenario) -> tuple[int, ...]:
    """A first grid: the scenario's own hints, else fewer levels the more stocks there are."""
    each = DEFAULT_LEVELS.get(len(scenario.stocks), 4)
    return tuple(each if s.levels is None else s.levels for s in scenario.stocks.values())


def coarser(levels: tuple[int, ...]) -> tuple[int, ...] | None:
    """The next coarser grid, for an estimate of the grid error; None without stocks."""
    fewer = tuple(max(2, n - 1) if n < 12 else (2 * n) // 3 for n in levels)
    return None if fewer == levels else fewer


FINE_LEVELS = {0: 1, 1: 161, 2: 41, 3: 15, 4: 9}
"""Levels per stock with `--fine`; more stocks get 7 each."""


def fine_levels(scenario: Scenario) -> tuple[int, ...]:
    """The grid of the fine setting."""
    each = FINE_LEVELS.get(len(scenario.stocks), 7)
    return tuple(max(each, s.levels or 0) for s in scenario.stocks.values())
