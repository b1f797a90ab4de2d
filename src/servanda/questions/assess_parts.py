"""What is solved for an assessment?

In: a scenario, a deal, and a plan of worlds and grids. Out: a `Job`, whose few solvers answer every
part, and what they `Found`. The deal itself is solved in every world; in a part of them also worth
by interest and what comes of a breach, hands tied, terms left out, and the offer with nothing asked
in return; all of these again on a finer grid. The assumptions that matter most are solved at both
ends of their ranges.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from servanda.game.batch import Progress, stakes
from servanda.game.build import Game, build
from servanda.game.grid import FINER_GRID, HERE, REPLICATE
from servanda.game.plan import Plan, spread_out
from servanda.game.regimes import Variant
from servanda.questions.headlines import OverWorlds, solve_over
from servanda.questions.holding import Holding, holding
from servanda.questions.outcomes import Outcomes, Solver, Wanted, duties_in
from servanda.questions.relief import Unasked, unasked
from servanda.questions.riders import changed_terms, packages
from servanda.questions.spread import BAND
from servanda.questions.steps import Steps
from servanda.runs.parts import Place
from servanda.scenario.model import Obligation, Proposal, Scenario
from servanda.scenario.weighted import weighted_quantiles
from servanda.scenario.worlds import modal, part_of

TOGETHER = 8
"""With more packages of terms than this they are solved in fewer worlds."""

HELD = 4
"""Worlds in which it is read what holds the deal up."""

ENDS = 3
"""Grids on which the central case is solved at the ends of an assumption's range."""

ENDS_AT = 3 * REPLICATE
"""The first of their lots."""

MOST_TRIED, MOST_EACH = 3, 2
"""Assumptions solved at both ends: from one chair, and from each of several."""


@dataclass(frozen=True)
class Swing:
    """Worth to a party with an assumption at the ends of its range, else the central case.

    `low` and `high` are [grid]: on each of several grids.
    """

    party: str
    assumption: str
    ends: tuple[float, float]
    low: Float[np.ndarray, " grid"]
    high: Float[np.ndarray, " grid"]


@dataclass(frozen=True)
class Found:
    """What the solvers of a `Job` gave; worlds as in its plan."""

    whole: OverWorlds  # the deal and no deal
    apart: Outcomes  # in the worlds aside: by interest, over time, after a breach
    beside: Outcomes  # there, or in some: hands tied, terms left out, nothing asked
    beside_finer: Outcomes | None
    swings: tuple[Swing, ...]
    holding: Holding  # in some of the worlds aside


