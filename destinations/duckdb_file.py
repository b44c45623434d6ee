"""DuckDB in a file that may be called like the dataset in it, such as `hubspot.duckdb`."""

from pathlib import Path
from typing import TYPE_CHECKING

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.schema import Schema
from dlt.destinations import duckdb as _duckdb
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

if TYPE_CHECKING:
    from dlt.destinations.impl.duckdb.duck import DuckDbClient


class duckdb(_duckdb):  # noqa: N801 - dlt names destinations after their class
    """dlt's DuckDB, whose statements name the database where its schema has the same name."""

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

    def warn_if_catalog_equals_dataset_name(self) -> None:
        """Say nothing: the names are told apart."""


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
            made = self.sql_client
            self.sql_client = QualifyingSqlClient(
                made.dataset_name, made.staging_dataset_name, config.credentials, capabilities
            )

    return QualifyingClient
