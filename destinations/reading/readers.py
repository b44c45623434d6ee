"""A dataset, open for reading: no statement can change it.

DuckDB      the file read-only, external access off, the configuration locked; no folder of ours
PostgreSQL  one statement by the extended protocol, in a read-only transaction
others      through dlt's client, once a parser has shown the statement to be a query; in a session
            that only reads, where `READ_ONLY` knows how to begin one
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import dlt
import duckdb
from dlt.common.destination.exceptions import DestinationException
from dlt.dataset.utils import get_destination_clients
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.job_client_impl import SqlJobClientBase

from sources.hubspot.errors import ConfigError, HubSpotError, MissingRightError, WarehouseError
from sources.hubspot.warehouse.sql.opening import tables_of

from ..dlt_settings import own_settings
from ..drivers import READ_ONLY, REFUSED, UNKNOWN, meaning_of
from ..failures import credentials_setting, first_line, missing_driver, redacted, to_error
from ..resolve import duckdb_path, explained, fit, make_destination
from ..rights import kind_of
from .parsed import in_full, prove_parsed
from .proofs import (
    POSTGRES_MEANINGS,
    postgres_to_prove,
    prove_duckdb,
    prove_duckdb_plan,
    prove_postgres,
)

if TYPE_CHECKING:
    import psycopg

SAFE_DUCKDB = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
}
"""What keeps a statement within the file: no other files, network, extensions or variables."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows that a statement returns."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


class Reader(Protocol):
    """A dataset, open for reading."""

    def ask(self, sql: str) -> Answer:
        """Run a statement of ours, in the neutral dialect of `warehouse.sql`.

        Raises:
            UnknownTableError: it names a table that is not there.
            ConfigError: the destination refuses the statement.
            WarehouseError: the destination does not answer.
        """
        ...

    def columns(self, tables: Iterable[str]) -> Mapping[str, AbstractSet[str]]:
        """Return the columns of those tables that are in the dataset."""
        ...

    def ask_proven(self, sql: str) -> Answer:
        """Run a statement of somebody else's, once it is proven to read.

        Raises:
            ConfigError: it is not, or the destination refuses it.
        """
        ...


class DuckDbReader:
    """A DuckDB file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def ask(self, sql: str) -> Answer:
        """Run a statement of ours."""
        try:
            cursor = self._connection.execute(sql)
            columns = [column[0] for column in cursor.description or []]
            return Answer(columns, cursor.fetchall())
        except duckdb.Error as error:
            raise refused(error, "duckdb") from error

    def columns(self, tables: Iterable[str]) -> dict[str, set[str]]:
        """Return the columns of those tables that are in the schema."""
        return _by_table(self.ask(_COLUMNS), tables)

    def ask_proven(self, sql: str) -> Answer:
        """Run a statement that DuckDB's own parser shows to read."""
        plan = self.ask(f"EXPLAIN (FORMAT json) {prove_duckdb(sql)}")
        prove_duckdb_plan(plan.rows[0][1])
        return self.ask(sql)


