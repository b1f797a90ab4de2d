"""Published tables of points with their published answers, and NegMAS on the same tables."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from servanda.tables.points import Issue, Party, Table, load, points
from servanda.tables.points.units import to_units

HARBOUR = Path(__file__).parents[2] / "examples" / "points" / "harbour"

# Abdelnabi, Gomaa, Sivaprasad, Schönherr and Fritz (2024), Cooperation, Competition, and
# Maliciousness: LLM-Stakeholders Interactive Negotiation (arXiv 2309.17234), base game, after
# Susskind's HarborCo. What their notebook evaluate_games_base.ipynb printed.
ACCEPTED_BY_FIVE = 55
ACCEPTED_BY_ALL = """
A1 B3 C2 D2 E3, A1 B3 C2 D2 E4, A1 B3 C3 D2 E3, A1 B3 C3 D3 E4, A2 B3 C2 D2 E4, A2 B3 C3 D1 E3,
A2 B3 C3 D2 E3, A2 B3 C3 D2 E4, A2 B3 C4 D1 E3, A3 B2 C2 D2 E4, A3 B2 C3 D2 E3, A3 B2 C3 D2 E4
"""
OF_THE_55 = {
    "SportCo": 55,
    "Department of Tourism": 55,
    "Other cities": 47,
    "Environmental League": 35,
    "Local Labour Union": 40,
    "Mayor": 55,
}


def test_the_scoreable_base_game() -> None:
    answer = points(HARBOUR, but=1)
    assert answer.vetoes == ("SportCo", "Department of Tourism")
    accepted = answer.acceptance
    assert accepted is not None
    assert accepted.deals == 720
    assert accepted.zone(1, answer.vetoes) == ACCEPTED_BY_FIVE
    assert accepted.zone() == 12
    table = answer.table
    deals = np.array(list(itertools.product(*(range(s) for s in table.sizes))))
    yes = table.utilities(deals) >= table.reservation
    all_ = {" ".join(table.say(d).values()) for d in deals[yes.all(axis=1)]}
    assert all_ == {" ".join(deal.split()) for deal in ACCEPTED_BY_ALL.split(",")}
    signable = (yes.sum(axis=1) >= 5) & yes[:, 0] & yes[:, 1]
    assert dict(zip(table.names, yes[signable].sum(axis=0).tolist(), strict=True)) == OF_THE_55


def test_nice_or_die() -> None:
    """ANAC 2011 (Baarslag et al. 2013): three deals; being nice is 0.299 each, where Nash's product
    is largest at either extreme and only fairness of the worse-off makes nice the choice."""
    deal = Issue("deal", ("100_16", "16_100", "29_29"))
    table = Table(
        (deal,),
        (
            Party.additive("one", [[1.0, 0.16, 0.299]], reservation=0.0),
            Party.additive("other", [[0.16, 1.0, 0.299]], reservation=0.0),
        ),
    )
    answer = points(table)
    assert len(answer.frontier) == 3
    nash = answer.solution("nash")
    assert nash.value == pytest.approx(0.16)
    assert {table.say(d)["deal"] for d in nash.deals} == {"100_16", "16_100"}
    assert [table.say(d)["deal"] for d in answer.solution("kalai-smorodinsky").deals] == ["29_29"]
    assert answer.opposition.distance == pytest.approx(1.0)  # 0.16 lies at 0 of the range


def test_the_harbour_has_no_deal_that_serves_all_best() -> None:
    answer = points(HARBOUR)
    assert answer.solution("nash").count == 1
    for solution in answer.solutions.values():
        assert (solution.utilities.values >= answer.table.reservation).all()


class TestNegMAS:
    """The same tables in NegMAS 0.16: where its definition agrees, and each difference."""

    @pytest.fixture(autouse=True)
    def _negmas(self) -> None:
        pytest.importorskip("negmas")

    def functions(self, table: Table) -> Any:
        from negmas import make_issue, make_os
        from negmas.preferences import LinearAdditiveUtilityFunction

        space = make_os([make_issue(list(i.options), i.name) for i in table.issues])
        functions = [
            LinearAdditiveUtilityFunction(
                values=[
                    dict(zip(issue.options, map(float, worth), strict=True))
                    for issue, worth in zip(table.issues, party.worth, strict=True)
                ],
                outcome_space=space,
                reserved_value=party.reservation,
                name=party.name,
            )
            for party in table.parties
        ]
        return space, functions

    def random(self, seed: int, parties: int = 2) -> Table:
        rng = np.random.default_rng(seed)
        sizes = [int(s) for s in rng.integers(2, 5, int(rng.integers(1, 5)))]
        issues = tuple(
            Issue(f"i{k}", tuple(f"v{j}" for j in range(s))) for k, s in enumerate(sizes)
        )
        return Table(
            issues,
            tuple(
                Party(f"p{i}", tuple(rng.random(s) for s in sizes), reservation=0.3 * len(sizes))
                for i in range(parties)
            ),
        )

    @pytest.mark.parametrize("seed", range(25))
    @pytest.mark.parametrize("parties", [2, 3])
    def test_frontier_and_nash_agree(self, seed: int, parties: int) -> None:
        """Random reals: no ties, and reservation values within what the deals reach."""
        from negmas.preferences.ops import ks_points, max_welfare_points, nash_points
        from negmas.preferences.ops import pareto_frontier as negmas_frontier

        table = self.random(seed, parties)
        space, functions = self.functions(table)
        theirs, _ = negmas_frontier(functions, issues=space.issues)
        answer = points(table, ks="smallest-spread", ideal="all")
        ours = answer.frontier.values[answer.acceptable]
        assert len(ours) == len(theirs)
        if not len(ours):
            assert not answer.solutions
            return
        there = np.array(sorted(map(tuple, theirs)))
        assert np.array(sorted(map(tuple, ours))) == pytest.approx(there, abs=1e-9)
        if (answer.worst.values > table.reservation).any():
            return  # NegMAS would put the worst deal in the place of the reservation value
        for name, function in (
            ("nash", nash_points),
            ("kalai-smorodinsky", ks_points),
            ("utilitarian", max_welfare_points),
        ):
            best = np.array([u for u, _ in function(functions, theirs, outcome_space=space)])
            assert answer.solution(name).utilities.values == pytest.approx(best, abs=1e-9)

    def small(self, one: Any, other: Any, reservation: tuple[float, float]) -> Table:
        issues = tuple(
            Issue(f"i{k}", tuple(f"v{j}" for j in range(len(v)))) for k, v in enumerate(one)
        )
        return Table(
            issues,
            (
                Party.additive("a", one, reservation=reservation[0]),
                Party.additive("b", other, reservation=reservation[1]),
            ),
        )

    def test_it_drops_ties(self) -> None:
        """Two deals are worth (3, 3); NegMAS's frontier has one of them, ours both."""
        from negmas.preferences.ops import pareto_frontier as negmas_frontier

        table = self.small([[0, 3], [0, 3]], [[3, 0], [3, 0]], (0.0, 0.0))
        space, functions = self.functions(table)
        assert len(negmas_frontier(functions, issues=space.issues)[0]) == 3
        answer = points(table)
        assert len(answer.frontier) == 3
        assert int(answer.front.count.sum()) == 4

    def test_it_puts_the_worst_deal_for_a_lower_reservation_value(self) -> None:
        """With d = (-20, 0), (u1 + 20) u2 is 140 at (0, 7), 126 at (1, 6). NegMAS takes -20 for the
        worst deal's 0 and chooses (1, 6) and (6, 1)."""
        from negmas.preferences.ops import nash_points
        from negmas.preferences.ops import pareto_frontier as negmas_frontier

        table = self.small([[0, 6], [0, 1]], [[6, 0], [1, 0]], (-20.0, 0.0))
        space, functions = self.functions(table)
        frontier, _ = negmas_frontier(functions, issues=space.issues)
        theirs = {tuple(u) for u, _ in nash_points(functions, frontier, outcome_space=space)}
        assert theirs == {(1.0, 6.0), (6.0, 1.0)}
        assert points(table).solution("nash").utilities.values.tolist() == [[0.0, 7.0]]

    def test_its_kalai_smorodinsky_likes_equal_more_than_better(self) -> None:
        """Of (9, 5) and (4, 5.9), out of 10 each, the second has the smaller spread; the first
        gives the worse-off more (0.5 against 0.4)."""
        from negmas.preferences.ops import ks_points
        from negmas.preferences.ops import pareto_frontier as negmas_frontier

        table = self.small([[10, 0, 9, 4]], [[0, 10, 5, 5.9]], (0.0, 0.0))
        space, functions = self.functions(table)
        frontier, _ = negmas_frontier(functions, issues=space.issues)
        theirs = [tuple(u) for u, _ in ks_points(functions, frontier, outcome_space=space)]
        assert theirs == [(4.0, 5.9)]
        spread = points(table, ks="smallest-spread", ideal="all").solution("kalai-smorodinsky")
        assert spread.utilities.values.tolist() == [[4.0, 5.9]]
        ours = points(table).solution("kalai-smorodinsky")
        assert ours.utilities.values.tolist() == [[9.0, 5.0]]

    def test_without_a_reservation_value_it_has_no_frontier(self) -> None:
        """A function without one has a reserved value of nan in NegMAS, and nothing reaches nan;
        here it accepts every deal."""
        from negmas.preferences.ops import pareto_frontier as negmas_frontier

        table = self.small([[0, 6]], [[6, 0]], (-math.inf, 0.0))
        space, functions = self.functions(table)
        functions[0].reserved_value = None
        with np.errstate(invalid="ignore"):
            try:
                theirs = negmas_frontier(functions, issues=space.issues)[0]
            except TypeError:
                theirs = ()
        assert len(theirs) == 0
        assert len(points(table).frontier) == 2

    def test_its_yaml_and_xml_files_read_alike(self, tmp_path: Path) -> None:
        from negmas import Scenario, make_issue, make_os
        from negmas.preferences import HyperRectangleUtilityFunction, LinearAdditiveUtilityFunction
        from negmas.preferences.value_fun import AffineFun, LinearFun

        space = make_os(
            [make_issue(["red", "blue"], "colour"), make_issue((0, 5), "days"), make_issue(3, "n")],
            name="domain",
        )
        one = LinearAdditiveUtilityFunction(
            values=[{"red": 1, "blue": 0.2}, LinearFun(0.5), {0: 1, 1: 2, 2: 0}],
            weights=[0.2, 0.5, 0.3],
            outcome_space=space,
            reserved_value=0.3,
            name="one",
        )
        other = HyperRectangleUtilityFunction(
            outcome_ranges=[{0: ["red"], 1: (1, 3)}, {2: (1, 2)}],
            utilities=[2.0, 3.0],
            outcome_space=space,
            reserved_value=-5.0,
            name="other",
        )
        third = LinearAdditiveUtilityFunction(
            values=[{"red": 0, "blue": 1}, AffineFun(-0.1, bias=1.0), {0: 1, 1: 0, 2: 0}],
            outcome_space=space,
            name="third",
            reserved_value=0.0,
        )
        Scenario(outcome_space=space, ufuns=(one, other, third)).dumpas(tmp_path, "yml")
        table = load(tmp_path)
        worth = {p.name: i for i, p in enumerate(table.parties)}
        assert set(worth) == {"one", "other", "third"}
        for deal in itertools.product(*(range(s) for s in table.sizes)):
            outcome = tuple(o if k == 0 else int(o) for k, o in enumerate(table.say(deal).values()))
            u = table.utilities(np.array([deal]))[0]
            for function in (one, other, third):
                assert u[worth[function.name]] == pytest.approx(float(function(outcome)))
        assert table.reservation[worth["one"]] == 0.3
        assert table.reservation[worth["other"]] == -5.0

        folder = tmp_path / "genius"
        folder.mkdir()
        space.to_genius(folder / "domain.xml")
        one.to_genius(folder / "one.xml", issues=space.issues)
        read = load([folder / "domain.xml", folder / "one.xml"], normalise=False)
        for deal in itertools.product(*(range(s) for s in read.sizes)):
            outcome = tuple(o if k == 0 else int(o) for k, o in enumerate(read.say(deal).values()))
            assert read.utilities(np.array([deal]))[0, 0] == pytest.approx(float(one(outcome)))

    def test_units_do_not_change_utilities(self) -> None:
        table = self.random(3)
        units = to_units(table)
        _, functions = self.functions(table)
        for deal in itertools.product(*(range(s) for s in table.sizes)):
            outcome = tuple(table.say(deal).values())
            whole = units.base + sum(units.worth[k][o] for k, o in enumerate(deal))
            expected = [float(f(outcome)) for f in functions]
            assert units.real(whole) == pytest.approx(expected, abs=units.tolerance.max())
