"""Which of the offers on the table, from every chair?

In: a scenario and any of its proposals. Out: a `Comparison`: over the same worlds (common random
numbers) worth to every party, who signs, how long each deal holds, who signs only to break, the
regret of each choice (Savage 1951) and which offers are better than others in every world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from servanda.errors import QuestionError, unknown
from servanda.game.batch import Progress, stakes
from servanda.game.errors import Estimate
from servanda.game.period import RESTLESS
from servanda.game.plan import FINE_WORLDS, WORLDS, Plan
from servanda.questions.answer import Answer, Origin
from servanda.questions.grid_error import DATES, grid_error, stated_dates
from servanda.questions.headlines import Figure, chance, solve_over
from servanda.questions.outcomes import NEVER, Outcomes, Solver, Wanted, outcomes
from servanda.questions.steps import Steps
from servanda.runs import parts
from servanda.scenario.model import Proposal, Scenario
from servanda.scenario.weighted import share
from servanda.scenario.worlds import Worlds, draw, modal
from servanda.show.marks import Spec
from servanda.show.page import Block

LIKELY = 0.5
"""From this probability on something is said to be likely."""


@dataclass(frozen=True)
class Comparison(Answer):
    """Offers side by side. Arrays over worlds are [world, deal, ...] (see `Outcomes`).

    `regret` [world, deal, party] is how much less a deal is worth to a party than the best choice
    in that world, no deal (`never`, the last) being one. `better` [party, deal, other] says that
    a deal is worth more to a party than another in every world.
    """

    deals: tuple[str, ...]
    texts: dict[str, str]
    chairs: tuple[str, ...]
    over: Outcomes
    central: Outcomes  # one world, the modal one
    figures: dict[str, dict[str, Estimate]]  # deal -> headline (`OverWorlds.headlines`)
    shams: dict[str, dict[str, Estimate]]  # deal -> party -> share of worlds, see `sham_of`
    futures: dict[str, dict[str, float]]  # deal -> kept, broken, or hanging on expectations
    weight: xr.DataArray
    regret: xr.DataArray
    better: xr.DataArray
    dates: tuple[int, ...]

    PICTURES: ClassVar[Sequence[str]] = ("worth", "survival")

    def signed(self) -> xr.DataArray:
        """[deal] share of worlds in which everybody asked is likely to sign."""
        w = self.weight.values
        likely = self.over.joint.values > LIKELY
        shares = [share(likely[:, d], w) for d in range(len(self.deals))]
        return xr.DataArray(shares, dims=("deal",), coords={"deal": list(self.deals)})

    def holding(self, period: int) -> xr.DataArray:
        """[deal] share of worlds in which a signed deal is likely in force at `period`, if nobody
        is wrongly accused.

        A deal that has run out is not in force (`run_out`).
        """
        return self._likely(self.over.unaccused.sel(period=period))

    def run_out(self, period: int) -> xr.DataArray:
        """[deal] share of worlds in which a signed deal has likely run out by `period`, unbroken,
        if nobody is wrongly accused."""
        broken = self.over.unaccused_broken.sel(period=period).sum("obligation")
        return self._likely(1.0 - self.over.unaccused.sel(period=period) - broken)

    def _likely(self, chance: xr.DataArray) -> xr.DataArray:
        """[deal] share of worlds in which a probability [world, deal] is one half or more."""
        likely = chance.values >= LIKELY
        shares = [share(likely[:, d], self.weight.values) for d in range(len(self.deals))]
        return xr.DataArray(shares, dims=("deal",), coords={"deal": list(self.deals)})

    def least_regret(self, party: str) -> str:
        """The choice with the smallest largest regret over worlds: a deal, or `never`."""
        largest = self.regret.sel(party=party).max("world")
        return str(largest.deal.values[int(np.argmin(largest.values))])

    def to_dataframe(self) -> Any:
        """One row per world and deal: weight, worth, signing, what becomes of it, regret."""
        import pandas as pd

        rows = []
        for d in self.deals:
            columns: dict[str, Any] = {"deal": d, "weight": self.weight.values}
            for p in self.over.worth.party.values:
                columns[f"worth.{p}"] = self.over.worth.sel(deal=d, party=p).values
                columns[f"signs.{p}"] = self.over.signing.sel(deal=d, party=p).values
                columns[f"regret.{p}"] = self.regret.sel(deal=d, party=p).values
            columns["signs.all"] = self.over.joint.sel(deal=d).values
            for t in self.dates:
                columns[f"survival.{t}"] = self.over.survival.sel(deal=d, period=t).values
                gone = self.over.broken.sel(deal=d, period=t).sum("obligation")
                columns[f"broken.{t}"] = gone.values
                wrongly = self.over.accused.sel(deal=d, period=t).sum("obligation")
                columns[f"accused.{t}"] = wrongly.values
                columns[f"unaccused.{t}"] = self.over.unaccused.sel(deal=d, period=t).values
                columns[f"expired.{t}"] = self.over.expired.sel(deal=d, period=t).values
            rows.append(pd.DataFrame(columns).rename_axis("world").reset_index())
        return pd.concat(rows, ignore_index=True)

    def blocks(self) -> list[Block]:
        """The comparison as a page."""
        from servanda.show.compare_page import blocks

        return blocks(self)

    def circling(self) -> dict[str, int]:
        """The offers with which values past the horizon do not settle: in how many worlds."""
        worlds = (self.over.restless > RESTLESS).sum("world")
        found = {d: int(worlds.sel(deal=d)) for d in self.deals}
        return {d: n for d, n in found.items() if n}

    def picture(self, what: str) -> Spec:
        """`worth` (dots and whiskers) or `survival`."""
        from servanda.show.compare_page import picture

        return picture(self, what)


def compare(
    scenario: Scenario,
    deals: Sequence[str] | None = None,
    party: str | None = None,
    *,
    worlds: int | None = None,
    seed: int = 0,
    fine: bool = False,
    levels: tuple[int, ...] | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare offers (all, unless some are named) over the same worlds, from one chair or all.

    `worlds` and `fine` are as in `assess`. In `folder` what is finished is kept; the same question
    goes on from there. Raises QuestionError for an unknown deal or party, a game too large for this
    machine, or a folder of something else.
    """
    chosen = choose_deals(scenario, deals)
    chairs = choose_chairs(scenario, party)
    if worlds is None:
        worlds = FINE_WORLDS if fine else WORLDS
    sample, centre = draw(scenario, worlds, seed), modal(scenario)
    plan = Plan.of(scenario, sample, fine=fine, levels=levels)
    wanted = Wanted(tied=True)
    usual = Solver.of(scenario, chosen, wanted=wanted, levels=plan.levels, seed=seed)
    more = plan.finer_levels
    finer = None
    if more is not None:
        finer = Solver.of(
            scenario, chosen, wanted=wanted, levels=more, seed=seed, batch=4, closely=True
        )
    job = {
        "question": "compare",
        "hash": scenario.hash,
        "deals": [p.name for p in chosen],
        "plan": plan.described(),
        "seed": seed,
    }
    steps = Steps(progress)
    steps.expect("worlds", usual.solves(1 + worlds + len(plan.again_at)))
    steps.expect("finer", finer.solves(len(plan.finer_at)) if finer else 0)
    with parts(folder, job) as place:
        found = solve_over(usual, finer, plan, centre.values, place, steps.of)
    names = tuple(p.name for p in chosen)
    figures = {d: found.headlines(d) for d in names}
    origin = Origin.of(
        scenario,
        seed=seed,
        worlds=worlds,
        levels=plan.levels,
        paths=Wanted().paths,
        errors={f"{d}.{n}": x.error for d, each in figures.items() for n, x in each.items()},
        finer=plan.finer_levels or (),
    )
    over = found.here
    return Comparison(
        origin,
        deals=names,
        texts={p.name: p.text for p in chosen},
        chairs=chairs,
        over=over,
        central=found.central,
        figures=figures,
        shams={
            d: {
                p: chance(found.figure(sham_of(d, p)).mean())
                for p in scenario.parties
                if np.isfinite(over.tied.sel(deal=d, party=p)).any()
            }
            for d in names
        },
        futures={d: found.futures(d) for d in names},
        weight=xr.DataArray(np.asarray(sample.weight), dims=("world",)),
        regret=regret_of(over.worth),
        better=better_of(over.worth),
        dates=stated_dates(scenario.horizon),
    )


