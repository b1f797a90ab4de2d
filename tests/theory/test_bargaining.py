"""Alternating offers: does the solver land on the closed forms, and closer with finer numbers?"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import servanda as sv
from theory.cases import read, worlds

OFFERS = (11, 51, 101, 401)
SHARPNESS = [10.0, 100.0, 1e3, 1e4]


def rubinstein(patience_a: float, patience_b: float) -> float:
    """The first proposer's share when offers alternate for ever (Rubinstein 1982)."""
    return (1 - patience_b) / (1 - patience_a * patience_b)


def stahl(patience: float, periods: int) -> float:
    """The first proposer's share when the pie is lost after some periods (Ståhl 1972)."""
    return (1 - (-patience) ** periods) / (1 + patience)


def reach(offers: int, sharpness: float, patience_a: float = 0.9, patience_b: float = 0.8) -> float:
    """How far steps of 1/(offers - 1) and choices of acuity λ can lead away: their order."""
    return 1 / (offers - 1) / (1 - patience_a * patience_b) + math.log(offers) / sharpness


@pytest.fixture(scope="module")
def errors() -> dict[int, np.ndarray]:
    """The share's error with (0.9, 0.8) for every number of offers, over SHARPNESS."""
    found = {}
    for offers in OFFERS:
        scenario = read("bargaining", steps=offers)
        solution = sv.solve(scenario, worlds=worlds(scenario, sharpness=SHARPNESS))
        assert solution.settled
        share = solution.value.sel(regime="no_deal", party="a").values
        found[offers] = share - rubinstein(0.9, 0.8)
    return found


def test_the_patient_first_proposer_gets_five_sevenths(errors):
    assert rubinstein(0.9, 0.8) == pytest.approx(5 / 7)
    assert np.abs(errors[401][2:]).max() < 0.01 * 5 / 7


@pytest.mark.parametrize("offers", OFFERS)
def test_the_error_stays_within_the_reach_of_steps_and_of_noise(errors, offers):
    for error, sharpness in zip(errors[offers], SHARPNESS, strict=True):
        assert abs(error) < reach(offers, sharpness)


def test_the_error_shrinks_as_offers_and_acuity_grow_together(errors):
    along = [abs(errors[n][k]) for k, n in enumerate(OFFERS)]
    assert all(later < 0.5 * earlier for earlier, later in itertools.pairwise(along))


def test_agreement_is_immediate_and_other_patience_gives_other_shares():
    scenario = read("bargaining")
    pairs = [(0.9, 0.8), (0.8, 0.9), (0.5, 0.5), (0.95, 0.3)]
    chosen = worlds(
        scenario,
        sharpness=1e4,
        patience_a=[a for a, _ in pairs],
        patience_b=[b for _, b in pairs],
    )
    value = sv.simulate(scenario, worlds=chosen)
    accepted = value.moves.sel(period=0, move="b.answer.accept").values
    shares = value.solution.value.sel(regime="no_deal")
    for w, (a, b) in enumerate(pairs):
        assert accepted[w] > 0.99
        assert shares.sel(party="a").values[w] == pytest.approx(
            rubinstein(a, b), abs=reach(401, 1e4, a, b)
        )
        assert float(shares[w].sum()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("periods", "share"), [(1, 1.0), (2, 0.3), (3, 0.79)])
def test_the_shorter_the_bargaining_the_more_the_last_proposer_gets(periods, share):
    scenario = read("bargaining", horizon=periods, terminal="zero")
    chosen = worlds(scenario, sharpness=1e4, patience_a=0.7, patience_b=0.7)
    value = sv.solve(scenario, worlds=chosen).value.sel(regime="no_deal", party="a")
    assert stahl(0.7, periods) == pytest.approx(share)
    assert float(value[0]) == pytest.approx(share, abs=0.01)
