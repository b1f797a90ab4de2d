"""The same game with somebody's hands bound.

From this one primitive come the sham test, the created problem, an ally that leaves and a divided
alliance: some options of one decision are masked, in one kind of regime or in all.
"""

from __future__ import annotations

from collections.abc import Sequence

from servanda.errors import QuestionError, unknown
from servanda.game.regimes import Bind
from servanda.scenario.model import Obligation, Scenario

REGIMES = ("any", "unsigned", "in_force", "broken", "expired")


def bind(
    scenario: Scenario,
    party: str,
    decision: str | None = None,
    options: tuple[str, ...] | list[str] = (),
    regime: str = "any",
) -> Bind:
    """Leave a party only `options` of a decision while the regime is `regime`.

    `decision` is the name after the party ("support"), or None for a party's only decision. Raises
    QuestionError for unknown names.
    """
    if party not in scenario.parties:
        raise unknown("party", party, scenario.parties)
    own = {d.key: d for d in scenario.decisions if d.party == party}
    if decision is None and len(own) == 1:
        key = next(iter(own))
    else:
        key = party if not decision else f"{party}.{decision.removeprefix(party + '.')}"
    if key not in own:
        raise unknown("decision", key, own)
    for option in options:
        if option not in own[key].options:
            raise unknown(f"option of {key}", option, own[key].options)
    if not options:
        raise QuestionError(f"binding {key} must leave at least one option open")
    if regime not in REGIMES:
        raise unknown("regime", regime, REGIMES)
    return Bind(party, key, tuple(options), regime)


def bind_to_obligations(
    scenario: Scenario, obligations: list[Obligation], regime: str
) -> tuple[Bind, ...]:
    """Take from the parties every option with which they could break the given obligations.

    While a deal is "in_force" that is where these bind: not before a duty's date, nor after the
    terms have let go of it. In "any" regime it is everywhere.
    """
    binds = []
    for o in obligations:
        for d in sorted({d for d, _ in o.options}):
            named = {option for e, option in o.options if e == d}
            decision = scenario.decisions[d]
            met = o.kind == "must"
            kept = tuple(x for k, x in enumerate(decision.options) if (k in named) == met)
            if kept:
                duties = (o.name,) if regime == "in_force" else ()
                binds.append(Bind(decision.party, decision.key, kept, regime, duties))
    return tuple(binds)


def bind_to_breach(scenario: Scenario, obligations: Sequence[Obligation]) -> tuple[Bind, ...]:
    """Leave parties only the options that break the given obligations, while a deal is in force.

    Of a decision that several are about, those that break all; failing that, those that break the
    first. Hands are bound only where one of them binds.
    """
    breach: dict[int, set[int]] = {}
    for o in obligations:
        for d in {d for d, _ in o.options}:
            named = {option for e, option in o.options if e == d}
            every = set(range(len(scenario.decisions[d].options)))
            wrong = named if o.kind == "never" else every - named
            breach[d] = breach.get(d, every) & wrong or breach.get(d, wrong)
    found = []
    for d, options in sorted(breach.items()):
        decision = scenario.decisions[d]
        kept = tuple(name for k, name in enumerate(decision.options) if k in options)
        if kept:
            names = tuple(o.name for o in obligations if any(e == d for e, _ in o.options))
            found.append(Bind(decision.party, decision.key, kept, "in_force", names))
    return tuple(found)


def bind_aside(scenario: Scenario, party: str) -> tuple[Bind, ...]:
    """Bind every decision of a party to its first option, in any regime: it stands aside."""
    own = [d for d in scenario.decisions if d.party == party]
    return tuple(bind(scenario, party, d.name, (d.options[0],), "any") for d in own)
