"""Every deal, block by block, in memory that does not grow with their number.

Issues are split into a head and a tail; the tail's sums are made once, and every combination of
the head adds one number per party (and a row per interaction across). A block is an array of
utilities in units, Int[party, deal], the last issue running fastest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from servanda.tables.points import dominance
from servanda.tables.points.dominance import TooManyError
from servanda.tables.points.frontier import MAX_MANY, Front
from servanda.tables.points.units import Units

BLOCK = 1 << 16  # deals of the tail
MAX_POINTS = 2_000_000  # of a frontier
MAX_WAITING = 1_000_000  # deals that wait to be compared with each other
BUCKETS = 1 << 12  # of the first objective, for the quick test of two objectives
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Block:
    """Deals from number `first` on: utilities in units, and which can be made (None: all)."""

    first: int
    worth: np.ndarray  # Int[party, deal]
    able: np.ndarray | None  # Bool[deal]


def blocks(units: Units, block: int = BLOCK) -> Iterator[Block]:
    """All deals in order. The arrays are used again for the next block: copy what you keep."""
    sizes = units.sizes
    split, length = len(sizes), 1
    while split > 0 and length * sizes[split - 1] <= block:
        split -= 1
        length *= sizes[split]
    head, tail = sizes[:split], sizes[split:]
    option = [a.reshape(-1) for a in np.indices(tail)] if tail else []
    base = np.repeat(units.base[:, None], length, axis=1)
    for k, at in enumerate(option):
        base += units.worth[split + k].T[:, at]
    inner = [p for p in units.pairs if min(p.first, p.second) >= split]
    for p in inner:
        base += p.worth[option[p.first - split], option[p.second - split]].T
    across = [p for p in units.pairs if p.first < split <= p.second]
    outer = [p for p in units.pairs if max(p.first, p.second) < split]

    def inside(where: tuple[tuple[int, np.ndarray], ...]) -> np.ndarray:
        mask = np.ones(length, bool)
        for k, allowed in where:
            if k >= split:
                mask &= allowed[option[k - split]]
        return mask

    boxes = [
        ([(k, a) for k, a in b.where if k < split], np.flatnonzero(inside(b.where)), b.worth)
        for b in units.boxes
    ]
    never = [([(k, a) for k, a in w if k < split], inside(w)) for w in units.forbidden]
    sums = []
    for b in units.budgets:
        rest = np.zeros(length, np.int64)
        for k, cost in b.costs:
            if k >= split:
                rest += cost[option[k - split]]
        sums.append(([(k, c) for k, c in b.costs if k < split], rest, b.low, b.high))
    worth = np.empty_like(base)
    rows: dict[tuple[int, int], np.ndarray] = {}
    heads = math.prod(head)
    chosen = [0] * split
    for number in range(heads):
        add = np.zeros(units.objectives, np.int64)
        for k in range(split):
            add += units.worth[k][chosen[k]]
        for p in outer:
            add += p.worth[chosen[p.first], chosen[p.second]]
        np.add(base, add[:, None], out=worth)
        for j, p in enumerate(across):
            row = rows.get((j, chosen[p.first]))
            if row is None:
                row = np.ascontiguousarray(p.worth[chosen[p.first]][option[p.second - split]].T)
                if len(rows) * length * units.objectives < 8_000_000:
                    rows[j, chosen[p.first]] = row
            worth += row
        for conditions, members, extra in boxes:
            if all(allowed[chosen[k]] for k, allowed in conditions):
                for i in np.flatnonzero(extra):
                    worth[i, members] += extra[i]
        able: np.ndarray | None = None
        for conditions, mask in never:
            if all(allowed[chosen[k]] for k, allowed in conditions):
                able = ~mask if able is None else able & ~mask
        for costs, rest, low, high in sums:
            spent = rest + sum(int(c[chosen[k]]) for k, c in costs)
            within = (spent >= low) & (spent <= high)
            able = within if able is None else able & within
        yield Block(number * length, worth, able)
        for k in range(split - 1, -1, -1):
            chosen[k] += 1
            if chosen[k] < head[k]:
                break
            chosen[k] = 0


def stream(units: Units, progress: Progress | None = None) -> Front:
    """The frontier by looking at every deal once, in bounded memory.

    With two objectives a deal is first compared with a table of the frontier's second objective by
    buckets of the first, which most deals fail; survivors are merged by the thousand.

    Raises:
        TooManyError: the frontier has more than `MAX_POINTS` points (`MAX_MANY`).
    """
    total = math.prod(units.sizes)
    points = np.empty((0, units.objectives), np.int64)
    count = np.empty(0, np.int64)
    index = np.empty(0, np.int64)
    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    pending = 0
    quick = _Quick(units)

    def settle() -> None:
        nonlocal points, count, index, pending
        rows = np.concatenate([points, *(w for w, _ in waiting)])
        number = np.concatenate([index, *(i for _, i in waiting)])
        many = np.concatenate([count, np.ones(len(rows) - len(points), np.int64)])
        order, start = dominance.merge(rows)
        rows, number, many = rows[order], number[order], many[order]
        counts = np.add.reduceat(many, start) if len(start) else many
        smallest = np.minimum.reduceat(number, start) if len(start) else number
        keep = dominance.nondominated(rows[start])
        points, count, index = rows[start][keep], counts[keep], smallest[keep]
        waiting.clear()
        pending = 0
        if len(points) > (MAX_MANY if units.objectives > 3 else MAX_POINTS):
            raise TooManyError
        quick.learn(points)

    for block in blocks(units):
        candidates = quick.candidates(block.worth, block.able)
        if len(candidates):
            waiting.append((block.worth[:, candidates].T.copy(), candidates + block.first))
            pending += len(candidates)
            if pending > min(max(4 * len(points), 20_000), MAX_WAITING) or block.first == 0:
                settle()
        if progress is not None:
            progress(block.first + block.worth.shape[1], total, "Looking at every deal")
    settle()
    return Front(units, points, count, index=index, method="every deal looked at")


class _Quick:
    """A fast test that no undominated deal fails."""

    def __init__(self, units: Units) -> None:
        self.objectives = units.objectives
        self.points = np.empty((0, units.objectives), np.int64)
        self.floor: np.ndarray | None = None
        self.low, self.shift = 0, 0

    def learn(self, points: np.ndarray) -> None:
        self.points = points
        if self.objectives != 2 or not len(points):
            if len(points) > 24:  # spread over the objectives, the best totals among them
                scaled = points / np.maximum(1, np.abs(points).max(axis=0))
                total = np.argsort(-scaled.sum(axis=1))[:16]
                ends = [int(np.argmax(points[:, k])) for k in range(self.objectives)]
                self.points = points[np.unique(np.r_[total, ends])]
            return
        first, second = points[::-1, 0], points[::-1, 1]  # first rises, second falls
        self.low = int(first[0])
        self.shift = ((int(first[-1]) - self.low) // BUCKETS).bit_length()
        # In a bucket lie first objectives below its edge: a frontier point at or above the edge
        # dominates all that are in the bucket and not above it in the second.
        edge = self.low + (np.arange(BUCKETS + 2) << self.shift)
        at = np.searchsorted(first, edge, side="left")
        beyond = np.append(second, np.iinfo(np.int64).min)
        self.floor = beyond[at]

    def candidates(self, worth: np.ndarray, able: np.ndarray | None) -> np.ndarray:
        if self.floor is not None:
            bucket = worth[0] - self.low
            bucket >>= self.shift
            np.clip(bucket, -1, BUCKETS, out=bucket)
            bucket += 1
            open_ = worth[1] > self.floor[bucket]
        else:
            open_ = np.ones(worth.shape[1], bool)
            for point in self.points:
                beaten = worth[0] <= point[0]
                equal = worth[0] == point[0]
                for k in range(1, self.objectives):
                    beaten &= worth[k] <= point[k]
                    equal &= worth[k] == point[k]
                open_ &= ~beaten | equal
        if able is not None:
            open_ &= able
        return np.flatnonzero(open_)


def deals_at(
    units: Units, point: Int[np.ndarray, "objective"], most: int
) -> Int[np.ndarray, "deal issue"]:
    """The deals with exactly these utilities, by looking at every deal again."""
    found: list[np.ndarray] = []
    left = most
    for block in blocks(units):
        same = np.logical_and.reduce(block.worth == point[:, None], axis=0)
        if block.able is not None:
            same &= block.able
        at = np.flatnonzero(same)[:left]
        if len(at):
            found.append(at + block.first)
            left -= len(at)
            if not left:
                break
    flat = np.concatenate(found) if found else np.zeros(0, np.int64)
    return np.stack(np.unravel_index(flat, units.sizes), axis=-1)


def patterns(
    units: Units, threshold: Int[np.ndarray, "party"], progress: Progress | None = None
) -> Int[np.ndarray, "pattern"]:
    """How many deals each set of parties accepts, counted one by one: bit i is party i's."""
    parties = units.objectives
    out = np.zeros(1 << parties, np.int64)
    total = math.prod(units.sizes)
    kind = np.uint32 if parties > 16 else np.uint16
    for block in blocks(units):
        pattern: np.ndarray = np.zeros(block.worth.shape[1], kind)
        for i in range(parties):
            pattern |= np.where(block.worth[i] >= threshold[i], kind(1 << i), kind(0))
        if block.able is not None:
            pattern = pattern[block.able]
        out += np.bincount(pattern, minlength=1 << parties)
        if progress is not None:
            progress(block.first + block.worth.shape[1], total, "Counting acceptable deals")
    return out


