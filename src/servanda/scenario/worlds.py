"""In which worlds is the game to be solved?

In comes a scenario; out go worlds, each a value for every assumption and one hypothesis of every
group, with weights that sum to 1. `modal` gives the one likeliest world, `draw` a stratified
quasi-random sample: scrambled Sobol points (Owen, J. Complexity 14, 1998) within every combination
of hypotheses, so that hypothesis weights can change afterwards without drawing again.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from servanda.cache import cache_file
from servanda.errors import QuestionError
from servanda.scenario.model import Scenario

KEPT_NUMBERS = 50_000
"""Sobol points of more numbers are not kept: there making them is not what takes time."""


@dataclass(frozen=True)
class Worlds:
    """Draws of everything that is uncertain.

    `values[w, a]` is assumption `names[a]` in world w, in its own unit; `hypotheses[group][w]`
    is the index of the hypothesis that holds there, in the order of the file; `weight` sums to 1.
    `share[w]` is the part of its combination's weight that falls to world w, so that
    `weight = share × product of the hypotheses' weights`, brought to a sum of 1.
    """

    names: tuple[str, ...]
    values: Float[np.ndarray, "world assumption"]
    hypotheses: dict[str, Int[np.ndarray, " world"]]
    weight: Float[np.ndarray, " world"]
    seed: int
    share: Float[np.ndarray, " world"] = field(default_factory=lambda: np.ones(1))

    def __len__(self) -> int:
        return len(self.weight)

    def column(self, name: str) -> Float[np.ndarray, " world"]:
        """One assumption in every world."""
        return self.values[:, self.names.index(name)]


def modal(scenario: Scenario) -> Worlds:
    """The one world of modes, under the heaviest hypothesis of each group (the first, if tied)."""
    combination = tuple(
        int(np.argmax([h.weight for h in group.values()])) for group in scenario.hypotheses.values()
    )
    chosen = _chosen(scenario, combination)
    row = [scenario.distribution(name, chosen).mode for name in scenario.assumptions]
    return Worlds(
        tuple(scenario.assumptions),
        np.array([row], float).reshape(1, -1),
        {group: np.array([i]) for group, i in zip(scenario.hypotheses, combination)},
        np.ones(1),
        seed=0,
        share=np.ones(1),
    )


def part_of(sample: Worlds, places: Int[np.ndarray, " part"]) -> Worlds:
    """Some of the worlds, with their weights brought to a sum of 1."""
    share = sample.share if len(sample.share) == len(sample) else np.ones(len(sample))
    weight = np.asarray(sample.weight)[places]
    return replace(
        sample,
        values=np.asarray(sample.values)[places],
        hypotheses={group: np.asarray(held)[places] for group, held in sample.hypotheses.items()},
        weight=weight / weight.sum(),
        share=np.asarray(share)[places],
    )


def draw(scenario: Scenario, n: int, seed: int = 0) -> Worlds:
    """`n` worlds; the same seed gives the same worlds.

    Every combination of hypotheses gets at least one world, and more in proportion to its weight.
    With more combinations than worlds, these are never listed: each world's combination is drawn,
    one reading per group, with a probability in proportion to its weight. Raises `QuestionError`
    when `n` is less than 1.
    """
    if n < 1:
        raise QuestionError(f"at least one world must be drawn, not {n}")
    random = np.random.default_rng(seed)
    groups = [list(group.values()) for group in scenario.hypotheses.values()]
    each = [np.array([h.weight for h in group]) for group in groups]
    if n >= math.prod(len(group) for group in groups):
        listed = list(itertools.product(*(range(len(group)) for group in groups)))
        combinations = np.array(listed, int).reshape(len(listed), len(groups))
        weights = _product(each, combinations)
        counts = _shared_out(weights, n)
        share = np.repeat(1.0 / counts, counts)
        weight = np.repeat(weights / counts, counts)
        holds = np.repeat(combinations, counts, axis=0)
    else:
        holds = np.stack([_picked(x, n, random) for x in each], axis=1)
        holds = holds[np.lexsort(holds.T[::-1])]
        share = 1.0 / (n * _product(each, holds))
        weight = np.full(n, 1.0 / n)
    points = _sobol(scenario, n, random)
    values = np.empty((n, len(scenario.assumptions)))
    met, index = np.unique(holds, axis=0, return_inverse=True)
    for c, combination in enumerate(met):
        rows = index.reshape(-1) == c
        chosen = _chosen(scenario, combination)
        for a, name in enumerate(scenario.assumptions):
            values[rows, a] = scenario.distribution(name, chosen).ppf(points[rows, a])
    return Worlds(
        tuple(scenario.assumptions),
        values,
        {group: holds[:, g] for g, group in enumerate(scenario.hypotheses)},
        weight / weight.sum(),
        seed,
        share,
    )


def weights(
    worlds: Worlds,
    scenario: Scenario,
    hypothesis_weights: Mapping[str, Any],
    xp: Any = np,
) -> Any:
    """The weight of each world as a function of the hypotheses' weights, for gradients.

    `hypothesis_weights` maps a group to an array [hypothesis] in the order of the file; groups
    left out keep the weights of the scenario. `xp` is `numpy` or `jax.numpy`. The result, an
    array [world], sums to 1. Raises `QuestionError` for a group that does not exist or a wrong
    number of weights.
    """
    unknown = hypothesis_weights.keys() - scenario.hypotheses.keys()
    if unknown:
        known = ", ".join(scenario.hypotheses) or "none"
        raise QuestionError(f"unknown group of hypotheses '{min(unknown)}'; there are: {known}")
    weight = xp.asarray(worlds.share)
    for group, members in scenario.hypotheses.items():
        given = hypothesis_weights.get(group, [h.weight for h in members.values()])
        given = xp.asarray(given)
        if given.shape != (len(members),):
            raise QuestionError(f"{group} has {len(members)} hypotheses; give one weight for each")
        weight = weight * given[worlds.hypotheses[group]]
    return weight / xp.sum(weight)


def _chosen(scenario: Scenario, combination: Sequence[int]) -> dict[str, str]:
    return {
        group: list(members)[i]
        for (group, members), i in zip(scenario.hypotheses.items(), combination)
    }


def _shared_out(weights: np.ndarray, n: int) -> np.ndarray:
    """How many of n worlds each combination gets: one, and the rest by largest remainder."""
    ideal = weights / weights.sum() * n
    counts = np.maximum(np.floor(ideal).astype(int), 1)
    while counts.sum() > n:
        # The ones that came on top are taken from where they are missed least.
        spare = np.where(counts > 1, counts - ideal, -np.inf)
        counts[np.argmax(spare)] -= 1
    while counts.sum() < n:
        counts[np.argmax(ideal - counts)] += 1
    return counts


def _product(weights: list[np.ndarray], holds: np.ndarray) -> np.ndarray:
    """The weights of combinations [n, group]: products of their readings' weights."""
    chosen = [group[holds[:, g]] for g, group in enumerate(weights)]
    return np.prod(np.stack(chosen), axis=0) if chosen else np.ones(len(holds))


