"""One question, one number: whichever command is asked, a deal's figures are the same.

Every question solves the same worlds on the same grids with the same random numbers, and reads the
same headlines off them.
"""

import numpy as np
import pytest

import servanda as sv
from servanda.game.levels import choose_levels
from servanda.questions.alike import Deals
from servanda.scenario.worlds import draw

WORLDS, DEAL, PARTY, DATE = 8, "truce", "hill", 6
CASE = """
title: Hill and valley
horizon: 12
parties:
  hill: {patience: [0.9, 0.93, 0.95], acuity: 8}
  valley: {patience: 0.9, acuity: 8}
assumptions:
  growth: {value: [0.02, 0.05, 0.08], why: how fast an army grows}
  prize: {value: [0.3, 0.6, 1.0], why: what raiding brings}
stocks:
  hill_army: {start: 0.4, next: "clip(hill_army + growth*(1 - truce/2) - 0.1*valley.raid, 0, 1)"}
  valley_army: {start: 0.5, next: "clip(valley_army + 0.04 - 0.1*hill.raid, 0, 1)"}
moves:
  hill: [rest, raid]
  valley: [rest, raid]
interests:
  hill: {loot: prize*hill.raid*hill_army, loss: -0.4*valley.raid*valley_army, toll: 0.1*truce}
  valley: {loot: 0.5*valley.raid*valley_army, loss: -0.4*hill.raid*hill_army, toll: -0.05*truce}
terms:
  truce: {levels: {none: 0, some: 1}}
obligations:
  hill_rests: {party: hill, never: raid, while: truce, verified: 0.8, false_alarm: 0.02}
  valley_rests: {party: valley, never: raid, while: truce, verified: 0.8, false_alarm: 0.01}
proposals:
  truce: {signatories: [hill, valley], terms: {truce: some}}
levers:
  arm: {owner: valley, set: {growth: "*0.5"}, cost: 0.01, why: slower growth}
claims:
  gains: {quote: it pays, test: "worth(truce, hill) > 0"}
  holds: {quote: it holds, test: "survival(truce, 6) > 0.5"}
"""


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    path = tmp_path_factory.mktemp("one") / "case.yaml"
    path.write_text(CASE, encoding="utf-8")
    return sv.load(path)


@pytest.fixture(scope="module")
def assessed(case):
    return sv.assess(case, DEAL, worlds=WORLDS)


@pytest.fixture(scope="module")
def worth(assessed):
    found = assessed.worth.sel(party=PARTY).values
    assert np.ptp(found) > 0.01  # else nothing would be tested
    return found


def test_compare_says_what_assess_says(case, assessed, worth):
    compared = sv.compare(case, [DEAL], worlds=WORLDS)
    np.testing.assert_allclose(compared.over.worth.sel(deal=DEAL, party=PARTY), worth, rtol=1e-9)
    for name, x in compared.figures[DEAL].items():
        here = assessed.figures[name]
        assert (x.value, x.error) == pytest.approx((here.value, here.error), rel=1e-9, abs=1e-12)


def test_the_table_has_the_same_worlds(case, worth, assessed):
    rows = sv.table(case, [DEAL], worlds=WORLDS).to_dataframe()
    np.testing.assert_allclose(rows[f"worth.{PARTY}"], worth, rtol=1e-9)


def test_levers_that_nobody_pulls_change_nothing(case, worth):
    answer = sv.levers(case, DEAL, party=PARTY, worlds=WORLDS)
    nothing = answer.over.sel(package="nothing", measure=f"worth.{PARTY}").values
    np.testing.assert_allclose(nothing, worth, rtol=1e-9)


def test_a_claim_holds_where_the_figure_says_so(case, worth, assessed):
    found = {c.name: c for c in sv.claims(case, worlds=WORLDS).claims}
    weight = assessed.weight.values
    assert found["gains"].share == pytest.approx(weight @ (worth > 0))
    kept = assessed.survival.sel(period=DATE).values
    assert found["holds"].share == pytest.approx(weight @ (kept > 0.5))


def test_deals_that_differ_in_terms_are_solved_like_the_one(case, worth):
    proposal = case.proposals[DEAL]
    solver = Deals(case, proposal, choose_levels(case), DATE, 32, 0)
    pairs = np.array([(0, w) for w in range(WORLDS)])
    values = np.asarray(draw(case, WORLDS, 0).values)
    found = solver.run([proposal], pairs, values, lots=np.arange(WORLDS))
    np.testing.assert_allclose(found.worth[:, list(case.parties).index(PARTY)], worth, rtol=1e-7)


def test_the_usual_values_are_the_central_case(case, assessed):
    flipped = sv.flip(case, DEAL, PARTY, pair=False, sobol=0)
    assert flipped.worth[PARTY] == pytest.approx(float(assessed.worth_modal.sel(party=PARTY)))
