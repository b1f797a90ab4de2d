"""What happens to an agreement, clause by clause: one small story each, with its answer by hand.

Where nothing else is said, parties choose at random (acuity 0), so that every chance is a product
of halves; what they receive is the level of a term, so that flows show which level holds.
"""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest

import servanda as sv
from servanda.game.simulate import Simulation
from servanda.scenario.model import Scenario


def story(body: str, acuity: float | str = 0, horizon: int = 5) -> Scenario:
    """A scenario of two parties, and a few lines of its own."""
    head = f"""\
        title: A story
        horizon: {horizon}
        terminal: zero
        parties:
          a: {{patience: 1, acuity: {acuity}}}
          b: {{patience: 1, acuity: {acuity}}}
        """
    return sv.load(dedent(head) + dedent(body))


def from_offer(scenario: Scenario, deal: str) -> Simulation:
    """Everything that follows when the offer is on the table."""
    return sv.simulate(scenario, deal, start="start", stay=False)


def from_signature(scenario: Scenario, deal: str) -> Simulation:
    """Everything that follows the signature, also after the deal has ended."""
    return sv.simulate(scenario, deal, start="signed", stay=False)


def chances(simulation: Simulation, kind: str) -> list[float]:
    """The probability of a kind of regime at the start of every period."""
    return list(simulation.regime.sel(regime=kind).values[0])


def received(simulation: Simulation, party: str = "a") -> list[float]:
    """A party's mean flow in every period."""
    return list(simulation.flow.sel(party=party).values[0])


def broken_by(simulation: Simulation, obligation: str) -> list[float]:
    return list(simulation.broken.sel(obligation=obligation).values[0])


def near(values: list[float], abs: float = 1e-12) -> object:
    return pytest.approx(values, abs=abs)


# -- signing ------------------------------------------------------------------------------------


def test_an_offer_can_be_signed_while_it_is_open_and_not_before_or_after():
    scenario = story("""
        moves: {a: [wait]}
        proposals:
          peace: {signatories: [a, b], open: [1, 2]}
        """)
    found = from_offer(scenario, "peace")
    # both must accept: a quarter of what is still unsigned
    assert chances(found, "in_force") == near([0, 1 / 4, 7 / 16, 7 / 16, 7 / 16, 7 / 16])
    assert chances(found, "unsigned") == near([1, 3 / 4, 0, 0, 0, 0])
    # whoever refuses the last chance has refused for good
    assert chances(found, "never") == near([0, 0, 9 / 16, 9 / 16, 9 / 16, 9 / 16])


def test_without_a_window_there_is_one_chance_at_the_start():
    scenario = story("""
        moves: {a: [wait]}
        proposals: {peace: {signatories: [a]}}
        """)
    found = from_offer(scenario, "peace")
    assert chances(found, "in_force") == near([1 / 2] * 6)
    assert chances(found, "never") == near([1 / 2] * 6)


def test_the_first_who_refuses_is_blamed_for_as_long_as_nothing_else_is_on_the_table():
    scenario = story("""
        moves: {a: [wait]}
        interests:
          a: {blame: refused_by.b}
          b: {blame: refused_by.a}
        proposals: {peace: {signatories: [b, a]}}
        """)
    found = from_offer(scenario, "peace")
    assert received(found, "a") == near([1 / 2] * 5)  # b is asked first
    assert received(found, "b") == near([1 / 4] * 5)


def test_a_later_refusal_takes_the_blame_from_an_earlier_one():
    scenario = story("""
        moves: {a: [wait]}
        interests: {a: {blame: refused_by.b}}
        proposals: {peace: {signatories: [b, a], open: [0, 1]}}
        """)
    # of the 3/4 refused at first, b refuses a half again; it is blamed for that alone
    assert received(from_offer(scenario, "peace")) == near([1 / 2, 3 / 8, 3 / 8, 3 / 8, 3 / 8])


