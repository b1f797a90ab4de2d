"""What is a deal worth at the start, to whom, and who signs?

In: a scenario, a proposal (or none) and worlds. Out: a `Solution`: values of the deal in force and
of no deal at the actual starting point, worth by party and by interest, and signing probabilities.
The recursion itself is in `backward`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from servanda import __version__
from servanda.errors import QuestionError, unknown
from servanda.game.batch import Program, Progress, run, stakes
from servanda.game.build import Game, build
from servanda.game.grid import FINE_NODES
from servanda.game.interpolate import Scheme
from servanda.game.levels import choose_levels
from servanda.game.method import closer, make_method
from servanda.game.period import DEFAULT_SCHEME
from servanda.game.regimes import Bind, Variant
from servanda.game.rollout import starting_regimes
from servanda.game.size import refuse_if_too_large
from servanda.scenario.model import Proposal, Scenario
from servanda.scenario.worlds import Worlds, modal


@dataclass(frozen=True)
class Solution:
    """Values at the starting point; arrays are labelled, utilities as in the scenario.

    `value` is [world, regime, party] for the regimes "signed" (in force from period 0, absent
    without a proposal) and "no_deal"; `signing` [world, signatory] given that all others sign;
    `joint` [world] the probability that all sign.
    """

    scenario: Scenario = field(repr=False)
    proposal: Proposal | None
    worlds: Worlds = field(repr=False)
    levels: tuple[int, ...]
    value: xr.DataArray
    interest: xr.DataArray | None  # [world, regime, interest], labelled "party.interest"
    signing: xr.DataArray
    joint: xr.DataArray
    settled: bool  # past the horizon values stopped changing, in every world
    failures: int  # brackets without an equilibrium on the principal branch
    version: str = __version__

    @property
    def worth(self) -> xr.DataArray:
        """Value in force at the start minus value of no deal, [world, party]."""
        if self.proposal is None:
            raise QuestionError("worth needs a proposal")
        difference = self.value.sel(regime="signed") - self.value.sel(regime="no_deal")
        return difference.drop_vars("regime", errors="ignore").rename("worth")

    @property
    def worth_by_interest(self) -> xr.DataArray:
        """Worth split by interest, [world, interest]; needs `by_interest=True`."""
        if self.interest is None:
            raise QuestionError("solve with by_interest=True to split worth by interest")
        difference = self.interest.sel(regime="signed") - self.interest.sel(regime="no_deal")
        return difference.drop_vars("regime", errors="ignore").rename("worth_by_interest")

    def to_dataframe(self) -> Any:
        """Values as a long table."""
        return self.value.to_dataframe()


def solve(
    scenario: Scenario,
    proposal: str | Proposal | None = None,
    *,
    worlds: Worlds | None = None,
    binds: tuple[Bind, ...] = (),
    levels: tuple[int, ...] | None = None,
    scheme: Scheme = DEFAULT_SCHEME,
    by_interest: bool = False,
    progress: Progress | None = None,
) -> Solution:
    """Solve the game with a proposal signed, refused and absent, in every world.

    `worlds` defaults to the modal world; `levels` are grid levels per stock. Raises QuestionError
    for an unknown proposal or a game too large for memory.
    """
    program, worlds = prepare(scenario, proposal, worlds, binds, levels, scheme, by_interest)
    return read_solution(program, worlds, run(program, worlds, progress))


def find_proposal(scenario: Scenario, proposal: str | Proposal | None) -> Proposal | None:
    """A proposal by name; an unknown one names the nearest."""
    if proposal is None or isinstance(proposal, Proposal):
        return proposal
    if proposal not in scenario.proposals:
        raise unknown("deal", proposal, scenario.proposals)
    return scenario.proposals[proposal]


def prepare(
    scenario: Scenario,
    proposal: str | Proposal | None,
    worlds: Worlds | None,
    binds: tuple[Bind, ...],
    levels: tuple[int, ...] | None,
    scheme: Scheme,
    by_interest: bool,
    paths: int = 0,
    seed: int = 0,
    fine: bool = False,
) -> tuple[Program, Worlds]:
    """The program of one proposal, after checking that it fits in memory.

    With `fine` the grid is finer, its bounds follow this proposal, not every offer of the scenario,
    values past the horizon are brought closer, and those at the start are read off the paths.
    """
    worlds = modal(scenario) if worlds is None else worlds
    offer = find_proposal(scenario, proposal)
    game = build(scenario, [Variant(offer, binds)])
    nodes = FINE_NODES if fine else None
    levels = choose_levels(scenario, nodes) if levels is None else tuple(levels)
    refuse_if_too_large(game, levels, by_interest)
    method = make_method(scenario, levels, scheme, by_interest)
    if fine:
        method = closer(method)
    offers = (offer,) if fine and offer is not None else None
    program = Program(
        game,
        method,
        stakes(scenario),
        tuple(worlds.names),
        (),
        paths,
        seed,
        offers=offers,
        rollout=starting_regimes(game) if fine and paths and game.stocks else (),
    )
    return program, worlds


def read_solution(program: Program, worlds: Worlds, out: dict[str, Any]) -> Solution:
    """Label a program's results for its first variant."""
    game = program.game
    roots = game.roots[0]
    proposal = game.variants[0].proposal
    labels = [name for name in ("signed", "no_deal") if name in roots]
    picked = np.stack([out["value"][:, roots[name]] for name in labels], axis=1)
    parties = len(game.parties)
    value = xr.DataArray(
        picked[:, :, :parties],
        dims=("world", "regime", "party"),
        coords={"regime": labels, "party": list(game.parties)},
        name="value",
    )
    interest = None
    if program.method.by_interest:
        names = [f"{p}.{i}" for p, i in game.interests]
        interest = xr.DataArray(
            picked[:, :, parties:],
            dims=("world", "regime", "interest"),
            coords={"regime": labels, "interest": names},
            name="interest",
        )
    alone, joint = signing_at_start(game, out)
    signatories = [] if proposal is None else list(proposal.signatories)
    return Solution(
        program.game.scenario,
        proposal,
        worlds,
        program.method.grid.levels,
        value,
        interest,
        xr.DataArray(alone, dims=("world", "signatory"), coords={"signatory": signatories}),
        xr.DataArray(joint, dims=("world",)),
        bool(np.all(out["tail"].left <= program.method.unsettled)),
        int(np.sum(out["failures"])),
    )


