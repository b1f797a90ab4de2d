"""Which claims hold, said on one page: what holds, what depends, what fails, and on what.

In: a `ClaimsAnswer`. Out: blocks for the terminal, and its pictures.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from servanda.errors import QuestionError
from servanda.show.figures import between, decimals, figure, percent, percent_between
from servanda.show.marks import Spec, in_words
from servanda.show.page import Block, Heading, Paragraph
from servanda.show.page_parts import foot, title

if TYPE_CHECKING:
    from servanda.questions.claims import ClaimFound, ClaimsAnswer

GROUPS = (
    ("holds", "They hold", "in three quarters of the worlds or more"),
    ("depends", "They depend", "on which world one is in"),
    ("fails", "They fail", "in three quarters of the worlds or more"),
)
APART = 0.25
"""Readings are told apart where the shares of worlds differ by this much."""


def blocks(a: ClaimsAnswer) -> list[Block]:
    """The page."""
    found = title(a.origin, _answer(a))
    for verdict, heading, remark in GROUPS:
        those = [c for c in a.claims if c.verdict == verdict]
        if those:
            found.append(Heading(heading, remark))
        for c in those:
            found += _claim(c, len(a.weight))
    return found + foot(
        a.origin,
        "Brackets after a share: its 90 % interval, by Wilson's formula on "
        f"{a.effective:.0f} effective worlds. A claim that is neither in three quarters of the "
        "worlds nor out of three quarters, or whose interval reaches one half, depends.",
        "Coverage: how many of such worlds lie in the region. Density: how many of the worlds in "
        "the region are such. Quasi-p: the chance of that density without the condition.",
        "A claim is as good as its coding: read the test beside the quote.",
    )


def _answer(a: ClaimsAnswer) -> str:
    count = {v: len(a.with_verdict(v)) for v in ("holds", "fails", "depends")}
    words = "claim" if len(a.claims) == 1 else "claims"
    verb = {v: v if n == 1 else v[:-1] for v, n in count.items()}
    return (
        f"Of {len(a.claims)} {words}, {count['holds']} {verb['holds']}, {count['fails']} "
        f"{verb['fails']} and {count['depends']} {verb['depends']} on which world one is in."
    )


def _claim(c: ClaimFound, worlds: int) -> list[Block]:
    lines = [f"{c.test}", _share(c, worlds)]
    if c.lacking.any() or c.central_lacks:
        there = [f"{int(c.lacking.sum())} of {worlds} worlds"] if c.lacking.any() else []
        there += ["at the central case"] if c.central_lacks else []
        lines.append(f"A side has no value in {' and '.join(there)}; there it counts as failing.")
    if c.margin is not None and math.isfinite(c.margin.central):
        lines.append(_margin(c))
    if c.could_turn:
        lines.append("The grid error could turn the answer at the central case.")
    if not c.constant:
        lines += _rests(c)
    quote = Paragraph(f"{in_words(c.name)}: “{c.quote.strip()}”", "bold", hang=2)
    return [quote, *(Paragraph(line, indent=4, hang=2) for line in lines)]


def _share(c: ClaimFound, worlds: int) -> str:
    if c.constant:
        answer = "It holds" if c.central else "It fails"
        if worlds == 1:
            return f"{answer} in the one world drawn and at the central case."
        every = f"every one of {worlds} worlds"
        return (
            f"{answer} in {every} and at the central case: nothing that is uncertain here makes a "
            "difference to it."
        )
    central = "holds" if c.central else "fails"
    return (
        f"Holds in {percent(c.share)} of worlds ({percent_between(c.low, c.high)}); at the central "
        f"case it {central}."
    )


def _margin(c: ClaimFound) -> str:
    m = c.margin
    assert m is not None
    places = decimals(m.grid_error, m.median, m.low, m.high)
    here = figure(m.central, m.grid_error)
    spread = between(m.low, m.high, places=places)
    return (
        f"Left minus right: median {figure(m.median, places=places)}, in 8 of 10 worlds {spread}; "
        f"at the central case {here}."
    )


def _rests(c: ClaimFound) -> list[str]:
    lines = []
    if c.split is not None:
        s = c.split
        lines.append(
            f"Rests most on {s.text}: holds in {percent(s.inside)} of those worlds, in "
            f"{percent(s.outside)} of the others."
        )
    lines += [line for line in _readings(c) if line]
    where = "fails" if c.rarer == "fails" else "holds"
    if c.region is not None and c.region.box.restrictions:
        box = c.region.box
        worst = max(r.quasi_p for r in box.restrictions)
        sparse = "" if c.region.meets_threshold else ", less than was looked for"
        lines.append(
            f"It {where} where {box}: coverage {percent(box.coverage)}, density "
            f"{percent(box.density)}{sparse}, quasi-p up to {worst:.1g}."
        )
    elif c.region is not None:
        lines.append(f"No region was found that holds the worlds in which it {where}.")
    else:
        lines.append(f"Too few worlds in which it {where} to look for where they lie.")
    if c.split is None:
        lines.append("No single condition tells worlds apart better than chance would.")
    return lines


def _readings(c: ClaimFound) -> list[str]:
    """One line for every group of readings under which the claim fares differently."""
    groups: dict[str, dict[str, float]] = {}
    for name, share in c.readings.items():
        group, _, reading = name.partition(".")
        groups.setdefault(group, {})[reading] = share
    return [
        f"By {in_words(group)}: "
        + ", ".join(f"{in_words(r)} {percent(x)}" for r, x in shares.items())
        + "."
        for group, shares in groups.items()
        if max(shares.values()) - min(shares.values()) >= APART
    ]


def picture(a: ClaimsAnswer, what: str) -> Spec:
    """`shares` or `discovery`; raises QuestionError if no claim has a region to draw."""
    from servanda.show.claims_charts import claim_shares, trajectory

    if what == "shares":
        return claim_shares(
            [c.quote for c in a.claims],
            [c.share for c in a.claims],
            [c.low for c in a.claims],
            [c.high for c in a.claims],
            [None if c.could_turn else c.central for c in a.claims],
        )
    first = next((c for c in a.claims if c.region is not None), None)
    if first is None or first.region is None:
        raise QuestionError(
            "no claim here fails in some worlds and holds in others: nothing to map"
        )
    steps = first.region.trajectory
    return trajectory(
        np.array([b.coverage for b in steps]),
        np.array([b.density for b in steps]),
        np.array([b.dimensions for b in steps]),
        first.region.step,
        outcome=f"{in_words(first.name)} {first.rarer}",
    )
