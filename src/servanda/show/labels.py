"""Where do names stand in a chart, so that none covers another?

In come points and texts; out come places, and the Vega-Lite layers that draw them. Places are
found here, in pixels of a `Plot`, because a drawn picture cannot move its labels any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from servanda.show.marks import GREY, INK, WIDTH, Spec, number

SIZE = 12  # of the letters, in pixels
LINE = 15  # from one line of text to the next, in pixels


@dataclass(frozen=True)
class Plot:
    """A drawn area: its ends in the units of the data, its size in pixels."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: float = WIDTH
    height: float = 380

    def pixels(self, x: ArrayLike, y: ArrayLike) -> Float[np.ndarray, "point 2"]:
        """Points as pixels from the upper left corner."""
        at = np.atleast_1d(np.asarray(x, dtype=float))
        up = np.atleast_1d(np.asarray(y, dtype=float))
        across = (at - self.x[0]) / (self.x[1] - self.x[0]) * self.width
        down = (self.y[1] - up) / (self.y[1] - self.y[0]) * self.height
        return np.stack([across, down], axis=-1)

    def at(self, across: float, down: float) -> Spec:
        """A place in pixels, as values that the scales of the chart turn into the same place."""
        x = self.x[0] + across / self.width * (self.x[1] - self.x[0])
        y = self.y[1] - down / self.height * (self.y[1] - self.y[0])
        return {"x": x, "y": y}

    def channel(self, name: str, title: str | None = None, **axis: object) -> Spec:
        """The encoding of `x` or `y`, with the ends of this plot."""
        return {
            "field": name,
            "type": "quantitative",
            "title": title,
            "scale": {"domain": list(getattr(self, name)), "nice": False, "zero": False},
            "axis": {"tickCount": 7, "domain": False, "labelFlush": False} | axis,
        }


def text_width(text: str, size: float = SIZE) -> float:
    """About how many pixels a text takes, rather too many than too few."""
    narrow = sum(text.count(c) for c in "iljtfr.,:;!|'()[] ")
    return size * (0.6 * (len(text) - narrow) + 0.34 * narrow)


def spread(at: ArrayLike, gap: float, low: float, high: float) -> Float[np.ndarray, "label"]:
    """Places nearest to those wanted that keep a gap: isotonic regression, by pooling neighbours.

    Args:
        at: places wanted, shape [label].
        gap: the least distance between two labels; less where they cannot all fit.
        low: the least place.
        high: the greatest place.
    """
    wanted = np.asarray(at, dtype=float)
    count = wanted.size
    gap = min(gap, (high - low) / max(count - 1, 1))
    order = np.argsort(wanted, kind="stable")
    pools: list[tuple[float, int]] = []
    for rank, k in enumerate(order):
        mean, size = float(wanted[k]) - rank * gap, 1
        while pools and pools[-1][0] > mean:
            other, weight = pools.pop()
            mean, size = (mean * size + other * weight) / (size + weight), size + weight
        pools.append((mean, size))
    level = np.repeat([mean for mean, _ in pools], [size for _, size in pools])
    level = np.clip(level, low, high - (count - 1) * gap)
    out = np.empty(count)
    out[order] = level + gap * np.arange(count)
    return out


@dataclass(frozen=True)
class Place:
    """Where a text stands, in pixels: its anchor at half its height, and how it is aligned."""

    x: float
    y: float
    align: str


def beside(
    points: Float[np.ndarray, "label 2"],
    texts: Sequence[str],
    obstacles: Float[np.ndarray, "obstacle 2"],
    width: float,
    height: float,
) -> list[Place | None]:
    """A place for every text near its point, over no other text and few obstacles.

    Texts are placed in the order given, so that the first has the best place. A text without any
    free place has none.

    Args:
        points: what the texts name, in pixels, shape [label, 2].
        texts: the texts, shape [label].
        obstacles: what is best not covered, in pixels, shape [obstacle, 2].
        width: of the drawn area, in pixels; a text stays inside.
        height: of the drawn area, in pixels.
    """
    taken = np.zeros((0, 4))
    places: list[Place | None] = []
    for (px, py), text in zip(points, texts, strict=True):
        wide = text_width(text)
        best: tuple[float, Place | None, np.ndarray] = (np.inf, None, np.zeros(4))
        for radius in (9.0, 14.0, 20.0, 34.0, 50.0, 70.0, 95.0, 130.0, 170.0):
            for angle in np.radians(np.arange(0, 360, 30)):
                dx, dy = round(radius * np.cos(angle), 6), radius * np.sin(angle)
                left = px + dx - wide * (1 - np.sign(dx)) / 2
                box = np.array([left, py + dy - LINE / 2, left + wide, py + dy + LINE / 2])
                outside = box[0] < 0 or box[2] > width or box[1] < 0 or box[3] > height
                if outside or _overlaps(box, taken):
                    continue
                tilt = 0.3 * abs(np.sin(angle)) + 0.2 * (dx < 0)
                cost = 3.0 * _inside(box, obstacles) + radius / 9 + tilt
                if cost < best[0]:
                    align = "left" if dx > 0 else "right" if dx < 0 else "center"
                    best = cost, Place(px + dx, py + dy, align), box
        places.append(best[1])
        if best[1] is not None:
            taken = np.vstack([taken, best[2]])
    return places


