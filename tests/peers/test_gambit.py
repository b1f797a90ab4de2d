"""Do Servanda and Gambit play the same small games alike?

Every information set of the tree is compared: Gambit's agent logit equilibrium (the principal
branch at λ = 1 of the tree with payoffs multiplied by λ_i/s_i; Turocy 2010) with Servanda's choice
probabilities in the position that the information set belongs to, at δ = 1 and terminal zero.
"""

from __future__ import annotations

import io
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml

import servanda as sv
from peers.games import Shape, random_game
from peers.tree import Infoset, Tree, stakes_of
from servanda.game.backward import Backward, backward
from servanda.game.batch import stakes
from servanda.game.build import Game, build
from servanda.game.equilibrium import logit_equilibrium
from servanda.game.grid import make_grid
from servanda.game.period import Method, sign
from servanda.game.reach import boxes
from servanda.game.regimes import Variant
from servanda.game.tables import parameters
from servanda.scenario.model import Scenario
from servanda.scenario.worlds import Worlds

gambit = pytest.importorskip("pygambit", minversion="17.0.0b2")

TOLERANCE = 1e-6

ONE_SHOT = {
    "one chooser": Shape(1, (3,), acuity=6),
    "in order": Shape(2, (3, 3), acuity=6),
    "three in order": Shape(3, (2, 3, 2), acuity=6),
    "two at once": Shape(2, (3, 3), bracket=True, acuity=5),
    "three at once": Shape(3, (2, 2, 2), bracket=True, acuity=4),
    "two at once, sharp": Shape(2, (3, 3), bracket=True, acuity=20),
    "two decisions at once": Shape(2, (2, 3), bracket=True, twice=True, acuity=4),
}
REPEATED = {
    "two periods": Shape(2, (2, 2), horizon=2, phases=(2,), acuity=5),
    "three periods": Shape(2, (2, 2), horizon=3, phases=(2,), acuity=4, own_stakes=False),
    "in turn, by chance": Shape(2, (2, 2), horizon=3, phases=(2,), chance=True, turns=True),
    "at once, by chance": Shape(
        2, (2, 2), horizon=2, phases=(3,), chance=True, bracket=True, acuity=2
    ),
    "at once, twice": Shape(2, (3, 2), horizon=2, phases=(2,), bracket=True, acuity=2),
    "closed options": Shape(2, (2, 3), horizon=2, phases=(2,), chance=True, twice=True, when=True),
    "stakes, closed options": Shape(2, (2, 3), phases=(2,), when=True, own_stakes=False),
    "a deal": Shape(2, (2, 2), horizon=2, deal=True, acuity=3),
    "a deal, at once": Shape(2, (2, 2), horizon=2, deal=True, bracket=True, acuity=2),
}


def scenario_of(raw: dict[str, Any]) -> Scenario:
    return sv.load(yaml.safe_dump(raw, sort_keys=False))


