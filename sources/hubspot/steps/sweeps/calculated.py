"""Calculated and rollup properties: they change without a trace, so all of them are read again.

A change of theirs moves no last-modified. On a schedule every live record is listed with nothing
but these properties; those whose values differ from the warehouse's are read again by id.
"""

from collections.abc import Generator
from dataclasses import asdict
from functools import partial
from typing import Any

from ...api.record_pages import PAGE, NotKeysetError, list_page
from ...listing.ranges import WORTH, Listing, Range
from ...model import Copy
from ...plan import sweeps
from ...run.run import Items, Run
from ...run.waiting import wait
from ...state.store import SourceState, TableState, to_instant, to_text
from ...tables.comparing import compare, sub_schema
from ...tables.decoding import Record, RecordDecoder
from ..by_id import read_ids
from ..table import BLOCK, Table


def sweep_calculated(table: Table) -> Items:
    """Read the calculated values of all records, where that is due, and then what differs.

    A load that is full ends the sweep; the next one goes on with it.
    """
    run, known = table.run, table.state.sweep("calculated")
    if run.copy is None or not table.schema.calculated:
        return
    if "started_at" not in known:
        if not is_due(run, table.source, table.state, table.name):
            return
        known["started_at"] = to_text(run.now())
    if "ranges" not in known:
        last_id = None
        if (table.state.total or 0) > WORTH * PAGE:  # else one call after the other will do
            _, last_id = yield from wait(run.extent(table.object_type))
        known.update(ranges=None, last_id=last_id)
    try:
        finished = yield from _list(table, run.copy, known)
    except NotKeysetError:
        known.update(ranges=None, last_id=None)
        finished = yield from _list(table, run.copy, known)
    if not finished:
        table.leave_unfinished()
        return
    began = to_instant(known.pop("started_at")) or run.now()
    for name in ("ranges", "last_id"):
        known.pop(name, None)
    sweeps.note(known, began)


def calls_of(state: TableState) -> int:
    """Tell how many calls a sweep of a table's calculated values takes."""
    return -(-(state.total or 0) // PAGE)


def is_due(run: Run, source: SourceState, state: TableState, table: str) -> bool:
    """Tell whether the calculated values are to be read again; see `sweeps.is_due`."""
    known, pace = state.sweep("calculated"), sweeps.Pace(run.config.sweep_hours)
    calls = calls_of(state)
    return sweeps.is_due(run, source, known, calls=calls, tables=[table], pace=pace)


def _list(table: Table, copy: Copy, known: dict[str, Any]) -> Generator[Any, None, bool]:
    """List on from the state's ranges; tell whether the end was reached."""
    run = table.run
    schema = sub_schema(table.schema, table.schema.calculated)
    ask = partial(list_page, table.client, table.object_type, RecordDecoder(schema))
    saved = [{}] if known["ranges"] is None else known["ranges"]
    listing = Listing(
        lambda after: run.submit(partial(ask, after)),
        [Range(**range_) for range_ in saved],
        in_flight=run.config.calls_in_flight,
        last_id=known["last_id"],
        expected=table.state.total or 0,
    )
    block: list[Record] = []

    def check() -> Items:
        differing, missing = compare(copy, schema, block, strip_nul=bool(run.strip_nul))
        block.clear()
        yield from read_ids(table, [*differing, *missing])
        known["ranges"] = [asdict(range_) for range_ in listing.ranges]

    for records in listing.pages():
        block += [record for record in records or () if record.id not in table.read_now]
        if len(block) >= BLOCK:
            yield from check()
            if run.budget.spent():
                listing.drain()
        elif records is None:
            yield None
    yield from check()
    return not listing.ranges
