"""Who would have to move for the outcome to change, how far, and who could do it alone?

In comes a table; out come, for the median voter, what every actor can make of it by moving alone,
the fewest actors that must move to bring it to a target, and for an election the least step of an
actor towards another's position at which another option becomes the likeliest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from servanda.errors import QuestionError
from servanda.tables.spatial.centre import positions_held, weighted_median
from servanda.tables.spatial.sensitivity import (
    Election,
    Moved,
    expected_outcome,
    outcome_of_moves,
)
from servanda.tables.spatial.table import Table

MAX_ACTORS: Final = 30
"""Beyond, looking for flips takes minutes."""
_STEPS: Final = 32  # looked at on the way, before halving
_HALVINGS: Final = 40
_TIE: Final = 1e-12


@dataclass(frozen=True)
class Reach:
    """What one actor alone can make of the median on one dimension by moving along the scale.

    Beyond `low` and `high` it cannot bring it. `least` is the smallest move that changes it at all,
    in the units of the table (0 for the median voter, infinite if it never does).
    """

    actor: str
    dimension: str
    low: float
    high: float
    least: float


@dataclass(frozen=True)
class Target:
    """The fewest actors that must move to bring the median of a dimension to a target."""

    dimension: str
    median: float
    target: float
    movers: tuple[str, ...]  # all to the target or past it; the heaviest first
    distance: float  # the sum of how far each must go, in the units of the table
    alternatives: tuple[str, ...]  # who alone would be enough


@dataclass(frozen=True)
class Flip:
    """The least step towards another actor's position at which the likeliest option changes."""

    actor: str
    towards: str
    step: float  # share of the way, 0 to 1
    distance: float  # on scales of 0 to 1, root mean square over dimensions
    winner: tuple[str, ...]  # who holds the option that is then the likeliest


@dataclass(frozen=True, eq=False)
class Movers:
    """Everything about who must move; `flips` come with the shortest first."""

    reach: tuple[Reach, ...]
    targets: tuple[Target, ...]
    flips: tuple[Flip, ...] | None  # None: too many actors to look
    leader: tuple[str, ...]  # who holds the likeliest option now
    probability: float

    def to_dataframe(self) -> Any:
        """One row per actor and dimension: what it can make of the median by itself."""
        import pandas as pd

        names = ["actor", "dimension", "low", "high", "least"]
        return pd.DataFrame([[getattr(r, n) for n in names] for r in self.reach], columns=names)


def reach(table: Table) -> tuple[Reach, ...]:
    """What every actor can make of the (lower) median alone; exact."""
    found = []
    n = len(table.actors)
    for k, dimension in enumerate(table.dimensions):
        x, w = table.position[:, k], table.influence[:, k]
        now = weighted_median(x, w)[0]
        ends = np.repeat(x[None], 2 * n, 0)
        at = np.arange(n)
        ends[at, at], ends[n + at, at] = table.low[k], table.high[k]
        low, high = np.split(weighted_median(ends, np.broadcast_to(w, ends.shape))[0], 2)
        for i, actor in enumerate(table.actors):
            least = np.inf
            if low[i] < now or high[i] > now:
                least = abs(x[i] - now)  # it changes as soon as the actor is past the median
            found.append(Reach(actor, dimension, float(low[i]), float(high[i]), float(least)))
    return tuple(found)


def to_target(table: Table, target: float, dimension: str | None = None) -> Target:
    """The fewest actors that must move for the median to be at `target`, in the table's units.

    Moving the heaviest of those on the far side first is best: each counts by its weight alone.
    Raises QuestionError for a target off the scale or a dimension that is not there.
    """
    from servanda.errors import unknown

    name = table.dimensions[0] if dimension is None else dimension
    if name not in table.dimensions:
        raise unknown("dimension", name, table.dimensions)
    k = table.dimensions.index(name)
    if not table.low[k] <= target <= table.high[k]:
        raise QuestionError(
            f"target {target:g}: the scale runs from {table.low[k]:g} to {table.high[k]:g}"
        )
    x, w = table.position[:, k], table.influence[:, k]
    lower, upper = (float(m) for m in weighted_median(x, w))
    if lower <= target <= upper:
        return Target(name, lower, target, (), 0.0, ())
    # the weight on the near side must become at most half, so that the median is past it
    near = x < target if target > upper else x > target
    excess = w[near].sum() - w.sum() / 2
    order = sorted(np.flatnonzero(near), key=lambda i: (-w[i], abs(x[i] - target), i))
    gone, movers = 0.0, []
    for i in order:
        if gone >= excess - _TIE * w.sum():
            break
        gone += w[i]
        movers.append(i)
    alone = tuple(table.actors[i] for i in order if w[i] >= excess - _TIE * w.sum())
    far = float(np.abs(x[movers] - target).sum())
    return Target(name, lower, target, tuple(table.actors[i] for i in movers), far, alone)


