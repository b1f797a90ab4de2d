"""Fixed points of contractions, faster than by iterating: Anderson acceleration.

In: a map and a first guess. Out: the fixed point. Near a fixed point the map is nearly linear, and
mixing the last few iterates so that their residual is smallest is then as good as GMRES (Walker and
Ni 2011). The map stands in one loop body only, because compiling it is what costs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

DEPTH = 8


class _State(NamedTuple):
    x: Array
    f: Array  # residual of the previous iterate
    aux: Any
    settled: Array
    gap: Array  # relative residual
    dx: Array  # [depth, ...] latest steps
    df: Array  # [depth, ...] latest changes of the residual
    held: Array  # how many of them are valid
    count: Array
    first: Array  # iterations before mixing began


class FixedPoint(NamedTuple):
    """A fixed point: what the map returned beside it, iterations, and the relative residual."""

    x: Array
    aux: Any
    settled: Array
    count: Array
    first: Array
    gap: Array


def fixed_point(step: Callable[[Array], tuple[Array, Any]], guess: Array,
                settled: Callable[[Any, Any], Array] | None, tolerance: float,
                limit: int) -> FixedPoint:  # fmt: skip
    """Find x = step(x)[0]; plain iteration until `settled(aux, previous aux)`, then mixing.

    Stops when |step(x) - x| <= tolerance * |x| in the largest norm, or after `limit` steps.
    """
    shapes = jax.eval_shape(step, guess)[1]
    blank = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    history = jnp.zeros((DEPTH, *guess.shape))

    def unfinished(s: _State) -> Array:
        return (s.gap > tolerance) & (s.count < limit)

    def onward(s: _State) -> _State:
        image, aux = step(s.x)
        f = image - s.x
        size = jnp.max(jnp.abs(f)) / (1e-300 + jnp.max(jnp.abs(image)))
        ready = s.settled
        if settled is not None:
            ready = ready | ((s.count > 0) & settled(aux, s.aux))
        # forget the history when mixing has made things worse
        held = jnp.where(ready & (size < 4.0 * s.gap), s.held, 0)
        df = jnp.roll(s.df, 1, axis=0).at[0].set(f - s.f)
        dx = jnp.where(held > 0, s.dx, 0.0)
        df = jnp.where(_column(jnp.arange(DEPTH) < held, df), df, 0.0)
        dx = jnp.where(_column(jnp.arange(DEPTH) < held, dx), dx, 0.0)
        flat = df.reshape(DEPTH, -1)
        gram = flat @ flat.T
        valid = jnp.arange(DEPTH) < held
        diagonal = jnp.where(valid, jnp.diagonal(gram), 1.0)
        scale = 1.0 / jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1.0))
        matrix = gram * scale[:, None] * scale[None] + jnp.diag(jnp.where(valid, 1e-13, 1.0))
        gamma = scale * jnp.linalg.solve(matrix, scale * (flat @ f.reshape(-1)))
        gamma = jnp.where(valid & jnp.isfinite(gamma), gamma, 0.0)
        new = image - jnp.tensordot(gamma, dx + df, axes=1)
        new = jnp.where(ready & (held > 0), new, image)
        return _State(
            x=new,
            f=f,
            aux=aux,
            settled=ready,
            gap=jnp.where(ready, size, jnp.inf),
            dx=jnp.roll(dx, 1, axis=0).at[0].set(new - s.x),
            df=df,
            held=jnp.where(ready, jnp.minimum(held + 1, DEPTH), 0),
            count=s.count + 1,
            first=jnp.where(ready, s.first, s.count + 1),
        )

    zero = jnp.zeros((), int)
    start = _State(guess, jnp.zeros_like(guess), blank, jnp.asarray(settled is None),
                   jnp.asarray(jnp.inf), history, history, zero, zero, zero)  # fmt: skip
    end = jax.lax.while_loop(unfinished, onward, start)
    return FixedPoint(end.x, end.aux, end.settled, end.count, end.first, end.gap)


def _column(mask: Array, like: Array) -> Array:
    return mask.reshape(-1, *([1] * (like.ndim - 1)))
