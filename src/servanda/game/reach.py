"""Where can the stocks get to, and when?

In: a game and one world's assumptions. Out: boxes of stocks that follow the reachable set through
time, one for every few periods. A few levels inside such a box do what many do on the whole range:
a month after the signature an army cannot be far from where it stands. The box of the next period
encloses where every joint move in every regime leads from the corners and the centre of this one.
All offers of a scenario share their boxes, so that a deal's figures do not depend on what else is
asked.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.game.build import Game
from servanda.game.grid_tables import ways
from servanda.game.positions import moving_names
from servanda.game.tables import Parameters, arrivals, take
from servanda.scenario.model import Scenario

EPOCHS = 10
"""Boxes over the horizon."""

LASTING = 60
"""Periods past the horizon that the last box encloses at least, however short the horizon."""

LEAST = 0.01
"""The least width of a box, as a share of the stock's range."""


def epoch_length(scenario: Scenario) -> int:
    """Periods that share one box."""
    return math.ceil(scenario.horizon / EPOCHS) if scenario.stocks else scenario.horizon


def epochs(scenario: Scenario) -> int:
    """Boxes over the horizon; one more serves what is past it."""
    return math.ceil(scenario.horizon / epoch_length(scenario))


def epoch_of(scenario: Scenario) -> np.ndarray:
    """[period + 1] the box of every period; the last is past the horizon."""
    during = np.arange(scenario.horizon) // epoch_length(scenario)
    return np.append(during, epochs(scenario))


def boxes(games: Sequence[Game], p: Parameters) -> Float[Array, "epoch+1 bound stock"]:
    """Bounds that enclose the stocks reachable in any of the games (of one scenario), by epoch.

    Past the horizon the last epoch's box is kept, except with a stationary terminal value, where
    stocks go on moving: there it encloses as many periods again, and `LASTING` at least. Traced by
    JAX.
    """
    scenario = games[0].scenario
    horizon, stocks = scenario.horizon, scenario.stocks.values()
    count, length = epochs(scenario), epoch_length(scenario)
    if not stocks:
        return jnp.zeros((count + 1, 2, 0))
    low = jnp.array([s.low for s in stocks])
    high = jnp.array([s.high for s in stocks])
    more = max(horizon, LASTING) if scenario.terminal == "stationary" else 0
    found = _hulls(games, p, low, high, horizon + more)
    parts = [np.arange(k * length, min((k + 1) * length, horizon) + 1) for k in range(count)]
    parts.append(np.arange(horizon, horizon + more + 1) if more else parts[-1])
    longest = max(len(part) for part in parts)
    padded = np.array([np.pad(part, (0, longest - len(part)), mode="edge") for part in parts])
    during = take(found, padded, 0)  # [epoch, period, bound, stock]
    bounds = jnp.stack([during[:, :, 0].min(axis=1), during[:, :, 1].max(axis=1)], axis=1)
    middle, half = bounds.mean(axis=1), 0.5 * (bounds[:, 1] - bounds[:, 0])
    half = jnp.maximum(half, 0.5 * LEAST * (high - low))
    middle = jnp.clip(middle, low + half, high - half)
    return jnp.stack([jnp.maximum(low, middle - half), jnp.minimum(high, middle + half)], axis=1)


def _hulls(
    games: Sequence[Game], p: Parameters, low: Array, high: Array, periods: int
) -> Float[Array, "period+1 bound stock"]:
    """Bounds of the reachable stocks at the start of each period."""
    groups = [g for game in games for g in game.groups]
    courses = [g.courses for g in groups]
    going = {}
    for name in games[0].stocks:
        read = moving_names(games[0].scenario, name)
        going[name] = ways(games[0], groups, courses, read).places, _corners(games[0], read)

    def onward(box: Array, period: Array) -> tuple[Array, Array]:
        now = p.at(period)
        ends = []
        for name, (places, share) in going.items():
            x = box[0][:, None] * (1.0 - share) + box[1][:, None] * share
            ends.append(arrivals(games[0], places, now, x, period, name)[0])
        bounds = [jnp.stack([end.min() for end in ends]), jnp.stack([end.max() for end in ends])]
        new = jnp.clip(jnp.stack(bounds), low, high)
        # a formula may fail far from where play goes: what is not a number excludes nothing
        new = jnp.where(jnp.isfinite(new), new, jnp.stack([low, high]))
        return new, new

    first = p.at(0).start
    start = jnp.clip(jnp.stack([first, first]), low, high)
    calendar = jnp.minimum(jnp.arange(periods) * 1.0, games[0].scenario.horizon)
    _, later = jax.lax.scan(onward, start, calendar)
    return jnp.concatenate([start[None], later])


def _corners(game: Game, read: frozenset[str]) -> Float[np.ndarray, "stock corner"]:
    """Shares of the way through a box: its corners and its centre, as far as formulas that `read`
    these names can tell them apart."""
    ends = [(0.0, 1.0) if name in read else (0.5,) for name in game.stocks]
    corners = np.array(list(itertools.product(*ends)))
    return np.concatenate([corners, np.full((1, len(ends)), 0.5)]).T
