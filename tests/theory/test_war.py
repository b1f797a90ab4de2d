"""Why rational parties fight: Fearon's bargaining range, ultimatum and preventive war."""

from __future__ import annotations

import numpy as np
import pytest

import servanda as sv
from theory.cases import read, worlds


@pytest.fixture(scope="module")
def bargaining_range():
    return read("bargaining_range")


@pytest.mark.parametrize(
    ("proposal", "a_signs", "b_signs"),
    [
        ("too_low", False, True),
        ("low", True, True),
        ("even", True, True),
        ("high", True, True),
        ("too_high", True, False),
    ],
)
def test_both_sign_inside_the_bargaining_range_and_only_there(
    bargaining_range, proposal, a_signs, b_signs
):
    # Fearon 1995: any share in [p - cA, p + cB] = [0.5, 0.8] is better for both than war
    solution = sv.solve(bargaining_range, proposal)
    signing = solution.signing.sel(signatory=["a", "b"]).values[0]
    assert signing == pytest.approx([float(a_signs), float(b_signs)], abs=1e-4)
    assert float(solution.joint[0]) == pytest.approx(float(a_signs and b_signs), abs=1e-4)


def test_worth_of_a_share_is_what_is_left_to_each_side_of_the_range(bargaining_range):
    worth = sv.solve(bargaining_range, "even").worth.sel(party=["a", "b"]).values[0]
    assert worth == pytest.approx([0.65 - 0.5, 0.8 - 0.65], abs=1e-12)


def test_a_take_it_or_leave_it_offer_leaves_the_other_its_value_of_war():
    # x = min(1, p + cB)
    scenario = read("ultimatum")
    p, cost = np.array([0.6, 0.3, 0.9]), np.array([0.2, 0.05, 0.2])
    chosen = worlds(scenario, p=list(p), cost_b=list(cost))
    simulation = sv.simulate(scenario, worlds=chosen)
    offers = [m for m in simulation.moves.move.values if m.startswith("a.offer")]
    chance = simulation.moves.sel(period=0, move=offers).values
    expected = np.minimum(1, p + cost)
    # the largest offer that is surely accepted: at most two steps and the noise below
    assert np.linspace(0, 1, 401)[chance.argmax(axis=1)] == pytest.approx(expected, abs=2 / 400)
    assert (simulation.moves.sel(period=0, move="b.accept").values > 0.99).all()
    value = simulation.solution.value.sel(regime="no_deal", party="a").values
    assert value == pytest.approx(expected, abs=0.01)


def test_the_declining_side_attacks_at_once_if_it_loses_too_much_by_waiting():
    # attack in the first period iff d p2 - p1 > cB (1 - d)²: here p1 < 0.36 - 0.16 = 0.20
    scenario = read("preventive_war")
    p_now = [0.05, 0.15, 0.19, 0.21, 0.25, 0.5]
    simulation = sv.simulate(scenario, worlds=worlds(scenario, p_now=p_now))
    attack = simulation.moves.sel(move="b.attack")
    expected = [0.6 * 0.6 - p > 1.0 * 0.4**2 for p in p_now]
    assert expected == [True, True, True, False, False, False]
    assert attack.sel(period=0).values == pytest.approx(np.array(expected, float), abs=0.01)
    assert (attack.sel(period=slice(1, None)).values < 0.01).all()


def test_a_dearer_war_or_a_smaller_shift_keeps_the_peace():
    scenario = read("preventive_war")
    rows = [  # d, p1, p2, cB, with p2 + cB (1 - d) <= 1
        (0.6, 0.15, 0.6, 1.0),
        (0.6, 0.15, 0.5, 1.0),
        (0.5, 0.15, 0.5, 0.3),
        (0.5, 0.15, 0.5, 0.6),
        (0.9, 0.42, 0.5, 1.0),
        (0.9, 0.46, 0.5, 1.0),
    ]
    d, p1, p2, cost = (list(x) for x in zip(*rows, strict=True))
    chosen = worlds(scenario, d=d, p_now=p1, p_later=p2, cost_b=cost)
    attack = sv.simulate(scenario, worlds=chosen).moves.sel(move="b.attack", period=0)
    expected = [x * z - y > c * (1 - x) ** 2 for x, y, z, c in rows]
    assert expected == [True, False, True, False, True, False]
    # the later offers fall short by up to a step: its reach is h d/(1 - d)
    for x, y, z, c in rows:
        assert abs(x * z - y - c * (1 - x) ** 2) / (1 - x) > x / (1 - x) / 400
    assert attack.values == pytest.approx(np.array(expected, float), abs=0.01)
