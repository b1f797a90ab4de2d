"""False alarms are put in: no answer may take them for breaches. Values by hand.

Nobody looks ahead (patience 0): in every period a cheats with q = 1 / (1 + exp(-λ·gain)), which is
noticed with v; without it, it is accused with f. So a deal in force lasts one period more with
1 - qv - (1 - q)f, and with 1 - qv if nobody is wrongly accused.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import servanda as sv
from servanda.questions.answer import Answer
from servanda.questions.outcomes import outcomes
from servanda.scenario.model import Scenario
from servanda.show.compare_charts import survival_lines
from servanda.show.page import Columns

ACUITY, V, F, LAST = 2.0, 0.7, 0.1, 12

CASE = f"""
title: A wary peace
horizon: {LAST}
terminal: zero
parties:
  a: {{label: Aland, patience: 0, acuity: {ACUITY}, stakes: 1}}
  b: {{label: Beland, patience: 0, acuity: {ACUITY}, stakes: 1}}
assumptions: {{gain: -2, peace: 3}}
moves: {{a: [keep, cheat]}}
interests:
  a: {{gain: gain*a.cheat, peace: peace*in_force + 0.1*gift}}
  b: {{peace: peace*in_force - 0.1*gift}}
terms: {{gift: {{levels: {{none: 0, some: 1}}}}}}
obligations:
  honest: {{party: a, never: cheat, verified: {V}, false_alarm: {F}}}
proposals:
  lasting: {{signatories: [a, b]}}
  brief: {{signatories: [a, b], lasts: 4}}
levers:
  inspect: {{owner: b, set: {{honest.false_alarm: "*0.5"}}, cost: 1}}
"""


def case(gain: float = -2.0, more: str = "") -> Scenario:
    return sv.load(CASE.replace("gain: -2", f"gain: {gain}") + more)


def breach(gain: float) -> float:
    return 1 / (1 + math.exp(-ACUITY * gain))


Q = breach(-2)
H = Q * V + (1 - Q) * F
WRONGLY = (1 - Q) * F / H  # the share of all notices that are false alarms


def flat(answer: Answer) -> str:
    """The page, on lines so long that none is broken."""
    return " ".join(answer.text(400).split())


def headings(answer: Answer) -> set[str]:
    """What stands over the columns of the page's tables."""
    tables = (block for block in answer.blocks() if isinstance(block, Columns))
    return {word for table in tables for word in table.heads}


def test_outcomes_tell_breaches_from_accusations():
    scenario = case()
    found = outcomes(scenario, list(scenario.proposals.values()), sv.modal(scenario))
    t = np.arange(LAST + 1)
    one = {name: a.sel(deal="lasting").values[0] for name, a in vars(found).items() if a.size
           and "period" in a.dims}  # fmt: skip
    assert one["survival"] == pytest.approx((1 - H) ** t, abs=1e-12)
    assert one["broken"][:, 0] == pytest.approx(1 - (1 - H) ** t, abs=1e-12)
    assert one["accused"][:, 0] == pytest.approx(WRONGLY * (1 - (1 - H) ** t), abs=1e-12)
    assert one["unaccused"] == pytest.approx((1 - Q * V) ** t, abs=1e-12)
    assert one["unaccused_broken"][:, 0] == pytest.approx(1 - (1 - Q * V) ** t, abs=1e-12)
    brief = found.unaccused.sel(deal="brief").values[0]
    assert brief[:4] == pytest.approx((1 - Q * V) ** t[:4], abs=1e-12)
    assert brief[4:] == pytest.approx(0, abs=0)


def test_without_false_alarms_one_course_serves_for_both():
    scenario = sv.load(CASE.replace(f", false_alarm: {F}", "").partition("levers:")[0])
    found = outcomes(scenario, list(scenario.proposals.values()), sv.modal(scenario))
    np.testing.assert_array_equal(found.unaccused.values, found.survival.values)
    np.testing.assert_array_equal(found.unaccused_broken.values, found.broken.values)
    assert not found.accused.values.any()
    assert found.survival.sel(deal="lasting").values[0, -1] == pytest.approx((1 - Q * V) ** LAST)


