"""What is the game worth whose calendar stands still, and goes on for ever?

In: one world's operators past the horizon. Out: values that one period more does not change.

Plain sweeps come first: they are longer and longer finite horizons, and pick the solution. By
themselves they come near it no faster than the discount factor, so after every `EVERY` further
sweeps values are extrapolated from how the last ones changed (Anderson mixing, taken in turns with
plain steps: Pratapa, Suryanarayana and Pask 2016), until one more sweep changes little. If that is
never so, play goes round in circles; what a game of `Method.finite` periods is worth is taken then,
after which every position is worth its one period for ever, as it is before the first sweep.
All this is one loop around one sweep, for a program holds every sweep that is written down.

The derivative is that of the fixed point: if w = T(w, θ), then dw = (1 - ∂T/∂w)^-1 ∂T/∂θ dθ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.game.build import Game
from servanda.game.choice import Stage
from servanda.game.period import Method, Operator, channel_party, sign, sweep, value_shape
from servanda.game.positions import Group
from servanda.game.tables import Parameters

EVERY = 3
"""Sweeps from one extrapolation to the next."""

WINDOW = 8
"""The changes an extrapolation looks back on."""

WORSE = 2.0
"""Where sweeps change more than this many times what they did at best, the past is forgotten."""

RIDGE = 1e-8
"""Added to the normal equations of an extrapolation, relative to their diagonal."""


class Tail(NamedTuple):
    """How the stationary value was found."""

    sweeps: Array  # with extrapolation
    left: Array  # [place] what one more changes where it leads: root mean square, in stakes


def stationary(
    game: Game,
    method: Method,
    plans: list[tuple[Stage, ...]],
    ops: list[Operator],
    p: Parameters,
) -> tuple[Array, Tail]:
    """The value before the moves of a period past the horizon, [place, phase, g, channel]."""
    rows = _rows(game)

    live = live_places(game)

    def once(w: Array, ops: list[Operator], p: Parameters, held: Array | None = None) -> Array:
        """A sweep of all live places but those `held` [place]."""
        v, _ = sign(game, p, w)
        if held is not None:
            held = jnp.zeros(game.places * game.phases, bool).at[live].set(held)
        stay = None if held is None else (held, w)
        return sweep(game, method, plans, ops, p, v, rows, keep=False, held=stay)[0]

    fixed_ops, fixed_p = jax.lax.stop_gradient((ops, p))
    owner = channel_party(game, method.by_interest)
    w, tail = _settled(
        lambda w, held: once(w, fixed_ops, fixed_p, held),
        jnp.zeros(value_shape(game, method)),
        live,
        _leads_to(game, rows, live),
        1.0 / _unit(fixed_p)[owner],
        method,
        # far ahead everybody plays as if nothing could change: one period's worth, for ever
        (method.sweeps + 1, 1.0 / (1.0 - fixed_p.patience[owner])),
        method.finite,
    )
    return _attach(once, live, owner, method)(w, ops, p), tail


def stirring_from(game: Game, left: np.ndarray, regimes: Sequence[int]) -> np.ndarray:
    """[world] What one more period changes where play from some regimes comes to, in stakes.

    `left` [world, place] is that of `Tail`.
    """
    if game.scenario.terminal != "stationary":
        return np.zeros(len(left))
    met = game.visited(list(regimes), False)
    ours = [_places(game, game.groups[k])[r] for k, r in met.items()]
    found: np.ndarray = left[:, np.isin(live_places(game), np.concatenate(ours))]
    return found.max(axis=1, initial=0.0)


def _rows(game: Game) -> list[np.ndarray]:
    """Every group's rows that are in play past the horizon."""
    return [np.unique(g.live[game.scenario.horizon]) for g in game.groups]


def live_places(game: Game) -> np.ndarray:
    """The places in play past the horizon, [place], out of `Game.place` * phase."""
    solved = zip(game.groups, _rows(game), strict=True)
    return np.unique(np.concatenate([_places(game, g)[r] for g, r in solved]))


def _places(game: Game, group: Group) -> np.ndarray:
    """[row] where values of a group's rows are kept."""
    found: np.ndarray = game.place[group.rows[:, 0]] * game.phases + group.rows[:, 1]
    return found


def _leads_to(game: Game, rows: list[np.ndarray], live: np.ndarray) -> np.ndarray:
    """[place, place] whether play can come from one live place to another, in any time."""
    index = {int(z): k for k, z in enumerate(live)}
    offered = {s.regime: (s.yes, *s.no) for s in game.signings}
    reached = np.eye(len(live), dtype=bool)
    for group, solved in zip(game.groups, rows, strict=True):
        for r in solved:
            here = index[int(_places(game, group)[r])]
            for m in np.unique(game.alike[group.successor[r]]):
                for after in offered.get(int(m), (int(m),)):
                    for phase in group.next_phase[r]:
                        place = int(game.place[after] * game.phases + phase)
                        if place in index:
                            reached[here, index[place]] = True
    for _ in range(len(live).bit_length()):
        reached = (reached.astype(int) @ reached) > 0
    return reached


