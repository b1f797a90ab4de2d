"""The workers of a Dask cluster, for tables that one machine does not finish.

In: the address of a scheduler. Out: `Workers`. The chunks are the same; a worker that dies has its
chunks computed elsewhere; results come back to this process, which alone writes the folder, so the
workers need no common disk. A worker of another kind than this machine is refused: its numbers
could differ in the last digits. Source: https://distributed.dask.org
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from servanda.errors import QuestionError
from servanda.runs.local import Workers

PATIENCE = 20
"""Seconds to wait for a scheduler that does not answer."""


@contextlib.contextmanager
def connected(address: str) -> Iterator[Workers]:
    """The workers behind the scheduler at `address`, such as tcp://10.0.0.1:8786.

    Raises:
        QuestionError: distributed is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise QuestionError(
            "a cluster needs the package distributed: pip install 'servanda[cluster]'"
        ) from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise QuestionError(
            f"no Dask scheduler answers at {address} ({error}): "
            "start one (dask scheduler) or give its address"
        ) from None
    with client:
        executor = client.get_executor(pure=False)
        yield Workers(executor, lambda: sum(client.nthreads().values()), elsewhere=True)
