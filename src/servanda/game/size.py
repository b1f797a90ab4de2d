"""Will the game fit in memory? Asked before anything is allocated.

In: a game and a grid. Out: the bytes it needs, in words a user can act on, or a refusal.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace

from servanda.errors import QuestionError
from servanda.game.build import Game, build
from servanda.game.disturbances import draws
from servanda.game.grid import even_levels, usual_nodes
from servanda.game.regimes import Variant
from servanda.scenario.model import Obligation, Proposal, Scenario

SHARE = 0.5
"""The part of the machine's memory that a game may take."""

COUNTED = 10
"""An agreement with more regimes than this is asked what multiplies them."""


@dataclass(frozen=True)
class Size:
    """What one world of a game costs: counts and bytes."""

    levels: tuple[int, ...]
    points: int
    regimes: int
    places: int  # for regimes: as many are told apart at a time
    phases: int
    joint_moves: int
    periods: int
    bytes: int

    def __str__(self) -> str:
        grid = " x ".join(str(n) for n in self.levels[:8]) or "no stocks"
        grid += f" x ..., {len(self.levels)} stocks" if len(self.levels) > 8 else ""
        return (
            f"{_many(self.points)} grid points ({grid}), {self.joint_moves:,} joint moves, "
            f"{self.regimes} regimes ({self.places} at a time), {self.phases} phases, "
            f"{self.periods} periods: {in_words(self.bytes)} a world"
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
    total += 8 * history * game.places * game.phases * points * channels
    moves = max(group.moves for group in game.groups)
    periods = game.scenario.horizon
    return Size(levels, points, game.regimes, game.places, game.phases, moves, periods, total)


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
    """On the size of a scenario's largest game, and what makes it large, for `check`.

    Raises QuestionError if that is too large for this machine, or to be enumerated.
    """
    offers: list[Proposal | None] = [*scenario.proposals.values()] or [None]
    levels = even_levels(scenario, usual_nodes(scenario))
    sizes = []
    for offer in offers:
        game = build(scenario, [Variant(offer)])
        refuse_if_too_large(game, levels)
        sizes.append((size_of(game, levels), offer))
    most, largest = max(sizes, key=lambda found: (found[0].bytes, found[0].regimes))
    if largest is None:
        return str(most)
    reasons = [f"{left} without {what}" for what, left in multipliers(scenario, largest)]
    many = f". Regimes of {largest.name}: {most.regimes}, {', '.join(reasons)}." if reasons else ""
    return f"{most}{many}"


def multipliers(scenario: Scenario, offer: Proposal) -> list[tuple[str, int]]:
    """What multiplies the regimes of an offer, and how many it has without that, fewest first.

    Counted by leaving one thing out at a time: a list of levels (its last entry holds from the
    start), a date, a tolerance, a duration. Of up to `COUNTED` regimes nothing is said.
    """
    whole = build(scenario, [Variant(offer)]).regimes
    if whole <= COUNTED:
        return []
    tried: list[tuple[str, Scenario, Proposal]] = []
    for name, schedule in offer.terms.items():
        if len(schedule) > 1:
            terms = {**offer.terms, name: schedule[-1:]}
            what = f"the {len(schedule)} levels by age of terms.{name}"
            tried.append((what, scenario, replace(offer, terms=terms)))
    for name in offer.obligations:
        duty = scenario.obligations[name]
        if duty.by:
            what = f"obligations.{name}.by: {duty.by}"
            tried.append((what, _with(scenario, replace(duty, by=0)), offer))
        if duty.tolerance:
            what = f"obligations.{name}.tolerance: {duty.tolerance}"
            tried.append((what, _with(scenario, replace(duty, tolerance=0)), offer))
    if offer.lasts is not None:
        what = f"proposals.{offer.name}.lasts: {offer.lasts}"
        tried.append((what, scenario, replace(offer, lasts=None, renew="automatic")))
    found = [(what, build(less, [Variant(bare)]).regimes) for what, less, bare in tried]
    return sorted([x for x in found if x[1] < whole], key=lambda x: x[1])


def _with(scenario: Scenario, duty: Obligation) -> Scenario:
    """The scenario with another version of one obligation."""
    return replace(scenario, obligations={**scenario.obligations, duty.name: duty})
