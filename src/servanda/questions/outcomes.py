"""What becomes of several offers in several worlds?

In: proposals of one scenario, and worlds or schedules of their assumptions. Out: for every offer
and world, worth to every party, who signs, survival, who breaks it, and courses over time. All
offers of a batch are variants of one game, so that one solve of a world serves them and no deal
alike; every question about more than one offer is asked of this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float

from servanda.errors import QuestionError
from servanda.game.batch import Follow, Program, course_of, run, stakes
from servanda.game.bind import bind_to_obligations
from servanda.game.build import Game, build
from servanda.game.levels import choose_levels
from servanda.game.method import closer, make_method
from servanda.game.paths import KINDS, Course
from servanda.game.regimes import Bind, Variant
from servanda.game.size import refuse_if_too_large
from servanda.game.solve import price_of_refusing, signing_at_start
from servanda.game.stationary import stirring_from
from servanda.questions.in_chunks import Rows, columns_of, digest, figure_of, in_chunks
from servanda.runs import Chunk
from servanda.scenario.formulas import evaluate
from servanda.scenario.model import Obligation, Proposal, Scenario
from servanda.scenario.worlds import Worlds

if TYPE_CHECKING:
    import pandas as pd

NEVER = "never"
"""The name of no deal, beside those of proposals."""

PATHS = 32
LEAST_BROKEN = 1e-6
"""A deal that is broken with less is not said to be."""

BATCH = 12
"""Offers in one game: more share the work on no deal, and each adds to what is in memory."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Outcomes:
    """What becomes of offers; arrays begin with [world, deal], times count from the signature.

    `worth` and `no_deal` are [world, deal, party]: the value in force at the start minus that of no
    deal, and the latter; `signing` [world, deal, party] is given that all others sign (NaN: not
    asked) and `joint` that all do. `tied` is the worth to a party with its own hands bound to its
    duties (NaN: it has none); `refusing` what a signatory has by being asked and refusing, less
    never having been asked (NaN: it cannot sign). `interest` is worth by every party's interests;
    `exposed` what a party has from the start on if the deal is signed and broken within the
    horizon, less no deal (NaN: it never is); both are empty unless asked for.
    `restless` [world, deal] is what one more period past the horizon changes, in stakes: above
    `period.RESTLESS` values go round in circles; `failures` counts simultaneous choices without an equilibrium in the game the deal is part of.
    `survival` and `expired` are [world, deal, period], `broken` [world, deal, period, obligation];
    `accused` is the part of `broken` that was a notice without a breach. `unaccused` and
    `unaccused_broken` are `survival` and `broken` of the same play if nobody is ever wrongly
    accused: what false alarms do, which are put in, is not in them.
    The courses `stock`, `moves`, `flow` and `value` are those of the world after the signature,
    whatever becomes of the deal, with the deal `never` as the last; they are empty unless asked
    for.
    """

    worth: xr.DataArray
    no_deal: xr.DataArray
    signing: xr.DataArray
    joint: xr.DataArray
    tied: xr.DataArray
    refusing: xr.DataArray
    interest: xr.DataArray
    exposed: xr.DataArray
    restless: xr.DataArray
    failures: xr.DataArray
    survival: xr.DataArray
    expired: xr.DataArray
    broken: xr.DataArray
    accused: xr.DataArray
    unaccused: xr.DataArray
    unaccused_broken: xr.DataArray
    stock: xr.DataArray
    moves: xr.DataArray
    flow: xr.DataArray
    value: xr.DataArray

    @property
    def deals(self) -> tuple[str, ...]:
        """The offers, in order."""
        return tuple(map(str, self.worth.deal.values))


