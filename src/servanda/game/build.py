"""A scenario as index arrays: positions, joint moves, and what each joint move leads to.

In: a scenario and the variants to study. Out: a `Game`, which holds everything that is the same in
all worlds: the graph of regimes, the positions (regime x phases) grouped by which options are
live, the breach patterns of each joint move and their successors. No stocks and no assumptions
enter here, so one `Game` serves every world.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Int

from servanda.errors import QuestionError
from servanda.game.regimes import Graph, Regime, Variant, bound, indicators
from servanda.game.tape import Tape
from servanda.scenario.formulas import Formula, evaluate
from servanda.scenario.model import Decision, Scenario

MAX_PHASES = 4096
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
    """Positions whose live options are the same, so that they share one array of joint moves."""

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
    successor: np.ndarray  # [row, pattern, obligation + 1] regime; the last is "nothing noticed"
    absorbing: np.ndarray  # [row] bool: the regime never changes again
    next_phase: np.ndarray  # [row, branch] phase combination of the next period
    live: np.ndarray  # [period + 1, live rows] rows to compute in each period; last: past horizon

    @property
    def moves(self) -> int:
        """The number of joint moves."""
        return len(self.joint)


@dataclass(frozen=True)
class Signing:
    """A signing stage over values of regimes: [signatory] parties, yes, and no per signatory."""

    regime: int
    parties: tuple[int, ...]
    yes: int
    no: tuple[int, ...]


@dataclass(frozen=True)
class Asking:
    """All signing stages as arrays, one row each; signatories in the order they are asked."""

    regime: np.ndarray  # [stage]
    yes: np.ndarray  # [stage] where all accept
    party: np.ndarray  # [stage, signatory]
    no: np.ndarray  # [stage, signatory] where that one refuses
    asked: np.ndarray  # [stage, signatory] bool: stages with fewer signatories are padded


@dataclass(frozen=True, eq=False)
class Game:
    """The scenario with some variants, ready to be solved in any world."""

    scenario: Scenario
    variants: tuple[Variant, ...]
    graph: Graph = field(repr=False)
    groups: tuple[Group, ...] = field(repr=False)
    signings: tuple[Signing, ...]
    roots: tuple[dict[str, int], ...]  # per variant: start, signed, no_deal; asked, if that's later
    alike: np.ndarray  # [regime] the regime that is solved for it: what formulas cannot tell apart
    phase_values: tuple[tuple[int, ...], ...]  # every phase combination

    @cached_property
    def parties(self) -> tuple[str, ...]:
        return tuple(self.scenario.parties)

    @cached_property
    def stocks(self) -> tuple[str, ...]:
        return tuple(self.scenario.stocks)

    @cached_property
    def interests(self) -> tuple[tuple[str, str], ...]:
        """Every (party, interest), in order."""
        found = self.scenario.interests.items()
        return tuple((p, name) for p, flows in found for name in flows)

    @cached_property
    def indicator_names(self) -> tuple[str, ...]:
        """The names of the regime indicators, in the order of `Settings.indicators`."""
        return tuple(indicators(self.graph, self.graph.regimes[0]))

    @cached_property
    def asking(self) -> Asking:
        """The signing stages as arrays."""
        width = max([len(s.parties) for s in self.signings] or [0])

        def padded(rows: list[tuple[int, ...]]) -> np.ndarray:
            filled = [(*row, *(0,) * (width - len(row))) for row in rows]
            return np.array(filled, np.int32).reshape(len(rows), width)

        return Asking(
            np.array([s.regime for s in self.signings], np.int32),
            np.array([s.yes for s in self.signings], np.int32),
            padded([s.parties for s in self.signings]),
            padded([s.no for s in self.signings]),
            padded([(1,) * len(s.parties) for s in self.signings]).astype(bool),
        )

    def visited(self, starts: Sequence[int], stay: bool) -> dict[int, Int[np.ndarray, " row"]]:
        """The rows of groups that can be met from regimes; `stay`: while in force."""
        reached, queue = set(starts), list(starts)
        asked = {s.regime: s for s in self.signings}
        following: dict[int, set[int]] = {}
        for group in self.groups:
            for (n, _), s in zip(group.rows, group.successor, strict=True):
                following.setdefault(int(n), set()).update(int(m) for m in s.reshape(-1))
        while queue:
            n = queue.pop()
            more = set(following.get(int(self.alike[n]), ()))
            if n in asked:
                more |= {asked[n].yes, *asked[n].no}
            for m in more - reached:
                if not stay or self.graph.regimes[m].kind == "in_force":
                    reached.add(m)
                    queue.append(m)
        solved = np.unique(self.alike[sorted(reached)])
        rows = [np.flatnonzero(np.isin(g.rows[:, 0], solved)) for g in self.groups]
        return {k: found for k, found in enumerate(rows) if len(found)}

    @cached_property
    def tapes(self) -> dict[Hashable, Tape]:
        """The formulas as they have been compiled so far, by what is wanted of them (`tables`)."""
        return {}

    @property
    def regimes(self) -> int:
        return len(self.graph.regimes)

    @property
    def phases(self) -> int:
        """The number of phase combinations."""
        return len(self.phase_values)

    def decision_party(self, d: int) -> int:
        return self.parties.index(self.scenario.decisions[d].party)

    @cached_property
    def uses_calendar(self) -> bool:
        """Whether any formula reads `period`, so that tables change over time."""
        return "period" in read_names(self.scenario)


def formulas_of(scenario: Scenario) -> list[Formula]:
    """Every formula the game evaluates on positions."""
    found = list(scenario.let.values())
    found += [s.next for s in scenario.stocks.values()]
    found += [f for flows in scenario.interests.values() for f in flows.values()]
    found += [f for p in scenario.phases.values() for f in p.next.values()]
    for d in scenario.decisions:
        found += [f for f in (d.when, *d.option_when) if f is not None]
    return found


def read_names(scenario: Scenario) -> frozenset[str]:
    return frozenset().union(*(f.names for f in formulas_of(scenario)))


def build(
    scenario: Scenario, variants: list[Variant] | tuple[Variant, ...], always: bool = False
) -> Game:
    """The game of a scenario with the given variants.

    With `always` the deals are solved as if signed in any period, not only in the first. Raises
    QuestionError when the game is too large to enumerate, with what to reduce.
    """
    in_play = sorted(scenario.obligations.items(), key=lambda item: item[1].options[0][0])
    scenario = replace(scenario, obligations=dict(in_play))  # the first noticed names the breaker
    names = read_names(scenario)
    refusals = any(n.startswith("refused_by") for n in names)
    graph = Graph(scenario, tuple(variants), refusals)
    roots = []
    for v in range(len(variants)):
        here: dict[str, int] = {}
        if not variants[v].signed_only:
            here = {"start": graph.add(graph.start(v)), "no_deal": graph.add(graph.no_deal(v))}
            offer = variants[v].proposal
            if offer is not None and offer.opens > 0:
                # an offer that opens later is judged as if it were put at the start
                here["asked"] = graph.add(replace(graph.start(v), age=offer.opens))
        if variants[v].proposal is not None:
            here["signed"] = graph.add(graph.signed(v))
        roots.append(here)
    combinations = math.prod(len(p.values) for p in scenario.phases.values())
    if combinations > MAX_PHASES:
        raise QuestionError(
            f"the phases have {combinations:,} combinations; the limit is {MAX_PHASES:,}: "
            "use fewer phases, or fewer values of them"
        )
    phase_values = tuple(
        itertools.product(*(range(len(p.values)) for p in scenario.phases.values()))
    )
    outcomes = _Outcomes(graph)
    starts = [r for here in roots for r in here.values()]
    signings, by_period = _reach(graph, outcomes, starts, always)
    alike = _alike(graph, outcomes, names, {s.regime for s in signings})
    # an offer that is always answered before anybody moves is never played from
    stays = {n for s in signings for n in (s.yes, *s.no)}
    passing = {s.regime for s in signings} - stays
    by_period = [sorted({int(alike[n]) for n in now if n not in passing}) for now in by_period]
    groups = _groups(graph, phase_values, outcomes, by_period, names)
    return Game(
        scenario, tuple(variants), graph, groups, signings, tuple(roots), alike, phase_values
    )


def _alike(
    graph: Graph, outcomes: _Outcomes, names: frozenset[str], asking: set[int]
) -> np.ndarray:
    """[regime] a representative: regimes that never change and that no formula can tell apart."""
    out = np.arange(len(graph.regimes))
    first: dict[tuple, int] = {}
    for n, regime in enumerate(graph.regimes):
        if n in asking or not _is_absorbing(graph, outcomes, regime):
            continue
        key = (*_view(graph, outcomes, regime, names), tuple(bound(graph, regime)))
        out[n] = first.setdefault(key, n)
    return out


def _is_absorbing(graph: Graph, outcomes: _Outcomes, regime: Regime) -> bool:
    return all(r == regime for r in outcomes.successors(regime))


def _view(graph: Graph, outcomes: _Outcomes, regime: Regime, names: frozenset[str]) -> tuple:
    """Everything that formulas can read of a regime."""
    levels = zip(graph.scenario.terms, graph.levels(regime), strict=True)
    terms = tuple(x for name, x in levels if name in names)
    seen = tuple(x for name, x in indicators(graph, regime).items() if name in names)
    read = [k for k, o in enumerate(outcomes.obligations) if f"breach.{o}" in names]
    breach = (outcomes.active(regime)[read].tobytes(), outcomes.due_now(regime)[read].tobytes())
    return terms, seen, breach


# -- regimes and their successors ---------------------------------------------------------------


class _Outcomes:
    """What the events of a period lead to, for every regime met."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.obligations = list(graph.scenario.obligations)

    def watched(self, regime: Regime) -> np.ndarray:
        """[obligation] bool: obligations owed now, of which a notice changes the regime."""
        out = np.zeros(len(self.obligations), bool)
        if regime.kind == "in_force":
            for o in self.graph.owed(regime):
                out[self.obligations.index(o.name)] = True
        return out

    def active(self, regime: Regime) -> np.ndarray:
        out = np.zeros(len(self.obligations), bool)
        for o in self.graph.active(regime):
            out[self.obligations.index(o.name)] = True
        return out

    def due_now(self, regime: Regime) -> np.ndarray:
        """[obligation] bool: a `must` that has to be met this period, not having been met."""
        out = np.zeros(len(self.obligations), bool)
        for o in self.graph.owed(regime):
            out[self.obligations.index(o.name)] = o.kind == "must"
        return out

    def pending(self, regime: Regime) -> list[str]:
        """Dated duties that could still be fulfilled this period."""
        p = regime.proposal
        out = []
        for o in self.graph.active(regime):
            if o.kind != "must" or o.by is None or p is None:
                continue
            if not regime.done[p.obligations.index(o.name)]:
                out.append(o.name)
        return out

    def successors(self, regime: Regime) -> list[Regime]:
        """Every regime the next period can be in."""
        pending = self.pending(regime)
        noticed: list[str | None] = [None]
        noticed += [n for n, w in zip(self.obligations, self.watched(regime), strict=True) if w]
        return [
            self.graph.after(regime, who, frozenset(done))
            for who in noticed
            for r in range(len(pending) + 1)
            for done in itertools.combinations(pending, r)
        ]


