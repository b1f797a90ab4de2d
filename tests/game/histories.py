"""A second solver of games without stocks, written from docs/model.md alone, for tests.

It walks histories with plain Python recursion: no graph of regimes, no arrays, no groups. All it
shares with the program is the parsed scenario and the value of a formula. `terminal: zero` only.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from servanda.scenario.formulas import Formula, evaluate
from servanda.scenario.model import Obligation, Proposal, Scenario
from servanda.scenario.worlds import modal


class State(NamedTuple):
    """Everything about the agreement that is remembered."""

    kind: str  # "unsigned", "in_force", "broken", "expired", "over": its breach is forgotten
    deal: str | None = None  # on the table, in force, or ended
    age: int = 0  # periods since it came on the table, was signed, or ended
    ground: tuple[tuple[str, float], ...] = ()  # terms where earlier deals have left them
    lived: int = 0  # periods in which it was in force, once it has ended
    noticed: tuple[tuple[str, int], ...] = ()
    done: frozenset[str] = frozenset()
    breach: str | None = None
    refused_by: str | None = None
    memory: float = math.inf  # mean periods for which the refusal or breach is remembered


Moves = tuple[int, ...]
Phases = tuple[int, ...]


class Histories:
    def __init__(self, scenario: Scenario) -> None:
        self.s = scenario
        self.parties = list(scenario.parties)
        world = modal(scenario)
        self.known = dict(zip(world.names, map(float, world.values[0]), strict=True))
        number = functools.partial(evaluate, env=self.known, xp=np)
        self.patience = np.array([float(number(p.patience)) for p in scenario.parties.values()])
        self.acuity = [float(number(p.acuity)) for p in scenario.parties.values()]
        self.stakes = [float(number(p.stakes)) for p in scenario.parties.values()]
        self.value = functools.cache(self._value)
        self.moved = functools.cache(self._moved)

    # -- the agreement ------------------------------------------------------------------------

    def proposal(self, state: State) -> Proposal:
        return self.s.proposals[str(state.deal)]

    def levels(self, state: State) -> dict[str, float]:
        out = {name: term.now for name, term in self.s.terms.items()} | dict(state.ground)
        if state.deal is None or state.kind == "unsigned":
            return out
        for name in self.proposal(state).stated:
            schedule = self.proposal(state).terms[name]
            last = len(schedule) - 1
            if state.kind == "in_force":
                out[name] = schedule[min(state.age, last)]
            elif self.s.terms[name].after == "reverses":
                back = min(state.lived - 1, last) - 1 - state.age
                out[name] = schedule[back] if back >= 0 else out[name]
        return out

    def active(self, state: State) -> list[Obligation]:
        found = []
        if state.kind in ("in_force", "broken"):
            terms = self.levels(state)
            if state.kind == "broken":
                terms |= {n: self.proposal(state).terms[n][-1] for n in self.proposal(state).stated}
            for name in self.proposal(state).obligations:
                o = self.s.obligations[name]
                if state.kind == "in_force":
                    binds = o.due is None
                else:
                    cause = o.due == state.breach if o.due else name != state.breach
                    binds = o.survives and cause
                if binds and (o.while_ is None or evaluate(o.while_, terms, np) > 0):
                    found.append(o)
        return sorted(found, key=lambda o: o.options[0][0])  # decisions stand in order of play

    def breached(self, o: Obligation, state: State, moves: Moves) -> bool:
        played = any(moves[d] == k for d, k in o.options)
        if o.kind == "never":
            return played
        return self.could_be_breached(o, state) and not played

    def could_be_breached(self, o: Obligation, state: State) -> bool:
        if o.kind == "never" or o.by is None:
            return True
        clock = state.age + (state.lived if state.kind == "broken" and o.due is None else 0)
        return clock >= o.by and o.name not in state.done

    def ended(self, state: State, kind: str, lived: int, breach: str | None = None) -> State:
        deal = self.proposal(state)
        ground = dict(state.ground)
        for name in deal.stated:
            if self.s.terms[name].after == "stays":
                schedule = deal.terms[name]
                ground[name] = schedule[min(lived - 1, len(schedule) - 1)]
        left = tuple(sorted(ground.items()))
        if kind == "expired" and deal.otherwise is not None:
            return State("unsigned", deal.otherwise, 0, left)
        done = state.done if kind == "broken" else frozenset()
        gone = State(kind, state.deal, 0, left, lived, (), done, breach)
        if breach is None:
            return gone
        own = self.s.obligations[breach].remembered
        return gone._replace(memory=self.length(deal.remembered.breach if own is None else own))

    def length(self, remembered: Formula | None) -> float:
        """The mean length of a memory in periods."""
        if remembered is None:
            return math.inf
        return float(evaluate(remembered, self.known, np))

    def forgotten(self, state: State) -> State:
        if state.kind == "broken":  # "over" is no deal, of which terms may still walk back
            return state._replace(kind="over", breach=None, done=frozenset(), memory=math.inf)
        return state._replace(refused_by=None, memory=math.inf)

    def following(self, state: State, moves: Moves) -> list[tuple[float, State]]:
        """What the agreement can be in the next period, with what is forgotten of it."""
        fades = 1 / state.memory
        after = self.noted(state, moves)
        gone = [(fades * share, self.forgotten(then)) for share, then in after] if fades else []
        return [*((share * (1 - fades), then) for share, then in after), *gone]

    def noted(self, state: State, moves: Moves) -> list[tuple[float, State]]:
        """The same but for what is forgotten."""
        if state.deal is None:
            return [(1.0, state)]
        deal, older = self.proposal(state), state._replace(age=state.age + 1)
        if state.kind == "unsigned":
            if state.age < deal.closes:
                return [(1.0, older)]
            next_offer = State("unsigned", deal.otherwise, 0, state.ground)
            return [(1.0, next_offer._replace(refused_by=state.refused_by, memory=state.memory))]
        active = self.active(state)
        played = {o.name for o in active if any(moves[d] == k for d, k in o.options)}
        done = state.done | {o.name for o in active if o.by is not None and o.name in played}
        older = older._replace(done=done)
        if state.kind != "in_force":
            return [(1.0, older)]
        out, left = [], 1.0
        for o in active:
            chance = o.verified if self.breached(o, state, moves) else o.false_alarm
            share = left * float(np.clip(evaluate(chance, self.known, np), 0, 1))
            share = share if self.could_be_breached(o, state) else 0.0
            left -= share
            counts = dict(state.noticed)
            if counts.get(o.name, 0) >= o.tolerance:
                after = self.ended(older, "broken", older.age, o.name)
            else:
                counts[o.name] = counts.get(o.name, 0) + 1
                after = self.later(older._replace(noticed=tuple(sorted(counts.items()))))
            out.append((share, after))
        return [*out, (left, self.later(older))]

    def later(self, state: State) -> State:
        deal = self.proposal(state)
        if deal.lasts is not None and deal.renew == "none" and state.age >= deal.lasts:
            return self.ended(state, "expired", state.age)
        return state

    def offer(self, state: State) -> tuple[State, Callable[[str], State]] | None:
        """If somebody is asked: the state when all accept, and when one refuses."""
        if state.deal is None:
            return None
        deal = self.proposal(state)
        signed = State("in_force", state.deal, 0, state.ground)
        if state.kind == "unsigned" and deal.opens <= state.age <= deal.closes:
            length = self.length(deal.remembered.refusal)
            return signed, lambda who: state._replace(refused_by=who, memory=length)
        if state.kind in ("broken", "over") and deal.reopens:
            return signed, lambda who: state
        due = deal.lasts is not None and state.age > 0 and state.age % deal.lasts == 0
        if state.kind == "in_force" and deal.renew == "all_sign" and due:
            gone = self.ended(state, "expired", state.age)
            if gone.kind == "unsigned":  # made from the next period on
                gone = gone._replace(age=-1)
            if deal.remembered.renewal is None:
                return state, lambda who: gone
            length = self.length(deal.remembered.renewal)
            return state, lambda who: gone._replace(refused_by=who, memory=length)
        return None

    # -- a period -----------------------------------------------------------------------------

    def environment(self, t: int, state: State, phases: Phases, moves: Moves) -> dict[str, float]:
        env = self.known | self.levels(state) | {"period": float(t)}
        kinds = ("unsigned", "in_force", "broken", "expired")
        env |= {kind: float(state.kind == kind) for kind in kinds}
        env["unsigned"] = float(state.kind in ("unsigned", "over"))
        env |= {f"refused_by.{p}": float(state.refused_by == p) for p in self.parties}
        active = self.active(state)
        for name, o in self.s.obligations.items():
            env[f"broken.{name}"] = float(state.kind == "broken" and state.breach == name)
            env[f"breach.{name}"] = float(o in active and self.breached(o, state, moves))
        for (name, phase), now in zip(self.s.phases.items(), phases, strict=True):
            env |= {f"{name}.{v}": float(k == now) for k, v in enumerate(phase.values)}
        for d, move in zip(self.s.decisions, moves, strict=True):
            env |= {f"{d.key}.{o}": float(k == move) for k, o in enumerate(d.options)}
        for name, formula in self.s.let.items():
            env[name] = float(evaluate(formula, env, np))
        return env

    def logit(self, i: int, q: list[float], sharp: float = 1.0) -> np.ndarray:
        x = sharp * self.acuity[i] / self.stakes[i] * (np.array(q) - max(q))
        return np.exp(x) / np.exp(x).sum()

    def signing(self, t: int, state: State, phases: Phases) -> tuple[np.ndarray, list[float]]:
        """The value before anybody is asked, and how likely each accepts when asked."""
        asked = self.offer(state)
        assert asked is not None
        yes, refused = asked
        ahead, chances = self.moved(t, yes, phases), []
        for who in reversed(self.proposal(state).signatories):
            i, no = self.parties.index(who), self.moved(t, refused(who), phases)
            q = float(self.logit(i, [ahead[i], no[i]])[0])
            ahead = q * ahead + (1 - q) * no
            chances.insert(0, q)
        return ahead, chances

    def _value(self, t: int, state: State, phases: Phases) -> np.ndarray:
        if t == self.s.horizon:
            return np.zeros(len(self.parties))
        if self.offer(state) is None:
            return self.moved(t, state, phases)
        return self.signing(t, state, phases)[0]

    def _moved(self, t: int, state: State, phases: Phases) -> np.ndarray:
        return self.stage(0, t, state, phases, (0,) * len(self.s.decisions))

    def stage(self, k: int, t: int, state: State, phases: Phases, moves: Moves) -> np.ndarray:
        if k == len(self.s.stages):
            return self.outcome(t, state, phases, moves)
        deciding = self.s.stages[k]
        env = self.environment(t, state, phases, moves)
        options = {}
        for d in deciding:
            x = self.s.decisions[d]
            conditions = [[f for f in (x.when, w) if f is not None] for w in x.option_when]
            options[d] = [
                o for o, fs in enumerate(conditions) if all(evaluate(f, env, np) > 0.5 for f in fs)
            ] or [0]
        who = list(dict.fromkeys(self.s.decisions[d].party for d in deciding))
        own = [[d for d in deciding if self.s.decisions[d].party == p] for p in who]
        acts = [list(itertools.product(*(options[d] for d in ds))) for ds in own]
        values = {}
        for joint in itertools.product(*acts):
            chosen = list(moves)
            for ds, act in zip(own, joint, strict=True):
                for d, o in zip(ds, act, strict=True):
                    chosen[d] = o
            values[joint] = self.stage(k + 1, t, state, phases, tuple(chosen))
        chances = self.equilibrium([self.parties.index(p) for p in who], acts, values)
        total = np.zeros(len(self.parties))
        for joint, v in values.items():
            total = total + math.prod(p[a] for p, a in zip(chances, joint, strict=True)) * v
        return total

    def equilibrium(self, who: list[int], acts: list, values: dict) -> list[dict]:
        """Logit equilibrium by damped replies, sharpened step by step from even play."""
        chances = [dict.fromkeys(a, 1 / len(a)) for a in acts]
        for sharp in (1.0,) if len(who) == 1 else np.linspace(0, 1, 11)[1:]:
            for _ in range(5000):
                replies = []
                for x, i in enumerate(who):
                    q = dict.fromkeys(acts[x], 0.0)
                    for joint, v in values.items():
                        together = enumerate(zip(chances, joint, strict=True))
                        others = (c[a] for y, (c, a) in together if y != x)
                        q[joint[x]] += math.prod(others) * v[i]
                    reply = self.logit(i, list(q.values()), sharp)
                    replies.append(dict(zip(q, map(float, reply), strict=True)))
                gap = max(
                    abs(r[a] - c[a]) for r, c in zip(replies, chances, strict=True) for a in r
                )
                step = 1.0 if len(who) == 1 else 0.5
                chances = [
                    {a: (1 - step) * c[a] + step * r[a] for a in c}
                    for c, r in zip(chances, replies, strict=True)
                ]
                if gap < 1e-13:
                    break
        return chances

    def outcome(self, t: int, state: State, phases: Phases, moves: Moves) -> np.ndarray:
        env = self.environment(t, state, phases, moves)
        flows = self.s.interests
        flow = np.array(
            [sum(float(evaluate(f, env, np)) for f in flows[p].values()) for p in self.parties]
        )
        ahead = np.zeros(len(self.parties))
        for share, after in self.following(state, moves):
            for chance, then in self.phases(phases, env):
                if share * chance > 0:
                    ahead = ahead + share * chance * self.value(t + 1, after, then)
        return flow + self.patience * ahead

    def phases(self, phases: Phases, env: dict[str, float]) -> list[tuple[float, Phases]]:
        found: list[tuple[float, Phases]] = [(1.0, ())]
        for phase, now in zip(self.s.phases.values(), phases, strict=True):
            moving = np.zeros(len(phase.values))
            for value, formula in phase.next.items():
                moving[phase.values.index(value)] = np.clip(evaluate(formula, env, np), 0, 1)
            moving[now] += 1 - moving.sum()
            found = [(c * float(x), (*p, k)) for c, p in found for k, x in enumerate(moving)]
        return found

    # -- what is asked of it ------------------------------------------------------------------

    def worths(self, deal: str) -> tuple[np.ndarray, np.ndarray]:
        """The value of the deal in force from the start, and of no deal."""
        start = tuple(p.start for p in self.s.phases.values())
        signed = self.moved(0, State("in_force", deal), start)
        return signed, self.value(0, State("unsigned", self.s.proposals[deal].otherwise), start)

    def accepting(self, deal: str) -> list[float]:
        """How likely each signatory accepts, when its turn comes, an offer made at the start."""
        start = tuple(p.start for p in self.s.phases.values())
        return self.signing(0, State("unsigned", deal, self.s.proposals[deal].opens), start)[1]
