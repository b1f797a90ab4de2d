"""Any figure with respect to every assumption, by reverse mode.

In: a program, figures as a function of a world's results, and worlds. Out: each figure's value and
its derivative by every assumption, at a few times the cost of one solve. Figures read off paths
get the pathwise derivative plus the score terms of their draws (Foerster et al. 2018), and a
standard error from independent batches of paths. Stakes are held constant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from servanda.game.batch import Follow, Program, bounds
from servanda.game.interpolate import Scheme
from servanda.game.kept import traced
from servanda.game.paths import KINDS
from servanda.game.period import DEFAULT_SCHEME
from servanda.game.runtime import compiler_options
from servanda.game.solve import first_asked, prepare
from servanda.scenario.model import Proposal, Scenario
from servanda.scenario.worlds import Worlds, weights

Figures = Callable[[dict[str, Any]], dict[str, Array]]
"""Reads named scalar figures off one world's results (see `Program.world`)."""


ROOM = 0.05
"""How much wider the grid's bounds are for derivatives, as a share of their width."""


@dataclass(frozen=True)
class Gradient:
    """Figures and their derivatives: arrays are [world, figure] and [world, figure, assumption]."""

    figures: tuple[str, ...]
    assumptions: tuple[str, ...]
    value: Float[np.ndarray, "world figure"]
    gradient: Float[np.ndarray, "world figure assumption"]
    error: Float[np.ndarray, "world figure assumption"]  # standard error; 0 without paths


def gradient(
    program: Program,
    figures: Figures,
    worlds: Worlds,
    batches: int = 8,
    boxes: np.ndarray | None = None,
    known: tuple[str, ...] = (),
) -> Gradient:
    """Differentiate figures in every world; `batches` independent sets of paths if it has any.

    The grid, its bounds (`boxes`, as in `run`, but a little wider) and the number of sweeps are
    held fixed. `known` says what the figures are, then their names: with that, the traced program
    is kept between runs.
    """
    if not program.follow or not program.game.stocks:
        batches = 1
    seeds = [replace(program, seed=program.seed + k).uniforms() for k in range(batches)]
    uniforms = jnp.asarray(np.stack(seeds)) if program.follow else jnp.zeros((1, 0, 4, 0))
    labels = list(known[1:])

    def vector(theta: Array, box: Array, u: Array) -> Array:
        found = figures(program.world(theta, box, u))
        labels[:] = list(found)
        return jnp.stack([jnp.asarray(x, float) for x in found.values()])

    def one(theta: Array, box: Array, u: Array) -> tuple[Array, Array]:
        value, back = jax.vjp(lambda t: vector(t, box, u), theta)
        rows = jax.lax.map(lambda seed: back(seed)[0], jnp.eye(value.shape[0]))
        return value, rows

    def everywhere(thetas: Array, boxes: Array, uniforms: Array) -> tuple[Array, Array]:
        def world(item: tuple[Array, Array]) -> tuple[Array, Array]:
            theta, box = item
            return jax.lax.map(lambda u: one(theta, box, u), uniforms)

        return jax.lax.map(world, (thetas, boxes))

    if boxes is None:
        boxes = widened(program, bounds(program, worlds))
    arguments = (np.asarray(worlds.values), np.asarray(boxes), np.asarray(uniforms))
    options = compiler_options(program.once)
    if known:
        depends = (known, program.depends())
        function = traced(everywhere, depends, arguments, options, program.kernels())
    else:
        function = jax.jit(everywhere, compiler_options=options)
    value, rows = jax.device_get(function(*arguments))
    error = np.zeros(rows[:, 0].shape)
    if batches > 1:
        error = rows.std(axis=1, ddof=1) / np.sqrt(batches)
    return Gradient(
        tuple(labels), tuple(program.names), value.mean(axis=1), rows.mean(axis=1), error
    )


def widened(
    program: Program, boxes: Float[np.ndarray, "world epoch bound stock"]
) -> Float[np.ndarray, "world epoch bound stock"]:
    """Bounds with room on both sides: what is reached with other assumptions lies inside too.

    The states that play comes to lie on the bounds themselves where nothing is left to chance or
    choice; fixed bounds would then hide that they move.
    """
    stocks = program.game.scenario.stocks.values()
    low, high = (np.array([getattr(s, end) for s in stocks]) for end in ("low", "high"))
    room = ROOM * (boxes[:, :, 1] - boxes[:, :, 0]) + 0.1 * ROOM * (high - low)
    ends = np.stack([boxes[:, :, 0] - room, boxes[:, :, 1] + 1.1 * room], axis=2)
    found: np.ndarray = np.concatenate([np.clip(ends, low, high), boxes[:, :, 2:]], axis=2)
    return found


