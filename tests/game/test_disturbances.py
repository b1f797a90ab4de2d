"""Noise on stocks: the rule's moments, and sums and covariances over time known by hand."""

from __future__ import annotations

import copy
import itertools
import json
import math
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

import servanda as sv
from servanda.game.batch import bounds, run
from servanda.game.differentiate import gradient
from servanda.game.disturbances import PRODUCT, draws, rule
from servanda.game.period import DEFAULT_SCHEME
from servanda.game.reach import epoch_of
from servanda.game.size import size_of
from servanda.game.solve import prepare
from servanda.scenario import loads
from servanda.scenario.flows import MAX_DISTURBANCES

jax.config.update("jax_enable_x64", True)

BEFORE = (-6.301851437305337, 4.232243037036372, -6.305339054143719, 4.115563455738931)
"""Regression values of `test_two_stocks_with_their_own_shocks_are_what_they_were`."""

NUMBERS = range(1, MAX_DISTURBANCES + 1)


def alone(
    stocks: dict[str, Any], interest: str, horizon: int = 6, terminal: str = "zero"
) -> dict[str, Any]:
    """One party that only looks on, patience 0.9."""
    return {
        "title": "noise",
        "horizon": horizon,
        "terminal": terminal,
        "parties": {"owner": {"patience": 0.9, "acuity": 1, "stakes": 1}},
        "stocks": stocks,
        "moves": {"owner": ["wait"]},
        "interests": {"owner": {"worth": interest}},
    }


def value(raw: dict[str, Any], levels: tuple[int, ...], scheme: Any = DEFAULT_SCHEME) -> float:
    found = sv.solve(loads(json.dumps(raw)), levels=levels, scheme=scheme)
    return float(found.value.values[0, 0, 0])


def whole(raw: dict[str, Any], levels: tuple[int, ...], scheme: Any) -> tuple[Any, Any, np.ndarray]:
    """A program, its world, and boxes that are the stocks' ranges in every epoch.

    What is clipped at the edge of the range is a cell further in each period back; a start that is
    as many cells away sees nothing of it, and what the scheme interpolates exactly is exact.
    """
    program, world = prepare(loads(json.dumps(raw)), None, None, (), levels, scheme, False)
    box = np.array([s["range"] for s in raw["stocks"].values()], float).T
    return program, world, np.broadcast_to(box, bounds(program, world).shape).copy()


def exact(raw: dict[str, Any], levels: tuple[int, ...], scheme: Any) -> float:
    program, world, boxes = whole(raw, levels, scheme)
    out = run(program, world, boxes=boxes)
    return float(out["value"][0, program.game.roots[0]["no_deal"], 0])


# -- the rule -------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", NUMBERS)
def test_every_moment_to_degree_three_is_that_of_the_normal(count: int) -> None:
    """E[z_i z_j z_k] = 0, E[z_i z_j] = 1 if i = j, else 0, E[z_i] = 0."""
    nodes, weights = rule(count)
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1.0, abs=1e-14)
    assert weights @ nodes == pytest.approx(np.zeros(count), abs=1e-14)
    second = np.einsum("d,di,dj->ij", weights, nodes, nodes)
    assert second == pytest.approx(np.eye(count), abs=1e-13)
    third = np.einsum("d,di,dj,dk->ijk", weights, nodes, nodes, nodes)
    assert third == pytest.approx(np.zeros((count,) * 3), abs=1e-13)
    assert len(weights) <= (3**count if count <= PRODUCT else 2 * count + 1)


@pytest.mark.parametrize("count", NUMBERS[2:])
def test_the_fourth_moment_is_the_nearer_of_both_ways_to_turn(count: int) -> None:
    """On the axes E z^4 = 2 n^2 / (2 n) = n; reflected, n ((1 - 2/n)^4 + (n - 1) (2/n)^4)."""
    nodes, weights = rule(count)
    axes = float(count)
    turned = count * ((1 - 2 / count) ** 4 + (count - 1) * (2 / count) ** 4)
    nearer = min(axes, turned, key=lambda fourth: abs(fourth - 3.0))
    assert weights @ nodes**4 == pytest.approx(np.full(count, nearer), rel=1e-12)


