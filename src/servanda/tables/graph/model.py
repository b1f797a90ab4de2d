"""A conflict in the graph model: decision makers, states, who can move where, who prefers what.

In come options with their owners (option form) or states with arcs (graph form), and preferences;
out goes a frozen `Conflict`. States are counted from 0 in arrays and from 1 for people: state
number 1 is the feasible state with the smallest bitmask, option k counting 2^k.

Source: Fang, Hipel and Kilgour, Interactive Decision Making (1993), chapters 2 and 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Int

from servanda.errors import QuestionError, unknown
from servanda.tables.graph.moves import MAX_ARCS, Arcs, Lattice, Moves

Direction = Literal["both", "N->Y", "Y->N"]
Array = np.ndarray

MAX_OPTIONS: Final = 24
MAX_PAIRS: Final = 1_000_000
MAX_MATCHED: Final = 4_000_000_000  # patterns times states


@dataclass(frozen=True)
class Option:
    """One yes-or-no choice: its owner (a position), and whether it can be taken back."""

    name: str
    owner: int
    direction: Direction = "both"


@dataclass(frozen=True)
class Preference:
    """What one decision maker prefers.

    `rank` is an ordinal: higher is preferred, equal is indifferent; [state], from 0 without gaps.
    `strength` cuts the ranking into classes: t is strongly preferred to s if its class is higher;
    None where no strength is given. `unknown` are pairs [pair, 2] of states whose comparison is
    not known. `degree` are pairs with the degree to which the first is preferred to the second,
    between 0 and 1; all other pairs have the degree 1, 0.5 or 0 that the ranking gives. With a
    `threshold` a state is an improvement when r(t, s) − r(s, t) reaches it.
    """

    rank: Int[Array, "state"]
    strength: Int[Array, "state"] | None = None
    unknown: Int[Array, "pair two"] | None = None
    degree: tuple[Int[Array, "pair two"], Array] | None = None
    threshold: float | None = None

    @property
    def plain(self) -> bool:
        """Whether the ranking says everything (strength aside)."""
        return self.unknown is None and self.threshold is None

    @cached_property
    def _unknown_keys(self) -> Array:
        assert self.unknown is not None
        n = self.rank.size
        pairs = self.unknown.astype(np.int64)
        return np.unique(
            np.concatenate([pairs[:, 0] * n + pairs[:, 1], pairs[:, 1] * n + pairs[:, 0]])
        )

    @cached_property
    def _degrees(self) -> tuple[Array, Array]:
        assert self.degree is not None
        n = self.rank.size
        pairs, degree = self.degree[0].astype(np.int64), np.asarray(self.degree[1], float)
        keys = np.concatenate([pairs[:, 0] * n + pairs[:, 1], pairs[:, 1] * n + pairs[:, 0]])
        values = np.concatenate([degree, 1 - degree])
        order = np.argsort(keys, kind="stable")
        return keys[order], values[order]

    def certainty(self, s: Any, t: Any) -> Array:
        """r(t, s) − r(s, t): the relative certainty that t is preferred to s, from −1 to 1."""
        s, t = np.broadcast_arrays(np.asarray(s, np.int64), np.asarray(t, np.int64))
        found = np.sign(self.rank[t] - self.rank[s]).astype(float)
        if self.degree is not None and len(self.degree[1]):
            keys, values = self._degrees
            at = np.minimum(np.searchsorted(keys, t * self.rank.size + s), keys.size - 1)
            given = keys[at] == t * self.rank.size + s
            # 1e-12: r = 0.65 and threshold 0.3 meet, as they do on paper
            found = np.where(given, 2 * values[at] - 1, found)
        return found

    def unsure(self, s: Any, t: Any) -> Array:
        """Whether the comparison of s and t is not known; broadcasts."""
        s, t = np.broadcast_arrays(np.asarray(s, np.int64), np.asarray(t, np.int64))
        if self.unknown is None or not len(self.unknown):
            return np.zeros(s.shape, bool)
        keys = self._unknown_keys
        wanted = s * self.rank.size + t
        at = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
        found: Array = keys[at] == wanted
        return found

    def better(self, s: Any, t: Any) -> Array:
        """Whether t is preferred to s for certain; broadcasts."""
        if self.threshold is not None:
            found: Array = self.certainty(s, t) >= self.threshold - 1e-12
            return found
        found = self.rank[np.asarray(t)] > self.rank[np.asarray(s)]
        return found if self.unknown is None else found & ~self.unsure(s, t)

    def far_worse(self, s: Any, t: Any) -> Array:
        """Whether t is strongly less preferred than s; broadcasts."""
        assert self.strength is not None
        found: Array = self.strength[np.asarray(t)] < self.strength[np.asarray(s)]
        return found


@dataclass(frozen=True)
class View:
    """How one decision maker sees the conflict: others' preferences, and options it cannot see."""

    preferences: Mapping[int, Preference] = field(default_factory=dict)
    unseen: tuple[int, ...] = ()  # positions of options


