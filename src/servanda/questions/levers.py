"""Which levers would make a deal acceptable, signed and kept, and at what cost?

In: a scenario with levers, a deal, the party whose acceptance is tested and a budget. Out: a
`LeversAnswer`: what each package of levers does to signing, holding and worth, whether it makes
every alternative of the party worse and worsening, from when, who pays, what an ally's leaving
would undo, and (if asked) a schedule over time. Everybody knows which levers will be pulled, and
when; what a lever costs its owner is not among the parties' payoffs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from servanda.errors import QuestionError, unknown
from servanda.game.batch import Progress, cores, stakes
from servanda.game.bind import bind_aside
from servanda.game.grid import FINER, usual_nodes
from servanda.game.levels import choose_levels, other_levels
from servanda.questions.acceptance import (
    Course,
    Reading,
    Table,
    alternatives,
    prepare_table,
    regimes_of,
)
from servanda.questions.answer import Answer, Origin
from servanda.questions.grid_error import ANOTHER_GRID, SAFETY, grid_error, stated_dates
from servanda.questions.outcomes import PATHS, Wanted, outcomes
from servanda.questions.packages import (
    SLACK,
    Package,
    amounts,
    by_owner,
    cost_of,
    costs,
    efficient,
    intensities_of,
    modal_amounts,
    owned,
    package,
    packages_within,
    pairs,
    schedule_of_package,
    without,
)
from servanda.questions.schedule import (
    OBJECTIVES,
    Objective,
    best_schedule,
    blocks_of,
    figure_of,
    objective_with_gradient,
    value_of,
)
from servanda.runs import Place, parts
from servanda.scenario.model import Proposal, Scenario
from servanda.scenario.worlds import Worlds, draw, modal
from servanda.show.marks import Spec
from servanda.show.page import Block

SHOWS = 1e-3
"""Of a party's stakes: a lever that adds less worth does not go far."""

SHOWN = 5
"""Efficient packages that are solved over worlds."""


@dataclass(frozen=True)
class Acceptance:
    """The acceptance condition under one package: the central case (one world), and all worlds."""

    package: Package
    central: Course
    over: Course
    grid_error: float  # of a gap, in the party's units


@dataclass(frozen=True)
class Ally:
    """What the levers lose when a party leaves: the change of every measure [measure]."""

    party: str
    levers: tuple[str, ...]  # of the package, gone with it
    decisions: tuple[str, ...]  # bound to their first option
    change: xr.DataArray


@dataclass(frozen=True)
class Plan:
    """A schedule: intensities [lever, period] and the objective with it and with the constant one.

    `gain` [world] is the objective with the schedule minus that with the best constant package.
    `better` says which of the two was found better at the central case by solving again.
    """

    objective: str
    levers: tuple[str, ...]
    intensity: Float[np.ndarray, "lever period+1"]
    constant: Package
    value: float
    value_constant: float
    cost: float  # mean per period over the horizon
    cost_constant: float
    gain: Float[np.ndarray, " world"]
    better: str
    steps: int


