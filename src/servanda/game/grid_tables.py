"""Formulas on a grid, evaluated once for everybody who needs them.

In: a game, one world's assumptions, and stocks at grid points. Out: the `Tables` of every group. A
joint move and what formulas see of a position make a way in which a period can go. Groups and rows
share many of them: each is evaluated once, all in one pass over the formulas, and handed to whoever
wants it. That keeps the traced program small, however many groups a game has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from servanda.game.build import Game, Group, moving_names
from servanda.game.tables import Parameters, Tables, Views, arrivals, evaluate_group


@dataclass(frozen=True)
class Ways:
    """Distinct ways in which a period can go."""

    group: Group  # `joint` [way, decision] and `options`; the rest means nothing
    views: Views  # [..., way, 1]
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
    scenario = game.scenario
    branches = max(g.settings.next_phases.shape[1] for g in groups)
    rows = []
    for group, which in zip(groups, some, strict=True):
        s = group.settings
        spare = branches - s.next_phases.shape[1]
        columns = [
            s.terms,
            s.indicators,
            s.phases,
            s.active,
            s.due_now,
            np.pad(s.next_phases, ((0, 0), (0, spare), (0, 0))).reshape(len(s.terms), -1),
            np.pad(s.next_used, ((0, 0), (0, spare))),
        ]
        seen = np.concatenate(columns, axis=1, dtype=float)[which]
        moves = np.tile(group.joint, (len(which), 1))
        rows.append(np.concatenate([np.repeat(seen, group.moves, axis=0), moves], axis=1))
    sizes = [x.shape[1] for x in columns]
    every = np.ones(sum(sizes) + len(scenario.decisions))
    counted = every if read is None else _counted(game, branches, read)
    found, index = np.unique(np.concatenate(rows) * counted, axis=0, return_inverse=True)
    *seen, joint = np.split(found, np.cumsum(sizes), axis=1)
    terms, indicators, phases, active, due, following, used = (x.T[..., None] for x in seen)
    shape = (branches, len(scenario.phases), len(found), 1)
    views = Views(
        jnp.asarray(terms),
        jnp.asarray(indicators),
        jnp.asarray(phases.astype(np.int32)),
        jnp.asarray(active > 0),
        jnp.asarray(due > 0),
        jnp.asarray(following.reshape(shape).astype(np.int32)),
        jnp.asarray(used > 0),
    )
    widest = [max((g.options[d] for g in groups), key=len) for d in range(len(groups[0].options))]
    ends = np.cumsum([len(x) for x in rows])[:-1]
    shapes = [(len(which), g.moves) for which, g in zip(some, groups, strict=True)]
    at = [x.reshape(s) for x, s in zip(np.split(index.reshape(-1), ends), shapes, strict=True)]
    wide = replace(groups[0], joint=joint.astype(np.int32), options=tuple(widest))
    return Ways(wide, views, at)


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
    found = evaluate_group(game, all_ways.group, all_ways.views, p, stocks, period, by_interest)
    arrival, draw = arrivals(game, moving.group, moving.views, p, stocks, period)
    out = []
    for group, at, going in zip(groups, all_ways.at, moving.at, strict=True):
        branch = None
        if found.branch is not None and group.settings.next_phases.shape[1] > 1:
            branch = jnp.moveaxis(found.branch[: group.settings.next_phases.shape[1], at], 0, 1)
        out.append(
            Tables(
                jnp.moveaxis(found.flow[:, at], 0, 1),
                jnp.moveaxis(arrival[:, going], 0, 1),
                draw,
                branch,
                {d: x[at] for d, x in found.open.items() if len(group.options[d]) > 1},
            )
        )
    return out
