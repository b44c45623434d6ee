"""HubSpot's clock, kept from the `Date` headers of its responses; the host's may be wrong."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

BEHIND = timedelta(seconds=1)
"""How far HubSpot's clock may be ahead of what is known of it."""
MARGIN = 2 * BEHIND
"""How long before a reading a change may bear the reading's instant: both name whole seconds."""
STAMPED_BEFORE = MARGIN + timedelta(seconds=1)
"""How long a change may bear its instant before it is seen; whole seconds are within it."""


class PortalClock:
    """What time it is at HubSpot; shared by the threads of a run."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin without knowing.

        Args:
            clock: monotonic seconds.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[datetime, float] | None = None

    def learn(self, reported: datetime, answered_at: float) -> None:
        """Keep the later instant; neither is ahead of HubSpot's clock.

        Args:
            reported: aware UTC, whole seconds, as the response's header has it.
            answered_at: monotonic seconds.
        """
        with self._lock:
            known = self._known
            if known is None or reported > known[0] + timedelta(seconds=answered_at - known[1]):
                self._known = (reported, answered_at)

    def now(self) -> datetime | None:
        """Return the time, aware UTC; None before the first response.

        Guarantees: never ahead of HubSpot's clock; at most a second and the call's time behind;
        never goes back.
        """
        if self._known is None:
            return None
        reported, answered_at = self._known
        return reported + timedelta(seconds=self._clock() - answered_at)
