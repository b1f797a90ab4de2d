"""Which states of a conflict are stable, for whom, and by which concept?

In comes a conflict and how to look at it; out goes a `Stability`. Rankings go the fast way
(`basic`, any size); unknown and fuzzy preferences, attitudes and coalitions go by tables of states
by states (`relations`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from servanda.errors import QuestionError, unknown
from servanda.tables.graph.basic import BASIC, SANCTIONS, STRONG, basic
from servanda.tables.graph.horizon import RESPONSES, limited_move, non_myopic
from servanda.tables.graph.model import Conflict
from servanda.tables.graph.relations import Mover, movers, stable, tables
from servanda.tables.graph.result import Stability
from servanda.tables.graph.simultaneous import simultaneous

DEFAULT: Final = ("Nash", "GMR", "SMR", "SEQ", "SIM")
CONCEPTS: Final = (*DEFAULT, "NM", *STRONG)
MOST_SIMULTANEOUS: Final = 4096  # states up to which SIM is among the default concepts
_LIMITED: Final = re.compile(r"L([1-9][0-9]{0,3})")


def stability(
    conflict: Conflict,
    concepts: Sequence[str] | None = None,
    *,
    sanctions: str = "legal-sequences",
    coalitions: Sequence[Sequence[str]] = (),
    unknown_as: str = "a",
    response: str = "worst",
) -> Stability:
    """Stability of every state for every mover.

    Args:
        conflict: what `load` gives.
        concepts: of Nash, GMR, SMR, SEQ, SIM, L1, L2, ... (limited-move), NM (non-myopic),
            strong GMR, strong SMR, strong SEQ; by default the first five, and the strong ones
            where strength of preference is given.
        sanctions: "legal-sequences" (nobody moves twice running; Fang, Hipel and Kilgour 1993),
            "single" (one countermove by one sanctioner) or "each-once" (each sanctioner at most
            once, in any order).
        coalitions: groups that move, improve and are deterred as one.
        unknown_as: how unknown comparisons count, "a" to "d" (see `relations.Mover`).
        response: who answers when more than two look ahead, "worst" or "best" (see `horizon`).

    Raises:
        QuestionError: an unknown concept or name, or a concept that does not fit the conflict.
    """
    if sanctions not in SANCTIONS:
        raise unknown("kind of sanction", sanctions, SANCTIONS)
    if response not in RESPONSES:
        raise unknown("response", response, RESPONSES)
    who = movers(conflict, coalitions, unknown_as)
    fast = conflict.plain and not coalitions
    notes: list[str] = []
    if concepts is None:
        concepts = _default(conflict, fast, bool(coalitions), notes)
    concepts = tuple(dict.fromkeys(concepts))
    for concept in concepts:
        _check(conflict, concept)
    if not concepts:
        raise QuestionError("no concept of stability is asked for")
    out = np.empty((len(concepts), len(who), conflict.size), bool)
    ranked = [c for c in concepts if c in BASIC or c in STRONG]
    if ranked:
        found = (
            basic(conflict, ranked, sanctions)
            if fast
            else _by_tables(conflict, who, ranked, sanctions, coalitions, unknown_as)
        )
        for concept, rows in zip(ranked, found):
            out[concepts.index(concept)] = rows
    for c, concept in enumerate(concepts):
        limited = _LIMITED.fullmatch(concept)
        if (limited or concept == "NM") and coalitions:
            raise QuestionError(f"{concept} is not defined for coalitions; leave it out")
        if limited:
            out[c] = limited_move(conflict, int(limited[1]), response)
        elif concept == "NM":
            out[c] = non_myopic(conflict, response)
        elif concept == "SIM":
            out[c] = simultaneous(conflict, who)
    if any(p.unknown is not None for p in conflict.preferences):
        notes.append(f"Unknown comparisons are taken by extension {unknown_as}.")
    if conflict.views:
        notes.append("Everybody is taken to see the true conflict; ask for the hypergame.")
    table = xr.DataArray(
        out,
        dims=("concept", "decision_maker", "state"),
        coords={
            "concept": list(concepts),
            "decision_maker": [m.name for m in who],
            "state": np.arange(1, conflict.size + 1),
        },
    )
    return Stability(conflict, table, who, sanctions, unknown_as, response, tuple(notes))


def _default(conflict: Conflict, fast: bool, coalitions: bool, notes: list[str]) -> tuple[str, ...]:
    chosen: tuple[str, ...] = BASIC
    if conflict.codes is not None and conflict.arcs is None and not coalitions:
        if conflict.size <= MOST_SIMULTANEOUS:
            chosen = DEFAULT
        else:
            notes.append("SIM is left out for so many states; ask for it by name.")
    if any(p.strength is not None for p in conflict.preferences):
        chosen += STRONG
    return chosen


def _check(conflict: Conflict, concept: str) -> None:
    if concept not in CONCEPTS and not _LIMITED.fullmatch(concept):
        raise unknown("concept", concept, (*CONCEPTS, "L1", "L2"))
    if concept in STRONG and all(p.strength is None for p in conflict.preferences):
        raise QuestionError(
            f"{concept} needs strength of preference: put '>>' between the states of a ranking"
        )


def _by_tables(
    conflict: Conflict,
    who: Sequence[Mover],
    concepts: Sequence[str],
    sanctions: str,
    coalitions: Sequence[Sequence[str]],
    unknown_as: str,
) -> list[list[np.ndarray]]:
    plain = tables(who) if any(c not in STRONG for c in concepts) else None
    hard = None
    if any(c in STRONG for c in concepts):
        hard = tables(movers(conflict, coalitions, unknown_as, strong=True))
    found = []
    for concept in concepts:
        table = hard if concept in STRONG else plain
        assert table is not None
        found.append([stable(table, concept, i, sanctions) for i in range(len(who))])
    return found


def coalition_stable(
    conflict: Conflict, concept: str = "Nash", *, sanctions: str = "legal-sequences"
) -> xr.DataArray:
    """Which states are stable for each possible coalition, single members among them.

    Everybody outside the coalition is on its own. A state that is stable for every coalition is
    coalitionally stable in the sense of Kilgour, Hipel, Fang and Peng (2001); [coalition, state].

    Raises:
        QuestionError: more than eight decision makers, or a concept that coalitions do not have.
    """
    n = len(conflict.decision_makers)
    if n > 8:
        raise QuestionError(f"{n} decision makers make {2**n - 1} coalitions; at most 8 are taken")
    if concept not in BASIC:
        raise unknown("concept for coalitions", concept, BASIC)
    names, rows = [], []
    for chosen in range(1, 1 << n):
        group = [conflict.decision_makers[k] for k in range(n) if chosen >> k & 1]
        who = movers(conflict, [group])
        members = tuple(k for k in range(n) if chosen >> k & 1)
        at = next(k for k, m in enumerate(who) if m.members == members)
        names.append(" + ".join(group))
        rows.append(stable(tables(who), concept, at, sanctions))
    return xr.DataArray(
        np.array(rows),
        dims=("coalition", "state"),
        coords={"coalition": names, "state": np.arange(1, conflict.size + 1)},
    )
