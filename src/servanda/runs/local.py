"""The workers of this machine: threads, or processes that end when the run does.

In: how many. Out: `Workers`, an executor and how many chunks it computes at once. Threads are
enough for work that leaves Python (JAX, NumPy); processes are for work that does not.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait


@dataclass(frozen=True)
class Workers:
    """An executor, how many chunks it computes at once, and whether on other machines.

    `places` is asked again and again: a cluster's workers come and go.
    """

    executor: Executor
    places: Callable[[], int]
    elsewhere: bool = False


@contextlib.contextmanager
def threads(count: int) -> Iterator[Workers]:
    """That many threads; what is still being computed on an interrupt is not waited for."""
    pool = ThreadPoolExecutor(count, thread_name_prefix="servanda-run")
    try:
        yield Workers(pool, lambda: count)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@contextlib.contextmanager
def processes(count: int) -> Iterator[Workers]:
    """That many new processes; they end with the run, also if this process is killed.

    They are started afresh (spawn): forking a process that has used JAX may hang.
    """
    context = multiprocessing.get_context("spawn")
    # nothing is ever sent: the end of the file is the news, and it comes from the system
    alive, here = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, context, initializer=_enter, initargs=(alive,))
    try:
        yield Workers(pool, lambda: count)
        pool.shutdown()
    finally:
        here.close()
        pool.shutdown(cancel_futures=True)
        alive.close()


def _enter(alive: Connection) -> None:
    """Begin a worker process: the first process alone hears an interrupt, and ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end() -> None:
        wait([alive])
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
