"""Laws that hold for every conflict, and what a person gets to see."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import servanda
from servanda.cli import main
from servanda.errors import FormulaError, QuestionError
from servanda.tables.graph import (
    graph_form,
    hypergame,
    inverse,
    load,
    loads,
    option_form,
    stability,
    status_quo,
)
from servanda.tables.graph.model import feasible_codes
from servanda.tables.graph.statements import by_priority, by_weight, holds

EXAMPLES = Path(__file__).parent.parent.parent.parent / "examples" / "graph"
BASIC = ["Nash", "GMR", "SMR", "SEQ"]


@st.composite
def conflicts(draw):
    parties = draw(st.integers(1, 4))
    counts = draw(st.lists(st.integers(1, 2), min_size=parties, max_size=parties))
    owners = {f"dm{i}": [f"o{i}{k}" for k in range(c)] for i, c in enumerate(counts)}
    size = 1 << sum(counts)
    level = st.lists(st.integers(0, 5), min_size=size, max_size=size)
    preferences = {name: np.array(draw(level)) for name in owners}
    names = [o for group in owners.values() for o in group]
    directions = draw(st.dictionaries(st.sampled_from(names), st.sampled_from(["N->Y", "Y->N"])))
    return option_form(owners, preferences, directions=directions)


@settings(max_examples=60, deadline=None)
@given(conflicts())
def test_nash_is_symmetric_is_general_and_nash_is_sequential_is_general(conflict):
    table = {c: stability(conflict, BASIC).stable.sel(concept=c).values for c in BASIC}
    assert (table["Nash"] <= table["SMR"]).all()
    assert (table["SMR"] <= table["GMR"]).all()
    assert (table["Nash"] <= table["SEQ"]).all()
    assert (table["SEQ"] <= table["GMR"]).all()


@settings(max_examples=60, deadline=None)
@given(conflicts())
def test_longer_sanctions_hold_more(conflict):
    single, once, legal = (
        stability(conflict, BASIC, sanctions=kind).stable.values
        for kind in ("single", "each-once", "legal-sequences")
    )
    assert (single <= once).all()
    assert (once <= legal).all()


@settings(max_examples=40, deadline=None)
@given(conflicts())
def test_looking_one_move_ahead_is_nash(conflict):
    answer = stability(conflict, ["Nash", "L1"])
    assert (answer.stable.sel(concept="Nash") == answer.stable.sel(concept="L1")).all()


@settings(max_examples=40, deadline=None)
@given(conflicts(), st.integers(1, 1000))
def test_only_the_order_of_preferences_counts(conflict, scale):
    owners = {
        name: [o.name for o in conflict.options if o.owner == i]
        for i, name in enumerate(conflict.decision_makers)
    }
    scores = {
        name: np.exp(p.rank) * scale
        for name, p in zip(conflict.decision_makers, conflict.preferences)
    }
    directions = {o.name: o.direction for o in conflict.options if o.direction != "both"}
    again = option_form(owners, scores, directions=directions)
    assert (stability(conflict, BASIC).stable == stability(again, BASIC).stable).all()


@settings(max_examples=30, deadline=None)
@given(conflicts())
def test_a_coalition_of_one_is_nobody_new(conflict):
    alone = [[conflict.decision_makers[0]]]
    assert (
        stability(conflict, BASIC, coalitions=alone).stable.values
        == stability(conflict, BASIC).stable.values
    ).all()


@settings(max_examples=30, deadline=None)
@given(conflicts())
def test_options_as_arcs_are_the_same_conflict(conflict):
    """Legal sequences on arcs keep track of who moved last; in option form they need not."""
    states = [conflict.pattern(s) for s in range(conflict.size)]
    arcs, scores = {}, {}
    for i, name in enumerate(conflict.decision_makers):
        arcs[name] = list(zip(*(a.tolist() for a in conflict.moves.arcs(i))))
        scores[name] = conflict.preferences[i].rank
    again = graph_form(states, arcs, scores)
    for kind in ("legal-sequences", "each-once", "single"):
        a, b = (stability(c, BASIC, sanctions=kind).stable.values for c in (conflict, again))
        assert (a == b).all()


# -- statements --

OPTIONS = ["Air Strike", "Blockade", "Withdraw", "not and"]


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("Air Strike", lambda a, b, w, n: a),
        ("air strike and not Blockade", lambda a, b, w, n: a and not b),
        ("not (1 or 2)", lambda a, b, w, n: not (a or b)),
        ("-1 & 2 | 3", lambda a, b, w, n: (not a and b) or w),
        ("Withdraw if Blockade", lambda a, b, w, n: w or not b),
        ("Withdraw iff Blockade", lambda a, b, w, n: w == b),
        ("'not and' or Withdraw", lambda a, b, w, n: n or w),
        ("YN--", lambda a, b, w, n: a and not b),
    ],
)
def test_a_statement_means_what_it_says(statement, rule):
    codes = feasible_codes(4, [])
    expected = [rule(*(bool(c >> k & 1) for k in range(4))) for c in codes.tolist()]
    assert holds(statement, OPTIONS, codes).tolist() == expected


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab12()-&|~ YNifandornot'\"\\x", max_size=40))
def test_no_text_breaks_the_reader_of_statements(text):
    offset = 0
    try:
        assert holds(text, ["a", "b"], feasible_codes(2, [])).shape == (4,)
    except FormulaError as error:
        offset = error.offset
    assert 0 <= offset <= len(text)


def test_an_earlier_statement_outweighs_all_later_ones():
    codes = feasible_codes(3, [])
    rank = by_priority(["1", "2", "3"], ["a", "b", "c"], codes)
    doubled = by_weight({"1": 4, "2": 2, "3": 1}, ["a", "b", "c"], codes)
    assert rank.tolist() == doubled.tolist() == [0, 4, 2, 6, 1, 5, 3, 7]


def test_many_statements_do_not_overflow():
    codes = feasible_codes(3, [])
    rank = by_priority(["1"] * 200 + ["2", "3"], ["a", "b", "c"], codes)
    assert rank.tolist() == by_priority(["1", "2", "3"], ["a", "b", "c"], codes).tolist()


def test_weights_are_added_without_rounding():
    codes = feasible_codes(3, [])
    rank = by_weight({"a": 0.1, "b": 0.2, "c": 0.3}, ["a", "b", "c"], codes)
    assert rank[3] == rank[4]  # 0.1 + 0.2 is 0.3


# -- what the file can say --

FULL = """
title: Everything at once
decision_makers: {A: [a1, a2], B: [b]}
infeasible: [YY-]
moves:
  - {by: A, from: N--, to: Y--, allowed: false}
  - {by: B, from: YN-, to: N--, allowed: true}
