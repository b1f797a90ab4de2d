"""Solve a program with many rows of assumptions through the engine of runs, some at a time.

In: a job, programs with their rows, a folder or none. Out: a run's `Table`. With a folder finished
chunks are kept there and a rerun goes on from them; without, the same chunks are kept in memory.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Float

from servanda.game.batch import CORES, Program, Progress, bounds, cores, here, run
from servanda.runs import Chunk, Table
from servanda.runs import run as run_table

if TYPE_CHECKING:
    import pandas as pd

PER_CHUNK = 4
"""Rows in a chunk: what a kill loses at most is twice that for every core."""


def digest(*parts: np.ndarray | str) -> str:
    """What tells arrays of numbers, or texts, apart, for a job."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            found.update(part.encode())
        else:
            found.update(repr(part.shape).encode() + np.ascontiguousarray(part, float).tobytes())
    return found.hexdigest()[:16]


def columns_of(name: str, x: np.ndarray, labels: Sequence[str] | None) -> dict[str, Any]:
    """The columns of a figure [row, ...], one for each label of its last axis (None: it has none).

    What is [row, period, ...] makes lists.
    """
    parts = (
        {name: x} if labels is None else {f"{name}.{n}": x[..., k] for k, n in enumerate(labels)}
    )
    return {column: a if a.ndim == 1 else list(a) for column, a in parts.items()}


def figure_of(
    frames: Sequence[pd.DataFrame], name: str, labels: Sequence[str] | None
) -> Float[np.ndarray, "row ..."]:
    """A figure from its columns in tables one after the other; there is a label, if not None."""
    columns = [name] if labels is None else [f"{name}.{n}" for n in labels]
    parts = [np.concatenate([np.stack(f[c].to_list()) for f in frames]) for c in columns]
    return np.asarray(parts[0] if labels is None else np.stack(parts, axis=-1), float)


@dataclass
class Rows:
    """A program and the rows it is solved with; any thread may ask for some of them.

    The grid's bounds are those of the rows `still`; which grid and random numbers a row has is said
    by `lots`, the central ones without.
    """

    program: Program
    values: np.ndarray
    still: np.ndarray
    lots: np.ndarray | None = None
    _compiled: bool = field(default=False, init=False)
    _first: threading.Lock = field(default_factory=threading.Lock, init=False)

    def solve(self, first: int, last: int) -> dict[str, Any]:
        """What the program gives for the rows `first` to `last` - 1, on this thread."""
        parts = []
        with self._first:
            if not self._compiled:  # by one thread, for all
                parts.append(self._solve(first, first + 1))
                self._compiled = True
                first += 1
        if first < last:
            parts.append(self._solve(first, last))
        return dict(jax.tree.map(lambda *x: np.concatenate(x), *parts))

    def _solve(self, first: int, last: int) -> dict[str, Any]:
        some = slice(first, last)
        lots = None if self.lots is None else self.lots[some]
        boxes = bounds(self.program, self.still[some], lots)
        return run(self.program, self.values[some], pool=here(), boxes=boxes, lots=lots)


def in_chunks(
    job: Mapping[str, Any],
    work: Callable[[Chunk], pd.DataFrame],
    *,
    cells: int,
    rows: int,
    folder: Path | None,
    pool: Executor | None,
    progress: Progress | None,
    per_chunk: int = PER_CHUNK,
) -> Table:
    """The table of a job, on this process's threads; `progress` is told rows solved, and in all."""
    many = cells * rows > 1
    own = cores() if pool is None and many else None

    def told(done: int, total: int) -> None:
        if progress and done:
            progress(round(done / total * cells * rows), cells * rows)

    try:
        return run_table(
            job,
            lambda _, chunk: work(chunk),
            folder,
            cells=cells,
            worlds=rows,
            chunk=(1, per_chunk),
            workers=CORES if many else 1,
            pool=own or pool or here(),
            progress=told,
        )
    finally:
        if own is not None:
            own.shutdown(cancel_futures=True)