def _picked(weights: np.ndarray, n: int, random: np.random.Generator) -> np.ndarray:
    """[n] which of one group's readings hold: systematic draws by weight, in a random order.

    Every reading is there as often as its weight says, give or take one world, and the random
    orders make the groups independent of each other.
    """
    ends = np.cumsum(weights)
    marks = (np.arange(n) + random.random()) / n * ends[-1]
    hits = np.searchsorted(ends, marks, side="right")
    return random.permutation(np.minimum(hits, np.flatnonzero(weights)[-1]))


def _sobol(scenario: Scenario, n: int, random: np.random.Generator) -> np.ndarray:
    """Points [world, assumption] in [0, 1); assumptions that never vary take no dimension."""
    varies = [
        not all(d.is_fixed for d in _every_distribution(scenario, name))
        for name in scenario.assumptions
    ]
    points = np.full((n, len(varies)), 0.5)
    if any(varies):
        points[:, np.array(varies)] = _sequence(sum(varies), max(n - 1, 1).bit_length(), random)[:n]
    return points


def _sequence(dimensions: int, bits: int, random: np.random.Generator) -> np.ndarray:
    """2^bits scrambled Sobol points; of a few thousand numbers kept in the user's cache directory.

    Reading SciPy's statistics in takes a second, more than most of an answer's parts.
    """
    numbers = dimensions << bits
    version = importlib.metadata.version("scipy")
    key = (version, dimensions, bits, random.bit_generator.state)
    store = cache_file("sobol", key) if numbers <= KEPT_NUMBERS else None
    known = store.read() if store else None
    if known is None or len(known) != numbers or not all(0 <= x < 1 for x in known):
        from scipy.stats import qmc

        sampler = qmc.Sobol(dimensions, scramble=True, seed=random)
        known = sampler.random_base2(bits).reshape(-1).tolist()
        if store:
            store.write(known)
    return np.array(known).reshape(-1, dimensions)


def _every_distribution(scenario: Scenario, name: str) -> list[Any]:
    assumption = scenario.assumptions[name]
    if assumption.group is None:
        return [assumption.distribution]
    members = scenario.hypotheses[assumption.group]
    return [scenario.distribution(name, {assumption.group: h}) for h in members]