preferences:
  A: {ranking: [1, ">>", 2, [3, 4], 5, 6], unknown: [[1, 6]]}
  B: {weights: {a1: 2, b and not a2: -0.5}, fuzzy: {threshold: 0.4, degrees: [[1, 2, 0.7]]}}
attitudes: {A: {B: negative}}
perceptions: {B: {preferences: {A: [6, 5, 4, 3, 2, 1]}, unseen: [a2]}}
status_quo: NNN
"""


def test_every_section_is_read():
    conflict = loads(FULL)
    a, b = conflict.preferences
    assert a.strength.tolist() == [1, 0, 0, 0, 0, 0]
    assert bool(a.unsure(0, 5))
    assert bool(a.unsure(5, 0))
    assert not a.better(5, 0)
    assert b.certainty(1, 0) == pytest.approx(0.4)
    assert bool(b.better(1, 0))  # from 2 to 1: r = 0.7, 0.7 − 0.3 meets 0.4
    assert conflict.attitudes == {0: (1, -1)}
    assert conflict.views[1].unseen == (1,)
    index = {conflict.pattern(s): s for s in range(conflict.size)}
    assert index["YNN"] not in conflict.moves.targets(0, index["NNN"])
    assert index["NYN"] in conflict.moves.targets(0, index["NNN"])
    assert index["NNN"] in conflict.moves.targets(1, index["YNN"])
    assert conflict.status_quo == index["NNN"]


def test_an_option_that_one_cannot_see_is_not_there_for_it():
    text = """
