"""How JAX runs here: float64, and a compilation cache that outlives the process.

Imported before anything else in `servanda.game`. The cache lies in the user's cache directory,
keyed by jaxlib version and processor, so that a second run pays no compilation.
"""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

from servanda.cache import cache_directory


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
