"""How is a scenario solved: on which grid, by which scheme, how far past the horizon?

In: a scenario and levels per stock. Out: a `Method`, whose every number is fixed before anything
is traced.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from servanda.game.grid import FEW_STOCKS, make_grid
from servanda.game.interpolate import Scheme
from servanda.game.period import DEFAULT_SCHEME, Method
from servanda.scenario.formulas import evaluate
from servanda.scenario.model import Scenario
from servanda.scenario.worlds import modal

FIRST = 12
"""Sweeps past the horizon before they are extrapolated (`stationary`), with stocks."""

WHAT_IS_LEFT, LEFT_WITH_FEW_STOCKS = 0.03, 0.002
"""Discount factor, from the start, at which a game that does not settle is taken to end."""

LEFT_WITHOUT_STOCKS = 1e-12
"""The same without stocks, where figures are said to be exact."""

FIRST_WITHOUT_STOCKS = 150
"""Sweeps before extrapolation without stocks: policies should have settled."""

EXACT, ROUNDING = 1e-12, 1e-9
"""What one more sweep may change without stocks, and what it may where rounding forbids less."""

CLOSER = 1e-6
"""What one more sweep may change on finer grids, in stakes (`closer`)."""

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

    def until(left: float) -> int:
        if patience == 0:
            return 2 * FIRST
        periods = np.log(left) / np.log(patience) if patience < 1 else np.inf
        return int(np.clip(np.ceil(periods) - scenario.horizon, 2 * FIRST, MOST_SWEEPS))

    if not scenario.stocks:
        last = until(LEFT_WITHOUT_STOCKS)
        return Method(
            grid,
            scheme,
            by_interest,
            min(last, FIRST_WITHOUT_STOCKS),
            tolerance=EXACT,
            restless=ROUNDING,
            finite=last,
        )
    few = len(scenario.stocks) <= FEW_STOCKS
    finite = until(LEFT_WITH_FEW_STOCKS if few else WHAT_IS_LEFT)
    return Method(grid, scheme, by_interest, FIRST, finite=finite)


def closer(method: Method) -> Method:
    """The same, brought nearer to what the game past the horizon is worth.

    What counts as going round in circles stays the same, for such a game is given another meaning.
    """
    return replace(method, tolerance=min(method.tolerance, CLOSER), most=2 * method.most)
