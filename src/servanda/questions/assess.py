"""Is the offer worth signing, will it be kept, who would break it, when, and why?

In: a scenario, a deal and, if wanted, one chair. Out: an `Assessment`. Per world one solve serves
worth, signing and survival; the sham test, interests, front-loading, exposure, riders, gradients
and the grid error are taken at the modal world, by a fixed number of further solves. Each part is
one compiled program: where nothing else is compiled yet, that is most of what an answer costs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from servanda import native
from servanda.errors import QuestionError, unknown
from servanda.game.batch import Follow, Program, cores, course_of, run, stakes
from servanda.game.bind import bind_to_obligations
from servanda.game.build import Game, build
from servanda.game.differentiate import Gradient, gradient
from servanda.game.grid import FEW_STOCKS, FINE_NODES, coarser, make_grid, usual_nodes
from servanda.game.levels import choose_levels
from servanda.game.method import closer, make_method
from servanda.game.paths import KINDS, Course
from servanda.game.period import Method
from servanda.game.regimes import Bind, Variant
from servanda.game.rollout import starting_regimes
from servanda.game.size import fits, refuse_if_too_large
from servanda.game.solve import find_proposal, signing_at_start
from servanda.questions.assessment import Assessment, Breaker, Created, Sensitivity, Sham
from servanda.questions.exchange import net_exchange
from servanda.questions.grid_error import FINER, grid_error, too_coarse
from servanda.questions.outcomes import duties_in
from servanda.questions.riders import Riders, package_variants, packages, riders
from servanda.questions.spread import BAND, spread
from servanda.questions.verdict import verdict_from
from servanda.scenario.formulas import evaluate
from servanda.scenario.model import PER_YEAR, Obligation, Proposal, Scenario
from servanda.scenario.weighted import weighted_quantiles
from servanda.scenario.worlds import Worlds, draw, modal

Progress = Callable[..., None]
"""Called with (steps done, steps in all)."""

PARTS = 4
"""Steps of the work, beside the worlds: the programs run at the modal world."""

TOGETHER = 8
"""Up to so many packages of terms are solved in one program with bound hands."""

PACKED = 16_000
"""With `fine`, so many grid points are shared by more packages than that."""

PATHS = 32
FINE_PATHS = 256

NOTHING = 1e-9
"""Of a party's stakes: changes up to this are rounding."""

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
    steps = _Steps(progress)
    may_refine = levels is None and not fine and 0 < len(scenario.stocks) <= FEW_STOCKS
    before = None
    for k in range(REFINED + 1):
        nodes = FINER**k * usual_nodes(scenario)
        job = _Job.prepare(scenario, proposal, seed, fine, levels, nodes)
        if job.plain.method.grid.levels == before:  # the scenario says how many there are
            break
        before = job.plain.method.grid.levels
        steps.expect(worlds + PARTS)
        answer, coarse = job.solved(chairs, sample, steps)
        # where nothing is uncertain, no error is small against the spread
        if not may_refine or not any(coarse.values()):
            break
    return answer


