"""Plain-text scoreable games: one file for each party, one line for each issue.

A line has the points of the issue's options, separated by commas; the last line is the smallest
total that the party accepts (Susskind 1985; the format of Abdelnabi et al. 2024). Issues are called
A, B, C ..., their options A1, A2 ...; a party is called after its file, or after `config.txt`
beside the files: lines of name, file, role ..., where roles p1 and p2 hold a veto.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from servanda.tables.points.model import Issue, Party, Table
from servanda.tables.points.reading import fail, read_text

VETO_ROLES = ("p1", "p2")
MAX_LINES = 2_000


def load(paths: list[Path], config: Path | None = None) -> Table:
    """A table from the files of a game.

    Raises:
        ScenarioError: a line is not numbers, or the parties disagree on the options.
    """
    scores = {path.stem: _scores(path) for path in paths}
    if len(scores) < len(paths):
        fail(paths[0], 0, 0, "two files of the same name")
    names = {stem: stem for stem in scores}
    order = list(scores)
    vetoes: tuple[str, ...] = ()
    if config is not None:
        order, names, vetoes = _config(config, list(scores))
    first = order[0]
    sizes = [len(line) for line in scores[first][0]]
    by_stem = {path.stem: path for path in paths}
    for stem, (lines, _, places) in scores.items():
        if len(lines) != len(sizes):
            fail(
                by_stem[stem], places[-1], 1,
                f"{len(lines)} issues, where {by_stem[first].name} has {len(sizes)}",
            )  # fmt: skip
        for k, (line, size) in enumerate(zip(lines, sizes, strict=True)):
            if len(line) != size:
                fail(
                    by_stem[stem], places[k], 1,
                    f"{len(line)} options of issue {_letter(k)}, where "
                    f"{by_stem[first].name} has {size}",
                )  # fmt: skip
    issues = tuple(
        Issue(_letter(k), tuple(f"{_letter(k)}{j + 1}" for j in range(size)))
        for k, size in enumerate(sizes)
    )
    parties = tuple(
        Party(
            names[stem],
            tuple(np.array(line) for line in scores[stem][0]),
            reservation=scores[stem][1],
        )
        for stem in order
    )
    folder = paths[0].parent
    title = (folder.parent if folder.name == "scores_files" else folder).name
    return Table(issues, parties, vetoes=vetoes, title=title)


def _scores(path: Path) -> tuple[list[list[float]], float, list[int]]:
    """The points of each issue, the minimum, and the line of each issue."""
    rows: list[list[float]] = []
    places: list[int] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        if len(rows) > MAX_LINES:
            fail(path, number, 1, f"more than {MAX_LINES:,} lines")
        row = []
        column = 1
        for part in line.split(","):
            try:
                value = float(part) if len(part) < 100 else math.nan
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                blank = len(part) - len(part.lstrip())
                said = (
                    f"'{part.strip()[:60]}' is not a finite number"
                    if part.strip()
                    else ("nothing between two commas, or after the last")
                )
                fail(path, number, column + blank, said, part.strip())
            row.append(value)
            column += len(part) + 1
        rows.append(row)
        places.append(number)
    if len(rows) < 2:
        fail(path, 0, 0, "a score file has a line for each issue, and the minimum on the last")
    if len(rows[-1]) != 1:
        fail(
            path, places[-1], 1,
            f"the last line is the minimum acceptance, one number, not {len(rows[-1])}",
        )  # fmt: skip
    return rows[:-1], rows[-1][0], places


def _config(path: Path, stems: list[str]) -> tuple[list[str], dict[str, str], tuple[str, ...]]:
    order: list[str] = []
    names: dict[str, str] = {}
    vetoes = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        parts = [part.strip() for part in line.split(",")]
        if not any(parts):
            continue
        if len(parts) < 2 or not parts[0]:
            fail(path, number, 1, "a line of config.txt is name, file, role", line.strip())
        if parts[1] not in stems:
            at = line.find(parts[1]) + 1 if parts[1] else 1
            fail(path, number, at, f"there is no score file '{parts[1]}'", parts[1], stems)
        if parts[1] in order:
            fail(path, number, 1, f"'{parts[1]}' is there twice", parts[1])
        order.append(parts[1])
        names[parts[1]] = parts[0]
        if len(parts) > 2 and parts[2] in VETO_ROLES:
            vetoes.append(parts[0])
    if not order:
        fail(path, 1, 1, "config.txt names no party")
    return order, names, tuple(vetoes)


def _letter(k: int) -> str:
    text = ""
    k += 1
    while k:
        k, rest = divmod(k - 1, 26)
        text = chr(65 + rest) + text
    return text
