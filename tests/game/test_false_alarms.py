"""Who broke the deal, and who was only said to have? Values by hand.

Nobody looks ahead (patience 0), so that how often a duty is breached is one logit choice:
q = 1 / (1 + exp(-λ·gain / stakes)). In a period a duty is noticed with h = q·v + (1 - q)·f, where v
is `verified` and f is `false_alarm`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

import servanda as sv
from servanda.game.batch import Follow, course_of, run
from servanda.game.paths import KINDS, Course
from servanda.game.simulate import Simulation
from servanda.game.solve import prepare
from servanda.scenario.formulas import parse_formula
from servanda.scenario.model import Scenario

V, F = 0.7, 0.05
ACUITY = 2.0


def breach(gain: float) -> float:
    """How often a party cheats for a gain."""
    return 1 / (1 + math.exp(-ACUITY * gain))


def story(duties: str, gains: str, deal: str = "", more: str = "", horizon: int = 6) -> Scenario:
    """Two parties that may cheat."""
    return sv.load(f"""\
title: False alarms
horizon: {horizon}
terminal: zero
parties:
  a: {{patience: 0, acuity: {ACUITY}, stakes: 1}}
  b: {{patience: 0, acuity: {ACUITY}, stakes: 1}}
moves: {{a: [keep, cheat], b: [keep, cheat]}}
{more}
interests: {gains}
obligations: {duties}
proposals:
  peace: {{signatories: [a, b]{deal}}}
