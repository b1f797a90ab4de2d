"""Has this program been traced before?

In: a function of arrays that JAX can trace, and everything that its trace depends on. Out: the same
function, jitted. Tracing Python costs seconds where running costs tenths of one; so the traced
program (StableHLO, by `jax.export`) is kept in the user's cache directory, beside the machine code
that JAX keeps there itself. Whatever goes wrong with a kept file, the function is traced afresh.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jaxlib

from servanda import __version__
from servanda.cache import cache_directory
from servanda.game import kernel
from servanda.game.runtime import processor

_SOURCES = ("game", "scenario")
"""The folders whose code says what a trace is."""

_TRACING = threading.RLock()
"""Python runs one thread at a time: traces side by side would all be done at the end of the last,
and the compiler, which needs no Python, would have nothing to do until then."""

MOST = 400
"""Programs kept, some hundred kilobytes each; the oldest make room."""


def traced(
    function: Callable[..., Any],
    depends: tuple[Any, ...],
    arguments: tuple[Any, ...],
    options: dict[str, bool | int] | None,
    kernels: tuple[tuple[int, ...], int] | None,
) -> Any:
    """`jax.jit(function)`, without tracing it if that has been done before.

    Args:
        function: pure, of arrays, to arrays in tuples, dicts and registered named tuples.
        depends: everything that its trace depends on beside the code; told apart by `repr`.
        arguments: an example, for shapes and types.
        options: of the compiler.
        kernels: grid levels and scheme of those it may call (None: none but that of tapes).
    """
    plain = jax.jit(function, compiler_options=options)
    # this also registers them with XLA, which a kept program needs
    calls = kernel.plain_names("tape") if kernels is None else kernel.names(*kernels)
    path = _path((depends, calls), arguments)
    if path is None:
        return plain
    try:
        found = jax.export.deserialize(_read(path))
    except Exception:  # not there, of another version, damaged: trace it
        try:
            allowed = [jax.export.DisabledSafetyCheck.custom_call(name) for name in calls]
            with _TRACING:
                found = jax.export.export(plain, disabled_checks=allowed)(*arguments)
                _write(path, bytes(found.serialize()))
        except Exception:  # what cannot be exported can still be run
            return plain
    return jax.jit(found.call, compiler_options=options)


def register(*kinds: type) -> None:
    """Let named tuples be results of a kept program."""
    for kind in kinds:
        jax.export.register_namedtuple_serialization(
            kind, serialized_name=f"servanda.{kind.__name__}"
        )


def _path(depends: tuple[Any, ...], arguments: tuple[Any, ...]) -> Path | None:
    """Where the program is kept; None with SERVANDA_CACHE=off or off the CPU."""
    if os.environ.get("SERVANDA_CACHE") == "off" or jax.default_backend() != "cpu":
        return None
    shapes = [(x.shape, str(x.dtype)) for x in jax.tree.leaves(arguments)]
    versions = (__version__, code(), jax.__version__, jaxlib.__version__, processor())
    name = hashlib.sha256(repr((versions, shapes, depends)).encode()).hexdigest()[:32]
    return cache_directory() / "programs" / name


@functools.cache
def code() -> str:
    """A digest of the code that traces depend on."""
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent
    for folder in _SOURCES:
        for path in sorted((root / folder).glob("*.[pch]*")):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> bytearray:
    """What was written, or a ValueError: a damaged program would fail later, and worse."""
    digest, blob = path.read_bytes()[:32], path.read_bytes()[32:]
    if hashlib.sha256(blob).digest() != digest:
        raise ValueError("not what was written")
    return bytearray(blob)


def _write(path: Path, blob: bytes) -> None:
    """Whole or not at all, behind its digest; without a cache to write to, time is all that is
    lost."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        new.write_bytes(hashlib.sha256(blob).digest() + blob)
        new.replace(path)
        kept = sorted(path.parent.iterdir(), key=lambda p: p.stat().st_mtime)
        for old in kept[:-MOST]:
            old.unlink(missing_ok=True)
    except OSError:
        return
