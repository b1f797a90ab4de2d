"""A chart of the deals that could be designed: what each is worth to two parties, and if it lasts.

In come the worths and the survival of every deal tried; out comes a Vega-Lite specification. Of
thousands of deals, those that would be drawn upon one another are left out.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from servanda.errors import QuestionError
from servanda.show.labels import Plot, along, cross_at_zero, point_labels, points_of
from servanda.show.marks import (
    INK,
    KEPT,
    Spec,
    clean,
    dots,
    frame,
    padded,
    percent,
    rule_at,
    say,
    shaped,
    vector,
)

SPOT = 5.0  # deals of one kind within a square of so many pixels are drawn once


def frontier(
    x: ArrayLike,
    y: ArrayLike,
    survival: ArrayLike,
    acceptable: Bool[np.ndarray, "deal"] | ArrayLike,
    efficient: Bool[np.ndarray, "deal"] | ArrayLike,
    points: Mapping[str, int],
    x_party: str,
    y_party: str,
    *,
    unit: str = "own units",
    horizon: str = "at the horizon",
) -> Spec:
    """Deals in the worths of two parties, by survival, with the efficient ones joined.

    Args:
        x: worth against no deal to the party across, shape [deal].
        y: worth against no deal to the party upwards, shape [deal].
        survival: probability that the deal is in force if nobody is ever wrongly accused, shape
            [deal], 0 to 1.
        acceptable: whether every signatory signs, shape [deal]; drawn as a filled dot.
        efficient: whether no deal is better for one and no worse for the others, shape [deal].
        points: deals to name, label to index: {"Nash": 17}; labels of one deal are put together.
        x_party: the party across.
        y_party: the party upwards.
        unit: the unit of worth.
        horizon: when survival is taken: "after 24 months".

    Raises:
        QuestionError: there is no deal, or none with a worth for both.
    """
    across, up = vector(x), vector(y)
    n = across.size
    up, kept = shaped(up, n), shaped(survival, n)
    signed = shaped(np.asarray(acceptable, bool), n).astype(bool)
    best = shaped(np.asarray(efficient, bool), n).astype(bool)
    known = np.isfinite(across) & np.isfinite(up)
    if not known.any():
        raise QuestionError("there are no deals with a worth to both parties to draw; design some")
    plot = Plot(padded(across), padded(up), 560, 420)
    named = _together({label: k for label, k in points.items() if known[k]})
    shown = thin(plot.pixels(across, up), signed, kept, best, np.array(list(named), dtype=int))
    rows = points_of(
        across[shown],
        up[shown],
        survival=[float(s) if np.isfinite(s) else None for s in kept[shown]],
        signed=[bool(s) for s in signed[shown]],
    )
    line = np.flatnonzero(best & known)
    line = line[np.argsort(across[line], kind="stable")]
    names = clean(x_party, 40), clean(y_party, 40)
    horizontal = plot.channel("x", f"Worth to {names[0]} ({clean(unit)})")
    vertical = plot.channel("y", f"Worth to {names[1]} ({clean(unit)})")
    place = {"x": horizontal, "y": vertical}
    tone: Spec = {
        "field": "survival",
        "type": "quantitative",
        "title": ["In force", clean(horizon, 24), "if nobody is", "wrongly accused"],
        "scale": {"domain": [0, 0.5, 1], "range": list(KEPT), "interpolate": "rgb"},
        "legend": {"orient": "right", "format": ".0%", "values": [0, 0.25, 0.5, 0.75, 1]}
        | {"titleFontWeight": "normal"},
    }
    title = f"Deals between {names[0]} and {names[1]}"
    subtitle = (
        f"Dot: one of {int(known.sum()):,} deals, filled where every signatory signs. "
        "Black line: the frontier, where no deal is better for both. Cross: no deal"
    )
    words = f"Scatter chart. {title}: {int(known.sum())} deals, {int((signed & known).sum())} "
    words += "of them acceptable to every signatory. " + " ".join(
        f"{label}: {say(across[k])} and {say(up[k])}, in force with {percent(kept[k])} if "
        "nobody is wrongly accused."
        for k, label in named.items()
    )
    marked = np.array(list(named), dtype=int)
    layers: list[Spec] = [
        rule_at(0, "x", horizontal, plot.height),
        rule_at(0, "y", vertical, plot.width),
    ]
    for yes in (False, True):
        fill = tone | {"legend": None} if yes else {"value": "white"}
        layers.append(
            {
                "data": {"values": [row for row in rows if row["signed"] == yes]},
                "mark": dots(40 if yes else 26, strokeWidth=1.2),
                "encoding": place | {"fill": fill, "stroke": tone},
            }
        )
    layers += [
        {
            "data": {"values": points_of(across[line], up[line])},
            "mark": {"type": "line", "color": INK, "strokeWidth": 1.5},
            "encoding": place,
        },
        {
            "data": {"values": points_of(across[marked], up[marked])},
            "mark": {"type": "point", "size": 170, "color": INK, "strokeWidth": 2},
            "encoding": place,
        },
        {
            "data": {"values": [{"x": 0, "y": 0}]},
            "mark": dots(150, shape="cross", color=INK, angle=45),
            "encoding": place,
        },
        *point_labels(
            plot,
            place,
            np.append(across[marked], 0.0),
            np.append(up[marked], 0.0),
            [*(clean(label, 60) for label in named.values()), "no deal"],
            np.vstack(
                [
                    plot.pixels(across[shown], up[shown]),
                    along(plot.pixels(across[line], up[line])),
                    cross_at_zero(plot),
                ]
            ),
        ),
    ]
    return frame(title, subtitle, words) | {
        "width": plot.width,
        "height": plot.height,
        "layer": layers,
    }


def _together(points: Mapping[str, int]) -> dict[int, str]:
    """Deals with all the labels each has."""
    named: dict[int, list[str]] = {}
    for label, k in points.items():
        named.setdefault(int(k), []).append(clean(label) or "(no name)")
    return {k: ", ".join(labels) for k, labels in named.items()}


def thin(
    pixels: Float[np.ndarray, "deal 2"],
    signed: Bool[np.ndarray, "deal"],
    survival: Float[np.ndarray, "deal"],
    efficient: Bool[np.ndarray, "deal"],
    named: Int[np.ndarray, "label"],
) -> Int[np.ndarray, "shown"]:
    """Which deals to draw, the last drawn uppermost: every one that can be told from the others.

    Of the deals in a square of `SPOT` pixels one is kept for each kind: signed or not, and each
    tenth of survival. Efficient and named deals are always kept.
    """
    known = np.isfinite(pixels).all(axis=1)
    square = np.floor(np.where(known[:, None], pixels, 0.0) / SPOT).astype(int)
    tenth = np.floor(10 * np.clip(np.nan_to_num(survival, nan=-1.0), -1, 1)).astype(int)
    keep = np.zeros(known.size, dtype=bool)
    _, first = np.unique(np.column_stack([square, signed, tenth]), axis=0, return_index=True)
    keep[first] = True
    keep |= efficient
    keep[named] = True
    shown = np.flatnonzero(keep & known)
    return shown[np.argsort(np.nan_to_num(survival[shown], nan=-1.0), kind="stable")]
