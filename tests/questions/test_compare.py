"""Offers side by side, on a case that can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import servanda as sv
from servanda.cli import main
from servanda.errors import QuestionError
from servanda.questions.compare import better_of, regret_of
from servanda.runs import parts, read

RIVER = Path(__file__).parent / "river.yaml"
YEARS = (1 - 0.9**5) / (1 - 0.9)  # what one unit a year is worth to north


@pytest.fixture(scope="module")
def case():
    return sv.load(RIVER)


@pytest.fixture(scope="module")
def answer(case):
    return sv.compare(case, worlds=32, seed=3)


def test_worth_in_every_world_is_what_the_flows_add_up_to(case, answer):
    worlds = sv.draw(case, 32, seed=3)
    benefit, cost = worlds.column("benefit"), worlds.column("cost")
    # south never pumps: that costs it far more than the deal ever can
    for deal, share in (("half", 0.5), ("whole", 1.0), ("nothing", 0.0)):
        expected = (share * benefit - cost) * YEARS
        found = answer.over.worth.sel(deal=deal, party="north").values
        assert found == pytest.approx(expected, abs=2e-3)


def test_a_party_signs_by_logit_choice_between_worth_and_refusing(answer):
    worth = answer.central.worth.sel(deal="half").values[0]
    assert answer.central.signing.sel(deal="half").values[0] == pytest.approx(
        1 / (1 + np.exp(-20 * worth)), abs=1e-9
    )


def test_regret_is_what_the_best_choice_in_a_world_would_add(answer):
    worth = answer.over.worth.sel(party="north").values
    best = np.maximum(worth.max(axis=1), 0)
    regret = answer.regret.sel(party="north").values
    assert regret[:, :-1] == pytest.approx(best[:, None] - worth)
    assert regret[:, -1] == pytest.approx(best)  # of no deal
    assert regret.min() >= 0


def test_the_smallest_largest_regret_is_found_by_brute_force(answer):
    for party in ("north", "south"):
        largest = answer.regret.sel(party=party).values.max(axis=0)
        assert answer.least_regret(party) == answer.regret.deal.values[np.argmin(largest)]


def test_more_water_for_the_same_price_is_better_in_every_world(answer):
    better = answer.better.sel(party="north")
    assert bool(better.sel(deal="whole", other="half"))
    assert bool(better.sel(deal="half", other="nothing"))
    assert not bool(better.sel(deal="half", other="whole"))
    assert bool(better.sel(deal="never", other="nothing"))  # paying for nothing


def test_regret_and_dominance_do_not_depend_on_the_order_of_offers(answer):
    turned = answer.over.worth.isel(deal=[2, 0, 1])
    names = list(answer.regret.deal.values)
    assert regret_of(turned).sel(deal=names).values == pytest.approx(answer.regret.values)
    there = better_of(turned).sel(deal=names, other=names)
    assert (there.values == answer.better.values).all()


def test_figures_are_those_of_assess(case, answer):
    alone = sv.assess(case, "half", worlds=32, seed=3)
    assert alone.worth.values == pytest.approx(answer.over.worth.sel(deal="half").values, abs=1e-12)
    assert alone.joint.values == pytest.approx(answer.over.joint.sel(deal="half").values)
    assert alone.survival.values == pytest.approx(answer.over.survival.sel(deal="half").values)


def test_every_view_of_the_answer_can_be_made(answer, tmp_path):
    table = answer.to_dataframe()
    assert len(table) == 3 * 32
    assert set(table.deal) == {"half", "whole", "nothing"}
    assert '"regret"' in answer.to_json()
    assert "WHO SIGNS" in str(answer)
    for what in answer.PICTURES:
        answer.plot(what, tmp_path / f"{what}.svg")
        assert (tmp_path / f"{what}.svg").stat().st_size > 1000


def test_some_offers_from_one_chair(case):
    few = sv.compare(case, ["whole"], "south", worlds=4)
    assert few.deals == ("whole",)
    assert few.chairs == ("south",)
    assert "North" not in str(few)


def test_a_comparison_goes_on_from_its_folder_with_the_same_figures(case, tmp_path, capsys):
    folder = tmp_path / "run"
    plain = sv.compare(case, worlds=9, seed=3).to_json()
    assert sv.compare(case, worlds=9, seed=3, folder=folder).to_json() == plain
    chunks = sorted(folder.rglob("chunk-*.parquet"))
    chunks[1].unlink()
    there = {chunk: chunk.stat().st_mtime_ns for chunk in (chunks[0], *chunks[2:])}
    typed = ["compare", str(RIVER), "--worlds", "9", "--seed", "3", "--folder", str(folder)]
    assert main([*typed, "--json"]) == 0
    assert capsys.readouterr().out.strip() == plain.strip()
    assert there == {chunk: chunk.stat().st_mtime_ns for chunk in there}
    # another chair sees the same worlds
    assert sv.compare(case, None, "south", worlds=9, seed=3, folder=folder).chairs == ("south",)


def test_a_folder_of_something_else_is_refused_in_a_sentence(case, tmp_path):
    sv.compare(case, ["half"], worlds=2, folder=tmp_path / "run")
    with pytest.raises(QuestionError, match=r"holds another run: job\.seed is 0 there and 1 here"):
        sv.compare(case, ["half"], worlds=2, seed=1, folder=tmp_path / "run")
    with pytest.raises(QuestionError, match=r"holds another run: job\.deals"):
        sv.compare(case, ["whole"], worlds=2, folder=tmp_path / "run")
    with pytest.raises(QuestionError, match="holds another run"):
        sv.table(case, ["half"], worlds=2, folder=tmp_path / "run")
    with pytest.raises(QuestionError, match=r"several tables: .*worlds"):
        read(tmp_path / "run")
    assert set(read(tmp_path / "run" / "worlds").to_dataframe()["deal"]) == {"half"}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(QuestionError, match="holds other files and no run"):
        sv.compare(case, ["half"], worlds=2, folder=tmp_path / "mine")
    with (
        parts(tmp_path / "used", {}),
        pytest.raises(QuestionError, match="is being written by another run"),
    ):
        sv.compare(case, ["half"], worlds=2, folder=tmp_path / "used")


@pytest.mark.parametrize(
    ("deals", "party", "words"),
    [
        (["hlf"], None, "unknown deal 'hlf'; did you mean 'half'?"),
        (None, "sooth", "unknown party 'sooth'; did you mean 'south'?"),
        ([], None, "name at least one deal"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(case, deals, party, words):
    with pytest.raises(QuestionError, match=words.replace("?", r"\?")):
        sv.compare(case, deals, party)


def test_a_case_without_offers_has_nothing_to_compare():
    text = RIVER.read_text()
    bare = sv.load(text[: text.index("proposals:")])
    with pytest.raises(QuestionError, match="no proposals to compare"):
        sv.compare(bare)


def test_choices_that_tie_for_the_least_regret_are_all_named():
    """Nothing hangs on either offer, so both and no deal are as good."""
    answer = sv.compare(sv.load(SAME), worlds=2)
    page = " ".join(str(answer).split())
    assert "one, two and never one, two and never 0" in page


SAME = """
title: Two offers of nothing
horizon: 4
parties: {a: {patience: 0.9}, b: {patience: 0.9}}
moves: {a: [rest, work]}
interests: {a: {pay: 0.5*a.work}, b: {rent: 0.2*a.work}}
proposals:
  one: {signatories: [a, b]}
  two: {signatories: [b, a]}
"""
