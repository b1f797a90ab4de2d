"""The project's own file of a negotiation over points: YAML with issues, parties, constraints.

issues:
  wage: [low, middle, high]
  days: {integer: [0, 5]}
  price: {continuous: [0, 100], steps: 101}
parties:
  union:
    reservation: 40
    weights: {wage: 2}
    values: {wage: {low: 0, middle: 10, high: 20}, days: {slope: 3}, price: 0}
    pairs: [{when: {wage: high, days: 5}, worth: -4}]
    bonuses: [{when: {wage: [middle, high], days: {from: 2, to: 5}}, worth: 6}]
constraints:
  - never: {wage: high, days: 5}
  - {if: {wage: high}, then: {days: [0, 1]}}
  - {sum: {days: 1, price: 0.1}, max: 10}
vetoes: [union]
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np

from servanda.errors import QuestionError
from servanda.tables.points.model import STEPS, Box, Budget, Issue, Pair, Party, Table, Where
from servanda.tables.points.reading import Place, Reader
from servanda.tables.sections import title_of

WHAT = "a table of points is a mapping with issues and parties"
SECTIONS = ("title", "source", "notes", "issues", "parties", "constraints", "vetoes")
PARTY = ("label", "reservation", "discount", "base", "weights", "values", "pairs", "bonuses")


def load(path: Path) -> Table:
    """A table from the project's own YAML.

    Raises:
        ScenarioError: what is wrong, with its place.
    """
    return read(Reader(path, WHAT))


def read(reader: Reader) -> Table:
    """A table from a file that has been read as YAML: by itself, or a section of a scenario."""
    reader.enter("points")
    reader.mapping((), SECTIONS)
    if "issues" not in reader.data or "parties" not in reader.data:
        reader.fail((), f"no '{'parties' if 'issues' in reader.data else 'issues'}'; {WHAT}")
    issues = tuple(_issue(reader, name) for name in reader.mapping(("issues",)))
    if not issues:
        reader.fail(("issues",), "no issues")
    parties = tuple(_party(reader, name, issues) for name in reader.mapping(("parties",)))
    if not parties:
        reader.fail(("parties",), "no parties")
    forbidden: list[Where] = []
    budgets: list[Budget] = []
    if reader.data.get("constraints") is not None:
        for c in range(len(reader.items(("constraints",)))):
            _constraint(reader, ("constraints", c), issues, forbidden, budgets)
    vetoes = []
    if reader.data.get("vetoes") is not None:
        names = [party.name for party in parties]
        for v in range(len(reader.items(("vetoes",)))):
            name = reader.name(("vetoes", v))
            if name not in names:
                reader.fail(("vetoes", v), f"there is no party '{name[:60]}'", name, names)
            vetoes.append(name)
    title = title_of(reader.document) or reader.file.stem
    if reader.data.get("title"):
        title = reader.name(("title",))
    try:
        return Table(issues, parties, tuple(forbidden), tuple(budgets), tuple(vetoes), title)
    except QuestionError as error:
        reader.fail((), str(error))


def _issue(reader: Reader, name: str) -> Issue:
    place: Place = ("issues", name)
    value = reader.get(place)
    try:
        if isinstance(value, dict):
            reader.mapping(place, ("integer", "continuous", "steps"))
            kind = "integer" if "integer" in value else "continuous"
            bounds = reader.items((*place, kind))
            if len(bounds) != 2:
                reader.fail((*place, kind), f"{kind}: [lowest, highest]")
            if kind == "integer":
                at = (*place, kind)
                return Issue.integer(name, reader.whole((*at, 0)), reader.whole((*at, 1)))
            steps = reader.whole((*place, "steps")) if "steps" in value else STEPS
            low, high = reader.number((*place, kind, 0)), reader.number((*place, kind, 1))
            return Issue.continuous(name, low, high, steps)
        options = tuple(reader.name((*place, j)) for j in range(len(reader.items(place))))
        first: dict[str, int] = {}
        for j, option in enumerate(options):
            if first.setdefault(option, j) < j:
                reader.fail((*place, j), f"issue '{name}': '{option[:60]}' is there twice")
        if not options:
            reader.fail(place, f"issue '{name}': no options", name)
        return Issue(name, options)
    except QuestionError as error:
        reader.fail(place, str(error), name)


def _party(reader: Reader, name: str, issues: tuple[Issue, ...]) -> Party:
    place: Place = ("parties", name)
    given = reader.mapping(place, PARTY)
    names = [issue.name for issue in issues]
    if "values" not in given and "bonuses" not in given and "pairs" not in given:
        reader.fail(place, f"{name} has no values", name, on_key=True)
    values = reader.mapping((*place, "values"), names) if "values" in given else {}
    weights = reader.mapping((*place, "weights"), names) if "weights" in given else {}
    worth = []
    for issue in issues:
        if issue.name not in values and "values" in given:
            reader.fail(
                (*place, "values"),
                f"{name} has no values of '{issue.name}'; if it does not care, {issue.name}: 0",
                issue.name,
                on_key=True,
            )
        each = np.zeros(len(issue.options))
        if issue.name in values:
            each = _values(reader, (*place, "values", issue.name), issue)
        weight = reader.number((*place, "weights", issue.name)) if issue.name in weights else 1.0
        worth.append(weight * each)

    def number(key: str, default: float, *, finite: bool = True) -> float:
        if given.get(key) is None:
            return default
        return reader.number((*place, key), finite=finite)

    discount = number("discount", 1.0)
    if not 0 < discount <= 1:
        reader.fail((*place, "discount"), f"discount {discount:g} is not above 0 and up to 1")
    return Party(
        name,
        tuple(worth),
        number("base", 0.0),
        tuple(_pairs(reader, (*place, "pairs"), issues) if given.get("pairs") else ()),
        tuple(_bonuses(reader, (*place, "bonuses"), issues) if given.get("bonuses") else ()),
        number("reservation", -math.inf, finite=False),
        discount,
    )


def _values(reader: Reader, place: Place, issue: Issue) -> np.ndarray:
    """A number for all; a list in the order of the options; a mapping of options; or, of numbers,
    {slope, intercept} or {points: [[x, y], ...]}, straight between the points."""
    value = reader.get(place)
    if isinstance(value, list):
        if len(value) != len(issue.options):
            reader.fail(place, f"{len(value)} values for the {len(issue.options)} options")
        return np.array([reader.number((*place, j)) for j in range(len(value))])
    if not isinstance(value, dict):
        return np.full(len(issue.options), reader.number(place))
    numeric = set(value) & {"slope", "intercept", "points"}
    if numeric and not set(value) & set(issue.options):
        reader.mapping(place, ("slope", "intercept", "points"))
        if issue.levels is None:
            reader.fail(place, f"the options of '{issue.name}' are no numbers", issue.name)
        if "points" in value:
            return _through(reader, (*place, "points"), issue.levels)
        slope = reader.number((*place, "slope")) if "slope" in value else 0.0
        intercept = reader.number((*place, "intercept")) if "intercept" in value else 0.0
        return slope * issue.levels + intercept
    out = np.full(len(issue.options), np.nan)
    for key in value:
        out[_option(reader, (*place, key), key, issue, on_key=True)] = reader.number((*place, key))
    lacking = np.flatnonzero(np.isnan(out))
    if len(lacking):
        option = issue.options[int(lacking[0])]
        reader.fail(place, f"no value of '{option}' of '{issue.name}'", option)
    return out


def _through(reader: Reader, place: Place, levels: np.ndarray) -> np.ndarray:
    xs, ys = [], []
    for j in range(len(reader.items(place))):
        if len(reader.items((*place, j))) != 2:
            reader.fail((*place, j), "a point is [number, value]")
        xs.append(reader.number((*place, j, 0)))
        ys.append(reader.number((*place, j, 1)))
    if len(xs) < 2 or any(b <= a for a, b in pairwise(xs)):
        reader.fail(place, "points need two or more numbers that rise")
    return np.interp(levels, xs, ys)


def _where(reader: Reader, place: Place, issues: tuple[Issue, ...]) -> Where:
    names = [issue.name for issue in issues]
    out = []
    for name in reader.mapping(place, names):
        k = names.index(name)
        out.append((k, _allowed(reader, (*place, name), issues[k])))
    if not out:
        reader.fail(place, "no condition")
    return tuple(out)


def _allowed(reader: Reader, place: Place, issue: Issue) -> np.ndarray:
    """One option, a list of options, or {from, to} in the order of the options."""
    value = reader.get(place)
    inside = np.zeros(len(issue.options), bool)
    if isinstance(value, dict):
        reader.mapping(place, ("from", "to"))
        low, high = 0, len(issue.options) - 1
        if "from" in value:
            low = _option(reader, (*place, "from"), reader.name((*place, "from")), issue)
        if "to" in value:
            high = _option(reader, (*place, "to"), reader.name((*place, "to")), issue)
        if low > high:
            reader.fail(place, f"'from' comes after 'to' in the order of '{issue.name}'")
        inside[low : high + 1] = True
        return inside
    places: list[Place] = (
        [(*place, j) for j in range(len(value))] if isinstance(value, list) else [place]
    )
    if not places:
        reader.fail(place, "an empty list of options")
    for at in places:
        inside[_option(reader, at, reader.name(at), issue)] = True
    return inside


def _option(reader: Reader, place: Place, text: str, issue: Issue, *, on_key: bool = False) -> int:
    try:
        return issue.option(text)
    except QuestionError:
        reader.fail(
            place, f"'{text[:60]}' is not an option of '{issue.name}'",
            text, issue.options, on_key=on_key,
        )  # fmt: skip


def _pairs(reader: Reader, place: Place, issues: tuple[Issue, ...]) -> list[Pair]:
    """What two options are worth together; entries on the same two issues are added up."""
    found: dict[tuple[int, int], np.ndarray] = {}
    for j in range(len(reader.items(place))):
        reader.mapping((*place, j), ("when", "worth"))
        where = _where(reader, (*place, j, "when"), issues)
        if len(where) != 2:
            reader.fail((*place, j, "when"), "a pair names two issues; use bonuses for more")
        (a, first), (b, second) = sorted(where, key=lambda x: x[0])
        matrix = found.setdefault((a, b), np.zeros((len(first), len(second))))
        matrix += np.outer(first, second) * reader.number((*place, j, "worth"))
    return [Pair(a, b, matrix) for (a, b), matrix in found.items()]


def _bonuses(reader: Reader, place: Place, issues: tuple[Issue, ...]) -> list[Box]:
    out = []
    for j in range(len(reader.items(place))):
        reader.mapping((*place, j), ("when", "worth"))
        where = _where(reader, (*place, j, "when"), issues)
        out.append(Box(where, reader.number((*place, j, "worth"))))
    return out


def _constraint(
    reader: Reader,
    place: Place,
    issues: tuple[Issue, ...],
    forbidden: list[Where],
    budgets: list[Budget],
) -> None:
    given = reader.mapping(place, ("never", "if", "then", "sum", "min", "max"))
    if "never" in given:
        reader.mapping(place, ("never",))
        forbidden.append(_where(reader, (*place, "never"), issues))
    elif "if" in given:
        reader.mapping(place, ("if", "then"))
        when = dict(_where(reader, (*place, "if"), issues))
        for k, allowed in _where(reader, (*place, "then"), issues):
            narrowed = {**when, k: when.get(k, np.ones(len(allowed), bool)) & ~allowed}
            forbidden.append(tuple(narrowed.items()))
    elif "sum" in given:
        reader.mapping(place, ("sum", "min", "max"))
        if "min" not in given and "max" not in given:
            reader.fail(place, "a sum needs min, max or both")
        names = [issue.name for issue in issues]
        costs = []
        for name in reader.mapping((*place, "sum"), names):
            k = names.index(name)
            at = (*place, "sum", name)
            if isinstance(reader.get(at), (dict, list)):
                costs.append((k, _values(reader, at, issues[k])))
                continue
            levels = issues[k].levels
            if levels is None:
                reader.fail(at, f"the options of '{name}' are no numbers: give each its cost", name)
            costs.append((k, reader.number(at) * levels))
        low = reader.number((*place, "min"), finite=False) if "min" in given else -math.inf
        high = reader.number((*place, "max"), finite=False) if "max" in given else math.inf
        budgets.append(Budget(tuple(costs), low, high))
    else:
        reader.fail(place, "a constraint is never, if and then, or sum with min or max")
