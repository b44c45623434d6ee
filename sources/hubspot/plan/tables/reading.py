"""What is done to one object table: how its records are read, and which sweeps may be due.

A new kind of sweep is a row of `SWEEPS` and its function in `STEPS` of `steps/objects.py`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from .. import cost
from ..cost import join
from ..evidence import Subject
from ..facts import Facts, Options, Sweep, TableFacts, TableState
from ..steps import STEP_BOUNDS, Bounds, Kind, Step, exactly, up_to

MANY_PAGES = 1_000
"""Calls of a listing that make an export worth its waiting."""
EXPORT_SHARE = 0.05
"""A listing that takes more of the calls left today is avoided, if an export will do."""
RECOUNT_HOURS = 24 * 7
"""Between two deep recounts, which find records whose numbers cancel each other out."""


WHOLE: frozenset[Kind] = frozenset({"backfill", "export", "listing"})
"""Steps that list all live records of a table."""


@dataclass(frozen=True, slots=True)
class Sight:
    """All that is known of one table when its steps are chosen."""

    table: str
    facts: TableFacts
    state: TableState
    options: Options
    now: datetime
    was_interrupted: bool = False

    @property
    def surplus(self) -> int:
        """Live records that neither the rows nor the changed records explain; below 0: missing."""
        if self.facts.total is None or self.facts.rows is None or not self.facts.names_all:
            return 0
        return self.facts.total - self.facts.rows - self.facts.created

    @property
    def returning(self) -> int:
        """The most live records that a sweep of the archive may find to be back from it."""
        if self.state.sweeps.get("archive", Sweep()).calls is None:
            return 0  # it was not swept yet
        return cost.once_archived(self.state) + max(0, self.surplus)

    @property
    def recalculated(self) -> Bounds:
        """How many records a sweep of calculated values reads by id, for they differ."""
        one, most = self.facts, self.facts.recalculated
        if most is None:
            return up_to(one.total if one.total is not None else self.state.total or 0)
        return (0 if self.surplus or self.returning else most), most

    def found_by(self, kind: Kind) -> Bounds:
        """How many live records a sweep or a recount may read by id, with their links."""
        if kind == "archive":
            return up_to(self.returning)
        if kind == "calculated":
            return self.recalculated
        if kind in {"recount", "compare"}:
            return up_to(max(cost.FEW_SUSPECTS, abs(self.surplus)))
        return 0, 0

    @property
    def differs(self) -> str:
        """The two counts that disagree, as a sentence; for the same two numbers every other run."""
        facts, state = self.facts, self.state
        if facts.rows is None and None not in {facts.total, state.total}:
            reported = f"HubSpot counts {facts.total:,} {self.table}, and counted {state.total:,}."
            return reported if facts.total != state.total else ""
        if not self.surplus or facts.total is None or facts.rows is None:
            return ""
        recounted_at = state.differed_at if state.differed == (facts.total, facts.rows) else None
        if recounted_at and state.previous_at and recounted_at >= state.previous_at:
            return ""  # the previous run recounted for them
        expected = facts.rows + facts.created
        return f"HubSpot counts {facts.total:,} {self.table}, the warehouse {expected:,}."


class SweepKind(NamedTuple):
    """One kind of sweep over an object table."""

    what: str
    """Such as `archived {table}`."""
    hours: Callable[[Options], float]
    """Between two that nothing else calls for."""
    calls: Callable[[TableFacts, TableState], int]
    """What one takes."""
    applies: Callable[[Sight], bool]
    """Whether a table has anything to sweep."""
    cost: Callable[[Sight], cost.Calls]
    """What one takes, in bounds."""
    why_bounds: str
    """Why nobody knows before what one takes, if nobody does."""
    finds: str
    """What it alone finds, for the documents; `{size}` is the number of records."""
    follows_counts: bool = False
    """Whether it explains why HubSpot counts other records than the warehouse."""
    follows_changes: bool = True
    """Whether cheap ones follow changes; else all of them follow the schedule."""
    follows_listing: Callable[[Sight], bool] = lambda _sight: False
    """Whether it is due with a listing of the table, which brings what other sweeps look for."""
    forced: Callable[[Sight], str] | None = None
    """Why it cannot wait, if that is not what other sweeps cannot wait for."""


def _why_recounted(sight: Sight) -> str:
    """Say why missing and surplus rows may cancel each other out; empty if they may not."""
    if sight.state.is_resumed:
        return "The listing took more than one run."
    if sight.state.listed_from and sight.facts.changed_while_listed:
        return "Records changed during the first load."
    return ""


def _archive_cost(sight: Sight) -> cost.Calls:
    one = sight.facts
    if one.rows is None or not one.names_all:  # any of them may be back from the archive
        surprises = one.matching or one.changed
    else:
        surprises = abs(sight.surplus) + one.restored
    definitions = sight.options.definition_calls
    return cost.archive(one, sight.state, surprises=surprises, definitions=definitions)


SWEEPS: dict[Kind, SweepKind] = {
    "recount": SweepKind(
        "ranges of ids of {table}",
        lambda _options: RECOUNT_HOURS,
        cost.recount_calls,
        lambda sight: bool(sight.facts.total and sight.facts.rows and sight.facts.searchable),
        lambda sight: cost.recount(sight.facts, missing=0, deep=True),
        "HubSpot alone knows which ranges differ.",
        "as many records purged as restored, or lost in a first load",
        follows_changes=False,
        follows_listing=lambda sight: sight.state.is_resumed,
        forced=_why_recounted,
    ),
    "archive": SweepKind(
        "archived {table}",
        lambda options: options.sweep_hours,
        lambda _facts, state: cost.archive_calls(state),
        lambda _sight: True,
        _archive_cost,
        "HubSpot alone knows which records were archived, restored or purged.",
        "as many records restored as archived, {size} archived records",
        follows_counts=True,
        follows_listing=lambda _sight: True,
    ),
    "calculated": SweepKind(
        "calculated values of {table}",
        lambda options: options.sweep_hours,
        cost.calculated_calls,
        lambda sight: sight.facts.calculated and sight.options.sees_warehouse,
        lambda sight: cost.calculated(sight.facts, sight.state, sight.recalculated),
        "HubSpot alone knows which values differ; of large tables a few pages come twice.",
        "a calculated value alone, {size} records",
    ),
}
"""Sweeps of object tables, in the order in which they run."""


WHY_BOUNDS = STEP_BOUNDS | {kind: row.why_bounds for kind, row in SWEEPS.items()}
"""Why the calls of a step lie within bounds, where they do."""


class SweepCandidate(NamedTuple):
    """A sweep that may be due."""

    kind: Kind
    table: str
    subject: Subject
    calls: cost.Calls
    is_free: bool = False
    """Whether somebody asks for it, so that the day's share need not pay."""
    rows: Bounds | None = None


