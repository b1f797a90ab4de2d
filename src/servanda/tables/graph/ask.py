"""One door to the graph model: a file or a conflict in, the answer to one question out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from servanda.errors import QuestionError
from servanda.tables.graph.hypergame import Hypergame, hypergame
from servanda.tables.graph.inverse import Inverse, inverse
from servanda.tables.graph.load import load
from servanda.tables.graph.model import Conflict
from servanda.tables.graph.report import StateReport
from servanda.tables.graph.result import Stability
from servanda.tables.graph.stability import stability
from servanda.tables.graph.status_quo import StatusQuo, status_quo

Answer = Stability | StateReport | StatusQuo | Inverse | Hypergame


def graph(
    case: str | os.PathLike[str] | Conflict,
    concepts: Sequence[str] | None = None,
    *,
    sanctions: str = "legal-sequences",
    coalitions: Sequence[Sequence[str]] = (),
    unknown_as: str = "a",
    response: str = "worst",
) -> Stability:
    """Which states of a conflict are stable, for whom; arguments as in `stability`.

    Raises:
        ScenarioError: the file cannot be used.
        QuestionError: the question cannot be answered as asked.
    """
    conflict = case if isinstance(case, Conflict) else load(case)
    return stability(
        conflict,
        concepts,
        sanctions=sanctions,
        coalitions=coalitions,
        unknown_as=unknown_as,
        response=response,
    )


def answer(
    conflict: Conflict,
    *,
    concepts: Sequence[str] | None = None,
    state: str | None = None,
    paths_from: str | None = None,
    steps: int | None = None,
    improvements_only: bool = False,
    inverse_of: str | None = None,
    vary: Sequence[str] = (),
    as_seen: bool = False,
    **how: Any,
) -> Answer:
    """The one question that the options of the command line name.

    Raises:
        QuestionError: two questions at once, or as the question itself.
    """
    asked = [state is not None, paths_from is not None, inverse_of is not None, as_seen]
    if sum(asked) > 1:
        raise QuestionError("ask one of --state, --paths-from, --inverse and --perceptions")
    if vary and inverse_of is None:
        raise QuestionError("--vary goes with --inverse")
    if (steps is not None or improvements_only) and paths_from is None:
        raise QuestionError("--steps and --improvements go with --paths-from")
    if paths_from is not None:
        return status_quo(
            conflict,
            paths_from or None,
            steps=steps,
            improvements_only=improvements_only,
            coalitions=[list(c) for c in how.get("coalitions", ())],
        )
    if inverse_of is not None:
        chosen = concepts or ("Nash", "GMR", "SMR", "SEQ")
        return inverse(conflict, inverse_of, vary, chosen, sanctions=how["sanctions"])
    if as_seen:
        chosen = concepts or ("Nash", "GMR", "SMR", "SEQ")
        return hypergame(conflict, chosen, sanctions=how["sanctions"], unknown_as=how["unknown_as"])
    found = stability(conflict, concepts, **how)
    return found if state is None else found.explain(state)
