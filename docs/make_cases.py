"""Write the tables of docs/cases.md: what the model says of every shipped case.

    .venv/bin/python docs/make_cases.py [RESULTS.jsonl]

Solves every question once and appends one line per answer to the results file, so that a run that
was stopped goes on where it was; then prints the tables as Markdown. A line takes seconds to
minutes. Each deal is solved twice, on the default grid and on the next coarser one: the change is
the grid error. What happened afterwards is no result and is written by hand in docs/cases.md.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import servanda as sv
from servanda.game.grid import coarser
from servanda.questions.spread import BAND
from servanda.scenario.weighted import weighted_quantiles

Row = dict[str, Any]
Key = tuple[str, str, str, str]

HISTORY = (
    ("doha-2020", "doha_accord"),
    ("korea-1953", "armistice_with_treaty"),
    ("minsk-2015", "minsk_2"),
)
UKRAINE = (
    "energy_moratorium",
    "kremlin_counter",
    "ceasefire_30",
    "land_for_peace",
    "land_with_guarantees",
    "european_guarantees",
)
PATHS = 64
WORLDS = 16
MORE_GRIDS = {
    ("korea-1953", "armistice_with_treaty"): ((7, 7, 7, 2, 2), (6, 6, 6, 6, 6)),
    **{("ukraine-2025", deal): ((4, 5, 3, 6, 4), (5, 6, 4, 7, 5)) for deal in UKRAINE},
}


class Store:
    """Answers kept as lines of JSON, so that nothing is solved twice."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        rows = map(json.loads, lines)
        # answers of before false alarms were told from breaches are solved again
        kept = (row for row in rows if row["key"][0] == "moves" or "accused" in row)
        self.rows: dict[Key, Row] = {tuple(row["key"]): row for row in kept}

    def central(self, case: str, deal: str, levels: tuple[int, ...] | None = None) -> Row:
        """The deal in the central case; `levels=None` is the default grid."""
        key = ("central", case, deal, "" if levels is None else str(list(levels)))
        return self.rows.get(key) or self._add(key, lambda: central(case, deal, levels))

    def coarse(self, case: str, deal: str) -> Row:
        """The same on the next coarser grid."""
        return self.central(case, deal, coarser(tuple(self.central(case, deal)["levels"])))

    def worlds(self, case: str, deal: str) -> Row:
        """The deal in a sample of worlds."""
        key = ("worlds", case, deal, str(WORLDS))
        return self.rows.get(key) or self._add(key, lambda: over_worlds(case, deal))

    def moves(self, case: str, deal: str) -> Row:
        """What is played while the deal is in force."""
        key = ("moves", case, deal, "")
        return self.rows.get(key) or self._add(key, lambda: first_year(case, deal))

    def _add(self, key: Key, solve: Any) -> Row:
        began = time.perf_counter()
        row: Row = {"key": list(key), **solve()}
        row["seconds"] = round(time.perf_counter() - began, 1)
        with self.path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")
        print(*key, row["seconds"], file=sys.stderr, flush=True)
        self.rows[key] = row
        return row


def central(case: str, deal: str, levels: tuple[int, ...] | None) -> Row:
    """Worth, signing, survival, who truly breaks it and who is wrongly accused, central case."""
    scenario = sv.load(f"scenarios/{case}")
    run = sv.simulate(scenario, deal, levels=levels, paths=PATHS)
    solution, accused = run.solution, run.accused[0, -1]
    broken = run.broken[0, -1] - accused
    worth, signing = solution.worth, solution.signing
    return {
        "levels": list(solution.levels),
        "worth": {str(p): float(worth.sel(party=p)[0]) for p in worth.party.values},
        "signs": {str(p): float(signing.sel(signatory=p)[0]) for p in signing.signatory.values},
        "joint": float(solution.joint[0]),
        "survival": [float(x) for x in run.survival[0].values],
        "broken": {str(o): float(broken.sel(obligation=o)) for o in broken.obligation.values},
        "accused": {str(o): float(accused.sel(obligation=o)) for o in broken.obligation.values},
        "settled": solution.settled,
        "failures": solution.failures,
    }


def over_worlds(case: str, deal: str) -> Row:
    """The 10 and 90 per cent points over worlds, as `assess` has them with this many worlds."""
    scenario = sv.load(f"scenarios/{case}")
    drawn = sv.draw(scenario, WORLDS)
    run = sv.simulate(scenario, deal, worlds=drawn, paths=PATHS)
    weight = np.asarray(drawn.weight)

    def band(values: np.ndarray) -> list[float]:
        return list(map(float, weighted_quantiles(values, weight, BAND)))

    broken, accused = {}, {}
    for duty in run.broken.obligation.values:
        wrongly = run.accused.sel(obligation=duty).values
        accused[str(duty)] = band(wrongly[:, -1])
        paths = run.broken.sel(obligation=duty).values - wrongly
        mean = weight @ paths / weight.sum()
        half = float(np.interp(0.5 * mean[-1], mean, np.arange(len(mean))))
        broken[str(duty)] = [*band(paths[:, -1]), float(mean[-1]), half]
    return {
        "levels": list(run.solution.levels),
        "joint": band(run.solution.joint.values),
        "survival": [band(run.survival.values[:, t]) for t in run.survival.period.values],
        "broken": broken,
        "accused": accused,
    }


