"""Writes docs/scenario-reference.md from the schema that checks scenario files.

Run it after a change of the schema: `.venv/bin/python docs/make_reference.py`. A test keeps the
page and the schema together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from servanda.scenario.claim_language import FUNCTIONS as CLAIM_FUNCTIONS
from servanda.scenario.formulas import FUNCTIONS
from servanda.scenario.schema import json_schema

PAGE = Path(__file__).with_name("scenario-reference.md")

CLAIMS = """\
A test is a comparison, or several with `and`, `or`, `not`. Its sides are arithmetic, as in a
[formula](#formula), of assumptions by name and of these functions. *deal* is a proposal's name;
where `never` may stand it means no deal. *period* is a whole number from 0 to the horizon, counted
from the signature. *move* is `PARTY.OPTION` or `PARTY.DECISION.OPTION`. *figure* is again such a
side, *test* again a test.
"""

# the parts of the page, in reading order: (heading, name in the schema, what it is)
SECTIONS = (
    ("parties", "PartySection", "Who chooses. A mapping of names to:"),
    ("hypotheses", "HypothesisSection",
     "Rival readings of a party, in groups. A mapping of group names to mappings of names to the "
     "following, and to assumptions by name with the number they have under this reading:"),
    ("stocks", "StockSection", "What builds up and runs down. A mapping of names to:"),
    ("phases", "PhaseSection", "Finite states. A mapping of names to:"),
    ("moves: named options", "OptionsSection",
     "What a party can do each period. A party has either one unnamed decision or a mapping of "
     "decision names. A decision is a list of options, or:"),
    ("moves: a number", "NumericSection", "A decision can also be a number, such as an offer:"),
    ("moves: one option", "OptionDetail", "An option is a name, or a name with:"),
    ("terms: named levels", "LevelsTerm", "What can be negotiated. A mapping of names to:"),
    ("terms: a number", "RangeTerm", "or, for a term without named levels:"),
    ("obligations", "ObligationSection",
     "What a deal binds parties to. Each has either `never` or `must`. A mapping of names to:"),
    ("proposals", "ProposalSection", "Deals that can be signed. A mapping of names to:"),
    ("proposals: what is remembered", "RememberedSection",
     "`remembered` is a number of periods, 1 or more, or a mapping of:"),
    ("levers", "LeverSection",
     "What somebody could change, at a cost (see [levers.md](levers.md)). A mapping of names to:"),
    ("claims", "ClaimSection",
     "Statements to test with `servanda claims` (see [claims.md](claims.md)). A mapping of names "
     "to:"),
    ("points", "PointsSection",
     "A table of points, for `servanda points`; no part of the game. It holds what a file of its "
     "own would: see [points.md](points.md). `servanda check` reads it too."),
    ("points: one party", "PointsPartySection", "`parties` is a mapping of names to:"),
    ("graph", "GraphSection",
     "A conflict in option form, for `servanda graph`; no part of the game. It holds what a file "
     "of its own would: see [graph.md](graph.md). `servanda check` reads it too."),
    ("spatial", "SpatialSection",
     "Actors' positions, for `servanda spatial` (see [spatial.md](spatial.md)); no part of the "
     "game:"),
    ("spatial: one actor", "SpatialActorSection", "`actors` is a mapping of names to:"),
)  # fmt: skip
# what the schema leaves unsaid because the key says it to anybody who knows the model
MEANINGS = {
    "title": "The name of the conflict.",
    "period": "How long one round of moves takes.",
    "parties": "Who chooses.",
    "assumptions": "Uncertain numbers that formulas share.",
    "hypotheses": "Rival readings of a party, by group.",
    "stocks": "What builds up and runs down.",
    "phases": "Finite states.",
    "moves": "What each party can do in a period.",
    "let": "Formulas with a name, in any order.",
    "interests": "What each party gets in a period, in its own unit, added up.",
    "terms": "What can be negotiated.",
    "obligations": "What a deal binds parties to.",
    "order": "The order of play; a list within it moves at once. Default: as listed in `moves`.",
    "proposals": "Deals that can be signed.",
    "levers": "What somebody could change, at a cost.",
    "claims": "Statements to test.",
    "label": "Its name in answers.",
    "start": "Its value at the start.",
    "cost": "What it costs its owner.",
    "value": "The number.",
    "mode": "The likeliest value.",
    "values": "Every value it can have.",
    "options": "The first is the default.",
    "when": "It can be chosen only if this exceeds 0.5.",
    "levels": "A number for each level, or a list of numbers by the age of the deal.",
    "now": "The level without any deal.",
    "after": "What becomes of it when the deal ends.",
    "party": "Who is bound.",
    "proposer": "Who makes the offer.",
    "renew": "What happens each time `lasts` runs out.",
    "owner": "Who can change it.",
    "quote": "The statement.",
}
DISTRIBUTIONS = ("Valued", "Pert", "Uniform", "Normal", "Lognormal", "Beta")

INTRO = """\
# Scenario reference

*Made from the schema by `docs/make_reference.py`; do not edit by hand.*

A scenario is one YAML file, or a folder with `scenario.yaml` in it. `servanda check CASE` finds
every mistake in it, with line and column. `servanda schema` prints the JSON Schema, with which an
editor completes and checks the file while you type. What the parts mean in play is in
[model.md](model.md).

Names start with a letter and hold letters, digits and underscores. Keys that are not listed here
are mistakes. Every number worth arguing about can carry `why` and `source`.
"""

NUMBERS = """\
## number

Wherever this page says *number*, you may write:

| form | meaning |
|---|---|
| `0.4` | a certain number |
| `[0.2, 0.4, 0.7]` | low, mode, high: a PERT distribution |
| `{value: ..., why: ..., source: ...}` | either of those with its reason |
| `{distribution: ..., ...}` | one of the distributions below |
| `"2*harm"` | a formula of assumptions |

An uncertain number that stands in a section is an assumption too, under its dotted name:
`russia.patience`, `front.start`, `no_raid.verified`. Answers use those names.
"""

FORMULAS = """\
## formula

Arithmetic (`+ - * / **`), comparisons, `and`, `or`, `not`, `a if c else b`, and the functions
{functions}.

A comparison gives 1 or 0; a number counts as true above 0.5. Both branches of an `if` are worked
out, so guard a logarithm inside it: `log(max(x, 0.01))`.

| name | what it reads |
|---|---|
| an assumption | its number in this world |
| a stock | its value now |
| a term | its number now: agreed while the deal is in force |
| a `let` name | that formula |
| `PHASE.VALUE` | 1 if the phase has that value, else 0 |
| `PARTY.OPTION`, `PARTY.DECISION.OPTION` | 1 if that option is played this period, else 0 |
| `PARTY.DECISION`, `PARTY.value` | the number chosen, for a numeric decision |
| `period` | the period, from 0; it stands still past the horizon |
| `in_force`, `unsigned`, `expired`, `broken` | 1 in that state of the deal, else 0 |
| `broken.OBLIGATION` | 1 if that breach ended the deal |
| `breach.OBLIGATION` | 1 if this period's moves breach it, noticed or not |
| `refused_by.PARTY` | 1 after a refusal by that party, as long as it is remembered |

The `when` of a decision or option may read assumptions, stocks, phases, terms, states of the deal,
`period`, and the moves of decisions that come earlier in `order`. `while` may read terms. A number
may read assumptions.
"""


def page() -> str:
    """The whole page as Markdown."""
    schema = json_schema()
    defs = schema["$defs"]
    functions = ", ".join(f"`{name}`" for name in FUNCTIONS)
    parts = [INTRO, "## The file", _table(schema, defs), NUMBERS]
    for name in DISTRIBUTIONS:
        form = defs[name]
        which = form["properties"].get("distribution", {})
        words = [f"`{x}`" for x in which.get("enum", [which.get("const")]) if x]
        title = " or ".join(words) or "a value with its reason"
        parts += [f"### {title}", form["description"], _table(form, defs, skip=("distribution",))]
    parts.append(FORMULAS.format(functions=functions))
    for heading, name, words in SECTIONS:
        parts += [f"## {heading}", words, _table(defs[name], defs)]
        if heading == "claims":
            parts += [CLAIMS, _claim_functions()]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _claim_functions() -> str:
    """The functions of the claim language, one a row."""
    lines = ["| function | gives |", "|---|---|"]
    lines += [f"| `{name}({f.arguments})` | {f.meaning} |" for name, f in CLAIM_FUNCTIONS.items()]
    return "\n".join(lines)


def _table(form: dict[str, Any], defs: dict[str, Any], skip: tuple[str, ...] = ()) -> str:
    """The keys of one mapping: what goes there, what is assumed without it, what it means."""
    whole = "horizon" in form["properties"]
    required = form.get("required", [])
    lines = ["| key | holds | default | meaning |", "|---|---|---|---|"]
    reasons = [k for k in ("why", "source") if k in form["properties"] and k not in required]
    for key, value in form["properties"].items():
        if key in skip or key in reasons:
            continue
        default = "*required*" if key in required else _default(value)
        meaning = value.get("description", "")
        if not meaning or meaning.startswith(("A number, [low", "A formula:")):
            meaning = MEANINGS.get(key, "")
        holds = "see [below](#moves-named-options)" if whole and key == "moves" else ""
        lines.append(f"| `{key}` | {holds or _holds(value, defs)} | {default} | {meaning} |")
    for key in (k for k in reasons if k not in skip):
        meaning = form["properties"][key].get("description", "")
        lines.append(f"| `{key}` | text | | {meaning} |")
    return "\n".join(lines)


def _default(value: dict[str, Any]) -> str:
    default = value.get("default")
    if default in (None, "", {}, []):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _holds(value: dict[str, Any], defs: dict[str, Any]) -> str:
    """What may stand at a key, in words."""
    if "$ref" in value:
        return _link(value["$ref"].rpartition("/")[2])
    if "anyOf" in value:
        return _either([v for v in value["anyOf"] if v.get("type") != "null"], defs)
    if "enum" in value:
        return " or ".join(f"`{x}`" for x in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    kind = value.get("type")
    if kind == "array":
        if "items" not in value:
            return "list"
        items = _holds(value["items"], defs)
        size = value.get("minItems") if value.get("minItems") == value.get("maxItems") else None
        return f"list of {size} {items}s" if size else f"list: {items}"
    if kind == "object":
        inner = next(iter(value.get("patternProperties", {}).values()), None)
        inner = inner or value.get("additionalProperties") or {}
        if not inner:
            return "mapping"
        held = _holds(inner, defs) if isinstance(inner, dict) else "anything"
        return f"by name, {held}" if held.startswith("by name") else f"by name: {held}"
    if kind == "string":
        pattern = value.get("pattern", "")
        return "text" if not pattern else "option" if r"\." in pattern else "name"
    words = {"integer": "whole number", "number": "plain number", "boolean": "true or false"}
    return words.get(str(kind), str(kind))


def _either(options: list[dict[str, Any]], defs: dict[str, Any]) -> str:
    refs = {o["$ref"].rpartition("/")[2] for o in options if "$ref" in o}
    kinds = {o.get("type") for o in options}
    if "Pert" in refs:
        return "[number](#number)"
    if kinds == {"boolean", "number", "string"}:
        return "[formula](#formula)"
    return " or ".join(dict.fromkeys(_holds(o, defs) for o in options))


def _link(name: str) -> str:
    for heading, form, _ in SECTIONS:
        if form == name:
            anchor = "".join(
                c for c in heading.lower().replace(" ", "-") if c.isalnum() or c == "-"
            )
            return f"[{heading}](#{anchor})"
    return "[number](#number)" if name in DISTRIBUTIONS else name


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