class _Steps:
    """Counts finished steps for a progress bar."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.total, self.done = progress, 0, 0

    def expect(self, more: int) -> None:
        self.total = self.done + more

    def add(self, n: int = 1) -> None:
        self.done = min(self.total, self.done + n)
        if self.progress:
            self.progress(self.done, self.total)

    def count(self, work: Callable[[], Any]) -> Any:
        result = work()
        self.add()
        return result


@dataclass(frozen=True)
class _Job:
    """One assessment: the game with its variants, and the programs that answer its parts."""

    scenario: Scenario
    proposal: Proposal
    plain: Program  # the deal and no deal, with paths that follow the deal: run in every world
    central: Program  # the same for the modal world, perhaps on a finer grid
    bound: Program  # with hands bound and the harm stopped, for the modal world; a finer grid
    bound_parties: tuple[str, ...]  # variants 1.. of `bound`
    asker: tuple[str, tuple[str, ...]] | None  # the next two: no offer, with harm (whose and what)
    # stopped, and as it is
    packs: tuple[int, ...]  # the variants of `bound` that are packages of terms; none: too many
    packing: Method  # for packages of terms, if they are too many for `bound`
    world: Worlds
    seed: int
    other: Program | None  # tells the error of the grid if compared with `plain`, or `central`

    @staticmethod
    def prepare(
        scenario: Scenario,
        proposal: Proposal,
        seed: int,
        fine: bool,
        levels: tuple[int, ...] | None,
        nodes: int,
    ) -> _Job:
        variants = [Variant(proposal)]
        bound = []
        base = build(scenario, variants)
        duties = duties_in(base)
        for party in scenario.parties:
            own = [o for o in duties if o.party == party]
            binds = bind_to_obligations(scenario, own, "in_force")
            if binds:
                bound.append(party)
                variants.append(Variant(proposal, binds, signed_only=True))
        asker = None
        harm = [o for o in duties if o.party == proposal.proposer and o.kind == "never"]
        if harm and proposal.proposer is not None:
            stopped = bind_to_obligations(scenario, harm, "any")
            variants += [Variant(None, stopped), Variant(None)]
            asker = (proposal.proposer, _closed(scenario, stopped))
        parts, whole = package_variants(scenario, proposal, seed)
        packs: tuple[int, ...] = ()
        if len(parts) <= TOGETHER:
            # the whole package is the deal itself
            packs = tuple(
                0 if k == whole else len(variants) + k - (k > whole) for k in range(len(parts))
            )
            variants += [v for k, v in enumerate(parts) if k != whole]
        game = build(scenario, variants)
        usual = levels or choose_levels(scenario, nodes)
        chosen = another = usual
        if levels is None:
            chosen = choose_levels(scenario, FINE_NODES) if fine else usual
            another = choose_levels(scenario, FINE_NODES // FINER if fine else FINER * nodes)
        refuse_if_too_large(base, chosen)
        refuse_if_too_large(game, usual)
        if another != usual and not fits(game, another):
            another = usual
        world = modal(scenario)
        names, spreads = tuple(world.names), stakes(scenario)
        plain = Program(
            base,
            make_method(scenario, usual),
            spreads,
            names,
            (Follow(base.roots[0]["signed"], values=False),),
            PATHS,
            seed,
        )
        root = game.roots[0]
        starts = (root["signed"], root["signed"], root["no_deal"])
        hands = replace(
            plain,
            game=game,
            method=make_method(scenario, another),
            follow=(Follow(starts, (True, False, False), exits=True, values=False),),
            once=True,
        )
        central, packing = plain, plain.method
        if fine:
            # a grid that follows this deal alone is finer where it goes than one for all offers
            offers = (proposal, *packages(scenario, proposal, seed)) if chosen != usual else None
            central, hands = (
                replace(
                    program,
                    method=closer(make_method(scenario, grid)),
                    paths=FINE_PATHS,
                    once=True,
                    offers=offers,
                    rollout=starting_regimes(program.game) if scenario.stocks else (),
                )
                for program, grid in ((plain, chosen), (hands, another))
            )
            if scenario.stocks:
                central = replace(central, split=plain.method)
                plain = replace(plain, rollout=central.rollout)
            each = levels or choose_levels(scenario, max(nodes, PACKED // len(parts)))
            packing = make_method(scenario, each)
        other: Program | None = hands
        if another == chosen:
            fewer = coarser(chosen)
            other = None
            if fewer is not None:
                method = replace(central.method, grid=make_grid(scenario, fewer))
                other = replace(central, method=method, split=None, once=True)
        return _Job(
            scenario,
            proposal,
            plain,
            central,
            hands,
            tuple(bound),
            asker,
            packs,
            packing,
            world,
            seed,
            other,
        )

    def solved(
        self, chairs: tuple[str, ...], sample: Worlds, steps: _Steps
    ) -> tuple[Assessment, dict[str, float]]:
        """The answer, and the headlines that the grid is too coarse for (`too_coarse`)."""
        pool = cores()
        try:
            parts: dict[str, Future[Any]] = {}
            if not self.packs:  # a program of their own, the longest of all
                parts["riders"] = pool.submit(self.riders, None)
            parts["centre"] = pool.submit(steps.count, self.centre)
            if self.other is not None and self.other is not self.bound:
                parts["other"] = pool.submit(run, self.other, self.world)
            parts["gradient"] = pool.submit(steps.count, lambda: self.gradients(chairs))
            modal_run = steps.count(lambda: run(self.central, self.world))
            parts["interests"] = pool.submit(steps.count, lambda: self.by_interest(modal_run))
            # the first array takes xarray a while, for it looks for other libraries
            pool.submit(xr.DataArray, 0.0)
            spread_out = run(self.plain, sample, lambda done, total: steps.add(), pool)
            found = {name: part.result() for name, part in parts.items()}
        finally:
            pool.shutdown(cancel_futures=True)
        found["error"] = self.grid_error(modal_run, found.get("other", found["centre"]))
        if self.packs:
            found["riders"] = self.riders(found["centre"])
        return self.read(chairs, sample, modal_run, spread_out, found)

    # -- the parts, each a program -----------------------------------------------------------

    def centre(self) -> dict[str, Any]:
        """Bound hands, the stopped harm, and three courses.

        The deal while it is kept, with what is left to parties when it breaks; the deal and
        whatever comes after it; no deal.
        """
        return run(self.bound, self.world)

    def grid_error(self, modal_run: dict[str, Any], out: dict[str, Any]) -> dict[str, float]:
        """Estimated error of every headline, from another grid; without stocks of none."""
        if self.other is None:
            return {}
        stakes = dict(zip(self.scenario.parties, self.plain.stakes, strict=True))
        return grid_error(headlines(self.plain, modal_run), headlines(self.other, out), stakes)

    def by_interest(self, modal_run: dict[str, Any]) -> dict[str, Any]:
        """Values with interests kept apart."""
        if self.central.split is not None:
            return modal_run
        method = replace(self.central.method, by_interest=True)
        return run(replace(self.central, method=method, follow=(), once=True), self.world)

    def riders(self, centre: dict[str, Any] | None) -> Riders | None:
        """What each changed term is worth, if there are at least two."""
        game, out, packs = self.bound.game, centre, self.packs
        variants, whole = package_variants(self.scenario, self.proposal, self.seed)
        if out is None:
            game = build(self.scenario, variants)
            packs = tuple(range(len(variants)))
            start = {root["signed"] for root in game.roots} | {game.roots[whole]["no_deal"]}
            program = replace(
                self.central,
                game=game,
                method=self.packing,
                follow=(),
                once=True,
                paths=PATHS,
                rollout=tuple(sorted(start)) if self.central.rollout else (),
                split=None,
            )
            out = run(program, self.world)
        value = out["value"][0]
        without = value[game.roots[packs[whole]]["no_deal"]]
        worths = np.array([value[game.roots[k]["signed"]] - without for k in packs])
        return riders(self.scenario, self.proposal, worths, self.seed)

    def gradients(self, chairs: tuple[str, ...]) -> Gradient:
        """Derivatives of the worth to every party asked for by every assumption."""
        root = self.plain.game.roots[0]
        program = replace(self.plain, follow=(), once=True, rollout=())
        parties = list(self.scenario.parties)

        def worths(out: dict[str, Any]) -> dict[str, Any]:
            value = out["value"]
            gain = value[root["signed"]] - value[root["no_deal"]]
            return {name: gain[parties.index(name)] for name in chairs}

        return gradient(program, worths, self.world, known=("worth", *chairs))

    # -- reading the results ------------------------------------------------------------------

    def read(
        self,
        chairs: tuple[str, ...],
        sample: Worlds,
        centre: dict[str, Any],
        out: dict[str, Any],
        found: dict[str, Any],
    ) -> tuple[Assessment, dict[str, float]]:
        game, scenario = self.plain.game, self.scenario
        parties = tuple(scenario.parties)
        w = np.asarray(sample.weight)
        riders = found["riders"]
        worth, worth0 = self._worth(out), self._worth(centre)[0]
        alone, joint = signing_at_start(game, out)
        alone0, joint0 = signing_at_start(game, centre)
        course, course0 = course_of(out, 0), course_of(centre, 0)
        error = found["error"]
        duties = duties_in(game)
        s = dict(zip(parties, self.plain.stakes, strict=True))
        shams = self._shams(worth0, found["centre"])
        breakers = self._breakers(course, course0, duties, w)
        created = self._created(found["centre"])
        sensitivities = self._sensitivities(found["gradient"], sample)
        interests, flow = self._interests(found["interests"]), self._flow(found["centre"])
        exposure = self._exposure(found["centre"], parties)
        regime = np.asarray(course.regime)
        period = np.arange(regime.shape[1])
        world = np.arange(len(w))
        survival = regime[:, :, KINDS.index("in_force")]
        survival0 = np.asarray(course0.regime)[0, :, KINDS.index("in_force")]
        labels = {name: p.label or name for name, p in scenario.parties.items()}
        verdicts = tuple(
            verdict_from(
                party=p,
                labels=labels,
                scenario=scenario,
                proposal=self.proposal,
                sample=sample,
                worth=spread(worth0[i], worth[:, i], w, error.get(f"worth.{p}", np.nan)),
                values=worth[:, i],
                stakes=s[p],
                interests=interests,
                shams=shams,
                created=created,
                riders=riders,
                errors={q: error.get(f"worth.{q}", np.nan) for q in parties},
            )
            for i, p in enumerate(parties)
            if p in chairs
        )
        coords = {"world": world, "party": list(parties)}
        signatories = list(self.proposal.signatories)
        broken = np.asarray(course.broken)
        due = [o for o in game.graph.obligations(self.proposal) if o.due and _promised(game, o)]
        coarse = too_coarse(error, worth, survival, w, parties)
        answer = Assessment(
            title=scenario.title,
            period_name=scenario.period,
            deal=self.proposal.name,
            offer=self.proposal.text,
            chairs=chairs,
            parties=parties,
            labels=labels,
            exchange=net_exchange(scenario, self.proposal, duties, due),
            verdicts=verdicts,
            worth=xr.DataArray(worth, dims=("world", "party"), coords=coords, name="worth"),
            worth_modal=xr.DataArray(worth0, dims=("party",), coords={"party": list(parties)}),
            worth_by_interest=interests,
            signing=xr.DataArray(
                alone,
                dims=("world", "signatory"),
                coords={"world": world, "signatory": signatories},
            ),
            joint=xr.DataArray(joint, dims=("world",), coords={"world": world}),
            signing_modal=xr.DataArray(
                alone0[0], dims=("signatory",), coords={"signatory": signatories}
            ),
            joint_modal=float(joint0[0]),
            survival=xr.DataArray(
                survival, dims=("world", "period"), coords={"world": world, "period": period}
            ),
            survival_modal=xr.DataArray(survival0, dims=("period",), coords={"period": period}),
            expired=xr.DataArray(
                _run_out(regime),
                dims=("world", "period"),
                coords={"world": world, "period": period},
            ),
            broken=xr.DataArray(
                broken,
                dims=("world", "period", "obligation"),
                coords={
                    "world": world,
                    "period": period,
                    "obligation": list(game.scenario.obligations),
                },
            ),
            breakers=breakers,
            shams=shams,
            created=created,
            flow_difference=flow,
            front_loading=_front_loading(flow, scenario.period),
            exposure=exposure,
            riders=riders,
            sensitivities=sensitivities,
            weight=xr.DataArray(w, dims=("world",), coords={"world": world}),
            stakes=s,
            grid_error=error,
            notes=(*self._grid_note(coarse), *self._notes(centre, out)),
            otherwise=self.proposal.otherwise or "never",
            hash=scenario.hash,
            seed=self.seed,
            levels=self.plain.method.grid.levels,
            central_levels=self.central.method.grid.levels,
            paths=self.plain.paths if game.stocks else 0,
            solves=self._budget(len(w)),
        )
        return answer, coarse

    def _worth(self, out: dict[str, Any]) -> np.ndarray:
        """[world, party] value of the deal in force minus value of no deal; 0 if it is rounding."""
        root, n = self.plain.game.roots[0], len(self.scenario.parties)
        value = out["value"][:, :, :n]
        signed, without = value[:, root["signed"]], value[:, root["no_deal"]]
        return _gain(signed, without)

    def _shams(self, worth0: np.ndarray, out: dict[str, Any]) -> tuple[Sham, ...]:
        """Worth to each obliged party with its own hands bound, against no deal with them free.

        What binding changes is added to the worth, which has been found on another grid.
        """
        roots, value = self.bound.game.roots, out["value"][0]
        found = []
        for k, party in enumerate(self.bound_parties):
            i = list(self.scenario.parties).index(party)
            change = value[roots[k + 1]["signed"], i] - value[roots[0]["signed"], i]
            free, bound = float(worth0[i]), float(worth0[i] + change)
            found.append(Sham(party, free, bound, bound < 0 < free))
        return tuple(found)

    def _breakers(
        self, course: Course, course0: Course, duties: list[Obligation], w: np.ndarray
    ) -> tuple[Breaker, ...]:
        names = list(self.plain.game.scenario.obligations)
        found = []
        env = dict(zip(self.world.names, self.world.values[0], strict=True))
        for o in duties:
            k = names.index(o.name)
            alarm = float(np.clip(evaluate(o.false_alarm, env, np), 0.0, 1.0))
            path = np.asarray(course0.broken)[0, :, k]
            last = np.asarray(course.broken)[:, -1, k]
            half = np.nan
            if path[-1] > 1e-9:
                half = float(np.interp(0.5 * path[-1], path, np.arange(len(path))))
            label = o.label or o.name.replace("_", " ")
            ends = spread(path[-1], last, w)
            found.append(Breaker(o.party, o.name, label, ends, half, alarm))
        return tuple(sorted(found, key=lambda b: -b.probability.median))

    def _created(self, centre: dict[str, Any]) -> Created | None:
        if self.asker is None:
            return None
        parties, value = list(self.scenario.parties), centre["value"][0]
        first = len(self.bound_parties) + 1
        stopped, as_it_is = (r["no_deal"] for r in self.bound.game.roots[first : first + 2])
        relief = value[stopped] - value[as_it_is]
        others = {p: float(relief[i]) for i, p in enumerate(parties) if p != self.asker[0]}
        return Created(self.asker[0], self.asker[1], others)

    def _exposure(self, out: dict[str, Any], parties: tuple[str, ...]) -> dict[str, float]:
        """Value from the start given that the deal is broken within the horizon, minus no deal."""
        course = course_of(out, 0)
        gone = float(np.asarray(course.broken)[0, 0, -1].sum())
        if gone < 1e-6 or not self.plain.game.stocks:
            return {}
        no_deal = out["grid"][0, self.bound.game.roots[0]["no_deal"]]
        after = np.asarray(course.after_break)[0, 0] / gone
        return {p: float(after[i] - no_deal[i]) for i, p in enumerate(parties)}

    def _interests(self, part: dict[str, Any]) -> xr.DataArray:
        value, root = part["value"][0], self.plain.game.roots[0]
        n = len(self.scenario.parties)
        gain = _gain(value[root["signed"], n:], value[root["no_deal"], n:])
        flows = self.scenario.interests.items()
        names = [f"{p}.{name}" for p, flow in flows for name in flow]
        return xr.DataArray(gain, dims=("interest",), coords={"interest": names})

    def _flow(self, part: dict[str, Any]) -> xr.DataArray:
        flow = np.asarray(course_of(part, 0).flow)[0, :, :, : len(self.scenario.parties)]
        gain = _gain(flow[1], flow[2])
        gain = np.where(abs(gain) <= NOTHING * np.asarray(self.plain.stakes), 0.0, gain)
        return xr.DataArray(
            gain,
            dims=("period", "party"),
            coords={"period": np.arange(len(gain)), "party": list(self.scenario.parties)},
        )

    def _sensitivities(self, found: Gradient, sample: Worlds) -> tuple[Sensitivity, ...]:
        names, table = found.assumptions, found.gradient[0]
        w = np.asarray(sample.weight)
        values = np.asarray(sample.values)
        ends = [weighted_quantiles(values[:, k], w, BAND) for k in range(len(names))]
        reach = np.array([high - low for low, high in ends])
        out = []
        for i, party in enumerate(found.figures):
            swing = table[i] * reach
            least = NOTHING * self.plain.stakes[list(self.scenario.parties).index(party)]
            top = [k for k in np.argsort(-np.abs(swing))[:3] if abs(swing[k]) > least]
            out += [Sensitivity(party, names[k], float(table[i, k]), float(swing[k])) for k in top]
        return tuple(out)

    def _grid_note(self, coarse: Collection[str]) -> list[str]:
        advice = "" if self.central is not self.plain else "; use --fine"
        what = ", ".join(coarse)
        start = "the grid error is estimated at more than a fifth of the spread over worlds for"
        return [f"{start} {what}{advice}"] if coarse else []

    def _notes(self, centre: dict[str, Any], out: dict[str, Any]) -> list[str]:
        notes = []
        left = float(np.max(centre["tail"].left))
        unsettled = self.plain.method.unsettled
        restless = int(np.sum(np.any(out["tail"].left > unsettled, axis=1)))
        where = [f"in {restless} of {len(out['tail'].left)} worlds"] if restless else []
        if left > self.central.method.unsettled:
            where.insert(
                0, f"in the central case (by {100 * left:.{int(left < 0.01)}f} % of the stakes)"
            )
        if where:
            notes.append(
                f"{' and '.join(where)} values past the horizon go round in circles instead of "
                "settling: treat values far ahead with care, or set `terminal: zero`"
            )
        for name, size in zip(self.scenario.parties, self.plain.stakes, strict=True):
            party, chooses = self.scenario.parties[name], name in self.proposal.signatories
            chooses |= any(d.party == name for d in self.scenario.decisions)
            if chooses and size == 0 and party.stakes is None:
                notes.append(
                    f"{party.label or name} has nothing at stake without a deal, so it signs and "
                    f"moves by chance: give parties.{name}.stakes"
                )
        failed = int(np.sum(centre["failures"])) + int(np.sum(out["failures"]))
        if failed:
            notes.append(f"{failed} simultaneous choices without an equilibrium on the main branch")
        return notes

    def _budget(self, count: int) -> str:
        other = "" if self.other is None else ", one on another grid"
        apart = self.other is not None and self.other is not self.bound
        more = PARTS + apart + (not self.packs)
        return (
            f"1 solve in each of {count} worlds; {more} at the modal world "
            f"(one of them a gradient{other})"
        )


def headlines(program: Program, out: dict[str, Any]) -> dict[str, float]:
    """Worth to every party, joint signing, and survival at 4, 8, 16, 40, at the first world.

    Survival is that of the first course, and of its first start.
    """
    game = program.game
    roots = game.roots[0]
    value = out["value"][0]
    gain = value[roots["signed"]] - value[roots["no_deal"]]
    found = {f"worth.{p}": float(gain[i]) for i, p in enumerate(game.parties)}
    found["signs.all"] = float(signing_at_start(game, out)[1][0])
    course = np.asarray(course_of(out, 0).regime)[..., KINDS.index("in_force")]
    survival = course.reshape(-1, course.shape[-1])[0]
    found |= {f"survival.{t}": float(survival[t]) for t in (4, 8, 16, 40) if t < len(survival)}
    return found


def _gain(value: np.ndarray, without: np.ndarray) -> np.ndarray:
    """What is gained over no deal; 0 if it is rounding."""
    found: np.ndarray = np.where(np.isclose(value, without, 1e-9, 0), 0.0, value - without)
    return found


def _run_out(regime: np.ndarray) -> np.ndarray:
    """[world, period] probability of having run out.

    Where `otherwise` names a proposal, a deal that runs out leaves that one to be signed.
    """
    ways = [KINDS.index(kind) for kind in ("unsigned", "expired")]
    out: np.ndarray = regime[:, :, ways].sum(axis=2)
    return out


def _promised(game: Game, o: Obligation) -> bool:
    """Whether an obligation that falls due on a breach would bind in some broken regime."""
    return any(o in game.graph.active(r) for r in game.graph.regimes if r.kind == "broken")


def _closed(scenario: Scenario, binds: tuple[Bind, ...]) -> tuple[str, ...]:
    """The options that a set of binds takes away."""
    lost = []
    for b in binds:
        decision = next(d for d in scenario.decisions if d.key == b.decision)
        lost += [f"{b.decision}.{o}" for o in decision.options if o not in b.options]
    return tuple(dict.fromkeys(lost))


def _front_loading(flow: xr.DataArray, period: str) -> dict[str, float]:
    """What each party gains over no deal in the first year, as a share of the sum of |gains|."""
    year = PER_YEAR[period]
    out = {}
    for p in flow.party.values:
        path = flow.sel(party=p).values
        total = float(np.sum(np.abs(path)))
        out[str(p)] = float(np.sum(path[:year])) / total if total > 0 else 0.0
    return out
