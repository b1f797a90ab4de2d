"""Published conflicts of the graph model, with the results that were printed or shipped for them.

Where a number stands in a source, the source is named. Printed or shipped numbers that are known to
be wrong are not expected here; what is wrong with them is said beside the right ones:

- GMCR+ guide, figure 24: "420 SEQ, 420 GMR" rankings of Syria that make state 2 an equilibrium. It
  is 384: the program goes on over a player's improvements after one that is not sanctioned, and a
  later sanctioned one sets the state back to stable. In closed form 720 × 8/15 = 384; the slip
  gives 720 × 7/12 = 420. The same slip is in the expected inverse files shipped with gmcr-py.
- gmcr-py's expected file for Garrison has single countermoves where its dense engine has each
  opponent move at most once; the standard is legal sequences, which has one state more.
- gmcr-py's dense simultaneous stability uses up an iterator on a player's first improvement, so
  that its second one meets no sanction.
- With three or four players gmcr-py's dense SEQ and sparse GMR are not those of the standard.
"""

from pathlib import Path

import numpy as np
import pytest

from servanda.tables.graph import inverse, load, loads, option_form, stability, status_quo
from servanda.tables.graph.model import feasible_codes
from servanda.tables.graph.statements import by_priority

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "graph"
CONCEPTS = ("Nash", "GMR", "SMR", "SEQ", "SIM")


def equilibria(conflict, concepts=CONCEPTS, **how):
    answer = stability(conflict, concepts, **how)
    return {concept: answer.equilibria(concept) for concept in concepts}


def scores(ranking, size):
    """A ranking from the most to the least preferred state number, ties in brackets, as scores."""
    found = np.full(size, -1)
    for place, tied in enumerate(ranking):
        for state in tied if isinstance(tied, list) else [tied]:
            found[state - 1] = len(ranking) - place
    assert (found >= 0).all()
    return found


EUPHRATES = {"Syria": [1, 3, 6, 2, 4, 5], "Iraq": [2, 4, 6, 1, 5, 3]}

CUBAN = """
title: The Cuban missile crisis
decision_makers:
  US: [Air Strike, Blockade]
  USSR: [Withdraw, Escalate]
infeasible: [--YY]
irreversible: {Air Strike: N->Y}
preferences:
  US: [5, 7, 6, 8, 3, 2, 4, 1, 12, 10, 11, 9]
  USSR: [1, 5, 7, 3, 6, 2, 8, 4, 12, 10, 11, 9]
"""


# -- Syria and Iraq, 1975: GMCR+ guide (Kinsara 2014), tables 1 and 3, figures 19, 20, 24 --


def test_euphrates_has_the_states_of_the_guide():
    conflict = load(EXAMPLES / "euphrates-1975.yaml")
    assert [conflict.pattern(s) for s in range(6)] == ["NNN", "YNN", "NYN", "NNY", "YNY", "NYY"]


def test_euphrates_statements_give_the_rankings_of_the_guide():
    conflict = load(EXAMPLES / "euphrates-1975.yaml")
    for name, ranking in EUPHRATES.items():
        rank = conflict.preferences[conflict.position(name)].rank
        assert (np.argsort(-rank) + 1).tolist() == ranking
    codes = feasible_codes(3, ["YY-"])
    shipped = {
        "Syria": ["NNN", "-Y-", "--N", "N--"],
        "Iraq": ["YNN", "NNY", "NYY", "NNN", "YNY"],
    }
    for name, statements in shipped.items():
        rank = by_priority(statements, ["Release Water", "Escalate", "Attack"], codes)
        assert (np.argsort(-rank) + 1).tolist() == EUPHRATES[name]


def test_euphrates_equilibria_of_figure_19():
    expected = {"Nash": [6], "GMR": [1, 6], "SMR": [6], "SEQ": [6], "SIM": [6]}
    assert equilibria(load(EXAMPLES / "euphrates-1975.yaml")) == expected


def test_euphrates_inverse_of_figure_24_without_its_slip():
    conflict = load(EXAMPLES / "euphrates-1975.yaml")
    found = inverse(conflict, 2, ["Syria"])
    assert {c.concept: c.number for c in found.counts} == {
        "Nash": 240,
        "SMR": 300,
        "GMR": 384,  # printed: 420, see above
        "SEQ": 384,  # printed: 420
    }
    assert {c.of for c in found.counts} == {720}
    assert 720 * 8 // 15 == 384
    assert 720 * 7 // 12 == 420


def test_euphrates_moves_of_the_status_quo_tree_of_figure_20():
    moves = status_quo(load(EXAMPLES / "euphrates-1975.yaml"), 1).moves()
    drawn = {
        (1, "Syria", 2, False),
        (1, "Syria", 3, False),
        (1, "Iraq", 4, True),
        (4, "Syria", 5, False),
        (4, "Syria", 6, True),
        (5, "Iraq", 2, True),
        (3, "Iraq", 6, True),
    }
    assert drawn <= moves


