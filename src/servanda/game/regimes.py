"""The life of an agreement as a graph of regimes.

In: a scenario and the variants to study (a proposal, signed or refused, perhaps with some hands
bound). Out: the regimes that can be reached (unsigned, in force, broken, expired, each with what
must be remembered: age, tolerated breaches, duties done, blame) and what each event leads to.
The graph knows nothing of stocks or numbers; `moves` and `tables` add those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from servanda.errors import QuestionError
from servanda.scenario.formulas import Formula, evaluate
from servanda.scenario.model import Obligation, Proposal, Scenario

MAX_REGIMES = 2000

AT_LAST = 10**6
"""An age beyond the end of any list of levels."""


@dataclass(frozen=True)
class Bind:
    """Some options of one decision masked: only `options` stay open while the regime is `regime`.

    `regime` is "in_force", "unsigned", "broken", "expired" or "any". With `duties` it holds only
    where one of these obligations can be breached.
    """

    party: str
    decision: str
    options: tuple[str, ...]
    regime: str = "any"
    duties: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variant:
    """One game to solve: a proposal (None: no offer at all) and the hands that are bound in it.

    With `signed_only` neither the offer nor its refusal is solved, only the deal in force.
    """

    proposal: Proposal | None
    binds: tuple[Bind, ...] = ()
    signed_only: bool = False


@dataclass(frozen=True)
class Regime:
    """One node of the graph: everything about the agreement that the rest of the game depends on.

    `ground` holds the terms' numbers where no deal is in force; `noticed` counts tolerated
    breaches and `done` the duties fulfilled, both in the order of `Variant.proposal.obligations`.
    """

    kind: str  # "never", "unsigned", "in_force", "broken", "expired"
    variant: int
    proposal: Proposal | None
    ground: tuple[float, ...]
    age: int = 0  # since signature, offer or end, according to `kind`; -1: an offer not yet made
    noticed: tuple[int, ...] = ()
    done: tuple[bool, ...] = ()
    breach: str | None = None
    refused_by: str | None = None
    reversing: int = 0  # age at the end, while terms walk back
    lived: int = 0  # age at the end, while a dated duty that survives is not yet due
    fade: int = -1  # which of `Graph.fades` says how soon blame is forgotten; -1: never

    def __hash__(self) -> int:
        return hash(
            (
                self.kind,
                self.variant,
                self.ground,
                self.age,
                self.noticed,
                self.done,
                self.breach,
                self.refused_by,
                self.reversing,
                self.lived,
                self.fade,
                self.proposal and self.proposal.name,
            )
        )


@dataclass(frozen=True)
class Ask:
    """A signing stage: if every signatory accepts, `yes`; if the k-th refuses, `no[k]`."""

    signatories: tuple[str, ...]
    yes: Regime
    no: tuple[Regime, ...]


@dataclass
class Graph:
    """All regimes reachable from the roots, with their signing stages and successors."""

    scenario: Scenario
    variants: tuple[Variant, ...]
    refusals_matter: bool
    regimes: list[Regime] = field(default_factory=list)
    index: dict[Regime, int] = field(default_factory=dict)
    fades: list[Formula] = field(default_factory=list)  # mean periods until blame is forgotten

    def add(self, regime: Regime) -> int:
        """The number of a regime; new ones are appended."""
        if regime not in self.index:
            if len(self.regimes) >= MAX_REGIMES:
                raise QuestionError(
                    f"the agreement has more than {MAX_REGIMES} different states to remember; "
                    "shorten its phasing lists, `by:` dates or `lasts:`, or lower `tolerance:`"
                )
            self.index[regime] = len(self.regimes)
            self.regimes.append(regime)
        return self.index[regime]

    # -- what a regime is -------------------------------------------------------------------

    def agreed(self, proposal: Proposal) -> dict[str, tuple[float, ...]]:
        """The schedules of the terms a proposal sets; the others stay as they are."""
        now = {name: (term.now,) for name, term in self.scenario.terms.items()}
        return {
            name: levels
            for name, levels in proposal.terms.items()
            if levels != now[name] or name in proposal.stated
        }

    def levels(self, regime: Regime) -> tuple[float, ...]:
        """The number of every term in this regime, in the scenario's order of terms."""
        terms = list(self.scenario.terms)
        levels = list(regime.ground)
        proposal = regime.proposal
        if proposal is None:
            return tuple(levels)
        for name, schedule in self.agreed(proposal).items():
            k = terms.index(name)
            if regime.kind == "in_force":
                levels[k] = schedule[min(regime.age, len(schedule) - 1)]
            elif regime.kind != "unsigned" and regime.reversing:
                # every list is walked back from where it stood when the deal ended
                step = min(regime.reversing, len(schedule) - 1) - regime.age - 1
                if self.scenario.terms[name].after == "reverses" and step >= 0:
                    levels[k] = schedule[step]
        return tuple(levels)

    def active(self, regime: Regime) -> tuple[Obligation, ...]:
        """The obligations that bind in this regime, in order of play of the parties' decisions."""
        if regime.kind not in ("in_force", "broken") or regime.proposal is None:
            return ()
        found = []
        for o in self.obligations(regime.proposal):
            if regime.kind == "in_force" and o.due is not None:
                continue
            if regime.kind == "broken" and not self._outlives(o, regime):
                continue
            if o.while_ is not None and not self._while(o, regime):
                continue
            found.append(o)
        return tuple(sorted(found, key=lambda o: o.options[0][0]))

    def _outlives(self, o: Obligation, regime: Regime) -> bool:
        """Whether an obligation binds after the breach that ended the deal."""
        return o.survives and (o.due == regime.breach if o.due else o.name != regime.breach)

    def since(self, o: Obligation, regime: Regime) -> int:
        """The age by which the date of a duty is counted: of the deal, or since it fell due."""
        return regime.age + (regime.lived if o.due is None else 0)

    def owed(self, regime: Regime) -> tuple[Obligation, ...]:
        """The obligations that can be breached in this period, in order of play.

        A duty with a date is owed from that date on, in every period until it is done.
        """
        p = regime.proposal

        def due(o: Obligation) -> bool:
            if o.kind == "never" or o.by is None or p is None:
                return True
            return self.since(o, regime) >= o.by and not regime.done[p.obligations.index(o.name)]

        return tuple(o for o in self.active(regime) if due(o))

    def obligations(self, proposal: Proposal) -> list[Obligation]:
        return [self.scenario.obligations[name] for name in proposal.obligations]

    def _while(self, o: Obligation, regime: Regime) -> bool:
        """Whether the term behind an obligation holds: now or, once broken, as finally agreed."""
        assert o.while_ is not None
        held = regime
        if regime.kind == "broken":  # what was promised is where the lists of levels end
            held = replace(regime, kind="in_force", age=AT_LAST)
        env = dict(zip(self.scenario.terms, self.levels(held), strict=True))
        return float(evaluate(o.while_, env, np)) > 0

    # -- what is remembered -----------------------------------------------------------------

    def fade(self, remembered: Formula | None) -> int:
        """The place in `fades` of a mean length of memory; -1 if nothing is forgotten."""
        if remembered is None:
            return -1
        if not remembered.names and float(evaluate(remembered, {}, np)) == np.inf:
            return -1
        known = [f.text for f in self.fades]
        if remembered.text in known:
            return known.index(remembered.text)
        self.fades.append(remembered)
        return len(self.fades) - 1

    def blamed(self, regime: Regime, party: str, remembered: Formula | None) -> Regime:
        """The same regime with a party known to have refused, if any formula reads who did."""
        if not self.refusals_matter:
            return regime
        return replace(regime, refused_by=party, fade=self.fade(remembered))

    def forgotten(self, regime: Regime) -> Regime:
        """What a regime becomes when the refusal or the breach that it remembers is forgotten.

        After a breach there is then no deal and no blame. Terms go on walking back, and a deal
        that `reopens` stays on the table.
        """
        if regime.kind != "broken":
            return replace(regime, refused_by=None, fade=-1)
        p = regime.proposal
        assert p is not None
        plain = self.never(regime.variant, regime.ground)
        variant = regime.variant if p.reopens else plain.variant
        age = min(regime.age, regime.reversing)
        left = replace(plain, variant=variant, proposal=p, age=age, reversing=regime.reversing)
        return self._walked(left)

    def _walked(self, regime: Regime) -> Regime:
        """A forgotten deal, of which nothing is left once its terms are back: unless it reopens."""
        p = regime.proposal
        assert p is not None
        age = min(regime.age, regime.reversing)
        if age < regime.reversing:
            return replace(regime, age=age)
        if p.reopens:
            return replace(regime, age=0, reversing=0)
        return self.never(regime.variant, regime.ground)

    # -- what happens -----------------------------------------------------------------------

    def start(self, variant: int) -> Regime:
        """The regime in which the offer is on the table at period 0 (or nothing is)."""
        proposal = self.variants[variant].proposal
        if proposal is None:
            return self.never(variant)
        return Regime("unsigned", variant, proposal, self._now())

    def never(self, variant: int, ground: tuple[float, ...] | None = None) -> Regime:
        """No offer, now or later."""
        return Regime(
            "never", variant if self._bound_outside(variant) else -1, None, ground or self._now()
        )

    def _bound_outside(self, variant: int) -> bool:
        """Whether hands are bound where there is no deal."""
        return any(b.regime in ("any", "unsigned") for b in self.binds(variant))

    def no_deal(self, variant: int) -> Regime:
        """The disagreement: the offer withdrawn, or the proposal named by `otherwise` instead."""
        proposal = self.variants[variant].proposal
        if proposal is None or proposal.otherwise is None:
            return self.never(variant)
        return Regime("unsigned", variant, self.scenario.proposals[proposal.otherwise], self._now())

    def signed(
        self,
        variant: int,
        proposal: Proposal | None = None,
        ground: tuple[float, ...] | None = None,
    ) -> Regime:
        """The regime in force in the period of signature."""
        proposal = proposal or self.variants[variant].proposal
        if proposal is None:
            raise QuestionError("a variant without a proposal has nothing to sign")
        obligations = self.obligations(proposal)
        return Regime(
            "in_force",
            variant,
            proposal,
            ground or self._now(),
            noticed=(0,) * len(obligations),
            done=(False,) * len(obligations),
        )

    def _now(self) -> tuple[float, ...]:
        return tuple(t.now for t in self.scenario.terms.values())

    def ask(self, regime: Regime) -> Ask | None:
        """The signing stage with which a period begins in this regime, if there is one."""
        p = regime.proposal
        if p is None:
            return None
        if regime.kind == "unsigned" and p.opens <= regime.age <= p.closes:
            no = tuple(self._refused(regime, s) for s in p.signatories)
            return Ask(p.signatories, self.signed(regime.variant, p, regime.ground), no)
        if regime.kind in ("broken", "never") and p.reopens:
            yes = self.signed(regime.variant, p, regime.ground)
            return Ask(p.signatories, yes, (regime,) * len(p.signatories))
        renews = p.renew == "all_sign" and p.lasts is not None
        if regime.kind == "in_force" and renews and self._falls_due(regime):
            ended = self._ended(regime, "expired", None)
            if ended.kind == "unsigned":  # who has just refused is asked again next period
                ended = replace(ended, age=-1)
            if p.remembered.renewal is None:
                return Ask(p.signatories, regime, (ended,) * len(p.signatories))
            no = tuple(self.blamed(ended, s, p.remembered.renewal) for s in p.signatories)
            return Ask(p.signatories, regime, no)
        return None

    def _falls_due(self, regime: Regime) -> bool:
        """Whether the term of a renewable agreement has just run out (never at signature)."""
        p = regime.proposal
        assert p is not None
        assert p.lasts is not None
        return regime.age > 0 and regime.age % p.lasts == 0

    def _refused(self, regime: Regime, party: str) -> Regime:
        """The same period after a refusal: play goes on unsigned, and who refused is known."""
        p = regime.proposal
        assert p is not None
        if regime.age >= p.closes and p.otherwise is None:
            regime = self.never(regime.variant, regime.ground)
        return self.blamed(regime, party, p.remembered.refusal)

    def after(self, regime: Regime, noticed: str | None, fulfilled: frozenset[str]) -> Regime:
        """The regime of the next period, after a noticed breach (or none) and duties fulfilled."""
        p = regime.proposal
        if p is None:
            return regime
        if regime.kind == "never":
            return self._walked(replace(regime, age=regime.age + 1))
        if regime.kind == "unsigned":
            return self._wait(regime)
        done = tuple(
            d or name in fulfilled for d, name in zip(regime.done, p.obligations, strict=True)
        )
        if regime.kind == "in_force":
            counts = regime.noticed
            if noticed is not None:
                k = p.obligations.index(noticed)
                if counts[k] >= self.scenario.obligations[noticed].tolerance:
                    ended = replace(regime, age=regime.age + 1, done=done)
                    return self._ended(ended, "broken", noticed)
                counts = (*counts[:k], counts[k] + 1, *counts[k + 1 :])
            return self._tick(replace(regime, noticed=counts, done=done, age=regime.age + 1))
        return self._settle(replace(regime, age=regime.age + 1, done=done))

    def _wait(self, regime: Regime) -> Regime:
        p = regime.proposal
        assert p is not None
        if regime.age >= p.closes:  # the last chance has passed
            if p.otherwise is not None:
                other = self.scenario.proposals[p.otherwise]
                after = Regime("unsigned", regime.variant, other, regime.ground)
            else:
                after = self.never(regime.variant, regime.ground)
            return replace(after, refused_by=regime.refused_by, fade=regime.fade)
        return replace(regime, age=regime.age + 1)

    def _tick(self, regime: Regime) -> Regime:
        """One period older, forgetting what no longer matters."""
        p = regime.proposal
        assert p is not None
        if p.lasts is not None and p.renew == "none" and regime.age >= p.lasts:
            return self._ended(regime, "expired", None)
        horizon = max([len(s) - 1 for s in self.agreed(p).values()] or [0])
        for o in self.obligations(p):
            if o.by is not None and o.due is None:
                horizon = max(horizon, o.by)
        if p.lasts is not None and p.renew == "none":
            return regime
        if p.lasts is not None and p.renew == "all_sign":
            # old enough: keep only the place in the cycle of renewals
            cycle = p.lasts
            first = cycle * (horizon // cycle + 1)
            age = regime.age if regime.age < first + cycle else first + (regime.age - first) % cycle
            return replace(regime, age=age)
        return replace(regime, age=min(regime.age, horizon))

    def _ended(self, regime: Regime, kind: str, breach: str | None) -> Regime:
        """The agreement ends at `regime.age`: what lapses, what stays, what is walked back."""
        p = regime.proposal
        assert p is not None
        names = list(self.scenario.terms)
        ground = list(regime.ground)
        reached = max(regime.age - 1, 0)
        walks = 0
        for name, schedule in self.agreed(p).items():
            after = self.scenario.terms[name].after
            level = schedule[min(reached, len(schedule) - 1)]
            if after == "stays":
                ground[names.index(name)] = level
            elif after == "reverses" and len(schedule) > 1:
                walks = max(walks, min(reached, len(schedule) - 1))
        if kind == "expired" and p.otherwise is not None:
            other = self.scenario.proposals[p.otherwise]
            return Regime("unsigned", regime.variant, other, tuple(ground))
        ended = Regime(
            kind,
            regime.variant,
            p,
            tuple(ground),
            breach=breach,
            reversing=walks,
        )
        if kind == "broken":
            ended = replace(ended, fade=self.fade(self._breach_remembered(p, breach)))
        done = [False] * len(p.obligations)
        for k, o in enumerate(self.obligations(p)):
            if kind == "broken" and o.by is not None and o.due is None and self._outlives(o, ended):
                done[k] = regime.done[k]
                if not done[k]:
                    ended = replace(ended, lived=max(ended.lived, min(regime.age, o.by)))
        return self._settle(replace(ended, done=tuple(done)))

    def _breach_remembered(self, proposal: Proposal, breach: str | None) -> Formula | None:
        """How long a breach is remembered on average: the duty's own length, or the deal's."""
        assert breach is not None
        own = self.scenario.obligations[breach].remembered
        return proposal.remembered.breach if own is None else own

    def _settle(self, regime: Regime) -> Regime:
        """After the end: forget the age once nothing depends on it."""
        p = regime.proposal
        assert p is not None
        horizon = regime.reversing
        if regime.kind == "broken":
            for o in self.obligations(p):
                if o.by is not None and self._outlives(o, regime):
                    horizon = max(horizon, o.by - (regime.lived if o.due is None else 0))
        regime = replace(regime, age=min(regime.age, horizon))
        free = not any(b.regime in ("any", regime.kind) for b in self.binds(regime.variant))
        if regime.kind == "broken" and regime.fade >= 0:
            free = free and not self._bound_outside(regime.variant)
        if free and not p.reopens:  # what happens now is the same whoever was bound before
            regime = replace(regime, variant=-1)
        return regime

    def binds(self, variant: int) -> tuple[Bind, ...]:
        """The binds of a variant; regimes shared by several variants (-1) have none."""
        return self.variants[variant].binds if variant >= 0 else ()


def indicators(graph: Graph, regime: Regime) -> dict[str, float]:
    """What formulas may read of a regime: names with their value 0 or 1."""
    s = graph.scenario
    unsigned = regime.kind in ("never", "unsigned")
    values = {
        "in_force": regime.kind == "in_force",
        "unsigned": unsigned,
        "expired": regime.kind == "expired",
        "broken": regime.kind == "broken",
    }
    for name in s.obligations:
        values[f"broken.{name}"] = regime.kind == "broken" and regime.breach == name
    for name in s.parties:
        values[f"refused_by.{name}"] = regime.refused_by == name
    return {name: float(v) for name, v in values.items()}


def bound(graph: Graph, regime: Regime) -> Iterator[Bind]:
    """The binds that hold in a regime."""
    kind = "unsigned" if regime.kind == "never" else regime.kind
    binds = [b for b in graph.binds(regime.variant) if b.regime in ("any", kind)]
    owed = {o.name for o in graph.owed(regime)} if any(b.duties for b in binds) else set()
    for b in binds:
        if not b.duties or not owed.isdisjoint(b.duties):
            yield b