@dataclass(frozen=True)
class Wanted:
    """What is wanted of the offers beside worth and signing.

    `tied` may name the offers whose parties' hands are to be tied, one party after the other.
    `kept` are (offer, party): the offer is solved with that party's hands tied to its duties.
    """

    survival: bool = True
    tied: bool | tuple[str, ...] = False
    courses: bool = False
    interests: bool = False
    exits: bool = False
    kept: tuple[tuple[str, str], ...] = ()
    paths: int = PATHS

    def ties(self, deal: str) -> bool:
        """Whether an offer's parties are wanted with their hands tied."""
        return self.tied if isinstance(self.tied, bool) else deal in self.tied


@dataclass(frozen=True)
class Offers:
    """Offers that are solved together: the program, and which variants belong to what."""

    proposals: tuple[Proposal, ...]
    program: Program
    hands: tuple[tuple[int, int, int], ...]  # (offer, party, variant with its hands tied)
    wanted: Wanted

    @property
    def axes(self) -> Axes:
        """The axes of what `run` gives."""
        return axes_of(self.program.game.scenario, self.proposals, self.wanted)

    def run(
        self,
        values: Worlds | np.ndarray,
        progress: Progress | None = None,
        pool: Executor | None = None,
        lots: np.ndarray | None = None,
    ) -> Outcomes:
        """The outcomes in every world, or with every row of assumptions."""
        return self.read(run(self.program, values, progress, pool, lots=lots))

    def read(self, out: dict[str, Any]) -> Outcomes:
        """Label what the program gives."""
        game, parties = self.program.game, self.program.game.parties
        roots = game.roots[: len(self.proposals)]
        every = np.asarray(out["value"])
        value = every[:, :, : len(parties)]
        signed, without = ([r[name] for r in roots] for name in ("signed", "no_deal"))
        no_deal = value[:, without]
        worth = value[:, signed] - no_deal
        count = len(value)
        signing = np.full((count, len(roots), len(parties)), np.nan)
        refusing = np.full((count, len(roots), len(parties)), np.nan)
        joint = np.full((count, len(roots)), np.nan)
        for d, proposal in enumerate(self.proposals):
            alone, joint[:, d] = signing_at_start(game, out, d)
            who = [parties.index(p) for p in proposal.signatories]
            signing[:, d, who] = alone
            refusing[:, d, who] = price_of_refusing(game, out, d)
        tied = np.full((count, len(roots), len(parties)), np.nan)
        for d, i, v in self.hands:
            tied[:, d, i] = value[:, game.roots[v]["signed"], i] - no_deal[:, d, i]
        apart = every[:, :, len(parties) :]
        gained = apart[:, signed] - apart[:, without]
        interests = len(game.interests)
        left = np.asarray(out["tail"].left)
        restless = [stirring_from(game, left, list(r.values())) for r in roots]
        kept = quiet = _nothing(game, count)
        if self.wanted.survival:
            kept, quiet = with_alarms_and_without(course_of(out, 0), len(roots))
        regime, in_force = np.asarray(kept.regime), KINDS.index("in_force")
        gone = ("unsigned", "expired", "never")
        then = course_of(out, 1 if self.wanted.survival else 0) if self.wanted.courses else None
        courses = _nothing(game, count) if then is None else then
        channels = slice(0, len(parties))
        arrays = {
            "worth": worth,
            "no_deal": no_deal,
            "signing": signing,
            "joint": joint,
            "tied": tied,
            "refusing": refusing,
            "interest": gained if self.wanted.interests else np.zeros((count, 0, interests)),
            "exposed": self._exposed(kept, no_deal),
            "restless": np.stack(restless, axis=1) if restless else np.zeros((count, 0)),
            "failures": np.repeat(np.asarray(out["failures"], float)[:, None], len(roots), axis=1),
            "survival": regime[..., in_force],
            "expired": regime[..., [KINDS.index(kind) for kind in gone]].sum(axis=-1),
            "broken": np.asarray(kept.broken),
            "accused": np.asarray(kept.accused),
            "unaccused": np.asarray(quiet.regime)[..., in_force],
            "unaccused_broken": np.asarray(quiet.broken),
            "stock": np.asarray(courses.stock),
            "moves": _flat_moves(game, np.asarray(courses.moves)),
            "flow": np.asarray(courses.flow)[..., channels],
            "value": np.asarray(courses.value)[..., channels],
        }
        return labelled(arrays, self.axes)

    def _exposed(self, kept: Course, no_deal: np.ndarray) -> np.ndarray:
        """[world, deal, party] value from the start given a breach, less no deal."""
        parties = no_deal.shape[2]
        if not self.wanted.exits:
            return np.zeros((len(no_deal), 0, parties))
        gone = np.asarray(kept.broken)[:, :, -1].sum(axis=-1)[..., None]
        after = np.asarray(kept.after_break)[..., :parties]
        there = (gone > LEAST_BROKEN) & bool(self.program.game.stocks)
        return np.where(there, after / np.where(there, gone, 1.0) - no_deal, np.nan)


