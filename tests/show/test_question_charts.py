"""Charts of the questions after the first: each draws, says what it shows, and shows what is so."""

import json
from collections.abc import Callable, Sequence
from xml.etree import ElementTree

import numpy as np
import pytest

from servanda.errors import QuestionError
from servanda.show import (
    claims_charts,
    compare_charts,
    design_charts,
    flip_charts,
    levers_charts,
    render,
)
from servanda.show.contour import zero_contour
from servanda.show.labels import LINE, beside, spread, text_width
from servanda.show.marks import Spec, clean

Chart = Callable[[Sequence[str], np.ndarray], Spec]


def _square(values: np.ndarray) -> np.ndarray:
    return np.add.outer(values, values)


def _pairs(values: np.ndarray) -> np.ndarray:
    return np.stack([values - 1, values + 1], axis=-1)


# Each chart as a function of names and of as many numbers.
CHARTS: dict[str, Chart] = {
    "dot_whisker": lambda names, v: compare_charts.dot_whisker(
        names, names, _square(v) - 1, _square(v), _square(v) + 1, _square(v), v > 0, unit=names[0]
    ),
    "survival_lines": lambda names, v: compare_charts.survival_lines(
        v, _square(v) / 10, _square(v) / 20, names, unit=names[0]
    ),
    "tornado": lambda names, v: flip_charts.tornado(
        names, -v, v, 0.5, v, figure=names[0], flip_worth=v, ends=_pairs(v), verdict=names[0]
    ),
    "heat_map": lambda names, v: flip_charts.heat_map(
        np.arange(v.size), np.arange(v.size), _square(v), names[0], names[0], None, figure=names[0]
    ),
    "sobol_bars": lambda names, v: flip_charts.sobol_bars(
        names, v, _pairs(v), v, _pairs(v), figure=names[0]
    ),
    "claim_shares": lambda names, v: claims_charts.claim_shares(
        names, v, v, v, [None] * v.size, subject=names[0]
    ),
    "trajectory": lambda names, v: claims_charts.trajectory(v, v, v, 0, outcome=names[0]),
    "frontier": lambda names, v: design_charts.frontier(
        v, -v, v, v > 0, v > 0, {names[0]: 0}, names[0], names[0]
    ),
    "packages": lambda names, v: levers_charts.packages(v, v, names, v > 0, cost_title=names[0]),
    "acceptance": lambda names, v: levers_charts.acceptance(
        np.arange(v.size), v, _square(v), names, deal_name=names[0], party=names[0]
    ),
    "schedule": lambda names, v: levers_charts.schedule(
        np.arange(v.size), _square(v), names, subject=names[0]
    ),
}
NUMBERS = np.array([0.3, -0.7, 0.9])
HOSTILE = [
    '</text><script>alert("x")</script>',
    "datum.worth ? 1 : 0 //'\\",
    "line one\nline two\x1b[31m red ¶",
    "\u202egnirts desrever",
    "__proto__",
    "a" * 5000,
    "",
]


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_stay_text(chart: str, text: str) -> None:
    spec = CHARTS[chart]([text, text, "other"], NUMBERS)
    svg = render.to_svg(spec)
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()}
    assert "script" not in tags
    assert "\x1b" not in svg
    assert "\u202e" not in svg


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("gap", [np.nan, np.inf, -np.inf])
def test_unknown_numbers_are_left_out_of_the_picture(chart: str, gap: float) -> None:
    for numbers in (np.array([0.3, gap, 0.9]), np.array([gap, 0.2, gap])):
        spec = CHARTS[chart](["a", "b", "c"], numbers)
        json.dumps(spec, allow_nan=False)
        svg = render.to_svg(spec)
        assert "NaN" not in svg
        assert "Infinity" not in svg


@pytest.mark.parametrize("chart", CHARTS)
def test_nothing_to_draw_is_said_in_a_sentence(chart: str) -> None:
    class NoNames(list[str]):  # but a title can still be had
        def __getitem__(self, _: object) -> str:  # type: ignore[override]
            return "a"

    with pytest.raises(QuestionError, match="there are no"):
        CHARTS[chart](NoNames(), np.zeros(0))


