"""In which worlds, on which grids, and how often is a game solved?

In: worlds and how finely to solve. Out: a `Plan`. Every world is solved once on the usual grid,
shifted at random; a part of the worlds again on another such grid, and on one of four times as many
points. What costs more (hands tied, terms left out, worth by interest) is solved in a part of the
worlds too. Parts are systematic samples, so that they have about the same readings as the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from servanda.game.build import Game
from servanda.game.errors import Sampled, strata
from servanda.game.grid import FINER, REPLICATE, usual_nodes
from servanda.game.levels import choose_levels
from servanda.game.size import fits
from servanda.scenario.model import Scenario
from servanda.scenario.worlds import Worlds

WORLDS, FINE_WORLDS = 64, 256
"""Worlds if nobody says how many, and with `fine`."""

LEAST = 8
"""Worlds of a part, if there are so many."""


@dataclass(frozen=True)
class Sizes:
    """How many worlds each part has."""

    again: int
    finer: int
    aside: int
    aside_finer: int

    @staticmethod
    def of(worlds: int, fine: bool) -> Sizes:
        """An eighth of the worlds twice, on the finer grid, and of what costs more."""
        few = max(LEAST, worlds // 8)
        return Sizes(few, few, few, few if fine else few // 2)


@dataclass(frozen=True)
class Plan:
    """Which worlds are solved on which grids. Places [part] are places among the worlds."""

    sample: Worlds
    levels: tuple[int, ...]
    finer_levels: tuple[int, ...] | None  # None: no grid, or none that is finer and fits
    again_at: Int[np.ndarray, " part"]
    finer_at: Int[np.ndarray, " part"]
    aside_at: Int[np.ndarray, " part"]
    aside_finer_at: Int[np.ndarray, " part"]  # some of `aside_at`

    @staticmethod
    def of(
        scenario: Scenario,
        sample: Worlds,
        games: Sequence[Game] = (),
        *,
        fine: bool = False,
        levels: tuple[int, ...] | None = None,
    ) -> Plan:
        """The plan of a question; the finer grid must fit the `games` that it is for."""
        chosen = levels or choose_levels(scenario)
        worlds = len(sample)
        more = finer(scenario, chosen)
        if more is not None and not all(fits(game, more) for game in games):
            more = None
        size = Sizes.of(worlds, fine)
        aside = spread_out(worlds, size.aside)
        replicated = bool(scenario.stocks)
        return Plan(
            sample,
            chosen,
            more,
            spread_out(worlds, size.again if replicated else 0),
            spread_out(worlds, 0 if more is None else size.finer),
            aside,
            aside[spread_out(len(aside), 0 if more is None else size.aside_finer)],
        )

    def lots(self, places: Int[np.ndarray, " part"], replicate: int) -> Int[np.ndarray, " part"]:
        """The lots of some worlds."""
        return np.asarray(places) + replicate * REPLICATE

    def described(self) -> dict[str, object]:
        """What it solves, for a folder."""
        places = (self.again_at, self.finer_at, self.aside_at, self.aside_finer_at)
        return {
            "worlds": len(self.sample),
            "levels": list(self.levels),
            "finer": list(self.finer_levels or ()),
            "places": [[int(k) for k in at] for at in places],
        }

    @property
    def everywhere(self) -> Int[np.ndarray, " world"]:
        """The places of all worlds."""
        return np.arange(len(self.sample))

    def sampled(
        self,
        here: np.ndarray,
        *,
        again: np.ndarray | None = None,
        finer: np.ndarray | None = None,
    ) -> Sampled:
        """A figure in all worlds, with what it is on other grids."""
        return Sampled(
            np.asarray(here, float),
            np.asarray(self.sample.weight),
            self.again_at if again is not None else np.zeros(0, int),
            np.zeros(0) if again is None else np.asarray(again, float),
            self.finer_at if finer is not None else np.zeros(0, int),
            np.zeros(0) if finer is None else np.asarray(finer, float),
            strata(self.sample),
            len(self.levels),
        )

    def aside(self, here: np.ndarray) -> Sampled:
        """A figure in the worlds `aside_at`."""
        return Sampled(
            np.asarray(here, float),
            np.asarray(self.sample.weight)[self.aside_at],
            stratum=strata(self.sample)[self.aside_at],
            dimensions=len(self.levels),
        )


def spread_out(count: int, some: int) -> Int[np.ndarray, " part"]:
    """`some` of `count` places, evenly spread; all of them if there are no more."""
    some = min(count, some)
    return np.unique(np.floor((np.arange(some) + 0.5) * count / max(some, 1)).astype(int))


def finer(scenario: Scenario, levels: tuple[int, ...]) -> tuple[int, ...] | None:
    """Levels of a grid of about four times the points; None without stocks.

    Where a scenario or its user says how many there are, every level but the ends is halved once,
    so that levels which lie where they should stay there.
    """
    if not levels:
        return None
    if levels == choose_levels(scenario):
        found = choose_levels(scenario, FINER * usual_nodes(scenario))
        if found != levels:
            return found
    each = FINER ** (1.0 / len(levels))
    doubled = tuple(2 * n - 1 if n > 1 else 1 for n in levels)
    if any(s.levels is not None for s in scenario.stocks.values()):
        return doubled if doubled != levels else None
    more = tuple(max(n + 1, round(each * n)) if n > 1 else 1 for n in levels)
    return more if more != levels else None
