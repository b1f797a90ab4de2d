"""What does the deal say, in one sentence: who gives what, in return for what, and what if not?

In: a scenario and a proposal. Out: plain English, made from the labels of obligations and terms.
"""

from __future__ import annotations

from servanda.scenario.model import Obligation, Proposal, Scenario, Term

WORDS = {"day": "days", "week": "weeks", "month": "months", "quarter": "quarters", "year": "years"}


def net_exchange(
    scenario: Scenario, proposal: Proposal, bound: list[Obligation], fallen_due: list[Obligation]
) -> str:
    """The exchange as seen before anything is valued: duties, terms given, time, sanction."""
    proposer = proposal.proposer
    # what others must do first, what the proposer does in return last
    own = [o for o in bound if o.party == proposer]
    others = [o for o in bound if o.party != proposer]
    given = _terms_without_duty(scenario, proposal, bound + fallen_due)
    parts = []
    if own and others:
        parts.append(f"in return for this: {_join(own)}, {_join(others)}")
    elif own or others:
        parts.append(_join(own or others))
    if given:
        parts.append("the terms: " + "; ".join(given))
    parts.append(_duration(scenario, proposal))
    parts += _after_a_breach(bound, fallen_due)
    text = "; ".join(parts)
    if text.startswith("in return for this: "):
        body = text.removeprefix("in return for this: ")
        text = body.replace(f"{_join(own)}, ", f"{_join(own)}; in return, ", 1)
    return text[0].upper() + text[1:] + "."


def _after_a_breach(bound: list[Obligation], fallen_due: list[Obligation]) -> list[str]:
    """What falls due on which breach, and what goes on binding."""
    by_cause: dict[str, list[Obligation]] = {}
    for o in fallen_due:
        by_cause.setdefault(str(o.due), []).append(o)
    each = {_join(found) for found in by_cause.values()}
    if not by_cause:
        said = ["if it is broken, nothing falls due"]
    elif len(each) == 1 and by_cause.keys() >= {o.name for o in bound}:
        said = [f"if it is broken: {each.pop()}"]
    else:
        label = {o.name: _join([o]) for o in bound}
        said = [
            f"if this is not kept ({label.get(cause, cause.replace('_', ' '))}): {_join(found)}"
            for cause, found in by_cause.items()
        ]
        if by_cause.keys() < label.keys():
            said.append("if anything else is not kept, nothing falls due")
    lasting = [o for o in bound if o.survives]
    return said + ([f"even after a breach: {_join(lasting)}"] if lasting else [])


def called(x: Obligation | Term) -> str:
    """The label of a duty or term, or its name in words if it has none."""
    return x.label if x.label and x.label != x.name else x.name.replace("_", " ")


def _join(obligations: list[Obligation]) -> str:
    labels = [called(o) for o in obligations]
    if len(labels) == 1:
        return labels[0]
    return ", ".join(labels[:-1]) + " and " + labels[-1]


def _terms_without_duty(
    scenario: Scenario, proposal: Proposal, bound: list[Obligation]
) -> list[str]:
    """Changed terms that no listed obligation already says."""
    said = set().union(*(o.while_.names for o in bound if o.while_ is not None))
    found = []
    for name, level in proposal.levels.items():
        if name in said or set(proposal.terms[name]) == {scenario.terms[name].now}:
            continue
        found.append(f"{called(scenario.terms[name])} ({level.replace('_', ' ')})")
    return found


def _duration(scenario: Scenario, proposal: Proposal) -> str:
    if proposal.lasts is None:
        return "without end"
    unit = scenario.period if proposal.lasts == 1 else WORDS[scenario.period]
    count = f"for {proposal.lasts} {unit}"
    if proposal.renew == "all_sign":
        return f"{count}, and again only if all sign"
    return f"{count}, renewed automatically" if proposal.renew == "automatic" else count
