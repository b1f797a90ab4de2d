"""Write the convergence tables of docs/convergence.md.

    python docs/make_convergence.py [RESULTS.jsonl]

Solves deals of the shipped cases at the modal world on finer and finer grids and appends one line
per grid to the results file, so that a run that was stopped goes on where it was; then prints the
tables as Markdown. The finest grid takes minutes a deal.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import servanda as sv
from servanda.game.batch import run, stakes
from servanda.game.grid import FINE_NODES, FINER, make_grid
from servanda.game.levels import choose_levels
from servanda.game.method import closer
from servanda.game.period import DEFAULT_SCHEME
from servanda.game.solve import prepare, read_solution
from servanda.questions.grid_error import DATES, grid_error
from servanda.scenario.model import Scenario

CASES = {
    "ukraine-2025": ("kremlin_counter", "land_for_peace", "european_guarantees"),
    "doha-2020": ("doha_accord",),
    "korea-1953": ("armistice_with_treaty",),
    "minsk-2015": ("minsk_2",),
}
CHECKS = {
    "ukraine-2025": ("energy_moratorium", "ceasefire_30", "land_with_guarantees"),
    "doha-2020": ("residual_force",),
    "korea-1953": ("armistice_without_treaty",),
    "minsk-2015": ("minsk_verified",),
}
"""Deals that had no say in how errors are estimated: default grid against `--fine`."""
FAR = (
    ("ukraine-2025", "kremlin_counter"),
    ("ukraine-2025", "land_for_peace"),
    ("doha-2020", "doha_accord"),
    ("korea-1953", "armistice_with_treaty"),
    ("minsk-2015", "minsk_2"),
)
"""Deals for which values past the horizon are compared with those of many plain sweeps."""
PLAIN = 1000
SIZES = (60, 100, 150, 200, 350, 700, 1400)
"""Grid points for which worths in some worlds are compared with those on the fine grid."""
BESIDE = FINE_NODES // FINER
"""Grid points that the error of `--fine` is estimated with; values at the start are read off paths
from here on."""
NODES = (150, 600, BESIDE, FINE_NODES, 20000)
BETWEEN = {
    ("ukraine-2025", "land_for_peace"): (9000, 13000),
    ("korea-1953", "armistice_with_treaty"): (9000, 13000),
}
"""More grids for deals whose worths do not settle down: is the finest one any better?"""


def solve_once(case: str, deal: str, n: int) -> dict[str, object]:
    """Headlines on a grid of about n points, with levels as the program chooses them."""
    scenario = sv.load(f"scenarios/{case}")
    levels = choose_levels(scenario, n)
    began = time.perf_counter()
    here = headlines(scenario, deal, levels, fine=n >= BESIDE)
    seconds = time.perf_counter() - began
    return {"case": case, "deal": deal, "n": n, "levels": levels,
            "seconds": round(seconds, 1), "found": here}  # fmt: skip


def estimate(rows: list[dict[str, Any]]) -> None:
    """Add its estimated errors to the default grid, from a finer one, and to `--fine`, from a
    coarser one, as `assess` does."""
    scenario = sv.load(f"scenarios/{rows[0]['case']}")
    scale = dict(zip(scenario.parties, stakes(scenario), strict=True))
    by_size = {r["n"]: r for r in rows}
    for r in rows:
        r["error"] = {}
    for n, other in ((NODES[0], NODES[1]), (FINE_NODES, BESIDE)):
        if n in by_size and other in by_size:
            here = by_size[n]
            here["error"] = grid_error(here["found"], by_size[other]["found"], scale)


def headlines(
    scenario: Scenario, deal: str, levels: tuple[int, ...], fine: bool
) -> dict[str, float]:
    course = sv.simulate(scenario, deal, levels=levels, paths=256, fine=fine)
    worth = course.solution.worth
    found = {f"worth.{p}": float(worth.sel(party=p)[0]) for p in worth.party.values}
    found["signs.all"] = float(course.solution.joint[0])
    return found | {f"survival.{t}": float(course.survival[0, t]) for t in DATES}


def table(rows: list[dict[str, Any]]) -> str:
    names = list(rows[0]["found"])
    lines = [
        "| levels | " + " | ".join([*names, "seconds"]) + " |",
        "|" + "---|" * (len(names) + 2),
    ]
    for r in rows:
        cells = [" × ".join(str(n) for n in r["levels"])]
        for name in names:
            digits = 2 if name.startswith("worth") else 3
            error = f" ± {r['error'][name]:.{digits}f}" if name in r["error"] else ""
            cells.append(f"{r['found'][name]:.{digits}f}{error}")
        lines.append("| " + " | ".join([*cells, f"{r['seconds']}"]) + " |")
    return "\n".join(lines)


def coverage(rows: list[dict[str, Any]]) -> tuple[int, int]:
    """How many estimated errors cover the distance to the finest grid, of how many."""
    best = max(rows, key=lambda r: r["n"])
    covered = total = 0
    for r in rows:
        if r is best:
            continue
        for name, error in r["error"].items():
            total += 1
            covered += abs(r["found"][name] - best["found"][name]) <= error + 0.005
    return covered, total


def main() -> None:
    store = Path(sys.argv[1] if len(sys.argv) > 1 else "convergence.jsonl")
    found = [json.loads(x) for x in store.read_text().splitlines()] if store.exists() else []
    done = {(r["case"], r["deal"], r["n"]) for r in found}
    wanted = [(case, deal, n) for n in NODES for case, deals in CASES.items() for deal in deals]
    wanted += [(*which, n) for which, sizes in BETWEEN.items() for n in sizes]
    wanted += [
        (case, deal, n)
        for case, deals in CHECKS.items()
        for deal in deals
        for n in NODES
        if n <= FINE_NODES
    ]
    for case, deal, n in wanted:
        if (case, deal, n) in done:
            continue
        try:
            row = solve_once(case, deal, n)
        except sv.QuestionError as refusal:  # too large for this machine
            print(case, deal, n, refusal, file=sys.stderr, flush=True)
            continue
        found.append(row)
        with store.open("a") as out:
            out.write(json.dumps(row) + "\n")
        print(case, deal, n, row["seconds"], file=sys.stderr, flush=True)
    for deals_of in (CASES, CHECKS):
        print_tables(found, deals_of)
    for case, deal in FAR:
        print(f"## How many points: {case}, {deal}\n\n{by_size(case, deal)}\n")
    for case, deal in FAR:
        print(f"## Past the horizon: {case}, {deal}\n\n{far_future(case, deal)}\n")


def by_size(case: str, deal: str) -> str:
    """How far worths in six worlds are from those on the fine grid: in the middle, by points."""
    scenario = sv.load(f"scenarios/{case}")
    worlds = sv.draw(scenario, 6)
    program, _ = prepare(scenario, deal, worlds, (), None, DEFAULT_SCHEME, False)
    usual = program.method
    worths = {}
    for n in (*SIZES, FINE_NODES):
        method = replace(usual, grid=make_grid(scenario, choose_levels(scenario, n)))
        method = closer(method) if n == FINE_NODES else method
        own = replace(program, method=method)
        worths[n] = read_solution(own, worlds, run(own, worlds)).worth
    best = worths[FINE_NODES]
    parties = [str(p) for p in best.party.values]
    lines = ["| points | " + " | ".join(parties) + " |", "|" + "---|" * (len(parties) + 1)]
    for n in SIZES:
        off = abs(worths[n] - best).median("world")
        cells = [f"{float(off.sel(party=p)):.2f}" for p in parties]
        lines.append("| " + " | ".join([str(n), *cells]) + " |")
    width = best.quantile(0.9, "world") - best.quantile(0.1, "world")
    cells = [f"{float(width.sel(party=p)):.2f}" for p in parties]
    lines.append("| 8 in 10 worlds are within | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def far_future(case: str, deal: str) -> str:
    """Worths in some worlds against many plain sweeps past the horizon, default grid."""
    scenario = sv.load(f"scenarios/{case}")
    worlds = sv.draw(scenario, 6)
    program, _ = prepare(scenario, deal, worlds, (), None, DEFAULT_SCHEME, False)
    usual = program.method
    methods = {
        "default": usual,
        "`--fine`": closer(usual),
        "170 plain sweeps": replace(usual, sweeps=0, most=0, finite=170),
        f"{PLAIN} plain sweeps": replace(usual, sweeps=0, most=0, finite=PLAIN),
        f"{PLAIN + 7} plain sweeps": replace(usual, sweeps=0, most=0, finite=PLAIN + 7),
    }
    found = {}
    for name, method in methods.items():
        out = run(replace(program, method=method), worlds)
        found[name] = read_solution(program, worlds, out).worth, out["tail"]
    best = found[f"{PLAIN} plain sweeps"][0]
    parties = [str(p) for p in best.party.values]
    head = ["how", "sweeps on average", "settled", *(f"{p}: middle, largest" for p in parties)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, (worth, tail) in found.items():
        off = abs(worth - best)
        method = methods[name]
        restless = (tail.left > method.restless).any(axis=1)
        made = method.sweeps + float((tail.sweeps + restless * method.finite).mean())
        settled = "" if "plain" in name else str(int((~restless).sum()))
        cells = [
            f"{float(off.sel(party=p).median()):.3f}, {float(off.sel(party=p).max()):.3f}"
            for p in parties
        ]
        lines.append("| " + " | ".join([name, f"{made:.0f}", settled, *cells]) + " |")
    spread = best.std("world")
    cells = [f"{float(spread.sel(party=p)):.2f}" for p in parties]
    lines.append("| standard deviation over the worlds | | | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def print_tables(found: list[dict[str, Any]], deals_of: dict[str, tuple[str, ...]]) -> None:
    """A table for every deal, and how many errors cover in all."""
    totals = [0, 0]
    for case, deals in deals_of.items():
        for deal in deals:
            rows = [r for r in found if (r["case"], r["deal"]) == (case, deal)]
            estimate(rows)
            order = sorted(rows, key=lambda r: r["n"])
            print(f"## {case}, {deal}\n\n{table(order)}\n")
            covered, total = coverage(rows)
            totals = [totals[0] + covered, totals[1] + total]
            print(
                f"Estimated errors that cover the distance to the last row: {covered} of {total}.\n"
            )
    print(f"In all: {totals[0]} of {totals[1]}.\n")


if __name__ == "__main__":
    main()
