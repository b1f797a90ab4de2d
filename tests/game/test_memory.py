"""Blame that is forgotten by chance: values and courses by hand.

Where a breach is needed for sure, a false alarm of probability 1 breaks the deal in period 0, so
that it is broken from period 1 on. What is paid while something is remembered, c a period for N
periods on average, is worth c / (1 - d (1 - 1/N)) from its first period on, with patience d.
"""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

import numpy as np
import pytest

import servanda as sv
from servanda.game.batch import run
from servanda.game.build import build
from servanda.game.differentiate import differentiate
from servanda.game.regimes import Variant
from servanda.game.solve import prepare, price_of_refusing
from servanda.scenario.model import Scenario

D, C = 0.9, 0.7
LENGTHS = (1, 2.5, 8, "inf")


def rest(length: float | str) -> float:
    """What one unit a period is worth from now on while it is remembered."""
    return 1 / (1 - D * (1 - 1 / float(length)))


def story(body: str, *, acuity: float = 0, horizon: int = 6, terminal: str = "stationary",
          patience: float = D, moves: str = "[stay, go]") -> Scenario:  # fmt: skip
    head = f"""\
        title: Memory
        horizon: {horizon}
        terminal: {terminal}
        parties:
          a: {{patience: {patience}, acuity: {acuity}, stakes: 1}}
          b: {{patience: {patience}, acuity: {acuity}, stakes: 1}}
        moves: {{a: {moves}}}
        """
    return sv.load(dedent(head) + dedent(body))


def alarmed(memory: str, interests: str = f"a: {{blame: -{C}*broken}}", **more) -> Scenario:
    """A deal that is broken from period 1 on."""
    body = f"""\
        interests: {{{interests}}}
        obligations: {{quiet: {{party: a, never: go, false_alarm: 1}}}}
        proposals: {{deal: {{signatories: [a]{memory}}}}}
        """
    return story(body, **more)


@pytest.mark.parametrize("length", LENGTHS)
def test_blame_for_a_breach_is_paid_for_as_long_as_it_is_remembered(length):
    memory = f", remembered: {length}" if length != "inf" else ""
    found = sv.solve(alarmed(memory), "deal")
    expected = -D * C * rest(length)
    assert float(found.worth.sel(party="a")[0]) == pytest.approx(expected, abs=1e-9)
    # a mapping says the same
    if memory:
        again = sv.solve(alarmed(f", remembered: {{breach: {length}}}"), "deal")
        np.testing.assert_array_equal(again.value.values, found.value.values)


def test_a_duty_may_be_remembered_longer_than_the_deal_says():
    body = f"""\
        interests: {{a: {{blame: -{C}*broken.quiet}}}}
        obligations: {{quiet: {{party: a, never: go, false_alarm: 1, remembered: 8}}}}
        proposals: {{deal: {{signatories: [a], remembered: 2}}}}
        """
    worth = float(sv.solve(story(body), "deal").worth.sel(party="a")[0])
    assert worth == pytest.approx(-D * C * rest(8), abs=1e-9)


@pytest.mark.parametrize("length", LENGTHS)
def test_who_is_blamed_for_longer_breaks_its_word_less(length):
    acuity, gain = 1.3, 2.0
    body = f"""\
        interests: {{a: {{gain: {gain}*a.go, blame: -{C}*broken}}}}
        obligations: {{quiet: {{party: a, never: go}}}}
        proposals: {{deal: {{signatories: [a], remembered: {length}}}}}
        """
    moves = "{options: [stay, go], when: period < 1}"
    found = sv.simulate(story(body, acuity=acuity, horizon=1, moves=moves), "deal", start="signed")
    breaks = 1 / (1 + np.exp(-acuity * (gain - D * C * rest(length))))
    broken = float(found.regime.sel(regime="broken").values[0, 1])
    assert broken == pytest.approx(breaks, abs=1e-9)


def test_an_uncertain_length_is_another_in_every_world():
    scenario = alarmed(", remembered: [2, 4, 8]")
    assert list(scenario.assumptions) == ["deal.remembered"]
    worlds = replace(sv.modal(scenario), values=np.array([[2.0], [8.0]]))
    worlds = replace(
        worlds, **{
            name: np.repeat(value, 2, axis=0)
            for name, value in vars(worlds).items()
            if name != "values" and isinstance(value, np.ndarray) and len(value) == 1
        }
    )  # fmt: skip
    program, _ = prepare(scenario, "deal", worlds, (), None, "quadratic", False)
    value = run(program, worlds)["value"][:, program.game.roots[0]["signed"], 0]
    assert value == pytest.approx([-D * C * rest(2), -D * C * rest(8)], abs=1e-9)


def test_the_derivative_by_the_length_is_that_of_the_closed_form():
    length = 4.0
    found = differentiate(alarmed(", remembered: [2, 4, 8]"), "deal")
    slope = float(found.gradient.sel(figure="worth.a", assumption="deal.remembered")[0])
    assert slope == pytest.approx(-((D * rest(length) / length) ** 2) * C, rel=1e-6)