def _unit(p: Parameters) -> Array:
    """What a party's utility is measured in: its stakes, if it has any."""
    return jnp.where(p.stakes > 0, p.stakes, 1.0)


PLAIN, MIXED, FINITE, OVER = range(4)
"""What the loop of `_settled` is at: first sweeps, those with extrapolation, the finite game."""


class _Past(NamedTuple):
    """Where the loop is, and the changes from each of the last sweeps to the next (a ring)."""

    stage: Array
    done: Array  # sweeps in this stage
    flat: Float[Array, "place n"]  # what comes next into a sweep
    out: Float[Array, "place n"]  # what came out of the last one
    change: Float[Array, "place n"]  # out less in, scaled
    d_out: Float[Array, "window place n"]
    d_change: Float[Array, "window place n"]
    known: Array  # [place] entries of the ring that count
    lefts: Float[Array, "window place"]  # a ring: what each of the last sweeps changed
    best: Float[Array, "place n"]  # what came out of the sweep that changed least
    least: Array  # [place]
    mark: Array  # [place] what sweeps have to change half as much as, to count as getting on
    since: Array  # [place] sweeps since they last did
    final: Array  # [place] bool: settled or given up; in the finite game: not in it
    end: Float[Array, "place n"]  # what comes after the finite game
    sweeps: Array  # with extrapolation


