"""What does a desk officer read when an offer has been assessed?

In: an `Assessment`. Out: one page of plain text for a terminal (or a string): the verdict first,
then why, who signs, how long it holds, who breaks it, what it is worth to whom, and what the answer
rests on. Nothing that a scenario says is taken as markup or reaches the terminal unprinted.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from servanda.show.figures import (
    UNSURE,
    between,
    count,
    decimals,
    figure,
    in_worlds,
    percent,
    percent_between,
    sign_uncertain,
)
from servanda.show.marks import clean
from servanda.show.text_charts import terminal_survival

if TYPE_CHECKING:  # for readers and type checkers only: this room does not need that one to run
    from servanda.questions.assessment import Assessment, Verdict

WIDEST = 100
"""Lines of prose longer than this are hard to read."""
PER_YEAR = {"day": 365, "week": 52, "month": 12, "quarter": 4, "year": 1}
ASCII = str.maketrans({"–": "-", "−": "-", "—": "-", "…": "...", "’": "'", "×": "x", "λ": "lambda"})
HEADLINES = {
    "sign": ("SIGN", "would gain", "bold green"),
    "do not sign": ("DO NOT SIGN", "would lose", "bold red"),
    "only if": ("ONLY IF", "would gain only if", "bold yellow"),
    "undecided": ("TOO CLOSE TO CALL", "too close to call", "bold yellow"),
}


def as_text(answer: Assessment, width: int = 80, *, ascii_only: bool = False) -> str:
    """The page as a string of lines at most `width` wide."""
    page = io.StringIO()
    console = Console(width=width, file=page, no_color=True, highlight=False, force_terminal=False)
    _Page(answer, console, ascii_only).show()
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines())


def print_assessment(answer: Assessment, console: Console) -> None:
    """Print the page; plain ASCII where the console cannot show more."""
    _Page(answer, console, console.options.ascii_only).show()


class _Page:
    """One assessment on one console: every method prints one section, or nothing."""

    def __init__(self, answer: Assessment, console: Console, ascii_only: bool):
        self.answer, self.console, self.ascii_only = answer, console, ascii_only
        self.width = min(console.width, WIDEST)
        self.worlds = len(answer.weight)
        self.names = _short_names({p: clean(name) for p, name in answer.labels.items()})
        self.unit = answer.period_name
        self.single = len(answer.chairs) == 1

    def show(self) -> None:
        self.heading()
        self.verdicts()
        self.reasons()
        self.signing()
        self.survival()
        self.breakers()
        self.shams()
        self.worth()
        self.interests()
        self.riders()
        self.timing()
        self.assumptions()
        self.foot()

    # -- printing -----------------------------------------------------------------------------

    def text(self, words: str, style: str = "") -> Text:
        if self.ascii_only:
            words = _plain_letters(words)
        return Text(words, style=style)

    def say(self, words: str, indent: int = 2, style: str = "", hang: int = 0) -> None:
        """A paragraph, wrapped; `hang` indents what follows its first line."""
        lines = textwrap.wrap(
            words, max(self.width - indent, 20), subsequent_indent=" " * hang,
            break_long_words=True, break_on_hyphens=False,
        )  # fmt: skip
        for line in lines:
            self.console.print(self.text(" " * indent + line, style), soft_wrap=True)

    def title(self, words: str, remark: str = "") -> None:
        self.console.print()
        line = self.text(words.upper(), "bold")
        if remark and len(words) + len(remark) + 2 <= self.width:
            line.append_text(self.text(f"  {remark}", "dim"))
            remark = ""
        self.console.print(line, soft_wrap=True)
        if remark:
            self.say(remark, style="dim")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Columns lined up: the first of words, the others of figures; the last may be words."""
        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        body = [list(row) for row in rows]
        for k, name in enumerate(columns):
            wordy = k == 0 or any(len(row[k]) > 18 for row in body)
            grid.add_column(
                self.text(name), justify="left" if wordy else "right", overflow="fold",
                vertical="bottom" if k == 0 else "top", min_width=12 if k == 0 else None,
            )  # fmt: skip
        for row in body:
            grid.add_row(*(self.text(cell) for cell in row))
        self.console.print(Padding(grid, (0, 0, 0, 2)), width=self.width)

    def name(self, party: str) -> str:
        return self.names.get(party) or words_of(party)

    def error(self, headline: str) -> float:
        """The estimated grid error of a headline; nan if none was made (no stocks)."""
        return float(self.answer.grid_error.get(headline, math.nan))

    # -- sections -----------------------------------------------------------------------------

    def heading(self) -> None:
        answer = self.answer
        self.say(clean(answer.title, 200), 0, "bold")
        text = clean(answer.text, 600)
        self.say(f"The offer, {words_of(answer.deal)}" + (f": {text}" if text else "."), 0)
        self.say(f"What is exchanged: {clean(answer.exchange, 1200)}", 0)

    def verdicts(self) -> None:
        if self.single:
            self.verdict(self.answer.verdicts[0])
            return
        self.title("Verdicts", "from every chair")
        rows = []
        for v in self.answer.verdicts:
            places = self.places(v)
            rows.append((
                self.name(v.party), _headline(v)[0],
                f"{figure(v.margin, places=places)}{self.doubt(v)}",
                in_worlds(v.share, self.worlds),
            ))  # fmt: skip
        self.table(("", "", f"{self.unit}s of stakes", "better than no deal"), rows)
        for v in self.answer.verdicts:
            if v.condition:
                self.say(f"{self.name(v.party)}: {_condition(v)}.", hang=2)

    def verdict(self, v: Verdict) -> None:
        headline, style = _headline(v)
        if v.answer == "only if" and v.condition:
            headline += " " + words_of(v.condition.rpartition(": worth signing in")[0])
        self.title(f"Verdict from the chair of {self.name(v.party)}")
        self.say(headline, style=style)
        who = self.name(v.party)
        if not v.asked:
            self.say(f"{who} is not asked to sign; this is what the deal would do to it.")
        places = self.places(v)
        worth = figure(v.margin, places=places)
        line = (
            f"Against no deal it is worth {worth} {self.unit}s of stakes to {who}"
            if worth != "0" else f"Against no deal it is worth next to nothing to {who}"
        )  # fmt: skip
        if self.worlds > 1:
            scale = self.scale(v.party)
            band = between(v.worth.low * scale, v.worth.high * scale, places=places)
            line += f" (the middle world; 8 in 10 worlds: {band})"
        self.say(f"{line}. It is better than no deal {in_worlds(v.share, self.worlds)}.")
        if sign_uncertain(v.worth.median, v.worth.grid_error):
            self.say(
                "The error of the grid is as large as this margin, so whether it gains or loses is "
                "uncertain: run with --fine before relying on it."
            )
        if v.worth.modal * v.worth.median < 0:
            side = figure(v.worth.modal * self.scale(v.party), places=places)
            self.say(f"The central case says otherwise ({side}): the spread decides.")
        if v.condition:
            self.say(f"What separates the worlds: {_condition(v)}.")

    def reasons(self) -> None:
        said = list(dict.fromkeys(r for v in self.answer.verdicts for r in v.reasons))
        if not said:
            return
        self.title("Why", "central case, each party's own units")
        for reason in said:
            line = clean(reason, 300).replace("-", "−") if re.search(r"-\d", reason) else reason
            self.say(f"- {clean(line[:1].upper() + line[1:], 300)}.", hang=2)

    def signing(self) -> None:
        answer = self.answer
        self.title("Who signs", "each asked in turn, given that the others sign")
        w = answer.weight.values
        error = self.error("signs.all")
        rows = []
        for party in map(str, answer.signing.signatory.values):
            here = float(answer.signing_modal.sel(signatory=party))
            rows.append(
                self.chances(self.name(party), here, answer.signing.sel(signatory=party), w)
            )
        rows.append(self.chances("All together", answer.joint_modal, answer.joint, w, error))
        self.table(self.over_worlds(), rows)
        if answer.joint_modal < 0.05 and float(w @ answer.joint.values) / w.sum() < 0.05:
            self.say("Nobody should count on it being signed. What follows assumes that it was.")

    def survival(self) -> None:
        answer = self.answer
        self.title("How long it holds", "given that it was signed")
        band = answer.survival_band()
        pick = {str(k): band.sel(statistic=k).values for k in band.statistic.values}
        period = answer.survival.period.values
        if len(period) > 1:
            chart = terminal_survival(
                period, pick["modal"], pick["low"], pick["high"], min(self.width - 2, 78), 7,
                unit=self.unit, ascii_only=self.ascii_only,
            )  # fmt: skip
            for line in chart.splitlines():
                self.console.print(self.text(f"  {line}"), soft_wrap=True)
            shade = "" if self.worlds == 1 else "; shade: 8 in 10 worlds"
            self.say(f"Line: probability in force in the central case{shade}.", style="dim")
        w = answer.weight.values / answer.weight.values.sum()
        dates = answer.dates()
        errors = [self.error(f"survival.{t}") for t in dates]
        known = [e for e in errors if math.isfinite(e)]
        errors = [e if math.isfinite(e) else max(known, default=0.0) for e in errors]
        at = list(zip([list(period).index(t) for t in dates], errors, strict=True))
        rows = [["In force, central case", *(percent(pick["modal"][k], e) for k, e in at)]]
        if self.worlds > 1:
            rows.append(["8 in 10 worlds", *(
                percent_between(pick["low"][k], pick["high"][k], e) for k, e in at)])  # fmt: skip
            rows.append(["Mean of the worlds", *(percent(pick["mean"][k], e) for k, e in at)])
        broken = w @ answer.broken.values.sum(axis=2)
        expired = w @ answer.expired.values
        rows.append(["  broken", *(percent(float(broken[k]), e) for k, e in at)])
        if np.nanmax(expired, initial=0.0) > 0.005:
            rows.append(["  run out as agreed", *(percent(float(expired[k]), e) for k, e in at)])
        self.table((f"after {self.unit}s:", *(str(t) for t in dates)), rows)

    def breakers(self) -> None:
        answer = self.answer
        self.title("Who breaks it, and when")
        if not answer.breakers:
            self.say("The deal binds nobody to anything, so nobody can break it.")
            return
        rows, quiet = [], []
        for b in answer.breakers:
            label = clean(b.label)
            if not max(b.probability.modal, b.probability.high) >= 0.005:
                quiet.append(f"{self.name(b.party)} ({label})")
                continue
            when = "-"
            if math.isfinite(b.median_period):
                when = f"by {self.unit} {max(1, round(b.median_period))}"
            p = b.probability
            row = [f"{self.name(b.party)}: {label}", percent(p.modal)]
            rows.append([*row, *self.band(percent_between(p.low, p.high)), when])
        if rows:
            self.table(("", "central", *self.band("8 in 10 worlds"), "half of that"), rows)
        if quiet:
            self.say("Hardly ever: " + "; ".join(quiet) + ".", hang=2)

    def shams(self) -> None:
        if not self.answer.shams:
            return
        self.title("Would they sign with their own hands tied?", "worth in own units")
        rows = []
        for s in self.answer.shams:
            error = self.error(f"worth.{s.party}")
            places = decimals(error, s.worth, s.worth_bound.modal)
            free, bound = (figure(x, places=places) for x in (s.worth, s.worth_bound.modal))
            verdict = "signs to break: " + in_worlds(s.share, self.worlds)
            if not s.sham and s.share <= 1e-9:
                verdict = "no sham"
            rows.append((self.name(s.party), free, bound, verdict))
        self.table(("", "free", "bound", ""), rows)

    def worth(self) -> None:
        answer = self.answer
        self.title("What it is worth, against no deal", "in each party's own units")
        rows = []
        for party in answer.parties:
            v = self.spread_of(party)
            places = decimals(v["error"], v["modal"], v["low"], v["high"])
            stakes = self.scale(party)
            at = [x * stakes for x in (v["modal"], v["low"], v["high"])]
            months = figure(v["median"] * stakes, places=decimals(v["error"] * stakes, *at))
            doubt = f" {UNSURE}" if sign_uncertain(v["median"], v["error"]) else ""
            rows.append([
                self.name(party), figure(v["modal"], places=places),
                *self.band(figure(v["median"], places=places)),
                *self.band(between(v["low"], v["high"], places=places)), months + doubt,
            ])  # fmt: skip
        heads = ("", "central", *self.band("middle"), *self.band("8 in 10 worlds"))
        self.table((*heads, f"{self.unit}s of stakes"), rows)

    def interests(self) -> None:
        found = self.answer.worth_by_interest
        own: dict[str, list[tuple[str, float]]] = {p: [] for p in self.answer.parties}
        for full, value in zip(map(str, found.interest.values), found.values, strict=True):
            party, _, name = full.partition(".")
            own.setdefault(party, []).append((name, float(value)))
        if not any(own.values()):
            return
        self.title("Biggest interests", "what makes up that worth, central case")
        first = [*self.answer.chairs, *(p for p in own if p not in self.answer.chairs)]
        for party in first:
            top = sorted(own[party], key=lambda item: -abs(item[1]))
            top = [item for item in top if abs(item[1]) > 0.02 * abs(top[0][1])][:4]
            error = self.error(f"worth.{party}")
            places = decimals(error, *(x for _, x in top))
            parts = [f"{words_of(n)} {figure(x, places=places)}" for n, x in top]
            self.say(
                f"{self.name(party)}: " + (", ".join(parts) or "nothing changes") + ".", hang=2
            )

    def riders(self) -> None:
        riders = self.answer.riders
        if riders is None or not riders.terms:
            return
        chairs = [p for p in self.answer.chairs if p in riders.parties]
        self.title("What each term adds", "central case, own units")
        if self.single and chairs:
            i = riders.parties.index(chairs[0])
            rows = []
            for k, term in enumerate(riders.terms):
                alone, fair = (float(x[k, i]) for x in (riders.leave_one_out, riders.shapley))
                noise = max(self.error(f"worth.{chairs[0]}"), float(riders.error[k, i]))
                places = decimals(noise, alone, fair)
                rows.append((words_of(term), *(figure(x, places=places) for x in (alone, fair))))
            heads = (f"to {self.name(chairs[0])}", "lost if left out", "average share (Shapley)")
            self.table(heads, rows)
            return
        rows = []
        for k, term in enumerate(riders.terms):
            at = [riders.parties.index(p) for p in chairs]
            rows.append((words_of(term), *(
                figure(float(riders.leave_one_out[k, i]), self.error(f"worth.{p}"))
                for i, p in zip(at, chairs, strict=True))))  # fmt: skip
        self.table(("lost if left out, to", *(self.name(p) for p in chairs)), rows)

    def timing(self) -> None:
        flow, exposure = self.answer.flow_difference, self.answer.exposure
        year = PER_YEAR.get(self.unit, 1)
        if not len(flow.period):
            return
        early, late = flow.values[:year].sum(axis=0), flow.values[year:].sum(axis=0)
        self.title("Who gets what, when", "deal minus no deal, undiscounted, own units")
        rows = []
        for k, party in enumerate(map(str, flow.party.values)):
            error = self.error(f"worth.{party}")
            row = [self.name(party), *(
                figure(float(x), places=decimals(error, float(early[k]), float(late[k])))
                for x in (early[k], late[k]))]  # fmt: skip
            if exposure:
                row.append(figure(exposure.get(party, math.nan), error))
            rows.append(row)
        heads = [
            "",
            f"first {count(year, self.unit)}" if year > 1 else f"first {self.unit}",
            "later",
        ]
        self.table([*heads, *(["if signed and broken"] if exposure else [])], rows)
        if exposure:
            self.say("The last column is discounted, and against never having signed.", style="dim")

    def assumptions(self) -> None:
        answer = self.answer
        mine = [s for s in answer.sensitivities if s.party in answer.chairs]
        mine = [s for s in mine if math.isfinite(s.swing) and s.swing != 0]
        mine.sort(key=lambda s: -abs(s.swing) * self.scale(s.party))
        if not mine:
            return
        self.title("The assumptions that matter most", "from the low to the high end of the range")
        for s in mine[:3]:
            change = figure(s.swing, self.error(f"worth.{s.party}"))
            more = "" if self.single else f" to {self.name(s.party)}"
            self.say(f"- {words_of(s.assumption)}: moves the worth{more} by {change}.", hang=2)

    def foot(self) -> None:
        answer = self.answer
        self.title("How to read this")
        where = f"{count(self.worlds, 'world')} (seed {answer.seed})"
        lines = [
            f"A world is one draw of every uncertain number and of every rival reading: {where}. "
            "Bands, middle and shares are over worlds; the central case has every number at its "
            "likeliest. Interests, terms, timing and the assumptions are of the central case.",
            f"One {self.unit} of stakes: the gap between a party's best and worst {self.unit} "
            "without any deal. Units of different parties cannot be compared.",
        ]
        if 1 < self.worlds < 16:
            lines.append(f"With {self.worlds} worlds, bands and shares are rough.")
        if answer.otherwise in ("", "never"):
            lines.append("No deal means that this offer is withdrawn and no other follows.")
        else:
            lines.append(
                f"No deal means that {words_of(answer.otherwise)} is on the table instead."
            )
        if answer.levels:
            grid = " × ".join(map(str, answer.levels))
            known = {k: e for k, e in answer.grid_error.items() if math.isfinite(e)}
            line = f"Grid {grid}"
            if answer.paths:
                line += f", {answer.paths} paths"
            worst = [
                f"{self.name(p)} ±{_plain_figure(known[f'worth.{p}'])}"
                for p in answer.parties if f"worth.{p}" in known
            ]  # fmt: skip
            line += f". Estimated grid error of worth: {', '.join(worst)}" if worst else ""
            held = max((e for k, e in known.items() if k.startswith("survival.")), default=math.nan)
            if math.isfinite(held):
                line += f"; of survival up to {100 * held:.0f} points"
            lines.append(line + ".")
        else:
            lines.append("The game is finite: figures are exact, without a grid or paths.")
        lines.append(f"Solved: {clean(answer.solves, 200)}.")
        lines += [f"Note: {clean(note, 400).rstrip('.')}." for note in answer.notes]
        lines.append(f"Servanda {answer.version}, scenario {clean(answer.hash)[:12]}.")
        for line in lines:
            self.say(line, style="dim", hang=2)

    # -- shared -------------------------------------------------------------------------------

    def band(self, cell: str) -> list[str]:
        """A cell that only makes sense over several worlds."""
        return [cell] if self.worlds > 1 else []

    def over_worlds(self) -> list[str]:
        return ["", "central", *self.band("middle"), *self.band("8 in 10 worlds")]

    def chances(self, name: str, here: float, worlds: Any, w: np.ndarray, error: float = 0.0
                ) -> list[str]:  # fmt: skip
        low, middle, high = _quantiles(worlds.values, w)
        row = [name, percent(here, error), *self.band(percent(middle, error))]
        return row + self.band(percent_between(low, high, error))

    def spread_of(self, party: str) -> dict[str, float]:
        answer = self.answer
        low, middle, high = _quantiles(answer.worth.sel(party=party).values, answer.weight.values)
        modal = float(answer.worth_modal.sel(party=party))
        return {"modal": modal, "low": low, "median": middle, "high": high,
                "error": self.error(f"worth.{party}")}  # fmt: skip

    def scale(self, party: str) -> float:
        """From a party's own unit to periods of its stakes."""
        stakes = self.answer.stakes.get(party, 0.0)
        return 1.0 / stakes if stakes > 0 else math.nan

    def places(self, v: Verdict) -> int:
        scale = self.scale(v.party)
        return decimals(v.worth.grid_error * scale, v.margin, v.worth.low * scale,
                        v.worth.high * scale)  # fmt: skip

    def doubt(self, v: Verdict) -> str:
        return f" {UNSURE}" if sign_uncertain(v.worth.median, v.worth.grid_error) else ""


