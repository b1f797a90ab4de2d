"""Why is a state unstable, by whom, and which sanction holds whom?

For every improvement of every mover, the shortest sequence of countermoves that deters it is looked
for, concept by concept: by any moves (GMR), by moves after which the mover cannot help itself
(SMR), by moves that their own movers want (SEQ). A state is unstable through the improvements for
which there is none.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from servanda.errors import QuestionError
from servanda.tables.graph.basic import prepared, sanction
from servanda.tables.graph.horizon import foresee
from servanda.tables.graph.relations import Mover
from servanda.tables.graph.result import Stability
from servanda.tables.graph.simultaneous import joint_sanction

MAX_NODES: Final = 50_000
WALKED: Final = ("GMR", "SMR", "SEQ", "SIM", "strong GMR", "strong SMR", "strong SEQ")


@dataclass(frozen=True)
class Move:
    """One move of somebody to a state (numbered from 1)."""

    by: str
    to: int
    label: str


@dataclass(frozen=True)
class Improvement:
    """A move somebody would like to make; by concept the sanction, None where there is none."""

    by: str
    to: int
    label: str
    sanctions: dict[str, tuple[Move, ...] | None]


@dataclass(frozen=True)
class StateReport:
    """What holds at one state: by concept for whom it is stable, and why it is not."""

    state: int
    label: str
    title: str
    stable: dict[str, dict[str, bool]]  # concept -> decision maker -> stable
    improvements: tuple[Improvement, ...]
    foreseen: dict[str, dict[str, str]]  # L1, L2, ... -> decision maker -> where it expects to end

    def why(self) -> list[str]:
        """Sentences: for every concept why the state is or is not an equilibrium."""
        lines = []
        for concept, by in self.stable.items():
            against = [name for name, good in by.items() if not good]
            if not against:
                lines.append(f"{concept}: an equilibrium. " + self._held(concept))
                continue
            for name in against:
                open_ = [
                    i.label
                    for i in self.improvements
                    if i.by == name and i.sanctions.get(concept, None) is None
                ]
                if concept in WALKED or concept == "Nash":
                    free = " or ".join(open_[:6]) + (" ..." if len(open_) > 6 else "")
                    rest = "" if concept == "Nash" else ", and no sanction stops it"
                    lines.append(f"{concept}: unstable for {name}: it improves to {free}{rest}.")
                elif concept in self.foreseen:
                    end = self.foreseen[concept][name]
                    lines.append(f"{concept}: unstable for {name}: it expects to end at {end}.")
                else:
                    lines.append(f"{concept}: unstable for {name}.")
        return [line.strip() for line in lines]

    def _held(self, concept: str) -> str:
        if not self.improvements:
            return "Nobody can improve."
        held = []
        for one in self.improvements:
            path = one.sanctions.get(concept)
            if path:
                steps = ", then ".join(f"{m.by} moves to {m.label}" for m in path)
                held.append(f"If {one.by} moves to {one.label}, {steps}.")
        return " ".join(held)

    def to_dataframe(self) -> Any:
        """One row per improvement and concept: who, to where, and the sanction as text."""
        import pandas as pd

        rows = [
            {
                "by": one.by,
                "to": one.to,
                "concept": concept,
                "sanctioned": path is not None,
                "sanction": " > ".join(f"{m.by}: {m.to}" for m in path or ()),
            }
            for one in self.improvements
            for concept, path in one.sanctions.items()
        ]
        return pd.DataFrame(rows, columns=["by", "to", "concept", "sanctioned", "sanction"])

    def to_json(self) -> str:
        """The report as JSON."""
        return json.dumps(asdict(self) | {"why": self.why()}, indent=2, ensure_ascii=False)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"

    def __str__(self) -> str:
        from servanda.show.page import as_text
        from servanda.tables.graph.text import report_page

        return as_text(report_page(self))


def report(answer: Stability, s: int) -> StateReport:
    """The report on state s (from 0) of an analysis."""
    conflict = answer.conflict
    concepts = [c for c in answer.concepts if c in WALKED]
    improvements = []
    judges = _judges(answer, concepts)
    for i, mover in enumerate(answer.movers):
        targets = mover.targets(s)
        others = [m for k, m in enumerate(answer.movers) if k != i]
        wanted = targets[mover.leaves(s, targets)]
        found: dict[int, dict[str, tuple[Move, ...] | None]] = {int(t): {} for t in wanted}
        for concept in concepts:
            judge = judges(i, concept) if wanted.size else None
            for t in found:
                found[t][concept] = _sanction(answer, mover, others, s, t, concept, judge)
        for t, sanctions in found.items():
            improvements.append(Improvement(mover.name, t + 1, conflict.label(t), sanctions))
    table = answer.stable.isel(state=s).values
    stable = {
        concept: {m.name: bool(table[c, i]) for i, m in enumerate(answer.movers)}
        for c, concept in enumerate(answer.concepts)
    }
    foreseen = {}
    for concept in answer.concepts:
        if concept[0] == "L":
            ends = foresee(conflict, int(concept[1:]), answer.response)[:, s]
            foreseen[concept] = {
                m.name: conflict.label(int(end)) for m, end in zip(answer.movers, ends)
            }
    return StateReport(
        s + 1, conflict.label(s), conflict.title, stable, tuple(improvements), foreseen
    )


Judge = tuple[np.ndarray, np.ndarray, np.ndarray]


def _judges(answer: Stability, concepts: Sequence[str]) -> Callable[[int, str], Judge | None]:
    """Where rankings say all: u, v and g by state of a mover and concept, as in `basic`.

    They tell at once whether there is a sanction at all, and what is one.
    """
    conflict = answer.conflict
    if not conflict.plain or len(answer.movers) < len(conflict.decision_makers):
        return lambda i, concept: None
    if any(c.endswith("SEQ") for c in concepts):
        prepared(conflict)

    def judge(i: int, concept: str) -> Judge | None:
        if concept == "SIM":
            return None
        v, g = sanction(conflict, i, concept, answer.sanctions)
        return conflict.preferences[i].rank, v, conflict.moves.gather(g)

    return judge


def _sanction(
    answer: Stability,
    mover: Mover,
    others: Sequence[Mover],
    s: int,
    t: int,
    concept: str,
    known: Judge | None,
) -> tuple[Move, ...] | None:
    """The shortest sequence of countermoves that deters the mover from s to t, if there is one."""
    conflict = answer.conflict
    if concept == "SIM":
        joint = joint_sanction(mover, others, s, t)
        if joint is None:
            return None
        by, end = joint
        return (Move(" and ".join(by) + " at the same time", end + 1, conflict.label(end)),)
    if known is not None and known[2][t] > known[0][s]:
        return None
    judge = mover
    if concept.startswith("strong"):
        judge = Mover(conflict, mover.members, mover.extension, strong=True)

    def deters(states: np.ndarray) -> np.ndarray:
        if known is not None:
            return np.asarray(known[1][states] <= known[0][s])
        found = judge.deterred(s, states)
        if concept.endswith("SMR"):
            for k in np.flatnonzero(found):
                found[k] = bool(judge.deterred(s, mover.targets(int(states[k]))).all())
        return found

    # where, and what decides who may go on: the last mover, or those who have moved
    start: tuple[int, frozenset[int]] = (t, frozenset())
    before: dict[tuple[int, frozenset[int]], tuple[tuple[int, frozenset[int]], int] | None] = {
        start: None
    }
    queue = deque([start])
    while queue:
        node = queue.popleft()
        at, spent = node
        if answer.sanctions == "single" and spent:
            continue
        for k, other in enumerate(others):
            if k in spent:
                continue
            targets = other.targets(at)
            if concept.endswith("SEQ"):
                targets = targets[other.credible(at, targets)]
            good = deters(targets)
            after = spent | {k} if answer.sanctions == "each-once" else frozenset({k})
            for x, found in zip(map(int, targets), good):
                fresh = (x, after)
                if fresh not in before:
                    before[fresh] = (node, k)
                    queue.append(fresh)
                if found:
                    return _path(answer, others, before, fresh)
            if len(before) > MAX_NODES:
                raise QuestionError(
                    f"more than {MAX_NODES:,} states can be reached after {mover.name} moves to "
                    f"{conflict.label(t)}: too many to search for a sanction"
                )
    return None


def _path(answer: Stability, others: Sequence[Mover], before: Any, end: Any) -> tuple[Move, ...]:
    steps = []
    while before[end] is not None:
        previous, k = before[end]
        steps.append(Move(others[k].name, end[0] + 1, answer.conflict.label(end[0])))
        end = previous
    return tuple(reversed(steps))
