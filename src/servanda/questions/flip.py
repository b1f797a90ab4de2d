"""On which assumptions does the verdict rest, and where would it turn?

In: a deal and a chair. Out: a `Flip`: at the modal world, derivatives of every headline by every
assumption; worth along each assumption's range and beyond it; the values at which worth changes
its sign, bracketed by re-solving; the same for every level of every term and every rival reading;
the share of kept promises at which signing pays; and, if asked, a map of two assumptions and Sobol'
indices.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from jaxtyping import Float

from servanda.errors import QuestionError, unknown
from servanda.game.batch import cores
from servanda.game.differentiate import Derivatives, differentiate
from servanda.game.grid import coarser, usual_nodes
from servanda.game.levels import choose_levels, other_levels
from servanda.game.solve import find_proposal
from servanda.questions.answer import Answer, Origin
from servanda.questions.compare import errors_of, on_another_grid
from servanda.questions.compliance import Compliance, break_even
from servanda.questions.grid_error import FINER
from servanda.questions.outcomes import Offers, Wanted, outcomes, prepare
from servanda.questions.roots import narrow
from servanda.questions.sobol import SobolIndices, sobol_indices, sobol_sample
from servanda.scenario.distributions import Distribution
from servanda.scenario.model import Proposal, Scenario
from servanda.scenario.worlds import modal
from servanda.show.marks import Spec
from servanda.show.page import Block

STATED = 16
"""The period at which survival is differentiated, or the horizon if that is sooner."""

NEAR = 2.0
"""How many times as far as it has moved worth may be from 0 for a closer look to be taken."""

TAILS = (0.005, 0.995)
"""Quantiles that stand for the ends of a distribution without ends."""

NARROW = 0.002
"""A flip is bracketed to this share of its assumption's range."""

ASIDE = 0.01
"""Each flip is checked this share of the range to either side."""

MAP = 13
"""Points along each side of a map of two assumptions."""

SOBOL = 6
"""Assumptions, those that swing worth most, for which Sobol' indices are estimated."""

Progress = Callable[..., None]


@dataclass(frozen=True)
class FlipPoint:
    """A value of an assumption at which worth to the chair changes its sign."""

    assumption: str
    value: float
    usual: float  # the assumption's value in the central case
    low: float  # its range: the ends of its distribution under any reading
    high: float
    inside: bool  # whether the flip lies inside the range
    rises: bool  # worth is above 0 beyond the value, below it before
    jump: bool  # worth jumps across 0 instead of passing through it
    verified: bool  # worth has different signs a hundredth of the range to either side


@dataclass(frozen=True)
class LevelFlip:
    """The deal with one term at another level, everything else the same."""

    term: str
    level: str
    usual: bool  # the level that the deal has
    worth: dict[str, float]
    signs: float
    survival: float  # at the horizon
    flips: bool  # worth to the chair has another sign than with the usual level


@dataclass(frozen=True)
class ReadingFlip:
    """The central case under another rival reading."""

    group: str
    hypothesis: str
    worth: dict[str, float]
    flips: bool


@dataclass(frozen=True)
class Map:
    """Worth to the chair over two assumptions, [y, x]; the rest as in the central case."""

    x_name: str
    y_name: str
    x: Float[np.ndarray, " x"]
    y: Float[np.ndarray, " y"]
    worth: Float[np.ndarray, "y x"]


