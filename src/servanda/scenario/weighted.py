"""Figures over weighted worlds: quantiles and shares.

In: a figure in every world and the worlds' weights (`Worlds.weight`). Out: numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def weighted_quantiles(
    values: Float[np.ndarray, " world"],
    weights: Float[np.ndarray, " world"],
    points: Sequence[float],
) -> Float[np.ndarray, " point"]:
    """Quantiles of a weighted sample: midpoints of the steps of its distribution, joined up.

    What is no number is left out; NaN if nothing remains.
    """
    values, weights = np.asarray(values, float), np.asarray(weights, float)
    known = np.isfinite(values) & (weights > 0)
    if not known.any():
        return np.full(len(points), np.nan)
    order = np.argsort(values[known], kind="stable")
    v, w = values[known][order], weights[known][order]
    found: np.ndarray = np.interp(points, (np.cumsum(w) - 0.5 * w) / w.sum(), v)
    return found


def share(condition: np.ndarray, weights: Float[np.ndarray, " world"]) -> float:
    """The weight of the worlds in which a condition holds, of all."""
    return float(np.sum(np.where(condition, weights, 0.0)) / np.sum(weights))