decision_makers: {A: [a], B: [b]}
preferences: {A: [NY, YN, NN, YY], B: [YN, NN, NY, YY]}
perceptions: {A: {unseen: [b]}}
"""
    conflict = loads(text)
    answer = hypergame(conflict, ["Nash"])
    # A sees only NN and YN, and prefers YN; so it rests at YN and, as it sees it, at YY
    assert answer.stable.sel(concept="Nash", decision_maker="A").values.tolist() == [
        False,
        True,
        False,
        True,
    ]
    assert answer.equilibria("Nash") == [2]
    assert answer.believes("Nash", "A") == [2]


# -- what a person sees --


def test_the_library_has_the_lens_by_its_name():
    answer = servanda.graph(EXAMPLES / "elmira.yaml", ["Nash"])
    assert answer.equilibria("Nash") == [5, 6, 7, 10, 11, 12]


def test_results_convert_and_draw(tmp_path):
    conflict = load(EXAMPLES / "elmira.yaml")
    answer = stability(conflict)
    frame = answer.to_dataframe()
    assert frame.index[frame["SEQ"]].tolist() == answer.equilibria("SEQ")
    assert json.loads(answer.to_json())["equilibria"]["Nash"] == answer.equilibria("Nash")
    assert "<svg" in answer._repr_html_()
    for what in ("equilibria", "graph"):
        answer.plot(what, tmp_path / f"{what}.svg")
        assert "<svg" in (tmp_path / f"{what}.svg").read_text()
    tree = status_quo(conflict)
    tree.plot("tree", tmp_path / "tree.svg")
    assert json.loads(tree.to_json())["start"] == 1
    assert len(tree.to_dataframe()) == len(tree.nodes)
    found = inverse(conflict, 7, ["MoE"])
    assert json.loads(found.to_json())["counts"]["Nash"]["number"] == "239500800"
    assert found.to_dataframe().loc["Nash", "share"] == 0.5
    why = answer.explain(1)
    assert "GMR: an equilibrium." in why.why()[1]
    assert len(why.to_dataframe()) == len(why.improvements) * 4


def test_names_that_steer_terminals_or_charts_are_defused(tmp_path):
    text = (
        "decision_makers: {'<b>A</b>': [\"datum['x']\"], B: ['[red]b[/red]']}\n"
        "preferences: {'<b>A</b>': [1, 2, 3, 4], B: [4, 3, 2, 1]}\n"
    )
    answer = stability(loads(text))
    assert "[red]b[/red]" in str(answer)
    answer.plot("graph", tmp_path / "x.svg")
    assert "<b>A" not in (tmp_path / "x.svg").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "EQUILIBRIA"),
        (["--state", "9"], "unstable for Uniroyal: it improves to 11 (NNNYY)"),
        (["--paths-from", "1", "--steps", "1"], "Local Government to 7 (NYNNY) *"),
        (["--inverse", "7", "--vary", "MoE"], "239,500,800"),
        (["--coalition", "MoE,Uniroyal", "--concepts", "Nash,SEQ"], "1, 5, 6, 9, 10, 11, 12"),
        (["--json"], '"equilibria"'),
    ],
)
def test_the_command_answers(words, said, capsys):
    assert main(["graph", str(EXAMPLES / "elmira.yaml"), *words]) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--state", "13"], "there is no state 13"),
        (["--vary", "MoE"], "--vary goes with --inverse"),
        (["--state", "1", "--inverse", "1"], "ask one of"),
        (["--picture", "graph"], "a picture needs --out"),
        (["--perceptions"], "no `perceptions`"),
    ],
)
def test_the_command_says_what_is_wrong(words, said, capsys):
    assert main(["graph", str(EXAMPLES / "elmira.yaml"), *words]) == 2
    assert said in capsys.readouterr().err


def test_a_million_states_take_seconds_and_little_memory():
    import time

    rng = np.random.default_rng(1)
    owners = {"A": [f"a{k}" for k in range(10)], "B": [f"b{k}" for k in range(10)]}
    conflict = option_form(owners, {name: rng.permutation(1 << 20) for name in owners})
    start = time.perf_counter()
    answer = stability(conflict, BASIC)
    assert time.perf_counter() - start < 20
    assert "SEQ" in str(answer)
    with pytest.raises(QuestionError, match="too many for a table"):
        answer.plot("equilibria")


@pytest.mark.parametrize("seed", range(1, 7))
def test_three_ways_of_working_it_out_agree_on_hundreds_of_states(seed):
    """By bits of options, by lists of arcs with the last mover kept, by tables of states."""
    rng = np.random.default_rng(seed)
    owners = {"a": ["a0", "a1", "a2", "a3"], "b": ["b0", "b1", "b2"], "c": ["c0", "c1"]}
    patterns = ["".join(rng.choice(list("YN" + "-" * 12), 9)) for _ in range(3)]
    patterns = [p for p in patterns if p.count("-") < 8]
    size = feasible_codes(9, patterns).size
    conflict = option_form(
        owners,
        {name: rng.integers(0, size, size) for name in owners},
        infeasible=patterns,
        directions={"a0": "N->Y", "a2": "Y->N", "b1": "N->Y"},
    )
    by_arcs = replace(conflict, arcs=tuple(conflict.moves.arcs(i) for i in range(3)))
    for kind in ("legal-sequences", "each-once", "single"):
        bits, arcs, tables = (
            stability(c, BASIC, sanctions=kind, coalitions=groups).stable.values
            for c, groups in ((conflict, []), (by_arcs, []), (conflict, [["a"]]))
        )
        assert (bits == arcs).all()
        assert (bits == tables).all()
    ahead = ["L1", "L2", "L5", "NM"]
    assert (stability(conflict, ahead).stable == stability(by_arcs, ahead).stable).all()
