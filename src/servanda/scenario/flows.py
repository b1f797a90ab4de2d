"""What flows, and what does each party make of it?

In come the sections `parties`, `stocks`, `phases`, `let` and `interests`; out come their checked
counterparts for the game.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from servanda.scenario.document import Path
from servanda.scenario.formulas import Formula, evaluate
from servanda.scenario.model import Party, Phase, Stock, Terminal
from servanda.scenario.names import Names
from servanda.scenario.numbers import Numbers, interval, sorted_or_reported
from servanda.scenario.schema import NUMBER_KEYS, PartySection, PhaseSection, StockSection

MAX_DISTURBANCES = 12
"""Independent ones, in all: a period's values are averaged over twice as many draws."""

OWN = "own"
"""How a stock's own disturbance is called under its `shock`."""


# --- parties --------------------------------------------------------------------------------


def declare_parties(parties: Mapping[str, PartySection], names: Names, numbers: Numbers) -> None:
    """Take the parties' names and make their uncertain numbers assumptions."""
    for name, section in parties.items():
        path: Path = ("parties", name)
        names.own(name, "party", path)
        names.declare(f"refused_by.{name}", "regime", path)
        for key in ("patience", "acuity", "stakes"):
            numbers.declare_inline((*path, key), getattr(section, key), f"{name}.{key}")


def read_parties(
    parties: Mapping[str, PartySection],
    terminal: Terminal,
    names: Names,
    numbers: Numbers,
) -> dict[str, Party]:
    """The parties, each with a patience that suits the terminal value."""
    found: dict[str, Party] = {}
    for name, section in parties.items():
        path: Path = ("parties", name)
        patience = numbers.number(
            (*path, "patience"), section.patience, f"{name}.patience", low=0.0, high=1.0
        )
        if terminal != "zero" and numbers.greatest(patience) == 1.0:
            names.document.report(
                (*path, "patience"),
                f"the patience of '{name}' can reach 1; keep it below 1, or write terminal: zero",
            )
        acuity = numbers.number(
            (*path, "acuity"), section.acuity, f"{name}.acuity", low=0.0, infinite=True
        )
        stakes = None
        if section.stakes is not None:
            stakes = numbers.number((*path, "stakes"), section.stakes, f"{name}.stakes", low=0.0)
        found[name] = Party(name, section.label or name, patience, acuity, stakes)
    return found


# --- stocks and phases ----------------------------------------------------------------------


def declare_stocks(stocks: Mapping[str, StockSection], names: Names, numbers: Numbers) -> None:
    """Take the stocks' names and make their uncertain numbers assumptions."""
    for name, section in stocks.items():
        path: Path = ("stocks", name)
        names.own(name, "stock", path)
        names.declare(name, "stock", path)
        numbers.declare_inline((*path, "start"), section.start, f"{name}.start")
    first: dict[str, Path] = {}
    for name, section in stocks.items():
        for source, place, raw, called in _loadings(name, section):
            numbers.declare_inline(place, raw, called)
            if source != OWN:
                names.own(source, "disturbance", first.setdefault(source, place))


def read_stocks(
    stocks: Mapping[str, StockSection], names: Names, numbers: Numbers
) -> dict[str, Stock]:
    """The stocks, each starting within its range."""
    found: dict[str, Stock] = {}
    for name, section in stocks.items():
        path: Path = ("stocks", name)
        low, high = interval((*path, "range"), section.range, names)
        start = numbers.number((*path, "start"), section.start, f"{name}.start", low=low, high=high)
        shock: dict[str, Formula] = {}
        for source, place, raw, called in _loadings(name, section):
            if source in NUMBER_KEYS:
                # without its damaged kind, a distribution only looks like disturbances
                if (*place[:-1], "distribution") not in names.document.damaged:
                    names.document.report(
                        place,
                        f"'{source}' is a key of numbers and cannot name a disturbance in "
                        f"stocks.{name}.shock; a number with a reason has 'value' too",
                        on_key=True,
                    )
                continue
            least = 0.0 if source == OWN else -math.inf
            disturbance = name if source == OWN else source
            shock[disturbance] = numbers.number(place, raw, called, low=least)
        following = names.read((*path, "next"), section.next, "flow")
        found[name] = Stock(
            name,
            section.label or name,
            start,
            following,
            low,
            high,
            section.levels,
            shock,
            section.why,
            section.source,
        )
    _count_disturbances(found, names)
    return found


