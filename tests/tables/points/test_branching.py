"""Branch and bound finds what the whole frontier says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from servanda.errors import QuestionError
from servanda.tables.points import Issue, Party, Table, points
from servanda.tables.points.branching import SOLUTIONS, chosen_by_branching
from tables.points.brute import deals, random_table


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", [{}, {"pairs": True, "boxes": True, "constraints": True}])
@pytest.mark.parametrize("parties", [2, 4])
def test_it_agrees_with_the_frontier(seed: int, kind: Any, parties: int) -> None:
    table = random_table(seed, parties, **kind)
    if not deals(table):
        free = tuple(Party(p.name, p.worth, p.base) for p in table.parties)
        unreserved = Table(table.issues, free, table.forbidden, table.budgets)
        with pytest.raises(QuestionError, match="no deal can be made"):
            chosen_by_branching(unreserved)
        return
    answer = points(table)
    for name in SOLUTIONS:
        if name == "nash" and answer.solutions and answer.solution("nash").value == 0:
            with pytest.raises(QuestionError, match="gain"):
                chosen_by_branching(table, name)
            continue
        found = chosen_by_branching(table, name)
        assert (found is None) == (not answer.solutions)
        if found is None:
            continue
        assert table.feasible(found.deal)[0]
        assert found.value == pytest.approx(answer.solution(name).value, abs=1e-6)
        assert found.bound >= found.value - 1e-9
        assert found.bound == pytest.approx(found.value, rel=1e-5, abs=1e-5)
        assert found.utilities == pytest.approx(table.utilities(found.deal)[0])


def test_six_parties_and_a_trillion_deals() -> None:
    """Against random search: none of 200,000 deals is better, and the bound is met."""
    rng = np.random.default_rng(5)
    sizes = (4,) * 20
    issues = tuple(Issue(f"i{k}", tuple("abcd")) for k in range(20))
    table = Table(
        issues,
        tuple(
            Party(
                f"p{i}",
                tuple(rng.integers(0, 20, s).astype(float) for s in sizes),
                0.0,
                (),
                (),
                190.0,
            )
            for i in range(6)
        ),
    )
    found = chosen_by_branching(table, "egalitarian", seconds=120)
    assert found is not None
    tried = rng.integers(0, 4, (200_000, 20))
    assert found.value >= float((table.utilities(tried) - 190).min(axis=1).max())
    assert found.bound == pytest.approx(found.value)
