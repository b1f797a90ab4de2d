"""What can be wrong with what a user wrote, and how it is said.

In comes a mistake found in a scenario file or in a question; out goes one exception type per
kind of mistake, whose text is one line per finding: place, cause, remedy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


class ServandaError(Exception):
    """The base of every error a user can cause and can put right."""


@dataclass(frozen=True)
class Finding:
    """One mistake (or warning) and its place.

    `line` and `column` count from 1; both are 0 when the finding is about the file as a whole.
    `text` is the offending text, `suggestion` the nearest right name, both empty when there is
    none.
    """

    file: str
    line: int
    column: int
    message: str
    text: str = ""
    suggestion: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        remedy = f"; did you mean '{self.suggestion}'?" if self.suggestion else ""
        return f"{place}: {self.message}{remedy}"


class ScenarioError(ServandaError):
    """A scenario that cannot be used; `findings` holds every mistake, in the order of the file."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings: tuple[Finding, ...] = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))

    def __reduce__(self) -> tuple[type[ScenarioError], tuple[tuple[Finding, ...]]]:
        return (type(self), (self.findings,))


class FormulaError(ServandaError):
    """A formula that cannot be read.

    `offset` counts characters from the start of the formula, `text` is the offending part and
    `suggestion` the nearest right word. The loader turns it into a `Finding` with a place.
    """

    def __init__(self, message: str, offset: int = 0, text: str = "", suggestion: str = "") -> None:
        self.message = message
        self.offset = offset
        self.text = text
        self.suggestion = suggestion
        super().__init__(message + (f"; did you mean '{suggestion}'?" if suggestion else ""))


class QuestionError(ServandaError):
    """A question that cannot be answered as asked: the text says why and what to ask instead."""


def unknown(what: str, name: str, known: Iterable[str]) -> QuestionError:
    """The error for a name that is not there: it says the nearest one, or which there are."""
    names = list(known)
    near = difflib.get_close_matches(name[:100], names, n=1, cutoff=0.5)
    if near:
        return QuestionError(f"unknown {what} '{name[:100]}'; did you mean '{near[0]}'?")
    there = ", ".join(names[:12]) or "none"
    return QuestionError(f"unknown {what} '{name[:100]}'; there are: {there}")
