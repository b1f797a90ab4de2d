"""Nash, GMR, SMR and SEQ stability of every state, where rankings say everything.

Write u(s) for i's rank of s, and v(t) ≤ u(s) for "t deters i from leaving s" (v = u; for strong
sanctions v is the rank just above t's class; for symmetric ones the best i can still reach from t
counts as well). With g(t) the least v that the others reach from t, an improvement t is not
sanctioned iff min(u(t), g(t)) > u(s): that needs no pair of states, and i is unstable at s iff the
maximum of min(u, g) over what i reaches from s exceeds u(s). Maxima and minima over what one
decision maker reaches are taken by `moves`; time and memory are linear in states (SEQ sorts).

Source: Fang, Hipel and Kilgour (1993), chapters 3 and 4; strength: Hamouda, Kilgour and Hipel,
Group Decision and Negotiation 13 (2004).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool

from servanda.errors import QuestionError
from servanda.tables.graph.model import Conflict
from servanda.tables.graph.moves import INF, Moves

Array = np.ndarray
Sanctions = Literal["legal-sequences", "single", "each-once"]

SANCTIONS: Final[tuple[Sanctions, ...]] = ("legal-sequences", "single", "each-once")
BASIC: Final = ("Nash", "GMR", "SMR", "SEQ")
STRONG: Final = ("strong GMR", "strong SMR", "strong SEQ")
MOST_ONCE: Final = 10

Reach = Callable[[int, Array], Array]


def least(moves: Moves, movers: Sequence[int], reach: Reach, v: Array, sanctions: str) -> Array:
    """The least v that the movers together reach from each cell; INF where they cannot move.

    `reach(k, x)` is the least x that mover k reaches in one move. "legal-sequences": any number of
    moves, nobody twice running; "single": one move of one of them; "each-once": each at most once.
    """
    if not movers:
        return np.full_like(v, INF)
    if sanctions == "single" or len(movers) == 1:
        return _min_of([reach(k, v) for k in movers])
    if sanctions == "each-once":
        return _each_once(movers, reach, v)
    if moves.transitive:  # two moves running are one: who moved last does not matter
        found = v.copy()
        quiet, turn = 0, 0
        while quiet < len(movers):
            fresh = np.minimum(found, reach(movers[turn % len(movers)], found))
            quiet = quiet + 1 if np.array_equal(fresh, found) else 0
            found = moves.closed(fresh)
            turn += 1
        return found
    # V[j]: the least that is still reached if j has moved last
    after = {j: np.full_like(v, INF) for j in movers}
    while True:
        moved = {k: reach(k, np.minimum(v, after[k])) for k in movers}
        fresh_after = {j: _min_of([moved[k] for k in movers if k != j]) for j in movers}
        if all(np.array_equal(fresh_after[j], after[j]) for j in movers):
            return _min_of(list(moved.values()))
        after = fresh_after


def _each_once(movers: Sequence[int], reach: Reach, v: Array) -> Array:
    if len(movers) > MOST_ONCE:
        raise QuestionError(
            f"'each-once' goes through all sets of {len(movers)} sanctioners; at most {MOST_ONCE}"
        )
    found: dict[int, Array] = {0: np.full_like(v, INF)}
    for chosen in range(1, 1 << len(movers)):
        found[chosen] = _min_of(
            [
                reach(k, np.minimum(v, found[chosen ^ (1 << b)]))
                for b, k in enumerate(movers)
                if chosen >> b & 1
            ]
        )
    return found[(1 << len(movers)) - 1]


def _min_of(arrays: list[Array]) -> Array:
    found = arrays[0]
    for array in arrays[1:]:
        found = np.minimum(found, array)
    return found


def basic(
    conflict: Conflict, concepts: Sequence[str] = BASIC, sanctions: str = "legal-sequences"
) -> Bool[Array, "concept party state"]:
    """Which states are stable for whom, by the concepts asked for (of `BASIC` and `STRONG`)."""
    moves = conflict.moves
    movers = range(len(conflict.decision_makers))
    ranks = prepared(conflict, any(c.endswith("SEQ") for c in concepts))
    out = np.empty((len(concepts), len(movers), conflict.size), bool)
    for i in movers:
        u = ranks[i]
        for c, concept in enumerate(concepts):
            if concept == "Nash":
                stable = moves.best(i, u) <= u
            else:
                g = sanction(conflict, i, concept, sanctions)[1]
                stable = moves.best(i, np.minimum(u, g)) <= u
            out[c, i] = moves.gather(stable)
    return out


def prepared(conflict: Conflict, sequential: bool = True) -> list[Array]:
    """The ranks by cell; for sequential stability the moves are told of them."""
    moves = conflict.moves
    ranks = [moves.spread(p.rank, -1) for p in conflict.preferences]
    if sequential:
        moves.prepare(ranks)
    return ranks


def sanction(conflict: Conflict, i: int, concept: str, sanctions: str) -> tuple[Array, Array]:
    """v by state and g by cell for i: x deters i at s iff v(x) ≤ u(s), and something that the
    others reach from t does iff g(t) ≤ u(s). For SEQ, `prepared` comes first."""
    moves = conflict.moves
    others = [k for k in range(len(conflict.decision_makers)) if k != i]
    v = _deterrent(conflict, i, concept.startswith("strong"))
    if concept.endswith("SMR"):
        most = moves.best(i, moves.spread(v, -1))
        v = np.maximum(v, moves.gather(most))
    reach = moves.worst_improving if concept.endswith("SEQ") else moves.worst
    return v, least(moves, others, reach, moves.spread(v, INF), sanctions)


def _deterrent(conflict: Conflict, i: int, strong: bool) -> Array:
    """v by state: t deters i from leaving s iff v(t) ≤ u(s)."""
    preference = conflict.preferences[i]
    if not strong:
        return preference.rank
    if preference.strength is None:  # all preferences are mild: nothing deters strongly
        return np.full(preference.rank.size, int(preference.rank.max()) + 1, np.int32)
    top = np.full(int(preference.strength.max()) + 1, -1, np.int32)
    np.maximum.at(top, preference.strength, preference.rank)
    found: Array = top[preference.strength] + 1
    return found
