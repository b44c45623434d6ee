"""One resource per object type: backfill or increment, deletions, links, and then rows.

The spine of the source; start at `object_rows`. Whatever finds records ends in `_emit`, the one
way for every record, and every checkpoint is taken after what it vouches for is handed on.
"""

from collections.abc import Generator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import dlt

from . import archive, changes
from .client import Client
from .errors import HubSpotError, RequestRejectedError
from .links import Links
from .listing import Listing, NotKeysetError, Range, list_page
from .model import ObjectType, Page, TableOutcome, TableSchema
from .reading import Found, batches, read_batch
from .records import Record, RecordDecoder, instants_ms, to_batch, tombstones
from .run import Items, Run, wait, wait_all
from .schemas import Schemas
from .state import SourceState, TableState, to_instant, to_text

BLOCK = 1000  # records that become one Arrow table: decoding by the page costs twice as much
REJECTS = "_hs_rejected_values"


@dataclass(frozen=True)
class Table:
    """What the resource of one object type works with."""

    run: Run
    object_type: ObjectType
    schema: TableSchema
    decoder: RecordDecoder
    state: TableState
    outcome: TableOutcome
    links: Links

    @property
    def name(self) -> str:
        """The table's name."""
        return self.object_type.table

    @property
    def client(self) -> Client:
        """The client whose meter counts this table's calls."""
        return self.run.client_for(self.name)

    def leave_unfinished(self) -> None:
        """Say that another load has to go on with this table."""
        self.run.unfinished.add(self.name)


def object_rows(run: Run, object_type: ObjectType, schemas: Schemas, links: Links) -> Items:
    """Read what is new of one object type, from where the state says the table is.

    Yields:
        Arrow tables: rows, rejected values, links, each for its own table; None while waiting.

    Raises:
        HubSpotError: where the run does not report errors per table.
    """
    if run.stopped:
        return
    run.open_tables.add(object_type.table)
    with run.outcome(object_type.table) as outcome:
        source = SourceState(dlt.current.source_state())
        state = source.table(object_type.table)
        if run.restart(object_type.table):
            state.reset()
        outcome.watermark_before = outcome.watermark_before or state.watermark
        try:
            schema = yield from schemas.of(object_type, source)
            decoder = RecordDecoder(schema)
            yield from _read(Table(run, object_type, schema, decoder, state, outcome, links))
        finally:
            outcome.watermark_after = state.watermark


def _read(table: Table) -> Items:
    fresh = table.state.watermark is None or table.state.working("backfill")
    if fresh or not table.object_type.searchable:
        table.outcome.way_in = "backfill" if fresh else "listing"
        yield from _backfill(table)
    else:
        table.outcome.way_in = "increment"
        yield from _increment(table)


def _backfill(table: Table) -> Items:
    """List all live records, then the archived ones; the watermark is the beginning of it."""
    started = to_text(table.run.now())
    work = table.state.begin("backfill", started_at=started, anew=table.run.full_refresh)
    if "ranges" not in work:
        total, last_id = yield from _extent(table)
        work.update(ranges=None, total=total, last_id=last_id, sequential=False, rows=0)
    if table.run.on_expected and work["total"]:
        table.run.on_expected(table.name, work["total"])
    try:
        finished = yield from _list(table, work)
    except NotKeysetError:
        work.update(ranges=None, sequential=True, rows=0)
        finished = yield from _list(table, work)
    if not finished:
        table.leave_unfinished()
        return
    started_at = to_instant(work["started_at"]) or table.run.now()
    total = work["total"] if work["total"] is not None else work["rows"]
    if archive.is_due(table.state, total, new=0, now=table.run.now()):
        yield from _sweep_archived(table, since=table.state.swept_at)
    table.state.finish("backfill", watermark=started_at, total=total)
    table.run.backfilled[table.name] = started_at
    if work["anew"]:
        table.run.relisted[table.name] = started_at


def _extent(table: Table) -> Generator[None, None, tuple[int | None, int | None]]:
    """Ask how much there is; listing works without the answer, only with one call in flight."""
    if not table.object_type.searchable:
        return None, None
    try:
        return (yield from wait(table.run.extent(table.object_type)))
    except RequestRejectedError:
        return None, None


def _list(table: Table, work: dict[str, Any]) -> Generator[Any, None, bool]:
    """List until the load is full or the listing ends; tell whether it ended."""
    run = table.run
    saved = [{}] if work["ranges"] is None else work["ranges"]
    ranges = [Range(**range_) for range_ in saved]

    def submit(after: str | None) -> Future[Page[Record]]:
        call = partial(list_page, table.client, table.object_type, table.decoder, after)
        return run.submit(call)

    listing = Listing(
        submit,
        ranges,
        in_flight=run.config.calls_in_flight,
        last_id=work["last_id"],
        sequential=work["sequential"],
    )
    block: list[Record] = []
    try:
        for records in listing.pages(max(0, (work["total"] or 0) - work["rows"])):
            block.extend(records or ())
            if len(block) >= BLOCK:
                yield from _hand_on(table, listing, block, work)
                if run.budget.spent():
                    listing.drain()
            elif records is None:
                yield None
    except HubSpotError:
        yield from _hand_on(table, listing, block, work)  # what arrived before is not lost
        raise
    yield from _hand_on(table, listing, block, work)
    return not listing.ranges


def _hand_on(table: Table, listing: Listing, block: list[Record], work: dict[str, Any]) -> Items:
    """Empty a block of listed records into the load, then take a checkpoint."""
    yield from _emit(table, block)
    work["ranges"] = [asdict(range_) for range_ in listing.ranges]
    work["rows"] += len(block)
    block.clear()


