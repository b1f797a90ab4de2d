"""Charts: every one draws, whatever the numbers and the names, and says in words what it shows."""

import json
from collections.abc import Callable
from functools import partial
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr

from servanda.show import charts, render
from servanda.show.marks import clean, percent, say, stepped

Chart = Callable[..., charts.Spec]

PARTIES = ["Russia", "Ukraine", "Europe"]
PERIODS = np.arange(25)
DECAY = np.exp(-PERIODS / 9)
WORTHS = np.random.default_rng(1).normal([6, -7, 0.2], [2, 3, 0.5], size=(32, 3))

# Each chart as a function of the deal's name, with plausible figures.
CHARTS: dict[str, Chart] = {
    "survival": partial(
        charts.survival,
        PERIODS,
        DECAY,
        DECAY**2,
        DECAY**0.5,
        modal=DECAY**1.1,
        events=[(6, "most likely breach"), (20, "elections")],
    ),
    "worth_by_party": partial(charts.worth_by_party, PARTIES, WORTHS, WORTHS[0]),
    "worth_by_interest": partial(
        charts.worth_by_interest,
        ["Russia", "Russia", "Ukraine"],
        ["territory", "cost_of_war", "territory"],
        [3.0, -1.0, -4.0],
        [2.0, -2.0, -6.0],
        [4.0, 0.0, -2.0],
    ),
    "flow_over_time": partial(
        charts.flow_over_time, PERIODS, PARTIES, np.outer(DECAY - 0.4, [1, -1, 0])
    ),
    "riders": partial(
        charts.riders, ["rearmament", "prisoners"], [-5.0, 0.6], [-6.0, 0.5], party="Ukraine"
    ),
}


def drawn_text(svg: str) -> str:
    """What a reader of the picture sees and a screen reader says."""
    root = ElementTree.fromstring(svg)
    return " ".join([*root.itertext(), root.get("aria-label", "")])


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_draws_and_describes_itself(name: str) -> None:
    spec = CHARTS[name](deal="kremlin_counter")
    json.dumps(spec, allow_nan=False)
    seen = drawn_text(render.to_svg(spec))
    assert "kremlin_counter" in seen
    assert spec["description"] in seen
    assert render.to_png(spec, scale=1).startswith(b"\x89PNG")


HOSTILE = [
    '</text><script>alert("x")</script>',
    '" onload="alert(1)" x=\'',
    "datum.worth ? 1 : 0 //'\\",
    "line one\nline two\x1b[31m red",
    "\u202egnirts desrever",
    "{{7*7}} ${7*7} &amp; <b>",
    "__proto__",
    "a" * 5000,
    "",
]


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_deal_name_stays_text(name: str, text: str) -> None:
    svg = render.to_svg(CHARTS[name](deal=text))
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()}
    assert "script" not in tags
    assert not any(
        key.startswith("on") for e in ElementTree.fromstring(svg).iter() for key in e.attrib
    )
    assert "\x1b" not in svg
    assert "\u202e" not in svg


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_labels_stay_text(text: str) -> None:
    specs = [
        charts.survival([0, 1], [1, 0.5], [1, 0.4], [1, 0.6], deal="d", events=[(1, text)]),
        charts.worth_by_party([text, "other"], [[1, 2]], [1, 2], deal="d"),
        charts.worth_by_interest([text, text], [text, "other"], [1, 2], deal="d"),
        charts.flow_over_time([0, 1], [text], [[1], [2]], deal="d", unit=text),
        charts.riders([text], [1], [2], deal="d", party=text, unit=text),
        charts.swings([text], [-1], [1], figure=text, unit=text),
    ]
    for spec in specs:
        svg = render.to_svg(spec)
        ElementTree.fromstring(svg)
        assert "<script" not in svg


def test_one_period_is_drawn_as_points() -> None:
    spec = charts.survival([0], [0.7], [0.5], [0.9], deal="d", modal=[0.72])
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["rule", "point", "point"]
    render.to_svg(spec)
    render.to_svg(charts.flow_over_time([0], ["a"], [[1.0]], deal="d"))


