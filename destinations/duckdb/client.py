"""How DuckDB's tables are written: names kept apart, and memory for wide tables."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import LoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.schema import Schema
from dlt.common.schema.typing import (
    TColumnSchema,
    TColumnType,
    TSchemaTables,
    TTableSchema,
    TTableSchemaColumns,
)
from dlt.common.schema.utils import is_nested_table
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from duckdb import OutOfMemoryException, TransactionException
from pyarrow.parquet import ParquetFile

from ..connections import OPEN
from .file import LITTLE_MEMORY

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MUCH_MEMORY_BYTES = 2 * 1024**3
_MERGED_COLUMNS = 40  # from this many on a merge may need more than little memory
_ADDED_COLUMNS = 300  # and adding rows
_LONG_ROW_BYTES = 32 * 1024  # so may rows that are this long: DuckDB holds 2,048 of them at a time
_SMALL_FILE_BYTES = 256 * 1024  # packed; no rows of such a file, however long, need much memory

_IDLE_MEMORY = "8MiB"  # of blocks that DuckDB keeps from one load to the next

_AT_ONCE = 50  # tables that one question is about: DuckDB takes half a MiB for each
_TABLES = (
    "SELECT table_name FROM duckdb_tables()"
    " WHERE database_name = current_database() AND schema_name = %s"
)


class QualifyingSqlClient(DuckDbSqlClient):
    """Writes `database.schema.table` where DuckDB finds `schema.table` ambiguous.

    DuckDB calls a database like its file, up to the first dot, and refuses a reference that may
    mean the database or the schema.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - dlt's signature
        """Let DuckDB write large loads to its file at once, as is its default.

        dlt lets it write up to a gigabyte to its log first, and all of it again at the end.
        """
        super().__init__(*args, **kwargs)
        self._global_config.pop("checkpoint_threshold", None)
        self._pragmas = []  # dlt turns on what is on by default, on each connection

    def catalog_name(self, quote: bool = True, casefold: bool = True) -> str | None:  # noqa: FBT001, FBT002, ARG002 - dlt's signature
        """Return the database's name where it must be written, else None."""
        database = Path(str(self.credentials.database)).name.partition(".")[0]
        if database.casefold() != self.dataset_name.casefold():
            return None
        return self.capabilities.escape_identifier(database) if quote else database

    def open_connection(self) -> "DuckDBPyConnection":
        """Open a connection, with more memory where a table loaded here needs it."""
        connection: DuckDBPyConnection = super().open_connection()
        OPEN.add(connection)
        if self.credentials.database in _NEED_MUCH:
            self._set_limit(connection)
        return connection

    def _set_limit(self, connection: "DuckDBPyConnection") -> None:
        """Set DuckDB's limit as it was written: what DuckDB says of it is rounded down."""
        much = f"{_much_memory_mib()}MiB" if self.credentials.database in _NEED_MUCH else None
        limit = much or (self.credentials.global_config or {})["memory_limit"]
        connection.execute(f"SET GLOBAL memory_limit = '{limit}'")

    def checkpoint(self, *, joins: bool) -> None:
        """Write to the file what its log holds.

        Args:
            joins: whether some blocks that lost rows become fewer blocks, unless the user has
                DuckDB do that with every checkpoint.
        """
        connection = self.native_connection
        usual = connection.execute("SELECT current_setting('max_vacuum_tasks')").fetchone()
        joins = joins and usual == (0,)
        if joins:
            connection.execute("SET GLOBAL max_vacuum_tasks = 1")
        try:
            with suppress(TransactionException):  # somebody else writes: DuckDB does it later
                connection.execute("CHECKPOINT")
        finally:
            if joins:
                connection.execute("SET GLOBAL max_vacuum_tasks = 0")

    def release_memory(self) -> None:
        """Give back the memory of blocks that were read or written.

        DuckDB keeps them, load after load, up to its limit. A lower limit for a moment makes it
        give back all that nothing is at work with.
        """
        connection = self.native_connection
        try:
            with suppress(OutOfMemoryException):  # it has given back what it can
                connection.execute(f"SET GLOBAL memory_limit = '{_IDLE_MEMORY}'")
        finally:
            self._set_limit(connection)

    def warn_if_catalog_equals_dataset_name(self) -> None:
        """Print no warning: names that differ in case only are kept apart."""


_NEED_MUCH: set[str] = set()
"""Files that this process loads wide tables into."""
_LOST_ROWS: set[str] = set()
"""Files in which a load replaces rows."""
_PREPARED: dict[str, tuple[TTableSchema, PreparedTableSchema]] = {}
"""Tables by name, as they were and as dlt prepared them to be loaded."""

_TYPES: dict[tuple[Any, ...], TColumnType] = {}
"""dlt's types by what DuckDB's catalog calls them."""


def _precision(kind: str) -> tuple[int | None, int | None]:
    """Return the digits of a decimal type, and how many of them are behind the point."""
    if not kind.startswith("DECIMAL("):
        return None, None
    precision, scale = kind.removeprefix("DECIMAL(").removesuffix(")").split(",")
    return int(precision), int(scale)


