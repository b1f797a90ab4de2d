"""The game tree of a small game, written for Gambit without any of Servanda's code.

In: the raw scenario (the dictionary behind the YAML), one world's numbers, and every party's
precision. Out: an .efg text, and for every information set what it is in Servanda's words. The walk
reads DESIGN's rules anew, and lets Python itself evaluate the formulas, so that it shares no
mistake with the package. It knows what the peer test needs: no stocks, one deal offered at the
start, obligations of the kind `never` with no tolerance.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


@dataclass(frozen=True)
class Infoset:
    """Where a player stands: all that its choice may depend on in a Markov game."""

    period: int
    regime: tuple[str, str | None]  # the kind, and who refused or which obligation was breached
    phases: tuple[str, ...]
    stage: int | str  # index of the stage in the order of play, or "sign"
    earlier: tuple[tuple[str, str], ...]  # (decision, option) of the period's earlier stages
    options: tuple[tuple[str, ...], ...]  # what can be chosen: an option for each own decision

    @property
    def labels(self) -> list[str]:
        """The options' names in the tree."""
        return ["+".join(o) for o in self.options]


@dataclass
class Decision:
    """A decision as the file has it."""

    key: str
    party: str
    options: tuple[str, ...]
    when: str | None
    option_when: tuple[str | None, ...]


class Flag(float):
    """A number that also has attributes: `broken` and `broken.no_attack`."""


def decisions_of(raw: dict) -> list[Decision]:
    """The decisions as listed under moves."""
    found = []

    def one(key: str, party: str, spec: Any) -> None:
        when = spec.get("when") if isinstance(spec, dict) else None
        names, conditions = [], []
        for option in spec["options"] if isinstance(spec, dict) else spec:
            if isinstance(option, dict):
                ((name, rest),) = option.items()
            else:
                name, rest = option, {}
            names.append(name)
            conditions.append(rest.get("when"))
        found.append(Decision(key, party, tuple(names), when, tuple(conditions)))

    for party, spec in raw["moves"].items():
        if isinstance(spec, list) or "options" in spec:
            one(party, party, spec)
        else:
            for name, inner in spec.items():
                one(f"{party}.{name}", party, inner)
    return found


