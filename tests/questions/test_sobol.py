"""Sobol' indices are the shares of variance that are known in closed form."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import norm

from questions.prim.cases import ishigami
from servanda.errors import QuestionError
from servanda.questions.sobol import SobolIndices, sobol_indices, sobol_sample

NAMES = ("x1", "x2", "x3")


def ishigami_indices(a: float = 7.0, b: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """First and total indices of the Ishigami function, with x uniform on [−π, π]³.

    V₁ = (1 + bπ⁴/5)²/2, V₂ = a²/8, V₃ = 0, V₁₃ = 8b²π⁸/225, all others 0, V their sum (Saltelli et
    al., "Global sensitivity analysis: the primer", 2008, section 4.4 and its exercises; Ishigami
    and Homma, "An importance quantification technique in uncertainty analysis", 1990).
    """
    v1, v2 = (1 + b * np.pi**4 / 5) ** 2 / 2, a**2 / 8
    v13 = 8 * b**2 * np.pi**8 / 225
    total = v1 + v2 + v13
    return np.array([v1, v2, 0]) / total, np.array([v1 + v13, v2, v13]) / total


def of_ishigami(n: int, seed: int = 0) -> SobolIndices:
    points = sobol_sample(NAMES, n, seed)
    return sobol_indices(ishigami(np.pi * (2 * points - 1)), NAMES, n, seed)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [1024, 4096, 16384])
def test_the_indices_of_the_ishigami_function_are_found_within_one_over_root_n(n, seed):
    first, total = ishigami_indices()
    found = of_ishigami(n, seed)
    assert found.first == pytest.approx(first, abs=1 / np.sqrt(n))
    assert found.total == pytest.approx(total, abs=1 / np.sqrt(n))


@pytest.mark.parametrize("seed", range(3))
def test_the_intervals_hold_the_true_indices_of_the_ishigami_function(seed):
    first, total = ishigami_indices()
    found = of_ishigami(2048, seed)
    for true, interval in ((first, found.first_interval), (total, found.total_interval)):
        assert np.all((interval[:, 0] <= true) & (true <= interval[:, 1]))


def test_the_intervals_narrow_as_the_sample_grows():
    wide, narrow = of_ishigami(512), of_ishigami(8192)
    ratio = np.diff(wide.first_interval).mean() / np.diff(narrow.first_interval).mean()
    assert ratio == pytest.approx(4, rel=0.25)  # √16


def test_a_higher_confidence_gives_wider_intervals():
    points = sobol_sample(NAMES, 512)
    values = ishigami(np.pi * (2 * points - 1))
    narrow = sobol_indices(values, NAMES, 512, confidence=0.5)
    wide = sobol_indices(values, NAMES, 512, confidence=0.95)
    ratio = np.diff(wide.total_interval) / np.diff(narrow.total_interval)
    assert ratio == pytest.approx(norm.ppf(0.975) / norm.ppf(0.75), rel=1e-9)


def test_in_a_sum_of_normal_inputs_the_shares_are_the_variances():
    """Y = 3 + Σ a_j X_j: S_j = T_j = a_j² / Σ a²; the fourth input does nothing."""
    names, n, slopes = ("a", "b", "c", "idle"), 8192, np.array([1.0, 2.0, -3.0, 0.0])
    values = 3 + norm.ppf(sobol_sample(names, n)) @ slopes
    found = sobol_indices(values, names, n)
    shares = slopes**2 / 14
    assert found.first == pytest.approx(shares, abs=0.01)
    assert found.total == pytest.approx(shares, abs=0.01)
    assert found.total[3] == 0
    assert found.variance == pytest.approx(14, rel=0.01)


def test_in_a_product_of_centred_inputs_none_matters_alone():
    """Y = (X₁ − ½)(X₂ − ½): S = 0 and T = 1 for both."""
    points = sobol_sample(("a", "b"), 4096)
    values = (points[:, 0] - 0.5) * (points[:, 1] - 0.5)
    found = sobol_indices(values, ("a", "b"), 4096)
    assert found.first == pytest.approx([0, 0], abs=0.03)
    assert found.total == pytest.approx([1, 1], abs=0.03)


def test_one_input_alone_has_all_the_variance():
    points = sobol_sample(("a",), 1024)
    found = sobol_indices(points[:, 0] ** 2, ("a",), 1024)
    assert found.first == pytest.approx([1], abs=0.01)
    assert found.total == pytest.approx([1], abs=0.01)


def test_the_unit_of_the_output_does_not_matter():
    values = ishigami(np.pi * (2 * sobol_sample(NAMES, 256) - 1))
    plain, scaled = (sobol_indices(v, NAMES, 256) for v in (values, 1e6 * values - 5e6))
    assert scaled.first == pytest.approx(plain.first, abs=1e-9)
    assert scaled.variance == pytest.approx(1e12 * plain.variance, rel=1e-9)


def test_the_points_are_inside_the_unit_cube_and_spread_evenly():
    """Any 2^k scrambled Sobol' points have one in each of 2^k equal slices of every input."""
    points = sobol_sample(NAMES, 64, seed=5)
    assert points.shape == (64 * 5, 3)
    assert points.min() > 0
    assert points.max() < 1
    base = points[::5]
    assert np.all(np.sort(np.floor(base * 64), axis=0) == np.arange(64)[:, None])


def test_the_same_seed_gives_the_same_answer_and_another_seed_another():
    one, same, other = of_ishigami(256, 0), of_ishigami(256, 0), of_ishigami(256, 1)
    assert np.array_equal(one.first_interval, same.first_interval)
    assert not np.array_equal(one.first, other.first)


def test_nothing_is_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        of_ishigami(64)


def test_the_indices_read_as_a_table():
    table = of_ishigami(256).to_dataframe()
    assert list(table.index) == list(NAMES)
    assert np.all(table["first_low"] < table["first"])
    assert np.all(table["total"] < table["total_high"])


@pytest.mark.parametrize("constant", [0.0, 3.7, -1e9])
def test_an_output_that_does_not_vary_has_no_shares(constant):
    with pytest.raises(QuestionError, match="the same at every point"):
        sobol_indices(np.full(64 * 5, constant), NAMES, 64)


def test_an_output_that_is_not_finite_has_no_shares():
    with pytest.raises(QuestionError, match="not finite"):
        sobol_indices(np.r_[np.nan, np.arange(319)], NAMES, 64)


def test_an_output_of_another_sample_is_not_taken():
    with pytest.raises(QuestionError, match="64 points of 3 inputs make 320 rows"):
        sobol_indices(np.arange(100.0), NAMES, 64)


@pytest.mark.parametrize(("n", "near"), [(1000, 1024), (0, 2), (3, 4)])
def test_a_sample_size_must_be_a_power_of_two(n, near):
    with pytest.raises(QuestionError, match=f"n is {n}; .* such as {near}$"):
        sobol_sample(NAMES, n)


@pytest.mark.parametrize(
    ("names", "message"), [(("a", "b", "a"), "two inputs are called 'a'"), ((), "no input")]
)
def test_inputs_must_have_names_of_their_own(names, message):
    with pytest.raises(QuestionError, match=message):
        sobol_sample(names, 64)


def test_a_confidence_is_a_probability():
    with pytest.raises(QuestionError, match=r"confidence is 1\.5"):
        sobol_indices(np.arange(320.0), NAMES, 64, confidence=1.5)
