"""Fixed points of linear contractions, faster than by iterating: Anderson acceleration.

In: a map and a first guess. Out: the fixed point. Mixing the last few iterates so that their
residual is smallest is, on a linear map, as good as GMRES (Walker and Ni 2011). The map stands in
one loop body only, because compiling it is what costs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

DEPTH = 6


class _State(NamedTuple):
    x: Array
    f: Array  # residual of the previous iterate
    gap: Array  # relative residual
    dx: Array  # [depth, ...] latest steps
    df: Array  # [depth, ...] latest changes of the residual
    held: Array  # how many of them are valid
    rounds: Array


class FixedPoint(NamedTuple):
    """A fixed point, the iterations it took, and the relative residual left."""

    x: Array
    iterations: Array
    gap: Array


def fixed_point(
    step: Callable[[Array], Array], guess: Array, tolerance: float | Array, limit: int
) -> FixedPoint:
    """Find x = step(x).

    Stops when |step(x) - x| <= tolerance * |x| in the largest norm, or after `limit` steps.
    """
    history = jnp.zeros((DEPTH, *guess.shape))
    place = jnp.arange(DEPTH)

    def unfinished(s: _State) -> Array:
        return (s.gap > tolerance) & (s.rounds < limit)

    def onward(s: _State) -> _State:
        image = step(s.x)
        f = image - s.x
        size = jnp.max(jnp.abs(f)) / (1e-300 + jnp.max(jnp.abs(image)))
        # forget the history when mixing has made things worse
        held = jnp.where(size < 4.0 * s.gap, s.held, 0)
        valid = place < held
        df = jnp.roll(s.df, 1, axis=0).at[0].set(f - s.f)
        df = jnp.where(_column(valid, df), df, 0.0)
        dx = jnp.where(_column(valid, s.dx), s.dx, 0.0)
        flat = df.reshape(DEPTH, -1)
        gram = flat @ flat.T
        diagonal = jnp.diagonal(gram)
        scale = 1.0 / jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1.0))
        matrix = gram * scale[:, None] * scale[None] + jnp.diag(jnp.where(valid, 1e-13, 1.0))
        gamma = scale * jnp.linalg.solve(matrix, scale * (flat @ f.reshape(-1)))
        gamma = jnp.where(valid & jnp.isfinite(gamma), gamma, 0.0)
        new = image - jnp.tensordot(gamma, dx + df, axes=1)
        return _State(
            x=new,
            f=f,
            gap=size,
            dx=jnp.roll(dx, 1, axis=0).at[0].set(new - s.x),
            df=df,
            held=jnp.minimum(held + 1, DEPTH),
            rounds=s.rounds + 1,
        )

    zero = jnp.zeros((), int)
    start = _State(guess, jnp.zeros_like(guess), jnp.asarray(jnp.inf), history, history, zero, zero)
    end = jax.lax.while_loop(unfinished, onward, start)
    return FixedPoint(end.x, end.rounds, end.gap)


def _column(mask: Array, like: Array) -> Array:
    return mask.reshape(-1, *([1] * (like.ndim - 1)))
