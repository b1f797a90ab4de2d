"""How much of an offer is only the end of a harm that the asker does?

In: a proposal. Out: the same proposal in which only the asker's own duties bind, kept for sure, and
nothing is asked in return. What it is worth to the others, against no deal, is what they would gain
if the asker simply stopped: the created problem.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from servanda.scenario.formulas import parse_formula
from servanda.scenario.model import Obligation, Proposal, Scenario

SURE = "__sure"
"""What the names of duties that are kept for sure end in."""


@dataclass(frozen=True)
class Unasked:
    """The offer without what it asks for, in a scenario that knows its duties."""

    scenario: Scenario
    proposal: Proposal
    asker: str
    duties: tuple[Obligation, ...]  # those of the asker, as the scenario has them


def unasked(scenario: Scenario, proposal: Proposal, duties: list[Obligation]) -> Unasked | None:
    """The offer with nothing asked in return; None where the asker gives up no harm.

    `duties` bind while the deal is in force. Of its terms only those are left that the asker's own
    duties read under `while`.
    """
    asker = proposal.proposer
    own = [o for o in duties if o.party == asker and o.due is None]
    if asker is None or not any(o.kind == "never" for o in own):
        return None
    nought = parse_formula("0")
    sure = {
        o.name + SURE: replace(
            o, name=o.name + SURE, false_alarm=nought, tolerance=0, survives=False
        )
        for o in own
    }
    given = {name for o in own if o.while_ is not None for name in o.while_.names}
    terms = {
        name: levels if name in given else (scenario.terms[name].now,)
        for name, levels in proposal.terms.items()
    }
    offer = replace(
        proposal,
        name=f"{proposal.name}-unasked",
        terms=terms,
        levels={n: level for n, level in proposal.levels.items() if n in given},
        stated=tuple(n for n in proposal.stated if n in given),
        obligations=tuple(sure),
    )
    more = replace(scenario, obligations=scenario.obligations | sure)
    return Unasked(more, offer, asker, tuple(own))
