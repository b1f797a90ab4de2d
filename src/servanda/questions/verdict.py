"""Sign, do not sign, or only if: the verdict from one chair, with what it rests on.

In: worth to one party over worlds, and the rest of the assessment. Out: a `Verdict`. "Sign" needs
worth above zero in three quarters of the worlds (by weight), "do not sign" in at most one quarter,
and neither may turn within the error of that share, worlds and grids together; between them the
verdict names the one condition, an assumption's range or a hypothesis, that best separates the
worlds. A deal that is worth nothing either way in every world changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from servanda.game.errors import Estimate
from servanda.questions.assessment import Added, Created, Sham, Verdict
from servanda.questions.spread import spread
from servanda.scenario.model import Proposal, Scenario
from servanda.scenario.worlds import Worlds
from servanda.show.figures import TWICE, estimated

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
    values: np.ndarray,
    mean: Estimate,
    better: Estimate,
    modal: float,
    stakes: float,
    interests: Mapping[str, Estimate],
    shams: tuple[Sham, ...],
    created: Created | None,
    terms: tuple[Added, ...],
) -> Verdict:
    """The verdict for one party (see the module's text); `values` are its worth, [world]."""
    w = np.asarray(sample.weight)
    split = best_split(scenario, sample, values > 0)
    condition = ""
    answers = {_answer(x) for x in (better.low, better.value, better.high)}
    answer = answers.pop() if len(answers) == 1 else None
    turned = answer is None and _answer(better.value) is not None
    if not values.any():
        answer, turned = "changes nothing", False
    if answer is None:
        answer = "only if" if split else "undecided"
    if split is not None:
        condition = (
            f"{split.text}: worth signing in {_percent(split.inside)} of those worlds, "
            f"{_percent(split.outside)} of the others"
        )
    reasons = _reasons(party, labels, scenario, interests, shams, created, terms)
    if turned:
        reasons.insert(0, "the error of that share, worlds and grids, could turn the verdict")
    return Verdict(
        party=party,
        answer=answer,
        asked=party in proposal.signatories,
        worth=spread(modal - mean.lean, values - mean.lean, w),
        mean=mean,
        share=better,
        margin=mean.value / stakes if stakes > 0 else float("nan"),
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
    interests: Mapping[str, Estimate],
    shams: tuple[Sham, ...],
    created: Created | None,
    terms: tuple[Added, ...],
) -> list[str]:
    """The largest gain and loss by interest, the costliest rider, sham and created problem."""
    own = {
        name: interests[f"{party}.{name}"]
        for name in scenario.interests.get(party, {})
        if f"{party}.{name}" in interests
    }
    out = []
    if own:
        up = max(own, key=lambda k: own[k].value)
        down = min(own, key=lambda k: own[k].value)
        parts = []
        small = 0.1 * max(own[up].value, -own[down].value)  # next to the other, not worth a line
        if own[up].value > small:
            parts.append(f"largest gain: {up.replace('_', ' ')} ({estimated(own[up])})")
        if -own[down].value > small:
            parts.append(f"largest loss: {down.replace('_', ' ')} ({estimated(own[down])})")
        if parts:
            out.append(", ".join(parts))
    sure = [t for t in terms if t.party == party and t.without.value < -TWICE * t.without.error]
    if sure:
        worst = min(sure, key=lambda t: t.without.value)
        name = worst.term.replace("_", " ")
        out.append(f"costliest term: {name} ({estimated(worst.without)} against leaving it out)")
    for s in shams:
        if s.sham:
            out.append(
                f"{labels[s.party]} signs only because it can break: bound to its word the deal is "
                f"worth {estimated(s.worth_bound)} to it"
            )
    if created is not None and party in created.relief:
        relief = created.relief[party]
        if relief.value > TWICE * relief.error:
            out.append(
                f"if {labels[created.asker]} simply kept its side and asked for nothing, "
                f"{labels[party]} would gain {estimated(relief)}"
            )
    return out


def _percent(x: float) -> str:
    return f"{100 * x:.0f} %"
