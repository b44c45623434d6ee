"""Page bytes -> typed Arrow: the only transformation a record goes through.

A page is decoded in one step into structs with one field per property; blocks of records become
columns, cast all at once (see `casts`). Every value that does not fit leaves a row of rejects, with
one of the reasons of `casts`, or `invalid_unicode` (what is no character became U+FFFD).
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import astuple

from .casts import TIMESTAMP, TYPES, cast
from .model import Kind, Page, TableSchema

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

_MENDED = "_hs_mended"  # HubSpot sends no such member
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|\\')
_NO_ESCAPE = "\udc5c"  # a backslash, as `surrogateescape` writes a byte that is no character
_TOGETHER = 16  # columns of a kind that one cast takes: fewer calls, and all still in the cache
_LONGEST_INTEGER = 4_000  # digits; Python reads no more than 4,300
_UNFIT_NAME = re.compile('["\\\\\x00-\x1f\ud800-\udfff]')  # msgspec takes no such member names


class Record(Protocol):
    """A record as HubSpot gives it; `properties` has one field per column."""

    id: str
    properties: Any
    createdAt: str | None  # noqa: N815 - HubSpot's own name
    updatedAt: str | None  # noqa: N815 - HubSpot's own name
    archived: bool
    archivedAt: str | None  # noqa: N815 - HubSpot's own name
    mended: dict[str, str] | None
    """Texts that held what is no character, escaped, by property."""


class RecordDecoder:
    """Decodes answers that hold records of one table; safe to share between threads.

    Args:
        schema: the table; its properties become the fields of the records, in its order.
    """

    def __init__(self, schema: TableSchema) -> None:
        """Generate the struct that records are decoded into."""
        self.properties = schema.properties
        fields = [f"p{index}" for index in range(len(self.properties))]
        self._by_name = dict(zip(self.properties, fields, strict=True))
        self._members = {
            name: f"\x7f{name_of_field}" if _UNFIT_NAME.search(name) else name
            for name, name_of_field in self._by_name.items()
        }
        record: Any = _record_type(dict(zip(fields, self._members.values(), strict=True)))
        self._page_type = Page[record]
        self._decode: Callable[[bytes], Page[Record]] = msgspec.json.Decoder(self._page_type).decode
        self._only_slowly = list(self._members.values()) != list(self.properties)

    def page(self, body: bytes) -> Page[Record]:
        """Decode one answer of a listing, a search or a batch read.

        Guarantees: a page that is JSON of this shape is never lost, whatever its values are:
        numbers, booleans and objects become their text, ids may be numbers, of equal members
        the last counts; escapes, bytes and surrogates that are no character are replaced and
        remembered.

        Raises:
            msgspec.ValidationError: JSON of another shape.
            msgspec.DecodeError: not JSON, or cut short.
        """
        if self._only_slowly:
            return self._decode_slowly(body)
        try:
            return self._decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._decode_slowly(body)

    def merged_ids(self, record: Record) -> list[str]:
        """List the ids that were merged into a record, never its own."""
        member = self._by_name.get("hs_merged_object_ids")
        text = getattr(record.properties, member) if member else None
        ids = dict.fromkeys(id_.strip() for id_ in (text or "").split(";"))
        return [id_ for id_ in ids if id_ and id_ != record.id]

    def _decode_slowly(self, body: bytes) -> Page[Record]:
        """Read what the fast decoder refuses."""
        try:
            answer = _loads(body)
            results = answer.get("results") if isinstance(answer, dict) else None
            for record in results if isinstance(results, list) else ():
                if isinstance(record, dict):
                    self._mend(record)
        except (ValueError, RecursionError) as error:
            raise msgspec.DecodeError(str(error)) from error
        try:
            page: Page[Record] = msgspec.convert(answer, self._page_type)
        except UnicodeEncodeError as error:  # the name of a member, which is HubSpot's own
            raise msgspec.ValidationError(str(error)) from error
        return page

    def _mend(self, record: dict[str, Any]) -> None:
        """Make a record's values text, in the shape of the struct."""
        id_ = record.get("id")
        if type(id_) is int or isinstance(id_, str):
            record["id"] = _replaced(str(id_))
        for name in ("createdAt", "updatedAt", "archivedAt"):
            record[name] = _replaced(_as_text(record.get(name)) or "")
        record["archived"] = record.get("archived") or False
        properties = record.get("properties")
        if not isinstance(properties, dict):
            return
        texts = {name: _as_text(properties.get(name)) for name in self._members}
        broken = {name: text for name, text in texts.items() if text and _SURROGATE.search(text)}
        texts |= {name: _replaced(text) for name, text in broken.items()}
        record["properties"] = {self._members[name]: text for name, text in texts.items()}
        record[_MENDED] = {
            name: text.replace(_NO_ESCAPE, "\\").encode("utf-8", "backslashreplace").decode()
            for name, text in broken.items()
        }


