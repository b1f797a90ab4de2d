"""Who does what, and what holds a deal up, on cases that can be worked out by hand."""

from __future__ import annotations

import json
from textwrap import dedent

import numpy as np
import pytest

import servanda as sv
from servanda.cli import main
from servanda.errors import QuestionError
from servanda.questions.cautions import paid_for_ever, swamped
from servanda.questions.holding import add_up, holding
from servanda.scenario.model import Scenario

TRIGGER = """
    title: A promise on a grim trigger
    period: year
    horizon: 6
    terminal: TERMINAL
    parties:
      me: {patience: 0.8, acuity: 10000, stakes: 1}
      you: {patience: 0.5, stakes: 1}
    moves:
      me: [cooperate, defect]
    obligations:
      promise: {party: me, never: defect, verified: NOTICED}
    interests:
      me:
        together: REWARD*me.cooperate*in_force
        betrayal: TEMPTATION*me.defect*in_force
      you: {peace: in_force}
    proposals:
      pact: {signatories: [me, you]}
    """


def trigger(
    temptation: str = "5", reward: str = "3", noticed: float = 1, terminal: str = "stationary"
) -> Scenario:
    text = TRIGGER.replace("TEMPTATION", temptation).replace("REWARD", reward)
    text = text.replace("NOTICED", str(noticed)).replace("TERMINAL", terminal)
    return sv.load(dedent(text).lstrip())


def test_slack_is_the_gain_of_staying_less_that_of_breaking_once():
    # keeping: 3 a year for ever, 3/(1 - d) = 15; breaking: 5 once, noticed for sure, then nothing
    (held,) = holding(trigger(), "pact").held
    assert held.slack.values[0] == pytest.approx(3 / (1 - 0.8) - 5, rel=1e-6)
    # what keeping adds: 15 of what is had together, less 5 of the betrayal
    parts = held.parts.sel(interest=["me.together", "me.betrayal"]).values[0]
    assert parts == pytest.approx(np.tile([15.0, -5.0], (6, 1)), rel=1e-6)
    assert held.parts.sum("interest").values == pytest.approx(held.slack.values, abs=1e-12)
    assert held.middle() == np.inf
    assert held.paid_by(6) == 0


def test_a_breach_that_is_seen_half_of_the_time_costs_half_of_what_follows():
    # Q(keep) - Q(break) = (3 - 5) + 0.8 * 0.5 * 15
    (held,) = holding(trigger(noticed=0.5), "pact").held
    assert held.slack.values[0] == pytest.approx(-2 + 0.8 * 0.5 * 15, rel=1e-6)


def test_at_the_end_of_a_finite_game_breaking_pays():
    # in the last year nothing follows: 3 - 5; a year before, 0.8 of a last year worth 5 follows
    (held,) = holding(trigger(terminal="zero"), "pact").held
    slack = held.slack.values[0]
    assert slack[-1] == pytest.approx(-2, abs=1e-9)
    assert slack[-2] == pytest.approx(-2 + 0.8 * 5, abs=1e-6)
    assert held.first()[0] == held.middle() == 5
    assert (held.paid_by(4), held.paid_by(5)) == (0, 1)
    assert held.pays.values[0] == pytest.approx([0, 0, 0, 0, 0, 1])


DRIFT = """
    title: A temptation that grows
    period: month
    horizon: 20
    terminal: zero
    assumptions: {slope: {value: [0.04, 0.05, 0.06]}}
    parties:
      me: {patience: 0, acuity: 10000, stakes: 1}
      you: {patience: 0.5, stakes: 1}
    stocks:
      lure: {start: 0, range: [0, 2], next: lure + slope}
    moves:
      me: [hold, attack]
    obligations:
      promise: {party: me, never: attack, verified: 1}
    interests:
      me:
        calm: 0.52*me.hold
        prize: lure*me.attack
      you: {peace: in_force}
    proposals:
      pact: {signatories: [me, you]}
    """


def test_slack_crosses_zero_when_a_drifting_stock_says_so():
    # who does not look ahead breaks when the lure, 0.05 t, exceeds 0.52: from month 11 on
    scenario = sv.load(dedent(DRIFT).lstrip())
    (held,) = holding(scenario, "pact").held
    months = np.arange(11)
    assert held.slack.values[0, :11] == pytest.approx(0.52 - 0.05 * months, abs=1e-9)
    assert held.middle() == 11
    assert held.parts.sel(interest="me.prize").values[0, :11] == pytest.approx(-0.05 * months)
    # it breaks, noticed for sure, but for 1 in exp(10000 * 0.03), and then in exp(10000 * 0.08)
    assert held.slack.values[0, 11:13] == pytest.approx([-0.03, -0.08], abs=1e-9)
    assert np.isnan(held.slack.values[0, 13:]).all()