""")


def honest(tolerance: int = 0, verified: float = V, false: float = F) -> str:
    return (
        f"{{honest: {{party: a, never: a.cheat, verified: {verified}, false_alarm: {false}, "
        f"tolerance: {tolerance}}}}}"
    )


def last(found: Simulation, figure: str, duty: str = "honest") -> np.ndarray:
    """A figure of a duty over time in the one world."""
    return np.asarray(getattr(found, figure).sel(obligation=duty).values[0])


GAIN = -0.4
ONE = "{a: {gain: -0.4*a.cheat}}"
T = np.arange(7)


@pytest.mark.parametrize("stay", [True, False])
def test_survival_and_accusations_of_one_bound_party_are_geometric(stay):
    q, scenario = breach(GAIN), story(honest(), ONE)
    h = q * V + (1 - q) * F
    found = sv.simulate(scenario, "peace", stay=stay)
    survival = found.survival.values[0]
    assert survival == pytest.approx((1 - h) ** T, abs=1e-12)
    assert last(found, "broken") == pytest.approx(1 - survival, abs=1e-12)
    assert last(found, "accused") == pytest.approx((1 - survival) * (1 - q) * F / h, abs=1e-12)
    assert last(found, "accused")[-1] > 0.05  # the case is not an empty one


@pytest.mark.parametrize("stay", [True, False])
def test_without_alarms_play_is_the_same_and_only_breaches_are_noticed(stay):
    q, scenario = breach(GAIN), story(honest(), ONE)
    found = sv.simulate(scenario, "peace", stay=stay, alarms=False)
    assert found.survival.values[0] == pytest.approx((1 - q * V) ** T, abs=1e-12)
    assert last(found, "broken") == pytest.approx(1 - (1 - q * V) ** T, abs=1e-12)
    assert last(found, "accused") == pytest.approx(0, abs=0)
    with_alarms = sv.simulate(scenario, "peace", stay=stay)
    assert found.moves.values == pytest.approx(with_alarms.moves.values, abs=1e-12)


@pytest.mark.parametrize("stay", [True, False])
def test_a_party_that_never_breaks_keeps_the_deal_unless_it_is_wrongly_accused(stay):
    scenario = story(honest(), "{a: {gain: -1000*a.cheat}}")
    found = sv.simulate(scenario, "peace", stay=stay)
    assert found.survival.values[0] == pytest.approx((1 - F) ** T, abs=1e-12)
    assert last(found, "accused") == pytest.approx(last(found, "broken"), abs=1e-12)
    quiet = sv.simulate(scenario, "peace", stay=stay, alarms=False)
    np.testing.assert_array_equal(quiet.survival.values[0], 1.0)


@pytest.mark.parametrize("stay", [True, False])
def test_with_a_tolerance_of_one_the_second_notice_says_whether_it_was_a_breach(stay):
    q, scenario = breach(GAIN), story(honest(tolerance=1), ONE)

    def lasting(h: float) -> np.ndarray:
        return (1 - h) ** T + T * h * (1 - h) ** (T - 1.0)

    h = q * V + (1 - q) * F
    found = sv.simulate(scenario, "peace", stay=stay)
    assert found.survival.values[0] == pytest.approx(lasting(h), abs=1e-12)
    wrongly = (1 - lasting(h)) * (1 - q) * F / h
    assert last(found, "accused") == pytest.approx(wrongly, abs=1e-12)
    quiet = sv.simulate(scenario, "peace", stay=stay, alarms=False)
    assert quiet.survival.values[0] == pytest.approx(lasting(q * V), abs=1e-12)


BOTH = (
    "{second: {party: b, never: b.cheat, verified: 0.9, false_alarm: 0.1}, "
    "first: {party: a, never: a.cheat, verified: 0.7, false_alarm: 0.05}}"
)


@pytest.mark.parametrize("stay", [True, False])
def test_of_two_duties_noticed_in_one_period_the_first_in_order_of_play_counts(stay):
    scenario = story(BOTH, "{a: {gain: -0.4*a.cheat}, b: {gain: 0.2*b.cheat}}")
    q, r = breach(-0.4), breach(0.2)
    first, second = q * 0.7 + (1 - q) * 0.05, r * 0.9 + (1 - r) * 0.1
    lasts = (1 - first) * (1 - second)
    periods = (1 - lasts**T) / (1 - lasts)  # expected number of periods begun in force
    found = sv.simulate(scenario, "peace", stay=stay)
    assert last(found, "broken", "first") == pytest.approx(first * periods, abs=1e-12)
    assert last(found, "accused", "first") == pytest.approx((1 - q) * 0.05 * periods, abs=1e-12)
    behind = (1 - first) * periods
    assert last(found, "broken", "second") == pytest.approx(second * behind, abs=1e-12)
    assert last(found, "accused", "second") == pytest.approx((1 - r) * 0.1 * behind, abs=1e-12)


def test_a_deal_signed_again_is_no_longer_one_that_ended_by_a_false_alarm():
    q, scenario = breach(GAIN), story(honest(), ONE, ", reopens: true")
    truly, wrongly = q * V, (1 - q) * F
    found = sv.simulate(scenario, "peace", stay=False)
    force, by_breach, by_alarm = 1.0, 0.0, 0.0
    for t in T:
        # nobody looks ahead, so each of the two signs again with one half
        force, by_breach, by_alarm = (
            force + (by_breach + by_alarm) / 4,
            by_breach * 3 / 4,
            by_alarm * 3 / 4,
        )
        assert last(found, "accused")[t] == pytest.approx(by_alarm, abs=1e-12)
        assert last(found, "broken")[t] == pytest.approx(by_breach + by_alarm, abs=1e-12)
        by_breach, by_alarm = by_breach + force * truly, by_alarm + force * wrongly
        force *= 1 - truly - wrongly


# -- with stocks --------------------------------------------------------------------------------

GRUDGE = "stocks: {grudge: {range: [0, 4], start: 0.5, next: NEXT}}"


def test_with_a_stock_that_drifts_breaches_and_accusations_follow_it():
    more = GRUDGE.replace("NEXT", "0.9*grudge + 0.4")
    scenario = story(honest(), "{a: {gain: (grudge - 2)*a.cheat}}", more=more)
    found = sv.simulate(scenario, "peace", paths=8)
    quiet = sv.simulate(scenario, "peace", paths=8, alarms=False)
    grudge, survival, unaccused, wrongly = 0.5, 1.0, 1.0, 0.0
    for t in T:
        assert found.survival.values[0, t] == pytest.approx(survival, abs=1e-12)
        assert quiet.survival.values[0, t] == pytest.approx(unaccused, abs=1e-12)
        assert last(found, "accused")[t] == pytest.approx(wrongly, abs=1e-12)
        assert last(quiet, "accused")[t] == 0
        q = breach(grudge - 2)
        wrongly += survival * (1 - q) * F
        survival *= 1 - q * V - (1 - q) * F
        unaccused *= 1 - q * V
        grudge = 0.9 * grudge + 0.4
    assert 0.05 < wrongly < 0.5


def tree(horizon: int, false: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every history of cheating while the deal holds, by hand: the chance that it holds, that it
    was ended by a false alarm, and the mean grudge while it holds, at every period."""
    holds, wrongly, mean = (np.zeros(horizon + 1) for _ in range(3))
    for t in range(horizon + 1):
        for cheats in itertools.product((False, True), repeat=t):
            chance, grudge = 1.0, 0.5
            for cheat in cheats:
                q = breach(grudge - 2)
                chance *= q * (1 - V) if cheat else (1 - q) * (1 - false)
                grudge = min(4.0, 0.9 * grudge + 1.5 * cheat)
            holds[t] += chance
            mean[t] += chance * grudge
            if t < horizon:
                wrongly[t + 1] += chance * (1 - breach(grudge - 2)) * false
    return holds, np.cumsum(wrongly), mean / holds


