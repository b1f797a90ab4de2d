"""Whom does each actor challenge, what is proposed, what is agreed, turn by turn, to what end?

The multi-dimensional spatial model of politics with risk attitudes, as in KTAB's SMP. Each turn:
utilities from distance and risk attitude, the most profitable challenge of every actor, the bargain
that a challenge leads to, and for every actor a probabilistic Condorcet election over the bargains
that touch it. Many runs are computed at once. Formulas and sources are in docs/spatial.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int

from servanda.errors import QuestionError, unknown
from servanda.tables.spatial.election import ELECTIONS, condorcet
from servanda.tables.spatial.table import Table
from servanda.tables.spatial.voting import VICTORY, VOTING, coalition_strengths, response

MAX_ACTORS: Final = 100
MAX_RUNS: Final = 10_000
MAX_TURNS: Final = 1000
MAX_WORK: Final = 2e11
"""Runs times turns times actors cubed: about an hour."""
_CHUNK: Final = 500_000  # numbers in one array

WORTHWHILE: Final = 1e-5  # a smaller expected gain is no reason to challenge (KTAB)
_LEAST_SUPPORT: Final = 1e-10  # of either side of a challenge (KTAB)
_LEAST_PULL: Final = 1e-6  # of a position on its holder in a bargain (KTAB)
_LEAST_MOVE: Final = 1e-4  # added to the first move in the rule to stop (KTAB)
SAME: Final = 1e-3  # positions nearer than this, on scales of 0 to 1, are one position (KTAB)

RISK_RANGE: Final = ("min", "mid", "max")
RISK_ESTIMATE: Final = {
    "full": 0.0,
    "two-thirds": 1 / 3,
    "half": 1 / 2,
    "one-third": 2 / 3,
    "none": 1.0,
}
"""The share of its own risk attitude that an actor reads into others."""
THIRD_PARTY: Final = ("full", "semi", "none")
INTERPOLATION: Final = ("s1p1", "s2p2", "s2pmax")
BARGAINS: Final = ("initiator", "both", "compromise")
RECEIVER: Final = ("probability", "gain")
COMPROMISE: Final = ("influence", "salience")
TRANSITION: Final = ("stochastic", "deterministic")
ROUNDING: Final = ("four", "none")


@dataclass(frozen=True)
class Bargaining:
    """The choices the published model leaves open; the defaults are those of KTAB's example.

    Every name and what it stands for is in docs/spatial.md.
    """

    voting: str = "prop-cubic"
    victory: str = "linear"
    election: str = "markov-incentive"
    transition: str = "stochastic"
    risk_range: str = "mid"
    risk_estimate: str = "one-third"
    third_party: str = "semi"
    interpolation: str = "s2p2"
    bargains: str = "initiator"
    receiver: str = "probability"
    compromise: str = "influence"
    rounding: str = "four"

    def __post_init__(self) -> None:
        for choice, names in CHOICES.items():
            if getattr(self, choice) not in names:
                raise unknown(choice.replace("_", " "), str(getattr(self, choice)), names)


CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "voting": tuple(VOTING),
    "victory": VICTORY,
    "election": ELECTIONS,
    "transition": TRANSITION,
    "risk_range": RISK_RANGE,
    "risk_estimate": tuple(RISK_ESTIMATE),
    "third_party": THIRD_PARTY,
    "interpolation": INTERPOLATION,
    "bargains": BARGAINS,
    "receiver": RECEIVER,
    "compromise": COMPROMISE,
    "rounding": ROUNDING,
}

REPLICATIONS: Final[dict[str, Bargaining]] = {
    "ktab-example": Bargaining(receiver="gain", compromise="salience"),
    "ktab-soe": Bargaining(
        voting="proportional",
        election="conditional",
        transition="deterministic",
        receiver="gain",
        compromise="salience",
    ),
}
"""Published runs by name: KTAB's reference logs smpExample and SOE-Pol-Comp of 30 May 2017."""


