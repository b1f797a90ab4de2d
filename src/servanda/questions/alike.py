"""What becomes of thousands of deals that differ only in their terms?

In: a scenario and proposals that share a life (signatories, duration, renewal, obligations). Out:
worth, signing and keeping of any (deal, world) pair. Deals with the same pattern of duties are one
game whose terms are numbers given with the assumptions, so that it is compiled once and not once a
deal: in place of a term the game knows its age, 0 before the deal and k + 1 in its k-th period, and
formulas read the number that belongs to that age.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from servanda.game.batch import Program, Progress, stakes
from servanda.game.build import build
from servanda.game.grid import CENTRAL
from servanda.game.method import make_method
from servanda.game.regimes import Variant
from servanda.game.size import refuse_if_too_large
from servanda.questions.in_chunks import (
    PER_CHUNK,
    Rows,
    columns_of,
    digest,
    figure_of,
    in_chunks,
)
from servanda.questions.outcomes import Offers, Outcomes, Wanted, keeping
from servanda.runs import Chunk
from servanda.scenario.formulas import Formula, evaluate, parse_formula, substitute
from servanda.scenario.model import Proposal, Scenario, Term

if TYPE_CHECKING:
    import pandas as pd

MANY = 256
"""From so many pairs on chunks are four times as large, so that there are fewer files."""

Pairs = Int[np.ndarray, "row 2"]
"""Rows of (deal, world)."""


@dataclass(frozen=True)
class Figures:
    """What becomes of deals in worlds, a row for each pair.

    `worth` and `signing` are [row, party] (signing given that all others sign, NaN: not asked),
    `joint`, `survival`, `broken` and `accused` [row]: that all sign, that the deal is in force,
    that it has been broken, and the part of this that was a false alarm, at the period asked about;
    `unaccused` and `kept` [row]: that the deal is in force, and that it has not been broken, if
    nobody is ever wrongly accused.
    """

    worth: Float[np.ndarray, "row party"]
    signing: Float[np.ndarray, "row party"]
    joint: Float[np.ndarray, "row"]
    survival: Float[np.ndarray, "row"]
    broken: Float[np.ndarray, "row"]
    accused: Float[np.ndarray, "row"]
    unaccused: Float[np.ndarray, "row"]
    kept: Float[np.ndarray, "row"]


@dataclass
class Deals:
    """Deals ready to be solved: `run` any pairs of them and worlds, in any order, any number of
    times. What has been compiled is kept."""

    scenario: Scenario
    like: Proposal
    levels: tuple[int, ...]
    period: int
    paths: int
    seed: int
    offers: dict[object, Offers] = field(default_factory=dict)
    solves: int = 0

    def run(
        self,
        deals: Sequence[Proposal],
        pairs: Pairs,
        values: Float[np.ndarray, "world assumption"],
        progress: Progress | None = None,
        pool: Executor | None = None,
        folder: Path | None = None,
        lots: Int[np.ndarray, " world"] | None = None,
    ) -> Figures:
        """The figures of every pair of a deal and a world; `folder` keeps what is finished.

        `lots` say which grid and random numbers each world has, by default the central ones.
        """
        lots = np.full(len(values), CENTRAL) if lots is None else lots
        kinds = {int(d): pattern(self.scenario, deals[int(d)]) for d in np.unique(pairs[:, 0])}
        groups: dict[object, list[int]] = {}
        for row, (deal, _) in enumerate(pairs):
            groups.setdefault(kinds[int(deal)], []).append(row)
        ages = self.ages(deals)
        solved = [
            self._group(deals, pairs[rows], values, lots, kind, ages)
            for kind, rows in groups.items()
        ]
        order = np.concatenate([np.array(rows) for rows in groups.values()])
        ends = np.cumsum([len(rows) for rows in groups.values()])
        job = {
            "what": "deals",
            "figures": [f.name for f in fields(Figures)],
            "hash": self.scenario.hash,
            "like": self.like.name,
            "deals": digest(repr([deals[d] for d in kinds])),
            "pairs": digest(pairs, lots, *(rows.values for _, rows in solved)),
            "levels": list(self.levels),
            "period": self.period,
            "paths": self.paths,
            "seed": self.seed,
        }

        def work(chunk: Chunk) -> pd.DataFrame:
            """Some rows in the order of the groups, perhaps of several."""
            import pandas as pd

            first, last = chunk.worlds
            parts = []
            for (offers, rows), end in zip(solved, ends, strict=True):
                start = end - len(rows.values)
                low, high = max(first, start), min(last, end)
                if low < high:
                    out = rows.solve(int(low - start), int(high - start))
                    parts.append(self._rows(offers.read(out), pairs[order[low:high]]))
            return pd.concat(parts, ignore_index=True)

        table = in_chunks(
            job,
            work,
            cells=1,
            rows=len(pairs),
            folder=folder,
            pool=pool,
            progress=progress,
            per_chunk=PER_CHUNK if len(pairs) < MANY else 4 * PER_CHUNK,
        )
        self.solves += len(pairs)
        frames, back = list(table.batches()), np.argsort(order)
        names = [f.name for f in fields(Figures)]
        return Figures(**{n: figure_of(frames, n, self._labels(n))[back] for n in names})

    def _group(
        self,
        deals: Sequence[Proposal],
        pairs: Pairs,
        values: Float[np.ndarray, "world assumption"],
        lots: Int[np.ndarray, " world"],
        kind: object,
        ages: tuple[int, ...],
    ) -> tuple[Offers, Rows]:
        """The game of deals of one pattern, and the rows it is solved with."""
        key = (kind, ages)
        if key not in self.offers:
            first = deals[int(pairs[0, 0])]
            self.offers[key] = template(
                self.scenario, first, ages, self.levels, self.paths, self.seed
            )
        agreed = np.array([numbers(self.scenario, deals[int(d)], ages) for d in pairs[:, 0]])
        theta = np.concatenate([values[pairs[:, 1]], agreed], axis=1)
        return self.offers[key], Rows(self.offers[key].program, theta, theta, lots[pairs[:, 1]])

    def _rows(self, out: Outcomes, pairs: Pairs) -> pd.DataFrame:
        """A row for every pair."""
        import pandas as pd

        figures = Figures(
            worth=out.worth.values[:, 0],
            signing=out.signing.values[:, 0],
            joint=out.joint.values[:, 0],
            survival=out.survival.values[:, 0, self.period],
            broken=out.broken.values[:, 0, self.period].sum(axis=-1),
            accused=out.accused.values[:, 0, self.period].sum(axis=-1),
            unaccused=out.unaccused.values[:, 0, self.period],
            kept=1.0 - out.unaccused_broken.values[:, 0, self.period].sum(axis=-1),
        )
        columns: dict[str, object] = {"deal": pairs[:, 0], "world": pairs[:, 1]}
        for f in fields(Figures):
            columns |= columns_of(f.name, getattr(figures, f.name), self._labels(f.name))
        return pd.DataFrame(columns)

    def _labels(self, figure: str) -> list[str] | None:
        return list(self.scenario.parties) if figure in ("worth", "signing") else None

    def ages(self, deals: Sequence[Proposal]) -> tuple[int, ...]:
        """How many periods of each term's list have to be told apart."""
        terms = self.scenario.terms
        return tuple(
            max(
                [len(values) for values in terms[name].levels.values()]
                + [len(d.terms[name]) for d in deals]
            )
            for name in terms
        )


