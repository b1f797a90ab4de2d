"""Scenario discovery finds the region where the cases of interest are, and says how sure it is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binom

from questions.prim.agreement import asked, assert_same_steps
from questions.prim.cases import CASES, HERE, OBJECTIVES
from servanda.errors import QuestionError
from servanda.questions.prim import Box, Restriction, inside, prim

NAMES = ("oil price", "aid", "troops", "weather")
REGIMES = {"regime": ("democracy", "junta", "monarchy", "theocracy")}


def planted(cases: int = 2000, seed: int = 0, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Uniform inputs; of interest is oil price < 0.4 with aid > 0.7, save for some noise."""
    rng = np.random.default_rng(seed)
    x = rng.random((cases, 4))
    y = (x[:, 0] < 0.4) & (x[:, 1] > 0.7)
    return x, y ^ (rng.random(cases) < noise)


def planted_by_regime(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Of interest is aid above a half under a junta or in a monarchy."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.random(1500), rng.integers(0, 4, 1500)])
    return x, (x[:, 0] > 0.5) & np.isin(x[:, 1], [1, 2])


def members(box: Box, x: np.ndarray, names: tuple[str, ...] = NAMES) -> list[bool]:
    return inside(box, x, names).tolist()


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", CASES)
def test_every_step_is_the_one_ema_workbench_took(name, objective):
    """Recorded with `python -m peers.ema`; the file says which version."""
    case = CASES[name]()
    recorded = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    assert_same_steps(case, asked(case, objective)[0], recorded["trajectories"][objective])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_planted_box_is_found(objective):
    x, y = planted()
    box = prim(x, y, NAMES, objective=objective)[0].box
    assert [r.name for r in box.restrictions] == ["oil price", "aid"]
    oil, aid = box.restrictions
    assert oil.high == pytest.approx(0.4, abs=0.03)
    assert aid.low == pytest.approx(0.7, abs=0.03)
    assert (oil.low, aid.high) == (-np.inf, np.inf)
    assert box.coverage > 0.9
    assert box.density > 0.9


def test_a_planted_box_is_found_through_noise():
    x, y = planted(noise=0.05)
    box = prim(x, y, NAMES)[0].box
    assert {r.name for r in box.restrictions} == {"oil price", "aid"}
    assert box.restrictions[0].high == pytest.approx(0.4, abs=0.05)


def test_a_planted_set_of_categories_is_found():
    x, y = planted_by_regime()
    box = prim(x, y, ("aid", "regime"), categories=REGIMES)[0].box
    aid, regime = box.restrictions
    assert regime.labels == ("junta", "monarchy")
    assert aid.low == pytest.approx(0.5, abs=0.03)
    assert str(regime) == "regime in {junta, monarchy}"


def test_coverage_density_and_mass_are_what_counting_the_cases_inside_gives():
    x, y = planted(noise=0.1)
    for box in prim(x, y, NAMES)[0].trajectory:
        held = inside(box, x, NAMES)
        assert box.coverage == pytest.approx(y[held].sum() / y.sum(), abs=1e-12)
        assert box.density == pytest.approx(y[held].mean(), abs=1e-12)
        assert box.mass == pytest.approx(held.mean(), abs=1e-12)


def test_a_quasi_p_value_is_the_binomial_tail_at_the_density_without_the_restriction():
    """Bryant and Lempert (2010), section 3, counted by hand."""
    x, y = planted(noise=0.1)
    box = prim(x, y, NAMES)[0].box
    oil, aid = box.restrictions
    held = (x[:, 0] <= oil.high) & (x[:, 1] >= aid.low)
    without_oil = x[:, 1] >= aid.low
    expected = binom.sf(y[held].sum() - 1, held.sum(), y[without_oil].mean())
    assert oil.quasi_p == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("noise", [0.05, 0.1])
def test_a_restriction_that_does_not_matter_has_a_large_quasi_p_value(noise):
    """At the last step peeling has run on into noise: only the planted sides are beyond doubt."""
    strays = []
    for seed in range(5):
        said = {
            r.name: r
            for r in prim(*planted(2000, seed, noise), NAMES)[0].trajectory[-1].restrictions
        }
        oil, aid = said["oil price"], said["aid"]
        assert max(oil.quasi_p_high, aid.quasi_p_low) < 1e-20
        strays += [oil.quasi_p_low, aid.quasi_p_high]
        strays += [said[name].quasi_p for name in ("troops", "weather") if name in said]
    strays = [p for p in strays if not np.isnan(p)]
    assert strays
    assert min(strays) > 0.05


def test_no_restriction_of_the_chosen_box_is_dispensable():
    for seed in range(5):
        box = prim(*planted(600, seed, 0.1), NAMES)[0].box
        assert all(r.quasi_p <= 0.05 for r in box.restrictions)


def test_where_most_cases_are_of_interest_everything_wins_unless_a_threshold_is_asked_for():
    """Everything has density 0.88, so a mean of 0.94; the best side alone, 1 and 0.68, has 0.81."""
    x, y = planted()
    assert str(prim(x, ~y, NAMES)[0].box) == "everything"
    found = prim(x, ~y, NAMES, threshold=0.98)[0]
    assert found.meets_threshold
    assert {r.name for r in found.box.restrictions} <= {"oil price", "aid"}


def test_what_is_dropped_is_said_and_the_box_is_counted_anew():
    dropping = [prim(*planted(600, seed, 0.2), NAMES)[0] for seed in range(5)]
    dropping = [found for found in dropping if found.dropped]
    assert dropping
    for found in dropping:
        before = found.trajectory[found.step]
        assert found.box.mass > before.mass
        assert found.box.coverage >= before.coverage


def test_the_chosen_step_has_the_best_harmonic_mean_of_coverage_and_density():
    found = prim(*planted(noise=0.1), NAMES)[0]
    means = [2 / (1 / b.coverage + 1 / b.density) for b in found.trajectory]
    assert means[found.step] == max(means)


def test_a_threshold_leaves_only_steps_that_are_dense_enough():
    x, y = planted(noise=0.2)
    free = prim(x, y, NAMES)[0]
    dense = prim(x, y, NAMES, threshold=0.82)[0]
    assert free.box.density < 0.82 <= dense.trajectory[dense.step].density
    assert dense.step > free.step


def test_a_threshold_out_of_reach_gives_the_densest_step_and_says_so():
    x, y = planted(noise=0.2)
    found = prim(x, y, NAMES, threshold=1.0)[0]
    assert not found.meets_threshold
    assert found.trajectory[found.step].density == max(b.density for b in found.trajectory)


def test_only_the_order_of_an_input_matters():
    """A rising transformation of an input moves the limits and no case."""
    x, y = planted(noise=0.1)
    bent = np.column_stack([np.exp(5 * x[:, 0]), x[:, 1] ** 3, np.log(x[:, 2]), 9 * x[:, 3] - 4])
    plain, changed = prim(x, y, NAMES)[0], prim(bent, y, NAMES)[0]
    assert len(plain.trajectory) == len(changed.trajectory)
    for a, b in zip(plain.trajectory, changed.trajectory):
        assert members(a, x) == members(b, bent)
    assert members(plain.box, x) == members(changed.box, bent)


def test_the_order_of_inputs_does_not_matter():
    """Unequal weights, so that no two peels are equally good: equals go by the order of inputs."""
    x, y = planted(noise=0.1)
    weights = np.random.default_rng(1).uniform(0.5, 1.5, len(y))
    order = [2, 0, 3, 1]
    names = tuple(NAMES[j] for j in order)
    plain = prim(x, y, NAMES, weights=weights)[0]
    turned = prim(x[:, order], y, names, weights=weights)[0]
    assert len(plain.trajectory) == len(turned.trajectory)
    for a, b in zip(plain.trajectory, turned.trajectory):
        assert members(a, x) == members(b, x[:, order], names)
    assert {str(r) for r in plain.box.restrictions} == {str(r) for r in turned.box.restrictions}


def test_the_order_of_cases_does_not_matter():
    x, y = planted(noise=0.1)
    order = np.random.default_rng(2).permutation(len(y))
    plain, shuffled = prim(x, y, NAMES)[0], prim(x[order], y[order], NAMES)[0]
    assert [str(b) for b in plain.trajectory] == [str(b) for b in shuffled.trajectory]


def repeated() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cases with ties and categories, and how often each occurs; some never."""
    rng = np.random.default_rng(3)
    x, y = planted_by_regime(4)
    x[:, 0] = np.round(x[:, 0], 1)
    return x, y ^ (rng.random(len(y)) < 0.1), rng.integers(0, 4, len(y))


def test_a_weight_of_three_is_the_same_case_three_times():
    x, y, times = repeated()
    names = ("aid", "regime")
    once = prim(x, y, names, categories=REGIMES, weights=times)[0]
    often = prim(np.repeat(x, times, axis=0), np.repeat(y, times), names, categories=REGIMES)[0]
    assert once == often


def test_equal_weights_that_are_no_counts_are_no_weights():
    x, y = planted(noise=0.1)
    unweighted = prim(x, y, NAMES)[0]
    shares = prim(x, y, NAMES, weights=np.full(len(y), 0.5 / len(y)))[0]
    assert [str(b) for b in shares.trajectory] == [str(b) for b in unweighted.trajectory]
    for a, b in zip(shares.box.restrictions, unweighted.box.restrictions):
        assert a.quasi_p == pytest.approx(b.quasi_p, rel=1e-6)


def test_unequal_weights_make_quasi_p_values_less_sure():
    """Kish: such cases are worth fewer, so the same counts surprise less."""
    x, y = planted(noise=0.2)
    weights = np.random.default_rng(5).exponential(size=len(y))
    box = prim(x, y, NAMES, weights=weights)[0].trajectory[0]
    assert box.cases == pytest.approx(weights.sum() ** 2 / (weights**2).sum(), rel=1e-12)


def test_equal_values_are_never_parted():
    """With three values each, a limit lies between two of them."""
    rng = np.random.default_rng(6)
    x = rng.integers(0, 3, (500, 2)).astype(float)
    y = (x[:, 0] == 2) & (rng.random(500) < 0.9)
    box = prim(x, y, ("a", "b"))[0].box
    assert [(r.name, r.low) for r in box.restrictions] == [("a", 1.5)]


def test_an_input_with_one_value_is_never_restricted():
    x, y = planted()
    x[:, 0] = 7.0
    found = prim(x, y, NAMES)[0]
    assert all(r.name != "oil price" for box in found.trajectory for r in box.restrictions)


def test_two_regions_take_two_boxes():
    rng = np.random.default_rng(7)
    x = rng.random((5000, 2))
    large = np.all(x < 0.3, axis=1)
    small = np.all((x > 0.8) & (x < 0.9), axis=1)
    found = prim(x, large | small, ("a", "b"), boxes=5, threshold=0.5, mass_min=0.005)
    assert len(found) == 2
    for region, each in zip((large, small), found):
        held = inside(each.box, x, ("a", "b"))
        assert (held & region).sum() / region.sum() > 0.8
    assert sum(each.box.coverage for each in found) > 0.85


def test_regions_at_both_ends_of_every_input_hide_from_peeling():
    """A known limit of greedy peeling: no single side is poorer than the whole."""
    x = np.random.default_rng(7).random((5000, 2))
    y = np.all(x < 0.3, axis=1) | np.all(x > 0.75, axis=1)
    assert str(prim(x, y, ("a", "b"))[0].box) == "everything"


def test_no_box_keeps_less_than_the_smallest_mass():
    x, y = planted(noise=0.2)
    assert prim(x, y, NAMES, mass_min=0.3)[0].trajectory[-1].mass >= 0.3
    assert prim(x, y, NAMES, mass_min=0.03)[0].trajectory[-1].mass < 0.3


def test_the_trajectory_reads_as_a_table():
    found = prim(*planted(), NAMES)[0]
    table = found.to_dataframe()
    assert table.shape == (len(found.trajectory), 7)
    assert table.loc[0, "box"] == "everything"
    assert table.loc[found.step, "coverage"] == found.trajectory[found.step].coverage


def test_a_restriction_reads_as_an_inequality():
    assert str(Restriction("aid", low=0.25)) == "0.25 ≤ aid"
    assert str(Restriction("aid", low=0.25, high=3)) == "0.25 ≤ aid ≤ 3"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(2000, bool)}, "no case is of interest"),
        ({"y": np.ones(2000, bool)}, "every case is of interest"),
        ({"y": np.ones(3, bool)}, "y has shape"),
        ({"y": np.full(2000, 0.3)}, "y must be true or false"),
        ({"names": ("a", "b", "c")}, "x has shape"),
        ({"names": ("a", "b", "c", "a")}, "two inputs are called 'a'"),
        ({"x": np.full((2000, 4), np.nan)}, "not finite"),
        ({"weights": np.ones(3)}, "weights of shape"),
        ({"weights": np.full(2000, -1.0)}, "not negative"),
        ({"weights": np.zeros(2000)}, "no case is of interest"),
        ({"categories": {"oil prize": ("x",)}}, "did you mean 'oil price'"),
        ({"categories": {"aid": ("none", "some")}}, "codes other than 0 to 1"),
        ({"peel_alpha": 0.5}, "peel_alpha is 0.5"),
        ({"mass_min": 1.5}, "mass_min is 1.5"),
        ({"objective": "lenient"}, "did you mean 'lenient"),
        ({"boxes": 0}, "0 boxes"),
    ],
)
def test_a_question_that_makes_no_sense_is_answered_by_a_sentence(change, message):
    x, y = planted()
    arguments = {"x": x, "y": y, "names": NAMES} | change
    with pytest.raises(QuestionError, match=message):
        prim(**arguments)


def test_a_box_cannot_be_looked_up_among_other_inputs():
    x, y = planted()
    box = prim(x, y, NAMES)[0].box
    with pytest.raises(QuestionError, match="unknown input 'oil price'"):
        inside(box, x, ("gas price", "aid", "troops", "weather"))
