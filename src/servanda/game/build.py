"""A scenario as index arrays: positions, joint moves, and what each joint move leads to.

In: a scenario and the variants to study. Out: a `Game`, which holds everything that is the same in
all worlds: the graph of regimes (`regimes`), what its events lead to (`successors`), and positions
with their joint moves (`positions`). No stocks and no assumptions enter here, so one `Game` serves
every world.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Int

from servanda.errors import QuestionError
from servanda.game.positions import Group, groups_of
from servanda.game.regimes import Graph, Variant, indicators
from servanda.game.successors import (
    Signing,
    Successors,
    alike_regimes,
    in_play,
    shared_places,
)
from servanda.game.tape import Tape
from servanda.scenario.formulas import Formula
from servanda.scenario.model import Scenario

MAX_PHASES = 4096


@dataclass(frozen=True)
class Asking:
    """All signing stages as arrays, one row each; signatories in the order they are asked."""

    regime: np.ndarray  # [stage]
    yes: np.ndarray  # [stage] where all accept
    party: np.ndarray  # [stage, signatory]
    no: np.ndarray  # [stage, signatory] where that one refuses
    asked: np.ndarray  # [stage, signatory] bool: stages with fewer signatories are padded


@dataclass(frozen=True, eq=False)
class Game:
    """The scenario with some variants, ready to be solved in any world."""

    scenario: Scenario
    variants: tuple[Variant, ...]
    graph: Graph = field(repr=False)
    groups: tuple[Group, ...] = field(repr=False)
    signings: tuple[Signing, ...]
    roots: tuple[dict[str, int], ...]  # per variant: start, signed, no_deal; asked, if that's later
    alike: np.ndarray  # [regime] the regime that is solved for it: what formulas cannot tell apart
    place: np.ndarray  # [regime] where values of it are kept; shared by what never meets
    phase_values: tuple[tuple[int, ...], ...]  # every phase combination

    @cached_property
    def parties(self) -> tuple[str, ...]:
        return tuple(self.scenario.parties)

    @cached_property
    def stocks(self) -> tuple[str, ...]:
        return tuple(self.scenario.stocks)

    @cached_property
    def interests(self) -> tuple[tuple[str, str], ...]:
        """Every (party, interest), in order."""
        found = self.scenario.interests.items()
        return tuple((p, name) for p, flows in found for name in flows)

    @cached_property
    def indicator_names(self) -> tuple[str, ...]:
        """The names of the regime indicators, in the order of `Settings.indicators`."""
        return tuple(indicators(self.graph, self.graph.regimes[0]))

    @cached_property
    def asking(self) -> Asking:
        """The signing stages as arrays."""
        width = max([len(s.parties) for s in self.signings] or [0])

        def padded(rows: list[tuple[int, ...]]) -> np.ndarray:
            filled = [(*row, *(0,) * (width - len(row))) for row in rows]
            return np.array(filled, np.int32).reshape(len(rows), width)

        return Asking(
            np.array([s.regime for s in self.signings], np.int32),
            np.array([s.yes for s in self.signings], np.int32),
            padded([s.parties for s in self.signings]),
            padded([s.no for s in self.signings]),
            padded([(1,) * len(s.parties) for s in self.signings]).astype(bool),
        )

    def visited(self, starts: Sequence[int], stay: bool) -> dict[int, Int[np.ndarray, " row"]]:
        """The rows of groups that can be met from regimes; `stay`: while in force."""
        reached, queue = set(starts), list(starts)
        asked = {s.regime: s for s in self.signings}
        following: dict[int, set[int]] = {}
        for group in self.groups:
            for (n, _), s in zip(group.rows, group.successor, strict=True):
                following.setdefault(int(n), set()).update(int(m) for m in s.reshape(-1))
        while queue:
            n = queue.pop()
            more = set(following.get(int(self.alike[n]), ()))
            if n in asked:
                more |= {asked[n].yes, *asked[n].no}
            for m in more - reached:
                if not stay or self.graph.regimes[m].kind == "in_force":
                    reached.add(m)
                    queue.append(m)
        solved = np.unique(self.alike[sorted(reached)])
        rows = [np.flatnonzero(np.isin(g.rows[:, 0], solved)) for g in self.groups]
        return {k: found for k, found in enumerate(rows) if len(found)}

    @cached_property
    def tapes(self) -> dict[Hashable, Tape]:
        """The formulas as they have been compiled so far, by what is wanted of them (`tables`)."""
        return {}

    @property
    def regimes(self) -> int:
        return len(self.graph.regimes)

    @cached_property
    def places(self) -> int:
        """How many regimes have values at a time, at most."""
        return int(self.place.max()) + 1

    @property
    def phases(self) -> int:
        """The number of phase combinations."""
        return len(self.phase_values)

    def decision_party(self, d: int) -> int:
        return self.parties.index(self.scenario.decisions[d].party)

    @cached_property
    def uses_calendar(self) -> bool:
        """Whether any formula reads `period`, so that tables change over time."""
        return "period" in read_names(self.scenario)


def formulas_of(scenario: Scenario) -> list[Formula]:
    """Every formula the game evaluates on positions."""
    found = list(scenario.let.values())
    found += [s.next for s in scenario.stocks.values()]
    found += [f for flows in scenario.interests.values() for f in flows.values()]
    found += [f for p in scenario.phases.values() for f in p.next.values()]
    for d in scenario.decisions:
        found += [f for f in (d.when, *d.option_when) if f is not None]
    return found


def read_names(scenario: Scenario) -> frozenset[str]:
    return frozenset().union(*(f.names for f in formulas_of(scenario)))


def build(
    scenario: Scenario,
    variants: list[Variant] | tuple[Variant, ...],
    always: bool = False,
    apart: bool = False,
) -> Game:
    """The game of a scenario with the given variants.

    With `always` the deals are solved as if signed in any period, not only in the first. `apart`
    keeps the values of every regime apart, even of those that never meet. Raises QuestionError
    when the game is too large to enumerate, with what to reduce.
    """
    in_order = sorted(scenario.obligations.items(), key=lambda item: item[1].options[0][0])
    scenario = replace(scenario, obligations=dict(in_order))  # the first noticed names the breaker
    names = read_names(scenario)
    refusals = any(n.startswith("refused_by") for n in names)
    graph = Graph(scenario, tuple(variants), refusals)
    roots = []
    for v in range(len(variants)):
        here: dict[str, int] = {}
        if not variants[v].signed_only:
            here = {"start": graph.add(graph.start(v)), "no_deal": graph.add(graph.no_deal(v))}
            offer = variants[v].proposal
            if offer is not None and offer.opens > 0:
                # an offer that opens later is judged as if it were put at the start
                here["asked"] = graph.add(replace(graph.start(v), age=offer.opens))
        if variants[v].proposal is not None:
            here["signed"] = graph.add(graph.signed(v))
        roots.append(here)
    combinations = math.prod(len(p.values) for p in scenario.phases.values())
    if combinations > MAX_PHASES:
        raise QuestionError(
            f"the phases have {combinations:,} combinations; the limit is {MAX_PHASES:,}: "
            "use fewer phases, or fewer values of them"
        )
    phase_values = tuple(
        itertools.product(*(range(len(p.values)) for p in scenario.phases.values()))
    )
    successors = Successors(graph)
    starts = [r for here in roots for r in here.values()]
    signings, by_period = in_play(graph, successors, starts, always)
    alike = alike_regimes(graph, successors, names, {s.regime for s in signings})
    # an offer that is always answered before anybody moves is never played from
    stays = {n for s in signings for n in (s.yes, *s.no)}
    passing = {s.regime for s in signings} - stays
    by_period = [sorted({int(alike[n]) for n in now if n not in passing}) for now in by_period]
    groups = groups_of(graph, phase_values, successors, by_period, names)
    # a group that has nothing in play computes a row all the same
    computed = [
        sorted({int(n) for g in groups for n in g.rows[g.live[t], 0]})
        for t in range(len(by_period))
    ]
    place = shared_places(computed, alike, {s.regime for s in signings}, apart)
    return Game(
        scenario, tuple(variants), graph, groups, signings, tuple(roots), alike, place, phase_values
    )
