"""Who gives way to whom when every actor weighs a challenge to every other, round by round?

The expected-utility model of Bueno de Mesquita (1985, 1994, 1997) on one dimension, in the form of
Scholz, Calbert and Smith (2011). The author's own program was never published, replications differ,
and every point on which they do is an option here. Formulas and sources are in docs/spatial.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from servanda.errors import QuestionError, unknown
from servanda.tables.spatial.centre import weighted_median
from servanda.tables.spatial.table import Table

MAX_ACTORS: Final = 200
MAX_ROUNDS: Final = 1000

CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "probability": ("pairwise", "sum-all", "net"),
    "votes": ("risk", "linear"),
    "perspective": ("own", "each"),
    "resistance": ("challenged", "rival"),
    "risk": ("relative", "own-positions", "neutral"),
    "capitulation": ("yes", "no"),
    "compromise": ("fraction", "mean"),
    "choice": ("nearest", "lowest-compromise", "strongest"),
    "reach": ("observed", "scale"),
}


@dataclass(frozen=True)
class Challenge:
    """The choices the published model leaves open. Names are explained in docs/spatial.md.

    `status_quo` is Q, the probability that a rival stays where it is if nobody challenges it;
    `tolerance` is what counts as no expected utility at all.
    """

    probability: str = "pairwise"
    votes: str = "risk"
    perspective: str = "own"
    resistance: str = "challenged"
    risk: str = "relative"
    capitulation: str = "yes"
    compromise: str = "fraction"
    choice: str = "nearest"
    reach: str = "observed"
    status_quo: float = 1.0
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        for choice, names in CHOICES.items():
            if getattr(self, choice) not in names:
                raise unknown(choice, str(getattr(self, choice)), names)
        if not 0 <= self.status_quo <= 1:
            raise QuestionError(f"status_quo {self.status_quo:g}: a probability from 0 to 1")
        if not 0 <= self.tolerance < 1:
            raise QuestionError(f"tolerance {self.tolerance:g}: from 0 up to 1")


REPLICATIONS: Final[dict[str, Challenge]] = {
    "scholz": Challenge(),
    "jmckib": Challenge(probability="sum-all", capitulation="no", choice="lowest-compromise"),
    "jmckib-nearest": Challenge(probability="sum-all", capitulation="no"),
    "masad": Challenge(probability="net", votes="linear", perspective="each", choice="strongest"),
    "eum": Challenge(
        votes="linear",
        perspective="each",
        resistance="rival",
        compromise="mean",
        status_quo=0.5,
        tolerance=1e-4,
    ),
}
"""Replications by name; docs/spatial.md says what each is and how far it was checked."""

STAYS, CONFRONTED, COMPROMISES, CAPITULATES = range(4)
EVENTS: Final = ("stays", "loses a confrontation to", "compromises with", "capitulates to")


@dataclass(frozen=True, eq=False)
class Round:
    """One round; expected utilities are of challenging (row: challenger, column: target)."""

    probability: Float[np.ndarray, "*run actor rival"]
    security: Float[
        np.ndarray, "*run actor"
    ]  # rivals' expected utility of challenging it; low: safe
    exponent: Float[np.ndarray, "*run actor"]  # r, 1/2 (seeks risk) to 2 (shuns it)
    mine: Float[np.ndarray, "*run actor rival"]  # of i's challenge to j
    theirs: Float[np.ndarray, "*run actor rival"]  # of j's challenge to i, as i sees it
    event: Int[np.ndarray, "*run actor"]  # of `EVENTS`
    rival: Int[np.ndarray, "*run actor"]  # with whom; itself if it stays
    position: Float[np.ndarray, "*run actor"]  # afterwards


@dataclass(frozen=True, eq=False)
class Challenges:
    """Rounds of challenges: positions from 0 (as given) on, in the units of the table."""

    actors: tuple[str, ...]
    dimension: str
    position: Float[np.ndarray, "round actor"]
    median: Float[np.ndarray, " round"]
    mean: Float[np.ndarray, " round"]
    exponent: Float[np.ndarray, "round actor"]  # of the rounds played
    event: Int[np.ndarray, "round actor"]
    rival: Int[np.ndarray, "round actor"]
    first: Round
    settled: bool  # nobody moved in the last round
    options: Challenge

    def story(self, digits: int = 4) -> list[str]:
        """Every move as a sentence, in order."""
        lines = []
        for t in range(len(self.event)):
            for i, actor in enumerate(self.actors):
                if self.event[t, i] != STAYS:
                    what, who = EVENTS[self.event[t, i]], self.actors[self.rival[t, i]]
                    a, b = self.position[t, i], self.position[t + 1, i]
                    path = f"{a:.{digits}g} to {b:.{digits}g}"
                    lines.append(f"round {t + 1}: {actor} {what} {who} ({path})")
        return lines

    def to_dataframe(self) -> Any:
        """One row per round and actor: position, and what moved it there."""
        import pandas as pd

        rounds, n = self.position.shape
        index = pd.MultiIndex.from_product([range(rounds), self.actors], names=["round", "actor"])
        stays = np.full((1, n), STAYS)
        event = np.concatenate([stays, self.event]).reshape(-1)
        rival = np.concatenate([np.arange(n)[None], self.rival]).reshape(-1)
        return pd.DataFrame(
            {
                self.dimension: self.position.reshape(-1),
                "event": [EVENTS[e] for e in event],
                "rival": [self.actors[r] if e else "" for e, r in zip(event, rival, strict=True)],
            },
            index=index,
        )


def success_probability(
    position: Float[np.ndarray, "*run actor"],
    weight: Float[np.ndarray, "*run actor"],
    exponent: Float[np.ndarray, "*run actor"],
    reach: Float[np.ndarray, "*run"],
    options: Challenge,
) -> Float[np.ndarray, "*run actor rival"]:
    """The probability that i's position beats j's, by the votes v_k = w_k (|x_k − x_j|^r − …^r).

    pairwise: the positive votes over the absolute votes on this pair; sum-all: over the absolute
    votes on all pairs of actors; net: the positive part of the sum over the absolute votes.
    """
    apart = np.abs(position[..., :, None] - position[..., None, :]) / reach[..., None, None]
    if options.votes == "risk":
        apart = apart ** exponent[..., :, None]  # voter, holder
    n = position.shape[-1]
    positive, absolute, net = (np.zeros((*position.shape[:-1], n, n)) for _ in range(3))
    for k in range(n):  # one voter at a time keeps memory quadratic in actors
        row = weight[..., k, None, None] * (apart[..., k, None, :] - apart[..., k, :, None])
        positive += np.maximum(row, 0)
        absolute += np.abs(row)
        net += row
    if options.probability == "net":
        positive = np.maximum(net, 0)
    if options.probability == "sum-all":
        absolute = np.broadcast_to(absolute.sum((-2, -1), keepdims=True), absolute.shape)
    p = np.divide(positive, absolute, out=np.zeros_like(positive), where=absolute > 0)
    same = position[..., :, None] == position[..., None, :]
    if options.tolerance:
        same = np.abs(position[..., :, None] - position[..., None, :]) < options.tolerance
    return np.where(same, 0.0, p)


def expected_utilities(
    position: Float[np.ndarray, "*run actor"],
    salience: Float[np.ndarray, "*run actor"],
    probability: Float[np.ndarray, "*run actor rival"],
    exponent: Float[np.ndarray, "*run actor"],
    reach: Float[np.ndarray, "*run"],
    middle: Float[np.ndarray, "*run"],
    options: Challenge,
) -> tuple[Float[np.ndarray, "*run actor rival"], Float[np.ndarray, "*run actor rival"]]:
    """Of i's challenge to j, and of j's challenge to i in i's eyes.

    EU_ij = s_j (P u_s + (1 − P) u_f) + (1 − s_j) u_s − Q u_sq − (1 − Q)(T u_b + (1 − T) u_w)

    with u_s = 2 − 4 (½ − ½ d)^r, u_f = 2 − 4 (½ + ½ d)^r, u_sq = 2 − 4 (½)^r, and u_b and u_w the
    same as u_s and u_f with ¼ (|x_i − μ| + |x_i − x_j|) for ½ d; T is 1 if the median μ is nearer
    to i than j is. `own`: i reads its own r into j's challenge; `each`: everybody uses its own.
    """
    d = np.abs(position[..., :, None] - position[..., None, :]) / reach[..., None, None]
    to_middle = np.abs(position - middle[..., None])[..., :, None] / reach[..., None, None]
    t = to_middle < d
    r = exponent[..., :, None]
    mine = _utility(d, to_middle, t, probability, salience[..., None, :], r, options)
    back = np.swapaxes(probability, -1, -2)
    if (
        options.resistance == "rival"
    ):  # j's utility if i challenges j, as decisionmechanics/eum has it
        rs = exponent[..., None, :]
        return mine, _utility(d, to_middle, t, back, salience[..., None, :], rs, options)
    if options.perspective == "each":
        return mine, np.swapaxes(mine, -1, -2)
    from_j = np.swapaxes(to_middle, -1, -2)
    theirs = _utility(d, from_j, from_j < d, back, salience[..., :, None], r, options)
    return mine, theirs


def _utility(
    d: np.ndarray,
    to_middle: np.ndarray,
    t: np.ndarray,
    p: np.ndarray,
    resists: np.ndarray,
    r: np.ndarray,
    options: Challenge,
) -> np.ndarray:
    won, lost = 2 - 4 * (0.5 - 0.5 * d) ** r, 2 - 4 * (0.5 + 0.5 * d) ** r
    eu = resists * (p * won + (1 - p) * lost) + (1 - resists) * won
    q = options.status_quo
    eu = eu - q * (2 - 4 * 0.5**r)
    if q < 1:
        part = 0.25 * (to_middle + d)
        better = 2 - 4 * np.maximum(0.5 - part, 0.0) ** r
        worse = 2 - 4 * (0.5 + part) ** r
        eu = eu - (1 - q) * np.where(t, better, worse)
    result: np.ndarray = eu
    return result


def one_round(
    position: Float[np.ndarray, "*run actor"],
    salience: Float[np.ndarray, "*run actor"],
    capability: Float[np.ndarray, "*run actor"],
    reach: Float[np.ndarray, "*run"],
    options: Challenge,
) -> Round:
    """Risk attitudes from a first pass without risk, then challenges, and who gives way."""
    weight = salience * capability
    middle = weighted_median(position, weight)[0]
    ones = np.ones_like(position)
    exponent, security = ones, np.zeros_like(position)
    if options.risk != "neutral":
        p = success_probability(position, weight, ones, reach, options)
        mine, _ = expected_utilities(position, salience, p, ones, reach, middle, options)
        security = _exposure(mine)
        low, high = security.min(-1, keepdims=True), security.max(-1, keepdims=True)
        if options.risk == "own-positions":
            low, high = _own_range(position, salience, weight, reach, middle, options)
        spread = high - low
        attitude = np.divide(
            2 * security - high - low, spread, out=np.zeros_like(security), where=spread > 1e-12
        )
        exponent = (1 - attitude / 3) / (1 + attitude / 3)
    p = success_probability(position, weight, exponent, reach, options)
    mine, theirs = expected_utilities(position, salience, p, exponent, reach, middle, options)
    event, rival, new = _resolve(position, mine, theirs, options)
    return Round(p, security, exponent, mine, theirs, event, rival, new)


def _exposure(mine: Float[np.ndarray, "*run actor rival"]) -> Float[np.ndarray, "*run rival"]:
    """Σ_{j≠i} EU_ji: what all others expect of challenging i."""
    off = 1 - np.eye(mine.shape[-1])
    result: np.ndarray = (mine * off).sum(-2)
    return result


def _own_range(
    position: np.ndarray,
    salience: np.ndarray,
    weight: np.ndarray,
    reach: np.ndarray,
    middle: np.ndarray,
    options: Challenge,
) -> tuple[np.ndarray, np.ndarray]:
    """The least and most exposed that every actor could be at any of the positions held."""
    n = position.shape[-1]
    low, high = np.full(position.shape, np.inf), np.full(position.shape, -np.inf)
    ones = np.ones_like(position)
    for i in range(n):
        for j in range(n):
            x = position.copy()
            x[..., i] = position[..., j]
            p = success_probability(x, weight, ones, reach, options)
            mine, _ = expected_utilities(x, salience, p, ones, reach, middle, options)
            found = _exposure(mine)[..., i]
            low[..., i], high[..., i] = (
                np.minimum(low[..., i], found),
                np.maximum(high[..., i], found),
            )
    return low, high


def _resolve(
    position: Float[np.ndarray, "*run actor"],
    mine: Float[np.ndarray, "*run actor rival"],
    theirs: Float[np.ndarray, "*run actor rival"],
    options: Challenge,
) -> tuple[Int[np.ndarray, "*run actor"], Int[np.ndarray, "*run actor"], np.ndarray]:
    """Who gives way to whom: the event, the rival, and the new position of every actor.

    i loses a confrontation with j if EU_j > EU_i > 0, compromises if EU_j ≥ −EU_i > 0, and
    capitulates if −EU_i > EU_j > 0. A confrontation is answered before a compromise, that before a
    capitulation; of several of a kind the one that moves the actor least is taken.
    """
    x, y = position[..., :, None], position[..., None, :]
    tol = options.tolerance
    apart = x != y
    threat = (theirs > 0) & (np.abs(theirs) >= tol) & apart
    gains = (mine > 0) & (np.abs(mine) >= tol)
    loses = (mine < 0) & (np.abs(mine) >= tol)
    indifferent = np.abs(mine) < tol
    kind = np.zeros(mine.shape, dtype=int)
    kind[threat & loses & (theirs < -mine)] = CAPITULATES if options.capitulation == "yes" else 0
    kind[threat & loses & (theirs > -mine)] = COMPROMISES
    even = threat & loses & (theirs == -mine)
    kind[even] = COMPROMISES if options.capitulation == "yes" else 0
    kind[threat & indifferent] = COMPROMISES
    kind[threat & gains & (theirs > mine)] = CONFRONTED

    safe = np.where(theirs != 0, np.abs(theirs), 1.0)
    if options.compromise == "fraction":
        deal = x + (y - x) * np.minimum(np.abs(mine) / safe, 1.0)
    else:
        a, b = np.abs(mine), np.abs(theirs)
        deal = (a * x + b * y) / np.where(a + b > 0, a + b, 1.0)
    offer = np.where(kind == COMPROMISES, deal, np.broadcast_to(y, mine.shape))
    step = np.abs(offer - x)
    if options.choice == "strongest":
        challenged = (theirs > 0) & (np.abs(theirs) >= tol)
        most = np.where(challenged, theirs, -np.inf).max(-1, keepdims=True)
        key = np.where(challenged & (theirs == most), np.abs(y - x), np.inf)
        rival = key.argmin(-1)
        none = ~challenged.any(-1)
    else:
        key = np.where(kind > 0, step, np.inf)
        if options.choice == "lowest-compromise":
            a, b = np.abs(mine), np.abs(theirs)
            mean = (a * x + b * y) / np.where(a + b > 0, a + b, 1.0)
            key = np.where(kind == COMPROMISES, mean, key)
        first = np.where(kind > 0, kind, 9).min(-1, keepdims=True)
        key = np.where(kind == first, key, np.inf)
        rival = key.argmin(-1)
        none = (kind == 0).all(-1)
    event = np.take_along_axis(kind, rival[..., None], -1)[..., 0]
    event = np.where(none, STAYS, event)
    itself = np.broadcast_to(np.arange(position.shape[-1]), rival.shape)
    rival = np.where(event == STAYS, itself, rival)
    moved = np.take_along_axis(offer, rival[..., None], -1)[..., 0]
    return event, rival, np.where(event == STAYS, position, moved)


def challenge(
    table: Table, options: Challenge | str | None = None, *, rounds: int = 10
) -> Challenges:
    """Play the challenge model from the table on; `options` may name one of `REPLICATIONS`.

    It stops early when nobody moves. Raises QuestionError for a table of several dimensions (play
    one at a time: `table_on`), too many actors, or no spread of positions.
    """
    chosen = options_of(options)
    n, k = table.position.shape
    if k != 1:
        raise QuestionError(
            f"the challenge model plays one dimension, this table has {k}; name one of: "
            + ", ".join(table.dimensions)
        )
    if n > MAX_ACTORS:
        raise QuestionError(f"{n} actors are more than the {MAX_ACTORS} this model is played with")
    if not 1 <= rounds <= MAX_ROUNDS:
        raise QuestionError(f"rounds {rounds}: from 1 to {MAX_ROUNDS:,}")
    x, s, c = table.position[:, 0], table.salience[:, 0], table.capability
    reach = _reach(x, table, chosen)
    if reach == 0:
        raise QuestionError("everybody holds the same position: there is nothing to challenge")
    positions, played = [x], []
    for _ in range(rounds):
        done = one_round(positions[-1], s, c, reach, chosen)
        played.append(done)
        positions.append(done.position)
        if (done.event == STAYS).all():
            break
    path, w = np.stack(positions), s * c
    return Challenges(
        actors=table.actors,
        dimension=table.dimensions[0],
        position=path,
        median=weighted_median(path, np.broadcast_to(w, path.shape))[0],
        mean=(path * w).sum(1) / w.sum(),
        exponent=np.stack([r.exponent for r in played]),
        event=np.stack([r.event for r in played]),
        rival=np.stack([r.rival for r in played]),
        first=played[0],
        settled=bool((played[-1].event == STAYS).all()),
        options=chosen,
    )


def play(
    position: Float[np.ndarray, "run actor"],
    salience: Float[np.ndarray, "run actor"],
    capability: Float[np.ndarray, "run actor"],
    table: Table,
    options: Challenge,
    rounds: int,
) -> Float[np.ndarray, "run actor"]:
    """The positions after `rounds`, or when nobody moves, for many versions of a table at once."""
    reach = np.maximum(_reach(position, table, options), 1e-300)
    for _ in range(rounds):
        new = one_round(position, salience, capability, reach, options).position
        if (new == position).all():
            break
        position = new
    return position


def _reach(
    position: Float[np.ndarray, "*run actor"], table: Table, options: Challenge
) -> Float[np.ndarray, "*run"]:
    """The length of the scale in the model: from lowest to highest position, or as given."""
    if options.reach == "scale":
        return np.full(position.shape[:-1], table.high[0] - table.low[0])
    found: np.ndarray = np.ptp(position, axis=-1)
    return np.asarray(found)


def options_of(options: Challenge | str | None) -> Challenge:
    """The options themselves, those of a replication by name, or the defaults."""
    if options is None:
        return Challenge()
    if isinstance(options, str):
        if options not in REPLICATIONS:
            raise unknown("replication", options, REPLICATIONS)
        return REPLICATIONS[options]
    return options
