"""What does a formula of a scenario say, and what is its value?

In comes the text an analyst wrote; `parse_formula` checks it against a short whitelist with
Python's own parser and returns a `Formula`. `evaluate` gives its value over arrays of numpy or
of jax.numpy. No text ever reaches `eval`.

A number counts as true when it exceeds 0.5; comparisons and `and`, `or`, `not` give 1 or 0.
Both branches of `a if c else b` are evaluated: guard a logarithm inside it, `log(max(x, 0.01))`.
"""

from __future__ import annotations

import ast
import difflib
import keyword
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final, Literal

import numpy as np

from servanda.errors import FormulaError

MAX_LENGTH: Final = 2000
MAX_DEPTH: Final = 80
MAX_NODES: Final = 600
MAX_EXPONENT: Final = 32.0

# name: (fewest arguments, most arguments)
FUNCTIONS: Final[dict[str, tuple[int, int]]] = {
    "abs": (1, 1),
    "min": (2, 32),
    "max": (2, 32),
    "clip": (3, 3),
    "exp": (1, 1),
    "log": (1, 1),
    "sqrt": (1, 1),
    "tanh": (1, 1),
    "sigmoid": (1, 1),
}

WORDS: Final = frozenset({"and", "or", "not", "if", "else"})

_TOKEN: Final = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)"
    r"|(?P<operator>\*\*|<=|>=|==|!=|[-+*/<>(),])",
    re.ASCII,
)
_PART: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)

_REMEDIES: Final = {
    "=": "compare with '=='",
    "^": "a power is written '**'",
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not'",
    "'": "a formula holds no text",
    '"': "a formula holds no text",
    "[": "a formula holds no lists",
    "{": "a formula holds no mappings",
    "#": "a comment cannot stand inside a formula",
    "%": "write a share as a fraction, 0.05 for 5 per cent",
}

_COMPARISONS: Final[dict[type[ast.cmpop], str]] = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}


@dataclass(frozen=True)
class Formula:
    """A formula that has been read and found sound.

    `tree` holds dotted names as one `ast.Name` each (`russia.attack`) and numbers as floats;
    `names` are the dotted names it reads. Two formulas are equal when their texts are.
    """

    text: str
    tree: ast.expr = field(compare=False, repr=False)
    names: frozenset[str] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.text


def constant(value: float) -> Formula:
    """The formula that is always `value` (infinity is allowed here, for acuity)."""
    number = float(value)
    return Formula(repr(number).removesuffix(".0"), ast.Constant(number), frozenset())


def parse_formula(text: str | float | bool) -> Formula:
    """Read a formula; a number or a truth value is its own formula.

    Raises `FormulaError` with the offset of the first mistake in `text.strip()`.
    """
    if isinstance(text, int | float):
        return constant(_finite(text))
    return _parse(text, any_call=False)


def parse_test(text: str) -> Formula:
    """Read the test of a claim: a formula that may also call any name, with keyword arguments.

    Raises `FormulaError` as `parse_formula` does. The result is for reading, not for `evaluate`.
    """
    return _parse(text, any_call=True)


def occurrences(formula: Formula) -> list[tuple[str, int]]:
    """Every name the formula reads with its offset in `formula.text`, in order of offset."""
    found = [(node.id, getattr(node, "col_offset", 0)) for node in _names(formula.tree)]
    return sorted(found, key=lambda pair: pair[1])


def size(formula: Formula) -> int:
    """The number of operations, names and numbers in the formula."""
    return sum(1 for node in ast.walk(formula.tree) if isinstance(node, ast.expr))


