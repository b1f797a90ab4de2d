"""On which inputs does the outcome hang, and how much?

In comes a table; every position, salience and capability is moved by itself, down and up, and the
outcome computed again: the mean, the median, the expected outcome of an election, or the mean at
the end of a whole history (with the same random draws). All moved tables are computed at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from servanda.errors import QuestionError, unknown
from servanda.tables.spatial import bargaining, challenge
from servanda.tables.spatial.bargaining import distance
from servanda.tables.spatial.centre import positions_held, weighted_median
from servanda.tables.spatial.election import condorcet
from servanda.tables.spatial.table import Table
from servanda.tables.spatial.voting import coalition_strengths, support

OUTCOMES: Final = ("mean", "median", "election", "challenge", "bargaining")
INPUTS: Final = ("position", "salience", "capability")
MAX_WORK: Final = 5e9
"""About a minute."""
_STEP: Final = 1e-6  # for slopes: of the scale, of a salience of one, of the capability
_CHUNK: Final = 2_000_000  # numbers in one array


@dataclass(frozen=True)
class Election:
    """How an election is held: names of `voting` and `election`, and what an actor's weight is."""

    voting: str = "proportional"
    victory: str = "linear"
    election: str = "markov-incentive"
    weights: str = "influence"


@dataclass(frozen=True)
class Moved:
    """Many versions of one table: scaled positions, salience and capability, one run each."""

    position: Float[np.ndarray, "run actor dimension"]
    salience: Float[np.ndarray, "run actor dimension"]
    capability: Float[np.ndarray, "run actor"]

    def some(self, which: Int[np.ndarray, " some"] | slice) -> Moved:
        """Some of the versions."""
        return Moved(self.position[which], self.salience[which], self.capability[which])

    @property
    def influence(self) -> Float[np.ndarray, "run actor dimension"]:
        return self.capability[..., None] * self.salience


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """How an outcome answers to every input.

    `low` and `high`: the outcome with the input moved down and up by `share` (of the scale for
    positions, of its own value for salience and capability; positions stay on the scale, salience
    within an actor's whole attention). `slope`: change of the outcome per unit of the input, below
    and above where it is now; the two differ where a position is also an option. Not a number for
    outcomes that jump: median, challenge, bargaining.
    """

    outcome: str
    share: float
    dimensions: tuple[str, ...]  # of the outcome
    inputs: tuple[tuple[str, str, str], ...]  # actor, kind, dimension ("" for capability)
    base: Float[np.ndarray, " dimension"]
    slope: Float[np.ndarray, "input 2 dimension"]
    low: Float[np.ndarray, "input dimension"]
    high: Float[np.ndarray, "input dimension"]
    error: Float[np.ndarray, "input dimension"]  # standard error of the larger move, over runs

    @property
    def swing(self) -> Float[np.ndarray, "input dimension"]:
        """The larger of the two moves of the outcome, as a distance."""
        result: np.ndarray = np.maximum(np.abs(self.low - self.base), np.abs(self.high - self.base))
        return result

    def to_dataframe(self) -> Any:
        """One row per input and dimension of the outcome, the largest swing first."""
        import pandas as pd

        rows = [
            (*self.inputs[i], name, *self.slope[i, :, k], self.low[i, k], self.high[i, k],
             self.swing[i, k], self.error[i, k])
            for i in range(len(self.inputs))
            for k, name in enumerate(self.dimensions)
        ]  # fmt: skip
        names = ["actor", "input", "of", "outcome", "slope below", "slope above", "low", "high",
                 "swing", "error"]  # fmt: skip
        frame = pd.DataFrame(rows, columns=names)
        return frame.sort_values("swing", ascending=False, kind="stable", ignore_index=True)


