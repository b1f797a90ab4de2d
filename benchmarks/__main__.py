"""How fast is servanda next to the same recursion by hand, and what does a second core add?

Run: python -m benchmarks (or `make bench`). Out: one table of times and ratios, all from this run
on this machine. Only the ratios mean anything elsewhere; docs/performance.md discusses them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from benchmarks.recursion_numpy import by_c, by_numpy, compile_c, make_tables
from benchmarks.recursion_servanda import by_servanda
from rich.console import Console
from rich.table import Table

from servanda.game import kernel
from servanda.game.backward import DEFAULT_SCHEME
from servanda.game.batch import run
from servanda.game.interpolate import SCHEMES
from servanda.game.solve import prepare
from servanda.scenario.load import load
from servanda.scenario.worlds import draw

WORLDS = 8
REPEATS = 3
LEVELS = (4, 4, 4, 4, 3)
CASE = Path(__file__).parent.parent / "scenarios" / "ukraine-2025"


class Spent(NamedTuple):
    """Seconds of one run: on the clock, and of the processor by all threads together."""

    wall: float
    processor: float


def best(programs: dict[str, Callable[[], object]], repeats: int) -> dict[str, Spent]:
    """The least that each program took; they take turns, so that a neighbour's load on the machine
    meets all of them."""
    spent: dict[str, list[Spent]] = {name: [] for name in programs}
    for _ in range(repeats):
        for name, program in programs.items():
            wall, processor = time.perf_counter(), time.process_time()
            program()
            now = Spent(time.perf_counter() - wall, time.process_time() - processor)
            spent[name].append(now)
    return {
        name: Spent(min(x.wall for x in runs), min(x.processor for x in runs))
        for name, runs in spent.items()
    }


def recursions() -> None:
    """The recursion of recursion.c by every program."""
    tables = make_tables()
    library = compile_c()
    programs: dict[str, Callable[[], object]] = {"C by hand": lambda: by_c(tables, library)}
    servanda = {scheme: by_servanda(tables, scheme) for scheme in SCHEMES}
    programs |= {f"servanda, {scheme}": f for scheme, f in servanda.items()}
    exact = by_c(tables, library)
    off = {scheme: float(np.abs(f() - exact).max()) for scheme, f in servanda.items()}
    times = best(programs, 20) | best({"NumPy": lambda: by_numpy(tables)}, 2)
    visits = tables.periods * tables.flow.shape[0] * tables.flow.shape[1] * tables.flow.shape[3]
    out = Table(title="One backward induction on one core (4 stocks x 7 levels, 40 periods)")
    for heading in (
        "program",
        "processor",
        "per move and node",
        "speed, C = 1",
        "largest difference",
    ):
        out.add_column(heading, justify="left" if heading == "program" else "right")
    for name, (_, seconds) in times.items():  # processor time: one thread, whatever else runs
        scheme = name.removeprefix("servanda, ")
        out.add_row(
            name,
            f"{1e3 * seconds:.1f} ms",
            f"{1e9 * seconds / visits:.1f} ns",
            f"{times['C by hand'].processor / seconds:.2f}",
            f"{off[scheme]:.1e}" if scheme in off else "",
        )
    CONSOLE.print(out)
    CONSOLE.print("Differences of schemes other than multilinear are differences of method.")


def worlds() -> None:
    """Worlds of a real case on one thread and on two."""
    scenario = load(CASE)
    proposal = next(iter(scenario.proposals))
    program, first = prepare(scenario, proposal, None, (), LEVELS, DEFAULT_SCHEME, False)
    many = draw(scenario, WORLDS + 1, seed=1)
    run(program, first)  # compiles

    def take(threads: int) -> Callable[[], object]:
        def timed() -> object:
            with ThreadPoolExecutor(threads) as pool:
                return run(program, many, pool=pool)

        return timed

    # the first world of a run is always alone; what is timed is the others
    one = {"first": lambda: run(program, first)}
    times = best({"1": take(1), "2": take(2)} | one, REPEATS)
    less = times.pop("first")
    out = Table(title=f"{WORLDS} worlds of {CASE.name}, levels {LEVELS}, {DEFAULT_SCHEME}")
    for heading in ("threads", "clock", "processor", "worlds a second", "speed, one thread = 1"):
        out.add_column(heading, justify="right")
    alone = times["1"].wall - less.wall
    for name, total in times.items():
        wall, processor = total.wall - less.wall, total.processor - less.processor
        out.add_row(
            name,
            f"{wall:.2f} s",
            f"{processor:.2f} s",
            f"{WORLDS / wall:.2f}",
            f"{alone / wall:.2f}",
        )
    CONSOLE.print(f"load on {os.cpu_count()} cores before: {os.getloadavg()[0]:.1f}")
    CONSOLE.print(out)


CONSOLE = Console(width=100)

if __name__ == "__main__":
    CONSOLE.print(f"sweep kernel: {kernel.status(4, 'sweep')}")
    recursions()
    worlds()
