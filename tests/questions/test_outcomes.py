"""Several offers as one game: nothing depends on what else is asked."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import servanda as sv
from servanda.errors import QuestionError
from servanda.game.bind import bind
from servanda.questions.outcomes import (
    NEVER,
    Outcomes,
    Wanted,
    from_rows,
    joined,
    outcomes,
    prepare,
    schedule_of,
    to_rows,
)
from servanda.runs.parquet import decode, encode

DIKE = """
title: A dike
period: year
horizon: 6
parties:
  north: {patience: 0.9, acuity: 6}
  south: {patience: 0.85, acuity: 6}
assumptions:
  prize: {value: [0.5, 1, 1.5], why: what a raid brings}
  upkeep: {value: [0.1, 0.2, 0.3], why: what guards cost}
stocks:
  guard: {start: 0.4, next: guard + 0.15*south.arm - 0.05}
moves:
  south: [wait, arm]
  north: [wait, raid]
interests:
  north: {raid: north.raid*(prize - 1.5*guard), tribute: 0.3*tribute*in_force}
  south: {loss: -north.raid*(1 - guard), upkeep: -upkeep*south.arm, tribute: -0.3*tribute*in_force}
terms:
  tribute: {levels: {none: 0, some: 1}}
  arms: {levels: {free: 0, barred: 1}}
obligations:
  no_raid: {party: north, never: raid, verified: 0.9}
  no_arms: {party: south, never: arm, while: arms, verified: 0.5}
proposals:
  truce: {signatories: [north, south]}
  paid: {signatories: [north, south], terms: {tribute: some}}
  disarmed: {signatories: [north, south], terms: {arms: barred}, lasts: 2, renew: all_sign}
levers:
  teach: {owner: south, set: {upkeep: "*0.5"}, from: 2}
"""


@pytest.fixture(scope="module")
def case():
    return sv.load(DIKE)


@pytest.fixture(scope="module")
def worlds(case):
    return sv.draw(case, 5, seed=1)


@pytest.fixture(scope="module")
def together(case, worlds):
    wanted = Wanted(tied=True, courses=True)
    return outcomes(case, list(case.proposals.values()), worlds, wanted=wanted)


def test_an_offer_has_the_same_figures_alone_and_among_others(case, worlds, together):
    for name, proposal in case.proposals.items():
        alone = outcomes(case, [proposal], worlds, wanted=Wanted(tied=True, courses=True))
        for field in ("worth", "no_deal", "signing", "joint", "tied", "survival", "broken"):
            here = getattr(together, field).sel(deal=name).values
            assert getattr(alone, field).sel(deal=name).values == pytest.approx(
                here, abs=1e-9, nan_ok=True
            ), field


def test_figures_are_those_of_solve(case, worlds, together):
    for name in case.proposals:
        solution = sv.solve(case, name, worlds=worlds)
        assert solution.worth.values == pytest.approx(
            together.worth.sel(deal=name).values, abs=1e-9
        )
        assert solution.joint.values == pytest.approx(together.joint.sel(deal=name).values)


def test_the_value_of_what_is_to_come_begins_with_the_value_at_the_start(together):
    at_start = together.value.sel(period=0)
    no_deal = together.no_deal.isel(deal=0).values
    assert at_start.sel(deal=NEVER).values == pytest.approx(no_deal, abs=1e-9)
    for name in together.deals:
        signed = together.worth.sel(deal=name).values + no_deal
        assert at_start.sel(deal=name).values == pytest.approx(signed, abs=1e-9)


def test_the_value_of_what_is_to_come_is_its_flow_and_the_next_value(case, worlds):
    """V(t) = flow(t) + patience x V(t + 1), in the mean over many paths."""
    many = outcomes(case, [], worlds, wanted=Wanted(courses=True, paths=512))
    value, flow = many.value.sel(deal=NEVER).values, many.flow.sel(deal=NEVER).values
    patience = np.array([0.9, 0.85])
    assert flow[:, :3] + patience * value[:, 1:4] == pytest.approx(value[:, :3], abs=0.03)


def test_assumptions_that_stay_the_same_are_no_schedule(case, worlds, together):
    schedule = schedule_of(worlds.values, case.horizon)
    same = outcomes(case, list(case.proposals.values()), schedule)
    assert same.worth.values == pytest.approx(together.worth.values, abs=1e-9)
    assert same.joint.values == pytest.approx(together.joint.values, abs=1e-9)
    assert same.survival.values == pytest.approx(together.survival.values, abs=1e-9)


def test_what_changes_after_the_horizon_only_changes_what_comes_after_it(case, worlds):
    """A schedule's last entry holds for ever: with no future it would change nothing."""
    bare = sv.load(DIKE.replace("horizon: 6", "horizon: 6\nterminal: zero"))
    schedule = schedule_of(worlds.values, bare.horizon)
    changed = schedule.copy()
    changed[:, -1] *= 2
    usual = outcomes(bare, list(bare.proposals.values()), schedule)
    later = outcomes(bare, list(bare.proposals.values()), changed)
    assert later.worth.values == pytest.approx(usual.worth.values, abs=1e-9)


