"""The logit equilibrium of a one-shot game, on its principal branch.

In: payoffs already multiplied by each player's precision, many games at once. Out: the mixed
strategies on the branch that starts at uniform play when precision is 0 and is followed, by
pseudo-arclength continuation, to precision 1 (McKelvey and Palfrey 1995; Turocy 2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

MAX_STEPS = 2000
TOLERANCE = 1e-11


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
    # one Newton step with a frozen Jacobian: y is a root, so only its derivative is added
    jacobian = jax.lax.stop_gradient(_jacobian(y, jnp.ones(y.shape[-1]), fixed, allowed, sizes))
    residual = y - _expected(_strategies(y, allowed, sizes), payoffs, sizes)
    y = y - _solve(jacobian, residual)
    failed = jnp.sum(~converged)
    return _strategies(y, allowed, sizes), failed


def _strategies(y: Array, allowed: Sequence[Array | None], sizes: tuple[int, ...]) -> list[Array]:
    """Logit strategies from the stacked scaled payoffs y [sum of choices, game]."""
    out = []
    at = 0
    for n, mask in zip(sizes, allowed, strict=True):
        x = y[at : at + n]
        if mask is not None:
            x = jnp.where(mask, x, -jnp.inf)
        out.append(jax.nn.softmax(x, axis=0))
        at += n
    return out


def _expected(strategies: list[Array], payoffs: Array, sizes: tuple[int, ...]) -> Array:
    """Expected payoff of every choice against the others' strategies, stacked [choices, game]."""
    rows = []
    for i in range(len(sizes)):
        u = payoffs[i]
        for j in range(len(sizes) - 1, -1, -1):
            if j != i:
                shape = [1] * len(sizes) + [u.shape[-1]]
                shape[j] = sizes[j]
                u = jnp.sum(u * strategies[j].reshape(shape), axis=j, keepdims=True)
        rows.append(u.reshape(sizes[i], -1))
    return jnp.concatenate(rows)


def _jacobian(y: Array, t: Array, payoffs: Array, allowed: Sequence[Array | None],
              sizes: tuple[int, ...]) -> Array:  # fmt: skip
    """d/dy of y - t U(p(y)), [row, column, game]."""

    def residual(z: Array) -> Array:
        return z - t * _expected(_strategies(z, allowed, sizes), payoffs, sizes)

    def column(k: int) -> Array:
        direction = jnp.zeros_like(y).at[k].set(1.0)
        return jax.jvp(residual, (y,), (direction,))[1]

    return jnp.stack([column(k) for k in range(y.shape[0])], axis=1)


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
    """The continuation's state for every game: point, tangent, step, status."""

    z: Array  # [choices + 1, game], the last is the homotopy parameter t
    tangent: Array
    step: Array
    done: Array
    count: Array


def _continue(payoffs: Array, allowed: Sequence[Array | None], sizes: tuple[int, ...]
              ) -> tuple[Array, Array]:  # fmt: skip
    """Follow the branch of y = t U(p(y)) from t = 0 to t = 1 by pseudo-arclength steps."""
    n, games = sum(sizes), payoffs.shape[-1]

    def bordered(z: Array, tangent: Array) -> Array:
        y, t = z[:n], z[n]
        j = _jacobian(y, t, payoffs, allowed, sizes)
        dt = -_expected(_strategies(y, allowed, sizes), payoffs, sizes)
        top = jnp.concatenate([j, dt[:, None]], axis=1)
        return jnp.concatenate([top, tangent[None]], axis=0)

    def residual(z: Array) -> Array:
        return z[:n] - z[n] * _expected(_strategies(z[:n], allowed, sizes), payoffs, sizes)

    def direction(z: Array, tangent: Array) -> Array:
        unit = jnp.zeros((n + 1, games)).at[n].set(1.0)
        v = _solve(bordered(z, tangent), unit)
        return v / jnp.linalg.norm(v, axis=0)

    def correct(z: Array, tangent: Array, target: Array) -> tuple[Array, Array]:
        for _ in range(4):
            r = jnp.concatenate([residual(z), (jnp.sum(tangent * (z - target), 0))[None]])
            z = z - _solve(bordered(z, tangent), r)
        size = jnp.max(jnp.abs(residual(z)), axis=0) / (1.0 + jnp.max(jnp.abs(z[:n]), axis=0))
        return z, size

    def polish(z: Array) -> tuple[Array, Array]:
        """Newton at t = 1, for the games whose branch has just passed it."""
        level = jnp.zeros((n + 1, games)).at[n].set(1.0)
        target = z.at[n].set(1.0)
        return correct(target, level, target)

    def body(b: _Branch) -> _Branch:
        predicted = b.z + b.step * b.tangent
        over = predicted[n] >= 1.0
        # shorten the last step so that it lands on t = 1
        share = jnp.where(over, (1.0 - b.z[n]) / jnp.maximum(predicted[n] - b.z[n], 1e-300), 1.0)
        predicted = b.z + share * b.step * b.tangent
        along, size = correct(predicted, b.tangent, predicted)
        landed, landed_size = polish(predicted)
        z = jnp.where(over, landed, along)
        size = jnp.where(over, landed_size, size)
        moved = jnp.linalg.norm(z - predicted, axis=0)
        ok = (size < TOLERANCE) & (moved < 0.3 * share * b.step + 1e-9) & jnp.all(jnp.isfinite(z), 0)
        ok = ok & ~b.done
        fresh = direction(jnp.where(ok, z, b.z), b.tangent)
        fresh = jnp.where(jnp.sum(fresh * b.tangent, 0) < 0, -fresh, fresh)
        return _Branch(
            z=jnp.where(ok, z, b.z),
            tangent=jnp.where(ok, fresh, b.tangent),
            step=jnp.where(ok, 1.6 * b.step, jnp.where(b.done, b.step, 0.5 * b.step)),
            done=b.done | (ok & over),
            count=b.count + 1,
        )

    def go_on(b: _Branch) -> Array:
        return jnp.any(~b.done & (b.step > 1e-12)) & (b.count < MAX_STEPS)

    z = jnp.zeros((n + 1, games))
    up = jnp.zeros((n + 1, games)).at[n].set(1.0)
    tangent = direction(z, up)
    tangent = jnp.where(tangent[n] < 0, -tangent, tangent)
    start = _Branch(z, tangent, jnp.full(games, 0.2), jnp.zeros(games, bool), jnp.zeros((), int))
    end = jax.lax.while_loop(go_on, body, start)
    return end.z[:n], end.done
