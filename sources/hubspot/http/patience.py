"""How long a failing call is worth another attempt: by time in an outage, else by attempts."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf

from .responses import CallFailedError

REPORT_SECONDS = 20.0  # shorter outages are not reported
LONGEST_WAIT_SECONDS = 5.0  # between attempts in an outage, so that its end is soon noticed
_PATHS = 4  # paths that were answered last, to ask one of them whether HubSpot answers at all
_PROBED_SECONDS = 2.0  # how long the result of that call is believed

_log = logging.getLogger("dlt.hubspot")


class Health:
    """Whether HubSpot answers at all, as the calls of all threads have found."""

    def __init__(self, patience_seconds: float, clock: Callable[[], float]) -> None:
        """Begin without having heard of HubSpot.

        Args:
            patience_seconds: how long calls go on while none gets through.
            clock: monotonic seconds.
        """
        self.patience_seconds = patience_seconds
        self.notify: Callable[[str], None] = _log.warning
        """Given one message when an outage lasts, and one when it ends."""
        self._clock = clock
        self._lock = threading.Lock()
        self._probing = threading.Lock()
        self._probe_ends_at = -inf
        self._probe_answered = False
        self._answered: dict[str, Callable[[], bool]] = {}
        self._answered_at: float | None = None
        self._failed_at = 0.0
        self._failing_since: float | None = None
        self._reported = False

    @property
    def ever_answered(self) -> bool:
        """Whether any call has got through."""
        return self._answered_at is not None

    def now(self) -> float:
        """Return monotonic seconds."""
        return self._clock()

    def note_answer(self, path: str, again: Callable[[], bool]) -> None:
        """Note that HubSpot itself answered a call.

        Args:
            path: of the call.
            again: sends the call once more; says whether it succeeded.
        """
        with self._lock:
            now = self._clock()
            since = self._failing_since if self._reported else None
            self._answered_at, self._failing_since, self._reported = now, None, False
            self._answered.pop(path, None)
            self._answered[path] = again
            if len(self._answered) > _PATHS:
                del self._answered[next(iter(self._answered))]
        if since is not None:
            self.notify(f"HubSpot answers again, after {now - since:.0f} s.")

    def note_failure(self, sent_at: float) -> None:
        """Note that a call did not get through to HubSpot, and when it was sent."""
        with self._lock:
            now = self._clock()
            if self._failing_since is None or now - self._failed_at > self.patience_seconds:
                self._failing_since = max(sent_at, self._answered_at or sent_at)
            self._failed_at = now

    def warn(self, wait_seconds: float, status: int | None) -> None:
        """Say once that an outage lasts, before a wait for the next attempt."""
        with self._lock:
            since, now = self._failing_since, self._clock()
            soon = now + min(wait_seconds, LONGEST_WAIT_SECONDS)
            if since is None or self._reported or soon - since < REPORT_SECONDS:
                return
            self._reported = True
        began = datetime.now().astimezone() - timedelta(seconds=now - since)
        end = began + timedelta(seconds=self.patience_seconds)
        found = f" (it answers {status})" if status else ""
        self.notify(
            f"HubSpot has not answered a call since {began:%H:%M:%S}{found};"
            f" trying again until {end:%H:%M:%S}."
        )

    def answered_after(self, moment: float) -> bool:
        """Whether any call got through after a moment."""
        return self._answered_at is not None and self._answered_at > moment

    @property
    def patience_ends_at(self) -> float:
        """When calls that do not get through are given up, as long as none does."""
        since = self._failing_since
        return self._clock() if since is None else since + self.patience_seconds

    def answers(self, failing: str) -> bool:
        """Find out, where no other call shows it, whether HubSpot answers calls of another path."""
        with self._lock:
            others = [again for path, again in self._answered.items() if path != failing]
        with self._probing:
            now = self._clock()
            if others and now >= self._probe_ends_at:
                self._probe_answered = others[-1]()
                self._probe_ends_at = self._clock() + _PROBED_SECONDS
            return bool(others) and self._probe_answered


@dataclass(slots=True)
class Patience:
    """How much longer one call is tried.

    A call that alone fails while others get through has `attempts`; while none gets through, all
    go on until `Health.patience_ends_at`, and then have as many attempts again.
    """

    health: Health
    path: str
    attempts: int
    in_outage: bool = False
    """Whether the last failure was found to be everybody's."""
    _tried: int = 0
    _since: float = field(init=False)

    def __post_init__(self) -> None:
        self._since = self.health.now()

    def ends_with(self, failed: CallFailedError) -> bool:
        """Count a failed attempt; return whether it was the last one."""
        since, self._since = self._since, self.health.now()
        self._tried += 1
        known = self.health.ever_answered or failed.at_first is None
        most = failed.attempts if known else failed.at_first
        if self._tried < min(most or self.attempts, self.attempts):
            return False
        if not (failed.outage and known):
            return True
        if not self._is_outage(since):
            return True
        return self.in_outage and self.health.now() >= self.health.patience_ends_at

    def _is_outage(self, since: float) -> bool:
        """Return whether HubSpot answers nobody, or did so until a moment ago."""
        answered = self.health.answered_after(since)
        if not self.in_outage:
            self.in_outage = not (answered or self.health.answers(self.path))
            return self.in_outage
        if answered:  # it is over: what fails now has new attempts
            self.in_outage, self._tried = False, 1
        return True
