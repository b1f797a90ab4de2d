"""Every kind of file is read for what it says, and what is wrong with it is said in one line."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servanda.errors import QuestionError, ScenarioError, ServandaError
from servanda.tables.points import Table, load
from servanda.tables.points.model import MAX_OPTIONS, Issue, Party

BROKEN = Path(__file__).parent / "broken"
MESSAGES = {
    line.split(":", 1)[0]: line
    for line in (Path(__file__).parent / "messages.txt").read_text().splitlines()
}


def test_there_is_a_message_for_every_broken_file() -> None:
    assert {p.name for p in BROKEN.iterdir()} == {*MESSAGES, "domain_of_genius.xml"}


@pytest.mark.parametrize("name", MESSAGES)
def test_what_is_wrong_is_one_line_with_its_place(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(BROKEN)
    source: Any = ["domain_of_genius.xml", name] if name.endswith(".xml") else name
    started = time.perf_counter()
    with pytest.raises(ScenarioError) as caught:
        load(source)
    assert time.perf_counter() - started < 2
    assert str(caught.value) == MESSAGES[name]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(p.name for p in BROKEN.iterdir())),
    st.integers(0, 10_000),
    st.integers(0, 40),
    st.text(max_size=8),
)
def test_no_damage_to_a_file_ends_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, name: str, at: int, cut: int, put: str
) -> None:
    data = (BROKEN / name).read_bytes()[:5000]
    at %= max(1, len(data))
    folder = tmp_path_factory.mktemp("fuzz")
    target = folder / name
    target.write_bytes(data[:at] + put.encode("utf-8", "replace") + data[at + cut :])
    sources: list[Any] = [target]
    if name.endswith(".xml"):
        sources = [target, BROKEN / "domain_of_genius.xml"]
    said = ""
    try:
        load(sources)
    except ServandaError as error:
        said = str(error)
    assert "\n" not in said


def u(table: Table, **deal: Any) -> list[float]:
    return table.utilities(table.deal(deal))[0].tolist()  # type: ignore[no-any-return]


def test_the_projects_own_file(tmp_path: Path) -> None:
    file = tmp_path / "pay.yaml"
    file.write_text(
        """\
title: Pay round
issues:
  wage: [low, middle, high]
  days: {integer: [0, 5]}
  price: {continuous: [0, 10], steps: 5}
parties:
  union:
    reservation: 4
    discount: 0.9
    base: 1
    weights: {wage: 2}
    values: {wage: {low: 0, middle: 1, high: 3}, days: {slope: 1, intercept: 2}, price: 0}
    pairs: [{when: {wage: high, days: 5}, worth: -4}, {when: {wage: high, days: [4, 5]}, worth: 1}]
    bonuses: [{when: {wage: [middle, high], days: {from: 2, to: 5}}, worth: 6}]
  firm:
    reservation: -.inf
    values: {wage: [3, 2, 0], days: {points: [[0, 0], [4, 8], [5, 8]]}, price: {slope: -1}}
constraints:
  - never: {wage: high, days: 0}
  - {if: {wage: low}, then: {days: [0, 1]}}
  - {sum: {days: 1, price: 0.5}, max: 8, min: 1}
