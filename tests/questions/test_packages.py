"""What levers do to assumptions, and what they cost."""

from __future__ import annotations

import numpy as np
import pytest

from servanda.errors import QuestionError
from servanda.questions.packages import (
    Package,
    amounts,
    by_owner,
    cost_of,
    costs,
    efficient,
    package,
    packages_within,
    pairs,
    schedule_of_package,
)
from servanda.scenario.load import loads
from servanda.scenario.worlds import draw, modal

TOOLS = """\
title: Tools
horizon: 4
terminal: zero
parties:
  a: {patience: 1 - hurry, acuity: 5}
  b: {patience: 0.5, acuity: 5}
assumptions: {x: 2.0, hurry: 0.1, price: 0.3}
moves: {a: [go]}
interests: {a: {gain: x*in_force}, b: {gain: 0*price}}
proposals: {pact: {text: A pact., signatories: [a]}}
levers:
  add: {owner: a, set: {x: +1}, cost: price}
  double: {owner: b, set: {x: "*2"}, cost: 2*price, from: 2}
  fix: {owner: b, set: {x: [6, 7, 8]}, cost: 0.1}
  rush: {owner: a, set: {hurry: -0.2}, cost: 0.1}
"""


@pytest.fixture(scope="module")
def tools():
    return loads(TOOLS)


def x_of(scenario, pulled, t=3, values=None, amount=None):
    """Assumption x at period t in every world."""
    values = modal(scenario).values if values is None else values
    theta = schedule_of_package(scenario, values, package(scenario, pulled), amount)
    return theta[:, t, list(scenario.assumptions).index("x")]


def test_each_kind_of_change_acts_in_proportion_to_its_intensity(tools):
    assert x_of(tools, {"add": 0.5}) == pytest.approx(2 + 0.5 * 1)
    assert x_of(tools, {"double": 0.5}) == pytest.approx(2 * (1 + 0.5 * 1))
    assert x_of(tools, {"fix": 0.25}) == pytest.approx(0.75 * 2 + 0.25 * 7)


def test_levers_on_one_assumption_compose_in_the_order_of_the_file(tools):
    assert x_of(tools, ["add", "double"]) == pytest.approx((2 + 1) * 2)
    assert x_of(tools, ["double", "add"]) == pytest.approx((2 + 1) * 2)
    assert x_of(tools, ["double", "add", "fix"]) == pytest.approx(7)


def test_a_lever_acts_from_its_date_on(tools):
    assert [float(x_of(tools, ["double"], t)[0]) for t in range(5)] == [2, 2, 4, 4, 4]


def test_other_assumptions_stay_as_they_are(tools):
    values = modal(tools).values
    theta = schedule_of_package(tools, values, package(tools, ["add", "double"]))
    k = list(tools.assumptions).index("price")
    assert np.array_equal(theta[:, :, k], np.repeat(values[:, None, k], 5, axis=1))


def test_an_uncertain_amount_is_drawn_once_a_world_and_modal_in_the_central_case(tools):
    worlds = draw(tools, 50, 0)
    drawn = x_of(tools, ["fix"], values=worlds.values, amount=amounts(tools, 50, 3))
    again = x_of(tools, ["fix"], values=worlds.values, amount=amounts(tools, 50, 3))
    other = x_of(tools, ["fix"], values=worlds.values, amount=amounts(tools, 50, 4))
    assert np.array_equal(drawn, again)
    assert not np.array_equal(drawn, other)
    assert drawn.min() > 6
    assert drawn.max() < 8
    assert drawn.mean() == pytest.approx(7, abs=0.02)  # mean of PERT [6, 7, 8]
    assert x_of(tools, ["fix"]) == pytest.approx(7)


def test_a_lever_may_not_make_a_party_wait_without_end(tools):
    with pytest.raises(QuestionError, match=r"with rush the patience of a would be 1\.1"):
        x_of(tools, ["rush"])


def test_a_half_pulled_lever_may_keep_patience_in_its_range(tools):
    assert x_of(tools, {"rush": 0.25}) == pytest.approx(2)


def test_costs_are_formulas_of_the_world_before_any_lever(tools):
    cost = costs(tools, modal(tools))[0]
    assert cost == pytest.approx([0.3, 0.6, 0.1, 0.1])
    both = package(tools, {"add": 0.5, "double": 1})
    assert cost_of(tools, both, cost) == pytest.approx(0.75)
    assert by_owner(tools, both, cost) == pytest.approx({"a": 0.15, "b": 0.6})


def test_every_package_within_the_budget_is_tried_and_no_other(tools):
    price = dict(zip(tools.levers, costs(tools, modal(tools))[0], strict=True))
    names = ["add", "double", "fix"]
    found = packages_within(tools, names, (0.5, 1.0), price, 0.4)
    spent = [sum(u * price[n] for n, u in p.pulled) for p in found]
    assert found[0] == Package()
    assert max(spent) <= 0.4 + 1e-9
    assert spent == sorted(spent)
    by_hand = [
        (i, j, k)
        for i in (0, 0.5, 1)
        for j in (0, 0.5, 1)
        for k in (0, 0.5, 1)
        if 0.3 * i + 0.6 * j + 0.1 * k <= 0.4 + 1e-9
    ]
    assert len(found) == len(set(found)) == len(by_hand)


def test_without_a_budget_every_subset_is_tried(tools):
    price = dict.fromkeys(tools.levers, 1.0)
    assert len(packages_within(tools, list(tools.levers), (1.0,), price, None)) == 2**4


def test_too_many_packages_are_refused_in_a_sentence(tools):
    price = dict.fromkeys(tools.levers, 1.0)
    many = [k / 10 for k in range(1, 11)]
    with pytest.raises(QuestionError, match="name fewer levers"):
        packages_within(tools, list(tools.levers), many, price, None)


def test_unknown_levers_and_intensities_are_named(tools):
    with pytest.raises(QuestionError, match="did you mean 'double'"):
        package(tools, ["duble"])
    with pytest.raises(QuestionError, match="between 0 and 1"):
        package(tools, {"add": 1.5})


def test_pairs_are_matched_with_each_alone_at_the_same_intensity(tools):
    half = [package(tools, p) for p in ({}, {"add": 0.5}, {"fix": 1}, {"add": 0.5, "fix": 1})]
    assert pairs(half) == [(1, 2, 3)]
    assert pairs([*half[:1], package(tools, ["add"]), *half[2:]]) == []


def test_a_package_is_efficient_if_nothing_cheaper_does_as_much():
    cost = np.array([0.0, 1.0, 1.0, 2.0, 3.0])
    effect = np.array([0.0, 1.0, 0.5, 1.0, 2.0])
    assert efficient(cost, effect[:, None]).tolist() == [True, True, False, False, True]
    # what does less of one thing but more of another is not beaten
    other = np.array([0.0, 1.0, 2.0, 1.0, 2.0])
    both = np.stack([effect, other], axis=1)
    assert efficient(cost, both).tolist() == [True, True, True, False, True]