@dataclass(frozen=True, eq=False)
class Turn:
    """What happens between one state and the next; every array has a leading axis of runs.

    Bargain b < n is the one that actor b proposes; under `bargains="both"` bargain n + b is the
    same challenge as its target sees it. Option 0 of every actor is to stay where it is; option
    1 + b is bargain b. A view is i's (0) or its target's (1); a side is i (0) or its target (1).
    """

    value: Float[np.ndarray, "run actor rival"]  # 1 − d, before risk
    neutral: Float[np.ndarray, "run actor"]  # election among positions, nobody taking risks
    risk: Float[np.ndarray, "run actor"]
    utility: Float[np.ndarray, "run estimator actor rival"]
    probability: Float[np.ndarray, "run view actor rival"]  # that i beats j, as i or as j sees it
    gain: Float[np.ndarray, "run view side actor rival"]  # expected of i's challenging j
    target: Int[np.ndarray, "run actor"]  # −1: nobody is worth challenging
    proposal: Float[np.ndarray, "run view side actor dimension"]
    utility_of: Float[np.ndarray, "run actor option"]  # of the state that an option leads to
    offered: Bool[np.ndarray, "run actor option"]  # to whom
    chance: Float[np.ndarray, "run actor option"]
    chosen: Int[np.ndarray, "run actor"]
    position: Float[np.ndarray, "run actor dimension"]  # afterwards, on scales of 0 to 1
    ideal: Float[np.ndarray, "run actor dimension"]


@dataclass(frozen=True, eq=False)
class History:
    """Positions over turns, from 0 (as given); a run that has settled stays where it is."""

    actors: tuple[str, ...]
    dimensions: tuple[str, ...]
    position: Float[np.ndarray, "turn run actor dimension"]  # in the units of the table
    ideal: Float[np.ndarray, "turn run actor dimension"]
    risk: Float[np.ndarray, "turn run actor"]
    target: Int[np.ndarray, "turn run actor"]
    length: Int[np.ndarray, " run"]  # turns played
    settled: Bool[np.ndarray, " run"]  # stopped because little moved any more
    options: Bargaining
    seed: int

    def mean(self, influence: Float[np.ndarray, "actor dimension"]) -> np.ndarray:
        """The mean position weighted by influence, shape [turn, run, dimension]."""
        result: np.ndarray = (self.position * influence).sum(2) / influence.sum(0)
        return result

    def to_dataframe(self) -> Any:
        """One row per turn, run and actor."""
        import pandas as pd

        turns, runs, _, _ = self.position.shape
        index = pd.MultiIndex.from_product(
            [range(turns), range(runs), self.actors], names=["turn", "run", "actor"]
        )
        columns = {
            name: self.position[..., k].reshape(-1) for k, name in enumerate(self.dimensions)
        }
        return pd.DataFrame(columns, index=index)


def distance(
    ideal: Float[np.ndarray, "*run actor dimension"],
    position: Float[np.ndarray, "*run option dimension"],
    salience: Float[np.ndarray, "*run actor dimension"],
) -> Float[np.ndarray, "*run actor option"]:
    """d_ij = √(Σ_k s_ik² (x_ik − y_jk)² / Σ_k s_ik²): how far an option is, in an actor's eyes."""
    square = np.zeros((*ideal.shape[:-1], position.shape[-2]))
    for k in range(ideal.shape[-1]):
        apart = ideal[..., :, k, None] - position[..., None, :, k]
        square += (salience[..., :, k, None] * apart) ** 2
    result: np.ndarray = np.sqrt(square / (salience**2).sum(-1)[..., None])
    return result


def utility(
    distance: Float[np.ndarray, "*any"], risk: Float[np.ndarray, "*any"] | float
) -> Float[np.ndarray, "*any"]:
    """u = (1 − d)(1 + d R), and (1 − d)(1 + R) past d = 1; R from −1 (averse) to 1 (seeking)."""
    return (1 - distance) * (1 + np.minimum(distance, 1.0) * risk)


def risk_attitudes(
    probability: Float[np.ndarray, "*run actor"], range_: str = "mid"
) -> Float[np.ndarray, "*run actor"]:
    """R from an actor's chance to win: the safest takes most risk, the most exposed least.

    With p scaled to q from 0 (least) to 1 (most): `min` R = q, `mid` R = (3 q − 1) / 2, `max`
    R = 2 q − 1. If all chances are alike nobody takes risks (KTAB divides by zero there).
    """
    if range_ not in RISK_RANGE:
        raise unknown("risk range", range_, RISK_RANGE)
    low = probability.min(-1, keepdims=True)
    spread = probability.max(-1, keepdims=True) - low
    alike = spread <= 1e-12
    q = (probability - low) / np.where(alike, 1.0, spread)
    steep, down = {"min": (1.0, 0.0), "mid": (1.5, 0.5), "max": (2.0, 1.0)}[range_]
    return np.where(alike, 0.0, steep * q - down)


