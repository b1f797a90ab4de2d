"""Every concept against its definition, word for word, on random conflicts of 1 to 4 parties."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from servanda.tables.graph import (
    Preference,
    View,
    coalition_stable,
    graph_form,
    hypergame,
    inverse,
    option_form,
    stability,
    status_quo,
)
from servanda.tables.graph.basic import SANCTIONS
from tables.graph import brute

BASIC = ("Nash", "GMR", "SMR", "SEQ")


def as_option_form(game, names, words):
    preferences = {name: np.array(game.rank[i]) for i, name in enumerate(names)}
    return option_form(names, preferences, **words)


def as_graph_form(game):
    states = [f"s{k}" for k in range(game.n)]
    arcs = {
        f"dm{i}": [(s, t) for s in range(game.n) for t in game.moves[i][s]] for i in game.parties
    }
    return graph_form(states, arcs, {f"dm{i}": np.array(game.rank[i]) for i in game.parties})


def random_conflict(seed, **options):
    rng = brute.generator(seed)
    parties = 1 + seed % 4
    if seed % 2:
        size = rng.randint(max(parties, 2), 5)
        game, names, words = brute.option_game(rng, parties, size, **options)
        return rng, game, as_option_form(game, names, words)
    game = brute.graph_game(rng, parties, rng.randint(2, 8), ties=options.get("ties", True))
    return rng, game, as_graph_form(game)


def others(game, i):
    return [(j,) for j in game.parties if j != i]


def agrees(found, game, concept, **how):
    for i in game.parties:
        expected = [
            brute.stable(game, concept, (i,), others(game, i), s, **how) for s in range(game.n)
        ]
        assert found[i].tolist() == expected, (concept, i, how)


@pytest.mark.parametrize("seed", range(160))
def test_basic_concepts_with_every_kind_of_sanction(seed):
    _, game, conflict = random_conflict(seed)
    for kind in SANCTIONS:
        answer = stability(conflict, BASIC, sanctions=kind)
        for concept in BASIC:
            agrees(answer.stable.sel(concept=concept).values, game, concept, kind=kind)


@pytest.mark.parametrize("seed", range(1, 60, 2))
def test_moves_by_state(seed):
    """Option form with arcs taken away: moves are then no longer transitive."""
    rng, game, conflict = random_conflict(seed)
    arcs = []
    for i in game.parties:
        pairs = [(s, t) for s in range(game.n) for t in sorted(game.moves[i][s])]
        kept = [p for p in pairs if rng.random() < 0.6]
        game.moves[i] = [{t for a, t in kept if a == s} for s in range(game.n)]
        array = np.array(kept, np.int64).reshape(-1, 2)
        arcs.append((array[:, 0], array[:, 1]))
    conflict = replace(conflict, arcs=tuple(arcs))
    for kind in SANCTIONS:
        answer = stability(conflict, BASIC, sanctions=kind)
        for concept in BASIC:
            agrees(answer.stable.sel(concept=concept).values, game, concept, kind=kind)


@pytest.mark.parametrize("seed", range(80))
def test_strength_of_preference(seed):
    rng, game, conflict = random_conflict(seed)
    game.strength, preferences = [], []
    for i in game.parties:
        levels = max(game.rank[i]) + 1
        cut = sorted(
            {rng.randrange(1, levels) for _ in range(rng.randrange(3))} if levels > 1 else []
        )
        classes = [sum(r >= c for c in cut) for r in game.rank[i]]
        game.strength.append(classes)
        preferences.append(
            Preference(np.array(game.rank[i], np.int32), np.array(classes, np.int32))
        )
    conflict = replace(conflict, preferences=tuple(preferences))
    strong = [f"strong {c}" for c in BASIC[1:]]
    answer = stability(conflict, strong)
    for concept in strong:
        agrees(answer.stable.sel(concept=concept).values, game, concept)
    weak = stability(conflict, BASIC)
    for c in BASIC[1:]:  # strongly stable is stable
        assert (answer.stable.sel(concept=f"strong {c}") <= weak.stable.sel(concept=c)).all()


@pytest.mark.parametrize("seed", range(80))
@pytest.mark.parametrize("extension", ["a", "b", "c", "d"])
def test_unknown_preferences(seed, extension):
    rng, game, conflict = random_conflict(seed)
    preferences = []
    for i in game.parties:
        pairs = [(s, t) for s in range(game.n) for t in range(s) if rng.random() < 0.25]
        game.unknown.append({frozenset(p) for p in pairs})
        array = np.array(pairs, np.int64).reshape(-1, 2)
        preferences.append(Preference(np.array(game.rank[i], np.int32), unknown=array))
    conflict = replace(conflict, preferences=tuple(preferences))
    answer = stability(conflict, BASIC, unknown_as=extension)
    for concept in BASIC:
        agrees(answer.stable.sel(concept=concept).values, game, concept, extension=extension)


@pytest.mark.parametrize("seed", range(60))
def test_fuzzy_preferences(seed):
    rng, game, conflict = random_conflict(seed)
    preferences = []
    for i in game.parties:
        degree = {
            (s, t): rng.randrange(21) / 20
            for s in range(game.n)
            for t in range(s)
            if rng.random() < 0.5
        }
        threshold = rng.choice([0.1, 0.3, 0.5, 1.0])
        game.degree.append(degree)
        game.threshold.append(threshold)
        array = np.array(list(degree), np.int64).reshape(-1, 2)
        preferences.append(
            Preference(
                np.array(game.rank[i], np.int32),
                degree=(array, np.array(list(degree.values()))),
                threshold=threshold,
            )
        )
    conflict = replace(conflict, preferences=tuple(preferences))
    answer = stability(conflict, BASIC)
    for concept in BASIC:
        agrees(answer.stable.sel(concept=concept).values, game, concept)


@pytest.mark.parametrize("seed", range(80))
def test_attitudes(seed):
    rng, game, conflict = random_conflict(seed)
    attitudes = {}
    for i in game.parties:
        row = None
        if rng.random() < 0.8:
            row = [rng.choice([-1, 0, 1]) for _ in game.parties]
            attitudes[i] = tuple(row)
        game.attitude.append(row)
    conflict = replace(conflict, attitudes=attitudes)
    for kind in SANCTIONS:
        answer = stability(conflict, BASIC, sanctions=kind)
        for concept in BASIC:
            agrees(answer.stable.sel(concept=concept).values, game, concept, kind=kind)


def test_self_interest_alone_is_the_standard_definition():
    for seed in range(20):
        _, game, conflict = random_conflict(seed)
        selfish = {i: tuple(int(i == j) for j in game.parties) for i in game.parties}
        plain = stability(conflict, BASIC)
        assert (stability(replace(conflict, attitudes=selfish), BASIC).stable == plain.stable).all()


@pytest.mark.parametrize("seed", [s for s in range(80) if s % 4])
def test_coalitions(seed):
    rng, game, conflict = random_conflict(seed)
    names = conflict.decision_makers
    size = rng.randint(2, len(names))
    block = tuple(sorted(rng.sample(range(len(names)), size)))
    blocks = sorted([block, *((j,) for j in game.parties if j not in block)])
    for kind in SANCTIONS:
        answer = stability(conflict, BASIC, coalitions=[[names[i] for i in block]], sanctions=kind)
        for concept in BASIC:
            for k, one in enumerate(blocks):
                rest = [b for b in blocks if b != one]
                expected = [
                    brute.stable(game, concept, one, rest, s, kind=kind) for s in range(game.n)
                ]
                assert answer.stable.sel(concept=concept).values[k].tolist() == expected


@pytest.mark.parametrize("seed", range(2, 40, 4))
@pytest.mark.parametrize("concept", BASIC)
def test_stable_for_every_coalition(seed, concept):
    _, game, conflict = random_conflict(seed)
    table = coalition_stable(conflict, concept)
    for chosen, row in enumerate(table.values, start=1):
        block = tuple(i for i in game.parties if chosen >> i & 1)
        rest = [(j,) for j in game.parties if j not in block]
        assert row.tolist() == [brute.stable(game, concept, block, rest, s) for s in range(game.n)]


@pytest.mark.parametrize("seed", range(1, 100, 2))
def test_simultaneous(seed):
    _, game, conflict = random_conflict(seed)
    found = stability(conflict, ["SIM"]).stable.values[0]
    for i in game.parties:
        expected = [brute.simultaneous(game, i, s) for s in range(game.n)]
        assert found[i].tolist() == expected


@pytest.mark.parametrize("seed", range(100))
@pytest.mark.parametrize("response", ["worst", "best"])
def test_limited_move_and_non_myopic(seed, response):
    _, game, conflict = random_conflict(seed)
    horizons = [1, 2, 3, 4, 7]
    answer = stability(conflict, [f"L{h}" for h in horizons], response=response)
    memo = {}
    for h in horizons:
        for i in game.parties:
            expected = [brute.final(game, i, s, h, response, memo) == s for s in range(game.n)]
            assert answer.stable.sel(concept=f"L{h}").values[i].tolist() == expected
    # far enough out to have gone round the cycle of these small games many times
    late = range(60, 100)
    found = stability(conflict, ["NM"], response=response).stable.values[0]
    for i in game.parties:
        expected = [
            all(brute.final(game, i, s, h, response, memo) == s for h in late)
            for s in range(game.n)
        ]
        assert found[i].tolist() == expected


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("kind", SANCTIONS)
def test_inverse_counts_are_those_of_all_rankings(seed, kind):
    rng = brute.generator(seed)
    parties = 2 + seed % 3
    game = brute.graph_game(rng, parties, rng.randint(2, 5), ties=False)
    conflict = as_graph_form(game)
    many = 2 if game.n <= 3 else 1
    vary = sorted(rng.sample(range(parties), many))
    s = rng.randrange(game.n)
    found = inverse(conflict, s + 1, [f"dm{i}" for i in vary], sanctions=kind)
    for concept in BASIC:
        assert found.count(concept) == brute.count_rankings(game, s, vary, concept, kind)


@pytest.mark.parametrize("seed", range(10))
def test_inverse_counts_in_option_form(seed):
    rng = brute.generator(seed)
    game, names, words = brute.option_game(rng, 2, 3, ties=False, infeasible=False)
    if seed % 2:
        words["infeasible"] = ["YY-", "N-Y"]
        keep = [k for k, c in enumerate(game.codes) if c & 3 != 3 and c & 5 != 4]
        game.moves = [
            [{keep.index(t) for t in row[s] if t in keep} for s in keep] for row in game.moves
        ]
        game.n = len(keep)
        game.rank = [brute.random_rank(rng, game.n, False) for _ in game.parties]
        vary = [0]
    else:
        words["infeasible"] = ["YY-"]
        keep = [k for k, c in enumerate(game.codes) if c & 3 != 3]
        game.moves = [
            [{keep.index(t) for t in row[s] if t in keep} for s in keep] for row in game.moves
        ]
        game.n = len(keep)
        game.rank = [brute.random_rank(rng, game.n, False) for _ in game.parties]
        vary = [1]
    conflict = as_option_form(game, names, words)
    s = rng.randrange(game.n)
    found = inverse(conflict, s + 1, [list(names)[i] for i in vary])
    for concept in BASIC:
        assert found.count(concept) == brute.count_rankings(
            game, s, vary, concept, "legal-sequences"
        )


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("kind", SANCTIONS)
def test_a_report_says_what_the_analysis_found(seed, kind):
    """The report walks by itself: unstable exactly where an improvement is not sanctioned."""
    _, game, conflict = random_conflict(seed)
    answer = stability(conflict, BASIC, sanctions=kind)
    for s in range(game.n):
        found = answer.explain(s + 1)
        for concept in BASIC:
            for i, name in enumerate(conflict.decision_makers):
                mine = [one for one in found.improvements if one.by == name]
                held = (
                    not mine
                    if concept == "Nash"
                    else all(one.sanctions[concept] is not None for one in mine)
                )
                assert held == bool(answer.stable.sel(concept=concept).values[i, s])
                for one in mine:
                    if concept != "Nash" and one.sanctions[concept] is not None:
                        legal(game, one, s, concept, i, kind, conflict)


def legal(game, one, s, concept, i, kind, conflict):
    """A sanction is a legal sequence of others' moves to a state that i does not prefer to s."""
    at, last, gone = one.to - 1, None, set()
    for move in one.sanctions[concept]:
        who = conflict.position(move.by)
        assert who not in (i, last)
        assert move.to - 1 in game.moves[who][at]
        if concept == "SEQ":
            assert game.rank[who][move.to - 1] > game.rank[who][at]
        if kind == "each-once":
            assert who not in gone
        gone.add(who)
        at, last = move.to - 1, who
    assert kind != "single" or len(one.sanctions[concept]) == 1
    assert game.rank[i][at] <= game.rank[i][s]


