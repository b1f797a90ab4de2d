"""Charts of claims: in how many worlds each holds, and where the worlds lie in which one fails.

In come shares and the words claimed, or the steps of scenario discovery; out comes a Vega-Lite
specification. The words go into the data only.
"""

import textwrap
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from servanda.show.labels import Plot, along, point_labels, points_of
from servanda.show.marks import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    WIDTH,
    Spec,
    clean,
    distinct,
    dots,
    frame,
    number,
    percent,
    quoted,
    rows_of,
    rule_at,
    shaped,
    vector,
)

VERDICTS = {
    "holds in the central case": BLUE,
    "fails in the central case": ORANGE,
    "undecided": GREY,
}
# From few restricted assumptions to many: lightness falls, so that it prints in grey too.
DEPTHS = ("#9CCBE6", "#4FA3D1", "#0072B2", "#00507D", "#002E48")


def claim_shares(
    claims: Sequence[str],
    share: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    modal_holds: Sequence[bool | None],
    *,
    subject: str = "the claims",
    interval_name: str = "90 % interval of the share",
) -> Spec:
    """In how many worlds each claim holds, and whether it does in the central case.

    Args:
        claims: the words claimed, shape [claim], in the order of the rows.
        share: share of the worlds in which the claim holds, shape [claim], 0 to 1.
        low: lower end of the interval of that share, shape [claim].
        high: upper end, shape [claim].
        modal_holds: whether it holds in the central case, shape [claim]; None for undecided.
        subject: whose claims, for the title.
        interval_name: what lies between `low` and `high`.

    Raises:
        QuestionError: there is no claim.
    """
    full = [quoted(claim) for claim in claims]
    names = [  # the axis breaks its lines at this sign
        "¶".join(textwrap.wrap(name.replace("¶", " "), 48)) for name in distinct(full, "claims")
    ]
    n = len(names)
    shares, lows, highs = (shaped(v, n) for v in (share, low, high))
    kinds = list(VERDICTS)
    verdicts = [kinds[2] if v is None else kinds[0] if v else kinds[1] for v in modal_holds]
    plot = Plot((0.0, 1.0), (0, 1), WIDTH - 220)
    right = plot.at(plot.width + 14, 0)["x"]
    rows: list[Spec] = [
        {"claim": name, "share": number(s), "low": number(a), "high": number(b), "verdict": v}
        | {"said": percent(s), "right": right}
        for name, s, a, b, v in zip(names, shares, lows, highs, verdicts, strict=True)
    ]
    whole = [row for row in rows if row["low"] is not None and row["high"] is not None]
    x = plot.channel("x", "Share of the worlds", format=".0%", tickCount=5)
    y = rows_of("claim", names)
    y["axis"] |= {"labelExpr": "split(datum.label, '¶')", "labelLimit": 330, "labelLineHeight": 14}
    colour: Spec = {
        "field": "verdict",
        "type": "nominal",
        "title": None,
        "scale": {"domain": kinds, "range": list(VERDICTS.values())},
    }
    title = f"In how many worlds {clean(subject)} hold"
    subtitle = f"Dot: share of the worlds. Line: {clean(interval_name)}. Colour: the central case"
    words = f"Dot chart. {title}. " + " ".join(
        f"{quote}: {percent(s)} ({percent(a)} to {percent(b)}), {v}."
        for quote, s, a, b, v in zip(full, shares, lows, highs, verdicts, strict=True)
    )
    column = {"type": "text", "align": "left", "fontSize": 12, "color": INK}
    return frame(title, subtitle, words) | {
        "width": plot.width,
        "height": {"step": 38},
        "data": {"values": rows},
        "encoding": {"y": y},
        "layer": [
            rule_at(0.5, "x", x, 38 * n, color=GREY, strokeDash=[3, 3]),
            {
                "data": {"values": whole},
                "mark": {"type": "rule", "strokeWidth": 2.5},
                "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}, "color": colour},
            },
            {"mark": dots(110), "encoding": {"x": x | {"field": "share"}, "color": colour}},
            {
                "mark": column,
                "encoding": {
                    "x": x | {"field": "right"},
                    "text": {"field": "said", "type": "nominal"},
                },
            },
        ],
    }


def trajectory(
    coverage: ArrayLike,
    density: ArrayLike,
    restricted: ArrayLike,
    chosen: int,
    *,
    outcome: str = "the claim fails",
) -> Spec:
    """The boxes scenario discovery went through, and the one chosen (Friedman and Fisher 1999).

    Args:
        coverage: share of the worlds of interest that lie in the box, shape [box], 0 to 1.
        density: share of the box's worlds that are of interest, shape [box], 0 to 1.
        restricted: how many assumptions bound the box, shape [box].
        chosen: the box chosen, counted from 0.
        outcome: what happens in the worlds of interest, for the title.

    Raises:
        QuestionError: there is no box.
    """
    across, up = vector(coverage), vector(density)
    distinct([str(k) for k in range(across.size)], "boxes")
    counts = shaped(restricted, across.size)
    plot = Plot((0.0, 1.02), (0.0, 1.02), 460, 340)
    place = {
        "x": plot.channel("x", "Coverage: share of such worlds that the box holds", format=".0%"),
        "y": plot.channel("y", "Density: share of the box that is such worlds", format=".0%"),
    }
    kinds = sorted({int(c) for c in counts[np.isfinite(counts)]})
    steps = [DEPTHS[min(k, len(DEPTHS) - 1)] for k in range(len(kinds))]
    counted = [f"{c}" for c in kinds]
    said = [f"{int(c)}" if np.isfinite(c) else None for c in counts]
    rows = points_of(across, up, restricted=said)
    here = f"{percent(across[chosen])} coverage, {percent(up[chosen])} density"
    many = "an unknown number of" if said[chosen] is None else said[chosen]
    plain = f"{many} assumption" + ("" if many == "1" else "s")
    title = f"Boxes of worlds in which {clean(outcome)}"
    words = f"Scatter chart. {title}. {len(rows)} boxes; the one chosen bounds {plain}: {here}."
    point = across[chosen : chosen + 1], up[chosen : chosen + 1]
    return frame(
        title, f"Dot: a box. Ring: the one chosen, {here}. Up and to the right is better", words
    ) | {
        "width": plot.width,
        "height": plot.height,
        "layer": [
            {
                "data": {"values": rows},
                "mark": {"type": "line", "color": GREY, "strokeWidth": 0.8, "opacity": 0.6},
                "encoding": place | {"order": {"value": None}},
            },
            {
                "data": {"values": rows},
                "mark": dots(60, stroke="white", strokeWidth=0.6),
                "encoding": place
                | {
                    "fill": {
                        "field": "restricted",
                        "type": "ordinal",
                        "title": "Assumptions bounded",
                        "scale": {"domain": counted, "range": steps},
                        "legend": {"orient": "right", "symbolType": "circle"}
                        | {"titleFontWeight": "normal"},
                    }
                },
            },
            {
                "data": {"values": points_of(*point)},
                "mark": {"type": "point", "size": 240, "color": ORANGE, "strokeWidth": 2.5},
                "encoding": place,
            },
            *point_labels(
                plot,
                place,
                *_finite(*point, [plain]),
                along(plot.pixels(*_finite(across, up, [])[:2])),
            ),
        ],
    }


def _finite(
    x: np.ndarray, y: np.ndarray, texts: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known], [text for text, k in zip(texts, known, strict=False) if k]