def expected_outcome(
    moved: Moved, options: Float[np.ndarray, "option dimension"], how: Election
) -> tuple[Float[np.ndarray, "run option"], Float[np.ndarray, "run dimension"]]:
    """The probability of every option, and the position to expect, on scales of 0 to 1.

    The options stay on the table, whoever's ideal moves: an election among fixed outcomes.
    """
    runs, actors = moved.capability.shape
    p = np.empty((runs, len(options)))
    size = max(1, _CHUNK // (actors * len(options) + len(options) ** 2))
    for begin in range(0, runs, size):
        some = moved.some(slice(begin, begin + size))
        d = distance(some.position, options, some.salience)
        w = some.influence.sum(-1) if how.weights == "influence" else some.capability
        strength = coalition_strengths(1 - d, w, how.voting)
        p[begin : begin + size] = condorcet(strength, model=how.election, victories=how.victory)
    return p, p @ options


def outcome_of_moves(
    table: Table,
    who: Int[np.ndarray, " run"],
    position: Float[np.ndarray, "run dimension"],
    salience: Float[np.ndarray, "run dimension"],
    capability: Float[np.ndarray, " run"],
    options: Float[np.ndarray, "option dimension"],
    how: Election,
) -> tuple[Float[np.ndarray, "run option"], Float[np.ndarray, "run dimension"]]:
    """`expected_outcome` of versions of the table in which one actor each is not as it was.

    The votes of all others are counted once for every actor that moves.
    """
    many = len(options)
    weight = table.influence.sum(1) if how.weights == "influence" else table.capability
    u = 1 - distance(table.scaled, options, table.salience)
    rest: dict[int, np.ndarray] = {}
    for i in map(int, np.unique(who)):
        others = np.arange(len(weight)) != i
        rest[i] = coalition_strengths(u[others], weight[others], how.voting)
    p = np.empty((len(who), many))
    size = max(1, _CHUNK // many**2)
    for begin in range(0, len(who), size):
        some = slice(begin, begin + size)
        d = distance(position[some, None], options, salience[some, None])[:, 0]
        w = capability[some] * (salience[some].sum(-1) if how.weights == "influence" else 1.0)
        strength = support(1 - d, w, how.voting)
        strength += np.stack([rest[int(i)] for i in who[some]])
        p[some] = condorcet(strength, model=how.election, victories=how.victory)
    return p, p @ options


def sensitivity(
    table: Table,
    outcome: str = "election",
    *,
    share: float = 0.1,
    election: Election | None = None,
    model: Any = None,
    runs: int = 20,
    turns: int = 30,
    seed: int = 0,
) -> Sensitivity:
    """Move every input by `share` down and up and see where the `outcome` goes.

    `outcome` is mean, median (the lower one, on every dimension), election (the expected position
    among the positions now held), challenge (the weighted mean after the last of `turns` rounds) or
    bargaining (the weighted mean after the last of `turns`, over `runs` histories). `model` are the
    options of the last two, or the name of a replication.

    Raises QuestionError for an unknown outcome, a share outside (0, 1], or too much work.
    """
    if outcome not in OUTCOMES:
        raise unknown("outcome", outcome, OUTCOMES)
    if not 0 < share <= 1:
        raise QuestionError(f"share {share:g}: how far inputs are moved, above 0 and at most 1")
    inputs = inputs_of(table)
    _check_work(table, outcome, len(inputs), runs, turns)
    measure = _measure(table, outcome, election or Election(), model, runs, turns, seed)
    moves = versions(table, share)
    many = len(inputs)
    each = measure(moves)  # run, history, dimension
    found = table.unscaled(each.mean(1))
    base, low, high = found[0], found[1 : 1 + many], found[1 + many :]
    apart = (each - each[:1]).std(1, ddof=min(1, each.shape[1] - 1)) / np.sqrt(each.shape[1])
    error = np.maximum(apart[1 : 1 + many], apart[1 + many :]) * (table.high - table.low)
    slope = np.full((many, 2, len(base)), np.nan)
    if outcome == "mean":
        slope[:] = _mean_slopes(table, base, inputs)[:, None]
    elif outcome == "election":
        near, step = _near(table, inputs)
        at = table.unscaled(measure(near)[:, 0])
        slope[:, 0] = (at[0] - at[1 : 1 + many]) / step[:, :1]
        slope[:, 1] = (at[1 + many :] - at[0]) / step[:, 1:]
        slope[~np.isfinite(slope)] = np.nan
    return Sensitivity(outcome, share, table.dimensions, inputs, base, slope, low, high, error)


def inputs_of(table: Table) -> tuple[tuple[str, str, str], ...]:
    """Every number of the table: actor, kind, dimension."""
    return tuple(
        (actor, kind, dimension)
        for actor in table.actors
        for kind in INPUTS
        for dimension in (table.dimensions if kind != "capability" else ("",))
    )


def versions(table: Table, share: float) -> Moved:
    """The table itself, then every input moved down by `share`, then every input moved up."""
    inputs = inputs_of(table)
    many = len(inputs)
    moved = _copies(table, 1 + 2 * many)
    attention = table.salience.sum(1)
    for at, (actor, kind, dimension) in enumerate(inputs, 1):
        i = table.actors.index(actor)
        k = table.dimensions.index(dimension) if dimension else 0
        for run, sign in ((at, -1), (at + many, 1)):
            if kind == "position":
                x = moved.position[run, i, k] + sign * share
                moved.position[run, i, k] = min(max(x, 0.0), 1.0)
            elif kind == "salience":
                most = max(1.0 - attention[i], 0.0) + table.salience[i, k]
                s = min(table.salience[i, k] * (1 + sign * share), most)
                if attention[i] - table.salience[i, k] + s > 0:  # some attention must be left
                    moved.salience[run, i, k] = s
            else:
                moved.capability[run, i] *= max(1 + sign * share, 1e-9)
    return moved


def _near(
    table: Table, inputs: tuple[tuple[str, str, str], ...]
) -> tuple[Moved, Float[np.ndarray, "input 2"]]:
    """The same with a tiny step, and its size below and above in units of the input."""
    many = len(inputs)
    moved, step = _copies(table, 1 + 2 * many), np.empty((many, 2))
    for at, (actor, kind, dimension) in enumerate(inputs, 1):
        i = table.actors.index(actor)
        k = table.dimensions.index(dimension) if dimension else 0
        if kind == "position":
            moved.position[at, i, k] -= _STEP
            moved.position[at + many, i, k] += _STEP
            step[at - 1] = _STEP * (table.high[k] - table.low[k])
        elif kind == "salience":
            down = min(_STEP, table.salience[i, k] / 2)
            moved.salience[at, i, k] -= down
            moved.salience[at + many, i, k] += _STEP
            step[at - 1] = down or np.nan, _STEP
        else:
            moved.capability[at, i] *= 1 - _STEP
            moved.capability[at + many, i] *= 1 + _STEP
            step[at - 1] = _STEP * table.capability[i]
    return moved, step


def _copies(table: Table, runs: int) -> Moved:
    return Moved(
        np.repeat(table.scaled[None], runs, 0),
        np.repeat(table.salience[None], runs, 0),
        np.repeat(table.capability[None], runs, 0),
    )


def _measure(
    table: Table, outcome: str, how: Election, model: Any, runs: int, turns: int, seed: int
) -> Callable[[Moved], Float[np.ndarray, "run history dimension"]]:
    """The outcome of many versions of the table at once; histories are only in bargaining."""

    def mean(moved: Moved, position: np.ndarray) -> np.ndarray:
        x = position
        w = moved.influence
        whole = w.sum(1, keepdims=True)
        w = np.where(whole > 0, w, 1.0)  # a dimension nobody cares about
        result: np.ndarray = (w * x).sum(1) / w.sum(1)
        return result

    def middle(moved: Moved) -> np.ndarray:
        across = np.swapaxes(moved.position, 1, 2), np.swapaxes(moved.influence, 1, 2)
        return weighted_median(*across)[0][:, None]

    options = (positions_held(table)[0] - table.low) / (table.high - table.low)

    def by_election(moved: Moved) -> np.ndarray:
        n = len(table.actors)
        runs = np.arange(len(moved.capability))
        who = np.zeros(len(runs), dtype=int)  # the first run of three is the table as it is
        who[1:] = np.tile(np.repeat(np.arange(n), (len(runs) - 1) // (2 * n)), 2)
        one = (moved.position[runs, who], moved.salience[runs, who], moved.capability[runs, who])
        return outcome_of_moves(table, who, *one, options, how)[1][:, None]

    def by_challenge(moved: Moved) -> np.ndarray:
        rule = challenge.options_of(model)
        x = table.low + moved.position[..., 0] * (table.high - table.low)
        x = challenge.play(x, moved.salience[..., 0], moved.capability, table, rule, turns)
        scaled = (x[..., None] - table.low) / (table.high - table.low)
        return mean(moved, scaled)[:, None]

    def by_bargaining(moved: Moved) -> np.ndarray:
        rule = bargaining.options_of(model)
        many = len(moved.capability)
        each = Moved(*(np.repeat(a, runs, 0) for a in
                       (moved.position, moved.salience, moved.capability)))  # fmt: skip
        history = bargaining.play(
            each.position, each.salience, each.capability, rule,
            draws=np.tile(np.arange(runs), many), seed=seed, turns=turns,
            accommodation=table.accommodation,
        )  # fmt: skip
        return mean(each, history.positions[-1]).reshape(many, runs, -1)

    return {
        "mean": lambda moved: mean(moved, moved.position)[:, None],
        "median": middle,
        "election": by_election,
        "challenge": by_challenge,
        "bargaining": by_bargaining,
    }[outcome]


def _mean_slopes(
    table: Table, base: np.ndarray, inputs: tuple[tuple[str, str, str], ...]
) -> Float[np.ndarray, "input dimension"]:
    """∂ mean_k by hand: w_ik / W_k, c_i (x_ik − mean_k) / W_k, s_ik (x_ik − mean_k) / W_k."""
    whole = table.influence.sum(0)
    found = np.zeros((len(inputs), len(base)))
    for at, (actor, kind, dimension) in enumerate(inputs):
        i = table.actors.index(actor)
        k = table.dimensions.index(dimension) if dimension else slice(None)
        away = (table.position[i] - base)[k]
        if kind == "position":
            found[at, k] = table.influence[i, k] / whole[k]
        elif kind == "salience":
            found[at, k] = table.capability[i] * away / whole[k]
        else:
            found[at] = table.salience[i] * (table.position[i] - base) / whole
    return found


def _check_work(table: Table, outcome: str, inputs: int, runs: int, turns: int) -> None:
    n, k = table.position.shape
    if outcome == "challenge" and k != 1:
        raise QuestionError("the challenge model plays one dimension: ask about one at a time")
    work = {"election": 4.0, "challenge": 20.0 * turns, "bargaining": 40.0 * runs * turns}
    if inputs * n**3 * work.get(outcome, 0.0) > MAX_WORK:
        raise QuestionError(
            f"the sensitivity of the {outcome} to {inputs:,} inputs of {n} actors would take too "
            "long; ask for fewer runs or turns, or for the mean or the median"
        )