def test_the_proposals_that_all_sign_are_marked() -> None:
    v = np.zeros((2, 1))
    spec = compare_charts.dot_whisker(["a", "b"], ["p"], v - 1, v, v + 2, v, [True, False])
    rows = spec["vconcat"][0]["hconcat"][0]["data"]["values"]
    assert [(row["proposal"], row["signed"]) for row in rows] == [("a", True), ("b", False)]
    assert "Signed by every signatory: a." in spec["description"]


def test_proposals_given_the_wrong_way_round_are_refused() -> None:
    v = np.zeros((3, 2))
    with pytest.raises(ValueError, match="shape"):
        compare_charts.dot_whisker(["a", "b"], ["p", "q", "r"], v, v, v, v, [True, False])


def test_assumptions_come_with_the_widest_swing_first() -> None:
    spec = flip_charts.tornado(
        ["little", "both ends up", "wide", "unknown"],
        [0.9, 3.0, -2.0, np.nan],
        [1.1, 2.0, 1.0, np.nan],
        1.0,
        [np.nan, np.nan, 0.6, np.nan],
        figure="the worth",
        most=3,
    )
    notes = spec["data"]["values"]
    assert [row["assumption"] for row in notes] == ["wide", "both ends up", "little"]
    assert [row["turn"] for row in notes] == ["flips at 0.6", "", ""]
    assert "Not shown: 1 more" in " ".join(spec["title"]["subtitle"])


def test_the_flip_line_of_a_plane_lies_where_the_plane_is_zero() -> None:
    x, y = np.array([0.0, 1.0, 3.0, 4.0]), np.array([-1.0, 0.5, 2.0])
    line = zero_contour(x, y, 2 * x - 3 * y[:, None] - 1.3)
    assert len(line) > 2
    assert 2 * line[..., 0] - 3 * line[..., 1] == pytest.approx(1.3)


def test_the_flip_line_of_a_circle_closes_and_has_its_length() -> None:
    x = np.linspace(-1.5, 1.53, 61)  # no place lies on the circle itself
    line = zero_contour(x, x, x**2 + x[:, None] ** 2 - 1)
    assert np.hypot(line[..., 0], line[..., 1]) == pytest.approx(1, abs=0.05**2)
    length = np.linalg.norm(line[:, 1] - line[:, 0], axis=-1).sum()
    assert length == pytest.approx(2 * np.pi, rel=2e-3)
    ends, times = np.unique(line.reshape(-1, 2).round(9), axis=0, return_counts=True)
    assert len(ends) == len(line)
    assert (times == 2).all()  # every end is where the next segment starts


@pytest.mark.parametrize("lift", [0.1, -0.1])
def test_a_saddle_is_parted_as_its_centre_says(lift: float) -> None:
    corners = np.array([[1.0, -1.0], [-1.0, 1.0]]) + lift
    line = zero_contour([0, 1], [0, 1], corners)
    middles = line.mean(axis=1)
    assert len(line) == 2
    # A high centre joins the high corners (0, 0) and (1, 1): the line cuts off the other two.
    assert ((middles[:, 0] - middles[:, 1]) ** 2 > 0.1).all() == (lift > 0)


def test_a_map_without_a_sign_change_says_so() -> None:
    spec = flip_charts.heat_map([0, 1], [0, 1], np.ones((2, 2)), "a", "b", (0, 0), figure="it")
    assert "flips nowhere" in spec["description"]
    assert zero_contour([0, 1], [0, 1], [[1, np.nan], [-1, -1]]).size == 0


def test_cells_meet_half_way_between_their_places() -> None:
    spec = flip_charts.heat_map([0, 1, 3], [5], [[1, 2, 3]], "a", "b", None, figure="it")
    cells = spec["layer"][0]["data"]["values"]
    assert [(c["x"], c["x2"]) for c in cells] == [(-0.5, 0.5), (0.5, 2), (2, 4)]


