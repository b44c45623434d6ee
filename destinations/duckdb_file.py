"""DuckDB in a file that may be called like the dataset in it, and with no more memory than needed.

Rows are added in little memory, whatever the table's size; a merge into a wide table takes more.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from dlt.destinations import duckdb as _duckdb
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from .duckdb_client import QualifyingClient

LITTLE_MEMORY = "200MiB"
OPEN: "WeakSet[DuckDBPyConnection]" = WeakSet()
"""Connections of this process that write."""


def interrupt() -> None:
    """End what connections that write are at, with an error where they are used."""
    for connection in OPEN.copy():
        with suppress(Exception):  # it is closed by now
            connection.interrupt()


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
        key = accept_partial, repr(vars(given))
        if key not in self._resolved:
            self._resolved[key] = super().configuration(given, accept_partial)
        config = self._resolved[key].copy()
        config.credentials = self._resolved[key].credentials
        return config

    @property
    def client_class(self) -> type["QualifyingClient"]:
        """The client, imported when first used."""
        from .duckdb_client import QualifyingClient  # noqa: PLC0415 - heavy

        return QualifyingClient
