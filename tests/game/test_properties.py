"""Laws that hold in every scenario, whatever its numbers.

Structures are random but few, since each must be compiled; numbers are drawn anew for every
example. Each structure is compiled once for everything that is asked of it.
"""

from __future__ import annotations

import copy
import functools
import json
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import servanda as sv
from game.random_scenarios import FINITE, SEEDS, raw_scenario, scenario
from servanda.game.backward import Backward, backward
from servanda.game.batch import Follow, Program, course_of, run
from servanda.game.bind import bind_to_obligations
from servanda.game.distribution import exact_course
from servanda.game.paths import KINDS, Course, simulate_paths
from servanda.game.reach import boxes
from servanda.game.solve import Solution, prepare, read_solution
from servanda.game.tables import parameters
from servanda.scenario.worlds import Worlds

EXAMPLES = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.generate],  # a seed cannot be made simpler
)

seeds = st.sampled_from(list(SEEDS))
finite_seeds = st.sampled_from(list(FINITE))
draws = st.integers(0, 2**32 - 1)


def numbers(names: tuple[str, ...], modal: np.ndarray, draw: int) -> dict[str, float]:
    """Other numbers for a scenario's assumptions: payoffs, patience, acuity, verification."""
    rng = np.random.default_rng(draw)
    ranges = {"patience": (0.3, 0.97), "acuity": (0, 15), "verified": (0, 1), "alarm": (0, 0.4)}
    ranges["memory"] = (1, 9)
    found = dict(zip(names, modal, strict=True))
    for name in names:
        low, high = ranges.get(name.partition("_")[0], (-1, 1))
        if name.partition("_")[0] in (*ranges, "k"):
            found[name] = float(rng.uniform(low, high))
    return found


def world(program: Program, draw: int) -> Worlds:
    """One world of random numbers, the same for every scenario that has the same names."""
    modal = sv.modal(program.game.scenario)
    found = numbers(modal.names, modal.values[0], draw)
    return replace(modal, values=np.array([[found[name] for name in modal.names]]))


@functools.cache
def program(seed: int, deal: str, changes: str = "{}", bound: bool = False,
            courses: bool = True) -> Program:  # fmt: skip
    """A structure, compiled once: with what follows the offer and what follows the signature.

    `changes` (JSON) are merged into the raw scenario; `bound` binds the parties to their word.
    """
    raw = _merged(raw_scenario(seed), json.loads(changes))
    read = scenario(raw)
    binds = bind_to_obligations(read, list(read.obligations.values()), "in_force") if bound else ()
    made, _ = prepare(read, deal, None, binds, None, "quadratic", True, paths=32)
    roots = made.game.roots[0]
    follow = (Follow(roots["start"], stay=False), Follow(roots["signed"]))
    return replace(made, follow=follow if courses else ())


