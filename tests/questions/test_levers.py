"""Which levers make a party's alternatives worse, and worsening: small games done by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from tests.questions.levers_cases import FADING, fading, timing

from servanda.errors import QuestionError
from servanda.game.levels import choose_levels
from servanda.questions.acceptance import alternatives, prepare_table, regimes_of, window_of
from servanda.questions.levers import levers
from servanda.questions.packages import Package, costs, package, schedule_of_package
from servanda.questions.schedule import (
    best_schedule,
    blocks_of,
    figure_of,
    objective_with_gradient,
    project,
)
from servanda.scenario.load import loads
from servanda.scenario.worlds import modal

RATE, CALM, START, PATIENCE, HORIZON = 0.1, 0.55, 0.9, 0.5, 8


@pytest.fixture(scope="module")
def fade():
    return levers(fading(), "truce", party="hawk", budget=0.3, worlds=2)


@pytest.fixture(scope="module")
def timed():
    return levers(
        timing(),
        "pact",
        party="host",
        budget=0.5,
        intensities=(0.5, 1.0),
        worlds=2,
        schedule=True,
        objective="worth",
    )


@pytest.fixture(scope="module")
def monks():
    named = [["squeeze"], {"sweeten": 0.5}]
    return levers(fading(), "truce", party="monk", packages=named, worlds=1)


def by_hand(t: int, rate: float) -> tuple[float, float]:
    """Value to the hawk at t of the truce and of no deal: sums of discounted flows."""
    left = range(HORIZON - t)
    deal = sum(PATIENCE**k * CALM for k in left)
    return deal, sum(PATIENCE**k * (START - rate * (t + k)) for k in left)


# -- the acceptance condition -------------------------------------------------------------------


def test_values_along_the_course_of_no_deal_are_discounted_sums(fade):
    for accepted, rate in zip(fade.acceptance, (0.0, RATE), strict=True):
        for t in range(HORIZON + 1):
            deal, none = by_hand(t, rate)
            assert accepted.central.deal[0, t] == pytest.approx(deal, abs=1e-9)
            assert accepted.central.others[0, 0, t] == pytest.approx(none, abs=1e-9)


def test_the_slope_is_the_change_over_the_window_that_follows(fade):
    course = fade.acceptance[1].central
    assert course.window == window_of(fading()) == 1
    for t in range(HORIZON):
        expected = by_hand(t + 1, RATE)[1] - by_hand(t, RATE)[1]
        assert course.slope[0, 0, t] == pytest.approx(expected, abs=1e-9)


def test_the_condition_is_met_from_the_date_known_in_closed_form(fade):
    dates = [t for t in range(HORIZON) if by_hand(t, RATE)[0] > by_hand(t, RATE)[1]]
    assert fade.first == min(dates) == 3
    assert fade.acceptance[0].central.first[0] == np.inf


def test_a_condition_met_at_once_is_said_in_a_sentence():
    at_once = fading(**{"rate: 0.0": "rate: 0.1", "calm: 0.55": "calm: 0.95"})
    page = " ".join(levers(at_once, "truce", party="hawk", worlds=1).text(300).split())
    assert "In the central case all of them pass for the first time at the start; " in page
    assert "first the start" not in page


def test_the_cheapest_package_that_meets_the_condition_is_named(fade):
    assert fade.found == Package((("squeeze", 1.0),))
    assert fade.best == fade.found
    assert fade.payers == pytest.approx({"dove": 0.2})
    assert "from year 3" in fade.text(300)
    assert "all of them pass for the first time at year 3; " in fade.text(300)


def test_a_party_with_moves_and_duties_has_those_alternatives_too():
    scenario = loads(
        FADING.replace("  dove: [pay, keep]", "  dove: [pay, keep]\n  hawk: [hold, strike]")
        + "obligations: {quiet: {party: hawk, never: strike, while: truce}}\n"
    )
    names = [a.name for a in alternatives(scenario, scenario.proposals["truce"], "hawk")]
    assert names == ["no deal, always hold", "no deal, always strike", "sign, then break"]


def test_a_forced_move_is_worth_no_more_than_a_free_one():
    text = FADING.replace("  dove: [pay, keep]", "  dove: [pay, keep]\n  hawk: [hold, strike]")
    text = text.replace("acuity: 5", "acuity: inf").replace(
        "peace: calm*in_force}", "peace: calm*in_force, war: -0.3*hawk.strike}"
    )
    scenario = loads(text)
    deal, grid = scenario.proposals["truce"], choose_levels(scenario, 200)
    others = alternatives(scenario, deal, "hawk")
    table = prepare_table(scenario, deal, "hawk", others, levels=grid, once=True)
    course = table.run(schedule_of_package(scenario, modal(scenario).values, Package())).course
    assert course.names == ("no deal", "no deal, always hold", "no deal, always strike")
    free, hold, strike = course.others[0]
    assert hold == pytest.approx(free, abs=1e-9)
    worse = [0.3 * sum(PATIENCE**k for k in range(HORIZON - t)) for t in range(HORIZON + 1)]
    assert free - strike == pytest.approx(worse, abs=1e-9)


def test_a_party_that_does_not_sign_can_be_asked_about_and_that_is_said(monks):
    assert not monks.signatory
    assert "Monk does not sign this deal" in monks.text(300)


# -- effects ------------------------------------------------------------------------------------


def test_a_lever_that_changes_nothing_has_no_effect_and_does_not_interact(fade):
    frame = fade.to_dataframe().set_index("package")
    effects = [c for c in frame.columns if c.startswith("effect.") and "per cost" not in c]
    assert (frame.loc["pray", effects] == 0).all()
    idle = [p for p in fade.interactions.pair.values if "pray" in str(p)]
    assert len(idle) == 2
    assert np.allclose(fade.interactions.sel(pair=idle).values, 0, atol=1e-12)


def test_worth_moves_by_what_the_lever_takes_from_no_deal(fade):
    k = fade.packages.index(fade.best)
    expected = by_hand(0, 0.0)[1] - by_hand(0, RATE)[1]
    assert fade.effect("worth.hawk")[k] == pytest.approx(expected, abs=1e-9)


def test_no_package_exceeds_the_budget(fade):
    assert fade.cost.max() <= 0.3 + 1e-9
    assert len(fade.packages) == 7  # of 8 subsets, all three together cost 0.4


STANDOFF = """
title: Two that stand where they stood
horizon: 12
parties: {a: {patience: 0.93, acuity: 4}, b: {patience: 0.93, acuity: 4}}
assumptions: {prize: [0.2, 0.3, 0.4], shame: 0.1}
moves: {a: [share, grab], b: [share, grab]}
order: [[a, b]]
interests:
  a: {prize: prize*(a.grab - b.grab), peace: 0.2*in_force, shame: -shame*a.grab}
  b: {prize: prize*(b.grab - a.grab), peace: 0.2*in_force, shame: -shame*b.grab}
