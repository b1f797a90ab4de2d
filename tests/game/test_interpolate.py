"""Does interpolation mean what its formulas say? Values and points go in, the polynomials that
each scheme reproduces, its order, its gradients and its edges come out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from servanda import native
from servanda.game import kernel
from servanda.game.interpolate import SCHEMES, Scheme, interpolate, interpolate_reference

jax.config.update("jax_enable_x64", True)

Function = Callable[[np.ndarray], np.ndarray]


def grid(levels: tuple[int, ...]) -> np.ndarray:
    """All grid points [G, K] in grid coordinates, C order."""
    axes = np.meshgrid(*[np.arange(count, dtype=float) for count in levels], indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=-1) if levels else np.zeros((1, 0))


def somewhere(levels: tuple[int, ...], shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Random points [*shape, K] inside the grid."""
    top = np.array(levels, dtype=float) - 1.0
    return np.random.default_rng(seed).uniform(size=(*shape, len(levels))) * top


def one(
    function: Function, points: np.ndarray, levels: tuple[int, ...], scheme: Scheme
) -> np.ndarray:
    """Interpolate one function [N] known on the grid at points [N, K]."""
    out = interpolate(
        jnp.asarray(function(grid(levels)))[None, :, None],
        jnp.asarray(points)[None, None],
        jnp.zeros(1, jnp.int32),
        jnp.zeros((1, 1), jnp.int32),
        levels,
        scheme,
    )
    return np.asarray(out)[0, 0, 0]


def polynomial(degree: int, stocks: int, seed: int = 3) -> Function:
    """A random polynomial of total degree `degree` on [0, 8]^stocks."""
    powers = [p for p in itertools.product(range(degree + 1), repeat=stocks) if sum(p) <= degree]
    weights = np.random.default_rng(seed).normal(size=len(powers))
    return lambda x: sum(
        (w * np.prod((x / 4.0) ** np.array(p), axis=-1) for w, p in zip(weights, powers)),
        np.zeros(x.shape[:-1]),
    )


@pytest.mark.parametrize("levels", [(5,), (4, 3), (3, 1, 4), (3, 4, 3, 3, 4), (3, 3, 3, 3, 3, 3)])
def test_quadratic_reproduces_quadratics(levels: tuple[int, ...]) -> None:
    function = polynomial(2, len(levels))
    points = somewhere(levels, (200,))
    np.testing.assert_allclose(
        one(function, points, levels, "quadratic"), function(points), atol=1e-12
    )


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("levels", [(2,), (2, 3), (2, 1, 4), (3, 2, 3, 4)])
def test_every_scheme_reproduces_planes(levels: tuple[int, ...], scheme: Scheme) -> None:
    function = polynomial(1, len(levels))
    points = somewhere(levels, (200,))
    np.testing.assert_allclose(one(function, points, levels, scheme), function(points), atol=1e-12)


