"""What stands in a scenario without doing anything?

In comes a scenario that has been read; out go warnings: the file is sound, but something in it
most likely does not mean what its author thinks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from servanda.scenario.document import Document
from servanda.scenario.model import Decision, Obligation, Proposal, Term
from servanda.scenario.names import Names
from servanda.scenario.play import Draft


def warn_unused(document: Document, names: Names) -> None:
    """Warn of every assumption, definition, term, stock and phase that nothing reads."""
    what = {
        "assumption": "assumption",
        "definition": "definition",
        "term": "term",
        "stock": "stock",
    }
    for name, kind in names.kinds.items():
        if kind in what and name not in names.used:
            document.report(
                names.places[name],
                f"nothing uses the {what[kind]} '{name}'",
                on_key=True,
                severity="warning",
            )
    for phase, (kind_of, path) in names.owners.items():
        if kind_of == "phase" and not names.used.intersection(names.wholes[phase]):
            document.report(
                path, f"nothing uses the phase '{phase}'", on_key=True, severity="warning"
            )


def warn_idle(
    document: Document,
    names: Names,
    decisions: Sequence[Decision],
    drafts: Sequence[Draft],
    obligations: Mapping[str, Obligation],
) -> None:
    """Warn of decisions that no formula reads and no obligation binds."""
    bound = {decisions[d].key for o in obligations.values() for d, _ in o.options}
    for draft in drafts:
        read = names.used.intersection(draft.bare().indicators)
        if not read and draft.key not in bound and len(draft.options) > 1:
            document.report(
                draft.path,
                f"nothing depends on what '{draft.key}' decides",
                on_key=True,
                severity="warning",
            )


def warn_indifferent(
    document: Document, interests: Mapping[str, Mapping[str, object]], drafts: Sequence[Draft]
) -> None:
    """Warn of parties that choose but care for nothing."""
    for party in dict.fromkeys(draft.party for draft in drafts):
        if not interests[party]:
            document.report(
                ("parties", party),
                f"'{party}' chooses but has no interests, so it chooses by chance",
                on_key=True,
                severity="warning",
            )


def warn_empty_deals(
    document: Document,
    proposals: Mapping[str, Proposal],
    terms: Mapping[str, Term],
    obligations: Mapping[str, Obligation],
) -> None:
    """Warn of deals that change nothing, and of obligations that can never fall due."""
    for name, obligation in obligations.items():
        if obligation.due is not None and not obligation.survives:
            document.report(
                ("obligations", name, "due"),
                f"obligations.{name} falls due on a breach, but ends with the deal that is broken: "
                "it never binds without 'survives: true'",
                on_key=True,
                severity="warning",
            )
    for name, proposal in proposals.items():
        kept = all(proposal.terms[term] == (terms[term].now,) for term in terms)
        # an earlier deal may have left a term elsewhere
        kept &= not any(terms[term].after == "stays" for term in proposal.stated if term in terms)
        if kept and not proposal.obligations:
            document.report(
                ("proposals", name),
                f"proposals.{name} changes no term and binds nobody",
                on_key=True,
                severity="warning",
            )
        for duty in proposal.obligations:
            due = obligations[duty].due
            if due is not None and due not in proposal.obligations:
                document.report(
                    ("proposals", name, "obligations"),
                    f"'{duty}' falls due on a breach of '{due}', which proposals.{name} leaves out",
                    on_key=True,
                    severity="warning",
                )


def warn_unread_memory(
    document: Document,
    names: Names,
    proposals: Mapping[str, Proposal],
    obligations: Mapping[str, Obligation],
) -> None:
    """Warn of lengths of memory for what nothing depends on."""

    def matters(duty: str) -> bool:
        """Whether anything depends on this breach being remembered."""
        outlive = (o.survives for o in obligations.values())
        return any(outlive) or not names.used.isdisjoint({"broken", "unsigned", f"broken.{duty}"})

    def warn(path: tuple[str, ...], what: str, reads: str) -> None:
        document.report(
            path,
            f"{'.'.join(path)}: nothing depends on {what}; {reads}",
            on_key=True,
            severity="warning",
        )

    for name, obligation in obligations.items():
        if obligation.remembered is not None and not matters(name):
            path = ("obligations", name, "remembered")
            warn(path, "its breach being remembered", f"no formula reads broken.{name}")
    for name, proposal in proposals.items():
        path, memory = ("proposals", name, "remembered"), proposal.remembered
        refusals = any(f"refused_by.{p}" in names.used for p in proposal.signatories)
        breaches = any(matters(duty) for duty in proposal.obligations)
        if memory.refusal is not None and memory.refusal is memory.breach:  # one number for both
            if not refusals and not breaches:
                warn(path, "who refused or broke it", "no formula reads refused_by or broken")
            continue
        for matter, length, read, word in (
            ("refusal", memory.refusal, refusals, "refused_by of who signs"),
            ("renewal", memory.renewal, refusals, "refused_by of who signs"),
            ("breach", memory.breach, breaches, "broken"),
        ):
            if length is not None and not read:
                warn((*path, matter), f"a {matter} being remembered", f"no formula reads {word}")
