"""The parts of an assessment in games whose answers can be written down.

Everybody plays at random (acuity 0), so that every chance is a half and nobody's play depends on a
deal; what parties receive is the level of a term or the state of the deal.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import servanda as sv
from servanda.questions.assessment import Assessment
from servanda.questions.riders import package_variants, riders
from servanda.scenario.model import Scenario

PATIENCE = 0.9
PERIODS = 4

DAM = """
title: A dam, a fee and a loan
horizon: 4
terminal: zero
parties:
  upper: {patience: 0.9, acuity: 0, stakes: 1}
  lower: {patience: 0.9, acuity: 0, stakes: 1}
assumptions: {price: [1, 2, 3]}
moves: {upper: [let_flow, dam]}
interests:
  upper: {money: price*fee + 3*loan + 1.5*fee*loan}
  lower: {thirst: -0.6*upper.dam, money: -2*fee}
terms:
  fee: {levels: {none: 0, paid: 1}}
  loan: {levels: {none: 0, given: 1}}
obligations: {flow: {party: upper, never: dam}}
proposals:
  treaty:
    proposer: upper
    signatories: [upper, lower]
    terms: {fee: paid, loan: given}
  second:
    proposer: upper
    signatories: [upper, lower]
    terms: {fee: paid, loan: given}
    otherwise: lease
  lease: {signatories: [upper, lower], terms: {loan: given}}
"""

IN_FORCE = sum((PATIENCE / 2) ** t for t in range(PERIODS))
"""What a unit in every period of a deal is worth that is broken with one chance in two."""


@cache
def assessed(deal: str) -> Assessment:
    return sv.assess(sv.load(DAM), deal, worlds=8)


def test_terms_that_help_each_other_share_what_they_add_together() -> None:
    """Left out, a term takes all of the 1.5 with it; the Shapley value halves it."""
    found = {t.term: t for t in assessed("treaty").terms if t.party == "upper"}
    assert list(found) == ["fee", "loan"]
    prices = sv.draw(sv.load(DAM), 8)
    price = float(prices.weight @ prices.values[:, 0])
    assert found["fee"].without.value == pytest.approx((price + 1.5) * IN_FORCE)
    assert found["fee"].share.value == pytest.approx((price + 0.75) * IN_FORCE)
    assert found["loan"].without.value == pytest.approx((3 + 1.5) * IN_FORCE)
    assert found["loan"].share.value == pytest.approx((3 + 0.75) * IN_FORCE)
    assert found["loan"].share.error == pytest.approx(0, abs=1e-9)  # the same in every world


def test_without_stocks_the_error_is_that_of_the_worlds() -> None:
    """Worth is (price + 4.5) times a constant: the standard error of a mean of as many draws."""
    answer, sample = assessed("treaty"), sv.draw(sv.load(DAM), 8)
    price = sample.values[:, 0]
    mean = sample.weight @ price
    error = np.sqrt(8 / 7 * np.sum((sample.weight * (price - mean)) ** 2)) * IN_FORCE
    found = answer.figures["worth.upper"]
    assert found.value == pytest.approx((mean + 4.5) * IN_FORCE)
    assert found.error == pytest.approx(error)
    assert found.lean == 0
    assert answer.figures["worth.lower"].error == pytest.approx(0, abs=1e-9)
    assert answer.futures == {}


@pytest.mark.parametrize("deal", ["treaty", "second"])
def test_a_harm_that_stops_is_worth_the_harm(deal: str) -> None:
    """A dam in every other period costs 0.3 a period, whatever else is on the table."""
    created = assessed(deal).created
    assert created is not None
    assert created.asker == "upper"
    relief = 0.3 * sum(PATIENCE**t for t in range(PERIODS))
    assert {p: x.value for p, x in created.relief.items()} == pytest.approx({"lower": relief})


def test_what_matters_most_is_solved_at_both_ends() -> None:
    answer = assessed("treaty")
    (found,) = (s for s in answer.sensitivities if s.party == "upper")
    assert found.assumption == "price"
    low, high = found.ends
    assert 1 <= low < 2 < high <= 3
    assert found.worth == pytest.approx([(low + 4.5) * IN_FORCE, (high + 4.5) * IN_FORCE])
    assert found.swing.value == pytest.approx((high - low) * IN_FORCE)


KINK = """
title: A subsidy above a threshold
horizon: 4
terminal: zero
parties: {a: {patience: 0.9, stakes: 1}, b: {patience: 0.9, stakes: 1}}
assumptions: {price: [1, 2.2, 3]}
interests: {a: {money: "in_force*max(price - 2, 0)"}}
proposals: {pact: {signatories: [a, b]}}
"""


def test_a_swing_over_a_kink_is_not_the_slope_times_the_range() -> None:
    """At the likeliest price the slope is 1 a period; below 2 there is nothing to lose."""
    (found,) = sv.assess(sv.load(KINK), "pact", worlds=16).sensitivities
    low, high = found.ends
    assert low < 2 < high
    periods = sum(PATIENCE**t for t in range(PERIODS))
    assert found.swing.value == pytest.approx((high - 2) * periods)


SHIPS = """
title: Ships and towns
horizon: 24
parties: {raider: {patience: 0.9, acuity: 50}, port: {patience: 0.9, acuity: 50}}
moves:
  raider:
    - hold
    - towns: {when: truce > 0}
    - both: {when: truce < 1}
