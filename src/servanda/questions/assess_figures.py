"""The figures of a deal in every world, as an assessment reads them off its outcomes.

In: outcomes whose first deal is the one assessed. Out: arrays that begin with [world]. What ends in
`_of` or `_at` makes such a figure for a party, an obligation, a date and so on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from servanda.game.errors import Estimate
from servanda.questions.headlines import Figure
from servanda.questions.outcomes import Outcomes

NOTHING = 1e-9
"""Of a party's stakes, or of what a difference is made of: changes up to this are rounding."""


def worth(out: Outcomes) -> np.ndarray:
    """[world, party] value of the deal in force minus value of no deal; 0 if it is rounding."""
    more, without = out.worth.values[:, 0], out.no_deal.values[:, 0]
    return gain(more + without, without)


def tied(out: Outcomes) -> np.ndarray:
    """[world, party] the same with a party's own hands tied to its duties; NaN: it has none."""
    more, without = out.tied.values[:, 0], out.no_deal.values[:, 0]
    return gain(more + without, without)


def truly_broken(out: Outcomes) -> np.ndarray:
    """[world, period, obligation] broken, by a breach that there was."""
    found: np.ndarray = out.broken.values[:, 0] - out.accused.values[:, 0]
    return np.maximum(found, 0.0)


def signing(out: Outcomes, signatories: list[str]) -> np.ndarray:
    """[world, signatory] who signs, given that the others do."""
    found: np.ndarray = out.signing.sel(party=signatories).values[:, 0]
    return found


def joint(out: Outcomes) -> np.ndarray:
    """[world] probability that all sign."""
    found: np.ndarray = out.joint.values[:, 0]
    return found


def gained(out: Outcomes) -> np.ndarray:
    """[world, period, party] flow with the deal less flow without."""
    flow = out.flow.values
    return gain(flow[:, 0], flow[:, -1])


def of(figure: Figure, *place: int) -> Figure:
    """One entry of a figure that has more axes than [world]."""

    where: tuple[Any, ...] = (slice(None), *place)

    def read(out: Outcomes) -> np.ndarray:
        found: np.ndarray = figure(out)[where]
        return found

    return read


def accused_of(obligation: int) -> Figure:
    """Whether the deal has been ended by a false alarm about a duty, by the horizon."""
    return lambda out: out.accused.values[:, 0, -1, obligation]


def interest_of(place: int) -> Figure:
    """One interest's part of worth."""
    return lambda out: out.interest.values[:, 0, place]


def flow_of(party: int, periods: slice) -> Figure:
    """What the deal adds to a party's flow in some periods, undiscounted."""
    return lambda out: gained(out)[:, periods, party].sum(axis=1)


def exposed_of(party: int) -> Figure:
    """What a party has if the deal is signed and broken, less no deal; NaN: never broken."""
    return lambda out: out.exposed.values[:, 0, party]


def relief_of(deal: str, party: str) -> Figure:
    """What another deal is worth to a party; 0 if it is rounding."""

    def read(out: Outcomes) -> np.ndarray:
        more, without = (x.sel(deal=deal, party=party).values for x in (out.worth, out.no_deal))
        return gain(more + without, without)

    return read


def gain(value: np.ndarray, without: np.ndarray) -> np.ndarray:
    """What is gained over no deal; 0 if it is rounding."""
    found: np.ndarray = np.where(np.isclose(value, without, NOTHING, 0), 0.0, value - without)
    return found


def none_if_rounding(x: Estimate, stakes: float) -> Estimate:
    """Exactly none where a figure and its error are no more than rounding."""
    least = NOTHING * (stakes or 1.0)
    if abs(x.value) <= least and not x.error > least:
        return Estimate(0.0, 0.0, x.plain, x.lean)
    return x
