"""The definitions of the graph model, word for word, on sets of states: slow and separate.

Nothing is imported from the library but the exceptions of the tests' own making: a conflict is a
plain `Game`. Every function follows the text of the definition that it names.
"""

import itertools
import math
import random
from dataclasses import dataclass, field


@dataclass
class Game:
    """States 0..n-1; moves[i][s] a set; better(i, s, t): i prefers t to s for certain."""

    n: int
    moves: list[list[set[int]]]
    rank: list[list[int]]
    strength: list[list[int] | None] = field(default_factory=list)
    unknown: list[set[frozenset[int]]] = field(default_factory=list)
    degree: list[dict[tuple[int, int], float] | None] = field(default_factory=list)
    threshold: list[float | None] = field(default_factory=list)
    attitude: list[list[int] | None] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)  # option form: the bitmask of each state

    @property
    def parties(self):
        return range(len(self.moves))

    def sure(self, j, s, t):
        if self.threshold and self.threshold[j] is not None:
            r = self.degree[j].get((t, s))
            if r is None:
                r = 1 - self.degree[j][s, t] if (s, t) in self.degree[j] else None
            if r is None:
                r = 0.5 + 0.5 * (
                    (self.rank[j][t] > self.rank[j][s]) - (self.rank[j][t] < self.rank[j][s])
                )
            return round(r - (1 - r), 9) >= self.threshold[j]
        if self.unknown and frozenset((s, t)) in self.unknown[j] and s != t:
            return False
        return self.rank[j][t] > self.rank[j][s]

    def perhaps(self, j, s, t):
        return self.sure(j, s, t) or bool(
            self.unknown and s != t and frozenset((s, t)) in self.unknown[j]
        )

    def wants(self, group, s, t, maybe):
        compare = self.perhaps if maybe else self.sure
        for i in group:
            row = self.attitude[i] if self.attitude else None
            if row is None:
                if not compare(i, s, t):
                    return False
                continue
            for j, a in enumerate(row):
                if a > 0 and not compare(j, s, t):
                    return False
                if a < 0 and not compare(j, t, s):
                    return False
        return True


def sequences(start, movers, step, kind):
    """All states reached from start by legal sequences: lists of moves, nobody twice running.

    Grown move by move, each with the set of movers who can have made the last move (Fang, Hipel
    and Kilgour 1993, definition of R_H).
    """
    if kind == "single":
        return {t for m in movers for t in step(m, start)}
    if kind == "each-once":
        found = set()
        for size in range(1, len(movers) + 1):
            for order in itertools.permutations(movers, size):
                at = {start}
                for m in order:
                    at = {t for s in at for t in step(m, s)}
                found |= at
        return found
    last = {}
    for m in movers:
        for t in step(m, start):
            last.setdefault(t, set()).add(m)
    changed = True
    while changed:
        changed = False
        for s in list(last):
            for m in movers:
                if last[s] != {m}:
                    for t in step(m, s):
                        if m not in last.setdefault(t, set()):
                            last[t].add(m)
                            changed = True
    return set(last)


def stable(game, concept, block, others, s, *, kind="legal-sequences", extension="a"):
    """Whether s is stable for the coalition `block` (a tuple), `others` a list of tuples."""

    def reach(group, at):
        if len(group) == 1:
            return game.moves[group[0]][at]
        return sequences(at, list(group), lambda m, x: game.moves[m][x], "legal-sequences") - {at}

    strong = concept.startswith("strong ")
    name = concept.removeprefix("strong ")
    leave_maybe = extension in ("a", "c")

    def deters(t):
        if strong:
            return any(
                game.strength[i] is not None and game.strength[i][t] < game.strength[i][s]
                for i in block
            )
        if extension in ("a", "b"):
            return not game.wants(block, s, t, True)
        return not game.wants(block, s, t, False)

    improvements = [t for t in reach(block, s) if game.wants(block, s, t, leave_maybe)]
    if name == "Nash":
        return not improvements
    for s1 in improvements:
        if name == "SEQ":
            countered = sequences(
                s1,
                others,
                lambda g, x: {y for y in reach(g, x) if game.wants(g, x, y, True)},
                kind,
            )
        else:
            countered = sequences(s1, others, reach, kind)
        sanctions = [x for x in countered if deters(x)]
        if name == "SMR":
            sanctions = [x for x in sanctions if all(deters(y) for y in reach(block, x))]
        if not sanctions:
            return False
    return True


