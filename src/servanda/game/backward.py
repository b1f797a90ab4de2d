"""Backward induction: what every position is worth to every party, and how they play.

In: a game, a grid, one world's assumptions. Out: values W[t, place, phase, g, channel] before the
moves of each period, sweep by sweep (`period`) from the terminal value back to the start, on a grid
whose bounds follow the reachable stocks. The terminal value is zero or stationary (`stationary`).
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from servanda.game.build import Game
from servanda.game.choice import stages
from servanda.game.interpolate import interpolate
from servanda.game.period import Method, Operator, operators, sign, sweep, value_shape
from servanda.game.reach import epoch_length, epochs
from servanda.game.stationary import Tail, stationary
from servanda.game.tables import Parameters


class Backward(NamedTuple):
    """The solution of one world."""

    values: Array  # [period + 1, place, phase, g, channel], before the moves; last: the tail
    policies: list[Array] | None  # per group [period, row, a, g], if kept
    tail: Tail
    failures: Array  # brackets whose equilibrium was not found


def backward(
    game: Game,
    method: Method,
    p: Parameters,
    boxes: Array,
    keep: bool = True,
    policies: bool = False,
) -> Backward:
    """Solve one world; traced by JAX.

    `boxes` are the grid's bounds by epoch (`reach.boxes`). `keep` returns every period's values,
    else only the first; `policies` the probabilities of every joint move.
    """
    plans = [stages(game, group) for group in game.groups]
    horizon = game.scenario.horizon
    count, length = epochs(game.scenario), epoch_length(game.scenario)

    def inside(box: Array) -> Method:
        return replace(method, grid=method.grid.within(box))

    def evaluated(box: Array, period: Array) -> list[Operator]:
        return operators(game, inside(box), p.at(period), period)

    end = jnp.zeros(value_shape(game, method))
    tail = Tail(jnp.zeros((), int), jnp.zeros(1))
    changing = game.uses_calendar or p.scheduled
    if game.scenario.terminal == "stationary":
        past = evaluated(boxes[-1], jnp.asarray(horizon * 1.0))
        end, tail = stationary(game, method, plans, past, p.at(horizon))
    constant = all((g.live[:horizon] == g.live[0]).all() for g in game.groups)

    @functools.partial(jax.checkpoint, prevent_cse=False)
    def body(carry: tuple[Array, Array], x: Any) -> tuple[tuple[Array, Array], Any]:
        w, failures = carry
        period, live, box, fixed = x
        if constant:
            live = [jnp.asarray(np.unique(g.live[0])) for g in game.groups]
        ops = evaluated(box, period) if fixed is None else fixed

        v, _ = sign(game, p.at(period + 1), w)
        new, chosen, failed = sweep(game, method, plans, ops, p.at(period), v, live, keep=policies)
        # the last epoch may be longer than what is left of the horizon
        due = period < horizon
        w = jnp.where(due, new, w)
        kept = (w if keep else None, chosen if policies else None)
        return (w, failures + jnp.where(due, failed, 0)), kept

    def epoch(carry: tuple[Array, Array, Array], x: Any) -> tuple[tuple[Array, Array, Array], Any]:
        w, before, failures = carry
        box, periods, live = x
        w = _regrid(method, w, before, box)
        evaluate = jax.checkpoint(evaluated, prevent_cse=False)
        fixed = None if changing else evaluate(box, jnp.zeros(()))

        def step(carry: Any, item: Any) -> Any:
            return body(carry, (*item, box, fixed))

        (w, failures), kept = jax.lax.scan(step, (w, failures), (periods, live), reverse=True)
        return (w, box, failures), kept

    shape = (count, length)
    periods = np.arange(count * length)
    place = np.minimum(periods, horizon - 1)
    lives = [jnp.asarray(g.live[place].reshape(*shape, -1)) for g in game.groups]
    xs = (boxes[:-1], jnp.asarray(periods.reshape(shape) * 1.0), lives)
    state = (end, boxes[-1], jnp.zeros((), int))
    (first, _, failures), kept = jax.lax.scan(epoch, state, xs, reverse=True)
    values, chosen = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:horizon], kept)
    values = jnp.concatenate([values, end[None]]) if keep else jnp.stack([first])
    return Backward(values, chosen if policies else None, tail, failures)


def _regrid(method: Method, w: Array, before: Array, after: Array) -> Array:
    """Values on one box read at the grid points of another."""
    if not any(n > 1 for n in method.grid.levels):
        return w
    points = method.grid.within(after).points().T
    x = method.grid.within(before).coordinates(points)[None, None]
    flat = w.reshape(-1, *w.shape[2:])
    one = jnp.zeros(len(flat), jnp.int32)
    which = jnp.arange(len(flat), dtype=jnp.int32)[:, None]
    out = interpolate(flat, x, one, which, method.grid.levels, method.scheme)[:, :, 0]
    return jnp.swapaxes(out, 1, 2).reshape(w.shape)
