"""Which deals would everybody needed sign, and which of those hold?

In: a scenario, a proposal whose life the deals share, and which terms may vary. Out: a `Design`:
every deal tried, screened at the modal world and then in more and more worlds, the efficient ones
among those that are signed and hold, the bargaining solutions, and the smallest change that makes
the proposal one of them.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int

from servanda.errors import QuestionError, unknown
from servanda.game.batch import Progress, cores, stakes
from servanda.game.levels import choose_levels
from servanda.questions.alike import Deals, Figures
from servanda.questions.answer import Answer, Origin
from servanda.questions.best_deals import better_share, efficient, smallest_change, solutions
from servanda.questions.outcomes import PATHS, duties
from servanda.questions.rounds import RISK, rounds, stays
from servanda.runs import parts
from servanda.scenario.formulas import Formula
from servanda.scenario.model import Proposal, Scenario, Term
from servanda.scenario.worlds import draw, modal
from servanda.show.marks import Spec
from servanda.show.page import Block

LIMIT = 3000
"""Deals tried, at most."""

LIKELY = 0.5
"""From this probability on all are said to sign."""

NEAR = 0.02
"""At the modal world a deal stays if every party asked signs with this probability, and if it is
kept with the probability asked for less `SLACK`: others are not tried in further worlds."""

SLACK = 0.3
HALVINGS = 4
"""How often the steps of continuous terms are halved around the best deal."""

HELD = 16
"""Periods after which a deal is asked to hold, if the horizon is not shorter."""


@dataclass(frozen=True)
class Design(Answer):
    """Deals tried and what stands out. Arrays are [deal, ...]; deals are indices into them.

    `worth` and `survival` are at the modal world, `mean` the weighted mean worth over worlds (NaN:
    not all worlds were tried), `share` the weight of the worlds tried in which the deal is signed
    and holds, `seen` how many those are. `change` are the deals nearest to the proposal.
    """

    like: str
    signatories: tuple[str, ...]
    terms: tuple[str, ...]
    required: float
    period: int
    chance: float
    deals: tuple[str, ...]
    labels: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    worth: np.ndarray
    signing: np.ndarray
    joint: np.ndarray
    survival: np.ndarray
    kept: np.ndarray
    mean: np.ndarray
    mean_survival: np.ndarray
    share: np.ndarray
    seen: np.ndarray
    screened: np.ndarray
    acceptable: np.ndarray
    frontier: np.ndarray
    solutions: dict[str, tuple[int, ...]]
    change: tuple[int, ...]
    start: int
    cost_to: str
    nearest: int
    refuses: str
    possible: int
    exhaustive: bool
    better: float
    solves: int
    seconds: float
    risk: float

    PICTURES: ClassVar[Sequence[str]] = ("frontier",)

    def to_dataframe(self) -> Any:
        """One row per deal: terms, modal figures, worlds tried, share."""
        import pandas as pd

        columns: dict[str, Any] = {"deal": self.deals}
        for k, name in enumerate(self.terms):
            columns[f"term.{name}"] = [row[k] for row in self.levels]
        for i, party in enumerate(self.origin.labels):
            columns[f"worth.{party}"] = self.worth[:, i]
            columns[f"signs.{party}"] = self.signing[:, i]
        columns |= {
            "signs.all": self.joint,
            f"survival.{self.period}": self.survival,
            f"kept.{self.period}": self.kept,
            "screened_in": self.screened,
            "worlds": self.seen,
            "good": self.share,
            "acceptable": self.acceptable,
            "efficient": np.isin(np.arange(len(self.deals)), self.frontier),
        }
        return pd.DataFrame(columns)

    def blocks(self) -> list[Block]:
        """The design as a page."""
        from servanda.show.design_page import blocks

        return blocks(self)

    def picture(self, what: str) -> Spec:
        """`frontier`: deals in the worths of two signatories."""
        from servanda.show.design_page import picture

        return picture(self)


def design(
    scenario: Scenario,
    like: str,
    *,
    vary: Sequence[str] | None = None,
    fix: Mapping[str, str | float] | None = None,
    signatories: Sequence[str] | None = None,
    share: float = 0.5,
    hold: tuple[int, float] | None = None,
    party: str | None = None,
    worlds: int = 64,
    seed: int = 0,
    steps: int = 5,
    limit: int = LIMIT,
    grid: tuple[int, ...] | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Design:
    """Search the terms for deals that are signed in a share of worlds, and that hold.

    `vary` names the terms that may differ from `like` (all), `fix` sets some; continuous terms are
    cut into `steps`. A deal is good in a world if all `signatories` (those of `like` and every
    party a duty of the deal binds) sign with a probability over one half and, at the period of
    `hold`, it has not been broken with at least its probability (16 periods and 0.5). `party` is
    the chair whose loss a change is judged by. Beyond `limit` deals a sample is searched. `grid`
    are the levels of the stocks, if not the usual ones. In `folder` what is finished is kept; the
    same question goes on from there.

    Raises QuestionError for an unknown deal, term, level or party, numbers out of range, a game
    too large for this machine, or a folder of something else.
    """
    began = time.perf_counter()
    if like not in scenario.proposals:
        raise unknown("deal", like, scenario.proposals)
    base = scenario.proposals[like]
    for who in (*(signatories or ()), *([party] if party else [])):
        if who not in scenario.parties:
            raise unknown("party", who, scenario.parties)
    if not 0 < share <= 1:
        raise QuestionError(f"a share of worlds is over 0 and at most 1, not {share:g}")
    if worlds < 1 or limit < 2 or steps < 2:
        raise QuestionError("a design needs at least 1 world, 2 steps and a limit of 2 deals")
    period, chance = hold or (min(HELD, scenario.horizon), 0.5)
    if not 0 <= period <= scenario.horizon or not 0 <= chance <= 1:
        raise QuestionError(
            f"hold at a period from 0 to {scenario.horizon} with a probability from 0 to 1"
        )
    choices = space(scenario, base, vary, fix or {}, steps)
    possible = math.prod(len(c) for c in choices.values())
    exhaustive = possible <= limit
    rng = np.random.default_rng([seed, 20250319])
    rows = candidates(choices, limit // 2, exhaustive, rng)
    levels = grid or choose_levels(scenario)
    solver = Deals(scenario, base, levels, period, PATHS, seed)
    centre, sample = modal(scenario).values, draw(scenario, worlds, seed)
    names = list(scenario.parties)
    scale = np.array(stakes(scenario))
    deals: list[Proposal] = []
    known: dict[object, int] = {}
    solved: list[Figures] = []
    job = {
        "question": "design",
        "hash": scenario.hash,
        "like": like,
        "terms": {name: [[word, list(x)] for word, x in c] for name, c in choices.items()},
        "signatories": None if signatories is None else list(signatories),
        "share": share,
        "hold": [period, chance],
        "worlds": worlds,
        "seed": seed,
        "steps": steps,
        "limit": limit,
        "levels": list(levels),
    }

    with parts(folder, job) as place:
        pool = cores()

        def add(more: Sequence[tuple[tuple[str, tuple[float, ...]], ...]]) -> list[int]:
            """Make deals and solve the new ones at the modal world."""
            at, first = [], len(deals)
            for row in more:
                deal = make(scenario, base, tuple(choices), row, signatories)
                key = same_as(scenario, deal)
                if key not in known:
                    known[key] = len(deals)
                    deals.append(deal)
                at.append(known[key])
            new = deals[first:]
            if new:
                pairs = np.array([(k, 0) for k in range(len(new))])
                kept = place(f"central-{len(solved) + 1:03d}")
                solved.append(solver.run(new, pairs, centre, progress, pool, kept))
            return at

        try:
            now = tuple((base.levels[n], base.terms[n]) for n in choices)
            start = add([now])[0]
            start_given = inside(scenario, choices, now)
            listed = add(rows)
            # continuous terms, and spaces too large to list: coordinate by coordinate from the best
            if not exhaustive or any(not scenario.terms[n].levels for n in choices):
                _climb(scenario, choices, deals, solved, add, names, scale, chance, limit, steps)
            central = _joined(solved)
            asked = np.array([[p in d.signatories for p in names] for d in deals])
            least = np.nanmin(np.where(asked, central.signing, np.nan), axis=1)
            sought = np.ones(len(deals), bool)
            sought[start] = start_given or start in listed
            screened = sought & (least >= NEAR) & (central.kept >= chance - SLACK)
            order = rng.permutation(worlds)
            left = np.flatnonzero(screened)
            count = len(left)
            good = np.zeros((len(deals), worlds), bool)
            total = np.zeros((len(deals), worlds, len(names)))
            held = np.zeros((len(deals), worlds))
            seen = np.zeros(len(deals), int)
            schedule = rounds(worlds)
            done = 0
            for upto in schedule:
                if not len(left):
                    break
                which = order[done:upto]
                pairs = np.array([(d, w) for d in left for w in which])
                kept = place(f"worlds-{done + 1}-to-{upto}")
                found = solver.run(deals, pairs, np.asarray(sample.values), progress, pool, kept)
                ok = (found.joint > LIKELY) & (found.kept >= chance)
                good[pairs[:, 0], pairs[:, 1]] = ok
                total[pairs[:, 0], pairs[:, 1]] = found.worth
                held[pairs[:, 0], pairs[:, 1]] = found.survival
                seen[left] = upto
                done = upto
                risk = RISK / (max(count, 1) * max(len(schedule) - 1, 1))
                left = left[
                    stays(good[np.ix_(left, order[:upto])], order, sample.weight, share, risk)
                ]
        finally:
            pool.shutdown(cancel_futures=True)
    acceptable = np.zeros(len(deals), bool)
    acceptable[left] = True
    weight = np.asarray(sample.weight) / np.sum(sample.weight)
    reached = np.array(
        [
            (good[d, order[:k]] @ weight[order[:k]]) / weight[order[:k]].sum() if k else np.nan
            for d, k in enumerate(seen)
        ]
    )
    full = seen == worlds
    mean = np.where(full[:, None], np.einsum("w,dwi->di", weight, total), np.nan)
    mean_survival = np.where(full, held @ weight, np.nan)
    everybody = [i for i, p in enumerate(names) if any(p in d.signatories for d in deals)]
    chosen = np.flatnonzero(acceptable)
    figures = np.column_stack([mean[chosen][:, everybody], mean_survival[chosen]])
    best = solutions(mean[chosen][:, everybody], scale[everybody])
    index = _indices(deals, tuple(choices))
    loss = central.worth[start] - central.worth
    asking = [names.index(party)] if party else everybody
    cost = (loss[:, asking] / np.where(scale[asking] > 0, scale[asking], 1.0)).max(axis=1)
    short = np.where(np.isnan(reached), -1.0, reached) + 1e-3 * np.minimum(least, central.kept)
    nearest = int(np.argmax(np.where(sought, short, -np.inf)))
    refusing = np.nansum(np.where(asked, central.signing < LIKELY, False), axis=0)
    one = np.where(asked[nearest], central.signing[nearest], np.inf)
    blocker = int(np.argmax(refusing)) if refusing.any() else int(np.argmin(one))
    return Design(
        Origin.of(scenario, seed=seed, worlds=worlds, levels=levels, paths=PATHS),
        like=like,
        signatories=tuple(names[i] for i in everybody),
        terms=tuple(choices),
        required=share,
        period=period,
        chance=chance,
        deals=tuple(d.name for d in deals),
        labels=tuple(label(d, scenario, tuple(choices)) for d in deals),
        levels=tuple(tuple(d.levels[n] for n in choices) for d in deals),
        worth=central.worth,
        signing=central.signing,
        joint=central.joint,
        survival=central.survival,
        kept=central.kept,
        mean=mean,
        mean_survival=mean_survival,
        share=reached,
        seen=seen,
        screened=screened,
        acceptable=acceptable,
        frontier=chosen[efficient(figures)],
        solutions={n: tuple(int(chosen[k]) for k in c.points) for n, c in best.items()},
        change=tuple(map(int, smallest_change(index, acceptable, cost, index[start]))),
        start=start,
        cost_to=party or "",
        nearest=nearest,
        refuses=names[blocker],
        possible=possible,
        exhaustive=exhaustive,
        better=0.0 if exhaustive else better_share(limit // 2),
        solves=solver.solves,
        seconds=time.perf_counter() - began,
        risk=RISK,
    )


Level = tuple[str, tuple[float, ...]]
"""A level of a term: the word for it, and its numbers by age."""


def space(
    scenario: Scenario,
    base: Proposal,
    vary: Sequence[str] | None,
    fix: Mapping[str, str | float],
    steps: int,
) -> dict[str, tuple[Level, ...]]:
    """The levels to try of every term; those not to vary have one.

    Raises QuestionError for an unknown term or level.
    """
    for name in (*(vary or ()), *fix):
        if name not in scenario.terms:
            raise unknown("term", name, scenario.terms)
    found: dict[str, tuple[Level, ...]] = {}
    for name, term in scenario.terms.items():
        if name in fix:
            found[name] = (fixed(term, fix[name]),)
        elif vary is not None and name not in vary:
            found[name] = ((base.levels[name], base.terms[name]),)
        elif term.levels:
            found[name] = tuple(term.levels.items())
        else:
            assert term.range is not None
            found[name] = tuple((f"{x:g}", (float(x),)) for x in np.linspace(*term.range, steps))
    return found


def inside(
    scenario: Scenario, choices: Mapping[str, tuple[Level, ...]], row: Sequence[Level]
) -> bool:
    """Whether a deal is one of those asked about: a continuous term that varies has any value."""
    return all(
        any(values == x for _, x in levels) or (len(levels) > 1 and not scenario.terms[name].levels)
        for (name, levels), (_, values) in zip(choices.items(), row, strict=True)
    )


def fixed(term: Term, level: str | float) -> Level:
    """The level of a term that somebody named; raises QuestionError if there is none."""
    if term.levels:
        if str(level) not in term.levels:
            raise unknown(f"level of {term.name}", str(level), term.levels)
        return str(level), term.levels[str(level)]
    assert term.range is not None
    low, high = term.range
    try:
        x = float(level)
    except ValueError:
        x = math.nan
    if not low <= x <= high:
        raise QuestionError(f"{term.name} takes a number from {low:g} to {high:g}, not {level}")
    return f"{x:g}", (x,)


def candidates(
    choices: Mapping[str, tuple[Level, ...]], count: int, every: bool, rng: np.random.Generator
) -> list[tuple[Level, ...]]:
    """All deals, or so many drawn uniformly with replacement."""
    if every:
        return list(itertools.product(*choices.values()))
    picks = [rng.integers(len(c), size=count) for c in choices.values()]
    return [
        tuple(c[k] for c, k in zip(choices.values(), row, strict=True))
        for row in zip(*picks, strict=True)
    ]


def make(
    scenario: Scenario,
    base: Proposal,
    names: tuple[str, ...],
    row: Sequence[Level],
    signatories: Sequence[str] | None,
) -> Proposal:
    """A deal of `base`'s life, signed by whom it needs."""
    words = {n: w for n, (w, _) in zip(names, row, strict=True)}
    terms = {n: x for n, (_, x) in zip(names, row, strict=True)}
    deal = replace(
        base,
        name="_".join(words.values()) or base.name,
        text="",
        terms=base.terms | terms,
        levels=base.levels | words,
    )
    if signatories:
        return replace(deal, signatories=tuple(dict.fromkeys(signatories)))
    bound = [o.party for o in duties(scenario, deal)]
    return replace(deal, signatories=tuple(dict.fromkeys((*base.signatories, *bound))))