def test_nobody_is_blamed_for_a_deal_that_was_never_offered():
    scenario = story("""
        moves: {a: [wait]}
        interests: {a: {blame: refused_by.a + refused_by.b + in_force + broken + expired}}
        proposals: {peace: {signatories: [a, b]}}
        """)
    assert received(sv.simulate(scenario, None)) == near([0] * 5)


def test_each_signature_is_a_logit_choice_given_that_the_others_sign():
    scenario = sv.load(
        dedent("""\
        title: A story
        horizon: 1
        terminal: zero
        parties:
          a: {patience: 1, acuity: 0.7, stakes: 1}
          b: {patience: 1, acuity: 0.5, stakes: 2}
        moves: {a: [wait]}
        interests:
          a: {peace: 2*in_force, blame: -3*refused_by.a + refused_by.b}
          b: {peace: -1*in_force}
        proposals: {peace: {signatories: [a, b]}}
        """)
    )
    solution = sv.solve(scenario, "peace")
    b_accepts = 1 / (1 + np.exp(0.5 / 2 * 1))
    a_alone = 1 / (1 + np.exp(-0.7 * (2 + 3)))
    a_in_play = 1 / (1 + np.exp(-0.7 * (2 * b_accepts + 1 * (1 - b_accepts) + 3)))
    assert list(solution.signing.sel(signatory=["a", "b"]).values[0]) == near([a_alone, b_accepts])
    assert float(solution.joint[0]) == pytest.approx(a_in_play * b_accepts)


# -- terms --------------------------------------------------------------------------------------


def test_a_phased_term_follows_its_list_by_age_and_stays_at_its_last_entry():
    scenario = story("""
        moves: {a: [wait]}
        terms: {withdrawal: {levels: {none: 0, phased: [0.1, 0.3, 0.6]}}}
        interests: {a: {land: withdrawal}}
        proposals: {peace: {signatories: [a], open: [0, 2], terms: {withdrawal: phased}}}
        """)
    assert received(sv.simulate(scenario, "peace")) == near([0.1, 0.3, 0.6, 0.6, 0.6])
    # ages count from the signature: signed with chance 1/2, 1/4, 1/8 in periods 0, 1, 2
    offered = received(from_offer(scenario, "peace"))
    assert offered[:3] == near([0.05, 0.15 + 0.025, 0.3 + 0.075 + 0.0125])


def test_terms_that_a_proposal_does_not_mention_stay_as_they_are():
    scenario = story("""
        moves: {a: [wait]}
        terms:
          border: {levels: {closed: 2, open: 3}}
          toll: {range: [0, 1], now: 0.25}
        interests: {a: {border: border, toll: 10*toll}}
        proposals: {peace: {signatories: [a]}, trade: {signatories: [a], terms: {toll: 0.5}}}
        """)
    assert received(sv.simulate(scenario, "peace")) == near([4.5] * 5)
    assert received(sv.simulate(scenario, "trade")) == near([7.0] * 5)


ENDS = """
    moves: {a: [wait]}
    terms:
      sanctions: {levels: {kept: -1, eased: [0, 0.3, 0.6, 1]}, after: AFTER}
    interests: {a: {relief: sanctions}}
    proposals: {thaw: {signatories: [a], lasts: 3, terms: {sanctions: eased}}}
    """


@pytest.mark.parametrize(
    ("after", "flows"),
    [
        ("lapses", [0, 0.3, 0.6, -1, -1, -1, -1]),
        ("stays", [0, 0.3, 0.6, 0.6, 0.6, 0.6, 0.6]),
        ("reverses", [0, 0.3, 0.6, 0.3, 0, -1, -1]),
    ],
)
def test_after_the_end_a_term_lapses_stays_or_is_walked_back(after, flows):
    scenario = story(ENDS.replace("AFTER", after), horizon=7)
    found = from_signature(scenario, "thaw")
    assert chances(found, "in_force") == near([1, 1, 1, 0, 0, 0, 0, 0])
    assert chances(found, "expired") == near([0, 0, 0, 1, 1, 1, 1, 1])
    assert received(found) == near(flows)