@dataclass(frozen=True)
class Conflict:
    """A graph-model conflict of n decision makers over the feasible states."""

    title: str
    decision_makers: tuple[str, ...]
    preferences: tuple[Preference, ...]
    options: tuple[Option, ...] = ()
    codes: Int[Array, "state"] | None = None
    state_names: tuple[str, ...] = ()
    arcs: tuple[tuple[Array, Array], ...] | None = None
    attitudes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    views: Mapping[int, View] = field(default_factory=dict)
    status_quo: int | None = None
    source: str = ""
    hash: str = ""

    @property
    def size(self) -> int:
        """How many feasible states there are."""
        return len(self.state_names) if self.codes is None else int(self.codes.size)

    @property
    def plain(self) -> bool:
        """Whether rankings say all: nothing unknown or fuzzy, attitudes, or a view of its own."""
        return not self.attitudes and all(p.plain for p in self.preferences)

    @cached_property
    def moves(self) -> Moves:
        """Who can move where, in the representation that suits the conflict."""
        if self.arcs is not None:
            return Arcs(self.size, self.arcs)
        assert self.codes is not None
        owners = [
            [(k, o.direction) for k, o in enumerate(self.options) if o.owner == i]
            for i in range(len(self.decision_makers))
        ]
        return Lattice(len(self.options), self.codes, owners)

    def position(self, name: str) -> int:
        """The position of a decision maker.

        Raises:
            QuestionError: there is none of that name.
        """
        if name not in self.decision_makers:
            raise unknown("decision maker", name, self.decision_makers)
        return self.decision_makers.index(name)

    def pattern(self, s: int) -> str:
        """A state as its Ys and Ns in the order of the options, or its name in graph form."""
        if self.codes is None:
            return self.state_names[s]
        code = int(self.codes[s])
        return "".join("Y" if code >> k & 1 else "N" for k in range(len(self.options)))

    def label(self, s: int) -> str:
        """A state for people: its number and its pattern or name."""
        return f"{s + 1} ({self.pattern(s)})"

    def state(self, given: Any) -> int:
        """The state meant by a number from 1, a pattern like NYN, or a name.

        Raises:
            QuestionError: there is no such state.
        """
        text = str(given).strip()
        if text.isascii() and text.isdigit() and len(text) < 10:
            number = int(text)
            if 1 <= number <= self.size:
                return number - 1
            raise QuestionError(f"there is no state {number}: they are counted 1 to {self.size}")
        if self.codes is None:
            if text in self.state_names:
                return self.state_names.index(text)
            raise unknown("state", text, self.state_names)
        if len(text) != len(self.options) or set(text) - set("YN"):
            raise QuestionError(
                f"'{text[:60]}' is no state: give its number, or {len(self.options)} letters Y or "
                "N in the order of the options"
            )
        code = sum(1 << k for k, letter in enumerate(text) if letter == "Y")
        at = int(np.searchsorted(self.codes, code))
        if at == self.size or self.codes[at] != code:
            raise QuestionError(f"the state {text} is not feasible")
        return at


def ranks(scores: Any) -> Int[Array, "state"]:
    """Scores as ordinals from 0 without gaps: equal scores, equal rank; [state]."""
    scores = np.asarray(scores)
    if scores.dtype.kind in "iu" and scores.size:
        low, high = int(scores.min()), int(scores.max())
        if high - low < 4 * scores.size + 1024:  # count instead of sorting
            present = np.zeros(high - low + 1, bool)
            present[scores - low] = True
            rank = np.cumsum(present, dtype=np.int32) - np.int32(1)
            return np.asarray(rank[scores - low])
    found: Array = np.unique(scores, return_inverse=True)[1]
    return found.reshape(-1).astype(np.int32)


def option_form(
    owners: Mapping[str, Sequence[str]],
    preferences: Mapping[str, Any],
    *,
    title: str = "A conflict",
    infeasible: Iterable[str] = (),
    directions: Mapping[str, Direction] | None = None,
) -> Conflict:
    """A conflict from options per decision maker, as arrays are at hand.

    Args:
        owners: the options of each decision maker, in order.
        preferences: per decision maker a `Preference`, or scores [state], higher is preferred.
        title: what to call it.
        infeasible: patterns of Y, N and - that cannot be.
        directions: options that cannot be taken back ("N->Y") or up again ("Y->N").

    Raises:
        QuestionError: too many options, an unknown one, or scores of the wrong length.
    """
    names = [name for group in owners.values() for name in group]
    directions = dict(directions or {})
    for name in directions:
        if name not in names:
            raise unknown("option", name, names)
    options = tuple(
        Option(name, i, directions.get(name, "both"))
        for i, group in enumerate(owners.values())
        for name in group
    )
    codes = feasible_codes(len(options), infeasible)
    found = tuple(_preference(owner, preferences[owner], codes.size) for owner in owners)
    return Conflict(title, tuple(owners), found, options, codes)


