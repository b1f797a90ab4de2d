"""What if the parties may draw lots between deals?

A lottery over deals gives expected utilities anywhere in the convex hull of the deals' points, and
the bargaining solutions are those of a convex set, where Nash's axioms hold exactly. In: the
frontier's points and the disagreement point. Out: a lottery with at most a handful of deals. Nash's
is found by Frank and Wolfe's method, fully corrective, until its duality gap says that no lottery
is better by more than a factor 1 + 1e-9; the others are linear programmes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

GAP = 1e-10
ROUNDS = 2_000
MOST_POINTS = 200_000


@dataclass(frozen=True, eq=False)
class Lottery:
    """Points of the frontier with their probabilities, and the expected utilities, [party]."""

    name: str
    value: float
    points: np.ndarray  # Int[drawn]
    probability: np.ndarray  # Float[drawn]
    utilities: np.ndarray  # Float[party]


def lotteries(
    points: Float[np.ndarray, "point party"], disagreement: Float[np.ndarray, "party"]
) -> dict[str, Lottery]:
    """Nash, Kalai-Smorodinsky, egalitarian and utilitarian lotteries.

    Empty if no lottery gives everybody its disagreement value. Deals that somebody would refuse
    may be drawn, if the lottery as a whole is worth it to all.
    """
    if len(points) > MOST_POINTS:
        return {}
    unit = np.maximum(points.max(axis=0) - points.min(axis=0), 1e-300)
    size = np.abs(points).max(axis=0)
    unit = np.where(unit > 1e-12 * size, unit, np.where(size > 0, size, 1.0))
    gain = (points - disagreement) / unit  # each party's own scale: the solutions do not mind
    n = gain.shape[1]
    best = np.empty(n)
    for i in range(n):
        found = _programme(gain[:, i], gain, np.zeros(n))
        if found is None:
            return {}
        best[i] = found @ gain[:, i]
    out: dict[str, Lottery] = {}
    free = best > 1e-12
    if free.any():
        p = _maximin(gain[:, free] / best[free], gain)
        share = float((p @ gain[:, free] / best[free]).min()) if p is not None else 0.0
        _add(out, "kalai-smorodinsky", p, points, share)
    p = _maximin(points - disagreement, gain)
    if p is not None:
        _add(out, "egalitarian", p, points, float((p @ points - disagreement).min()))
    common = float(np.abs(points - disagreement).max()) or 1.0
    p = _programme((points - disagreement).sum(axis=1) / common, gain, np.zeros(n))
    if p is not None:
        _add(out, "utilitarian", p, points, float((p @ points).sum()))
    start = _maximin(gain / np.where(free, best, 1.0), gain) if free.all() else None
    if start is not None and (start @ gain).min() > 1e-12:
        p = _nash(gain, start)
        with np.errstate(over="ignore", under="ignore"):
            _add(out, "nash", p, points, float(np.prod(p @ points - disagreement)))
    return {name: out[name] for name in _ORDER if name in out}


_ORDER = ("nash", "kalai-smorodinsky", "egalitarian", "utilitarian")


def _add(
    out: dict[str, Lottery], name: str, p: np.ndarray | None, points: np.ndarray, value: float
) -> None:
    if p is None:
        return
    drawn = np.flatnonzero(p > 1e-9)
    chance = p[drawn] / p[drawn].sum()
    out[name] = Lottery(name, value, drawn, chance, chance @ points[drawn])


def _programme(value: np.ndarray, gain: np.ndarray, floor: np.ndarray) -> np.ndarray | None:
    """max p·value over lotteries with p·gain >= floor."""
    found = linprog(
        -value,
        A_ub=-gain.T,
        b_ub=-floor + 1e-12,
        A_eq=np.ones((1, len(value))),
        b_eq=[1.0],
        bounds=(0, None),
        method="highs",
    )
    return np.asarray(found.x) if found.status == 0 else None


def _maximin(share: np.ndarray, gain: np.ndarray) -> np.ndarray | None:
    """max t with p·share_i >= t for all i, p·gain >= 0."""
    k = len(share)
    size = np.abs(share).max(axis=0)
    size = np.where(size > 0, size, 1.0)
    level = size.min() / size  # t in the unit of the smallest, so that no row drowns in another's
    rows = np.vstack([np.c_[-(share / size).T, level], np.c_[-gain.T, np.zeros(gain.shape[1])]])
    found = linprog(
        np.r_[np.zeros(k), -1.0],
        A_ub=rows,
        b_ub=np.r_[np.zeros(share.shape[1]), np.full(gain.shape[1], 1e-12)],
        A_eq=np.r_[np.ones(k), 0.0][None, :],
        b_eq=[1.0],
        bounds=[(0, None)] * k + [(None, None)],
        method="highs",
    )
    return np.asarray(found.x)[:k] if found.status == 0 else None


def _nash(gain: np.ndarray, start: np.ndarray) -> np.ndarray:
    """max Σ_i log(p·gain_i): Frank-Wolfe with pairwise steps and exact line search.

    At the optimum no point k has Σ_i gain_ki/g_i above n; the excess bounds what is missing.
    """
    n = gain.shape[1]
    p = np.where(start > 1e-12, start, 0.0)
    p /= p.sum()
    for _ in range(ROUNDS):
        slope = gain @ (1.0 / (p @ gain))
        if slope.max() - n <= GAP * n:
            break
        active = np.union1d(np.flatnonzero(p > 0), [int(slope.argmax())])
        p = _corrected(gain, p, active)
    return p


def _corrected(gain: np.ndarray, p: np.ndarray, active: np.ndarray) -> np.ndarray:
    """The best lottery over a few points: pairwise steps, each to the top of its line."""
    some, q = gain[active], p[active].copy()
    n = gain.shape[1]
    for _ in range(500):
        g = q @ some
        slope = some @ (1.0 / g)
        up = int(slope.argmax())
        held = np.flatnonzero(q > 0)
        down = int(held[slope[held].argmin()])
        if slope[up] - slope[down] <= GAP * n / 4:
            break
        direction = some[up] - some[down]
        low, high = 0.0, float(q[down])
        for _ in range(60):  # the derivative falls along the line: bisect its zero
            middle = (low + high) / 2
            at = g + middle * direction
            if (at > 0).all() and (direction / at).sum() > 0:
                low = middle
            else:
                high = middle
        at = g + q[down] * direction
        whole = bool((at > 0).all()) and (direction / at).sum() >= 0
        step = float(q[down]) if whole else low
        q[up] += step
        q[down] = 0.0 if whole else q[down] - step
    out = np.zeros(len(p))
    out[active] = q
    return out / out.sum()