@dataclass
class Tree:
    """Builds the .efg of one game; `infosets[party]` in the order in which Gambit lists them."""

    raw: dict
    world: dict[str, float]
    precision: dict[str, float]
    deal: str | None = None
    lines: list[str] = field(default_factory=list)
    infosets: dict[str, list[Infoset]] = field(default_factory=dict)
    numbers: dict[tuple, int] = field(default_factory=dict)
    outcomes: int = 0
    events: int = 0

    def __post_init__(self) -> None:
        self.parties = list(self.raw["parties"])
        self.decisions = {d.key: d for d in decisions_of(self.raw)}
        order = self.raw.get("order") or list(self.decisions)
        self.stages = [[x] if isinstance(x, str) else list(x) for x in order]
        self.phase_names = list(self.raw.get("phases", {}))
        self.infosets = {p: [] for p in self.parties}

    def efg(self) -> str:
        """The whole tree."""
        names = " ".join(f'"{p}"' for p in self.parties)
        phases = tuple(p.get("start", p["values"][0]) for p in self.raw.get("phases", {}).values())
        regime = ("never" if self.deal is None else "unsigned", None)
        self.begin(0, regime, phases, (0.0,) * len(self.parties), ())
        return f'EFG 2 R "peer" {{ {names} }}\n""\n\n' + "\n".join(self.lines) + "\n"

    # -- the world as formulas see it -------------------------------------------------------

    def environment(self, regime: tuple, phases: tuple, moves: dict[str, str]) -> dict[str, Any]:
        """Every name that a formula of the test may read."""
        kind, detail = regime
        env: dict[str, Any] = dict(self.world)
        for name, value in zip(self.phase_names, phases, strict=True):
            values = self.raw["phases"][name]["values"]
            env[name] = SimpleNamespace(**{v: float(v == value) for v in values})
        for d in self.decisions.values():
            played = moves.get(d.key, d.options[0])
            here = {o: float(o == played) for o in d.options}
            if d.key == d.party:
                env[d.party] = SimpleNamespace(**here)
            else:
                owner = env.setdefault(d.party, SimpleNamespace())
                setattr(owner, d.key.split(".")[1], SimpleNamespace(**here))
        env["in_force"] = float(kind == "in_force")
        env["unsigned"] = float(kind in ("unsigned", "never"))
        env["broken"] = Flag(kind == "broken")
        env["breach"] = SimpleNamespace()
        for name, o in self.raw.get("obligations", {}).items():
            setattr(env["broken"], name, float(kind == "broken" and detail == name))
            played = moves.get(o["party"]) == o["never"]
            setattr(env["breach"], name, float(kind == "in_force" and played))
        env["refused_by"] = SimpleNamespace(
            **{p: float(kind in ("unsigned", "never") and detail == p) for p in self.parties}
        )
        for name, term in self.raw.get("terms", {}).items():
            env[name] = next(iter(term["levels"].values()))
            agreed = self.raw["proposals"][self.deal]["terms"] if self.deal else {}
            if name in agreed and (
                kind == "in_force" or (kind == "broken" and term.get("after") == "stays")
            ):
                env[name] = term["levels"][agreed[name]]
        return env

    def value(self, formula: Any, env: dict[str, Any]) -> float:
        """Python's own reading of a formula."""
        return float(eval(str(formula), {"__builtins__": {}}, env))

    # -- the walk ---------------------------------------------------------------------------

    def begin(self, t: int, regime: tuple, phases: tuple, paid: tuple, history: tuple) -> None:
        """A period begins: signing, if the offer is on the table, then moves."""
        if t == self.raw["horizon"]:
            self.outcomes += 1
            shown = ", ".join(
                f"{u * self.precision[p]:.15f}" for u, p in zip(paid, self.parties, strict=True)
            )
            self.lines.append(f't "" {self.outcomes} "o{self.outcomes}" {{ {shown} }}')
        elif regime == ("unsigned", None):
            self.sign(0, t, phases, paid, history)
        else:
            self.move(0, t, regime, phases, paid, history, {})

    def sign(self, k: int, t: int, phases: tuple, paid: tuple, history: tuple) -> None:
        """The k-th signatory is asked; the deal is in force when all have accepted."""
        assert self.deal is not None
        signatories = self.raw["proposals"][self.deal]["signatories"]
        if k == len(signatories):
            self.move(0, t, ("in_force", None), phases, paid, history, {})
            return
        who = signatories[k]
        here = Infoset(t, ("unsigned", None), phases, "sign", (), (("refuse",), ("accept",)))
        self.choose(who, here, (*history, "sign", k))
        self.move(0, t, ("unsigned", who), phases, paid, (*history, ("refused", k)), {})
        self.sign(k + 1, t, phases, paid, (*history, ("accepted", k)))

    def open_options(self, d: Decision, env: dict[str, Any]) -> list[str]:
        """The options that can be taken; none left reads as the first."""
        kept = [
            o
            for o, condition in zip(d.options, d.option_when, strict=True)
            if (d.when is None or self.value(d.when, env) > 0.5)
            and (condition is None or self.value(condition, env) > 0.5)
        ]
        return kept or [d.options[0]]

    def move(self, k: int, t: int, regime: tuple, phases: tuple, paid: tuple, history: tuple,
             moves: dict[str, str]) -> None:  # fmt: skip
        """Stage k of the period."""
        if k == len(self.stages):
            self.end(t, regime, phases, paid, history, moves)
            return
        env = self.environment(regime, phases, moves)
        own: dict[str, list[Decision]] = {}
        for key in self.stages[k]:
            own.setdefault(self.decisions[key].party, []).append(self.decisions[key])
        choices = {
            party: list(itertools.product(*(self.open_options(d, env) for d in ds)))
            for party, ds in own.items()
        }
        self.bracket(list(own), own, choices, k, t, regime, phases, paid, history, moves, {})

    def bracket(self, left: list[str], own: dict, choices: dict, k: int, t: int, regime: tuple,
                phases: tuple, paid: tuple, history: tuple, moves: dict,
                taken: dict) -> None:  # fmt: skip
        """The parties of a stage choose one after the other, without seeing each other."""
        if not left:
            then = {**moves, **taken}
            self.move(k + 1, t, regime, phases, paid, (*history, tuple(taken.items())), then)
            return
        party, rest = left[0], left[1:]
        options = choices[party]
        if len(options) > 1:
            earlier = tuple(sorted(moves.items()))
            here = Infoset(t, regime, phases, k, earlier, tuple(options))
            self.choose(party, here, (*history, "stage", k, party))
        for option in options:
            mine = {d.key: o for d, o in zip(own[party], option, strict=True)}
            self.bracket(rest, own, choices, k, t, regime, phases, paid, history, moves,
                         {**taken, **mine})  # fmt: skip

    def end(self, t: int, regime: tuple, phases: tuple, paid: tuple, history: tuple,
            moves: dict[str, str]) -> None:  # fmt: skip
        """Flows, then chance: who is noticed, and where the phases go."""
        env = self.environment(regime, phases, moves)
        flows = self.raw.get("interests", {})
        paid = tuple(
            u + sum(self.value(f, env) for f in flows.get(p, {}).values())
            for u, p in zip(paid, self.parties, strict=True)
        )
        branches = [
            (p * q, r, tuple(s))
            for p, r in self.events_after(regime, moves)
            for q, s in self.phases_after(phases, env)
            if p * q > 0
        ]
        merged: dict[tuple, float] = {}
        for p, r, s in branches:
            merged[r, s] = merged.get((r, s), 0.0) + p
        if len(merged) > 1:
            self.events += 1
            shown = " ".join(
                f'"{j}" {_fraction(p)}' for j, p in enumerate(_exact(list(merged.values())))
            )
            self.lines.append(f'c "" {self.events} "" {{ {shown} }} 0')
        for j, (r, s) in enumerate(merged):
            self.begin(t + 1, r, s, paid, (*history, j))

    def events_after(self, regime: tuple, moves: dict[str, str]) -> list[tuple[float, tuple]]:
        """The regime of the next period; the first breach noticed in order of play counts."""
        kind, detail = regime
        if kind == "unsigned":
            return [(1.0, ("never", detail))]
        if kind != "in_force":
            return [(1.0, regime)]
        found: list[tuple[float, tuple]] = []
        unseen = 1.0
        place = list(itertools.chain.from_iterable(self.stages))
        bound = self.raw.get("obligations", {})
        for name, o in sorted(bound.items(), key=lambda item: place.index(item[1]["party"])):
            breached = moves[o["party"]] == o["never"]
            q = o.get("verified", 1.0) if breached else o.get("false_alarm", 0.0)
            found.append((unseen * q, ("broken", name)))
            unseen *= 1 - q
        return [(p, r) for p, r in [*found, (unseen, regime)] if p > 0]

    def phases_after(self, phases: tuple, env: dict[str, Any]) -> list[tuple[float, tuple]]:
        """Phases move independently; the rest of the probability stays where it is."""
        each = []
        for name, now in zip(self.phase_names, phases, strict=True):
            targets = self.raw["phases"][name].get("next", {})
            p = {v: self.value(f, env) for v, f in targets.items() if v != now}
            p[now] = 1.0 - sum(p.values())
            each.append([(q, v) for v, q in p.items() if q > 1e-12])
        return [
            (math.prod(q for q, _ in joint), tuple(v for _, v in joint))
            for joint in itertools.product(*each)
        ]

    def choose(self, party: str, here: Infoset, history: tuple) -> None:
        """A personal node."""
        i = self.parties.index(party)
        if (i, history) not in self.numbers:
            self.infosets[party].append(here)
            self.numbers[i, history] = len(self.infosets[party])
        shown = " ".join(f'"{x}"' for x in here.labels)
        number = self.numbers[i, history]
        self.lines.append(f'p "" {i + 1} {number} "{party}{number}" {{ {shown} }} 0')


