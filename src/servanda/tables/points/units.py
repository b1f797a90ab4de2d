"""A table in whole units, so that ties are ties and sums are exact.

Floating sums of 0.1, 0.2 and 0.7 differ in the last digit with the order of adding, which drops
ties and invents dominance. Every number of the table is therefore rounded once, to a multiple of
10^-k, and everything is compared in whole numbers. A utility has at most `terms` rounded parts,
so it is off by at most terms/2 units; two utilities are told apart if they differ by more than
`tolerance` = terms units. Numbers with at most k decimals are not rounded at all. Each party has
its own k, so that one who counts in billions does not blur one who counts in hundredths.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from servanda.errors import QuestionError
from servanda.tables.points.model import Table, Where

DIGITS = 12  # of a party's largest utility that are kept when no tolerance is asked for
FAR = 2**62  # a threshold beyond every utility


@dataclass(frozen=True, eq=False)
class Pairing:
    """An interaction in units, Int[option of first, option of second, party]."""

    first: int
    second: int
    worth: np.ndarray


@dataclass(frozen=True, eq=False)
class Boxed:
    """A box in units, Int[party]."""

    where: Where
    worth: np.ndarray


@dataclass(frozen=True, eq=False)
class Summed:
    """A budget in whole units of its own: low <= Σ cost <= high."""

    costs: tuple[tuple[int, np.ndarray], ...]
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class Units:
    """A table in whole units; objectives may be parties.

    `scale` is how many units make one, `tolerance` what counts as equal, for each objective.
    """

    sizes: tuple[int, ...]
    worth: tuple[np.ndarray, ...]  # per issue, Int[option, party]
    base: np.ndarray  # Int[party]
    pairs: tuple[Pairing, ...]
    boxes: tuple[Boxed, ...]
    forbidden: tuple[Where, ...]
    budgets: tuple[Summed, ...]
    scale: np.ndarray  # Float[party]
    tolerance: np.ndarray  # Float[party]

    @property
    def objectives(self) -> int:
        return len(self.base)

    def real(self, whole: Int[np.ndarray, "... party"]) -> Float[np.ndarray, "... party"]:
        """Utilities from units."""
        return np.asarray(whole) / self.scale

    def threshold(self, values: Float[np.ndarray, "party"]) -> Int[np.ndarray, "party"]:
        """The units that a utility must reach to be at least `values`, rounding forgiven."""
        scaled = np.asarray(values, float) * self.scale
        forgiven = np.rint(self.tolerance * self.scale) // 2
        return np.array([_clipped(x) for x in scaled - forgiven], np.int64)

    def summed(self, weights: Int[np.ndarray, "party objective"]) -> Units:
        """The same table with sums of parties as objectives (whole weights, one scale for all)."""
        w = np.asarray(weights, np.int64)
        first = np.abs(w).argmax(axis=0)
        return Units(
            self.sizes,
            tuple(x @ w for x in self.worth),
            self.base @ w,
            tuple(Pairing(p.first, p.second, p.worth @ w) for p in self.pairs),
            tuple(Boxed(b.where, b.worth @ w) for b in self.boxes),
            self.forbidden,
            self.budgets,
            self.scale[first],
            self.tolerance[first],
        )


def to_units(table: Table, tolerance: float | None = None) -> Units:
    """The table in whole units fine enough for the tolerance (12 digits if none is asked for).

    A tolerance that is asked for holds for all parties.

    Raises:
        QuestionError: the tolerance is not positive, or too fine for whole numbers of 62 bits.
    """
    parties = table.parties
    largest = [p.largest for p in parties]
    terms = max(1 + len(p.worth) + len(p.pairs) + len(p.boxes) for p in parties)
    places = [DIGITS - math.ceil(math.log10(x)) if x > 0 else DIGITS for x in largest]
    if tolerance is not None:
        if not (tolerance > 0 and math.isfinite(tolerance)):
            raise QuestionError(f"tolerance {tolerance:g}: a positive number of utility")
        places = [math.ceil(math.log10(terms / tolerance))] * len(parties)
    scale = np.array([10.0 ** max(-300, min(300, k)) for k in places])
    if (np.array(largest) * scale).max() * len(parties) > FAR / 4:
        raise QuestionError(
            f"tolerance {tolerance:g} is too fine for utilities up to {max(largest):.3g}"
        )

    def whole(x: np.ndarray | float, i: int) -> np.ndarray:
        return np.rint(np.asarray(x, float) * scale[i]).astype(np.int64)

    pairs: dict[tuple[int, int], np.ndarray] = {}
    for i, party in enumerate(parties):
        for pair in party.pairs:
            turned = pair.first > pair.second
            key = (pair.second, pair.first) if turned else (pair.first, pair.second)
            shape = (table.sizes[key[0]], table.sizes[key[1]], len(parties))
            if math.prod(shape) > 50_000_000:
                raise QuestionError("an interaction of two issues has over 50 million entries")
            into = pairs.setdefault(key, np.zeros(shape, np.int64))
            into[:, :, i] += whole(pair.worth.T if turned else pair.worth, i)
    boxes = tuple(
        Boxed(box.where, np.where(np.arange(len(parties)) == i, whole(box.worth, i), 0))
        for i, party in enumerate(parties)
        for box in party.boxes
    )
    return Units(
        table.sizes,
        tuple(
            np.stack([whole(p.worth[k], i) for i, p in enumerate(parties)], axis=-1)
            for k in range(len(table.issues))
        ),
        np.array([int(whole(p.base, i)) for i, p in enumerate(parties)], np.int64),
        tuple(Pairing(a, b, worth) for (a, b), worth in pairs.items()),
        boxes,
        table.forbidden,
        tuple(_budget(b.costs, b.low, b.high) for b in table.budgets),
        scale,
        terms / scale,
    )


def _budget(costs: tuple[tuple[int, np.ndarray], ...], low: float, high: float) -> Summed:
    """Costs to nine digits of the largest."""
    largest = max((float(np.abs(c).max()) for _, c in costs), default=1.0) or 1.0
    scale = 10.0 ** (9 - math.ceil(math.log10(largest)))
    return Summed(
        tuple((k, np.rint(c * scale).astype(np.int64)) for k, c in costs),
        _clipped(low * scale),
        _clipped(high * scale),
    )


def _clipped(x: float) -> int:
    if math.isnan(x):
        raise QuestionError("a bound is not a number")
    return FAR if x >= FAR else -FAR if x <= -FAR else round(x)
