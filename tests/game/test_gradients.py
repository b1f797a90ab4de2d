"""Reverse-mode derivatives of the first case's headlines, against central differences.

Levels, the grid's boxes and numbers of sweeps are frozen (a coarse grid and a short horizon keep
the test quick; the code is the same). Figures read off paths are compared within three standard
errors, of the derivative and of the differences together.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import servanda as sv
from servanda.game import batch
from servanda.game.batch import Follow
from servanda.game.differentiate import gradient
from servanda.game.paths import KINDS
from servanda.game.period import DEFAULT_SCHEME
from servanda.game.solve import prepare
from servanda.scenario.worlds import weights

LEVELS = (3, 3, 3, 3, 3)
STEP = 1e-6
"""Of central differences, relative to the assumption."""

NOISE = 1e-13
"""Of values: past the horizon they are settled to 5e-14 of the stakes."""

MOST_KINKS = 0.15
"""Share of derivatives that may lie so near a kink that two step sizes disagree."""


@pytest.fixture(scope="module")
def case():
    scenario = sv.load("scenarios/ukraine-2025")
    return replace(scenario, horizon=12)


def relative_to(theta):
    return np.maximum(np.abs(theta), 0.05)


def test_worth_and_signing_agree_with_central_differences_on_every_assumption(case):
    """To 1e-5 of the derivative, wherever two step sizes agree with one another.

    Formulas have kinks, interpolation has them at the borders of cells, and the limiter wherever
    one of a grid point's two slopes overtakes the other.
    """
    program, world = prepare(case, "kremlin_counter", None, (), LEVELS, DEFAULT_SCHEME, False)
    program = replace(program, method=replace(program.method, tolerance=1e-14, most=300))
    root = program.game.roots[0]
    first = program.game.graph.index[program.game.graph.start(0)]
    stage = next(k for k, s in enumerate(program.game.signings) if s.regime == first)
    signatories = len(program.game.signings[stage].parties)

    def figures(out):
        gain = out["value"][root["signed"]] - out["value"][root["no_deal"]]
        found = {p: gain[i] for i, p in enumerate(program.game.parties)}
        return found | {f"sign{j}": out["accept"][stage, j] for j in range(signatories)}

    boxes = batch.bounds(program, world)
    # a little wider than what is reachable: the starting point would lie on the border of a cell
    width = boxes[:, :, 1] - boxes[:, :, 0]
    boxes = np.stack([boxes[:, :, 0] - 0.03 * width, boxes[:, :, 1] + 0.04 * width], axis=2)
    exact = gradient(program, figures, world, boxes=boxes)
    hypotheses = [h for members in case.hypotheses.values() for h in members.values()]
    assert {name for h in hypotheses for name in h.sets} <= set(exact.assumptions)

    theta = np.asarray(world.values[0])
    scale = relative_to(theta)[:, None]
    shifts = np.array([1.0, -1.0, 2.0, -2.0])
    moved = theta + STEP * shifts[:, None, None] * np.diag(scale[:, 0])
    many = replace(world, values=moved.reshape(-1, len(theta)))
    with ThreadPoolExecutor(1) as pool:  # compiles once, not once a core
        out = batch.run(
            program, many, pool=pool, boxes=np.repeat(boxes, len(moved) * len(theta), 0)
        )
    parties = len(program.game.parties)
    gain = out["value"][:, root["signed"], :parties] - out["value"][:, root["no_deal"], :parties]
    signs = out["accept"][:, stage, :signatories]
    plus, minus, plus2, minus2 = np.concatenate([gain, signs], axis=1).reshape(4, len(theta), -1)
    # all derivatives are per relative change of the assumption
    near, far = (plus - minus) / (2 * STEP), (plus2 - minus2) / (4 * STEP)
    reverse = exact.gradient[0].T * scale
    rounding = NOISE * np.maximum(1.0, np.abs(exact.value[0])) / STEP
    smooth = np.abs(near - far) <= 1e-6 * np.abs(reverse) + rounding
    agrees = np.abs(near - reverse) <= 1e-5 * np.abs(reverse) + rounding
    print(f"{(~smooth).sum()} of {smooth.size} derivatives lie at a kink,")
    print(f"{(1e-5 * np.abs(reverse) > rounding).sum()} are compared above rounding")
    assert np.all(agrees[smooth])
    assert (~smooth).mean() <= MOST_KINKS
    assert (1e-5 * np.abs(reverse) > rounding)[smooth].sum() > 100


def test_derivatives_by_hypothesis_weights_agree_with_central_differences(case):
    case = replace(case, terminal="zero")  # it is only the weights that are differentiated
    worlds = sv.draw(case, 16, seed=3)
    found = sv.differentiate(case, "kremlin_counter", worlds=worlds, levels=(2, 2, 2, 2, 2))
    groups = {g: np.array([h.weight for h in m.values()]) for g, m in case.hypotheses.items()}
    value = found.value.values
    for group, members in case.hypotheses.items():
        for k, name in enumerate(members):
            up, down = (dict(groups), dict(groups))
            e = np.zeros(len(members))
            e[k] = 1e-6
            up[group], down[group] = groups[group] + e, groups[group] - e
            change = weights(worlds, case, up) - weights(worlds, case, down)
            numeric = change @ value / 2e-6
            exact = found.weights.sel(hypothesis=f"{group}.{name}").values
            assert np.allclose(exact, numeric, rtol=1e-5, atol=1e-7)


def test_derivatives_of_survival_lie_within_three_standard_errors(case):
    """Against central differences on the same draws for both sides, from many paths.

    The game ends with a horizon of six months here, which halves what there is to compile.
    """
    case = replace(case, terminal="zero", horizon=6)
    t, in_force = 2, KINDS.index("in_force")
    program, world = prepare(case, "ceasefire_30", None, (), LEVELS, DEFAULT_SCHEME, False, 128)
    program = replace(program, follow=(Follow(program.game.roots[0]["signed"]),))
    boxes = batch.bounds(program, world)

    def figures(out):
        return {"survival": out["course0"].regime[t, in_force]}

    found = gradient(program, figures, world, batches=8, boxes=boxes)
    assert 0.01 < found.value[0, 0] < 0.99  # not pinned
    slope, error = found.gradient[0, 0], found.error[0, 0]

    many = replace(program, paths=256)
    draws = [replace(many, seed=100 + k).uniforms() for k in range(8)]
    theta = np.asarray(world.values[0])
    solve = batch.compiled(many, (theta, boxes[0], draws[0]))
    scale = relative_to(theta)

    def survival(k, step, uniforms):
        x = theta.copy()
        x[k] += step
        return float(solve(x, boxes[0], uniforms)["course0"].regime[t, in_force])

    for k in np.argsort(-np.abs(slope) * scale)[:4]:
        h = 2e-3 * scale[k]
        numeric = np.array([(survival(k, h, u) - survival(k, -h, u)) / (2 * h) for u in draws])
        spread = numeric.std(ddof=1) / np.sqrt(len(draws))
        off = (slope[k] - numeric.mean()) / np.hypot(error[k], spread)
        print(f"{program.names[k]}: {slope[k]:.4g}, off by {off:.2f} standard errors")
        assert abs(off) <= 3, program.names[k]
        assert np.hypot(error[k], spread) < 0.2 * abs(slope[k])  # else nothing is shown


def test_derivatives_through_a_stock_that_nobody_moves_are_those_of_its_path():
    """The reachable set is one path: x(t) = 0.3 + t rate, worth the sum of 0.9^t x(t), t < 6."""
    drift = sv.load("""
        title: Drift
        period: year
        horizon: 6
        terminal: zero
        parties: {north: {patience: 0.9, acuity: 6, stakes: 1}}
        assumptions: {rate: {value: [0.01, 0.05, 0.1], why: how fast it rises}}
        stocks: {water: {start: 0.3, next: water + rate}}
        moves: {north: [wait]}
        interests: {north: {water: water*in_force}}
        proposals: {deal: {signatories: [north]}}
        """)
    slope = sv.differentiate(drift, "deal").gradient.sel(figure="worth.north", assumption="rate")
    assert float(slope[0]) == pytest.approx(sum(t * 0.9**t for t in range(6)), rel=1e-6)


LATER = """
title: an offer that opens later
horizon: 4
terminal: zero
parties:
  buyer: {patience: 0.9, acuity: 2, stakes: 1}
  seller: {patience: 0.8, acuity: 3, stakes: 1}