@dataclass(frozen=True)
class Flip(Answer):
    """What the verdict from one chair rests on (see the module).

    `scan` is [assumption, point, party], worth at `points` [assumption, point]: the lower end of
    the range less its width, the lower end, halfway to the usual value, that value, halfway up,
    the upper end, and the width beyond it, as far as the number can go; NaN at points halfway and
    beyond where worth was too far from 0 for a look.
    """

    deal: str
    chair: str
    worth: dict[str, float]  # in the central case
    signs: float
    derivatives: Derivatives
    ranges: Float[np.ndarray, "assumption 2"]
    points: Float[np.ndarray, "assumption point"]
    scan: xr.DataArray
    flips: tuple[FlipPoint, ...]
    levels: tuple[LevelFlip, ...]
    readings: tuple[ReadingFlip, ...]
    compliance: tuple[Compliance, ...]
    map: Map | None
    sobol: SobolIndices | None

    PICTURES: ClassVar[Sequence[str]] = ("tornado", "map", "sobol")

    def swing(self) -> xr.DataArray:
        """[assumption] worth to the chair at the upper end of the range minus at the lower."""
        mine = self.scan.sel(party=self.chair)
        found = mine.isel(point=5) - mine.isel(point=1)
        return found.rename("swing")

    def elasticity(self) -> xr.DataArray:
        """[figure, assumption] change of a headline for a change of an assumption by its range."""
        width = np.diff(self.ranges, axis=1)[:, 0]
        return self.derivatives.gradient.isel(world=0) * xr.DataArray(
            width, dims=("assumption",), coords={"assumption": self.scan.assumption.values}
        )

    def to_dataframe(self) -> Any:
        """One row per assumption: range, usual value, worth at the ends, gradients, flips."""
        import pandas as pd

        mine = self.scan.sel(party=self.chair)
        names = [str(n) for n in self.scan.assumption.values]
        by_name: dict[str, list[float]] = {}
        for f in self.flips:
            by_name.setdefault(f.assumption, []).append(f.value)
        table = pd.DataFrame(
            {
                "assumption": names,
                "low": self.ranges[:, 0],
                "usual": self.points[:, 3],
                "high": self.ranges[:, 1],
                "worth_at_low": mine.isel(point=1).values,
                "worth_at_high": mine.isel(point=5).values,
                "flips_at": [tuple(by_name.get(n, ())) for n in names],
            }
        )
        for figure in self.derivatives.gradient.figure.values:
            found = self.derivatives.gradient.sel(figure=figure).isel(world=0)
            table[f"gradient.{figure}"] = found.sel(assumption=names).values
        return table

    def blocks(self) -> list[Block]:
        """The answer as a page."""
        from servanda.show.flip_page import blocks

        return blocks(self)

    def picture(self, what: str) -> Spec:
        """`tornado`, `map` (of two assumptions) or `sobol`."""
        from servanda.show.flip_page import picture

        return picture(self, what)


def flip(
    scenario: Scenario,
    deal: str | Proposal,
    party: str,
    *,
    pair: bool | tuple[str, str] = False,
    sobol: int = 0,
    seed: int = 0,
    levels: tuple[int, ...] | None = None,
    progress: Progress | None = None,
) -> Flip:
    """What would turn the verdict on a deal from one chair.

    `pair` names two assumptions to be mapped against each other (True: the two that swing worth
    most, False: none); `sobol` is the number of base samples for Sobol' indices, a power of two (0:
    none). Raises QuestionError for an unknown deal, party or assumption.
    """
    proposal = find_proposal(scenario, deal)
    if proposal is None:
        raise QuestionError("name the deal whose verdict might flip")
    if party not in scenario.parties:
        raise unknown("party", party, scenario.parties)
    if not scenario.assumptions:
        raise QuestionError("this scenario has no assumptions that could turn the verdict")
    for name in () if isinstance(pair, bool) else pair:
        if name not in scenario.assumptions:
            raise unknown("assumption", name, scenario.assumptions)
    grid = levels or choose_levels(scenario)
    finer = FINER * usual_nodes(scenario)
    second = coarser(grid) if levels else other_levels(scenario, grid, finer)
    job = _Job(scenario, proposal, party, grid, second, seed, _Bar(progress))
    return job.answer(pair, sobol)