@pytest.mark.parametrize("seed", range(40))
def test_status_quo_reaches_what_legal_sequences_reach(seed):
    rng, game, conflict = random_conflict(seed)
    s = rng.randrange(game.n)
    for better in (False, True):

        def step(m, x, better=better):
            return {t for t in game.moves[m][x] if not better or game.rank[m][t] > game.rank[m][x]}

        tree = status_quo(conflict, s + 1, improvements_only=better)
        expected = brute.sequences(s, list(game.parties), step, "legal-sequences")
        assert {n.state - 1 for n in tree.nodes} == expected | {s}
        level = {(s, None)}
        first = {s: 0}
        for h in range(1, 3 * game.n):
            level = {
                (t, m) for x, last in level for m in game.parties if m != last for t in step(m, x)
            }
            for t, _ in level:
                first.setdefault(t, h)
        assert {k - 1: v for k, v in tree.reached().items()} == first
        for node in tree.nodes[1:]:
            path = tree.path(node.state)
            assert path[0].state == s + 1
            for a, b in itertools.pairwise(path):
                assert b.state - 1 in step(conflict.position(b.by), a.state - 1)
                assert a.by != b.by


@pytest.mark.parametrize("seed", range(40))
def test_a_hypergame_is_each_in_its_own_conflict(seed):
    rng, game, conflict = random_conflict(seed)
    views, seen = {}, []
    for i in game.parties:
        mine = brute.Game(game.n, game.moves, list(game.rank), codes=game.codes)
        if rng.random() < 0.8 or i == 0:
            other = rng.randrange(len(game.moves))
            mine.rank[other] = brute.random_rank(rng, game.n, True)
            views[i] = View({other: Preference(np.array(mine.rank[other], np.int32))})
        seen.append(mine)
    answer = hypergame(replace(conflict, views=views))
    for concept in BASIC:
        own = np.array(
            [
                [brute.stable(seen[i], concept, (i,), others(game, i), s) for s in range(game.n)]
                for i in game.parties
            ]
        )
        assert (answer.stable.sel(concept=concept).values == own).all()
        assert answer.equilibria(concept) == (np.flatnonzero(own.all(axis=0)) + 1).tolist()
        for i, name in enumerate(conflict.decision_makers):
            believed = [
                s + 1
                for s in range(game.n)
                if all(
                    brute.stable(seen[i], concept, (j,), others(game, j), s) for j in game.parties
                )
            ]
            assert answer.believes(concept, name) == believed


