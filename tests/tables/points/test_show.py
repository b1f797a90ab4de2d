"""The page, the pictures, JSON, frames and the command line of a table of points."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import servanda as sv
from servanda.cli import main
from servanda.errors import QuestionError
from servanda.show.page import as_text
from servanda.show.render import to_svg
from servanda.tables.points import PointsAnswer, points
from servanda.tables.points.page import blocks
from servanda.tables.points.pictures import PICTURES
from tables.points.brute import random_table

EXAMPLES = Path(__file__).parents[3] / "examples" / "points"
HARBOUR = EXAMPLES / "harbour"


@pytest.fixture(scope="module")
def harbour() -> PointsAnswer:
    return points(HARBOUR, but=1)


def test_the_top_name_is_the_question(harbour: PointsAnswer) -> None:
    assert sv.points is points
    assert sv.points(HARBOUR).hash == harbour.hash


def test_the_page_says_what_counts(harbour: PointsAnswer) -> None:
    page = str(harbour)
    assert "Acceptable to all: 12 of 720 deals; counted one by one." in page
    assert "SportCo, Department of Tourism among them: 55." in page
    assert all(len(line) <= 88 for line in page.splitlines())
    plain = as_text(blocks(harbour), ascii_only=True)
    assert plain.isascii()


def test_json_holds_the_answer(harbour: PointsAnswer) -> None:
    content = json.loads(harbour.to_json(5))
    assert content["zone"]["acceptable_to_all"] == 12
    assert content["zone"]["signable"] == 55
    assert len(content["frontier"]["shown"]) == 5
    assert set(content["solutions"]) == {
        "nash", "kalai-smorodinsky", "egalitarian", "utilitarian",
    }  # fmt: skip
    assert sum(content["coalitions"]["shapley"].values()) == pytest.approx(
        max(content["coalitions"]["worth"].values())
    )


def test_a_frame_has_a_row_for_each_point(harbour: PointsAnswer) -> None:
    frame = harbour.to_dataframe(None)
    assert len(frame) == len(harbour.frontier)
    assert frame["nash"].sum() == 1
    assert frame["acceptable"].sum() == 12


@pytest.mark.parametrize("what", PICTURES)
def test_every_picture_draws(harbour: PointsAnswer, what: str, tmp_path: Path) -> None:
    assert to_svg(harbour.plot(what)).startswith("<svg")
    harbour.plot(what, tmp_path / "x.json")
    assert (tmp_path / "x.json").exists()


@pytest.mark.parametrize("seed", range(6))
def test_any_table_prints_and_draws(seed: int) -> None:
    answer = points(random_table(seed, 2, pairs=True))
    assert "HOW TO READ THIS" in str(answer)
    json.loads(answer.to_json())
    assert "<svg" in answer._repr_html_()


def test_pictures_that_cannot_be_drawn_are_said(harbour: PointsAnswer) -> None:
    with pytest.raises(QuestionError, match="unknown picture"):
        harbour.plot("fronteir")
    with pytest.raises(QuestionError, match="unknown party"):
        harbour.plot("frontier", x="Majör")
    with pytest.raises(QuestionError, match="twice"):
        harbour.plot("frontier", x="Mayor", y="Mayor")
    with pytest.raises(QuestionError, match="unknown solution"):
        harbour.path("split", "nsah")


def test_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "f.svg"
    code = main(["points", str(HARBOUR), "--but", "1", "--plot", str(target), "--from", "split"])
    out = capsys.readouterr().out
    assert code == 0
    assert "12 of 720" in out
    assert "THE PATH OF SMALLEST CONCESSIONS" in out
    assert target.read_text().startswith("<svg")
    assert main(["points", str(EXAMPLES / "river.yaml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Sharing a river"
    assert main(["points", str(HARBOUR), "--only", "nash"]) == 0
    assert "nash: value" in capsys.readouterr().out


def test_the_command_line_says_mistakes_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "x.yaml").write_text("issues: 3\n")
    assert main(["points", str(tmp_path / "x.yaml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["points", str(HARBOUR), "--ks", "minmax"]) == 2
    assert "unknown Kalai-Smorodinsky convention" in capsys.readouterr().err
