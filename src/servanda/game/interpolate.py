"""What is a value function worth between its grid points?

In: value functions on a grid of stock levels, and arrival points in grid coordinates. Out: the
value at every point, for every row (regime), channel and joint move. Four schemes, each
differentiable in the values and in the points; `interpolate` picks the compiled kernel where it
can be had and the pure JAX reference elsewhere.

Index letters: P stacked value functions, G grid points, C channels, U tables of points, A joint
moves, N source nodes, K stocks, R rows.
"""

from __future__ import annotations

import itertools
import math
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from servanda.game import kernel

Scheme = Literal["multilinear", "simplex", "quadratic", "limited"]

SCHEMES: tuple[Scheme, ...] = ("multilinear", "simplex", "quadratic", "limited")

Corner = tuple[Float[Array, "U A N"], Int[Array, "U A N"], list[Float[Array, "U A N"]]]
"""A corner of the cell around each point: weight, flat grid index, offsets x - corner per stock."""


def strides(levels: tuple[int, ...]) -> tuple[int, ...]:
    """Step in the flat grid index for one level up each stock (C order: the last is 1)."""
    return tuple(math.prod(levels[k + 1 :]) for k in range(len(levels)))


def slope_matrix(count: int, scheme: Scheme) -> Float[np.ndarray, "count count"]:
    """What turns the values along a stock of `count` levels into slopes per level.

    Exact for quadratics from three levels on. `quadratic`: central differences. `limited`: fourth
    order inside and third next to the edges, where there are the levels for it: that is more
    accurate, and the limiter takes away the overshoots it would bring. Both: one-sided second order
    at the edges (higher orders there make repeated interpolation unstable). Two levels: the
    difference.
    """
    matrix = np.zeros((count, count))
    if count == 2:
        matrix[:] = (-1.0, 1.0)
        return matrix
    for i in range(1, count - 1):
        matrix[i, i - 1 : i + 2] = (-0.5, 0.0, 0.5)
    if scheme == "limited" and count > 3:
        for i in range(2, count - 2):
            matrix[i, i - 2 : i + 3] = np.array((1.0, -8.0, 0.0, 8.0, -1.0)) / 12.0
        matrix[1, :4] = np.array((-2.0, -3.0, 6.0, -1.0)) / 6.0
        matrix[-2, -4:] = np.array((1.0, -6.0, 3.0, 2.0)) / 6.0
    matrix[0, :3] = (-1.5, 2.0, -0.5)
    matrix[-1, -3:] = (0.5, -2.0, 1.5)
    return matrix


def slopes(
    values: Float[Array, "P G C"], levels: tuple[int, ...], stock: int, scheme: Scheme
) -> Float[Array, "P G C"]:
    """Slope of each value function along one stock of two levels or more, per level.

    `quadratic`: `slope_matrix`. `limited`: the same, but zero where the differences to the two
    neighbours disagree in sign, and elsewhere at most twice the smaller of them (B. van Leer,
    "Towards the ultimate conservative difference scheme IV", 1977). Twice is the most that keeps
    half-gradients monotone along a stock, so a cliff stays a cliff; smooth peaks are flattened a
    little.
    """
    count = levels[stock]
    shape = (values.shape[0], math.prod(levels[:stock]), count, -1, values.shape[2])
    v = values.reshape(shape)
    matrix = jnp.asarray(slope_matrix(count, scheme), values.dtype)
    slope = jnp.einsum("ij,pbjac->pbiac", matrix, v, precision="highest")
    if scheme == "limited":
        difference = v[:, :, 1:] - v[:, :, :-1]
        left = jnp.concatenate([difference[:, :, :1], difference], axis=2)
        right = jnp.concatenate([difference, difference[:, :, -1:]], axis=2)
        agree = (left * right > 0.0) & (slope * left > 0.0)
        bound = 2.0 * jnp.minimum(jnp.abs(left), jnp.abs(right))
        slope = jnp.where(agree, jnp.clip(slope, -bound, bound), 0.0)
    return slope.reshape(values.shape)


