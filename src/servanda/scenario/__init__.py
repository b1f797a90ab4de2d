"""What the analyst writes: a scenario file, its formulas, and the worlds drawn from it.

`load` reads and checks a file, `draw` and `modal` make the worlds in which the game is solved.
This room imports no other room.
"""

from servanda.scenario.distributions import Distribution
from servanda.scenario.formulas import Formula, constant, evaluate, parse_formula, parse_test
from servanda.scenario.load import load, loads
from servanda.scenario.model import (
    Assumption,
    Change,
    Claim,
    Decision,
    Hypothesis,
    Lever,
    Obligation,
    Party,
    Phase,
    Proposal,
    Scenario,
    Stock,
    Term,
)
from servanda.scenario.schema import json_schema
from servanda.scenario.worlds import Worlds, draw, modal, weights

__all__ = [
    "Assumption",
    "Change",
    "Claim",
    "Decision",
    "Distribution",
    "Formula",
    "Hypothesis",
    "Lever",
    "Obligation",
    "Party",
    "Phase",
    "Proposal",
    "Scenario",
    "Stock",
    "Term",
    "Worlds",
    "constant",
    "draw",
    "evaluate",
    "json_schema",
    "load",
    "loads",
    "modal",
    "parse_formula",
    "parse_test",
    "weights",
]
