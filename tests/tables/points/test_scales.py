"""Parties count in units of their own, however large or small; many parties; odd tables."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

import servanda as sv
from servanda.cli import main
from servanda.tables.points.bargaining import solve
from servanda.tables.points.branching import chosen_by_branching
from servanda.tables.points.lotteries import lotteries
from servanda.tables.points.model import Issue, Party, Table


def table_of(worth: np.ndarray, reservation: np.ndarray, scale: np.ndarray) -> Table:
    """worth [party, issue, option], in units of 1/scale."""
    issues = tuple(Issue(f"i{k}", tuple("abc")) for k in range(worth.shape[1]))
    parties = tuple(
        Party(f"p{i}", tuple(worth[i] * scale[i]), reservation=float(reservation[i] * scale[i]))
        for i in range(len(worth))
    )
    return Table(issues, parties)


@pytest.mark.parametrize("seed", range(12))
def test_answers_do_not_hang_on_the_units_of_a_party(seed: int) -> None:
    rng = np.random.default_rng(seed)
    worth = rng.integers(0, 8, (3, 4, 3)).astype(float)
    reservation = rng.integers(3, 9, 3).astype(float)
    scale = 10.0 ** np.array([[0, 0, 0], [12, 0, -9], [-15, 6, 1]][seed % 3])
    plain = sv.points(table_of(worth, reservation, np.ones(3)))
    found = sv.points(table_of(worth, reservation, scale))
    deals = {d: worth[:, range(4), d].sum(axis=1) for d in itertools.product(range(3), repeat=4)}
    best = {
        tuple(u)
        for u in deals.values()
        if not any((v >= u).all() and (v > u).any() for v in deals.values())
    }
    assert {tuple(u) for u in np.round(found.frontier.values / scale, 6)} == best
    assert found.front.count.tolist() == plain.front.count.tolist()
    able = [u for u in deals.values() if (u >= reservation).all()]
    assert found.acceptance is not None
    assert found.acceptance.zone() == len(able)
    if not able:
        assert not found.solutions
        return
    product = max(np.prod(u - reservation) for u in able)
    nash = np.round(found.solutions["nash"].utilities.values / scale, 6)
    assert all(np.prod(u - reservation) == product for u in nash)
    reach = np.max(able, axis=0) - reservation
    level = max(((u - reservation)[reach > 0] / reach[reach > 0]).min() for u in able)
    for u in found.solutions["kalai-smorodinsky"].utilities.values / scale:
        assert ((u - reservation)[reach > 0] / reach[reach > 0]).min() == pytest.approx(level)
    assert found.opposition.correlation is not None
    assert plain.opposition.correlation is not None
    assert found.opposition.correlation.values == pytest.approx(plain.opposition.correlation.values)


def test_a_party_in_billions_does_not_blur_one_in_hundredths(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("deal,A,B\na,1e12,0.2\nb,2e12,0.1\nc,5e11,0.9\nd,4e11,0.95\n")
    found = sv.points(file)
    assert len(found.frontier) == 4
    # gains from the worst deal: a 6e11 × 0.1, c 1e11 × 0.8, b and d nothing for somebody
    assert found.solution("nash").utilities.values.tolist() == [[5e11, 0.9]]
    assert found.lotteries["egalitarian"].utilities[1] == pytest.approx(0.95)
    assert "(B) to" in " ".join(str(found).split())


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_nash_of_many_parties_neither_overflows_nor_vanishes(size: float) -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(0.1, 2, (7, 60)) * size
    best = int(np.argmax([math.fsum(math.log(x / size) for x in row) for row in points]))
    found = solve(points, np.zeros(60), 0.0)["nash"]
    assert found.points.tolist() == [best]
    assert found.note == ""
    assert "nash" in lotteries(points, np.zeros(60))


def test_a_table_of_nothing_is_refused_by_who_wants_something(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(
        "issues: {x: [a, b]}\n"
        "parties: {A: {values: {x: 0}, reservation: 1}, B: {values: {x: 0}, reservation: -1}}\n"
    )
    found = sv.points(file)
    assert found.acceptance is not None
    assert found.acceptance.zone() == 0
    assert found.acceptance.accepted_by("B") == 2
    assert not found.solutions
    assert "nan" not in str(found)


def test_utilities_beyond_all_measure_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("deal,A,B\na,1e308,1\nb,-1e308,2\nreservation,0,0\n")
    with pytest.raises(sv.ScenarioError, match=r"A: utilities add up to more than 1e\+30; count"):
        sv.points(file)
    file.write_text("deal,A,B\na,1,1\nb,2,2\nreservation,1e300,0\n")
    with pytest.raises(sv.ScenarioError, match=r"A: the reservation value is beyond 1e\+30"):
        sv.points(file)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_and_a_byte_order_mark(end: str, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    lines = ["deal,A,B", "x,1,2", "y,2,1", "z,0,0", ""]
    file.write_bytes(b"\xef\xbb\xbf" + end.join(lines).encode())
    assert len(sv.points(file).frontier) == 2


def test_an_option_that_is_there_twice_is_named(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text("issues: {x: [yes, no, 1, 1.0]}\nparties: {A: {values: {x: 0}}}\n")
    with pytest.raises(sv.ScenarioError, match=r":1:26: issue 'x': '1' is there twice"):
        sv.points(file)


def test_many_parties_stand_one_below_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "t.csv"
    names = [f"P{i}" for i in range(40)]
    rng = np.random.default_rng(3)
    rows = [f"d{k}," + ",".join(map(str, rng.integers(1, 9, 40))) for k in range(4)]
    file.write_text("\n".join(["deal," + ",".join(names), *rows, "reservation" + ",0" * 40]))
    assert main(["points", str(file)]) == 0
    page = capsys.readouterr().out
    rows = [line for line in page.splitlines() if line.startswith("  P39 ")]
    assert len(rows) >= 3
    assert all(len(line) <= 80 for line in page.splitlines())
    assert "kalai-smorodinsky" in page
    assert main(["points", str(file), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert set(content["tolerance"]) == set(names)


@pytest.mark.parametrize("solution", ["nash", "kalai-smorodinsky", "egalitarian", "utilitarian"])
@pytest.mark.parametrize("scale", [(1.0, 1.0), (1e12, 1e-3), (1e-12, 1e-9)])
def test_branching_does_not_hang_on_units_either(solution: str, scale: tuple[float, float]) -> None:
    if solution in ("egalitarian", "utilitarian"):  # they compare units
        scale = (scale[0], scale[0])
    rng = np.random.default_rng(5)
    worth = rng.integers(0, 9, (2, 4, 3)).astype(float)
    table = table_of(worth, np.array([9.0, 9.0]), np.array(scale))
    branched = chosen_by_branching(table, solution)
    whole = sv.points(table).solutions[solution]
    assert branched is not None
    found = branched.utilities / scale
    assert any(found == pytest.approx(u) for u in whole.utilities.values / scale)
    assert branched.bound == pytest.approx(branched.value, rel=1e-6)


def test_branching_with_sixty_parties_in_millions() -> None:
    rng = np.random.default_rng(2)
    worth = rng.uniform(1e6, 2e6, (60, 6))
    issue = Issue("deal", tuple("abcdef"))
    parties = tuple(Party(f"p{i}", (w,), reservation=0.0) for i, w in enumerate(worth))
    found = chosen_by_branching(Table((issue,), parties), "nash")
    assert found is not None
    assert found.deal.tolist() == [int(np.log(worth).sum(axis=0).argmax())]


def test_a_path_between_the_same_deals_is_drawn(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("deal,A,B\nonly,3,4\n")
    answer = sv.points(file)
    assert answer.path("split", "nash").steps == ()
    assert "none, for to somebody" in " ".join(str(answer).split())
    answer.plot("path", tmp_path / "path.svg")
    assert (tmp_path / "path.svg").read_text().startswith("<svg")


def test_what_cannot_be_asked_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "t.csv"
    file.write_text("deal,A,B\na,1,2\nb,2,1\nreservation,5,0\n")
    assert main(["points", str(file), "--from", "split"]) == 2
    assert "no deal is acceptable to all: there is no solution 'nash'" in capsys.readouterr().err
    table = Path(__file__).parents[3] / "examples" / "points" / "river.yaml"
    assert main(["points", str(table), str(table)]) == 2
    assert "2 files, and this one is a whole table" in capsys.readouterr().err
    assert main(["points", str(file), "--plot", str(tmp_path / "no" / "x.svg")]) == 2
    assert "--plot" in capsys.readouterr().err


def test_a_picture_is_drawn_where_the_file_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "t.csv", tmp_path / "t.svg"
    file.write_text("deal,A,B\na,1,2\nb,2,1\n")
    assert main(["points", str(file), "--out", str(out)]) == 0
    assert out.read_text().startswith("<svg")
    assert capsys.readouterr().out == ""
