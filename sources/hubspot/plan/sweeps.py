"""When everything is looked at again: archived records, links, calculated values.

HubSpot keeps no feed of these. A sweep of a single call is made in every run as long as anything
changes. One of a few calls is made in a run after one during which a record changed, for something
else may have changed behind what that run had read; of tables whose own records did not, out of the
share of the day's calls that is set aside for sweeps. Where nothing does, every other run makes
both, so that of any two runs in a row at least one does. Links, of which nothing else tells, are
swept in every run where that takes a single call, and else only in one after a change. All others
are made on a schedule, out of the same share.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from math import inf
from typing import NamedTuple

from ..run.run import Run
from ..state.source import Ledger, SourceState
from ..state.table import Sweep

DAILY_CALLS = 250_000  # HubSpot's smallest daily limit, until a header tells the real one


class Pace(NamedTuple):
    """How often sweeps of one kind are made where nothing calls for one."""

    hours: float
    """Between two larger ones; 0 where they are not to wait."""
    at_rest: float = inf
    """The most calls of one that is made in every other run instead."""
    always: float = 0
    """The most calls of one that is made in every run, while the day's share lasts."""


def is_due(
    run: Run,
    source: SourceState,
    known: Sweep,
    *,
    calls: int,
    tables: Collection[str],
    pace: Pace,
) -> bool:
    """Tell whether a sweep is to be made now; a larger one is paid for by being due.

    Args:
        run: the run, which knows the tables where something changed.
        source: the state, with the day's allowance.
        known: what the state keeps of this sweep, as `note` left it.
        calls: what it costs.
        tables: whose records it is about.
        pace: how often sweeps of this kind are made where nothing calls for one.
    """
    if calls <= run.config.sweep_at_once_calls:
        stirred = run.active if calls <= 1 else run.overlapped
        beside = run.may_be_beside if calls <= 1 else run.was_beside
        is_settled, known.settled = known.settled, False
        if not pace.hours or not stirred.isdisjoint(tables):
            return True
        if (beside or calls <= pace.always) and _spend(run, source, calls):
            return True
        if calls <= pace.at_rest:
            return not is_settled
    return is_scheduled(run, source, known, calls=calls, hours=pace.hours)


def is_scheduled(run: Run, source: SourceState, known: Sweep, *, calls: int, hours: float) -> bool:
    """Tell whether the hours since the last sweep are over, and pay for one if so."""
    last = known.swept_at
    if last is not None and run.now() - last < timedelta(hours=hours):
        return False
    return _spend(run, source, calls)


def _spend(run: Run, source: SourceState, calls: int) -> bool:
    """Take calls from the day's allowance; False if they are not left."""
    day = run.now().date().isoformat()
    used = source.ledger.calls if source.ledger.day == day else 0
    if used + calls > allowance(run):
        return False
    source.ledger = Ledger(day, used + calls)
    return True


def note(known: Sweep, at: datetime) -> None:
    """Remember that a sweep that began at an instant reached its end."""
    known.swept_at, known.settled = at, True


def allowance(run: Run) -> int:
    """Tell how many calls of a day larger sweeps may use."""
    daily = run.client.limits.snapshot()["daily"].get("limit") or DAILY_CALLS
    return int(daily * run.config.sweep_share)
