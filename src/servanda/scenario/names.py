"""What can a formula read, and does it read only that?

In come the names that a scenario file declares, section by section; out come formulas that have
been parsed and checked name by name, with derived assumptions put in. A clash, an unknown name
or one that is out of place is reported where it stands.
"""

from __future__ import annotations

import keyword
import math
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Literal, get_args

from servanda.errors import FormulaError
from servanda.scenario.document import Document, Path, dotted
from servanda.scenario.formulas import (
    FUNCTIONS,
    WORDS,
    Formula,
    constant,
    evaluate,
    occurrences,
    parse_formula,
    substitute,
)

Kind = Literal[
    "assumption", "stock", "phase", "move", "definition", "term", "calendar", "regime", "breach"
]
Context = Literal["flow", "choice", "constant", "term"]

_EVERYTHING: Final[frozenset[Kind]] = frozenset(get_args(Kind))

READABLE: Final[dict[Context, frozenset[Kind]]] = {
    "flow": _EVERYTHING,
    "choice": _EVERYTHING - {"breach"},
    "constant": frozenset({"assumption"}),
    "term": frozenset({"term"}),
}

_ONLY: Final[dict[Context, str]] = {
    "flow": "",
    "choice": "whether a choice is open depends on nothing that happens later in the period",
    "constant": "only assumptions can be read here",
    "term": "only terms can be read here",
}

_A: Final[dict[str, str]] = {
    "assumption": "an assumption",
    "stock": "a stock",
    "phase": "a phase",
    "move": "a move",
    "definition": "a definition under let",
    "term": "a term",
    "party": "a party",
    "disturbance": "a disturbance of stocks",
    "calendar": "the calendar",
    "regime": "the state of the deal",
    "breach": "a breach of this period",
}

REGIME_WORDS: Final = ("in_force", "unsigned", "expired", "broken")
_RESERVED: Final = frozenset(
    {*REGIME_WORDS, "period", "refused_by", "breach", "never", *FUNCTIONS, *WORDS, "inf", "nan"}
)


