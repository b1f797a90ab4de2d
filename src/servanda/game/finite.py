"""Which formula has no finite value, where a world's values have none?

In: a game and one world's assumptions, after values came out infinite or as no number. Out: one
line that names the formula and a place where it fails.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.game.build import Game
from servanda.game.grid_tables import grid_tables
from servanda.game.positions import Group, closure
from servanda.game.tables import parameters
from servanda.scenario.formulas import Formula

MOST = 6
"""Assumptions that are named, at most."""


def not_finite(
    game: Game,
    names: tuple[str, ...],
    theta: Float[np.ndarray, "*period assumption"],
    points: Float[Array, "stock g"],
) -> str:
    """What to tell the user; the stocks that are tried are `points`."""
    p = parameters(game, jnp.asarray(theta), names, jnp.ones(len(game.parties)))
    count = len(game.parties)
    first = theta if theta.ndim == 1 else theta[0]

    def said(group: Group, what: str, formulas: list[Formula], at: np.ndarray) -> str:
        reads = closure(game.scenario, formulas)
        drawn = {n: float(x) for n, x in zip(names, first, strict=True) if n in reads}
        return _said(game, group, what, at, points, drawn)

    for period in (0, game.scenario.horizon):
        tables = grid_tables(game, p.at(period), points, jnp.asarray(period * 1.0), True)
        for group, table in zip(game.groups, tables, strict=True):
            flow = np.asarray(table.flow)[:, count:]  # [setting, interest, a, g]
            for k, (party, interest) in enumerate(game.interests):
                bad = np.argwhere(~np.isfinite(flow[:, k]))
                if len(bad):
                    what, read = f"interests.{party}.{interest}", game.scenario.interests[party]
                    return said(group, what, [read[interest]], bad[0])
            # an infinite stock is clipped to its range, one that is no number is not
            arrival = np.asarray(table.arrival)  # [course, draw, a, g, stock]
            for k, stock in enumerate(game.stocks):
                bad = np.argwhere(np.isnan(arrival[..., k]).any(axis=1))
                if len(bad):
                    read_by = game.scenario.stocks[stock]
                    found = [read_by.next, *read_by.shock.values()]
                    return said(group, f"stocks.{stock}", found, bad[0])
            if table.branch is not None:
                branch = np.asarray(table.branch)  # [setting, branch, a, g]
                bad = np.argwhere(~np.isfinite(branch).all(axis=1))
                if len(bad):
                    moving = {n: x for n, x in game.scenario.phases.items() if x.next}
                    found = [f for phase in moving.values() for f in phase.next.values()]
                    what = f"a probability of phases.{' or phases.'.join(moving)}"
                    return said(group, what, found, bad[0])
    return (
        "values are not finite: numbers are too large, or some formula divides by zero or takes "
        "the logarithm or root of what it may not"
    )


def _said(
    game: Game,
    group: Group,
    what: str,
    at: np.ndarray,
    points: Float[Array, "stock g"],
    drawn: dict[str, float],
) -> str:
    """`at` is (anything, joint move, grid point); `drawn` the assumptions that are read."""
    _, a, g = (int(x) for x in at)
    stocks = np.asarray(points)[:, g]
    where = [f"{name} = {x:.3g}" for name, x in zip(game.stocks, stocks, strict=True)]
    for d, option in zip(game.scenario.decisions, group.joint[a], strict=True):
        if len(group.options[game.scenario.decisions.index(d)]) > 1:
            where.append(f"{d.key}.{d.options[option]}")
    where += [f"{name} = {x:.3g}" for name, x in list(drawn.items())[:MOST]]
    place = f" where {', '.join(where)}" if where else ""
    return f"{what} has no finite value{place}"
