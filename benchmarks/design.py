"""What does it cost to search thousands of deals?

Run: python -m benchmarks.design [ukraine]. Out: deals, solves, time a deal and memory. Without a
word: all 2,700 combinations of terms of dike.yaml, screened at the modal world, then successive
rejects over 64 worlds. With it: the 1,152 combinations of ukraine-2025 under each of two lives of
agreement, over 16 worlds, which takes hours.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from servanda.questions.design import design
from servanda.scenario.load import load

HERE = Path(__file__).parent
DIKE = ("dike.yaml", ("truce",), 64, 15)
UKRAINE = ("../scenarios/ukraine-2025", ("land_with_guarantees", "ceasefire_30"), 16, 5)


def main(what: tuple[str, tuple[str, ...], int, int] = DIKE) -> None:
    """Print the table."""
    case, lives, worlds, steps = what
    scenario = load(HERE / case)
    out = Table(title=f"Designing {scenario.title}, up to {worlds} worlds")
    headings = ("life", "deals", "went on", "pass", "solves", "clock", "a deal", "risk", "memory")
    for heading in headings:
        out.add_column(heading, justify="left" if heading == "life" else "right")
    for life in lives:
        found = design(scenario, life, worlds=worlds, steps=steps)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        out.add_row(
            life,
            str(len(found.deals)),
            str(int(found.screened.sum())),
            str(int(found.acceptable.sum())),
            str(found.solves),
            f"{found.seconds:.0f} s",
            f"{1e3 * found.seconds / len(found.deals):.0f} ms",
            f"{100 * found.risk:.0f} %",
            f"{memory:.1f} GB",
        )
    Console(width=100).print(out)


if __name__ == "__main__":
    main(UKRAINE if sys.argv[1:] == ["ukraine"] else DIKE)
