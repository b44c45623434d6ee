"""The bound of one load, so that memory and what a kill costs stay bounded."""

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class LoadBudget:
    """The bound of one load, in rows and in time, so that memory and lost work stay bounded."""

    rows: float = float("inf")
    seconds: float = float("inf")
    _rows: float = 0
    _began: float = field(default_factory=time.monotonic)

    @property
    def bounded(self) -> bool:
        """Whether another load follows where this one ends too early."""
        return self.rows != float("inf")

    def take(self, rows: float) -> None:
        """Count rows that go into this load."""
        self._rows += rows

    @property
    def full(self) -> bool:
        """Whether this load has as many rows as it may."""
        return self._rows >= self.rows

    def spent(self) -> bool:
        """Whether this load should end at the next checkpoint."""
        return self.full or time.monotonic() - self._began >= self.seconds
