"""Versions of properties -> typed Arrow: a row for every value that a property ever had."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ..catalog.names import history_table
from ..model import Page, TableSchema
from ..parsing.tolerance import NAME, VITAL, tolerant
from .casts import TIMESTAMP, cast
from .records import Batch, to_rejects

KEY = ("id", "property", "timestamp", "source_type", "source_id", "value_hash")
COLUMNS: pa.Schema = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("property", pa.string(), nullable=False),
        pa.field("timestamp", TIMESTAMP, nullable=False),
        pa.field("value", pa.string()),
        pa.field("source_type", pa.string(), nullable=False),
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("source_label", pa.string()),
        pa.field("updated_by_user_id", pa.string()),
        pa.field("ordinal", pa.int64()),
        pa.field("value_hash", pa.string(), nullable=False),
        pa.field("_hs_synced_at", TIMESTAMP),
    ]
)
_HASH_CHARACTERS = 32
_TEXTS = ("value", "source_type", "source_id", "source_label", "user", "timestamp")


class Version(msgspec.Struct, rename="camel", gc=False):
    """A value that a property had, and where it came from."""

    value: str | None = None
    timestamp: str | int | None = None
    source_type: str | None = None
    source_id: str | int | None = None
    source_label: str | None = None
    updated_by_user_id: int | str | None = None


class Past(msgspec.Struct, rename="camel"):
    """The versions of some properties of one record, newest first."""

    id: Annotated[str, NAME]
    properties_with_history: Annotated[dict[str, list[Version] | None] | None, VITAL] = None


decode_page = tolerant(Page[Past])
"""Decodes an answer; safe to share between threads."""


class Row(NamedTuple):
    """A version, as HubSpot's texts have it."""

    id: str
    property: str
    value: str | None
    source_type: str
    source_id: str
    source_label: str | None
    user: str | None
    timestamp: str
    ordinal: int


def rows_of(past: Past, schema: TableSchema) -> Iterator[Row]:
    """Yield the versions of one record's properties; values that are hashed as hashes only.

    `ordinal` counts those of one property and one instant, from the oldest; versions that differ
    in nothing that identifies them are one.

    Args:
        past: as HubSpot gives it, newest version first.
        schema: of the record's table; properties that it does not have are left out.
    """
    columns = {column.property: column for column in schema.columns}
    for name, versions in (past.properties_with_history or {}).items():
        column = columns.get(name)
        if not (column and versions):
            continue
        seen: dict[tuple[str | None, ...], Row] = {}
        for version in versions:
            value = column.hasher.text(version.value) if column.hasher else version.value
            row = _row(past.id, name, version, value)
            seen.setdefault((row.timestamp, row.source_type, row.source_id, row.value), row)
        counts: dict[str, int] = {}
        for row in reversed(seen.values()):
            ordinal = counts.get(row.timestamp, 0)
            counts[row.timestamp] = ordinal + 1
            yield row._replace(ordinal=ordinal)


def _row(id_: str, name: str, version: Version, value: str | None) -> Row:
    return Row(
        id_,
        name,
        value or None,
        version.source_type or "",
        _text(version.source_id) or "",
        version.source_label,
        _text(version.updated_by_user_id),
        _text(version.timestamp) or "",
        0,
    )


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def to_batch(
    rows: Sequence[Row], table: str, *, synced_at: datetime, strip_nul: bool = False
) -> Batch:
    """Turn versions into columns; one whose time cannot be read is among the rejects.

    Args:
        rows: of one object table.
        table: that object table.
        synced_at: aware UTC, when they were read.
        strip_nul: remove NUL characters, for warehouses that cannot hold them.
    """
    texts = {name: pa.array([getattr(row, name) for row in rows], pa.string()) for name in _TEXTS}
    times, reasons = cast(texts.pop("timestamp"), "timestamp")
    found = {name: cast(column, "text", strip_nul=strip_nul)[0] for name, column in texts.items()}
    arrays = [
        pa.array([row.id for row in rows], pa.string()),
        pa.array([row.property for row in rows], pa.string()),
        times,
        found["value"],
        pc.fill_null(found["source_type"], ""),
        pc.fill_null(found["source_id"], ""),
        found["source_label"],
        found["user"],
        pa.array([row.ordinal for row in rows], pa.int64()),
        pa.array(_hashes(found["value"].to_pylist()), pa.string()),
        pa.repeat(pa.scalar(synced_at, TIMESTAMP), len(rows)),
    ]
    batch = pa.Table.from_arrays(arrays, names=COLUMNS.names)
    kept = batch.filter(pc.is_valid(times)).cast(COLUMNS)
    misfits = {
        (rows[index].id, rows[index].property): (rows[index].timestamp, "not_a_timestamp")
        for index in pc.indices_nonzero(pc.is_null(times)).to_pylist()
    }
    misfits |= {
        (rows[index].id, rows[index].property): (rows[index].timestamp, reason)
        for index, reason in reasons.items()
    }
    return Batch(kept, to_rejects(history_table(table), misfits, synced_at))


def _hashes(values: Iterable[str | None]) -> list[str]:
    """Return what distinguishes values that one source wrote at one instant."""
    return [
        hashlib.sha256((value or "").encode("utf-8", "surrogatepass")).hexdigest()[
            :_HASH_CHARACTERS
        ]
        for value in values
    ]