@dataclass(frozen=True)
class LeversAnswer(Answer):
    """What packages of levers do to a deal.

    `central` [package, measure] are figures at the central case: `signs.all`, `logit.all` (its
    log-odds), `survival.T`, `unaccused.T` (the same if nobody is wrongly accused), `truly_broken`
    and `accused` (by the last date, if signed: truly broken, and ended by a false alarm),
    `unbroken` (not broken by then if nobody is wrongly accused), `kept` (signed and that),
    `logit.kept`, `spared` (signed, and ended neither by a breach nor by a false alarm),
    `worth.PARTY`, `no_deal.PARTY`. `over` [package, world, measure] are the same over worlds for
    the shown packages. `efficient` [package]: nothing cheaper makes `kept` and `spared` as likely.
    `found` is the cheapest package that meets the acceptance condition at the central case (None:
    none), `best` that one, or else the one with which the deal is worth most to the party.
    """

    deal: str
    party: str
    signatory: bool
    budget: float | None
    labels: dict[str, str]
    owners: dict[str, str]
    starts: dict[str, int]
    packages: tuple[Package, ...]
    cost: Float[np.ndarray, " package"]
    cost_over: Float[np.ndarray, "package world"]
    central: xr.DataArray
    efficient: Bool[np.ndarray, " package"]
    over: xr.DataArray
    weight: xr.DataArray
    interactions: xr.DataArray  # [pair, measure], pairs as "a + b"
    tested: int  # packages put to the whole acceptance condition
    screened: int  # packages that no deal alone rules out
    found: Package | None
    best: Package
    acceptance: tuple[Acceptance, ...]  # without levers, then with the best package
    payers: dict[str, float]  # owner -> cost per period of the best package
    allies: tuple[Ally, ...]
    schedule: Plan | None
    dates: tuple[int, ...]
    ends: bool  # nothing is worth anything past the horizon

    PICTURES: ClassVar[Sequence[str]] = ("packages", "acceptance", "schedule")

    def effect(self, measure: str) -> Float[np.ndarray, " package"]:
        """What each package adds to a measure at the central case."""
        x = self.central.sel(measure=measure).values
        return np.asarray(x - x[0])

    def frontier(self, measure: str) -> Bool[np.ndarray, " package"]:
        """The packages that nothing cheaper equals in one measure at the central case."""
        return efficient(self.cost, self.effect(measure)[:, None])

    @property
    def first(self) -> float:
        """The first date at which the best package meets the condition; inf: at none."""
        return float(self.acceptance[-1].central.first[0])

    def to_dataframe(self) -> Any:
        """One row per package: cost, figures, effects, whether it is efficient."""
        import pandas as pd

        columns: dict[str, Any] = {
            "package": [p.name for p in self.packages],
            "cost": self.cost,
            "efficient": self.efficient,
            "best": [p == self.best for p in self.packages],
        }
        for m in map(str, self.central.measure.values):
            columns[m] = self.central.sel(measure=m).values
            columns[f"effect.{m}"] = self.effect(m)
        with np.errstate(divide="ignore", invalid="ignore"):
            for m in ("logit.all", "logit.kept"):
                per = np.where(self.cost > 0, self.effect(m) / self.cost, np.nan)
                columns[f"effect.{m} per cost"] = per
        return pd.DataFrame(columns)

    def blocks(self) -> list[Block]:
        """The answer as a page."""
        from servanda.show.levers_page import blocks

        return blocks(self)

    def picture(self, what: str) -> Spec:
        """`packages` (effect against cost), `acceptance` or `schedule`."""
        from servanda.show.levers_page import picture

        return picture(self, what)