def substitute(formula: Formula, replacements: Mapping[str, Formula]) -> Formula:
    """The same formula with some names replaced by formulas, once (not inside the replacements).

    The text stays as the analyst wrote it. Raises `FormulaError` when the result grows beyond
    what a formula may hold, so that definitions of definitions cannot explode.
    """
    touched = formula.names & replacements.keys()
    if not touched:
        return formula
    grown = size(formula) + sum(
        size(replacements[name]) for name, _ in occurrences(formula) if name in touched
    )
    if grown > 4 * MAX_NODES:
        raise FormulaError("the formula grows too long once its definitions are put in")

    class Replace(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return replacements[node.id].tree if node.id in touched else node

    # NodeTransformer works in place, and trees are shared.
    copy = Replace().visit(_clone(formula.tree))
    names = (formula.names - touched).union(*(replacements[name].names for name in touched))
    if _depth(copy) > 2 * MAX_DEPTH:
        raise FormulaError("the formula nests too deeply once its definitions are put in")
    return Formula(formula.text, copy, names)


def evaluate(formula: Formula, env: Mapping[str, Any], xp: Any = np) -> Any:
    """The value of a formula, broadcast over the arrays in `env`.

    `xp` is `numpy` or `jax.numpy`; `env` maps every name the formula reads to an array or a
    number of any broadcastable shape. Division by zero and the like give inf or nan, silently,
    in both. Raises `KeyError` when `env` lacks a name, which is a mistake of the caller.
    """
    with np.errstate(all="ignore"):
        return _value(formula.tree, env, xp)


# --- evaluation -----------------------------------------------------------------------------


def _floating(value: Any, xp: Any) -> Any:
    array = xp.asarray(value)
    return array if xp.issubdtype(array.dtype, xp.floating) else array.astype(float)


def _value(node: ast.expr, env: Mapping[str, Any], xp: Any) -> Any:
    match node:
        case ast.Constant(value=number):
            return xp.asarray(number)
        case ast.Name(id=name):
            return _floating(env[name], xp)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=float(exponent))):
            # A whole exponent keeps derivatives finite at 0 and powers of negatives real.
            whole = int(exponent) if exponent.is_integer() else exponent
            return _value(left, env, xp) ** whole
        case ast.BinOp(left=left, op=operator, right=right):
            return _ARITHMETIC[type(operator)](_value(left, env, xp), _value(right, env, xp), xp)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, env, xp)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, env, xp)
        case ast.UnaryOp(operand=operand):
            return xp.where(_value(operand, env, xp) > 0.5, 0.0, 1.0)
        case ast.BoolOp(op=operator, values=values):
            join = xp.logical_and if isinstance(operator, ast.And) else xp.logical_or
            return xp.where(reduce(join, [_value(v, env, xp) > 0.5 for v in values]), 1.0, 0.0)
        case ast.Compare(left=left, ops=operators, comparators=others):
            sides = [_value(side, env, xp) for side in (left, *others)]
            holds = [
                getattr(xp, _COMPARISONS[type(operator)])(sides[i], sides[i + 1])
                for i, operator in enumerate(operators)
            ]
            return xp.where(reduce(xp.logical_and, holds), 1.0, 0.0)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            chosen = _value(test, env, xp) > 0.5
            return xp.where(chosen, _value(body, env, xp), _value(orelse, env, xp))
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return _CALLS[function]([_value(argument, env, xp) for argument in arguments], xp)
    raise TypeError(f"{ast.dump(node)} is no part of a formula")


_ARITHMETIC: Final[dict[type[ast.operator], Callable[[Any, Any, Any], Any]]] = {
    ast.Add: lambda a, b, xp: a + b,
    ast.Sub: lambda a, b, xp: a - b,
    ast.Mult: lambda a, b, xp: a * b,
    ast.Div: lambda a, b, xp: a / b,
    ast.Pow: lambda a, b, xp: xp.power(a, b),
}

