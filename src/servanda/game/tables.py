"""Formulas on positions: flows, next stocks, phase probabilities and open options.

In: a game, one world's assumptions, and positions with their stocks. Out: arrays over joint moves
and points. The same code serves grids (`[way, g]`, by way of `grid_tables`) and paths (`[a, n]`):
moves lie along the next-to-last axis and points along the last. All formulas that are wanted of one
place are one `Tape`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.game.build import Game
from servanda.game.disturbances import draws
from servanda.game.positions import Group, Settings, static_environment
from servanda.game.tape import Tape, Writer, evaluate
from servanda.scenario.formulas import Formula


@dataclass(frozen=True)
class Parameters:
    """What one world's assumptions say about parties and obligations (all arrays traced).

    If `scheduled`, every array has a leading axis of periods 0..T, the last of which holds for
    ever; `at` gives those of one period.
    """

    theta: Float[Array, " assumption"]
    patience: Float[Array, " party"]
    precision: Float[Array, " party"]  # λ/s, per unit of utility; 0 plays uniformly
    stakes: Float[Array, " party"]  # s, in utility per period
    verified: Float[Array, " obligation"]
    false_alarm: Float[Array, " obligation"]
    start: Float[Array, " stock"]
    forgotten: Float[Array, " fade"]  # probability a period that blame is forgotten
    names: tuple[str, ...]  # of the assumptions
    scheduled: bool = False

    def at(self, period: Array | float) -> Parameters:
        """The parameters of one period."""
        if not self.scheduled:
            return self
        last = self.patience.shape[0] - 1
        t = jnp.clip(jnp.asarray(period, int), 0, last)
        now: Parameters = jax.tree.map(lambda x: x[t], replace(self, scheduled=False))
        return now

    def discount(self) -> Float[Array, "period+1 party"]:
        """What a period's flows count for at the start."""
        assert self.scheduled
        ones = jnp.ones_like(self.patience[:1])
        return jnp.cumprod(jnp.concatenate([ones, self.patience[:-1]]), axis=0)


jax.tree_util.register_dataclass(
    Parameters,
    ["theta", "patience", "precision", "stakes", "verified", "false_alarm", "start", "forgotten"],
    ["names", "scheduled"],
)


@dataclass(frozen=True)
class Tables:
    """A group's formulas evaluated: flows, arrivals, phase branches, masks.

    Leading axes `...` are `setting` (of arrivals: `course`) on grids and none on paths; `point` is
    g or n.
    """

    flow: Float[Array, "... channel a point"]
    arrival: Float[Array, "... draw a point stock"]  # stocks of the next period, clipped
    draw: Float[Array, " draw"]  # probability of each shock draw
    branch: Float[Array, "... branch a point"] | None  # phase probabilities; None: one for sure
    open: dict[int, Array]  # decision -> bool [..., a, point]: its option may be taken


jax.tree_util.register_dataclass(Tables, ["flow", "arrival", "draw", "branch", "open"], [])


@dataclass(frozen=True)
class Places:
    """Where formulas find what they see of a position beside stocks: a number a column.

    Along rows lie `move_columns`, and on grids `setting_columns` before them; on paths these lie
    along points, and are picked from a table.
    """

    rows: Float[np.ndarray, "column a"]
    table: Float[np.ndarray, "place column"]  # empty on grids
    pick: Array | None  # [point] place in the table; None on grids
    branches: int  # combinations of next phases
    choices: tuple[int, ...]  # decisions with more than one option


def setting_columns(settings: Settings, branches: int) -> Float[np.ndarray, "setting column"]:
    """Everything formulas can see of a setting; see `_Sheet` for the order."""
    s = settings
    count, spare = len(s.terms), branches - s.next_phases.shape[1]
    columns = [
        s.terms,
        s.indicators,
        s.phases,
        s.active,
        s.due_now,
        np.pad(s.next_phases, ((0, 0), (0, spare), (0, 0))).reshape(count, -1),
        np.pad(s.next_used, ((0, 0), (0, spare))),
    ]
    return np.concatenate(columns, axis=1, dtype=float)


