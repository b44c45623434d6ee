"""One object table at work: what it works with, and the one way from records to rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import dlt

from ..http.client import Client
from ..http.clock import MARGIN
from ..model import REJECTS, ObjectType, TableOutcome, TableSchema
from ..run.run import Items, Run
from ..state.source import SourceState
from ..state.table import TableState
from ..tables.casts import to_timestamp
from ..tables.decoding import NO_PROPERTIES, Record, RecordDecoder
from ..tables.records import instants_ms, to_batch, tombstones
from .links.links import Links
from .links.listed import ReadLinks

BLOCK = 1000  # records that become one Arrow table
Merges = Mapping[str, tuple[str, datetime | None]]
"""Ids that were merged away: their survivor, and when."""
MERGED = 2.5  # rows that are added for the memory that merging one takes


@dataclass(frozen=True)
class Table:
    """What the resource of one object type works with."""

    run: Run
    object_type: ObjectType
    schema: TableSchema
    decoder: RecordDecoder
    source: SourceState
    state: TableState
    outcome: TableOutcome
    links: Links
    read_now: dict[str, bool] = field(default_factory=dict)
    """Ids that this load brings already, and whether as archived; the warehouse lacks them yet."""

    @property
    def name(self) -> str:
        """The table's name."""
        return self.object_type.table

    @property
    def client(self) -> Client:
        """The client whose meter counts this table's calls."""
        return self.run.portal.client_for(self.name)

    @property
    def changed(self) -> bool:
        """Whether this run found a change in the table."""
        return self.name in self.run.tables.changed

    @property
    def appends(self) -> bool:
        """Whether this load's rows are added as they are; SQL keeps the newest of each id."""
        return self.name in self.run.load.appending

    def leave_unfinished(self) -> None:
        """Say that another load has to go on with this table."""
        self.run.load.unfinished.add(self.name)


def emit(
    table: Table,
    records: Sequence[Record],
    *,
    merged: Mapping[str, str] | None = None,
    read_links: ReadLinks | None = None,
) -> Items:
    """Turn records into rows of their table, rejected values, tombstones of merged ids, links.

    Args:
        table: theirs.
        records: live and archived ones.
        merged: ids that were merged away, by what they answered with: old id -> survivor.
        read_links: hands on the links of records by id; `links.read` where None.
    """
    records = list({record.id: record for record in records}.values())
    if not records:
        return
    run, synced_at = table.run, table.run.stamp()
    archived = [record.id for record in records if record.archived]
    live = [record.id for record in records if not record.archived]
    table.read_now.update(dict.fromkeys(live, False))
    table.read_now.update(dict.fromkeys(archived, True))
    yield from _rows(table, records, synced_at)
    gone = _new_merges(table, records, merged or {})
    yield from _merged_away(table, gone, synced_at)
    dead = [*archived, *gone]
    if dead:
        run.load.dead.add(table.name)
    yield from read_links(live) if read_links else table.links.read(table.object_type, live)
    yield from table.links.drop(table.object_type, dead)
    table.read_now.update(dict.fromkeys(gone, True))
    table.outcome.was_read = True
    table.outcome.rows += len(live)
    table.outcome.tombstones += len(dead)
    run.load.budget.take(len(records) * (1 if table.appends else MERGED))


def _rows(table: Table, records: Sequence[Record], synced_at: datetime) -> Items:
    """Yield the rows of records and their rejected values."""
    if odd := [r.id for r in records if r.mended and NO_PROPERTIES in r.mended]:
        table.state.add_pending_ids(odd)  # the next run reads them by id
    strip_nul = bool(table.run.options.strip_nul)
    batch = to_batch(records, table.schema, synced_at=synced_at, strip_nul=strip_nul)
    yield batch.rows
    if batch.rejects.num_rows:
        yield dlt.mark.with_table_name(batch.rejects, REJECTS)


def _merged_away(table: Table, gone: Merges, synced_at: datetime) -> Items:
    """Yield the tombstones of ids that were merged away."""
    if not gone:
        return
    yield tombstones(
        {old: survivor for old, (survivor, _) in gone.items()},
        table.schema,
        synced_at=synced_at + timedelta(milliseconds=1),  # later than a record read before
        deleted_at={old: at for old, (_, at) in gone.items() if at},
    )
    table.run.load.merged.add(table.name)


def _new_merges(table: Table, records: Sequence[Record], merged: Mapping[str, str]) -> Merges:
    """Return the survivor of ids merged away, and when, but for those the table knows already.

    HubSpot does not report when: it is the survivor's last change when the merge was first seen.
    """
    survivors = _survivors(table, records, merged)
    known = _known_merges(table, list(survivors))
    return {
        old: (record.id, known[old][1] if old in known else _changed_at(record))
        for old, record in survivors.items()
        if old not in known or known[old][0] != record.id
    }


def _survivors(
    table: Table, records: Sequence[Record], merged: Mapping[str, str]
) -> dict[str, Record]:
    """Return the record that each id was merged into, by what the records say or answered to."""
    merging = [record for record in records if record.merged]
    survivors = {old: record for record in merging for old in table.decoder.merged_ids(record)}
    if merged:
        by_id = {record.id: record for record in records}
        survivors |= {old: by_id[new] for old, new in merged.items() if new in by_id}
    return survivors


def _known_merges(table: Table, ids: Sequence[str]) -> Merges:
    """Return survivor and date of those ids that the table knows as merged away."""
    if not ids or table.run.view is None:
        return {}
    columns = ("id", "_hs_merged_into", "_hs_deleted_at", "_hs_deletion")
    held = table.run.view.rows(table.name, columns, ids)
    return {id_: (survivor, at) for id_, survivor, at, deletion in held if deletion == "merged"}


def _changed_at(record: Record) -> datetime | None:
    at, _ = to_timestamp(record.updatedAt or "")
    return at if isinstance(at, datetime) else None


def note_loaded(table: Table, records: Sequence[Record], *, read_at: datetime) -> None:
    """Remember what is loaded as it is, so that the lookback does not read it again.

    Not remembered is what changed just before it was read, for another change may bear the same
    instant, and what is archived, for it may be restored.
    """
    latest = int((read_at - MARGIN).timestamp() * 1000)
    since = (table.state.searched_at or table.run.now()) - table.run.config.lookback
    long_ago = (since - timedelta(days=2)).date().isoformat()  # whatever time zone a text is in
    young = [r for r in records if r.archived or (r.updatedAt or "") >= long_ago]
    instants = instants_ms([record for record in young if not record.archived])
    table.state.note_recent(
        {id_: at for id_, at in instants.items() if at < latest},
        gone=[record.id for record in young if instants.get(record.id, latest) >= latest],
        since=since,
    )
