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
    """Levels between two bounds; one level means the stock is held in the middle.

    The bounds are the stocks' ranges, or inside them (`within`) the part that can be reached. The
    k-th of n levels lies at the share s + b s (1 - s) of the way, s = k / (n - 1): equally spaced
    without a `bend` b, which lies between -1 and 1. As shares are quadratic in s, what is linear in
    a stock stays exact between three levels or more.
    """

    levels: tuple[int, ...]
    low: Any  # [stock], traced where the grid follows the reachable set
    high: Any
    bend: Any = 0.0  # [stock]

    @property
    def size(self) -> int:
        """The number of grid points."""
        return math.prod(self.levels)

    def within(self, box: Float[Array, "bound stock"]) -> Grid:
        """As many levels between other bounds: low, high and, if there is a third row, bend."""
        return replace(self, low=box[0], high=box[1], bend=box[2] if box.shape[0] > 2 else 0.0)

    def points(self) -> Float[Array, "stock g"]:
        """Stocks at every grid point, the last stock moving fastest."""
        axes = [np.linspace(0.0, 1.0, n) if n > 1 else np.array([0.5]) for n in self.levels]
        if not axes:
            return jnp.zeros((0, 1))
        even = np.array(list(itertools.product(*axes))).T
        bend = jnp.broadcast_to(jnp.asarray(self.bend, float), len(self.levels))[:, None]
        share = even + bend * (even * (1.0 - even))
        low, high = jnp.asarray(self.low)[:, None], jnp.asarray(self.high)[:, None]
        return low * (1.0 - share) + high * share

    def coordinates(self, x: Float[Array, "... stock"]) -> Float[Array, "... stock"]:
        """Grid coordinates, 0 to levels - 1 a stock; what is outside comes to the edge."""
        low, high = jnp.asarray(self.low), jnp.asarray(self.high)
        share = jnp.clip((x - low) / (high - low), 0.0, 1.0)
        ahead = 1.0 + jnp.asarray(self.bend)
        even = 2.0 * share / (ahead + jnp.sqrt(ahead * ahead - 4.0 * self.bend * share))
        return even * (jnp.array(self.levels) - 1.0)


FINER = 4
"""Times as many grid points, where errors of the usual grid are measured."""

MOST_BEND = 0.6
"""A level may move by this share of a quarter of the box, where there are few."""

Lot = int
"""Which of its many grids, and of the random numbers of its paths, a world is solved with."""

CENTRAL: Lot = -1
"""The equally spaced grid."""

REPLICATE = 2**40
"""Lots k, k + REPLICATE, k + 2 REPLICATE, … are independent; those in between are spread evenly."""


HERE, AGAIN, FINER_GRID = range(3)
"""Replicates of the usual grid, of another like it, and of the finer one."""

ROOM = 0.15
"""Of a box: by so much at most it is made wider at either side, at random."""


def shifted(
    scenario: Scenario,
    levels: tuple[int, ...],
    box: Float[np.ndarray, "epoch bound stock"],
    lot: Lot,
    seed: int,
) -> Float[np.ndarray, "epoch 3 stock"]:
    """The bounds of a world's grids and their bend, shifted at random as its lot says.

    A grid leans one way, and so would every world on the same one. A level in the middle moves by
    up to half the distance to the next, to either side. The bounds move outwards, as far as the
    stock's range goes, for what arrives beyond them is read at them: more on finer grids, where
    that is measured, and more where there are but two levels. Stocks whose `levels:` a scenario
    gives stay as they are, for they may be meant to lie on these levels.
    """
    count = len(levels)
    found = np.concatenate([box, np.zeros((len(box), 1, count))], axis=1)
    if lot < 0 or not count:
        return found
    move = _quasi(lot, 2 * count, seed).reshape(2, count)
    stocks = scenario.stocks.values()
    many = np.array([n if s.levels is None else 1 for n, s in zip(levels, stocks, strict=True)])
    found[:, 2] = np.where(
        many > 2, move[0] * np.minimum(MOST_BEND, 2.0 / (many - 1.0 + (many < 2))), 0.0
    )
    low, high = (
        np.array([getattr(s, e) for s in scenario.stocks.values()]) for e in ("low", "high")
    )
    share = np.where(many > 2, ROOM, np.where(many == 2, 0.5, 0.0))
    least = share if lot // REPLICATE == FINER_GRID else 0.0 * share
    width = box[:, 1] - box[:, 0]
    lower, upper = (width * (least + share * np.abs(end)) for end in move)
    found[:, 0] = np.maximum(low, box[:, 0] - lower)
    found[:, 1] = np.minimum(high, box[:, 1] + upper)
    return found


def _quasi(lot: Lot, size: int, seed: int) -> Float[np.ndarray, " size"]:
    """Numbers in -1 to 1, spread evenly over lots next to each other.

    Multiples of powers of the root of x^(size + 1) = x + 1, which for size 1 is the golden ratio
    (M. Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018); random start.
    """
    replicate, k = divmod(lot, REPLICATE)
    root = 2.0
    for _ in range(60):
        root = (1.0 + root) ** (1.0 / (size + 1))
    start = np.random.default_rng([seed, replicate, 20250318]).random(size)
    found: np.ndarray = 2.0 * ((start + (k + 1) * root ** -np.arange(1.0, size + 1)) % 1.0) - 1.0
    return found


def make_grid(scenario: Scenario, levels: tuple[int, ...]) -> Grid:
    """The grid with the given number of levels per stock, on the stocks' ranges."""
    stocks = scenario.stocks.values()
    return Grid(tuple(levels), tuple(s.low for s in stocks), tuple(s.high for s in stocks))


NODES, FEWER_NODES = 400, 150
"""About how many grid points a solution uses: with three stocks or fewer, and with more. With more
stocks errors fall from some thousands of points on: up to there four times as many are as often
worse as better (docs/convergence.md)."""

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
