"""Worlds cover what is uncertain, evenly, and weigh what the analyst says they weigh."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from servanda.errors import QuestionError
from servanda.scenario import draw, load, loads, modal, weights

HEAD = "title: A\nhorizon: 3\nparties: {a: {patience: 0.9}}\n"

RIVALS = """\
assumptions: {cost: [0, 1, 2], share: {distribution: uniform, low: 0, high: 1}, known: 4}
hypotheses:
  aims:
    greedy: {weight: 0.7, greed: [0.5, 0.7, 0.9]}
    afraid: {weight: 0.3, greed: 0.1, cost: 5}
  means:
    rich: {weight: 0.1, wealth: 2}
    poor: {weight: 0.2, wealth: 1}
    broke: {weight: 0.7, wealth: 0}
"""


@pytest.fixture(scope="module")
def rivals():
    return loads(HEAD + RIVALS)


def test_the_modal_world_is_the_mode_under_the_heaviest_hypotheses(rivals):
    worlds = modal(rivals)
    assert len(worlds) == 1
    row = dict(zip(worlds.names, worlds.values[0], strict=True))
    assert row == {"cost": 1.0, "share": 0.5, "known": 4.0, "greed": 0.7, "wealth": 0.0}
    assert {group: int(i[0]) for group, i in worlds.hypotheses.items()} == {"aims": 0, "means": 2}
    assert worlds.weight.tolist() == [1.0]


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 7, 13, 64, 100])
def test_weights_sum_to_one_whatever_the_number_of_worlds(rivals, n):
    worlds = draw(rivals, n, seed=3)
    assert len(worlds) == n
    assert worlds.values.shape == (n, 5)
    assert worlds.weight.sum() == pytest.approx(1.0, abs=1e-12)
    assert (worlds.weight > 0).all()


def test_every_combination_of_hypotheses_is_there_with_its_own_weight(rivals):
    worlds = draw(rivals, 40, seed=1)
    for i, aims in enumerate([0.7, 0.3]):
        for j, means in enumerate([0.1, 0.2, 0.7]):
            holds = (worlds.hypotheses["aims"] == i) & (worlds.hypotheses["means"] == j)
            assert holds.any()
            assert worlds.weight[holds].sum() == pytest.approx(aims * means)


def test_as_many_worlds_as_combinations_give_one_each(rivals):
    worlds = draw(rivals, 6)
    pairs = set(
        zip(worlds.hypotheses["aims"].tolist(), worlds.hypotheses["means"].tolist(), strict=True)
    )
    assert len(pairs) == 6


def test_heavier_combinations_get_more_worlds(rivals):
    worlds = draw(rivals, 100)
    pairs = np.stack([worlds.hypotheses["aims"], worlds.hypotheses["means"]], axis=1)
    counts = {pair: int((pairs == pair).all(1).sum()) for pair in [(0, 2), (1, 2), (1, 0)]}
    assert counts[0, 2] == 49
    assert counts[1, 2] == 21
    assert counts[1, 0] == 3


def test_a_hypothesis_sets_its_assumptions_and_leaves_the_others(rivals):
    worlds = draw(rivals, 60)
    afraid = worlds.hypotheses["aims"] == 1
    assert (worlds.column("greed")[afraid] == 0.1).all()
    assert (worlds.column("cost")[afraid] == 5).all()
    assert (worlds.column("greed")[~afraid] >= 0.5).all()
    assert (worlds.column("cost")[~afraid] <= 2).all()
    assert (worlds.column("known") == 4).all()


def test_fewer_worlds_than_combinations_are_picked_by_weight(rivals):
    picked = np.zeros((2, 3))
    for seed in range(300):
        worlds = draw(rivals, 2, seed)
        for i, j, w in zip(
            worlds.hypotheses["aims"], worlds.hypotheses["means"], worlds.weight, strict=True
        ):
            picked[i, j] += w / 300
    np.testing.assert_allclose(picked, np.outer([0.7, 0.3], [0.1, 0.2, 0.7]), atol=0.05)


def test_a_hypothesis_of_no_weight_is_kept_for_later():
    text = "hypotheses: {g: {yes: {weight: 1, x: 1}, no: {weight: 0, x: 2}}}\n"
    scenario = loads(HEAD + text)
    worlds = draw(scenario, 8)
    assert worlds.weight.sum() == pytest.approx(1.0)
    assert set(worlds.hypotheses["g"].tolist()) == {0, 1}
    turned = weights(worlds, scenario, {"g": np.array([0.0, 1.0])})
    assert turned[worlds.hypotheses["g"] == 1].sum() == pytest.approx(1.0)


def test_the_same_seed_gives_the_same_worlds(rivals):
    np.testing.assert_array_equal(draw(rivals, 32, 7).values, draw(rivals, 32, 7).values)
    assert (draw(rivals, 32, 7).values != draw(rivals, 32, 8).values).any()


def test_each_uncertain_number_is_drawn_evenly():
    scenario = loads(
        HEAD + "assumptions: {u: {distribution: uniform, low: 0, high: 1}, p: [1, 2, 5]}\n"
    )
    worlds = draw(scenario, 256, seed=5)
    # One Sobol point in each of 256 slices of every axis.
    assert set(np.floor(worlds.column("u") * 256).astype(int).tolist()) == set(range(256))
    assert worlds.column("p").mean() == pytest.approx((1 + 4 * 2 + 5) / 6, abs=2e-3)


def test_assumptions_vary_independently():
    names = ", ".join(f"x{i}: [0, 0.5, 1]" for i in range(12))
    worlds = draw(loads(HEAD + f"assumptions: {{{names}}}\n"), 512)
    correlation = np.corrcoef(worlds.values.T) - np.eye(12)
    assert np.abs(correlation).max() < 0.1


def test_without_anything_uncertain_all_worlds_are_alike():
    worlds = draw(loads(HEAD), 4)
    assert worlds.values.shape == (4, 0)
    assert worlds.weight.tolist() == [0.25] * 4


def test_a_formula_of_assumptions_needs_no_column():
    scenario = loads(HEAD + "assumptions: {x: [0, 1, 2], y: 2*x}\n")
    assert draw(scenario, 4).names == ("x",)


def test_weights_can_change_without_drawing_again(rivals):
    worlds = draw(rivals, 50)
    np.testing.assert_allclose(weights(worlds, rivals, {}), worlds.weight)
    shifted = weights(worlds, rivals, {"aims": [0.2, 0.8]})
    assert shifted[worlds.hypotheses["aims"] == 1].sum() == pytest.approx(0.8)
    assert shifted[worlds.hypotheses["means"] == 2].sum() == pytest.approx(0.7)


def test_weights_have_gradients(rivals):
    worlds = draw(rivals, 30)
    afraid = jnp.asarray(worlds.hypotheses["aims"] == 1)

    def share(w):
        return jnp.sum(weights(worlds, rivals, {"aims": jnp.stack([1 - w, w])}, jnp) * afraid)

    assert float(share(0.3)) == pytest.approx(0.3, rel=1e-5)
    assert float(jax.grad(share)(0.3)) == pytest.approx(1.0, rel=1e-4)


def test_picked_worlds_are_reweighted_by_how_they_were_picked(rivals):
    worlds = draw(rivals, 3, seed=2)
    np.testing.assert_allclose(weights(worlds, rivals, {}), worlds.weight)


@pytest.mark.parametrize("given", [{"aim": [1, 0]}, {"aims": [1, 0, 0]}])
def test_weights_for_what_does_not_exist_are_refused(rivals, given):
    with pytest.raises(QuestionError, match="aims"):
        weights(modal(rivals), rivals, given)


def test_no_worlds_are_no_answer(rivals):
    with pytest.raises(QuestionError, match="at least one world"):
        draw(rivals, 0)


def test_the_file_that_uses_everything_can_be_drawn():
    scenario = load(Path(__file__).parent / "valid.yaml")
    worlds = draw(scenario, 50)
    assert np.isfinite(worlds.values).all()
    assert (worlds.column("crop") >= 0.5).all()