def label(deal: Proposal, scenario: Scenario, names: Sequence[str]) -> str:
    """A deal in words: the terms that differ from how things stand now."""
    said = [
        f"{n} {deal.levels[n]}"
        for n in names
        if deal.terms[n] != (scenario.terms[n].now,)
    ]  # fmt: skip
    return ", ".join(said).replace("_", " ") or "nothing changed"


def same_as(scenario: Scenario, deal: Proposal) -> object:
    """What tells deals apart: numbers of the terms that something reads, and who signs."""
    read = _read(scenario, deal)
    said = tuple(x for n, x in deal.terms.items() if n in read)
    return said, deal.signatories


def _read(scenario: Scenario, deal: Proposal) -> frozenset[str]:
    every: list[Formula | None] = [*scenario.let.values()]
    every += [f for own in scenario.interests.values() for f in own.values()]
    every += [f for s in scenario.stocks.values() for f in (s.next, *s.shock.values())]
    every += [f for p in scenario.phases.values() for f in p.next.values()]
    every += [f for d in scenario.decisions for f in (d.when, *d.option_when)]
    after = [deal, *(scenario.proposals.values() if deal.otherwise else ())]
    every += [scenario.obligations[o].while_ for p in after for o in p.obligations]
    return frozenset().union(*(f.names for f in every if f is not None))


