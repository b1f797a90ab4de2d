"""A table of points as a picture: the frontier, the solutions, the issues, a path.

In: a `PointsAnswer` and which picture. Out: a Vega-Lite specification, saved too if a
path is given. Names go into the data and never into field names or expressions.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from servanda.errors import QuestionError, unknown
from servanda.show.marks import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    WIDTH,
    Spec,
    clean,
    frame,
    names_of,
    number,
    rows_of,
    say,
)
from servanda.show.render import save
from servanda.tables.points.answer import PointsAnswer
from servanda.tables.points.enumeration import blocks
from servanda.tables.points.units import to_units

CLOUD = 2_000  # deals drawn behind the frontier
FRONT = 2_000  # points of the frontier drawn
SHAPES = {
    "nash": "circle",
    "kalai-smorodinsky": "square",
    "egalitarian": "triangle-up",
    "utilitarian": "diamond",
}
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#222222")


def picture(
    answer: PointsAnswer,
    what: str = "frontier",
    path: str | os.PathLike[str] | None = None,
    **more: Any,
) -> Spec:
    """One of the pictures in `PICTURES`; saved as .svg, .png or .json if `path` is given.

    frontier: two parties' utilities (`x` and `y` name them, by default the first two). solutions:
    what each solution gives each party. issues: how much hangs on each issue for whom. path: the
    path of smallest concessions from deal `start` to deal `end`.

    Raises:
        QuestionError: for an unknown picture or option, and for a path with another ending.
    """
    if what not in PICTURES:
        raise unknown("picture", what, PICTURES)
    try:
        spec = PICTURES[what](answer, **more)
    except TypeError as error:
        raise QuestionError(f"picture {what}: {error}") from error
    if path is not None:
        save(spec, path)
    return spec


def _frontier(a: PointsAnswer, x: str | None = None, y: str | None = None) -> Spec:
    names = a.table.names
    if len(names) < 2:
        raise QuestionError("a picture of the frontier needs two parties")
    i = a.table.party(x) if x is not None else 0
    j = a.table.party(y) if y is not None else (1 if i == 0 else 0)
    if i == j:
        raise QuestionError(f"a picture of the frontier needs two parties, not {names[i]} twice")
    first, second = clean(names[i]), clean(names[j])
    front = a.frontier.values
    shown = _spread(len(front), FRONT)
    d = a.disagreement.values
    cloud = _cloud(a, i, j)
    kinds = {
        "a deal": "#D2D2D2",
        "efficient, refused by somebody": "#8F8F8F",
        "efficient, acceptable to all": BLUE,
    }
    rows: list[Spec] = [{"x": number(p), "y": number(q), "kind": "a deal"} for p, q in cloud]
    rows += [
        {
            "x": number(front[r, i]),
            "y": number(front[r, j]),
            "kind": "efficient, acceptable to all"
            if a.acceptable[r]
            else "efficient, refused by somebody",
        }
        for r in shown
    ]
    chosen = [
        {"x": number(row[i]), "y": number(row[j]), "solution": name}
        for name, s in a.solutions.items()
        for row in s.utilities.values[:50]
    ]
    ax = {"type": "quantitative", "scale": {"zero": False, "nice": True}}
    place = {
        "x": ax | {"field": "x", "title": f"{first} (own units)"},
        "y": ax | {"field": "y", "title": f"{second} (own units)"},
    }
    layers: list[Spec] = [
        {
            "data": {"values": rows},
            "mark": {"type": "point", "filled": True, "opacity": 1, "size": 28},
            "encoding": place
            | {
                "color": {
                    "field": "kind",
                    "type": "nominal",
                    "title": None,
                    "sort": None,
                    "scale": {"domain": list(kinds), "range": list(kinds.values())},
                }
            },
        }
    ]
    for axis, value in (("x", d[i]), ("y", d[j])):
        stated = math.isfinite(a.table.reservation[i if axis == "x" else j])
        if not (math.isfinite(value) and stated):
            continue
        layers.append(
            {
                "data": {"values": [{axis: number(value)}]},
                "mark": {"type": "rule", "strokeDash": [4, 3], "color": GREY},
                "encoding": {axis: place[axis]},
            }
        )
    if chosen:
        layers.append(
            {
                "data": {"values": chosen},
                "mark": {
                    "type": "point",
                    "filled": False,
                    "size": 150,
                    "strokeWidth": 2.5,
                    "color": ORANGE,
                    "opacity": 1,
                },
                "encoding": place
                | {
                    "shape": {
                        "field": "solution",
                        "type": "nominal",
                        "title": None,
                        "sort": None,
                        "scale": {"domain": list(SHAPES), "range": list(SHAPES.values())},
                        "legend": {"orient": "bottom", "symbolStrokeColor": ORANGE},
                    }
                },
            }
        )
    title = f"What {first} and {second} can have"
    subtitle = f"{clean(a.table.title)}; dashed: reservation values"
    words = (
        f"Scatter plot. {title}. {len(front)} efficient points, "
        f"{int(a.acceptable.sum())} acceptable to all. "
        + " ".join(
            f"{name}: {say(float(s.utilities.values[0, i]))} to {first}, "
            f"{say(float(s.utilities.values[0, j]))} to {second}."
            for name, s in a.solutions.items()
        )
    )
    return frame(title, subtitle, words) | {
        "width": WIDTH,
        "height": 420,
        "layer": layers,
        "resolve": {"scale": {"shape": "independent", "color": "independent"}},
    }


def _spread(n: int, most: int) -> np.ndarray:
    return np.arange(n) if n <= most else np.unique(np.linspace(0, n - 1, most).astype(int))


def _cloud(a: PointsAnswer, i: int, j: int) -> list[tuple[float, float]]:
    """Some deals behind the frontier: all of a small table, else evenly spread or random ones."""
    t = a.table
    rng = np.random.default_rng(a.seed)
    if t.deals <= CLOUD:
        units = to_units(t)
        parts = [
            b.worth.T if b.able is None else b.worth[:, b.able].T.copy() for b in blocks(units)
        ]
        worth = units.real(np.concatenate(parts))
    else:
        deals = np.stack([rng.integers(0, s, CLOUD) for s in t.sizes], axis=-1)
        worth = t.utilities(deals[t.feasible(deals)])
    return [(float(row[i]), float(row[j])) for row in worth]


def _solutions(a: PointsAnswer) -> Spec:
    if not a.solutions:
        raise QuestionError("no picture of the solutions: no deal is acceptable to all")
    names = names_of(a.table.names)
    low = np.minimum(a.disagreement.values, a.worst.values)
    best = a.frontier.values.max(axis=0)
    width = np.where(best > low, best - low, 1.0)
    rows: list[Spec] = []
    for name, s in a.solutions.items():
        for p, party in enumerate(names):
            rows.append(
                {
                    "party": party,
                    "solution": name,
                    "share": number(float((s.utilities.values[0, p] - low[p]) / width[p])),
                }
            )
    marks = [
        {"party": party, "at": number(float((a.table.reservation[p] - low[p]) / width[p]))}
        for p, party in enumerate(names)
        if math.isfinite(a.table.reservation[p])
    ]
    colours = dict(zip(SHAPES, (BLUE, ORANGE, "#009E73", "#CC79A7"), strict=True))
    title = "What each solution gives whom"
    words = f"Dot plot. {title}. " + " ".join(
        f"{r['solution']}, {r['party']}: {100 * (r['share'] or 0):.0f} %." for r in rows
    )
    axis = {
        "field": "share",
        "type": "quantitative",
        "title": "Between the worst and the best deal for each party",
        "axis": {"format": "%", "tickCount": 6},
        "scale": {"domain": [min(0.0, *(r["share"] or 0.0 for r in rows)), 1.0], "clamp": True},
    }
    y = rows_of("party", names)
    return frame(title, f"{clean(a.table.title)}; bar: reservation value", words) | {
        "width": WIDTH,
        "height": {"step": 52, "for": "position"},
        "layer": [
            {
                "data": {"values": rows},
                "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
                "encoding": {
                    "y": y,
                    "yOffset": {
                        "field": "solution",
                        "type": "nominal",
                        "sort": None,
                        "scale": {"domain": list(SHAPES)},
                    },
                    "x": axis,
                    "color": {
                        "field": "solution",
                        "type": "nominal",
                        "title": None,
                        "sort": None,
                        "scale": {"domain": list(colours), "range": list(colours.values())},
                    },
                },
            },
            {
                "data": {"values": marks},
                "mark": {"type": "rule", "strokeWidth": 2, "color": INK},
                "encoding": {
                    "y": y | {"bandPosition": 0.05},
                    "y2": {"field": "party", "bandPosition": 0.95},
                    "x": axis | {"field": "at"},
                },
            },
        ],
    }


def _issues(a: PointsAnswer, most: int = 15) -> Spec:
    share = a.opposition.share.values
    order = np.argsort(-share.max(axis=1), kind="stable")[:most]
    names = names_of(a.table.names)
    issues = [clean(f"{a.table.issues[int(k)].name}", 40) for k in order]
    rows: list[Spec] = [
        {"issue": issue, "party": party, "share": number(float(share[k, p])), "zero": 0}
        for issue, k in zip(issues, order, strict=True)
        for p, party in enumerate(names)
    ]
    title = "How much hangs on each issue for whom"
    left = len(share) - len(order)
    subtitle = "Part of each party's range that the issue by itself makes up" + (
        f"; {left} issues of less weight are left out" if left > 0 else ""
    )
    words = f"Bar chart. {title}. " + " ".join(
        f"{r['issue']}, {r['party']}: {100 * (r['share'] or 0):.0f} %." for r in rows[:60]
    )
    return frame(title, subtitle, words) | {
        "width": WIDTH,
        "height": {"step": 12 if len(names) > 1 else 22},
        "data": {"values": rows},
        "mark": {"type": "bar"},
        "encoding": {
            "y": rows_of("issue", issues),
            "yOffset": {
                "field": "party",
                "type": "nominal",
                "sort": None,
                "scale": {"domain": names},
            },
            "x": {
                "field": "share",
                "type": "quantitative",
                "title": None,
                "axis": {"format": "%", "tickCount": 6},
            },
            "color": _by_party(names),
        },
    }


def _by_party(names: list[str]) -> Spec:
    return {
        "field": "party",
        "type": "nominal",
        "title": None,
        "sort": None,
        "scale": {
            "domain": names,
            "range": [PALETTE[p % len(PALETTE)] for p in range(len(names))],
        },
    }


def _path(a: PointsAnswer, start: Any = "split", end: Any = "nash", gradual: bool = False) -> Spec:
    path = a.path(start, end, gradual=gradual)
    names = names_of(a.table.names)
    steps = ["start", *(clean(step, 60) for step in path.steps)]
    labels = [f"{k}. {step}" if k else step for k, step in enumerate(steps)]
    low, best = a.worst.values, a.frontier.values.max(axis=0)
    width = np.where(best > low, best - low, 1.0)
    level = (path.utilities.values - low) / width
    rows: list[Spec] = [
        {"step": labels[m], "party": party, "level": number(float(level[m, p]))}
        for m in range(len(labels))
        for p, party in enumerate(names)
    ]
    title = "The path of smallest concessions"
    subtitle = "Each party between its worst and its best deal, step by step"
    words = (
        f"Line chart. {title}: {'; '.join(steps)}. Nobody gives up more than "
        f"{100 * path.exposure:.0f} % of its range on the way."
    )
    return frame(title, subtitle, words) | {
        "width": WIDTH,
        "height": 300,
        "data": {"values": rows},
        "mark": {"type": "line", "point": {"filled": True, "size": 60}, "strokeWidth": 2.5},
        "encoding": {
            "x": {
                "field": "step",
                "type": "ordinal",
                "sort": None,
                "title": None,
                "scale": {"domain": labels},
                "axis": {"labelAngle": -25, "labelLimit": 200},
            },
            "y": {
                "field": "level",
                "type": "quantitative",
                "title": None,
                "axis": {"format": "%"},
                "scale": {"domain": [0, 1]},
            },
            "color": _by_party(names),
        },
    }


PICTURES: dict[str, Callable[..., Spec]] = {
    "frontier": _frontier,
    "solutions": _solutions,
    "issues": _issues,
    "path": _path,
}
