"""Charts of what is played: moves, stocks, endings, and what holds parties to their word.

In come arrays over time and the names to print; out comes a Vega-Lite specification. The names go
into the data only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from servanda.errors import QuestionError
from servanda.show.marks import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    WIDTH,
    Spec,
    clean,
    distinct,
    extent,
    frame,
    number,
    padded,
    panel_title,
    percent,
    plural,
    rule_at,
    say,
)

MANY = 7
"""Options that have a colour of their own; the rest are one more."""

PASTEL = ("#7FB3D9", "#EBA07A", "#80CEB5", "#D9A8C4", "#F2CC80", "#9A9A9A", "#A9D7F2", "#C9C9C9")
"""The colours of lines, paler: for areas."""

GAP = 24


@dataclass(frozen=True)
class Shares:
    """Probabilities that add up to 1, over time, of one decision along some courses."""

    title: str
    names: tuple[str, ...]
    values: tuple[Float[np.ndarray, "period name"], ...]  # one a course


def moves(
    panels: Sequence[Shares], courses: Sequence[str], period: np.ndarray, *, unit: str = "month"
) -> Spec:
    """Who plays what, when: stacked areas, a row a decision and a column a course.

    Raises QuestionError if nobody has a choice.
    """
    if not panels:
        raise QuestionError("nobody has more than one option: there are no moves to draw")
    width = (WIDTH + 60 - GAP * (len(courses) - 1)) / max(len(courses), 1)
    rows: list[Spec] = []
    words: list[str] = []
    for j, panel in enumerate(panels):
        names, values = _most_used(panel)
        titles = [
            clean(panel.title, 60) + (f" – {clean(course)}" if len(courses) > 1 else "")
            for course in courses
        ]
        last = j == len(panels) - 1
        chart = _areas(period, names, values[0], width, 110, unit if last else None)
        chart.pop("data")
        known = [np.isfinite(x).all(axis=1).any() for x in values]
        titles = [t if k else f"{t}: no choice" for t, k in zip(titles, known, strict=True)]
        data = [
            row | {"course": title}
            for title, x in zip(titles, values, strict=True)
            for row in _edges(period, names, x) or [{"t": number(period[0])}]
        ]
        header: Spec = {"title": None, "labelFontSize": 13, "labelFontWeight": "bold"}
        header |= {
            "labelAnchor": "start",
            "labelColor": INK,
            "labelPadding": 4,
            "labelLimit": width,
        }
        rows.append(
            {
                "data": {"values": data},
                "facet": {
                    "column": {
                        "field": "course",
                        "type": "nominal",
                        "sort": titles,
                        "title": None,
                        "header": header,
                    }
                },
                "spacing": GAP,
                "spec": chart,
            }
        )
        for course, x in zip(courses, values, strict=True):
            ends = ", ".join(
                f"{name} {percent(a)} at first, {percent(b)} at last"
                for name, a, b in zip(names, *_first_and_last(x), strict=True)
            )
            words.append(f"{clean(panel.title)}, {clean(course)}: {ends}.")
    title = "Who plays what, when"
    subtitle = f"How often each move is taken where there is a choice, by {clean(unit)}, mean over "
    subtitle += "worlds"
    return frame(title, subtitle, f"Stacked areas. {title}. " + " ".join(words)) | {
        "vconcat": rows,
        "spacing": 18,
        "resolve": {"scale": {"color": "independent"}},
    }


def _first_and_last(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.flatnonzero(np.isfinite(x).all(axis=1))
    if not known.size:
        return np.full(x.shape[1], np.nan), np.full(x.shape[1], np.nan)
    return x[known[0]], x[known[-1]]


def _most_used(panel: Shares) -> tuple[list[str], list[np.ndarray]]:
    """The options that are played most, and all others as one more."""
    if len(panel.names) <= MANY + 1:
        return distinct(panel.names, "options"), list(panel.values)
    use = np.nansum([np.nansum(x, axis=0) for x in panel.values], axis=0)
    most = sorted(np.argsort(-use, kind="stable")[:MANY])
    names = distinct([*(panel.names[k] for k in most), "others"], "options")
    values = [
        np.column_stack([x[:, most], 1.0 - x[:, most].sum(axis=1)]).clip(0.0, 1.0)
        for x in panel.values
    ]
    return names, values


def _edges(period: np.ndarray, names: Sequence[str], shares: np.ndarray) -> list[Spec]:
    """Where the area of every name begins and ends, by period."""
    rows: list[Spec] = []
    for t, row in zip(period, shares, strict=True):
        if np.isfinite(row).all():
            edge = 0.0
            for name, x in zip(names, row, strict=True):
                low, edge = edge, edge + float(x)
                rows.append(
                    {"t": number(t), "name": name, "low": number(low), "high": number(edge)}
                )
    return rows


def _areas(
    period: np.ndarray,
    names: Sequence[str],
    shares: np.ndarray,
    width: float,
    height: float,
    unit: str | None,
    colours: Sequence[str] = PASTEL,
) -> Spec:
    """Stacked probabilities over time; without a unit, without labels of time."""
    single = len(period) < 2
    return {
        "width": width,
        "height": height,
        "data": {"values": _edges(period, names, shares)},
        "mark": {"type": "rect", "width": 24} if single else {"type": "area", "line": False},
        "encoding": {
            "x": _time(period, unit),
            "y": {
                "field": "low",
                "type": "quantitative",
                "title": None,
                "scale": {"domain": [0, 1]},
                "axis": {"format": ".0%", "values": [0, 0.5, 1], "domain": False},
            },
            "y2": {"field": "high"},
            "color": {
                "field": "name",
                "type": "nominal",
                "title": None,
                "scale": {"domain": list(names), "range": list(colours[: len(names)])},
                "legend": {"columns": 4 if len(names) > 2 else 2},
            },
        },
    }


def _time(period: np.ndarray, unit: str | None, suffix: str = "", named: bool = True) -> Spec:
    """The axis of time; without a unit it has no labels, and no title unless it is `named`."""
    shown = unit is not None
    title = f"{plural(clean(unit)).capitalize()}{suffix}" if unit is not None and named else None
    return {
        "field": "t",
        "type": "quantitative",
        "title": title,
        "scale": {"domain": extent(np.asarray(period, float)), "nice": False},
        "axis": {"grid": False, "tickMinStep": 1, "labels": shown, "ticks": shown}
        | {"labelFlush": False},
    }


@dataclass(frozen=True)
class Line:
    """A figure over time along one course: its mean over worlds and a band."""

    name: str
    middle: Float[np.ndarray, " period"]
    low: Float[np.ndarray, " period"]
    high: Float[np.ndarray, " period"]


def stocks(
    titles: Sequence[str],
    lines: Sequence[Sequence[Line]],
    period: np.ndarray,
    *,
    unit: str = "month",
) -> Spec:
    """Stocks over time with their bands, a panel a stock: one line a course.

    Raises QuestionError if there are no stocks.
    """
    names = distinct(titles, "stocks")
    across = 2 if len(names) > 1 else 1
    width = (WIDTH + 20 - 44 * (across - 1)) / across
    courses = list(dict.fromkeys(line.name for panel in lines for line in panel))
    tones = dict(zip(courses, (BLUE, ORANGE, INK, GREY), strict=False))
    panels: list[Spec] = []
    words: list[str] = []
    for j, (name, panel) in enumerate(zip(names, lines, strict=True)):
        every = np.concatenate([np.concatenate([x.low, x.high, x.middle]) for x in panel])
        y = {
            "type": "quantitative",
            "title": None,
            "scale": {"domain": list(padded(every, zero=False)), "nice": False, "zero": False},
            "axis": {"tickCount": 4, "domain": False},
        }
        last = j >= len(names) - across
        rows = [
            {"t": number(t), "name": x.name, "m": number(m), "a": number(a), "b": number(b)}
            for x in panel
            for t, m, a, b in zip(period, x.middle, x.low, x.high, strict=True)
            if np.isfinite([m, a, b]).all()
        ]
        tone = {
            "field": "name",
            "type": "nominal",
            "title": None,
            "scale": {"domain": courses, "range": [tones[c] for c in courses]},
        }
        panels.append(
            {
                "title": panel_title(clean(name, 46 if across > 1 else 90)),
                "width": width,
                "height": 150,
                "data": {"values": rows},
                "encoding": {"x": _time(period, unit, named=last), "color": tone},
                "layer": [
                    {
                        "mark": {"type": "area", "opacity": 0.18, "line": False},
                        "encoding": {"y": y | {"field": "a"}, "y2": {"field": "b"}},
                    },
                    {
                        "mark": {"type": "line", "strokeWidth": 2.2},
                        "encoding": {
                            "y": y | {"field": "m"},
                            "strokeDash": {
                                "condition": {
                                    "test": {"field": "name", "equal": courses[0]},
                                    "value": [1, 0],
                                },
                                "value": [5, 4],
                            },
                        },
                    },
                ],
            }
        )
        for x in panel:
            words.append(
                f"{name}, {x.name}: {say(x.middle[0])} at first, {say(x.middle[-1])} last."
            )
    title = "Where things stand"
    subtitle = "Lines: mean over worlds. Bands: 8 in 10 worlds"
    return frame(title, subtitle, f"Line charts. {title}. " + " ".join(words)) | {
        "vconcat": [
            {"hconcat": panels[k : k + across], "spacing": 44}
            for k in range(0, len(panels), across)
        ],
        "spacing": 16,
    }


def endings(
    period: np.ndarray,
    names: Sequence[str],
    shares: Float[np.ndarray, "period name"],
    kinds: Sequence[str],
    *,
    deal: str,
    unit: str = "month",
) -> Spec:
    """What has become of a deal by when: stacked areas of its endings, the deal in force lowest.

    `kinds` say of every ending whether it is "in force", "broken", "accused" or "run out".
    """
    tones = {
        "in force": ["#7FB3D9"],
        "broken": ["#D55E00", "#B4578E", "#8C3A00", "#7A2E5C"],
        "accused": ["#F2CC80", "#EBC0D8", "#F7E3B5", "#F3DCE9"],
        "run out": ["#C9C9C9"],
    }
    used = dict.fromkeys(tones, 0)
    colours = []
    for kind in kinds:
        colours.append(tones[kind][used[kind] % len(tones[kind])])
        used[kind] += 1
    title = f"What becomes of {clean(deal)}"
    words = ", ".join(f"{clean(n)} {percent(x)}" for n, x in zip(names, shares[-1], strict=True))
    said = distinct(names, "endings")
    panel = _areas(period, said, shares, WIDTH + 20, 300, unit, colours)
    panel["encoding"]["x"] |= {"title": f"{plural(clean(unit)).capitalize()} since signature"}
    panel["encoding"]["y"]["axis"] |= {"values": [0, 0.25, 0.5, 0.75, 1]}
    panel["encoding"]["color"]["legend"] = {"columns": 1, "labelLimit": 560}
    subtitle = "Probability, mean over worlds, given signature at the start"
    return frame(title, subtitle, f"Stacked areas. {title}. At the end: {words}.") | panel


@dataclass(frozen=True)
class Parts:
    """A sum over time and its parts, with the band of the sum."""

    title: str
    names: tuple[str, ...]
    parts: Float[np.ndarray, "period name"]
    total: Float[np.ndarray, " period"]
    low: Float[np.ndarray, " period"]
    high: Float[np.ndarray, " period"]


def stacked_parts(
    panels: Sequence[Parts],
    period: np.ndarray,
    *,
    title: str,
    subtitle: str,
    unit: str = "month",
    suffix: str = "",
) -> Spec:
    """Sums over time, a panel each: areas by part, above and below zero, and the sum as a line."""
    rows: list[Spec] = []
    words: list[str] = []
    for j, panel in enumerate(panels):
        most = np.nanmax(np.abs(panel.parts), axis=0, initial=0.0)
        keep = [int(k) for k in np.argsort(-most, kind="stable")[:MANY] if most[k] > 0]
        names = distinct([panel.names[k] for k in keep] or ["nothing"], "interests")
        shown = panel.parts[:, keep] if keep else np.zeros((len(period), 1))
        if len(keep) < int((most > 0).sum()):
            names = distinct([*names, "others"], "interests")
            shown = np.column_stack([shown, panel.parts.sum(axis=1) - shown.sum(axis=1)])
        known = np.isfinite(shown).all(axis=1) & np.isfinite(panel.total)
        values: list[Spec] = []
        for t, row in zip(period[known], shown[known], strict=True):
            up = down = 0.0
            # what changes its sign is two areas, one above zero and one below
            for name, x in zip(names, row, strict=True):
                high, low = up + max(x, 0.0), down + min(x, 0.0)
                each = {"t": number(t), "name": name}
                values.append(each | {"side": "above", "low": number(up), "high": number(high)})
                values.append(each | {"side": "below", "low": number(low), "high": number(down)})
                up, down = high, low
        tops = np.where(shown > 0, shown, 0).sum(axis=1), np.where(shown < 0, shown, 0).sum(axis=1)
        domain = list(padded(np.concatenate([*tops, panel.low, panel.high])))
        last = j == len(panels) - 1
        x = _time(period, unit if last else None, suffix)
        y = {
            "type": "quantitative",
            "title": None,
            "scale": {"domain": domain, "nice": False},
            "axis": {"tickCount": 5, "domain": False},
        }
        sums = [
            {"t": number(t), "m": number(m), "a": number(a), "b": number(b)}
            for t, m, a, b in zip(period, panel.total, panel.low, panel.high, strict=True)
            if np.isfinite([m, a, b]).all()
        ]
        thin = {"type": "line", "color": INK, "strokeWidth": 1, "strokeDash": [2, 2]}
        colours = [*PASTEL][: len(names)]
        if "others" in names:
            colours[-1] = PASTEL[-1]
        tone = {
            "field": "name",
            "type": "nominal",
            "title": None,
            "scale": {"domain": names, "range": colours},
            "legend": {"columns": 4},
        }
        rows.append(
            {
                "title": panel_title(clean(panel.title, 90)),
                "width": WIDTH + 20,
                "height": 170,
                "layer": [
                    {
                        "data": {"values": values},
                        "mark": {"type": "area", "line": False},
                        "encoding": {
                            "x": x,
                            "y": y | {"field": "low"},
                            "y2": {"field": "high"},
                            "color": tone,
                            "detail": {"field": "side", "type": "nominal"},
                        },
                    },
                    rule_at(0, "y", y, WIDTH + 20, color=GREY),
                    *(
                        {
                            "data": {"values": sums},
                            "mark": thin,
                            "encoding": {"x": x, "y": y | {"field": edge}},
                        }
                        for edge in ("a", "b")
                    ),
                    {
                        "data": {"values": sums},
                        "mark": {"type": "line", "color": INK, "strokeWidth": 2.4},
                        "encoding": {"x": x, "y": y | {"field": "m"}},
                    },
                ],
            }
        )
        ends = panel.total[np.isfinite(panel.total)]
        if ends.size:
            words.append(f"{clean(panel.title)}: {say(ends[0])} at first, {say(ends[-1])} at last.")
    if not rows:
        raise QuestionError(f"{title}: there is nothing to draw")
    return frame(title, subtitle, f"Stacked areas. {title}. " + " ".join(words)) | {
        "vconcat": rows,
        "spacing": 18,
        "resolve": {"scale": {"color": "independent"}},
    }