def test_a_forgotten_breach_leaves_no_deal():
    found = sv.simulate(alarmed(", remembered: 4"), "deal", start="signed", stay=False)
    held = [0, *(0.75**t for t in range(6))]
    assert found.regime.sel(regime="broken").values[0] == pytest.approx(held)
    assert found.broken.sel(obligation="quiet").values[0] == pytest.approx(held)
    gone = [0, *(1 - 0.75**t for t in range(6))]
    assert found.regime.sel(regime="never").values[0] == pytest.approx(gone)


def test_a_duty_that_survives_ends_when_the_breach_is_forgotten():
    body = """\
        interests: {b: {harm: breach.late}}
        obligations:
          quiet: {party: a, never: go, false_alarm: 1}
          late: {party: a, never: go, due: broken.quiet, survives: true, verified: 0}
        proposals: {deal: {signatories: [a], remembered: {breach: 4}}}
        """
    found = sv.simulate(story(body), "deal", start="signed", stay=False)
    expected = [0, *(0.5 * 0.75**t for t in range(5))]  # a goes every other time
    assert found.flow.sel(party="b").values[0] == pytest.approx(expected)


def test_terms_walk_back_whether_or_not_it_is_remembered_why():
    def flows(memory: str) -> list[float]:
        body = f"""\
            interests: {{a: {{aid: aid}}, b: {{grief: broken}}}}
            terms: {{aid: {{range: [0, 9], now: 0, after: reverses}}}}
            obligations: {{late: {{party: a, must: go, by: 2}}}}
            proposals:
              deal: {{signatories: [a], terms: {{aid: [1, 2, 5, 9]}}{memory}}}
            """
        moves = "[stay, {go: {when: 0}}]"
        found = sv.simulate(story(body, horizon=7, moves=moves), "deal", start="signed", stay=False)
        return list(found.flow.sel(party="a").values[0])

    assert flows("") == pytest.approx([1, 2, 5, 2, 1, 0, 0])
    assert flows(", remembered: 1") == pytest.approx([1, 2, 5, 2, 1, 0, 0])


def test_an_offer_that_reopens_is_still_made_when_the_breach_is_forgotten():
    found = sv.simulate(
        alarmed(", reopens: true, remembered: 1"), "deal", start="signed", stay=False
    )
    # asked in every period, a signs every other time; what is broken is forgotten a period later
    kinds = {kind: found.regime.sel(regime=kind).values[0, :4] for kind in ("in_force", "broken")}
    assert kinds["in_force"] == pytest.approx([1, 1 / 2, 1 / 2, 1 / 2])
    assert kinds["broken"] == pytest.approx([0, 1 / 2, 1 / 4, 1 / 4])
    never = found.regime.sel(regime="never").values[0, :4]
    assert never == pytest.approx([0, 0, 1 / 4, 1 / 4])


def test_who_declines_to_renew_is_remembered():
    def worth(memory: str) -> float:
        body = f"""\
            interests: {{a: {{blame: -{C}*refused_by.a}}}}
            terms: {{aid: {{range: [0, 1], now: 0}}}}
            proposals:
              deal: {{signatories: [a], terms: {{aid: 1}}, lasts: 1, renew: all_sign{memory}}}
            """
        return float(sv.solve(story(body), "deal").worth.sel(party="a")[0])

    # a declines every other time: v = d (v - c rest) / 2
    assert worth(", remembered: {renewal: 5}") == pytest.approx(-D * C * rest(5) / (2 - D))
    assert worth(", remembered: {renewal: inf}") == pytest.approx(-D * C * rest("inf") / (2 - D))
    assert worth("") == 0
    assert worth(", remembered: 5") == 0  # a number is for refusals and breaches


# -- the price of refusing ------------------------------------------------------------------------


def price(scenario: Scenario) -> np.ndarray:
    program, worlds = prepare(scenario, "deal", None, (), None, "quadratic", False)
    return price_of_refusing(program.game, run(program, worlds))


@pytest.mark.parametrize("length", LENGTHS)
def test_refusing_costs_what_blame_costs_while_it_is_remembered(length):
    memory = f", remembered: {{refusal: {length}}}" if length != "inf" else ""
    body = f"""\
        interests: {{a: {{blame: -{C}*refused_by.a}}, b: {{glee: 0.2*refused_by.b}}}}
        terms: {{aid: {{range: [0, 1], now: 0}}}}
        proposals: {{deal: {{signatories: [b, a], terms: {{aid: 1}}{memory}}}}}
        """
    found = price(story(body))
    assert found.shape == (1, 2)
    np.testing.assert_allclose(found[0], [0.2 * rest(length), -C * rest(length)], atol=1e-9)


