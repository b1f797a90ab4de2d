"""Charts of a spatial answer as Vega-Lite specifications: positions over turns, votes, levers.

In: a `SpatialAnswer` and which picture. Out: a plain dict, saved too if a path is given. What a
user wrote goes into the data, never into a field name or an expression.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from servanda.errors import QuestionError, unknown
from servanda.show.marks import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PALE,
    WIDTH,
    clean,
    frame,
    legend,
    names_of,
    number,
    panel_title,
    say,
)
from servanda.show.render import save
from servanda.tables.spatial.answer import SpatialAnswer

Spec = dict[str, Any]

# Okabe and Ito, without the yellow that vanishes on white; those after the sixth are grey.
COLOURS: Final = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
OTHERS: Final = "others"
MEAN: Final = "weighted mean"
MOST_ROWS: Final = 40


def picture(answer: SpatialAnswer, what: str, path: str | os.PathLike[str] | None = None) -> Spec:
    """One of the pictures in `PICTURES`; saved as .svg, .png or .json if `path` is given.

    Raises QuestionError for an unknown picture, one that this answer has no data for, or a path
    with another ending.
    """
    if what not in PICTURES:
        raise unknown("picture", what, PICTURES)
    spec: Spec = PICTURES[what](answer)
    if path is not None:
        save(spec, path)
    return spec


def _turns(a: SpatialAnswer) -> Spec:
    """Positions over the turns of bargaining: the middle of the runs, and the mean's spread."""
    h = a.history
    if h is None:
        raise QuestionError("there was no bargaining to draw: " + "; ".join(a.notes))
    runs = h.position.shape[1]
    last = int(np.quantile(h.length, 0.9)) + 1  # few runs go on for much longer than the others
    path = np.median(h.position, axis=1)[: last + 1]
    mean = h.mean(a.table.influence)[: last + 1]
    band = np.quantile(mean, (0.1, 0.5, 0.9), axis=1)
    words = "middle of the runs; shade: 8 in 10 runs of the mean" if runs > 1 else "one run"
    return _paths(a, path, band, "turn", "Positions over the turns of bargaining",
                  f"{words}, seed {h.seed}", list(h.dimensions))  # fmt: skip


def _rounds(a: SpatialAnswer) -> Spec:
    """Positions over the rounds of challenges, one panel a dimension."""
    if not a.challenges:
        raise QuestionError("there were no challenges to draw: " + "; ".join(a.notes))
    longest = max(len(c.position) for c in a.challenges.values())
    n = len(a.table.actors)
    path = np.full((longest, n, len(a.challenges)), np.nan)
    mean = np.full((longest, len(a.challenges)), np.nan)
    for k, played in enumerate(a.challenges.values()):
        where = [a.table.actors.index(x) for x in played.actors]
        path[: len(played.position), where, k] = played.position
        path[len(played.position) :, where, k] = played.position[-1]
        mean[: len(played.mean), k] = played.mean
        mean[len(played.mean) :, k] = played.mean[-1]
    band = np.stack([mean] * 3)
    return _paths(a, path, band, "round", "Positions over the rounds of challenges",
                  "the expected-utility model", list(a.challenges))  # fmt: skip


