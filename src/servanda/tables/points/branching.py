"""Which deal would a solution choose, where even the frontier is too large to hold?

With many parties most deals are efficient, and a frontier of 10^12 deals cannot be written down.
A single solution can still be found by branch and bound on a mixed-integer programme (HiGHS):
binary x_ko says that issue k is settled with option o, utilities are linear in x, interactions and
boxes are linearised exactly, and Nash's product is bounded from above by tangents of its logarithm,
one for each deal tried, until the bound meets the best deal (outer approximation; Duran and
Grossmann 1986). Out: one deal, efficient, with the value it attains and the bound on any other's.
"""

from __future__ import annotations

import math
import time as clock
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from servanda.errors import QuestionError, unknown
from servanda.tables.points.model import Table, Where

GAP = 1e-7
SOLUTIONS = ("nash", "kalai-smorodinsky", "egalitarian", "utilitarian")
MOST_VARIABLES = 200_000


@dataclass(frozen=True, eq=False)
class Branched:
    """One deal that a solution chooses; others may tie. `bound` is of the value of any deal.

    The value is the product of gains (its logarithm is bounded), the smallest normalised gain, the
    smallest gain, or the sum.
    """

    name: str
    deal: np.ndarray  # Int[issue]
    utilities: np.ndarray  # Float[party]
    disagreement: np.ndarray  # Float[party]
    value: float
    bound: float


def chosen_by_branching(
    table: Table, solution: str = "nash", *, seconds: float = 60.0
) -> Branched | None:
    """The deal of a solution, by branch and bound; None if no deal is acceptable to all.

    Parties without a reservation value are taken at their worst deal.

    Raises:
        QuestionError: an unknown solution, no deal can be made, or the time did not suffice.
    """
    if solution not in SOLUTIONS:
        raise unknown("solution", solution, SOLUTIONS)
    # The solver's tolerances are absolute: utilities far from one are brought near to it, exactly.
    size = np.array([p.largest for p in table.parties])
    if solution in ("egalitarian", "utilitarian"):  # these compare units
        size[:] = size.max()
    ordinary = (size == 0) | ((size > 1e-2) & (size < 1e4))
    unit = np.where(ordinary, 1.0, 2.0 ** np.ceil(np.log2(np.where(ordinary, 1.0, size))))
    found = _chosen(_divided(table, unit), solution, clock.perf_counter() + seconds)
    if found is None:
        return None
    with np.errstate(over="ignore", under="ignore"):
        factor = {"nash": float(np.prod(unit)), "kalai-smorodinsky": 1.0}.get(solution, unit[0])
        return Branched(
            found.name,
            found.deal,
            table.utilities(found.deal)[0],
            found.disagreement * unit,
            float(found.value * factor),
            float(found.bound * factor),
        )


def _divided(table: Table, unit: Float[np.ndarray, "party"]) -> Table:
    """The same table with every party's utility in another unit."""
    parties = tuple(
        replace(
            p,
            worth=tuple(w / u for w in p.worth),
            base=p.base / u,
            pairs=tuple(replace(pair, worth=pair.worth / u) for pair in p.pairs),
            boxes=tuple(replace(box, worth=box.worth / u) for box in p.boxes),
            reservation=p.reservation / u,
        )
        for p, u in zip(table.parties, unit.tolist(), strict=True)
    )
    return replace(table, parties=parties)


def _chosen(table: Table, solution: str, until: float) -> Branched | None:
    """The same, for utilities of ordinary size."""
    program = _Program(table, until)
    n = len(table.parties)
    floor = table.reservation.copy()
    if (floor == math.inf).any():
        return None
    for i in np.flatnonzero(~np.isfinite(floor)).tolist():
        found = program.best(-program.utility[i])
        if found is None:
            raise QuestionError("no deal can be made: the constraints leave nothing")
        floor[i] = program.worth(found[0])[i]
    program.accept(floor)
    if solution == "utilitarian":
        found = program.best(program.utility.sum(axis=0))
        return None if found is None else _answer(program, solution, found[0], floor, found[1])
    ideal = np.empty(n)
    for i in range(n):
        found = program.best(program.utility[i])
        if found is None:
            return None
        ideal[i] = program.worth(found[0])[i]
    reach = ideal - floor
    if solution == "nash":
        if (reach <= 1e-9 * np.maximum(1.0, np.abs(ideal))).any():
            raise QuestionError("somebody cannot gain in any acceptable deal: the product is 0")
        return _nash(program, floor, reach)
    scale = np.ones(n) if solution == "egalitarian" else reach
    return _maximin(program, solution, floor, scale)


