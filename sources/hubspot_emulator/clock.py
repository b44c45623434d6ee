"""The portal's clock: follows the host, or is frozen and advanced by a test."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from functools import lru_cache

DAY_MS = 86_400_000
EPOCH = datetime.fromtimestamp(0, UTC)


@lru_cache(maxsize=1 << 16)
def iso(ms: int) -> str:
    """Return epoch milliseconds as HubSpot writes instants, `2024-09-11T13:27:39.356Z`."""
    seconds, rest = divmod(ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{rest:03d}Z"


def to_ms(at: datetime | str | float) -> int:
    """Return epoch milliseconds of an aware datetime, an ISO text or a number of milliseconds."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    if isinstance(at, datetime):
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        return (aware - EPOCH) // timedelta(milliseconds=1)
    return int(at)


class Clock:
    """Milliseconds of the portal; `elapsed_ms` never stops, so that rate windows always empty."""

    def __init__(self) -> None:
        self._frozen_ms: int | None = None
        self._offset_ms = 0
        self._advanced_ms = 0
        self._lost_ms = 0

    def now_ms(self) -> int:
        """Return the portal's present instant in epoch milliseconds."""
        if self._frozen_ms is not None:
            return self._frozen_ms
        return time.time_ns() // 1_000_000 + self._offset_ms

    def age_ms(self) -> int:
        """Return a count that goes with the clock and never back, for the lag of the index."""
        return self.now_ms() + self._lost_ms

    def elapsed_ms(self) -> float:
        """Return a monotonic count that `advance` moves too, for rate windows."""
        return time.monotonic() * 1000 + self._advanced_ms

    def http_date(self) -> str:
        """Return the present instant as a `Date` header."""
        return formatdate(self.now_ms() // 1000, usegmt=True)

    def freeze(self, at: datetime | str | float | None = None) -> None:
        """Stop the clock at `at`, or where it is."""
        self._move(to_ms(at) if at is not None else self.now_ms(), 0)

    def set(self, at: datetime | str | float) -> None:
        """Move a running clock to `at`; it goes on running from there."""
        self._move(None, to_ms(at) - time.time_ns() // 1_000_000)

    def advance(self, ms: float) -> None:
        """Move the clock forward, frozen or running."""
        self._advanced_ms += int(ms)
        if self._frozen_ms is None:
            self._offset_ms += int(ms)
        else:
            self._frozen_ms += int(ms)

    def resume(self) -> None:
        """Follow the host's clock again."""
        self._move(None, 0)

    def _move(self, frozen_ms: int | None, offset_ms: int) -> None:
        before = self.now_ms()
        self._frozen_ms, self._offset_ms = frozen_ms, offset_ms
        self._lost_ms += max(0, before - self.now_ms())
