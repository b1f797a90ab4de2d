"""The whole answer: on a page, as JSON, as a table, as pictures, and from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import servanda as sv
from servanda.cli import main
from servanda.errors import QuestionError, ScenarioError
from servanda.show.render import to_svg
from servanda.tables.spatial.answer import SpatialAnswer
from servanda.tables.spatial.ask import spatial
from servanda.tables.spatial.pictures import PICTURES
from servanda.tables.spatial.sensitivity import sensitivity
from servanda.tables.spatial.table import Table

EXAMPLES = Path(__file__).parents[3] / "examples" / "spatial"
CARS = EXAMPLES / "emission-standards.csv"
THREE = EXAMPLES / "three-dimensions.yaml"

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def cars() -> SpatialAnswer:
    return sv.spatial(CARS, runs=5, turns=20)


@pytest.fixture(scope="module")
def three() -> SpatialAnswer:
    return sv.spatial(THREE, runs=5, turns=20)


def test_the_page_says_where_it_ends_and_who_would_have_to_move(cars: SpatialAnswer) -> None:
    page = str(cars)
    assert "7.39" in page
    assert "7 beats every other position held." in page
    assert "any one of UK, France or Italy would have to move" in " ".join(page.split())
    assert max(len(line) for line in page.splitlines()) <= 80


def test_a_page_of_several_dimensions_names_them(three: SpatialAnswer) -> None:
    page = str(three)
    for name in three.table.dimensions:
        assert name.upper() in page
    assert "Salience was read as per cent." in page


def test_json_is_json_and_holds_no_nan(cars: SpatialAnswer) -> None:
    data = json.loads(cars.to_json(), parse_constant=pytest.fail)
    assert data["mean"] == [7.38996]
    assert data["movers"]["reach"][0]["actor"] == "Netherlands"


def test_frames_have_a_row_for_everything(cars: SpatialAnswer, three: SpatialAnswer) -> None:
    frame = cars.to_dataframe()
    assert list(frame.index) == list(cars.table.actors)
    assert frame["power"].sum() == pytest.approx(1)
    assert three.history is not None
    assert len(three.history.to_dataframe()) == three.history.position[..., 0].size
    assert (
        len(cars.challenges["position"].to_dataframe()) == cars.challenges["position"].position.size
    )
    assert len(cars.sensitivity["election"].to_dataframe()) == 30
    assert cars.coalitions is not None
    assert len(cars.coalitions.to_dataframe()) == len(cars.coalitions.minimal)
    assert cars.movers is not None
    assert len(cars.movers.to_dataframe()) == 10


@pytest.mark.parametrize("what", PICTURES)
def test_every_picture_draws(what: str, cars: SpatialAnswer, three: SpatialAnswer) -> None:
    for answer in (cars, three):
        spec = answer.plot(what)
        assert spec["description"]
        assert to_svg(spec).startswith("<svg")


def test_a_notebook_shows_positions_over_turns(cars: SpatialAnswer) -> None:
    assert "weighted mean" in cars._repr_html_()


def test_a_picture_that_is_none_names_the_nearest(cars: SpatialAnswer) -> None:
    with pytest.raises(QuestionError, match="did you mean 'rounds'"):
        cars.plot("round")


def test_names_with_markup_stay_words(tmp_path: Path) -> None:
    name = "<b>[red]&x"
    table = Table.of([name, "b", "c"], [1, 2, 3], [0.5] * 3, [1, 2, 3], title="[bold]t")
    answer = spatial(table, runs=2, turns=3)
    assert name in str(answer)
    assert "<b>" not in to_svg(answer.plot("positions"))
    spec = answer.plot("turns", tmp_path / "turns.svg")
    assert "datum" not in json.dumps({k: v for k, v in spec.items() if k != "layer"})


def test_what_cannot_be_played_is_a_note_and_the_rest_stands() -> None:
    n = 130
    table = Table.of([f"a{i}" for i in range(n)], [i % 3 for i in range(n)], [0.5] * n, [1] * n)
    answer = spatial(table, rounds=2)
    assert answer.history is None
    assert answer.coalitions is None
    assert any(note.startswith("No bargaining: 130 actors") for note in answer.notes)
    assert "No coalitions" in str(answer)
    assert answer.movers is not None
    assert answer.movers.flips is None
    assert answer.movers.targets
    with pytest.raises(QuestionError, match="there was no bargaining to draw"):
        answer.plot("turns")


def test_the_same_seed_gives_the_same_answer_to_the_byte() -> None:
    one, two = (spatial(CARS, runs=3, turns=5, seed=7).to_json() for _ in range(2))
    assert one == two
    assert spatial(CARS, runs=3, turns=5, seed=8).to_json() != one


def test_models_take_options_by_name() -> None:
    answer = spatial(
        CARS,
        election={"voting": "binary"},
        challenge_model={"probability": "net", "status_quo": "0.5"},
        bargaining_model={"transition": "deterministic"},
    )
    assert answer.election.voting == "binary"
    assert answer.challenges["position"].options.status_quo == 0.5
    assert answer.history is not None
    assert answer.history.position.shape[1] == 1
    with pytest.raises(QuestionError, match="unknown voting 'binray'; did you mean 'binary'"):
        spatial(CARS, election={"voting": "binray"})


def test_histories_answer_to_inputs_with_common_random_numbers() -> None:
    table = spatial(CARS, runs=1, turns=2).table
    found = sensitivity(table, "bargaining", runs=6, turns=4)
    again = sensitivity(table, "bargaining", runs=6, turns=4)
    np.testing.assert_array_equal(found.low, again.low)
    assert np.isnan(found.slope).all()
    assert (found.error >= 0).all()
    assert sensitivity(table, "challenge", turns=5).base[0] == pytest.approx(7.0)
    assert sensitivity(table, "median").swing.max() == pytest.approx(3.0)


def test_a_scenario_may_carry_a_table(tmp_path: Path) -> None:
    text = THREE.read_text()
    inside = "spatial:\n" + "".join(f"  {line}\n" for line in text.splitlines())
    game = "title: A case\nhorizon: 3\nparties: {a: {patience: 0.9}}\nassumptions: {g: 0.5}\n"
    game += "moves: {a: [hold, go]}\ninterests: {a: {gain: g*a.go}}\n"
    (tmp_path / "scenario.yaml").write_text(game + inside)
    assert sv.load(tmp_path).title == "A case"
    assert spatial(tmp_path, runs=1, turns=1).table.actors[0] == "Alice"
    (tmp_path / "scenario.yaml").write_text(game + inside.replace("capability", "capabilty", 1))
    with pytest.raises(ScenarioError, match="did you mean 'capability'"):
        sv.load(tmp_path)


def test_the_command_prints_writes_and_draws(tmp_path: Path, capsys: Capture) -> None:
    quick = ["--runs", "2", "--turns", "3"]
    assert main(["spatial", str(CARS), *quick, "--target", "4"]) == 0
    assert "For the median to go from 7 to 4" in capsys.readouterr().out.replace("\n    ", " ")
    assert main(["spatial", str(CARS), *quick, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == 0
    picture = tmp_path / "p.svg"
    assert main(["spatial", str(CARS), *quick, "--picture", "election", "--out", str(picture)]) == 0
    assert picture.read_text().startswith("<svg")
    options = ["--option", "election.election=conditional", "--option", "bargaining.voting=cubic"]
    assert main(["spatial", str(CARS), *quick, *options, "--challenge", "jmckib"]) == 0
    assert "conditional" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv"], "nowhere.csv: no such file"),
        ([str(CARS), "--option", "voting=binary"],
         "option 'voting=binary' is not of the form model.option=value, as election.voting=binary"),
        ([str(CARS), "--option", "election.votng=binary"],
         "unknown option 'votng'; did you mean 'voting'?"),
        ([str(CARS), "--challenge", "schulz"],
         "unknown replication 'schulz'; did you mean 'scholz'?"),
        ([str(CARS), "--dimension", "tax"], "unknown dimension 'tax'; there are: position"),
        ([str(CARS), "--scale", "5", "6"],
         "the position 4 of 'Netherlands' on 'position' is outside 5 to 6"),
        ([str(CARS), "--target", "99"], "target 99: the scale runs from 4 to 10"),
        ([str(CARS), "--out", "/nowhere/x.json"], "there is no folder /nowhere"),
    ],
)  # fmt: skip
def test_mistakes_on_the_command_line_are_one_line(
    arguments: list[str], message: str, capsys: Capture
) -> None:
    assert main(["spatial", *arguments]) == 2
    said = capsys.readouterr().err.strip()
    assert message in said
    assert len(said.splitlines()) == 1


def test_where_two_are_level_the_least_step_decides() -> None:
    """Alike in everything but the place: one half each, by symmetry."""
    said = spatial("actor,capability,position,salience\nA,1,0,1\nB,1,1,1\n", runs=2)
    assert said.probability.tolist() == pytest.approx([0.5, 0.5])
    page = " ".join(str(said).split())
    assert "e-1" not in page
    assert "went the least part of the way" in page
    assert "1 minimal winning coalition, and it is stable" in page


def test_a_scale_beyond_all_measure_is_refused() -> None:
    with pytest.raises(QuestionError, match=r"a scale ends within ±1e\+12"):
        Table.of(["A", "B"], [[0.0], [1.0]], [[1.0], [1.0]], [1.0, 1.0], scale=[0, 1e300])


def test_years_are_told_apart() -> None:
    """The mean of 2025, 2026 and 2045 at equal weights is 2032."""
    rows = "A,1,2025,0.5\nB,1,2026.25,0.5\nC,1,2045,0.5\n"
    page = str(spatial("actor,capability,position,salience\n" + rows, runs=2))
    assert "from 2025 to 2045" in page
    assert "2032.08" in page  # 6096.25 / 3
    assert "2026.25" in page