def test_terms_of_different_length_are_each_walked_back_from_where_they_are():
    scenario = story(
        """
        moves: {a: [wait]}
        terms:
          long: {levels: {none: 0, phased: [1, 2, 3, 4]}, after: reverses}
          short: {levels: {none: 0, phased: [10, 20]}, after: reverses}
          single: {levels: {none: 0, full: 100}, after: reverses}
        interests: {a: {all: long + short + single}}
        proposals:
          peace: {signatories: [a], lasts: 4, terms: {long: phased, short: phased, single: full}}
        """,
        horizon=9,
    )
    # one step a period: 4, 3, 2, 1, none and 20, 10, none; a single number goes at once
    expected = [111, 122, 123, 124, 13, 2, 1, 0, 0]
    assert received(from_signature(scenario, "peace")) == near(expected)


def test_what_was_given_for_good_is_the_ground_of_the_next_deal():
    scenario = story("""
        moves: {a: [wait]}
        terms:
          prisoners: {levels: {kept: 0, released: 1}, after: stays}
          aid: {levels: {none: 0, given: 10}}
        interests: {a: {all: prisoners + aid}}
        proposals:
          swap: {signatories: [a], lasts: 1, otherwise: relief, terms: {prisoners: released}}
          relief: {signatories: [a], open: [0, 3], terms: {aid: given}}
        """)
    flows = received(from_signature(scenario, "swap"))
    assert flows[:3] == near([1, 1 + 10 / 2, 1 + 10 * 3 / 4])


# -- obligations --------------------------------------------------------------------------------


def test_a_breach_is_noticed_with_the_probability_of_verification():
    scenario = story("""
        moves: {a: [keep, cheat]}
        obligations: {rule: {party: a, never: cheat, verified: 0.6}}
        proposals: {peace: {signatories: [a, b]}}
        """)
    found = sv.simulate(scenario, "peace")
    # geometric: (1 - v p)^t with p = 1/2
    assert list(found.survival.values[0]) == near([0.7**t for t in range(6)])
    assert broken_by(found, "rule") == near([1 - 0.7**t for t in range(6)])


def test_false_alarms_end_a_deal_that_is_kept():
    scenario = story("""
        moves: {a: [keep, cheat]}
        obligations: {rule: {party: a, never: cheat, verified: 0.6, false_alarm: 0.2}}
        proposals: {peace: {signatories: [a, b]}}
        """)
    found = sv.simulate(scenario, "peace")
    assert list(found.survival.values[0]) == near([(1 - 0.3 - 0.1) ** t for t in range(6)])


def test_a_dated_duty_raises_no_false_alarm_before_its_date_nor_once_it_is_met():
    """Paid with one chance in two a period; watched from age 2 on, until it has been paid."""
    scenario = story("""
        moves: {a: [wait, pay]}
        obligations: {debt: {party: a, must: pay, by: 2, verified: 1, false_alarm: 0.5}}
        proposals: {peace: {signatories: [a, b]}}
        """)
    found = sv.simulate(scenario, "peace")
    # at age 2 a quarter still owes; half of them pay, of which half are thought not to have
    assert list(found.survival.values[0]) == near([1, 1, 1, 13 / 16, 13 / 16, 13 / 16])


@pytest.mark.parametrize("order", ["[a, b]", "[b, a]", "[[b, a]]"])
def test_the_first_breach_noticed_in_order_of_play_names_the_breaker(order):
    scenario = story(f"""
        moves: {{a: [keep, cheat], b: [keep, cheat]}}
        order: {order}
        obligations:
          second: {{party: b, never: cheat, verified: 0.8}}
          first: {{party: a, never: cheat, verified: 0.8}}
        proposals: {{peace: {{signatories: [a, b]}}}}
        """)
    found = sv.simulate(scenario, "peace")
    by = ["first", "second"] if order == "[a, b]" else ["second", "first"]
    assert [broken_by(found, name)[1] for name in by] == near([0.4, 0.6 * 0.4])
    assert chances(found, "broken")[1] == pytest.approx(0.64)