def table_steps(sight: Sight, facts: Facts) -> Iterator[Step]:
    """Choose what is read of one object type, sweeps apart."""
    table, one, state = sight.table, sight.facts, sight.state
    asked: cost.Calls = {family: exactly(calls) for family, calls in one.asked.items()}
    if one.refusal:
        yield Step(kind="skip", table=table, reason=one.refusal, calls=asked, rows=(0, 0))
        return
    if one.differed is not None:
        return  # it is recounted, and nothing else
    if one.repairs is not None:
        reason = f"{one.repairs:,} records are read again by id."
        calls = join(asked, cost.pending(one.repairs))
        yield Step(kind="repair", table=table, reason=reason, calls=calls, rows=up_to(one.repairs))
        return
    if _is_whole(sight):
        yield _backfill(sight, facts, asked)
        return
    if state.pending:
        reason = f"An earlier run left {state.pending:,} records to read by id."
        calls = cost.pending(state.pending)
        rows = up_to(state.pending)
        yield Step(kind="pending", table=table, reason=reason, calls=calls, rows=rows)
    yield _changes(sight, asked)
    for one_fill in one.fills:
        names = ", ".join(one_fill.properties)
        reason = f"Old records may have values of {names}."
        rows = exactly(one_fill.records) if one_fill.is_new else up_to(one_fill.records)
        if one_fill.missing is not None:
            rows = exactly(one_fill.missing)
        calls = cost.fill(one_fill.records, one_fill.missing)
        yield Step(kind="fill", table=table, reason=reason, calls=calls, rows=rows)
    if sight.differs and sight.options.sees_warehouse:
        yield _comparison(sight)


def _is_whole(sight: Sight) -> bool:
    """Whether all records are listed, because there is no change to search from."""
    state = sight.state
    return (
        sight.options.full_refresh
        or state.watermark is None
        or state.backfill is not None
        or not sight.facts.searchable
    )