Axes = dict[str, dict[str, Any]]
"""The axes of every figure after `world`: their names and labels, in order."""


def axes_of(scenario: Scenario, proposals: Sequence[Proposal], wanted: Wanted) -> Axes:
    """The axes of what is wanted of some offers."""
    deals, parties = [p.name for p in proposals], list(scenario.parties)
    over, during = np.arange(scenario.horizon + 1), np.arange(scenario.horizon)
    each = {"deal": deals, "party": parties}
    kept = {"deal": deals if wanted.survival else [], "period": over}
    by_duty = kept | {"obligation": list(scenario.obligations)}
    along = {"deal": [*deals, NEVER] if wanted.courses else [], "period": over}
    moves = [f"{d.key}.{o}" for d in scenario.decisions for o in d.options]
    interests = [f"{p}.{name}" for p, flows in scenario.interests.items() for name in flows]
    return {
        "worth": each,
        "no_deal": each,
        "signing": each,
        "joint": {"deal": deals},
        "tied": each,
        "refusing": each,
        "interest": {"deal": deals if wanted.interests else [], "interest": interests},
        "exposed": {"deal": deals if wanted.exits else [], "party": parties},
        "restless": {"deal": deals},
        "failures": {"deal": deals},
        "survival": kept,
        "expired": kept,
        "broken": by_duty,
        "accused": by_duty,
        "unaccused": kept,
        "unaccused_broken": by_duty,
        "stock": along | {"stock": list(scenario.stocks)},
        "moves": along | {"period": during, "move": moves},
        "flow": along | {"period": during, "party": parties},
        "value": along | {"party": parties},
    }


def labelled(arrays: dict[str, np.ndarray], axes: Axes) -> Outcomes:
    """Arrays [world, ...] with their labels."""
    return Outcomes(
        **{
            name: xr.DataArray(
                arrays[name],
                dims=("world", *each),
                coords={"world": np.arange(len(arrays[name]))} | each,
            )
            for name, each in axes.items()
        }
    )


def prepare(
    scenario: Scenario,
    proposals: Sequence[Proposal],
    names: tuple[str, ...],
    *,
    wanted: Wanted | None = None,
    levels: tuple[int, ...] | None = None,
    seed: int = 0,
    binds: tuple[Bind, ...] = (),
    once: bool = False,
    closely: bool = False,
) -> Offers:
    """Make one game of several offers; `names` are the assumptions, in the order of the values.

    `levels` are the grid's, if not the usual ones; `binds` hold in every variant, no deal too;
    `closely` comes nearer to what is past the horizon (`closer`). Without offers only the course of
    no deal can be asked for. Raises QuestionError if there is nothing to ask about, or the game
    does not fit.
    """
    wanted = wanted or Wanted()
    if not proposals:
        if not wanted.courses:
            raise QuestionError("there is no proposal to ask about")
        wanted = replace(wanted, survival=False, tied=False)
    keepers = dict(wanted.kept)

    def held(p: Proposal) -> tuple[Bind, ...]:
        return own_hands(scenario, p, keepers[p.name]) if p.name in keepers else ()

    variants = [Variant(p, (*binds, *held(p))) for p in proposals] or [Variant(None, binds)]
    hands: list[tuple[int, int, int]] = []
    for d, proposal in enumerate(proposals):
        if wanted.ties(proposal.name):
            for i, party in enumerate(scenario.parties):
                own = own_hands(scenario, proposal, party)
                if own:
                    hands.append((d, i, len(variants)))
                    variants.append(Variant(proposal, (*binds, *own), signed_only=True))
    game = build(scenario, variants)
    levels = levels or choose_levels(scenario)
    refuse_if_too_large(game, levels)
    signed = tuple(r["signed"] for r in game.roots[: len(proposals)])
    follow = []
    if wanted.survival:
        follow.append(keeping(scenario, signed, wanted.exits))
    if wanted.courses:
        never = game.graph.index[game.graph.never(0)]
        follow.append(Follow((*signed, never), stay=False))
    method = make_method(scenario, levels, by_interest=wanted.interests)
    if closely:
        method = closer(method)
    program = Program(
        game, method, stakes(scenario), names, tuple(follow), wanted.paths, seed, once
    )
    return Offers(tuple(proposals), program, tuple(hands), wanted)


