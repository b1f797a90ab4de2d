"""NegMAS YAML: a domain file of issues, and one utility function for each party.

Read are linear additive, affine and hyper-rectangle functions with table, linear, affine,
quadratic, constant and identity value functions. NegMAS's number of levels for continuous issues
is left aside: they are cut as everywhere else here.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from servanda.errors import QuestionError
from servanda.tables.points.model import Box, Issue, Party, Table
from servanda.tables.points.reading import Place, Reader, fail

WHAT = "a NegMAS file is a domain with issues, or a utility function with a type"
FUNCTIONS = (
    "LinearAdditiveUtilityFunction",
    "LinearUtilityFunction",
    "AffineUtilityFunction",
    "HyperRectangleUtilityFunction",
)
VALUES = ("TableFun", "LinearFun", "AffineFun", "QuadraticFun", "ConstFun", "IdentityFun")


def load(paths: list[Path]) -> Table:
    """A table from a domain and utility functions.

    Raises:
        ScenarioError: what is wrong, with its place.
    """
    readers = [Reader(path, WHAT) for path in paths]
    domains = [r for r in readers if isinstance(r.get(("issues",)), list)]
    if len(domains) != 1:
        fail(paths[0], 0, 0, f"{len(domains)} NegMAS domains among the files; one is needed")
    domain = domains[0]
    functions = [r for r in readers if r is not domain]
    if not functions:
        fail(domain.file, 0, 0, "a domain without utility functions: name the parties' files too")
    issues = tuple(_issue(domain, ("issues", k)) for k in range(len(domain.items(("issues",)))))
    parties: list[Party] = []
    for reader in functions:
        party = _party(reader, issues)
        if any(party.name == other.name for other in parties):
            party = Party(
                reader.file.stem, party.worth, party.base, (), party.boxes, party.reservation
            )
        parties.append(party)
    return Table(issues, tuple(parties), title=domain.file.stem)


def is_negmas(data: dict[str, Any]) -> bool:
    """Whether the top of a file looks like NegMAS's."""
    return isinstance(data.get("issues"), list) or (
        "type" in data and "parties" not in data and "issues" not in data
    )


def _type(reader: Reader, place: Place) -> str:
    return reader.name((*place, "type")).rsplit(".", 1)[-1]


def _issue(reader: Reader, place: Place) -> Issue:
    reader.mapping(place)
    name = reader.name((*place, "name"))
    kind = _type(reader, place) if reader.get((*place, "type")) else "CategoricalIssue"
    at = (*place, "values")
    values = reader.get(at)
    try:
        if isinstance(values, int) and not isinstance(values, bool):
            return Issue.integer(name, 0, values - 1)
        listed = reader.items(at)
        if kind in ("ContiguousIssue", "ContinuousIssue") and len(listed) == 2:
            if kind == "ContiguousIssue":
                return Issue.integer(name, reader.whole((*at, 0)), reader.whole((*at, 1)))
            return Issue.continuous(name, reader.number((*at, 0)), reader.number((*at, 1)))
        options = tuple(reader.name((*at, j)) for j in range(len(listed)))
        numbers = [x for x in listed if isinstance(x, (int, float)) and not isinstance(x, bool)]
        if numbers and len(numbers) == len(listed):
            return Issue(name, options, "integer", np.array(numbers, float))
        return Issue(name, options)
    except QuestionError as error:
        reader.fail(place, str(error), name)


def _party(reader: Reader, issues: tuple[Issue, ...]) -> Party:
    if reader.get(("type",)) is None:
        reader.fail((), f"neither issues nor a type; {WHAT}")
    kind = _type(reader, ())
    if kind not in FUNCTIONS:
        reader.fail(
            ("type",), f"the utility function '{kind[:60]}' is not read",
            kind, FUNCTIONS,
        )  # fmt: skip
    name = reader.name(("name",)) if reader.get(("name",)) else reader.file.stem
    base = reader.number(("bias",)) if reader.get(("bias",)) is not None else 0.0
    boxes: tuple[Box, ...] = ()
    worth = tuple(np.zeros(len(issue.options)) for issue in issues)
    if kind == "HyperRectangleUtilityFunction":
        boxes = _boxes(reader, issues)
    elif kind == "LinearAdditiveUtilityFunction":
        worth = tuple(
            _weight(reader, k, issue) * _values(reader, _entry(reader, "values", k, issue), issue)
            for k, issue in enumerate(issues)
        )
    else:
        worth = tuple(
            _weight(reader, k, issue) * _numbers(reader, ("weights",), issue)
            for k, issue in enumerate(issues)
        )
    party = Party(name, worth, base, (), boxes)
    reserved = -math.inf
    if reader.get(("reserved_value",)) is not None:
        reserved = reader.number(("reserved_value",), finite=False)
    elif isinstance(reader.get(("reserved_outcome",)), list):
        chosen = reader.items(("reserved_outcome",))
        if len(chosen) != len(issues):
            reader.fail(("reserved_outcome",), f"{len(chosen)} options for {len(issues)} issues")
        deal = [
            _option(reader, ("reserved_outcome", k), str(reader.name(("reserved_outcome", k))), i)
            for k, i in enumerate(issues)
        ]
        reserved = float(Table(issues, (party,)).utilities(np.array([deal]))[0, 0])
    return Party(name, worth, base, (), boxes, reserved)


