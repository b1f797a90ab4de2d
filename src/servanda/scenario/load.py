"""How does a scenario file become a scenario?

In comes a path, a folder that holds `scenario.yaml`, or the text itself; out goes a `Scenario`, or
a `ScenarioError` with every mistake of the file at once, in the order of its lines.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Final

from servanda.errors import Finding, ScenarioError
from servanda.scenario import agreements, arguments, flows, play, unused
from servanda.scenario.claim_language import Vocabulary
from servanda.scenario.document import MAX_BYTES, Document, nearest, read_document
from servanda.scenario.model import Scenario
from servanda.scenario.names import REGIME_WORDS, Names
from servanda.scenario.numbers import Numbers
from servanda.scenario.schema import ScenarioFile
from servanda.scenario.shape import check_shape

FILE_NAME: Final = "scenario.yaml"

# Sections whose entries carry names that other sections refer to.
_NAMED: Final = ("parties", "assumptions", "stocks", "phases", "let", "terms", "proposals")

# The forms in which a name is referred to: by itself, or after one of these.
_PREFIXES: Final = ("", "broken.", "breach.", "refused_by.", "terms.", "proposals.")


def load(source: str | os.PathLike[str]) -> Scenario:
    """Read a scenario from a file, from a folder with `scenario.yaml`, or from its own text.

    A string of several lines is taken for the text. Raises `ScenarioError`, whose `findings` are
    all mistakes of the file; warnings are on the scenario.
    """
    if isinstance(source, str) and "\n" in source:
        return loads(source)
    path = Path(source)
    name = str(path)
    try:
        if path.is_dir():
            path = path / FILE_NAME
            name = str(path)
        if not path.exists():
            raise ScenarioError([_missing(path)])
        if not path.is_file():
            raise ScenarioError([Finding(name, 0, 0, "is not a file")])
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        shown = "".join(c if c.isprintable() else "?" for c in name)[:200]
        raise ScenarioError([Finding(shown, 0, 0, f"cannot be read: {reason}")]) from None
    return loads(_decoded(content, name), name=name, source=path)


def loads(text: str, *, name: str = "scenario", source: Path | None = None) -> Scenario:
    """Read a scenario from its text; `name` stands for the file in findings.

    Raises `ScenarioError` as `load` does.
    """
    document = read_document(text, name)
    if document.data is None:
        raise ScenarioError(_in_order(document))
    file, document.damaged = check_shape(document)
    scenario = _read(file, document, source)
    if any(finding.severity == "error" for finding in document.findings):
        raise ScenarioError(f for f in _in_order(document) if f.severity == "error")
    return scenario


def _read(file: ScenarioFile, document: Document, source: Path | None) -> Scenario:
    names = Names(document)
    numbers = Numbers(names, arguments.promoted_by_levers(file.levers))
    _tolerate_damaged(document, names)

    flows.declare_parties(file.parties, names, numbers)
    names.declare("period", "calendar", ())
    for word in REGIME_WORDS:
        names.declare(word, "regime", ())
    flows.declare_stocks(file.stocks, names, numbers)
    flows.declare_phases(file.phases, names)
    flows.declare_let(file.let, names)
    agreements.declare_terms(file.terms, names)
    agreements.declare_obligations(file.obligations, names, numbers)
    parties = tuple(file.parties)
    agreements.declare_proposals(file.proposals, numbers)
    drafts = play.declare_moves(file.moves, names, parties)
    for name, lever in file.levers.items():
        numbers.declare_inline(("levers", name, "cost"), lever.cost, f"{name}.cost")
    numbers.declare_assumptions(file.assumptions, file.hypotheses)

    people = flows.read_parties(file.parties, file.terminal, names, numbers)
    stocks = flows.read_stocks(file.stocks, names, numbers)
    phases = flows.read_phases(file.phases, names)
    let = flows.read_let(file.let, names)
    interests = flows.read_interests(file.interests, parties, names)
    played, stages = play.order_of_play(file.order, drafts, names)
    decisions = play.read_conditions(played, stages, let, names)
    terms = agreements.read_terms(file.terms, names)
    obligations = agreements.read_obligations(file.obligations, decisions, parties, names, numbers)
    proposals = agreements.read_proposals(
        file.proposals, terms, obligations, parties, file.horizon, names, numbers
    )
    levers = arguments.read_levers(file.levers, parties, file.horizon, document, names, numbers)
    words = Vocabulary(
        deals=tuple(file.proposals),
        signatories={name: p.signatories for name, p in proposals.items()},
        parties=parties,
        stocks=tuple(file.stocks),
        obligations=tuple(file.obligations),
        moves=tuple(f"{d.key}.{o}" for d in decisions if d.values is None for o in d.options),
        levers=tuple(file.levers),
        assumptions=tuple(numbers.assumptions),
        derived=names.derived,
        horizon=None if ("horizon",) in document.damaged else file.horizon,
        tolerated=lambda name: names.is_tolerated(name) or _is_damaged(document, name),
    )
    claims = arguments.read_claims(file.claims, document, words)

    if not document.findings:
        unused.warn_unused(document, names)
        unused.warn_idle(document, names, decisions, drafts, obligations)
        unused.warn_indifferent(document, interests, drafts)
        unused.warn_empty_deals(document, proposals, terms, obligations)
        unused.warn_unread_memory(document, names, proposals, obligations)
    return Scenario(
        title=file.title,
        period=file.period,
        horizon=file.horizon,
        terminal=file.terminal,
        parties=people,
        assumptions=numbers.assumptions,
        hypotheses=numbers.hypotheses,
        stocks=stocks,
        phases=phases,
        decisions=decisions,
        stages=stages,
        let=let,
        interests=interests,
        terms=terms,
        obligations=obligations,
        proposals=proposals,
        levers=levers,
        claims=claims,
        hash=_hash(document.data),
        source=source,
        warnings=tuple(_in_order(document)),
    )


def _tolerate_damaged(document: Document, names: Names) -> None:
    """What is declared in a damaged part of the file is known, even if nothing can be said of it.

    A misspelt section counts as damaged: its names are not unknown because of that.
    """
    for path in document.damaged:
        inside: Any = document.data
        for part in path:
            inside = inside.get(part) if isinstance(inside, dict) else None
        keys = [str(key) for key in inside] if isinstance(inside, dict) else []
        match path:
            case (str(section),) if (
                section in (*_NAMED, "moves") and inside is not None and not keys
            ):
                names.tolerates_all = True  # names may have been meant, but nobody knows which
            case (_,):
                names.tolerate(f"{prefix}{key}" for key in keys for prefix in _PREFIXES)
            case ("obligations", str(name)):
                names.tolerate([f"broken.{name}", f"breach.{name}"])
            case ("hypotheses", _) | ("hypotheses", _, _):
                names.tolerate(keys)
                for inner in inside.values() if isinstance(inside, dict) else ():
                    names.tolerate(map(str, inner) if isinstance(inner, dict) else ())
            case ("hypotheses", _, _, str(name), *_):
                names.tolerate([name])
            case ("moves", str(name), *_) | ("phases", str(name), "values", *_):
                names.tolerate([name])
            case (str(section), str(name)) if section in _NAMED:
                names.tolerate([name, f"{section}.{name}", f"refused_by.{name}"])
            case (("terms" | "proposals") as section, str(name), *_):
                names.tolerate([f"{section}.{name}"])


def _is_damaged(document: Document, name: str) -> bool:
    """Whether it may be a lever or an obligation in a damaged part of the file."""
    sections = ("levers", "obligations")
    return any(p[0] in sections and p[1:2] in ((), (name,)) for p in document.damaged)


def _hash(data: Any) -> str:
    canonical = json.dumps(data, ensure_ascii=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _in_order(document: Document) -> list[Finding]:
    return sorted(document.findings, key=lambda finding: (finding.line, finding.column))


def _missing(path: Path) -> Finding:
    folder = path.parent
    beside = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    near = nearest(path.name, beside[:1000])
    return Finding(str(path), 0, 0, "no such file", path.name, str(folder / near) if near else "")


def _decoded(content: bytes, name: str) -> str:
    if len(content) > MAX_BYTES:
        raise ScenarioError([Finding(name, 0, 0, f"the file is longer than {MAX_BYTES:,} bytes")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        message = f"the byte 0x{content[error.start]:02X} is not UTF-8; save the file as UTF-8"
        raise ScenarioError([Finding(name, line, column, message)]) from None
