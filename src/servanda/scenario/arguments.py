"""What could somebody change, and what is claimed?

In come the sections `levers` and `claims`; out come levers as changes of assumptions, and claims
as tests whose every name has been checked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from servanda.errors import FormulaError
from servanda.scenario.claim_language import Fault, Vocabulary, check_claim
from servanda.scenario.distributions import fault as fault_of
from servanda.scenario.distributions import fixed
from servanda.scenario.document import Document, Path, dotted
from servanda.scenario.formulas import parse_test
from servanda.scenario.model import Change, Claim, Lever
from servanda.scenario.names import Names, blanks_out
from servanda.scenario.numbers import Numbers, distribution_of
from servanda.scenario.schema import ClaimSection, LeverSection

_CHANGE = re.compile(r"\s*([-+*])\s*((?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")


def read_levers(
    levers: Mapping[str, LeverSection],
    parties: Sequence[str],
    horizon: int,
    document: Document,
    names: Names,
    numbers: Numbers,
) -> dict[str, Lever]:
    """The levers, each pulling at assumptions that exist."""
    found: dict[str, Lever] = {}
    for name, section in levers.items():
        path: Path = ("levers", name)
        if section.owner not in parties:
            document.report(
                (*path, "owner"),
                f"unknown party '{section.owner}' in {dotted(path)}.owner",
                text=section.owner,
                known=parties,
            )
        if section.from_ >= horizon:
            document.report(
                (*path, "from"), f"{dotted(path)}.from is past the last period, {horizon - 1}"
            )
        sets: dict[str, Change] = {}
        for target, raw in section.set.items():
            change = _change((*path, "set", target), target, raw, document, names, numbers)
            if change is not None:
                sets[target] = change
        cost = numbers.number((*path, "cost"), section.cost, f"{name}.cost")
        found[name] = Lever(
            name,
            section.owner,
            sets,
            cost,
            section.from_,
            section.label or name,
            section.why,
            section.source,
        )
    return found


def _change(
    path: Path, target: str, raw: Any, document: Document, names: Names, numbers: Numbers
) -> Change | None:
    if target not in numbers.assumptions:
        if target in names.derived:
            message = f"'{target}' follows from other assumptions; change those instead"
            document.report(path, message, text=target, on_key=True)
        elif not names.is_tolerated(target):
            document.report(
                path,
                f"unknown assumption '{target}' in {dotted(path[:-1])}",
                text=target,
                known=numbers.assumptions,
                on_key=True,
            )
        return None
    if not isinstance(raw, str):
        distribution = distribution_of(raw)
        problem = fault_of(distribution)
        if problem:
            document.report(path, f"{dotted(path)}: {problem}")
            return None
        # A number that begins with '-' lowers, as one that begins with '+' raises.
        if distribution.kind == "fixed" and distribution.mode < 0:
            return Change("add", distribution)
        return Change("set", distribution)
    match = _CHANGE.fullmatch(raw)
    if match is None or not math.isfinite(float(match[2])):
        document.report(
            path,
            f"{dotted(path)} is '{raw[:40]}'; write a number, or a change such as '+0.2', '-0.2' "
            "or '*1.5'",
            text=raw,
        )
        return None
    amount = float(match[2])
    if match[1] == "*":
        return Change("multiply", fixed(amount))
    return Change("add", fixed(-amount if match[1] == "-" else amount))


def promoted_by_levers(levers: Mapping[str, LeverSection]) -> frozenset[str]:
    """The automatic names of numbers that must be assumptions, so that levers can change them."""
    return frozenset(target for section in levers.values() for target in section.set)


def read_claims(
    claims: Mapping[str, ClaimSection], document: Document, words: Vocabulary
) -> dict[str, Claim]:
    """The claims with their tests read, every name in them checked."""
    found: dict[str, Claim] = {}
    for name, section in claims.items():
        path: Path = ("claims", name, "test")
        try:
            test, faults = check_claim(parse_test(section.test), words)
        except FormulaError as error:
            faults = [Fault(error)]
        for fault in faults:
            wrong, text = fault.error, section.test.strip()
            document.report(
                path,
                f"{dotted(path)}: {wrong.message}",
                text=wrong.text,
                known=fault.known,
                offset=blanks_out(text, wrong.offset),
            )
        if not faults:
            found[name] = Claim(name, section.quote, test, section.why, section.source)
    return found