def test_as_many_noticed_breaches_as_are_tolerated_do_not_break_the_deal():
    scenario = story("""
        moves: {a: [keep, cheat]}
        obligations: {rule: {party: a, never: cheat, tolerance: 1, verified: 0.6}}
        proposals: {peace: {signatories: [a, b]}}
        """)
    # at most one of t breaches noticed with chance 0.3 each
    expected = [0.7**t + t * 0.3 * 0.7 ** (t - 1) for t in range(6)]
    assert list(sv.simulate(scenario, "peace").survival.values[0]) == near(expected)


def test_a_duty_without_a_date_must_be_done_every_period():
    scenario = story("""
        moves: {a: [idle, pay, pay_more]}
        obligations: {dues: {party: a, must: pay}}
        proposals: {peace: {signatories: [a, b]}}
        """)
    found = sv.simulate(scenario, "peace")
    assert list(found.survival.values[0]) == near([3.0**-t for t in range(6)])


def test_a_duty_with_a_date_can_be_done_at_any_time_until_then():
    scenario = story("""
        moves: {a: [stay, leave]}
        obligations: {withdrawal: {party: a, must: leave, by: 2}}
        proposals: {peace: {signatories: [a, b]}}
        """)
    found = sv.simulate(scenario, "peace")
    # ages 0, 1 and 2 pass without it with chance 1/8; then nothing is left to break
    assert list(found.survival.values[0]) == near([1, 1, 1, 7 / 8, 7 / 8, 7 / 8])
    assert broken_by(found, "withdrawal") == near([0, 0, 0, 1 / 8, 1 / 8, 1 / 8])


def test_an_obligation_binds_only_while_its_term_holds():
    scenario = story("""
        moves: {a: [keep, cheat]}
        terms: {ban: {levels: {none: 0, soon: [0, 0, 1], for_now: [1, 1, 0]}}}
        obligations: {rule: {party: a, never: cheat, while: ban}}
        proposals:
          none: {signatories: [a], terms: {}}
          soon: {signatories: [a], terms: {ban: soon}}
          for_now: {signatories: [a], terms: {ban: for_now}}
        """)
    expected = {
        "none": [1, 1, 1, 1, 1, 1],
        "soon": [1, 1, 1, 1 / 2, 1 / 4, 1 / 8],
        "for_now": [1, 1 / 2, 1 / 4, 1 / 4, 1 / 4, 1 / 4],
    }
    for deal, survival in expected.items():
        assert list(sv.simulate(scenario, deal).survival.values[0]) == near(survival)


def test_a_proposal_binds_only_to_the_obligations_it_lists():
    scenario = story("""
        moves: {a: [keep, cheat], b: [keep, cheat]}
        obligations: {of_a: {party: a, never: cheat}, of_b: {party: b, never: cheat}}
        proposals: {one_sided: {signatories: [a, b], obligations: [of_b]}}
        """)
    found = sv.simulate(scenario, "one_sided")
    assert list(found.survival.values[0]) == near([2.0**-t for t in range(6)])
    assert broken_by(found, "of_a") == near([0] * 6)


def test_formulas_see_an_actual_breach_whether_it_is_noticed_or_not():
    scenario = story("""
        moves: {a: [keep, cheat]}
        obligations: {rule: {party: a, never: cheat, verified: 0}}
        interests: {a: {shame: breach.rule}, b: {after: broken}}
        proposals: {peace: {signatories: [a, b]}}
        """)
    found = from_signature(scenario, "peace")
    assert received(found, "a") == near([1 / 2] * 5)
    assert received(found, "b") == near([0] * 5)
    assert received(sv.simulate(scenario, None)) == near([0] * 5)  # nothing is bound without a deal


