"""Deals found, said on one page: the answer, the efficient ones, and what was searched.

In: a `Design`. Out: blocks for the terminal, and its picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from servanda.show.figures import figure, percent
from servanda.show.marks import Spec, in_words
from servanda.show.page import Block, Columns, Heading, Paragraph
from servanda.show.page_parts import foot, listed, title

if TYPE_CHECKING:
    from servanda.questions.design import Design

MOST = 12
"""Deals in a table, at most."""

EVEN = 0.5
SHOWS = 0.005
"""A probability below this is not worth a sentence."""


def blocks(d: Design) -> list[Block]:
    """The page."""
    found = title(d.origin, answer(d))
    if d.acceptable.any():
        found += _frontier(d) + _solutions(d)
    return (
        found
        + _change(d)
        + _searched(d)
        + foot(
            d.origin,
            "Worth is against no deal, the mean over worlds, in each party's own units.",
            f"All sign: more than 1 in 2. Kept: not broken by {d.origin.period} {d.period} with at "
            f"least {percent(d.chance)}, if nobody is wrongly accused; what has run out as agreed "
            "has not been broken.",
            "In force counts false alarms, which are put into the file: they say nothing of who "
            "keeps the deal, so no deal passes or fails by them.",
        )
    )


def answer(d: Design) -> str:
    """The answer in a sentence, or why there is none and what comes nearest."""
    count, need = int(d.acceptable.sum()), percent(d.required)
    goal = f"signed by all needed and kept to {d.origin.period} {d.period} in {need} of worlds"
    if count:
        words = f"{count} of {len(d.deals)} deals tried {'is' if count == 1 else 'are'} {goal}, if "
        words += f"nobody is wrongly accused; efficient among them: {len(d.frontier) or 'none'}."
        if d.mean_unaccused[d.acceptable].max() < EVEN and d.kept[d.acceptable].min() >= EVEN:
            words += " By then they have run out, and none is likely to be in force."
        return words
    who = d.origin.names[d.refuses]
    k = d.nearest
    words = f"No deal of the {len(d.deals)} tried is {goal}, if nobody is wrongly accused: {who} "
    words += "refuses most. Nearest comes: "
    reach = f" ({percent(float(d.share[k]))} of worlds)" if d.seen[k] else " (not even likely at "
    return words + d.labels[k] + (reach if d.seen[k] else reach + "the central case)") + "."


def _frontier(d: Design) -> list[Block]:
    who = list(d.origin.labels)
    at = [who.index(p) for p in d.signatories]
    heads = (
        "",
        *(d.origin.names[p] for p in d.signatories),
        f"in force at {d.period}",
        "if nobody is wrongly accused",
        "has run out",
        "good in",
    )
    rows = [
        (d.labels[k], *(figure(float(d.mean[k, i])) for i in at),
         percent(float(d.mean_survival[k])), percent(float(d.mean_unaccused[k])),
         percent(float(d.mean_kept[k] - d.mean_unaccused[k])), percent(float(d.share[k])))
        for k in d.frontier[np.argsort(-d.share[d.frontier], kind="stable")][:MOST]
    ]  # fmt: skip
    more = len(d.frontier) - MOST
    remark = "none is better for one and no worse for the others"
    found: list[Block] = [Heading("The efficient deals", remark)]
    if rows:
        found.append(Columns(heads, tuple(rows)))
    if more > 0:
        found.append(Paragraph(f"And {more} more."))
    if len(d.losing):
        many = "One deal passes" if len(d.losing) == 1 else f"{len(d.losing)} deals pass"
        words = f"{many} the test though on average a signatory does better without any deal: "
        words += "not listed." if rows else "no other passes, so none is listed."
        found.append(Paragraph(words))
    return found


def _solutions(d: Design) -> list[Block]:
    if not d.solutions:
        words = "No deal that is signed and kept is on average at least as good as no deal for "
        return [
            Heading("Bargaining solutions"),
            Paragraph(words + "every signatory: there is none."),
        ]
    rows = [(name, "; or ".join(d.labels[k] for k in ks)) for name, ks in d.solutions.items()]
    remark = "no deal is what all fall back on; the last two count worth in stakes"
    return [Heading("Bargaining solutions", remark), Columns(("", "deal"), tuple(rows))]


def _change(d: Design) -> list[Block]:
    if not d.change:
        words = f"None was found that makes {in_words(d.like)} one that is signed and kept."
    elif d.start in d.change:
        words = _as_it_is(d)
    else:
        said = []
        for k in d.change:
            pairs = zip(d.terms, d.levels[d.start], d.levels[k], strict=True)
            said.append(", ".join(f"{n} {b} instead of {a}" for n, a, b in pairs if a != b))
        words = "; or ".join(said).replace("_", " ") + "."
    words += _losers(d, d.change)
    whose = d.origin.names[d.cost_to] if d.cost_to else "any signatory, in stakes"
    remark = f"fewest terms, then the least loss to {whose}"
    return [Heading("The smallest change", remark), Paragraph(words)]


def _as_it_is(d: Design) -> str:
    """The proposal passes: what that rests on, and what false alarms do to it all the same."""
    k, like, by = d.start, in_words(d.like), f"by {d.origin.period} {d.period}"
    kept, alarms, ended = float(d.kept[k]), float(d.accused[k]), float(d.broken[k])
    lasts = 1 - ended >= d.chance
    words = f"None needed: {like} is signed as it is, and"
    if not lasts:
        words = f"No change of terms is needed for the parties to sign and keep {like}:"
    words += f" if nobody is wrongly accused it is not broken {by} with {percent(kept)} in the "
    words += "central case."
    over = kept - float(d.unaccused[k])
    if over >= SHOWS:
        words += f" It has run out by then with {percent(over)}."
    if not lasts:
        words += " But with false alarms, which are put into the file, it has been ended by then "
        words += f"with {percent(ended)}, by an alarm with {percent(alarms)}. Better verification "
        return words + "would mend that, not other terms."
    if alarms >= SHOWS:
        words += " False alarms, which are put into the file, end it by then with "
        words += f"{percent(alarms)}."
    return words


def _losers(d: Design, deals: Sequence[int]) -> str:
    """Who, if anybody signs one of some deals and does better without it."""
    error = d.origin.grid_error
    lost = d.mean[[k for k in deals if k in d.losing]]
    found = [
        d.origin.names[p]
        for i, p in enumerate(d.origin.labels)
        if p in d.signatories and (lost[:, i] < -error.get(f"{d.like}.worth.{p}", 0.0)).any()
    ]
    return f" On average over worlds {listed(found)} would do better without it." if found else ""


def _searched(d: Design) -> list[Block]:
    words = f"{len(d.deals)} different deals"
    if d.exhaustive:
        words += f", all of {d.possible} combinations"
    else:
        words += f" of {d.possible} combinations, half of the limit drawn uniformly: with 95 % "
        words += f"confidence at most {100 * d.better:.2g} % of all deals are better by any one "
        words += "measure than the best of those drawn"
    words += f"; {int(d.screened.sum())} near enough at the central case to go on, "
    words += f"{int((d.seen == d.origin.worlds).sum())} tried in all worlds. "
    words += f"{d.solves} solves, {d.seconds:.0f} s. Among those that went on the chance that any "
    words += f"was dropped wrongly is at most {percent(d.risk)}; the screening has no such bound."
    return [Heading("What was searched", f"signed by {listed(list(d.signatories))}"),
            Paragraph(words)]  # fmt: skip


def picture(d: Design) -> Spec:
    """Deals in the worths of the first and the last signatory, at the central case."""
    from servanda.show.design_charts import frontier

    who = list(d.origin.labels)
    first, last = d.signatories[0], d.signatories[-1]
    return frontier(
        d.worth[:, who.index(first)],
        d.worth[:, who.index(last)],
        d.unaccused,
        d.acceptable,
        np.isin(np.arange(len(d.deals)), d.frontier),
        {name: ks[0] for name, ks in d.solutions.items()},
        d.origin.names[first],
        d.origin.names[last],
        horizon=f"after {d.period} {d.origin.period}s",
    )
