"""The one rule for sweeps: a sweep is due if anything may have changed since the last one began.

HubSpot reports no change of archived records, links and calculated values, so they are read again
("swept"). A sweep is due if `evidence_at > swept_at`: the latest sign that something may have
changed against the begin of the last sweep. Cheap sweeps follow every sign; expensive ones follow
a schedule and the few signs that are certain, and draw on the day's share of calls.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

CLOCK_SLACK = timedelta(seconds=3)
"""HubSpot reports its time in whole seconds and stamps a change a moment before it shows it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What one sweep reads, and what may call for it."""

    what: str
    """Such as `archived contacts`."""
    calls: int
    """What a sweep takes."""
    at_once_calls: int
    """A sweep of at most this many calls is cheap."""
    hours: float
    """Between two sweeps that nothing else calls for; 0: in every run."""
    swept_at: datetime | None = None
    """When the last sweep that came to its end began."""
    newest_at: datetime | None = None
    """The newest change that was seen in its tables."""
    newest_in: str = ""
    """The table of that change."""
    previous_at: datetime | None = None
    """When the previous run began, if a sweep follows every other run; else None."""
    in_every_run: bool = False
    """Whether nothing else reports its changes, and it takes a single call."""
    is_scheduled: bool = False
    """Whether the hours count for it although it is cheap."""
    columns_at: datetime | None = None
    """When columns last came to its table."""
    differs: str = ""
    """Which two counts disagree, as a sentence; empty where they agree."""
    forced: str = ""
    """Why it cannot wait, as a sentence: the user asks for it, a run was interrupted."""

    @property
    def is_cheap(self) -> bool:
        """Whether it follows changes instead of a schedule."""
        return self.calls <= self.at_once_calls


class Evidence(NamedTuple):
    """A sign that something may have changed."""

    at: datetime
    reason: str
    is_optional: bool = False
    """Whether the day's share has to pay for it although the sweep is cheap."""


def signs(subject: Subject, now: datetime) -> Iterator[Evidence]:
    """Yield what speaks for a sweep, the most telling sign first."""
    yield from _certain(subject, now + CLOCK_SLACK)
    if subject.columns_at:
        yield Evidence(subject.columns_at, f"Columns came that {subject.what} may have values of.")
    if subject.is_cheap:
        yield from _likely(subject, now + CLOCK_SLACK)
    if not subject.is_cheap or subject.is_scheduled:
        since = now - timedelta(hours=subject.hours)
        yield Evidence(since, f"{_capital(subject.what)} are read every {every(subject.hours)}.")


def _certain(subject: Subject, surely: datetime) -> Iterator[Evidence]:
    """Yield the signs that any sweep follows at once.

    Args:
        subject: what it reads.
        surely: an instant after the last sweep, also where that began within this second.
    """
    if subject.forced:
        yield Evidence(surely, subject.forced)
    if subject.swept_at is None:
        yield Evidence(surely, f"{_capital(subject.what)} were not read yet.")
    if not subject.hours:
        yield Evidence(surely, f"The setting asks for {subject.what} in every run.")
    if subject.differs:
        yield Evidence(surely, subject.differs)


def _likely(subject: Subject, surely: datetime) -> Iterator[Evidence]:
    """Yield the signs that only a cheap sweep follows."""
    if subject.newest_at:
        at = subject.newest_at + CLOCK_SLACK
        changed = f"A record of {subject.newest_in} changed at {_text(subject.newest_at)}"
        yield Evidence(at, f"{changed}, after the last sweep of {subject.what}.")
    if subject.in_every_run:
        reason = f"HubSpot reports no change of {subject.what}; a single call reads all."
        yield Evidence(surely, reason, is_optional=True)
    if subject.previous_at:
        yield Evidence(subject.previous_at, f"The previous run did not read {subject.what}.")


def evidence(subject: Subject, now: datetime, *, share: int) -> Evidence | None:
    """Return why a sweep is due now, None where it is not.

    Args:
        subject: what it reads.
        now: aware UTC.
        share: calls that are left of the day's share, which expensive sweeps need.
    """
    if not subject.is_cheap and subject.calls > share:
        return None
    for sign in signs(subject, now):
        is_paid = not sign.is_optional or subject.calls <= share
        if is_paid and (subject.swept_at is None or sign.at > subject.swept_at):
            return sign
    return None


def every(hours: float) -> str:
    """Write an interval as people say it.

    >>> every(1), every(24), every(168)
    ('hour', '24 hours', '7 days')
    """
    if hours == 1:
        return "hour"
    days = hours / 24
    return f"{days:g} days" if days > 1 and days.is_integer() else f"{hours:g} hours"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