obligations: {quiet: {party: a, never: grab}, still: {party: b, never: grab}}
proposals:
  truce: {signatories: [a, b]}
  again: {signatories: [b, a]}
levers: {blame: {owner: a, set: {shame: +0.1}, cost: 1}}
"""


def test_where_nothing_moves_nothing_worsens():
    """Without a stock or a calendar every slope is exactly none, whatever rounding leaves."""
    answer = levers(loads(STANDOFF), "truce", party="b", worlds=4)
    for accepted in answer.acceptance:
        assert not accepted.over.slope.any()
        assert not accepted.over.passes.any()
        same = accepted.central.names.index("again")
        assert not accepted.central.gap[:, same].any()
    assert "e-1" not in str(answer)


def test_an_ally_without_levers_or_decisions_leaves_without_effect(fade):
    monk = next(a for a in fade.allies if a.party == "monk")
    assert not monk.levers
    assert not monk.decisions
    assert (monk.change == 0).all()


def test_an_ally_takes_its_levers_along(fade):
    dove = next(a for a in fade.allies if a.party == "dove")
    assert dove.levers == ("squeeze",)
    k = fade.packages.index(fade.best)
    lost = float(dove.change.sel(measure="worth.hawk"))
    assert lost == pytest.approx(-fade.effect("worth.hawk")[k], abs=1e-9)


def test_the_answer_is_data_too(fade):
    found = json.loads(fade.to_json())
    assert found["party"] == "hawk"
    assert len(fade.to_dataframe()) == len(fade.packages)


# -- schedules ----------------------------------------------------------------------------------


def test_aid_that_counts_in_the_first_half_only_is_sent_in_the_first_half(timed):
    plan = timed.schedule
    assert plan.better == "schedule"
    assert plan.intensity[0, :8] == pytest.approx([1, 1, 1, 1, 0, 0, 0, 0], abs=1e-6)
    assert plan.value == pytest.approx(sum(0.9**t for t in range(4)))


def test_a_schedule_stays_within_the_budget_and_is_no_worse_than_a_constant_package(timed):
    plan = timed.schedule
    assert plan.cost <= 0.5 + 1e-9
    assert plan.value >= plan.value_constant == pytest.approx(0.5 * sum(0.9**t for t in range(4)))
    assert (plan.gain > 0).all()


def test_projection_gives_the_nearest_intensities_within_the_budget():
    rng = np.random.default_rng(5)
    cost = rng.random((3, 6)) / 6
    last = cost[:, -1] * 6
    x = rng.normal(0.5, 1, (3, 6))
    found = project(x, cost, last, 0.4)
    assert found.min() >= 0
    assert found.max() <= 1
    assert (found * cost).sum() <= 0.4 + 1e-9
    assert found[:, -1] @ last <= 0.4 + 1e-9
    for _ in range(200):  # no feasible point is nearer
        other = rng.random((3, 6)) * rng.random()
        room = min(1, 0.4 / (other * cost).sum(), 0.4 / (other[:, -1] @ last))
        assert np.sum((found - x) ** 2) <= np.sum((room * other - x) ** 2) + 1e-9


@pytest.mark.parametrize("objective", ["signing", "worth", "gap"])
def test_the_gradient_by_schedule_agrees_with_central_differences(objective):
    scenario = fading()
    deal = scenario.proposals["truce"]
    table = prepare_table(scenario, deal, "hawk", (), levels=choose_levels(scenario, 200))
    program = replace(table.program, follow=())
    figure = figure_of(program, objective, "hawk", regimes_of(program.game, ()))
    blocks = blocks_of(scenario, ("squeeze", "sweeten"), 4)
    evaluated = objective_with_gradient(
        scenario, program, modal(scenario).values[0], blocks, figure
    )
    x = np.where(blocks.usable, 0.4, 0.0)
    x[:, 1] *= 1.3
    _, slope = evaluated(x)
    step = 1e-5
    for lever, block in np.argwhere(blocks.usable):
        up, down = x.copy(), x.copy()
        up[lever, block] += step
        down[lever, block] -= step
        expected = (evaluated(up)[0] - evaluated(down)[0]) / (2 * step)
        assert slope[lever, block] == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_a_lever_is_not_pulled_before_its_date():
    scenario = fading()
    blocks = blocks_of(scenario, tuple(scenario.levers), 4)
    full = blocks.spread(jnp.ones((3, 4)))
    assert full[1].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 1]
    cost = costs(scenario, modal(scenario))[0]
    assert blocks.cost(cost).sum(axis=1) == pytest.approx([0.2, 0.1 * 6 / 8, 0.1])


def test_an_ascent_that_finds_nothing_better_stays_where_it_began():
    scenario = timing()
    blocks = blocks_of(scenario, ("send",))
    ascent = best_schedule(
        lambda x: (-float(np.sum((x - 0.5) ** 2)), -2 * (x - 0.5)),
        blocks,
        np.array([0.5]),
        np.array([1.0]),
        0.5,
    )
    assert ascent.value == ascent.start == 0


# -- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"deal": "trucee"}, "unknown deal 'trucee'; did you mean 'truce'"),
        ({"party": "hauk"}, "unknown party 'hauk'; did you mean 'hawk'"),
        ({"budget": float("nan")}, "a budget of nan"),
        ({"among": ["sqeeze"]}, "unknown lever 'sqeeze'; did you mean 'squeeze'"),
        ({"budget": 0.05}, "a budget of 0.05 buys no lever: the cheapest, sweeten, costs 0.1"),
        ({"packages": [["squeeze", "pray", "sweeten"]], "budget": 0.3}, "costs 0.4 a period"),
        ({"intensities": (0.0,)}, "must lie above 0"),
        ({"objective": "peace"}, "unknown objective"),
    ],
)
def test_a_mistake_is_said_in_a_sentence(changes, words):
    given = {"deal": "truce", "party": "hawk", "worlds": 1} | changes
    with pytest.raises(QuestionError, match=words):
        levers(fading(), **given)


def test_a_scenario_without_levers_is_told_so():
    scenario = loads(FADING[: FADING.index("levers:")])
    with pytest.raises(QuestionError, match="has no levers"):
        levers(scenario, "truce", party="hawk")


def test_named_packages_are_tried_beside_nothing(monks):
    s = fading()
    assert monks.packages == (Package(), package(s, ["squeeze"]), package(s, {"sweeten": 0.5}))
    assert monks.interactions.sizes["pair"] == 0


def test_the_party_asked_about_is_by_default_the_least_willing():
    assert levers(fading(), "truce", among=["squeeze"], worlds=1).party == "hawk"


def test_levers_go_on_from_their_folder_with_the_same_figures(tmp_path):
    scenario, folder = fading(), tmp_path / "run"
    asked = {"party": "hawk", "budget": 0.3, "seed": 2}
    plain = levers(scenario, "truce", worlds=5, **asked).to_json()
    assert levers(scenario, "truce", worlds=5, **asked, folder=folder).to_json() == plain
    tables = {p.name for p in folder.iterdir() if p.is_dir()}
    assert {"packages", "acceptance", "acceptance-in-worlds", "packages-in-worlds"} <= tables
    for chunk in sorted(folder.rglob("chunk-*.parquet"))[::2]:
        chunk.unlink()
    assert levers(scenario, "truce", worlds=5, **asked, folder=folder).to_json() == plain
    with pytest.raises(QuestionError, match=r"holds another run: job\.worlds is 5 there"):
        levers(scenario, "truce", worlds=6, **asked, folder=folder)