def test_an_offer_may_be_open_when_its_refusal_is_forgotten():
    """Asked again in period 1, a signs every other time; forgotten or not, it may refuse again."""
    body = f"""\
        interests: {{a: {{blame: -{C}*refused_by.a}}}}
        terms: {{aid: {{range: [0, 1], now: 0}}}}
        proposals: {{deal: {{signatories: [a], open: [0, 1], terms: {{aid: 1}}, remembered: 4}}}}
        """
    assert price(story(body))[0] == pytest.approx([-C - D * C * rest(4) / 2])


def test_a_counter_offer_after_a_refusal_has_a_memory_of_its_own():
    """In period 1 nobody is asked yet, in period 2 a refuses the second offer every other time."""
    body = f"""\
        interests: {{a: {{blame: -{C}*refused_by.a}}}}
        terms: {{aid: {{range: [0, 1], now: 0}}}}
        proposals:
          deal: {{signatories: [a], terms: {{aid: 1}}, otherwise: other, remembered: 4}}
          other: {{signatories: [a], open: [1, 1], terms: {{aid: 0.5}}, remembered: 2}}
        """
    second = -C * rest(2) / 2  # in the period in which it is asked
    expected = -C - D * C * 3 / 4 + D**2 * second - D * second
    assert price(story(body))[0] == pytest.approx([expected])


def test_the_price_may_be_counted_from_a_variant_without_the_offer():
    scenario = story(f"""\
        interests: {{a: {{blame: -{C}*refused_by.a, aid: aid}}}}
        terms: {{aid: {{range: [0, 1], now: 0}}}}
        proposals:
          deal: {{signatories: [a], terms: {{aid: 1}}, otherwise: other, remembered: 4}}
          other: {{signatories: [a], terms: {{aid: 0.5}}, remembered: 2}}
        """)
    program, worlds = prepare(scenario, "deal", None, (), None, "quadratic", False)
    deal = Variant(scenario.proposals["deal"])
    program = replace(program, game=build(scenario, [deal, Variant(None)]))
    out = run(program, worlds)
    second = (0.5 / (1 - D) - C * rest(2)) / 2  # signed or refused
    found = price_of_refusing(program.game, out, 0, without=1)
    assert found[0] == pytest.approx([-C + D * second])
    assert price_of_refusing(program.game, out)[0] == pytest.approx([-C + (D - 1) * second])
    assert price_of_refusing(program.game, out, 1).shape == (1, 0)


# -- stocks, and both ways to compute --------------------------------------------------------------


def armed() -> tuple[Scenario, np.ndarray]:
    """Arms grow while a breach is remembered; and what they are on average, [period + 1]."""
    scenario = sv.load(
        dedent(f"""\
        title: Arms
        horizon: 8
        terminal: zero
        parties:
          a: {{patience: {D}, acuity: 0, stakes: 1}}
        stocks: {{arms: {{start: 0.5, range: [0, 2], next: arms + 0.1*broken}}}}
        moves: {{a: [stay, go]}}
        interests: {{a: {{arms: -arms}}}}
        obligations: {{quiet: {{party: a, never: go, false_alarm: 1}}}}
        proposals: {{deal: {{signatories: [a], remembered: 4}}}}
        """)
    )
    grown = [0.0, 0.0, *np.cumsum(0.1 * 0.75 ** np.arange(7))]
    return scenario, 0.5 + np.array(grown)


def test_recursion_and_paths_find_how_a_stock_grows_while_blame_lasts():
    scenario, arms = armed()
    found = sv.simulate(scenario, "deal", start="signed", stay=False, paths=512)
    value = float(found.solution.value.sel(regime="signed", party="a")[0])
    assert value == pytest.approx(-(D ** np.arange(8)) @ arms[:8], abs=1e-9)
    # a path has 0.1 for each remembered period; their number spreads by less than 4
    seen = found.stock.sel(stock="arms").values[0]
    assert seen == pytest.approx(arms, abs=4 * 0.4 / np.sqrt(512))
    assert seen[-1] > 0.75
    held = [0, *(0.75**t for t in range(8))]
    chance = found.regime.sel(regime="broken").values[0]
    assert chance == pytest.approx(held, abs=4 * 0.5 / np.sqrt(512))


def test_pure_jax_and_the_kernels_find_the_same(monkeypatch):
    scenario, arms = armed()
    monkeypatch.setenv("SERVANDA_KERNEL", "0")
    value = float(sv.solve(scenario, "deal").value.sel(regime="signed", party="a")[0])
    assert value == pytest.approx(-(D ** np.arange(8)) @ arms[:8], abs=1e-9)


def test_what_is_never_forgotten_compiles_to_what_it_was():
    silent, endless = (
        build(s, [Variant(s.proposals["deal"])])
        for s in (alarmed(""), alarmed(", remembered: .inf"))
    )
    assert len(silent.graph.regimes) == len(endless.graph.regimes)
    assert not endless.graph.fades
    for a, b in zip(silent.groups, endless.groups, strict=True):
        np.testing.assert_array_equal(a.successor, b.successor)
        assert a.successor.shape[-1] == 2  # noticed, nothing noticed
