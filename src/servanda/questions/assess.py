"""Is the offer worth signing, will it be kept, who would break it, when, and why?

In: a scenario, a deal and, if wanted, one chair. Out: an `Assessment`. Headlines are over worlds,
each solved on its own randomly shifted grid and in part again on other grids (`game.plan`), so that
every figure has an error that contains worlds and grids (`game.errors`). The central case explains:
it is never the headline. What is solved is in `assess_parts`, what is read off it in
`assess_reading`.
"""

from __future__ import annotations

from pathlib import Path

from servanda import native
from servanda.errors import QuestionError, unknown
from servanda.game.batch import Progress
from servanda.game.plan import FINE_WORLDS, WORLDS, Plan
from servanda.game.solve import find_proposal
from servanda.questions.assess_parts import Job
from servanda.questions.assess_reading import Reading
from servanda.questions.assessment import Assessment
from servanda.runs import parts
from servanda.scenario.model import Proposal, Scenario
from servanda.scenario.worlds import draw


def assess(
    scenario: Scenario,
    deal: str | Proposal,
    party: str | None = None,
    *,
    worlds: int | None = None,
    seed: int = 0,
    fine: bool = False,
    levels: tuple[int, ...] | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Assessment:
    """Assess a deal from one chair, or from every chair.

    `worlds` is the number of draws of the assumptions, by default `WORLDS`, and with `fine`, which
    solves more of them again on other grids too, `FINE_WORLDS`. `levels` are the grid's, if not the
    usual ones. In `folder` what is finished is kept; the same question goes on from there. Raises
    QuestionError for an unknown deal or party, a game too large for this machine, or a folder of
    something else.
    """
    proposal = find_proposal(scenario, deal)
    if proposal is None:
        raise QuestionError("name the deal to assess")
    if party is not None and party not in scenario.parties:
        raise unknown("party", party, scenario.parties)
    if worlds is None:
        worlds = FINE_WORLDS if fine else WORLDS
    if worlds < 1:
        raise QuestionError("at least one world is needed")
    chairs = tuple(scenario.parties) if party is None else (party,)
    native.ahead(len(scenario.stocks))  # while SciPy is read in
    sample = draw(scenario, worlds, seed)
    plan = Plan.of(scenario, sample, fine=fine, levels=levels)
    job = Job.prepare(scenario, proposal, plan, seed)
    with parts(folder, job.described(chairs)) as place:
        found = job.solved(chairs, place, progress)
    return Reading(job, found, sample).answer(chairs)
