"""How parties choose: logit choice, one stage of the order of play after another.

In: action values Q of every joint move, all channels at once. Out: the values before the moves and
the probability of every choice. A chooser of precision κ = λ/s picks option a with probability
∝ exp(κ Q(a)) (McKelvey and Palfrey 1998, agent quantal response); stages are collapsed from the
last to the first, so that each choice sees the earlier ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.game.build import Game
from servanda.game.equilibrium import logit_equilibrium
from servanda.game.positions import Group


@dataclass(frozen=True)
class Stage:
    """Decisions taken at the same time: their numbers, live option counts, and who takes them."""

    decisions: tuple[int, ...]
    sizes: tuple[int, ...]
    parties: tuple[int, ...]  # the party of each decision
    before: int  # joint moves of all earlier stages
    after: int  # joint moves of all later stages

    @property
    def size(self) -> int:
        return math.prod(self.sizes)

    @property
    def players(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self.parties))


def stages(game: Game, group: Group) -> tuple[Stage, ...]:
    """The stages of a group in which somebody has more than one live option, in order of play."""
    found = []
    before = 1
    for stage in game.scenario.stages:
        live = [d for d in stage if len(group.options[d]) > 1]
        if not live:
            continue
        sizes = tuple(len(group.options[d]) for d in live)
        after = group.moves // (before * math.prod(sizes))
        parties = tuple(game.decision_party(d) for d in live)
        found.append(Stage(tuple(live), sizes, parties, before, after))
        before *= math.prod(sizes)
    return tuple(found)


def masks(
    group: Group,
    stage: Stage,
    allowed: Array,
    opened: dict[int, Array],
) -> list[Array | None]:
    """Which options of each of a stage's decisions can be taken; None where all always can.

    `allowed` is [..., decision, option, point or 1]; `opened[d]` is [..., a, point]. The result is
    [..., before, *sizes (1 but for the decision's own), point].
    """
    out: list[Array | None] = []
    for k, d in enumerate(stage.decisions):
        live = list(group.options[d])
        always = bool(np.all(group.allowed[:, d, live]))
        if always and d not in opened:
            out.append(None)
            continue
        own = [1] * len(stage.sizes)
        own[k] = stage.sizes[k]
        axis = -1 - (len(stage.sizes) - k)  # of this decision, counted from the points' axis
        static = allowed[..., d, live, :]
        ok = static.reshape(*static.shape[:-2], 1, *own, static.shape[-1])
        if d in opened:
            x = opened[d]
            x = x.reshape(*x.shape[:-2], stage.before, *stage.sizes, stage.after, x.shape[-1])
            x = x[..., 0, :]
            for j in range(len(stage.sizes)):
                if j != k:  # a mask reads only earlier stages, so any slice of the others will do
                    at = -1 - (len(stage.sizes) - j)
                    x = jax.lax.slice_in_dim(x, 0, 1, axis=x.ndim + at)
            ok = ok & x
        first = jnp.arange(stage.sizes[k]).reshape(*own, 1) == 0
        out.append(jnp.where(ok.any(axis=axis, keepdims=True), ok, first))
    return out


def open_choices(
    group: Group, plan: Sequence[Stage], opened: dict[int, Array]
) -> list[Array | None]:
    """Of every stage the joint choices that can be taken, [setting, before * size, point].

    For groups whose options nothing but `opened` [setting, a, point] closes; None: all are open.
    """
    allowed = jnp.asarray(group.allowed)[:1, ..., None]
    out: list[Array | None] = []
    for stage in plan:
        ok = _combined(stage, masks(group, stage, allowed, opened))
        out.append(None if ok is None else ok.reshape(ok.shape[0], -1, ok.shape[-1]))
    return out


Policy = list[Float[Array, "..."]]
"""For every stage the probability of its joint choice, [..., before, stage size, point]."""


def play(
    q: Float[Array, "... channel a point"],
    group: Group,
    plan: Sequence[Stage],
    precision: Float[Array, " party"],
    allowed: Array,
    opened: dict[int, Array],
) -> tuple[Array, Policy, Array]:
    """Collapse the stages of one period.

    Returns the values before the moves [..., channel, point], the policy, and the number of
    simultaneous stages whose equilibrium was not found.
    """
    chosen: list[Array] = []
    failures = jnp.zeros((), int)
    for k in range(len(plan) - 1, -1, -1):
        stage = plan[k]
        q = q.reshape(*q.shape[:-2], stage.before, stage.size, q.shape[-1])
        if len(stage.players) == 1:
            p = _alone(q, stage, precision, masks(group, stage, allowed, opened))
        else:
            ok = masks(group, stage, allowed, opened)
            p, failed = _together(q, stage, precision, ok)
            failures = failures + failed
        chosen.append(p)
        q = jnp.sum(p[..., None, :, :, :] * q, axis=-2)
    chosen.reverse()
    return q.reshape(*q.shape[:-2], q.shape[-1]), chosen, failures


def joint_probability(plan: Sequence[Stage], policy: Policy, moves: int) -> Array:
    """The probability of every joint move [..., a, point]."""
    out: Array | None = None
    for stage, p in zip(plan, policy, strict=True):
        flat = p.reshape(*p.shape[:-3], stage.before * stage.size, p.shape[-1])
        if out is None:
            out = flat
        else:
            out = jnp.repeat(out, stage.size, axis=-2) * flat
    if out is None:
        return jnp.ones((moves, 1))
    return out


def _combined(stage: Stage, ok: list[Array | None]) -> Array | None:
    """Masks of several decisions as one mask over the stage's joint choices."""
    given = [x for x in ok if x is not None]
    if not given:
        return None
    both = given[0]
    for x in given[1:]:
        both = both & x
    lead = both.shape[: both.ndim - len(stage.sizes) - 2]
    full = (*lead, both.shape[len(lead)], *stage.sizes, both.shape[-1])
    return jnp.broadcast_to(both, full).reshape(*lead, both.shape[len(lead)], stage.size, -1)


def feasible(game: Game, group: Group, opened: dict[int, Array]) -> Array:
    """Which joint moves can be played at all, [row, a, point]; `opened[d]` is [setting, a, point].

    A decision with no option open is played at its first option, which therefore counts.
    """
    allowed = jnp.asarray(group.allowed)[..., None]
    opened = {d: x[jnp.asarray(group.setting)] for d, x in opened.items()}
    out = jnp.ones((len(group.rows), group.moves, 1), bool)
    for stage in stages(game, group):
        ok = _combined(stage, masks(group, stage, allowed, opened))
        if ok is not None:
            rows, points = ok.shape[0], ok.shape[-1]
            ok = jnp.broadcast_to(ok, (rows, stage.before, stage.size, points))
            ok = ok.reshape(rows, stage.before * stage.size, points)
            out = out & jnp.repeat(ok, stage.after, axis=1)
    return out


def _alone(q: Array, stage: Stage, precision: Array, ok: list[Array | None]) -> Array:
    """One party's joint choice: softmax over the stage's options [..., before, size, point]."""
    i = stage.players[0]
    x = q[..., i, :, :, :]
    mask = _combined(stage, ok)
    if mask is not None:
        x = jnp.where(mask, x, -jnp.inf)
    # subtract the best first: κ may be 1e12
    x = x - jax.lax.stop_gradient(x.max(axis=-2, keepdims=True))
    if mask is not None:
        x = jnp.where(mask, x, 0.0)  # 0 * inf is not a number, nor would be the derivative by κ
    x = precision[i] * x
    if mask is not None:
        x = jnp.where(mask, x, -jnp.inf)
    return jax.nn.softmax(x, axis=-2)


def _together(
    q: Array, stage: Stage, precision: Array, ok: list[Array | None]
) -> tuple[Array, Array]:
    """A bracket: the principal branch of the logit equilibrium of its one-shot game."""
    players = stage.players
    order = [k for i in players for k, party in enumerate(stage.parties) if party == i]
    counts = [
        math.prod(n for n, party in zip(stage.sizes, stage.parties, strict=True) if party == i)
        for i in players
    ]
    lead, points = q.shape[:-4], q.shape[-1]
    u = q[..., list(players), :, :, :]  # [..., player, before, size, point]
    scale = precision[jnp.array(players)][:, None, None, None]
    u = (u * scale).reshape(*lead, len(players), stage.before, *stage.sizes, points)
    base = len(lead) + 2
    axes = [*range(base), *(base + k for k in order), base + len(order)]
    u = u.transpose(axes)
    # players' own joint choices become one axis each; everything else is batch
    u = u.reshape(*lead, len(players), stage.before, *counts, points)
    batch = (*lead, stage.before, points)
    n = len(players)
    front = [len(lead), *range(len(lead) + 2, len(lead) + 2 + n)]
    rest = [k for k in range(u.ndim) if k not in front]
    u = u.transpose([*front, *rest]).reshape(n, *counts, math.prod(batch))
    allowed = [_player_mask(stage, ok, i, batch, c) for i, c in zip(players, counts, strict=True)]
    strategies, failed = logit_equilibrium(u, allowed)
    joint = jnp.ones((1, math.prod(batch)))
    for s in strategies:
        joint = (joint[:, None, :] * s[None, :, :]).reshape(-1, math.prod(batch))
    # back to the decisions' own order
    sizes = [stage.sizes[k] for k in order]
    back = [order.index(k) for k in range(len(order))]
    joint = joint.reshape(*sizes, *batch)
    joint = joint.transpose([*back, *range(len(sizes), len(sizes) + len(batch))])
    joint = joint.reshape(stage.size, *batch)
    return jnp.moveaxis(joint, 0, -2), failed


def _player_mask(
    stage: Stage, ok: list[Array | None], player: int, batch: tuple[int, ...], count: int
) -> Array | None:
    """The mask of one player's joint choices in a bracket, [choice, batch]."""
    own = [k for k, party in enumerate(stage.parties) if party == player]
    if all(ok[k] is None for k in own):
        return None
    out = jnp.ones((1, *batch), bool)
    for k in own:
        n = stage.sizes[k]
        x = ok[k]
        if x is None:
            one = jnp.ones((n, *batch), bool)
        else:
            lead = x.shape[: x.ndim - len(stage.sizes) - 2]
            x = x.reshape(*lead, x.shape[len(lead)], n, x.shape[-1])
            one = jnp.moveaxis(x, -2, 0)
            one = jnp.broadcast_to(one, (n, *batch))
        out = (out[:, None] & one[None]).reshape(-1, *batch)
    return out.reshape(count, -1)