def flips(
    table: Table, election: Election | None = None
) -> tuple[tuple[Flip, ...], int, np.ndarray]:
    """For every actor the shortest step towards another that changes the likeliest option.

    The options stay what they are now. Steps are looked for at 32 points on the way and then halved
    down to 1e-11 of it: a change that undoes itself between two of them can be missed.
    """
    n = len(table.actors)
    if n > MAX_ACTORS:
        raise QuestionError(
            f"{n} actors have too many pairs; this question is answered up to {MAX_ACTORS}"
        )
    how = election or Election()
    held, holders = positions_held(table)
    options = (held - table.low) / (table.high - table.low)
    x = table.scaled
    pairs = [(i, j) for i in range(n) for j in range(n) if (x[i] != x[j]).any()]
    now = _now(table, how)
    leader = int(now.argmax())
    grid = np.arange(1, _STEPS + 1) / _STEPS
    ahead = _leaders(table, pairs, np.tile(grid, (len(pairs), 1)), options, how)
    changed = ahead != leader
    some = np.flatnonzero(changed.any(1))
    high = grid[changed[some].argmax(1)]
    away = np.array([np.sqrt(((x[pairs[p][0]] - x[pairs[p][1]]) ** 2).mean()) for p in some])
    owner = np.array([pairs[p][0] for p in some], dtype=int)
    shortest = np.full(n, np.inf)
    np.minimum.at(shortest, owner, high * away)
    hopeful = (high - 1 / _STEPS) * away <= shortest[owner]  # the others cannot be the shortest
    some, high = some[hopeful], high[hopeful]
    low = high - 1 / _STEPS
    chosen = [pairs[p] for p in some]
    for _ in range(_HALVINGS if chosen else 0):
        middle = (low + high) / 2
        there = _leaders(table, chosen, middle[:, None], options, how)[:, 0] != leader
        low, high = np.where(there, low, middle), np.where(there, middle, high)
    found: dict[int, Flip] = {}
    if chosen:
        winners = _leaders(table, chosen, high[:, None], options, how)[:, 0]
    for (i, j), step, winner in zip(chosen, high, winners if chosen else (), strict=True):
        far = float(step * np.sqrt(((x[i] - x[j]) ** 2).mean()))
        flip = Flip(table.actors[i], table.actors[j], float(step), far, holders[winner])
        if i not in found or far < found[i].distance - 1e-9:
            found[i] = flip
    return tuple(sorted(found.values(), key=lambda f: f.distance)), leader, now


def _now(table: Table, how: Election) -> Float[np.ndarray, " option"]:
    """The probability of every position held, as things are."""
    options = (positions_held(table)[0] - table.low) / (table.high - table.low)
    here = Moved(table.scaled[None], table.salience[None], table.capability[None])
    found: np.ndarray = expected_outcome(here, options, how)[0][0]
    return found


def _leaders(
    table: Table,
    pairs: list[tuple[int, int]],
    steps: Float[np.ndarray, "pair step"],
    options: np.ndarray,
    how: Election,
) -> Int[np.ndarray, "pair step"]:
    """The likeliest option if, for every pair (i, j), i went those shares of the way to j."""
    if not pairs:
        return np.zeros(steps.shape, dtype=int)
    x, many = table.scaled, steps.shape[1]
    i = np.repeat([a for a, _ in pairs], many)
    j = np.repeat([b for _, b in pairs], many)
    to = x[i] + steps.reshape(-1, 1) * (x[j] - x[i])
    p, _ = outcome_of_moves(table, i, to, table.salience[i], table.capability[i], options, how)
    found: np.ndarray = p.argmax(-1).reshape(steps.shape)
    return found


def movers(
    table: Table, *, target: float | None = None, dimension: str | None = None,
    election: Election | None = None,
) -> Movers:  # fmt: skip
    """Who would have to move: alone and together for the median, towards whom for the election.

    Without a `target` the targets are the positions held next to the median on either side.
    """
    targets = []
    if target is not None:
        targets.append(to_target(table, target, dimension))
    else:
        for k, name in enumerate(table.dimensions):
            x = table.position[:, k]
            lower, upper = weighted_median(x, table.influence[:, k])
            below, above = x[x < lower], x[x > upper]
            for goal in (*below[below == below.max(initial=-np.inf)][:1],
                         *above[above == above.min(initial=np.inf)][:1]):  # fmt: skip
                targets.append(to_target(table, float(goal), name))
    found: tuple[Flip, ...] | None = None
    if len(table.actors) <= MAX_ACTORS:
        found, leader, now = flips(table, election)
    else:
        now = _now(table, election or Election())
        leader = int(now.argmax())
    holders = positions_held(table)[1]
    return Movers(reach(table), tuple(targets), found, holders[leader], float(now[leader]))
