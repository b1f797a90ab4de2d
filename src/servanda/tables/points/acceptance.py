"""Which deals does who accept, and how many are there?

A party accepts a deal worth at least its reservation value. In: a table in units and thresholds.
Out: how many deals each set of parties accepts, from which the zone of possible agreement, and the
deals that all but k accept, are read off. Counted exactly by the cheapest way there is; only if
none can be paid for is the count estimated, and then it says so, with its interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import norm

from servanda.tables.points.dominance import TooManyError
from servanda.tables.points.enumeration import patterns
from servanda.tables.points.frontier import front
from servanda.tables.points.units import Units

COUNTED = 30_000_000  # deals that are counted one by one at once
LOOKED = 500_000_000  # and where there is no better way to count exactly
HALF = 3_000_000  # sums of half the issues
DRAWS = 400_000
MOST_PARTIES = 16  # patterns are 2^parties


@dataclass(frozen=True, eq=False)
class Acceptance:
    """How many deals each set of parties accepts.

    `count[m]` is of the deals that exactly the parties in the bits of m accept. When `exact` is
    false the counts are `deals` times a frequency in `draws` random deals.
    """

    parties: tuple[str, ...]
    count: tuple[float, ...]  # Python integers when exact
    method: str
    exact: bool
    draws: int = 0

    @property
    def deals(self) -> float:
        """How many deals can be made."""
        return sum(self.count)

    def zone(self, but: int = 0, vetoes: Iterable[str] = ()) -> float:
        """How many deals all but at most `but` parties accept, those with a veto among them."""
        need = self._mask(vetoes)
        n = len(self.parties)
        return sum(
            c for m, c in enumerate(self.count) if m & need == need and m.bit_count() >= n - but
        )

    def accepted_by(self, party: str) -> float:
        """How many deals one party accepts."""
        bit = self._mask([party])
        return sum(c for m, c in enumerate(self.count) if m & bit)

    def interval(self, value: float, level: float = 0.95) -> tuple[float, float]:
        """Wilson's interval around an estimated count; the count itself twice when exact."""
        if self.exact:
            return value, value
        total = self.deals
        z, n, share = norm.ppf((1 + level) / 2), self.draws, value / total if total else 0.0
        centre = (share + z * z / (2 * n)) / (1 + z * z / n)
        spread = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        low = 0.0 if value == 0 else max(0.0, centre - spread)
        return total * low, total * min(1.0, centre + spread)

    def _mask(self, names: Iterable[str]) -> int:
        return sum(1 << self.parties.index(name) for name in names)