@dataclass(frozen=True)
class Job:
    """One assessment: its plan, and the solvers that answer its parts."""

    scenario: Scenario
    proposal: Proposal
    plan: Plan
    seed: int
    game: Game  # of the deal alone
    duties: tuple[Obligation, ...]
    stakes: tuple[float, ...]
    unasked: Unasked | None
    packs: tuple[Proposal, ...]  # the deal with terms left out; none: it changes fewer than two
    pack_places: Int[np.ndarray, " part"]  # of `plan.aside_at`, in which packages are solved

    @staticmethod
    def prepare(scenario: Scenario, proposal: Proposal, plan: Plan, seed: int) -> Job:
        game = build(scenario, [Variant(proposal)])
        duties = duties_in(game)
        packs: tuple[Proposal, ...] = ()
        if len(changed_terms(scenario, proposal)) > 1:
            packs = tuple(p for p in packages(scenario, proposal, seed) if p.name != proposal.name)
        aside = len(plan.aside_at)
        some = aside if len(packs) <= TOGETHER else max(2, aside * TOGETHER // len(packs))
        return Job(
            scenario,
            proposal,
            plan,
            seed,
            game,
            tuple(duties),
            stakes(scenario),
            unasked(scenario, proposal, duties),
            packs,
            spread_out(aside, some),
        )

    def described(self, chairs: tuple[str, ...]) -> dict[str, Any]:
        """What is asked, for a folder."""
        return {
            "question": "assess",
            "hash": self.scenario.hash,
            "deal": repr(self.proposal),
            "chairs": list(chairs),
            "worlds": len(self.plan.sample),
            "seed": self.seed,
            "levels": list(self.plan.levels),
            "finer": list(self.plan.finer_levels or ()),
            "again_at": [int(k) for k in self.plan.again_at],
            "aside_at": [int(k) for k in self.plan.aside_at],
            "aside_finer_at": [int(k) for k in self.plan.aside_finer_at],
        }

    def solved(
        self, chairs: tuple[str, ...], place: Place, progress: Progress | None = None
    ) -> Found:
        """Solve everything, side by side."""
        plan, values = self.plan, np.asarray(self.plan.sample.values)
        steps = Steps(progress)
        finer, aside = plan.finer_levels, plan.aside_at
        some, fewer = aside[self.pack_places], aside[self.pack_places][self.beside_finer_at]
        held = aside[:HELD]
        parts: dict[str, tuple[Callable[[tuple[int, ...]], Solver], tuple[int, ...], np.ndarray]]
        parts = {
            "beside": (self.beside, plan.levels, some),
            "apart": (self.apart, plan.levels, aside),
        }
        if finer is not None:
            parts |= {"beside-finer": (self.beside, finer, fewer)}
        steps.expect("worlds", 1 + len(values) + len(plan.again_at))
        steps.expect("finer", len(plan.finer_at))
        steps.expect("holding", len(held))
        for name, (_, _, places) in parts.items():
            steps.expect(name, len(places))

        def solve(name: str) -> Outcomes:
            make, levels, places = parts[name]
            lots = plan.lots(places, HERE if levels == plan.levels else FINER_GRID)
            return make(levels).run(
                values[places], lots=lots, folder=place(name), progress=steps.of(name)
            )

        usual = self.whole(plan.levels)
        with ThreadPoolExecutor(len(parts) + 2) as pool:
            over = pool.submit(
                lambda: solve_over(
                    usual,
                    None if finer is None else self.whole(finer),
                    plan,
                    modal(self.scenario).values,
                    place,
                    steps.of,
                )
            )
            solved = {name: pool.submit(solve, name) for name in parts}
            holds = pool.submit(
                lambda: holding(
                    self.scenario,
                    self.proposal,
                    part_of(plan.sample, held),
                    lots=plan.lots(held, HERE),
                    levels=plan.levels,
                    seed=self.seed,
                    progress=steps.of("holding"),
                )
            )
            whole = over.result()
            swings = self.swings(usual, whole.here, chairs, place, steps)
            out = {name: part.result() for name, part in solved.items()}
            up = holds.result()
        return Found(
            whole,
            out["apart"],
            out["beside"],
            out.get("beside-finer"),
            swings,
            up,
        )

    @property
    def beside_finer_at(self) -> Int[np.ndarray, " part"]:
        """Of `pack_places`, those solved on the finer grid too."""
        if self.plan.finer_levels is None:
            return np.zeros(0, int)
        return spread_out(len(self.pack_places), len(self.plan.aside_finer_at))

    # -- the solvers --------------------------------------------------------------------------

    def whole(self, levels: tuple[int, ...]) -> Solver:
        """The deal and no deal."""
        return self._solver(self.scenario, (self.proposal,), Wanted(), levels)

    def apart(self, levels: tuple[int, ...]) -> Solver:
        """The same with interests kept apart, over time, and what comes after a breach."""
        wanted = Wanted(interests=True, courses=True, exits=True)
        return self._solver(self.scenario, (self.proposal,), wanted, levels)

    def beside(self, levels: tuple[int, ...]) -> Solver:
        """The deal with each party's hands tied, with terms left out, and with nothing asked."""
        offers, scenario = [self.proposal, *self.packs], self.scenario
        wanted = Wanted(survival=False, tied=(self.proposal.name,))
        if self.unasked is not None:
            offers.append(self.unasked.proposal)
            scenario = self.unasked.scenario
            wanted = replace(wanted, kept=((self.unasked.proposal.name, self.unasked.asker),))
        return self._solver(scenario, tuple(offers), wanted, levels)

    def _solver(
        self,
        scenario: Scenario,
        offers: tuple[Proposal, ...],
        wanted: Wanted,
        levels: tuple[int, ...],
    ) -> Solver:
        return Solver.of(
            scenario,
            offers,
            wanted=wanted,
            levels=levels,
            seed=self.seed,
            closely=levels != self.plan.levels,
        )

    # -- what matters most ----------------------------------------------------------------------

    def swings(
        self,
        solver: Solver,
        here: Outcomes,
        chairs: tuple[str, ...],
        place: Place,
        steps: Steps,
    ) -> tuple[Swing, ...]:
        """Solve the central case at both ends of the ranges that worth seems to depend on most.

        Which these are is taken from how worth and assumptions go together over the worlds.
        """
        sample = self.plan.sample
        names, w = list(sample.names), np.asarray(sample.weight)
        values = np.asarray(sample.values)
        most = MOST_TRIED if len(chairs) == 1 else MOST_EACH
        wanted = [
            (party, k)
            for party in chairs
            for k in _likely(values, here.worth.sel(party=party).values[:, 0], w)[:most]
        ]
        tried = sorted({k for _, k in wanted})
        if not tried:
            return ()
        ends = np.array([weighted_quantiles(values[:, k], w, BAND) for k in tried])
        centre = np.asarray(modal(self.scenario).values)[0]
        grids = ENDS if self.scenario.stocks else 1
        rows = np.tile(centre, (len(tried), 2, grids, 1))
        for j, k in enumerate(tried):
            rows[j, :, :, k] = ends[j][:, None]
        lots = np.broadcast_to(ENDS_AT + np.arange(grids), rows.shape[:3]).reshape(-1)
        steps.expect("ends", len(lots))
        out = solver.run(
            rows.reshape(len(lots), -1),
            lots=lots,
            folder=place("ends"),
            progress=steps.of("ends"),
        )
        worth = out.worth.values[:, 0].reshape(len(tried), 2, grids, -1)
        parties = list(self.scenario.parties)
        found = []
        for party, k in wanted:
            j, i = tried.index(k), parties.index(party)
            low, high = (worth[j, end, :, i] for end in (0, 1))
            found.append(Swing(party, names[k], (float(ends[j, 0]), float(ends[j, 1])), low, high))
        return tuple(found)


def _likely(
    values: Float[np.ndarray, "world assumption"],
    worth: Float[np.ndarray, " world"],
    weight: Float[np.ndarray, " world"],
) -> list[int]:
    """The assumptions that go with a worth, the closest first: by weighted rank correlation."""
    moving = [k for k in range(values.shape[1]) if np.ptp(values[:, k]) > 0]
    if not moving or np.ptp(worth) == 0:
        return []
    ranks = np.argsort(np.argsort(np.column_stack([worth, values[:, moving]]), axis=0), axis=0)
    centred = ranks - np.average(ranks, axis=0, weights=weight)
    cross = weight @ (centred[:, :1] * centred[:, 1:])
    size = np.sqrt((weight @ centred[:, :1] ** 2) * (weight @ centred[:, 1:] ** 2))
    order = np.argsort(-np.abs(cross / np.where(size > 0, size, 1.0)), kind="stable")
    return [moving[k] for k in order]
