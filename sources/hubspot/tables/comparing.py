"""Rows made from the portal's records against the rows in the warehouse, value by value."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from ..model import REJECTS, Column, TableSchema, View
from .decoding import Record
from .records import to_batch

_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)  # when rows were read is not compared


def compare(
    view: View,
    schema: TableSchema,
    records: Sequence[Record],
    own: Sequence[str] = (),
    *,
    archived: bool = False,
    strip_nul: bool = False,
) -> tuple[dict[str, list[str]], list[str]]:
    """Compare records with the live rows of their table, or archived ones with its tombstones.

    Args:
        view: the warehouse.
        schema: the property columns that are compared; those that the records were decoded by.
        records: all live, or all archived.
        own: columns of ours that are compared too, such as `_hs_updated_at`.
        archived: which of both.
        strip_nul: whether the warehouse keeps no NUL characters.

    Returns:
        The columns that differ, by id, and the ids that the table has no such row of.
    """
    columns = [*(column.name for column in schema.columns), *own]
    batch = to_batch(records, schema, synced_at=_ANY_TIME, strip_nul=strip_nul)
    theirs = _rows(batch.rows, columns)
    found = view.rows(schema.table, ("id", "_hs_deleted_at", *columns), list(theirs))
    held = [row for row in found if (row[1] is not None) is archived]
    ours = {row[0]: [_plain(value) for value in row[2:]] for row in held}
    differing = {
        id_: _unequal(columns, values, ours[id_])
        for id_, values in theirs.items()
        if id_ in ours and values != ours[id_]
    }
    for id_, name in _rejected_differently(view, schema, batch.rejects, list(ours)):
        differing.setdefault(id_, []).append(name)
    return differing, [id_ for id_ in theirs if id_ not in ours]


def _unequal(columns: Sequence[str], one: Sequence[Any], other: Sequence[Any]) -> list[str]:
    """Name the columns in which two rows differ."""
    return [name for name, a, b in zip(columns, one, other, strict=True) if a != b]


def _rejected_differently(
    view: View, schema: TableSchema, rejects: pa.Table, ids: Sequence[str]
) -> set[tuple[str, str]]:
    """Return ids and columns whose values do not fit, where the table of rejects says otherwise."""
    columns = {column.property: column.name for column in schema.columns}
    members = ("id", "property", "raw_value")
    theirs = {tuple(row[name] for name in members) for row in rejects.to_pylist()}
    ours = {
        row[:3]
        for row in view.rows(REJECTS, (*members, "table_name"), ids)
        if row[3] == schema.table and row[1] in columns
    }
    known = {row for row in theirs if row[0] in {*ids}}
    return {(id_, columns[name]) for id_, name, _ in known ^ ours if name in columns}


def sub_schema(schema: TableSchema, columns: Sequence[Column]) -> TableSchema:
    """Return the schema of some columns of a table."""
    return replace(schema, columns=tuple(columns), calculated=())


def _rows(table: pa.Table, columns: Sequence[str]) -> dict[str, list[Any]]:
    values = [table.column(name).to_pylist() for name in columns]
    rows = zip(*values, strict=True) if values else [()] * table.num_rows
    ids = table.column("id").to_pylist()
    return {id_: [_plain(value) for value in row] for id_, row in zip(ids, rows, strict=True)}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a column
    """Return a value as both sides write it; instants in UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value