def test_the_middle_world_breaks_when_its_slope_says_so():
    scenario = sv.load(dedent(DRIFT).lstrip())
    worlds = sv.draw(scenario, 32, seed=2)
    (held,) = holding(scenario, "pact", worlds).held
    slope = worlds.column("slope")
    first = np.floor(0.52 / slope) + 1
    assert held.first() == pytest.approx(first)
    assert held.paid_by(11) == pytest.approx(np.mean(first <= 11))


def test_parts_are_made_to_add_up():
    parts, off = add_up(np.array([4.0, np.nan]), np.array([[1.0, 2.0], [np.nan, np.nan]]))
    assert parts[0] == pytest.approx([1 + 1 / 3, 2 + 2 / 3])
    assert off == pytest.approx(1 / 3)
    assert np.isnan(parts[1]).all()


ALL = """
    title: Everything at once
    period: month
    horizon: 24
    terminal: zero
    parties:
      north: {label: North, patience: 0.9, acuity: 200, stakes: 1}
      south: {label: South, patience: 0.9, acuity: 200, stakes: 1}
      east: {label: East, patience: 0.9, acuity: 10, stakes: 1}
    assumptions:
      growth: {value: [0.01, 0.02, 0.03]}
    stocks:
      grain: {label: "Grain, in tons", start: 0.1, range: [0, 1], next: grain + growth*in_force}
    moves:
      north: [hold, raid]
      south: {options: [{wait: {label: waits}}, {fight: {label: fights}}], when: broken.no_raid}
      east: [heads, tails]
    terms:
      watch: {levels: {none: 0, some: 1}}
      tribute: {levels: {none: 0, some: 1}}
    obligations:
      no_raid:
        label: North does not raid
        party: north
        never: raid
        while: watch
        verified: 1
        false_alarm: 0.1
      answer:
        label: South fights
        party: south
        must: fight
        due: broken.no_raid
        survives: true
    interests:
      north:
        peace: 0.5*north.hold
        loot: 0.1*north.raid
        shame: -0.3*broken.no_raid
      south:
        bread: grain
        price: -0.2*south.fight
        word: -WORD*breach.answer
      east: {weather: 1}
    proposals:
      truce: {signatories: [north, south], terms: {watch: some, tribute: some}}
    """


def everything(word: float = 1.0) -> Scenario:
    return sv.load(dedent(ALL).lstrip().replace("WORD", str(word)))


@pytest.fixture(scope="module")
def answer():
    return sv.play(everything(), worlds=8, seed=1)


def test_only_false_alarms_end_a_deal_that_nobody_wants_to_break(answer):
    # north gains 0.5 by holding and 0.1 by raiding: it holds, and is wrongly accused in 1 of 10
    t = answer.ends.period.values
    kept = answer.ends.sel(end="in force").values
    assert kept == pytest.approx(np.tile(0.9**t, (8, 1)), abs=1e-9)
    accused = answer.ends.sel(end="wrongly accused, North: does not raid").values
    assert accused == pytest.approx(1 - kept, abs=1e-9)
    assert answer.ends.sum("end").values == pytest.approx(1.0)


def test_stocks_are_followed_with_the_deal_and_without(answer):
    # given that it is in force, grain grows by `growth` a month; without a deal not at all
    growth = sv.draw(everything(), 8, seed=1).column("growth")
    grain = answer.over.stock.sel(stock="grain")
    kept = grain.sel(course="while in force")
    months = np.arange(25)
    assert kept.values == pytest.approx(np.minimum(0.1 + growth[:, None] * months, 1.0))
    assert grain.sel(course="without").values == pytest.approx(0.1)
    # whatever becomes of it: one month for sure, then as long as it lasts
    once = grain.sel(course="with the deal", period=1).values
    assert once == pytest.approx(0.1 + growth)


def test_flows_by_interest_are_those_of_the_moves(answer):
    flow = answer.over.flow.sel(course="without")
    raid = answer.over.moves.sel(course="without", move="north.raid")
    assert flow.sel(interest="north.loot").values == pytest.approx(0.1 * raid.values)
    assert flow.sel(interest="north.peace").values == pytest.approx(0.5 * (1 - raid.values))
    assert flow.sel(interest="north.shame").values == pytest.approx(0)
    whole = answer.over.flow.sel(course="with the deal")
    assert float(whole.sel(interest="north.shame", period=20).mean()) < -0.2


