"""How fast is servanda next to the same recursion by hand, what does a second core add,
and what do derivatives cost?

Run: python -m benchmarks (or `make bench`). Out: one table of times and ratios, all from this run
on this machine. Only the ratios mean anything elsewhere; docs/performance.md discusses them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks import design, graph, points, scale
from benchmarks.recursion_numpy import by_c, by_numpy, compile_c, make_tables
from benchmarks.recursion_servanda import by_servanda
from benchmarks.spatial import main as spatial
from rich.console import Console
from rich.table import Table

from servanda.game import kernel
from servanda.game.batch import bounds, compiled, run
from servanda.game.interpolate import SCHEMES
from servanda.game.period import DEFAULT_SCHEME
from servanda.game.solve import prepare
from servanda.scenario.load import load
from servanda.scenario.worlds import draw

WORLDS = 8
REPEATS = 3
INDUCTIONS = 24
LEVELS = (4, 4, 4, 4, 3)
DEAL = "kremlin_counter"
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
    off = {scheme: np.abs(f() - exact) for scheme, f in servanda.items()}
    times = best(programs, 20) | best({"NumPy": lambda: by_numpy(tables)}, 2)
    visits = tables.periods * tables.flow.shape[0] * tables.flow.shape[1] * tables.flow.shape[3]
    out = Table(title="One backward induction on one core (4 stocks x 7 levels, 40 periods)")
    for heading in (
        "program",
        "processor",
        "per move and node",
        "speed, C = 1",
        "differs, mean",
        "at most",
    ):
        out.add_column(heading, justify="left" if heading == "program" else "right")
    for name, (_, seconds) in times.items():  # processor time: one thread, whatever else runs
        scheme = name.removeprefix("servanda, ")
        out.add_row(
            name,
            f"{1e3 * seconds:.1f} ms",
            f"{1e9 * seconds / visits:.1f} ns",
            f"{times['C by hand'].processor / seconds:.2f}",
            f"{off[scheme].mean():.0e}" if scheme in off else "",
            f"{off[scheme].max():.0e}" if scheme in off else "",
        )
    CONSOLE.print(out)
    CONSOLE.print(
        f"Values lie between {exact.min():.0f} and {exact.max():.0f}. Other schemes than C's "
        "differ by method, most of all at cliffs."
    )


def worlds() -> None:
    """Worlds of a real case on one thread and on two, and the C program on as many: what it gains
    is what the machine has to give at that moment."""
    scenario = load(CASE)
    proposal = next(iter(scenario.proposals))
    program, first = prepare(scenario, proposal, None, (), LEVELS, DEFAULT_SCHEME, False)
    many = draw(scenario, WORLDS + 1, seed=1)
    run(program, first)  # compiles
    tables, library = make_tables(), compile_c()

    def take(threads: int) -> Callable[[], object]:
        def timed() -> object:
            with ThreadPoolExecutor(threads) as pool:
                return run(program, many, pool=pool)

        return timed

    def by_hand(threads: int) -> Callable[[], object]:
        def timed() -> object:
            with ThreadPoolExecutor(threads) as pool:
                return list(pool.map(lambda _: by_c(tables, library), range(INDUCTIONS)))

        return timed

    programs: dict[str, Callable[[], object]] = {"first": lambda: run(program, first)}
    for threads in (1, 2):
        programs |= {f"worlds {threads}": take(threads), f"C {threads}": by_hand(threads)}
    times = best(programs, REPEATS)
    out = Table(title=f"{WORLDS} worlds of {CASE.name}, levels {LEVELS}, {DEFAULT_SCHEME}")
    for heading in ("threads", "clock", "processor", "speed, one thread = 1", "the same of C"):
        out.add_column(heading, justify="right")
    # the first world of a run is always alone; what is timed is the others
    walls = [times[f"worlds {n}"].wall - times["first"].wall for n in (1, 2)]
    for n, wall in zip((1, 2), walls, strict=True):
        out.add_row(
            str(n),
            f"{wall:.2f} s",
            f"{times[f'worlds {n}'].processor - times['first'].processor:.2f} s",
            f"{walls[0] / wall:.2f}",
            f"{times['C 1'].wall / times[f'C {n}'].wall:.2f}",
        )
    CONSOLE.print(out)


def gradients() -> None:
    """What derivatives by every assumption cost next to one solve, compiled, at default levels."""
    scenario = load(CASE)
    program, world = prepare(scenario, DEAL, None, (), None, DEFAULT_SCHEME, False)
    box, uniforms = bounds(program, world)[0], np.zeros((0, 4, 0))
    root, theta = program.game.roots[0], np.asarray(world.values[0])
    solve = compiled(program, (theta, box, uniforms))

    def worths(theta: jax.Array, count: int) -> jax.Array:
        value = program.world(theta, jnp.asarray(box), jnp.asarray(uniforms))["value"]
        return (value[root["signed"]] - value[root["no_deal"]])[:count]

    def differentiate(count: int) -> Callable[[], object]:
        # as `gradient` does it, whose own function is compiled at every call
        def rows(theta: jax.Array) -> tuple[jax.Array, jax.Array]:
            value, back = jax.vjp(lambda x: worths(x, count), theta)
            return value, jax.lax.map(lambda seed: back(seed)[0], jnp.eye(count))

        function = jax.jit(rows)
        return lambda: jax.block_until_ready(function(theta))

    programs: dict[str, Callable[[], object]] = {
        "one solve": lambda: jax.block_until_ready(solve(theta, box, uniforms)),
        "one headline": differentiate(1),
        "four headlines": differentiate(4),
    }
    best(programs, 1)  # compiles
    times = best(programs, REPEATS)
    levels = program.method.grid.levels
    out = Table(title=f"Derivatives by {len(theta)} assumptions: {CASE.name}, {DEAL}, {levels}")
    for heading in ("what", "processor", "solves"):
        out.add_column(heading, justify="left" if heading == "what" else "right")
    for name, (_, seconds) in times.items():
        out.add_row(name, f"{seconds:.2f} s", f"{seconds / times['one solve'].processor:.1f}")
    CONSOLE.print(out)


CONSOLE = Console(width=100)

if __name__ == "__main__":
    CONSOLE.print(f"sweep kernel: {kernel.status(4, 'sweep')}")
    recursions()
    worlds()
    gradients()
    scale.main()
    design.main()
    points.main()
    spatial()
    graph.main()
