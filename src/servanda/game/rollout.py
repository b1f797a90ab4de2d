"""What are positions at the start worth, if play is followed instead of trusting the grid?

In: a solved world, and the regimes it may start in. Out: what is to be added to their values.

Between grid points values are a little off, and over hundreds of periods this adds up. Choices hang
on differences, which are off by less. So play is followed from the actual start on exact states,
and what the grid's values V miss on the way is added up:

    value = V(x_0) + E sum_t d^t [u(x_t) + d E V(x_t+1) - V(x_t)],

where u is the flow and d the patience. This holds for any V whatever, for the sum is telescoping;
moves and events are averaged over in the brackets, not drawn, so there is no noise where V is right
(the approximating martingale of Henderson and Glynn 2002, Mathematics of Operations Research 27).
So worth by interest is read off the same paths, with values by interest from a
coarser grid (`Split`), and the game is never solved for every interest on a fine one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.game.build import Game
from servanda.game.period import Method, channel_party, sign
from servanda.game.reach import epoch_of
from servanda.game.states import (
    Split,
    answered,
    at_states,
    drawn,
    first_phase,
    live_among,
    met_rows,
    row_table,
    stepped,
    values_at,
)
from servanda.game.tables import Parameters


class _Path(NamedTuple):
    regime: Array  # [n]
    phase: Array  # [n]
    x: Array  # [stock, n]
    counts: Array  # [channel] what this period counts for at the start
    missed: Array  # [channel, n] so far


def starting_regimes(game: Game) -> tuple[int, ...]:
    """The regimes that the first moves are made in: what answers to offers lead to, and no deal."""
    asked = {s.regime: (s.yes, *s.no) for s in game.signings}
    first = {r for roots in game.roots for r in roots.values()}
    return tuple(sorted({m for r in first for m in asked.get(r, (r,))}))


def rollout(
    game: Game,
    method: Method,
    p: Parameters,
    values: Array,
    regimes: Sequence[int],
    boxes: Array,
    uniforms: Float[Array, "period draw n"],
    split: Split | None = None,
) -> Float[Array, "regime channel"]:
    """What the values before the first moves miss, on n paths from each of some regimes.

    Traced by JAX. `values` are the W of `backward` with `keep`, on `boxes`; there may be more
    periods than up to the horizon. The same random numbers serve every start. No derivatives.
    With `split`, whose values are kept likewise, channels are those of parties and interests.
    """
    values, boxes, p = jax.lax.stop_gradient((values, boxes, p))
    horizon, periods, per_start = game.scenario.horizon, uniforms.shape[0], uniforms.shape[-1]
    starts, given = np.unique(game.alike[list(regimes)], return_inverse=True)
    n = len(starts) * per_start
    met = met_rows(game, starts.tolist(), (False,) * len(starts))
    by_interest = method.by_interest or split is not None
    table, owner = jnp.asarray(row_table(game)), channel_party(game, by_interest)
    everywhere = np.arange(game.regimes)
    stage = game.asking
    of_regime = np.full(game.regimes, -1)
    of_regime[stage.regime] = np.arange(len(stage.regime))
    everybody = np.unique(np.concatenate([stage.yes, stage.no.reshape(-1)]))
    bounds = boxes[epoch_of(game.scenario)]

    def period(s: _Path, item: tuple[Array, dict[int, Array], Array]) -> tuple[_Path, None]:
        t, live, u = item
        here, after = jnp.minimum(t, horizon), jnp.minimum(t + 1, horizon)
        now, calendar = p.at(here), here * 1.0

        def now_worth(method: Method, w: Array) -> tuple[Array, Array]:
            """Coordinates on a grid [n, stock], and values there [channel, n]."""
            coords = method.grid.within(bounds[here]).coordinates(s.x.T)
            # at the start everybody has been asked
            v = jnp.where(t > 0, sign(game, now, w)[0], w)
            found = values_at(game, method, v, everywhere, coords, s.phase, s.regime[None])
            return coords, found[0].T

        def next_on(method: Method) -> Method:
            return replace(method, grid=method.grid.within(bounds[after]))

        w, there = values[here], next_on(method)
        coords, held = now_worth(method, w)
        parts = None
        if split is not None:
            held = split.beside(game, held, now_worth(split.method, split.values[here])[1])
            later, _ = sign(game, p.at(after), split.values[after])
            parts = split._replace(method=next_on(split.method), values=later)
        regime = s.regime
        if len(stage.regime):
            asked = jnp.where(t > 0, jnp.asarray(of_regime)[regime], -1)
            answers, shares = answered(game, method, now, w, everybody, coords, s.phase, asked)
            pick = drawn(shares, u[3])[0][None]
            regime = jnp.where(asked >= 0, jnp.take_along_axis(answers, pick, 0)[0], regime)
        ahead, _ = sign(game, p.at(after), values[after])
        found, new = jnp.zeros_like(s.missed), s._replace(regime=regime)
        for k in met:
            group = game.groups[k]
            row = table[k][regime, s.phase]
            member, row = row >= 0, jnp.maximum(row, 0)
            z = at_states(game, group, there, now, ahead, live[k], row, s.x, calendar, split=parts)
            step = stepped(group, z, row, regime, s.phase, z.probability, u)
            found = jnp.where(member, jnp.sum(z.probability * z.worth, axis=1), found)
            each = new._replace(regime=step.regime, phase=step.phase, x=step.x)
            new = jax.tree.map(
                lambda a, b, member=member: a if a is b else jnp.where(member, a, b), each, new
            )
        missed = s.missed + s.counts[:, None] * (found - held)
        return new._replace(counts=s.counts * now.patience[owner], missed=missed), None

    start = _Path(
        jnp.asarray(np.repeat(starts, per_start)),
        jnp.full(n, first_phase(game)),
        jnp.repeat(p.at(0).start[:, None], n, axis=1),
        jnp.ones(len(owner)),
        jnp.zeros((len(owner), n)),
    )
    live = {k: jnp.asarray(live_among(game.groups[k], rows, periods)) for k, rows in met.items()}
    items = (jnp.arange(periods), live, jnp.tile(uniforms, len(starts)))
    end, _ = jax.lax.scan(period, start, items)
    missed = end.missed.reshape(len(owner), len(starts), per_start).mean(axis=-1)
    return missed.T[given]
