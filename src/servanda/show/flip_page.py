"""What the verdict rests on, said on one page.

In: a `Flip`. Out: blocks for the terminal, and its pictures.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from servanda.errors import QuestionError
from servanda.show.figures import decimals, figure, percent
from servanda.show.marks import Spec, in_words
from servanda.show.page import Block, Columns, Heading, Paragraph
from servanda.show.page_parts import foot, listed, title

if TYPE_CHECKING:
    from servanda.questions.flip import Flip, FlipPoint

TOP = 8
"""Assumptions in the table of swings."""


def blocks(f: Flip) -> list[Block]:
    """The page."""
    found = title(f.origin, _answer(f)) + _flips(f) + _swings(f) + _gradients(f)
    found += _levels(f) + _readings(f) + _compliance(f) + _sobol(f)
    return found + foot(
        f.origin,
        "Everything here is at the central case, one thing changed at a time. A flip is a value at "
        "which worth against no deal changes its sign; it is bracketed by solving the game again, "
        "not by extrapolation, and checked by solving it on both sides.",
        "Beyond its range a number is followed by as much again on either side, as far as it can "
        "go at all.",
    )


def _answer(f: Flip) -> str:
    who, worth = f.origin.names[f.chair], f.worth[f.chair]
    error = f.origin.grid_error.get(f"{f.deal}.worth.{f.chair}", math.nan)
    gain = "worth signing" if worth > 0 else "not worth signing"
    words = f"In the central case {in_words(f.deal)} is {gain} for {who}"
    words += f" ({figure(worth, error)}). "
    inside = [p for p in f.flips if p.inside]
    names = list(dict.fromkeys(p.assumption for p in inside))
    total = len(f.points)
    if names:
        of = f"{len(names)} of {total} assumptions could turn that within their ranges"
        return words + f"{of}: {listed(names[:6])}{' and others' if len(names) > 6 else ''}."
    beyond = list(dict.fromkeys(p.assumption for p in f.flips))
    words += f"None of {total} assumptions turns that within its range by itself"
    return words + (f"; beyond it: {listed(beyond[:6])}." if beyond else ".")


def _value(x: float) -> str:
    return f"{x:.3g}"


def _flips(f: Flip) -> list[Block]:
    if not f.flips:
        line = "No assumption by itself, within its range or as far again beyond it."
        return [Heading("Where the verdict turns"), Paragraph(line)]
    shown = f.flips[:16]
    rows = tuple(
        (
            in_words(p.assumption),
            _value(p.usual),
            f"{_value(p.low)} to {_value(p.high)}",
            ("> " if p.rises else "< ") + _value(p.value),
            "inside" if p.inside else "beyond",
            _remark(p),
        )
        for p in shown
    )
    heads = ("", "central", "range", "worth signing if", "its range", "")
    found: list[Block] = [
        Heading("Where the verdict turns", "one assumption at a time"),
        Columns(heads, rows),
    ]
    if len(f.flips) > len(shown):
        found.append(Paragraph(f"And {len(f.flips) - len(shown)} more, all beyond their ranges."
                     if not any(p.inside for p in f.flips[16:])
                     else f"And {len(f.flips) - len(shown)} more; --json has all."))  # fmt: skip
    return found


def _remark(p: FlipPoint) -> str:
    parts = ["jump"] if p.jump else []
    if not p.verified:
        parts.append("unsure: turns back at once")
    return ", ".join(parts)


def _swings(f: Flip) -> list[Block]:
    error = f.origin.grid_error.get(f"{f.deal}.worth.{f.chair}", math.nan)
    mine = f.scan.sel(party=f.chair).values
    swing = mine[:, 5] - mine[:, 1]
    rows = []
    for k in np.argsort(-np.abs(swing), kind="stable")[:TOP]:
        ends = mine[k, 1], mine[k, 5]
        places = decimals(error, *ends)
        rows.append(
            (
                in_words(str(f.scan.assumption.values[k])),
                f"{_value(f.ranges[k, 0])} to {_value(f.ranges[k, 1])}",
                figure(ends[0], error, places=places),
                figure(ends[1], error, places=places),
            )
        )
    heads = ("", "range", "worth at its low end", "at its high end")
    remark = f"worth to {f.origin.names[f.chair]} with one assumption at an end of its range"
    return [Heading("What swings it most", remark), Columns(heads, tuple(rows))]


def _gradients(f: Flip) -> list[Block]:
    table = f.elasticity()
    lines = []
    for name in table.figure.values:
        row = table.sel(figure=name).values
        top = [k for k in np.argsort(-np.abs(row), kind="stable")[:3] if abs(row[k]) > 1e-9]
        said = [f"{in_words(str(table.assumption.values[k]))} {_slope(row[k], str(name))}"
                for k in top]  # fmt: skip
        if said:
            lines.append(Paragraph(f"{_headline(str(name), f)}: {'; '.join(said)}.", hang=2))
    remark = "change of each headline over an assumption's whole range, from its slope here"
    return [Heading("Gradients", remark), *lines] if lines else []


def _slope(x: float, headline: str) -> str:
    if headline.startswith(("survival", "signs")):
        return f"{'+' if x > 0 else '−'}{percent(min(abs(x), 9.99))}"
    return figure(x, places=decimals(math.nan, x) - (1 if abs(x) >= 10 else 0))


def _headline(name: str, f: Flip) -> str:
    kind, _, rest = name.partition(".")
    if kind == "worth":
        return f"worth to {f.origin.names.get(rest, rest)}"
    return "all sign" if kind == "signs" else f"in force at {rest}, false alarms counted"


def _levels(f: Flip) -> list[Block]:
    rows = []
    error = f.origin.grid_error.get(f"{f.deal}.worth.{f.chair}", math.nan)
    for v in f.levels:
        label = "as it is" if v.usual else f"{in_words(v.term)}: {in_words(v.level)}"
        turned = "turns" if v.flips else ""
        worth = figure(v.worth[f.chair], error)
        kept = percent(v.survival), percent(v.unaccused)
        rows.append((label, worth, percent(v.signs), *kept, turned))
    if len(rows) < 2:
        return []
    heads = (
        "",
        f"worth to {f.origin.names[f.chair]}",
        "all sign",
        "in force at the end",
        "if nobody is wrongly accused",
        "",
    )
    remark = "the deal with one term at another level"
    return [Heading("Terms", remark), Columns(heads, tuple(rows))]


def _readings(f: Flip) -> list[Block]:
    if not f.readings:
        return []
    rows = tuple(
        (
            f"{in_words(r.group)}: {in_words(r.hypothesis)}",
            figure(r.worth[f.chair]),
            "turns" if r.flips else "",
        )
        for r in f.readings
    )
    heads = ("", f"worth to {f.origin.names[f.chair]}", "")
    return [Heading("Rival readings", "instead of the likeliest"), Columns(heads, rows)]


def _compliance(f: Flip) -> list[Block]:
    lines = []
    for c in f.compliance:
        who = listed([f.origin.names[p] for p in c.others])
        words = f"{who}: worth {figure(c.kept)} if they keep their word for certain, "
        words += f"{figure(c.broken)} if they break it at once. "
        p = c.break_even
        if c.backwards:
            words += "A breach is worth more here than good faith."
            words += f" It pays while their word is kept with less than {percent(p)}."
        elif math.isnan(p):
            words += "It does not pay however sure their word is."
        elif p == 0:
            words += "It pays however unsure their word is."
        else:
            words += f"It pays from {percent(p)} on."
        lines.append(Paragraph(words, hang=2))
    if not lines:
        lines = [Paragraph("Nobody else is bound to anything.")]
    remark = "how sure must their word be, for signing to pay"
    return [Heading("Break-even compliance", remark), *lines]


def _sobol(f: Flip) -> list[Block]:
    if f.sobol is None:
        return []
    rows = tuple(
        (
            in_words(name),
            f"{s:.2f} ({a:.2f} to {b:.2f})",
            f"{t:.2f} ({c:.2f} to {d:.2f})",
        )
        for name, s, (a, b), t, (c, d) in zip(
            f.sobol.names,
            f.sobol.first,
            f.sobol.first_interval,
            f.sobol.total,
            f.sobol.total_interval,
            strict=True,
        )
    )
    remark = "shares of the variance of worth, with intervals; other assumptions as usual"
    heads = ("", "alone", "with others")
    return [Heading("Sobol' indices", remark), Columns(heads, rows)]


def picture(f: Flip, what: str) -> Spec:
    """`tornado`, `map` or `sobol`."""
    from servanda.show import flip_charts

    who = f.origin.names[f.chair]
    figure_name = f"the worth of {in_words(f.deal)} to {who}"
    if what == "map":
        if f.map is None:
            raise QuestionError("no map was asked for: flip(..., pair=True)")
        names = [str(n) for n in f.scan.assumption.values]
        at = [float(f.points[names.index(n), 3]) for n in (f.map.x_name, f.map.y_name)]
        return flip_charts.heat_map(
            f.map.x,
            f.map.y,
            f.map.worth,
            in_words(f.map.x_name),
            in_words(f.map.y_name),
            (at[0], at[1]),
            figure=figure_name,
        )
    if what == "sobol":
        if f.sobol is None:
            raise QuestionError("Sobol' indices were not asked for: flip(..., sobol=32)")
        s = f.sobol
        return flip_charts.sobol_bars(
            [in_words(n) for n in s.names],
            s.first,
            s.first_interval,
            s.total,
            s.total_interval,
            figure=figure_name,
        )
    mine = f.scan.sel(party=f.chair).values
    names = [str(n) for n in f.scan.assumption.values]
    inside = {p.assumption: p.value for p in reversed(f.flips) if p.inside}
    flips = np.array([inside.get(n, math.nan) for n in names])
    return flip_charts.tornado(
        [in_words(n) for n in names],
        mine[:, 1],
        mine[:, 5],
        f.worth[f.chair],
        flips,
        flip_worth=np.where(np.isfinite(flips), 0.0, math.nan),
        figure=figure_name,
        ends=f.ranges,
    )
