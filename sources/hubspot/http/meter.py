"""Counts of the calls that were made, for one table and for all."""

import threading


class Meter:
    """Counts the calls of one table, and of everything into its parent."""

    def __init__(self, parent: "Meter | None" = None) -> None:
        self._parent = parent
        self._lock = threading.Lock()
        self.calls = 0
        """Requests sent, retries among them."""
        self.retries = 0
        self.rate_limited = 0
        """Answers with status 429."""
        self.seconds = 0.0
        """Time between sending and answer, summed over the threads."""

    def add(
        self, *, calls: int = 0, retries: int = 0, rate_limited: int = 0, seconds: float = 0.0
    ) -> None:
        """Count; safe from every thread."""
        with self._lock:
            self.calls += calls
            self.retries += retries
            self.rate_limited += rate_limited
            self.seconds += seconds
        if self._parent:
            self._parent.add(
                calls=calls, retries=retries, rate_limited=rate_limited, seconds=seconds
            )