def _loadings(name: str, section: StockSection) -> list[tuple[str, Path, Any, str]]:
    """Of every disturbance of a stock, its own being `OWN`: its name, where its number stands, what
    stands there, and the automatic name of that number."""
    path: Path = ("stocks", name, "shock")
    raw = section.shock
    if raw is None:
        return []
    if not isinstance(raw, dict):
        return [(OWN, path, raw, f"{name}.shock")]
    return [(key, (*path, key), value, f"{name}.shock.{key}") for key, value in raw.items()]


def _count_disturbances(stocks: Mapping[str, Stock], names: Names) -> None:
    """Report the first stock with which there are too many independent disturbances."""
    known: set[str] = set()
    for name, stock in stocks.items():
        known |= stock.shock.keys()
        if len(known) > MAX_DISTURBANCES:
            names.document.report(
                ("stocks", name, "shock"),
                f"with stocks.{name}.shock there are {len(known)} independent disturbances; at "
                f"most {MAX_DISTURBANCES} may be, so let stocks share some: "
                "shock: {NAME: 0.1}",
                on_key=True,
            )
            return


def declare_phases(phases: Mapping[str, PhaseSection], names: Names) -> None:
    """Take the phases' names and the indicator of each value."""
    for name, section in phases.items():
        path: Path = ("phases", name)
        names.own(name, "phase", path)
        for i, value in enumerate(section.values):
            if value in section.values[:i]:
                names.document.report(
                    (*path, "values", i), f"'{value}' stands twice in phases.{name}.values"
                )
            else:
                names.declare(f"{name}.{value}", "phase", (*path, "values", i))


def read_phases(phases: Mapping[str, PhaseSection], names: Names) -> dict[str, Phase]:
    """The phases with the probabilities of moving on."""
    found: dict[str, Phase] = {}
    for name, section in phases.items():
        path: Path = ("phases", name)
        values = tuple(dict.fromkeys(section.values))
        start = values[0] if section.start is None else section.start
        if start not in values:
            names.document.report(
                (*path, "start"),
                f"'{start}' is no value of phases.{name}",
                text=start,
                known=values,
            )
            start = values[0]
        following: dict[str, Formula] = {}
        for value, raw in section.next.items():
            inner: Path = (*path, "next", value)
            if value not in values:
                names.document.report(
                    inner,
                    f"'{value}' is no value of phases.{name}",
                    text=value,
                    known=values,
                    on_key=True,
                )
            formula = names.read(inner, raw, "flow")
            if value in values:
                following[value] = formula
        _check_probabilities(path, following, names)
        found[name] = Phase(name, values, values.index(start), following)
    return found


def _check_probabilities(path: Path, following: Mapping[str, Formula], names: Names) -> None:
    """Numbers can be checked now; formulas only when the game is played."""
    plain = {v: float(evaluate(f, {})) for v, f in following.items() if not f.names}
    for value, probability in plain.items():
        if not 0.0 <= probability <= 1.0:
            names.document.report(
                (*path, "next", value), f"the probability of '{value}' is {probability:g}"
            )
            return
    if math.fsum(plain.values()) > 1.0 + 1e-9:
        names.document.report(
            (*path, "next"),
            f"the probabilities of phases.{path[-1]}.next sum to {math.fsum(plain.values()):g}",
            on_key=True,
        )


# --- definitions and interests --------------------------------------------------------------


def declare_let(let: Mapping[str, Any], names: Names) -> None:
    """Take the names of the definitions."""
    for name in let:
        names.own(name, "definition", ("let", name))
        names.declare(name, "definition", ("let", name))


def read_let(let: Mapping[str, Any], names: Names) -> dict[str, Formula]:
    """The definitions, sorted so that each reads only earlier ones."""
    read = {name: names.read(("let", name), raw, "flow") for name, raw in let.items()}
    graph = {name: formula.names & read.keys() for name, formula in read.items()}
    return {name: read[name] for name in sorted_or_reported(graph, names, "let")}


def read_interests(
    interests: Mapping[str, Mapping[str, Any]], parties: Sequence[str], names: Names
) -> dict[str, dict[str, Formula]]:
    """What each party gets a period, by interest; a party without interests gets nothing."""
    found: dict[str, dict[str, Formula]] = {party: {} for party in parties}
    for party, flows in interests.items():
        if party not in found:
            names.document.report(
                ("interests", party),
                f"unknown party '{party}' in interests",
                text=party,
                known=parties,
                on_key=True,
            )
        for name, raw in flows.items():
            formula = names.read(("interests", party, name), raw, "flow")
            if party in found:
                found[party][name] = formula
    return found
