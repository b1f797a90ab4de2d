"""Movers as relations between states: for whatever a ranking alone does not say.

A mover is a decision maker or a coalition. Four questions say all there is to know of it: where it
can move, for which states it would leave s, to which states its countermoves are credible, and
which states deter it from leaving s. Unknown and fuzzy preferences, attitudes and coalitions answer
them differently; stability is then the same for all (`stable`), on tables of states by states.

Sources: unknown, Li, Hipel, Kilgour and Fang, IEEE Trans. SMC-A 34 (2004); fuzzy, Bashar, Kilgour
and Hipel, IEEE Trans. Fuzzy Systems 20 (2012); attitudes, Inohara, Hipel and Walker, J. Systems
Science and Systems Engineering 16 (2007); coalitions, Kilgour, Hipel, Fang and Peng, Group Decision
and Negotiation 10 (2001), and Inohara and Hipel, J. Systems Science and Systems Engineering 17
(2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Bool

from servanda.errors import QuestionError
from servanda.tables.graph.model import Conflict

Array = np.ndarray
Extension = Literal["a", "b", "c", "d"]

EXTENSIONS: Final = ("a", "b", "c", "d")
MOST_STATES: Final = 2048
MOST_ONCE: Final = 8


@dataclass(frozen=True)
class Mover:
    """A decision maker, or a coalition that moves as one, and how it compares states.

    `extension` says what unknown comparisons do (Li et al. 2004): in "a" and "c" a mover leaves for
    states it may prefer, in "b" and "d" only for those it does prefer; in "a" and "b" it is
    deterred only by what it knows not to prefer, in "c" and "d" also by what it may not prefer.
    A countermove is credible if its mover may prefer where it leads.
    """

    conflict: Conflict
    members: tuple[int, ...]
    extension: Extension = "a"
    strong: bool = False

    @property
    def name(self) -> str:
        """The decision maker, or the coalition's members."""
        return " + ".join(self.conflict.decision_makers[m] for m in self.members)

    def leaves(self, s: Any, t: Any) -> Array:
        """Whether the mover would rather be at t than at s; all members must; broadcasts."""
        return self._all(s, t, self.extension in "ac")

    def credible(self, s: Any, t: Any) -> Array:
        """Whether a countermove from s to t is one the mover may want; broadcasts."""
        return self._all(s, t, True)

    def deterred(self, s: Any, t: Any) -> Array:
        """Whether ending at t is reason enough not to leave s; one member suffices; broadcasts."""
        if self.strong:
            found = np.zeros(np.broadcast(s, t).shape, bool)
            for m in self.members:
                if self.conflict.preferences[m].strength is not None:
                    found = found | self.conflict.preferences[m].far_worse(s, t)
            return found
        return ~self._all(s, t, self.extension in "ab")

    def _all(self, s: Any, t: Any, maybe: bool) -> Array:
        found = np.ones(np.broadcast(s, t).shape, bool)
        for m in self.members:
            found = found & self._prefers(m, s, t, maybe)
        return found

    def _prefers(self, m: int, s: Any, t: Any, maybe: bool) -> Array:
        """Whether member m wants t rather than s, by its attitudes if it has any."""
        attitudes = self.conflict.attitudes.get(m)
        if attitudes is None:
            return self._compares(m, s, t, maybe)
        found = np.ones(np.broadcast(s, t).shape, bool)
        for j, attitude in enumerate(attitudes):
            if attitude > 0:
                found = found & self._compares(j, s, t, maybe)
            elif attitude < 0:
                found = found & self._compares(j, t, s, maybe)
        return found

    def _compares(self, j: int, s: Any, t: Any, maybe: bool) -> Array:
        preference = self.conflict.preferences[j]
        found = preference.better(s, t)
        return found | preference.unsure(s, t) if maybe else found

    def targets(self, s: int) -> Array:
        """The states reached from s: in one move, or by a coalition's legal sequence."""
        moves = self.conflict.moves
        if len(self.members) == 1:
            return moves.targets(self.members[0], s)
        seen = {(t, m) for m in self.members for t in map(int, moves.targets(m, s))}
        front = list(seen)
        while front:
            t, last = front.pop()
            for m in self.members:
                if m != last:
                    fresh = {(x, m) for x in map(int, moves.targets(m, t))} - seen
                    seen |= fresh
                    front.extend(fresh)
        return np.array(sorted({t for t, _ in seen} - {s}), np.int64)


