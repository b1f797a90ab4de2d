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
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from servanda.game.build import Game, Group
from servanda.game.choice import joint_probability, play, stages
from servanda.game.interpolate import interpolate
from servanda.game.period import (
    Method,
    accept_probability,
    channel_party,
    expected,
    notice_probability,
    sign,
)
from servanda.game.reach import epoch_of
from servanda.game.tables import Parameters, evaluate_group, path_places

KINDS = ("never", "unsigned", "in_force", "broken", "expired")


class Course(NamedTuple):
    """What happens, by period 0..T (regimes, at the start of each) or 0..T-1 (flows and moves).

    `regime` are probabilities of each of `KINDS`; `broken` the probability that the deal has been
    broken by each obligation; flows, stocks and moves are means. When following the deal
    (`stay`), flows, stocks, moves and values are given that it is in force: NaN once it cannot be.
    """

    regime: Float[Array, "period kind"]
    broken: Float[Array, "period obligation"]
    flow: Float[Array, "period channel"]
    stock: Float[Array, "period stock"]
    moves: Float[Array, "period decision option"]
    after_break: Float[Array, " channel"]  # value from the start, summed over paths that break
    value: Float[Array, "period channel"]  # of what is still to come, along the course
    watch: Float[Array, "period watched channel"]  # the same in other regimes at the same stocks


class _Paths(NamedTuple):
    regime: Array  # [n]
    phase: Array  # [n]
    x: Array  # [stock, n]
    weight: Array  # [n] probability of still following the deal (1 without `stay`)
    score: Array  # [n] log-likelihood of the draws, for derivatives; its value is never used
    left: Array  # [kind, n] probability of having left into each kind
    broken: Array  # [obligation, n]
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


class _Position(NamedTuple):
    """One group's moves at the paths' exact states."""

    probability: Array  # [a, n]
    flow: Array  # [channel, a, n]
    worth: Array  # [channel, a, n] that, and the value of what follows
    arrival: Array  # [draw, a, n, stock]
    draw: Array  # [draw]
    branch: Array | None  # [branch, a, n]
    notice: Array  # [row, pattern, event] probability of each event
    pattern: Array  # [n, a] which pattern of breaches a move makes
    target: Array  # [branch, n] phase
    broken_value: Array  # [channel, a, n] expected value of what follows, if the deal breaks here


def at_states(
    game: Game,
    group: Group,
    method: Method,
    p: Parameters,
    v: Array,
    live: Array,
    row: Array,
    x: Array,
    period: Array,
    exits: bool,
) -> _Position:
    """Choice probabilities and consequences for paths at rows [n] of a group; x is [stock, n]."""
    n = row.shape[0]
    places = path_places(game, group, row)
    tables = evaluate_group(game, places, p, x, period, method.by_interest)
    arrival = tables.arrival  # [draw, a, n, stock]
    draws, a, _, k = arrival.shape
    points = method.grid.coordinates(jnp.moveaxis(arrival, 2, 0)).reshape(n, draws * a, 1, k)
    notice = notice_probability(group, p)
    # rows out of play are found nowhere: what is computed for them is never used
    at = jnp.minimum(jnp.searchsorted(live, row), len(live) - 1).astype(jnp.int32)
    branch = None if tables.branch is None else jnp.moveaxis(tables.branch, -1, 0)[..., None]
    everyone = jnp.arange(n, dtype=jnp.int32)

    def ahead(notice: Array) -> Array:
        out = expected(
            game, group, method, v, notice, live, at, points, everyone, tables.draw, branch
        )
        return jnp.moveaxis(out[..., 0], 0, -1)  # [channel, a, n]

    discount = p.patience[channel_party(game, method.by_interest)][:, None, None]
    q = tables.flow + discount * ahead(notice)
    allowed = jnp.moveaxis(jnp.asarray(group.allowed)[row], 0, -1)
    plan = stages(game, group)
    _, policy, _ = play(q, group, plan, p.precision, allowed, tables.open)
    probability = jnp.broadcast_to(joint_probability(plan, policy, group.moves), (a, n))
    broken_value = jnp.zeros(())
    if exits:
        breaks = jnp.asarray(regime_kinds(game) == KINDS.index("broken"))
        broken_value = ahead(notice * breaks[jnp.asarray(group.successor)])
    return _Position(
        probability,
        tables.flow,
        q,
        arrival,
        tables.draw,
        tables.branch,
        notice,
        jnp.asarray(group.pattern)[row],
        jnp.asarray(group.next_phase)[row].T,
        broken_value,
    )


