"""Does the compiled sweep mean what interpolation followed by logit choice means? Random small
groups go in, and whole solves; both ways must give the same values, policies and gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from servanda.game import runtime
from servanda.game.batch import bounds
from servanda.game.differentiate import widened

runtime.configure()

from servanda.game import kernel, period  # noqa: E402
from servanda.game.choice import Stage, joint_probability, play  # noqa: E402
from servanda.game.interpolate import SCHEMES, Scheme, interpolate_reference  # noqa: E402
from servanda.game.solve import prepare  # noqa: E402
from servanda.game.sweep import collapse, usable  # noqa: E402
from servanda.scenario.load import load  # noqa: E402


class Problem(NamedTuple):
    """One group of positions, all at random."""

    values: jax.Array
    points: jax.Array  # [U, D * A, N, K]
    table: jax.Array
    pattern: jax.Array
    flow: jax.Array
    setting: jax.Array
    discount: jax.Array
    precision: jax.Array
    given: jax.Array
    draw: jax.Array  # [D]
    opened: tuple[jax.Array | None, ...] = ()  # of every stage [S, before * size, N]


Differentiable = tuple[jax.Array, ...]


def plan_of(sizes: tuple[int, ...], players: tuple[int, ...]) -> tuple[Stage, ...]:
    out, before, total = [], 1, int(np.prod(sizes))
    for k, (size, player) in enumerate(zip(sizes, players)):
        out.append(Stage((k,), (size,), (player,), before, total // (before * size)))
        before *= size
    return tuple(out)


def problem(
    levels: tuple[int, ...], channels: int, moves: int, nodes: int = 11, draws: int = 1
) -> Problem:
    """A group whose arrival points lie anywhere, or near each other where draws differ."""
    rng = np.random.default_rng(11)
    top = np.array(levels, float) - 1.0
    given = rng.uniform(size=(4, moves, nodes))
    values = rng.normal(size=(3, int(np.prod(levels)), channels))
    points = rng.uniform(size=(3, 1, moves, nodes, len(levels))) * top
    # one in three draws goes far, the others may share a cell; some end at the edges
    far = np.where(np.arange(draws) % 3 == 2, 1.0, 0.1)[:, None, None, None]
    shift = rng.normal(size=(draws, 1, 1, len(levels))) * far * (draws > 1)
    points = np.clip(points + shift, 0.0, top).reshape(3, draws * moves, nodes, len(levels))
    draw = rng.uniform(0.1, 1.0, size=draws)
    return Problem(
        jnp.asarray(values),
        jnp.asarray(points),
        jnp.array([2, 0, 2, 2], jnp.int32),  # nobody reads the second
        jnp.asarray(rng.integers(0, 3, size=(4, moves)), jnp.int32),
        jnp.asarray(rng.normal(size=(5, channels, moves, nodes))),
        jnp.array([4, 0, 2, 4], jnp.int32),
        jnp.asarray(rng.uniform(0.8, 1.0, size=channels)),
        jnp.array([7.0, 0.0, 3.0]),
        jnp.asarray(given / given.sum(axis=1, keepdims=True)),
        jnp.asarray(draw / draw.sum()),
    )


def by_reference(x: Problem, plan: tuple[Stage, ...], levels: tuple[int, ...], scheme: Scheme,
                 given: bool) -> tuple[jax.Array, jax.Array]:  # fmt: skip
    draws = x.draw.shape[0]
    pattern = jnp.tile(x.pattern, (1, draws))
    each = interpolate_reference(x.values, x.points, x.table, pattern, levels, scheme)
    each = each.reshape(*each.shape[:2], draws, -1, each.shape[3])
    ahead = jnp.einsum("d,rcdan->rcan", x.draw, each)
    q = x.flow[x.setting] + x.discount[:, None, None] * ahead
    if given:
        return jnp.sum(x.given[:, None] * q, axis=2), x.given
    group: Any = None  # nothing is masked
    moves = x.pattern.shape[1]
    opened = {
        k: jnp.repeat(ok, plan[k].after, axis=1)[x.setting]
        for k, ok in enumerate(x.opened)
        if ok is not None
    }
    out, policy, _ = _play(q, group, plan, x.precision, opened)
    joint = joint_probability(plan, policy, moves)  # may lack rows and nodes
    return out, jnp.broadcast_to(joint, (*x.pattern.shape, x.points.shape[2]))


def _play(
    q: jax.Array,
    group: Any,
    plan: tuple[Stage, ...],
    precision: jax.Array,
    opened: dict[int, jax.Array],
) -> Any:
    class Free:
        options = tuple(tuple(range(stage.size)) for stage in plan)
        allowed = np.ones((1, len(plan), max([stage.size for stage in plan] or [1])), bool)

    return play(q, Free, plan, precision, jnp.asarray(Free.allowed)[..., None], opened)  # type: ignore[arg-type]


def by_kernel(x: Problem, plan: tuple[Stage, ...], levels: tuple[int, ...], scheme: Scheme,
              given: bool) -> tuple[jax.Array, jax.Array]:  # fmt: skip
    out, joint = collapse(
        x.values, jnp.swapaxes(x.points, 2, 3), x.table, x.pattern, x.flow, x.setting, x.discount,
        plan, x.precision, x.draw,
        x.opened or (None,) * len(plan), levels, scheme, x.given if given else None,
    )  # fmt: skip
    assert joint is not None
    return out, joint


def need_kernel(levels: tuple[int, ...], scheme: Scheme, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVANDA_KERNEL", raising=False)
    reason = kernel.status(sum(count > 1 for count in levels), "sweep", SCHEMES.index(scheme))
    if reason != "ready":
        pytest.skip(reason)


GROUPS = [
    ((), 3, (3, 2), (0, 2), 1),
    ((), 3, (3, 2), (0, 2), 2),
    ((5,), 4, (2,), (1,), 1),
    ((5,), 4, (2,), (1,), 6),
    ((3, 1, 4), 3, (), (), 1),
    ((3, 1, 4), 3, (), (), 2),
    ((3, 4, 2), 9, (2, 3, 2), (2, 0, 2), 1),
    ((3, 4, 2), 9, (2, 3, 2), (2, 0, 2), 3),
    ((2, 3, 2, 3, 2), 4, (3, 2), (0, 1), 1),
    ((2, 3, 2, 3, 2), 4, (3, 2), (0, 1), 6),
]


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("levels", "channels", "sizes", "players", "draws"), GROUPS)
def test_kernel_and_reference_agree_with_their_gradients(
    levels: tuple[int, ...], channels: int, sizes: tuple[int, ...], players: tuple[int, ...],
    draws: int, scheme: Scheme, given: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    need_kernel(levels, scheme, monkeypatch)
    plan = plan_of(sizes, players)
    compare(
        problem(levels, channels, int(np.prod(sizes)), draws=draws), plan, levels, scheme, given
    )


def compare(x: Problem, plan: tuple[Stage, ...], levels: tuple[int, ...], scheme: Scheme,
            given: bool) -> None:  # fmt: skip
    """Values, probabilities and the derivatives of both are the same both ways."""
    rng = np.random.default_rng(12)
    nodes = x.points.shape[2]
    weigh_out = jnp.asarray(rng.normal(size=(4, x.values.shape[2], nodes)))
    weigh_joint = jnp.asarray(rng.normal(size=(4, *x.pattern.shape[1:], nodes)))

    def figure(function: Callable[..., tuple[jax.Array, jax.Array]]) -> Callable[..., Any]:
        def weighed(values, points, flow, discount, precision, chances):
            y = x._replace(values=values, points=points, flow=flow, discount=discount,
                           precision=precision, given=chances)  # fmt: skip
            out, joint = function(y, plan, levels, scheme, given)
            return jnp.sum(weigh_out * out) + jnp.sum(weigh_joint * joint), (out, joint)

        return jax.jit(jax.grad(weighed, argnums=tuple(range(6)), has_aux=True))

    inputs = (x.values, x.points, x.flow, x.discount, x.precision, x.given)
    fast, found = figure(by_kernel)(*inputs)
    slow, expected = figure(by_reference)(*inputs)
    for a, b in zip((*found, *fast), (*expected, *slow), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def closed(x: Problem, plan: tuple[Stage, ...], which: tuple[int, ...]) -> Problem:
    """Some options of these stages are closed, never all of them."""
    rng = np.random.default_rng(13)
    settings, _, _, nodes = x.flow.shape
    opened: list[jax.Array | None] = [None] * len(plan)
    for k in which:
        ok = rng.random(size=(settings, plan[k].before, plan[k].size, nodes)) < 0.5
        ok[:, :, -1] |= ~ok.any(axis=2)
        opened[k] = jnp.asarray(ok.reshape(settings, -1, nodes))
    return x._replace(opened=tuple(opened))


@pytest.mark.parametrize("which", [(1,), (0, 2), (0, 1, 2)])
def test_what_is_closed_is_never_chosen(
    which: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    levels: tuple[int, ...] = (3, 4, 2)
    scheme: Scheme = "limited"
    need_kernel(levels, scheme, monkeypatch)
    plan = plan_of((2, 3, 2), (2, 0, 2))
    x = closed(problem(levels, 9, 12, draws=3), plan, which)
    _, joint = by_kernel(x, plan, levels, scheme, False)
    for k in which:
        ok = x.opened[k]
        assert ok is not None
        shut = ~jnp.repeat(ok, plan[k].after, axis=1)[x.setting]
        assert (np.asarray(joint)[np.asarray(shut)] == 0).all()
    np.testing.assert_allclose(joint.sum(axis=1), 1.0, rtol=1e-14)
    compare(x, plan, levels, scheme, False)


@pytest.mark.parametrize("sharpness", [0.0, 1e-3, 40.0, 1e12])
def test_choices_are_as_sharp_as_asked(sharpness: float, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = (3, 4)
    need_kernel(levels, "simplex", monkeypatch)
    plan = plan_of((2, 3), (0, 1))
    x = problem(levels, 3, 6, nodes=37)._replace(precision=jnp.full(3, sharpness))
    for fast, slow in zip(
        by_kernel(x, plan, levels, "simplex", False),
        by_reference(x, plan, levels, "simplex", False),
    ):
        np.testing.assert_allclose(fast, slow, rtol=1e-12, atol=1e-12)


def test_a_value_that_is_no_number_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = (3, 4)
    need_kernel(levels, "simplex", monkeypatch)
    plan = plan_of((2, 3), (0, 1))
    x = problem(levels, 3, 6)
    x = x._replace(flow=x.flow.at[0, 0, 2, 5].set(jnp.nan))
    out, _ = by_kernel(x, plan, levels, "simplex", False)
    expected, _ = by_reference(x, plan, levels, "simplex", False)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(expected))
    assert np.isnan(out[1, :, 5]).all()


ARMS = """
title: two neighbours and a river
horizon: 6
parties:
  north: {patience: 0.9, acuity: 6}
  south: {patience: [0.8, 0.85, 0.9], acuity: 9}
