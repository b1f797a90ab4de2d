"""Random small games for the comparison with Gambit, as raw scenarios.

In: a seed and what the game should have. Out: the dictionary that `yaml.dump` turns into a scenario
file. All payoffs are assumptions, so that one game in several worlds is several games but compiled
once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

NAMES = ("a", "b", "c")
OPTIONS = ("x", "y", "z")


@dataclass(frozen=True)
class Shape:
    """What a random game looks like."""

    parties: int = 2
    options: tuple[int, ...] = (2, 2)
    horizon: int = 1
    bracket: bool = False
    phases: tuple[int, ...] = ()
    chance: bool = False  # phases move at random, else as the moves say
    when: bool = False  # some options are closed at times
    twice: bool = False  # the first party takes two decisions a period
    turns: bool = False  # one party a period moves, in turn
    deal: bool = False
    acuity: float = 4.0
    own_stakes: bool = True  # given, else the spread of the flow


def random_game(shape: Shape, seed: int) -> dict[str, Any]:
    """A raw scenario of that shape."""
    rng = np.random.default_rng(seed)
    parties = NAMES[: shape.parties]
    moves: dict[str, Any] = {p: list(OPTIONS[:n]) for p, n in zip(parties, shape.options)}
    order: list[Any] = list(parties)
    if shape.twice:
        moves["a"] = {"first": ["x", "y"], "second": ["x", "y"]}
        order = ["a.first", "a.second", *parties[1:]]
    indicators = [
        f"{p}.{d}.{o}" if d else f"{p}.{o}"
        for p, given in moves.items()
        for d, options in (given.items() if isinstance(given, dict) else [("", given)])
        for o in options[1:]
    ]
    phases: dict[str, Any] = {}
    for k, n in enumerate(shape.phases):
        name, values = f"stage{k}", [f"s{j}" for j in range(n)]
        phases[name] = {"values": values, "next": _phase(rng, name, values, indicators, shape)}
        indicators += [f"{name}.{v}" for v in values[1:]]
    if shape.when:
        last = parties[-1]
        by = "a.first.y" if isinstance(moves["a"], dict) else "a.y"
        moves[last] = {"options": ["x", "y", {"z": {"when": "not stage0.s1"}}], "when": by}
    if shape.turns:
        names = [f"t{p}" for p in parties]
        following = dict(zip(names[1:] + names[:1], names))
        phases["turn"] = {"values": names, "next": {v: f"turn.{w}" for v, w in following.items()}}
        moves = {p: {"options": given, "when": f"turn.t{p}"} for p, given in moves.items()}
    if shape.bracket:
        order = [order]
    raw: dict[str, Any] = {
        "title": f"random game {seed}",
        "horizon": shape.horizon,
        "terminal": "zero",
        "moves": moves,
        "order": order,
    }
    if phases:
        raw["phases"] = phases
    if shape.deal:
        indicators += ["in_force", "broken", "breach.peace", "refused_by.b", "tribute"]
        raw["terms"] = {"tribute": {"levels": {"none": 0, "paid": 0.7}, "after": "stays"}}
        raw["obligations"] = {
            "quiet": {"party": parties[-1], "never": "y", "verified": 0.8},
            "peace": {"party": "a", "never": "y", "verified": 0.6, "false_alarm": 0.1},
        }
        raw["proposals"] = {
            "truce": {"signatories": ["b", "a"], "terms": {"tribute": "paid"}, "otherwise": "never"}
        }
    assumptions: dict[str, Any] = {}
    interests: dict[str, Any] = {}
    for p in parties:
        monomials = list(indicators)
        monomials += [f"{i}*{j}" for k, i in enumerate(indicators) for j in indicators[:k]]
        picked = rng.permutation(len(monomials))[: max(6, len(indicators))]
        interests[p] = {}
        for k, m in enumerate(picked):
            low = round(float(rng.uniform(-1.5, 0.5)), 3)
            assumptions[f"k_{p}{k}"] = {"distribution": "uniform", "low": low, "high": low + 1}
            interests[p][f"i{k}"] = f"k_{p}{k}*{monomials[m]}"
    raw["assumptions"] = assumptions
    raw["interests"] = interests
    raw["parties"] = {
        p: {"patience": 1, "acuity": round(float(shape.acuity * rng.uniform(0.7, 1.3)), 2)}
        for p in parties
    }
    if shape.own_stakes:
        for p in parties:
            raw["parties"][p]["stakes"] = round(float(rng.uniform(1, 3)), 2)
    return raw


def _phase(rng: np.random.Generator, name: str, values: list[str], indicators: list[str],
           shape: Shape) -> dict[str, str]:  # fmt: skip
    """How a phase moves: at random, or for sure when somebody does something."""
    if not shape.chance:
        by = indicators[int(rng.integers(len(indicators)))]
        following = list(zip(values[1:] + values[:1], values))
        return {to: f"{by}*{name}.{here}" for to, here in following}
    most = 0.9 / (len(values) - 1)
    out = {}
    for v in values:
        base, more = round(most * rng.uniform(0.1, 0.5), 2), round(most * rng.uniform(0.1, 0.45), 2)
        out[v] = f"{base} + {more}*{indicators[int(rng.integers(len(indicators)))]}"
    return out
