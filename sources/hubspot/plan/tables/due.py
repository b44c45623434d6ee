"""Which sweeps of an object table may be due, and what may call for each."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from .. import cost
from ..evidence import Subject
from ..facts import Options, Sweep, TableFacts, TableState
from ..steps import WHOLE, Bounds, Kind, Step, up_to
from .sight import Sight
from .sweeps import SWEEPS, SweepKind


class SweepCandidate(NamedTuple):
    """A sweep that may be due."""

    kind: Kind
    table: str
    subject: Subject
    calls: cost.Calls
    is_free: bool = False
    """Whether somebody asks for it, so that the day's share need not pay."""
    rows: Bounds | None = None


def table_sweeps(sight: Sight, steps: tuple[Step, ...]) -> Iterator[SweepCandidate]:
    """List the sweeps that may be due for a table."""
    if sight.facts.differed is not None:
        yield from _recounted(sight, sight.facts.differed)
        return
    if not steps or steps[0].kind in {"skip", "repair"}:
        return
    if sight.facts.is_unused:
        yield from _unused_sweeps(sight)
    else:
        yield from _used_sweeps(sight, is_whole=steps[0].kind in WHOLE)


def _unused_sweeps(sight: Sight) -> Iterator[SweepCandidate]:
    """Sweep the archive of a table that is not used: in its first run, then by the schedule."""
    subject = unused_archive(sight.table, sight.state, sight.facts, sight.options)
    yield SweepCandidate("archive", sight.table, subject, SWEEPS["archive"].cost(sight))


def _used_sweeps(sight: Sight, *, is_whole: bool) -> Iterator[SweepCandidate]:
    for kind, row in SWEEPS.items():
        if not row.applies(sight) or (is_whole and not row.follows_listing(sight)):
            continue
        subject = _subject(sight, kind, row, is_whole=is_whole)
        is_free = is_whole or sight.state.sweeps.get(kind, Sweep()).is_open
        is_free = is_free or (row.forced is not None and bool(subject.forced))
        yield SweepCandidate(kind, sight.table, subject, row.cost(sight), is_free)


def _subject(sight: Sight, kind: Kind, row: SweepKind, *, is_whole: bool) -> Subject:
    """Say what may call for one sweep of a table."""
    state, options, table = sight.state, sight.options, sight.table
    known = state.sweeps.get(kind, Sweep())
    forced = ""
    if row.forced:
        forced = row.forced(sight)
    elif known.is_open:
        forced = "An earlier load began it; it goes on."
    elif is_whole:
        forced = "The listing of live records lacks the archived ones."
    elif sight.was_interrupted and row.follows_changes and sight.options.sees_warehouse:
        forced = "The previous run did not come to its end."
    swept_at = known.swept_at or (None if row.follows_changes else state.watermark)
    at_once = options.sweep_at_once_calls if row.follows_changes else 0
    return Subject(
        what=row.what.format(table=table),
        calls=row.calls(sight.facts, state),
        at_once_calls=at_once,
        hours=row.hours(options),
        swept_at=swept_at,
        newest_at=sight.facts.newest_at,
        newest_in=table,
        previous_at=state.previous_at,
        columns_at=_columns_at(sight) if row.follows_changes else None,
        differs=sight.differs if row.follows_counts else "",
        forced=forced,
    )


def unused_archive(table: str, state: TableState, facts: TableFacts, options: Options) -> Subject:
    """Say when the archive of a table that is not used is swept: by the schedule alone."""
    row, known = SWEEPS["archive"], state.sweeps.get("archive", Sweep())
    return Subject(
        what=row.what.format(table=table),
        calls=row.calls(facts, state),
        at_once_calls=options.sweep_at_once_calls,
        hours=row.hours(options),
        swept_at=known.swept_at,
        is_scheduled=True,
        forced="An earlier load began it; it goes on." * known.is_open,
    )


def _columns_at(sight: Sight) -> datetime | None:
    """Return when columns last came, which is now where the probe found some."""
    return sight.now if any(one.is_new for one in sight.facts.fills) else sight.state.columns_at


def _recounted(sight: Sight, differed: tuple[int, int]) -> Iterator[SweepCandidate]:
    """Find the records that make two counts differ, once the loads of this run are in.

    Where it finds any, as many may be restored as archived, which no number shows.
    """
    table, (total, rows) = sight.table, differed
    reason = f"HubSpot counts {total:,} {table}, the warehouse has {rows:,}."
    if total == rows:
        reason = f"Missing and surplus {table} may cancel out, so ranges of ids are counted."
    subject = Subject(f"ranges of ids of {table}", 1, 1, 1, forced=reason)
    calls = cost.recount(sight.facts, missing=abs(total - rows), deep=total == rows)
    yield SweepCandidate("recount", table, subject, calls, is_free=True)
    if sight.state.sweeps.get("archive", Sweep()).is_open:
        return  # it was listed in this run
    archive = SWEEPS["archive"]
    also = Subject(
        what=archive.what.format(table=table),
        calls=archive.calls(sight.facts, sight.state),
        at_once_calls=sight.options.sweep_at_once_calls,
        hours=archive.hours(sight.options),
        forced="If records are missing or surplus, as many may be restored as archived.",
    )
    cost_of_archive = {family: up_to(most) for family, (_, most) in archive.cost(sight).items()}
    yield SweepCandidate("archive", table, also, cost_of_archive)
