"""Formulas on a grid, evaluated once for everybody who needs them.

In: a game, one world's assumptions, and stocks at grid points. Out: the `Tables` of every group. A
joint move and what formulas see of a position make a way in which a period can go. Groups and rows
share many of them: each is evaluated once, all in one pass over the formulas, and handed to whoever
wants it. That keeps the traced program small, however many groups a game has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from servanda.game.build import Game
from servanda.game.positions import Group, moving_names
from servanda.game.tables import (
    Parameters,
    Places,
    Tables,
    arrivals,
    evaluate_group,
    move_columns,
    setting_columns,
    take,
)


@dataclass(frozen=True)
class Ways:
    """Distinct ways in which a period can go."""

    places: Places  # a way a row
    at: list[Int[np.ndarray, "setting a"]]  # of every group: which way each one is


def ways(
    game: Game,
    groups: Sequence[Group],
    some: Sequence[Int[np.ndarray, " setting"]],
    read: frozenset[str] | None = None,
) -> Ways:
    """Every way that groups can go in their settings `some`.

    What formulas that `read` these names cannot tell apart is one way; None: everything counts.
    """
    branches = max(g.settings.next_phases.shape[1] for g in groups)
    rows = []
    for group, which in zip(groups, some, strict=True):
        seen = setting_columns(group.settings, branches)[which]
        moves = np.tile(group.joint, (len(which), 1))
        rows.append(np.concatenate([np.repeat(seen, group.moves, axis=0), moves], axis=1))
    width = seen.shape[1]
    every = np.ones(rows[0].shape[1])
    counted = every if read is None else _counted(game, branches, read)
    found, index = np.unique(np.concatenate(rows) * counted, axis=0, return_inverse=True)
    ends = np.cumsum([len(x) for x in rows])[:-1]
    shapes = [(len(which), g.moves) for which, g in zip(some, groups, strict=True)]
    at = [x.reshape(s) for x, s in zip(np.split(index.reshape(-1), ends), shapes, strict=True)]
    columns = [found[:, :width].T, move_columns(game, found[:, width:].astype(np.int32))]
    choices = [
        d for d in range(len(game.scenario.decisions)) if any(len(g.options[d]) > 1 for g in groups)
    ]
    places = Places(np.concatenate(columns), np.zeros((0, 0)), None, branches, tuple(choices))
    return Ways(places, at)


def _counted(game: Game, branches: int, read: frozenset[str]) -> Float[np.ndarray, " column"]:
    """1 for the columns of `ways` that formulas reading these names can see."""
    scenario = game.scenario
    duties = scenario.obligations.items()
    breach = [f"breach.{name}" in read for name, _ in duties]
    met = {d for on, (_, o) in zip(breach, duties, strict=True) if on for d, _ in o.options}
    return np.array(
        [
            *(name in read for name in scenario.terms),
            *(name in read for name in game.indicator_names),
            *(any(f"{k}.{v}" in read for v in x.values) for k, x in scenario.phases.items()),
            *breach,
            *breach,
            *(False,) * (branches * (len(scenario.phases) + 1)),
            *(d in met or not read.isdisjoint(x.indicators)
              for d, x in enumerate(scenario.decisions)),
        ],
        float,
    )  # fmt: skip


def grid_tables(
    game: Game,
    p: Parameters,
    stocks: Float[Array, "stock g"],
    period: Array,
    by_interest: bool = False,
) -> list[Tables]:
    """All formulas of all groups at the same stocks, in period `period`.

    Of every group: flows and masks [setting, ...], arrivals [course, ...]; see `Tables`.
    """
    groups = game.groups
    all_ways = ways(game, groups, [np.arange(len(g.settings.terms)) for g in groups])
    moving = ways(game, groups, [g.courses for g in groups], moving_names(game.scenario))
    found = evaluate_group(game, all_ways.places, p, stocks, period, by_interest, moving=False)
    arrival, draw = arrivals(game, moving.places, p, stocks, period)
    out = []
    for group, at, going in zip(groups, all_ways.at, moving.at, strict=True):
        branch = None
        count = group.settings.next_phases.shape[1]
        if found.branch is not None and count > 1:
            branch = jnp.moveaxis(take(found.branch[:count], at, 1), 0, 1)
        out.append(
            Tables(
                jnp.moveaxis(take(found.flow, at, 1), 0, 1),
                jnp.moveaxis(take(arrival, going, 1), 0, 1),
                draw,
                branch,
                {d: take(x, at, 0) for d, x in found.open.items() if len(group.options[d]) > 1},
            )
        )
    return out