def test_a_guarantor_answers_if_its_word_is_worth_more_than_the_price(answer):
    # fighting costs 0.2 a month, not fighting 1 (or 0.1): logit with precision 200 is all or none
    (guarantee,) = answer.holding.guarantees
    assert guarantee.over(0, 24) == pytest.approx(1.0)
    assert guarantee.due.values[:, 0] == pytest.approx(0.0)
    assert guarantee.due.values[:, 1:] == pytest.approx(1.0)  # north's hands are bound to raid
    (breaks,) = holding(everything(word=0.1), "truce").guarantees
    assert breaks.over(0, 24) == pytest.approx(0.0, abs=1e-6)


def test_slack_of_a_duty_that_an_interest_guards_is_its_own_loss(answer):
    (north,) = answer.holding.held
    assert north.duties == ("no_raid",)
    assert north.parts.sum("interest").values == pytest.approx(north.slack.values, abs=1e-12)
    # in the last month nothing follows: 0.5 for holding, less 0.1 for raiding
    assert north.slack.values[:, -1] == pytest.approx(0.4, abs=1e-9)
    # a month before, shame follows for sure after a raid and with 1 in 10 without: 0.9 * 0.9 * 0.3
    assert north.slack.values[:, -2] == pytest.approx(0.4 + 0.9 * 0.9 * 0.3, abs=1e-6)


def words_of(answer, kind: str) -> dict[str, str]:
    return {c.about: c.words for c in answer.cautions if c.kind == kind}


def test_an_author_is_told_what_the_file_makes_happen(answer):
    tosses = words_of(answer, "toss")
    assert set(tosses) == {"east"}
    assert tosses["east"].startswith("East tosses a coin between “heads” and “tails” for 24 months")
    for_ever = words_of(answer, "for_ever")
    assert set(for_ever) == {"north.shame"}
    # 0.3 a month at a patience of 0.9 is 3 in all, three times the stakes
    assert "−0.30 a month" in for_ever["north.shame"]
    assert "3 months of its stakes" in for_ever["north.shame"]
    assert set(words_of(answer, "idle_term")) == {"tribute"}
    assert set(words_of(answer, "anyway")) == {"no_raid"}  # it does not raid without a deal either
    assert set(words_of(answer, "never_taken")) == {"north", "south"}


def test_blame_that_is_forgotten_is_not_for_ever():
    text = dedent(ALL).lstrip().replace("WORD", "1")
    assert [c.about for c in paid_for_ever(sv.load(text))] == ["north.shame"]
    faded = text.replace("verified: 1", "verified: 1, remembered: 12".replace(", ", "\n    "))
    assert paid_for_ever(sv.load(faded)) == []
    # where one of two deals forgets and the other does not, it is for ever under the other
    both = (
        text + """  other: {signatories: [north, south], terms: {watch: some}, remembered: 12}\n"""
    )
    scenario = sv.load(both)
    assert len(paid_for_ever(scenario)) == 1
    assert not paid_for_ever(scenario, scenario.proposals["other"])


def test_an_option_that_only_some_states_open_is_counted_where_it_is_open():
    # east may shout only while grain is above 0.2; then it does, as that is all it gains by
    text = dedent(ALL).lstrip().replace("WORD", "1")
    text = text.replace("east: [heads, tails]", "east: [heads, {tails: {when: grain > 0.2}}]")
    text = text.replace("east: {weather: 1}", "east: {weather: 1, noise: east.tails}")
    found = sv.play(sv.load(text), "truce", worlds=2)
    grain = found.over.stock.sel(course="while in force", stock="grain").values[:, :-1]
    there = found.over.choice.sel(course="while in force", decision="east").values
    assert there == pytest.approx((grain > 0.2) * 1.0)
    taken = found.over.taken.sel(course="while in force", move="east.tails").values
    assert taken == pytest.approx(there / (1 + np.exp(-10)), abs=1e-9)
    assert found.over.choice.sel(course="without", decision="east").values == pytest.approx(0)


def test_an_interest_that_is_nearly_everything_is_named():
    scenario = sv.load(
        dedent(ALL).lstrip().replace("WORD", "1").replace("bread: grain", "bread: 99*grain")
    )
    (caution,) = swamped(scenario)
    # bread moves by 99 in all, the price by 0.2 and the word by 1: 99 of 100.2
    assert caution.about == "south.bread"
    assert "99 % of everything" in caution.words
    assert not swamped(everything())


def test_what_a_party_does_anyway_is_said_of_a_duty_to_do_it():
    text = dedent(ALL).lstrip().replace("WORD", "1").replace("never: raid", "must: hold")
    found = sv.play(sv.load(text), worlds=2)
    alone = words_of(found, "alone")
    assert "does by itself, without any deal" in alone["no_raid"]
    assert "100 % of months" in alone["no_raid"] or ">99 % of months" in alone["no_raid"]


