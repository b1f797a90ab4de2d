"""What does a person read when a table of points has been analysed?

In: a `PointsAnswer`. Out: one page of plain text: how much room there is, which deals the
bargaining solutions choose, who stands in the way, what to trade, and who holds power.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np

from servanda.show.marks import clean
from servanda.show.page import Block, Columns, Heading, Paragraph
from servanda.tables.points.answer import PointsAnswer, Solution
from servanda.tables.points.branching import chosen_by_branching
from servanda.tables.points.concessions import Path
from servanda.tables.points.load import PathLike, load

ROWS = 12
ACROSS = 7  # parties side by side; more stand one below the other


def figure(x: float) -> str:
    """A utility to six digits; infinities in words."""
    if math.isinf(x):
        return "none" if x < 0 else "never"
    if math.isnan(x):
        return "unknown"
    text = f"{x:.6g}"
    return "0" if text == "-0" else text.replace("-", "−")


def counted(n: int, one: str, more: str = "") -> str:
    """A number of things, in the singular if it is one."""
    return f"{many(n)} {one if n == 1 else more or one + 's'}"


def many(x: float | int) -> str:
    """A number of deals: in full, or to two digits where it is an estimate or huge."""
    if isinstance(x, int):
        return f"{x:,}" if x < 10**15 else f"{float(x):.3g}"
    return f"about {x:.2g}"


def blocks(a: PointsAnswer) -> list[Block]:
    """The page as blocks, section by section."""
    page = [*_table(a), *_room(a), *_solutions(a), *_lotteries(a), *_opposition(a), *_trades(a)]
    return [*page, *_reservations(a), *_power(a), *_foot(a)]


def _table(a: PointsAnswer) -> list[Block]:
    t = a.table
    size = (
        f"{counted(len(t.issues), 'issue')}, {counted(len(t.parties), 'party', 'parties')}, "
        + counted(t.deals, "combination")
        + ("" if not (t.forbidden or t.budgets) else ", not all of which can be made")
        + "."
    )
    out: list[Block] = [Heading(clean(t.title) or "A table of points"), Paragraph(size)]
    if a.time:
        out.append(Paragraph(f"After {a.time:g} periods; utilities are discounted."))
    return out


def _room(a: PointsAnswer) -> list[Block]:
    out: list[Block] = [Heading("Room for a deal")]
    points, ties = len(a.frontier), int(sum(a.front.count.tolist()))
    more = f", reached by {many(ties)} deals" if ties > points else ""
    inside = int(a.acceptable.sum())
    out.append(
        Paragraph(
            f"Pareto frontier: {counted(points, 'point')}{more}; {inside:,} of them acceptable to "
            "all."
        )
    )
    accepted = a.acceptance
    if accepted is not None:
        zone = accepted.zone()
        said = f"Acceptable to all: {many(zone)} of {many(accepted.deals)} deals"
        if not accepted.exact:
            low, high = accepted.interval(float(zone))
            said += f" (95 % between {low:.2g} and {high:.2g})"
        out.append(Paragraph(f"{said}; {accepted.method}."))
        if a.but or a.vetoes:
            need = f"all but {a.but} parties" if a.but else "all parties"
            veto = f", {', '.join(map(clean, a.vetoes))} among them" if a.vetoes else ""
            out.append(
                Paragraph(f"Accepted by {need}{veto}: {many(accepted.zone(a.but, a.vetoes))}.")
            )
    rows = []
    for i, party in enumerate(a.table.parties):
        best = float(a.frontier.values[:, i].max())
        rows.append(
            (
                clean(party.name),
                figure(party.reservation),
                figure(float(a.worst.values[i])),
                figure(best),
                many(accepted.accepted_by(party.name)) if accepted is not None else "",
            )
        )
    out.append(
        Columns(("party", "reservation value", "worst deal", "best deal", "accepts"), tuple(rows))
    )
    return out


def _solutions(a: PointsAnswer) -> list[Block]:
    out: list[Block] = [Heading("Which deal", "efficient, acceptable to all; own units")]
    if not a.solutions:
        out.append(Paragraph("None: no deal gives every party its reservation value."))
        return out
    rows = tuple(
        (s.name, *(figure(float(x)) for x in s.utilities.values[0]), _ties(s))
        for s in a.solutions.values()
    )
    out.append(_by_party(a, rows, "deals"))
    for s in a.solutions.values():
        said = ", ".join(f"{clean(k)} {clean(v)}" for k, v in a.table.say(s.deals[0]).items())
        out.append(Paragraph(f"{s.name}: {said}.", hang=2))
        if len(s.points) > 1:
            out.append(
                Paragraph(f"{len(s.points)} points tie; the first is shown.", "dim", indent=4)
            )
        if s.note:
            out.append(Paragraph(f"{s.note[0].upper()}{s.note[1:]}.", "dim", indent=4))
    return out


def _by_party(a: PointsAnswer, rows: tuple[tuple[str, ...], ...], last: str) -> Columns:
    """A row for each solution; a column for each, where there are too many parties for that."""
    header = ("solution", *map(clean, a.table.names), last)
    if len(a.table.parties) <= ACROSS:
        return Columns(header, rows)
    turned = tuple(zip(header, *rows, strict=True))
    return Columns(("party", *turned[0][1:]), turned[1:])


def _ties(s: Solution) -> str:
    return f"{s.count:,}"


def _lotteries(a: PointsAnswer) -> list[Block]:
    if not a.lotteries:
        return []
    rows = tuple(
        (name, *(figure(float(x)) for x in drawn.utilities), str(len(drawn.deals)))
        for name, drawn in a.lotteries.items()
    )
    return [
        Heading("If lots may be drawn", "expected utilities"),
        _by_party(a, rows, "deals drawn"),
    ]


def _opposition(a: PointsAnswer) -> list[Block]:
    o = a.opposition
    out: list[Block] = [
        Heading("How opposed the parties are"),
        Paragraph(
            f"The nearest deal is {o.distance:.3f} from everybody's best, where {0:d} is no "
            f"opposition and {math.sqrt(len(a.table.parties)):.2f} the most."
        ),
    ]
    if o.correlation is not None and len(a.table.parties) == 2:
        r = float(o.correlation.values[0, 1])
        said = "none, for to somebody all are worth the same" if math.isnan(r) else f"{r:+.2f}"
        out.append(Paragraph(f"Correlation of utilities over all deals: {said}."))
    rows = []
    order = np.argsort(-o.share.values.sum(axis=1), kind="stable")
    for k in order[:ROWS]:
        issue = a.table.issues[int(k)]
        shares = (f"{100 * x:.0f} %" for x in o.share.values[k])
        rows.append((clean(issue.name), *shares, o.kind[issue.name]))
    if len(a.table.parties) <= ACROSS:
        out.append(Columns(("issue", *map(clean, a.table.names), "between them"), tuple(rows)))
    else:
        most = [clean(a.table.names[int(o.share.values[int(k)].argmax())]) for k in order[:ROWS]]
        named = tuple((row[0], who, row[-1]) for row, who in zip(rows, most, strict=True))
        out.append(Columns(("issue", "matters most to", "between them"), named))
    if len(order) > ROWS:
        out.append(Paragraph(f"... and {len(order) - ROWS} issues more.", "dim"))
    return out


def _trades(a: PointsAnswer) -> list[Block]:
    if len(a.table.issues) < 2 or len(a.table.parties) < 2:
        return []
    out: list[Block] = [Heading("What to trade", "against splitting every issue by itself")]
    if not a.trades:
        out.append(Paragraph("No trade of two issues helps two parties without hurting another."))
        return out
    for t in a.trades[:5]:
        out.append(
            Paragraph(
                f"{clean(t.giver)} gives {clean(t.give)} ({clean(t.give_from)} to "
                f"{clean(t.give_to)}) for {clean(t.take)} ({clean(t.take_from)} to "
                f"{clean(t.take_to)}) from {clean(t.receiver)}: "
                + ", ".join(
                    f"{clean(name)} {x:+.4g}".replace("-", "−")
                    for name, x in zip(a.table.names, t.gain, strict=True)
                    if abs(x) > 1e-12
                )
                + ".",
                hang=2,
            )
        )
    return out


def _reservations(a: PointsAnswer) -> list[Block]:
    rows = []
    for c in a.reservation_costs:
        if math.isinf(c.reservation) and c.reservation < 0:
            continue
        slack = "" if c.slack is None else figure(c.slack)
        own, others = "", ""
        if c.effect is not None:
            i = a.table.names.index(c.party)
            own = figure(float(c.effect[i]))
            others = ", ".join(
                f"{clean(name)} {figure(float(x))}"
                for j, (name, x) in enumerate(zip(a.table.names, c.effect, strict=True))
                if j != i and abs(x) > 1e-12
            )
        rows.append(
            (
                clean(c.party),
                "" if c.blocked is None else many(c.blocked),
                slack,
                own,
                others,
            )
        )
    if not rows:
        return []
    return [
        Heading("What each reservation value costs"),
        Columns(
            ("party", "deals it blocks", "could rise by", "gives it", "and others"), tuple(rows)
        ),
        Paragraph(
            "Deals it blocks: acceptable to all others. Could rise by: before no deal is left; "
            "below zero, by how much it alone must fall for there to be one. Gives: Nash's deal "
            "with it, minus without it.",
            "dim",
        ),
    ]


def _power(a: PointsAnswer) -> list[Block]:
    c = a.coalitions
    if c is None:
        return []
    rows = tuple(
        (clean(name), figure(c.shapley[i]), figure(c.least_core[i]), f"{100 * c.power[i]:.0f} %")
        for i, name in enumerate(a.table.names)
    )
    said = (
        "The core is empty."
        if c.core_empty
        else "The core is not empty"
        + (", and the Shapley value is in it." if c.shapley_in_core else ".")
    )
    out: list[Block] = [
        Heading("Power, if utility could be handed over"),
        Columns(("party", "Shapley value", "least core", "power to sign"), rows),
        Paragraph(said),
    ]
    if c.stable is not None:
        out.append(
            Paragraph(
                f"Without transfers, {len(c.stable):,} points of the frontier can be signed and "
                "are left by no coalition able to sign."
            )
        )
    return out


def _tolerance(a: PointsAnswer) -> str:
    """What counts as equal; for which party, where they differ."""
    low, high = int(a.tolerance.argmin()), int(a.tolerance.argmax())
    if a.tolerance[low] == a.tolerance[high]:
        return f"{a.tolerance[low]:.1g}"
    names = [clean(name, 40) for name in a.table.names]
    return f"{a.tolerance[low]:.1g} ({names[low]}) to {a.tolerance[high]:.1g} ({names[high]})"


def _foot(a: PointsAnswer) -> list[Block]:
    out: list[Block] = [Heading("How to read this")]
    out.append(
        Paragraph(
            "Each party's utility is in its own units. Egalitarian, utilitarian and the power "
            "figures suppose that one unit is worth the same to all; Nash and Kalai-Smorodinsky "
            "do not.",
            hang=2,
        )
    )
    out.append(
        Paragraph(
            f"Frontier: {a.front.method}; utilities within {_tolerance(a)} count as equal.",
            hang=2,
        )
    )
    out += [Paragraph(f"Note: {clean(note, 400)}", hang=2) for note in a.notes]
    out.append(Paragraph(f"Servanda {a.version}, table {a.hash}."))
    return out


def path_blocks(a: PointsAnswer, path: Path) -> list[Block]:
    """A path between two deals, moment by moment."""
    names = a.table.names
    rows = [("start", *(figure(float(x)) for x in path.utilities.values[0]))]
    for step, row in zip(path.steps, path.utilities.values[1:], strict=True):
        rows.append((clean(step), *(figure(float(x)) for x in row)))
    said = f"Nobody gives up more than {100 * path.exposure:.0f} % of its range on the way" + (
        f" ({clean(path.exposed)} does)" if path.exposed else ""
    )
    return [
        Heading("The path of smallest concessions"),
        Columns(("step", *map(clean, names)), tuple(rows)),
        Paragraph(f"{said}; at the end it is {100 * path.least:.0f} %."),
    ]


def single(files: Sequence[PathLike], solution: str, time: float, as_json: bool) -> list[str]:
    """One solution by branch and bound, as lines of text or of JSON."""
    table = load(files).at(time)
    found = chosen_by_branching(table, solution)
    if found is None:
        return ["null"] if as_json else ["No deal is acceptable to all."]
    if as_json:
        content = {
            "solution": found.name,
            "deal": table.say(found.deal),
            "utilities": dict(zip(table.names, found.utilities.tolist(), strict=True)),
            "value": found.value,
            "bound": found.bound,
        }
        return json.dumps(content, indent=2, ensure_ascii=False).splitlines()
    lines = [f"{found.name}: value {figure(found.value)}, none above {figure(found.bound)}"]
    lines += [f"  {issue}: {option}" for issue, option in table.say(found.deal).items()]
    lines += [
        f"  to {name}: {figure(float(x))}"
        for name, x in zip(table.names, found.utilities, strict=True)
    ]
    return lines
