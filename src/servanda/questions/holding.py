"""What holds a deal up: how much better is it to keep a promise than to break it, and how long?

In: a scenario, a proposal and worlds. Out: a `Holding`: for every party that can keep or break a
duty while the deal is in force, its slack Q(keep) - Q(break), the value of its best way of keeping
all its duties less that of its best way of breaking one, at the node at which it decides: what it
gets in that period, and what follows, notices and all. Positive: keeping pays. It is split by the
party's interests, and means are taken over paths on which the deal is in force. For duties that
fall due on a breach, how likely they are honoured after one.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from servanda.errors import QuestionError, unknown
from servanda.game.batch import Follow, Program, Progress, course_of, run, stakes
from servanda.game.bind import bind_to_breach
from servanda.game.build import Game, build
from servanda.game.grid import CENTRAL, HERE, REPLICATE
from servanda.game.levels import choose_levels
from servanda.game.method import make_method
from servanda.game.paths import KINDS, Course
from servanda.game.reasons import Reasons, nodes
from servanda.game.regimes import Variant
from servanda.game.size import refuse_if_too_large
from servanda.questions.outcomes import PATHS
from servanda.scenario.formulas import evaluate
from servanda.scenario.model import Obligation, Proposal, Scenario
from servanda.scenario.weighted import weighted_quantiles
from servanda.scenario.worlds import Worlds, modal
from servanda.show.marks import Spec, short_names
from servanda.show.page import Block

ROUNDING = 1e-9
"""Of stakes: a smaller slack is none."""


GONE = 1e-200
"""With less than this a deal is no longer in force in a world, and nothing is said of it there.

However unlikely it has become, a world counts by its weight as long as it can be told what would be
played: so that figures over worlds change because play does, not because worlds drop out.
"""


@dataclass(frozen=True)
class Held:
    """One party at one node. Arrays are given that the deal is in force; NaN where it cannot be, or
    the party has nothing to break."""

    party: str
    label: str
    duties: tuple[str, ...]
    promises: tuple[str, ...]  # the duties in words
    stakes: float
    slack: xr.DataArray  # [world, period] in the party's units
    parts: xr.DataArray  # [world, period, interest]; they add up to `slack`
    pays: xr.DataArray  # [world, period] the probability that breaking pays
    shared: float  # what parts were off by before they were made to add up, of their size
    weight: np.ndarray  # [world]

    @property
    def periods(self) -> np.ndarray:
        """The periods."""
        return np.asarray(self.slack.period.values)

    def mean(self) -> Float[np.ndarray, " period"]:
        """The mean over worlds in which it is there."""
        return _mean(self.slack.values, self.weight)

    def mean_parts(self) -> Float[np.ndarray, "period interest"]:
        """The same of every interest's part."""
        return _mean(self.parts.values, self.weight)

    def band(self) -> Float[np.ndarray, "period 2"]:
        """Where 8 of 10 worlds have it."""
        columns = [weighted_quantiles(x, self.weight, (0.1, 0.9)) for x in self.slack.values.T]
        return np.array(columns).reshape(-1, 2)

    def first(self) -> Float[np.ndarray, " world"]:
        """The first period in which breaking pays, on average over paths; inf: in none."""
        pays = self.slack.values < -ROUNDING * max(self.stakes, 1e-300)
        found = np.where(pays.any(axis=1), self.periods[pays.argmax(axis=1)], np.inf)
        return np.asarray(found, float)

    def paid_by(self, period: float) -> float:
        """The share of worlds in which breaking has paid in some period up to this one."""
        return float(self.weight[self.first() <= period].sum() / self.weight.sum())

    def middle(self) -> float:
        """The first period in which breaking pays in the middle world; inf: in none."""
        first = self.first()
        order = np.argsort(first, kind="stable")
        reached = np.cumsum(self.weight[order]) >= 0.5 * self.weight.sum() - 1e-12
        return float(first[order][reached.argmax()])


@dataclass(frozen=True)
class Guarantee:
    """A duty that falls due on a breach: is it done? Arrays are [world, period], counted from a
    signature after which the other duty is broken as soon as it can be."""

    party: str
    label: str
    duty: str
    promise: str
    after: str  # the duty whose breach it answers, in words
    due: xr.DataArray  # the probability that it is due
    honoured: xr.DataArray  # the probability that it is done where it is due
    weight: np.ndarray  # [world]

    def over(self, first: int, last: int) -> Float[np.ndarray, " world"]:
        """How likely it is done in periods from `first` to before `last`; NaN: never due."""
        due = self.due.values[:, first:last]
        done = np.where(due > 0, self.honoured.values[:, first:last] * due, 0.0).sum(axis=1)
        total = due.sum(axis=1)
        return np.where(total > 0, done / np.where(total > 0, total, 1.0), np.nan)


