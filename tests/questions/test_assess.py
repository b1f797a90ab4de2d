"""What `assess` reads off a game small enough to know the answer."""

from pathlib import Path

import numpy as np
import pytest

import servanda as sv
from servanda.questions.assessment import Assessment

TRUCE = """
title: A truce without stocks
horizon: 12
parties: {north: {patience: 0.9}, south: {patience: 0.9}}
assumptions: {harm: [0.2, 0.4, 0.6]}
moves: {north: [hold, raid]}
interests:
  north: {land: 0.3*north.raid - 0.35*watch*north.raid}
  south: {harm: -harm*north.raid}
terms: {watch: {levels: {none: 0, some: 1}}}
obligations: {no_raid: {party: north, never: raid, verified: 0.5}}
proposals:
  short: {signatories: [south, north], lasts: 3, otherwise: long, terms: {watch: some}}
  long: {signatories: [south, north], terms: {watch: some}}
"""


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    file = Path(tmp_path_factory.mktemp("case") / "scenario.yaml")
    file.write_text(TRUCE)
    return sv.assess(sv.load(file), "short", worlds=2)


def test_in_force_broken_and_run_out_add_up_to_one(short: Assessment) -> None:
    """Also where another deal comes on the table when this one runs out."""
    total = short.survival + short.broken.sum("obligation") + short.expired
    np.testing.assert_allclose(total, 1.0, atol=1e-12)
    assert float(short.expired.isel(period=-1).min()) > 0.1


def test_what_no_deal_means_is_said(short: Assessment) -> None:
    assert short.otherwise == "long"


WEIRS = """
title: Two weirs
period: year
horizon: 12
parties: {north: {patience: 0.9, acuity: 8}, south: {patience: 0.85, acuity: 8}}
assumptions: {prize: [0.8, 1.0, 1.2]}
stocks:
  guard: {start: 0.4, next: guard + 0.15*south.arm - 0.05}
  water: {start: 0.5, next: water + 0.2*north.raid*(1 - guard) - 0.1*south.arm}
moves: {south: [wait, arm], north: [wait, raid]}
interests:
  north: {raid: north.raid*(prize - 1.5*guard), water: "2*max(water - 0.6, 0)", shame: -0.3*broken}
  south: {loss: "-north.raid*(1 - guard)*min(2*water, 1)", upkeep: -0.2*south.arm}
terms: {peace: {levels: {none: 0, sworn: 1}}}
obligations: {no_raid: {party: north, never: raid, while: peace, verified: 0.9}}
proposals: {truce: {signatories: [north, south], terms: {peace: sworn}}}
"""


def test_with_few_stocks_a_grid_that_is_too_coarse_is_made_finer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 3 x 3 points on, until no error is more than a fifth of its spread."""
    file = tmp_path / "scenario.yaml"
    file.write_text(WEIRS)
    scenario = sv.load(file)
    monkeypatch.setattr("servanda.questions.assess.usual_nodes", lambda _: 9)
    monkeypatch.setattr("servanda.questions.assess.REFINED", 0)
    coarse = sv.assess(scenario, "truce", worlds=4)
    assert coarse.levels == (3, 3)
    assert any("grid error" in note for note in coarse.notes)
    monkeypatch.setattr("servanda.questions.assess.REFINED", 4)
    fine = sv.assess(scenario, "truce", worlds=4)
    assert min(fine.levels) > 3
    assert not any("grid error" in note for note in fine.notes)
    for party in fine.parties:
        assert fine.grid_error[f"worth.{party}"] <= 0.2 * np.ptp(fine.worth.sel(party=party).values)


COD = """
title: Two fleets and a bank of cod
period: quarter
horizon: 6
parties: {islanders: {patience: 0.9, acuity: 8}, trawlers: {patience: 0.9, acuity: 8}}
assumptions: {growth: [0.2, 0.3, 0.4]}
stocks: {cod: {start: 0.5, next: cod + growth*cod*(1 - cod) - 0.06*trawlers.overfish}}
moves: {trawlers: [quota, overfish], islanders: [wait, cut_nets]}
interests:
  islanders: {catch: cod, quarrel: -0.3*islanders.cut_nets}
  trawlers: {catch: cod*(0.6 + 0.5*trawlers.overfish), nets: -0.6*islanders.cut_nets}
obligations: {keep_quota: {party: trawlers, never: [trawlers.overfish], verified: 0.6}}
proposals: {pact: {signatories: [islanders, trawlers]}}
"""


def test_a_pact_that_nothing_hangs_on_changes_nothing() -> None:
    """A breach has no consequence, so nobody's play or income depends on the deal."""
    answer = sv.assess(sv.load(COD), "pact", worlds=4)
    assert {v.answer for v in answer.verdicts} == {"changes nothing"}
    page = str(answer)
    assert "CHANGES NOTHING" in page
    assert "DO NOT SIGN" not in page
