"""Who does what, and what holds a deal up, on cases that can be worked out by hand."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest

import servanda as sv
from servanda.questions.holding import add_up, holding
from servanda.scenario.model import Scenario

TRIGGER = """
    title: A promise on a grim trigger
    period: year
    horizon: 6
    terminal: TERMINAL
    parties:
      me: {patience: 0.8, acuity: 10000, stakes: 1}
      you: {patience: 0.5, stakes: 1}
    moves:
      me: [cooperate, defect]
    obligations:
      promise: {party: me, never: defect, verified: NOTICED}
    interests:
      me:
        together: REWARD*me.cooperate*in_force
        betrayal: TEMPTATION*me.defect*in_force
      you: {peace: in_force}
    proposals:
      pact: {signatories: [me, you]}
    """


def trigger(
    temptation: str = "5", reward: str = "3", noticed: float = 1, terminal: str = "stationary"
) -> Scenario:
    text = TRIGGER.replace("TEMPTATION", temptation).replace("REWARD", reward)
    text = text.replace("NOTICED", str(noticed)).replace("TERMINAL", terminal)
    return sv.load(dedent(text).lstrip())


def test_slack_is_the_gain_of_staying_less_that_of_breaking_once():
    # keeping: 3 a year for ever, 3/(1 - d) = 15; breaking: 5 once, noticed for sure, then nothing
    (held,) = holding(trigger(), "pact").held
    assert held.slack.values[0] == pytest.approx(3 / (1 - 0.8) - 5, rel=1e-6)
    # what keeping adds: 15 of what is had together, less 5 of the betrayal
    parts = held.parts.sel(interest=["me.together", "me.betrayal"]).values[0]
    assert parts == pytest.approx(np.tile([15.0, -5.0], (6, 1)), rel=1e-6)
    assert held.parts.sum("interest").values == pytest.approx(held.slack.values, abs=1e-12)
    assert held.middle() == np.inf
    assert held.paid_by(6) == 0


def test_a_breach_that_is_seen_half_of_the_time_costs_half_of_what_follows():
    # Q(keep) - Q(break) = (3 - 5) + 0.8 * 0.5 * 15
    (held,) = holding(trigger(noticed=0.5), "pact").held
    assert held.slack.values[0] == pytest.approx(-2 + 0.8 * 0.5 * 15, rel=1e-6)


def test_at_the_end_of_a_finite_game_breaking_pays():
    # in the last year nothing follows: 3 - 5; a year before, 0.8 of a last year worth 5 follows
    (held,) = holding(trigger(terminal="zero"), "pact").held
    slack = held.slack.values[0]
    assert slack[-1] == pytest.approx(-2, abs=1e-9)
    assert slack[-2] == pytest.approx(-2 + 0.8 * 5, abs=1e-6)
    assert held.first()[0] == held.middle() == 5
    assert (held.paid_by(4), held.paid_by(5)) == (0, 1)
    assert held.pays.values[0] == pytest.approx([0, 0, 0, 0, 0, 1])


DRIFT = """
    title: A temptation that grows
    period: month
    horizon: 20
    terminal: zero
    assumptions: {slope: {value: [0.04, 0.05, 0.06]}}
    parties:
      me: {patience: 0, acuity: 10000, stakes: 1}
      you: {patience: 0.5, stakes: 1}
    stocks:
      lure: {start: 0, range: [0, 2], next: lure + slope}
    moves:
      me: [hold, attack]
    obligations:
      promise: {party: me, never: attack, verified: 1}
    interests:
      me:
        calm: 0.52*me.hold
        prize: lure*me.attack
      you: {peace: in_force}
    proposals:
      pact: {signatories: [me, you]}
    """


def test_slack_crosses_zero_when_a_drifting_stock_says_so():
    # who does not look ahead breaks when the lure, 0.05 t, exceeds 0.52: from month 11 on
    scenario = sv.load(dedent(DRIFT).lstrip())
    (held,) = holding(scenario, "pact").held
    months = np.arange(11)
    assert held.slack.values[0, :11] == pytest.approx(0.52 - 0.05 * months, abs=1e-9)
    assert held.middle() == 11
    assert held.parts.sel(interest="me.prize").values[0, :11] == pytest.approx(-0.05 * months)
    # once it breaks, noticed for sure, the deal is in force no more
    assert held.slack.values[0, 11] == pytest.approx(0.52 - 0.55, abs=1e-9)
    assert np.isnan(held.slack.values[0, 12:]).all()


def test_the_middle_world_breaks_when_its_slope_says_so():
    scenario = sv.load(dedent(DRIFT).lstrip())
    worlds = sv.draw(scenario, 32, seed=2)
    (held,) = holding(scenario, "pact", worlds).held
    slope = worlds.column("slope")
    first = np.floor(0.52 / slope) + 1
    assert held.first() == pytest.approx(first)
    assert held.paid_by(11) == pytest.approx(np.mean(first <= 11))


def test_parts_are_made_to_add_up():
    parts, off = add_up(np.array([4.0, np.nan]), np.array([[1.0, 2.0], [np.nan, np.nan]]))
    assert parts[0] == pytest.approx([1 + 1 / 3, 2 + 2 / 3])
    assert off == pytest.approx(1 / 3)
    assert np.isnan(parts[1]).all()
