"""One object table at work: what it works with, and the one way from records to rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dlt

from . import archive
from .changes import instant_ms
from .client import Client
from .decoding import Record, RecordDecoder
from .links import Links
from .model import ObjectType, TableOutcome, TableSchema
from .records import instants_ms, to_batch, tombstones
from .run import Items, Run
from .state import TableState

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


def sweep_archived(table: Table, since: datetime | None) -> Items:
    """Hand on the records archived since the last sweep; all of them where there was none."""
    started_at = table.run.now()
    floor = since - table.run.lookback if since else None
    pages = archive.list_archived(
        table.run, table.client, table.object_type, table.decoder, since=floor
    )
    block: list[Record] = []
    for records in pages:
        block.extend(records or ())
        if len(block) >= BLOCK:
            yield from emit(table, block, replace_links=True)
            block = []
        elif records is None:
            yield None
    yield from emit(table, block, replace_links=True)
    table.state.note_sweep(started_at)


def emit(
    table: Table, records: Sequence[Record], *, replace_links: bool = False, remember: bool = True
) -> Items:
    """Turn records into rows of their table, rejected values, tombstones of merged ids, links.

    Args:
        table: theirs.
        records: live and archived ones.
        replace_links: whether older links of them may be in the warehouse.
        remember: whether nothing more is to be done for them, so that they need not be read again.
    """
    if not records:
        return
    run, synced_at = table.run, table.run.now()
    live = [record for record in records if not record.archived]
    batch = to_batch(records, table.schema, synced_at=synced_at, strip_nul=run.strip_nul)
    yield batch.rows
    if batch.rejects.num_rows:
        yield dlt.mark.with_table_name(batch.rejects, REJECTS)
    merged = table.state.new_merges(
        {old: (r.id, r.updatedAt) for r in live for old in table.decoder.merged_ids(r)}
    )
    if merged:
        yield _tombstones(table, merged, synced_at + timedelta(milliseconds=1))
    dead = [record.id for record in records if record.archived] + list(merged)
    yield from table.links.read(table.object_type, [r.id for r in live], replace=replace_links)
    yield from table.links.drop(table.object_type, dead)
    table.state.note_merges(merged)
    if remember:
        note_loaded(table, records)
    table.outcome.rows += len(live)
    table.outcome.tombstones += len(dead)
    run.budget.take(len(records))


def note_loaded(table: Table, records: Sequence[Record]) -> None:
    """Remember what is loaded as it is; an archived record is not, for it may be restored."""
    live = [record for record in records if not record.archived]
    gone = [record.id for record in records if record.archived]
    since = (table.state.watermark or table.run.now()) - table.run.lookback
    table.state.note_recent(instants_ms(live), gone=gone, since=since)


def _tombstones(
    table: Table, merged: Mapping[str, tuple[str, str | None]], synced_at: datetime
) -> Any:  # noqa: ANN401 - an Arrow table
    """Make rows of ids merged away: old id -> survivor, and when that one was changed last."""
    instants = {old: instant_ms(changed) for old, (_, changed) in merged.items()}
    return tombstones(
        {old: survivor for old, (survivor, _) in merged.items()},
        table.schema,
        synced_at=synced_at,
        deleted_at={
            old: datetime.fromtimestamp(at / 1000, UTC) for old, at in instants.items() if at
        },
    )
