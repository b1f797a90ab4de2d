"""What does each term of a deal contribute to its worth?

In: a proposal. Out, at the modal world, for every term it changes: the worth lost if it is left
out (leave-one-out) and its Shapley value (Shapley 1953) over all packages of the changed terms,
exact up to six terms, sampled over random orders with a standard error beyond.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from servanda.game.regimes import Variant
from servanda.scenario.model import Proposal, Scenario

EXACT = 6
ORDERS = 24


@dataclass(frozen=True)
class Riders:
    """Per changed term and party, in utility: arrays are [term, party]."""

    terms: tuple[str, ...]
    parties: tuple[str, ...]
    leave_one_out: Float[np.ndarray, "term party"]
    shapley: Float[np.ndarray, "term party"]
    error: Float[np.ndarray, "term party"]  # standard error of Shapley values; 0 if exact
    empty: Float[np.ndarray, " party"]  # worth of signing with none of the terms


def changed_terms(scenario: Scenario, proposal: Proposal) -> tuple[str, ...]:
    """The terms whose schedule differs from now."""
    return tuple(
        name for name in proposal.levels if set(proposal.terms[name]) != {scenario.terms[name].now}
    )


def without(scenario: Scenario, proposal: Proposal, kept: frozenset[str]) -> Proposal:
    """The same proposal with only the kept terms changed."""
    terms = dict(proposal.terms)
    for name in changed_terms(scenario, proposal):
        if name not in kept:
            terms[name] = (scenario.terms[name].now,)
    levels = {
        name: level
        for name, level in proposal.levels.items()
        if name in kept or terms[name] == proposal.terms[name]
    }
    name = proposal.name + "".join(f"-{t}" for t in sorted(proposal.levels.keys() - levels.keys()))
    return replace(proposal, name=name, terms=terms, levels=levels)


def packages(scenario: Scenario, proposal: Proposal, seed: int = 0) -> tuple[Proposal, ...]:
    """The proposals whose worths riders are read off: those with some of the changed terms."""
    found, _ = _packages(changed_terms(scenario, proposal), seed)
    return tuple(without(scenario, proposal, s) for s in found)


def package_variants(
    scenario: Scenario, proposal: Proposal, seed: int = 0
) -> tuple[tuple[Variant, ...], int]:
    """The variants to solve for `riders`, and which of them is the whole deal.

    It alone if it changes fewer than two terms.
    """
    terms = changed_terms(scenario, proposal)
    if len(terms) < 2:
        return (Variant(proposal),), 0
    found, _ = _packages(terms, seed)
    whole = found.index(frozenset(terms))
    offers = packages(scenario, proposal, seed)
    return tuple(Variant(p, signed_only=k != whole) for k, p in enumerate(offers)), whole


def riders(
    scenario: Scenario,
    proposal: Proposal,
    worths: Float[np.ndarray, "package party"],
    seed: int = 0,
) -> Riders | None:
    """What terms add to the worths of packages, those of `package_variants`, over no deal.

    None if the deal changes fewer than two terms.
    """
    terms = changed_terms(scenario, proposal)
    if len(terms) < 2:
        return None
    everything = frozenset(terms)
    packages, orders = _packages(terms, seed)
    worth = dict(zip(packages, worths, strict=True))
    loo = [worth[everything] - worth[everything - {t}] for t in terms]
    if orders is None:
        shapley = [_exact(worth, terms, t) for t in terms]
        error = [np.zeros(worths.shape[1]) for _ in terms]
    else:
        samples = np.array([[_added(worth, o, t) for t in terms] for o in orders])
        shapley = list(samples.mean(axis=0))
        # an order and its reverse are one draw
        pairs = samples.reshape(2, len(orders) // 2, *samples.shape[1:]).mean(axis=0)
        error = list(pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs)))
    shape = (len(terms), worths.shape[1])
    return Riders(
        terms,
        tuple(scenario.parties),
        np.reshape(loo, shape),
        np.reshape(shapley, shape),
        np.reshape(error, shape),
        worth[frozenset()],
    )


def _added(
    worth: dict[frozenset[str], np.ndarray], order: tuple[str, ...], term: str
) -> np.ndarray:
    """What a term adds to the terms before it in an order."""
    before = order[: order.index(term)]
    return worth[frozenset((*before, term))] - worth[frozenset(before)]


def _packages(
    terms: tuple[str, ...], seed: int
) -> tuple[list[frozenset[str]], list[tuple[str, ...]] | None]:
    """The packages to solve: all of them, or those along random orders and their leave-one-outs."""
    if len(terms) <= EXACT:
        sizes = range(len(terms) + 1)
        return [frozenset(c) for r in sizes for c in itertools.combinations(terms, r)], None
    rng = np.random.default_rng(seed)
    orders = [tuple(rng.permutation(terms).tolist()) for _ in range(ORDERS // 2)]
    orders += [tuple(reversed(o)) for o in orders]  # antithetic
    found = {frozenset(o[:k]) for o in orders for k in range(len(terms) + 1)}
    found |= {frozenset(terms) - {t} for t in terms}
    return sorted(found, key=lambda s: (len(s), sorted(s))), orders


def _exact(
    worth: dict[frozenset[str], np.ndarray], terms: tuple[str, ...], term: str
) -> np.ndarray:
    n = len(terms)
    others = [t for t in terms if t != term]
    total = np.zeros_like(worth[frozenset()])
    for r in range(n):
        weight = math.factorial(r) * math.factorial(n - r - 1) / math.factorial(n)
        for chosen in itertools.combinations(others, r):
            s = frozenset(chosen)
            total = total + weight * (worth[s | {term}] - worth[s])
    return total