def _paths(
    a: SpatialAnswer,
    path: np.ndarray,
    band: np.ndarray,
    time: str,
    title: str,
    words: str,
    dimensions: list[str],
) -> Spec:
    """Lines of actors over time, [time, actor, dimension], and the mean's [3, time, dimension]."""
    lines_of = _bundles(a, path)
    shown = [name for name, _ in lines_of[: len(COLOURS)]]
    colours = dict(zip(shown, COLOURS, strict=False))
    if len(lines_of) > len(COLOURS):
        colours[OTHERS] = "#B0B0B0"
    colours[MEAN] = INK
    last = len(path) - 1
    x = {
        "field": "time",
        "type": "quantitative",
        "title": f"{time.capitalize()} (0: the table as given)",
        "scale": {"domain": [0, max(last, 1)], "nice": False},
        "axis": {"tickMinStep": 1, "grid": False, "labelFlush": False},
    }
    panels = []
    for k, name in enumerate(dimensions):
        at = a.table.dimensions.index(name)
        low, high = float(a.table.low[at]), float(a.table.high[at])
        y = {
            "type": "quantitative",
            "title": clean(a.table.unit) or "position",
            "scale": {"domain": [low, high], "nice": False},
        }
        lines = [
            {"time": t, "value": number(path[t, i, k]), "actor": str(i),
             "kind": name if name in colours else OTHERS}
            for name, i in reversed(lines_of)
            for t in range(len(path))
        ]  # fmt: skip
        means = [
            {"time": t, "low": number(band[0, t, k]), "value": number(band[1, t, k]),
             "high": number(band[2, t, k]), "kind": MEAN}
            for t in range(len(path))
        ]  # fmt: skip
        colour: Spec = {
            "field": "kind",
            "type": "nominal",
            "title": None,
            "scale": {"domain": list(colours), "range": list(colours.values())},
            "legend": {"orient": "right", "symbolType": "stroke", "symbolStrokeWidth": 3},
        }
        panel: Spec = {
            "width": WIDTH - 60,
            "height": 260 if len(dimensions) == 1 else 190,
            "layer": [
                {
                    "data": {"values": means},
                    "mark": {"type": "area", "color": PALE, "opacity": 0.8},
                    "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}},
                },
                {
                    "data": {"values": lines},
                    "mark": {"type": "line", "strokeWidth": 1.8},
                    "encoding": {
                        "x": x,
                        "y": y | {"field": "value"},
                        "color": colour,
                        "detail": {"field": "actor", "type": "nominal"},
                    },
                },
                {
                    "data": {"values": means},
                    "mark": {"type": "line", "strokeWidth": 2.5, "strokeDash": [6, 3]},
                    "encoding": {"x": x, "y": y | {"field": "value"}, "color": colour},
                },
            ],
        }
        if len(dimensions) > 1:
            panel["title"] = panel_title(clean(name))
        panels.append(panel)
    ends = "; ".join(
        f"{clean(name)}: mean from {say(float(band[1, 0, k]))} to {say(float(band[1, -1, k]))}"
        for k, name in enumerate(dimensions)
    )
    whole = clean(a.table.title) or title
    subtitle = f"{title}: {words}" if a.table.title else words
    spec = frame(whole, subtitle, f"Line chart. {title} of {len(a.table.actors)} actors. {ends}.")
    if len(panels) == 1:
        return spec | panels[0]
    return spec | {"vconcat": panels, "resolve": {"scale": {"color": "shared"}}}


def _bundles(a: SpatialAnswer, path: np.ndarray) -> list[tuple[str, int]]:
    """Actors that go the same way are one line, named after all: (name, one of them), the most
    influential first."""
    weight = a.table.influence.sum(1)
    together: dict[bytes, list[int]] = {}
    for i in np.argsort(-weight, kind="stable"):
        key = np.round(np.nan_to_num(path[:, i]), 9).tobytes()
        together.setdefault(key, []).append(int(i))
    found = sorted(together.values(), key=lambda some: -weight[some].sum())
    return [(_joined([a.table.actors[i] for i in some]), some[0]) for some in found]


def _joined(actors: Sequence[str], most: int = 2) -> str:
    """The first names, and how many more."""
    shown = ", ".join(clean(x, 24) for x in actors[:most])
    return shown + (f" and {len(actors) - most} more" if len(actors) > most else "")


def _positions(a: SpatialAnswer) -> Spec:
    """Where everybody stands: influence as the size of the dot, mean and median as rules."""
    t = a.table
    order = np.argsort(t.position[:, 0], kind="stable")
    if len(order) > MOST_ROWS:
        heavy = np.argsort(-t.influence.sum(1), kind="stable")[:MOST_ROWS]
        order = np.array([i for i in order if i in set(heavy.tolist())])
    actors = names_of(t.actors)
    panels = []
    for k, name in enumerate(t.dimensions):
        rows = [
            {"actor": actors[i], "position": number(t.position[i, k]),
             "influence": number(t.influence[i, k] / max(t.influence[:, k].max(), 1e-300))}
            for i in order
        ]  # fmt: skip
        x = {
            "type": "quantitative",
            "title": clean(t.unit) or "position",
            "scale": {"domain": [float(t.low[k]), float(t.high[k])], "nice": False, "padding": 14},
        }
        kinds = {MEAN: ORANGE, "median voter": INK}
        panel: Spec = {
            "width": WIDTH - 60 if len(t.dimensions) == 1 else WIDTH // 2,
            "height": {"step": 20},
            "layer": [
                *(
                    {
                        "data": {"values": [{"at": number(float(at))}]},
                        "mark": {"type": "rule", "strokeWidth": 1.8, "strokeDash": dash},
                        "encoding": {"x": x | {"field": "at"}, "color": legend(kind, kinds)},
                    }
                    for at, kind, dash in (
                        (a.mean[k], MEAN, [6, 3]), (a.median[0][k], "median voter", [1, 0])
                    )
                ),
                {
                    "data": {"values": rows},
                    "mark": {"type": "circle", "color": BLUE, "opacity": 0.85},
                    "encoding": {
                        "x": x | {"field": "position"},
                        "y": {"field": "actor", "type": "nominal", "sort": None, "title": None,
                              "axis": {"grid": True, "ticks": False, "domain": False}},
                        "size": {"field": "influence", "type": "quantitative", "legend": None,
                                 "scale": {"domain": [0, 1], "range": [12, 330]}},
                    },
                },
            ],
        }  # fmt: skip
        if len(t.dimensions) > 1:
            panel["title"] = panel_title(clean(name))
        panels.append(panel)
    words = "dots: actors, as large as their influence"
    spec = frame(clean(t.title) or "Where actors stand", words,
                 f"Dot chart of the positions of {len(actors)} actors.")  # fmt: skip
    if len(panels) == 1:
        return spec | panels[0]
    return spec | {"concat": panels, "columns": 2}