_CALLS: Final[dict[str, Callable[[list[Any], Any], Any]]] = {
    "abs": lambda a, xp: xp.abs(a[0]),
    "min": lambda a, xp: reduce(xp.minimum, a),
    "max": lambda a, xp: reduce(xp.maximum, a),
    "clip": lambda a, xp: xp.minimum(xp.maximum(a[0], a[1]), a[2]),
    "exp": lambda a, xp: xp.exp(a[0]),
    "log": lambda a, xp: xp.log(a[0]),
    "sqrt": lambda a, xp: xp.sqrt(a[0]),
    "tanh": lambda a, xp: xp.tanh(a[0]),
    # The logistic function by way of tanh does not overflow.
    "sigmoid": lambda a, xp: 0.5 * (1.0 + xp.tanh(0.5 * a[0])),
}


# --- reading --------------------------------------------------------------------------------


def _finite(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise FormulaError("a number here must be finite", 0, str(value)[:40])
    return number


def _parse(text: str, *, any_call: bool) -> Formula:
    clean = re.sub(r"\s", " ", text).strip()
    if not clean:
        raise FormulaError("the formula is empty")
    if len(clean) > MAX_LENGTH:
        raise FormulaError(
            f"the formula has {len(clean)} characters, more than {MAX_LENGTH}; "
            "name parts of it under let"
        )
    masked = _mask(clean, any_call=any_call)
    try:
        tree = ast.parse(masked, mode="eval").body
    except SyntaxError as error:
        raise _syntax(clean, error) from None
    except (RecursionError, MemoryError, ValueError):
        raise FormulaError("the formula nests too deeply; name parts of it under let") from None
    if _depth(tree) > MAX_DEPTH:
        raise FormulaError("the formula nests too deeply; name parts of it under let")
    if sum(1 for _ in ast.walk(tree)) > 2 * MAX_NODES:
        raise FormulaError("the formula is too long; name parts of it under let")
    checked = _check(tree, clean, any_call)
    return Formula(clean, checked, frozenset(node.id for node in _names(checked)))


def _mask(text: str, *, any_call: bool) -> str:
    """Check every token; hide Python's keywords after a dot, so that `russia.yield` can be read.

    The masked text has the same length, so offsets stay true; `_check` reads names from `text`.
    """
    tokens = list(_tokens(text, any_call))
    _check_sequence(tokens)
    masked = text
    for token in tokens:
        if token.kind == "name":
            hidden = _masked_name(token.text, token.offset)
            end = token.offset + len(hidden)
            masked = masked[: token.offset] + hidden + masked[end:]
    return masked


_TokenKind = Literal["number", "name", "prefix", "infix", "sign", "open", "close", "comma"]

_KINDS: Final[dict[str, _TokenKind]] = {
    "not": "prefix",
    "+": "sign",
    "-": "sign",
    "(": "open",
    ")": "close",
    ",": "comma",
}


@dataclass(frozen=True)
class _Token:
    kind: _TokenKind
    text: str
    offset: int


def _tokens(text: str, any_call: bool) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            character = text[position]
            if not (any_call and character == "="):
                remedy = _REMEDIES.get(character)
                raise FormulaError(
                    f"unexpected '{character}'" + (f": {remedy}" if remedy else ""),
                    position,
                    character,
                )
            yield _Token("infix", "=", position)
            position += 1
            continue
        piece = match.group()
        if match["number"]:
            run = re.compile(r"[\w.]*", re.ASCII).match(text, position)
            if run is not None and run.end() > match.end():
                raise FormulaError(f"'{run.group()}' is not a number", position, run.group())
            yield _Token("number", piece, position)
        elif match["name"]:
            kind: _TokenKind = _KINDS.get(piece, "infix") if piece in WORDS else "name"
            yield _Token(kind, piece, position)
        elif match["operator"]:
            if piece == "/" and text[match.end() : match.end() + 1] == "/":
                raise FormulaError("unexpected '//': divide with '/'", position, "//")
            yield _Token(_KINDS.get(piece, "infix"), piece, position)
        position = match.end()


def _check_sequence(tokens: list[_Token]) -> None:
    """Values and operators must alternate, brackets match, and commas part arguments.

    Python's parser would find all this as well, but cannot say what is missing.
    """
    brackets: list[tuple[_Token, bool]] = []  # each with: does it hold arguments?
    before: _Token | None = None
    value_ended = False
    for token in tokens:
        shown = f"'{token.text}'"
        if token.kind in ("number", "name", "prefix"):
            if value_ended:
                raise FormulaError(
                    f"an operator is missing before {shown}", token.offset, token.text
                )
            value_ended = token.kind != "prefix"
        elif token.kind == "open":
            if value_ended and (before is None or before.kind != "name"):
                raise FormulaError("an operator is missing before '('", token.offset, "(")
            brackets.append((token, value_ended))
            value_ended = False
        elif token.kind == "close" and not brackets:
            raise FormulaError("a ')' closes nothing", token.offset, ")")
        elif token.kind == "close" and brackets[-1][1] and before == brackets[-1][0]:
            brackets.pop()  # no arguments; their number is checked later
            value_ended = True
        elif token.kind != "sign" and not value_ended:
            after = f" after '{before.text}'" if before else ""
            raise FormulaError(
                f"a value is missing{after} before {shown}", token.offset, token.text
            )
        elif token.kind == "close":
            brackets.pop()
            value_ended = True
        elif token.kind == "comma" and not (brackets and brackets[-1][1]):
            raise FormulaError(
                "a ',' stands only between the arguments of a function; decimals take a point",
                token.offset,
                ",",
            )
        else:
            value_ended = False
        before = token
    if brackets:
        raise FormulaError("a '(' is not closed", brackets[-1][0].offset, "(")
    if not value_ended and before is not None:
        raise FormulaError(
            f"the formula ends too early: a value is missing after '{before.text}'",
            before.offset,
            before.text,
        )


def _masked_name(name: str, position: int) -> str:
    first, *_ = _PART.findall(name)
    if keyword.iskeyword(first) and first not in WORDS:
        raise FormulaError(f"'{first}' cannot be used in a formula", position, first)

    def hide(match: re.Match[str]) -> str:
        part = match.group()
        return "x" * len(part) if match.start() and keyword.iskeyword(part) else part

    return _PART.sub(hide, name)


def _syntax(text: str, error: SyntaxError) -> FormulaError:
    offset = min(max((error.offset or 1) - 1, 0), len(text))
    rest = text[offset:].split(" ")[0][:20]
    if " if " in f" {text} " and " else " not in f" {text} ":
        return FormulaError("an 'if' needs an 'else'", text.index("if"), "if")
    where = f"near '{rest}'" if rest else "at its end"
    return FormulaError(f"the formula cannot be read {where}", offset, rest)


def _check(node: ast.expr, text: str, any_call: bool) -> ast.expr:
    """The same tree, every node on the whitelist, dotted names joined, numbers as floats."""

    def check(child: ast.expr) -> ast.expr:
        return _check(child, text, any_call)

    def located(new: ast.expr) -> ast.expr:
        return ast.copy_location(new, node)

    match node:
        case ast.Constant(value=value) if isinstance(value, int | float):
            number = _whole(value, node.col_offset)
            return located(ast.Constant(number))
        case ast.Name() | ast.Attribute():
            return located(ast.Name(_dotted(node, text), ast.Load()))
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _ARITHMETIC:
            if isinstance(operator, ast.Pow):
                right = _exponent(check(right))
                return located(ast.BinOp(check(left), operator, right))
            return located(ast.BinOp(check(left), operator, check(right)))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=operand):
            return located(ast.UnaryOp(node.op, check(operand)))
        case ast.BoolOp(op=boolean, values=values):
            return located(ast.BoolOp(boolean, [check(value) for value in values]))
        case ast.Compare(left=left, ops=operators, comparators=others) if all(
            type(operator) in _COMPARISONS for operator in operators
        ):
            return located(ast.Compare(check(left), operators, [check(o) for o in others]))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return located(ast.IfExp(check(test), check(body), check(orelse)))
        case ast.Call():
            return located(_checked_call(node, check, any_call))
    offending = (ast.get_source_segment(text, node) or "")[:40]
    raise FormulaError(f"'{offending}' is not allowed in a formula", node.col_offset, offending)


