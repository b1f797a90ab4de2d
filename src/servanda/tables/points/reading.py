"""What does a file say at a place, and how is it said when that is wrong?

In: a file. Out: its text, bounded in size, or a YAML or JSON document whose values are asked for by
path; what is not as it should be raises `ScenarioError` with one line: file, line, column, text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from servanda.errors import Finding, ScenarioError
from servanda.scenario.document import Document, nearest, read_document
from servanda.tables.sections import section

MAX_BYTES = 4_000_000

Place = tuple[str | int, ...]


def fail(
    file: str | Path,
    line: int,
    column: int,
    message: str,
    text: str = "",
    known: Iterable[str] = (),
) -> NoReturn:
    """Raise the error for one mistake at a place that counts from 1 (0: the file as a whole)."""
    said = "".join(c if c.isprintable() else "?" for c in message)[:400]
    near = nearest(text[:100], list(known)[:5000]) if text else ""
    raise ScenarioError([Finding(str(file), line, column, said, text[:200], near)])


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        ScenarioError: it is larger than `MAX_BYTES` or is not text.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        fail(path, 0, 0, f"the file is larger than {MAX_BYTES // 1_000_000} MB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        fail(path, line, column, f"not UTF-8 text: byte {data[error.start]:#04x}")


class Reader:
    """A YAML or JSON file, read place by place."""

    def __init__(self, path: Path, what: str) -> None:
        self.file = path
        self.document: Document = read_document(read_text(path), str(path))
        if self.document.data is None and self.document.findings:
            first = self.document.findings[0]
            if "a scenario is a mapping" in first.message:
                fail(path, 1, 1, f"{first.message.split(';')[0]}; {what}")
        if self.document.findings:
            first = self.document.findings[0]
            said = first.message.replace(", or name the number under assumptions", "")
            if path.suffix.lower() == ".json":
                said = said.replace("read as YAML", "read as JSON")
            raise ScenarioError([replace(first, message=said)])
        self.data: dict[str, Any] = self.document.data or {}
        self.root: Place = ()  # where in the file `data` stands

    def enter(self, lens: str) -> None:
        """Go on inside the section of a scenario, if this is a scenario.

        Raises:
            ScenarioError: it is one without that section.
        """
        root = section(self.document, lens)
        if root is None:
            raise ScenarioError(self.document.findings[:1])
        for key in root:
            self.data = self.data[str(key)]
        self.root = root

    def fail(
        self,
        place: Place,
        message: str,
        text: Any = "",
        known: Iterable[str] = (),
        on_key: bool = False,
    ) -> NoReturn:
        """Raise the error for what stands at a place."""
        line, column = self.document.place((*self.root, *place), on_key=on_key)
        fail(self.file, line, column, message, str(text), known)

    def get(self, place: Place) -> Any:
        """What stands at a place; None if nothing does."""
        at: Any = self.data
        for part in place:
            try:
                at = at[part]
            except (KeyError, IndexError, TypeError):
                return None
        return at

    def mapping(self, place: Place, known: Iterable[str] | None = None) -> dict[str, Any]:
        """A mapping; with `known`, of these keys only."""
        at = self.get(place)
        if not isinstance(at, dict):
            self.fail(place, f"{self._where(place)} must be a mapping, not {_say(at)}", at)
        if known is not None:
            names = list(known)
            for key in at:
                if key not in names:
                    self.fail(
                        (*place, key),
                        f"unknown key '{key[:80]}' in {self._where(place)}",
                        key,
                        names,
                        on_key=True,
                    )
        return at

    def items(self, place: Place) -> list[Any]:
        """A list."""
        at = self.get(place)
        if not isinstance(at, list):
            self.fail(place, f"{self._where(place)} must be a list, not {_say(at)}", at)
        return at

    def number(self, place: Place, *, finite: bool = True) -> float:
        """A number; text that reads as one counts, as JSON files write them so."""
        at = self.get(place)
        if isinstance(at, str):
            with suppress(ValueError):
                at = float(at) if len(at) < 400 else at
        if isinstance(at, bool) or not isinstance(at, (int, float)):
            self.fail(place, f"{self._where(place)} must be a number, not {_say(at)}", at)
        try:
            value = float(at)
        except OverflowError:
            value = math.inf
        if math.isnan(value) or (finite and not math.isfinite(value)):
            self.fail(place, f"{self._where(place)} must be a finite number, not {value}", at)
        return value

    def whole(self, place: Place) -> int:
        """A whole number."""
        value = self.number(place)
        if value != int(value) or abs(value) > 1e15:
            self.fail(place, f"{self._where(place)} must be a whole number, not {value:g}")
        return int(value)

    def name(self, place: Place) -> str:
        """A name: text, or a number read as text."""
        at = self.get(place)
        if isinstance(at, bool):
            return "true" if at else "false"
        if isinstance(at, float) and at == int(at) and abs(at) < 1e15:
            at = int(at) if math.isfinite(at) else at
        if not isinstance(at, (str, int, float)) or not str(at).strip():
            self.fail(place, f"{self._where(place)} must be a name, not {_say(at)}", at)
        text = str(at).strip()
        if len(text) > 200:
            self.fail(place, f"{self._where(place)} is a name of over 200 characters")
        return text

    def _where(self, place: Place) -> str:
        return _dotted((*self.root, *place))


def _dotted(place: Place) -> str:
    text = ""
    for part in place:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text[:120] or "the file"


def _say(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"'{str(value)[:60]}'"
