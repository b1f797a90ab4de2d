"""How far may a headline be off because of the grid?

In: headlines on a grid and on another, finer or coarser. Out: an estimated error of each. A single
difference may vanish by chance where others do not, so a worth's error is at least the mean of its
fellows', counted in each party's stakes, and a survival's at least the mean over dates. All are
taken three times as large as they are, the custom where two grids are all there is (P. J. Roache,
"Perspective: a method for uniform reporting of grid refinement studies", 1994).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from servanda.questions.spread import spread

WORTH, SURVIVAL = "worth.", "survival."
"""What the names of headlines begin with; then the party, or the period."""

SAFETY = 3.0
"""docs/convergence.md counts how many of the errors cover."""

ANOTHER_GRID = "another-grid"
"""How the tables on it are called, or their names begin, if an answer is kept in a folder."""


def grid_error(
    here: Mapping[str, float], other: Mapping[str, float], stakes: Mapping[str, float]
) -> dict[str, float]:
    """Estimated grid error of every headline in `here`, in its own unit.

    `stakes` are the parties', in utility per period; a party without stakes stands alone.
    """
    error = {name: SAFETY * abs(value - other[name]) for name, value in here.items()}
    error |= {name: min(x, 1.0) for name, x in error.items() if not name.startswith(WORTH)}
    parties = [p for p, s in stakes.items() if s > 0 and WORTH + p in error]
    if parties:
        mean = sum(error[WORTH + p] / stakes[p] for p in parties) / len(parties)
        error |= {WORTH + p: max(error[WORTH + p], mean * stakes[p]) for p in parties}
    dates = [name for name in error if name.startswith(SURVIVAL)]
    if dates:
        mean = sum(error[name] for name in dates) / len(dates)
        error |= {name: max(error[name], mean) for name in dates}
    return error


SHARE = 0.2
"""The part of its spread over worlds that a figure's grid error should not exceed."""

DATES = (4, 8, 16, 40)
"""The periods at which survival is a headline."""


def stated_dates(horizon: int) -> tuple[int, ...]:
    """The periods at which survival is stated: `DATES` within the horizon, and the horizon."""
    return (*(t for t in DATES if t < horizon), horizon)


def too_coarse(
    error: Mapping[str, float],
    worth: Float[np.ndarray, "world party"],
    survival: Float[np.ndarray, "world period"],
    weight: Float[np.ndarray, " world"],
    parties: Sequence[str],
) -> dict[str, float]:
    """The headlines whose grid error is more than `SHARE` of their spread over worlds: the spread.

    Named as in a sentence. A survival may be off by a point whatever its spread.
    """
    found = {}
    for i, party in enumerate(parties):
        width = spread(0.0, worth[:, i], weight).width
        rounding = 1e-9 * (1.0 + float(np.abs(worth[:, i]).max()))
        if error.get(WORTH + party, 0.0) > SHARE * width + rounding:
            found[f"worth to {party}"] = width
    for t in DATES:
        width = spread(0.0, survival[:, t], weight).width if t < survival.shape[1] else 0.0
        if error.get(f"{SURVIVAL}{t}", 0.0) > max(SHARE * width, 0.01):
            found[f"survival at {t}"] = width
    return found