def challenges(
    estimated: Float[np.ndarray, "run estimator actor rival"],
    view: int,
    influence: Float[np.ndarray, "run actor"],
    resistance: Float[np.ndarray, "run actor"],
    options: Bargaining,
) -> tuple[Float[np.ndarray, "run actor rival"], Float[np.ndarray, "run side actor rival"]]:
    """If i challenges j: the probability that i wins, and the expected gain to i and to j.

    As i itself (`view` 0) or as j (1) sees it, by `estimated`[h, n, m], the utility of m's position
    to n in h's eyes. `influence` is capability times total salience, `resistance` total salience.

    The principals vote between their two positions. A third party n looks at the contest of the
    three, in which i's side wins with probability p. If it is `semi` committed it joins i when
    p (u_nn − u_ni) > (1 − p) (u_nn − u_nj): on the winning side it keeps its own position. Under
    `full` and `none` the two cases are equal in KTAB's formulas, and third parties stay out.

    A target resists with a probability of its salience; if it does not it adopts the challenger's
    position, and if it does the loser adopts the winner's.
    """
    by_holder = np.swapaxes(estimated, -1, -2)  # estimator h, holder m, voter n
    if view == 0:  # h = i
        mine = np.einsum("rhhn->rhn", by_holder)[:, :, None, :]
        theirs = by_holder
        own = np.einsum("rhnn->rhn", estimated)[:, :, None, :]
    else:  # h = j
        mine = np.swapaxes(by_holder, 1, 2)
        theirs = np.einsum("rhhn->rhn", by_holder)[:, None, :, :]
        own = np.einsum("rhnn->rhn", estimated)[:, None, :, :]
    w = influence[:, None, None, :]
    vote = w * response(options.voting, mine - theirs)
    by_i, by_j = np.einsum("riji->rij", vote), np.einsum("rijj->rij", vote)
    for_i = _LEAST_SUPPORT + np.maximum(by_i, 0) + np.maximum(by_j, 0)
    for_j = _LEAST_SUPPORT + np.maximum(-by_i, 0) + np.maximum(-by_j, 0)
    if options.third_party == "semi":
        p = for_i[..., None] + np.maximum(vote, 0)
        p /= p + for_j[..., None] + np.maximum(-vote, 0)
        vote = w * response(options.voting, p * (own - mine) - (1 - p) * (own - theirs))
        np.einsum("riji->rij", vote)[...] = 0.0
        np.einsum("rijj->rij", vote)[...] = 0.0
        for_i = for_i + np.maximum(vote, 0).sum(-1)
        for_j = for_j + np.maximum(-vote, 0).sum(-1)
    chance = for_i / (for_i + for_j)

    full = np.broadcast_to(mine, vote.shape), np.broadcast_to(theirs, vote.shape)
    won = resistance[:, None, :] * (1 - chance)  # the probability that the challenge fails
    gain = np.empty((chance.shape[0], 2, *chance.shape[1:]))
    for side, diagonal in enumerate(("riji->rij", "rijj->rij")):
        at_i, at_j = (np.einsum(diagonal, u) for u in full)
        gain[:, side] = (1 - 2 * won) * (at_i - at_j)
    return chance, gain


def interpolate(
    mine: Float[np.ndarray, "*run dimension"],
    theirs: Float[np.ndarray, "*run dimension"],
    salience: Float[np.ndarray, "*run dimension"],
    rival_salience: Float[np.ndarray, "*run dimension"],
    pull: Float[np.ndarray, "*run"],
    rival_pull: Float[np.ndarray, "*run"],
    options: Bargaining,
) -> tuple[Float[np.ndarray, "*run dimension"], Float[np.ndarray, "*run dimension"]]:
    """The bargain of a challenge: a new position for the challenger and one for its target.

    `s1p1`, `s2p2`: both at the mean weighted by (salience × pull)^m, m = 1 or 2, where the pulls
    are the probabilities of winning; 1e-6 on either side keeps two that do not care apart.
    `s2pmax`: each moves towards the other by the amount the other is likelier to win.
    """
    a, b = pull[..., None], rival_pull[..., None]
    if options.interpolation == "s2pmax":
        s, t = salience**2, rival_salience**2
        back, forth = np.maximum(b - a, 0), np.maximum(a - b, 0)
        step = back * t / (back * t + _LEAST_PULL + (1 - back) * s)
        rival_step = forth * s / (forth * s + _LEAST_PULL + (1 - forth) * t)
        return mine + step * (theirs - mine), theirs + rival_step * (mine - theirs)
    m = 1 if options.interpolation == "s1p1" else 2
    w, v = (salience * a) ** m, (rival_salience * b) ** m
    whole = w + _LEAST_PULL + v
    new = ((w + _LEAST_PULL) * mine + v * theirs) / whole
    rival_new = (w * mine + (_LEAST_PULL + v) * theirs) / whole
    if options.rounding == "four":
        new, rival_new = (np.floor(0.5 + x * 1e4) / 1e4 for x in (new, rival_new))
    return new, rival_new