def _cell(
    points: Float[Array, "U A N K"], levels: tuple[int, ...]
) -> tuple[Int[Array, "U A N"], list[Float[Array, "U A N"]], list[int]]:
    """Flat index of the lower corner, fraction along each varying stock, and its stride."""
    base = jnp.zeros(points.shape[:-1], jnp.int32)
    fractions: list[Float[Array, "U A N"]] = []
    steps: list[int] = []
    for k, (count, step) in enumerate(zip(levels, strides(levels), strict=True)):
        if count == 1:
            continue
        x = points[..., k]
        cell = jnp.clip(jnp.floor(jax.lax.stop_gradient(x)), 0.0, count - 2.0)
        fractions.append(x - cell)
        base = base + cell.astype(jnp.int32) * step
        steps.append(step)
    return base, fractions, steps


def _box(points: Float[Array, "U A N K"], levels: tuple[int, ...]) -> list[Corner]:
    """The 2^K corners of the cell with their multilinear weights."""
    base, fractions, steps = _cell(points, levels)
    corners: list[Corner] = []
    for upper in itertools.product((0, 1), repeat=len(steps)):
        weight = jnp.ones(points.shape[:-1], points.dtype)
        for up, fraction in zip(upper, fractions, strict=True):
            weight = weight * (fraction if up else 1.0 - fraction)
        index = base + sum(up * step for up, step in zip(upper, steps, strict=True))
        offsets = [f - up for f, up in zip(fractions, upper, strict=True)]
        corners.append((weight, index, offsets))
    return corners


def _simplex(points: Float[Array, "U A N K"], levels: tuple[int, ...]) -> list[Corner]:
    """The K+1 corners of the Kuhn simplex around each point, and their barycentric weights.

    Start at the lower corner and step up the stocks in decreasing order of their fractions
    (H. W. Kuhn, 1960). The order comes from an insertion network: K is small, and selections
    vectorise where a library sort does not.
    """
    base, fractions, steps = _cell(points, levels)
    size = len(steps)
    sorted_fractions = list(fractions)
    order = [jnp.full(points.shape[:-1], k, jnp.int32) for k in range(size)]
    for end in range(size - 1, 0, -1):
        for i in range(end):
            f, g = sorted_fractions[i], sorted_fractions[i + 1]
            o, p = order[i], order[i + 1]
            swap = f < g
            sorted_fractions[i] = jnp.where(swap, g, f)
            sorted_fractions[i + 1] = jnp.where(swap, f, g)
            order[i] = jnp.where(swap, p, o)
            order[i + 1] = jnp.where(swap, o, p)
    if size == 0:
        return [(jnp.ones(points.shape[:-1], points.dtype), base, [])]
    step_of = jnp.asarray(steps, jnp.int32)
    corners: list[Corner] = [(1.0 - sorted_fractions[0], base, list(fractions))]
    index, offsets = base, list(fractions)
    for j in range(size):
        index = index + step_of[order[j]]
        offsets = [offset - (order[j] == k) for k, offset in enumerate(offsets)]
        below = sorted_fractions[j + 1] if j + 1 < size else 0.0
        corners.append((sorted_fractions[j] - below, index, offsets))
    return corners


