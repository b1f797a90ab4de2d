"""CSV: a table of points.

Either a row for each option, `issue,option,<party>,<party>...`, with rows `weight,<issue>,...`,
`reservation,,...` and `discount,,...`; or a row for each deal, `deal,<party>,<party>...`, with rows
`reservation,...` and `discount,...`.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np

from servanda.tables.points.model import MAX_OPTIONS, Issue, Party, Table
from servanda.tables.points.reading import fail, read_text

SPECIAL = ("weight", "reservation", "discount")


def load(path: Path) -> Table:
    """A table from a CSV file (commas, or semicolons where the first line has no comma).

    Raises:
        ScenarioError: what is wrong, with its line and column.
    """
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    header = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text), delimiter=";" if "," not in header else ",")
    try:
        rows = [(reader.line_num, [x.strip() for x in row]) for row in reader if any(row)]
    except csv.Error as error:
        fail(path, reader.line_num, 1, f"cannot be read as CSV: {error}")
    if not rows:
        fail(path, 1, 1, "the file is empty; the first line is issue,option,<party>... or deal,...")
    first = [name.lower() for name in rows[0][1]]
    by_deal = bool(first) and first[0] == "deal"
    keys = 1 if by_deal else 2
    if not by_deal and first[:2] != ["issue", "option"]:
        fail(
            path, 1, 1, f"the first line begins '{','.join(rows[0][1][:2])[:60]}'; it must be "
            "issue,option,<party>... or deal,<party>...", rows[0][1][0],
        )  # fmt: skip
    names = rows[0][1][keys:]
    if not names or not all(names) or len(set(names)) < len(names):
        fail(path, 1, 1, "every column after the first needs a party's name of its own")
    options: dict[str, list[str]] = {}
    values: dict[str, list[list[float]]] = {}
    special: dict[str, list[float]] = {}
    weights: dict[str, tuple[int, list[float]]] = {}
    for line, row in rows[1:]:
        if len(row) != len(rows[0][1]):
            fail(path, line, 1, f"{len(row)} columns; the first line has {len(rows[0][1])}")
        head = row[0].lower()
        if head in ("reservation", "discount"):
            if head in special:
                fail(path, line, 1, f"a second row '{head}'", head)
            special[head] = [_number(path, line, row, j + keys, head) for j in range(len(names))]
            continue
        numbers = [_number(path, line, row, j + keys, "") for j in range(len(names))]
        if not by_deal and head == "weight":
            weights[row[1]] = (line, numbers)
            continue
        issue, option = ("deal", row[0]) if by_deal else (row[0], row[1])
        if not issue or not option:
            fail(path, line, 1 if not issue else _column(row, 1), "a row without a name")
        listed = options.setdefault(issue, [])
        if len(listed) >= MAX_OPTIONS:
            fail(path, line, 1, f"more than {MAX_OPTIONS:,} rows for '{issue}'")
        listed.append(option)
        values.setdefault(issue, []).append(numbers)
    if not options:
        fail(path, 0, 0, "no options: only the first line, or only special rows")
    for issue, listed in options.items():
        if len(set(listed)) < len(listed):
            twice = next(x for x in listed if listed.count(x) > 1)
            at = [n for n, row in rows if row[keys - 1] == twice and (by_deal or row[0] == issue)]
            fail(path, at[1], 1, f"'{twice}' of '{issue}' twice", twice)
    for issue, (line, _) in weights.items():
        if issue not in options:
            fail(path, line, 8, f"a weight for '{issue[:60]}', which has no rows", issue, options)
    issues = tuple(_issue(name, listed) for name, listed in options.items())
    parties = []
    for i, name in enumerate(names):
        worth = tuple(
            np.array([row[i] for row in values[issue]])
            * (weights[issue][1][i] if issue in weights else 1.0)
            for issue in options
        )
        discount = special.get("discount", [1.0] * len(names))[i]
        if not 0 < discount <= 1:
            line = next(n for n, row in rows if row[0].lower() == "discount")
            fail(path, line, 1, f"discount {discount:g} of {name} is not above 0 and up to 1")
        reservation = special.get("reservation", [-math.inf] * len(names))[i]
        parties.append(Party(name, worth, reservation=reservation, discount=discount))
    return Table(issues, tuple(parties), title=path.stem)


def _issue(name: str, options: list[str]) -> Issue:
    try:
        levels = np.array([float(x) for x in options])
    except ValueError:
        return Issue(name, tuple(options))
    rising = np.isfinite(levels).all() and (np.diff(levels) > 0).all()
    return Issue(name, tuple(options), "integer", levels) if rising else Issue(name, tuple(options))


def _column(row: list[str], at: int) -> int:
    return sum(len(x) + 1 for x in row[:at]) + 1


def _number(path: Path, line: int, row: list[str], at: int, special: str) -> float:
    text = row[at]
    if not text and special == "reservation":
        return -math.inf
    if not text and special == "discount":
        return 1.0
    try:
        value = float(text) if len(text) < 100 else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        said = f"'{text[:60]}' is not a finite number" if text else "a number is missing"
        fail(path, line, _column(row, at), said, text)
    return value