@pytest.mark.parametrize("seed", range(1, 60, 2))
def test_a_report_finds_simultaneous_sanctions_where_the_analysis_does(seed):
    _, game, conflict = random_conflict(seed)
    answer = stability(conflict, ["SIM", "L2"])
    for s in range(game.n):
        found = answer.explain(s + 1)
        for i, name in enumerate(conflict.decision_makers):
            held = all(
                one.sanctions["SIM"] is not None for one in found.improvements if one.by == name
            )
            assert held == brute.simultaneous(game, i, s)
            end = brute.final(game, i, s, 2, "worst", {})
            assert found.foreseen["L2"][name] == conflict.label(end)


@pytest.mark.parametrize("seed", range(60))
def test_inverse_counts_of_larger_conflicts_by_sets_of_better_states(seed):
    """Nash, GMR and SMR of i hang only on which states i ranks above s: go through those sets."""
    _, game, conflict = random_conflict(seed, ties=False)
    rng = brute.generator(1000 + seed)
    if game.n > 9:
        game, names, words = brute.option_game(rng, 2, 3, ties=False)
        conflict = as_option_form(game, names, words)
    i, s = rng.randrange(len(game.moves)), rng.randrange(game.n)
    rest = [t for t in range(game.n) if t != s]
    found = inverse(conflict, s + 1, [f"dm{i}"], BASIC[:3])
    kept = game.rank[i]
    for one in found.counts:
        held = all(
            brute.stable(game, one.concept, (j,), others(game, j), s)
            for j in game.parties
            if j != i
        )
        own = 0
        for chosen in range(1 << len(rest)):
            above = {t for k, t in enumerate(rest) if chosen >> k & 1}
            game.rank[i] = [2 if t in above else int(t == s) for t in range(game.n)]
            if brute.stable(game, one.concept, (i,), others(game, i), s):
                own += math.factorial(len(above)) * math.factorial(len(rest) - len(above))
        game.rank[i] = kept
        assert one.by == {f"dm{i}": own}
        assert one.number == (own if held else 0)
