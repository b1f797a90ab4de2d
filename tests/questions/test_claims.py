"""Claims, on a case small enough to work out by hand: every function gives the number it should."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta

import servanda as sv
from servanda.errors import QuestionError
from servanda.questions.claim_figures import Context, Reader, comparisons, rows_of, slope, truths
from servanda.questions.claims import effective, interval, verdict_of
from servanda.scenario.formulas import parse_test
from servanda.scenario.model import Scenario

RIVER = (Path(__file__).parent / "river.yaml").read_text(encoding="utf-8")
RIVER += """
  brief: {signatories: [north, south], terms: {share: 0.5}, lasts: 2, renew: none}
levers:
  dredge: {owner: north, set: {benefit: "*2"}, cost: 0.1, from: 2}
"""
WORLDS = 32
DEAL, HARM = 0.5 * 2 - 0.8, 3.0  # what half is worth to north a year, and what pumping does to it


def years(patience: float, start: int = 0, end: int = 5) -> float:
    """What one unit a year is worth, from one year to another."""
    return sum(patience**t for t in range(start, end))


WORTH = DEAL * years(0.9)
PUMPED = [-HARM * years(0.9, 0, 5 - t) for t in range(6)]  # going on, in every year

FIGURES = {
    "worth(half, north)": WORTH,
    "worth(half, south)": (0.5 - 0.1) * years(0.8),
    "value(half, north)": WORTH,
    "value(never, north)": 0.0,
    "value(half, north, 3)": DEAL * years(0.9, 0, 2),
    "signs(half, north)": 1 / (1 + math.exp(-20 * WORTH)),
    "signs(nothing, north)": 0.0,  # it costs north 0.8 a year for nothing
    "survival(half, 5)": 1.0,
    "survival(brief, 1)": 1.0,
    "survival(brief, 2)": 0.0,
    "expired(brief, 1)": 0.0,
    "expired(brief, 2)": 1.0,
    "broken(half, 5)": 0.0,
    "sham(half, south)": 0.0,
    "probability(never, south.pump, 4)": 0.0,
    "given(probability(never, south.pump, 4), south.pump)": 1.0,
    "given(value(never, north), south.pump)": PUMPED[0],
    "given(value(never, north, 2), south.pump)": PUMPED[2],
    "given(trend(never, north, 0, 4), south.pump)": np.polyfit(range(5), PUMPED[:5], 1)[0],
    "given(trend(never, north), south.pump)": np.polyfit(range(6), PUMPED, 1)[0],
    # whoever pumps in the first year has broken the deal by the second
    "given(breaks(half, south, 0), south.pump)": 0.0,
    "given(breaks(half, south, 1), south.pump)": 1.0,
    "given(broken(half, 1, no_pumping), south.pump)": 1.0,
    "given(breaks(half, north, 5), south.pump)": 0.0,
    "given(worth(half, north), south.pump)": DEAL,
    "without(value(never, north), south)": 0.0,
    "without(given(value(never, north), south.pump), south)": PUMPED[0],  # the inner one counts
    "given(without(probability(never, south.pump, 0), south), south.pump)": 1.0,
    "pulled(worth(half, north), dredge)": WORTH + years(0.9, 2),
    "gradient(worth(half, north), benefit)": 0.5 * years(0.9),
    "gradient(worth(half, north), cost)": -years(0.9),
    "gradient(given(value(never, north), south.pump), harm)": -years(0.9),
    "gradient(pulled(worth(half, north), dredge), benefit)": 0.5 * (years(0.9) + years(0.9, 2)),
    "gradient(3*benefit - cost, benefit)": 3.0,
    "gradient(cost, benefit)": 0.0,
    "max(benefit, cost) + abs(-1)": 3.0,
    "1 if benefit > cost else 2": 1.0,
}

TESTS = {
    "benefit_large": "benefit > 2",
    "share_of_it": "share(benefit > 2) > 0.1",
    "calm": "peace > 0",
    "always": "worth(whole, north) > worth(half, north)",
    "never_true": "worth(half, north) > 1000",
    "no_value": "not (signs(half, north)/0*0 > 0)",
    "both": "benefit > 2 and cost < 0.8",
}


def river(tests: dict[str, str]) -> Scenario:
    lines = [f'  {name}: {{quote: "It is so.", test: "{test}"}}' for name, test in tests.items()]
    return sv.load(RIVER + "claims:\n" + "\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def case():
    every = TESTS | {f"figure_{k}": f"({text}) > -7" for k, text in enumerate(FIGURES)}
    return river(every)


@pytest.fixture(scope="module")
def answer(case):
    return sv.claims(case, worlds=WORLDS, seed=1)


@pytest.mark.parametrize("text", FIGURES)
def test_every_figure_is_what_can_be_worked_out_by_hand(answer, text):
    margin = answer[f"figure_{list(FIGURES).index(text)}"].margin
    assert margin.central - 7 == pytest.approx(FIGURES[text], abs=1e-5)


def test_a_figure_is_that_of_compare_in_every_world(case, answer):
    reader = Reader(case, rows_of(case, sv.draw(case, WORLDS, seed=1)))
    reader.holds(parse_test("worth(half, north) > 0").tree)
    over = (
        sv.compare(case, ["half"], worlds=WORLDS, seed=1).over.worth.sel(party="north").values[:, 0]
    )
    found = answer["always"]
    assert reader.needs[Context()].deals == {"half"}
    assert found.share == 1.0
    benefit = sv.draw(case, WORLDS, seed=1).column("benefit")
    whole_minus_half = 0.5 * benefit * years(0.9)
    assert found.margin.median == pytest.approx(np.median(whole_minus_half), rel=0.05)
    assert over.shape == (WORLDS,)


def test_a_claim_about_an_assumption_holds_as_often_as_its_distribution_says(answer):
    pert = beta(1 + 4 * (2 - 1) / 3, 1 + 4 * (4 - 2) / 3, loc=1, scale=3)  # [1, 2, 4]
    assert answer["benefit_large"].share == pytest.approx(pert.sf(2), abs=0.04)


def test_a_share_of_worlds_is_one_number_in_all_of_them(case):
    found = sv.claims(case, ["benefit_large", "share_of_it"], worlds=WORLDS, seed=1)
    margin = found["share_of_it"].margin
    assert margin.central == margin.median == margin.low == margin.high
    assert margin.median + 0.1 == pytest.approx(found["benefit_large"].share)


def test_a_claim_that_rests_on_a_reading_is_traced_to_it(answer):
    calm = answer["calm"]
    assert calm.readings == pytest.approx({"mood.calm": 1.0, "mood.angry": 0.0})
    assert calm.share == pytest.approx(0.7)
    assert calm.verdict == "depends"
    assert (calm.split.inside, calm.split.outside) == pytest.approx((1.0, 0.0))
    assert (calm.rarer, calm.region.box.coverage, calm.region.box.density) == ("fails", 1.0, 1.0)


def test_a_claim_that_fails_beyond_a_value_is_traced_to_a_region(answer):
    box = answer["benefit_large"].region.box
    (only,) = [r for r in box.restrictions if r.name == "benefit"]
    assert only.high == pytest.approx(2, abs=0.15) or only.low == pytest.approx(2, abs=0.15)
    assert box.density > 0.9
    assert all(r.quasi_p <= 0.05 for r in box.restrictions)


def test_a_claim_that_never_varies_is_answered_in_a_sentence(answer):
    page = answer.only("always").text(width=200)
    assert "It holds in every one of 32 worlds and at the central case" in page
    assert answer["always"].region is None
    assert answer["always"].split is None
    page = answer.only("never_true").text(width=200)
    assert "It fails in every one of 32 worlds" in page


def test_where_a_side_has_no_value_a_claim_fails_and_that_is_said(answer):
    found = answer["no_value"]
    assert found.lacking.all()
    assert found.central_lacks
    assert found.share == 0.0
    page = answer.only("no_value").text(width=200)
    assert "no value in 32 of 32 worlds and at the central case" in page


def test_without_stocks_no_grid_can_turn_an_answer(answer):
    assert not any(c.could_turn for c in answer.claims)
    assert answer.origin.grid_error == {}


def test_the_same_seed_gives_the_same_answer(case):
    one, two = (sv.claims(case, ["both", "always"], worlds=8, seed=5) for _ in range(2))
    assert one.to_json() == two.to_json()


def test_every_view_of_the_answer_can_be_made(answer, tmp_path):
    few = answer.only("benefit_large", "both")
    table = few.to_dataframe()
    assert list(table.claim) == ["benefit_large", "both"]
    assert few.to_xarray().shape == (2, WORLDS)
    assert '"readings"' in few.to_json()
    for what in few.PICTURES:
        few.plot(what, tmp_path / f"{what}.svg")
        assert (tmp_path / f"{what}.svg").stat().st_size > 1000
    with pytest.raises(QuestionError, match="nothing to map"):
        answer.only("always").plot("discovery")


def test_what_cannot_be_asked_is_said_in_a_sentence(case, answer):
    with pytest.raises(QuestionError, match=r"unknown claim 'bot'; did you mean 'both'\?"):
        sv.claims(case, ["bot"])
    with pytest.raises(QuestionError, match="name at least one claim"):
        sv.claims(case, [])
    with pytest.raises(QuestionError, match="unknown claim 'clam'"):
        _ = answer["clam"]
    with pytest.raises(QuestionError, match="makes no claims"):
        sv.claims(sv.load(RIVER))


# -- a sham ---------------------------------------------------------------------------------------


def test_a_party_that_gains_only_by_pumping_signs_a_sham():
    """South likes to pump under a deal that it would not want if it had to keep it."""
    text = RIVER.replace("greed: {value: [-20, -15, -10]", "greed: {value: [4, 5, 6]")
    text = text.replace("pumping: greed*south.pump", "pumping: greed*south.pump*in_force")
    text = text.replace("(peace - 0.2*share)*in_force", "-in_force")
    text += 'claims: {sham: {quote: q, test: "sham(half, south) > 0.5"}}\n'
    assert sv.claims(sv.load(text), worlds=4)["sham"].share == 1.0


def test_claims_go_on_from_their_folder_with_the_same_figures(tmp_path):
    tests = [
        "given(worth(half, north), south.pump) > 1",
        "pulled(worth(half, north), dredge) > 1",
        "gradient(worth(half, north), benefit) > 1",
        "sham(half, south) > 0.5",
    ]
    said = "".join(f'  c{k}: {{quote: q, test: "{test}"}}\n' for k, test in enumerate(tests))
    case, folder = sv.load(RIVER + "claims:\n" + said), tmp_path / "run"
    plain = sv.claims(case, worlds=6).to_json()
    assert sv.claims(case, worlds=6, folder=folder).to_json() == plain
    tables = sorted(p.name for p in folder.iterdir() if p.is_dir())
    assert tables == ["01-given-south.pump", "02-pulled-dredge", "03-as-it-is", "04-hands-tied"]
    for chunk in sorted(folder.rglob("chunk-*.parquet"))[::2]:
        chunk.unlink()
    assert sv.claims(case, worlds=6, folder=folder).to_json() == plain
    with pytest.raises(QuestionError, match=r"holds another run: job\.worlds is 6 there"):
        sv.claims(case, worlds=7, folder=folder)


# -- stocks ---------------------------------------------------------------------------------------

SILT = """
title: Silt
horizon: 5
parties: {north: {patience: 0.9, stakes: 1}}
assumptions: {rate: [0.05, 0.1, 0.15]}
stocks: {silt: {start: 0.2, next: silt + rate}}
moves: {north: [wait, look]}
interests: {north: {mud: -silt}}
claims:
  path: {quote: "It fills.", test: "stock(never, silt, 3) > 0"}
  faster: {quote: "It fills faster.", test: "gradient(stock(never, silt, 3), rate) > 0"}
  near: {quote: "By half.", test: "stock(never, silt, 3) > 0.5"}
