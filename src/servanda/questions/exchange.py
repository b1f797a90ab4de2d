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
    given = _changed_terms(scenario, proposal)
    parts = []
    words = {o.name: duty_in_words(scenario, o) for o in (*bound, *fallen_due)}
    if own and others:
        parts.append(f"{_join(own, words)}; in return, {_join(others, words)}")
    elif own or others:
        parts.append(_join(own or others, words))
    if given:
        parts.append("the terms: " + "; ".join(given))
    parts.append(_duration(scenario, proposal))
    parts += _after_a_breach(bound, fallen_due, words)
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def duty_in_words(scenario: Scenario, duty: Obligation) -> str:
    """Its label; without one who may not, or has to, choose what: "South never chooses to raid"."""
    if duty.label and duty.label != duty.name:
        return duty.label
    who = scenario.parties[duty.party].label or duty.party.replace("_", " ")
    options = []
    for d, k in duty.options:
        decision = scenario.decisions[d]
        option = decision.options[k]
        label = decision.labels[k] if decision.labels else option
        options.append(f'"{option.replace("_", " ") if label == option else label}"')
    what = " or ".join(options)
    if duty.kind == "never":
        return f"{who} never chooses {what}"
    when = "always" if duty.by is None else ""
    by = "" if duty.by is None else f" by {scenario.period} {duty.by}"
    return " ".join(filter(None, (who, when, f"chooses {what}{by}")))


def _after_a_breach(
    bound: list[Obligation], fallen_due: list[Obligation], words: dict[str, str]
) -> list[str]:
    """What falls due on which breach, and what goes on binding."""
    by_cause: dict[str, list[Obligation]] = {}
    for o in fallen_due:
        by_cause.setdefault(str(o.due), []).append(o)
    each = {_join(found, words) for found in by_cause.values()}
    if not by_cause:
        said = ["if it is broken, nothing falls due"]
    elif len(each) == 1 and by_cause.keys() >= {o.name for o in bound}:
        said = [f"if it is broken: {each.pop()}"]
    else:
        said = [
            f"if this is not kept ({words.get(cause, cause.replace('_', ' '))}): "
            f"{_join(found, words)}"
            for cause, found in by_cause.items()
        ]
        if by_cause.keys() < {o.name for o in bound}:
            said.append("if anything else is not kept, nothing falls due")
    lasting = [o for o in bound if o.survives]
    return said + ([f"even after a breach: {_join(lasting, words)}"] if lasting else [])


def called(x: Obligation | Term) -> str:
    """The label of a duty or term, or its name in words if it has none."""
    return x.label if x.label and x.label != x.name else x.name.replace("_", " ")


def _join(obligations: list[Obligation], words: dict[str, str]) -> str:
    labels = [words[o.name] for o in obligations]
    if len(labels) == 1:
        return labels[0]
    return ", ".join(labels[:-1]) + " and " + labels[-1]


def _changed_terms(scenario: Scenario, proposal: Proposal) -> list[str]:
    """The terms that the deal changes, with their levels; also those that only a duty reads."""
    found = []
    for name, level in proposal.levels.items():
        if set(proposal.terms[name]) == {scenario.terms[name].now}:
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
