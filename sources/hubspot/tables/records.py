"""Records -> typed Arrow: the only transformation a record goes through.

Blocks of records become columns, cast all at once (see `casts`). Every value that does not fit
leaves a row of rejects, with one of the reasons of `casts`, `invalid_unicode` (what is no character
became U+FFFD) or `not_an_object` (a record came without its properties).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..model import Kind, TableSchema
from .casts import TIMESTAMP, TYPES, cast
from .decoding import Record, Values

REJECTS: pa.Schema = pa.schema(
    [
        pa.field("table_name", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("property", pa.string(), nullable=False),
        pa.field("raw_value", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("seen_at", TIMESTAMP),
    ]
)
OWN_COLUMNS: dict[str, pa.DataType] = {
    "_hs_created_at": TIMESTAMP,
    "_hs_updated_at": TIMESTAMP,
    "_hs_archived": pa.bool_(),
    "_hs_deleted_at": TIMESTAMP,
    "_hs_deletion": pa.string(),
    "_hs_merged_into": pa.string(),
    "_hs_synced_at": TIMESTAMP,
}

_TOGETHER = 16  # columns of a kind per cast: fewer calls, and the values stay in the cache


@dataclass(frozen=True, slots=True)
class Batch:
    """A block of records as rows of their table, and what did not fit."""

    rows: pa.Table
    rejects: pa.Table
    """As `REJECTS`; at most one row per record and property."""


def arrow_schema(schema: TableSchema) -> pa.Schema:
    """Return the Arrow schema of a table: `id`, one column per property, our own."""
    fields = [pa.field("id", pa.string(), nullable=False)]
    fields += [pa.field(column.name, TYPES[column.kind]) for column in schema.columns]
    fields += [pa.field(name, kind) for name, kind in OWN_COLUMNS.items()]
    return pa.schema(fields)


def to_batch(
    records: Sequence[Record], schema: TableSchema, *, synced_at: datetime, strip_nul: bool = False
) -> Batch:
    """Turn records into columns.

    Args:
        records: as a RecordDecoder of the same schema gave them; about 1,000 at a time is fast.
        schema: the table.
        synced_at: aware UTC, when they were read.
        strip_nul: remove NUL characters, for warehouses that cannot hold them.
    """
    block = _Block([record.id for record in records], strip_nul=strip_nul)
    arrays = [pa.array(block.ids, pa.string())]
    arrays += _property_columns(block, records, schema)
    arrays += _own_columns(block, records, pa.scalar(synced_at, TIMESTAMP))
    for record in records:
        for name, (raw, reason) in (record.mended or {}).items():
            block.reject(record.id, name, raw, reason)
    table = pa.Table.from_arrays(arrays, schema=arrow_schema(schema))
    return Batch(table, block.rejects(schema.table, synced_at))


@dataclass(frozen=True, slots=True)
class _Block:
    """The ids of a block of records, and the values of theirs that did not fit."""

    ids: list[str]
    strip_nul: bool = field(kw_only=True)
    found: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """Raw text and reason by id and property."""

    def cast(self, names: Sequence[str], kind: Kind, texts: pa.StringArray) -> dict[str, pa.Array]:
        """Cast the values of some properties: of the first one for every id, then of the next."""
        array, reasons = cast(texts, kind, strip_nul=self.strip_nul)
        size = len(self.ids)
        misfits = texts.take(list(reasons)).to_pylist() if reasons else []
        for (index, reason), raw in zip(reasons.items(), misfits, strict=True):
            column, row = divmod(index, size)
            self.reject(self.ids[row], names[column], raw, reason)
        return {name: array.slice(at * size, size) for at, name in enumerate(names)}

    def reject(self, id_: str, name: str, raw: str, reason: str) -> None:
        """Note a value that did not fit."""
        self.found[id_, name] = (raw.replace("\0", "\\0") if self.strip_nul else raw, reason)

    def rejects(self, table: str, seen_at: datetime) -> pa.Table:
        """Return what did not fit as a table."""
        return to_rejects(table, self.found, seen_at)


def to_rejects(
    table: str, found: Mapping[tuple[str, str], tuple[str, str]], seen_at: datetime
) -> pa.Table:
    """Make rows of values that did not fit: raw text and reason by id and property."""
    rows = [(table, *key, raw, reason, seen_at) for key, (raw, reason) in found.items()]
    columns: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else [()] * len(REJECTS)
    arrays = [pa.array(v, kind) for v, kind in zip(columns, REJECTS.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=REJECTS)


def _property_columns(
    block: _Block, records: Sequence[Record], schema: TableSchema
) -> list[pa.Array]:
    """Make the columns of properties, in the order of the schema."""
    parts = _parts(records)
    arrays: dict[str, pa.Array] = {}
    groups: dict[Kind, tuple[list[str], list[pa.Array]]] = {kind: ([], []) for kind in TYPES}
    for index, column in enumerate(schema.columns):
        names, texts = groups[column.kind]
        names.append(column.property)
        texts.extend(part.of(index) for part in parts)
        if len(names) == _TOGETHER:
            arrays |= block.cast(names, column.kind, _joined(texts))
            groups[column.kind] = ([], [])
    for kind, (names, texts) in groups.items():
        if names:
            arrays |= block.cast(names, kind, _joined(texts))
    return [arrays[column.property] for column in schema.columns]


@dataclass(frozen=True, slots=True)
class _Part:
    """Records in a row that came with one page."""

    values: Values
    rows: pa.Array | None
    """Their rows; None where they are all of the page."""

    def of(self, index: int) -> pa.StringArray:
        """Return their values of the schema's property at an index."""
        texts = self.values.of(index)
        return texts if self.rows is None else texts.take(self.rows)