def keeping(scenario: Scenario, signed: tuple[int, ...], exits: bool = False) -> Follow:
    """Deals followed while they are in force: as it is, then as if nobody were wrongly accused.

    The latter is left out where no duty can be noticed without a breach.
    """
    duties = scenario.obligations.values()
    if not any(o.false_alarm.names or evaluate(o.false_alarm, {}, np) for o in duties):
        return Follow(signed, exits=exits, values=False)
    alarms = (True,) * len(signed) + (False,) * len(signed)
    return Follow((*signed, *signed), alarms=alarms, exits=exits, values=False)


def with_alarms_and_without(course: Course, deals: int) -> tuple[Course, Course]:
    """The two halves of what `keeping` asks for; arrays are [world, deal, ...]."""

    def part(which: slice) -> Course:
        found: Course = jax.tree.map(lambda x: np.asarray(x)[:, which], course)
        return found

    return part(slice(deals)), part(slice(-deals, None) if deals else slice(0))


@dataclass(frozen=True)
class Solver:
    """Any number of offers, `batch` at a time, ready to be solved in any worlds."""

    scenario: Scenario
    names: tuple[str, ...]
    batches: tuple[Offers, ...]
    job: dict[str, Any]  # what it solves, for a folder

    @staticmethod
    def of(
        scenario: Scenario,
        proposals: Sequence[Proposal],
        *,
        names: tuple[str, ...] | None = None,
        wanted: Wanted | None = None,
        levels: tuple[int, ...] | None = None,
        seed: int = 0,
        binds: tuple[Bind, ...] = (),
        batch: int = BATCH,
        once: bool = False,
        closely: bool = False,
    ) -> Solver:
        """`names` are the assumptions' if not the scenario's; the rest is as in `prepare`."""
        names = names or tuple(scenario.assumptions)
        levels = levels or choose_levels(scenario)
        wanted = wanted or Wanted()
        batches = [
            prepare(
                scenario,
                proposals[k : k + batch],
                names,
                wanted=wanted,
                levels=levels,
                seed=seed,
                binds=binds,
                once=once,
                closely=closely,
            )
            for k in range(0, max(len(proposals), 1), batch)
        ]
        job = {
            "what": "outcomes",
            "figures": [f.name for f in fields(Outcomes)],
            "hash": scenario.hash,
            "deals": [p.name for p in proposals],
            "offers": digest(repr(list(proposals))),
            "assumptions": list(names),
            "wanted": asdict(wanted),
            "levels": list(levels),
            "closely": closely,
            "seed": seed,
            "binds": [asdict(b) for b in binds],
            "batch": batch,
        }
        return Solver(scenario, names, tuple(batches), job)

    def solves(self, rows: int) -> int:
        """How many solves so many rows are."""
        return rows * len(self.batches)

    def run(
        self,
        values: Worlds | np.ndarray,
        *,
        lots: np.ndarray | None = None,
        still: np.ndarray | None = None,
        folder: Path | None = None,
        progress: Progress | None = None,
        pool: Executor | None = None,
    ) -> Outcomes:
        """What becomes of the offers in worlds, or with assumptions in the order of `names`.

        Assumptions are [world, assumption] or [world, period + 1, assumption]; `lots` [world] say
        which grid and random numbers each row has, by default the central ones. The grid's bounds
        are those of `still`, if not of the values. In `folder` what is finished is kept, and gone
        on with.
        """
        rows = np.asarray(values.values if isinstance(values, Worlds) else values, float)
        still = rows if still is None else still
        solvers = [Rows(offers.program, rows, still, lots) for offers in self.batches]
        drawn = [] if lots is None else [np.asarray(lots, float)]

        def work(chunk: Chunk) -> pd.DataFrame:
            offers, solver = self.batches[chunk.cells[0]], solvers[chunk.cells[0]]
            return to_rows(offers.read(solver.solve(*chunk.worlds)), chunk.worlds[0])

        table = in_chunks(
            self.job | {"values": digest(rows, still, *drawn)},
            work,
            cells=len(self.batches),
            rows=len(rows),
            folder=folder,
            pool=pool,
            progress=progress,
        )
        frames: list[list[pd.DataFrame]] = [[] for _ in self.batches]
        for chunk, frame in zip(table.manifest, table.batches(), strict=True):
            frames[chunk.cells[0]].append(frame)
        return joined(
            [
                from_rows(some, offers.axes)
                for some, offers in zip(frames, self.batches, strict=True)
            ]
        )


