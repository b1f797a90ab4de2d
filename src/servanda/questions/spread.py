"""How much does a figure vary over worlds?

In: a figure in every world and the worlds' weights. Out: its mean, quantiles and shares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

BAND = (0.1, 0.9)
"""The quantiles that every band in the output shows."""


@dataclass(frozen=True)
class Spread:
    """A figure at the modal world and over all worlds, in its own unit."""

    modal: float
    median: float
    low: float  # 10th percentile
    high: float  # 90th percentile
    grid_error: float = float("nan")

    @property
    def width(self) -> float:
        """From the 10th to the 90th percentile."""
        return self.high - self.low


def weighted_quantile(
    values: Float[np.ndarray, " world"], weights: Float[np.ndarray, " world"], q: float
) -> float:
    """The quantile of a weighted sample: midpoints of the steps of its distribution, joined up."""
    order = np.argsort(values, kind="stable")
    v, w = np.asarray(values)[order], np.asarray(weights)[order]
    at = (np.cumsum(w) - 0.5 * w) / np.sum(w)
    return float(np.interp(q, at, v))


def spread(
    modal: float,
    values: Float[np.ndarray, " world"],
    weights: Float[np.ndarray, " world"],
    grid_error: float = float("nan"),
) -> Spread:
    """Summarise a figure over worlds."""
    low, median, high = (weighted_quantile(values, weights, q) for q in (BAND[0], 0.5, BAND[1]))
    return Spread(float(modal), median, low, high, float(grid_error))


def share(condition: np.ndarray, weights: Float[np.ndarray, " world"]) -> float:
    """The weight of the worlds in which a condition holds."""
    return float(np.sum(np.where(condition, weights, 0.0)) / np.sum(weights))
