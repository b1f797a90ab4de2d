"""The models of the spatial lens once more, in plain loops, for the tests to compare with.

Written from the formulas in docs/spatial.md, without looking at arrays: one actor, one pair, one
option at a time. Slow on purpose.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

Matrix = list[list[float]]


def respond(rule: str, du: float) -> float:
    step = max(-1.0, min(1.0, du / 1e-8))
    if rule == "binary":
        return step
    if rule == "prop-binary":
        return 0.8 * du + 0.2 * step
    if rule == "proportional":
        return du
    if rule == "prop-cubic":
        return (du + du**3) / 2
    if rule == "cubic":
        return du**3
    return du if du < 0 else 2 * du / 3


def strengths(u: Matrix, weight: Sequence[float], rule: str) -> Matrix:
    """u[actor][option]."""
    options = len(u[0])
    c = [[1e-8] * options for _ in range(options)]
    for i in range(options):
        for j in range(i):
            for k, w in enumerate(weight):
                vote = w * respond(rule, u[k][i] - u[k][j])
                if vote > 0:
                    c[i][j] += vote
                else:
                    c[j][i] -= vote
    return c


def beats(a: float, b: float, model: str) -> float:
    if model == "binary":
        if a >= 1.1 * b:
            return 1 / (1 + 1e-6)
        if b >= 1.1 * a:
            return 1e-6 / (1 + 1e-6)
        return (a / (a + b) * 2.1 - 1) / 0.1
    m = {"linear": 1, "square": 2, "quartic": 4, "octic": 8}[model]
    top = max(a, b)
    return (a / top) ** m / ((a / top) ** m + (b / top) ** m)


def elect(c: Matrix, election: str, model: str) -> list[float]:
    """By iterating the definition."""
    n = len(c)
    p = [[0.5 if i == j else beats(c[i][j], c[j][i], model) for j in range(n)] for i in range(n)]
    if election == "conditional":
        odds = [math.prod(row) for row in p]
        return [x / sum(odds) for x in odds]
    h = [[1 / n] * n for _ in range(n)]  # i challenges the incumbent j
    if election == "markov-incentive":
        for j in range(n):
            wants = [c[i][j] * p[i][j] + (1e-10 if i == j else 0) for i in range(n)]
            for i in range(n):
                h[i][j] = wants[i] / sum(wants)
    share = [1 / n] * n
    for _ in range(200_000):
        new = [
            sum(p[i][j] * (share[i] * h[j][i] + share[j] * h[i][j]) for j in range(n))
            for i in range(n)
        ]
        change = max(abs(a - b) for a, b in zip(new, share, strict=True))
        share = [(a + b) / 2 for a, b in zip(new, share, strict=True)]
        if change < 1e-14:
            break
    return share


def apart(x: Sequence[float], y: Sequence[float], s: Sequence[float]) -> float:
    up = sum((a * (b - c)) ** 2 for a, b, c in zip(s, x, y, strict=True))
    return math.sqrt(up / sum(a * a for a in s))


def value(d: float, risk: float) -> float:
    return (1 - d) * (1 + min(d, 1.0) * risk)


def turn(x: Matrix, ideal: Matrix, s: Matrix, c: Sequence[float], o: Any) -> dict[str, Any]:
    """One turn of bargaining: everything up to the probabilities of the options of every actor."""
    n = len(x)
    d = [[apart(ideal[i], x[j], s[i]) for j in range(n)] for i in range(n)]
    p = elect(strengths([[1 - v for v in row] for row in d], c, o.voting), o.election, o.victory)
    low, high = min(p), max(p)
    risk = []
    for q in p:
        if o.risk_range == "min":
            risk.append((q - low) / (high - low))
        elif o.risk_range == "mid":
            risk.append((3 * q - (high + 2 * low)) / (2 * (high - low)))
        else:
            risk.append((2 * q - (high + low)) / (high - low))
    mine = {"full": 0, "two-thirds": 1 / 3, "half": 0.5, "one-third": 2 / 3, "none": 1}
    a = mine[o.risk_estimate]

    def u(h: int, i: int, j: int) -> float:
        return value(d[i][j], a * risk[h] + (1 - a) * risk[i])

    total = [sum(row) for row in s]

    def contest(h: int, i: int, j: int) -> tuple[float, float, float]:
        """Probability that i beats j, gain to i, gain to j, as h sees it."""
        side = {i: 1e-10, j: 1e-10}
        for k in (i, j):
            v = c[k] * total[k] * respond(o.voting, u(h, k, i) - u(h, k, j))
            side[i if v > 0 else j] += abs(v)
        alone = dict(side)
        for k in range(n):
            if k in (i, j):
                continue
            v = c[k] * total[k] * respond(o.voting, u(h, k, i) - u(h, k, j))
            with_i, with_j = alone[i] + max(v, 0), alone[j] + max(-v, 0)
            q = with_i / (with_i + with_j)
            ki, kj, kk = u(h, k, i), u(h, k, j), u(h, k, k)
            after = {  # utilities to k of the three positions, if i and k win, ..., if j and k win
                "full": (3 * ki, 3 * kj, 3 * ki, 3 * kj),
                "semi": (2 * ki + kk, 3 * kj, 3 * ki, 2 * kj + kk),
                "none": (2 * ki + kk, 2 * kj + kk, 2 * ki + kk, 2 * kj + kk),
            }[o.third_party]
            joins_i = q * after[0] + (1 - q) * after[1]
            joins_j = q * after[2] + (1 - q) * after[3]
            v = c[k] * total[k] * respond(o.voting, joins_i - joins_j)
            side[i if v > 0 else j] += abs(v)
        q = side[i] / (side[i] + side[j])

        def gain(k: int) -> float:
            won, lost = 2 * u(h, k, i), 2 * u(h, k, j)
            fought = q * won + (1 - q) * lost
            return (1 - total[j]) * won + total[j] * fought - (u(h, k, i) + u(h, k, j))

        return q, gain(i), gain(j)

    def meet(i: int, j: int, pi: float, pj: float) -> tuple[list[float], list[float]]:
        new_i, new_j = [], []
        for k in range(len(x[0])):
            if o.interpolation == "s2pmax":
                di, dj = max(0, pj - pi), max(0, pi - pj)
                wi, wj = s[i][k] ** 2, s[j][k] ** 2
                new_i.append(
                    x[i][k] + di * wj / (di * wj + 1e-6 + (1 - di) * wi) * (x[j][k] - x[i][k])
                )
                new_j.append(
                    x[j][k] + dj * wi / (dj * wi + 1e-6 + (1 - dj) * wj) * (x[i][k] - x[j][k])
                )
                continue
            m = 1 if o.interpolation == "s1p1" else 2
            wi, wj = (s[i][k] * pi) ** m, (s[j][k] * pj) ** m
            a_ = ((wi + 1e-6) * x[i][k] + wj * x[j][k]) / (wi + 1e-6 + wj)
            b_ = (wi * x[i][k] + (1e-6 + wj) * x[j][k]) / (wi + 1e-6 + wj)
            if o.rounding == "four":
                a_, b_ = (math.floor(0.5 + 1e4 * z) / 1e4 for z in (a_, b_))
            new_i.append(a_)
            new_j.append(b_)
        return new_i, new_j

    targets, bargains = [], []  # (option number, i, j, new position of i, of j)
    for i in range(n):
        found = [(contest(i, i, j)[1], -j) for j in range(n) if j != i]
        gain, j = max(found)
        j = -j
        if gain <= 1e-5:
            targets.append(-1)
            continue
        targets.append(j)
        first = contest(i, i, j)[0]
        views = [meet(i, j, first, 1 - first)]
        if o.bargains != "initiator":
            q, g, _ = contest(j, i, j)
            q = g if o.receiver == "gain" else q
            views.append(meet(i, j, q, 1 - q))
        if o.bargains == "compromise":
            wi, wj = total[i], total[j]
            if o.compromise == "influence":
                wi, wj = wi * c[i], wj * c[j]
            views = [
                tuple(
                    [(wi * y + wj * z) / (wi + wj) for y, z in zip(*sides, strict=True)]
                    for sides in zip(*views, strict=True)
                )
            ]
        for view, (new_i, new_j) in enumerate(views):
            bargains.append((1 + view * n + i, i, j, new_i, new_j))

    chances = []
    for k in range(n):
        offers = [(0, None)] + [(b[0], b) for b in bargains if k in (b[1], b[2])]
        offers.sort(key=lambda offer: offer[0])
        table: Matrix = []
        for v in range(n):
            row = []
            for _, b in offers:
                whole = 0.0
                for m in range(n):
                    dist = d[v][m]
                    if b is not None and m == b[1]:
                        dist = apart(ideal[v], b[3], s[v])
                    elif b is not None and m == b[2]:
                        dist = apart(ideal[v], b[4], s[v])
                    whole += value(dist, risk[v])
                row.append(whole / n)
            table.append(row)
        p_k = elect(strengths(table, c, o.voting), o.election, o.victory)
        chances.append({offer[0]: q for offer, q in zip(offers, p_k, strict=True)})
    return {"risk": risk, "target": targets, "bargains": bargains, "chance": chances}


def challenge_round(
    x: Sequence[float], s: Sequence[float], c: Sequence[float], reach: float, o: Any
) -> tuple[list[float], list[float]]:
    """One round of challenges: new positions, and the exponents of risk."""
    n = len(x)
    w = [a * b for a, b in zip(s, c, strict=True)]
    middle = median(x, w)

    def chance(at: Sequence[float], i: int, j: int, r: Sequence[float]) -> float:
        if at[i] == at[j] or abs(at[i] - at[j]) < o.tolerance:
            return 0.0

        def votes(k: int, i: int, j: int) -> float:
            e = r[k] if o.votes == "risk" else 1.0
            return w[k] * ((abs(at[k] - at[j]) / reach) ** e - (abs(at[k] - at[i]) / reach) ** e)

        mine = [votes(k, i, j) for k in range(n)]
        up = sum(v for v in mine if v > 0)
        if o.probability == "net":
            up = max(sum(mine), 0.0)
        down = sum(map(abs, mine))
        if o.probability == "sum-all":
            down = sum(abs(votes(k, a, b)) for k in range(n) for a in range(n) for b in range(n))
        return up / down

    def expect(at: Sequence[float], i: int, j: int, p: float, resists: float, e: float) -> float:
        """Of a challenge of i's to j."""
        d, m = abs(at[i] - at[j]) / reach, abs(at[i] - middle) / reach
        won, lost = 2 - 4 * (0.5 - 0.5 * d) ** e, 2 - 4 * (0.5 + 0.5 * d) ** e
        better = 2 - 4 * max(0.5 - 0.25 * (m + d), 0) ** e
        worse = 2 - 4 * (0.5 + 0.25 * (m + d)) ** e
        q, t = o.status_quo, 1.0 if m < d else 0.0
        quo = q * (2 - 4 * 0.5**e) + (1 - q) * (t * better + (1 - t) * worse)
        return resists * (p * won + (1 - p) * lost) + (1 - resists) * won - quo

    ones = [1.0] * n

    def exposed(at: Sequence[float], i: int) -> float:
        return sum(expect(at, j, i, chance(at, j, i, ones), s[i], 1.0) for j in range(n) if j != i)

    r = ones
    if o.risk != "neutral":
        all_ = [exposed(x, i) for i in range(n)]
        r = []
        for i in range(n):
            low, high = min(all_), max(all_)
            if o.risk == "own-positions":
                possible = []
                for j in range(n):
                    at = list(x)
                    at[i] = x[j]
                    possible.append(exposed(at, i))
                low, high = min(possible), max(possible)
            big = 0.0 if high - low <= 1e-12 else (2 * all_[i] - high - low) / (high - low)
            r.append((1 - big / 3) / (1 + big / 3))

    def mine(i: int, j: int) -> float:
        return expect(x, i, j, chance(x, i, j, r), s[j], r[i])

    def theirs(i: int, j: int) -> float:
        """Of j's challenge to i, in i's eyes."""
        if o.resistance == "rival":
            return expect(x, i, j, chance(x, j, i, r), s[j], r[j])
        if o.perspective == "each":
            return mine(j, i)
        return expect(x, j, i, chance(x, j, i, r), s[i], r[i])

    new = []
    for i in range(n):
        offers = []  # kind, position, rival's utility, own, rival
        for j in range(n):
            if x[i] == x[j]:
                continue
            a, b = mine(i, j), theirs(i, j)
            if b <= 0 or abs(b) < o.tolerance:
                continue
            if abs(a) < o.tolerance or (a < 0 and b > -a):
                if o.compromise == "fraction":
                    at_ = x[i] + (x[j] - x[i]) * min(abs(a / b), 1)
                else:
                    at_ = (abs(a) * x[i] + abs(b) * x[j]) / (abs(a) + abs(b))
                offers.append(("2 compromise", at_, b, a, j))
            elif a > 0 and b > a:
                offers.append(("1 confrontation", x[j], b, a, j))
            elif a < 0 and o.capitulation == "yes":
                offers.append(("3 capitulation", x[j], b, a, j))
            else:
                offers.append(("4 nothing", x[i], b, a, j))
        if o.choice == "strongest":
            if not offers:
                new.append(x[i])
                continue
            most = max(offer[2] for offer in offers)
            best = [offer for offer in offers if offer[2] == most]
            new.append(min(best, key=lambda offer: abs(x[offer[4]] - x[i]))[1])
            continue
        offers = [offer for offer in offers if not offer[0].startswith("4")]
        if not offers:
            new.append(x[i])
            continue
        kind = min(offer[0] for offer in offers)
        best = [offer for offer in offers if offer[0] == kind]
        if o.choice == "lowest-compromise" and kind.startswith("2"):
            new.append(min(best, key=lambda f: (abs(f[3]) * x[i] + abs(f[2]) * x[f[4]])
                           / (abs(f[3]) + abs(f[2])))[1])  # fmt: skip
        else:
            new.append(min(best, key=lambda offer: abs(offer[1] - x[i]))[1])
    return new, r


