"""The page a desk officer reads: what stands on it, and what never does."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from rich.cells import cell_len
from rich.console import Console

from questions.answers import LABELS, PARTIES, est, made_up, verdict
from servanda.game.errors import Estimate
from servanda.questions.assessment import Assessment, Sham, Timing
from servanda.questions.spread import Spread
from servanda.show.figures import band, figure, in_worlds, percent, percent_between
from servanda.show.page import print_on


def line_with(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.strip().startswith(start))


def flowing(answer: Assessment) -> str:
    """The page with its lines joined up."""
    return " ".join(str(answer).split())


def one_chair(**changes: Any) -> Assessment:
    worth = changes.pop("worth", Spread(3.0, 3.0, 1.0, 5.0))
    return made_up(chairs=("north",), verdicts=(verdict("north", worth, **changes),))


# -- figures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (3.14159, float("nan"), "+3.1"),
        (3.14159, 0.001, "+3.1"),
        (3.14159, 0.4, "+3.1"),
        (3.14159, 0.9, "+3"),
        (-41.7, 3.0, "−42"),
        (-41.7, 8.0, "−40"),
        (0.5, 0.5, "+0.5?"),
        (-0.02, 0.5, "0?"),
        (0.0, 0.5, "0"),
        (0.998, float("nan"), "+1.0"),
        (12345.0, float("nan"), "+12,000"),
        (2.5e7, float("nan"), "+2.5e+07"),
        (-3e-9, float("nan"), "−3e−09"),
        (float("nan"), 0.1, "unknown"),
        (float("inf"), 0.1, "unknown"),
    ],
)
def test_a_figure_has_the_digits_its_error_supports(value: float, error: float, said: str) -> None:
    assert figure(value, error) == said


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (0.0, 0.0, "0 %"),
        (0.001, 0.0, "<1 %"),
        (0.999, 0.01, ">99 %"),
        (1.0, 0.0, "100 %"),
        (0.374, 0.02, "37 %"),
        (0.374, 0.08, "~35 %"),
        (0.374, 0.2, "~40 %"),
        (0.374, 0.4, "unclear"),
        (0.374, float("nan"), "37 %"),
        (float("nan"), 0.0, "unknown"),
    ],
)
def test_a_probability_is_rounded_as_its_error_asks(value: float, error: float, said: str) -> None:
    assert percent(value, error) == said


def test_a_band_of_probabilities_is_never_quite_none_or_all() -> None:
    assert percent_between(0.002, 0.4) == "0–40 %"
    assert percent_between(0.001, 0.004) == "<1 %"
    assert percent_between(0.996, 1.0) == ">99 %"
    assert percent_between(0.31, 0.312) == "31 %"
    assert percent_between(0.31, 0.68, 0.07) == "~30–70 %"
    assert percent_between(0.99, 0.99998) == "99–100 %"  # a centre of ">99 %" lies within


def test_a_figure_beyond_its_error_is_not_rounded_away_by_its_row() -> None:
    assert figure(0.017, places=1) == "+0.02"
    assert figure(0.017, 0.001, places=1) == "+0.02"
    assert figure(-0.017, 0.3, places=1) == "0?"  # within its error
    assert figure(0.0, places=1) == "0"
    assert figure(1e-17, places=1) == "0"  # rounding


@pytest.mark.parametrize(
    ("share", "worlds", "said"),
    [
        (1.0, 64, "in all 64 worlds"),
        (0.0, 64, "in none of 64 worlds"),
        (0.78, 64, "in 8 of 10 worlds"),
        (0.97, 64, "in 19 of 20 worlds or more"),
        (0.02, 64, "in 1 of 20 worlds or fewer"),
        (1.0, 1, "in the one world drawn"),
        (0.0, 1, "not in the one world drawn"),
    ],
)
def test_shares_of_worlds_are_said_in_words(share: float, worlds: int, said: str) -> None:
    assert in_worlds(share, worlds) == said


def test_a_band_leaves_out_worlds_without_a_number() -> None:
    low, middle, high = band([1.0, np.nan, 1.0, 1.0], [0.1, 0.7, 0.1, 0.1])
    assert (low, middle, high) == (1.0, 1.0, 1.0)
    assert np.isnan(band([np.nan], [1.0])).all()


# -- the page ------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("chairs", [PARTIES, ("south",)])
def test_no_line_is_wider_than_the_terminal(width: int, chairs: tuple[str, ...]) -> None:
    text = made_up(chairs=chairs).text(width)
    assert max(cell_len(line) for line in text.splitlines()) <= width


def test_a_terminal_without_unicode_gets_plain_letters() -> None:
    text = made_up(title="Trêve − 冷戦").text(ascii_only=True)
    assert text.isascii()
    assert text.startswith("Treve - ??")


def test_printing_asks_the_console_what_it_can_show() -> None:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding="ascii", write_through=True), width=80)
    print_on(made_up().blocks(), console)
    assert b"HOW LONG IT HOLDS" in raw.getvalue()


def test_sections_come_in_the_order_they_are_read() -> None:
    text = str(made_up())
    order = ("A border truce", "VERDICTS", "WHY", "WHO SIGNS", "HOW LONG IT HOLDS", "WHO BREAKS IT",
             "HANDS TIED", "WHAT IT IS WORTH", "BIGGEST INTERESTS", "WHAT EACH TERM ADDS",
             "WHO GETS WHAT", "WHAT MATTERS MOST", "HOW TO READ THIS")  # fmt: skip
    places = [text.index(title) for title in order]
    assert places == sorted(places)


def test_markup_and_control_characters_of_a_scenario_do_nothing() -> None:
    labels = LABELS | {"north": "[red]North[/red] \x1b[31m\u202eevil"}
    text = str(made_up(labels=labels, offer="\x07[bold]x[/bold]", exchange="a\x1b[2Jb."))
    assert "[red]North[/red]" in text
    assert "[bold]x[/bold]" in text
    assert not any(c in text for c in "\x1b\x07\u202e")


def test_a_single_chair_leads_with_its_answer() -> None:
    text = str(one_chair(answer="do not sign"))
    assert "VERDICT FROM THE CHAIR OF NORTH\n  DO NOT SIGN\n" in text


def test_a_condition_is_part_of_the_answer() -> None:
    condition = "aims: land_grab: worth signing in 90 % of those worlds, 10 % of the others"
    answer = one_chair(answer="only if", condition=condition)
    text = flowing(answer)
    assert "ONLY IF aims: land grab\n" in str(answer)
    assert "worth signing in 90 % of those worlds" in text


def test_a_party_that_is_not_asked_is_not_told_to_sign() -> None:
    text = str(one_chair(asked=False))
    assert "not asked; would gain" in text
    assert "\n  SIGN\n" not in text


def test_a_margin_within_its_error_says_so() -> None:
    unsure = one_chair(worth=Spread(0.3, 0.3, -1.0, 1.0), mean=est(0.3, 0.25), margin=0.15)
    assert "gain or loss on average is uncertain" in flowing(unsure)
    assert "gain or loss on average is uncertain" not in flowing(one_chair())


def test_what_grids_lean_by_is_taken_off_the_band_too() -> None:
    """South's worlds lie between -1.6 and -0.6, all of them 2 too low."""
    figures = made_up().figures | {"worth.south": Estimate(0.93, 0.01, -1.07, -2.0)}
    row = line_with(str(made_up(figures=figures)).split("WHAT IT IS WORTH")[1], "South")
    assert "+0.4 to +1.4" in row
    assert "South +2" in flowing(made_up(figures=figures))  # said at the foot