# -- Elmira, in the encoding of 12 states; GMCR+ guide, figures 29 and 30 --


def test_elmira_has_the_states_of_the_file():
    conflict = load(EXAMPLES / "elmira.yaml")
    assert [conflict.pattern(s) for s in range(conflict.size)] == [
        "NYNNN", "YYNNN", "NNYNN", "YNYNN", "NNNYN", "YNNYN",
        "NYNNY", "YYNNY", "NNYNY", "YNYNY", "NNNYY", "YNNYY",
    ]  # fmt: skip


def test_elmira_equilibria():
    """Figure 29 shows states 7 to 12 only; the others are computed by an independent reference."""
    found = equilibria(load(EXAMPLES / "elmira.yaml"))
    for concept in CONCEPTS:
        assert [s for s in found[concept] if s >= 7] == [7, 10, 11, 12]
    assert found == {
        "Nash": [5, 6, 7, 10, 11, 12],
        "GMR": [1, 4, 5, 6, 7, 10, 11, 12],
        "SMR": [1, 4, 5, 6, 7, 10, 11, 12],
        "SEQ": [5, 6, 7, 10, 11, 12],
        "SIM": [5, 6, 7, 10, 11, 12],
    }


def test_elmira_with_the_coalition_of_figure_30():
    """In the guide state 7 is no equilibrium any more; the sets are computed by a reference."""
    conflict = load(EXAMPLES / "elmira.yaml")
    found = equilibria(conflict, CONCEPTS[:4], coalitions=[["MoE", "Uniroyal"]])
    assert all(7 not in states for states in found.values())
    assert found == {
        "Nash": [5, 6, 9, 10, 11, 12],
        "GMR": [1, 3, 4, 5, 6, 9, 10, 11, 12],
        "SMR": [1, 3, 4, 5, 6, 9, 10, 11, 12],
        "SEQ": [1, 5, 6, 9, 10, 11, 12],
    }
    together = stability(conflict, ["Nash"], coalitions=[["MoE", "Uniroyal"]])
    assert ("MoE + Uniroyal", 10) in {(i.by, i.to) for i in together.explain(7).improvements}
    assert ("Local Government", 7) in {(i.by, i.to) for i in together.explain(1).improvements}


# -- Cuban missile crisis: Fraser and Hipel, Conflict Analysis (1984) --


def test_cuba_with_an_air_strike_that_cannot_be_undone():
    assert equilibria(loads(CUBAN)) == {
        "Nash": [6],
        "GMR": [1, 2, 3, 5, 6, 7, 8],
        "SMR": [1, 2, 3, 5, 6, 7, 8],
        "SEQ": [5, 6, 7],
        "SIM": [6],
    }


def test_cuba_as_fraser_and_hipel_have_it_every_move_reversible():
    """Their equilibria are the states 4 and 6 in decimal, which are numbers 5 and 7 here."""
    reversible = CUBAN.replace("irreversible: {Air Strike: N->Y}\n", "")
    conflict = loads(reversible)
    assert conflict.codes[[4, 6]].tolist() == [4, 6]
    assert equilibria(conflict, CONCEPTS[:4]) == {
        "Nash": [],
        "SEQ": [5, 7],
        "GMR": [1, 2, 3, 5, 6, 7, 8],
        "SMR": [1, 2, 3, 5, 6, 7, 8],
    }


# -- small ones --


def test_prisoners_dilemma():
    """gmcr-py's expected file, by every concept."""
    conflict = option_form(
        {"one": ["cooperate with 2"], "two": ["cooperate with 1"]},
        {"one": scores([3, 4, 1, 2], 4), "two": scores([2, 4, 1, 3], 4)},
    )
    assert equilibria(conflict) == {
        "Nash": [1],
        "GMR": [1, 4],
        "SMR": [1, 4],
        "SEQ": [1, 4],
        "SIM": [1, 4],
    }


@pytest.mark.parametrize("form", ["options", "states"])
def test_chicken(form):
    """Two equilibria in which one yields; worked by hand."""
    if form == "options":
        conflict = option_form(
            {"Row": ["D"], "Col": ["drive"]},
            {"Row": scores([2, 1, 3, 4], 4), "Col": scores([3, 1, 2, 4], 4)},
        )
    else:
        conflict = loads(
            "decision_makers: [Row, Col]\n"
            "states: [CC, DC, CD, DD]\n"
            "arcs:\n"
            "  Row: [[CC, DC], [DC, CC], [CD, DD], [DD, CD]]\n"
            "  Col: [[CC, CD], [CD, CC], [DC, DD], [DD, DC]]\n"
            "preferences: {Row: [DC, CC, CD, DD], Col: [CD, CC, DC, DD]}\n"
        )
    assert equilibria(conflict, CONCEPTS[:4]) == {
        "Nash": [2, 3],
        "GMR": [1, 2, 3],
        "SMR": [1, 2, 3],
        "SEQ": [2, 3],
    }
