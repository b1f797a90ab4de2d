"""The parts that charts share: frames, axes, colours, event marks, and how numbers are said.

In come names and plain numbers; out come pieces of Vega-Lite specifications. What a user wrote
passes `clean` here before it goes anywhere.
"""

import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from servanda.errors import QuestionError
from servanda.scenario.weighted import weighted_quantiles

Spec = dict[str, Any]

# Shipped inside vl-convert; its widths are Arial's, so that a browser lays an SVG out alike.
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"

# Okabe and Ito's palette: told apart with any colour vision, and by lightness when printed in grey.
BLUE, ORANGE, INK, GREY = "#0072B2", "#D55E00", "#222222", "#6B6B6B"
PALE, PALE_BLUE = "#E4E4E4", "#C6DFEE"
LINES = (BLUE, ORANGE, "#009E73", "#B4578E", "#E69F00", INK, "#56B4E9", "#8C8C8C")
DIVERGING = (ORANGE, "#F6F2EC", BLUE)  # loss, none, gain
KEPT = (ORANGE, "#BDBDBD", BLUE)  # broken at once, even, kept: seen on white at every point

WIDTH = 620  # of the drawn area, in pixels
LABEL_STEP = 16  # from one event label down to the next, in pixels


def frame(title: str, subtitle: str, description: str) -> Spec:
    """What all charts share: title, words for those who cannot see it, fonts and colours."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "description": description,
        "title": {
            "text": textwrap.wrap(title, 70)[:2],
            "subtitle": textwrap.wrap(subtitle, 100)[:2],
        },
        "background": "white",
        "padding": 12,
        "config": {
            "font": FONT,
            "view": {"stroke": None},
            "title": {
                "anchor": "start",
                "frame": "bounds",
                "fontSize": 16,
                "subtitleFontSize": 12,
                "subtitleColor": GREY,
                "color": INK,
                "offset": 14,
                "subtitlePadding": 5,
            },
            "axis": {
                "labelFontSize": 12,
                "titleFontSize": 12,
                "titleFontWeight": "normal",
                "titlePadding": 8,
                "labelColor": INK,
                "titleColor": INK,
                "labelLimit": 260,
                "gridColor": PALE,
                "domainColor": GREY,
                "tickColor": GREY,
            },
            "legend": {
                "orient": "top",
                "labelFontSize": 12,
                "labelLimit": 300,
                "symbolType": "square",
                "symbolOpacity": 1,
                "offset": 6,
            },
        },
    }


def worth_axis(field: str, title: str | None) -> Spec:
    """A horizontal axis that always shows zero, with a dark line there."""
    at_zero = "datum.value === 0"
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"zero": True},
        "axis": {
            "tickCount": 8,
            "labelFlush": False,
            "domain": False,
            "gridColor": {"condition": {"test": at_zero, "value": INK}, "value": PALE},
            "gridWidth": {"condition": {"test": at_zero, "value": 1.5}, "value": 1},
        },
    }


def panel_title(text: str) -> Spec:
    return {
        "text": text,
        "frame": "group",
        "anchor": "start",
        "fontSize": 13,
        "color": INK,
        "offset": 4,
    }


def rows_of(field: str, names: Sequence[str]) -> Spec:
    """Rows in the order given; a name that comes twice is one row."""
    return {
        "field": field,
        "type": "nominal",
        "sort": None,
        "title": None,
        "scale": {"domain": list(dict.fromkeys(names))},
        "axis": {"ticks": False, "domain": False, "labelPadding": 8},
    }


def gain_or_loss(field: str) -> Spec:
    """Blue for a gain and orange for a loss; the field is one of this file's, never a user's."""
    return {
        "condition": {"test": {"field": field, "gte": 0}, "value": BLUE},
        "value": ORANGE,
    }


def legend(name: str, kinds: dict[str, str]) -> Spec:
    return {
        "datum": name,
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(kinds), "range": list(kinds.values())},
    }


def colour_of_line(k: int) -> tuple[str, list[int]]:
    """The colour and the dashes of the k-th line: eight colours, then the same again dashed."""
    return LINES[k % len(LINES)], [[1, 0], [6, 3], [2, 2]][k // len(LINES) % 3]


def dots(size: int = 70, **more: Any) -> Spec:
    return {"type": "point", "filled": True, "opacity": 1, "size": size} | more


def rule_at(value: float, channel: str, plain: Spec, length: float, **mark: Any) -> Spec:
    """A line across the whole drawn area at a value of `channel`, `length` pixels long.

    `plain` is the encoding of that channel in the rest of the chart.
    """
    other = "y" if channel == "x" else "x"
    return {
        "data": {"values": [{"at": number(value)}]},
        "mark": {"type": "rule", "color": INK, "strokeWidth": 1.2} | mark,
        "encoding": {
            channel: plain | {"field": "at"},
            other: {"value": 0},
            f"{other}2": {"value": length},
        },
    }


def stepped(
    events: Sequence[tuple[float, str]], domain: list[float]
) -> list[tuple[float, str, int]]:
    """Every event with the line its label stands on, so that no label crosses another's rule.

    Early labels run to the right of their rule and late ones to the left; a rule starts beside its
    own label, below the labels that reach over it.
    """
    late = domain[0] + 0.65 * (domain[1] - domain[0])
    known = sorted((float(t), clean(label)) for t, label in events if math.isfinite(t))
    ordered = [e for e in known if e[0] <= late] + [e for e in known[::-1] if e[0] > late]
    return [(t, label, k % 12) for k, (t, label) in enumerate(ordered)]


def event_mark(event: tuple[float, str, int], x: Spec, height: float) -> list[Spec]:
    """A dotted vertical, and its label at the top."""
    t, label, level = event
    low, high = x["scale"]["domain"]
    side: Spec = {"align": "left", "dx": 5}
    if t > low + 0.65 * (high - low):
        side = {"align": "right", "dx": -5}
    values = [{"period": t, "label": label}]
    top = LABEL_STEP * level
    return [
        {
            "data": {"values": values},
            "mark": {"type": "rule", "strokeDash": [2, 3], "color": GREY},
            "encoding": {"x": x, "y": {"value": top}, "y2": {"value": height}},
        },
        {
            "data": {"values": values},
            "mark": {"type": "text", "fontSize": 11, "color": INK, "limit": 260, "baseline": "top"}
            | side,
            "encoding": {
                "x": x,
                "y": {"value": top},
                "text": {"field": "label", "type": "nominal"},
            },
        },
    ]


def quantiles(values: np.ndarray, weight: ArrayLike | None = None) -> Spec:
    """The 10, 25, 75 and 90 % points of the finite values, shape [world]."""
    names, points = ("low", "lower", "upper", "high"), (0.1, 0.25, 0.75, 0.9)
    if not np.isfinite(values).any():
        return dict.fromkeys(names)
    if weight is None:
        found = np.quantile(values[np.isfinite(values)], points)
    else:
        found = weighted_quantiles(values, np.asarray(weight, dtype=float), points)
    return {name: number(point) for name, point in zip(names, found, strict=True)}


def halves(flow: np.ndarray) -> str:
    """In words: what comes in the first half of the time, and what in the second."""
    cut = (flow.size + 1) // 2
    first, second = float(np.nansum(flow[:cut])), float(np.nansum(flow[cut:]))
    return f"{say(first)} in the first half, {say(second)} in the second"


def extent(at: np.ndarray) -> list[float]:
    finite = at[np.isfinite(at)]
    if finite.size == 0:
        return [0.0, 1.0]
    low, high = float(finite.min()), float(finite.max())
    return [low, high] if high > low else [low - 1, high + 1]


def last_finite(at: np.ndarray, values: np.ndarray) -> int | None:
    known = np.flatnonzero(np.isfinite(values) & np.isfinite(at))
    return int(known[-1]) if known.size else None


def vector(values: ArrayLike) -> np.ndarray:
    return np.atleast_1d(np.asarray(values, dtype=float))


def number(value: float) -> float | None:
    """A number JSON can hold, to six digits; what is not finite is absent."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def say(value: float | None) -> str:
    """Two digits that count: no chart knows more."""
    if value is None or not math.isfinite(value):
        return "unknown"
    return f"{float(f'{value:.2g}'):g}".replace("-", "\N{MINUS SIGN}")


