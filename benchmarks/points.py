"""How fast is a table of points analysed, next to NegMAS and to plain NumPy?

Run: python -m benchmarks.points. Out: two tables of times and ratios from one run. The first: one
bilateral additive table of 10^6 deals, from utilities by issue to the frontier, Nash's deals and
Kalai-Smorodinsky's. The second: what cannot be listed. NegMAS is left out where it is missing.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as Grid

from servanda.tables.points import Box, Issue, Pair, Party, Table
from servanda.tables.points.acceptance import acceptance
from servanda.tables.points.bargaining import solve
from servanda.tables.points.enumeration import stream
from servanda.tables.points.frontier import front
from servanda.tables.points.units import to_units

CONSOLE = Console(width=120)
REPEATS = 3
Answer = tuple[np.ndarray, np.ndarray, np.ndarray]


def opposed(sizes: tuple[int, ...], seed: int, parties: int = 2, extra: int = 0) -> Table:
    """What one party gains the others mostly lose; `extra` boxes and a pair make it no sum."""
    rng = np.random.default_rng(seed)
    issues = tuple(Issue(f"i{k}", tuple(f"v{j}" for j in range(s))) for k, s in enumerate(sizes))
    base = [np.sort(rng.random(s)) for s in sizes]
    made = []
    for i in range(parties):
        worth = base if i == 0 else [rng.random() * (1.1 - b * rng.random(len(b))) for b in base]
        boxes = tuple(
            Box(tuple((k, rng.random(s) < 0.8) for k, s in enumerate(sizes)), float(rng.random()))
            for _ in range(extra)
        )
        pairs = (Pair(0, len(sizes) - 1, rng.random((sizes[0], sizes[-1]))),) if extra else ()
        reservation = sum(float(w.mean()) for w in worth)
        made.append(Party(f"p{i}", tuple(worth), 0.0, pairs, boxes, reservation))
    return Table(issues, tuple(made))


def in_order(points: Any) -> np.ndarray:
    """Points as rows, each once, in order."""
    rows = np.array([list(map(float, row)) for row in points])
    return rows[np.lexsort(rows.T)]


def same(one: Answer, other: Answer) -> bool:
    return all(
        a.shape == b.shape and np.allclose(a, b, rtol=0, atol=1e-9)
        for a, b in zip(one, other, strict=True)
    )


def by_servanda(table: Table, which: Callable[..., Any]) -> Answer:
    units = to_units(table)
    found = which(units)
    worth = units.real(found.points)
    d = table.reservation
    chosen = solve(worth, d, units.tolerance, ks="smallest-spread", ideal="all")
    able = (worth >= d).all(axis=1)
    return (
        in_order(worth[able]),
        in_order(worth[chosen["nash"].points]),
        in_order(worth[chosen["kalai-smorodinsky"].points]),
    )


def by_numpy(table: Table) -> Answer:
    """Every deal by broadcasting, the frontier by sorting, the solutions on it."""
    u = np.stack(
        [
            sum(
                w.reshape([-1 if k == j else 1 for j in range(len(table.sizes))])
                for k, w in enumerate(party.worth)
            ).ravel()
            for party in table.parties
        ],
        axis=1,
    )
    d, top = table.reservation, u.max(axis=0)
    u = u[(u >= d).all(axis=1)]
    u = u[np.lexsort((-u[:, 1], -u[:, 0]))]
    before = np.r_[-np.inf, np.maximum.accumulate(u[:, 1])[:-1]]
    u = u[u[:, 1] > before]
    product = np.prod(u - d, axis=1)
    share = (u - d) / (top - d)
    spread = share.max(axis=1) - share.min(axis=1)
    return (
        in_order(u),
        in_order(u[product >= product.max() - 1e-12]),
        in_order(u[spread <= spread.min() + 1e-12]),
    )


def by_negmas(table: Table) -> Callable[[], Answer] | None:
    try:
        from negmas import make_issue, make_os
        from negmas.preferences import LinearAdditiveUtilityFunction
        from negmas.preferences.ops import ks_points, nash_points, pareto_frontier
    except ImportError:
        return None
    space = make_os([make_issue(list(i.options), i.name) for i in table.issues])
    functions = [
        LinearAdditiveUtilityFunction(
            values=[
                dict(zip(i.options, map(float, w), strict=True))
                for i, w in zip(table.issues, party.worth, strict=True)
            ],
            outcome_space=space,
            reserved_value=party.reservation,
        )
        for party in table.parties
    ]

    def run() -> Answer:
        frontier, _ = pareto_frontier(functions, issues=space.issues)
        nash = nash_points(functions, frontier, outcome_space=space)
        ks = ks_points(functions, frontier, outcome_space=space)
        return in_order(frontier), in_order(u for u, _ in nash), in_order(u for u, _ in ks)

    return run


def timed(program: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, Any]:
    """Least seconds on the clock, and what came out."""
    least, out = math.inf, None
    for _ in range(repeats):
        started = time.perf_counter()
        out = program()
        least = min(least, time.perf_counter() - started)
    return least, out


def bilateral() -> None:
    """Everybody on the same 10^6 deals; the answers must be the same."""
    table = opposed((10,) * 6, 7)
    programs: dict[str, tuple[Callable[[], Answer], int]] = {}
    negmas = by_negmas(table)
    if negmas is not None:
        import negmas as package

        programs[f"NegMAS {package.__version__}"] = (negmas, 1)
    programs["plain NumPy"] = (lambda: by_numpy(table), REPEATS)
    programs["servanda, every deal looked at"] = (lambda: by_servanda(table, stream), REPEATS)
    programs["servanda, issue by issue"] = (lambda: by_servanda(table, front), REPEATS)
    results = {name: timed(program, repeats) for name, (program, repeats) in programs.items()}
    slowest = next(iter(results.values()))[0]
    numpy_time = results["plain NumPy"][0]
    expected = results["plain NumPy"][1]
    grid = Grid(title=f"{table.deals:,} deals, 2 parties, additive: frontier, Nash, KS")
    for head in ("program", "time", f"speed, {next(iter(results))} = 1", "NumPy = 1", "the same"):
        grid.add_column(head, justify="left" if head == "program" else "right")
    for name, (seconds, answer) in results.items():
        grid.add_row(
            name,
            f"{1e3 * seconds:.1f} ms",
            f"{slowest / seconds:,.1f}",
            f"{numpy_time / seconds:,.2f}",
            "yes" if same(answer, expected) else "NO",
        )
    CONSOLE.print(grid)
    CONSOLE.print(f"{len(expected[0])} acceptable points on the frontier.")


def beyond() -> None:
    """Tables that cannot be listed, and one that can only be looked through."""
    grid = Grid(title="Large tables")
    for head in ("table", "deals", "how", "time", "points", "peak memory"):
        grid.add_column(head, justify="left" if head in ("table", "how") else "right")
    cases: list[tuple[str, Table, Callable[[Any], Any]]] = [
        ("2 parties, interactions", opposed((10,) * 8, 1, extra=6), stream),
        ("2 parties, 20 issues of 4", opposed((4,) * 20, 2), front),
        ("2 parties, 12 issues of 10", opposed((10,) * 12, 3), front),
        ("2 parties, 60 issues of 2", opposed((2,) * 60, 4), front),
        ("3 parties, 20 issues of 4", opposed((4,) * 20, 5, 3), front),
        ("2 parties, 20 issues of 4", opposed((4,) * 20, 2), _count),
    ]
    for name, table, how in cases:
        seconds, found = timed(lambda table=table, how=how: how(to_units(table)), 1)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        points, method = (
            (f"{len(found.points):,}", found.method)
            if hasattr(found, "points")
            else (f"{int(found.zone()):,} acceptable", found.method)
        )
        grid.add_row(
            name, f"{table.deals:.1e}", method, f"{seconds:.2f} s", points, f"{peak:.0f} MB"
        )
    CONSOLE.print(grid)
    CONSOLE.print("Peak memory is of the whole process so far, NumPy and all before included.")


def _count(units: Any) -> Any:
    middle = units.real(units.base + sum(w.mean(axis=0).astype(int) for w in units.worth))
    return acceptance(units, middle, tuple(f"p{i}" for i in range(units.objectives)))


def main() -> None:
    beyond()
    bilateral()


if __name__ == "__main__":
    main()