def one_turn(
    position: Float[np.ndarray, "run actor dimension"],
    ideal: Float[np.ndarray, "run actor dimension"],
    salience: Float[np.ndarray, "run actor dimension"],
    capability: Float[np.ndarray, "run actor"],
    options: Bargaining,
    *,
    draw: Float[np.ndarray, "run actor"] | None = None,
    choice: Int[np.ndarray, "run actor"] | None = None,
    accommodation: Float[np.ndarray, "actor actor"] | None = None,
) -> Turn:
    """One turn, on scales of 0 to 1.

    `draw` are numbers from 0 to 1 that choose among the bargains (`stochastic`); `choice` sets the
    options chosen, to replay a run. Total salience is at most 1.
    """
    runs, n, _ = position.shape
    at, rows = np.arange(n), np.arange(runs)[:, None]
    d = distance(ideal, position, salience)
    strength = coalition_strengths(1 - d, capability, options.voting)
    neutral = condorcet(strength, model=options.election, victories=options.victory)
    risk = risk_attitudes(neutral, options.risk_range)
    own = RISK_ESTIMATE[options.risk_estimate]
    attributed = own * risk[:, :, None] + (1 - own) * risk[:, None, :]  # estimator, actor
    u = utility(d[:, None], attributed[..., None])

    resistance = salience.sum(-1)
    influence = capability * resistance
    both_views = options.bargains != "initiator"
    found = [challenges(u, view, influence, resistance, options) for view in range(1 + both_views)]
    probability = np.stack([p for p, _ in found], 1)
    gain = np.stack([g for _, g in found], 1)

    to_i = gain[:, 0, 0].copy()
    to_i[:, at, at] = -np.inf
    target = to_i.argmax(-1)
    worth = np.take_along_axis(to_i, target[..., None], -1)[..., 0] > WORTHWHILE
    target = np.where(worth, target, -1)
    j = np.where(worth, target, at)  # a stand-in where there is no target

    proposal = np.empty((runs, 1 + both_views, 2, *position.shape[1:]))
    for view in range(1 + both_views):
        p = probability[:, view][rows, at, j]
        if view == 1 and options.receiver == "gain":
            p = gain[:, 1, 0][rows, at, j]
        new = interpolate(
            position, position[rows, j], salience, salience[rows, j], p, 1 - p, options
        )
        proposal[:, view, 0], proposal[:, view, 1] = new
    if options.bargains == "compromise":
        by = influence if options.compromise == "influence" else resistance
        w, v = by[..., None], by[rows, j][..., None]
        mean = [(w * proposal[:, 0, side] + v * proposal[:, 1, side]) / (w + v) for side in (0, 1)]
        proposal = np.stack(mean, 1)[:, None]

    views = proposal.shape[1]
    offered = np.zeros((runs, n, 1 + views * n), dtype=bool)
    offered[:, :, 0] = True
    now = utility(d, risk[..., None])
    utility_of = np.repeat(now.mean(-1)[..., None], 1 + views * n, -1)
    leaves = now + np.take_along_axis(now, np.broadcast_to(j[:, None, :], now.shape), -1)
    for view in range(views):
        bargain = 1 + view * n + at
        offered[:, at, bargain] = worth
        offered[rows, j, bargain] |= worth
        after = [
            utility(distance(ideal, proposal[:, view, side], salience), risk[..., None])
            for side in (0, 1)
        ]
        utility_of[..., bargain] += (after[0] + after[1] - leaves) / n

    chance = _elect(utility_of, offered, capability, options)
    if choice is not None:
        chosen = choice
    elif options.transition == "deterministic":
        chosen = chance.argmax(-1)
    else:
        if draw is None:
            raise QuestionError("a stochastic turn needs its random draws")
        below = np.cumsum(chance, -1) <= draw[..., None]
        last = chance.shape[-1] - 1 - (chance[..., ::-1] > 0).argmax(-1)
        chosen = np.minimum(below.sum(-1), last)
    agreed = position.copy()
    for view in range(views):
        proposer = chosen - 1 - view * n
        mine = (proposer >= 0) & (proposer < n)
        b = np.where(mine, proposer, 0)
        side = (b != at).astype(int)
        moved = proposal[:, view][rows, side, b]
        agreed = np.where(mine[..., None], moved, agreed)
    wanted = agreed
    if accommodation is not None:
        wanted = accommodation @ agreed + (1 - accommodation.sum(1))[:, None] * ideal
    return Turn(
        1 - d, neutral, risk, u, probability, gain, target, proposal,
        utility_of, offered, chance, chosen, agreed, wanted,
    )  # fmt: skip