terms:
  truce: {label: No raids on ships, levels: {none: 0, at_sea: 1}}
  toll: {levels: {none: 0, paid: 0.4}}
interests:
  raider: {loot: 2*raider.towns + 3*raider.both + toll}
  port: {towns: -3*(raider.towns + raider.both), ships: -raider.both, toll: -toll}
obligations:
  spare_ships: {party: raider, never: both, while: truce}
proposals:
  pay_us: {proposer: raider, signatories: [port, raider], terms: {truce: at_sea, toll: paid}}
"""


def test_a_created_problem_is_what_the_offer_stops_and_no_other_harm() -> None:
    """Ships are spared, worth 1 a month without end; towns are raided with the offer or without."""
    answer = sv.assess(sv.load(SHIPS), "pay_us", worlds=1)
    assert answer.created is not None
    assert answer.created.harm == ("spare ships",)
    assert answer.created.relief["port"].value == pytest.approx(1 / (1 - 0.9), rel=1e-6)
    assert answer.figures["worth.port"].value == pytest.approx(0.6 / (1 - 0.9), rel=1e-6)


FLOOD = """
title: A dam, a fee, and a village that grows
horizon: 4
terminal: zero
parties:
  upper: {patience: 0.9, acuity: 0, stakes: 1}
  lower: {patience: 0.9, acuity: 0, stakes: 1}
assumptions: {growth: {distribution: uniform, low: 0, high: 0.1}}
stocks: {village: {start: 0.2, next: village + growth}}
moves: {upper: [let_flow, dam]}
interests:
  upper: {money: 5*fee}
  lower: {thirst: -upper.dam*village, money: -5*fee}
terms: {fee: {levels: {none: 0, paid: 1}}}
obligations: {flow: {party: upper, never: dam}}
proposals: {treaty: {proposer: upper, signatories: [upper, lower], terms: {fee: paid}}}
"""


@cache
def flooded() -> Assessment:
    return sv.assess(sv.load(FLOOD), "treaty", worlds=8)


def test_a_created_problem_grows_with_a_stock() -> None:
    """Dammed in every other period: half the village's thirst, and no fee to be paid."""
    answer, sample = flooded(), sv.draw(sv.load(FLOOD), 8)
    growth = float(sample.weight @ sample.values[:, 0])
    relief = sum(PATIENCE**t * 0.5 * (0.2 + growth * t) for t in range(PERIODS))
    assert answer.created is not None
    found = answer.created.relief["lower"]
    # linear in the stock, so exact on any grid, but for what is left past the horizon
    assert found.value == pytest.approx(relief, rel=1e-5)
    assert 0 < found.error < 0.1 * relief  # the worlds'


def test_the_shares_of_two_futures_add_up_to_one() -> None:
    futures = flooded().futures
    assert sum(futures.values()) == pytest.approx(1)
    assert futures["fails"] == pytest.approx(1)  # broken with 15/16 in every world


def test_half_of_the_breaches_come_early() -> None:
    """Broken by age t with 1 - 2^-t, 15/16 in the end: half of that is reached before age 1."""
    (breaker,) = assessed("treaty").breakers
    assert breaker.breaks.value == pytest.approx(15 / 16)
    assert breaker.median_period == pytest.approx(15 / 16)


