"""How sure must one be that the other side keeps its word, for signing to pay?

In: a deal and a chair. Out: for every other party with duties, and for all of them together, the
worth of the deal to the chair if they keep their word for certain, if they break it at once, and
the probability of the former at which signing is worth no less than no deal:

    p* = -B / (K - B),   K worth if kept, B worth if broken.

Both are solved, by binding the other side's hands one way or the other while the deal is in force;
everybody else plays as suits them, knowing which.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from servanda.game.batch import Program, run, stakes
from servanda.game.bind import bind_to_breach, bind_to_obligations
from servanda.game.build import build
from servanda.game.method import make_method
from servanda.game.regimes import Variant
from servanda.questions.outcomes import duties
from servanda.scenario.model import Proposal, Scenario
from servanda.scenario.worlds import modal


@dataclass(frozen=True)
class Compliance:
    """Worth to the chair if others keep their word or break it; modal world."""

    others: tuple[str, ...]
    kept: float
    broken: float

    @property
    def break_even(self) -> float:
        """The probability of being kept at which signing pays; 0 always, nan never."""
        if self.broken >= 0 and self.kept >= 0:
            return 0.0
        if self.kept <= 0 and self.broken <= 0:
            return float("nan")
        return -self.broken / (self.kept - self.broken)

    @property
    def backwards(self) -> bool:
        """Whether the chair gains by the others' breach and loses by their good faith."""
        return self.kept < 0 < self.broken


def break_even(
    scenario: Scenario,
    proposal: Proposal,
    chair: str,
    levels: tuple[int, ...],
    pool: Executor | None = None,
) -> tuple[Compliance, ...]:
    """Break-even compliance of every other party with duties, and of all of them together."""
    owed = [o for o in duties(scenario, proposal) if o.party != chair]
    single = [(p,) for p in scenario.parties if any(o.party == p for o in owed)]
    groups: list[tuple[str, ...]] = [*single]
    if len(single) > 1:
        groups.append(tuple(p for (p,) in single))
    if not groups:
        return ()
    variants, which = [Variant(proposal)], []
    for group in groups:
        own = [o for o in owed if o.party in group]
        breaking = bind_to_breach(scenario, own)
        if not breaking:
            continue
        which.append(group)
        for binds in (bind_to_obligations(scenario, own, "in_force"), breaking):
            variants.append(Variant(proposal, binds, signed_only=True))
    game = build(scenario, variants)
    world = modal(scenario)
    program = Program(
        game, make_method(scenario, levels), stakes(scenario), tuple(world.names), once=True
    )
    value = np.asarray(run(program, world, pool=pool)["value"])[0]
    i = list(scenario.parties).index(chair)
    no_deal = value[game.roots[0]["no_deal"], i]
    worth = [value[r["signed"], i] - no_deal for r in game.roots[1:]]
    return tuple(
        Compliance(group, float(worth[2 * k]), float(worth[2 * k + 1]))
        for k, group in enumerate(which)
    )
