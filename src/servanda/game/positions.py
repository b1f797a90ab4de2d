"""Positions and the joint moves made in them, as index arrays.

In: the graph of regimes, what its events lead to, and the phases. Out: `Group`s: positions (regime
x phases) whose live options are the same, with the breach patterns of each joint move and their
successors. What formulas cannot tell apart is merged.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from servanda.errors import QuestionError
from servanda.game.regimes import Graph, Regime, bound, indicators
from servanda.game.successors import Successors, is_absorbing, view
from servanda.scenario.formulas import Formula, evaluate
from servanda.scenario.model import Decision, Scenario

MAX_JOINT_MOVES = 200_000


@dataclass(frozen=True)
class Settings:
    """What formulas can see of a position besides stocks and moves, one row per distinct view.

    Arrays are [setting, ...]: term numbers, indicator values, the phase combination, whether each
    obligation is active and a breach by omission is due (see `Group.breaches`).
    """

    terms: np.ndarray  # [setting, term]
    indicators: np.ndarray  # [setting, indicator]
    phases: np.ndarray  # [setting, phase variable], index of the value
    active: np.ndarray  # [setting, obligation] bool
    due_now: np.ndarray  # [setting, obligation] bool: omitting the duty now is a breach
    next_phases: np.ndarray  # [setting, branch, phase variable]
    next_used: np.ndarray  # [setting, branch] bool


@dataclass(frozen=True)
class Group:
    """Positions whose live options are the same, so that they share one array of joint moves.

    Events are: each obligation's breach noticed, nothing noticed, and, where there is blame that
    may be forgotten in any row, "forgotten".
    """

    options: tuple[tuple[int, ...], ...]  # live options of every decision
    joint: np.ndarray  # [a, decision] the option each decision takes
    allowed: np.ndarray  # [row, decision, option] bool: static masks inside the live options
    rows: np.ndarray  # [row, 2] regime and phase combination
    setting: np.ndarray  # [row] index into settings
    settings: Settings
    course: np.ndarray  # [row] index into courses: rows whose stocks move alike share one
    courses: np.ndarray  # [course] a setting of each
    pattern: np.ndarray  # [row, a] which breach pattern a joint move makes
    breached: np.ndarray  # [row, pattern, obligation] bool
    watched: np.ndarray  # [row, obligation] bool: a breach noticed here changes the regime
    successor: np.ndarray  # [row, pattern, event] regime
    fade: np.ndarray  # [row] index into `Graph.fades`; -1: nothing is forgotten here
    absorbing: np.ndarray  # [row] bool: the regime never changes again
    next_phase: np.ndarray  # [row, branch] phase combination of the next period
    live: np.ndarray  # [period + 1, live rows] rows to compute in each period; last: past horizon

    @property
    def moves(self) -> int:
        """The number of joint moves."""
        return len(self.joint)


def groups_of(
    graph: Graph,
    phase_values: tuple[tuple[int, ...], ...],
    successors: Successors,
    by_period: list[list[int]],
    names: frozenset[str],
) -> tuple[Group, ...]:
    """Positions grouped by their live options, with all index arrays."""
    found: dict[tuple, list[tuple[int, int, np.ndarray]]] = {}
    needed = sorted(set(itertools.chain.from_iterable(by_period)))
    for n in needed:
        for s in range(len(phase_values)):
            live, allowed = _live_options(graph, graph.regimes[n], phase_values[s])
            found.setdefault(live, []).append((n, s, allowed))
    return tuple(
        _group(graph, live, members, phase_values, successors, by_period, names)
        for live, members in found.items()
    )


def _live_options(
    graph: Graph, regime: Regime, phases: tuple[int, ...]
) -> tuple[tuple[tuple[int, ...], ...], np.ndarray]:
    """The options of every decision that can be open here, and the static masks among them."""
    scenario = graph.scenario
    env = static_environment(graph, regime, phases)
    width = max([len(d.options) for d in scenario.decisions] or [1])
    allowed = np.zeros((len(scenario.decisions), width), bool)
    live = []
    for k, d in enumerate(scenario.decisions):
        options = [_open(d, o, env) for o in range(len(d.options))]
        left = options
        for b in bound(graph, regime):
            if b.decision == d.key and b.party == d.party:
                left = [x and d.options[o] in b.options for o, x in enumerate(left)]
        # hands that are bound to what is not open, or to two things at once, are free
        options = left if any(left) else options
        if not any(options):
            options[0] = True  # none left: the decision is skipped and reads as its first option
        dynamic = _is_dynamic(d, env)
        if dynamic and not options[0]:
            kept = (0, *(o for o, x in enumerate(options) if x))
        else:
            kept = tuple(o for o, x in enumerate(options) if x)
        live.append(kept)
        allowed[k, : len(options)] = options
    return tuple(live), allowed


def static_environment(graph: Graph, regime: Regime, phases: tuple[int, ...]) -> dict[str, float]:
    """The names whose value a position fixes by itself: terms, regime and phase indicators."""
    scenario = graph.scenario
    env = dict(zip(scenario.terms, graph.levels(regime), strict=True))
    env |= indicators(graph, regime)
    for (name, phase), value in zip(scenario.phases.items(), phases, strict=True):
        env |= {f"{name}.{v}": float(j == value) for j, v in enumerate(phase.values)}
    return env


def _open(d: Decision, option: int, env: dict[str, float]) -> bool:
    """Whether static conditions leave an option open (dynamic ones are masked in the tables)."""
    for f in (d.when, d.option_when[option]):
        if f is not None and f.names <= env.keys() and not float(evaluate(f, env, np)) > 0.5:
            return False
    return True


def _is_dynamic(d: Decision, env: dict[str, float]) -> bool:
    return any(f is not None and not f.names <= env.keys() for f in (d.when, *d.option_when))


def _group(
    graph: Graph,
    live: tuple[tuple[int, ...], ...],
    members: list,
    phase_values: tuple[tuple[int, ...], ...],
    successors: Successors,
    by_period: list[list[int]],
    names: frozenset[str],
) -> Group:
    scenario = graph.scenario
    count = math.prod(len(o) for o in live)
    if count > MAX_JOINT_MOVES:
        raise QuestionError(
            f"a period has {count:,} joint moves; the limit is {MAX_JOINT_MOVES:,}: "
            "use fewer options, or `when:` to say which decisions are open in which phase"
        )
    joint = np.array(list(itertools.product(*live)), dtype=np.int32).reshape(count, len(live))
    rows = np.array([(n, s) for n, s, _ in members], dtype=np.int32)
    allowed = np.stack([a for _, _, a in members])
    settings, setting = _settings(graph, rows, phase_values, successors, names)
    course, first = _courses(graph, rows, successors)
    obligations = list(scenario.obligations)
    met = np.zeros((len(obligations), count), bool)  # the option named by the obligation is played
    for k, o in enumerate(scenario.obligations.values()):
        for d, option in o.options:
            met[k] |= joint[:, d] == option
    never = np.array([o.kind == "never" for o in scenario.obligations.values()], bool)

    fade = np.array([graph.regimes[n].fade for n, _ in rows], np.int32)
    events = len(obligations) + 1 + bool((fade >= 0).any())

    pattern = np.zeros((len(rows), count), np.int32)
    breached_rows, successor_rows, watched_rows = [], [], []
    for r, (n, _) in enumerate(rows):
        regime = graph.regimes[n]
        watched, due = successors.watched(regime), successors.due_now(regime)
        pending = successors.pending(regime)
        breached = (watched[:, None] & never[:, None] & met) | (
            (watched & due)[:, None] & ~never[:, None] & ~met
        )
        kept = np.array([met[obligations.index(name)] for name in pending], bool)
        key = np.concatenate([breached, kept.reshape(len(pending), count)]).astype(np.uint8)
        distinct, index = np.unique(key.T, axis=0, return_inverse=True)
        pattern[r] = index.reshape(-1)
        flags = distinct[:, : len(obligations)].astype(bool)
        successor = np.zeros((len(distinct), events), np.int32)
        for j, row in enumerate(distinct):
            bits = row[len(obligations) :]
            done = frozenset(x for x, b in zip(pending, bits, strict=True) if b)
            # a regime not met follows only the last period, where the game ends: it is never read
            later = graph.after(regime, None, done)
            successor[j] = graph.index.get(later, n)
            if regime.fade >= 0:
                successor[j, -1] = graph.index.get(graph.forgotten(later), n)
            for at in np.flatnonzero(watched):
                after = graph.after(regime, obligations[at], done)
                successor[j, at] = graph.index.get(after, n)
        breached_rows.append(flags)
        successor_rows.append(successor)
        watched_rows.append(watched)
    width = max(len(f) for f in breached_rows)
    return Group(
        options=live,
        joint=joint,
        allowed=allowed,
        rows=rows,
        setting=setting,
        settings=settings,
        course=course,
        courses=setting[first],
        pattern=pattern,
        breached=_pad(breached_rows, width),
        watched=np.stack(watched_rows),
        successor=_pad(successor_rows, width),
        fade=fade,
        absorbing=np.array([is_absorbing(graph, successors, graph.regimes[n]) for n, _ in rows]),
        next_phase=_next_phase_numbers(settings, phase_values)[setting],
        live=_live_rows(rows, by_period),
    )


def _pad(arrays: list[np.ndarray], width: int) -> np.ndarray:
    """Stack arrays of different first length, repeating the last entry (never read)."""
    return np.stack(
        [np.concatenate([a, np.repeat(a[-1:], width - len(a), axis=0)]) for a in arrays]
    )


def _live_rows(rows: np.ndarray, by_period: list[list[int]]) -> np.ndarray:
    """[period + 1, row] the rows to compute, padded by repeating one (computed twice, alike)."""
    lists = [np.flatnonzero(np.isin(rows[:, 0], regimes)) for regimes in by_period]
    width = max(len(x) for x in lists)
    fill = [x if len(x) else np.array([0]) for x in lists]
    return np.stack([np.concatenate([x, np.repeat(x[-1:], width - len(x))]) for x in fill]).astype(
        np.int32
    )


def _settings(
    graph: Graph,
    rows: np.ndarray,
    phase_values: tuple[tuple[int, ...], ...],
    successors: Successors,
    names: frozenset[str],
) -> tuple[Settings, np.ndarray]:
    """Merge rows that formulas cannot tell apart."""
    scenario = graph.scenario
    branches = [_phase_branches(scenario, p) for p in phase_values]
    keys: dict[tuple, int] = {}
    index = np.zeros(len(rows), np.int32)
    parts: list[tuple] = []
    for r, (n, s) in enumerate(rows):
        regime = graph.regimes[n]
        levels = graph.levels(regime)
        values = indicators(graph, regime)
        active, due = successors.active(regime), successors.due_now(regime)
        key = (int(s), *view(graph, successors, regime, names))
        if key not in keys:
            keys[key] = len(parts)
            parts.append(
                (levels, tuple(values.values()), phase_values[s], active, due, branches[s])
            )
        index[r] = keys[key]
    width = max(len(p[5]) for p in parts)
    next_phases = np.zeros((len(parts), width, len(scenario.phases)), np.int32)
    used = np.zeros((len(parts), width), bool)
    for u, p in enumerate(parts):
        next_phases[u] = np.array(p[2], np.int32)[None, :]
        next_phases[u, : len(p[5])] = np.array(p[5], np.int32).reshape(len(p[5]), -1)
        used[u, : len(p[5])] = True
    return (
        Settings(
            terms=np.array([p[0] for p in parts], float).reshape(len(parts), -1),
            indicators=np.array([p[1] for p in parts], float),
            phases=np.array([p[2] for p in parts], np.int32).reshape(len(parts), -1),
            active=np.array([p[3] for p in parts], bool).reshape(len(parts), -1),
            due_now=np.array([p[4] for p in parts], bool).reshape(len(parts), -1),
            next_phases=next_phases,
            next_used=used,
        ),
        index,
    )


def _courses(
    graph: Graph, rows: np.ndarray, successors: Successors
) -> tuple[np.ndarray, np.ndarray]:
    """[row] which rows' stocks move alike, and [course] the first row of each.

    What the deal changes for the parties often leaves the stocks' formulas alone: then one
    interpolation of arrival points serves several rows.
    """
    names = moving_names(graph.scenario)
    keys: dict[tuple, int] = {}
    index = np.zeros(len(rows), np.int32)
    first: list[int] = []
    for r, (n, s) in enumerate(rows):
        key = (int(s), *view(graph, successors, graph.regimes[n], names))
        if key not in keys:
            keys[key] = len(first)
            first.append(r)
        index[r] = keys[key]
    return index, np.array(first, np.int32)


def moving_names(scenario: Scenario, *stocks: str) -> frozenset[str]:
    """The names that the next values of these stocks (or all) depend on, by way of `let` too."""
    moving = [scenario.stocks[name] for name in stocks or scenario.stocks]
    formulas = [f for s in moving for f in (s.next, *s.shock.values())]
    return closure(scenario, formulas)


def closure(scenario: Scenario, formulas: Sequence[Formula]) -> frozenset[str]:
    """The names that formulas depend on, by way of `let` too."""
    found: set[str] = set()
    queue = [name for f in formulas for name in f.names]
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += scenario.let[name].names if name in scenario.let else ()
    return frozenset(found)


def _phase_branches(scenario: Scenario, values: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The phase combinations that can follow one."""
    choices = []
    for phase, now in zip(scenario.phases.values(), values, strict=True):
        targets = {phase.values.index(v) for v in phase.next} | {now}
        choices.append(sorted(targets))
    return list(itertools.product(*choices))


def _next_phase_numbers(
    settings: Settings, phase_values: tuple[tuple[int, ...], ...]
) -> np.ndarray:
    number = {p: k for k, p in enumerate(phase_values)}
    return np.array(
        [[number[tuple(int(x) for x in b)] for b in row] for row in settings.next_phases], np.int32
    )
