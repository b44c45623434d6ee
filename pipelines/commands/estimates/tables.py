"""The calls of a sync for object tables.

Every question whether something is due is answered by the very function that `sync` asks, on a
copy of the state. A range is left where only HubSpot knows: how many records are in the bin, which
calculated values have changed.
"""

import time
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from math import ceil
from typing import Any, TypeVar

from pipelines.commands.estimates.ranges import Range, Step, exactly, pages, up_to
from sources.hubspot import Run
from sources.hubspot.api import search
from sources.hubspot.api.batch_read import BATCH
from sources.hubspot.api.record_pages import PAGE
from sources.hubspot.errors import HubSpotError, is_absent
from sources.hubspot.listing.ranges import SPARE, WASTE, WORTH
from sources.hubspot.listing.shards import ASKED
from sources.hubspot.model import ObjectType
from sources.hubspot.run.refusals import remembered
from sources.hubspot.run.schemas import MAX_AGE, stored_schema
from sources.hubspot.run.waiting import wait
from sources.hubspot.state.source import SourceState
from sources.hubspot.state.table import Changes, PendingColumns
from sources.hubspot.steps.changes import (
    costs_more_than_listing,
    explains,
    look,
    note_changes,
    seems_idle,
    unloaded,
)
from sources.hubspot.steps.exports import export
from sources.hubspot.steps.links import Links
from sources.hubspot.steps.sweeps import archive, calculated
from sources.hubspot.steps.table import Table
from sources.hubspot.tables.decoding import RecordDecoder
from sources.hubspot.tables.properties import Definition, read_definitions

T = TypeVar("T")


def table_steps(run: Run, kinds: Sequence[ObjectType], source: SourceState) -> dict[str, Step]:
    """Return the steps of the object tables.

    All are looked at before anything is said to be due: a change in one table, while the last run
    was at work, makes the sweeps of others due.
    """
    openings = {kind.table: _open(run, kind, source) for kind in kinds}
    opened = finish_all({name: _guarded(name, work) for name, work in openings.items()})
    for step, table in opened.values():
        if table is not None:
            _add_sweeps(step, table, source)
    return {name: step for name, (step, _) in opened.items()}


def finish_all(works: Mapping[str, Generator[Any, None, T]]) -> dict[str, T]:
    """Run generators that yield while they wait, side by side; return their results in order."""
    waiting, results = dict(works), dict[str, T]()
    while waiting:
        for name in list(waiting):
            try:
                next(waiting[name])
            except StopIteration as ended:
                results[name] = ended.value
                del waiting[name]
        time.sleep(0.002)
    return {name: results[name] for name in works}


Opened = tuple[Step, Table | None]


def _guarded(name: str, work: Generator[Any, None, Opened]) -> Generator[Any, None, Opened]:
    """Make the step of a table that cannot be read."""
    try:
        return (yield from work)
    except HubSpotError as error:
        if not is_absent(error):
            raise
        step = Step(name, "none", total=0, error=error)
        step.add("definitions", up_to(1))
        step.add("searches", up_to(2))
        return step, None


def _open(run: Run, kind: ObjectType, source: SourceState) -> Generator[Any, None, Opened]:
    """Ask how much of a type there is, or how much of it is new."""
    state = source.table(kind.table)
    if run.restart(kind.table):
        state.start_over()
    known = bool(source.columns.get(kind.table))
    if not known and (error := remembered(run, source, kind.table)):
        step = Step(kind.table, "none", total=0, error=error)
        step.add("searches", up_to(1))  # whether links lead to any
        return step, None
    table = _table(run, kind, source)
    if state.watermark is None or state.backfill or not kind.searchable:
        return (yield from _whole(table))
    return (yield from _increment(table))


def _table(run: Run, kind: ObjectType, source: SourceState) -> Table:
    """Open a table as the last sync left it; nothing is asked of HubSpot."""
    name = kind.table
    schema = stored_schema(name, source)
    return Table(
        run=run,
        object_type=kind,
        schema=schema,
        decoder=RecordDecoder(schema),
        source=source,
        state=source.table(name),
        outcome=run.outcome_of(name),
        links=Links(run, []),
    )


def _definitions(
    table: Table, step: Step, *, needed: bool
) -> Generator[Any, None, list[Definition]]:
    """Read a type's definitions where the sync would, which takes as many calls."""
    run, kind = table.run, table.object_type
    name = f"properties:{table.name}"
    cached = table.source.cached(name, now=run.now(), max_age=MAX_AGE)
    if cached is not None and not (needed or run.refresh_schema):
        return []
    client = run.client.for_table(name)
    read = partial(read_definitions, client, kind, sensitive=run.config.sensitive)
    definitions = yield from wait(run.submit(read))
    step.add("definitions", exactly(client.meter.calls))
    return definitions


