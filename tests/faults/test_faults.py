"""Small inputs that once came out wrong, each with its right value.

Every file says in its head comment, or its test does, what is asked and why the value is right.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import servanda as sv
from servanda.scenario.model import Scenario

HERE = Path(__file__).parent


def text(name: str) -> str:
    """A file of this folder."""
    return (HERE / f"{name}.yaml").read_text(encoding="utf-8")


def case(name: str) -> Scenario:
    return sv.load(text(name))


@pytest.mark.parametrize("horizon", [12, 24, 36, 60, 120])
def test_drift_is_worth_the_same_at_every_horizon(horizon):
    # sum of 0.95^t min(1, 0.02 t), for ever; once worth from 7.02 to 15.51, by the horizon
    months = np.arange(2000)
    exact = 0.95**months @ np.minimum(1, 0.02 * months)
    assert exact == pytest.approx(7.0152, abs=1e-4)
    scenario = sv.load(text("drift").replace("horizon: 60", f"horizon: {horizon}"))
    assert float(sv.solve(scenario, "deal").worth[0, 0]) == pytest.approx(exact, rel=0.01)


def test_without_false_alarms_the_grain_deal_is_kept():
    # "Ukraine breaks it, 76 %" was the false alarms: with both at 0 nobody does
    quiet = re.sub(r"false_alarm: \[.*\]", "false_alarm: 0", text("grain"))
    assert quiet.count("false_alarm: 0\n") == 2
    survival = sv.simulate(sv.load(quiet), "initiative").survival
    assert float(survival.sel(period=12)[0]) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.slow
def test_two_commands_give_the_grain_deal_one_worth():
    # assess said 1.11 and 0.91 where levers, with no lever pulled, said 1.77 and 0.63
    scenario, levels = case("grain"), (8, 8)
    solved = sv.solve(scenario, "initiative", levels=levels).worth[0]
    assessed = sv.assess(scenario, "initiative", worlds=1, levels=levels).worth_modal
    pulled = sv.levers(scenario, "initiative", packages=[["banks"]], worlds=1, levels=levels)
    nothing = pulled.central.sel(package="nothing")
    for party in scenario.parties:
        expected = float(solved.sel(party=party))
        assert float(assessed.sel(party=party)) == pytest.approx(expected, abs=1e-6)
        assert float(nothing.sel(measure=f"worth.{party}")) == pytest.approx(expected, abs=1e-6)


def test_the_created_problem_is_only_what_the_offer_stops():
    # raids on ships cost the port 1 a month and stop; those on towns go on: 1/(1 - 0.9)
    created = sv.assess(case("harm"), "pay_us", worlds=1).created
    assert created is not None
    assert created.relief["port"].value == pytest.approx(10, rel=0.01)


@pytest.mark.slow
def test_a_sham_within_the_error_of_the_grid_is_not_decided():
    # with hands bound worth -0.07, +0.10, -0.39, -0.48, -0.06 on five grids: no sign to be had
    shams = sv.assess(case("tied"), "initiative", "ukraine", worlds=16).shams
    assert next(s for s in shams if s.party == "ukraine").sham is None


def test_a_constant_income_changes_no_simultaneous_choice():
    # a million a month to one party, whatever anybody does
    found = [sv.simulate(case(name), "deal") for name in ("offset_0", "offset_1e6")]
    plain, rich = (x.solution for x in found)
    assert plain.failures == rich.failures == 0
    # a value of 1e7 is known to 2e-9, and counts times the acuity in stakes, about 4
    assert rich.worth.values == pytest.approx(plain.worth.values, abs=1e-6)
    assert np.log(rich.signing.values) == pytest.approx(np.log(plain.signing.values), abs=1e-6)
    survival = [x.survival.values for x in found]
    assert survival[0][0, 4] < 0.01  # a month-to-month choice that is not all one way
    assert survival[1] == pytest.approx(survival[0], rel=1e-5)


def test_an_unequal_war_of_attrition_is_an_equilibrium():
    # costs 1 and 2, a prize of 4: (0.5, 0.25) is the mixed equilibrium, quitting at once of one
    # side is another, and the solver follows one branch; it must be one of them
    moves = sv.simulate(case("attrition2")).moves
    a, b = (float(moves.sel(period=0, move=f"{p}.quit")[0]) for p in "ab")
    known = [(0.5, 0.25), (0.0, 1.0), (1.0, 0.0)]
    assert min(max(abs(a - x), abs(b - y)) for x, y in known) < 0.01


def test_an_option_that_nobody_can_play_pays_nothing():
    # x stays at 0.2, where neither option is open: no deal is worth 0, the deal 1/(1 - 0.5)
    value = sv.solve(case("no_open_option"), "deal").value.sel(party="a")
    assert float(value.sel(regime="no_deal")[0]) == 0
    assert float(value.sel(regime="signed")[0]) == pytest.approx(2)
    moves = sv.simulate(case("no_open_option"), "deal").moves
    assert moves.values == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("x", "worth"),
    [(0.2, 0.0), (0.55, 6.0), (0.8, 6.0)],
)
def test_an_option_is_played_where_it_is_open(x, worth):
    # go opens above 0.5, stay above 0.6; go pays 3 a period, for ever 3/(1 - 0.5); acuity inf
    open_ = text("no_open_option").replace("start: 0.2", f"start: {x}")
    open_ = open_.replace("patience: 0.5", "patience: 0.5, acuity: inf")
    value = sv.solve(sv.load(open_), "deal").value.sel(party="a", regime="no_deal")
    assert float(value[0]) == pytest.approx(worth)


FIXED = """
title: Closed by a phase
horizon: 4
parties: {a: {patience: 0.5, acuity: inf}}
phases: {sky: {values: [rain, sun], start: SKY}}
moves: {a: [{go: {when: sky.sun}}, {stay: {when: sky.sun and term > 0.5}}]}
interests: {a: {pay: 3*a.go + a.stay}}
terms: {term: {levels: {none: 0, some: 1}}}
obligations: {keep: {party: a, DUTY}}
proposals: {deal: {signatories: [a], terms: {term: some}}}
"""


@pytest.mark.parametrize(
    ("sky", "duty", "kept", "value"),
    [
        ("rain", "never: go", 1.0, 0.0),
        ("sun", "never: go", 0.0, 6.0),
        ("rain", "must: stay", 0.0, 0.0),
    ],
)
def test_what_cannot_be_played_breaches_only_a_duty_to_play_it(sky, duty, kept, value):
    scenario = sv.load(FIXED.replace("SKY", sky).replace("DUTY", duty))
    found = sv.simulate(scenario, "deal")
    assert float(found.survival.sel(period=1)[0]) == pytest.approx(kept)
    no_deal = found.solution.value.sel(party="a", regime="no_deal")
    assert float(no_deal[0]) == pytest.approx(value)


def test_a_closed_decision_still_reads_as_its_first_option():
    # the decision is closed, its first option is not: what is done by default goes on, 1/(1 - 0.5)
    scenario = sv.load(
        "{title: T, horizon: 4,\n parties: {a: {patience: 0.5}}, interests: {a: {pay: a.rest}},"
        " phases: {sky: {values: [rain, sun]}},"
        " moves: {a: {options: [rest, work], when: sky.sun}}}"
    )
    assert float(sv.solve(scenario).value[0, 0, 0]) == pytest.approx(2)


def test_many_readings_are_drawn_not_listed():
    # 24 groups of two even readings: 2^24 combinations, of which four are wanted
    worlds = sv.draw(case("many_readings"), 4)
    assert worlds.weight == pytest.approx(np.full(4, 0.25))
    for holds in worlds.hypotheses.values():
        assert sorted(holds) == [0, 0, 1, 1]  # each as often as its weight says
    assert len(np.unique(np.stack(list(worlds.hypotheses.values())), axis=1).T) == 4


def test_readings_of_several_groups_are_drawn_independently():
    worlds = sv.draw(case("many_readings"), 4096, seed=3)
    holds = np.stack(list(worlds.hypotheses.values()))
    correlation = np.corrcoef(holds) - np.eye(len(holds))
    assert np.abs(correlation).max() < 5 / np.sqrt(4096)