def _increment(table: Table) -> Items:
    """Find what changed since the watermark, read it, and look where something disappeared."""
    run, state = table.run, table.state
    resumed = state.working("increment")
    since = (state.watermark or run.now()) - run.lookback
    work = state.begin(
        "increment", started_at=to_text(run.now()), since=to_text(since), after_id="0", new=0
    )
    since = to_instant(work["since"]) or since
    call = partial(changes.newest, table.client, table.object_type, since)
    peek = yield from wait(run.submit(call, lane="search"))
    if peek.complete and not resumed:
        yield from _read_hits(table, peek.changed, since, work)
    elif not (yield from _search(table, since, work)):
        table.leave_unfinished()
        return
    if archive.is_due(state, peek.total, new=work["new"], now=run.now()):
        run.changed.add(table.name)
        yield from _sweep_archived(table, since=state.swept_at)
    started_at = to_instant(work["started_at"]) or run.now()
    state.finish("increment", watermark=started_at, total=peek.total)
    state.note_recent({}, since=started_at - run.lookback)


def _search(table: Table, since: datetime, work: dict[str, Any]) -> Generator[Any, None, bool]:
    """Walk all changes by the key of their ids; tell whether the end was reached."""
    hits: list[changes.Hit] = []
    after_id = work["after_id"]
    while True:
        search = partial(changes.changed_after, table.client, table.object_type, since)
        page = yield from wait(table.run.submit(partial(search, after_id), lane="search"))
        hits += page.results
        last = not page.results or page.after is None
        after_id = after_id if last else changes.next_key(page.results)
        if last or len(hits) >= BLOCK:
            yield from _read_hits(table, hits, since, work)
            work["after_id"], hits = after_id, []
            if last or table.run.budget.spent():
                return last


def _read_hits(
    table: Table, hits: Sequence[changes.Hit], since: datetime, work: dict[str, Any]
) -> Items:
    """Read the records that search found, but for those loaded already as they are."""
    loaded, floor = table.state.recent, int(since.timestamp() * 1000)
    fresh = [
        hit for hit in hits if changes.modified_ms(hit, table.object_type) > loaded.get(hit.id, -1)
    ]
    work["new"] += sum(
        hit.id not in loaded and (changes.instant_ms(hit.createdAt) or 0) >= floor for hit in fresh
    )
    if fresh:
        table.run.changed.add(table.name)
        yield from _read_ids(table, [hit.id for hit in fresh])


def _read_ids(table: Table, ids: Sequence[str]) -> Items:
    """Read records by id and hand them on; ids that are gone are looked for in the archive."""
    found = yield from _read_batches(table, ids, archived=False)
    missing = [id_ for part in found for id_ in part.missing]
    gone = yield from _read_batches(table, missing, archived=True)
    records = [record for part in (*found, *gone) for record in part.records]
    for part in found:
        for id_, message in part.refused.items():
            table.outcome.error = f"HubSpot refuses to read record {id_}: {message}"
    for block in batches(records, BLOCK):
        yield from _emit(table, block, replace_links=True)
    yield from table.links.read_from_targets(table.object_type, [r.id for r in records])


def _read_batches(
    table: Table, ids: Sequence[str], *, archived: bool
) -> Generator[None, None, list[Found]]:
    read = partial(read_batch, table.client, table.object_type, archived=archived)
    calls = [
        table.run.submit(partial(read, ids=part, decoder=table.decoder)) for part in batches(ids)
    ]
    return (yield from wait_all(calls))


def _sweep_archived(table: Table, since: datetime | None) -> Items:
    """Hand on the records archived since the last sweep; all of them where there was none."""
    started_at = table.run.now()
    floor = since - table.run.lookback if since else None
    pages = archive.list_archived(
        table.run, table.client, table.object_type, table.decoder, since=floor
    )
    block: list[Record] = []
    try:
        for records in pages:
            if records is None:
                yield None
                continue
            block.extend(records)
            if len(block) >= BLOCK:
                yield from _emit(table, block, replace_links=True)
                block = []
    except RequestRejectedError as error:
        table.outcome.error = f"HubSpot does not list archived records of it: {error.message}"
    yield from _emit(table, block, replace_links=True)
    table.state.note_sweep(started_at)


def _emit(table: Table, records: Sequence[Record], *, replace_links: bool = False) -> Items:
    """Turn records into rows of their table, rejected values, tombstones of merged ids, links."""
    if not records:
        return
    run, synced_at = table.run, table.run.now()
    live = [record.id for record in records if not record.archived]
    batch = to_batch(records, table.schema, synced_at=synced_at, strip_nul=run.strip_nul)
    yield batch.rows
    if batch.rejects.num_rows:
        yield dlt.mark.with_table_name(batch.rejects, REJECTS)
    survivors = (record for record in records if not record.archived)
    merged = {old: r.id for r in survivors for old in table.decoder.merged_ids(r)}
    if merged:
        yield tombstones(merged, table.schema, synced_at=synced_at + timedelta(milliseconds=1))
    dead = [record.id for record in records if record.archived] + list(merged)
    yield from table.links.read(table.object_type, live, replace=replace_links)
    yield from table.links.drop(table.object_type, dead)
    table.state.note_recent(instants_ms(records), since=_recent_since(table))
    table.outcome.rows += len(live)
    table.outcome.tombstones += len(dead)
    run.budget.take(len(records))


def _recent_since(table: Table) -> datetime:
    watermark = table.state.watermark
    return (watermark or table.run.now()) - table.run.lookback
