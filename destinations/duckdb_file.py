"""DuckDB in a file that may be called like the dataset in it, and with no more memory than needed.

Rows are added in little memory, whatever the table's size; a merge into a wide table takes more.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import LoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.schema import Schema
from dlt.destinations import duckdb as _duckdb
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

LITTLE_MEMORY = "240MiB"
_MUCH_MEMORY_BYTES = 2 * 1024**3
_MERGED_COLUMNS = 40  # from so many on a merge may need more than little memory
_ADDED_COLUMNS = 300  # and adding rows

if TYPE_CHECKING:
    from dlt.destinations.impl.duckdb.duck import DuckDbClient
    from duckdb import DuckDBPyConnection


class duckdb(_duckdb):  # noqa: N801 - dlt names destinations after their class
    """dlt's DuckDB, whose statements name the database where its schema has the same name."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - dlt's signature
        super().__init__(**settings)
        self._resolved: dict[object, DuckDbClientConfiguration] = {}

    def configuration(
        self,
        initial_config: DuckDbClientConfiguration,
        accept_partial: bool = False,  # noqa: FBT001, FBT002 - dlt's signature
    ) -> DuckDbClientConfiguration:
        """Return a copy of what is resolved once: dlt asks some forty times a run.

        The copies share their connections, as the clients of one load do.
        """
        given = initial_config or self.spec()
        key = (accept_partial, repr(sorted(given.items())), given.is_resolved())
        if key not in self._resolved:
            self._resolved[key] = super().configuration(given, accept_partial)
        config = self._resolved[key].copy()
        config.credentials = self._resolved[key].credentials
        return config

    @property
    def client_class(self) -> type["DuckDbClient"]:
        """The client, made when first used."""
        return _client_class()


class QualifyingSqlClient(DuckDbSqlClient):
    """Writes `database.schema.table` where DuckDB finds `schema.table` ambiguous.

    DuckDB calls a database like its file, up to the first dot, and refuses a reference that may
    mean the database or the schema.
    """

    def catalog_name(self, quote: bool = True, casefold: bool = True) -> str | None:  # noqa: FBT001, FBT002, ARG002 - dlt's signature
        """Return the database's name where it must be written, else None."""
        database = Path(str(self.credentials.database)).name.partition(".")[0]
        if database.casefold() != self.dataset_name.casefold():
            return None
        return self.capabilities.escape_identifier(database) if quote else database

    def open_connection(self) -> "DuckDBPyConnection":
        """Open a connection, with more memory where a table loaded here needs it."""
        connection: DuckDBPyConnection = super().open_connection()
        if self.credentials.database in _NEED_MUCH:
            connection.execute(f"SET GLOBAL memory_limit = '{_much_memory_mib()}MiB'")
        return connection

    def warn_if_catalog_equals_dataset_name(self) -> None:
        """Say nothing: the names are told apart."""


_NEED_MUCH: set[str] = set()
"""Files that this process loads wide tables into."""


def _much_memory_mib() -> int:
    """Return 2 GiB, or half of a smaller machine."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        memory = 2 * _MUCH_MEMORY_BYTES
    return min(_MUCH_MEMORY_BYTES, memory // 2) // 1024**2


def _client_class() -> type["DuckDbClient"]:
    from dlt.destinations.impl.duckdb.duck import DuckDbClient  # noqa: PLC0415 - heavy

    class QualifyingClient(DuckDbClient):
        """dlt's client with the SQL client above."""

        def __init__(
            self,
            schema: Schema,
            config: DuckDbClientConfiguration,
            capabilities: DestinationCapabilitiesContext,
        ) -> None:
            super().__init__(schema, config, capabilities)
            given = (config.credentials.global_config or {}).get("memory_limit")
            self._may_take_more = given == LITTLE_MEMORY  # else the user has set a limit
            made = self.sql_client
            self.sql_client = QualifyingSqlClient(
                made.dataset_name, made.staging_dataset_name, config.credentials, capabilities
            )

        def create_load_job(
            self,
            table: PreparedTableSchema,
            *args: Any,  # noqa: ANN401 - handed on to dlt as they are
            **kwargs: Any,  # noqa: ANN401
        ) -> LoadJob:
            """Make a job; one that needs much memory gets it, unless the user set a limit."""
            merges = table.get("write_disposition") == "merge"
            most = _MERGED_COLUMNS if merges else _ADDED_COLUMNS
            if self._may_take_more and len(table["columns"]) > most:
                _NEED_MUCH.add(str(self.config.credentials.database))
            return super().create_load_job(table, *args, **kwargs)

    return QualifyingClient