def _elect(
    utility_of: Float[np.ndarray, "run actor option"],
    offered: Bool[np.ndarray, "run actor option"],
    capability: Float[np.ndarray, "run actor"],
    options: Bargaining,
) -> Float[np.ndarray, "run actor option"]:
    """For every actor the election among the bargains it is offered, all actors voting."""
    strength = coalition_strengths(utility_of, capability, options.voting)
    order = np.argsort(~offered, axis=-1, kind="stable")[..., : offered.sum(-1).max()]
    there = np.take_along_axis(offered, order, -1)
    run = np.arange(offered.shape[0])[:, None, None, None]
    small = strength[run, order[..., :, None], order[..., None, :]]
    chance = np.zeros(offered.shape)
    found = condorcet(small, model=options.election, victories=options.victory, present=there)
    np.put_along_axis(chance, order, found, -1)
    return chance


def position_probabilities(
    position: Float[np.ndarray, "actor dimension"],
    ideal: Float[np.ndarray, "actor dimension"],
    salience: Float[np.ndarray, "actor dimension"],
    capability: Float[np.ndarray, " actor"],
    options: Bargaining,
) -> Float[np.ndarray, " actor"]:
    """The chance of every actor's position in an election among those that differ, risk and all.

    Positions nearer than `SAME` are one, and everybody who holds it gets its probability, so that
    the sum may pass one.
    """
    d = distance(ideal, position, salience)
    strength = coalition_strengths(1 - d, capability, options.voting)
    neutral = condorcet(strength, model=options.election, victories=options.victory)
    u = utility(d, risk_attitudes(neutral, options.risk_range)[:, None])
    near = np.sqrt(((position[:, None] - position) ** 2).sum(-1)) < SAME
    kept: list[int] = []
    for i in range(len(position)):
        if not near[i, kept].any():
            kept.append(i)
    strength = coalition_strengths(u[:, kept], capability, options.voting)
    p = condorcet(strength, model=options.election, victories=options.victory)
    found: np.ndarray = p[[int(np.flatnonzero(near[i, kept])[-1]) for i in range(len(position))]]
    return found


def bargain(
    table: Table,
    options: Bargaining | str | None = None,
    *,
    runs: int = 1,
    seed: int = 0,
    turns: int = 100,
    least_turns: int = 2,
    quiet: float = 0.02,
    progress: Callable[[int, int, str], None] | None = None,
) -> History:
    """Play the spatial model from the table on; `options` may name one of `REPLICATIONS`.

    A run stops after `least_turns` turns as soon as its actors' summed moves are below `quiet` of
    those of the first turn, or after `turns`. Run r of a seed is the same whatever `runs` is.

    Raises QuestionError if a salience adds up to more than 1, or the work is too much.
    """
    chosen = options_of(options)
    _check(table, runs, seed, turns)
    n, k = table.position.shape
    played = play(
        np.broadcast_to(table.scaled, (runs, n, k)),
        np.broadcast_to(table.salience, (runs, n, k)),
        np.broadcast_to(table.capability, (runs, n)),
        chosen,
        draws=np.arange(runs),
        seed=seed,
        turns=turns,
        least_turns=least_turns,
        quiet=quiet,
        accommodation=table.accommodation,
        progress=progress,
    )
    return History(
        actors=table.actors,
        dimensions=table.dimensions,
        position=table.unscaled(np.stack(played.positions)),
        ideal=table.unscaled(np.stack(played.ideals)),
        risk=np.stack(played.risks),
        target=np.stack(played.targets),
        length=played.length,
        settled=played.settled,
        options=chosen,
        seed=seed,
    )


