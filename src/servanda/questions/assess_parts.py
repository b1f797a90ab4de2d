"""What is solved for an assessment?

In: a scenario, a deal, and how finely to solve it. Out: a `Job`, whose few programs answer every
part, and what they `Found`. Each part is one compiled program: where nothing else is compiled yet,
that is most of what an answer costs.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from servanda.game.batch import Follow, Program, cores, course_of, run, stakes
from servanda.game.bind import bind_to_obligations
from servanda.game.build import build
from servanda.game.differentiate import Gradient, gradient
from servanda.game.grid import FINE_NODES, coarser, make_grid
from servanda.game.levels import choose_levels
from servanda.game.method import closer, make_method
from servanda.game.paths import KINDS
from servanda.game.period import Method
from servanda.game.regimes import Bind, Variant
from servanda.game.rollout import starting_regimes
from servanda.game.size import fits, refuse_if_too_large
from servanda.game.solve import signing_at_start
from servanda.questions.grid_error import DATES, FINER, grid_error
from servanda.questions.outcomes import duties_in
from servanda.questions.riders import Riders, package_variants, packages, riders
from servanda.scenario.model import Obligation, Proposal, Scenario
from servanda.scenario.worlds import Worlds, modal

Progress = Callable[..., None]
"""Called with (steps done, steps in all)."""

PARTS = 4
"""Steps of the work, beside the worlds: the programs run at the modal world."""

Asker = tuple[str, tuple[str, ...]]
"""Whose harm a deal would stop, and the options with which it is done."""

TOGETHER = 8
"""Up to so many packages of terms are solved in one program with bound hands."""

PACKED = 16_000
"""With `fine`, so many grid points are shared by more packages than that."""

PATHS = 32
FINE_PATHS = 256


class Steps:
    """Counts finished steps for a progress bar."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.total, self.done = progress, 0, 0

    def expect(self, more: int) -> None:
        self.total = self.done + more

    def add(self, n: int = 1) -> None:
        self.done = min(self.total, self.done + n)
        if self.progress:
            self.progress(self.done, self.total)

    def count(self, work: Callable[[], Any]) -> Any:
        result = work()
        self.add()
        return result


@dataclass(frozen=True)
class Found:
    """What the programs of a `Job` gave."""

    over: dict[str, Any]  # the deal and no deal in every world
    centre: dict[str, Any]  # the same at the modal world
    beside: dict[str, Any]  # there too: hands bound, harm stopped, packages of terms, courses
    interests: dict[str, Any]  # there too: values with interests kept apart
    gradient: Gradient  # of the worths asked for
    riders: Riders | None
    error: dict[str, float]  # headline -> estimated error of the grid


