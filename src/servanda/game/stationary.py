"""What is the game worth whose calendar stands still, and goes on for ever?

In: one world's operators past the horizon. Out: values that one period more does not change.

Plain sweeps come first: they are longer and longer finite horizons, and pick the solution. By
themselves they come near it no faster than the discount factor, so after every `EVERY` further
sweeps values are extrapolated from how the last ones changed (Anderson mixing, taken in turns with
plain steps: Pratapa, Suryanarayana and Pask 2016), until one more sweep changes little. If that is
never so, play goes round in circles; what a game of `Method.finite` periods is worth is taken then.

The derivative is that of the fixed point: if w = T(w, θ), then dw = (1 - ∂T/∂w)^-1 ∂T/∂θ dθ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.game.build import Game
from servanda.game.choice import Stage
from servanda.game.period import Method, Operator, channel_party, sign, sweep, value_shape
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
    """The value before the moves of a period past the horizon, [regime, phase, g, channel]."""
    rows = _rows(game)

    live = live_places(game)

    def once(w: Array, ops: list[Operator], p: Parameters, held: Array | None = None) -> Array:
        """A sweep of all live places but those `held` [place]."""
        v, _ = sign(game, p, w)
        if held is not None:
            held = jnp.zeros(game.regimes * game.phases, bool).at[live].set(held)
        stay = None if held is None else (held, w)
        return sweep(game, method, plans, ops, p, v, rows, keep=False, held=stay)[0]

    fixed_ops, fixed_p = jax.lax.stop_gradient((ops, p))
    owner = channel_party(game, method.by_interest)
    unending = 1.0 / (1.0 - fixed_p.patience[owner])

    def plain(sweeps: int, w: Array, held: Array | None = None) -> Array:
        def one(k: Array, w: Array) -> Array:
            new = once(w, fixed_ops, fixed_p, held)
            # far ahead everybody plays as if nothing could change: one period's worth, for ever
            return new * jnp.where(k == 0, unending, 1.0) if held is None else new

        found: Array = jax.lax.fori_loop(0, sweeps, one, w)
        return found

    scale = 1.0 / _unit(fixed_p)[owner]
    w, tail = _extrapolated(
        lambda w, held: once(w, fixed_ops, fixed_p, held),
        plain(method.sweeps + 1, jnp.zeros(value_shape(game, method))),
        live,
        _leads_to(game, rows, live),
        scale,
        method,
    )

    def finite(w: Array) -> Array:
        """Restless places get what a finite game is worth that can end in one at rest."""
        start = jnp.where(stirring.reshape(*w.shape[:2], 1, 1), 0.0, w)
        return plain(method.finite, start, ~stirring[live])

    stirring = restless(game, method, tail)

    w = jax.lax.cond(stirring.any(), finite, lambda w: w, w)
    new = once(w, ops, p)
    return _attach(once, live, owner, method)(new, w, fixed_ops, fixed_p), tail


def restless(game: Game, method: Method, tail: Tail) -> Array:
    """[regime * phase] Whether the values of a live place did not settle."""
    found = jnp.zeros(game.regimes * game.phases, bool)
    return found.at[live_places(game)].set(tail.left > method.restless)


def _rows(game: Game) -> list[np.ndarray]:
    """Every group's rows that are in play past the horizon."""
    return [np.unique(g.live[game.scenario.horizon]) for g in game.groups]


def live_places(game: Game) -> np.ndarray:
    """The places in play past the horizon, [place], out of regime * phase."""
    solved = zip(game.groups, _rows(game), strict=True)
    return np.unique(np.concatenate([g.rows[r, 0] * game.phases + g.rows[r, 1] for g, r in solved]))


def _leads_to(game: Game, rows: list[np.ndarray], live: np.ndarray) -> np.ndarray:
    """[place, place] whether play can come from one live place to another, in any time."""
    index = {int(z): k for k, z in enumerate(live)}
    offered = {s.regime: (s.yes, *s.no) for s in game.signings}
    reached = np.eye(len(live), dtype=bool)
    for group, solved in zip(game.groups, rows, strict=True):
        for r in solved:
            here = index[int(group.rows[r, 0] * game.phases + group.rows[r, 1])]
            for m in np.unique(game.alike[group.successor[r]]):
                for after in offered.get(int(m), (int(m),)):
                    for phase in group.next_phase[r]:
                        place = int(game.alike[after] * game.phases + phase)
                        if place in index:
                            reached[here, index[place]] = True
    for _ in range(len(live).bit_length()):
        reached = (reached.astype(int) @ reached) > 0
    return reached


def _unit(p: Parameters) -> Array:
    """What a party's utility is measured in: its stakes, if it has any."""
    return jnp.where(p.stakes > 0, p.stakes, 1.0)


class _Past(NamedTuple):
    """The last sweep, and the changes from each of the last ones to the next (a ring)."""

    w: Array  # what comes next into a sweep
    flat: Float[Array, "place n"]  # the same, live places only
    out: Float[Array, "place n"]  # what came out of the last one
    change: Float[Array, "place n"]  # out less in, scaled
    d_out: Float[Array, "window place n"]
    d_change: Float[Array, "window place n"]
    known: Array  # [place] entries of the ring that count
    done: Array
    lefts: Float[Array, "window place"]  # a ring: what each of the last sweeps changed
    best: Float[Array, "place n"]  # what came out of the sweep that changed least
    least: Array  # [place]
    mark: Array  # [place] what sweeps have to change half as much as, to count as getting on
    since: Array  # [place] sweeps since they last did
    final: Array  # [place] bool: settled or given up


