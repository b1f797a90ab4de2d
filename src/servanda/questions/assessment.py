"""The answer to "will this deal be kept, and is it worth signing?", with everything behind it.

What comes out of `assess`: labelled arrays, verdicts, and how to show them. Figures over worlds
carry a `world` axis and are summarised with the worlds' weights; the others are at the modal world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from servanda import __version__
from servanda.errors import QuestionError, unknown
from servanda.questions.answer import Page
from servanda.questions.grid_error import stated_dates
from servanda.questions.pictures import DRAWN
from servanda.questions.riders import Riders
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
    worth: Spread
    share: float  # weight of the worlds in which the deal is worth more than none
    margin: float  # median worth in periods of the party's stakes
    condition: str  # what separates the worlds in which it is worth signing from the others
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Sham:
    """Would a party still sign if it could not break? Worth with its own hands bound (modal)."""

    party: str
    worth: float
    worth_bound: float
    sham: bool  # bound < 0 < free


@dataclass(frozen=True)
class Breaker:
    """Who ends the deal by which breach: probability by the horizon, and the median date."""

    party: str
    obligation: str
    label: str
    probability: Spread  # broken by it within the horizon
    median_period: float  # when half of that has happened (modal world); nan if it never does
    false_alarm: float = 0.0  # a period, without a breach (modal world)


@dataclass(frozen=True)
class Created:
    """How much of the worth is only the removal of a harm that the asker does (modal world)."""

    asker: str
    harm: tuple[str, ...]  # the options with which it is done
    relief: dict[str, float]  # party -> worth of the same harm simply stopping, without a deal


@dataclass(frozen=True)
class Sensitivity:
    """The derivative of a party's worth by one assumption, at the modal world."""

    party: str
    assumption: str
    gradient: float
    swing: float  # gradient times the distance from the 10th to the 90th percentile


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
    worth: xr.DataArray  # [world, party]
    worth_modal: xr.DataArray  # [party]
    worth_by_interest: xr.DataArray  # [interest], modal
    signing: xr.DataArray  # [world, signatory] given that all others sign
    joint: xr.DataArray  # [world]
    signing_modal: xr.DataArray
    joint_modal: float
    survival: xr.DataArray  # [world, period]
    survival_modal: xr.DataArray  # [period]
    expired: xr.DataArray  # [world, period]
    broken: xr.DataArray  # [world, period, obligation]
    breakers: tuple[Breaker, ...]
    shams: tuple[Sham, ...]
    created: Created | None
    flow_difference: xr.DataArray  # [period, party] deal minus no deal, undiscounted, modal
    front_loading: dict[
        str, float
    ]  # share of the horizon's undiscounted difference in the 1st year
    exposure: dict[str, float]  # if the deal is signed and broken: value minus no deal, modal
    riders: Riders | None
    sensitivities: tuple[Sensitivity, ...]
    weight: xr.DataArray  # [world]
    stakes: dict[str, float]
    grid_error: dict[str, float]  # headline -> estimated error
    notes: tuple[str, ...]
    otherwise: str
    hash: str
    seed: int
    levels: tuple[int, ...]  # of the grid, in every world
    central_levels: tuple[int, ...]  # of the central case's grid
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

    def survival_band(self) -> xr.DataArray:
        """Survival over worlds: [statistic, period] with modal, mean, low and high (10-90 %)."""
        w, s = self.weight.values, self.survival.values
        ends = [weighted_quantiles(s[:, t], w, BAND) for t in range(s.shape[1])]
        rows = [self.survival_modal.values, w @ s / w.sum(), *np.array(ends).T]
        return xr.DataArray(
            np.stack(rows),
            dims=("statistic", "period"),
            coords={"statistic": ["modal", "mean", "low", "high"], "period": self.survival.period},
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
        return pd.DataFrame(columns).rename_axis("world")

    def dates(self) -> list[int]:
        """The periods at which survival is stated (`stated_dates`)."""
        return list(stated_dates(int(self.survival.period[-1])))

    def blocks(self) -> list[Block]:
        """The assessment as a page."""
        from servanda.show.terminal import blocks

        return blocks(self)

    def picture(self, what: str) -> Spec:
        """`survival`, `worth`, `interests`, `flow`, `riders` or `gradients`.

        Riders and gradients are drawn from the first chair. Raises QuestionError for riders of a
        deal that changes a single term.
        """
        return DRAWN[what](self)
