"""What happens after the signature, on exact states.

In: a solved world and a regime to start from. Out: over time, the probability of each regime, who
breaks the deal, flows, stocks and moves. With stocks, paths are drawn with common random numbers
and never touch the grid: at every step the choice probabilities are computed afresh from the
interpolated values at the exact next states. A path that follows the deal while it is in force
carries the probability that it still is (no coin is tossed), so survival has little noise. Without
stocks the distribution over positions is carried forward exactly.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.game.build import Game
from servanda.game.period import Method, channel_party, sign
from servanda.game.positions import Group
from servanda.game.reach import epoch_of
from servanda.game.reasons import Reasons, given, nowhere, reasons_at
from servanda.game.states import (
    Position,
    answered,
    at_states,
    drawn,
    first_phase,
    live_among,
    met_rows,
    row_table,
    stepped,
    unfounded,
    values_at,
)
from servanda.game.tables import Parameters

KINDS = ("never", "unsigned", "in_force", "broken", "expired")


class Course(NamedTuple):
    """What happens, by period 0..T (regimes, at the start of each) or 0..T-1 (flows and moves).

    `regime` are probabilities of each of `KINDS`; `broken` the probability that the deal has been
    broken by each obligation, and `accused` the part of it that was a notice without a breach;
    flows, stocks and moves are means. When following the deal (`stay`), flows, stocks, moves and
    values are given that it is in force: NaN once it cannot be.
    """

    regime: Float[Array, "period kind"]
    broken: Float[Array, "period obligation"]
    accused: Float[Array, "period obligation"]
    flow: Float[Array, "period channel"]
    stock: Float[Array, "period stock"]
    moves: Float[Array, "period decision option"]
    after_break: Float[Array, " channel"]  # value from the start, summed over paths that break
    value: Float[Array, "period channel"]  # of what is still to come, along the course
    watch: Float[Array, "period watched channel"]  # the same in other regimes at the same stocks
    reasons: Reasons | None = None  # what holds parties to their word, if asked for


class _Paths(NamedTuple):
    regime: Array  # [n]
    phase: Array  # [n]
    x: Array  # [stock, n]
    weight: Array  # [n] probability of still following the deal (1 without `stay`)
    score: Array  # [n] log-likelihood of the draws, for derivatives; its value is never used
    left: Array  # [kind, n] probability of having left into each kind
    broken: Array  # [obligation, n]
    accused: Array  # [obligation, n] the part of it without a breach
    wrongly: Array  # [n] bool: the notice that a path's broken deal ended by was of no breach
    gathered: Array  # [channel, n] discounted flows so far
    after_break: Array  # [channel, n]


def regime_kinds(game: Game) -> np.ndarray:
    """[regime] index into `KINDS`."""
    return np.array([KINDS.index(r.kind) for r in game.graph.regimes], np.int32)


def breakers(game: Game) -> np.ndarray:
    """[regime, obligation] bool: broken by that obligation."""
    names = list(game.scenario.obligations)
    return np.array(
        [[r.kind == "broken" and r.breach == o for o in names] for r in game.graph.regimes], bool
    ).reshape(game.regimes, len(names))


def _ends(game: Game, group: Group, z: Position, row: Array) -> Array:
    """[n, a, end] the probability that a move of a deal in force leaves it in each of `KINDS`,
    broken by each obligation, and broken by each without a breach of it."""
    kinds = np.eye(len(KINDS))[regime_kinds(game)][group.successor]
    broken = breakers(game)[group.successor]
    ends = np.concatenate([kinds, broken, broken & unfounded(group)[..., None]], axis=-1)
    ends[group.absorbing] = np.eye(ends.shape[-1])[KINDS.index("in_force")]
    found = jnp.einsum("hrpe,rpek->hrpk", z.notice, ends)
    return found[z.hearing[:, None], row[:, None], z.pattern]


def _stays_in(kinds: Array, free: Array | None, successor: Array) -> Array:
    """Whether a deal goes on in the regimes that follow; on paths that are `free` it need not."""
    goes_on = kinds[successor] == KINDS.index("in_force")
    return goes_on if free is None else goes_on | free


def simulate_paths(
    game: Game,
    method: Method,
    p: Parameters,
    values: Array,
    starts: Sequence[int],
    stays: Sequence[bool],
    boxes: Array,
    uniforms: Float[Array, "period 4 n"],
    exits: bool = False,
    watch: tuple[int, ...] = (),
    along: bool = True,
    alarms: Sequence[bool] | None = None,
    reasons: bool = False,
) -> Course:
    """Follow `n` paths from each of some regimes: courses with a leading axis of them.

    Traced by JAX. `values` are the W of `backward` with `keep`, on `boxes`. Where it `stays` a path
    follows the deal as long as it is in force; elsewhere it goes wherever the game goes. `exits`
    also gathers what parties get on paths on which the deal breaks. `watch` are regimes whose
    values are wanted at the stocks and phases that the paths come to; without `along` no values
    are read (NaN). Without `alarms` (by start) no false alarm happens; play is that of the game as
    it is. With `reasons` what holds parties to their word is gathered too. The same random numbers
    serve every start.
    """
    per_start = uniforms.shape[-1]
    n = len(starts) * per_start
    uniforms = jnp.tile(uniforms, len(starts))
    met = met_rows(game, starts, stays)
    kinds, names = jnp.asarray(regime_kinds(game)), breakers(game)
    table = jnp.asarray(row_table(game))
    owner = channel_party(game, method.by_interest)
    in_force = KINDS.index("in_force")
    ends_at = np.cumsum([len(KINDS), names.shape[1]])
    width = max([len(d.options) for d in game.scenario.decisions] or [1])
    broken_ones = regime_kinds(game) == KINDS.index("broken") if exits else None
    begin = first_phase(game)
    if p.scheduled:
        discounts = p.discount()[:, owner]
    else:
        discounts = p.patience[owner] ** jnp.arange(game.scenario.horizon)[:, None]

    follows, roams = any(stays), not all(stays)
    both = follows and roams
    stay = jnp.asarray(np.repeat(stays, per_start))  # only looked at if `both`
    quiet = ~np.repeat((True,) * len(starts) if alarms is None else alarms, per_start)

    def total(x: Array) -> Array:
        """Summed over each start's own paths: [..., n] to [..., start]."""
        return x.reshape(*x.shape[:-1], len(starts), per_start).sum(axis=-1)

    stage = game.asking
    of_regime = np.full(game.regimes, -1)
    of_regime[stage.regime] = np.arange(len(stage.regime))
    forced = np.array([r.kind == "in_force" for r in game.graph.regimes])
    if not roams:
        of_regime[~forced] = -1

    relevant = np.unique(of_regime[of_regime >= 0])
    asked_for = np.concatenate([stage.yes[relevant], stage.no[relevant].reshape(-1)])
    kept = forced | roams
    lived = np.unique([*np.flatnonzero(kept), *starts, *watch])

    def signing(s: _Paths, w: Array, box: Array, u: Array, now: Parameters) -> _Paths:
        if not (of_regime >= 0).any():
            return s
        # a party that refuses is not asked twice in a period
        asked = jnp.asarray(of_regime)[s.regime]
        if both:
            asked = jnp.where(stay & ~jnp.asarray(forced)[s.regime], -1, asked)
        coords = method.grid.within(box).coordinates(s.x.T)
        answers, shares = answered(game, method, now, w, asked_for, coords, s.phase, asked)
        here, yes, no = asked >= 0, answers[0], answers[1:]

        def following() -> _Paths:
            left = s.left
            for j, share in enumerate(shares[1:]):
                leaves = jnp.where(here, s.weight * share, 0.0)
                left = left + jax.nn.one_hot(kinds[no[j]], len(KINDS), axis=0) * leaves
            return s._replace(
                left=left,
                weight=jnp.where(here, s.weight * shares[0], s.weight),
                regime=jnp.where(here, yes, s.regime),
            )

        def roaming() -> _Paths:
            pick = drawn(shares, u)[0][None]
            goal = jnp.take_along_axis(answers, pick, 0)[0]
            likely = jnp.log(jnp.take_along_axis(shares, pick, 0)[0])
            return s._replace(
                regime=jnp.where(here, goal, s.regime),
                score=s.score + jnp.where(here, likely, 0.0),
            )

        if both:
            either: _Paths = jax.tree.map(
                functools.partial(jnp.where, stay), following(), roaming()
            )
            return either
        return following() if follows else roaming()

    def valued(s: _Paths, w: Array, box: Array) -> tuple[Array, Array]:
        """Values of what is still to come: [channel, start], and watched [m, channel, start]."""
        if not along:
            nothing = jnp.full((len(owner), len(starts)), jnp.nan)
            return nothing, jnp.zeros((0, len(owner), len(starts)))
        coords = method.grid.within(box).coordinates(s.x.T)
        regimes = jnp.stack([s.regime, *(jnp.full(n, m) for m in watch)])
        alive = _box(s.score) * s.weight
        found = values_at(game, method, w, lived, coords, s.phase, regimes)
        means = per_weight(total(jnp.moveaxis(found, 1, -1) * alive), total(alive))
        return means[0], means[1:]

    def tally(s: _Paths) -> tuple[Array, Array, Array]:
        """The probability of each kind of regime, and of being broken by each obligation: in all,
        and without a breach of it."""
        box = _box(s.score)
        alive = box * s.weight
        here = jax.nn.one_hot(kinds[s.regime], len(KINDS), axis=0)
        ends = [box * s.broken, box * s.accused]
        if roams:
            gone = jnp.asarray(names)[s.regime].T * alive
            ends = [ends[0] + gone, ends[1] + jnp.where(s.wrongly, gone, 0.0)]
        by_kind = total(here * alive + box * s.left) / per_start
        return by_kind, total(ends[0]) / per_start, total(ends[1]) / per_start

    def period(s: _Paths, item: Any) -> tuple[_Paths, Any]:
        w, w_next, box, box_next, t, live, u = item
        now = p.at(t)
        s = signing(s, w, box, u[3], now)
        there = replace(method, grid=method.grid.within(box_next))
        worth, seen = valued(s, w, box)
        alive = _box(s.score) * s.weight
        tallied = tally(s)
        v, _ = sign(game, p.at(t + 1), w_next)
        counts = discounts[jnp.asarray(t, int)][:, None]
        new = s
        flow_now = jnp.zeros((len(owner), n))
        moves = jnp.zeros((len(game.scenario.decisions), width, len(starts)))
        why = nowhere(game, len(owner), n) if reasons else None
        for k in met:
            group = game.groups[k]
            row = table[k][s.regime, s.phase]
            member = row >= 0
            row = jnp.maximum(row, 0)
            z = at_states(
                game, group, there, now, v, live[k], row, s.x, t, broken_ones, quiet=quiet
            )
            # the move and what is noticed of it, given that the deal stays in force if it must
            share = z.probability
            if follows or exits:
                ends = _ends(game, group, z, row)
            if follows:
                inside = ends[..., in_force].T
                share = share * (jnp.where(stay, inside, 1.0) if both else inside)
            keep = jnp.sum(share, axis=0)
            stays_in = None
            if follows:
                stays_in = functools.partial(_stays_in, kinds, ~stay if both else None)
            point = jnp.arange(n)
            step = stepped(group, z, row, s.regime, s.phase, share, u, stays_in)
            chance = step.chance
            score = jnp.log(jnp.where(keep > 0, chance / jnp.where(keep > 0, keep, 1.0), 1.0))
            score = score + step.score
            flow = jnp.sum(z.probability[None] * z.flow, axis=1)
            left, gone, accused = s.left, s.broken, s.accused
            after = s.after_break
            if follows:
                gone_to = jnp.einsum("an,nak->kn", z.probability, ends) * s.weight
                gone_to = jnp.where(stay, gone_to, 0.0) if both else gone_to
                by_kind, by_duty, wrongly = jnp.split(gone_to, ends_at)
                left = left + by_kind.at[in_force].set(0.0)
                gone, accused = gone + by_duty, accused + wrongly
            if exits:
                share = z.probability * ends[..., KINDS.index("broken")].T
                soon = jnp.sum(share[None] * z.flow, 1)
                later = now.patience[owner][:, None] * jnp.sum(z.probability * z.exit_value, 1)
                then = counts * (soon + later)
                after = after + s.weight * (s.gathered * jnp.sum(share, 0) + then)
            gathered = s.gathered + counts * z.flow[:, step.move, point]
            each = _Paths(
                step.regime,
                step.phase,
                step.x,
                s.weight * (jnp.where(stay, keep, 1.0) if both else keep) if follows else s.weight,
                s.score + score,
                left,
                gone,
                accused,
                jnp.where(kinds[s.regime] == in_force, step.unfounded, s.wrongly),
                gathered,
                after,
            )
            new = jax.tree.map(functools.partial(jnp.where, member), each, new)
            flow_now = jnp.where(member, flow, flow_now)
            played = total(jnp.where(member, z.probability, 0.0) * alive)
            for j in range(len(game.scenario.decisions)):
                moves = moves.at[j, jnp.asarray(group.joint[:, j])].add(played)
            if why is not None:
                here = reasons_at(game, group, z, row)
                why = jax.tree.map(functools.partial(jnp.where, member), here, why)
        if why is not None:
            why = given(jax.tree.map(lambda x: total(x * alive), why), total(alive))
        sums = (total(flow_now * alive), total(s.x * alive), moves)
        means = (per_weight(x, total(alive)) for x in sums)
        return new, (*tallied, *means, worth, seen, why)

    zero = jnp.zeros(n)
    s = _Paths(
        jnp.asarray(np.repeat(starts, per_start)),
        jnp.full(n, begin),
        jnp.repeat(p.at(0).start[:, None], n, axis=1),
        zero + 1.0,
        zero,
        jnp.zeros((len(KINDS), n)),
        jnp.zeros((names.shape[1], n)),
        jnp.zeros((names.shape[1], n)),
        jnp.zeros(n, bool),
        jnp.zeros((len(owner), n)),
        jnp.zeros((len(owner), n)),
    )
    horizon = game.scenario.horizon
    bounds = boxes[epoch_of(game.scenario)]
    items = (
        values[:-1],
        values[1:],
        bounds[:-1],
        bounds[1:],
        jnp.arange(horizon) * 1.0,
        {k: jnp.asarray(live_among(game.groups[k], rows, horizon)) for k, rows in met.items()},
        uniforms,
    )
    s, (*tallied, flow, stock, moves, value, seen, why) = jax.lax.scan(
        jax.checkpoint(period), s, items
    )
    s = signing(s, values[-1], bounds[-1], jnp.full(n, 0.5), p.at(horizon))
    final, final_seen = valued(s, values[-1], bounds[-1])
    alive = _box(s.score) * s.weight
    regime, broken, accused = (
        jnp.concatenate([x, last[None]]) for x, last in zip(tallied, tally(s), strict=True)
    )
    found = Course(
        regime,
        broken,
        accused,
        flow,
        jnp.concatenate([stock, per_weight(total(s.x * alive), total(alive))[None]]),
        moves,
        total(_box(s.score) * s.after_break) / per_start,
        jnp.concatenate([value, final[None]]),
        jnp.concatenate([seen, final_seen[None]]),
        why,
    )
    by_start: Course = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), found)
    return by_start


def per_weight(total: Array, weight: Array) -> Array:
    """A mean from a sum; NaN where nothing is left to take a mean of, with derivative 0."""
    return jnp.where(weight > 0, total / jnp.where(weight > 0, weight, 1.0), jnp.nan)


def _box(score: Array) -> Array:
    """1, whose derivative is that of the log-likelihood (Foerster et al. 2018, DiCE)."""
    return jnp.exp(score - jax.lax.stop_gradient(score))
