"""Which deals are Pareto-efficient, in spaces far too large to list?

Issue by issue: the frontier of a sum is the frontier of the sums of frontiers, since adding the
same to two points keeps the order between them (Nemhauser and Ullmann 1969; Bellman 1957 for the
principle). So partial deals that are dominated are dropped before the next issue is added, and a
space of 10^12 deals costs what its frontiers cost. Interactions, boxes and constraints are carried
along as a *state*: what an unsettled issue still needs to know of the settled ones. Only partial
deals in the same state are compared, which keeps the answer exact (non-serial dynamic
programming; Bertele and Brioschi 1972). Ties are kept: every point remembers all ways to reach it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int

from servanda.errors import QuestionError
from servanda.tables.points import dominance
from servanda.tables.points.dominance import TooManyError
from servanda.tables.points.model import Where
from servanda.tables.points.units import Units

MAX_PARTIAL = 1_500_000  # partial deals kept after an issue
MAX_MANY = dominance.MOST_COMPARED
CHUNK = 1 << 21  # partial deals looked at together


@dataclass(frozen=True, eq=False)
class Layer:
    """How the points after an issue were reached: edges in the order of the points."""

    issue: int
    parent: np.ndarray  # Int[edge], a point of the layer before
    option: np.ndarray  # Int[edge]
    start: np.ndarray  # Int[point], the first edge of each point


@dataclass(frozen=True, eq=False)
class Front:
    """Points that nothing dominates, the first objective falling, with how to get their deals."""

    units: Units
    points: np.ndarray  # Int[point, objective]
    count: np.ndarray  # how many deals reach each point, exact: Int[point], or Python integers
    layers: tuple[Layer, ...] = ()
    index: np.ndarray | None = field(default=None)  # of one deal per point, when streamed
    method: str = "issue by issue"

    def representatives(self) -> Int[np.ndarray, "point issue"]:
        """One deal for each point."""
        if self.index is not None:
            return _unravel(self.index, self.units.sizes)
        deals = np.zeros((len(self.points), len(self.units.sizes)), np.int64)
        at = np.arange(len(self.points))
        for layer in reversed(self.layers):
            edge = layer.start[at]
            deals[:, layer.issue] = layer.option[edge]
            at = layer.parent[edge]
        return deals

    def deals(self, point: int, most: int = 1000) -> Int[np.ndarray, "deal issue"]:
        """The deals that reach a point, in no particular order, at most so many."""
        if self.index is not None:
            from servanda.tables.points.enumeration import deals_at

            return deals_at(self.units, self.points[point], most)
        found: list[np.ndarray] = []
        deal = np.zeros(len(self.units.sizes), np.int64)
        for _ in zip(range(most), self._walk(len(self.layers) - 1, point, deal), strict=False):
            found.append(deal.copy())
        return np.array(found).reshape(-1, len(self.units.sizes))

    def _walk(self, depth: int, point: int, deal: np.ndarray) -> Iterator[None]:
        """Fill `deal` with every way to the point, one after another, without recursion."""

        def edges(level: int, at: int) -> Iterator[int]:
            layer = self.layers[level]
            end = layer.start[at + 1] if at + 1 < len(layer.start) else len(layer.parent)
            return iter(range(int(layer.start[at]), int(end)))

        stack = [edges(depth, point)]
        while stack:
            level = depth - len(stack) + 1
            edge = next(stack[-1], None)
            if edge is None:
                stack.pop()
                continue
            layer = self.layers[level]
            deal[layer.issue] = layer.option[edge]
            if level == 0:
                yield
            else:
                stack.append(edges(level - 1, int(layer.parent[edge])))


def _unravel(index: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    return np.stack(np.unravel_index(index, sizes), axis=-1)


def front(units: Units, *, prune: bool = True, limit: int | None = None) -> Front:
    """The frontier, exactly, issue by issue. Without `prune`: all distinct points, with counts.

    `limit` is by default `MAX_PARTIAL`, or `MAX_MANY` with four objectives or more.

    Raises:
        TooManyError: more than `limit` partial deals would have to be kept at once.
    """
    plan = _Plan(units)
    if limit is None:
        limit = MAX_MANY if prune and units.objectives > 3 else MAX_PARTIAL
    total = math.prod(units.sizes)
    exact = object if total > 2**62 else np.int64
    points = units.base[None, :].copy()
    count = np.ones(1, exact)
    state = np.zeros((1, 0), np.int64)
    layers = []
    for step, issue in enumerate(plan.order):
        points, count, state, layer = plan.add(step, issue, points, count, state, prune, limit)
        layers.append(layer)
    return Front(units, points, count, tuple(layers))


class _Plan:
    """In which order issues are added, and what has to be remembered between them."""

    def __init__(self, units: Units) -> None:
        self.units = units
        self.order = _order(units)
        place = {k: step for step, k in enumerate(self.order)}
        self.last_of_pair: dict[int, int] = {}  # issue -> the last step that needs its option
        for pair in units.pairs:
            early, late = sorted((pair.first, pair.second), key=place.__getitem__)
            until = place[late]
            self.last_of_pair[early] = max(self.last_of_pair.get(early, until), until)
        boxes: list[tuple[Where, np.ndarray | None]] = [(b.where, b.worth) for b in units.boxes]
        boxes += [(where, None) for where in units.forbidden]
        self.boxes = [(dict(where), worth, [place[k] for k, _ in where]) for where, worth in boxes]
        self.always = [worth for where, worth, _ in self.boxes if not where]
        self.budgets = [(dict(b.costs), b, [place[k] for k, _ in b.costs]) for b in units.budgets]
        self.place = place

    def columns(self, step: int) -> list[tuple[str, int]]:
        """What is remembered after a step: open options, open boxes, open sums."""
        columns = [
            ("option", k) for k, until in self.last_of_pair.items() if self.place[k] <= step < until
        ]
        columns += [
            ("box", b)
            for b, (_, _, at) in enumerate(self.boxes)
            if at and min(at) <= step < max(at)
        ]
        columns += [
            ("sum", b)
            for b, (_, _, at) in enumerate(self.budgets)
            if at and min(at) <= step < max(at)
        ]
        return columns

    def add(
        self,
        step: int,
        issue: int,
        points: np.ndarray,
        count: np.ndarray,
        state: np.ndarray,
        prune: bool,
        limit: int,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, Layer]:
        """Add one issue to all partial deals; keep what is not dominated in its state."""
        size = self.units.sizes[issue]
        before = {name: j for j, name in enumerate(self.columns(step - 1))} if step else {}
        after = self.columns(step)
        few = max(1, min(CHUNK, 8 * limit) // max(1, len(points)))
        kept: tuple[np.ndarray, ...] = ()
        for first in range(0, size, few):
            some = np.arange(first, min(size, first + few))
            option = np.tile(some, len(points))
            parent = np.repeat(np.arange(len(points)), len(some))
            new, into, able = self._extend(
                step, issue, points, state, parent, option, before, after
            )
            if able is not None:
                new, into = new[able], into[able]
                parent, option = parent[able], option[able]
            if kept:
                new = np.concatenate([kept[0], new])
                into = np.concatenate([kept[1], into])
                parent = np.concatenate([kept[2], parent])
                option = np.concatenate([kept[3], option])
            kept = _reduce(new, into, parent, option, prune)
            if len(kept[4]) > limit or len(kept[0]) > 8 * limit:
                raise TooManyError
        new, into, parent, option, start = kept
        counts = np.add.reduceat(count[parent], start) if len(start) else count[:0]
        layer = Layer(issue, parent.astype(np.int32), option.astype(np.int32), start)
        return new[start], counts, into[start], layer

    def _extend(
        self,
        step: int,
        issue: int,
        points: np.ndarray,
        state: np.ndarray,
        parent: np.ndarray,
        option: np.ndarray,
        before: dict[tuple[str, int], int],
        after: list[tuple[str, int]],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Points and states of partial deals with one more issue; and which can be made."""
        units = self.units
        new = points[parent] + units.worth[issue][option]
        able: np.ndarray | None = None
        if step == 0:
            for worth in self.always:
                if worth is None:
                    able = np.zeros(len(new), bool)
                else:
                    new += worth
        for pair in units.pairs:
            if issue not in (pair.first, pair.second):
                continue
            other = pair.second if issue == pair.first else pair.first
            if self.place[other] > step:
                continue
            held = state[parent, before["option", other]]
            new += pair.worth[option, held] if issue == pair.first else pair.worth[held, option]
        fresh: dict[tuple[str, int], np.ndarray] = {("option", issue): option}
        for b, (where, worth, at) in enumerate(self.boxes):
            if issue not in where:
                continue
            alive = where[issue][option]
            if ("box", b) in before:
                alive = alive & (state[parent, before["box", b]] > 0)
            fresh["box", b] = alive
            if step == max(at):
                if worth is None:
                    able = ~alive if able is None else able & ~alive
                else:
                    new += alive[:, None] * worth
        for b, (costs, budget, _) in enumerate(self.budgets):
            if issue not in costs:
                continue
            spent = costs[issue][option]
            if ("sum", b) in before:
                spent = spent + state[parent, before["sum", b]]
            rest = [costs[k] for k in costs if self.place[k] > step]
            least = spent + sum(int(c.min()) for c in rest)
            most = spent + sum(int(c.max()) for c in rest)
            within = (least <= budget.high) & (most >= budget.low)
            able = within if able is None else able & within
            # What can no longer break the bounds need not be told apart.
            loose = (most <= budget.high) & (least >= budget.low)
            fresh["sum", b] = np.where(loose, budget.low - sum(int(c.min()) for c in rest), spent)
        into = np.empty((len(new), len(after)), np.int64)
        for j, name in enumerate(after):
            into[:, j] = fresh[name] if name in fresh else state[parent, before[name]]
        return new, into, able