def sham_of(deal: str, party: str) -> Figure:
    """1 in worlds in which a party gains by a deal only if it can break it, else 0."""

    def sham(out: Outcomes) -> np.ndarray:
        worth, tied = (x.sel(deal=deal, party=party).values for x in (out.worth, out.tied))
        return ((tied < 0) & (worth > 0)) * 1.0

    return sham


def choose_deals(scenario: Scenario, deals: Sequence[str] | None) -> list[Proposal]:
    """The named proposals, or all; raises QuestionError for an unknown one or if there is none."""
    if not scenario.proposals:
        raise QuestionError("this scenario has no proposals to compare")
    names = list(scenario.proposals) if deals is None else list(dict.fromkeys(deals))
    for name in names:
        if name not in scenario.proposals:
            raise unknown("deal", name, scenario.proposals)
    if not names:
        raise QuestionError("name at least one deal")
    return [scenario.proposals[name] for name in names]


def choose_chairs(scenario: Scenario, party: str | None) -> tuple[str, ...]:
    """One party, or all; raises QuestionError for an unknown one."""
    if party is not None and party not in scenario.parties:
        raise unknown("party", party, scenario.parties)
    return tuple(scenario.parties) if party is None else (party,)


def regret_of(worth: xr.DataArray) -> xr.DataArray:
    """[world, deal and never, party] what a party misses by a choice, in every world."""
    nothing = xr.zeros_like(worth.isel(deal=slice(0, 1))).assign_coords(deal=[NEVER])
    choices = xr.concat([worth, nothing], "deal")
    return choices.max("deal") - choices