def movers(
    conflict: Conflict,
    coalitions: Sequence[Sequence[str]] = (),
    extension: str = "a",
    strong: bool = False,
) -> tuple[Mover, ...]:
    """The coalitions and, one by one, all others, in the order of the decision makers.

    Raises:
        QuestionError: an unknown name or extension, or somebody in two coalitions.
    """
    if extension not in EXTENSIONS:
        raise QuestionError(f"unknown extension '{extension}'; there are: a, b, c, d")
    blocks = [tuple(sorted({conflict.position(name) for name in block})) for block in coalitions]
    taken = [m for block in blocks for m in block]
    if len(taken) != len(set(taken)):
        raise QuestionError("a decision maker can be in one coalition only")
    blocks += [(m,) for m in range(len(conflict.decision_makers)) if m not in taken]
    chosen: Any = extension
    return tuple(Mover(conflict, block, chosen, strong) for block in sorted(b for b in blocks if b))


@dataclass(frozen=True)
class Tables:
    """For every mover, states by states: moves, those it would make, credible ones, deterrents."""

    moves: Bool[Array, "mover state state"]
    leaving: Bool[Array, "mover state state"]
    credible: Bool[Array, "mover state state"]
    deterred: Bool[Array, "mover state state"]


def tables(who: Sequence[Mover]) -> Tables:
    """The movers' relations as tables.

    Raises:
        QuestionError: more states than such tables are made for.
    """
    n = who[0].conflict.size
    if n > MOST_STATES:
        raise QuestionError(
            f"{n:,} states: unknown or fuzzy preferences, attitudes and coalitions need tables of "
            f"states by states, which are made for at most {MOST_STATES:,}"
        )
    s, t = np.arange(n)[:, None], np.arange(n)[None, :]
    moves = np.zeros((len(who), n, n), bool)
    for k, mover in enumerate(who):
        steps = np.zeros((len(mover.members), n, n), bool)
        for m, member in enumerate(mover.members):
            steps[m][mover.conflict.moves.arcs(member)] = True
        moves[k] = reached(steps, "legal-sequences") & ~np.eye(n, dtype=bool)
    return Tables(
        moves,
        np.array([m.leaves(s, t) for m in who]) & moves,
        np.array([m.credible(s, t) for m in who]) & moves,
        np.array([m.deterred(s, t) for m in who]),
    )


def reached(steps: Bool[Array, "mover state state"], sanctions: str) -> Bool[Array, "state state"]:
    """What the movers together reach by sequences of steps in which nobody moves twice running.

    `sanctions` as in `basic.least`.
    """
    count = len(steps)
    if count == 0:
        raise ValueError("no movers")
    if sanctions == "single" or count == 1:
        return np.asarray(steps.any(axis=0))
    if sanctions == "each-once":
        if count > MOST_ONCE:
            raise QuestionError(f"'each-once' is worked out for at most {MOST_ONCE} sanctioners")
        by: dict[int, Array] = {0: np.eye(steps.shape[1], dtype=bool)}
        total = np.zeros(steps.shape[1:], bool)
        for chosen in range(1, 1 << count):
            found = np.zeros(steps.shape[1:], bool)
            for k in range(count):
                if chosen >> k & 1:
                    found |= _then(by[chosen ^ (1 << k)], steps[k])
            by[chosen] = found
            total |= found
        return total
    last = steps.copy()
    while True:
        grown = last.copy()
        for k in range(count):
            others = np.asarray(np.delete(last, k, axis=0).any(axis=0))
            grown[k] |= _then(others, steps[k])
        if np.array_equal(grown, last):
            return np.asarray(last.any(axis=0))
        last = grown


def _then(first: Array, second: Array) -> Array:
    """One relation and then another; [state, state]."""
    found: Array = (first.astype(np.float32) @ second.astype(np.float32)) > 0.5
    return found


def stable(t: Tables, concept: str, i: int, sanctions: str) -> Bool[Array, "state"]:
    """Which states are stable for mover i: Nash, GMR, SMR or SEQ, strong or not.

    i is unstable at s iff it would leave s for some t from which the others reach nothing that
    deters it (SMR: nothing that deters it and from which it cannot itself reach anything else).
    """
    if concept.endswith("Nash"):
        return ~np.asarray(t.leaving[i].any(axis=1))
    steps = t.credible if concept.endswith("SEQ") else t.moves
    others = np.delete(steps, i, axis=0)
    n = t.moves.shape[1]
    reach = reached(others, sanctions) if len(others) else np.zeros((n, n), bool)
    sanction = t.deterred[i]
    if concept.endswith("SMR"):  # [s, x]: from x, i reaches something that does not deter it
        sanction = sanction & ~_then(~t.deterred[i], t.moves[i].T)
    # [t, s]: from t the others reach a sanction that holds i at s
    sanctioned = _then(reach, sanction.T)
    return ~np.asarray((t.leaving[i] & ~sanctioned.T).any(axis=1))