vetoes: [firm]
"""
    )
    table = load(file)
    assert table.title == "Pay round"
    assert table.sizes == (3, 6, 5)
    assert table.vetoes == ("firm",)
    # union: 1 + 2*3 + (5 + 2) + 0 - 4 + 1 + 6 = 17; firm: 0 + 8 - 2.5
    assert u(table, wage="high", days=5, price=2.5) == [17, 5.5]
    # union: 1 + 2*1 + (2 + 2) + 6 = 13; firm: 2 + 4 - 0
    assert u(table, wage="middle", days=2, price=0) == [13, 6]
    assert table.reservation.tolist() == [4, -math.inf]
    able = [
        bool(table.feasible(table.deal({"wage": w, "days": d, "price": p}))[0])
        for w, d, p in [
            ("high", 0, 10),
            ("low", 2, 0),
            ("low", 1, 0),
            ("middle", 5, 7.5),
            ("middle", 5, 5),
            ("middle", 0, 0),
        ]
    ]
    assert able == [False, False, True, False, True, False]


def test_both_kinds_of_csv(tmp_path: Path) -> None:
    options = tmp_path / "options.csv"
    options.write_text(
        "issue,option,a,b\nweight,wage,2,1\nwage,low,0,5\nwage,high,3,0\n"
        "days,1,1,1\ndays,2,2,0\nreservation,,1,\ndiscount,,0.5,1\n"
    )
    table = load(options)
    assert u(table, wage="high", days=2) == [8, 0]
    assert table.reservation.tolist() == [1, -math.inf]
    assert table.parties[0].discount == 0.5
    assert table.issues[1].levels is not None
    deals = tmp_path / "deals.csv"
    deals.write_text("deal;a;b\nwar;0;0\npeace;3;2\nreservation;1;1\n")
    assert u(load(deals), deal="peace") == [3, 2]


def test_genius_divides_by_the_largest_evaluation(tmp_path: Path) -> None:
    (tmp_path / "domain.xml").write_text(
        """<negotiation_template><utility_space><objective index="0" name="root">
<issue index="1" name="car" type="discrete">
<item index="1" value="old"/><item index="2" value="new"/></issue>
<issue index="2" name="price" type="integer" lowerbound="0" upperbound="10"/>
<issue index="3" name="miles" type="real"><range lowerbound="0" upperbound="1"/></issue>
</objective></utility_space></negotiation_template>"""
    )
    (tmp_path / "buyer.xml").write_text(
        """<utility_space><objective index="0" name="root">
<issue index="1" name="car" type="discrete"><item index="1" value="old" evaluation="20"/>
<item index="2" value="new" evaluation="80"/></issue>
<issue index="2" name="price" type="integer">
<evaluator ftype="linear" offset="1" slope="-0.1"/></issue>
<issue index="3" name="miles" type="real">
<evaluator ftype="triangular" parameter0="0" parameter1="1" parameter2="0.5"/></issue>
<weight index="1" value="0.5"/><weight index="2" value="0.25"/><weight index="3" value="0.25"/>
</objective><discount_factor value="0.8"/><reservation value="0.3"/></utility_space>"""
    )
    (tmp_path / "seller.xml").write_text(
        """<utility_space><objective index="0" name="root"><utility_function maxutility="10">
