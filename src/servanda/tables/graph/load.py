"""How does a file become a conflict?

In comes a YAML file, its folder, or its text; out goes a `Conflict`, or a `ScenarioError` with one
line per mistake: file, line, column, what is wrong, the nearest right thing. The form of the file
is in docs/graph.md.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path as FilePath
from typing import Any, Final

import numpy as np

from servanda.errors import Finding, FormulaError, QuestionError, ScenarioError
from servanda.scenario.document import MAX_BYTES, Document, Path, read_document
from servanda.scenario.load import FILE_NAME
from servanda.tables.graph.model import (
    MAX_OPTIONS,
    MAX_PAIRS,
    Conflict,
    Direction,
    Option,
    Preference,
    View,
    amended,
    feasible_codes,
    pattern_bits,
)
from servanda.tables.graph.statements import by_priority, by_weight
from servanda.tables.sections import section, title_of

Array = np.ndarray

FILE_NAMES: Final = ("conflict.yaml", "graph.yaml", FILE_NAME)
MAX_PARTIES: Final = 64
MAX_FORBIDDEN: Final = 2000
MAX_READ: Final = 10_000_000_000  # characters of statements times states
STRONGLY: Final = ">>"
_SECTIONS: Final = (
    "title", "source", "notes", "decision_makers", "infeasible", "irreversible", "moves", "states",
    "arcs", "preferences", "attitudes", "perceptions", "status_quo",
)  # fmt: skip
_KINDS: Final = ("ranking", "statements", "weights")
_ATTITUDES: Final = {"positive": 1, "neutral": 0, "negative": -1}


def load(source: str | os.PathLike[str]) -> Conflict:
    """Read a conflict from a file, a folder with one, or its own text (several lines).

    A file may be a scenario with a `graph` section. In a folder the file is called `conflict.yaml`,
    `graph.yaml` or `scenario.yaml`.

    Raises:
        ScenarioError: with every mistake that was found.
    """
    if isinstance(source, str) and "\n" in source:
        return loads(source)
    path = FilePath(source)
    name = str(path)
    try:
        if path.is_dir():
            path = next((path / f for f in FILE_NAMES if (path / f).exists()), path / FILE_NAMES[0])
            name = str(path)
        if not path.exists():
            said = "no such file"
            if path.name != FilePath(source).name:
                said += f", and no {' or '.join(FILE_NAMES[1:])} beside it"
            raise ScenarioError([Finding(name, 0, 0, said)])
        if not path.is_file():
            raise ScenarioError([Finding(name, 0, 0, "is not a file")])
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        shown = "".join(c if c.isprintable() else "?" for c in name)[:200]
        raise ScenarioError([Finding(shown, 0, 0, f"cannot be read: {reason}")]) from None
    if len(content) > MAX_BYTES:
        raise ScenarioError([Finding(name, 0, 0, f"the file is longer than {MAX_BYTES:,} bytes")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = content[error.start]
        message = f"the byte 0x{byte:02X} is not UTF-8; save the file as UTF-8"
        raise ScenarioError([Finding(name, line, 1, message)]) from None
    return loads(text, name=name)


def loads(text: str, *, name: str = "conflict") -> Conflict:
    """Read a conflict from its text; `name` stands for the file in findings.

    Raises:
        ScenarioError: as `load`.
    """
    document = read_document(text, name)
    if document.data is None:
        document.findings = [_about_conflicts(f) for f in document.findings]
    else:
        root = section(document, "graph")
        found = None if root is None else _Reader(document, root).conflict()
        if found is not None and not document.findings:
            return found
    order = sorted(document.findings, key=lambda f: (f.line, f.column))
    raise ScenarioError(order)


def _about_conflicts(finding: Finding) -> Finding:
    """The same finding, in terms of a conflict where it spoke of scenarios."""
    message = finding.message.replace(", or name the number under assumptions", "")
    head, found, _ = message.partition("; a scenario is a mapping")
    if found:
        message = f"{head}; a conflict is a mapping with decision_makers and preferences"
    return Finding(finding.file, finding.line, finding.column, message, finding.text)


class _Stop(Exception):
    """A mistake was reported after which this part cannot be read on."""


class _Reader:
    """One file, section by section."""

    def __init__(self, document: Document, root: Path) -> None:
        assert document.data is not None
        self.document = document
        self.root = root
        self.data: dict[str, Any] = document.data
        for key in root:
            self.data = self.data[str(key)]
        self.parties: list[str] = []
        self.options: list[Option] = []
        self.codes: Array | None = None
        self.states: tuple[str, ...] = ()

    # -- saying what is wrong --

    def fail(
        self,
        path: Path,
        message: str,
        *,
        text: str = "",
        known: Sequence[str] = (),
        on_key: bool = False,
        offset: int | None = None,
    ) -> _Stop:
        self.document.report(
            (*self.root, *path), message, text=text, known=known, on_key=on_key, offset=offset
        )
        return _Stop()

    def keys(self, path: Path, given: Any, known: Sequence[str], what: str) -> dict[str, Any]:
        """The mapping at a path, every unknown key reported."""
        if not isinstance(given, dict):
            raise self.fail(path, f"{what} is a mapping with {', '.join(known)}")
        for key in given:
            if key not in known:
                self.fail(
                    (*path, key), f"unknown key '{key[:60]}' in {what}", text=key, known=known,
                    on_key=True,
                )  # fmt: skip
        return given

    def party(self, path: Path, name: Any, *, on_key: bool = False) -> int:
        if name not in self.parties:
            raise self.fail(
                path, f"unknown decision maker '{str(name)[:60]}'", text=str(name),
                known=self.parties, on_key=on_key,
            )  # fmt: skip
        return self.parties.index(name)

    def option(self, path: Path, name: Any, *, on_key: bool = False) -> int:
        names = [o.name for o in self.options]
        if name not in names:
            raise self.fail(
                path, f"unknown option '{str(name)[:60]}'", text=str(name), known=names,
                on_key=on_key,
            )  # fmt: skip
        return names.index(name)

    def listed(self, path: Path, given: Any, what: str) -> list[Any]:
        if not isinstance(given, list):
            raise self.fail(path, f"{what} is a list in square brackets or with dashes")
        return given

    def words(self, path: Path, given: Any, what: str) -> str:
        if not isinstance(given, str) or not given.strip() or len(given) > 200:
            raise self.fail(path, f"{what} is a text of at most 200 characters")
        if not given.isprintable():
            raise self.fail(path, f"{what} holds a character that cannot be printed")
        return given.strip()

    def pattern(self, path: Path, given: Any) -> str:
        try:
            pattern_bits(str(given), len(self.options))
        except QuestionError as error:
            raise self.fail(path, str(error), text=str(given)) from None
        return str(given)

    def state(self, path: Path, given: Any) -> int:
        size = len(self.states) if self.codes is None else self.codes.size
        if isinstance(given, int) and not isinstance(given, bool):
            if 1 <= given <= size:
                return given - 1
            raise self.fail(path, f"there is no state {given}: they are counted 1 to {size}")
        text = str(given)
        if self.codes is None:
            if text not in self.states:
                raise self.fail(path, f"unknown state '{text[:60]}'", text=text, known=self.states)
            return self.states.index(text)
        if len(text) != len(self.options) or set(text) - set("YN"):
            raise self.fail(
                path,
                f"'{text[:60]}' is no state: give its number, or {len(self.options)} letters Y or "
                "N in the order of the options",
                text=text,
            )
        code = sum(1 << k for k, letter in enumerate(text) if letter == "Y")
        at = int(np.searchsorted(self.codes, code))
        if at == self.codes.size or self.codes[at] != code:
            raise self.fail(path, f"the state {text} is not feasible", text=text)
        return at

    # -- the sections --

    def conflict(self) -> Conflict | None:
        self.each(
            lambda: self.keys((), self.data, _SECTIONS, "the section" if self.root else "the file")
        )
        try:
            self.structure()
        except _Stop:
            return None
        preferences = self.each(self.preferences)
        attitudes = self.each(self.attitudes) or {}
        views = self.each(lambda: self.views(preferences)) or {}
        arcs = self.each(self.arcs_of_graph if self.states else self.arcs_of_options)
        status_quo = None
        if "status_quo" in self.data:
            status_quo = self.each(lambda: self.state(("status_quo",), self.data["status_quo"]))
        title, source = (self.root and title_of(self.document)) or "A conflict", ""
        if "title" in self.data:
            title = self.each(lambda: self.words(("title",), self.data["title"], "the title")) or ""
        if "source" in self.data:
            source = str(self.data["source"])[:2000]
        if self.document.findings or preferences is None:
            return None
        canonical = json.dumps(self.data, ensure_ascii=True, separators=(",", ":"), default=str)
        return Conflict(
            title,
            tuple(self.parties),
            tuple(preferences[i] for i in range(len(self.parties))),
            tuple(self.options),
            self.codes,
            self.states,
            arcs,
            attitudes,
            views,
            status_quo,
            source,
            hashlib.sha256(canonical.encode()).hexdigest()[:16],
        )

    def each(self, read: Callable[[], Any]) -> Any:
        """What `read` gives, or None where it had to stop (the mistake is reported)."""
        try:
            return read()
        except _Stop:
            return None
        except RecursionError:
            self.fail((), "nested too deeply")
            return None

    def structure(self) -> None:
        given = self.data.get("decision_makers")
        if given is None:
            raise self.fail(
                (), "decision_makers are missing: who controls which options"
                if "decision_maker" not in self.data else "decision_makers are missing",
            )  # fmt: skip
        if "states" in self.data:
            self.graph_form(given)
        else:
            self.option_form(given)
        if len(self.parties) < 1:
            raise self.fail(("decision_makers",), "there is no decision maker")

    def option_form(self, given: Any) -> None:
        path: Path = ("decision_makers",)
        if not isinstance(given, dict):
            raise self.fail(
                path, "decision_makers is a mapping from each name to its list of options"
            )
        if len(given) > MAX_PARTIES:
            raise self.fail(path, f"{len(given)} decision makers; at most {MAX_PARTIES} are taken")
        for key in ("arcs",):
            if key in self.data:
                raise self.fail(
                    (key,), "arcs belong to a conflict with `states`; use `moves` here", on_key=True
                )
        names: list[str] = []
        for i, (party, options) in enumerate(given.items()):
            self.parties.append(self.words((*path, party), party, "a decision maker's name"))
            for k, option in enumerate(self.listed((*path, party), options, "what one controls")):
                place = (*path, party, k)
                name = self.words(place, option, "an option's name")
                if name in names:
                    raise self.fail(place, f"the option '{name[:60]}' is there twice", text=name)
                names.append(name)
                self.options.append(Option(name, i))
        if not names:
            raise self.fail(path, "nobody controls an option")
        if len(names) > MAX_OPTIONS:
            raise self.fail(
                path,
                f"{len(names)} options make 2^{len(names)} states; at most {MAX_OPTIONS} options "
                "are taken",
            )
        self.directions()
        patterns = []
        if "infeasible" in self.data:
            path = ("infeasible",)
            listed = self.listed(path, self.data["infeasible"], "infeasible")
            if len(listed) > MAX_FORBIDDEN:
                raise self.fail(path, f"{len(listed)} patterns; at most {MAX_FORBIDDEN} are taken")
            patterns = [self.pattern((*path, k), one) for k, one in enumerate(listed)]
        try:
            self.codes = feasible_codes(len(names), patterns)
        except QuestionError as error:
            raise self.fail(("infeasible",), str(error)) from None

    def directions(self) -> None:
        given = self.data.get("irreversible", {})
        path: Path = ("irreversible",)
        if not isinstance(given, dict):
            raise self.fail(path, "irreversible is a mapping from options to N->Y or Y->N")
        for name, direction in given.items():
            k = self.option((*path, name), name, on_key=True)
            if direction not in ("N->Y", "Y->N"):
                raise self.fail(
                    (*path, name),
                    f"'{str(direction)[:40]}' is no direction: N->Y can be taken up only, Y->N "
                    "given up only",
                    text=str(direction),
                    known=("N->Y", "Y->N"),
                )
            chosen: Direction = direction
            self.options[k] = Option(name, self.options[k].owner, chosen)

    def graph_form(self, given: Any) -> None:
        for key in ("infeasible", "irreversible", "moves"):
            if key in self.data:
                raise self.fail(
                    (key,), f"{key} belongs to a conflict with options; use `arcs` here",
                    on_key=True,
                )  # fmt: skip
        path: Path = ("decision_makers",)
        for k, name in enumerate(self.listed(path, given, "decision_makers beside `states`")):
            found = self.words((*path, k), name, "a decision maker's name")
            if found in self.parties:
                raise self.fail((*path, k), f"the decision maker '{found}' is there twice")
            self.parties.append(found)
        if len(self.parties) > MAX_PARTIES:
            raise self.fail(
                path, f"{len(self.parties)} decision makers; at most {MAX_PARTIES} are taken"
            )
        states: list[str] = []
        for k, name in enumerate(self.listed(("states",), self.data["states"], "states")):
            found = self.words(("states", k), str(name), "a state's name")
            if found in states:
                raise self.fail(("states", k), f"the state '{found}' is there twice", text=found)
            states.append(found)
        if not states:
            raise self.fail(("states",), "there is no state")
        self.states = tuple(states)

    def arcs_of_graph(self) -> tuple[tuple[Array, Array], ...]:
        path: Path = ("arcs",)
        given = self.data.get("arcs")
        if not isinstance(given, dict):
            raise self.fail(path, "arcs is a mapping from each decision maker to [from, to] pairs")
        found: list[list[tuple[int, int]]] = [[] for _ in self.parties]
        for name, pairs in given.items():
            i = self.party((*path, name), name, on_key=True)
            for k, pair in enumerate(self.listed((*path, name), pairs, "arcs of one")):
                place = (*path, name, k)
                if not isinstance(pair, list) or len(pair) != 2:
                    raise self.fail(place, "an arc is a pair [from, to]")
                a, b = (self.state((*place, e), x) for e, x in enumerate(pair))
                if a == b:
                    raise self.fail(place, "an arc leads from one state to another")
                found[i].append((a, b))
        arrays = [np.array(sorted(set(pairs)), np.int64).reshape(-1, 2) for pairs in found]
        return tuple((a[:, 0], a[:, 1]) for a in arrays)

    def arcs_of_options(self) -> tuple[tuple[Array, Array], ...] | None:
        if "moves" not in self.data:
            return None
        path: Path = ("moves",)
        changes = []
        known = ("by", "from", "to", "allowed")
        for k, one in enumerate(self.listed(path, self.data["moves"], "moves")):
            place = (*path, k)
            one = self.keys(place, one, known, "a change of moves")
            for key in known:
                if key not in one:
                    raise self.fail(place, f"'{key}' is missing: by, from, to and allowed")
            if not isinstance(one["allowed"], bool):
                raise self.fail((*place, "allowed"), "allowed is true or false")
            who = self.party((*place, "by"), one["by"])
            start = self.pattern((*place, "from"), one["from"])
            end = self.pattern((*place, "to"), one["to"])
            changes.append((who, one["allowed"], start, end))
        bare = Conflict("", tuple(self.parties), (), tuple(self.options), self.codes)
        try:
            return amended(bare, changes)
        except QuestionError as error:
            raise self.fail(path, str(error)) from None

    def preferences(self) -> dict[int, Preference]:
        path: Path = ("preferences",)
        given = self.data.get("preferences")
        if not isinstance(given, dict):
            raise self.fail(
                path if "preferences" in self.data else (),
                "preferences is a mapping from each decision maker to a ranking, statements or "
                "weights",
            )
        found: dict[int, Preference] = {}
        for name, one in given.items():
            place = (*path, name)
            i = self.each(partial(self.party, place, name, on_key=True))
            preference = self.each(partial(self.preference, place, one))
            if i is not None and preference is not None:
                found[i] = preference
        absent = [p for p in self.parties if p not in given]
        if absent and not self.document.findings:
            raise self.fail(path, f"the preferences of {', '.join(absent)[:120]} are missing")
        return found

    def preference(self, path: Path, given: Any) -> Preference:
        if isinstance(given, list):
            given, nested = {"ranking": given}, False
        else:
            nested = True
        given = self.keys(path, given, (*_KINDS, "unknown", "fuzzy"), "a preference")
        kinds = [k for k in _KINDS if k in given]
        if len(kinds) != 1:
            raise self.fail(
                path,
                "a preference has one of ranking, statements and weights, not "
                + (" and ".join(kinds) or "none of them"),
            )
        kind = kinds[0]
        place = (*path, kind) if nested else path
        strength = None
        if kind == "ranking":
            rank, strength = self.ranking(place, given[kind])
        elif self.codes is None:
            raise self.fail(place, f"{kind} need options; rank the states instead")
        else:
            rank = self.stated(place, kind, given[kind])
        unknown = self.unknown((*path, "unknown"), given["unknown"]) if "unknown" in given else None
        degree, threshold = None, None
        if "fuzzy" in given:
            degree, threshold = self.fuzzy((*path, "fuzzy"), given["fuzzy"])
            if unknown is not None:
                raise self.fail((*path, "fuzzy"), "a preference is either fuzzy or partly unknown")
        return Preference(rank, strength, unknown, degree, threshold)

    def ranking(self, path: Path, given: Any) -> tuple[Array, Array | None]:
        """Ranks and classes of strength from a list, the most preferred first."""
        given = self.listed(path, given, "a ranking")
        size = len(self.states) if self.codes is None else self.codes.size
        place = np.full(size, -1, np.int64)
        marks: list[int] = []
        level = 0
        for k, entry in enumerate(given):
            if entry == STRONGLY:
                if level == 0 or k == len(given) - 1 or (marks and marks[-1] == level):
                    raise self.fail((*path, k), "'>>' stands between states")
                marks.append(level)
                continue
            tied = entry if isinstance(entry, list) else [entry]
            if not tied:
                raise self.fail((*path, k), "a tie of no states")
            for e, one in enumerate(tied):
                here = (*path, k, e) if isinstance(entry, list) else (*path, k)
                s = self.state(here, one)
                if place[s] >= 0:
                    raise self.fail(here, f"the state {one} is ranked twice", text=str(one))
                place[s] = level
            level += 1
        absent = np.flatnonzero(place < 0)
        if absent.size:
            names = ", ".join(str(s + 1) for s in absent[:8]) + (", ..." if absent.size > 8 else "")
            raise self.fail(path, f"the ranking leaves out {absent.size} of {size} states: {names}")
        rank = (level - 1 - place).astype(np.int32)
        if not marks:
            return rank, None
        classes = np.searchsorted(np.array(marks), place, side="right")
        return rank, (len(marks) - classes).astype(np.int32)

    def stated(self, path: Path, kind: str, given: Any) -> Array:
        assert self.codes is not None
        names = [o.name for o in self.options]
        if kind == "statements":
            statements = self.listed(path, given, "statements, the most important first,")
            places: list[Path] = [(*path, k) for k in range(len(statements))]
            on_key = False
        else:
            if not isinstance(given, dict):
                raise self.fail(path, "weights is a mapping from statements to numbers")
            statements, places, on_key = list(given), [(*path, k) for k in given], True
            for key, w in given.items():
                if isinstance(w, bool) or not isinstance(w, (int, float)) or not math.isfinite(w):
                    raise self.fail((*path, key), f"the weight '{str(w)[:40]}' is no number")
        if not statements or len(statements) > 500:
            raise self.fail(path, f"1 to 500 {kind} are taken, not {len(statements)}")
        length = sum(len(str(one)) for one in statements)
        if length * self.codes.size > MAX_READ:
            raise self.fail(
                path,
                f"{kind} of {length:,} characters on {self.codes.size:,} states take too long; at "
                f"most {MAX_READ // self.codes.size:,} characters are taken",
            )
        for place, one in zip(places, statements):
            if isinstance(one, (list, dict)) or one is None:
                raise self.fail(place, "a statement is a text, like: Attack and not Withdraw")
            try:
                by_priority([str(one)], names, self.codes[:1])
            except FormulaError as error:
                blank = "".join(str(one)[: error.offset].split())
                raise self.fail(
                    place, error.message, text=error.text, known=names, on_key=on_key,
                    offset=None if on_key else len(blank),
                ) from None  # fmt: skip
        try:
            if kind == "statements":
                return by_priority([str(one) for one in statements], names, self.codes)
            return by_weight({str(k): w for k, w in given.items()}, names, self.codes)
        except FormulaError as error:
            raise self.fail(path, error.message) from None

    def unknown(self, path: Path, given: Any) -> Array:
        pairs = []
        for k, pair in enumerate(self.listed(path, given, "unknown")):
            if not isinstance(pair, list) or len(pair) != 2:
                raise self.fail((*path, k), "an unknown comparison is a pair of states")
            a, b = (self.state((*path, k, e), x) for e, x in enumerate(pair))
            if a == b:
                raise self.fail((*path, k), "a state is compared with itself")
            pairs.append((a, b))
        if len(pairs) > MAX_PAIRS:
            raise self.fail(path, f"at most {MAX_PAIRS:,} pairs are taken")
        return np.array(pairs, np.int64).reshape(-1, 2)

    def fuzzy(self, path: Path, given: Any) -> tuple[tuple[Array, Array], float]:
        given = self.keys(path, given, ("threshold", "degrees"), "fuzzy")
        threshold = given.get("threshold")
        if (
            isinstance(threshold, bool)
            or not isinstance(threshold, (int, float))
            or not 0 < threshold <= 1
        ):
            raise self.fail((*path, "threshold"), "the threshold is a number above 0 and up to 1")
        pairs, degrees = [], []
        seen = set()
        for k, row in enumerate(self.listed((*path, "degrees"), given.get("degrees"), "degrees")):
            place = (*path, "degrees", k)
            if not isinstance(row, list) or len(row) != 3:
                raise self.fail(place, "a degree is [state, other state, number from 0 to 1]")
            a, b = (self.state((*place, e), row[e]) for e in range(2))
            degree = row[2]
            if (
                isinstance(degree, bool)
                or not isinstance(degree, (int, float))
                or not 0 <= degree <= 1
            ):
                raise self.fail((*place, 2), f"the degree '{str(degree)[:40]}' is not from 0 to 1")
            if a == b or frozenset((a, b)) in seen:
                raise self.fail(place, "each pair of two states has one degree")
            seen.add(frozenset((a, b)))
            pairs.append((a, b))
            degrees.append(float(degree))
        return (np.array(pairs, np.int64).reshape(-1, 2), np.array(degrees)), float(threshold)

    def attitudes(self) -> dict[int, tuple[int, ...]]:
        path: Path = ("attitudes",)
        given = self.data.get("attitudes", {})
        if not isinstance(given, dict):
            raise self.fail(path, "attitudes is a mapping from one decision maker to others")
        found = {}
        for name, row in given.items():
            i = self.party((*path, name), name, on_key=True)
            if not isinstance(row, dict):
                raise self.fail(
                    (*path, name), "attitudes are positive, neutral or negative, by name"
                )
            values = [1 if j == i else 0 for j in range(len(self.parties))]
            for other, word in row.items():
                j = self.party((*path, name, other), other, on_key=True)
                if word not in _ATTITUDES:
                    raise self.fail(
                        (*path, name, other),
                        f"'{str(word)[:40]}' is no attitude: positive, neutral or negative",
                        text=str(word),
                        known=list(_ATTITUDES),
                    )
                values[j] = _ATTITUDES[word]
            found[i] = tuple(values)
        return found

    def views(self, preferences: dict[int, Preference] | None) -> dict[int, View]:
        path: Path = ("perceptions",)
        given = self.data.get("perceptions", {})
        if not isinstance(given, dict):
            raise self.fail(path, "perceptions is a mapping from who sees to what it sees")
        found = {}
        for name, one in given.items():
            i = self.party((*path, name), name, on_key=True)
            place = (*path, name)
            one = self.keys(place, one, ("preferences", "unseen"), "a perception")
            seen = one.get("preferences", {})
            if not isinstance(seen, dict):
                raise self.fail((*place, "preferences"), "preferences by decision maker")
            sees = {
                self.party((*place, "preferences", other), other, on_key=True): self.preference(
                    (*place, "preferences", other), p
                )
                for other, p in seen.items()
            }
            unseen = self.listed((*place, "unseen"), one.get("unseen", []), "unseen")
            hidden = tuple(
                sorted({self.option((*place, "unseen", k), o) for k, o in enumerate(unseen)})
            )
            found[i] = View(sees, hidden)
        return found