def _settled(
    once: Callable[[Array, Array], Array],
    w: Array,
    live: np.ndarray,
    leads: np.ndarray,
    scale: Array,
    method: Method,
    begin: tuple[int, Array] | None = None,
    finite: int | None = None,
) -> tuple[Array, Tail]:
    """The fixed point of `once`, from w [place, phase, g, channel] on.

    `once` is told which places are final, and may leave them as they are. Only `live` places
    count; what a sweep changes is measured after multiplication by `scale` [channel]. What is done
    at a place follows what happens at those that it `leads` to, so that nothing depends on what
    else is solved. `begin` is a number of plain sweeps to start with, and what to multiply the
    first one's result by [channel]. `finite` sweeps, from that first result, are what restless
    places get.
    """
    shape = w.shape
    after = jnp.asarray(leads)
    weight = jnp.broadcast_to(scale, shape[2:]).reshape(-1)

    def flat(w: Array) -> Array:
        return w.reshape(-1, *shape[2:])[live].reshape(len(live), -1)

    def whole(x: Array) -> Array:
        full = jnp.zeros((shape[0] * shape[1], *shape[2:]))
        return full.at[live].set(x.reshape(len(live), *shape[2:])).reshape(shape)

    def mixed(past: _Past) -> tuple[Array, Array]:
        """What the last sweeps point to, and the entries of the ring that go on counting."""
        place = (past.sweeps - 1) % WINDOW
        worse = past.lefts[place] > WORSE * past.lefts.min(axis=0)
        known = jnp.where(worse, 0, past.known)
        age = (past.sweeps - 1 - jnp.arange(WINDOW)) % WINDOW
        own = jnp.einsum("vpn,wpn->pvw", past.d_change, past.d_change)
        normal = jnp.einsum("qp,pvw->qvw", after * 1.0, own)
        pull = jnp.einsum("qp,wpn,pn->qw", after * 1.0, past.d_change, past.change)
        # entries that do not count get a row of the unit matrix, and so no share
        counts = age < known[:, None]
        normal = jnp.where(counts[:, :, None] & counts[:, None, :], normal, 0.0)
        diagonal = jnp.diagonal(normal, axis1=1, axis2=2)
        ridge = jnp.where(diagonal > 0, RIDGE * diagonal, 1.0)
        normal = normal + ridge[:, :, None] * jnp.eye(WINDOW)
        share = jnp.linalg.solve(normal, jnp.where(counts, pull, 0.0)[..., None])[..., 0]
        found = past.out - jnp.einsum("pw,wpn->pn", share, past.d_out)
        return jnp.where(past.final[:, None], past.flat, found), known

    def step(past: _Past) -> _Past:
        plain, mixing = past.stage == PLAIN, past.stage == MIXED
        out = flat(once(whole(past.flat), past.final & ~plain))
        end = past.end
        if begin is not None:
            first = plain & (past.done == 0)
            more = jnp.broadcast_to(begin[1], shape[2:]).reshape(-1)
            out = out * jnp.where(first, more, 1.0)
            end = jnp.where(first, out, end)
        out = jnp.where(past.final[:, None] & ~plain, past.flat, out)
        change = weight * (out - past.flat)
        own = jnp.sqrt(jnp.mean(jnp.square(change), axis=1))
        left = jnp.where(past.final, past.least, jnp.max(jnp.where(after, own, 0.0), axis=1))
        better, halved = mixing & (left < past.least), left <= 0.5 * past.mark
        least = jnp.where(better, left, past.least)
        since = jnp.where(halved, 0, past.since + 1)
        best = jnp.where(better[:, None] | ~mixing, out, past.best)
        stop = (least <= method.tolerance) | (since >= method.most)
        final = past.final | (mixing & stop)
        out = jnp.where(final[:, None] & ~plain, best, out)
        place, now = past.sweeps % WINDOW, mixing.astype(int)
        past = past._replace(
            done=past.done + 1,
            flat=out,
            out=out,
            change=change,
            d_out=past.d_out.at[place].set(out - past.out),
            d_change=past.d_change.at[place].set(change - past.change),
            known=jnp.minimum(past.known + now, WINDOW),
            lefts=past.lefts.at[place].set(jnp.where(mixing, left, jnp.inf)),
            best=best,
            least=least,
            mark=jnp.where(mixing & halved, left, past.mark),
            since=jnp.where(mixing, since, 0),
            final=final,
            end=end,
            sweeps=past.sweeps + now,
        )
        due = mixing & (past.done % EVERY == 0)
        guess, known = jax.lax.cond(due, mixed, lambda past: (past.flat, past.known), past)
        return onward(past._replace(flat=guess, known=known))

    def onward(past: _Past) -> _Past:
        """Into the next stage if this one has come to its end."""
        started = past.stage == PLAIN
        if begin is not None:
            started &= past.done >= begin[0]
        past = past._replace(
            stage=jnp.where(started, MIXED, past.stage), done=jnp.where(started, 0, past.done)
        )
        settled = (past.stage == MIXED) & past.final.all()
        if finite is None:
            return past._replace(stage=jnp.where(settled, OVER, past.stage))
        ended = (past.stage == FINITE) & (past.done >= finite)
        stirring = settled & (past.least > method.restless)
        again = jnp.where(stirring[:, None], past.end, past.best)
        stage = jnp.where(stirring.any() & (finite > 0), FINITE, OVER)
        return past._replace(
            stage=jnp.where(settled, stage, jnp.where(ended, OVER, past.stage)),
            done=jnp.where(settled, 0, past.done),
            flat=jnp.where(settled, again, past.flat),
            best=jnp.where(settled, again, past.best),
            final=jnp.where(settled, ~stirring, past.final),
        )

    x = flat(w)
    places, n = x.shape
    none, big = jnp.zeros(places, int), jnp.full(places, jnp.inf)
    ring = jnp.zeros((WINDOW, places, n))
    nought = jnp.zeros((), int)
    start = _Past(
        stage=nought,
        done=nought,
        flat=x,
        out=x,
        change=jnp.zeros((places, n)),
        d_out=ring,
        d_change=ring,
        known=none - 1,  # the first change has no sweep before it
        lefts=jnp.full((WINDOW, places), jnp.inf),
        best=x,
        least=big,
        mark=big,
        since=none,
        final=jnp.full(places, method.most == 0),
        end=x,
        sweeps=nought,
    )
    if begin is None:
        start = onward(start)
    end = jax.lax.while_loop(lambda past: past.stage < OVER, step, start)
    return whole(end.best), Tail(end.sweeps, end.least)


def _attach(
    once: Callable[..., Array], live: np.ndarray, owner: np.ndarray, method: Method
) -> Callable[[Array, list[Operator], Parameters], Array]:
    """The identity of w, given θ = (ops, p), whose derivative is that of w = T(w, θ)."""

    @jax.custom_vjp
    def attached(w: Array, ops: list[Operator], p: Parameters) -> Array:
        return w

    def forward(w: Array, *theta: Any) -> tuple[Array, Any]:
        return w, (w, *theta)

    def back(rest: Any, cotangent: Array) -> tuple[None, Any, Any]:
        w, ops, p = rest
        _, transpose = jax.vjp(once, w, ops, p)
        # relative to what came in, and utilities in stakes
        unit = _unit(p)[owner]
        size = jnp.sqrt(jnp.mean(jnp.square(unit * cotangent)))
        together = np.ones((len(live), len(live)), bool)
        scale = unit / jnp.where(size > 0, size, 1.0)
        found, _ = _settled(
            lambda x, _: cotangent + transpose(x)[0], cotangent, live, together, scale, method
        )
        _, d_ops, d_p = transpose(found)
        return None, d_ops, d_p

    attached.defvjp(forward, back)
    return attached
