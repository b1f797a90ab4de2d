"""Charts made of characters, for a terminal or a plain log: a survival curve and a sparkline.

In come arrays; out comes text whose every line has the same width, in Unicode (braille dots for the
line, shade for the band) or in plain ASCII.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from servanda.show.marks import clean, plural, vector

_BLOCKS = "▁▂▃▄▅▆▇█"
_LEVELS = "_.-=+*#@"  # the same eight steps in ASCII
# The bit of each of a braille cell's 4 by 2 dots (Unicode 2800), by row and column.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def sparkline(values: ArrayLike, width: int = 24, *, low: float = 0.0, high: float = 1.0) -> str:
    """The values as one line of `width` blocks between `low` and `high`; unknown ones are blank."""
    return _spark(values, width, low, high, _BLOCKS)


def ascii_sparkline(
    values: ArrayLike, width: int = 24, *, low: float = 0.0, high: float = 1.0
) -> str:
    """`sparkline` in plain ASCII."""
    return _spark(values, width, low, high, _LEVELS)


def terminal_survival(
    period: ArrayLike,
    middle: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    width: int = 72,
    height: int = 11,
    *,
    unit: str = "month",
    ascii_only: bool = False,
) -> str:
    """The probability in force by period, as text: a line for the middle, shade for the band.

    Args:
        period: periods since signature, shape [period], increasing.
        middle: probability in force, shape [period], 0 to 1.
        low: lower edge of the band over worlds, shape [period].
        high: upper edge of the band, shape [period].
        width: of the whole text, in characters; at least 14.
        height: of the drawn area, in lines; made odd, so that 50 % falls on a line.
        unit: the name of one period.
        ascii_only: leave out block and braille characters.
    """
    at = vector(period)
    columns, rows = max(width - 6, 8), max(height, 3) | 1
    fine = 1 if ascii_only else 2
    x = _places(at, columns * fine)
    line, floor, top = (_sampled(at, vector(v), x) for v in (middle, low, high))
    cells = _shaded(floor, top, rows, columns, fine, ":" if ascii_only else "░")
    if ascii_only:
        _draw_stars(cells, line, rows)
    else:
        _draw_dots(cells, line, rows, columns)
    labels = {0: "100 %", rows // 2: "50 %", rows - 1: "0 %"}
    marked, plain, corner, flat, tick = "||+-+" if ascii_only else "┤│└─┬"
    lines = [
        f"{labels.get(row, ''):>5}{marked if row in labels else plain}{''.join(cell)}"
        for row, cell in enumerate(cells)
    ]
    lines += _period_axis(at, columns, corner, flat, tick, clean(unit, 20))
    return "\n".join(text.ljust(columns + 6) for text in lines)


def _places(at: np.ndarray, count: int) -> np.ndarray:
    """The periods under each of `count` columns; a single period stands in the first."""
    if at.size == 0:
        return np.full(count, np.nan)
    if at.size == 1:
        return np.where(np.arange(count) == 0, at[0], np.nan)
    return np.linspace(at[0], at[-1], count)


def _sampled(at: np.ndarray, values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Values at the places x, clipped to 0..1; unknown where a neighbour is."""
    if at.size == 0:
        return np.full(x.shape, np.nan)
    return np.clip(np.where(np.isfinite(x), np.interp(x, at, values), np.nan), 0, 1)


def _shaded(
    floor: np.ndarray, top: np.ndarray, rows: int, columns: int, fine: int, shade: str
) -> list[list[str]]:
    """The drawn area with the band: a cell is shaded when its middle lies inside it."""
    cells = [[" "] * columns for _ in range(rows)]
    for column in range(columns):
        a, b = floor[column * fine], top[column * fine]
        if not (math.isfinite(a) and math.isfinite(b)):
            continue
        for row in range(rows):
            if a <= 1 - row / (rows - 1) <= b:
                cells[row][column] = shade
    return cells


def _draw_stars(cells: list[list[str]], line: np.ndarray, rows: int) -> None:
    before: int | None = None
    for column, value in enumerate(line):
        if not math.isfinite(value):
            before = None
            continue
        row = round((1 - value) * (rows - 1))
        for between in _steps(before, row):
            cells[between][column] = "*"
        before = row


def _draw_dots(cells: list[list[str]], line: np.ndarray, rows: int, columns: int) -> None:
    bits = np.zeros((rows, columns), dtype=int)
    before: int | None = None
    for fine_column, value in enumerate(line):
        if not math.isfinite(value):
            before = None
            continue
        dot = round(4 * (1 - value) * (rows - 1) + 1.5)  # 0 and 1 lie at a line's middle
        for between in _steps(before, dot):
            bits[between // 4, fine_column // 2] |= _DOTS[between % 4][fine_column % 2]
        before = dot
    lone = int(np.isfinite(line).sum()) == 1  # one braille dot is easily overlooked
    for row, column in np.argwhere(bits):
        cells[row][column] = "●" if lone else chr(0x2800 + bits[row, column])


def _steps(before: int | None, now: int) -> range:
    """From the last place (left out) to this one, so that a steep line has no gaps."""
    if before is None or before == now:
        return range(now, now + 1)
    return range(before + 1, now + 1) if now > before else range(now, before)


def _period_axis(
    at: np.ndarray, columns: int, corner: str, flat: str, tick: str, unit: str
) -> list[str]:
    """The base line with its ticks, their periods below, and the unit."""
    ruler, numbers = [flat] * columns, [" "] * (columns + 6)
    known = at[np.isfinite(at)]
    free = 0
    for value in _ticks(known, columns // 10):
        share = (value - known[0]) / (known[-1] - known[0]) if known.size > 1 else 0.0
        column = round(share * (columns - 1))
        label = f"{value:g}"
        start = min(6 + column - (len(label) - 1) // 2, columns + 6 - len(label))
        if start < free:
            continue
        ruler[column] = tick
        numbers[start : start + len(label)] = label
        free = start + len(label) + 1
    caption = f"{plural(unit)} since signature"[: columns + 6]
    return [f"{'':5}{corner}{''.join(ruler)}", "".join(numbers), f"{caption:>{columns + 6}}"]


def _ticks(at: np.ndarray, most: int) -> list[float]:
    """At most about `most` round values (1, 2, 5, 6, 12 times a power of ten) along the periods."""
    if at.size == 0:
        return []
    extent = float(at[-1] - at[0])
    if extent <= 0:
        return [float(at[0])]
    steps = (k * 10.0**e for e in range(-6, 9) for k in (1, 2, 5))
    step = next(s for s in steps if extent / s <= max(most, 1))
    first = math.ceil(float(at[0]) / step)
    return [k * step for k in range(first, math.floor(float(at[-1]) / step) + 1)]


def _spark(values: ArrayLike, width: int, low: float, high: float, marks: str) -> str:
    given = vector(values)
    place = np.arange(given.size, dtype=float)
    shown = given
    if given.size > width:
        shown = np.interp(np.linspace(0, given.size - 1, width), place, given)
    scaled = (shown - low) / (high - low) if high > low else np.zeros_like(shown)
    return "".join(
        marks[min(max(int(v * len(marks)), 0), len(marks) - 1)] if math.isfinite(v) else " "
        for v in scaled
    ).ljust(width)
