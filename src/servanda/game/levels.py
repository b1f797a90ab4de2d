"""How many levels does each stock deserve?

In: a scenario and a number of grid points. Out: levels per stock. A pilot solution without any
deal, at the modal world on three levels a stock, shows along which stocks values bend. The error of
limited slopes falls with the third power of the levels, which would ask for levels in proportion to
the cube root of the bend; but the bend is a mean over positions that play may never reach, so a
fifth root, nearer to equal shares, is taken.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda import __version__
from servanda.cache import cache_file
from servanda.game import kept, kernel, reach
from servanda.game.backward import backward
from servanda.game.batch import stakes
from servanda.game.build import build
from servanda.game.grid import MOST_LEVELS, coarser, even_levels, usual_nodes
from servanda.game.interpolate import SCHEMES
from servanda.game.method import make_method
from servanda.game.regimes import Variant
from servanda.game.runtime import compiler_options
from servanda.game.size import refuse_if_too_large
from servanda.game.tables import parameters
from servanda.scenario.model import Scenario
from servanda.scenario.worlds import modal

PILOT = 3
"""Levels per stock of the pilot solution."""


def choose_levels(scenario: Scenario, nodes: int | None = None) -> tuple[int, ...]:
    """Levels per stock for about `nodes` grid points (`usual_nodes`); a scenario's own are kept.

    Up to two stocks share the points evenly. Raises QuestionError if even the pilot is too large.
    """
    nodes = usual_nodes(scenario) if nodes is None else nodes
    given = [s.levels for s in scenario.stocks.values()]
    if len(given) <= 2 or all(n is not None for n in given):
        return even_levels(scenario, nodes)
    return share_out(nodes, _bend(scenario), given)


def other_levels(scenario: Scenario, here: tuple[int, ...], nodes: int) -> tuple[int, ...] | None:
    """Levels to compare a grid with: about `nodes` points, or fewer than here where `levels:` say
    how many there are; None if there is nothing to compare with."""
    if not scenario.stocks:
        return None
    found = choose_levels(scenario, nodes)
    return coarser(here) if found == here else found


def share_out(
    nodes: int, bend: Float[np.ndarray, " stock"], given: list[int | None]
) -> tuple[int, ...]:
    """Levels whose product is about `nodes`, in proportion to the fifth root of `bend`.

    No stock gets fewer than two levels, nor more than `MOST_LEVELS`; those given are kept.
    """
    found = list(given)
    weight = np.maximum(bend, 1e-9 * max(float(bend.max()), 1e-300)) ** 0.2
    while any(n is None for n in found):
        free = [k for k, n in enumerate(found) if n is None]
        left = max(1.0, nodes / math.prod(n for n in found if n is not None))
        scale = (left / float(np.prod(weight[free]))) ** (1 / len(free))
        wanted = {k: scale * float(weight[k]) for k in free}
        # the ones that hit a bound first, so that the others share what that leaves
        few = {k: 2 for k in free if wanted[k] <= 2}
        many = {k: MOST_LEVELS for k in free if wanted[k] >= MOST_LEVELS}
        fixed = few or many
        if not fixed:
            largest = max(free, key=lambda k: wanted[k])
            fixed = {largest: max(2, round(wanted[largest]))}
        for k, n in fixed.items():
            found[k] = n
    return tuple(n for n in found if n is not None)


def _bend(scenario: Scenario) -> Float[np.ndarray, " stock"]:
    """Mean second difference of values along each stock, per stakes, across the grid's width.

    Kept in the user's cache directory.
    """
    world = modal(scenario)
    what = (
        __version__,
        kept.code(),
        scenario.hash,
        scenario.horizon,
        scenario.terminal,
        *map(float, world.values[0]),
    )
    store = cache_file("bend", what)
    known = store.read() if store else None
    if known is not None and len(known) == len(scenario.stocks):
        return np.array(known, float)
    found = _measure(scenario)
    if store:
        store.write([float(x) for x in found])
    return found


def _measure(scenario: Scenario) -> Float[np.ndarray, " stock"]:
    game = build(scenario, [Variant(None)])
    levels = (PILOT,) * len(scenario.stocks)
    refuse_if_too_large(game, levels)
    method = make_method(scenario, levels)
    kernel.names(levels, SCHEMES.index(method.scheme))  # all at once
    world, scale = modal(scenario), np.array(stakes(scenario))

    @functools.partial(jax.jit, compiler_options=compiler_options(once=True))
    def measure(theta: Array) -> Array:
        p = parameters(game, theta, world.names, jnp.asarray(scale))
        values = backward(game, method, p, reach.boxes((game,), p)).values
        v = values.reshape(-1, *levels, values.shape[-1])
        unit = jnp.where(scale > 0, scale, jnp.inf)
        second = [jnp.diff(v, 2, axis=1 + k) / unit for k in range(len(levels))]
        return jnp.stack([jnp.mean(jnp.abs(d)) for d in second]) * (PILOT - 1) ** 2

    found: np.ndarray = jax.device_get(measure(jnp.asarray(world.values[0])))
    return np.where(np.isfinite(found), found, 0.0)
