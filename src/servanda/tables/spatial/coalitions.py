"""Which actors can carry the issue together, which of those coalitions hold, and who is needed?

In comes a table; a coalition wins if its weight is more than a quota of the whole. Out come the
minimal winning coalitions and what the theories of coalition formation pick among them, and every
actor's power. Weight is capability times salience (`influence`) or capability alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float

from servanda.errors import QuestionError, unknown
from servanda.tables.spatial.bargaining import distance
from servanda.tables.spatial.table import Table

MAX_ACTORS: Final = 22
"""Beyond, 2^n coalitions are too many to look at one by one."""
MAX_LISTED: Final = 10_000
WEIGHTS: Final = ("influence", "capability")
_TIE: Final = 1e-12


@dataclass(frozen=True)
class Coalition:
    """A winning coalition that no member can leave without losing it."""

    members: tuple[str, ...]
    weight: float  # share of the whole
    range: float  # largest distance between two members, on scales of 0 to 1
    policy: tuple[float, ...]  # mean position of its members, by their weight
    connected: bool  # in one dimension: nobody outside it stands strictly between its members
    stable: bool  # no minimal winning coalition is better for all of its own members


@dataclass(frozen=True, eq=False)
class Coalitions:
    """What can win, and who matters for it."""

    quota: float
    weights: str
    actors: tuple[str, ...]
    minimal: tuple[Coalition, ...]  # by range, then weight
    smallest: tuple[Coalition, ...]  # least weight that wins (Riker 1962)
    fewest: tuple[Coalition, ...]  # fewest members (Leiserson 1968)
    closest: tuple[Coalition, ...]  # least range (Leiserson 1966, de Swaan 1973)
    banzhaf: Float[np.ndarray, " actor"]  # share of coalitions in which it turns losing to winning
    shapley: Float[np.ndarray, " actor"]  # Shapley and Shubik 1954; sums to one
    vetoes: tuple[str, ...]  # without whom nothing wins
    dummies: tuple[str, ...]  # whom no minimal winning coalition needs

    def to_dataframe(self) -> Any:
        """One row per minimal winning coalition."""
        import pandas as pd

        return pd.DataFrame(
            {
                "members": [", ".join(c.members) for c in self.minimal],
                "weight": [c.weight for c in self.minimal],
                "range": [c.range for c in self.minimal],
                "policy": [c.policy for c in self.minimal],
                "connected": [c.connected for c in self.minimal],
                "stable": [c.stable for c in self.minimal],
            }
        )


def coalitions(table: Table, *, quota: float = 0.5, weights: str = "influence") -> Coalitions:
    """All minimal winning coalitions; one wins with more than `quota` of the whole weight.

    A coalition's policy is the mean position of its members. It is stable (in the core of the game
    of policy distance, de Swaan 1973, restricted to minimal winning coalitions) if in no other one
    every member stands nearer to that one's policy than to this one's.

    Raises QuestionError for a quota outside [0.5, 1), for more than 22 actors, or for more than
    10,000 minimal winning coalitions.
    """
    if not (math.isfinite(quota) and 0.5 <= quota < 1):
        raise QuestionError(f"quota {quota:g}: from 0.5 up to 1, so that not both of two sides win")
    n = len(table.actors)
    if n > MAX_ACTORS:
        raise QuestionError(
            f"{n} actors have 2^{n} coalitions; this question is answered for up to {MAX_ACTORS}"
        )
    w = weight_of(table, weights)
    w = w / w.sum()
    total = _subset_sums(w)
    wins = total > quota + _TIE
    needed, swings = np.ones(len(total), dtype=bool), np.empty(n)
    shapley, sizes = np.empty(n), _subset_sums(np.ones(n)).astype(int)
    factor = np.array(
        [math.factorial(s) * math.factorial(n - 1 - s) for s in range(n)], dtype=float
    )
    factor /= math.factorial(n)
    index = np.arange(len(total))
    for i in range(n):
        inside = (index >> i) & 1 == 1
        without = np.zeros(len(total), dtype=bool)
        without[inside] = wins[index[inside] ^ (1 << i)]
        swing = inside & wins & ~without
        swings[i] = swing.sum()
        shapley[i] = factor[sizes[swing] - 1].sum()
        needed &= ~inside | ~without
    minimal = np.flatnonzero(wins & needed)
    if len(minimal) > MAX_LISTED:
        raise QuestionError(
            f"{len(minimal):,} minimal winning coalitions are more than the {MAX_LISTED:,} that "
            "can be compared; merge actors that always stand together"
        )
    member = (minimal[:, None] >> np.arange(n)) & 1 == 1
    policy = (member * w) @ table.position / (member @ w)[:, None]
    reach = _ranges(table, member)
    stable = _stable(table, member, policy)
    between = _connected(table, member)
    found = [
        Coalition(
            tuple(a for a, m in zip(table.actors, row, strict=True) if m),
            float(row @ w),
            float(reach[c]),
            tuple(map(float, policy[c])),
            bool(between[c]),
            bool(stable[c]),
        )
        for c, row in enumerate(member)
    ]
    found.sort(key=lambda c: (round(c.range, 9), c.weight, c.members))
    return Coalitions(
        quota=quota,
        weights=weights,
        actors=table.actors,
        minimal=tuple(found),
        smallest=_least(found, [c.weight for c in found]),
        fewest=_least(found, [float(len(c.members)) for c in found]),
        closest=_least(found, [c.range for c in found]),
        banzhaf=swings / 2 ** (n - 1),
        shapley=shapley,
        vetoes=tuple(a for i, a in enumerate(table.actors) if member[:, i].all()),
        dummies=tuple(a for i, a in enumerate(table.actors) if not member[:, i].any()),
    )


def sides(table: Table, i: str, j: str, voting: str = "proportional") -> dict[str, tuple[str, ...]]:
    """Who would stand with i, with j, and with neither in a contest between their positions.

    Keys: `for`, `against`, `neither`; in each the strongest supporters come first.
    """
    from servanda.tables.spatial.voting import response

    for name in (i, j):
        if name not in table.actors:
            raise unknown("actor", name, table.actors)
    at = [table.actors.index(name) for name in (i, j)]
    d = distance(table.scaled, table.scaled[at], table.salience)
    vote = table.influence.sum(1) * response(voting, d[:, 1] - d[:, 0])
    order = np.argsort(-np.abs(vote), kind="stable")
    return {
        "for": tuple(table.actors[k] for k in order if vote[k] > 0),
        "against": tuple(table.actors[k] for k in order if vote[k] < 0),
        "neither": tuple(table.actors[k] for k in order if vote[k] == 0),
    }


def weight_of(table: Table, weights: str) -> Float[np.ndarray, " actor"]:
    """Every actor's weight: capability times total salience, or capability."""
    if weights not in WEIGHTS:
        raise unknown("weights", weights, WEIGHTS)
    result: np.ndarray = table.influence.sum(1) if weights == "influence" else table.capability
    return result