def outcomes(
    scenario: Scenario,
    proposals: Sequence[Proposal],
    values: Worlds | np.ndarray,
    *,
    names: tuple[str, ...] | None = None,
    wanted: Wanted | None = None,
    levels: tuple[int, ...] | None = None,
    seed: int = 0,
    binds: tuple[Bind, ...] = (),
    still: np.ndarray | None = None,
    lots: np.ndarray | None = None,
    batch: int = BATCH,
    folder: Path | None = None,
    progress: Progress | None = None,
    pool: Executor | None = None,
) -> Outcomes:
    """What becomes of any number of offers: `Solver` made and run once."""
    solver = Solver.of(
        scenario,
        proposals,
        names=names,
        wanted=wanted,
        levels=levels,
        seed=seed,
        binds=binds,
        batch=batch,
        once=len(np.asarray(values.values if isinstance(values, Worlds) else values)) < 8,
    )
    return solver.run(values, lots=lots, still=still, folder=folder, progress=progress, pool=pool)


def to_rows(found: Outcomes, first: int = 0) -> pd.DataFrame:
    """A row for every world, counted from `first`, and deal; courses over time are lists.

    Figures that were not asked for have no column.
    """
    import pandas as pd

    axes = {f.name: getattr(found, f.name) for f in fields(Outcomes)}
    count = found.worth.sizes["world"]
    deals = max((list(a.deal.values) for a in axes.values()), key=len)
    columns: dict[str, Any] = {
        "world": np.repeat(first + np.arange(count), len(deals)),
        "deal": [str(d) for d in deals] * count,
    }
    for name, a in axes.items():
        here = a.sizes["deal"]
        if not here:
            continue
        x = np.full((count, len(deals), *a.shape[2:]), np.nan)
        x[:, :here] = a.values
        x = x.reshape(count * len(deals), *a.shape[2:])
        columns |= columns_of(name, x, _labels(a.dims, a.coords))
    return pd.DataFrame(columns)