def move_columns(game: Game, joint: np.ndarray) -> Float[np.ndarray, "column a"]:
    """Everything formulas can see of joint moves: options taken, then values of numeric ones."""
    values = [
        np.array(d.values, float)[joint[:, k]] if d.values is not None else np.zeros(len(joint))
        for k, d in enumerate(game.scenario.decisions)
    ]
    return np.array([*joint.T, *values], float).reshape(-1, len(joint))


def path_places(game: Game, group: Group, row: Array) -> Places:
    """What formulas see on paths at rows [n] of a group."""
    branches = group.settings.next_phases.shape[1]
    table = setting_columns(group.settings, branches)[group.setting]
    choices = tuple(d for d, options in enumerate(group.options) if len(options) > 1)
    return Places(move_columns(game, group.joint), table, row, branches, choices)


def take(x: Array | np.ndarray, at: Array | np.ndarray, axis: int) -> Array:
    """Entries along an axis, all of them there: XLA need not ask."""
    where = (slice(None),) * axis + (at,)
    found: Array = (
        jnp.asarray(x).at[where].get(mode="promise_in_bounds", wrap_negative_indices=False)
    )
    return found


def parameters(
    game: Game,
    theta: Float[Array, "*period assumption"],
    names: Sequence[str],
    stakes: Float[Array, " party"],
) -> Parameters:
    """Read one world's numbers, or those of every period 0..T if they change over time.

    `stakes` are in utility per period, one per party.
    """
    key = ("parameters", tuple(names))
    if key not in game.tapes:
        game.tapes[key] = _parameters_tape(game, names)
    scheduled = theta.ndim == 2
    point = theta.T if scheduled else theta[:, None]
    empty = (jnp.zeros((0, 1)), point, jnp.zeros((0, point.shape[1])))
    found = evaluate(game.tapes[key], jnp.asarray(stakes), *empty)[:, 0]
    found = found.T if scheduled else found[:, 0]
    s = game.scenario
    counts = [*(len(s.parties),) * 3, *(len(s.obligations),) * 2, len(s.stocks)]
    counts.append(len(game.graph.fades))
    ends = np.cumsum(counts)
    patience, precision, scale, verified, false_alarm, start, forgotten = (
        found[..., end - count : end] for end, count in zip(ends, counts, strict=True)
    )
    return Parameters(
        theta,
        patience,
        precision,
        scale,
        verified,
        false_alarm,
        start,
        forgotten,
        tuple(names),
        scheduled,
    )


def _parameters_tape(game: Game, names: Sequence[str]) -> Tape:
    """The numbers of `Parameters` in order; assumptions lie where stocks do, periods are points."""
    w, s = Writer(), game.scenario
    known = {name: w.step("stock", k) for k, name in enumerate(names)}
    zero, one = w.constant(0.0), w.constant(1.0)

    def chance(f: Formula) -> int:
        # whatever moves an assumption, a probability it stays
        return w.clip(w.formula(f, known), 0.0, 1.0)

    scales, precisions = [], []
    for i, party in enumerate(s.parties.values()):
        f = party.stakes
        scale = w.step("scalar", i) if f is None else w.formula(f, known)
        there = w.step("less", zero, scale)
        acuity = w.step("minimum", w.formula(party.acuity, known), w.constant(1e12))
        sharp = w.step("divide", acuity, w.step("select", there, scale, one))
        sharp = w.step("minimum", sharp, w.constant(1e100))
        scales.append(scale)
        precisions.append(w.step("select", there, sharp, zero))
    return w.tape(
        [
            *(w.formula(p.patience, known) for p in s.parties.values()),
            *precisions,
            *scales,
            *(chance(o.verified) for o in s.obligations.values()),
            *(chance(o.false_alarm) for o in s.obligations.values()),
            *(w.formula(k.start, known) for k in s.stocks.values()),
            # a mean of N periods; whatever moves N, it is one period at least
            *(
                w.step("divide", one, w.step("maximum", w.formula(f, known), one))
                for f in game.graph.fades
            ),
        ]
    )


