"""The sentence of what is exchanged: which breach lets what fall due, and what goes on binding."""

from __future__ import annotations

from dataclasses import replace

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


def test_a_duty_and_a_term_without_a_label_are_said_in_words() -> None:
    scenario = sv.load(
        DAM.replace("label: Up does not fill, ", "")
        + "terms: {water_fee: {levels: {none: 0, paid_monthly: 1}}}\n"
    )
    fee = scenario.terms["water_fee"]
    proposal = replace(
        scenario.proposals["plain"],
        terms={"water_fee": fee.levels["paid_monthly"]},
        levels={"water_fee": "paid_monthly"},
    )
    said = net_exchange(scenario, proposal, [scenario.obligations["no_hurry"]], [])
    assert said.startswith("No hurry; the terms: water fee (paid monthly); without end;")