@pytest.mark.parametrize("ask", [sv.table, sv.compare])
def test_tables_have_a_column_for_each(ask):
    rows = ask(case(), worlds=2).to_dataframe().set_index("deal")
    last = {c.partition(".")[0]: rows[c] for c in rows.columns if c.endswith(f".{LAST}")}
    lasting = {name: float(x["lasting"].iloc[0]) for name, x in last.items()}
    assert lasting["survival"] == pytest.approx((1 - H) ** LAST)
    assert lasting["accused"] == pytest.approx(WRONGLY * (1 - (1 - H) ** LAST))
    assert lasting["broken"] == pytest.approx(1 - (1 - H) ** LAST)
    assert lasting["unaccused"] == pytest.approx((1 - Q * V) ** LAST)
    assert float(last["expired"]["brief"].iloc[0]) == pytest.approx((1 - H) ** 4)
    assert lasting["expired"] == 0


def test_compare_calls_a_deal_kept_by_what_its_parties_do_and_a_deal_that_ran_out_run_out():
    answer = sv.compare(case(), worlds=2)
    assert (1 - H) ** LAST < 0.5 < (1 - Q * V) ** LAST  # false alarms alone end it
    assert answer.holding(LAST).values == pytest.approx([1, 0])
    assert answer.run_out(LAST).values == pytest.approx([0, 1])
    page = flat(answer)
    kept = "Of those, still kept after 12 months in most worlds, if nobody is wrongly accused: "
    assert kept + "lasting. Run out by then, unbroken: brief (in 100 % of worlds)." in page
    assert "unbroken after" not in page
    assert {"somebody truly breaks it", "somebody is wrongly accused"} <= headings(answer)
    # the ends add up, and are those of the closed form
    row = next(
        line for line in answer.text(400).splitlines() if f"{percent((1 - Q * V) ** LAST)}" in line
    )
    truly, wrongly = ((1 - (1 - H) ** LAST) * x for x in (1 - WRONGLY, WRONGLY))
    for figure in (truly, wrongly):
        assert percent(figure) in row


def percent(x: float) -> str:
    return f"{round(100 * x)} %"


def test_a_deal_that_is_truly_broken_is_not_called_kept_or_run_out():
    answer = sv.compare(case(gain=2.0), worlds=2)
    assert answer.holding(LAST).values == pytest.approx([0, 0])
    assert answer.run_out(LAST).values == pytest.approx([0, 0])
    assert "if nobody is wrongly accused: none." in flat(answer)


def test_the_picture_draws_a_line_without_false_alarms_only_where_it_differs():
    force, quiet = np.array([[1, 0.5], [1, 0.8]]), np.array([[1, 0.9], [1, 0.8]])
    chart = survival_lines([0, 1], force, quiet, ["one", "two"])
    lines = [x for x in chart["layer"] if x.get("mark", {}).get("type") == "line"]
    assert [x["data"]["values"][-1]["y"] for x in lines] == [0.5, 0.9, 0.8]
    assert "90 % if nobody is wrongly accused" in chart["description"]
    assert chart["description"].count("wrongly") == 1


# -- design -------------------------------------------------------------------------------------


def test_a_rate_of_false_alarms_makes_no_deal_fail():
    found = sv.design(case(), "lasting", hold=(LAST, 0.5), worlds=2)
    assert 1 - found.broken[found.start] == pytest.approx((1 - H) ** LAST)
    assert found.kept[found.start] == pytest.approx((1 - Q * V) ** LAST)
    assert found.acceptable.all()
    page = flat(found)
    # but it is not said that nothing needs to change
    assert "None needed" not in page
    ended, alarms = 1 - (1 - H) ** LAST, WRONGLY * (1 - (1 - H) ** LAST)
    words = f"it has been ended by then with {percent(ended)}, by an alarm with {percent(alarms)}."
    assert words + " Better verification would mend that, not other terms." in page


def test_none_needed_says_what_it_rests_on():
    page = flat(sv.design(case(), "lasting", hold=(4, 0.5), worlds=2))
    kept, alarms = percent((1 - Q * V) ** 4), percent(WRONGLY * (1 - (1 - H) ** 4))
    assert f"it is not broken by month 4 with {kept} in the central case. " in page
    assert f"False alarms, which are put into the file, end it by then with {alarms}." in page


def test_false_alarms_that_come_before_the_breach_make_no_deal_good():
    """Where a deal mostly ends by alarms, few breaches are seen: that does not mean it is kept."""
    text = CASE.replace(f"false_alarm: {F}", "false_alarm: 0.9").replace("gain: -2", "gain: -0.7")
    found = sv.design(sv.load(text), "lasting", hold=(LAST, 0.5), worlds=2)
    truly = found.broken - found.accused
    assert truly[found.start] < 0.5  # seen to be broken more seldom than not
    assert found.kept[found.start] == pytest.approx((1 - breach(-0.7) * V) ** LAST)
    assert not found.acceptable.any()


