"""Inverse analysis: which preferences make a state an equilibrium, and how many, counted exactly.

The rankings of some decision makers vary over all n! strict rankings of the n states; the others
keep theirs. Whether i is stable at s hangs only on A, the set of states that i ranks above s:

- Nash: i is unstable iff some t it can move to is in A;
- GMR and i's own SEQ: iff for some such t all of C(t) = {t} and what the others reach from t is in
  A. Inclusion and exclusion over unions of the C(t) count the sets A for which none is;
- SMR: iff for some such t, t is in A and so is, for every x that the others reach from t, x itself
  or something that i reaches from x. The sets A are counted by blocks of states alike.

Sets A are counted by size: k of w states above s and the others below it stand so in k! (w − k)!
orders out of (w + 1)!.

The stability of one does not hang on the ranking of another, save for SEQ, where sanctions must be
credible: there the orders of the states concerned are gone through, and equal cases counted once.

Source of the problem: Kinsara, Petersons, Hipel and Kilgour, J. Decision Systems 24 (2015); the
counts here are our own and exact.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import numpy as np

from servanda import __version__
from servanda.errors import QuestionError, unknown
from servanda.tables.graph.basic import BASIC, SANCTIONS
from servanda.tables.graph.model import Conflict
from servanda.tables.graph.relations import movers

Array = np.ndarray

MAX_STATES: Final = 2_000
MAX_WRITTEN: Final = 10**4000  # larger numbers are not written out
MAX_UNIONS: Final = 200_000
MAX_BLOCKS: Final = 22  # groups of states of which all subsets are gone through
MAX_ORDERS: Final = 300_000  # partial orders of states that are kept at once
MAX_CASES: Final = 20_000
MAX_REACHED: Final = 5_000


@dataclass(frozen=True)
class Count:
    """How many profiles of rankings make the state an equilibrium by one concept."""

    concept: str
    number: int
    of: int
    by: dict[str, int]  # for each who varies: its own rankings that make it stable (not SEQ)

    @property
    def share(self) -> Fraction:
        """The share of all profiles."""
        return Fraction(self.number, self.of)


@dataclass(frozen=True)
class Inverse:
    """Counts by concept, and in words what a ranking must satisfy."""

    title: str
    state: int
    label: str
    vary: tuple[str, ...]
    counts: tuple[Count, ...]
    conditions: tuple[str, ...]
    hash: str = ""
    version: str = field(default=__version__)

    def count(self, concept: str) -> int:
        """The number of profiles by one concept.

        Raises:
            QuestionError: the concept was not asked for.
        """
        for one in self.counts:
            if one.concept == concept:
                return one.number
        raise unknown("concept of this analysis", concept, [c.concept for c in self.counts])

    def to_dataframe(self) -> Any:
        """One row per concept: number, of how many, share."""
        import pandas as pd

        rows = [
            {"concept": c.concept, "number": c.number, "of": c.of, "share": float(c.share)}
            for c in self.counts
        ]
        return pd.DataFrame(rows).set_index("concept")

    def to_json(self) -> str:
        """The counts as text, so that none loses a digit; null above 4,000 digits."""
        answer = {
            "title": self.title,
            "hash": self.hash,
            "version": self.version,
            "state": self.state,
            "vary": list(self.vary),
            "counts": {
                c.concept: {
                    "number": str(c.number) if c.of < MAX_WRITTEN else None,
                    "of": str(c.of) if c.of < MAX_WRITTEN else None,
                    "share": float(c.share),
                }
                for c in self.counts
            },
            "conditions": list(self.conditions),
        }
        return json.dumps(answer, indent=2, ensure_ascii=False)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"

    def __str__(self) -> str:
        from servanda.show.page import as_text
        from servanda.tables.graph.text import inverse_page

        return as_text(inverse_page(self))


def inverse(
    conflict: Conflict,
    state: Any,
    vary: Sequence[str] = (),
    concepts: Sequence[str] = BASIC,
    *,
    sanctions: str = "legal-sequences",
) -> Inverse:
    """How many strict rankings of those who vary make the state an equilibrium.

    Args:
        conflict: what `load` gives.
        state: its number from 1, or its pattern.
        vary: whose rankings vary; by default everybody's.
        concepts: of Nash, GMR, SMR and SEQ.
        sanctions: as in `stability`.

    Raises:
        QuestionError: an unknown name, preferences that do not rank, or too many cases to count.
    """
    if not conflict.plain:
        raise QuestionError(
            "inverse analysis needs rankings: nothing unknown, fuzzy or by attitude"
        )
    if sanctions not in SANCTIONS:
        raise unknown("kind of sanction", sanctions, SANCTIONS)
    for concept in concepts:
        if concept not in BASIC:
            raise unknown("concept of inverse analysis", concept, BASIC)
    s = conflict.state(state)
    chosen = [conflict.position(name) for name in (vary or conflict.decision_makers)]
    chosen = list(dict.fromkeys(chosen))
    problem = _Problem(conflict, s, chosen, sanctions)
    counts = [
        problem.sequential() if concept == "SEQ" else problem.independent(concept)
        for concept in concepts
    ]
    return Inverse(
        conflict.title,
        s + 1,
        conflict.label(s),
        tuple(conflict.decision_makers[i] for i in chosen),
        tuple(counts),
        tuple(problem.conditions()),
        conflict.hash,
    )


class _Problem:
    """One state, those whose rankings vary, and what can be reached around it."""

    def __init__(self, conflict: Conflict, s: int, vary: list[int], sanctions: str) -> None:
        self.conflict, self.s, self.vary, self.sanctions = conflict, s, vary, sanctions
        self.who = movers(conflict)
        self.n = conflict.size
        if self.n > MAX_STATES:
            raise QuestionError(
                f"{self.n:,} states; rankings of at most {MAX_STATES:,} are counted"
            )
        self.rankings = math.factorial(self.n)
        self.of = self.rankings ** len(vary)

    # -- what is reached --

    def reach(self, i: int, t: int, steps: Any) -> set[int]:
        """What all but i reach from t; `steps(k, x)` are the moves of k at x that count."""
        spent: frozenset[int] = frozenset()
        seen = {(t, spent)}
        front = [(t, spent)]
        found: set[int] = set()
        while front:
            at, gone = front.pop()
            if self.sanctions == "single" and gone:
                continue
            for k in range(len(self.who)):
                if k == i or k in gone:
                    continue
                after = gone | {k} if self.sanctions == "each-once" else frozenset({k})
                for x in steps(k, at):
                    found.add(x)
                    if (x, after) not in seen:
                        seen.add((x, after))
                        front.append((x, after))
            if len(seen) > MAX_REACHED:
                raise QuestionError(
                    f"more than {MAX_REACHED:,} states are reached around state {self.s + 1}: "
                    "too many to count exactly"
                )
        return found

    def all_moves(self, k: int, x: int) -> list[int]:
        """Every move of k at x."""
        return list(map(int, self.who[k].targets(x)))

    def wanted(self, k: int, x: int) -> list[int]:
        """The moves of k at x that improve it, by its own ranking."""
        targets = self.who[k].targets(x)
        return list(map(int, targets[self.who[k].leaves(x, targets)]))

    def above(self, i: int) -> set[int]:
        """The states that i ranks above s."""
        rank = self.conflict.preferences[i].rank
        return set(map(int, np.flatnonzero(rank > rank[self.s])))

    # -- Nash, GMR, SMR: each for itself --

    def bad_sets(self, i: int, concept: str) -> list[frozenset[int]]:
        """The sets C(t): i is unstable iff all of one of them is above s (Nash, GMR)."""
        found = []
        for t in self.all_moves(i, self.s):
            reach = set() if concept == "Nash" else self.reach(i, t, self.all_moves)
            if self.s not in reach:
                found.append(frozenset(reach | {t}))
        return [a for a in set(found) if not any(b < a for b in set(found))]

    def clauses(self, i: int) -> list[list[frozenset[int]]]:
        """For SMR: per t the sets of which each must have a state above s for i to be unstable."""
        found = []
        for t in self.all_moves(i, self.s):
            sets = {frozenset({t})}
            for x in self.reach(i, t, self.all_moves):
                sets.add(frozenset({x, *self.all_moves(i, x)}) - {self.s})
            if frozenset() not in sets:
                found.append([a for a in sets if not any(b < a for b in sets)])
        return found

    def own(self, i: int, concept: str) -> int:
        """How many rankings of i make s stable for i."""
        if concept == "SMR":
            return self._by_blocks(self.clauses(i))
        return self._by_unions(self.bad_sets(i, concept))

    def _by_unions(self, sets: list[frozenset[int]]) -> int:
        """Rankings in which none of the sets is wholly above s."""
        product = [1]
        for group in _overlapping(sets):
            states = frozenset().union(*group)
            terms: dict[frozenset[int], int] = {frozenset(): 1}
            for one in group:
                fresh = dict(terms)
                for union, sign in terms.items():
                    both = union | one
                    fresh[both] = fresh.get(both, 0) - sign
                terms = {union: sign for union, sign in fresh.items() if sign}
                if len(terms) > MAX_UNIONS:
                    raise QuestionError(
                        "too many improvements with sanctions of their own to count exactly"
                    )
            by_size: dict[int, int] = {}
            for union, sign in terms.items():
                by_size[len(union)] = by_size.get(len(union), 0) + sign
            found = [0] * (len(states) + 1)
            for size, sign in by_size.items():
                for k in range(len(states) - size + 1):
                    found[size + k] += sign * math.comb(len(states) - size, k)
            product = _times(product, found)
        return self._rankings(product)

    def _rankings(self, by_size: list[int]) -> int:
        """From the number of sets above s, by size, among w states to that of rankings."""
        w = len(by_size) - 1
        total = sum(c * math.factorial(k) * math.factorial(w - k) for k, c in enumerate(by_size))
        return total * self.rankings // math.factorial(w + 1)

    def _by_blocks(self, problem: list[list[frozenset[int]]]) -> int:
        """Rankings for SMR: unstable iff, for some t, every one of its sets has a state above s.

        States that are in the same sets form a block: only whether a block has a state above s
        matters, and (1 + z)^m − 1 counts, by size, the ways in which it has. Where all sets are
        disjoint and must all be hit, their product is the answer; otherwise the hits of all blocks
        are gone through.
        """
        problem = _merged(problem)
        states = {x for sets in problem for one in sets for x in one}
        if not states:
            return self.rankings
        everything = [math.comb(len(states), k) for k in range(len(states) + 1)]
        if len(problem) == 1 and sum(map(len, problem[0])) == len(states):
            hit = [1]
            for one in problem[0]:
                hit = _times(hit, _some(len(one)))
            return self._rankings([a - b for a, b in zip(everything, hit)])
        members: dict[frozenset[frozenset[int]], int] = {}
        for x in states:
            key = frozenset(one for sets in problem for one in sets if x in one)
            members[key] = members.get(key, 0) + 1
        blocks = list(members)
        if len(blocks) > MAX_BLOCKS:
            raise QuestionError(
                f"SMR hangs on {len(blocks)} groups of states here; exact counts go through all "
                f"their subsets, and take at most {MAX_BLOCKS}"
            )
        hits = np.arange(1 << len(blocks), dtype=np.int64)
        unstable = np.zeros(hits.size, bool)
        for sets in problem:
            every = np.ones(hits.size, bool)
            for one in sets:
                every &= (hits & sum(1 << k for k, b in enumerate(blocks) if one in b)) != 0
            unstable |= every
        sizes = sorted(set(members.values()))
        counts = np.stack(
            [
                np.bitwise_count(
                    hits & sum(1 << k for k, b in enumerate(blocks) if members[b] == m)
                )
                for m in sizes
            ],
            axis=1,
        )
        stable = [0] * (len(states) + 1)
        rows, times = np.unique(counts[~unstable], axis=0, return_counts=True)
        for row, number in zip(rows.tolist(), times.tolist()):
            found = [1]
            for m, blocks_hit in zip(sizes, row):
                for _ in range(blocks_hit):
                    found = _times(found, _some(m))
            for k, c in enumerate(found):
                stable[k] += c * number
        return self._rankings(stable)

    def held(self, i: int, concept: str) -> bool:
        """Whether s is stable for i, by the ranking it has."""
        above = self.above(i)
        if concept == "SMR":
            return not any(all(one & above for one in sets) for sets in self.clauses(i))
        return not any(one <= above for one in self.bad_sets(i, concept))

    def independent(self, concept: str) -> Count:
        """Nash, GMR or SMR: the product of what each has."""
        fixed = [i for i in range(len(self.who)) if i not in self.vary]
        by = {self.who[i].name: self.own(i, concept) for i in self.vary}
        number = math.prod(by.values()) if all(self.held(i, concept) for i in fixed) else 0
        return Count(concept, number, self.of, by)

    # -- SEQ: sanctions hang on rankings too --

    def sequential(self) -> Count:
        """SEQ, by the cases of who is above s and whose countermoves are credible."""

        def possible(k: int, x: int) -> list[int]:
            return self.all_moves(k, x) if k in self.vary else self.wanted(k, x)

        def certain(k: int, x: int) -> list[int]:
            return [] if k in self.vary else self.wanted(k, x)

        everybody = range(len(self.who))
        for j in everybody:  # more credible countermoves only make j more stable
            if j not in self.vary and not self._stable(j, self.above(j), possible):
                return Count("SEQ", 0, self.of, {})
        if any(self._hangs(j, possible, certain) for j in everybody):
            return self._by_cases(possible)
        by = {}
        for i in self.vary:  # nobody's stability hangs on the ranking of another who varies
            sets = set()
            for t in self.all_moves(i, self.s):
                reach = self.reach(i, t, certain)
                if self.s not in reach:
                    sets.add(frozenset(reach | {t}))
            minimal = [a for a in sets if not any(b < a for b in sets)]
            by[self.who[i].name] = self._by_unions(minimal)
        return Count("SEQ", math.prod(by.values()), self.of, by)

    def _hangs(self, j: int, possible: Any, certain: Any) -> bool:
        """Whether what holds j at s may depend on the ranking of another who varies."""
        if j not in self.vary:
            return not self._stable(j, self.above(j), certain)
        return any(
            self.reach(j, t, possible) != self.reach(j, t, certain)
            for t in self.all_moves(j, self.s)
        )

    def _stable(self, j: int, above: set[int], steps: Any) -> bool:
        for t in self.all_moves(j, self.s):
            if t in above and self.reach(j, t, steps) <= above:
                return False
        return True

    def _by_cases(self, possible: Any) -> Count:
        """Go through the orders of the states concerned, equal cases together."""
        cases: list[list[tuple[set[int], dict[int, list[int]], int]]] = []
        outside = 1
        for i in self.vary:
            arcs, own, concerned = self._concerned(i, possible)
            outside *= math.factorial(self.n) // math.factorial(len(concerned))
            cases.append(self._cases_of(i, arcs, own, concerned))
        if math.prod(map(len, cases)) > MAX_CASES:
            raise QuestionError(
                f"SEQ has {math.prod(map(len, cases)):,} cases to go through; at most "
                f"{MAX_CASES:,} are (leave SEQ out, or vary fewer decision makers)"
            )
        number = 0
        for profile in itertools.product(*cases):
            above = {i: case[0] for i, case in zip(self.vary, profile)}
            credible = {i: case[1] for i, case in zip(self.vary, profile)}

            def steps(k: int, x: int, credible: Any = credible) -> list[int]:
                return credible[k].get(x, []) if k in credible else self.wanted(k, x)

            if all(
                self._stable(j, above[j] if j in above else self.above(j), steps)
                for j in range(len(self.who))
            ):
                number += math.prod(case[2] for case in profile)
        return Count("SEQ", number * outside, self.of, {})

    def _concerned(
        self, i: int, possible: Any
    ) -> tuple[list[tuple[int, int]], list[int], list[int]]:
        """The arcs of i that may sanction somebody, the states that i compares with s, and all."""
        arcs: set[tuple[int, int]] = set()
        own: set[int] = set()
        for j in range(len(self.who)):
            starts = self.all_moves(j, self.s) if j in self.vary else self.wanted(j, self.s)
            for t in starts:
                reach = self.reach(j, t, possible)
                if j == i:
                    own |= reach | {t}
                else:
                    arcs |= {(x, y) for x in reach | {t} for y in self.all_moves(i, x)}
        own -= {self.s}
        return sorted(arcs), sorted(own), sorted({self.s} | own | {x for a in arcs for x in a})

    def _cases_of(
        self, i: int, arcs: list[tuple[int, int]], own: list[int], concerned: list[int]
    ) -> list[tuple[set[int], dict[int, list[int]], int]]:
        """Who is above s, which arcs improve, and how many orders of the states have it so.

        Orders are built from the top. A comparison is decided when its better state is placed
        before the other, so that orders with the same states placed and the same comparisons
        decided can be counted together.
        """
        at = {x: 1 << k for k, x in enumerate(concerned)}
        decided: dict[int, list[tuple[int, int]]] = {x: [] for x in concerned}
        for k, x in enumerate(own):
            decided[x].append((1 << k, at[self.s]))
        for k, (x, y) in enumerate(arcs):
            decided[y].append((1 << (len(own) + k), at[x]))
        level: dict[tuple[int, int], int] = {(0, 0): 1}
        for _ in concerned:
            fresh: dict[tuple[int, int], int] = {}
            for (placed, signs), count in level.items():
                for x in concerned:
                    if not placed & at[x]:
                        more = signs
                        for bit, other in decided[x]:
                            if not placed & other:
                                more |= bit
                        key = (placed | at[x], more)
                        fresh[key] = fresh.get(key, 0) + count
                if len(fresh) > MAX_ORDERS:
                    raise QuestionError(
                        f"SEQ hangs on too many comparisons of {len(concerned)} states by "
                        f"{self.who[i].name} to count exactly (leave SEQ out, or vary fewer "
                        "decision makers)"
                    )
            level = fresh
        found = []
        for (_, signs), count in level.items():
            above = {x for k, x in enumerate(own) if signs >> k & 1}
            credible: dict[int, list[int]] = {}
            for k, (x, y) in enumerate(arcs):
                if signs >> (len(own) + k) & 1:
                    credible.setdefault(x, []).append(y)
            found.append((above, credible, count))
        return found

    # -- in words --

    def conditions(self) -> list[str]:
        """What the ranking of each who varies must satisfy for Nash and GMR."""
        lines = []
        s = self.s + 1
        for i in self.vary:
            name = self.who[i].name
            targets = [t + 1 for t in self.all_moves(i, self.s)]
            if not targets:
                lines.append(f"{name} cannot move at {s}: any ranking will do.")
                continue
            lines.append(
                f"Nash: {name} must rank none of {_words(targets)} above {s}."
                if len(targets) > 1
                else f"Nash: {name} must not rank {targets[0]} above {s}."
            )
            for one in sorted(self.bad_sets(i, "GMR"), key=lambda a: (len(a), sorted(a)))[:12]:
                names = _words([x + 1 for x in sorted(one)])
                lines.append(
                    f"GMR: {name} must not rank all of {names} above {s}."
                    if len(one) > 1
                    else f"GMR: {name} must not rank {names} above {s}."
                )
        return lines


def _words(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:12]))
    return shown + (f" and {len(numbers) - 12} more" if len(numbers) > 12 else "")


def _times(a: list[int], b: list[int]) -> list[int]:
    """The product of two polynomials with whole coefficients."""
    found = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        if x:
            for j, y in enumerate(b):
                found[i + j] += x * y
    return found


def _some(m: int) -> list[int]:
    """(1 + z)^m − 1: by size, the ways to choose at least one of m."""
    return [0] + [math.comb(m, k) for k in range(1, m + 1)]


def _overlapping(sets: list[frozenset[int]]) -> list[list[frozenset[int]]]:
    """The sets in groups that share no state with one another."""
    groups: list[tuple[set[int], list[frozenset[int]]]] = []
    for one in sets:
        apart, joined, states = [], [one], set(one)
        for group in groups:
            if group[0] & one:
                joined += group[1]
                states |= group[0]
            else:
                apart.append(group)
        groups = [*apart, (states, joined)]
    return [group for _, group in groups]


def _merged(problem: list[list[frozenset[int]]]) -> list[list[frozenset[int]]]:
    """Where the improvements differ in one set each, one set that is hit if any of those is."""
    if not problem:
        return problem
    common = frozenset(problem[0]).intersection(*problem[1:])
    rest = [set(sets) - common for sets in problem]
    if all(len(sets) == 1 for sets in rest):
        union = frozenset().union(*(one for sets in rest for one in sets))
        return [[*common, union]]
    return problem