@dataclass(frozen=True)
class Holding:
    """What holds a deal up."""

    deal: str
    period: str  # the unit of time
    held: tuple[Held, ...]
    guarantees: tuple[Guarantee, ...]
    weight: np.ndarray  # [world]

    def block(self, start: int = 0, until: int | None = None) -> list[Block]:
        """What is said of it on a page, from a period on and up to another."""
        from servanda.show.holding_page import block

        return block(self, start, until)

    def picture(self, start: int = 0) -> Spec:
        """Slack over time, a panel a party: areas by interest, the sum as a line."""
        from servanda.show.holding_page import picture

        return picture(self, start)

    def to_dataframe(self) -> Any:
        """A row for every party, duty and period: mean, band, and every interest's part."""
        import pandas as pd

        rows = []
        for h in self.held:
            low, high = h.band().T
            columns = {
                "party": h.party,
                "duties": " ".join(h.duties),
                "period": h.periods,
                "slack": h.mean(),
                "low": low,
                "high": high,
                "pays": _mean(h.pays.values, h.weight),
                "paid_by": [h.paid_by(t) for t in h.periods],
            }
            for name, part in zip(h.parts.interest.values, h.mean_parts().T, strict=True):
                columns[f"slack.{name}"] = part
            rows.append(pd.DataFrame(columns))
        return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def holding(
    scenario: Scenario,
    proposal: Proposal | str,
    worlds: Worlds | None = None,
    *,
    lots: np.ndarray | None = None,
    levels: tuple[int, ...] | None = None,
    paths: int = PATHS,
    seed: int = 0,
    progress: Progress | None = None,
    pool: Executor | None = None,
) -> Holding:
    """What holds a deal up in some worlds (the central case, if there are none).

    Worlds have the grids and random numbers that they have in every other question: `lots`, where
    they are not all the worlds of a sample. Raises
    QuestionError if there is no such deal or the game does not fit.
    """
    if isinstance(proposal, str):
        if proposal not in scenario.proposals:
            raise unknown("deal", proposal, scenario.proposals)
        proposal = scenario.proposals[proposal]
    sample = modal(scenario) if worlds is None else worlds
    variants = [Variant(proposal, signed_only=True), *broken_variants(scenario, proposal)]
    game = build(scenario, variants)
    levels = levels or choose_levels(scenario)
    refuse_if_too_large(game, levels, True)
    signed = [r["signed"] for r in game.roots]
    follow = [Follow((signed[0],), values=False, reasons=True)]
    if len(signed) > 1:
        follow.append(Follow(tuple(signed[1:]), stay=False, values=False, reasons=True))
    program = Program(
        game,
        make_method(scenario, levels, by_interest=True),
        stakes(scenario),
        tuple(sample.names),
        tuple(follow),
        paths,
        seed,
        once=len(sample) < 8,
    )
    lots = lots_of(worlds) if lots is None else lots
    out = run(program, sample, progress, pool, lots=lots)
    after = course_of(out, 1) if len(signed) > 1 else None
    return read_holding(game, proposal, np.asarray(sample.weight), course_of(out, 0), after)


def stakes_of(scenario: Scenario) -> dict[str, float]:
    """Every party's stakes in the central case: those set by hand, or else those of its flows."""
    world = modal(scenario)
    env = dict(zip(world.names, map(float, world.values[0]), strict=True))
    return {
        name: found if p.stakes is None else float(evaluate(p.stakes, env, np))
        for (name, p), found in zip(scenario.parties.items(), stakes(scenario), strict=True)
    }


def lots_of(worlds: Worlds | None) -> np.ndarray:
    """The grids and random numbers of worlds; the central ones of none."""
    if worlds is None:
        return np.array([CENTRAL])
    return np.arange(len(worlds)) + HERE * REPLICATE


def answered_by(scenario: Scenario, proposal: Proposal) -> list[tuple[Obligation, str]]:
    """The duties of a deal that fall due on a breach, and which breach that is."""
    found = [scenario.obligations[name] for name in proposal.obligations]
    return [(o, o.due) for o in found if o.due is not None]


def broken_variants(scenario: Scenario, proposal: Proposal) -> list[Variant]:
    """The deal signed and broken on purpose, once for every duty whose breach another answers."""
    broken = dict.fromkeys(due for _, due in answered_by(scenario, proposal))
    return [
        Variant(proposal, bind_to_breach(scenario, [scenario.obligations[name]]), True)
        for name in broken
    ]


