"""Small random scenarios with deals, for tests of what must hold in all of them.

In: a seed. Out: a raw scenario (a dictionary) with every feature that the seed picks: phases,
stocks, brackets, conditions, obligations, deals that end in different ways, breaches that are
forgotten (in all but the first seed). Every payoff is an
assumption, so that a scenario solved once is solved in many worlds without compiling again. No
formula reads whether a deal is in force or who refused it: only terms and obligations make a
difference between deal and no deal.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np

import servanda as sv
from servanda.scenario.model import Scenario

SEEDS = (0, 1, 2, 3)
FINITE = (0, 1, 2)  # seeds of scenarios without stocks
BRACKET = 2  # the seed with simultaneous moves


def scenario(raw: dict[str, Any]) -> Scenario:
    """A raw scenario as the game reads it."""
    return sv.load(json.dumps(raw, indent=1))  # JSON is YAML


def raw_scenario(seed: int) -> dict[str, Any]:
    """A random scenario; `deal`, `idle` and `empty` are on the table.

    `idle` sets a term that nothing reads, `empty` leaves all terms as they are and binds nobody.
    """
    rng = np.random.default_rng([seed, 7])
    stocks = 0 if seed in FINITE else 2
    parties = ["a", "b", "c"][: 3 if seed == 0 else 2]
    moves: dict[str, Any] = {p: ["x", "y", "z"][: 2 + int(rng.integers(2))] for p in parties}
    if seed % 3 == 1:
        moves["a"] = {"first": ["x", "y"], "second": ["x", {"y": {"when": "a.first.y"}}]}
    keys = [f"a.{d}" for d in moves["a"]] if isinstance(moves["a"], dict) else ["a"]
    keys += parties[1:]
    order: list[Any] = [*keys[:-2], keys[-2:]] if seed == BRACKET else list(keys)
    raw: dict[str, Any] = {
        "title": f"random scenario {seed}",
        "horizon": 4,
        "terminal": "zero" if seed in FINITE else "stationary",
        "parties": {},
        "assumptions": {"verified": 0.7, "alarm": 0.1},
        "moves": moves,
        "order": order,
        "terms": {
            "tax": {"levels": {"none": 0, "phased": [0.2, 0.5, 0.9]}, "after": "reverses"},
            "gift": {"levels": {"kept": 0, "given": 0.8}, "after": "stays"},
            "colour": {"levels": {"red": 0, "blue": 1}},
        },
        "obligations": {
            "quiet": {"party": parties[-1], "never": "y", "verified": "verified"},
            "peace": {
                "party": "a",
                "never": f"{keys[0].partition('.')[2] or 'a'}.y".removeprefix("a."),
                "verified": "verified",
                "false_alarm": "alarm",
                "tolerance": seed % 2,
            },
        },
        "proposals": {
            "deal": {
                "signatories": parties[::-1],
                "lasts": 3,
                "renew": ["none", "all_sign", "automatic"][seed % 3],
                "terms": {"tax": "phased", "gift": "given"},
            },
            "idle": {"signatories": parties, "terms": {"colour": "blue"}, "obligations": []},
            "empty": {"signatories": parties, "obligations": []},
            "single": {"signatories": ["b"], "terms": {"tax": "phased"}},
        },
    }
    if seed > 0:
        raw["assumptions"] |= {"memory": 2.5}
        raw["proposals"]["deal"]["remembered"] = {"breach": "memory"}
        raw["obligations"]["peace"]["remembered"] = "2*memory"
    indicators = _indicators(moves)
    if seed % 2 == 1:
        raw["phases"] = {
            "mood": {
                "values": ["calm", "angry"],
                "next": {"angry": f"0.1 + 0.6*{indicators[-1]}", "calm": "0.2*mood.angry"},
            }
        }
        indicators.append("mood.angry")
    for k in range(stocks):
        name = ("arms", "land")[k]
        raw.setdefault("stocks", {})[name] = {
            "start": 0.4 + 0.2 * k,
            "levels": 5,
            "next": f"{name} + 0.07*{indicators[k]} - 0.05*{indicators[-1 - k]} - 0.02*tax",
        }
        indicators.append(name)
    if stocks:
        raw["stocks"]["arms"]["shock"] = 0.05
    indicators += ["tax", "gift", "broken", "breach.peace", "expired"]
    pairs = [f"{x}*{y}" for x, y in itertools.combinations(indicators, 2)]
    raw["interests"] = {}
    for i, p in enumerate(parties):
        raw["parties"][p] = {"patience": f"patience_{p}", "acuity": f"acuity_{p}"}
        raw["assumptions"] |= {f"patience_{p}": 0.9 - 0.05 * i, f"acuity_{p}": 4.0 + i}
        picked = [*indicators, *rng.permutation(pairs)[:6]]
        weighted = [f"k_{p}{k}*{formula}" for k, formula in enumerate(picked)]
        size = rng.uniform(-1, 1, len(picked)).round(3)
        raw["assumptions"] |= {f"k_{p}{k}": float(x) for k, x in enumerate(size)}
        raw["interests"][p] = {f"i{k}": " + ".join(weighted[k::3]) for k in range(3)}
    return raw


def _indicators(moves: dict[str, Any]) -> list[str]:
    """What formulas can read of moves, without every decision's first option."""
    found = []
    for party, given in moves.items():
        for decision, options in (given if isinstance(given, dict) else {"": given}).items():
            for option in options[1:]:
                name = next(iter(option)) if isinstance(option, dict) else option
                found.append(".".join(x for x in (party, decision, name) if x))
    return found