def events(
    group: Group, z: _Position, row: Array, regime: Array, pattern: Array
) -> tuple[Array, Array]:
    """What can happen at `pattern` [n, ...] of breaches: probability and regime, [n, ..., event].

    `regime` [n] is the paths' own, of which `row` [n] may stand for several.
    """
    lead = (-1, *(1,) * (pattern.ndim - 1))
    chance = z.notice[row.reshape(lead), pattern]
    stays = jnp.asarray(group.absorbing)[row].reshape(*lead, 1)
    after = jnp.asarray(group.successor)[row.reshape(lead), pattern]
    return chance, jnp.where(stays, regime.reshape(*lead, 1), after)


def _ends(game: Game, group: Group, z: _Position, row: Array) -> Array:
    """[n, a, end] the probability that a move of a deal in force leaves it in each of `KINDS`,
    and broken by each obligation."""
    kinds = np.eye(len(KINDS))[regime_kinds(game)]
    ends = np.concatenate([kinds, breakers(game)], axis=1)[group.successor]
    ends[group.absorbing] = np.eye(ends.shape[-1])[KINDS.index("in_force")]
    found = jnp.einsum("rpe,rpek->rpk", z.notice, ends)
    return found[row[:, None], z.pattern]


def row_table(game: Game) -> np.ndarray:
    """[group, regime, phase] the row of a position in a group, or -1."""
    out = np.full((len(game.groups), game.regimes, game.phases), -1, np.int32)
    for k, group in enumerate(game.groups):
        out[k, group.rows[:, 0], group.rows[:, 1]] = np.arange(len(group.rows))
    return out[:, game.alike]


def answered(
    game: Game,
    method: Method,
    p: Parameters,
    w: Array,
    among: np.ndarray,
    coords: Array,
    phase: Array,
    asked: Array,
) -> tuple[Array, Array]:
    """What an offer leads to at the paths' states: regimes and their probability, [answer, n].

    The first answer is that all sign; then, that the j-th signatory is the first to refuse.
    `asked` [n] is the stage of `game.asking`, and anything below 0 where nobody is asked. `among`
    are all regimes that answers lead to.
    """
    stage, k = game.asking, jnp.maximum(asked, 0)
    yes, no = jnp.asarray(stage.yes)[k], jnp.asarray(stage.no)[k].T
    answers = jnp.concatenate([yes[None], no])
    ahead, *after = values_at(game, method, w, among, coords, phase, answers)
    accept: list[Array] = []
    for j in reversed(range(len(no))):
        refusing = after[j]
        q = accept_probability(p, jnp.asarray(stage.party[:, j])[k], ahead, refusing)
        q = jnp.where(jnp.asarray(stage.asked[:, j])[k], q, 1.0)
        ahead = q[:, None] * ahead + (1 - q[:, None]) * refusing
        accept.insert(0, q)
    chain = jnp.ones(len(asked))
    refused = []
    for q in accept:
        refused.append(chain * (1 - q))
        chain = chain * q
    return answers, jnp.stack([chain, *refused])


class _Step(NamedTuple):
    """What was drawn for each path, [n] or [stock, n]."""

    move: Array
    chance: Array  # of the move and of what is noticed of it
    score: Array  # log-likelihood of the phase that follows
    regime: Array
    phase: Array
    x: Array


