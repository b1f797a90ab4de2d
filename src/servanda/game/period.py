"""One period back: from what the next period is worth to what this one is.

In: a game, a grid, one world's assumptions, and values V[regime, phase, g, channel] of the next
period. Out: the values before this period's moves, and how everybody plays. One sweep is

    Q = flow + δ E[V(next)],   W = the stages collapsed by logit choice,   V = W after signing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from servanda.game.build import Game
from servanda.game.choice import Stage, joint_probability, open_choices, play
from servanda.game.grid import Grid
from servanda.game.grid_tables import grid_tables
from servanda.game.interpolate import Scheme, interpolate
from servanda.game.mix import mix
from servanda.game.positions import Group
from servanda.game.sweep import collapse, usable
from servanda.game.tables import Parameters, Tables

DEFAULT_SCHEME: Scheme = "limited"
"""Chosen on the convergence tables in docs/convergence.md."""


RESTLESS = 1e-2
"""What one more sweep past the horizon changes, in stakes, where values do not settle."""


@dataclass(frozen=True)
class Method:
    """How to solve: the grid, the interpolation scheme, and whether interests are kept apart."""

    grid: Grid
    scheme: Scheme = DEFAULT_SCHEME
    by_interest: bool = False
    sweeps: int = 0  # past the horizon, before they are extrapolated (`stationary`)
    tolerance: float = 1e-4  # what one more sweep past the horizon may change, in stakes
    most: int = 60  # sweeps with extrapolation in which that does not halve: then it is given up
    restless: float = RESTLESS  # where more than this is left, in stakes, values do not settle
    finite: int = 0  # sweeps past the horizon of the finite game that is taken then

    @property
    def unsettled(self) -> float:
        """Where more than this is left, in stakes, the answer says that values do not settle.

        Without stocks a game that does not settle goes on until nothing is left of it, so that
        less is worth no mention.
        """
        return self.restless if self.grid.levels else RESTLESS


class Operator(NamedTuple):
    """One group's tables and transition probabilities in one world (a pytree of arrays)."""

    tables: Tables
    points: Array  # [course, draw * a, stock, g] grid coordinates of arrivals
    notice: Array  # [row, pattern, event] probability of each event


def channel_party(game: Game, by_interest: bool) -> np.ndarray:
    """The party that each channel of value belongs to."""
    own = list(range(len(game.parties)))
    if by_interest:
        own += [game.parties.index(p) for p, _ in game.interests]
    return np.array(own, np.int32)


def notice_probability(group: Group, p: Parameters, alarms: bool = True) -> Array:
    """[row, pattern, event]: who is noticed first in order of play, nobody; blame is forgotten.

    Without `alarms` nothing is noticed but breaches.
    """
    noticed = _first_noticed(group, p, alarms)
    if not (group.fade >= 0).any():
        return noticed
    # where blame can be forgotten no breach is noticed any more
    chance = jnp.where(group.fade >= 0, p.forgotten[np.maximum(group.fade, 0)], 0.0)
    gone = noticed[..., -1:] * chance[:, None, None]
    return jnp.concatenate([noticed[..., :-1], noticed[..., -1:] - gone, gone], axis=-1)


def _first_noticed(group: Group, p: Parameters, alarms: bool) -> Array:
    """[row, pattern, obligation + 1]: who is noticed first in order of play; last: nobody."""
    if group.breached.shape[-1] == 0:
        return jnp.ones((*group.breached.shape[:2], 1))
    q = jnp.where(jnp.asarray(group.breached), p.verified, p.false_alarm if alarms else 0.0)
    q = jnp.where(jnp.asarray(group.watched)[:, None, :], q, 0.0)
    unseen = jnp.cumprod(1.0 - q, axis=-1)
    before = jnp.concatenate([jnp.ones_like(unseen[..., :1]), unseen[..., :-1]], axis=-1)
    return jnp.concatenate([q * before, unseen[..., -1:]], axis=-1)