<ufun type="PlainUfun" weight="2" aggregation="sum"><hyperRectangle utility="3">
<INCLUDES index="2" min="3" max="5"/></hyperRectangle></ufun>
</utility_function></objective></utility_space>"""
    )
    table = load(tmp_path)
    assert table.names == ("buyer", "seller")
    # 0.5 * 20/80 + 0.25 * (1 - 0.3) + 0.25 * 1; the box counts both of its ends, as in Genius
    assert u(table, car="old", price=3, miles=0.5) == pytest.approx([0.55, 6])
    assert u(table, car="new", price=5, miles=0)[1] == 6
    assert u(table, car="new", price=6, miles=0)[1] == 0
    assert (table.parties[0].reservation, table.parties[0].discount) == (0.3, 0.8)
    plain = load(tmp_path, normalise=False)
    assert u(plain, car="new", price=10, miles=0)[0] == pytest.approx(40)


def test_geniusweb_profiles_with_and_without_their_domain(tmp_path: Path) -> None:
    domain = {
        "name": "jobs",
        "issuesValues": {"car": {"values": ["yes", "no"]}, "pay": {"range": [10, 12, 0.5]}},
    }

    def profile(name: str, low: float, high: float) -> dict[str, Any]:
        return {
            "LinearAdditiveUtilitySpace": {
                "name": name,
                "domain": domain,
                "issueWeights": {"car": 0.4, "pay": 0.6},
                "issueUtilities": {
                    "car": {"DiscreteValueSetUtilities": {"valueUtilities": {"yes": 1}}},
                    "pay": {
                        "numberutils": {
                            "lowValue": 10,
                            "lowUtility": low,
                            "highValue": 12,
                            "highUtility": high,
                        }
                    },
                },
                "reservationBid": {"issuevalues": {"car": "no", "pay": "11"}},
            }
        }

    (tmp_path / "a.json").write_text(json.dumps(profile("worker", 0, 1)))
    (tmp_path / "b.json").write_text(json.dumps(profile("firm", 1, 0)))
    table = load(tmp_path)
    assert table.names == ("worker", "firm")
    assert u(table, car="yes", pay=11.5) == pytest.approx([0.4 + 0.45, 0.4 + 0.15])
    assert table.reservation == pytest.approx([0.3, 0.3])
    (tmp_path / "jobs.json").write_text(json.dumps(domain))
    assert load(tmp_path / "jobs.json").hash == table.hash


def test_negmas_yaml_counts_no_ends_of_a_range(tmp_path: Path) -> None:
    (tmp_path / "domain.yml").write_text(
        "name: d\ntype: CartesianOutcomeSpace\nissues:\n"
        "- {name: days, type: ContiguousIssue, values: [0, 4]}\n"
    )
    (tmp_path / "x.yml").write_text(
        "type: HyperRectangleUtilityFunction\nname: x\nbias: 1\nreserved_value: 0.5\n"
        "outcome_ranges: [{0: [1, 3]}]\nutilities: [2]\n"
    )
    (tmp_path / "y.yml").write_text(
        "type: negmas.preferences.LinearAdditiveUtilityFunction\nname: y\nweights: [2]\n"
        "values: [{type: AffineFun, slope: 1, bias: 3}]\n"
    )
    table = load(tmp_path)
    assert [u(table, days=k)[0] for k in range(5)] == [1, 1, 3, 1, 1]
    assert u(table, days=4)[1] == 14
    assert table.reservation.tolist() == [0.5, -math.inf]


def test_one_score_file_finds_the_others() -> None:
    folder = Path(__file__).parents[3] / "examples" / "points" / "harbour"
    assert load(folder / "scores_files" / "mayor.txt").hash == load(folder).hash


def test_kinds_that_are_not_read_are_said(tmp_path: Path) -> None:
    (tmp_path / "x.pdf").write_text("")
    with pytest.raises(QuestionError, match=r"a file ending in '\.pdf' is not read"):
        load(tmp_path / "x.pdf")
    with pytest.raises(QuestionError, match="no such file"):
        load(tmp_path / "y.yaml")
    with pytest.raises(QuestionError, match="files of one kind are needed"):
        load(tmp_path)
    (tmp_path / "big.csv").write_bytes(b"x" * 5_000_000)
    with pytest.raises(ScenarioError, match="larger than 4 MB"):
        load(tmp_path / "big.csv")


def test_tables_that_do_not_fit_together_are_refused() -> None:
    issue = Issue("x", ("a", "b"))
    with pytest.raises(QuestionError, match="at most"):
        Issue.integer("n", 0, MAX_OPTIONS + 1)
    with pytest.raises(QuestionError, match="3 values for issue 'x'"):
        Table((issue,), (Party("p", (np.zeros(3),)),))
    with pytest.raises(QuestionError, match="not finite"):
        Table((issue,), (Party("p", (np.array([0, np.nan]),)),))
    with pytest.raises(QuestionError, match="there twice"):
        Table((issue,), (Party("p", (np.zeros(2),)), Party("p", (np.zeros(2),))))
    with pytest.raises(QuestionError, match="leaves open: x"):
        Table((issue,), (Party("p", (np.zeros(2),)),)).deal({})
