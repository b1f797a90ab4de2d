"""Which claims hold, in how many worlds, and what do they rest on?

In: a scenario with claims. Out: a `ClaimsAnswer`: for each claim the share of worlds (by weight) in
which its test holds, with a Wilson interval (Wilson 1927) on the effective number of worlds (Kish
1965); the answer at the central case and whether the grid could turn it; and where worlds differ,
the region in which the rarer answer lies (`prim`), the one condition that tells worlds best apart
(`best_split`) and the share under every rival reading.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from servanda.errors import QuestionError, unknown
from servanda.game.batch import cores
from servanda.game.grid import FINER, usual_nodes
from servanda.game.levels import choose_levels, other_levels
from servanda.game.plan import FINE_WORLDS, WORLDS
from servanda.questions.answer import Answer, Origin
from servanda.questions.claim_figures import (
    Context,
    Games,
    Progress,
    Reader,
    comparisons,
    rows_of,
    truths,
)
from servanda.questions.grid_error import ANOTHER_GRID, SAFETY
from servanda.questions.outcomes import Wanted
from servanda.questions.prim import Discovery, prim
from servanda.questions.verdict import Split, best_split
from servanda.runs import parts
from servanda.scenario.model import Claim, Scenario
from servanda.scenario.weighted import share
from servanda.scenario.worlds import Worlds, draw, modal
from servanda.show.figures import band
from servanda.show.marks import Spec
from servanda.show.page import Block

MOST = 0.75
"""A claim holds from this share of worlds on, and fails from one minus it downward."""

CONFIDENCE = 1.6448536269514722
"""The normal quantile of a two-sided 90 % interval."""

DENSE = 0.75
"""How many of the worlds in a region must give the answer it is about."""

FEW = 3
"""With fewer worlds of the rarer answer no region is looked for."""

Verdict = Literal["holds", "fails", "depends"]


@dataclass(frozen=True)
class Margin:
    """Left side minus right side of a claim that is one comparison, in the unit of its sides."""

    central: float
    median: float
    low: float  # 10th percentile over worlds
    high: float  # 90th
    grid_error: float  # estimated at the central case; NaN: no grid, or not to be had


@dataclass(frozen=True)
class ClaimFound:
    """What became of one claim.

    `holds` [world] is false too where `lacking` [world] says that a side has no value; `low` and
    `high` are the 90 % interval of `share`. `readings` maps GROUP.READING to the share of its
    worlds in which the claim holds. `region` holds the worlds of the answer `rarer`.
    """

    name: str
    quote: str
    test: str
    why: str
    source: str
    verdict: Verdict
    share: float
    low: float
    high: float
    central: bool
    could_turn: bool  # at the central case, by the grid error
    central_lacks: bool
    holds: Bool[np.ndarray, " world"]
    lacking: Bool[np.ndarray, " world"]
    margin: Margin | None
    readings: dict[str, float]
    split: Split | None
    rarer: Literal["holds", "fails"]
    region: Discovery | None

    @property
    def constant(self) -> bool:
        """Whether it comes out the same in every world and at the central case."""
        return bool(np.all(self.holds == self.central))


@dataclass(frozen=True)
class ClaimsAnswer(Answer):
    """What became of the claims, in the order of the file; `weight` is the worlds'."""

    claims: tuple[ClaimFound, ...]
    weight: Float[np.ndarray, " world"]
    effective: float  # number of worlds

    PICTURES: ClassVar[Sequence[str]] = ("shares", "discovery")

    def __getitem__(self, name: str) -> ClaimFound:
        """One claim; raises QuestionError if it was not asked about."""
        for c in self.claims:
            if c.name == name:
                return c
        raise unknown("claim", name, [c.name for c in self.claims])

    def only(self, *names: str) -> ClaimsAnswer:
        """The answer about some of the claims."""
        return replace(self, claims=tuple(self[name] for name in names))

    def with_verdict(self, verdict: Verdict) -> tuple[ClaimFound, ...]:
        """The claims that hold, fail or depend."""
        return tuple(c for c in self.claims if c.verdict == verdict)

    def to_dataframe(self) -> Any:
        """One row per claim."""
        import pandas as pd

        rows = [
            {
                "claim": c.name,
                "quote": c.quote,
                "test": c.test,
                "verdict": c.verdict,
                "share": c.share,
                "low": c.low,
                "high": c.high,
                "central": c.central,
                "could_turn": c.could_turn,
                "lacking": share(c.lacking, self.weight),
                "margin": c.margin.median if c.margin else math.nan,
                "rests_on": c.split.text if c.split else "",
                "region": str(c.region.box) if c.region else "",
                "coverage": c.region.box.coverage if c.region else math.nan,
                "density": c.region.box.density if c.region else math.nan,
            }
            for c in self.claims
        ]
        return pd.DataFrame(rows)

    def to_xarray(self) -> xr.DataArray:
        """[claim, world] whether each claim holds in each world."""
        return xr.DataArray(
            np.array([c.holds for c in self.claims]),
            dims=("claim", "world"),
            coords={"claim": [c.name for c in self.claims], "weight": ("world", self.weight)},
        )

    def blocks(self) -> list[Block]:
        """The answer as a page."""
        from servanda.show.claims_page import blocks

        return blocks(self)

    def picture(self, what: str) -> Spec:
        """`shares`, or `discovery`: the way to the region of the first claim that has one.

        `only` chooses the claim. Raises QuestionError if there is no region to draw.
        """
        from servanda.show.claims_page import picture

        return picture(self, what)


