"""Simultaneous stability (SIM): what if others move at the same moment?

An improvement of i from s is sanctioned simultaneously if some of the others, each by an
improvement of its own from s, can move at the same time so that all the moves together lead to a
feasible state that deters i. Options are reset by their owners, so that joint moves are joint in
bits. A state is SIM stable for i if every improvement of i is so sanctioned.

Source: Fraser and Hipel, Conflict Analysis: Models and Resolutions (1984), without its step of
sequential stability before; published software lists SIM in the same way, as a concept of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool

from servanda.errors import QuestionError
from servanda.tables.graph.model import Conflict
from servanda.tables.graph.relations import Mover

Array = np.ndarray

MAX_WORK: Final = 1 << 30
BLOCK: Final = 4_000_000


def simultaneous(conflict: Conflict, who: Sequence[Mover]) -> Bool[Array, "mover state"]:
    """Which states are SIM stable for which mover; movers are single decision makers.

    Raises:
        QuestionError: the conflict is not in option form, or too large.
    """
    if conflict.codes is None or conflict.arcs is not None:
        raise QuestionError(
            "simultaneous stability joins moves option by option: it needs option form without "
            "moves by state"
        )
    if any(len(m.members) > 1 for m in who):
        raise QuestionError("simultaneous stability is not defined for coalitions; leave out SIM")
    if conflict.size << len(conflict.options) > MAX_WORK:
        raise QuestionError(
            f"simultaneous stability of {conflict.size:,} states takes too long; leave out SIM"
        )
    codes = conflict.codes.astype(np.int64)
    index = np.full(1 << len(conflict.options), -1, np.int64)
    index[codes] = np.arange(codes.size)
    out = np.ones((len(who), codes.size), bool)
    for s in range(codes.size):
        flips = []
        for mover in who:
            targets = mover.targets(s)
            flips.append(codes[targets[mover.leaves(s, targets)]] ^ codes[s])
        for i, mover in enumerate(who):
            if flips[i].size:
                others = [f for k, f in enumerate(flips) if k != i and f.size]
                out[i, s] = _sanctioned(mover, s, int(codes[s]), flips[i], others, index)
    return out


def _sanctioned(
    mover: Mover, s: int, code: int, mine: Array, others: list[Array], index: Array
) -> bool:
    """Whether each of the mover's improvements meets a sanction."""
    joint = np.zeros(1, np.int64)
    for flip in others:
        joint = (joint[:, None] | np.concatenate([[0], flip])[None, :]).reshape(-1)
    joint = joint[1:]  # nobody else moves: no sanction
    if not joint.size:
        return False
    rows = max(1, BLOCK // joint.size)
    for start in range(0, mine.size, rows):
        end = index[code ^ (mine[start : start + rows, None] | joint[None, :])]
        if not ((end >= 0) & mover.deterred(s, np.maximum(end, 0))).any(axis=1).all():
            return False
    return True


def joint_sanction(
    mover: Mover, others: Sequence[Mover], s: int, t: int
) -> tuple[tuple[str, ...], int] | None:
    """Who can move together with the mover's improvement from s to t so that it is deterred, and
    the state where that ends; None if nobody can."""
    conflict = mover.conflict
    assert conflict.codes is not None
    codes = conflict.codes.astype(np.int64)
    joint: list[tuple[tuple[str, ...], int]] = [((), 0)]
    for other in others:
        targets = other.targets(s)
        flips = codes[targets[other.leaves(s, targets)]] ^ codes[s]
        joint += [((*who, other.name), by | int(f)) for who, by in joint for f in flips]
        if len(joint) > BLOCK // 10:
            raise QuestionError("too many joint moves to search for a simultaneous sanction")
    for who, by in joint[1:]:
        code = int(codes[t]) ^ by
        at = int(np.searchsorted(codes, code))
        if at < codes.size and codes[at] == code and bool(mover.deterred(s, at)):
            return who, at
    return None
