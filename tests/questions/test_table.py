"""The large table: the figures of the other questions, whatever the workers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import servanda as sv
from servanda.errors import QuestionError
from servanda.questions import table as module
from servanda.questions.table import packages_in_words, worlds_between
from servanda.runs import read

RIVER = Path(__file__).parent / "river.yaml"
LEVERS = """
levers:
  dig: {owner: south, set: {benefit: "*1.5"}, from: 2}
  pay: {owner: south, set: {cost: "-0.1"}}
"""


@pytest.fixture(scope="module")
def case():
    return sv.load(RIVER)


@pytest.fixture(scope="module")
def levered():
    return sv.load(RIVER.read_text() + LEVERS)


def test_figures_are_those_of_compare(case):
    found = sv.table(case, worlds=40, seed=5).to_dataframe()
    other = sv.compare(case, worlds=40, seed=5).to_dataframe()
    both = found.merge(other, on=["deal", "world"], suffixes=("", "_there"))
    assert len(both) == len(found) == 3 * 40
    for column in ("weight", "worth.north", "worth.south", "signs.all", "survival.5", "broken.5"):
        assert both[column].to_numpy() == pytest.approx(both[f"{column}_there"].to_numpy())


def test_the_table_does_not_depend_on_the_workers_nor_on_a_pause(case, tmp_path):
    alone = sv.table(case, worlds=48, workers=1).to_dataframe()
    two = sv.table(case, worlds=48, workers=2, folder=tmp_path / "t").to_dataframe()
    pd.testing.assert_frame_equal(alone, two)
    for chunk in sorted((tmp_path / "t").glob("chunk-*.parquet"))[1:]:
        chunk.unlink()
    again = sv.table(case, worlds=48, workers=2, folder=tmp_path / "t").to_dataframe()
    pd.testing.assert_frame_equal(alone, again)
    pd.testing.assert_frame_equal(read(tmp_path / "t").to_dataframe(), alone)


@pytest.mark.slow
def test_other_processes_compute_the_same(case, tmp_path):
    alone = sv.table(case, worlds=32, workers=1).to_dataframe()
    apart = sv.table(case, worlds=32, processes=True, folder=tmp_path / "t").to_dataframe()
    pd.testing.assert_frame_equal(alone, apart)


def test_packages_of_levers_change_the_worth_of_a_deal(levered):
    """Half a share of a benefit that grows by half from the third year on; a cost less by 0.1."""
    packages = [{}, {"dig": 1.0}, {"pay": 0.5}, {"dig": 1.0, "pay": 1.0}]
    found = sv.table(levered, ["half"], packages, worlds=16, seed=2).to_dataframe()
    worlds = sv.draw(levered, 16, seed=2)
    worth = found["worth.north"].to_numpy().reshape(4, 16)
    years = 0.9 ** np.arange(5)
    more = 0.25 * worlds.column("benefit") * years[2:].sum()
    less = 0.1 * years.sum()
    for k, gain in enumerate((0, more, 0.5 * less, more + less)):
        assert worth[k] - worth[0] == pytest.approx(gain, abs=2e-3)


def test_blocks_of_worlds_have_shares_that_sum_to_one(case, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 8)
    monkeypatch.setattr(module, "_BLOCKS", {})
    parts = [worlds_between(case, 20, 0, a, min(a + 4, 20)) for a in range(0, 20, 4)]
    weight = np.concatenate([p.weight for p in parts])
    values = np.concatenate([p.values for p in parts])
    assert weight.sum() == pytest.approx(1)
    assert len(np.unique(values[:, 0])) == 20  # every block is drawn anew
    whole = sv.draw(case, 8, seed=0)
    assert (values[:8] == whole.values).all()


def test_packages_can_be_typed():
    assert packages_in_words(None) == [{}]
    assert packages_in_words(["dig, pay=0.5", ""]) == [{"dig": 1.0, "pay": 0.5}, {}]
    with pytest.raises(QuestionError, match=r"write lever=0\.5"):
        packages_in_words(["dig=much"])


def test_what_cannot_be_asked_is_said_in_a_sentence(case, levered):
    with pytest.raises(QuestionError, match="did you mean 'dig'"):
        sv.table(levered, packages=[{"dgi": 1.0}], worlds=2)
    with pytest.raises(QuestionError, match="did you mean 'whole'"):
        sv.table(case, ["whol"], worlds=2)
    with pytest.raises(QuestionError, match="at least one world"):
        sv.table(case, worlds=0)
    text = sv.load(RIVER.read_text())
    with pytest.raises(QuestionError, match="need the scenario's file"):
        sv.table(text, worlds=2, processes=True)
