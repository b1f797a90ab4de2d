"""What patience can hold: a grim trigger, and how long a war of attrition lasts."""

from __future__ import annotations

import numpy as np
import pytest

import servanda as sv
from theory.cases import read, worlds


def test_a_party_faces_a_grim_trigger_down_if_it_is_patient_enough():
    # cooperate iff d >= (T - R)/(T - P) = 1/2, for payoffs 5, 3, 1, 0
    scenario = read("grim_trigger")
    patience = [0.3, 0.45, 0.49, 0.495, 0.505, 0.51, 0.55, 0.7]
    simulation = sv.simulate(scenario, worlds=worlds(scenario, d=patience))
    kept = simulation.moves.sel(period=0, move="me.cooperate").values
    assert kept == pytest.approx((np.array(patience) > 0.5) * 1.0, abs=1e-4)
    # what is kept is worth 3 a period, what is betrayed 5 and then 1 a period
    value = simulation.solution.value.sel(regime="no_deal", party="me").values
    d = np.array(patience)
    assert value == pytest.approx(np.maximum(3 / (1 - d), 5 + d / (1 - d)), rel=1e-6)


def test_the_critical_patience_moves_with_the_temptation():
    scenario = read("grim_trigger")
    temptation = np.array([3.5, 4.0, 5.0, 7.0])
    critical = (temptation - 3) / (temptation - 1)
    for shift, keeps in ((-0.01, 0.0), (0.01, 1.0)):
        chosen = worlds(scenario, d=list(critical + shift), temptation=list(temptation))
        moves = sv.simulate(scenario, worlds=chosen).moves
        assert moves.sel(period=0, move="me.cooperate").values == pytest.approx(keeps, abs=1e-4)


def test_the_flip_of_the_chosen_move_lies_at_one_half():
    scenario = read("grim_trigger")
    drawn = sv.draw(scenario, 256, seed=1)
    moves = sv.simulate(scenario, worlds=drawn).moves
    kept = moves.sel(period=0, move="me.cooperate").values > 0.5
    d = drawn.column("d")
    assert d[~kept].max() < d[kept].min()
    assert (d[~kept].max() + d[kept].min()) / 2 == pytest.approx(0.5, abs=0.6 / 256)


def test_in_a_war_of_attrition_each_side_quits_as_often_as_makes_the_other_indifferent():
    # mixed equilibrium: q prize = cost, whatever is to come, because what is to come is worth 0
    scenario = read("attrition")
    sharpness, cost = [100.0, 1e3, 1e4, 1e4], np.array([1.0, 1.0, 1.0, 2.5])
    simulation = sv.simulate(
        scenario, worlds=worlds(scenario, sharpness=sharpness, cost=list(cost))
    )
    assert simulation.solution.failures == 0
    quits = simulation.moves.sel(period=0, move=["a.quit", "b.quit"]).values
    error = np.abs(quits - cost[:, None] / 4).max(axis=1)
    assert (error < 3 / np.array(sharpness)).all()
    assert (np.diff(error[:3]) < 0).all()
    # still fighting after t periods: (1 - q)^(2t)
    on = simulation.moves.sel(period=1, move="a.quit").values[2] / quits[2, 0]
    assert on == pytest.approx((1 - 0.25) ** 2, abs=1e-3)