def test_one_world_has_no_spread() -> None:
    spec = charts.worth_by_party(["a", "b"], [[1.0, -2.0]], [1.0, -2.0], deal="d")
    first = spec["data"]["values"][0]
    assert first["low"] == first["mean"] == first["high"] == 1.0
    render.to_svg(spec)


def test_unknown_numbers_are_left_out_of_the_picture() -> None:
    holes = np.array([1.0, np.nan, 0.5, np.inf])
    specs = [
        charts.survival(range(4), holes, holes, holes, deal="d"),
        charts.survival(range(4), [np.nan] * 4, [np.nan] * 4, [np.nan] * 4, deal="d"),
        charts.worth_by_party(["a", "b"], [[np.nan, 1], [np.nan, 2]], [np.nan, 1], deal="d"),
        charts.worth_by_interest(["a", "a"], ["x", "y"], [np.nan, 1], deal="d"),
        charts.flow_over_time(range(4), ["a"], holes[:, None], deal="d"),
        charts.riders(["a"], [np.nan], [1], deal="d", party="p"),
        charts.swings(["a", "b"], [np.nan, -1], [np.nan, 1], figure="f"),
    ]
    for spec in specs:
        json.dumps(spec, allow_nan=False)
        assert "NaN" not in render.to_svg(spec)


def test_nothing_to_show_is_an_empty_chart() -> None:
    for spec in (
        charts.survival([], [], [], [], deal="d"),
        charts.worth_by_party([], np.zeros((3, 0)), [], deal="d"),
        charts.worth_by_interest([], [], [], deal="d"),
        charts.flow_over_time([], ["a"], np.zeros((0, 1)), deal="d"),
        charts.riders([], [], [], deal="d", party="p"),
        charts.swings([], [], [], figure="f"),
    ):
        render.to_svg(spec)


def test_labelled_arrays_are_taken_as_they_are() -> None:
    worth = xr.DataArray(WORTHS, dims=("world", "party"), coords={"party": PARTIES})
    assert charts.worth_by_party(PARTIES, worth, worth[0], deal="d") == charts.worth_by_party(
        PARTIES, WORTHS, WORTHS[0], deal="d"
    )


def test_swings_come_with_the_largest_first_and_the_rest_in_words() -> None:
    names = [f"a{k}" for k in range(20)]
    spec = charts.swings(names, -np.arange(20.0), np.arange(20.0), figure="the worth", most=3)
    rows = [row["assumption"] for row in spec["data"]["values"]]
    assert rows == ["a19", "a19", "a18", "a18", "a17", "a17"]
    assert "the other 17 move it by at most 16" in " ".join(spec["title"]["subtitle"])


def test_the_alternative_text_says_when_one_half_is_crossed() -> None:
    spec = charts.survival([0, 1, 2], [1, 0.6, 0.4], [1, 0.5, 0.2], [1, 0.7, 0.6], deal="d")
    assert "falls below one half at month 2" in spec["description"]
    assert "it is 40 %, the band 20 % to 60 %" in spec["description"]


def test_arrays_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        charts.survival([0, 1], [1], [1, 1], [1, 1], deal="d")


def test_numbers_are_said_with_two_digits() -> None:
    assert [say(x) for x in (-7.349, 0.0, 123.0, None, float("nan"))] == [
        "\N{MINUS SIGN}7.3",
        "0",
        "120",
        "unknown",
        "unknown",
    ]
    assert [percent(x) for x in (0.0, 0.002, 0.4, 0.999, 1.0)] == [
        "0 %",
        "under 1 %",
        "40 %",
        "over 99 %",
        "100 %",
    ]


def test_event_labels_stand_on_lines_of_their_own() -> None:
    levels = stepped([(1, "a"), (2, "b"), (9, "c"), (10, "d"), (np.nan, "e")], [0, 10])
    assert levels == [(1, "a", 0), (2, "b", 1), (10, "d", 2), (9, "c", 3)]


def test_clean_text_is_one_short_printable_line() -> None:
    assert clean(" a\n\tb\x00c ") == "a b c"
    assert len(clean("x" * 200)) == 80