class PostgresReader:
    """A schema of PostgreSQL; every statement has a read-only transaction of its own."""

    def __init__(self, connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
        self._connection = connection

    def ask(self, sql: str) -> Answer:
        """Run a statement of ours."""
        import psycopg  # noqa: PLC0415 - only this destination needs it

        try:
            with self._connection.transaction(force_rollback=True):
                return self._run(sql)
        except psycopg.Error as error:
            raise refused(error, "postgres") from error

    def columns(self, tables: Iterable[str]) -> dict[str, set[str]]:
        """Return the columns of those tables that are in the schema."""
        return _by_table(self.ask(_COLUMNS), tables)

    def ask_proven(self, sql: str) -> Answer:
        """Run a statement that names only what reads and that PostgreSQL takes for a query."""
        import psycopg  # noqa: PLC0415 - only this destination needs it

        query = postgres_to_prove(sql)
        try:
            with self._connection.transaction(force_rollback=True):
                if query is not None:
                    with self._connection.transaction(force_rollback=True):
                        self._run("SET LOCAL search_path = pg_catalog")  # nobody's own functions
                        prove_postgres(query, self._meanings)
                    self._run(
                        f"DECLARE proof CURSOR FOR {query}"
                    )  # of one that writes there is none
                return self._run(sql)
        except psycopg.Error as error:
            raise refused(error, "postgres") from error

    def _meanings(self, words: list[str]) -> list[tuple[Any, ...]]:
        return self._connection.execute(POSTGRES_MEANINGS, {"words": words}).fetchall()

    def _run(self, sql: str) -> Answer:
        with self._connection.cursor() as cursor:
            cursor.execute(sql.encode(), prepare=True)  # sent as one statement, or refused as two
            columns = [column.name for column in cursor.description or ()]
            return Answer(columns, cursor.fetchall() if columns else [])


class SqlReader:
    """Any other SQL destination, through dlt."""

    def __init__(self, client: SqlJobClientBase, name: str) -> None:
        """Take over a client with an open connection, and make it one that reads."""
        self._client, self._name = client.sql_client, name
        self._tables = tables_of(client)
        self._dialect = str(self._client.capabilities.sqlglot_dialect)
        dataset = self._client.fully_qualified_dataset_name()
        for statement in SESSIONS.get(kind_of(client), ()):
            with explained(name):
                self._client.execute_sql(statement.format(dataset=dataset))

    def ask(self, sql: str) -> Answer:
        """Run a statement of ours."""
        return self._answer(self._tables.translate(sql))

    def columns(self, tables: Iterable[str]) -> dict[str, set[str]]:
        """Return the columns of those tables that are in the dataset."""
        with explained(self._name):
            return self._tables.columns(tables)

    def ask_proven(self, sql: str) -> Answer:
        """Run a statement that DuckDB's parser, or sqlglot's, shows to be a query."""
        if self._dialect == "duckdb":
            prove_duckdb(sql)
            return self._answer(sql)
        query = prove_parsed(sql, self._dialect)
        return self._answer(in_full(query, self._dialect, self._client.make_qualified_table_name))

    def _answer(self, statement: str) -> Answer:
        try:
            with self._tables.run(statement) as (names, rows):
                return Answer(names, rows)
        except Exception as error:
            raise refused(error, self._name) from error


SESSIONS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "mysql": ("SET SESSION TRANSACTION READ ONLY", "USE {dataset}"),
        "clickhouse": ("SET readonly = 1",),
        "redshift": ("SET search_path TO {dataset}", "BEGIN READ ONLY"),
        "snowflake": ("USE SCHEMA {dataset}",),
        "databricks": ("USE {dataset}",),
        "motherduck": ("SET python_enable_replacements = false", "USE {dataset}"),
        "ducklake": ("SET python_enable_replacements = false", "USE {dataset}"),
        "filesystem": (
            *(f"SET {name} = {value}" for name, value in SAFE_DUCKDB.items()),
            "SET lock_configuration = true",
        ),
    }
)
"""By kind of destination, what makes a session read alone, where there is such a thing, and take
the dataset for the place of names. Nothing does the former in Snowflake, BigQuery, Databricks and
SQL Server, where a role has to see to it."""


_COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE table_schema = current_schema()"
)


def _by_table(answer: Answer, tables: Iterable[str]) -> dict[str, set[str]]:
    known: dict[str, set[str]] = {}
    for table, column in answer.rows:
        known.setdefault(table, set()).add(column)
    return {table: known[table] for table in tables if table in known}


@contextmanager
def open_reader(destination: str, dataset: str) -> Iterator[Reader]:
    """Open a dataset for reading; nothing is written anywhere, not even a temporary folder.

    Raises:
        ConfigError: there is no such database or dataset.
        WarehouseError: the destination does not answer.
    """
    with own_settings, ExitStack() as open_:
        with explained(destination):
            client = client_of(destination, dataset)
            reader: Reader
            if client.config.destination_type == "duckdb":
                name = client.sql_client.dataset_name
                connection = open_.enter_context(open_duckdb(duckdb_path(client.config), name))
                reader = DuckDbReader(connection)
            elif client.config.destination_type == "postgres":
                reader = PostgresReader(open_.enter_context(_open_postgres(client, dataset)))
            else:
                client.sql_client.open_connection()
                open_.callback(client.sql_client.close_connection)
                if not client.sql_client.has_dataset():
                    raise no_dataset(dataset, destination)
                reader = SqlReader(client, destination)
        yield reader


def client_of(destination: str, dataset: str) -> SqlJobClientBase:
    """Return dlt's client of a destination, without a pipeline and its folder.

    Raises:
        ConfigError: the destination speaks no SQL.
    """
    made: Any = get_destination_clients(
        dlt.Schema("hubspot"), make_destination(destination), dataset
    )[0]
    client = fit(made)
    if not isinstance(client, SqlJobClientBase):
        raise ConfigError(
            f"The destination {destination} answers no SQL.",
            remedy="Read its files with a query engine, such as DuckDB.",
        )
    return client


