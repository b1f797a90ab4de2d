"""What does it cost to search all terms of a real case?

Run: python -m benchmarks.design [DEALS]. Out: deals, solves, time a deal and memory, for two lives
of agreement in ukraine-2025 with every combination of its eight terms, or, if DEALS is less than
those 1,152, a sample and a search of that many. The whole takes an hour of the processor or more.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from servanda.questions.design import design
from servanda.scenario.load import load

CASE = Path(__file__).parent.parent / "scenarios" / "ukraine-2025"
LIVES = ("land_with_guarantees", "ceasefire_30")
WORLDS = 16


def main(limit: int = 1152) -> None:
    """Print the table."""
    scenario = load(CASE)
    out = Table(title=f"Designing {CASE.name}, {WORLDS} worlds")
    for heading in ("life", "deals", "pass", "solves", "clock", "a deal", "memory"):
        out.add_column(heading, justify="left" if heading == "life" else "right")
    for life in LIVES:
        found = design(scenario, life, worlds=WORLDS, limit=limit)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        out.add_row(
            life,
            str(len(found.deals)),
            str(int(found.acceptable.sum())),
            str(found.solves),
            f"{found.seconds:.0f} s",
            f"{found.seconds / len(found.deals):.2f} s",
            f"{memory:.1f} GB",
        )
    Console(width=100).print(out)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