class _Bar:
    """Counts solves for a progress bar."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.done, self.total = progress, 0, 0

    def expect(self, count: int) -> None:
        self.total += count

    def step(self, now: int, _: int) -> None:
        self.done += 1
        if self.progress:
            self.progress(min(self.done, self.total), self.total)


@dataclass(frozen=True)
class _Job:
    scenario: Scenario
    proposal: Proposal
    chair: str
    grid: tuple[int, ...]
    second: tuple[int, ...] | None  # another grid, to estimate the error of this one
    seed: int
    bar: _Bar

    def answer(self, pair: bool | tuple[str, str], samples: int) -> Flip:
        scenario, proposal = self.scenario, self.proposal
        names = tuple(scenario.assumptions)
        offers = prepare(
            scenario, [proposal], names, wanted=Wanted(survival=False), levels=self.grid
        )
        ranges = np.array([_range(scenario, n) for n in names])
        usual = np.asarray(modal(scenario).values[0], float)
        points = _points(scenario, names, ranges, usual)
        pool = cores()
        try:
            slow = pool.submit(self._derivatives)
            solve = _Solver(offers, usual, pool, self.bar)
            scan, joint = self._scan(solve, points)
            mine = scan[:, :, list(scenario.parties).index(self.chair)]
            flips = self._flips(solve, names, ranges, points, mine)
            swing = np.abs(mine[:, 5] - mine[:, 1])
            order = np.argsort(-swing, kind="stable")
            found_map = self._map(solve, names, ranges, pair, order) if pair else None
            indices = self._sobol(solve, names, order[:SOBOL], samples) if samples else None
            found_levels, error = self._levels(pool)
            readings = self._readings(solve, names)
            compliance = break_even(scenario, proposal, self.chair, self.grid, pool)
            derivatives = slow.result()
        finally:
            pool.shutdown(cancel_futures=True)
        parties = list(scenario.parties)
        origin = Origin.of(
            scenario,
            seed=self.seed,
            worlds=1,
            levels=self.grid,
            paths=Wanted().paths,
            grid_error=error,
        )
        worth = {p: float(scan[0, 3, i]) for i, p in enumerate(parties)}
        return Flip(
            origin,
            deal=proposal.name,
            chair=self.chair,
            worth=worth,
            signs=float(joint),
            derivatives=derivatives,
            ranges=ranges,
            points=points,
            scan=xr.DataArray(
                scan,
                dims=("assumption", "point", "party"),
                coords={"assumption": list(names), "party": parties},
                name="worth",
            ),
            flips=flips,
            levels=found_levels,
            readings=readings,
            compliance=compliance,
            map=found_map,
            sobol=indices,
        )

    def _derivatives(self) -> Derivatives:
        return differentiate(
            self.scenario,
            self.proposal,
            dates=(min(STATED, self.scenario.horizon),),
            paths=Wanted().paths,
            batches=2,
            seed=self.seed,
            levels=self.grid,
        )

    def _scan(self, solve: _Solver, points: np.ndarray) -> tuple[np.ndarray, float]:
        """[assumption, point, party] worth along every assumption; signing at the usual values.

        The ends of every range are solved; points halfway and beyond only where worth to the chair
        has come near enough to 0 on the way (NaN elsewhere).
        """
        centre, joint = solve.worth_and_joint(solve.usual[None])
        found = np.full((*points.shape, centre.shape[1]), np.nan)
        found[points == solve.usual[:, None]] = centre[0]

        def look(wanted: np.ndarray) -> None:
            a, k = np.nonzero(wanted & np.isnan(found[:, :, 0]))
            if len(a):
                rows = np.repeat(solve.usual[None], len(a), axis=0)
                rows[np.arange(len(a)), a] = points[a, k]
                found[a, k] = solve.worth(rows)

        wanted = np.zeros(points.shape, bool)
        wanted[:, [1, 5]] = True
        look(wanted)
        i = list(self.scenario.parties).index(self.chair)
        look(_worth_a_look(points, found[:, :, i]))
        return found, float(joint[0])

    def _flips(
        self,
        solve: _Solver,
        names: tuple[str, ...],
        ranges: np.ndarray,
        points: np.ndarray,
        worth: np.ndarray,
    ) -> tuple[FlipPoint, ...]:
        """Every change of sign between neighbouring points, bracketed and checked."""
        i = list(self.scenario.parties).index(self.chair)
        found = [
            (r, int(k), int(m))
            for r, row in enumerate(worth)
            for k, m in itertools.pairwise(np.flatnonzero(np.isfinite(row)))
            if np.sign(row[k]) * np.sign(row[m]) < 0
        ]
        a, k, m = np.array(found, int).reshape(-1, 3).T
        if not len(a):
            return ()

        def figures(which: np.ndarray, x: np.ndarray) -> np.ndarray:
            rows = np.repeat(solve.usual[None], len(x), axis=0)
            rows[np.arange(len(x)), a[which]] = x
            return solve.worth(rows)[:, i]

        width = np.where(ranges[:, 1] > ranges[:, 0], ranges[:, 1] - ranges[:, 0], 1.0)
        low, high = points[a, k], points[a, m]
        ends, values = narrow(figures, low, high, worth[a, k], worth[a, m], NARROW * width[a])
        value = ends.mean(axis=1)
        step = ASIDE * width[a]
        every = np.arange(len(a))
        least, most = np.minimum(low, high), np.maximum(low, high)
        before = figures(every, np.maximum(value - step, least))
        after = figures(every, np.minimum(value + step, most))
        size = np.nanmax(np.abs(worth))
        flips = [
            FlipPoint(
                assumption=names[a[j]],
                value=float(value[j]),
                usual=float(solve.usual[a[j]]),
                low=float(ranges[a[j], 0]),
                high=float(ranges[a[j], 1]),
                inside=bool(ranges[a[j], 0] <= value[j] <= ranges[a[j], 1]),
                rises=bool(after[j] > 0),
                jump=bool(abs(values[j, 1] - values[j, 0]) > 0.1 * size),
                verified=bool(before[j] * after[j] < 0),
            )
            for j in range(len(a))
        ]
        nearness = [
            (not f.inside, abs(f.value - f.usual) / max(f.high - f.low, 1e-300)) for f in flips
        ]
        return tuple(flips[j] for j in sorted(range(len(flips)), key=lambda j: nearness[j]))

    def _levels(self, pool: Executor) -> tuple[tuple[LevelFlip, ...], dict[str, float]]:
        """Every other level of every term, one at a time, at the modal world."""
        scenario, deal = self.scenario, self.proposal
        others: list[tuple[str, str, Proposal]] = []
        for name, term in scenario.terms.items():
            for level, schedule in term.levels.items():
                if schedule != deal.terms[name]:
                    changed = replace(
                        deal,
                        name=f"{deal.name}, {name} {level}",
                        terms={**deal.terms, name: schedule},
                        levels={**deal.levels, name: level},
                    )
                    others.append((name, level, changed))
        centre = modal(scenario)
        other = pool.submit(on_another_grid, scenario, [deal], centre, self.second, self.seed)
        self.bar.expect(math.ceil((len(others) + 1) / 12))
        found = outcomes(
            scenario,
            [deal, *(p for _, _, p in others)],
            centre,
            levels=self.grid,
            seed=self.seed,
            progress=self.bar.step,
        )
        usual = float(found.worth.sel(party=self.chair)[0, 0])
        rows = []
        for d, (name, level) in enumerate([("", ""), *((n, lv) for n, lv, _ in others)]):
            worth = {str(p): float(found.worth[0, d].sel(party=p)) for p in scenario.parties}
            rows.append(
                LevelFlip(
                    term=name,
                    level=level,
                    usual=d == 0,
                    worth=worth,
                    signs=float(found.joint[0, d]),
                    survival=float(found.survival[0, d, -1]),
                    flips=worth[self.chair] * usual < 0,
                )
            )
        return tuple(rows), errors_of(scenario, found, other.result(), [deal.name])

    def _readings(self, solve: _Solver, names: tuple[str, ...]) -> tuple[ReadingFlip, ...]:
        """The central case under every rival reading that is not the likeliest."""
        rows, labels = [], []
        for group, members in self.scenario.hypotheses.items():
            likeliest = max(members, key=lambda h: members[h].weight)
            for hypothesis in members:
                if hypothesis == likeliest:
                    continue
                row = solve.usual.copy()
                for k, name in enumerate(names):
                    if self.scenario.assumptions[name].group == group:
                        row[k] = self.scenario.distribution(name, {group: hypothesis}).mode
                rows.append(row)
                labels.append((group, hypothesis))
        if not rows:
            return ()
        worth = solve.worth(np.array(rows))
        usual = solve.worth(solve.usual[None])[0]
        parties = list(self.scenario.parties)
        i = parties.index(self.chair)
        return tuple(
            ReadingFlip(
                group,
                hypothesis,
                {p: float(worth[r, j]) for j, p in enumerate(parties)},
                bool(worth[r, i] * usual[i] < 0),
            )
            for r, (group, hypothesis) in enumerate(labels)
        )

    def _map(
        self,
        solve: _Solver,
        names: tuple[str, ...],
        ranges: np.ndarray,
        pair: bool | tuple[str, str],
        order: np.ndarray,
    ) -> Map:
        """Worth over two assumptions: those named, or the two that swing it most."""
        if len(names) < 2:
            raise QuestionError("a map needs two assumptions; this scenario has one")
        if isinstance(pair, bool):
            which = [int(k) for k in order[:2]]
        else:
            which = [names.index(n) for n in pair]
        if which[0] == which[1]:
            twice = names[which[0]]
            raise QuestionError(f"a map needs two different assumptions, not '{twice}' twice")
        axes = [np.linspace(float(ranges[k, 0]), float(ranges[k, 1]), MAP) for k in which]
        rows = np.repeat(solve.usual[None], MAP * MAP, axis=0)
        rows[:, which[0]] = np.tile(axes[0], MAP)
        rows[:, which[1]] = np.repeat(axes[1], MAP)
        i = list(self.scenario.parties).index(self.chair)
        worth = solve.worth(rows)[:, i].reshape(MAP, MAP)
        return Map(names[which[0]], names[which[1]], axes[0], axes[1], worth)

    def _sobol(
        self, solve: _Solver, names: tuple[str, ...], which: np.ndarray, samples: int
    ) -> SobolIndices:
        """Sobol' indices of worth by the assumptions that swing it most, the others as usual."""
        chosen = [names[k] for k in which]
        unit = sobol_sample(chosen, samples, self.seed)
        rows = np.repeat(solve.usual[None], len(unit), axis=0)
        for column, k in enumerate(which):
            rows[:, k] = _distribution(self.scenario, names[k]).ppf(unit[:, column])
        i = list(self.scenario.parties).index(self.chair)
        return sobol_indices(solve.worth(rows)[:, i], chosen, samples, self.seed)


