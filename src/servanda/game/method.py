"""How is a scenario solved: on which grid, by which scheme, how far past the horizon?

In: a scenario and levels per stock. Out: a `Method`, whose every number is fixed before anything
is traced.
"""

from __future__ import annotations

import numpy as np

from servanda.game.backward import DEFAULT_SCHEME, LATELY, Method
from servanda.game.grid import make_grid
from servanda.game.interpolate import Scheme
from servanda.scenario.formulas import evaluate
from servanda.scenario.model import Scenario
from servanda.scenario.worlds import modal

WHAT_IS_LEFT = 0.1
"""Discount factor, from the start, at which a game with stocks is taken for unending."""

LEFT_WITHOUT_STOCKS = 1e-12
"""The same without stocks, where a sweep costs next to nothing."""

MOST_SWEEPS = 4000
"""Past the horizon; patience next to 1 would ask for more."""


def make_method(
    scenario: Scenario,
    levels: tuple[int, ...],
    scheme: Scheme = DEFAULT_SCHEME,
    by_interest: bool = False,
) -> Method:
    """How to solve a scenario, with the sweeps past the horizon that its patience asks for."""
    grid = make_grid(scenario, levels)
    if scenario.terminal == "zero":
        return Method(grid, scheme, by_interest)
    world = modal(scenario)
    env = dict(zip(world.names, world.values[0], strict=True))
    patience = max(float(evaluate(p.patience, env, np)) for p in scenario.parties.values())
    if patience == 0:
        return Method(grid, scheme, by_interest, LATELY)
    left = WHAT_IS_LEFT if scenario.stocks else LEFT_WITHOUT_STOCKS
    periods = np.log(left) / np.log(patience) if patience < 1 else np.inf
    sweeps = int(np.clip(np.ceil(periods) - scenario.horizon, 2 * LATELY, MOST_SWEEPS))
    return Method(grid, scheme, by_interest, sweeps)