@pytest.mark.parametrize("count", NUMBERS[2:])
def test_the_draws_are_the_same_in_any_order(count: int) -> None:
    nodes, _ = rule(count)
    turned = nodes[:, np.random.default_rng(count).permutation(count)]
    assert {tuple(z) for z in turned.tolist()} == {tuple(z) for z in nodes.tolist()}


def test_three_disturbances_have_the_hermite_nodes_each_by_itself() -> None:
    """Of 6 draws at ±√3 on the axes, each disturbance is at ±√3 in one each and at 0 in four."""
    shaken = {name: {"start": 0, "next": name, "shock": 1} for name in "abc"}
    scenario = loads(json.dumps(alone(shaken, "a + b + c")))
    found = sorted((z["b"], w) for z, w in draws(scenario, ("b",)))
    root = math.sqrt(3)
    assert np.array(found) == pytest.approx(
        np.array([(-root, 1 / 6), (0.0, 2 / 3), (root, 1 / 6)]), abs=1e-15
    )


# -- one stock ------------------------------------------------------------------------------------


def test_a_drifting_stock_is_worth_the_discounted_sum_of_its_square() -> None:
    """x' = x + m + s z from x_0: E x_t = x_0 + m t, Var x_t = s^2 t, nothing clipped.

    Value of x^2 + 3 x over periods 0..5: sum_t 0.9^t ((x_0 + m t)^2 + s^2 t + 3 (x_0 + m t)).
    """
    start, m, s = 0.3, 0.2, 0.5
    stock = {"start": start, "next": f"x + {m}", "shock": s, "range": [-20, 20]}
    t = np.arange(6)
    mean = start + m * t
    expected = float(np.sum(0.9**t * (mean**2 + s**2 * t + 3 * mean)))
    found = exact(alone({"x": stock}, "x**2 + 3*x"), (41,), "quadratic")
    assert found == pytest.approx(expected, rel=1e-9)
    still = exact(alone({"x": stock | {"shock": 0}}, "x**2 + 3*x"), (41,), "quadratic")
    assert found - still == pytest.approx(float(np.sum(0.9**t * s**2 * t)), rel=1e-8)


@pytest.mark.parametrize("shock", [{"own": 0.5}, {"own": 0.3, "u": 0.0, "v": -0.4}])
def test_paths_have_the_mean_and_variance_of_the_stock(shock: dict[str, float]) -> None:
    """E x_t = x_0 + m t and E x_t^2 = (x_0 + m t)^2 + 0.25 t: 0.25 = 0.5^2 = 0.3^2 + 0.4^2.

    4096 paths: the standard error of the mean of x^2 is about √(2 v^2 + 4 v mean^2) / 64.
    """
    start, m = 0.3, 0.2
    stock = {"start": start, "next": f"x + {m}", "shock": shock, "range": [-20, 20]}
    scenario = loads(json.dumps(alone({"x": stock}, "x**2")))
    found = sv.simulate(scenario, paths=4096, levels=(9,))
    t = np.arange(7)
    mean, variance = start + m * t, 0.25 * t
    error = np.sqrt(variance / 4096)
    assert np.all(np.abs(found.stock.values[0, :, 0] - mean) <= 4 * error + 1e-12)
    t, mean, variance = t[:6], mean[:6], variance[:6]
    error = np.sqrt(2 * variance**2 + 4 * variance * mean**2) / 64
    assert np.all(np.abs(found.flow.values[0, :6, 0] - mean**2 - variance) <= 4 * error + 1e-12)
    assert variance[5] > 10 * error[5]


AR = {"a": 0.8, "mu": 0.5, "s": 0.1, "start": 0.9}