def _reduce(
    points: np.ndarray, state: np.ndarray, parent: np.ndarray, option: np.ndarray, prune: bool
) -> tuple[np.ndarray, ...]:
    """Drop what is dominated; edges side by side that reach the same point in the same state."""
    group = None
    if state.shape[1] and len(state):
        group = np.unique(state, axis=0, return_inverse=True)[1].reshape(-1)
    order, start = dominance.merge(points, group)
    points, state, parent, option = points[order], state[order], parent[order], option[order]
    if prune:
        keep = dominance.nondominated(points[start], None if group is None else group[order][start])
        length = np.diff(np.r_[start, len(points)])
        member = np.repeat(keep, length)
        points, state, parent, option = (
            points[member],
            state[member],
            parent[member],
            option[member],
        )
        length = length[keep]
        start = np.cumsum(length) - length
    return points, state, parent, option, start


def _order(units: Units) -> list[int]:
    """Greedily: next the issue that leaves the fewest things open, then the smallest."""
    groups = [{p.first, p.second} for p in units.pairs]
    groups += [{k for k, _ in box.where} for box in units.boxes]
    groups += [{k for k, _ in where} for where in units.forbidden]
    groups += [{k for k, _ in b.costs} for b in units.budgets]
    groups = [g for g in groups if len(g) > 1]
    left = set(range(len(units.sizes)))
    order: list[int] = []
    member: dict[int, list[int]] = {}
    for g, group in enumerate(groups):
        for k in group:
            member.setdefault(k, []).append(g)
    done: set[int] = set()
    while left:

        def opened(k: int) -> tuple[int, int, int]:
            open_now = sum(
                1 for g in member.get(k, []) if not groups[g] <= done | {k} and not groups[g] & done
            )
            closed = sum(1 for g in member.get(k, []) if groups[g] <= done | {k})
            return open_now - closed, units.sizes[k], k

        free = [k for k in left if k not in member]
        # Issues that interact with nothing come last: until then they would multiply the states.
        chosen = (
            min(left - set(free), key=opened)
            if len(free) < len(left)
            else min(free, key=lambda k: (units.sizes[k], k))
        )
        order.append(chosen)
        done.add(chosen)
        left.remove(chosen)
    return order


def best(units: Units) -> int:
    """The largest value of a single objective over all deals that can be made, in units.

    Raises:
        QuestionError: no deal can be made.
        TooManyError: too many states.
    """
    found = front(units)
    if not len(found.points):
        raise QuestionError("no deal can be made: the constraints leave nothing")
    return int(found.points[0, 0])
