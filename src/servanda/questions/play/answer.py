"""What is played: the answer to `play`, over worlds and in the central case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from jaxtyping import Float

from servanda.game.errors import Estimate, Sampled
from servanda.questions.answer import Answer
from servanda.questions.cautions import Caution
from servanda.questions.holding import Holding
from servanda.scenario.weighted import weighted_quantiles
from servanda.show.marks import Spec
from servanda.show.page import Block

SIGNED, KEPT, WITHOUT = "with the deal", "while in force", "without"
"""The courses: signed at the start, whatever becomes of it; as long as it is in force; no deal."""

IN_FORCE, EXPIRED = "in force", "run out"


@dataclass(frozen=True)
class Courses:
    """What is played along each course; arrays begin with [course, world, period].

    `stock` is at the start of each period 0..T, the others are in periods 0..T-1: `moves` the
    probability of each option, `choice` of a decision having at least two options open, `even` of
    that choice being about even, `offered` of an option being open in a choice, `taken` of its
    being taken in one, and `flow` what every interest brings, in its party's units. Along `while in
    force` all are given that the deal is in force: NaN once it cannot be.
    """

    stock: xr.DataArray
    moves: xr.DataArray
    choice: xr.DataArray
    even: xr.DataArray
    offered: xr.DataArray
    taken: xr.DataArray
    flow: xr.DataArray

    def worlds(self, which: slice) -> Courses:
        """The same in some of the worlds."""
        return Courses(**{name: x.isel(world=which) for name, x in vars(self).items()})

    @property
    def names(self) -> tuple[str, ...]:
        """The courses there are."""
        return tuple(map(str, self.moves.course.values))


@dataclass(frozen=True)
class Option:
    """One option of a decision, and how it is called."""

    move: str  # in `Courses.moves`
    words: str


@dataclass(frozen=True)
class Decided:
    """A decision, by its party, and how both are called."""

    key: str
    party: str
    words: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Play(Answer):
    """Who does what over time, with the deal and without, what holds the deal up, how it ends.

    `over` is in every world, `central` in the central case (its only world). `ends` [world, period,
    end] are the probabilities of what has become of the deal; they add up to 1. What begins before
    period `start` is in the arrays, but is neither said nor drawn.
    """

    deal: str | None
    offer: str
    instead: str | None  # the offer that is on the table without this one
    start: int
    horizon: int
    decisions: tuple[Decided, ...]
    stocks: dict[str, str]  # how each is called
    ranges: dict[str, tuple[float, float]]
    interests: dict[str, tuple[str, ...]]  # of each party, as in `Courses.flow`
    over: Courses
    central: Courses
    ends: xr.DataArray
    central_ends: xr.DataArray
    weight: np.ndarray  # [world]
    stratum: np.ndarray  # [world]
    holding: Holding | None
    central_holding: Holding | None
    cautions: tuple[Caution, ...]

    PICTURES: ClassVar[Sequence[str]] = ("moves", "stocks", "endings", "slack", "flows")

    @property
    def courses(self) -> tuple[str, ...]:
        """The courses there are: without a deal only one."""
        return self.over.names

    def mean(self, x: xr.DataArray) -> xr.DataArray:
        """Over worlds in which there is a number."""
        w = xr.DataArray(self.weight, dims=("world",))
        known = x.notnull()
        total = (w * known).sum("world")
        return (x.fillna(0.0) * w).sum("world") / total.where(total > 0)

    def band(self, x: xr.DataArray) -> Float[np.ndarray, "period 2"]:
        """Where 8 of 10 worlds have a figure [world, period]."""
        columns = x.transpose("world", "period").values.T
        return np.array([weighted_quantiles(c, self.weight, (0.1, 0.9)) for c in columns])

    def ended(self, end: str, period: int) -> Estimate:
        """How likely the deal has come to this by a period: the mean over worlds and its error."""
        values = self.ends.sel(end=end, period=period).values
        found = Sampled(
            values, self.weight, stratum=self.stratum, dimensions=len(self.stocks)
        ).mean()
        return replace(found, value=float(np.clip(found.value, 0.0, 1.0)))

    def to_dataframe(self) -> Any:
        """A row for every course, figure and period: the mean over worlds and its band."""
        import pandas as pd

        frames = []
        for figure in ("stock", "moves", "flow"):
            x = getattr(self.over, figure)
            axis = str(x.dims[-1])
            for course in self.courses:
                for name in map(str, x[axis].values):
                    one = x.sel(course=course).sel({axis: name})
                    frames.append(self._rows(figure, course, name, one))
        if self.deal is not None:
            for end in map(str, self.ends.end.values):
                frames.append(self._rows("end", SIGNED, end, self.ends.sel(end=end)))
        found = pd.concat(frames, ignore_index=True)
        return found[found.period >= self.start].reset_index(drop=True)

    def _rows(self, figure: str, course: str, name: str, x: xr.DataArray) -> Any:
        import pandas as pd

        low, high = self.band(x).T
        columns = {"figure": figure, "course": course, "name": name, "period": x.period.values}
        return pd.DataFrame(columns | {"mean": self.mean(x).values, "low": low, "high": high})

    def blocks(self) -> list[Block]:
        """The answer as a page."""
        from servanda.show.play_page import blocks

        return blocks(self)

    def picture(self, what: str) -> Spec:
        """One of `PICTURES`."""
        from servanda.show.play_page import picture

        return picture(self, what)
