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
    assert sham.worth == pytest.approx(0.5 / 0.1 - 1 - 0.9, abs=1e-6)
    assert sham.worth_bound == pytest.approx(sham.worth, abs=1e-6)
    assert not sham.sham


def test_who_is_tied_to_a_date_gives_once() -> None:
    """The deal is worth 12 periods of it less the one gift."""
    found = sv.assess(sv.load(DATED), "promise", worlds=1)
    (sham,) = found.shams
    assert sham.worth_bound == pytest.approx(11, abs=1e-6)
