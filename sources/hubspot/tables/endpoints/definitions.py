"""How property definitions and other objects become the rows of tables with own readers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from ...catalog.endpoints import TABLES
from ..properties import Definition
from ..records import Batch
from .batches import Reading, arrow_schema, to_batch
from .items import Items, Row, to_text

EMPTY_MARK = "_hs_empty"
"""Column of the one row that stands for a scope without rows: it is never kept."""
_EPOCH = datetime.fromtimestamp(0, UTC)
PATH = "$"
"""A row's own member for its place in HubSpot's response; HubSpot has none of this name."""


def rows_batch(
    table: str, rows: Sequence[Row], *, seen_at: datetime, strip_nul: bool = False
) -> Batch:
    """Turn rows, each with its place under `PATH`, into those of a table; see `to_batch`.

    Raises:
        ContractError: a row lacks its key; the message has its JSON path.
    """
    items = Items([*rows], [{}] * len(rows), [str(row.get(PATH, table)) for row in rows])
    return to_batch(TABLES[table], items, Reading(seen_at, strip_nul))


def empty_rows(table: str, keys: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Make the rows by which all rows with some values of key columns go; none of them stays."""
    one, instead = TABLES[table], {"integer": 0, "timestamp": _EPOCH, "date": _EPOCH.date()}
    kinds = {column.name: column.cast for column in one.fields}
    empty = {name: instead.get(kinds[name], "0") for name in one.keys}
    rows = pa.Table.from_pylist([{**empty, **key} for key in keys], schema=arrow_schema(table))
    return rows.append_column(EMPTY_MARK, pa.array([True] * len(keys)))


def rows_at(rows: object, path: str) -> list[dict[str, Any]]:
    """Return the objects of a list with their places in the response; none where it is no list."""
    found = rows if isinstance(rows, list) else []
    return [
        {**row, PATH: f"{path}[{index}]"}
        for index, row in enumerate(found)
        if isinstance(row, Mapping)
    ]


def definition_rows(object_type: str, definitions: Sequence[Definition]) -> dict[str, list[Row]]:
    """Return the rows of the tables of properties and their options; the last of equals counts."""
    properties: list[Row] = []
    options: dict[tuple[str, str], Row] = {}
    for one in definitions:
        own = {"object_type": object_type, "name": one.name}
        properties.append({**one.given, **own, "options": one.given.get("options") or []})
        for option in rows_at(one.given.get("options"), f"{one.name}.options"):
            value = to_text(option.get("value")) or ""
            key = {"object_type": object_type, "property": one.name, "value": value}
            options[one.name, value] = {**option, **key}
    return {"properties": properties, "property_options": list(options.values())}
