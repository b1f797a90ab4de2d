"""How much faster is the spatial lens than the same models in plain loops?

Run: python -m benchmarks.spatial (it is a part of `make bench`). Out: one table of times and
ratios, all from this run; both programs must give the same answer or the row says by how much not.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from benchmarks import spatial_loops as loops
from rich.console import Console
from rich.table import Table as Grid

from servanda.tables.spatial.bargaining import REPLICATIONS, Bargaining, play
from servanda.tables.spatial.challenge import Challenge, one_round
from servanda.tables.spatial.sensitivity import Election, expected_outcome, versions
from servanda.tables.spatial.table import Table

TURNS = 10
RUNS = 200
ROUNDS = 5


def best(program: Callable[[], np.ndarray], repeats: int) -> tuple[float, np.ndarray]:
    """The least time of some runs, in seconds, and the answer."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        answer = program()
        times.append(time.perf_counter() - begin)
    return min(times), answer


def random_table(actors: int, dimensions: int, seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    return Table.of(
        [f"a{i}" for i in range(actors)],
        rng.uniform(0, 100, (actors, dimensions)),
        rng.uniform(0.1, 0.95, (actors, dimensions)) / dimensions,
        rng.uniform(10, 150, actors),
        scale=[0, 100],
    )


def histories(actors: int, runs: int, options: Bargaining) -> tuple[Callable, Callable]:
    """Bargaining over `TURNS` turns: by loops, and by arrays."""
    t = random_table(actors, 2)
    cubic, markov = options.voting == "prop-cubic", options.election == "markov-incentive"
    chance = options.transition == "stochastic"
    draws = [np.random.default_rng((0, k)).random((runs, actors)) for k in range(TURNS)]

    def by_loops() -> np.ndarray:
        s, c = t.salience.tolist(), t.capability.tolist()
        ends = []
        for run in range(runs):
            x = t.scaled.tolist()
            for k in range(TURNS):
                x = loops.turn(x, s, c, cubic, markov, draws[k][run].tolist() if chance else None)
            ends.append(x)
        return np.array(ends)

    def by_arrays() -> np.ndarray:
        many = [np.broadcast_to(a, (runs, *a.shape)) for a in (t.scaled, t.salience, t.capability)]
        done = play(*many, options, draws=np.arange(runs), seed=0, turns=TURNS, quiet=-1.0)
        return np.asarray(done.positions[-1])

    return by_loops, by_arrays


def challenges(actors: int) -> tuple[Callable, Callable]:
    t = random_table(actors, 1)
    x, s = t.position[:, 0], t.salience[:, 0]
    reach = float(np.ptp(x))

    def by_loops() -> np.ndarray:
        at = x.tolist()
        for _ in range(ROUNDS):
            at = loops.challenge_round(at, s.tolist(), t.capability.tolist(), reach)
        return np.array(at)

    def by_arrays() -> np.ndarray:
        at = x
        for _ in range(ROUNDS):
            at = one_round(at, s, t.capability, np.asarray(reach), Challenge()).position
        return at

    return by_loops, by_arrays


def swings(actors: int) -> tuple[Callable, Callable]:
    """The expected outcome for every input moved down and up."""
    t = random_table(actors, 2)
    moved = versions(t, 0.1)
    options = t.scaled

    def by_loops() -> np.ndarray:
        return np.array([
            loops.expected_outcome(x.tolist(), s.tolist(), c.tolist(), options.tolist())
            for x, s, c in zip(moved.position, moved.salience, moved.capability, strict=True)
        ])  # fmt: skip

    return by_loops, lambda: expected_outcome(moved, options, Election())[1]


def main() -> None:
    """Print the table."""
    soe, example = REPLICATIONS["ktab-soe"], Bargaining()
    rows = {
        f"bargaining, 13 actors, {TURNS} turns, 1 run": histories(13, 1, soe),
        f"bargaining, 13 actors, {TURNS} turns, {RUNS} runs": histories(13, RUNS, example),
        f"bargaining, 40 actors, {TURNS} turns, 4 runs": histories(40, 4, example),
        f"challenges, 60 actors, {ROUNDS} rounds": challenges(60),
        "sensitivity of the election, 20 actors": swings(20),
    }
    grid = Grid(title="Spatial bargaining: plain loops against arrays, one core, this run")
    for heading in ("what", "loops", "arrays", "times faster", "answers differ, at most"):
        grid.add_column(heading, justify="left" if heading == "what" else "right")
    for what, (by_loops, by_arrays) in rows.items():
        by_arrays()  # warms caches
        fast, found = best(by_arrays, 3)
        slow, expected = best(by_loops, 1)
        off = float(np.abs(found - expected).max())
        grid.add_row(what, f"{slow:.3f} s", f"{fast:.4f} s", f"{slow / fast:.0f}", f"{off:.0e}")
    Console(width=110).print(grid)


if __name__ == "__main__":
    main()