assumptions:
  growth: [0.1, 0.2, 0.3]
stocks:
  arms: {start: 0.3, next: arms + growth * north.arm - 0.05}
  water: {start: 0.6, next: water + 0.1 - 0.25 * south.divert}
moves:
  north: [rest, arm]
  south: [share, divert, {protest: {when: dam > 0}}]
interests:
  north: {river: water - south.divert, cost: -0.2 * north.arm - 0.1 * south.protest}
  south: {river: south.divert + 0.5 * (1 - water), fear: -arms}
terms:
  dam: {levels: {none: 0, high: 1}}
obligations:
  share: {party: south, never: [south.divert], verified: [0.5, 0.7, 0.9]}
  rest: {party: north, never: [north.arm], verified: 0.8}
proposals:
  treaty: {text: share the river, proposer: north, signatories: [north, south], terms: {dam: high}}
"""


SHAKEN = (
    ARMS.replace("growth * north.arm - 0.05}", "growth * north.arm - 0.05, shock: {weather: 0.07}}")
    .replace("0.25 * south.divert}", "0.25 * south.divert, shock: {own: 0.03, weather: 0.04}}")
    .replace("dam > 0", "water > 0.37")
)
"""The same with two disturbances, one of them shared (nine draws), and a move that water closes."""


def solved(
    kernel_is: str, scheme: Scheme, monkeypatch: pytest.MonkeyPatch, text: str = ARMS
) -> list[np.ndarray]:
    """Values of one world, and their derivatives by the assumptions."""
    monkeypatch.setenv("SERVANDA_KERNEL", kernel_is)
    program, worlds = prepare(load(text), "treaty", None, (), (5, 4), scheme, False)
    # rounding may not decide how many sweeps are made past the horizon
    program = replace(program, method=replace(program.method, tolerance=1e-13, most=300))
    # off the edges, where a derivative would hang on rounding
    box = widened(program, bounds(program, worlds))[0]

    def figure(theta: jax.Array) -> tuple[jax.Array, jax.Array]:
        value = program.world(theta, box, jnp.zeros((0, 4, 0)))["value"]
        return value.sum(), value

    slope, value = jax.jit(jax.grad(figure, has_aux=True))(jnp.asarray(worlds.values[0]))
    return [np.asarray(value), np.asarray(slope)]


@pytest.mark.parametrize("scheme", ["simplex", pytest.param("limited", marks=pytest.mark.slow)])
def test_a_whole_game_is_worth_the_same_both_ways(
    scheme: Scheme, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_kernel((5, 4), scheme, monkeypatch)
    for fast, slow in zip(solved("on", scheme, monkeypatch), solved("off", scheme, monkeypatch)):
        assert np.abs(slow).max() > 0.01
        np.testing.assert_allclose(fast, slow, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("scheme", ["limited"])
def test_a_game_with_shocks_and_closed_moves_is_worth_the_same_both_ways(
    scheme: Scheme, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_kernel((5, 4), scheme, monkeypatch)
    asked: list[bool] = []

    def watched(*arguments: Any) -> bool:
        asked.append(usable(*arguments))
        return asked[-1]

    monkeypatch.setattr(period, "usable", watched)
    value, slope = solved("on", scheme, monkeypatch, SHAKEN)
    assert asked
    assert all(asked)
    asked.clear()
    found, by_hand = solved("off", scheme, monkeypatch, SHAKEN)
    assert asked
    assert not any(asked)
    assert np.abs(value - solved("on", scheme, monkeypatch)[0]).max() > 0.01
    np.testing.assert_allclose(value, found, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(slope, by_hand, rtol=1e-9, atol=1e-9)
