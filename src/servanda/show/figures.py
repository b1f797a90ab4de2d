"""How is a figure said: with the digits its error supports, and shares of worlds in words?

In come numbers and their errors; out comes short text. A figure whose sign its error does not
support is marked; a probability is never quite none or all unless it is exactly that.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from servanda.game.errors import EIGHT_IN_TEN, Estimate
from servanda.scenario.weighted import weighted_quantiles

MINUS = "\N{MINUS SIGN}"
UNKNOWN = "unknown"
UNCLEAR = "unclear"
HOPELESS = 0.3
"""The error from which on a probability is not worth stating."""
TINY = 1e-9
"""Figures below this are rounding, and printed as none."""
UNSURE = "?"
"""Marks a figure that the grid error could turn from gain to loss or back."""


def decimals(error: float, *values: float) -> int:
    """The last decimal place worth printing, the same for all the values of one row.

    Two digits of the largest value, and none below the first digit of twice the error. Negative
    for tens, hundreds and so on.
    """
    size = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    place = 1 - math.floor(math.log10(float(f"{size:.2g}"))) if size > 0 else 0
    if math.isfinite(error) and error > 0:
        place = min(place, -math.floor(math.log10(error) + math.log10(2)))
    return place


def figure(value: float, error: float = math.nan, *, places: int | None = None) -> str:
    """A value with its sign, rounded to `places` or to what its error supports.

    A value within its error keeps one digit and is marked; below a tenth of the error it is "0?".
    A value beyond its error keeps one digit too, however coarse the others of its row are.
    """
    if not math.isfinite(value):
        return UNKNOWN
    places = decimals(error, value) if places is None else places
    unsure = sign_uncertain(value, error)
    sure = value != 0 and not unsure and abs(value) >= TINY
    if (unsure and abs(value) >= error / 10) or (sure and round(value, places) == 0):
        places = max(places, -math.floor(math.log10(float(f"{abs(value):.1g}"))))
    rounded = round(value, places)
    mark = UNSURE if unsure else ""
    if rounded == 0:
        return "0" + mark
    if abs(rounded) >= 1e6 or places > 5:
        text = f"{rounded:+.2g}"
    else:
        text = f"{rounded:+,.{max(places, 0)}f}"
    return text.replace("-", MINUS) + mark


TWICE = 2.0
"""Standard errors within which a figure is taken to lie: what `?` and digits go by."""


def estimated(x: Estimate, scale: float = 1.0, *, places: int | None = None) -> str:
    """A figure over worlds as `figure` says it, with the digits that its error supports."""
    return figure(x.value * scale, TWICE * x.error * abs(scale), places=places)


def estimated_chance(x: Estimate) -> str:
    """A probability over worlds as `percent` says it; digits go by its 80 % interval."""
    return percent(x.value, EIGHT_IN_TEN * x.error)


def give_or_take(x: Estimate, scale: float = 1.0) -> str:
    """The error of a figure: "±0.2", within which it lies with 80 %; "" if there is none."""
    size = EIGHT_IN_TEN * x.error * abs(scale)
    if not math.isfinite(size) or size < TINY:
        return ""
    return f"±{float(f'{size:.1g}'):g}"


def between(low: float, high: float, *, places: int) -> str:
    """Two ends of a band, as one phrase."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return UNKNOWN
    a, b = figure(low, places=places), figure(high, places=places)
    return a if a == b else f"{a} to {b}"


def sign_uncertain(value: float, error: float) -> bool:
    """Whether the grid error could turn the sign of a value that is not exactly none."""
    return math.isfinite(value) and math.isfinite(error) and 0 < abs(value) <= error


def percent(value: float, error: float = 0.0) -> str:
    """A probability, rounded to 1, 5 or 10 % as its error allows ("~"), or unclear."""
    if not math.isfinite(value):
        return UNKNOWN
    if error >= HOPELESS:
        return UNCLEAR
    step = _step(error)
    if step > 1:
        return f"~{step * round(100 * value / step)} %"
    return f"{_hundredths(value)} %"


def percent_between(low: float, high: float, error: float = 0.0) -> str:
    """A band of probabilities: "12–40 %"."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return UNKNOWN
    if error >= HOPELESS:
        return UNCLEAR
    step = _step(error)
    if step > 1:
        a, b = (str(step * round(100 * x / step)) for x in (low, high))
        return f"~{a} %" if a == b else f"~{a}–{b} %"
    a, b = _hundredths(low), _hundredths(high)
    if a == b or b == "<1":
        return f"{b} %"
    if a == ">99":
        return f"{a} %"
    return f"{a.replace('<1', '0')}–{b.replace('>99', '100')} %"  # ends are rounded outward


def _step(error: float) -> int:
    return 10 if error >= 0.15 else 5 if error >= 0.05 else 1


def _hundredths(value: float) -> str:
    whole = round(100 * value)
    if whole == 0 and value > 1e-6:
        return "<1"
    if whole == 100 and value < 1 - 1e-6:
        return ">99"
    return f"{whole}"


def in_worlds(share: float, worlds: int | None = None) -> str:
    """A share of the worlds' weight as a desk officer would say it; None: of worlds at large."""
    if not math.isfinite(share):
        return "in an unknown share of worlds"
    if worlds == 1:
        return "in the one world drawn" if share > 0.5 else "not in the one world drawn"
    if share >= 1 - 1e-9:
        return f"in all {worlds} worlds" if worlds else "in every world"
    if share <= 1e-9:
        return f"in none of {worlds} worlds" if worlds else "in no world"
    tenths = round(10 * share)
    if tenths in (0, 10):
        return "in 1 of 20 worlds or fewer" if tenths == 0 else "in 19 of 20 worlds or more"
    return f"in {tenths} of 10 worlds"


def count(number: float, noun: str) -> str:
    """A number of things with its noun: 1 month, 3 months."""
    return f"{number:g} {noun}" if number == 1 else f"{number:g} {noun}s"


def band(values: ArrayLike, weights: ArrayLike) -> tuple[float, float, float]:
    """10, 50 and 90 % of a weighted sample, shape [world]; worlds without a number are left out."""
    given = np.asarray(values, dtype=float), np.asarray(weights, dtype=float)
    low, middle, high = (float(x) for x in weighted_quantiles(*given, (0.1, 0.5, 0.9)))
    return low, middle, high