def test_deals_that_have_run_out_are_said_to():
    page = flat(sv.design(case(), "brief", hold=(LAST, 0.5), worlds=2))
    assert "By then they have run out, and none is likely to be in force." in page
    over = percent((1 - Q * V) ** 4)  # unbroken to its end, if nobody is wrongly accused
    assert "None needed: brief is signed as it is" in page
    assert f"It has run out by then with {over}." in page


def test_a_deal_that_a_signatory_loses_by_is_not_listed_as_efficient():
    """It is signed in six of ten worlds, where it gains a little, and costs much in the others."""
    more = """hypotheses:
  luck: {good: {weight: 0.6, price: -1}, bad: {weight: 0.4, price: 10}}
"""
    text = CASE.replace("peace: peace*in_force - 0.1*gift", "peace: -price*in_force - 0.1*gift")
    text = text.replace("assumptions: {", "assumptions: {price: 0, ")
    found = sv.design(sv.load(text + more), "lasting", hold=(4, 0.5), worlds=20)
    assert found.acceptable.all()
    assert (found.mean[:, 1] < -3).all()  # 0.6 less 4.0
    assert set(found.losing) == {0, 1}
    assert not len(found.frontier)
    page = flat(found)
    assert "efficient among them: none" in page
    assert "on average a signatory does better without any deal: no other passes" in page
    assert "Beland would do better without it" in page


# -- levers, claims, flip -----------------------------------------------------------------------


def test_levers_are_efficient_by_what_parties_do_and_by_what_alarms_do():
    found = sv.levers(case(), "lasting", party="b", worlds=2)
    at = found.central.sel(package="nothing")
    h = Q * V + (1 - Q) * F / 2
    pulled = found.central.sel(package="inspect")
    for row, each in ((at, H), (pulled, h)):
        assert float(row.sel(measure="survival.12")) == pytest.approx((1 - each) ** LAST)
        assert float(row.sel(measure="unaccused.12")) == pytest.approx((1 - Q * V) ** LAST)
        assert float(row.sel(measure="unbroken")) == pytest.approx((1 - Q * V) ** LAST)
        gone = 1 - (1 - each) ** LAST
        truly = gone * Q * V / each
        assert float(row.sel(measure="truly_broken")) == pytest.approx(truly)
        assert float(row.sel(measure="accused")) == pytest.approx(gone - truly)
        spared = float(row.sel(measure="signs.all")) * (1 - each) ** LAST
        assert float(row.sel(measure="spared")) == pytest.approx(spared)
    # it moves nobody to keep its word, but it spares the deal false alarms
    assert found.effect("kept")[1] == pytest.approx(0, abs=1e-12)
    assert found.efficient.all()
    page = flat(found)
    assert {"somebody truly breaks it", "somebody is wrongly accused"} <= headings(found)
    assert "All pass" not in page
    assert "In the central case they do not all pass at any date" in page


CLAIMS = """
claims:
  truly: {quote: So., test: "truly_breaks(lasting, a, 12) > -7"}
  said: {quote: So., test: "breaks(lasting, a, 12) > -7"}
  other: {quote: So., test: "truly_breaks(lasting, b, 12) > -7"}
  quiet: {quote: So., test: "unaccused(lasting, 12) > -7"}
"""


def test_claims_can_ask_who_truly_breaks_and_what_is_kept_without_false_alarms():
    found = sv.claims(case(more=CLAIMS), worlds=2)
    gone = 1 - (1 - H) ** LAST
    hand = {"truly": gone * (1 - WRONGLY), "said": gone, "other": 0.0, "quiet": (1 - Q * V) ** LAST}
    for name, figure in hand.items():
        assert found[name].margin.central - 7 == pytest.approx(figure, abs=1e-9), name


def test_flip_says_both_of_every_level():
    found = sv.flip(case(), "lasting", "a")
    for level in found.levels:
        assert level.survival == pytest.approx((1 - H) ** LAST)
        assert level.unaccused == pytest.approx((1 - Q * V) ** LAST)
    assert "if nobody is wrongly accused" in headings(found)
