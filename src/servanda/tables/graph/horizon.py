"""Limited-move stability with horizon h, and non-myopic stability: looking h moves ahead.

Who is to move at s with horizon h either stays, or makes the move whose final state it likes best,
knowing that another will then decide with horizon h − 1: G_h(i, s) is the final state, G_0(i, s) =
s, and i moves only if the final state is better than s. s is L_h stable for i iff G_h(i, s) = s. It
is non-myopically stable iff G_h(i, s) = s for all h from some h on; G_h repeats itself sooner or
later, so that this is decided exactly.

With more than two decision makers it is not settled who answers. `response="worst"`: the mover
expects, of the others' final states, the one worst for itself; "best": the one best for itself. Of
equally good moves the one that leads to the state with the lowest number is made.

Sources: Zagare, J. Conflict Resolution 28 (1984); Kilgour, Hipel and Fang, Automatica 23 (1987);
Fang, Hipel and Kilgour (1993), chapter 3, for two decision makers.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Int

from servanda.errors import QuestionError
from servanda.tables.graph.model import Conflict

Array = np.ndarray

RESPONSES: Final = ("worst", "best")
MAX_HORIZON: Final = 1000
MAX_KEPT: Final = 500_000_000  # bytes of past G_h that may be kept to see it repeat


def _first(conflict: Conflict) -> Int[Array, "party state"]:
    return np.tile(np.arange(conflict.size), (len(conflict.decision_makers), 1))


def step(conflict: Conflict, final: Array, response: str) -> Int[Array, "party state"]:
    """G_h from G_{h−1}: the final state by who is to move and where; [party, state]."""
    moves, n = conflict.moves, conflict.size
    out = np.empty_like(final)
    here = np.arange(n)
    for i, preference in enumerate(conflict.preferences):
        u = preference.rank.astype(np.int64)
        others = [k for k in range(len(final)) if k != i]
        if others:  # [other, state]: what i thinks of where each would take it
            reply = final[others]
            # of replies that i likes equally, the lowest numbered
            key = u[reply] * n + ((n - 1 - reply) if response == "best" else reply)
            pick = key.argmax(axis=0) if response == "best" else key.argmin(axis=0)
            expected = reply[pick, here]
        else:
            expected = here
        # every state its own key: best final state first, then lowest number moved to
        order = np.lexsort((-here, u[expected]))
        key = np.empty(n, np.int32)
        key[order] = np.arange(n, dtype=np.int32)
        top = moves.gather(moves.top_two(i, moves.spread(key, -1)))
        ahead = expected[order[np.maximum(top, 0)]]
        out[i] = np.where((top >= 0) & (u[ahead] > u), ahead, here)
    return out


def limited_move(conflict: Conflict, h: int, response: str = "worst") -> Bool[Array, "party state"]:
    """Which states are stable for whom, all looking h moves ahead; [party, state].

    Raises:
        QuestionError: a horizon below 1, an unknown response, or preferences that do not rank.
    """
    found: Array = foresee(conflict, h, response) == np.arange(conflict.size)
    return found


def foresee(conflict: Conflict, h: int, response: str = "worst") -> Int[Array, "party state"]:
    """G_h: where each, if it is to move at s, expects to end; [party, state] of states from 0.

    Raises:
        QuestionError: as `limited_move`.
    """
    _check(conflict, response)
    if not 1 <= h <= MAX_HORIZON:
        raise QuestionError(f"a horizon is a whole number from 1 to {MAX_HORIZON}, not {h}")
    final = _first(conflict)
    for _ in range(h):
        final = step(conflict, final, response)
    return final


def non_myopic(conflict: Conflict, response: str = "worst") -> Bool[Array, "party state"]:
    """Which states are stable for whom at every horizon from some horizon on; [party, state].

    Raises:
        QuestionError: as `limited_move`, or G_h does not repeat within the memory allowed.
    """
    _check(conflict, response)
    final = _first(conflict)
    seen: dict[bytes, int] = {}
    history: list[Array] = []
    while True:
        key = final.astype(np.int32).tobytes()
        if key in seen:
            break
        seen[key] = len(history)
        history.append(final == np.arange(conflict.size))
        if len(key) * len(seen) > MAX_KEPT:
            raise QuestionError(
                "what the decision makers foresee does not settle within the memory allowed; ask "
                "for a horizon: L1, L2, ..."
            )
        final = step(conflict, final, response)
    cycle = history[seen[final.astype(np.int32).tobytes()] :]
    return np.asarray(np.logical_and.reduce(cycle))


def _check(conflict: Conflict, response: str) -> None:
    if response not in RESPONSES:
        raise QuestionError(f"unknown response '{response}'; there are: worst, best")
    if not conflict.plain:
        raise QuestionError(
            "looking ahead needs rankings: no unknown or fuzzy preferences and no attitudes"
        )
