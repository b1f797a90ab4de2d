"""Hands are tied where a duty binds, and nowhere else."""

import pytest

import servanda as sv

LAPSES = """
title: a duty that lapses with age
horizon: 12
parties:
  a: {patience: 0.9, acuity: 200}
  b: {patience: 0.9, acuity: 200}
moves:
  a: [keep, take]
  b: [sit, run]
interests:
  a: {gain: a.take, bonus: 0.5*in_force, blame: -5*broken.restraint}
  b: {get: in_force - b.run}
terms:
  stage: {levels: {none: 0, agreed: [1, 1, 0]}}
obligations:
  restraint: {party: a, never: take, while: stage}
proposals:
  lapsing: {signatories: [a, b], terms: {stage: agreed}}
"""

DATED = """
title: a gift by a date
horizon: 12
terminal: zero
parties:
  a: {patience: 1, acuity: 200}
  b: {patience: 1, acuity: 200}
moves:
  a: [keep, give]
interests:
  a: {cost: -a.give, bonus: in_force}
  b: {gift: a.give}
obligations:
  gift: {party: a, must: give, by: 2}
proposals:
  promise: {signatories: [a, b]}
"""


def test_a_party_that_takes_when_it_may_does_not_cheat() -> None:
    """From age 2 on nothing forbids taking: worth 0.5/(1 - δ) - 1 - δ, with free hands or tied."""
    found = sv.assess(sv.load(LAPSES), "lapsing", worlds=1)
    (sham,) = found.shams
    assert sham.worth.value == pytest.approx(0.5 / 0.1 - 1 - 0.9, abs=1e-6)
    assert sham.worth_bound.value == pytest.approx(sham.worth.value, abs=1e-6)
    assert sham.sham is False


def test_who_is_tied_to_a_date_gives_once() -> None:
    """The deal is worth 12 periods of it less the one gift."""
    found = sv.assess(sv.load(DATED), "promise", worlds=3)
    (sham,) = found.shams
    assert sham.worth_bound.value == pytest.approx(11, abs=1e-6)
    assert sham.worth_bound.error == 0  # nothing is uncertain, and there are no stocks
    assert not found.sensitivities


TRAP = """
title: who is let in may rob once
horizon: 6
terminal: zero
parties:
  a: {patience: 1, acuity: 200, stakes: 1}
  b: {patience: 1, acuity: 200, stakes: 1}
assumptions: {prize: {distribution: uniform, low: 0, high: 0.2}}
moves:
  a: [keep, rob]
interests:
  a: {loot: prize*in_force*a.rob, upkeep: -0.1*in_force}
  b: {loss: -in_force*a.rob}
obligations:
  honest: {party: a, never: rob}
proposals:
  open_door: {signatories: [a, b]}
"""


def test_who_signs_only_to_break_is_counted_in_worlds() -> None:
    """Robbed at once it is worth prize - 0.1, kept it costs 0.6: a sham where prize is over 0.1."""
    scenario = sv.load(TRAP)
    found = sv.assess(scenario, "open_door", worlds=8)
    sample = sv.draw(scenario, 8)
    prize = sample.values[:, 0]
    (sham,) = found.shams
    assert sham.worth.value == pytest.approx(sample.weight @ (prize - 0.1), abs=1e-6)
    assert sham.worth_bound.value == pytest.approx(-0.6, abs=1e-6)
    assert sham.share.value == pytest.approx(sample.weight[prize > 0.1].sum())
    assert 0.2 < sham.share.value < 0.8
    assert sham.sham is None
