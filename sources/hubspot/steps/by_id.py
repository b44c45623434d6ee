"""Ids in, rows out: whatever finds records worth reading, this reads and hands them on."""

from collections.abc import Generator, Sequence
from functools import partial
from itertools import islice

from ..api.batch_read import Found, batches, read_batch
from ..errors import HubSpotError, RequestRejectedError
from ..run.pace.waiting import wait
from ..run.run import Items
from .table import BLOCK, Table, emit, note_loaded

MOST_NAMED = 5  # refused records that a block of ids names, so that the report stays readable


def read_ids(table: Table, ids: Sequence[str]) -> Items:
    """Read records by id and hand them on, with their links from either end.

    Archived ones become tombstones, merged ones too; ids that lead nowhere, neither live nor
    archived, are noted in `run.tables.vanished`; SQL after the load marks what the table has of
    them.
    An id that HubSpot refuses is named in the outcome and asked for again by the next run.
    """
    if ids:
        table.run.tables.changed.add(table.name)
    wanted = dict.fromkeys(ids)
    if odd := [id_ for id_ in wanted if not id_.isdecimal()]:  # no id of HubSpot's
        table.run.tables.vanished.setdefault(table.name, set()).update(odd)
    for part in batches((id_ for id_ in wanted if id_.isdecimal()), BLOCK):
        yield from _read_block(table, part)


def read_left(table: Table, ids: Sequence[str] = ()) -> Items:
    """Read these ids, and those that earlier loads left or were refused; none is forgotten."""
    ids = list(dict.fromkeys([*ids, *table.state.take_pending_ids()]))
    try:
        yield from read_ids(table, ids)
    except HubSpotError:
        table.state.add_pending_ids(ids)
        raise


def _read_block(table: Table, ids: Sequence[str]) -> Items:
    read_at = table.run.now()
    found = yield from _read(table, ids)
    gone = yield from _read(table, found.missing, archived=True)
    again = yield from _read(table, gone.missing)  # restored between the two
    parts = (found, gone, again)
    records = {record.id: record for part in parts for record in part.records}
    merged = {old: new for part in parts for old, new in part.merged.items()}
    for part in parts:
        for id_, message in islice(part.refused.items(), MOST_NAMED):
            table.outcome.note(f"HubSpot refuses to read record {id_}: {message}")
        if (more := len(part.refused) - MOST_NAMED) > 0:
            table.outcome.note(f"HubSpot refuses to read {more:,} more records.")
        table.state.add_pending_ids(part.refused)
    if again.missing:
        table.run.tables.vanished.setdefault(table.name, set()).update(again.missing)
    yield from emit(table, list(records.values()), merged=merged)
    live = [record for record in records.values() if not record.archived]
    yield from table.links.read_from_targets(table.object_type, live)
    note_loaded(table, list(records.values()), read_at=read_at)


def _read(
    table: Table, ids: Sequence[str], *, archived: bool = False
) -> Generator[None, None, Found]:
    """Read a block of ids, batches at the same time.

    A type without an archive refuses all archived ids; then they are missing. Where HubSpot has
    listed the archive before, they are refused.
    """
    read = partial(read_batch, table.client, table.object_type, archived=archived)
    calls = [
        (part, table.run.submit(partial(read, ids=part, decoder=table.decoder)))
        for part in batches(ids)
    ]
    whole = Found()
    for part, call in calls:
        try:
            found = yield from wait(call)
        except RequestRejectedError as error:
            if not archived:
                raise
            found = Found(missing=list(part))
            if table.state.last_sweep("archive").was_listed:
                found = Found(refused=dict.fromkeys(part, error.message))
        whole.records += found.records
        whole.missing += found.missing
        whole.merged |= found.merged
        whole.refused |= found.refused
    return whole
