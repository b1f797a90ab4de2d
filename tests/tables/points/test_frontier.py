"""The frontier is exactly what looking at every deal finds, ties and all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servanda.errors import QuestionError
from servanda.tables.points import Issue, Party, Table, frontier
from servanda.tables.points.dominance import TooManyError
from servanda.tables.points.enumeration import blocks, moments, stream
from servanda.tables.points.frontier import front
from servanda.tables.points.units import to_units
from tables.points.brute import deals, efficient, random_table

KINDS: list[dict[str, Any]] = [
    {},
    {"pairs": True},
    {"boxes": True},
    {"constraints": True},
    {"pairs": True, "boxes": True, "constraints": True},
    {"whole": False},
]


def found(table: Table, which: Any) -> set[tuple[int, ...]]:
    front_ = which(to_units(table))
    out: set[tuple[int, ...]] = set()
    for point in range(len(front_.points)):
        some = front_.deals(point, 100_000)
        assert len(some) == front_.count[point]
        assert len({tuple(d) for d in some.tolist()}) == len(some)
        out |= {tuple(d) for d in some.tolist()}
    return out


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: "+".join(k) or "additive")
@pytest.mark.parametrize("parties", [1, 2, 3, 4])
@pytest.mark.parametrize("which", [front, stream], ids=["issue by issue", "streamed"])
def test_the_frontier_is_that_of_brute_force(kind: Any, parties: int, which: Any) -> None:
    for seed in range(12):
        table = random_table(seed, parties, **kind)
        worth = deals(table)
        assert found(table, which) == efficient(worth), seed


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: "+".join(k) or "additive")
def test_blocks_hold_every_deal_once_and_in_order(kind: Any) -> None:
    for seed in range(8):
        table = random_table(seed, 3, **kind)
        units = to_units(table)
        worth = deals(table)
        shape = table.sizes
        for block_size in (1, 5, 1 << 16):
            seen = {}
            for block in blocks(units, block_size):
                for j in range(block.worth.shape[1]):
                    if block.able is None or block.able[j]:
                        deal = tuple(int(x) for x in np.unravel_index(block.first + j, shape))
                        seen[deal] = units.real(block.worth[:, j])
            assert seen.keys() == worth.keys()
            for deal, u in worth.items():
                assert seen[deal] == pytest.approx([float(x) for x in u], abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=1, max_size=4),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 3),
)
def test_any_additive_table(rows: list[list[tuple[int, int, int]]], parties: int) -> None:
    issues = tuple(Issue(f"i{k}", tuple(map(str, range(len(r))))) for k, r in enumerate(rows))
    table = Table(
        issues,
        tuple(
            Party.additive(f"p{i}", [[option[i] for option in r] for r in rows])
            for i in range(parties)
        ),
    )
    assert found(table, front) == efficient(deals(table))


def test_decimals_that_tie_are_ties() -> None:
    """0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 are the same, though floating sums differ."""
    issues = tuple(Issue(name, ("x", "y")) for name in "abc")
    one = Party.additive("one", [[0.1, 0.3], [0.2, 0.2], [0.3, 0.1]])
    other = Party.additive("other", [[0.3, 0.1], [0.2, 0.2], [0.1, 0.3]])
    result = front(to_units(Table(issues, (one, other))))
    assert int(result.count.sum()) == 8  # what one gains the other loses: nothing is dominated
    assert sorted(result.count.tolist()) == [2, 2, 4]


def opposed(sizes: tuple[int, ...], seed: int, parties: int = 2) -> Table:
    """What one gains the others mostly lose: a large frontier."""
    rng = np.random.default_rng(seed)
    issues = tuple(Issue(f"i{k}", tuple(map(str, range(s)))) for k, s in enumerate(sizes))
    base = [np.sort(rng.random(s)) for s in sizes]
    made = [Party("p0", tuple(base))]
    for i in range(1, parties):
        made.append(
            Party(f"p{i}", tuple(rng.random() * (1 - b) + 0.1 * rng.random(len(b)) for b in base))
        )
    return Table(issues, tuple(made))


def test_a_trillion_deals_have_an_exact_frontier() -> None:
    """4^20 deals: half of the issues at a time are enumerated, and merged by brute force."""
    table = opposed((4,) * 20, 1)
    assert table.deals > 10**12
    units = to_units(table)
    result = front(units)
    halves = []
    for part in (range(10), range(10, 20)):
        sums = np.zeros((1, 2), np.int64)
        for k in part:
            sums = (sums[:, None] + units.worth[k][None]).reshape(-1, 2)
            sums = np.unique(sums, axis=0)
            order = np.lexsort((-sums[:, 1], -sums[:, 0]))
            sums = sums[order]
            best = np.maximum.accumulate(np.r_[np.iinfo(np.int64).min, sums[:-1, 1]])
            sums = sums[sums[:, 1] > best]
        halves.append(sums)
    pairs = (halves[0][:, None] + halves[1][None]).reshape(-1, 2)
    pairs = pairs[np.lexsort((-pairs[:, 1], -pairs[:, 0]))]
    best = np.maximum.accumulate(np.r_[np.iinfo(np.int64).min, pairs[:-1, 1]])
    assert np.array_equal(
        np.unique(result.points, axis=0), np.unique(pairs[pairs[:, 1] > best], axis=0)
    )
    deals_ = result.representatives()
    assert table.utilities(deals_) == pytest.approx(units.real(result.points), abs=1e-9)


def test_the_tolerance_is_kept() -> None:
    """Every deal is matched or beaten within the tolerance by a point of the coarse frontier."""
    for seed in range(5):
        table = opposed((5, 5, 5, 5), seed, 3)
        tolerance = 0.05
        units = to_units(table, tolerance)
        assert units.tolerance.max() <= tolerance
        coarse = table.utilities(front(units).representatives())
        exact = table.utilities(front(to_units(table)).representatives())
        assert len(coarse) <= len(exact)
        for point in exact:
            assert (coarse >= point - tolerance).all(axis=1).any()


def test_streaming_and_going_issue_by_issue_agree_on_a_large_frontier() -> None:
    table = opposed((12, 12, 12, 12), 3)
    units = to_units(table)
    one, other = front(units), stream(units)
    assert np.array_equal(one.points, other.points)
    assert np.array_equal(one.count, other.count)
    worth = table.utilities(other.representatives())
    assert units.real(other.points) == pytest.approx(worth, abs=1e-9)


def test_means_and_covariances_are_those_of_all_deals() -> None:
    table = random_table(4, 3, pairs=True, constraints=True)
    worth = np.array([[float(x) for x in u] for u in deals(table).values()])
    n, mean, covariance = moments(to_units(table))
    assert n == len(worth)
    assert mean == pytest.approx(worth.mean(axis=0))
    assert covariance == pytest.approx(np.cov(worth.T, bias=True))


def test_too_many_states_are_streamed_and_too_many_deals_refused() -> None:
    table = opposed((6,) * 5, 0, 4)
    with pytest.raises(TooManyError):
        front(to_units(table), limit=50)
    assert math.prod(table.sizes) == table.deals


def test_constraints_that_leave_nothing_are_said() -> None:
    table = random_table(0)
    nothing = tuple((k, np.ones(s, bool)) for k, s in enumerate(table.sizes))
    with pytest.raises(QuestionError, match="no deal can be made"):
        frontier(Table(table.issues, table.parties, (nothing,)))
