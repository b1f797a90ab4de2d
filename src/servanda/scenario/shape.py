"""Where does a file depart from the shape of a scenario?

In comes a `Document`; every departure is reported there with its place and a remedy. Out goes a
`ScenarioFile` in which the damaged parts are left out or stand in with something harmless, so that
the rest of the file can be checked as well, and the set of damaged paths.
"""

from __future__ import annotations

import copy
import re
import types
import typing
from typing import Annotated, Any, Final, Union

from pydantic import BaseModel, Tag, ValidationError

from servanda.scenario.document import Document, Path, dotted, nearest
from servanda.scenario.schema import HypothesisSection, Number, ScenarioFile

# Lists whose other items can still be checked when one is damaged.
_LISTS_OF_NAMES: Final = frozenset({"values", "signatories", "obligations", "never"})

# What stands in for a damaged value that must be there. Findings about it are not shown.
STAND_INS: Final[dict[str, Any]] = {
    "title": "damaged",
    "horizon": 1,
    "parties": {"damaged": {"patience": 0.5}},
    "patience": 0.5,
    "start": 0.5,
    "next": 0.0,
    "values": ["damaged"],
    "range": [0.0, 1.0],
    "steps": 2,
    "options": ["damaged"],
    "levels": {"damaged": 0.0},
    "now": 0.0,
    "party": "damaged",
    "signatories": ["damaged"],
    "owner": "damaged",
    "set": {"damaged": 0.0},
    "quote": "",
    "test": "0",
}


def check_shape(document: Document) -> tuple[ScenarioFile, set[Path]]:
    """Report every departure from the schema; return what can be read and what is damaged."""
    assert document.data is not None
    data = copy.deepcopy(document.data)
    # A section that is only begun, `assumptions:` and nothing after it, is an empty one.
    for section in [key for key, value in data.items() if value is None]:
        if section in ScenarioFile.model_fields and section not in STAND_INS:
            del data[section]
    damaged: set[Path] = set()
    tried: set[Path] = set()
    first = True
    while True:
        try:
            return ScenarioFile.model_validate(data), damaged | _lists_of(damaged)
        except ValidationError as error:
            problems = error.errors(include_url=False)
        if first:
            _report_all(document, problems)
        first = False
        faults: dict[Path, str] = {}
        for problem in problems:
            faults.setdefault(_path(problem["loc"], data), problem["type"])
        damaged.update(faults)
        # From the back, so that indices into lists stay true while items are taken out.
        for path in sorted(faults, key=_sortable, reverse=True):
            _repair(data, path, faults[path], tried, damaged)


def _path(location: tuple[str | int, ...], data: Any) -> Path:
    """A pydantic location without the tags of unions: what looks like one and is no key."""
    path: list[str | int] = []
    for part in location:
        if _has(data, part):
            data = data[part]
        elif isinstance(part, str) and part[:1] in ("<", "["):
            continue
        else:
            data = None
        path.append(part)
    return tuple(path)


def _lists_of(damaged: set[Path]) -> set[Path]:
    """The lists of numbers that hold a damaged one: nothing sound can be said of them either."""
    return {
        path[:-1]
        for path in damaged
        if isinstance(path[-1], int)
        and path[0] not in ("order", "moves")
        and path[-2] not in _LISTS_OF_NAMES
    }


def _sortable(path: Path) -> list[tuple[int, str]]:
    return [(part, "") if isinstance(part, int) else (-1, part) for part in path]


# --- saying what is wrong -------------------------------------------------------------------


def _report_all(document: Document, problems: list[Any]) -> None:
    """Every problem, save those that only follow from another: a key that is no name makes its
    value no better, and a key that is missing may only be misspelt.
    """
    places = [_path(problem["loc"], document.data) for problem in problems]
    unnamed = {place for place, p in zip(places, problems) if p["loc"] and p["loc"][-1] == "[key]"}
    misspelt = {
        (*place[:-1], nearest(str(p["loc"][-1]), _known_keys(p["loc"][:-1])))
        for place, p in zip(places, problems)
        if p["type"] == "extra_forbidden"
    }
    for path, problem in zip(places, problems):
        follows = any(path[:i] in unnamed for i in range(1, len(path) + 1))
        if follows and problem["loc"][-1] != "[key]":
            continue
        if problem["type"] == "missing" and path in misspelt:
            continue
        _report(document, path, problem)


def _report(document: Document, path: Path, problem: Any) -> None:
    location, kind, value = problem["loc"], problem["type"], problem["input"]
    context = problem.get("ctx", {})
    where = dotted(path)
    inside = f" in {dotted(path[:-1])}" if len(path) > 1 else ""
    name = str(path[-1]) if path else ""
    if location and location[-1] == "[key]":
        said = "is longer than 60 characters" if kind == "string_too_long" else _NOT_A_NAME
        document.report(path, f"'{name[:60]}' {said}", text=name, on_key=True)
    elif kind == "extra_forbidden":
        known = _known_keys(location[:-1])
        listed = f"; known here: {', '.join(known)}" if 0 < len(known) <= 8 else ""
        near = nearest(name, known)
        document.report(
            path,
            f"unknown key '{name[:60]}'{inside}" + ("" if near else listed),
            text=name,
            known=known,
            on_key=True,
        )
    elif kind == "missing":
        owner = dotted(path[:-1]) or "the file"
        document.report(path[:-1], f"{owner} lacks '{name}'", on_key=True)
    elif kind == "literal_error":
        known = re.findall(r"'([^']*)'", context.get("expected", ""))
        document.report(
            path,
            f"{where} is {_shown(value)}; it can be {context.get('expected', '')}",
            text=value if isinstance(value, str) else "",
            known=known,
        )
    else:
        said = _sentence(kind, context, location, value)
        document.report(path, f"{where} {said}", text=value if isinstance(value, str) else "")


