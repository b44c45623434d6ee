"""Tables without rows, so that a dataset has each documented table from its first load on."""

from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow as pa


def is_missing(table: str) -> bool:
    """Whether the dataset has no such table, as far as its schema says."""
    known = dlt.current.source_schema().tables.get(table, {})
    return not any("data_type" in column for column in known.get("columns", {}).values())


def if_missing(table: str, columns: pa.Schema) -> Iterator[Any]:
    """Yield a table without rows, by which dlt makes it, unless the dataset has all of it."""
    known = dlt.current.source_schema().tables.get(table, {}).get("columns", {})
    if not all("data_type" in known.get(name, {}) for name in columns.names):
        yield dlt.mark.with_table_name(columns.empty_table(), table)