def _reach(
    graph: Graph, outcomes: _Outcomes, roots: list[int], always: bool
) -> tuple[tuple[Signing, ...], list[list[int]]]:
    """Signing stages, and the regimes that can be in play in each period (last: ever after)."""
    parties = list(graph.scenario.parties)
    signings: dict[int, Signing] = {}

    def close(found: set[int]) -> set[int]:
        """Add the regimes that a signing stage of the same period leads to."""
        queue = list(found)
        while queue:
            n = queue.pop()
            ask = graph.ask(graph.regimes[n])
            if ask is None:
                continue
            if n not in signings:
                who = tuple(parties.index(s) for s in ask.signatories)
                yes, no = graph.add(ask.yes), tuple(graph.add(r) for r in ask.no)
                signings[n] = Signing(n, who, yes, no)
            for m in (signings[n].yes, *signings[n].no):
                if m not in found:
                    found.add(m)
                    queue.append(m)
        return found

    following: dict[int, set[int]] = {}

    def step(found: set[int]) -> set[int]:
        out: set[int] = set()
        for n in found:
            if n not in following:
                following[n] = {graph.add(r) for r in outcomes.successors(graph.regimes[n])}
            out |= following[n]
        return close(out)

    by_period = [sorted(close(set(roots)))]
    for _ in range(graph.scenario.horizon - 1):
        more = set(by_period[0]) if always else set()
        by_period.append(sorted(step(set(by_period[-1])) | more))
    forever = step(set(by_period[-1])) | (set(by_period[0]) if always else set())
    if graph.scenario.terminal != "zero":
        while True:
            more = forever | step(forever)
            if more == forever:
                break
            forever = more
    by_period.append(sorted(forever))
    return tuple(signings[n] for n in sorted(signings)), by_period