def interpolate(
    values: Float[Array, "P G C"],
    points: Float[Array, "U A N K"],
    table: Int[Array, "R"],
    pattern: Int[Array, "R A"],
    levels: tuple[int, ...],
    scheme: Scheme,
) -> Float[Array, "R C A N"]:
    """Value at every arrival point: row r, joint move a and node n read value function
    `pattern[r, a]` at the point `points[table[r], a, n]`.

    Args:
        values: P value functions on the grid, C order (the last stock runs fastest).
        points: arrival points in grid coordinates, 0 .. levels[k] - 1, already clipped.
        table: which table of points each row reads.
        pattern: which value function each row and joint move reads.
        levels: number of levels of each stock; a stock with one level is constant.
        scheme: `multilinear` (2^K corners), `simplex` (Kuhn simplex, K + 1 corners; second
            order), `quadratic` (the same corners with half-gradients,
            sum_c w_c [V_c + (x - x_c).grad V_c / 2]: exact for quadratics, third order,
            overshoots at cliffs), `limited` (`quadratic` with limited slopes: no overshoot along a
            stock; see `slopes`).

    Returns:
        The values [R, C, A, N]. Differentiable in `values` and `points` by reverse mode.

    Raises:
        ValueError: shapes that do not belong together, or an unknown scheme.
    """
    _check(values, points, table, pattern, levels, scheme)
    doubles = values.dtype == jnp.float64 and points.dtype == jnp.float64
    if not (doubles and kernel.ready(levels, SCHEMES.index(scheme))):
        return interpolate_reference(values, points, table, pattern, levels, scheme)
    return kernel.evaluate(
        values,
        points,
        table.astype(jnp.int32),
        pattern.astype(jnp.int32),
        levels,
        SCHEMES.index(scheme),
    )


def interpolate_reference(
    values: Float[Array, "P G C"],
    points: Float[Array, "U A N K"],
    table: Int[Array, "R"],
    pattern: Int[Array, "R A"],
    levels: tuple[int, ...],
    scheme: Scheme,
) -> Float[Array, "R C A N"]:
    """`interpolate` in pure JAX: its meaning, and its form where there is no kernel."""
    _check(values, points, table, pattern, levels, scheme)
    blocks, grid, channels = values.shape
    columns = [
        column.reshape(blocks * grid, channels) for column in _columns(values, levels, scheme)
    ]
    block = pattern[:, :, None].astype(jnp.int32) * grid
    corners = _box(points, levels) if scheme == "multilinear" else _simplex(points, levels)
    total = jnp.zeros((*pattern.shape, points.shape[2], channels), values.dtype)
    for weight, index, offsets in corners:
        where = block + index[table]
        height = columns[0].at[where].get(mode="promise_in_bounds")
        for k, column in enumerate(columns[1:]):
            slope = column.at[where].get(mode="promise_in_bounds")
            height = height + 0.5 * offsets[k][table][..., None] * slope
        total = total + weight[table][..., None] * height
    return jnp.transpose(total, (0, 3, 1, 2))


def _columns(
    values: Float[Array, "P G C"], levels: tuple[int, ...], scheme: Scheme
) -> list[Float[Array, "P G C"]]:
    """What a scheme reads at each grid point: the values, then the slope along each stock."""
    if scheme not in ("quadratic", "limited"):
        return [values]
    varying = [k for k, count in enumerate(levels) if count > 1]
    return [values, *(slopes(values, levels, k, scheme) for k in varying)]


def _check(
    values: Float[Array, "P G C"],
    points: Float[Array, "U A N K"],
    table: Int[Array, "R"],
    pattern: Int[Array, "R A"],
    levels: tuple[int, ...],
    scheme: Scheme,
) -> None:
    """Refuse shapes that do not belong together, before a compiler words it worse."""
    if scheme not in SCHEMES:
        raise ValueError(f"unknown interpolation scheme {scheme!r}; choose one of {SCHEMES}")
    if values.ndim != 3 or values.shape[1] != math.prod(levels):
        raise ValueError(f"values {values.shape} do not lie on a grid of levels {levels}")
    if points.ndim != 4 or points.shape[3] != len(levels):
        raise ValueError(f"points {points.shape} need one coordinate per stock of {levels}")
    if table.ndim != 1 or pattern.shape != (table.shape[0], points.shape[1]):
        raise ValueError(
            f"table {table.shape} and pattern {pattern.shape} need one row each per regime and "
            f"one column per joint move of {points.shape[1]}"
        )