def pattern(scenario: Scenario, deal: Proposal) -> object:
    """What may not differ between deals of one game: which duties bind, at every age.

    With another proposal to follow, what a term was at the end can matter to the duties of that:
    then deals of one game have the same terms wherever a duty reads them.
    """
    fixed = tuple((n, deal.terms[n]) for n in sorted(_conditioning(scenario)))
    readers = [scenario.obligations[name] for name in deal.obligations]
    read = sorted(n for o in readers if o.while_ is not None for n in o.while_.names)
    if deal.otherwise is not None or any(scenario.terms[n].after == "reverses" for n in read):
        return fixed, tuple((n, deal.terms[n]) for n in read)
    longest = max([len(deal.terms[n]) for n in read] or [1])
    held = []
    for o in readers:
        if o.while_ is None:
            continue
        for age in range(longest):
            env = {n: deal.terms[n][min(age, len(deal.terms[n]) - 1)] for n in o.while_.names}
            held.append((o.name, age, float(evaluate(o.while_, env, np)) > 0))
    return fixed, tuple(held)


def _conditioning(scenario: Scenario) -> frozenset[str]:
    """The terms that conditions on moves read, apart from stocks and assumptions.

    Such a condition is settled when the game is built, and saves all moves that it rules out.
    """
    return frozenset().union(*(f.names for f in _conditions(scenario))) & scenario.terms.keys()


def _conditions(scenario: Scenario) -> list[Formula]:
    game_free = scenario.stocks.keys() | scenario.assumptions.keys() | scenario.let.keys()
    moves = [i for d in scenario.decisions for i in d.indicators]
    every = [f for d in scenario.decisions for f in (d.when, *d.option_when) if f is not None]
    return [f for f in every if not f.names & (game_free | set(moves) | {"period"})]


