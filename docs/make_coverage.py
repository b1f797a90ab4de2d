"""Write the tables of docs/convergence.md: do the errors that answers state cover?

    .venv/bin/python docs/make_coverage.py RESULTS.jsonl [WORLDS]

For every deal the headlines are made as `assess` makes them by default, and again with WORLDS other
worlds (256), each on two randomly shifted grids of four times the points. One line a deal is
appended to the results file, so that a run that was stopped goes on where it was; then the tables
are printed as Markdown. A deal takes minutes.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import servanda as sv
from servanda.game.errors import EIGHT_IN_TEN
from servanda.game.grid import REPLICATE
from servanda.game.plan import WORLDS, Plan
from servanda.questions.headlines import OverWorlds, solve_over
from servanda.questions.outcomes import Solver, Wanted
from servanda.scenario.model import Scenario
from servanda.scenario.worlds import Worlds, draw, modal

ROOT = Path(__file__).parent.parent
SCENARIOS = ROOT / "scenarios"
SMALL = ROOT / "tests" / "coverage"

DEALS = (
    ("ukraine-2025", "kremlin_counter"),
    ("ukraine-2025", "ceasefire_30"),
    ("ukraine-2025", "land_for_peace"),
    ("ukraine-2025", "european_guarantees"),
    ("korea-1953", "armistice_with_treaty"),
    ("korea-1953", "armistice_without_treaty"),
    ("minsk-2015", "minsk_2"),
    ("doha-2020", "doha_accord"),
)
OTHER_SEED = 7001
"""Of the reference's worlds."""

Row = dict[str, Any]


def answered(scenario: Scenario, deal: str) -> OverWorlds:
    """The headlines as `assess` has them."""
    sample = draw(scenario, WORLDS, 0)
    plan = Plan.of(scenario, sample)
    offers = (scenario.proposals[deal],)
    usual = Solver.of(scenario, offers, wanted=Wanted(), levels=plan.levels)
    more = plan.finer_levels
    finer = None
    if more is not None:
        finer = Solver.of(scenario, offers, wanted=Wanted(), levels=more, closely=True)
    return solve_over(
        usual,
        finer,
        plan,
        modal(scenario).values,
        lambda _: None,
        lambda _: lambda done, total: None,
    )


def reference(scenario: Scenario, deal: str, worlds: int) -> OverWorlds:
    """The same in other worlds, twice as many times over, on finer grids."""
    sample = draw(scenario, worlds, OTHER_SEED)
    levels = Plan.of(scenario, sample).finer_levels or Plan.of(scenario, sample).levels
    offers = (scenario.proposals[deal],)
    solver = Solver.of(
        scenario, offers, wanted=Wanted(), levels=levels, seed=OTHER_SEED, closely=True
    )
    rows = np.asarray(sample.values)
    lots = np.concatenate([np.arange(worlds), np.arange(worlds) + REPLICATE])
    found = solver.run(np.concatenate([rows, rows]), lots=lots)
    twice = Plan(
        sample=_doubled(sample),
        levels=levels,
        finer_levels=None,
        again_at=np.zeros(0, int),
        finer_at=np.zeros(0, int),
        aside_at=np.zeros(0, int),
        aside_finer_at=np.zeros(0, int),
    )
    return OverWorlds(twice, found, found, found, None)


def _doubled(sample: Worlds) -> Worlds:
    """Every world twice, with half its weight."""
    return Worlds(
        sample.names,
        np.concatenate([sample.values, sample.values]),
        {g: np.concatenate([h, h]) for g, h in sample.hypotheses.items()},
        np.concatenate([sample.weight, sample.weight]) / 2,
        sample.seed,
        np.concatenate([sample.share, sample.share]),
    )


def row(case: str, deal: str, worlds: int) -> Row:
    """The headlines of a deal and of its reference."""
    path = SCENARIOS / case if (SCENARIOS / case).exists() else SMALL / f"{case}.yaml"
    scenario = sv.load(path)
    began = time.monotonic()
    here = answered(scenario, deal).headlines(deal)
    there = reference(scenario, deal, worlds).headlines(deal)
    return {
        "key": [case, deal],
        "hash": scenario.hash,
        "worlds": worlds,
        "seconds": round(time.monotonic() - began),
        "figures": {
            name: [x.value, x.error, there[name].value, there[name].error]
            for name, x in here.items()
        },
    }


def kind(name: str) -> str:
    """Which column a headline is counted in."""
    first = name.split(".")[0]
    return {"worth": "worth", "better": "share", "signs": "signing"}.get(first, "keeping")


def covered(x: list[float]) -> bool:
    """Whether a stated 80 % interval covers the reference, whose own error is not counted."""
    value, error, other, _ = x
    return abs(value - other) <= EIGHT_IN_TEN * error + 1e-9 * max(abs(value), 1e-3)


def tables(rows: list[Row]) -> str:
    """Coverage by deal and kind of headline, as Markdown."""
    kinds = ("worth", "share", "signing", "keeping")
    lines = [
        "| deal | " + " | ".join(kinds) + " | all |",
        "|---|" + "---|" * (len(kinds) + 1),
    ]
    sums = dict.fromkeys((*kinds, "all"), (0, 0))
    for r in rows:
        found = {k: [covered(x) for n, x in r["figures"].items() if kind(n) == k] for k in kinds}
        found["all"] = [c for each in found.values() for c in each]
        cells = [f"{sum(found[k])}/{len(found[k])}" for k in (*kinds, "all")]
        lines.append(f"| {r['key'][0]} {r['key'][1]} | " + " | ".join(cells) + " |")
        sums = {k: (a + sum(found[k]), b + len(found[k])) for k, (a, b) in sums.items()}
    total = [f"{a}/{b}" for a, b in sums.values()]
    lines.append("| **together** | " + " | ".join(total) + " |")
    return "\n".join(lines)


def main(path: Path, worlds: int) -> None:
    """Add what is missing, then print."""
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    small = [(f.stem, "deal") for f in sorted(SMALL.glob("*.yaml"))]
    for case, deal in (*small, *DEALS):
        if any(r["key"] == [case, deal] for r in rows):
            continue
        rows.append(row(case, deal, worlds))
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        print(f"{case} {deal}: {rows[-1]['seconds']} s", file=sys.stderr)
    print(tables(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 256)
