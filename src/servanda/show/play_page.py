"""What is played, said on a page: how it ends, who does what, stocks, flows, what holds it up.

In: a `Play`. Out: blocks for the terminal, and its pictures. Headlines are over worlds; the central
case is told as a story at the end.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from servanda.errors import QuestionError
from servanda.show import play_charts
from servanda.show.figures import (
    between,
    decimals,
    estimated_chance,
    figure,
    percent,
    percent_between,
)
from servanda.show.holding_page import dates
from servanda.show.marks import Spec, clean, in_words
from servanda.show.page import Block, Columns, Heading, Paragraph
from servanda.show.page_parts import foot, listed, title

if TYPE_CHECKING:
    from servanda.questions.play.answer import Decided, Play

SPELLS = 4
"""Columns of a table over time."""

ROWS = 6
"""Options of one decision that a table has, those that are taken most."""

SEEN = 0.005
"""Moves and endings with less than this in every column are left out."""


def blocks(a: Play) -> list[Block]:
    """The page."""
    found = title(a.origin, _answer(a)) + _cautions(a) + _ends(a) + _moves(a) + _stocks(a)
    if a.holding is not None:
        found += a.holding.block(a.start)
    return found + _flows(a) + _story(a) + foot(a.origin, *_remarks(a))


def _remarks(a: Play) -> list[str]:
    said = ["Brackets: 8 in 10 worlds. Where the word “mean” stands, it is the mean over worlds."]
    if a.deal is not None:
        said.append(
            "With the deal: signed by all at the start, whatever becomes of it. While in force: "
            "given that it is."
        )
        if a.instead is not None:
            said.append(f"Without: with the offer {in_words(a.instead)} on the table instead.")
    off = max((h.shared for h in a.holding.held), default=0.0) if a.holding else 0.0
    if off >= 0.01:
        said.append(
            f"By interest, what holds a deal up is made to add up: {percent(off)} of its size is "
            "shared out among interests."
        )
    return said


def _answer(a: Play) -> str:
    unit, last = a.origin.period, a.horizon
    if a.deal is None:
        return f"There is no deal in this scenario: this is what is played for {last} {unit}s."
    kept = estimated_chance(a.ended("in force", last))
    words = f"{in_words(a.deal).capitalize()}, signed by all: in force after {last} {unit}s with "
    words += kept
    named = [str(e) for e in a.ends.end.values if e != "in force"]
    ended = {e: a.ended(e, last) for e in named}
    true = sorted(
        (e for e in named if e.startswith("broken by") and ended[e].value >= SEEN),
        key=lambda e: -ended[e].value,
    )
    wrong = sum(ended[e].value for e in named if e.startswith("wrongly"))
    said = [f"{e} {estimated_chance(ended[e])}" for e in true[:3]]
    if wrong >= SEEN:
        said.append(f"ended by a false alarm {percent(wrong)}")
    if ended["run out"].value >= SEEN:
        said.append(f"run out {estimated_chance(ended['run out'])}")
    words += "; " + ", ".join(clean(x, 120) for x in said) if said else ""
    return words + "."


def _cautions(a: Play) -> list[Block]:
    if not a.cautions:
        return []
    lines = [Paragraph(clean(c.words, 600), hang=2) for c in a.cautions]
    return [Heading("Before you believe it", "what the file makes happen"), *lines]


def _ends(a: Play) -> list[Block]:
    if a.deal is None:
        return []
    at = dates(a.start, a.horizon, SPELLS + 1)
    heads = ("", *(f"{a.origin.period} {t}" for t in at))
    rows = []
    for end in map(str, a.ends.end.values):
        values = a.ends.sel(end=end)
        cells = []
        for k, t in enumerate(at):
            low, high = a.band(values)[t]
            cell = estimated_chance(a.ended(end, t))
            if k == len(at) - 1 and len(a.weight) > 1:
                cell += f" ({percent_between(low, high)})"
            cells.append(cell)
        if end == "in force" or max(a.ended(end, t).value for t in at) >= SEEN:
            rows.append((clean(end, 90), *cells))
    remark = "mean over worlds, given signature; the last with 8 in 10 worlds"
    return [Heading("What becomes of it", remark), Columns(heads, tuple(rows))]


def spells(first: int, last: int, many: int = SPELLS) -> list[tuple[int, int]]:
    """Stretches of periods [a, b), evenly."""
    return list(pairwise(dates(first, last, many + 1)))


def _spans(cut: list[tuple[int, int]], unit: str) -> list[str]:
    """How stretches of periods are called."""
    return [f"{unit} {s}" if s == e - 1 else f"{s}–{e - 1}" for s, e in cut]


def _moves(a: Play) -> list[Block]:
    unit, cut = a.origin.period, spells(a.start, a.horizon)
    heads = ("", *_spans(cut, unit))
    remark = f"share of the {unit}s with a choice, mean over worlds"
    found: list[Block] = [Heading("Who does what", remark)]
    for d in a.decisions:
        rows: list[tuple[str, ...]] = []
        for course in a.courses:
            if course == "while in force" and not _differs(a, d):
                continue
            for k, cells in enumerate(_shares(a, d, course, cut)):
                if cells:
                    rows.append((f"{course}: {clean(d.options[k].words, 60)}", *cells))
        if rows:
            name = Paragraph(clean(d.words, 80) + _asked(a, d), "bold")
            found += [name, Columns(heads, tuple(rows))]
    return found


def _differs(a: Play, d: Decided) -> bool:
    """Whether a decision is a choice while the deal is in force, and the deal may end."""
    kept = a.over.choice.sel(course="while in force", decision=d.key)
    end = float(a.mean(a.ends.sel(end="in force", period=a.horizon)))
    return bool(kept.fillna(0.0).max() > 0) and end < 1 - SEEN


def _asked(a: Play, d: Decided) -> str:
    """Where a decision is no choice: the courses."""
    closed = [
        c
        for c in a.courses
        if float(a.over.choice.sel(course=c, decision=d.key).fillna(0.0).max()) == 0
    ]
    return f" (no choice {listed(closed)})" if closed else ""


def _shares(a: Play, d: Decided, course: str, cut: list[tuple[int, int]]) -> list[list[str]]:
    """[option][spell] how often each is taken where there is a choice; empty: hardly ever."""
    each = np.array([taken(a, d, course, s, e) for s, e in cut])  # [spell, option]
    most = np.nanmax(each, axis=0, initial=0.0)
    shown = set(np.argsort(-most, kind="stable")[:ROWS])
    return [
        [percent(x) if math.isfinite(x) else "–" for x in column]
        if k in shown and most[k] >= SEEN
        else []
        for k, column in enumerate(each.T)
    ]


def taken(a: Play, d: Decided, course: str, first: int, last: int) -> np.ndarray:
    """[option] how often each is taken of the times that there is a choice, over worlds and the
    periods from `first` to before `last`; NaN: there is none."""
    some = slice(first, last - 1)
    choice = a.over.choice.sel(course=course, decision=d.key, period=some).fillna(0.0).values
    moves = [o.move for o in d.options]
    found = a.over.taken.sel(course=course, move=moves, period=some)
    x = np.nan_to_num(found.transpose("world", "period", "move").values)
    w = a.weight[:, None]
    asked = float((choice * w).sum())
    if asked <= 1e-9 * float(w.sum()) * (last - first):
        return np.full(len(moves), np.nan)
    return np.einsum("w,wto->o", a.weight, x) / asked


def _stocks(a: Play) -> list[Block]:
    if not a.stocks:
        return []
    at = dates(a.start, a.horizon, SPELLS)
    heads = ("", *(f"{a.origin.period} {t}" for t in at))
    found: list[Block] = [Heading("Where things stand", "mean over worlds, 8 in 10 worlds")]
    for course in [c for c in a.courses if c != "while in force"]:
        rows = []
        for name, words in a.stocks.items():
            x = a.over.stock.sel(course=course, stock=name)
            mean, ends = a.mean(x).values, a.band(x)
            values = [v for t in at for v in (mean[t], *ends[t])]
            places = max(decimals(math.nan, *values), 0)
            cells = [_level(mean[t], ends[t], places, len(a.weight)) for t in at]
            rows.append((_short(words), *cells))
        found += [Paragraph(course.capitalize(), "bold"), Columns(heads, tuple(rows))]
    words = "Ranges: " + "; ".join(
        f"{clean(a.stocks[n], 120)}: {low:g} to {high:g}" for n, (low, high) in a.ranges.items()
    )
    return [*found, Paragraph(words + ".")]


def _short(words: str) -> str:
    """What a stock is called, without what explains it after a comma or in brackets at the end."""
    return clean(re.sub(r"\s*\([^()]*\)$", "", words.split(", ")[0]), 90)


def _level(mean: float, ends: np.ndarray, places: int, worlds: int) -> str:
    """A stock: no sign where it is above zero."""
    low, high = map(float, ends)
    here = figure(mean, places=places).removeprefix("+")
    if worlds < 2:
        return here
    return f"{here} ({between(low, high, places=places).replace('+', '')})"


def _flows(a: Play) -> list[Block]:
    cut = spells(a.start, a.horizon, 3)
    unit = a.origin.period
    heads = ("", *_spans(cut, unit))
    with_deal = a.deal is not None
    found: list[Block] = [
        Heading(
            "What it brings",
            f"a {unit}, mean over worlds, own units" + (": without → with the deal" * with_deal),
        )
    ]
    for party, names in a.interests.items():
        if not names:
            continue
        rows = []
        for name in (*names, None):
            chosen = list(names) if name is None else [name]
            cells, moved = [], False
            for s, e in cut:
                each = [
                    float(
                        a.mean(a.over.flow.sel(course=c, interest=chosen).sum("interest"))
                        .sel(period=slice(s, e - 1))
                        .mean()
                    )
                    for c in (("without", "with the deal") if with_deal else ("without",))
                ]
                places = decimals(math.nan, *each)
                moved = moved or any(abs(x) > 1e-9 for x in each)
                cells.append(" → ".join(dict.fromkeys(figure(x, places=places) for x in each)))
            if moved:
                label = "in all" if name is None else in_words(name.split(".", 1)[1])
                rows.append((label, *cells))
        if rows:
            found += [Paragraph(clean(a.origin.names[party]), "bold"), Columns(heads, tuple(rows))]
    return found


# -- the central case, as a story ---------------------------------------------------------------


def _story(a: Play) -> list[Block]:
    remark = "one case that explains; the figures above are over worlds"
    found: list[Block] = [Heading("The central case, told", remark)]
    for course in a.courses:
        if course == "while in force":
            continue
        told = [_told(a, d, course) for d in a.decisions]
        lines = [x for x in told if x]
        said = " ".join(lines) if lines else "Nobody has a choice."
        head = {"with the deal": "With the deal.", "without": "Without."}[course]
        if a.deal is None:
            head = ""
        found.append(Paragraph(clean(f"{head} {said} {_trends(a, course)}".strip(), 2000), hang=2))
    if a.deal is not None:
        kept = a.central_ends.sel(end="in force").isel(world=0).values
        half = np.flatnonzero(kept < 0.5)
        words = f"The deal is in force with {percent(float(kept[-1]))} at the end"
        if half.size:
            words += f"; from {a.origin.period} {half[0]} on it is more likely gone than not"
        found.append(Paragraph(words + ".", hang=2))
    return found


def _told(a: Play, d: Decided, course: str) -> str:
    """What a party does in the central case: the likeliest option, stretch by stretch."""
    asked_for = a.central.choice.sel(course=course, decision=d.key)
    choice = asked_for.isel(world=0).values[a.start :]
    if not (choice > 1e-6).any():
        return ""
    moves = [o.move for o in d.options]
    x = a.central.taken.sel(course=course, move=moves).isel(world=0).values[a.start :]
    asked = choice > 1e-6
    share = np.where(asked[:, None], x / np.where(asked, choice, 1.0)[:, None], np.nan)
    best = np.where(asked, np.argmax(np.nan_to_num(share, nan=-1.0), axis=1), -1)
    runs = _stretches(best, max(2, len(best) // 12))
    stretches = [run for run in runs if run[2] >= 0]
    parts = []
    for k, (first, last, option) in enumerate(stretches):
        inside = asked[first:last]
        level = float(np.nanmean(share[first:last][inside, option]))
        words = clean(d.options[option].words, 60)
        if level < 0.95:
            words += f" ({percent(level)} of the time)"
        start, end = a.start + first, a.start + last
        if k + 1 < len(stretches):
            words += f" until {a.origin.period} {end - 1}"
        elif first > 0:
            words += f" from {a.origin.period} {start} on"
        parts.append(words)
    rare = "" if float(choice[asked].mean()) > 0.5 else ", where it is asked"
    return f"{clean(d.words, 60)}{rare}: {', then '.join(parts)}."


def _stretches(best: np.ndarray, least: int) -> list[tuple[int, int, int]]:
    """Runs of one value [first, last), short ones taken into the one before."""
    runs: list[list[int]] = []
    for t, option in enumerate(best):
        if runs and runs[-1][2] == option:
            runs[-1][1] = t + 1
        else:
            runs.append([t, t + 1, int(option)])
    long: list[list[int]] = []
    for run in runs:
        if long and (run[1] - run[0] < least or long[-1][2] == run[2]):
            long[-1][1] = run[1]
        else:
            long.append(run)
    if len(long) > 1 and long[0][1] - long[0][0] < least and long[1][2] >= 0:
        long[1][0] = long[0][0]  # the first has none before it
        del long[0]
    return [(first, last, option) for first, last, option in long]


def _trends(a: Play, course: str) -> str:
    """How stocks move in the central case."""
    said = []
    for name, words in a.stocks.items():
        x = a.central.stock.sel(course=course, stock=name).isel(world=0).values[a.start :]
        low, high = a.ranges[name]
        moved = float(x[-1] - x[0])
        places = max(decimals(math.nan, x[0], x[-1]), 0)
        ends = [figure(float(v), places=places).removeprefix("+") for v in (x[0], x[-1])]
        if abs(moved) < 0.02 * (high - low) or ends[0] == ends[1]:
            said.append(f"{_short(words)} stays at about {ends[0]}")
        else:
            way = "rises" if moved > 0 else "falls"
            said.append(f"{_short(words)} {way} from {ends[0]} to {ends[1]}")
    return "; ".join(said) + "." if said else ""


# -- pictures -----------------------------------------------------------------------------------


def picture(a: Play, what: str) -> Spec:
    """`moves`, `stocks`, `endings`, `slack` or `flows`."""
    unit = a.origin.period
    if what == "moves":
        during = np.arange(a.start, a.horizon)
        courses = [c for c in a.courses if c != "while in force"]
        panels = []
        for d in a.decisions:
            values = tuple(
                np.array([taken(a, d, c, t, t + 1) for t in map(int, during)]) for c in courses
            )
            if any(np.isfinite(x).any() for x in values):
                options = tuple(o.words for o in d.options)
                panels.append(play_charts.Shares(d.words, options, values))
        return play_charts.moves(panels, courses, during, unit=unit)
    if what == "stocks":
        return _stock_picture(a)
    if what == "flows":
        return _flow_picture(a)
    if a.deal is None or a.holding is None:
        raise QuestionError(f"a picture of {what} needs a deal")
    if what == "slack":
        return a.holding.picture(a.start)
    over = np.arange(a.start, a.horizon + 1)
    shares = a.mean(a.ends).transpose("period", "end").values[over]
    names = [str(e) for e in a.ends.end.values]
    kinds = [_kind(e) for e in names]
    order = sorted(
        (k for k in range(len(names)) if shares[:, k].max() >= SEEN or k == 0),
        key=lambda k: ("in force", "run out", "accused", "broken").index(kinds[k]),
    )
    picked = shares[:, order]
    picked = picked / picked.sum(axis=1, keepdims=True)
    return play_charts.endings(
        over,
        [names[k] for k in order],
        picked,
        [kinds[k] for k in order],
        deal=in_words(a.deal),
        unit=unit,
    )


def _kind(end: str) -> str:
    if end.startswith("broken by"):
        return "broken"
    return "accused" if end.startswith("wrongly") else end


def _stock_picture(a: Play) -> Spec:
    over = np.arange(a.start, a.horizon + 1)
    lines = []
    for name in a.stocks:
        panel = []
        for course in [c for c in a.courses if c != "while in force"]:
            x = a.over.stock.sel(course=course, stock=name)
            low, high = a.band(x)[over].T
            panel.append(play_charts.Line(course, a.mean(x).values[over], low, high))
        lines.append(panel)
    return play_charts.stocks(
        [_short(x) for x in a.stocks.values()], lines, over, unit=a.origin.period
    )


def _flow_picture(a: Play) -> Spec:
    during = np.arange(a.start, a.horizon)
    flow = a.over.flow.sel(course="without")
    said = "What it brings"
    if a.deal is not None:
        flow = a.over.flow.sel(course="with the deal") - flow
        said = f"What {in_words(a.deal)} adds to what each gets"
    panels = []
    for party, names in a.interests.items():
        if names:
            x = flow.sel(interest=list(names))
            low, high = a.band(x.sum("interest"))[during].T
            panels.append(
                play_charts.Parts(
                    a.origin.names[party],
                    tuple(in_words(n.split(".", 1)[1]) for n in names),
                    a.mean(x).transpose("period", "interest").values[during],
                    a.mean(x.sum("interest")).values[during],
                    low,
                    high,
                )
            )
    unit = a.origin.period
    line = "Line: sum, mean of worlds; dotted: 8 in 10 worlds"
    return play_charts.stacked_parts(
        panels,
        during,
        title=said,
        subtitle=f"A {unit}, by interest, own units. {line}",
        unit=unit,
    )