def _checked_call(
    node: ast.Call, check: Callable[[ast.expr], ast.expr], any_call: bool
) -> ast.Call:
    if not isinstance(node.func, ast.Name):
        raise FormulaError("an operator is missing before '('", node.col_offset)
    function = node.func.id
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        raise FormulaError("'*' cannot stand before an argument", node.args[0].col_offset, "*")
    arguments = [check(argument) for argument in node.args]
    if any_call:
        keywords = [ast.keyword(word.arg, check(word.value)) for word in node.keywords if word.arg]
        if len(keywords) < len(node.keywords):
            raise FormulaError("'**' cannot stand before an argument", node.col_offset, "**")
        return ast.Call(node.func, arguments, keywords)
    if function not in FUNCTIONS:
        near = difflib.get_close_matches(function, FUNCTIONS, n=1)
        raise FormulaError(
            f"unknown function '{function}'" + ("" if near else ", or a '*' is missing after it"),
            node.col_offset,
            function,
            near[0] if near else "",
        )
    fewest, most = FUNCTIONS[function]
    if not fewest <= len(arguments) <= most:
        expected = f"{fewest}" if fewest == most else f"at least {fewest}"
        raise FormulaError(
            f"'{function}' takes {expected} argument{'s' if expected != '1' else ''}, "
            f"not {len(arguments)}",
            node.col_offset,
            function,
        )
    return ast.Call(node.func, arguments, [])


