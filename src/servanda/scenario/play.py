"""Who decides what, and in which order within a period?

In come the sections `moves` and `order`; out come decisions in their order of play and the stages
they are taken in. A decision reads only what is known when it is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from servanda.errors import FormulaError
from servanda.scenario.document import Path, dotted
from servanda.scenario.formulas import Formula, substitute
from servanda.scenario.model import Decision
from servanda.scenario.names import Names
from servanda.scenario.numbers import interval
from servanda.scenario.schema import NumericSection, OptionDetail, OptionsSection

# Words that say which form a decision has, so no decision can bear them as a name.
_FORMS = ("options", "range", "steps", "when")


@dataclass(frozen=True)
class Draft:
    """A decision as declared: its options' details and the places of its formulas."""

    key: str
    party: str
    name: str | None
    path: Path
    options: tuple[str, ...]
    labels: tuple[str, ...]
    values: tuple[float, ...] | None
    when: tuple[Path, Any] | None
    option_when: tuple[tuple[Path, Any] | None, ...]

    def bare(self) -> Decision:
        """The decision before its conditions are read."""
        return Decision(
            self.key,
            self.party,
            self.name,
            self.options,
            self.values,
            None,
            (None,) * len(self.options),
            self.labels,
        )


def declare_moves(moves: Mapping[str, Any], names: Names, parties: Sequence[str]) -> list[Draft]:
    """Take every decision, and the names by which formulas read its options."""
    drafts: list[Draft] = []
    for party, section in moves.items():
        if party not in parties:
            names.document.report(
                ("moves", party),
                f"unknown party '{party}' in moves",
                text=party,
                known=parties,
                on_key=True,
            )
            names.tolerate([party])
            continue
        drafts += _of_party(party, section, names)
    for draft in drafts:
        for i, indicator in enumerate(draft.bare().indicators):
            path = (*draft.path, i) if draft.values is None else draft.path
            names.declare(indicator, "move", path)
    return drafts


def _of_party(party: str, section: Any, names: Names) -> Iterator[Draft]:
    path: Path = ("moves", party)
    if not isinstance(section, dict):
        yield _draft(party, None, section, path, names)
        return
    for name, decision in section.items():
        inner: Path = (*path, name)
        if name in _FORMS:
            names.document.report(
                inner, f"'{name}' says how a decision is written and cannot name one", on_key=True
            )
        yield _draft(party, name, decision, inner, names)


def _draft(party: str, name: str | None, section: Any, path: Path, names: Names) -> Draft:
    key = party if name is None else f"{party}.{name}"
    when = None
    if isinstance(section, OptionsSection | NumericSection) and section.when is not None:
        when = ((*path, "when"), section.when)
    if isinstance(section, NumericSection):
        values = _steps(section, path, names)
        texts = tuple(f"{value:g}" for value in values)
        return Draft(key, party, name, path, texts, texts, values, when, (None,) * len(values))
    listed = section.options if isinstance(section, OptionsSection) else section
    if isinstance(section, OptionsSection):
        path = (*path, "options")
    options: list[str] = []
    labels: list[str] = []
    conditions: list[tuple[Path, Any] | None] = []
    for i, item in enumerate(listed):
        detail: OptionDetail = next(iter(item.values())) if isinstance(item, dict) else _PLAIN
        option: str = next(iter(item)) if isinstance(item, dict) else item
        if option in options:
            names.document.report(
                (*path, i), f"option '{option}' stands twice in {dotted(path)}", text=option
            )
            continue
        options.append(option)
        labels.append(detail.label or option)
        conditions.append(
            None if detail.when is None else ((*path, i, option, "when"), detail.when)
        )
    return Draft(
        key, party, name, path, tuple(options), tuple(labels), None, when, tuple(conditions)
    )


_PLAIN = OptionDetail()


def _steps(section: NumericSection, path: Path, names: Names) -> tuple[float, ...]:
    low, high = interval((*path, "range"), section.range, names)
    last = section.steps - 1
    # Twelve digits, so that a step of 0.1 is 0.3 and not 0.30000000000000004.
    return tuple(float(f"{low + (high - low) * i / last:.12g}") for i in range(last + 1))