def operators(game: Game, method: Method, p: Parameters, period: Array) -> list[Operator]:
    """Evaluate every group's formulas on the grid."""
    found = grid_tables(game, p, method.grid.points(), period, method.by_interest)
    out = []
    for group, tables in zip(game.groups, found, strict=True):
        x = method.grid.coordinates(tables.arrival)
        u, draws, a, g, k = x.shape
        points = jnp.swapaxes(x.reshape(u, draws * a, g, k), 2, 3)
        out.append(Operator(tables, points, notice_probability(group, p)))
    return out


def mixed(game: Game, group: Group, v: Array, notice: Array, rows: Array) -> Array:
    """E[V(next)] over events, before stocks move: [row, pattern, branch, g, channel].

    `v` is [place, phase, g, channel]; `notice` as in `Operator`; `rows` are those of the group
    that are wanted.
    """
    phases = v.shape[1]
    successor = game.place[group.successor][:, :, None, :]
    place = successor * phases + group.next_phase[:, None, :, None]
    flat = v.reshape(v.shape[0] * phases, *v.shape[2:])
    return mix(flat, notice[rows], jnp.asarray(place)[rows])


def expected(
    game: Game,
    group: Group,
    method: Method,
    v: Array,
    notice: Array,
    rows: Array,
    at: Array,
    points: Array,
    table: Array,
    draw: Array,
    branch: Array | None,
) -> Array:
    """E[V(next)] over events, phases and shocks: [r, channel, a, point].

    `v` is [place, phase, g, channel]; `notice` as in `Operator`; `rows` are the live rows of the
    group and `at` [r] the place among them that each computed row reads; `points` are
    [u, draw * a, point, stock], read through `table` [r]; `branch` is [r, branch, a, point].
    """
    values = mixed(game, group, v, notice, rows)
    r, j, b = values.shape[:3]
    stacked = values.reshape(r * j * b, *values.shape[3:])
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


def sweep(
    game: Game,
    method: Method,
    plans: list[tuple[Stage, ...]],
    ops: list[Operator],
    p: Parameters,
    v: Array,
    live: Sequence[Array | np.ndarray],
    given: list[Array] | None = None,
    keep: bool = True,
    held: tuple[Array, Array] | None = None,
) -> tuple[Array, list[Array | None], Array]:
    """One period back: V of the next period to W of this one, for the live rows of every group.

    Returns W, every group's probabilities of joint moves [row, a, g], and the number of brackets
    without an equilibrium. Given probabilities are used as they are; those that nobody wants to
    `keep` may be None. `held` are places [place * phase] to leave out (bool), and the values
    [place, phase, g, channel] that they have instead.
    """
    phases = v.shape[1]
    # what has no regime in play is never read
    w = jnp.zeros(v.shape) if held is None else held[1]
    w = w.reshape(v.shape[0] * phases, *v.shape[2:])
    chosen = []
    failures = jnp.zeros((), int)
    for k, group in enumerate(game.groups):
        rows = jnp.asarray(live[k])
        r = rows.shape[0]
        z = jnp.asarray(game.place[group.rows[:, 0]] * phases + group.rows[:, 1])[rows]
        # rows are padded by repeating the last one: write each only once
        spare = jnp.concatenate([jnp.zeros(1, bool), rows[1:] == rows[:-1]])
        if held is not None:
            spare = spare | held[0][z]
        fast = usable(group, plans[k], ops[k].tables, method.grid.levels, method.scheme)
        step = _compiled if fast else _traced
        out, joint, failed = step(
            game,
            group,
            method,
            plans[k],
            ops[k],
            p,
            v,
            rows,
            None if given is None else given[k],
            keep,
            spare,
        )
        chosen.append(joint)
        failures = failures + failed
        z = jnp.where(spare, w.shape[0] + jnp.arange(r), z)
        w = w.at[z].set(jnp.swapaxes(out, 1, 2), mode="drop", unique_indices=True)
    return w.reshape(v.shape), chosen, failures