def from_rows(frames: Sequence[pd.DataFrame], axes: Axes) -> Outcomes:
    """The outcomes of `to_rows`, of one world after the other."""
    deals = max(len(each["deal"]) for each in axes.values())
    count = sum(len(frame) for frame in frames) // deals
    arrays = {}
    for name, each in axes.items():
        shape = tuple(map(len, each.values()))
        labels = _labels(tuple(each), each)
        if 0 in shape:
            arrays[name] = np.zeros((count, *shape))
            continue
        x = figure_of(frames, name, labels).reshape(count, deals, *shape[1:])
        arrays[name] = np.ascontiguousarray(x[:, : shape[0]])
    return labelled(arrays, axes)


def _labels(dims: Sequence[Any], coords: Mapping[Any, Any]) -> list[str] | None:
    """The labels of a figure's last axis, if it is of parties, stocks and the like."""
    if dims[-1] in ("deal", "period"):
        return None
    return [str(label) for label in np.asarray(coords[dims[-1]])]


def joined(parts: Sequence[Outcomes], dim: str = "deal") -> Outcomes:
    """Outcomes side by side: of other deals, or in other worlds (`dim` "world")."""
    if len(parts) == 1:
        return parts[0]
    found = {}
    for f in fields(Outcomes):
        arrays = [getattr(p, f.name) for p in parts]
        if dim == "deal" and f.name in ("stock", "moves", "flow", "value") and arrays[0].sizes[dim]:
            arrays = [a.isel(deal=slice(0, -1)) for a in arrays[:-1]] + arrays[-1:]
        found[f.name] = xr.concat(arrays, dim)
    if dim == "world":
        count = found["worth"].sizes["world"]
        found = {k: a.assign_coords(world=np.arange(count)) for k, a in found.items()}
    return Outcomes(**found)


def own_hands(scenario: Scenario, proposal: Proposal, party: str) -> tuple[Bind, ...]:
    """What ties a party to its own duties while a deal is in force."""
    mine = [o for o in duties(scenario, proposal) if o.party == party]
    return bind_to_obligations(scenario, mine, "in_force")


def duties(scenario: Scenario, proposal: Proposal) -> list[Obligation]:
    """The obligations of a deal in force, in the period of signature or at some age."""
    game = build(scenario, [Variant(proposal, signed_only=True)])
    return duties_in(game)


def duties_in(game: Game) -> list[Obligation]:
    """The same of a game's first variant, in order of play."""
    seen: dict[str, Obligation] = {}
    for regime in game.graph.regimes:
        if regime.kind == "in_force" and regime.variant == 0:
            for o in game.graph.active(regime):
                seen.setdefault(o.name, o)
    return list(seen.values())


def schedule_of(
    values: Float[np.ndarray, "world assumption"], horizon: int
) -> Float[np.ndarray, "world period+1 assumption"]:
    """The same assumptions in every period."""
    return np.repeat(np.asarray(values, float)[:, None], horizon + 1, axis=1)


def _flat_moves(game: Game, moves: np.ndarray) -> np.ndarray:
    """Moves [..., decision, option] as [..., move]."""
    decisions = game.scenario.decisions
    parts = [moves[..., k, : len(d.options)] for k, d in enumerate(decisions)]
    return np.concatenate(parts, axis=-1) if parts else np.zeros((*moves.shape[:-2], 0))


def _nothing(game: Game, worlds: int) -> Course:
    """A course of no deals."""
    horizon = game.scenario.horizon
    width = max([len(d.options) for d in game.scenario.decisions] or [1])
    lead, parties = (worlds, 0), len(game.parties)
    over, during = (*lead, horizon + 1), (*lead, horizon)
    arrays: dict[str, Any] = {
        "regime": np.zeros((*over, len(KINDS))),
        "broken": np.zeros((*over, len(game.scenario.obligations))),
        "accused": np.zeros((*over, len(game.scenario.obligations))),
        "flow": np.zeros((*during, parties)),
        "stock": np.zeros((*over, len(game.stocks))),
        "moves": np.zeros((*during, len(game.scenario.decisions), width)),
        "after_break": np.zeros((*lead, parties)),
        "value": np.zeros((*over, parties)),
        "watch": np.zeros((*over, 0, parties)),
    }
    return Course(**arrays)