def test_the_consequences_of_a_breach_begin_a_period_later():
    scenario = story("""
        moves: {a: [cheat]}
        obligations: {rule: {party: a, never: cheat}}
        interests: {a: {fine: -broken.rule}, b: {fine: broken}}
        proposals: {peace: {signatories: [a, b]}}
        """)
    found = from_signature(scenario, "peace")
    assert received(found, "a") == near([0, -1, -1, -1, -1])
    assert received(found, "b") == near([0, 1, 1, 1, 1])
    assert chances(found, "broken") == near([0, 1, 1, 1, 1, 1])


# -- running out --------------------------------------------------------------------------------


def test_running_out_as_agreed_is_not_breaking():
    scenario = story("""
        moves: {a: [keep, cheat]}
        obligations: {rule: {party: a, never: cheat, verified: 0.5}}
        proposals: {truce: {signatories: [a, b], lasts: 2}}
        """)
    found = sv.simulate(scenario, "truce")
    assert chances(found, "in_force") == near([1, 3 / 4, 0, 0, 0, 0])
    # the breach of the last period is still noticed
    assert chances(found, "broken") == near([0, 1 / 4, 7 / 16, 7 / 16, 7 / 16, 7 / 16])
    assert chances(found, "expired") == near([0, 0, 9 / 16, 9 / 16, 9 / 16, 9 / 16])


def test_an_automatic_renewal_goes_on():
    scenario = story("""
        moves: {a: [keep, cheat]}
        obligations: {rule: {party: a, never: cheat, verified: 0.5}}
        proposals: {truce: {signatories: [a, b], lasts: 2, renew: automatic}}
        """)
    found = sv.simulate(scenario, "truce")
    assert list(found.survival.values[0]) == near([0.75**t for t in range(6)])


def test_a_renewal_needs_all_signatures_at_the_end_of_every_term():
    scenario = story("""
        moves: {a: [wait]}
        proposals: {truce: {signatories: [a, b], lasts: 2, renew: all_sign}}
        """)
    found = sv.simulate(scenario, "truce")
    assert chances(found, "in_force") == near([1, 1, 1 / 4, 1 / 4, 1 / 16, 1 / 16])
    assert chances(found, "expired") == near([0, 0, 3 / 4, 3 / 4, 15 / 16, 15 / 16])


def test_a_renewed_deal_keeps_its_age():
    scenario = story(
        """
        moves: {a: [wait]}
        terms: {aid: {levels: {none: 0, rising: [1, 2, 3, 4, 5]}}}
        interests: {a: {aid: aid}}
        proposals: {pact: {signatories: [a], lasts: 2, renew: all_sign, terms: {aid: rising}}}
        """,
        horizon=8,
    )
    assert received(sv.simulate(scenario, "pact")) == near([1, 2, 3, 4, 5, 5, 5, 5])


# -- what comes instead -------------------------------------------------------------------------


def test_after_a_refusal_the_next_proposal_is_on_the_table():
    scenario = story("""
        moves: {a: [wait]}
        terms: {price: {levels: {none: 0, low: 1, high: 10}}}
        interests: {a: {price: price}}
        proposals:
          high: {signatories: [a, b], otherwise: low, terms: {price: high}}
          low: {signatories: [b], terms: {price: low}}
        """)
    found = from_offer(scenario, "high")
    # signed at once with chance 1/4; in the next period the low one with chance 1/2
    assert received(found) == near([10 / 4] + [10 / 4 + 3 / 8] * 4)
    assert chances(found, "in_force") == near([1 / 4] + [5 / 8] * 5)
    # no deal is then the game in which the low one is offered at once
    value = found.solution.value
    assert float(value.sel(regime="no_deal", party="a")[0]) == pytest.approx(0.5 * 5)
    assert float(found.solution.worth.sel(party="a")[0]) == pytest.approx(50 - 2.5)


def test_after_expiry_the_next_proposal_is_on_the_table_in_the_same_period():
    scenario = story("""
        moves: {a: [wait]}
        interests: {a: {peace: in_force}}
        proposals:
          truce: {signatories: [a, b], lasts: 2, otherwise: peace}
          peace: {signatories: [b]}
        """)
    assert received(from_signature(scenario, "truce")) == near([1, 1, 1 / 2, 1 / 2, 1 / 2])