def evaluate_group(
    game: Game,
    places: Places,
    p: Parameters,
    stocks: Array,
    period: Array,
    by_interest: bool,
    moving: bool = True,
) -> Tables:
    """All formulas at given stocks [stock, point], in period `period`; arrivals if `moving`.

    Channels are the parties' total flows, then (`by_interest`) every interest's.
    """
    key = (p.names, places.pick is None, places.branches, places.choices, by_interest, moving)
    conditions = _conditions(game, places.choices)
    if key not in game.tapes:
        sheet = _Sheet(game, p.names, places)
        results = sheet.flows(by_interest)
        results += sheet.next_stocks(game.stocks) if moving else []
        game.tapes[key] = sheet.writer.tape(
            [*results, *sheet.branches(), *sheet.conditions(conditions)]
        )
    found = _everywhere(game.tapes[key], places, p, stocks, period)
    shaken = draws(game.scenario)
    flows = len(game.parties) + by_interest * len(game.interests)
    counts = [
        flows,
        moving * len(shaken) * len(game.stocks),
        places.branches if places.branches > 1 else 0,
        len(conditions),
    ]
    flow, going, branch, opened = jnp.split(found, np.cumsum(counts)[:-1])
    return Tables(
        flow,
        _by_draw(going, len(shaken)),
        jnp.array([w for _, w in shaken]),
        branch if places.branches > 1 else None,
        {d: opened[k] > 0.5 for k, d in enumerate(conditions)},
    )


def arrivals(
    game: Game,
    places: Places,
    p: Parameters,
    stocks: Array,
    period: Array,
    only: str | None = None,
) -> tuple[Array, Array]:
    """What `evaluate_group` finds of arrivals, by itself: of all stocks, or of `only` one."""
    moving = game.stocks if only is None else (only,)
    key = (p.names, places.pick is None, places.branches, moving)
    if key not in game.tapes:
        sheet = _Sheet(game, p.names, places)
        game.tapes[key] = sheet.writer.tape(sheet.next_stocks(moving))
    found = _everywhere(game.tapes[key], places, p, stocks, period)
    shaken = draws(game.scenario, moving)
    return _by_draw(found, len(shaken)), jnp.array([w for _, w in shaken])