def stepped(
    group: Group,
    z: _Position,
    row: Array,
    regime: Array,
    phase: Array,
    share: Array,
    u: Float[Array, "draw n"],
    among: Callable[[Array], Array] | None = None,
) -> _Step:
    """Draw a move out of `share` [a, n], what is noticed of it, the next phase and the stocks.

    `among` says of the regimes that may follow, [event, n], which are not ruled out.
    """
    point = jnp.arange(share.shape[1])
    a, rest = drawn(share, u[0])
    noticed, successor = events(group, z, row, regime, z.pattern[point, a][:, None])
    noticed, successor = noticed[:, 0].T, successor[:, 0].T  # [event, n]
    if among is not None:
        noticed = jnp.where(among(successor), noticed, 0.0)
    e, _ = drawn(noticed, rest)
    chance = z.probability[a, point] * noticed[e, point]
    score = jnp.zeros(())
    if z.branch is not None:
        b, _ = drawn(z.branch[:, a, point], u[1])
        phase = z.target[b, point]
        score = jnp.log(jnp.maximum(z.branch[b, a, point], 1e-300))
    d, _ = drawn(jnp.broadcast_to(z.draw[:, None], (z.draw.shape[0], len(point))), u[2])
    return _Step(a, chance, score, successor[e, point], phase, z.arrival[d, a, point].T)


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
) -> Course:
    """Follow `n` paths from each of some regimes: courses with a leading axis of them.

    Traced by JAX. `values` are the W of `backward` with `keep`, on `boxes`. Where it `stays` a path
    follows the deal as long as it is in force; elsewhere it goes wherever the game goes. `exits`
    also gathers what parties get on paths on which the deal breaks. `watch` are regimes whose
    values are wanted at the stocks and phases that the paths come to; without `along` no values
    are read (NaN). The same random numbers serve every start.
    """
    per_start = uniforms.shape[-1]
    n = len(starts) * per_start
    uniforms = jnp.tile(uniforms, len(starts))
    met = met_rows(game, starts, stays)
    kinds, names = jnp.asarray(regime_kinds(game)), breakers(game)
    table = jnp.asarray(row_table(game))
    owner = channel_party(game, method.by_interest)
    in_force = KINDS.index("in_force")
    width = max([len(d.options) for d in game.scenario.decisions] or [1])
    begin = first_phase(game)
    if p.scheduled:
        discounts = p.discount()[:, owner]
    else:
        discounts = p.patience[owner] ** jnp.arange(game.scenario.horizon)[:, None]

    follows, roams = any(stays), not all(stays)
    both = follows and roams
    stay = jnp.asarray(np.repeat(stays, per_start))  # only looked at if `both`

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

    def tally(s: _Paths) -> tuple[Array, Array]:
        """The probability of each kind of regime, and of being broken by each obligation."""
        box = _box(s.score)
        alive = box * s.weight
        here = jax.nn.one_hot(kinds[s.regime], len(KINDS), axis=0)
        gone = box * s.broken
        if roams:
            gone = gone + jnp.asarray(names)[s.regime].T * alive
        return total(here * alive + box * s.left) / per_start, total(gone) / per_start

    def period(s: _Paths, item: Any) -> tuple[_Paths, Any]:
        w, w_next, box, box_next, t, live, u = item
        now = p.at(t)
        s = signing(s, w, box, u[3], now)
        there = replace(method, grid=method.grid.within(box_next))
        worth, seen = valued(s, w, box)
        alive = _box(s.score) * s.weight
        regime, broken = tally(s)
        v, _ = sign(game, p.at(t + 1), w_next)
        counts = discounts[jnp.asarray(t, int)][:, None]
        new = s
        flow_now = jnp.zeros((len(owner), n))
        moves = jnp.zeros((len(game.scenario.decisions), width, len(starts)))
        for k in met:
            group = game.groups[k]
            row = table[k][s.regime, s.phase]
            member = row >= 0
            row = jnp.maximum(row, 0)
            z = at_states(game, group, there, now, v, live[k], row, s.x, t, exits)
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
            left, gone = s.left, s.broken
            after = s.after_break
            if follows:
                gone_to = jnp.einsum("an,nak->kn", z.probability, ends) * s.weight
                gone_to = jnp.where(stay, gone_to, 0.0) if both else gone_to
                left = left + gone_to[: len(KINDS)].at[in_force].set(0.0)
                gone = gone + gone_to[len(KINDS) :]
            if exits:
                share = z.probability * ends[..., KINDS.index("broken")].T
                soon = jnp.sum(share[None] * z.flow, 1)
                later = now.patience[owner][:, None] * jnp.sum(z.probability * z.broken_value, 1)
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
                gathered,
                after,
            )
            new = jax.tree.map(functools.partial(jnp.where, member), each, new)
            flow_now = jnp.where(member, flow, flow_now)
            played = total(jnp.where(member, z.probability, 0.0) * alive)
            for j in range(len(game.scenario.decisions)):
                moves = moves.at[j, jnp.asarray(group.joint[:, j])].add(played)
        sums = (total(flow_now * alive), total(s.x * alive), moves)
        means = (per_weight(x, total(alive)) for x in sums)
        return new, (regime, broken, *means, worth, seen)

    zero = jnp.zeros(n)
    s = _Paths(
        jnp.asarray(np.repeat(starts, per_start)),
        jnp.full(n, begin),
        jnp.repeat(p.at(0).start[:, None], n, axis=1),
        zero + 1.0,
        zero,
        jnp.zeros((len(KINDS), n)),
        jnp.zeros((names.shape[1], n)),
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
    s, (regime, broken, flow, stock, moves, value, seen) = jax.lax.scan(
        jax.checkpoint(period), s, items
    )
    s = signing(s, values[-1], bounds[-1], jnp.full(n, 0.5), p.at(horizon))
    final, final_seen = valued(s, values[-1], bounds[-1])
    alive = _box(s.score) * s.weight
    last, gone = tally(s)
    found = Course(
        jnp.concatenate([regime, last[None]]),
        jnp.concatenate([broken, gone[None]]),
        flow,
        jnp.concatenate([stock, per_weight(total(s.x * alive), total(alive))[None]]),
        moves,
        total(_box(s.score) * s.after_break) / per_start,
        jnp.concatenate([value, final[None]]),
        jnp.concatenate([seen, final_seen[None]]),
    )
    by_start: Course = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), found)
    return by_start