def _subset_sums(w: Float[np.ndarray, " actor"]) -> Float[np.ndarray, " coalition"]:
    """The weight of every coalition; bit i of its number says whether i is in it."""
    sums = np.zeros(1)
    for weight in w:
        sums = np.concatenate([sums, sums + weight])
    return sums


def _ranges(
    table: Table, member: Bool[np.ndarray, "coalition actor"]
) -> Float[np.ndarray, " coalition"]:
    """The largest distance between two members: all dimensions alike, as shares of the scale."""
    x = table.scaled
    apart = np.sqrt(((x[:, None] - x) ** 2).mean(-1))
    reach = np.zeros(len(member))
    for i in range(len(x)):
        for j in range(i):
            both = member[:, i] & member[:, j]
            reach[both] = np.maximum(reach[both], apart[i, j])
    return reach


def _connected(
    table: Table, member: Bool[np.ndarray, "coalition actor"]
) -> Bool[np.ndarray, " coalition"]:
    """In one dimension: no outsider strictly between two members (Axelrod 1970); else never."""
    if table.position.shape[1] != 1:
        return np.zeros(len(member), dtype=bool)
    x = table.position[:, 0]
    low = np.where(member, x, np.inf).min(1)[:, None]
    high = np.where(member, x, -np.inf).max(1)[:, None]
    result: np.ndarray = ~((x > low) & (x < high) & ~member).any(1)
    return result


def _stable(
    table: Table,
    member: Bool[np.ndarray, "coalition actor"],
    policy: Float[np.ndarray, "coalition dimension"],
) -> Bool[np.ndarray, " coalition"]:
    scaled = (policy - table.low) / (table.high - table.low)
    d = distance(table.scaled, scaled, table.salience).T  # coalition, actor
    stable = np.ones(len(member), dtype=bool)
    for c in range(len(member)):
        blocks = ((d < d[c] - _TIE) | ~member).all(1)
        stable[c] = not blocks.any()
    return stable


def _least(found: list[Coalition], values: list[float]) -> tuple[Coalition, ...]:
    if not found:
        return ()
    best = min(values)
    return tuple(c for c, v in zip(found, values, strict=True) if v <= best + 1e-9)