def _exact(probabilities: list[float]) -> list[int]:
    """Probabilities in units of 1e-12 that add up exactly."""
    units = [round(p * 10**12) for p in probabilities]
    units[0] += 10**12 - sum(units)
    return units


def _fraction(units: int) -> str:
    return f"{units}/{10**12}"


def stakes_of(raw: dict, world: dict[str, float]) -> dict[str, float]:
    """The spread of every party's flow over all phases and feasible moves, without any deal."""
    tree = Tree(raw, world, {})
    keys = list(itertools.chain.from_iterable(tree.stages))
    seen: dict[str, list[float]] = {p: [] for p in tree.parties}
    values = [p["values"] for p in raw.get("phases", {}).values()]
    for phases in itertools.product(*values):
        plays: list[dict[str, str]] = [{}]
        for key in keys:
            plays = [
                {**m, key: o}
                for m in plays
                for o in tree.open_options(
                    tree.decisions[key], tree.environment(("never", None), phases, m)
                )
            ]
        for moves in plays:
            env = tree.environment(("never", None), phases, moves)
            for p in tree.parties:
                flows = raw.get("interests", {}).get(p, {})
                seen[p].append(sum(tree.value(f, env) for f in flows.values()))
    return {p: max(x) - min(x) for p, x in seen.items()}
