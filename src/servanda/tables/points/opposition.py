"""How opposed are the parties, over the whole table and on each issue?

Two measures, by name. *distance*: how far the nearest deal is from everybody getting the best they
can, max_k 1 each, in normalised utilities (Genius and NegMAS call this opposition; Baarslag et al.
2013): 0 if one deal is best for all. *correlation*: of two parties' utilities over all deals,
+1 the same wishes, -1 exactly opposed. And by issue: which options each party wants, and how much
of its possible gain hangs on the issue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float

from servanda.tables.points.enumeration import moments
from servanda.tables.points.model import Table
from servanda.tables.points.units import Units

ENUMERATED = 5_000_000  # deals gone through for the correlations of a table that is not additive


@dataclass(frozen=True, eq=False)
class Opposition:
    """How far apart the parties are.

    `distance` is from 0 to √parties, in normalised utilities; `correlation` [party, other] is nan
    where a party values nothing, None if the table is too large to go through; `share` [issue,
    party] is the part of a party's range that hangs on the issue by itself; `kind` says of each
    issue what it is between the parties: compatible, opposed, mixed, or of no interest.
    """

    distance: float
    correlation: xr.DataArray | None
    share: xr.DataArray
    agreement: xr.DataArray  # [issue, party, other]
    kind: dict[str, str]


def opposition(
    table: Table,
    units: Units,
    points: Float[np.ndarray, "point party"],
    worst: Float[np.ndarray, "party"],
) -> Opposition:
    """Opposition of a table, with its frontier (the nearest deal is on it) and the worst each party
    can get."""
    names = list(table.names)
    issues = [issue.name for issue in table.issues]
    spans = np.array([[np.ptp(p.worth[k]) for p in table.parties] for k in range(len(issues))])
    whole = spans.sum(axis=0)
    share = np.divide(spans, whole, out=np.zeros_like(spans), where=whole > 0)
    size = np.array([p.largest for p in table.parties])
    each = np.array(
        [_correlation([p.worth[k] for p in table.parties], size) for k in range(len(issues))]
    )
    correlation: np.ndarray | None
    if table.additive:  # issues are independent: covariances add
        cov = sum(
            np.cov(np.array([p.worth[k] for p in table.parties]), bias=True).reshape(
                len(names), len(names)
            )
            for k in range(len(issues))
        )
        correlation = _from_covariance(np.asarray(cov), size)
    elif table.deals <= ENUMERATED:
        correlation = _from_covariance(moments(units)[2], size)
    else:
        correlation = None
    return Opposition(
        _distance(points, worst),
        None
        if correlation is None
        else xr.DataArray(
            correlation, dims=("party", "other"), coords={"party": names, "other": names}
        ),
        xr.DataArray(share, dims=("issue", "party"), coords={"issue": issues, "party": names}),
        xr.DataArray(
            each,
            dims=("issue", "party", "other"),
            coords={"issue": issues, "party": names, "other": names},
        ),
        {name: _kind(table, k, spans[k]) for k, name in enumerate(issues)},
    )


def _distance(points: np.ndarray, low: np.ndarray) -> float:
    """Utilities are normalised between the worst and the best deal."""
    if not len(points):
        return float("nan")
    best = points.max(axis=0)
    width = np.where(best > low, best - low, 1.0)
    return float(np.sqrt((((best - points) / width) ** 2).sum(axis=1)).min())


def _correlation(worth: list[np.ndarray], size: np.ndarray) -> np.ndarray:
    cov = np.cov(np.array(worth), bias=True).reshape(len(worth), len(worth))
    return _from_covariance(cov, size)


def _from_covariance(cov: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Correlations; nan where a deviation is none next to the size of the party's utilities."""
    sd = np.sqrt(np.maximum(np.diag(cov), 0.0))
    out = np.full(cov.shape, np.nan)
    known = sd > 1e-12 * np.maximum(size, 1e-300)
    both = np.outer(known, known)
    np.divide(cov, np.outer(sd, sd), out=out, where=both)
    return np.clip(out, -1.0, 1.0)


def _kind(table: Table, k: int, spans: np.ndarray) -> str:
    """What an issue is between those who care about it (Thompson 1990's kinds)."""
    caring = [i for i in range(len(spans)) if spans[i] > 0]
    if not caring:
        return "nobody cares"
    if len(caring) == 1:
        return f"only {table.parties[caring[0]].name} cares"
    common: set[int] | None = None
    for i in caring:
        worth = table.parties[i].worth[k]
        top = set(np.flatnonzero(worth >= worth.max() - 1e-12 * spans[i]).tolist())
        common = top if common is None else common & top
    if common:
        return "compatible"
    ranks = [table.parties[i].worth[k] for i in caring]
    fixed = all(
        _correlation([a, b], np.abs([a, b]).max(axis=1))[0, 1] < -0.999999
        for a in ranks[:1]
        for b in ranks[1:]
    )
    return "opposed" if fixed and len(caring) == 2 else "mixed"
