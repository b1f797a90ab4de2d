"""How JAX runs here: float64, and a compilation cache that outlives the process.

Imported before anything else in `servanda.game`. The cache lies in the user's cache directory,
keyed by jaxlib version and processor, so that a second run pays no compilation.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def cache_directory() -> Path:
    """$SERVANDA_CACHE, or servanda/ in $XDG_CACHE_HOME or ~/.cache."""
    given = os.environ.get("SERVANDA_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "servanda"


@dataclass(frozen=True)
class Store:
    """A list of numbers kept in a file of the cache directory."""

    path: Path

    def read(self) -> list[float] | None:
        """What was kept, or None if there is nothing to be read."""
        try:
            found = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return None
        numbers = isinstance(found, list) and all(isinstance(x, float) for x in found)
        return found if numbers else None

    def write(self, numbers: list[float]) -> None:
        """Keep numbers; a cache that cannot be written costs time, nothing else."""
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = self.path.with_suffix(f".{os.getpid()}")
            new.write_text(json.dumps(numbers))
            new.replace(self.path)


def cache_file(name: str, key: tuple[Any, ...]) -> Store | None:
    """Where to keep numbers that depend on `key`; None with SERVANDA_CACHE=off."""
    if os.environ.get("SERVANDA_CACHE") == "off":
        return None
    digest = hashlib.sha256(repr(key).encode()).hexdigest()[:24]
    return Store(cache_directory() / f"{name}-{digest}.json")


def compiler_options(once: bool) -> dict[str, bool | int] | None:
    """How hard XLA should try; the sweeps themselves are compiled already.

    A program that runs `once` is compiled in a third of the time and runs by a half slower.
    """
    import jax

    if jax.default_backend() != "cpu":
        return None
    return {
        "xla_cpu_use_fusion_emitters": False,
        "xla_backend_optimization_level": 0 if once else 1,
    }


def processor() -> str:
    """A short name of this processor: compiled code for one may not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        found = "".join(x for x in lines if x.startswith(("model", "flags", "vendor", "Features")))
    except OSError:
        found = platform.processor()
    return hashlib.sha256((platform.machine() + found).encode()).hexdigest()[:12]


def configure() -> None:
    """Switch on float64 and the persistent compilation cache (SERVANDA_CACHE=off: none)."""
    # worlds are the parallel axis; threads inside one operation only get in each other's way
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_multi_thread_eigen" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()

    import jax
    import jaxlib

    jax.config.update("jax_enable_x64", True)
    if os.environ.get("SERVANDA_CACHE") == "off" or jax.config.values.get(
        "jax_compilation_cache_dir"
    ):
        return
    path = cache_directory() / f"jax-{jaxlib.__version__}-{processor()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # a read-only home costs time, not correctness
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
