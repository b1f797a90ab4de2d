"""Quantiles, modes and supports are those of the textbooks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from servanda.scenario.distributions import Distribution, fault, fixed

U = np.linspace(0.001, 0.999, 97)

# Each with its counterpart in scipy.stats, which is not used by the code under test.
TWINS = [
    (
        Distribution("pert", {"low": 1, "mode": 2, "high": 5}),
        stats.beta(1 + 4 * 0.25, 1 + 4 * 0.75, loc=1, scale=4),
    ),
    (
        Distribution("triangular", {"low": 1, "mode": 2, "high": 5}),
        stats.triang(0.25, loc=1, scale=4),
    ),
    (Distribution("triangular", {"low": 0, "mode": 0, "high": 1}), stats.triang(0)),
    (Distribution("triangular", {"low": 0, "mode": 1, "high": 1}), stats.triang(1)),
    (Distribution("uniform", {"low": -1, "high": 3}), stats.uniform(-1, 4)),
    (Distribution("normal", {"mean": 2, "sd": 0.5}), stats.norm(2, 0.5)),
    (
        Distribution("normal", {"mean": 0, "sd": 1, "low": -1, "high": 2}),
        stats.truncnorm(-1, 2),
    ),
    (Distribution("normal", {"mean": 0, "sd": 1, "low": 3.5}), stats.truncnorm(3.5, np.inf)),
    (Distribution("lognormal", {"median": 3, "sigma": 0.4}), stats.lognorm(0.4, scale=3)),
    (Distribution("beta", {"a": 2, "b": 8}), stats.beta(2, 8)),
]
NAMES = [f"{d.kind}-{i}" for i, (d, _) in enumerate(TWINS)]


@pytest.mark.parametrize(("ours", "twin"), TWINS, ids=NAMES)
def test_quantiles_are_those_of_scipy(ours, twin):
    np.testing.assert_allclose(ours.ppf(U), twin.ppf(U), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("ours", "twin"), TWINS, ids=NAMES)
def test_the_support_is_that_of_scipy(ours, twin):
    np.testing.assert_allclose((ours.low, ours.high), twin.support(), rtol=1e-12)


@pytest.mark.parametrize(("ours", "twin"), TWINS, ids=NAMES)
def test_no_value_is_likelier_than_the_mode(ours, twin):
    if ours.kind != "uniform":
        assert twin.pdf(ours.mode) >= twin.pdf(twin.ppf(U)).max() - 1e-9


@pytest.mark.parametrize(("low", "mode", "high"), [(0, 0.5, 1), (1, 2, 5), (-3, -3, 0), (0, 1, 1)])
def test_pert_has_the_mean_and_variance_of_its_closed_form(low, mode, high):
    # Malcolm et al. 1959: mean (l + 4m + h)/6; the beta's variance (mean - l)(h - mean)/7.
    d = Distribution("pert", {"low": low, "mode": mode, "high": high})
    values = d.ppf((np.arange(200_000) + 0.5) / 200_000)
    mean = (low + 4 * mode + high) / 6
    assert values.mean() == pytest.approx(mean, abs=1e-6 * (high - low))
    assert values.var() == pytest.approx((mean - low) * (high - mean) / 7, rel=1e-4)


def test_a_lognormal_may_be_cut():
    d = Distribution("lognormal", {"median": 1.2, "sigma": 0.3, "low": 0.5, "high": 3})
    values = d.ppf(np.linspace(0, 1, 101))
    assert values[0] == pytest.approx(0.5)
    assert values[-1] == pytest.approx(3)
    assert (np.diff(values) > 0).all()


def test_an_endless_tail_has_no_last_value():
    d = Distribution("normal", {"mean": 0, "sd": 1})
    assert np.isfinite(d.ppf([0.0, 1.0])).all()
    assert (d.low, d.high) == (-math.inf, math.inf)


def test_what_is_known_does_not_vary():
    assert fixed(3).is_fixed
    assert Distribution("pert", {"low": 2, "mode": 2, "high": 2}).is_fixed
    np.testing.assert_array_equal(fixed(3).ppf([0, 0.5, 1]), 3)


@pytest.mark.parametrize(
    ("a", "b", "mode"), [(2, 8, 0.125), (1, 3, 0), (3, 1, 1), (1, 1, 0.5), (0.5, 0.5, 0.5)]
)
def test_a_beta_has_its_mode_at_an_end_when_it_falls_or_rises(a, b, mode):
    assert Distribution("beta", {"a": a, "b": b}).mode == pytest.approx(mode)


ends = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))


@settings(max_examples=200, deadline=None)
@given(st.lists(ends, min_size=3, max_size=3).map(sorted), st.sampled_from(["pert", "triangular"]))
def test_draws_stay_within_their_bounds_and_rise(three, kind):
    d = Distribution(kind, dict(zip(("low", "mode", "high"), three, strict=True)))
    assert fault(d) == ""
    values = d.ppf(U)
    slack = 1e-9 * (1 + abs(three[0]) + abs(three[2]))
    assert (values >= three[0] - slack).all()
    assert (values <= three[2] + slack).all()
    assert (np.diff(values) >= -slack).all()


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("pert", {"low": 1, "mode": 0, "high": 2}),
        ("pert", {"low": 0, "mode": math.nan, "high": 2}),
        ("uniform", {"low": 1, "high": 0}),
        ("normal", {"mean": 0, "sd": 0}),
        ("normal", {"mean": 0, "sd": 1, "low": 40}),
        ("lognormal", {"median": 0, "sigma": 1}),
        ("lognormal", {"median": 1, "sigma": 1, "high": -1}),
        ("lognormal", {"median": 1, "sigma": 99}),
        ("beta", {"a": 0, "b": 1}),
    ],
)
def test_senseless_parameters_are_named(kind, params):
    assert fault(Distribution(kind, params))