def numbers(
    scenario: Scenario, deal: Proposal, ages: tuple[int, ...]
) -> Float[np.ndarray, "number"]:
    """What a deal says of every term, age by age, in the order of `given`."""
    found = [
        deal.terms[name][min(k, len(deal.terms[name]) - 1)]
        for name, count in zip(scenario.terms, ages, strict=True)
        for k in range(count)
    ]
    return np.array(found, float)


def given(scenario: Scenario, ages: tuple[int, ...]) -> tuple[str, ...]:
    """The names of the numbers that a game of many deals is given."""
    return tuple(
        f"{name}__{k + 1}"
        for name, count in zip(scenario.terms, ages, strict=True)
        for k in range(count)
    )


def template(
    scenario: Scenario,
    deal: Proposal,
    ages: tuple[int, ...],
    levels: tuple[int, ...],
    paths: int,
    seed: int,
) -> Offers:
    """The one game of all deals with this deal's pattern.

    Raises QuestionError if the game does not fit on this machine.
    """
    general, offer = with_given_terms(scenario, deal, ages)
    game = build(general, [Variant(offer)])
    refuse_if_too_large(game, levels)
    signed = (game.roots[0]["signed"],)
    names = (*scenario.assumptions, *given(scenario, ages))
    program = Program(
        game,
        make_method(general, levels),
        stakes(scenario),
        names,
        (keeping(general, signed),),
        paths,
        seed,
        True,
    )
    return Offers((offer,), program, (), Wanted(paths=paths))


def with_given_terms(
    scenario: Scenario, deal: Proposal, ages: tuple[int, ...]
) -> tuple[Scenario, Proposal]:
    """The same scenario with ages for terms, and the deal in it.

    What duties and settled conditions read stays a term of its own, with this deal's numbers: they
    decide which regimes there are, not what they are worth.
    """
    chain = _chain(scenario, deal)
    other: dict[str, list[float]] = {name: [] for name in scenario.terms}
    terms: dict[str, Term] = {}
    words: dict[str, Formula] = {}
    duty = {name: parse_formula(f"{name}__duty") for name in scenario.terms}
    for (name, term), count in zip(scenario.terms.items(), ages, strict=True):
        for p in chain:
            other[name] += [x for x in p.terms[name] if x != term.now and x not in other[name]]
        parts = [f"({term.now!r})*({name}__age == 0)"]
        parts += [f"{name}__{k + 1}*({name}__age == {k + 1})" for k in range(count)]
        parts += [
            f"({x!r})*({name}__age == {count + 1 + j})" for j, x in enumerate(other[name])
        ]  # fmt: skip
        words[name] = parse_formula(" + ".join(parts))
        aged = replace(term, name=f"{name}__age", levels={}, range=None, now=0.0)
        terms[aged.name] = aged
        terms[f"{name}__duty"] = replace(term, name=f"{name}__duty")

    def said(p: Proposal, own: bool) -> Proposal:
        schedule: dict[str, tuple[float, ...]] = {}
        for (name, term), count in zip(scenario.terms.items(), ages, strict=True):
            if own:
                schedule[f"{name}__age"] = tuple(float(k + 1) for k in range(count))
            else:
                schedule[f"{name}__age"] = tuple(
                    0.0 if x == term.now else float(count + 1 + other[name].index(x))
                    for x in p.terms[name]
                )
            schedule[f"{name}__duty"] = p.terms[name]
        return replace(p, terms=schedule)

    obligations = {
        name: o if o.while_ is None else replace(o, while_=substitute(o.while_, duty))
        for name, o in scenario.obligations.items()
    }
    settled = {id(f) for f in _conditions(scenario)}

    def condition(f: Formula | None) -> Formula | None:
        return f if f is None or id(f) not in settled else substitute(f, duty)

    decisions = tuple(
        replace(d, when=condition(d.when), option_when=tuple(map(condition, d.option_when)))
        for d in scenario.decisions
    )
    general = replace(
        scenario,
        decisions=decisions,
        terms=terms,
        let=words | scenario.let,
        obligations=obligations,
        proposals={p.name: said(p, own=False) for p in chain},
    )
    return general, said(deal, own=True)


def _chain(scenario: Scenario, deal: Proposal) -> list[Proposal]:
    """The proposals that can come after a deal."""
    found: list[Proposal] = []
    following = deal.otherwise
    while following is not None:
        found.append(scenario.proposals[following])
        following = found[-1].otherwise
    return found
