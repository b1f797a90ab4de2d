"""An assessment as a picture: how long it holds, what it is worth to whom, why, when, and on what.

In: an `Assessment`. Out: a Vega-Lite specification, by the names in `DRAWN`. This is where the
answer's arrays meet the charts, which know nothing of answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from servanda.errors import QuestionError
from servanda.show import charts
from servanda.show.figures import estimated
from servanda.show.marks import Spec, duty_of, in_words, short_names

if TYPE_CHECKING:
    from servanda.questions.assessment import Assessment


def _survival(a: Assessment) -> Spec:
    table = a.survival_band()
    band = {str(s): table.sel(statistic=s).values for s in table.statistic.values}
    names = short_names(a.labels)
    events = [
        (b.median_period, f"half of the true breaches: {duty_of(names[b.party], b.label)}")
        for b in a.breakers
        if b.breaks.value >= 0.1 and np.isfinite(b.median_period)
    ]
    return charts.survival(
        a.survival.period.values,
        band["mean"],
        band["low"],
        band["high"],
        deal=in_words(a.deal),
        unit=a.period_name,
        modal=band["modal"],
        unaccused=band["unaccused"] if a.alarms else None,
        events=events,
    )


def _worth(a: Assessment) -> Spec:
    stakes = np.array([a.stakes[p] or np.nan for p in a.parties])
    lean = np.array([a.figures[f"worth.{p}"].lean for p in a.parties])
    return charts.worth_by_party(
        _names(a, a.parties),
        (a.worth.values - lean) / stakes,
        np.array([a.figures[f"worth.{p}"].value for p in a.parties]) / stakes,
        deal=in_words(a.deal),
        unit=f"{a.period_name}s of each party's stakes",
        weight=a.weight.values,
        modal=(a.worth_modal.values - lean) / stakes,
    )


def _interests(a: Assessment) -> Spec:
    """Every interest that changes, the chairs' first, the largest first."""
    values = np.array([x.value for x in a.interests.values()])
    names = [n.split(".", 1) for n in a.interests]
    order = [*a.chairs, *(p for p in a.parties if p not in a.chairs)]
    bars = [int(k) for k in np.argsort(-np.abs(values), kind="stable") if values[k] != 0]
    bars.sort(key=lambda k: order.index(names[k][0]))
    said = {p: estimated(a.figures[f"worth.{p}"]) for p in order}
    return charts.worth_by_interest(
        _names(a, [names[k][0] for k in bars]),
        [in_words(names[k][1]) for k in bars],
        values[bars],
        deal=in_words(a.deal),
        totals=dict(zip(_names(a, order), said.values(), strict=True)),
    )


def _flow(a: Assessment) -> Spec:
    flow = a.flow_difference
    return charts.flow_over_time(
        flow.period.values,
        _names(a, map(str, flow.party.values)),
        flow.values,
        deal=in_words(a.deal),
        unit=a.period_name,
    )


def _riders(a: Assessment) -> Spec:
    chair = a.chairs[0]
    mine = [t for t in a.terms if t.party == chair]
    if not mine:
        raise QuestionError("a picture of the riders needs a deal that changes at least two terms")
    return charts.riders(
        [in_words(t.term) for t in mine],
        np.array([t.share.value for t in mine]),
        np.array([t.without.value for t in mine]),
        deal=in_words(a.deal),
        party=_names(a, [chair])[0],
    )


def _swings(a: Assessment) -> Spec:
    chair = a.chairs[0]
    mine = [s for s in a.sensitivities if s.party == chair]
    ends = np.array([s.worth for s in mine]).reshape(len(mine), 2)
    ends = ends - float(a.worth_modal.sel(party=chair))
    return charts.swings(
        [in_words(s.assumption) for s in mine],
        ends[:, 0],
        ends[:, 1],
        figure=f"the worth of {in_words(a.deal)} to {_names(a, [chair])[0]}",
    )


def _names(a: Assessment, parties: Any) -> list[str]:
    names = short_names(a.labels)
    return [names[p] for p in parties]


DRAWN: dict[str, Callable[[Assessment], Spec]] = {
    "survival": _survival,
    "worth": _worth,
    "interests": _interests,
    "flow": _flow,
    "riders": _riders,
    "swings": _swings,
}
