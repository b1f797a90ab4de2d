"""Charts of characters: aligned, at the right height, and drawn whatever the numbers are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from servanda.show.text_charts import ascii_sparkline, sparkline, terminal_survival

PERIODS = np.arange(41)
FALL = np.linspace(1, 0, 41)


def drawn_rows(text: str, marks: str) -> list[int]:
    """The lines of the drawn area on which any of the marks stand."""
    return [k for k, line in enumerate(text.split("\n")[:-3]) if set(line[6:]) & set(marks)]


@pytest.mark.parametrize("ascii_only", [False, True])
@given(
    values=arrays(float, st.integers(0, 30), elements=st.floats(allow_nan=True, width=32)),
    width=st.integers(1, 100),
    height=st.integers(1, 20),
)
def test_every_line_is_equally_wide(
    ascii_only: bool, values: np.ndarray, width: int, height: int
) -> None:
    at = np.arange(values.size)
    text = terminal_survival(
        at, values, values, values, width=width, height=height, ascii_only=ascii_only
    )
    lines = text.split("\n")
    assert {len(line) for line in lines} == {max(width, 14)}
    assert text.isascii() or not ascii_only


@pytest.mark.parametrize(("value", "row"), [(1.0, 0), (0.5, 4), (0.0, 8)])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_constant_is_drawn_beside_its_label(value: float, row: int, ascii_only: bool) -> None:
    flat = np.full(41, value)
    none = np.full(41, np.nan)
    text = terminal_survival(PERIODS, flat, none, none, height=9, ascii_only=ascii_only)
    marks = "*" if ascii_only else [chr(0x2800 + k) for k in range(1, 256)]
    assert drawn_rows(text, marks) == [row]
    assert text.split("\n")[row].lstrip().startswith(f"{value:.0%}".replace("%", " %"))


def test_a_steep_fall_has_no_gaps() -> None:
    cliff = np.where(PERIODS < 20, 1.0, 0.0)
    text = terminal_survival(PERIODS, cliff, cliff, cliff, height=9, ascii_only=True)
    assert drawn_rows(text, "*") == list(range(9))


def test_the_band_lies_between_its_edges() -> None:
    text = terminal_survival(PERIODS, FALL * np.nan, FALL * 0 + 0.25, FALL * 0 + 0.75, height=9)
    assert drawn_rows(text, "░") == [2, 3, 4, 5, 6]


def test_one_period_is_one_visible_mark() -> None:
    assert terminal_survival([0], [0.5], [0.4], [0.6]).count("●") == 1


def test_the_axis_ends_at_the_last_period_and_names_its_unit() -> None:
    lines = terminal_survival(PERIODS, FALL, FALL, FALL, unit="quarter").split("\n")
    assert lines[-2].split() == ["0", "10", "20", "30", "40"]
    assert lines[-1].strip() == "quarters since signature"


def test_a_sparkline_goes_from_full_to_empty() -> None:
    line = sparkline(FALL, 8)
    assert len(line) == 8
    assert line[0] == "█"
    assert line[-1] == "▁"
    assert sparkline([0.0, np.nan, 1.0], 5) == "▁ █  "
    assert ascii_sparkline([0.0, 1.0], 2) == "_@"
