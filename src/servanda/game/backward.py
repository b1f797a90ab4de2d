"""Backward induction: what every position is worth to every party, and how they play.

In: a game, a grid, one world's assumptions. Out: values W[t, regime, phase, g, channel] before the
moves of each period. One sweep is

    Q = flow + δ E[V(next)],   W = the stages collapsed by logit choice,   V = W after signing,

from the terminal value back to the start. The terminal value is zero, or stationary: past the
horizon the calendar stands still, sweeps go on until policies settle, then those policies are
evaluated linearly (modified policy iteration, Puterman 1994, section 6.5) and differentiated
implicitly.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.game.build import Game, Group
from servanda.game.choice import Policy, Stage, play, stages
from servanda.game.grid import Grid
from servanda.game.fixedpoint import fixed_point
from servanda.game.interpolate import Scheme, interpolate
from servanda.game.tables import Parameters, Tables, evaluate_group, grid_views

SETTLE_SWEEPS = 3000
SETTLED = 1e-2  # largest change of a choice probability between two sweeps
RESIDUAL = 1e-11  # of the stationary value, relative to its size


@dataclass(frozen=True)
class Method:
    """How to solve: the grid, the interpolation scheme, and whether interests are kept apart."""

    grid: Grid
    scheme: Scheme = "quadratic"
    by_interest: bool = False


class Operator(NamedTuple):
    """One group's tables and transition probabilities in one world (a pytree of arrays)."""

    tables: Tables
    points: Array  # [setting, draw * a, g, stock] grid coordinates of arrivals
    notice: Array  # [row, pattern, obligation + 1] probability of each event


class Tail(NamedTuple):
    """How the stationary value was found."""

    sweeps: Array
    settled: Array  # policies stopped changing
    residual: Array  # relative change of the value under one more sweep


class Backward(NamedTuple):
    """The solution of one world."""

    values: Array  # [period + 1, regime, phase, g, channel], before the moves; last: the tail
    policies: list[Policy] | None  # per group, stacked over periods, if kept
    tail: Tail
    failures: Array  # brackets whose equilibrium was not found


def channel_party(game: Game, by_interest: bool) -> np.ndarray:
    """The party that each channel of value belongs to."""
    own = list(range(len(game.parties)))
    if by_interest:
        own += [game.parties.index(p) for p, _ in game.interests]
    return np.array(own, np.int32)


def notice_probability(group: Group, p: Parameters) -> Array:
    """[row, pattern, obligation + 1]: who is noticed first in order of play; last: nobody."""
    if group.breached.shape[-1] == 0:
        return jnp.ones((*group.breached.shape[:2], 1))
    q = jnp.where(jnp.asarray(group.breached), p.verified, p.false_alarm)
    q = jnp.where(jnp.asarray(group.watched)[:, None, :], q, 0.0)
    unseen = jnp.cumprod(1.0 - q, axis=-1)
    before = jnp.concatenate([jnp.ones_like(unseen[..., :1]), unseen[..., :-1]], axis=-1)
    return jnp.concatenate([q * before, unseen[..., -1:]], axis=-1)


def operator(game: Game, group: Group, method: Method, p: Parameters, period: Array) -> Operator:
    """Evaluate a group's formulas on the grid."""
    stocks = jnp.asarray(method.grid.points())
    views = grid_views(group)
    tables = evaluate_group(game, group, views, p, stocks, period, method.by_interest)
    x = method.grid.coordinates(tables.arrival)
    u, draws, a, g, k = x.shape
    return Operator(tables, x.reshape(u, draws * a, g, k), notice_probability(group, p))