@dataclass(frozen=True)
class Derivatives:
    """Headlines of a deal and their derivatives, labelled.

    `gradient` and `error` are [world, figure, assumption], per unit of the assumption; `weights`
    [figure, hypothesis] is the derivative of the mean over worlds by each hypothesis's weight,
    before the weights of its group are brought back to a sum of 1.
    """

    value: xr.DataArray
    gradient: xr.DataArray
    error: xr.DataArray
    weights: xr.DataArray
    worlds: Worlds = field(repr=False)

    def to_dataframe(self) -> Any:
        """Derivatives as a long table."""
        return self.gradient.to_dataframe(name="derivative")


def differentiate(
    scenario: Scenario,
    proposal: str | Proposal,
    *,
    worlds: Worlds | None = None,
    dates: tuple[int, ...] = (),
    paths: int = 64,
    batches: int = 8,
    seed: int = 0,
    levels: tuple[int, ...] | None = None,
    scheme: Scheme = DEFAULT_SCHEME,
) -> Derivatives:
    """Derivatives of worth to every party, joint signing and survival at `dates`.

    Survival is read off paths and comes with a standard error; worth and signing are exact. The
    grid and numbers of sweeps are held fixed. `worlds` defaults to the modal world.
    """
    program, worlds = prepare(scenario, proposal, worlds, (), levels, scheme, False, paths, seed)
    root = program.game.roots[0]
    asked = first_asked(program.game)
    in_force = KINDS.index("in_force")

    def exact(out: dict[str, Any]) -> dict[str, Array]:
        gain = out["value"][root["signed"]] - out["value"][root["no_deal"]]
        found = {f"worth.{p}": gain[i] for i, p in enumerate(program.game.parties)}
        if asked is not None:
            found["signs.all"] = jnp.prod(out["accept"][asked])
        return found

    def sampled(out: dict[str, Any]) -> dict[str, Array]:
        return {f"survival.{t}": out["course0"].regime[t, in_force] for t in dates}

    g = gradient(program, exact, worlds)
    if dates:
        followed = replace(program, follow=(Follow(root["signed"]),))
        g = _together(g, gradient(followed, sampled, worlds, batches))
    dims = ("world", "figure", "assumption")
    coords = {"figure": list(g.figures), "assumption": list(g.assumptions)}
    by_weight, names = _by_weight(scenario, worlds, g.value)
    return Derivatives(
        xr.DataArray(g.value, dims=dims[:2], coords={"figure": list(g.figures)}),
        xr.DataArray(g.gradient, dims=dims, coords=coords),
        xr.DataArray(g.error, dims=dims, coords=coords),
        xr.DataArray(
            by_weight,
            dims=("figure", "hypothesis"),
            coords={"figure": list(g.figures), "hypothesis": names},
        ),
        worlds,
    )


def _together(a: Gradient, b: Gradient) -> Gradient:
    """Two sets of figures of the same worlds as one."""
    return Gradient(
        (*a.figures, *b.figures),
        a.assumptions,
        np.concatenate([a.value, b.value], axis=1),
        np.concatenate([a.gradient, b.gradient], axis=1),
        np.concatenate([a.error, b.error], axis=1),
    )


def _by_weight(
    scenario: Scenario, worlds: Worlds, value: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """d(mean over worlds)/d(weight) for every hypothesis, with the weights renormalised."""
    given = {
        group: jnp.array([h.weight for h in members.values()])
        for group, members in scenario.hypotheses.items()
    }
    names = [f"{g}.{h}" for g, members in scenario.hypotheses.items() for h in members]
    if not given:
        return np.zeros((value.shape[1], 0)), names

    def mean(given: dict[str, Array]) -> Array:
        return weights(worlds, scenario, given, jnp) @ jnp.asarray(value)

    rows = jax.jacrev(mean)(given)
    return np.concatenate([np.asarray(rows[g]) for g in given], axis=1), names