def _merged(raw: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    out = copy.deepcopy(raw)
    for key, value in changes.items():
        same = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = _merged(out[key], value) if same else value
    return out


def solved(made: Program, draw: int) -> tuple[Solution, list[Course]]:
    """A structure in one world of random numbers."""
    chosen = world(made, draw)
    out = run(made, chosen)
    return read_solution(made, chosen, out), [course_of(out, k) for k in range(len(made.follow))]


@functools.cache
def _strategies(made: Program) -> Any:
    """Compiled: one world's solution with the policies of every position."""

    def one(theta: jax.Array) -> Backward:
        p = parameters(made.game, theta, made.names, jnp.asarray(made.stakes))
        return backward(made.game, made.method, p, boxes((made.game,), p), policies=True)

    return jax.jit(one)


def policies(made: Program, draw: int) -> list[np.ndarray]:
    """Per group, the probability of every joint move [period, row, a, g]."""
    found = _strategies(made)(jnp.asarray(world(made, draw).values[0]))
    return [np.asarray(p) for p in found.policies]


# -- probabilities ------------------------------------------------------------------------------


@EXAMPLES
@given(seeds, draws)
def test_choice_probabilities_sum_to_one_everywhere(seed, draw):
    for chance in policies(program(seed, "deal"), draw):
        assert chance.min() >= 0
        assert np.abs(chance.sum(axis=2) - 1).max() < 1e-12


@EXAMPLES
@given(seeds, draws)
def test_moves_seen_in_a_period_sum_to_one_for_every_decision(seed, draw):
    _, (offered, kept) = solved(program(seed, "deal"), draw)
    assert offered.moves.sum(axis=-1) == pytest.approx(1, abs=1e-12)
    possible = kept.regime[0, :-1, KINDS.index("in_force")] > 0
    assert kept.moves[0, possible].sum(axis=-1) == pytest.approx(1, abs=1e-12)
    # once the deal cannot be in force, nothing is said of what happens while it is
    assert np.isnan(kept.moves[0, ~possible]).all()
    assert np.isnan(kept.flow[0, ~possible]).all()


@EXAMPLES
@given(seeds, draws)
def test_regimes_sum_to_one_in_every_period(seed, draw):
    _, (offered, kept) = solved(program(seed, "deal"), draw)
    for course in (offered, kept):
        assert course.regime.min() > -1e-12
        assert course.regime.sum(axis=-1) == pytest.approx(1, abs=1e-12)
        broken = course.regime[..., KINDS.index("broken")]
        assert course.broken.sum(axis=-1) == pytest.approx(broken, abs=1e-12)


@EXAMPLES
@given(seeds, draws)
def test_a_deal_that_cannot_be_signed_again_never_comes_back(seed, draw):
    _, (_, kept) = solved(program(seed, "deal"), draw)
    survival = kept.regime[0, :, KINDS.index("in_force")]
    assert survival[0] == pytest.approx(1)
    assert (np.diff(survival) <= 1e-12).all()


@functools.cache
def _both_ways(made: Program, paths: int) -> Any:
    """Compiled: a course by the exact distribution, and by paths that toss coins."""

    def one(theta: jax.Array, uniforms: jax.Array) -> tuple[list[Course], list[Course]]:
        p = parameters(made.game, theta, made.names, jnp.asarray(made.stakes))
        b = boxes((made.game,), p)
        w = backward(made.game, made.method, p, b).values
        exact = [exact_course(made.game, made.method, p, w, f.regime, f.stay) for f in made.follow]
        starts, stays = [f.regime for f in made.follow], [f.stay for f in made.follow]
        sampled = simulate_paths(made.game, made.method, p, w, starts, stays, b, uniforms)
        return exact, [jax.tree.map(lambda x, k=k: x[k], sampled) for k in range(len(starts))]

    return jax.jit(one)


@pytest.mark.parametrize("seed", FINITE)
def test_paths_agree_with_the_exact_distribution(seed):
    made, count = program(seed, "deal"), 4000
    uniforms = np.random.default_rng(seed).random((made.game.scenario.horizon, 4, count))
    theta = jnp.asarray(world(made, seed).values[0])
    for exact, sampled in zip(
        *jax.device_get(_both_ways(made, count)(theta, uniforms)), strict=True
    ):
        for name in ("regime", "broken", "moves"):
            p, seen = getattr(exact, name), getattr(sampled, name)
            error = np.sqrt(np.clip(p * (1 - p), 0, None) / count)
            # three standard errors, of the largest of a hundred: four
            assert (np.isnan(seen) == np.isnan(p)).all(), name
            off = np.abs(seen - p)[~np.isnan(p)] > 3 * error[~np.isnan(p)] + 1e-9
            assert off.mean() < 0.02, name
        assert sampled.flow == pytest.approx(exact.flow, abs=0.15, nan_ok=True)


# -- worth --------------------------------------------------------------------------------------


@EXAMPLES
@given(seeds, draws)
def test_interests_add_up_to_worth(seed, draw):
    solution, _ = solved(program(seed, "deal"), draw)
    for party in solution.scenario.parties:
        own = [i for i in solution.worth_by_interest.interest.values if i.startswith(f"{party}.")]
        parts = float(solution.worth_by_interest.sel(interest=own).sum())
        assert parts == pytest.approx(float(solution.worth.sel(party=party)[0]), abs=1e-10)


@EXAMPLES
@given(seeds, draws)
def test_a_term_that_nothing_reads_is_worth_nothing(seed, draw):
    solution, _ = solved(program(seed, "idle", courses=False), draw)
    assert np.abs(solution.worth.values).max() < 1e-12


@EXAMPLES
@given(seeds, draws)
def test_a_deal_that_changes_nothing_and_binds_nobody_is_worth_nothing(seed, draw):
    solution, _ = solved(program(seed, "empty", courses=False), draw)
    assert np.abs(solution.worth.values).max() < 1e-12
    # whoever gains nothing signs with chance one half
    assert solution.signing.values == pytest.approx(0.5)
    assert float(solution.joint[0]) == pytest.approx(0.5 ** len(solution.scenario.parties))


@EXAMPLES
@given(seeds, draws)
def test_the_only_signatory_signs_by_the_logit_of_its_worth(seed, draw):
    made = program(seed, "single", courses=False)
    solution, _ = solved(made, draw)
    acuity = numbers(made.names, sv.modal(made.game.scenario).values[0], draw)["acuity_b"]
    stakes = made.stakes[made.game.parties.index("b")]
    gain = float(solution.worth.sel(party="b")[0])
    expected = 1 / (1 + np.exp(-acuity / stakes * gain))
    assert float(solution.signing.sel(signatory="b")[0]) == pytest.approx(expected, abs=1e-9)
    assert float(solution.joint[0]) == pytest.approx(expected, abs=1e-9)


@EXAMPLES
@given(seeds, draws)
def test_a_constant_income_changes_no_policy_and_no_worth(seed, draw):
    gift = json.dumps({"interests": {"a": {"income": "37.5"}, "b": {"income": "-2"}}})
    richer, plain = closely(program(seed, "deal", gift)), closely(program(seed, "deal"))
    assert richer.stakes == pytest.approx(plain.stakes, abs=1e-9)
    (rich, here), (poor, there) = solved(richer, draw), solved(plain, draw)
    # the stationary value is known to a part in a million of itself, here a thousand
    near = 1e-8 if seed in FINITE else 1e-3
    assert rich.worth.values == pytest.approx(poor.worth.values, abs=near)
    for x, y in zip(here, there, strict=True):
        assert x.moves == pytest.approx(y.moves, abs=near, nan_ok=True)
        assert x.regime == pytest.approx(y.regime, abs=near)


def closely(it: Program) -> Program:
    """Rounding may not decide how many sweeps are made past the horizon."""
    return replace(it, method=replace(it.method, tolerance=1e-8, most=240))


# -- names and places ---------------------------------------------------------------------------


def shuffled(raw: dict[str, Any]) -> dict[str, Any]:
    """The same scenario with parties, stocks, terms and obligations listed the other way."""
    out = copy.deepcopy(raw)
    for section in ("parties", "stocks", "terms", "obligations", "interests", "phases"):
        if section in out:
            out[section] = dict(reversed(out[section].items()))
    return out


def renamed(raw: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The same scenario with other names, which sort differently."""
    text = json.dumps(raw)
    for old, new in names.items():
        for quote in ('"', " ", "*", ".", "-", "(", "+"):
            for end in ('"', " ", "*", ".", ",", ")", "-"):
                text = text.replace(f"{quote}{old}{end}", f"{quote}{new}{end}")
    return json.loads(text)  # type: ignore[no-any-return]


NEW_NAMES = {"a": "zoe", "b": "yan", "c": "xia", "arms": "land_2", "tax": "a_tax", "gift": "b_gift"}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_listing_changes_nothing(seed):
    raw = raw_scenario(seed)
    here = sv.solve(scenario(raw), "deal", by_interest=True)
    there = sv.solve(scenario(shuffled(raw)), "deal", by_interest=True)
    for party in here.scenario.parties:
        assert there.value.sel(party=party).values == pytest.approx(
            here.value.sel(party=party).values, abs=1e-10
        )
    names = list(here.worth_by_interest.interest.values)
    assert there.worth_by_interest.sel(interest=names).values == pytest.approx(
        here.worth_by_interest.values, abs=1e-10
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_names_change_nothing(seed):
    raw = raw_scenario(seed)
    here = sv.simulate(scenario(raw), "deal", paths=16)
    there = sv.simulate(scenario(renamed(raw, NEW_NAMES)), "deal", paths=16)
    assert list(there.solution.scenario.parties) == [NEW_NAMES[p] for p in raw["parties"]]
    assert there.solution.value.values == pytest.approx(here.solution.value.values, abs=1e-10)
    assert there.solution.signing.values == pytest.approx(here.solution.signing.values, abs=1e-10)
    assert there.regime.values == pytest.approx(here.regime.values, abs=1e-10)
    assert there.moves.values == pytest.approx(here.moves.values, abs=1e-10, nan_ok=True)


# -- keeping ------------------------------------------------------------------------------------


@EXAMPLES
@given(seeds, draws)
def test_a_deal_nobody_can_break_is_kept(seed, draw):
    changes = {
        "proposals": {"deal": {"renew": "automatic"}},
        "obligations": {"peace": {"false_alarm": 0}},
    }
    made = program(seed, "deal", json.dumps(changes), bound=True)
    _, (_, kept) = solved(made, draw)
    assert kept.regime[0, :, KINDS.index("in_force")] == pytest.approx(1, abs=1e-12)


@EXAMPLES
@given(seeds, draws)
def test_a_bound_party_never_takes_the_forbidden_option(seed, draw):
    changes = json.dumps(
        {
            "proposals": {"deal": {"renew": "automatic"}},
            "obligations": {"peace": {"false_alarm": 0}},
        }
    )
    made = program(seed, "deal", changes, bound=True)
    _, (_, kept) = solved(made, draw)
    for o in made.game.scenario.obligations.values():
        for d, option in o.options:
            assert np.abs(kept.moves[0, :, d, option]).max() == 0


@pytest.mark.parametrize("acuity", [0, "inf"])
def test_the_dullest_play_at_random_and_the_sharpest_best(acuity):
    found = sv.simulate(
        sv.load(f"""
title: Three doors
horizon: 1
terminal: zero
parties: {{a: {{patience: 1, acuity: {acuity}}}}}
moves: {{a: [goat, sheep, car]}}
interests: {{a: {{prize: 1*a.sheep + 1.000001*a.car}}}}
""")
    )
    expected = [1 / 3] * 3 if acuity == 0 else [0, 0, 1]
    assert found.moves.values[0, 0] == pytest.approx(expected)


def test_stakes_count_what_happens_while_a_decision_is_closed():
    made, _ = prepare(
        sv.load("""
title: A closed decision
horizon: 1
terminal: zero
parties: {a: {patience: 1}, b: {patience: 1}}
moves:
  a: [stay, go]
  b: {options: [hold, strike], when: a.go}
interests:
  a: {cost: -5*a.stay}
  b: {spoils: b.strike}
"""),
        None, None, (), None, "quadratic", False,
    )  # fmt: skip
    assert made.stakes == pytest.approx([5, 1])
