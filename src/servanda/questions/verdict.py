"""Sign, do not sign, or only if: the verdict from one chair, with what it rests on.

In: worth to one party over worlds and at the modal world, and the rest of the assessment. Out: a
`Verdict`. "Sign" needs worth above zero in three quarters of the worlds (by weight), "do not sign"
at most one quarter, and neither may turn when every worth is shifted by the grid error; between
them the verdict names the one condition, an assumption's range or a hypothesis, that best separates
the worlds. A deal that is worth nothing either way in every world changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from servanda.questions.assessment import Created, Sham, Verdict
from servanda.questions.riders import Riders
from servanda.questions.spread import Spread
from servanda.scenario.model import Proposal, Scenario
from servanda.scenario.weighted import share
from servanda.scenario.worlds import Worlds
from servanda.show.figures import figure, sign_uncertain

SIGN = 0.75
REFUSE = 0.25
SHUFFLES = 400


@dataclass(frozen=True)
class Split:
    """One condition on worlds, how many worlds meet it, and the share worth signing in each."""

    text: str
    inside: float
    outside: float
    gain: float  # how much better than without it worlds are told apart


def verdict_from(
    *,
    party: str,
    labels: dict[str, str],
    scenario: Scenario,
    proposal: Proposal,
    sample: Worlds,
    worth: Spread,
    values: np.ndarray,
    stakes: float,
    interests: xr.DataArray,
    shams: tuple[Sham, ...],
    created: Created | None,
    riders: Riders | None,
    errors: Mapping[str, float],
) -> Verdict:
    """The verdict for one party (see the module's text).

    `errors` are the grid errors of worth, by party; what is missing was not estimated.
    """
    w = np.asarray(sample.weight)
    good = share(values > 0, w)
    split = best_split(scenario, sample, values > 0)
    condition = ""
    error = errors.get(party, math.nan)
    slack = error if math.isfinite(error) else 0.0
    answers = {_answer(share(values > shift, w)) for shift in (-slack, 0.0, slack)}
    answer = answers.pop() if len(answers) == 1 else None
    turned = answer is None and _answer(good) is not None
    if not values.any():
        answer, turned = "changes nothing", False
    if answer is None:
        answer = "only if" if split else "undecided"
    if split is not None:
        condition = (
            f"{split.text}: worth signing in {_percent(split.inside)} of those worlds, "
            f"{_percent(split.outside)} of the others"
        )
    reasons = _reasons(party, labels, scenario, errors, interests, shams, created, riders)
    if turned:
        reasons.insert(0, f"the grid error of its worth, ±{slack:.1g}, could turn the verdict")
    return Verdict(
        party=party,
        answer=answer,
        asked=party in proposal.signatories,
        worth=worth,
        share=good,
        margin=worth.median / stakes if stakes > 0 else float("nan"),
        condition=condition,
        reasons=tuple(reasons),
    )


def _answer(good: float) -> str | None:
    """What a share of good worlds says by itself."""
    if good >= SIGN:
        return "sign"
    return "do not sign" if good <= REFUSE else None


def best_split(scenario: Scenario, sample: Worlds, good: np.ndarray) -> Split | None:
    """The single condition that best separates good worlds from the others (a stump).

    None when all worlds agree, when no condition gets at least a tenth of the weight right that the
    majority gets wrong, or when chance would do as well: among hundreds of conditions some fit
    anything, so the same search is made with the verdicts shuffled among the worlds, and the
    condition must beat the best of nineteen in twenty shuffles.
    """
    w = np.asarray(sample.weight)
    found = [
        (text, inside)
        for text, inside in _conditions(scenario, sample)
        if 0.05 <= float(w[inside].sum()) <= 0.95
    ]
    if not found or good.all() or not good.any():
        return None
    inside = np.array([x for _, x in found], float)
    gain, s_in, s_out, base = _gains(inside, w, good[:, None])
    best = int(np.argmax(gain[:, 0]))
    rng = np.random.default_rng(sample.seed)
    shuffled = np.stack([rng.permutation(good) for _ in range(SHUFFLES)], axis=1)
    chance = np.quantile(_gains(inside, w, shuffled)[0].max(axis=0), 0.95)
    if gain[best, 0] <= max(0.1 * (1 - base[0]), chance):
        return None
    return Split(found[best][0], float(s_in[best, 0]), float(s_out[best, 0]), float(gain[best, 0]))


def _gains(
    inside: np.ndarray, w: np.ndarray, good: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """How much better conditions [condition, world] tell good worlds [world, case] than a majority.

    Returns that gain and the share of good worlds inside and outside, all [condition, case], and
    the weight of the majority [case]. Conditions that point the wrong way gain nothing.
    """
    both = inside @ (w[:, None] * good)
    a, all_good = (inside @ w)[:, None], w @ good
    base = np.maximum(all_good, 1 - all_good)
    s_in, s_out = both / a, (all_good - both) / (1 - a)
    right = both + (1 - a) - (all_good - both)
    return np.where(s_in > s_out, right - base, 0.0), s_in, s_out, base


def _conditions(scenario: Scenario, sample: Worlds) -> list[tuple[str, np.ndarray]]:
    """Every hypothesis, and every assumption above or below the deciles of its draws."""
    found = []
    for group, members in scenario.hypotheses.items():
        chosen = np.asarray(sample.hypotheses[group])
        for k, name in enumerate(members):
            label = f"{group.replace('_', ' ')}: {name.replace('_', ' ')}"
            found.append((label, chosen == k))
            found.append(
                (f"{group.replace('_', ' ')} other than {name.replace('_', ' ')}", chosen != k)
            )
    for k, name in enumerate(sample.names):
        x = np.asarray(sample.values)[:, k]
        if np.ptp(x) == 0:
            continue
        for q in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
            cut = float(np.quantile(x, q))
            found.append((f"{name} > {cut:.2g}", x > cut))
            found.append((f"{name} < {cut:.2g}", x < cut))
    return found


def _reasons(
    party: str,
    labels: dict[str, str],
    scenario: Scenario,
    errors: Mapping[str, float],
    interests: xr.DataArray,
    shams: tuple[Sham, ...],
    created: Created | None,
    riders: Riders | None,
) -> list[str]:
    """The largest gain and loss by interest, the costliest rider, sham and created problem."""
    own = {
        name: float(interests.sel(interest=f"{party}.{name}"))
        for name in scenario.interests.get(party, {})
    }
    error = errors.get(party, math.nan)
    out = []
    if own:
        up = max(own, key=lambda k: own[k])
        down = min(own, key=lambda k: own[k])
        parts = []
        small = 0.1 * max(own[up], -own[down])  # next to the other, not worth a line
        if own[up] > small:
            parts.append(f"largest gain: {up.replace('_', ' ')} ({figure(own[up], error)})")
        if -own[down] > small:
            parts.append(f"largest loss: {down.replace('_', ' ')} ({figure(own[down], error)})")
        if parts:
            out.append(", ".join(parts))
    if riders is not None and riders.terms:
        i = riders.parties.index(party)
        k = int(np.argmin(riders.leave_one_out[:, i]))
        if riders.leave_one_out[k, i] < 0:
            name = scenario.terms[riders.terms[k]].label or riders.terms[k]
            loss = figure(float(riders.leave_one_out[k, i]), error)
            out.append(f"costliest term: {name} ({loss} against leaving it out)")
    for s in shams:
        if s.sham:
            doubt = errors.get(s.party, math.nan)
            unsure = sign_uncertain(s.worth, doubt) or sign_uncertain(s.worth_bound, doubt)
            out.append(
                f"{labels[s.party]} {'perhaps ' if unsure else ''}signs only because it can break: "
                f"bound to its word the deal is worth {figure(s.worth_bound, doubt)} to it"
            )
    if created is not None and party in created.relief and created.relief[party] > 0:
        who, relief = labels[created.asker], figure(created.relief[party], error)
        out.append(
            f"if {who} simply stopped the harm it offers to stop, "
            f"{labels[party]} would gain {relief} without a deal"
        )
    return out


def _percent(x: float) -> str:
    return f"{100 * x:.0f} %"
