"""Archived records: the sweep that finds who was archived, restored, or purged from the bin.

HubSpot has no feed of deletions. Archived records appear only in `archived=true` listings, which
know no filter and no order but the id's.
"""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

from ...api.record_pages import PAGE, NotKeysetError, list_page
from ...api.search import instant_ms, to_ms
from ...errors import RequestRejectedError
from ...listing.ranges import SPARE, Listing, to_kept, to_ranges
from ...run.pace.waiting import wait
from ...run.run import Items
from ...state.table import PENDING_LIMIT, OpenSweep, TableState
from ...tables.decoding import Record
from ..by_id import read_ids
from ..table import BLOCK, Table, emit


def sweep_archived(
    table: Table,
    *,
    last_id: int | None = None,
    expected: float = 0.0,
    spare: float = 0.0,
) -> Items:
    """List the archived records, and hand on what is new among them.

    What the warehouse takes for archived and the listing does not hold was restored or purged; it
    is read again by id. A load that is full ends the sweep; the next one goes on with it.

    A first listing that is refused is no error: the outcome says that the type has no archive.

    Args:
        table: whose records.
        last_id: the highest id known; with it several ranges of ids are listed at once.
        expected: about how many there are, where no sweep has counted them yet.
        spare: how many records may be read twice for that, and a share of the archived ones.
    """
    run, known = table.run, table.state.sweep("archive")
    expected = (known.calls or 0) * PAGE or expected
    work = known.open_sweep = known.open_sweep or OpenSweep(run.now())
    if table.name not in run.tables.archived_seen:  # a sweep that another run began starts again
        work.ranges = None
    seen = run.tables.archived_seen.setdefault(table.name, set())
    try:
        finished = yield from _list(table, work, seen, last_id, expected, spare)
    except NotKeysetError:
        work.ranges = None
        finished = yield from _list(table, work, seen)
    except RequestRejectedError as error:
        if seen or known.was_listed:  # what was listed before goes stale
            raise
        table.outcome.note(_not_listed(error))
        del run.tables.archived_seen[table.name]
        known.open_sweep = None
        return
    if not finished:
        table.leave_unfinished()
        return
    known.open_sweep = None
    known.calls = -(-len(seen) // PAGE)
    del run.tables.archived_seen[table.name]
    yield from _read_missing(table, seen)
    if run.options.hard_delete:  # no tombstone shows it to the next sweep
        table.state.archived_ids = sorted(seen)[-PENDING_LIMIT:]
    known.swept_at = work.started_at


def is_archive_empty(table: Table) -> Generator[None, None, bool]:
    """Whether no record is archived of a table that has had no rows: a page shows it.

    That is a whole sweep. A page that HubSpot refuses is none, and is asked for again by schedule.
    """
    known, began = table.state.sweep("archive"), table.run.now()
    if known.open_sweep is not None:
        return False
    call = partial(list_page, table.client, table.object_type, table.decoder, None, archived=True)
    try:
        page = yield from wait(table.run.submit(call))
    except RequestRejectedError as error:
        if known.was_listed:  # what was listed before goes stale
            raise
        table.outcome.note(_not_listed(error))
        known.swept_at = began
        return True
    if page.results or page.after is not None:
        return False
    known.swept_at, known.calls = began, 0
    return True


def _not_listed(error: RequestRejectedError) -> str:
    return f"HubSpot does not list archived records of it: {error.message}"


def _read_missing(table: Table, seen: set[str]) -> Items:
    """Read what was archived before and is not listed any more: restored, or purged."""
    before = {*_dead(table, "archived"), *table.state.archived_ids}
    yield from read_ids(table, sorted(before - seen))
    table.state.archived_ids = []


def _came_since(state: TableState) -> bool:
    """Return whether columns came to the table since the last whole sweep of it began."""
    came, swept = state.columns_added_at, state.last_sweep("archive").swept_at
    return came is not None and swept is not None and came >= swept


def _list(
    table: Table,
    work: OpenSweep,
    seen: set[str],
    last_id: int | None = None,
    expected: float = 0.0,
    spare: float = 0.0,
) -> Generator[Any, None, bool]:
    """List on from the state's ranges; return whether the end was reached."""
    run = table.run
    ask = partial(list_page, table.client, table.object_type, table.decoder, archived=True)
    listing = Listing(
        lambda after: run.submit(partial(ask, after)),
        to_ranges(work.ranges or None),
        in_flight=run.config.calls_in_flight,
        last_id=last_id,
        expected=int(expected) - len(seen),
        spare=spare,
    )
    is_news = _news(table)
    block: list[Record] = []
    for records in listing.pages():
        if records is None:
            yield None
            continue
        _count(listing, records, seen)
        block += [record for record in records if is_news(record)]
        if len(block) >= BLOCK:
            yield from _hand_on(table, block)
            if run.load.budget.spent():
                listing.drain()
    yield from _hand_on(table, block)
    work.ranges = to_kept(listing.ranges)
    return not listing.ranges


def _count(listing: Listing, records: Sequence[Record], seen: set[str]) -> None:
    """Note the archived records that have come; so many more may be read twice, and are to come."""
    listing.spare += SPARE * len(records)
    seen.update(record.id for record in records)
    if listing.expected <= 0:  # how many are to come is unknown: as many as have come
        listing.expected = len(seen)


def _news(table: Table) -> Callable[[Record], bool]:
    """Make the test whether an archived record is new to the warehouse, or its values may be.

    Where the warehouse keeps no tombstones, the date decides.
    """
    run, floor = table.run, table.state.last_sweep("archive").swept_at
    archived, merged = _archived(table), set(_dead(table, "merged"))
    if not table.appends and archived and (floor is None or _came_since(table.state)):
        archived.clear()  # a table read again, or columns that its tombstones lack

    def is_news(record: Record) -> bool:
        at = instant_ms(record.archivedAt)
        if archived is None:
            return floor is None or at is None or at >= to_ms(floor - run.config.lookback)
        if record.id in archived and at in {None, archived[record.id]}:
            return False
        return record.id not in merged and not table.read_now.get(record.id)

    return is_news


def _hand_on(table: Table, block: list[Record]) -> Items:
    if block:
        table.run.tables.changed.add(table.name)
        yield from emit(table, block)
        block.clear()


def _archived(table: Table) -> dict[str, int] | None:
    """Return when (ms) archived rows of the warehouse were archived; None where it keeps none."""
    run = table.run
    if run.view is None or run.options.hard_delete:
        return None
    columns = ("id", "_hs_deleted_at")
    found = run.view.values(table.name, columns, "_hs_deletion = 'archived'")
    return {id_: to_ms(at) for rows in found for id_, at in rows}


def _dead(table: Table, deletion: str) -> list[str]:
    """List the ids that are tombstones of a kind in the warehouse, where it can be asked."""
    if table.run.view is None:
        return []
    where = f"_hs_deletion = '{deletion}'"
    return [id_ for rows in table.run.view.values(table.name, ("id",), where) for (id_,) in rows]
