"""The exact course of a finite game: the distribution over positions, carried forward.

In: a solved world of a game without stocks, and a regime to start from. Out: the same `Course` as
sampled paths give, without sampling. Only games without stocks can be done so: a distribution
carried on a grid of stocks would be a random walk of its own.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from servanda.game.build import Game
from servanda.game.paths import (
    KINDS,
    Course,
    breakers,
    per_weight,
    regime_kinds,
)
from servanda.game.period import Method, channel_party, sign
from servanda.game.reasons import given, nowhere, reasons_at
from servanda.game.states import at_states, events, first_phase, row_table, unfounded
from servanda.game.tables import Parameters


def exact_course(
    game: Game,
    method: Method,
    p: Parameters,
    values: Array,
    start: int | Array,
    stay: bool = True,
    watch: tuple[int, ...] = (),
    alarms: bool = True,
    reasons: bool = False,
) -> Course:
    """The course from a regime in the starting phases; see `Course`. Needs a game without stocks.

    With `stay`, a deal that has ended does not come back: who left is counted and play stops.
    Without `alarms` no false alarm happens; play is that of the game as it is. With `reasons` what
    holds parties to their word is gathered too.
    """
    assert not game.stocks
    kinds, names = jnp.asarray(regime_kinds(game)), jnp.asarray(breakers(game)) * 1.0
    table = jnp.asarray(row_table(game))
    owner = channel_party(game, method.by_interest)
    regimes = jnp.repeat(jnp.arange(game.regimes), game.phases)
    phases = jnp.tile(jnp.arange(game.phases), game.regimes)
    n = game.regimes * game.phases
    decisions = game.scenario.decisions
    width = max([len(d.options) for d in decisions] or [1])
    in_force = KINDS.index("in_force")
    inside = kinds[regimes] == in_force
    gone = kinds[regimes] == KINDS.index("broken")
    quiet = None if alarms else np.ones(n, bool)

    stage = game.asking
    signs = [
        k
        for k, m in enumerate(stage.regime)
        if not stay or game.graph.regimes[m].kind == "in_force"
    ]

    def signing(parts: Array, w: Array, now: Parameters) -> Array:
        if not signs:
            return parts
        _, accepted = sign(game, now, w)
        before = parts.reshape(2, game.regimes, game.phases)
        here = before[:, stage.regime[signs]]
        moved = before.at[:, stage.regime[signs]].set(0.0)
        chain = jnp.ones((len(signs), game.phases))
        for j in range(stage.no.shape[1]):
            yes = accepted[np.array(signs), j, :, 0]  # without stocks there is one grid point
            moved = moved.at[:, stage.no[signs, j]].add(here * chain * (1.0 - yes))
            chain = chain * yes
        return apart(moved.at[:, stage.yes[signs]].add(here * chain).reshape(2, n))

    def apart(parts: Array) -> Array:
        """All mass, and of it what is broken by a notice without a breach, while it is broken."""
        return parts.at[1].set(jnp.where(gone, parts[1], 0.0))

    def valued(mass: Array, w: Array) -> tuple[Array, Array]:
        v = w[game.place][:, :, 0]  # [regime, phase, channel]
        moving = jnp.where(inside, mass, 0.0) if stay else mass
        total = jnp.sum(moving)
        by_phase = moving.reshape(game.regimes, game.phases).sum(axis=0)
        others = [per_weight(by_phase @ v[m], total) for m in watch]
        unwatched = jnp.zeros((0, len(owner)))
        own = per_weight(moving @ v.reshape(n, -1), total)
        return own, jnp.stack(others) if others else unwatched

    def tally(parts: Array) -> tuple[Array, Array, Array]:
        by_kind = jax.nn.one_hot(kinds[regimes], len(KINDS), axis=0) @ parts[0]
        return by_kind, parts[0] @ names[regimes], parts[1] @ names[regimes]

    def period(parts: Array, item: Any) -> tuple[Array, Any]:
        w, w_next, t, live = item
        now = p.at(t)
        parts = signing(parts, w, now)
        tallied = tally(parts)
        worth, seen = valued(parts[0], w)
        going = jnp.where(inside, parts, 0.0) if stay else parts
        moving, after = going[0], parts - going
        v, _ = sign(game, p.at(t + 1), w_next)
        flow = jnp.zeros(len(owner))
        moves = jnp.zeros((len(decisions), width))
        why = nowhere(game, len(owner), n) if reasons else None
        for k, group in enumerate(game.groups):
            row = table[k][regimes, phases]
            z = at_states(
                game,
                group,
                method,
                now,
                v,
                live[k],
                jnp.maximum(row, 0),
                jnp.zeros((0, n)),
                t,
                quiet=quiet,
            )
            event, successor = (
                jnp.moveaxis(x, (0, 1), (2, 1))
                for x in events(group, z, jnp.maximum(row, 0), regimes, z.pattern)
            )  # [event, a, n]
            own, wrong = jnp.where(row >= 0, going, 0.0)
            false = jnp.asarray(unfounded(group))[jnp.maximum(row, 0)[:, None], z.pattern]
            false = jnp.moveaxis(false, (0, 1), (2, 1))  # [event, a, n]
            flow = flow + jnp.einsum("can,an,n->c", z.flow, z.probability, own)
            # a deal that is broken already can be noticed no more
            each = jnp.stack([jnp.broadcast_to(own, false.shape), wrong + own * false])
            joint = each * z.probability * event  # [2, event, a, n]
            played = jnp.sum(z.probability * own, axis=-1)
            for j in range(len(decisions)):
                moves = moves.at[j, jnp.asarray(group.joint[:, j])].add(played)
            if z.branch is None:
                after = after.at[:, successor * game.phases + z.target[0]].add(joint)
            else:
                for b in range(z.branch.shape[0]):
                    to = successor * game.phases + z.target[b]
                    after = after.at[:, to].add(joint * z.branch[b])
            if why is not None:
                found = reasons_at(game, group, z, jnp.maximum(row, 0))
                why = jax.tree.map(functools.partial(jnp.where, row >= 0), found, why)
        if why is not None:
            total = jax.tree.map(lambda x: jnp.sum(x * moving, axis=-1), why)
            why = given(total, jnp.sum(moving))
        means = (per_weight(x, jnp.sum(moving)) for x in (flow, moves))
        return apart(after), (*tallied, *means, worth, seen, why)

    parts = jnp.zeros((2, n)).at[0, start * game.phases + first_phase(game)].set(1.0)
    horizon = game.scenario.horizon
    items = (
        values[:-1],
        values[1:],
        jnp.arange(horizon) * 1.0,
        [jnp.asarray(np.sort(g.live[:horizon], axis=1)) for g in game.groups],
    )
    parts, (*tallied, flow, moves, value, seen, why) = jax.lax.scan(period, parts, items)
    parts = signing(parts, values[-1], p.at(horizon))
    final, final_seen = valued(parts[0], values[-1])
    regime, broken, accused = (
        jnp.concatenate([x, last[None]]) for x, last in zip(tallied, tally(parts), strict=True)
    )
    return Course(
        regime,
        broken,
        accused,
        flow,
        jnp.zeros((horizon + 1, 0)),
        moves,
        jnp.zeros(len(owner)),
        jnp.concatenate([value, final[None]]),
        jnp.concatenate([seen, final_seen[None]]),
        why,
    )
