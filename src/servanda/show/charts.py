"""Charts of an assessment as Vega-Lite specifications: how long, worth to whom, when, and why.

In come arrays (NumPy or xarray) and the names to print; out comes a plain dict that `render` or a
web page can draw. Names go into the data and never into field names or expressions, so that a
scenario file cannot reach into a chart; every chart says what it shows under `description`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from servanda.show.marks import (
    BLUE,
    INK,
    LABEL_STEP,
    ORANGE,
    PALE_BLUE,
    WIDTH,
    Spec,
    clean,
    event_mark,
    extent,
    frame,
    gain_or_loss,
    halves,
    last_finite,
    legend,
    names_of,
    number,
    panel_title,
    percent,
    plural,
    quantiles,
    rows_of,
    say,
    signed,
    stepped,
    vector,
    worth_axis,
)


def survival(
    period: ArrayLike,
    middle: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    deal: str,
    unit: str = "month",
    modal: ArrayLike | None = None,
    unaccused: ArrayLike | None = None,
    events: Sequence[tuple[float, str]] = (),
    middle_name: str = "mean of the worlds",
    band_name: str = "10 to 90 % of the worlds",
) -> Spec:
    """The probability that a signed deal is still in force, by period.

    Args:
        period: periods since signature, shape [period].
        middle: mean or median over worlds of the probability in force, shape [period], 0 to 1.
        low: lower edge of the band over worlds, shape [period].
        high: upper edge of the band, shape [period].
        deal: the deal's name or label, for the title.
        unit: the name of one period.
        modal: the probability in the central (modal) case, shape [period].
        unaccused: the middle if nobody is ever wrongly accused, shape [period].
        events: (period, label) of moments to mark: an expiry, a first breach.
        middle_name: what `middle` is, for the legend.
        band_name: what the band is, for the legend.
    """
    at, mid = vector(period), vector(middle)
    lows, highs = vector(low), vector(high)
    has_modal, has_quiet = modal is not None, unaccused is not None
    unknown = np.full(at.shape, np.nan)
    most = unknown if modal is None else vector(modal)
    quiet = unknown if unaccused is None else vector(unaccused)
    rows: list[Spec] = [
        {"period": number(t), "middle": number(m), "low": number(a), "high": number(b)}
        | ({"modal": number(o)} if has_modal else {})
        | ({"unaccused": number(q)} if has_quiet else {})
        for t, m, a, b, o, q in zip(at, mid, lows, highs, most, quiet, strict=True)
    ]
    single = int(np.isfinite(mid).sum()) < 2  # a line through one point cannot be seen
    shown = stepped(events, extent(at))
    headroom = LABEL_STEP * len({level for _, _, level in shown})  # event labels, above 100 %
    height = 250 + headroom
    x = {
        "field": "period",
        "type": "quantitative",
        "title": f"{plural(clean(unit)).capitalize()} since signature",
        "scale": {"domain": extent(at), "nice": False},
        "axis": {"tickMinStep": 1, "grid": False, "labelFlush": False}
        | ({"values": [number(t) for t in at]} if single else {}),
    }
    y = {
        "type": "quantitative",
        "title": "Probability in force",
        "scale": {"domain": [0, 1], "range": [height, headroom]},
        "axis": {"format": ".0%", "tickCount": 5, "titleY": headroom + 125},
    }
    band, line, dashes = clean(band_name), clean(middle_name), "central case (dashed)"
    alone = "if nobody is wrongly accused"
    kinds = {band: PALE_BLUE, line: BLUE}
    kinds |= {alone: ORANGE} if has_quiet else {}
    kinds |= {dashes: INK} if has_modal else {}
    wide: Spec = {"type": "rule", "strokeWidth": 8} if single else {"type": "area"}
    firm: Spec = {"type": "line", "strokeWidth": 2.5}
    thin: Spec = {"type": "line", "strokeWidth": 1, "strokeDash": [5, 3]}
    other: Spec = {"type": "line", "strokeWidth": 2}
    if single:
        firm = {"type": "point", "filled": True, "size": 70, "opacity": 1}
        thin = {"type": "point", "shape": "diamond", "size": 70, "opacity": 1}
        other = {"type": "point", "shape": "square", "size": 70, "opacity": 1}
    edges = {"y": y | {"field": "low"}, "y2": {"field": "high"}}
    layers: list[Spec] = [
        {"mark": wide, "encoding": edges | {"color": legend(band, kinds)}},
        {"mark": firm, "encoding": {"y": y | {"field": "middle"}, "color": legend(line, kinds)}},
    ]
    if has_quiet:
        encoding = {"y": y | {"field": "unaccused"}, "color": legend(alone, kinds)}
        layers.append({"mark": other, "encoding": encoding})
    if has_modal:
        encoding = {"y": y | {"field": "modal"}, "color": legend(dashes, kinds)}
        layers.append({"mark": thin, "encoding": encoding})
    layers += [layer for event in shown for layer in event_mark(event, x, height)]
    title = f"How long {clean(deal)} stays in force"
    words = f"Line chart. {title}, by {clean(unit)}."
    below = np.flatnonzero(mid < 0.5)
    if below.size:
        words += f" The {line} falls below one half at {clean(unit)} {at[below[0]]:g}."
    last = last_finite(at, mid)
    if last is not None:
        words += f" At {clean(unit)} {at[last]:g} it is {percent(mid[last])}"
        words += f", the band {percent(lows[last])} to {percent(highs[last])}."
    last = last_finite(at, quiet)
    if last is not None:
        words += f" {alone.capitalize()}, it is {percent(quiet[last])}."
    words += "".join(f" {label} at {t:g}." for t, label, _ in shown)
    return frame(title, "Probability, given signature at the start", words) | {
        "width": WIDTH,
        "height": height,
        "data": {"values": rows},
        "encoding": {"x": x},
        "layer": layers,
    }


def worth_by_party(
    party: Sequence[str],
    worlds: Float[np.ndarray, "world party"] | ArrayLike,
    mean: ArrayLike,
    *,
    deal: str,
    unit: str = "each party's own units",
    weight: ArrayLike | None = None,
    modal: ArrayLike | None = None,
) -> Spec:
    """What a deal is worth to every party against no deal: its spread over worlds, and a dot.

    Args:
        party: names, shape [party].
        worlds: worth in every world, shape [world, party].
        mean: worth on average over worlds, shape [party].
        deal: the deal's name or label, for the title.
        unit: the unit of worth.
        weight: how much each world counts, shape [world]; all alike by default.
        modal: worth in the central (modal) case, shape [party], drawn as a short line.
    """
    draws = np.atleast_2d(np.asarray(worlds, dtype=float))
    names, centre = names_of(party), vector(mean)
    central = np.full(centre.shape, np.nan) if modal is None else vector(modal)
    rows: list[Spec] = [
        {"party": name, "mean": number(m), "modal": number(c)} | quantiles(column, weight)
        for name, m, c, column in zip(names, centre, central, draws.T, strict=True)
    ]
    x_title = f"Worth against no deal ({clean(unit)})"
    y = rows_of("party", names)
    title = f"Who gains and who loses by {clean(deal)}"
    words = f"Dot and whisker chart. {title}. " + " ".join(
        f"{row['party']}: {say(row['mean'])} on average, "
        f"10 to 90 % of worlds {say(row['low'])} to {say(row['high'])}."
        for row in rows
    )
    whisker = {"x2": {"field": "high"}, "x": worth_axis("low", x_title)}
    box = {"x2": {"field": "upper"}, "x": worth_axis("lower", x_title)}
    subtitle = "Dot: mean of the worlds. Thin line: 10 to 90 % of them; thick: half"
    subtitle += "" if modal is None else "; upright: the central case"
    tick = {"type": "tick", "color": INK, "thickness": 1.5, "size": 18}
    return frame(title, subtitle, words) | {
        "width": WIDTH,
        "height": {"step": 38},
        "data": {"values": rows},
        "encoding": {"y": y, "color": gain_or_loss("mean")},
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": whisker},
            {"mark": {"type": "rule", "strokeWidth": 6, "opacity": 0.45}, "encoding": box},
            {
                "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
                "encoding": {"x": worth_axis("mean", x_title)},
            },
            {
                "mark": tick,
                "encoding": {"x": worth_axis("modal", x_title), "color": {"value": INK}},
            },
        ],
    }


def worth_by_interest(
    party: Sequence[str],
    interest: Sequence[str],
    worth: ArrayLike,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    *,
    deal: str,
    unit: str = "each party's own units",
    totals: Mapping[str, str] | None = None,
) -> Spec:
    """What a deal is worth to every party, split by interest: diverging bars, one panel a party.

    The panels have scales of their own: one party's units say nothing about another's.

    Args:
        party: the party of each bar, shape [bar]; bars of one party stay together.
        interest: the interest of each bar, shape [bar].
        worth: worth against no deal, shape [bar].
        low: lower edge of the spread over worlds, shape [bar].
        high: upper edge of the spread, shape [bar].
        deal: the deal's name or label, for the title.
        unit: the unit of worth.
        totals: how each party's total is to be said; by default to two digits.
    """
    owner, label, value = names_of(party), names_of(interest), vector(worth)
    unknown = np.full(value.shape, np.nan)
    lows = vector(low) if low is not None else unknown
    highs = vector(high) if high is not None else unknown
    title = f"What {clean(deal)} is worth to whom, and why"
    panels: list[Spec] = []
    words = [f"Bar charts, one a party. {title}."]
    for name in dict.fromkeys(owner):
        mine = [k for k, other in enumerate(owner) if other == name]
        total = float(np.nansum(value[mine]))
        if abs(total) < 1e-9 * float(np.nansum(np.abs(value[mine]))):
            total = 0.0  # what cancels leaves dust
        said = signed(total) if totals is None else clean(totals[name])
        rows: list[Spec] = [
            {
                "interest": label[k],
                "worth": number(value[k]),
                "low": number(lows[k]),
                "high": number(highs[k]),
            }
            for k in mine
        ]
        words.append(
            f"{name}, sum {said}: "
            + ", ".join(f"{row['interest']} {say(row['worth'])}" for row in rows)
            + "."
        )
        x = worth_axis("worth", None)
        panels.append(
            {
                "title": panel_title(f"{name}: {said} in all"),
                "width": WIDTH - 140,
                "height": {"step": 22},
                "data": {"values": rows},
                "encoding": {"y": rows_of("interest", [label[k] for k in mine])},
                "layer": [
                    {
                        "mark": {"type": "bar", "height": {"band": 0.7}},
                        "encoding": {"x": x, "color": gain_or_loss("worth")},
                    },
                    {
                        "mark": {"type": "rule", "strokeWidth": 1.5, "color": INK},
                        "encoding": {"x": worth_axis("low", None), "x2": {"field": "high"}},
                    },
                ],
            }
        )
    subtitle = f"Worth against no deal ({clean(unit)}). Thin lines: 10 to 90 % of worlds"
    if low is None:
        subtitle = f"Worth against no deal ({clean(unit)})"
    return frame(title, subtitle, " ".join(words)) | {"vconcat": panels, "spacing": 14}


def flow_over_time(
    period: ArrayLike,
    party: Sequence[str],
    difference: Float[np.ndarray, "period party"] | ArrayLike,
    *,
    deal: str,
    unit: str = "month",
) -> Spec:
    """Who gets what, when: flow with the deal minus flow without it, per period, one panel a party.

    Args:
        period: the periods, shape [period].
        party: names, shape [party].
        difference: flow with the deal minus flow without it, shape [period, party], in each party's
            own units a period.
        deal: the deal's name or label, for the title.
        unit: the name of one period.
    """
    at, names = vector(period), names_of(party)
    flow = np.asarray(difference, dtype=float).reshape(at.size, len(names))
    half = float(np.min(np.diff(np.sort(at)))) / 2 if at.size > 1 else 0.5
    domain = [float(at.min()) - half, float(at.max()) + half] if at.size else [0.0, 1.0]
    title = f"Who gets what when, under {clean(deal)}"
    words = [f"Bar charts over time, one a party. {title}."]
    panels: list[Spec] = []
    for k, name in enumerate(names):
        column = flow[:, k]
        rows: list[Spec] = [
            {"from": number(t - half), "to": number(t + half), "flow": number(f), "zero": 0}
            for t, f in zip(at, column, strict=True)
        ]
        words.append(f"{name}: {halves(column)}.")
        bottom = k == len(names) - 1
        panels.append(
            {
                "title": panel_title(name),
                "width": WIDTH,
                "height": 80,
                "data": {"values": rows},
                "layer": [
                    {
                        "mark": {"type": "rect", "strokeWidth": 0.7},
                        "encoding": {
                            "x": {
                                "field": "from",
                                "type": "quantitative",
                                "title": plural(clean(unit)).capitalize() if bottom else None,
                                "scale": {"domain": domain, "nice": False},
                                "axis": {
                                    "grid": False,
                                    "tickMinStep": 1,
                                    "labels": bottom,
                                    "ticks": bottom,
                                    "domain": bottom,
                                },
                            },
                            "x2": {"field": "to"},
                            "y": {
                                "field": "flow",
                                "type": "quantitative",
                                "title": None,
                                "axis": {"tickCount": 3, "domain": False},
                            },
                            "y2": {"field": "zero"},
                            "fill": gain_or_loss("flow"),
                            "stroke": gain_or_loss(
                                "flow"
                            ),  # closes the hairlines between neighbours
                        },
                    },
                    {
                        "data": {"values": [{"zero": 0}]},
                        "mark": {"type": "rule", "color": INK},
                        "encoding": {"y": {"field": "zero", "type": "quantitative"}},
                    },
                ],
            }
        )
    subtitle = f"Flow with the deal minus flow without it, a {clean(unit)} (each party's own units)"
    return frame(title, subtitle, " ".join(words)) | {"vconcat": panels, "spacing": 10}


def riders(
    term: Sequence[str],
    shapley: ArrayLike,
    leave_one_out: ArrayLike,
    *,
    deal: str,
    party: str,
    unit: str = "own units",
) -> Spec:
    """What each term of a deal is worth to one party: its Shapley share, and leaving it out alone.

    Args:
        term: names, shape [term].
        shapley: Shapley value of each term, shape [term].
        leave_one_out: worth of the deal minus its worth without the term, shape [term].
        deal: the deal's name or label, for the title.
        party: whose chair, for the title.
        unit: the unit of worth.
    """
    names = names_of(term)
    methods = {"averaged over all packages (Shapley)": BLUE, "taken out alone": ORANGE}
    share, alone = vector(shapley), vector(leave_one_out)
    rows: list[Spec] = [
        {"term": name, "method": method, "worth": number(value)}
        for name, pair in zip(names, zip(share, alone, strict=True), strict=True)
        for method, value in zip(methods, pair, strict=True)
    ]
    title = f"What each term of {clean(deal)} is worth to {clean(party)}"
    words = f"Bar chart. {title}. " + " ".join(
        f"{name}: {say(number(s))} by Shapley, {say(number(a))} alone."
        for name, s, a in zip(names, share, alone, strict=True)
    )
    method = list(methods)
    return frame(title, "Part of the deal's worth against no deal", words) | {
        "width": WIDTH,
        "height": {"step": 14, "for": "offset"},
        "data": {"values": rows},
        "layer": [
            {
                "mark": {"type": "bar"},
                "encoding": {
                    "y": rows_of("term", names) | {"scale": {"paddingInner": 0.3}},
                    "yOffset": {"field": "method", "type": "nominal", "sort": None},
                    "x": worth_axis("worth", f"Worth to {clean(party)} ({clean(unit)})"),
                    "color": {
                        "field": "method",
                        "type": "nominal",
                        "sort": None,
                        "title": None,
                        "scale": {"domain": method, "range": list(methods.values())},
                    },
                },
            },
        ],
    }


def swings(
    assumption: Sequence[str],
    at_low: ArrayLike,
    at_high: ArrayLike,
    *,
    figure: str,
    unit: str = "own units",
    most: int = 12,
) -> Spec:
    """Which assumptions a figure rests on: what it is at both ends of each one's range, less what
    it is in the central case, the largest first.

    Args:
        assumption: names, shape [assumption].
        at_low: change of the figure with the assumption at its low end, shape [assumption].
        at_high: the same at its high end, shape [assumption].
        figure: what the figure is, for the title: "the worth of kremlin_counter to ukraine".
        unit: the unit of the figure.
        most: how many assumptions to show; the subtitle says what the others amount to.
    """
    names, lows, highs = names_of(assumption), vector(at_low), vector(at_high)
    ends = np.nan_to_num(np.abs(np.stack([lows, highs])), nan=0.0, posinf=0.0, neginf=0.0)
    reach = ends.max(axis=0) if names else np.zeros(0)
    order = [int(k) for k in np.argsort(-reach, kind="stable")]
    shown, rest = order[:most], order[most:]
    sides = {"assumption at its low end": ORANGE, "at its high end": BLUE}
    rows: list[Spec] = [
        {"assumption": names[k], "end": side, "change": number(change), "zero": 0}
        | {"covered": bool(lows[k] * highs[k] > 0 and abs(change) < reach[k])}
        for k in shown
        for side, change in zip(sides, (lows[k], highs[k]), strict=True)
    ]
    title = f"What {clean(figure)} rests on"
    subtitle = "Against the central case, with one assumption at an end of its range (10 and 90 %)"
    if rest:
        subtitle += f"; the other {len(rest)} move it by at most {say(reach[rest[0]])}"
    words = f"Tornado chart. {title}. " + " ".join(
        f"{names[k]}: {say(number(lows[k]))} at its low end, {say(number(highs[k]))} at its high."
        for k in shown
    )
    # Where both ends move the figure the same way, the shorter bar is drawn thin on the longer.
    bars = [
        {
            "transform": [{"filter": {"field": "covered", "equal": covered}}],
            "mark": {"type": "bar", "height": {"band": band}},
            "encoding": {
                "x": worth_axis("change", f"Change ({clean(unit)})"),
                "color": {
                    "field": "end",
                    "type": "nominal",
                    "sort": None,
                    "title": None,
                    "scale": {"domain": list(sides), "range": list(sides.values())},
                },
            },
        }
        for covered, band in ((False, 0.7), (True, 0.3))
    ]
    return frame(title, subtitle, words) | {
        "width": WIDTH,
        "height": {"step": 24},
        "data": {"values": rows},
        "encoding": {"y": rows_of("assumption", [names[k] for k in shown])},
        "layer": bars,
    }
