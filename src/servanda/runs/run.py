"""Compute a large table of cells × worlds, chunk by chunk, and never the same chunk twice.

In: a job, the work of one chunk, a folder (or none: the table stays in memory), the workers. Out: a
`Table`. What is missing in the folder is computed, a few chunks at a time, and each is kept as soon
as it is finished. So a run that was stopped or killed goes on where it was when the same is run
again, memory does not grow with the number of worlds, and the table does not depend on the workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servanda.errors import QuestionError
from servanda.runs import local
from servanda.runs.local import Workers
from servanda.runs.manifest import Chunk, Manifest, describe, environment
from servanda.runs.parquet import columns, encode
from servanda.runs.store import Finished, Folder, Memory, Store, finished, writing
from servanda.runs.table import Table

if TYPE_CHECKING:
    import pandas as pd

Work = Callable[[Mapping[str, Any], Chunk], "pd.DataFrame"]
"""What a chunk is worth: a function of the job and the chunk alone, at the top of a module."""

Progress = Callable[[int, int], None]
"""Called with (chunks done, chunks in all), first with those that were there already."""

AHEAD = 2
"""Chunks under way, as a multiple of the places: the next is ready when a worker is."""


def run(
    job: Mapping[str, Any],
    work: Work,
    folder: str | Path | None = None,
    *,
    cells: int,
    worlds: int,
    chunk: tuple[int, int],
    workers: int = 2,
    processes: bool = False,
    pool: Executor | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Table:
    """The table of a job: what `work` gives for every chunk, those in the folder included.

    Args:
        job: everything that the table depends on beside the chunk (a JSON-able mapping); `work`
            gets it as JSON gives it back.
        work: called as work(job, chunk), in any order, on any worker; must give the same for the
            same, and the same columns for every chunk.
        folder: where finished chunks are kept; None keeps them in memory and resumes nothing.
        cells: the number of cells (whatever the job calls one: a proposal, a package).
        worlds: the number of worlds.
        chunk: the largest number of cells and of worlds in a chunk.
        workers: chunks computed at once on this machine.
        processes: in processes of their own rather than in threads.
        pool: in this executor, which is left open; `workers` says how many at once.
        cluster: on the workers of the Dask scheduler at this address instead.
        progress: told (chunks done, chunks in all); what it raises stops the run.

    Raises:
        QuestionError: the folder holds another run or is in use; the work failed in a chunk (the
            chunks finished before are kept); the workers were lost.
        KeyboardInterrupt: as it came; the chunks finished before are kept.
    """
    if workers < 1:
        raise QuestionError(f"the number of workers is {workers}; give 1 or more")
    if sum([processes, pool is not None, cluster is not None]) > 1:
        raise QuestionError("processes, pool and cluster exclude each other: give one of them")
    manifest = describe(job, cells, worlds, chunk)
    place: AbstractContextManager[Store] = nullcontext(Memory())
    if folder is not None:
        place = writing(Path(folder), manifest)
    with place as store:
        filling = _Filling(store, manifest, work, progress, finished(store, manifest))
        if filling.missing:
            with _workers(workers, processes, pool, cluster) as crew:
                filling.fill(crew)
        else:
            filling.tell()
    return Table(manifest, store, tuple(range(len(manifest))))


def _workers(
    count: int, apart: bool, pool: Executor | None, cluster: str | None
) -> AbstractContextManager[Workers]:
    if cluster is not None:
        from servanda.runs.cluster import connected

        return connected(cluster)
    if pool is not None:
        return nullcontext(Workers(pool, lambda: count))
    return local.processes(count) if apart else local.threads(count)


def compute(work: Work, manifest: Manifest, number: int, elsewhere: bool) -> bytes:
    """One chunk's file; runs on a worker, `elsewhere` if that may be another machine."""
    if elsewhere and environment() != manifest.environment:
        raise QuestionError(
            f"a worker of the cluster is of another kind ({environment()}) than the run "
            f"({manifest.environment}): use machines of one kind with the same versions"
        )
    return encode(work(manifest.job, manifest[number]), manifest.digest(), number)


