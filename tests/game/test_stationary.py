"""Past the horizon: is it the value of a game that goes on for ever, and its derivative?"""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

import servanda as sv
from servanda.game.batch import bounds, run
from servanda.game.build import build
from servanda.game.differentiate import widened
from servanda.game.method import closer
from servanda.game.period import DEFAULT_SCHEME
from servanda.game.regimes import Variant
from servanda.game.solve import prepare, read_solution
from servanda.game.stationary import live_places, stirring_from

jax.config.update("jax_enable_x64", True)

WELL = """
title: one party and a well that runs dry
horizon: 2
parties:
  owner: {patience: 0.99, acuity: 5}
assumptions:
  kept: [0.7, 0.8, 0.9]
stocks:
  water: {start: 0.75, next: kept * water}
moves:
  owner: [wait]
interests:
  owner: {water: water}
"""

RIVALS = """
title: two neighbours in no hurry
horizon: 3
parties:
  north: {patience: [0.97, 0.98, 0.99], acuity: 2}
  south: {patience: [0.96, 0.97, 0.98], acuity: 2}
assumptions:
  growth: [0.05, 0.1, 0.15]
  fear: [0.5, 1, 1.5]
stocks:
  arms: {start: 0.3, next: 0.95 * arms + growth * north.arm}
  trust: {start: 0.6, next: 0.9 * trust + 0.1 - 0.2 * south.cheat - 0.1 * north.arm}
moves:
  north: [rest, arm]
  south: [deal, cheat]
interests:
  north: {trade: trust, arms: 0.6 * arms, cost: -0.3 * north.arm}
  south: {trade: trust, gain: 0.2 * south.cheat, fear: -fear * arms}
"""


def values(text: str, worlds: int = 1, **method: object) -> tuple[np.ndarray, object]:
    case = sv.load(text)
    drawn = sv.draw(case, worlds, 3) if worlds > 1 else None
    program, drawn = prepare(case, None, drawn, (), None, DEFAULT_SCHEME, False)
    program = replace(program, method=replace(program.method, **method))  # type: ignore[arg-type]
    out = run(program, drawn)
    return read_solution(program, drawn, out).value.values[:, 0], out["tail"]


def test_a_flow_that_fades_is_worth_its_geometric_series() -> None:
    """Value x / (1 - δk) of a flow x that keeps the share k a period: linear, so without grid
    error; and its derivative by k is δx / (1 - δk)^2."""
    case = sv.load(WELL)
    program, worlds = prepare(case, None, None, (), None, DEFAULT_SCHEME, False)
    program = replace(program, method=replace(program.method, tolerance=1e-12, most=300))
    theta, box = worlds.values[0], widened(program, bounds(program, worlds))[0]
    no_deal = program.game.roots[0]["no_deal"]

    def value(theta: jax.Array) -> jax.Array:
        return program.world(theta, box, np.zeros((0, 4, 0)))["value"][no_deal, 0]

    found, slope = jax.jit(jax.value_and_grad(value))(theta)
    kept = worlds.names.index("kept")
    assert found == pytest.approx(
        0.75 / (1 - 0.99 * 0.8), rel=1e-4
    )  # the last box ends just above 0
    assert slope[kept] == pytest.approx(0.99 * 0.75 / (1 - 0.99 * 0.8) ** 2, rel=1e-4)


def test_extrapolated_sweeps_find_the_limit_of_plain_ones() -> None:
    plain, _ = values(RIVALS, 6, sweeps=0, most=0, finite=3000)
    found, tail = values(RIVALS, 6, tolerance=1e-9, most=300)
    assert np.all(tail.left <= 1e-9)
    assert np.all(tail.sweeps < 600)
    np.testing.assert_allclose(found, plain, rtol=1e-6, atol=1e-7)


def test_the_default_is_near_and_closer_is_nearer() -> None:
    exact, _ = values(RIVALS, 6, tolerance=1e-10, most=300)
    case = sv.load(RIVALS)
    usual = prepare(case, None, None, (), None, DEFAULT_SCHEME, False)[0].method
    near, tail = values(RIVALS, 6)
    settled = (tail.left <= usual.tolerance).all(axis=1)
    assert settled.sum() >= 4  # a world may be given up, and says so
    nearer, rest = values(RIVALS, 6, tolerance=closer(usual).tolerance, most=closer(usual).most)
    there = (rest.left <= closer(usual).tolerance).all(axis=1)
    assert there.sum() >= 4
    scale = np.abs(exact).max()
    assert np.abs(near - exact)[settled].max() < 0.02 * scale
    assert np.abs(nearer - exact)[there].max() < 0.002 * scale