def test_multilinear_reproduces_products_of_stocks() -> None:
    levels = (3, 4, 3)
    points = somewhere(levels, (200,))

    def function(x: np.ndarray) -> np.ndarray:
        return (1 + x[..., 0]) * (2 - x[..., 1]) * (x[..., 2] - 0.5)

    np.testing.assert_allclose(
        one(function, points, levels, "multilinear"), function(points), atol=1e-12
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_grid_values_come_back_at_the_nodes(scheme: Scheme) -> None:
    levels = (3, 4, 2)
    nodes = grid(levels)
    heights = np.random.default_rng(1).normal(size=len(nodes))
    np.testing.assert_allclose(one(lambda _: heights, nodes, levels, scheme), heights, atol=1e-13)


@pytest.mark.parametrize(
    ("scheme", "order"), [("multilinear", 2), ("simplex", 2), ("quadratic", 3)]
)
def test_error_shrinks_at_the_order_of_the_scheme(scheme: Scheme, order: int) -> None:
    where = np.random.default_rng(2).uniform(size=(4000, 2))

    def error(count: int) -> float:
        def function(x: np.ndarray) -> np.ndarray:
            s = x / (count - 1)
            return np.sin(2.0 * s[..., 0] + 1.0) * np.exp(s[..., 1])

        points = where * (count - 1)
        return float(np.abs(one(function, points, (count, count), scheme) - function(points)).max())

    assert np.log2(error(9) / error(17)) > order - 0.35


def test_limited_overshoots_less_at_a_cliff() -> None:
    levels = (7, 7)
    points = somewhere(levels, (2000,))

    def cliff(x: np.ndarray) -> np.ndarray:
        return (x.sum(-1) > 5.5).astype(float)

    free = one(cliff, points, levels, "quadratic")
    held = one(cliff, points, levels, "limited")
    assert free.max() > 1.1
    assert held.max() == pytest.approx(1.0)
    assert held.min() == pytest.approx(0.0)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_edges_of_the_grid_belong_to_it(scheme: Scheme) -> None:
    levels = (3, 4)
    function = polynomial(1, 2)
    points = np.array([[0.0, 0.0], [2.0, 3.0], [2.0, 0.3], [0.0, 3.0], [1.0, 3.0], [2.0, 2.0]])
    np.testing.assert_allclose(one(function, points, levels, scheme), function(points), atol=1e-13)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_without_stocks_the_value_is_the_value(scheme: Scheme) -> None:
    values = jnp.arange(6.0).reshape(2, 1, 3)
    out = interpolate(
        values,
        jnp.zeros((1, 4, 1, 0)),
        jnp.zeros(2, jnp.int32),
        jnp.array([[0, 1, 0, 1], [1, 1, 0, 0]]),
        (),
        scheme,
    )
    assert out.shape == (2, 3, 4, 1)
    np.testing.assert_array_equal(out[0, :, :, 0], values[jnp.array([0, 1, 0, 1]), 0].T)


def problem(
    levels: tuple[int, ...], channels: int, nodes: int = 11, moves: int = 4
) -> tuple[jax.Array, ...]:
    """Values, points, table and pattern with several of everything."""
    rng = np.random.default_rng(5)
    return (
        jnp.asarray(rng.normal(size=(3, int(np.prod(levels)), channels))),
        jnp.asarray(somewhere(levels, (2, moves, nodes), seed=6)),
        jnp.array([1, 0, 1, 1], jnp.int32),
        jnp.asarray(rng.integers(0, 3, size=(4, moves)), jnp.int32),
    )


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("levels", [(), (4,), (3, 2, 4), (3, 1, 2, 3)])
def test_gradients_agree_with_finite_differences(levels: tuple[int, ...], scheme: Scheme) -> None:
    values, points, table, pattern = problem(levels, channels=2, nodes=5)
    rng = np.random.default_rng(7)
    weights = jnp.asarray(rng.normal(size=(4, 2, 4, 5)))

    def figure(values: jax.Array, points: jax.Array) -> jax.Array:
        return jnp.sum(weights * interpolate(values, points, table, pattern, levels, scheme) ** 2)

    by_values, by_points = jax.jit(jax.grad(figure, argnums=(0, 1)))(values, points)
    toward = jnp.asarray(rng.normal(size=values.shape))
    shift = jnp.asarray(rng.normal(size=points.shape))
    step = 1e-6
    along_values = (
        figure(values + step * toward, points) - figure(values - step * toward, points)
    ) / (2 * step)
    along_points = (
        figure(values, points + step * shift) - figure(values, points - step * shift)
    ) / (2 * step)
    np.testing.assert_allclose(jnp.sum(by_values * toward), along_values, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(jnp.sum(by_points * shift), along_points, rtol=1e-5, atol=1e-5)


SHAPES = [
    ((), 3),
    ((7,), 1),
    ((4, 6), 9),
    ((3, 1, 4), 6),
    ((3, 2, 4, 3), 3),
    ((2, 3, 2, 5, 2), 4),
    ((2, 2, 2, 2, 3, 2), 2),
]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("levels", "channels"), SHAPES)
@pytest.mark.parametrize(("nodes", "moves"), [(11, 4), (1, 6)], ids=["grid", "paths"])
def test_kernel_and_reference_agree(
    levels: tuple[int, ...],
    channels: int,
    scheme: Scheme,
    nodes: int,
    moves: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SERVANDA_KERNEL", raising=False)
    reason = kernel.status(sum(count > 1 for count in levels), "kernel", SCHEMES.index(scheme))
    if reason != "ready":
        pytest.skip(reason)
    values, points, table, pattern = problem(levels, channels, nodes, moves)
    weights = jnp.asarray(np.random.default_rng(8).normal(size=(4, channels, moves, nodes)))

    def figure(function: Callable[..., jax.Array]) -> Callable[..., tuple[jax.Array, jax.Array]]:
        def weighed(values: jax.Array, points: jax.Array) -> tuple[jax.Array, jax.Array]:
            out = function(values, points, table, pattern, levels, scheme)
            return jnp.sum(weights * out), out

        return jax.jit(jax.grad(weighed, argnums=(0, 1), has_aux=True))

    fast, out = figure(interpolate)(values, points)
    slow, expected = figure(interpolate_reference)(values, points)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fast[0], slow[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fast[1], slow[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_kernel_serves_a_backward_induction_over_worlds(scheme: Scheme) -> None:
    levels = (3, 4)
    values, points, table, pattern = problem(levels, channels=2, nodes=12)

    def induction(world: jax.Array, function: Callable[..., jax.Array]) -> jax.Array:
        @jax.checkpoint
        def sweep(now: jax.Array, _: None) -> tuple[jax.Array, None]:
            arrived = function(now, points * world, table, pattern, levels, scheme)
            return 0.9 * arrived[:3].mean(2).swapaxes(1, 2) + 0.1, None

        return jax.lax.scan(sweep, values, None, length=4)[0].sum()

    worlds = jnp.array([0.7, 0.9, 1.0])

    def total(worlds: jax.Array, function: Callable[..., jax.Array]) -> jax.Array:
        return jax.lax.map(lambda world: induction(world, function), worlds).sum()

    fast = jax.jit(jax.value_and_grad(total), static_argnums=1)(worlds, interpolate)
    slow = jax.jit(jax.value_and_grad(total), static_argnums=1)(worlds, interpolate_reference)
    np.testing.assert_allclose(fast[0], slow[0], rtol=1e-12)
    np.testing.assert_allclose(fast[1], slow[1], rtol=1e-10)
    batched = jax.vmap(lambda world: induction(world, interpolate))(worlds).sum()
    np.testing.assert_allclose(batched, slow[0], rtol=1e-12)


def test_kernel_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVANDA_KERNEL", "off")
    assert kernel.status() == "switched off by SERVANDA_KERNEL"
    values, points, table, pattern = problem((3, 2), channels=1)
    out = interpolate(values, points, table, pattern, (3, 2), "simplex")
    expected = interpolate_reference(values, points, table, pattern, (3, 2), "simplex")
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("missing", ["compiler", "header"])
def test_without_a_toolchain_there_is_still_a_result(
    missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SERVANDA_KERNEL", raising=False)
    monkeypatch.setenv("SERVANDA_CACHE", str(tmp_path))
    if missing == "compiler":
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CC", raising=False)
    else:
        monkeypatch.setattr(native, "headers", lambda: tmp_path)
    kernel._register.cache_clear()
    try:
        reason = kernel.status(1, "kernel", SCHEMES.index("simplex"))
        values, points, table, pattern = problem((3,), channels=1)
        out = interpolate(values, points, table, pattern, (3,), "simplex")
    finally:
        kernel._register.cache_clear()
    assert "no C compiler" in reason or (missing == "header" and "could not compile" in reason)
    expected = interpolate_reference(values, points, table, pattern, (3,), "simplex")
    np.testing.assert_array_equal(out, expected)


def test_a_cache_that_cannot_be_written_costs_a_compilation_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SERVANDA_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").write_text("a file where the folder should be")
    try:
        native._compiler()
    except native.KernelError as error:
        pytest.skip(str(error))
    name, library = native.library("kernel", 1, native.SLOPES)
    assert name.startswith("servanda_kernel_1_")
    assert library.servanda_forward


def test_a_point_that_is_no_number_harms_nobody_else() -> None:
    values, points, table, pattern = problem((3, 4), channels=2)
    broken = points.at[0, 1, 3, 0].set(jnp.nan)
    out = interpolate(values, broken, table, pattern, (3, 4), "quadratic")
    whole = interpolate(values, points, table, pattern, (3, 4), "quadratic")
    reads = np.asarray(table) == 0
    assert np.isnan(np.asarray(out)[reads, :, 1, 3]).all()
    np.testing.assert_array_equal(np.isnan(out).sum(), 2 * reads.sum())
    np.testing.assert_array_equal(np.asarray(out)[~reads], np.asarray(whole)[~reads])


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    values, points, table, pattern = problem((3, 2), channels=1)
    with pytest.raises(ValueError, match="grid of levels"):
        interpolate_reference(values, points, table, pattern, (3, 3), "simplex")
    with pytest.raises(ValueError, match="unknown interpolation scheme"):
        interpolate_reference(values, points, table, pattern, (3, 2), "cubic")  # type: ignore[arg-type]