def test_after_a_breach_nothing_else_is_offered():
    scenario = story("""
        moves: {a: [cheat]}
        obligations: {rule: {party: a, never: cheat}}
        proposals:
          truce: {signatories: [a, b], otherwise: peace}
          peace: {signatories: [b], obligations: []}
        """)
    assert chances(from_signature(scenario, "truce"), "broken") == near([0, 1, 1, 1, 1, 1])


def test_a_broken_deal_is_signed_again_only_if_it_reopens():
    body = """
        moves: {a: [keep, cheat]}
        obligations: {rule: {party: a, never: cheat}}
        proposals: {truce: {signatories: [a, b], reopens: AGAIN}}
        """
    once = from_signature(story(body.replace("AGAIN", "false")), "truce")
    assert chances(once, "in_force") == near([2.0**-t for t in range(6)])
    again = from_signature(story(body.replace("AGAIN", "true")), "truce")
    x = [1.0]
    for _ in range(5):  # a half is kept; of the rest a quarter is signed again
        x.append(x[-1] / 2 + (1 - x[-1] / 2) / 4)
    assert chances(again, "in_force") == near(x)
    assert chances(again, "broken") == near([1 - p for p in x])
    # following the deal, the first breach is the end of it
    followed = sv.simulate(story(body.replace("AGAIN", "true")), "truce")
    assert list(followed.survival.values[0]) == near([2.0**-t for t in range(6)])


OTHERWISE = """
    terms: {aid: {range: [0, 1], now: 0, after: stays}, bonus: {range: [0, 1], now: 0}}
    interests: {a: {aid: aid, bonus: bonus}}
    proposals:
      first: {signatories: [b], terms: {aid: 1}, lasts: 2, renew: RENEW, otherwise: second}
      second: {signatories: [a, b], terms: {SECOND}}
    """


def test_after_a_refused_renewal_the_other_offer_is_made_from_the_next_period_on():
    body = OTHERWISE.replace("RENEW", "all_sign").replace("SECOND", "bonus: 1")
    found = from_signature(story(body), "first")
    # b renews with chance 1/2 at age 2; else the other offer can be signed in period 3, by both
    bonus = [0, 0, 0, 1 / 2 * 1 / 4, 1 / 2 * 1 / 4]
    assert received(found) == near([1 + x for x in bonus])


def test_a_later_deal_sets_the_terms_it_names_even_to_where_they_stood_at_first():
    body = OTHERWISE.replace("RENEW", "none").replace("SECOND", "aid: 0, bonus: 1")
    found = from_signature(story(body), "first")
    # aid stays at 1 when the first deal has run out; the second takes it back
    assert received(found) == near([1, 1, *[1 / 4 * 1 + 3 / 4 * 1] * 3])
    without = OTHERWISE.replace("RENEW", "none").replace("SECOND", "bonus: 1")
    assert received(from_signature(story(without), "first")) == near([1, 1, *[1 + 1 / 4] * 3])


def test_an_offer_that_opens_later_is_judged_as_if_it_were_made_at_the_start():
    body = """
        interests: {a: {peace: in_force}, b: {peace: -2 * in_force}}
        proposals:
          soon: {signatories: [a, b]}
          late: {signatories: [a, b], open: [2, 3]}
        """
    soon = sv.solve(story(body, acuity=0.1), "soon")
    late = sv.solve(story(body, acuity=0.1), "late")
    assert late.worth.values[0] == near(list(soon.worth.values[0]))
    assert 0 < float(late.joint[0]) < 1
    # b may say no now and be asked again: its yes is likelier than if this were its last chance
    assert float(late.signing[0, 1]) >= float(soon.signing[0, 1])


# -- guarantees ---------------------------------------------------------------------------------