def _whole(value: float, offset: int) -> float:
    try:
        return _finite(value)
    except FormulaError as error:
        raise FormulaError(error.message, offset, error.text) from None


def _exponent(node: ast.expr) -> ast.expr:
    """A written exponent is folded to one number and bounded; a name may stand there as well."""
    sign = 1.0
    inner = node
    while isinstance(inner, ast.UnaryOp) and isinstance(inner.op, ast.USub | ast.UAdd):
        sign = -sign if isinstance(inner.op, ast.USub) else sign
        inner = inner.operand
    if not (isinstance(inner, ast.Constant) and isinstance(inner.value, float)):
        return node
    if inner.value > MAX_EXPONENT:
        raise FormulaError(
            f"an exponent may not exceed {MAX_EXPONENT:g}", inner.col_offset, f"{inner.value:g}"
        )
    return ast.copy_location(ast.Constant(sign * inner.value), node)


def _dotted(node: ast.expr, text: str) -> str:
    """`a.b.c` read from the source, where keywords are not masked."""
    end = node.end_col_offset if node.end_col_offset is not None else len(text)
    source = text[node.col_offset : end]
    if _PART.match(source) is None or not re.fullmatch(r"[\w.\s]*", source, re.ASCII):
        raise FormulaError(f"'{source[:40]}' is not a name", node.col_offset, source[:40])
    return ".".join(_PART.findall(source))


def _names(tree: ast.AST) -> list[ast.Name]:
    """The names a tree reads; the name of a function is none of them."""
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return [node for node in found if id(node) not in functions]


def _depth(tree: ast.AST) -> int:
    """The longest chain of nested expressions, without recursion."""
    deepest = 0
    todo: list[tuple[ast.AST, int]] = [(tree, 1)]
    while todo:
        node, depth = todo.pop()
        deepest = max(deepest, depth)
        todo.extend((child, depth + 1) for child in ast.iter_child_nodes(node))
    return deepest


def _clone(node: Any) -> Any:
    if isinstance(node, ast.AST):
        new = type(node)(**{name: _clone(value) for name, value in ast.iter_fields(node)})
        return ast.copy_location(new, node) if isinstance(node, ast.expr) else new
    return [_clone(item) for item in node] if isinstance(node, list) else node
