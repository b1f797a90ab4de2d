"""Who does what, period by period, with a deal and without?

In: a scenario and one of its proposals (or none). Out: a `Play`. One solve of every world follows
the deal signed at the start, whatever becomes of it; the same as long as it is in force; and no
deal. Worlds have the grids and random numbers that they have in every other question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import xarray as xr

from servanda.errors import QuestionError, unknown
from servanda.game.batch import Follow, Program, Progress, course_of, run, stakes
from servanda.game.build import Game, build
from servanda.game.errors import Sampled, strata
from servanda.game.grid import CENTRAL
from servanda.game.levels import choose_levels
from servanda.game.method import make_method
from servanda.game.paths import KINDS, Course
from servanda.game.regimes import Variant
from servanda.game.size import refuse_if_too_large
from servanda.questions.answer import Origin
from servanda.questions.cautions import Played, move_name, of_the_file, of_the_play, option_words
from servanda.questions.grid_error import stated_dates
from servanda.questions.holding import (
    GONE,
    Holding,
    broken_variants,
    lots_of,
    promised,
    read_holding,
)
from servanda.questions.outcomes import PATHS
from servanda.questions.play.answer import (
    EXPIRED,
    IN_FORCE,
    KEPT,
    SIGNED,
    WITHOUT,
    Courses,
    Decided,
    Option,
    Play,
)
from servanda.scenario.model import Proposal, Scenario
from servanda.scenario.worlds import draw, modal
from servanda.show.marks import in_words, short_names

WORLDS = 32


def play(
    scenario: Scenario,
    deal: str | None = None,
    *,
    worlds: int = WORLDS,
    start: int = 0,
    seed: int = 0,
    levels: tuple[int, ...] | None = None,
    progress: Progress | None = None,
) -> Play:
    """Who does what over time, with a deal and without; without a name, the only deal there is.

    A scenario without proposals is played without any. From period `start` on the answer is said
    and drawn. Raises QuestionError for an unknown deal, a period beyond the horizon, or a game too
    large for this machine.
    """
    proposal = choose_offer(scenario, deal)
    check_start(scenario, start)
    sample, centre = draw(scenario, worlds, seed), modal(scenario)
    prepared = prepare(scenario, proposal, tuple(sample.names), levels, seed, worlds < 8)
    out = run(
        prepared.program,
        np.concatenate([centre.values, sample.values]),
        progress,
        lots=np.concatenate([[CENTRAL], lots_of(sample)]),
    )
    weight, stratum = np.asarray(sample.weight, float), strata(sample)
    courses = read_courses(prepared, out)
    ends = read_ends(prepared, out)
    one, rest = slice(0, 1), slice(1, None)
    over = courses.worlds(rest)
    last = scenario.horizon
    errors = {}
    if proposal is not None:
        for t in stated_dates(last):
            kept = ends.sel(end=IN_FORCE, period=t).values[1:]
            error = Sampled(kept, weight, stratum=stratum).mean().error
            errors[f"{proposal.name}.survival.{t}"] = error
    played = {
        name: Played(*(getattr(over, f).sel(course=name) for f in _PLAYED)) for name in over.names
    }
    cautions = of_the_play(scenario, proposal, played, weight, WITHOUT, start)
    cautions += of_the_file(scenario, proposal)
    return Play(
        Origin.of(
            scenario,
            seed=seed,
            worlds=worlds,
            levels=prepared.program.method.grid.levels,
            paths=PATHS,
            errors=errors,
        ),
        deal=None if proposal is None else proposal.name,
        offer="" if proposal is None else proposal.text,
        instead=None if proposal is None else proposal.otherwise,
        start=start,
        horizon=last,
        decisions=decisions_of(scenario),
        stocks={name: s.label or in_words(name) for name, s in scenario.stocks.items()},
        ranges={name: (s.low, s.high) for name, s in scenario.stocks.items()},
        interests={p: tuple(f"{p}.{i}" for i in f) for p, f in scenario.interests.items()},
        over=over,
        central=courses.worlds(one),
        ends=ends.isel(world=rest),
        central_ends=ends.isel(world=one),
        weight=weight,
        stratum=stratum,
        holding=prepared.holding(out, rest, weight),
        central_holding=prepared.holding(out, one, np.ones(1)),
        cautions=tuple(cautions),
    )


_PLAYED = ("taken", "choice", "even", "offered")


def choose_offer(scenario: Scenario, deal: str | None) -> Proposal | None:
    """The named deal, the only one, or none if the scenario has none."""
    if deal is None and not scenario.proposals:
        return None
    if deal is None and len(scenario.proposals) == 1:
        return next(iter(scenario.proposals.values()))
    if deal is None:
        raise QuestionError(f"which deal? In this scenario: {', '.join(scenario.proposals)}")
    if deal not in scenario.proposals:
        raise unknown("deal", deal, scenario.proposals)
    return scenario.proposals[deal]


def check_start(scenario: Scenario, start: int) -> None:
    """Raise QuestionError for a period that is not before the horizon."""
    if not 0 <= start < scenario.horizon:
        raise QuestionError(
            f"from {scenario.period} {start}: {scenario.period}s run from 0 to "
            f"{scenario.horizon - 1} in this scenario"
        )


@dataclass(frozen=True)
class Prepared:
    """The program of a play, and what its courses are of."""

    scenario: Scenario
    proposal: Proposal | None
    program: Program
    kept: int | None  # which course follows the deal in force
    wide: int  # which goes wherever the game goes: signed, no deal
    after: int | None  # which follows the deal broken on purpose

    @property
    def game(self) -> Game:
        return self.program.game

    def holding(self, out: dict[str, Any], which: slice, weight: np.ndarray) -> Holding | None:
        """What holds the deal up in some of the worlds."""
        if self.proposal is None or self.kept is None:
            return None
        kept, after = (
            None if k is None else _in_worlds(course_of(out, k), which)
            for k in (self.kept, self.after)
        )
        assert kept is not None
        return read_holding(self.game, self.proposal, weight, kept, after)


def prepare(
    scenario: Scenario,
    proposal: Proposal | None,
    names: tuple[str, ...],
    levels: tuple[int, ...] | None,
    seed: int,
    once: bool,
) -> Prepared:
    """The game of a deal, of it broken on purpose, and of no deal, ready to be solved."""
    broken = [] if proposal is None else broken_variants(scenario, proposal)
    game = build(scenario, [Variant(proposal), *broken])
    levels = levels or choose_levels(scenario)
    refuse_if_too_large(game, levels, True)
    roots = game.roots
    follow: list[Follow] = []
    kept = after = None
    if proposal is not None:
        kept = len(follow)
        follow.append(Follow((roots[0]["signed"],), values=False, reasons=True))
    wide = len(follow)
    starts = [roots[0][name] for name in ("signed", "no_deal") if name in roots[0]]
    follow.append(Follow(tuple(starts), stay=False, values=False, reasons=True))
    if broken:
        after = len(follow)
        signed = tuple(r["signed"] for r in roots[1:])
        follow.append(Follow(signed, stay=False, values=False, reasons=True))
    method = make_method(scenario, levels, by_interest=True)
    program = Program(game, method, stakes(scenario), names, tuple(follow), PATHS, seed, once=once)
    return Prepared(scenario, proposal, program, kept, wide, after)


def _in_worlds(course: Course, which: slice) -> Course:
    found: Course = jax.tree.map(lambda x: np.asarray(x)[which], course)
    return found


def read_courses(prepared: Prepared, out: dict[str, Any]) -> Courses:
    """Label what is played along each course, in every world."""
    scenario, game = prepared.scenario, prepared.game
    wide = course_of(out, prepared.wide)
    parts = [(course, 0, wide) for course in [SIGNED] if prepared.proposal is not None]
    if prepared.kept is not None:
        parts.append((KEPT, 0, course_of(out, prepared.kept)))
    parts.append((WITHOUT, 0 if prepared.proposal is None else 1, wide))
    names = [name for name, _, _ in parts]
    options = [(k, j) for k, d in enumerate(scenario.decisions) for j in range(len(d.options))]
    moves = [move_name(scenario, k, j) for k, j in options]
    interests = [f"{p}.{i}" for p, i in game.interests]
    keys = [d.key for d in scenario.decisions]

    def stacked(of: Any, last: str, labels: list[str]) -> xr.DataArray:
        x = np.stack([np.asarray(of(course))[:, k] for _, k, course in parts])
        where = {"course": names, "world": np.arange(x.shape[1]), "period": np.arange(x.shape[2])}
        return xr.DataArray(
            x, dims=("course", "world", "period", last), coords=where | {last: labels}
        )

    def flat(x: Any) -> np.ndarray:
        x = np.asarray(x)
        picked = [x[..., k, j] for k, j in options]
        return np.stack(picked, axis=-1) if picked else np.zeros((*x.shape[:-2], 0))

    parties = len(game.parties)
    found = Courses(
        stock=stacked(lambda c: c.stock, "stock", list(scenario.stocks)),
        moves=stacked(lambda c: flat(c.moves), "move", moves),
        choice=stacked(lambda c: c.reasons.choice, "decision", keys),
        even=stacked(lambda c: c.reasons.even, "decision", keys),
        offered=stacked(lambda c: flat(c.reasons.offered), "move", moves),
        taken=stacked(lambda c: flat(c.reasons.taken), "move", moves),
        flow=stacked(lambda c: np.asarray(c.flow)[..., parties:], "interest", interests),
    )
    if prepared.kept is None:
        return found
    regime = np.asarray(course_of(out, prepared.kept).regime)[:, 0]
    alive = xr.DataArray(
        regime[..., KINDS.index("in_force")] > GONE,
        dims=("world", "period"),
        coords={"world": np.arange(len(regime)), "period": np.arange(regime.shape[1])},
    )
    there = alive | (found.moves.course != KEPT)
    return Courses(
        **{
            n: x.where(there.sel(period=x.period)).transpose(*x.dims)
            for n, x in vars(found).items()
        }
    )


def read_ends(prepared: Prepared, out: dict[str, Any]) -> xr.DataArray:
    """[world, period, end] in force; truly broken and wrongly accused, by duty; run out."""
    game, proposal = prepared.game, prepared.proposal
    horizon = prepared.scenario.horizon
    if prepared.kept is None or proposal is None:
        empty = np.zeros((len(np.asarray(out["value"])), horizon + 1, 0))
        return xr.DataArray(
            empty, dims=("world", "period", "end"), coords={"period": np.arange(horizon + 1)}
        )
    course = course_of(out, prepared.kept)
    regime, broken, accused = (
        np.asarray(x)[:, 0] for x in (course.regime, course.broken, course.accused)
    )
    gone = [KINDS.index(kind) for kind in ("unsigned", "expired", "never")]
    names, columns = [IN_FORCE], [regime[..., KINDS.index("in_force")]]
    labels = short_names({n: p.label or n for n, p in prepared.scenario.parties.items()})
    for k, (name, duty) in enumerate(game.scenario.obligations.items()):
        if name in proposal.obligations and duty.due is None:
            said = f"{labels[duty.party]}: {promised(duty, labels[duty.party])}"
            names += [f"broken by {said}", f"wrongly accused, {said}"]
            columns += [np.maximum(broken[..., k] - accused[..., k], 0.0), accused[..., k]]
    names.append(EXPIRED)
    columns.append(regime[..., gone].sum(axis=-1))
    where = {"period": np.arange(horizon + 1), "end": names}
    return xr.DataArray(np.stack(columns, axis=-1), dims=("world", "period", "end"), coords=where)


def decisions_of(scenario: Scenario) -> tuple[Decided, ...]:
    """The decisions with more than one option, in order of play."""
    names = short_names({n: p.label or n for n, p in scenario.parties.items()})
    return tuple(
        Decided(
            d.key,
            d.party,
            names[d.party] + (f", {in_words(d.name)}" if d.name else ""),
            tuple(
                Option(move_name(scenario, k, j), option_words(scenario, k, j))
                for j in range(len(d.options))
            ),
        )
        for k, d in enumerate(scenario.decisions)
        if len(d.options) > 1
    )
