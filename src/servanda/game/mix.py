"""What is the next period worth before it is known what will be noticed?

In: value functions, and the event that follows each pattern of breaches: its probability and the
place it leads to. Out: their mixtures. A kernel (mix.c) reads what can happen and nothing else;
where it cannot be had, JAX adds up all events.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from servanda.game import kernel


def mix(
    values: Float[Array, "place g channel"],
    chance: Float[Array, "row pattern event"],
    place: Int[Array, "row pattern branch event"],
) -> Float[Array, "row pattern branch g channel"]:
    """Mixtures of values over events; differentiable by reverse mode in values and chances."""
    place = jnp.asarray(place, jnp.int32)
    if kernel.plain_names("mix"):
        return _mix(values, chance, place)
    weight = chance[:, :, None, :, None, None]
    return sum((weight[:, :, :, e] * values[place[..., e]] for e in range(place.shape[-1])),
               jnp.zeros(()))  # fmt: skip


@jax.custom_vjp
def _mix(values: Array, chance: Array, place: Array) -> Array:
    return _call(0, (*place.shape[:3], *values.shape[1:]), values, chance, place)


def _call(which: int, shape: tuple[int, ...], *arguments: Array) -> Array:
    out = jax.ShapeDtypeStruct(shape, jnp.float64)
    name = kernel.plain_names("mix")[which]
    found: Array = jax.ffi.ffi_call(name, out, vmap_method="sequential")(*arguments)
    return found


Inputs = tuple[Array, Array, Array]


def _forward(values: Array, chance: Array, place: Array) -> tuple[Array, Inputs]:
    return _mix(values, chance, place), (values, chance, place)


def _backward(inputs: Inputs, cotangent: Array) -> tuple[Array, Array, None]:
    # two calls, so that one nobody needs is left out
    values, chance, _ = inputs
    d_values = _call(1, values.shape, *inputs, cotangent)
    return d_values, _call(2, chance.shape, *inputs, cotangent), None


_mix.defvjp(_forward, _backward)
