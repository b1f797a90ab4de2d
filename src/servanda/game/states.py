"""What happens in one period at exact states, off the grid?

In: the values that a world was solved for, and positions: regimes, phases and stocks, one a path.
Out: the values there, interpolated; the answers to offers and the moves chosen by them, afresh; and
a draw of what follows. Courses (`paths`) and games without
stocks (`distribution`) are made of these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from servanda.game.build import Game
from servanda.game.choice import Policy, joint_probability, play, stages
from servanda.game.interpolate import interpolate
from servanda.game.period import (
    Method,
    accept_probability,
    channel_party,
    expected,
    notice_probability,
)
from servanda.game.positions import Group
from servanda.game.tables import Parameters, evaluate_group, path_places


def first_phase(game: Game) -> int:
    start = tuple(p.start for p in game.scenario.phases.values())
    return game.phase_values.index(start)


def row_table(game: Game) -> np.ndarray:
    """[group, regime, phase] the row of a position in a group, or -1."""
    out = np.full((len(game.groups), game.regimes, game.phases), -1, np.int32)
    for k, group in enumerate(game.groups):
        out[k, group.rows[:, 0], group.rows[:, 1]] = np.arange(len(group.rows))
    return out[:, game.alike]


def met_rows(game: Game, starts: Sequence[int], stays: Sequence[bool]) -> dict[int, np.ndarray]:
    """The rows of groups that paths from some regimes can meet."""
    met: dict[int, np.ndarray] = {}
    for stay in set(stays):
        some = [m for m, s in zip(starts, stays, strict=True) if s == stay]
        for k, rows in game.visited(some, stay).items():
            met[k] = np.union1d(met[k], rows) if k in met else rows
    return met


def live_among(group: Group, rows: np.ndarray, periods: int) -> Int[np.ndarray, "period row"]:
    """Those of some rows that are in play in each period, in order, the last one repeated."""
    # where there is none, nothing that is computed of it will be used
    past = len(group.live) - 1
    each = [np.intersect1d(group.live[min(t, past)], rows) for t in range(periods)]
    each = [x if len(x) else rows[:1] for x in each]
    most = max(len(x) for x in each)
    padded = [np.append(x, np.repeat(x[-1], most - len(x))) for x in each]
    return np.array(padded, np.int32)


def value_at_start(game: Game, method: Method, p: Parameters, w: Array, boxes: Array) -> Array:
    """W at the actual starting point, in the starting phases: [regime, channel]."""
    x = method.grid.within(boxes[0]).coordinates(p.at(0).start)[None, None, None]
    which = jnp.arange(game.regimes, dtype=jnp.int32)[:, None]
    zero = jnp.zeros(game.regimes, jnp.int32)
    start = w[game.place, first_phase(game)]
    return interpolate(start, x, zero, which, method.grid.levels, method.scheme)[:, :, 0, 0]


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
    solved = np.unique(game.place[among])
    place = np.zeros(game.regimes, np.int32)
    place[among] = np.searchsorted(solved, game.place[among])
    which = (jnp.asarray(place)[regimes] * w.shape[1] + phase).T.astype(jnp.int32)  # [n, m]
    points = jnp.broadcast_to(coords[:, None, None], (n, len(regimes), 1, coords.shape[-1]))
    everyone = jnp.arange(n, dtype=jnp.int32)
    flat = w[solved].reshape(-1, *w.shape[2:])
    out = interpolate(flat, points, everyone, which, method.grid.levels, method.scheme)
    return jnp.moveaxis(out[..., 0], (0, 1, 2), (1, 2, 0))


class Position(NamedTuple):
    """One group's moves at the paths' exact states."""

    probability: Array  # [a, n]
    flow: Array  # [channel, a, n]
    worth: Array  # [channel, a, n] that, and the value of what follows
    arrival: Array  # [draw, a, n, stock]
    draw: Array  # [draw]
    branch: Array | None  # [branch, a, n]
    notice: Array  # [hearing, row, pattern, event] probability of each event; 1: no false alarms
    hearing: Array  # [n] which of these holds for a path
    pattern: Array  # [n, a] which pattern of breaches a move makes
    target: Array  # [branch, n] phase
    exit_value: Array  # [channel, a, n] expected value of what follows in regimes asked for, or 0
    policy: Policy  # of every stage, [before, size, n]
    allowed: Array  # [decision, option, n or 1] the options that terms, phases and binds leave open
    open: dict[int, Array]  # decision -> [a, n] whether its option may be taken at these stocks


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
    exits: np.ndarray | None = None,
    quiet: Bool[np.ndarray, " n"] | None = None,
) -> Position:
    """Choice probabilities and consequences for paths at rows [n] of a group; x is [stock, n].

    `v` are values before the signing of the next period, on the grid of `method`. `exits` [regime]
    says for which regimes what follows in them is wanted apart. On `quiet` paths no false alarm
    happens, though everybody chooses as if it might.
    """
    n = row.shape[0]
    places = path_places(game, group, row)
    tables = evaluate_group(game, places, p, x, period, method.by_interest)
    arrival = tables.arrival  # [draw, a, n, stock]
    draws, a, _, k = arrival.shape
    notice = notice_probability(group, p)
    # rows out of play are found nowhere: what is computed for them is never used
    at = jnp.minimum(jnp.searchsorted(live, row), len(live) - 1).astype(jnp.int32)
    branch = None if tables.branch is None else jnp.moveaxis(tables.branch, -1, 0)[..., None]
    everyone = jnp.arange(n, dtype=jnp.int32)

    def ahead(notice: Array) -> Array:
        points = method.grid.coordinates(jnp.moveaxis(arrival, 2, 0)).reshape(n, draws * a, 1, k)
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
    heard = [notice]
    hearing = jnp.zeros(n, jnp.int32)
    if quiet is not None and quiet.any():
        heard.append(notice_probability(group, p, alarms=False))
        hearing = jnp.asarray(quiet, jnp.int32)
    exit_value = jnp.zeros(())
    if exits is not None:
        out = jnp.asarray(exits)[jnp.asarray(group.successor)]
        each = jnp.stack([ahead(x * out) for x in heard])
        exit_value = jnp.moveaxis(each, -1, 0)[everyone, hearing]
        exit_value = jnp.moveaxis(exit_value, 0, -1)
    return Position(
        probability,
        tables.flow,
        q,
        arrival,
        tables.draw,
        tables.branch,
        jnp.stack(heard),
        hearing,
        jnp.asarray(group.pattern)[row],
        jnp.asarray(group.next_phase)[row].T,
        exit_value,
        policy,
        allowed,
        tables.open,
    )


def events(
    group: Group, z: Position, row: Array, regime: Array, pattern: Array
) -> tuple[Array, Array]:
    """What can happen at `pattern` [n, ...] of breaches: probability and regime, [n, ..., event].

    `regime` [n] is the paths' own, of which `row` [n] may stand for several.
    """
    lead = (-1, *(1,) * (pattern.ndim - 1))
    chance = z.notice[z.hearing.reshape(lead), row.reshape(lead), pattern]
    stays = jnp.asarray(group.absorbing)[row].reshape(*lead, 1)
    after = jnp.asarray(group.successor)[row.reshape(lead), pattern]
    return chance, jnp.where(stays, regime.reshape(*lead, 1), after)


def unfounded(group: Group) -> Bool[np.ndarray, "row pattern event"]:
    """Whether an event is a notice of a duty that was not breached."""
    others = group.successor.shape[-1] - group.breached.shape[-1]  # nobody; blame is forgotten
    nothing = np.zeros((*group.breached.shape[:2], others), bool)
    return np.concatenate([~group.breached, nothing], axis=-1)


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


class Step(NamedTuple):
    """What was drawn for each path, [n] or [stock, n]."""

    move: Array
    chance: Array  # of the move and of what is noticed of it
    score: Array  # log-likelihood of the phase that follows
    regime: Array
    phase: Array
    x: Array
    unfounded: Array  # what was noticed was no breach


def stepped(
    group: Group,
    z: Position,
    row: Array,
    regime: Array,
    phase: Array,
    share: Array,
    u: Float[Array, "draw n"],
    among: Callable[[Array], Array] | None = None,
) -> Step:
    """Draw a move out of `share` [a, n], what is noticed of it, the next phase and the stocks.

    `among` says of the regimes that may follow, [event, n], which are not ruled out.
    """
    point = jnp.arange(share.shape[1])
    a, rest = drawn(share, u[0])
    pattern = z.pattern[point, a]
    noticed, successor = events(group, z, row, regime, pattern[:, None])
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
    wrong = jnp.asarray(unfounded(group))[row, pattern, e]
    return Step(a, chance, score, successor[e, point], phase, z.arrival[d, a, point].T, wrong)
