"""Values read off paths: do they put right what the grid gets wrong, and leave the rest alone?"""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

import servanda as sv
from servanda.game.batch import Program, run
from servanda.game.method import LEFT_BY_PATHS, make_method
from servanda.game.period import DEFAULT_SCHEME
from servanda.game.rollout import starting_regimes
from servanda.game.solve import prepare, read_solution
from servanda.scenario.worlds import Worlds

jax.config.update("jax_enable_x64", True)

CURVED = """
title: one party and what it is worth to have little left
horizon: 40
terminal: TERMINAL
parties:
  owner: {patience: 0.95, acuity: 5}
stocks:
  water: {start: 0.9, next: 0.97 * water}
moves:
  owner: [wait]
interests:
  owner: {water: water ** 4, steady: 0.2}
"""

PACT = """
title: two cantons and a reservoir
horizon: 8
parties:
  upland: {patience: 0.95, acuity: 6}
  lowland: {patience: 0.93, acuity: 6}
stocks:
  water: {start: 0.5, next: water + 0.05 - 0.06 * upland.close - 0.03}
  trust: {start: 0.5, next: 0.9 * trust + 0.05 + 0.05 * lowland.pay - 0.1 * upland.close}
phases:
  weather:
    values: [wet, dry]
    start: wet
    next: {dry: 0.3 * weather.wet, wet: 0.6 * weather.dry}
moves:
  upland: [release, close]
  lowland: [wait, pay, blockade]
interests:
  upland:
    power: 0.6 * upland.close
    toll: 0.5 * lowland.pay + 0.1 * in_force
    blockade: -0.8 * lowland.blockade
  lowland:
    fields: water ** 2 - 0.2 * weather.dry
    toll: -0.4 * lowland.pay
    quarrel: -0.4 * lowland.blockade
    goodwill: (0.3 + 0.2 * in_force) * trust ** 2
    blame: -0.05 * refused_by.lowland
terms:
  compensation: {levels: {none: 0, yearly: 1}}
obligations:
  keep_open: {party: upland, never: upland.close, verified: 0.9, false_alarm: 0.02}
  pay_up: {party: lowland, must: lowland.pay, by: 1, while: compensation, verified: 0.95}
proposals:
  pact:
    proposer: lowland
    signatories: [upland, lowland]
    open: [0, 1]
    lasts: 12
    renew: all_sign
    terms: {compensation: yearly}
"""


def prepared(
    text: str, deal: str | None, levels: tuple[int, ...], rollout: bool = True, paths: int = 256
) -> tuple[Program, Worlds]:
    program, world = prepare(sv.load(text), deal, None, (), levels, DEFAULT_SCHEME, False, paths)
    return replace(program, rollout=starting_regimes(program.game) if rollout else ()), world


@pytest.mark.parametrize("terminal", ["stationary", "zero"])
def test_where_nothing_is_chosen_the_geometric_series_comes_out(terminal: str) -> None:
    """value = sum_t d^t (w_t^4 + 0.2) with w_t = 0.9 * 0.97^t, on a grid of three levels."""
    text = CURVED.replace("TERMINAL", terminal)
    fade = 0.95 * 0.97**4
    series = 0.9**4 / (1 - fade) + 0.2 / 0.05
    if terminal == "zero":
        series = 0.9**4 * (1 - fade**40) / (1 - fade) + 0.2 * (1 - 0.95**40) / 0.05
    found = {}
    for rollout in (False, True):
        program, world = prepared(text, None, (3,), rollout, paths=2)
        out = run(program, world)
        found[rollout] = float(read_solution(program, world, out).value[0, 0, 0])
    off, left = abs(found[False] - series), abs(found[True] - series)
    assert off > 1e-5
    # paths end where a period counts for a hundredth, and what the grid misses there remains
    assert left < (1.5 * LEFT_BY_PATHS * off if terminal == "stationary" else 1e-9 * off + 1e-12)


def test_a_coarse_grid_comes_near_to_a_fine_one() -> None:
    def found(levels: tuple[int, ...], rollout: bool) -> tuple[np.ndarray, np.ndarray]:
        program, world = prepared(PACT, "pact", levels, rollout)
        solution = read_solution(program, world, run(program, world))
        return solution.value.values[0], solution.worth.values[0]

    fine = found((41, 31), False)
    grid, paths = found((3, 3), False), found((3, 3), True)
    for best, coarse, followed in zip(fine, grid, paths, strict=True):
        assert abs(coarse - best).max() > 0.005
        assert abs(followed - best).max() < 0.1 * abs(coarse - best).max()


def test_worth_by_interest_adds_up_better_than_on_the_grid() -> None:
    """Limited slopes of a sum are not the sum of limited slopes; paths undo that."""
    gap = {}
    for rollout in (False, True):
        program, world = prepared(PACT, "pact", (4, 3), rollout, paths=64)
        program = replace(program, method=replace(program.method, by_interest=True))
        found = read_solution(program, world, run(program, world))
        owner = [str(x).split(".")[0] for x in found.worth_by_interest.interest.values]
        parts = found.worth_by_interest.values[0]
        gap[rollout] = np.array(
            [
                sum(x for x, who in zip(parts, owner, strict=True) if who == party)
                - float(found.worth[0, k])
                for k, party in enumerate(("upland", "lowland"))
            ]
        )
    assert abs(gap[True]).max() < 0.3 * abs(gap[False]).max() < 1e-4


def test_worth_by_interest_is_read_off_the_paths_of_parties() -> None:
    """It sums to worth, and comes near to a fine grid's, from a coarse grid by interest."""

    def found(levels: tuple[int, ...], split: bool) -> dict[str, np.ndarray]:
        program, world = prepared(PACT, "pact", levels, rollout=split)
        coarse = make_method(program.game.scenario, (3, 2)) if split else None
        by_interest = replace(program.method, by_interest=not split)
        out = run(replace(program, method=by_interest, split=coarse), world)
        root = program.game.roots[0]
        value = out["value"][0]
        return {name: value[root[name]] for name in ("signed", "no_deal")}

    best, grid, paths = found((41, 31), False), found((3, 2), False), found((5, 4), True)
    owner = [0] * 3 + [1] * 5
    assert len(best["signed"]) == 2 + len(owner)
    for name in best:
        parties, interests = paths[name][:2], paths[name][2:]
        np.testing.assert_allclose(np.bincount(owner, interests), parties, rtol=1e-10)
        assert abs(grid[name] - best[name]).max() > 0.02
        assert abs(paths[name] - best[name]).max() < 0.1 * abs(grid[name] - best[name]).max()


def test_every_position_after_the_answers_is_followed() -> None:
    program, _ = prepared(PACT, "pact", (3, 3))
    regimes = program.game.graph.regimes
    kinds = [regimes[r].kind for r in starting_regimes(program.game)]
    assert sorted(kinds) == ["in_force", "never", "unsigned", "unsigned"]


def test_without_stocks_there_is_nothing_to_follow() -> None:
    text = """
title: no stocks
horizon: 3
parties: {a: {patience: 0.9, acuity: 3}}
moves: {a: [rest, work]}
interests: {a: {pay: a.work}}
"""
    program, world = prepared(text, None, ())
    plain, _ = prepared(text, None, (), rollout=False)
    np.testing.assert_array_equal(run(program, world)["value"], run(plain, world)["value"])
