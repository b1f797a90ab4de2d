"""Who can move where, and the best and worst that a mover can reach: the arithmetic of it all.

Two representations with the same questions. `Lattice` is for option form: one cell per bitmask,
and a maximum over everything a decision maker can reach is a maximum over the bits it controls,
so that nothing larger than the list of states is ever made. `Arcs` is for explicit arcs.

`best(i, x)` is max x over what i reaches in one move, `worst` the min, `worst_improving(i, x)` the
min over i's unilateral improvements. On a lattice `best` and `worst` count staying as well; the
callers are written so that this changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from servanda.errors import QuestionError

Array = np.ndarray

INF: Final = np.iinfo(np.int32).max
MAX_ARCS: Final = 30_000_000
MAX_WORK: Final = 500_000_000


class Lattice:
    """Moves in option form: a decision maker resets any of its own options in one move.

    Moves are transitive: what i reaches in two moves running it reaches in one.
    """

    transitive = True

    def __init__(
        self, options: int, codes: Array, owners: Sequence[Sequence[tuple[int, str]]]
    ) -> None:
        self.options = options
        self.cells = 1 << options
        self.codes = codes
        self.whole = codes.size == self.cells
        self.owners = [list(group) for group in owners]
        self._orders: dict[int, tuple[Array, Array]] = {}
        self._prepared: list[tuple[Array, ...]] | None = None

    def spread(self, values: Array, fill: int) -> Array:
        """Values by state [state] as values by cell [cell], what is infeasible filled."""
        if self.whole:
            return values.astype(np.int32, copy=False)
        out = np.full(self.cells, fill, np.int32)
        out[self.codes] = values
        return out

    def gather(self, cells: Array) -> Array:
        """Values by cell as values by state."""
        return cells if self.whole else cells[self.codes]

    def closed(self, cells: Array) -> Array:
        """The same values, with the infeasible cells set to INF (in place)."""
        if not self.whole:
            keep = cells[self.codes]
            cells[:] = INF
            cells[self.codes] = keep
        return cells

    def best(self, i: int, x: Array) -> Array:
        """Max of x over what i reaches in one move, or by staying; infeasible cells hold −1."""
        return self._over(i, x, np.maximum)

    def worst(self, i: int, x: Array) -> Array:
        """Min of x over what i reaches in one move, or by staying; infeasible cells hold INF."""
        return self.closed(self._over(i, x, np.minimum))

    def _over(self, i: int, x: Array, pick: Any) -> Array:
        free = [k for k, direction in self.owners[i] if direction == "both"]
        bound = [(k, d) for k, d in self.owners[i] if d != "both"]
        out = x
        while free:  # runs of neighbouring bits at once
            run = 1
            while run < len(free) and free[run] == free[0] + run:
                run += 1
            grid = out.reshape(-1, 1 << run, 1 << free[0])
            most = pick.reduce(grid, axis=1, keepdims=True)
            out = np.broadcast_to(most, grid.shape).reshape(-1)
            free = free[run:]
        if out is x or not out.flags.writeable:
            out = out.copy()
        for k, direction in bound:
            pair = out.reshape(-1, 2, 1 << k)
            here, there = (0, 1) if direction == "N->Y" else (1, 0)
            pick(pair[:, here], pair[:, there], out=pair[:, here])
        return out

    def top_two(self, i: int, x: Array) -> Array:
        """Max of x over what i reaches in one move, staying not counted; −1 where it has none.

        x holds values that differ from state to state (save −1).
        """
        first, second = x.copy(), np.full_like(x, -1)
        for k, direction in self.owners[i]:
            a, b = first.reshape(-1, 2, 1 << k), second.reshape(-1, 2, 1 << k)
            if direction == "both":
                one = np.maximum(a[:, 0], a[:, 1])
                two = np.maximum(np.minimum(a[:, 0], a[:, 1]), np.maximum(b[:, 0], b[:, 1]))
                a[:, 0], a[:, 1], b[:, 0], b[:, 1] = one, one, two, two
            else:
                h, t = (0, 1) if direction == "N->Y" else (1, 0)
                two = np.maximum(np.minimum(a[:, h], a[:, t]), np.maximum(b[:, h], b[:, t]))
                a[:, h] = np.maximum(a[:, h], a[:, t])
                b[:, h] = two
        return np.where(first == x, second, first)

    def _layout(self, i: int) -> Array:
        """Cells by (pattern of i's one-way options, what others do, pattern of i's free ones)."""
        free = [k for k, d in self.owners[i] if d == "both"]
        bound = [k for k, d in self.owners[i] if d != "both"]
        rest = [k for k in range(self.options) if k not in free and k not in bound]

        def deposit(bits: list[int]) -> Array:
            table = np.zeros(1, np.int32)
            for k in bits:
                table = np.concatenate([table, table + np.int32(1 << k)])
            return table

        return (
            deposit(bound)[:, None, None]
            + deposit(rest)[None, :, None]
            + deposit(free)[None, None, :]
        )

    def prepare(self, ranks: Sequence[Array]) -> None:
        """Take the ranks by cell (−1 infeasible) that `worst_improving` refers to."""
        self._ranks = list(ranks)
        self._orders = {}

    def _order(self, i: int) -> tuple[Array, Array]:
        """i's layout sorted by falling rank within each row, and the ranks so sorted."""
        if i not in self._orders:
            layout = self._layout(i)
            rank = self._ranks[i][layout]
            width = layout.shape[2]
            # rank above, place below: one sort of plain numbers is faster than argsort
            key = (rank.astype(np.int64) + 1) * width + np.arange(width - 1, -1, -1)
            key.sort(axis=-1)
            key = key[..., ::-1]
            place = (width - 1) - key % width
            cells = np.take_along_axis(layout, place, axis=-1)
            self._orders[i] = (cells, (key // width - 1).astype(np.int32))
        return self._orders[i]

    def worst_improving(self, i: int, x: Array) -> Array:
        """Min of x over i's unilateral improvements; INF where there is none."""
        cells, rank = self._order(i)
        classes, rows, width = cells.shape
        bound = [d for _, d in self.owners[i] if d != "both"]
        least = np.full((classes, rows, width + 1), INF, np.int32)
        np.minimum.accumulate(x[cells], axis=-1, out=least[..., 1:])
        out = np.empty(self.cells, np.int32)
        if classes == 1:
            out[cells] = np.take_along_axis(least, _above(rank), axis=-1)
            return self.closed(out)
        if 1.5 ** len(bound) * self.cells > MAX_WORK:
            raise QuestionError(
                f"{len(bound)} options of one decision maker that cannot be taken back are too "
                "many for sequential stability; leave out SEQ"
            )
        raised = sum(1 << b for b, d in enumerate(bound) if d == "N->Y")
        size = np.int64(int(rank.max()) + 2)
        row = np.arange(rows, dtype=np.int64)[:, None]
        for c in range(classes):
            found = np.full((rows, width), INF, np.int32)
            mine = row * size + (size - 2 - rank[c])
            for d in range(classes):
                change = c ^ d
                if change & raised & c or change & ~raised & d:
                    continue
                keys = (row * size + (size - 2 - rank[d])).reshape(-1)
                above = np.searchsorted(keys, mine.reshape(-1)).reshape(rows, width) - row * width
                np.minimum(found, np.take_along_axis(least[d], above, axis=-1), out=found)
            out[cells[c]] = found
        return self.closed(out)

    def targets(self, i: int, s: int) -> Array:
        """The states that i reaches from s in one move, rising; [state numbers from 0]."""
        code = int(self.codes[s])
        reach = np.array([code], np.int64)
        for k, direction in self.owners[i]:
            bit = 1 << k
            if direction == "both" or (direction == "N->Y") != bool(code & bit):
                reach = np.concatenate([reach, reach ^ bit])
        reach = np.sort(reach[reach != code])
        at = np.minimum(np.searchsorted(self.codes, reach), self.codes.size - 1)
        found: Array = at[self.codes[at] == reach]
        return found

    def arc_bound(self) -> int:
        """At most how many arcs there are."""
        return int(sum(self.codes.size * ((1 << len(group)) - 1) for group in self.owners))

    def arcs(self, i: int) -> tuple[Array, Array]:
        """All moves of i as (from, to), by state."""
        index = np.full(self.cells, -1, np.int64)
        index[self.codes] = np.arange(self.codes.size)
        froms, tos = [], []
        both = sum(1 << k for k, _ in self.owners[i])
        bits = [k for k, _ in self.owners[i]]
        for change in range(1, 1 << len(bits)):
            flip = sum(1 << bits[b] for b in range(len(bits)) if change >> b & 1)
            source = self.codes.astype(np.int64)
            legal = np.ones(source.size, bool)
            for k, direction in self.owners[i]:
                if flip >> k & 1 and direction != "both":
                    legal &= ((source >> k & 1) == 0) == (direction == "N->Y")
            target = index[source ^ flip]
            legal &= target >= 0
            froms.append(np.flatnonzero(legal))
            tos.append(target[legal])
        if not both:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        source, target = np.concatenate(froms), np.concatenate(tos)
        order = np.lexsort((target, source))
        return source[order], target[order]


class Arcs:
    """Moves as lists of arcs, sorted by where they start; no move leads from a state to itself."""

    transitive = False

    def __init__(self, size: int, arcs: Sequence[tuple[Array, Array]]) -> None:
        self.cells = size
        self.lists = []
        for source, target in arcs:
            keep = source != target
            keys = np.unique(source[keep] * np.int64(size) + target[keep])
            self.lists.append((keys // size, keys % size))
        self._improving: list[tuple[Array, Array]] = []

    def spread(self, values: Array, fill: int) -> Array:
        """States are cells."""
        return values.astype(np.int32, copy=False)

    def gather(self, cells: Array) -> Array:
        """States are cells."""
        return cells

    def closed(self, cells: Array) -> Array:
        """Every cell is a feasible state."""
        return cells

    def best(self, i: int, x: Array) -> Array:
        """Max of x over what i reaches in one move; −1 where it cannot move."""
        return _reduced(self.lists[i], x, np.maximum, -1)

    def worst(self, i: int, x: Array) -> Array:
        """Min of x over what i reaches in one move; INF where it cannot move."""
        return _reduced(self.lists[i], x, np.minimum, INF)

    def top_two(self, i: int, x: Array) -> Array:
        """The same as `best`: no arc stays where it is."""
        return self.best(i, x)

    def prepare(self, ranks: Sequence[Array]) -> None:
        """Take the ranks that `worst_improving` refers to."""
        self._improving = []
        for (source, target), rank in zip(self.lists, ranks):
            up = rank[target] > rank[source]
            self._improving.append((source[up], target[up]))

    def worst_improving(self, i: int, x: Array) -> Array:
        """Min of x over i's unilateral improvements; INF where there is none."""
        return _reduced(self._improving[i], x, np.minimum, INF)

    def targets(self, i: int, s: int) -> Array:
        """The states that i reaches from s in one move."""
        source, target = self.lists[i]
        low, high = np.searchsorted(source, [s, s + 1])
        return target[low:high]

    def arc_bound(self) -> int:
        """How many arcs there are."""
        return sum(source.size for source, _ in self.lists)

    def arcs(self, i: int) -> tuple[Array, Array]:
        """All moves of i as (from, to)."""
        return self.lists[i]


Moves = Lattice | Arcs


def _above(rank: Array) -> Array:
    """How many entries of a falling row are strictly greater: the start of each run of ties."""
    width = rank.shape[-1]
    start = np.zeros(rank.shape, np.int64)
    fresh = rank[..., 1:] != rank[..., :-1]
    np.multiply(fresh, np.arange(1, width), out=start[..., 1:])
    np.maximum.accumulate(start, axis=-1, out=start)
    return start


def _reduced(arcs: tuple[Array, Array], x: Array, pick: Any, none: int) -> Array:
    source, target = arcs
    out = np.full(x.shape, none, np.int32)
    if source.size:
        first = np.flatnonzero(np.diff(source, prepend=-1))
        out[source[first]] = pick.reduceat(x[target], first)
    return out
