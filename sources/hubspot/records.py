"""Page bytes -> typed Arrow: the only transformation a record goes through.

A page is decoded in one step into structs with one field per property; blocks of records become
columns, cast all at once; only the values that do not fit are looked at one by one. Every one of
them leaves a row of rejects, with one of these reasons: `not_a_number`, `not_a_bool`,
`not_a_date`, `not_a_timestamp`, `out_of_range`, `precision` (the nearest double is kept),
`nul_character` (removed), `invalid_unicode` (replaced).
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from typing import Any, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from .model import Kind, Page, TableSchema

TIMESTAMP = pa.timestamp("us", tz="UTC")
TYPES: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": TIMESTAMP,
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXACT_DIGITS = 15  # any number of so many digits survives a double

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

Misfit = tuple[Any, str | None]
"""A value for the column (None where there is none), and why its text is rejected."""


class Record(Protocol):
    """A record as HubSpot gives it; `properties` has one field per column."""

    id: str
    properties: Any
    createdAt: str | None  # noqa: N815 - HubSpot's own name
    updatedAt: str | None  # noqa: N815 - HubSpot's own name
    archived: bool
    archivedAt: str | None  # noqa: N815 - HubSpot's own name


class RecordDecoder:
    """Decodes answers that hold records of one table.

    Args:
        schema: the table; its properties become the fields of the records.
    """

    def __init__(self, schema: TableSchema) -> None:
        """Generate the struct that records are decoded into."""
        self.properties = schema.properties
        self._fields = [f"p{index}" for index in range(len(self.properties))]
        self._by_name = dict(zip(self.properties, self._fields, strict=True))
        properties = msgspec.defstruct(
            "Properties",
            [(name, str | None, None) for name in self._fields],
            rename=dict(zip(self._fields, self.properties, strict=True)),
            gc=False,
        )
        record = msgspec.defstruct(
            "Record",
            [
                ("id", str),
                ("properties", properties),
                ("createdAt", str | None, None),
                ("updatedAt", str | None, None),
                ("archived", bool, False),
                ("archivedAt", str | None, None),
            ],
            gc=False,
        )
        self._page = msgspec.json.Decoder(Page[record]).decode  # type: ignore[valid-type]
        self._lenient = Page[record]  # type: ignore[valid-type]

    def page(self, body: bytes) -> Page[Record]:
        """Decode one answer of a listing, a search or a batch read.

        Raises:
            msgspec.DecodeError: not JSON, or cut short.
            msgspec.ValidationError: JSON of another shape.
        """
        try:
            return self._page(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return msgspec.convert(_load_leniently(body), self._lenient)

    def merged_ids(self, record: Record) -> list[str]:
        """List the ids that were merged into a record."""
        field = self._by_name.get("hs_merged_object_ids")
        text = getattr(record.properties, field) if field else None
        return [id_ for id_ in text.split(";") if id_] if text else []


def _load_leniently(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Read what the fast decoder refuses: values that are no strings, lone surrogates."""
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise msgspec.DecodeError(str(error)) from error
    for record in answer.get("results", ()) if isinstance(answer, dict) else ():
        record["id"] = str(record.get("id", ""))
        properties = record.get("properties") or {}
        record["properties"] = {name: _as_text(value) for name, value in properties.items()}
        for name in ("createdAt", "updatedAt", "archivedAt"):
            record[name] = _as_text(record.get(name))
    return answer


def _as_text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    if value is None or isinstance(value, str):
        return None if value is None else value.encode("utf-8", "replace").decode()
    return json.dumps(value)