def median(x: Sequence[float], w: Sequence[float]) -> float:
    """The lowest position at which no more than half of the weight lies on either side."""
    half = sum(w) / 2 * (1 + 1e-12)
    return min(
        m for m in x
        if sum(b for a, b in zip(x, w, strict=True) if a < m) <= half
        and sum(b for a, b in zip(x, w, strict=True) if a > m) <= half
    )  # fmt: skip


def winning(w: Sequence[float], quota: float) -> list[tuple[int, ...]]:
    """All minimal winning coalitions."""
    n, whole = len(w), sum(w)

    def wins(some: Sequence[int]) -> bool:
        return sum(w[i] for i in some) > quota * whole + 1e-12 * whole

    found = []
    for size in range(1, n + 1):
        for some in itertools.combinations(range(n), size):
            if wins(some) and not any(wins([j for j in some if j != i]) for i in some):
                found.append(some)
    return found


def shapley(w: Sequence[float], quota: float) -> list[float]:
    """The share of orders in which each actor is the one that makes the others win."""
    n, whole = len(w), sum(w)
    count = [0] * n
    for order in itertools.permutations(range(n)):
        heap = 0.0
        for i in order:
            heap += w[i]
            if heap > quota * whole + 1e-12 * whole:
                count[i] += 1
                break
    return [c / math.factorial(n) for c in count]
