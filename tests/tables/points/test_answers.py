"""Solutions, zones, lotteries, coalitions, trades and paths against their definitions."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from servanda.errors import QuestionError
from servanda.tables.points import Box, Issue, Party, Table, points
from servanda.tables.points import acceptance as accepting
from servanda.tables.points.acceptance import acceptance
from servanda.tables.points.coalitions import coalitions, shapley_value
from servanda.tables.points.concessions import smallest_concession
from servanda.tables.points.logrolling import logrolls, ranges, split
from servanda.tables.points.lotteries import lotteries
from servanda.tables.points.units import to_units
from tables.points.brute import deals, efficient, random_table, subsets

CASES = [(seed, n) for n in (2, 3, 4) for seed in range(12)]


def floors(table: Table, worth: dict[Any, Any]) -> list[Any]:
    """The disagreement point: reservation values, or the worst deal where there is none."""
    return [
        min(u[i] for u in worth.values()) if r == -math.inf else Fraction(float(r))
        for i, r in enumerate(table.reservation)
    ]


def chosen(
    table: Table, ks: str = "maximin", ideal: str = "acceptable"
) -> dict[str, set[tuple[int, ...]]]:
    """Every solution from its definition, in fractions, over efficient acceptable deals."""
    worth = deals(table)
    d = floors(table, worth)
    n = len(d)
    zone = {x for x in efficient(worth) if all(u >= r for u, r in zip(worth[x], d, strict=True))}
    if not zone:
        return {}
    of = zone if ideal == "acceptable" else worth.keys()
    best = [max(worth[x][i] for x in of) for i in range(n)]
    gains = {x: [worth[x][i] - d[i] for i in range(n)] for x in zone}

    def normalised(x: Any) -> list[Fraction]:
        return [gains[x][i] / (best[i] - d[i]) for i in range(n) if best[i] > d[i]]

    def level(x: Any) -> Fraction:
        share = normalised(x)
        if not share:
            return Fraction(0)
        return min(share) if ks == "maximin" else min(share) - max(share)

    measures: dict[str, Any] = {
        "nash": lambda x: math.prod(gains[x]),
        "kalai-smorodinsky": level,
        "egalitarian": lambda x: min(gains[x]),
        "utilitarian": lambda x: sum(worth[x]),
    }
    out = {}
    for name, measure in measures.items():
        value = {x: measure(x) for x in zone}
        out[name] = {x for x in zone if value[x] == max(value.values())}
    return out


@pytest.mark.parametrize(("seed", "n"), CASES)
@pytest.mark.parametrize(
    ("ks", "ideal"), [("maximin", "acceptable"), ("smallest-spread", "all"), ("maximin", "all")]
)
def test_solutions_are_those_of_their_definitions(seed: int, n: int, ks: Any, ideal: Any) -> None:
    table = random_table(seed, n, pairs=seed % 2 == 0, constraints=seed % 3 == 0)
    if not deals(table):
        return
    answer = points(table, ks=ks, ideal=ideal)
    expected = chosen(table, ks, ideal)
    assert answer.solutions.keys() == expected.keys()
    for name, solution in answer.solutions.items():
        assert solution.count == len(expected[name])
        assert {tuple(d) for d in solution.deals.tolist()} <= expected[name]


@pytest.mark.parametrize(("seed", "n"), CASES)
def test_who_accepts_how_many_deals(seed: int, n: int) -> None:
    table = random_table(seed, n, boxes=seed % 2 == 0, constraints=seed % 3 == 0)
    worth = deals(table)
    if not worth:
        return
    answer = points(table)
    assert answer.acceptance is not None
    assert answer.acceptance.exact
    assert answer.acceptance.deals == len(worth)

    def accepts(u: Any, i: int) -> bool:
        return bool(float(u[i]) >= table.reservation[i])

    for but in range(n):
        for vetoes in subsets(n):
            count = sum(
                sum(accepts(u, i) for i in range(n)) >= n - but
                and all(accepts(u, i) for i in vetoes)
                for u in worth.values()
            )
            assert answer.acceptance.zone(but, [f"p{i}" for i in vetoes]) == count
    for i in range(n):
        assert answer.acceptance.accepted_by(f"p{i}") == sum(accepts(u, i) for u in worth.values())


def halves_table(seed: int) -> Table:
    rng = np.random.default_rng(seed)
    sizes = (5, 4, 3, 5, 2, 3)
    issues = tuple(Issue(f"i{k}", tuple(map(str, range(s)))) for k, s in enumerate(sizes))
    return Table(
        issues,
        tuple(
            Party(f"p{i}", tuple(rng.normal(size=s) for s in sizes), reservation=rng.normal())
            for i in range(2)
        ),
    )


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("way", ["halves", "distinct", "drawn"])
def test_every_way_of_counting_gives_the_same(
    seed: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = halves_table(seed)
    units = to_units(table)
    one_by_one = acceptance(units, table.reservation, table.names)
    assert one_by_one is not None
    monkeypatch.setattr(accepting, "COUNTED", 0)
    if way != "distinct":
        monkeypatch.setattr(accepting, "front", _too_many)
    if way == "drawn":
        monkeypatch.setattr(accepting, "HALF", 0)
        monkeypatch.setattr(accepting, "LOOKED", 0)
    other = acceptance(units, table.reservation, table.names)
    assert other is not None
    if way != "drawn":
        assert other.exact
        assert tuple(map(int, other.count)) == one_by_one.count
        return
    assert not other.exact
    assert other.deals == pytest.approx(table.deals)
    low, high = other.interval(other.zone(), 0.9999)
    assert low <= one_by_one.zone() <= high


def _too_many(*_: Any, **__: Any) -> Any:
    raise accepting.TooManyError


@pytest.mark.parametrize(("seed", "n"), CASES)
def test_lotteries_are_the_best_of_the_convex_hull(seed: int, n: int) -> None:
    """Against a general-purpose optimiser over the same hull (its answers are never better)."""
    rng = np.random.default_rng(seed)
    cloud = rng.random((8, n))
    d = cloud.mean(axis=0) * 0.8
    found = lotteries(cloud, d)
    assert set(found) == {"nash", "kalai-smorodinsky", "egalitarian", "utilitarian"}
    for x in found.values():
        assert x.probability.sum() == pytest.approx(1)
        assert (x.probability > 0).all()
        assert x.utilities == pytest.approx(x.probability @ cloud[x.points])
        assert (x.utilities >= d - 1e-9).all()
    g = cloud - d

    def value(p: np.ndarray) -> float:
        return -float(np.log(np.maximum(np.abs(p) / np.abs(p).sum() @ g, 1e-12)).sum())

    best = -math.inf
    for _ in range(6):
        tried = minimize(value, rng.random(8), method="SLSQP", bounds=[(0, 1)] * 8)
        best = max(best, -float(tried.fun))
    log_nash = float(np.log(found["nash"].utilities - d).sum())
    assert log_nash >= best - 1e-7
    # First-order condition of the maximum over the hull (Boyd and Vandenberghe 2004, 4.2.3).
    slope = g @ (1 / (found["nash"].utilities - d))
    assert slope.max() <= n * (1 + 1e-8)
    for _ in range(300):
        p = rng.dirichlet(np.full(8, 0.3))
        u = p @ cloud
        if (u >= d).all():
            assert u.sum() <= found["utilitarian"].value + 1e-9
            assert (u - d).min() <= found["egalitarian"].value + 1e-9


def test_the_nash_lottery_between_two_deals_is_the_textbook_one() -> None:
    """(1, 0) and (0, 1) with nothing without a deal: lots at a half (Nash 1950)."""
    found = lotteries(np.array([[1.0, 0.0], [0.0, 1.0]]), np.zeros(2))
    for x in found.values():
        if x.name != "utilitarian":  # any lot has the same sum
            assert x.utilities == pytest.approx([0.5, 0.5])
    assert found["nash"].value == pytest.approx(0.25)


def test_weights_are_exponents() -> None:
    """u1 = x, u2 = 1 - x, weights a and b: x = a/(a + b) (closed form 2 of the cases)."""
    pie = Issue.integer("share", 0, 1000)
    table = Table((pie,), (Party("a", (pie.levels,)), Party("b", (1000 - pie.levels,))))  # type: ignore[arg-type, operator]
    answer = points(table, weights={"a": 3.0, "b": 1.0})
    assert answer.solution("nash").utilities.values.tolist() == [[750.0, 250.0]]
    answer = points(table)
    assert answer.solution("nash").utilities.values.tolist() == [[500.0, 500.0]]


def test_reservation_values_are_never_clamped() -> None:
    """Nash with threat points: x1 = d1 + (1 - d1 - d2)/2 of the pie, also for threats below 0."""
    pie = Issue.integer("share", 0, 100)
    assert pie.levels is not None
    for d1, d2 in ((-20.0, 0.0), (-40.0, -20.0), (10.0, 30.0), (0.0, 0.0)):
        table = Table(
            (pie,),
            (
                Party("a", (pie.levels,), reservation=d1),
                Party("b", (100 - pie.levels,), reservation=d2),
            ),
        )
        got = points(table).solution("nash").utilities.values[0, 0]
        assert got == pytest.approx(min(100.0, max(0.0, d1 + (100 - d1 - d2) / 2)))
    table = Table(
        (pie,),
        (Party("a", (pie.levels,), reservation=120.0), Party("b", (100 - pie.levels,))),
    )
    answer = points(table)
    assert not answer.solutions
    assert answer.reservation_costs[0].slack == pytest.approx(-20.0)
    assert "no zone of possible agreement" in answer.notes[-1]


def test_shapley_of_textbook_games() -> None:
    """Glove game with one left and two right gloves: (4/6, 1/6, 1/6) (Shapley 1953)."""
    worth = np.array([float(bool(m & 1) and bool(m & 6)) for m in range(8)])
    assert shapley_value(worth) == pytest.approx([4 / 6, 1 / 6, 1 / 6])
    # UN security council: a permanent member 0.1963, another 0.001865 (Shapley and Shubik 1954,
    # of the council of today: 5 vetoes and 9 of 15 votes).
    masks = np.arange(1 << 15)
    vetoes = (masks & 31) == 31
    votes = np.array([int(m).bit_count() for m in masks])
    power = shapley_value((vetoes & (votes >= 9)).astype(float))
    assert power[0] == pytest.approx(0.1963, abs=5e-5)
    assert power[5] == pytest.approx(0.001865, abs=5e-7)


@pytest.mark.parametrize("seed", range(8))
def test_the_coalition_game_from_its_definition(seed: int) -> None:
    n = 3 + seed % 2
    table = random_table(seed, n, pairs=True)
    worth = deals(table)
    rng = np.random.default_rng(seed)
    reservation = rng.integers(0, 8, n).astype(float)
    but, vetoes = int(rng.integers(0, n)), [int(rng.integers(0, n))]
    every = np.array([[float(x) for x in u] for u in worth.values()])
    front = np.array([[float(x) for x in worth[d]] for d in efficient(worth)])
    game = coalitions(table.names, reservation, front, but=but, vetoes=np.array(vetoes))
    for members in subsets(n):
        m = sum(1 << i for i in members)
        signs = len(members) >= max(1, n - but) and set(vetoes) <= set(members)
        assert bool(game.signs[m]) == signs
        expected = reservation[list(members)].sum()
        if signs:
            expected = max(expected, every[:, list(members)].sum(axis=1).max())
        assert game.worth[m] == pytest.approx(expected)
    orders = list(itertools.permutations(range(n)))
    for i in range(n):
        total = 0.0
        for order in orders:
            before = sum(1 << j for j in order[: order.index(i)])
            total += game.worth[before | 1 << i] - game.worth[before]
        assert game.shapley[i] == pytest.approx(total / len(orders))
    excess = [
        game.worth[sum(1 << i for i in s)] - game.least_core[list(s)].sum()
        for s in subsets(n)
        if 0 < len(s) < n
    ]
    assert max(excess) == pytest.approx(game.complaint, abs=1e-7)
    assert game.least_core.sum() == pytest.approx(game.worth[-1])
    assert game.stable is not None
    winning = [s for s in subsets(n) if game.signs[sum(1 << i for i in s)]]
    for row, u in enumerate(front):
        signed = {i for i in range(n) if u[i] >= reservation[i]}
        able = bool(game.signs[sum(1 << i for i in signed)])
        blocked = any(all(v[i] > u[i] + 1e-9 for i in s) for s in winning for v in every)
        assert (row in game.stable) == (able and not blocked)


@pytest.mark.parametrize("seed", range(12))
def test_no_path_asks_for_smaller_concessions(seed: int) -> None:
    table = random_table(seed, 3, pairs=True, constraints=seed % 3 == 0)
    worth = deals(table)
    rng = np.random.default_rng(seed)
    if len(worth) < 2:
        return
    some = list(worth)
    start, end = (some[int(k)] for k in rng.choice(len(some), 2, replace=False))
    moving = [k for k in range(len(start)) if start[k] != end[k]]
    scale = [x if x > 0 else 1.0 for x in ranges(table)]
    best = (math.inf, math.inf)
    for order in itertools.permutations(moving):
        at, tops = list(start), []
        for k in order[:-1]:
            at[k] = end[k]
            if tuple(at) not in worth:
                break
            u = worth[tuple(at)]
            lost = (float(worth[start][i] - u[i]) / scale[i] for i in range(3))
            tops.append(max(0.0, *lost))
        else:
            best = min(best, (max(tops, default=0.0), sum(tops)))
    if best[0] == math.inf:
        with pytest.raises(QuestionError, match="no path"):
            smallest_concession(table, np.array(start), np.array(end))
        return
    path = smallest_concession(table, np.array(start), np.array(end))
    assert path.exposure == pytest.approx(best[0], abs=1e-9)
    assert path.deals[0].tolist() == list(start)
    assert path.deals[-1].tolist() == list(end)
    assert ((path.deals[1:] != path.deals[:-1]).sum(axis=1) == 1).all()
    assert len(path.steps) == len(moving)


def test_a_gradual_path_goes_level_by_level() -> None:
    days = Issue.integer("days", 0, 4)
    assert days.levels is not None
    table = Table(
        (days, Issue("pay", ("no", "yes"))),
        (
            Party("a", (days.levels * 2, np.array([0.0, 5.0]))),
            Party("b", (-days.levels, np.array([6.0, 0.0]))),
        ),
    )
    path = smallest_concession(table, np.array([4, 0]), np.array([0, 1]), gradual=True)
    assert len(path.steps) == 5
    jump = smallest_concession(table, np.array([4, 0]), np.array([0, 1]))
    assert path.exposure <= jump.exposure


@pytest.mark.parametrize("seed", range(12))
def test_trades_hurt_nobody_and_none_is_missed(seed: int) -> None:
    n = 2 + seed % 2
    table = random_table(seed, n, pairs=seed % 3 == 0, constraints=seed % 4 == 0)
    worth = deals(table)
    if not worth:
        return
    deal = next(iter(worth))
    here = worth[deal]
    expected = set()
    for a, b in itertools.combinations(range(len(deal)), 2):
        for i, j in itertools.combinations(range(n), 2):
            for give, take in ((a, b), (b, a)):
                for x in range(len(table.issues[give].options)):
                    for y in range(len(table.issues[take].options)):
                        one, two, both = list(deal), list(deal), list(deal)
                        one[give], two[take] = x, y
                        both[give], both[take] = x, y
                        if tuple(both) not in worth:
                            continue
                        u = table.utilities(np.array([one, two]))
                        v = worth[tuple(both)]
                        if (
                            u[0, i] < float(here[i])
                            and u[0, j] > float(here[j])
                            and u[1, i] > float(here[i])
                            and u[1, j] < float(here[j])
                            and all(p >= q for p, q in zip(v, here, strict=True))
                            and v[i] > here[i]
                            and v[j] > here[j]
                        ):
                            names = [table.issues[k].name for k in (give, take)]
                            expected.add((f"p{i}", f"p{j}", *names))
    found = logrolls(table, np.array(deal), 10_000)
    assert {(t.giver, t.receiver, t.give, t.take) for t in found} == expected
    for t in found:
        assert (t.gain >= -1e-9).all()


def test_the_textbook_logroll() -> None:
    """Two issues, each worth 10 to one and 4 to the other: giving what is dearer to the other
    makes 10 each, splitting the difference makes 7 (Froman and Cohen 1970)."""
    issues = tuple(Issue(name, ("left", "middle", "right")) for name in ("land", "water"))
    table = Table(
        issues,
        (
            Party.additive("a", [[0, 5, 10], [0, 2, 4]]),
            Party.additive("b", [[4, 2, 0], [10, 5, 0]]),
        ),
        title="river",
    )
    assert split(table).tolist() == [1, 1]
    trade = points(table).trades[0]
    assert (trade.giver, trade.give, trade.take) == ("a", "water", "land")
    assert trade.gain.tolist() == [3.0, 3.0]
    assert points(table).solution("nash").utilities.values.tolist() == [[10.0, 10.0]]


def test_opposition() -> None:
    pie = Issue.integer("share", 0, 10)
    assert pie.levels is not None
    against = points(Table((pie,), (Party("a", (pie.levels,)), Party("b", (10 - pie.levels,)))))
    assert against.opposition.distance == pytest.approx(math.sqrt(0.5))
    assert against.opposition.correlation is not None
    assert against.opposition.correlation.values[0, 1] == pytest.approx(-1)
    assert against.opposition.kind["share"] == "opposed"
    alike = points(Table((pie,), (Party("a", (pie.levels,)), Party("b", (3 * pie.levels,)))))
    assert alike.opposition.distance == 0
    assert alike.opposition.kind["share"] == "compatible"


@pytest.mark.parametrize("seed", range(6))
def test_opposition_is_that_of_all_deals(seed: int) -> None:
    table = random_table(seed, 3, pairs=seed % 2 == 0, whole=False)
    worth = np.array([[float(x) for x in u] for u in deals(table).values()])
    o = points(table).opposition
    low, best = worth.min(axis=0), worth.max(axis=0)
    width = np.where(best > low, best - low, 1)
    assert o.distance == pytest.approx(
        float(np.sqrt((((best - worth) / width) ** 2).sum(axis=1)).min()), abs=1e-8
    )
    assert o.correlation is not None
    if (width > 1e-9).all() and len(worth) > 2:
        assert o.correlation.values == pytest.approx(np.corrcoef(worth.T), abs=1e-7)


@pytest.mark.parametrize(("seed", "n"), CASES)
def test_what_a_reservation_value_costs(seed: int, n: int) -> None:
    table = random_table(seed, n)
    worth = deals(table)
    for i, cost in enumerate(points(table).reservation_costs):
        r = table.reservation
        others = [u for u in worth.values() if all(u[j] >= r[j] for j in range(n) if j != i)]
        assert cost.blocked == sum(float(u[i]) < r[i] for u in others)
        if not others or not math.isfinite(r[i]):
            assert cost.slack is None
        else:
            assert cost.slack == pytest.approx(float(max(u[i] for u in others)) - r[i])


def test_discounting() -> None:
    """Utilities shrink by the factor each period; reservation values only if asked to."""
    pie = Issue.integer("share", 0, 10)
    assert pie.levels is not None
    box = Box(((0, pie.levels > 8),), 2.0)
    table = Table(
        (pie,), (Party("a", (pie.levels,), 1.0, (), (box,), 4.0, 0.5), Party("b", (pie.levels,)))
    )
    later = table.at(2)
    assert later.utilities(np.array([[10]]))[0].tolist() == [13 / 4, 10.0]
    assert later.reservation.tolist() == [4.0, -math.inf]
    assert table.at(2, reservation=True).reservation[0] == 1.0
    assert points(table, time=2).acceptance.zone() == 0  # type: ignore[union-attr]


def test_continuous_issues_say_their_grid_error() -> None:
    price = Issue.continuous("price", 0, 1, 11)
    assert price.levels is not None
    table = Table((price,), (Party("a", (3 * price.levels,)), Party("b", (-price.levels,))))
    answer = points(table)
    assert answer.grid_error == pytest.approx([0.15, 0.05])
    assert any("Continuous" in note for note in answer.notes)


def test_questions_that_make_no_sense_are_refused() -> None:
    table = random_table(1, 2)
    with pytest.raises(QuestionError, match="all but 2 of 2"):
        points(table, but=2)
    with pytest.raises(QuestionError, match="unknown party"):
        points(table, vetoes=["p9"])
    with pytest.raises(QuestionError, match="unknown Kalai-Smorodinsky convention"):
        points(table, ks="minimax")  # type: ignore[arg-type]
    with pytest.raises(QuestionError, match="too fine"):
        points(table, tolerance=1e-30)
    with pytest.raises(QuestionError, match="positive"):
        points(table, tolerance=0)
    with pytest.raises(QuestionError, match="periods"):
        points(table, time=-1)
