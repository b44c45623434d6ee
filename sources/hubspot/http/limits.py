"""The portal's rate budgets: when the next call may be sent.

HubSpot counts calls in rolling windows as they arrive, but we know only when a call was sent and
when it was answered. So each budget keeps two rules at once, for a limit of L calls per window W
we use the share s of it:

- pace: at most s x L calls are sent per W (for 4.5 per second: 5 per 1.11 s);
- safety: a call holds one of L slots until its response + W. It arrived before its response, so no
  window at HubSpot sees more than L, however late calls arrive. A slow answer holds its slot no
  longer than the pace can bear (92.5 % of the share is always reached), which still allows for
  0.2 W of delay on the way at a share of 0.9.

Other callers of the same budget show in the headers: what HubSpot counted and we did not send is
taken off the limit, with room to double up to half of it; and once half is used, calls are spread
over the window, so that both sides see each other in time. Headers tell nothing of searches and of
association calls: while others use the interval, half of these budgets is left to them, as after a
429 for a while. A portal that counts those calls in the interval, against HubSpot's specification,
says so by a 429; from then on they hold slots there as well. A portal whose answers name no limit
at all is taken to have none, until it says 429. Written by hand because the rates of pyrate-limiter
are fixed when it is made and count from the sending alone: it cannot learn a limit, nor hold a slot
until the response.
"""

import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Any

from ..catalog.apis import Budget
from ..errors import DailyQuotaError, UnavailableError

RESET = "The count starts again at midnight in the portal's time zone"
_REACHED = 0.925  # share that is reached even if every response is slow
_NEAR = 0.8  # of what is allowed in a window
_MARGIN_SECONDS = 0.01  # HubSpot's clock ticks in milliseconds
_ALONE_SECONDS = 2.0  # how long the first call of a budget keeps the others waiting
_UNSPREAD = 0.5  # of a limit that others use too, before calls are spread over the window
_YIELD_SECONDS = 30.0  # how long half a budget is left to others after a 429
_LATE_CALLS = 100  # how many sent before a window may have arrived in it
_SILENT_ANSWERS = 20  # this many responses that name no limit, and there is none
_LIMITED = -(10**9)
_WINDOWS = (0.1, 60.0)  # seconds; a header that names another window is not believed
_DIGITS = 12
_PREFIX = "X-HubSpot-RateLimit-"


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


@dataclass(frozen=True, slots=True)
class Use:
    """How much of one budget is used right now."""

    budget: Budget
    sent: int
    """Calls sent in the last `seconds`."""
    allowed: int | None
    """Calls that may be sent in `seconds`; None where the portal names no limit."""
    seconds: float
    waiting: bool
    """Whether calls wait for the budget."""


