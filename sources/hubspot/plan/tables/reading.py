"""How an object table is read: listed, exported, or by what changed."""

from collections.abc import Iterator

from .. import cost
from ..cost import join
from ..facts import Facts, TableFacts
from ..steps import Bounds, Kind, Step, exactly, up_to
from .sight import Sight

MANY_PAGES = 1_000
"""Calls of a listing that make an export worth its waiting."""
EXPORT_SHARE = 0.05
"""A listing that takes more of the calls left today is avoided, if an export will do."""


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


def _records(bounds: Bounds) -> str:
    low, high = bounds
    number = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{number} record{'s' * (high > 1)}"
