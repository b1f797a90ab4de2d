"""What does the YAML say, and where does it say it?

In comes the text of a scenario file; out go plain dictionaries, lists and scalars, and the place
of every key and value. Only the harmless part of YAML is read: no tags, no anchors, no merge
keys, `true` and `false` as the only truth values, and bounds on depth and length.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from servanda.errors import Finding, Severity

MAX_BYTES: Final = 1_000_000
MAX_NODES: Final = 30_000
MAX_DEPTH: Final = 12
MAX_SUGGESTIONS: Final = 200
MAX_FINDINGS: Final = 1000

Path = tuple[str | int, ...]

# libyaml is ten times faster; both give the same events.
_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_LINE_BREAK: Final = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_INTEGER: Final = re.compile(r"-?[0-9]{1,300}")
_REAL: Final = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, Any]] = {
    "true": True,
    "false": False,
    "null": None,
    "~": None,
    "": None,
    ".inf": float("inf"),
    "inf": float("inf"),
    "-.inf": float("-inf"),
    ".nan": float("nan"),
}


@dataclass(frozen=True)
class Mark:
    """Where something stands: first and last line and column, counted from 0; `plain` or not."""

    line: int
    column: int
    end_line: int
    end_column: int
    plain: bool = True


@dataclass
class Document:
    """The data of a file, the marks of its keys and values by path, and what was found wrong.

    `data` is None when the file is not a mapping at all; then `findings` says why.
    """

    name: str
    lines: list[str]
    data: dict[str, Any] | None = None
    keys: dict[Path, Mark] = field(default_factory=dict)
    values: dict[Path, Mark] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    damaged: set[Path] = field(default_factory=set)
    _said: set[tuple[int, int, str]] = field(default_factory=set)
    _suggestions: int = 0

    def report(
        self,
        path: Path,
        message: str,
        *,
        text: str = "",
        known: Iterable[str] = (),
        on_key: bool = False,
        offset: int | None = None,
        severity: Severity = "error",
    ) -> None:
        """Note a mistake at a path, with the nearest of the `known` names as a suggestion.

        `offset` is a position inside the text of the value (a name inside a formula). Nothing is
        said about a path whose damage was reported before.
        """
        if any(path[:i] in self.damaged for i in range(1, len(path) + 1)):
            return
        near = ""
        if text and self._suggestions < MAX_SUGGESTIONS:  # comparing names takes time
            self._suggestions += 1
            near = nearest(text, known)
            near = "" if near == text else near
        line, column = self.place(path, on_key=on_key, offset=offset)
        self._note(line, column, message, text, near, severity)

    def report_at(self, line: int, column: int, message: str, text: str = "") -> None:
        """Note a mistake at a line and a column that count from 0."""
        self._note(line + 1, column + 1, message, text, "", "error")

    def _note(
        self, line: int, column: int, message: str, text: str, near: str, severity: Severity
    ) -> None:
        if len(self.findings) < MAX_FINDINGS and (line, column, message) not in self._said:
            self._said.add((line, column, message))
            message = "".join(c if c.isprintable() else "?" for c in message)
            self.findings.append(
                Finding(self.name, line, column, message, text[:200], near, severity)
            )

    def place(
        self, path: Path, *, on_key: bool = False, offset: int | None = None
    ) -> tuple[int, int]:
        """Line and column, from 1, of a value (or of its key), or of the nearest thing above it."""
        while path:
            mark = self.keys.get(path) if on_key else self.values.get(path)
            mark = mark or self.keys.get(path) or self.values.get(path)
            if mark is not None:
                line, column = mark.line, mark.column
                if offset is not None and path in self.values:
                    line, column = self._inside(self.values[path], offset)
                return line + 1, column + 1
            path, offset = path[:-1], None
        return 1, 1

    def _inside(self, mark: Mark, offset: int) -> tuple[int, int]:
        """The place of the character after `offset` others in a value, blanks left out.

        Counting only what is not blank holds for folded, quoted and block scalars alike.
        """
        line, column = mark.line, mark.column
        if not mark.plain:
            opening = self.lines[line][column : column + 1]
            if opening in "|>":
                line, column = line + 1, 0
            else:
                column += 1
        remaining = offset
        while line <= mark.end_line and line < len(self.lines):
            end = mark.end_column if line == mark.end_line else len(self.lines[line])
            for position in range(column, min(end, len(self.lines[line]))):
                if not self.lines[line][position].isspace():
                    if remaining == 0:
                        return line, position
                    remaining -= 1
            line, column = line + 1, 0
        return mark.line, mark.column


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that a misspelt one most likely stands for, or nothing."""
    choices = list(dict.fromkeys(known))
    folded = {choice.lower(): choice for choice in choices}
    if word.lower() in folded:
        return folded[word.lower()]
    found = difflib.get_close_matches(word[:100], choices, n=1, cutoff=0.6)
    return found[0] if found else ""