def _by_draw(found: Array, count: int) -> Array:
    """[draw, a, point, stock] from [draw and stock, a, point]."""
    split = found.reshape(count, found.shape[0] // count, *found.shape[1:])
    return jnp.moveaxis(split, 1, -1)


def _everywhere(
    tape: Tape, places: Places, p: Parameters, stocks: Array, period: Array
) -> Float[Array, "result a point"]:
    scalars = jnp.concatenate([p.theta, jnp.reshape(jnp.asarray(period, float), 1)])
    seen = jnp.zeros((0, stocks.shape[1]))
    if places.pick is not None and tape.seen:
        seen = take(places.table[:, list(tape.seen)].T, places.pick, 1)
    return evaluate(tape, scalars, jnp.asarray(places.rows[list(tape.rows)]), stocks, seen)


class _Sheet:
    """Writes what is wanted of positions; every name that a formula may read is a step."""

    def __init__(self, game: Game, assumptions: tuple[str, ...], places: Places) -> None:
        s = game.scenario
        self.game, self.count = game, places.branches
        w = self.writer = Writer()
        sizes = [len(s.terms), len(game.indicator_names), len(s.phases), *(len(s.obligations),) * 2]
        sizes += [self.count * len(s.phases), self.count]
        source, ends = ("row" if places.pick is None else "seen"), np.cumsum([0, *sizes])
        terms, seen, self.phases, active, due, following, self.used = (
            [w.step(source, int(k)) for k in range(begin, end)]
            for begin, end in itertools.pairwise(ends)
        )
        self.following = [
            following[b * len(s.phases) :][: len(s.phases)] for b in range(self.count)
        ]
        first, many = (int(ends[-1]) if places.pick is None else 0), len(s.decisions)
        self.taken = [w.step("row", first + d) for d in range(many)]
        names = {name: w.step("scalar", k) for k, name in enumerate((*assumptions, "period"))}
        names |= {name: w.step("stock", k) for k, name in enumerate(s.stocks)}
        names |= dict(zip(s.terms, terms, strict=True))
        names |= dict(zip(game.indicator_names, seen, strict=True))
        for now, (name, phase) in zip(self.phases, s.phases.items(), strict=True):
            names |= {f"{name}.{v}": w.is_value(now, j) for j, v in enumerate(phase.values)}
        for d, decision in enumerate(s.decisions):
            if decision.values is not None:
                names[decision.reads_as] = w.step("row", first + many + d)
            else:
                for o, option in enumerate(decision.options):
                    names[f"{decision.key}.{option}"] = w.is_value(self.taken[d], o)
        for k, (name, duty) in enumerate(s.obligations.items()):
            met = w.constant(0.0)
            for d, wanted in duty.options:
                met = w.step("or", met, w.is_value(self.taken[d], wanted))
            if duty.kind == "never":
                names[f"breach.{name}"] = w.step("and", active[k], met)
            else:
                names[f"breach.{name}"] = w.step("and", due[k], w.step("not", met))
        for name, f in s.let.items():
            names[name] = w.formula(f, names)
        self.names = names

    def value(self, f: Formula) -> int:
        return self.writer.formula(f, self.names)

    def flows(self, by_interest: bool) -> list[int]:
        """Totals of the parties, then of every interest."""
        interests = self.game.scenario.interests
        each = {key: self.value(interests[key[0]][key[1]]) for key in self.game.interests}
        totals = [
            self.writer.total([x for key, x in each.items() if key[0] == party])
            for party in self.game.parties
        ]
        return totals + (list(each.values()) if by_interest else [])

    def next_stocks(self, moving: Sequence[str]) -> list[int]:
        """Of every shock draw, the next value of every stock."""
        w, found = self.writer, []
        for z, _ in draws(self.game.scenario, moving):
            for name in moving:
                stock = self.game.scenario.stocks[name]
                x = self.value(stock.next)
                for source, loading in stock.shock.items():
                    spread = w.step("multiply", w.constant(z[source]), self.value(loading))
                    x = w.step("add", x, spread)
                found.append(w.clip(x, stock.low, stock.high))
        return found

    def branches(self) -> list[int]:
        """The probability of each next phase combination; none where phases never move."""
        if self.count == 1:
            return []
        w, one, zero = self.writer, self.writer.constant(1.0), self.writer.constant(0.0)
        out = [one] * self.count
        for k, phase in enumerate(self.game.scenario.phases.values()):
            if not phase.next:
                continue
            now = self.phases[k]
            moves = {
                j: w.clip(self.value(f), 0.0, 1.0)
                for j, f in ((phase.values.index(v), f) for v, f in phase.next.items())
            }
            leaves = {j: w.step("select", w.is_value(now, j), zero, q) for j, q in moves.items()}
            leaving = w.total(list(leaves.values()))
            over = w.step("maximum", leaving, one)
            # the rest of the probability stays where it is
            rest = w.step("subtract", one, w.step("divide", leaving, over))
            for b in range(self.count):
                target = self.following[b][k]
                p = w.step("select", w.step("equal", target, now), rest, zero)
                for j, q in leaves.items():
                    goes = w.step("and", w.is_value(target, j), w.step("not", w.is_value(now, j)))
                    p = w.step("select", goes, w.step("divide", q, over), p)
                out[b] = w.step("multiply", out[b], p)
        return [w.step("select", u, q, zero) for u, q in zip(self.used, out, strict=True)]

    def conditions(self, asked: Mapping[int, list[tuple[int | None, Formula]]]) -> list[int]:
        """Whether decisions' options may be taken; see `_conditions`."""
        w, found = self.writer, []
        for d, conditions in asked.items():
            met = []
            for o, f in conditions:
                holds = self.value(f)
                if o is not None:
                    holds = w.step("or", w.step("not", w.is_value(self.taken[d], o)), holds)
                met.append(holds)
            found.append(w.every(met))
        return found


def _conditions(
    game: Game, choices: tuple[int, ...]
) -> dict[int, list[tuple[int | None, Formula]]]:
    """Of decisions that stocks or moves may close: what an option asks for (None: any option).

    Other conditions are already in the groups' live options.
    """
    fixed = static_environment(game.graph, game.graph.regimes[0], game.phase_values[0]).keys()
    found = {}
    for d in choices:
        decision = game.scenario.decisions[d]
        each = [(None, decision.when), *enumerate(decision.option_when)]
        asked = [(o, f) for o, f in each if f is not None and not f.names <= fixed]
        if asked:
            found[d] = asked
    return found
