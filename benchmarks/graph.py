"""How fast are the four basic concepts of the graph model, next to the published matrix formulas?

Run: python -m benchmarks.graph (or `make bench`). The peer holds a conflict of n states as n × n
matrices, as gmcr-py and the systems before it do; that package is not on the index and has no open
licence, so the formulas are written here from the paper: Xu, Hipel and Kilgour, "Matrix
representation of solution concepts in multiple-decision-maker graph models", IEEE Trans. SMC-A 39
(2009), for two decision makers. Both answer the same random conflicts and must agree.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from servanda.tables.graph import Conflict, option_form
from servanda.tables.graph.basic import BASIC, basic

SEED = 7
DENSE = (8, 10, 12)  # options for which the matrices are worked out
ALONE = ((10, 10), (7, 7, 6), (11, 11))  # options of each decision maker; in a process of its own
CONSOLE = Console(width=100)


def conflict_of(split: tuple[int, ...]) -> Conflict:
    """A random conflict: every state feasible, every move reversible, strict random rankings."""
    rng = np.random.default_rng(SEED)
    owners = {f"dm {i}": [f"o {i} {k}" for k in range(count)] for i, count in enumerate(split)}
    size = 1 << sum(split)
    return option_form(owners, {name: rng.permutation(size) for name in owners})


def by_matrices(conflict: Conflict) -> np.ndarray:
    """Stability of every state by the matrix formulas; bool [concept, decision maker, state]."""
    n = conflict.size
    everything = np.ones((n, n))
    moves, better = [], []
    for i, preference in enumerate(conflict.preferences):
        moved = np.zeros((n, n))
        moved[conflict.moves.arcs(i)] = 1
        moves.append(moved)
        better.append((preference.rank[None, :] > preference.rank[:, None]).astype(float))
    out = np.empty((4, 2, n), bool)
    for i, j in ((0, 1), (1, 0)):
        improving, answering = moves[i] * better[i], moves[j] * better[j]
        deters = (1 - better[i]).T
        out[0, i] = improving.sum(axis=1) == 0
        sanction = everything - np.sign(moves[j] @ deters)
        out[1, i] = np.diag(improving @ sanction) == 0
        no_way_out = deters * (everything - np.sign(moves[i] @ better[i].T))
        sanction = everything - np.sign(moves[j] @ no_way_out)
        out[2, i] = np.diag(improving @ sanction) == 0
        sanction = everything - np.sign(answering @ deters)
        out[3, i] = np.diag(improving @ sanction) == 0
    return out


def least(split: tuple[int, ...], repeats: int) -> float:
    """The least seconds of so many runs, each on a conflict whose moves are not prepared yet."""
    taken = []
    for _ in range(repeats):
        conflict = conflict_of(split)
        start = time.perf_counter()
        basic(conflict, BASIC)
        taken.append(time.perf_counter() - start)
    return min(taken)


def alone(split: tuple[int, ...]) -> tuple[float, float]:
    """Seconds and the most memory (GB) of one analysis in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.graph", json.dumps(split)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, memory = json.loads(done.stdout)
    return seconds, memory


def most_memory() -> float:
    """The most memory this process has held, in GB (Linux: a child's rusage shows its parent's)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(kilobytes) / 1e6


def main() -> None:
    """Print one table: states, seconds of both, their ratio, memory."""
    out = Table(title="Nash, GMR, SMR and SEQ of a random conflict")
    for heading in ("options", "states", "matrices", "servanda", "times faster", "memory"):
        out.add_column(heading, justify="right")
    for options in DENSE:
        split = (options // 2, options - options // 2)
        conflict = conflict_of(split)
        start = time.perf_counter()
        expected = by_matrices(conflict)
        dense = time.perf_counter() - start
        if not (basic(conflict, BASIC) == expected).all():
            raise AssertionError("the matrices and servanda differ")
        mine = least(split, 9)
        out.add_row(
            " + ".join(map(str, split)),
            f"{1 << options:,}",
            f"{dense:.3g} s",
            f"{1e3 * mine:.2f} ms",
            f"{dense / mine:,.0f}",
            "",
        )
    for split in ALONE:
        seconds, memory = alone(split)
        out.add_row(
            " + ".join(map(str, split)),
            f"{1 << sum(split):,}",
            "",
            f"{seconds:.2f} s",
            "",
            f"{memory:.2f} GB",
        )
    CONSOLE.print(out)
    CONSOLE.print("Memory is of the whole process, Python and NumPy included.")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        spent = least(tuple(json.loads(sys.argv[1])), 1)
        print(json.dumps([spent, most_memory()]))
    else:
        main()