def _record_type(members: Mapping[str, str]) -> Any:  # noqa: ANN401 - a generated type
    """Generate the struct of a record; `members`: field -> name of the property in JSON."""
    text = str | None
    properties = msgspec.defstruct(
        "Properties", [(name, text, None) for name in members], rename=members, gc=False
    )
    return msgspec.defstruct(
        "Record",
        [
            ("id", str),
            ("properties", properties),
            ("createdAt", text, None),
            ("updatedAt", text, None),
            ("archived", bool, False),
            ("archivedAt", text, None),
            ("mended", dict[str, str] | None, None),
        ],
        rename={"mended": _MENDED},
        gc=False,
    )


@dataclass(frozen=True, slots=True)
class _Number:
    """A JSON number that Python would round or refuse."""

    text: str


def _loads(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Read JSON whose strings may hold anything, numbers with all their digits."""
    text = body.decode("utf-8-sig", "surrogateescape")
    return json.loads(
        _ESCAPE.sub(lambda found: found[0] if len(found[0]) > 1 else _NO_ESCAPE, text),
        parse_int=lambda digits: int(digits) if len(digits) < _LONGEST_INTEGER else _Number(digits),
        parse_float=_Number,
        parse_constant=_Number,
        strict=False,
    )


def _as_text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Return a value's text; of anything but a string its JSON."""
    return value if value is None or isinstance(value, str) else _json(value)


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON
    if isinstance(value, _Number):
        return value.text
    if isinstance(value, list):
        return f"[{', '.join([_json(item) for item in value])}]"
    if isinstance(value, dict):
        members = [f"{_json(name)}: {_json(item)}" for name, item in value.items()]
        return f"{{{', '.join(members)}}}"
    return json.dumps(value, ensure_ascii=False)


def _replaced(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)


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
        for name, raw in (record.mended or {}).items():
            block.reject(record.id, name, raw, "invalid_unicode")
    table = pa.Table.from_arrays(arrays, schema=arrow_schema(schema))
    return Batch(table, block.rejects(schema.table, synced_at))


@dataclass(frozen=True, slots=True)
class _Block:
    """The ids of a block of records, and the values of theirs that did not fit."""

    ids: list[str]
    strip_nul: bool = field(kw_only=True)
    found: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """Raw text and reason by id and property."""

    def cast(
        self, names: Sequence[str], kind: Kind, values: Sequence[str | None]
    ) -> dict[str, pa.Array]:
        """Cast the values of some properties: of the first one for every id, then of the next."""
        array, reasons = cast(values, kind, strip_nul=self.strip_nul)
        size = len(self.ids)
        for index, reason in reasons.items():
            column, row = divmod(index, size)
            self.reject(self.ids[row], names[column], values[index] or "", reason)
        return {name: array.slice(at * size, size) for at, name in enumerate(names)}

    def reject(self, id_: str, name: str, raw: str, reason: str) -> None:
        """Note a value that did not fit."""
        self.found[id_, name] = (raw.replace("\0", "\\0") if self.strip_nul else raw, reason)

    def rejects(self, table: str, seen_at: datetime) -> pa.Table:
        """Return what did not fit as a table."""
        rows = [(table, *key, raw, reason, seen_at) for key, (raw, reason) in self.found.items()]
        columns: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else [()] * len(REJECTS)
        arrays = [pa.array(v, kind) for v, kind in zip(columns, REJECTS.types, strict=True)]
        return pa.Table.from_arrays(arrays, schema=REJECTS)


def _property_columns(
    block: _Block, records: Sequence[Record], schema: TableSchema
) -> list[pa.Array]:
    """Make the columns of properties, in the order of the schema."""
    rows = [astuple(record.properties) for record in records]
    texts = zip(*rows, strict=True) if rows else [()] * len(schema.columns)
    arrays: dict[str, pa.Array] = {}
    groups: dict[Kind, tuple[list[str], list[str | None]]] = {kind: ([], []) for kind in TYPES}
    for column, values in zip(schema.columns, texts, strict=True):
        names, flat = groups[column.kind]
        names.append(column.property)
        flat.extend(values)
        if len(names) == _TOGETHER:
            arrays |= block.cast(names, column.kind, flat)
            groups[column.kind] = ([], [])
    for kind, (names, flat) in groups.items():
        arrays |= block.cast(names, kind, flat)
    return [arrays[column.property] for column in schema.columns]


def _own_columns(
    block: _Block, records: Sequence[Record], synced_at: pa.TimestampScalar
) -> list[pa.Array]:
    """Make the columns that start with `_hs_`, in the order of OWN_COLUMNS."""
    names = ("createdAt", "updatedAt", "archivedAt")
    texts = [getattr(record, name) for name in names for record in records]
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
    """Tell by id when records were last changed, in epoch milliseconds; 0 where that is unknown."""
    at, _ = cast([record.updatedAt for record in records], "timestamp")
    microseconds = pc.cast(at, pa.int64()).to_pylist()
    return {r.id: (us or 0) // 1000 for r, us in zip(records, microseconds, strict=True)}
