"""A run's table: read as one pandas DataFrame, or chunk by chunk, in the order of the chunks.

In: a folder, or what `run` kept in memory. Out: the rows of all chunks, sorted by chunk and within
it as the work gave them, whatever the order in which they were computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from servanda.errors import QuestionError
from servanda.runs.manifest import Manifest
from servanda.runs.parquet import DamagedError, decode
from servanda.runs.parts import TABLES
from servanda.runs.store import MANIFEST, Folder, Store

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class Table:
    """The table of a run; nothing of it is in memory before it is asked for (unless the run was).

    `numbers` are the chunks it is made of: all of them, or fewer if a part was asked for.
    """

    manifest: Manifest
    store: Store
    numbers: tuple[int, ...]

    @property
    def folder(self) -> Path | None:
        """Where it lies; None if in memory."""
        return self.store.path if isinstance(self.store, Folder) else None

    def batches(self) -> Iterator[pd.DataFrame]:
        """The rows of one chunk after the other; one chunk at a time is in memory.

        Raises:
            QuestionError: a chunk was lost or damaged since.
        """
        return (self._load(number).to_pandas() for number in self.numbers)

    def to_dataframe(self) -> pd.DataFrame:
        """All rows, numbered from 0.

        Raises:
            QuestionError: a chunk was lost or damaged since.
        """
        import pandas as pd
        import pyarrow as pa

        if not self.numbers:
            return pd.DataFrame()
        frame: pd.DataFrame = pa.concat_tables(map(self._load, self.numbers)).to_pandas()
        return frame

    def _load(self, number: int) -> pa.Table:
        try:
            return decode(self.store.load(number), self.manifest.digest(), number)
        except (DamagedError, OSError) as error:
            raise QuestionError(
                f"chunk {number} of {self.folder} cannot be read ({error}): "
                "run the same again, it computes what is missing"
            ) from None


def read(folder: str | Path, partial: bool = False) -> Table:
    """The table in a folder that `run` wrote; with `partial`, also of a run that has not ended.

    Raises:
        QuestionError: there is no run, or chunks are missing and `partial` was not asked for.
    """
    store = Folder(Path(folder))
    manifest = store.manifest()
    if TABLES in manifest.job:
        names = ", ".join(sorted(path.parent.name for path in store.path.glob(f"*/{MANIFEST}")))
        raise QuestionError(f"{folder} holds several tables: read the folder of one: {names}")
    numbers = tuple(number for number in store.numbers() if number < len(manifest))
    if len(numbers) < len(manifest) and not partial:
        raise QuestionError(
            f"{folder} has {len(numbers)} of {len(manifest)} chunks: run the same again to have "
            "the others computed, or read it with partial=True"
        )
    return Table(manifest, store, numbers)
