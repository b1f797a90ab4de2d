"""Genius XML: a domain and one profile for each party.

Domain: `negotiation_template` with issues of items or ranges. Profile: `utility_space` with an
evaluation for each item (or an evaluator for a range), a weight for each issue, a reservation value
and a discount factor; non-linear ones add hyper-rectangles. Genius divides the evaluations of an
issue by their largest and multiplies by the weight (Lin et al. 2014, Genius manual); with
`normalise=False` they are taken as written, as NegMAS does. XML is read with defusedxml:
no document types, no entities, nothing fetched.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from servanda.errors import QuestionError
from servanda.tables.points.model import MAX_ISSUES, Box, Issue, Party, Table
from servanda.tables.points.reading import fail, read_text

MAX_DEPTH = 20
MAX_ELEMENTS = 200_000


class _Element:
    """An element with its place; children in order."""

    __slots__ = ("attributes", "children", "column", "line", "tag")

    def __init__(self, tag: str, attributes: dict[str, str], line: int, column: int) -> None:
        self.tag, self.attributes, self.line, self.column = tag, attributes, line, column
        self.children: list[_Element] = []


def parse(path: Path) -> _Element:
    """The root element of an XML file.

    Raises:
        ScenarioError: not XML, too large or deep, or with a document type or entities.
    """
    try:
        from defusedxml.common import DefusedXmlException
        from defusedxml.expatreader import DefusedExpatParser
    except ImportError as error:  # pragma: no cover
        raise QuestionError("reading XML needs the package defusedxml: pip install it") from error
    import io
    from xml.sax import SAXParseException
    from xml.sax.handler import ContentHandler

    text = read_text(path)

    class Handler(ContentHandler):
        def __init__(self) -> None:
            self.stack: list[_Element] = []
            self.root: _Element | None = None
            self.elements = 0
            self.locator: Any = None

        def setDocumentLocator(self, locator: Any) -> None:
            self.locator = locator

        def startElement(self, name: str, attrs: Any) -> None:
            line, column = self.locator.getLineNumber(), self.locator.getColumnNumber() + 1
            self.elements += 1
            if self.elements > MAX_ELEMENTS:
                fail(path, line, column, f"more than {MAX_ELEMENTS:,} elements")
            if len(self.stack) >= MAX_DEPTH:
                fail(path, line, column, f"nested more than {MAX_DEPTH} deep", name)
            element = _Element(name, dict(attrs.items()), line, column)
            if self.stack:
                self.stack[-1].children.append(element)
            else:
                self.root = element
            self.stack.append(element)

        def endElement(self, name: str) -> None:
            self.stack.pop()

    handler = Handler()
    parser = DefusedExpatParser(forbid_dtd=True)
    parser.setContentHandler(handler)
    try:
        parser.parse(io.BytesIO(text.encode()))
    except DefusedXmlException:
        at = max(text.find("<!"), 0)
        line = text.count("\n", 0, at) + 1
        fail(
            path,
            line,
            at - text.rfind("\n", 0, at),
            "document types and entities are not read: take the '<!...>' out",
            "<!",
        )
    except SAXParseException as error:
        fail(
            path,
            error.getLineNumber() or 1,
            (error.getColumnNumber() or 0) + 1,
            f"cannot be read as XML: {error.getMessage()}",
        )
    if handler.root is None:
        fail(path, 1, 1, "cannot be read as XML: no element")
    return handler.root


def load(domain: Path, profiles: list[Path], *, normalise: bool = True) -> Table:
    """A table from a Genius domain and its profiles.

    Raises:
        ScenarioError: what is wrong, with its place.
    """
    issues = _issues(domain)
    if not profiles:
        fail(domain, 0, 0, "a domain without profiles: name the parties' utility_space files too")
    names = _names(profiles)
    parties = tuple(
        _party(path, name, issues, normalise) for path, name in zip(profiles, names, strict=True)
    )
    return Table(issues, parties, title=domain.stem)


def _names(profiles: list[Path]) -> list[str]:
    stems = [path.stem for path in profiles]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in profiles]


def is_profile(path: Path) -> bool:
    """Whether a Genius file is a profile: its root, or the objective in it, has evaluations."""
    root = parse(path)
    if root.tag == "negotiation_template":
        return False
    if root.tag != "utility_space":
        _odd(path, root, "negotiation_template (a domain) or utility_space (a profile)")
    return True


def _issues(path: Path) -> tuple[Issue, ...]:
    root = parse(path)
    if root.tag not in ("negotiation_template", "utility_space"):
        _odd(path, root, "negotiation_template")
    objective = _find(root, "objective")
    if objective is None:
        fail(path, root.line, root.column, "no <objective> with the issues")
    found: dict[int, Issue] = {}
    for element in objective.children:
        if element.tag == "objective":
            fail(path, element.line, element.column, "objectives inside objectives are not read")
        if element.tag != "issue":
            continue
        number = _index(path, element)
        if number in found:
            fail(path, element.line, element.column, f"a second issue with index {number + 1}")
        found[number] = _issue(path, element)
    if not found:
        fail(path, objective.line, objective.column, "no <issue> in the objective")
    if len(found) > MAX_ISSUES:
        fail(path, objective.line, objective.column, f"more than {MAX_ISSUES:,} issues")
    return tuple(found[k] for k in sorted(found))


def _issue(path: Path, element: _Element) -> Issue:
    name = _attribute(path, element, "name")
    kind = element.attributes.get("type", element.attributes.get("vtype", "discrete"))
    try:
        if kind == "discrete":
            options = []
            for item in element.children:
                if item.tag == "item":
                    value = _attribute(path, item, "value")
                    if value in options:
                        fail(path, item.line, item.column, f"item '{value}' is there twice", value)
                    options.append(value)
            if not options:
                fail(path, element.line, element.column, f"issue '{name}' has no items", name)
            return Issue(name, tuple(options))
        if kind in ("integer", "real"):
            low, high = _bounds(path, element)
            if kind == "integer":
                return Issue.integer(name, round(low), round(high))
            return Issue.continuous(name, low, high)
    except QuestionError as error:
        fail(path, element.line, element.column, str(error), name)
    fail(
        path,
        element.line,
        element.column,
        f"issue type '{kind}'",
        kind,
        ("discrete", "integer", "real"),
    )


def _bounds(path: Path, element: _Element) -> tuple[float, float]:
    at = next((c for c in element.children if c.tag == "range"), element)
    low = at.attributes.get("lowerbound", element.attributes.get("lowerbound"))
    high = at.attributes.get("upperbound", element.attributes.get("upperbound"))
    if low is None or high is None:
        fail(path, at.line, at.column, "a range needs lowerbound and upperbound")
    return _number(path, at, low), _number(path, at, high)


def _party(path: Path, name: str, issues: tuple[Issue, ...], normalise: bool) -> Party:
    root = parse(path)
    if root.tag != "utility_space":
        _odd(path, root, "utility_space")
    objective = _find(root, "objective")
    if objective is None:
        fail(path, root.line, root.column, "no <objective> with the evaluations")
    place = {issue.name: k for k, issue in enumerate(issues)}
    worth = [np.zeros(len(issue.options)) for issue in issues]
    weights: dict[int, float] = {}
    seen: set[int] = set()
    boxes: list[Box] = []
    for element in (*objective.children, *(c for c in root.children if c is not objective)):
        if element.tag == "weight":
            weights[_index(path, element)] = _value(path, element)
        elif element.tag == "issue":
            title = _attribute(path, element, "name")
            if title not in place:
                fail(
                    path, element.line, element.column,
                    f"issue '{title}' is not in the domain", title, place,
                )  # fmt: skip
            k = place[title]
            if k in seen:
                fail(path, element.line, element.column, f"issue '{title}' twice", title)
            seen.add(k)
            worth[k] = _evaluations(path, element, issues[k], normalise)
        elif element.tag in ("utility_function", "utility"):
            boxes += _boxes(path, element, issues)
        elif element.tag == "objective":
            fail(path, element.line, element.column, "objectives inside objectives are not read")
    if not seen and not boxes:
        fail(path, objective.line, objective.column, "no evaluations: neither issues nor boxes")
    missing = [issue.name for k, issue in enumerate(issues) if k not in seen]
    if missing and not boxes:
        fail(path, objective.line, objective.column, f"no evaluations of issue '{missing[0]}'")
    reservation = _find(root, "reservation")
    discount = _find(root, "discount_factor")
    factor = 1.0 if discount is None else _value(path, discount)
    if factor > 1:
        assert discount is not None
        fail(path, discount.line, discount.column, f"a discount factor of {factor:g}, above 1")
    # Genius: no reservation value is 0; a discount factor of 0 or less is none.
    return Party(
        name,
        tuple(w * weights.get(k, 1.0) for k, w in enumerate(worth)),
        boxes=tuple(boxes),
        reservation=0.0 if reservation is None else _value(path, reservation),
        discount=factor if factor > 0 else 1.0,
    )


def _evaluations(path: Path, element: _Element, issue: Issue, normalise: bool) -> np.ndarray:
    out = np.full(len(issue.options), np.nan)
    evaluator = next((c for c in element.children if c.tag == "evaluator"), None)
    if evaluator is not None:
        if issue.levels is None:
            fail(
                path, evaluator.line, evaluator.column,
                f"an evaluator for issue '{issue.name}', whose options are no numbers",
            )  # fmt: skip
        return _evaluate(path, evaluator, issue.levels)
    for item in element.children:
        if item.tag != "item":
            continue
        value = _attribute(path, item, "value")
        try:
            at = issue.option(value)
        except QuestionError:
            fail(
                path, item.line, item.column,
                f"'{value}' is not an item of issue '{issue.name}' in the domain",
                value, issue.options,
            )  # fmt: skip
        out[at] = _number(path, item, _attribute(path, item, "evaluation"))
    lacking = np.flatnonzero(np.isnan(out))
    if len(lacking):
        option = issue.options[int(lacking[0])]
        fail(
            path, element.line, element.column,
            f"issue '{issue.name}': no evaluation of '{option}'", option,
        )  # fmt: skip
    if normalise:
        largest = out.max()
        out = out / largest if largest > 0 else np.zeros_like(out)
    return out


def _evaluate(path: Path, element: _Element, x: np.ndarray) -> np.ndarray:
    """A value function of numbers: linear, quadratic or triangular."""
    kind = element.attributes.get("ftype", "linear")

    def parameter(number: int, name: str, default: float) -> float:
        text = element.attributes.get(name, element.attributes.get(f"parameter{number}"))
        return default if text is None else _number(path, element, text)

    if kind == "linear":
        return parameter(1, "slope", 1.0) * x + parameter(0, "offset", 0.0)
    if kind == "quadratic":
        return (
            parameter(2, "a2", 0.0) * x**2
            + parameter(1, "a1", 0.0) * x
            + parameter(0, "offset", 0.0)
        )
    if kind == "triangular":
        low, high = parameter(0, "start", 0.0), parameter(1, "end", 1.0)
        top = parameter(2, "middle", 0.5)
        if not low <= top <= high or low == high:
            fail(path, element.line, element.column, "a triangle needs start <= middle <= end")
        up = np.where(top > low, (x - low) / (top - low if top > low else 1.0), 1.0)
        down = np.where(high > top, (high - x) / (high - top if high > top else 1.0), 1.0)
        return np.clip(np.where(x <= top, up, down), 0.0, 1.0)
    fail(
        path, element.line, element.column, f"unknown evaluator '{kind}'", kind,
        ("linear", "quadratic", "triangular"),
    )  # fmt: skip


def _boxes(path: Path, element: _Element, issues: tuple[Issue, ...]) -> list[Box]:
    out = []
    for ufun in element.children:
        if ufun.tag != "ufun":
            continue
        how = ufun.attributes.get("aggregation", "sum")
        if how != "sum" or ufun.attributes.get("type", "PlainUfun") != "PlainUfun":
            fail(path, ufun.line, ufun.column, "only PlainUfun boxes that are added up are read")
        weight = _number(path, ufun, ufun.attributes.get("weight", "1"))
        for rectangle in ufun.children:
            worth = _number(path, rectangle, rectangle.attributes.get("utility", "0"))
            where = []
            for bound in rectangle.children:
                k = _index(path, bound)
                if not 0 <= k < len(issues):
                    fail(path, bound.line, bound.column, f"there is no issue with index {k + 1}")
                levels = issues[k].levels
                if levels is None:
                    levels = np.arange(len(issues[k].options), dtype=float)
                low = _number(path, bound, _attribute(path, bound, "min"))
                high = _number(path, bound, _attribute(path, bound, "max"))
                inside = (levels >= low) & (levels <= high)
                where.append((k, inside if bound.tag.upper() != "EXCLUDES" else ~inside))
            if len({k for k, _ in where}) < len(where):
                fail(path, rectangle.line, rectangle.column, "two bounds on one issue")
            out.append(Box(tuple(where), worth * weight))
    return out


def _find(element: _Element, tag: str) -> _Element | None:
    """The first element with a tag, the element's own children first."""
    for child in element.children:
        if child.tag == tag:
            return child
    for child in element.children:
        found = _find(child, tag)
        if found is not None:
            return found
    return None


def _attribute(path: Path, element: _Element, name: str) -> str:
    if name not in element.attributes:
        fail(path, element.line, element.column, f"<{element.tag}> needs '{name}'", element.tag)
    return element.attributes[name].strip()


def _index(path: Path, element: _Element) -> int:
    value = _number(path, element, _attribute(path, element, "index"))
    if value != int(value) or not 0 < value <= 10 * MAX_ISSUES:
        fail(path, element.line, element.column, f"index {value:g}: a whole number from 1 on")
    return int(value) - 1


def _value(path: Path, element: _Element) -> float:
    return _number(path, element, _attribute(path, element, "value"))


def _number(path: Path, element: _Element, text: str) -> float:
    try:
        value = float(text) if len(text) < 100 else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        fail(path, element.line, element.column, f"'{text[:60]}' is not a finite number", text)
    return value


def _odd(path: Path, root: _Element, wanted: str) -> NoReturn:
    fail(
        path,
        root.line,
        root.column,
        f"the root is <{root.tag}>; a Genius file has {wanted}",
        root.tag,
    )
