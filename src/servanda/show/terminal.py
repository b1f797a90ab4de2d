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

from servanda.scenario.model import PER_YEAR
from servanda.show.figures import (
    UNSURE,
    band,
    between,
    count,
    decimals,
    figure,
    in_worlds,
    percent,
    percent_between,
    sign_uncertain,
)
from servanda.show.marks import clean, in_words, short_names
from servanda.show.page import Block, Chart, Columns, Heading, Paragraph
from servanda.show.text_charts import terminal_survival

if TYPE_CHECKING:  # for readers and type checkers: this room does not need that one to run
    from servanda.questions.assessment import Assessment, Sensitivity, Verdict

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
        page.breakers(), page.shams(), page.worth(), page.interests(), page.riders(),
        page.timing(), page.assumptions(),
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
        survival = [e for name, e in answer.grid_error.items() if name.startswith("survival.")]
        self.survival_error = max((e for e in survival if math.isfinite(e)), default=0.0)

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
            margin = figure(v.margin, v.worth.grid_error * per, places=self.places(v))
            row = (self.name(v.party), _headline(v), margin, in_worlds(v.share, self.worlds))
            rows.append(row)
            if v.condition:
                words = f"{self.name(v.party)}: {in_words(v.condition)}."
                conditions.append(Paragraph(words, hang=2))
        heads = ("", "", self.stakes_unit, "better than no deal")
        return [Heading("Verdicts", "from every chair"), Columns(heads, tuple(rows)), *conditions]

    def verdict_of(self, v: Verdict) -> list[Block]:
        who, per, places = self.name(v.party), self.per_stakes(v.party), self.places(v)
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
        margin = figure(v.margin, v.worth.grid_error * per, places=places).rstrip(UNSURE)
        worth = f"{margin} {self.stakes_unit}" if margin != "0" else "next to nothing"
        line = f"Against no deal it is worth {worth} to {who}"
        if self.worlds > 1:
            ends = between(v.worth.low * per, v.worth.high * per, places=places)
            line += f" in the middle of the worlds, {ends} in 8 of 10"
        line += f". It is better than no deal {in_worlds(v.share, self.worlds)}."
        if v.answer == "changes nothing":
            where = " in every world" if self.worlds > 1 else ""
            line = f"With the deal or without it, {who} gets the same{where}."
        found.append(Paragraph(line))
        if sign_uncertain(v.worth.median, v.worth.grid_error):
            words = "The error of the grid is as large as that: gain or loss is uncertain"
            found.append(Paragraph(f"{words}; run with --fine before relying on it."))
        if v.worth.modal * v.worth.median < 0 and self.worlds > 1:
            here = figure(v.worth.modal * per, v.worth.grid_error * per)
            found.append(Paragraph(f"The central case alone says otherwise ({here})."))
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
        return [Heading("Why", f"central case, {OWN_UNITS}"), *lines] if lines else []

    def shortened(self, words: str) -> str:
        """What an answer says in words, with the short names of parties."""
        words = clean(words, 500)
        for party, label in self.answer.labels.items():
            words = words.replace(clean(label), self.name(party))
            words = re.sub(rf"\b(to|by) {party}\b", rf"\1 {_escaped(self.name(party))}", words)
        return words

    # -- will it be signed, kept, broken --

    def signing(self) -> list[Block]:
        a, w = self.answer, self.answer.weight.values
        error = self.error("signs.all")
        rows = []
        for party in map(str, a.signing.signatory.values):
            here, over = a.signing_modal.sel(signatory=party), a.signing.sel(signatory=party)
            rows.append(self.chances(self.name(party), float(here), over.values, error))
        rows.append(self.chances("All together", a.joint_modal, a.joint.values, error))
        heads = ("", "central", *self.if_many("middle", "8 in 10 worlds"))
        found: list[Block] = [
            Heading("Who signs", "each, given that the others do"), Columns(heads, tuple(rows))
        ]  # fmt: skip
        if max(a.joint_modal, float(w @ a.joint.values) / float(w.sum())) < 0.05:
            words = "Do not count on a signature. What follows assumes that all have signed."
            found.append(Paragraph(words))
        return found + self.reluctant()

    def reluctant(self) -> list[Block]:
        """Who would sign although no deal were better, or refuse although it were worse."""
        a, lines = self.answer, []
        for party in map(str, a.signing.signatory.values):
            signs, worth = (
                float(a.signing_modal.sel(signatory=party)),
                a.worth_modal.sel(party=party),
            )
            gain = float(worth)
            if sign_uncertain(gain, self.error(f"worth.{party}")) or not abs(signs - 0.5) >= 0.3:
                continue
            if signs > 0.5 and gain < 0:
                lines.append(
                    f"{self.name(party)} would rather there were no offer, yet signs: once asked, "
                    "refusing leaves it worse off (who is blamed, and what follows)."
                )
            elif signs < 0.5 and gain > 0:
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
                return terminal_survival(period, modal, low, high, min(width, 78), 7,
                                         unit=self.unit, ascii_only=ascii_only)  # fmt: skip

            shade = "; shade: 8 in 10 worlds" if self.worlds > 1 else ""
            legend = f"Line: in force, central case{shade}."
            found += [Chart(draw), Paragraph(legend, "dim")]
        dates = a.dates()
        if dates[0] > 1 and modal[list(period).index(dates[0])] < 0.5:
            dates = [1, *dates]  # what ends early is over before the usual dates
        errors = [self.error(f"survival.{t}") for t in dates]
        errors = [e if math.isfinite(e) else self.survival_error for e in errors]
        at = list(zip([list(period).index(t) for t in dates], errors, strict=True))
        rows: list[tuple[str, ...]] = []
        rows.append(("In force, central case", *(percent(modal[k], e) for k, e in at)))
        if self.worlds > 1:
            ends = (percent_between(low[k], high[k], e) for k, e in at)
            rows += [("8 in 10 worlds", *ends),
                     ("Mean over worlds", *(percent(mean[k], e) for k, e in at))]  # fmt: skip
        w = a.weight.values / a.weight.values.sum()
        for name, chance in (
            ("- broken", w @ a.broken.values.sum(axis=2)), ("- has run out", w @ a.expired.values)
        ):  # fmt: skip
            if name == "- broken" or np.nanmax(chance, initial=0.0) >= 0.005:
                rows.append((name, *(percent(float(chance[k]), e) for k, e in at)))
        found.append(Columns((f"After {self.unit}s", *map(str, dates)), tuple(rows)))
        if rows[-1][0] == "- has run out":
            words = "Has run out: as agreed, or not renewed. That is not a breach."
            found.append(Paragraph(words, "dim"))
        return found

    def breakers(self) -> list[Block]:
        heading = Heading("Who breaks it, and when")
        if not self.answer.breakers:
            words = "The deal binds nobody to anything, so nobody can break it."
            return [heading, Paragraph(words)]
        rows, quiet, alarms = [], [], []
        for b in self.answer.breakers:
            p, label = b.probability, in_words(b.label)
            if b.false_alarm > 0 and max(p.modal, p.high) >= 0.005:
                alarms.append(f"{label}, {percent(b.false_alarm)} a {self.unit}")
            if max(p.modal, p.high) < 0.005:
                quiet.append(f"{self.name(b.party)} ({label})")
                continue
            when = "-"
            if math.isfinite(b.median_period) and p.modal >= 0.005:
                when = f"by {self.unit} {max(1, round(b.median_period))}"
            e = self.survival_error
            ends = self.if_many(percent_between(p.low, p.high, e))
            rows.append((f"{self.name(b.party)}: {label}", percent(p.modal, e), *ends, when))
        found: list[Block] = [heading]
        if rows:
            heads = ("party: its duty", "central", *self.if_many("8 in 10 worlds"), "half of that")
            found.append(Columns(heads, tuple(rows)))
        if alarms:
            words = "False alarms, which need no breach, are counted: " + "; ".join(alarms) + "."
            found.append(Paragraph(words, hang=2))
        if quiet:
            found.append(Paragraph("Hardly ever: " + "; ".join(quiet) + ".", hang=2))
        return found

    def shams(self) -> list[Block]:
        rows = []
        for s in self.answer.shams:
            error = self.error(f"worth.{s.party}")
            places = decimals(error, s.worth, s.worth_bound)
            free, bound = (figure(x, error, places=places) for x in (s.worth, s.worth_bound))
            unsure = UNSURE if UNSURE in free + bound else ""
            sham = "yes" + unsure if s.sham else "no"
            rows.append((self.name(s.party), free, bound, sham))
        if not rows:
            return []
        heads = ("worth, central case", "free to break", "hands tied", "signs only to break")
        return [Heading("Would each sign with its own hands tied?"), Columns(heads, tuple(rows))]

    # -- what it is worth, and what makes it so --

    def worth(self) -> list[Block]:
        a, rows = self.answer, []
        for party in a.parties:
            low, middle, high = band(a.worth.sel(party=party), a.weight)
            modal, error = float(a.worth_modal.sel(party=party)), self.error(f"worth.{party}")
            per = self.per_stakes(party)
            places = decimals(error, modal, low, high)
            in_stakes = decimals(error * per, modal * per, low * per, high * per)
            rows.append((
                self.name(party), figure(modal, error, places=places),
                *self.if_many(figure(middle, error, places=places),
                              between(low, high, places=places)),
                figure(middle * per, error * per, places=in_stakes),
            ))  # fmt: skip
        heads = ("", "central", *self.if_many("middle", "8 in 10 worlds"), self.stakes_unit)
        remark = f"against no deal, in {OWN_UNITS}"
        return [Heading("What it is worth", remark), Columns(heads, tuple(rows))]

    def interests(self) -> list[Block]:
        found = self.answer.worth_by_interest
        own: dict[str, list[tuple[str, float]]] = {p: [] for p in self.answer.chairs}
        for full, value in zip(map(str, found.interest.values), found.values, strict=True):
            party, _, name = full.partition(".")
            own.setdefault(party, []).append((name, float(value)))
        lines = []
        for party, parts in own.items():
            top = sorted(parts, key=lambda part: -abs(part[1]))[:4]
            top = [(name, x) for name, x in top if abs(x) > 0.02 * abs(top[0][1])]
            error = self.error(f"worth.{party}")
            places = decimals(error, *(x for _, x in top))
            figures = [(in_words(name), figure(x, error, places=places)) for name, x in top]
            said = [f"{name} {x}" for name, x in figures if x.rstrip(UNSURE) != "0"]
            unsure = any(x != 0 for _, x in top) and error > 0
            words = "no change" + (" that the grid error supports" if unsure else "")
            words = ", ".join(said) or words
            lines.append(Paragraph(f"{self.name(party)}: {words}.", hang=2))
        remark = "what makes up that worth, central case"
        return [Heading("Biggest interests", remark), *lines] if any(own.values()) else []

    def riders(self) -> list[Block]:
        r = self.answer.riders
        if r is None or not r.terms:
            return []
        chairs = [p for p in self.answer.chairs if p in r.parties]
        at = [r.parties.index(p) for p in chairs]
        rows = []
        for k, term in enumerate(r.terms):
            cells = []
            for i, party in zip(at, chairs, strict=True):
                error = np.fmax(self.error(f"worth.{party}"), r.error[k, i])
                alone, fair = float(r.leave_one_out[k, i]), float(r.shapley[k, i])
                places = decimals(error, alone, fair)
                cells.append(figure(alone, error, places=places))
                if self.one_chair:
                    cells.append(figure(fair, error, places=places))
            rows.append((in_words(term), *cells))
        heads: tuple[str, ...]
        if self.one_chair:
            heads = (f"to {self.name(chairs[0])}", "lost without it", "average share (Shapley)")
        else:
            heads = ("lost without it, to", *(self.name(p) for p in chairs))
        remark = f"central case, {OWN_UNITS}"
        return [Heading("What each term adds", remark), Columns(heads, tuple(rows))]

    def timing(self) -> list[Block]:
        flow, exposure = self.answer.flow_difference, self.answer.exposure
        year, rows = min(PER_YEAR.get(self.unit, 1), len(flow.period)), []
        parts = [flow.values[:year], *([flow.values[year:]] if year < len(flow.period) else [])]
        for k, party in enumerate(map(str, flow.party.values)):
            figures = [float(part[:, k].sum()) for part in parts]
            if exposure:
                figures.append(exposure.get(party, math.nan))
            error = self.error(f"worth.{party}")
            places = decimals(error, *figures)
            rows.append((self.name(party), *(figure(x, error, places=places) for x in figures)))
        if not rows or not len(flow.period):
            return []
        first = f"first {count(year, self.unit)}" if year > 1 else f"first {self.unit}"
        heads: tuple[str, ...] = ("", first, *(["later"] if len(parts) > 1 else []))
        heads += ("signed, then broken",) if exposure else ()
        found: list[Block] = [
            Heading("Who gets what, when", f"deal minus no deal, central case, {OWN_UNITS}"),
            Columns(heads, tuple(rows)),
        ]
        if exposure:
            words = "Signed, then broken: against never having signed; discounted, as worth is."
            found.append(Paragraph(words, "dim"))
        return found

    def assumptions(self) -> list[Block]:
        found = [
            s for s in self.answer.sensitivities
            if s.party in self.answer.chairs and math.isfinite(s.swing)
        ]  # fmt: skip

        def size(s: Sensitivity) -> float:
            return abs(s.swing) * float(np.nan_to_num(self.per_stakes(s.party)))

        found.sort(key=size, reverse=True)
        found = [s for s in found[:3] if size(s) > 1e-3 * size(found[0])]
        lines = []
        for s in found:
            change = figure(s.swing, self.error(f"worth.{s.party}"))
            words = f"- {in_words(s.assumption)}: {change} to {self.name(s.party)}"
            lines.append(Paragraph(words, hang=2))
        remark = "worth at the high end of the range minus worth at the low end"
        return [Heading("What matters most", remark), *lines] if lines else []

    # -- how sure is that --

    def foot(self, marked: bool) -> list[Block]:
        a = self.answer
        over = "Middle, 8 in 10 (10 to 90 %), mean and shares" if self.worlds > 1 else "Shares"
        lines = [
            "A world is one draw of all uncertain numbers and rival readings: "
            f"{count(self.worlds, 'world')}, seed {a.seed}. {over} are over worlds. The central "
            "case has every number at its likeliest: interests, terms, timing, exposure and what "
            "matters most are of it alone.",
            f"One {self.unit} of stakes: the gap between a party's best and worst {self.unit} "
            "without a deal. Units of different parties cannot be compared.",
        ]
        if 1 < self.worlds < 16:
            lines.append(f"With only {self.worlds} worlds, shares and bands are rough.")
        if a.otherwise in ("", "never"):
            lines.append("No deal: this offer is withdrawn and no other follows.")
        else:
            lines.append(f"No deal: {in_words(a.otherwise)} is on the table instead.")
        lines += [self.grid(), f"Solved: {clean(a.solves, 200)}."]
        if marked:
            lines.append(f"{UNSURE} after a figure: sign uncertain, the grid error could turn it.")
        if max(self.survival_error, self.error("signs.all")) >= 0.05:
            lines.append("~ or unclear, of a percentage: the grid error supports no finer figure.")
        lines += [f"Note: {self.shortened(note).rstrip('.')}." for note in a.notes]
        lines.append(f"Servanda {a.version}, scenario {clean(a.hash)[:12]}.")
        heading = Heading("How to read this")
        return [heading, *(Paragraph(line, "dim", hang=2) for line in lines)]

    def grid(self) -> str:
        a = self.answer
        if not a.levels:
            return "No stocks: figures are exact, without a grid or sampled paths."
        line = f"Grid of {' × '.join(map(str, a.levels))} points"
        line += f", {a.paths} paths" if a.paths else ""
        if a.central_levels != a.levels:
            line += f"; {' × '.join(map(str, a.central_levels))} points in the central case;"
            line += " worths are read off paths"
        known = [(p, self.error(f"worth.{p}")) for p in a.parties]
        said = [f"{self.name(p)} ±{_one_digit(e)}" for p, e in known if math.isfinite(e)]
        if not said:
            return line + "; its error was not estimated."
        line += f". Estimated grid error of worth: {', '.join(said)}"
        points = 100 * self.survival_error
        return f"{line}; of survival: up to {count(max(round(points), 1), 'point')}."

    # -- shared --

    def name(self, party: str) -> str:
        return self.names.get(party) or in_words(party)

    def error(self, headline: str) -> float:
        """The estimated grid error of a headline; nan if none was made."""
        return float(self.answer.grid_error.get(headline, math.nan))

    def per_stakes(self, party: str) -> float:
        """What turns a party's own unit into periods of its stakes; nan without stakes."""
        stakes = self.answer.stakes.get(party, 0.0)
        return 1.0 / stakes if stakes > 0 else math.nan

    def places(self, v: Verdict) -> int:
        per = self.per_stakes(v.party)
        ends = (v.worth.low * per, v.worth.high * per)
        return decimals(v.worth.grid_error * per, v.margin, *ends)

    def if_many(self, *cells: str) -> tuple[str, ...]:
        """Cells that only make sense over several worlds."""
        return cells if self.worlds > 1 else ()

    def chances(self, name: str, here: float, over: ArrayLike, error: float) -> tuple[str, ...]:
        low, middle, high = band(over, self.answer.weight)
        spread = (percent(middle, error), percent_between(low, high, error))
        return (name, percent(here, error), *self.if_many(*spread))


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


def _one_digit(value: float) -> str:
    return f"{float(f'{value:.1g}'):g}"