def _maximin(program: _Program, solution: str, floor: np.ndarray, scale: np.ndarray) -> Branched:
    """max min_i (u_i - d_i)/scale_i, then the largest sum of these among the deals that tie."""
    free = scale > 1e-9
    t = program.variable(-math.inf, math.inf)
    for i in np.flatnonzero(free).tolist():
        program.row(i, floor[i], {t: -float(scale[i])})
    found = program.best(np.zeros(program.columns), {t: 1.0})
    assert found is not None  # the zone has been found not to be empty
    level = float(((program.worth(found[0]) - floor)[free] / scale[free]).min())
    program.limit(t, level - 1e-9 * max(1.0, abs(level)))
    weight = np.where(free, 1.0 / np.where(free, scale, 1.0), 0.0)
    tied = program.best(weight @ program.utility)
    return _answer(program, solution, (tied or found)[0], floor, found[1], scale)


def _nash(program: _Program, floor: np.ndarray, reach: np.ndarray) -> Branched:
    """max Σ_i log g_i, where log g is below all of its tangents."""
    logs = [program.variable(-math.inf, float(math.log(r)) + 1e-9) for r in reach]
    for i, r in enumerate(reach):
        for share in (1.0, 0.5, 0.25, 0.1, 0.01):
            _tangent(program, i, floor, logs[i], share * float(r))
    best: tuple[float, np.ndarray] | None = None
    while True:
        found = program.best(np.zeros(program.columns), dict.fromkeys(logs, 1.0))
        assert found is not None
        deal, bound = found
        gain = program.worth(deal) - floor
        if (gain > 0).all():
            value = float(np.log(gain).sum())
            if best is None or value > best[0]:
                best = (value, deal)
            if bound - best[0] <= GAP:
                return _answer(program, "nash", best[1], floor, math.exp(bound))
        elif best is None and bound < -500:
            raise QuestionError("every acceptable deal leaves somebody without a gain")
        for i, g in enumerate(gain):
            _tangent(program, i, floor, logs[i], max(float(g), 1e-9 * float(reach[i])))


def _tangent(program: _Program, i: int, floor: np.ndarray, log: int, at: float) -> None:
    """log g <= log a + (g - a)/a, that is g - a·log g >= a - a·log a."""
    program.row(i, float(floor[i]) + at - at * math.log(at), {log: -at})


def _answer(
    program: _Program,
    name: str,
    deal: np.ndarray,
    floor: np.ndarray,
    bound: float,
    scale: np.ndarray | None = None,
) -> Branched:
    worth = program.worth(deal)
    gain = worth - floor
    if name == "nash":
        value = float(np.prod(gain))
    elif name == "utilitarian":
        value = float(worth.sum())
    else:
        assert scale is not None
        free = scale > 1e-9
        value = float((gain[free] / scale[free]).min())
    return Branched(name, deal, worth, floor, value, max(bound, value))