def levers(
    scenario: Scenario,
    deal: str,
    *,
    party: str | None = None,
    budget: float | None = None,
    among: Sequence[str] | None = None,
    packages: Sequence[Mapping[str, float] | Sequence[str]] | None = None,
    intensities: Sequence[float] = (1.0,),
    worlds: int = 32,
    seed: int = 0,
    schedule: bool = False,
    objective: Objective = "signing",
    levels: tuple[int, ...] | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> LeversAnswer:
    """What packages of levers within a budget (cost per period) do to a deal.

    `party` is whose acceptance is tested (by default the signatory least likely to sign), `among`
    restricts the levers, `packages` names the packages (`nothing` is added), else all within the
    budget are tried at the given intensities. `schedule` also seeks a schedule over time that
    raises `objective`. In `folder` what is finished is kept, the schedule apart; the same question
    goes on from there. Raises QuestionError for unknown names, a scenario without levers, a budget
    that buys none of them or a folder of something else.
    """
    proposal = _check(scenario, deal, party, among, objective)
    names = tuple(n for n in scenario.levers if among is None or n in among)
    sample, centre = draw(scenario, worlds, seed), modal(scenario)
    cost = costs(scenario, centre)[0]
    price = dict(zip(scenario.levers, cost, strict=True))
    chosen = _choose(scenario, names, packages, intensities, price, budget)
    grid = levels or choose_levels(scenario)
    job = {
        "question": "levers",
        "hash": scenario.hash,
        "deal": deal,
        "party": party,
        "packages": [dict(p.pulled) for p in chosen],
        "worlds": worlds,
        "seed": seed,
        "levels": list(grid),
    }

    def told(done: int, total: int) -> None:
        if progress:
            progress(done, total)

    with parts(folder, job) as place:
        party = party or _least_willing(scenario, proposal, centre, grid, seed, place)
        others = alternatives(scenario, proposal, party)
        drawn = amounts(scenario, len(sample), seed)

        def at_centre(some: Sequence[Package]) -> np.ndarray:
            return np.concatenate([schedule_of_package(scenario, centre.values, p) for p in some])

        def over_worlds(p: Package) -> np.ndarray:
            return schedule_of_package(scenario, sample.values, p, drawn)

        pool = cores()
        try:
            few = prepare_table(scenario, proposal, party, (), levels=grid, seed=seed)
            reading = few.run(at_centre(chosen), told, pool, place("packages"))
            central = _measures(scenario, reading, chosen)
            spent = np.array([cost_of(scenario, p, cost) for p in chosen])
            best_of = efficient(spent, central.sel(measure=["kept", "spared"]).values)
            whole = prepare_table(scenario, proposal, party, others, levels=grid, seed=seed)
            found, screened, tested = _cheapest(whole, chosen, reading, at_centre, pool, place)
            worth = central.sel(measure=f"worth.{party}").values
            furthest = int(np.argmax(worth))
            scale = dict(zip(scenario.parties, stakes(scenario), strict=True))[party]
            if worth[furthest] - worth[0] <= SHOWS * scale:
                furthest = 0
            best = chosen[found if found is not None else furthest]
            two = [chosen[0], best] if best != chosen[0] else [best]
            here = whole.run(at_centre(two), told, pool, place("acceptance"))
            wide = whole.run(
                np.concatenate([over_worlds(p) for p in two]),
                told,
                pool,
                place("acceptance-in-worlds"),
                np.tile(np.arange(len(sample)), len(two)),
            )
            error, errors = _grid_errors(
                scenario, proposal, whole, here, at_centre(two), grid, levels, place
            )
            shown = _shown(chosen, best, best_of, central)
            over = _over(
                scenario, few, two, shown, wide, over_worlds, len(sample), told, pool, place
            )
            acceptance = tuple(
                Acceptance(
                    p,
                    _part(here.course, k, 1),
                    _part(wide.course, k, len(sample)),
                    float(error[k]),
                )
                for k, p in enumerate(two)
            )
            allies = _allies(
                scenario, proposal, party, best, centre, central, chosen, grid, seed, place
            )
            plan = None
            if schedule:
                plan = _plan(
                    scenario,
                    whole,
                    names,
                    chosen,
                    centre,
                    sample,
                    drawn,
                    cost,
                    budget,
                    objective,
                    told,
                )
        finally:
            pool.shutdown(cancel_futures=True)
    last = scenario.horizon
    return LeversAnswer(
        Origin.of(scenario, seed=seed, worlds=worlds, levels=grid, paths=PATHS, grid_error=errors),
        deal=deal,
        party=party,
        signatory=party in proposal.signatories,
        budget=budget,
        labels={n: scenario.levers[n].label or n for n in names},
        owners={n: scenario.levers[n].owner for n in names},
        starts={n: scenario.levers[n].start for n in names},
        packages=tuple(chosen),
        cost=spent,
        cost_over=np.stack([cost_of(scenario, p, costs(scenario, sample)) for p in chosen]),
        central=central,
        efficient=best_of,
        over=over,
        weight=xr.DataArray(np.asarray(sample.weight), dims=("world",)),
        interactions=_interactions(chosen, central),
        tested=tested,
        screened=screened,
        found=None if found is None else chosen[found],
        best=best,
        acceptance=acceptance,
        payers=by_owner(scenario, best, cost),
        allies=allies,
        schedule=plan,
        dates=stated_dates(last),
        ends=scenario.terminal == "zero",
    )


# -- what is asked ------------------------------------------------------------------------------


def _check(
    scenario: Scenario,
    deal: str,
    party: str | None,
    among: Sequence[str] | None,
    objective: str,
) -> Proposal:
    if not scenario.levers:
        raise QuestionError("this scenario has no levers: add what somebody could change, `levers`")
    if deal not in scenario.proposals:
        raise unknown("deal", deal, scenario.proposals)
    if party is not None and party not in scenario.parties:
        raise unknown("party", party, scenario.parties)
    for name in among or ():
        if name not in scenario.levers:
            raise unknown("lever", name, scenario.levers)
    if among is not None and not among:
        raise QuestionError("name at least one lever")
    if objective not in OBJECTIVES:
        raise unknown("objective", objective, OBJECTIVES)
    return scenario.proposals[deal]


def _choose(
    scenario: Scenario,
    names: Sequence[str],
    packages: Sequence[Mapping[str, float] | Sequence[str]] | None,
    intensities: Sequence[float],
    price: Mapping[str, float],
    budget: float | None,
) -> list[Package]:
    """The packages to try, `nothing` first."""
    if budget is not None and math.isnan(budget):
        raise QuestionError("a budget of nan: it must be a number")
    for u in intensities:
        if not 0 < u <= 1:
            raise QuestionError(f"intensity {u:g}: it must lie above 0 and not above 1")
    if packages is None:
        least = min(names, key=lambda n: price[n])
        lowest = price[least] * min(intensities)
        if budget is not None and lowest > budget + SLACK:
            raise QuestionError(
                f"a budget of {budget:g} buys no lever: the cheapest, {least}, costs {lowest:.3g} "
                "a period"
            )
        return packages_within(scenario, names, intensities, price, budget)
    chosen = list(dict.fromkeys([Package(), *(package(scenario, p) for p in packages)]))
    for p in chosen:
        spent = sum(u * price[n] for n, u in p.pulled)
        if budget is not None and spent > budget + SLACK:
            raise QuestionError(
                f"the package {p.name} costs {spent:.3g} a period, more than the budget of "
                f"{budget:g}"
            )
    return chosen


def _least_willing(
    scenario: Scenario,
    deal: Proposal,
    centre: Worlds,
    grid: tuple[int, ...],
    seed: int,
    place: Place,
) -> str:
    """The signatory least likely to sign at the central case; if equally, who gains least."""
    one = outcomes(
        scenario,
        [deal],
        centre,
        wanted=Wanted(survival=False),
        levels=grid,
        seed=seed,
        folder=place("signatories"),
    )
    scale = dict(zip(scenario.parties, stakes(scenario), strict=True))

    def willing(p: str) -> tuple[float, float]:
        gain = float(one.worth.sel(party=p)[0, 0])
        return float(one.signing.sel(party=p)[0, 0]), gain / (scale[p] or 1.0)

    return min(deal.signatories, key=willing)


# -- figures ------------------------------------------------------------------------------------


def _names(scenario: Scenario) -> list[str]:
    last = scenario.horizon
    dates = stated_dates(last)
    measures = ["signs.all", "logit.all"]
    measures += [f"{kind}.{t}" for kind in ("survival", "unaccused") for t in dates]
    measures += ["truly_broken", "accused", "unbroken", "kept", "logit.kept", "spared"]
    measures += [f"worth.{p}" for p in scenario.parties]
    return measures + [f"no_deal.{p}" for p in scenario.parties]


def _rows(
    scenario: Scenario,
    joint: np.ndarray,
    keeping: tuple[np.ndarray, ...],
    worth: np.ndarray,
    no_deal: np.ndarray,
) -> np.ndarray:
    """[row, measure]; arguments are [row], [row, period] five times, [row, party] twice.

    `keeping` are survival, the same if nobody is wrongly accused, broken, the part of it that is a
    false alarm, and broken if nobody is wrongly accused.
    """
    survival, unaccused, broken, accused, unaccused_broken = keeping
    last = scenario.horizon
    dates = stated_dates(last)
    unbroken = 1 - unaccused_broken[:, -1]
    kept = joint * unbroken
    parts = [joint, _logit(joint)]
    parts += [x[:, t] for x in (survival, unaccused) for t in dates]
    parts += [broken[:, -1] - accused[:, -1], accused[:, -1], unbroken, kept, _logit(kept)]
    parts += [joint * (1 - broken[:, -1])]
    return np.concatenate([np.stack(parts, axis=1), worth, no_deal], axis=1)


def _logit(p: np.ndarray) -> np.ndarray:
    """Log-odds, of probabilities from 1e-300 to 1 - 1e-15."""
    p = np.clip(p, 1e-300, 1 - 1e-15)
    return np.asarray(np.log(p) - np.log1p(-p))


def _measured(scenario: Scenario, r: Reading) -> np.ndarray:
    return _rows(
        scenario,
        r.joint,
        (r.survival, r.unaccused, r.broken, r.accused, r.unaccused_broken),
        r.worth,
        r.no_deal,
    )


def _measures(scenario: Scenario, r: Reading, chosen: Sequence[Package]) -> xr.DataArray:
    coords = {"package": [p.name for p in chosen], "measure": _names(scenario)}
    return xr.DataArray(_measured(scenario, r), dims=("package", "measure"), coords=coords)


def _part(course: Course, k: int, count: int) -> Course:
    """The k-th `count` worlds of a course."""
    rows = slice(k * count, (k + 1) * count)
    return replace(course, deal=course.deal[rows], others=course.others[rows])


def _cheapest(
    whole: Table,
    chosen: Sequence[Package],
    reading: Reading,
    at_centre: Any,
    pool: Executor,
    place: Place,
) -> tuple[int | None, int, int]:
    """The cheapest package that meets the whole condition; how many came through the screen.

    No deal is one of the alternatives: a package under which it never passes is out. The rest
    is tried in order of cost, two at a time, until one meets the condition.
    """
    maybe = np.flatnonzero(reading.course.passes[:, 0].any(axis=-1))
    tested = 0
    for k in range(0, len(maybe), 2):
        some = [int(n) for n in maybe[k : k + 2]]
        thetas, kept = at_centre([chosen[n] for n in some]), place(f"tried-{k + 1:03d}")
        first = whole.run(thetas, None, pool, kept).course.first
        tested += len(some)
        for n, t in zip(some, first, strict=True):
            if math.isfinite(t):
                return n, len(maybe), tested
    return None, len(maybe), tested


def _shown(
    chosen: Sequence[Package], best: Package, best_of: np.ndarray, central: xr.DataArray
) -> list[Package]:
    """Efficient packages to solve over worlds, spread along the frontier."""
    line = [p for p, e in zip(chosen, best_of, strict=True) if e and p not in (chosen[0], best)]
    if len(line) <= SHOWN:
        return line
    return [line[round(k)] for k in np.linspace(0, len(line) - 1, SHOWN)]


def _over(
    scenario: Scenario,
    few: Table,
    two: Sequence[Package],
    shown: Sequence[Package],
    wide: Reading,
    over_worlds: Any,
    count: int,
    told: Progress,
    pool: Executor,
    place: Place,
) -> xr.DataArray:
    """[package, world, measure] of `two`, solved already, and of the packages shown."""
    rows = [_measured(scenario, wide)]
    if shown:
        thetas = np.concatenate([over_worlds(p) for p in shown])
        lots = np.tile(np.arange(count), len(shown))
        found = few.run(thetas, told, pool, place("packages-in-worlds"), lots)
        rows.append(_measured(scenario, found))
    names = _names(scenario)
    values = np.concatenate(rows).reshape(len(two) + len(shown), count, len(names))
    return xr.DataArray(
        values,
        dims=("package", "world", "measure"),
        coords={"package": [p.name for p in (*two, *shown)], "measure": names},
    )


def _interactions(chosen: Sequence[Package], central: xr.DataArray) -> xr.DataArray:
    """[pair, measure] effect(A and B) - effect(A) - effect(B), for pairs that were solved."""
    x = central.values - central.values[0]
    found = pairs(chosen)
    rows = [x[both] - x[a] - x[b] for a, b, both in found]
    values = np.array(rows).reshape(len(found), central.sizes["measure"])
    names = [chosen[both].name for _, _, both in found]
    coords = {"pair": names, "measure": central.measure.values}
    return xr.DataArray(values, dims=("pair", "measure"), coords=coords)


def _grid_errors(
    scenario: Scenario,
    deal: Proposal,
    whole: Table,
    here: Reading,
    thetas: np.ndarray,
    grid: tuple[int, ...],
    given: tuple[int, ...] | None,
    place: Place,
) -> tuple[np.ndarray, dict[str, float]]:
    """Error of the smallest gap at the start, by row, and of headlines, without levers.

    By solving on a grid of four times the points (or, with levels of one's own, on the usual one).
    """
    zero = np.zeros(len(thetas))
    other = other_levels(scenario, grid, usual_nodes(scenario) * (1 if given else FINER))
    if other is None:
        return zero, {}
    table = prepare_table(
        scenario, deal, whole.party, whole.others, levels=other, seed=whole.program.seed, once=True
    )
    there = table.run(thetas, folder=place(ANOTHER_GRID))
    gap = np.abs(there.course.gap[:, :, 0] - here.course.gap[:, :, 0]).max(axis=1)
    names = _names(scenario)
    rows = (_measured(scenario, r)[0] for r in (here, there))
    one, two = ({n: float(x) for n, x in zip(names, row, strict=True)} for row in rows)
    headline = [n for n in names if n.startswith(("worth.", "survival.", "signs."))]
    scale = dict(zip(scenario.parties, stakes(scenario), strict=True))
    errors = grid_error({n: one[n] for n in headline}, {n: two[n] for n in headline}, scale)
    return SAFETY * gap, errors


# -- allies -------------------------------------------------------------------------------------


def _allies(
    scenario: Scenario,
    deal: Proposal,
    target: str,
    best: Package,
    centre: Worlds,
    central: xr.DataArray,
    chosen: Sequence[Package],
    grid: tuple[int, ...],
    seed: int,
    place: Place,
) -> tuple[Ally, ...]:
    """What the best package loses at the central case when one of the other parties leaves."""
    found = []
    start = central.values[chosen.index(best)]
    for party in scenario.parties:
        if party == target:
            continue
        gone = tuple(x.name for x in owned(scenario, party) if x.name in best)
        binds = bind_aside(scenario, party)
        left = without(best, gone)
        if not binds and not gone:
            row = start
        elif not binds and left in chosen:
            row = central.values[chosen.index(left)]
        else:
            o = outcomes(
                scenario,
                [deal],
                schedule_of_package(scenario, centre.values, left),
                levels=grid,
                seed=seed,
                binds=binds,
                folder=place(f"without-{party}"),
            )
            row = _rows(
                scenario,
                o.joint.values[:, 0],
                (
                    o.survival.values[:, 0],
                    o.unaccused.values[:, 0],
                    *(
                        x.values[:, 0].sum(axis=-1)
                        for x in (o.broken, o.accused, o.unaccused_broken)
                    ),
                ),
                o.worth.values[:, 0],
                o.no_deal.values[:, 0],
            )[0]
        keys = tuple(b.decision for b in binds)
        change = xr.DataArray(row - start, dims=("measure",), coords={"measure": _names(scenario)})
        found.append(Ally(party, gone, keys, change))
    return tuple(found)


# -- the schedule -------------------------------------------------------------------------------


def _plan(
    scenario: Scenario,
    whole: Table,
    names: tuple[str, ...],
    chosen: Sequence[Package],
    centre: Worlds,
    sample: Worlds,
    drawn: dict[str, list[np.ndarray]],
    cost: np.ndarray,
    budget: float | None,
    objective: str,
    told: Progress,
) -> Plan:
    """The best schedule found, and the best constant package of those tried."""
    others = whole.others if objective == "gap" else ()
    table = whole if objective == "gap" else prepare_table(
        scenario,
        whole.program.game.variants[0].proposal,  # type: ignore[arg-type]
        whole.party,
        (),
        levels=whole.program.method.grid.levels,
    )  # fmt: skip
    program = replace(table.program, follow=())
    watch = regimes_of(program.game, others)
    figure = figure_of(program, objective, whole.party, watch)
    modes = modal_amounts(scenario)
    blocks = blocks_of(scenario, names)
    acts = blocks.allowed

    def constant(p: Package) -> np.ndarray:
        return np.where(acts, intensities_of(scenario, p)[:, None], 0.0)

    def solved(intensity: np.ndarray) -> float:
        return float(value_of(scenario, program, centre.values, intensity, figure, modes)[0])

    values = [solved(constant(p)) for p in chosen]
    at = int(np.argmax(values))
    start = intensities_of(scenario, chosen[at])
    evaluated = objective_with_gradient(scenario, program, centre.values[0], blocks, figure)
    ascent = best_schedule(evaluated, blocks, start, cost, budget, progress=told)
    # checked by solving the program again, and for patience
    schedule_of_package(scenario, centre.values, ascent.by_period)
    reached = solved(ascent.by_period)
    better = reached > values[at]
    intensity = ascent.by_period if better else constant(chosen[at])
    with_it, without_it = (
        value_of(scenario, program, sample.values, x, figure, drawn)
        for x in (intensity, constant(chosen[at]))
    )
    horizon = scenario.horizon

    def mean_cost(x: np.ndarray) -> float:
        return float((cost[:, None] * x[:, :horizon]).sum() / horizon)

    return Plan(
        objective,
        tuple(scenario.levers),
        intensity,
        chosen[at],
        max(reached, values[at]),
        values[at],
        mean_cost(intensity),
        mean_cost(constant(chosen[at])),
        with_it - without_it,
        "schedule" if better else "constant package",
        ascent.steps,
    )
