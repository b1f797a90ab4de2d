"""Where the verdict turns, on a case whose flips can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import servanda as sv
from servanda.errors import QuestionError
from servanda.questions.flip import ASIDE, NARROW
from servanda.questions.roots import narrow

RIVER = Path(__file__).parent / "river.yaml"
YEARS = (1 - 0.9**5) / (1 - 0.9)


@pytest.fixture(scope="module")
def case():
    return sv.load(RIVER)


@pytest.fixture(scope="module")
def answer(case):
    return sv.flip(case, "half", "north", pair=True, sobol=64)


def test_worth_turns_where_half_the_benefit_is_the_cost(answer):
    """North gains (benefit / 2 - cost) a year: 2 and 0.8 as usual."""
    found = {f.assumption: f for f in answer.flips}
    assert found["benefit"].value == pytest.approx(1.6, abs=NARROW * 3)
    assert found["benefit"].inside
    assert found["benefit"].rises
    assert found["cost"].value == pytest.approx(1.0, abs=NARROW * 1.2)
    assert found["cost"].inside
    assert not found["cost"].rises


def test_every_flip_is_seen_by_solving_again_on_both_sides(case, answer):
    assert answer.flips
    for f in answer.flips:
        assert f.verified
        signs = []
        for side in (-1, 1):
            world = sv.modal(case)
            values = world.values.copy()
            step = side * ASIDE * (f.high - f.low)
            values[0, world.names.index(f.assumption)] = f.value + step
            solved = sv.solve(case, "half", worlds=_with(world, values))
            signs.append(float(solved.worth.sel(party="north")[0]) > 0)
        assert signs == [not f.rises, f.rises]


def _with(world, values):
    from dataclasses import replace

    return replace(world, values=values)


def test_an_assumption_that_does_not_matter_neither_swings_nor_flips(answer):
    assert abs(float(answer.swing().sel(assumption="greed"))) < 1e-3
    assert "greed" not in {f.assumption for f in answer.flips if f.inside}


def test_gradients_are_those_of_the_closed_form(answer):
    slope = answer.derivatives.gradient.isel(world=0).sel(figure="worth.north")
    assert float(slope.sel(assumption="benefit")) == pytest.approx(0.5 * YEARS, rel=1e-4)
    assert float(slope.sel(assumption="cost")) == pytest.approx(-YEARS, rel=1e-4)


def test_levels_of_terms_are_tried_one_at_a_time(answer):
    rows = {(v.term, v.level): v for v in answer.levels if not v.usual}
    assert set(rows) == {("inspectors", "some")}
    # nobody reads whether there are inspectors
    usual = answer.levels[0].worth["north"]
    assert rows["inspectors", "some"].worth["north"] == pytest.approx(usual, abs=1e-12)
    assert not rows["inspectors", "some"].flips


def test_rival_readings_are_tried_one_at_a_time(case):
    south = sv.flip(case, "half", "south")
    assert [(r.hypothesis, r.flips) for r in south.readings] == [("angry", True)]


def test_break_even_compliance_is_where_kept_and_broken_promises_balance(case):
    """Kept: (0.5 x 2 - 0.8) a year for five years. Broken: the first year, less the harm; then no
    deal, in which south does not pump."""
    (c,) = sv.flip(case, "half", "north").compliance
    kept, broken = 0.2 * YEARS, 0.2 - 3
    assert c.others == ("south",)
    assert c.kept == pytest.approx(kept, abs=1e-3)
    assert c.broken == pytest.approx(broken, abs=1e-3)
    assert c.break_even == pytest.approx(-broken / (kept - broken), abs=1e-3)


def test_the_map_is_zero_on_the_line_of_the_closed_form(answer):
    m = answer.map
    assert {m.x_name, m.y_name} == {"benefit", "cost"}
    benefit, cost = (m.x, m.y) if m.x_name == "benefit" else (m.y, m.x)
    worth = m.worth if m.x_name == "benefit" else m.worth.T
    expected = (0.5 * benefit[None] - cost[:, None]) * YEARS
    assert worth == pytest.approx(expected, abs=2e-3)


def test_sobol_indices_of_a_sum_are_shares_of_variance(case, answer):
    """Worth is a sum of a term in the benefit and one in the cost: no interactions."""
    var = {
        name: scale**2 * np.var(case.assumptions[name].distribution.ppf(np.linspace(0, 1, 20001)))
        for name, scale in (("benefit", 0.5), ("cost", 1.0))
    }
    total = sum(var.values())
    for name, found, (low, high) in zip(
        answer.sobol.names, answer.sobol.total, answer.sobol.total_interval, strict=True
    ):
        expected = var.get(name, 0.0) / total
        assert found == pytest.approx(expected, abs=max(0.15, high - low))


def test_every_view_of_the_answer_can_be_made(answer, tmp_path):
    table = answer.to_dataframe()
    assert list(table.assumption) == ["benefit", "cost", "harm", "greed", "peace"]
    assert "WHERE THE VERDICT TURNS" in str(answer)
    assert '"flips"' in answer.to_json()
    for what in answer.PICTURES:
        answer.plot(what, tmp_path / f"{what}.svg")


def test_pictures_that_were_not_asked_for_say_how_to_ask(case):
    plain = sv.flip(case, "half", "north")
    with pytest.raises(QuestionError, match="pair=True"):
        plain.plot("map")
    with pytest.raises(QuestionError, match="sobol=32"):
        plain.plot("sobol")


@pytest.mark.parametrize(
    ("deal", "party", "pair", "words"),
    [
        ("hlf", "north", False, "unknown deal 'hlf'; did you mean 'half'"),
        ("half", "noth", False, "unknown party 'noth'; did you mean 'north'"),
        ("half", "north", ("cots", "harm"), "unknown assumption 'cots'; did you mean 'cost'"),
        ("half", "north", ("cost", "cost"), "two different assumptions"),
        ("half", "north", "xx", "unknown assumption"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(case, deal, party, pair, words):
    with pytest.raises(QuestionError, match=words):
        sv.flip(case, deal, party, pair=pair)


# -- roots --------------------------------------------------------------------------------------


@given(
    st.lists(st.floats(-0.99, 0.99), min_size=1, max_size=6),
    st.sampled_from(["line", "cube", "step", "wave"]),
)
def test_roots_and_jumps_are_bracketed_to_the_width_asked_for(at, kind):
    at = np.array(at)
    shapes = {
        "line": lambda x, r: x - r,
        "cube": lambda x, r: (x - r) ** 3,
        "step": lambda x, r: np.where(x < r, -1.0, 2.0),
        "wave": lambda x, r: np.tanh(30 * (x - r)) + 0.01 * (x - r),
    }

    def figures(which, x):
        return shapes[kind](x, at[which])

    ends = np.array([[-1.0, 1.0]]).repeat(len(at), 0)
    every = np.arange(len(at))
    x, f = narrow(
        figures,
        ends[:, 0],
        ends[:, 1],
        figures(every, ends[:, 0]),
        figures(every, ends[:, 1]),
        np.full(len(at), 0.001),
    )
    assert (np.abs(x[:, 1] - x[:, 0]) <= 0.001).all()
    assert (np.min(x, axis=1) - 1e-12 <= at).all()
    assert (at <= np.max(x, axis=1) + 1e-12).all()
    assert (f[:, 0] * f[:, 1] <= 0).all()


def test_the_ends_of_an_interval_must_differ_in_sign():
    with pytest.raises(ValueError, match="differ in sign"):
        narrow(lambda which, x: x, np.ones(1), 2 * np.ones(1), np.ones(1), np.ones(1), np.ones(1))
