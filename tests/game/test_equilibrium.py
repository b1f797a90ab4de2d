"""Is the logit equilibrium of a one-shot game found, on the branch that starts at uniform play?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from servanda.game.equilibrium import logit_equilibrium


def solve(u: np.ndarray, allowed: Sequence[Any] | None = None) -> tuple[list[np.ndarray], int]:
    masks = [None] * len(u) if allowed is None else allowed
    strategies, failed = jax.jit(logit_equilibrium)(jnp.asarray(u, float), masks)
    return [np.asarray(s) for s in strategies], int(failed)


def expected(u: np.ndarray, strategies: list[np.ndarray], i: int) -> np.ndarray:
    """What each choice of player i brings against the others' play, [choice, game]."""
    letters = "abc"[: len(strategies)]
    others = [s for j, s in enumerate(strategies) if j != i]
    form = ",".join([letters + "g"] + [f"{x}g" for j, x in enumerate(letters) if j != i])
    return np.einsum(f"{form}->{letters[i]}g", u[i], *others)


@pytest.mark.parametrize(
    ("choices", "sharpness"), [((2, 2), 3.0), ((2, 2), 30.0), ((3, 2), 10.0), ((2, 2, 2), 8.0)]
)
def test_every_random_game_is_followed_to_the_end_and_played_by_the_logit_rule(choices, sharpness):
    rng = np.random.default_rng(7)
    u = sharpness * rng.uniform(-1, 1, (len(choices), *choices, 1000))
    strategies, failed = solve(u)
    assert failed == 0
    for i, s in enumerate(strategies):
        q = expected(u, strategies, i)
        q = np.exp(q - q.max(axis=0))
        assert s == pytest.approx(q / q.sum(axis=0), abs=1e-9)


def test_matching_pennies_is_a_coin():
    win = np.array([[1.0, -1.0], [-1.0, 1.0]])
    strategies, failed = solve(20 * np.stack([win, -win])[..., None])
    assert failed == 0
    assert strategies[0][:, 0] == pytest.approx([0.5, 0.5], abs=1e-10)


def test_in_a_stag_hunt_the_branch_leads_to_the_risk_dominant_choice():
    # Turocy 2005, theorem 7: the principal branch of a 2 x 2 game selects risk dominance
    hunt = np.array([[4.0, 0.0], [3.0, 2.0]])  # both stag is better, both hare is safer
    strategies, failed = solve(50 * np.stack([hunt, hunt.T])[..., None])
    assert failed == 0
    assert strategies[0][1, 0] == pytest.approx(1.0, abs=1e-6)


def test_two_alike_do_not_leave_symmetry_at_the_fork():
    # pure coordination: the branch stays at one half past the pitchfork at λ = 2
    same = np.eye(2)
    for sharpness in (1.0, 2.0, 3.0, 30.0):
        strategies, failed = solve(sharpness * np.stack([same, same])[..., None])
        assert failed == 0
        assert strategies[0][:, 0] == pytest.approx([0.5, 0.5], abs=1e-9)


@pytest.mark.parametrize("sharpness", [1e2, 1e4, 1e12])
def test_sharp_choosers_still_mix_where_the_other_must_be_kept_indifferent(sharpness):
    # hawk and dove: (stay, stay) = -1, (stay, quit) = 3, quit = 0; quit with probability 1/4
    hawk = np.array([[-1.0, 3.0], [0.0, 0.0]])
    strategies, failed = solve(sharpness * np.stack([hawk, hawk.T])[..., None])
    assert failed == 0
    assert strategies[0][1, 0] == pytest.approx(0.25, abs=0.5 / sharpness + 1e-9)


def test_a_closed_choice_is_never_taken_and_changes_nothing_for_the_others():
    rng = np.random.default_rng(3)
    u = rng.uniform(-4, 4, (2, 3, 2, 1000))
    closed = jnp.broadcast_to(jnp.array([False, True, True])[:, None], (3, 1000))
    masked, failed = solve(u, [closed, None])
    smaller, _ = solve(u[:, 1:])
    assert failed == 0
    assert (masked[0][0] == 0).all()
    assert masked[0][1:] == pytest.approx(smaller[0], abs=1e-9)
    assert masked[1] == pytest.approx(smaller[1], abs=1e-9)


def test_the_derivative_is_that_of_the_equilibrium():
    rng = np.random.default_rng(5)
    u, way = rng.uniform(-2, 2, (2, 2, 3, 4)), rng.standard_normal((2, 2, 3, 4))

    @jax.jit
    def figure(x: jax.Array) -> jax.Array:
        s, _ = logit_equilibrium(x, [None, None])
        return jnp.sum(s[0][0] ** 2 + s[1][0] * s[1][2])

    step = 1e-5
    up, down = float(figure(u + step * way)), float(figure(u - step * way))
    found = float(jnp.sum(jax.jit(jax.grad(figure))(jnp.asarray(u)) * way))
    assert found == pytest.approx((up - down) / (2 * step), rel=1e-6)
