"""ema-workbench's PRIM on the cases of `questions.prim.cases`, step by step.

`python -m peers.ema` in the folder `tests` writes what it finds to `questions/prim/*.json`, with
its version, so that the comparison needs no ema-workbench afterwards.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pandas as pd

from questions.prim.cases import CASES, HERE, OBJECTIVES, Case


def trajectory(case: Case, objective: str) -> list[dict[str, Any]]:
    """What ema-workbench says of each step: shares, counts, limits and quasi-p-values.

    A restriction is [low, high] or a sorted list of labels; a quasi-p-value is [low, high] or
    [of the labels], None where a side is open.
    """
    return steps(found(case, objective))


def found(case: Case, objective: str) -> Any:
    """The box object that `find_box` returns."""
    return algorithm(case, objective).find_box()


def algorithm(case: Case, objective: str) -> Any:
    from ema_workbench.analysis.prim import Prim, PRIMObjectiveFunctions

    table = pd.DataFrame(case.x, columns=list(case.names))
    for name, labels in case.categories.items():
        table[name] = np.array(labels, dtype=object)[table[name].astype(int)]
        table[name] = table[name].astype(object)
    return Prim(
        table,
        case.y,
        threshold=0.01,
        obj_function=PRIMObjectiveFunctions(objective),
        peel_alpha=case.peel_alpha,
    )


def steps(box: Any) -> list[dict[str, Any]]:
    """The trajectory of a box object in plain numbers."""
    said = []
    for i, row in box.peeling_trajectory.iterrows():
        limits, quasi_p = {}, {}
        for name, ps in box.qp[i].items():
            pair = list(box.box_lims[i][name])
            if isinstance(pair[0], set):
                limits[name] = sorted(pair[0])
                quasi_p[name] = [float(ps[0])]
            else:
                limits[name] = [float(limit) for limit in pair]
                quasi_p[name] = [None if p == -1 else float(p) for p in ps]
        said.append(
            {
                "coverage": float(row["coverage"]),
                "density": float(row["density"]),
                "mass": float(row["mass"]),
                "dimensions": int(row["res_dim"]),
                "cases": int(row["n"]),
                "of_interest": int(row["k"]),
                "limits": limits,
                "quasi_p": quasi_p,
            }
        )
    return said


def record() -> None:
    from importlib.metadata import version

    for name, case in CASES.items():
        said = {
            "peer": f"ema-workbench {version('ema_workbench')}",
            "made_with": "python -m peers.ema, in the folder tests",
            "trajectories": {objective: trajectory(case(), objective) for objective in OBJECTIVES},
        }
        text = json.dumps(said, indent=1, sort_keys=True) + "\n"
        (HERE / f"{name}.json").write_text(text, encoding="utf-8")
        sys.stdout.write(f"{name}: {[len(t) for t in said['trajectories'].values()]} steps\n")


if __name__ == "__main__":
    record()
