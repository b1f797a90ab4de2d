"""What stands out agrees with brute force, and rejections err as seldom as is said."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import servanda as sv
from servanda.errors import QuestionError
from servanda.game.levels import choose_levels
from servanda.questions.alike import Deals
from servanda.questions.best_deals import better_share, efficient, smallest_change, solutions
from servanda.questions.outcomes import outcomes
from servanda.questions.rounds import fewest_good, least_passing, rounds, stays
from servanda.scenario.worlds import draw

PIE = Path(__file__).parents[1] / "theory" / "bargaining_range.yaml"
RIVER = Path(__file__).with_name("river.yaml")


def brute(worth: np.ndarray, stakes: np.ndarray) -> dict[str, set[int]]:
    """The definitions, deal by deal."""
    able = [k for k in range(len(worth)) if (worth[k] >= 0).all()]
    if not able:
        return {}
    w = worth / stakes
    ideal = w[able].max(axis=0)
    values = {
        "nash": {k: float(np.prod(w[k])) for k in able},
        "kalai-smorodinsky": {k: min(x / b for x, b in zip(w[k], ideal) if b > 0) for k in able},
        "egalitarian": {k: float(w[k].min()) for k in able},
        "utilitarian": {k: float(w[k].sum()) for k in able},
    }
    most = {name: max(found.values()) for name, found in values.items()}
    return {
        name: {k for k, x in found.items() if x >= most[name] - 1e-12}
        for name, found in values.items()
    }


@pytest.mark.parametrize("shift", [0.0, 8.0, -8.0], ids=["amid", "no deal worst", "no deal best"])
@pytest.mark.parametrize("parties", [2, 3])
def test_solutions_of_ten_thousand_deals_are_those_of_brute_force(
    shift: float, parties: int
) -> None:
    rng = np.random.default_rng(parties)
    worth = rng.integers(-6, 7, size=(10_000, parties)) + shift  # whole numbers: many ties
    stakes = np.array([1.0, 2.0, 4.0])[:parties]
    found = {name: set(map(int, c.points)) for name, c in solutions(worth, stakes).items()}
    assert found == brute(worth, stakes)
    assert bool(found) == (shift >= 0)  # a disagreement point better than every deal: none
    if found:
        assert max(map(len, found.values())) > 1


@pytest.mark.parametrize("figures", [2, 3, 4])
def test_the_frontier_of_ten_thousand_deals_is_that_of_brute_force(figures: int) -> None:
    rng = np.random.default_rng(figures)
    x = np.round(rng.normal(size=(10_000, figures)), 1)
    more = np.array([((x >= row).all(axis=1) & (x > row).any(axis=1)).any() for row in x])
    assert set(efficient(x)) == set(np.flatnonzero(~more))


def test_smallest_change_is_that_of_brute_force() -> None:
    rng = np.random.default_rng(4)
    levels = np.array(list(itertools.product(range(3), repeat=5)))
    for _ in range(20):
        good, cost = rng.random(len(levels)) < 0.03, rng.integers(0, 3, len(levels)) * 1.0
        start = levels[rng.integers(len(levels))]
        keys = {
            k: (int((levels[k] != start).sum()), cost[k]) for k in range(len(levels)) if good[k]
        }
        expected = {k for k, key in keys.items() if key == min(keys.values())}
        assert set(smallest_change(levels, good, cost, start)) == expected


@pytest.mark.parametrize("uneven", [False, True])
def test_good_deals_are_dropped_no_more_often_than_said(uneven: bool) -> None:
    rng = np.random.default_rng(7)
    n, share, risk = 64, 0.5, 0.1
    weight = rng.uniform(0.5, 2.0, n) if uneven else np.ones(n)
    w = weight / weight.sum()
    schedule, wrong, trials = rounds(n), 0, 2000
    for _ in range(trials):
        good = np.zeros((1, n), bool)  # just enough good worlds, the hardest case
        some = rng.permutation(n)
        good[0, some[: int(np.searchsorted(np.cumsum(w[some]), share - 1e-12)) + 1]] = True
        order = rng.permutation(n)
        each = risk / (len(schedule) - 1)
        wrong += not all(stays(good[:, order[:k]], order, weight, share, each)[0] for k in schedule)
    # three standard errors above the stated chance would be a false statement
    assert wrong / trials <= risk + 3 * np.sqrt(risk * (1 - risk) / trials)


def test_bad_deals_are_dropped_early() -> None:
    order, weight = np.arange(64), np.ones(64)
    bad = np.zeros((1, 16), bool)
    assert not stays(bad, order, weight, 0.5, 1e-4)[0]


def test_a_deal_that_cannot_reach_the_share_is_dropped_at_any_risk() -> None:
    order, weight = np.arange(8), np.ones(8)
    bad = np.zeros((1, 5), bool)
    assert not stays(bad, order, weight, 0.5, 0.0)[0]


def test_fewest_passing_is_the_hypergeometric_quantile() -> None:
    from scipy.stats import hypergeom

    for seen, risk in itertools.product((4, 8, 16, 32), (1e-4, 0.01, 0.05)):
        s = least_passing(64, 32, seen, risk)
        assert hypergeom(64, 32, seen).cdf(s - 1) <= risk < hypergeom(64, 32, seen).cdf(s)
    assert fewest_good(np.ones(64), 0.5) == 32
    assert fewest_good(np.array([3.0, 1, 1, 1]), 0.5) == 1


def test_a_sample_of_fifty_nine_bounds_the_better_deals_at_five_per_cent() -> None:
    # the textbook number: 0.95^59 = 0.0485 < 0.05 < 0.95^58
    assert better_share(59) < 0.05 < better_share(58)


# -- one pie, with a closed form: a gains share - 0.5, b gains 0.8 - share (Fearon 1995) --------


def test_the_design_of_a_pie_lands_on_the_middle_of_the_bargaining_range() -> None:
    found = sv.design(sv.load(PIE), "too_low", worlds=2, steps=21)
    shares = {d: float(d) for d in found.deals}
    good = [shares[d] for d, ok in zip(found.deals, found.acceptable, strict=True) if ok]
    assert 0.5 < min(good) < 0.56
    assert 0.74 < max(good) < 0.8
    for name in ("nash", "kalai-smorodinsky", "egalitarian"):
        assert [shares[found.deals[k]] for k in found.solutions[name]] == [0.65]
    assert len(found.frontier) == sum(found.acceptable)  # a pie: every division is efficient
    worth = found.worth[list(found.deals).index("0.65")]
    assert np.allclose(worth, [0.15, 0.15])


def test_the_same_seed_gives_the_same_design() -> None:
    one, two = (sv.design(sv.load(PIE), "too_low", worlds=4, seed=3) for _ in range(2))
    assert one.deals == two.deals
    assert np.array_equal(one.share, two.share, equal_nan=True)


def test_the_smallest_change_of_an_offer_too_low_is_the_least_that_a_signs() -> None:
    found = sv.design(sv.load(PIE), "too_low", worlds=2, steps=21, party="b")
    assert [found.deals[k] for k in found.change] == ["0.55"]  # what costs b least


def test_an_impossible_wish_is_answered_in_a_sentence() -> None:
    found = sv.design(sv.load(PIE), "too_low", fix={"share": 0.3}, worlds=2)
    assert not found.acceptable.any()
    assert not found.solutions
    text = " ".join(found.text().split())
    assert "No deal" in text
    assert "a refuses most" in text
    assert "Nearest comes: share 0.3" in text


def test_a_space_too_large_to_list_is_sampled_and_says_so() -> None:
    found = sv.design(sv.load(PIE), "too_low", worlds=2, steps=1001, limit=40)
    assert not found.exhaustive
    assert len(found.deals) <= 41
    assert "at most 14 % of all deals are better" in " ".join(found.text().split())


def test_names_that_are_not_there_are_told_with_the_nearest() -> None:
    scenario = sv.load(PIE)
    with pytest.raises(QuestionError, match="did you mean 'too_low'"):
        sv.design(scenario, "too_lo")
    with pytest.raises(QuestionError, match="did you mean 'share'"):
        sv.design(scenario, "low", vary=["shar"])
    with pytest.raises(QuestionError, match="from 0 to 1, not 3"):
        sv.design(scenario, "low", fix={"share": 3})
    with pytest.raises(QuestionError, match="party 'c'"):
        sv.design(scenario, "low", signatories=["c"])


def test_deals_of_one_game_come_out_as_deals_of_their_own() -> None:
    scenario = sv.load(RIVER)
    offers = list(scenario.proposals.values())[:2]
    grid = choose_levels(scenario)
    worlds = draw(scenario, 2, 0)
    for offer in offers:
        alone = outcomes(scenario, [offer], worlds, levels=grid)
        solver = Deals(scenario, offer, grid, 1, 32, 0)
        pairs = np.array([(0, 0), (0, 1)])
        many = solver.run([offer], pairs, np.asarray(worlds.values))
        assert np.allclose(many.joint, alone.joint.values[:, 0], atol=0.02)
        scale = np.abs(alone.worth.values[:, 0]).max() + 1.0
        assert np.allclose(many.worth, alone.worth.values[:, 0], atol=0.02 * scale)


def test_a_design_goes_on_from_its_folder_with_the_same_figures(tmp_path) -> None:
    scenario, folder = sv.load(RIVER), tmp_path / "run"
    asked = {"vary": ["share"], "steps": 3, "worlds": 8}
    plain = sv.design(scenario, "half", **asked).to_dataframe()
    for _ in range(2):
        kept = sv.design(scenario, "half", **asked, folder=folder).to_dataframe()
        pd.testing.assert_frame_equal(kept, plain, check_exact=True)
        for chunk in sorted(folder.rglob("chunk-*.parquet"))[::2]:
            chunk.unlink()
    assert {"central-001", "central-002"} <= {p.name for p in folder.iterdir()}
    with pytest.raises(QuestionError, match=r"holds another run: job\.like is 'half' there"):
        sv.design(scenario, "whole", **asked, folder=folder)