def graph_form(
    states: Sequence[str],
    arcs: Mapping[str, Iterable[tuple[Any, Any]]],
    preferences: Mapping[str, Any],
    *,
    title: str = "A conflict",
) -> Conflict:
    """A conflict from named states and arcs (from, to) by position or name.

    Raises:
        QuestionError: an arc to a state that is not there, or scores of the wrong length.
    """
    at = {name: k for k, name in enumerate(states)}

    def place(x: Any) -> int:
        if isinstance(x, str):
            if x not in at:
                raise unknown("state", x, states)
            return at[x]
        return int(x)

    found, prefers = [], []
    for owner, pairs in arcs.items():
        listed = [(place(a), place(b)) for a, b in pairs]
        array = np.array(listed, np.int64).reshape(-1, 2)
        if array.size and not 0 <= array.min() <= array.max() < len(states):
            raise QuestionError(f"an arc of {owner} leads outside the {len(states)} states")
        found.append((array[:, 0], array[:, 1]))
        prefers.append(_preference(owner, preferences[owner], len(states)))
    return Conflict(
        title, tuple(arcs), tuple(prefers), state_names=tuple(states), arcs=tuple(found)
    )


def _preference(owner: str, given: Any, size: int) -> Preference:
    found = given if isinstance(given, Preference) else Preference(ranks(given))
    if found.rank.shape != (size,):
        raise QuestionError(f"{owner} ranks {found.rank.size} states, and there are {size}")
    return found


def feasible_codes(options: int, infeasible: Iterable[str]) -> Int[Array, "state"]:
    """The bitmasks of the feasible states, rising; a pattern rules out what it matches.

    Raises:
        QuestionError: more options than fit, a pattern that cannot be read, or no state left.
    """
    if options > MAX_OPTIONS:
        raise QuestionError(
            f"{options} options make 2^{options} states; at most {MAX_OPTIONS} are taken"
        )
    infeasible = list(infeasible)
    if len(infeasible) << options > MAX_MATCHED:
        raise QuestionError(
            f"{len(infeasible)} infeasible patterns of {options} options take too long; at most "
            f"{MAX_MATCHED >> options} are taken"
        )
    codes = np.arange(1 << options, dtype=np.int32)
    for pattern in infeasible:
        mask, value = pattern_bits(pattern, options)
        codes = codes[(codes & mask) != value]
    if not codes.size:
        raise QuestionError("no state is feasible: the infeasible patterns rule out all of them")
    return codes


def pattern_bits(pattern: str, options: int) -> tuple[int, int]:
    """A pattern of Y, N and - as a mask and the value under it.

    Raises:
        QuestionError: another length or another letter.
    """
    if len(pattern) != options or set(pattern) - set("YN-"):
        raise QuestionError(
            f"'{pattern[:60]}' is no pattern: {options} letters Y, N or - are needed, one for each "
            "option"
        )
    mask = sum(1 << k for k, letter in enumerate(pattern) if letter != "-")
    value = sum(1 << k for k, letter in enumerate(pattern) if letter == "Y")
    return mask, value


def amended(
    conflict: Conflict, changes: Sequence[tuple[int, bool, str, str]]
) -> tuple[tuple[Array, Array], ...]:
    """The arcs of an option-form conflict after changes (who, allowed, from, to), in order.

    To forbid takes away every move from a state that matches `from` to one that matches `to`. To
    allow adds, from every state that matches `from`, the move that sets the options named in `to`.

    Raises:
        QuestionError: more arcs than fit.
    """
    moves = conflict.moves
    assert isinstance(moves, Lattice)
    assert conflict.codes is not None
    codes, k = conflict.codes, len(conflict.options)
    if moves.arc_bound() > MAX_ARCS:
        raise QuestionError(
            f"moves by state need a list of arcs, and there would be {moves.arc_bound():,}; at "
            f"most {MAX_ARCS:,} are taken"
        )
    arcs = [moves.arcs(i) for i in range(len(conflict.decision_makers))]
    for who, allowed, start, end in changes:
        (mask, value), (mask_to, value_to) = pattern_bits(start, k), pattern_bits(end, k)
        source, target = arcs[who]
        if not allowed:
            hit = ((codes[source] & mask) == value) & ((codes[target] & mask_to) == value_to)
            arcs[who] = (source[~hit], target[~hit])
            continue
        leaving = np.flatnonzero((codes & mask) == value)
        wanted = (codes[leaving] & ~mask_to) | value_to
        at = np.minimum(np.searchsorted(codes, wanted), codes.size - 1)
        there = (codes[at] == wanted) & (at != leaving)
        n = np.int64(codes.size)
        keys = np.unique(
            np.concatenate([source * n + target, leaving[there] * n + at[there].astype(np.int64)])
        )
        arcs[who] = (keys // n, keys % n)
    return tuple(arcs)
