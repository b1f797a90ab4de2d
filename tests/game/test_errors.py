"""The mean over worlds and its standard error, against hand values and against simulation."""

import numpy as np
import pytest

from servanda.game.errors import FAILS, HANGS, HOLDS, Sampled, two_futures

EVEN = np.full(4, 0.25)


def test_the_error_of_a_mean_is_that_of_the_textbook() -> None:
    x = np.array([1.0, 3.0, 5.0, 7.0])
    found = Sampled(x, EVEN).mean()
    assert found.value == 4.0
    assert found.error == pytest.approx(np.std(x, ddof=1) / 2)


def test_what_is_known_of_strata_is_no_error() -> None:
    x = np.array([0.0, 0.0, 10.0, 10.0])
    assert Sampled(x, EVEN, stratum=np.array([0, 0, 1, 1])).mean().error == 0.0
    # of one world each, strata say nothing of the scatter within
    assert Sampled(x, EVEN, stratum=np.arange(4)).mean().error > 0.0


def test_a_lean_of_every_world_is_taken_off() -> None:
    x = np.array([1.0, 3.0, 5.0, 7.0])
    at = np.arange(4)
    noise = np.array([0.01, -0.01, 0.01, -0.01])
    found = Sampled(x, EVEN, finer_at=at, finer=x - 0.5 + noise, dimensions=1).mean()
    assert found.lean == pytest.approx(0.5)
    assert found.value == pytest.approx(3.5)
    assert found.plain == 4.0


def test_a_lean_that_may_be_chance_is_counted_as_error() -> None:
    x = np.zeros(4)
    found = Sampled(x, EVEN, finer_at=np.arange(4), finer=np.array([1.0, -1.0, 1.0, -0.9])).mean()
    assert found.value == 0.0
    assert found.error == pytest.approx(np.std([1.0, -1.0, 1.0, -0.9], ddof=1) / 2, rel=1e-3)


def test_one_pair_is_not_trusted() -> None:
    found = Sampled(np.array([2.0]), np.ones(1), finer_at=np.array([0]), finer=np.array([2.1]))
    assert found.mean().error == pytest.approx(0.3)


def test_stated_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    worlds, truth, hits, rounds = 64, 2.0, 0, 400
    for _ in range(rounds):
        world = rng.normal(truth, 1.0, worlds)
        here = world + 0.3 + rng.normal(0, 0.5, worlds)  # the grid leans by 0.3 and scatters by 0.5
        at = np.arange(0, worlds, 4)
        finer = world[at] + rng.normal(0, 0.1, len(at))
        found = Sampled(here, np.full(worlds, 1 / worlds), finer_at=at, finer=finer, dimensions=2)
        hits += found.mean().low <= truth <= found.mean().high
    assert 0.75 <= hits / rounds <= 0.97


def test_a_share_counts_worlds() -> None:
    found = Sampled(np.array([-1.0, 0.0, 1.0, 2.0]), np.array([0.1, 0.2, 0.3, 0.4])).share()
    assert found.value == pytest.approx(0.7)


def test_a_world_that_is_solved_twice_and_differs_hangs_on_expectations() -> None:
    here = np.array([0.9, 0.1, 0.95, 0.2])
    again = np.array([0.8, 0.2, 0.05, 0.1])
    found = two_futures(Sampled(here, EVEN, again_at=np.arange(4), again=again))
    assert found == pytest.approx({HOLDS: 0.25, FAILS: 0.5, HANGS: 0.25})
    assert two_futures(Sampled(here, EVEN)) == {}
