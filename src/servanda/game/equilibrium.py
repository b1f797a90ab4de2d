"""The logit equilibrium of a one-shot game, on its principal branch.

In: payoffs already multiplied by each player's precision, many games at once. Out: the mixed
strategies on the branch that starts at uniform play when precision is 0 and is followed, by
pseudo-arclength continuation, to precision 1 (McKelvey and Palfrey 1995; Turocy 2005).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

MAX_STEPS = 1000
TOLERANCE = 1e-11
NEWTON_STEPS = 4


def logit_equilibrium(
    payoffs: Float[Array, "player ..."], allowed: Sequence[Bool[Array, "choice game"] | None]
) -> tuple[list[Float[Array, "choice game"]], Int[Array, ""]]:
    """Strategies p with p_i(a) ∝ exp(u_i(a, p_-i)), and how many games were not solved.

    `payoffs` is [player, choices of player 1, ..., choices of player n, game]; `allowed` masks
    choices. Differentiable in the payoffs, by the implicit function theorem.
    """
    sizes = payoffs.shape[1:-1]
    fixed = jax.lax.stop_gradient(payoffs)
    y, converged = _continue(fixed, allowed, sizes)
    y = jax.lax.stop_gradient(y)

    def residual(y: Array) -> Array:
        return y - _advantages(_strategies(y, allowed, sizes), fixed, sizes)

    # one Newton step with a frozen Jacobian: y is a root, so only its derivative is added
    jacobian = jax.lax.stop_gradient(_jacobian(residual, y))
    step = _solve(jacobian, y - _advantages(_strategies(y, allowed, sizes), payoffs, sizes))
    return _strategies(y - step, allowed, sizes), jnp.sum(~converged)


def _strategies(y: Array, allowed: Sequence[Array | None], sizes: tuple[int, ...]) -> list[Array]:
    """Logit strategies from what each choice brings more than the player's first, y [more, game].

    The first choice itself stands in y with nothing, so that a 2 x 2 game has two unknowns.
    """
    out = []
    at = 0
    for n, mask in zip(sizes, allowed, strict=True):
        x = jnp.concatenate([jnp.zeros_like(y[:1]), y[at : at + n - 1]])
        if mask is not None:
            x = jnp.where(mask, x, -jnp.inf)
        out.append(jax.nn.softmax(x, axis=0))
        at += n - 1
    return out


def _advantages(strategies: list[Array], payoffs: Array, sizes: tuple[int, ...]) -> Array:
    """What every choice but the first brings more than the first, against the others' play."""
    rows = []
    for i in range(len(sizes)):
        u = payoffs[i]
        for j in range(len(sizes) - 1, -1, -1):
            if j != i:
                shape = [1] * len(sizes) + [u.shape[-1]]
                shape[j] = sizes[j]
                u = jnp.sum(u * strategies[j].reshape(shape), axis=j, keepdims=True)
        u = u.reshape(sizes[i], -1)
        rows.append(u[1:] - u[:1])
    return jnp.concatenate(rows)


def _jacobian(f: Callable[[Array], Array], z: Float[Array, "n game"]) -> Float[Array, "m n game"]:
    """The Jacobian of a map that treats every game by itself."""

    def column(unit: Array) -> Array:
        return jax.jvp(f, (z,), (jnp.broadcast_to(unit[:, None], z.shape),))[1]

    return jnp.swapaxes(jax.vmap(column)(jnp.eye(z.shape[0])), 0, 1)


def _solve(matrix: Float[Array, "n n game"], rhs: Float[Array, "n game"]) -> Float[Array, "n game"]:
    """Gauss-Jordan elimination with partial pivoting, all games at once along the last axis."""
    n = matrix.shape[0]
    work = jnp.concatenate([matrix, rhs[:, None]], axis=1)
    for k in range(n):
        pivot = k + jnp.argmax(jnp.abs(work[k:, k]), axis=0)
        rows = jnp.arange(n)[:, None]
        order = jnp.where(rows == k, pivot, jnp.where(rows == pivot, k, rows))
        work = jnp.take_along_axis(work, order[:, None, :], axis=0)
        head = work[k, k]
        safe = jnp.where(jnp.abs(head) < 1e-300, 1e-300, head)
        line = work[k] / safe
        work = work - work[:, k][:, None] * line[None]
        work = work.at[k].set(line)
    return work[:, n]


