"""How a figure is said: with the digits its error supports, and shares of worlds in words.

In come numbers and their errors; out comes short text. A figure whose sign its error does not
support says so; a probability is never quite none or all unless it is exactly that.
"""

from __future__ import annotations

import math

MINUS = "\N{MINUS SIGN}"
UNKNOWN = "unknown"
UNSURE = "+ or \N{MINUS SIGN} uncertain"


def decimals(error: float, *values: float) -> int:
    """The last decimal place worth printing, the same for all the values of one row.

    Two digits of the largest value, and none below half of the first digit of the error. Negative
    for tens, hundreds and so on.
    """
    size = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    place = 1 - math.floor(math.log10(float(f"{size:.2g}"))) if size > 0 else 0
    if math.isfinite(error) and error > 0:
        place = min(place, -math.floor(math.log10(error) + math.log10(2)))
    return place


def figure(value: float, error: float = math.nan, *, places: int | None = None) -> str:
    """A value with its sign, rounded to `places` or to what its error supports."""
    if not math.isfinite(value):
        return UNKNOWN
    places = decimals(error, value) if places is None else places
    rounded = round(value, places)
    if rounded == 0:
        return "0"
    if abs(rounded) >= 1e6 or places > 5:
        text = f"{rounded:+.2g}"
    else:
        text = f"{rounded:+,.{max(places, 0)}f}"
    return text.replace("-", MINUS)


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
    """A probability in per cent, rounded to 1, 5 or 10 as its error allows; "~" marks the latter."""
    if not math.isfinite(value):
        return UNKNOWN
    step = 1 if not error >= 0.05 else 5 if error < 0.15 else 10
    if step > 1:
        return f"~{step * round(100 * value / step)} %"
    if 0 < value < 0.01:
        return "under 1 %" if value > 1e-9 else "0 %"
    if 0.99 < value < 1:
        return "over 99 %" if value < 1 - 1e-9 else "100 %"
    return f"{100 * value:.0f} %"


def percent_between(low: float, high: float, error: float = 0.0) -> str:
    """A band of probabilities: "12-40 %"."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return UNKNOWN
    step = 1 if not error >= 0.05 else 5 if error < 0.15 else 10
    a, b = (step * round(100 * x / step) for x in (low, high))
    return f"{a} %" if a == b else f"{a}–{b} %"


def in_worlds(share: float, worlds: int) -> str:
    """A share of the worlds' weight as a desk officer would say it."""
    if not math.isfinite(share):
        return "in an unknown share of worlds"
    if worlds == 1:
        return "in the one world drawn" if share > 0.5 else "not in the one world drawn"
    if share >= 1 - 1e-9:
        return f"in all {worlds} worlds"
    if share <= 1e-9:
        return f"in none of {worlds} worlds"
    tenths = round(10 * share)
    if tenths in (0, 10):
        return "in fewer than 1 of 20 worlds" if tenths == 0 else "in more than 19 of 20 worlds"
    return f"in {tenths} of 10 worlds"


def count(number: float, unit: str) -> str:
    """A number of things with its noun: 1 month, 3 months."""
    return f"{number:g} {unit}" if number == 1 else f"{number:g} {unit.removesuffix('s')}s"
