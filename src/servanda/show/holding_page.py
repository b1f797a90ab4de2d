"""What holds a deal up, as a section of a page and as a picture.

In: a `Holding`. Out: blocks, and a Vega-Lite specification.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from servanda.show.figures import (
    band,
    between,
    decimals,
    figure,
    in_worlds,
    percent,
    percent_between,
)
from servanda.show.marks import Spec, clean, in_words, plural
from servanda.show.page import Block, Columns, Heading, Paragraph
from servanda.show.play_charts import Parts, stacked_parts

if TYPE_CHECKING:
    from servanda.questions.holding import Guarantee, Held, Holding

COLUMNS = 4
"""Dates in a table."""


def block(h: Holding, start: int = 0, until: int | None = None) -> list[Block]:
    """Slack by party and date, when breaking first pays, what makes it up, and guarantees.

    Nothing is said of what comes after `until`.
    """
    remark = "best way of keeping less best way of breaking, while in force; own units"
    found: list[Block] = [Heading("What holds it up", remark)]
    if not h.held:
        found.append(Paragraph("Nobody can break a duty while the deal is in force."))
        return found + _guarantees(h)
    last = int(max(x.periods[np.isfinite(x.mean())].max() for x in h.held))
    last = last if until is None else min(last, until)
    at = dates(min(start, last), last, COLUMNS)
    heads = ("", *(f"{h.period} {t}" for t in at), f"breaking pays by {last}")
    rows = []
    for x in h.held:
        mean, ends = x.mean(), x.band()
        cells = [_cell(mean[t], ends[t], len(h.weight)) for t in at]
        rows.append((name_of(x, h), *cells, percent(x.paid_by(last))))
    found.append(Columns(heads, tuple(rows)))
    found += [Paragraph(_said(x, h, last), hang=2) for x in h.held]
    words = "Positive: keeping pays. Means over worlds, in each over paths on which the deal is "
    words += "in force there, however unlikely; 8 in 10 worlds in brackets. The last column is the "
    words += (
        f"share of worlds in which breaking has paid, on average over paths, in some {h.period} "
    )
    words += "up to then."
    return [*found, Paragraph(words), *_guarantees(h)]


def _cell(mean: float, ends: np.ndarray, worlds: int) -> str:
    low, high = map(float, ends)
    if not math.isfinite(mean):
        return "–"
    places = decimals(math.nan, mean, low, high)
    here = figure(mean, places=places)
    return here if worlds < 2 else f"{here} ({between(low, high, places=places)})"


def name_of(x: Held, h: Holding) -> str:
    """The party, and what it promised where it stands at more than one node."""
    several = sum(y.party == x.party for y in h.held) > 1
    return clean(x.label) + (f" ({clean(x.promises[0], 40)})" if several else "")


def _said(x: Held, h: Holding, last: int) -> str:
    """When breaking first pays, and what makes the slack at first and at last."""
    middle = x.middle()
    name = name_of(x, h)
    words = f"{name}: in the middle world breaking "
    if math.isinf(middle):
        words += "never pays. "
    elif middle == 0:
        words += "pays from the start. "
    else:
        words += f"first pays in {h.period} {middle:.0f}. "
    parts, known = x.mean_parts(), np.flatnonzero(np.isfinite(x.mean()[: last + 1]))
    for t in dict.fromkeys((int(known[0]), int(known[-1]))) if len(known) else ():
        row = parts[t]
        order = [int(k) for k in np.argsort(-np.abs(row), kind="stable")[:3] if row[k] != 0]
        named = [
            f"{in_words(str(x.parts.interest.values[k]).split('.', 1)[1])} {figure(row[k])}"
            for k in order
        ]
        if named:
            words += f"In {h.period} {t}: {', '.join(named)}. "
    return words.rstrip()


def _guarantees(h: Holding) -> list[Block]:
    if not h.guarantees:
        return []
    found: list[Block] = [
        Heading("Guarantees", "is a duty done that falls due on a breach? mean, 8 in 10 worlds")
    ]
    for g in h.guarantees:
        found.append(Paragraph(_honoured(g, h), hang=2))
    words = "Worked out from the deal signed at the start and broken as soon as it can be: who "
    words += "promised to answer is then free to choose, as everybody is."
    return [*found, Paragraph(words)]


def _honoured(g: Guarantee, h: Holding) -> str:
    span = g.due.sizes["period"]
    cuts = list(dict.fromkeys((0, min(3, span), min(12, span), span)))
    said = []
    for a, b in pairwise(cuts):
        x = g.over(a, b)
        known = np.isfinite(x)
        if not known.any():
            continue
        low, _, high = band(x, h.weight)
        mean = float(np.average(x[known], weights=h.weight[known]))
        spread = f" ({percent_between(low, high)})" if len(h.weight) > 1 else ""
        said.append(f"{percent(mean)}{spread} in {plural(h.period)} {a} to {b - 1}")
    share = float(h.weight[_mostly(g)].sum() / h.weight.sum())
    words = f"{clean(g.label)}, “{clean(g.promise)}”, after a breach of “{clean(g.after)}”: "
    words += "done with " + ", ".join(said)
    return words + f"; more likely than not {in_worlds(share, len(h.weight))}."


def _mostly(g: Guarantee) -> np.ndarray:
    found = g.over(0, g.due.sizes["period"])
    return np.nan_to_num(found, nan=0.0) > 0.5


def dates(first: int, last: int, many: int) -> list[int]:
    """Periods from the first to the last, evenly spread."""
    return sorted({round(float(t)) for t in np.linspace(first, last, many)})


def picture(h: Holding, start: int = 0) -> Spec:
    """Slack over time, a panel a party."""
    panels = []
    for x in h.held:
        low, high = x.band().T
        stakes = f"stakes {figure(x.stakes).lstrip('+')} a {h.period}"
        panels.append(
            Parts(
                f"{name_of(x, h)} ({stakes}): {', '.join(x.promises)}",
                tuple(in_words(str(n).split(".", 1)[1]) for n in x.parts.interest.values),
                x.mean_parts()[start:],
                x.mean()[start:],
                low[start:],
                high[start:],
            )
        )
    period = h.held[0].periods[start:] if h.held else np.zeros(0)
    known = [np.flatnonzero(np.isfinite(p.total)) for p in panels]
    cut = max([int(k[-1]) + 1 for k in known if k.size] or [len(period)])
    return stacked_parts(
        [
            Parts(p.title, p.names, p.parts[:cut], p.total[:cut], p.low[:cut], p.high[:cut])
            for p in panels
        ],
        period[:cut],
        title=f"What holds {in_words(h.deal)} up",
        subtitle="Best way of keeping less best way of breaking, by interest (own units), while in "
        "force. Line: the sum, mean over worlds; dotted: 8 in 10 worlds. Below zero breaking pays",
        unit=h.period,
        suffix=" since signature",
    )
