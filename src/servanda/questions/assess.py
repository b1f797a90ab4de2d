"""Is the offer worth signing, will it be kept, who would break it, when, and why?

In: a scenario, a deal and, if wanted, one chair. Out: an `Assessment`. Per world one solve serves
worth, signing and survival; the sham test, interests, front-loading, exposure, riders, gradients
and the grid error are taken at the modal world, by a fixed number of further solves. What is solved
is said in `assess_parts`, what is read off that in `assess_reading`.
"""

from __future__ import annotations

from servanda import native
from servanda.errors import QuestionError, unknown
from servanda.game.grid import FEW_STOCKS, usual_nodes
from servanda.game.solve import find_proposal
from servanda.questions.assess_parts import PARTS, Job, Progress, Steps
from servanda.questions.assess_reading import Reading
from servanda.questions.assessment import Assessment
from servanda.questions.grid_error import FINER
from servanda.scenario.model import Proposal, Scenario
from servanda.scenario.worlds import draw

REFINED = 2
"""How often the grid is made finer where its error is too large, with few stocks."""


def assess(
    scenario: Scenario,
    deal: str | Proposal,
    party: str | None = None,
    *,
    worlds: int = 64,
    seed: int = 0,
    fine: bool = False,
    levels: tuple[int, ...] | None = None,
    progress: Progress | None = None,
) -> Assessment:
    """Assess a deal from one chair, or from every chair.

    `worlds` is the number of draws of the assumptions; with `fine` the central case is solved on a
    finer grid with more paths, the worlds on the usual one. With up to `FEW_STOCKS` stocks, grids
    are made finer until the estimated error of every headline is at most a fifth of its spread
    over worlds, at most `REFINED` times; with more, or where that is not enough, a note says so.
    Raises QuestionError for an unknown deal or party, or a game too large for this machine.
    """
    proposal = find_proposal(scenario, deal)
    if proposal is None:
        raise QuestionError("name the deal to assess")
    if party is not None and party not in scenario.parties:
        raise unknown("party", party, scenario.parties)
    if worlds < 1:
        raise QuestionError("at least one world is needed")
    chairs = tuple(scenario.parties) if party is None else (party,)
    native.ahead(len(scenario.stocks))  # while SciPy is read in
    sample = draw(scenario, worlds, seed)
    steps = Steps(progress)
    may_refine = levels is None and not fine and 0 < len(scenario.stocks) <= FEW_STOCKS
    before = None
    for k in range(REFINED + 1):
        nodes = FINER**k * usual_nodes(scenario)
        job = Job.prepare(scenario, proposal, seed, fine, levels, nodes)
        if job.plain.method.grid.levels == before:  # the scenario says how many there are
            break
        before = job.plain.method.grid.levels
        steps.expect(worlds + PARTS)
        reading = Reading(job, job.solved(chairs, sample, steps), sample)
        # where nothing is uncertain, no error is small against the spread
        if not may_refine or not any(reading.coarse.values()):
            break
    return reading.answer(chairs)
