"""Reverse-mode derivatives of the first case's headlines, against central differences.

Levels and numbers of sweeps are frozen (a coarse grid and a short horizon keep the test quick; the
code is the same). Figures read off paths are compared within three standard errors.
"""

from dataclasses import replace

import numpy as np
import pytest

import servanda as sv
from servanda.game import batch
from servanda.game.backward import DEFAULT_SCHEME
from servanda.game.solve import prepare
from servanda.scenario.worlds import weights

LEVELS = (3, 3, 3, 3, 3)


@pytest.fixture(scope="module")
def case():
    scenario = sv.load("scenarios/ukraine-2025")
    return replace(scenario, horizon=12)


def tight(program):
    """Evaluations past the horizon solved to the last digit, and two rounds of them."""
    return replace(program, method=replace(program.method, rounds=2, sweeps=6, tolerance=1e-13))


@pytest.mark.xfail(
    reason="not yet shown on every assumption: kinks and an unsettled tail at 3 levels"
)
def test_worth_and_signing_agree_with_central_differences_on_every_assumption(case):
    from servanda.game.differentiate import gradient

    program, world = prepare(case, "kremlin_counter", None, (), LEVELS, DEFAULT_SCHEME, False)
    program = tight(program)
    root = program.game.roots[0]
    first = program.game.graph.index[program.game.graph.start(0)]
    stage = next(k for k, s in enumerate(program.game.signings) if s.regime == first)

    def figures(out):
        gain = out["value"][root["signed"]] - out["value"][root["no_deal"]]
        found = {p: gain[i] for i, p in enumerate(program.game.parties)}
        found |= {f"sign{j}": q for j, q in enumerate(out["accept"][stage])}
        return found

    exact = gradient(program, figures, world)
    theta = np.asarray(world.values[0])
    scale = np.maximum(np.abs(theta), 0.05)
    steps = 2e-5 * scale
    shifted = []
    for k in range(len(theta)):
        for sign in (1, -1, 2, -2):
            x = theta.copy()
            x[k] += sign * steps[k]
            shifted.append(x)
    many = replace(world, values=np.array(shifted))
    out = batch.run(program, many)
    parties = len(program.game.parties)
    gain = out["value"][:, root["signed"], :parties] - out["value"][:, root["no_deal"], :parties]
    signs = np.stack(out["accept"][stage], axis=-1)
    values = np.concatenate([gain, signs], axis=1).reshape(len(theta), 4, -1)
    plus, minus, plus2, minus2 = (values[:, j] for j in range(4))
    step = steps[:, None]
    # fourth-order central differences, and two of second order that agree where there is no kink
    near, far = (plus - minus) / (2 * step), (plus2 - minus2) / (4 * step)
    numeric = (4 * near - far) / 3
    reverse = exact.gradient[0].T
    # relative to the derivative itself, or to a hundredth of the figure's largest response
    size = np.max(np.abs(reverse) * scale[:, None], axis=0)
    bound = 1e-5 * np.maximum(np.abs(reverse) * scale[:, None], 1e-2 * size)
    smooth = np.abs(near - far) * scale[:, None] <= 30 * bound
    agrees = np.abs(numeric - reverse) * scale[:, None] <= bound + 1e-9
    assert smooth.mean() > 0.9
    assert np.all(agrees[smooth])


def test_derivatives_by_hypothesis_weights_agree_with_central_differences(case):
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


@pytest.mark.xfail(
    reason="a 2 % step in russia.patience crosses a cliff where the tail does not settle"
)
def test_derivatives_of_survival_lie_within_three_standard_errors(case):
    """Against central differences with common random numbers averaged over many paths."""
    deal = "ceasefire_30"
    found = sv.differentiate(case, deal, dates=(4,), paths=64, batches=8, levels=(3, 3, 3, 3, 3))
    error = found.error.sel(figure="survival.4").values[0]
    slope = found.gradient.sel(figure="survival.4").values[0]

    names = [str(x) for x in found.gradient.assumption.values]
    world = sv.modal(case)
    picked = np.argsort(-np.abs(slope) * np.abs(world.values[0]))[:4]
    for k in picked:
        h = 0.02 * max(abs(world.values[0, k]), 0.05)
        values = []
        for sign in (1, -1):
            x = world.values.copy()
            x[0, k] += sign * h
            run = sv.simulate(
                case, deal, worlds=replace(world, values=x), paths=2048, levels=LEVELS
            )
            values.append(float(run.survival[0, 4]))
        numeric = (values[0] - values[1]) / (2 * h)
        assert abs(slope[k] - numeric) <= 3 * error[k] + 0.05 * abs(numeric) + 1e-3, names[k]
