"""Which numbers does a scenario rest on, and how uncertain is each?

In come the numbers of a scenario file in any of their forms; out go assumptions (every number
that is uncertain, has a name or has a reason), hypotheses, and formulas over assumptions for the
places where the numbers stand. Ranges are checked over everything a number can be.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, cast

from pydantic import BaseModel

from servanda.errors import FormulaError
from servanda.scenario.distributions import PARAMETERS, Distribution, Kind, fault, fixed
from servanda.scenario.document import Path, dotted
from servanda.scenario.formulas import Formula, constant, evaluate, parse_formula, substitute
from servanda.scenario.model import Assumption, Hypothesis
from servanda.scenario.names import Names
from servanda.scenario.schema import HypothesisSection, Valued

# Corners of the assumptions in a formula are all tried up to this many assumptions.
MAX_CORNERS = 6

# Cycles are found one at a time; a file with more of them is told of the rest when it comes back.
MAX_CYCLES = 30


@dataclass
class Numbers:
    """The assumptions and hypotheses of one scenario, and formulas for its numbers.

    `promoted` are the automatic names of plain numbers that must be assumptions, because a lever
    changes them.
    """

    names: Names
    promoted: frozenset[str] = frozenset()
    assumptions: dict[str, Assumption] = field(default_factory=dict)
    hypotheses: dict[str, dict[str, Hypothesis]] = field(default_factory=dict)

    # --- assumptions and hypotheses ---------------------------------------------------------

    def declare_assumptions(
        self, section: Mapping[str, Any], groups: Mapping[str, Mapping[str, HypothesisSection]]
    ) -> None:
        """Take the names and distributions of both sections; formulas become derived."""
        formulas: dict[str, str] = {}
        for name, raw in section.items():
            path: Path = ("assumptions", name)
            self.names.own(name, "assumption", path)
            self.names.declare(name, "assumption", path)
            if isinstance(raw, str):
                formulas[name] = raw
            else:
                self._assume(name, raw, path)
        for group, members in groups.items():
            self._hypotheses(group, members, formulas)
        self._derive(formulas)

    def _hypotheses(
        self, group: str, members: Mapping[str, HypothesisSection], formulas: Mapping[str, str]
    ) -> None:
        document = self.names.document
        weights = self._weights(group, members)
        read: dict[str, Hypothesis] = {}
        for hypothesis, section in members.items():
            sets: dict[str, Distribution] = {}
            for name, raw in (section.__pydantic_extra__ or {}).items():
                path: Path = ("hypotheses", group, hypothesis, name)
                if isinstance(raw, str):
                    document.report(
                        path, f"{dotted(path)} should be a number or a range, not a formula"
                    )
                    sets[name] = fixed(0.0)
                    continue
                distribution = self._distribution(raw, path)
                if distribution is not None:
                    sets[name] = distribution
            read[hypothesis] = Hypothesis(
                hypothesis, weights[hypothesis], sets, section.why, section.source
            )
        self.hypotheses[group] = read
        for name in dict.fromkeys(name for h in read.values() for name in h.sets):
            self._set_by_group(group, read, name, formulas)

    def _set_by_group(
        self,
        group: str,
        members: dict[str, Hypothesis],
        name: str,
        formulas: Mapping[str, str],
    ) -> None:
        document = self.names.document
        setters = [h for h in members.values() if name in h.sets]
        path: Path = ("hypotheses", group, setters[0].name, name)
        if name in formulas:
            document.report(
                path, f"'{name}' follows from other assumptions; set those instead", on_key=True
            )
            return
        known = self.assumptions.get(name)
        if known is not None and known.group is not None:
            document.report(
                path,
                f"'{name}' is set by the hypotheses of {known.group} too; one group may set it",
                on_key=True,
            )
            return
        if known is not None:
            self.assumptions[name] = replace(known, group=group)
            return
        if self.names.is_tolerated(name):
            return
        if len(setters) < len(members):
            without = next(h.name for h in members.values() if name not in h.sets)
            document.report(
                path,
                f"'{name}' is not set by {group}.{without}; set it there or give it a value "
                "under assumptions",
                text=name,
                known=[n for n in self.assumptions if n != name],
                on_key=True,
            )
        if not _is_name(name):
            document.report(path, f"'{name}' is not the name of an assumption", on_key=True)
            return
        self.names.own(name, "assumption", path)
        self.names.declare(name, "assumption", path)
        heaviest = max(setters, key=lambda h: h.weight)
        self.assumptions[name] = Assumption(
            name, heaviest.sets[name], place=self._place(path), group=group
        )

    def _weights(self, group: str, members: Mapping[str, HypothesisSection]) -> dict[str, float]:
        """The weights given; those left out share what remains alike."""
        given = {name: s.weight for name, s in members.items() if s.weight is not None}
        left = len(members) - len(given)
        total = math.fsum(given.values())
        rest = max(1.0 - total, 0.0) / left if left else 0.0
        weights = {name: given.get(name, rest) for name in members}
        total = math.fsum(weights.values())
        if not abs(total - 1.0) < 1e-6:
            self.names.document.report(
                ("hypotheses", group),
                f"the weights of {group} sum to {total:g}, not to 1",
                on_key=True,
            )
            return dict.fromkeys(members, 1.0 / len(members))
        return {name: weight / total for name, weight in weights.items()}

    def _derive(self, formulas: Mapping[str, str]) -> None:
        """Put derived assumptions into one another, so that each reads only base ones."""
        parsed = {
            name: self.names.read(("assumptions", name), text, "constant")
            for name, text in formulas.items()
        }
        graph = {name: formula.names & formulas.keys() for name, formula in parsed.items()}
        for name in sorted_or_reported(graph, self.names, "assumptions"):
            try:
                self.names.derived[name] = substitute(parsed[name], self.names.derived)
            except FormulaError as error:
                path: Path = ("assumptions", name)
                self.names.document.report(path, f"{dotted(path)}: {error.message}")
                self.names.derived[name] = constant(0.0)

    # --- numbers where they stand -----------------------------------------------------------

    def declare_inline(self, path: Path, raw: Any, name: str) -> None:
        """Make an uncertain or reasoned number an assumption under its automatic name."""
        if isinstance(raw, str) or raw is None:
            return
        if not isinstance(raw, int | float) or name in self.promoted:
            self.names.declare(name, "assumption", path)
            self.names.used.add(name)
            self._assume(name, raw, path)

    def number(
        self,
        path: Path,
        raw: Any,
        name: str,
        *,
        low: float = -math.inf,
        high: float = math.inf,
        infinite: bool = False,
    ) -> Formula:
        """The formula of a number, checked to lie between `low` and `high` whatever happens."""
        if name in self.assumptions and not isinstance(raw, str):
            formula = parse_formula(name)
        elif isinstance(raw, str):
            found = len(self.names.document.findings)
            formula = self.names.read(path, raw, "constant")
            if len(self.names.document.findings) > found:
                return formula  # a stand-in: nothing can be said of its bounds
        elif isinstance(raw, int | float):
            formula = constant(raw)
        else:
            return constant(0.0)  # a distribution whose parameters were reported
        self._check_bounds(path, formula, low, high, infinite)
        return formula

    def greatest(self, formula: Formula) -> float:
        """The greatest value a formula of assumptions takes, over the corners of their support."""
        return max(value for value, _ in self._values(formula))

    def _check_bounds(
        self, path: Path, formula: Formula, low: float, high: float, infinite: bool
    ) -> None:
        for i, (value, where) in enumerate(self._values(formula)):
            if i == 0 and not (math.isfinite(value) or (infinite and value > 0)):
                said = "is no finite number"
            elif value < low or value > high:
                bounds = (
                    f"at least {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}"
                )
                said = f"must be {bounds}, but {'can be' if formula.names else 'is'} {value:g}"
            else:
                continue
            self.names.document.report(path, f"{dotted(path)} {said}{where}")
            return

    def _values(self, formula: Formula) -> Iterator[tuple[float, str]]:
        """Values at the modes (first), then at corners, each with the words that say where."""
        names = sorted(formula.names)
        ends = {name: self._support(name) for name in names}
        modes = {name: self.assumptions[name].distribution.mode for name in names}
        yield float(evaluate(formula, modes)), ""
        if not names:
            return
        if len(names) <= MAX_CORNERS:
            corners = [dict(zip(names, x)) for x in itertools.product(*ends.values())]
        else:
            corners = [{**modes, name: end} for name in names for end in ends[name]]
            corners += [{name: ends[name][side] for name in names} for side in (0, 1)]
        alone = formula.names == {formula.text}
        for corner in corners:
            at = ", ".join(f"{name} = {value:g}" for name, value in corner.items())
            value = float(evaluate(formula, corner))
            if alone or not math.isnan(value):
                yield value, "" if alone and "." in formula.text else f" when {at}"

    def _support(self, name: str) -> tuple[float, float]:
        assumption = self.assumptions[name]
        every = [assumption.distribution]
        if assumption.group is not None:
            sets = [h.sets.get(name) for h in self.hypotheses[assumption.group].values()]
            found = [d for d in sets if d is not None]
            every = found if len(found) == len(sets) else [*found, assumption.distribution]
        return min(d.low for d in every), max(d.high for d in every)

    def _assume(self, name: str, raw: Any, path: Path) -> None:
        distribution = self._distribution(raw, path)
        if distribution is None:
            # Its mistake is reported; a stand-in lets the formulas that read it be checked.
            self.names.tolerate([name])
            self.names.kinds.pop(name, None)
            return
        why, source = getattr(raw, "why", ""), getattr(raw, "source", "")
        self.assumptions[name] = Assumption(name, distribution, why, source, self._place(path))

    def _distribution(self, raw: Any, path: Path) -> Distribution | None:
        distribution = distribution_of(raw)
        problem = fault(distribution)
        if problem:
            self.names.document.report(path, f"{dotted(path)}: {problem}")
            return None
        return distribution

    def _place(self, path: Path) -> str:
        line, column = self.names.document.place(path)
        return f"{self.names.document.name}:{line}:{column}"


def distribution_of(raw: Any) -> Distribution:
    """The distribution that a number of a file stands for (formulas excepted)."""
    if isinstance(raw, Valued):
        return distribution_of(raw.value)
    if isinstance(raw, list):
        return Distribution("pert", dict(zip(("low", "mode", "high"), map(float, raw))))
    if isinstance(raw, BaseModel):
        kind = cast(Kind, raw.distribution)  # type: ignore[attr-defined]
        wanted = dict.fromkeys((*PARAMETERS[kind], "low", "high"))
        found = {key: getattr(raw, key, None) for key in wanted}
        return Distribution(kind, {k: float(v) for k, v in found.items() if v is not None})
    return fixed(raw)


def interval(path: Path, ends: Sequence[float], names: Names) -> tuple[float, float]:
    """Two finite numbers, the first below the second; otherwise reported, and 0 to 1."""
    low, high = ends
    if math.isfinite(low) and math.isfinite(high) and low < high:
        return float(low), float(high)
    names.document.report(path, f"{dotted(path)} must rise, but is [{low:g}, {high:g}]")
    # Nothing that stands in a range without extent can be checked against it.
    names.document.damaged.add((*path[:-1], "start"))
    return 0.0, 1.0


def sorted_or_reported(
    graph: Mapping[str, frozenset[str] | set[str]],
    names: Names,
    section: str,
    fault: str = "is defined by itself",
) -> list[str]:
    """Definitions in an order in which each reads only earlier ones; a cycle is reported."""
    left = {name: set(reads) for name, reads in graph.items()}
    rank = {name: i for i, name in enumerate(graph)}
    for _ in range(MAX_CYCLES):
        try:
            return list(TopologicalSorter(left).static_order())
        except CycleError as error:
            cycle: list[str] = list(reversed(error.args[1]))[:-1]
            i = cycle.index(min(cycle, key=rank.__getitem__))
            around = [*cycle[i:], *cycle[:i]]
            shown = around if len(around) <= 8 else [*around[:4], "…", around[-1]]
            names.document.report(
                (section, around[0]),
                f"'{around[0]}' {fault}: {' → '.join([*shown, around[0]])}",
                text=around[0],
                on_key=True,
            )
            left[around[0]] = set()
    return list(graph)


def _is_name(text: str) -> bool:
    return text.isidentifier() and text.isascii() and not text.startswith("_")
