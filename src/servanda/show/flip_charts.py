"""Charts of what an answer rests on: which assumption moves it, and where it flips.

In come worths at the ends of assumptions, on maps of two of them, or indices of variance, with the
names to print; out comes a Vega-Lite specification. The names go into the data only.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from servanda.show.contour import zero_contour
from servanda.show.labels import Plot, points_of
from servanda.show.marks import (
    BLUE,
    DIVERGING,
    GREY,
    INK,
    ORANGE,
    PALE,
    WIDTH,
    Spec,
    clean,
    distinct,
    dots,
    frame,
    number,
    padded,
    percent,
    rows_of,
    rule_at,
    say,
    shaped,
    vector,
)


def tornado(
    assumptions: Sequence[str],
    low_value: ArrayLike,
    high_value: ArrayLike,
    base: float,
    flips: ArrayLike,
    *,
    figure: str,
    unit: str = "own units",
    flip_worth: ArrayLike | None = None,
    ends: Float[np.ndarray, "assumption 2"] | ArrayLike | None = None,
    verdict: str = "verdict",
    most: int = 12,
) -> Spec:
    """What a figure is with every assumption at either end of its range, the widest swing first.

    The swing is the distance between the greatest and the least of three values: at the low end,
    at the high end, in the central case.

    Args:
        assumptions: names, shape [assumption].
        low_value: the figure with the assumption at its low end, shape [assumption].
        high_value: the same at its high end, shape [assumption].
        base: the figure in the central case.
        flips: the assumption's value at which the verdict flips, in the assumption's own units,
            shape [assumption]; NaN where it does not within the range.
        figure: what the figure is, for the title: "the worth of the ceasefire to Ukraine".
        unit: the unit of the figure.
        flip_worth: the figure where the verdict flips, shape [assumption]: a diamond on the bar.
        ends: low and high end of every range, in the assumption's own units, shape [assumption, 2].
        verdict: what flips, in a word or two.
        most: how many assumptions to show; the subtitle says what the others amount to.

    Raises:
        QuestionError: there is no assumption.
    """
    names = distinct(assumptions, "assumptions")
    n = len(names)
    lows, highs, turns = (shaped(v, n) for v in (low_value, high_value, flips))
    worths = shaped(flip_worth, n) if flip_worth is not None else np.full(n, np.nan)
    ranges = shaped(ends, n, 2) if ends is not None else np.full((n, 2), np.nan)
    three = np.stack([lows, highs, np.full(n, base)])
    finite = np.isfinite(three)
    most_of = np.where(finite, three, -np.inf).max(axis=0)
    least_of = np.where(finite, three, np.inf).min(axis=0)
    swing = np.where(finite.any(axis=0), most_of - least_of, 0.0)
    order = [int(k) for k in np.argsort(-swing, kind="stable")]
    shown, rest = order[:most], order[most:]
    sides = {"assumption at its low end": ORANGE, "at its high end": BLUE}
    plot = Plot(_around(np.append(three[:, shown], worths[shown])), (0, 1), WIDTH - 170)
    right, further = (plot.at(plot.width + gap, 0)["x"] for gap in (14, 14 if ends is None else 98))
    bars: list[Spec] = []
    notes: list[Spec] = []
    for k in shown:
        pair = lows[k] - base, highs[k] - base
        for side, value in zip(sides, (lows[k], highs[k]), strict=True):
            inner = pair[0] * pair[1] > 0 and abs(value - base) < max(abs(pair[0]), abs(pair[1]))
            if np.isfinite([value, base]).all():
                bars.append(
                    {"assumption": names[k], "end": side, "worth": number(value)}
                    | {"base": number(base), "inner": bool(inner)}
                )
        known = np.isfinite(ranges[k]).all()
        note = f"{say(ranges[k, 0])} to {say(ranges[k, 1])}" if known else ""
        turn = f"flips at {say(turns[k])}" if np.isfinite(turns[k]) else ""
        notes.append(
            {"assumption": names[k], "note": note, "turn": turn, "flip": number(worths[k])}
            | {"right": right, "further": further}
        )
    x = plot.channel("x", f"{clean(figure, 60)[:1].upper()}{clean(figure, 60)[1:]} ({clean(unit)})")
    y = rows_of("assumption", [names[k] for k in shown])
    title = f"What {clean(figure)} rests on"
    flipping, deep = clean(verdict, 30), 24 * len(shown)
    subtitle = (
        f"Bars: with one assumption at either end of its range. Black line: central case, "
        f"{say(base)}. Diamond: the {flipping} flips"
    )
    if rest:
        subtitle += f". Not shown: {len(rest)} more, with swings up to {say(swing[rest[0]])}"
    words = f"Tornado chart. {title}: {say(base)} in the central case. " + " ".join(
        f"{names[k]}: {say(lows[k])} at its low end, {say(highs[k])} at its high"
        + (
            f", the {clean(verdict, 30)} flips at {say(turns[k])}."
            if np.isfinite(turns[k])
            else "."
        )
        for k in shown
    )
    bar_layers: list[Spec] = [
        {
            "data": {"values": [row for row in bars if row["inner"] == inner]},
            "mark": {"type": "bar", "height": {"band": band}},
            "encoding": {
                "x": x | {"field": "worth"},
                "x2": {"field": "base"},
                "color": {
                    "field": "end",
                    "type": "nominal",
                    "sort": None,
                    "title": None,
                    "scale": {"domain": list(sides), "range": list(sides.values())},
                },
            },
        }
        for inner, band in ((False, 0.7), (True, 0.3))
    ]
    column: Spec = {"type": "text", "align": "left", "fontSize": 12, "limit": 110}
    return frame(title, subtitle, words) | {
        "width": plot.width,
        "height": {"step": 24},
        "data": {"values": notes},
        "encoding": {"y": y},
        "layer": [
            *bar_layers,
            *([rule_at(0, "x", x, deep, color=GREY)] if plot.x[0] < 0 < plot.x[1] else []),
            rule_at(base, "x", x, deep, strokeWidth=2),
            {
                "mark": dots(80, shape="diamond", color=INK, stroke="white", strokeWidth=1.2),
                "encoding": {"x": x | {"field": "flip"}},
            },
            {
                "mark": column | {"color": GREY},
                "encoding": {
                    "x": x | {"field": "right"},
                    "text": {"field": "note", "type": "nominal"},
                },
            },
            {
                "mark": column | {"color": INK, "fontWeight": "bold"},
                "encoding": {
                    "x": x | {"field": "further"},
                    "text": {"field": "turn", "type": "nominal"},
                },
            },
        ],
    }


def _around(values: np.ndarray) -> tuple[float, float]:
    """The ends of an axis: zero is shown unless it lies further off than the values' own span."""
    low, high = padded(values, zero=False, pad=0.0)
    near = low <= high - low and -high <= high - low
    return padded(values, zero=near)