class _ChunkError(Exception):
    """The chunk of that number came to nothing; the cause is the reason."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(number, what)
        self.number = number
        self.what = what


@dataclass
class _Filling:
    """A run under way: the store, the chunks that are missing, and those under way."""

    store: Store
    manifest: Manifest
    work: Work
    progress: Progress | None
    start: Finished
    under_way: dict[Future[bytes], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.done = set(self.start.numbers)
        self.columns = self.start.columns
        self.missing = len(self.manifest) - len(self.done)

    def fill(self, crew: Workers) -> None:
        """Compute what is missing; keep whatever is finished when that goes wrong."""
        try:
            self._fill(crew)
        except KeyboardInterrupt:
            self._drain(waiting=False)
            raise KeyboardInterrupt(f"stopped; {self._kept()}") from None
        except _ChunkError as error:
            self._drain(waiting=True)
            chunk = self.manifest[error.number]
            raise QuestionError(
                f"{chunk} {error.what}: {_sentence(error.__cause__)}; {self._kept()}"
            ) from error.__cause__
        except BaseException:
            self._drain(waiting=False)
            raise

    def tell(self) -> None:
        """Report how far the run is."""
        if self.progress:
            self.progress(len(self.done), len(self.manifest))

    def _fill(self, crew: Workers) -> None:
        numbers = self._numbers()
        self.tell()
        while True:
            room = AHEAD * max(crew.places(), 1) - len(self.under_way)
            for number in islice(numbers, max(room, 0)):
                try:
                    future = crew.executor.submit(
                        compute, self.work, self.manifest, number, crew.elsewhere
                    )
                except RuntimeError as error:  # a pool that broke or was closed
                    raise _ChunkError(number, "cannot be started") from error
                self.under_way[future] = number
            if not self.under_way:
                return
            ended, _ = wait(self.under_way, return_when=FIRST_COMPLETED)
            for future in sorted(ended, key=self.under_way.__getitem__):
                self._keep(future)
                self.tell()

    def _numbers(self) -> Iterator[int]:
        there = self.start.numbers
        return (number for number in range(len(self.manifest)) if number not in there)

    def _keep(self, future: Future[bytes]) -> None:
        """Make the chunk of an ended future finished, if it went well."""
        number = self.under_way[future]
        try:
            data = future.result()
        # whatever the work raised, and a cancelled or lost worker
        except Exception as error:
            del self.under_way[future]
            raise _ChunkError(number, "failed") from error
        try:
            self._compare(data, number)
            self.store.keep(number, data)
        except (OSError, QuestionError) as error:
            del self.under_way[future]
            raise _ChunkError(number, "cannot be kept") from error
        self.done.add(number)
        del self.under_way[future]

    def _compare(self, data: bytes, number: int) -> None:
        """See that the chunk has the columns of the others."""
        found = columns(data)
        if self.columns is None:
            self.columns = found
        if list(found.items()) != list(self.columns.items()):
            raise QuestionError(
                f"it has the columns {_listed(found, self.columns)} where others have "
                f"{_listed(self.columns, found)}; every chunk must have the same"
            )

    def _drain(self, waiting: bool) -> None:
        """Call off what has not begun; keep what ended well, and, if `waiting`, will end well."""
        running = [future for future in self.under_way if not future.cancel()]
        if waiting:
            wait(running)
        for future in running:
            if future.done() and future.exception() is None:
                try:
                    self._keep(future)
                except _ChunkError:  # one reason to stop is enough
                    continue

    def _kept(self) -> str:
        count = f"{len(self.done)} of {len(self.manifest)} chunks are finished"
        if isinstance(self.store, Folder):
            return f"{count} and kept in {self.store.path}; run the same again to go on from there"
        return f"{count} and lost: give a folder to keep them"


def _listed(these: dict[str, str], those: dict[str, str]) -> str:
    """The columns that differ, or all if only their order does."""
    differ = [f"{name} ({kind})" for name, kind in these.items() if those.get(name) != kind]
    if differ or these.keys() != those.keys():
        return ", ".join(differ) or "none more"
    return ", ".join(these)


def _sentence(error: BaseException | None) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, QuestionError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
