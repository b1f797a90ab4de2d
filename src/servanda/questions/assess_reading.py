"""What do the solutions of an assessment say?

In: a `Job`, what its solvers `Found`, and the worlds. Out: an `Assessment`: every figure over
worlds with its error, what the central case says beside it, and notes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import xarray as xr

from servanda.game.build import Game
from servanda.game.errors import Estimate, Sampled, strata
from servanda.game.period import RESTLESS
from servanda.questions import assess_figures as f
from servanda.questions.assess_figures import NOTHING, none_if_rounding
from servanda.questions.assess_parts import ENDS, Found, Job
from servanda.questions.assessment import (
    Added,
    Assessment,
    Breaker,
    Created,
    Sensitivity,
    Sham,
    Timing,
)
from servanda.questions.exchange import called, net_exchange
from servanda.questions.headlines import Figure, chance, worth_of
from servanda.questions.outcomes import PATHS, Outcomes
from servanda.questions.riders import changed_terms, packages, riders
from servanda.questions.spread import BAND
from servanda.questions.verdict import verdict_from
from servanda.scenario.formulas import evaluate
from servanda.scenario.model import PER_YEAR, Obligation
from servanda.scenario.weighted import weighted_quantiles
from servanda.scenario.worlds import Worlds, modal


@dataclass(frozen=True)
class Reading:
    """An assessment being read off; every method is a part of it."""

    job: Job
    found: Found
    sample: Worlds

    # -- figures in worlds ----------------------------------------------------------------------

    def over(self, figure: Figure) -> Sampled:
        """A figure of the deal in every world, and on the other grids."""
        return self.found.whole.figure(figure)

    def apart(self, figure: Figure, party: str) -> Estimate:
        """The mean of a party's figure that is solved in a part of the worlds, on the usual grid.

        Its grid may lean by as much as that of the party's whole worth, which is in its error.
        """
        found = self.job.plan.aside(figure(self.found.apart)).mean()
        worth = self.over(worth_of(self.job.proposal.name, party)).mean()
        return replace(found, error=float(np.hypot(found.error, worth.lean)))

    def beside(self, figure: Figure) -> Sampled:
        """The same of what the deal is compared with."""
        found = self.found
        more = None if found.beside_finer is None else figure(found.beside_finer)
        return self.beside_sampled(figure(found.beside), more)

    def beside_sampled(self, here: np.ndarray, finer: np.ndarray | None) -> Sampled:
        """A figure [world] in the worlds in which packages are solved."""
        plan = self.job.plan
        places = plan.aside_at[self.job.pack_places]
        more = finer is not None
        return Sampled(
            here,
            np.asarray(self.sample.weight)[places],
            finer_at=self.job.beside_finer_at if more else np.zeros(0, int),
            finer=finer if finer is not None else np.zeros(0),
            stratum=strata(self.sample)[places],
            dimensions=len(plan.levels),
        )

    @cached_property
    def parties(self) -> tuple[str, ...]:
        return tuple(self.job.scenario.parties)

    # -- the answer -----------------------------------------------------------------------------

    def answer(self, chairs: tuple[str, ...]) -> Assessment:
        """The assessment from these chairs."""
        scenario, sample, job = self.job.scenario, self.sample, self.job
        here, central = self.found.whole.here, self.found.whole.central
        w = np.asarray(sample.weight)
        labels = {name: p.label or name for name, p in scenario.parties.items()}
        figures = self.found.whole.headlines(job.proposal.name)
        shams, created, terms = self._shams(figures), self._created(), self._terms()
        interests = self._interests()
        worth = f.worth(here)
        worth0 = f.worth(central)[0]
        size = dict(zip(self.parties, job.stakes, strict=True))
        verdicts = tuple(
            verdict_from(
                party=p,
                labels=labels,
                scenario=scenario,
                proposal=job.proposal,
                sample=sample,
                values=worth[:, i],
                mean=figures[f"worth.{p}"],
                better=figures[f"better.{p}"],
                modal=float(worth0[i]),
                stakes=size[p],
                interests=interests,
                shams=shams,
                created=created,
                terms=terms,
            )
            for i, p in enumerate(self.parties)
            if p in chairs
        )
        due = [o for o in job.game.graph.obligations(job.proposal) if o.due]
        due = [o for o in due if _promised(job.game, o)]
        signatories = list(job.proposal.signatories)
        return Assessment(
            title=scenario.title,
            period_name=scenario.period,
            deal=job.proposal.name,
            offer=job.proposal.text,
            chairs=chairs,
            parties=self.parties,
            labels=labels,
            exchange=net_exchange(scenario, job.proposal, list(job.duties), due),
            verdicts=verdicts,
            figures=figures,
            futures=self.found.whole.futures(job.proposal.name),
            worth=_array(worth, "world", party=list(self.parties)),
            worth_modal=xr.DataArray(worth0, dims=("party",), coords={"party": list(self.parties)}),
            interests=interests,
            signing=_array(f.signing(here, signatories), "world", signatory=signatories),
            joint=_array(f.joint(here), "world"),
            signing_modal=xr.DataArray(
                f.signing(central, signatories)[0],
                dims=("signatory",),
                coords={"signatory": signatories},
            ),
            joint_modal=float(f.joint(central)[0]),
            survival=_first(here.survival),
            survival_modal=_first(central.survival).isel(world=0, drop=True),
            unaccused=_first(here.unaccused),
            expired=_first(here.expired),
            broken=_first(here.broken),
            accused=_first(here.accused),
            breakers=self._breakers(w),
            shams=shams,
            created=created,
            flow_difference=self._flow(),
            timing=self._timing(),
            terms=terms,
            sensitivities=self._sensitivities(),
            holding=self.found.holding,
            weight=_array(w, "world"),
            stakes=size,
            notes=tuple(self._notes()),
            otherwise=job.proposal.otherwise or "never",
            hash=scenario.hash,
            seed=job.seed,
            levels=job.plan.levels,
            finer_levels=job.plan.finer_levels or (),
            paths=PATHS if job.game.stocks else 0,
            solves=self._budget(),
        )

    def _shams(self, figures: dict[str, Estimate]) -> tuple[Sham, ...]:
        """Worth to each obliged party with its own hands bound, against no deal with them free.

        What binding changes, in a part of the worlds, is added to the worth over all of them.
        """
        found = []
        for i, party in enumerate(self.parties):
            tied, free = f.of(f.tied, i), f.of(f.worth, i)
            if not np.isfinite(tied(self.found.beside)).any():
                continue
            change = self.beside(_less(tied, free)).mean()
            sham = self.beside(_both(tied, free)).frequency()
            worth = figures[f"worth.{party}"]
            value = worth.value + change.value
            bound = Estimate(value, float(np.hypot(worth.error, change.error)), value)
            found.append(Sham(party, worth, bound, chance(sham)))
        return tuple(found)

    def _breakers(self, w: np.ndarray) -> tuple[Breaker, ...]:
        names = list(map(str, self.found.whole.here.broken.obligation.values))
        env = dict(zip(self.sample.names, modal(self.job.scenario).values[0], strict=True))
        broken = f.truly_broken(self.found.whole.here)
        found = []
        for o in self.job.duties:
            k = names.index(o.name)
            path = np.average(broken[:, :, k], axis=0, weights=w)
            half = np.nan
            if path[-1] > NOTHING:
                half = float(np.interp(0.5 * path[-1], path, np.arange(len(path))))
            low, high = map(float, weighted_quantiles(broken[:, -1, k], w, BAND))
            breaker = Breaker(
                o.party,
                o.name,
                called(o),
                chance(self.over(f.of(f.truly_broken, -1, k)).mean()),
                chance(self.over(f.accused_of(k)).mean()),
                (low, high),
                half,
                float(np.clip(evaluate(o.false_alarm, env, np), 0.0, 1.0)),
            )
            found.append(breaker)
        return tuple(sorted(found, key=lambda b: -b.breaks.value))

    def _created(self) -> Created | None:
        asked = self.job.unasked
        if asked is None:
            return None
        name = asked.proposal.name
        relief = {
            p: self.beside(f.relief_of(name, p)).mean() for p in self.parties if p != asked.asker
        }
        harm = tuple(called(o) for o in asked.duties)
        return Created(asked.asker, harm, relief)

    def _interests(self) -> dict[str, Estimate]:
        names = list(map(str, self.found.apart.interest.interest.values))
        found = {}
        for k, name in enumerate(names):
            party = name.split(".", 1)[0]
            size = self.job.stakes[self.parties.index(party)]
            found[name] = none_if_rounding(self.apart(f.interest_of(k), party), size)
        return found

    def _flow(self) -> xr.DataArray:
        """[period, party] mean over worlds of what the deal adds to a period's flow."""
        gain = f.gained(self.found.apart)
        w = np.asarray(self.sample.weight)[self.job.plan.aside_at]
        mean = np.average(gain, axis=0, weights=w)
        mean = np.where(abs(mean) <= NOTHING * np.asarray(self.job.stakes), 0.0, mean)
        return xr.DataArray(
            mean,
            dims=("period", "party"),
            coords={"period": np.arange(len(mean)), "party": list(self.parties)},
        )

    def _timing(self) -> tuple[Timing, ...]:
        year = PER_YEAR[self.job.scenario.period]
        found = []
        for i, party in enumerate(self.parties):
            size = self.job.stakes[i]
            each = (f.flow_of(i, slice(year)), f.flow_of(i, slice(year, None)), f.exposed_of(i))
            means = (none_if_rounding(self.apart(x, party), size) for x in each)
            found.append(Timing(party, *means))
        return tuple(found)

    def _terms(self) -> tuple[Added, ...]:
        """What each changed term adds, in the worlds in which packages are solved."""
        if not self.job.packs:
            return ()
        here = self._riders(self.found.beside)
        finer = None if self.found.beside_finer is None else self._riders(self.found.beside_finer)

        def estimate(which: int, k: int, i: int) -> Estimate:
            more = None if finer is None else finer[which][:, k, i]
            found = self.beside_sampled(here[which][:, k, i], more).mean()
            return none_if_rounding(found, self.job.stakes[i])

        found = []
        for k, term in enumerate(changed_terms(self.job.scenario, self.job.proposal)):
            for i, party in enumerate(self.parties):
                fair, orders = estimate(1, k, i), float(here[2][:, k, i].mean())
                fair = replace(fair, error=float(np.hypot(fair.error, orders)))
                found.append(Added(term, party, estimate(0, k, i), fair))
        return tuple(found)

    def _riders(self, out: Outcomes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """[world, term, party] lost if a term is left out, its share, and that share's error."""
        job = self.job
        order = [p.name for p in packages(job.scenario, job.proposal, job.seed)]
        each = out.worth.sel(deal=order).values
        found = [riders(job.scenario, job.proposal, x, job.seed) for x in each]
        known = [r for r in found if r is not None]
        return (
            np.stack([r.leave_one_out for r in known]),
            np.stack([r.shapley for r in known]),
            np.stack([r.error for r in known]),
        )

    def _sensitivities(self) -> tuple[Sensitivity, ...]:
        out = []
        for s in self.found.swings:
            each = s.high - s.low
            error = 0.0
            if len(each) > 1:
                error = float(each.std(ddof=1) / np.sqrt(len(each)))
            mean = float(each.mean())
            size = self.job.stakes[self.parties.index(s.party)]
            swing = none_if_rounding(Estimate(mean, error, mean), size)
            if swing.value != 0:
                worth = (float(s.low.mean()), float(s.high.mean()))
                out.append(Sensitivity(s.party, s.assumption, s.ends, worth, swing))
        return tuple(sorted(out, key=lambda s: -abs(s.swing.value)))

    def _notes(self) -> list[str]:
        notes = []
        restless = int((self.found.whole.here.restless.values[:, 0] > RESTLESS).sum())
        if restless:
            notes.append(
                f"in {restless} of {len(self.sample.weight)} worlds values past the horizon go "
                "round in circles instead of settling: treat values far ahead with care, or set "
                "`terminal: zero`"
            )
        elif not self.job.scenario.stocks:
            left = max(float(o.restless.values[:, 0].max()) for o in (self.found.whole.here,))
            ahead = 1.0 / (1.0 - max(self._patience()))
            if left * ahead > RESTLESS:
                notes.append(
                    "patience is next to 1, so that values can be off by as much as "
                    f"{min(left * ahead, 999.0):.2g} of the stakes: figures are not exact"
                )
        for name, size in zip(self.parties, self.job.stakes, strict=True):
            party, chooses = self.job.scenario.parties[name], name in self.job.proposal.signatories
            chooses |= any(d.party == name for d in self.job.scenario.decisions)
            if chooses and size == 0 and party.stakes is None:
                notes.append(
                    f"{party.label or name} has nothing at stake without a deal, so it signs and "
                    f"moves by chance: give parties.{name}.stakes"
                )
        failed = int(self.found.whole.here.failures.values[:, 0].sum())
        if failed:
            notes.append(f"{failed} simultaneous choices without an equilibrium on the main branch")
        return notes

    def _patience(self) -> list[float]:
        """Of every party, at the modal world; 0 where the game has an end."""
        if self.job.scenario.terminal == "zero":
            return [0.0]
        env = dict(zip(self.sample.names, modal(self.job.scenario).values[0], strict=True))
        return [float(evaluate(p.patience, env, np)) for p in self.job.scenario.parties.values()]

    def _budget(self) -> str:
        plan = self.job.plan
        count = len(self.sample.weight)
        said = [f"the deal in each of {count} worlds"]
        if len(plan.again_at):
            said.append(f"in {len(plan.again_at)} of them on a second grid")
        if len(plan.finer_at):
            said.append(f"in {len(plan.finer_at)} on a finer one")
        said.append(
            f"interests, timing, tied hands and terms in {len(plan.aside_at)}"
            if len(self.job.pack_places) == len(plan.aside_at)
            else f"interests and timing in {len(plan.aside_at)}, tied hands and terms in "
            f"{len(self.job.pack_places)}"
        )
        if self.found.swings:
            grids = f" on {ENDS} grids" if plan.levels else ""
            said.append(f"what matters most at both ends of its range{grids}")
        return "; ".join(said)


def _less(a: Figure, b: Figure) -> Figure:
    """What a figure has more than another."""
    return lambda out: a(out) - b(out)


def _both(tied: Figure, free: Figure) -> Figure:
    """Whether a deal is a loss with hands tied and a gain with them free."""
    return lambda out: ((tied(out) < 0) & (free(out) > 0)) * 1.0


def _first(x: xr.DataArray) -> xr.DataArray:
    """Of the first deal, with worlds counted from 0."""
    return x.isel(deal=0, drop=True).assign_coords(world=np.arange(x.sizes["world"]))


def _array(x: np.ndarray, first: str, **labels: list[str]) -> xr.DataArray:
    coords = {first: np.arange(len(x))} | labels
    return xr.DataArray(x, dims=(first, *labels), coords=coords)


def _promised(game: Game, o: Obligation) -> bool:
    """Whether an obligation that falls due on a breach would bind in some broken regime."""
    return any(o in game.graph.active(r) for r in game.graph.regimes if r.kind == "broken")