@dataclass
class Names:
    """The vocabulary of one scenario.

    `kinds` maps every readable dotted name to its kind, `wholes` a party, phase or decision to
    the names under it, `owners` a top-level name to what it stands for. `tolerated` are names
    whose declaration is damaged: reading them is no mistake. `used` collects what is read, save a
    stock that only reads itself.
    """

    document: Document
    kinds: dict[str, Kind] = field(default_factory=dict)
    wholes: dict[str, list[str]] = field(default_factory=dict)
    owners: dict[str, tuple[str, Path]] = field(default_factory=dict)
    tolerated: set[str] = field(default_factory=set)
    tolerates_all: bool = False
    used: set[str] = field(default_factory=set)
    derived: dict[str, Formula] = field(default_factory=dict)
    places: dict[str, Path] = field(default_factory=dict)

    def own(self, name: str, kind: str, path: Path) -> None:
        """Take a top-level name; report a clash with another section or with a reserved word."""
        if name in _RESERVED or keyword.iskeyword(name):
            self.document.report(
                path, f"'{name}' has a meaning of its own and cannot name {_A[kind]}", on_key=True
            )
        elif name in self.owners and self.owners[name] != (kind, path):
            other, first = self.owners[name]
            line = self.document.place(first, on_key=True)[0]
            self.document.report(
                path,
                f"'{name}' is already {_A[other]} (line {line}); give {dotted(path)} another name",
                on_key=True,
            )
        else:
            self.owners[name] = (kind, path)

    def declare(self, name: str, kind: Kind, path: Path) -> None:
        """Make a (dotted) name readable; report a clash with another dotted name."""
        if name in self.kinds:
            if "." in name and self.places[name] != path:
                line = self.document.place(self.places[name], on_key=True)[0]
                self.document.report(
                    path,
                    f"'{name}' can mean this or {_A[self.kinds[name]]} (line {line}); "
                    "rename one of them",
                    on_key=True,
                )
            return
        self.kinds[name] = kind
        self.places[name] = path
        parts = name.split(".")
        for i in range(1, len(parts)):
            self.wholes.setdefault(".".join(parts[:i]), []).append(name)

    def tolerate(self, names: Iterable[str]) -> None:
        """Say nothing when these names, or anything under them, cannot be found."""
        self.tolerated.update(names)

    def is_tolerated(self, name: str) -> bool:
        """Whether a name belongs to a damaged part of the file."""
        parts = name.split(".")
        return self.tolerates_all or any(
            ".".join(parts[: i + 1]) in self.tolerated for i in range(len(parts))
        )

    def read(
        self,
        path: Path,
        raw: str | float | bool,
        context: Context,
        *,
        hidden: AbstractSet[str] = frozenset(),
        because: str = "",
    ) -> Formula:
        """Parse the formula at a path and check every name; a broken formula reads as 0.

        `hidden` names exist but cannot be read here, `because` says why.
        """
        try:
            formula = parse_formula(raw)
        except FormulaError as error:
            self._report_formula(path, raw, error)
            return constant(0.0)
        sound = True
        for name, offset in occurrences(formula):
            sound &= self._check(path, formula, name, offset, context, hidden, because)
        if not sound:
            return constant(0.0)
        own = path[1] if path[0] == "stocks" else None
        self.used |= {name for name in formula.names if name != own}
        if not formula.names and not math.isfinite(float(evaluate(formula, {}))):
            self.document.report(path, f"{dotted(path)} is no finite number")
            return constant(0.0)
        try:
            return substitute(formula, self.derived)
        except FormulaError as error:
            self.document.report(path, f"{dotted(path)}: {error.message}")
            return constant(0.0)

    def _check(
        self,
        path: Path,
        formula: Formula,
        name: str,
        offset: int,
        context: Context,
        hidden: AbstractSet[str],
        because: str,
    ) -> bool:
        kind = self.kinds.get(name)
        if kind in READABLE[context] and name not in hidden:
            return True
        if self.is_tolerated(name):
            return False
        place = dotted(path)

        def allowed(names: Iterable[str]) -> Iterator[str]:
            return (n for n in names if self.kinds[n] in READABLE[context] and n not in hidden)

        known: Iterable[str] = ()
        if kind is not None:
            reason = because if name in hidden else _ONLY[context]
            message = f"'{name}' is {_A[kind]} and cannot be read in {place}: {reason}"
        elif name in self.wholes:
            what = f"{_A[self.owners[name][0]]}, " if name in self.owners else ""
            message = f"'{name}' is {what}not a number, in {place}"
            parts = [
                f"'{part}'"
                for part in islice(allowed(self.wholes[name]), 8)
                if self.kinds[part] != "assumption"
            ]
            message += f"; read {', '.join(parts)}" if parts else ""
        elif self.owners.get(name, ("",))[0] == "disturbance":
            message = f"'{name}' is a disturbance of stocks; no formula can read it, in {place}"
        else:
            message = f"unknown name '{name}' in {place}"
            known = allowed(self.kinds)
        self.document.report(
            path, message, text=name, known=known, offset=blanks_out(formula.text, offset)
        )
        return False

    def _report_formula(self, path: Path, raw: str | float | bool, error: FormulaError) -> None:
        text = str(raw).strip()
        message = f"{dotted(path)}: {error.message}"
        if "is not closed" in error.message and self._cut_by_comma(path):
            message += "; in {...} a comma ends the value, so put the formula in quotes"
        self.document.report(
            path,
            message,
            text=error.text,
            known=[error.suggestion] if error.suggestion else [],
            offset=blanks_out(text, error.offset),
        )

    def _cut_by_comma(self, path: Path) -> bool:
        mark = self.document.values.get(path)
        if mark is None or not mark.plain:
            return False
        return self.document.lines[mark.end_line][mark.end_column :].lstrip().startswith(",")


def blanks_out(text: str, offset: int) -> int:
    """How many characters that are not blank stand before an offset."""
    return sum(1 for character in text[:offset] if not character.isspace())