def test_a_later_change_is_foreseen(case, worlds):
    """Cheaper guards from the third year on are worth something to south today."""
    schedule = schedule_of(worlds.values, case.horizon)
    cheaper = schedule.copy()
    cheaper[:, 2:, case_index(case, "upkeep")] *= 0.5
    wanted = Wanted(courses=True)
    usual = outcomes(case, [], schedule, wanted=wanted)
    later = outcomes(case, [], cheaper, wanted=wanted)
    gain = (later.value - usual.value).sel(deal=NEVER, party="south", period=0).values
    assert (gain > 0).all()


def case_index(case, name):
    return list(case.assumptions).index(name)


def test_bound_hands_bind_in_no_deal_too(case, worlds):
    never_raids = (bind(case, "north", None, ["wait"]),)
    found = outcomes(case, [], worlds, wanted=Wanted(courses=True), binds=never_raids)
    raids = found.moves.sel(deal=NEVER, move="north.raid").values
    assert raids == pytest.approx(0.0)


def test_outcomes_can_be_joined_along_worlds(case, worlds, together):
    halves = [worlds.values[:2], worlds.values[2:]]
    parts = [outcomes(case, list(case.proposals.values()), half) for half in halves]
    whole = joined(parts, "world")
    assert whole.worth.values == pytest.approx(together.worth.values, abs=1e-9)


def test_rows_of_a_file_give_back_every_bit(case, worlds, together):
    """Also what was not asked (NaN) and figures without an axis; chunk by chunk."""
    wanted = Wanted(tied=True, courses=True)
    axes = prepare(case, list(case.proposals.values()), (), wanted=wanted).axes
    frames = []
    for number, part in enumerate((slice(0, 2), slice(2, 5))):
        some = Outcomes(**{name: a.isel(world=part) for name, a in vars(together).items()})
        data = encode(to_rows(some, part.start), "run", number)
        frames.append(decode(data, "run", number).to_pandas())
    assert list(frames[1].world.unique()) == [2, 3, 4]
    for name, a in vars(from_rows(frames, axes)).items():
        xr.testing.assert_identical(a, getattr(together, name))
        assert a.dtype == float
    assert np.isnan(together.tied.values).any()


@pytest.mark.parametrize("deals", [[], ["truce", "paid"]])
def test_a_folder_changes_no_figure(case, worlds, deals, tmp_path):
    proposals = [case.proposals[name] for name in deals]
    asked = {"wanted": Wanted(survival=False, courses=True), "batch": 1}
    plain = outcomes(case, proposals, worlds, **asked)
    for _ in range(2):
        kept = outcomes(case, proposals, worlds, folder=tmp_path / "run", **asked)
        for name, a in vars(kept).items():
            xr.testing.assert_identical(a, getattr(plain, name))
        sorted((tmp_path / "run").glob("chunk-*.parquet"))[0].unlink()


def test_without_offers_and_courses_there_is_nothing_to_ask(case, worlds):
    with pytest.raises(QuestionError, match="no proposal"):
        outcomes(case, [], worlds)