def ar_sum(a: float, mu: float, s: float, start: float) -> float:
    """Sum over all t of d^t E x_t^2 for x' = a x + (1 - a) mu + s z, d = 0.9.

    E x_t = mu + a^t D with D = x_0 - mu; Var x_t = s^2 (1 - a^(2 t)) / (1 - a^2). Geometric series.
    """
    d, far = 0.9, start - mu
    mean = mu**2 / (1 - d) + 2 * mu * far / (1 - a * d) + far**2 / (1 - a**2 * d)
    return mean + s**2 / (1 - a**2) * (1 / (1 - d) - 1 / (1 - a**2 * d))


@pytest.mark.parametrize(
    "shock",
    [
        0.1,
        {"own": 0.06, "u": 0.08},
        {"u": 0.1 / math.sqrt(3), "v": -0.1 / math.sqrt(3), "w": 0.1 / math.sqrt(3)},
        {name: 0.1 / math.sqrt(5) for name in ("own", "u", "v", "w", "y")},
    ],
    ids=["own", "two", "three", "five"],
)
def test_a_stock_that_reverts_is_worth_its_geometric_series(shock: Any) -> None:
    """However many disturbances share the variance 0.01, for ever, within one per cent."""
    a, mu = AR["a"], AR["mu"]
    stock = {"start": AR["start"], "next": f"{a}*x + {(1 - a) * mu}", "shock": shock}
    raw = alone({"x": stock | {"range": [-2, 3]}}, "x**2", 10, "stationary")
    found = value(raw, (41,))
    assert found == pytest.approx(ar_sum(**AR), rel=0.01)
    noise = ar_sum(**AR) - ar_sum(**AR | {"s": 0.0})
    assert noise > 0.03 * ar_sum(**AR)  # so that without noise this would fail


def test_the_derivative_by_a_loading_is_that_of_the_series() -> None:
    """d/ds of the sum of `test_a_drifting_stock...` over 0..5 is 2 s sum_t 0.9^t t, of three
    disturbances with loadings s, 0.2 and -0.3 and no drift."""
    stock = {"start": 0.1, "next": "x", "shock": {"own": 0.2, "u": "s", "v": -0.3}}
    raw = alone({"x": stock | {"range": [-20, 20]}}, "x**2 + 3*x") | {"assumptions": {"s": 0.5}}
    program, world, boxes = whole(raw, (41,), "quadratic")
    root = program.game.roots[0]["no_deal"]
    found = gradient(program, lambda out: {"worth": out["value"][root][0]}, world, boxes=boxes)
    t = np.arange(6)
    expected = 2 * 0.5 * np.sum(0.9**t * t)
    where = list(found.assumptions).index("s")
    assert np.asarray(found.gradient).reshape(-1, len(found.assumptions))[0, where] == (
        pytest.approx(expected, rel=1e-8)
    )


# -- several stocks -------------------------------------------------------------------------------

# stock: (start, {disturbance: loading}); "own" is its own
SHARED: dict[str, tuple[float, dict[str, float]]] = {
    "p": (0.1, {"own": 0.3, "war": 0.5, "price": 0.2}),
    "q": (0.4, {"war": -0.4, "price": 0.1}),
    "r": (-0.2, {"own": 0.2, "price": -0.6}),
    "v": (0.3, {"own": 0.7}),
    "w": (0.0, {"war": 0.25, "price": 0.25, "own": 0.1}),
}


def covariance(one: str, other: str) -> float:
    """Per period: the sum over disturbances they share of the product of loadings."""
    mine, theirs = SHARED[one][1], SHARED[other][1]
    return sum(mine[z] * theirs[z] for z in mine.keys() & theirs.keys() - {"own"})


def shared_stocks(names: str) -> dict[str, Any]:
    return {
        name: {
            "start": SHARED[name][0],
            "next": name,
            "shock": SHARED[name][1],
            "range": [-40, 40],
        }
        for name in names
    }