# --- whole tables -----------------------------------------------------------------------------


def _whole(table: Table) -> Generator[Any, None, Opened]:
    """Estimate the reading of all records: by listing, or a backfill by an export."""
    run, kind, state, source = table.run, table.object_type, table.state, table.source
    fresh = state.watermark is None
    step = Step(table.name, "backfill" if fresh else "listing")
    definitions = yield from _definitions(table, step, needed=False)
    names = [one.name for one in definitions] or list(table.decoder.properties)
    work = state.backfill
    total = None
    if kind.searchable:
        total, _ = yield from wait(run.extent(kind))
    step.total, done = total, work.rows if work else 0
    if total is None:
        total = run.live_count(table.name) or 0
        step.rows, step.note = None, "HubSpot does not report how many there are"
    else:
        step.rows = exactly(max(0, total - done))
    step.pages = export.pages_of(total, names) if fresh and total else 0
    _add_listing(step, table, names, total, done)
    if step.pages and is_chosen(run, source, run.config.backfill, step):
        _choose_export(step)
    return step, None


def _add_listing(step: Step, table: Table, names: Sequence[str], total: int, done: int) -> None:
    """Count the calls of a listing, of the sweeps of the archive around it, and of what follows."""
    run, state, work = table.run, table.state, table.state.backfill
    resumed = work is not None
    listed = export.pages_of(max(0, total - done), names)
    factor = 2 if listed > max(1, pages(total - done)) else 1
    divided = ceil(SPARE * total / WASTE) + 2 if listed >= WORTH else 0
    ends = len((work and work.ranges) or ())
    least = min(listed, pages(total - done)) if resumed else listed
    step.add("records", Range(least, listed + factor * (divided + 2 * ends)))
    held = run.live_count(table.name) or 0
    anew = state.has_older_rows or state.watermark is not None or (bool(held) and not resumed)
    sweeps = 1 if anew else 2
    if not table.object_type.searchable:
        step.add("records", up_to(1 + pages(held)))  # HubSpot does not say how many
    largest = factor * (1 + pages(total))
    step.add("records", Range(1 if anew or resumed else 2, sweeps * largest))
    if table.object_type.searchable:
        asked = min(ceil(ASKED * SPARE * total / PAGE), run.config.calls_in_flight + 8)
        more = (asked if listed >= WORTH else 0) + (1 if resumed or total > PAGE else 0)
        step.add("searches", Range(0 if resumed else 1, 1 + more))
    stray = max(0, held - done) if resumed else held
    step.add("records", up_to(3 * pages(stray)))
    step.more_loads = bool(stray) or resumed


def is_chosen(run: Run, source: SourceState, way: str, step: Step) -> bool:
    """Return whether a sync that backfills in this way would take an export for the table."""
    return export.is_chosen(
        way,
        pages=step.pages,
        calls_left=run.client.limits.snapshot()["daily"]["remaining"],
        exports_left=export.exports_left(run, source),
    )


def _choose_export(step: Step) -> None:
    """Take an export instead of the listing, which follows where the file is of no use."""
    step.way_in = "export"
    records = step.calls["records"]
    step.calls["records"] = Range(records.low - step.pages, records.high)
    step.add("exports", Range(3, export.CALLS + 200))  # it is asked after until it is ready
    step.more_loads += 2


# --- changes ----------------------------------------------------------------------------------


def _increment(table: Table) -> Generator[Any, None, Opened]:
    """Estimate what changed since the watermark, from the search that a sync begins with."""
    run, kind, state = table.run, table.object_type, table.state
    peek = yield from look(run, kind, state)
    step = Step(table.name, "increment", total=peek.total)
    step.add("searches", exactly(1))
    ids: list[str] = []
    work = state.changes or Changes(run.now(), run.now())
    if work.searched:
        step.rows = exactly(0)
    elif work.after_id == "0" and (peek.complete or seems_idle(table, peek)):
        ids = unloaded(table, peek.changed)
        step.rows = exactly(len(ids))
    else:
        ids = yield from _search(table, step, peek, work)
        if step.way_in == "listing":
            return step, None
    news = any(search.modified_ms(hit, kind) > state.recent.get(hit.id, -1) for hit in peek.changed)
    definitions = yield from _definitions(table, step, needed=news)
    if ids:
        run.active.add(table.name)
    table.read_now.update(dict.fromkeys(ids, False))
    if not explains(table, peek.total):
        run.overlapped.add(table.name)
    yield from _add_columns(step, table, definitions)
    _add_reads(step, table)
    return step, table


