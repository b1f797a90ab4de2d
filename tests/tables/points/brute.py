"""Every deal of a small table by loops, and every concept from its definition: slow and plain."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np

from servanda.tables.points import Box, Budget, Issue, Pair, Party, Table


def random_table(
    seed: int,
    parties: int = 2,
    *,
    pairs: bool = False,
    boxes: bool = False,
    constraints: bool = False,
    most: int = 4,
    whole: bool = True,
) -> Table:
    """A small random table; whole numbers make many ties."""
    rng = np.random.default_rng(seed)
    sizes = [int(rng.integers(1, most + 1)) for _ in range(int(rng.integers(1, 6)))]
    issues = tuple(
        Issue(f"i{k}", tuple(f"{k}.{j}" for j in range(s)), levels=np.arange(s, dtype=float))
        for k, s in enumerate(sizes)
    )

    def draw(*shape: int) -> Any:
        return rng.integers(0, 7, shape).astype(float) if whole else rng.normal(size=shape)

    def where() -> Any:
        some = rng.choice(len(sizes), size=min(len(sizes), int(rng.integers(1, 4))), replace=False)
        return tuple((int(k), rng.random(sizes[k]) < 0.6) for k in some)

    made = []
    for i in range(parties):
        both = []
        if pairs and len(sizes) > 1:
            for _ in range(int(rng.integers(1, 4))):
                a, b = rng.choice(len(sizes), size=2, replace=False)
                both.append(Pair(int(a), int(b), draw(sizes[a], sizes[b])))
        some = tuple(Box(where(), float(draw(1)[0])) for _ in range(3)) if boxes else ()
        worth = tuple(draw(s) for s in sizes)
        reach = sum(float(w.mean()) for w in worth)
        reservation = [reach, reach * 0.6, -math.inf, 1e6, -1e6][
            int(rng.choice(5, p=[0.4, 0.4, 0.1, 0.05, 0.05]))
        ]
        made.append(
            Party(f"p{i}", worth, float(rng.integers(0, 3)), tuple(both), some, reservation)
        )
    forbidden: tuple[Any, ...] = ()
    budgets: tuple[Budget, ...] = ()
    if constraints:
        forbidden = tuple(where() for _ in range(2))
        costs = tuple((k, rng.integers(0, 5, s).astype(float)) for k, s in enumerate(sizes))
        budgets = (Budget(costs, float(rng.integers(0, 3)), float(rng.integers(4, 14))),)
    return Table(issues, tuple(made), forbidden, budgets)


def utility(party: Party, deal: tuple[int, ...]) -> Fraction:
    """The definition, in fractions."""
    total = Fraction(party.base)
    for k, option in enumerate(deal):
        total += Fraction(float(party.worth[k][option]))
    for pair in party.pairs:
        total += Fraction(float(pair.worth[deal[pair.first], deal[pair.second]]))
    for box in party.boxes:
        if all(allowed[deal[k]] for k, allowed in box.where):
            total += Fraction(box.worth)
    return total


def possible(table: Table, deal: tuple[int, ...]) -> bool:
    for where in table.forbidden:
        if all(allowed[deal[k]] for k, allowed in where):
            return False
    for budget in table.budgets:
        spent = sum(float(cost[deal[k]]) for k, cost in budget.costs)
        if not budget.low <= spent <= budget.high:
            return False
    return True


def deals(table: Table) -> dict[tuple[int, ...], tuple[Fraction, ...]]:
    """All deals that can be made, with what they are worth."""
    ranges = [range(len(issue.options)) for issue in table.issues]
    return {
        deal: tuple(utility(party, deal) for party in table.parties)
        for deal in itertools.product(*ranges)
        if possible(table, deal)
    }


def efficient(worth: dict[Any, tuple[Fraction, ...]]) -> set[Any]:
    """Deals that no other is at least as good as for all and better for one."""
    points = set(worth.values())
    front = {
        u
        for u in points
        if not any(v != u and all(b >= a for a, b in zip(u, v, strict=True)) for v in points)
    }
    return {deal for deal, u in worth.items() if u in front}


def subsets(n: int) -> Any:
    for size in range(n + 1):
        yield from itertools.combinations(range(n), size)