def _compiled(
    game: Game,
    group: Group,
    method: Method,
    plan: tuple[Stage, ...],
    op: Operator,
    p: Parameters,
    v: Array,
    rows: Array,
    given: Array | None,
    keep: bool,
    spare: Array,
) -> tuple[Array, Array | None, Array]:
    """One group's part of a sweep by the kernel: values [r, channel, g], policy, failures.

    What is `spare` [r] is not computed, unless probabilities are to be kept.
    """
    discount = p.patience[channel_party(game, method.by_interest)]
    values = mixed(game, group, v, op.notice, rows)
    at = jnp.arange(rows.shape[0])[:, None]
    pattern = at * values.shape[1] + jnp.asarray(group.pattern)[rows]
    course = jnp.asarray(group.course)[rows]
    out, joint = collapse(
        values.reshape(-1, *values.shape[3:]),
        op.points,
        course if keep else jnp.where(spare, -1, course),
        pattern,
        op.tables.flow,
        jnp.asarray(group.setting)[rows],
        discount,
        plan,
        p.precision,
        op.tables.draw,
        open_choices(group, plan, op.tables.open),
        method.grid.levels,
        method.scheme,
        given,
        keep,
    )
    return out, joint, jnp.zeros((), int)


def _traced(
    game: Game,
    group: Group,
    method: Method,
    plan: tuple[Stage, ...],
    op: Operator,
    p: Parameters,
    v: Array,
    rows: Array,
    given: Array | None,
    keep: bool,
    spare: Array,
) -> tuple[Array, Array | None, Array]:
    """The same step by step in JAX: any stages, masks and phases that move; nothing is spared."""
    discount = p.patience[channel_party(game, method.by_interest)][:, None, None]
    setting, course = jnp.asarray(group.setting)[rows], jnp.asarray(group.course)[rows]
    at = jnp.arange(rows.shape[0], dtype=jnp.int32)
    branch = None if op.tables.branch is None else op.tables.branch[setting]
    points = jnp.swapaxes(op.points, 2, 3)
    ahead = expected(
        game, group, method, v, op.notice, rows, at, points, course, op.tables.draw, branch
    )
    q = op.tables.flow[setting] + discount * ahead
    if given is not None:
        return jnp.sum(given[:, None] * q, axis=2), given, jnp.zeros((), int)
    allowed = jnp.asarray(group.allowed)[rows][..., None]
    opened = {d: x[setting] for d, x in op.tables.open.items()}
    out, policy, failed = play(q, group, plan, p.precision, allowed, opened)
    return out, joint_probability(plan, policy, group.moves) if keep else None, failed


def sign(
    game: Game, p: Parameters, w: Array, place: np.ndarray | None = None
) -> tuple[Array, Array]:
    """Add the signing stages to values W [place, phase, ..., channel].

    `place` [regime] says where a regime's values are, if not where the game keeps them.

    Returns V and the probability that each signatory accepts when its turn comes, [stage,
    signatory, phase, ...]; 1 where a stage has fewer signatories.
    """
    stage = game.asking
    if not len(stage.regime):
        return w, jnp.ones((0, 0, *w.shape[1:-1]))
    # where no offer is in play the answer is never read
    place = game.place if place is None else place
    ahead = w[place[stage.yes]]
    accepted: list[Array] = []
    for j in reversed(range(stage.no.shape[1])):
        no = w[place[stage.no[:, j]]]
        q = accept_probability(p, jnp.asarray(stage.party[:, j]), ahead, no)
        q = jnp.where(stage.asked[:, j].reshape(-1, *(1,) * (q.ndim - 1)), q, 1.0)
        ahead = q[..., None] * ahead + (1.0 - q[..., None]) * no
        accepted.insert(0, q)
    return w.at[place[stage.regime]].set(ahead), jnp.stack(accepted, axis=1)


def accept_probability(p: Parameters, party: Array, yes: Array, no: Array) -> Array:
    """Logit choice between accepting and refusing, from values [n, ..., channel].

    `party` [n] says who chooses in each row.
    """
    who = party.reshape(-1, *(1,) * (yes.ndim - 1))
    gain = jnp.take_along_axis(yes - no, who, axis=-1)[..., 0]
    return jax.nn.sigmoid(p.precision[party].reshape(who.shape[:-1]) * gain)


def value_shape(game: Game, method: Method) -> tuple[int, int, int, int]:
    """The shape of one period's values, [place, phase, g, channel]."""
    channels = len(channel_party(game, method.by_interest))
    return game.places, game.phases, method.grid.size, channels
