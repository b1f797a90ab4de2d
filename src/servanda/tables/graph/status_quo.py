"""Status-quo analysis: by which paths can the conflict leave the state it is in, and reach others?

A path is a legal sequence of moves: nobody moves twice running. The tree has one node for every
state and last mover, where a shortest path first meets it.

Source: Li, Kilgour and Hipel, J. Operational Research Society 56 (2005).
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from servanda import __version__
from servanda.errors import QuestionError
from servanda.tables.graph.model import Conflict
from servanda.tables.graph.relations import movers

MAX_NODES: Final = 100_000


@dataclass(frozen=True)
class Node:
    """A state and who moved there; `parent` is the position of the node before, −1 at the root."""

    state: int
    label: str
    by: str
    step: int
    parent: int
    improvement: bool


@dataclass(frozen=True)
class StatusQuo:
    """The tree of moves from a state."""

    title: str
    start: int
    improvements_only: bool
    nodes: tuple[Node, ...]
    hash: str = ""
    version: str = field(default=__version__)

    def path(self, state: int) -> list[Node] | None:
        """The shortest path to a state (its number), or None if it is not reached."""
        for k, node in enumerate(self.nodes):
            if node.state == state:
                steps = []
                while k >= 0:
                    steps.append(self.nodes[k])
                    k = self.nodes[k].parent
                return steps[::-1]
        return None

    def reached(self) -> dict[int, int]:
        """The number of moves after which each state can first be reached."""
        found: dict[int, int] = {}
        for node in self.nodes:
            found.setdefault(node.state, node.step)
        return found

    def moves(self) -> set[tuple[int, str, int, bool]]:
        """All moves of the tree: (from, by, to, whether it improves its mover)."""
        return {
            (self.nodes[n.parent].state, n.by, n.state, n.improvement)
            for n in self.nodes
            if n.parent >= 0
        }

    def to_dataframe(self) -> Any:
        """One row per node."""
        import pandas as pd

        return pd.DataFrame([asdict(n) for n in self.nodes]).rename_axis("node")

    def to_json(self) -> str:
        """The tree as JSON."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    def plot(self, what: str = "tree", path: Any = None) -> Any:
        """The tree as a Vega-Lite specification, or saved to `path` (.svg, .png or .json).

        Raises:
            QuestionError: another picture, or more nodes than one can show.
        """
        from servanda.errors import unknown
        from servanda.show.render import save
        from servanda.tables.graph import pictures

        if what != "tree":
            raise unknown("picture", what, ["tree"])
        spec = pictures.tree(self)
        if path is not None:
            save(spec, path)
        return spec

    def _repr_html_(self) -> str:
        from html import escape

        from servanda.show.render import to_svg
        from servanda.tables.graph import pictures

        if len(self.nodes) > pictures.MOST_NODES:
            return f"<pre>{escape(str(self))}</pre>"
        return to_svg(pictures.tree(self))

    def __str__(self) -> str:
        from servanda.show.page import as_text
        from servanda.tables.graph.text import status_quo_page

        return as_text(status_quo_page(self))


def status_quo(
    conflict: Conflict,
    state: Any = None,
    *,
    steps: int | None = None,
    improvements_only: bool = False,
    coalitions: Iterable[list[str]] = (),
) -> StatusQuo:
    """The tree of legal sequences of moves from a state.

    Args:
        conflict: what `load` gives.
        state: its number or pattern; by default the file's `status_quo`.
        steps: how many moves at most; by default until nothing new is met.
        improvements_only: only moves that improve their mover.
        coalitions: groups that move as one.

    Raises:
        QuestionError: no state is given, or the tree is too large.
    """
    if steps is not None and steps < 1:
        raise QuestionError(f"steps {steps}: one move at least")
    if state is None and conflict.status_quo is None:
        raise QuestionError("from which state? Name one, or give the file a status_quo")
    start = conflict.state(state) if state is not None else int(conflict.status_quo or 0)
    who = movers(conflict, list(coalitions), "a")
    nodes = [Node(start + 1, conflict.label(start), "", 0, -1, False)]
    seen: set[tuple[int, int]] = set()
    queue = deque([(start, -1, 0)])
    while queue:
        at, last, place = queue.popleft()
        step = nodes[place].step + 1
        if steps is not None and step > steps:
            continue
        for k, mover in enumerate(who):
            if k == last:
                continue
            targets = mover.targets(at)
            for t, better in zip(map(int, targets), mover.leaves(at, targets)):
                # back at the start nothing opens that was not open there before
                if (improvements_only and not better) or (t, k) in seen or t == start:
                    continue
                seen.add((t, k))
                nodes.append(Node(t + 1, conflict.label(t), mover.name, step, place, bool(better)))
                if len(nodes) > MAX_NODES:
                    raise QuestionError(
                        f"the tree has more than {MAX_NODES:,} nodes; give fewer steps, or only "
                        "improvements"
                    )
                queue.append((t, k, len(nodes) - 1))
    return StatusQuo(conflict.title, start + 1, improvements_only, tuple(nodes), conflict.hash)
