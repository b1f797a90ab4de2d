"""How does one sweep of backward induction run at compiled speed?

In: a group's mixed value functions, arrival points, flows, and its stages of play. Out: the values
before the moves and the probability of every joint move. One kernel (sweep.c) interpolates,
averages over shocks, adds flows and collapses the stages while a few nodes lie in the nearest
cache; its meaning is that of `interpolate` followed by `choice.play`, and that is what runs
wherever `usable` says no. Index letters as in `interpolate`; D are the draws of the shocks.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from servanda.game import kernel
from servanda.game.choice import Stage
from servanda.game.interpolate import SCHEMES, Scheme
from servanda.game.positions import Group
from servanda.game.tables import Tables

MOST_STAGES = 32

Grid = tuple[tuple[int, ...], int]
"""Levels per stock, and the place of the scheme in `interpolate.SCHEMES`."""

Plan = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""Options and player of every stage, in order of play, and where its masks begin (-1: none)."""


def usable(
    group: Group, plan: Sequence[Stage], tables: Tables, levels: tuple[int, ...], scheme: Scheme
) -> bool:
    """Whether a group's sweep can be left to the kernel.

    It needs one player a stage, options that nothing but stocks and moves can close, and no phases
    that move.
    """
    alone = all(len(stage.players) == 1 for stage in plan) and len(plan) <= MOST_STAGES
    decided = [d for stage in plan for d in stage.decisions]
    free = all(group.allowed[:, d, list(group.options[d])].all() for d in decided)
    return (
        alone
        and free
        and tables.branch is None
        and tables.flow.dtype == jnp.float64
        and kernel.ready(levels, SCHEMES.index(scheme), "sweep")
    )


def collapse(
    values: Float[Array, "P G C"],
    points: Float[Array, "U D*A K N"],
    table: Int[Array, "R"],
    pattern: Int[Array, "R A"],
    flow: Float[Array, "S C A N"],
    setting: Int[Array, "R"],
    discount: Float[Array, " C"],
    plan: Sequence[Stage],
    precision: Float[Array, " party"],
    draw: Float[Array, " D"],
    opened: Sequence[Bool[Array, "S choice N"] | None],
    levels: tuple[int, ...],
    scheme: Scheme,
    given: Float[Array, "R A N"] | None = None,
    keep: bool = True,
) -> tuple[Float[Array, "R C N"], Float[Array, "R A N"] | None]:
    """Values before the moves, and the probability of every joint move; call only where `usable`.

    Args:
        values: P value functions on the grid, mixed over events.
        points: arrival points in grid coordinates, draw by draw.
        table: which table of points each row reads; -1: none, and its results mean nothing.
        pattern: which value function each row and joint move reads.
        flow: utility of the period.
        setting: which table of flows each row reads.
        discount: by channel.
        plan: the stages; their players' totals are the first channels.
        precision: of every party, λ/s.
        draw: the probabilities of the draws. They are constants: no derivative passes through them.
        opened: of every stage which options can be taken, after every choice before: one at least;
            None: all.
        levels: of each stock.
        scheme: of interpolation.
        given: probabilities of joint moves to use instead of choosing.
        keep: whether the probabilities are wanted.

    Returns:
        Values, and probabilities if wanted. Differentiable by reverse mode.
    """
    grid = (tuple(levels), SCHEMES.index(scheme))
    table, pattern, setting = (x.astype(jnp.int32) for x in (table, pattern, setting))
    draw = jax.lax.stop_gradient(draw)
    masks = [x for x in opened if x is not None] if given is None else []
    wide = [0 if x is None else x.shape[1] for x in opened]
    begin = tuple(-1 if x is None else sum(wide[:k]) for k, x in enumerate(opened))
    open_ = jnp.concatenate(masks, axis=1).astype(float) if masks else jnp.zeros((0, 0, 0))
    if given is not None:
        given = jnp.broadcast_to(given, (*pattern.shape, points.shape[-1]))
        out = _given(
            values, points, table, pattern, flow, setting, discount, given, draw, open_, grid
        )
        return out, given
    players = [stage.players[0] for stage in plan]
    shape = (tuple(stage.size for stage in plan), tuple(players), begin)
    sharpness = precision[np.array(players, int)]
    out, joint = _chosen(
        values, points, table, pattern, flow, setting, discount, sharpness, draw, open_,
        grid, shape, keep,
    )  # fmt: skip
    return out, joint if keep else None


