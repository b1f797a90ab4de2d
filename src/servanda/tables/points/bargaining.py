"""Which deal would a bargaining solution choose?

In: the frontier's points and the disagreement point. Out: for every solution the points that
attain it, all ties kept. Every solution here rises with each party's utility, so that one of its
maximisers is on the frontier; only efficient deals that nobody would refuse are considered.

  Nash (1950)                   max Π_i (u_i - d_i)
  Kalai-Smorodinsky (1975)      max min_i (u_i - d_i)/(b_i - d_i), b the best each can get
  egalitarian (Kalai 1977)      max min_i (u_i - d_i)
  utilitarian                   max Σ_i u_i
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from servanda.errors import QuestionError, unknown

TIE = 1e-12  # of the largest value: two products closer than this are the same

KS = Literal["maximin", "smallest-spread"]
Ideal = Literal["acceptable", "all"]


@dataclass(frozen=True, eq=False)
class Choice:
    """The points that a solution chooses, and the value that they attain."""

    name: str
    value: float
    points: np.ndarray  # Int[tie], rows of the frontier
    note: str = ""


def rational(
    points: Float[np.ndarray, "point party"],
    disagreement: Float[np.ndarray, "party"],
    tolerance: float | Float[np.ndarray, "party"],
) -> Bool[np.ndarray, "point"]:
    """Which points give everybody its disagreement value, within half the tolerance."""
    return np.asarray((points >= disagreement - tolerance / 2).all(axis=1))


def ideal_point(
    points: Float[np.ndarray, "point party"],
    acceptable: Bool[np.ndarray, "point"],
    ideal: Ideal = "acceptable",
) -> Float[np.ndarray, "party"]:
    """The best each party can get: among deals that all accept (Kalai and Smorodinsky 1975), or
    among all deals (as NegMAS takes it)."""
    if ideal not in ("acceptable", "all"):
        raise unknown("ideal point", ideal, ("acceptable", "all"))
    chosen = points[acceptable] if ideal == "acceptable" else points
    best: np.ndarray = chosen.max(axis=0)
    return best


def solve(
    points: Float[np.ndarray, "point party"],
    disagreement: Float[np.ndarray, "party"],
    tolerance: float | Float[np.ndarray, "party"],
    *,
    ks: KS = "maximin",
    ideal: Ideal = "acceptable",
    weights: Float[np.ndarray, "party"] | None = None,
) -> dict[str, Choice]:
    """The four solutions on a frontier; empty if no deal gives everybody its disagreement value.

    `ks` "smallest-spread" is NegMAS's reading of the same axioms: the deal whose normalised gains
    differ least, max_i - min_i, however small they are. `weights` multiply gains in the
    utilitarian sum and are exponents in Nash's product (the asymmetric solution).
    """
    if ks not in ("maximin", "smallest-spread"):
        raise unknown("Kalai-Smorodinsky convention", ks, ("maximin", "smallest-spread"))
    w = np.ones(points.shape[1]) if weights is None else np.asarray(weights, float)
    if w.shape != (points.shape[1],) or not np.isfinite(w).all() or (w < 0).any() or not w.any():
        raise QuestionError("weights: a number from 0 on for each party, not all of them 0")
    able = rational(points, disagreement, tolerance)
    if not able.any():
        return {}
    rows = np.flatnonzero(able)
    gain = np.maximum(points[rows] - disagreement, 0.0)
    out = {}
    product, largest, note = _nash(gain, w)
    out["nash"] = Choice("nash", largest, rows[_ties(product)], note)
    reach = ideal_point(points, able, ideal) - disagreement
    free = reach > tolerance
    note = "" if free.all() else "who cannot gain at all is left out of the comparison"
    share = gain[:, free] / reach[free]
    if not share.shape[1]:
        level = np.zeros(len(rows))
    elif ks == "maximin":
        level = share.min(axis=1)
    else:
        level = share.min(axis=1) - share.max(axis=1)
    out["kalai-smorodinsky"] = Choice(
        "kalai-smorodinsky", float(abs(level.max())), rows[_ties(level)], note
    )
    least = gain.min(axis=1)
    out["egalitarian"] = Choice("egalitarian", float(least.max()), rows[_ties(least)])
    total = points[rows] @ w
    out["utilitarian"] = Choice("utilitarian", float(total.max()), rows[_ties(total)])
    return out


def _nash(gain: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float, str]:
    """The product of gains, with exponents, and the largest one.

    Where products of many parties leave the range of numbers, they are relative to the largest.
    """
    with np.errstate(over="ignore", under="ignore"):
        product = np.prod(gain**weights, axis=1)
    gains = (gain[:, weights > 0] > 0).all(axis=1)
    if not gains.any():
        none = "every deal that all accept leaves somebody with no gain: the product is 0"
        return product, 0.0, none
    if product.max() < math.inf and product[gains].min() > 1e-290:
        return product, float(product.max()), ""
    logs = np.log(gain[np.ix_(gains, weights > 0)]) @ weights[weights > 0]
    product = np.zeros(len(gain))
    product[gains] = np.exp(logs - logs.max())
    with np.errstate(over="ignore", under="ignore"):
        return product, float(np.exp(logs.max())), ""


def _ties(value: np.ndarray) -> Int[np.ndarray, "tie"]:
    top = value.max()
    return np.flatnonzero(value >= top - TIE * max(1e-300, np.abs(value).max()))
