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
SURPRISE = 0.01  # largest error of a predicted choice probability in one step
FORK = 1e-3  # step below which a change of sign is a crossing of branches, not a jump


def logit_equilibrium(
    payoffs: Float[Array, "player ..."], allowed: Sequence[Bool[Array, "choice game"] | None]
) -> tuple[list[Float[Array, "choice game"]], Int[Array, ""]]:
    """Strategies p with p_i(a) ∝ exp(u_i(a, p_-i)), and how many games were not solved.

    `payoffs` is [player, choices of player 1, ..., choices of player n, game]; `allowed` masks
    choices. Differentiable in the payoffs, by the implicit function theorem.
    """
    sizes = payoffs.shape[1:-1]
    payoffs = _relative(payoffs)
    fixed = jax.lax.stop_gradient(payoffs)
    y, converged = _continue(fixed, allowed, sizes)
    y = jax.lax.stop_gradient(y)

    def residual(y: Array) -> Array:
        return y - _advantages(_strategies(y, allowed, sizes), fixed, sizes)

    # one Newton step with a frozen Jacobian: y is a root, so only its derivative is added
    jacobian = jax.lax.stop_gradient(_jacobian(residual, y))
    step, _ = _solve(jacobian, y - _advantages(_strategies(y, allowed, sizes), payoffs, sizes))
    return _strategies(y - step, allowed, sizes), jnp.sum(~converged)


def _relative(payoffs: Float[Array, "player ..."]) -> Float[Array, "player ..."]:
    """Payoffs less what the player's first choice brings against the same choices of the others.

    Only these differences count. An income that the player's own choice does not change, however
    large, would else set the scale of the game and leave nothing of them but rounding.
    """
    own = [u - jax.lax.slice_in_dim(u, 0, 1, axis=i) for i, u in enumerate(payoffs)]
    return jnp.stack(own)


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


def _solve(
    matrix: Float[Array, "n n game"], rhs: Float[Array, "n game"]
) -> tuple[Float[Array, "n game"], Float[Array, " game"]]:
    """Solutions and signs of determinants, all games at once along the last axis.

    Gauss-Jordan elimination with partial pivoting.
    """
    n = matrix.shape[0]
    work = jnp.concatenate([matrix, rhs[:, None]], axis=1)
    sign = jnp.ones(matrix.shape[-1])
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
        sign = sign * jnp.where(pivot == k, 1.0, -1.0) * jnp.where(head < 0, -1.0, 1.0)
    return work[:, n], sign


class _Branch(NamedTuple):
    """The continuation's state for every game: where it is before λ = end, and perhaps beyond."""

    z: Array  # [unknowns + 1, game], the last is the precision λ
    tangent: Array
    side: Array  # sign of the determinant, the same all along a branch that nothing crosses
    step: Array
    beyond: Array  # a point of the branch past the end, if `landing`
    landing: Array  # the branch has passed the end between z and beyond
    done: Array
    tries: Array


def _continue(
    payoffs: Array, allowed: Sequence[Array | None], sizes: tuple[int, ...]
) -> tuple[Array, Array]:
    """Follow y = λ U(p(y)) from λ = 0 to where the branch first reaches the whole payoffs.

    U is scaled to a range of 1, so that arclength is measured alike in y and in λ.
    """
    n = sum(sizes) - len(sizes)
    games = payoffs.shape[-1]
    axes = tuple(range(1, payoffs.ndim - 1))
    end = jnp.max(jnp.max(payoffs, axis=axes) - jnp.min(payoffs, axis=axes), axis=0)
    end = jnp.where(end > 0, end, 1.0)
    payoffs = payoffs / end
    last = jnp.zeros((n + 1, games)).at[n].set(1.0)

    def residual(z: Array) -> Array:
        return z[:n] - z[n] * _advantages(_strategies(z[:n], allowed, sizes), payoffs, sizes)

    def bordered(z: Array, row: Array) -> Array:
        return jnp.concatenate([_jacobian(residual, z), row[None]])

    def direction(z: Array, tangent: Array) -> tuple[Array, Array]:
        """The branch's direction at a point of it, close to `tangent`; the determinant's sign."""
        v, side = _solve(bordered(z, tangent), last)
        return v / jnp.linalg.norm(v, axis=0), side

    def correct(start: Array, row: Array) -> tuple[Array, Array]:
        """Newton's method from a point, in the plane through it to which `row` is normal."""

        def newton(_: Array, z: Array) -> Array:
            r = jnp.concatenate([residual(z), jnp.sum(row * (z - start), 0)[None]])
            return z - _solve(bordered(z, row), r)[0]

        z = jax.lax.fori_loop(0, NEWTON_STEPS, newton, start)
        size = 1.0 + jnp.max(jnp.abs(z[:n]), axis=0)
        rounding = 1e-14 * jnp.abs(z[n])  # payoffs nearly equal, times a large λ
        return z, jnp.max(jnp.abs(residual(z)), axis=0) < TOLERANCE * size + rounding

    def surprise(start: Array, z: Array) -> Array:
        """The largest change of a choice probability by the correction."""
        before, after = (_strategies(x[:n], allowed, sizes) for x in (start, z))
        return jnp.max(jnp.abs(jnp.concatenate(before) - jnp.concatenate(after)), axis=0)

    def body(b: _Branch) -> _Branch:
        # aim a little past the end rather than far: the crossing is then between z and beyond
        aim = end + 0.1 * (end - b.z[n])
        rise = b.step * b.tangent[n]
        share = jnp.where(b.z[n] + rise > aim, (aim - b.z[n]) / jnp.where(rise > 0, rise, 1.0), 1.0)
        ahead = b.z + share * b.step * b.tangent
        between = b.z + (end - b.z[n]) / (b.beyond[n] - b.z[n]) * (b.beyond - b.z)
        start = jnp.where(b.landing, between.at[n].set(end), ahead)
        z, ok = correct(start, jnp.where(b.landing, last, b.tangent))
        # short steps in bends: a long one may land on another branch
        ok = ok & (surprise(start, z) < SURPRISE) & jnp.all(jnp.isfinite(z), 0) & ~b.done
        fresh, side = direction(jnp.where(ok, z, b.z), b.tangent)
        # along one branch the sign never changes but where another crosses it
        ok = ok & ((side == b.side) | (b.step < FORK))
        past = ok & ~b.landing & (z[n] >= end)
        forward = ok & ~past
        shorter = ~ok & ~b.done
        longer = forward & ~b.landing
        return _Branch(
            z=jnp.where(forward, z, b.z),
            tangent=jnp.where(forward, fresh, b.tangent),
            side=jnp.where(forward, side, b.side),
            step=b.step * jnp.where(longer, 1.6, jnp.where(shorter, 0.5, 1.0)),
            beyond=jnp.where(past, z, b.beyond),
            landing=past,
            done=b.done | (ok & b.landing),
            tries=b.tries + 1,
        )

    def go_on(b: _Branch) -> Array:
        return jnp.any(~b.done & (b.step > 1e-12)) & (b.tries < MAX_STEPS)

    z = jnp.zeros((n + 1, games))
    tangent, side = direction(z, last)
    no = jnp.zeros(games, bool)
    step = jnp.minimum(0.2, end)
    beyond = z + 2 * end * last
    start = _Branch(z, tangent, side, step, beyond, no, no, jnp.zeros((), int))
    found = jax.lax.while_loop(go_on, body, start)
    return found.z[:n], found.done
