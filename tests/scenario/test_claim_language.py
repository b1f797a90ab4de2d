"""A claim's test is checked when the file is read: each mistake has a place, a cause, a remedy."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servanda.errors import FormulaError, ScenarioError
from servanda.questions.claim_figures import Reader, rows_of
from servanda.scenario import loads
from servanda.scenario.claim_language import FUNCTIONS, Vocabulary, check_claim
from servanda.scenario.formulas import constant, parse_test
from servanda.scenario.worlds import draw

RIVER = (Path(__file__).parents[1] / "questions" / "river.yaml").read_text(encoding="utf-8")
RIVER += "levers:\n  dredge: {owner: north, set: {benefit: '*2'}, cost: 0.1, from: 2}\n"
RIVER += "stocks:\n  silt: {start: 0.2, next: silt}\n"
RIVER = RIVER.replace("  cost: {", "  double: 2*cost\n  cost: {")


def with_claim(test: str) -> str:
    return RIVER + f'claims:\n  it:\n    quote: So.\n    test: "{test}"\n'


MISTAKES = {
    "wort(half, north) > 0": (1, "unknown function 'wort'; did you mean 'worth'?"),
    "worth(hlf, north) > 0": (7, "unknown deal 'hlf' in 'worth'; did you mean 'half'?"),
    "worth(half, noth) > 0": (13, "unknown party 'noth' in 'worth'; did you mean 'north'?"),
    "stock(never, sil, 0) > 0": (14, "unknown stock 'sil' in 'stock'; did you mean 'silt'?"),
    "probability(never, south.pum, 0) > 0": (
        20,
        "unknown move 'south.pum' in 'probability'; did you mean 'south.pump'?",
    ),
    "broken(half, 2, no_pumpin) > 0": (
        17,
        "unknown obligation 'no_pumpin' in 'broken'; did you mean 'no_pumping'?",
    ),
    "gradient(1, benefi) > 0": (
        13,
        "unknown assumption 'benefi' in 'gradient'; did you mean 'benefit'?",
    ),
    "pulled(1, dredg) > 0": (11, "unknown lever 'dredg' in 'pulled'; did you mean 'dredge'?"),
    "benefi > 0": (1, "unknown assumption 'benefi'; did you mean 'benefit'?"),
    "worth(half) > 0": (1, "'worth' takes 2 arguments, (deal, party), not 1"),
    "survival(half, 1, 2) > 0": (1, "'survival' takes 2 arguments, (deal, period), not 3"),
    "value(half) > 0": (
        1,
        "'value' takes 2 to 3 arguments, (deal or never, party[, period]), not 1",
    ),
    "abs(1, 2) > 0": (1, "'abs' takes 1 argument, not 2"),
    "survival(half, 6) > 0": (16, "period 6 in 'survival' is beyond the horizon, 5"),
    "probability(half, south.pump, 5) > 0": (
        31,
        "period 5 in 'probability' is beyond the last period with moves, 4",
    ),
    "survival(half, 1.5) > 0": (
        16,
        "'survival' wants a period here, a whole number from 0 to 5",
    ),
    "survival(half, -1) > 0": (
        16,
        "'survival' wants a period here, a whole number from 0 to 5",
    ),
    "survival(half, benefit) > 0": (
        16,
        "'survival' wants a period here, a whole number from 0 to 5",
    ),
    "worth(never, north) > 0": (7, "'worth' is about a deal; 'never' is none"),
    "worth(1, north) > 0": (7, "'worth' wants the name of a deal here"),
    "signs(alone, south) > 0": (14, "'south' is not asked to sign 'alone'"),
    "worth(half, north)": (1, "the claim is a number, not a test; compare it, as in '... > 0'"),
    "benefit > 1 and cost": (
        17,
        "a test is wanted here, such as 'worth(deal, party) > 0', not a number",
    ),
    "(benefit > 1) + 1 > 0": (2, "a number is wanted here, not a test"),
    "share(benefit) > 0": (
        7,
        "a test is wanted here, such as 'worth(deal, party) > 0', not a number",
    ),
    "half > 0": (1, "'half' is a deal, not a number; say what of it, as in 'worth(half, party)'"),
    "silt > 0": (
        1,
        "'silt' is a stock, not a number; say what of it, as in 'stock(never, silt, 0)'",
    ),
    "gradient(1, double) > 0": (
        13,
        "'double' follows from other assumptions; name one of those",
    ),
    "worth(half, party=north) > 0": (
        19,
        "'party=' cannot stand here: arguments go by their place",
    ),
    "gradient(gradient(1, cost), cost) > 0": (
        10,
        "'gradient' cannot stand inside 'gradient'",
    ),
    "trend(never, north, 3) > 0": (21, "'trend' needs both periods, from and to, or neither"),
    "trend(never, north, 3, 3) > 0": (24, "'trend' wants the later period last"),
}  # fmt: skip


@pytest.mark.parametrize("test", MISTAKES)
def test_a_mistake_in_a_claim_is_one_line_with_its_place(test):
    column, message = MISTAKES[test]
    text = with_claim(test).replace(
        "proposals:\n", "proposals:\n  alone: {signatories: [north], terms: {share: 1}}\n"
    )
    with pytest.raises(ScenarioError) as error:
        loads(text, name="river.yaml")
    line = text.splitlines().index(f'    test: "{test}"') + 1
    place = f"river.yaml:{line}:{column + 11}"
    assert str(error.value) == f"{place}: claims.it.test: {message}"


def test_every_mistake_of_a_claim_is_said_at_once():
    with pytest.raises(ScenarioError) as error:
        loads(with_claim("wort(half, north) > survival(hlf, 9)"))
    assert len(error.value.findings) == 3


def test_names_of_a_damaged_part_are_not_unknown():
    text = with_claim("worth(half, north) > 0 and pulled(1, dredge) > 0")
    text = text.replace("half: {signatories", "half: {signatoires").replace("owner:", "ower:")
    with pytest.raises(ScenarioError) as error:
        loads(text)
    assert not any("claims" in finding.message for finding in error.value.findings)


def test_a_number_that_follows_from_others_is_put_in():
    scenario = loads(with_claim("double > 1"))
    reader = Reader(scenario, rows_of(scenario, draw(scenario, 4)))
    holds, lacking = reader.holds(scenario.claims["it"].test.tree)
    cost = rows_of(scenario, draw(scenario, 4)).values[:, scenario_index(scenario, "cost")]
    assert (holds == (2 * cost > 1)).all()
    assert not lacking.any()


def scenario_index(scenario, name: str) -> int:
    return list(scenario.assumptions).index(name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_says_what_it_takes_and_gives(name):
    function = FUNCTIONS[name]
    assert 1 <= function.needed <= len(function.slots)
    assert function.meaning
    assert function.arguments.count(",") == len(function.slots) - 1
    assert ("[" in function.arguments) == (function.needed < len(function.slots))


# -- whatever is written ---------------------------------------------------------------------------

SCENARIO = loads(RIVER)
WORDS = Vocabulary(
    deals=tuple(SCENARIO.proposals),
    signatories={name: p.signatories for name, p in SCENARIO.proposals.items()},
    parties=tuple(SCENARIO.parties),
    stocks=tuple(SCENARIO.stocks),
    obligations=tuple(SCENARIO.obligations),
    moves=("north.wait", "south.wait", "south.pump"),
    levers=tuple(SCENARIO.levers),
    assumptions=tuple(SCENARIO.assumptions),
    derived={"double": constant(2)},
    horizon=SCENARIO.horizon,
)
ATOMS = st.sampled_from(
    [*FUNCTIONS, "half", "never", "north", "south", "silt", "south.pump", "no_pumping", "dredge",
     "benefit", "cost", "double", "mood", "abs", "min", "x", "0", "1", "2", "1.5", "9", "1e9"]
)  # fmt: skip
TERMS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(ATOMS, st.lists(inner, max_size=4)).map(lambda p: f"{p[0]}({', '.join(p[1])})"),
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**", ">", "<", "and", "or"]), inner)
        .map(" ".join),
        inner.map(lambda x: f"not ({x})"),
        inner.map(lambda x: f"-({x})"),
    ),
    max_leaves=12,
)  # fmt: skip


@given(TERMS)
@settings(max_examples=400, deadline=None)
def test_whatever_is_written_is_read_or_answered_and_what_is_read_can_be_asked(text):
    try:
        test, faults = check_claim(parse_test(text), WORDS)
    except FormulaError:
        return
    for fault in faults:
        assert 0 <= fault.error.offset <= len(text)
    if not faults:
        reader = Reader(SCENARIO, ROWS)
        holds, lacking = reader.holds(test.tree)
        assert holds.shape == lacking.shape == (len(ROWS),)
        assert not np.any(holds & lacking)


ROWS = rows_of(SCENARIO, draw(SCENARIO, 3))


@given(st.text(alphabet="()<>=+-*/., andornt0123456789wvhs\"'[]{}:#%", max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_text_of_a_claim_breaks_the_loader(text):
    quoted = text.replace("'", "''")
    with contextlib.suppress(ScenarioError):  # anything else fails
        loads(RIVER + f"claims:\n  it: {{quote: So., test: '{quoted}'}}\n")


@given(st.sampled_from(list(FUNCTIONS)), st.data())
@settings(max_examples=300, deadline=None)
def test_calls_with_arguments_of_the_right_kinds_are_mostly_sound(name, data):
    right = {
        "deal": ["half"], "deal or never": ["half", "never"], "party": ["north"],
        "signatory": ["south"], "period": ["1", "2"], "past period": ["0"],
        "from": ["1"], "to": ["2"],
        "obligation": ["no_pumping"], "stock": ["silt"], "move": ["south.pump"],
        "assumption": ["benefit"], "lever": ["dredge"], "figure": ["worth(half, north)"],
        "test": ["cost > 1"],
    }  # fmt: skip
    function = FUNCTIONS[name]
    count = data.draw(st.integers(function.needed, len(function.slots)))
    if name == "trend":
        count = data.draw(st.sampled_from([2, 4]))
    said = [data.draw(st.sampled_from(right[slot])) for slot in function.slots[:count]]
    _, faults = check_claim(parse_test(f"{name}({', '.join(said)}) > 0"), WORDS)
    assert faults == []