def along(points: Float[np.ndarray, "corner 2"], step: float = 6.0) -> Float[np.ndarray, "point 2"]:
    """Points every `step` pixels along a line, for labels to keep off it."""
    parts = [points]
    for a, b in pairwise(points):
        count = min(int(np.hypot(*(b - a)) / step), 1000)
        parts.append(a + np.linspace(0, 1, count + 1)[:, None] * (b - a))
    return np.vstack(parts)


def cross_at_zero(plot: Plot) -> Float[np.ndarray, "point 2"]:
    """Points along both lines of zero, for labels to keep off them."""
    return np.vstack(
        [along(plot.pixels(list(plot.x), [0, 0])), along(plot.pixels([0, 0], list(plot.y)))]
    )


def _overlaps(box: np.ndarray, others: np.ndarray) -> bool:
    """Whether a box (left, top, right, bottom) meets any of the others."""
    apart = (
        (box[2] + 3 < others[:, 0])
        | (others[:, 2] + 3 < box[0])
        | (box[3] <= others[:, 1])
        | (others[:, 3] <= box[1])
    )
    return bool((~apart).any())


def _inside(box: np.ndarray, points: np.ndarray) -> int:
    x, y = points[:, 0], points[:, 1]
    near = (x > box[0] - 5) & (x < box[2] + 5) & (y > box[1] - 3) & (y < box[3] + 3)
    return int(near.sum())


def point_labels(
    plot: Plot,
    place: Spec,
    x: ArrayLike,
    y: ArrayLike,
    texts: Sequence[str],
    obstacles: Float[np.ndarray, "obstacle 2"],
) -> list[Spec]:
    """Layers that name points: a text near each, and a thin line to it where it stands off.

    `place` is the encoding of x and y in the rest of the chart.
    """
    points = plot.pixels(x, y)
    found = beside(points, texts, np.vstack([obstacles, points]), plot.width, plot.height)
    rows: list[Spec] = []
    leaders: list[Spec] = []
    for text, point, at in zip(texts, points, found, strict=True):
        if at is None:
            continue
        rows.append(plot.at(at.x, at.y) | {"label": text, "align": at.align})
        if np.hypot(at.x - point[0], at.y - point[1]) > 15:
            aside = 0 if at.align == "center" else 2 if at.align == "right" else -2
            down = (LINE / 2) * np.sign(point[1] - at.y) if at.align == "center" else 0.0
            end = plot.at(at.x + aside, at.y + down)
            leaders.append(plot.at(*point) | {"x2": end["x"], "y2": end["y"]})
    rim = {"color": "white", "stroke": "white", "strokeWidth": 4, "strokeJoin": "round"}
    return [
        _leaders(place, leaders, GREY),
        _texts(place, rows, rim | {"opacity": 0.85}),
        _texts(place, rows, {"color": INK}),
    ]


def end_labels(
    plot: Plot,
    place: Spec,
    x: ArrayLike,
    y: ArrayLike,
    texts: Sequence[str],
    colours: Sequence[str],
) -> list[Spec]:
    """Layers that name lines at their right-hand ends, outside the drawn area, in their colours.

    `place` is the encoding of x and y in the rest of the chart; a line without an end has no name.
    """
    ends = plot.pixels(x, y)
    known = [k for k in range(len(texts)) if np.isfinite(ends[k]).all()]
    heights = spread(ends[known, 1], LINE, 0, plot.height)
    layers: list[Spec] = []
    for k, height in zip(known, heights, strict=True):
        text = plot.at(plot.width + 16, float(height)) | {"label": texts[k], "align": "left"}
        end = plot.at(plot.width + 12, float(height))
        leader = plot.at(*ends[k]) | {"x2": end["x"], "y2": end["y"]}
        layers += [
            _leaders(place, [leader], colours[k]),
            _texts(place, [text], {"color": colours[k], "limit": 260}),
        ]
    return layers


def _leaders(place: Spec, rows: Sequence[Spec], colour: str) -> Spec:
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "rule", "color": colour, "strokeWidth": 0.8},
        "encoding": place | {"x2": {"field": "x2"}, "y2": {"field": "y2"}},
    }


def _texts(place: Spec, rows: Sequence[Spec], more: Spec) -> Spec:
    letters = {"type": "text", "align": {"expr": "datum.align"}, "baseline": "middle"}
    return {
        "data": {"values": list(rows)},
        "mark": letters | {"fontSize": SIZE} | more,
        "encoding": place | {"text": {"field": "label", "type": "nominal"}},
    }


def points_of(x: np.ndarray, y: np.ndarray, **columns: Sequence[object]) -> list[Spec]:
    """One row for each point that has a place; other columns go along."""
    return [
        {"x": number(x[k]), "y": number(y[k])} | {name: c[k] for name, c in columns.items()}
        for k in range(x.size)
        if np.isfinite(x[k]) and np.isfinite(y[k])
    ]
