"""What a load brings takes the place of older rows: all of a key go, then the new ones come."""

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset
from dlt.common.schema.utils import (
    get_columns_names_with_prop,
    get_dedup_sort_tuple,
    get_first_column_name_with_prop,
)

from ..translate import named
from .dlt_files import DltFiles
from .formats import BATCH_ROWS, FileTable, among
from .reading import in_memory

Described = Any  # a table of a schema, prepared by dlt to be loaded
FILTERED = 50_000
"""Values of a column that a scan picks rows by; for more, all rows are scanned."""

_FIT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer)


def merge(table: FileTable, described: Described, files: Sequence[str]) -> None:
    """Merge rows into a table as dlt's delete-insert does in SQL.

    Args:
        table: that has all their columns.
        described: its merge key, or else its primary key, says which rows give way.
        files: Parquet files with the rows.
    """
    keys = get_columns_names_with_prop(described, "merge_key")
    keys = keys or get_columns_names_with_prop(described, "primary_key")
    with in_memory() as connection:
        connection.register("staged", pyarrow.dataset.dataset([*files]))
        news = _news(described)
        if not keys:
            table.append(connection.execute(news).to_arrow_reader(BATCH_ROWS))
            return
        replace_keys(connection, table, keys, news)


def _news(described: Described) -> str:
    """Return the rows that come: the best of each primary key, without those that only delete."""
    sql = "SELECT * FROM staged"
    if primary := get_columns_names_with_prop(described, "primary_key"):
        order = "NULL"
        if sort := get_dedup_sort_tuple(described):
            order = f"{named(sort[0])} {sort[1]}"
        listed = ", ".join(map(named, primary))
        sql += f" QUALIFY row_number() OVER (PARTITION BY {listed} ORDER BY {order}) = 1"
    if deleting := get_first_column_name_with_prop(described, "hard_delete"):
        is_bool = described["columns"][deleting].get("data_type") == "bool"
        stays = "IS NOT TRUE" if is_bool else "IS NULL"
        sql = f"SELECT * FROM ({sql}) WHERE {named(deleting)} {stays}"
    return sql


def replace_keys(
    connection: duckdb.DuckDBPyConnection, table: FileTable, keys: Sequence[str], news: str
) -> None:
    """Put rows in the place of those of a table that have the keys of the rows `staged`.

    Args:
        connection: with `staged`.
        table: that changes.
        keys: columns that they have in common; a null equals a null.
        news: the statement that yields the rows that come.
    """
    lead = None if isinstance(table, DltFiles) else leading(table.schema, keys)
    asked = f"SELECT DISTINCT {named(lead or keys[0])} FROM staged LIMIT {FILTERED + 1}"
    values = connection.execute(asked).to_arrow_table().column(0).combine_chunks()
    if not len(values):
        return
    lead = lead if len(values) <= FILTERED else None
    if len(keys) > 1 or lead is None:
        same = " AND ".join(f"s.{named(key)} IS NOT DISTINCT FROM t.{named(key)}" for key in keys)
        connection.register("held", held_rows(table, lead, values) if lead else table.dataset())
        stay = f"SELECT * FROM held t WHERE NOT EXISTS (SELECT 1 FROM staged s WHERE {same})"
        news = f"({stay}) UNION ALL BY NAME ({news})"
    rows = connection.execute(news).to_arrow_reader(BATCH_ROWS)
    if lead:
        table.replace(lead, values.cast(table.schema.field(lead).type), rows)
    else:
        table.overwrite(rows)


def leading(schema: pa.Schema, columns: Sequence[str]) -> str | None:
    """Return the first of some columns by which rows are picked: of texts or whole numbers."""
    for name in columns:
        kind = schema.field(name).type if name in schema.names else pa.null()
        if any(is_fit(kind) for is_fit in _FIT):
            return name
    return None


def held_rows(table: FileTable, column: str, values: pa.Array) -> pa.RecordBatchReader:
    """Return the rows of a table whose column has one of some values."""
    values = values.cast(table.schema.field(column).type)
    return table.dataset().scanner(filter=among(column, values)).to_reader()