def test_what_does_not_settle_is_said() -> None:
    case = sv.load(RIVALS)
    program, worlds = prepare(case, None, None, (), None, DEFAULT_SCHEME, False)
    short = replace(program, method=replace(program.method, sweeps=0, most=3, tolerance=0.0))
    assert not read_solution(short, worlds, run(short, worlds)).settled
    assert read_solution(program, worlds, run(program, worlds)).settled


def test_restlessness_belongs_to_the_deals_whose_play_comes_to_it() -> None:
    """What goes round in circles under one offer says nothing about another beside it."""
    duty = "{party: south, never: south.cheat, verified: 0.8}"
    text = (
        RIVALS
        + f"terms:\n  aid: {{range: [0, 1], now: 0}}\nobligations:\n  hold: {duty}\nproposals:\n"
    )
    for name, level in (("bare", 0), ("paid", 1)):
        text += f"  {name}: {{signatories: [north, south], terms: {{aid: {level}}}}}\n"
    case = sv.load(text.replace("gain: 0.2", "aid: aid, gain: 0.2"))
    game = build(case, [Variant(p) for p in case.proposals.values()])
    live = live_places(game)
    solved = {int(game.place[n]): n for g in game.groups for n in g.rows[g.live[-1], 0]}
    kinds = [game.graph.regimes[solved[place // game.phases]] for place in live]
    for d, name in enumerate(case.proposals):
        roots = list(game.roots[d].values())
        one_place_each = stirring_from(game, np.eye(len(live)), roots)
        for stirs, regime in zip(one_place_each, kinds, strict=True):
            if regime.kind == "in_force":
                assert stirs == (regime.proposal.name == name)
        assert stirring_from(game, np.zeros((2, len(live))), roots).tolist() == [0.0, 0.0]
    assert {"bare", "paid"} == {r.proposal.name for r in kinds if r.kind == "in_force"}


def test_what_is_taken_for_a_finite_game_is_not_said_to_have_settled() -> None:
    """The finite game is taken where more than a hundredth of the stakes is left."""
    case = sv.load(RIVALS)
    for left, settled in ((0.002, True), (0.02, False)):
        program, worlds = prepare(case, None, None, (), (3, 3), DEFAULT_SCHEME, False, paths=2)
        found = {"left": np.full((1, 1), left)}
        out = run(program, worlds)
        out["tail"] = out["tail"]._replace(**found)
        assert read_solution(program, worlds, out).settled == settled


def test_a_constant_income_changes_no_policy_where_values_do_not_settle() -> None:
    """The finite game that is taken then ends with positions that last, not with nothing: with c
    more a period everything is worth c / (1 - δ) more, whichever places settle."""
    given_up = {"sweeps": 0, "most": 3, "tolerance": 0.0, "restless": 0.0, "finite": 30}
    found, tail = values(RIVALS, **given_up)
    assert np.all(tail.left > 0)
    richer, _ = values(
        RIVALS.replace("north: {trade: trust", "north: {trade: trust + 7"), **given_up
    )
    np.testing.assert_allclose(richer[:, 0] - found[:, 0], 7 / (1 - 0.98), rtol=1e-9)
    np.testing.assert_allclose(richer[:, 1:], found[:, 1:], rtol=1e-9)


TARIFFS = """
title: two that choose at once, and no stocks
horizon: 6
parties:
  home: {patience: 0.96, acuity: 6}
  away: {patience: 0.98, acuity: 6}
phases:
  mood: {values: [calm, angry], next: {angry: 0.6*home.tariff, calm: 0.3*(1 - home.tariff)}}
moves:
  home: [open, tariff]
  away: [open, tariff]
order: [[home, away]]
interests:
  home: {gain: 0.3*home.tariff, exports: -0.6*away.tariff}
  away: {gain: 0.3*away.tariff*(1 + 0.8*mood.angry), exports: -0.6*home.tariff}
obligations:
  stay_open: {party: home, never: tariff, verified: 0.9}
proposals:
  truce: {signatories: [home, away], lasts: 4, renew: all_sign}
"""


def test_without_stocks_extrapolated_sweeps_find_what_all_the_plain_ones_do() -> None:
    case = sv.load(TARIFFS)
    program, world = prepare(case, "truce", None, (), None, DEFAULT_SCHEME, False)
    assert program.method.sweeps < program.method.finite / 5
    plain = replace(program, method=replace(program.method, sweeps=program.method.finite))
    found, best = run(program, world), run(plain, world)
    assert found["tail"].sweeps[0] < 100
    np.testing.assert_allclose(found["value"], best["value"], rtol=1e-9)