def test_the_mark_of_an_uncertain_sign_is_explained_where_it_is_used() -> None:
    figures = made_up().figures | {"worth.south": est(-1.07, 1.0)}
    unsure = made_up(figures=figures)
    assert "−1?" in line_with(str(unsure).split("WHAT IT IS WORTH")[1], "South")
    assert "? after a figure: sign uncertain" in str(unsure)
    assert "after a figure" not in str(made_up())


def test_who_signs_against_its_interest_is_said() -> None:
    figures = made_up().figures | {"signs.south": est(0.95, 0.01)}
    text = str(made_up(figures=figures))
    assert "South would rather there were no offer" in text
    assert "would rather" not in str(made_up())


def test_survival_is_stated_at_the_usual_dates_and_the_end() -> None:
    text = str(made_up()).split("HOW LONG IT HOLDS")[1]
    assert line_with(text, "After months").split()[2:] == ["4", "8", "16", "40", "48"]
    # the mean over slopes of 0.5 to 1.5 of exp(-slope t / 20)
    slope = np.linspace(0.5, 1.5, 8)
    means = [np.exp(-slope * t / 20).mean() for t in (4, 8, 16, 40, 48)]
    said = " ".join(f"{100 * x:.0f} %" for x in means)
    assert " ".join(line_with(text, "In force").split()[3:]) == said


def test_a_deal_that_ends_at_once_is_shown_after_one_period() -> None:
    survival = made_up().survival
    text = str(
        made_up(survival=survival.copy(data=np.where(survival.period < 1, 1.0, survival * 0)))
    )
    assert line_with(text, "After months").split()[2] == "1"


def test_with_one_world_there_are_no_bands() -> None:
    text = str(made_up(worlds=1))
    assert "8 in 10 worlds" not in text
    assert "1 world, seed 3" in flowing(made_up(worlds=1))
    assert "mean" not in text.lower().split("how to read")[0]


def test_with_one_world_who_signs_is_said_of_that_world() -> None:
    """Not of the central case, of which nothing else on the page is said."""
    text = str(made_up(worlds=1, joint_modal=0.1)).split("WHO SIGNS")[1]
    assert line_with(text, "All together").split()[-2:] == ["54", "%"]
    assert "central case" not in text