@dataclass(frozen=True)
class _Solver:
    """Worth to every party at rows of assumptions."""

    offers: Offers
    usual: Float[np.ndarray, " assumption"]
    pool: Executor
    bar: _Bar

    def worth(self, rows: np.ndarray) -> Float[np.ndarray, "row party"]:
        return self.worth_and_joint(rows)[0]

    def worth_and_joint(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.bar.expect(len(rows))
        found = self.offers.run(rows, self.bar.step, self.pool)
        return found.worth.values[:, 0], found.joint.values[:, 0]


def _worth_a_look(
    points: Float[np.ndarray, "assumption 7"], worth: Float[np.ndarray, "assumption 7"]
) -> np.ndarray:
    """Which points beside the ends of the range could see another sign: see `NEAR`."""
    wanted = np.zeros(points.shape, bool)
    for end, half, beyond in ((1, 2, 0), (5, 4, 6)):
        here, way = worth[:, end], np.abs(worth[:, end] - worth[:, 3])
        turned = here * worth[:, 3] < 0
        least = np.minimum(np.abs(here), np.abs(worth[:, 3]))
        wanted[:, half] = ~turned & (least < NEAR * way)
        distance = np.abs(points[:, end] - points[:, 3])
        further = np.abs(points[:, beyond] - points[:, end])
        slope = way / np.where(distance > 0, distance, np.inf)
        fixed = distance == 0  # nothing is known of the slope on this side
        wanted[:, beyond] = (further > 0) & (fixed | (np.abs(here) < NEAR * slope * further))
    return wanted


# -- ranges ---------------------------------------------------------------------------------------


def _distribution(scenario: Scenario, name: str) -> Distribution:
    """How an assumption is distributed under the likeliest readings."""
    chosen = {
        group: max(members, key=lambda h: members[h].weight)
        for group, members in scenario.hypotheses.items()
    }
    return scenario.distribution(name, chosen)


def _range(scenario: Scenario, name: str) -> tuple[float, float]:
    """The ends of an assumption's distribution, under any reading."""
    assumption = scenario.assumptions[name]
    members = scenario.hypotheses[assumption.group] if assumption.group else {}
    every = [scenario.distribution(name, {str(assumption.group): h}) for h in members]
    every = every or [assumption.distribution]
    low = [d.low if math.isfinite(d.low) else float(d.ppf(TAILS[0])) for d in every]
    high = [d.high if math.isfinite(d.high) else float(d.ppf(TAILS[1])) for d in every]
    return min(low), max(high)


def _limits(scenario: Scenario, name: str) -> tuple[float, float]:
    """How far a number can go at all: patience, probabilities and stocks have their bounds."""
    low, high = -math.inf, math.inf
    for party in scenario.parties.values():
        if party.patience.text == name:
            low, high = max(low, 0.0), min(high, 0.995)
        if party.acuity.text == name:
            low = max(low, 0.0)
    for duty in scenario.obligations.values():
        if name in (duty.verified.text, duty.false_alarm.text):
            low, high = max(low, 0.0), min(high, 1.0)
        if duty.remembered is not None and duty.remembered.text == name:
            low = max(low, 1.0)
    for deal in scenario.proposals.values():
        if any(f is not None and f.text == name for f in vars(deal.remembered).values()):
            low = max(low, 1.0)
    for stock in scenario.stocks.values():
        if stock.start.text == name:
            low, high = max(low, stock.low), min(high, stock.high)
        if stock.name in stock.shock and stock.shock[stock.name].text == name:
            low = max(low, 0.0)
    return low, high


def _points(
    scenario: Scenario, names: tuple[str, ...], ranges: np.ndarray, usual: np.ndarray
) -> Float[np.ndarray, "assumption 7"]:
    """Where worth is looked at along each assumption (see `Flip`).

    Beyond its range a number keeps its sign: what cannot be negative in the range stays so.
    """
    points = np.empty((len(names), 7))
    for k, name in enumerate(names):
        low, high = ranges[k]
        width = high - low
        least, most = _limits(scenario, name)
        if low >= 0:
            least = max(least, 0.0)
        if high <= 0:
            most = min(most, 0.0)
        middle = usual[k]
        points[k] = (
            min(low, max(low - width, least)),
            low,
            0.5 * (low + middle),
            middle,
            0.5 * (middle + high),
            high,
            max(high, min(high + width, most)),
        )
    return points