def _backfill(sight: Sight, facts: Facts, asked: cost.Calls) -> Step:
    """Read a table whole, by listing it or by an export."""
    one, state, table = sight.facts, sight.state, sight.table
    done = state.backfill or 0
    is_first = state.watermark is None or sight.options.full_refresh
    listed = cost.listing(one, done=done, is_first=is_first)
    if state.backfill is None:
        listed = join(listed, cost.division(one.total or 0, sight.options.calls_in_flight))
    calls = join(join(asked, listed), _after_listing(sight))
    rows = None if one.total is None else exactly(max(0, one.total - done))
    reason = _why_whole(sight)
    if is_first and not done and would_export(one, facts, facts.options.backfill):
        exported = {**join(calls, {"exports": (3, cost.EXPORT_CALLS + cost.EXPORT_WAIT)})}
        for family in listed:  # nothing is listed where the export is of use
            low = asked.get(family, (0, 0))[0]
            exported[family] = (low, exported[family][1])
        return Step(kind="export", table=table, reason=reason, calls=exported, rows=rows)
    kind: Kind = "backfill" if is_first else "listing"
    return Step(kind=kind, table=table, reason=reason, calls=calls, rows=rows)


def _after_listing(sight: Sight) -> cost.Calls:
    """Return what a listing may take in addition to its pages, once they are read."""
    one, goes_on = sight.facts, sight.state.backfill is not None
    calls: cost.Calls = {}
    if one.searchable and goes_on:  # numbers that differ in the end are asked for once more
        calls = join(calls, {"searches": up_to(1)})
    if one.rows or goes_on:  # rows that the listing may not bring
        calls = join(calls, {"records": up_to(3 * cost.reads(exactly(one.rows or 0))[1])})
    return calls


def _why_whole(sight: Sight) -> str:
    state = sight.state
    if sight.facts.is_unused:
        return f"HubSpot has no {sight.table}."
    if sight.options.full_refresh:
        return "A full refresh was asked for."
    if state.backfill is not None:
        return f"An earlier load ended after {state.backfill:,} rows; the listing goes on."
    if state.watermark is None:
        again = "is read whole again" if state.holds_rows else "is read for the first time"
        return f"The table {again}."
    return f"HubSpot offers no search for {sight.table}, so they are listed."


def is_export_chosen(mode: str, *, pages: int, calls_left: int | None, exports_left: int) -> bool:
    """Whether a table that is read whole is read by an export.

    Args:
        mode: of backfills, by the settings: `list`, `export` or `auto`.
        pages: calls that a listing takes.
        calls_left: today; None where HubSpot does not report it.
        exports_left: in these 24 hours.
    """
    if mode == "list" or exports_left <= 0 or pages <= 1:
        return False
    is_scarce = calls_left is not None and pages > calls_left * EXPORT_SHARE
    return mode == "export" or (pages > cost.EXPORT_CALLS and (pages >= MANY_PAGES or is_scarce))


def would_export(one: TableFacts, facts: Facts, mode: str) -> bool:
    """Whether a table is read by an export, if this is the mode of backfills."""
    if one.hashes:
        return False
    pages = one.pages or cost.pages(one.total or 0)
    left, exports = facts.calls_left, facts.exports_left
    return is_export_chosen(mode, pages=pages, calls_left=left, exports_left=exports)


def _changes(sight: Sight, asked: cost.Calls) -> Step:
    """Read what changed since the last run; list the table where that takes fewer calls."""
    one, table = sight.facts, sight.table
    if sight.state.searched:
        reason = "An earlier load has read what changed; the rest goes on."
        return Step(kind="changes", table=table, reason=reason, calls=asked)
    if cost.is_listing_cheaper(one):
        reason = f"{one.matching:,} records changed; listing all takes fewer calls."
        again: cost.Calls = {"searches": exactly(1)}  # for the highest id
        again = join(again, cost.division(one.total or 0, sight.options.calls_in_flight))
        calls = join(join(asked, again), cost.listing(one))
        rows = exactly(one.total or 0)
        return Step(kind="listing", table=table, reason=reason, calls=calls, rows=rows)
    calls, rows = cost.changed(one)
    what = "Nothing" if not rows[1] else _records(rows)
    since = f" since {sight.state.watermark:%Y-%m-%d %H:%M:%S}" if sight.state.watermark else ""
    reason = f"{what} changed{since}."
    return Step(kind="changes", table=table, reason=reason, calls=join(asked, calls), rows=rows)


def _comparison(sight: Sight) -> Step:
    """Compare the counts once more after the loads; where they still differ, recount."""
    archive = cost.archive_calls(sight.state)
    found = cost.recount(sight.facts, missing=abs(sight.surplus), deep=False)
    return Step(
        kind="compare",
        table=sight.table,
        reason=f"{sight.differs} If they still differ after the loads, ranges of ids are counted.",
        calls=join(found, {"records": up_to(archive + 1)}),
        rows=None,
    )


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
    yield SweepCandidate("archive", sight.table, subject, _archive_cost(sight))


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


def _records(bounds: Bounds) -> str:
    low, high = bounds
    number = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{number} record{'s' * (high > 1)}"
