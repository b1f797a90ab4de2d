"""What does a desk officer read when an offer has been assessed?

In: an `Assessment`. Out: one page of plain text, as blocks: the verdict first,
then why, who signs, how long it holds, who breaks it, what it is worth to whom, and what the answer
rests on. Every figure has the digits that its grid error and its spread over worlds support.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from servanda.game.errors import FAILS, HANGS, HOLDS, Estimate
from servanda.scenario.model import PER_YEAR
from servanda.show.figures import (
    HOPELESS,
    TWICE,
    UNSURE,
    band,
    between,
    count,
    decimals,
    estimated,
    figure,
    give_or_take,
    in_worlds,
    percent,
    percent_between,
    sign_uncertain,
)
from servanda.show.marks import clean, duty_of, in_words, short_names
from servanda.show.page import Block, Chart, Columns, Heading, Paragraph
from servanda.show.text_charts import terminal_survival

if TYPE_CHECKING:  # for readers and type checkers: this room does not need that one to run
    from servanda.questions.assessment import Assessment, Sensitivity, Sham, Verdict

OWN_UNITS = "each party's own units"
# answer -> how it reads for a party that is asked, for one that is not, and its colour
ANSWERS = {
    "sign": ("SIGN", "would gain", "bold green"),
    "do not sign": ("DO NOT SIGN", "would lose", "bold red"),
    "only if": ("ONLY IF", "would gain only if", "bold yellow"),
    "undecided": ("TOO CLOSE TO CALL", "too close to call", "bold yellow"),
    "changes nothing": ("CHANGES NOTHING", "would neither gain nor lose", "bold yellow"),
}


def blocks(answer: Assessment) -> list[Block]:
    """The page as blocks, section by section."""
    page = _Page(answer)
    sections = (
        page.heading(), page.verdict(), page.reasons(), page.signing(), page.survival(),
        page.breakers(), page.holding(), page.shams(), page.worth(), page.interests(),
        page.riders(), page.timing(), page.assumptions(),
    )  # fmt: skip
    found = [block for section in sections for block in section]
    return found + page.foot(marked=any(map(_marked, found)))


class _Page:
    """One assessment being laid out; every method is a section, perhaps empty."""

    def __init__(self, answer: Assessment) -> None:
        self.answer = answer
        self.worlds = len(answer.weight)
        self.unit = answer.period_name
        self.stakes_unit = f"{self.unit}s of stakes"
        self.one_chair = len(answer.chairs) == 1
        self.names = short_names(answer.labels)

    # -- what is offered, and the verdict --

    def heading(self) -> list[Block]:
        a = self.answer
        text = clean(a.offer, 600)
        offer = f"The offer, {in_words(a.deal)}" + (f": {text}" if text else ".")
        return [
            Paragraph(clean(a.title, 200), "bold", 0),
            Paragraph(offer, indent=0),
            Paragraph(f"What is exchanged: {clean(a.exchange, 1200)}", indent=0),
        ]

    def verdict(self) -> list[Block]:
        return self.verdict_of(self.answer.verdicts[0]) if self.one_chair else self.all_verdicts()

    def all_verdicts(self) -> list[Block]:
        rows, conditions = [], []
        for v in self.answer.verdicts:
            per = self.per_stakes(v.party)
            row = (
                self.name(v.party), _headline(v), estimated(v.mean, per),
                in_worlds(v.share.value, self.worlds),
            )  # fmt: skip
            rows.append(row)
            if v.condition:
                words = f"{self.name(v.party)}: {in_words(v.condition)}."
                conditions.append(Paragraph(words, hang=2))
        heads = ("", "", self.stakes_unit, "better than no deal")
        return [Heading("Verdicts", "from every chair"), Columns(heads, tuple(rows)), *conditions]

    def verdict_of(self, v: Verdict) -> list[Block]:
        who, per = self.name(v.party), self.per_stakes(v.party)
        headline = _headline(v)
        if v.answer == "only if" and v.condition:
            headline += " " + in_words(v.condition.rpartition(": worth signing in")[0])
        style = ANSWERS.get(v.answer, ("", "", "bold"))[2]
        found: list[Block] = [
            Heading(f"Verdict from the chair of {who}"), Paragraph(headline, style)
        ]  # fmt: skip
        if not v.asked:
            found.append(
                Paragraph(f"{who} is not asked to sign: this is what the deal does to it.")
            )
        margin = estimated(v.mean, per).rstrip(UNSURE)
        worth = f"{margin} {self.stakes_unit}" if margin != "0" else "next to nothing"
        line = f"Against no deal it is worth {worth} to {who}"
        if self.worlds > 1:
            give = give_or_take(v.mean, per)
            places = decimals(TWICE * v.mean.error * per, v.worth.low * per, v.worth.high * per)
            ends = between(v.worth.low * per, v.worth.high * per, places=places)
            line += f" on average over the worlds ({give}), " if give else " on average, "
            line += f"{ends} in 8 of 10"
        line += f". It is better than no deal {in_worlds(v.share.value, self.worlds)}."
        if v.answer == "changes nothing":
            where = " in every world" if self.worlds > 1 else ""
            line = f"With the deal or without it, {who} gets the same{where}."
        found.append(Paragraph(line))
        if sign_uncertain(v.mean.value, TWICE * v.mean.error):
            found.append(
                Paragraph("Its error is as large as that: gain or loss on average is uncertain.")
            )
        if v.condition:
            found.append(Paragraph(f"What separates the worlds: {in_words(v.condition)}."))
        return found

    def reasons(self) -> list[Block]:
        """Each chair's reasons; what all chairs say alike is said once."""
        verdicts, lines = self.answer.verdicts, []
        common = [r for r in verdicts[0].reasons if all(r in v.reasons for v in verdicts)]
        for v in verdicts:
            said = [self.shortened(r) for r in v.reasons if r not in common]
            if said:
                lines.append(Paragraph(f"- {self.name(v.party)}: {'; '.join(said)}.", hang=2))
        for reason in map(self.shortened, common):
            lines.append(Paragraph(f"- {reason[:1].upper()}{reason[1:]}.", hang=2))
        return [Heading("Why", f"on average, {OWN_UNITS}"), *lines] if lines else []

    def shortened(self, words: str) -> str:
        """What an answer says in words, with the short names of parties."""
        words = clean(words, 500)
        for party, label in self.answer.labels.items():
            words = words.replace(clean(label), self.name(party))
            words = re.sub(rf"\b(to|by) {party}\b", rf"\1 {_escaped(self.name(party))}", words)
        return words

    # -- will it be signed, kept, broken --

    def signing(self) -> list[Block]:
        a = self.answer
        rows = []
        for party in map(str, a.signing.signatory.values):
            here, over = a.signing_modal.sel(signatory=party), a.signing.sel(signatory=party)
            rows.append(self.chances(self.name(party), f"signs.{party}", over.values, float(here)))
        rows.append(self.chances("All together", "signs.all", a.joint.values, a.joint_modal))
        heads = (*self.if_many("", "mean", "8 in 10 worlds", "central case"),)
        heads = heads or ("", "the one world")
        found: list[Block] = [
            Heading("Who signs", "each, given that the others do"), Columns(heads, tuple(rows))
        ]  # fmt: skip
        if a.figures["signs.all"].high < 0.05:
            words = "Do not count on a signature. What follows assumes that all have signed."
            found.append(Paragraph(words))
        return found + self.refusing() + self.reluctant()

    def refusing(self) -> list[Block]:
        """What it costs to be asked and to say no, against never having been asked."""
        a, said = self.answer, []
        for party in map(str, a.signing.signatory.values):
            x = a.figures.get(f"refusing.{party}")
            if x is not None and abs(x.value) > TWICE * x.error and x.value != 0:
                said.append(f"{self.name(party)} {estimated(x)}")
        if not said:
            return []
        words = "To be asked and refuse, against never having been asked, is worth: "
        return [Paragraph(f"{words}{', '.join(said)} ({self.mean()}).", hang=2)]

    def reluctant(self) -> list[Block]:
        """Who would sign although no deal were better, or refuse although it were worse."""
        a, lines = self.answer, []
        for party in map(str, a.signing.signatory.values):
            signs, worth = a.figures[f"signs.{party}"], a.figures[f"worth.{party}"]
            if sign_uncertain(worth.value, TWICE * worth.error):
                continue
            if signs.low > 0.8 and worth.value < 0:
                lines.append(
                    f"{self.name(party)} would rather there were no offer, yet signs: once asked, "
                    "refusing leaves it worse off (who is blamed, and what follows)."
                )
            elif signs.high < 0.2 and worth.value > 0:
                lines.append(
                    f"{self.name(party)} gains against no deal, yet refuses: once asked, refusing "
                    "leaves it better off still."
                )
        return [Paragraph(line) for line in lines]

    def survival(self) -> list[Block]:
        a = self.answer
        table = a.survival_band()
        modal, mean, low, high = (
            table.sel(statistic=s).values for s in ("modal", "mean", "low", "high")
        )
        period = a.survival.period.values
        found: list[Block] = [Heading("How long it holds", "once it is signed")]
        if len(period) > 1:

            def draw(width: int, ascii_only: bool) -> str:
                return terminal_survival(period, mean, low, high, min(width, 78), 7,
                                         unit=self.unit, ascii_only=ascii_only)  # fmt: skip

            many = self.worlds > 1
            legend = "in force, mean over worlds; shade: 8 in 10 worlds" if many else "in force"
            found += [Chart(draw), Paragraph(f"Line: {legend}.", "dim")]
        dates = a.dates()
        if dates[0] > 1 and mean[list(period).index(dates[0])] < 0.5:
            dates = [1, *dates]  # what ends early is over before the usual dates
        at = [list(period).index(t) for t in dates]

        def row(title: str, name: str) -> tuple[str, ...]:
            known = [a.figures[f"{name}.{t}"] for t in dates]
            return (title, *(percent(x.value, TWICE * x.error) for x in known))

        rows = [row("In force" + (", mean" if self.worlds > 1 else ""), "survival")]
        if a.alarms:
            rows.append(row("- without false alarms", "unaccused"))
        if self.worlds > 1:
            rows.append(("- in 8 of 10 worlds", *(percent_between(low[k], high[k]) for k in at)))
            rows.append(("- in the central case", *(percent(modal[k]) for k in at)))
        for title, name in (
            ("Truly broken", "breaks"), ("Ended by a false alarm", "accused"),
            ("Has run out", "expired"),
        ):  # fmt: skip
            if name == "breaks" or max(a.figures[f"{name}.{t}"].value for t in dates) >= 0.005:
                rows.append(row(title, name))
        found.append(Columns((f"After {self.unit}s", *map(str, dates)), tuple(rows)))
        if rows[-1][0] == "Has run out":
            words = "Has run out: as agreed, or not renewed. That is not a breach."
            found.append(Paragraph(words, "dim"))
        return found + self.two_futures()

    def two_futures(self) -> list[Block]:
        """In how many worlds it is kept, is not, and hangs on what parties expect."""
        f = self.answer.futures
        if not f or not self.answer.breakers or self.worlds == 1:
            return []
        said = [
            f"{words} {in_worlds(f[name])}"
            for name, words in (
                (HOLDS, "is kept"), (FAILS, "is broken"),
                (HANGS, "hangs on what the parties expect of each other"),
            )
            if f[name] >= 0.005
        ]  # fmt: skip
        line = "If nobody is wrongly accused: to" if self.answer.alarms else "To"
        line += f" {self.unit} {int(self.answer.survival.period[-1])}, or until it runs out, it "
        line += "; it ".join(said) + "."
        if f[HANGS] >= 0.005:
            line += (
                " Hangs: two solutions of one and the same world disagree outright, so that the "
                "model itself does not decide."
            )
        return [Paragraph(line)]

    def breakers(self) -> list[Block]:
        heading = Heading("Who breaks it, and when")
        if not self.answer.breakers:
            words = "The deal binds nobody to anything, so nobody can break it."
            return [heading, Paragraph(words)]
        rows, quiet, alarms = [], [], []
        for b in self.answer.breakers:
            label = in_words(b.label)
            if b.false_alarm > 0:
                alarms.append(f"{label}, {percent(b.false_alarm)} a {self.unit}")
            if max(b.breaks.value, b.band[1], b.accused.value) < 0.005:
                quiet.append(duty_of(self.name(b.party), b.label))
                continue
            when = "-"
            if math.isfinite(b.median_period) and b.breaks.value >= 0.005:
                when = f"{self.unit} {max(1, round(b.median_period))}"
            rows.append((
                duty_of(self.name(b.party), b.label), _percent(b.breaks),
                *self.if_many(percent_between(*b.band)), when, _percent(b.accused),
            ))  # fmt: skip
        found: list[Block] = [heading]
        if rows:
            heads = ("whose duty", "truly breaks", *self.if_many("8 in 10 worlds"),
                     "half by", "accused")  # fmt: skip
            found.append(Columns(heads, tuple(rows)))
        if alarms:
            words = (
                "Accused: ended by a false alarm, without a breach. These are put in: "
                + "; ".join(alarms)
                + "."
            )
            found.append(Paragraph(words, hang=2))
        if quiet:
            found.append(Paragraph("Hardly ever: " + "; ".join(quiet) + ".", hang=2))
        return found

    def holding(self) -> list[Block]:
        """What holds it up, in some of the worlds."""
        held = self.answer.holding
        if not held.held:
            return []
        mean = self.answer.survival_band().sel(statistic="mean").values
        there = np.flatnonzero(
            mean >= LIVES
        )  # of what hardly is in force any more, nothing is said
        return held.block(until=max(int(there.max()) if len(there) else 0, 1))

    def shams(self) -> list[Block]:
        rows = []
        for s in self.answer.shams:
            rows.append((self.name(s.party), *self.pair(s.worth, s.worth_bound), self.sham(s)))
        if not rows:
            return []
        heads = (
            "worth" + ", mean" * (self.worlds > 1),
            "free to break",
            "hands tied",
            "signs only to break",
        )
        return [Heading("Would each sign with its own hands tied?"), Columns(heads, tuple(rows))]

    def sham(self, s: Sham) -> str:
        """Whether a party signs only to break: a flat word only where nothing could turn it."""
        if s.sham is not None:
            return "yes" if s.sham else "no"
        if TWICE * s.share.error >= HOPELESS:
            return "not decided"
        return in_worlds(s.share.value)

    # -- what it is worth, and what makes it so --

    def worth(self) -> list[Block]:
        a, rows = self.answer, []
        for party in a.parties:
            mean = a.figures[f"worth.{party}"]
            low, _, high = band(a.worth.sel(party=party) - mean.lean, a.weight)
            per, twice = self.per_stakes(party), TWICE * mean.error
            places = decimals(twice, mean.value, low, high)
            rows.append((
                self.name(party), estimated(mean, places=places), give_or_take(mean),
                *self.if_many(between(low, high, places=places)),
                estimated(mean, per),
            ))  # fmt: skip
        heads = (
            "",
            "mean" if self.worlds > 1 else "worth",
            "",
            *self.if_many("8 in 10 worlds"),
            self.stakes_unit,
        )
        remark = f"against no deal, in {OWN_UNITS}"
        return [Heading("What it is worth", remark), Columns(heads, tuple(rows))]

    def interests(self) -> list[Block]:
        own: dict[str, list[tuple[str, Estimate]]] = {p: [] for p in self.answer.chairs}
        for full, x in self.answer.interests.items():
            party, _, name = full.partition(".")
            own.setdefault(party, []).append((name, x))
        lines = []
        for party, parts in own.items():
            top = sorted(parts, key=lambda part: -abs(part[1].value))[:4]
            top = [(name, x) for name, x in top if abs(x.value) > 0.02 * abs(top[0][1].value)]
            figures = [(in_words(name), estimated(x)) for name, x in top]
            said = [f"{name} {x}" for name, x in figures if x.rstrip(UNSURE) != "0"]
            unsure = any(x.value != 0 for _, x in top)
            words = "no change" + (" that its error supports" if unsure else "")
            words = ", ".join(said) or words
            lines.append(Paragraph(f"{self.name(party)}: {words}.", hang=2))
        remark = f"what makes up that worth, {self.mean()}"
        return [Heading("Biggest interests", remark), *lines] if any(own.values()) else []

    def riders(self) -> list[Block]:
        terms = list(dict.fromkeys(t.term for t in self.answer.terms))
        if not terms:
            return []
        chairs, rows = self.answer.chairs, []
        at = {(t.term, t.party): t for t in self.answer.terms}
        for term in terms:
            cells = []
            for party in chairs:
                added = at[term, party]
                cells += (
                    self.pair(added.without, added.share)
                    if self.one_chair
                    else [estimated(added.without)]
                )
            rows.append((in_words(term), *cells))
        heads: tuple[str, ...]
        if self.one_chair:
            heads = (f"to {self.name(chairs[0])}", "lost without it", "average share (Shapley)")
        else:
            heads = ("lost without it, to", *(self.name(p) for p in chairs))
        remark = f"{self.mean()}, {OWN_UNITS}"
        return [Heading("What each term adds", remark), Columns(heads, tuple(rows))]

    def timing(self) -> list[Block]:
        periods = len(self.answer.flow_difference.period)
        year, rows = min(PER_YEAR.get(self.unit, 1), periods), []
        exposed = any(math.isfinite(t.exposure.value) for t in self.answer.timing)
        more = year < periods
        for t in self.answer.timing:
            known = [t.first, *([t.later] if more else []), *([t.exposure] if exposed else [])]
            rows.append((self.name(t.party), *map(estimated, known)))
        if not rows or not periods:
            return []
        first = f"first {count(year, self.unit)}" if year > 1 else f"first {self.unit}"
        heads: tuple[str, ...] = ("", first, *(["later"] if more else []))
        heads += ("signed, then broken",) if exposed else ()
        found: list[Block] = [
            Heading("Who gets what, when", f"deal minus no deal, {self.mean()}, {OWN_UNITS}"),
            Columns(heads, tuple(rows)),
        ]
        if exposed:
            words = "Signed, then broken: against never having signed; discounted, as worth is."
            found.append(Paragraph(words, "dim"))
        return found

    def assumptions(self) -> list[Block]:
        found = [s for s in self.answer.sensitivities if s.party in self.answer.chairs]

        def size(s: Sensitivity) -> float:
            return abs(s.swing.value) * float(np.nan_to_num(self.per_stakes(s.party)))

        found.sort(key=size, reverse=True)
        found = [s for s in found[:3] if size(s) > 1e-3 * size(found[0])]
        lines = []
        for s in found:
            ends = " to ".join(f"{x:.3g}" for x in s.ends)
            words = f"- {in_words(s.assumption)}: {estimated(s.swing)} to {self.name(s.party)}"
            lines.append(Paragraph(f"{words} (from {ends}).", hang=2))
        remark = "worth at the high end of its range minus at the low end"
        return [Heading("What matters most", remark), *lines] if lines else []

    # -- how sure is that --

    def foot(self, marked: bool) -> list[Block]:
        a = self.answer
        over = (
            " Mean, 8 in 10 (10 to 90 %) and shares are over worlds. The central case has every "
            "number at its likeliest; it explains, and is no headline."
        )
        lines = [
            "A world is one draw of all uncertain numbers and rival readings: "
            f"{count(self.worlds, 'world')}, seed {a.seed}.{over * (self.worlds > 1)}",
            f"One {self.unit} of stakes: the gap between a party's best and worst {self.unit} "
            "without a deal. Units of different parties cannot be compared.",
        ]
        if 1 < self.worlds < 16:
            lines.append(f"With only {self.worlds} worlds, shares and bands are rough.")
        if a.otherwise in ("", "never"):
            lines.append("No deal: this offer is withdrawn and no other follows.")
        else:
            lines.append(f"No deal: {in_words(a.otherwise)} is on the table instead.")
        lines += [self.grid(), f"Solved: {clean(a.solves, 400)}."]
        lines.append(
            "±: the figure lies within this with 80 %, worlds and grids together. Digits go by "
            "twice its standard error."
        )
        if marked:
            lines.append(f"{UNSURE} after a figure: sign uncertain, its error could turn it.")
        chances = [x for name, x in a.figures.items() if name.split(".")[0] in CHANCES]
        if any(TWICE * x.error >= 0.05 for x in chances):
            lines.append("~ or unclear, of a percentage: its error supports no finer figure.")
        lines += [f"Note: {self.shortened(note).rstrip('.')}." for note in a.notes]
        lines.append(f"Servanda {a.version}, scenario {clean(a.hash)[:12]}.")
        heading = Heading("How to read this")
        return [heading, *(Paragraph(line, "dim", hang=2) for line in lines)]

    def grid(self) -> str:
        a = self.answer
        if not a.levels:
            return "No stocks: a world is solved exactly, without a grid or sampled paths."
        line = f"Every world has its own randomly shifted grid of {_times(a.levels)} points"
        line += f" and {a.paths} paths" if a.paths else ""
        if not a.finer_levels:
            return line + "; no finer grid fits, so that what grids lean by is unknown."
        line += f"; what these lean by is measured on {_times(a.finer_levels)} points"
        leans = [
            f"{self.name(p)} {figure(-x.lean)}"
            for p in a.parties
            if (x := a.figures[f"worth.{p}"]).lean != 0
        ]
        said = f", and taken off where it is significant (worth: {', '.join(leans)})"
        return line + (said if leans else ", and is nowhere significant for worth") + "."

    # -- shared --

    def name(self, party: str) -> str:
        return self.names.get(party) or in_words(party)

    def per_stakes(self, party: str) -> float:
        """What turns a party's own unit into periods of its stakes; nan without stakes."""
        stakes = self.answer.stakes.get(party, 0.0)
        return 1.0 / stakes if stakes > 0 else math.nan

    def mean(self) -> str:
        return "mean over worlds" if self.worlds > 1 else "the one world"

    def pair(self, *both: Estimate) -> list[str]:
        """Figures of one row, with the same digits."""
        places = min(decimals(TWICE * x.error, x.value) for x in both)
        return [estimated(x, places=places) for x in both]

    def if_many(self, *cells: str) -> tuple[str, ...]:
        """Cells that only make sense over several worlds."""
        return cells if self.worlds > 1 else ()

    def chances(self, name: str, headline: str, over: ArrayLike, central: float) -> tuple[str, ...]:
        x = self.answer.figures[headline]
        if self.worlds == 1:
            return (name, _percent(x))
        low, _, high = band(over, self.answer.weight)
        return (name, _percent(x), percent_between(low, high), percent(central))


LIVES = 0.01
"""A deal is said to be held up as long as it is in force with this probability."""

CHANCES = ("signs", "survival", "unaccused", "breaks", "accused", "expired")


def _percent(x: Estimate) -> str:
    return percent(x.value, TWICE * x.error)


def _times(levels: tuple[int, ...]) -> str:
    return " × ".join(map(str, levels))


def _marked(block: Block) -> bool:
    """Whether a block holds a figure that is marked as uncertain in its sign."""
    words = [block.words] if isinstance(block, Paragraph) else []
    if isinstance(block, Columns):
        words = [cell for row in block.rows for cell in row]
    return any(re.search(rf"\d\{UNSURE}", text) for text in words)


def _escaped(name: str) -> str:
    return name.replace("\\", r"\\")  # in the replacement of a pattern


def _headline(v: Verdict) -> str:
    asked, other, _ = ANSWERS.get(v.answer, (v.answer.upper(), v.answer, ""))
    return asked if v.asked else f"not asked; {other}"