def read_holding(
    game: Game,
    proposal: Proposal,
    weight: np.ndarray,
    kept: Course,
    after: Course | None,
) -> Holding:
    """Label courses with `reasons`: of the deal kept (its first start), and of it broken on purpose
    (a start for each of `broken_variants`)."""
    scenario = game.scenario
    labels = {name: p.label or name for name, p in scenario.parties.items()}
    short, size = short_names(labels), stakes_of(scenario)
    weight = np.asarray(weight, float)
    why = kept.reasons
    if why is None:
        raise QuestionError("a course without reasons does not say what holds a deal up")
    alive = np.asarray(kept.regime)[:, 0, :-1, KINDS.index("in_force")] > GONE
    held = []
    for k, node in enumerate(nodes(game)):
        party = game.parties[node.party]
        duties = [
            o
            for name in proposal.obligations
            for o in [scenario.obligations[name]]
            if o.party == party and o.due is None and any(d in node.decisions for d, _ in o.options)
        ]
        slack = np.where(alive, np.asarray(why.slack)[:, 0, :, k, node.party], np.nan)
        if not duties or not np.isfinite(slack).any():
            continue
        own = [j for j, (name, _) in enumerate(game.interests) if name == party]
        channels = [len(game.parties) + j for j in own]
        raw = np.where(alive[..., None], np.asarray(why.slack)[:, 0, :, k][..., channels], np.nan)
        parts, shared = add_up(slack, raw)
        where = {"world": np.arange(len(weight)), "period": np.arange(slack.shape[1])}
        names = [f"{party}.{game.interests[j][1]}" for j in own]
        held.append(
            Held(
                party,
                short[party],
                tuple(o.name for o in duties),
                tuple(promised(o, short[party]) for o in duties),
                size[party],
                xr.DataArray(slack, dims=("world", "period"), coords=where),
                xr.DataArray(
                    parts,
                    dims=("world", "period", "interest"),
                    coords=where | {"interest": names},
                ),
                xr.DataArray(
                    np.where(alive, np.asarray(why.pays)[:, 0, :, k], np.nan),
                    dims=("world", "period"),
                    coords=where,
                ),
                shared,
                weight,
            )
        )
    guarantees = []
    if after is not None and after.reasons is not None:
        guarantees = _guarantees(scenario, proposal, short, weight, after.reasons)
    return Holding(proposal.name, scenario.period, tuple(held), tuple(guarantees), weight)


def promised(duty: Obligation, party: str) -> str:
    """A duty in words, without the name of its party at the beginning."""
    words = duty.label or duty.name.replace("_", " ")
    return words.removeprefix(party).strip() or words


def _guarantees(
    scenario: Scenario,
    proposal: Proposal,
    labels: dict[str, str],
    weight: np.ndarray,
    why: Reasons,
) -> list[Guarantee]:
    starts = list(dict.fromkeys(due for _, due in answered_by(scenario, proposal)))
    # a game has its obligations in the order of play
    order = sorted(scenario.obligations, key=lambda n: scenario.obligations[n].options[0][0])
    found = []
    for o, due in answered_by(scenario, proposal):
        start, k = starts.index(due), order.index(o.name)
        asked = np.asarray(why.due)[:, start, :, k]
        where = {"world": np.arange(len(weight)), "period": np.arange(asked.shape[1])}
        other = scenario.obligations[due]
        if not (asked > 0).any():
            continue
        found.append(
            Guarantee(
                o.party,
                labels[o.party],
                o.name,
                promised(o, labels[o.party]),
                other.label or other.name.replace("_", " "),
                xr.DataArray(asked, dims=("world", "period"), coords=where),
                xr.DataArray(
                    np.asarray(why.honoured)[:, start, :, k], dims=("world", "period"), coords=where
                ),
                weight,
            )
        )
    return found


def add_up(
    total: Float[np.ndarray, "..."], parts: Float[np.ndarray, "... part"]
) -> tuple[Float[np.ndarray, "... part"], float]:
    """Parts that add up to a total, and what share of their size had to be shared out for that.

    Between grid points every channel is interpolated for itself, with limited slopes, so that
    interests do not quite add up to the party. What is missing is shared out by the parts' sizes.
    """
    if not parts.shape[-1]:
        return parts, 0.0
    missing = total - parts.sum(axis=-1)
    size = np.abs(parts)
    whole = size.sum(axis=-1, keepdims=True)
    even = np.full(parts.shape, 1.0 / parts.shape[-1])
    share = np.where(whole > 0, size / np.where(whole > 0, whole, 1.0), even)
    known = np.isfinite(missing)
    spread = float(whole[known].sum()) if known.any() else 0.0
    off = float(np.abs(missing[known]).sum() / spread) if spread > 0 else 0.0
    return parts + share * missing[..., None], off


def _mean(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Over worlds (the first axis) in which there is a number."""
    known = np.isfinite(x)
    w = weight.reshape(-1, *(1,) * (x.ndim - 1)) * known
    total = w.sum(axis=0)
    found = np.sum(np.where(known, x, 0.0) * w, axis=0)
    return np.where(total > 0, found / np.where(total > 0, total, 1.0), np.nan)
