"""What `assess` reads off a game small enough to know the answer."""

from math import comb
from pathlib import Path

import numpy as np
import pytest

import servanda as sv
from servanda.errors import QuestionError
from servanda.game.grid import FINER_GRID, HERE
from servanda.game.plan import Plan
from servanda.questions.assessment import Assessment
from servanda.questions.outcomes import Solver

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


def test_an_assessment_that_was_interrupted_goes_on(short: Assessment, tmp_path: Path) -> None:
    """What is finished is kept, and the answer is the same."""

    class Stop(Exception):
        pass

    def stop(done: int, _: int) -> None:
        if done:
            raise Stop

    scenario, folder = sv.load(TRUCE), tmp_path / "run"
    with pytest.raises(Stop):
        sv.assess(scenario, "short", worlds=2, folder=folder, progress=stop)
    kept = list(folder.rglob("*.parquet"))
    again = sv.assess(scenario, "short", worlds=2, folder=folder)
    assert again.to_json() == short.to_json()
    assert kept
    with pytest.raises(QuestionError):
        sv.assess(scenario, "short", worlds=3, folder=folder)


DRIFT = """
title: A stock that drifts, and that somebody pushes by chance
horizon: 6
terminal: zero
parties: {a: {patience: 0.9, acuity: 0, stakes: 1}, b: {patience: 0.9, stakes: 1}}
assumptions: {growth: {distribution: uniform, low: 0, high: 0.02}}
stocks: {x: {start: 0.2, next: "x + growth + 0.1*a.push"}}
moves: {a: [rest, push]}
interests: {a: {gain: "in_force*max(x - 0.45, 0)"}}
proposals: {pact: {signatories: [a, b]}}
"""


def drifted(growth: np.ndarray) -> np.ndarray:
    """What the pact is worth to a: pushed k of t times with binomial probability."""
    found = np.zeros_like(growth)
    for t in range(6):
        for k in range(t + 1):
            above = np.maximum(0.2 + growth * t + 0.1 * k - 0.45, 0.0)
            found += 0.9**t * comb(t, k) * 0.5**t * above
    return found


def test_the_stated_interval_of_worth_covers() -> None:
    """Forty samples of eight worlds on grids of three points; the truth is an integral.

    Taking off what the grids lean by brings the mean nearer to it.
    """
    scenario, seeds, count = sv.load(DRIFT), 40, 8
    samples = [sv.draw(scenario, count, seed) for seed in range(seeds)]
    plans = [Plan.of(scenario, sample, levels=(3,)) for sample in samples]
    rows = np.concatenate([s.values for s in samples])
    lots = np.arange(len(rows))
    found = {}
    for which, levels in ((HERE, (3,)), (FINER_GRID, plans[0].finer_levels)):
        solver = Solver.of(scenario, [scenario.proposals["pact"]], levels=levels)
        out = solver.run(rows, lots=plans[0].lots(lots, which))
        found[which] = out.worth.values[:, 0, 0].reshape(seeds, count)
    points, weights = np.polynomial.legendre.leggauss(200)
    truth = float(0.5 * weights @ drifted(0.01 * (points + 1)))
    estimates = [
        plan.sampled(found[HERE][k], finer=found[FINER_GRID][k][plan.finer_at]).mean()
        for k, plan in enumerate(plans)
    ]

    def off(values: list[float]) -> float:
        return float(np.sqrt(np.mean(np.square(np.array(values) - truth))))

    said = np.sqrt(np.mean([x.error**2 for x in estimates]))
    assert abs(found[HERE] - drifted(rows[:, 0]).reshape(seeds, count)).max() > 0.05
    assert np.mean([x.low <= truth <= x.high for x in estimates]) >= 0.7
    assert off([x.value for x in estimates]) < said < 3 * off([x.value for x in estimates])
    assert off([x.value for x in estimates]) < off([x.plain for x in estimates])


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
