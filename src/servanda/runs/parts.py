"""One folder for work that makes several tables: each has a folder of its own inside.

In: a folder (or none) and the job. Out: where the table of a name goes. The outer
folder has a manifest too, so that a folder of other work is refused before anything is computed,
and a lock, so that one process at a time does the work.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from servanda.runs.manifest import describe
from servanda.runs.store import writing

TABLES = "tables"
"""What tells the job of an outer folder from that of a table."""

Place = Callable[[str], Path | None]
"""Where the table of that name is kept; None: in memory."""


def nowhere(name: str) -> None:
    """The place of tables that are not kept."""
    return


@contextlib.contextmanager
def parts(folder: str | Path | None, job: Mapping[str, Any]) -> Iterator[Place]:
    """The place of every table of that job, while nobody else may write there.

    Raises:
        QuestionError: as `run`: the folder holds another run or is in use.
    """
    if folder is None:
        yield nowhere
        return
    manifest = describe({**job, TABLES: "each in a folder inside"}, 1, 1, (1, 1))
    with writing(Path(folder), manifest) as held:
        yield lambda name: held.path / name