_NOT_A_NAME: Final = "is not a name: a letter, then letters, digits and _"


def _sentence(kind: str, context: dict[str, Any], location: Any, value: Any) -> str:
    got = _shown(value)
    match kind:
        case "string_pattern_mismatch":
            if "\\." in context.get("pattern", ""):
                return f"is {got}; write an option, a decision, or two names joined by a dot"
            return f"is {got}, which {_NOT_A_NAME}"
        case "string_too_long":
            return "is longer than 60 characters"
        case "string_too_short":
            return "is empty"
        case "too_short" | "too_long":
            return _length(context, location, value)
        case "greater_than_equal":
            return f"is {got}; it must be at least {context['ge']:g}"
        case "less_than_equal":
            return f"is {got}; it may not exceed {context['le']:g}"
        case "float_type" | "int_type" | "int_from_float" | "int_parsing_size":
            whole = "a number" if kind == "float_type" else "a whole number"
            return f"should be {whole}, not {got}"
        case "bool_type":
            return f"should be true or false, not {got}"
        case "string_type":
            tags = [part for part in location if isinstance(part, str) and part.startswith("<")]
            last = tags[-1] if tags and location[-1] == tags[-1] else ""
            what = {
                "<formula>": "a formula",
                "<name>": "a name",
                "<level>": "a level or a number",
                "<option>": "an option",
            }.get(last, "text")
            scalar = isinstance(value, int | float) if what == "text" else isinstance(value, bool)
            quoted = "; put it in quotes" if scalar and what in ("text", "a name") else ""
            return f"should be {what}, not {got}{quoted}"
        case "list_type":
            return f"should be a list, not {got}"
        case "dict_type" | "model_type" | "model_attributes_type":
            if context.get("class_name") == "OptionsSection":
                return f"should be a list of options, not {got}"
            return f"should be a mapping, not {got}"
    return f"is {got}, which cannot be read"


def _length(context: dict[str, Any], location: Any, value: Any) -> str:
    count = len(value)
    if location and location[-1] == "<range>":
        return f"has {_counted(count, 'number')}; write [low, mode, high]"
    if location and location[-1] == "<option with detail>":
        return "holds several options; begin each with '- '"
    least, most = context.get("min_length"), context.get("max_length")
    if least is not None and count == 0:
        return "is empty"
    needed = f"at most {most}" if least is None else str(least)
    return f"has {_counted(count, 'entry')}; it needs {needed}"


def _counted(count: int, thing: str) -> str:
    several = {"entry": "entries", "number": "numbers"}[thing]
    return f"{count} {thing if count == 1 else several}"


def _shown(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value[:40]}{'…' if len(value) > 40 else ''}'"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case float():
            return f"{value:g}"
    return str(value)[:40]


# --- the keys a place can have --------------------------------------------------------------


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    """The keys of the model at a pydantic location, found by walking the annotations."""
    place: Any = ScenarioFile
    for part in location:
        place = _step(_bare(place), part)
        if place is None:
            return []
    place = _bare(place)
    if isinstance(place, type) and issubclass(place, BaseModel):
        return [field.alias or name for name, field in place.model_fields.items()]
    return []


def _bare(annotation: Any) -> Any:
    """Without `Annotated` and `| None`."""
    while True:
        if typing.get_origin(annotation) is Annotated:
            annotation = typing.get_args(annotation)[0]
            continue
        members = typing.get_args(annotation) if _is_union(annotation) else ()
        others = [member for member in members if member is not type(None)]
        if len(others) == 1 and len(others) < len(members):
            annotation = others[0]
            continue
        return annotation


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (Union, types.UnionType)


def _step(place: Any, part: str | int) -> Any:
    if _is_union(place):
        for member in typing.get_args(place):
            tags = [tag.tag for tag in getattr(member, "__metadata__", ()) if isinstance(tag, Tag)]
            if part in tags:
                return member
        return None
    if isinstance(place, type) and issubclass(place, BaseModel):
        for name, field in place.model_fields.items():
            if part in (name, field.alias):
                return field.annotation
        return Number if place is HypothesisSection else None
    arguments = typing.get_args(place)
    return arguments[-1] if arguments else None


# --- going on in spite of it ----------------------------------------------------------------


def _repair(
    data: dict[str, Any], path: Path, kind: str, tried: set[Path], damaged: set[Path]
) -> None:
    """Put a stand-in at a damaged path, once, or take the entry out, which damages it as well.

    Every call adds to `tried` or takes something out of the data, so repairs come to an end.
    """
    missing = kind == "missing"
    parent: Any = data
    for part in path[:-1]:
        if not _has(parent, part):
            return  # taken out with something above it
        parent = parent[part]
    key = path[-1]
    if not missing and not _has(parent, key):
        return
    if kind != "extra_forbidden" and path not in tried:
        if isinstance(parent, dict) and key in STAND_INS:
            tried.add(path)
            parent[key] = copy.deepcopy(STAND_INS[str(key)])
            return
        if isinstance(parent, list) and isinstance(key, int):
            tried.add(path)
            parent[key] = 0.0 if any(isinstance(x, int | float) for x in parent) else "damaged"
            return
    if not missing:
        damaged.add(path)
        del parent[key]
    else:
        _repair(data, path[:-1], "extra_forbidden", tried, damaged)


def _has(container: Any, key: str | int) -> bool:
    if isinstance(container, dict):
        return key in container
    return isinstance(container, list) and isinstance(key, int) and key < len(container)
