"""Calculated and rollup properties: they change without a trace, so all of them are read again.

A change of theirs moves no last-modified. On a schedule every live record is listed with nothing
but these properties; those whose values differ from the warehouse's are read again by id.
"""

from collections.abc import Collection, Generator
from functools import partial
from typing import Any

from ...api.record_pages import PAGE, NotKeysetError, list_page
from ...listing.ranges import WORTH, Listing, to_kept, to_ranges
from ...model import View
from ...run.pace.waiting import wait
from ...run.run import Items
from ...state.table import OpenSweep
from ...tables.comparing import compare, sub_schema
from ...tables.decoding import Record, RecordDecoder
from ..by_id import read_ids
from ..table import BLOCK, Table


def sweep_calculated(table: Table) -> Items:
    """Read the calculated values of all records, and then what differs.

    A load that is full ends the sweep; the next one goes on with it.
    """
    run, known = table.run, table.state.sweep("calculated")
    if run.view is None or not table.schema.calculated:
        return
    work = known.open_sweep
    if work is None:
        work = OpenSweep(run.now())
        if (table.state.total or 0) > WORTH * PAGE:  # else one call after the other will do
            _, work.last_id = yield from wait(run.portal.extent(table.object_type))
        known.open_sweep = work
    try:
        finished = yield from _list(table, run.view, work)
    except NotKeysetError:
        work.ranges, work.last_id = None, None
        finished = yield from _list(table, run.view, work)
    if not finished:
        table.leave_unfinished()
        return
    known.open_sweep = None
    known.swept_at = work.started_at


def count_recalculated(
    table: Table, changed: Collection[str], *, most_calls: int
) -> Generator[None, None, int | None]:
    """Count the records that a sweep would read by id; None where they take more calls than given.

    Args:
        table: theirs.
        changed: ids of records that are read before a sweep.
        most_calls: for the listing.
    """
    run, schema = table.run, sub_schema(table.schema, table.schema.calculated)
    client = run.portal.client_for(f"{table.name}: calculated")  # it is no call of a sync
    ask = partial(list_page, client, table.object_type, RecordDecoder(schema))
    records, after = list[Record](), None
    for _ in range(most_calls):
        page = yield from wait(run.submit(partial(ask, after)))
        records += page.results
        after = page.after
        if after is None:
            break
    if after is not None or run.view is None:
        return None
    others = [record for record in records if record.id not in {*changed}]
    strip_nul = bool(run.options.strip_nul)
    differing, missing = compare(run.view, schema, others, strip_nul=strip_nul)
    return len(differing) + len(missing)


def _list(table: Table, view: View, work: OpenSweep) -> Generator[Any, None, bool]:
    """List on from the state's ranges; return whether the end was reached."""
    run = table.run
    schema = sub_schema(table.schema, table.schema.calculated)
    ask = partial(list_page, table.client, table.object_type, RecordDecoder(schema))
    listing = Listing(
        lambda after: run.submit(partial(ask, after)),
        to_ranges(work.ranges),
        in_flight=run.config.calls_in_flight,
        last_id=work.last_id,
        expected=table.state.total or 0,
    )
    block: list[Record] = []

    def check() -> Items:
        differing, missing = compare(view, schema, block, strip_nul=bool(run.options.strip_nul))
        block.clear()
        yield from read_ids(table, [*differing, *missing])
        work.ranges = to_kept(listing.ranges)

    for records in listing.pages():
        block += [record for record in records or () if record.id not in table.read_now]
        if len(block) >= BLOCK:
            yield from check()
            if run.load.budget.spent():
                listing.drain()
        elif records is None:
            yield None
    yield from check()
    return not listing.ranges