def read_document(text: str, name: str) -> Document:
    """Read the text of a file; never raises, whatever the text is."""
    document = Document(name, _LINE_BREAK.split(text))
    if len(text) > MAX_BYTES:
        document.report_at(-1, -1, f"the file is longer than {MAX_BYTES:,} characters")
        return document
    try:
        data = _Reader(document).read(text)
    except _Stop as stop:
        document.report_at(stop.line, stop.column, stop.message, stop.text)
        return document
    except yaml.MarkedYAMLError as error:
        _report_syntax(document, error)
        return document
    except yaml.reader.ReaderError as error:
        before = text[: error.position] if isinstance(error.position, int) else ""
        lines = _LINE_BREAK.split(before)
        code = error.character if isinstance(error.character, int) else 0
        document.report_at(
            len(lines) - 1, len(lines[-1]), f"the character U+{code:04X} is not allowed"
        )
        return document
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        document.report_at(-1, -1, f"cannot be read as YAML: {error}")
        return document
    if isinstance(data, dict):
        document.data = data
    elif not document.findings:
        what = "empty" if data is None else "a list" if isinstance(data, list) else "a single value"
        document.report_at(
            -1, -1, f"the file is {what}; a scenario is a mapping with title, horizon and parties"
        )
    return document


def _flow(context: str | None) -> str:
    """The brackets of the flow collection that libyaml says it was reading, if it was."""
    return "[]" if "flow seq" in (context or "") else "{}" if "flow map" in (context or "") else ""


def _report_syntax(document: Document, error: yaml.MarkedYAMLError) -> None:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark is not None else (-1, -1)
    shown = document.lines[line] if 0 <= line < len(document.lines) else ""
    problem = error.problem or "cannot be read"
    if "\t" in shown[: column + 1] or "'\\t'" in problem:
        message = "a tab; indent with spaces"
    elif "mapping values are not allowed" in problem:
        message = "a ':' where none can stand; put text that holds ': ' in quotes"
    elif "alias" in problem or "alphabetic or numeric" in problem:
        message = "'*' and '&' begin an alias or an anchor in YAML; put the text in quotes"
    elif "cannot start any token" in problem:
        message = f"a value cannot begin with '{shown[column : column + 1]}'; put it in quotes"
    elif error.context_mark is not None and _flow(error.context):
        line, column = error.context_mark.line, error.context_mark.column
        brackets = _flow(error.context)
        message = f"a ',' or the closing '{brackets[1]}' is missing after this '{brackets[0]}'"
    elif "expected node content" in problem:
        message = "cannot be read as YAML: a value is missing; is a '[' or '{' not closed?"
    elif "expected key" in problem or "block end" in problem:
        message = (
            "cannot be read as YAML: a key should stand here; is a quote or a bracket above it "
            "not closed, or is it indented wrongly?"
        )
    else:
        message = f"cannot be read as YAML: {problem.strip()}"
    document.report_at(line, column, message, shown.strip()[:80])


class _Stop(Exception):
    """Reading cannot go on past this place."""

    def __init__(self, mark: Any, message: str, text: str = "") -> None:
        self.line, self.column = mark.line, mark.column
        self.message, self.text = message, text
        super().__init__(message)


@dataclass
class _Open:
    """A mapping or list that is being read."""

    path: Path
    content: dict[str, Any] | list[Any]
    start: Any
    key: str | None = None


