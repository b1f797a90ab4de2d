"""Can this machine run the compiled kernels, and how is interpolation called from JAX?

In: grid values, arrival points and index tables, as `interpolate` takes them. Out: the
interpolated values, with their reverse-mode derivative. The kernels (kernel.c; sweep.c for
`servanda.game.sweep`, tape.c for `tape`, mix.c for `mix`) are compiled on this machine
(`servanda.native`); where that cannot be done the caller uses pure JAX, and `status` says why.
"""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from servanda import native
from servanda.native import MAX_STOCKS, PLAIN, SLOPES, SOURCES

_VECTOR = 4  # channels a vector of the kernel holds

HANDLERS = {
    "kernel": ("servanda_forward", "servanda_backward"),
    "sweep": ("servanda_sweep", "servanda_sweep_backward", "servanda_evaluate_backward"),
    "tape": ("servanda_tape", "servanda_tape_backward"),
    "mix": ("servanda_mix", "servanda_mix_backward", "servanda_mix_chances"),
}
"""The C sources, and what each of them offers to XLA."""

_locks = {source: threading.Lock() for source in HANDLERS}


def status(stocks: int = 4, source: str = "kernel", scheme: int = SLOPES) -> str:
    """`ready`, or the reason why pure JAX is used instead of a kernel of `HANDLERS`.

    Compiles the kernel for this number of stocks and this scheme if that has not been done.
    """
    if native.switched_off():
        return "switched off by SERVANDA_KERNEL"
    if jax.default_backend() != "cpu":
        return f"the kernel is for CPUs, and JAX computes on {jax.default_backend()}"
    if not jax.config.read("jax_enable_x64"):
        return "the kernel is for double precision, and jax_enable_x64 is off"
    if not 0 <= stocks <= MAX_STOCKS:
        return f"the kernel takes up to {MAX_STOCKS} stocks with more than one level, not {stocks}"
    with _locks[source]:
        return _register(stocks, source, min(scheme, SLOPES))[1]


def ready(levels: tuple[int, ...], scheme: int, source: str = "kernel") -> bool:
    """Whether a kernel can be called for this grid and scheme."""
    return status(_stocks(levels), source, scheme) == "ready"


def _stocks(levels: tuple[int, ...]) -> int:
    """The stocks with two levels or more."""
    return sum(count > 1 for count in levels)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def evaluate(
    values: Float[Array, "P G C"],
    points: Float[Array, "U A N K"],
    table: Int[Array, "R"],
    pattern: Int[Array, "R A"],
    levels: tuple[int, ...],
    scheme: int,
) -> Float[Array, "R C A N"]:
    """`interpolate` by the kernel; call only where `ready`.

    Arguments are those of `interpolate`: floats are float64, indices int32, and the scheme is its
    place in `interpolate.SCHEMES`.
    """
    out = jax.ShapeDtypeStruct((table.shape[0], values.shape[2], *points.shape[1:3]), jnp.float64)
    call = jax.ffi.ffi_call(
        handlers(levels, scheme)[0], (out, rows(values, levels, scheme)), vmap_method="sequential"
    )
    result: Array = call(values, points, table, pattern, **attributes(levels, scheme))[0]
    return result


Residuals = tuple[Array, Array, Array, Array]


def _forward(
    values: Array,
    points: Array,
    table: Array,
    pattern: Array,
    levels: tuple[int, ...],
    scheme: int,
) -> tuple[Array, Residuals]:
    out = evaluate(values, points, table, pattern, levels, scheme)
    return out, (values, points, table, pattern)


def _backward(
    levels: tuple[int, ...], scheme: int, kept: Residuals, cotangent: Array
) -> tuple[Array, Array, None, None]:
    values, points, table, pattern = kept
    d_values, d_points = transpose(values, points, table, pattern, cotangent, levels, scheme)
    return d_values, d_points, None, None


evaluate.defvjp(_forward, _backward)


def transpose(
    values: Array,
    points: Array,
    table: Array,
    pattern: Array,
    cotangent: Float[Array, "R C A N"],
    levels: tuple[int, ...],
    scheme: int,
    by_stock: bool = False,
) -> tuple[Array, Array]:
    """Cotangents of values and points; `by_stock`, points and theirs are [U, A, K, N]."""
    shapes = (
        jax.ShapeDtypeStruct(values.shape, jnp.float64),
        jax.ShapeDtypeStruct(points.shape, jnp.float64),
        rows(values, levels, scheme),
        rows(values, levels, scheme),
    )
    call = jax.ffi.ffi_call(handlers(levels, scheme)[1], shapes, vmap_method="sequential")
    d_values, d_points, *_ = call(
        values, points, table, pattern, cotangent, **attributes(levels, scheme, by_stock)
    )
    return d_values, d_points


def attributes(
    levels: tuple[int, ...], scheme: int, by_stock: bool = False
) -> dict[str, np.ndarray | np.int64]:
    """What a kernel is told of the grid."""
    return {
        "levels": np.array(levels, np.int64),
        "scheme": np.int64(scheme),
        "by_stock": np.int64(by_stock),
    }


def rows(values: Array, levels: tuple[int, ...], scheme: int) -> jax.ShapeDtypeStruct:
    """Scratch for a kernel's rows, as a result nobody reads: XLA then lends the same memory
    every period, where the kernel would have to ask for it and touch it afresh."""
    blocks, grid, channels = values.shape
    slopes = _stocks(levels) if scheme >= SLOPES else 0
    width = -(-channels // _VECTOR) * _VECTOR * (1 + slopes)
    shape = (0, 0, 0) if width == channels else (blocks, grid, width)
    return jax.ShapeDtypeStruct(shape, jnp.float64)


def handlers(levels: tuple[int, ...], scheme: int, source: str = "kernel") -> tuple[str, ...]:
    """Names under which XLA knows a source's `HANDLERS` for this grid and scheme."""
    names, reason = _register(_stocks(levels), source, min(scheme, SLOPES))
    if reason != "ready":
        raise RuntimeError(f"{source}.c is not available: {reason}")
    return names


def names(levels: tuple[int, ...], scheme: int) -> tuple[str, ...]:
    """The names under which XLA knows the kernels for this grid and scheme, and the plain ones.

    Of a kernel that cannot be used there are none.
    """
    with ThreadPoolExecutor() as pool:  # a compiler each, if they have not been compiled yet
        plain = [pool.submit(plain_names, source) for source in PLAIN]
        there = list(pool.map(lambda source: ready(levels, scheme, source), SOURCES))
    found = [name for names in plain for name in names.result()]
    if all(there):
        found += [name for source in SOURCES for name in handlers(levels, scheme, source)]
    return tuple(found)


def plain_names(source: str) -> tuple[str, ...]:
    """The names under which XLA knows a kernel of `PLAIN`; none: pure JAX."""
    return _register(0, source, 0)[0] if status(0, source, 0) == "ready" else ()


@functools.cache
def _register(stocks: int, source: str, scheme: int) -> tuple[tuple[str, ...], str]:
    """Compile, load and register a kernel; its names in XLA, and `ready` or a reason."""
    names = []
    try:
        name, library = native.library(source, stocks, scheme)
        for function in HANDLERS[source]:
            names.append(f"{name}_{function}")
            handler = jax.ffi.pycapsule(getattr(library, function))
            jax.ffi.register_ffi_target(names[-1], handler, platform="cpu")
    except Exception as error:  # anything at all: there is a pure JAX path
        return (), f"{type(error).__name__}: {error}"
    return tuple(names), "ready"
