"""Any figure with respect to every assumption, by reverse mode.

In: a program, figures as a function of a world's results, and worlds. Out: each figure's value and
its derivative by every assumption, at a few times the cost of one solve. Figures read off paths
get the pathwise derivative plus the score terms of their draws (Foerster et al. 2018), and a
standard error from independent batches of paths. Stakes are held constant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.game.batch import Program
from servanda.scenario.worlds import Worlds

Figures = Callable[[dict[str, Any]], dict[str, Array]]
"""Reads named scalar figures off one world's results (see `Program.world`)."""


@dataclass(frozen=True)
class Gradient:
    """Figures and their derivatives: arrays are [world, figure] and [world, figure, assumption]."""

    figures: tuple[str, ...]
    assumptions: tuple[str, ...]
    value: Float[np.ndarray, "world figure"]
    gradient: Float[np.ndarray, "world figure assumption"]
    error: Float[np.ndarray, "world figure assumption"]  # standard error; 0 without paths


def gradient(program: Program, figures: Figures, worlds: Worlds, batches: int = 8) -> Gradient:
    """Differentiate figures in every world; `batches` independent sets of paths if it has any."""
    if not program.follow or not program.game.stocks:
        batches = 1
    seeds = [replace(program, seed=program.seed + k).uniforms() for k in range(batches)]
    uniforms = jnp.asarray(np.stack(seeds)) if program.follow else jnp.zeros((1, 0, 4, 0))
    labels: list[str] = []

    def vector(theta: Array, u: Array) -> Array:
        found = figures(program.world(theta, u))
        labels[:] = list(found)
        return jnp.stack([jnp.asarray(x, float) for x in found.values()])

    def one(theta: Array, u: Array) -> tuple[Array, Array]:
        value, back = jax.vjp(lambda t: vector(t, u), theta)
        rows = jax.lax.map(lambda seed: back(seed)[0], jnp.eye(value.shape[0]))
        return value, rows

    @jax.jit
    def everywhere(thetas: Array, uniforms: Array) -> tuple[Array, Array]:
        return jax.lax.map(
            lambda theta: jax.lax.map(lambda u: one(theta, u), uniforms), thetas
        )

    value, rows = jax.device_get(everywhere(jnp.asarray(worlds.values), uniforms))
    error = np.zeros(rows[:, 0].shape)
    if batches > 1:
        error = rows.std(axis=1, ddof=1) / np.sqrt(batches)
    return Gradient(tuple(labels), tuple(program.names), value.mean(axis=1), rows.mean(axis=1), error)