def _call(
    which: int, results: list[tuple[int, ...]], inputs: tuple[Array, ...], grid: Grid, plan: Plan
) -> list[Array]:
    """One of the kernel's functions; `results` are the shapes of what it returns."""
    levels, scheme = grid
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float64) for shape in results]
    shapes.append(kernel.rows(inputs[0], levels, scheme))
    name = kernel.handlers(levels, scheme, "sweep")[which]
    call = jax.ffi.ffi_call(name, tuple(shapes), vmap_method="sequential")
    sizes, players, masks = (np.array(x, np.int64) for x in plan)
    given = kernel.attributes(levels, scheme, by_stock=True)
    out = call(*inputs, sizes=sizes, players=players, masks=masks, **given)
    return list(out)


def _transpose(
    values: Array,
    points: Array,
    table: Array,
    pattern: Array,
    draw: Array,
    d_ahead: Float[Array, "R C A N"],
    grid: Grid,
) -> tuple[Array, Array]:
    """Cotangents of values and points, from those of the average over draws."""
    draws = draw.shape[0]
    if draws > 1:
        pattern = jnp.tile(pattern, (1, draws))
        each = draw[:, None, None] * d_ahead[:, :, None]
        d_ahead = each.reshape(*d_ahead.shape[:2], -1, d_ahead.shape[3])
    return kernel.transpose(values, points, table, pattern, d_ahead, *grid, by_stock=True)


# -- logit choice --------------------------------------------------------------------------------


@functools.partial(jax.custom_vjp, nondiff_argnums=(10, 11, 12))
def _chosen(
    values: Array,
    points: Array,
    table: Array,
    pattern: Array,
    flow: Array,
    setting: Array,
    discount: Array,
    sharpness: Array,
    draw: Array,
    opened: Array,
    grid: Grid,
    plan: Plan,
    keep: bool,
) -> tuple[Array, Array]:
    rows, moves = pattern.shape
    nodes = points.shape[3]
    joint = (rows, moves, nodes) if keep else (0, 0, 0)
    inputs = (values, points, table, pattern, flow, setting, discount, sharpness, draw, opened)
    out, probability, _ = _call(0, [(rows, flow.shape[1], nodes), joint], inputs, grid, plan)
    return out, probability


def _chosen_forward(*arguments: Any) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
    return _chosen(*arguments), arguments[:10]


def _chosen_back(
    grid: Grid, plan: Plan, keep: bool, inputs: tuple[Array, ...], cotangents: tuple[Array, Array]
) -> tuple[Array | None, ...]:
    values, points, table, pattern, flow, _, discount, sharpness, draw, _ = inputs
    rows, moves = pattern.shape
    ahead = (rows, flow.shape[1], moves, points.shape[3])
    d_ahead, d_flow, d_discount, d_sharpness, _ = _call(
        1, [ahead, flow.shape, discount.shape, sharpness.shape], (*inputs, *cotangents), grid, plan
    )
    d_values, d_points = _transpose(values, points, table, pattern, draw, d_ahead, grid)
    return d_values, d_points, None, None, d_flow, None, d_discount, d_sharpness, None, None


_chosen.defvjp(_chosen_forward, _chosen_back)


# -- given probabilities -------------------------------------------------------------------------

_NO_STAGES: Plan = ((), (), ())


@functools.partial(jax.custom_vjp, nondiff_argnums=(10,))
def _given(
    values: Array,
    points: Array,
    table: Array,
    pattern: Array,
    flow: Array,
    setting: Array,
    discount: Array,
    given: Array,
    draw: Array,
    opened: Array,
    grid: Grid,
) -> Array:
    rows, _, nodes = given.shape
    inputs = (values, points, table, pattern, flow, setting, discount, given, draw, opened)
    return _call(0, [(rows, flow.shape[1], nodes), (0, 0, 0)], inputs, grid, _NO_STAGES)[0]


def _given_forward(*arguments: Any) -> tuple[Array, tuple[Array, ...]]:
    return _given(*arguments), arguments[:10]


def _given_back(
    grid: Grid, inputs: tuple[Array, ...], cotangent: Array
) -> tuple[Array | None, ...]:
    values, points, table, pattern, flow, _, discount, given, draw, _ = inputs
    # apart from the rest, so that XLA drops the rest where only values are wanted
    d_ahead = given[:, None] * (discount[:, None] * cotangent)[:, :, None]
    d_values, d_points = _transpose(values, points, table, pattern, draw, d_ahead, grid)
    shapes = [given.shape, flow.shape, discount.shape]
    d_given, d_flow, d_discount, _ = _call(2, shapes, (*inputs, cotangent), grid, _NO_STAGES)
    return d_values, d_points, None, None, d_flow, None, d_discount, d_given, None, None


_given.defvjp(_given_forward, _given_back)