@pytest.mark.parametrize("stay", [True, False])
def test_where_cheating_moves_the_stock_paths_agree_with_every_history_walked(stay):
    more = GRUDGE.replace("NEXT", "0.9*grudge + 1.5*a.cheat")
    scenario = story(honest(), "{a: {gain: (grudge - 2)*a.cheat}}", more=more)
    n = 8192
    for alarms, false in ((True, F), (False, 0.0)):
        holds, wrongly, grudge = tree(scenario.horizon, false)
        found = sv.simulate(scenario, "peace", paths=n, stay=stay, alarms=alarms)
        # four standard errors of a share that is tossed for; paths that follow the deal have fewer
        near = 4 * 0.5 / math.sqrt(n)
        assert found.survival.values[0] == pytest.approx(holds, abs=near)
        assert last(found, "accused") == pytest.approx(wrongly, abs=near)
        if stay:
            assert found.stock.values[0, :, 0] == pytest.approx(grudge, abs=4 * 2 / math.sqrt(n))


def courses(scenario: Scenario, *follow: tuple[bool, bool]) -> list[Course]:
    """Courses from the signature: whether the deal is followed, and whether there are alarms."""
    made, worlds = prepare(scenario, "peace", None, (), None, "limited", False, 64, 0)
    root, exits = made.game.roots[0]["signed"], bool(scenario.stocks)
    made = replace(made, follow=tuple(Follow(root, s, a, exits) for s, a in follow))
    out = run(made, worlds)
    return [course_of(out, k) for k in range(len(follow))]


def test_where_nothing_hangs_on_the_deal_no_alarms_are_those_of_a_file_without():
    more = GRUDGE.replace("NEXT", "0.9*grudge + 1.5*a.cheat")
    gains = "{a: {gain: (grudge - 2)*a.cheat}, b: {pain: -a.cheat}}"
    kinds = (True, False), (False, False)
    with_alarms, without = (
        replace_patience(story(honest(false=f), gains, more=more)) for f in (F, 0.0)
    )
    for x, y in zip(courses(with_alarms, *kinds), courses(without, *kinds), strict=True):
        assert abs(x.after_break[0]).min() > 0.1  # what parties get where it breaks
        for name in ("regime", "broken", "flow", "stock", "moves", "after_break"):
            np.testing.assert_allclose(getattr(x, name), getattr(y, name), atol=1e-12)


def replace_patience(scenario: Scenario, patience: float = 0.9) -> Scenario:
    """The same with parties that look ahead."""
    number = parse_formula(str(patience))
    parties = {n: replace(p, patience=number) for n, p in scenario.parties.items()}
    return replace(scenario, parties=parties)


@pytest.mark.parametrize("stocks", [False, True])
def test_courses_with_and_without_alarms_can_be_asked_for_together(stocks):
    more = GRUDGE.replace("NEXT", "0.9*grudge + 0.4") if stocks else ""
    gains = "{a: {gain: (grudge - 2)*a.cheat}}" if stocks else ONE
    made, worlds = prepare(
        story(honest(), gains, more=more), "peace", None, (), None, "limited", False, 16, 0
    )
    root = made.game.roots[0]["signed"]
    stays, alarms = (True, False, True, False), (True, True, False, False)
    several = Follow((root,) * 4, stays, alarms)
    alone = [Follow(root, s, a) for s, a in zip(stays, alarms, strict=True)]
    out = run(replace(made, follow=(several, *alone)), worlds)
    together = course_of(out, 0)
    for k in range(4):
        for x, y in zip(together, course_of(out, 1 + k), strict=True):
            if x is not None:  # reasons were not asked for
                np.testing.assert_allclose(x[:, k], y, atol=1e-14)
    survival = together.regime[0, :, -1, KINDS.index("in_force")]
    assert survival[2] > survival[0] + 0.05
