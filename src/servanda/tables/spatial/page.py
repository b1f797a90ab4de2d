"""What does a desk officer read about a table of positions? One page of plain text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from servanda import __version__
from servanda.show.marks import clean
from servanda.show.page import Block, Columns, Heading, Paragraph
from servanda.tables.spatial.answer import SpatialAnswer

MOST = 8
"""Rows of a list that goes on."""


def blocks(answer: SpatialAnswer) -> list[Block]:
    """The page as blocks, section by section."""
    page = _Page(answer)
    sections = (
        page.heading(), page.middle(), page.votes(), page.challenges(), page.bargaining(),
        page.coalitions(), page.levers(), page.movers(), page.foot(),
    )  # fmt: skip
    return [block for section in sections for block in section]


def _share(step: float) -> str:
    """How much of the way; where two options are level, the smallest step decides."""
    return "the least part" if step < 1e-9 else f"{100 * step:.2g} %"


class _Page:
    """One answer being laid out; every method is a section, perhaps empty."""

    def __init__(self, answer: SpatialAnswer) -> None:
        self.answer = answer
        self.table = answer.table
        self.many = len(self.table.dimensions) > 1
        self.digits = digits(self.table.low, self.table.high)

    def heading(self) -> list[Block]:
        t = self.table
        n, k = t.position.shape
        title = clean(t.title, 200) or "Actors and positions"
        of = (
            f"{k} dimensions: {', '.join(map(clean, t.dimensions))}"
            if self.many
            else "one dimension"
        )
        unit = f", in {clean(t.unit)}" if t.unit else ""
        scale = (
            "" if self.many else f" from {self.number(t.low[0])} to {self.number(t.high[0])}{unit}"
        )
        return [Paragraph(title, "bold", 0), Paragraph(f"{n} actors on {of}{scale}.", indent=0)]

    def middle(self) -> list[Block]:
        a = self.answer
        lower, upper = a.median
        rows = []
        for k, name in enumerate(self.table.dimensions):
            between = self.number(lower[k])
            if upper[k] > lower[k]:
                between += f" to {self.number(upper[k])}"
            row = [clean(name), self.number(a.mean[k]), between, self.number(a.expected[k])]
            if a.final is not None:
                low, mid, high = np.quantile(a.final[:, k], (0.1, 0.5, 0.9))
                between = f" ({self.number(low)} to {self.number(high)})"
                row.append(self.number(mid) + (between if len(a.final) > 1 else ""))
            rows.append(tuple(row))
        heads = ["", "weighted mean", "median voter", "election, expected"]
        if a.final is not None:
            heads.append("after bargaining" + ("" if len(a.final) == 1 else " (8 in 10 runs)"))
        return [Heading("Where it ends", "influence is capability times salience"),
                Columns(tuple(heads), tuple(rows))]  # fmt: skip

    def votes(self) -> list[Block]:
        a, c = self.answer, self.answer.contest
        order = np.argsort(-a.probability, kind="stable")
        rows = [
            (self.at(c.options[o]), self.who(c.holders[o]), share(a.probability[o]))
            for o in order[:MOST]
        ]
        words = "no option beats every other."
        if c.winner is not None:
            words = f"{self.at(c.options[c.winner])} beats every other position held."
        elif len(c.top) < len(c.options):
            words += " Those that none outside beats: " + "; ".join(
                self.at(c.options[o]) for o in c.top[:MOST]
            )
            words += "."
        how = f"{a.election.election}, {a.election.voting} votes, {a.election.victory} victory"
        found: list[Block] = [Heading("Which position wins", how)]
        found.append(Columns(("position", "held by", "probability"), tuple(rows)))
        if len(order) > MOST:
            found.append(Paragraph(f"and {len(order) - MOST} more.", "dim"))
        return [*found, Paragraph("Vote by vote: " + words)]

    def challenges(self) -> list[Block]:
        found: list[Block] = []
        for name, played in self.answer.challenges.items():
            of = f" on {clean(name)}" if self.many else ""
            end = "nobody moves any more" if played.settled else "still moving"
            path = ", ".join(self.number(m) for m in played.median[: MOST + 1])
            found.append(Heading(f"Challenges, round by round{of}", end))
            found.append(Paragraph(f"Median after each round: {path}."))
            story = played.story(self.digits)
            found += [Paragraph(f"- {clean(line, 200)}", hang=2) for line in story[:MOST]]
            if len(story) > MOST:
                found.append(Paragraph(f"and {len(story) - MOST} more moves.", "dim"))
        return found

    def bargaining(self) -> list[Block]:
        h = self.answer.history
        if h is None:
            return []
        runs = h.position.shape[1]
        turns = np.median(h.length)
        words = f"{runs} runs" if runs > 1 else "one run"
        heads, rows = ["", "from", "to"], []
        if runs > 1:
            heads.append("8 in 10 runs")
        for i, actor in enumerate(h.actors):
            end = h.position[-1][:, i]
            row = [clean(actor), self.at(h.position[0][0, i]), self.at(np.median(end, axis=0))]
            if runs > 1:
                low, high = np.quantile(end, (0.1, 0.9), axis=0)
                row.append(
                    "; ".join(
                        f"{self.number(a)} to {self.number(b)}"
                        for a, b in zip(low, high, strict=True)
                    )
                )
            rows.append(tuple(row))
        remark = f"{words}, {turns:g} turns in the middle one, seed {h.seed}"
        return [
            Heading("Bargaining, turn by turn", remark),
            Columns(tuple(heads), tuple(rows[: 3 * MOST])),
        ]

    def coalitions(self) -> list[Block]:
        c = self.answer.coalitions
        if c is None:
            return []
        found: list[Block] = [
            Heading("Coalitions that can win", f"more than {100 * c.quota:g} % of the {c.weights}")
        ]
        if not c.minimal:
            return [*found, Paragraph("None wins.")]
        rows = []
        for name, some in (
            ("closest together", c.closest),
            ("least weight", c.smallest),
            ("fewest", c.fewest),
        ):
            for one in some[:2]:
                rows.append((name, self.who(one.members), self.at(np.array(one.policy)),
                             "yes" if one.stable else "no"))  # fmt: skip
        found.append(Columns(("", "members", "policy", "stable"), tuple(rows)))
        stable = sum(one.stable for one in c.minimal)
        words = f"{len(c.minimal)} minimal winning coalitions, {stable} of them stable."
        if len(c.minimal) == 1:
            words = "1 minimal winning coalition" + (", and it is stable." if stable else ".")
        if c.vetoes:
            words += f" Nothing wins without {self.who(c.vetoes)}."
        if c.dummies:
            words += f" Never needed: {self.who(c.dummies)}."
        order = np.argsort(-c.shapley, kind="stable")[:5]
        power = ", ".join(f"{clean(c.actors[i])} {share(c.shapley[i])}" for i in order)
        return [*found, Paragraph(words), Paragraph(f"Power (Shapley–Shubik): {power}.")]

    def levers(self) -> list[Block]:
        s = self.answer.sensitivity.get("election")
        if s is None:
            return []
        reach = self.table.high - self.table.low
        size = (s.swing / reach).max(1)
        rows = []
        for i in np.argsort(-size, kind="stable")[:6]:
            if size[i] < 1e-9:
                continue
            k = int((s.swing[i] / reach).argmax())
            actor, kind, of = s.inputs[i]
            what = f"{clean(actor)}: {kind}" + (f" on {clean(of)}" if self.many and of else "")
            of_ = f" on {clean(s.dimensions[k])}" if self.many else ""
            rows.append((what, self.number(s.low[i, k]) + of_, self.number(s.high[i, k]) + of_))
        heads = ("", f"{100 * s.share:g} % less", f"{100 * s.share:g} % more")
        return [Heading("What it hangs on", "expected outcome of the election, one input moved"),
                Columns(heads, tuple(rows))] if rows else []  # fmt: skip

    def movers(self) -> list[Block]:
        m = self.answer.movers
        if m is None:
            return []
        lines: list[str] = []
        for t in m.targets:
            of = f" on {clean(t.dimension)}" if self.many else ""
            if not t.movers:
                lines.append(f"The median{of} is at {self.number(t.target)} already.")
                continue
            if len(t.alternatives) > 1:
                who = f"any one of {self.who(t.alternatives, 'or')}"
            else:
                who = self.who(t.movers)
            way = f"from {self.number(t.median)} to {self.number(t.target)}"
            lines.append(
                f"For the median{of} to go {way}: {who} would have to move there or past it."
            )
        if m.flips is None:
            lines.append("Too many actors to look for steps towards one another.")
        for f in (m.flips or ())[:3]:
            lines.append(
                f"If {clean(f.actor)} went {_share(f.step)} of the way to {clean(f.towards)}, "
                f"the likeliest position would be that of {self.who(f.winner)}, not of "
                f"{self.who(m.leader)}."
            )
        if m.flips == ():
            lines.append("No actor alone, moving towards another, changes the likeliest position.")
        return [Heading("Who would have to move"), *(Paragraph(f"- {x}", hang=2) for x in lines)]

    def foot(self) -> list[Block]:
        lines = [
            "Mean and median are of each dimension by itself. The election is among the positions "
            "now held. Models of bargaining are stylised: treat a history as one replication's "
            "behaviour, not as a forecast.",
            *(f"Note: {note}" for note in self.answer.notes),
            f"Servanda {__version__}. Options and sources: docs/spatial.md.",
        ]
        return [
            Heading("How to read this"),
            *(Paragraph(clean(x, 400), "dim", hang=2) for x in lines),
        ]

    def number(self, x: float) -> str:
        return number(x, self.digits)

    def at(self, x: np.ndarray) -> str:
        return ", ".join(self.number(v) for v in x)

    def who(self, names: Sequence[str], word: str = "and") -> str:
        shown = [clean(n, 40) for n in names[:10]]
        if len(names) > 10:
            shown.append(f"{len(names) - 10} more")
        return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {word} {shown[-1]}"


def number(x: float, digits: int) -> str:
    """Four digits or more, a real minus."""
    return f"{float(f'{x:.{digits}g}'):.{max(6, digits)}g}".replace("-", "\N{MINUS SIGN}")


def digits(low: np.ndarray, high: np.ndarray) -> int:
    """How many tell positions apart: four, and more on a scale that is far from 0, as of years."""
    far = np.maximum(np.abs(low), np.abs(high)) / (high - low)
    return min(15, 4 + int(np.floor(np.log10(far.max())).clip(0)))


def share(p: float) -> str:
    """A probability in per cent, never quite none or all."""
    if 0 < p < 0.001:
        return "<0.1 %"
    return f"{100 * p:.1f} %"