def _entry(reader: Reader, key: str, k: int, issue: Issue) -> Place:
    """The place of an issue's entry: lists go by order, mappings by name."""
    whole = reader.get((key,))
    if isinstance(whole, dict):
        if issue.name not in whole:
            reader.fail((key,), f"{key} has nothing for issue '{issue.name}'", issue.name, whole)
        return (key, issue.name)
    if k >= len(reader.items((key,))):
        reader.fail((key,), f"{key} has {len(whole or [])} entries, fewer than there are issues")
    return (key, k)


def _weight(reader: Reader, k: int, issue: Issue) -> float:
    if reader.get(("weights",)) is None:
        return 1.0
    return reader.number(_entry(reader, "weights", k, issue))


def _numbers(reader: Reader, place: Place, issue: Issue) -> np.ndarray:
    if issue.levels is None:
        reader.fail(place, f"issue '{issue.name}' has no numbers, but a function of numbers")
    return issue.levels


def _values(reader: Reader, place: Place, issue: Issue) -> np.ndarray:
    value = reader.get(place)
    if isinstance(value, dict) and "type" not in value:
        return _table(reader, place, issue)
    if isinstance(value, list):
        if len(value) != len(issue.options):
            reader.fail(place, f"{len(value)} values for {len(issue.options)} options")
        return np.array([reader.number((*place, j)) for j in range(len(value))])
    reader.mapping(place)
    kind = _type(reader, place)

    def parameter(name: str, default: float) -> float:
        at = (*place, name)
        return default if reader.get(at) is None else reader.number(at)

    if kind == "TableFun":
        return _table(reader, (*place, "mapping"), issue)
    if kind == "ConstFun":
        return np.full(len(issue.options), parameter("value", 0.0) + parameter("bias", 0.0))
    if kind not in VALUES:
        reader.fail(
            (*place, "type"), f"the value function '{kind[:60]}' is not read",
            kind, VALUES,
        )  # fmt: skip
    x = _numbers(reader, place, issue)
    if kind == "IdentityFun":
        return x.copy()
    if kind == "QuadraticFun":
        return parameter("a2", 0.0) * x**2 + parameter("a1", 0.0) * x + parameter("bias", 0.0)
    return parameter("slope", 1.0) * x + parameter("bias", 0.0)


def _table(reader: Reader, place: Place, issue: Issue) -> np.ndarray:
    out = np.full(len(issue.options), np.nan)
    for key in reader.mapping(place):
        out[_option(reader, (*place, key), key, issue, on_key=True)] = reader.number((*place, key))
    lacking = np.flatnonzero(np.isnan(out))
    if len(lacking):
        option = issue.options[int(lacking[0])]
        reader.fail(place, f"issue '{issue.name}': no value of '{option}'", option)
    return out


def _option(reader: Reader, place: Place, text: str, issue: Issue, *, on_key: bool = False) -> int:
    try:
        return issue.option(text)
    except QuestionError:
        reader.fail(
            place, f"'{text[:60]}' is not a value of issue '{issue.name}'",
            text, issue.options, on_key=on_key,
        )  # fmt: skip


def _boxes(reader: Reader, issues: tuple[Issue, ...]) -> tuple[Box, ...]:
    names = [issue.name for issue in issues]
    ranges = reader.items(("outcome_ranges",))
    if len(reader.items(("utilities",))) != len(ranges):
        reader.fail(("utilities",), f"{len(ranges)} boxes, but not as many utilities")
    out = []
    for b in range(len(ranges)):
        where = []
        for key in reader.mapping(("outcome_ranges", b)):
            place: Place = ("outcome_ranges", b, key)
            if key in names:
                k = names.index(key)
            elif key.isdigit() and int(key) < len(issues):
                k = int(key)
            else:
                reader.fail(place, f"there is no issue '{key[:60]}'", key, names, on_key=True)
            where.append((k, _inside(reader, place, issues[k])))
        weight = (
            reader.number(("weights", b)) if isinstance(reader.get(("weights",)), list) else 1.0
        )
        out.append(Box(tuple(where), weight * reader.number(("utilities", b))))
    return tuple(out)


def _inside(reader: Reader, place: Place, issue: Issue) -> np.ndarray:
    """One value, or a list of values; two numbers of a numeric issue are what lies between them,
    the ends left out, as NegMAS evaluates them (Genius counts the ends in)."""
    value = reader.get(place)
    if isinstance(value, list) and len(value) == 2 and issue.levels is not None:
        low, high = reader.number((*place, 0)), reader.number((*place, 1))
        return (issue.levels > low) & (issue.levels < high)
    places: list[Place] = (
        [(*place, j) for j in range(len(value))] if isinstance(value, list) else [place]
    )
    inside = np.zeros(len(issue.options), bool)
    for at in places:
        inside[_option(reader, at, reader.name(at), issue)] = True
    return inside
