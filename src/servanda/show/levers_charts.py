"""Charts of what could be done to make a deal hold: packages of levers, their timing, their dates.

In come costs, effects, values and intensities; out comes a Vega-Lite specification. The names go
into the data only.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from servanda.show.labels import Plot, along, cross_at_zero, end_labels, point_labels, points_of
from servanda.show.marks import (
    BLUE,
    GREY,
    INK,
    LABEL_STEP,
    ORANGE,
    WIDTH,
    Spec,
    clean,
    colour_of_line,
    distinct,
    dots,
    event_mark,
    extent,
    frame,
    last_finite,
    number,
    padded,
    plural,
    rule_at,
    say,
    shaped,
    stepped,
    vector,
)

ROW = 40  # the height of a strip with the gap above it, in pixels
NAMED = 14  # packages off the frontier are named while there are no more than so many in all


def packages(
    cost: ArrayLike,
    effect: ArrayLike,
    labels: Sequence[str],
    efficient: Bool[np.ndarray, "package"] | ArrayLike,
    *,
    cost_title: str = "Cost (own units)",
    effect_title: str = "Gain in the probability in force (percentage points)",
    subject: str = "packages of levers",
) -> Spec:
    """What packages of levers do against what they cost, the efficient ones joined and named.

    Args:
        cost: cost of every package, shape [package].
        effect: its effect, shape [package].
        labels: names, shape [package].
        efficient: whether no other costs less and does as much, shape [package].
        cost_title: what the cost is, with its unit.
        effect_title: what the effect is, with its unit.
        subject: what is drawn, for the title.

    Raises:
        QuestionError: there is no package.
    """
    names = distinct(labels, "packages")
    n = len(names)
    across, up = shaped(cost, n), shaped(effect, n)
    best = shaped(np.asarray(efficient, bool), n).astype(bool)
    known = np.isfinite(across) & np.isfinite(up)
    plot = Plot(padded(across), padded(up), height=360)
    place = {
        "x": plot.channel("x", clean(cost_title)),
        "y": plot.channel("y", clean(effect_title)),
    }
    line = np.flatnonzero(best & known)
    line = line[np.argsort(across[line], kind="stable")]
    others = np.flatnonzero(~best & known)
    said = np.concatenate([line, others]) if known.sum() <= NAMED else line
    title = f"What {clean(subject)} do, and what they cost"
    words = f"Scatter chart. {title}. On the frontier: " + "; ".join(
        f"{names[k]}, cost {say(across[k])}, effect {say(up[k])}" for k in line
    )
    return frame(
        title,
        "Dot: a package. Blue, joined: none costs less and does as much. Up and left is better",
        words + ".",
    ) | {
        "width": plot.width,
        "height": plot.height,
        "layer": [
            rule_at(0, "x", place["x"], plot.height),
            rule_at(0, "y", place["y"], plot.width),
            {
                "data": {"values": points_of(across[others], up[others])},
                "mark": dots(60, color="white", stroke=GREY, strokeWidth=1.5),
                "encoding": place,
            },
            {
                "data": {"values": points_of(across[line], up[line])},
                "mark": {"type": "line", "color": BLUE, "strokeWidth": 1.8},
                "encoding": place,
            },
            {
                "data": {"values": points_of(across[line], up[line])},
                "mark": dots(90, color=BLUE),
                "encoding": place,
            },
            *point_labels(
                plot,
                place,
                across[said],
                up[said],
                [clean(names[k], 44) for k in said],
                np.vstack(
                    [
                        plot.pixels(across[known], up[known]),
                        along(plot.pixels(across[line], up[line])),
                        cross_at_zero(plot),
                    ]
                ),
            ),
        ],
    }


def acceptance(
    period: ArrayLike,
    deal: ArrayLike,
    alternatives: Float[np.ndarray, "alternative period"] | ArrayLike,
    labels: Sequence[str],
    bands: Float[np.ndarray, "line 2 period"] | ArrayLike | None = None,
    *,
    deal_name: str,
    party: str,
    passes: Bool[np.ndarray, "period"] | ArrayLike | None = None,
    unit: str = "month",
    worth_unit: str = "own units",
    band_name: str = "8 in 10 worlds",
) -> Spec:
    """When a deal is worth more to a party than anything else it could do.

    Args:
        period: dates, shape [period].
        deal: the value of the deal if taken at that date, shape [period].
        alternatives: the value of each alternative, shape [alternative, period].
        labels: names of the alternatives, shape [alternative].
        bands: lower and upper edges, the deal's first, shape [1 + alternative, 2, period].
        deal_name: the deal's name or label.
        party: whose choice it is.
        passes: whether all tests pass at that date, shape [period]; by default, where the deal is
            worth no less than any alternative. The first such date is marked.
        unit: the name of one period.
        worth_unit: the unit of value.
        band_name: what the bands hold.

    Raises:
        QuestionError: there is no alternative or no date.
    """
    at = vector(period)
    distinct([str(t) for t in at], "dates")
    names = [clean(deal_name) or "(no name)", *distinct(labels, "alternatives")]
    lines = np.vstack([shaped(deal, at.size), shaped(alternatives, len(names) - 1, at.size)])
    edges = np.full((len(names), 2, at.size), np.nan)
    if bands is not None:
        edges = shaped(bands, len(names), 2, at.size)
    test = (lines[0] >= lines[1:]).all(axis=0)
    if passes is not None:
        test = shaped(np.asarray(passes, bool), at.size).astype(bool)
    dates = np.flatnonzero(test & np.isfinite(at))
    date = float(at[dates].min()) if dates.size else None
    first, last = extent(at)
    low, high = padded(np.concatenate([lines.ravel(), edges.ravel()]), zero=False)
    high += (high - low) * LABEL_STEP / 300  # room for the date's label above the lines
    plot = Plot((first, last), (low, high), WIDTH - 60, 320)
    x = plot.channel("x", plural(clean(unit)).capitalize(), grid=False, tickMinStep=1)
    y = plot.channel("y", f"Value to {clean(party, 40)} ({clean(worth_unit)})")
    colours = [colour_of_line(k)[0] for k in range(len(names))]
    layers: list[Spec] = [rule_at(0, "y", y, plot.width)] if low < 0 < high else []
    ends: list[tuple[float, float]] = []
    words: list[str] = []
    for k, (name, row) in enumerate(zip(names, lines, strict=True)):
        area = [
            {"x": number(t), "y": number(a), "y2": number(b)}
            for t, a, b in zip(at, *edges[k], strict=True)
            if np.isfinite([t, a, b]).all()
        ]
        layers.append(
            {
                "data": {"values": area},
                "mark": {"type": "area", "color": colours[k], "opacity": 0.16},
                "encoding": {"x": x, "y": y, "y2": {"field": "y2"}},
            }
        )
        end = last_finite(at, row)
        ends.append((np.nan, np.nan) if end is None else (float(at[end]), float(row[end])))
        start = np.flatnonzero(np.isfinite(row))
        if end is not None and start.size:
            words.append(f"{name}: {say(row[start[0]])} at first, {say(row[end])} at last.")
    for k, row in enumerate(lines):
        dashes = colour_of_line(k)[1]
        line = {"type": "line", "color": colours[k], "strokeWidth": 2, "strokeDash": dashes}
        if k == 0:
            line["strokeWidth"] = 3.2
        single = int((np.isfinite(row) & np.isfinite(at)).sum()) < 2
        layers.append(
            {
                "data": {"values": points_of(at, row)},
                "mark": dots(color=colours[k]) if single else line,
                "encoding": {"x": x, "y": y},
            }
        )
    when = "at no date shown"
    if date is not None:
        when = "for the first time at "
        when += "the start" if date == 0 else f"{clean(unit)} {date:g}"
        mark = stepped([(date, f"all tests pass from {clean(unit, 30)} {date:g}")], [first, last])
        layers += [layer for event in mark for layer in _dated(event_mark(event, x, plot.height))]
    across, up = np.array(ends).T
    short = [clean(name, 40) for name in names]
    layers += end_labels(plot, {"x": x, "y": y}, across, up, short, colours)
    title = f"When {clean(party)} accepts {clean(deal_name)}"
    subtitle = "Lines: value of the deal (thick) and of each alternative."
    if bands is not None:
        subtitle += f" Bands: {clean(band_name)}."
    subtitle += f" All tests pass {when}"
    words.insert(0, f"Line chart. {title}. All tests pass {when}.")
    return frame(title, subtitle, " ".join(words)) | {
        "width": plot.width,
        "height": plot.height,
        "layer": layers,
    }


def _dated(layers: list[Spec]) -> list[Spec]:
    """Event marks name their place `period`; the axis is that of the chart."""
    encodings = [layer["encoding"] for layer in layers]
    return [
        layer | {"encoding": encoding | {"x": encoding["x"] | {"field": "period"}}}
        for layer, encoding in zip(layers, encodings, strict=True)
    ]


def schedule(
    period: ArrayLike,
    intensity: Float[np.ndarray, "lever period"] | ArrayLike,
    labels: Sequence[str],
    *,
    subject: str = "the levers",
    full: float = 1.0,
    unit: str = "month",
) -> Spec:
    """Which lever is used when, and how much: one strip a lever, its height the intensity.

    Args:
        period: the periods, ascending, shape [period].
        intensity: how far each lever is used, shape [lever, period].
        labels: names, shape [lever].
        subject: whose levers, for the title.
        full: the intensity of full use, the full height of a strip.
        unit: the name of one period.

    Raises:
        QuestionError: there is no lever or no period.
    """
    names, at = distinct(labels, "levers"), vector(period)
    distinct([str(t) for t in at], "periods")
    use = shaped(intensity, len(names), at.size)
    finite = np.abs(use[np.isfinite(use)])
    most = max(full, float(finite.max()) if finite.size else 0.0)
    half = float(np.min(np.diff(np.sort(at)))) / 2 if at.size > 1 else 0.5
    first, last = extent(at)
    wide = (first - half, last + half) if at.size > 1 else (first, last)
    plot = Plot(wide, (0, len(names)), WIDTH - 80, ROW * len(names))
    place = {
        "x": plot.channel("x", plural(clean(unit)).capitalize(), grid=False, tickMinStep=1),
        "y": plot.channel("y") | {"axis": None},
    }
    floor = np.arange(len(names))[::-1]  # the first lever uppermost
    rows: list[Spec] = [
        {"lever": names[k], "x": number(t - half), "x2": number(t + half), "use": number(use[k, j])}
        | {"y": float(floor[k]), "y2": float(floor[k] + 0.8 * abs(use[k, j]) / most)}
        for k in range(len(names))
        for j, t in enumerate(at)
        if np.isfinite([t, use[k, j]]).all() and use[k, j] != 0
    ]
    left = plot.at(-10, 0)["x"]
    tone = {"condition": {"test": {"field": "use", "gte": 0}, "value": BLUE}, "value": ORANGE}
    ends = {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
    title = f"When {clean(subject)} are used, and how much"
    subtitle = f"Height of a bar: intensity; full height is {say(most)}"
    below = bool((use[np.isfinite(use)] < 0).any())
    if below:
        subtitle += ". Orange: below zero"
    words = f"Bar charts over time, one a lever. {title}. " + " ".join(
        f"{name}: {_spell(at, row, clean(unit))}." for name, row in zip(names, use, strict=True)
    )
    return frame(title, subtitle, words) | {
        "width": plot.width,
        "height": plot.height,
        "layer": [
            {
                "data": {"values": rows},
                "mark": {"type": "rect", "strokeWidth": 0.6},
                "encoding": place | ends | {"fill": tone, "stroke": tone},
            },
            *(
                rule_at(float(y), "y", place["y"], plot.width, color=GREY, strokeWidth=1)
                for y in floor
            ),
            {
                "data": {
                    "values": [
                        {"x": left, "y": float(y) + 0.3, "label": clean(name, 40)}
                        for name, y in zip(names, floor, strict=True)
                    ]
                },
                "mark": {"type": "text", "align": "right", "fontSize": 12, "color": INK},
                "encoding": place | {"text": {"field": "label", "type": "nominal"}},
            },
        ],
    }


def _spell(at: np.ndarray, row: np.ndarray, unit: str) -> str:
    """In words: when a lever is used, and how much at most."""
    used = np.flatnonzero(np.isfinite(row) & (row != 0))
    if not used.size:
        return "not used"
    peak = used[np.argmax(np.abs(row[used]))]
    return f"from {unit} {at[used[0]]:g} to {at[used[-1]]:g}, at most {say(row[peak])}"
