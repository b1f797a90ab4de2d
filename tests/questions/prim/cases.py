"""The data sets on which scenario discovery is compared with ema-workbench.

`anes96.csv`: the American National Election Study of 1996 (http://www.electionstudies.org, in the
public domain), 944 voters; of interest is a vote for Dole. `PID`, party identification, is a
category; the others have many ties. `iris.csv`: R. A. Fisher, "The use of multiple measurements in
taxonomic problems", Annals of Eugenics 7 (1936); of interest is versicolor, which lies between the
other two. The third is the Ishigami function (see `ishigami`) above 6 on a Sobol' sequence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import qmc

HERE = Path(__file__).parent
PARTIES = (
    "strong Democrat",
    "weak Democrat",
    "independent Democrat",
    "independent",
    "independent Republican",
    "weak Republican",
    "strong Republican",
)
OBJECTIVES = ("lenient1", "lenient2", "original")


@dataclass(frozen=True)
class Case:
    """Arguments of `prim` that make up one comparison."""

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, ...]
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    peel_alpha: float = 0.05


def ishigami(x: np.ndarray, a: float = 7.0, b: float = 0.1) -> np.ndarray:
    """sin x₁ + a sin² x₂ + b x₃⁴ sin x₁ for x in [−π, π]³ (Ishigami and Homma 1990)."""
    return np.sin(x[:, 0]) + a * np.sin(x[:, 1]) ** 2 + b * x[:, 2] ** 4 * np.sin(x[:, 0])


def anes96() -> Case:
    table = pd.read_csv(HERE / "anes96.csv")
    inputs = table.drop(columns="vote")
    y = table["vote"].to_numpy() == 1
    return Case(inputs.to_numpy(float), y, tuple(inputs.columns), {"PID": PARTIES})


def iris() -> Case:
    table = pd.read_csv(HERE / "iris.csv")
    inputs = table.drop(columns="species")
    y = (table["species"] == "versicolor").to_numpy()
    return Case(inputs.to_numpy(float), y, tuple(inputs.columns))


def ishigami_above_six() -> Case:
    x = np.pi * (2 * qmc.Sobol(3, scramble=False).random_base2(10) - 1)
    return Case(x, ishigami(x) > 6, ("x1", "x2", "x3"))


CASES = {"anes96": anes96, "iris": iris, "ishigami": ishigami_above_six}