def _election(a: SpatialAnswer) -> Spec:
    """The probability of every position held."""
    order = np.argsort(-a.probability, kind="stable")[:MOST_ROWS]
    rows = []
    for o in order:
        heavy = dict(zip(a.table.actors, a.table.influence.sum(1), strict=True))
        who = sorted(a.contest.holders[o], key=lambda name: -heavy[name])
        at = ", ".join(say(float(v)) for v in a.contest.options[o])
        rows.append({"option": f"{_joined(who)} ({at})", "p": number(float(a.probability[o]))})
    how = f"{a.election.election}, {a.election.voting} votes, {a.election.victory} victory"
    words = f"Bar chart of {len(rows)} positions; the likeliest is {rows[0]['option']}."
    spec = frame("Which position wins", how, words)
    bar: Spec = {
        "x": {"field": "p", "type": "quantitative", "title": "Probability",
              "axis": {"format": ".0%"}},
        "y": {"field": "option", "type": "nominal", "sort": None, "title": None,
              "axis": {"ticks": False, "domain": False}},
    }  # fmt: skip
    return spec | {
        "width": WIDTH - 180,
        "height": {"step": 24},
        "data": {"values": rows},
        "mark": {"type": "bar", "color": BLUE, "height": 15},
        "encoding": bar,
    }


def _sensitivity(a: SpatialAnswer) -> Spec:
    """A tornado: where the expected outcome goes if one input is moved down and up."""
    s = a.sensitivity.get("election")
    if s is None:
        raise QuestionError("there is no sensitivity to draw: " + "; ".join(a.notes))
    panels = []
    for k, name in enumerate(s.dimensions):
        rows: list[Spec] = []
        for i in np.argsort(-s.swing[:, k], kind="stable")[:12]:
            if s.swing[i, k] <= 1e-9 * float(a.table.high[k] - a.table.low[k]):
                continue
            actor, kind, of = s.inputs[i]
            what = f"{clean(actor)}: {kind}" + (
                f", {clean(of)}" if of and len(s.dimensions) > 1 else ""
            )
            for side, end in (("less", s.low[i, k]), ("more", s.high[i, k])):
                rows.append({"what": what, "side": side, "from": number(float(s.base[k])),
                             "to": number(float(end))})  # fmt: skip
        colour: Spec = {
            "field": "side", "type": "nominal", "title": None,
            "scale": {"domain": ["less", "more"], "range": [ORANGE, BLUE]},
        }  # fmt: skip
        on = f" on {clean(name)}" if len(s.dimensions) > 1 else ""
        x = {"type": "quantitative", "scale": {"zero": False}, "axis": {"tickCount": 6},
             "title": "expected outcome" + on}  # fmt: skip
        y = {"field": "what", "type": "nominal", "sort": None, "title": None,
             "axis": {"ticks": False, "domain": False}}  # fmt: skip
        panels.append({
            "width": WIDTH - 200,
            "height": 12 * max(len(rows), 2),
            "layer": [
                {
                    "data": {"values": rows},
                    "mark": {"type": "bar", "height": 8},
                    "encoding": {
                        "x": x | {"field": "from"}, "x2": {"field": "to"}, "y": y, "color": colour,
                        "yOffset": {"field": "side", "type": "nominal", "sort": ["less", "more"]},
                    },
                },
                {
                    "data": {"values": [{"base": number(float(s.base[k]))}]},
                    "mark": {"type": "rule", "color": GREY},
                    "encoding": {"x": x | {"field": "base"}},
                },
            ],
        })  # fmt: skip
    words = f"one input at a time {100 * s.share:g} % less or more (positions: of the scale)"
    said = f"Bar chart of the inputs that move the expected outcome most, of {len(s.inputs)}."
    spec = frame("What the expected outcome hangs on", words, said)
    return spec | (panels[0] if len(panels) == 1 else {"vconcat": panels})


PICTURES: Mapping[str, Any] = {
    "turns": _turns,
    "rounds": _rounds,
    "positions": _positions,
    "election": _election,
    "sensitivity": _sensitivity,
}