class _Branch(NamedTuple):
    """The continuation's state for every game: where it is before t = 1, and perhaps beyond."""

    z: Array  # [unknowns + 1, game], the last is the homotopy parameter t
    tangent: Array
    step: Array
    beyond: Array  # a point of the branch past t = 1, if `landing`
    landing: Array  # the branch has passed t = 1 between z and beyond
    done: Array
    tries: Array


def _continue(payoffs: Array, allowed: Sequence[Array | None], sizes: tuple[int, ...]
              ) -> tuple[Array, Array]:  # fmt: skip
    """Follow y = t U(p(y)) from t = 0 to where the branch first reaches t = 1."""
    n = sum(sizes) - len(sizes)
    games = payoffs.shape[-1]
    last = jnp.zeros((n + 1, games)).at[n].set(1.0)

    def residual(z: Array) -> Array:
        return z[:n] - z[n] * _advantages(_strategies(z[:n], allowed, sizes), payoffs, sizes)

    def bordered(z: Array, row: Array) -> Array:
        return jnp.concatenate([_jacobian(residual, z), row[None]])

    def direction(z: Array, tangent: Array) -> Array:
        v = _solve(bordered(z, tangent), last)
        return v / jnp.linalg.norm(v, axis=0)

    def correct(start: Array, row: Array) -> tuple[Array, Array]:
        """Newton's method from a point, in the plane through it to which `row` is normal."""

        def newton(_: Array, z: Array) -> Array:
            r = jnp.concatenate([residual(z), jnp.sum(row * (z - start), 0)[None]])
            return z - _solve(bordered(z, row), r)

        z = jax.lax.fori_loop(0, NEWTON_STEPS, newton, start)
        size = jnp.max(jnp.abs(residual(z)), axis=0) / (1.0 + jnp.max(jnp.abs(z[:n]), axis=0))
        return z, size

    def body(b: _Branch) -> _Branch:
        # aim a little past t = 1 rather than far: the crossing is then between z and beyond
        aim = 1.0 + 0.1 * (1.0 - b.z[n])
        rise = b.step * b.tangent[n]
        share = jnp.where(b.z[n] + rise > aim, (aim - b.z[n]) / jnp.where(rise > 0, rise, 1.0), 1.0)
        ahead = b.z + share * b.step * b.tangent
        between = b.z + (1.0 - b.z[n]) / (b.beyond[n] - b.z[n]) * (b.beyond - b.z)
        start = jnp.where(b.landing, between.at[n].set(1.0), ahead)
        z, size = correct(start, jnp.where(b.landing, last, b.tangent))
        moved = jnp.linalg.norm(z - start, axis=0)
        ok = (size < TOLERANCE) & (moved < 0.3 * share * b.step + 1e-9)
        ok = ok & jnp.all(jnp.isfinite(z), 0) & ~b.done
        past = ok & ~b.landing & (z[n] >= 1.0)
        forward = ok & ~past
        fresh = direction(jnp.where(forward, z, b.z), b.tangent)
        fresh = jnp.where(jnp.sum(fresh * b.tangent, 0) < 0, -fresh, fresh)
        shorter = ~ok & ~b.done
        longer = forward & ~b.landing
        return _Branch(
            z=jnp.where(forward, z, b.z),
            tangent=jnp.where(forward, fresh, b.tangent),
            step=b.step * jnp.where(longer, 1.6, jnp.where(shorter, 0.5, 1.0)),
            beyond=jnp.where(past, z, b.beyond),
            landing=past,
            done=b.done | (ok & b.landing),
            tries=b.tries + 1,
        )

    def go_on(b: _Branch) -> Array:
        return jnp.any(~b.done & (b.step > 1e-12)) & (b.tries < MAX_STEPS)

    z = jnp.zeros((n + 1, games))
    tangent = direction(z, last)
    tangent = jnp.where(tangent[n] < 0, -tangent, tangent)
    no = jnp.zeros(games, bool)
    start = _Branch(z, tangent, jnp.full(games, 0.2), z + 2.0 * last, no, no, jnp.zeros((), int))
    end = jax.lax.while_loop(go_on, body, start)
    return end.z[:n], end.done
