"""Is every alternative of a party worse than the deal, and worsening?

In: a deal, a party, and schedules of assumptions. Out: the value to the party of signing the deal
at each date t on the course of no deal, V(t), and of each alternative at the same stocks, A(t). An
alternative passes at t if A(t) < V(t) and its slope (A(t + h) - A(t)) / h < 0, with a window of h
periods. The condition is Bristow's: "Russia will only contemplate a genuine cease-fire if all the
alternatives are worse—and will worsen further over time" (Foreign Policy, 19 March 2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int

from servanda.game.batch import Follow, Program, Progress, course_of, stakes
from servanda.game.bind import bind, bind_to_breach
from servanda.game.build import Game, build
from servanda.game.grid import CENTRAL
from servanda.game.method import make_method
from servanda.game.regimes import Variant
from servanda.game.size import refuse_if_too_large
from servanda.questions.in_chunks import Rows, columns_of, digest, figure_of, in_chunks
from servanda.questions.outcomes import PATHS, duties, keeping, with_alarms_and_without
from servanda.runs import Chunk
from servanda.scenario.model import PER_YEAR, Proposal, Scenario

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Alternative:
    """Something a party could do instead of keeping the deal: a name and the game it is read in.

    `signed`: the value is that of the variant's deal in force; else that of no deal.
    """

    name: str
    variant: Variant
    signed: bool


ROUNDING = 1e-9
"""Of the largest value: a difference up to this is none."""

NO_DEAL = "no deal"
BREAK = "sign, then break"


def window_of(scenario: Scenario) -> int:
    """Periods over which slopes are taken: a year, but at most a quarter of the horizon."""
    return max(1, min(PER_YEAR[scenario.period], scenario.horizon // 4))


def alternatives(scenario: Scenario, deal: Proposal, party: str) -> list[Alternative]:
    """The alternatives of a party beside no deal as it would be played.

    No deal with one of its decisions always at one option (only decisions that are open without a
    deal, and have a choice); every other proposal, signed at that date; and, if it has duties,
    signing and playing what breaks them for as long as the deal is in force.
    """
    found = []
    open_ = _open_without_deal(scenario)
    for d in scenario.decisions:
        if d.party == party and len(open_[d.key]) > 1:
            for option in open_[d.key]:
                b = bind(scenario, party, d.name, (option,), "any")
                found.append(Alternative(f"no deal, always {option}", Variant(None, (b,)), False))
    for other in scenario.proposals.values():
        if other.name != deal.name:
            found.append(Alternative(other.name, Variant(other, signed_only=True), True))
    own = [o for o in duties(scenario, deal) if o.party == party and o.due is None]
    breach = bind_to_breach(scenario, own)
    if breach:
        found.append(Alternative(BREAK, Variant(deal, breach, signed_only=True), True))
    return found


def _open_without_deal(scenario: Scenario) -> dict[str, tuple[str, ...]]:
    """The options of every decision that can be open without a deal."""
    game = build(scenario, [Variant(None)])
    never = int(game.alike[game.roots[0]["no_deal"]])
    seen: dict[str, set[int]] = {d.key: set() for d in scenario.decisions}
    for group in game.groups:
        if never in group.rows[:, 0]:
            for d, live in zip(scenario.decisions, group.options, strict=True):
                seen[d.key] |= set(live)
    return {
        d.key: tuple(o for k, o in enumerate(d.options) if k in seen[d.key])
        for d in scenario.decisions
    }


@dataclass(frozen=True)
class Course:
    """Values to the party along the course of no deal.

    `deal` is [world, period + 1] and `others` [world, alternative, period + 1], in its own units.
    """

    names: tuple[str, ...]
    deal: Float[np.ndarray, "world period+1"]
    others: Float[np.ndarray, "world alternative period+1"]
    window: int

    @property
    def gap(self) -> Float[np.ndarray, "world alternative date"]:
        """How much the deal is worth more than each alternative, at the dates with a slope."""
        ahead = self.deal[:, None] - self.others
        return self._beyond_rounding(ahead[..., : ahead.shape[-1] - self.window])

    @property
    def slope(self) -> Float[np.ndarray, "world alternative date"]:
        """Change of each alternative per period, over the window that follows."""
        change = self.others[..., self.window :] - self.others[..., : -self.window]
        return self._beyond_rounding(change) / self.window

    def _beyond_rounding(
        self, change: Float[np.ndarray, "world alternative date"]
    ) -> Float[np.ndarray, "world alternative date"]:
        """Differences of values; 0 where they are no more than rounding."""
        size = np.maximum(abs(self.deal).max(axis=1), abs(self.others).max(axis=(1, 2)))
        found: np.ndarray = np.where(abs(change) > ROUNDING * size[:, None, None], change, 0.0)
        return found

    @property
    def passes(self) -> Bool[np.ndarray, "world alternative date"]:
        """Whether an alternative is worse than the deal and worsening."""
        found: np.ndarray = (self.gap > 0) & (self.slope < 0)
        return found

    @property
    def first(self) -> Float[np.ndarray, " world"]:
        """The first date at which all alternatives pass; inf: never within the dates."""
        every = np.asarray(self.passes.all(axis=1))
        return np.where(every.any(axis=1), every.argmax(axis=1), np.inf)

    def binding(self, world: int, date: int) -> int:
        """The alternative that binds: best against the deal; if none beats it, still rising."""
        gap, slope = self.gap[world, :, date], self.slope[world, :, date]
        if (gap > 0).all() and (slope >= 0).any():
            return int(np.argmax(slope))
        return int(np.argmin(gap))


@dataclass(frozen=True)
class Reading:
    """What a program says of the deal in every world: worth, signing, holding, acceptance."""

    worth: Float[np.ndarray, "world party"]
    no_deal: Float[np.ndarray, "world party"]
    joint: Float[np.ndarray, " world"]
    signing: Float[np.ndarray, "world signatory"]
    survival: Float[np.ndarray, "world period+1"]
    broken: Float[np.ndarray, "world period+1"]
    accused: Float[np.ndarray, "world period+1"]  # the part of `broken` that was a false alarm
    unaccused: Float[np.ndarray, "world period+1"]  # in force if nobody is wrongly accused
    unaccused_broken: Float[np.ndarray, "world period+1"]
    course: Course


_KEEPING = ("survival", "broken", "accused", "unaccused", "unaccused_broken")


@dataclass(frozen=True)
class Table:
    """A program of the deal and some alternatives of a party; any schedule can be run with it."""

    program: Program
    party: str
    others: tuple[Alternative, ...]

    def run(
        self,
        values: Float[np.ndarray, "world period+1 assumption"],
        progress: Progress | None = None,
        pool: Executor | None = None,
        folder: Path | None = None,
        lots: Int[np.ndarray, " world"] | None = None,
    ) -> Reading:
        """Solve the game under every schedule, and read it; `folder` keeps what is finished.

        `lots` say which grid and random numbers each row has, by default the central ones.
        """
        lots = np.full(len(values), CENTRAL) if lots is None else lots
        game, rows = self.program.game, Rows(self.program, values, values, lots)
        job = {
            "what": "acceptance",
            "figures": list(_KEEPING),
            "hash": game.scenario.hash,
            "variants": digest(repr(game.variants)),
            "party": self.party,
            "others": [a.name for a in self.others],
            "values": digest(values, lots),
            "levels": list(self.program.method.grid.levels),
            "seed": self.program.seed,
            "paths": self.program.paths,
            "once": self.program.once,
        }

        def work(chunk: Chunk) -> pd.DataFrame:
            return self._rows(self.read(rows.solve(*chunk.worlds)), chunk.worlds[0])

        table = in_chunks(
            job, work, cells=1, rows=len(values), folder=folder, pool=pool, progress=progress
        )
        return self._reading(list(table.batches()))

    def _rows(self, found: Reading, first: int) -> pd.DataFrame:
        """A row for every world, counted from `first`."""
        import pandas as pd

        columns: dict[str, Any] = {"world": first + np.arange(len(found.joint))}
        arrays = {name: getattr(found, name) for name in ("worth", "no_deal", "signing")}
        arrays |= {name: getattr(found, name) for name in ("joint", *_KEEPING)}
        arrays["deal"] = found.course.deal
        arrays["others"] = np.moveaxis(found.course.others, 1, -1)
        for name, x in arrays.items():
            columns |= columns_of(name, x, self._labels.get(name))
        return pd.DataFrame(columns)

    def _reading(self, frames: list[pd.DataFrame]) -> Reading:
        """The reading of `_rows`."""

        def figure(name: str) -> np.ndarray:
            return figure_of(frames, name, self._labels.get(name))

        scenario, names = self.program.game.scenario, (NO_DEAL, *(a.name for a in self.others))
        others = np.ascontiguousarray(np.moveaxis(figure("others"), -1, 1))
        return Reading(
            worth=figure("worth"),
            no_deal=figure("no_deal"),
            joint=figure("joint"),
            signing=figure("signing"),
            **{name: figure(name) for name in _KEEPING},
            course=Course(names, figure("deal"), others, window_of(scenario)),
        )

    @property
    def _labels(self) -> dict[str, tuple[str, ...]]:
        """The labels of the figures that are a column each."""
        game = self.program.game
        deal = game.variants[0].proposal
        return {
            "worth": game.parties,
            "no_deal": game.parties,
            "signing": deal.signatories if deal else (),
            "others": (NO_DEAL, *(a.name for a in self.others)),
        }

    def read(self, out: dict[str, Any]) -> Reading:
        from servanda.game.paths import KINDS
        from servanda.game.solve import signing_at_start

        game = self.program.game
        value = np.asarray(out["value"])[..., : len(game.parties)]
        roots = game.roots[0]
        alone, joint = signing_at_start(game, out)
        kept, quiet = with_alarms_and_without(course_of(out, 0), 1)
        along, in_force = course_of(out, 1), KINDS.index("in_force")
        me = game.parties.index(self.party)
        watched = np.asarray(along.watch)[..., me]  # [world, period+1, watched]
        none = np.asarray(along.value)[..., me]
        others = np.concatenate([none[:, None], np.moveaxis(watched[..., 1:], -1, 1)], axis=1)
        names = (NO_DEAL, *(a.name for a in self.others))
        return Reading(
            value[:, roots["signed"]] - value[:, roots["no_deal"]],
            value[:, roots["no_deal"]],
            joint,
            alone,
            np.asarray(kept.regime)[:, 0, :, in_force],
            np.asarray(kept.broken)[:, 0].sum(axis=-1),
            np.asarray(kept.accused)[:, 0].sum(axis=-1),
            np.asarray(quiet.regime)[:, 0, :, in_force],
            np.asarray(quiet.broken)[:, 0].sum(axis=-1),
            Course(names, watched[..., 0], others, window_of(game.scenario)),
        )


def regimes_of(game: Game, others: Sequence[Alternative]) -> tuple[int, ...]:
    """Where the deal's and the alternatives' values are read: regimes of the game."""
    where = [game.roots[0]["signed"]]
    where += [game.roots[k + 1]["signed" if a.signed else "no_deal"] for k, a in enumerate(others)]
    return tuple(where)


def prepare_table(
    scenario: Scenario,
    deal: Proposal,
    party: str,
    others: Sequence[Alternative] = (),
    *,
    levels: tuple[int, ...],
    seed: int = 0,
    paths: int = PATHS,
    once: bool = False,
) -> Table:
    """Make one game of the deal, signed in any period, and of the alternatives."""
    game = build(scenario, [Variant(deal), *(a.variant for a in others)], always=True)
    refuse_if_too_large(game, levels)
    root = game.roots[0]
    watch = regimes_of(game, others)
    follow = (
        keeping(scenario, (root["signed"],)),
        Follow(root["no_deal"], stay=False, watch=watch),
    )
    names = tuple(scenario.assumptions)
    method = make_method(scenario, levels)
    program = Program(game, method, stakes(scenario), names, follow, paths, seed, once)
    return Table(program, party, tuple(others))
