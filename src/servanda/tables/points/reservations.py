"""What does each party's reservation value cost?

In: the frontier, the reservation values, and how many deals who accepts. Out, for each party: how
many deals its reservation value alone rules out; what it buys it and costs the others in Nash's
deal, against having none; and if there is no deal that all accept, by how much it alone would have
to lower it. All of this is on the frontier: a deal that is best for one party among those that the
others accept can be chosen efficient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from servanda.tables.points.acceptance import Acceptance
from servanda.tables.points.bargaining import rational, solve


@dataclass(frozen=True, eq=False)
class ReservationCost:
    """What one party's reservation value does, in each party's own units.

    `blocked` deals would be acceptable to all without it (None if they were not counted); `slack`
    is how far it could be raised before no deal is left, negative by how much it would have to be
    lowered, by itself, for there to be one; None if the others cannot agree anyway. `effect` is
    each party's utility in Nash's deal minus what that would be if this party had no reservation
    value but its worst efficient deal; None if either is missing.
    """

    party: str
    reservation: float
    blocked: float | None
    slack: float | None
    effect: np.ndarray | None


def reservation_costs(
    names: tuple[str, ...],
    points: Float[np.ndarray, "point party"],
    reservation: Float[np.ndarray, "party"],
    accepted: Acceptance | None,
    tolerance: float | Float[np.ndarray, "party"],
) -> tuple[ReservationCost, ...]:
    """The cost of every party's reservation value; see the module."""
    out = []
    floor = np.where(np.isfinite(reservation), reservation, points.min(axis=0))
    now = _nash(points, floor, tolerance)
    for i, name in enumerate(names):
        others = reservation.copy()
        others[i] = -math.inf
        able = rational(points, others, tolerance)
        best = float(points[able, i].max()) if able.any() else None
        blocked = None
        if accepted is not None:
            everyone = (1 << len(names)) - 1
            blocked = accepted.count[everyone & ~(1 << i)]
        without = floor.copy()
        without[i] = min(floor[i], float(points[:, i].min()))
        then = _nash(points, without, tolerance)
        slack = None
        if best is not None and math.isfinite(reservation[i]):
            slack = best - float(reservation[i])
        out.append(
            ReservationCost(
                name,
                float(reservation[i]),
                blocked,
                slack,
                now - then if now is not None and then is not None else None,
            )
        )
    return tuple(out)


def _nash(
    points: np.ndarray, floor: np.ndarray, tolerance: float | np.ndarray
) -> np.ndarray | None:
    found = solve(points, floor, tolerance)
    if not found:
        return None
    chosen: np.ndarray = points[found["nash"].points].mean(axis=0)
    return chosen
