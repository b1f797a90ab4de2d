"""Levers, said on one page: does any package meet the acceptance condition, which, from when.

In: a `LeversAnswer`. Out: blocks for the terminal, and its pictures.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from servanda.scenario.weighted import share
from servanda.show.figures import band, between, count, decimals, figure, in_worlds, percent
from servanda.show.marks import Spec, in_words
from servanda.show.page import Block, Chart, Columns, Heading, Paragraph
from servanda.show.page_parts import chance_cell, foot, listed, spread_cell, title
from servanda.show.text_charts import ascii_sparkline, sparkline

if TYPE_CHECKING:
    from xarray import DataArray

    from servanda.questions.levers import Acceptance, LeversAnswer
    from servanda.questions.packages import Package

ROWS = 14
"""Packages in the table; the rest is in the data."""

OBJECTIVE = {
    "signing": "log-odds that all sign",
    "worth": "worth of the deal",
    "gap": "gap of the acceptance condition at the start",
}


def blocks(a: LeversAnswer) -> list[Block]:
    """The page."""
    found = title(a.origin, _answer(a))
    for accepted in a.acceptance:
        found += _acceptance(a, accepted)
    found += _packages(a) + _interactions(a) + _allies(a) + _payers(a) + _schedule(a)
    window = a.acceptance[0].central.window
    lines = [
        "Brackets: 8 in 10 worlds. Every package is solved in the same worlds, and everybody knows "
        "from the start which levers will be pulled, and when.",
        f"Condition: at a date on the course of no deal, every alternative of {_name(a)} is worth "
        "less to it than signing the deal then, and is getting worse. A slope is the change per "
        f"{a.origin.period} over the {count(window, a.origin.period)} that follow.",
        f"Values are in {_name(a)}'s own units. What a lever costs is not among the payoffs.",
    ]
    if a.ends:
        lines.append("Nothing is worth anything past the horizon, so every value falls towards it.")
    return found + foot(a.origin, *lines)


def _name(a: LeversAnswer, party: str | None = None) -> str:
    return a.origin.names[party or a.party]


def _when(a: LeversAnswer, t: float) -> str:
    if not math.isfinite(t):
        return "at no date"
    return "from the start" if t == 0 else f"from {a.origin.period} {t:.0f}"


def _answer(a: LeversAnswer) -> str:
    within = "" if a.budget is None else f" within a budget of {a.budget:g} a {a.origin.period}"
    who, deal = _name(a), in_words(a.deal)
    if a.found is None:
        tried = len(a.packages) - 1
        words = f"None of {tried} packages of levers{within} makes"
        if tried == 1:
            words = f"The one package of levers{within} does not make"
        words += f" every alternative of {who} worse than "
        words += f"{deal} and worsening, at any date, in the central case."
        if len(a.best):
            words += f" {_package(a.best)} goes furthest: with it the deal is worth most to {who}."
    elif not len(a.found):
        words = f"Without any lever every alternative of {who} is worse than {deal} and worsening "
        words += f"{_when(a, a.first)}, in the central case."
    else:
        k = a.packages.index(a.found)
        words = f"The cheapest package{within} that makes every alternative of {who} worse than "
        words += f"{deal} and worsening is {_package(a.found)} (cost {a.cost[k]:.3g} a "
        words += f"{a.origin.period}), {_when(a, a.first)}, in the central case."
    met = share(np.isfinite(a.acceptance[-1].over.first), a.weight.values)
    words += f" With it the condition is met at some date {in_worlds(met, a.origin.worlds)}."
    if not len(a.best):
        words = words.replace("With it", "Without levers")
    if not a.signatory:
        words += f" {who} does not sign this deal; its acceptance is tested all the same."
    return words


def _package(p: Package) -> str:
    return listed([n if u == 1 else f"{n} ({100 * u:.3g} %)" for n, u in p.pulled], "nothing")


def _acceptance(a: LeversAnswer, accepted: Acceptance) -> list[Block]:
    one, many, w = accepted.central, accepted.over, a.weight.values
    first = float(one.first[0])
    date = int(first) if math.isfinite(first) else 0
    error = accepted.grid_error
    gap, slope = one.gap[0, :, date], one.slope[0, :, date]
    places = decimals(error, *gap)
    rows = []
    for k, name in enumerate(one.names):
        low, _, high = band(many.gap[:, k, date], w)
        here = figure(float(gap[k]), error, places=places)
        if len(w) > 1:
            here += f" ({between(low, high, places=places)})"
        passing = share(many.passes[:, k, date], w)
        rows.append(
            (
                in_words(name),
                here,
                spread_cell(float(slope[k]), many.slope[:, k, date], w, math.nan),
                "pass" if one.passes[0, k, date] else "fail",
                percent(passing),
            )
        )
    k = one.binding(0, date)
    dates = many.first[np.isfinite(many.first)]
    words = f"Binding: {in_words(one.names[k])}."
    if gap[k] == 0:
        words += " It is worth as much as the deal."
    elif gap[k] < 0:
        words += f" The deal must gain {figure(-float(gap[k]), error)[1:]} against it."
    elif (slope >= 0).any():
        rising = float(slope[k])
        steeper = f" by more than {figure(rising)[1:]} a {a.origin.period}" if rising > 1e-9 else ""
        words += f" It must be falling: lower its slope{steeper}."
    if math.isfinite(first):
        when = "at the start" if first == 0 else f"at {a.origin.period} {first:.0f}"
        words += f" In the central case all of them pass for the first time {when}"
    else:
        words += " In the central case they do not all pass at any date"
    words += f"; at some date they do in {percent(share(np.isfinite(many.first), w))} of worlds"
    if dates.size and len(w) > 1:
        low, middle, high = band(many.first[np.isfinite(many.first)], w[np.isfinite(many.first)])
        words += f" (there, first at {middle:.0f}; {low:.0f} to {high:.0f})"
    what = "no lever pulled" if not len(accepted.package) else _package(accepted.package)
    when = "at the start" if date == 0 else f"at {a.origin.period} {date}"
    heads = ("alternative", "deal ahead by", f"slope a {a.origin.period}", "", "worlds pass")
    return [
        Heading(f"{_name(a)}'s alternatives: {what}", when),
        Columns(heads, tuple(rows)),
        Paragraph(words + "."),
    ]


def _packages(a: LeversAnswer) -> list[Block]:
    w, last = a.weight.values, a.dates[-1]
    names = [str(p) for p in a.over.package.values]
    order = [k for k in np.argsort(a.cost, kind="stable") if a.efficient[k] or k == 0]
    order += [k for k, p in enumerate(a.packages) if p == a.best and k not in order]
    alone = [k for k, p in enumerate(a.packages) if len(p) == 1 and k not in order]
    order = (order + alone)[:ROWS]
    worth, measure = f"worth.{a.party}", f"survival.{last}"
    rows, ends = [], []
    for k in order:
        p = a.packages[k]
        x = a.central.isel(package=k)
        shown = a.over.sel(package=p.name) if p.name in names else None
        off = a.origin.grid_error.get(worth, math.nan)
        value = float(x.sel(measure=worth))
        cell = figure(value, off)
        if shown is not None:
            cell = spread_cell(value, shown.sel(measure=worth).values, w, off)
        gain = float(a.effect("logit.kept")[k])
        per = figure(gain / a.cost[k]) if a.cost[k] > 0 else ""
        name = ("*" if a.efficient[k] else "") + (_package(p) if len(p) else "no lever")
        kinds = (f"unaccused.{last}", "truly_broken", "accused")
        ends.append((name, *(_chance(a, x, shown, kind) for kind in kinds)))
        rows.append(
            (
                name,
                f"{a.cost[k]:.3g}",
                _chance(a, x, shown, "signs.all"),
                _chance(a, x, shown, measure),
                cell,
                per,
            )
        )
    heads = (
        "package", "cost", "all sign", f"in force at {last}", f"worth to {_name(a)}",
        "log-odds of kept, per unit of cost",
    )  # fmt: skip
    remark = f"{len(a.packages) - 1} tried; cost per {a.origin.period}; * efficient"
    once = (
        "package, once signed",
        f"in force at {last} if nobody is wrongly accused",
        "somebody truly breaks it",
        "somebody is wrongly accused",
    )
    out: list[Block] = [
        Heading("What packages do", remark),
        Columns(heads, tuple(rows)),
        Columns(once, tuple(ends)),
    ]
    out.append(
        Paragraph(
            f"Kept: signed, and not broken by {a.origin.period} {last} if nobody is wrongly "
            "accused. Efficient: no cheaper package makes that as likely, and as likely that it is "
            "ended neither by a breach nor by a false alarm. In force counts false alarms, which "
            "are put into the file. Bands only where a package was solved over all "
            f"worlds. {count(a.screened, 'package')} (no lever counted) came through the test "
            f"against no deal alone, {a.tested} of them were put to all alternatives, cheapest "
            "first."
        )
    )
    return out


def _chance(a: LeversAnswer, x: DataArray, shown: DataArray | None, measure: str) -> str:
    """A probability of a package, with its band if it was solved over worlds."""
    error = a.origin.grid_error.get(measure, 0.0)
    error = error if math.isfinite(error) else 0.0
    here = float(x.sel(measure=measure))
    if shown is None:
        return percent(here, error)
    return chance_cell(here, shown.sel(measure=measure).values, a.weight.values, error)


def _change(x: float) -> str:
    """A change; what rounding leaves is none."""
    return figure(x if abs(x) > 1e-9 else 0.0)


def _points(x: float) -> str:
    """A change of a probability in percentage points, none below a tenth of one."""
    return figure(100 * x if abs(x) >= 0.001 else 0.0)


def _interactions(a: LeversAnswer) -> list[Block]:
    if not a.interactions.sizes["pair"]:
        return []
    x = a.interactions.sel(measure="logit.all").values
    order = np.argsort(-np.abs(x), kind="stable")[:6]
    worth = a.interactions.sel(measure=f"worth.{a.party}").values
    kept = a.interactions.sel(measure=f"survival.{a.dates[-1]}").values
    rows = tuple(
        (
            in_words(str(a.interactions.pair.values[k])),
            _change(float(x[k])),
            _change(float(worth[k])),
            _points(float(kept[k])),
        )
        for k in order
        if abs(x[k]) > 1e-9 or abs(worth[k]) > 1e-9
    )
    if not rows:
        return [Heading("Interactions"), Paragraph("None: effects of pairs add up.")]
    heads = (
        "pair", "log-odds of signing", f"worth to {_name(a)}", f"in force at {a.dates[-1]}, points"
    )  # fmt: skip
    remark = "effect of both less the effects of each; central case"
    return [Heading("Interactions", remark), Columns(heads, rows)]


def _allies(a: LeversAnswer) -> list[Block]:
    if not a.allies:
        return []
    rows = []
    for ally in a.allies:
        m = {
            str(k): float(v)
            for k, v in zip(ally.change.measure.values, ally.change.values, strict=True)
        }
        own = f"worth.{ally.party}"
        rows.append(
            (
                _name(a, ally.party),
                ", ".join(map(in_words, ally.levers)) or "none",
                _change(m["logit.all"]),
                _points(m[f"survival.{a.dates[-1]}"]),
                _change(m[f"worth.{a.party}"]),
                _change(m[own]),
            )
        )
    heads = (
        "who leaves", "levers gone", "log-odds of signing",
        f"in force at {a.dates[-1]}, points", f"worth to {_name(a)}", "worth to itself",
    )  # fmt: skip
    with_ = "no lever pulled" if not len(a.best) else _package(a.best)
    remark = f"changes from {with_}; central case"
    note = Paragraph(
        "Who leaves takes its levers along and plays the first option of its decisions, with or "
        "without a deal; it may still sign."
    )
    return [Heading("When an ally leaves", remark), Columns(heads, tuple(rows)), note]


def _payers(a: LeversAnswer) -> list[Block]:
    if not a.payers:
        return []
    k = a.packages.index(a.best)
    rows = []
    for p in a.origin.names:
        worth = a.effect(f"worth.{p}")[k]
        none = a.effect(f"no_deal.{p}")[k]
        paid = f"{a.payers[p]:.3g}" if p in a.payers else "0"
        rows.append((_name(a, p), paid, _change(float(worth)), _change(float(none))))
    heads = ("", f"pays a {a.origin.period}", "worth of the deal", "value of no deal")
    remark = f"{_package(a.best)}; changes at the central case, costs not counted"
    return [Heading("Who pays, who gains", remark), Columns(heads, tuple(rows))]


def _schedule(a: LeversAnswer) -> list[Block]:
    s = a.schedule
    if s is None:
        return []
    used = [k for k in range(len(s.levers)) if s.intensity[k].max() > 1e-6]
    width = max([len(in_words(s.levers[k])) for k in used] or [0])

    def strips(columns: int, ascii_only: bool) -> str:
        draw = ascii_sparkline if ascii_only else sparkline
        room = max(min(columns - width - 2, s.intensity.shape[1] - 1), 8)
        lines = [
            f"{in_words(s.levers[k]):<{width}}  {draw(s.intensity[k, :-1], room)}" for k in used
        ]
        return "\n".join(lines)

    low, middle, high = band(s.gain, a.weight.values)
    unit = a.origin.period
    words = f"Objective: {OBJECTIVE[s.objective]}. "
    if s.better == "schedule":
        words += f"Solved again, the schedule gives {figure(s.value)} against "
        words += f"{figure(s.value_constant)} with the best constant package "
        words += f"({_package(s.constant)}), at a mean cost of {s.cost:.3g} a {unit} against "
        words += f"{s.cost_constant:.3g}. Over worlds it gains {figure(middle)} "
        words += f"({between(low, high, places=decimals(0, low, high))})."
    else:
        words += f"No schedule was found that does better than {_package(s.constant)} pulled "
        words += f"constantly ({figure(s.value_constant)}); that is shown."
    more = f"Left to right: {unit} 0 to {s.intensity.shape[1] - 2}; height: intensity. The mean "
    more += "cost over the horizon stays within the budget, and so does the last stretch, which "
    more += "goes on for ever."
    strip: list[Block] = [Chart(strips)] if used else [Paragraph("No lever is pulled.")]
    return [Heading("When to pull what"), Paragraph(words), *strip, Paragraph(more)]


def picture(a: LeversAnswer, what: str) -> Spec:
    """`packages`, `acceptance` or `schedule`."""
    from servanda.errors import QuestionError
    from servanda.show.levers_charts import acceptance, packages, schedule

    unit, labels = a.origin.period, [in_words(p.name) for p in a.packages]
    if what == "acceptance":
        last = a.acceptance[-1]
        one, many, w = last.central, last.over, a.weight.values
        n = one.gap.shape[-1]
        lines = np.concatenate([many.deal[:, None], many.others], axis=1)[..., :n]
        bands = np.array(
            [[[*band(line[:, t], w)] for t in range(n)] for line in np.moveaxis(lines, 1, 0)]
        )  # [line, period, 3]
        return acceptance(
            np.arange(n),
            one.deal[0, :n],
            one.others[0, :, :n],
            [in_words(x) for x in one.names],
            np.moveaxis(bands[..., [0, 2]], -1, 1) if len(w) > 1 else None,
            deal_name=in_words(a.deal),
            party=_name(a),
            passes=one.passes[0].all(axis=0),
            unit=unit,
        )
    if what == "schedule":
        if a.schedule is None:
            raise QuestionError("no schedule was asked for: ask with schedule=True (--schedule)")
        s = a.schedule
        periods = np.arange(s.intensity.shape[1] - 1)
        names = [in_words(x) for x in s.levers]
        return schedule(periods, s.intensity[:, :-1], names, unit=unit)
    gain = a.effect("logit.kept")  # false alarms left out, as on the page
    return packages(
        a.cost,
        gain,
        labels,
        a.frontier("logit.kept"),
        cost_title=f"Cost per {unit}",
        effect_title="Gain in the log-odds that it is signed and its parties keep it",
    )