def moments(
    units: Units,
) -> tuple[int, Float[np.ndarray, "party"], Float[np.ndarray, "party party"]]:
    """How many deals can be made, their mean utilities, and the covariances, in real units."""
    n = 0
    shift = units.real(units.base)[:, None]
    first = np.zeros(units.objectives)
    second = np.zeros((units.objectives, units.objectives))
    for block in blocks(units):
        worth = block.worth if block.able is None else block.worth[:, block.able]
        real = units.real(worth.T).T - shift
        n += real.shape[1]
        first += real.sum(axis=1)
        second += real @ real.T
    if n == 0:
        return 0, first * np.nan, second * np.nan
    mean = first / n
    return n, mean + shift[:, 0], second / n - np.outer(mean, mean)


def listed(units: Units) -> Int[np.ndarray, "deal party"]:
    """The utilities of all deals in units, of deals that cannot be made too. For small tables."""
    return np.concatenate([b.worth.T.copy() for b in blocks(units)])


def worst(units: Units) -> Int[np.ndarray, "objective"]:
    """The least that each objective can be over the deals that can be made."""
    low = np.full(units.objectives, np.iinfo(np.int64).max)
    for block in blocks(units):
        worth = block.worth if block.able is None else block.worth[:, block.able]
        if worth.shape[1]:
            low = np.minimum(low, worth.min(axis=1))
    return low
