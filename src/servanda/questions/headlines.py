"""The headlines of an offer over worlds, each with its error: the same in every question.

In: a `Plan` and what became of offers in its worlds, on its second grid and on its finer one. Out:
worth and how often it is a gain by party, who signs, what has become of the deal by when.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from servanda.game.batch import Progress
from servanda.game.errors import Estimate, Sampled, two_futures
from servanda.game.grid import AGAIN, CENTRAL, FINER_GRID, HERE
from servanda.game.plan import Plan
from servanda.questions.grid_error import stated_dates
from servanda.questions.outcomes import Outcomes, Solver

Figure = Callable[[Outcomes], np.ndarray]
"""A figure [world] of outcomes."""

DOUBTFUL = 0.15
"""With such an error worlds are not counted by whether a deal is kept in them."""

ROUNDING = 1e-9
"""Of what a difference is made of: smaller ones are none."""


@dataclass(frozen=True)
class OverWorlds:
    """What becomes of some offers: in the central case, in every world, and on other grids."""

    plan: Plan
    central: Outcomes
    here: Outcomes
    again: Outcomes  # in the worlds `plan.again_at`
    finer: Outcomes | None  # in the worlds `plan.finer_at`; None: there is no finer grid

    def figure(self, of: Figure) -> Sampled:
        """A figure in every world, with what it is on the other grids."""
        return self.plan.sampled(
            of(self.here),
            again=of(self.again) if len(self.plan.again_at) else None,
            finer=None if self.finer is None else of(self.finer),
        )

    def headlines(self, deal: str) -> dict[str, Estimate]:
        """Every headline of an offer.

        They are called worth.PARTY and better.PARTY (the share of worlds in which it is a gain),
        signs.PARTY and signs.all, refusing.PARTY (its value of being asked and refusing, less
        that of never having been asked), and by date survival.T, unaccused.T (survival if nobody is
        wrongly accused), breaks.T (truly broken), accused.T and expired.T.
        """
        found: dict[str, Estimate] = {}
        for party in map(str, self.here.worth.party.values):
            worth = self.figure(worth_of(deal, party))
            found |= {f"worth.{party}": worth.mean(), f"better.{party}": worth.share()}
            signing = self.here.signing.sel(deal=deal, party=party).values
            if np.isfinite(signing).any():
                found[f"signs.{party}"] = chance(self.figure(signing_of(deal, party)).mean())
                refusing = self.figure(refusing_of(deal, party)).mean()
                if np.isfinite(refusing.value):
                    found[f"refusing.{party}"] = refusing
        found["signs.all"] = chance(self.figure(joint_of(deal)).mean())
        for t in dates(int(self.here.survival.period[-1])):
            for name, course in COURSES.items():
                found[f"{name}.{t}"] = chance(self.figure(at(course, deal, t)).mean())
        return found

    def futures(self, deal: str) -> dict[str, float]:
        """In what share of worlds a deal is kept, is not, or hangs on what parties expect.

        Empty where other grids say otherwise than the worlds' own.
        """
        figure = self.figure(at(kept, deal, -1))
        return {} if figure.mean().error >= DOUBTFUL else two_futures(figure)


def solve_over(
    usual: Solver,
    finer: Solver | None,
    plan: Plan,
    centre: np.ndarray,
    folder: Callable[[str], Path | None],
    progress: Callable[[str], Progress],
) -> OverWorlds:
    """Solve offers as a plan says; `centre` are the assumptions of the central case, [1, …].

    `folder` says where a part is kept, `progress` what it tells how far it is: "worlds", "finer".
    """
    values = np.asarray(plan.sample.values)
    count = len(values)
    rows = np.concatenate([centre, values, values[plan.again_at]])
    lots = np.concatenate(
        [[CENTRAL], plan.lots(plan.everywhere, HERE), plan.lots(plan.again_at, AGAIN)]
    )
    found = usual.run(rows, lots=lots, folder=folder("worlds"), progress=progress("worlds"))
    more = None
    if finer is not None and len(plan.finer_at):
        more = finer.run(
            values[plan.finer_at],
            lots=plan.lots(plan.finer_at, FINER_GRID),
            folder=folder("finer"),
            progress=progress("finer"),
        )
    return OverWorlds(
        plan,
        in_rows(found, slice(0, 1)),
        in_rows(found, slice(1, 1 + count)),
        in_rows(found, slice(1 + count, None)),
        more,
    )


def in_rows(found: Outcomes, which: slice) -> Outcomes:
    """The outcomes in some of the rows, counted from 0."""
    chosen = {name: getattr(found, name).isel(world=which) for name in vars(found)}
    return Outcomes(
        **{n: a.assign_coords(world=np.arange(a.sizes["world"])) for n, a in chosen.items()}
    )


def dates(horizon: int) -> tuple[int, ...]:
    """The first period, and those at which survival is stated."""
    return tuple(sorted({1, *stated_dates(horizon)}))


def worth_of(deal: str, party: str) -> Figure:
    """Value of the deal in force minus value of no deal; 0 if that is rounding."""

    def worth(out: Outcomes) -> np.ndarray:
        gain = out.worth.sel(deal=deal, party=party).values
        without = out.no_deal.sel(deal=deal, party=party).values
        return np.where(np.abs(gain) <= ROUNDING * np.abs(without), 0.0, gain)

    return worth


def signing_of(deal: str, party: str) -> Figure:
    """The probability that a party signs if all others do."""
    return lambda out: np.asarray(out.signing.sel(deal=deal, party=party).values)


def refusing_of(deal: str, party: str) -> Figure:
    """What a signatory has by being asked and refusing, less never having been asked."""

    def refusing(out: Outcomes) -> np.ndarray:
        gain = out.refusing.sel(deal=deal, party=party).values
        without = out.no_deal.sel(deal=deal, party=party).values
        return np.where(np.abs(gain) <= ROUNDING * np.abs(without), 0.0, gain)

    return refusing


def joint_of(deal: str) -> Figure:
    """The probability that all sign."""
    return lambda out: np.asarray(out.joint.sel(deal=deal).values)


Course = Callable[[Outcomes, str], np.ndarray]
"""A figure [world, period] of a deal."""


def at(course: Course, deal: str, period: int) -> Figure:
    """A course at one period."""
    return lambda out: course(out, deal)[:, period]


def truly(out: Outcomes, deal: str) -> np.ndarray:
    """[world, period, obligation] broken, by a breach that there was."""
    gone = out.broken.sel(deal=deal).values - out.accused.sel(deal=deal).values
    return np.maximum(gone, 0.0)


def kept(out: Outcomes, deal: str) -> np.ndarray:
    """[world, period] probability of not having been broken, if nobody is wrongly accused."""
    return 1.0 - np.asarray(out.unaccused_broken.sel(deal=deal).values).sum(axis=-1)


COURSES: dict[str, Course] = {
    "survival": lambda out, deal: np.asarray(out.survival.sel(deal=deal).values),
    "unaccused": lambda out, deal: np.asarray(out.unaccused.sel(deal=deal).values),
    "expired": lambda out, deal: np.asarray(out.expired.sel(deal=deal).values),
    "accused": lambda out, deal: np.asarray(out.accused.sel(deal=deal).values).sum(axis=-1),
    "breaks": lambda out, deal: truly(out, deal).sum(axis=-1),
}


def chance(x: Estimate) -> Estimate:
    """A probability stays one."""
    return replace(x, value=float(np.clip(x.value, 0.0, 1.0)), error=min(x.error, 1.0))
