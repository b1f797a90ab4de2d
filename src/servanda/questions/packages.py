"""What do levers change, from when, and what does it cost?

In: levers of a scenario, how hard each is pulled (intensity u in [0, 1]) and worlds. Out: the
assumptions in every period, and costs. Pulled at u, a lever that sets an assumption x to a makes
it (1 - u) x + u a; one that adds a, x + u a; one that multiplies by m, x (1 + u (m - 1)). Several
levers on one assumption act one after the other, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from servanda.errors import QuestionError, unknown
from servanda.scenario.formulas import evaluate
from servanda.scenario.model import Change, Lever, Scenario
from servanda.scenario.worlds import Worlds

MOST_PACKAGES = 2**10
SLACK = 1e-9
"""Costs are compared with a budget to this many units."""


@dataclass(frozen=True)
class Package(Mapping[str, float]):
    """Levers pulled together: lever → intensity in [0, 1], in the file's order; 0 is left out."""

    pulled: tuple[tuple[str, float], ...] = ()

    def __getitem__(self, lever: str) -> float:
        return dict(self.pulled)[lever]

    def __iter__(self) -> Iterator[str]:
        return iter(name for name, _ in self.pulled)

    def __len__(self) -> int:
        return len(self.pulled)

    @property
    def name(self) -> str:
        """`arm + monitor`, with the intensity where it is not full; `nothing` without levers."""
        words = [n if u == 1 else f"{n} {100 * u:.3g} %" for n, u in self.pulled]
        return " + ".join(words) or "nothing"


def package(scenario: Scenario, pulled: Mapping[str, float] | Sequence[str] | str) -> Package:
    """A package from names (full intensity) or a mapping lever → intensity.

    Raises QuestionError for an unknown lever or an intensity outside [0, 1].
    """
    if isinstance(pulled, str):
        pulled = [pulled]
    given = pulled if isinstance(pulled, Mapping) else dict.fromkeys(pulled, 1.0)
    for name, u in given.items():
        if name not in scenario.levers:
            raise unknown("lever", name, scenario.levers)
        if not 0 <= u <= 1:
            raise QuestionError(f"lever {name} at intensity {u:g}: it must lie between 0 and 1")
    chosen = ((n, float(given[n])) for n in scenario.levers if given.get(n, 0) > 0)
    return Package(tuple(chosen))


def packages_within(
    scenario: Scenario,
    levers: Sequence[str],
    intensities: Sequence[float],
    cost: Mapping[str, float],
    budget: float | None,
) -> list[Package]:
    """Every package of the levers within the budget, `nothing` first, the cheaper ones before.

    `cost` is each lever's per period at full intensity. Raises QuestionError if there are too many.
    """
    steps = sorted({0.0, *map(float, intensities)})
    names = [n for n in scenario.levers if n in levers]
    found: list[tuple[float, Package]] = []
    chosen: list[tuple[str, float]] = []

    def add(k: int, spent: float) -> None:
        if k == len(names):
            if len(found) == MOST_PACKAGES:
                raise QuestionError(
                    f"more than {MOST_PACKAGES} packages fit the budget: name fewer levers, or "
                    "fewer intensities, or lower the budget"
                )
            found.append((spent, package(scenario, dict(chosen))))
            return
        for u in steps:
            total = spent + u * cost[names[k]]
            if budget is None or total <= budget + SLACK:
                chosen.append((names[k], u))
                add(k + 1, total)
                chosen.pop()

    add(0, 0.0)
    return [p for _, p in sorted(found, key=lambda item: (item[0], len(item[1])))]


def costs(
    scenario: Scenario, worlds: Worlds | Float[np.ndarray, "world assumption"]
) -> Float[np.ndarray, "world lever"]:
    """What each lever costs its owner per period at full intensity, while it acts.

    Formulas are evaluated at the world's own assumptions, before any lever changes them.
    """
    values = np.asarray(worlds.values if isinstance(worlds, Worlds) else worlds, float)
    env = {name: values[:, k] for k, name in enumerate(scenario.assumptions)}
    rows = [
        np.broadcast_to(np.asarray(evaluate(lever.cost, env, np), float), len(values))
        for lever in scenario.levers.values()
    ]
    return np.stack(rows, axis=1) if rows else np.zeros((len(values), 0))


def cost_of(
    scenario: Scenario, chosen: Package, cost: Float[np.ndarray, "... lever"]
) -> Float[np.ndarray, "..."]:
    """Cost of a package per period while all its levers act."""
    return np.asarray(cost) @ intensities_of(scenario, chosen)


def intensities_of(scenario: Scenario, chosen: Package) -> Float[np.ndarray, " lever"]:
    """The intensity of every lever of the scenario."""
    return np.array([dict(chosen.pulled).get(name, 0.0) for name in scenario.levers])


def acting(
    scenario: Scenario, intensity: Float[np.ndarray, " lever"]
) -> Float[np.ndarray, "lever period+1"]:
    """The same intensities in every period from each lever's `from` on."""
    period = np.arange(scenario.horizon + 1)
    start = np.array([lever.start for lever in scenario.levers.values()])
    return np.where(period >= start[:, None], np.asarray(intensity)[:, None], 0.0)


