"""Small conflicts with levers, whose answers can be worked out by hand."""

from __future__ import annotations

from servanda.scenario.load import loads
from servanda.scenario.model import Scenario

# One stock falls by `rate` a period. Without a deal the hawk has `strength` a period, in force it
# has `calm`; nobody has a choice. Patience is 1/2, and the stock's floor is never reached.
FADING = """\
title: A fading power
period: year
horizon: 8
terminal: zero
parties:
  hawk: {label: Hawk, patience: 0.5, acuity: 5, stakes: 1}
  dove: {label: Dove, patience: 0.5, acuity: 5, stakes: 1}
  monk: {label: Monk, patience: 0.5, acuity: 5, stakes: 1}
assumptions: {rate: 0.0, calm: 0.55, idle: 1.0}
stocks: {strength: {start: 0.9, next: strength - rate, range: [-1, 1]}}
moves:
  dove: [pay, keep]
interests:
  hawk: {power: strength*unsigned, peace: calm*in_force}
  dove: {peace: in_force - 0.1*dove.pay}
  monk: {nothing: 0*idle}
terms: {truce: {levels: {none: 0, full: 1}}}
proposals:
  truce: {text: A truce., proposer: dove, signatories: [dove, hawk], terms: {truce: full}}
levers:
  squeeze: {owner: dove, set: {rate: +0.1}, cost: 0.2, from: 0}
  sweeten: {owner: dove, set: {calm: "*1.2"}, cost: 0.1, from: 2}
  pray: {owner: monk, set: {idle: "*2"}, cost: 0.1, from: 0}
"""

# Without stocks: aid is worth something to the host in the first four periods only.
TIMING = """\
title: Aid in time
period: year
horizon: 8
terminal: zero
parties:
  host: {patience: 0.9, acuity: 5, stakes: 1}
  donor: {patience: 0.9, acuity: 5, stakes: 1}
assumptions: {aid: 0.0, season: 4}
moves: {donor: [stand]}
interests:
  host: {aid: aid*in_force*(1 if period < season else 0)}
  donor: {peace: in_force}
terms: {pact: {levels: {none: 0, full: 1}}}
proposals:
  pact: {text: A pact., proposer: donor, signatories: [host, donor], terms: {pact: full}}
levers:
  send: {owner: donor, set: {aid: +1}, cost: 1, from: 0}
"""


def fading(**changes: str) -> Scenario:
    """The fading power; `changes` replace words of its file."""
    text = FADING
    for old, new in changes.items():
        text = text.replace(old, new)
    return loads(text)


def timing() -> Scenario:
    """Aid in time."""
    return loads(TIMING)