def simultaneous(game, i, s):
    """Fraser and Hipel's simultaneous sanction on option form."""
    at = {code: k for k, code in enumerate(game.codes)}
    ui = [[t for t in game.moves[j][s] if game.wants((j,), s, t, True)] for j in game.parties]
    others = [j for j in game.parties if j != i]
    for s1 in ui[i]:
        found = False
        for joint in itertools.product(*[[None, *ui[j]] for j in others]):
            moved = [t for t in joint if t is not None]
            if not moved:
                continue
            code = game.codes[s1]
            for t in moved:
                changed = game.codes[t] ^ game.codes[s]
                code = code & ~changed | game.codes[t] & changed
            if code in at and not game.wants((i,), s, at[code], True):
                found = True
        if not found:
            return False
    return True


def final(game, i, s, h, response, memo):
    """G_h(i, s) by recursion: where i, to move at s with h moves to look ahead, ends up."""
    key = (i, s, h)
    if key in memo:
        return memo[key]
    if h == 0 or not game.moves[i][s]:
        return s

    def after(t):
        others = [j for j in game.parties if j != i]
        if not others:
            return t
        ends = [final(game, j, t, h - 1, response, memo) for j in others]
        if response == "worst":
            return min(ends, key=lambda e: (game.rank[i][e], e))
        return max(ends, key=lambda e: (game.rank[i][e], -e))

    best = max(game.moves[i][s], key=lambda t: (game.rank[i][after(t)], -t))
    end = after(best)
    memo[key] = end if game.rank[i][end] > game.rank[i][s] else s
    return memo[key]


def count_rankings(game, s, vary, concept, kind):
    """Every profile of strict rankings of those who vary, one by one."""
    total = 0
    kept = list(game.rank)
    orders = list(itertools.permutations(range(game.n)))
    for profile in itertools.product(orders, repeat=len(vary)):
        for i, order in zip(vary, profile):
            game.rank[i] = order
        if all(
            stable(game, concept, (i,), [(j,) for j in game.parties if j != i], s, kind=kind)
            for i in game.parties
        ):
            total += 1
    game.rank[:] = kept
    assert math.factorial(game.n) ** len(vary) >= total
    return total


def option_game(rng, parties, options, *, ties=True, infeasible=True, one_way=True):
    """A random conflict in option form, with the words the library wants to hear."""
    split = sorted(rng.sample(range(1, options), parties - 1)) if parties > 1 else []
    ends = [*split, options]
    groups, start = [], 0
    for end in ends:
        groups.append(list(range(start, end)))
        start = end
    directions = {}
    if one_way:
        for k in range(options):
            if rng.random() < 0.3:
                directions[k] = rng.choice(["N->Y", "Y->N"])
    patterns = []
    if infeasible:
        for _ in range(rng.randrange(3)):
            patterns.append("".join(rng.choice("YN-") for _ in range(options)))
    codes = [
        c
        for c in range(1 << options)
        if not any(
            all(p == "-" or (p == "Y") == bool(c >> k & 1) for k, p in enumerate(pattern))
            for pattern in patterns
        )
    ]
    if not codes:
        return option_game(rng, parties, options, ties=ties, infeasible=False, one_way=one_way)
    at = {c: k for k, c in enumerate(codes)}
    moves = []
    for group in groups:
        mine = sum(1 << k for k in group)
        rows = []
        for c in codes:
            row = set()
            for d in codes:
                if d != c and (c ^ d) & ~mine == 0:
                    legal = True
                    for k in group:
                        if (c ^ d) >> k & 1 and k in directions:
                            up = bool(d >> k & 1)
                            legal &= up == (directions[k] == "N->Y")
                    if legal:
                        row.add(at[d])
            rows.append(row)
        moves.append(rows)
    rank = [random_rank(rng, len(codes), ties) for _ in range(parties)]
    game = Game(len(codes), moves, rank, codes=codes)
    names = {f"dm{i}": [f"option {k}" for k in group] for i, group in enumerate(groups)}
    words = {
        "infeasible": patterns,
        "directions": {f"option {k}": d for k, d in directions.items()},
    }
    return game, names, words


def graph_game(rng, parties, n, *, ties=True):
    """A random conflict with arcs of no particular form."""
    moves = []
    for _ in range(parties):
        density = rng.choice([0.15, 0.3, 0.6])
        moves.append([{t for t in range(n) if t != s and rng.random() < density} for s in range(n)])
    return Game(n, moves, [random_rank(rng, n, ties) for _ in range(parties)])


def random_rank(rng, n, ties):
    if ties and rng.random() < 0.6:
        values = [rng.randrange(max(2, n // 2)) for _ in range(n)]
        levels = sorted(set(values))
        return [levels.index(v) for v in values]
    order = list(range(n))
    rng.shuffle(order)
    return order


def generator(seed):
    return random.Random(seed)
