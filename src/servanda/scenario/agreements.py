"""What can be agreed, and what does each deal bind its signatories to?

In come the sections `terms`, `obligations` and `proposals`; out come terms as numbers by age,
obligations as options that may or must be chosen, and proposals in which every term has a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from servanda.scenario.document import Path, dotted, nearest
from servanda.scenario.formulas import Formula
from servanda.scenario.model import Decision, Obligation, Proposal, Remembered, Term
from servanda.scenario.names import Names
from servanda.scenario.numbers import Numbers, interval, sorted_or_reported
from servanda.scenario.schema import (
    LevelsTerm,
    ObligationSection,
    ProposalSection,
    RangeTerm,
    RememberedSection,
)

NEVER = "never"


# --- terms ----------------------------------------------------------------------------------


def declare_terms(terms: Iterable[str], names: Names) -> None:
    """Take the names of the terms."""
    for name in terms:
        names.own(name, "term", ("terms", name))
        names.declare(name, "term", ("terms", name))


def read_terms(terms: Mapping[str, LevelsTerm | RangeTerm], names: Names) -> dict[str, Term]:
    """The terms with their values by age."""
    return {
        name: (
            _ranged(name, section, names)
            if isinstance(section, RangeTerm)
            else _levelled(name, section, names)
        )
        for name, section in terms.items()
    }


def _levelled(name: str, section: LevelsTerm, names: Names) -> Term:
    path: Path = ("terms", name)
    levels = {level: _by_age(value) for level, value in section.levels.items()}
    for level, values in levels.items():
        _check_finite((*path, "levels", level), values, names)
    now = next(iter(levels)) if section.now is None else section.now
    if now not in levels:
        names.document.report(
            (*path, "now"), f"'{now}' is no level of terms.{name}", text=now, known=levels
        )
        now = next(iter(levels))
    elif len(levels[now]) > 1:
        names.document.report(
            (*path, "now") if section.now is not None else (*path, "levels", now),
            f"'{now}' is how terms.{name} stands now, so it must be one number, not a list by age",
        )
    return Term(name, levels, None, levels[now][0], section.after, section.label or name, now)


def _ranged(name: str, section: RangeTerm, names: Names) -> Term:
    path: Path = ("terms", name)
    low, high = interval((*path, "range"), section.range, names)
    if not low <= section.now <= high:
        names.document.report(
            (*path, "now"), f"{dotted(path)}.now must be between {low:g} and {high:g}"
        )
    return Term(name, {}, (low, high), section.now, section.after, section.label or name)


def _by_age(value: float | list[float]) -> tuple[float, ...]:
    return tuple(map(float, value)) if isinstance(value, list) else (float(value),)


def _check_finite(path: Path, values: Sequence[float], names: Names) -> None:
    if any(not abs(value) < 1e300 for value in values):
        names.document.report(path, f"{dotted(path)} must be a finite number")


# --- obligations ----------------------------------------------------------------------------


def declare_obligations(
    obligations: Mapping[str, ObligationSection], names: Names, numbers: Numbers
) -> None:
    """Take `broken.NAME` and `breach.NAME`, and make uncertain numbers assumptions."""
    for name, section in obligations.items():
        path: Path = ("obligations", name)
        names.declare(f"broken.{name}", "regime", path)
        names.declare(f"breach.{name}", "breach", path)
        for key in ("verified", "false_alarm"):
            numbers.declare_inline((*path, key), getattr(section, key), f"{name}.{key}")
        numbers.declare_inline((*path, "remembered"), section.remembered, f"{name}.remembered")


def read_obligations(
    obligations: Mapping[str, ObligationSection],
    decisions: Sequence[Decision],
    parties: Sequence[str],
    names: Names,
    numbers: Numbers,
) -> dict[str, Obligation]:
    """The obligations, each bound to options of its party."""
    found: dict[str, Obligation] = {}
    for name, section in obligations.items():
        path: Path = ("obligations", name)
        if section.party not in parties:
            names.document.report(
                (*path, "party"),
                f"unknown party '{section.party}' in {dotted(path)}",
                text=section.party,
                known=parties,
            )
        options = _bound_options(path, section, decisions, parties, names)
        while_ = None
        if section.while_ is not None:
            while_ = names.read((*path, "while"), section.while_, "term")
        found[name] = Obligation(
            name,
            section.party,
            "must" if section.must is not None and section.never is None else "never",
            options,
            section.by,
            while_,
            _due(path, section, obligations, names),
            section.survives,
            section.tolerance,
            _probability((*path, "verified"), section.verified, name, numbers),
            _probability((*path, "false_alarm"), section.false_alarm, name, numbers),
            section.label or name,
            _length((*path, "remembered"), section.remembered, f"{name}.remembered", numbers),
        )
    graph = {n: {o.due} & found.keys() if o.due else set() for n, o in found.items()}
    sorted_or_reported(graph, names, "obligations", "falls due on its own breach")
    return found


def _probability(path: Path, raw: Any, name: str, numbers: Numbers) -> Any:
    return numbers.number(path, raw, f"{name}.{path[-1]}", low=0.0, high=1.0)


def _length(path: Path, raw: Any, name: str, numbers: Numbers) -> Formula | None:
    """The mean length of a memory in periods, one at least."""
    if raw is None:
        return None
    return numbers.number(path, raw, name, low=1.0, infinite=True)


def _bound_options(
    path: Path,
    section: ObligationSection,
    decisions: Sequence[Decision],
    parties: Sequence[str],
    names: Names,
) -> tuple[tuple[int, int], ...]:
    where = dotted(path)
    damaged = {(*path, "never"), (*path, "must")} & names.document.damaged
    if (section.never is None) == (section.must is None) and not damaged:
        count = "neither" if section.never is None else "both"
        names.document.report(
            path, f"{where} has {count} of 'never' and 'must'; it needs one", on_key=True
        )
    if section.by is not None and section.must is None and not damaged:
        names.document.report(
            (*path, "by"), f"{where}: 'by' goes with 'must', not with 'never'", on_key=True
        )
    refs: list[tuple[Path, str]] = []
    if isinstance(section.never, list):
        refs = [((*path, "never", i), ref) for i, ref in enumerate(section.never)]
    elif section.never is not None:
        refs = [((*path, "never"), section.never)]
    if section.must is not None:
        refs.append(((*path, "must"), section.must))
    if section.party not in parties:
        return ()
    found: list[tuple[int, int]] = []
    for place, ref in refs:
        option = _option(place, ref, section.party, decisions, names)
        if option is not None and option not in found:
            found.append(option)
    return tuple(found)


def _option(
    path: Path, ref: str, party: str, decisions: Sequence[Decision], names: Names
) -> tuple[int, int] | None:
    """The decision and option that `option`, `decision.option` or `party.option` means."""
    own = [(d, decision) for d, decision in enumerate(decisions) if decision.party == party]
    table: dict[str, list[tuple[int, int]]] = {}
    for d, decision in own:
        if decision.values is not None:
            continue
        for o, option in enumerate(decision.options):
            long = option if decision.name is None else f"{decision.name}.{option}"
            for word in {option, long, f"{party}.{long}"}:
                table.setdefault(word, []).append((d, o))
    found = table.get(ref, [])
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        several = ", ".join(f"'{decisions[d].name}.{ref}'" for d, _ in found)
        names.document.report(path, f"'{ref}' can mean {several} in {dotted(path)}", text=ref)
    elif not names.is_tolerated(f"{party}.{ref}"):
        numeric = [x for x in own if x[1].values is not None and ref.split(".")[0] == x[1].name]
        reason = ": that decision is a number" if numeric else ""
        known = [word for word in table if not word.startswith(f"{party}.")]
        names.document.report(
            path,
            f"'{ref}' in {dotted(path)} is no option of '{party}'{reason}",
            text=ref,
            known=known,
        )
    return None


def _due(
    path: Path,
    section: ObligationSection,
    obligations: Mapping[str, ObligationSection],
    names: Names,
) -> str | None:
    if section.due is None:
        return None
    place: Path = (*path, "due")
    start, _, other = section.due.partition(".")
    if start != "broken" or other not in obligations:
        if not names.is_tolerated(f"broken.{other}"):
            names.document.report(
                place,
                f"'{section.due}' in {dotted(place)} is no breach of an obligation"
                + ("" if start == "broken" else "; write broken.NAME"),
                text=section.due,
                known=[f"broken.{name}" for name in obligations],
            )
        return None
    return other


# --- proposals ------------------------------------------------------------------------------

MATTERS: Final = ("refusal", "renewal", "breach")
"""What a deal may say of how long it is remembered."""


def declare_proposals(proposals: Mapping[str, ProposalSection], numbers: Numbers) -> None:
    """Make uncertain numbers of proposals assumptions."""
    for name, section in proposals.items():
        for path, raw, own in _memories(name, section).values():
            numbers.declare_inline(path, raw, own)


def _memories(name: str, section: ProposalSection) -> dict[str, tuple[Path, Any, str]]:
    """By matter (or "all"): the place, what stands there, and its automatic name."""
    path: Path = ("proposals", name, "remembered")
    given = section.remembered
    if given is None:
        return {}
    if not isinstance(given, RememberedSection):
        return {"all": (path, given, f"{name}.remembered")}
    each = {matter: getattr(given, matter) for matter in MATTERS}
    return {
        matter: ((*path, matter), raw, f"{name}.remembered.{matter}")
        for matter, raw in each.items()
        if raw is not None
    }


def _remembered(name: str, section: ProposalSection, numbers: Numbers) -> Remembered:
    lengths = {
        matter: _length(path, raw, own, numbers)
        for matter, (path, raw, own) in _memories(name, section).items()
    }
    damaged = ("proposals", name, "renew") in numbers.names.document.damaged
    if "renewal" in lengths and section.renew != "all_sign" and not damaged:
        numbers.names.document.report(
            ("proposals", name, "remembered", "renewal"),
            f"proposals.{name}.remembered: nobody can decline a renewal without 'renew: all_sign'",
            on_key=True,
        )
    if "all" in lengths:
        return Remembered(refusal=lengths["all"], breach=lengths["all"])
    return Remembered(**lengths)


def read_proposals(
    proposals: Mapping[str, ProposalSection],
    terms: Mapping[str, Term],
    obligations: Mapping[str, Obligation],
    parties: Sequence[str],
    horizon: int,
    names: Names,
    numbers: Numbers,
) -> dict[str, Proposal]:
    """The deals on the table, every term resolved."""
    found: dict[str, Proposal] = {}
    for name, section in proposals.items():
        path: Path = ("proposals", name)
        if name == NEVER:
            names.document.report(
                path, "a proposal cannot be called 'never': it means no deal", on_key=True
            )
        deal = _proposal(name, path, section, terms, obligations, parties, horizon, names)
        found[name] = replace(deal, remembered=_remembered(name, section, numbers))
    known = (NEVER, *found)
    for name, section in proposals.items():
        place: Path = ("proposals", name, "otherwise")
        if section.otherwise not in known and not names.is_tolerated(
            f"proposals.{section.otherwise}"
        ):
            names.document.report(
                place,
                f"unknown proposal '{section.otherwise}' in {dotted(place)}",
                text=section.otherwise,
                known=known,
            )
    graph = {n: {p.otherwise} & found.keys() if p.otherwise else set() for n, p in found.items()}
    sorted_or_reported(graph, names, "proposals", "comes after itself")
    return found


def _proposal(
    name: str,
    path: Path,
    section: ProposalSection,
    terms: Mapping[str, Term],
    obligations: Mapping[str, Obligation],
    parties: Sequence[str],
    horizon: int,
    names: Names,
) -> Proposal:
    document = names.document
    where = dotted(path)
    people = [((*path, "signatories", i), who) for i, who in enumerate(section.signatories)]
    if section.proposer is not None:
        people.append(((*path, "proposer"), section.proposer))
    for place, who in people:
        if who not in parties:
            document.report(
                place, f"unknown party '{who}' in {dotted(place)}", text=who, known=parties
            )
    for i, who in enumerate(section.signatories):
        if who in section.signatories[:i]:
            document.report((*path, "signatories", i), f"'{who}' signs {where} twice", text=who)
    opens, closes = section.open
    if not 0 <= opens <= closes:
        document.report(
            (*path, "open"), f"{where}.open must be [first, last] with 0 ≤ first ≤ last"
        )
    elif closes >= horizon:
        document.report((*path, "open"), f"{where}.open runs past the last period, {horizon - 1}")
    if section.renew != "none" and section.lasts is None:
        document.report(
            (*path, "renew"), f"{where} has no end to renew: say how long it lasts", on_key=True
        )
    chosen: dict[str, tuple[float, ...]] = {}
    words: dict[str, str] = {}
    for named in section.terms:
        if named not in terms and not names.is_tolerated(f"terms.{named}"):
            document.report(
                (*path, "terms", named),
                f"unknown term '{named}' in {where}.terms",
                text=named,
                known=terms,
                on_key=True,
            )
    for key, term in terms.items():
        raw = section.terms.get(key)
        chosen[key], words[key] = _value((*path, "terms", key), raw, term, names)
    bound = tuple(obligations) if section.obligations is None else tuple(section.obligations)
    for i, obligation in enumerate(section.obligations or ()):
        if obligation not in obligations and not names.is_tolerated(f"broken.{obligation}"):
            document.report(
                (*path, "obligations", i),
                f"unknown obligation '{obligation}' in {where}.obligations",
                text=obligation,
                known=obligations,
            )
    return Proposal(
        name,
        section.text,
        section.proposer,
        tuple(section.signatories),
        opens,
        closes,
        section.lasts,
        section.renew,
        None if section.otherwise == NEVER else section.otherwise,
        section.reopens,
        chosen,
        words,
        tuple(dict.fromkeys(bound)),
        section.why,
        section.source,
        tuple(sorted(section.terms)),
    )


def _value(
    path: Path, raw: str | float | list[float] | None, term: Term, names: Names
) -> tuple[tuple[float, ...], str]:
    """A term's schedule by age in a proposal, and the word for it."""
    now = (term.now,), term.now_level or f"{term.now:g}"
    if raw is None:
        return now
    if isinstance(raw, str):
        if raw in term.levels:
            return term.levels[raw], raw
        if not names.is_tolerated(f"terms.{term.name}"):
            expected = "" if term.levels else ": it takes a number"
            if term.levels and not nearest(raw, term.levels):
                expected = f"; its levels are {', '.join(list(term.levels)[:8])}"
            names.document.report(
                path,
                f"'{raw}' is no level of terms.{term.name}{expected}",
                text=raw,
                known=term.levels,
            )
        return now
    values = _by_age(raw)
    if term.range is None:
        names.document.report(
            path, f"terms.{term.name} takes one of its levels: {', '.join(term.levels)}"
        )
        return now
    low, high = term.range
    if not all(low <= value <= high for value in values):
        names.document.report(path, f"{dotted(path)} must be between {low:g} and {high:g}")
    return values, ", ".join(f"{value:g}" for value in values)