def test_the_page_tells_the_story_from_the_period_asked_for():
    found = sv.play(everything(), worlds=2, start=12)
    page = found.text(80)
    assert "WHAT HOLDS IT UP" in page
    assert "East" in page
    assert "month 12" in page
    assert "0–" not in page.split("WHO DOES WHAT")[1].split("WHERE THINGS STAND")[0]
    assert max(map(len, page.splitlines())) <= 80
    assert found.to_dataframe().period.min() == 12
    for what in found.PICTURES:
        assert found.plot(what)["description"]


def test_a_scenario_without_offers_is_played_without():
    text = dedent(ALL).lstrip().replace("WORD", "1").split("proposals:")[0]
    found = sv.play(sv.load(text), worlds=2)
    assert found.courses == ("without",)
    assert found.holding is None
    assert "There is no deal in this scenario" in found.text()
    with pytest.raises(QuestionError, match="needs a deal"):
        found.plot("slack")


def test_the_command_plays_and_says_what_is_wrong(tmp_path, capsys):
    file = tmp_path / "case.yaml"
    file.write_text(dedent(ALL).lstrip().replace("WORD", "1"), encoding="utf-8")
    assert main(["play", str(file), "--worlds", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["deal"] == "truce"
    assert found["over"]["moves"]["coords"]["course"] == [
        "with the deal",
        "while in force",
        "without",
    ]
    assert main(["play", str(file), "--from", "24"]) != 0
    assert "months run from 0 to 23" in capsys.readouterr().err
    assert main(["play", str(file), "--deal", "trucee"]) != 0
    assert "truce" in capsys.readouterr().err


def test_names_from_a_file_do_not_steer_the_page_or_a_picture(tmp_path):
    text = dedent(ALL).lstrip().replace("WORD", "1")
    text = text.replace("label: waits", 'label: "a\\u001b[31mb\\u202Ec"')
    found = sv.play(sv.load(text), worlds=2)
    for said in (found.text(), str(found.plot("moves"))):
        assert "\x1b" not in said
        assert "\u202e" not in said


NODE = """
    title: One month, two players
    period: month
    horizon: 1
    terminal: zero
    parties:
      a: {patience: 0.5, acuity: 1000, stakes: 1}
      b: {patience: 0.5, acuity: 2, stakes: 1}
    moves:
      a: [keep, cheat]
      b: [calm, angry]
    order: ORDER
    obligations:
      promise: {party: a, never: cheat, verified: 1}
    interests:
      a:
        gain: 0.7*a.cheat
        anger: -1*b.angry*(1 + a.cheat)
      b: {revenge: 0.5*b.angry*a.cheat, taste: 0.3*b.calm}
    proposals:
      pact: {signatories: [a, b]}
    """


def at_a_node(order: str):
    (held,) = holding(sv.load(dedent(NODE).lstrip().replace("ORDER", order)), "pact").held
    return held


def logit(gain: float) -> float:
    return 1 / (1 + np.exp(-2 * gain))


def test_who_moves_first_reckons_with_the_answer():
    # b is angry with logit(-0.3) if a keeps, with logit(0.5 - 0.3) if it cheats
    held = at_a_node("[a, b]")
    keep, cheat = -logit(-0.3), 0.7 - 2 * logit(0.2)
    assert held.slack.values[0, 0] == pytest.approx(keep - cheat, abs=1e-9)
    anger = held.parts.sel(interest="a.anger").values[0, 0]
    assert anger == pytest.approx(-logit(-0.3) + 2 * logit(0.2), abs=1e-9)


def test_who_moves_second_reckons_with_what_was_done():
    # if b is angry, a keeps (-1 against 0.7 - 2) and b has nothing; if it is calm, a cheats and b
    # has 0.3; so b is angry with logit(-0.3)
    held = at_a_node("[b, a]")
    angry = logit(-0.3)
    expected = angry * (-1 - (0.7 - 2)) + (1 - angry) * (0 - 0.7)
    assert held.slack.values[0, 0] == pytest.approx(expected, abs=1e-6)
    assert held.pays.values[0, 0] == pytest.approx(1 - angry, abs=1e-6)


def test_who_moves_at_once_reckons_with_what_the_other_is_likely_to_do():
    held = at_a_node("[[a, b]]")
    # at the equilibrium b is angry with p; a cheats for sure if 0.7 > p: then p = logit(0.2) < 0.7
    p = logit(0.5 - 0.3)
    assert held.slack.values[0, 0] == pytest.approx(-p - (0.7 - 2 * p), abs=1e-6)