# -- positions and joint moves ------------------------------------------------------------------


def _groups(
    graph: Graph,
    phase_values: tuple[tuple[int, ...], ...],
    outcomes: _Outcomes,
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
        _group(graph, live, members, phase_values, outcomes, by_period, names)
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
    outcomes: _Outcomes,
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
    settings, setting = _settings(graph, rows, phase_values, outcomes, names)
    course, first = _courses(graph, rows, outcomes)
    obligations = list(scenario.obligations)
    met = np.zeros((len(obligations), count), bool)  # the option named by the obligation is played
    for k, o in enumerate(scenario.obligations.values()):
        for d, option in o.options:
            met[k] |= joint[:, d] == option
    never = np.array([o.kind == "never" for o in scenario.obligations.values()], bool)

    pattern = np.zeros((len(rows), count), np.int32)
    breached_rows, successor_rows, watched_rows = [], [], []
    for r, (n, _) in enumerate(rows):
        regime = graph.regimes[n]
        watched, due = outcomes.watched(regime), outcomes.due_now(regime)
        pending = outcomes.pending(regime)
        breached = (watched[:, None] & never[:, None] & met) | (
            (watched & due)[:, None] & ~never[:, None] & ~met
        )
        kept = np.array([met[obligations.index(name)] for name in pending], bool)
        key = np.concatenate([breached, kept.reshape(len(pending), count)]).astype(np.uint8)
        distinct, index = np.unique(key.T, axis=0, return_inverse=True)
        pattern[r] = index.reshape(-1)
        flags = distinct[:, : len(obligations)].astype(bool)
        successor = np.zeros((len(distinct), len(obligations) + 1), np.int32)
        for j, row in enumerate(distinct):
            bits = row[len(obligations) :]
            done = frozenset(x for x, b in zip(pending, bits, strict=True) if b)
            # a regime not met follows only the last period, where the game ends: it is never read
            last = graph.index.get(graph.after(regime, None, done), n)
            successor[j] = last
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
        absorbing=np.array([_is_absorbing(graph, outcomes, graph.regimes[n]) for n, _ in rows]),
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
    outcomes: _Outcomes,
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
        active, due = outcomes.active(regime), outcomes.due_now(regime)
        key = (int(s), *_view(graph, outcomes, regime, names))
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


def _courses(graph: Graph, rows: np.ndarray, outcomes: _Outcomes) -> tuple[np.ndarray, np.ndarray]:
    """[row] which rows' stocks move alike, and [course] the first row of each.

    What the deal changes for the parties often leaves the stocks' formulas alone: then one
    interpolation of arrival points serves several rows.
    """
    names = moving_names(graph.scenario)
    keys: dict[tuple, int] = {}
    index = np.zeros(len(rows), np.int32)
    first: list[int] = []
    for r, (n, s) in enumerate(rows):
        key = (int(s), *_view(graph, outcomes, graph.regimes[n], names))
        if key not in keys:
            keys[key] = len(first)
            first.append(r)
        index[r] = keys[key]
    return index, np.array(first, np.int32)


def moving_names(scenario: Scenario, *stocks: str) -> frozenset[str]:
    """The names that the next values of these stocks (or all) depend on, by way of `let` too."""
    moving = [scenario.stocks[name] for name in stocks or scenario.stocks]
    formulas = [f for s in moving for f in (s.next, s.shock) if f is not None]
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
