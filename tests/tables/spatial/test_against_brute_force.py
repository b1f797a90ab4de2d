"""Random tables: the arrays and the plain loops of `brute` give the same, for every choice."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tables.spatial.brute as brute
from servanda.tables.spatial.bargaining import CHOICES, Bargaining, one_turn
from servanda.tables.spatial.centre import contest, median, smith_set, weighted_median
from servanda.tables.spatial.challenge import CHOICES as CHALLENGE_CHOICES
from servanda.tables.spatial.challenge import REPLICATIONS, Challenge, challenge
from servanda.tables.spatial.coalitions import coalitions
from servanda.tables.spatial.election import ELECTIONS, condorcet, stationary
from servanda.tables.spatial.movers import flips, reach, to_target
from servanda.tables.spatial.sensitivity import (
    Election,
    Moved,
    expected_outcome,
    inputs_of,
    sensitivity,
)
from servanda.tables.spatial.table import Table
from servanda.tables.spatial.voting import VICTORY, VOTING, coalition_strengths, victory


def some_table(seed: int, actors: int = 4, dimensions: int = 1, ties: bool = False) -> Table:
    """A random table; with `ties` positions and weights come in few sizes."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 10, (actors, dimensions))
    s = rng.uniform(0.05, 0.95, (actors, dimensions)) / dimensions
    c = rng.uniform(0.1, 3, actors)
    if ties:
        x, s, c = (
            x.round(-1) / 2 + rng.integers(0, 3, x.shape),
            np.full_like(s, 0.5 / dimensions),
            c.round() + 1,
        )
    return Table.of([f"a{i}" for i in range(actors)], x, s, c, scale=[-1, 11])