@pytest.mark.parametrize(("names", "horizon"), [("pq", 6), ("pqr", 4), ("pqrvw", 3)])
def test_stocks_that_share_disturbances_move_together(names: str, horizon: int) -> None:
    """E x_t y_t = x_0 y_0 + t c, c from loadings by hand; p and q: 0.5 (-0.4) + 0.2 0.1 = -0.18.

    A product of two stocks is linear along each: multilinear interpolation is exact.
    """
    assert covariance("p", "q") == pytest.approx(-0.18)
    t = np.arange(horizon)
    expected, terms = 0.0, []
    for k, (one, other) in enumerate(itertools.combinations(names, 2), 1):
        begun = SHARED[one][0] * SHARED[other][0]
        expected += k * float(np.sum(0.9**t * (begun + t * covariance(one, other))))
        terms.append(f"{k}*{one}*{other}")
    raw = alone(shared_stocks(names), " + ".join(terms), horizon)
    found = exact(raw, (2 * horizon,) * len(names), "multilinear")
    assert found == pytest.approx(expected, abs=1e-10)


def test_paths_share_the_draws() -> None:
    """Mean over 4096 paths of p q and of p w after t periods; c = -0.18 and 0.5 0.25 + 0.2 0.25.

    Standard error: √(t^2 (v_p v_q + c^2) + t (terms of the starts)) / 64, here bounded by
    (0.1 + t √(v_p v_w + c^2)) / 64 with variances v_p = 0.38, v_q = 0.17, v_w = 0.135.
    """
    raw = alone(shared_stocks("pqrvw"), "p*q")
    assert covariance("p", "w") == pytest.approx(0.175)
    for other, variance, begun in (("q", 0.17, 0.04), ("w", 0.135, 0.0)):
        raw["interests"]["owner"]["worth"] = f"p*{other}"
        found = sv.simulate(loads(json.dumps(raw)), paths=4096, levels=(2,) * 5)
        c, t = covariance("p", other), np.arange(6)
        error = (0.4 * np.sqrt(t) + t * np.sqrt(0.38 * variance + c**2)) / 64
        off = np.abs(found.flow.values[0, :6, 0] - begun - t * c)
        assert np.all(off <= 4 * error + 1e-12)
        assert abs(5 * c) > 4 * error[5]


def test_stocks_with_the_same_disturbance_stay_apart_by_their_starts() -> None:
    """x and y move by the same z: y - x never changes, however far both go."""
    moved = {"shock": {"war": 0.5}, "range": [-60, 60]}
    stocks = {"x": {"start": 0.2, "next": "x"} | moved, "y": {"start": 0.5, "next": "y"} | moved}
    t = np.arange(6)
    found = exact(alone(stocks, "(y - x)**2"), (31, 31), "quadratic")
    assert found == pytest.approx(float(np.sum(0.9**t * 0.3**2)), rel=1e-9)
    apart = {k: x | {"shock": 0.5} for k, x in stocks.items()}  # by 2 0.25 a period
    own = exact(alone(apart, "(y - x)**2"), (31, 31), "quadratic")
    assert own == pytest.approx(float(np.sum(0.9**t * (0.3**2 + 0.5 * t))), rel=1e-9)


# -- a game ---------------------------------------------------------------------------------------


def contest() -> dict[str, Any]:
    """Two players and three stocks with five disturbances, clipped and far from linear."""
    stocks = {
        "arms": {
            "start": 0.4,
            "next": "arms + 0.1*north.build - 0.05",
            "shock": {"own": 0.1, "war": 0.1, "rain": -0.05},
        },
        "land": {
            "start": 0.6,
            "next": "land - 0.1*south.press*arms + 0.03",
            "shock": {"war": -0.15, "own": 0.05},
        },
        "food": {"start": 0.5, "next": "0.8*food + 0.1", "shock": {"rain": 0.2, "own": 0.05}},
    }
    for k, stock in enumerate(stocks.values()):
        stock["levels"] = 3 + k
    return {
        "title": "contest",
        "horizon": 5,
        "parties": {
            "north": {"patience": 0.9, "acuity": 4},
            "south": {"patience": 0.85, "acuity": 6},
        },
        "stocks": stocks,
        "moves": {"north": ["rest", "build"], "south": ["wait", "press"]},
        "interests": {
            "north": {"gain": "arms*land + food*north.build - 0.3*south.press + 0.4*aid"},
            "south": {"gain": "arms*south.press - land**2 + 0.2*food - 0.3*aid*arms"},
        },
        "terms": {"aid": {"levels": {"none": 0, "some": 1}}},
        "obligations": {"quiet": {"party": "south", "never": "press", "verified": 0.8}},
        "proposals": {"pact": {"signatories": ["north", "south"], "terms": {"aid": "some"}}},
    }


