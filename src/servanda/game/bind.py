"""The same game with somebody's hands bound.

From this one primitive come the sham test, the created problem, an ally that leaves and a divided
alliance: some options of one decision are masked, in one kind of regime or in all.
"""

from __future__ import annotations

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
    """Take from the parties every option with which they could break the given obligations."""
    closed: dict[int, set[int]] = {}
    for o in obligations:
        for d, option in o.options:
            every = set(range(len(scenario.decisions[d].options)))
            lost = {option} if o.kind == "never" else every - {option}
            closed.setdefault(d, set()).update(lost)
    binds = []
    for d, lost in sorted(closed.items()):
        decision = scenario.decisions[d]
        kept = tuple(o for k, o in enumerate(decision.options) if k not in lost)
        if kept:
            binds.append(Bind(decision.party, decision.key, kept, regime))
    return tuple(binds)
