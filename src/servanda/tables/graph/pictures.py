"""Pictures of a conflict as Vega-Lite specifications: integrated graph, tree, table of equilibria.

In come answers; out come plain dicts for `servanda.show.render`. Names go into the data only.
"""

from __future__ import annotations

import math
from typing import Any, Final

from servanda.errors import QuestionError
from servanda.show.marks import BLUE, GREY, INK, ORANGE, PALE, Spec, clean, frame
from servanda.tables.graph.result import Stability
from servanda.tables.graph.status_quo import StatusQuo

MOST_ROWS: Final = 64
MOST_STATES: Final = 32
MOST_NODES: Final = 120
SIZE: Final = 620
# Okabe and Ito's palette, the dark ones first
COLOURS: Final = (BLUE, ORANGE, "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#F0E442", INK)


def equilibria(answer: Stability) -> Spec:
    """States by concept: an equilibrium, or how many decision makers would leave.

    Raises:
        QuestionError: more states than rows fit.
    """
    conflict = answer.conflict
    if conflict.size > MOST_ROWS:
        raise QuestionError(
            f"{conflict.size:,} states are too many for a table; at most {MOST_ROWS} fit"
        )
    names = [clean(m.name, 40) for m in answer.movers]
    rows: list[Spec] = []
    for c, concept in enumerate(answer.concepts):
        table = answer.stable.values[c]
        for s in range(conflict.size):
            bad = [name for name, good in zip(names, table[:, s]) if not good]
            rows.append(
                {
                    "concept": concept,
                    "state": clean(conflict.label(s), 40),
                    "kind": "equilibrium" if not bad else "unstable",
                    "words": "●" if not bad else ", ".join(bad),
                }
            )
    spec = frame(
        clean(conflict.title),
        "● stable for everybody; otherwise who would leave the state",
        f"Table of {conflict.size} states by {', '.join(answer.concepts)}. "
        + " ".join(
            f"{c}: equilibria {', '.join(map(str, answer.equilibria(c))) or 'none'}."
            for c in answer.concepts
        ),
    )
    order = [clean(conflict.label(s), 40) for s in range(conflict.size)]
    wide = max(len(", ".join(names)) * 5.2 if len(names) < 4 else 150, 64)
    return spec | {
        "data": {"values": rows},
        "width": {"step": min(wide, 190)},
        "height": {"step": 22},
        "encoding": {
            "x": {
                "field": "concept",
                "type": "nominal",
                "sort": list(answer.concepts),
                "title": None,
                "axis": {"orient": "top", "labelAngle": 0, "ticks": False, "domain": False},
            },
            "y": {
                "field": "state",
                "type": "nominal",
                "sort": None,
                "scale": {"domain": order},
                "title": None,
                "axis": {"ticks": False, "domain": False},
            },
        },
        "layer": [
            {
                "mark": {"type": "rect", "stroke": "white", "strokeWidth": 2},
                "encoding": {
                    "color": {
                        "field": "kind",
                        "type": "nominal",
                        "legend": None,
                        "scale": {"domain": ["equilibrium", "unstable"], "range": [BLUE, PALE]},
                    }
                },
            },
            {
                "mark": {"type": "text", "fontSize": 10, "limit": min(wide, 190) - 6},
                "encoding": {
                    "text": {"field": "words", "type": "nominal"},
                    "color": {
                        "condition": {
                            "test": {"field": "kind", "equal": "equilibrium"},
                            "value": "white",
                        },
                        "value": GREY,
                    },
                },
            },
        ],
    }


