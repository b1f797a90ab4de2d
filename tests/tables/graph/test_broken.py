"""A broken file is answered with a line for its mistake: place, cause, the nearest right thing.

Each file in `broken/` says in its first lines what is expected: `# expect: line:column: message`.
"""

from pathlib import Path

import pytest

from servanda.errors import QuestionError, ScenarioError
from servanda.tables.graph import (
    graph_form,
    hypergame,
    inverse,
    load,
    loads,
    option_form,
    stability,
)

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))


@pytest.mark.parametrize("path", BROKEN, ids=[path.stem for path in BROKEN])
def test_a_broken_file_is_answered_line_by_line(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    expected = [line.removeprefix("# expect: ") for line in lines if line.startswith("# expect: ")]
    assert expected
    with pytest.raises(ScenarioError) as error:
        load(path)
    said = [str(finding).removeprefix(f"{path}:").strip() for finding in error.value.findings]
    assert said == expected


def test_the_corpus_is_not_lost():
    assert len(BROKEN) >= 40


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ScenarioError, match="no such file"):
        load(tmp_path / "nothing.yaml")


def test_a_file_that_is_not_text(tmp_path):
    path = tmp_path / "conflict.yaml"
    path.write_bytes(b"title: \xff\n")
    with pytest.raises(ScenarioError, match="0xFF is not UTF-8"):
        load(tmp_path)


def test_a_file_that_is_too_long(tmp_path):
    path = tmp_path / "conflict.yaml"
    path.write_bytes(b"# " + b"x" * 1_100_000)
    with pytest.raises(ScenarioError, match="longer than"):
        load(path)


SMALL = option_form({"A": ["a"], "B": ["b"]}, {"A": [0, 1, 2, 3], "B": [3, 2, 1, 0]})


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: stability(SMALL, ["Nsh"]), "unknown concept 'Nsh'; did you mean 'Nash'"),
        (lambda: stability(SMALL, ["L0"]), "unknown concept 'L0'"),
        (lambda: stability(SMALL, sanctions="singel"), "did you mean 'single'"),
        (lambda: stability(SMALL, coalitions=[["A", "C"]]), "unknown decision maker 'C'"),
        (lambda: stability(SMALL, coalitions=[["A"], ["A"]]), "one coalition only"),
        (lambda: stability(SMALL, unknown_as="e"), "there are: a, b, c, d"),
        (lambda: stability(SMALL, ["strong GMR"]), "needs strength of preference"),
        (lambda: stability(SMALL, ["NM"], coalitions=[["A", "B"]]), "not defined for coalitions"),
        (lambda: stability(SMALL).equilibria("NM"), "unknown concept of this analysis"),
        (lambda: stability(SMALL).explain("YYY"), "is no state"),
        (lambda: stability(SMALL).explain(9), "there is no state 9"),
        (lambda: stability(SMALL).plot("pie"), "unknown picture 'pie'"),
        (lambda: inverse(SMALL, 1, ["a"]), "unknown decision maker 'a'"),
        (lambda: hypergame(SMALL), "no `perceptions`"),
        (lambda: option_form({"A": ["a"]}, {"A": [1, 2, 3]}), "ranks 3 states, and there are 2"),
        (lambda: graph_form(["s"], {"A": [(0, 5)]}, {"A": [0]}), "leads outside"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(ask, words):
    with pytest.raises(QuestionError, match=words):
        ask()


def test_tables_of_states_by_states_are_refused_before_they_are_made():
    owners = {"A": [f"a{k}" for k in range(10)], "B": [f"b{k}" for k in range(10)]}
    scores = range(1 << 20)
    conflict = option_form(owners, {"A": list(scores), "B": list(scores)})
    with pytest.raises(QuestionError, match="tables of states by states"):
        stability(conflict, ["Nash"], coalitions=[["A", "B"]])
    with pytest.raises(QuestionError, match="SIM"):
        stability(conflict, ["SIM"])
    with pytest.raises(QuestionError, match="too many to draw"):
        stability(conflict, ["Nash"]).plot("graph")


def test_deep_brackets_and_long_statements_end_in_a_sentence():
    text = "decision_makers: {A: [a]}\npreferences: {A: {statements: ['%s']}}\n"
    with pytest.raises(ScenarioError, match="nested too deeply"):
        loads(text % ("(" * 300 + "a" + ")" * 300))
    with pytest.raises(ScenarioError, match="nested too deeply"):
        loads(text % ("not " * 200 + "a"))
    with pytest.raises(ScenarioError, match="at most 1000 characters"):
        loads(text % ("a or " * 1000 + "a"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "infeasible: [{}]".format(", ".join(["Y" + "-" * 23] * 2000)),
            "infeasible patterns of 24",
        ),
        ("moves: [{by: A, from: '%s', to: '%s', allowed: false}]" % (("-" * 24,) * 2), "137,405"),
        (
            "preferences: {{A: {{statements: [{}]}}}}".format(", ".join(["a1 or b2"] * 490)),
            "take too long",
        ),
    ],
)
def test_a_file_that_asks_for_hours_is_refused_at_once(text, words):
    import time

    owners = "decision_makers: {{A: [{}], B: [{}]}}\n".format(
        *tuple(", ".join(f"{x}{k}" for k in range(12)) for x in "ab")
    )
    if "preferences" in text:
        text = text.replace("}}", "}, B: {statements: [b1]}}")
    else:
        text += "\npreferences: {A: {weights: {a1: 1}}, B: {weights: {b1: 1}}}"
    start = time.perf_counter()
    with pytest.raises(ScenarioError, match=words):
        loads(owners + text + "\n")
    assert time.perf_counter() - start < 60
