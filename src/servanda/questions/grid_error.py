"""How far may a headline be off because of the grid?

In: headlines on a grid and on another, finer or coarser. Out: an estimated error of each. A single
difference may vanish by chance where others do not, so a worth's error is at least the mean of its
fellows', counted in each party's stakes, and a survival's at least the mean over dates. All are
taken three times as large as they are, the custom where two grids are all there is (P. J. Roache,
"Perspective: a method for uniform reporting of grid refinement studies", 1994).
"""

from __future__ import annotations

from collections.abc import Mapping

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


DATES = (4, 8, 16, 40)
"""The periods at which survival is a headline."""


def stated_dates(horizon: int) -> tuple[int, ...]:
    """The periods at which survival is stated: `DATES` within the horizon, and the horizon."""
    return (*(t for t in DATES if t < horizon), horizon)