def _search(
    table: Table, step: Step, peek: search.Peek, work: Changes
) -> Generator[Any, None, list[str]]:
    """Estimate the search for changes: exactly where one page names them all."""
    run, kind, state = table.run, table.object_type, table.state
    since, after_id = work.since, work.after_id
    client = run.client_for(table.name)
    ask = partial(search.changed_after, client, kind, since, after_id)
    page = yield from wait(run.submit(ask, lane="search"))
    known = len(state.recent) if after_id == "0" else 0
    matching = len(page.results) if page.total is None else page.total
    step.add("searches", exactly(max(1, pages(matching, search.PAGE))))
    if (
        after_id == "0"
        and page.results
        and costs_more_than_listing(page.total, peek.total, known=known)
    ):
        step.way_in, step.rows = "listing", exactly(peek.total or 0)
        step.calls["searches"] = Range(2, 4)
        _add_listing(step, table, table.decoder.properties, peek.total or 0, 0)
        return []
    ids = unloaded(table, page.results)
    if page.after is None:
        named = [hit for hit in page.results if hit.id in {*ids} or hit.id in state.recent]
        note_changes(run, kind, state, named)
        step.rows = exactly(len(ids))
    else:
        run.overlapped.add(table.name)
        step.rows = Range(max(len(ids), matching - known), matching)
    return ids


def _add_columns(
    step: Step, table: Table, definitions: Sequence[Definition]
) -> Generator[Any, None, None]:
    """Count the reading of records that have a value of a property that is new."""
    run, state, kind = table.run, table.state, table.object_type
    known = {column.property for column in table.schema.columns}
    came = [one.name for one in definitions if one.name not in known]
    groups = [came[i : i + search.GROUPS] for i in range(0, len(came), search.GROUPS)]
    owed = [one for one in state.pending_columns if not _is_later(table, one)]
    for names in [*groups, *(one.properties for one in owed)]:
        ask = partial(search.having_after, run.client_for(table.name), kind, names, "0")
        count = (yield from wait(run.submit(ask, lane="search"))).total or 0
        step.add("searches", exactly(max(1, pages(count, search.PAGE))))
        step.rows = (step.rows or Range()) + (exactly(count) if names in groups else up_to(count))
        if count:
            run.active.add(table.name)
    if came:
        state.archive.columns_added_at = run.now()
    step.more_loads += len(groups) + len(owed)


def _is_later(table: Table, pending: PendingColumns) -> bool:
    again_at = pending.search_again_at
    return again_at is not None and table.run.now() < again_at


def _add_reads(step: Step, table: Table) -> None:
    """Count the reading of records by id; those that are gone are looked for in the archive."""
    left = len(table.state.pending_ids)
    rows = step.rows or Range()
    step.add("records", Range(pages(rows.low, BATCH), pages(rows.high, BATCH)))
    step.add("records", Range(pages(left, BATCH), 3 * pages(left, BATCH)))


def _add_sweeps(step: Step, table: Table, source: SourceState) -> None:
    """Count the sweeps that are due, and looking for what the numbers do not explain."""
    run, state = table.run, table.state
    live = run.live_count(table.name) or 0
    total = live if step.total is None else step.total
    new = len(table.read_now) - _held_live(table)
    gone, come = max(0, live + new - total), max(0, total - live - new)
    known = archive.calls_of(state)
    if archive.is_due(run, source, state, table.name):
        still = not (gone or come or step.rows)
        more = 0 if still else 1 + pages(gone + new) + 3 * pages(come + gone, BATCH)
        step.add("records", Range(known if still else 1, known + more))
    if table.schema.calculated and calculated.is_due(run, source, state, table.name):
        listed = calculated.calls_of(state)
        is_large = (state.total or 0) > WORTH * PAGE
        divided = 2 + ceil(SPARE * total / WASTE) if is_large else 0
        step.add("records", Range(listed, 2 * listed + divided))  # values differ, or they do not
        step.add("searches", exactly(int(is_large)))
    if gone or come:  # counted apart, range by range, where it stays unexplained
        census = 1 + pages(live)
        step.add("searches", up_to(census + 1))
        step.add("records", up_to(2 * census + 3 * pages(gone + come, BATCH) + known))
        step.more_loads += 2


def _held_live(table: Table) -> int:
    """Count the records to be read that the warehouse has as live ones."""
    if table.run.copy is None:
        return 0
    held = table.run.copy.rows(table.name, ("id", "_hs_deleted_at"), list(table.read_now))
    return sum(deleted_at is None for _, deleted_at in held)
