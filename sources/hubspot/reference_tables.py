"""The reference tables as data: their columns and keys, and how HubSpot's objects become rows."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from .changes import instant_ms

TIMESTAMP = pa.timestamp("us", tz="UTC")
Row = Mapping[str, Any]

COLUMNS: dict[str, dict[str, pa.DataType]] = {
    "owners": {
        "id": pa.string(),
        "email": pa.string(),
        "type": pa.string(),
        "first_name": pa.string(),
        "last_name": pa.string(),
        "user_id": pa.int64(),
        "user_id_including_inactive": pa.int64(),
        "archived": pa.bool_(),
        "teams": pa.string(),
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
    },
    "pipelines": {
        "object_type": pa.string(),
        "id": pa.string(),
        "label": pa.string(),
        "display_order": pa.int64(),
        "archived": pa.bool_(),
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
    },
    "pipeline_stages": {
        "object_type": pa.string(),
        "pipeline_id": pa.string(),
        "id": pa.string(),
        "label": pa.string(),
        "display_order": pa.int64(),
        "metadata": pa.string(),
        "write_permissions": pa.string(),
        "archived": pa.bool_(),
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
    },
    "properties": {
        "object_type": pa.string(),
        "name": pa.string(),
        "label": pa.string(),
        "type": pa.string(),
        "field_type": pa.string(),
        "group_name": pa.string(),
        "description": pa.string(),
        "calculated": pa.bool_(),
        "has_unique_value": pa.bool_(),
        "hidden": pa.bool_(),
        "hubspot_defined": pa.bool_(),
        "external_options": pa.bool_(),
        "referenced_object_type": pa.string(),
        "archived": pa.bool_(),
    },
    "property_options": {
        "object_type": pa.string(),
        "property": pa.string(),
        "value": pa.string(),
        "label": pa.string(),
        "display_order": pa.int64(),
        "hidden": pa.bool_(),
        "description": pa.string(),
    },
    "association_labels": {
        "pair": pa.string(),
        "from_object_type": pa.string(),
        "to_object_type": pa.string(),
        "type_id": pa.int64(),
        "category": pa.string(),
        "label": pa.string(),
    },
    "object_types": {
        "table_name": pa.string(),
        "object_type_id": pa.string(),
        "name": pa.string(),
        "fully_qualified_name": pa.string(),
        "singular_label": pa.string(),
        "plural_label": pa.string(),
        "custom": pa.bool_(),
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
    },
    "account": {
        "portal_id": pa.int64(),
        "account_type": pa.string(),
        "time_zone": pa.string(),
        "company_currency": pa.string(),
        "additional_currencies": pa.string(),
        "utc_offset": pa.string(),
        "utc_offset_milliseconds": pa.int64(),
        "ui_domain": pa.string(),
        "data_hosting_location": pa.string(),
    },
    "_hs_columns": {
        "table_name": pa.string(),
        "property": pa.string(),
        "column_name": pa.string(),
        "hubspot_type": pa.string(),
        "label": pa.string(),
        "since_at": TIMESTAMP,
    },
}
"""Every table with its columns; a column takes HubSpot's member of the same name in camel case."""

TABLES: dict[str, tuple[str, ...]] = {
    "account": ("account",),
    "object_types": ("object_types",),
    "owners": ("owners",),
    "pipelines": ("pipelines", "pipeline_stages"),
    "properties": ("properties", "property_options", "_hs_columns"),
    "association_labels": ("association_labels",),
}
"""Resources and the tables they bring."""

KEYS: dict[str, tuple[str, ...]] = {
    "owners": ("id",),
    "pipelines": ("object_type", "id"),
    "pipeline_stages": ("object_type", "pipeline_id", "id"),
    "properties": ("object_type", "name"),
    "property_options": ("object_type", "property", "value"),
    "association_labels": ("pair", "type_id"),
    "object_types": ("table_name",),
    "account": ("portal_id",),
    "_hs_columns": ("table_name", "property", "column_name"),
}

SCOPES: dict[str, str] = {
    "pipelines": "object_type",
    "pipeline_stages": "object_type",
    "properties": "object_type",
    "property_options": "object_type",
    "association_labels": "pair",
    "_hs_columns": "table_name",
}
"""Tables that are replaced by this column's value, one object type at a time; others whole."""


EMPTY_MARK = "_hs_empty"
"""Column of the one row that stands for a scope without rows: it is never kept."""


def no_rows(table: str, scope: str) -> pa.Table:
    """Make the row by which a scope loses all of its rows."""
    keys = {name: scope if name == SCOPES[table] else "0" for name in KEYS[table]}
    rows = to_rows(table, [keys])
    return rows.append_column(EMPTY_MARK, pa.array([True]))


def to_rows(table: str, rows: Iterable[Row]) -> pa.Table:
    """Make an Arrow table of HubSpot's objects; lists and objects become JSON text."""
    columns = COLUMNS[table]
    fields = [
        pa.field(name, kind, nullable=name not in KEYS[table]) for name, kind in columns.items()
    ]
    values: dict[str, list[Any]] = {name: [] for name in columns}
    for row in rows:
        for name, kind in columns.items():
            values[name].append(_cast(row.get(_camel(name), row.get(name)), kind))
    return pa.table(values, schema=pa.schema(fields))


def _cast(value: Any, kind: pa.DataType) -> Any:  # noqa: ANN401 - JSON in, Arrow's Python values out
    if value is None:
        return None
    if kind == TIMESTAMP:
        at = instant_ms(value) if isinstance(value, str) else None
        return value if at is None else datetime.fromtimestamp(at / 1000, UTC)
    if kind == pa.string():
        return value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return int(value) if kind == pa.int64() else bool(value)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
