"""The spatial models in plain Python loops, as replications are usually written.

One actor, one pair, one option at a time, with nothing computed twice that a careful programmer
would keep: what the arrays of `servanda.tables.spatial` are timed against. Only the choices of
KTAB's two reference runs are here, and the published challenge model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Matrix = list[list[float]]


def vote(cubic: bool, du: float) -> float:
    return 0.5 * du + 0.5 * du * du * du if cubic else du


def strengths(u: Matrix, w: Sequence[float], cubic: bool) -> Matrix:
    m = len(u[0])
    c = [[1e-8] * m for _ in range(m)]
    for i in range(m):
        for j in range(i):
            up = down = 0.0
            for k, weight in enumerate(w):
                v = weight * vote(cubic, u[k][i] - u[k][j])
                if v > 0:
                    up += v
                else:
                    down -= v
            c[i][j] += up
            c[j][i] += down
    return c


def elect(c: Matrix, markov: bool) -> list[float]:
    """Linear victory; conditional, or the chain with incentives iterated as KTAB does."""
    m = len(c)
    p = [[0.5 if i == j else c[i][j] / (c[i][j] + c[j][i]) for j in range(m)] for i in range(m)]
    if not markov:
        odds = [math.prod(row) for row in p]
        whole = sum(odds)
        return [x / whole for x in odds]
    wants = [[c[i][j] * p[i][j] + (1e-10 if i == j else 0.0) for j in range(m)] for i in range(m)]
    sums = [sum(wants[i][j] for i in range(m)) for j in range(m)]
    step = [[0.0] * m for _ in range(m)]
    for i in range(m):
        for j in range(m):
            h = wants[i][j] / sums[j]
            step[i][j] += p[i][j] * h
            step[j][j] += p[j][i] * h
    share = [1.0 / m] * m
    change = 1.0
    while change > 1e-8:
        new = [sum(row[j] * share[j] for j in range(m)) for row in step]
        change = max(abs(a - b) for a, b in zip(new, share, strict=True))
        share = [(a + b) / 2 for a, b in zip(new, share, strict=True)]
    return share


def distance(x: Sequence[float], y: Sequence[float], s: Sequence[float], norm: float) -> float:
    return math.sqrt(sum((a * (b - c)) ** 2 for a, b, c in zip(s, x, y, strict=True)) / norm)


def value(d: float, r: float) -> float:
    return (1 - d) * (1 + d * r)


def turn(
    x: Matrix,
    s: Matrix,
    c: Sequence[float],
    cubic: bool,
    markov: bool,
    draw: Sequence[float] | None,
) -> Matrix:
    """One turn of KTAB's model with the choices of its example, or of its deterministic run."""
    n = len(x)
    norm = [sum(a * a for a in row) for row in s]
    total = [sum(row) for row in s]
    w = [a * b for a, b in zip(c, total, strict=True)]
    d = [[distance(x[i], x[j], s[i], norm[i]) for j in range(n)] for i in range(n)]
    p = elect(strengths([[1 - a for a in row] for row in d], c, cubic), markov)
    low, high = min(p), max(p)
    if high - low <= 1e-12:
        risk = [0.0] * n
    else:
        risk = [(3 * q - high - 2 * low) / (2 * (high - low)) for q in p]
    bargains: dict[int, tuple[int, list[float], list[float]]] = {}
    for i in range(n):
        u = [[value(d[k][j], (2 * risk[i] + risk[k]) / 3) for j in range(n)] for k in range(n)]
        best, target, chance = 1e-5, -1, 0.0
        for j in range(n):
            if j == i:
                continue
            for_i = for_j = 1e-10
            for k in (i, j):
                v = w[k] * vote(cubic, u[k][i] - u[k][j])
                if v > 0:
                    for_i += v
                else:
                    for_j -= v
            all_i, all_j = for_i, for_j
            for k in range(n):
                if k in (i, j):
                    continue
                v = w[k] * vote(cubic, u[k][i] - u[k][j])
                a, b = for_i + max(v, 0.0), for_j + max(-v, 0.0)
                q = a / (a + b)
                lean = q * (u[k][k] - u[k][i]) - (1 - q) * (u[k][k] - u[k][j])
                v = w[k] * vote(cubic, lean)
                if v > 0:
                    all_i += v
                else:
                    all_j -= v
            q = all_i / (all_i + all_j)
            gain = (1 - 2 * total[j] * (1 - q)) * (u[i][i] - u[i][j])
            if gain > best:
                best, target, chance = gain, j, q
        if target < 0:
            continue
        mine, theirs = [], []
        for k in range(len(x[i])):
            a, b = (s[i][k] * chance) ** 2, (s[target][k] * (1 - chance)) ** 2
            whole = a + 1e-6 + b
            one = ((a + 1e-6) * x[i][k] + b * x[target][k]) / whole
            two = (a * x[i][k] + (1e-6 + b) * x[target][k]) / whole
            mine.append(math.floor(0.5 + 1e4 * one) / 1e4)
            theirs.append(math.floor(0.5 + 1e4 * two) / 1e4)
        bargains[i] = (target, mine, theirs)
    now = [[value(d[v][m], risk[v]) for m in range(n)] for v in range(n)]
    stay = [sum(row) / n for row in now]
    of: dict[int, list[float]] = {}
    for i, (j, mine, theirs) in bargains.items():
        of[i] = [
            stay[v] + (value(distance(x[v], mine, s[v], norm[v]), risk[v])
                       + value(distance(x[v], theirs, s[v], norm[v]), risk[v])
                       - now[v][i] - now[v][j]) / n
            for v in range(n)
        ]  # fmt: skip
    new = []
    for k in range(n):
        offers = [i for i, (j, _, _) in bargains.items() if k in (i, j)]
        u = [[stay[v], *(of[i][v] for i in offers)] for v in range(n)]
        p = elect(strengths(u, c, cubic), markov)
        if draw is None:
            at = max(range(len(p)), key=p.__getitem__)
        else:
            at, heap = 0, p[0]
            while heap <= draw[k] and at < len(p) - 1:
                at += 1
                heap += p[at]
        if at == 0:
            new.append(x[k])
        else:
            i = offers[at - 1]
            new.append(bargains[i][1] if k == i else bargains[i][2])
    return new


