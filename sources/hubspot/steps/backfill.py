"""All live records of a table, by listing, load after load; a sweep of the archive follows."""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from typing import Any, Literal, TypeVar

import msgspec

from ..api.record_pages import NotKeysetError, list_page, search_page
from ..errors import HubSpotError, RequestRejectedError
from ..listing.prefetch import MOST, Read, Start, read_ahead
from ..listing.ranges import SPARE, Division, Listing, shards_of, to_kept, to_ranges
from ..listing.shards import ask_division
from ..model import Page
from ..plan.tables.sweeps import SWEEPS
from ..run.pace.lanes import Lane
from ..run.pace.waiting import wait
from ..run.run import Items, Run
from ..state.table import Backfill, TableState
from ..tables.decoding import Record, size_of
from .by_id import read_left
from .exports.export import read_export
from .links.listed import ReadLinks, with_listed_links
from .sweeps.archive import sweep_archived
from .table import BLOCK, Table, emit, note_loaded

T = TypeVar("T")
Asked = Future[Division] | None  # None where nothing is to be divided

Paging = Literal["keyset", "search", "cursor"]
PAGINGS: tuple[Paging, ...] = ("keyset", "search", "cursor")
"""How records are listed: in shards, from any id on; where HubSpot does not list along the id, in
shards by search and batch read; where search does not sort by id either, page after page."""
DOUBLED = 0.1  # share of the records that may be read twice where shards go by search
LISTED = 5_000  # records that become one Arrow table, a group of rows in Parquet
LISTED_BYTES = 16 * 1024**2  # of their values, where texts are long


def backfill(table: Table) -> Items:
    """List all live records; `finish_backfill` sets the watermark, which is the beginning of it."""
    run, state = table.run, table.state
    work = state.backfill
    if work is None:
        work = Backfill(run.now(), has_older_rows=_may_hold_rows(table))
        work.total, work.last_id = yield from _extent(table)
        work.spare = SPARE * (work.total or 0)
        state.backfill = work
    elif work.run_id != run.options.run_id:  # an earlier run's part may be stale
        run.tables.changed.add(table.name)
        run.tables.resumed.add(table.name)
    work.run_id = run.options.run_id
    yield from _read_all(table, work)


def begin_unused(table: Table, at: datetime | None) -> None:
    """Begin a listing of no records, which takes no call; `finish_backfill` sets the watermark.

    Args:
        table: one without records.
        at: when its records were counted.
    """
    table.state.backfill = Backfill(at or table.run.now(), table.run.options.run_id, total=0)


def appends(run: Run, state: TableState, table: str) -> bool:
    """Return whether a load adds what it lists to a table, instead of merging it.

    It does in a first backfill, where next to no record comes twice; after each load SQL leaves
    the newest row of each id.
    """
    merges = (
        run.options.hard_delete
        or run.options.full_refresh
        or state.was_loaded
        or state.has_older_rows
    )
    if run.view is None or merges:
        return False
    work = state.backfill
    return not (work.has_older_rows if work else run.view.size(table))


def _read_all(table: Table, work: Backfill) -> Items:
    """Read on until the load is full or all is read; where one way fails, take the next."""
    run = table.run
    run.options.expect(table.name, (work.total or 0) - work.rows)
    division = _ask_division(table, work) if run.config.backfill == "list" else None
    finished = yield from _with_links(table, work, partial(read_export, table, work))
    while finished is None:
        try:
            division = division or _ask_division(table, work)
            rows = partial(_list, table, work, division)
            finished = yield from _with_links(table, work, rows)
        except NotKeysetError:
            _take_next_way(table, work)
    if not finished:
        table.leave_unfinished()
    else:
        yield from read_left(table)


def _take_next_way(table: Table, work: Backfill) -> None:
    """Begin the listing again another way; nothing is lost, for its rows only come twice."""
    following = PAGINGS.index(work.paging) + 1
    if not table.object_type.searchable or work.last_id is None:
        following = len(PAGINGS) - 1
    work.ranges, work.paging, work.rows = None, PAGINGS[following], 0
    work.spare = DOUBLED * (work.total or 0)


def _with_links(
    table: Table, work: Backfill, rows: Callable[[ReadLinks], Generator[Any, None, T]]
) -> Generator[Any, None, T]:
    """Hand on rows that a backfill lists, with the links of their records."""
    replace = work.has_older_rows or table.name in table.run.tables.resumed
    links, kind = table.links, table.object_type
    return (yield from with_listed_links(table.run, links, kind, rows, replace=replace))


def _may_hold_rows(table: Table) -> bool:
    """Whether the warehouse may hold rows that the listing will not bring."""
    return (
        table.state.has_older_rows
        or table.state.watermark is not None
        or bool(table.run.load.live_count(table.name))
    )


def sweep_after_backfill(table: Table) -> Items:
    """List the archived records, in ranges of ids where the live ones were listed in such."""
    work = table.state.backfill
    if work is None:
        yield from sweep_archived(table)
    else:
        yield from sweep_archived(table, last_id=_along_ids(work), spare=work.spare)


