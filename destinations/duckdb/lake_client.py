"""DuckLake, opened once: DuckDB loads its extensions and joins the catalogue for all of a run.

dlt does both for each connection. To load the two extensions takes 0.65 CPU seconds, as DuckDB
proves their signatures.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, AnyStr, cast

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.dataset import DBApiCursor
from dlt.common.schema import Schema
from dlt.destinations.impl.duckdb.configuration import DuckDbConnectionPool
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.destinations.impl.ducklake.configuration import (
    DuckLakeClientConfiguration,
    DuckLakeCredentials,
)
from dlt.destinations.impl.ducklake.ducklake import DuckLakeClient
from dlt.destinations.impl.ducklake.sql_client import DuckLakeSqlClient
from dlt.destinations.sql_client import raise_open_connection_error
from dlt.destinations.typing import DBTransaction
from duckdb import CatalogException, TransactionException

from ..connections import OPEN

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SETTINGS: Mapping[str, Any] = {
    "disabled_optimizers": "filter_pushdown,join_order,statistics_propagation",
    "preserve_insertion_order": False,
    "threads": 1,
}
"""Of DuckDB; what the user set wins. Both optimizers ask for the statistics of each column of a
table, which DuckLake asks its catalogue for one by one as long as the table is empty."""
_SAME_SECONDS = 1.0


class LakePool(DuckDbConnectionPool):
    """The connections to one lake, of one DuckDB that joins it for the first of them.

    They are kept for the next who asks, until nobody uses any: each costs 6 CPU milliseconds.
    """

    credentials: DuckLakeCredentials
    _conn: "DuckDBPyConnection | None"  # type: ignore[assignment] # dlt sets it to None, too

    def __init__(self, credentials: DuckLakeCredentials) -> None:
        super().__init__(credentials)
        self._join: Callable[[DuckDBPyConnection], None] | None = None
        self._kept: dict[str, list[DuckDBPyConnection]] = {}
        self._used: dict[int, str] = {}
        self.writes = 0
        """How often this process may have changed the lake."""

    def borrow_joined(
        self,
        dataset: str,
        join: "Callable[[DuckDBPyConnection], None]",
        settings: Mapping[str, Any],
    ) -> "DuckDBPyConnection":
        """Return a connection of the caller's own.

        Args:
            dataset: where names of tables are looked up, if it is there.
            join: opens the lake.
            settings: of DuckDB.
        """
        with self._conn_lock:
            if kept := self._kept.get(dataset):
                self._conn_borrows += 1
                return self._lent(kept.pop(), dataset)
            self._join = join
            if self._conn is None and _FREE:
                self._conn = _FREE.pop()
            try:
                connection = self.borrow_conn(global_config={**settings})
            except Exception:
                if not self._conn_borrows:
                    self._conn = None  # it is closed
                raise
            try:
                connection.execute(f"SET search_path = '{dataset}'")
            except CatalogException:
                connection.execute(f'USE "{self.credentials.ducklake_name}"')
                return connection
            return self._lent(connection, dataset)

    def _lent(self, connection: "DuckDBPyConnection", dataset: str) -> "DuckDBPyConnection":
        self._used[id(connection)] = dataset
        return connection

    def return_conn(self, borrowed_conn: "DuckDBPyConnection") -> int:
        """Keep a connection, undone what it has not committed; leave the lake after the last."""
        with self._conn_lock:
            dataset = self._used.pop(id(borrowed_conn), None)
            if dataset is None:
                borrowed_conn.close()
            else:
                with suppress(TransactionException):  # it has none
                    borrowed_conn.rollback()
                self._kept.setdefault(dataset, []).append(borrowed_conn)
            self._conn_borrows -= 1
            if not self._conn_borrows:
                self._close_conn()
            return self._conn_borrows

    def _execute_statements(self, conn: "DuckDBPyConnection") -> None:
        super()._execute_statements(conn)
        if self._join:
            self._join(conn)

    def _close_conn(self) -> None:
        for kept in self._kept.values():
            for one in kept:
                one.close()
        self._kept.clear()
        if connection := self._conn:
            self._conn = None
            connection.execute(f'USE memory; DETACH "{self.credentials.ducklake_name}"')
            if self.credentials.storage.is_local_filesystem and not self.credentials.statements:
                _FREE.append(connection)
            else:
                connection.close()


_FREE: "list[DuckDBPyConnection]" = []
"""DuckDBs that have loaded the extensions, but have no lake open and know no secret."""


class LakeSqlClient(DuckLakeSqlClient):
    """Its connections share one DuckDB, and are found by a signal.

    Questions that follow each other are of one transaction, until this process changes the lake or
    a second has passed: DuckLake then looks up once what there is, which takes half of the time of
    a short question.
    """

    _asked: tuple[int, float] | None = None
    _changes = False

    @raise_open_connection_error
    def open_connection(self) -> "DuckDBPyConnection":
        """Open a connection that looks names up in the dataset, or in the lake without one."""
        lake = self.capabilities.escape_identifier(self.credentials.ducklake_name)
        settings = {**SETTINGS, **self._global_config}
        given = self.credentials.global_config or {}
        self._conn = self._pool.borrow_joined(
            f"{lake}.{self.fully_qualified_dataset_name()}",
            self._join,
            {name: value for name, value in settings.items() if name not in given},
        )
        self._asked = None
        OPEN.add(self._conn)
        return self._conn

    def close_connection(self) -> None:
        """Give the connection back; what it has not committed is undone."""
        DuckDbSqlClient.close_connection(self)

    @contextmanager
    def execute_query(
        self,
        query: AnyStr,
        *args: Any,  # noqa: ANN401 - handed on to dlt as they are
        **kwargs: Any,  # noqa: ANN401
    ) -> Iterator[DBApiCursor]:
        """Run a statement; a question in the transaction of those before it."""
        if not self._changes:
            self._look(ask=str(query).lstrip()[:6].upper() == "SELECT")
        try:
            with super().execute_query(query, *args, **kwargs) as cursor:
                yield cursor
        except BaseException:
            self._asked = None  # it is undone
            raise
        finally:
            self._pool.writes += self._asked is None

    @contextmanager
    def begin_transaction(self) -> Iterator[DBTransaction]:
        """Begin a transaction of changes."""
        self._look(ask=False)
        self._changes = True
        try:
            with super().begin_transaction() as transaction:
                yield transaction
        finally:
            self._changes = False
            self._pool.writes += 1

    def warn_if_catalog_equals_dataset_name(self) -> None:
        """Print no warning, and ask nothing for it: a lake may have the name of its dataset."""

    @property
    def _pool(self) -> LakePool:
        return cast("LakePool", self.credentials.conn_pool)

    def _look(self, *, ask: bool) -> None:
        """Go on with the transaction of questions, or begin one; end it before a change."""
        if self._asked:
            writes, since = self._asked
            if ask and writes == self._pool.writes and monotonic() < since + _SAME_SECONDS:
                return
            self._conn.commit()
            self._asked = None
        if ask:
            self._conn.begin()
            self._asked = self._pool.writes, monotonic()

    def _join(self, connection: "DuckDBPyConnection") -> None:
        storage = self.credentials.storage
        if not storage.is_local_filesystem:
            before, self._conn = self._conn, connection
            try:
                self.create_secret(storage.bucket_url, storage.credentials)
            finally:
                self._conn = before
        connection.execute(self.attach_statement)


class LakeClient(DuckLakeClient):
    """dlt's client with the SQL client above."""

    def __init__(
        self,
        schema: Schema,
        config: DuckLakeClientConfiguration,
        capabilities: DestinationCapabilitiesContext,
    ) -> None:
        super().__init__(schema, config, capabilities)
        if not isinstance(config.credentials.conn_pool, LakePool):
            config.credentials.conn_pool = LakePool(config.credentials)
        made = self.sql_client
        self.sql_client = LakeSqlClient(
            made.dataset_name,
            made.staging_dataset_name,
            config.credentials,
            capabilities,
            config.override_data_path,
            config.automatic_migration,
        )
