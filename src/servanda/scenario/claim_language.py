"""What may the test of a claim say, and does it say only that?

In: the test as `parse_test` reads it, and the names of a scenario. Out: the test with derived
assumptions put in, or every mistake in it with its offset and the nearest right name. What the
functions give is worked out in `questions/claim_figures.py`; `FUNCTIONS` is what both go by.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from servanda.errors import FormulaError
from servanda.scenario.formulas import FUNCTIONS as ARITHMETIC
from servanda.scenario.formulas import Formula

NEVER: Final = "never"
"""How a test names no deal."""

Slot = Literal[
    "deal", "deal or never", "party", "signatory", "period", "past period", "from", "to",
    "obligation", "stock", "move", "assumption", "lever", "figure", "test",
]  # fmt: skip
Kind = Literal["number", "test"]


@dataclass(frozen=True)
class Function:
    """One function of the language: what it takes, how many of that must be there, its meaning."""

    slots: tuple[Slot, ...]
    needed: int
    meaning: str

    @property
    def arguments(self) -> str:
        """The arguments as one would write them, optional ones in brackets."""
        words = [_WRITTEN[slot] for slot in self.slots]
        must, may = words[: self.needed], words[self.needed :]
        if may == ["from", "to"]:  # both or neither
            return ", ".join(must) + "[, from, to]"
        return ", ".join(must) + ("".join(f"[, {word}" for word in may) + "]" * len(may))


_WRITTEN: Final[dict[Slot, str]] = {
    "deal": "deal",
    "deal or never": "deal or never",
    "party": "party",
    "signatory": "party",
    "period": "period",
    "past period": "period",
    "from": "from",
    "to": "to",
    "obligation": "obligation",
    "stock": "stock",
    "move": "move",
    "assumption": "assumption",
    "lever": "lever",
    "figure": "figure",
    "test": "test",
}

FUNCTIONS: Final[dict[str, Function]] = {
    "worth": Function(
        ("deal", "party"), 2, "value of the deal in force at the start minus that of no deal"
    ),
    "value": Function(
        ("deal or never", "party", "period"),
        2,
        "value of going on from a period (0, unless one is given), whatever has become of the "
        "deal by then; a mean over what can happen",
    ),
    "signs": Function(
        ("deal", "signatory"),
        1,
        "probability that a party signs if all others do; without a party, that all sign",
    ),
    "survival": Function(
        ("deal", "period"), 2, "probability that a signed deal is in force at the period's start"
    ),
    "broken": Function(
        ("deal", "period", "obligation"),
        2,
        "probability that a signed deal has been broken by then (over that obligation), false "
        "alarms included",
    ),
    "breaks": Function(
        ("deal", "party", "period"),
        3,
        "probability that this party has broken it by then, false alarms included",
    ),
    "truly_breaks": Function(
        ("deal", "party", "period"),
        3,
        "probability that this party has broken it by then by a breach of its own; `breaks` less "
        "this is what it is wrongly accused of",
    ),
    "unaccused": Function(
        ("deal", "period"),
        2,
        "`survival` if nobody is ever wrongly accused: false alarms, which the file sets, left out",
    ),
    "expired": Function(
        ("deal", "period"), 2, "probability that it has run out, unbroken, by then"
    ),
    "sham": Function(
        ("deal", "party"),
        2,
        "1 if the deal is worth having only because the party can break it: above 0 with its hands "
        "free, below 0 with them bound to its own duties; else 0",
    ),
    "stock": Function(
        ("deal or never", "stock", "period"), 3, "mean of a stock at the period's start"
    ),
    "probability": Function(
        ("deal or never", "move", "past period"),
        3,
        "probability that a move is played in the period",
    ),
    "trend": Function(
        ("deal or never", "party", "from", "to"),
        2,
        "least-squares slope per period of `value` between two periods (by default 0 and 12, or "
        "the horizon)",
    ),
    "gradient": Function(
        ("figure", "assumption"),
        2,
        "derivative of a figure by an assumption, from a difference to both sides",
    ),
    "given": Function(
        ("figure", "move"),
        2,
        "the figure in the game where the move's party always plays it, whenever it is open to it",
    ),
    "pulled": Function(
        ("figure", "lever"),
        2,
        "the figure with a lever pulled fully from its date on; its cost is not charged to anybody",
    ),
    "without": Function(
        ("figure", "party"),
        2,
        "the figure with a party standing aside: every decision at its first option, always",
    ),
    "share": Function(("test",), 1, "share of the worlds, by weight, in which a test holds"),
}


@dataclass(frozen=True)
class Vocabulary:
    """The names a claim may use. `signatories` are known only of sound deals; `moves` are dotted.

    `derived` maps assumptions that follow from others to their formulas; `horizon` is None when
    the file's cannot be read; `tolerated` says whether a name belongs to a damaged part.
    """

    deals: Iterable[str]
    signatories: Mapping[str, tuple[str, ...]]
    parties: Iterable[str]
    stocks: Iterable[str]
    obligations: Iterable[str]
    moves: Iterable[str]
    levers: Iterable[str]
    assumptions: Iterable[str]
    derived: Mapping[str, Formula]
    horizon: int | None
    tolerated: Any = field(default=lambda name: False)


_NAMED: Final[dict[Slot, str]] = {
    "deal": "deals",
    "deal or never": "deals",
    "party": "parties",
    "signatory": "parties",
    "obligation": "obligations",
    "stock": "stocks",
    "move": "moves",
    "assumption": "assumptions",
    "lever": "levers",
}


@dataclass(frozen=True)
class Fault:
    """A mistake in a test: where it is, and the names that could have been meant."""

    error: FormulaError
    known: tuple[str, ...] = ()


def check_claim(test: Formula, words: Vocabulary) -> tuple[Formula, list[Fault]]:
    """The test ready to be asked, and what is wrong with it; with faults it is not to be asked."""
    checker = _Checker(test.text, words)
    tree, kind = checker.expression(test.tree, frozenset())
    if kind == "number" and not checker.faults:
        checker.fault("the claim is a number, not a test; compare it, as in '... > 0'", test.tree)
    return Formula(test.text, tree, test.names), checker.faults


class _Checker:
    def __init__(self, text: str, words: Vocabulary) -> None:
        self.text, self.words = text, words
        self.faults: list[Fault] = []

    def fault(self, message: str, node: ast.expr, known: Iterable[str] = ()) -> None:
        offset = getattr(node, "col_offset", 0)
        said = node.id if isinstance(node, ast.Name) else self._source(node)
        self.faults.append(Fault(FormulaError(message, offset, said), tuple(known)))

    def _source(self, node: ast.expr) -> str:
        return self.text[getattr(node, "col_offset", 0) :][:40]

    def expression(self, node: ast.expr, around: frozenset[str]) -> tuple[ast.expr, Kind]:
        """The checked node and what it is; `around` are the functions it stands in."""

        def part(child: ast.expr, kind: Kind) -> ast.expr:
            new, found = self.expression(child, around)
            if found != kind:
                self.fault(_WRONG_KIND[kind], child)
            return new

        def located(new: ast.expr) -> ast.expr:
            return ast.copy_location(new, node)

        match node:
            case ast.Constant():
                return node, "number"
            case ast.Name(id=name):
                return self._assumption(node, name), "number"
            case ast.BinOp(left=left, op=op, right=right):
                return located(ast.BinOp(part(left, "number"), op, part(right, "number"))), "number"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return located(ast.UnaryOp(node.op, part(operand, "test"))), "test"
            case ast.UnaryOp(operand=operand):
                return located(ast.UnaryOp(node.op, part(operand, "number"))), "number"
            case ast.BoolOp(values=values):
                return located(ast.BoolOp(node.op, [part(v, "test") for v in values])), "test"
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [part(side, "number") for side in (left, *others)]
                return located(ast.Compare(sides[0], ops, sides[1:])), "test"
            case ast.IfExp(test=test, body=body, orelse=orelse):
                parts = part(test, "test"), part(body, "number"), part(orelse, "number")
                return located(ast.IfExp(*parts)), "number"
            case ast.Call(func=ast.Name(id=name)):
                return self._call(node, name, around), "number"
        raise TypeError(f"{ast.dump(node)} is no part of a test")

    def _assumption(self, node: ast.Name, name: str) -> ast.expr:
        words = self.words
        if name in words.derived:
            return words.derived[name].tree
        if name in words.assumptions or words.tolerated(name):
            return node
        what = next((k for k in _PLURALS if name in getattr(words, k)), None)
        if what is not None:
            at = _EXAMPLES[what].format(name)
            self.fault(f"'{name}' is {_PLURALS[what]}, not a number; say what of it, {at}", node)
        else:
            self.fault(f"unknown assumption '{name}'", node, [*words.assumptions, *words.derived])
        return node

    def _call(self, node: ast.Call, name: str, around: frozenset[str]) -> ast.expr:
        if node.keywords:
            word = node.keywords[0]
            self.fault(f"'{word.arg}=' cannot stand here: arguments go by their place", word.value)
            return node
        if name in ARITHMETIC:
            fewest, most = ARITHMETIC[name]
            if not fewest <= len(node.args) <= most:
                many = _counted(fewest) if fewest == most else f"at least {_counted(fewest)}"
                self.fault(f"'{name}' takes {many}, not {len(node.args)}", node)
                return node
            return self._with(node, [self._number(x, around) for x in node.args])
        if name not in FUNCTIONS:
            known = [*FUNCTIONS, *ARITHMETIC]
            self.fault(f"unknown function '{name}'", node.func, known)
            return node
        function = FUNCTIONS[name]
        if not function.needed <= len(node.args) <= len(function.slots):
            least, most = function.needed, len(function.slots)
            many = _counted(least) if least == most else f"{least} to {most} arguments"
            self.fault(f"'{name}' takes {many}, ({function.arguments}), not {len(node.args)}", node)
            return node
        if name in ("gradient", "share") and "gradient" in around:
            self.fault(f"'{name}' cannot stand inside 'gradient'", node)
            return node
        inside = around | {name}
        before = len(self.faults)
        pairs = list(zip(function.slots, node.args, strict=False))
        if name == "trend" and len(node.args) == 3:
            self.fault("'trend' needs both periods, from and to, or neither", node.args[2])
        new = [self._argument(slot, x, name, inside) for slot, x in pairs]
        if before == len(self.faults):
            self._together(name, node)
        return self._with(node, new)

    def _with(self, node: ast.Call, arguments: list[ast.expr]) -> ast.expr:
        return ast.copy_location(ast.Call(node.func, arguments, []), node)

    def _number(self, node: ast.expr, around: frozenset[str]) -> ast.expr:
        new, kind = self.expression(node, around)
        if kind != "number":
            self.fault(_WRONG_KIND["number"], node)
        return new

    def _argument(
        self, slot: Slot, node: ast.expr, function: str, inside: frozenset[str]
    ) -> ast.expr:
        if slot == "figure":
            return self._number(node, inside)
        if slot == "test":
            new, kind = self.expression(node, inside)
            if kind != "test":
                self.fault(_WRONG_KIND["test"], node)
            return new
        if slot in ("period", "past period", "from", "to"):
            self._period(slot, node, function)
            return node
        what = slot.removesuffix(" or never").replace("signatory", "party")
        known = list(getattr(self.words, _NAMED[slot]))
        if slot == "deal or never":
            known.append(NEVER)
        if not isinstance(node, ast.Name):
            self.fault(f"'{function}' wants the name of {_a(what)} here", node)
        elif node.id == NEVER and slot == "deal":
            self.fault(f"'{function}' is about a deal; 'never' is none", node)
        elif slot == "assumption" and node.id in self.words.derived:
            self.fault(f"'{node.id}' follows from other assumptions; name one of those", node)
        elif node.id not in known and not self.words.tolerated(node.id):
            self.fault(f"unknown {what} '{node.id}' in '{function}'", node, known)
        return node

    def _period(self, slot: Slot, node: ast.expr, function: str) -> None:
        horizon = self.words.horizon
        last = None if horizon is None else horizon - (slot == "past period")
        value = node.value if isinstance(node, ast.Constant) else None
        if not isinstance(value, float) or not value.is_integer():
            upto = "" if last is None else f" to {last}"
            self.fault(f"'{function}' wants a period here, a whole number from 0{upto}", node)
        elif last is not None and value > last:
            why = "the last period with moves" if slot == "past period" else "the horizon"
            self.fault(f"period {value:g} in '{function}' is beyond {why}, {last}", node)

    def _together(self, name: str, node: ast.Call) -> None:
        """What arguments that are sound by themselves cannot say together."""
        ids = [x.id if isinstance(x, ast.Name) else "" for x in node.args]
        if name == "signs" and len(ids) == 2 and ids[0] in self.words.signatories:
            asked = self.words.signatories[ids[0]]
            if ids[1] not in asked and not self.words.tolerated(ids[1]):
                self.fault(f"'{ids[1]}' is not asked to sign '{ids[0]}'", node.args[1])
        if name == "trend" and len(node.args) == 4:
            start, end = (x.value for x in node.args[2:] if isinstance(x, ast.Constant))
            if float(str(start)) >= float(str(end)):
                self.fault("'trend' wants the later period last", node.args[3])


_WRONG_KIND: Final[dict[Kind, str]] = {
    "number": "a number is wanted here, not a test",
    "test": "a test is wanted here, such as 'worth(deal, party) > 0', not a number",
}
_PLURALS: Final = {
    "deals": "a deal",
    "parties": "a party",
    "stocks": "a stock",
    "moves": "a move",
    "levers": "a lever",
    "obligations": "an obligation",
}
_EXAMPLES: Final = {
    "deals": "as in 'worth({0}, party)'",
    "parties": "as in 'worth(deal, {0})'",
    "stocks": "as in 'stock(never, {0}, 0)'",
    "moves": "as in 'probability(never, {0}, 0)'",
    "levers": "as in 'pulled(figure, {0})'",
    "obligations": "as in 'broken(deal, period, {0})'",
}


def _a(what: str) -> str:
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"


def _counted(number: int) -> str:
    return f"{number} argument" + ("" if number == 1 else "s")