def first_year(case: str, deal: str) -> Row:
    """How often each option is played in the first month and the first year."""
    run = sv.simulate(sv.load(f"scenarios/{case}"), deal, paths=PATHS)
    played = run.moves[0]
    return {
        "first": {str(m): float(played.sel(move=m)[0]) for m in played.move.values},
        "year": {str(m): float(played.sel(move=m)[:12].mean()) for m in played.move.values},
    }


# -- tables ---------------------------------------------------------------------------------------


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(x: float) -> str:
    return f"{100 * x:.0f} %" if x == 0 or x >= 0.005 else "<1 %"


def points(x: float) -> str:
    """A grid error of a probability, in points."""
    return f"±{100 * x:.0f}" if x >= 0.005 else "±<1"


def probability(here: float, coarse: float) -> str:
    return f"{percent(here)} ({points(abs(here - coarse))})"


def worth(here: float, coarse: float) -> str:
    """Worth with its grid error; a question mark where that could turn the sign."""
    error = abs(here - coarse)
    doubt = "?" if error >= abs(here) else ""
    return f"{here:+.2f}{doubt} (±{error:.2f})"


def grid(levels: list[int]) -> str:
    return " × ".join(map(str, levels))


def history(store: Store) -> str:
    rows = []
    for case, deal in HISTORY:
        here, coarse = store.central(case, deal), store.coarse(case, deal)
        drawn = store.worlds(case, deal)

        def over(values: list[float]) -> str:
            return f"{percent(values[0])} to {percent(values[1])}"

        rows.append([f"{case}, `{deal}`", grid(here["levels"]),
                     probability(here["joint"], coarse["joint"]), over(drawn["joint"]),
                     *(cell for t in (12, 40)
                       for cell in (probability(here["survival"][t], coarse["survival"][t]),
                                    over(drawn["survival"][t])))])  # fmt: skip
    head = ["case and deal", "grid", "all sign", "8 in 10 worlds",
            "in force at 12", "8 in 10 worlds", "in force at 40", "8 in 10 worlds"]  # fmt: skip
    return table(head, rows)


def breakers(store: Store) -> str:
    rows = []
    for case, deal in HISTORY:
        scenario = sv.load(f"scenarios/{case}")
        here, coarse = store.central(case, deal), store.coarse(case, deal)
        over = store.worlds(case, deal)
        for duty, (low, high, mean, half) in over["broken"].items():
            o, wrongly = scenario.obligations[duty], over["accused"][duty]
            truly = max(high, here["broken"][duty], coarse["broken"][duty])
            if max(truly, here["accused"][duty], wrongly[1]) < 0.005:
                continue
            half_at = "–" if mean < 0.005 else f"month {half:.0f}"
            rows.append([case, scenario.parties[o.party].label or o.party, o.label or duty,
                         probability(here["broken"][duty], coarse["broken"][duty]),
                         f"{percent(low)} to {percent(high)}", half_at,
                         probability(here["accused"][duty], coarse["accused"][duty]),
                         f"{percent(wrongly[0])} to {percent(wrongly[1])}"])  # fmt: skip
    head = [
        "case",
        "party",
        "duty",
        "truly breaks it by the horizon",
        "8 in 10 worlds",
        "half of that by",
        "is wrongly accused",
        "8 in 10 worlds",
    ]
    return table(head, rows)


def moves(store: Store) -> str:
    rows = []
    for case, deal in HISTORY:
        found = store.moves(case, deal)
        for move, often in found["year"].items():
            if max(often, found["first"][move]) >= 0.005:
                rows.append([case, f"`{move}`", percent(found["first"][move]), percent(often)])
    return table(["case", "option", "first month", "mean of the first year"], rows)


def worths(store: Store, case: str, deal: str) -> str:
    scenario = sv.load(f"scenarios/{case}")
    here, coarse = store.central(case, deal), store.coarse(case, deal)
    rows = []
    for name, party in scenario.parties.items():
        signs = "not asked"
        if name in here["signs"]:
            signs = probability(here["signs"][name], coarse["signs"][name])
        rows.append([party.label or name, worth(here["worth"][name], coarse["worth"][name]), signs])
    return table(["party", "worth against no deal", "signs"], rows)


