"""One object table at work: what it works with, and the one way from records to rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dlt

from .changes import instant_ms
from .client import Client
from .decoding import Record, RecordDecoder
from .links import Links
from .model import ObjectType, TableOutcome, TableSchema
from .records import instants_ms, to_batch, tombstones
from .run import Items, Run
from .state import SourceState, TableState

BLOCK = 1000  # records that become one Arrow table: decoding by the page costs twice as much
REJECTS = "_hs_rejected_values"
MARGIN = timedelta(seconds=2)  # HubSpot's clock is known to the second


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
        return self.run.client_for(self.name)

    @property
    def changed(self) -> bool:
        """Whether this run found a change in the table."""
        return self.name in self.run.changed

    def leave_unfinished(self) -> None:
        """Say that another load has to go on with this table."""
        self.run.unfinished.add(self.name)


def emit(
    table: Table,
    records: Sequence[Record],
    *,
    merged: Mapping[str, str] | None = None,
    replace_links: bool = False,
) -> Items:
    """Turn records into rows of their table, rejected values, tombstones of merged ids, links.

    Args:
        table: theirs.
        records: live and archived ones.
        merged: ids that were merged away, by what they answered with: old id -> survivor.
        replace_links: whether older links of them may be in the warehouse.
    """
    if not records:
        return
    run, synced_at = table.run, table.run.now()
    live = [record for record in records if not record.archived]
    batch = to_batch(records, table.schema, synced_at=synced_at, strip_nul=run.strip_nul)
    yield batch.rows
    if batch.rejects.num_rows:
        yield dlt.mark.with_table_name(batch.rejects, REJECTS)
    gone = _new_merges(table, records, merged or {})
    if gone:
        later = synced_at + timedelta(milliseconds=1)  # than the row of a record read before
        yield tombstones(
            {old: survivor for old, (survivor, _) in gone.items()},
            table.schema,
            synced_at=later,
            deleted_at={old: at for old, (_, at) in gone.items() if at},
        )
        run.merged.add(table.name)
    dead = [record.id for record in records if record.archived] + list(gone)
    if dead:
        run.dead.add(table.name)
    yield from table.links.read(table.object_type, [r.id for r in live], replace=replace_links)
    yield from table.links.drop(table.object_type, dead)
    table.read_now.update({record.id: record.archived for record in records})
    table.outcome.rows += len(live)
    table.outcome.tombstones += len(dead)
    run.budget.take(len(records))


def _new_merges(
    table: Table, records: Sequence[Record], merged: Mapping[str, str]
) -> dict[str, tuple[str, datetime | None]]:
    """Tell of ids merged away their survivor and when, but for those the table knows already.

    HubSpot does not tell when: it is the survivor's last change when the merge was first seen.
    """
    survivors = {old: record for record in records for old in table.decoder.merged_ids(record)}
    by_id = {record.id: record for record in records}
    survivors |= {old: by_id[new] for old, new in merged.items() if new in by_id}
    known: dict[str, tuple[str | None, datetime | None]] = {}
    if survivors and table.run.copy:
        columns = ("id", "_hs_merged_into", "_hs_deleted_at", "_hs_deletion")
        known = {
            row[0]: (row[1], row[2])
            for row in table.run.copy.rows(table.name, columns, list(survivors))
            if row[3] == "merged"
        }
    return {
        old: (record.id, known[old][1] if old in known else _changed_at(record))
        for old, record in survivors.items()
        if old not in known or known[old][0] != record.id
    }


def _changed_at(record: Record) -> datetime | None:
    at = instant_ms(record.updatedAt)
    return datetime.fromtimestamp(at / 1000, UTC) if at else None


def note_loaded(table: Table, records: Sequence[Record], *, read_at: datetime) -> None:
    """Remember what is loaded as it is, so that the lookback does not read it again.

    Not remembered is what changed just before it was read, for another change may bear the same
    instant, and what is archived, for it may be restored.
    """
    latest = int((read_at - MARGIN).timestamp() * 1000)
    instants = instants_ms([record for record in records if not record.archived])
    since = (table.state.watermark or table.run.now()) - table.run.lookback
    table.state.note_recent(
        {id_: at for id_, at in instants.items() if at < latest},
        gone=[record.id for record in records if instants.get(record.id, latest) >= latest],
        since=since,
    )
