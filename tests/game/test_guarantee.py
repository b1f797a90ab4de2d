"""A guarantee is worth what the guarantor's own choice makes it worth."""

from __future__ import annotations

from textwrap import dedent

import pytest
import xarray as xr

import servanda as sv
from servanda.game.simulate import Simulation
from servanda.scenario.model import Scenario


def near(values: object, abs: float) -> object:
    return pytest.approx(values, abs=abs)


GUARANTEE = """
    title: A guarantee
    horizon: 6
    terminal: zero
    assumptions: {shame: SHAME, price: 1}
    parties:
      attacker: {patience: 0.9, acuity: 1000, stakes: 1}
      guarantor: {patience: 0.9, acuity: 1000, stakes: 1}
    moves:
      attacker: [hold, attack]
      guarantor: {options: [stand_by, intervene], when: broken.no_attack}
    terms: {guarantee: {levels: {none: 0, tripwire: 1}}}
    obligations:
      no_attack: {party: attacker, never: attack}
      come_to_aid:
        party: guarantor
        must: intervene
        while: guarantee
        due: broken.no_attack
        survives: SURVIVES
    interests:
      attacker: {gain: attacker.attack, defeat: -5*guarantor.intervene}
      guarantor: {price: -price*guarantor.intervene, shame: -shame*breach.come_to_aid}
    proposals:
      bare: {signatories: [attacker, guarantor], terms: {guarantee: none}}
      guaranteed: {signatories: [attacker, guarantor], terms: {guarantee: tripwire}}
    """


def guarantee(shame: float, survives: bool = True) -> Scenario:
    text = GUARANTEE.replace("SHAME", str(shame)).replace("SURVIVES", str(survives).lower())
    return sv.load(dedent(text).lstrip())


def play_after_the_breach(simulation: Simulation) -> xr.DataArray:
    """How often the guarantor intervenes, by period."""
    return simulation.moves.sel(move="guarantor.intervene")[0]


def test_a_guarantee_holds_a_deal_only_if_reneging_costs_more_than_coming():
    # the attacker gains 1 a period by attacking and loses 5 where the guarantor comes
    for shame, kept in ((2.0, 1.0), (0.5, 0.0)):
        found = sv.simulate(guarantee(shame), "guaranteed")
        # (the last period has no aftermath: there the attacker attacks, and nobody is left to see)
        assert float(found.survival[0, 5]) == pytest.approx(kept, abs=1e-6)
        assert float(sv.simulate(guarantee(shame), "bare").survival[0, 5]) == near(0, abs=1e-6)


def test_the_guarantor_comes_when_the_breach_has_made_its_duty_fall_due():
    scenario = guarantee(2.0)
    binds = (sv.bind(scenario, "attacker", None, ["attack"]),)
    found = sv.simulate(scenario, "guaranteed", start="signed", stay=False, binds=binds)
    assert play_after_the_breach(found).values == near([0, 1, 1, 1, 1, 1], abs=1e-6)
    nothing = sv.simulate(scenario, "bare", start="signed", stay=False, binds=binds)
    assert play_after_the_breach(nothing).values == near([0, 0, 0, 0, 0, 0], abs=1e-6)


def test_a_duty_that_does_not_survive_the_breach_binds_nobody():
    scenario = guarantee(2.0, survives=False)
    binds = (sv.bind(scenario, "attacker", None, ["attack"]),)
    found = sv.simulate(scenario, "guaranteed", start="signed", stay=False, binds=binds)
    assert play_after_the_breach(found).values == near([0, 0, 0, 0, 0, 0], abs=1e-6)