class _Program:
    """The table as a mixed-integer programme: variables, rows, and utilities linear in them."""

    def __init__(self, table: Table, until: float) -> None:
        self.table, self.until = table, until
        sizes = table.sizes
        self.start = np.concatenate([[0], np.cumsum(sizes)])
        self.low: list[float] = [0.0] * int(self.start[-1])
        self.high: list[float] = [1.0] * int(self.start[-1])
        self.whole = int(self.start[-1])
        self.rows: list[tuple[dict[int, float], float, float]] = []
        for k, size in enumerate(sizes):
            first = int(self.start[k])
            self.rows.append((dict.fromkeys(range(first, first + size), 1.0), 1.0, 1.0))
        linear: list[dict[int, float]] = []
        for party in table.parties:
            terms = dict(enumerate(np.concatenate(party.worth).tolist()))
            for pair in party.pairs:
                for (a, b), y in self._joint(pair.first, pair.second).items():
                    terms[y] = terms.get(y, 0.0) + float(pair.worth[a, b])
            for box in party.boxes:
                z = self._inside(box.where)
                terms[z] = terms.get(z, 0.0) + box.worth
            linear.append(terms)
        for where in table.forbidden:
            self.rows.append((self._met(where), -math.inf, len(where) - 1.0))
        for budget in table.budgets:
            cost = {
                int(self.start[k]) + o: float(c) for k, cs in budget.costs for o, c in enumerate(cs)
            }
            slack = 1e-9 * max(1.0, *(abs(x) for x in (budget.low, budget.high) if abs(x) < 1e300))
            self.rows.append((cost, budget.low - slack, budget.high + slack))
        if self.columns > MOST_VARIABLES:
            raise QuestionError(f"{self.columns:,} variables; at most {MOST_VARIABLES:,} are taken")
        self.utility = np.zeros((len(linear), self.columns))
        for i, terms in enumerate(linear):
            self.utility[i, list(terms)] = list(terms.values())
        self.base = np.array([party.base for party in table.parties])

    @property
    def columns(self) -> int:
        return len(self.low)

    def variable(self, low: float, high: float) -> int:
        """A further variable, not whole."""
        self.low.append(low)
        self.high.append(high)
        if hasattr(self, "utility"):
            self.utility = np.pad(self.utility, ((0, 0), (0, 1)))
        return self.columns - 1

    def row(self, i: int, low: float, more: dict[int, float]) -> None:
        """u_i + Σ more >= low."""
        terms = {int(c): float(self.utility[i, c]) for c in np.flatnonzero(self.utility[i])}
        self.rows.append((terms | more, low - float(self.base[i]), math.inf))

    def limit(self, column: int, low: float) -> None:
        """A variable from `low` on."""
        self.low[column] = low

    def accept(self, floor: Float[np.ndarray, "party"]) -> None:
        """Only deals worth at least `floor` to all."""
        for i, r in enumerate(floor):
            self.row(i, float(r) - 1e-9 * max(1.0, abs(float(r))), {})

    def worth(self, deal: np.ndarray) -> Float[np.ndarray, "party"]:
        worth: np.ndarray = self.table.utilities(deal)[0]
        return worth

    def best(
        self, value: np.ndarray, more: dict[int, float] | None = None
    ) -> tuple[np.ndarray, float] | None:
        """The deal with the largest value, and a bound of the value of any; None if none."""
        c = np.zeros(self.columns)
        c[: len(value)] = value
        for column, x in (more or {}).items():
            c[column] += x
        left = self.until - clock.perf_counter()
        if left <= 0:
            raise QuestionError("branch and bound did not finish in the time it was given")
        data: list[float] = []
        where: list[int] = []
        start = [0]
        for terms, _, _ in self.rows:
            where += terms.keys()
            data += terms.values()
            start.append(len(where))
        matrix = csr_array((data, where, start), shape=(len(self.rows), self.columns))
        found = milp(
            -c,
            constraints=LinearConstraint(
                matrix, [r[1] for r in self.rows], [r[2] for r in self.rows]
            ),
            integrality=np.r_[np.ones(self.whole), np.zeros(self.columns - self.whole)],
            bounds=Bounds(self.low, self.high),
            options={"time_limit": left, "mip_rel_gap": 1e-9},
        )
        if found.status == 2:
            return None
        if found.status != 0 or found.x is None:
            raise QuestionError("branch and bound did not finish in the time it was given")
        deal = np.array(
            [
                int(np.argmax(found.x[self.start[k] : self.start[k + 1]]))
                for k in range(len(self.table.sizes))
            ]
        )
        base = float(self.base.sum()) if more is None else 0.0
        bound = -float(found.mip_dual_bound if found.mip_dual_bound is not None else found.fun)
        return deal, bound + base

    def _joint(self, first: int, second: int) -> dict[tuple[int, int], int]:
        """y_ab = x_a x_b: nonnegative, with the x as its margins."""
        rows, columns = self.table.sizes[first], self.table.sizes[second]
        y = {(a, b): self.variable(0.0, 1.0) for a in range(rows) for b in range(columns)}
        for a in range(rows):
            terms = {y[a, b]: 1.0 for b in range(columns)} | {int(self.start[first]) + a: -1.0}
            self.rows.append((terms, 0.0, 0.0))
        for b in range(columns):
            terms = {y[a, b]: 1.0 for a in range(rows)} | {int(self.start[second]) + b: -1.0}
            self.rows.append((terms, 0.0, 0.0))
        return y

    def _inside(self, where: Where) -> int:
        """z = 1 where every condition is met: below each, and at least their sum less m - 1."""
        z = self.variable(0.0, 1.0)
        for condition in where:
            self.rows.append((self._met((condition,)) | {z: -1.0}, 0.0, math.inf))
        self.rows.append((self._met(where) | {z: -1.0}, -math.inf, len(where) - 1.0))
        return z

    def _met(self, where: Where) -> dict[int, float]:
        return {
            int(self.start[k]) + int(o): 1.0
            for k, allowed in where
            for o in np.flatnonzero(allowed)
        }
