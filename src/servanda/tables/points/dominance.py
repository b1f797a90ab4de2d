"""Which points does no other point beat?

A point is dominated if another is at least as good for everybody and better for somebody. All
numbers are whole, so equal is equal: points that tie are kept together as one, with their members.
Points of different groups are never compared.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from jaxtyping import Bool, Int

BLOCK = 1 << 22  # comparisons at once, when there are four objectives or more
MOST_COMPARED = 20_000  # points of a front that are compared with each other, then


class TooManyError(Exception):
    """More points than can be kept or compared: the caller goes another way, or says so."""


def merge(
    points: Int[np.ndarray, "point objective"], group: Int[np.ndarray, "point"] | None = None
) -> tuple[Int[np.ndarray, "point"], Int[np.ndarray, "unique"]]:
    """An order that puts equal points side by side, and where each new one starts in it.

    The order is by group, then by the objectives, the largest first.
    """
    n, objectives = points.shape
    if objectives == 1:
        keys: tuple[np.ndarray, ...] = (-points[:, 0],)
    else:
        keys = tuple(-points[:, k] for k in range(objectives - 1, -1, -1))
    order = np.lexsort(keys if group is None else (*keys, group))
    change = np.zeros(n, bool)
    if n:
        change[0] = True
    for k in range(objectives):
        column = points[order, k]
        change[1:] |= column[1:] != column[:-1]
    if group is not None:
        column = group[order]
        change[1:] |= column[1:] != column[:-1]
    return order, np.flatnonzero(change)


def nondominated(
    points: Int[np.ndarray, "point objective"], group: Int[np.ndarray, "point"] | None = None
) -> Bool[np.ndarray, "point"]:
    """Which of these points no other dominates; they are unique and in the order of `merge`.

    Two objectives: one pass (Kung, Luccio and Preparata 1975). Three: a staircase of the last two
    objectives while the first falls. More: blocks of points against what has been kept, the
    largest total first, as a point can only be dominated by one with a larger total.

    Raises:
        TooManyError: four objectives or more, and over `MOST_COMPARED` points in a front.
    """
    n, objectives = points.shape
    if n == 0:
        return np.zeros(0, bool)
    if group is None:
        group = np.zeros(n, np.int64)
    if objectives == 1:
        keep = np.ones(n, bool)
        keep[1:] = group[1:] != group[:-1]
        return keep
    if objectives == 2:
        return _of_two(points[:, 1], group)
    if objectives == 3:
        return _of_three(points, group)
    return _of_many(points, group)


def _of_two(second: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The first objective falls: keep what reaches a new height in the second of its group."""
    n = len(second)
    if group[0] == group[-1]:
        height = second
    else:  # heights of a later group are all above those of an earlier one
        _, rank = np.unique(second, return_inverse=True)
        _, place = np.unique(group, return_inverse=True)
        height = place.astype(np.int64) * (n + 1) + rank
    keep = np.ones(n, bool)
    keep[1:] = height[1:] > np.maximum.accumulate(height)[:-1]
    return keep


def _of_three(points: np.ndarray, group: np.ndarray) -> np.ndarray:
    keep = np.zeros(len(points), bool)
    rising: list[int] = []  # second objective of the staircase, rising
    third: list[int] = []  # minus the third, which falls: so rising too
    last = None
    rows = zip(group.tolist(), points[:, 1].tolist(), points[:, 2].tolist(), strict=True)
    for row, (g, y, z) in enumerate(rows):
        if g != last:
            rising, third, last = [], [], g
        at = bisect_left(rising, y)  # all from here on are at least as good in the second
        if at < len(rising) and -third[at] >= z:
            continue
        keep[row] = True
        end = at + 1 if at < len(rising) and rising[at] == y else at
        start = bisect_left(third, -z, 0, end)  # those below with a third no better
        rising[start:end] = [y]
        third[start:end] = [-z]
    return keep


def _of_many(points: np.ndarray, group: np.ndarray) -> np.ndarray:
    keep = np.zeros(len(points), bool)
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    for start, end in zip(starts, np.r_[starts[1:], len(points)], strict=True):
        part = points[start:end]
        total = part.sum(axis=1)
        keep[start + _front(part, np.argsort(-total, kind="stable"))] = True
    return keep


def _front(points: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Rows of the nondominated points of one group, read in an order of falling totals."""
    objectives = points.shape[1]
    front = np.empty((0, objectives), points.dtype)
    rows: list[np.ndarray] = []
    while len(order):
        if len(front) > MOST_COMPARED:
            raise TooManyError
        # The first of the rest is never dominated by the rest; what it and its like dominate goes.
        size = max(1, min(len(order), 256))
        head, order = order[:size], order[size:]
        head = head[~_beaten(points[head], front)]
        block = points[head]
        among = np.ones(len(head), bool)
        for j in range(1, len(head)):
            among[j] = not (block[:j][among[:j]] >= block[j]).all(axis=1).any()
        head = head[among]
        rows.append(head)
        front = np.concatenate([front, points[head]])
        if len(order) > 1024 and len(head):
            order = order[~_beaten(points[order], points[head])]
    return np.concatenate(rows) if rows else np.zeros(0, np.int64)


def _beaten(points: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Which points are matched or beaten in everything by one of `by`."""
    out = np.zeros(len(points), bool)
    if not len(by) or not len(points):
        return out
    step = max(1, BLOCK // max(1, len(points)))
    left = np.arange(len(points))
    for start in range(0, len(by), step):
        some = by[start : start + step]
        beaten = np.ones((len(left), len(some)), bool)
        for k in range(points.shape[1]):
            beaten &= some[None, :, k] >= points[left, None, k]
        gone = beaten.any(axis=1)
        out[left[gone]] = True
        left = left[~gone]
        if not len(left):
            break
        step = max(1, BLOCK // len(left))
    return out