def test_without_stocks_figures_are_called_exact() -> None:
    timing = tuple(replace(t, exposure=est(np.nan, np.nan)) for t in made_up().timing)
    text = str(made_up(levels=(), finer_levels=(), paths=0, timing=timing))
    assert "a world is solved exactly" in text
    assert "signed, then broken" not in text.lower()


def test_without_riders_there_is_no_table_of_terms() -> None:
    assert "TERM ADDS" not in str(made_up(terms=()))


def test_a_deal_that_binds_nobody_is_broken_by_nobody() -> None:
    text = str(made_up(breakers=(), shams=(), created=None))
    assert "binds nobody" in text
    assert "HANDS TIED" not in text


def test_an_obligation_that_is_hardly_ever_broken_takes_no_row() -> None:
    assert "Hardly ever: South pays." in str(made_up())


def test_a_duty_names_its_party_once() -> None:
    """Whether its label does or not."""
    first, second = made_up().breakers
    nameless = replace(first, label="no raids")
    assert "North (no raids)" in str(made_up(breakers=(nameless, second)))
    assert "North: North" not in str(made_up()).split("WHO BREAKS IT")[1]


def test_breaches_that_false_alarms_forestall_are_told_apart() -> None:
    assert "If nobody is wrongly accused: to month 48" in flowing(made_up())
    quiet = tuple(replace(b, false_alarm=0.0, accused=est(0.0)) for b in made_up().breakers)
    assert "To month 48, or until it runs out, it is kept" in flowing(made_up(breakers=quiet))


def test_a_deal_that_nobody_signs_says_that_the_rest_assumes_it() -> None:
    figures = made_up().figures | {"signs.all": est(0.0)}
    assert "Do not count on a signature" in str(made_up(figures=figures))
    assert "Do not count on a signature" not in str(made_up())


def test_the_alternative_is_named() -> None:
    assert "No deal: this offer is withdrawn" in str(made_up())
    assert "No deal: long truce is on the table" in str(made_up(otherwise="long_truce"))


def test_brackets_of_long_names_are_left_out_where_names_stay_apart() -> None:
    assert "South (with" not in str(made_up()).split("WHO SIGNS")[1]
    labels = {"north": "Side (north)", "south": "Side (south)"}
    assert "Side (south)" in str(made_up(labels=labels)).split("WHO SIGNS")[1]


def everything_unknown(answer: Assessment) -> Assessment:
    nothing = est(np.nan, np.nan)
    changes: dict[str, Any] = {"joint_modal": np.nan}
    for name in ("worth", "worth_modal", "signing", "signing_modal", "joint", "survival",
                 "survival_modal", "unaccused", "expired", "broken", "accused",
                 "flow_difference"):  # fmt: skip
        changes[name] = xr.full_like(getattr(answer, name), np.nan)
    spread = Spread(np.nan, np.nan, np.nan, np.nan)
    changes["verdicts"] = tuple(verdict(p, spread, share=nothing, mean=nothing) for p in PARTIES)
    changes["figures"] = dict.fromkeys(answer.figures, nothing)
    changes["interests"] = dict.fromkeys(answer.interests, nothing)
    changes["timing"] = tuple(Timing(p, nothing, nothing, nothing) for p in PARTIES)
    changes["terms"] = tuple(replace(t, without=nothing, share=nothing) for t in answer.terms)
    changes["shams"] = tuple(Sham(p, nothing, nothing, nothing) for p in PARTIES)
    changes["futures"] = {}
    changes["breakers"] = tuple(
        replace(b, breaks=nothing, accused=nothing, band=(np.nan, np.nan)) for b in answer.breakers
    )
    return replace(answer, **changes)


@pytest.mark.parametrize(
    "spoil",
    [everything_unknown, lambda a: replace(a, stakes=dict.fromkeys(PARTIES, 0.0))],
    ids=["figures", "stakes"],
)
def test_unknown_figures_are_called_unknown(spoil: Callable[[Assessment], Assessment]) -> None:
    text = str(spoil(made_up()))
    assert "unknown" in text
    assert "nan" not in text


def test_a_horizon_of_a_year_has_no_later() -> None:
    text = str(made_up(horizon=12)).split("WHO GETS WHAT, WHEN")[1]
    assert line_with(text, "first 12 months").split()[-1] == "broken"
    assert "later" not in line_with(text, "first 12 months")


def test_what_all_chairs_say_alike_is_said_once() -> None:
    sham = "North signs only because it can break"
    worth = Spread(1.0, 1.0, 0.5, 1.5)
    verdicts = tuple(verdict(p, worth, reasons=(f"gain of {p}", sham)) for p in PARTIES)
    text = flowing(made_up(verdicts=verdicts))
    assert text.count(sham) == 1
    assert "- South: gain of south." in text
