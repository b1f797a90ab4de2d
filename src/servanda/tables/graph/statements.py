"""Statements about options, as decision makers prefer them: `Attack and not Withdraw`.

In comes a statement and the options' names; out goes, for every state, whether it is true. A
statement is a pattern (`NY-`) or a formula over option names or numbers from 1, with `not`, `and`,
`or`, `if`, `iff` and brackets (also `-`, `&`, `|`). `A if B` is true unless B holds and A does not.

Prioritised statements rank states lexicographically, the most important statement first: statement
k of K counts 2^(K−1−k). Source: Fang, Hipel, Kilgour and Peng, IEEE Trans. SMC-A 33 (2003).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Int

from servanda.errors import FormulaError
from servanda.scenario.document import nearest
from servanda.tables.graph.model import ranks

Array = np.ndarray

MAX_LENGTH: Final = 1000
MAX_DEPTH: Final = 40
_WORD: Final = re.compile(r"[^\W\d]\w*|\d+|\S")
_MEANINGS: Final = {"&": "and", "|": "or", "-": "not", "~": "not", "!": "not"}
_KEYWORDS: Final = frozenset({"and", "or", "not", "if", "iff"})


def holds(statement: str, options: Sequence[str], codes: Array) -> Bool[Array, "state"]:
    """Whether a statement is true, by state.

    Raises:
        FormulaError: it cannot be read; with the offset of the part that is wrong.
    """
    text = str(statement)
    if len(text) > MAX_LENGTH:
        raise FormulaError(f"a statement has at most {MAX_LENGTH} characters")
    bare = text.strip()
    if bare and not set(bare) - set("YN-") and (len(bare) > 1 or len(options) == 1):
        if bare not in options and len(bare) != len(options):
            raise FormulaError(
                f"the pattern '{bare[:60]}' has {len(bare)} letters, and there are "
                f"{len(options)} options",
                text=bare,
            )
        if len(bare) == len(options):
            found = np.ones(codes.size, bool)
            for k, letter in enumerate(bare):
                if letter != "-":
                    found &= ((codes >> k & 1) == 1) == (letter == "Y")
            return found
    reader = _Reader(text, options, codes)
    found = reader.conditional(0)
    if reader.at < len(reader.tokens):
        offset, _kind, word = reader.tokens[reader.at]
        raise FormulaError(f"'{word}' cannot stand here", offset, word)
    return found


class _Reader:
    """Recursive descent over the words of one statement."""

    def __init__(self, text: str, options: Sequence[str], codes: Array) -> None:
        self.options, self.codes = options, codes
        self.tokens = list(_tokens(text, options))
        self.length = len(text)
        self.at = 0

    def _next(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def conditional(self, depth: int) -> Array:
        found = self._either(depth)
        while self._next() in ("if", "iff"):
            word = self._next()
            self.at += 1
            other = self._either(depth)
            found = found == other if word == "iff" else found | ~other
        return found

    def _either(self, depth: int) -> Array:
        found = self._both(depth)
        while self._next() == "or":
            self.at += 1
            found = found | self._both(depth)
        return found

    def _both(self, depth: int) -> Array:
        found = self._one(depth)
        while self._next() == "and":
            self.at += 1
            found = found & self._one(depth)
        return found

    def _one(self, depth: int) -> Array:
        if depth > MAX_DEPTH:
            raise FormulaError("nested too deeply", self.tokens[self.at - 1][0])
        if self.at >= len(self.tokens):
            raise FormulaError("the statement breaks off: an option is missing", self.length)
        offset, kind, word = self.tokens[self.at]
        self.at += 1
        if kind == "not":
            return ~self._one(depth + 1)
        if kind == "(":
            found = self.conditional(depth + 1)
            if self._next() != ")":
                raise FormulaError("this bracket is not closed", offset, word)
            self.at += 1
            return found
        if kind.isdigit():
            k = int(kind)
            return np.asarray(self.codes >> k & 1) == 1
        raise FormulaError(f"'{word}' cannot stand here; an option is missing", offset, word)


def _tokens(text: str, options: Sequence[str]) -> Any:
    """(offset, kind, text): kind is a keyword, a bracket, or the position of an option."""
    longest = sorted(range(len(options)), key=lambda k: -len(options[k]))
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        if text[at] in "'\"":
            end = text.find(text[at], at + 1)
            name = text[at + 1 : end] if end > 0 else text[at + 1 :]
            if end < 0 or name not in options:
                raise _unknown(name, at, options)
            yield at, str(options.index(name)), name
            at = end + 1
            continue
        for k in longest:
            name = options[k]
            if text[at : at + len(name)].lower() == name.lower() and not (
                name[-1:].isalnum() and text[at + len(name) : at + len(name) + 1].isalnum()
            ):
                yield at, str(k), name
                at += len(name)
                break
        else:
            match = _WORD.match(text, at)
            word = match.group() if match else text[at]
            kind = _MEANINGS.get(word, word.lower())
            if word.isdigit() and word.isascii():
                if not 1 <= int(word[:9]) <= len(options) or len(word) > 9:
                    raise FormulaError(
                        f"there is no option {word[:20]}: they are counted 1 to {len(options)}",
                        at,
                        word,
                    )
                kind = str(int(word) - 1)
            elif kind not in _KEYWORDS and kind not in "()":
                phrase = re.split(r"[()&|]|\b(?:and|or|not|if|iff)\b", text[at:])[0].strip()
                raise _unknown(phrase or word, at, options)
            yield at, kind, word
            at += len(word)


def _unknown(name: str, at: int, options: Sequence[str]) -> FormulaError:
    return FormulaError(f"unknown option '{name[:60]}'", at, name, nearest(name, options))


def by_priority(
    statements: Sequence[str], options: Sequence[str], codes: Array
) -> Int[Array, "state"]:
    """Ranks from statements, the most important first; [state]."""
    found = np.zeros(codes.size, np.int64)
    for k, statement in enumerate(statements):
        found = found * 2 + holds(statement, options, codes)
        if k % 20 == 19:  # before it overflows
            found = ranks(found).astype(np.int64)
    return ranks(found)


def by_weight(
    weights: Mapping[str, Any], options: Sequence[str], codes: Array
) -> Int[Array, "state"]:
    """Ranks from the sum of the weights of all true statements, without rounding; [state].

    Raises:
        FormulaError: a statement that cannot be read, or weights too far apart to add exactly.
    """
    exact = {statement: Fraction(str(w)) for statement, w in weights.items()}
    scale = 1
    for w in exact.values():
        scale = scale * w.denominator // _gcd(scale, w.denominator)
    if sum(abs(w) for w in exact.values()) * scale >= 2**62:
        raise FormulaError("the weights have too many digits to be added exactly")
    found = np.zeros(codes.size, np.int64)
    for statement, w in exact.items():
        found += np.int64(int(w * scale)) * holds(statement, options, codes)
    return ranks(found)


def _gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a
