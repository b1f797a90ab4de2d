"""When is a condition on worlds worth naming, and when is it chance?"""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from servanda.game.errors import Estimate
from servanda.questions.assessment import Added
from servanda.questions.verdict import _reasons, best_split
from servanda.scenario.worlds import Worlds

WORLDS, ASSUMPTIONS = 64, 40
PLAIN: Any = SimpleNamespace(hypotheses={})


def drawn(seed: int = 0, n: int = WORLDS) -> Worlds:
    values = np.random.default_rng(seed).random((n, ASSUMPTIONS))
    names = tuple(f"a{k}" for k in range(ASSUMPTIONS))
    return Worlds(names, values, {}, np.full(n, 1 / n), seed)


def test_the_assumption_that_decides_is_found() -> None:
    worlds = drawn()
    split = best_split(PLAIN, worlds, worlds.column("a7") > 0.5)
    assert split is not None
    assert split.text.startswith("a7 > 0.")
    assert split.inside > 0.9
    assert split.outside < 0.1


def test_a_hypothesis_that_decides_is_found() -> None:
    scenario: Any = SimpleNamespace(hypotheses={"aims": {"land_grab": None, "quiet": None}})
    held = np.arange(WORLDS) % 3 == 0
    plain = drawn()
    worlds = Worlds(plain.names, plain.values, {"aims": held.astype(int)}, plain.weight, 0)
    split = best_split(scenario, worlds, held)
    assert split is not None
    assert split.text in ("aims: quiet", "aims other than land grab")


@pytest.mark.parametrize("n", [8, 64])
def test_what_chance_would_do_as_well_is_not_called_a_condition(n: int) -> None:
    rng = np.random.default_rng(1)
    named = [best_split(PLAIN, drawn(k, n), rng.random(n) > 0.5) for k in range(20)]
    assert sum(split is not None for split in named) <= 4  # one in twenty is expected


def test_worlds_that_agree_have_no_condition() -> None:
    assert best_split(PLAIN, drawn(), np.ones(WORLDS, bool)) is None


def test_one_world_has_no_condition() -> None:
    assert best_split(PLAIN, drawn(n=1), np.ones(1, bool)) is None


def added(term: str, value: float, error: float) -> Added:
    return Added(term, "a", Estimate(value, error, value), Estimate(value, error, value))


def test_a_term_that_may_be_no_loss_is_not_called_the_costliest() -> None:
    plain: Any = SimpleNamespace(interests={})
    terms = (added("a_tax", -5.0, 3.0), added("a_fee", -2.0, 0.5), added("a_gift", 1.0, 0.0))
    assert _reasons("a", {"a": "A"}, plain, {}, (), None, terms) == [
        "costliest term: a fee (\N{MINUS SIGN}2 against leaving it out)"
    ]
    assert _reasons("a", {"a": "A"}, plain, {}, (), None, terms[:1]) == []
