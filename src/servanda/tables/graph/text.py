"""The answers of the graph model as pages of plain text, for a terminal or a string."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servanda.show.marks import clean
from servanda.show.page import Block, Columns, Heading, Paragraph
from servanda.tables.graph.result import SHOWN, listed

if TYPE_CHECKING:
    from servanda.tables.graph.hypergame import Hypergame
    from servanda.tables.graph.inverse import Inverse
    from servanda.tables.graph.report import StateReport
    from servanda.tables.graph.result import Stability
    from servanda.tables.graph.status_quo import StatusQuo

MOST_LINES = 60

HOW = {
    "legal-sequences": "sequences of others' moves in which nobody moves twice running",
    "single": "single countermoves",
    "each-once": "sequences in which each other mover moves at most once",
}


def _some(n: int, one: str) -> str:
    """A number of things, in the singular if it is one."""
    return f"{n} {one}" + ("" if n == 1 else "s")


def stability_page(answer: Stability) -> list[Block]:
    """Equilibria by concept, and the states with what holds at each."""
    conflict = answer.conflict
    names = [clean(m.name) for m in answer.movers]
    blocks: list[Block] = [Paragraph(clean(conflict.title, 200), "bold", 0)]
    forms = f"{_some(len(conflict.options), 'option')}, " if conflict.options else ""
    blocks.append(
        Paragraph(
            f"{_some(len(names), 'decision maker')} ({', '.join(names)}), {forms}"
            f"{conflict.size:,} feasible {'state' if conflict.size == 1 else 'states'}.",
            indent=0,
        )
    )
    blocks.append(Heading("Equilibria", "states that are stable for everybody"))
    rows = tuple(
        (c, f"{len(answer.equilibria(c)):,}", listed(conflict, answer.equilibria(c)))
        for c in answer.concepts
    )
    blocks.append(Columns(("concept", "number", "states"), rows))
    if conflict.size <= SHOWN:
        blocks.append(Heading("States", "E: an equilibrium; otherwise for whom it is unstable"))
        short = [str(k + 1) for k in range(len(names))]
        lines = []
        for s in range(conflict.size):
            row = [str(s + 1), clean(conflict.pattern(s), 24)]
            for c in answer.concepts:
                bad = ~answer.stable.sel(concept=c).values[:, s]
                row.append(",".join(n for n, b in zip(short, bad) if b) or "E")
            lines.append(tuple(row))
        blocks.append(Columns(("", "state", *answer.concepts), tuple(lines)))
        who = ", ".join(f"{k} {name}" for k, name in zip(short, names))
        blocks.append(Paragraph(f"By number: {who}."))
        if conflict.options:
            order = ", ".join(clean(o.name) for o in conflict.options)
            blocks.append(Paragraph(f"Letters of a state, in order: {order}."))
    blocks.append(Paragraph(f"Sanctions: {HOW[answer.sanctions]}."))
    blocks.extend(Paragraph(note) for note in answer.notes)
    return blocks


def report_page(answer: StateReport) -> list[Block]:
    """One state: why it is or is not an equilibrium, and every improvement with its sanctions."""
    blocks: list[Block] = [
        Paragraph(f"{clean(answer.title, 150)}: state {clean(answer.label)}", "bold", 0),
        Heading("Why"),
    ]
    blocks.extend(Paragraph(clean(line, 1200), hang=2) for line in answer.why())
    blocks.append(Heading("Improvements", "moves that somebody would like to make"))
    if not answer.improvements:
        blocks.append(Paragraph("None."))
    for one in answer.improvements[:MOST_LINES]:
        blocks.append(Paragraph(f"{clean(one.by)} to {clean(one.label)}", hang=2))
        for concept, path in one.sanctions.items():
            words = "not sanctioned"
            if path is not None:
                words = "sanctioned: " + ", then ".join(
                    f"{clean(m.by)} to {clean(m.label)}" for m in path
                )
            blocks.append(Paragraph(f"{concept}: {words}", indent=4, hang=2))
    if len(answer.improvements) > MOST_LINES:
        blocks.append(Paragraph(f"and {len(answer.improvements) - MOST_LINES:,} more"))
    return blocks


def inverse_page(answer: Inverse) -> list[Block]:
    """How many rankings make the state an equilibrium, and what they must satisfy."""
    blocks: list[Block] = [
        Paragraph(f"{clean(answer.title, 150)}: state {clean(answer.label)}", "bold", 0),
        Heading("Rankings that make it an equilibrium"),
        Paragraph(
            f"Out of all strict rankings of {', '.join(map(clean, answer.vary))}; the preferences "
            "of the others stay. Counted, not sampled."
        ),
    ]
    rows = tuple(
        (c.concept, _big(c.number), f"of {_big(c.of)}", f"{100 * float(c.share):.4g} %")
        for c in answer.counts
    )
    blocks.append(Columns(("concept", "rankings", "", "share"), rows))
    blocks.append(Heading("What a ranking must satisfy"))
    blocks.extend(Paragraph(clean(line, 400), hang=2) for line in answer.conditions[:MOST_LINES])
    return blocks


def _big(number: int) -> str:
    if number < 10**15:
        return f"{number:,}"
    digits = str(number) if number < 10**4000 else ""
    return f"{digits[0]}.{digits[1:4]}e{len(digits) - 1}" if digits else "over 1e4000"


def status_quo_page(answer: StatusQuo) -> list[Block]:
    """The tree, indented by step."""
    moves = "improvements" if answer.improvements_only else "moves"
    blocks: list[Block] = [
        Paragraph(f"{clean(answer.title, 150)}: from state {answer.start}", "bold", 0),
        Heading("Paths", f"by {moves}, nobody twice running; * improves its mover"),
    ]
    children: dict[int, list[int]] = {}
    for k, node in enumerate(answer.nodes):
        children.setdefault(node.parent, []).append(k)
    stack = [0]
    lines = 0
    while stack and lines < MOST_LINES:
        k = stack.pop()
        node = answer.nodes[k]
        by = f"{clean(node.by)} to " if node.by else ""
        star = " *" if node.improvement else ""
        blocks.append(
            Paragraph(f"{by}{clean(node.label)}{star}", indent=2 + 2 * min(node.step, 20))
        )
        stack.extend(reversed(children.get(k, [])))
        lines += 1
    if len(answer.nodes) > lines:
        blocks.append(Paragraph(f"and {len(answer.nodes) - lines:,} more"))
    return blocks


def hypergame_page(answer: Hypergame) -> list[Block]:
    """Equilibria when each sees its own conflict, and where somebody is in for a surprise."""
    concepts = list(map(str, answer.stable.concept.values))
    blocks: list[Block] = [
        Paragraph(clean(answer.conflict.title, 200), "bold", 0),
        Heading("Equilibria", "each decision maker stable in the conflict that it sees"),
        Columns(
            ("concept", "states"),
            tuple((c, listed(answer.conflict, answer.equilibria(c))) for c in concepts),
        ),
        Heading("What each believes", "states that it takes for equilibria"),
    ]
    rows = tuple(
        (
            clean(name),
            c,
            listed(answer.conflict, answer.believes(c, name)),
            listed(answer.conflict, answer.surprises(c, name)),
        )
        for name in answer.conflict.decision_makers
        for c in concepts
    )
    blocks.append(Columns(("", "concept", "believes", "of these, will not last"), rows))
    return blocks
