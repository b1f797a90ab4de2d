"""How long a run still takes, from how fast it has gone since it was started or resumed.

In: what `run` tells its `progress`, (chunks done, chunks in all). Out: seconds left. Chunks that
were there before the first report took no time and do not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Pace:
    """A stopwatch that is told how far a run is; the first report starts it."""

    clock: Callable[[], float] = time.monotonic
    _start: tuple[float, int] | None = field(default=None, init=False)

    def seconds_left(self, done: int, total: int) -> float | None:
        """Seconds until all chunks are done at the mean pace so far; None while that is unknown."""
        if self._start is None:
            self._start = (self.clock(), done)
        began, already = self._start
        if done >= total:
            return 0.0
        if done <= already:
            return None
        return (self.clock() - began) * (total - done) / (done - already)