@dataclass(frozen=True)
class Job:
    """One assessment: the game with its variants, and the programs that answer its parts."""

    scenario: Scenario
    proposal: Proposal
    plain: Program  # the deal and no deal, with paths that follow the deal: run in every world
    central: Program  # the same for the modal world, perhaps on a finer grid
    bound: Program  # with hands bound and the harm stopped, for the modal world; a finer grid
    bound_parties: tuple[str, ...]  # variants 1.. of `bound`
    asker: Asker | None  # the next two: no offer, with this harm stopped, and as it is
    packs: tuple[int, ...]  # the variants of `bound` that are packages of terms; none: too many
    packing: Method  # for packages of terms, if they are too many for `bound`
    world: Worlds
    seed: int
    other: Program | None  # tells the error of the grid if compared with `plain`, or `central`

    @staticmethod
    def prepare(
        scenario: Scenario,
        proposal: Proposal,
        seed: int,
        fine: bool,
        levels: tuple[int, ...] | None,
        nodes: int,
    ) -> Job:
        base = build(scenario, [Variant(proposal)])
        variants, bound, asker, packs = _beside(scenario, proposal, duties_in(base), seed)
        game = build(scenario, variants)
        usual = levels or choose_levels(scenario, nodes)
        chosen = another = usual
        if levels is None:
            chosen = choose_levels(scenario, FINE_NODES) if fine else usual
            another = choose_levels(scenario, FINE_NODES // FINER if fine else FINER * nodes)
        refuse_if_too_large(base, chosen)
        refuse_if_too_large(game, usual)
        if another != usual and not fits(game, another):
            another = usual
        world = modal(scenario)
        names, spreads = tuple(world.names), stakes(scenario)
        plain = Program(
            base,
            make_method(scenario, usual),
            spreads,
            names,
            (Follow(base.roots[0]["signed"], values=False),),
            PATHS,
            seed,
        )
        root = game.roots[0]
        starts = (root["signed"], root["signed"], root["no_deal"])
        hands = replace(
            plain,
            game=game,
            method=make_method(scenario, another),
            follow=(Follow(starts, (True, False, False), exits=True, values=False),),
            once=True,
        )
        central, packing = plain, plain.method
        if fine:
            # a grid that follows this deal alone is finer where it goes than one for all offers
            offers = (proposal, *packages(scenario, proposal, seed)) if chosen != usual else None
            central, hands = (
                replace(
                    program,
                    method=closer(make_method(scenario, grid)),
                    paths=FINE_PATHS,
                    once=True,
                    offers=offers,
                    rollout=starting_regimes(program.game) if scenario.stocks else (),
                )
                for program, grid in ((plain, chosen), (hands, another))
            )
            if scenario.stocks:
                central = replace(central, split=plain.method)
                plain = replace(plain, rollout=central.rollout)
            count = len(package_variants(scenario, proposal, seed)[0])
            each = levels or choose_levels(scenario, max(nodes, PACKED // count))
            packing = make_method(scenario, each)
        other: Program | None = hands
        if another == chosen:
            fewer = coarser(chosen)
            other = None
            if fewer is not None:
                method = replace(central.method, grid=make_grid(scenario, fewer))
                other = replace(central, method=method, split=None, once=True)
        return Job(
            scenario,
            proposal,
            plain,
            central,
            hands,
            bound,
            asker,
            packs,
            packing,
            world,
            seed,
            other,
        )

    def solved(self, chairs: tuple[str, ...], sample: Worlds, steps: Steps) -> Found:
        """Run everything, side by side."""
        pool = cores()
        try:
            parts: dict[str, Future[Any]] = {}
            if not self.packs:  # a program of their own, the longest of all
                parts["riders"] = pool.submit(self.riders, None)
            parts["beside"] = pool.submit(steps.count, self.beside)
            if self.other is not None and self.other is not self.bound:
                parts["other"] = pool.submit(run, self.other, self.world)
            parts["gradient"] = pool.submit(steps.count, lambda: self.gradients(chairs))
            centre = steps.count(lambda: run(self.central, self.world))
            parts["interests"] = pool.submit(steps.count, lambda: self.by_interest(centre))
            # the first array takes xarray a while, for it looks for other libraries
            pool.submit(xr.DataArray, 0.0)
            over = run(self.plain, sample, lambda done, total: steps.add(), pool)
            found = {name: part.result() for name, part in parts.items()}
        finally:
            pool.shutdown(cancel_futures=True)
        beside = found["beside"]
        error = self.grid_error(centre, found.get("other", beside))
        added = self.riders(beside) if self.packs else found["riders"]
        return Found(over, centre, beside, found["interests"], found["gradient"], added, error)

    # -- the parts, each a program -----------------------------------------------------------

    def beside(self) -> dict[str, Any]:
        """Bound hands, the stopped harm, and three courses.

        The deal while it is kept, with what is left to parties when it breaks; the deal and
        whatever comes after it; no deal.
        """
        return run(self.bound, self.world)

    def grid_error(self, centre: dict[str, Any], out: dict[str, Any]) -> dict[str, float]:
        """Estimated error of every headline, from another grid; without stocks of none."""
        if self.other is None:
            return {}
        stakes = dict(zip(self.scenario.parties, self.plain.stakes, strict=True))
        return grid_error(headlines(self.plain, centre), headlines(self.other, out), stakes)

    def by_interest(self, centre: dict[str, Any]) -> dict[str, Any]:
        """Values with interests kept apart."""
        if self.central.split is not None:
            return centre
        method = replace(self.central.method, by_interest=True)
        return run(replace(self.central, method=method, follow=(), once=True), self.world)

    def riders(self, beside: dict[str, Any] | None) -> Riders | None:
        """What each changed term is worth, if there are at least two."""
        game, out, packs = self.bound.game, beside, self.packs
        variants, whole = package_variants(self.scenario, self.proposal, self.seed)
        if out is None:
            game = build(self.scenario, variants)
            packs = tuple(range(len(variants)))
            start = {root["signed"] for root in game.roots} | {game.roots[whole]["no_deal"]}
            program = replace(
                self.central,
                game=game,
                method=self.packing,
                follow=(),
                once=True,
                paths=PATHS,
                rollout=tuple(sorted(start)) if self.central.rollout else (),
                split=None,
            )
            out = run(program, self.world)
        value = out["value"][0]
        without = value[game.roots[packs[whole]]["no_deal"]]
        worths = np.array([value[game.roots[k]["signed"]] - without for k in packs])
        return riders(self.scenario, self.proposal, worths, self.seed)

    def gradients(self, chairs: tuple[str, ...]) -> Gradient:
        """Derivatives of the worth to every party asked for by every assumption."""
        root = self.plain.game.roots[0]
        program = replace(self.plain, follow=(), once=True, rollout=())
        parties = list(self.scenario.parties)

        def worths(out: dict[str, Any]) -> dict[str, Any]:
            value = out["value"]
            gain = value[root["signed"]] - value[root["no_deal"]]
            return {name: gain[parties.index(name)] for name in chairs}

        return gradient(program, worths, self.world, known=("worth", *chairs))


def _beside(
    scenario: Scenario, proposal: Proposal, duties: list[Obligation], seed: int
) -> tuple[list[Variant], tuple[str, ...], Asker | None, tuple[int, ...]]:
    """The variants that are solved beside the deal, and `Job.bound_parties`, `asker`, `packs`."""
    variants = [Variant(proposal)]
    bound: list[str] = []
    for party in scenario.parties:
        own = [o for o in duties if o.party == party]
        binds = bind_to_obligations(scenario, own, "in_force")
        if binds:
            bound.append(party)
            variants.append(Variant(proposal, binds, signed_only=True))
    asker: Asker | None = None
    harm = [o for o in duties if o.party == proposal.proposer and o.kind == "never"]
    if harm and proposal.proposer is not None:
        stopped = bind_to_obligations(scenario, harm, "any")
        variants += [Variant(None, stopped), Variant(None)]
        asker = (proposal.proposer, _closed(scenario, stopped))
    parts, whole = package_variants(scenario, proposal, seed)
    packs: tuple[int, ...] = ()
    if len(parts) <= TOGETHER:
        # the whole package is the deal itself
        packs = tuple(
            0 if k == whole else len(variants) + k - (k > whole) for k in range(len(parts))
        )
        variants += [v for k, v in enumerate(parts) if k != whole]
    return variants, tuple(bound), asker, packs


def headlines(program: Program, out: dict[str, Any]) -> dict[str, float]:
    """Worth to every party, joint signing, and survival at 4, 8, 16, 40, at the first world.

    Survival is that of the first course, and of its first start.
    """
    game = program.game
    roots = game.roots[0]
    value = out["value"][0]
    gain = value[roots["signed"]] - value[roots["no_deal"]]
    found = {f"worth.{p}": float(gain[i]) for i, p in enumerate(game.parties)}
    found["signs.all"] = float(signing_at_start(game, out)[1][0])
    course = np.asarray(course_of(out, 0).regime)[..., KINDS.index("in_force")]
    survival = course.reshape(-1, course.shape[-1])[0]
    found |= {f"survival.{t}": float(survival[t]) for t in DATES if t < len(survival)}
    return found


def _closed(scenario: Scenario, binds: tuple[Bind, ...]) -> tuple[str, ...]:
    """The options that a set of binds takes away."""
    lost = []
    for b in binds:
        decision = next(d for d in scenario.decisions if d.key == b.decision)
        lost += [f"{b.decision}.{o}" for o in decision.options if o not in b.options]
    return tuple(dict.fromkeys(lost))