@pytest.mark.parametrize("rule", VOTING)
@pytest.mark.parametrize("seed", range(3))
def test_coalition_strengths(rule: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    u, w = rng.random((4, 5)), rng.random(4)
    np.testing.assert_allclose(
        coalition_strengths(u, w, rule), brute.strengths(u.tolist(), w.tolist(), rule), rtol=1e-12
    )


@pytest.mark.parametrize("model", VICTORY)
def test_victory(model: str) -> None:
    rng = np.random.default_rng(0)
    c = rng.random((60, 2, 2)) + 1e-3
    c[:20, 0, 1] = c[:20, 1, 0] * rng.uniform(0.85, 1.2, 20)  # near the step of `binary`
    for pair, found in zip(c, victory(c, model), strict=True):
        assert found[0, 1] == pytest.approx(brute.beats(pair[0, 1], pair[1, 0], model), abs=1e-9)
        assert found[0, 1] + found[1, 0] == pytest.approx(1, abs=1e-13)


@pytest.mark.parametrize("election", ELECTIONS)
@pytest.mark.parametrize("model", VICTORY)
@pytest.mark.parametrize("seed", range(3))
def test_elections(election: str, model: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    c = rng.random((5, 5)) * 10 + 0.5
    np.testing.assert_allclose(
        condorcet(c, model=election, victories=model),
        brute.elect(c.tolist(), election, model),
        atol=1e-9,
    )


def test_elections_with_options_missing_are_elections_without_them() -> None:
    rng = np.random.default_rng(5)
    c = rng.random((6, 6)) * 3 + 0.1
    there = np.array([True, False, True, True, False, True])
    for election in ELECTIONS:
        whole = condorcet(c, model=election, present=there)
        small = condorcet(c[np.ix_(there, there)], model=election)
        np.testing.assert_allclose(whole[there], small, rtol=1e-10)
        assert (whole[~there] == 0).all()


def test_a_chain_that_falls_apart_keeps_what_each_part_began_with() -> None:
    rate = np.zeros((5, 5))
    rate[0, 1], rate[1, 0] = 1.0, 3.0  # two states for ever
    rate[2, 3] = 2.0  # the third empties into the fourth
    np.testing.assert_allclose(stationary(rate), [0.3, 0.1, 0, 0.4, 0.2], atol=1e-12)


def test_rare_moves_are_solved_to_the_last_digits() -> None:
    """Shares of a two-state chain are as the rates of leaving, however small those are."""
    rate = np.array([[0, 3e-30], [1e-30, 0]])
    np.testing.assert_allclose(stationary(rate), [0.25, 0.75], rtol=1e-14)


ONE_BY_ONE = [(name, value) for name, values in CHOICES.items() for value in values]


@pytest.mark.parametrize(("name", "value"), ONE_BY_ONE)
@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_turn_of_bargaining(name: str, value: str, dimensions: int) -> None:
    more = {} if name == "bargains" or name not in ("receiver", "compromise") else {
        "bargains": "both" if name == "receiver" else "compromise"
    }  # fmt: skip
    check_turn(Bargaining(**{name: value, **more}), seed=11, actors=4, dimensions=dimensions)


@pytest.mark.parametrize("seed", range(12))
def test_a_turn_of_bargaining_with_all_choices_at_random(seed: int) -> None:
    rng = np.random.default_rng(seed)
    options = Bargaining(**{n: v[rng.integers(len(v))] for n, v in CHOICES.items()})
    check_turn(options, seed=seed, actors=int(rng.integers(2, 6)), dimensions=1 + seed % 3)


def check_turn(options: Bargaining, seed: int, actors: int, dimensions: int) -> None:
    table = some_table(seed, actors, dimensions)
    rng = np.random.default_rng(seed + 100)
    x = table.scaled
    ideal = np.clip(x + rng.normal(0, 0.02, x.shape), 0, 1)
    found = one_turn(
        x[None], ideal[None], table.salience[None], table.capability[None], options,
        draw=np.full((1, actors), 0.5),
    )  # fmt: skip
    expected = brute.turn(
        x.tolist(), ideal.tolist(), table.salience.tolist(), table.capability.tolist(), options
    )
    np.testing.assert_allclose(found.risk[0], expected["risk"], atol=1e-7)
    assert found.target[0].tolist() == expected["target"]
    for option, i, j, new_i, new_j in expected["bargains"]:
        view, b = divmod(option - 1, actors)
        assert b == i
        assert found.offered[0, j, option]
        np.testing.assert_allclose(found.proposal[0, view, :, b], [new_i, new_j], atol=1e-9)
    for k, chances in enumerate(expected["chance"]):
        assert set(np.flatnonzero(found.offered[0, k])) == set(chances)
        for option, p in chances.items():
            assert found.chance[0, k, option] == pytest.approx(p, abs=1e-6)


CHALLENGES = [
    *REPLICATIONS.values(),
    *(Challenge(**{n: v}) for n, values in CHALLENGE_CHOICES.items() for v in values),
    Challenge(status_quo=0.3),
    Challenge(status_quo=0.0, perspective="each", risk="neutral"),
]


@pytest.mark.parametrize("options", CHALLENGES)
@pytest.mark.parametrize("seed", range(5))
def test_rounds_of_challenges(options: Challenge, seed: int) -> None:
    table = some_table(seed, actors=2 + seed)
    played = challenge(table, options, rounds=3)
    x = table.position[:, 0].tolist()
    span = 12.0 if options.reach == "scale" else max(x) - min(x)
    for t in range(len(played.event)):
        x, r = brute.challenge_round(
            x, table.salience[:, 0].tolist(), table.capability.tolist(), span, options
        )
        np.testing.assert_allclose(played.exponent[t], r, atol=1e-9)
        np.testing.assert_allclose(played.position[t + 1], x, atol=1e-9)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_the_median_has_no_more_than_half_on_either_side(seed: int, ties: bool) -> None:
    table = some_table(seed, 5, ties=ties)
    x, w = table.position[:, 0], table.influence[:, 0]
    lower, upper = (m[0] for m in median(table))
    assert lower == brute.median(x.tolist(), w.tolist())
    assert upper == -brute.median((-x).tolist(), w.tolist())


@pytest.mark.parametrize("voting", ["binary", "proportional"])
@pytest.mark.parametrize("seed", range(10))
def test_in_one_dimension_the_median_voter_beats_all(seed: int, voting: str) -> None:
    """Black 1948; voting in proportion to distance, it has the least weighted distance to all."""
    table = some_table(seed, 5)
    c = contest(table, voting)
    assert c.winner is not None
    assert c.options[c.winner, 0] == median(table)[0][0]
    assert c.top == (c.winner,)


@pytest.mark.parametrize("seed", range(20))
def test_the_smith_set_is_the_least_that_beats_all_outside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 5
    sign = np.triu(rng.integers(-1, 2, (n, n)), 1)
    beats = (sign - sign.T) > 0
    least = min(
        (some for size in range(1, n + 1) for some in itertools.combinations(range(n), size)
         if all(beats[i, j] for i in some for j in set(range(n)) - set(some))),
        key=len,
    )  # fmt: skip
    assert smith_set(beats) == least


@pytest.mark.parametrize("weights", ["influence", "capability"])
@pytest.mark.parametrize("seed", range(8))
def test_coalitions(seed: int, weights: str) -> None:
    table = some_table(seed, 2 + seed % 5, 1 + seed % 2, ties=seed % 3 == 0)
    quota = 0.5 + 0.05 * (seed % 4)
    w = (table.influence.sum(1) if weights == "influence" else table.capability).tolist()
    found = coalitions(table, quota=quota, weights=weights)
    expected = brute.winning(w, quota)
    assert {c.members for c in found.minimal} == {tuple(f"a{i}" for i in some) for some in expected}
    np.testing.assert_allclose(found.shapley, brute.shapley(w, quota), atol=1e-12)
    whole = sum(w)
    for i in range(len(w)):
        others = [j for j in range(len(w)) if j != i]
        swings = sum(
            sum(w[j] for j in some) <= quota * whole + 1e-12 * whole
            and sum(w[j] for j in some) + w[i] > quota * whole + 1e-12 * whole
            for size in range(len(w))
            for some in itertools.combinations(others, size)
        )
        assert found.banzhaf[i] == pytest.approx(swings / 2 ** (len(w) - 1))
    policies = {}
    for c in found.minimal:
        i = [int(a[1:]) for a in c.members]
        mean = sum(w[j] * table.position[j] for j in i) / sum(w[j] for j in i)
        np.testing.assert_allclose(c.policy, mean)
        pairs = itertools.combinations(i, 2)
        widest = max(
            (
                np.sqrt((((table.position[a] - table.position[b]) / 12) ** 2).mean())
                for a, b in pairs
            ),
            default=0.0,
        )
        assert c.range == pytest.approx(widest)
        assert c.weight == pytest.approx(sum(w[j] for j in i) / whole)
        policies[c.members] = mean
        if table.position.shape[1] == 1:
            x = table.position[:, 0]
            between = [k for k in range(len(w)) if x[i].min() < x[k] < x[i].max()]
            assert c.connected == (set(between) <= set(i))
    for c in found.minimal:

        def far(member: str, members: tuple[str, ...]) -> float:
            k = int(member[1:])
            at = (policies[members] + 1) / 12
            return brute.apart(table.scaled[k], at, table.salience[k])

        blocked = any(
            all(far(m, other) < far(m, c.members) - 1e-12 for m in other) for other in policies
        )
        assert c.stable == (not blocked)


@pytest.mark.parametrize("seed", range(6))
def test_what_an_actor_can_make_of_the_median_alone(seed: int) -> None:
    table = some_table(seed, 4, ties=seed % 2 == 1)
    x, w = table.position[:, 0], table.influence[:, 0].tolist()
    grid = np.unique(np.concatenate([np.linspace(-1, 11, 241), x]))
    for i, found in enumerate(reach(table)):
        medians = []
        for at in grid:
            moved = x.copy()
            moved[i] = at
            medians.append(brute.median(moved.tolist(), w))
        assert found.low == pytest.approx(min(medians))
        assert found.high == pytest.approx(max(medians))
        changed = np.array(medians) != brute.median(x.tolist(), w)
        if not changed.any():
            assert found.least == np.inf
        else:
            assert found.least == pytest.approx(np.abs(grid - x[i])[changed].min(), abs=0.0501)


@pytest.mark.parametrize("seed", range(12))
def test_the_fewest_that_must_move_for_a_target(seed: int) -> None:
    table = some_table(seed, 5, ties=seed % 2 == 1)
    x, w = table.position[:, 0], table.influence[:, 0]
    target = float(np.random.default_rng(seed).uniform(-1, 11))
    found = to_target(table, target)

    def there(some: tuple[int, ...]) -> bool:
        moved = x.copy()
        moved[list(some)] = target
        lower, upper = weighted_median(moved, w)
        return bool(lower <= target <= upper)

    sizes = range(6)
    least = next(
        size for size in sizes if any(there(s) for s in itertools.combinations(range(5), size))
    )
    assert len(found.movers) == least
    assert there(tuple(int(a[1:]) for a in found.movers))
    alone = {f"a{i}" for i in range(5) if there((i,))}
    assert set(found.alternatives) == (alone if least else set())


@pytest.mark.parametrize("seed", range(6))
def test_flips_change_the_likeliest_position_and_no_shorter_step_does(seed: int) -> None:
    table = some_table(seed, 4, 1 + seed % 2)
    found, leader, now = flips(table)
    how = Election()
    options = (np.unique(table.position, axis=0) + 1) / 12

    def likeliest(actor: str, towards: str, step: float) -> int:
        i, j = int(actor[1:]), int(towards[1:])
        x = table.scaled.copy()
        x[i] += step * (x[j] - x[i])
        u = [[1 - brute.apart(x[k], o, table.salience[k]) for o in options] for k in range(4)]
        w = table.influence.sum(1).tolist()
        p = brute.elect(brute.strengths(u, w, how.voting), how.election, how.victory)
        return int(np.argmax(p))

    assert int(now.argmax()) == leader
    for flip in found:
        assert likeliest(flip.actor, flip.towards, flip.step + 1e-6) != leader
        for share in (0.25, 0.5, 0.75, 0.9999):
            assert likeliest(flip.actor, flip.towards, share * flip.step) == leader


@pytest.mark.parametrize("outcome", ["mean", "election"])
@pytest.mark.parametrize("seed", range(3))
def test_sensitivity_is_the_outcome_of_the_moved_table(seed: int, outcome: str) -> None:
    table = some_table(seed, 4, 1 + seed % 2)
    found = sensitivity(table, outcome, share=0.1)
    options = np.unique(table.position, axis=0)

    def outcome_of(x: np.ndarray, s: np.ndarray, c: np.ndarray) -> np.ndarray:
        if outcome == "mean":
            w = s * c[:, None]
            return (w * x).sum(0) / w.sum(0)
        u = [[1 - brute.apart((x[k] + 1) / 12, (o + 1) / 12, s[k]) for o in options]
             for k in range(4)]  # fmt: skip
        w = (s * c[:, None]).sum(1).tolist()
        p = brute.elect(brute.strengths(u, w, "proportional"), "markov-incentive", "linear")
        return np.array(p) @ options

    base = outcome_of(table.position, table.salience, table.capability)
    np.testing.assert_allclose(found.base, base, atol=1e-7)
    for at, (actor, kind, dimension) in enumerate(inputs_of(table)):
        i = int(actor[1:])
        k = table.dimensions.index(dimension) if dimension else 0
        ends, steps = [], []
        for sign in (-1, 1):
            for size, kept in ((0.1, ends), (1e-4, steps)):
                x, s, c = (np.array(a) for a in (table.position, table.salience, table.capability))
                if kind == "position":
                    x[i, k] = np.clip(x[i, k] + sign * size * 12, -1, 11)
                elif kind == "salience":
                    s[i, k] *= 1 + sign * size
                else:
                    c[i] *= 1 + sign * size
                kept.append(outcome_of(x, s, c))
        if kind != "salience" or table.salience[i].sum() + 0.1 * table.salience[i, k] <= 1:
            np.testing.assert_allclose(found.low[at], ends[0], atol=1e-6)
            np.testing.assert_allclose(found.high[at], ends[1], atol=1e-6)
        unit = {"position": 12e-4, "salience": 1e-4 * table.salience[i, k],
                "capability": 1e-4 * table.capability[i]}[kind]  # fmt: skip
        below, above = (base - steps[0]) / unit, (steps[1] - base) / unit
        np.testing.assert_allclose(found.slope[at], [below, above], rtol=5e-3, atol=2e-3)


def test_many_versions_at_once_are_the_versions_one_by_one() -> None:
    tables = [some_table(seed, 4, 2) for seed in range(5)]
    options = np.random.default_rng(0).random((6, 2))
    many = Moved(*(np.stack([getattr(t, n) for t in tables])
                   for n in ("scaled", "salience", "capability")))  # fmt: skip
    p, mean = expected_outcome(many, options, Election())
    for t, row, at in zip(tables, p, mean, strict=True):
        one = expected_outcome(
            Moved(t.scaled[None], t.salience[None], t.capability[None]), options, Election()
        )
        np.testing.assert_allclose(row, one[0][0], rtol=1e-12)
        np.testing.assert_allclose(at, one[1][0], rtol=1e-12)