def graph(answer: Stability) -> Spec:
    """The integrated graph: every move of every mover; improvements drawn strong.

    Raises:
        QuestionError: more states than can be told apart.
    """
    conflict = answer.conflict
    n = conflict.size
    if n > MOST_STATES:
        raise QuestionError(f"{n:,} states are too many to draw; at most {MOST_STATES} fit")
    at: list[tuple[float, float]] = [
        (math.sin(2 * math.pi * s / n), math.cos(2 * math.pi * s / n)) if n > 1 else (0.0, 0.0)
        for s in range(n)
    ]
    lines: list[Spec] = []
    heads: list[Spec] = []
    names = [clean(m.name, 40) for m in answer.movers]
    for k, mover in enumerate(answer.movers):
        for s in range(n):
            targets = mover.targets(s)
            for t, better in zip(map(int, targets), mover.leaves(s, targets)):
                kind = "improvement" if better else "other move"
                arc = f"{k}.{s}.{t}"
                points = _curve(at[s], at[t], 0.09)
                common = {"mover": names[k], "kind": kind, "arc": arc}
                for step, (px, py) in enumerate(points):
                    lines.append(common | {"x": round(px, 4), "y": round(py, 4), "step": step})
                (x0, y0), (x1, y1) = points[-2], points[-1]
                angle = math.degrees(math.atan2(x1 - x0, y1 - y0))
                heads.append(
                    common | {"x": round(x1, 4), "y": round(y1, 4), "angle": round(angle, 1)}
                )
    best = [c for c in answer.concepts if answer.equilibria(c)]
    good = set(answer.equilibria(best[0])) if best else set()
    what = f"filled: {best[0]} equilibria" if best else "no equilibria"
    states = [
        {
            "x": round(px, 4),
            "y": round(py, 4),
            "number": str(s + 1),
            "kind": "equilibrium" if s + 1 in good else "state",
            "pattern": clean(conflict.pattern(s), 24),
            "ly": round(py * 1.17, 4),
            "lx": round(px * 1.17, 4),
        }
        for s, (px, py) in enumerate(at)
    ]
    x: Spec = _plain("x", [-1.35, 1.35])
    y: Spec = _plain("y", [-1.3, 1.3])
    colour: Spec = {
        "field": "mover",
        "type": "nominal",
        "title": None,
        "scale": {"domain": names, "range": [COLOURS[k % 8] for k in range(len(names))]},
        "legend": {"symbolType": "stroke", "symbolStrokeWidth": 3},
    }
    strength: Spec = {
        "condition": {"test": {"field": "kind", "equal": "improvement"}, "value": 1},
        "value": 0.28,
    }
    spec = frame(
        clean(conflict.title),
        f"Who can move where. Dark: improvements of the mover; pale: other moves; {what}.",
        f"Integrated graph of {n} states and {len(heads)} moves by {', '.join(names)}.",
    )
    node: Spec = {
        "condition": {"test": {"field": "kind", "equal": "equilibrium"}, "value": INK},
        "value": "white",
    }
    ink: Spec = {
        "condition": {"test": {"field": "kind", "equal": "equilibrium"}, "value": "white"},
        "value": INK,
    }
    return spec | {
        "width": SIZE,
        "height": SIZE,
        "layer": [
            {
                "data": {"values": lines},
                "mark": {"type": "line", "strokeWidth": 1.6},
                "encoding": {
                    "x": x,
                    "y": y,
                    "order": {"field": "step", "type": "quantitative"},
                    "detail": {"field": "arc", "type": "nominal"},
                    "color": colour,
                    "opacity": strength,
                },
            },
            {
                "data": {"values": heads},
                "mark": {"type": "point", "shape": "triangle-up", "filled": True, "size": 70},
                "encoding": {
                    "x": x,
                    "y": y,
                    "angle": {
                        "field": "angle",
                        "type": "quantitative",
                        "scale": {"domain": [-360, 360], "range": [-360, 360]},
                    },
                    "color": colour | {"legend": None},
                    "opacity": strength,
                },
            },
            {
                "data": {"values": states},
                "mark": {"type": "point", "filled": True, "size": 620, "opacity": 1,
                         "stroke": INK, "strokeWidth": 1.2},
                "encoding": {"x": x, "y": y, "fill": node},
            },
            {
                "data": {"values": states},
                "mark": {"type": "text", "fontSize": 13},
                "encoding": {
                    "x": x, "y": y, "text": {"field": "number", "type": "nominal"}, "color": ink,
                },
            },
            {
                "data": {"values": states},
                "mark": {"type": "text", "fontSize": 11, "color": GREY},
                "encoding": {
                    "x": _plain("lx", [-1.35, 1.35]),
                    "y": _plain("ly", [-1.3, 1.3]),
                    "text": {"field": "pattern", "type": "nominal"},
                },
            },
        ],
    }  # fmt: skip


def _plain(field: str, domain: list[float]) -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": domain, "nice": False, "zero": False},
    }


