"""The lenses read their own section of a scenario, and say where it is wrong."""

import textwrap
from pathlib import Path

import pytest

import servanda as sv
from servanda.cli import main
from servanda.scenario.load import loads
from servanda.tables import graph as graph_lens

ROOT = Path(__file__).parents[2]
SCENARIO = (ROOT / "tests" / "scenario" / "valid.yaml").read_text(encoding="utf-8")
RIVER = ROOT / "examples" / "points" / "river.yaml"
ELMIRA = ROOT / "examples" / "graph" / "elmira.yaml"
ACTORS = ROOT / "examples" / "spatial" / "three-dimensions.yaml"


def indented(name: str, text: str) -> str:
    return f"\n{name}:\n" + textwrap.indent(text, "  ")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scenario with a section for each lens."""
    parts = [
        indented(name, file.read_text(encoding="utf-8"))
        for name, file in (("points", RIVER), ("graph", ELMIRA), ("spatial", ACTORS))
    ]
    (tmp_path / "scenario.yaml").write_text(SCENARIO + "".join(parts), encoding="utf-8")
    (tmp_path / "README.md").write_text("beside it", encoding="utf-8")
    (tmp_path / "figures.csv").write_text("year,deaths\n2014,1\n", encoding="utf-8")
    return tmp_path


def test_a_section_answers_as_the_same_file_by_itself(folder: Path) -> None:
    alone, within = sv.points(RIVER), sv.points(folder)
    assert str(within) == str(alone)
    assert str(sv.graph(folder)) == str(sv.graph(ELMIRA))
    assert graph_lens.load(folder).hash == graph_lens.load(ELMIRA).hash
    assert sv.spatial(folder, runs=1).to_json() == sv.spatial(ACTORS, runs=1).to_json()


@pytest.mark.parametrize("lens", ["points", "graph", "spatial"])
def test_a_folder_and_its_file_are_the_same(
    lens: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([lens, str(folder)]) == 0
    first = capsys.readouterr().out
    assert main([lens, str(folder / "scenario.yaml")]) == 0
    assert capsys.readouterr().out == first


@pytest.mark.parametrize("lens", ["points", "graph", "spatial"])
@pytest.mark.parametrize("name", ["doha-2020", "minsk-2015", "ukraine-2025", "korea-1953"])
def test_a_scenario_without_the_section_says_so(
    lens: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    case = ROOT / "scenarios" / name
    assert main([lens, str(case)]) == 2
    said = capsys.readouterr().err
    assert said == f"{case / 'scenario.yaml'}:1:1: this scenario has no `{lens}` section\n"


def test_the_scenario_with_the_sections_is_sound_and_plays_the_same(folder: Path) -> None:
    whole, bare = sv.load(folder), loads(SCENARIO)
    assert whole.decisions == bare.decisions
    assert whole.proposals == bare.proposals
    assert [str(w).split(": ", 1)[1] for w in whole.warnings] == [
        str(w).split(": ", 1)[1] for w in bare.warnings
    ]


def test_a_section_without_a_title_has_the_scenarios(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(
        "title: The strait\nhorizon: 3\n"
        "points: {issues: {fee: [low, high]}, parties: {A: {values: {fee: [0, 1]}}}}\n"
        "graph: {decision_makers: {A: [go]}, preferences: {A: [2, 1]}}\n"
        "spatial: {actors: {A: {capability: 1, position: 0, salience: 1},"
        " B: {capability: 1, position: 1, salience: 1}}}\n",
        encoding="utf-8",
    )
    assert sv.points(file).table.title == "The strait"
    assert sv.graph(file).conflict.title == "The strait"
    assert sv.spatial(file, runs=1).table.title == "The strait"


WRONG = {
    "points_number": (
        "points",
        "  issues: {fee: [low, high]}\n  parties:\n    A: {reservation: lots, values: {fee: 0}}\n",
        "4:22: points.parties.A.reservation must be a number, not 'lots'",
    ),
    "points_key": (
        "points",
        "  issues: {fee: [low, high]}\n  partees: {}\n",
        "3:3: unknown key 'partees' in points; did you mean 'parties'?",
    ),
    "points_option": (
        "points",
        "  issues: {fee: [low, high]}\n  parties: {A: {values: {fee: {low: 1, hihg: 2}}}}\n",
        "3:40: 'hihg' is not an option of 'fee'; did you mean 'high'?",
    ),
    "graph_state": (
        "graph",
        "  decision_makers: {A: [go]}\n  preferences: {A: [3, 1]}\n",
        "3:21: there is no state 3: they are counted 1 to 2",
    ),
    "graph_name": (
        "graph",
        "  decision_makers: {Ann: [go]}\n  preferences: {Anne: [2, 1]}\n",
        "3:17: unknown decision maker 'Anne'; did you mean 'Ann'?",
    ),
    "graph_statement": (
        "graph",
        "  decision_makers: {A: [go]}\n  preferences: {A: {statements: [go and stay]}}\n",
        "3:41: unknown option 'stay'",
    ),
    "graph_missing": ("graph", "  title: x\n", "2:3: decision_makers are missing: who controls "
                      "which options"),
    "graph_nothing": ("graph", "", "1:7: the section `graph` is empty; it needs "
                      "`decision_makers`"),
    "points_list": ("points", "  - 1\n", "2:3: the section `points` is no mapping; it needs "
                    "`issues`"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_has_its_place_in_the_scenario(name: str, tmp_path: Path) -> None:
    lens, text, expected = WRONG[name]
    file = tmp_path / "scenario.yaml"
    file.write_text(f"{lens}:\n{text}", encoding="utf-8")
    with pytest.raises(sv.ScenarioError) as caught:
        {"points": sv.points, "graph": sv.graph}[lens](file)
    assert str(caught.value).splitlines()[0] == f"{file}:{expected}"


def test_check_says_what_the_lenses_find(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scenario.yaml"
    where = SCENARIO.count("\n") + 2  # the line of `points:`
    file.write_text(
        SCENARIO
        + "\npoints:\n  issues: {fee: [low, high]}\n  parties: {A: {values: {fee: [0, x]}}}\n"
        + "graph:\n  decision_makers: {A: [go]}\n  preferences: {A: [2, 2]}\n"
        + "spatial:\n  actors:\n    A: {capability: 1, position: [0, 1], salience: 1}\n"
        + "    B: {capability: 1, position: 1, salience: 1}\n",
        encoding="utf-8",
    )
    assert main(["check", str(file)]) == 2
    said = capsys.readouterr().out
    assert f"{file}:{where + 2}:35: points.parties.A.values.fee[2] must be a number" in said
    assert f"{file}:{where + 5}:24: the state 2 is ranked twice" in said
    assert f"{file}:{where + 8}:52: the salience of 'A' is not 2 numbers" in said


def test_check_says_a_misspelt_key_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(SCENARIO + "\npoints:\n  isues: {}\n", encoding="utf-8")
    assert main(["check", str(file)]) == 2
    assert capsys.readouterr().out.count("unknown key 'isues' in points") == 1
