"""Write the convergence tables of docs/convergence.md.

    python docs/make_convergence.py [RESULTS.jsonl]

Solves one deal of every shipped case at the modal world on finer and finer grids and appends one
line per grid to the results file, so that a run that was stopped goes on where it was; then prints
the tables as Markdown. The finest grid takes minutes a case.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import servanda as sv

CASES = {
    "ukraine-2025": ("kremlin_counter", "land_for_peace", "european_guarantees"),
    "doha-2020": ("doha_accord",),
    "korea-1953": ("armistice_with_treaty",),
    "minsk-2015": ("minsk_2",),
}
LEVELS = (3, 4, 5, 6, 7, 8)
DATES = (4, 8, 16, 40)
SCHEMES = ("limited",)


def solve_once(case: str, deal: str, scheme: str, n: int) -> dict[str, object]:
    scenario = sv.load(f"scenarios/{case}")
    began = time.perf_counter()
    run = sv.simulate(scenario, deal, levels=(n,) * len(scenario.stocks), scheme=scheme, paths=512)
    worth = run.solution.worth
    return {
        "case": case, "deal": deal, "scheme": scheme, "levels": n,
        "seconds": round(time.perf_counter() - began, 1),
        "worth": {str(p): float(worth.sel(party=p)[0]) for p in worth.party.values},
        "signs": float(run.solution.joint[0]),
        "survival": {t: float(run.survival[0, t]) for t in DATES},
        "settled": run.solution.settled,
    }  # fmt: skip


def table(rows: list[dict[str, object]]) -> str:
    parties = list(rows[0]["worth"])  # type: ignore[call-overload]
    head = ["levels", *(f"worth to {p}" for p in parties), "all sign",
            *(f"in force at {t}" for t in DATES), "seconds"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for r in rows:
        cells = [str(r["levels"])]
        cells += [f"{x:.2f}" for x in r["worth"].values()]  # type: ignore[attr-defined]
        cells += [f"{r['signs']:.3f}"]
        cells += [f"{x:.3f}" for x in r["survival"].values()]  # type: ignore[attr-defined]
        lines.append("| " + " | ".join([*cells, f"{r['seconds']}"]) + " |")
    return "\n".join(lines)


def main() -> None:
    store = Path(sys.argv[1] if len(sys.argv) > 1 else "convergence.jsonl")
    found = [json.loads(x) for x in store.read_text().splitlines()] if store.exists() else []
    done = {(r["case"], r["deal"], r["scheme"], r["levels"]) for r in found}
    for n in LEVELS:
        for case, deals in CASES.items():
            for deal in deals:
                for scheme in SCHEMES:
                    if (case, deal, scheme, n) in done:
                        continue
                    row = solve_once(case, deal, scheme, n)
                    found.append(row)
                    with store.open("a") as out:
                        out.write(json.dumps(row) + "\n")
                    print(case, deal, n, row["seconds"], file=sys.stderr, flush=True)
    for case, deals in CASES.items():
        for deal in deals:
            rows = [r for r in found if (r["case"], r["deal"]) == (case, deal)]
            print(f"### {case}, {deal}\n\n{table(sorted(rows, key=lambda r: r['levels']))}\n")


if __name__ == "__main__":
    main()
