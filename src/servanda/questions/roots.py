"""Where does a figure change its sign, as one number moves?

In: a function of many rows at once (a row a case of its own), and intervals at whose ends its signs
differ. Out: the place of the change, bracketed. All intervals are narrowed together by the
Illinois method (Dowell and Jarratt, BIT 11, 1971), with a step of bisection whenever three steps
have not quartered an interval, so that jumps are found as surely as roots.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

Rows = Callable[[Int[np.ndarray, " row"], Float[np.ndarray, " row"]], Float[np.ndarray, " row"]]
"""Figures at points: which intervals they belong to, and where."""


def narrow(
    figures: Rows,
    low: Float[np.ndarray, " interval"],
    high: Float[np.ndarray, " interval"],
    at_low: Float[np.ndarray, " interval"],
    at_high: Float[np.ndarray, " interval"],
    width: Float[np.ndarray, " interval"],
    steps: int = 40,
) -> tuple[Float[np.ndarray, "interval 2"], Float[np.ndarray, "interval 2"]]:
    """Narrow intervals until none is wider than its `width`.

    `at_low` and `at_high` are the figures at the ends, of different signs. Returns the ends of
    what is left, and the figures there: still of different signs.
    """
    x = np.stack([low, high], axis=1).astype(float)
    f = np.stack([at_low, at_high], axis=1).astype(float)
    if x.size and not (np.sign(f[:, 0]) * np.sign(f[:, 1]) < 0).all():
        raise ValueError("the figures at the two ends must differ in sign")
    weight = np.ones_like(f)  # the Illinois method halves the weight of an end that stays
    before = np.abs(x[:, 1] - x[:, 0])
    for step in range(steps):
        size = np.abs(x[:, 1] - x[:, 0])
        open_ = np.flatnonzero(size > width)
        if not len(open_):
            break
        a, b = x[open_].T
        fa, fb = (f * weight)[open_].T
        middle = np.clip((a * fb - b * fa) / (fb - fa), np.minimum(a, b), np.maximum(a, b))
        # near an end a step of regula falsi gains little: look just beyond it
        least = 0.45 * width[open_]
        inner = np.minimum(a, b) + least, np.maximum(a, b) - least
        middle = np.clip(middle, *inner)
        if step % 3 == 2:
            slow = size[open_] > 0.25 * before[open_]
            middle = np.where(slow, 0.5 * (a + b), middle)
            before = size.copy()
        value = figures(open_, middle)
        left = np.sign(value) == np.sign(f[open_, 0])
        for k, i in enumerate(open_):
            end, other = (0, 1) if left[k] else (1, 0)
            stayed = weight[i, end] == 1.0 and step > 0
            x[i, end], f[i, end] = middle[k], value[k]
            weight[i, end] = 1.0
            weight[i, other] = 0.5 * weight[i, other] if stayed else 1.0
            if value[k] == 0:  # on the root itself: nothing is left to narrow
                x[i] = middle[k]
    return x, f