def better_of(worth: xr.DataArray) -> xr.DataArray:
    """[party, deal, other] whether a deal is worth more than another in every world."""
    nothing = xr.zeros_like(worth.isel(deal=slice(0, 1))).assign_coords(deal=[NEVER])
    x = xr.concat([worth, nothing], "deal").transpose("party", "world", "deal")
    more = (x.values[:, :, :, None] > x.values[:, :, None, :]).all(axis=1)
    names = [str(d) for d in x.deal.values]
    coords = {"party": x.party.values, "deal": names, "other": names}
    return xr.DataArray(more, dims=("party", "deal", "other"), coords=coords)


# -- the grid's error ---------------------------------------------------------------------------


def on_another_grid(
    scenario: Scenario,
    deals: Sequence[Proposal],
    centre: Worlds,
    levels: tuple[int, ...] | None,
    seed: int,
    folder: Path | None = None,
) -> Outcomes | None:
    """The modal world on another grid, a few offers at a time; None: there is no such grid."""
    if not scenario.stocks or levels is None:
        return None
    return outcomes(scenario, deals, centre, levels=levels, seed=seed, batch=4, folder=folder)


def errors_of(
    scenario: Scenario,
    central: Outcomes,
    other: Outcomes | None,
    deals: Sequence[str] | None = None,
) -> dict[str, float]:
    """Estimated grid error of every headline of deals, as DEAL.worth.PARTY, DEAL.survival.T."""
    if other is None:
        return {}
    scale = dict(zip(scenario.parties, stakes(scenario), strict=True))
    found: dict[str, float] = {}
    for deal in central.deals if deals is None else deals:
        errors = grid_error(headlines(central, deal), headlines(other, deal), scale)
        found |= {f"{deal}.{name}": e for name, e in errors.items()}
    return found


def headlines(one: Outcomes, deal: str) -> dict[str, float]:
    """Worth to every party, joint signing and survival of a deal in the first world."""
    worth = one.worth.sel(deal=deal).isel(world=0)
    found = {f"worth.{p}": float(worth.sel(party=p)) for p in worth.party.values}
    found["signs.all"] = float(one.joint.sel(deal=deal)[0])
    kept = one.survival.sel(deal=deal).isel(world=0).values
    return found | {f"survival.{t}": float(kept[t]) for t in DATES if t < len(kept)}