# -- words -------------------------------------------------------------------------------------


def words_of(name: str) -> str:
    """A name from a scenario as words: `no_rearm.verified` becomes "no rearm, verified"."""
    return clean(re.sub(r"(?<=\w)\.(?=[A-Za-z])", ", ", name).replace("_", " "), 120)


def _headline(v: Verdict) -> tuple[str, str]:
    asked, other, style = HEADLINES.get(v.answer, (v.answer.upper(), v.answer, "bold"))
    return (asked, style) if v.asked else (f"not asked; {other}", style)


def _condition(v: Verdict) -> str:
    return words_of(v.condition)


def _short_names(labels: dict[str, str]) -> dict[str, str]:
    """Labels without a trailing bracket, where they still tell the parties apart."""
    short = {p: re.sub(r"\s*\([^()]*\)$", "", name) or name for p, name in labels.items()}
    clash = len(set(short.values())) < len(short)
    return labels if clash else short


def _plain_letters(words: str) -> str:
    words = unicodedata.normalize("NFKD", words.translate(ASCII))
    words = words.replace("±", "+/-")
    return "".join(c for c in words if not unicodedata.combining(c)).encode(
        "ascii", "replace").decode()  # fmt: skip


def _plain_figure(value: float) -> str:
    return f"{float(f'{value:.1g}'):g}" if math.isfinite(value) else "unknown"


def _quantiles(values: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """10, 50 and 90 % of a weighted sample; worlds without a number are left out."""
    known = np.isfinite(values) & (weights > 0)
    if not known.any():
        return math.nan, math.nan, math.nan
    order = np.argsort(values[known], kind="stable")
    v, w = values[known][order], weights[known][order]
    at = (np.cumsum(w) - 0.5 * w) / w.sum()
    low, middle, high = (float(np.interp(q, at, v)) for q in (0.1, 0.5, 0.9))
    return low, middle, high