def _curve(
    a: tuple[float, float], b: tuple[float, float], node: float, steps: int = 12
) -> list[tuple[float, float]]:
    """A slightly bent line from a to b that starts and ends outside the nodes; [x, y] points.

    Both directions bend to their own side, so that a move and its way back do not cover each other.
    """
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = math.hypot(dx, dy) or 1.0
    middle = (
        (a[0] + b[0]) / 2 - dy * 0.09,
        (a[1] + b[1]) / 2 + dx * 0.09,
    )
    cut = min(node / length, 0.35)
    points = []
    for k in range(steps + 1):
        p = cut + (1 - 2 * cut) * k / steps
        points.append(
            tuple((1 - p) ** 2 * a[d] + 2 * p * (1 - p) * middle[d] + p**2 * b[d] for d in range(2))
        )
    return points  # type: ignore[return-value]


def tree(answer: StatusQuo) -> Spec:
    """The status-quo tree, from left to right by step; improvements drawn strong.

    Raises:
        QuestionError: more nodes than can be told apart.
    """
    nodes = answer.nodes
    if len(nodes) > MOST_NODES:
        raise QuestionError(
            f"{len(nodes):,} nodes are too many to draw; at most {MOST_NODES} fit: give fewer "
            "steps, or only improvements"
        )
    height = _rows(nodes)
    who = list(dict.fromkeys(n.by for n in nodes if n.by))
    names = [clean(w, 40) for w in who]
    label = {w: clean(w, 40) for w in who}
    lines = [
        {
            "x": nodes[n.parent].step + 0.09,
            "y": height[n.parent],
            "x2": n.step - 0.09,
            "y2": height[k],
            "mover": label[n.by],
            "kind": "improvement" if n.improvement else "other move",
        }
        for k, n in enumerate(nodes)
        if n.parent >= 0
    ]
    points = [
        {"x": n.step, "y": height[k], "number": str(n.state), "words": clean(n.label, 40)}
        for k, n in enumerate(nodes)
    ]
    deep = max(n.step for n in nodes)
    rows = max(height) + 1
    x = _plain("x", [-0.3, deep + 0.5])
    y = _plain("y", [rows - 0.4, -0.6])
    spec = frame(
        clean(answer.title),
        f"What can follow from state {answer.start}. Dark: improvements of the mover.",
        f"Tree of {len(nodes)} nodes and {deep} steps from state {answer.start}.",
    )
    return spec | {
        "width": SIZE,
        "height": max(90, 34 * int(rows)),
        "layer": [
            {
                "data": {"values": lines},
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {
                    "x": x,
                    "y": y,
                    "x2": {"field": "x2"},
                    "y2": {"field": "y2"},
                    "color": {
                        "field": "mover",
                        "type": "nominal",
                        "title": None,
                        "scale": {
                            "domain": names,
                            "range": [COLOURS[k % 8] for k in range(len(names))],
                        },
                        "legend": {"symbolType": "stroke", "symbolStrokeWidth": 3},
                    },
                    "opacity": {
                        "condition": {
                            "test": {"field": "kind", "equal": "improvement"},
                            "value": 1,
                        },
                        "value": 0.35,
                    },
                },
            },
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 480, "opacity": 1,
                         "fill": "white", "stroke": INK, "strokeWidth": 1.2},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": points},
                "mark": {"type": "text", "fontSize": 12, "color": INK},
                "encoding": {"x": x, "y": y, "text": {"field": "number", "type": "nominal"}},
            },
        ],
    }  # fmt: skip


def _rows(nodes: Any) -> list[float]:
    """A row for every node: leaves one below the other, parents between their children."""
    children: dict[int, list[int]] = {}
    for k, n in enumerate(nodes):
        if n.parent >= 0:
            children.setdefault(n.parent, []).append(k)
    height = [0.0] * len(nodes)
    free = 0
    order, stack = [], [0]
    while stack:
        k = stack.pop()
        order.append(k)
        stack.extend(reversed(children.get(k, [])))
    for k in order:
        if k not in children:
            height[k] = float(free)
            free += 1
    for k in reversed(order):
        if k in children:
            height[k] = sum(height[c] for c in children[k]) / len(children[k])
    return height