# --- columns ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Batch:
    """A block of records as rows of their table, and what did not fit."""

    rows: pa.Table
    rejects: pa.Table


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
        records: as one RecordDecoder of the same schema gave them.
        schema: the table.
        synced_at: aware UTC, when they were read.
        strip_nul: remove NUL characters, for warehouses that cannot hold them.
    """
    ids = [record.id for record in records]
    rejects: list[dict[str, Any]] = []
    fields = [f"p{index}" for index in range(len(schema.columns))]
    texts = _columns([record.properties for record in records], fields)
    arrays: list[pa.Array] = [pa.array(ids, pa.string())]
    for column, values in zip(schema.columns, texts, strict=True):
        array, misfits = _cast(values, column.kind, strip_nul=strip_nul)
        arrays.append(array)
        for index, reason in misfits.items():
            rejects.append(
                {
                    "table_name": schema.table,
                    "id": ids[index],
                    "property": column.property,
                    "raw_value": (values[index] or "").replace("\0", "\\0" if strip_nul else "\0"),
                    "reason": reason,
                    "seen_at": synced_at,
                }
            )
    arrays += _own_columns(records, synced_at)
    rows = pa.Table.from_arrays(arrays, schema=arrow_schema(schema))
    return Batch(rows, pa.Table.from_pylist(rejects, schema=REJECTS))


def _columns(properties: Sequence[Any], fields: Sequence[str]) -> list[tuple[str | None, ...]]:
    if len(fields) == 1:
        return [tuple(getattr(row, fields[0]) for row in properties)]
    return list(zip(*map(attrgetter(*fields), properties), strict=True)) if fields else []


def _cast(
    values: Sequence[str | None], kind: Kind, *, strip_nul: bool
) -> tuple[pa.Array, dict[int, str]]:
    """Cast one column; return it and the reasons for the values that do not fit, by row."""
    texts = pa.array(values, pa.string())
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), TYPES[kind]), {}
    if pc.any(pc.equal(texts, "")).as_py():
        texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    if kind == "text":
        return _strip_nul(texts) if strip_nul else (texts, {})
    fast = FAST[kind](texts)
    if fast is not None:
        return fast, {}
    misfits: dict[int, str] = {}
    casted = []
    for index, text in enumerate(texts.to_pylist()):
        value, reason = SLOW[kind](text) if text is not None else (None, None)
        casted.append(value)
        if reason:
            misfits[index] = reason
    return pa.array(casted, TYPES[kind]), misfits


def _strip_nul(texts: pa.Array) -> tuple[pa.Array, dict[int, str]]:
    found = pc.indices_nonzero(pc.match_substring(texts, "\0").fill_null(False)).to_pylist()
    if not found:
        return texts, {}
    return pc.replace_substring(texts, "\0", ""), dict.fromkeys(found, "nul_character")


def _fast_double(texts: pa.Array) -> pa.Array | None:
    """Cast plain numbers of few digits; None where a value needs a closer look."""
    if (pc.max(pc.binary_length(texts)).as_py() or 0) > EXACT_DIGITS + 1:
        return None
    if not pc.all(pc.match_substring_regex(texts, r"^-?[0-9]+(\.[0-9]+)?$")).as_py():
        return None
    return pc.cast(texts, pa.float64())


def _fast_bool(texts: pa.Array) -> pa.Array | None:
    true = pc.equal(texts, "true")
    return true if pc.all(pc.or_(true, pc.equal(texts, "false"))).as_py() else None


def _fast_date(texts: pa.Array) -> pa.Array | None:
    if not pc.all(pc.match_substring_regex(texts, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")).as_py():
        return None
    try:
        return pc.cast(texts, pa.date32())
    except pa.ArrowInvalid:
        return None


def _fast_timestamp(texts: pa.Array) -> pa.Array | None:
    iso = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$"
    if not pc.all(pc.match_substring_regex(texts, iso)).as_py():
        return None
    try:
        return pc.cast(texts, TIMESTAMP)
    except pa.ArrowInvalid:
        return None


FAST: dict[Kind, Callable[[pa.Array], pa.Array | None]] = {
    "double": _fast_double,
    "bool": _fast_bool,
    "date": _fast_date,
    "timestamp": _fast_timestamp,
}


def _to_double(text: str) -> Misfit:
    try:
        exact = Decimal(text.strip())
    except InvalidOperation:
        return None, "not_a_number"
    if not exact.is_finite() or "_" in text:
        return None, "not_a_number"
    value = float(exact)
    if math.isinf(value):
        return None, "out_of_range"
    return value, None if Decimal(repr(value)) == exact else "precision"


BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _to_bool(text: str) -> Misfit:
    value = BOOLS.get(text.strip().lower())
    return value, "not_a_bool" if value is None else None


def _to_timestamp(text: str) -> Misfit:
    value, out_of_range = _instant(text.strip())
    return value, None if value else "out_of_range" if out_of_range else "not_a_timestamp"


def _to_date(text: str) -> Misfit:
    value, out_of_range = _instant(text.strip())
    if value is None:
        return None, "out_of_range" if out_of_range else "not_a_date"
    return value.date(), None


def _instant(text: str) -> tuple[datetime | None, bool]:
    """Read ISO text or epoch milliseconds; tell of what is neither whether it is out of range."""
    try:
        return EPOCH + timedelta(milliseconds=float(text)), False
    except (OverflowError, ValueError):
        if text.replace(".", "", 1).lstrip("-").isdigit():
            return None, True
    if "-" not in text:
        return None, False
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC), False
    except OverflowError:
        return None, True
    except ValueError:
        return None, False


SLOW: dict[Kind, Callable[[str], Misfit]] = {
    "double": _to_double,
    "bool": _to_bool,
    "date": _to_date,
    "timestamp": _to_timestamp,
}


def _own_columns(records: Sequence[Record], synced_at: datetime) -> list[pa.Array]:
    archived = [record.archived for record in records]
    updated = _instants([record.updatedAt for record in records])
    gone = [r.archivedAt or r.updatedAt if r.archived else None for r in records]
    deletion = ["archived" if flag else None for flag in archived]
    size = len(records)
    return [
        _instants([record.createdAt for record in records]),
        updated,
        pa.array(archived, pa.bool_()),
        _instants(gone),
        pa.array(deletion, pa.string()),
        pa.nulls(size, pa.string()),
        pa.repeat(pa.scalar(synced_at, TIMESTAMP), size),
    ]


def _instants(values: Sequence[str | None]) -> pa.Array:
    return _cast(values, "timestamp", strip_nul=False)[0]


def tombstones(merged: Mapping[str, str], schema: TableSchema, *, synced_at: datetime) -> pa.Table:
    """Make rows for ids that were merged away: no values, only what became of them.

    Args:
        merged: old id -> id of the survivor.
        schema: the table.
        synced_at: aware UTC, when that was seen.
    """
    own: dict[str, Any] = {
        "_hs_archived": True,
        "_hs_deleted_at": synced_at,
        "_hs_deletion": "merged",
        "_hs_synced_at": synced_at,
    }
    rows = [{"id": old, "_hs_merged_into": survivor, **own} for old, survivor in merged.items()]
    return pa.Table.from_pylist(rows, schema=arrow_schema(schema))


def instants_ms(records: Sequence[Record]) -> dict[str, int]:
    """Tell by id when records were last changed, in epoch milliseconds."""
    at = pc.cast(_instants([record.updatedAt for record in records]), pa.int64()).to_pylist()
    return {r.id: (us or 0) // 1000 for r, us in zip(records, at, strict=True)}