def percent(value: float | None) -> str:
    """A probability in whole per cent, never quite none or all."""
    if value is None or not math.isfinite(value):
        return "unknown"
    if 0 < value < 0.01:
        return "under 1 %"
    if 0.99 < value < 1:
        return "over 99 %"
    return f"{100 * value:.0f} %"


def signed(value: float) -> str:
    return ("+" if value > 0 else "") + say(value)


def shaped(values: ArrayLike, *shape: int) -> np.ndarray:
    """The values as floats, refused unless they have this shape."""
    array = np.asarray(values, dtype=float)
    if array.shape != shape:
        raise ValueError(f"an array of shape {array.shape} where {shape} is wanted")
    return array


def distinct(names: Iterable[str], what: str) -> list[str]:
    """Names to print, no two alike and none empty, so that each has a row of its own.

    Raises:
        QuestionError: there are none; `what` says of what, in the plural.
    """
    seen: dict[str, int] = {}
    out: list[str] = []
    for name in names_of(names):
        base = name or "(no name)"
        label = base
        while label in seen:
            seen[base] += 1
            label = f"{base} ({seen[base]})"
        seen[label] = 1
        out.append(label)
    if not out:
        raise QuestionError(f"there are no {what} to draw; name at least one")
    return out


def padded(values: ArrayLike, *, zero: bool = True, pad: float = 0.06) -> tuple[float, float]:
    """The ends of an axis that holds every finite value (and zero), with some air."""
    array = np.asarray(values, dtype=float)
    finite = array[np.isfinite(array)]
    if zero:
        finite = np.append(finite, 0.0)
    low, high = extent(finite)
    air = pad * (high - low)
    return low - air, high + air


def quoted(text: str, limit: int = 76) -> str:
    """Somebody's words in quotation marks, cut at a word where they are long."""
    line = clean(text, 100_000).strip("\"“”'")
    if len(line) > limit:
        line = line[:limit].rsplit(" ", 1)[0].rstrip(" ,;:.") + "…"
    return f"“{line}”"


def names_of(names: Iterable[str]) -> list[str]:
    return [clean(name) for name in names]


def clean(text: str, limit: int = 80) -> str:
    """One printable line: no control or direction characters, cut where it would fill the page."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def in_words(name: str) -> str:
    """A name from a scenario as words: `no_rearm.verified` becomes "no rearm, verified"."""
    return clean(re.sub(r"(?<=\w)\.(?=[A-Za-z])", ", ", name).replace("_", " "), 200)


def duty_of(party: str, label: str) -> str:
    """A duty with its party's name, once."""
    words = in_words(label)
    return words if words.startswith(party) else f"{party} ({words})"


def short_names(labels: dict[str, str]) -> dict[str, str]:
    """Labels without a bracket at the end, where they still tell the parties apart."""
    full = {party: clean(label) for party, label in labels.items()}
    short = {p: re.sub(r"\s*\([^()]*\)$", "", name) or name for p, name in full.items()}
    return short if len(set(short.values())) == len(short) else full


def plural(unit: str) -> str:
    return unit if unit.endswith("s") else unit + "s"
