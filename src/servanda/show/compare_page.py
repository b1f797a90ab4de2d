"""Which offer, said on one page: what holds and is signed first, then worth, then regret.

In: a `Comparison`. Out: blocks for the terminal, and its pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from servanda.game.errors import HANGS
from servanda.show.figures import band, count, estimated_chance, figure, percent
from servanda.show.marks import Spec, in_words
from servanda.show.page import Block, Columns, Heading, Paragraph
from servanda.show.page_parts import foot, listed, mean_cell, mean_chance, title

if TYPE_CHECKING:
    from servanda.questions.compare import Comparison

MOST = 0.75
"""From this share of worlds on: most worlds."""


def blocks(c: Comparison) -> list[Block]:
    """The page."""
    found = title(c.origin, _answer(c)) + _keeping(c) + _shams(c) + _worth(c)
    found += _regret(c) + _dominance(c)
    return found + foot(
        c.origin,
        "Brackets: 8 in 10 worlds. Every offer is solved in the same worlds.",
        "Worth is against no deal, in each party's own units; units of different parties cannot "
        "be compared.",
        "Regret: how much less a choice is worth than the best one in that world, no deal being "
        "one of them.",
        *_circles(c),
    )


def _circles(c: Comparison) -> list[str]:
    """The offers with which values past the horizon do not settle."""
    circling = c.circling()
    if not circling:
        return []
    where = listed([f"{d} in {n}" for d, n in circling.items()])
    return [
        "Values past the horizon go round in circles instead of settling in some worlds (with "
        f"{where} of {c.origin.worlds}): treat values far ahead with care."
    ]


def _answer(c: Comparison) -> str:
    unit, last = c.origin.period, c.dates[-1]
    signed, kept, gone = c.signed(), c.holding(last), c.run_out(last)
    signs = [d for d in c.deals if float(signed.sel(deal=d)) >= MOST]
    holds = [d for d in signs if float(kept.sel(deal=d)) >= MOST]
    over = [d for d in signs if float(gone.sel(deal=d)) >= MOST]
    many = str(len(signs) or "none")
    words = f"Of {len(c.deals)} offers, everybody asked is likely to sign {many} in most "
    words += f"worlds: {listed(signs)}. " if signs else "worlds."
    if signs:
        words += f"Of those, still kept after {count(last, unit)} in most worlds, if nobody is "
        words += f"wrongly accused: {listed(holds)}."
    if over:
        said = [f"{in_words(d)} (in {percent(float(gone.sel(deal=d)))} of worlds)" for d in over]
        words += f" Run out by then, unbroken: {listed(said)}."
    return words


def _keeping(c: Comparison) -> list[Block]:
    unit = c.origin.period
    dates = tuple(dict.fromkeys((c.dates[0], c.dates[len(c.dates) // 2], c.dates[-1])))
    last = dates[-1]
    heads = ("", "all sign", *(f"in force at {t}" for t in dates))
    ends = (
        "",
        "in force if nobody is wrongly accused",
        "somebody truly breaks it",
        "somebody is wrongly accused",
        "has run out",
    )
    w, rows, ending = c.weight.values, [], []
    for d in c.deals:
        figures, many = c.figures[d], c.over.survival.sel(deal=d)
        kept = [mean_chance(figures[f"survival.{t}"], many.sel(period=t).values, w) for t in dates]
        joint = mean_chance(figures["signs.all"], c.over.joint.sel(deal=d).values, w)
        rows.append((in_words(d), joint, *kept))
        cells = [estimated_chance(figures[f"{name}.{last}"]) for name in ENDS]
        ending.append((in_words(d), *cells))
    remark = f"mean and 8 in 10 worlds; {unit}s since signature"
    more = Paragraph(
        f"In force at {last}, truly broken, wrongly accused and run out add up to 100 %. How often "
        "somebody is wrongly accused is put into the file, not found: it says nothing of who keeps "
        "the deal."
    )
    return [
        Heading("Who signs, and does it hold", remark),
        Columns(heads, tuple(rows)),
        Heading(f"What has become of it after {count(last, unit)}", "once signed, mean"),
        Columns(ends, tuple(ending)),
        more,
        *_two_futures(c),
    ]


ENDS = ("unaccused", "breaks", "accused", "expired")
"""The headlines of what has become of a deal, as in the table."""


def _two_futures(c: Comparison) -> list[Block]:
    """The offers that hang on what parties expect of each other."""
    hang = {d: f[HANGS] for d, f in c.futures.items() if f.get(HANGS, 0.0) >= 0.05}
    if not hang:
        return []
    said = listed([f"{in_words(d)} ({percent(x)} of worlds)" for d, x in hang.items()])
    words = "Whether it is kept hangs on what the parties expect of each other: "
    return [Paragraph(f"{words}{said}. There two solutions of one world disagree outright.")]


def _shams(c: Comparison) -> list[Block]:
    lines = []
    for d, each in c.shams.items():
        for p, x in each.items():
            if x.value >= 0.1 and x.low > 0:
                words = f"{in_words(d)}: {c.origin.names[p]} gains only because it can break it in "
                lines.append(Paragraph(words + f"{estimated_chance(x)} of worlds.", hang=2))
    if not lines:
        lines = [Paragraph("None: nobody gains only because it can break a deal.")]
    return [Heading("Shams", "a tenth of the worlds or more"), *lines]


def _worth(c: Comparison) -> list[Block]:
    w, found = c.weight.values, []
    heads = ("", *(c.origin.names[p] for p in c.chairs))
    rows = []
    for d in c.deals:
        over = c.over.worth.sel(deal=d)
        cells = [
            mean_cell(c.figures[d][f"worth.{p}"], over.sel(party=p).values, w) for p in c.chairs
        ]
        rows.append((in_words(d), *cells))
    for k in range(0, len(c.chairs), 3):  # a page is narrow
        cut = (0, *range(k + 1, min(k + 4, len(heads))))
        table = tuple(tuple(row[j] for j in cut) for row in rows)
        found.append(Columns(tuple(heads[j] for j in cut), table))
    remark = "against no deal, mean and 8 in 10 worlds, in each party's own units"
    return [Heading("What each is worth", remark), *found]


def _regret(c: Comparison) -> list[Block]:
    w, rows = c.weight.values, []
    for p in c.chairs:
        mean = np.einsum("w,wd->d", w, c.regret.sel(party=p).values)
        largest = c.regret.sel(party=p).max("world").values
        names = [str(d) for d in c.regret.deal.values]
        rows.append(
            (
                c.origin.names[p],
                listed(_least(names, mean)),
                listed(_least(names, largest)),
                figure(largest.min()).lstrip("+"),
            )
        )
    heads = ("", "least regret on average", "least at worst", "which is")
    return [Heading("Regret", "of offers and of no deal (never)"), Columns(heads, tuple(rows))]


def _least(names: list[str], values: np.ndarray) -> list[str]:
    """All the names with the smallest value, to within rounding."""
    near = values <= values.min() + 1e-9 * max(float(abs(values).max()), 1e-300)
    return [name for name, x in zip(names, near, strict=True) if x]


def _dominance(c: Comparison) -> list[Block]:
    lines = []
    for p in c.chairs:
        better = c.better.sel(party=p)
        worse = [str(other) for other in better.other.values if bool(better.sel(other=other).any())]
        if worse:
            lines.append(Paragraph(f"{c.origin.names[p]}: {listed(worse)}.", hang=2))
    if not lines:
        lines = [Paragraph("No offer is worth less than another in every world to anybody.")]
    remark = "each is worth less than some other choice in every world"
    return [Heading("Never the best", remark), *lines]


def picture(c: Comparison, what: str) -> Spec:
    """`worth` or `survival`."""
    from servanda.show.compare_charts import dot_whisker, survival_lines

    labels = [in_words(d) for d in c.deals]
    if what == "survival":
        w = c.weight.values
        mean, quiet = (
            np.einsum("w,wdt->dt", w, x.values) for x in (c.over.survival, c.over.unaccused)
        )
        return survival_lines(
            c.over.survival.period.values, mean, quiet, labels=labels, unit=c.origin.period
        )
    w = c.weight.values
    ends = np.array(
        [[band(c.over.worth.sel(deal=d, party=p).values, w) for p in c.chairs] for d in c.deals]
    )
    modal = c.central.worth.sel(party=list(c.chairs)).values[0]
    signed = c.signed().values >= MOST
    names = [c.origin.names[p] for p in c.chairs]
    low, middle, high = np.moveaxis(ends, -1, 0)
    return dot_whisker(labels, names, low, middle, high, modal=modal, signed=signed)