def challenge_round(
    x: Sequence[float], s: Sequence[float], c: Sequence[float], reach: float
) -> list[float]:
    """One round of the published challenge model."""
    n = len(x)
    w = [a * b for a, b in zip(s, c, strict=True)]
    r = [1.0] * n
    eu: Matrix = []
    p: Matrix = []
    for again in (False, True):
        far = [[(abs(x[k] - x[j]) / reach) ** r[k] for j in range(n)] for k in range(n)]
        p = [[0.0] * n for _ in range(n)]
        for i in range(n):
            for j in range(n):
                if x[i] == x[j]:
                    continue
                up = down = 0.0
                for k in range(n):
                    v = w[k] * (far[k][j] - far[k][i])
                    down += abs(v)
                    if v > 0:
                        up += v
                p[i][j] = up / down
        if again:
            break
        eu = [[expect(x, s, reach, p, i, j, 1.0) for j in range(n)] for i in range(n)]
        risky = [sum(eu[j][i] for j in range(n) if j != i) for i in range(n)]
        low, high = min(risky), max(risky)
        if high - low > 1e-12:
            big = [(2 * a - high - low) / (high - low) for a in risky]
            r = [(1 - a / 3) / (1 + a / 3) for a in big]
    new = []
    for i in range(n):
        best = (9, math.inf, x[i])
        for j in range(n):
            if x[i] == x[j]:
                continue
            a, b = expect(x, s, reach, p, i, j, r[i]), expect(x, s, reach, p, j, i, r[i])
            if b <= 0:
                continue
            if a > 0:
                offer = (1, abs(x[j] - x[i]), x[j]) if b > a else None
            elif b >= -a:
                to = x[i] + (x[j] - x[i]) * abs(a / b)
                offer = (2, abs(to - x[i]), to) if a < 0 else None
            else:
                offer = (3, abs(x[j] - x[i]), x[j])
            if offer is not None and offer[:2] < best[:2]:
                best = offer
        new.append(best[2])
    return new


def expect(
    x: Sequence[float], s: Sequence[float], reach: float, p: Matrix, i: int, j: int, r: float
) -> float:
    d = 0.5 * abs(x[i] - x[j]) / reach
    won, lost = 2 - 4 * (0.5 - d) ** r, 2 - 4 * (0.5 + d) ** r
    return s[j] * (p[i][j] * won + (1 - p[i][j]) * lost) + (1 - s[j]) * won - (2 - 4 * 0.5**r)


def expected_outcome(x: Matrix, s: Matrix, c: Sequence[float], options: Matrix) -> list[float]:
    """The position to expect of an election among options: proportional votes, incentives."""
    norm = [sum(a * a for a in row) for row in s]
    u = [[1 - distance(x[k], o, s[k], norm[k]) for o in options] for k in range(len(x))]
    w = [a * sum(row) for a, row in zip(c, s, strict=True)]
    p = elect(strengths(u, w, cubic=False), markov=True)
    return [sum(q * o[k] for q, o in zip(p, options, strict=True)) for k in range(len(options[0]))]
