"""One folder for work that makes several tables: each has a folder of its own inside.

In: a folder (or none), the job, the names of the tables. Out: where each table goes. The outer
folder has a manifest too, so that a folder of other work is refused before anything is computed,
and a lock, so that one process at a time does the work.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from servanda.runs.manifest import describe
from servanda.runs.store import writing

PARTS = "parts"
"""Where the job of an outer folder names its tables."""

Place = Callable[[str], Path | None]
"""Where the table of that name is kept; None: in memory."""


def nowhere(name: str) -> None:
    """The place of tables that are not kept."""
    return


@contextlib.contextmanager
def parts(
    folder: str | Path | None, job: Mapping[str, Any], names: Sequence[str]
) -> Iterator[Place]:
    """The place of every table of that job, while nobody else may write there.

    Raises:
        QuestionError: as `run`: the folder holds another run or is in use.
    """
    if folder is None:
        yield nowhere
        return
    manifest = describe({**job, PARTS: list(names)}, max(len(names), 1), 1, (1, 1))
    with writing(Path(folder), manifest) as held:
        yield lambda name: held.path / name
