"""What may shake the stocks in a period, and with what probability?

In: a scenario's stocks and their loadings on named disturbances, each a standard normal number
drawn anew every period. Out: draws of all of them at once, with weights. Values average over the
draws, and paths draw one of them each period.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from servanda.scenario.model import Scenario

HERMITE = {  # 3-point Gauss-Hermite rule for a standard normal: nodes, weights
    "nodes": (-np.sqrt(3.0), 0.0, np.sqrt(3.0)),
    "weights": (1 / 6, 2 / 3, 1 / 6),
}

PRODUCT = 2
"""Up to here every combination of the Hermite nodes is a draw."""

REFLECTED = 5
"""From here on the corners of the rule are turned away from the axes; see `rule`."""

Draw = tuple[dict[str, float], float]
"""Standard normal numbers by disturbance, and the probability of the draw."""


def disturbances(scenario: Scenario, stocks: Sequence[str] | None = None) -> tuple[str, ...]:
    """What shakes these stocks (or all), each once, in the order of the stocks."""
    names = scenario.stocks if stocks is None else stocks
    return tuple(dict.fromkeys(z for name in names for z in scenario.stocks[name].shock))


def draws(scenario: Scenario, stocks: Sequence[str] | None = None) -> list[Draw]:
    """Every draw of all disturbances, as far as these stocks (or all) can tell draws apart."""
    everything, wanted = disturbances(scenario), disturbances(scenario, stocks)
    nodes, weights = rule(len(everything))
    picked = [everything.index(z) for z in wanted]
    found: dict[tuple[float, ...], float] = {}
    for node, weight in zip(nodes, weights, strict=True):
        key = tuple(float(node[k]) for k in picked)
        found[key] = found.get(key, 0.0) + float(weight)
    return [(dict(zip(wanted, key, strict=True)), weight) for key, weight in found.items()]


def rule(count: int) -> tuple[Float[np.ndarray, "draw count"], Float[np.ndarray, " draw"]]:
    """Nodes and weights for that many independent standard normal numbers.

    Up to two: the product of 3-point Gauss-Hermite rules, exact for every polynomial of degree 5
    in each of them. From three on that would grow as 3^n, and 2n nodes of equal weight 1/(2n)
    serve, exact for every polynomial of degree 3. Such nodes are exact to that degree if and only
    if they are the corners of a regular cross-polytope around the mean (A. H. Stroud, Remarks on
    the disposition of points in numerical integration formulas, Mathematical Tables and Other Aids
    to Computation 11, 1957, 257-261), here at distance √n. How it is turned is free. Two ways do
    not depend on the order in which disturbances are listed: the axes, ±√n e_i, and their
    reflection at the hyperplane across the diagonal,

        ±√n (e_i - (2/n) 1),   e_i the i-th unit vector, 1 all ones.

    That one is taken in which the fourth moment of each disturbance is nearer to the normal's 3.
    On the axes it is n: 3 for n = 3, where each disturbance by itself has the Gauss-Hermite nodes
    and weights, and 4 for n = 4. From n = 5 on disturbances on the axes would move one at a time,
    ever farther out and ever more rarely; reflected, all move in every draw, and the fourth moment
    is n ((1 - 2/n)^4 + (n - 1) (2/n)^4): 1.2 for n = 5, 2.7 for 8, 5.9 for 12.

    A node in the middle, which pushes the others outward, would not help: with weight w there all
    fourth moments grow by 1/(1 - w), and of all w >= 0 their sum of squared errors is least at 0.
    """
    if count <= PRODUCT:
        pairs = list(zip(HERMITE["nodes"], HERMITE["weights"], strict=True))
        combined = list(itertools.product(pairs, repeat=count))
        nodes = np.array([[z for z, _ in c] for c in combined]).reshape(len(combined), count)
        return nodes, np.array([math.prod((w for _, w in c), start=1.0) for c in combined])
    corners = np.eye(count)
    if count >= REFLECTED:
        corners = corners - 2.0 / count
    corners = math.sqrt(count) * corners
    return np.concatenate([corners, -corners]), np.full(2 * count, 0.5 / count)
