"""Tables without rows, so that a dataset has each documented table from its first load on."""

from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow as pa
from dlt.common.configuration.container import Container
from dlt.common.destination.capabilities import (
    DestinationCapabilitiesContext,
    adjust_schema_to_capabilities,
)
from dlt.common.libs.pyarrow import py_arrow_to_table_schema_columns
from dlt.common.schema.typing import TTableSchema
from dlt.common.schema.utils import merge_columns, normalize_table_identifiers
from dlt.extract.items import TableNameMeta

from .run import Run


def is_missing(table: str) -> bool:
    """Whether the dataset has no such table, as far as its schema says."""
    known = dlt.current.source_schema().tables.get(table, {})
    return not any("data_type" in column for column in known.get("columns", {}).values())


def if_missing(run: Run, table: str, columns: pa.Schema) -> Iterator[Any]:
    """Have a table of this resource made without rows, unless the dataset has all of it.

    Where the warehouse is asked in SQL, `make_declared` makes all such tables at once. Elsewhere
    each takes a file without rows, and a job that loads it.
    """
    schema = dlt.current.source_schema()
    known = schema.tables.get(table, {}).get("columns", {})
    if all("data_type" in known.get(name, {}) for name in columns.names):
        return
    if run.view is None or not run.view.makes_tables:
        yield dlt.mark.with_table_name(columns.empty_table(), table)
        return
    schema.update_table(_described(table, columns))
    run.load.declared.add(table)


def make_declared(run: Run) -> None:
    """Make the tables that this load has declared, before it is stored that they are there."""
    if run.view is not None and run.load.declared:
        run.view.make_tables(dlt.current.source_schema(), sorted(run.load.declared))


def _described(table: str, columns: pa.Schema) -> TTableSchema:
    """Describe a table as dlt does when this resource yields a file of these columns for it."""
    naming = dlt.current.source_schema().naming
    described = dlt.current.resource().compute_table_schema(None, TableNameMeta(table))
    described = normalize_table_identifiers(described, naming)
    caps = Container()[DestinationCapabilitiesContext]
    own = adjust_schema_to_capabilities(py_arrow_to_table_schema_columns(columns), caps)
    described["columns"] = merge_columns(own, described["columns"])
    described["x-normalizer"] = {"seen-data": True}  # so dlt says it has been made
    return described
