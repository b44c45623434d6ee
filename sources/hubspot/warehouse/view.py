"""The tables of a dataset as the source reads them between two loads: counts, ids, rows."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Any, Protocol, Self

from dlt.common.destination.client import JobClientBase
from dlt.common.schema import Schema
from dlt.common.schema.typing import TSchemaTables
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.pipeline.pipeline import Pipeline

from .sql import Tables, is_sqlalchemy, named, open_tables


class Missing(Protocol):
    """What a dataset lacks of its schema."""

    @property
    def gone(self) -> Sequence[str]:
        """Tables."""

    @property
    def columns(self) -> Mapping[str, Sequence[str]]:
        """Columns by table, those of `gone` left out."""


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
    with_alchemy = is_sqlalchemy(job)
    if with_alchemy:  # it makes nothing of a schema that has changed since it was written
        schema = Schema.from_dict(schema.to_dict())  # type: ignore[arg-type]
    with type(job)(schema, job.config, job.capabilities) as client:  # type: ignore[arg-type]
        if not client.is_storage_initialized():
            client.initialize_storage()
        if with_alchemy:  # it has no statements, and always stores the version
            client._update_schema_in_storage = lambda _: None  # type: ignore[method-assign, assignment]  # noqa: SLF001
            return client.update_stored_schema(tables, force=True) or {}
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
        self._tables: Tables | None = None
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
        self._tables = None
        self._held.close()

    def _open(self) -> Tables:
        if self._tables is None:
            self._tables = self._held.enter_context(open_tables(self._pipeline))
        return self._tables

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
        return self._open().size(table)

    def counts(self, tables: Iterable[str], where: str, *args: object) -> dict[str, int]:
        """Count the rows that meet a condition; 0 for a table that is not there."""
        asked = list(tables)
        known = [table for table in asked if self._columns.get(table)]
        found = self._open().counts(known, f"{{}} WHERE {where}", *args) if known else {}
        return dict.fromkeys(asked, 0) | found

    def tally(self, table: str, column: str, where: str) -> dict[Any, int]:
        """Count the rows that meet a condition, by the values of a column."""
        if not self.has(table, [column]):
            return {}
        by = named(column)
        sql = f"SELECT {by}, count(*) FROM {named(table)} WHERE {where} GROUP BY {by}"
        return {value: int(count) for value, count in self._open().select(sql)}

    def values(
        self, table: str, columns: Sequence[str], where: str, *args: object
    ) -> Generator[list[tuple[Any, ...]], None, None]:
        """Yield columns of the rows that meet a condition, a few thousand at a time.

        Many rows are streamed over a connection of their own; where they are few, as mostly, the
        shared one answers, which is quicker.
        """
        if self._columns.get(table):
            shown = self._shown(table, columns)
            sql = f"SELECT {shown} FROM {named(table)} WHERE {where}"
            yield from self._open().pages(sql, *args)

    def has(self, table: str, columns: Sequence[str] = ()) -> bool:
        """Whether there is a table with these columns."""
        known = self._columns.get(table, set())
        return bool(known) and {*columns} <= known

    def rows(
        self, table: str, columns: Sequence[str], keys: Sequence[str], key: str = "id"
    ) -> list[tuple[Any, ...]]:
        """Return columns of the rows whose `key` is one of these; none without the table."""
        if not self.has(table, [key]):
            return []
        found: list[tuple[Any, ...]] = []
        shown = self._shown(table, columns)
        sql = f"SELECT {shown} FROM {named(table)} WHERE {named(key)} IN (?)"
        for start in range(0, len(keys), ASKED):
            found += self._open().select(sql, keys[start : start + ASKED])
        return found

    def _shown(self, table: str, columns: Sequence[str]) -> str:
        known = self._columns[table]
        return ", ".join(named(column) if column in known else "NULL" for column in columns)
