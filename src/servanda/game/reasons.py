"""What holds a party to its word in a period, and does it choose at all?

In: one group's moves at exact states (`states.Position`). Out: `Reasons`: at the node at which a
party bound by a duty decides, its best way of keeping all its duties minus its best way of
breaking one, Q(keep) - Q(break), with Q as the choice rule has it; how often duties that are due
are done; which decisions are choices, and which of these are tosses of a coin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from servanda.game.build import Game
from servanda.game.choice import Policy, Stage, masks, stages
from servanda.game.positions import Group
from servanda.game.states import Position

EVEN = 0.1
"""Options whose probabilities differ by no more than this are as good as tossed for."""


class Reasons(NamedTuple):
    """By position [..., n], or over time [period, ...]; then `slack`, `pays`, `honoured` and `even`
    are means where the node, the duty or the choice is there (NaN: never)."""

    slack: Float[Array, "*period node channel"]  # Q(keep) - Q(break), in channels' units
    pays: Float[Array, "*period node"]  # the probability that breaking pays: slack below 0
    node: Float[Array, "*period node"]  # of a party being able to keep and to break
    honoured: Float[Array, "*period obligation"]  # of doing what a duty asks where it is due
    due: Float[Array, "*period obligation"]  # of a duty being due
    even: Float[Array, "*period decision"]  # of options being about equally likely in a choice
    choice: Float[Array, "*period decision"]  # of a decision with at least two options open
    offered: Float[Array, "*period decision option"]  # of an option being open in such a choice
    taken: Float[Array, "*period decision option"]  # of an option being taken in such a choice


@dataclass(frozen=True)
class Node:
    """Where a party decides, at one stage of the order of play, about something it promised."""

    party: int
    stage: int  # of `Scenario.stages`
    decisions: tuple[int, ...]  # that its duties are about


def nodes(game: Game) -> tuple[Node, ...]:
    """The nodes at which duties of the deals are kept or broken, in order of play."""
    offers = [v.proposal for v in game.variants if v.proposal is not None]
    named = {name for p in offers for name in p.obligations}
    found: dict[tuple[int, int], set[int]] = {}
    for k, stage in enumerate(game.scenario.stages):
        for name in game.scenario.obligations:
            duty = game.scenario.obligations[name]
            own = {d for d, _ in duty.options if d in stage}
            # what falls due on a breach is not broken while the deal is in force
            if name in named and duty.due is None and own:
                found.setdefault((k, game.parties.index(duty.party)), set()).update(own)
    return tuple(Node(i, k, tuple(sorted(own))) for (k, i), own in found.items())


def reasons_at(game: Game, group: Group, z: Position, row: Array) -> Reasons:
    """`Reasons` of paths at rows [n] of a group, weighed by the probability of coming to a node."""
    plan = stages(game, group)
    n = row.shape[0]
    values, reach = _staged(z.worth, plan, z.policy)
    slack, pays, there = [], [], []
    for node in nodes(game):
        at = [k for k, stage in enumerate(plan) if set(stage.decisions) & set(node.decisions)]
        if not at:
            slack.append(jnp.zeros((z.worth.shape[0], n)))
            pays.append(jnp.zeros(n))
            there.append(jnp.zeros(n))
            continue
        k = at[0]
        own, can = _slack(game, group, node, plan[k], z, z.policy[k], values[k], row)
        total = own[node.party]
        weight = reach[k] * can
        slack.append(jnp.sum(jnp.where(can, own, 0.0) * weight, axis=1))
        pays.append(jnp.sum(jnp.where(total < 0, weight, 0.0), axis=0))
        there.append(jnp.sum(weight, axis=0))
    honoured, due = _duties(game, group, z, row)
    even, choice, offered, taken = _habits(game, group, plan, z, reach)
    channels = z.worth.shape[0]
    return Reasons(
        jnp.stack(slack) if slack else jnp.zeros((0, channels, n)),
        jnp.stack(pays) if pays else jnp.zeros((0, n)),
        jnp.stack(there) if there else jnp.zeros((0, n)),
        honoured,
        due,
        even,
        choice,
        offered,
        taken,
    )


def nowhere(game: Game, channels: int, n: int) -> Reasons:
    """`Reasons` of paths of which nothing is known yet."""
    some, width = len(nodes(game)), max([len(d.options) for d in game.scenario.decisions] or [1])
    duties, decisions = len(game.scenario.obligations), len(game.scenario.decisions)
    return Reasons(
        jnp.zeros((some, channels, n)),
        jnp.zeros((some, n)),
        jnp.zeros((some, n)),
        jnp.zeros((duties, n)),
        jnp.zeros((duties, n)),
        jnp.zeros((decisions, n)),
        jnp.zeros((decisions, n)),
        jnp.zeros((decisions, width, n)),
        jnp.zeros((decisions, width, n)),
    )


def given(sums: Reasons, alive: Array) -> Reasons:
    """Means from weighted sums [..., start] of a period; `alive` [start] is the weight of all."""

    def per(x: Array, weight: Array) -> Array:
        return jnp.where(weight > 0, x / jnp.where(weight > 0, weight, 1.0), jnp.nan)

    return Reasons(
        per(sums.slack, sums.node[:, None]),
        per(sums.pays, sums.node),
        per(sums.node, alive),
        per(sums.honoured, sums.due),
        per(sums.due, alive),
        per(sums.even, sums.choice),
        per(sums.choice, alive),
        per(sums.offered, alive),
        per(sums.taken, alive),
    )


def _staged(
    q: Float[Array, "channel a n"], plan: tuple[Stage, ...], policy: Policy
) -> tuple[list[Array], list[Array]]:
    """Every stage's values Q [channel, before, size, n], all later stages collapsed, and the
    probability [before, n] of what was played before it."""
    values: list[Array] = []
    for stage, p in zip(reversed(plan), reversed(policy), strict=True):
        q = q.reshape(q.shape[0], stage.before, stage.size, q.shape[-1])
        values.insert(0, q)
        q = jnp.sum(p[None] * q, axis=-2)
    reach: list[Array] = []
    chance = jnp.ones((1, q.shape[-1]))
    for stage, p in zip(plan, policy, strict=True):
        reach.append(chance)
        flat = (chance[:, None] * p).reshape(stage.before * stage.size, -1)
        chance = jnp.broadcast_to(flat, (flat.shape[0], q.shape[-1]))
    return values, reach


def _own_first(x: Array, stage: Stage, own: list[int]) -> Array:
    """[..., before, size, n] as [..., before, own choices, others' choices, n]."""
    lead, n = x.shape[:-2], x.shape[-1]
    x = x.reshape(*lead, *stage.sizes, n)
    base = len(lead)
    others = [k for k in range(len(stage.sizes)) if k not in own]
    x = x.transpose(
        [*range(base), *(base + k for k in own), *(base + k for k in others), x.ndim - 1]
    )
    return x.reshape(*lead, int(np.prod([stage.sizes[k] for k in own])), -1, n)


def _open(group: Group, stage: Stage, z: Position, n: int) -> list[Bool[Array, "..."]]:
    """Which options of each of a stage's decisions can be taken, [before, *sizes, n]."""
    full = (stage.before, *stage.sizes, n)
    return [
        jnp.ones(full, bool) if ok is None else jnp.broadcast_to(ok, full)
        for ok in masks(group, stage, z.allowed, z.open)
    ]


def _slack(
    game: Game,
    group: Group,
    node: Node,
    stage: Stage,
    z: Position,
    policy: Float[Array, "before size n"],
    q: Float[Array, "channel before size n"],
    row: Array,
) -> tuple[Float[Array, "channel before n"], Bool[Array, "before n"]]:
    """Best way of keeping minus best way of breaking, and where both can be done."""
    n = q.shape[-1]
    own = [k for k, party in enumerate(stage.parties) if party == node.party]
    policy = jnp.broadcast_to(policy, (stage.before, stage.size, n))
    # what the others do in the same bracket does not hang on what this party does
    others = jnp.sum(_own_first(policy, stage, own), axis=1, keepdims=True)
    mine = jnp.sum(_own_first(q, stage, own) * others, axis=-2)  # [channel, before, own, n]
    can = jnp.ones((stage.before, *stage.sizes, n), bool)
    for k, ok in enumerate(_open(group, stage, z, n)):
        can = can & ok if k in own else can
    can = _own_first(can.reshape(stage.before, stage.size, n), stage, own)[:, :, 0]
    breaks = jnp.moveaxis(jnp.asarray(_breaks(game, group, node, stage, own))[row], 0, -1)
    total = mine[node.party]
    ways = []
    for way in (can & ~breaks, can & breaks):
        best = jnp.argmax(jnp.where(way, total, -jnp.inf), axis=1)
        value = jnp.take_along_axis(mine, best[None, :, None], axis=2)[:, :, 0]
        ways.append((value, way.any(axis=1)))
    (keep, kept), (leave, left) = ways
    return keep - leave, kept & left


def _breaks(
    game: Game, group: Group, node: Node, stage: Stage, own: list[int]
) -> Bool[np.ndarray, "row before own"]:
    """Which of a party's choices at a stage break a duty of its, whatever is played later."""
    duties = list(game.scenario.obligations.values())
    mine = [k for k, o in enumerate(duties) if game.parties.index(o.party) == node.party]
    rows = np.arange(len(group.rows))[:, None]
    broken = group.breached[rows, group.pattern][..., mine].any(axis=-1)  # [row, a]
    x = broken.reshape(len(rows), stage.before, *stage.sizes, stage.after)
    others = tuple(2 + k for k in range(len(stage.sizes)) if k not in own)
    x = x.all(axis=(*others, x.ndim - 1))
    return x.reshape(len(rows), stage.before, -1)


def _duties(game: Game, group: Group, z: Position, row: Array) -> tuple[Array, Array]:
    """[obligation, n] the probability that a duty is due and done, and that it is due."""
    duties = list(game.scenario.obligations.values())
    if not duties:
        nothing = jnp.zeros((0, row.shape[0]))
        return nothing, nothing
    met = np.zeros((len(duties), group.moves), bool)
    for k, o in enumerate(duties):
        for d, option in o.options:
            met[k] |= group.joint[:, d] == option
    never = np.array([o.kind == "never" for o in duties])
    done = np.where(never[:, None], ~met, met)
    settings = group.settings
    due = np.where(never, settings.active, settings.due_now)[group.setting]
    now = jnp.asarray(due)[row].T * 1.0
    return now * jnp.einsum("oa,an->on", jnp.asarray(done) * 1.0, z.probability), now


def _habits(
    game: Game, group: Group, plan: tuple[Stage, ...], z: Position, reach: list[Array]
) -> tuple[Array, Array, Array, Array]:
    """[decision, n] tossed for, chosen, and [decision, option, n] open and taken in a choice.

    That no option can be taken is no option here.
    """
    n = z.worth.shape[-1]
    decisions = game.scenario.decisions
    width = max([len(d.options) for d in decisions] or [1])
    even, choice = jnp.zeros((2, len(decisions), n))
    offered, taken = jnp.zeros((2, len(decisions), width, n))
    for stage, p, before in zip(plan, z.policy, reach, strict=True):
        p = jnp.broadcast_to(p, (stage.before, stage.size, n))
        for k, (d, ok) in enumerate(zip(stage.decisions, _open(group, stage, z, n), strict=True)):
            each = _own_first(p, stage, [k]).sum(axis=2)  # [before, option, n]
            can = _own_first(ok.reshape(stage.before, stage.size, n), stage, [k])[:, :, 0]
            least = jnp.min(jnp.where(can, each, jnp.inf), axis=1)
            most = jnp.max(jnp.where(can, each, -jnp.inf), axis=1)
            free = jnp.where(can.sum(axis=1) > 1, before, 0.0)  # [before, n]
            choice = choice.at[d].set(free.sum(axis=0))
            even = even.at[d].set(jnp.where(most - least <= EVEN, free, 0.0).sum(axis=0))
            named = [j for j, o in enumerate(group.options[d]) if o < len(decisions[d].options)]
            options = jnp.asarray([group.options[d][j] for j in named])
            there = jnp.sum(free[:, None] * can, axis=0)[jnp.asarray(named)]
            played = jnp.sum(free[:, None] * each, axis=0)[jnp.asarray(named)]
            offered = offered.at[d, options].set(there)
            taken = taken.at[d, options].set(played)
    return even, choice, offered, taken
