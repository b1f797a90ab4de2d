"""Small and odd conflicts, worked out by hand, and questions that do not fit."""

from pathlib import Path

import pytest

import servanda as sv
from servanda.cli import main
from servanda.tables import graph

ELMIRA = Path(__file__).parents[3] / "examples" / "graph" / "elmira.yaml"


def test_the_prisoners_dilemma() -> None:
    answer = sv.graph(
        "decision_makers: {Row: [coop], Col: [coöp]}\n"
        "preferences: {Row: [NY, YY, NN, YN], Col: [YN, YY, NN, NY]}\n"
    )
    assert answer.equilibria("Nash") == [1]
    for concept in ("GMR", "SMR", "SEQ", "SIM"):
        assert answer.equilibria(concept) == [1, 4]


def test_a_sanction_that_one_can_escape_and_one_that_is_not_credible() -> None:
    """At 2 the first improves to 1; the second can answer with 3, to its own harm, and from 3 the
    first gets to 4, which it likes best."""
    answer = sv.graph(
        "decision_makers: {Yes: [yes], No: [no]}\n"
        "preferences: {Yes: [YY, NN, YN, NY], No: [1, 2, 3, 4]}\n"
    )
    assert [answer.equilibria(c) for c in ("Nash", "GMR", "SMR", "SEQ")] == [
        [1], [1, 2], [1], [1]
    ]  # fmt: skip


def test_weights_that_cancel_are_a_tie() -> None:
    answer = sv.graph(
        "decision_makers: {A: [a], B: [b]}\n"
        "preferences: {A: {weights: {a: 0.1, b: 0.2, a and b: -0.3}}, B: [1, 2, 3, 4]}\n"
    )
    rank = answer.conflict.preferences[0].rank
    assert rank[0] == rank[3] < rank[1] < rank[2]
    assert [answer.equilibria(c) for c in ("Nash", "GMR", "SMR", "SEQ")] == [
        [2], [1, 2], [2], [2]
    ]  # fmt: skip


def test_nobody_moves_twice_running_in_a_graph_of_arcs() -> None:
    answer = sv.graph(
        "decision_makers: [A, B]\nstates: [s1, s2, s3]\n"
        "arcs: {A: [[1, 2], [2, 3]], B: [[s3, s1]]}\n"
        "preferences: {A: [s3, s2, s1], B: [1, 2, 3]}\n"
    )
    assert answer.equilibria("Nash") == []
    assert [answer.equilibria(c) for c in ("GMR", "SMR", "SEQ")] == [[2], [2], [2]]


def test_one_of_everything_is_said_in_the_singular() -> None:
    said = str(sv.graph("decision_makers: [A]\nstates: [x]\narcs: {}\npreferences: {A: [x]}\n"))
    assert "1 decision maker (A), 1 feasible state." in said


ASKED = {
    "steps": (["--steps", "2"], "--steps and --improvements go with --paths-from"),
    "improvements": (["--improvements"], "--steps and --improvements go with --paths-from"),
    "no_steps": (["--paths-from", "1", "--steps", "-1"], "steps -1: one move at least"),
    "response": (["--response", "z"], "unknown response 'z'; there are: worst, best"),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_question_that_does_not_fit(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    options, said = ASKED[name]
    assert main(["graph", str(ELMIRA), *options]) == 2
    assert capsys.readouterr().err.strip() == said


def test_a_folder_without_a_conflict_says_which_files_it_could_have(tmp_path: Path) -> None:
    with pytest.raises(sv.ScenarioError) as caught:
        graph.load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'conflict.yaml'}: no such file, and no graph.yaml or scenario.yaml beside it"
    )


def test_the_same_word_is_not_suggested() -> None:
    with pytest.raises(sv.ScenarioError) as caught:
        sv.graph(
            "decision_makers: {A: ['and'], B: ['a b']}\n"
            "preferences: {A: {statements: ['a b and 1']}, B: [1, 2, 3, 4]}\n"
        )
    assert "'and' cannot stand here" in str(caught.value)
    assert "did you mean 'and'" not in str(caught.value)
