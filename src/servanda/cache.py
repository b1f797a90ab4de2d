"""Where is kept what takes longer to find than to read?

In: a name, and what the numbers depend on. Out: a file in the user's cache directory, or none with
SERVANDA_CACHE=off. What cannot be kept or read costs time, nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
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
