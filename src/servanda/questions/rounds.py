"""Which of many candidates can be dropped before all worlds have been tried?

In: for every candidate, in how many of the worlds seen so far it was good. Out: which can still be
good in the required share of all of them. Successive rejects (Audibert and Bubeck 2010) with the
same worlds for every candidate: here a candidate is dropped on evidence against it, not by its
rank, and the chance of a wrong rejection is bounded.

The n worlds are tried in random order, so the k seen are a simple random sample of them. A
candidate that is good in the required share p has at least K good worlds, K the fewest worlds
(heaviest first) whose weights sum to p; the number s seen to be good is then at least
hypergeometric(n, K, k) in the order of chances. It is dropped if P(S <= s) <= α/(R D), with R
rounds before the last and D candidates; by the union bound (Boole) the chance that any candidate
that meets the share is ever dropped is at most α. One that could not reach the share if it were
good in all worlds left is dropped without any risk.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
from jaxtyping import Bool, Float, Int

RISK = 0.05
"""The chance, at most, that any candidate is dropped wrongly."""


def fewest_good(weight: Float[np.ndarray, "world"], share: float) -> int:
    """The fewest worlds whose weights sum to the share of all weight."""
    falling = np.cumsum(np.sort(weight)[::-1]) / np.sum(weight)
    return int(np.searchsorted(falling, share - 1e-12) + 1)


def least_passing(worlds: int, good: int, seen: int, risk: float) -> int:
    """The fewest good worlds among those seen at which a candidate stays, given its least `good`.

    The largest s with P(S < s) <= risk, S hypergeometric(worlds, good, seen), in exact arithmetic.
    """
    total, below = comb(worlds, seen), 0
    for s in range(seen + 1):
        below += comb(good, s) * comb(worlds - good, seen - s)
        if Fraction(below, total) > Fraction(risk):
            return s
    return seen


def stays(
    good: Bool[np.ndarray, "candidate seen"],
    order: Int[np.ndarray, "world"],
    weight: Float[np.ndarray, "world"],
    share: float,
    risk: float,
) -> Bool[np.ndarray, "candidate"]:
    """Which candidates stay after the first worlds of an order; `risk` is that of one of them."""
    seen = good.shape[1]
    w = weight / weight.sum()
    reach = good @ w[order[:seen]] + w[order[seen:]].sum()
    fewest = least_passing(len(w), fewest_good(w, share), seen, risk)
    kept: np.ndarray = (reach >= share - 1e-12) & (good.sum(axis=1) >= fewest)
    return kept


def rounds(worlds: int) -> tuple[int, ...]:
    """After how many worlds candidates are looked at: 4, 8, 16 ... and all."""
    found = [k for k in (4, 8, 16, 32, 64, 128, 256) if k < worlds]
    return (*found, worlds)
