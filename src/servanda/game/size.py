"""Will the game fit in memory? Asked before anything is allocated.

In: a game and a grid. Out: the bytes it needs, in words a user can act on, or a refusal.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from servanda.errors import QuestionError
from servanda.game.build import Game, build
from servanda.game.disturbances import draws
from servanda.game.grid import even_levels, usual_nodes
from servanda.game.regimes import Variant
from servanda.scenario.model import Scenario

SHARE = 0.5
"""The part of the machine's memory that a game may take."""


@dataclass(frozen=True)
class Size:
    """What one world of a game costs: counts and bytes."""

    levels: tuple[int, ...]
    points: int
    regimes: int
    phases: int
    joint_moves: int
    bytes: int

    def __str__(self) -> str:
        grid = " x ".join(str(n) for n in self.levels[:8]) or "no stocks"
        grid += f" x ..., {len(self.levels)} stocks" if len(self.levels) > 8 else ""
        return (
            f"{_many(self.points)} grid points ({grid}), {self.joint_moves:,} joint moves, "
            f"{self.regimes} regimes, {self.phases} phases: {in_words(self.bytes)} a world"
        )


def _many(count: int) -> str:
    return f"{count:,}" if count < 10**12 else f"1e{len(str(count)) - 1}"


def in_words(count: float) -> str:
    """A number of bytes with its unit."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            if count >= 1e6:
                return f"{count:.1e} {unit}"
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1000
    raise AssertionError


def size_of(game: Game, levels: tuple[int, ...], by_interest: bool = False) -> Size:
    """The memory one world of a game takes while it is solved."""
    points = math.prod(levels)
    stocks = len(game.stocks)
    shaken = len(draws(game.scenario))
    channels = len(game.parties) + (len(game.interests) if by_interest else 0)
    total = 0
    for group in game.groups:
        settings = len(group.settings.terms)
        live = group.live.shape[1]
        formulas = len(game.scenario.let) + len(game.interests) + 2 * stocks
        tables = settings * group.moves * points * (channels + shaken * stocks + formulas)
        actions = (2 + shaken) * live * group.moves * points * channels
        mixed = live * group.breached.shape[1] * group.next_phase.shape[1] * points * channels
        total += 8 * (tables + actions + mixed)
    history = game.scenario.horizon + 1 + 20  # every period's values, and those being mixed
    total += 8 * history * game.regimes * game.phases * points * channels
    moves = max(group.moves for group in game.groups)
    return Size(levels, points, game.regimes, game.phases, moves, total)


def fits(game: Game, levels: tuple[int, ...], by_interest: bool = False) -> bool:
    """Whether two worlds at once fit in memory."""
    return 2 * size_of(game, levels, by_interest).bytes <= SHARE * memory()


def refuse_if_too_large(game: Game, levels: tuple[int, ...], by_interest: bool = False) -> None:
    """Raise QuestionError, in words, if two worlds at once would not fit in memory."""
    if not fits(game, levels, by_interest):
        size, limit = size_of(game, levels, by_interest), in_words(SHARE * memory())
        raise QuestionError(
            f"the game is too large for this machine: {size}, two worlds at once, and "
            f"{limit} may be used. Fewer stocks or `levels:`, fewer options, "
            "shorter phasing lists or a shorter horizon would make it fit"
        )


def memory() -> int:
    """The machine's memory in bytes."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 8 * 10**9


def size_report(scenario: Scenario) -> str:
    """One line on the size of a scenario's largest game, for `check`.

    Raises QuestionError if that is too large for this machine, or to be enumerated.
    """
    variants = [Variant(p) for p in scenario.proposals.values()] or [Variant(None)]
    levels = even_levels(scenario, usual_nodes(scenario))
    sizes = []
    for variant in variants:
        game = build(scenario, [variant])
        refuse_if_too_large(game, levels)
        sizes.append(size_of(game, levels))
    return str(max(sizes, key=lambda s: s.bytes))
