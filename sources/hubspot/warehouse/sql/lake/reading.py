"""DuckDB in memory with a view on each table of a dataset: opened when a statement names it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import duckdb
import sqlglot
from dlt.common.schema import Schema
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.destinations.impl.duckdb.factory import duckdb as duckdb_destination
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.destinations.sql_client import raise_database_error
from sqlglot import exp

from .dlt_files import FILE
from .formats import FileTable


class Lake(Protocol):
    """Where the tables are."""

    schema: Schema
    dataset_name: str

    def is_storage_initialized(self) -> bool:
        """Whether there is a dataset."""

    def changes(self, name: str) -> int:
        """Count how often this process has changed a table."""

    def names(self) -> Iterable[str]:
        """Return the names of all tables."""

    def table(self, name: str) -> FileTable | None:
        """Return a table as it is by now; None where there is none."""


_CATALOG = re.compile(r"information_schema|duckdb_|pg_catalog|\bshow\b", re.IGNORECASE)
"""What asks which tables there are."""


def in_memory() -> duckdb.DuckDBPyConnection:
    """Open an empty database in memory, whose instants are in UTC."""
    connection = duckdb.connect(":memory:", config={"preserve_insertion_order": False})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


class LakeSqlClient(DuckDbSqlClient):
    """Asks the tables of a dataset; they are changed by `LakeTables`."""

    def __init__(self, lake: Lake, dataset: str, staging: str) -> None:
        """Remember whose tables it asks; nothing is opened."""
        super().__init__(
            dataset, staging, DuckDbCredentials(":memory:"), duckdb_destination().capabilities()
        )
        self.lake = lake
        self._seen: dict[str, int] = {}
        """Which change of each table its view shows."""

    def open_connection(self) -> duckdb.DuckDBPyConnection:
        """Open an empty database in memory."""
        self._seen = {}
        self._conn = in_memory()
        self._conn.execute(f"CREATE SCHEMA IF NOT EXISTS {self.fully_qualified_dataset_name()}")
        self._conn.execute(f"USE {self.fully_qualified_dataset_name()}")
        return self._conn

    def close_connection(self) -> None:
        """Close it, with all its views."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None  # type: ignore[assignment]

    def has_dataset(self) -> bool:
        """Whether there is such a dataset; there is none of staging."""
        return self.dataset_name == self.lake.dataset_name and self.lake.is_storage_initialized()

    @contextmanager
    @raise_database_error
    def execute_query(self, query: str, *args: Any, **kwargs: Any) -> Iterator[Any]:  # type: ignore[override]  # noqa: ANN401 - dlt's signature
        """Run a statement, on tables as they are by now."""
        values = args or kwargs or None
        cursor = self._run(query.replace("%s", "?") if values else query, values)
        yield self.cursor_impl(cursor)  # type: ignore[arg-type]

    def _run(self, query: str, values: Any) -> duckdb.DuckDBPyConnection:  # noqa: ANN401
        for table, seen in [*self._seen.items()]:
            if self.lake.changes(table) != seen:
                self._show(table)
        if _CATALOG.search(query):
            for table in {*self.lake.names()} - self._seen.keys():
                self._show(table)
        try:
            return self._conn.execute(query, values)
        except duckdb.CatalogException:
            shown = {table: self._show(table) for table in self._unseen(query)}
            if not any(shown.values()):
                raise
            return self._conn.execute(query, values)

    def _unseen(self, query: str) -> Sequence[str]:
        with suppress(sqlglot.ParseError):
            found = sqlglot.parse_one(query, read="duckdb").find_all(exp.Table)
            return sorted({table.name for table in found} - self._seen.keys())
        return []

    def _show(self, table: str) -> bool:
        """Make the view on a table, or take it away; whether there is such a table."""
        view = self.make_qualified_table_name(table)
        seen = self.lake.changes(table)
        found = self.lake.table(table) if self.has_dataset() else None
        if found is None:
            self._seen.pop(table, None)
            self._conn.execute(f"DROP VIEW IF EXISTS {view}")
            return False
        rows = f"hs:{table}"
        self._conn.register(rows, found.dataset())
        shown = f"* EXCLUDE ({FILE})" if FILE in found.schema.names else "*"
        name = self.escape_column_name(rows, casefold=False)
        self._conn.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT {shown} FROM temp.{name}")
        self._seen[table] = seen
        return True
