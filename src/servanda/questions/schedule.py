"""Which lever, when, and how much: the best schedule that can be found within a budget.

In: a program, levers and a budget. Out: intensities, constant on blocks of periods, that raise an
objective by projected gradient ascent, the gradient by reverse mode through the solution of the
central case. The mean cost per period over the horizon (not discounted) stays within the budget,
and so does the cost of the last block, which goes on for ever. It starts from a constant package.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.errors import QuestionError, unknown
from servanda.game.batch import Program, bounds, run
from servanda.game.runtime import compiler_options
from servanda.questions.packages import changed, modal_amounts
from servanda.scenario.model import Scenario

Objective = Literal["signing", "worth", "gap"]
OBJECTIVES = ("signing", "worth", "gap")
"""Log-odds that all sign; worth to the party; its deal at the start less its best alternative."""

BLOCKS = 8
STEPS = 25


@dataclass(frozen=True)
class Blocks:
    """How schedules are written: block of each period 0..T, and where levers can act."""

    of_period: np.ndarray  # [period + 1] block
    allowed: np.ndarray  # [lever, period + 1] bool: the lever acts from its `from` on
    usable: np.ndarray  # [lever, block] bool: pulled in at least one period

    def spread(self, x: Float[Array, "lever block"]) -> Float[Array, "lever period+1"]:
        """Intensities period by period."""
        return x[:, self.of_period] * self.allowed

    def cost(self, lever: Float[np.ndarray, " lever"]) -> Float[np.ndarray, "lever block"]:
        """What a block at full intensity adds to the mean cost per period over the horizon."""
        horizon = len(self.of_period) - 1
        share = np.zeros(self.usable.shape)
        for t in range(horizon):
            share[:, self.of_period[t]] += self.allowed[:, t] / horizon
        return lever[:, None] * share


def blocks_of(scenario: Scenario, levers: tuple[str, ...], blocks: int = BLOCKS) -> Blocks:
    """Blocks of (nearly) equal length; only the named levers can be pulled."""
    horizon = scenario.horizon
    blocks = min(blocks, horizon)
    of_period = np.minimum(np.arange(horizon + 1) * blocks // horizon, blocks - 1)
    start = np.array([lever.start for lever in scenario.levers.values()])
    chosen = np.array([name in levers for name in scenario.levers])
    allowed = (np.arange(horizon + 1) >= start[:, None]) & chosen[:, None]
    usable = np.stack([allowed[:, of_period == b].any(axis=1) for b in range(blocks)], axis=1)
    return Blocks(of_period, allowed, usable)


def project(
    x: Float[np.ndarray, "lever block"],
    cost: Float[np.ndarray, "lever block"],
    last: Float[np.ndarray, " lever"],
    budget: float | None,
) -> Float[np.ndarray, "lever block"]:
    """The nearest intensities in [0, 1] within the budget (multipliers by bisection).

    `cost` is as from `Blocks.cost`, `last` the levers' cost per period in the last block.
    """

    def final(y: np.ndarray) -> np.ndarray:
        return y if budget is None else _on_plane(y, last, budget)

    def at(multiplier: float) -> np.ndarray:
        y = x - multiplier * cost
        inside: np.ndarray = np.clip(y, 0, 1)
        inside[:, -1] = final(y[:, -1])
        return inside

    if budget is None or (at(0.0) * cost).sum() <= budget:
        return at(0.0)
    low, high = 0.0, 1.0
    while (at(high) * cost).sum() > budget and high < 1e12:
        high *= 4
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if (at(middle) * cost).sum() > budget else (low, middle)
    return at(high)


def _on_plane(y: np.ndarray, cost: np.ndarray, budget: float) -> np.ndarray:
    """The nearest point of [0, 1] to `y` whose cost is within the budget."""

    def at(multiplier: float) -> np.ndarray:
        inside: np.ndarray = np.clip(y - multiplier * cost, 0, 1)
        return inside

    if at(0.0) @ cost <= budget:
        return at(0.0)
    low, high = 0.0, 1.0
    while at(high) @ cost > budget and high < 1e12:
        high *= 4
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle) @ cost > budget else (low, middle)
    return at(high)


def figure_of(
    program: Program, objective: str, party: str, watch: tuple[int, ...]
) -> Callable[[dict[str, Any]], Array]:
    """Reads the objective off a program's results.

    `watch` are regimes: the deal in force, then the alternatives beside no deal (for "gap").
    """
    game = program.game
    if objective not in OBJECTIVES:
        raise unknown("objective", objective, OBJECTIVES)
    me, root = game.parties.index(party), game.roots[0]
    first = game.graph.index[game.graph.start(0)]
    asked = [k for k, s in enumerate(game.signings) if s.regime == first]
    if objective == "signing" and not asked:
        raise QuestionError("nobody is asked to sign at the start: choose another objective")

    def figure(out: dict[str, Any]) -> Array:
        value = out["value"][:, me]
        if objective == "worth":
            return value[root["signed"]] - value[root["no_deal"]]
        if objective == "gap":
            others = jnp.stack([value[n] for n in (root["no_deal"], *watch[1:])])
            return value[watch[0]] - jnp.max(others)
        p = jnp.clip(jnp.prod(out["accept"][asked[0]]), 1e-300, 1 - 1e-15)
        return jnp.log(p) - jnp.log1p(-p)

    return figure


@dataclass(frozen=True)
class Ascent:
    """Where the ascent came: intensities [lever, block], the objective there and where it began."""

    blocks: Blocks
    intensity: Float[np.ndarray, "lever block"]
    value: float
    start: float
    steps: int

    @property
    def by_period(self) -> Float[np.ndarray, "lever period+1"]:
        return np.asarray(self.blocks.spread(jnp.asarray(self.intensity)))


def objective_with_gradient(
    scenario: Scenario,
    program: Program,
    values: Float[np.ndarray, " assumption"],
    blocks: Blocks,
    figure: Callable[[dict[str, Any]], Array],
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """The objective of intensities [lever, block] at one world, and its derivative.

    The grid encloses what is reachable with no lever, with each alone and with all of them, and
    stays put: bounds that followed the schedule would have to be differentiated too.
    """
    amount = modal_amounts(scenario)
    row = jnp.asarray(values)[None]

    def theta(x: Array) -> Array:
        return changed(scenario, row, blocks.spread(x), amount)[0]

    def one(x: Array, box: Array) -> Array:
        return figure(program.world(theta(x), box, jnp.zeros((0, 4, 0))))

    both = jax.jit(jax.value_and_grad(one), compiler_options=compiler_options(False))

    alone = blocks.usable[None] & np.eye(len(blocks.usable), dtype=bool)[:, :, None]
    corners = np.stack([np.zeros(blocks.usable.shape), *(alone * 1.0), blocks.usable * 1.0])
    boxes = bounds(program, np.stack([np.asarray(theta(jnp.asarray(c))) for c in corners]))
    ends = [boxes[:, :, 0].min(axis=0), boxes[:, :, 1].max(axis=0), boxes[0, :, 2]]
    box = np.stack(ends, axis=1)

    def evaluated(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = both(jnp.asarray(x), jnp.asarray(box))
        return float(value), np.asarray(slope)

    return evaluated


def best_schedule(
    evaluated: Callable[[np.ndarray], tuple[float, np.ndarray]],
    blocks: Blocks,
    start: Float[np.ndarray, " lever"],
    cost: Float[np.ndarray, " lever"],
    budget: float | None,
    *,
    steps: int = STEPS,
    progress: Callable[[int, int], None] | None = None,
) -> Ascent:
    """Projected gradient ascent from a constant package; a step in vain is cut to a third.

    Never worse than where it starts, if the start is within the budget. `cost` is per period.
    """
    weight = blocks.cost(cost)
    x = project(np.where(blocks.usable, start[:, None], 0.0), weight, cost, budget)
    value, slope = evaluated(x)
    began, step, taken = value, 1.0, 0
    for k in range(steps):
        taken = k + 1
        if progress:
            progress(taken, steps)
        slope = np.where(blocks.usable & np.isfinite(slope), slope, 0.0)
        size = np.abs(slope).max(initial=0.0)
        if size == 0 or step < 1e-3:
            break
        there = project(x + step * slope / size, weight, cost, budget)
        if np.abs(there - x).max() < 1e-6:
            break
        found, ahead = evaluated(there)
        if found > value:
            x, value, slope, step = there, found, ahead, min(2 * step, 4.0)
        else:
            step /= 3
    return Ascent(blocks, np.where(blocks.usable, x, 0.0), value, began, taken)


def value_of(
    scenario: Scenario,
    program: Program,
    values: Float[np.ndarray, "world assumption"],
    intensity: Float[np.ndarray, "lever period+1"],
    figure: Callable[[dict[str, Any]], Array],
    amount: dict[str, list[np.ndarray]],
    pool: Any = None,
) -> Float[np.ndarray, " world"]:
    """The objective of a schedule in every world, by solving again."""
    thetas = np.asarray(changed(scenario, values, intensity, amount, np))
    out = run(program, thetas, pool=pool)
    return np.asarray(jax.vmap(figure)(jax.tree.map(jnp.asarray, out)))