def amounts(scenario: Scenario, worlds: int, seed: int) -> dict[str, list[np.ndarray]]:
    """The size of each lever's changes in every world, as drawn: lever → [change][world]."""
    found: dict[str, list[np.ndarray]] = {}
    for k, lever in enumerate(scenario.levers.values()):
        rows = []
        for j, change in enumerate(lever.sets.values()):
            rng = np.random.default_rng([seed, k, j])
            quantile = (rng.permutation(worlds) + rng.random(worlds)) / max(worlds, 1)
            rows.append(np.asarray(change.amount.ppf(quantile)))
        found[lever.name] = rows
    return found


def modal_amounts(scenario: Scenario) -> dict[str, list[np.ndarray]]:
    """The likeliest size of each lever's changes, one world."""
    levers = scenario.levers.values()
    return {x.name: [np.array([c.amount.mode]) for c in x.sets.values()] for x in levers}


def schedule_of_package(
    scenario: Scenario,
    values: Float[np.ndarray, "world assumption"],
    chosen: Package | Float[np.ndarray, "lever period+1"],
    amount: Mapping[str, Sequence[np.ndarray]] | None = None,
) -> Float[np.ndarray, "world period+1 assumption"]:
    """The assumptions in every period if a package, or levers at given intensities, are pulled.

    A package acts from each lever's `from` on. `amount` is as from `amounts`; by default modal.
    Raises QuestionError if a patience would leave [0, 1).
    """
    if isinstance(chosen, Package):
        chosen = acting(scenario, intensities_of(scenario, chosen))
    amount = amount or modal_amounts(scenario)
    used = np.asarray(changed(scenario, np.asarray(values, float), chosen, amount, np))
    _check_patience(scenario, np.asarray(values, float), used, np.asarray(chosen))
    return used


def changed(
    scenario: Scenario,
    values: Float[Array, "world assumption"] | Float[np.ndarray, "world assumption"],
    intensity: Float[Array, "lever period+1"] | Float[np.ndarray, "lever period+1"],
    amount: Mapping[str, Sequence[np.ndarray]],
    xp: Any = jnp,
) -> Float[Array, "world period+1 assumption"]:
    """The formulas of this module, for NumPy or JAX arrays (`xp`), unchecked."""
    periods = intensity.shape[1]
    columns = {
        name: xp.repeat(xp.asarray(values)[:, k, None], periods, axis=1)
        for k, name in enumerate(scenario.assumptions)
    }
    for k, lever in enumerate(scenario.levers.values()):
        for a, (name, change) in zip(amount[lever.name], lever.sets.items(), strict=True):
            columns[name] = pulled(columns[name], change, a[:, None], intensity[k][None])
    found: Array = xp.stack([columns[name] for name in scenario.assumptions], axis=-1)
    return found


def pulled(x: Any, change: Change, amount: Any, u: Any) -> Any:
    """An assumption x after a change by `amount` at intensity u; all broadcast."""
    if change.kind == "set":
        return (1 - u) * x + u * amount
    if change.kind == "add":
        return x + u * amount
    return x * (1 + u * (amount - 1))


def _check_patience(
    scenario: Scenario, before: np.ndarray, after: np.ndarray, intensity: np.ndarray
) -> None:
    env = {name: after[..., k] for k, name in enumerate(scenario.assumptions)}
    old = {name: before[:, k, None] for k, name in enumerate(scenario.assumptions)}
    for party in scenario.parties.values():
        patience = np.asarray(evaluate(party.patience, env, np))
        moved = patience != np.asarray(evaluate(party.patience, old, np))
        wrong = moved & ~((patience >= 0) & (patience < 1))
        if wrong.any():
            to = float(patience[wrong].flat[0])
            pulling = [n for n, u in zip(scenario.levers, intensity, strict=True) if np.any(u > 0)]
            raise QuestionError(
                f"with {' and '.join(pulling)} the patience of {party.name} would be {to:.3g}; it "
                "must stay at 0 or more and below 1: change the lever in the scenario"
            )


def by_owner(
    scenario: Scenario, chosen: Package, cost: Float[np.ndarray, " lever"]
) -> dict[str, float]:
    """Who pays for a package: cost per period by owner, all levers acting."""
    found: dict[str, float] = {}
    for lever, c, u in zip(
        scenario.levers.values(), cost, intensities_of(scenario, chosen), strict=True
    ):
        if u > 0:
            found[lever.owner] = found.get(lever.owner, 0.0) + float(c * u)
    return found


def pairs(chosen: Sequence[Package]) -> list[tuple[int, int, int]]:
    """Packages of two levers with those of each alone at the same intensity, as indices."""
    at = {p.pulled: k for k, p in enumerate(chosen)}
    found = []
    for p, k in at.items():
        if len(p) == 2 and (p[0],) in at and (p[1],) in at:
            found.append((at[(p[0],)], at[(p[1],)], k))
    return found


def owned(scenario: Scenario, party: str) -> list[Lever]:
    """The levers in a party's hands."""
    return [lever for lever in scenario.levers.values() if lever.owner == party]


def efficient(
    cost: Float[np.ndarray, " package"], effect: Float[np.ndarray, "package effect"]
) -> Bool[np.ndarray, " package"]:
    """[package] bool: no other costs less and does as much in every effect, or costs no more, does
    as much in all and more in one."""
    ahead = effect[None] - effect[:, None]
    better = (cost[None] <= cost[:, None]) & (ahead >= 0).all(axis=-1)
    strictly = (cost[None] < cost[:, None]) | (ahead > 0).any(axis=-1)
    return np.asarray(~(better & strictly).any(axis=1))


def without(chosen: Package, gone: Sequence[str]) -> Package:
    """The package without some levers."""
    return Package(tuple((n, u) for n, u in chosen.pulled if n not in gone))