def _much_memory_mib() -> int:
    """Return 2 GiB, or half of a smaller machine."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        memory = 2 * _MUCH_MEMORY_BYTES
    return min(_MUCH_MEMORY_BYTES, memory // 2) // 1024**2


def _longest_row_bytes(file: str) -> float:
    """Return how long the rows are in that group of a large Parquet file in which they are longest.

    To read what a file says of its groups takes a third as long as to load a small one.
    """
    if not file.endswith(".parquet") or Path(file).stat().st_size < _SMALL_FILE_BYTES:
        return 0
    found = ParquetFile(file).metadata
    groups = [found.row_group(at) for at in range(found.num_row_groups)]
    return max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=0)


class QualifyingClient(DuckDbClient):
    """dlt's client with the SQL client above."""

    def __init__(
        self,
        schema: Schema,
        config: DuckDbClientConfiguration,
        capabilities: DestinationCapabilitiesContext,
    ) -> None:
        super().__init__(schema, config, capabilities)
        self._file = str(config.credentials.database)
        given = (config.credentials.global_config or {}).get("memory_limit")
        self._may_take_more = given == LITTLE_MEMORY  # else the user has set a limit
        made = self.sql_client
        self.sql_client: QualifyingSqlClient = QualifyingSqlClient(
            made.dataset_name, made.staging_dataset_name, config.credentials, capabilities
        )

    def _from_db_type(self, *of_catalog: Any) -> TColumnType:  # noqa: ANN401 - dlt's signature
        """Read a type of the catalog's once: dlt asks for each column of each table."""
        if of_catalog not in _TYPES:
            _TYPES[of_catalog] = super()._from_db_type(*of_catalog)
        return _TYPES[of_catalog]

    def get_storage_tables(
        self, table_names: Iterable[str]
    ) -> Iterator[tuple[str, TTableSchemaColumns]]:
        """Yield the columns of tables, none for one that is not there, or is a view.

        Only these tables are asked: DuckDB's list of all columns works out the views of its
        system first, which takes as long as opening the file.
        """
        found: dict[str, TTableSchemaColumns] = {name: {} for name in table_names}
        there = self.sql_client.execute_sql(_TABLES, self.sql_client.dataset_name) or ()
        asked = sorted(found.keys() & {name for (name,) in there})
        for at in range(0, len(asked), _AT_ONCE):
            question = self._columns_of(asked[at : at + _AT_ONCE])
            for table, name, kind, required in self.sql_client.execute_sql(question) or ():
                found[table][name] = cast(
                    "TColumnSchema",
                    {"name": name, "nullable": not required}
                    | self._from_db_type(kind, *_precision(kind)),
                )
        yield from found.items()

    def _columns_of(self, tables: Iterable[str]) -> str:
        """Return the question for the columns of tables that are there, in their order."""
        literal = self.capabilities.escape_literal
        asked = " UNION ALL ".join(
            f'SELECT {literal(name)} AS "table", cid, name, type, "notnull" FROM'
            f" pragma_table_info({literal(self.sql_client.make_qualified_table_name(name))})"
            for name in tables
        )
        return f'SELECT "table", name, type, "notnull" FROM ({asked}) ORDER BY "table", cid'

    def create_load_job(
        self,
        table: PreparedTableSchema,
        file_path: str,
        *args: Any,  # noqa: ANN401 - handed on to dlt as they are
        **kwargs: Any,  # noqa: ANN401
    ) -> LoadJob:
        """Make a job; one that needs much memory gets it, unless the user set a limit."""
        merges = table.get("write_disposition") == "merge"
        if merges:
            _LOST_ROWS.add(self._file)
        most = _MERGED_COLUMNS if merges else _ADDED_COLUMNS
        if self._may_take_more and (
            len(table["columns"]) > most or _longest_row_bytes(file_path) > _LONG_ROW_BYTES
        ):
            _NEED_MUCH.add(self._file)
        return super().create_load_job(table, file_path, *args, **kwargs)

    def update_stored_schema(
        self,
        *args: Any,  # noqa: ANN401 - handed on to dlt as they are
        **kwargs: Any,  # noqa: ANN401
    ) -> TSchemaTables | None:
        """Release the memory of what was read before a load, then make its tables."""
        self.sql_client.release_memory()
        return super().update_stored_schema(*args, **kwargs)

    def complete_load(self, load_id: str) -> None:
        """Record that a load is complete, and release the memory that it took."""
        super().complete_load(load_id)
        self.sql_client.checkpoint(joins=self._file in _LOST_ROWS)
        _LOST_ROWS.discard(self._file)
        self.sql_client.release_memory()

    def prepare_load_table(self, table_name: str) -> PreparedTableSchema:
        """Return a copy of what dlt prepared before, as long as the table has not changed.

        dlt asks some ten times for each table of a load, and copies it column by column.
        """
        table = self.schema.get_table(table_name)
        before, prepared = _PREPARED.get(table_name, (None, None))
        if before != table or prepared is None:
            prepared = super().prepare_load_table(table_name)
            if is_nested_table(table):  # it depends on its parent as well
                return prepared
            _PREPARED[table_name] = deepcopy(table), prepared
        columns = {name: column.copy() for name, column in prepared["columns"].items()}
        return cast("PreparedTableSchema", {**prepared, "columns": columns})