def signing_at_start(
    game: Game, out: dict[str, Any], variant: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Each signatory's acceptance given that all others sign, and the joint probability."""
    count = len(out["value"])
    proposal = game.variants[variant].proposal
    if proposal is None:
        return np.zeros((count, 0)), np.zeros(count)
    k = first_asked(game, variant)
    if k is None:
        return np.full((count, len(proposal.signatories)), np.nan), np.full(count, np.nan)
    alone = np.asarray(out["alone"])[:, k, : len(proposal.signatories)]
    return alone, np.prod(np.asarray(out["accept"])[:, k], axis=-1)


def price_of_refusing(
    game: Game, out: dict[str, Any], variant: int = 0, without: int | None = None
) -> np.ndarray:
    """What it costs each signatory to be asked and to refuse, [world, signatory], in its own unit.

    Its value when it is the one that refuses, minus its value of no deal: the offer withdrawn,
    nobody asked. Below zero it pays for its refusal. No deal is that of the variant `without` the
    offer, or the variant's own, which has the proposal named by `otherwise` on the table, if any.
    NaN where the offer cannot be signed.
    """
    count = len(out["value"])
    proposal = game.variants[variant].proposal
    if proposal is None:
        return np.zeros((count, 0))
    k = first_asked(game, variant)
    if k is None:
        return np.full((count, len(proposal.signatories)), np.nan)
    stage, who = game.asking, np.arange(len(proposal.signatories))
    party = stage.party[k, who]
    # who has refused is not asked again in that period
    refused = np.asarray(out["play"])[:, stage.no[k, who], party]
    unasked = game.roots[variant if without is None else without]["no_deal"]
    return np.asarray(refused - np.asarray(out["value"])[:, unasked][:, party])


def first_asked(game: Game, variant: int = 0) -> int | None:
    """Which of `game.signings` is that of a variant's offer when it can first be signed."""
    root = game.roots[variant]
    first = root.get("asked", root.get("start"))
    return next((k for k, s in enumerate(game.signings) if s.regime == first), None)
