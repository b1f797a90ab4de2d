"""What must hold of every table, whatever the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from servanda.errors import QuestionError
from servanda.tables.spatial.bargaining import Bargaining, bargain, risk_attitudes, utility
from servanda.tables.spatial.centre import median, weighted_mean
from servanda.tables.spatial.challenge import Challenge, challenge
from servanda.tables.spatial.coalitions import coalitions, sides
from servanda.tables.spatial.election import ELECTIONS, condorcet
from servanda.tables.spatial.movers import to_target
from servanda.tables.spatial.sensitivity import sensitivity
from servanda.tables.spatial.table import Table
from servanda.tables.spatial.voting import VICTORY

numbers = st.floats(0, 100)
shares = st.floats(0.01, 1)


@st.composite
def tables(draw: st.DrawFn, dimensions: int = 1) -> Table:
    n = draw(st.integers(2, 6))
    lists = {
        "position": draw(st.lists(st.lists(numbers, min_size=dimensions, max_size=dimensions),
                                  min_size=n, max_size=n)),
        "salience": draw(st.lists(st.lists(shares, min_size=dimensions, max_size=dimensions),
                                  min_size=n, max_size=n)),
        "capability": draw(st.lists(st.floats(0.01, 1000), min_size=n, max_size=n)),
    }  # fmt: skip
    salience = np.array(lists["salience"]) / dimensions
    return Table.of([f"a{i}" for i in range(n)], lists["position"], salience, lists["capability"],
                    scale=[0, 100])  # fmt: skip


@given(st.integers(1, 7).flatmap(
    lambda n: st.lists(st.floats(0, 1e6), min_size=n * n, max_size=n * n)
))  # fmt: skip
@settings(max_examples=60, deadline=None)
@example([0.0, 0.0, 5e-324, 0.0, 1.0, 0.0, 16516.0, 1.0, 2.0055332935365314e-174, 1.0, *[0.0] * 2,
          1.0, *[0.0] * 3])  # fmt: skip
def test_probabilities_are_probabilities(entries: list[float]) -> None:
    n = int(len(entries) ** 0.5)
    c = np.array(entries).reshape(n, n)
    for election in ELECTIONS:
        for model in VICTORY:
            try:
                p = condorcet(c, model=election, victories=model)
            except QuestionError:  # no option can beat all others
                assert election == "conditional"
                continue
            assert p.sum() == pytest.approx(1)
            assert (p >= 0).all()


@given(tables(2))
@settings(max_examples=40, deadline=None)
def test_the_middle_lies_between_the_ends(table: Table) -> None:
    low, high = table.position.min(0), table.position.max(0)
    slack = 1e-9
    assert (low - slack <= weighted_mean(table)).all()
    assert (weighted_mean(table) <= high + slack).all()
    lower, upper = median(table)
    assert (low <= lower).all()
    assert (lower <= upper).all()
    assert (upper <= high).all()


@given(tables(2), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_bargaining_stays_on_the_scale_and_does_not_depend_on_the_number_of_runs(
    table: Table, seed: int
) -> None:
    three = bargain(table, runs=3, seed=seed, turns=6)
    assert (three.position >= -1e-9).all()
    assert (three.position <= 100 + 1e-9).all()
    assert (three.risk >= -0.5 - 1e-9).all()
    assert (three.risk <= 1 + 1e-9).all()
    one = bargain(table, runs=1, seed=seed, turns=6)
    turns = len(one.position)
    np.testing.assert_allclose(three.position[:turns, 0], one.position[:, 0], atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_names_and_order_of_actors_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 5
    x, s, c = rng.uniform(0, 100, (n, 2)), rng.uniform(0.1, 0.5, (n, 2)), rng.uniform(1, 9, n)
    order = rng.permutation(n)
    options = Bargaining(transition="deterministic")
    a = Table.of(list("abcde"), x, s, c, scale=[0, 100])
    b = Table.of(list("abcde"), x[order], s[order], c[order], scale=[0, 100])
    ends = [bargain(t, options, turns=5).position[-1, 0] for t in (a, b)]
    np.testing.assert_allclose(ends[0][order], ends[1], atol=1e-9)
    one = [Table.of(list("abcde"), x[o, 0], s[o, 0], c[o]) for o in (np.arange(n), order)]
    rounds = [challenge(t, rounds=1).position[-1] for t in one]
    np.testing.assert_allclose(rounds[0][order], rounds[1], atol=1e-9)
    np.testing.assert_allclose(
        coalitions(one[0]).shapley[order], coalitions(one[1]).shapley, atol=1e-12
    )


@pytest.mark.parametrize("seed", range(5))
def test_units_do_not_matter(seed: int) -> None:
    """Positions in another unit, capability in another: the same story."""
    rng = np.random.default_rng(seed)
    n = 4
    x, s, c = rng.uniform(0, 100, n), rng.uniform(0.1, 0.9, n), rng.uniform(1, 9, n)
    a = Table.of(list("abcd"), x, s, c, scale=[0, 100])
    b = Table.of(list("abcd"), 3 * x - 7, s, 1000 * c, scale=[-7, 293])
    none = Bargaining(transition="deterministic", rounding="none")
    for play in (
        lambda t: challenge(t, rounds=3).position,
        lambda t: bargain(t, none, turns=4).position[:, 0, :, 0],
    ):
        np.testing.assert_allclose(3 * play(a) - 7, play(b), rtol=1e-5, atol=1e-3)


def test_risk_is_one_for_the_safest_and_none_if_all_are_alike() -> None:
    np.testing.assert_allclose(risk_attitudes(np.array([0.1, 0.2, 0.7])), [-0.5, -0.25, 1])
    assert (risk_attitudes(np.array([0.25] * 4)) == 0).all()


def test_utility_bends_with_risk() -> None:
    d = np.array([0, 0.5, 1])
    np.testing.assert_allclose(utility(d, 0.0), [1, 0.5, 0])
    np.testing.assert_allclose(utility(d, 1.0), [1, 0.75, 0])
    np.testing.assert_allclose(utility(d, -1.0), [1, 0.25, 0])


def test_nobody_moves_where_all_agree() -> None:
    table = Table.of(["a", "b"], [5, 5], [0.5, 0.4], [1, 2], scale=[0, 10])
    played = bargain(table, turns=3)
    assert (played.position == 5).all()
    assert (played.target == -1).all()
    with pytest.raises(QuestionError, match="everybody holds the same position"):
        challenge(table)


def test_the_strong_who_care_pull_the_weak_who_do_not() -> None:
    table = Table.of(["strong", "weak"], [9, 1], [0.9, 0.2], [10, 1], scale=[0, 10])
    played = bargain(table, Bargaining(transition="deterministic"), turns=10)
    assert played.position[-1, 0, 1, 0] > 8


def test_who_stands_with_whom() -> None:
    table = Table.of(["left", "near", "right", "mid"], [0, 2, 10, 5], [0.5] * 4, [1, 2, 1, 1])
    assert sides(table, "left", "right") == {
        "for": ("near", "left"), "against": ("right",), "neither": ("mid",)
    }  # fmt: skip
    with pytest.raises(QuestionError, match="unknown actor 'lift'; did you mean 'left'"):
        sides(table, "lift", "right")


FAR = Table.of([f"a{i}" for i in range(120)], range(120), [0.5] * 120, [1] * 120)
TWO = Table.of(["a", "b"], [[0, 1], [1, 0]], [[0.9, 0.9], [0.5, 0.5]], [1, 1])


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: bargain(FAR), "120 actors are more than the 100 this model is played with"),
        (lambda: bargain(TWO), "the salience of 'a' adds up to 1.8"),
        (lambda: bargain(TWO, runs=0), "runs 0: from 1 to 10,000"),
        (lambda: bargain(TWO, seed=-1), "seed -1"),
        (lambda: bargain(TWO, "ktab-exmple"), "unknown replication 'ktab-exmple'; did you mean"),
        (lambda: Bargaining(voting="binry"), "unknown voting 'binry'; did you mean 'binary'"),
        (lambda: challenge(TWO), "the challenge model plays one dimension, this table has 2"),
        (lambda: Challenge(status_quo=2.0), "status_quo 2: a probability"),
        (lambda: Challenge(choice="nearst"), "unknown choice 'nearst'; did you mean 'nearest'"),
        (lambda: coalitions(FAR), r"120 actors have 2\^120 coalitions"),
        (lambda: coalitions(TWO, quota=0.2), "quota 0.2: from 0.5 up to 1"),
        (lambda: sensitivity(TWO, "men"), "unknown outcome 'men'; did you mean 'mean'"),
        (lambda: sensitivity(TWO, share=0), "share 0: how far inputs are moved"),
        (lambda: to_target(TWO, 7), "target 7: the scale runs from 0 to 1"),
        (lambda: condorcet(np.ones((2, 3))), "coalition strengths are a square"),
        (lambda: condorcet(-np.ones((2, 2))), "coalition strengths are numbers from 0 on"),
        (lambda: condorcet(np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]), model="conditional"),
         "no option can beat all others"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said_in_words(ask: object, message: str) -> None:
    with pytest.raises(QuestionError, match=message):
        ask()  # type: ignore[operator]
