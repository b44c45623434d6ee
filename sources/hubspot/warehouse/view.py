"""The tables of a dataset as the source reads them between two loads: counts, ids, rows."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Any, Protocol, Self

from dlt.common.destination.client import JobClientBase
from dlt.common.schema import Schema
from dlt.common.schema.typing import TSchemaTables
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline


class Missing(Protocol):
    """What a dataset lacks of its schema."""

    @property
    def gone(self) -> Sequence[str]:
        """Tables."""

    @property
    def columns(self) -> Mapping[str, Sequence[str]]:
        """Columns by table, those of `gone` left out."""


FETCHED = 8_000  # values that are held at a time
LIMITING = {"duckdb", "postgres"}  # dialects that know LIMIT, of those that are tested
ASKED = 500  # keys that one statement names


@contextmanager
def held_open(pipeline: Pipeline) -> Iterator[None]:
    """Hold a DuckDB file open from load to load: it is rewritten when its last connection closes.

    Nothing is held of other destinations.
    """
    with ExitStack() as held:
        client = pipeline.sql_client()
        if client.capabilities.sqlglot_dialect == "duckdb":
            client.open_connection()
            held.callback(client.close_connection)
        yield


def make_missing(job: SqlJobClientBase, schema: Schema, tables: Iterable[str]) -> TSchemaTables:
    """Make tables of a schema, and columns of theirs, that a dataset lacks; return what was made.

    As dlt does before each load, but for the version of the schema, which is stored with a load.
    """
    with type(job)(schema, job.config, job.capabilities) as client:  # type: ignore[arg-type]
        if not client.is_storage_initialized():
            client.initialize_storage()
        with client.maybe_ddl_transaction():
            return client._execute_schema_update_sql(tables, store_schema=False)  # noqa: SLF001


class WarehouseView:
    """A pipeline's dataset between two loads; close it before the next one is looked at.

    One connection serves all short questions: to open one takes longer than most answers.
    """

    def __init__(self, pipeline: Pipeline, missing: Missing | None = None) -> None:
        """Remember which tables and columns there are: no load may come in between.

        Args:
            pipeline: with the schema of its dataset.
            missing: what the dataset lacks of it, where it was not repaired.
        """
        self._pipeline = pipeline
        self._held = ExitStack()
        self._client: SqlClientBase[Any] | None = None
        self._is_new: bool | None = None
        self._columns: dict[str, set[str]] = {}
        if pipeline.default_schema_name:
            for name, table in pipeline.default_schema.tables.items():
                self._columns[name] = {*table.get("columns", {})}
        for name in missing.gone if missing else ():
            self._columns.pop(name, None)
        for name, columns in missing.columns.items() if missing else ():
            self._columns[name] -= {*columns}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; it is opened again if need be."""
        self._client = None
        self._held.close()

    def _open(self) -> SqlClientBase[Any]:
        if self._client is None:
            self._client = self._pipeline.sql_client()
            self._client.open_connection()
            self._held.callback(self._client.close_connection)
        return self._client

    @cached_property
    def _job(self) -> JobClientBase:
        return self._pipeline.destination_client()

    @property
    def makes_tables(self) -> bool:
        """Whether it has tables that SQL makes."""
        return isinstance(self._job, SqlJobClientBase)

    def make_tables(self, schema: Schema, tables: Iterable[str]) -> None:
        """Make tables, or columns, of a schema that are not there.

        dlt's own come along: a dataset without the one of its loads is taken for a damaged one.
        """
        if isinstance(self._job, SqlJobClientBase):
            make_missing(self._job, schema, [*tables, *schema.dlt_table_names()])

    def size(self, table: str) -> int:
        """Count the rows of a table as the warehouse has it, even if no state mentions it.

        As after a first load that was killed before its state was written.
        """
        client = self._open()
        if self._is_new is None:
            self._is_new = not client.has_dataset()
        if self._is_new:
            return 0
        name = client.make_qualified_table_name(table)
        try:
            rows = client.execute_sql(f"SELECT count(*) FROM {name}")
        except DatabaseUndefinedRelation:
            return 0
        return int(rows[0][0]) if rows else 0

    def counts(self, tables: Iterable[str], where: str, *args: object) -> dict[str, int]:
        """Count the rows that meet a condition in SQL; 0 for a table that is not there."""
        asked = list(tables)
        known = [table for table in asked if self._columns.get(table)]
        if not known:
            return dict.fromkeys(asked, 0)
        client = self._open()
        sql = " UNION ALL ".join(
            f"SELECT '{table}', count(*) FROM {client.make_qualified_table_name(table)}"
            f" WHERE {where}"
            for table in known
        )
        rows = client.execute_sql(sql, *args * len(known)) or ()
        found = {row[0]: int(row[1]) for row in rows}
        return dict.fromkeys(asked, 0) | found

    def tally(self, table: str, column: str, where: str) -> dict[Any, int]:
        """Count the rows that meet a condition in SQL, by the values of a column."""
        name = self.qualified(table)
        if name is None:
            return {}
        column = self._open().escape_column_name(column)
        sql = f"SELECT {column}, count(*) FROM {name} WHERE {where} GROUP BY {column}"
        return {row[0]: int(row[1]) for row in self._open().execute_sql(sql) or ()}

    def values(
        self, table: str, columns: Sequence[str], where: str, *args: object
    ) -> Generator[list[tuple[Any, ...]], None, None]:
        """Yield columns of the rows that meet a condition, a few thousand at a time.

        Many rows are streamed over a connection of their own; where they are few, as mostly, the
        shared one answers, which is quicker.
        """
        if not self._columns.get(table):
            return
        shared = self._open()
        if shared.capabilities.sqlglot_dialect in LIMITING:
            name = shared.make_qualified_table_name(table)
            sql = f"SELECT {self._shown(shared, table, columns)} FROM {name} WHERE {where}"
            few = shared.execute_sql(f"{sql} LIMIT {FETCHED + 1}", *args) or ()
            if len(few) <= FETCHED:
                if few:
                    yield [tuple(row) for row in few]
                return
        with self._pipeline.sql_client() as client:
            name = client.make_qualified_table_name(table)
            sql = f"SELECT {self._shown(client, table, columns)} FROM {name} WHERE {where}"
            with client.execute_query(sql, *args) as cursor:
                while rows := cursor.fetchmany(FETCHED):
                    yield [tuple(row) for row in rows]

    def qualified(self, table: str, columns: Sequence[str] = ()) -> str | None:
        """Return the name of a table in SQL; None where there is none with these columns."""
        known = self._columns.get(table)
        if not known or not {*columns} <= known:
            return None
        return self._open().make_qualified_table_name(table)

    def rows(
        self, table: str, columns: Sequence[str], keys: Sequence[str], key: str = "id"
    ) -> list[tuple[Any, ...]]:
        """Return columns of the rows whose `key` is one of these; none without the table."""
        known = self._columns.get(table, ())
        if key not in known:
            return []
        found: list[tuple[Any, ...]] = []
        client = self._open()
        name = client.make_qualified_table_name(table)
        shown = self._shown(client, table, columns)
        for start in range(0, len(keys), ASKED):
            part = keys[start : start + ASKED]
            # DuckDB takes a tenth of a millisecond for each parameter, and none for a literal
            marks = ", ".join(f"'{one}'" if _is_plain(one) else "%s" for one in part)
            odd = [one for one in part if not _is_plain(one)]
            sql = f"SELECT {shown} FROM {name} WHERE {client.escape_column_name(key)} IN ({marks})"
            found += [tuple(row) for row in client.execute_sql(sql, *odd) or ()]
        return found

    def _shown(self, client: SqlClientBase[Any], table: str, columns: Sequence[str]) -> str:
        known = self._columns[table]
        return ", ".join(
            client.escape_column_name(column) if column in known else "NULL" for column in columns
        )


def _is_plain(key: str) -> bool:
    """Whether a text is safe in a statement as it is, as every id of HubSpot's is."""
    return key.isascii() and key.isalnum()