def met_rows(game: Game, starts: Sequence[int], stays: Sequence[bool]) -> dict[int, np.ndarray]:
    """The rows of groups that paths from some regimes can meet."""
    met: dict[int, np.ndarray] = {}
    for stay in set(stays):
        some = [m for m, s in zip(starts, stays, strict=True) if s == stay]
        for k, rows in game.visited(some, stay).items():
            met[k] = np.union1d(met[k], rows) if k in met else rows
    return met


def per_weight(total: Array, weight: Array) -> Array:
    """A mean from a sum; NaN where nothing is left to take a mean of, with derivative 0."""
    return jnp.where(weight > 0, total / jnp.where(weight > 0, weight, 1.0), jnp.nan)


def live_among(group: Group, rows: np.ndarray, periods: int) -> Int[np.ndarray, "period row"]:
    """Those of some rows that are in play in each period, in order, the last one repeated."""
    # where there is none, nothing that is computed of it will be used
    past = len(group.live) - 1
    each = [np.intersect1d(group.live[min(t, past)], rows) for t in range(periods)]
    each = [x if len(x) else rows[:1] for x in each]
    most = max(len(x) for x in each)
    padded = [np.append(x, np.repeat(x[-1], most - len(x))) for x in each]
    return np.array(padded, np.int32)


def _box(score: Array) -> Array:
    """1, whose derivative is that of the log-likelihood (Foerster et al. 2018, DiCE)."""
    return jnp.exp(score - jax.lax.stop_gradient(score))


def drawn(
    probability: Float[Array, "choice n"], u: Float[Array, " n"]
) -> tuple[Int[Array, " n"], Float[Array, " n"]]:
    """The choice at quantile u of every path's distribution, and the quantile of u within it."""
    total = jnp.cumsum(jax.lax.stop_gradient(probability), axis=0)
    point, goal = jnp.arange(probability.shape[1]), u * total[-1]
    pick = jnp.minimum(jnp.sum(total <= goal, axis=0), probability.shape[0] - 1)
    before = jnp.where(pick > 0, total[pick - 1, point], 0.0)
    width = total[pick, point] - before
    rest = (goal - before) / jnp.where(width > 0, width, 1.0)
    return pick, jnp.clip(rest, 0.0, 1 - 1e-15)


def first_phase(game: Game) -> int:
    start = tuple(p.start for p in game.scenario.phases.values())
    return game.phase_values.index(start)


def values_at(
    game: Game,
    method: Method,
    w: Array,
    among: np.ndarray,
    coords: Array,
    phase: Array,
    regimes: Array,
) -> Array:
    """W of some regimes [m, n] at the paths' states: [m, n, channel].

    All `regimes` are `among` these, the others need no slopes.
    """
    n = phase.shape[0]
    solved = np.unique(game.alike[among])
    place = np.zeros(game.regimes, np.int32)
    place[among] = np.searchsorted(solved, game.alike[among])
    which = (jnp.asarray(place)[regimes] * w.shape[1] + phase).T.astype(jnp.int32)  # [n, m]
    points = jnp.broadcast_to(coords[:, None, None], (n, len(regimes), 1, coords.shape[-1]))
    everyone = jnp.arange(n, dtype=jnp.int32)
    flat = w[solved].reshape(-1, *w.shape[2:])
    out = interpolate(flat, points, everyone, which, method.grid.levels, method.scheme)
    return jnp.moveaxis(out[..., 0], (0, 1, 2), (1, 2, 0))


def value_at_start(game: Game, method: Method, p: Parameters, w: Array, boxes: Array) -> Array:
    """W at the actual starting point, in the starting phases: [regime, channel]."""
    x = method.grid.within(boxes[0]).coordinates(p.at(0).start)[None, None, None]
    which = jnp.arange(game.regimes, dtype=jnp.int32)[:, None]
    zero = jnp.zeros(game.regimes, jnp.int32)
    start = w[game.alike, first_phase(game)]
    return interpolate(start, x, zero, which, method.grid.levels, method.scheme)[:, :, 0, 0]