# --- order ----------------------------------------------------------------------------------


def order_of_play(
    order: Sequence[str | list[str]] | None, drafts: Sequence[Draft], names: Names
) -> tuple[list[Draft], tuple[tuple[int, ...], ...]]:
    """The decisions in order of play, and the stages as indices into them."""
    if order is None:
        return list(drafts), tuple((i,) for i in range(len(drafts)))
    played: list[Draft] = []
    first: dict[str, Path] = {}
    stages: list[tuple[int, ...]] = []
    for i, item in enumerate(order):
        stage: list[int] = []
        together = isinstance(item, list)
        for j, ref in enumerate(_listed(item)):
            path: Path = ("order", i, j) if together else ("order", i)
            found = _referred(ref, drafts)
            if not found and not names.is_tolerated(ref):
                names.document.report(
                    path,
                    f"'{ref}' in order is no party with moves and no decision",
                    text=ref,
                    known=dict.fromkeys(name for d in drafts for name in (d.party, d.key)),
                )
            for draft in found:
                if draft.key in first:
                    names.document.report(
                        path, f"'{draft.key}' is decided twice in order", text=ref
                    )
                    continue
                first[draft.key] = path
                if not together:
                    stages.append((len(played),))
                stage.append(len(played))
                played.append(draft)
        if together and stage:
            stages.append(tuple(stage))
    # After a word that means nothing, what seems left out is most likely what was meant.
    unclear = any(path[0] == "order" for path in names.document.damaged) or any(
        not _referred(ref, drafts) for item in order for ref in _listed(item)
    )
    for draft in drafts:
        if draft.key not in first:
            if not unclear:
                names.document.report(
                    ("order",), f"order leaves out '{draft.key}'", text=draft.key, on_key=True
                )
            stages.append((len(played),))
            played.append(draft)
    return played, tuple(stages)


def _listed(item: str | list[str]) -> list[str]:
    return item if isinstance(item, list) else [item]


def _referred(ref: str, drafts: Sequence[Draft]) -> list[Draft]:
    return [draft for draft in drafts if ref in (draft.key, draft.party)]


def read_conditions(
    played: Sequence[Draft],
    stages: Sequence[tuple[int, ...]],
    let: Mapping[str, Formula],
    names: Names,
) -> tuple[Decision, ...]:
    """The decisions with their conditions, which may read only what was decided before.

    Definitions under let are put in, so that a condition reads nothing else.
    """
    decisions: list[Decision] = []
    later = {indicator for draft in played for indicator in draft.bare().indicators}
    for stage in stages:
        for i in stage:
            key = played[i].key
            when, *option_when = (
                None if place is None else _condition(*place, key, later, let, names)
                for place in (played[i].when, *played[i].option_when)
            )
            decisions.append(replace(played[i].bare(), when=when, option_when=tuple(option_when)))
        later.difference_update(*(played[i].bare().indicators for i in stage))
    return tuple(decisions)


def _condition(
    path: Path, raw: Any, key: str, later: set[str], let: Mapping[str, Formula], names: Names
) -> Formula:
    because = f"it is not decided yet when '{key}' is"
    formula = names.read(path, raw, "choice", hidden=later, because=because)
    written = formula
    for _ in range(len(let) + 1):
        if not formula.names & let.keys():
            break
        try:
            formula = substitute(formula, let)
        except FormulaError as error:
            names.document.report(path, f"{dotted(path)}: {error.message}")
            return written
    for name in sorted(formula.names - written.names):
        kind = names.kinds.get(name)
        if name in later or kind == "breach":
            via = ", ".join(f"'{n}'" for n in sorted(written.names & let.keys()))
            reason = because if name in later else "a breach shows only after the moves"
            names.document.report(
                path, f"{dotted(path)} reads '{name}' through {via}: {reason}", text=name
            )
    return formula
