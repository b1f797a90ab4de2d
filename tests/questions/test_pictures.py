"""Every picture of an answer: it draws, names whom it should, and counts worlds by their weight."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from questions.answers import est, made_up
from servanda.errors import QuestionError
from servanda.questions.assessment import Assessment
from servanda.show.render import to_svg


@pytest.mark.parametrize("what", Assessment.PICTURES)
def test_every_picture_draws(what: str) -> None:
    svg = to_svg(made_up().picture(what))
    assert svg.startswith("<svg")
    assert "short truce" in svg


@pytest.mark.parametrize("what", Assessment.PICTURES)
def test_one_world_and_one_chair_draw_too(what: str) -> None:
    assert "<svg" in to_svg(made_up(worlds=1, chairs=("south",)).picture(what))


def test_an_answer_saves_its_picture(tmp_path: Path) -> None:
    target = tmp_path / "holds.json"
    spec = made_up().plot("survival", target)
    assert json.loads(target.read_text())["description"] == spec["description"]


def test_an_answer_shows_its_survival_in_a_notebook() -> None:
    assert "<svg" in made_up()._repr_html_()


def test_an_unknown_picture_names_the_nearest() -> None:
    with pytest.raises(QuestionError, match="did you mean 'survival'"):
        made_up().plot("survial")


def test_riders_of_a_deal_with_one_term_are_a_mistake_in_words() -> None:
    with pytest.raises(QuestionError, match="at least two terms"):
        made_up(terms=()).picture("riders")


def test_the_first_breaches_are_marked_on_the_survival_curve() -> None:
    words = made_up().picture("survival")["description"]
    assert "North does not raid at 11.3" in words
    assert "South pays" not in words  # hardly ever broken


def test_survival_without_false_alarms_has_a_line_of_its_own() -> None:
    """It ends higher, by the tenth of the breaches that nobody committed."""
    answer = made_up()
    spec = answer.picture("survival")
    last = spec["data"]["values"][-1]
    kept = float(answer.survival[:, -1].mean())
    assert last["middle"] == pytest.approx(kept, abs=1e-5)
    assert last["unaccused"] == pytest.approx(kept + 0.1 * 0.9 * (1 - kept), abs=1e-5)
    assert "If nobody is wrongly accused" in spec["description"]
    quiet = tuple(replace(b, false_alarm=0.0, accused=est(0.0)) for b in answer.breakers)
    assert "accused" not in made_up(breakers=quiet).picture("survival")["description"]


def test_swings_are_drawn_from_the_central_case() -> None:
    (row,) = {r["change"]: r for r in made_up().picture("swings")["data"]["values"][:1]}.values()
    assert row["change"] == pytest.approx(3.6 - 3.2)


def test_worth_is_drawn_in_months_of_stakes_and_counts_worlds_by_weight() -> None:
    answer = made_up()
    heavy = np.array([1.0, *[0.0] * 7])
    answer = made_up(weight=answer.weight.copy(data=heavy))
    row: dict[str, Any] = answer.picture("worth")["data"]["values"][0]
    assert row["mean"] == pytest.approx(3.2 / 2, abs=1e-5)  # what the answer says it is
    assert row["low"] == row["high"] == pytest.approx(float(answer.worth[0, 0]) / 2)


def test_interests_of_the_chair_come_first() -> None:
    panels = made_up(chairs=("south",)).picture("interests")["vconcat"]
    assert panels[0]["title"]["text"].startswith("South")
