"""Does scenario discovery take ema-workbench's steps?

Every step of the peeling and pasting trajectory is compared: limits, coverage, density, mass and
quasi-p-values, with each of the three objectives; on the recorded cases, on Bryant and Lempert's
own data and on the Wisconsin breast cancer data, which come with other packages.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from questions.prim.agreement import asked, assert_same_steps
from questions.prim.cases import CASES, HERE, OBJECTIVES, Case
from servanda.questions.prim import inside

ema = pytest.importorskip("ema_workbench")
pytestmark = pytest.mark.filterwarnings("ignore")


def bryant_lempert() -> Case:
    """The 882 futures of the renewable energy study, of Bryant and Lempert (2010), section 4."""
    folder = Path(ema.__file__).parent / "examples" / "data"
    table = pd.read_csv(folder / "bryant et al 2010 data.csv", index_col=False)
    inputs = table.iloc[:, 2:11]
    return Case(
        inputs.to_numpy(float), table.iloc[:, 15].to_numpy() == 1, tuple(inputs.columns), {}, 0.1
    )


def breast_cancer() -> Case:
    """569 tumours with 30 measurements, malignant or not (UCI Machine Learning Repository)."""
    datasets = pytest.importorskip("sklearn.datasets")
    data = datasets.load_breast_cancer()
    return Case(data.data, data.target == 0, tuple(str(name) for name in data.feature_names))


ALL = CASES | {"bryant and lempert": bryant_lempert, "breast cancer": breast_cancer}


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", ALL)
def test_the_steps_are_those_of_ema_workbench(name, objective):
    from peers.ema import trajectory

    case = ALL[name]()
    assert_same_steps(case, asked(case, objective)[0], trajectory(case, objective))


def test_a_second_box_is_sought_as_ema_workbench_does_among_what_the_first_leaves():
    from peers.ema import algorithm, steps

    case = ALL["bryant and lempert"]()
    first, second = asked(case, "lenient1", boxes=2)
    peer = algorithm(case, "lenient1")
    box = peer.find_box()
    held = inside(first.box, case.x, case.names)
    box.yi = np.flatnonzero(held)  # as if the user had chosen our box on the trajectory
    assert_same_steps(case, second, steps(peer.find_box()))


@pytest.mark.parametrize("name", CASES)
def test_the_recorded_numbers_are_those_of_the_installed_version(name):
    from peers.ema import trajectory

    case = CASES[name]()
    recorded = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))["trajectories"]
    for objective in OBJECTIVES:
        assert trajectory(case, objective) == recorded[objective]