def test_claims_keep_their_order_and_are_cut_at_a_word() -> None:
    long = "Sanctions relief is worth more to Moscow than any land it could still take by force"
    spec = claims_charts.claim_shares(
        ["Time helps us", long], [0.4, 0.9], [0.3, 0.8], [0.5, 1], [True, None]
    )
    first, second = spec["data"]["values"]
    assert first["claim"] == "“Time helps us”"
    assert second["claim"].replace("¶", " ").endswith("could still take…”")
    assert (first["verdict"], second["verdict"]) == ("holds in the central case", "undecided")


def test_of_thousands_of_deals_the_named_and_the_efficient_are_never_left_out() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 5000))
    kept = rng.uniform(size=5000)
    signed, efficient = (x > 0) & (y > 0), x + y > 3.5
    shown = design_charts.thin(np.stack([x, y], -1) * 20, signed, kept, efficient, np.array([17]))
    assert set(np.flatnonzero(efficient)) | {17} <= set(shown.tolist())
    assert len(shown) < 4000
    spec = design_charts.frontier(
        x, y, kept, signed, efficient, {"Nash": 17, "egalitarian": 17}, "a", "b"
    )
    assert "Nash, egalitarian" in spec["description"]
    line = next(la for la in spec["layer"] if la["mark"]["type"] == "line")["data"]["values"]
    assert [row["x"] for row in line] == sorted(row["x"] for row in line)
    assert len(line) == efficient.sum()


def test_the_first_date_at_which_the_deal_beats_every_alternative_is_marked() -> None:
    spec = levers_charts.acceptance(
        [0, 3, 6, 9],
        [1, 2, 3, 4],
        [[2, 2, 2, 2], [0, 3, 3, 3]],
        ["x", "y"],
        deal_name="d",
        party="p",
    )
    assert "for the first time at month 6" in spec["description"]
    never = levers_charts.acceptance([0, 1], [1, 2], [[3, 3]], ["x"], deal_name="d", party="p")
    assert "at no date shown" in never["description"]


def test_a_lever_stands_as_high_as_it_is_used() -> None:
    spec = levers_charts.schedule([0, 1], [[0.5, 0.0], [1.0, 0.25]], ["arms", "monitors"])
    bars = spec["layer"][0]["data"]["values"]
    heights = [(row["lever"], (row["y2"] - row["y"]) / 0.8) for row in bars]
    assert heights == [
        ("arms", pytest.approx(0.5)),
        ("monitors", pytest.approx(1.0)),
        ("monitors", pytest.approx(0.25)),
    ]


def test_labels_of_lines_keep_their_order_and_their_distance() -> None:
    wanted = np.array([50.0, 52, 51, 299, 300, 10])
    places = spread(wanted, LINE, 0, 300)
    assert np.diff(np.sort(places)).min() >= LINE - 1e-9
    assert (np.argsort(places) == np.argsort(wanted)).all()
    assert places.min() >= 0
    assert places.max() <= 300
    assert places[5] == 10


def test_names_of_points_do_not_cover_each_other() -> None:
    points = np.random.default_rng(5).uniform([200, 150], [260, 190], size=(8, 2))
    texts = ["Land with guarantees"] * 8
    places = [p for p in beside(points, texts, points, 620, 380) if p is not None]
    assert len(places) == 8
    wide = text_width(texts[0])
    left = [p.x - wide * {"left": 0, "center": 0.5, "right": 1}[p.align] for p in places]
    for k in range(8):
        for j in range(k):
            apart = abs(left[k] - left[j]) >= wide or abs(places[k].y - places[j].y) >= LINE - 1e-9
            assert apart


def test_names_of_one_spelling_have_rows_of_their_own() -> None:
    spec = levers_charts.packages([1, 2], [1, 2], ["same", "same"], [True, True])
    assert "same (2)" in spec["description"]
    assert clean("same (2)") in render.to_svg(spec)
