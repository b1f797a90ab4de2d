"""The sentence of what is exchanged: which breach lets what fall due, and what goes on binding."""

from __future__ import annotations

import pytest

import servanda as sv
from servanda.game.build import build
from servanda.game.regimes import Variant
from servanda.questions.exchange import net_exchange
from servanda.questions.outcomes import duties_in

DAM = """
title: A dam
horizon: 4
parties: {up: {patience: 0.9}, down: {patience: 0.9}}
moves:
  up: [wait, fill, sell]
  down: [rest, strike, aid]
obligations:
  no_hurry: {label: Up does not fill, party: up, never: fill}
  sells: {label: Up sells, party: up, must: sell}
  no_strike: {label: Down does not strike, party: down, never: strike, survives: true}
  no_aid: {label: Down gives no aid, party: down, never: aid, due: broken.no_hurry, survives: true}
proposals:
  plain: {proposer: up, signatories: [up, down], obligations: [no_hurry]}
  lasting: {proposer: up, signatories: [up, down], obligations: [no_hurry, no_strike]}
  alone: {proposer: up, signatories: [up, down], obligations: [no_hurry, no_aid]}
  both: {proposer: up, signatories: [up, down], obligations: [no_hurry, sells, no_aid]}
"""


@pytest.mark.parametrize(
    ("deal", "ends"),
    [
        ("plain", "if it is broken, nothing falls due."),
        ("lasting", "nothing falls due; even after a breach: Down does not strike."),
        ("alone", "if it is broken: Down gives no aid."),
        (
            "both",
            "if this is not kept (Up does not fill): Down gives no aid; "
            "if anything else is not kept, nothing falls due.",
        ),
    ],
)
def test_what_a_breach_brings(deal: str, ends: str) -> None:
    scenario = sv.load(DAM)
    proposal = scenario.proposals[deal]
    bound = duties_in(build(scenario, [Variant(proposal)]))
    due = [scenario.obligations[n] for n in proposal.obligations if scenario.obligations[n].due]
    assert net_exchange(scenario, proposal, bound, due).endswith(ends)


BARE = """
title: A raid
horizon: 4
parties: {north: {label: North, patience: 0.9}, south: {patience: 0.9}}
moves:
  north: [wait, raid_at_night, siege: {label: lay siege}]
  south: [keep, pay, leave_the_pass]
terms:
  watch: {label: watched posts, levels: {none: 0, by_stages: [0.5, 1]}}
obligations:
  No_attack: {party: north, never: [raid_at_night, siege], while: watch}
  Pays: {party: south, must: pay}
  Goes: {party: south, must: leave_the_pass, by: 2}
proposals:
  truce: {proposer: north, signatories: [north, south], terms: {watch: by_stages}}
"""


def exchange(text: str, deal: str) -> str:
    scenario = sv.load(text)
    bound = duties_in(build(scenario, [Variant(scenario.proposals[deal])]))
    return net_exchange(scenario, scenario.proposals[deal], bound, [])


def test_a_duty_without_a_label_is_said_by_what_it_binds() -> None:
    found = exchange(BARE, "truce")
    assert found.startswith('North never chooses "raid at night" or "lay siege"; in return, ')
    assert 'south always chooses "pay"' in found
    assert 'south chooses "leave the pass" by month 2' in found
    assert "_" not in found
    assert "No attack" not in found


def test_a_schedule_that_only_a_duty_reads_is_a_term_of_the_deal() -> None:
    assert "the terms: watched posts (by stages)" in exchange(BARE, "truce")
    unchanged = BARE.replace("terms: {watch: by_stages}}", "terms: {watch: none}}")
    assert "watched posts" not in exchange(unchanged, "truce")