def grids(store: Store, case: str, deal: str) -> str:
    """The same deal on coarser and finer grids."""
    found = [store.coarse(case, deal), store.central(case, deal)]
    found += [store.central(case, deal, levels) for levels in MORE_GRIDS[case, deal]]
    rows = []
    for row in found:
        broken, accused = (
            ", ".join(f"{o} {percent(x)}" for o, x in row[what].items() if x >= 0.005) or "nobody"
            for what in ("broken", "accused")
        )
        rows.append([grid(row["levels"]), *(f"{x:+.1f}" for x in row["worth"].values()),
                     percent(row["joint"]), *(percent(row["survival"][t]) for t in (4, 12, 40)),
                     broken, accused, "yes" if row["settled"] else "no"])  # fmt: skip
    head = ["grid", *(f"worth to {p}" for p in found[0]["worth"]), "all sign",
            "in force at 4", "at 12", "at 40", "truly broken by the horizon", "wrongly accused",
            "settled"]  # fmt: skip
    return table(head, rows)


def proposal(store: Store, deal: str) -> str:
    case = "ukraine-2025"
    here, coarse = store.central(case, deal), store.coarse(case, deal)
    text = sv.load(f"scenarios/{case}").proposals[deal].text
    dates = ", ".join(
        f"{probability(here['survival'][t], coarse['survival'][t])} at {t}" for t in (4, 16, 40)
    )
    broken, accused = (
        ", ".join(
            f"{o} {probability(x, coarse[what][o])}"
            for o, x in here[what].items()
            if max(x, coarse[what][o]) >= 0.005
        )
        for what in ("broken", "accused")
    )
    run_out = [
        1 - row["survival"][-1] - sum(row["broken"].values()) - sum(row["accused"].values())
        for row in (here, coarse)
    ]
    return (
        f"### {deal}\n\n{text}\n\n{worths(store, case, deal)}\n\n"
        f"All sign: {probability(here['joint'], coarse['joint'])}. In force, once signed: {dates}. "
        f"By the horizon truly broken: {broken or 'by nobody'}; wrongly accused: "
        f"{accused or 'nobody'}; run out: {probability(*run_out)}. "
        f"Grid {grid(here['levels'])}."
    )


def claims(store: Store, case: str) -> str:
    """Each claim of a case, true or false on coarser and finer grids."""
    scenario = sv.load(f"scenarios/{case}")
    solvers: dict[str, Callable[[str, str], Row]] = {
        "coarser grid": store.coarse,
        "default grid": store.central,
    }
    if case == "ukraine-2025":
        for levels in MORE_GRIDS[case, UKRAINE[0]]:
            solvers[grid(list(levels))] = partial(store.central, levels=levels)
    names = {name: name for name in (*scenario.parties, *scenario.proposals)}

    def holds(claim: str, solved: Callable[[str, str], Row]) -> str:
        def breaks(deal: str, party: str, period: int) -> float:
            duties = [o.name for o in scenario.obligations.values() if o.party == party]
            if period != scenario.horizon:
                raise NameError("the tables have breaches by the horizon only")
            row = solved(case, deal)
            return sum(row["broken"][duty] + row["accused"][duty] for duty in duties)

        figures = {
            "worth": lambda deal, party: solved(case, deal)["worth"][party],
            "signs": lambda deal, party: solved(case, deal)["signs"][party],
            "survival": lambda deal, t: solved(case, deal)["survival"][t],
            "breaks": breaks,
        }
        try:
            return "yes" if eval(claim, {**names, **figures}) else "**no**"
        except NameError:  # a figure that the tables do not have
            return "not tested"

    rows = []
    for c in scenario.claims.values():
        found = [holds(c.test.text, solved) for solved in solvers.values()]
        rows.append([f"“{c.quote}”", f"`{c.test}`", *found])
    return table(["what was said", "test", *solvers], rows)


def main() -> None:
    store = Store(Path(sys.argv[1] if len(sys.argv) > 1 else "cases.jsonl"))
    print(f"## On the day of signature\n\n{history(store)}\n")
    print(f"### Who breaks it\n\n{breakers(store)}\n")
    print(f"### What is played while it is in force\n\n{moves(store)}\n")
    for case, deal in HISTORY:
        print(f"### What it is worth: {case}\n\n{worths(store, case, deal)}\n")
    print("## Ukraine, March 2025\n")
    for deal in UKRAINE:
        print(f"{proposal(store, deal)}\n")
    print("## On other grids\n")
    for case, deal in MORE_GRIDS:
        print(f"### {case}, {deal}\n\n{grids(store, case, deal)}\n")
    for case in ("ukraine-2025", *(case for case, _ in HISTORY)):
        print(f"### Claims: {case}\n\n{claims(store, case)}\n")


if __name__ == "__main__":
    main()
