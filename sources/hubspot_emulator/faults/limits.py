"""The rate budgets: interval, search, associations and day, with HubSpot's headers and 429s."""

from collections import deque
from dataclasses import dataclass, field

from ..clock import DAY_MS, Clock
from ..settings import Limits, Settings, Token


@dataclass
class Refusal:
    """A call over budget: which policy said no, and when it would say yes."""

    policy: str
    wait_ms: float


@dataclass
class Window:
    """Calls of the last `length_ms`; at most `most` may pass."""

    times: deque[float] = field(default_factory=deque)

    def wait_ms(self, now_ms: float, most: int, length_ms: int) -> float:
        """Return how long a call must wait, 0 when it may pass now."""
        while self.times and self.times[0] <= now_ms - length_ms:
            self.times.popleft()
        return 0 if len(self.times) < most else self.times[0] + length_ms - now_ms


class Meter:
    """Counts the calls of one portal against its budgets."""

    def __init__(self, clock: Clock, utc_offset_ms: int) -> None:
        self._clock = clock
        self._utc_offset_ms = utc_offset_ms
        self._windows = {name: Window() for name in ("interval", "search", "associations")}
        self._day_ends_ms = 0
        self.used_today = 0

    def take(
        self, bucket: str, settings: Settings, token: Token
    ) -> tuple[Refusal | None, dict[str, str]]:
        """Count one call; return the refusal if there is one, and the rate headers."""
        limits = settings.limits
        if limits is None or bucket in ("free", "signed"):
            return None, {}
        counted = {bucket} if settings.exemptions else {bucket, "interval"}
        refusal = self._charge(counted, limits)
        headers = self._headers(bucket, limits, token)
        if refusal and settings.retry_after:
            headers["Retry-After"] = str(max(1, -int(-refusal.wait_ms // 1000)))
        return refusal, headers

    def day_ends_ms(self) -> int:
        """Return the next midnight of the account's time zone."""
        local_ms = self._clock.now_ms() + self._utc_offset_ms
        return local_ms - local_ms % DAY_MS + DAY_MS - self._utc_offset_ms

    def _charge(self, buckets: set[str], limits: Limits) -> Refusal | None:
        ends_ms = self.day_ends_ms()
        if ends_ms != self._day_ends_ms:
            self._day_ends_ms, self.used_today = ends_ms, 0
        if self.used_today >= limits.daily:
            return Refusal("DAILY", ends_ms - self._clock.now_ms())
        now_ms = self._clock.elapsed_ms()
        for bucket in sorted(buckets):
            most, length_ms = getattr(limits, bucket), getattr(limits, f"{bucket}_ms")
            wait_ms = self._windows[bucket].wait_ms(now_ms, most, length_ms)
            if wait_ms > 0:
                policy = "SECONDLY" if bucket == "search" else "TEN_SECONDLY_ROLLING"
                return Refusal(policy, wait_ms)
        for bucket in buckets:
            self._windows[bucket].times.append(now_ms)
        self.used_today += 1
        return None

    def _headers(self, bucket: str, limits: Limits, token: Token) -> dict[str, str]:
        if bucket == "search":
            return {}
        headers: dict[str, str] = {}
        if token.daily_headers:
            left = max(0, limits.daily - self.used_today)
            headers["X-HubSpot-RateLimit-Daily"] = str(limits.daily)
            headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(left)
        if bucket == "interval":
            rest = limits.interval - len(self._windows["interval"].times)
            headers |= {
                "X-HubSpot-RateLimit-Interval-Milliseconds": str(limits.interval_ms),
                "X-HubSpot-RateLimit-Max": str(limits.interval),
                "X-HubSpot-RateLimit-Remaining": str(max(0, rest)),
            }
        return headers