def finish_backfill(table: Table) -> Items:
    """Set the watermark, once all live and archived records are listed."""
    run, state, work = table.run, table.state, table.state.backfill
    if work is None:
        return
    started_at = work.started_at
    if table.object_type.searchable:  # numbers that differ are asked for once more
        agreed = work.rows == work.total
        total = work.total if agreed else (yield from _extent(table, again=True))[0]
        run.tables.totals[table.name] = total
    if work.ranges is not None and not work.export:  # an export or a count may lack some
        state.listed_at = started_at
    for kind, row in SWEEPS.items():
        if row.is_done_by_listing:
            state.sweep(kind).swept_at = started_at
    state.recount_pending = True
    if work.has_older_rows:
        run.tables.to_recount[table.name] = started_at
    state.finish(started_at, run.now(), total=max(work.rows, work.total or 0))
    run.tables.backfilled[table.name] = started_at


def _along_ids(work: Backfill) -> int | None:
    """Return the highest id, by which the archive is listed in ranges; None where it cannot be."""
    return work.last_id if work.paging == "keyset" else None


def _extent(
    table: Table, *, again: bool = False
) -> Generator[None, None, tuple[int | None, int | None]]:
    """Ask how much there is; listing works without the answer, only with one call in flight."""
    if not table.object_type.searchable:
        return None, None
    try:
        return (yield from wait(table.run.portal.extent(table.object_type, again=again)))
    except RequestRejectedError:
        return None, None


def _ask_division(table: Table, work: Backfill) -> Asked:
    """Begin to find out where to divide a listing that nothing was read of."""
    total, last_id, run = work.total, work.last_id, table.run
    if work.ranges is not None or work.paging != PAGINGS[0] or not total or last_id is None:
        return None
    ask = partial(ask_division, table.client, table.object_type, total, last_id)
    shards = shards_of(total, run.config.calls_in_flight)
    return run.submit(partial(ask, shards=shards, spare=work.spare), lane="search")


def _list(
    table: Table, work: Backfill, division: Asked, read_links: ReadLinks
) -> Generator[Any, None, bool]:
    """List until the load is full or the listing ends; return whether it ended."""
    run = table.run
    lane: Lane = "search" if work.paging == "search" else "interval"
    read, start = _reader(table, work), partial(run.submit, lane=lane)
    listing = _open(table, work, read, start)
    listing.division = division if work.paging == PAGINGS[0] else None
    most = LISTED if run.load.budget.rows > LISTED else BLOCK
    for block in _blocks(listing.pages(), most):
        if block is None:
            yield None
            continue
        yield from _hand_on(table, listing, block, work, read_links)
        if run.load.budget.spent():
            listing.drain()
    if listing.ranges and not run.outcomes.stopped:
        _read_ahead(table, listing, read, start)
    return not listing.ranges


def _blocks(
    pages: Iterator[Sequence[Record] | None], most: int
) -> Iterator[Sequence[Record] | None]:
    """Yield the records of pages in blocks, the last of which may be empty; None while waiting.

    Raises:
        HubSpotError: what ended the pages, once the records that arrived before are yielded.
    """
    block: list[Record] = []
    held = 0
    try:
        for records in pages:
            if records is None:
                yield None
                continue
            block.extend(records)
            held += size_of(records)
            if len(block) >= most or held >= LISTED_BYTES:
                yield block
                block, held = [], 0
    except HubSpotError:
        yield block
        raise
    yield block


def _read_ahead(table: Table, listing: Listing, read: Read, start: Start) -> None:
    """Ask for pages that the next load begins with, where nothing else uses the calls."""
    ahead = table.run.tables.ahead
    if table.run.client.limits.is_reached("interval"):
        most = MOST - sum(len(calls) for _, calls in ahead.values())
        calls = read_ahead(read, start, listing.ranges, most=most)
        ahead[table.name] = table.decoder.properties, calls


def _open(table: Table, work: Backfill, read: Read, start: Start) -> Listing:
    """Take up the listing where the load before left it, with the pages that are there already."""
    properties, waiting = table.run.tables.ahead.pop(table.name, ((), {}))
    if properties != table.decoder.properties:  # their values would be in other places
        waiting = {}

    def submit(after: str | None) -> Future[Page[Record]]:
        return waiting.pop(after, None) or start(partial(read, after))

    return Listing(
        submit,
        to_ranges(work.ranges),
        in_flight=table.run.config.calls_in_flight,
        last_id=None if work.paging == PAGINGS[-1] else work.last_id,
        expected=max(0, (work.total or 0) - work.rows),
        spare=work.spare,
    )


def _reader(table: Table, work: Backfill) -> Read:
    """Make what reads the page at a cursor and notes when it was asked for."""
    run, ask = table.run, search_page if work.paging == "search" else list_page

    def read(after: str | None) -> Page[Record]:
        began = run.now()
        page = ask(table.client, table.object_type, table.decoder, after)
        return msgspec.structs.replace(page, read_at=began)

    return read


def _hand_on(
    table: Table,
    listing: Listing,
    block: Sequence[Record],
    work: Backfill,
    read_links: ReadLinks,
) -> Items:
    """Hand on a block of listed records, then take a checkpoint."""
    table.run.load.listed_now.add(table.name)
    yield from emit(table, block, read_links=read_links)
    note_loaded(table, block, read_at=listing.read_at or table.run.now())
    listing.read_at = None
    work.ranges, work.spare = to_kept(listing.ranges), listing.spare
    work.rows += len(block)