def expected(game: Game, group: Group, method: Method, v: Array, notice: Array, rows: Array, at: Array,
             points: Array, table: Array, draw: Array, branch: Array | None) -> Array:  # fmt: skip
    """E[V(next)] over events, phases and shocks: [r, channel, a, point].

    `v` is [regime, phase, g, channel]; `notice` as in `Operator`; `rows` are the live rows of the
    group and `at` [r] the place among them that each computed row reads; `points` are
    [u, draw * a, point, stock], read through `table` [r]; `branch` is [r, branch, a, point].
    """
    phases, channels = v.shape[1], v.shape[-1]
    flat = v.reshape(v.shape[0] * phases, -1, channels)
    successor = jnp.asarray(game.alike[group.successor])[rows]  # [row, pattern, event]
    target = jnp.asarray(group.next_phase)[rows]  # [row, branch]
    z = successor[:, :, None, :] * phases + target[:, None, :, None]  # row pattern branch event
    weight = notice[rows]
    watched = group.watched.any(axis=0)
    events = [*np.flatnonzero(watched), group.watched.shape[1]]
    mixed = sum(
        (weight[:, :, None, e, None, None] * flat[z[:, :, :, e]] for e in events), jnp.zeros(())
    )  # [row, pattern, branch, g, channel]
    r, j, b = z.shape[:3]
    stacked = mixed.reshape(r * j * b, -1, channels)
    draws = draw.shape[0]
    pattern = jnp.tile(jnp.asarray(group.pattern)[rows][at], (1, draws))  # [row, draw * a]
    out = []
    for k in range(b):
        which = ((at[:, None] * j + pattern) * b + k).astype(jnp.int32)
        x = interpolate(stacked, points, table, which, method.grid.levels, method.scheme)
        x = x.reshape(*x.shape[:2], draws, -1, x.shape[-1])
        x = jnp.einsum("d,rcdan->rcan", draw, x) if draws > 1 else x[:, :, 0]
        out.append(x if branch is None else x * branch[:, None, k])
    return sum(out[1:], out[0])


def sweep(game: Game, method: Method, plans: list[tuple[Stage, ...]], ops: list[Operator],
          p: Parameters, v: Array, live: list[Array]) -> tuple[Array, list[Policy], Array]:  # fmt: skip
    """One period back: V of the next period to W of this one, for the live rows of every group."""
    owner = channel_party(game, method.by_interest)
    discount = p.patience[owner][None, :, None, None]
    phases = v.shape[1]
    w = jnp.zeros((v.shape[0] * phases, *v.shape[2:]))  # regimes out of play are never read
    chosen = []
    failures = jnp.zeros((), int)
    for k, group in enumerate(game.groups):
        rows = live[k]
        r = rows.shape[0]
        setting = jnp.asarray(group.setting)[rows]
        at = jnp.arange(r, dtype=jnp.int32)
        tables = ops[k].tables
        branch = None if tables.branch is None else tables.branch[setting]
        ahead = expected(game, group, method, v, ops[k].notice, rows, at, ops[k].points, setting,
                         tables.draw, branch)  # fmt: skip
        q = tables.flow[setting] + discount * ahead
        allowed = jnp.asarray(group.allowed)[rows][..., None]
        opened = {d: x[setting] for d, x in tables.open.items()}
        out, policy, failed = play(q, group, plans[k], p.precision, allowed, opened)
        chosen.append(policy)
        failures = failures + failed
        z = jnp.asarray(group.rows[:, 0] * phases + group.rows[:, 1])[rows]
        # rows are padded by repeating the last one: write each only once
        repeated = jnp.concatenate([jnp.zeros(1, bool), rows[1:] == rows[:-1]])
        z = jnp.where(repeated, w.shape[0] + jnp.arange(r), z)
        w = w.at[z].set(jnp.swapaxes(out, 1, 2), mode="drop", unique_indices=True)
    return w.reshape(v.shape), chosen, failures


Acceptance = list[list[Array]]
"""For every signing stage, the probability that each signatory accepts when its turn comes."""


def sign(game: Game, p: Parameters, w: Array) -> tuple[Array, Acceptance]:
    """Add the signing stages to values W [regime, phase, ..., channel]; V and the acceptances."""
    v = w
    w = w[game.alike]
    accepted: Acceptance = []
    for stage in game.signings:
        ahead = w[stage.yes]
        own: list[Array] = []
        for i, no in zip(reversed(stage.parties), reversed(stage.no), strict=True):
            q = accept_probability(p, i, ahead, w[no])
            ahead = q[..., None] * ahead + (1.0 - q[..., None]) * w[no]
            own.insert(0, q)
        v = v.at[stage.regime].set(ahead)
        accepted.append(own)
    return v, accepted


def accept_probability(p: Parameters, party: int, yes: Array, no: Array) -> Array:
    """Logit choice between accepting and refusing, from values [..., channel]."""
    return jax.nn.sigmoid(p.precision[party] * (yes[..., party] - no[..., party]))