class _Reader:
    """Builds the data from YAML's events, one by one: no recursion, and bounds as it goes."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.stack: list[_Open] = []
        self.root: Any = None
        self.nodes = 0
        self.documents = 0

    def read(self, text: str) -> Any:
        for event in yaml.parse(text, Loader=_Loader):
            match event:
                case yaml.AliasEvent():
                    raise _Stop(
                        event.start_mark,
                        f"the alias '*{event.anchor}' is not read; put text that begins with '*' "
                        "in quotes, or name the number under assumptions",
                        str(event.anchor),
                    )
                case yaml.NodeEvent():
                    self._node(event)
                case yaml.CollectionEndEvent():
                    self._close(event.end_mark)
                case yaml.DocumentStartEvent():
                    self.documents += 1
                    if self.documents > 1:
                        raise _Stop(event.start_mark, "a second document; a file holds one")
        return self.root

    def _node(self, event: Any) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _Stop(event.start_mark, f"more than {MAX_NODES:,} entries")
        if event.anchor is not None:
            raise _Stop(
                event.start_mark,
                f"the anchor '&{event.anchor}' is not read; put text that begins with '&' in "
                "quotes, or name the number under assumptions",
                event.anchor,
            )
        tagged = event.tag is not None and not (event.tag == "!" and hasattr(event, "value"))
        if tagged:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise _Stop(event.start_mark, f"the tag '{tag}' is not read", tag)
        scalar = isinstance(event, yaml.ScalarEvent)
        parent = self.stack[-1] if self.stack else None
        if parent is not None and isinstance(parent.content, dict) and parent.key is None:
            self._key(parent, event, scalar)
            return
        path = self._path(parent)
        if scalar:
            self.document.values[path] = _mark(event, plain=not event.style)
            self._put(parent, event.value if event.style else resolve(event.value))
            return
        if len(self.stack) >= MAX_DEPTH:
            raise _Stop(event.start_mark, f"nested more than {MAX_DEPTH} deep")
        content: dict[str, Any] | list[Any] = (
            {} if isinstance(event, yaml.MappingStartEvent) else []
        )
        self.document.values[path] = _mark(event)
        self._put(parent, content)
        self.stack.append(_Open(path, content, event.start_mark))

    def _key(self, parent: _Open, event: Any, scalar: bool) -> None:
        if not scalar:
            raise _Stop(event.start_mark, "a key must be a name, not a list or a mapping")
        key = event.value
        if key == "<<" and not event.style:
            raise _Stop(event.start_mark, "the merge key '<<' is not read; write the keys out", key)
        path = (*parent.path, key)
        parent.key = key
        if path in self.document.keys:
            first = self.document.keys[path].line + 1
            where = f" in {dotted(parent.path)}" if parent.path else ""
            self.document.report_at(
                event.start_mark.line,
                event.start_mark.column,
                f"duplicate key '{key[:80]}'{where}; it stands first on line {first}",
                key,
            )
            # The first one counts; what follows is read past.
            parent.key = f"{key} (again on line {event.start_mark.line + 1})"
            return
        self.document.keys[path] = _mark(event)

    def _path(self, parent: _Open | None) -> Path:
        if parent is None:
            return ()
        if isinstance(parent.content, dict):
            return (*parent.path, parent.key or "")
        return (*parent.path, len(parent.content))

    def _put(self, parent: _Open | None, value: Any) -> None:
        if parent is None:
            self.root = value
        elif isinstance(parent.content, dict):
            if parent.key is not None and " (again on line " not in parent.key:
                parent.content[parent.key] = value
            parent.key = None
        else:
            parent.content.append(value)

    def _close(self, end: Any) -> None:
        closed = self.stack.pop()
        self.document.values[closed.path] = Mark(
            closed.start.line, closed.start.column, end.line, end.column
        )


def _mark(event: Any, *, plain: bool = True) -> Mark:
    start, end = event.start_mark, event.end_mark
    return Mark(start.line, start.column, end.line, end.column, plain)


def resolve(text: str) -> Any:
    """The value of an unquoted scalar: a number, true, false, nothing, or else its own text.

    `NO`, `on`, `12:30` and `0x10` are text, `1e-3` is a number, `010` is ten. A number with a
    leading `+` stays text, so that a lever can say `+0.2`.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _REAL.fullmatch(text):
        return float(text)
    return text


def dotted(path: Path) -> str:
    """A path in the words of an error: `stocks.front.next`, `order[2]`."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text[:120]
