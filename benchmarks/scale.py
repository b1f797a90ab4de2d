"""What do many worlds cost: in time, in memory, and in derivatives?

Run: python -m benchmarks.scale (part of `make bench`). Out: worlds per second of a real case on one
worker and on two through the engine of large tables, peak memory as worlds become more, and the
cost of all derivatives by reverse mode against solving again for each assumption.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from servanda.game.batch import bounds, here, run
from servanda.game.period import DEFAULT_SCHEME
from servanda.game.solve import prepare
from servanda.questions.table import table
from servanda.scenario.load import load

CASE = Path(__file__).parent.parent / "scenarios" / "ukraine-2025"
DEAL = "kremlin_counter"
WORLDS = 64
MEMORY = (32, 64, 128)
ASSUMPTIONS = (10, 35, 70)
REPEATS = 2

CONSOLE = Console(width=100)


def workers() -> None:
    """Worlds per second through the engine, on one worker and on two, in turns."""
    scenario = load(CASE)

    def once(count: int, worlds: int) -> float:
        start = time.perf_counter()
        table(scenario, [DEAL], worlds=worlds, workers=count)
        return time.perf_counter() - start

    once(1, 1)  # compiles
    walls: dict[int, float] = {1: np.inf, 2: np.inf}
    for _ in range(REPEATS):
        for count in walls:
            walls[count] = min(walls[count], once(count, WORLDS))
    out = Table(title=f"{WORLDS} worlds of {CASE.name}, {DEAL}, through the engine")
    for heading in ("workers", "clock", "worlds per second", "efficiency"):
        out.add_column(heading, justify="right")
    for count, wall in walls.items():
        out.add_row(
            str(count),
            f"{wall:.1f} s",
            f"{WORLDS / wall:.2f}",
            f"{walls[1] / (count * wall):.2f}",
        )
    CONSOLE.print(out)


def memory() -> None:
    """Peak memory of a process that computes more and more worlds."""
    out = Table(title=f"Peak memory, {CASE.name}, {DEAL}, two workers")
    for heading in ("worlds", "peak memory"):
        out.add_column(heading, justify="right")
    for worlds in MEMORY:
        code = (
            "import resource, tempfile, sys\n"
            "from servanda.questions.table import table\n"
            "from servanda.scenario.load import load\n"
            f"table(load({str(CASE)!r}), [{DEAL!r}], worlds={worlds}, "
            "folder=tempfile.mkdtemp() + '/t')\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        out.add_row(str(worlds), f"{int(done.stdout) / 1e6:.2f} GB")
    CONSOLE.print(out)


def derivatives() -> None:
    """All derivatives of one worth: by reverse mode, and by solving again for each assumption."""
    scenario = load(CASE)
    program, world = prepare(scenario, DEAL, None, (), None, DEFAULT_SCHEME, False)
    box, uniforms = bounds(program, world), np.zeros((0, 4, 0))
    root, theta = program.game.roots[0], np.asarray(world.values[0])

    def worth(theta: jax.Array) -> jax.Array:
        value = program.world(theta, jnp.asarray(box[0]), jnp.asarray(uniforms))["value"]
        return value[root["signed"], 0] - value[root["no_deal"], 0]

    reverse = jax.jit(jax.grad(worth))
    jax.block_until_ready(reverse(theta))
    run(program, world)  # compiles
    start = time.process_time()
    jax.block_until_ready(reverse(theta))
    by_reverse = time.process_time() - start
    out = Table(title=f"Derivatives of one worth: {CASE.name}, {DEAL}")
    for heading in ("assumptions", "reverse mode", "one at a time", "ratio"):
        out.add_column(heading, justify="right")
    rows = np.repeat(theta[None], max(ASSUMPTIONS) + 1, axis=0)
    rows[np.arange(1, len(rows)), np.arange(len(rows) - 1)] += 1e-4
    for count in ASSUMPTIONS:
        start = time.process_time()
        run(program, rows[: count + 1], pool=here(), boxes=box.repeat(count + 1, 0))
        again = time.process_time() - start
        ratio = f"{again / by_reverse:.1f}"
        out.add_row(str(count), f"{by_reverse:.2f} s", f"{again:.2f} s", ratio)
    CONSOLE.print(out)


def main() -> None:
    """All three."""
    workers()
    memory()
    derivatives()


if __name__ == "__main__":
    main()