assumptions: {price: [0.2, 0.3, 0.4]}
interests:
  buyer: {gain: (0.5 - price)*in_force}
  seller: {gain: price*in_force}
proposals: {sale: {signatories: [buyer, seller], open: [2, 2]}}
"""


def test_joint_signing_of_an_offer_that_opens_later_has_a_derivative():
    """It is judged as if it could be signed at the start. Both accept with the logistic function of
    what four periods bring, the buyer knowing that the seller may still refuse."""
    scenario = sv.load(LATER)
    found = sv.differentiate(scenario, "sale")
    assert float(found.value.sel(figure="signs.all")[0]) == pytest.approx(
        float(sv.solve(scenario, "sale").joint[0])
    )

    def joint(price):
        seller = 1 / (1 + np.exp(-3 * price * (1 - 0.8**4) / 0.2))
        buyer = 1 / (1 + np.exp(-2 * seller * (0.5 - price) * (1 - 0.9**4) / 0.1))
        return buyer * seller

    assert float(found.value.sel(figure="signs.all")[0]) == pytest.approx(joint(0.3))
    slope = (joint(0.3 + 1e-6) - joint(0.3 - 1e-6)) / 2e-6
    assert float(found.gradient.sel(figure="signs.all", assumption="price")[0]) == pytest.approx(
        slope, rel=1e-6
    )
