"""Regimes that never meet share a place: nothing that is found may depend on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import servanda as sv
from game.random_scenarios import SEEDS, raw_scenario, scenario
from game.test_histories import random_agreement
from servanda.game.batch import Follow, Program, run
from servanda.game.bind import bind_to_obligations
from servanda.game.build import Game, build
from servanda.game.interpolate import Scheme
from servanda.game.regimes import Variant
from servanda.game.size import size_report
from servanda.game.solve import prepare
from servanda.scenario.model import Scenario

SHIPPED = Path(__file__).parents[2] / "scenarios"

DATED = """
title: a list of levels
horizon: 12
terminal: zero
parties: {a: {patience: 0.9, acuity: 3}, b: {patience: 0.9, acuity: 3}}
moves: {a: [rest, work], b: [rest, pay]}
interests: {a: {pay: b.pay - a.work*limits}, b: {work: a.work - 0.5*b.pay}}
terms: {limits: {range: [0, 1], now: 0}}
obligations: {keep: {party: a, must: a.work, while: limits, verified: 0.8}}
proposals:
  pact: {signatories: [a, b], terms: {limits: [LEVELS]}}
"""


def dated(periods: int) -> Scenario:
    """A deal that binds for some periods."""
    return sv.load(DATED.replace("LEVELS", ", ".join(["1"] * periods + ["0"])))


def program(
    case: Scenario, deal: str, scheme: Scheme = "limited", levels: tuple[int, ...] | None = None
) -> Program:
    """A deal's program with hands bound beside it, and courses of every kind."""
    made, _ = prepare(case, deal, None, (), levels, scheme, False, paths=8)
    proposal = case.proposals[deal]
    duties = [case.obligations[name] for name in proposal.obligations]
    binds = bind_to_obligations(case, duties, "in_force")
    variants = [Variant(proposal)]
    variants += [Variant(proposal, binds, signed_only=True)] if binds else []
    game = build(case, variants)
    roots = game.roots[0]
    starts = (roots["signed"], roots["start"], roots["no_deal"])
    follow = Follow(starts, (True, False, False), exits=True)
    return replace(made, game=game, follow=(follow,), once=True)


def figures(made: Program, count: int) -> dict[str, Any]:
    """What a program finds in some worlds, at the regimes that anybody asks about."""
    out = run(made, sv.draw(made.game.scenario, count, seed=1))
    roots = sorted({n for here in made.game.roots for n in here.values()})
    first = [k for k, s in enumerate(made.game.signings) if s.regime in roots]
    found = {name: out[name][:, roots] for name in ("value", "play")}
    found |= {name: out[name][:, first] for name in ("accept", "alone")}
    kept = {name: x for name, x in out.items() if name.startswith("course")}
    return {**found, **kept, "failures": out["failures"]}


def assert_nothing_depends_on_it(made: Program, count: int = 2) -> None:
    game = made.game
    every = build(game.scenario, game.variants, apart=True)
    assert every.places == len(np.unique(game.alike))
    shared, apart = figures(made, count), figures(replace(made, game=every), count)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9), shared, apart)


def shares(game: Game) -> bool:
    return game.places < len(np.unique(game.alike))


@pytest.mark.parametrize("seed", [0, 1, 2, 5])
def test_random_agreements_are_the_same(seed: int) -> None:
    assert_nothing_depends_on_it(program(sv.load(random_agreement(seed)), "deal"))


@pytest.mark.parametrize("seed", SEEDS)
def test_random_scenarios_are_the_same(seed: int) -> None:
    made = program(scenario(raw_scenario(seed)), "deal", "quadratic")
    assert_nothing_depends_on_it(made)


@pytest.mark.parametrize(("case", "deal"), [("ukraine-2025", "land_with_guarantees")])
def test_shipped_cases_with_lists_are_the_same(case: str, deal: str) -> None:
    read = sv.load(SHIPPED / case)
    made = program(read, deal, levels=(3,) * len(read.stocks))
    assert shares(made.game)
    assert_nothing_depends_on_it(made, count=1)


def test_the_ages_of_a_list_share_one_place() -> None:
    """Offered, in force, and without a deal, broken or never made: three places."""
    for periods in (3, 9):
        case = dated(periods)
        game = build(case, [Variant(case.proposals["pact"])])
        assert (game.regimes, game.places) == (periods + 4, 3)


def test_a_deal_that_can_be_signed_in_any_period_needs_every_age() -> None:
    case = dated(9)
    game = build(case, [Variant(case.proposals["pact"])], always=True)
    assert not shares(game)


def test_who_meets_does_not_share() -> None:
    for seed in range(8):
        case = sv.load(random_agreement(seed))
        game = build(case, [Variant(case.proposals["deal"])])
        asked = {s.regime for s in game.signings}
        for t in range(case.horizon + 1):
            live = {int(n) for g in game.groups for n in g.rows[g.live[t], 0]}
            places = [game.place[n] for n in live | asked]
            assert len(places) == len(set(places))


def test_check_says_what_multiplies_the_regimes() -> None:
    """Nine periods with a duty and one without: offered, never, broken, and ten ages."""
    said = size_report(dated(9))
    assert "13 regimes (3 at a time), 1 phases, 12 periods" in said
    # without the list: offered, in force, never; and no duty is left to break
    assert "Regimes of pact: 13, 3 without the 10 levels by age of terms.limits." in said
    assert "Regimes" not in size_report(dated(3))
