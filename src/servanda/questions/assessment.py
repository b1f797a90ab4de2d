"""The answer to "will this deal be kept, and is it worth signing?", with everything behind it.

What comes out of `assess`: labelled arrays, verdicts, and how to show them. Figures are over worlds
and have an error that contains worlds and grids (`game.errors.Estimate`); arrays with a `world`
axis are what they were made of. What is called `modal` is the central case alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from servanda import __version__
from servanda.errors import QuestionError, unknown
from servanda.game.errors import Estimate
from servanda.questions.answer import Page
from servanda.questions.grid_error import stated_dates
from servanda.questions.holding import Holding
from servanda.questions.pictures import DRAWN
from servanda.questions.spread import BAND, Spread
from servanda.scenario.weighted import weighted_quantiles
from servanda.show.marks import Spec
from servanda.show.page import Block


@dataclass(frozen=True)
class Verdict:
    """From one chair: sign or not, by how much, in which share of worlds, and what decides it."""

    party: str
    answer: str  # "sign", "do not sign", "only if", "undecided" or "changes nothing"
    asked: bool  # whether this party is a signatory
    worth: Spread  # over worlds
    mean: Estimate
    share: Estimate  # weight of the worlds in which the deal is worth more than none
    margin: float  # mean worth in periods of the party's stakes
    condition: str  # what separates the worlds in which it is worth signing from the others
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Sham:
    """Would a party still sign if it could not break? Worth with its own hands bound."""

    party: str
    worth: Estimate
    worth_bound: Estimate
    share: Estimate  # weight of the worlds in which the deal is a gain free to break, else a loss

    @property
    def sham(self) -> bool | None:
        """Whether it signs only to break; None where worlds differ, or the error could turn it."""
        if self.share.low > SURELY:
            return True
        return False if self.share.high < 1 - SURELY else None


SURELY = 0.9
"""Said without a share of worlds from this share on, error included."""


@dataclass(frozen=True)
class Breaker:
    """Who ends the deal by which duty: by breaking it, or by being wrongly accused of that.

    Probabilities are within the horizon. `band` are 10 and 90 % over worlds of `breaks`;
    `median_period` is when half of the true breaches have come, over worlds (nan: there are none).
    """

    party: str
    obligation: str
    label: str
    breaks: Estimate
    accused: Estimate
    band: tuple[float, float]
    median_period: float
    false_alarm: float = 0.0  # a period, without a breach (modal world)


@dataclass(frozen=True)
class Created:
    """How much the others would gain if the asker kept its side and asked for nothing."""

    asker: str
    harm: tuple[str, ...]  # what it would stop doing, in words
    relief: dict[str, Estimate]  # party -> worth of that against no deal


@dataclass(frozen=True)
class Sensitivity:
    """Worth to a party with an assumption at the high end of its range, less at the low end.

    Both ends (10 and 90 % of its draws) are solved, with everything else as in the central case;
    `worth` is what the deal is worth there.
    """

    party: str
    assumption: str
    ends: tuple[float, float]
    worth: tuple[float, float]
    swing: Estimate


@dataclass(frozen=True)
class Added:
    """What a term of the deal adds to its worth to a party, over the worlds it was solved in."""

    term: str
    party: str
    without: Estimate  # lost if it alone is left out
    share: Estimate  # average over orders in which terms are added (Shapley)


@dataclass(frozen=True)
class Timing:
    """What a party gets with the deal over no deal: soon, later, and if it is broken."""

    party: str
    first: Estimate  # in the first year, undiscounted
    later: Estimate  # from then to the horizon
    exposure: Estimate  # from the start, if signed and broken, discounted; nan: never broken


@dataclass(frozen=True)
class Assessment(Page):
    """Everything `assess` found; utilities in each party's own unit, times in periods."""

    PICTURES: ClassVar[Sequence[str]] = tuple(DRAWN)

    title: str
    period_name: str
    deal: str
    offer: str  # in words
    chairs: tuple[str, ...]
    parties: tuple[str, ...]
    labels: dict[str, str]
    exchange: str  # the net exchange in one sentence
    verdicts: tuple[Verdict, ...]  # one per chair
    figures: dict[str, Estimate]  # worth.P, better.P, signs.P, signs.all, survival.T, unaccused.T …
    futures: dict[str, float]  # share of worlds in which it holds, fails, hangs on expectations
    worth: xr.DataArray  # [world, party]
    worth_modal: xr.DataArray  # [party]
    interests: dict[str, Estimate]  # "party.interest" -> its part of worth
    signing: xr.DataArray  # [world, signatory] given that all others sign
    joint: xr.DataArray  # [world]
    signing_modal: xr.DataArray
    joint_modal: float
    survival: xr.DataArray  # [world, period]
    survival_modal: xr.DataArray  # [period]
    unaccused: xr.DataArray  # [world, period] survival if nobody is ever wrongly accused
    expired: xr.DataArray  # [world, period]
    broken: xr.DataArray  # [world, period, obligation], false alarms and all
    accused: xr.DataArray  # [world, period, obligation] the false alarms among them
    breakers: tuple[Breaker, ...]
    shams: tuple[Sham, ...]
    created: Created | None
    flow_difference: xr.DataArray  # [period, party] deal minus no deal, undiscounted, mean
    timing: tuple[Timing, ...]
    terms: tuple[Added, ...]
    sensitivities: tuple[Sensitivity, ...]
    holding: Holding  # what holds it up, in some of the worlds
    weight: xr.DataArray  # [world]
    stakes: dict[str, float]
    notes: tuple[str, ...]
    otherwise: str
    hash: str
    seed: int
    levels: tuple[int, ...]  # of the grid, in every world
    finer_levels: tuple[int, ...]  # of the grid that its lean is measured on; none: ()
    paths: int
    solves: str  # the budget of solves, in words
    version: str = field(default=__version__)

    def verdict(self, party: str) -> Verdict:
        """The verdict from one chair."""
        for v in self.verdicts:
            if v.party == party:
                return v
        if party in self.parties:
            there = ", ".join(v.party for v in self.verdicts)
            raise QuestionError(f"no verdict from the chair of {party}: this answer is for {there}")
        raise unknown("chair", party, self.parties)

    @property
    def alarms(self) -> bool:
        """Whether somebody can be wrongly accused."""
        return any(b.false_alarm > 0 or b.accused.value > 0 for b in self.breakers)

    def survival_band(self) -> xr.DataArray:
        """Survival over worlds: [statistic, period].

        Statistics are modal, mean, low and high (10-90 %), and the mean if nobody is wrongly
        accused (`unaccused`).
        """
        w, s = self.weight.values, self.survival.values
        ends = [weighted_quantiles(s[:, t], w, BAND) for t in range(s.shape[1])]
        means = [w @ x.values / w.sum() for x in (self.survival, self.unaccused)]
        rows = [self.survival_modal.values, means[0], *np.array(ends).T, means[1]]
        names = ["modal", "mean", "low", "high", "unaccused"]
        return xr.DataArray(
            np.stack(rows),
            dims=("statistic", "period"),
            coords={"statistic": names, "period": self.survival.period},
        )

    def to_dataframe(self) -> Any:
        """One row per world: weight, worth to every party, signing, survival at the end."""
        import pandas as pd

        columns: dict[str, Any] = {"weight": self.weight.values}
        for party in self.parties:
            columns[f"worth.{party}"] = self.worth.sel(party=party).values
        for party in self.signing.signatory.values:
            columns[f"signs.{party}"] = self.signing.sel(signatory=party).values
        columns["signs.all"] = self.joint.values
        for t in self.dates():
            columns[f"survival.{t}"] = self.survival.sel(period=t).values
            columns[f"unaccused.{t}"] = self.unaccused.sel(period=t).values
        return pd.DataFrame(columns).rename_axis("world")

    def dates(self) -> list[int]:
        """The periods at which survival is stated (`stated_dates`)."""
        return list(stated_dates(int(self.survival.period[-1])))

    def blocks(self) -> list[Block]:
        """The assessment as a page."""
        from servanda.show.terminal import blocks

        return blocks(self)

    def picture(self, what: str) -> Spec:
        """`survival`, `worth`, `interests`, `flow`, `riders` or `swings`.

        Riders and swings are drawn from the first chair. Raises QuestionError for riders of a
        deal that changes a single term.
        """
        return DRAWN[what](self)
