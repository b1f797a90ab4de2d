"""What happens after the signature, over time?

In: a scenario, a proposal (or none) and worlds. Out: a `Simulation`: how likely the deal is still
in force in every period, who breaks it, and the mean flows, stocks and moves. The stepping is in
`paths` (exact states, common random numbers) and, for games without stocks, in `distribution`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from servanda import __version__
from servanda.errors import QuestionError
from servanda.game.batch import Follow, Progress, course_of, run
from servanda.game.build import Game
from servanda.game.interpolate import Scheme
from servanda.game.paths import KINDS, Course
from servanda.game.period import DEFAULT_SCHEME
from servanda.game.regimes import Bind
from servanda.game.solve import Solution, prepare, read_solution
from servanda.scenario.model import Proposal, Scenario
from servanda.scenario.worlds import Worlds


@dataclass(frozen=True)
class Simulation:
    """The course of a deal, or of no deal; arrays are labelled, times in periods from signature.

    `regime` is [world, period, regime kind], at the start of each period 0..horizon; `broken`
    [world, period, obligation] that it has been broken by each, `accused` the part of it that was a
    notice without a breach; `flow` [world, period, party] and `moves` [world, period, move] are
    means, given that the deal is in force if `stay`; `stock` [world, period, stock].
    """

    solution: Solution = field(repr=False)
    start: str
    stay: bool
    paths: int  # 0: exact
    seed: int
    regime: xr.DataArray
    broken: xr.DataArray
    accused: xr.DataArray
    flow: xr.DataArray
    stock: xr.DataArray
    moves: xr.DataArray
    version: str = __version__

    @property
    def survival(self) -> xr.DataArray:
        """Probability of being in force at the start of each period, [world, period]."""
        return (
            self.regime.sel(regime="in_force")
            .drop_vars("regime", errors="ignore")
            .rename("survival")
        )

    def to_dataframe(self) -> Any:
        """Regime probabilities as a long table."""
        return self.regime.to_dataframe(name="probability")


def simulate(
    scenario: Scenario,
    proposal: str | Proposal | None = None,
    *,
    worlds: Worlds | None = None,
    paths: int = 256,
    seed: int = 0,
    start: Literal["signed", "no_deal", "start"] = "signed",
    stay: bool = True,
    alarms: bool = True,
    binds: tuple[Bind, ...] = (),
    levels: tuple[int, ...] | None = None,
    scheme: Scheme = DEFAULT_SCHEME,
    progress: Progress | None = None,
) -> Simulation:
    """Follow the game from the signature ("signed"), from no deal, or from the offer ("start").

    With `stay` only the deal in force is followed and its end is counted; without, paths go
    wherever the game goes. Without `alarms` play is the same, but no false alarm ever happens:
    this is what comes of the deal if nobody is wrongly accused. Without stocks the result is exact
    and `paths` is ignored.
    """
    if proposal is None:
        start, stay = "no_deal", False
    program, worlds = prepare(scenario, proposal, worlds, binds, levels, scheme, False, paths, seed)
    root = program.game.roots[0][start]
    if stay and program.game.graph.regimes[root].kind != "in_force":
        raise QuestionError("only a deal in force can be followed: use stay=False")
    program = replace(program, follow=(Follow(root, stay, alarms),))
    out = run(program, worlds, progress)
    parts = label_course(program.game, course_of(out, 0))
    count = 0 if not program.game.stocks else paths
    return Simulation(
        solution=read_solution(program, worlds, out),
        start=start,
        stay=stay,
        paths=count,
        seed=seed,
        regime=parts["regime"],
        broken=parts["broken"],
        accused=parts["accused"],
        flow=parts["flow"],
        stock=parts["stock"],
        moves=parts["moves"],
    )


def label_course(game: Game, course: Course) -> dict[str, xr.DataArray]:
    """A course with names on its axes, for every world."""
    decisions = game.scenario.decisions
    moves = [f"{d.key}.{o}" for d in decisions for o in d.options]
    flat = np.concatenate(
        [np.asarray(course.moves)[:, :, k, : len(d.options)] for k, d in enumerate(decisions)]
        or [np.zeros((*course.flow.shape[:2], 0))],
        axis=-1,
    )
    parties = len(game.parties)

    def array(x: np.ndarray, last: str, labels: list[str]) -> xr.DataArray:
        coords = {"period": np.arange(x.shape[1]), last: labels}
        return xr.DataArray(x, dims=("world", "period", last), coords=coords)

    return {
        "regime": array(np.asarray(course.regime), "regime", list(KINDS)),
        "broken": array(np.asarray(course.broken), "obligation", list(game.scenario.obligations)),
        "accused": array(np.asarray(course.accused), "obligation", list(game.scenario.obligations)),
        "flow": array(np.asarray(course.flow)[..., :parties], "party", list(game.parties)),
        "stock": array(np.asarray(course.stock), "stock", list(game.stocks)),
        "moves": array(flat, "move", moves),
    }
