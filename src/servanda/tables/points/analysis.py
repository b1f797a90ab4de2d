"""Which deals are there, which are worth having, and which would be struck?

`points` is the question asked of a table of points: the frontier, the bargaining solutions, who
accepts how much, how opposed the parties are, which trades there are, what reservation values cost,
and who holds how much power. Each part is a module of its own and can be used alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from servanda.errors import QuestionError, unknown
from servanda.tables.points import bargaining, enumeration
from servanda.tables.points.acceptance import acceptance
from servanda.tables.points.answer import Drawn, PointsAnswer, Solution
from servanda.tables.points.bargaining import KS, Choice, Ideal
from servanda.tables.points.coalitions import MOST_PARTIES, Coalitions, coalitions
from servanda.tables.points.dominance import TooManyError
from servanda.tables.points.frontier import MAX_PARTIAL, Front, front
from servanda.tables.points.load import PathLike, load
from servanda.tables.points.logrolling import logrolls, split
from servanda.tables.points.lotteries import lotteries
from servanda.tables.points.model import Table
from servanda.tables.points.opposition import opposition
from servanda.tables.points.reservations import reservation_costs
from servanda.tables.points.units import Units, to_units

STREAMED = 2_000_000_000  # deals that are looked at one by one where there is no better way
LISTED = 20  # deals listed of each solution
Progress = Callable[[int, int, str], None]


def points(
    source: Table | PathLike | Sequence[PathLike],
    *,
    time: float = 0.0,
    tolerance: float | None = None,
    ks: KS = "maximin",
    ideal: Ideal = "acceptable",
    weights: Mapping[str, float] | None = None,
    but: int = 0,
    vetoes: Sequence[str] | None = None,
    discount_reservation: bool = False,
    normalise: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> PointsAnswer:
    """Everything about a table of points.

    Args:
        source: a `Table`, a file, several files, or a folder; see `load`.
        time: periods that pass before the deal; utilities are discounted.
        tolerance: differences of utility up to this may be taken for ties; by default the twelfth
            digit. A coarser one makes frontiers of huge tables smaller. The result says it.
        ks: "maximin" of normalised gains, or "smallest-spread" between them (NegMAS).
        ideal: the best each can get among deals "acceptable" to all, or among "all" (NegMAS).
        weights: bargaining powers by party: exponents in Nash's product, factors in the sum.
        but: a deal can be signed if all but so many parties accept it.
        vetoes: who must be among them; by default what the file says.
        discount_reservation: whether reservation values shrink with time too (Genius).
        normalise: for Genius XML, whether evaluations are divided by the largest of their issue.
        seed: of the random deals, where acceptable deals can only be estimated.

    Raises:
        ScenarioError: a mistake in a file.
        QuestionError: no deal can be made, the table is too large, or an option makes no sense.
    """
    table = source if isinstance(source, Table) else load(source, normalise=normalise)
    table = table.at(time, reservation=discount_reservation)
    names = table.names
    signing = tuple(table.vetoes if vetoes is None else vetoes)
    for name in signing:
        table.party(name)
    if not 0 <= but < len(names):
        raise QuestionError(f"all but {but} of {len(names)} parties: from 0 to {len(names) - 1}")
    power = _weights(table, weights)

    units = to_units(table, tolerance)
    found = frontier(table, units, progress)
    real = units.real(found.points)
    worst = units.real(_worst(units))
    notes = _notes(table)
    floor = np.where(np.isfinite(table.reservation), table.reservation, worst)
    floor = np.where(table.reservation == math.inf, math.inf, floor)
    able = bargaining.rational(real, floor, units.tolerance)
    solved = bargaining.solve(real, floor, units.tolerance, ks=ks, ideal=ideal, weights=power)
    conventions = {
        "nash": "largest product of gains" + (", weighted" if weights else ""),
        "kalai-smorodinsky": {
            "maximin": "largest smallest normalised gain",
            "smallest-spread": "smallest spread of normalised gains",
        }[ks]
        + f", ideal point of {'deals acceptable to all' if ideal == 'acceptable' else 'all deals'}",
        "egalitarian": "largest smallest gain",
        "utilitarian": "largest sum" + (", weighted" if weights else ""),
    }
    accepted = acceptance(units, table.reservation, names, seed=seed, progress=progress)
    drawn = lotteries(real, floor) if np.isfinite(floor).all() and len(names) > 1 else {}
    shown = found.representatives()
    middle = split(table)
    if not able.any():
        notes += ("No deal is acceptable to all: there is no zone of possible agreement.",)
    game: Coalitions | None = None
    if 1 < len(names) <= MOST_PARTIES and np.isfinite(floor).all():
        where = np.array([table.party(name) for name in signing], np.int64)
        game = coalitions(names, floor, real, but=but, vetoes=where)
    trades = logrolls(table, middle) if table.feasible(middle)[0] and len(table.issues) > 1 else ()
    return PointsAnswer(
        table=table,
        front=found,
        frontier=xr.DataArray(real, dims=("point", "party"), coords={"party": list(names)}),
        acceptable=able,
        disagreement=_by_party(floor, names),
        worst=_by_party(worst, names),
        solutions={
            name: _solution(found, real, choice, conventions[name], names)
            for name, choice in solved.items()
        },
        lotteries={
            name: Drawn(name, x.value, x.probability, shown[x.points], x.utilities)
            for name, x in drawn.items()
        },
        acceptance=accepted,
        but=but,
        vetoes=signing,
        opposition=opposition(table, units, real, worst),
        start=middle,
        trades=trades,
        reservation_costs=reservation_costs(
            names, real, table.reservation, accepted, units.tolerance
        ),
        coalitions=game,
        tolerance=units.tolerance,
        grid_error=table.grid_error(),
        notes=notes,
        time=time,
        seed=seed,
    )


def frontier(table: Table, units: Units | None = None, progress: Progress | None = None) -> Front:
    """The Pareto frontier: issue by issue if that is possible, else by looking at every deal.

    Raises:
        QuestionError: no deal can be made, or neither way can be paid for.
    """
    units = to_units(table) if units is None else units
    # Looking at a deal is quicker than keeping a partial one, by about a thousand.
    few = max(20_000, table.deals // 1_000) if table.deals <= STREAMED else None
    few = few if few is not None and few < MAX_PARTIAL and len(table.parties) < 4 else None
    try:
        found = front(units, limit=few)
    except TooManyError:
        said = (
            f"ask for a coarser tolerance than {units.tolerance.max():.3g}, settle an issue "
            "first, or ask for single solutions (`chosen_by_branching`)"
        )
        if table.deals > STREAMED:
            raise QuestionError(
                f"{table.deals:.3g} deals, too many to look at one by one, and too much hangs "
                f"together to go issue by issue; {said}"
            ) from None
        try:
            found = enumeration.stream(units, progress)
        except TooManyError:
            raise QuestionError(
                f"the frontier has more points than can be held or compared; {said}"
            ) from None
    if not len(found.points):
        raise QuestionError("no deal can be made: the constraints leave nothing")
    return found


def _worst(units: Units) -> np.ndarray:
    """The least that any deal is worth to each party, in units."""
    out = []
    for i in range(units.objectives):
        alone = np.zeros((units.objectives, 1), np.int64)
        alone[i] = -1
        try:
            out.append(-int(front(units.summed(alone)).points[0, 0]))
        except TooManyError:
            return enumeration.worst(units)
    return np.array(out)


def _solution(
    found: Front, real: np.ndarray, choice: Choice, convention: str, names: tuple[str, ...]
) -> Solution:
    rows = [int(r) for r in choice.points]
    deals = np.concatenate([found.deals(r, LISTED) for r in rows[:LISTED]])[:LISTED]
    return Solution(
        choice.name,
        convention,
        choice.value,
        tuple(rows),
        xr.DataArray(real[rows], dims=("tie", "party"), coords={"party": list(names)}),
        deals,
        int(sum(found.count[rows].tolist())),
        choice.note,
    )


def _by_party(values: Float[np.ndarray, "party"], names: tuple[str, ...]) -> xr.DataArray:
    return xr.DataArray(values, dims=("party",), coords={"party": list(names)})


def _weights(table: Table, weights: Mapping[str, Any] | None) -> np.ndarray | None:
    if weights is None:
        return None
    for name in weights:
        if name not in table.names:
            raise unknown("party", str(name), table.names)
    return np.array([float(weights.get(name, 1.0)) for name in table.names])


def _notes(table: Table) -> tuple[str, ...]:
    notes = list(table.notes)
    none = [p.name for p in table.parties if p.reservation == -math.inf]
    if none:
        notes.append(
            f"No reservation value for {', '.join(none)[:200]}: accepts every deal, and gains are "
            "counted from its worst deal."
        )
    error = table.grid_error()
    if error.any():
        worst = int(error.argmax())
        notes.append(
            "Continuous issues are cut into steps; within half a step utility moves by up to "
            f"{error[worst]:.3g} ({table.names[worst]})."
        )
    return tuple(notes)