def backward(game: Game, method: Method, p: Parameters, keep: bool = True,
             policies: bool = False) -> Backward:  # fmt: skip
    """Solve one world. `keep` returns every period's values, else only the first; traced by JAX."""
    plans = [stages(game, group) for group in game.groups]
    horizon = game.scenario.horizon

    def operators(period: Array) -> list[Operator]:
        return [operator(game, group, method, p, period) for group in game.groups]

    channels = len(channel_party(game, method.by_interest))
    shape = (game.regimes, game.phases, method.grid.size, channels)
    if game.scenario.terminal == "stationary":
        last = [_distinct(group.live[horizon]) for group in game.groups]
        end, tail = _stationary(game, method, plans, operators(jnp.asarray(horizon * 1.0)), p,
                                jnp.zeros(shape), last)  # fmt: skip
    else:
        end = jnp.zeros(shape)
        tail = Tail(jnp.zeros((), int), jnp.ones((), bool), jnp.zeros(()))
    fixed = None if game.uses_calendar else operators(jnp.zeros(()))
    constant = all((g.live[:horizon] == g.live[0]).all() for g in game.groups)

    @functools.partial(jax.checkpoint, prevent_cse=False)
    def body(carry: tuple[Array, Array], x: Any) -> tuple[tuple[Array, Array], Any]:
        w, failures = carry
        period, live = x
        if constant:
            live = [jnp.asarray(_distinct(g.live[0])) for g in game.groups]
        v, _ = sign(game, p, w)
        ops = operators(period) if fixed is None else fixed
        w, chosen, failed = sweep(game, method, plans, ops, p, v, live)
        kept = (w if keep else None, chosen if policies else None)
        return (w, failures + failed), kept

    xs = (jnp.arange(horizon) * 1.0, [jnp.asarray(g.live[:horizon]) for g in game.groups])
    start = (end, jnp.zeros((), int))
    (first, failures), (values, chosen) = jax.lax.scan(body, start, xs, reverse=True)
    values = jnp.concatenate([values, end[None]]) if keep else jnp.stack([first])
    return Backward(values, chosen if policies else None, tail, failures)


def _distinct(rows: np.ndarray) -> np.ndarray:
    """Live rows without the padding."""
    return np.unique(rows)


# -- past the horizon ---------------------------------------------------------------------------


def _stationary(game: Game, method: Method, plans: list[tuple[Stage, ...]], ops: list[Operator],
                p: Parameters, zero: Array, live: list[np.ndarray]) -> tuple[Array, Tail]:  # fmt: skip
    """The value of the game whose calendar stands still, as the limit of finite horizons."""
    rows = [jnp.asarray(x) for x in live]

    def step(w: Array, world: tuple):  # type: ignore[no-untyped-def]
        ops, p = world
        v, accepted = sign(game, p, w)
        w, chosen, failed = sweep(game, method, plans, ops, p, v, rows)
        return w, (accepted, chosen), failed

    @jax.custom_vjp
    def solve(world: tuple) -> tuple[Array, Tail]:
        return _iterate(step, world, zero)

    def forward(world: tuple):  # type: ignore[no-untyped-def]
        w, tail = solve(world)
        return (w, tail), (w, world)

    def pull(saved, cotangent):  # type: ignore[no-untyped-def]
        w, world = saved
        g, _ = cotangent
        _, back = jax.vjp(lambda w, world: step(w, world)[0], w, world)
        u = fixed_point(lambda u: (g + back(u)[0], ()), g, None, 1e-11, 1000).x
        return (back(u)[1],)

    solve.defvjp(forward, pull)
    return solve((ops, p))


def _iterate(step, world: tuple, zero: Array) -> tuple[Array, Tail]:  # type: ignore[no-untyped-def]
    """Sweep until policies settle, then solve for the value they lead to."""

    def once(w: Array) -> tuple[Array, Any]:
        w, chosen, _ = step(w, world)
        return w, chosen

    def settled(a: Any, b: Any) -> Array:
        pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
        moved = [jnp.max(jnp.abs(x - y)) for x, y in pairs]
        return jnp.max(jnp.stack(moved)) < SETTLED if moved else jnp.ones((), bool)

    end = fixed_point(once, zero, settled, RESIDUAL, SETTLE_SWEEPS)
    return end.x, Tail(end.count, end.settled & (end.gap <= 1e-8), end.gap)
