"""GeniusWeb JSON: a domain, and a linear additive profile for each party.

A profile holds its domain too, so that profiles alone are enough. The utility of the reservation
bid is the reservation value; without one, there is none. Weights and utilities are as written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from servanda.errors import QuestionError
from servanda.tables.points.model import MAX_OPTIONS, STEPS, Issue, Party, Table
from servanda.tables.points.reading import Place, Reader, fail

WHAT = "a GeniusWeb file is a domain with issuesValues, or a LinearAdditiveUtilitySpace"
PROFILE = "LinearAdditiveUtilitySpace"


def load(paths: list[Path]) -> Table:
    """A table from profiles, and a domain among them if there is one.

    Raises:
        ScenarioError: what is wrong, with its place.
    """
    domain: Reader | None = None
    profiles = []
    for path in paths:
        reader = Reader(path, WHAT)
        if PROFILE in reader.data:
            profiles.append(reader)
        elif "issuesValues" in reader.data:
            if domain is not None:
                fail(path, 1, 1, f"a second domain; the first is {domain.file}")
            domain = reader
        else:
            key = next(iter(reader.data), "")
            reader.fail(
                (key,) if key else (), f"unknown '{key[:60]}'; {WHAT}", key, (PROFILE,), on_key=True
            )
    if not profiles:
        fail(paths[0], 0, 0, "a domain without profiles: name the parties' profiles too")
    if domain is not None:
        issues = _issues(domain, ())
        title = str(domain.data.get("name", domain.file.stem))
    else:
        place: Place = (PROFILE, "domain")
        profiles[0].mapping(place)
        issues = _issues(profiles[0], place)
        title = str(profiles[0].get((*place, "name")) or profiles[0].file.stem)
    parties = tuple(_party(reader, issues) for reader in profiles)
    names = [party.name for party in parties]
    for name, reader in zip(names, profiles, strict=True):
        if names.count(name) > 1:
            reader.fail((PROFILE, "name"), f"two profiles are called '{name}'", name)
    return Table(issues, parties, title=title)


def _issues(reader: Reader, at: Place) -> tuple[Issue, ...]:
    place = (*at, "issuesValues")
    out = []
    for name in reader.mapping(place):
        values = reader.mapping((*place, name), ("values", "range"))
        if "values" in values:
            listed = reader.items((*place, name, "values"))
            options = [reader.name((*place, name, "values", j)) for j in range(len(listed))]
            if not options or len(set(options)) < len(options):
                reader.fail((*place, name), f"issue '{name}': no values, or a value twice", name)
            out.append(Issue(name, tuple(options)))
        else:
            out.append(_range(reader, (*place, name, "range"), name))
    if not out:
        reader.fail(place, "no issues", "")
    return tuple(out)


def _range(reader: Reader, place: Place, name: str) -> Issue:
    if len(reader.items(place)) != 3:
        reader.fail(place, "a range is [lowest, highest, step]")
    low, high, step = (reader.number((*place, j)) for j in range(3))
    if step <= 0 or high < low:
        reader.fail(place, f"the range {low:g} to {high:g} in steps of {step:g} is empty")
    count = int((high - low) / step + 1e-9) + 1
    levels: np.ndarray = low + step * np.arange(min(count, MAX_OPTIONS))
    if count > MAX_OPTIONS:
        levels = np.linspace(low, high, STEPS)
    return Issue(name, tuple(f"{x:.10g}" for x in levels), "continuous", levels)


def _party(reader: Reader, issues: tuple[Issue, ...]) -> Party:
    space = reader.mapping((PROFILE,))
    if "issueUtilities" not in space:
        reader.fail((PROFILE,), "a profile needs issueUtilities", on_key=True)
    names = [issue.name for issue in issues]
    utilities = reader.mapping((PROFILE, "issueUtilities"), names)
    weights: dict[str, Any] = {}
    if "issueWeights" in space:
        weights = reader.mapping((PROFILE, "issueWeights"), names)
    worth = []
    for issue in issues:
        if issue.name not in utilities:
            reader.fail(
                (PROFILE, "issueUtilities"), f"no utilities of issue '{issue.name}'", issue.name
            )
        weight = (
            reader.number((PROFILE, "issueWeights", issue.name)) if issue.name in weights else 0.0
        )
        if "issueWeights" not in space:
            weight = 1.0
        worth.append(weight * _values(reader, (PROFILE, "issueUtilities", issue.name), issue))
    name = reader.name((PROFILE, "name")) if space.get("name") else reader.file.stem
    party = Party(name, tuple(worth))
    bid = space.get("reservationBid")
    if bid in (None, {}):
        return party
    place = (PROFILE, "reservationBid", "issuevalues")
    chosen = reader.mapping(place, names)
    total = 0.0
    for k, issue in enumerate(issues):
        if issue.name not in chosen:
            reader.fail(place, f"the reservation bid leaves issue '{issue.name}' open", issue.name)
        total += float(worth[k][_option(reader, (*place, issue.name), issue)])
    return Party(name, tuple(worth), reservation=total)


def _values(reader: Reader, place: Place, issue: Issue) -> np.ndarray:
    """What the options are worth: written as {discreteutils: {valueUtilities}} or
    {DiscreteValueSetUtilities: ...}, and the like for numbers."""
    kinds = ("discreteutils", "DiscreteValueSetUtilities", "numberutils", "NumberValueSetUtilities")
    found = reader.mapping(place, kinds)
    if len(found) != 1:
        reader.fail(place, f"issue '{issue.name}' needs discreteutils or numberutils", issue.name)
    kind = next(iter(found))
    if kind.lower().startswith("discrete"):
        at = (*place, kind, "valueUtilities")
        given = reader.mapping(at)
        out = np.zeros(len(issue.options))
        for option in given:
            if option not in issue.options:
                reader.fail(
                    (*at, option), f"'{option[:60]}' is not a value of issue '{issue.name}'",
                    option, issue.options, on_key=True,
                )  # fmt: skip
            out[issue.options.index(option)] = reader.number((*at, option))
        return out  # a value that is not named is worth 0, as in GeniusWeb
    if issue.levels is None:
        reader.fail(place, f"issue '{issue.name}' has no range, but numberutils", issue.name)
    reader.mapping((*place, kind), ("lowValue", "lowUtility", "highValue", "highUtility"))
    low, u_low, high, u_high = (
        reader.number((*place, kind, key))
        for key in ("lowValue", "lowUtility", "highValue", "highUtility")
    )
    if high <= low:
        reader.fail((*place, kind), f"lowValue {low:g} is not below highValue {high:g}")
    return u_low + (u_high - u_low) * (issue.levels - low) / (high - low)


def _option(reader: Reader, place: Place, issue: Issue) -> int:
    text = reader.name(place)
    try:
        return issue.option(text)
    except QuestionError:
        reader.fail(
            place, f"'{text[:60]}' is not a value of issue '{issue.name}'", text, issue.options
        )
