"""What do the solutions of an assessment say?

In: a `Job`, what its programs `Found`, and the worlds. Out: an `Assessment`: worths, chances and
dates with their spread over worlds, what each part of the modal world says, and notes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from servanda.game.batch import course_of
from servanda.game.build import Game
from servanda.game.paths import KINDS, Course
from servanda.game.period import RESTLESS
from servanda.game.solve import signing_at_start
from servanda.questions.assess_parts import PARTS, Found, Job
from servanda.questions.assessment import Assessment, Breaker, Created, Sensitivity, Sham
from servanda.questions.exchange import net_exchange
from servanda.questions.grid_error import too_coarse
from servanda.questions.outcomes import duties_in
from servanda.questions.spread import BAND, spread
from servanda.questions.verdict import verdict_from
from servanda.scenario.formulas import evaluate
from servanda.scenario.model import PER_YEAR, Obligation
from servanda.scenario.weighted import weighted_quantiles
from servanda.scenario.worlds import Worlds

NOTHING = 1e-9
"""Of a party's stakes: changes up to this are rounding."""


@dataclass(frozen=True)
class Reading:
    """An assessment being read off; every method is a part of it."""

    job: Job
    found: Found
    sample: Worlds

    @cached_property
    def coarse(self) -> dict[str, float]:
        """The headlines that the grid is too coarse for (`too_coarse`)."""
        over, w = self.found.over, np.asarray(self.sample.weight)
        survival = np.asarray(course_of(over, 0).regime)[:, :, KINDS.index("in_force")]
        parties = tuple(self.job.scenario.parties)
        return too_coarse(self.found.error, self._worth(over), survival, w, parties)

    def answer(self, chairs: tuple[str, ...]) -> Assessment:
        """The assessment from these chairs."""
        game, scenario, sample = self.job.plain.game, self.job.scenario, self.sample
        centre, out = self.found.centre, self.found.over
        parties = tuple(scenario.parties)
        w = np.asarray(sample.weight)
        riders = self.found.riders
        worth, worth0 = self._worth(out), self._worth(centre)[0]
        alone, joint = signing_at_start(game, out)
        alone0, joint0 = signing_at_start(game, centre)
        course, course0 = course_of(out, 0), course_of(centre, 0)
        error = self.found.error
        duties = duties_in(game)
        s = dict(zip(parties, self.job.plain.stakes, strict=True))
        shams = self._shams(worth0)
        breakers = self._breakers(course, course0, duties, w)
        created = self._created()
        sensitivities = self._sensitivities()
        interests, flow = self._interests(), self._flow()
        exposure = self._exposure()
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
                proposal=self.job.proposal,
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
        signatories = list(self.job.proposal.signatories)
        broken = np.asarray(course.broken)
        due = [o for o in game.graph.obligations(self.job.proposal) if o.due and _promised(game, o)]
        return Assessment(
            title=scenario.title,
            period_name=scenario.period,
            deal=self.job.proposal.name,
            offer=self.job.proposal.text,
            chairs=chairs,
            parties=parties,
            labels=labels,
            exchange=net_exchange(scenario, self.job.proposal, duties, due),
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
            notes=(*self._grid_note(), *self._notes()),
            otherwise=self.job.proposal.otherwise or "never",
            hash=scenario.hash,
            seed=self.job.seed,
            levels=self.job.plain.method.grid.levels,
            central_levels=self.job.central.method.grid.levels,
            paths=self.job.plain.paths if game.stocks else 0,
            solves=self._budget(),
        )

    def _worth(self, out: dict[str, Any]) -> np.ndarray:
        """[world, party] value of the deal in force minus value of no deal; 0 if it is rounding."""
        root, n = self.job.plain.game.roots[0], len(self.job.scenario.parties)
        value = out["value"][:, :, :n]
        signed, without = value[:, root["signed"]], value[:, root["no_deal"]]
        return _gain(signed, without)

    def _shams(self, worth0: np.ndarray) -> tuple[Sham, ...]:
        """Worth to each obliged party with its own hands bound, against no deal with them free.

        What binding changes is added to the worth, which has been found on another grid.
        """
        roots, value = self.job.bound.game.roots, self.found.beside["value"][0]
        found = []
        for k, party in enumerate(self.job.bound_parties):
            i = list(self.job.scenario.parties).index(party)
            change = value[roots[k + 1]["signed"], i] - value[roots[0]["signed"], i]
            free, bound = float(worth0[i]), float(worth0[i] + change)
            found.append(Sham(party, free, bound, bound < 0 < free))
        return tuple(found)

    def _breakers(
        self, course: Course, course0: Course, duties: list[Obligation], w: np.ndarray
    ) -> tuple[Breaker, ...]:
        names = list(self.job.plain.game.scenario.obligations)
        found = []
        env = dict(zip(self.job.world.names, self.job.world.values[0], strict=True))
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

    def _created(self) -> Created | None:
        if self.job.asker is None:
            return None
        parties, value = list(self.job.scenario.parties), self.found.beside["value"][0]
        first = len(self.job.bound_parties) + 1
        stopped, as_it_is = (r["no_deal"] for r in self.job.bound.game.roots[first : first + 2])
        relief = value[stopped] - value[as_it_is]
        others = {p: float(relief[i]) for i, p in enumerate(parties) if p != self.job.asker[0]}
        return Created(self.job.asker[0], self.job.asker[1], others)

    def _exposure(self) -> dict[str, float]:
        """Value from the start given that the deal is broken within the horizon, minus no deal."""
        out = self.found.beside
        course = course_of(out, 0)
        gone = float(np.asarray(course.broken)[0, 0, -1].sum())
        if gone < 1e-6 or not self.job.plain.game.stocks:
            return {}
        no_deal = out["grid"][0, self.job.bound.game.roots[0]["no_deal"]]
        after = np.asarray(course.after_break)[0, 0] / gone
        return {p: float(after[i] - no_deal[i]) for i, p in enumerate(self.job.scenario.parties)}

    def _interests(self) -> xr.DataArray:
        value, root = self.found.interests["value"][0], self.job.plain.game.roots[0]
        n = len(self.job.scenario.parties)
        gain = _gain(value[root["signed"], n:], value[root["no_deal"], n:])
        flows = self.job.scenario.interests.items()
        names = [f"{p}.{name}" for p, flow in flows for name in flow]
        return xr.DataArray(gain, dims=("interest",), coords={"interest": names})

    def _flow(self) -> xr.DataArray:
        flow = np.asarray(course_of(self.found.beside, 0).flow)[
            0, :, :, : len(self.job.scenario.parties)
        ]
        gain = _gain(flow[1], flow[2])
        gain = np.where(abs(gain) <= NOTHING * np.asarray(self.job.plain.stakes), 0.0, gain)
        return xr.DataArray(
            gain,
            dims=("period", "party"),
            coords={"period": np.arange(len(gain)), "party": list(self.job.scenario.parties)},
        )

    def _sensitivities(self) -> tuple[Sensitivity, ...]:
        found = self.found.gradient
        names, table = found.assumptions, found.gradient[0]
        w, values = np.asarray(self.sample.weight), np.asarray(self.sample.values)
        ends = [weighted_quantiles(values[:, k], w, BAND) for k in range(len(names))]
        reach = np.array([high - low for low, high in ends])
        out = []
        for i, party in enumerate(found.figures):
            swing = table[i] * reach
            least = NOTHING * self.job.plain.stakes[list(self.job.scenario.parties).index(party)]
            top = [k for k in np.argsort(-np.abs(swing))[:3] if abs(swing[k]) > least]
            out += [Sensitivity(party, names[k], float(table[i, k]), float(swing[k])) for k in top]
        return tuple(out)

    def _grid_note(self) -> list[str]:
        advice = "" if self.job.central is not self.job.plain else "; use --fine"
        what = ", ".join(self.coarse)
        start = "the grid error is estimated at more than a fifth of the spread over worlds for"
        return [f"{start} {what}{advice}"] if what else []

    def _notes(self) -> list[str]:
        notes = []
        centre, out = self.found.centre, self.found.over
        left = float(np.max(centre["tail"].left))
        unsettled = self.job.plain.method.unsettled
        restless = int(np.sum(np.any(out["tail"].left > unsettled, axis=1)))
        where = [f"in {restless} of {len(out['tail'].left)} worlds"] if restless else []
        if left > self.job.central.method.unsettled:
            where.insert(
                0, f"in the central case (by {100 * left:.{int(left < 0.01)}f} % of the stakes)"
            )
        if where:
            notes.append(
                f"{' and '.join(where)} values past the horizon go round in circles instead of "
                "settling: treat values far ahead with care, or set `terminal: zero`"
            )
        if not self.job.plain.game.stocks and not where:
            parts = (centre, out, self.found.interests)
            ahead = 1.0 / (1.0 - max(self._patience()))
            off = max(float(np.max(part["tail"].left)) for part in parts) * ahead
            if off > RESTLESS:
                notes.append(
                    "patience is next to 1, so that values can be off by as much as "
                    f"{min(off, 999.0):.2g} of the stakes: figures are not exact"
                )
        for name, size in zip(self.job.scenario.parties, self.job.plain.stakes, strict=True):
            party, chooses = self.job.scenario.parties[name], name in self.job.proposal.signatories
            chooses |= any(d.party == name for d in self.job.scenario.decisions)
            if chooses and size == 0 and party.stakes is None:
                notes.append(
                    f"{party.label or name} has nothing at stake without a deal, so it signs and "
                    f"moves by chance: give parties.{name}.stakes"
                )
        failed = int(np.sum(centre["failures"])) + int(np.sum(out["failures"]))
        if failed:
            notes.append(f"{failed} simultaneous choices without an equilibrium on the main branch")
        return notes

    def _patience(self) -> list[float]:
        """Of every party, at the modal world; 0 where the game has an end."""
        if self.job.scenario.terminal == "zero":
            return [0.0]
        env = dict(zip(self.job.world.names, self.job.world.values[0], strict=True))
        return [float(evaluate(p.patience, env, np)) for p in self.job.scenario.parties.values()]

    def _budget(self) -> str:
        count = len(self.sample.weight)
        other = "" if self.job.other is None else ", one on another grid"
        apart = self.job.other is not None and self.job.other is not self.job.bound
        more = PARTS + apart + (not self.job.packs)
        return (
            f"1 solve in each of {count} worlds; {more} at the modal world "
            f"(one of them a gradient{other})"
        )


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


def _front_loading(flow: xr.DataArray, period: str) -> dict[str, float]:
    """What each party gains over no deal in the first year, as a share of the sum of |gains|."""
    year = PER_YEAR[period]
    out = {}
    for p in flow.party.values:
        path = flow.sel(party=p).values
        total = float(np.sum(np.abs(path)))
        out[str(p)] = float(np.sum(path[:year])) / total if total > 0 else 0.0
    return out