"""


def test_a_stock_follows_its_known_path_and_its_derivative_is_the_number_of_periods():
    found = sv.claims(sv.load(SILT), worlds=8)
    assert found["path"].margin.central == pytest.approx(0.2 + 3 * 0.1, abs=1e-6)
    assert found["faster"].margin.central == pytest.approx(3, abs=1e-4)
    assert found["faster"].margin.low == pytest.approx(3, abs=1e-4)
    rate = sv.draw(sv.load(SILT), 8).column("rate")
    assert found["near"].share == pytest.approx(np.mean(rate > 0.1), abs=1e-9)


def test_shocks_that_end_a_deal_leave_the_logistic_of_what_is_left():
    """A deal with a false alarm of 0.1 a period is in force with 0.9 to the power of time."""
    text = RIVER.replace("never: pump, verified: 1}", "never: pump, verified: 1, false_alarm: 0.1}")
    text += 'claims: {kept: {quote: q, test: "survival(half, 3) > breaks(half, south, 3)"}}\n'
    margin = sv.claims(sv.load(text), worlds=4)["kept"].margin
    assert margin.central == pytest.approx(0.9**3 - (1 - 0.9**3), abs=1e-6)


# -- the parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1.0, 10.0, 55.5])
def test_the_interval_of_a_claim_that_never_held_is_wilsons(count):
    z2 = 1.6448536269514722**2
    assert interval(0.0, count) == (0.0, pytest.approx(z2 / (count + z2)))
    assert interval(1.0, count) == (pytest.approx(count / (count + z2)), 1.0)


def test_worlds_of_unequal_weight_count_for_fewer():
    assert effective(np.full(8, 1 / 8)) == pytest.approx(8)
    assert effective(np.array([0.5, 0.5, 0.0])) == pytest.approx(2)


@pytest.mark.parametrize(
    ("share", "low", "high", "verdict"),
    [
        (0.75, 0.51, 0.9, "holds"),
        (0.8, 0.49, 0.95, "depends"),
        (0.74, 0.6, 0.9, "depends"),
        (0.25, 0.1, 0.49, "fails"),
        (0.2, 0.05, 0.51, "depends"),
    ],
)
def test_a_verdict_needs_three_quarters_and_an_interval_on_one_side_of_a_half(
    share, low, high, verdict
):
    assert verdict_of(share, low, high) == verdict


def test_a_comparison_in_doubt_turns_a_test_only_where_it_decides():
    test = parse_test("a > 0 and not (b > 0 or c > 0)").tree
    assert len(list(comparisons(test))) == 3
    assert truths(test, [False, None, None]) == {False}
    assert truths(test, [True, None, False]) == {True, False}
    assert truths(test, [True, True, None]) == {False}


def test_the_slope_of_a_line_is_its_slope():
    assert slope(np.array([[1.0, 3.0, 5.0], [2.0, 2.0, 2.0]])) == pytest.approx([2.0, 0.0])
