"""What does each term of a deal contribute to its worth?

In: a proposal. Out, at the modal world, for every term it changes: the worth lost if it is left
out (leave-one-out) and its Shapley value (Shapley 1953) over all packages of the changed terms,
exact up to six terms, sampled over random orders with a standard error beyond.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from servanda.game.batch import Program, run
from servanda.game.build import build
from servanda.game.period import Method
from servanda.game.regimes import Variant
from servanda.scenario.model import Proposal, Scenario
from servanda.scenario.worlds import Worlds

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


def riders(
    scenario: Scenario,
    proposal: Proposal,
    method: Method,
    stakes: tuple[float, ...],
    world: Worlds,
    seed: int = 0,
    offers: tuple[Proposal, ...] | None = None,
) -> Riders:
    """Worth of every package of the changed terms that is needed, and what terms add to it.

    `offers` are those that the grid's bounds follow (`Program`).
    """
    terms = changed_terms(scenario, proposal)
    everything = frozenset(terms)
    packages, orders = _packages(terms, seed)
    variants = [
        Variant(without(scenario, proposal, s), signed_only=s != everything) for s in packages
    ]
    game = build(scenario, variants)
    names = tuple(world.names)
    program = Program(game, replace(method, by_interest=False), stakes, names, once=True)
    program = replace(program, offers=offers)
    out: dict[str, Any] = run(program, world)
    parties = tuple(scenario.parties)
    value = out["value"][0][:, : len(parties)]
    no_deal = value[game.roots[packages.index(everything)]["no_deal"]]
    worth = {s: value[game.roots[k]["signed"]] - no_deal for k, s in enumerate(packages)}
    loo = [worth[everything] - worth[everything - {t}] for t in terms]
    if orders is None:
        shapley = [_exact(worth, terms, t) for t in terms]
        error = [np.zeros(len(parties)) for _ in terms]
    else:
        samples = np.array([[_added(worth, o, t) for t in terms] for o in orders])
        shapley = list(samples.mean(axis=0))
        error = list(samples.std(axis=0, ddof=1) / np.sqrt(len(orders)))
    shape = (len(terms), len(parties))
    return Riders(
        terms,
        parties,
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
