"""Where will an issue end, given where actors stand, how much they care, and what they can do?

In comes a table or its file; out comes a `SpatialAnswer`. Every part of it can be asked for alone
from the module named after it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

from servanda.errors import QuestionError, unknown
from servanda.tables.spatial import bargaining as bargaining_module
from servanda.tables.spatial import challenge as challenge_module
from servanda.tables.spatial.answer import SpatialAnswer
from servanda.tables.spatial.bargaining import CHOICES as BARGAINING_CHOICES
from servanda.tables.spatial.bargaining import Bargaining
from servanda.tables.spatial.centre import contest, median, weighted_mean
from servanda.tables.spatial.challenge import CHOICES as CHALLENGE_CHOICES
from servanda.tables.spatial.challenge import Challenge, Challenges
from servanda.tables.spatial.coalitions import WEIGHTS, coalitions
from servanda.tables.spatial.election import ELECTIONS
from servanda.tables.spatial.load import load, table_on
from servanda.tables.spatial.movers import movers
from servanda.tables.spatial.sensitivity import (
    Election,
    Moved,
    Sensitivity,
    expected_outcome,
    sensitivity,
)
from servanda.tables.spatial.table import Table
from servanda.tables.spatial.voting import VICTORY, VOTING

ELECTION_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "voting": tuple(VOTING),
    "victory": VICTORY,
    "election": ELECTIONS,
    "weights": WEIGHTS,
}


def spatial(
    source: Table | str | os.PathLike[str],
    *,
    scale: Any = None,
    election: Election | Mapping[str, str] | None = None,
    challenge_model: Challenge | str | Mapping[str, Any] | None = None,
    bargaining_model: Bargaining | str | Mapping[str, str] | None = None,
    rounds: int = 10,
    turns: int = 100,
    runs: int = 100,
    seed: int = 0,
    quota: float = 0.5,
    target: float | None = None,
    dimension: str | None = None,
    share: float = 0.1,
    progress: Callable[[int, int, str], None] | None = None,
) -> SpatialAnswer:
    """Ask a table of positions everything at once.

    Args:
        source: a table, or the path or text of one (see `load`).
        scale: [low, high] of every dimension, or one pair each; by default as in the file.
        election: how votes are held; names as in `Election`.
        challenge_model: options of the challenge model, or a replication of it.
        bargaining_model: options of the spatial bargaining model, or a replication of it.
        rounds: of challenges at most.
        turns: of bargaining at most.
        runs: histories of bargaining; one is enough if it is deterministic.
        seed: the same seed gives the same histories.
        quota: share of the weight that a winning coalition must pass.
        target: where the median should be, to see who would have to move.
        dimension: play on this dimension alone.
        share: how far inputs are moved to see what the outcome hangs on.
        progress: told (done, total, what).

    Raises ScenarioError for a file, QuestionError for a question that cannot be answered.
    """
    table = source if isinstance(source, Table) else load(source, scale=scale)
    if dimension is not None:
        table = table_on(table, dimension)
    how = chosen(Election(), election, ELECTION_CHOICES)
    duel = chosen(challenge_module.options_of(_name(challenge_model)), _rest(challenge_model),
                  CHALLENGE_CHOICES)  # fmt: skip
    game = chosen(bargaining_module.options_of(_name(bargaining_model)), _rest(bargaining_model),
                  BARGAINING_CHOICES)  # fmt: skip
    notes = list(table.notes)

    votes = contest(table, how.voting)
    options = (votes.options - table.low) / (table.high - table.low)
    here = Moved(table.scaled[None], table.salience[None], table.capability[None])
    probability, expected = expected_outcome(here, options, how)

    def part(what: str, ask: Callable[..., Any], *args: Any, **more: Any) -> Any:
        """The answer of one part, or a note of why there is none: the others still stand."""
        try:
            return ask(*args, **more)
        except QuestionError as error:
            notes.append(f"{what}: {error}.")
            return None

    played: dict[str, Challenges] = {}
    for name in table.dimensions:
        on = table if len(table.dimensions) == 1 else part(name, table_on, table, name)
        if on is not None:
            found = part(
                f"No challenges on {name}", challenge_module.challenge, on, duel, rounds=rounds
            )
            played |= {} if found is None else {name: found}
    many = 1 if game.transition == "deterministic" else runs
    history = part(
        "No bargaining", bargaining_module.bargain, table, game,
        runs=many, turns=turns, seed=seed, progress=progress,
    )  # fmt: skip
    final = None
    if history is not None:
        final = history.mean(table.influence)[-1]
        unsettled = int((~history.settled).sum())
        if unsettled:
            notes.append(f"{unsettled} of {many} histories had not settled after {turns} turns.")
    groups = part("No coalitions", coalitions, table, quota=quota, weights=how.weights)
    swings: dict[str, Sensitivity] = {}
    for outcome in ("mean", "median", "election"):
        swing = part(
            f"No sensitivity of the {outcome}", sensitivity, table, outcome,
            share=share, election=how,
        )  # fmt: skip
        swings |= {} if swing is None else {outcome: swing}
    if target is not None:
        moving = movers(table, target=target, election=how)
    else:
        moving = part("Who would have to move", movers, table, election=how)
    return SpatialAnswer(
        table=table,
        mean=weighted_mean(table),
        median=median(table),
        contest=votes,
        election=how,
        probability=probability[0],
        expected=table.unscaled(expected[0]),
        challenges=played,
        history=history,
        final=final,
        coalitions=groups,
        sensitivity=swings,
        movers=moving,
        notes=tuple(notes),
        seed=seed,
    )


def model_options(
    pairs: Sequence[str], *, challenge: str | None = None, bargaining: str | None = None
) -> dict[str, Any]:
    """The models of `spatial` from replications' names and pairs such as "election.voting=binary".

    Raises QuestionError for a pair that is none, or a model, option or value that is not there.
    """
    models: dict[str, Any] = {
        "election": Election(),
        "challenge": challenge_module.options_of(challenge),
        "bargaining": bargaining_module.options_of(bargaining),
    }
    changes: dict[str, dict[str, str]] = {name: {} for name in models}
    for pair in pairs:
        left, equals, value = pair.partition("=")
        model, dot, name = left.partition(".")
        if not (equals and dot and name):
            raise QuestionError(
                f"option '{pair[:60]}' is not of the form model.option=value, as "
                "election.voting=binary"
            )
        if model not in models:
            raise unknown("model", model, models)
        changes[model][name] = value
    return {
        "election": chosen(models["election"], changes["election"], ELECTION_CHOICES),
        "challenge_model": chosen(models["challenge"], changes["challenge"], CHALLENGE_CHOICES),
        "bargaining_model": chosen(models["bargaining"], changes["bargaining"], BARGAINING_CHOICES),
    }


def chosen(options: Any, changes: Any, choices: Mapping[str, tuple[str, ...]]) -> Any:
    """The options with some changed by name; says which there are if a name or value is unknown."""
    if changes is None:
        return options
    if not isinstance(changes, Mapping):
        return changes
    known = [f.name for f in fields(options)]
    for name, value in changes.items():
        if name not in known:
            raise unknown("option", str(name), known)
        if name in choices and value not in choices[name]:
            raise unknown(name.replace("_", " "), str(value), choices[name])
    numbers = {n: _number(n, v) for n, v in changes.items() if n not in choices}
    return replace(options, **{**changes, **numbers})


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise QuestionError(f"{name} '{str(value)[:40]}' is not a number") from None


def _name(model: Any) -> Any:
    """The name of a replication, if that is what was given, or the options themselves."""
    return None if isinstance(model, Mapping) else model


def _rest(model: Any) -> Any:
    return model if isinstance(model, Mapping) else None
