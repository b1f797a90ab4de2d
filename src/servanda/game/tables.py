"""Formulas on positions: flows, next stocks, phase probabilities and open options.

In: a game, one world's assumptions, and positions with their stocks. Out: arrays over joint moves
and points. The same code serves grids (`[way, g]`, by way of `grid_tables`) and paths (`[a, n]`):
everything is broadcast, moves along the next-to-last axis and points along the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.game.build import Game, Group, static_environment
from servanda.scenario.formulas import Formula, evaluate
from servanda.scenario.model import Stock

HERMITE = {  # 3-point Gauss-Hermite rule for a standard normal: nodes, weights
    "nodes": (-np.sqrt(3.0), 0.0, np.sqrt(3.0)),
    "weights": (1 / 6, 2 / 3, 1 / 6),
}


@dataclass(frozen=True)
class Parameters:
    """What one world's assumptions say about parties and obligations (all arrays traced).

    If `scheduled`, every array has a leading axis of periods 0..T, the last of which holds for
    ever; `at` gives those of one period.
    """

    env: Mapping[str, Array]  # assumption name -> number
    patience: Float[Array, " party"]
    precision: Float[Array, " party"]  # λ/s, per unit of utility; 0 plays uniformly
    stakes: Float[Array, " party"]  # s, in utility per period
    verified: Float[Array, " obligation"]
    false_alarm: Float[Array, " obligation"]
    start: Float[Array, " stock"]
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
    ["env", "patience", "precision", "stakes", "verified", "false_alarm", "start"],
    ["scheduled"],
)


@dataclass(frozen=True)
class Views:
    """Settings as arrays that broadcast against [..., a, point]."""

    terms: Array  # [term, ...]
    indicators: Array  # [indicator, ...]
    phases: Array  # [phase variable, ...] index of the value
    active: Array  # [obligation, ...]
    due_now: Array  # [obligation, ...]
    next_phases: Array  # [branch, phase variable, ...]
    next_used: Array  # [branch, ...]


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


def parameters(
    game: Game,
    theta: Float[Array, "*period assumption"],
    names: Sequence[str],
    stakes: Float[Array, " party"],
) -> Parameters:
    """Read one world's numbers, or those of every period 0..T if they change over time.

    `stakes` are in utility per period, one per party.
    """
    if theta.ndim == 2:
        every = jax.vmap(lambda now: parameters(game, now, names, stakes))(theta)
        return replace(every, scheduled=True)
    env = {name: theta[k] for k, name in enumerate(names)}
    s = game.scenario

    def number(f: Formula) -> Array:
        return jnp.asarray(evaluate(f, env, jnp), float)

    def stack(values: list[Array]) -> Array:
        return jnp.stack(values) if values else jnp.zeros(0)

    def chances(formulas: list[Formula]) -> Array:
        # whatever moves an assumption, a probability it stays
        return jnp.clip(stack([number(f) for f in formulas]), 0.0, 1.0)

    acuity = stack([jnp.minimum(number(p.acuity), 1e12) for p in s.parties.values()])
    stakes = jnp.asarray(stakes)
    given = [p.stakes for p in s.parties.values()]
    scale = stack([stakes[i] if f is None else number(f) for i, f in enumerate(given)])
    return Parameters(
        env=env,
        patience=stack([number(p.patience) for p in s.parties.values()]),
        precision=jnp.where(scale > 0, acuity / jnp.where(scale > 0, scale, 1.0), 0.0),
        stakes=scale,
        verified=chances([o.verified for o in s.obligations.values()]),
        false_alarm=chances([o.false_alarm for o in s.obligations.values()]),
        start=stack([number(k.start) for k in s.stocks.values()]),
    )


def path_views(group: Group, setting: Array) -> Views:
    """The settings of a group for paths, against [a, n]; `setting` is [n]."""
    s = group.settings

    def pick(x: np.ndarray) -> Array:
        return jnp.moveaxis(jnp.asarray(x)[setting], 0, -1)

    return Views(
        pick(s.terms),
        pick(s.indicators),
        pick(s.phases),
        pick(s.active),
        pick(s.due_now),
        pick(s.next_phases),
        pick(s.next_used),
    )


def evaluate_group(
    game: Game,
    group: Group,
    views: Views,
    p: Parameters,
    stocks: Array,
    period: Array,
    by_interest: bool,
) -> Tables:
    """All formulas of a group at given stocks [stock, point], in period `period`.

    Channels are the parties' total flows, then (`by_interest`) every interest's.
    """
    scenario = game.scenario
    env = environment(game, group, views, p, stocks, period)
    shape = _shape(group, views, stocks)
    full = _fully(env, shape)
    by_name = {key: full(scenario.interests[key[0]][key[1]]) for key in game.interests}
    totals = []
    for party in game.parties:
        own = [by_name[key] for key in game.interests if key[0] == party]
        totals.append(sum(own, jnp.zeros(shape)))
    channels = totals + (list(by_name.values()) if by_interest else [])
    flow = jnp.stack(channels, axis=-3)

    arrival, weights = _next_stocks(game.scenario.stocks, env, full, shape)
    branch = _branches(game, views, full, shape)
    opened: dict[int, Array] = {}
    fixed = static_environment(game.graph, game.graph.regimes[0], game.phase_values[0]).keys()

    def static(f: Formula) -> bool:
        return f.names <= fixed  # already in the group's live options

    for d, decision in enumerate(scenario.decisions):
        if len(group.options[d]) == 1:
            continue
        when = None if decision.when is None or static(decision.when) else decision.when
        conditions = [
            (o, f) for o, f in enumerate(decision.option_when) if f is not None and not static(f)
        ]
        if when is None and not conditions:
            continue
        ok = jnp.ones(shape, bool) if when is None else full(when) > 0.5
        for o, f in conditions:
            taken = jnp.asarray(group.joint[:, d] == o)[:, None]
            ok = ok & (~taken | (full(f) > 0.5))
        opened[d] = ok
    return Tables(flow, arrival, weights, branch, opened)


def environment(
    game: Game, group: Group, views: Views, p: Parameters, stocks: Array, period: Array
) -> dict[str, Array]:
    """Every name a formula may read, as arrays that broadcast against [..., a, point]."""
    s = game.scenario
    env: dict[str, Array] = dict(p.env)
    env["period"] = period
    env |= {name: stocks[k] for k, name in enumerate(s.stocks)}
    env |= {name: views.terms[k] for k, name in enumerate(s.terms)}
    env |= {name: views.indicators[k] for k, name in enumerate(game.indicator_names)}
    for k, (name, phase) in enumerate(s.phases.items()):
        env |= {f"{name}.{v}": (views.phases[k] == j) * 1.0 for j, v in enumerate(phase.values)}
    for d, decision in enumerate(s.decisions):
        taken = group.joint[:, d]
        if decision.values is not None:
            name = decision.key if decision.name else f"{decision.party}.value"
            env[name] = jnp.asarray(np.array(decision.values)[taken])[:, None]
        else:
            for o, option in enumerate(decision.options):
                env[f"{decision.key}.{option}"] = jnp.asarray((taken == o) * 1.0)[:, None]
    for k, (name, duty) in enumerate(s.obligations.items()):
        met = np.zeros(group.moves, bool)
        for d, wanted in duty.options:
            met |= group.joint[:, d] == wanted
        played = jnp.asarray(met)[:, None]
        breach = views.active[k] & played if duty.kind == "never" else views.due_now[k] & ~played
        env[f"breach.{name}"] = breach * 1.0
    for name, f in s.let.items():
        env[name] = jnp.asarray(evaluate(f, env, jnp), float)
    return env


Full = Callable[[Formula], Array]
"""Evaluates a formula and broadcasts it over all positions, moves and points."""


def _shape(group: Group, views: Views, stocks: Array) -> tuple[int, ...]:
    """[..., a, point]."""
    lead = views.terms.shape[1:] if views.terms.shape[0] else views.indicators.shape[1:]
    return jnp.broadcast_shapes(lead, (group.moves, stocks.shape[1]))


def _fully(env: dict[str, Array], shape: tuple[int, ...]) -> Full:
    def full(f: Formula) -> Array:
        return jnp.broadcast_to(jnp.asarray(evaluate(f, env, jnp), float), shape)

    return full


def arrivals(
    game: Game,
    group: Group,
    views: Views,
    p: Parameters,
    stocks: Array,
    period: Array,
    only: str | None = None,
) -> tuple[Array, Array]:
    """What `evaluate_group` finds of arrivals, by itself: of all stocks, or of `only` one."""
    moving = {k: s for k, s in game.scenario.stocks.items() if only in (None, k)}
    env = environment(game, group, views, p, stocks, period)
    shape = _shape(group, views, stocks)
    return _next_stocks(moving, env, _fully(env, shape), shape)


def _next_stocks(
    moving: Mapping[str, Stock], env: dict[str, Array], full: Full, shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """Next stocks for every shock draw [..., draw, a, point, stock], and the draws' weights."""
    draws: list[tuple[dict[str, float], float]] = [({}, 1.0)]
    for name, stock in moving.items():
        if stock.shock is not None:
            draws = [
                (z | {name: node}, w * weight)
                for z, w in draws
                for node, weight in zip(HERMITE["nodes"], HERMITE["weights"], strict=True)
            ]
    means = {name: full(stock.next) for name, stock in moving.items()}
    found = []
    for z, _ in draws:
        axes = []
        for name, stock in moving.items():
            x = means[name]
            if name in z and stock.shock is not None:
                x = x + z[name] * jnp.asarray(evaluate(stock.shock, env, jnp), float)
            axes.append(jnp.clip(x, stock.low, stock.high))
        found.append(jnp.stack(axes, -1) if axes else jnp.zeros((*shape, 0)))
    return jnp.stack(found, axis=-4), jnp.array([w for _, w in draws])


def _branches(game: Game, views: Views, full: Full, shape: tuple[int, ...]) -> Array | None:
    """Probability of each next phase combination; None when phases never move."""
    s = game.scenario
    count = views.next_phases.shape[0]
    if count == 1:
        return None
    out = [jnp.ones(shape) for _ in range(count)]
    for k, phase in enumerate(s.phases.values()):
        if not phase.next:
            continue
        moves = {phase.values.index(v): jnp.clip(full(f), 0.0, 1.0) for v, f in phase.next.items()}
        now = views.phases[k]
        # the rest of the probability stays where it is
        leaving = sum((jnp.where(now == j, 0.0, q) for j, q in moves.items()), jnp.zeros(shape))
        over = jnp.maximum(leaving, 1.0)
        for b in range(count):
            target = views.next_phases[b, k]
            p = jnp.where(target == now, 1.0 - leaving / over, 0.0)
            for j, q in moves.items():
                p = jnp.where((target == j) & (now != j), q / over, p)
            out[b] = out[b] * p
    used = [views.next_used[b] for b in range(count)]
    return jnp.stack([jnp.where(u, q, 0.0) for u, q in zip(used, out, strict=True)], axis=-3)