def acceptance(
    units: Units,
    reservation: Float[np.ndarray, "party"],
    parties: tuple[str, ...],
    *,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> Acceptance | None:
    """Count deals by who accepts them; None for more than `MOST_PARTIES` parties."""
    if units.objectives > MOST_PARTIES:
        return None
    threshold = units.threshold(reservation)
    total = math.prod(units.sizes)
    if total <= COUNTED:
        counted = patterns(units, threshold, progress)
        return Acceptance(parties, tuple(counted.tolist()), "counted one by one", True)
    try:
        merged = front(units, prune=False, limit=30_000 if total <= LOOKED else 300_000)
    except TooManyError:
        pass
    else:
        found = _by_pattern(merged.points, merged.count, threshold)
        return Acceptance(parties, found, "counted by distinct utilities", True)
    plain = not (units.pairs or units.boxes or units.forbidden or units.budgets)
    halves = _halves(units.sizes) if plain and units.objectives == 2 else None
    if halves is not None:
        return Acceptance(parties, _two_halves(units, halves, threshold), "counted by halves", True)
    if total <= LOOKED:
        counted = patterns(units, threshold, progress)
        return Acceptance(parties, tuple(counted.tolist()), "counted one by one", True)
    return _drawn(units, threshold, parties, seed)


def _by_pattern(points: np.ndarray, count: np.ndarray, threshold: np.ndarray) -> tuple[float, ...]:
    pattern = ((points >= threshold) << np.arange(points.shape[1])).sum(axis=1)
    out = [0] * (1 << points.shape[1])
    for m in np.unique(pattern):
        out[int(m)] = int(sum(count[pattern == m].tolist()))
    return tuple(out)


def _halves(sizes: tuple[int, ...]) -> tuple[list[int], list[int]] | None:
    """Two sets of issues whose numbers of deals are both small, if there are."""
    left: list[int] = []
    right: list[int] = []
    a = b = 1
    for k in sorted(range(len(sizes)), key=lambda k: -sizes[k]):
        if a <= b:
            left.append(k)
            a *= sizes[k]
        else:
            right.append(k)
            b *= sizes[k]
    return (left, right) if max(a, b) <= HALF else None


def _two_halves(
    units: Units, halves: tuple[list[int], list[int]], threshold: np.ndarray
) -> tuple[float, ...]:
    """Pairs of half deals (a, b) with a + b at or above both thresholds: exact in O(n log n).

    For every b the a's that do for the first party are a prefix of the a's in order; how many of
    these do for the second is read from a wavelet matrix (Claude and Navarro 2012).
    """
    one, two = (_sums(units, part) for part in halves)
    one = one + units.base
    total = len(one) * len(two)
    order = np.argsort(-one[:, 0], kind="stable")
    first, second = one[order, 0], one[order, 1]
    prefix = np.searchsorted(-first, two[:, 0] - threshold[0], side="right")
    ranked = np.sort(second)
    need = np.searchsorted(ranked, threshold[1] - two[:, 1], side="left")  # ranks from here on
    rank = np.empty(len(second), np.int64)
    rank[np.argsort(second, kind="stable")] = np.arange(len(second))
    both = int(_at_least(rank, prefix, need).sum())
    only_first = int(prefix.sum()) - both
    only_second = int((len(second) - need).sum()) - both
    return (total - both - only_first - only_second, only_first, only_second, both)


def _sums(units: Units, part: list[int]) -> Int[np.ndarray, "deal party"]:
    out = np.zeros((1, units.objectives), np.int64)
    for k in part:
        out = (out[:, None, :] + units.worth[k][None, :, :]).reshape(-1, units.objectives)
    return out


def _at_least(rank: np.ndarray, prefix: np.ndarray, need: np.ndarray) -> np.ndarray:
    """For each query, how many of the first `prefix` ranks are at least `need`."""
    n = len(rank)
    bits = max(1, int(n).bit_length())
    found = np.zeros(len(prefix), np.int64)
    low, high = np.zeros(len(prefix), np.int64), prefix.astype(np.int64)
    row = rank
    for bit in range(bits - 1, -1, -1):
        one = (row >> bit) & 1
        ones = np.r_[0, np.cumsum(one)]
        zeros = n - int(ones[-1])
        wanted = ((need >> bit) & 1).astype(bool)
        low1, high1 = ones[low], ones[high]
        found += np.where(wanted, 0, high1 - low1)
        low = np.where(wanted, zeros + low1, low - low1)
        high = np.where(wanted, zeros + high1, high - high1)
        row = np.concatenate([row[one == 0], row[one == 1]])
    return found + (high - low)


def _drawn(units: Units, threshold: np.ndarray, parties: tuple[str, ...], seed: int) -> Acceptance:
    """An estimate from random deals, each deal as likely as any other."""
    rng = np.random.default_rng(seed)
    deals = np.stack([rng.integers(0, s, DRAWS) for s in units.sizes], axis=-1)
    worth = np.repeat(units.base[None, :], DRAWS, axis=0)
    for k in range(len(units.sizes)):
        worth += units.worth[k][deals[:, k]]
    for p in units.pairs:
        worth += p.worth[deals[:, p.first], deals[:, p.second]]
    for box in units.boxes:
        inside = np.ones(DRAWS, bool)
        for k, allowed in box.where:
            inside &= allowed[deals[:, k]]
        worth += inside[:, None] * box.worth
    able = np.ones(DRAWS, bool)
    for where in units.forbidden:
        inside = np.ones(DRAWS, bool)
        for k, allowed in where:
            inside &= allowed[deals[:, k]]
        able &= ~inside
    for b in units.budgets:
        spent = sum(cost[deals[:, k]] for k, cost in b.costs)
        able &= (spent >= b.low) & (spent <= b.high)
    pattern = ((worth >= threshold) << np.arange(units.objectives)).sum(axis=1)[able]
    seen = np.bincount(pattern, minlength=1 << units.objectives)
    each = math.prod(units.sizes) / DRAWS
    return Acceptance(
        parties,
        tuple(float(x) * each for x in seen),
        f"estimated from {DRAWS:,} random deals",
        False,
        DRAWS,
    )