def claims(
    scenario: Scenario,
    names: Sequence[str] | None = None,
    *,
    worlds: int | None = None,
    seed: int = 0,
    fine: bool = False,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> ClaimsAnswer:
    """Test the claims of a scenario (all, unless some are named) over worlds.

    `worlds` are by default `WORLDS`, and with `fine` `FINE_WORLDS`.
    In `folder` what is finished is kept; the same question goes on from there. Raises QuestionError
    for an unknown claim, if there is none, if a game is too large for this machine, or for a folder
    of something else.
    """
    if worlds is None:
        worlds = FINE_WORLDS if fine else WORLDS
    chosen = choose_claims(scenario, names)
    sample = draw(scenario, worlds, seed)
    rows = rows_of(scenario, sample)
    gather = Reader(scenario, rows)
    for claim in chosen:
        gather.holds(claim.test.tree)
    games = Games(scenario, gather.needs)
    grid: tuple[int, ...] = ()
    another: tuple[int, ...] | None = None
    second = None
    solved: dict[Context, Any] = {}
    if games.needs:
        grid = choose_levels(scenario)
        if scenario.stocks:
            finer = FINER * usual_nodes(scenario)
            another = other_levels(scenario, grid, finer)
    job = {
        "question": "claims",
        "hash": scenario.hash,
        "claims": [c.name for c in chosen],
        "worlds": worlds,
        "seed": seed,
        "levels": list(grid),
        "another_grid": None if another is None else list(another),
    }
    with parts(folder, job) as place:
        if games.needs:
            pool = cores()
            try:
                other = None
                if another is not None:
                    other = pool.submit(
                        games.solve,
                        rows.first(),
                        another,
                        seed,
                        place=lambda table: place(f"{ANOTHER_GRID}-{table}"),
                    )
                solved = games.solve(rows, grid, seed, pool, progress, place)
                second = other.result() if other else None
            finally:
                pool.shutdown(cancel_futures=True)
    here = Reader(scenario, rows, solved)
    results = [here.holds(claim.test.tree) for claim in chosen]
    there = None
    if second is not None:
        there = Reader(scenario, rows.first(), second, shares=here.shares)
    found = tuple(
        _found(scenario, sample, claim, result, here, there)
        for claim, result in zip(chosen, results, strict=True)
    )
    error = {f"{c.name}.margin": c.margin.grid_error for c in found if c.margin is not None}
    origin = Origin.of(
        scenario,
        seed=seed,
        worlds=worlds,
        levels=grid,
        paths=Wanted().paths,
        grid_error={name: e for name, e in error.items() if math.isfinite(e)},
    )
    return ClaimsAnswer(origin, found, np.asarray(sample.weight), effective(sample.weight))


def choose_claims(scenario: Scenario, names: Sequence[str] | None) -> list[Claim]:
    """The named claims, or all; raises QuestionError for an unknown one or if there is none."""
    if not scenario.claims:
        raise QuestionError("this scenario makes no claims: add some under `claims`")
    asked = list(scenario.claims) if names is None else list(dict.fromkeys(names))
    for name in asked:
        if name not in scenario.claims:
            raise unknown("claim", name, scenario.claims)
    if not asked:
        raise QuestionError("name at least one claim")
    return [scenario.claims[name] for name in asked]


def effective(weight: Float[np.ndarray, " world"]) -> float:
    """How many worlds of equal weight say as much: (Σw)²/Σw² (Kish 1965)."""
    return float(np.sum(weight) ** 2 / np.sum(np.square(weight)))


def interval(found: float, count: float) -> tuple[float, float]:
    """The Wilson interval of a share among `count` draws, at 90 % (Wilson 1927).

    Worlds are drawn more evenly than by chance, so it is rather too wide than too narrow.
    """
    z2 = CONFIDENCE**2
    middle = (found + z2 / (2 * count)) / (1 + z2 / count)
    root = math.sqrt(found * (1 - found) / count + z2 / (4 * count**2))
    half = CONFIDENCE / (1 + z2 / count) * root
    # exact at the ends: rounding must not make a share of all worlds look like a little less
    low = 0.0 if found <= 0 else max(0.0, middle - half)
    return low, 1.0 if found >= 1 else min(1.0, middle + half)


def verdict_of(found: float, low: float, high: float) -> Verdict:
    """What a share of worlds and its interval say."""
    if found >= MOST and low > 0.5:
        return "holds"
    return "fails" if found <= 1 - MOST and high < 0.5 else "depends"


def _found(
    scenario: Scenario,
    sample: Worlds,
    claim: Claim,
    result: tuple[np.ndarray, np.ndarray],
    here: Reader,
    there: Reader | None,
) -> ClaimFound:
    holds, lacking = (x[1:] for x in result)
    weight = np.asarray(sample.weight)
    good = min(1.0, share(holds, weight))
    # without anything uncertain all worlds are the one there is
    drawn = np.asarray(sample.values)
    certain = np.array_equal(drawn, np.broadcast_to(modal(scenario).values, drawn.shape))
    low, high = (good, good) if certain else interval(good, effective(weight))
    differences = _differences(claim, here)
    error, turns = _by_the_grid(claim, here, there, differences)
    rarer: Literal["holds", "fails"] = "fails" if good >= 0.5 else "holds"
    varies = bool(holds.any() and not holds.all())
    return ClaimFound(
        name=claim.name,
        quote=claim.quote,
        test=claim.test.text,
        why=claim.why,
        source=claim.source,
        verdict=verdict_of(good, low, high),
        share=good,
        low=low,
        high=high,
        central=bool(result[0][0]),
        could_turn=turns,
        central_lacks=bool(result[1][0]),
        holds=holds,
        lacking=lacking,
        margin=_margin(differences, error, weight),
        readings=_readings(scenario, sample, holds),
        split=best_split(scenario, sample, holds) if varies else None,
        rarer=rarer,
        region=_region(scenario, sample, holds == (rarer == "holds")) if varies else None,
    )


def _differences(claim: Claim, reader: Reader) -> list[list[np.ndarray]]:
    """Left minus right of every step of every comparison, [comparison][step][world]."""
    found = []
    for node in comparisons(claim.test.tree):
        sides = [reader.value(x, Context()) for x in (node.left, *node.comparators)]
        with np.errstate(invalid="ignore"):
            found.append([a - b for a, b in itertools.pairwise(sides)])
    return found


def _by_the_grid(
    claim: Claim, here: Reader, there: Reader | None, differences: list[list[np.ndarray]]
) -> tuple[float, bool]:
    """Error of the first difference at the central case, and whether the answer could turn.

    A comparison may turn out either way if a difference of its sides is within its error.
    """
    if there is None:
        return math.nan, False
    other = _differences(claim, there)
    nodes = list(comparisons(claim.test.tree))
    known: list[bool | None] = []
    first = math.nan
    for node, steps, elsewhere in zip(nodes, differences, other, strict=True):
        error = [SAFETY * abs(float(a[0] - b[0])) for a, b in zip(steps, elsewhere, strict=True)]
        first = error[0] if math.isnan(first) else first
        unsure = any(e > 0 and abs(float(a[0])) <= e for a, e in zip(steps, error, strict=True))
        known.append(None if unsure else bool(here.value(node, Context())[0] > 0.5))
    return first, len(truths(claim.test.tree, known)) > 1


def _margin(differences: list[list[np.ndarray]], error: float, weight: np.ndarray) -> Margin | None:
    if len(differences) != 1 or len(differences[0]) != 1:
        return None
    one = differences[0][0]
    sound = np.isfinite(one[1:])
    if not sound.any():
        return None
    low, middle, high = band(one[1:][sound], weight[sound])
    return Margin(float(one[0]), middle, low, high, error)


def _readings(scenario: Scenario, sample: Worlds, holds: np.ndarray) -> dict[str, float]:
    """The share of worlds in which a claim holds under every reading that was drawn."""
    found = {}
    for group, members in scenario.hypotheses.items():
        for k, name in enumerate(members):
            here = np.asarray(sample.hypotheses[group]) == k
            if np.asarray(sample.weight)[here].sum() > 0:
                found[f"{group}.{name}"] = share(holds[here], np.asarray(sample.weight)[here])
    return found


def _region(scenario: Scenario, sample: Worlds, of_interest: np.ndarray) -> Discovery | None:
    """Where such worlds lie, by assumptions and readings; None if they are too few."""
    if of_interest.sum() < FEW:
        return None
    vary = [k for k in range(len(sample.names)) if np.ptp(sample.values[:, k]) > 0]
    groups = list(scenario.hypotheses)
    names = [sample.names[k] for k in vary] + groups
    if not names:
        return None
    chosen = [np.asarray(sample.hypotheses[g], float)[:, None] for g in groups]
    x = np.concatenate([sample.values[:, vary], *chosen], axis=1)
    (found,) = prim(
        x,
        of_interest,
        names,
        categories={g: list(scenario.hypotheses[g]) for g in groups},
        weights=np.asarray(sample.weight),
        threshold=DENSE,
    )
    return found