def test_neither_order_nor_names_matter() -> None:
    """Stocks and loadings listed the other way, and disturbances by other names."""
    raw = contest()
    assert len(draws(loads(json.dumps(raw)))) == 10
    turned = copy.deepcopy(raw)
    turned["stocks"] = {
        name: stock | {"shock": dict(reversed(stock["shock"].items()))}
        for name, stock in reversed(raw["stocks"].items())
    }
    text = json.dumps(turned).replace('"war"', '"a_war"').replace('"rain"', '"zz"')
    here = sv.solve(loads(json.dumps(raw)), "pact")
    there = sv.solve(loads(text), "pact")
    assert there.value.values == pytest.approx(here.value.values, abs=1e-10)
    assert there.signing.values == pytest.approx(here.signing.values, abs=1e-10)
    calm = copy.deepcopy(raw)
    for stock in calm["stocks"].values():
        del stock["shock"]
    without = sv.solve(loads(json.dumps(calm)), "pact")
    assert np.abs(without.value.values - here.value.values).max() > 0.01


def test_two_stocks_with_their_own_shocks_are_what_they_were() -> None:
    """Regression values: of the version in which two stocks were the most that could have a shock.

    Then and now every bit was the same on one machine; others round otherwise.
    """
    raw = contest()
    raw["stocks"] = {
        "calm": {"start": 0.4, "next": "0.9*calm + 0.05*north.build", "shock": 0.1},
        "arms": {"start": 0.6, "next": "arms - 0.03 + 0.05*south.press", "shock": 0.05},
    }
    raw["interests"] = {
        "north": {"gain": "calm*north.build - 0.2*south.press - arms"},
        "south": {"gain": "arms*south.press - 0.1*north.build + 0.1*aid"},
    }
    found = sv.solve(loads(json.dumps(raw)), "pact", levels=(5, 6)).value.values
    assert found.ravel() == pytest.approx(np.array(BEFORE), rel=1e-10)


def test_boxes_contain_what_paths_reach() -> None:
    """Mean stocks of every path taken alone lie in the box of their period, which is no wider."""
    raw = contest()
    scenario = replace(loads(json.dumps(raw)), horizon=5)
    program, world = prepare(scenario, "pact", None, (), None, DEFAULT_SCHEME, False)
    box = bounds(program, world)[0][epoch_of(scenario)]  # [period + 1, bound, stock]
    for seed in range(8):
        found = sv.simulate(scenario, "pact", paths=1, seed=seed, stay=False).stock.values[0]
        for t in range(5):
            for at in (t, min(t + 1, 5)):
                assert np.all(found[at] >= box[t, 0] - 1e-12)
                assert np.all(found[at] <= box[t, 1] + 1e-12)
    # after one period food is 0.5 + 0.2 z_rain + 0.05 z_own at most: reflected nodes of five
    shares = [0.2 * z["rain"] + 0.05 * z["food"] for z, _ in draws(scenario)]
    assert box[0, 1, 2] == pytest.approx(0.5 + max(shares), abs=1e-12)
    assert box[0, 0, 2] == pytest.approx(0.5 + min(shares), abs=1e-12)


def test_draws_count_in_memory() -> None:
    noisy, calm = contest(), contest()
    for stock in calm["stocks"].values():
        del stock["shock"]
    sizes = []
    for raw in (calm, noisy):
        program, _ = prepare(loads(json.dumps(raw)), "pact", None, (), None, DEFAULT_SCHEME, False)
        sizes.append(size_of(program.game, program.method.grid.levels).bytes)
    assert sizes[1] > 1.5 * sizes[0]