@dataclass(frozen=True)
class Played:
    """Histories on scales of 0 to 1: one array a turn."""

    positions: Sequence[Float[np.ndarray, "run actor dimension"]]
    ideals: Sequence[Float[np.ndarray, "run actor dimension"]]
    risks: Sequence[Float[np.ndarray, "run actor"]]
    targets: Sequence[Int[np.ndarray, "run actor"]]
    length: Int[np.ndarray, " run"]
    settled: Bool[np.ndarray, " run"]


def play(
    position: Float[np.ndarray, "run actor dimension"],
    salience: Float[np.ndarray, "run actor dimension"],
    capability: Float[np.ndarray, "run actor"],
    options: Bargaining,
    *,
    draws: Int[np.ndarray, " run"],
    seed: int,
    turns: int,
    least_turns: int = 2,
    quiet: float = 0.02,
    accommodation: Float[np.ndarray, "actor actor"] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Played:
    """Play many histories; runs of the same number in `draws` share their random draws."""
    runs, n, _ = position.shape
    positions, ideals = [position], [position]
    risks: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    length = np.zeros(runs, dtype=int)
    settled, active = np.zeros(runs, dtype=bool), np.ones(runs, dtype=bool)
    first = np.zeros(runs)
    together = max(1, _CHUNK // n**3)
    for t in range(turns):
        if not active.any():
            break
        if progress is not None:
            progress(t, turns, f"Turn {t + 1}")
        draw = np.random.default_rng((seed, t)).random((int(draws.max()) + 1, n))[draws]
        x, y = positions[-1].copy(), ideals[-1].copy()
        risk = risks[-1].copy() if risks else np.zeros((runs, n))
        target = np.full((runs, n), -1)
        todo = np.flatnonzero(active)
        for some in np.array_split(todo, -(-len(todo) // together)):
            done = one_turn(
                positions[-1][some],
                ideals[-1][some],
                salience[some],
                capability[some],
                options,
                draw=draw[some],
                accommodation=accommodation,
            )
            x[some], y[some], risk[some] = done.position, done.ideal, done.risk
            target[some] = done.target
        moved = np.sqrt(((x - positions[-1]) ** 2).sum(-1)).sum(-1)
        first = moved if t == 0 else first
        length[active] = t + 1
        still = moved < quiet * (first + _LEAST_MOVE)
        stop = active & still & (t + 1 >= least_turns)
        settled |= stop
        active &= ~stop
        positions.append(x)
        ideals.append(y)
        risks.append(risk)
        targets.append(target)
    return Played(positions, ideals, risks, targets, length, settled)


def options_of(options: Bargaining | str | None) -> Bargaining:
    """The options themselves, those of a replication by name, or the defaults."""
    if options is None:
        return Bargaining()
    if isinstance(options, str):
        if options not in REPLICATIONS:
            raise unknown("replication", options, REPLICATIONS)
        return REPLICATIONS[options]
    return options


def _check(table: Table, runs: int, seed: int, turns: int) -> None:
    n = len(table.actors)
    if n > MAX_ACTORS:
        raise QuestionError(f"{n} actors are more than the {MAX_ACTORS} this model is played with")
    if not 1 <= runs <= MAX_RUNS:
        raise QuestionError(f"runs {runs}: from 1 to {MAX_RUNS:,}")
    if not 1 <= turns <= MAX_TURNS:
        raise QuestionError(f"turns {turns}: from 1 to {MAX_TURNS:,}")
    if seed < 0:
        raise QuestionError(f"seed {seed}: a seed is a whole number from 0 on")
    if runs * turns * n**3 > MAX_WORK:
        raise QuestionError(
            f"{runs:,} runs of {turns} turns with {n} actors would take hours; ask for fewer"
        )
    for i in np.flatnonzero(table.salience.sum(1) > 1 + 1e-9):
        raise QuestionError(
            f"the salience of '{table.actors[i]}' adds up to {table.salience[i].sum():.3g} over "
            "the dimensions; in this model it is a share of the actor's attention, at most 1 in all"
        )