def _extrapolated(
    once: Callable[[Array, Array], Array],
    w: Array,
    live: np.ndarray,
    leads: np.ndarray,
    scale: Array,
    method: Method,
) -> tuple[Array, Tail]:
    """The fixed point of `once`, from w [regime, phase, g, channel] on.

    `once` is told which places are final, and may leave them as they are.
    Only `live` places count; what a sweep changes is measured after multiplication by `scale`
    [channel]. What is done at a place follows what happens at those that it `leads` to, so that
    nothing depends on what else is solved.
    """
    shape = w.shape
    after = jnp.asarray(leads)

    def flat(w: Array) -> Array:
        return w.reshape(-1, *shape[2:])[live].reshape(len(live), -1)

    def whole(x: Array) -> Array:
        full = jnp.zeros((shape[0] * shape[1], *shape[2:]))
        return full.at[live].set(x.reshape(len(live), *shape[2:])).reshape(shape)

    weight = jnp.broadcast_to(scale, shape[2:]).reshape(-1)

    def step(_: Any, past: _Past) -> _Past:
        out = jnp.where(past.final[:, None], past.flat, flat(once(past.w, past.final)))
        change = weight * (out - past.flat)
        place = past.done % WINDOW
        own = jnp.sqrt(jnp.mean(jnp.square(change), axis=1))
        left = jnp.where(past.final, past.least, jnp.max(jnp.where(after, own, 0.0), axis=1))
        better, halved = left < past.least, left <= 0.5 * past.mark
        least = jnp.where(better, left, past.least)
        since = jnp.where(halved, 0, past.since + 1)
        best = jnp.where(better[:, None], out, past.best)
        final = past.final | (least <= method.tolerance) | (since >= method.most)
        out = jnp.where(final[:, None], best, out)
        return past._replace(
            w=whole(out),
            flat=out,
            out=out,
            change=change,
            d_out=past.d_out.at[place].set(out - past.out),
            d_change=past.d_change.at[place].set(change - past.change),
            known=jnp.minimum(past.known + 1, WINDOW),
            done=past.done + 1,
            lefts=past.lefts.at[place].set(left),
            best=best,
            least=least,
            mark=jnp.where(halved, left, past.mark),
            since=since,
            final=final,
        )

    def turn(past: _Past) -> _Past:
        past = jax.lax.fori_loop(0, EVERY, step, past)
        last = past.lefts[(past.done - 1) % WINDOW]
        known = jnp.where(last > WORSE * past.lefts.min(axis=0), 0, past.known)
        age = (past.done - 1 - jnp.arange(WINDOW)) % WINDOW
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
        mixed = past.out - jnp.einsum("pw,wpn->pn", share, past.d_out)
        mixed = jnp.where(past.final[:, None], past.flat, mixed)
        return past._replace(w=whole(mixed), flat=mixed, known=known)

    def unsettled(past: _Past) -> Array:
        return ~past.final.all()

    x = flat(w)
    places, n = x.shape
    none, big = jnp.zeros(places, int), jnp.full(places, jnp.inf)
    ring = jnp.zeros((WINDOW, places, n))
    start = _Past(
        w=w,
        flat=x,
        out=x,
        change=jnp.zeros((places, n)),
        d_out=ring,
        d_change=ring,
        known=none - 1,  # the first change has no sweep before it
        done=jnp.zeros((), int),
        lefts=jnp.full((WINDOW, places), jnp.inf),
        best=x,
        least=big,
        mark=big,
        since=none,
        final=jnp.full(places, method.most == 0),
    )
    end = jax.lax.while_loop(unsettled, turn, start)
    return whole(end.best), Tail(end.done, end.least)


def _attach(
    once: Callable[..., Array], live: np.ndarray, owner: np.ndarray, method: Method
) -> Callable[..., Array]:
    """The identity of T(w, θ), given w and θ = (ops, p), whose derivative is the fixed point's."""

    @jax.custom_vjp
    def settled(new: Array, w: Array, ops: list[Operator], p: Parameters) -> Array:
        return new

    def forward(new: Array, *rest: Any) -> tuple[Array, Any]:
        return new, rest

    def back(rest: Any, cotangent: Array) -> tuple[Array, None, None, None]:
        w, ops, p = rest
        _, transpose = jax.vjp(lambda w: once(w, ops, p), w)
        # relative to what came in, and utilities in stakes
        unit = _unit(p)[owner]
        size = jnp.sqrt(jnp.mean(jnp.square(unit * cotangent)))
        together = np.ones((len(live), len(live)), bool)
        scale = unit / jnp.where(size > 0, size, 1.0)
        found, _ = _extrapolated(
            lambda x, _: cotangent + transpose(x)[0], cotangent, live, together, scale, method
        )
        return found, None, None, None

    settled.defvjp(forward, back)
    return settled
