"""How much does a figure vary over worlds?

In: a figure in every world and the worlds' weights. Out: its quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from servanda.scenario.weighted import weighted_quantiles

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


def spread(
    modal: float,
    values: Float[np.ndarray, " world"],
    weights: Float[np.ndarray, " world"],
    grid_error: float = float("nan"),
) -> Spread:
    """Summarise a figure over worlds."""
    low, median, high = map(float, weighted_quantiles(values, weights, (BAND[0], 0.5, BAND[1])))
    return Spread(float(modal), median, low, high, float(grid_error))
