"""Where is the middle? The weighted mean, the median voter, and the winner of pairwise votes.

In comes a table; out come points on every dimension. Influence is capability times salience.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from servanda.tables.spatial.bargaining import distance
from servanda.tables.spatial.table import Table
from servanda.tables.spatial.voting import response

_TIE: Final = 1e-12  # of the whole weight: such a difference is rounding


def weighted_mean(table: Table) -> Float[np.ndarray, " dimension"]:
    """Σ c s x / Σ c s on every dimension, in the units of the table."""
    w = table.influence
    whole = w.sum(0)
    even = np.ones_like(w) / len(w)  # a dimension nobody cares about
    share = np.divide(w, whole, out=even, where=whole > 0)
    result: np.ndarray = (share * table.position).sum(0)
    return result


def weighted_median(
    position: Float[np.ndarray, "*run actor"], weight: Float[np.ndarray, "*run actor"]
) -> tuple[Float[np.ndarray, "*run"], Float[np.ndarray, "*run"]]:
    """The lower and the upper weighted median; they differ only if the weight splits in half.

    The median voter (Black 1948): less than half of the weight lies on either side. Every point
    from the lower to the upper median beats or ties with every other in a pairwise vote.
    """
    order = np.argsort(position, axis=-1, kind="stable")
    x = np.take_along_axis(np.broadcast_to(position, order.shape), order, -1)
    w = np.take_along_axis(np.broadcast_to(weight, order.shape), order, -1)
    heap = np.cumsum(w, -1)
    whole = heap[..., -1:]
    reached = heap >= whole * (0.5 - _TIE)
    passed = heap > whole * (0.5 + _TIE)
    lower, upper = (np.take_along_axis(x, r.argmax(-1)[..., None], -1)[..., 0]
                    for r in (reached, passed))  # fmt: skip
    return lower, upper


def median(table: Table) -> tuple[Float[np.ndarray, " dimension"], Float[np.ndarray, " dimension"]]:
    """The lower and upper median voter's position on every dimension by itself."""
    return weighted_median(table.position.T, table.influence.T)


@dataclass(frozen=True, eq=False)
class Contest:
    """Pairwise votes among the positions that actors hold."""

    options: Float[np.ndarray, "option dimension"]
    holders: tuple[tuple[str, ...], ...]
    margin: Float[np.ndarray, "option option"]  # net vote for the row against the column
    winner: int | None  # the option that beats all others, if there is one
    top: tuple[int, ...]  # the smallest set whose members beat all outside it (Smith)


def positions_held(
    table: Table,
) -> tuple[Float[np.ndarray, "option dimension"], tuple[tuple[str, ...], ...]]:
    """The different positions, in the units of the table, and who holds each."""
    options, which = np.unique(table.position, axis=0, return_inverse=True)
    names = np.array(table.actors, dtype=object)
    return options, tuple(tuple(names[which.reshape(-1) == o]) for o in range(len(options)))


def contest(table: Table, voting: str = "proportional") -> Contest:
    """Vote on every pair of the positions held: actors vote by distance, with all their influence.

    v_k(i:j) = w_k r(d_kj − d_ki), w_k capability times total salience. In one dimension the median
    voter's position wins under `binary` and `proportional` votes; in several there may be a cycle.
    """
    options, holders = positions_held(table)
    scaled = (options - table.low) / (table.high - table.low)
    d = distance(table.scaled, scaled, table.salience)
    w = table.influence.sum(1)
    margin = np.zeros((len(options), len(options)))
    for i in range(len(options)):
        margin[i] = (w[:, None] * response(voting, d - d[:, i : i + 1])).sum(0)
    margin[np.abs(margin) <= _TIE * w.sum()] = 0.0
    beats = margin > 0
    unbeaten = np.flatnonzero((beats | np.eye(len(options), dtype=bool)).all(1))
    winner = int(unbeaten[0]) if len(unbeaten) else None
    return Contest(options, holders, margin, winner, smith_set(beats))


def smith_set(beats: Bool[np.ndarray, "option option"]) -> tuple[int, ...]:
    """The smallest set of options each of which beats every option outside it."""
    n = len(beats)
    wins = beats.sum(1)
    for size_of in sorted(set(wins.tolist()), reverse=True):
        inside = wins >= size_of
        if beats[np.ix_(inside, ~inside)].all():
            return tuple(int(o) for o in np.flatnonzero(inside))
    return tuple(range(n))
