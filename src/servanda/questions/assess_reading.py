"""What do the solutions of an assessment say?

In: a `Job`, what its solvers `Found`, and the worlds. Out: an `Assessment`: every figure over
worlds with its error, what the central case says beside it, and notes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from servanda.game.build import Game
from servanda.game.errors import Estimate, Sampled, two_futures
from servanda.game.period import RESTLESS
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
from servanda.questions.exchange import net_exchange
from servanda.questions.grid_error import stated_dates
from servanda.questions.outcomes import Outcomes
from servanda.questions.riders import Riders, riders
from servanda.questions.spread import BAND
from servanda.questions.verdict import verdict_from
from servanda.scenario.formulas import evaluate
from servanda.scenario.model import PER_YEAR, Obligation
from servanda.scenario.weighted import weighted_quantiles
from servanda.scenario.worlds import Worlds, modal

NOTHING = 1e-9
"""Of a party's stakes, or of what a difference is made of: changes up to this are rounding."""

Figure = Callable[[Outcomes], np.ndarray]
"""A figure [world] of outcomes."""


@dataclass(frozen=True)
class Reading:
    """An assessment being read off; every method is a part of it."""

    job: Job
    found: Found
    sample: Worlds

    # -- figures in worlds ----------------------------------------------------------------------

    def over(self, figure: Figure) -> Sampled:
        """A figure of the deal in every world, and on the other grids."""
        f = self.found
        return self.job.plan.sampled(
            figure(f.here),
            again=figure(f.again) if len(self.job.plan.again_at) else None,
            finer=None if f.finer is None else figure(f.finer),
        )

    def apart(self, figure: Figure) -> Sampled:
        """The same of what is solved in a part of the worlds."""
        f = self.found
        more = None if f.apart_finer is None else figure(f.apart_finer)
        return self.job.plan.aside(figure(f.apart), more)

    def beside(self, figure: Figure) -> Sampled:
        """The same of what the deal is compared with."""
        f, plan = self.found, self.job.plan
        places = plan.aside_at[self.job.pack_places]
        weight = np.asarray(self.sample.weight)[places]
        if f.beside_finer is None:
            return Sampled(figure(f.beside), weight)
        return Sampled(
            figure(f.beside),
            weight,
            finer_at=self.job.beside_finer_at,
            finer=figure(f.beside_finer),
            dimensions=len(plan.levels),
        )

    @cached_property
    def parties(self) -> tuple[str, ...]:
        return tuple(self.job.scenario.parties)

    # -- the answer -----------------------------------------------------------------------------

    def answer(self, chairs: tuple[str, ...]) -> Assessment:
        """The assessment from these chairs."""
        scenario, sample, job = self.job.scenario, self.sample, self.job
        here, central = self.found.here, self.found.central
        w = np.asarray(sample.weight)
        labels = {name: p.label or name for name, p in scenario.parties.items()}
        figures = self._figures()
        shams, created, terms = self._shams(figures), self._created(), self._terms()
        interests = self._interests()
        worth = self._worth(here)
        worth0 = self._worth(central)[0]
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
            futures=two_futures(self.over(lambda out: _kept(out)[:, -1])),
            worth=_array(worth, "world", party=list(self.parties)),
            worth_modal=xr.DataArray(worth0, dims=("party",), coords={"party": list(self.parties)}),
            interests=interests,
            signing=_array(_signing(here, signatories), "world", signatory=signatories),
            joint=_array(here.joint.values[:, 0], "world"),
            signing_modal=xr.DataArray(
                _signing(central, signatories)[0],
                dims=("signatory",),
                coords={"signatory": signatories},
            ),
            joint_modal=float(central.joint.values[0, 0]),
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
            weight=_array(w, "world"),
            stakes=size,
            notes=tuple(self._notes()),
            otherwise=job.proposal.otherwise or "never",
            hash=scenario.hash,
            seed=job.seed,
            levels=job.plan.levels,
            finer_levels=job.plan.finer_levels or (),
            paths=here_paths(job),
            solves=self._budget(),
        )

    def _figures(self) -> dict[str, Estimate]:
        """Worth and its share above 0 by party, signing, and survival at the stated dates."""
        found: dict[str, Estimate] = {}
        for i, party in enumerate(self.parties):
            worth = self.over(lambda out, i=i: self._worth(out)[:, i])  # type: ignore[misc]
            found |= {f"worth.{party}": worth.mean(), f"better.{party}": worth.share()}
        for party in self.job.proposal.signatories:
            signs = self.over(lambda out, p=party: out.signing.sel(party=p).values[:, 0])  # type: ignore[misc]
            found[f"signs.{party}"] = _chance(signs.mean())
        found["signs.all"] = _chance(self.over(lambda out: out.joint.values[:, 0]).mean())
        for t in self.dates:
            parts: dict[str, Figure] = {
                "survival": lambda out, t=t: out.survival.values[:, 0, t],  # type: ignore[misc]
                "unaccused": lambda out, t=t: out.unaccused.values[:, 0, t],  # type: ignore[misc]
                "expired": lambda out, t=t: out.expired.values[:, 0, t],  # type: ignore[misc]
                "accused": lambda out, t=t: out.accused.values[:, 0, t].sum(axis=-1),  # type: ignore[misc]
                "breaks": lambda out, t=t: _truly(out)[:, t].sum(axis=-1),  # type: ignore[misc]
            }
            found |= {f"{name}.{t}": _chance(self.over(f).mean()) for name, f in parts.items()}
        return found

    @cached_property
    def dates(self) -> tuple[int, ...]:
        """The first period, and those at which survival is stated."""
        return tuple(sorted({1, *stated_dates(self.job.scenario.horizon)}))

    def _worth(self, out: Outcomes) -> np.ndarray:
        """[world, party] value of the deal in force minus value of no deal; 0 if it is rounding."""
        worth, without = out.worth.values[:, 0], out.no_deal.values[:, 0]
        return _gain(worth + without, without)

    def _shams(self, figures: dict[str, Estimate]) -> tuple[Sham, ...]:
        """Worth to each obliged party with its own hands bound, against no deal with them free.

        What binding changes, in a part of the worlds, is added to the worth over all of them.
        """
        found = []
        for party in self.parties:

            def tied(out: Outcomes, party: str = party) -> np.ndarray:
                return out.tied.sel(party=party).values[:, 0]

            def free(out: Outcomes, party: str = party) -> np.ndarray:
                return out.worth.sel(party=party).values[:, 0]

            if not np.isfinite(tied(self.found.beside)).any():
                continue
            change = self.beside(lambda out: tied(out) - free(out)).mean()
            sham = self.beside(lambda out: ((tied(out) < 0) & (free(out) > 0)) * 1.0).mean()
            worth = figures[f"worth.{party}"]
            value = worth.value + change.value
            bound = Estimate(value, float(np.hypot(worth.error, change.error)), value)
            found.append(Sham(party, worth, bound, _chance(sham)))
        return tuple(found)

    def _breakers(self, w: np.ndarray) -> tuple[Breaker, ...]:
        names = list(map(str, self.found.here.broken.obligation.values))
        env = dict(zip(self.sample.names, modal(self.job.scenario).values[0], strict=True))
        found = []
        for o in self.job.duties:
            k = names.index(o.name)
            alarm = float(np.clip(evaluate(o.false_alarm, env, np), 0.0, 1.0))
            path = np.average(_truly(self.found.here)[:, :, k], axis=0, weights=w)
            half = np.nan
            if path[-1] > 1e-9:
                half = float(np.interp(0.5 * path[-1], path, np.arange(len(path))))
            last = _truly(self.found.here)[:, -1, k]
            low, high = map(float, weighted_quantiles(last, w, BAND))
            breaks = self.over(lambda out, k=k: _truly(out)[:, -1, k]).mean()  # type: ignore[misc]
            accused = self.over(lambda out, k=k: out.accused.values[:, 0, -1, k]).mean()  # type: ignore[misc]
            label = o.label or o.name.replace("_", " ")
            found.append(
                Breaker(
                    o.party,
                    o.name,
                    label,
                    _chance(breaks),
                    _chance(accused),
                    (low, high),
                    half,
                    alarm,
                )
            )
        return tuple(sorted(found, key=lambda b: -b.breaks.value))

    def _created(self) -> Created | None:
        asked = self.job.unasked
        if asked is None:
            return None
        name = asked.proposal.name
        relief = {
            p: self.beside(lambda out, p=p: out.worth.sel(deal=name, party=p).values).mean()  # type: ignore[misc]
            for p in self.parties
            if p != asked.asker
        }
        harm = tuple(o.label or o.name.replace("_", " ") for o in asked.duties)
        return Created(asked.asker, harm, relief)

    def _interests(self) -> dict[str, Estimate]:
        names = list(map(str, self.found.apart.interest.interest.values))
        found = {}
        for k, name in enumerate(names):
            size = self.job.stakes[self.parties.index(name.split(".", 1)[0])]
            each = self.apart(lambda out, k=k: out.interest.values[:, 0, k])  # type: ignore[misc]
            found[name] = _none_if_rounding(each.mean(), size)
        return found

    def _flow(self) -> xr.DataArray:
        """[period, party] mean over worlds of what the deal adds to a period's flow."""
        gain = self._gained(self.found.apart)
        w = np.asarray(self.sample.weight)[self.job.plan.aside_at]
        mean = np.average(gain, axis=0, weights=w)
        mean = np.where(abs(mean) <= NOTHING * np.asarray(self.job.stakes), 0.0, mean)
        return xr.DataArray(
            mean,
            dims=("period", "party"),
            coords={"period": np.arange(len(mean)), "party": list(self.parties)},
        )

    @staticmethod
    def _gained(out: Outcomes) -> np.ndarray:
        """[world, period, party] flow with the deal less flow without."""
        flow = out.flow.values
        return _gain(flow[:, 0], flow[:, -1])

    def _timing(self) -> tuple[Timing, ...]:
        year = PER_YEAR[self.job.scenario.period]
        found = []
        for i, party in enumerate(self.parties):
            size = self.job.stakes[i]
            first = self.apart(lambda out, i=i: self._gained(out)[:, :year, i].sum(axis=1))  # type: ignore[misc]
            later = self.apart(lambda out, i=i: self._gained(out)[:, year:, i].sum(axis=1))  # type: ignore[misc]
            exposed = self.apart(lambda out, i=i: out.exposed.values[:, 0, i])  # type: ignore[misc]
            means = (_none_if_rounding(x.mean(), size) for x in (first, later, exposed))
            found.append(Timing(party, *means))
        return tuple(found)

    def _terms(self) -> tuple[Added, ...]:
        """What each changed term adds, in the worlds in which packages are solved."""
        if not self.job.packs:
            return ()
        here = self._riders(self.found.beside)
        finer = None if self.found.beside_finer is None else self._riders(self.found.beside_finer)
        places = self.job.plan.aside_at[self.job.pack_places]
        weight = np.asarray(self.sample.weight)[places]

        def estimate(figure: Callable[[Riders], float], size: float) -> Estimate:
            over = np.array([figure(r) for r in here])
            if finer is None:
                return _none_if_rounding(Sampled(over, weight).mean(), size)
            more = np.array([figure(r) for r in finer])
            at = self.job.beside_finer_at
            dimensions = len(self.job.plan.levels)
            sampled = Sampled(over, weight, finer_at=at, finer=more, dimensions=dimensions)
            return _none_if_rounding(sampled.mean(), size)

        found = []
        for k, term in enumerate(here[0].terms):
            for i, party in enumerate(here[0].parties):
                size = self.job.stakes[i]
                alone = estimate(lambda r, k=k, i=i: float(r.leave_one_out[k, i]), size)  # type: ignore[misc]
                fair = estimate(lambda r, k=k, i=i: float(r.shapley[k, i]), size)  # type: ignore[misc]
                orders = float(np.mean([r.error[k, i] for r in here]))
                fair = Estimate(fair.value, float(np.hypot(fair.error, orders)), fair.plain)
                found.append(Added(term, party, alone, fair))
        return tuple(found)

    def _riders(self, out: Outcomes) -> list[Riders]:
        """What terms add in every world."""
        job = self.job
        names = [p.name for p in job.packs]
        worth = out.worth
        order = []
        for p in _package_names(job):
            order.append(p if p in names else job.proposal.name)
        each = worth.sel(deal=order).values
        found = [riders(job.scenario, job.proposal, x, job.seed) for x in each]
        return [r for r in found if r is not None]

    def _sensitivities(self) -> tuple[Sensitivity, ...]:
        out = []
        for s in self.found.swings:
            each = s.high - s.low
            error = 0.0
            if len(each) > 1:
                error = float(each.std(ddof=1) / np.sqrt(len(each)))
            mean = float(each.mean())
            size = self.job.stakes[self.parties.index(s.party)]
            swing = _none_if_rounding(Estimate(mean, error, mean), size)
            if swing.value != 0:
                out.append(Sensitivity(s.party, s.assumption, s.ends, swing))
        return tuple(sorted(out, key=lambda s: -abs(s.swing.value)))

    def _notes(self) -> list[str]:
        notes = []
        restless = int((self.found.here.restless.values[:, 0] > RESTLESS).sum())
        if restless:
            notes.append(
                f"in {restless} of {len(self.sample.weight)} worlds values past the horizon go "
                "round in circles instead of settling: treat values far ahead with care, or set "
                "`terminal: zero`"
            )
        elif not self.job.scenario.stocks:
            left = max(float(o.restless.values[:, 0].max()) for o in (self.found.here,))
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
        failed = int(self.found.here.failures.values[:, 0].sum())
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


