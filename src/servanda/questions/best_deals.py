"""Which deals of a list stand out: the frontier, bargaining solutions, the smallest change?

In: arrays over deals. Out: indices of deals, all ties kept. No deal is worth 0 to everybody; it
may be better or worse than every deal, and is never moved.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from servanda.tables.points.bargaining import Choice, solve
from servanda.tables.points.dominance import merge, nondominated


def efficient(figures: Float[np.ndarray, "deal figure"]) -> Int[np.ndarray, "efficient"]:
    """The deals that no other matches in every figure and beats in one, ties kept.

    Raises TooManyError with four figures or more and over 20,000 deals on the frontier.
    """
    if not len(figures):
        return np.zeros(0, int)
    ranks = np.stack([np.unique(x, return_inverse=True)[1] for x in figures.T], axis=1)
    order, starts = merge(ranks)
    first = nondominated(ranks[order[starts]])
    block = np.repeat(first, np.diff(np.append(starts, len(order))))
    return np.sort(order[block])


def solutions(
    worth: Float[np.ndarray, "deal party"], stakes: Float[np.ndarray, "party"]
) -> dict[str, Choice]:
    """Nash, Kalai-Smorodinsky, egalitarian and utilitarian deals; empty if no deal is at least as
    good as none for everybody.

    Worths are counted in stakes (what a party's flow can vary in a period), which matters to the
    egalitarian deal, max min_i w_i/s_i, and the utilitarian one, max sum_i w_i/s_i. Kalai and
    Smorodinsky's is the maximin of gains as shares of the best each party gets from a deal that
    no party would refuse.
    """
    if not len(worth):
        return {}
    scale = np.where(stakes > 0, stakes, 1.0)
    return solve(worth / scale, np.zeros(len(stakes)), 0.0)


def smallest_change(
    levels: Int[np.ndarray, "deal term"],
    good: Bool[np.ndarray, "deal"],
    cost: Float[np.ndarray, "deal"],
    start: Int[np.ndarray, "term"],
) -> Int[np.ndarray, "deal"]:
    """The good deals with the fewest terms changed and, of those, the least cost; ties kept."""
    rows = np.flatnonzero(good)
    if not len(rows):
        return rows
    changes = (levels[rows] != start).sum(axis=1)
    rows = rows[changes == changes.min()]
    return rows[cost[rows] <= cost[rows].min() + 1e-12]


def better_share(sampled: int, confidence: float = 0.95) -> float:
    """The share of all deals that at most are better than the best of a uniform sample.

    If a share x of all deals were better, a sample of m would hold none of them with probability
    (1 - x)^m; that is 1 - confidence at x = 1 - (1 - confidence)^(1/m), whatever the deals.
    """
    return float(1.0 - (1.0 - confidence) ** (1.0 / sampled)) if sampled else 1.0
