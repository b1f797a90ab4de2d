"""Which issue should be traded for which?

A logroll is a pair of changes to a deal: one party gives way on an issue that matters less to it
and is given way to on one that matters more, and so does the other (Froman and Cohen 1970; Pruitt
1981). In: a table and a deal. Out: the trades that leave no party worse off, the best first. By
default the deal is the *split*: every issue settled where the less satisfied party is satisfied
most, which is what haggling over each issue by itself leads to.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int

from servanda.tables.points.model import Table

MOST_OPTIONS = 400  # of an issue that are tried: more are thinned out evenly
MOST_PAIRS = 20_000_000  # option pairs looked at


@dataclass(frozen=True, eq=False)
class Trade:
    """Two changes that together hurt nobody: `giver` gives way on `give` and gains on `take`."""

    giver: str
    receiver: str
    give: str
    give_from: str
    give_to: str
    take: str
    take_from: str
    take_to: str
    gain: np.ndarray  # Float[party], of both changes together
    smallest: float  # share of its range that the less fortunate of the two gains


def split(table: Table) -> Int[np.ndarray, "issue"]:
    """Every issue settled by itself where the least satisfied party is satisfied most.

    Satisfaction is the party's worth of the option, between its worst and its best of the issue;
    ties go to the larger sum of satisfactions, then to the first option. A split that cannot be
    made is returned as it is.
    """
    chosen = []
    for k in range(len(table.issues)):
        worth = np.array([p.worth[k] for p in table.parties])
        low, high = worth.min(axis=1, keepdims=True), worth.max(axis=1, keepdims=True)
        caring = (high > low)[:, 0]
        if not caring.any():
            chosen.append(0)
            continue
        level = ((worth - low) / np.where(high > low, high - low, 1.0))[caring]
        least = level.min(axis=0)
        best = np.flatnonzero(least >= least.max() - 1e-12)
        chosen.append(int(best[np.argmax(level[:, best].sum(axis=0))]))
    return np.array(chosen)


def ranges(table: Table) -> Float[np.ndarray, "party"]:
    """What hangs on all parts of the table for each party: a scale of its own for its gains."""
    out = []
    for party in table.parties:
        spans = [float(np.ptp(w)) for w in party.worth]
        spans += [float(np.ptp(p.worth)) for p in party.pairs] + [abs(b.worth) for b in party.boxes]
        out.append(sum(spans))
    return np.array(out)


def logrolls(table: Table, deal: Int[np.ndarray, "issue"], most: int = 10) -> tuple[Trade, ...]:
    """The trades at a deal, the largest smallest gain first; one for each pair of parties and
    issues and direction."""
    n = len(table.parties)
    deal = np.asarray(deal)
    scale = np.where(ranges(table) > 0, ranges(table), 1.0)
    options = [_thinned(size) for size in table.sizes]
    pairs = list(combinations(range(len(table.issues)), 2))
    if sum(len(options[a]) * len(options[b]) for a, b in pairs) > MOST_PAIRS:
        few = max(2, int(np.sqrt(MOST_PAIRS / max(1, len(pairs)))))
        options = [_thinned(size, few) for size in table.sizes]
    here = table.utilities(deal)[0]
    single = [_changes(table, deal, k, options[k], here) for k in range(len(table.issues))]
    plain = table.additive
    found: list[Trade] = []
    for a, b in pairs:
        if plain:
            both = single[a][:, None, :] + single[b][None, :, :]
            able = np.ones(both.shape[:2], bool)
        else:
            both, able = _together(table, deal, a, b, options[a], options[b], here)
        fine = able & (both >= -1e-12 * scale).all(axis=-1)
        for i, j in combinations(range(n), 2):
            smallest = np.minimum(both[..., i] / scale[i], both[..., j] / scale[j])
            for give, take in ((a, b), (b, a)):
                x, y = single[give], single[take]
                gives = (x[:, i] < -1e-12 * scale[i]) & (x[:, j] > 0)
                takes = (y[:, i] > 0) & (y[:, j] < -1e-12 * scale[j])
                if give == a:
                    good = fine & gives[:, None] & takes[None, :]
                else:
                    good = fine & takes[:, None] & gives[None, :]
                good &= smallest > 1e-12
                if not good.any():
                    continue
                at = np.unravel_index(np.argmax(np.where(good, smallest, -1.0)), good.shape)
                to = {a: int(options[a][at[0]]), b: int(options[b][at[1]])}
                found.append(_trade(table, deal, i, j, give, take, to, both[at], smallest[at]))
    found.sort(key=lambda t: -t.smallest)
    return tuple(found[:most])


def _trade(
    table: Table,
    deal: np.ndarray,
    giver: int,
    receiver: int,
    give: int,
    take: int,
    to: dict[int, int],
    gain: np.ndarray,
    smallest: float,
) -> Trade:
    x, y = table.issues[give], table.issues[take]
    return Trade(
        table.parties[giver].name,
        table.parties[receiver].name,
        x.name,
        x.options[deal[give]],
        x.options[to[give]],
        y.name,
        y.options[deal[take]],
        y.options[to[take]],
        gain.copy(),
        float(smallest),
    )


def _thinned(size: int, most: int = MOST_OPTIONS) -> np.ndarray:
    if size <= most:
        return np.arange(size)
    return np.unique(np.linspace(0, size - 1, most).round().astype(np.int64))


def _changes(
    table: Table, deal: np.ndarray, k: int, options: np.ndarray, here: np.ndarray
) -> np.ndarray:
    """What every party gains if issue k alone is changed to each option, [option, party]."""
    other = np.repeat(deal[None, :], len(options), axis=0)
    other[:, k] = options
    return table.utilities(other) - here


def _together(
    table: Table,
    deal: np.ndarray,
    a: int,
    b: int,
    first: np.ndarray,
    second: np.ndarray,
    here: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    other = np.repeat(deal[None, :], len(first) * len(second), axis=0)
    other[:, a] = np.repeat(first, len(second))
    other[:, b] = np.tile(second, len(first))
    shape = (len(first), len(second))
    gain = table.utilities(other) - here
    return gain.reshape(*shape, -1), table.feasible(other).reshape(shape)
