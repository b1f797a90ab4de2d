"""How far are several parts that are solved side by side?

In: what each part tells, (solves done, solves in all). Out: the sums, told on.
"""

from __future__ import annotations

from servanda.game.batch import Progress


class Steps:
    """Adds up how far several parts are that are solved side by side."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.done: dict[str, int] = {}
        self.total: dict[str, int] = {}

    def expect(self, part: str, total: int) -> None:
        """Tell of a part that is to come."""
        self.done[part], self.total[part] = 0, total

    def of(self, part: str) -> Progress:
        """What a part tells how far it is."""

        def told(done: int, total: int) -> None:
            self.done[part], self.total[part] = done, total
            if self.progress:
                self.progress(sum(self.done.values()), sum(self.total.values()))

        return told