@contextmanager
def open_duckdb(path: Path, dataset: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB file read-only, with the dataset as the place of unqualified names."""
    if not path.is_file():
        raise ConfigError(
            f"There is no DuckDB file {path}.",
            remedy=f"Run hubspot-elt sync first, or set {credentials_setting('duckdb')}.",
        )
    with explained("duckdb"):
        connection = duckdb.connect(str(path), read_only=True, config=dict(SAFE_DUCKDB))
    with connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            database = connection.execute("SELECT current_database()").fetchall()[0][0]
            connection.execute(f"USE {_quoted(database)}.{_quoted(dataset)}")
        except duckdb.CatalogException:
            raise no_dataset(dataset, str(path)) from None
        connection.execute("SET lock_configuration = true")
        yield connection


@contextmanager
def _open_postgres(
    client: SqlJobClientBase, dataset: str
) -> "Iterator[psycopg.Connection[tuple[Any, ...]]]":
    """Connect to PostgreSQL for reading, with the dataset first in the search path."""
    try:
        import psycopg  # noqa: PLC0415 - only this destination needs it
    except ImportError:
        raise missing_driver("postgres", "psycopg") from None
    credentials: Any = client.config.credentials  # dlt has it optional; it is resolved by now
    with psycopg.connect(credentials.to_native_representation(), autocommit=True) as connection:
        schema = client.sql_client.dataset_name
        known = connection.execute(
            "SELECT set_config('search_path', quote_ident(nspname), false),"
            " set_config('TimeZone', 'UTC', false), has_schema_privilege(oid, 'USAGE')"
            " FROM pg_namespace WHERE nspname = %s",
            [schema],
        ).fetchall()
        if not known:
            raise no_dataset(dataset, "postgres")
        if not known[0][2]:
            raise _unreadable(f"permission denied for schema {schema}.", "postgres")
        connection.read_only = True
        yield connection


def no_dataset(dataset: str, where: str) -> ConfigError:
    """Return the error of a dataset that no sync has made."""
    return ConfigError(
        f"There is no dataset {dataset} in {where}.",
        remedy="Run hubspot-elt sync first, or correct --dataset.",
    )


class UnknownTableError(ConfigError):
    """A statement names a table that is not there."""


def refused(error: BaseException, destination: str) -> HubSpotError:
    """Return what it means that a destination refuses a statement, or is gone."""
    causes = [error]
    while cause := causes[-1].__cause__:
        causes.append(cause)
    deepest = causes[-1]
    if any(isinstance(one, _NO_TABLE) or _name(one) == "UndefinedTable" for one in causes):
        wrong = _wrong(deepest)
        return UnknownTableError(wrong.message, remedy=wrong.remedy)
    if isinstance(deepest, duckdb.Error) and destination == "duckdb":
        return _wrong(deepest)
    if isinstance(deepest, _GONE):
        return WarehouseError(
            f"The destination failed: {first_line(deepest)}",
            remedy=f"Check that it runs and {credentials_setting(destination)}, then run again.",
        )
    found = None if meaning_of(deepest) in _OF_STATEMENTS else to_error(deepest, destination)
    if isinstance(found, MissingRightError):
        return _unreadable(first_line(deepest), destination)
    return found if found and not isinstance(deepest, DestinationException) else _wrong(deepest)


def _unreadable(reason: str, destination: str) -> MissingRightError:
    return MissingRightError(
        f"The destination refuses to read: {reason}",
        remedy=f"Give the user of {credentials_setting(destination)} the right to read the data.",
    )


def _name(error: BaseException) -> str:
    return type(error).__name__


_NO_TABLE = (DatabaseUndefinedRelation, duckdb.CatalogException)
_GONE = (duckdb.OperationalError, OSError)
_OF_STATEMENTS = (REFUSED, UNKNOWN, READ_ONLY)
"""Meanings of codes that blame a statement of the user's, not the settings."""


def _wrong(error: BaseException) -> ConfigError:
    """Return the error of a statement that is wrong, with what the database takes it to mean."""
    hint = re.search(r"(Did you mean|Perhaps you meant|Candidate bindings:) [^\n]+", str(error))
    meant = f"{redacted(hint[0]).rstrip('.')}. ".replace("?.", "?") if hint else ""
    return ConfigError(
        f"The query failed: {first_line(error)}",
        remedy=f"{meant}Correct the SQL; hubspot-elt status lists the tables.",
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