def test_a_duty_with_a_date_counts_from_the_breach_when_it_falls_due_by_one():
    scenario = story("""
        moves: {a: [cheat], b: [idle, help]}
        obligations:
          rule: {party: a, never: cheat}
          aid: {party: b, must: help, by: 1, due: broken.rule, survives: true}
        interests: {b: {shame: breach.aid}}
        proposals: {peace: {signatories: [a, b]}}
        """)
    # broken from period 1 on; due by the second period of it, undone with chance 1/4, and from then
    # on in every period until it is done
    assert received(from_signature(scenario, "peace"), "b") == near([0, 0, 1 / 4, 1 / 8, 1 / 16])


def test_a_dated_duty_that_survives_keeps_its_clock_and_what_has_been_done():
    body = """
        moves: {a: [idle, give], b: [cheat]}
        obligations:
          rule: {party: b, never: cheat}
          gift: {party: a, must: give, by: 2, survives: true}
        interests: {a: {shame: breach.gift}}
        proposals: {peace: {signatories: [a, b]}}
        """
    found = from_signature(story(body), "peace")
    # broken from period 1 on; ages 0, 1 and 2 of the deal pass without it with chance 1/8
    assert received(found, "a") == near([0, 0, 1 / 8, 1 / 16, 1 / 32])


def test_a_missed_date_is_a_breach_until_it_is_made_good():
    scenario = story("""
        moves: {a: [idle, give]}
        obligations: {gift: {party: a, must: give, by: 1, tolerance: 1}}
        proposals: {peace: {signatories: [a, b]}}
        """)
    found = sv.simulate(scenario, "peace")
    # undone at age 1 with chance 1/4, which is let pass; at age 2 with chance 1/8, which is not
    assert list(found.survival.values[0]) == near([1, 1, 1, 7 / 8, 7 / 8, 7 / 8])


def test_an_obligation_that_survives_goes_on_when_another_is_broken():
    scenario = story("""
        moves: {a: [cheat], b: [keep, cheat]}
        obligations:
          rule: {party: a, never: cheat}
          lasting: {party: b, never: cheat, verified: 0, survives: true}
          passing: {party: b, never: cheat, verified: 0}
        interests: {a: {lasting: breach.lasting}, b: {passing: breach.passing}}
        proposals: {peace: {signatories: [a, b]}}
        """)
    found = from_signature(scenario, "peace")
    assert received(found, "a") == near([1 / 2] * 5)
    assert received(found, "b") == near([1 / 2, 0, 0, 0, 0])


# -- bound hands --------------------------------------------------------------------------------


def test_a_party_bound_to_its_word_keeps_it_and_a_bind_ends_with_its_regime():
    scenario = story("""
        moves: {a: [keep, cheat], b: [keep, cheat]}
        obligations: {of_a: {party: a, never: cheat}, of_b: {party: b, never: cheat}}
        proposals: {peace: {signatories: [a, b]}}
        """)
    bound = (sv.bind(scenario, "a", None, ["keep"], "in_force"),)
    found = sv.simulate(scenario, "peace", binds=bound)
    assert list(found.survival.values[0]) == near([2.0**-t for t in range(6)])
    assert broken_by(found, "of_a") == near([0] * 6)
    everywhere = sv.simulate(scenario, "peace", binds=bound, start="signed", stay=False)
    free = [1 - 2.0**-t for t in range(5)]  # a cheats with chance 1/2 once the deal is broken
    assert everywhere.moves.sel(move="a.cheat").values[0] == near([x / 2 for x in free])


def test_a_bind_outside_the_deal_leaves_the_deal_alone():
    scenario = story("""
        moves: {a: [keep, cheat]}
        interests: {a: {loot: a.cheat}}
        proposals: {peace: {signatories: [a]}}
        """)
    bound = (sv.bind(scenario, "a", None, ["keep"], "unsigned"),)
    value = sv.solve(scenario, "peace", binds=bound).value.sel(party="a")
    assert list(value.sel(regime=["signed", "no_deal"]).values[0]) == near([2.5, 0])
