"""The portal's rate budgets: when the next call may be sent.

Each budget is a window of its own (`window.py`); here they are learned from responses and shared
by threads. Headers say nothing about searches and of association calls: while others use the
interval, half of these budgets is left to them, as after a 429 for a while. A portal that counts
those calls in the interval, against HubSpot's specification, says so by a 429; from then on they
hold slots there as well. A portal whose answers name no limit at all is taken to have none, until
it says 429.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from ..catalog.apis import Budget
from ..errors import DailyQuotaError, UnavailableError
from .window import Slot, Window

RESET = "The count starts again at midnight in the portal's time zone"
_NEAR = 0.8  # of what is allowed in a window
_YIELD_SECONDS = 30.0  # how long half a budget is left to others after a 429
_SILENT_ANSWERS = 20  # this many responses that name no limit, and there is none
_LIMITED = -(10**9)
_WINDOWS = (0.1, 60.0)  # seconds; a header that names another window is not believed
_DIGITS = 12
_PREFIX = "X-HubSpot-RateLimit-"


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
        a call is longer on its way than `window.py` allows for.

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
        """Count a budget's calls in the interval too, from now on; return whether that is new."""
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