BRIDGE = """
title: A bridge that is watched
horizon: 4
terminal: zero
parties:
  east: {patience: 0.9, acuity: 0, stakes: 1}
  west: {patience: 0.9, acuity: 0, stakes: 1}
stocks: {stones: {start: 0.5, next: stones}}
moves: {east: [keep, cross]}
interests:
  east: {peace: 0.4*lease}
  west: {peace: in_force - 2*broken + 0.4*lease}
terms: {lease: {levels: {none: 0, agreed: 1}}}
obligations: {stay: {party: east, never: cross}}
proposals:
  watch: {signatories: [east, west]}
  rather: {signatories: [east, west], otherwise: rent}
  rent: {signatories: [east, west], terms: {lease: agreed}}
"""


@pytest.mark.parametrize(("deal", "second_offer"), [("watch", False), ("rather", True)])
def test_exposure_is_against_never_having_signed(deal: str, second_offer: bool) -> None:
    """Broken at age t with 2^-t: what came before and what comes after, given that it happens.

    Never having signed may be an offer on the table, which two people sign by chance: one in four.
    """
    answer = sv.assess(sv.load(BRIDGE), deal, worlds=2)
    chance = np.array([0.5**t for t in range(1, PERIODS + 1)])
    paid = [[1.0] * t + [-2.0] * (PERIODS - t) for t in range(1, PERIODS + 1)]
    worth = np.array(paid) @ PATIENCE ** np.arange(PERIODS)
    broken = chance @ worth / chance.sum()
    # in force it pays 1 and the rent; when it is broken, the rent has gone and 2 are lost
    running = sum((1.4 - 0.0) * (PATIENCE / 2) ** t for t in range(PERIODS))
    lost = sum(2 * PATIENCE**t * (1 - 0.5**t) for t in range(PERIODS))
    no_deal = 0.25 * (running - lost) if second_offer else 0.0
    found = {t.party: t.exposure.value for t in answer.timing}
    assert found["west"] == pytest.approx(broken - no_deal)
    rent = 0.25 * 0.4 * IN_FORCE if second_offer else 0.0
    assert found["east"] == pytest.approx(-rent, abs=1e-12)


def seven() -> Scenario:
    names = [f"t{k}" for k in range(7)]
    terms = "\n".join(f"  {n}: {{levels: {{no: 0, yes: 1}}}}" for n in names)
    return sv.load(f"""
title: Seven terms
horizon: 4
parties: {{a: {{patience: 0.5}}, b: {{patience: 0.5}}}}
interests: {{a: {{all: ({" + ".join(names)})**2}}}}
terms:
{terms}
proposals: {{whole: {{signatories: [a, b], terms: {{{", ".join(f"{n}: yes" for n in names)}}}}}}}
""")


def test_an_order_and_its_reverse_are_one_draw() -> None:
    """A package of n terms is worth n squared: a term adds 2k + 1 to the k before it, which is 7 in
    the mean of any order and its reverse. So sampling errs by nothing, and must say so."""
    scenario = seven()
    deal = scenario.proposals["whole"]
    variants, _ = package_variants(scenario, deal)
    size = [sum(v.proposal.terms[t] == (1.0,) for t in scenario.terms) for v in variants]
    found = riders(scenario, deal, np.square(size)[:, None] * 1.0)
    assert found is not None
    assert found.shapley == pytest.approx(np.full((7, 1), 7.0))
    assert found.error == pytest.approx(np.zeros((7, 1)), abs=1e-12)
    skewed = riders(scenario, deal, np.power(size, 3.0)[:, None])
    assert skewed is not None
    assert (skewed.error > 0).all()


def test_riders_of_one_term_are_none() -> None:
    scenario = sv.load(DAM)
    assert riders(scenario, scenario.proposals["lease"], np.zeros((1, 2))) is None


def test_terms_of_a_deal_with_many_are_sampled_in_worlds() -> None:
    """Seven terms are worth 7 squared a period, with patience 0.5 twice that."""
    answer = sv.assess(seven(), "whole", "a", worlds=1)
    assert len(answer.terms) == 14
    for t in answer.terms:
        if t.party == "a":
            assert t.without.value == pytest.approx(2 * (49 - 36))
            assert t.share.value == pytest.approx(2 * 7)
            assert t.share.error == pytest.approx(0, abs=1e-9)