def heat_map(
    x: ArrayLike,
    y: ArrayLike,
    worth: Float[np.ndarray, "y x"] | ArrayLike,
    x_name: str,
    y_name: str,
    modal: tuple[float, float] | None,
    *,
    figure: str,
    unit: str = "own units",
    margin: Float[np.ndarray, "y x"] | ArrayLike | None = None,
    verdict: str = "sign",
) -> Spec:
    """A figure over two assumptions at once, with the line on which the verdict flips.

    Args:
        x: values of the assumption across, ascending, shape [x].
        y: values of the assumption upwards, ascending, shape [y].
        worth: the figure, shape [y, x]; cells that are no number stay grey.
        x_name: the assumption across, with its unit.
        y_name: the assumption upwards, with its unit.
        modal: (x, y) of the central case, or None.
        figure: what the figure is, for the title: "the worth of the ceasefire to Ukraine".
        unit: the unit of the figure.
        margin: what is zero where the verdict flips, shape [y, x]; by default `worth`.
        verdict: what flips, in a word or two.

    Raises:
        QuestionError: an assumption has no value.
    """
    across, up = vector(x), vector(y)
    for name, values in ((x_name, across), (y_name, up)):
        distinct([f"{v}" for v in values], f"values of '{clean(name)}'")
    value = shaped(worth, up.size, across.size)
    columns, rows = _edges(across), _edges(up)
    plot = Plot((columns[0], columns[-1]), (rows[0], rows[-1]), 460, 380)
    segments = zero_contour(across, up, value if margin is None else np.asarray(margin, float))
    finite = value[np.isfinite(value)]
    most = float(np.abs(finite).max()) if finite.size and np.abs(finite).max() > 0 else 1.0
    cells: list[Spec] = [
        {"x": number(columns[i]), "x2": number(columns[i + 1])}
        | {"y": number(rows[j]), "y2": number(rows[j + 1]), "worth": number(value[j, i])}
        for j, i in np.argwhere(np.isfinite(value))
    ]
    names = clean(x_name, 60), clean(y_name, 60)
    horizontal = plot.channel("x", names[0], grid=False)
    vertical = plot.channel("y", names[1], grid=False)
    place = {"x": horizontal, "y": vertical}
    title = f"Where {clean(figure)} flips"
    line = f"Black line: the {clean(verdict, 30)} flips"
    if not len(segments):
        line = f"The {clean(verdict, 30)} flips nowhere on this map"
    subtitle = f"Blue: gain, orange: loss against no deal ({clean(unit)}). {line}"
    if modal is not None:
        subtitle += ". Diamond: central case"
    gains = np.mean(finite > 0) if finite.size else np.nan
    words = f"Heat map. {title}. Across: {names[0]}; upwards: {names[1]}. "
    words += f"A gain on {percent(float(gains))} of the map. {line}."
    return frame(title, subtitle, words) | {
        "width": plot.width,
        "height": plot.height,
        "view": {"fill": PALE, "stroke": None},
        "layer": [
            {
                "data": {"values": cells},
                "mark": {"type": "rect", "strokeWidth": 0.6},
                "encoding": place
                | {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
                | {
                    "fill": _diverging(most, f"Worth ({clean(unit, 24)})"),
                    "stroke": _diverging(most, None),  # closes the hairlines between neighbours
                },
            },
            {
                "data": {
                    "values": [
                        {"x": float(a[0]), "y": float(a[1]), "x2": float(b[0]), "y2": float(b[1])}
                        for a, b in segments
                    ]
                },
                "mark": {"type": "rule", "color": INK, "strokeWidth": 2, "strokeCap": "round"},
                "encoding": place | {"x2": {"field": "x2"}, "y2": {"field": "y2"}},
            },
            {
                "data": {"values": points_of(*np.array([modal or (np.nan, np.nan)], float).T)},
                "mark": dots(150, shape="diamond", color="white", stroke=INK, strokeWidth=2),
                "encoding": place,
            },
        ],
    }


def _diverging(most: float, title: str | None) -> Spec:
    legend = {"orient": "right", "title": title, "titleFontWeight": "normal"}
    return {
        "field": "worth",
        "type": "quantitative",
        "scale": {"domain": [-most, 0, most], "range": list(DIVERGING), "nice": False}
        | {"interpolate": "rgb"},
        "legend": legend if title else None,
    }


def _edges(at: np.ndarray) -> Float[np.ndarray, "edge"]:
    """The edges of cells about ascending places: half way between neighbours."""
    if at.size == 1:
        return np.array([at[0] - 0.5, at[0] + 0.5])
    between = (at[1:] + at[:-1]) / 2
    return np.concatenate([[2 * at[0] - between[0]], between, [2 * at[-1] - between[-1]]])


def sobol_bars(
    names: Sequence[str],
    first: ArrayLike,
    first_interval: Float[np.ndarray, "assumption 2"] | ArrayLike,
    total: ArrayLike,
    total_interval: Float[np.ndarray, "assumption 2"] | ArrayLike,
    *,
    figure: str,
    most: int = 12,
) -> Spec:
    """How much of a figure's variance every assumption accounts for, the largest total first.

    Args:
        names: the assumptions, shape [assumption].
        first: Sobol' index of first order, the share it explains alone, shape [assumption].
        first_interval: lower and upper end of that estimate, shape [assumption, 2].
        total: total index, the share it has a part in, shape [assumption].
        total_interval: lower and upper end of that estimate, shape [assumption, 2].
        figure: what the figure is, for the title.
        most: how many assumptions to show; the subtitle says what the others amount to.

    Raises:
        QuestionError: there is no assumption.
    """
    labels = distinct(names, "assumptions")
    n = len(labels)
    values = np.stack([shaped(total, n), shaped(first, n)])
    bands = np.stack([shaped(total_interval, n, 2), shaped(first_interval, n, 2)])
    order = [int(k) for k in np.argsort(-np.nan_to_num(values[0], nan=-np.inf), kind="stable")]
    shown, rest = order[:most], order[most:]
    kinds = {"with others (total)": BLUE, "alone (first order)": ORANGE}
    rows: list[Spec] = [
        {"assumption": labels[k], "kind": kind, "share": number(values[s, k])}
        | {"low": number(bands[s, k, 0]), "high": number(bands[s, k, 1])}
        for k in shown
        for s, kind in enumerate(kinds)
    ]
    whole = [row for row in rows if row["low"] is not None and row["high"] is not None]
    low, high = padded(np.concatenate([values[:, shown].ravel(), bands[:, shown].ravel()]), pad=0)
    plot = Plot((min(low, 0.0), max(high * 1.03, 0.1)), (0, 1))
    dark = {"condition": {"test": "datum.value === 0", "value": INK}, "value": PALE}
    x = plot.channel("x", "Share of the variance over worlds", format=".0%", gridColor=dark)
    title = f"Which assumptions drive {clean(figure)}"
    subtitle = "Bars: share of the variance (Sobol' indices). Thin lines: interval of the estimate"
    if rest:
        subtitle += f". Not shown: {len(rest)} more, up to {percent(values[0, rest[0]])} each"
    words = f"Bar chart. {title}. " + " ".join(
        f"{labels[k]}: {percent(values[1, k])} alone, {percent(values[0, k])} with others."
        for k in shown
    )
    offset = {"field": "kind", "type": "nominal", "sort": None}
    return frame(title, subtitle, words) | {
        "width": WIDTH,
        "height": {"step": 12, "for": "offset"},
        "data": {"values": rows},
        "encoding": {
            "y": rows_of("assumption", [labels[k] for k in shown])
            | {"scale": {"domain": [labels[k] for k in shown], "paddingInner": 0.35}},
            "yOffset": offset,
        },
        "layer": [
            {
                "mark": {"type": "bar"},
                "encoding": {
                    "x": x | {"field": "share"},
                    "color": {
                        "field": "kind",
                        "type": "nominal",
                        "sort": None,
                        "title": None,
                        "scale": {"domain": list(kinds), "range": list(kinds.values())},
                    },
                },
            },
            {
                "data": {"values": whole},
                "mark": {"type": "rule", "color": INK, "strokeWidth": 1.5},
                "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}},
            },
        ],
    }
