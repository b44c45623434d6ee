"""PostgreSQL filled by COPY: twice as fast as inserts, and empty text stays apart from NULL.

Parquet files become CSV on their way: to write CSV files, and pack them, takes as long as a load.
"""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import HasFollowupJobs, LoadJob, RunnableLoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnType
from dlt.common.storages.load_package import ParsedLoadJobFileName
from dlt.destinations import postgres as _postgres

from ..connections import OPEN

if TYPE_CHECKING:
    from dlt.destinations.impl.postgres.configuration import PostgresClientConfiguration
    from dlt.destinations.impl.postgres.postgres import PostgresClient
    from pyarrow import RecordBatch


class postgres(_postgres):  # noqa: N801 - dlt names destinations after their class
    """dlt's PostgreSQL, whose Parquet files are copied by a job of ours."""

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities = super()._raw_capabilities()
        capabilities.preferred_loader_file_format = "parquet"
        capabilities.loader_file_format_selector = None  # type: ignore[assignment] # no ADBC
        return capabilities

    @property
    def client_class(self) -> type["PostgresClient"]:
        """The client, made when first used: its driver may be missing."""
        return _client_class()


_TYPES: dict[tuple[Any, ...], TColumnType] = {}
"""dlt's types by what PostgreSQL's catalog calls them: dlt asks for each column of each table."""


def _client_class() -> type["PostgresClient"]:
    from dlt.destinations.impl.postgres.postgres import PostgresClient  # noqa: PLC0415
    from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient  # noqa: PLC0415

    class KnownSqlClient(Psycopg2SqlClient):
        """Its connections are found by a signal."""

        def open_connection(self) -> Any:  # noqa: ANN401 - psycopg2 has no types
            OPEN.add(connection := super().open_connection())
            return connection

    class CopyingClient(PostgresClient):
        """Copies Parquet files itself and leaves all other work to dlt."""

        def __init__(
            self,
            schema: Schema,
            config: "PostgresClientConfiguration",
            capabilities: DestinationCapabilitiesContext,
        ) -> None:
            super().__init__(schema, config, capabilities)
            made = self.sql_client
            self.sql_client = KnownSqlClient(
                made.dataset_name, made.staging_dataset_name, config.credentials, capabilities
            )

        def _from_db_type(self, *of_catalog: Any) -> TColumnType:  # noqa: ANN401 - dlt's signature
            if of_catalog not in _TYPES:
                _TYPES[of_catalog] = super()._from_db_type(*of_catalog)
            return _TYPES[of_catalog]

        def create_load_job(
            self,
            table: PreparedTableSchema,
            file_path: str,
            load_id: str,
            restore: bool = False,  # noqa: FBT001, FBT002 - dlt's signature
        ) -> LoadJob:
            if ParsedLoadJobFileName.parse(file_path).file_format == "parquet":
                return CopyJob(file_path)
            return super().create_load_job(table, file_path, load_id, restore)

    return CopyingClient


class CopyJob(RunnableLoadJob, HasFollowupJobs):
    """Copies one Parquet file."""

    def run(self) -> None:
        """Send the file to the server, in one transaction."""
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415 - heavy

        client: PostgresClient = self._job_client  # type: ignore[assignment]
        sql = client.sql_client
        table = sql.make_qualified_table_name(self.load_table_name)
        with ParquetFile(self._file_path) as file:
            names = file.schema_arrow.names
            columns = ",".join(sql.escape_column_name(name, quote=True) for name in names)
            copy = f"COPY {table} ({columns}) FROM STDIN WITH (FORMAT csv, ENCODING 'utf-8')"
            lines = io.BufferedReader(Csv(file.iter_batches(_ROWS)), _BYTES)
            with sql.begin_transaction(), sql.native_connection.cursor() as cursor:
                cursor.copy_expert(copy, lines, size=_BYTES)


_ROWS = 1_000
_BYTES = 1 << 16


class Csv(io.RawIOBase):
    """Rows as CSV, read like a file.

    Text is quoted and NULL is nothing at all, which is how COPY reads them.
    """

    def __init__(self, rows: "Iterator[RecordBatch]") -> None:
        super().__init__()
        self._rows, self._left = rows, memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever takes bytes
        """Fill a buffer with what comes next; 0 at the end."""
        from pyarrow.csv import WriteOptions, write_csv  # noqa: PLC0415 - heavy

        while not self._left:
            if (batch := next(self._rows, None)) is None:
                return 0
            made = io.BytesIO()
            write_csv(batch, made, WriteOptions(include_header=False))
            self._left = made.getbuffer()
        taken = min(len(buffer), len(self._left))
        buffer[:taken], self._left = self._left[:taken], self._left[taken:]
        return taken