class Limits:
    """All budgets of one portal, shared by the threads that call it."""

    def __init__(
        self,
        share: float = 0.9,
        *,
        search: int = 5,
        associations: int = 100,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with HubSpot's smallest limits.

        Args:
            share: of each budget, above 0 and at most 1; the rest is left to other apps.
            search: calls per second; HubSpot's responses do not name it.
            associations: calls per 10 seconds; HubSpot's responses do not name it.
            sleep: waits a number of seconds; by default until then or until `cancel`.
            clock: monotonic seconds.
        """
        self._share = share
        self._clock = clock
        self._cancelled = threading.Event()
        self._sleep = sleep or self._cancelled.wait
        self._lock = threading.Lock()
        self._daily_limit: int | None = None
        self._daily_remaining: int | None = None
        self._silent = 0
        """Answers so far without a limit; only counted while there was none with one."""
        self._joined: set[Budget] = set()
        """Budgets whose calls HubSpot counts in the interval as well."""
        self._windows: dict[Budget, Window] = {
            "interval": Window(100, 10.0, share, known=False),
            "search": Window(search, 1.0, share),
            "associations": Window(associations, 10.0, share),
        }
        self._waiting: dict[Budget, int] = dict.fromkeys(self._windows, 0)

    def acquire(self, budget: Budget) -> Slot:
        """Wait until a call may be sent; give the slot to `release` once it is answered.

        Guarantees: as long as nobody else calls, HubSpot never has a reason to answer 429, unless
        a call is longer on its way than the module's docstring allows for.

        Raises:
            DailyQuotaError: what is left of the day belongs to other apps.
            UnavailableError: after `cancel`.
        """
        waited = 0
        while True:
            with self._lock:
                self._waiting[budget] -= waited
                self._check_day()
                now = self._clock()
                free = self._unlimited and budget != "search"  # search answers never name its limit
                wait = 0.0 if free else self._wait_seconds(budget, now)
                if wait <= 0 and not self._cancelled.is_set():
                    slot = Slot(now)
                    for name in self._counted_in(budget):
                        self._windows[name].slots.append(slot)
                    return slot
                waited = 1
                self._waiting[budget] += waited
            self.wait(max(wait, 0.001))

    def is_reached(self, budget: Budget) -> bool:
        """Return whether the calls of the last window came near what is allowed."""
        with self._lock:
            window = self._windows[budget]
            since = self._clock() - window.seconds
            sent = sum(1 for slot in window.slots if slot.sent_at > since)
            return not self._unlimited and sent > _NEAR * window.limit * window.share

    def use(self) -> list[Use]:
        """Return how much of each budget is used right now, for people."""
        with self._lock:
            now = self._clock()
            return [
                Use(
                    budget,
                    sum(1 for slot in window.slots if slot.sent_at > now - window.seconds),
                    None if self._unlimited and budget != "search" else ceil(window.allowed),
                    window.seconds,
                    waiting=self._waiting[budget] > 0,
                )
                for budget, window in self._windows.items()
            ]

    def release(self, slot: Slot) -> None:
        """Note that a call is answered, or will never be."""
        with self._lock:
            slot.answered_at = self._clock()

    def learn(self, budget: Budget, headers: Mapping[str, str], slot: Slot | None = None) -> None:
        """Take over the limits that a response names.

        Args:
            budget: the one that the call counted against.
            headers: of the response; those that are missing or no number teach nothing.
            slot: of the call; only with it the calls of others can be counted.
        """
        with self._lock:
            window = self._windows[budget]
            window.known = True
            self._learn_day(headers)
            limit = _number(headers, "Max")
            foreign = budget != "interval" and limit == self._windows["interval"].limit
            if foreign and budget in self._joined:
                window, foreign = self._windows["interval"], False
            if not limit or foreign:  # a response that carries another budget's numbers
                self._silent += budget == "interval"
                return
            self._silent = _LIMITED
            window.limit = limit
            seconds = (_number(headers, "Interval-Milliseconds") or 0) / 1000
            if _WINDOWS[0] <= seconds <= _WINDOWS[1]:
                window.seconds = seconds
            remaining = _number(headers, "Remaining")
            if slot is not None and remaining is not None:
                window.count_others(slot, limit - remaining, self._clock())

    def penalise(self, budget: Budget, seconds: float) -> None:
        """Keep every thread from calling for a while, after a 429."""
        with self._lock:
            self._silent, now = _LIMITED, self._clock()
            window = self._windows["interval" if budget in self._joined else budget]
            window.paused_until = max(window.paused_until, now + seconds)
            if budget != "interval" and budget not in self._joined:
                window.yield_half(now + seconds + _YIELD_SECONDS)

    def join_interval(self, budget: Budget) -> bool:
        """Count a budget's calls in the interval too, from now on; tell whether that is new."""
        with self._lock:
            if budget in {"interval", *self._joined}:
                return False
            self._joined.add(budget)
            interval = self._windows["interval"]
            both = sorted([*interval.slots, *self._windows[budget].slots], key=lambda s: s.sent_at)
            interval.slots = deque(both)
            return True

    def spend_day(self) -> None:
        """Note that HubSpot refuses calls for the rest of the day."""
        with self._lock:
            self._daily_remaining = 0

    def wait(self, seconds: float) -> None:
        """Sleep, but not past `cancel`.

        Raises:
            UnavailableError: after `cancel`.
        """
        if not self._cancelled.is_set():
            self._sleep(seconds)
        if self._cancelled.is_set():
            raise UnavailableError("The run was cancelled before this call was sent.")

    def cancel(self) -> None:
        """End every wait, now and later, with an error; for a run that is to stop."""
        self._cancelled.set()

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return what is known of each budget, for people.

        Returns:
            Per budget `limit`, `window_seconds`, `share`, `per_second` (what we may use) and
            `others`; under `daily` the `limit`, `remaining` (None until named) and `reserve`.
        """
        with self._lock:
            budgets: dict[str, dict[str, Any]] = {
                name: {
                    "limit": window.limit,
                    "window_seconds": window.seconds,
                    "share": window.share,
                    "per_second": window.limit * window.share / window.seconds,
                    "others": window.others,
                }
                for name, window in self._windows.items()
            }
            budgets["daily"] = {
                "limit": self._daily_limit,
                "remaining": self._daily_remaining,
                "reserve": self._reserve(),
            }
            return budgets

    @property
    def _unlimited(self) -> bool:
        return self._silent >= _SILENT_ANSWERS

    def _counted_in(self, budget: Budget) -> tuple[Budget, ...]:
        return (budget, "interval") if budget in self._joined else (budget,)

    def _wait_seconds(self, budget: Budget, now: float) -> float:
        """Return how long the next call must wait for each window that it counts in."""
        shared = budget != "interval" and self._windows["interval"].seen_others(now)
        suspected = self._windows[budget].half if shared else 0
        waits = [self._windows[budget].wait_seconds(now, suspected=suspected)]
        if budget in self._joined:
            waits.append(self._windows["interval"].wait_seconds(now))
        return max(waits)

    def _reserve(self) -> int:
        """Return the calls of the day that are left to other apps."""
        return round((1 - self._share) * (self._daily_limit or 0))

    def _learn_day(self, headers: Mapping[str, str]) -> None:
        limit, remaining = _number(headers, "Daily"), _number(headers, "Daily-Remaining")
        self._daily_limit = limit or self._daily_limit
        self._daily_remaining = self._daily_remaining if remaining is None else remaining

    def _check_day(self) -> None:
        remaining, reserve = self._daily_remaining, self._reserve()
        if remaining is None or remaining > reserve:
            return
        raise DailyQuotaError(
            f"{remaining} of the portal's {self._daily_limit or 'daily'} calls of today are left;"
            f" {reserve} are kept for its other apps.",
            remedy=f"{RESET}; run again then, or raise SOURCES__HUBSPOT__BUDGET_SHARE.",
            status=429,
        )


def _number(headers: Mapping[str, str], name: str) -> int | None:
    """Return a header that holds a whole number of 0 or more; the least where it comes twice."""
    texts = [text.strip() for text in headers.get(_PREFIX + name, "").split(",")]
    known = all(text.isascii() and text.isdigit() and len(text) <= _DIGITS for text in texts)
    return min(map(int, texts)) if known else None