def _joined(texts: Sequence[pa.StringArray]) -> pa.StringArray:
    """Join arrays; there are none where there are no records."""
    return pa.concat_arrays(texts) if texts else pa.array([], pa.string())


def _parts(records: Sequence[Record]) -> list[_Part]:
    """Divide records by the page they came with."""
    parts = []
    for _, group in groupby(records, key=lambda record: id(record.values)):
        found = list(group)
        rows, values = [record.row for record in found], found[0].values
        is_whole = rows == list(range(values.size))
        parts.append(_Part(values, None if is_whole else pa.array(rows, pa.int32())))
    return parts


def _own_columns(
    block: _Block, records: Sequence[Record], synced_at: pa.TimestampScalar
) -> list[pa.Array]:
    """Make the columns that start with `_hs_`, in the order of OWN_COLUMNS."""
    names = ("createdAt", "updatedAt", "archivedAt")
    texts = pa.array([getattr(record, name) for name in names for record in records], pa.string())
    created, updated, gone = block.cast(names, "timestamp", texts).values()
    archived = pa.array([record.archived for record in records], pa.bool_())
    never, nothing = pa.scalar(None, TIMESTAMP), pa.scalar(None, pa.string())
    return [
        created,
        updated,
        archived,
        pc.if_else(archived, pc.coalesce(gone, updated, synced_at), never),
        pc.if_else(archived, pa.scalar("archived"), nothing),
        pa.nulls(len(records), pa.string()),
        pa.repeat(synced_at, len(records)),
    ]


def tombstones(
    merged: Mapping[str, str],
    schema: TableSchema,
    *,
    synced_at: datetime,
    deleted_at: Mapping[str, datetime] | None = None,
) -> pa.Table:
    """Make rows for ids that were merged away: no values, only what became of them.

    Args:
        merged: old id -> id of the survivor.
        schema: the table.
        synced_at: aware UTC, when that was seen.
        deleted_at: old id -> aware UTC, when it was merged away, where that is known.
    """
    known = deleted_at or {}
    own = {"_hs_archived": True, "_hs_deletion": "merged", "_hs_synced_at": synced_at}
    rows = [
        {"id": id_, "_hs_merged_into": into, "_hs_deleted_at": known.get(id_, synced_at), **own}
        for id_, into in merged.items()
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(schema))


def instants_ms(records: Sequence[Record]) -> dict[str, int]:
    """Return by id when records last changed, in epoch milliseconds; 0 where that is unknown."""
    at, _ = cast(pa.array([record.updatedAt for record in records], pa.string()), "timestamp")
    microseconds = pc.cast(at, pa.int64()).to_pylist()
    return {r.id: (us or 0) // 1000 for r, us in zip(records, microseconds, strict=True)}