def here_paths(job: Job) -> int:
    """Sampled paths in a world; 0: figures are exact."""
    from servanda.questions.outcomes import PATHS

    return PATHS if job.game.stocks else 0


def _package_names(job: Job) -> list[str]:
    """The deals that riders are read off, in the order of `riders`."""
    from servanda.questions.riders import packages

    return [p.name for p in packages(job.scenario, job.proposal, job.seed)]


def _kept(out: Outcomes) -> np.ndarray:
    """[world, period] probability of not having been broken, if nobody is wrongly accused."""
    found: np.ndarray = 1.0 - out.unaccused_broken.values[:, 0].sum(axis=-1)
    return found


def _truly(out: Outcomes) -> np.ndarray:
    """[world, period, obligation] broken, by a breach that there was."""
    found: np.ndarray = out.broken.values[:, 0] - out.accused.values[:, 0]
    return np.maximum(found, 0.0)


def _signing(out: Outcomes, signatories: list[str]) -> np.ndarray:
    found: np.ndarray = out.signing.sel(party=signatories).values[:, 0]
    return found


def _first(x: xr.DataArray) -> xr.DataArray:
    """Of the first deal, with worlds counted from 0."""
    return x.isel(deal=0, drop=True).assign_coords(world=np.arange(x.sizes["world"]))


def _array(x: np.ndarray, first: str, **labels: list[str]) -> xr.DataArray:
    coords = {first: np.arange(len(x))} | labels
    return xr.DataArray(x, dims=(first, *labels), coords=coords)


def _chance(x: Estimate) -> Estimate:
    """A probability stays one."""
    return Estimate(float(np.clip(x.value, 0.0, 1.0)), min(x.error, 1.0), x.plain, x.lean)


def _none_if_rounding(x: Estimate, stakes: float) -> Estimate:
    """Exactly none where a figure and its error are no more than rounding."""
    least = NOTHING * (stakes or 1.0)
    if abs(x.value) <= least and not x.error > least:
        return Estimate(0.0, 0.0, x.plain, x.lean)
    return x


def _gain(value: np.ndarray, without: np.ndarray) -> np.ndarray:
    """What is gained over no deal; 0 if it is rounding."""
    found: np.ndarray = np.where(np.isclose(value, without, 1e-9, 0), 0.0, value - without)
    return found


def _promised(game: Game, o: Obligation) -> bool:
    """Whether an obligation that falls due on a breach would bind in some broken regime."""
    return any(o in game.graph.active(r) for r in game.graph.regimes if r.kind == "broken")
