"""Estimated grid errors are pooled: two grids may agree on a figure by chance."""

import pytest

from servanda.questions.grid_error import SAFETY, grid_error


def test_a_worth_is_no_surer_than_its_fellows_in_their_stakes() -> None:
    here = {"worth.a": 1.0, "worth.b": 10.0}
    coarse = {"worth.a": 1.0, "worth.b": 14.0}
    error = grid_error(here, coarse, {"a": 1.0, "b": 2.0})
    # the mean of 0/1 and 4/2 is one month of stakes
    assert error == pytest.approx({"worth.a": 1.0 * SAFETY, "worth.b": 4.0 * SAFETY})


def test_a_survival_is_no_surer_than_the_mean_over_dates() -> None:
    here = {"survival.4": 0.9, "survival.8": 0.8}
    coarse = {"survival.4": 0.9, "survival.8": 0.6}
    error = grid_error(here, coarse, {})
    assert error == pytest.approx({"survival.4": 0.1 * SAFETY, "survival.8": 0.2 * SAFETY})


def test_signing_and_parties_without_stakes_stand_alone() -> None:
    here = {"worth.a": 1.0, "worth.idle": 0.0, "signs.all": 0.5}
    coarse = {"worth.a": 3.0, "worth.idle": 0.0, "signs.all": 0.4}
    error = grid_error(here, coarse, {"a": 1.0, "idle": 0.0})
    alone = {"worth.a": 2.0 * SAFETY, "worth.idle": 0.0, "signs.all": 0.1 * SAFETY}
    assert error == pytest.approx(alone)
