"""How does a file become a table? CSV, KTAB's own CSV, or YAML; every mistake with its place.

A CSV file has a header: `actor`, `capability`, and a `position` and a `salience`, or for several
dimensions `position tax`, `salience tax`, `position aid`, ... Lines that begin with `#` are
remarks; some are read: `# title: …`, `# unit: …`, `# source: …`, `# scale: 0 100`,
`# scale tax: 0 100`, `# salience: share` or `percent`.
"""

from __future__ import annotations

import csv
import itertools
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from servanda.errors import Finding, QuestionError, ScenarioError
from servanda.tables.spatial.table import LARGEST, MAX_ACTORS, MAX_DIMENSIONS, Table, ends

MAX_BYTES: Final = 1_000_000
MAX_NAME: Final = 80
MAX_LINE: Final = 20_000  # characters: fifty dimensions need a tenth of it

_CAPABILITY: Final = ("capability", "power", "influence", "clout", "resources")
_ACTOR: Final = ("actor", "name", "party", "player")
_IGNORED: Final = ("description", "desc", "note", "notes", "source", "why", "group")
_NUMBER: Final = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_REMARK: Final = re.compile(r"#\s*(title|unit|source|salience|scale)(\s+[^:]*)?:(.*)", re.I)


def load(source: str | os.PathLike[str], *, scale: Any = None) -> Table:
    """Read a table from a .csv, .yaml or .yml file, or from the text of a CSV file.

    A YAML file may be a scenario with a `spatial` section, or its folder. `scale` overrides the
    scale in the file. Raises ScenarioError, whose findings are all mistakes of the file.
    """
    if isinstance(source, str) and "\n" in source:
        return loads(source, scale=scale)
    path = Path(source)
    if path.is_dir():
        path = path / "scenario.yaml"
    name = "".join(c if c.isprintable() else "?" for c in str(path))[:200]
    try:
        if not path.exists():
            raise ScenarioError([_missing(path)])
        if not path.is_file():
            raise ScenarioError([Finding(name, 0, 0, "is not a file")])
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ScenarioError([Finding(name, 0, 0, f"cannot be read: {reason}")]) from None
    if len(content) > MAX_BYTES:
        raise ScenarioError([Finding(name, 0, 0, f"the file is longer than {MAX_BYTES:,} bytes")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        place = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = f"the byte 0x{content[error.start]:02X} is not UTF-8; save the file as UTF-8"
        raise ScenarioError([Finding(name, *place, message)]) from None
    if path.suffix.lower() in (".yaml", ".yml"):
        from servanda.tables.spatial.load_yaml import loads_yaml

        return loads_yaml(text, name, scale=scale)
    return loads(text, name, scale=scale)


def loads(text: str, name: str = "table", *, scale: Any = None) -> Table:
    """Read a table from the text of a CSV file; `name` stands for the file in findings."""
    if len(text) > MAX_BYTES:
        raise ScenarioError([Finding(name, 0, 0, f"the file is longer than {MAX_BYTES:,} bytes")])
    draft = _Draft(name)
    rows = _rows(text, draft)
    if rows and _is_ktab(rows):
        _read_ktab(rows, draft)
    elif rows:
        _read_rows(rows, draft)
    elif not draft.findings:
        draft.report(1, 1, "the file has no header; it begins with: actor, capability, position, "
                           "salience")  # fmt: skip
    return draft.table(scale)


@dataclass(frozen=True)
class Cell:
    """A field of a line: what is in it, and the column where it begins."""

    text: str
    column: int


@dataclass(frozen=True)
class Row:
    line: int
    cells: tuple[Cell, ...]


@dataclass
class _Draft:
    """A table being read."""

    name: str
    findings: list[Finding] = field(default_factory=list)
    actors: list[str] = field(default_factory=list)
    dimensions: list[str] = field(default_factory=list)
    position: list[list[float]] = field(default_factory=list)
    salience: list[list[float]] = field(default_factory=list)
    capability: list[float] = field(default_factory=list)
    places: dict[tuple[str, int, int], tuple[int, int]] = field(default_factory=dict)
    scales: dict[str, tuple[float, float, int]] = field(default_factory=dict)  # "" is all
    percent: bool | None = None
    words: dict[str, str] = field(default_factory=dict)

    def report(self, line: int, column: int, message: str, text: str = "", near: str = "") -> None:
        if len(self.findings) < 100:
            clean = "".join(c if c.isprintable() else "?" for c in message)
            self.findings.append(Finding(self.name, line, column, clean, text[:200], near))

    def number(self, cell: Cell, line: int, what: str) -> float:
        """The number in a cell; nan after a complaint."""
        text = cell.text.strip()
        if not text:
            self.report(line, cell.column, f"the {what} is missing")
        elif len(text) <= 60 and _NUMBER.fullmatch(text):
            value = float(text)
            if abs(value) <= LARGEST:
                return value
            self.report(line, cell.column, f"the {what} {text[:30]} is too large", text)
        elif re.fullmatch(r"[-+]?[0-9]{1,20},[0-9]{1,20}", text):
            point = text.replace(",", ".")
            said = f"the {what} '{text[:30]}' has a comma; write {point[:30]}"
            self.report(line, cell.column, said, text)
        else:
            self.report(line, cell.column, f"the {what} '{text[:30]}' is not a number", text)
        return math.nan

    def table(self, scale: Any) -> Table:
        """The table, if nothing is wrong with it."""
        if not self.findings:
            self.check()
        if self.findings:
            raise ScenarioError(sorted(self.findings, key=lambda f: (f.line, f.column)))
        x, s = np.array(self.position), np.array(self.salience)
        notes: tuple[str, ...] = ()
        if self.in_percent(s):
            s = s / 100
            notes = ("Salience was read as per cent.",)
        try:
            low, high = ends(x, scale if scale is not None else self.scale(x), self.dimensions)
            return Table(
                tuple(self.actors), tuple(self.dimensions), x, s, np.array(self.capability),
                low, high, title=self.words.get("title", ""), unit=self.words.get("unit", ""),
                source=self.words.get("source", ""), notes=notes,
            )  # fmt: skip
        except QuestionError as error:
            raise ScenarioError([Finding(self.name, 0, 0, str(error))]) from None

    def in_percent(self, salience: np.ndarray) -> bool:
        return self.percent if self.percent is not None else bool((salience > 1).any())

    def scale(self, x: np.ndarray) -> np.ndarray | None:
        """The scales that remarks give; a dimension without one runs from lowest to highest."""
        if not self.scales:
            return None
        pairs = []
        for k, dimension in enumerate(self.dimensions):
            given = self.scales.get(dimension, self.scales.get(""))
            if given is not None:
                pairs.append(given[:2])
            else:
                pairs.append(tuple(e[0] for e in ends(x[:, k : k + 1], None, [dimension])))
        return np.array(pairs)

    def check(self) -> None:
        """What is wrong with numbers that are numbers, at the place of each."""
        if len(self.actors) < 2:
            some = "one actor" if self.actors else "no actors"
            self.report(0, 0, f"the table has {some}; it needs at least two")
            return
        seen: dict[str, int] = {}
        s = np.array(self.salience)
        percent = self.in_percent(s)
        most = 100.0 if percent else 1.0
        for i, actor in enumerate(self.actors):
            if actor in seen:
                self.report(*self.places["actor", i, 0], f"the actor '{actor}' is there twice, "
                            f"first in line {seen[actor]}", actor)  # fmt: skip
            seen.setdefault(actor, self.places["actor", i, 0][0])
            c = self.capability[i]
            if c <= 0:
                self.report(*self.places["capability", i, 0],
                            f"the capability of '{actor}' is {c:g}; it must be above 0, or leave "
                            "the actor out")  # fmt: skip
            for k, dimension in enumerate(self.dimensions):
                value = self.salience[i][k]
                place = self.places["salience", i, k]
                if value < 0 or value > most:
                    ends_ = "0 to 100 per cent" if percent else "0 to 1"
                    self.report(*place, f"the salience {value:g} of '{actor}' is not from {ends_}")
                elif percent and self.percent is None and 0 < value < 1:
                    said = f"the salience {value:g} of '{actor}' stands next to per cent"
                    self.report(*place, f"{said}; say '# salience: percent' or '# salience: share'")
                given = self.scales.get(dimension, self.scales.get(""))
                x = self.position[i][k]
                if given is not None and not given[0] <= x <= given[1]:
                    self.report(*self.places["position", i, k],
                                f"the position {x:g} of '{actor}' is outside the scale "
                                f"{given[0]:g} to {given[1]:g}")  # fmt: skip
            if not any(self.salience[i]):
                self.report(*self.places["salience", i, 0],
                            f"'{actor}' has no salience at all; leave the actor out")  # fmt: skip
        for dimension, (_, _, line) in self.scales.items():
            if dimension and dimension not in self.dimensions:
                from servanda.scenario.document import nearest

                near = nearest(dimension, self.dimensions)
                self.report(line, 1, f"there is no dimension '{dimension}'", dimension, near)

    def remark(self, line: int, text: str) -> None:
        """A line that begins with #: perhaps the scale, the unit, the title."""
        found = _REMARK.fullmatch(text.strip()) if len(text) <= 500 else None
        if not found:
            return
        key, which, value = found[1].lower(), (found[2] or "").strip(), found[3].strip()
        if key == "salience":
            if value.lower() not in ("share", "shares", "percent", "per cent", "%"):
                self.report(
                    line, 1, f"'# salience: {value[:30]}' is neither share nor percent", value
                )
            self.percent = not value.lower().startswith("share")
        elif key == "scale":
            parts = re.split(r"[\s,;]+|\bto\b|\.\.", value)
            numbers = [p for p in parts if p]
            if len(numbers) != 2 or not all(_NUMBER.fullmatch(p) for p in numbers):
                self.report(line, 1, f"the scale '{value[:30]}' is not two numbers: # scale: 0 100",
                            value)  # fmt: skip
                return
            low, high = (float(p) for p in numbers)
            if not low < high or max(abs(low), abs(high)) > LARGEST:
                self.report(line, 1, f"a scale from {low:g} to {high:g} has no length", value)
                return
            self.scales[which] = (low, high, line)
        else:
            self.words[key] = value[:200]


def _rows(text: str, draft: _Draft) -> list[Row]:
    """The lines that are not empty or remarks, cut into cells with their columns."""
    lines = re.split(r"\r\n|\n|\r", text)
    first = next((t for t in lines if t.strip() and not t.lstrip().startswith("#")), "")
    counts = {d: first.count(d) for d in ",;\t"}
    delimiter = max(counts, key=lambda d: counts[d])
    found = []
    for number, line in enumerate(lines, 1):
        if "\x00" in line:
            draft.report(number, line.index("\x00") + 1, "a zero byte: this is not a text file")
            return []
        if len(line) > MAX_LINE:
            draft.report(number, 1, f"the line is longer than {MAX_LINE:,} characters")
            return []
        if line.lstrip().startswith("#"):
            draft.remark(number, line)
        elif line.strip(" \t" + delimiter):
            cells = _cells(line, delimiter)
            if cells is None:
                draft.report(number, line.index('"') + 1, "a quotation mark that is never closed",
                             line[:80])  # fmt: skip
            else:
                found.append(Row(number, cells))
    return found


def _cells(line: str, delimiter: str) -> tuple[Cell, ...] | None:
    """The fields of a line, RFC 4180 quotes understood; None if a quote is left open."""
    starts, quoted, begin = [0], False, True
    for at, c in enumerate(line):
        if c == '"' and (quoted or begin or line[starts[-1] : at].strip() == ""):
            quoted = not quoted
        elif c == delimiter and not quoted:
            starts.append(at + 1)
            begin = True
            continue
        begin = False
    if quoted:
        return None
    bounds = [*starts, len(line) + 1]
    cells = []
    for a, b in itertools.pairwise(bounds):
        raw = line[a : b - 1]
        text = raw.strip()
        if text.startswith('"'):
            text = next(csv.reader([text], delimiter=delimiter), [""])[0].strip()
        cells.append(Cell(text, a + 1 + len(raw) - len(raw.lstrip())))
    return tuple(cells)


def _kind(head: str) -> tuple[str, str]:
    """What a column holds, and of which dimension ("" if it does not say)."""
    text = head.strip().lower()
    if text in _ACTOR:
        return "actor", ""
    if text in _CAPABILITY:
        return "capability", ""
    if text in _IGNORED or not text:
        return "", ""
    for kind in ("position", "salience"):
        if text.startswith(kind):
            rest = head.strip()[len(kind) :]
            if not rest or not rest[0].isalpha():
                return kind, rest.strip(" _:-.()[]")
        if text.endswith(kind):
            return kind, head.strip()[: -len(kind)].strip(" _:-.()[]")
    return "unknown", ""


def _read_rows(rows: Sequence[Row], draft: _Draft) -> None:
    """A table with a header of our own."""
    from servanda.scenario.document import nearest

    header, kinds = rows[0], []
    for cell in header.cells:
        kind, dimension = _kind(cell.text)
        kinds.append((kind, dimension))
        if kind == "unknown":
            known = ("actor", "capability", "position", "salience", *_IGNORED)
            draft.report(header.line, cell.column, f"unknown column '{cell.text[:40]}'", cell.text,
                         nearest(cell.text, known))  # fmt: skip
    columns: dict[tuple[str, str], int] = {}
    for at, (kind, dimension) in enumerate(kinds):
        if kind in ("", "unknown"):
            continue
        if (kind, dimension) in columns:
            draft.report(header.line, header.cells[at].column,
                         f"the column '{header.cells[at].text[:40]}' is there twice")  # fmt: skip
        columns[kind, dimension] = at
    dimensions = [d for k, d in columns if k == "position"]
    for kind in ("actor", "capability", "position", "salience"):
        if not any(k == kind for k, _ in columns) and not any(k == "unknown" for k, _ in kinds):
            draft.report(header.line, 1, f"there is no column '{kind}'; the header names: "
                         + ", ".join(c.text[:20] for c in header.cells[:8]))  # fmt: skip
    for kind, dimension in columns:
        pair = {"position": "salience", "salience": "position"}.get(kind)
        if pair and (pair, dimension) not in columns and any(k == pair for k, _ in columns):
            of = f" {dimension}" if dimension else ""
            at = columns[kind, dimension]
            said = f"the column '{header.cells[at].text[:40]}' has no '{pair}{of}'"
            draft.report(header.line, header.cells[at].column, said)
    if len(dimensions) > MAX_DIMENSIONS:
        draft.report(header.line, 1, f"{len(dimensions)} dimensions; a table has at most "
                     f"{MAX_DIMENSIONS}")  # fmt: skip
    if draft.findings:
        return
    draft.dimensions = [d or "position" for d in dimensions]
    pairs = [(columns["position", d], columns["salience", d]) for d in dimensions]
    _read_actors(rows[1:], draft, columns["actor", ""], columns["capability", ""], pairs,
                 len(header.cells))  # fmt: skip


def _read_actors(
    rows: Sequence[Row],
    draft: _Draft,
    actor_at: int,
    capability_at: int,
    of: Sequence[tuple[int, int]],
    width: int,
) -> None:
    if len(rows) > MAX_ACTORS:
        draft.report(rows[MAX_ACTORS].line, 1, f"{len(rows):,} actors; a table has at most "
                     f"{MAX_ACTORS}")  # fmt: skip
        return
    for row in rows:
        cells = list(row.cells)
        while len(cells) > width and not cells[-1].text:
            cells.pop()
        while len(cells) < width and len(row.cells) >= width - 1:
            cells.append(Cell("", cells[-1].column + len(cells[-1].text) + 1))
        if len(cells) != width:
            draft.report(row.line, 1, f"{len(cells)} fields where the header has {width}")
            continue
        i, name = len(draft.actors), cells[actor_at].text
        if not name:
            draft.report(row.line, cells[actor_at].column, "the name of the actor is missing")
        if len(name) > MAX_NAME or not name.isprintable():
            said = f"the name '{name[:30]}…' is longer than {MAX_NAME} letters or cannot be printed"
            draft.report(row.line, cells[actor_at].column, said)
        draft.actors.append(name)
        draft.places["actor", i, 0] = (row.line, cells[actor_at].column)
        draft.places["capability", i, 0] = (row.line, cells[capability_at].column)
        draft.capability.append(draft.number(cells[capability_at], row.line, "capability"))
        x, s = [], []
        for k, (p, q) in enumerate(of):
            of_ = f" on '{draft.dimensions[k]}'" if len(of) > 1 else ""
            x.append(draft.number(cells[p], row.line, f"position{of_}"))
            s.append(draft.number(cells[q], row.line, f"salience{of_}"))
            draft.places["position", i, k] = (row.line, cells[p].column)
            draft.places["salience", i, k] = (row.line, cells[q].column)
        draft.position.append(x)
        draft.salience.append(s)


def _is_ktab(rows: Sequence[Row]) -> bool:
    """KTAB's CSV: name, description, actors, dimensions; then a header with pairs of columns."""
    if len(rows) < 2:
        return False
    first = [c.text for c in rows[0].cells if c.text]
    second = [c.text.lower() for c in rows[1].cells]
    return (
        len(first) >= 4
        and all(re.fullmatch(r"[0-9]{1,9}", count) for count in first[-2:])
        and second[:2] == ["actor", "description"]
    )


def _read_ktab(rows: Sequence[Row], draft: _Draft) -> None:
    """KTAB's CSV; positions and salience run from 0 to 100."""
    head = [c for c in rows[0].cells if c.text]
    actors, many = int(head[-2].text), int(head[-1].text)
    draft.words["title"] = head[0].text[:200]
    draft.percent = True
    draft.scales[""] = (0.0, 100.0, rows[0].line)
    header = [c for c in rows[1].cells if c.text]
    if not 1 <= many <= MAX_DIMENSIONS:
        draft.report(rows[0].line, head[-1].column, f"{many} dimensions; a table has 1 to "
                     f"{MAX_DIMENSIONS}")  # fmt: skip
        return
    if len(header) != 3 + 2 * many:
        draft.report(rows[1].line, 1, f"{len(header)} columns; {many} dimension"
                     f"{'' if many == 1 else 's'} need {3 + 2 * many}")  # fmt: skip
        return
    if actors != len(rows) - 2:
        draft.report(rows[0].line, head[-2].column, f"the file says {actors} actors and has "
                     f"{len(rows) - 2}")  # fmt: skip
        return
    names = [header[3 + 2 * k].text[:MAX_NAME] for k in range(many)]
    draft.dimensions = names if len(set(names)) == many else [f"d{k + 1}" for k in range(many)]
    of = [(3 + 2 * k, 4 + 2 * k) for k in range(many)]
    _read_actors(rows[2:], draft, 0, 2, of, len(header))


def _missing(path: Path) -> Finding:
    from servanda.scenario.document import nearest

    folder = path.parent
    beside = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    near = nearest(path.name, beside[:1000])
    name = "".join(c if c.isprintable() else "?" for c in str(path))[:200]
    return Finding(name, 0, 0, "no such file", path.name, str(folder / near) if near else "")


def table_on(table: Table, dimension: str) -> Table:
    """The table on one of its dimensions; actors that do not care about it are left out."""
    if dimension not in table.dimensions:
        from servanda.errors import unknown

        raise unknown("dimension", dimension, table.dimensions)
    k = table.dimensions.index(dimension)
    care = np.flatnonzero(table.salience[:, k] > 0)
    return replace(
        table,
        actors=tuple(table.actors[i] for i in care),
        dimensions=(dimension,),
        position=table.position[care, k : k + 1],
        salience=table.salience[care, k : k + 1],
        capability=table.capability[care],
        low=table.low[k : k + 1],
        high=table.high[k : k + 1],
        accommodation=None
        if table.accommodation is None
        else table.accommodation[np.ix_(care, care)],
    )
