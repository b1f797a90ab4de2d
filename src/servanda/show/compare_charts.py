"""Charts that compare proposals: what each is worth to whom, and how long each lasts.

In come arrays by proposal and the names to print; out comes a Vega-Lite specification. The names
go into the data only.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from servanda.show.labels import Plot, end_labels, points_of
from servanda.show.marks import (
    INK,
    LINES,
    WIDTH,
    Spec,
    clean,
    colour_of_line,
    distinct,
    dots,
    extent,
    frame,
    gain_or_loss,
    last_finite,
    number,
    padded,
    panel_title,
    percent,
    plural,
    rows_of,
    rule_at,
    say,
    shaped,
    vector,
)

ACROSS = 4  # panels beside each other
SHOWS = 0.005
"""From this difference of a probability on a line of its own is drawn."""


def dot_whisker(
    proposals: Sequence[str],
    parties: Sequence[str],
    low: Float[np.ndarray, "proposal party"] | ArrayLike,
    middle: Float[np.ndarray, "proposal party"] | ArrayLike,
    high: Float[np.ndarray, "proposal party"] | ArrayLike,
    modal: Float[np.ndarray, "proposal party"] | ArrayLike,
    signed: Bool[np.ndarray, "proposal"] | Sequence[bool],
    *,
    unit: str = "each party's own units",
    band_name: str = "8 in 10 worlds",
) -> Spec:
    """What every proposal is worth to every party, one panel a party with a scale of its own.

    Args:
        proposals: names, shape [proposal], in the order of the rows.
        parties: names, shape [party], in the order of the panels.
        low: lower end of the worth over worlds, shape [proposal, party], in each party's units.
        middle: the middle (median) of the worlds, the same shape and units.
        high: upper end over worlds, the same shape and units.
        modal: worth in the central case, the same shape and units.
        signed: whether every signatory signs it, shape [proposal]; drawn as a filled dot.
        unit: the unit of worth.
        band_name: what lies between `low` and `high`.

    Raises:
        QuestionError: there is no proposal or no party.
    """
    rows, owners = distinct(proposals, "proposals"), distinct(parties, "parties")
    shape = len(rows), len(owners)
    lows, mids, highs, modals = (shaped(v, *shape) for v in (low, middle, high, modal))
    accepted = [bool(s) for s in signed]
    title = "What each proposal is worth, and to whom"
    words = [f"Dot and whisker charts, one a party. {title}."]
    panels: list[Spec] = []
    width = max(130, (WIDTH - 24 * (min(len(owners), ACROSS) - 1)) // min(len(owners), ACROSS))
    for i, party in enumerate(owners):
        x: Spec = {
            "type": "quantitative",
            "title": None,
            "scale": {
                "domain": list(padded(np.stack([v[:, i] for v in (lows, mids, highs, modals)]))),
                "nice": False,
            },
            "axis": {"tickCount": 4, "domain": False, "labelFlush": True, "labelOverlap": True},
        }
        values: list[Spec] = [
            {
                "proposal": name,
                "low": number(a),
                "middle": number(m),
                "high": number(b),
                "modal": number(o),
                "signed": yes,
            }
            for name, a, m, b, o, yes in zip(
                rows, lows[:, i], mids[:, i], highs[:, i], modals[:, i], accepted, strict=True
            )
        ]
        y = rows_of("proposal", rows)
        if i % ACROSS:
            y["axis"] = None
        words.append(
            f"{party}: "
            + ", ".join(
                f"{row['proposal']} {say(row['middle'])} ({say(row['low'])} to {say(row['high'])})"
                for row in values
            )
            + "."
        )
        panels.append(
            {
                "title": panel_title(clean(party, max(12, width // 7))),
                "width": width,
                "height": {"step": 26},
                "data": {"values": values},
                "encoding": {"y": y},
                "layer": _whiskers(x, values),
            }
        )
    kept = [name for name, yes in zip(rows, accepted, strict=True) if yes]
    words.append(f"Signed by every signatory: {', '.join(kept) or 'none'}.")
    subtitle = (
        f"Worth against no deal ({clean(unit)}). Dot: middle of the worlds, filled where every "
        f"signatory signs. Line: {clean(band_name)}. Tick: central case"
    )
    lines = [panels[k : k + ACROSS] for k in range(0, len(panels), ACROSS)]
    return frame(title, subtitle, " ".join(words)) | {
        "vconcat": [{"hconcat": line, "spacing": 24} for line in lines],
        "spacing": 16,
    }


def _whiskers(x: Spec, values: Sequence[Spec]) -> list[Spec]:
    whole = [row for row in values if row["low"] is not None and row["high"] is not None]
    tone = gain_or_loss("middle")
    layers: list[Spec] = [
        rule_at(0, "x", x, 26 * len(values)),
        {
            "data": {"values": whole},
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}, "color": tone},
        },
    ]
    for yes in (True, False):
        fill: Any = tone if yes else {"value": "white"}
        layers.append(
            {
                "transform": [{"filter": {"field": "signed", "equal": yes}}],
                "mark": dots(80, strokeWidth=2),
                "encoding": {"x": x | {"field": "middle"}, "fill": fill, "stroke": tone},
            }
        )
    tick = {"type": "tick", "thickness": 1.8, "height": 15, "color": INK, "opacity": 1}
    return [*layers, {"mark": tick, "encoding": {"x": x | {"field": "modal"}}}]


def survival_lines(
    period: ArrayLike,
    survival: Float[np.ndarray, "proposal period"] | ArrayLike,
    unaccused: Float[np.ndarray, "proposal period"] | ArrayLike,
    labels: Sequence[str],
    *,
    unit: str = "month",
) -> Spec:
    """How long each proposal stays in force, one line a proposal, named at its end.

    Args:
        period: periods since signature, shape [period].
        survival: probability in force, shape [proposal, period], 0 to 1.
        unaccused: the same if nobody is ever wrongly accused; drawn thin where it differs.
        labels: names, shape [proposal].
        unit: the name of one period.

    Raises:
        QuestionError: there is no proposal.
    """
    names, at = distinct(labels, "proposals"), vector(period)
    force, quiet = (shaped(x, len(names), at.size) for x in (survival, unaccused))
    apart = [_differ(q, f) for q, f in zip(quiet, force, strict=True)]
    first, last = extent(at)
    plot = Plot((first, last), (0.0, 1.0), height=max(300, 16 * len(names)))
    x = plot.channel(
        "x", f"{plural(clean(unit)).capitalize()} since signature", grid=False, tickMinStep=1
    )
    y = plot.channel("y", "Probability in force", format=".0%", tickCount=5)
    title = "How long each proposal stays in force"
    words = [f"Line chart. {title}, by {clean(unit)}."]
    ends: list[tuple[float, float]] = []
    lines: list[Spec] = []
    for k, (name, row) in enumerate(zip(names, force, strict=True)):
        colour, dashes = colour_of_line(k)
        end = last_finite(at, row)
        ends.append((np.nan, np.nan) if end is None else (float(at[end]), float(row[end])))
        if end is None:
            words.append(f"{name}: unknown.")
            continue
        words.append(f"{name}: {percent(row[end])} at {clean(unit)} {at[end]:g}.")
        if apart[k]:
            words[-1] = f"{words[-1][:-1]}, {percent(quiet[k, end])} if nobody is wrongly accused."
        single = int((np.isfinite(row) & np.isfinite(at)).sum()) < 2
        line = {"type": "line", "strokeWidth": 2.2, "color": colour, "strokeDash": dashes}
        lines.append(
            {
                "data": {"values": points_of(at, row)},
                "mark": dots(color=colour) if single else line,
                "encoding": {"x": x, "y": y},
            }
        )
        if apart[k]:
            thin = {"type": "line", "strokeWidth": 1, "color": colour, "strokeDash": [1, 2]}
            lines.append(
                {
                    "data": {"values": points_of(at, quiet[k])},
                    "mark": thin,
                    "encoding": {"x": x, "y": y},
                }
            )
    colours = [colour_of_line(k)[0] for k in range(len(names))]
    across, up = np.array(ends).T
    short = [clean(name, 36) for name in names]
    marks = end_labels(plot, {"x": x, "y": y}, across, up, short, colours)
    subtitle = "Probability, given signature at the start; each line is named at its end"
    if any(apart):
        subtitle += ". Dotted: if nobody is wrongly accused"
    if len(names) > len(LINES):
        subtitle += "; colours that come again are dashed"
    return frame(title, subtitle, " ".join(words)) | {
        "width": plot.width,
        "height": plot.height,
        "layer": [*lines, *marks] or [rule_at(0, "y", y, plot.width)],
    }


def _differ(one: Float[np.ndarray, " period"], other: Float[np.ndarray, " period"]) -> bool:
    known = np.isfinite(one) & np.isfinite(other)
    return bool((abs(one[known] - other[known]) > SHOWS).any())
