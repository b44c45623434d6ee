"""One rate budget: when its next call may be sent.

HubSpot counts calls in rolling windows as they arrive, but we know only when a call was sent and
when it was answered. So a budget keeps two rules at once, for a limit of L calls per window W we
use the share s of it:

- pace: at most s x L calls are sent per W (for 4.5 per second: 5 per 1.11 s);
- safety: a call holds one of L slots until its response + W. It arrived before its response, so no
  window at HubSpot sees more than L, however late calls arrive. A slow answer holds its slot no
  longer than the pace can bear (92.5 % of the share is always reached), which still allows for
  0.2 W of delay on the way at a share of 0.9.

Other callers of the same budget show in HubSpot's count: what we did not send is taken off the
limit, with room to double up to half of it; and once half is used, calls are spread over the
window, so that both sides see each other in time. Written by hand because the rates of
pyrate-limiter are fixed when it is made and count from the sending alone: it cannot learn a limit,
nor hold a slot until the response.
"""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from math import ceil, inf

_REACHED = 0.925  # share that is reached even if every response is slow
_MARGIN_SECONDS = 0.01  # HubSpot's clock ticks in milliseconds
_ALONE_SECONDS = 2.0  # how long the first call of a budget keeps the others waiting
_UNSPREAD = 0.5  # of a limit that others use too, before calls are spread over the window
_LATE_CALLS = 100  # how many sent before a window may have arrived in it


@dataclass(slots=True, eq=False)
class Slot:
    """One call: when it was sent and, once known, when it was answered."""

    sent_at: float
    answered_at: float = inf


@dataclass(slots=True)
class Window:
    """One budget: `limit` calls per rolling `seconds`; we use `share` of it."""

    limit: int
    seconds: float
    share: float
    known: bool = True
    """Whether HubSpot has named the limit, or never does; until then the first call goes alone."""
    paused_until: float = -inf
    others: int = 0
    """Calls of the window that HubSpot counted and we did not send, by the newest answer."""
    others_until: float = -inf
    """How long that is to be believed."""
    slots: deque[Slot] = field(default_factory=deque)

    @property
    def allowed(self) -> float:
        """Our share of the calls of a window."""
        return self.limit * self.share

    def wait_seconds(self, now: float, *, suspected: int = 0) -> float:
        """Return how long the next call must wait; 0 or less when it may be sent now.

        Args:
            now: monotonic seconds.
            suspected: calls of others that no response has shown.
        """
        kept = self.seconds * (2 + 1 / self.share)  # longer than pace and safety look back
        while self.slots and self.slots[0].sent_at < now - kept:
            self.slots.popleft()
        others = max(suspected, self.seen_others(now))
        free = self._free(others)
        alone = 0.0 if self.known else self._alone(now)
        next_at = max(self._pace(free), self._safe(free), self._spread(free, others, now))
        return max(self.paused_until - now, alone, next_at - now)

    def _free(self, others: int) -> int:
        """Return what of the limit others leave us; they may use twice as much, up to half.

        Returns:
            At least 1, so that we notice when they stop.
        """
        return max(1, self.limit - max(others, min(2 * others, self.half)))

    def seen_others(self, now: float) -> int:
        """Return the calls of others in the window, as far as is known."""
        return self.others if now <= self.others_until else 0

    def yield_half(self, until: float) -> None:
        """Leave half of the budget to others for a while."""
        self.others = max(self.others, self.half)
        self.others_until = max(self.others_until, until)

    @property
    def half(self) -> int:
        """What others are assumed to use where no response shows it."""
        return ceil(self.limit / 2)

    def count_others(self, slot: Slot, used: int, now: float) -> None:
        """Compare HubSpot's count, given with the response to a call, with what we sent ourselves.

        Calls sent after this one may or may not be counted in it: there are others only where the
        count cannot be explained by them; then they are taken not to be.
        """
        since = slot.sent_at - self.seconds
        first = bisect_right(self.slots, since, key=lambda s: s.sent_at)
        before = (self.slots[i] for i in range(max(0, first - _LATE_CALLS), first))
        ours = len(self.slots) - first + sum(1 for s in before if s.answered_at > since)
        later = len(self.slots) - bisect_right(self.slots, slot.sent_at, key=lambda s: s.sent_at)
        self.others = used - ours + later if used > ours else 0
        self.others_until = now + self.seconds

    def _spread(self, free: int, others: int, now: float) -> float:
        """Return when the next call is due if those left are spread over the window."""
        if not others or not self.slots:
            return -inf
        first = bisect_right(self.slots, now - self.seconds, key=lambda s: s.sent_at)
        if len(self.slots) - first + others < self.limit * _UNSPREAD:
            return -inf
        return self.slots[-1].sent_at + self.seconds / (free * self.share)

    def _pace(self, free: int) -> float:
        """Return when the share allows the next call."""
        allowed = free * self.share
        calls = ceil(allowed)
        if len(self.slots) < calls:
            return -inf
        return self.slots[-calls].sent_at + self.seconds * calls / allowed

    def _safe(self, free: int) -> float:
        """Return when one of the slots is surely free at HubSpot."""
        if len(self.slots) < free:
            return -inf
        longest = self.seconds * (1 / (self.share * _REACHED) - 1)
        hold = self.seconds + _MARGIN_SECONDS
        ends = sorted(min(s.answered_at, s.sent_at + longest) + hold for s in self.slots)
        return ends[-free]

    def _alone(self, now: float) -> float:
        """Return how long to wait for the response that names the limit, in short steps."""
        waiting = any(s.answered_at == inf and s.sent_at > now - _ALONE_SECONDS for s in self.slots)
        return 0.01 if waiting else 0.0