def _climb(
    scenario: Scenario,
    choices: dict[str, tuple[Level, ...]],
    deals: list[Proposal],
    parts: list[Figures],
    add: Any,
    names: list[str],
    scale: np.ndarray,
    chance: float,
    limit: int,
    steps: int,
) -> None:
    """From the best deal at the modal world, one term at a time, until nothing is better.

    Best is the egalitarian score, min w_i/s_i over who signs, among deals that hold. Continuous
    terms move by ever smaller parts of a step.
    """
    widths = {n: (t.range[1] - t.range[0]) / (steps - 1) for n, t in scenario.terms.items()
              if t.range is not None and len(choices[n]) > 1}  # fmt: skip
    for turn in range(12):
        if widths and turn == HALVINGS:
            return
        figures = _joined(parts)
        score = np.array(
            [
                min(figures.worth[d, names.index(p)] / (scale[names.index(p)] or 1.0)
                    for p in deal.signatories) - 1e6 * max(0.0, chance - figures.kept[d])
                for d, deal in enumerate(deals)
            ]
        )  # fmt: skip
        top, tried, rows = int(np.argmax(score)), len(deals), []
        here = deals[top]
        at = tuple((here.levels[n], here.terms[n]) for n in choices)
        for k, n in enumerate(choices):
            options = list(choices[n])
            if n in widths:
                low, high = scenario.terms[n].range or (0.0, 1.0)
                x = here.terms[n][0]
                moved = np.clip([x - widths[n] / 2, x + widths[n] / 2], low, high)
                options = [(f"{y:g}", (float(y),)) for y in moved]
            elif len(options) == 1:
                continue
            rows += [(*at[:k], option, *at[k + 1 :]) for option in options]
        add(rows[: max(0, limit - len(deals))])
        widths = {n: w / 2 for n, w in widths.items()}
        if len(deals) == tried or (not widths and len(deals) >= limit):
            return


def _joined(parts: Sequence[Figures]) -> Figures:
    return Figures(*(np.concatenate([getattr(p, n) for p in parts])
                     for n in Figures.__dataclass_fields__))  # fmt: skip


def _indices(deals: Sequence[Proposal], names: Sequence[str]) -> Int[np.ndarray, "deal term"]:
    """Levels as numbers, equal where their words are."""
    columns = [np.unique([d.levels[n] for d in deals], return_inverse=True)[1] for n in names]
    return np.stack(columns, axis=1) if columns else np.zeros((len(deals), 0), int)