class Played:
    """Servanda's choice probabilities, looked up by information set."""

    def __init__(self, scenario: Scenario, deal: str | None, worlds: Worlds):
        proposal = None if deal is None else scenario.proposals[deal]
        self.game: Game = build(scenario, [Variant(proposal)])
        method = Method(make_grid(scenario, ()))
        scale = jnp.asarray(stakes(scenario))

        def one(theta: jax.Array) -> tuple[Backward, Any]:
            p = parameters(self.game, theta, worlds.names, scale)
            solved = backward(self.game, method, p, boxes((self.game,), p), policies=True)
            _, accepted = jax.vmap(lambda w: sign(self.game, p, w))(solved.values)
            return solved, accepted

        values = jnp.asarray(worlds.values)
        self.solved, self.accepted = jax.device_get(jax.jit(lambda x: jax.lax.map(one, x))(values))
        self.keys = [d.key for d in scenario.decisions]

    def regime(self, here: Infoset) -> int:
        """The regime that is solved for an information set's."""
        kind, detail = here.regime
        if kind == "unsigned" and detail is not None:
            kind = "never"  # who has refused the only chance has refused for good
        found = [
            n
            for n, r in enumerate(self.game.graph.regimes)
            if r.kind == kind and detail in (r.refused_by, r.breach, None)
            and (kind != "unsigned" or (r.age, r.refused_by) == (0, detail))
        ]  # fmt: skip
        return found[0]

    def phase(self, here: Infoset) -> int:
        phases = self.game.scenario.phases.values()
        numbers = tuple(p.values.index(v) for p, v in zip(phases, here.phases, strict=True))
        return self.game.phase_values.index(numbers)

    def chances(self, world: int, here: Infoset, party: str) -> np.ndarray:
        """The probability of every option of an information set."""
        if here.stage == "sign":
            return self._acceptance(world, here, party)
        position = (self.game.alike[self.regime(here)], self.phase(here))
        k, row = next(
            (k, r)
            for k, group in enumerate(self.game.groups)
            for r in np.flatnonzero((group.rows == position).all(axis=1))
        )
        group, horizon = self.game.groups[k], self.game.scenario.horizon
        same = all((g.live[:horizon] == g.live[0]).all() for g in self.game.groups)
        live = np.unique(group.live[0]) if same else group.live[here.period]
        at = int(np.flatnonzero(live == row)[0])
        joint = self.solved.policies[k][world, here.period, at, :, 0]
        decisions = self.game.scenario.decisions
        names = [[decisions[d].options[o] for d, o in enumerate(move)] for move in group.joint]
        before = np.ones(len(joint), bool)
        for key, option in here.earlier:
            before &= np.array([move[self.keys.index(key)] == option for move in names])
        stage = self.game.scenario.stages[int(here.stage)]
        mine = [d for d in stage if decisions[d].party == party]
        chosen = [tuple(move[d] for d in mine) for move in names]
        shares = [joint[before & np.array([c == o for c in chosen])].sum() for o in here.options]
        assert sum(shares) == pytest.approx(joint[before].sum(), rel=1e-12)
        return np.array(shares) / joint[before].sum()

    def _acceptance(self, world: int, here: Infoset, party: str) -> np.ndarray:
        regime = self.regime(here)
        number = next(k for k, s in enumerate(self.game.signings) if s.regime == regime)
        k = self.game.signings[number].parties.index(self.game.parties.index(party))
        yes = self.accepted[world, here.period, number, k, self.phase(here), 0]
        return np.array([1 - yes, yes])


def compare(shape: Shape, seed: int, count: int) -> tuple[int, float]:
    """Play one random game in several worlds both ways: information sets, largest difference."""
    raw = random_game(shape, seed)
    scenario = scenario_of(raw)
    deal = "truce" if shape.deal else None
    worlds = sv.draw(scenario, count, seed=seed)
    ours = Played(scenario, deal, worlds)
    usual = sv.modal(scenario)
    spread = stakes_of(raw, dict(zip(usual.names, usual.values[0], strict=True)))
    parties = raw["parties"].items()
    precision = {p: x["acuity"] / x.get("stakes", spread[p]) for p, x in parties}
    worst, sets = 0.0, 0
    for w in range(count):
        world = dict(zip(worlds.names, worlds.values[w], strict=True))
        tree = Tree(raw, world, precision, deal)
        theirs = gambit.read_efg(io.StringIO(tree.efg()))
        (found,) = gambit.qre.logit_solve_lambda(theirs, 1.0)
        for party, infosets in tree.infosets.items():
            profile = found.profile[party] if infosets else []
            for here, (_, mixed) in zip(infosets, profile, strict=True):
                expected = np.array([mixed[o] for o in here.labels])
                got = ours.chances(w, here, party)
                worst = max(worst, float(np.max(np.abs(got - expected))))
                sets += 1
    return sets, worst


@pytest.mark.parametrize("name", ONE_SHOT | REPEATED)
def test_every_information_set_is_played_as_gambit_plays_it(name):
    shape = (ONE_SHOT | REPEATED)[name]
    sets, worst = compare(shape, seed=sum(map(ord, name)), count=2)
    assert sets >= 2
    assert worst < TOLERANCE


@pytest.mark.parametrize(("choices", "sharpness"), [((3, 3), 10.0), ((2, 2, 2), 8.0)])
def test_random_tables_are_followed_to_the_same_branch(choices, sharpness):
    # a long step near a fork lands on another branch: among hundreds of games some have one
    rng = np.random.default_rng(11)
    payoffs = sharpness * rng.uniform(-1, 1, (len(choices), *choices, 200))
    strategies, failed = jax.jit(logit_equilibrium)(jnp.asarray(payoffs), [None] * len(choices))
    assert int(failed) == 0
    for k in range(payoffs.shape[-1]):
        game = gambit.StrategicGame.from_arrays(*payoffs[..., k])
        profile = gambit.qre.logit_solve_lambda(game, 1.0)[0].profile
        for player, ours in zip(game.players, strategies, strict=True):
            theirs = [p for _, p in profile[player]]
            assert np.asarray(ours[:, k]) == pytest.approx(theirs, abs=TOLERANCE)
