"""What can become of an agreement, period by period?

In: the graph of regimes of some variants. Out: what the events of a period lead to from each regime
(`Successors`), the signing stages, the regimes that can be in play in each period, and which of
them are one and the same to everybody who plays.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from servanda.game.regimes import Graph, Regime, bound, indicators


@dataclass(frozen=True)
class Signing:
    """A signing stage over values of regimes: [signatory] parties, yes, and no per signatory."""

    regime: int
    parties: tuple[int, ...]
    yes: int
    no: tuple[int, ...]


class Successors:
    """What the events of a period lead to, for every regime met."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.obligations = list(graph.scenario.obligations)

    def watched(self, regime: Regime) -> np.ndarray:
        """[obligation] bool: obligations owed now, of which a notice changes the regime."""
        out = np.zeros(len(self.obligations), bool)
        if regime.kind == "in_force":
            for o in self.graph.owed(regime):
                out[self.obligations.index(o.name)] = True
        return out

    def active(self, regime: Regime) -> np.ndarray:
        out = np.zeros(len(self.obligations), bool)
        for o in self.graph.active(regime):
            out[self.obligations.index(o.name)] = True
        return out

    def due_now(self, regime: Regime) -> np.ndarray:
        """[obligation] bool: a `must` that has to be met this period, not having been met."""
        out = np.zeros(len(self.obligations), bool)
        for o in self.graph.owed(regime):
            out[self.obligations.index(o.name)] = o.kind == "must"
        return out

    def pending(self, regime: Regime) -> list[str]:
        """Dated duties that could still be fulfilled this period."""
        p = regime.proposal
        out = []
        for o in self.graph.active(regime):
            if o.kind != "must" or o.by is None or p is None:
                continue
            if not regime.done[p.obligations.index(o.name)]:
                out.append(o.name)
        return out

    def of(self, regime: Regime) -> list[Regime]:
        """Every regime the next period can be in."""
        pending = self.pending(regime)
        noticed: list[str | None] = [None]
        noticed += [n for n, w in zip(self.obligations, self.watched(regime), strict=True) if w]
        after = [
            self.graph.after(regime, who, frozenset(done))
            for who in noticed
            for r in range(len(pending) + 1)
            for done in itertools.combinations(pending, r)
        ]
        if regime.fade >= 0:
            after += [self.graph.forgotten(r) for r in after]
        return after


def in_play(
    graph: Graph, successors: Successors, roots: list[int], always: bool
) -> tuple[tuple[Signing, ...], list[list[int]]]:
    """Signing stages, and the regimes that can be in play in each period (last: ever after)."""
    parties = list(graph.scenario.parties)
    signings: dict[int, Signing] = {}

    def close(found: set[int]) -> set[int]:
        """Add the regimes that a signing stage of the same period leads to."""
        queue = list(found)
        while queue:
            n = queue.pop()
            ask = graph.ask(graph.regimes[n])
            if ask is None:
                continue
            if n not in signings:
                who = tuple(parties.index(s) for s in ask.signatories)
                yes, no = graph.add(ask.yes), tuple(graph.add(r) for r in ask.no)
                signings[n] = Signing(n, who, yes, no)
            for m in (signings[n].yes, *signings[n].no):
                if m not in found:
                    found.add(m)
                    queue.append(m)
        return found

    following: dict[int, set[int]] = {}

    def step(found: set[int]) -> set[int]:
        out: set[int] = set()
        for n in found:
            if n not in following:
                following[n] = {graph.add(r) for r in successors.of(graph.regimes[n])}
            out |= following[n]
        return close(out)

    by_period = [sorted(close(set(roots)))]
    for _ in range(graph.scenario.horizon - 1):
        more = set(by_period[0]) if always else set()
        by_period.append(sorted(step(set(by_period[-1])) | more))
    forever = step(set(by_period[-1])) | (set(by_period[0]) if always else set())
    if graph.scenario.terminal != "zero":
        while True:
            more = forever | step(forever)
            if more == forever:
                break
            forever = more
    by_period.append(sorted(forever))
    return tuple(signings[n] for n in sorted(signings)), by_period


def alike_regimes(
    graph: Graph, successors: Successors, names: frozenset[str], asking: set[int]
) -> np.ndarray:
    """[regime] a representative: regimes that never change and that no formula can tell apart."""
    out = np.arange(len(graph.regimes))
    first: dict[tuple, int] = {}
    for n, regime in enumerate(graph.regimes):
        if n in asking or not is_absorbing(graph, successors, regime):
            continue
        key = (*view(graph, successors, regime, names), tuple(bound(graph, regime)))
        out[n] = first.setdefault(key, n)
    return out


def is_absorbing(graph: Graph, successors: Successors, regime: Regime) -> bool:
    return all(r == regime for r in successors.of(regime))


def view(graph: Graph, successors: Successors, regime: Regime, names: frozenset[str]) -> tuple:
    """Everything that formulas can read of a regime."""
    levels = zip(graph.scenario.terms, graph.levels(regime), strict=True)
    terms = tuple(x for name, x in levels if name in names)
    seen = tuple(x for name, x in indicators(graph, regime).items() if name in names)
    read = [k for k, o in enumerate(successors.obligations) if f"breach.{o}" in names]
    breach = (successors.active(regime)[read].tobytes(), successors.due_now(regime)[read].tobytes())
    return terms, seen, breach
