"""If utility could be handed over, who holds how much power at the table?

The table induces a coalition game. A coalition that can sign, because all whose signature is
needed are in it, is worth the largest sum of its members' utilities in any deal, or what they have
without one if that is more; any other coalition is worth the sum of its reservation values. Out:
each party's Shapley (1953) value, whether the core (Gillies 1959) is empty, the least core
(Maschler, Peleg and Shapley 1979), each party's power to turn the signature (Shapley and Shubik
1954), and the efficient deals that no coalition able to sign would leave for another. Sums across
parties suppose that one unit is worth the same to everybody, which only the analyst can say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linprog

MOST_PARTIES = 12
MOST_BLOCKING = 200_000_000  # comparisons of deals by coalitions


@dataclass(frozen=True, eq=False)
class Coalitions:
    """The coalition game of a table. `worth[m]` is of the coalition in the bits of m.

    `least_core` is an allocation that makes the largest complaint of any coalition as small as can
    be, and `complaint` that complaint: the core is empty if it is positive. `stable` are the rows
    of the frontier in the core without transfers; None if too many to look at.
    """

    parties: tuple[str, ...]
    worth: np.ndarray
    signs: np.ndarray  # Bool[coalition]
    shapley: np.ndarray  # Float[party]
    least_core: np.ndarray
    complaint: float
    shapley_in_core: bool
    power: np.ndarray
    stable: np.ndarray | None

    @property
    def core_empty(self) -> bool:
        scale = max(1.0, float(np.abs(self.worth).max()))
        return self.complaint > 1e-9 * scale


def coalitions(
    names: tuple[str, ...],
    reservation: Float[np.ndarray, "party"],
    points: Float[np.ndarray, "point party"],
    *,
    but: int = 0,
    vetoes: Int[np.ndarray, "veto"] | None = None,
) -> Coalitions:
    """The game in which all but `but` parties, those with a veto among them, can sign.

    The largest sum of a coalition's utilities over all deals is attained on the frontier.
    """
    n = len(names)
    member = (np.arange(1 << n)[:, None] >> np.arange(n)) & 1
    signs = member.sum(axis=1) >= max(1, n - but)
    if vetoes is not None:
        signs &= member[:, vetoes].all(axis=1)
    alone = member @ reservation
    worth = alone.copy()
    able = np.flatnonzero(signs)
    top = np.full(len(able), -math.inf)
    for start in range(0, len(points), 4096):
        sums = points[start : start + 4096] @ member[able].T
        top = np.maximum(top, sums.max(axis=0))
    worth[able] = np.maximum(alone[able], top)
    shapley = shapley_value(worth)
    x, complaint = _least_core(worth, member)
    slack = 1e-9 * max(1.0, float(np.abs(worth).max()))
    inside = bool((member @ shapley >= worth - slack).all())
    return Coalitions(
        names,
        worth,
        signs,
        shapley,
        x,
        complaint,
        inside,
        shapley_value(signs.astype(float)),
        _stable(points, reservation, member, signs),
    )


def shapley_value(worth: Float[np.ndarray, "coalition"]) -> Float[np.ndarray, "party"]:
    """φ_i = Σ_S |S|!(n-|S|-1)!/n! (v(S + i) - v(S)) over coalitions S without i."""
    n = len(worth).bit_length() - 1
    size = np.array([m.bit_count() for m in range(1 << n)])
    weight = np.array(
        [math.factorial(s) * math.factorial(n - s - 1) / math.factorial(n) for s in range(n)]
    )
    out = np.empty(n)
    for i in range(n):
        without = np.flatnonzero((np.arange(1 << n) >> i) & 1 == 0)
        out[i] = weight[size[without]] @ (worth[without | (1 << i)] - worth[without])
    return out


def _least_core(worth: np.ndarray, member: np.ndarray) -> tuple[np.ndarray, float]:
    """min e with x(N) = v(N) and x(S) >= v(S) - e for all S but none and all."""
    n = member.shape[1]
    if n == 1:
        return worth[-1:].copy(), 0.0
    some = slice(1, len(worth) - 1)
    rows = np.c_[-member[some], -np.ones(len(worth) - 2)]
    found = linprog(
        np.r_[np.zeros(n), 1.0],
        A_ub=rows,
        b_ub=-worth[some],
        A_eq=np.r_[np.ones(n), 0.0][None, :],
        b_eq=[worth[-1]],
        bounds=[(None, None)] * (n + 1),
        method="highs",
    )
    if found.status != 0:  # unbounded below is impossible: complaints of S and of the rest add up
        return np.full(n, np.nan), float("nan")
    return np.asarray(found.x[:n]), float(found.x[n])


def _stable(
    points: np.ndarray, reservation: np.ndarray, member: np.ndarray, signs: np.ndarray
) -> np.ndarray | None:
    """Rows that every signatory accepts and no coalition able to sign can all improve upon."""
    winning = [m for m in np.flatnonzero(signs).tolist() if not _proper(m, signs)]
    if len(winning) * len(points) ** 2 > MOST_BLOCKING:
        return None
    keep = _accepted(points, reservation, member, signs)
    for m in winning:
        mine = points[:, np.flatnonzero(member[m])]
        rows = np.flatnonzero(keep)
        for start in range(0, len(rows), 256):
            some = rows[start : start + 256]
            better = mine[None, :, :] > mine[some, None, :] + 1e-12
            blocked = np.any(np.all(better, axis=2), axis=1)
            keep[some[blocked]] = False
    return np.flatnonzero(keep)


def _accepted(
    points: np.ndarray, reservation: np.ndarray, member: np.ndarray, signs: np.ndarray
) -> Bool[np.ndarray, "point"]:
    """Deals that the parties who accept them are able to sign."""
    pattern = ((points >= reservation - 1e-12) << np.arange(points.shape[1])).sum(axis=1)
    able: np.ndarray = signs[pattern]
    return able


def _proper(m: int, signs: np.ndarray) -> bool:
    """Whether a smaller coalition can sign too: then that one decides."""
    bits = [b for b in range(int(m).bit_length()) if m >> b & 1]
    return any(bool(signs[m & ~(1 << b)]) for b in bits)
